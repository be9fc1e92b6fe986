#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""/dev/see as uapi/linux/see.h has it: sizes, flags, batches, rights, the queue."""
import resource
import threading

from commits import *

NEWUSER, NEWPID = 0x10000000, 0x20000000

# number and size in the first version
DEVICE = {'ABI': (0x00, 8), 'LIST': (0x01, 24), 'CREATE': (0x02, 344), 'OPEN': (0x03, 336)}
SEE = {'STATUS': (0x20, 128), 'LAYERS': (0x21, 24), 'CHANGES': (0x22, 24), 'MOUNT': (0x23, 264),
       'JOIN': (0x24, 264), 'ABORT': (0x25, 264), 'COMMIT': (0x26, 288), 'REVERT': (0x27, 272)}
DAEMON = {'REPLY': (0x41, 280), 'REGISTER': (0x42, 88), 'ADOPT': (0x43, 32), 'FORGET': (0x44, 16),
          'COMMIT_START': (0x45, 48), 'COMMIT_PLAN': (0x46, 32), 'COMMIT_STEP': (0x47, 24),
          'COMMIT_END': (0x48, 32)}
ATTACH = 0x40 | 0xb5 << 8


def number(nr, size, direction=3):
    return direction << 30 | size << 16 | 0xb5 << 8 | nr


def ask(fd, what, body=b'', longer=b'', **fields):
    """The struct afterwards, and what the request returned; fields: offset: (format, value)."""
    nr, size = (DEVICE | SEE | DAEMON)[what]
    buf = bytearray(body.ljust(size, b'\0') + longer)
    for place, (form, value) in fields.items():
        struct.pack_into(form, buf, int(place[1:]), value)
    got = fcntl.ioctl(fd, number(nr, len(buf)), buf)
    return buf, got


def device():
    return opened('/dev/see', os.O_RDWR)


@contextlib.contextmanager
def a_see(h, name='x'):
    """A descriptor of a SEE with a change, and of /dev/see."""
    h.tree.write('file', 'host\n')
    seectl('run', name, '--over', h.dir, '--keep', '--', 'sh', '-c', f'echo >{h.dir}/file; echo >{h.dir}/new')
    with device() as dev:
        _, fd = ask(dev, 'OPEN', struct.pack('<Q64s', 0, name.encode()))
        try:
            yield dev, fd
        finally:
            os.close(fd)
    seectl('abort', name)


def batch(fd, what, size, cursor=0, count=0, buf=None):
    """(records, cursor) of a batch."""
    room = ctypes.create_string_buffer(min(size, 1 << 20) or 1)
    where = ctypes.addressof(room) if buf is None else buf
    out, _ = ask(fd, what, struct.pack('<QIIQ', where, size, count, cursor))
    _, used, count, cursor = struct.unpack('<QIIQ', out)
    records, at = [], 0
    while at < used:
        length, kind = struct.unpack_from('<II', room.raw, at)
        records.append((kind, room.raw[at:at + length]))
        at += length
    eq((at, len(records)), (used, count), 'bytes and records of a batch')
    return records, cursor


# ---- structs -----------------------------------------------------------------

@test(smoke=True)
def sizes(h):
    "a longer struct if the rest is zero, which stays; never a shorter one; nothing unknown"
    with a_see(h) as (dev, fd):
        out, _ = ask(dev, 'ABI')
        eq(struct.unpack('<II', out), (1, 1), 'version, and that there is a daemon')
        out, _ = ask(dev, 'ABI', longer=bytes(100))
        eq(out, struct.pack('<II', 1, 1) + bytes(100), 'a longer struct')
        for where, table in ((dev, DEVICE), (fd, SEE)):
            for what, (nr, size) in table.items():
                for short in (0, 4, size - 4):
                    raises(errno.EINVAL, fcntl.ioctl, where, number(nr, short), bytearray(size))
                raises(errno.E2BIG, ask, where, what, longer=b'\0\0\0\1')
                raises(errno.E2BIG, ask, where, what, longer=b'\1' + bytes(4000))
                for direction in (0, 1, 2):
                    raises(errno.ENOTTY, fcntl.ioctl, where, number(nr, size, direction),
                           bytearray(size))
                raises(errno.EFAULT, fcntl.ioctl, where, number(nr, size), 16)
        for where, others in ((dev, SEE), (fd, DEVICE | DAEMON)):
            for nr, size in [*others.values(), (0x7f, 8), (0xff, 8)]:
                raises(errno.ENOTTY, fcntl.ioctl, where, number(nr, size), bytearray(size))
            raises(errno.ENOTTY, fcntl.ioctl, where, number(0, 8) ^ 0x100, bytearray(8))
        eq(state('x'), 'active', 'the SEE')


@test()
def unknown_flags(h):
    "and reserved fields, and values out of range: EINVAL, nothing happens"
    with a_see(h) as (dev, fd), opened(h.dir, os.O_PATH | os.O_DIRECTORY) as dir:
        layer = ctypes.create_string_buffer(struct.pack('<iI', dir, 1))
        good = struct.pack('<64sQII', b'y', ctypes.addressof(layer), 1, 0)
        for bad in ({'_72': ('<I', 0)}, {'_72': ('<I', 65)}, {'_76': ('<I', 1)},
                    {'_80': ('<Q', 1 << 63)}, {'_0': ('<2s', b'.x')}, {'_0': ('<3s', b'a/b')},
                    {'_0': ('<64s', b'n' * 64)}, {'_0': ('<2s', b'-x')}):
            raises(errno.EINVAL, ask, dev, 'CREATE', good, **bad)
        raises(errno.EFAULT, ask, dev, 'CREATE', good, _64=('<Q', 8))
        struct.pack_into('<iI', layer, 0, dir, 2)
        raises(errno.EINVAL, ask, dev, 'CREATE', good)
        struct.pack_into('<iI', layer, 0, 999, 1)
        raises(errno.EBADF, ask, dev, 'CREATE', good)
        struct.pack_into('<iI', layer, 0, dev, 1)
        raises(errno.ENOTDIR, ask, dev, 'CREATE', good)

        named = struct.pack('<Q64s', 0, b'x')
        for bad in ({'_72': ('<I', 2)}, {'_72': ('<I', 1 << 31)}, {'_76': ('<I', 1)},
                    {'_8': ('<B', 0)}, {'_8': ('<3s', b'../')}):
            raises(errno.EINVAL, ask, dev, 'OPEN', named, **bad)
        raises(errno.ENOENT, ask, dev, 'OPEN', struct.pack('<Q64s', 0, b'nobody'))
        raises(errno.ENOENT, ask, dev, 'OPEN', struct.pack('<Q64s', 1 << 60, b'x'))

        for what, places in (('MOUNT', (4,)), ('JOIN', (4,)), ('ABORT', (0, 4)),
                             ('COMMIT', (28,)), ('REVERT', (4, 12))):
            for place in places:
                raises(errno.EINVAL, ask, fd, what, **{f'_{place}': ('<I', 1)})
        raises(errno.EINVAL, ask, fd, 'COMMIT', struct.pack('<QIII', 0, 0, 1, 2))
        raises(errno.EINVAL, ask, fd, 'COMMIT', struct.pack('<QIII', 0, 0, 3, 0))
        raises(errno.EINVAL, ask, fd, 'COMMIT', struct.pack('<QIII', 0, 65, 1, 0))
        raises(errno.EOPNOTSUPP, ask, fd, 'COMMIT', struct.pack('<QIII', 0, 0, 0, 0))
        raises(errno.ENOENT, ask, fd, 'MOUNT', struct.pack('<I', 64))
        raises(errno.EBADF, ask, fd, 'JOIN', struct.pack('<i', 999))
        raises(errno.EBADF, ask, fd, 'REVERT', struct.pack('<i', 999))
        eq([s['name'] for s in listing()], ['x'], 'the SEEs')
        eq(set(changes('x')), {h.path('file'), h.path('new')}, 'its changes')


@test()
def batches(h):
    "whole records, from a cursor on; a batch without any is the end"
    for name in 'abc':
        seectl('create', name, '--over', h.dir)
    try:
        with a_see(h) as (dev, fd):
            records, cursor = batch(dev, 'LIST', 4096)
            eq([(k, r[32:96].rstrip(b'\0').decode()) for k, r in records],
               [(1, 'a'), (1, 'b'), (1, 'c'), (1, 'x')], 'the SEEs')
            eq(batch(dev, 'LIST', 4096, cursor), ([], cursor), 'the end')
            raises(errno.EMSGSIZE, batch, dev, 'LIST', 64)
            one_by_one, cursor = [], 0
            while True:
                some, cursor = batch(dev, 'LIST', 96 + 95, cursor)
                if not some:
                    break
                eq(len(some), 1, 'records in a batch that has room for one')
                one_by_one += some
            eq(one_by_one, records, 'one by one')
            whole, _ = batch(fd, 'CHANGES', 1 << 20)
            eq([k for k, _ in whole], [3, 3], 'kinds of the changes')
            some, cursor = batch(fd, 'CHANGES', max(len(r) for _, r in whole))
            rest, _ = batch(fd, 'CHANGES', 1 << 20, cursor)
            eq(some + rest, whole, 'the changes in two batches')
            layers, _ = batch(fd, 'LAYERS', 1 << 16)
            eq({k for k, _ in layers}, {2}, 'kinds of the layers')
            eq(len(layers), struct.unpack_from('<I', ask(fd, 'STATUS')[0], 40)[0], 'layers')
            for where, what in ((dev, 'LIST'), (fd, 'LAYERS'), (fd, 'CHANGES')):
                for size in (0, 63, (1 << 20) + 1, (1 << 32) - 1):
                    raises(errno.EINVAL, batch, where, what, size=size, buf=4096)
                raises(errno.EINVAL, batch, where, what, 4096, count=1)
                raises(errno.EFAULT, batch, where, what, 4096, buf=4096)
            for what in 'LAYERS', 'CHANGES':
                raises(errno.EINVAL, batch, fd, what, 4096, (1 << 64) - 1)
    finally:
        for name in 'abc':
            seectl('abort', name)


# ---- rights ------------------------------------------------------------------

def all_refused(dev, fd):
    """Each request on a descriptor that somebody else opened."""
    for where, table in ((dev, DEVICE | DAEMON), (fd, SEE)):
        for what in table:
            raises(errno.EPERM, ask, where, what)
    raises(errno.EPERM, fcntl.ioctl, dev, ATTACH)


def opens_nothing():
    raises(errno.EPERM, os.open, '/dev/see', os.O_RDWR)


@test(smoke=True)
def rights_of_descriptors(h):
    "they are good for the credentials that opened them, outside of any SEE"
    def in_spaces(flags, function, *args):
        call('unshare', flags)
        Child(function, *args).result()

    with a_see(h) as (dev, fd):
        as_user(all_refused, dev, fd, uid=STRANGER)
        as_user(all_refused, dev, fd, uid=MEMBER, gids=[grp.getgrnam('see').gr_gid])
        Child(in_spaces, NEWUSER, all_refused, dev, fd).result()
        Child(in_spaces, NEWPID, all_refused, dev, fd).result()
        Child(in_spaces, NEWPID, opens_nothing).result()
        ask(fd, 'STATUS')

        def of_a_member():
            with device() as own:
                ask(own, 'ABI')
                raises(errno.EPERM, ask, own, 'OPEN', struct.pack('<Q64s', 0, b'x'))
                raises(errno.EPERM, ask, own, 'OPEN', struct.pack('<Q64s', 0, b'x'), _72=('<I', 1))
                raises(errno.EPERM, fcntl.ioctl, own, ATTACH)
                for what in DAEMON:
                    raises(errno.EPERM, ask, own, what)
        as_user(of_a_member, uid=MEMBER, gids=[grp.getgrnam('see').gr_gid])

        # who is not the daemon, though root
        raises(errno.EBUSY, fcntl.ioctl, dev, ATTACH)
        for what in DAEMON:
            raises(errno.EPERM, ask, dev, what)
        raises(errno.EPERM, os.read, dev, 4096)
        eq(state('x'), 'active', 'the SEE')


@test()
def root_on_a_layer(h):
    "who has a layer as root directory can do nothing, though it is shown the device"
    def inside(root, dev, fd):
        os.chroot(root)
        opens_nothing()
        all_refused(dev, fd)

    with a_see(h) as (dev, fd):
        os.mkdir(h.path('at'))
        seectl('create', 'y')
        seectl('mount', 'y', h.path('at'))
        try:
            mount('/dev', h.path('at/dev'), None, MS_BIND)
            Child(inside, h.path('at'), dev, fd).result()
            umount(h.path('at/dev'))
        finally:
            seectl('umount', h.path('at'))
            seectl('abort', 'y')


@test()
def no_descriptor_left(h):
    "a SEE is not made that its maker does not get"
    def make():
        with device() as dev, opened(h.dir, os.O_PATH | os.O_DIRECTORY) as dir:
            layer = ctypes.create_string_buffer(struct.pack('<iI', dir, 1))
            body = struct.pack('<64sQII', b'y', ctypes.addressof(layer), 1, 0)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(dev, dir) + 1, 4096))
            raises(errno.EMFILE, ask, dev, 'CREATE', body)
            raises(errno.EMFILE, ask, dev, 'OPEN', struct.pack('<Q64s', 0, b'x'))
    with a_see(h):
        Child(make).result()
        eq([s['name'] for s in listing()], ['x'], 'the SEEs')


@test()
def queue_is_full(h):
    "64 requests of one user wait, more are refused at once; those are answered"
    WAIT, MORE = 64, 6
    seed = int(run('systemctl', 'show', '-P', 'MainPID', 'seed'))
    results, changed = [], threading.Condition()

    def create(dev, body):
        number = error_of(ask, dev, 'CREATE', body)
        with changed:
            results.append(number)
            changed.notify_all()

    def member(reading, writing):
        with device() as dev, opened('/etc', os.O_PATH | os.O_DIRECTORY) as dir:
            layer = ctypes.create_string_buffer(struct.pack('<iI', dir, 1))
            body = struct.pack('<64sQII', b'', ctypes.addressof(layer), 1, 0)
            threads = [threading.Thread(target=create, args=(dev, body))
                       for _ in range(WAIT + MORE)]
            for thread in threads:
                thread.start()
            with changed:
                ok(changed.wait_for(lambda: len(results) >= MORE, 60), 'none is refused')
            eq(results, [errno.EAGAIN] * MORE, 'of those that are refused')
            os.write(writing, b'x')
            eq(os.read(reading, 1), b'x', 'to go on')
            for thread in threads:
                thread.join()
            # of root's directory
            eq(results[MORE:], [errno.EACCES] * WAIT, 'of those that waited')

    ours, theirs = os.pipe(), os.pipe()
    os.kill(seed, signal.SIGSTOP)
    try:
        child = Child(member, ours[0], theirs[1], uid=MEMBER, gids=[grp.getgrnam('see').gr_gid])
        ready, _, _ = select.select([theirs[0]], [], [], 120)
        ok(ready, 'the queue does not fill')
        # others are not concerned
        with device() as dev:
            ask(dev, 'ABI')
    finally:
        os.kill(seed, signal.SIGCONT)
    os.write(ours[1], b'x')
    child.result()
    eq(listing(), [], 'the SEEs')


# ---- taking changes back while the SEE is loaded --------------------------------

@test(over=('data', 'attributes', 'both'))
def revert_of_what_is_not_written_back(h, what):
    "a descriptor keeps the SEE loaded: nothing is written back afterwards, nothing is kept for it"
    h.tree.write('f', 'host\n')
    seectl('create', 'x', '--over', h.dir)
    with device() as dev:
        _, fd = ask(dev, 'OPEN', struct.pack('<Q64s', 0, b'x'))
        with view(h) as see:
            if what != 'data':
                see.chmod('f', 0o600)
            if what != 'attributes':
                see.append('f', 'SEE\n')
            see.write('new', 'born\n')
        seectl('revert', 'x', h.path('f'))
        os.close(fd)
    eq(set(changes('x')), {h.path('new')}, 'changes')
    with view(h) as see:
        see.holds('f', 'host\n')
        eq(see.mode('f'), 0o644, 'mode')
    h.tree.unlink('f')
    with view(h) as see:
        see.absent('f')
        see.lists('', 'new')
    eq(set(changes('x')), {h.path('new')}, 'changes, when the host removed it')
    seectl('abort', 'x')


@test(over=('kept', 'linked', 'both'))
def revert_of_a_name_of_what_the_host_dropped(h, which):
    "its contents are nowhere else: they stay with the other name"
    for name in 'DE':
        h.tree.mkdir(name)
    h.tree.write('D/n', 'host\n')
    seectl('create', 'x', '--over', h.dir)
    with view(h) as see:
        see.append('D/n', 'SEE\n')
        see.link('D/n', 'E/m')
        h.tree.unlink('D/n')
        see.holds('D/n', 'host\nSEE\n')
    gone = {'kept': ['D/n'], 'linked': ['E/m'], 'both': ['D/n', 'E/m']}[which]
    seectl('revert', 'x', *map(h.path, gone))
    with view(h) as see:
        for name in 'D/n', 'E/m':
            if name in gone:
                see.absent(name)
            else:
                see.holds(name, 'host\nSEE\n')
                eq(see.stat(name).st_nlink, 1, 'links')
    eq({p for p in changes('x')}, {h.path(n) for n in ('D/n', 'E/m') if n not in gone}, 'changes')
    seectl('abort', 'x')


@test()
def revert_and_change_elsewhere(h):
    "what was reverted has no place from before: the host moved it, and the SEE changes it there"
    for name in 'AB':
        h.tree.mkdir(name)
    h.tree.write('A/n', 'host\n')
    seectl('create', 'x', '--over', h.dir)
    for at in 'A/n', 'B/m':
        with view(h) as see:
            see.append(at, 'SEE\n')
        if at == 'A/n':
            seectl('revert', 'x', h.path(at))
            seectl('inspect', 'x')
            h.tree.rename(at, 'B/m')
    h.tree.unlink('B/m')
    for _ in range(2):
        with view(h) as see:
            see.holds('B/m', 'host\nSEE\n')
            see.absent('A/n')
        run('systemctl', 'restart', 'seed')
    seectl('abort', 'x')


main()
