#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Data: every way to read or write a file agrees with every other one.

Cases run over the origins of a file: a host file that the SEE did not change
(host), one of which it changed attributes only (attrs) or some blocks (part),
and one made in the SEE (born).
"""
import mmap
import random
import resource
import threading

from see_test import *

PAGE = 4096
KEEP_SIZE, PUNCH, ZERO, COLLAPSE, INSERT = 1, 2, 16, 8, 32
FICLONE = 0x40049409
ALL = ('host', 'attrs', 'part', 'born')


def pattern(size, seed=1):
    return random.Random(seed).randbytes(size)


def prepare(s, origin, data, name='f', *more):
    """A file of that origin; s.see.holds(name, data). more: another one."""
    if origin != 'born':
        s.host.write(name, data)
    if more:
        prepare(s, *more)
    if origin == 'born':
        s.see.write(name, data)
    elif origin == 'attrs':
        s.see.chmod(name, 0o640)
    elif origin == 'part':
        at = len(data) // PAGE // 2 * PAGE
        s.see.pwrite(name, data[at:at + PAGE] or data[:1], at)
    s.see.stat(name)    # mounts, so that children find it so


def fallocate(fd, mode, off, length):
    call('fallocate', fd, mode, ctypes.c_long(off), ctypes.c_long(length))


def aligned(data):
    """A page-aligned copy, for O_DIRECT."""
    buf = mmap.mmap(-1, len(data))
    buf[:] = data
    return buf


def pread(fd, size, off):
    out = b''
    while len(out) < size:
        more = os.pread(fd, size - len(out), off + len(out))
        if not more:
            break
        out += more
    return out


class Model:
    """What a file should hold."""

    def __init__(self, data):
        self.data = bytearray(data)

    def write(self, data, off):
        if len(self.data) < off:
            self.data.extend(bytes(off - len(self.data)))
        self.data[off:off + len(data)] = data

    def truncate(self, size):
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))

    def zero(self, off, length, keep=True):
        end = off + length
        if not keep and end > len(self.data):
            self.truncate(end)
        end = min(end, len(self.data))
        if off < end:
            self.data[off:end] = bytes(end - off)


def check(s, model, name='f'):
    for _ in s.stages():
        s.see.holds(name, bytes(model.data))


# ---- coherence -------------------------------------------------------------

@test(smoke=True, over=ALL)
def views_agree(s, origin):
    "descriptors and mappings from before and after the first write agree"
    m = Model(pattern(16 * PAGE + 100))
    prepare(s, origin, bytes(m.data))
    size = len(m.data)
    fds, maps = [], []

    def view():
        ro, rw = s.see.open('f'), s.see.open('f', os.O_RDWR)
        fds.extend((ro, rw))
        maps.append(mmap.mmap(ro, size, mmap.MAP_SHARED, mmap.PROT_READ))
        maps.append(mmap.mmap(rw, size, mmap.MAP_SHARED))

    def agree(what):
        for fd in fds:
            eq(pread(fd, size + 1, 0), bytes(m.data), f'descriptor {what}')
        for mapped in maps:
            eq(mapped[:], bytes(m.data), f'mapping {what}')

    view()
    agree('at first')
    os.pwrite(fds[0 + 1], b'W' * 10, 3 * PAGE - 5)
    m.write(b'W' * 10, 3 * PAGE - 5)
    agree('after write')
    view()
    maps[1][5 * PAGE:5 * PAGE + 3] = b'MAP'
    m.write(b'MAP', 5 * PAGE)
    agree('after a store through the first mapping')
    maps[3][size - 2:size] = b'!!'
    m.write(b'!!', size - 2)
    agree('after a store at the end')
    maps[1].flush()
    os.fsync(fds[1])
    agree('after fsync')
    drop_caches()
    agree('after drop_caches')
    view()
    os.pwrite(fds[-1], pattern(3 * PAGE, 2), 7 * PAGE + 1)
    m.write(pattern(3 * PAGE, 2), 7 * PAGE + 1)
    agree('after another write')
    for mapped in maps:
        mapped.close()
    for fd in fds:
        os.close(fd)
    check(s, m)


@test(over=ALL)
def private_mapping(s, origin):
    "stores to a private mapping stay in it, also after the file changed"
    data = pattern(4 * PAGE)
    prepare(s, origin, data)
    with s.see.opened('f', os.O_RDWR) as fd:
        private = mmap.mmap(fd, len(data), mmap.MAP_PRIVATE)
        eq(private[:], data, 'a private mapping')
        private[0:4] = b'mine'
        os.pwrite(fd, b'file', 0)
        eq(private[0:4], b'mine', 'own page after a write')
        again = mmap.mmap(fd, len(data), mmap.MAP_PRIVATE, mmap.PROT_READ)
        eq(again[0:4], b'file', 'a private mapping made after the write')
        private.close()
        again.close()
    s.see.holds('f', b'file' + data[4:])


@test()
def hard_links(s):
    "all names of a host file are one file before and after the first write"
    s.host.write('x', pattern(3 * PAGE))
    s.host.link('x', 'dir/y')
    with s.see.opened('dir/y') as fd:
        seen = mmap.mmap(fd, 3 * PAGE, mmap.MAP_SHARED, mmap.PROT_READ)
        s.see.pwrite('x', b'changed', PAGE - 3)
        want = pattern(3 * PAGE)
        want = want[:PAGE - 3] + b'changed' + want[PAGE + 4:]
        eq(pread(fd, 4 * PAGE, 0), want, 'the other name')
        eq(seen[:], want, 'a mapping of the other name')
        seen.close()
    for _ in s.stages():
        s.see.holds('x', want)
        s.see.holds('dir/y', want)
        eq(s.see.ino('x'), s.see.ino('dir/y'), 'inode numbers')


@test(layer=True)
def host_writes_show(s):
    "an unchanged file is live: read at once, shared mappings from the next stat"
    s.host.write('f', b'a' * 2 * PAGE)
    with s.see.opened('f') as fd:
        seen = mmap.mmap(fd, 2 * PAGE, mmap.MAP_SHARED, mmap.PROT_READ)
        eq(seen[:4], b'aaaa', 'a mapping')
        s.host.pwrite('f', b'bbbb', 0)
        eq(os.pread(fd, 4, 0), b'bbbb', 'read after the host wrote')
        s.see.stat('f')
        eq(seen[:4], b'bbbb', 'the mapping after a stat')
        s.host.append('f', b'more')
        eq(os.pread(fd, 10, 2 * PAGE), b'more', 'what the host appended')
        eq(os.fstat(fd).st_size, 2 * PAGE + 4, 'size')
        eq(os.lseek(fd, 0, os.SEEK_END), 2 * PAGE + 4, 'the end')
        s.host.truncate('f', 10)
        eq(os.fstat(fd).st_size, 10, 'size after the host truncated')
        eq(pread(fd, 20, 0), b'bbbb' + b'a' * 6, 'content after that')
        seen.close()


@test(layer=True)
def host_writes_do_not_show_in_private_blocks(s):
    "blocks and size that the SEE wrote are the SEE's, whatever the host does"
    m = Model(pattern(8 * PAGE))
    s.host.write('f', bytes(m.data))
    s.see.pwrite('f', b'S' * PAGE, 2 * PAGE)
    s.host.pwrite('f', b'H' * PAGE, 2 * PAGE)
    s.host.append('f', b'H' * 3 * PAGE)
    for _ in s.stages():
        eq(s.see.stat('f').st_size, 8 * PAGE, 'size')
        eq(s.see.read('f')[2 * PAGE:3 * PAGE], b'S' * PAGE, 'the private block')
    s.see.truncate('f', 11 * PAGE)
    for _ in s.stages():
        eq(s.see.read('f')[8 * PAGE:], bytes(3 * PAGE), 'what is beyond')


# ---- size ------------------------------------------------------------------

@test(smoke=True, over=ALL)
def truncate(s, origin):
    "truncating down and up gives zeros, never what the host has there"
    m = Model(pattern(10 * PAGE + 17))
    prepare(s, origin, bytes(m.data))
    for size in (9 * PAGE + 5, 9 * PAGE + 900, 7 * PAGE, 8 * PAGE, 7 * PAGE - 1,
                 10 * PAGE + 17, 100, 3 * PAGE, 0, 12 * PAGE + 1):
        s.see.truncate('f', size)
        m.truncate(size)
        s.see.holds('f', bytes(m.data), f'at {size}')
        if size == 8 * PAGE:
            check(s, m)
    check(s, m)


@test(over=ALL)
def truncate_while_mapped(s, origin):
    "the same with a shared mapping, whose stores past the end do not count"
    m = Model(pattern(6 * PAGE))
    prepare(s, origin, bytes(m.data))
    with s.see.opened('f', os.O_RDWR) as fd:
        mapped = mmap.mmap(fd, 6 * PAGE)
        mapped[4 * PAGE + 50] = 1
        m.data[4 * PAGE + 50] = 1
        os.ftruncate(fd, 4 * PAGE + 10)
        m.truncate(4 * PAGE + 10)
        if origin != 'born':    # ext4 before 6.12 keeps them
            mapped[4 * PAGE + 100] = 7
        os.ftruncate(fd, 6 * PAGE)
        m.truncate(6 * PAGE)
        eq(mapped[:], bytes(m.data), 'the mapping')
        os.pwrite(fd, b'x', 5 * PAGE)
        m.write(b'x', 5 * PAGE)
        eq(mapped[:], bytes(m.data), 'the mapping after a write')
        mapped.close()
    check(s, m)


@test(over=('sync', 'no sync'))
def truncate_survives(s, sync):
    "truncated to nothing, synced, extended, remounted: zeros"
    s.host.write('f', pattern(5 * PAGE))
    with s.see.opened('f', os.O_RDWR) as fd:
        os.pwrite(fd, pattern(2 * PAGE), PAGE)
        os.fsync(fd)
        os.ftruncate(fd, 0)
        if sync == 'sync':
            os.fsync(fd)
        os.ftruncate(fd, 5 * PAGE)
        os.pwrite(fd, b'new', 4 * PAGE)
        os.fsync(fd)
    check(s, Model(bytes(4 * PAGE) + b'new' + bytes(PAGE - 3)))


@test(over=ALL)
def append(s, origin):
    "O_APPEND from two descriptors in turn"
    data = pattern(PAGE + 33)
    prepare(s, origin, data)
    with s.see.opened('f', os.O_WRONLY | os.O_APPEND) as a, \
            s.see.opened('f', os.O_WRONLY | os.O_APPEND) as b:
        for i in range(300):
            line = b'%d,' % i
            os.write(a if i % 2 else b, line)
            data += line
    check(s, Model(data))


@test(over=ALL)
def beyond_the_end(s, origin):
    "a write far beyond the end leaves a hole"
    m = Model(pattern(2 * PAGE + 9))
    prepare(s, origin, bytes(m.data))
    s.see.pwrite('f', b'far', 50 * PAGE - 1)
    m.write(b'far', 50 * PAGE - 1)
    check(s, m)


@test(smoke=True, over=ALL)
def holes(s, origin):
    "punching and zeroing, within and across blocks and the end"
    m = Model(pattern(20 * PAGE + 1000))
    prepare(s, origin, bytes(m.data))
    with s.see.opened('f', os.O_RDWR) as fd:
        seen = mmap.mmap(fd, len(m.data), mmap.MAP_SHARED, mmap.PROT_READ)
        for mode, off, length in (
                (PUNCH | KEEP_SIZE, 10, 20), (PUNCH | KEEP_SIZE, PAGE - 5, 10),
                (PUNCH | KEEP_SIZE, 2 * PAGE, PAGE),
                (ZERO | KEEP_SIZE, 3 * PAGE + 1, 3 * PAGE),
                (ZERO | KEEP_SIZE, 8 * PAGE, 5 * PAGE - 1),
                (PUNCH | KEEP_SIZE, 20 * PAGE + 500, 10 * PAGE),
                (ZERO, 14 * PAGE + 7, PAGE), (PUNCH | KEEP_SIZE, 90 * PAGE, PAGE),
                (ZERO, 20 * PAGE + 10, 5 * PAGE), (0, 26 * PAGE, 100),
                (KEEP_SIZE, 30 * PAGE, PAGE)):
            if (FS, origin) == ('tmpfs', 'born') and mode & ZERO:
                continue
            fallocate(fd, mode, off, length)
            m.zero(off, length if mode & ~KEEP_SIZE else 0, mode & KEEP_SIZE)
            if not mode:
                m.truncate(off + length)
            eq(pread(fd, len(m.data) + 1, 0), bytes(m.data),
               f'after fallocate {mode} {off} {length}')
            eq(seen[:], bytes(m.data[:len(seen)]), f'mapping after {mode} {off}')
        seen.close()
    check(s, m)
    with s.see.opened('f', os.O_RDWR) as fd:
        os.pwrite(fd, pattern(3 * PAGE, 3), 2 * PAGE + 5)
        m.write(pattern(3 * PAGE, 3), 2 * PAGE + 5)
        os.fsync(fd)
    check(s, m)


@test(over=ALL)
def refused(s, origin):
    "what cannot be done is refused, and nothing changes"
    data = pattern(4 * PAGE)
    prepare(s, origin, data)
    with s.see.opened('f', os.O_RDWR) as fd:
        raises((errno.EINVAL, errno.EOPNOTSUPP), fallocate, fd, PUNCH, 0, PAGE)
        raises(errno.EINVAL, fallocate, fd, 0, 0, 0)
        raises(errno.EINVAL, os.pwrite, fd, b'x', -1)
        raises(errno.EINVAL, os.ftruncate, fd, -1)
        if FS == 'ext4':
            raises(errno.EFBIG, os.ftruncate, fd, (1 << 63) - 1)
            raises(errno.EFBIG, os.pwrite, fd, b'x', (1 << 63) - 2)
        if origin != 'born' and not NATIVE:
            raises(errno.EOPNOTSUPP, fallocate, fd, COLLAPSE, 0, PAGE)
            raises(errno.EOPNOTSUPP, fallocate, fd, INSERT, 0, PAGE)
    with s.see.opened('f') as fd:
        raises(errno.EBADF, os.write, fd, b'x')
        raises(errno.EBADF, fallocate, fd, 0, 0, 1)
        raises(errno.EINVAL, os.ftruncate, fd, 0)
    check(s, Model(data))


@test(over=('host', 'part'))
def seek(s, origin):
    "SEEK_DATA and SEEK_HOLE never hide a byte that is not zero"
    want = bytearray(64 * PAGE)
    for at in (3, 20, 21, 40):
        want[at * PAGE:at * PAGE + PAGE] = pattern(PAGE, at)

    def host():
        with opened(s.host.path('f'), os.O_RDWR | os.O_CREAT) as fd:
            os.ftruncate(fd, len(want))
            for at in (3, 20, 21, 40):
                os.pwrite(fd, want[at * PAGE:at * PAGE + PAGE], at * PAGE)
            os.fsync(fd)
    s.host._do(host)
    if origin == 'part':
        with s.see.opened('f', os.O_RDWR) as fd:
            fallocate(fd, PUNCH | KEEP_SIZE, 20 * PAGE, PAGE)
            os.pwrite(fd, b'new', 50 * PAGE + 9)
            os.ftruncate(fd, 70 * PAGE)
        want[20 * PAGE:21 * PAGE] = bytes(PAGE)
        want[50 * PAGE + 9:50 * PAGE + 12] = b'new'
        want.extend(bytes(6 * PAGE))
    for _ in s.stages():
        with s.see.opened('f') as fd:
            at, data = 0, set()
            while at < len(want):
                try:
                    start = os.lseek(fd, at, os.SEEK_DATA)
                except OSError as e:
                    eq(e.errno, errno.ENXIO, 'SEEK_DATA')
                    break
                at = os.lseek(fd, start, os.SEEK_HOLE)
                ok(at > start, f'data from {start} to {at}')
                data.update(range(start // PAGE, (at - 1) // PAGE + 1))
            wanted = {i for i in range(len(want) // PAGE)
                      if any(want[i * PAGE:i * PAGE + PAGE])}
            ok(wanted <= data, f'hidden blocks: {sorted(wanted - data)}')
            if FS != 'tmpfs':
                ok(len(data) < 20, f'{len(data)} blocks of data')
            raises(errno.ENXIO, os.lseek, fd, len(want), os.SEEK_DATA)
            eq(os.lseek(fd, len(want) - 1, os.SEEK_HOLE) <= len(want), True,
               'the hole at the end')


# ---- ways to move data -----------------------------------------------------

@test(over=ALL)
def direct(s, origin):
    "O_DIRECT and the page cache agree"
    m = Model(pattern(12 * PAGE))
    prepare(s, origin, bytes(m.data))
    try:
        d = s.see.open('f', os.O_RDWR | os.O_DIRECT)
    except OSError as e:
        eq((e.errno, FS), (errno.EINVAL, 'tmpfs'), 'open with O_DIRECT')
        raise Skip('no O_DIRECT here')
    with s.see.opened('f', os.O_RDWR) as fd:
        buf = mmap.mmap(-1, 12 * PAGE)
        for i in range(6):
            os.pwrite(d, aligned(bytes([i]) * PAGE), 2 * i * PAGE)
            m.write(bytes([i]) * PAGE, 2 * i * PAGE)
            eq(pread(fd, 12 * PAGE, 0), bytes(m.data), 'cached read')
            os.pwrite(fd, b'c' * 100, (2 * i + 1) * PAGE + 50)
            m.write(b'c' * 100, (2 * i + 1) * PAGE + 50)
            eq(os.preadv(d, [buf], 0), 12 * PAGE, 'direct read')
            eq(buf[:], bytes(m.data), 'direct read')
        os.fsync(d)
        eq(os.preadv(d, [buf], 0), 12 * PAGE, 'direct read after fsync')
        eq(buf[:], bytes(m.data), 'direct read after fsync')
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_DIRECT)
        eq(os.preadv(fd, [buf], 0), 12 * PAGE, 'read after F_SETFL')
        eq(buf[:], bytes(m.data), 'read after F_SETFL')
    os.close(d)
    check(s, m)


@test(over=ALL)
def sendfile_and_splice(s, origin):
    "sendfile and splice out of and into the file"
    m = Model(pattern(40 * PAGE + 123))
    prepare(s, origin, bytes(m.data))
    r, w = os.pipe()
    with s.see.opened('f', os.O_RDWR) as fd, opened(f'{s.dir}/out', os.O_RDWR |
                                                    os.O_CREAT) as out:
        def sent():
            os.ftruncate(out, 0)
            os.lseek(out, 0, os.SEEK_SET)
            off = 0
            while n := os.sendfile(out, fd, off, 1 << 20):
                off += n
            return pread(out, off + 1, 0)

        eq(sent(), bytes(m.data), 'sendfile')
        for off, length in ((5 * PAGE + 7, 9000), (0, PAGE), (41 * PAGE, 100),
                            (40 * PAGE, 2 * PAGE)):
            data = pattern(length, off)
            eq(os.write(w, data), length, 'into the pipe')
            done = 0
            while done < length:
                done += os.splice(r, fd, length - done, offset_dst=off + done)
            m.write(data, off)
            eq(sent(), bytes(m.data), f'sendfile after splice to {off}')
        os.fsync(fd)
        got, off = b'', 3 * PAGE + 1
        while len(got) < 10 * PAGE:
            n = os.splice(fd, w, 10 * PAGE - len(got), offset_src=off + len(got))
            got += os.read(r, n)
        eq(got, bytes(m.data[off:off + 10 * PAGE]), 'splice')
    with s.see.opened('f', os.O_WRONLY | os.O_SYNC) as fd:
        os.write(w, b'synced')
        eq(os.splice(r, fd, 6, offset_dst=10), 6, 'splice to an O_SYNC file')
        m.write(b'synced', 10)
    os.close(r)
    os.close(w)
    check(s, m)


@test(over=tuple((a, b) for a in ALL for b in ALL))
def copy_file_range(s, origin, other):
    "copy_file_range between files of every origin"
    data = pattern(30 * PAGE + 50)
    m = Model(pattern(20 * PAGE, 2))
    prepare(s, origin, data, 'f', other, bytes(m.data), 'g')
    with s.see.opened('f') as src, s.see.opened('g', os.O_RDWR) as dst:
        for at, to, length in ((0, 0, PAGE), (3 * PAGE + 5, 7 * PAGE, 5 * PAGE),
                               (10 * PAGE, 18 * PAGE, 10 * PAGE),
                               (29 * PAGE, 40 * PAGE, 5 * PAGE)):
            want = data[at:at + length]
            done = 0
            while n := os.copy_file_range(src, dst, length - done, at + done,
                                          to + done):
                done += n
                if done == length:
                    break
            eq(done, len(want), f'copied from {at}')
            m.write(want, to)
        eq(pread(dst, 100 * PAGE, 0), bytes(m.data), 'the copy')
    s.see.holds('f', data)
    check(s, m, 'g')


@test(over=ALL)
def clone(s, origin):
    "FICLONE works or says EOPNOTSUPP, and cp manages either way"
    data = pattern(30 * PAGE + 50)
    prepare(s, origin, data)
    s.see.write('new', '')
    with s.see.opened('f') as src, s.see.opened('new', os.O_RDWR) as dst:
        error = error_of(fcntl.ioctl, dst, FICLONE, src)
        ok(error in (0, errno.EOPNOTSUPP, errno.EXDEV), ename(error))
        if FS in ('btrfs', 'xfs') and PRIVATE == 'same' and origin in ('host', 'born'):
            eq(error, 0, 'FICLONE')
        eq(pread(dst, 40 * PAGE, 0), b'' if error else data, 'the clone')
    run('cp', '--reflink=auto', s.see.path('f'), s.see.path('copy'))
    run('cp', '--reflink=auto', '--no-preserve=all', s.see.path('copy'),
        s.see.path('file'))
    for _ in s.stages():
        for name in ('f', 'copy', 'file'):
            s.see.holds(name, data)


@test(smoke=True, over=ALL)
def own_mapping_as_buffer(s, origin):
    "read and write with a mapping of the same file as the buffer"
    m = Model(pattern(32 * PAGE))
    prepare(s, origin, bytes(m.data))
    with s.see.opened('f', os.O_RDWR) as fd:
        mapped = mmap.mmap(fd, 32 * PAGE)
        view = memoryview(mapped)
        for at, to, n in ((0, 10, 2), (5, 5, 3), (20, 21, 4), (9, 0, 9)):
            # from the mapping into the file
            os.pwrite(fd, view[at * PAGE:(at + n) * PAGE], to * PAGE)
            if at + n <= to or to + n <= at or at == to:
                m.write(bytes(m.data[at * PAGE:(at + n) * PAGE]), to * PAGE)
            else:
                m.data[:] = pread(fd, 32 * PAGE, 0)
            eq(mapped[:], bytes(m.data), f'mapping after a write from {at} to {to}')
        for at, to, n in ((0, 16, 4), (12, 12, 2), (30, 1, 2)):
            # from the file into the mapping
            os.preadv(fd, [view[to * PAGE:(to + n) * PAGE]], at * PAGE)
            m.write(bytes(m.data[at * PAGE:(at + n) * PAGE]), to * PAGE)
            eq(pread(fd, 32 * PAGE, 0), bytes(m.data), f'file after a read to {to}')
        view.release()
        mapped.close()
    check(s, m)


class Uring:
    """io_uring, one request at a time."""
    NOP, READV, WRITEV, FSYNC, FALLOCATE, READ, WRITE, SPLICE = 0, 1, 2, 3, 17, 22, 23, 30

    def __init__(self):
        p = ctypes.create_string_buffer(120)
        self.fd = call('syscall', 425, 8, p)
        self.sq_off = struct.unpack_from('10I', p.raw, 40)
        self.cq_off = struct.unpack_from('10I', p.raw, 80)
        self.ring = mmap.mmap(self.fd, 4096, offset=0)
        self.cq = mmap.mmap(self.fd, 4096, offset=0x8000000)
        self.sqes = mmap.mmap(self.fd, 4096, offset=0x10000000)

    def do(self, op, fd, off=0, buf=None, length=0, flags=0, addr=0):
        """Result of one request, -errno included."""
        if buf is not None:
            addr = ctypes.addressof((ctypes.c_char * len(buf)).from_buffer(buf))
            length = len(buf)
        struct.pack_into('=BBHiQQIIQ24x', self.sqes, 0, op, flags, 0, fd, off, addr,
                         length, 0, 1)
        head, tail, mask, _, _, _, array = self.sq_off[:7]
        at, = struct.unpack_from('I', self.ring, tail)
        limit, = struct.unpack_from('I', self.ring, mask)
        struct.pack_into('I', self.ring, array + 4 * (at & limit), 0)
        struct.pack_into('I', self.ring, tail, at + 1)
        call('syscall', 426, self.fd, 1, 1, 1, None, 0)
        head, tail, mask, _, _, cqes = self.cq_off[:6]
        at, = struct.unpack_from('I', self.cq, head)
        limit, = struct.unpack_from('I', self.cq, mask)
        _, result = struct.unpack_from('=Qi', self.cq, cqes + 16 * (at & limit))
        struct.pack_into('I', self.cq, head, at + 1)
        return result


@test(over=ALL)
def io_uring(s, origin):
    "reads, writes, fsync and fallocate by io_uring, inline and punted"
    m = Model(pattern(10 * PAGE))
    prepare(s, origin, bytes(m.data))
    try:
        ring = Uring()
    except OSError as e:
        raise Skip(f'io_uring: {e.strerror}')
    flags = [os.O_RDWR] + ([os.O_RDWR | os.O_DIRECT] if FS != 'tmpfs' else [])
    for flag in flags:
        with s.see.opened('f', flag) as fd:
            for sqe in (0, 16):         # IOSQE_ASYNC
                data = mmap.mmap(-1, 2 * PAGE)
                data[:] = pattern(2 * PAGE, flag + sqe)
                eq(ring.do(Uring.WRITE, fd, 3 * PAGE, data, flags=sqe), 2 * PAGE, 'write')
                m.write(data[:], 3 * PAGE)
                eq(ring.do(Uring.WRITE, fd, len(m.data), data, flags=sqe), 2 * PAGE,
                   'append')
                m.write(data[:], len(m.data))
                buf = mmap.mmap(-1, 4 * PAGE)
                eq(ring.do(Uring.READ, fd, 2 * PAGE, buf, flags=sqe), 4 * PAGE, 'read')
                eq(buf[:], bytes(m.data[2 * PAGE:6 * PAGE]), 'what was read')
                eq(ring.do(Uring.FSYNC, fd, flags=sqe), 0, 'fsync')
                eq(ring.do(Uring.FALLOCATE, fd, PAGE, length=PUNCH | KEEP_SIZE,
                           addr=PAGE, flags=sqe), 0, 'punch')
                m.zero(PAGE, PAGE)
    check(s, m)


@test(over=ALL)
def vectors_and_sync_flags(s, origin):
    "readv, writev, O_SYNC, O_DSYNC, RWF_SYNC"
    m = Model(pattern(6 * PAGE))
    prepare(s, origin, bytes(m.data))
    for i, flags in enumerate((0, os.O_SYNC, os.O_DSYNC)):
        with s.see.opened('f', os.O_RDWR | flags) as fd:
            parts = [bytes([i]) * 10, bytes([i + 1]) * PAGE, b'', bytes([i]) * 3]
            eq(os.pwritev(fd, parts, i * PAGE + 77, os.RWF_SYNC), PAGE + 13, 'writev')
            m.write(b''.join(parts), i * PAGE + 77)
            bufs = [bytearray(100), bytearray(2 * PAGE), bytearray(5)]
            n = os.preadv(fd, bufs, 50)
            eq(b''.join(bufs)[:n], bytes(m.data[50:50 + n]), 'readv')
    check(s, m)


# ---- what goes with data ---------------------------------------------------

@test(over=ALL)
def times(s, origin):
    "mtime moves with what the SEE writes, and with nothing else"
    prepare(s, origin, pattern(4 * PAGE))
    s.see.utime('f', 10 ** 18, 10 ** 18 + 5)
    for _ in s.stages():
        s.see.read('f')
        eq(s.see.stat('f').st_mtime_ns, 10 ** 18 + 5, 'mtime after a read')
    with s.see.opened('f', os.O_RDWR) as fd:
        os.pwrite(fd, b'x', 2 * PAGE)
        ok(s.see.stat('f').st_mtime_ns > 10 ** 18 + 5, 'mtime after a write')
        os.utime(fd, ns=(10 ** 18, 10 ** 18 + 6))
        os.fsync(fd)
    for _ in s.stages():
        eq(s.see.stat('f').st_mtime_ns, 10 ** 18 + 6, 'mtime after writeback')
    before = s.see.stat('f').st_mtime_ns
    with s.see.opened('f', os.O_RDWR) as fd:
        mapped = mmap.mmap(fd, PAGE)
        mapped[0] = 1
        mapped.flush()
        mapped.close()
        ok(os.fstat(fd).st_mtime_ns > before, 'mtime after a store')
    s.see.utime('f', 1, 10 ** 18)
    s.see.truncate('f', PAGE)
    ok(s.see.stat('f').st_mtime_ns > 10 ** 18, 'mtime after truncate')


@test(over=tuple((o, how) for o in ALL for how in ('write', 'truncate', 'falloc', 'splice')))
def set_id_bits(s, origin, how):
    "what a user writes loses its set-id bits, what root writes does not"
    def act():
        with s.see.opened('f', os.O_RDWR) as fd:
            if how == 'write':
                os.pwrite(fd, b'x', 3)
            elif how == 'truncate':
                os.ftruncate(fd, 2 * PAGE)
            elif how == 'falloc':
                fallocate(fd, 0, 0, 5 * PAGE)
            else:
                r, w = os.pipe()
                os.write(w, b'y')
                os.splice(r, fd, 1, offset_dst=9)

    prepare(s, origin, pattern(4 * PAGE))
    s.see.chmod('f', 0o6777)
    act()
    for _ in s.stages():
        eq(oct(s.see.mode('f')), oct(0o6777), 'mode after root wrote')
    as_user(act)
    for _ in s.stages():
        eq(oct(s.see.mode('f')), oct(0o777), 'mode after a user wrote')


@test(over=ALL)
def capability(s, origin):
    "a write takes a file capability away; writeback does not take a later one"
    prepare(s, origin, pattern(4 * PAGE))
    s.see.setxattr('f', CAPABILITY, NET_RAW)
    s.see.pwrite('f', b'x', 0)
    raises(errno.ENODATA, s.see.getxattr, 'f', CAPABILITY)
    s.see.pwrite('f', b'y', PAGE)
    s.see.setxattr('f', CAPABILITY, NET_RAW)
    for _ in s.stages():
        eq(s.see.getxattr('f', CAPABILITY), NET_RAW, 'the capability')


@test(over=ALL)
def file_size_limit(s, origin):
    "RLIMIT_FSIZE stops what a process writes, not what it flushes"
    m = Model(pattern(10 * PAGE))
    prepare(s, origin, bytes(m.data))

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with s.see.opened('f', os.O_RDWR) as fd:
            os.pwrite(fd, b'far', 9 * PAGE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
            os.pwrite(fd, b'near', 90)
            eq(os.pwrite(fd, b'x' * 50, 80), 20, 'bytes written up to the limit')
            raises(errno.EFBIG, os.pwrite, fd, b'x', 100)
            raises(errno.EFBIG, os.ftruncate, fd, 11 * PAGE)
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    as_user(limited, uid=0)
    m.write(b'far', 9 * PAGE)
    m.write(b'x' * 20, 80)
    check(s, m)


@test(over=ALL)
def execute(s, origin):
    "a changed program runs as changed, and cannot be written meanwhile"
    with open('/bin/sleep', 'rb') as f:
        prepare(s, origin, b'#!/bin/sh\necho one\n', 'f', origin, f.read(), 'sleep')
    s.see.chmod('f', 0o755)
    eq(run(s.see.path('f')), 'one\n', 'output')
    s.see.pwrite('f', b'two', 15)
    for _ in s.stages():
        eq(run(s.see.path('f')), 'two\n', 'output')
    s.see.chmod('sleep', 0o755)
    p = subprocess.Popen([s.see.path('sleep'), '100'])
    try:
        for _ in range(100):
            if os.path.realpath(f'/proc/{p.pid}/exe') == s.see.path('sleep'):
                break
            select.select([], [], [], 0.05)
        raises(errno.ETXTBSY, s.see.open, 'sleep', os.O_WRONLY)
        with open(f'/proc/{p.pid}/maps') as f:
            ok(s.see.path('sleep') in f.read(), 'the program is not in its maps')
    finally:
        p.kill()
        p.wait()
    with s.see.opened('sleep', os.O_WRONLY):
        raises(errno.ETXTBSY, subprocess.run, [s.see.path('sleep'), '0'])


@test(over=ALL)
def unlinked(s, origin):
    "a file that is open and removed in the SEE can still be used"
    m = Model(pattern(8 * PAGE))
    prepare(s, origin, bytes(m.data))
    with s.see.opened('f', os.O_RDWR) as fd:
        s.see.unlink('f')
        os.pwrite(fd, b'gone', 3 * PAGE - 2)
        m.write(b'gone', 3 * PAGE - 2)
        os.ftruncate(fd, 9 * PAGE)
        m.truncate(9 * PAGE)
        os.fsync(fd)
        drop_caches()
        eq(pread(fd, 10 * PAGE, 0), bytes(m.data), 'content')
    for _ in s.stages():
        s.see.absent('f')


@test(over=ALL)
def advice(s, origin):
    "posix_fadvise and readahead change nothing"
    m = Model(pattern(50 * PAGE))
    prepare(s, origin, bytes(m.data))
    with s.see.opened('f', os.O_RDWR) as fd:
        for advice in (os.POSIX_FADV_RANDOM, os.POSIX_FADV_WILLNEED,
                       os.POSIX_FADV_DONTNEED, os.POSIX_FADV_SEQUENTIAL):
            os.posix_fadvise(fd, 0, 0, advice)
            call('readahead', fd, ctypes.c_long(0), ctypes.c_long(50 * PAGE))
            os.pwrite(fd, bytes([advice]) * 10, advice * PAGE)
            m.write(bytes([advice]) * 10, advice * PAGE)
            eq(pread(fd, 60 * PAGE, 0), bytes(m.data), 'content')
    check(s, m)


@test(over=ALL)
def threads(s, origin):
    "five threads write, map, sync and read blocks of their own"
    blocks, rounds = 64, scaled(60)
    prepare(s, origin, bytes(blocks * PAGE))
    problems = []

    def work(me):
        rng = random.Random(me)
        mine = {b: bytes(PAGE) for b in range(me, blocks, 5)}
        try:
            with s.see.opened('f', os.O_RDWR) as fd:
                mapped = mmap.mmap(fd, blocks * PAGE)
                for _ in range(rounds):
                    b = rng.choice(list(mine))
                    data = rng.randbytes(PAGE)
                    act = rng.randrange(4)
                    if act == 0:
                        os.pwrite(fd, data, b * PAGE)
                    elif act == 1:
                        mapped[b * PAGE:(b + 1) * PAGE] = data
                    elif act == 2:
                        fallocate(fd, PUNCH | KEEP_SIZE, b * PAGE, PAGE)
                        data = bytes(PAGE)
                    else:
                        os.fsync(fd)
                        data = mine[b]
                    mine[b] = data
                    b = rng.choice(list(mine))
                    if os.pread(fd, PAGE, b * PAGE) != mine[b]:
                        problems.append(f'thread {me}: read of block {b}')
                    if mapped[b * PAGE:(b + 1) * PAGE] != mine[b]:
                        problems.append(f'thread {me}: mapping of block {b}')
                mapped.close()
        except BaseException as e:
            problems.append(f'thread {me}: {e}')
        for b, data in mine.items():
            want[b] = data

    want = {}
    s.see.holds('f', bytes(blocks * PAGE))
    all_threads = [threading.Thread(target=work, args=(i,)) for i in range(5)]
    for t in all_threads:
        t.start()
    for t in all_threads:
        t.join()
    eq(problems[:3], [], 'problems')
    check(s, Model(b''.join(want[b] for b in range(blocks))))


@test(over=ALL)
def locks(s, origin):
    "record locks and flock work among the processes of the SEE"
    prepare(s, origin, pattern(PAGE))
    with s.see.opened('f', os.O_RDWR) as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 0)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

        def other():
            with s.see.opened('f', os.O_RDWR) as mine:
                return (error_of(fcntl.lockf, mine, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5),
                        error_of(fcntl.lockf, mine, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 50),
                        error_of(fcntl.flock, mine, fcntl.LOCK_SH | fcntl.LOCK_NB))
        eq(as_user(other, uid=0), (errno.EAGAIN, 0, errno.EAGAIN), 'locks')


main()
