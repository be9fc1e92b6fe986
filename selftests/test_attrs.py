#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Attributes: private once changed, live until then, natively right always."""
import fcntl
import tempfile
import time

from see_test import *

E = errno
UTIME_NOW, UTIME_OMIT = (1 << 30) - 1, (1 << 30) - 2
FS_IOC_SETFLAGS, FS_IMMUTABLE_FL = 0x40086602, 0x10


def utimens(path, atime, mtime):
    """utimensat with raw (seconds, nanoseconds) pairs."""
    call('utimensat', AT_FDCWD, path,
         ctypes.create_string_buffer(struct.pack('qqqq', *atime, *mtime)), 0)


def trio(s, kind='file'):
    """One object of each origin: h, c, b."""
    s.have(h=f'host {kind}', c=f'changed {kind}', b=f'born {kind}')
    return 'hcb'


# ---- mode, owner, times ----------------------------------------------------

@test(smoke=True, over=('file', 'dir'))
def chmod_and_chown(s, kind):
    "each bit, each id, and back; by descriptor too"
    for name in trio(s, kind):
        for mode in (0o000, 0o777, 0o4755, 0o2755, 0o1777, 0o644):
            s.see.chmod(name, mode)
            eq(s.see.mode(name), mode, f'mode of {name}')
        s.see.chown(name, USER, OTHER)
        s.see.chown(name, -1, 7)
        s.see.chown(name, 3000000000, -1)
        with s.see.opened(name) as fd:
            os.fchmod(fd, 0o750)
            os.fchown(fd, -1, 8)
    for _ in s.stages():
        for name in 'hcb':
            st = s.see.stat(name)
            eq((stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid),
               (0o750, 3000000000, 8), f'{kind} {name}')


@test()
def chown_of_everything_else(s):
    "symlinks, FIFOs, sockets, devices; mode of what has one"
    for name in ('sym', 'dangling', 'fifo', 'sock', 'null'):
        s.see.chown(name, USER, OTHER)
        if name not in ('sym', 'dangling'):
            s.see.chmod(name, 0o604)
    for _ in s.stages():
        for name in ('sym', 'dangling', 'fifo', 'sock', 'null'):
            st = s.see.stat(name)
            eq((st.st_uid, st.st_gid), (USER, OTHER), f'owner of {name}')
            if name not in ('sym', 'dangling'):
                eq(s.see.mode(name), 0o604, f'mode of {name}')
        eq(s.see.stat('file').st_uid, 0, 'owner of the target')
        eq(s.see.readlink('sym'), 'file', 'target')


def attempts(t, name, fd):
    """The errno of everything that could change a file in d, and d."""
    def opened(flags, path=t.path(name)):
        os.close(os.open(path, flags))
    return [error_of(f, *args) for f, *args in (
        (opened, os.O_WRONLY, f'/proc/self/fd/{fd}'), (os.utime, t.path(name)),
        (os.utime, t.path(name), (1, 1)), (opened, os.O_WRONLY),
        (opened, os.O_WRONLY | os.O_APPEND), (opened, os.O_RDWR | os.O_APPEND | os.O_TRUNC),
        (os.truncate, t.path(name), 1), (os.fchmod, fd, 0o604), (t.chmod, name, 0o640),
        (t.chown, name, 1), (t.setxattr, name, 'user.x', b'1'), (t.link, name, 'd/link'),
        (t.rename, name, 'd/moved'), (t.rename, 'd/moved', name), (t.write, 'd/over', ''),
        (t.rename, 'd/over', name), (t.unlink, name), (t.mkdir, 'd/new'), (t.rmdir, 'd/new'))]


@test(layer=True, over=[(flag, what, kind) for flag in 'ia' for what in ('file', 'dir')
                        for kind in ('host', 'changed')])
def flags_of_the_host(s, flag, what, kind):
    "immutable and append-only count as the host has them now, for what was changed as well"
    name = 'd/f'
    at = 'd' if what == 'dir' else name
    for t in s.plain, s.host:
        with t.together():
            t.mkdir('d')
            t.write(name, 'host')
    if kind == 'changed':
        for t in s.plain, s.see:
            t.append(name, ' and more')
            t.chmod('d', 0o700)
    fd = os.open(s.see.path(name), os.O_RDONLY)
    native = os.open(s.plain.path(name), os.O_RDONLY)
    try:
        for sign in '+', '-':
            for t in s.plain, s.host:
                with t.together():
                    run('chattr', sign + flag, t.path(at))
            # the VFS refuses what a descriptor does by the flags that it saw last
            if sign == '-':
                os.fstat(fd)
            eq(attempts(s.see, name, fd), attempts(s.plain, name, native), f'{sign}{flag} {at}')
    finally:
        for t in s.plain, s.host:
            with t.together():
                run('chattr', '-f', '-ia', t.path(at), status=None)
        os.close(fd)
        os.close(native)


@test(smoke=True, layer=True)
def lsattr_and_chattr(s):
    "flags are told as the real object has them, and are not for the SEE to change"
    def told(t, name):
        return run('lsattr', '-d', t.path(name)).split()[0]
    names = ('file', 'link1', 'dir', 'empty_dir')
    with s.host.together():
        for name in names:
            run('chattr', '+d', s.host.path(name))
    s.see.append('link1', 'changed')
    s.see.chmod('empty_dir', 0o711)
    s.see.write('born', '')
    s.see.mkdir('born_dir')
    for _ in s.stages():
        for name in names:
            eq(told(s.see, name), told(s.host, name), f'flags of {name}')
            ok('d' in told(s.see, name), f'nodump of {name}')
        for name in (*names, 'born', 'born_dir'):
            before = told(s.see, name)
            with s.see.opened(name) as fd:
                raises(E.ENOTTY, fcntl.ioctl, fd, FS_IOC_SETFLAGS, struct.pack('l', FS_IMMUTABLE_FL))
            eq(told(s.see, name), before, f'flags of {name} that the SEE wanted to set')
            ok('i' not in before, f'flags of {name}')
    with s.host.together():
        run('chattr', '-d', s.host.path('file'))
    eq(told(s.see, 'file'), told(s.host, 'file'), 'flags that the host took away')


@test(smoke=True)
def times_are_exact(s):
    "nanoseconds, NOW, OMIT, before 1970 and after 2038"
    for name in trio(s):
        path = s.see.path(name)
        for when in ((1, 1), (-5, 999999999), (5 * 10 ** 9, 7)):
            utimens(path, when, when)
            ns = when[0] * 10 ** 9 + when[1]
            eq((s.see.stat(name).st_atime_ns, s.see.stat(name).st_mtime_ns),
               (ns, ns), f'times of {name}')
        utimens(path, (0, UTIME_OMIT), (77, 7))
        eq(s.see.stat(name).st_mtime_ns, 77 * 10 ** 9 + 7, 'mtime set')
        eq(s.see.stat(name).st_atime_ns, 5 * 10 ** 18 + 7, 'atime omitted')
        utimens(path, (88, 8), (0, UTIME_OMIT))
        raises(E.EINVAL, utimens, path, (0, 10 ** 9), (0, 0))
        ok(abs(s.see.stat(name).st_ctime - time.time()) < 600, 'ctime is not now')
    for stage in s.stages():
        for name in 'hcb':
            st = s.see.stat(name)
            eq((st.st_atime_ns, st.st_mtime_ns), (88 * 10 ** 9 + 8,
               77 * 10 ** 9 + 7), f'times of {name} {stage}')
    utimens(s.see.path('h'), (0, UTIME_NOW), (0, UTIME_NOW))
    ok(abs(s.see.stat('h').st_mtime - time.time()) < 600, 'mtime is not now')


@test()
def times_move_with_changes(s):
    "mtime and ctime of files and directories, by each operation"
    old = 10 ** 18
    s.have(f='host file', d='host tree', t='host dir')

    def moved(name, what, data):
        st = s.see.stat(name)
        eq(st.st_mtime_ns != old, data, f'mtime of {name} moved by {what}')
        ok(abs(st.st_ctime - time.time()) < 600, f'ctime of {name} by {what}')
        s.see.utime(name, old, old)
    for name in 'fdt':
        s.see.utime(name, old, old)
    for what, act in (('append', lambda: s.see.append('f', 'x')),
                      ('shrinking', lambda: s.see.truncate('f', 1)),
                      ('growing', lambda: s.see.truncate('f', 9)),
                      ('O_TRUNC', lambda: s.see.write('f', '')),
                      ('write', lambda: s.see.pwrite('f', b'y', 0)),
                      ('overwriting', lambda: s.see.pwrite('f', b'z', 0))):
        act()
        moved('f', what, True)
    for act in (lambda: s.see.chmod('f', 0o600), lambda: s.see.chown('f', USER),
                lambda: s.see.setxattr('f', 'user.x', b'1'),
                lambda: s.see.link('f', 'd/l'), lambda: s.see.unlink('d/l'),
                lambda: (s.see.rename('f', 'g'), s.see.rename('g', 'f'))):
        act()
        moved('f', 'a change of attributes or names', False)
    s.see.utime('d', old, old)
    for what, act in (('create', lambda: s.see.write('d/new', '')),
                      ('mkdir', lambda: s.see.mkdir('d/nd')),
                      ('symlink', lambda: s.see.symlink('x', 'd/nl')),
                      ('link', lambda: s.see.link('f', 'd/nf')),
                      ('unlink', lambda: s.see.unlink('d/nf')),
                      ('unlink of what was there', lambda: s.see.unlink('d/inner')),
                      ('rmdir', lambda: s.see.rmdir('d/nd')),
                      ('rename out', lambda: s.see.rename('d/new', 't/new')),
                      ('rename in', lambda: s.see.rename('t/new', 'd/newer'))):
        act()
        moved('d', what, True)
    ok(s.see.stat('t').st_mtime_ns != old, 'mtime of t moved by renames')


@test()
def times_by_user(s):
    "NOW for who may write, more only for the owner"
    for name in trio(s):
        s.see.chown(name, USER)
        s.see.chmod(name, 0o666)

        def writer():
            os.utime(s.see.path(name))
            raises(E.EPERM, s.see.utime, name, 1, 1)
            raises(E.EPERM, s.see.chmod, name, 0o600)
            raises(E.EPERM, s.see.chown, name, OTHER)
            raises(E.EPERM, s.see.setxattr, name, ACCESS, acl('u::rw- g::r-- o::---'))
        as_user(writer, uid=OTHER)
        as_user(s.see.utime, name, 1, 1)
        s.see.chmod(name, 0o600)
        raises(E.EACCES, as_user, os.utime, s.see.path(name), uid=OTHER)


@test(smoke=True, layer=True)
def changed_attributes_stay(s):
    "against later changes on the host; those of other objects show"
    for name in ('file', 'dir', 'dir/a'):
        s.see.chmod(name, 0o711)
        s.host.chmod(name, 0o700)
        s.host.chown(name, USER, USER)
    s.host.chmod('dir/b', 0o600)
    for _ in s.stages():
        for name in ('file', 'dir', 'dir/a'):
            eq(s.see.mode(name), 0o711, f'mode of {name}')
        eq(s.see.mode('dir/b'), 0o600, 'mode of dir/b')
        s.see.holds('dir/a', 'dir/a\n')


@test(layer=True)
def attributes_of_made_names_are_the_objects(s):
    "a directory in which the SEE only made names keeps the host's attributes"
    s.see.write('dir/new', '')
    s.see.unlink('dir/a')
    s.host.chmod('dir', 0o770)
    s.host.chown('dir', USER, OTHER)
    for _ in s.stages():
        st = s.see.stat('dir')
        eq((stat.S_IMODE(st.st_mode), st.st_uid, st.st_gid),
           (0o770, USER, OTHER), 'mode and owner of dir')


@test(smoke=True)
def set_id_bits_drop(s):
    "on write, truncate and chown by a user; root's write keeps them"
    s.plain.write('p', '')
    s.plain.chown('p', USER, OTHER)
    s.plain.chmod('p', 0o2666)
    as_user(s.plain.append, 'p', 'x', uid=7777)
    want = s.plain.mode('p')            # kernels differ
    for name in trio(s):
        for act in (lambda: s.see.append(name, 'x'),
                    lambda: s.see.truncate(name, 1),
                    lambda: s.see.write(name, 'y')):
            s.see.chown(name, USER, USER)
            s.see.chmod(name, 0o6777)
            as_user(act, uid=OTHER)
            eq(s.see.mode(name), 0o777, f'mode of {name} after a user wrote')
        s.see.chmod(name, 0o6777)
        s.see.append(name, 'x')
        eq(s.see.mode(name), 0o6777, f'mode of {name} after root wrote')
        s.see.chown(name, USER, OTHER)
        eq(s.see.mode(name), 0o777, f'mode of {name} after chown')
        s.see.chmod(name, 0o2666)       # no group execute: not a set-id bit
        as_user(s.see.append, name, 'x', uid=7777)
        eq(s.see.mode(name), want, f'mode of {name} without group execute')


@test(smoke=True)
def capabilities_drop_on_write(s):
    "security.capability goes with the first write, not with reading"
    for name in trio(s):
        s.see.setxattr(name, CAPABILITY, NET_RAW)
        s.see.read(name)
        eq(s.see.getxattr(name, CAPABILITY), NET_RAW, f'capability of {name}')
        s.see.append(name, 'x')
        raises(E.ENODATA, s.see.getxattr, name, CAPABILITY)
    eq(s.see.getxattr('attrs', CAPABILITY), NET_RAW, 'capability of attrs')
    s.see.append('attrs', 'x')
    for _ in s.stages():
        for name in ('h', 'c', 'b', 'attrs'):
            raises(E.ENODATA, s.see.getxattr, name, CAPABILITY)
    s.see.setxattr('attrs', CAPABILITY, NET_RAW)
    s.see.chown('attrs', USER)
    raises(E.ENODATA, s.see.getxattr, 'attrs', CAPABILITY)


# ---- extended attributes ---------------------------------------------------

@test(smoke=True, over=('file', 'dir'))
def xattr_operations(s, kind):
    "set, replace, create, list, remove, empty and long values"
    for name in trio(s, kind):
        s.see.setxattr(name, 'user.a', b'1')
        s.see.setxattr(name, 'user.a', b'two')
        s.see.setxattr(name, 'user.empty', b'')
        s.see.setxattr(name, 'user.bin', bytes(range(256)))
        s.see.setxattr(name, 'user.' + 'n' * 250, b'long name')
        s.see.setxattr(name, 'security.see-test', b's')
        raises(E.EEXIST, s.see.setxattr, name, 'user.a', b'', os.XATTR_CREATE)
        raises(E.ENODATA, s.see.setxattr, name, 'user.z', b'', os.XATTR_REPLACE)
        s.see.setxattr(name, 'user.a', b'3', os.XATTR_REPLACE)
        raises(E.ENODATA, s.see.removexattr, name, 'user.z')
        raises(E.ENODATA, s.see.getxattr, name, 'user.z')
        raises(E.ERANGE, s.see.setxattr, name, 'user.' + 'n' * 251, b'')
        raises(E.EOPNOTSUPP, s.see.setxattr, name, 'nonsense.x', b'')
        s.see.setxattr(name, 'user.gone', b'x')
        s.see.removexattr(name, 'user.gone')
    want = {'user.a': b'3', 'user.empty': b'', 'user.bin': bytes(range(256)),
            'user.' + 'n' * 250: b'long name', 'security.see-test': b's'}
    for stage in s.stages():
        for name in 'hcb':
            eq(s.see.xattrs(name), want, f'xattrs of {name} {stage}')


@test()
def xattr_limits(s):
    "sizes are refused and taken as natively"
    s.plain.write('p', '')
    for name in trio(s):
        for size in (1000, 3000, 4000, 8000, 65536, 65537):
            want = error_of(s.plain.setxattr, 'p', 'user.big', b'x' * size)
            eq(ename(error_of(s.see.setxattr, name, 'user.big', b'x' * size)),
               ename(want), f'{size} bytes on {name}')


@test()
def xattrs_of_the_host(s):
    "changed or removed in the SEE, kept beside those it sets"
    for i in range(4):
        s.host.setxattr('file', f'user.{i}', b'host')
    s.see.setxattr('file', 'user.1', b'SEE')
    s.see.removexattr('file', 'user.2')
    s.see.setxattr('file', 'user.9', b'SEE')
    for _ in s.stages():
        eq(s.see.xattrs('file'), {'user.0': b'host', 'user.1': b'SEE',
                                  'user.3': b'host', 'user.9': b'SEE'}, 'xattrs')
    for i in (0, 1, 3, 9):
        s.see.removexattr('file', f'user.{i}')
    for _ in s.stages():
        eq(s.see.xattrs('file'), {}, 'xattrs')


@test()
def xattr_permissions(s):
    "user.* for who may write, on links and nodes as natively; security.* for root"
    for name in trio(s):
        s.see.chmod(name, 0o604)

        def user():
            raises(E.EACCES, s.see.setxattr, name, 'user.x', b'')
            raises(E.ENODATA, s.see.getxattr, name, 'user.x')
            raises(E.EPERM, s.see.setxattr, name, 'security.x', b'')
            raises(E.EPERM, s.see.setxattr, name, CAPABILITY, NET_RAW)
            raises(E.EPERM, s.see.setxattr, name, 'trusted.x', b'')
        as_user(user)
    for name in ('sym', 'fifo', 'null'):
        raises(E.EPERM, s.see.setxattr, name, 'user.x', b'')
    # newer kernels let sockets have them
    with tempfile.TemporaryDirectory() as d:
        os.mknod(f'{d}/sock', stat.S_IFSOCK | 0o666)
        native = error_of(os.setxattr, f'{d}/sock', 'user.x', b'x')
    raises(native, s.see.setxattr, 'sock', 'user.x', b'x')
    eq(s.see.xattrs('sock'), {} if native else {'user.x': b'x'}, 'xattrs of a socket')
    s.see.chmod('secret', 0o600)
    raises(E.EACCES, as_user, s.see.getxattr, 'secret', 'user.x', uid=OTHER)


@test(smoke=True, layer=True)
def private_marks_are_out_of_reach(s):
    "root in the SEE cannot read, list, set or remove trusted.see.*"
    trio(s)
    s.have(d='changed tree')
    s.host.setxattr('file', 'trusted.see.fake', b'host')
    s.see.unlink('dir/a')
    s.see.rename('dir/sub', 'sub')
    for stage in s.stages():
        for name in ('h', 'c', 'b', 'd', 'dir', 'sub', 'file', ''):
            path = s.see.path(name)
            eq([k for k in os.listxattr(path) if k.startswith('trusted.see')],
               [], f'marks of {name} {stage}')
            for key in ('trusted.see.', 'trusted.see.origin', 'trusted.see.fake',
                        'trusted.see.x'):
                for act in (lambda: os.setxattr(path, key, b'forged'),
                            lambda: os.removexattr(path, key),
                            lambda: os.getxattr(path, key)):
                    ok(error_of(act), f'{key} of {name} is reachable {stage}')


# ---- ACLs ------------------------------------------------------------------

@test(smoke=True, over=('file', 'dir'))
def acls(s, kind):
    "set, the mode that follows, chmod's mask, a minimal one, removal"
    full = acl(f'u::rwx u:{USER}:rwx g::r-x g:{OTHER}:--x m::rwx o::---')
    for name in trio(s, kind):
        s.see.setxattr(name, ACCESS, full)
        eq((s.see.getxattr(name, ACCESS), s.see.mode(name)), (full, 0o770), name)
        s.see.chmod(name, 0o750)
        eq(s.see.getxattr(name, ACCESS), acl(
            f'u::rwx u:{USER}:rwx g::r-x g:{OTHER}:--x m::r-x o::---'), name)
        if kind == 'dir':
            s.see.setxattr(name, DEFAULT, full)
        else:
            raises(E.EACCES, s.see.setxattr, name, DEFAULT, full)
        raises(E.EINVAL, s.see.setxattr, name, ACCESS, b'\2\0\0\0odd')
    for stage in s.stages():
        for name in 'hcb':
            eq(s.see.mode(name), 0o750, f'mode of {name} {stage}')
            eq(ACCESS in s.see.xattrs(name), True, f'ACL of {name} {stage}')
            if kind == 'dir':
                eq(s.see.getxattr(name, DEFAULT), full, f'{name} {stage}')
    for name in 'hcb':
        s.see.setxattr(name, ACCESS, acl('u::rw- g::r-- o::r--'))
        raises(E.ENODATA, s.see.getxattr, name, ACCESS)
        eq(s.see.mode(name), 0o644, f'mode of {name}')
        s.see.setxattr(name, ACCESS, full)
        s.see.removexattr(name, ACCESS)
        raises(E.ENODATA, s.see.getxattr, name, ACCESS)
    for _ in s.stages():
        for name in 'hcb':
            raises(E.ENODATA, s.see.getxattr, name, ACCESS)


@test(private=('same', 'other'))
def acl_of_the_host_is_changed(s):
    "under every name that the file system gives it: XFS shows root a second one"
    new = acl(f'u::rwx u:{USER}:--x g::r-- m::r-x o::---')
    s.plain.write('attrs', '')
    for t in (s.see, s.plain):
        t.setxattr('attrs', ACCESS, new)
        t.setxattr('attrs', 'user.key', b'value')
        t.setxattr('attrs', CAPABILITY, NET_RAW)
    want = s.plain.xattrs('attrs')
    for _ in s.stages():
        got = s.see.xattrs('attrs')
        eq(got, {k: want[k] for k in got}, 'xattrs')
        ok(ACCESS in got, 'no ACL')


@test(layer=True)
def acl_of_the_host_is_live(s):
    "until the SEE changes the object; checked by the kernel at once"
    path = s.see.path('secret')
    readable = (lambda: as_user(os.access, path, os.R_OK, uid=OTHER))
    ok(not readable(), 'readable before')
    s.host.setxattr('secret', ACCESS,
                    acl(f'u::rw- u:{OTHER}:r-- g::--- m::r-- o::---'))
    ok(readable(), 'not readable with the ACL of the host')
    s.host.removexattr('secret', ACCESS)
    ok(not readable(), 'readable after the host removed the ACL')
    s.see.setxattr('secret', ACCESS,
                   acl(f'u::rw- u:{OTHER}:r-- g::--- m::r-- o::---'))
    s.host.chmod('secret', 0o000)
    for _ in s.stages():
        ok(readable(), 'not readable with the ACL of the SEE')


# ---- statx, access ---------------------------------------------------------

@test(smoke=True)
def statx_agrees_with_stat(s):
    "every mask, on every kind of object, unchanged and changed"
    trio(s)
    for stage in s.stages():
        for name in ('h', 'c', 'b', 'dir', 'sym', 'fifo', 'null', ''):
            path = s.see.path(name)
            st, x = os.lstat(path), statx(path)
            eq((x['mode'], x['ino'], x['nlink'], x['uid'], x['gid'], x['size'],
                x['mtime'], x['ctime'], os.makedev(*x['rdev']),
                os.makedev(*x['dev']), x['blocks'], x['blksize']),
               (st.st_mode, st.st_ino, st.st_nlink, st.st_uid, st.st_gid,
                st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_rdev,
                st.st_dev, st.st_blocks, st.st_blksize), f'{name} {stage}')
            eq(x['mask'] & STATX_BASIC, STATX_BASIC, f'mask of {name}')
            for bit in range(11):
                y = statx(path, 1 << bit)
                eq((y['ino'], y['mode']), (x['ino'], x['mode']), f'bit {bit}')
            raises(E.EINVAL, statx, path, 1 << 31)


@test()
def birth_time(s):
    "is the host object's, stays over the first write, and is now for a new one"
    if not statx(s.plain.root)['mask'] & STATX_BTIME:
        raise Skip('no birth times here')
    now = time.time()
    names = trio(s)
    want = {}
    for name in names:
        x = statx(s.see.path(name))
        ok(x['mask'] & STATX_BTIME, f'no birth time of {name}')
        ok(abs(x['btime'] / 1e9 - now) < 600, f'birth time of {name}')
        want[name] = x['btime']
        s.see.append(name, 'x')
        s.see.chmod(name, 0o600)
    for stage in s.stages():
        for name in names:
            eq(statx(s.see.path(name))['btime'], want[name], f'{name} {stage}')


@test()
def access_and_faccessat(s):
    "real and effective ids, for root and users"
    for name in trio(s):
        path = s.see.path(name)
        s.see.chmod(name, 0o600)
        raises(E.EACCES, faccessat, path, os.X_OK)
        faccessat(path, os.R_OK | os.W_OK)
        s.see.chmod(name, 0o700)
        faccessat(path, os.X_OK)

        def user():
            for mode in (os.R_OK, os.W_OK, os.X_OK):
                raises(E.EACCES, faccessat, path, mode)
                raises(E.EACCES, faccessat, path, mode, AT_EACCESS)
            faccessat(path, os.F_OK)
            raises(E.ENOENT, faccessat, path + 'x', os.F_OK)

        def split():
            os.setresuid(USER, 0, 0)
            raises(E.EACCES, faccessat, path, os.R_OK)
            faccessat(path, os.R_OK, AT_EACCESS)
        as_user(user)
        Child(split).result()


@test()
def statfs(s):
    "answers for files of every origin; inside one layer it is one answer"
    trio(s)
    base = os.statvfs(s.see.root)
    ok(base.f_blocks > 0 and base.f_namemax >= 255, 'no sizes')
    for name in 'hcb':
        v = os.statvfs(s.see.path(name))
        eq((v.f_blocks, v.f_namemax, v.f_fsid),
           (base.f_blocks, base.f_namemax, base.f_fsid), name)


main()
