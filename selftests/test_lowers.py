#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Layers over file systems that are read-only or put together of others: the view as
everywhere, over a remount too.  And those that cannot be covered, since what is recorded
about their objects could not be found again: refused, and said why.

The private tree is on the scratch file system.
"""
import threading

from see_test import *


def modprobe(name):
    """The module may be built in, or there may be none."""
    subprocess.run(['modprobe', '-q', name])
    with open('/proc/filesystems') as f:
        if name not in f.read().split():
            raise Skip(f'this kernel has no {name}')


@contextlib.contextmanager
def mounted(target, *args):
    os.mkdir(target)
    subprocess.run(['mount', *args, target], check=True)
    try:
        yield target
    finally:
        umount(target, MNT_DETACH)


def fill(root):
    """What each lower holds."""
    os.mkdir(root)
    for name in ('dir', 'dir/sub', 'moved', 'moved/in', 'gone'):
        os.mkdir(f'{root}/{name}')
    for name in ('file', 'dir/a', 'dir/sub/b', 'moved/in/c', 'gone/d', 'other'):
        with open(f'{root}/{name}', 'w') as f:
            f.write(f'{name} of the host\n' * 1000)
    os.link(f'{root}/file', f'{root}/dir/linked')
    os.symlink('target', f'{root}/symlink')
    os.setxattr(f'{root}/dir/a', 'user.x', b'value')


def change(root):
    """Something of each kind."""
    with opened(f'{root}/file', os.O_WRONLY) as fd:
        os.pwrite(fd, b'written', 5000)
    os.chmod(f'{root}/dir/a', 0o600)
    os.truncate(f'{root}/other', 10)
    os.rename(f'{root}/moved', f'{root}/dir/moved')
    with open(f'{root}/dir/moved/in/new', 'w') as f:
        f.write('new')
    shutil.rmtree(f'{root}/gone')
    os.mkdir(f'{root}/gone')
    os.link(f'{root}/dir/sub/b', f'{root}/linked')


def look(root):
    found = fingerprint(root, SHAPE + ('nlink', 'size', 'mtime', 'ino'))
    for entry in found.values():
        # overlayfs shows other link counts of directories than it has
        if entry['type'] == stat.S_IFDIR:
            del entry['size'], entry['nlink']
    return found


def works(s, lower, fields=SAME):
    """The view over lower, changes in it, and all of it again after a remount."""
    with mounted(f'{s.dir}/quiet', '-o', 'bind,noatime', lower) as quiet:
        before = fingerprint(quiet, fields)
        shows(s, lower)
        same_tree(fingerprint(quiet, fields), before, 'the lower')


def shows(s, lower):
    options = f'lower={lower},private={s.private}'
    mount('none', s.mnt, 'seefs', 0, options)
    same_tree(look(s.mnt), look(lower), 'nothing is changed')
    change(s.mnt)
    want = look(s.mnt)
    eq((want['./file']['names'], want['./linked']['names']),
       (['./dir/linked', './file'], ['./dir/sub/b', './linked']), 'hard links')
    syncfs(s.mnt)
    drop_caches()
    same_tree(look(s.mnt), want, 'after drop_caches')
    for when in ('a remount', 'a remount without caches'):
        umount(s.mnt)
        if 'without' in when:
            drop_caches()
        mount('none', s.mnt, 'seefs', 0, options)
        same_tree(look(s.mnt), want, f'after {when}')
    eq(Tree(s.mnt).read('file')[4998:5009], b'fiwrittenhe', 'what was written')
    umount(s.mnt)


@test(smoke=True)
def squashfs(s):
    modprobe('squashfs')
    fill(f'{s.dir}/tree')
    subprocess.run(['mksquashfs', f'{s.dir}/tree', f'{s.dir}/image'], check=True,
                   stdout=subprocess.DEVNULL)
    with mounted(f'{s.dir}/low', '-o', 'loop', f'{s.dir}/image') as lower:
        works(s, lower)


@test()
def read_only_mount(s):
    fill(f'{s.lower}/tree')
    with mounted(f'{s.dir}/low', '-o', 'bind,ro', f'{s.lower}/tree') as lower:
        works(s, lower)


def overlay(s, export):
    modprobe('overlay')
    for name in 'uw':
        os.mkdir(f'{s.lower}/{name}')
    fill(f'{s.lower}/l')
    return mounted(f'{s.dir}/low', '-t', 'overlay', '-o',
                   f'lowerdir={s.lower}/l,upperdir={s.lower}/u,workdir={s.lower}/w,'
                   f'index=on,nfs_export={export},strictatime', 'none')


@test(smoke=True)
def overlayfs_with_handles(s):
    "which the option nfs_export=on gives it"
    with overlay(s, 'on') as lower:
        # it lists directories of its own to find what a handle is about, with their atime
        works(s, lower, tuple(f for f in SAME if f != 'atime'))


@test()
def private_tree_on_overlayfs(s):
    with overlay(s, 'on') as upper:
        s.private = f'{upper}/private'
        os.mkdir(s.private, 0o700)
        fill(f'{s.dir}/tree')
        with mounted(f'{s.dir}/bound', '-o', 'bind,ro', f'{s.dir}/tree') as lower:
            works(s, lower)


@test()
def overlayfs_at_work(s):
    "the host changes it, copying up what was not, while the SEE shows and has changed it"
    with overlay(s, 'on') as lower:
        mount('none', s.mnt, 'seefs', 0, f'lower={lower},private={s.private}')
        see, host = Tree(s.mnt), Tree(lower)
        with opened(see.path('other')) as fd:
            see.append('dir/a', 'of the SEE\n')
            numbers = [see.ino(n) for n in ('other', 'dir/a', 'dir/sub')]
            host.append('other', 'of the host\n')
            host.chmod('dir/a', 0o640)
            host.write('dir/sub/new', 'new')
            host.unlink('moved/in/c')
            eq(os.pread(fd, 100000, 0), host.read('other'), 'open and copied up')
        ok(see.read('dir/a').endswith(b'of the SEE\n'), 'the change of the SEE')
        eq(see.read('dir/sub/new'), b'new', 'what the host made')
        eq(see.ls('moved/in'), set(), 'where the host removed')
        eq([see.ino(n) for n in ('other', 'dir/a', 'dir/sub')], numbers, 'numbers')
        umount(s.mnt)


# ---- refused -------------------------------------------------------------------

def refused(s, where, why):
    for options in ({'lower': where, 'private': s.private}, {'lower': s.lower, 'private': where}):
        try:
            try_mount(s.mnt, **options)
        except Log as e:
            eq(e.errno, errno.EINVAL, f'mounting with {options}')
            ok(why in e.text, f'{options}: {e.text!r} does not say {why!r}')
        else:
            umount(s.mnt)
            fail(f'{options}: was mounted')


@test(smoke=True)
def fat(s):
    "whose numbers are made up anew"
    modprobe('vfat')
    scratch = Scratch('vfat')
    try:
        refused(s, scratch.fs, 'do not last')
    finally:
        scratch.close()


class Fuse:
    """A server with an empty root directory, in a thread."""
    LOOKUP, GETATTR, STATFS, INIT = 1, 3, 17, 26

    def __init__(self, target):
        os.mkdir(target)
        self.fd, self.target = os.open('/dev/fuse', os.O_RDWR), target
        mount('none', target, 'fuse', 0, f'fd={self.fd},rootmode=40000,user_id=0,group_id=0')
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def answer(self, opcode):
        if opcode == self.INIT:
            return 0, struct.pack('<IIIIHHII', 7, 31, 65536, 0, 12, 9, 65536, 1).ljust(64, b'\0')
        if opcode == self.GETATTR:
            return 0, struct.pack('<QII6Q10I', 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0,
                                  stat.S_IFDIR | 0o755, 2, 0, 0, 0, 4096, 0)
        if opcode == self.STATFS:
            return 0, bytes(80)
        return errno.ENOENT if opcode == self.LOOKUP else errno.ENOSYS, b''

    def serve(self):
        with contextlib.suppress(OSError):      # ENODEV: unmounted
            while True:
                _, opcode, unique = struct.unpack_from('<IIQ', os.read(self.fd, 1 << 17))
                error, body = self.answer(opcode)
                with contextlib.suppress(FileNotFoundError):    # nobody waits for it
                    os.write(self.fd, struct.pack('<IiQ', 16 + len(body), -error, unique) + body)

    def close(self):
        umount(self.target, MNT_DETACH)
        self.thread.join()
        os.close(self.fd)


@test(smoke=True)
def fuse(s):
    "which forgets what nobody uses"
    modprobe('fuse')
    with contextlib.closing(Fuse(f'{s.dir}/low')) as server:
        refused(s, server.target, 'do not last')


@test()
def layer(s):
    "whose handles lead to nothing that is not in memory"
    second = f'{s.private}2'
    os.mkdir(second, 0o700)
    s.mount()
    first, s.mnt, s.private = s.mnt, f'{s.dir}/second', second
    os.mkdir(s.mnt)
    try:
        refused(s, first, 'do not last')
    finally:
        s.mnt = first


@test()
def without_handles(s):
    modprobe('overlay')
    with overlay(s, 'off') as lower:
        refused(s, lower, 'no file handles')
    with mounted(f'{s.dir}/ram', '-t', 'ramfs', 'none') as lower:
        refused(s, lower, 'no file handles')


main()
