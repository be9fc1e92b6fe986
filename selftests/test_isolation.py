#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What is done through a layer leaves no trace on the host, and the reverse door."""
import mmap

from see_test import *

E = errno


def everything(s):
    """A bit of each operation, on host objects and new ones."""
    t = s.see
    t.fingerprint()
    for name in ('file', 'big', 'dir/a', 'link2'):
        with t.opened(name, os.O_RDWR) as fd:
            with mmap.mmap(fd, 0) as mapped:
                mapped[0:2] = b'mm'
            os.pwrite(fd, b'SEE', 1)
            os.fsync(fd)
            os.posix_fallocate(fd, 0, 100000)
            os.ftruncate(fd, 7)
            fcntl.flock(fd, fcntl.LOCK_EX)
    for name in ('dir/b', 'sym', 'fifo', 'sock', 'null', 'empty_dir', ''):
        t.chown(name, USER, OTHER)
        t.utime(name, 1, 2)
    for name in ('dir', 'exec', 'secret', ''):
        t.chmod(name, 0o5)
        t.setxattr(name, 'user.see', b'SEE')
        t.setxattr(name, ACCESS, acl('u::rw- u:7:r-- g::r-- m::r-- o::r--'))
    for key in t.xattrs('attrs'):
        if key in t.xattrs('attrs'):    # XFS lists an ACL twice
            t.removexattr('attrs', key)
    t.rename('dir/sub', 'empty_dir/sub')
    t.rename('exec', 'dir/a')
    t.rename('shared', 'sticky', EXCHANGE)
    t.rename('link1', 'dir/linked', WHITEOUT)
    t.link('secret', 'dir/secret')
    t.unlink('sym')
    t.write('dir/new', 'new')
    t.makedirs('x/y/z')
    t.symlink('/', 'x/root')
    t.mknod('x/fifo', stat.S_IFIFO | 0o666)
    with t.opened('dir', os.O_TMPFILE | os.O_RDWR) as fd:
        os.write(fd, b'tmp')
    t.rmtree('dir')
    os.sync()


# ---- nothing changes -------------------------------------------------------

@test(smoke=True, private=('same', 'inside', 'other'))
def nothing_changes_on_the_lower(s):
    "after all of it, at once, after eviction, remount and unmount"
    everything(s)
    for _ in s.stages():
        s.host.check()
    s.see.rmtree('x')
    s.umount()
    s.host.check()


@test(smoke=True)
def reading_leaves_no_atime(s):
    "of files, directories, links; by read, mmap, exec, listing"
    t = s.see
    for _ in s.stages():
        t.fingerprint()
        run(t.path('exec'))
        t.readlink('sym')
        with t.opened('big') as fd:
            os.sendfile(os.open('/dev/null', os.O_WRONLY), fd, 0, 1000)
            with mmap.mmap(fd, 0, prot=mmap.PROT_READ) as mapped:
                ok(mapped[5000:5010] is not None, 'mapping')
        s.host.check()


# Newer kernels let no module open a file without telling.
OPENS_TELL = int(os.uname().release.split('.')[0]) >= 7


def told(watch):
    """What inotify told but should not have."""
    return [e for e in watch.read() if not (OPENS_TELL and e[0] == watch.OPEN)]


@test(smoke=True, layer=True)
def host_watches_see_nothing(s):
    "inotify on every object of the lower, while the SEE works in it"
    s.mount()
    watch = Inotify(*(f'{at}/{n}' if n else at
                      for at, dirs, files in os.walk(s.host.root)
                      for n in dirs + files + [''] if n not in ('sym', 'dangling')))
    watch.read()
    everything(s)
    eq(told(watch), [], 'events on the host')
    s.drop_caches()
    watch.read()                        # what syncfs(2) needed to open
    s.remount()
    s.see.fingerprint()
    eq(told(watch), [], 'events on the host after a remount')


@test(layer=True)
def host_fanotify_sees_nothing(s):
    "the same with fanotify: open, access, modify"
    s.mount()
    fds = [fanotify(s.host.path(n), 1 | 2 | 8 | (0 if OPENS_TELL else 0x20))
           for n in ('', 'dir')]
    everything(s)
    for fd in fds:
        raises(E.EAGAIN, os.read, fd, 4096)


@test(layer=True, over=('flock', 'posix'))
def locks_stay_on_their_side(s, how):
    "the host takes the lock that the SEE holds, and the reverse"
    def take(path):
        fd = os.open(path, os.O_RDWR)
        (fcntl.flock if how == 'flock' else fcntl.lockf)(
            fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return fd
    fd = take(s.see.path('file'))
    Child(lambda: take(s.host.path('file')) and None).result()
    os.pwrite(fd, b'x', 0)
    Child(lambda: take(s.host.path('file')) and None).result()
    other = take(s.host.path('dir/a'))
    Child(lambda: take(s.see.path('dir/a')) and None).result()
    os.close(fd)
    os.close(other)


@test(layer=True)
def host_space_is_free_after_unlink(s):
    "a file that the SEE only looked at does not stay on the host"
    s.host.write('large', b'x' * (8 << 20))
    s.see.read('large')
    s.see.stat('large')

    def free():
        syncfs(s.host.root)
        v = os.statvfs(s.host.root)
        return v.f_bfree * v.f_frsize
    before = free()
    s.host.unlink('large')
    if FS in ('xfs', 'btrfs'):
        raise Skip('space is freed in the background')
    ok(free() - before > 6 << 20, 'the space of an unlinked file is not free')


# ---- doors to the host -----------------------------------------------------

@test(smoke=True, layer=True)
def host_socket_is_not_reached(s):
    "connecting through the layer finds no listener; bind makes one of its own"
    with s.host.together():
        server = socket.socket(socket.AF_UNIX)
        os.chdir(s.host.path(''))
        server.bind('listener')
        server.listen()
    os.chdir(s.see.path(''))
    for _ in range(2):
        client = socket.socket(socket.AF_UNIX)
        raises(E.ECONNREFUSED, client.connect, 'listener')
        datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        raises((E.ECONNREFUSED, E.EPROTOTYPE), datagram.sendto, b'x', 'listener')
        s.see.chmod('listener', 0o777)
    eq(select.select([server], [], [], 0)[0], [], 'connections on the host')
    s.see.unlink('listener')
    mine = socket.socket(socket.AF_UNIX)
    mine.bind('listener')
    mine.listen()
    with socket.socket(socket.AF_UNIX) as c:
        os.chdir(s.host.path(''))
        c.connect('listener')
    eq(select.select([mine], [], [], 0)[0], [], 'connections in the SEE')
    eq(select.select([server], [], [], 0)[0], [server], 'connections on the host')
    os.chdir('/')


@test(smoke=True, layer=True)
def host_fifo_is_not_reached(s):
    "same name, own pipe"
    s.mount()
    with s.host.together(), \
            opened(s.host.path('fifo'), os.O_RDWR | os.O_NONBLOCK) as host:
        raises(E.ENXIO, s.see.open, 'fifo', os.O_WRONLY | os.O_NONBLOCK)
        with s.see.opened('fifo', os.O_RDWR | os.O_NONBLOCK) as see:
            os.write(see, b'SEE')
            raises(E.EAGAIN, os.read, host, 10)
            os.write(host, b'host')
            eq(os.read(see, 10), b'SEE', 'FIFO of the SEE')
            eq(os.read(host, 10), b'host', 'FIFO of the host')


@test(smoke=True, layer=True)
def device_nodes_are_inert(s):
    "the host's and those made inside: EACCES, as on nodev"
    s.host.mknod('loop', stat.S_IFBLK | 0o666, os.makedev(7, 0))
    s.see.mknod('null2', stat.S_IFCHR | 0o666, os.makedev(1, 3))
    s.see.mknod('mem', stat.S_IFCHR | 0o666, os.makedev(1, 1))
    s.see.chmod('null', 0o666)
    for name in ('null', 'null2', 'mem', 'loop'):
        for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_NONBLOCK):
            raises(E.EACCES, s.see.open, name, flags)
        os.close(s.see.open(name, os.O_PATH))


@test(smoke=True, layer=True, private=('inside',))
def private_tree_is_hidden(s):
    "by name, listing, .., handles, links and hard links; busy for rmdir"
    inside = os.path.relpath(s.private, s.lower)
    parent, base = os.path.split(inside)
    host_handle = name_to_handle(s.private)
    s.see.write('new', 'x')
    s.see.append('file', 'x')
    for stage in s.stages():
        for name in (inside, f'{inside}/', f'{inside}/.', f'{inside}/..',
                     f'{parent}/../see/{base}'):
            raises(E.ENOENT, s.see.stat, name)
            raises(E.ENOENT, s.see.ls, name)
        ok(base not in s.see.ls(parent), f'the private tree is listed {stage}')
        seen = {os.lstat(f'{at}/{n}').st_ino
                for at, dirs, files in os.walk(s.see.root) for n in dirs + files}
        ok(os.lstat(s.private).st_ino not in seen, 'found by number')
        s.see.symlink(inside, f'link{len(stage)}')
        raises(E.ENOENT, s.see.ls, f'link{len(stage)}')
        for at, dirs, files in os.walk(s.private):
            for n in dirs + files:
                kind, raw = name_to_handle(f'{at}/{n}')
                number = error_of(lambda: os.close(open_by_handle(
                    s.mnt, (kind, raw), os.O_PATH)))
                ok(number, f'a handle of {n} in the private tree opens {stage}')
        raises((E.ESTALE, E.EINVAL), open_by_handle, s.mnt, host_handle, os.O_PATH)
        raises(E.EXDEV, os.link, f'{s.mnt}/file', f'{s.private}/x')
    s.host.check()


@test(layer=True, private=('inside',))
def private_tree_stays_hidden(s):
    "when the SEE makes its name, and when the host moves its parent"
    inside = os.path.relpath(s.private, s.lower)
    error_of(s.see.mkdir, inside)
    error_of(s.see.write, f'{inside}/x', 'x')
    ok(not s.see.exists('var/see/p/c'), 'a way into the private tree')
    s.host.rename('var', 'rav')
    names = s.see.ls('rav/see')
    ok('p' not in names or s.see.ls('rav/see/p') <= {'x'}, 'listed after a move')
    s.host.rename('rav', 'var')


@test(layer=True)
def two_layers_of_one_lower(s):
    "two SEEs over the same directory see nothing of each other"
    first = s.see
    os.mkdir(f'{s.dir}/mnt2')
    os.mkdir(f'{s.private}2')
    os.chmod(f'{s.private}2', 0o700)
    mount('none', f'{s.dir}/mnt2', 'seefs', 0,
          f'lower={s.lower},private={s.private}2')
    try:
        second = Tree(f'{s.dir}/mnt2')
        first.write('file', 'first')
        second.absent('new')
        first.write('new', 'first')
        second.holds('file', 'file\n')
        second.absent('new')
        second.unlink('file')
        first.holds('file', 'first')
        s.host.write('late', 'late')
        first.holds('late', 'late')
        second.holds('late', 'late')
    finally:
        umount(f'{s.dir}/mnt2')


# ---- mounting --------------------------------------------------------------

@test(smoke=True, layer=True)
def read_only_layer(s):
    "EROFS from every change, reading goes on, remount turns it"
    s.see.write('file', 'written before\n')
    s.umount()
    s.mount(MS_RDONLY)
    s.see.holds('file', 'written before\n')
    changes = (lambda: s.see.write('file', 'x'), lambda: s.see.write('new', 'x'),
               lambda: s.see.chmod('dir', 0o700), lambda: s.see.mkdir('x'),
               lambda: s.see.unlink('file'), lambda: s.see.rmdir('empty_dir'),
               lambda: s.see.rename('file', 'x'), lambda: s.see.link('file', 'x'),
               lambda: s.see.symlink('x', 'x'), lambda: s.see.utime('dir', 1, 1),
               lambda: s.see.setxattr('file', 'user.x', b''),
               lambda: s.see.truncate('big', 1),
               lambda: s.see.open('dir', os.O_TMPFILE | os.O_RDWR))
    for change in changes:
        raises(E.EROFS, change)
    s.host.write('late', 'late\n')
    s.see.holds('late', 'late\n')
    mount('none', s.mnt, None, MS_REMOUNT)
    s.see.write('file', 'x')
    mount('none', s.mnt, None, MS_REMOUNT | MS_RDONLY)
    raises(E.EROFS, changes[0])
    s.see.holds('file', 'x')


@test(layer=True)
def mount_flags(s):
    "nosuid and noexec of the layer count"
    s.mount(MS_NOSUID | MS_NOEXEC)
    raises(E.EACCES, os.execv, s.see.path('exec'), ['exec'])
    ok(os.statvfs(s.mnt).f_flag & os.ST_NOSUID, 'not nosuid')


def refused(s, want, words, **options):
    """The mount fails with errno want and a message that has one of words."""
    try:
        try_mount(s.mnt, **options)
    except Log as e:
        wanted = want if isinstance(want, tuple) else (want,)
        if e.errno not in wanted:
            fail(f'{options}: expected {" or ".join(map(ename, wanted))}, got {e}')
        ok(any(w in e.text for w in words),
           f'{options}: the message {e.text!r} says nothing of {words}')
        return
    umount(s.mnt)
    fail(f'{options}: was mounted')


@test(smoke=True, layer=True)
def bad_options_are_refused(s):
    "each with an errno and a message that names what is wrong"
    s.host.remember()
    good = {'lower': s.lower, 'private': s.private}
    file = f'{s.lower}/file'
    refused(s, E.EINVAL, ['lower'], private=s.private)
    refused(s, E.EINVAL, ['private'], lower=s.lower)
    refused(s, E.EINVAL, ['lower', 'private'])
    refused(s, E.EINVAL, ['nonsense'], nonsense='x', **good)
    refused(s, E.ENOTDIR, ['lower'], **(good | {'lower': file}))
    refused(s, E.ENOTDIR, ['private'], **(good | {'private': file}))
    refused(s, E.ENOENT, ['lower'], **(good | {'lower': f'{s.lower}/absent'}))
    refused(s, E.ENOENT, ['private'], **(good | {'private': f'{s.dir}/absent'}))
    refused(s, (E.EINVAL, E.ENOENT), ['lower'], **(good | {'lower': ''}))
    try_mount(s.mnt, **good)
    s.mounted = True
    s.see.holds('file', 'file\n')


@test(layer=True)
def foreign_private_trees_are_refused(s):
    "not empty and not ours, the lower itself, one that others can enter"
    s.host.remember()
    foreign = f'{s.private}-foreign'
    os.makedirs(f'{foreign}/x')
    os.chmod(foreign, 0o700)
    refused(s, (E.EINVAL, E.ENOTEMPTY, E.EUCLEAN), ['private', 'empty'],
            lower=s.lower, private=foreign)
    eq(os.listdir(foreign), ['x'], 'the foreign directory')
    refused(s, (E.EINVAL, E.ELOOP, E.EBUSY, E.ENOTEMPTY, E.EPERM),
            ['private', 'lower'], lower=s.lower, private=s.lower)
    inner = f'{s.private}/inner'
    os.mkdir(inner)
    refused(s, (E.EINVAL, E.ELOOP, E.EBUSY, E.ENOTEMPTY), ['private', 'lower'],
            lower=inner, private=s.private)
    os.rmdir(inner)


@test(smoke=True, layer=True)
def private_tree_in_use(s):
    "the same pair again is the same layer; another lower is refused"
    s.see.write('new', 'x')
    os.mkdir(f'{s.dir}/again')
    again = f'{s.dir}/again'
    try:
        mount('none', again, 'seefs', 0, f'lower={s.lower},private={s.private}')
        # "Mounting a private tree again gives the same superblock."
        eq(os.stat(again).st_dev, s.see.stat('').st_dev, 'device')
        eq(Tree(again).read('new'), b'x', 'content')
        umount(again)
    except OSError as e:
        eq(e.errno, E.EBUSY, 'errno of a second mount')
    refused(s, E.EBUSY, ['private', 'use', 'lower'], lower=f'{s.lower}/dir',
            private=s.private)
    s.see.holds('new', 'x')


@test(layer=True)
def private_tree_of_another_lower(s):
    "a private tree comes back only over the directory it was made for"
    s.see.write('new', 'x')
    s.umount()
    os.mkdir(f'{s.lower}-other')
    refused(s, (E.EINVAL, E.ESTALE, E.EUCLEAN, E.EXDEV), ['lower', 'private'],
            lower=f'{s.lower}-other', private=s.private)
    s.mount()
    s.see.holds('new', 'x')


@test(layer=True)
def mounting_needs_privilege(s):
    "EPERM for a user"
    s.host.remember()
    raises(E.EPERM, as_user, mount, 'none', s.mnt, 'seefs', 0,
           f'lower={s.lower},private={s.private}')


@test(layer=True)
def layer_of_a_subdirectory(s):
    "nothing above it can be reached, and what moves out is gone"
    s.mnt_lower, s.lower = s.lower, f'{s.lower}/dir'
    s.see.lists('', 'a b sub link3')
    s.see.write('sub/new', 'x')
    eq(s.see.ino('..') != s.see.ino('.'), True, 'number of ..')
    s.host.rename('dir/b', 'b')
    s.host.rename('dir/sub', 'sub')
    for _ in s.stages():
        s.see.absent('b')
    s.host.rename('sub', 'dir/sub')
    for _ in s.stages():
        s.see.holds('sub/new', 'x')


main()
