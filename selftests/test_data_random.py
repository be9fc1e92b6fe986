#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Data: random operations on a few files against a model, with remounts.

A failure names its seed; SEE_SEED=N runs that one alone. SEE_SCALE=10 or more for
a long walk.
"""
import mmap
import random

from see_test import *

PAGE = 4096
KEEP_SIZE, PUNCH, ZERO = 1, 2, 16
SEED = os.environ.get('SEE_SEED')


def fallocate(fd, mode, off, length):
    call('fallocate', fd, mode, ctypes.c_long(off), ctypes.c_long(length))


class File:
    """A file, its model, and descriptors and mappings that live for a while."""

    def __init__(self, s, rng, name, data, top):
        self.s, self.rng, self.name, self.top = s, rng, name, top
        self.data = bytearray(data)
        self.fds, self.maps, self.spot = [], [], 0

    def fd(self):
        if len(self.fds) < 3 and (not self.fds or self.rng.random() < 0.1):
            self.fds.append(self.s.see.open(self.name, os.O_RDWR))
        return self.rng.choice(self.fds)

    def forget(self):
        for mapped in self.maps:
            mapped.close()
        for fd in self.fds:
            os.close(fd)
        self.fds, self.maps = [], []

    def place(self, most=5 * PAGE):
        """An offset and a length, near the last ones more often than not."""
        rng = self.rng
        if rng.random() < 0.3:
            self.spot = rng.randrange(self.top)
        off = max(0, self.spot + rng.randrange(-3 * PAGE, 3 * PAGE))
        length = rng.choice((1, 100, PAGE, rng.randrange(1, most)))
        if rng.random() < 0.4:
            off, length = off // PAGE * PAGE, -(-length // PAGE) * PAGE
        off = min(off, self.top - 1)
        return off, min(length, self.top - off)

    def grow(self, size):
        self.data.extend(bytes(max(0, size - len(self.data))))

    def put(self, off, data):
        self.grow(off)
        self.data[off:off + len(data)] = data

    # operations

    def write(self):
        off, length = self.place()
        data = self.rng.randbytes(length)
        eq(os.pwrite(self.fd(), data, off), length, 'pwrite')
        self.put(off, data)

    def direct(self):
        if FS == 'tmpfs':
            return
        off, length = self.place()
        off, length = off // PAGE * PAGE, -(-length // PAGE) * PAGE
        buf = mmap.mmap(-1, length)
        with self.s.see.opened(self.name, os.O_RDWR | os.O_DIRECT) as fd:
            n = os.preadv(fd, [buf], off)
            eq(buf[:n], bytes(self.data[off:off + length]),
               f'{self.name} at {off} direct')
            buf[:] = self.rng.randbytes(length)
            eq(os.pwrite(fd, buf, off), length, 'direct pwrite')
        self.put(off, buf[:])

    def append(self):
        data = self.rng.randbytes(self.rng.randrange(1, 3000))
        if len(self.data) + len(data) <= self.top:
            self.s.see.write(self.name, data, os.O_APPEND)
            self.data += data

    def truncate(self):
        size = self.rng.choice((self.place()[0], len(self.data) // PAGE * PAGE))
        os.ftruncate(self.fd(), size)
        del self.data[size:]
        self.grow(size)

    def punch(self):
        off, length = self.place(20 * PAGE)
        mode = self.rng.choice((PUNCH | KEEP_SIZE, ZERO | KEEP_SIZE, ZERO))
        fallocate(self.fd(), mode, off, length)
        if mode == ZERO:
            self.grow(off + length)
        end = min(off + length, len(self.data))
        if off < end:
            self.data[off:end] = bytes(end - off)

    def allocate(self):
        off, length = self.place()
        fallocate(self.fd(), 0, off, length)
        self.grow(off + length)

    def mapping(self):
        if len(self.maps) < 3 and self.data and self.rng.random() < 0.3:
            fd = self.fd()
            self.maps.append(mmap.mmap(fd, len(self.data)))
        return self.rng.choice(self.maps) if self.maps else None

    def store(self):
        mapped = self.mapping()
        off, length = self.place(3 * PAGE)
        if mapped:
            # pages wholly beyond the end are not there
            length = min(length, min(len(mapped), len(self.data)) - off)
            if length > 0:
                data = self.rng.randbytes(length)
                mapped[off:off + length] = data
                self.data[off:off + length] = data

    def load(self):
        mapped = self.mapping()
        if mapped:
            off, length = self.place()
            end = min(off + length, len(mapped), len(self.data))
            if off < end:
                eq(mapped[off:end], bytes(self.data[off:end]),
                   f'{self.name} at {off} through a mapping')

    def read(self):
        off, length = self.place(20 * PAGE)
        with self.s.see.opened(self.name) as fd:
            eq(os.pread(fd, length, off), bytes(self.data[off:off + length]),
               f'{self.name} at {off}')

    def splice(self):
        off, length = self.place()
        length = min(length, 60000)
        data = self.rng.randbytes(length)
        r, w = os.pipe()
        os.write(w, data)
        done = 0
        while done < length:
            done += os.splice(r, self.fd(), length - done, offset_dst=off + done)
        os.close(r)
        os.close(w)
        self.put(off, data)

    def send(self):
        off, length = self.place()
        want = bytes(self.data[off:off + length])
        r, w = os.pipe()
        got = b''
        with self.s.see.opened(self.name) as fd:
            while len(got) < len(want):
                n = os.splice(fd, w, len(want) - len(got), offset_src=off + len(got))
                ok(n, 'splice found an early end')
                got += os.read(r, n)
        os.close(r)
        os.close(w)
        eq(got, want, f'{self.name} at {off} spliced')

    def sync(self):
        os.fsync(self.fd())

    def evict(self):
        os.fsync(self.fd())
        os.posix_fadvise(self.fd(), 0, 0, os.POSIX_FADV_DONTNEED)

    def all(self):
        eq(self.s.see.stat(self.name).st_size, len(self.data), f'size of {self.name}')
        eq(self.s.see.read(self.name), bytes(self.data), f'{self.name} as a whole')


WEIGHTS = {'write': 20, 'direct': 3, 'append': 3, 'truncate': 5, 'punch': 5, 'allocate': 1,
           'store': 15, 'load': 10, 'read': 20, 'splice': 4, 'send': 4, 'sync': 4,
           'evict': 2, 'all': 1}


def copy(rng, files):
    src, dst = rng.sample(files, 2)
    off, length = src.place()
    to = dst.place()[0]
    length = min(length, max(0, len(src.data) - off), dst.top - to)
    data = bytes(src.data[off:off + length])
    with src.s.see.opened(src.name) as fd:
        done = 0
        while done < length:
            n = os.copy_file_range(fd, dst.fd(), length - done, off + done, to + done)
            ok(n, 'copy_file_range found an early end')
            done += n
    if length:
        dst.put(to, data)


def walk(s, seed, steps, top, size):
    rng = random.Random(seed)
    files = []
    for name in ('h0', 'h1'):
        data = rng.randbytes(size)
        s.host.write(name, data)
        files.append(File(s, rng, name, data, top))
    big = bytearray(4 << 20)
    for at in range(0, len(big), 64 * PAGE):
        big[at:at + PAGE] = rng.randbytes(PAGE)
    s.host.write('h2', bytes(big))
    files.append(File(s, rng, 'h2', big, 5 << 20))
    s.see.write('b', b'')
    files.append(File(s, rng, 'b', b'', top))
    verbs, weights = list(WEIGHTS), list(WEIGHTS.values())
    for step in range(steps):
        s.stage = f'at step {step} of seed {seed}'
        dice = rng.random()
        if dice < 0.003 and not NATIVE:
            for f in files:
                f.forget()
            s.remount()
            for f in files:
                f.all()
        elif dice < 0.01:
            drop_caches()
        elif dice < 0.015:
            for f in files:
                f.forget()
        elif dice < 0.05:
            copy(rng, files)
        else:
            getattr(rng.choice(files), rng.choices(verbs, weights)[0])()
    for f in files:
        f.forget()
    for _ in s.stages():
        s.stage += f' of seed {seed}'
        for f in files:
            f.all()


@test(smoke=True, over=(1, 2, 3))
def small_files(s, n):
    "a few blocks each, so that everything meets everything"
    walk(s, int(SEED or n), scaled(1500), 24 * PAGE, 10 * PAGE + 123)


@test(over=(11, 12))
def larger_files(s, n):
    walk(s, int(SEED or n), scaled(1500), 200 * PAGE, 100 * PAGE + 1)


main()
