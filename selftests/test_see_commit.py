#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""seectl commit, check, revert, run --commit: what becomes of the host."""
from concurrent.futures import ThreadPoolExecutor

from commits import *

@test(smoke=True, over=KINDS)
def change(h, kind):
    "of this kind are on the host after the commit, and nothing else is"
    populate(h.tree)
    before = like(h.dir)
    seectl('create', 'x')
    with view(h) as see:
        KINDS[kind](see)
    same_tree(like(h.dir), before, 'before the commit')
    eq(problems('x', *WRITES, verb='check', status=0), [], 'check')
    same_tree(like(h.dir), before, 'after the check')
    committed(h)
    seectl('abort', 'x')


@test(smoke=True)
def all_at_once(h):
    "everything that does not exclude each other, from a command; then once more"
    populate_all(h)
    seectl('create', 'x')
    with view(h) as see:
        change_all(see)
    committed(h)
    seectl('run', 'x', '--keep', '--', 'sh', '-ec',
           'echo 2 >>make/new; echo 3 >>modify/file; rm swap/big; mkdir -p nest/inner/y/z', cwd=h.dir)
    eq(set(changes('x')), {h.path(n) for n in ('make/new', 'modify/file', 'swap/big', 'nest/inner/y',
                                               'nest/inner/y/z')}, 'changes of the second time')
    committed(h)
    seectl('abort', 'x')


@test()
def revert_change(h):
    "of each kind: the SEE sees what the host has"
    populate_all(h)
    before = like(h.dir)
    seectl('create', 'x')
    with view(h) as see:
        change_all(see)
    with untouched(h):
        for kind in KINDS:
            done = seectl('revert', 'x', h.path(kind))
            ok('taken back' in done.out, f'{kind}: {done}')
            eq([p for p in changes('x') if p.startswith(h.path(kind) + '/')], [], kind)
    eq(changes('x'), {}, 'changes')
    with view(h) as see:
        same_tree(like(see.root), before, 'the SEE sees')
    committed(h)
    same_tree(like(h.dir), before, 'the host')
    seectl('abort', 'x')


@test()
def revert_some(h):
    "single changes are taken back; what is not there is said, and then nothing is"
    for name in 'abc':
        h.tree.write(name, f'{name}\n')
    seectl('run', 'x', '--keep', '--', 'sh', '-ec',
           'echo 1 >>a; rm b; chmod 600 c; echo 1 >new; mkdir -p d/e; echo 1 >d/e/f', cwd=h.dir)
    for args, *words in ((['none'], '/none', 'inspect x'), (['a', 'none'], '/none'),
                         (['d/e/f'], h.path('d/e/f'), f'part of {h.path("d")}'), (['/'] * 2 + ['/no'], '/no')):
        done = seectl('revert', 'x', *args, status=125, cwd=h.dir)
        for word in words:
            ok(word in done.err, f'{args}: no {word!r} in {done}')
    eq(set(changes('x')), {h.path(n) for n in ('a', 'b', 'c', 'new', 'd', 'd/e', 'd/e/f')}, 'changes')
    eq(seectl('revert', 'x', 'a', 'new', cwd=h.dir).out, '2 changes of SEE x are taken back\n', 'said')
    eq(set(changes('x')), {h.path(n) for n in ('b', 'c', 'd', 'd/e', 'd/e/f')}, 'changes')
    seectl('revert', 'x', h.path('d'), 'b', cwd=h.dir)
    eq(set(changes('x')), {h.path('c')}, 'changes')
    with something_runs(h):
        seectl('revert', 'x', 'c', status=125, cwd=h.dir)
    committed(h)
    eq((h.tree.read('a'), h.tree.mode('c'), h.tree.ls()), (b'a\n', 0o600, set('abc')), 'host')
    seectl('abort', 'x')


@test()
def in_place(h):
    "what was modified in place keeps inode and links; host descriptors see it"
    populate(h.tree)
    ino = {name: h.tree.ino(name) for name in ('big', 'link1', 'dir', 'exec')}
    with h.tree.opened('big') as fd:
        seectl('create', 'x')
        with view(h) as see:
            see.pwrite('big', b'SEE', 5000)
            see.append('link2', 'more\n')
            see.chmod('dir', 0o711)
            see.chmod('exec', 0o700)
        committed(h)
        eq(os.pread(fd, 5, 4999), b'\x87SEE\x8b', 'an open descriptor')
    eq({name: h.tree.ino(name) for name in ino}, ino, 'inodes')
    seectl('abort', 'x')


@test()
def several_layers(h):
    "one commit over two file systems; revert by a path above both"
    fs = h.path('fs')
    with file_system(h, fs, 64 << 20):
        h.tree.write('a', 'a\n')
        h.tree.write('fs/b', 'b\n')
        script = 'echo 1 >>a; echo 2 >>fs/b; mkdir -p fs/c/d; mv fs/b fs/c/d/; echo 3 >fs/e'
        for _ in range(2):
            seectl('run', 'x', '--keep', '--', 'sh', '-ec', script, cwd=h.dir)
            eq(seectl('revert', 'x', h.dir, status=None).status, 0, 'revert')
            eq(changes('x'), {}, 'changes')
        seectl('run', 'x', '--keep', '--', 'sh', '-ec', script, cwd=h.dir)
        seectl('commit', 'x', *WRITES)
        h.tree.holds('a', 'a\n1\n')
        h.tree.holds('fs/c/d/b', 'b\n2\n')
        h.tree.holds('fs/e', '3\n')
        h.tree.absent('fs/b')
        eq(changes('x'), {}, 'changes')
        seectl('abort', 'x')
        wait_for('removal of the store', lambda: not os.path.exists(f'{fs}/.see'))


@test()
def large_and_many(h):
    "a large file and a thousand small ones are moved, not copied"
    seectl('run', 'x', '--keep', '--', 'sh', '-ec', '''
        dd if=/dev/zero of=large bs=1M count=64 status=none
        mkdir many; cd many; for i in $(seq 1000); do echo $i >f$i; done''', cwd=h.dir)
    os.sync()
    with view(h) as see:
        blocks = os.stat(see.path('large')).st_blocks
    free = os.statvfs('/').f_bavail
    seectl('commit', 'x', *WRITES)
    os.sync()
    ok(os.statvfs('/').f_bavail > free - 4096, 'it took more room')
    eq((os.stat(h.path('large')).st_blocks, len(h.tree.ls('many'))), (blocks, 1000), 'host')
    seectl('abort', 'x')


# ---- conflicts ---------------------------------------------------------------

def see_rewrite(t):
    t.write('file', 'SEE\n', os.O_TRUNC)


CONFLICTS = {
    # what the SEE does, what the host does then, where that is a conflict, which
    'data': (see_rewrite, lambda t: t.append('file', 'host\n'), 'file', ['changed']),
    'replaced': (lambda t: t.replace('file', 'SEE\n'), lambda t: t.append('file', 'host\n'),
                 'file', ['changed']),
    'attributes': (lambda t: t.chmod('file', 0o600), lambda t: t.chown('file', USER, USER),
                   'file', ['changed']),
    'directory': (lambda t: t.chmod('dir', 0o700), lambda t: t.chown('dir', USER, USER),
                  'dir', ['changed']),
    'acl of a directory': (lambda t: t.chmod('dir', 0o700),
                           lambda t: t.setxattr('dir', DEFAULT, acl('u::rwx g::r-x o::---')),
                           'dir', ['changed']),
    'gone': (see_rewrite, lambda t: t.unlink('file'), 'file', ['gone']),
    'other': (see_rewrite, lambda t: t.replace('file', 'host\n'), 'file', ['gone', 'name']),
    'removed': (lambda t: t.unlink('file'), lambda t: t.append('file', 'host\n'), 'file', ['changed']),
    'twice': (lambda t: t.unlink('file'), lambda t: t.unlink('file'), 'file', ['gone']),
    'made': (lambda t: t.write('new', 'SEE\n'), lambda t: t.write('new', 'host\n'), 'new', ['name']),
    'moved': (lambda t: t.rename('dir', 'moved'), lambda t: t.write('moved', 'host\n'),
              'moved', ['name']),
    'late': (lambda t: t.rmtree('dir'), lambda t: t.write('dir/sub/late', 'host\n'), None, None),
    'parent': (lambda t: t.write('empty_dir/new', 'SEE\n'), lambda t: t.rmdir('empty_dir'),
               None, None),
    'directory gone': (lambda t: t.chmod('empty_dir', 0o700), lambda t: t.rmdir('empty_dir'),
                       None, None),
}


@test(smoke=True, over=CONFLICTS)
def conflict(h, kind):
    "is refused by writes, named, and leaves the host alone; force makes the SEE win"
    by_see, by_host, where, which = CONFLICTS[kind]
    populate(h.tree)
    seectl('create', 'x')
    with view(h) as see:
        by_see(see)
        see.write('beside', 'no conflict\n')
    by_host(h.tree)
    with untouched(h):
        for verb in 'check', 'commit':
            found = problems('x', *WRITES, verb=verb)
            ok(found and all(p['why'] == 'conflict' for p in found), f'{verb}: {found}')
            if where:
                eq([(p['path'], p['conflicts']) for p in found], [(h.path(where), which)], verb)
        done = seectl('commit', 'x', *WRITES, status=3)
    for line in done.out.splitlines():
        ok(line.startswith(f'conflict {h.dir}/'), f'{done}')
    ok(done.out and 'nothing was changed' in done.err and 'seectl revert x' in done.err, f'{done}')
    before = changes('x')
    ok(h.path('beside') in before, 'the SEE is as it was')
    committed(h, criterion='force')
    seectl('abort', 'x')


# Where a commit has looked at the host, and has not changed it yet.
MOMENTS = ('commit.after-start', 'commit.after-journal')


@contextlib.contextmanager
def stopped(moment, *more, name='x', **kwargs):
    """A commit at that moment, to do something meanwhile; yields a list, with what came of it."""
    with our_seed(','.join((f'{moment}=stop', *more))) as seed:
        with ThreadPoolExecutor() as pool:
            client = pool.submit(seectl, 'commit', name, *WRITES, status=None, **kwargs)
            why = os.waitid(os.P_PID, seed.pid, os.WSTOPPED | os.WEXITED).si_code
            eq(why, os.CLD_STOPPED, f'what happened to seed at {moment}')
            done = []
            try:
                yield done
            finally:
                seed.send_signal(signal.SIGCONT)
            done.append(client.result())
    run('systemctl', 'start', 'seed')


@test(smoke=True, over=[(kind, moment) for kind in CONFLICTS for moment in MOMENTS])
def conflict_at_last(h, kind, moment):
    "that the host makes while a commit is on its way: refused, taken back, the host's stays"
    by_see, by_host, _, _ = CONFLICTS[kind]
    populate(h.tree)
    h.tree.write('other', 'host\n')
    seectl('create', 'x')
    with view(h) as see:
        # steps before and after the one that cannot be done
        see.write('beside', 'no conflict\n')
        see.unlink('other')
        by_see(see)
    with stopped(moment) as done:
        by_host(h.tree)
        before = like(h.dir)
    eq((done[0].status, 'nothing was changed' in done[0].err), (3, True), done)
    same_tree(like(h.dir), before, 'the host was changed')
    ok(problems('x', *WRITES, verb='check'), 'no conflict afterwards')
    committed(h, criterion='force')
    seectl('abort', 'x')


@test()
def removed_while_a_commit_is_taken_back(h):
    "what the host removes meanwhile is completed, though nobody is in the SEE"
    want = bytearray(b'host' * 100000)
    h.tree.write('big', bytes(want))
    seectl('create', 'x')
    with view(h) as see:
        see.write('beside', 'no conflict\n')
        see.pwrite('big', b'SEE', 200001)
    want[200001:200004] = b'SEE'
    with stopped('commit.after-journal') as done:
        h.tree.unlink('big')
    eq(done[0].status, 3, done)
    for _ in range(2):
        with view(h) as see:
            see.holds('big', bytes(want))
            see.holds('beside', 'no conflict\n')
        run('systemctl', 'restart', 'seed')
        drop_caches()
    committed(h, criterion='force')
    h.tree.holds('big', bytes(want))
    seectl('abort', 'x')


@test()
def attributes_of_what_is_removed(h):
    "the host changes a directory that is about to go: it stays, and the change"
    h.tree.mkdir('gone')
    seectl('create', 'x')
    with view(h) as see:
        see.rmdir('gone')
    with stopped('commit.after-journal') as done:
        h.tree.chmod('gone', 0o700)
    eq(done[0].status, 3, done)
    eq(h.tree.mode('gone'), 0o700, 'mode')
    committed(h)
    seectl('abort', 'x')


@test()
def linked_to_what_goes(h):
    "the host removes a file before it got the name that the SEE gave it"
    h.tree.write('file', 'host\n')
    seectl('create', 'x')
    with view(h) as see:
        see.link('file', 'linked')
    with stopped('commit.after-start') as done:
        h.tree.unlink('file')
    eq((done[0].status, 'nothing was changed' in done[0].err), (3, True), done)
    eq(h.tree.ls(), set(), 'host')
    committed(h, criterion='force')
    h.tree.holds('linked', 'host\n')
    seectl('abort', 'x')


@test()
def by_another_name(h):
    "what is modified has a name outside of the layer, too, and only that is in memory"
    h.tree.mkdir('in')
    for name in 'cold', 'out':
        h.tree.write(f'in/{name}', 'host\n')
    os.link(h.path('in/out'), h.path('elsewhere'))
    seectl('create', '--over', h.path('in'), 'x')
    seectl('run', 'x', '--keep', '--', 'sh', '-ec', 'for f in cold out; do echo 1 >>$f; done',
           cwd=h.path('in'))
    drop_caches()
    h.tree.read('elsewhere')
    seectl('commit', 'x', *WRITES)
    for name in 'in/cold', 'in/out', 'elsewhere':
        h.tree.holds(name, 'host\n1\n')
    seectl('abort', 'x')


@test()
def out_of_the_layer(h):
    "a directory with changes that the host moved away: a conflict until it is back"
    h.tree.makedirs('in/d')
    for name in 'fg':
        h.tree.write(f'in/d/{name}', 'host\n')
    seectl('create', '--over', h.path('in'), 'x')
    seectl('run', 'x', '--keep', '--', 'sh', '-ec', 'echo 1 >>d/f; echo 2 >d/new; rm d/g',
           cwd=h.path('in'))
    h.tree.rename('in/d', 'away')
    before = like(h.dir)
    eq(set(changes('x')), {h.path(f'in/d/{n}') for n in ('f', 'new', 'g')}, 'changes')
    seectl('commit', 'x', *WRITES, status=3)
    same_tree(like(h.dir), before, 'the host was changed')
    h.tree.rename('away', 'in/d')
    seectl('commit', 'x', *WRITES)
    h.tree.lists('in/d', 'f new')
    h.tree.holds('in/d/f', 'host\n1\n')
    h.tree.holds('in/d/new', '2\n')
    seectl('abort', 'x')


@test()
def each_below_the_other(h):
    "directories that both sides moved so that nothing leads to them: a conflict, no loop"
    h.tree.makedirs('p/d/q')
    seectl('create', 'x')
    with view(h) as see:
        see.write('p/d/q/born', 'born\n')
        h.tree.rename('p/d', 'd')
        see.rename('p', 'd/q/p')
        h.tree.rmtree('d')
    before = like(h.dir)
    ok(changes('x'), 'changes')
    for criterion in WRITES, FORCE:
        seectl('commit', 'x', *criterion, status=3)
        same_tree(like(h.dir), before, 'the host was changed')
    seectl('abort', 'x')


@test(over=('done', 'taken back', 'member'))
def forgotten(h, how):
    "caches dropped while a commit is on its way do not matter"
    if how == 'member':
        with members_see(h) as member:
            by_member(h, 'echo 1 >>f; mkdir d; echo 2 >d/new; mv sub/g d; rm -f roots', member)
            with stopped('commit.after-start', name='m', **member) as done:
                drop_caches()
            eq(done[0].status, 0, done)
            eq(h.tree.ls('mine/d'), {'new', 'g'}, 'host')
        return
    populate_all(h)
    before = like(h.dir)
    seectl('create', 'x')
    with view(h) as see:
        change_all(see)
        want = like(see.root)
    fault = [f'commit.before-mark={errno.EIO}'] if how == 'taken back' else []
    with stopped('commit.sync' if fault else 'commit.after-start', *fault) as done:
        drop_caches()
    eq(bool(done[0].status), bool(fault), done)
    ok('meanwhile' not in done[0].err, done)
    same_tree(like(h.dir), before if fault else want, 'host')
    eq(bool(changes('x')), bool(fault), 'what is left in the SEE')
    seectl('abort', 'x')


@test()
def conflict_in_words(h):
    "says what the SEE did, what the host has, and quotes names"
    name = h.path('a\x1b[2J')
    with open(name, 'w') as f:
        f.write('host\n')
    seectl('run', 'x', '--keep', '--', 'sh', '-ec', 'for f in *; do echo 1 >"$f"; done', cwd=h.dir)
    with open(name, 'a') as f:
        f.write('12345\n')
    os.utime(name, (0, 86400))
    done = seectl('commit', 'x', *WRITES, status=3, env=dict(os.environ, TZ='UTC0'))
    eq(done.out, f'conflict {h.dir}/a\\033[2J (data): the host changed it, too; now a file, '
       '0644 0:0, 11 bytes, of 1970-01-02 00:00:00\n', 'the list')
    ok('\x1b' not in done.err, done.err)
    found, = problems('x', *WRITES)
    eq(found, {'path': name, 'why': 'conflict', 'changes': ['data'], 'conflicts': ['changed'],
               'host': {'type': 'file', 'mode': '0644', 'uid': 0, 'gid': 0, 'size': 11,
                        'mtime': 86400}}, 'JSON')
    seectl('revert', 'x', name)
    committed(h)
    seectl('abort', 'x')


@test()
def partly_private(h):
    "blocks over a base that changed have no meaning: force refuses them, too"
    h.tree.write('f', bytes(100000))
    seectl('create', 'x')
    with view(h) as see:
        see.pwrite('f', b'SEE', 50000)
    h.tree.pwrite('f', b'host', 10)
    with untouched(h):
        for criterion in WRITES, FORCE:
            eq([(p['path'], p['why']) for p in problems('x', *criterion)],
               [(h.path('f'), 'conflict')], criterion[1])
        advice = {c[1]: seectl('commit', 'x', *c, status=3).err for c in (WRITES, FORCE)}
    ok('but not in a file of which the SEE changed only a part' in advice['writes'], advice['writes'])
    ok('--criterion' not in advice['force'], advice['force'])
    seectl('abort', 'x')


@test()
def what_force_displaces(h):
    "is kept, and it is said where"
    h.tree.write('a', 'a\n')
    h.tree.mkdir('d')
    seectl('create', 'x')
    with view(h) as see:
        see.write('new', 'SEE\n')
        see.unlink('a')
        see.rmdir('d')
    h.tree.write('new', 'precious, made\n')
    h.tree.append('a', 'precious, appended\n')
    h.tree.write('d/late', 'precious, late\n')
    done = seectl('commit', 'x', *FORCE)
    ok(KEPT in done.out + done.err, f'{done}')
    eq(h.tree.ls(), {'new'}, 'host')
    kept = run('grep', '-rh', 'precious', KEPT)
    for what in 'made', 'appended', 'late':
        ok(f'precious, {what}' in kept, f'{what} is not in {kept!r}')
    eq(stat.S_IMODE(os.stat(KEPT).st_mode) & 0o077, 0, 'mode of what is kept')
    seectl('abort', 'x')


# ---- busy ----------------------------------------------------------------------

OPENED = {
    'data': (lambda t: t.append('file', 'SEE\n'), False),
    'replaced': (lambda t: t.replace('file', 'SEE\n'), True),
    'removed': (lambda t: t.unlink('file'), True),
}


@test(over=OPENED)
def open_on_the_host(h, kind):
    "for writing: busy; force replaces and removes it all the same"
    change, forced = OPENED[kind]
    h.tree.write('file', 'host\n')
    for criterion in WRITES, FORCE:
        seectl('create', 'x')
        with view(h) as see:
            change(see)
            see.write('new', 'beside\n')
        with h.tree.opened('file', os.O_WRONLY):
            if criterion is FORCE and forced:
                committed(h, criterion='force')
            else:
                with untouched(h):
                    found = problems('x', *criterion)
                # what somebody is writing to, nobody can tell the version of
                eq([(p['path'], p['why']) for p in found if p['conflicts'] != ['weak']],
                   [(h.path('file'), 'busy')], criterion[1])
                ok(any(p.get('pid') == os.getpid() for p in found), f'{found}')
        if criterion is WRITES:
            # reading does not matter
            with h.tree.opened('file'):
                committed(h)
            h.tree.write('file', 'host\n')
        seectl('abort', 'x')
    

LOCKS = {
    'fcntl': (fcntl.lockf, fcntl.LOCK_EX, 'r+b', 'busy'),
    'flock': (fcntl.flock, fcntl.LOCK_EX, 'r+b', 'busy'),
    'flock of what is read': (fcntl.flock, fcntl.LOCK_EX, 'rb', 'busy'),
    'shared': (fcntl.lockf, fcntl.LOCK_SH, 'rb', 'busy'),
    'other kind': (fcntl.flock, fcntl.LOCK_EX, 'r+b', None),
}


@contextlib.contextmanager
def held(path, by, how, mode):
    """A lock of another process, as closing any descriptor ends those of fcntl(2); its number."""
    code = ('import fcntl, sys\nf = open(sys.argv[1], sys.argv[4])\n'
            'getattr(fcntl, sys.argv[2])(f, int(sys.argv[3]))\n'
            'print(flush=True)\nsys.stdin.read()\n')
    with subprocess.Popen([sys.executable, '-c', code, path, by.__name__, str(int(how)), mode],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        yield process.pid


@test(over=LOCKS)
def locked_on_the_host(h, kind):
    "what the SEE locked for writing, by fcntl(2) or flock(2): busy while somebody else has it"
    by, how, mode, why = LOCKS[kind]
    mine = fcntl.flock if kind.startswith('flock') else fcntl.lockf
    h.tree.write('lock', '')
    seectl('create', 'x')
    with view(h) as see:
        with open(see.path('lock'), 'r+b') as f:
            mine(f, fcntl.LOCK_EX)
            see.write('guarded', 'SEE\n')
    eq(set(changes('x')), {h.path('guarded')}, 'a lock is no change')
    with held(h.path('lock'), by, how, mode) as pid:
        if why:
            with untouched(h):
                found = problems('x', *WRITES)
            eq([(p['path'], p['why'], p['error'], p.get('pid'), p.get('command', '')[:6]) for p in found],
               [(h.path('lock'), why, 'EAGAIN', pid, 'python')], 'problems')
        else:
            committed(h)
    if why:
        committed(h)
    # and it is given back
    with open(h.path('lock'), 'r+b') as f:
        mine(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    seectl('abort', 'x')


@contextlib.contextmanager
def mounted_over(path):
    os.makedirs(VIEW, exist_ok=True)
    seectl('mount', 'x', VIEW, '--layer', path)
    try:
        yield Tree(VIEW)
    finally:
        seectl('umount', VIEW)


@test(over=('locked', 'changed', 'known by a name outside'))
def name_of_what_is_locked(h, how):
    "a lock that cannot be had is told with the name that its file has now, and in the layer"
    h.tree.mkdir('in')
    h.tree.write('in/lock', '')
    seectl('create', 'x', '--over', h.path('in'))

    def change(see):
        with open(see.path('lock'), 'r+b') as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            if how == 'changed':
                f.write(b'SEE\n')
        see.write('guarded', 'SEE\n')

    def refused(at):
        with held(at, fcntl.flock, fcntl.LOCK_EX, 'r+b') as pid:
            found = problems('x', *WRITES)
        eq([(p['path'], p['why'], p.get('pid')) for p in found if p.get('error') == 'EAGAIN'],
           [(h.path(name), 'busy', pid)], 'problems')

    name = 'in/lock'
    if how == 'known by a name outside':
        with mounted_over(h.path('in')) as see:
            change(see)
            h.tree.link(name, 'outside')
            refused(h.path('outside'))
    else:
        with mounted_over(h.path('in')) as see:
            change(see)
        name = 'in/moved'
        h.tree.rename('in/lock', name)
        drop_caches()
        with mounted_over(h.path('in')):
            refused(h.path(name))
    # a changed file that the host moved is a conflict, whoever locks it
    seectl('commit', 'x', *(FORCE if how == 'changed' else WRITES))
    eq((h.tree.read('in/guarded'), h.tree.read(name)),
       (b'SEE\n', b'SEE\n' if how == 'changed' else b''), 'the host')
    seectl('abort', 'x')


@test()
def mount_point(h):
    "what has become a mount point is busy"
    h.tree.mkdir('d')
    h.tree.mkdir('r')
    seectl('create', 'x')
    with view(h) as see:
        see.rmdir('d')
        see.rename('r', 'renamed')
    for name in 'd', 'r':
        mount('none', h.path(name), 'tmpfs')
        try:
            for verb in 'check', 'commit':
                found = problems('x', *WRITES, verb=verb)
                ok('busy' in {p['why'] for p in found}, f'{verb}: {found}')
        finally:
            umount(h.path(name))
    committed(h)
    seectl('abort', 'x')


# ---- authority -------------------------------------------------------------------

@contextlib.contextmanager
def members_see(h):
    """A SEE of the member over a directory of his; yields how to be him."""
    mine = h.path('mine')
    for name in 'mine', 'mine/sub':
        os.mkdir(h.path(name))
        os.chown(h.path(name), MEMBER, MEMBER)
    for name in 'mine/f', 'mine/sub/g':
        h.tree.write(name, 'host\n')
        os.chown(h.path(name), MEMBER, MEMBER)
    h.tree.write('mine/roots', 'root\'s\n')
    member = as_member()
    seectl('create', 'm', '--over', mine, **member)
    yield member
    seectl('abort', 'm')


def by_member(h, script, member):
    seectl('run', 'm', '--keep', '--', 'sh', '-ec', script, cwd=h.path('mine'), **member)


@test(smoke=True)
def member_commits(h):
    "over a directory of his own, what he could have done"
    with members_see(h) as member:
        by_member(h, 'echo 1 >>f; echo 2 >new; mkdir -p d/e; mv sub/g d/e/; rm -f roots; chmod 600 f',
                  member)
        eq(problems('m', *WRITES, verb='check', status=0, **member), [], 'check')
        seectl('commit', 'm', *WRITES, status=125, uid=STRANGER, gids=[STRANGER])
        committed(h, 'm', **member)
        eq(h.tree.ls('mine'), {'f', 'new', 'd', 'sub'}, 'names')
        for name in 'f', 'new', 'd', 'd/e', 'd/e/g':
            st = h.tree.stat(f'mine/{name}')
            eq((st.st_uid, st.st_gid), (MEMBER, MEMBER), f'owner of {name}')


def unwritable(h, see):
    see.write('sub/new', '')
    see.chown('sub/new', MEMBER, MEMBER)
    os.chown(h.path('mine/sub'), 0, 0)


def unsearchable(h, see):
    see.append('sub/g', 'SEE\n')
    os.chown(h.path('mine/sub'), 0, 0)
    os.chmod(h.path('mine/sub'), 0o700)


def not_his_file(h, see):
    see.append('roots', 'SEE\n')


def not_his_attributes(h, see):
    see.chmod('roots', 0o666)


def set_id(h, see):
    see.write('root-shell', '')
    see.chmod('root-shell', 0o4755)


def others_owner(h, see):
    see.chown('f', STRANGER)


def in_a_new_tree(h, see):
    see.makedirs('a/b')
    see.write('a/b/c', '')
    for name in 'a', 'a/b':
        see.chown(name, MEMBER, MEMBER)


def capability(h, see):
    see.setxattr('f', CAPABILITY, NET_RAW)


def device(h, see):
    see.mknod('disk', stat.S_IFBLK | 0o666, os.makedev(254, 0))
    see.chown('disk', MEMBER, MEMBER)


def immutable(h, see):
    see.unlink('f')
    run('chattr', '+i', h.path('mine/f'))


def sticky(h, see):
    see.unlink('roots')
    os.chown(h.path('mine'), STRANGER, STRANGER)
    os.chmod(h.path('mine'), 0o1777)


DENIED = {f.__name__: f for f in (set_id, unwritable, unsearchable, not_his_file, not_his_attributes,
                                  others_owner, in_a_new_tree, capability, device, immutable, sticky)}


@test(smoke=True, over=DENIED)
def denied(h, kind):
    "what the member could not have done there himself is refused, all of it"
    with members_see(h) as member:
        by_member(h, 'echo 1 >beside', member)
        os.makedirs(VIEW, exist_ok=True)
        seectl('mount', 'm', VIEW, '--layer', h.path('mine'))
        try:
            DENIED[kind](h, Tree(VIEW))
        finally:
            seectl('umount', VIEW)
        try:
            with untouched(h):
                for verb in 'check', 'commit':
                    for criterion in WRITES, FORCE:
                        found = problems('m', *criterion, verb=verb, **member)
                        got = {p.get('error') for p in found if p['why'] == 'denied'}
                        ok(got and got <= {'EPERM', 'EACCES'}, f'{verb}: {found}')
                done = seectl('commit', 'm', *WRITES, status=3, **member)
            ok('denied ' in done.out and 'root' in done.err, f'{done}')
        finally:
            if kind == 'immutable':
                run('chattr', '-i', h.path('mine/f'))


@test()
def root_for_a_member(h):
    "root may commit the SEE of a member, who then could not have"
    with members_see(h) as member:
        by_member(h, 'echo 1 >sub/new', member)
        os.chown(h.path('mine/sub'), 0, 0)
        ok('denied' in {p['why'] for p in problems('m', *WRITES, **member)}, 'as the member')
        committed(h, 'm', criterion='force')
        eq(h.tree.stat('mine/sub/new').st_uid, MEMBER, 'owner')


# ---- run --commit, and the rest of the command -----------------------------------

@test(smoke=True)
def run_and_commit(h):
    "the command's status; a SEE of this run goes, one that was there stays, without changes"
    h.tree.write('f', 'host\n')
    done = seectl('run', '--commit', *WRITES, '--', 'sh', '-c', 'echo 1 >>f; echo out; exit 7',
                  status=7, cwd=h.dir)
    eq(done.out, 'out\n', 'standard output is the command\'s')
    h.tree.holds('f', 'host\n1\n')
    eq(listing(), [], 'SEEs')
    seectl('run', 'new', '--commit', *FORCE, '--', 'sh', '-c', 'echo 2 >>f; (sleep 100 &)', cwd=h.dir)
    h.tree.holds('f', 'host\n1\n2\n')
    eq(listing(), [], 'SEEs')
    seectl('run', 'x', '--keep', '--', 'sh', '-c', 'echo 3 >>f', cwd=h.dir)
    h.tree.holds('f', 'host\n1\n2\n')
    seectl('run', 'x', '--commit', *WRITES, '--', 'sh', '-c', 'echo 4 >>f', cwd=h.dir)
    h.tree.holds('f', 'host\n1\n2\n3\n4\n')
    eq(([see['name'] for see in listing()], changes('x')), (['x'], {}), 'the SEE')
    seectl('abort', 'x')


@test(smoke=True)
def run_and_no_commit(h):
    "125, the list, and the SEE is kept; so it is after a command that was killed"
    h.tree.write('f', 'host\n')
    script = f'echo SEE >f; echo up; read line'
    child = subprocess.Popen(['seectl', 'run', 'x', '--commit', *WRITES, '--', 'sh', '-c', script],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                             text=True, cwd=h.dir)
    eq(child.stdout.readline(), 'up\n', 'start')
    h.tree.append('f', 'more\n')
    out, err = child.communicate('\n')
    eq((child.returncode, out), (125, ''), 'status, output')
    for part in (f'conflict {h.path("f")} (data)', 'nothing was changed', 'SEE x is kept'):
        ok(part in err, f'no {part!r} in {err!r}')
    h.tree.holds('f', 'host\nmore\n')
    eq(list(changes('x')), [h.path('f')], 'changes')
    seectl('abort', 'x')
    done = seectl('run', 'y', '--commit', *WRITES, '--', 'sh', '-c', 'echo 1 >new; kill -TERM $$',
                  status=125, cwd=h.dir)
    ok('was killed' in done.err and 'SEE y is kept' in done.err, f'{done}')
    h.tree.absent('new')
    eq(list(changes('y')), [h.path('new')], 'changes')
    seectl('abort', 'y')
    for args in (['--commit'], ['--criterion', 'writes'], ['--commit', '--criterion', 'serializable'],
                 ['--commit', '--keep', *WRITES]):
        seectl('run', *args, '--', 'touch', h.path('ran'), status=125)
    h.tree.absent('ran')
    eq(listing(), [], 'SEEs')


@test()
def asked_on_a_terminal(h):
    "commit by a criterion; if that is refused, asked again"
    h.tree.write('f', 'host\n')
    script = f'cd {h.dir}; echo SEE >f; echo up; read line; exit 3'
    run_x = ['seectl', 'run', 'x', '--', 'sh', '-c', script]
    end = '(s)how? '

    def meanwhile():
        h.tree.append('f', 'more\n')
        return '\n'
    status, seen = on_terminal(run_x, [('up', meanwhile), (end, 'c\n'), ('(f)orce', 'x\n'), (end, 'c\n'),
                                       ('(f)orce', 'w\n'), (f'conflict {h.dir}/f', ''), (end, 'k\n')])
    eq(status, 125, f'status, seen {seen!r}')
    h.tree.holds('f', 'host\nmore\n')
    status, seen = on_terminal(run_x, [('up', '\n'), (end, 's\n'), (end, 'commit\n'), ('(f)orce', 'force\n')])
    eq(status, 3, f'status, seen {seen!r}')
    h.tree.holds('f', 'SEE\n')
    eq(changes('x'), {}, 'changes')
    seectl('abort', 'x')
    status, seen = on_terminal(['seectl', 'run', 'y', '--', 'sh', '-c', f'echo y >{h.dir}/f'],
                               [(end, 'c\n'), ('(f)orce', 'w\n')])
    eq(status, 0, f'status, seen {seen!r}')
    h.tree.holds('f', 'y\n')
    eq(listing(), [], 'SEEs')


@test()
def wrong_arguments(h):
    "125, and what is right is said"
    seectl('create', 'x')
    for args, *words in ((['commit', 'x'], '--criterion', 'writes', 'force'), (['commit'], 'NAME'),
                         (['commit', 'x', '--criterion', 'serializable'], 'not recorded yet'),
                         (['commit', 'x', '--criterion', 'bogus'], 'bogus'),
                         (['commit', 'none', *WRITES], 'none', 'seectl list'), (['check', 'x'], 'writes'),
                         (['check', 'none', *FORCE], 'none'), (['revert', 'x'], 'PATH'),
                         (['revert', 'none', '/'], 'none'), (['revert', 'x', '/'], 'inspect x')):
        done = seectl(*args, status=125)
        for word in words:
            ok(word in done.err and not done.out, f'{args}: no {word!r} in {done}')
    eq(seectl('commit', 'x', *WRITES).out, 'SEE x is committed: 0 changes\n', 'nothing to commit')
    eq(problems('x', *WRITES, status=0), [], 'as JSON')
    run('systemctl', 'stop', 'seed')
    try:
        ok('systemctl start seed' in seectl('commit', 'x', *WRITES, status=125).err, 'without seed')
    finally:
        run('systemctl', 'start', 'seed')
    seectl('abort', 'x')


@test()
def placeholder(h):
    "what a killed run left for policy-rc.d is not committed"
    policy = '/usr/sbin/policy-rc.d'
    if os.path.lexists(policy):
        raise Skip('the host has a policy-rc.d')
    with something_runs(h, 'echo 1 >f; echo up; sleep 1000') as child:
        id = listing()[0]['id']
        child.kill()
        child.wait()
        wait_for('the processes', lambda: not see_processes(id))
    committed(h)
    ok(not os.path.lexists(policy), 'the host has it')
    h.tree.holds('f', '1\n')
    seectl('abort', 'x')


main()
