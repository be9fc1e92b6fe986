#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Commits that are interrupted: all or nothing, whoever finishes them.

seed-faults is killed at one named point of a commit after another. Each time the
disk as it is at that moment, without anything being synced, goes through what a
boot does (fsck by the journal of ext4, see-recover, killed itself now and then),
and the live machine through a restart of seed. Both must have the host as it was,
or as a commit that nobody interrupts leaves it, and know which.

Then the seed that is installed is killed at random moments: a failure names its
random seed, and SEE_SEED=N repeats that one.

SEE_CRASH_ALL=1 has it killed after each step, not after every third; SEE_KILLS=10 is
the number of random moments.

Last, the root file system: an initramfs that Debian's mkinitramfs makes, and in it the
boot script on a disk with an interrupted commit.
"""
import itertools
import random

from sees import *

MNT, OTHER_MNT = '/mnt/crash', '/mnt/crash2'
IMAGE, COPY, AGAIN = '/root/crash.img', '/root/crash2.img', '/root/crash3.img'
DATA = f'{MNT}/data'
SAME_AFTER = ('type', 'mode', 'uid', 'gid', 'rdev', 'size', 'content', 'xattrs', 'mtime')

# In the SEE: every kind of step, more than once, over several directories.
SCRIPT = '''
set -e
cd /mnt/crash/data
echo new >new
mkdir nd; echo in >nd/in; ln -s in nd/link
echo changed >replaced.new; mv replaced.new replaced
rm removed
rm -r tree
mv moved nd/moved
ln origin linked
printf XXXX | dd of=data bs=1 seek=5000 conv=notrunc status=none
truncate -s 9000 cut
cat nd/in nd/in nd/in >>grown
chown 7:8 attr; chmod 4711 attr
setfattr -n user.b -v new attr; setfattr -x user.a attr
chmod 700 dir
echo inside >dir/inside
find . ! -type d -exec touch -h -d @1100000000 {} +
'''


def tree_of(data):
    """What must be the same: without times of directories, and their sizes."""
    out = {}
    for name, what in fingerprint(data, SAME_AFTER).items():
        if what['type'] == stat.S_IFDIR:
            what = {k: v for k, v in what.items() if k not in ('mtime', 'size')}
        out[name] = what
    return out


def fill():
    def put(name, content):
        with open(f'{DATA}/{name}', 'w') as f:
            f.write(content)
    for name in ('tree', 'tree/deep', 'moved', 'dir'):
        os.makedirs(f'{DATA}/{name}')
    for name in ('replaced', 'removed', 'origin', 'attr', 'tree/f', 'tree/deep/g', 'moved/m',
                 'dir/stays'):
        put(name, f'{name} of the host\n')
    put('data', 'abcdefgh' * 2500)
    put('cut', 'ABCDEFGH' * 2500)
    put('grown', 'g' * 5000)
    os.setxattr(f'{DATA}/attr', 'user.a', b'1')
    os.setxattr(f'{DATA}/attr', 'user.b', b'old')
    os.chmod(f'{DATA}/tree/deep', 0o711)
    os.chown(f'{DATA}/tree', 3, 4)
    for top, _, files in os.walk(DATA):
        for name in files:
            os.utime(f'{top}/{name}', (1000000000, 1000000000))


@contextlib.contextmanager
def machine():
    """A file system of its own with the store on it, as a disk that can be copied."""
    run('systemctl', 'stop', 'seed')
    with open(IMAGE, 'wb') as f:
        f.truncate(48 << 20)
    run('mkfs.ext4', '-q', '-F', IMAGE)
    os.makedirs(MNT, exist_ok=True)
    os.makedirs(OTHER_MNT, exist_ok=True)
    # nothing is on disk that nobody asked for
    run('mount', '-o', 'loop,commit=300', IMAGE, MNT)
    try:
        os.makedirs(f'{MNT}/state', 0o700)
        os.setxattr(f'{MNT}/state', 'trusted.see.store', b'1')
        os.makedirs(DATA)
        run('mount', '--bind', f'{MNT}/state', STORE)
        run('mount', '--make-private', STORE)
        fill()
        run('systemctl', 'start', 'seed')
        yield
    finally:
        # also of a case that failed: later ones want the name
        run('systemctl', 'start', 'seed')
        seectl('abort', 'x', status=None)
        run('systemctl', 'stop', 'seed')
        for target in (STORE, MNT):
            run('umount', '-l', target)
        run('systemctl', 'start', 'seed')
        for image in (IMAGE, COPY, AGAIN):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(image)


def left_in(name):
    """Its changes, but for what going to and fro leaves its mark on: ctime, so that they
    may be in conflict, and a removed directory, which comes back as another."""
    return {path: {k: v for k, v in change.items() if k != 'conflicts'}
            for path, change in changes(name).items() if '/tree/' not in path}


def make_changes():
    seectl('create', '--over', DATA, 'x')
    seectl('run', 'x', '--keep', '--', 'sh', '-c', SCRIPT)


def commit(fault, status=None):
    """With a seed that has the fault; what seectl said, and whether that killed seed."""
    with our_seed(fault) as seed:
        done = seectl('commit', '--criterion', 'writes', 'x', status=status)
        if done.status and '=' not in fault:
            wait_for('the fault', lambda: seed.poll() is not None)
        killed = seed.poll() == -signal.SIGKILL
    return done, killed


def copy_disk():
    """As if the power went now: what the file system has not written is lost.

    Every second time it has just written its names, as it may at any moment, but not
    the bytes of files that nobody asked for.
    """
    if next(NAMES_WRITTEN):
        fd = os.open(f'{MNT}/beside', os.O_CREAT | os.O_WRONLY)
        os.fsync(fd)
        os.close(fd)
    run('cp', '--sparse=always', IMAGE, COPY)


NAMES_WRITTEN = itertools.cycle((False, True))


# In a mount name space of its own: the copy where the disk was, no kernel to ask.
BOOT = f'''
set -e
mount -o loop {COPY} {OTHER_MNT}
mount --bind {OTHER_MNT}/state {STORE}
mount --bind /dev/null /dev/see
mount --bind {OTHER_MNT} {MNT}
'''


def with_own_mounts(what, function, *args):
    """function(*args) in a process of its own, whose mounts the guest's own seed does not see."""
    def inside():
        try:
            call('unshare', 0x20000)
            run('mount', '--make-rprivate', '/')
            return function(*args)
        except BaseException:
            fail(f'{what}: {traceback.format_exc()}')
    return Child(inside).result()


def at_boot(faults, look, cut=None):
    """Recovery on the copy, killed at each of the faults; look() at the end of it.

    cut: gets what is on the disk then, before the end.
    """
    def boot():
        run('sh', '-c', BOOT)
        tool = f'{os.environ["ALCATRAZ"]}/bin/see-recover'
        for fault in faults:
            subprocess.run([f'{tool}-faults'], env={**os.environ, 'SEE_FAULT': fault}, **QUIET)
        if cut:
            run('cp', '--sparse=always', COPY, cut)
        if 'SEE_GUARD_OFF' in os.environ:
            tool += '-faults'
        done = subprocess.run([tool], stderr=subprocess.PIPE, text=True)
        again = subprocess.run([tool], stderr=subprocess.PIPE, text=True)
        answer = (done.returncode, done.stderr, again.returncode, again.stderr, look())
        run('umount', MNT)
        run('umount', STORE)
        run('umount', OTHER_MNT)
        return answer
    status, errors, status2, errors2, seen = with_own_mounts('at boot', boot)
    eq((status, status2, errors2), (0, 0, ''), f'see-recover, which said {errors}')
    return seen


def goes_on(fault):
    """The SEE is as it was to those in it."""
    eq(seectl('run', 'x', '--keep', '--', 'sh', '-c', f'cd {DATA}; cat new nd/in nd/moved/m '
              'replaced linked; wc -c <cut; test ! -e removed && test ! -e tree').out,
       'new\nin\nmoved/m of the host\nchanged\norigin of the host\n9000\n', f'{fault}: inside')


def look():
    left = sorted(n for n in os.listdir(STORE) if not n.startswith('trash-') and n != 'next')
    inside = sorted(os.listdir(f'{STORE}/{left[0]}')) if left else []
    return tree_of(DATA), left, [n for n in inside if not n.isdigit()]


def expected():
    """The host before, and after a commit that nobody interrupts."""
    with machine():
        before = tree_of(DATA)
        make_changes()
        same_tree(tree_of(DATA), before, 'before the commit')
        seectl('commit', '--criterion', 'writes', 'x')
        after = tree_of(DATA)
        eq(changes('x'), {}, 'nothing is left to commit')
    ok(before != after, 'the commit did something')
    return before, after


def interrupted(fault, before, after, faults=()):
    """One commit with a fault: at boot, and on the live machine."""
    with machine():
        make_changes()
        left = left_in('x')
        done, killed = commit(fault)
        eq(bool(done.status), killed, f'{fault}: the client is told: {done}')
        copy_disk()
        seen, store, files = at_boot(faults, look)
        marked = seen == after
        if not marked:
            same_tree(seen, before, f'{fault}: at boot')
        eq(files, ['meta'], f'{fault}: the SEE at boot')
        run('systemctl', 'start', 'seed')
        live = tree_of(DATA)
        same_tree(live, after if marked else before, f'{fault}: live')
        eq(os.path.exists(f'{STORE}/kept'), False, f'{fault}: something is kept')
        same_tree(left_in('x'), {} if live == after else left, f'{fault}: what is left in the SEE')
        if live != after:
            goes_on(fault)
    return marked


BEFORE = ('commit.after-start', 'commit.prepare:3', 'commit.after-prepare', 'commit.journal',
          'commit.after-journal', 'commit.step:5', 'commit.sync', 'commit.before-mark', 'commit.mark')
AFTER = ('commit.after-mark', 'cleanup.link:1', 'cleanup.tree', 'cleanup.between', 'cleanup.renewed',
         'cleanup.before-end', 'cleanup.after-end', 'cleanup.undo', 'cleanup.before-remove',
         'cleanup.after-remove')


@test(smoke=True)
def killed(h):
    "seed is killed before anything was done, in the middle, and after the mark"
    before, after = expected()
    for fault, marked in (('commit.after-journal', False), ('commit.after-step:4', False),
                          ('commit.after-mark', True)):
        eq(interrupted(fault, before, after), marked, fault)


@test()
def killed_before_the_mark(h):
    "at each point before the mark nothing has happened"
    before, after = expected()
    for fault in BEFORE:
        eq(interrupted(fault, before, after), False, fault)


@test()
def killed_after_steps(h):
    "after steps, which are taken back; see-recover is killed in between"
    before, after = expected()
    # steps of a kind follow each other
    for step in range(0, 100, 1 if os.environ.get('SEE_CRASH_ALL') else 3):
        marked = interrupted(f'commit.after-step:{step}', before, after,
                             ('recover.step:0', f'recover.after-step:{max(0, step - 2)}',
                              'recover.extent', 'recover.attributes', 'recover.before-remove'))
        # there was no such step
        if marked:
            break
    ok(8 < step < 99, f'{step} steps')


@test()
def killed_after_the_mark(h):
    "at each point after the mark all has happened"
    before, after = expected()
    for fault in AFTER:
        eq(interrupted(fault, before, after, ('cleanup.tree', 'cleanup.between')), True, fault)


@test()
def killed_after_the_answer(h):
    "the client was told, and so it is"
    before, after = expected()
    with machine():
        make_changes()
        with our_seed('commit.after-answer') as seed:
            seectl('commit', '--criterion', 'writes', 'x')
            wait_for('the fault', lambda: seed.poll() is not None)
            eq(seed.poll(), -signal.SIGKILL, 'seed')
        same_tree(tree_of(DATA), after, 'the host')
        run('systemctl', 'start', 'seed')
        same_tree(tree_of(DATA), after, 'the host, afterwards')
        eq(look()[1:], (['1'], ['meta']), 'the store')
        eq(left_in('x'), {}, 'what is left')


@test()
def killed_while_it_keeps(h):
    "what a forced commit displaces though the host changed it: that is kept, once"
    with machine():
        make_changes()
        t = Tree(DATA)
        for name in 'replaced', 'removed':
            t.append(name, 'and more\n')
        with our_seed('cleanup.keep') as seed:
            seectl('commit', '--criterion', 'force', 'x', status=125)
            wait_for('the fault', lambda: seed.poll() is not None)
            eq(seed.poll(), -signal.SIGKILL, 'seed')
        run('systemctl', 'start', 'seed')
        t.holds('replaced', 'changed\n')
        t.absent('removed')
        kept = Tree(f'{STORE}/kept/1')
        eq(sorted(kept.read(n) for n in kept.ls() if n != 'list'),
           [b'removed of the host\nand more\n', b'replaced of the host\nand more\n'], 'kept')
        eq(left_in('x'), {}, 'what is left')
        shutil.rmtree(f'{STORE}/kept')


def dies_at(fault):
    """A seed that is killed while it starts."""
    seed = subprocess.run([f'{os.environ["ALCATRAZ"]}/bin/seed-faults'], timeout=60,
                          env={**os.environ, 'SEE_FAULT': fault}, **QUIET)
    eq(seed.returncode, -signal.SIGKILL, f'{fault}: seed')


# who takes back what
BACK = {'its own': f'commit.sync={errno.EIO},recover.after-step:7', "another's": 'commit.after-step:8'}


@test(over=BACK)
def killed_while_it_takes_back(h, whose):
    "a commit on the live machine, by the module, again and again"
    fault = BACK[whose]
    with machine():
        before = tree_of(DATA)
        make_changes()
        left = left_in('x')
        with our_seed(fault) as seed:
            seectl('commit', '--criterion', 'writes', 'x', status=125)
            wait_for('the fault', lambda: seed.poll() is not None)
            eq(seed.poll(), -signal.SIGKILL, 'seed')
        for point in ('recover.step:6', 'recover.after-step:2', 'recover.step:0',
                      'recover.before-remove', 'recover.after-remove'):
            dies_at(point)
        same_tree(tree_of(DATA), before, 'the host')
        run('systemctl', 'start', 'seed')
        same_tree(tree_of(DATA), before, 'the host, afterwards')
        eq(os.path.exists(f'{STORE}/kept'), False, 'something is kept')
        eq(look()[1:], (['1'], ['meta']), 'the store')
        same_tree(left_in('x'), left, 'what is left')
        goes_on(fault)


@test()
def killed_while_it_reverts(h):
    "what was taken back in the SEE is, the rest is as it was"
    with machine():
        before = tree_of(DATA)
        make_changes()
        left = left_in('x')
        with our_seed('revert.after-step') as seed:
            seectl('revert', 'x', DATA, status=125)
            wait_for('the fault', lambda: seed.poll() is not None)
            eq(seed.poll(), -signal.SIGKILL, 'seed')
        run('systemctl', 'start', 'seed')
        now = left_in('x')
        # a directory went back to where it was, and all in it
        ok(0 < len(now) < len(left), f'what is left: {now}')
        for name in 'attr', 'cut', 'data', 'grown', 'new', 'removed', 'replaced':
            path = f'{DATA}/{name}'
            eq(now[path], left[path], f'what is left of {name}')
        seectl('revert', 'x', DATA)
        eq(changes('x'), {}, 'what is left in the end')
        same_tree(tree_of(DATA), before, 'the host')


@test()
def power_goes_again(h):
    "when an interrupted commit was just taken back, or cleaned up: that is on disk, too"
    before, after = expected()
    # before the mark all that is to be taken back is on disk
    for fault, then, want in (('commit.before-mark', 'recover.after-remove', before),
                              ('commit.after-mark', 'cleanup.after-remove', after)):
        with machine():
            make_changes()
            commit(fault)
            copy_disk()
            at_boot([then], look, cut=AGAIN)
            os.rename(AGAIN, COPY)
            seen, _, files = at_boot([], look)
            same_tree(seen, want, f'{fault}, {then}')
            eq(files, ['meta'], f'{fault}, {then}: the SEE')


@test()
def fails(h):
    "what fails and kills nobody is taken back at once"
    before, after = expected()
    for fault in ('commit.step:2', 'commit.step:9', 'commit.after-step:5', 'commit.sync',
                  'commit.before-mark', 'commit.mark', 'commit.prepare:1', 'commit.journal',
                  'commit.after-journal'):
        with machine():
            make_changes()
            left = left_in('x')
            done, _ = commit(f'{fault}={errno.EIO}')
            ok(done.status, f'{fault}: {done}')
            same_tree(tree_of(DATA), before, fault)
            run('systemctl', 'start', 'seed')
            same_tree(left_in('x'), left, f'{fault}: what is left')
            eq(look()[1:], (['1'], ['meta']), f'{fault}: the store')
            goes_on(fault)


# ---- the same once more -----------------------------------------------------------

# But a removed directory, which comes back as another inode.
ONCE_MORE = SCRIPT.replace('rm -r tree\n', 'rm tree/f gone-link gone-fifo; chown -h 7:8 link\n')


def in_conflict(name='x'):
    return {os.path.relpath(path, DATA): change['conflicts'] for path, change in
            changes(name).items() if change.get('conflicts')}


def host_writes(fds):
    """By descriptors of before, so that it reaches what is displaced as well."""
    os.setxattr(fds['replaced'], 'user.host', b'1')
    os.fchmod(fds['removed'], 0o600)
    os.fchown(fds['attr'], 11, 12)
    os.setxattr(fds['dir'], 'user.host', b'1')
    with open(f'/proc/self/fd/{fds["data"]}', 'a') as f:
        f.write('host')


HOST_WROTE = {name: ['changed'] for name in ('replaced', 'removed', 'attr', 'dir', 'data')}


@contextlib.contextmanager
def opened():
    fds = {name: os.open(f'{DATA}/{name}', os.O_RDONLY) for name in HOST_WROTE}
    try:
        yield fds
    finally:
        for fd in fds.values():
            os.close(fd)


def fill_more():
    for name in ('link', 'gone-link'):
        os.symlink('origin', f'{DATA}/{name}')
    os.mkfifo(f'{DATA}/gone-fifo')
    os.setxattr(f'{DATA}/removed', 'user.a', b'1')


def make_once_more():
    seectl('create', '--over', DATA, 'x')
    seectl('run', 'x', '--keep', '--', 'sh', '-c', ONCE_MORE)
    eq(in_conflict(), {}, 'conflicts at first')


@test()
def once_more(h):
    "what was taken back is no change of the host's: the same commit succeeds then"
    with machine():
        fill_more()
        before = tree_of(DATA)
        native = h.path('native')
        run('cp', '-a', DATA, native)
        run('sh', '-c', ONCE_MORE.replace(DATA, native))
        make_once_more()
        left = left_in('x')
        for fault in ('commit.sync', 'commit.step:8', 'commit.journal'):
            done, _ = commit(f'{fault}={errno.EIO}')
            ok(done.status, f'{fault}: {done}')
            same_tree(tree_of(DATA), before, f'{fault}: the host')
            run('systemctl', 'start', 'seed')
            same_tree(left_in('x'), left, f'{fault}: what is left')
            eq(in_conflict(), {}, f'{fault}: conflicts')
        # and by a seed that finds it
        _, killed = commit('commit.sync')
        eq(killed, True, 'killed')
        run('systemctl', 'start', 'seed')
        same_tree(tree_of(DATA), before, 'killed: the host')
        eq(in_conflict(), {}, 'killed: conflicts')
        seectl('commit', '--criterion', 'writes', 'x')
        same_tree(tree_of(DATA), tree_of(native), 'the host')
        eq(changes('x'), {}, 'what is left to commit')


@test()
def host_after_taking_back(h):
    "what the host does after a commit was taken back is a conflict"
    with machine(), opened() as fds:
        fill_more()
        make_once_more()
        done, _ = commit(f'commit.sync={errno.EIO}')
        ok(done.status, f'{done}')
        run('systemctl', 'start', 'seed')
        eq(in_conflict(), {}, 'conflicts')
        host_writes(fds)
        eq(in_conflict(), HOST_WROTE, 'conflicts')
        now = tree_of(DATA)
        seectl('commit', '--criterion', 'writes', 'x', status=3)
        same_tree(tree_of(DATA), now, 'the host')


@test()
def host_before_taking_back(h):
    "what it does in between is one, too, and stays"
    with machine(), opened() as fds:
        fill_more()
        make_once_more()
        _, killed = commit('commit.sync')
        eq(killed, True, 'killed')
        # what was displaced is denied to those who write bytes
        host_writes(fds)
        run('systemctl', 'start', 'seed')
        eq(in_conflict(), HOST_WROTE, 'conflicts')
        t = Tree(DATA)
        eq((t.getxattr('replaced', 'user.host'), t.mode('removed'), t.stat('attr').st_uid,
            t.read('data')[-4:]), (b'1', 0o600, 11, b'host'), 'what the host did')
        now = tree_of(DATA)
        seectl('commit', '--criterion', 'writes', 'x', status=3)
        same_tree(tree_of(DATA), now, 'the host')


@test(over=('commit.after-journal', 'commit.step:0'))
def host_before_the_first_step(h, fault):
    "what it does when there is a journal, but nothing was applied, stays"
    with machine():
        make_changes()
        left = left_in('x')
        _, killed = commit(fault)
        eq(killed, True, 'killed')
        t = Tree(DATA)
        for name in 'grown', 'data', 'cut':
            t.append(name, 'host')
        # as the SEE would have it
        t.chmod('attr', 0o4711)
        t.truncate('cut', 9000)
        now = tree_of(DATA)
        if fault == 'commit.step:0':
            done = subprocess.run([f'{os.environ["ALCATRAZ"]}/bin/see-recover'], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            ok(done.returncode and 'start seed' in done.stdout, f'see-recover: {done}')
            same_tree(tree_of(DATA), now, 'the host, after see-recover')
        run('systemctl', 'start', 'seed')
        same_tree(tree_of(DATA), now, 'the host')
        eq(os.path.exists(f'{STORE}/kept'), False, 'something is kept')
        eq(look()[1:], (['1'], ['meta']), 'the store')
        eq(set(left_in('x')), set(left), 'what is left in the SEE')
        goes_on(fault)
        found = in_conflict()
        ok({'grown', 'data', 'cut', 'attr'} <= set(found), f'conflicts: {found}')
        seectl('commit', '--criterion', 'writes', 'x', status=3)
        same_tree(tree_of(DATA), now, 'the host, after a commit that was refused')


# ---- any moment ---------------------------------------------------------------

KILLS, AT_ONCE = int(os.environ.get('SEE_KILLS', '10')), 10
SEED = int(os.environ.get('SEE_SEED') or random.SystemRandom().randrange(1 << 32))


def start_commit():
    return subprocess.Popen(['seectl', 'commit', '--criterion', 'writes', 'x'], cwd='/',
                            stdin=subprocess.DEVNULL, **QUIET)


def undisturbed():
    """The host after a commit, and how long that took."""
    make_changes()
    with our_seed():
        start = time.monotonic()
        eq(start_commit().wait(), 0, 'a commit that nobody disturbs')
        return tree_of(DATA), time.monotonic() - start


def start_anew(before):
    """A SEE with the changes, over the host as it was at first."""
    run('systemctl', 'start', 'seed')
    seectl('abort', 'x')
    if tree_of(DATA) != before:
        shutil.rmtree(DATA)
        os.mkdir(DATA)
        fill()
    same_tree(tree_of(DATA), before, 'the host at first')
    make_changes()


def kill_at(moment):
    """Seed is killed so long after seectl was started; seectl's exit status."""
    with our_seed() as seed:
        end = time.monotonic() + moment
        client = start_commit()
        # the moment is what is tested: nothing is waited for
        while (left := end - time.monotonic()) > 0:
            time.sleep(left)
        eq(seed.poll(), None, 'seed ended by itself')
        seed.kill()
        seed.wait()
        return client.wait()


def all_or_nothing(what, status, before, after, boots):
    """On the disk as it is, at boot, and on the live machine; was it committed?"""
    booted = None
    if boots:
        copy_disk()
        booted, _, files = at_boot((), look)
        if booted != after:
            same_tree(booted, before, f'{what}: at boot')
        eq(files, ['meta'], f'{what}: the SEE at boot')
    run('systemctl', 'start', 'seed')
    live = tree_of(DATA)
    if live != after:
        same_tree(live, before, f'{what}: live')
    # what a client was told holds, and what is on disk is not forgotten
    ok(live == after or (status and booted != after), f'{what}: lost, after exit status {status}')
    eq(os.path.exists(f'{STORE}/kept'), False, f'{what}: something is kept')
    eq(look()[2], ['meta'], f'{what}: the store')
    return live == after


@test(over=[(n,) for n in range(-(-KILLS // AT_ONCE))])
def killed_at_any_moment(h, part):
    "of a commit: all or nothing, and the SEE has what the host has not"
    rng = random.Random(f'{SEED}.{part}')
    interrupted = 0
    with machine():
        before = tree_of(DATA)
        after, length = undisturbed()
        for n in range(min(AT_ONCE, KILLS - part * AT_ONCE)):
            start_anew(before)
            left = left_in('x')
            part_of = rng.random()
            what = f'SEE_SEED={SEED}, killed at {part_of:.4f} of {length:.3f} s'
            status = kill_at(part_of * length)
            interrupted += bool(status)
            if not status:
                length *= part_of       # it was over by then
            marked = all_or_nothing(what, status, before, after, n % 3 == 0)
            print(f'# {what}: exit status {status}, {"all" if marked else "nothing"}', flush=True)
            same_tree(left_in('x'), {} if marked else left, f'{what}: what is left in the SEE')
            if not marked:
                goes_on(what)
                # commit.rst says which may be
                eq([n for n in in_conflict() if n.split('/')[0] not in ('tree', 'linked')], [],
                   f'{what}: in conflict')
    ok(interrupted, f'SEE_SEED={SEED}: each commit was answered before seed was killed')


# ---- the root file system, in an initramfs ---------------------------------------

INITRAMFS, BOOT_SCRIPT = '/root/initramfs', '/scripts/local-bottom/see-recover'
INSTALLED, TOOLS = f'{os.environ["ALCATRAZ"]}/installed', '/usr/share/initramfs-tools'
TOOL = '/usr/sbin/see-recover'
LATER = 'see-recover: not all is done; see-recover.service tries again\n'


def initramfs(h):
    """Of a machine on which Alcatraz is installed, unpacked; made once, since it takes long.

    The distribution's hooks take most of that: of them, only the one that brings a shell.
    """
    if os.path.exists(INITRAMFS):
        return
    t, tools = h.tree, h.path('tools')
    for name in ('conf/conf.d', 'conf/hooks', 'conf/scripts/local-bottom', 'tmp'):
        t.makedirs(name)
    t.write('conf/initramfs.conf', 'MODULES=list\nBUSYBOX=n\nCOMPRESS=gzip\nCOMPRESSLEVEL=1\n')
    t.write('conf/modules', '')
    run('cp', '-r', TOOLS, tools)
    for name in set(t.ls('tools/hooks')) - {'klibc-utils'}:
        t.unlink(f'tools/hooks/{name}')
    run('cp', '-r', f'{INSTALLED}{TOOLS}/.', tools)
    run('cp', INSTALLED + TOOL, TOOL)
    kernel = sorted(os.listdir('/lib/modules'))[0]
    # the guest's kernels are unpacked, not installed
    config = f'/boot/config-{kernel}'
    with open(config, 'x') as f:
        f.write('CONFIG_RD_GZIP=y\n')
    try:
        run('unshare', '-m', 'sh', '-ec', f'mount --bind {tools} {TOOLS}; TMPDIR={h.path("tmp")} '
            f'mkinitramfs -k -d {h.path("conf")} -o {h.path("initrd")} {kernel}')
    finally:
        os.unlink(config)
        os.unlink(TOOL)
    made, = (name for name in t.ls('tmp') if os.path.isdir(h.path(f'tmp/{name}')))
    made = h.path(f'tmp/{made}')
    with open(os.path.dirname(made + BOOT_SCRIPT) + '/ORDER') as f:
        ok(f'{BOOT_SCRIPT} "$@"\n' in f.readlines(), 'init does not run the script')
    # which init makes
    for name in ('dev', 'proc', 'root'):
        os.mkdir(f'{made}/{name}')
    os.rename(made, INITRAMFS)


def disk():
    with open(COPY, 'rb') as f:
        return f.read()


@contextlib.contextmanager
def on_copy():
    run('mount', '-o', 'loop', COPY, OTHER_MNT)
    try:
        yield Tree(OTHER_MNT)
    finally:
        run('umount', OTHER_MNT)


def make_root():
    """The disk as it is now as that of a root file system; its own see-recover is of no use."""
    # all that was applied, so that there is something to take back
    run('sync', '-f', MNT)
    copy_disk()
    with on_copy() as t:
        for name in ('var/lib', 'usr/sbin', 'proc', 'dev', f'{MNT[1:]}/far'):
            t.makedirs(name)
        t.rename('state', STORE[1:])
        t.write('usr/sbin/see-recover', '#!/bin/false\n', mode=0o755)


class Boot:
    """What came of the script: what it said, the trees of data and store, mounts as before."""

    def __init__(self, mode='ro'):
        before = disk()
        status, self.said, log, mounts, mounts_after, self.data, self.store = with_own_mounts(
            'in the initramfs', self.child, mode)
        eq((status, log), (0, self.said), f'exit status and log, where {self.said} was said')
        eq(mounts_after, mounts, 'mounts')
        ok(f' /root ext4 {mode},' in mounts, f'{mounts}')
        self.written = disk() != before

    def child(self, mode):
        root = f'{INITRAMFS}/root'
        run('mount', '--bind', INITRAMFS, INITRAMFS)
        run('mount', '-t', 'proc', 'proc', f'{INITRAMFS}/proc')
        run('mount', '-t', 'tmpfs', 'tmpfs', f'{INITRAMFS}/run')
        run('mount', '--bind', '/dev', f'{INITRAMFS}/dev')
        # -o loop,ro would make it a disk that nobody can write to
        device = run('losetup', '-f', '--show', COPY).strip()
        run('mount', '-o', f'{mode},nodev,noatime', device, root)
        mounts = run('chroot', INITRAMFS, 'cat', '/proc/mounts')
        done = subprocess.run(['chroot', INITRAMFS, BOOT_SCRIPT], text=True,
                              env={'rootmnt': '/root', 'PATH': '/sbin:/usr/sbin:/bin:/usr/bin'},
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
        mounts_after = run('chroot', INITRAMFS, 'cat', '/proc/mounts')
        log = ''
        if os.path.exists(f'{INITRAMFS}/run/initramfs'):
            with open(f'{INITRAMFS}/run/initramfs/see-recover.log') as f:
                log = f.read()
        store = fingerprint(f'{root}{STORE}', SAME_AFTER) if os.path.exists(f'{root}{STORE}') else {}
        answer = (done.returncode, done.stdout, log, mounts, mounts_after,
                  tree_of(f'{root}/data'), store)
        run('umount', root)
        run('losetup', '-d', device)
        return answer


def nothing_to_do(what):
    boot = Boot()
    eq((boot.said, boot.written), ('', False), f'{what}: said, and the disk written to')
    return boot


def logged():
    return run('dmesg').count('see-recover: commits were interrupted')


@test()
def in_initramfs(h):
    "a commit on the root file system is finished before anybody else writes to it"
    initramfs(h)
    for fault, mode, says in (
            ('commit.sync', 'ro', 'SEE 1: its commit was interrupted; taken back\n'),
            ('commit.after-mark', 'rw', 'SEE 1: its commit was complete; cleaned up\n')):
        with machine():
            before = tree_of(DATA)
            make_changes()
            commit(fault)
            now = tree_of(DATA)
            ok(now != before, f'{fault}: nothing was committed')
            want = now if fault == 'commit.after-mark' else before
            make_root()
            count = logged()
            boot = Boot(mode)
            eq((boot.said, boot.written), (says, True), fault)
            same_tree(boot.data, want, f'{fault}: the root file system')
            eq([n for n in boot.store if 'journal' in n or 'committed' in n], [], 'journals')
            eq(logged() - count, 1, f'{fault}: in the log of the kernel')
            run('systemctl', 'start', 'seed')
            if mode == 'ro':
                run('fsck.ext4', '-f', '-n', COPY)
                same_tree(nothing_to_do('once more').data, want, f'{fault}: once more')


@test()
def left_by_initramfs(h):
    "what cannot be finished there, or is nothing to finish, is left as it is; the boot goes on"
    if not os.environ.get('SEE_CRASH_ALL'):
        raise Skip('takes long: only with SEE_CRASH_ALL=1')
    initramfs(h)
    with machine():
        run('truncate', '-s', '16M', h.path('far.img'))
        run('mkfs.ext4', '-q', h.path('far.img'))
        before = tree_of(DATA)
        for where in (f'{MNT}/far', h.path('far')):
            os.mkdir(where)
        run('mount', '-o', 'loop', h.path('far.img'), h.path('far'))
        run('mount', '--bind', h.path('far'), f'{MNT}/far')
        try:
            seectl('create', '--over', DATA, '--over', f'{MNT}/far', 'x')
            seectl('run', 'x', '--keep', '--', 'sh', '-c', SCRIPT + 'echo far >../far/new')
            commit('commit.sync')
            make_root()
            # nor is it on a live machine, whatever is asked for
            run('umount', '-l', f'{MNT}/far')
            run('systemctl', 'start', 'seed')
            ok(seectl('abort', 'x', status=None).status, 'aborted with half a commit on the host')
            ok(os.path.exists(f'{STORE}/1/journal'), 'the journal is gone')
            run('mount', '--bind', h.path('far'), f'{MNT}/far')
        finally:
            run('systemctl', 'start', 'seed')
            seectl('abort', 'x')
            run('umount', '-l', f'{MNT}/far')
            run('umount', '-l', h.path('far'))
        same_tree(tree_of(DATA), before, 'the host, in the end')
        # another file system, which nobody has mounted yet
        first = Boot()
        ok(f'{MNT}/far/.see/1-' in first.said and 'mount its file system\n' in first.said and
           first.said.endswith(LATER), first.said)
        ok('./1/journal' in first.store, f'{first.store.keys()}')
        ok('./new' in first.data, 'what was committed to the root file system was taken back')
        with on_copy() as t:
            t.pwrite(f'{STORE[1:]}/1/journal', b'?', 100)
        second = Boot()
        eq(second.said, 'SEE 1: /var/lib/see/1/journal is damaged; see Documentation/journal.rst '
           'before you remove it\nSEE 1: an interrupted commit cannot be finished: '
           f'{os.strerror(errno.EUCLEAN)}; seed tries again when it starts\n{LATER}', 'damaged')
        ok('./1/journal' in second.store, f'{second.store.keys()}')
        same_tree(second.data, first.data, 'damaged: the root file system')
        with on_copy() as t:
            t.rmtree(STORE[1:])
        nothing_to_do('no store')


main()
