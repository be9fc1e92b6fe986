#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Commits of a SEE in which processes live: they go on, in what is the host's now."""
import glob
import mmap

from commits import *

MEANWHILE = 'commit.after-step:3'


class Held:
    """Everything below a directory of the SEE, open and in memory."""

    def __init__(self, see):
        self.see, self.fds = see, {}
        for top, dirs, files in os.walk(see.root):
            for name in dirs + files:
                path = f'{top}/{name}'
                if stat.S_IFMT(os.lstat(path).st_mode) in (stat.S_IFREG, stat.S_IFDIR):
                    self.fds[path] = os.open(path, os.O_RDONLY)
        self.numbers = self.now()

    def now(self):
        return {n: what['ino'] for n, what in fingerprint(self.see.root, ('ino',)).items()}

    def files(self):
        """One name of each regular file, with its descriptor."""
        seen = {}
        for path, fd in sorted(self.fds.items()):
            if stat.S_ISREG(os.fstat(fd).st_mode):
                seen.setdefault(os.fstat(fd).st_ino, (os.path.relpath(path, self.see.root), fd))
        return seen.values()

    def same(self, what):
        """The descriptors are those of the names, and these are where they were."""
        for path, fd in self.fds.items():
            eq(os.readlink(f'/proc/self/fd/{fd}'), path, f'{what}: the name of a descriptor')
            eq(os.fstat(fd).st_ino, os.lstat(path).st_ino, f'{what}: inode of {path}')
            if stat.S_ISREG(os.fstat(fd).st_mode):
                with open(path, 'rb') as f:
                    eq(os.pread(fd, 1 << 20, 0), f.read(), f'{what}: {path} by its descriptor')
            else:
                eq(sorted(os.listdir(fd)), sorted(os.listdir(path)), f'{what}: {path} is listed')
        for n, ino in self.now().items():
            eq(ino, self.numbers.get(n, ino), f'{what}: number of {n}')

    def close(self):
        for fd in self.fds.values():
            os.close(fd)


def committed_live(h, see, held, what):
    """Commit while all of it is open."""
    want = like(see.root)
    commit()
    same_tree(like(h.dir), want, f'{what}: the host is not what the SEE saw')
    same_tree(like(see.root), want, f'{what}: the SEE is not what it was')
    held.same(what)
    eq(changes('x'), {}, f'{what}: changes')


def lives_through(h, see):
    """Commit; the host's changes show and the SEE's do not, as in a new SEE; commit."""
    held = Held(see)
    try:
        held.same('before')
        committed_live(h, see, held, 'the first commit')
        for name, fd in held.files():
            h.tree.append(name, 'by the host\n')
            with open(h.path(name), 'rb') as f:
                eq(os.pread(fd, 1 << 20, 0), f.read(), f'{name}, which the host changed')
        same_tree(like(see.root), like(h.dir), 'what the host changed afterwards')
        held.same('what the host changed')
        before = like(h.dir)
        for n, (name, fd) in enumerate(held.files()):
            with open(see.path(name), 'r+b') as f:
                f.write(b'SEE')
            eq(os.pread(fd, 3, 0), b'SEE', f'{name}, which the SEE changed again')
            see.write(f'{os.path.dirname(name) or "."}/again{n}', f'{n}\n')
        same_tree(like(h.dir), before, 'the host after the SEE changed it again')
        held.same('what the SEE changed')
        ok(changes('x'), 'the SEE has changes again')
        held.numbers = held.now()
        committed_live(h, see, held, 'the second commit')
    finally:
        held.close()


@test(over=KINDS)
def change(h, kind):
    "of this kind, with everything open: descriptors, names and numbers stay"
    populate(h.tree)
    seectl('create', 'x')
    with view(h) as see:
        KINDS[kind](see)
        lives_through(h, see)
    committed(h)
    seectl('abort', 'x')


@test(smoke=True)
def all_at_once(h):
    "everything that does not exclude each other, with everything open"
    populate_all(h)
    seectl('create', 'x')
    with view(h) as see:
        change_all(see)
        lives_through(h, see)
    committed(h)
    seectl('abort', 'x')


@test(smoke=True)
def a_process_goes_on(h):
    "in directories and with files that it made, as if nothing had happened"
    h.tree.write('log', 'host\n')
    script = '''set -e
        mkdir new; cd new; echo a >a; exec 4<a; exec 5<../log; echo 1 >>../log
        echo up
        while [ ! -e /srv/go ]; do sleep 0.1; done
        test "$(pwd)" = "$(readlink /proc/self/cwd)"; cat a ../log; cat <&4; cat <&5
        echo 2 >>../log; echo b >b; rm a; cat ../log; ls'''
    os.makedirs('/srv', exist_ok=True)
    with something_runs(h, script) as child:
        ok('SEE x is committed' in seectl('commit', 'x', *WRITES).out, 'commit')
        eq((h.tree.read('new/a'), h.tree.read('log')), (b'a\n', b'host\n1\n'), 'the host')
        ok(see_processes(listing()[0]['id']), 'the processes are there')
        with view(h) as see:
            Tree(f'{VIEW}/srv').write('go', '')
        out, err = child.communicate(timeout=60)
    eq(err.splitlines()[:1] if child.returncode else [], [], 'errors inside')
    eq(out, 'a\nhost\n1\na\nhost\n1\nhost\n1\n2\nb\n', 'what it saw')
    eq((h.tree.ls('new'), h.tree.read('log')), ({'a'}, b'host\n1\n'), 'the host')
    committed(h)
    eq((h.tree.ls('new'), h.tree.read('log')), ({'b'}, b'host\n1\n2\n'), 'the host in the end')
    os.unlink('/srv/go')
    seectl('abort', 'x')


@test(smoke=True)
def policy_of_a_live_run(h):
    "the file that seectl mounts policy-rc.d over is neither committed nor listed; a later run has it"
    policy = '/usr/sbin/policy-rc.d'
    if os.path.lexists(policy):
        raise Skip('the host has a policy-rc.d')
    with something_runs(h, f'{policy}; echo $? >f; echo up; sleep 1000'):
        for n in range(2):
            seectl('run', 'x', '--keep', '--', 'sh', '-c', f'echo {n} >g', cwd=h.dir)
            eq(set(changes('x')), {h.path('g')} | ({h.path('f')} if not n else set()), 'changes')
            commit()
            ok(not os.path.lexists(policy), f'the host has it after commit {n}')
            eq(json.loads(seectl('status', 'x', '--json').out)['changes'], 0, 'changes that are counted')
            seectl('run', 'x', '--keep', '--', policy, status=101)
        h.tree.holds('f', '101\n')
    eq((json.loads(seectl('status', 'x', '--json').out)['changes'], os.path.lexists(policy)), (0, False),
       'in the end')
    seectl('abort', 'x')


@test()
def a_layer_that_is_read_only(h):
    "somebody uses only that: it goes on when another is committed"
    h.tree.write('file', 'host\n')
    os.mkdir('/srv/root')
    try:
        seectl('create', 'x', '--over', h.dir)
        seectl('run', 'x', '--keep', '--', 'sh', '-c', f'echo SEE >{h.path("file")}')
        seectl('mount', 'x', '/srv/root', '--layer', '/')
        with opened('/srv/root/etc/passwd') as fd:
            seectl('commit', 'x', '--criterion', 'writes')
            with open('/etc/passwd', 'rb') as f:
                eq(os.pread(fd, 1 << 20, 0), f.read(), 'what is open')
        eq(set(os.listdir('/srv/root/etc')), set(os.listdir('/etc')), 'a directory')
        eq(h.tree.read('file'), b'SEE\n', 'what was committed')
    finally:
        umount('/srv/root')
        os.rmdir('/srv/root')
    seectl('abort', 'x')


@test()
def without_a_name(h):
    "what was removed and is open stays what it was, and goes with its last user"
    for name in 'read', 'dir/in', 'changed':
        h.tree.makedirs('dir')
        h.tree.write(name, f'{name}\n')
    seectl('create', 'x')
    with view(h) as see, contextlib.ExitStack() as stack:
        see.append('changed', 'by the SEE\n')
        see.write('born', 'born\n')
        fds = {n: stack.enter_context(see.opened(n)) for n in ('read', 'changed', 'born', 'dir')}
        tmp = stack.enter_context(opened(see.root, os.O_TMPFILE | os.O_RDWR))
        os.write(tmp, b'tmp\n')
        for name in 'read', 'changed', 'born', 'dir/in':
            see.unlink(name)
        see.rmdir('dir')
        see.write('other', '')
        ok('SEE x is committed' in seectl('commit', 'x', *WRITES).out, 'commit')
        eq(h.tree.ls(), {'other'}, 'the host')
        eq({n: os.pread(fd, 100, 0) for n, fd in fds.items() if n != 'dir'},
           {'read': b'read\n', 'changed': b'changed\nby the SEE\n', 'born': b'born\n'}, 'descriptors')
        eq(os.listdir(fds['dir']), [], 'the directory')
        raises(errno.ENOENT, os.open, 'x', os.O_CREAT | os.O_WRONLY, dir_fd=fds['dir'])
        os.write(tmp, b'more\n')
        eq(os.pread(tmp, 100, 0), b'tmp\nmore\n', 'the file without a name')
        link_fd(tmp, see.path('named'))
        h.tree.absent('named')
        eq(set(changes('x')), {h.path('named')}, 'changes')
    committed(h)
    h.tree.holds('named', 'tmp\nmore\n')
    seectl('abort', 'x')


@test()
def old_descriptors(h):
    "what is changed by one from before the commit is a change of the name that it has now"
    for name in 'log', 'moved':
        h.tree.write(name, 'host\n')
    seectl('create', 'x')
    with view(h) as see, contextlib.ExitStack() as stack:
        see.write('born', 'born\n')
        fds = {n: stack.enter_context(see.opened(n, flags)) for n, flags in
               (('log', os.O_RDWR | os.O_APPEND), ('moved', os.O_RDONLY), ('born', os.O_RDONLY))}
        see.rename('log', 'log.1')
        see.mkdir('dir')
        see.rename('moved', 'dir/moved')
        ok('is committed' in seectl('commit', 'x', *WRITES).out, 'commit')
        os.write(fds['log'], b'SEE\n')
        os.fchmod(fds['moved'], 0o600)
        os.fchmod(fds['born'], 0o604)
        eq(set(changes('x')), {h.path(n) for n in ('log.1', 'dir/moved', 'born')}, 'changes')
        h.tree.holds('log.1', 'host\n')
    committed(h)
    h.tree.holds('log.1', 'host\nSEE\n')
    eq((h.tree.mode('dir/moved'), h.tree.mode('born')), (0o600, 0o604), 'modes')
    seectl('abort', 'x')


@test()
def the_other_name(h):
    "of a file whose first one the host took away: nothing is lost, it is known or asked for"
    h.tree.write('a', 'host\n')
    h.tree.link('a', 'b')
    drop_caches()
    seectl('create', 'x')
    with view(h) as see:
        with see.opened('a', os.O_RDWR | os.O_APPEND) as fd:
            h.tree.unlink('a')
            drop_caches()
            os.write(fd, b'SEE\n')
        see.write('other', '')
        got = seectl('commit', 'x', *WRITES, status=None)
        if got.status:
            found = problems('x', *WRITES)
            ok({p['why'] for p in found} <= {'busy', 'conflict'}, f'{found}')
            see.holds('b', 'host\nSEE\n')
            ok(h.path('b') in changes('x'), 'it is listed under the name that it has')
            # the host changed it, by taking the name away
            seectl('commit', 'x', *FORCE)
        see.holds('b', 'host\nSEE\n')
        h.tree.holds('b', 'host\nSEE\n')
    committed(h)
    seectl('abort', 'x')


@test()
def another_name(h):
    "has what is mapped for writing, and it was forgotten: busy all the same"
    seectl('create', 'x')
    with view(h) as see:
        with see.opened('a', os.O_CREAT | os.O_RDWR) as fd:
            os.ftruncate(fd, 4096)
            mapping = mmap.mmap(fd, 4096)
        see.link('a', 'b')
        see.unlink('a')
        drop_caches()
        with untouched(h):
            found = problems('x', *WRITES)
        eq({p['why'] for p in found}, {'busy'}, f'{found}')
        mapping[0:4] = b'last'
        mapping.close()
        ok('is committed' in seectl('commit', 'x', *WRITES).out, 'commit')
        eq(h.tree.read('b')[:4], b'last', 'the host')
    committed(h)
    seectl('abort', 'x')


@test()
def nameless_again(h):
    "through more than one commit: bytes, locks and numbers stay those of one object"
    for name in 'changed', 'other':
        h.tree.write(name, f'{name}\n')
    seectl('create', 'x')
    with view(h) as see, contextlib.ExitStack() as stack:
        see.append('changed', 'SEE\n')
        changed = stack.enter_context(see.opened('changed'))
        see.unlink('changed')
        tmp = stack.enter_context(opened(see.root, os.O_TMPFILE | os.O_RDWR))
        os.ftruncate(tmp, 1 << 20)
        mapping = stack.enter_context(contextlib.closing(mmap.mmap(tmp, 1 << 20)))
        fcntl.flock(tmp, fcntl.LOCK_EX)
        for n in range(2):
            see.write(f'more{n}', '')
            ok('is committed' in seectl('commit', 'x', *WRITES).out, 'commit')
            drop_caches()
            eq(os.pread(changed, 100, 0), b'changed\nSEE\n', 'the removed file')
            mapping[n << 16] = ord('x')
            os.fsync(tmp)
        os.fchmod(changed, 0o600)
        link_fd(tmp, see.path('named'))
        drop_caches()
        eq(see.ino('named'), os.fstat(tmp).st_ino, 'number')
        with see.opened('named') as fd:
            raises(errno.EAGAIN, fcntl.flock, fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        eq(set(changes('x')), {h.path('named')}, 'changes')
    committed(h)
    seectl('abort', 'x')


@test()
def reads_into_a_mapping(h):
    "of the SEE go on during commits, and do not hold them up"
    h.tree.write('map', 'm' * 65536)
    h.tree.write('big', 'b' * (4 << 20))
    seectl('create', 'x')
    with view(h) as see:
        def reads():
            with see.opened('map', os.O_RDWR) as fd, see.opened('big') as big:
                count = 0
                while not see.exists('stop'):
                    with contextlib.closing(mmap.mmap(fd, 65536)) as m:
                        for at in range(0, 4 << 20, 1 << 20):
                            # the first store of each page waits if a commit runs
                            eq(os.preadv(big, [memoryview(m)], at), 65536, 'bytes read')
                            eq(bytes(m[:100]), b'b' * 100, 'what was read')
                    os.fsync(fd)
                    count += 1
                return count
        child = Child(reads)
        try:
            wait_for('the reader', lambda: h.path('map') in changes('x'))
            for n in range(5):
                see.write(f'new{n}', '')
                found = problems('x', *WRITES)
                eq([(p['path'], p['why']) for p in found], [(h.path('map'), 'busy')], 'problems')
        finally:
            see.write('stop', '')
            count = child.result()
        ok(count > 0, 'it has read')
        ok('is committed' in seectl('commit', 'x', *WRITES).out, 'commit')
    committed(h)
    seectl('abort', 'x')


@test()
def mapped(h):
    "mappings see what they saw, and those of a file that was changed what is written next"
    h.tree.write('f', 'f' * 10000)
    seectl('create', 'x')
    with view(h) as see:
        see.pwrite('f', b'SEE', 5000)
        see.write('born', 'b' * 10000)
        maps = {}
        for name in 'f', 'born':
            with see.opened(name) as fd:
                maps[name, 'shared'] = mmap.mmap(fd, 10000, mmap.MAP_SHARED, mmap.PROT_READ)
                maps[name, 'private'] = mmap.mmap(fd, 10000, mmap.MAP_PRIVATE,
                                                  mmap.PROT_READ | mmap.PROT_WRITE)
        maps['f', 'private'][0:1] = b'P'
        seen = {key: bytes(m) for key, m in maps.items()}
        ok('SEE x is committed' in seectl('commit', 'x', *WRITES).out, 'commit')
        eq({key: bytes(m) for key, m in maps.items()}, seen, 'mappings')
        see.pwrite('f', b'more', 9000)
        eq(maps['f', 'shared'][9000:9004], b'more', 'a store by write(2)')
        eq(h.tree.read('f')[9000:9004], b'ffff', 'the host')
        for m in maps.values():
            m.close()
    committed(h)
    seectl('abort', 'x')


def open_changed(see):
    return [see.open('f', os.O_RDWR)]


def open_born(see):
    return [see.open('born', os.O_WRONLY | os.O_APPEND)]


def open_deep(see):
    return [see.open('tree/a/deep', os.O_RDWR)]


def map_of(see, name):
    with see.opened(name, os.O_RDWR) as fd:
        return mmap.mmap(fd, 4096, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)


def map_changed(see):
    return [map_of(see, 'f')]


def map_born(see):
    return [map_of(see, 'born')]


BUSY = {'open_changed': ('f', open_changed), 'open_born': ('born', open_born),
        'open_deep': ('tree/a/deep', open_deep), 'map_changed': ('f', map_changed),
        'map_born': ('born', map_born)}


@test(smoke=True, over=BUSY)
def busy(h, kind):
    "what is open for writing or mapped so: refused, by its name; later committed"
    h.tree.write('f', 'f' * 5000)
    seectl('create', 'x')
    name, use = BUSY[kind]
    with view(h) as see:
        see.append('f', 'SEE\n')
        see.write('born', 'b' * 5000)
        see.makedirs('tree/a')
        see.write('tree/a/deep', 'deep\n')
        held = use(see)
        for verb in 'check', 'commit':
            for criterion in WRITES, FORCE:
                with untouched(h):
                    found = problems('x', *criterion, verb=verb)
                eq([(p['path'], p['why']) for p in found], [(h.path(name), 'busy')], f'{verb} {criterion}')
        for what in held:
            what.close() if isinstance(what, mmap.mmap) else os.close(what)
        ok('SEE x is committed' in seectl('commit', 'x', *WRITES).out, 'commit')
        same_tree(like(see.root), like(h.dir), 'the host')
    committed(h)
    seectl('abort', 'x')


@test()
def busy_process(h):
    "is told by number and name"
    h.tree.write('f', 'host\n')
    script = {'fd': 'exec 7>>f; echo 1 >&7; echo up; sleep 1000',
              'map': 'exec python3 -c "import mmap, os, time; f = os.open(\'f\', os.O_RDWR); '
                     'm = mmap.mmap(f, 5); os.close(f); m[0:1] = b\'H\'; print(\'up\', flush=True); '
                     'time.sleep(1000)"'}
    for kind, text in script.items():
        with something_runs(h, text):
            found = problems('x', *WRITES)
            eq([(p['path'], p['why']) for p in found], [(h.path('f'), 'busy')], kind)
            ok(str(found[0].get('pid')) in see_processes(listing()[0]['id']), f'{kind}: {found}')
            ok(found[0]['command'] in ('sh', 'sleep', 'python3'), f'{kind}: {found}')
        wait_for('the process', lambda: not see_processes(listing()[0]['id']))
        committed(h)
    seectl('abort', 'x')


@test(smoke=True)
def writers_wait(h):
    "who writes all the time loses nothing, and sees no error, through many commits"
    h.tree.write('log', '')
    script = '''echo up; i=0
        while [ ! -e /srv/stop ]; do
            echo $i >>log || exit 1
            d=d$((i % 3)); mkdir -p $d && echo $i >$d/f~ && mv $d/f~ $d/f || exit 2
            [ "$(cat $d/f)" = $i ] || exit 3
            ln -f $d/f $d/g || exit 4
            [ $((i % 5)) != 4 ] || rm -r d1 || exit 5
            i=$((i + 1))
        done
        echo $i'''
    done = tried = 0
    with something_runs(h, script) as child:
        wait_for('the writer', lambda: changes('x'))
        while done < 8:
            got = seectl('commit', 'x', *WRITES, status=None)
            tried += 1
            ok(got.status == 0 or (got.status == 3 and 'busy' in got.out + got.err), f'commit: {got}')
            done += got.status == 0
            ok(tried < 200, 'it is always busy')
            ok(child.poll() is None, f'the writer has ended: {child.poll()}')
        with view(h) as see:
            Tree(f'{VIEW}/srv').write('stop', '')
        out, err = child.communicate(timeout=60)
    eq((child.returncode, err.replace('SEE x is kept', '').count('rror')), (0, 0), f'writer: {err}')
    committed(h)
    count = int(out.split()[0])
    eq(h.tree.read('log').split(), [b'%d' % n for n in range(count)], 'the log')
    os.unlink('/srv/stop')
    seectl('abort', 'x')


@test()
def limit(h):
    "what was committed does not count any more; what is open without a name does"
    seectl('create', '--size', str(4 << 20), 'x')

    def used():
        return json.loads(seectl('status', 'x', '--json').out)['used']
    with view(h) as see:
        for n in range(3):
            see.write(f'f{n}', b'x' * (3 << 20))
            raises(errno.ENOSPC, see.write, 'more', b'x' * (2 << 20))
            see.unlink('more')
            ok(used() >= 3 << 20, f'used: {used()}')
            with see.opened('open', os.O_CREAT | os.O_RDWR) as fd:
                os.write(fd, b'x' * 100000)
                see.unlink('open')
                h.tree.write(f'hosts{n}', 'host\n')
                see.append(f'hosts{n}', b'y' * 100000)
                with see.opened(f'hosts{n}'):
                    see.unlink(f'hosts{n}')
                    ok('is committed' in seectl('commit', 'x', *WRITES).out, 'commit')
                    ok(200000 <= used() < 300000, f'used after the commit: {used()}')
            ok(0 <= used() < 20000, f'used in the end: {used()}')
    committed(h)
    seectl('abort', 'x')


@contextlib.contextmanager
def in_the_middle(h, fault=MEANWHILE):
    """A commit whose seed was killed: the module has it, until another seed comes."""
    try:
        with our_seed(fault) as seed:
            got = seectl('commit', 'x', *WRITES, status=125)
            wait_for(f'the fault, after {got}', lambda: seed.poll() is not None)
            eq(seed.poll(), -signal.SIGKILL, 'seed')
            yield
    finally:
        run('systemctl', 'start', 'seed')


def blocked(pid):
    """Waits at the gate."""
    with open(f'/proc/{pid}/wchan') as f:
        return f.read().startswith('see_')


@test(smoke=True)
def reading_goes_on(h):
    "while a commit does not end; who changes something waits, and can be killed"
    populate(h.tree)
    seectl('create', 'x')
    with view(h) as see, contextlib.ExitStack() as stack:
        modify(see)
        make(see)
        held = stack.enter_context(contextlib.closing(Held(see)))
        want = like(see.root)
        def write(name):
            see.write(name, 'waited\n')
        with in_the_middle(h):
            held.same('in the middle')
            same_tree(like(see.root), want, 'the SEE in the middle')
            drop_caches()
            h.tree.write('by-the-host', 'new\n')
            see.holds('by-the-host', 'new\n')
            h.tree.unlink('by-the-host')
            children = [Child(write, 'killed'), Child(write, 'dir/waits')]
            for child in children:
                wait_for('a writer to wait', lambda: blocked(child.pid))
                with open(f'/proc/{child.pid}/maps') as f:
                    ok(f.read(), 'maps of who waits')
            os.kill(children[0].pid, signal.SIGKILL)
            os.waitpid(children[0].pid, 0)
            ok(blocked(children[1].pid), 'the other one goes on waiting')
        children[1].result()
        see.holds('dir/waits', 'waited\n')
        see.absent('killed')
        see.unlink('dir/waits')
        held.same('taken back')
        same_tree(like(see.root), want, 'the SEE afterwards')
    seectl('abort', 'x')


@test()
def marked(h):
    "seed dies after the mark: the next one lets those inside go on in the host"
    populate(h.tree)
    seectl('create', 'x')
    with view(h) as see, contextlib.ExitStack() as stack:
        for kind in modify, make, remove:
            kind(see)
        held = stack.enter_context(contextlib.closing(Held(see)))
        want = like(see.root)
        with in_the_middle(h, 'commit.after-mark'):
            held.same('in the middle')
        same_tree(like(h.dir), want, 'the host')
        same_tree(like(see.root), want, 'the SEE')
        held.same('afterwards')
        eq(changes('x'), {}, 'changes')
        see.append('big', 'again\n')
        eq(set(changes('x')), {h.path('big')}, 'changes')
    committed(h)
    seectl('abort', 'x')


@test(over=('cleanup.between', 'cleanup.renewed', 'cleanup.before-end', 'cleanup.after-end',
            'cleanup.undo', 'cleanup.before-remove'))
def marked_later(h, point):
    "seed dies while it cleans up: what those inside write from then on is never thrown away"
    populate(h.tree)
    seectl('create', 'x')
    open_again = point not in ('cleanup.between', 'cleanup.renewed', 'cleanup.before-end')
    with view(h) as see, contextlib.ExitStack() as stack:
        for kind in modify, make, remove:
            kind(see)
        held = stack.enter_context(contextlib.closing(Held(see)))
        want = like(see.root)
        with in_the_middle(h, point):
            same_tree(like(h.dir), want, 'the host')
            held.same('in the middle')
            def later():
                see.append('big', 'again\n')
                see.write('later', 'later\n')
            child = Child(later)
            if open_again:
                child.result()
            else:
                wait_for('the writer to wait', lambda: blocked(child.pid))
        if not open_again:
            child.result()
        same_tree(like(h.dir), want, 'the host')
        want = like(see.root)
        drop_caches()
        same_tree(like(see.root), want, 'the SEE')
        see.holds('later', 'later\n')
        eq(set(changes('x')), {h.path('big'), h.path('later')}, 'changes')
        eq([n for n in os.listdir(f'{STORE}/{listing()[0]["id"]}') if not n.isdigit()], ['meta'],
           'the store')
    with view(h) as see:
        same_tree(like(see.root), want, 'the SEE, mounted again')
    committed(h)
    h.tree.holds('later', 'later\n')
    seectl('abort', 'x')


@test()
def old_tree(h):
    "of what was committed is read in, and kept, until the SEE goes on in the new one"
    populate(h.tree)
    seectl('create', 'x')
    with view(h) as see:
        modify(see)
        make(see)
        want = like(see.root)
        with in_the_middle(h, 'cleanup.before-end'):
            eq([n for n in os.listdir(STORE) if n.startswith('trash')], [], 'what is thrown away')
            ok(glob.glob(f'{STORE}/*/undo-*/tree-0/changed'), 'the old tree is not there')
            same_tree(like(see.root), want, 'what the SEE reads')
        same_tree(like(see.root), want, 'afterwards')
    wait_for('the old tree to go', lambda: not glob.glob(f'{STORE}/*/undo-*'))
    seectl('abort', 'x')


@test()
def failed_commit(h):
    "is taken back under those who live in it, who see nothing of it"
    populate(h.tree)
    seectl('create', 'x')
    with view(h) as see, contextlib.ExitStack() as stack:
        for kind in make, replace, attributes:
            kind(see)
        held = stack.enter_context(contextlib.closing(Held(see)))
        want, before = like(see.root), like(h.dir)
        try:
            with our_seed(f'commit.before-mark={errno.EIO}'):
                seectl('commit', 'x', *WRITES, status=3)
        finally:
            run('systemctl', 'start', 'seed')
        same_tree(like(h.dir), before, 'the host')
        same_tree(like(see.root), want, 'the SEE')
        held.same('taken back')
        see.write('more', 'more\n')
    committed(h)
    seectl('abort', 'x')


# ---- those who do not come out ------------------------------------------------

UFFD, UFFDIO_API, UFFDIO_REGISTER = 323, 0xc018aa3f, 0xc020aa00
NUMBERS = {'read': 0, 'write': 1, 'getdents64': 217}


def bad_page():
    """A page whose first use never ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    fd = libc.syscall(UFFD, os.O_CLOEXEC)
    ok(fd >= 0, f'userfaultfd: {ename(ctypes.get_errno())}')
    fcntl.ioctl(fd, UFFDIO_API, struct.pack('QQQ', 0xaa, 0, 0))
    page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    fcntl.ioctl(fd, UFFDIO_REGISTER, struct.pack('QQQQ', address, 4096, 1, 0))
    return libc, page, address


def stuck_in(function, path, flags):
    """A process that does not come out of a system call."""
    pid = os.fork()
    if not pid:
        libc, page, address = bad_page()
        fd = os.open(path, flags)
        libc.syscall(NUMBERS[function], fd, ctypes.c_void_p(address), 100)
        os._exit(0)
    def inside():
        with open(f'/proc/{pid}/wchan') as f:
            return 'handle_userfault' in f.read()
    wait_for('it to be inside', inside)
    return pid


def ended(pid):
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


@test()
def stuck_write(h):
    "before a commit: busy, nothing happened, and the others go on"
    h.tree.write('f', 'host\n')
    seectl('create', 'x')
    with view(h) as see:
        see.write('other', 'x')
        pid = stuck_in('write', see.path('f'), os.O_RDWR)
        with untouched(h):
            found = problems('x', *WRITES)
        ok(found and {p['why'] for p in found} == {'busy'}, f'{found}')
        see.write('more', 'the gate is open\n')
        ended(pid)
        ok('SEE x is committed' in seectl('commit', 'x', *WRITES).out, 'commit')
    committed(h)
    seectl('abort', 'x')


@test()
def stuck_read(h):
    "before or during a commit does not hold it up"
    h.tree.write('f', 'host\n')
    seectl('create', 'x')
    with view(h) as see:
        see.write('other', 'x')
        pids = [stuck_in('read', see.path('f'), os.O_RDONLY)]
        with in_the_middle(h, 'commit.after-mark'):
            pids.append(stuck_in('read', see.path('f'), os.O_RDONLY))
        see.append('f', 'SEE\n')
        eq(set(changes('x')), {h.path('f')}, 'changes')
        for pid in pids:
            ended(pid)
    committed(h)
    h.tree.holds('f', 'host\nSEE\n')
    seectl('abort', 'x')


@test()
def stuck_listing(h):
    "one that does not end costs the users the SEE; the commit is done all the same"
    h.tree.mkdir('dir')
    seectl('create', 'x')
    with view(h) as see:
        see.write('other', 'x')
        with in_the_middle(h, 'commit.after-mark'):
            pid = stuck_in('getdents64', see.path('dir'), os.O_RDONLY)
        h.tree.holds('other', 'x')
        raises(errno.EIO, see.read, 'other')
        ended(pid)
    committed(h)
    seectl('abort', 'x')


if __name__ == '__main__':
    main()
