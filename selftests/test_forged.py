#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Private trees that are damaged, truncated, forged or foreign: refused, or contained.

A rich tree is made once for each case, and its file system kept as an image.  Then
it is changed at random, once for each seed; mounted; walked and worked in.  The
mount fails as private-tree.rst says, and the log names what is wrong, or it works;
every operation succeeds or gives an errno that a damaged file system may give;
nothing of the host outside of the lower, and nothing of the private tree's own, is
ever seen, and nothing of the host is changed.

A failure names its seed; SEE_SEED=N does the same again. SEE_SCALE=10 or more for a
long walk.
"""
import random

from see_test import *

E = errno
SEED = os.environ.get('SEE_SEED')
PLACES = ('same', 'inside')
EACH = 14                               # mutations of a case
SECRET = b'SECRET OF THE HOST'
SEE = 'trusted.see.'
RECORDS = ('tree', 'object', 'removed', 'ctime', 'store', 'locks')
SUBS = ('made', 'removed', 'linked', 'follow')
REFUSED = {E.EUCLEAN, E.EOPNOTSUPP, E.EXDEV, E.ENOTEMPTY}
# What an operation in a damaged tree may say, besides what is said in any tree.
PLAUSIBLE = {E.EUCLEAN, E.EIO, E.ESTALE, E.ENOENT, E.ENOTDIR, E.EISDIR, E.ELOOP, E.EEXIST, E.EXDEV,
             E.EPERM, E.EACCES, E.ENOTEMPTY, E.EINVAL, E.ENODATA, E.EOPNOTSUPP, E.ENXIO, E.EBUSY,
             E.EMLINK, E.ETXTBSY, E.ENOSPC, E.EFBIG, E.ENAMETOOLONG, E.ENODEV, E.ECONNREFUSED}


# ---- the tree, and its image ------------------------------------------------

def prepare(host):
    "what the populated lower needs besides"
    for name in ('gone', 'gone_attr', 'gone_link', 'moved', 'sparse', 'many'):
        host.write(name, f'{name}\n' * 3000)
    host.truncate('sparse', 300 << 20)
    for name in ('going', 'going/on', 'peer', 'peer/sub', 'old'):
        host.mkdir(name)
    for name in ('going/f', 'going/on/g', 'peer/sub/h', 'old/f'):
        host.write(name, f'{name}\n')
    host.mknod('gone_fifo', stat.S_IFIFO | 0o666)
    host.symlink('gone target', 'gone_sym')


def change(s):
    "something of everything that a private tree can hold"
    t = s.see
    t.append('file', 'SEE')
    t.pwrite('big', b'S' * 4096, 8192)
    for at in (0, 70 << 20, 200 << 20):
        t.pwrite('sparse', b'S' * 5000, at)
    t.truncate('dir/a', 3)
    t.append('link1', 'SEE')
    t.chmod('dir', 0o750)
    for name in ('sym', 'fifo', 'null', 'sock', 'sticky', 'gone_fifo', 'gone_sym'):
        t.chown(name, USER)
    t.setxattr('attrs', 'user.see', b'SEE')
    t.setxattr('dir', ACCESS, acl('u::rwx u:7:r-x g::r-x m::r-x o::r-x'))
    with t.opened('many', os.O_RDWR) as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.pwrite(fd, b'SEE', 10000)
        os.fsync(fd)
    t.rename('dir/sub', 'empty_dir/sub')
    t.rename('exec', 'dir/moved')
    t.link('secret', 'dir/linked')
    t.link('gone_link', 'dir/kept')
    t.unlink('dangling')
    t.unlink('dir/b')
    t.write('dir/b', 'born over the host\n')
    t.rename('symdir', 'dir/symdir', WHITEOUT)
    t.makedirs('new/deep/er')
    t.write('new/deep/f', 'born\n' * 3000)
    t.symlink('/', 'new/root')
    t.mknod('new/fifo', stat.S_IFIFO | 0o666)
    t.link('new/deep/f', 'new/g')
    t.rename('shared', 'new/shared')
    t.rename('peer', 'new/deep/peer')
    t.write('new/shared/x', 'x')
    t.append('moved', 'SEE')
    t.append('gone', 'SEE')
    t.chmod('gone_attr', 0o600)
    t.append('going/f', 'SEE')
    t.write('going/on/new', 'new')
    t.chmod('old', 0o700)


def host_goes_on(host):
    "while the layer is mounted"
    for name in ('gone', 'gone_attr', 'gone_link', 'gone_fifo', 'gone_sym', 'going/f'):
        host.unlink(name)
    host.rmtree('going')
    host.rename('moved', 'empty_dir/moved')


class Forge:
    """A layer whose file system can be put back to what it was."""

    def __init__(self, s, place):
        self.scratch = Scratch('ext4', 40 << 20)
        self.outer = Tree(f'{self.scratch.quiet}/outside')
        os.mkdir(self.outer.root)
        self.outer.write('secret', SECRET)
        self.outer.mkdir('dir')
        self.outer.write('dir/inner', SECRET)
        self.outer.symlink(SECRET, 'sym')
        self.s = See(self.scratch, 1, place)
        self.s.host.remember()
        with self.s.host.together():
            prepare(self.s.host)
        change(self.s)
        with self.s.host.together():
            host_goes_on(self.s.host)
        self.s.umount()
        self.s.host.check()
        with open('/proc/self/mounts') as f:
            self.device = next(line.split()[0] for line in f if f' {self.scratch.fs} ' in line)
        # open, so that the loop device stays when the file system is unmounted
        self.fd = os.open(self.device, os.O_RDWR)
        self.base, self.outside = self.s.host.base, self.outer_now()
        self.detach()
        self.image = self.content()
        self.attach()

    def content(self):
        """{offset: blocks} of the file system; what is all zeros is not in use."""
        out, step = {}, 64 << 10
        zeros = bytes(step)
        size = os.lseek(self.fd, 0, os.SEEK_END)
        for at in range(0, size, step):
            part = os.pread(self.fd, step, at)
            if part != zeros:
                out[at] = part
        return out

    def detach(self):
        umount(self.scratch.quiet)
        umount(self.scratch.fs)

    def attach(self):
        mount(self.device, self.scratch.fs, 'ext4', MS_STRICTATIME)
        mount(self.scratch.fs, self.scratch.quiet, None, MS_BIND)
        mount('none', self.scratch.quiet, None, MS_REMOUNT | MS_BIND | MS_NOATIME)

    def put_back(self):
        self.detach()
        for at, part in self.image.items():
            if os.pread(self.fd, len(part), at) != part:
                os.pwrite(self.fd, part, at)
        self.attach()
        self.s.host.base = self.base

    def outer_now(self):
        return fingerprint(self.outer.root)

    def close(self):
        os.close(self.fd)
        problem = self.s.close()
        self.scratch.close()
        ok(not problem, problem)


# ---- what a forger has at hand ----------------------------------------------

def key(path):
    kind, raw = name_to_handle(path)
    return f'{kind:02x}-{raw.hex()}'


class Tools:
    """The private tree as it lies on disk, and random choices of what is in it."""

    def __init__(self, forge, rng):
        self.forge, self.rng = forge, rng
        self.root = forge.s.private
        self.lower = forge.s.lower
        self.said = []

    def say(self, text):
        self.said.append(text)

    def all(self):
        return sorted(f'{at}/{n}' for at, dirs, files in os.walk(self.root) for n in dirs + files)

    def pick(self, paths):
        paths = list(paths)
        return self.rng.choice(paths) if paths else None

    def boxes(self, *homes):
        return sorted(f'{self.root}/{home}/{n}' for home in homes or ('changed', 'born')
                      for n in os.listdir(f'{self.root}/{home}'))

    def subs(self, *which):
        return [f'{box}/{sub}' for box in self.boxes() for sub in which or SUBS
                if os.path.isdir(f'{box}/{sub}')]

    def marks(self):
        return [f'{sub}/{n}' for sub in self.subs('linked', 'follow') for n in sorted(os.listdir(sub))]

    def own(self):
        """Everything but what the SEE sees as its own."""
        return [p for p in self.all() if '/made/' not in p]

    def records(self):
        return [(p, SEE + name) for p in [self.root] + self.own() for name in RECORDS
                if SEE + name in xattrs(p)]

    def short(self, path):
        return os.path.relpath(path, self.root)

    def keys(self):
        """Handles of all kinds of objects that have no place in a private tree."""
        f = self.forge
        return {
            'a file outside': key(f.outer.path('secret')),
            'a symlink outside': key(f.outer.path('sym')),
            'a directory outside': key(f.outer.path('dir')),
            'what is above the lower': key(os.path.dirname(self.lower)),
            'the root of the file system': key(f.scratch.fs),
            'the lower': key(self.lower),
            'an unchanged file': key(f'{self.lower}/empty'),
            'an unchanged directory': key(f'{self.lower}/peer/sub'),
            'the private tree': key(self.root),
            'its changed': key(f'{self.root}/changed'),
            'its work': key(f'{self.root}/work'),
            'a container': key(self.pick(self.boxes())),
            'something private': key(self.pick(self.all())),
            'a born directory': self.pick(os.listdir(f'{self.root}/born')),
            'a container that is there': self.pick(os.listdir(f'{self.root}/changed')),
        }

    def any_key(self):
        what, value = self.pick(sorted(self.keys().items()))
        return what, value

    # what is done

    def set(self, path, name, value):
        os.setxattr(path, name, value, follow_symlinks=False)

    def remove(self, path):
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path)
        else:
            os.unlink(path)

    def retarget(self, mark, target):
        os.unlink(mark)
        os.symlink(target, mark)

    def rename_box(self, old, new, follow):
        """Rename a container; follow: with all that refers to it."""
        if os.path.lexists(new):
            self.remove(new)
        os.rename(old, new)
        for mark in self.marks() if follow else ():
            if os.readlink(mark) == os.path.basename(old):
                self.retarget(mark, os.path.basename(new))


# ---- mutations --------------------------------------------------------------

def flip(rng, data, bits=1):
    data = bytearray(data)
    for _ in range(bits if data else 0):
        at = rng.randrange(8 * len(data))
        data[at // 8] ^= 1 << at % 8
    return bytes(data)


def spoiled(rng, data):
    """Bytes that are nearly what they were; what was done to them."""
    how = rng.choice(('flipped', 'flipped', 'flipped', 'spotted', 'cut', 'longer', 'noise', 'zeros',
                      'ones', 'empty', 'field'))
    if how == 'flipped':
        data = flip(rng, data)
    elif how == 'spotted':
        data = flip(rng, data, rng.randrange(2, 12))
    elif how == 'cut':
        data = data[:rng.randrange(len(data))] if data else data
    elif how == 'longer':
        data += rng.randbytes(rng.choice((1, 4, 20, 200, 600)))
    elif how == 'noise':
        data = rng.randbytes(len(data))
    elif how == 'zeros':
        data = bytes(len(data))
    elif how == 'ones':
        data = b'\xff' * len(data)
    elif how == 'empty':
        data = b''
    elif len(data) >= 4:
        at = rng.randrange(len(data) // 4) * 4
        value = rng.choice((0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 16, 4096))
        data = data[:at] + struct.pack('<I', value) + data[at + 4:]
    return how, data


def spoil_value(t):
    path, name = t.pick(t.records())
    how, value = spoiled(t.rng, os.getxattr(path, name, follow_symlinks=False))
    t.set(path, name, value)
    t.say(f'{name} of {t.short(path)} {how}')


def swap_values(t):
    path, name = t.pick(t.records())
    other, oname = t.pick([r for r in t.records() if t.rng.random() < 0.3 or r[1] == name])
    a = os.getxattr(path, name, follow_symlinks=False)
    b = os.getxattr(other, oname, follow_symlinks=False)
    t.set(path, name, b)
    t.set(other, oname, a)
    t.say(f'{name} of {t.short(path)} exchanged with {oname} of {t.short(other)}')


def drop_value(t):
    path, name = t.pick(t.records())
    os.removexattr(path, name, follow_symlinks=False)
    t.say(f'no {name} on {t.short(path)}')


def other_mode(t):
    "a record that says another type"
    box = t.pick(t.boxes('changed'))
    value = bytearray(os.getxattr(box, SEE + 'object'))
    kind = t.rng.choice((stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFSOCK,
                         stat.S_IFCHR, stat.S_IFBLK, 0, 0o110000, 1 << 20))
    struct.pack_into('<I', value, 4, kind | 0o644)
    t.set(box, SEE + 'object', bytes(value))
    t.say(f'mode of {t.short(box)} is {kind:o}')


def other_key(t):
    "a container that says it is of another object, all else being right"
    what, new = t.any_key()
    old = t.pick(t.boxes())
    follow = t.rng.random() < 0.7
    home = t.pick(('changed', 'changed', 'born')) if t.rng.random() < 0.2 else \
        os.path.basename(os.path.dirname(old))
    t.rename_box(old, f'{t.root}/{home}/{new}', follow)
    t.say(f'{t.short(old)} is {home}/ of {what}{", its names follow" if follow else ""}')


def spoiled_key(t):
    old = t.pick(t.boxes())
    name = os.path.basename(old)
    how = t.rng.choice(('digit', 'digit', 'upper', 'cut', 'longer', 'type', 'noise', 'dash', 'long'))
    at = t.rng.randrange(3, len(name))
    new = {'digit': name[:at] + t.rng.choice('0123456789abcdef') + name[at + 1:],
           'upper': name.upper().replace('01-', '01-A', 1), 'cut': name[:at],
           'longer': name + '0' * t.rng.choice((1, 8, 16)), 'noise': NOT_UTF8,
           'type': f'{t.rng.randrange(256):02x}{name[2:]}', 'dash': name.replace('-', '_'),
           'long': name[:3] + '00' * t.rng.choice((96, 97, 100, 120))}[how]
    follow = t.rng.random() < 0.5
    t.rename_box(old, f'{os.path.dirname(old)}/{new}', follow)
    t.say(f'key of {t.short(old)}: {how}')


def remove_something(t):
    path = t.pick(t.own())
    t.remove(path)
    t.say(f'no {t.short(path)}')


def copy_something(t):
    path, where = t.pick(t.own()), t.pick([t.root] + t.boxes() + t.subs())
    to = f'{where}/{t.rng.choice((os.path.basename(path), "again", "object", "map"))}'
    if not os.path.lexists(to) and not f'{to}/'.startswith(f'{path}/'):
        run('cp', '-a', path, to)
    t.say(f'{t.short(path)} copied to {t.short(to)}')


def move_something(t):
    path, other = t.pick(t.own()), t.pick(t.own())
    if t.rng.random() < 0.5:
        other = f'{t.pick([t.root] + t.boxes() + t.subs())}/{os.path.basename(path)}'
    flags = EXCHANGE if os.path.lexists(other) else 0
    number = error_of(renameat2, path, other, flags)
    t.say(f'{t.short(path)} and {t.short(other)} {"exchanged" if flags else "moved"} '
          f'({ename(number)})')


def link_something(t):
    path = t.pick(p for p in t.own() if not os.path.isdir(p))
    to = f'{t.pick(t.boxes() + t.subs())}/{t.rng.choice((os.path.basename(path), "object", "map"))}'
    if os.path.lexists(to):
        t.remove(to)
    number = error_of(linkat, path, to)
    t.say(f'{t.short(path)} linked at {t.short(to)} ({ename(number)})')


def shared_with_host(t):
    "as tools that look for files of the same content leave them"
    path = t.pick(p for p in t.own() if os.path.basename(p) in ('object', 'map') and
                  os.path.isfile(p))
    os.unlink(path)
    os.link(f'{t.lower}/{t.pick(("big", "file", "empty"))}', path)
    t.forge.s.host.remember()               # its link count
    t.say(f'{t.short(path)} is a file of the lower, too')


def other_type(t):
    path = t.pick(t.own())
    kind = t.rng.choice(('file', 'dir', 'link', 'dirlink', 'selflink', 'fifo', 'sock', 'null', 'loop'))
    values = {k: v for k, v in xattrs(path).items() if k.startswith(SEE)}
    t.remove(path)
    if kind == 'file':
        with open(path, 'wb') as f:
            f.write(t.rng.randbytes(600))
    elif kind == 'dir':
        os.mkdir(path)
    elif kind == 'link':
        os.symlink(t.forge.outer.path('secret'), path)
    elif kind == 'dirlink':
        os.symlink(t.forge.outer.path('dir'), path)
    elif kind == 'selflink':
        os.symlink('.', path)
    else:
        mode, device = {'fifo': (stat.S_IFIFO, 0), 'sock': (stat.S_IFSOCK, 0),
                        'null': (stat.S_IFCHR, os.makedev(1, 3)),
                        'loop': (stat.S_IFBLK, os.makedev(7, 0))}[kind]
        os.mknod(path, mode | 0o666, device)
    if t.rng.random() < 0.7:
        for name, value in values.items():
            t.set(path, name, value)
    t.say(f'{t.short(path)} is a {kind}')


def other_object(t):
    "a private object of another type than the host's"
    box = t.pick(t.boxes('changed'))
    path = f'{box}/object'
    if os.path.lexists(path):
        t.remove(path)
    kind = t.rng.choice(('file', 'dir', 'link', 'fifo', 'null'))
    if kind == 'file':
        with open(path, 'wb') as f:
            f.write(b'x' * 5000)
    elif kind == 'dir':
        os.mkdir(path)
    elif kind == 'link':
        os.symlink(t.forge.outer.path('secret'), path)
    else:
        os.mknod(path, (stat.S_IFIFO if kind == 'fifo' else stat.S_IFCHR) | 0o666,
                 os.makedev(1, 3) if kind == 'null' else 0)
    t.say(f'{t.short(path)} is a {kind}')


def other_target(t):
    mark = t.pick(t.marks())
    if t.rng.random() < 0.6:
        what, value = t.any_key()
    elif t.rng.random() < 0.7:
        value = os.readlink(t.pick(t.marks()))
        what = f'{value}, as another'
    else:
        value = t.rng.choice(('/', '..', t.forge.outer.path('secret'), 'x' * 4000, '01-'))
        what = value[:20]
    t.retarget(mark, value)
    t.say(f'{t.short(mark)} leads to {what}')


def new_mark(t):
    "a name for any container in any container, loops included"
    sub = f'{t.pick(t.boxes())}/{t.rng.choice(("linked", "linked", "follow"))}'
    value = t.pick(os.listdir(f'{t.root}/changed'))
    how = t.rng.random()
    if how < 0.3 and os.path.basename(os.path.dirname(sub)) in os.listdir(f'{t.root}/changed'):
        value = os.path.basename(os.path.dirname(sub))          # itself
    elif how < 0.5:
        value = key(t.lower)                                    # the root
    os.makedirs(sub, exist_ok=True)
    name = t.rng.choice(('forged', 'forged', 'file', 'dir', 'sub', 'new', 'f'))
    with contextlib.suppress(FileExistsError):
        os.symlink(value, f'{sub}/{name}')
    t.say(f'{t.short(sub)}/{name} leads to {value}')


def mutual_marks(t):
    "two directories, each a name in the other"
    dirs = [b for b in t.boxes('changed')
            if stat.S_ISDIR(struct.unpack_from('<I', os.getxattr(b, SEE + 'object'), 4)[0])]
    for a, b in zip(pair := t.rng.sample(dirs, 2), pair[::-1]):
        os.makedirs(f'{a}/linked', exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(os.path.basename(b), f'{a}/linked/mutual')
    t.say(f'{" and ".join(map(t.short, pair))} contain each other')


def foreign_sub(t):
    "parts that a container of that kind does not have"
    box = t.pick(t.boxes('born') if t.rng.random() < 0.7 else t.boxes())
    sub = t.rng.choice(SUBS)
    path = f'{box}/{sub}'
    os.makedirs(path, exist_ok=True)
    name = t.rng.choice(('forged', 'x', 'er', 'f', 'fifo', '\xff'))
    with contextlib.suppress(FileExistsError):
        if sub in ('linked', 'follow'):
            os.symlink(t.pick(os.listdir(f'{t.root}/changed')), f'{path}/{name}')
        elif t.rng.random() < 0.3:
            os.mkdir(f'{path}/{name}')
        else:
            open(f'{path}/{name}', 'xb').close()
    t.say(f'{t.short(path)}/{name} made')


def maps(t):
    return [p for p in t.own() if p.endswith('/map') and os.path.isfile(p)]


def spoil_map(t):
    path = t.pick(maps(t))
    with open(path, 'r+b') as f:
        data = f.read()
        region = t.rng.choice(((0, 512), (0, 48), (4096, 4096 + 64), (4096, 8192), (0, len(data))))
        if t.rng.random() < 0.8:
            how, part = spoiled(t.rng, data[slice(*region)])
            f.seek(region[0])
            f.write(part)
        else:
            how = 'of another length'
            f.truncate(t.rng.choice((0, 1, 511, 512, 4095, 4097, 8191, 1 << 30, 1 << 40)))
    t.say(f'{t.short(path)} {how} in {region}')


def other_sizes(t):
    "a header whose sizes are possible, but wrong"
    path = t.pick(maps(t))
    size = t.rng.choice((0, 1, 4096, 5000, 1 << 20, 1 << 33, (1 << 43) - 1, 1 << 44, (1 << 63) - 1))
    limit = t.rng.choice((0, size, size // 2, t.rng.randrange(size + 1)))
    with open(path, 'r+b') as f:
        f.seek(14)
        f.write(bytes([t.rng.choice((1, 2, 2))]))
        f.seek(32)
        f.write(struct.pack('<QQ', size, limit))
    t.say(f'{t.short(path)} has size {size}, limit {limit}')


def many_states(t):
    "records that say that blocks are there"
    path = t.pick(maps(t))
    for index in t.rng.sample(range(6), 3):
        rec = struct.pack('<IIQQQ', 2, 4096, index, 0, 0)
        word = t.rng.choice((0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0x9999999999999999))
        with open(path, 'r+b') as f:
            f.seek((index + 1) * 4096)
            f.write(rec + struct.pack('<Q', word) * 508)
    t.say(f'{t.short(path)} has all blocks')


def no_object(t):
    "a map, or attributes, without what they are of"
    path = t.pick(p for p in t.own() if os.path.basename(p) == 'object')
    if os.path.isfile(path) and t.rng.random() < 0.4:
        os.truncate(path, t.rng.choice((0, 1, 4096, 1 << 30)))
        t.say(f'{t.short(path)} of another length')
    else:
        t.remove(path)
        t.say(f'no {t.short(path)}')


def spoil_commands(t):
    path = f'{t.root}/commands'
    with open(path, 'rb') as f:
        data = f.read()
    how, data = spoiled(t.rng, data)
    if t.rng.random() < 0.5:
        text = t.rng.choice((key(t.root), key(t.lower), key(t.forge.outer.path('secret')),
                             t.rng.randbytes(300).hex(), '')).encode()
        data += struct.pack('<BBH16s', t.rng.choice((6, 7)), t.rng.randrange(4), 20 + len(text),
                            t.rng.randbytes(16)) + text
    with open(path, 'wb') as f:
        f.write(data * (100 if len(data) < 10000 and t.rng.random() < 0.3 else 1))
    t.say(f'commands {how}')


KINDS = {
    'values': (spoil_value, spoil_value, spoil_value, swap_values, drop_value, other_mode),
    'keys': (other_key, other_key, spoiled_key),
    'parts': (remove_something, copy_something, move_something, link_something,
              shared_with_host),
    'types': (other_type, other_type, other_object),
    'names': (other_target, other_target, new_mark, mutual_marks, foreign_sub, foreign_sub),
    'maps': (spoil_map, spoil_map, other_sizes, many_states, no_object),
    'commands': (spoil_commands,),
}
KINDS['mixed'] = sum(KINDS.values(), ())


# ---- what must hold ---------------------------------------------------------

class Walk:
    """Look at everything that a mounted layer shows, and work in it."""

    def __init__(self, forge, rng, forbidden):
        self.root, self.rng = forge.s.mnt, rng
        self.forbidden, self.seen = forbidden, []

    def do(self, function, *args, **kwargs):
        """function(*args), or None if it fails as it may."""
        try:
            return function(*args, **kwargs)
        except OSError as e:
            if e.errno not in PLAUSIBLE:
                fail(f'{getattr(function, "__name__", "call")}{short(args)}: {ename(e.errno)}')
            return None

    def look(self, path, depth):
        st = self.do(os.lstat, path)
        if st is None:
            return
        self.seen.append((path, st.st_mode))
        ok(len(self.seen) < 3000, f'no end: {path}')
        if st.st_ino in self.forbidden:
            fail(f'{path} is {self.forbidden[st.st_ino]}')
        for name in self.do(os.listxattr, path, follow_symlinks=False) or ():
            ok(not name.startswith(SEE), f'{path} shows {name}')
            self.do(os.getxattr, path, name, follow_symlinks=False)
        if stat.S_ISDIR(st.st_mode):
            for name in sorted(self.do(os.listdir, path) or ()):
                if depth < 12:
                    self.look(f'{path}/{name}', depth + 1)
            self.do(os.lstat, f'{path}/..')
        elif stat.S_ISLNK(st.st_mode):
            target = self.do(os.readlink, path)
            ok(target is None or SECRET.decode() not in target, f'{path} has the secret')
            ok(target is None or '\0' not in target, f'{path}: {target!r}')
        elif stat.S_ISREG(st.st_mode):
            self.do(self.read, path, st.st_size)

    def read(self, path, size):
        with opened(path, os.O_RDONLY | os.O_NONBLOCK) as fd:
            for at in {0, 8192, max(0, size - 5000), size // 2}:
                data = self.do(os.pread, fd, 100000, at)
                ok(data is None or SECRET not in data, f'{path} has the secret')
            with contextlib.suppress(OSError):
                os.lseek(fd, 0, os.SEEK_DATA)

    def work(self):
        "change a third of what was seen, in random order"
        paths = self.rng.sample(self.seen, -(-len(self.seen) // 3))
        for path, mode in paths:
            names = ['chmod', 'utime', 'rename', 'link', 'unlink', 'setxattr', 'exchange', 'aside']
            if stat.S_ISDIR(mode):
                names += ['fsync', 'create', 'mkdir', 'rmdir', 'fsync', 'symlink']
            elif stat.S_ISREG(mode):
                names += ['append', 'truncate', 'overwrite', 'fsync', 'append', 'punch']
            self.do(self.one, self.rng.choice(names), path, mode)

    def one(self, verb, path, mode):
        other = self.rng.choice(self.seen)[0]
        fresh = f'{self.rng.choice(self.seen)[0]}/n{self.rng.randrange(100)}'
        if verb == 'chmod' and not stat.S_ISLNK(mode):
            os.chmod(path, 0o755)
        elif verb == 'utime':
            os.utime(path, (1, 2), follow_symlinks=False)
        elif verb in ('rename', 'exchange'):
            renameat2(path, other, EXCHANGE if verb == 'exchange' else 0)
        elif verb == 'aside':
            renameat2(path, fresh, self.rng.choice((0, NOREPLACE, WHITEOUT)))
        elif verb == 'link':
            linkat(path, fresh)
        elif verb == 'unlink':
            os.unlink(path)
        elif verb == 'rmdir':
            os.rmdir(path)
        elif verb == 'setxattr':
            os.setxattr(path, 'trusted.x', b'x', follow_symlinks=False)
        elif verb == 'fsync':
            with opened(path, os.O_RDONLY | os.O_NONBLOCK) as fd:
                os.fsync(fd)
        elif verb == 'create':
            with opened(f'{path}/c{self.rng.randrange(100)}', os.O_CREAT | os.O_WRONLY) as fd:
                os.write(fd, b'created')
        elif verb == 'mkdir':
            os.mkdir(f'{path}/d{self.rng.randrange(100)}')
        elif verb == 'symlink':
            os.symlink('x', f'{path}/s{self.rng.randrange(100)}')
        elif verb == 'append':
            with opened(path, os.O_WRONLY | os.O_APPEND) as fd:
                os.write(fd, b'appended')
                os.fsync(fd)
        elif verb == 'truncate':
            os.truncate(path, self.rng.choice((0, 3, 5000, 100000)))
        elif verb == 'overwrite':
            with opened(path, os.O_RDWR) as fd:
                os.pwrite(fd, b'over', self.rng.choice((0, 4095, 20000)))
        elif verb == 'punch':
            with opened(path, os.O_RDWR) as fd:
                call('fallocate', fd, 3, ctypes.c_long(100), ctypes.c_long(9000))


def forbidden(forge):
    """{inode number: what it is} of what must never be seen, of the host and of the private tree."""
    outer = {os.lstat(f'{at}/{n}').st_ino: f'{at}/{n}' for at, dirs, files in os.walk(forge.outer.root)
             for n in dirs + files + ['.']}
    own, born = {}, set()
    for at, dirs, files in os.walk(forge.s.private):
        where = at[len(forge.s.private):].split('/')[1:]
        for n in dirs + files:
            ino = os.lstat(f'{at}/{n}').st_ino
            # what was born, and what stands for an object that the host dropped
            if where[:1] == ['changed'] and (len(where) == 1 or n == 'object' or 'made' in where):
                born.add(ino)
            else:
                own[ino] = f'{at}/{n}'
    return outer, {ino: path for ino, path in own.items() if ino not in born}


def said(log):
    """What the kernel said since the log was put to its end."""
    out = ''
    with contextlib.suppress(BlockingIOError):
        while True:
            line = os.read(log, 8192).decode(errors='replace')
            out += line if 'seefs: ' in line else ''
    return out


def attempt(forge, rng, log):
    """Mount what lies there; "refused" or "mounted"."""
    s = forge.s
    outer, own = forbidden(forge)
    os.lseek(log, 0, os.SEEK_END)
    try:
        try_mount(s.mnt, lower=s.lower, private=s.private)
    except Log as e:
        ok(e.errno in REFUSED, f'the mount fails with {e}')
        ok('private=: ' in e.text, f'the mount fails without a word: {e}')
        if 'kernel log' in e.text:
            ok('container' in said(log), f'the kernel does not say what is wrong: {e}')
        outcome = 'refused'
    else:
        walk = Walk(forge, rng, outer | own)
        walk.look(s.mnt, 0)
        walk.work()
        # other numbers may have been used again
        walk.forbidden, walk.seen = outer, []
        walk.look(s.mnt, 0)
        walk.do(syncfs, s.mnt)
        umount(s.mnt)
        outcome = 'mounted'
    s.host.check()
    same_tree(forge.outer_now(), forge.outside, 'what is outside of the lower was changed')
    return outcome


def trouble(s, place, kind):
    """Case kind.place: a number of mutations, each with a seed of its own."""
    forge = Forge(s, place)
    first = 1000 * (1 + list(KINDS).index(kind)) + 100000 * PLACES.index(place)
    outcomes = []
    try:
        with opened('/dev/kmsg', os.O_RDWR | os.O_NONBLOCK) as log:
            for seed in [int(SEED)] if SEED else range(first, first + scaled(EACH)):
                rng = random.Random(seed)
                tools = Tools(forge, rng)
                s.stage = f'with seed {seed}'
                for _ in range(rng.choice((1, 1, 1, 2, 3))):
                    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                        rng.choice(KINDS[kind])(tools)
                what = f'seed {seed}: {"; ".join(tools.said)}'
                s.stage = f'with {what}'
                os.write(log, f'<4>test_forged.py: {what}'.encode(errors='backslashreplace')[:800])
                outcomes.append(attempt(forge, rng, log))
                forge.put_back()
    finally:
        umount(forge.s.mnt, MNT_DETACH) if os.path.ismount(forge.s.mnt) else None
        forge.close()


# ---- one forgery at a time --------------------------------------------------

def box_of(t, name):
    "the container of an object of the lower"
    return f'{t.root}/changed/{key(f"{t.lower}/{name}")}'


def gone_box(t, kind):
    "the container of an object of that type that the host dropped"
    there = {box_of(t, os.path.relpath(f'{at}/{n}', t.lower)) for at, dirs, files in
             os.walk(t.lower) for n in dirs + files} | {box_of(t, '.')}
    return next(b for b in t.boxes('changed') if b not in there and
                stat.S_IFMT(struct.unpack_from('<I', os.getxattr(b, SEE + 'object'), 4)[0]) == kind)


def put(path, make, *args):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if os.path.lexists(path):
        os.rename(path, f'{path}~')
    make(*args, path)


def fixed_ino(t, box, path):
    "let the record of a container say that it is of another object"
    value = bytearray(os.getxattr(box, SEE + 'object'))
    struct.pack_into('<Q', value, 24, os.lstat(path).st_ino)
    t.set(box, SEE + 'object', bytes(value))


def forge_foreign(t, box, path):
    fixed_ino(t, box, path)
    t.rename_box(box, f'{t.root}/changed/{key(path)}', True)


def forge_swap(t):
    a, b = (box_of(t, name) for name in ('file', 'big'))
    os.rename(a, f'{a}~')
    os.rename(b, a)
    os.rename(f'{a}~', b)


def make_fifo(path):
    os.mknod(path, stat.S_IFIFO | 0o666)


FORGERIES = {
    'changed is a file':
        lambda t: put(f'{t.root}/changed', os.mknod),
    'a container without a record':
        lambda t: os.removexattr(box_of(t, 'file'), SEE + 'object'),
    'two containers exchanged': forge_swap,
    'a key that says less':
        lambda t: t.rename_box(box_of(t, 'file'), box_of(t, 'file')[:-8] + 8 * '0', True),
    'a dropped symlink that is a FIFO':
        lambda t: put(f'{gone_box(t, stat.S_IFLNK)}/object', make_fifo),
    'attributes of a file in a directory':
        lambda t: put(f'{box_of(t, "file")}/object', os.mkdir),
    'a map without blocks':
        lambda t: os.unlink(f'{box_of(t, "file")}/object'),
    'blocks in a file of the host':
        lambda t: put(f'{box_of(t, "file")}/object', os.link, f'{t.lower}/big'),
    'a map that is a file of the host':
        lambda t: put(f'{box_of(t, "file")}/map', os.link, f'{t.lower}/empty'),
    'a removed name in a born directory':
        lambda t: put(f'{t.boxes("born")[0]}/removed/x', os.mknod),
    'changed as a born directory':
        lambda t: os.rename(t.boxes('born')[0], f'{t.root}/born/{key(t.root + "/changed")}'),
    'a container as a born directory':
        lambda t: os.rename(t.boxes('born')[0], f'{t.root}/born/{key(box_of(t, "dir"))}'),
    'the layer in itself':
        lambda t: put(f'{box_of(t, "dir")}/linked/x', os.symlink, key(t.lower)),
    'a directory with two names':
        lambda t: put(f'{box_of(t, "dir")}/linked/x', os.symlink, key(f'{t.lower}/peer')),
}


@test(smoke=True, layer=True)
def one_at_a_time(s):
    "each is refused as damaged, and the log says why"
    forge = Forge(s, 'same')
    with opened('/dev/kmsg', os.O_RDWR | os.O_NONBLOCK) as log:
        for what, forgery in FORGERIES.items():
            s.stage = f'with {what}'
            forgery(Tools(forge, random.Random(what)))
            forge.s.host.remember()
            os.lseek(log, 0, os.SEEK_END)
            number = error_of(mount, 'none', forge.s.mnt, 'seefs', 0,
                              f'lower={forge.s.lower},private={forge.s.private}')
            eq(ename(number), 'EUCLEAN', 'the mount')
            if what != 'changed is a file':
                ok('container' in said(log), 'the kernel does not say what is wrong')
            forge.s.host.check()
            forge.put_back()
    forge.close()


def head(t, at, name, kind=None, flags=0, more=b'', **fields):
    "change the head of a record, append to it, or put something at an offset: _4=1"
    try:
        value = bytearray(os.getxattr(at, SEE + name))
    except OSError:
        value = bytearray({'locks': struct.pack('<BBH', 5, 1, 4),
                           'ctime': struct.pack('<BBHIQ', 4, 0, 16, 0, 10 ** 18)}[name])
    if kind is not None:
        value[0] = kind
    value[1] |= flags
    for place, number in fields.items():
        value[int(place[1:])] |= number
    value += more
    struct.pack_into('<H', value, 2, len(value))
    t.set(at, SEE + name, bytes(value))


# of a record: where it is, its name, unknown flags, where incompatible features are
HEADS = (
    (lambda t: t.root, 'tree', 0x01, 24),
    (lambda t: box_of(t, 'file'), 'object', 0x10, 20),
    (lambda t: box_of(t, 'file'), 'locks', 0x04, None),
    (lambda t: f'{box_of(t, "file")}/object', 'ctime', 0x01, None),
)


@test(smoke=True, layer=True)
def newer_trees(s):
    "incompatible features, kinds and flags that are unknown are refused, more bytes are not"
    forge = Forge(s, 'same')

    def mounts(what, spoil, want):
        s.stage = f'with {what}'
        spoil(Tools(forge, random.Random(what)))
        forge.s.host.remember()
        number = error_of(mount, 'none', forge.s.mnt, 'seefs', 0,
                          f'lower={forge.s.lower},private={forge.s.private}')
        eq(ename(number), ename(want), 'the mount')
        if not number:
            ok(os.listdir(forge.s.mnt), 'nothing is there')
            umount(forge.s.mnt)
        forge.s.host.check()
        forge.put_back()

    for where, name, flags, incompat in HEADS:
        mounts(f'an unknown kind of {name}',
               lambda t: head(t, where(t), name, kind=0x7f), errno.EUCLEAN)
        mounts(f'an unknown flag of {name}',
               lambda t: head(t, where(t), name, flags=flags), errno.EUCLEAN)
        mounts(f'more bytes in {name}',
               lambda t: head(t, where(t), name, more=b'\1' * 8), 0)
        if incompat:
            mounts(f'an incompatible feature of {name}',
                   lambda t: head(t, where(t), name, **{f'_{incompat}': 1}), errno.EOPNOTSUPP)
    mounts('a compatible feature', lambda t: head(t, t.root, 'tree', _16=1), 0)
    mounts('another magic', lambda t: head(t, t.root, 'tree', _8=0xff), errno.EUCLEAN)
    forge.close()


@test(layer=True)
def a_store_in_the_lower(s):
    "a container cannot lead into a private tree: as if the host had dropped what it is of"
    forge = Forge(s, 'inside')
    t = Tools(forge, random.Random(1))
    forge_foreign(t, box_of(t, 'peer'), t.root)
    try_mount(forge.s.mnt, lower=forge.s.lower, private=forge.s.private)
    eq(set(os.listdir(f'{forge.s.mnt}/new/deep/peer')), set(), 'what is shown of the private tree')
    umount(forge.s.mnt)
    forge.close()


@test(smoke=True, layer=True, over=tuple(KINDS))
def forged(s, kind):
    "private tree beside the lower"
    trouble(s, 'same', kind)


@test(layer=True, over=tuple(KINDS))
def forged_inside(s, kind):
    "private tree in the lower"
    trouble(s, 'inside', kind)


main()
