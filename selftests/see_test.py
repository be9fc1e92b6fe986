# SPDX-License-Identifier: GPL-2.0
"""What the selftests of the view share: cases, fixture, fingerprints, wrappers.

A test file says

    from see_test import *

    @test(smoke=True)
    def host_creation_shows(s):
        "one line on what is proved"
        s.see.absent('new')
        s.host.write('new', 'x')
        s.see.holds('new', 'x')

    main()

and prints TAP. Every case runs in a process of its own over its own lower and
private directories on a scratch file system. s.host is the lower as the host
sees it, s.see the layer, mounted when it is first used; both are a Tree, with
paths relative to it. What is done through s.host is remembered; anything else
that changes in the lower, atime included, fails the case, whatever it tests.

Environment:
  SEE_CASE=PATTERN   only cases whose name matches (shell pattern)
  SEE_SMOKE=1        only cases marked smoke
  SEE_FS=ext4        scratch file system: ext4, xfs, btrfs, tmpfs
  SEE_PRIVATE=same   where the private tree lies: same (file system as the
                     lower), inside (the lower), other (file system)
  SEE_SCALE=1        factor for the cases that loop
  SEE_TIMEOUT=300    seconds for one case
  SEE_NATIVE=1       no layer: s.see is a plain copy. Validates what the tests
                     expect of POSIX; cases that need a layer are skipped
  SEE_OVERLAY=1      overlayfs in place of seefs, to see that the tests bite
"""
import contextlib
import ctypes
import errno
import fcntl
import fnmatch
import inspect
import os
import pickle
import select
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import time
import traceback

NATIVE = os.environ.get('SEE_NATIVE') == '1'
OVERLAY = os.environ.get('SEE_OVERLAY') == '1'
SMOKE = os.environ.get('SEE_SMOKE') == '1'
FS = os.environ.get('SEE_FS', 'ext4')
PRIVATE = os.environ.get('SEE_PRIVATE', 'same')
SCALE = float(os.environ.get('SEE_SCALE', '0.1' if SMOKE else '1'))
TIMEOUT = int(os.environ.get('SEE_TIMEOUT', '300'))
os.environ.pop('PYTHONPYCACHEPREFIX', None)     # for us, not for what is run in a SEE

USER, OTHER = 1000, 1001        # uids that own nothing but what tests give them
NOT_UTF8 = os.fsdecode(b'\xff\xfe \n\x80')


def scaled(n):
    """n iterations, less in smoke runs."""
    return max(1, int(n * SCALE))


# ---- results ---------------------------------------------------------------

class Failed(Exception):
    """A test's expectation does not hold."""


class Skip(Exception):
    """The case cannot be tried here."""


def fail(message):
    raise Failed(message)


def short(value):
    text = repr(value)
    return text if len(text) < 400 else f'{text[:200]} ... {text[-180:]}'


def eq(got, want, what):
    if got != want:
        if isinstance(got, (set, frozenset)):
            fail(f'{what}: too many {short(sorted(got - want))}, '
                 f'missing {short(sorted(want - got))}')
        fail(f'{what}: expected {short(want)}, got {short(got)}')


def ok(truth, what):
    if not truth:
        fail(what)


def ename(number):
    return errno.errorcode.get(number, str(number)) if number else 'success'


def error_of(function, *args, **kwargs):
    """The errno with which function fails, or 0."""
    try:
        function(*args, **kwargs)
    except OSError as e:
        return e.errno
    return 0


def raises(want, function, *args, **kwargs):
    """function must fail with errno want (or one of several)."""
    wanted = want if isinstance(want, tuple) else (want,)
    got = error_of(function, *args, **kwargs)
    if got not in wanted:
        name = getattr(function, '__name__', 'call')
        fail(f'{name}{short(args)}: expected '
             f'{" or ".join(map(ename, wanted))}, got {ename(got)}')


# ---- system calls that Python lacks ----------------------------------------

libc = ctypes.CDLL(None, use_errno=True)

AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW = -100, 0x1000, 0x400
AT_SYMLINK_NOFOLLOW, AT_EACCESS = 0x100, 0x200
NOREPLACE, EXCHANGE, WHITEOUT = 1, 2, 4
MS_RDONLY, MS_NOSUID, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 8, 32, 4096
MS_REC, MS_PRIVATE, MS_NOATIME, MS_STRICTATIME = 16384, 1 << 18, 1024, 1 << 24
MNT_DETACH = 2
PR_SET_CHILD_SUBREAPER = 36


def call(name, *args):
    """libc's name(*args), as a Python function: bytes for paths, OSError."""
    args = [os.fsencode(a) if isinstance(a, (str, os.PathLike)) else a
            for a in args]
    result = getattr(libc, name)(*args)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def renameat2(old, new, flags=0):
    call('renameat2', AT_FDCWD, old, AT_FDCWD, new, flags)


def linkat(old, new, flags=0, olddir=AT_FDCWD, newdir=AT_FDCWD):
    call('linkat', olddir, old, newdir, new, flags)


def link_fd(fd, new):
    """Give the file behind a descriptor a name, by way of /proc."""
    linkat(f'/proc/self/fd/{fd}', new, AT_SYMLINK_FOLLOW)


def faccessat(path, mode, flags=0):
    call('faccessat', AT_FDCWD, path, mode, flags)


def syncfs(path):
    with opened(path, os.O_RDONLY) as fd:
        call('syncfs', fd)


def drop_caches():
    """Evict what can be evicted, of all file systems."""
    with open('/proc/sys/vm/drop_caches', 'w') as f:
        f.write('3')


def mount(source, target, fstype, flags=0, data=''):
    call('mount', source, target, fstype, ctypes.c_ulong(flags), data)


def umount(target, flags=0):
    call('umount2', target, flags)


class Handle(ctypes.Structure):
    _fields_ = [('bytes', ctypes.c_uint), ('type', ctypes.c_int),
                ('data', ctypes.c_ubyte * 128)]


def name_to_handle(path, flags=0):
    """(type, bytes) of the file handle of path."""
    handle, mnt = Handle(bytes=128), ctypes.c_int()
    call('name_to_handle_at', AT_FDCWD, path, ctypes.byref(handle),
         ctypes.byref(mnt), flags)
    return handle.type, bytes(handle.data[:handle.bytes])


def open_by_handle(mountpoint, handle, flags=os.O_RDONLY):
    raw = Handle(bytes=len(handle[1]), type=handle[0])
    ctypes.memmove(raw.data, handle[1], len(handle[1]))
    with opened(mountpoint, os.O_RDONLY | os.O_DIRECTORY) as fd:
        return call('open_by_handle_at', fd, ctypes.byref(raw), flags)


STATX = struct.Struct('=IIQIIIHxxQQQQ qIxxxx qIxxxx qIxxxx qIxxxx IIII')
STATX_BASIC, STATX_BTIME = 0x7ff, 0x800


def statx(path, mask=STATX_BASIC | STATX_BTIME, flags=AT_SYMLINK_NOFOLLOW):
    """statx(2) as a dictionary with the names of struct statx."""
    buf = ctypes.create_string_buffer(256)
    call('statx', AT_FDCWD, path, flags, mask, buf)
    v = STATX.unpack_from(buf.raw)
    names = ('mask blksize attributes nlink uid gid mode ino size blocks '
             'attributes_mask').split()
    out = dict(zip(names, v))
    for i, name in enumerate(('atime', 'btime', 'ctime', 'mtime')):
        out[name] = v[11 + 2 * i] * 10 ** 9 + v[12 + 2 * i]
    out['rdev'], out['dev'] = v[19:21], v[21:23]
    return out


class Dirent:
    """One entry as getdents64 gives it."""

    def __init__(self, ino, off, kind, name):
        self.ino, self.off, self.kind, self.name = ino, off, kind, name


def getdents(fd, size=32768):
    """The next entries of a directory descriptor, [] at its end."""
    buf = ctypes.create_string_buffer(size)
    got = call('getdents64', fd, buf, size)
    raw, at, out = buf.raw, 0, []
    while at < got:
        ino, off, length, kind = struct.unpack_from('=QqHB', raw, at)
        name = raw[at + 19:at + length].split(b'\0', 1)[0]
        out.append(Dirent(ino, off, kind, os.fsdecode(name)))
        at += length
    return out


def all_dents(fd, size=32768):
    out = []
    while more := getdents(fd, size):
        out += more
    return out


@contextlib.contextmanager
def opened(path, flags=os.O_RDONLY, mode=0o666):
    fd = os.open(path, flags, mode)
    try:
        yield fd
    finally:
        os.close(fd)


class Inotify:
    """Watches; read() gives what is queued now as [(mask, name)]."""
    ACCESS, MODIFY, ATTRIB, MOVED_FROM, MOVED_TO = 1, 2, 4, 0x40, 0x80
    CREATE, DELETE, DELETE_SELF, MOVE_SELF = 0x100, 0x200, 0x400, 0x800
    OPEN, CLOSE_WRITE, ALL = 0x20, 8, 0xfff

    def __init__(self, *paths, mask=ALL):
        self.fd = call('inotify_init1', os.O_NONBLOCK | os.O_CLOEXEC)
        for path in paths:
            call('inotify_add_watch', self.fd, path, mask)

    def read(self):
        out = []
        while select.select([self.fd], [], [], 0)[0]:
            raw, at = os.read(self.fd, 65536), 0
            while at < len(raw):
                _, mask, _, length = struct.unpack_from('=iIII', raw, at)
                name = raw[at + 16:at + 16 + length].rstrip(b'\0')
                out.append((mask & 0xfff, os.fsdecode(name)))
                at += 16 + length
        return out


def fanotify(path, mask):
    """A fanotify descriptor with a mark on path and its children."""
    try:
        fd = call('fanotify_init', 3, os.O_RDONLY)
    except OSError as e:
        raise Skip(f'fanotify: {e.strerror}')
    call('fanotify_mark', fd, 1, ctypes.c_uint64(mask | 0x08000000),
         AT_FDCWD, path)
    return fd


class Log(Exception):
    """A refused configuration: errno and what the file system said."""

    def __init__(self, number, text):
        super().__init__(f'{ename(number)}: {text}')
        self.errno, self.text = number, text


def try_mount(target, flags=0, **options):
    """Mount seefs by fsopen(2), which, unlike mount(2), tells why not."""
    fs = call('syscall', 430, b'seefs', 1)
    try:
        for key, value in options.items():
            call('syscall', 431, fs, 1, key, value, 0)
        call('syscall', 431, fs, 6, None, None, 0)
        mnt = call('syscall', 432, fs, 1, flags)
        call('syscall', 429, mnt, b'', AT_FDCWD, target, 4)
        os.close(mnt)
    except OSError as e:
        lines = []
        with contextlib.suppress(OSError):
            while True:
                lines.append(os.read(fs, 4096).decode().strip())
        raise Log(e.errno, '\n'.join(lines)) from None
    finally:
        os.close(fs)


# ---- xattr values ----------------------------------------------------------

ACCESS, DEFAULT = 'system.posix_acl_access', 'system.posix_acl_default'
CAPABILITY = 'security.capability'
NET_RAW = struct.pack('<5I', 0x02000001, 1 << 13, 0, 0, 0)


def acl(text):
    """An ACL's xattr value: acl('u::rw- u:1001:r-- g::r-- m::r-- o::---')."""
    tags = {'u': (1, 2), 'g': (4, 8), 'm': (16, 16), 'o': (32, 32)}
    out = struct.pack('<I', 2)
    for entry in text.split():
        tag, who, perms = entry.split(':')
        bits = sum(4 >> i for i, c in enumerate(perms) if c != '-')
        out += struct.pack('<HHI', tags[tag][bool(who)], bits,
                           int(who) if who else 0xffffffff)
    return out


def xattrs(path):
    try:
        return {k: os.getxattr(path, k, follow_symlinks=False)
                for k in os.listxattr(path, follow_symlinks=False)}
    except OSError as e:
        if e.errno != errno.ENOTSUP:
            raise
        return {}


# ---- fingerprints ----------------------------------------------------------

# What every copy of a tree has in common, and what only the same tree has.
SHAPE = ('type', 'mode', 'uid', 'gid', 'rdev', 'content', 'xattrs', 'names')
LOOKS = SHAPE + ('nlink', 'size', 'mtime', 'ctime')
SAME = LOOKS + ('ino', 'atime')

# in the order of fingerprint.c
FIELDS = ('type', 'mode', 'uid', 'gid', 'rdev', 'nlink', 'size', 'ino', 'atime', 'mtime', 'ctime',
          'content', 'xattrs', 'names')

fingerprints = ctypes.CDLL(os.path.join(os.path.dirname(os.path.realpath(__file__)), 'fingerprint.so'))
fingerprints.fingerprint.restype = ctypes.c_long


def raw_fingerprint(root, fields=SAME, skip=None):
    """A fingerprint as bytes; trees that are alike have the same."""
    answer = ctypes.c_void_p()
    wanted = sum(1 << FIELDS.index(field) for field in set(fields))
    length = fingerprints.fingerprint(os.fsencode(root), os.fsencode(skip) if skip else None, wanted,
                                      ctypes.byref(answer))
    try:
        if length < 0:
            raise OSError(-length, os.strerror(-length), os.fsdecode(ctypes.string_at(answer)))
        return ctypes.string_at(answer, length)
    finally:
        libc.free(answer)


def fingerprint(root, fields=SAME, skip=None):
    """{path: {field: value}} of a tree; skip is a path to leave out."""
    return pickle.loads(raw_fingerprint(root, fields, skip))


def differences(got, want, limit=12):
    lines = []
    for name in sorted(got.keys() | want.keys()):
        if name not in want:
            lines.append(f'{name!r} should not be there')
        elif name not in got:
            lines.append(f'{name!r} is missing')
        else:
            for field, value in want[name].items():
                if got[name].get(field) != value:
                    lines.append(f'{name!r}: {field}: expected {short(value)},'
                                 f' got {short(got[name].get(field))}')
    if len(lines) > limit:
        lines[limit:] = [f'... and {len(lines) - limit} more']
    return lines


def same_tree(got, want, what):
    if lines := differences(got, want):
        fail('\n  '.join([f'{what}:'] + lines))


# ---- trees -----------------------------------------------------------------

class Tree:
    """A directory and what one does in it, by relative paths."""

    def __init__(self, root):
        self.root = root

    def path(self, name):
        return f'{self.root}/{name}' if name else self.root

    def _do(self, function, *args, **kwargs):
        return function(*args, **kwargs)

    # looking

    def stat(self, name):
        return os.lstat(self.path(name))

    def ino(self, name):
        return self.stat(name).st_ino

    def mode(self, name):
        return stat.S_IMODE(self.stat(name).st_mode)

    def read(self, name):
        with open(self.path(name), 'rb') as f:
            return f.read()

    def ls(self, name=''):
        return set(os.listdir(self.path(name)))

    def exists(self, name):
        return os.path.lexists(self.path(name))

    def readlink(self, name):
        return os.readlink(self.path(name))

    def getxattr(self, name, key):
        return os.getxattr(self.path(name), key, follow_symlinks=False)

    def xattrs(self, name):
        return xattrs(self.path(name))

    def open(self, name, flags=os.O_RDONLY, mode=0o666):
        return os.open(self.path(name), flags, mode)

    def opened(self, name, flags=os.O_RDONLY, mode=0o666):
        return opened(self.path(name), flags, mode)

    def fingerprint(self, fields=SHAPE, name=''):
        return fingerprint(self.path(name), fields)

    # expecting

    def holds(self, name, want, what=''):
        want = want.encode() if isinstance(want, str) else want
        try:
            got = self.read(name)
        except OSError as e:
            fail(f'{name}: cannot read: {e.strerror} {what}')
        eq(got, want, f'content of {name} {what}')
        parent, base = os.path.split(name)
        ok(base in self.ls(parent), f'{name} can be read but is not listed')

    def absent(self, *names):
        for name in names:
            raises(errno.ENOENT, os.lstat, self.path(name))
            parent, base = os.path.split(name)
            if self.exists(parent):
                ok(base not in self.ls(parent),
                   f'{name} does not resolve but is listed')

    def lists(self, name, want):
        got = self.ls(name)
        eq(got, set(want.split() if isinstance(want, str) else want),
           f'names in {name or "the root"}')
        for entry in got:
            ok(self.exists(f'{name}/{entry}' if name else entry),
               f'{name}/{entry} is listed but does not resolve')

    # changing

    def write(self, name, data, flags=os.O_CREAT | os.O_TRUNC, mode=0o666):
        def write():
            with self.opened(name, os.O_WRONLY | flags, mode) as fd:
                left = os.fsencode(data)
                while left:
                    left = left[os.write(fd, left):]
        self._do(write)

    def append(self, name, data):
        self.write(name, data, os.O_APPEND)

    def pwrite(self, name, data, offset):
        def write():
            with self.opened(name, os.O_WRONLY) as fd:
                os.pwrite(fd, data, offset)
        self._do(write)

    def replace(self, name, data):
        """Rewrite a file as editors do: a new one, renamed over it."""
        with self.together():
            self.write(f'{name}~', data)
            self.rename(f'{name}~', name)

    def truncate(self, name, size):
        self._do(os.truncate, self.path(name), size)

    def mkdir(self, name, mode=0o777):
        self._do(os.mkdir, self.path(name), mode)

    def makedirs(self, name):
        self._do(os.makedirs, self.path(name), exist_ok=True)

    def rmdir(self, name):
        self._do(os.rmdir, self.path(name))

    def rmtree(self, name):
        self._do(shutil.rmtree, self.path(name))

    def unlink(self, name):
        self._do(os.unlink, self.path(name))

    def rename(self, old, new, flags=0):
        self._do(renameat2, self.path(old), self.path(new), flags)

    def link(self, old, new):
        self._do(linkat, self.path(old), self.path(new))

    def symlink(self, target, name):
        self._do(os.symlink, target, self.path(name))

    def mknod(self, name, mode, device=0):
        self._do(os.mknod, self.path(name), mode, device)

    def chmod(self, name, mode):
        self._do(os.chmod, self.path(name), mode)

    def chown(self, name, uid, gid=-1):
        self._do(os.lchown, self.path(name), uid, gid)

    def utime(self, name, atime, mtime):
        self._do(os.utime, self.path(name), ns=(atime, mtime),
                 follow_symlinks=False)

    def setxattr(self, name, key, value, flags=0):
        self._do(os.setxattr, self.path(name), key, value, flags,
                 follow_symlinks=False)

    def removexattr(self, name, key):
        self._do(os.removexattr, self.path(name), key, follow_symlinks=False)

    def together(self):
        return contextlib.nullcontext()


class Host(Tree):
    """The lower. What is done here is no leak: the base is taken anew."""

    def __init__(self, root, private):
        super().__init__(root)
        self.private, self.base, self.depth = private, None, 0

    def fingerprint(self, fields=SHAPE, name=''):
        return fingerprint(self.path(name), fields, self.private)

    def look(self):
        return raw_fingerprint(self.root, SAME, self.private)

    def remember(self):
        self.base = self.look()

    def check(self):
        if self.base is not None and self.depth == 0:
            now = self.look()
            if now != self.base:
                same_tree(pickle.loads(now), pickle.loads(self.base), 'the lower was changed')

    @contextlib.contextmanager
    def together(self):
        """Several host operations, with one look before and one after."""
        self.check()
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1
            if self.base is not None and self.depth == 0:
                self.remember()

    def _do(self, function, *args, **kwargs):
        with self.together():
            return function(*args, **kwargs)


# ---- the fixture -----------------------------------------------------------

def populate(t):
    """A small tree with one of everything, dated 2001."""
    os.umask(0o022)
    t.write('file', 'file\n')
    t.write('exec', '#!/bin/sh\necho ran\n')
    t.chmod('exec', 0o755)
    t.write('empty', '')
    t.write('big', bytes(range(256)) * 300)
    for name in ('dir', 'dir/sub', 'empty_dir'):
        t.mkdir(name)
    for name in ('dir/a', 'dir/b', 'dir/sub/c', 'link1'):
        t.write(name, f'{name}\n')
    t.link('link1', 'link2')
    t.link('link1', 'dir/link3')
    t.symlink('file', 'sym')
    t.symlink('nowhere', 'dangling')
    t.symlink('dir', 'symdir')
    t.mknod('fifo', stat.S_IFIFO | 0o666)
    t.mknod('sock', stat.S_IFSOCK | 0o666)
    t.mknod('null', stat.S_IFCHR | 0o666, os.makedev(1, 3))
    t.write('secret', 'secret\n')
    t.chown('secret', USER, USER)
    t.chmod('secret', 0o600)
    t.write('attrs', 'attrs\n')
    t.setxattr('attrs', ACCESS, acl(f'u::rw- u:{OTHER}:r-- g::r-- m::r-- o::---'))
    t.setxattr('attrs', CAPABILITY, NET_RAW)
    with contextlib.suppress(OSError):      # tmpfs before 6.6
        t.setxattr('attrs', 'user.key', b'value')
    t.mkdir('shared')
    t.chown('shared', 0, USER)
    t.chmod('shared', 0o2775)
    t.mkdir('sticky')
    t.chmod('sticky', 0o1777)
    t.write('sticky/own', 'own\n')
    t.chown('sticky/own', USER, USER)
    t.write(NOT_UTF8, 'odd\n')
    for i, (at, dirs, files) in enumerate(os.walk(t.root, topdown=False)):
        for j, name in enumerate(sorted(files + dirs + [''])):
            when = (10 ** 9 + 1000 * i + j) * 10 ** 9 + 123456789
            os.utime(f'{at}/{name}' if name else at, ns=(when, when + 1),
                     follow_symlinks=False)


def fat_image(path):
    """An empty FAT12 of 512 KiB: boot record, two FATs of three sectors, 16 names."""
    boot = struct.pack('<3s8sHBHBHHBHHHII', b'\xeb\x3c\x90', b'alcatraz', 512, 1, 1, 2, 16,
                       1024, 0xf8, 3, 32, 2, 0, 0)
    boot += struct.pack('<BBBI11s8s', 0x80, 0, 0x29, 1, b'NO NAME    ', b'FAT12   ')
    fat = b'\xf8\xff\xff'.ljust(3 * 512, b'\0')
    with open(path, 'wb') as f:
        f.write(boot.ljust(510, b'\0') + b'\x55\xaa' + 2 * fat)
        f.truncate(1024 * 512)


class Scratch:
    """A file system for one test file: DIR/fs, and DIR/quiet for the host.

    The layer's lower is taken from fs, mounted strictatime, so that reading it
    leaves a trace if seefs lets it; the host looks and acts through quiet, the
    same mounted noatime, so that looking leaves none.
    """

    def __init__(self, fstype=FS, size=1 << 30):
        self.dir = tempfile.mkdtemp(prefix='see-')
        os.chmod(self.dir, 0o755)
        self.fs, self.quiet = f'{self.dir}/fs', f'{self.dir}/quiet'
        self.image = f'{self.dir}/image'
        os.mkdir(self.fs)
        os.mkdir(self.quiet)
        if fstype == 'tmpfs':
            mount('none', self.fs, 'tmpfs', MS_STRICTATIME)
        else:
            if fstype == 'vfat':
                fat_image(self.image)
            else:
                with open(self.image, 'wb') as f:
                    f.truncate(size)
                options = {'ext4': ['-q', '-b4096'], 'xfs': ['-q'],
                           'btrfs': ['-q']}[fstype]
                subprocess.run([f'mkfs.{fstype}', *options, self.image],
                               check=True, stdout=subprocess.DEVNULL)
            subprocess.run(['mount', '-o', 'loop,strictatime', self.image,
                            self.fs], check=True)
        mount('none', self.fs, None, MS_PRIVATE)
        mount(self.fs, self.quiet, None, MS_BIND)
        mount('none', self.quiet, None, MS_REMOUNT | MS_BIND | MS_NOATIME)

    def close(self):
        for where in (self.quiet, self.fs):
            umount(where, MNT_DETACH)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.image)
        os.rmdir(self.quiet)
        os.rmdir(self.fs)
        shutil.rmtree(self.dir)


class See:
    """What a case gets: a lower, a private tree, and the layer over them."""

    def __init__(self, scratch, number, private):
        self.dir = f'{scratch.dir}/{number}'
        self.lower = f'{scratch.fs}/{number}/lower'
        quiet = f'{scratch.quiet}/{number}'
        self.plain = Tree(f'{quiet}/plain')     # native, beside the lower
        self.mnt = f'{self.dir}/mnt'
        os.makedirs(self.mnt)
        os.makedirs(self.lower)
        os.makedirs(self.plain.root)
        self.second = None
        inside = None
        if private == 'inside':
            self.private = f'{self.lower}/var/see/p'
            inside = f'{quiet}/lower/var/see'
        elif private == 'other':
            self.second = Scratch('ext4', 256 << 20)
            self.private = f'{self.second.fs}/p'
        else:
            self.private = f'{scratch.fs}/{number}/private'
        os.makedirs(self.private)
        os.chmod(self.private, 0o700)
        if inside:
            os.chmod(inside, 0o700)
            inside += '/p'
        self.host = Host(f'{quiet}/lower', inside)
        self.mounted, self.stage = False, ''
        self._see = Tree(self.mnt)
        populate(self.host)

    @property
    def see(self):
        """The layer, as a Tree. The first use mounts it."""
        self.mount()
        return self._see

    def mount(self, flags=0):
        if self.mounted:
            return
        if self.host.base is None:
            self.host.remember()
        if NATIVE:
            if not os.path.ismount(self.mnt):
                copy = f'{self.plain.root}.copy'
                subprocess.run(['cp', '-a', self.host.root, copy], check=True)
                mount(copy, self.mnt, None, MS_BIND)
        elif OVERLAY:
            for name in 'uw':
                os.makedirs(f'{self.private}/{name}', exist_ok=True)
            mount('none', self.mnt, 'overlay', flags,
                  f'lowerdir={self.lower},upperdir={self.private}/u,'
                  f'workdir={self.private}/w,index=on,redirect_dir=on,xino=on')
        else:
            mount('none', self.mnt, 'seefs', flags,
                  f'lower={self.lower},private={self.private}')
        self.mounted = True

    def umount(self):
        if not NATIVE:
            umount(self.mnt)
            self.mounted = False

    def remount(self):
        """Unmount, and bring the SEE back from its private tree."""
        if self.mounted:
            self.umount()
        self.mount()

    def drop_caches(self):
        """Evict what can be evicted, here and below."""
        if NATIVE:
            return
        for path in (self.mnt, self.host.root, self.private):
            syncfs(path)
        drop_caches()

    def stages(self):
        """for _ in s.stages(): what holds now, after eviction and remount."""
        for self.stage, step in (('', None),
                                 ('after drop_caches', self.drop_caches),
                                 ('after a remount', self.remount)):
            if step:
                step()
            yield self.stage
        self.stage = ''

    def counts_directories(self):
        """Does the file system count the directories in a directory as its links?"""
        return self.plain.stat('').st_nlink > 1

    def have(self, **objects):
        """Objects of every origin: have(x='host file', y='born dir').

        host: the lower's, untouched; changed: the lower's, then changed in the
        SEE; born: made in the SEE. Types: file, dir, tree (a directory that is
        not empty), symlink. Names with __ in them mean a path.
        """
        todo = [(name.replace('__', '/'), *spec.split())
                for name, spec in objects.items()]
        with self.host.together():
            for name, origin, kind in todo:
                if origin != 'born':
                    self.make(self.host, name, kind)
        for name, origin, kind in todo:
            if origin == 'born':
                self.make(self.see, name, kind)
            elif origin == 'changed':
                self.change(name, kind)

    @staticmethod
    def make(tree, name, kind):
        if kind == 'file':
            tree.write(name, f'{name} as made\n')
        elif kind == 'symlink':
            tree.symlink(f'{name} target', name)
        else:
            tree.mkdir(name)
            if kind == 'tree':
                tree.write(f'{name}/inner', f'{name} inner\n')

    def change(self, name, kind):
        if kind == 'file':
            self.see.append(name, 'changed\n')
        elif kind == 'symlink':
            self.see.chown(name, USER)
        else:
            self.see.chmod(name, 0o750)
            if kind == 'tree':
                self.see.write(f'{name}/made', 'made\n')

    def close(self):
        """In the runner, when the case's processes are gone."""
        problem = None
        while os.path.ismount(self.mnt):
            try:
                umount(self.mnt)
            except OSError as e:
                problem = f'cannot unmount the layer: {e.strerror}'
                umount(self.mnt, MNT_DETACH)
        try:
            self.host.check()
        except Failed as e:
            problem = str(e)
        if self.second:
            self.second.close()
        return problem


ORIGINS = ('host', 'changed', 'born')


# ---- other processes -------------------------------------------------------

class Child:
    """function(*args) in a process of its own; result() waits and returns."""

    def __init__(self, function, *args, uid=0, gids=()):
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(writer)
            return
        try:
            if uid:
                os.setgroups(gids)
                os.setresgid(uid, uid, uid)
                os.setresuid(uid, uid, uid)
            answer = ('ok', function(*args))
        except OSError as e:
            answer = ('errno', e.errno)
        except BaseException as e:
            answer = ('failed', str(e) if isinstance(e, Failed)
                      else traceback.format_exc())
        with os.fdopen(writer, 'wb') as f:
            pickle.dump(answer, f)
        os._exit(0)

    def result(self):
        with os.fdopen(self.reader, 'rb') as f:
            raw = f.read()
        _, status = os.waitpid(self.pid, 0)
        if not raw:
            fail(f'a child process died with status {status}')
        kind, value = pickle.loads(raw)
        if kind == 'errno':
            raise OSError(value, os.strerror(value))
        if kind == 'failed':
            fail(value)
        return value


def as_user(function, *args, uid=USER, gids=()):
    """function(*args) in a process with that uid, gid and groups."""
    return Child(function, *args, uid=uid, gids=gids).result()


def run(*command, cwd=None, status=0, **kwargs):
    """Run a program, return its output; another exit status fails the case."""
    done = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                          text=True, errors='replace', **kwargs)
    if status is not None and done.returncode != status:
        fail(f'{" ".join(map(str, command))}: exit status {done.returncode}, '
             f'expected {status}:\n{done.stdout[-2000:]}')
    return done.stdout


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            fail(f'no {program} here')


# ---- cases -----------------------------------------------------------------

class Case:
    def __init__(self, name, function, args, smoke, layer, private):
        self.name, self.function, self.args = name, function, args
        self.smoke, self.layer, self.private = smoke, layer, private


CASES = []


def test(smoke=False, layer=False, private=None, over=((),)):
    """Register a case.

    smoke: part of the smoke set. layer: makes no sense without one. private:
    placements of the private tree to try instead of the default one. over:
    arguments; the function is one case with each. With several cases the first
    alone is the smoke test.
    """
    def register(function):
        first = smoke
        for place in private or (PRIVATE,):
            for args in over:
                args = args if isinstance(args, tuple) else (args,)
                parts = list(map(str, args)) + ([place] if private else [])
                name = '.'.join([function.__name__] + parts).replace(' ', '-')
                CASES.append(Case(name, function, args, first, layer, place))
                first = False
        return function
    return register


def selected():
    """The cases that the environment asks for."""
    pattern = os.environ.get('SEE_CASE', '*')
    return [c for c in CASES if fnmatch.fnmatchcase(c.name, pattern)
            and (c.smoke or not SMOKE)]


def outcome(case, s):
    """(status, text) of a case's function, in the case's process."""
    os.setpgrp()
    signal.alarm(TIMEOUT)
    try:
        case.function(s, *case.args)
    except Skip as e:
        return 'skip', str(e)
    except (Failed, OSError) as e:
        at = [f for f in traceback.extract_tb(e.__traceback__)
              if not f.filename.endswith(('sees.py', 'see_test.py'))]
        return 'failed', f'{e} {s.stage}\nat ' + ' < '.join(
            f'{os.path.basename(f.filename)}:{f.lineno}' for f in at[::-1])
    except BaseException:
        return 'failed', f'{s.stage}\n{traceback.format_exc()}'
    return 'ok', ''


def report(number, case, status, text, start):
    """What came of a case that began at start, as TAP."""
    more = f'SKIP {text}' if status == 'skip' else f'{time.monotonic() - start:.1f} s'
    print(f'{"not " if status == "failed" else ""}ok {number} - {case.name} # {more}')
    if status == 'failed':
        for line in text.splitlines():
            print(f'#   {line}'.encode('utf-8', 'backslashreplace').decode())
    sys.stdout.flush()


def in_child(case, s, answer):
    """The body of a case's process; the answer goes to a file."""
    status, text = outcome(case, s)
    with open(answer, 'wb') as f:
        pickle.dump((status, text, s.host.base), f)


def run_case(case, scratch, number):
    """(status, text) of one case, all its traces removed."""
    if NATIVE and case.layer:
        return 'skip', 'needs a layer'
    try:
        s = See(scratch, number, case.private)
    except OSError as e:
        return 'failed', f'no fixture: {e}'
    answer = f'{s.dir}/answer'
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        try:
            in_child(case, s, answer)
        finally:
            sys.stdout.flush()
            os._exit(0)
    _, code = os.waitpid(pid, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    try:
        with open(answer, 'rb') as f:
            status, text, s.host.base = pickle.load(f)
    except FileNotFoundError:
        why = 'timed out' if code == signal.SIGALRM else f'died, status {code}'
        status, text = 'failed', f'the case {why} {s.stage}'
    problem = s.close()
    if problem:
        text = '\n'.join(filter(None, [text if status == 'failed' else '',
                                       problem]))
        status = 'failed'
    return status, text


def main():
    cases = selected()
    print('TAP version 13')
    if os.geteuid() != 0:
        print('1..0 # SKIP must run as root')
        sys.exit(4)
    with open('/proc/filesystems') as f:
        if not NATIVE and not OVERLAY and '\tseefs\n' not in f.read():
            print('1..1\nBail out! seefs is not loaded; '
                  'SEE_NATIVE=1 validates the tests without it')
            sys.exit(1)
    print(f'1..{len(cases)}', flush=True)
    # Mounts made here are seen by nobody else, and end with us.
    call('unshare', 0x20000)
    mount('none', '/', None, MS_REC | MS_PRIVATE)
    call('prctl', PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    scratch = Scratch()
    failures = 0
    try:
        for number, case in enumerate(cases, 1):
            start = time.monotonic()
            status, text = run_case(case, scratch, number)
            failures += status == 'failed'
            report(number, case, status, text, start)
    finally:
        scratch.close()
    sys.exit(1 if failures else 0)


__all__ = [name for name, value in list(globals().items())
           if not name.startswith('_')]
