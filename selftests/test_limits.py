#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Directories as deep and as full as somebody likes: nothing recurses, nothing is quadratic.

Paths are longer than PATH_MAX here, so that everything goes by descriptors.
"""
from see_test import *

DEPTH = scaled(1000)            # some hundred are more than the kernel's stack is
NAME = 'd'


class Deep:
    """A layer over a chain of directories with a file in the last one."""

    def __init__(self):
        # an inode for each 16 KiB
        self.scratch = Scratch('ext4', 3 << 30)
        fs = self.scratch.fs
        self.lower, self.private, self.mnt = f'{fs}/lower', f'{fs}/private', f'{fs}/mnt'
        for path in self.lower, self.mnt:
            os.mkdir(path)
        os.mkdir(self.private, 0o700)
        self.mounted = False

    def mount(self):
        mount('none', self.mnt, 'seefs', 0, f'lower={self.lower},private={self.private}')
        self.mounted = True

    def umount(self):
        umount(self.mnt)
        self.mounted = False

    def remount(self):
        self.umount()
        drop_caches()
        self.mount()

    def close(self):
        if self.mounted:
            umount(self.mnt, MNT_DETACH)
        self.scratch.close()


def down(root, make=False):
    """A descriptor of the last directory of the chain."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(DEPTH):
        if make:
            os.mkdir(NAME, dir_fd=fd)
        below = os.open(NAME, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = below
    return fd


@contextlib.contextmanager
def bottom(root, make=False):
    fd = down(root, make)
    try:
        yield fd
    finally:
        os.close(fd)


def put(fd, name, text):
    with open(name, 'w', opener=lambda path, flags: os.open(path, flags, dir_fd=fd)) as f:
        f.write(text)


def get(fd, name):
    with open(name, opener=lambda path, flags: os.open(path, flags, dir_fd=fd)) as f:
        return f.read()


def remove(root):
    """The chain, from its end."""
    fd = down(root)
    for name in os.listdir(fd):
        os.unlink(name, dir_fd=fd)
    for _ in range(DEPTH):
        above = os.open('..', os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = above
        os.rmdir(NAME, dir_fd=fd)
    os.close(fd)


@contextlib.contextmanager
def deep():
    d = Deep()
    try:
        with bottom(d.lower, make=True) as fd:
            put(fd, 'file', 'host\n')
            put(fd, 'other', 'host\n')
        d.mount()
        yield d
    finally:
        d.close()


@test(smoke=True)
def change(s):
    "at the end of a chain of 4,000; everything above it gets a place"
    global DEPTH
    DEPTH *= 4          # each case is a process
    with deep() as d:
        with bottom(d.mnt) as fd:
            put(fd, 'file', 'SEE\n')
            put(fd, 'new', 'born\n')
            os.unlink('other', dir_fd=fd)
        for _ in range(2):
            with bottom(d.mnt) as fd:
                eq((sorted(os.listdir(fd)), get(fd, 'file'), get(fd, 'new')),
                   (['file', 'new'], 'SEE\n', 'born\n'), 'in the SEE')
            with bottom(d.lower) as fd:
                eq((sorted(os.listdir(fd)), get(fd, 'file')), (['file', 'other'], 'host\n'),
                   'on the host')
            d.remount()


@test(smoke=True)
def dropped(s):
    "by the host, all of it: the SEE keeps what it changed, and what leads there"
    with deep() as d:
        with bottom(d.mnt) as fd:
            put(fd, 'file', 'SEE\n')
        remove(d.lower)
        for _ in range(2):
            with bottom(d.mnt) as fd:
                eq((os.listdir(fd), get(fd, 'file')), (['file'], 'SEE\n'), 'in the SEE')
            d.remount()
        remove(d.mnt)
        for _ in range(2):
            eq(os.listdir(d.mnt), [], 'what the SEE removed')
            d.remount()


@test()
def dropped_while_unmounted(s):
    "the same, found out at mount"
    with deep() as d:
        with bottom(d.mnt) as fd:
            os.chmod('file', 0o600, dir_fd=fd)
            put(fd, 'new', 'born\n')
        d.umount()
        remove(d.lower)
        d.mount()
        for _ in range(2):
            with bottom(d.mnt) as fd:
                eq((sorted(os.listdir(fd)), get(fd, 'new')), (['file', 'new'], 'born\n'), 'in the SEE')
                eq(stat.S_IMODE(os.stat('file', dir_fd=fd).st_mode), 0o600, 'mode')
            d.remount()


@test(smoke=True)
def born(s):
    "in the SEE, and removed again"
    d = Deep()
    try:
        d.mount()
        with bottom(d.mnt, make=True) as fd:
            put(fd, 'new', 'born\n')
        for _ in range(2):
            with bottom(d.mnt) as fd:
                eq(get(fd, 'new'), 'born\n', 'contents')
            d.remount()
        remove(d.mnt)
        d.remount()
        eq((os.listdir(d.mnt), os.listdir(d.lower)), ([], []), 'what is left')
    finally:
        d.close()


@test()
def moved(s):
    "the chain under another name, and its end to the top; the host goes on in it"
    with deep() as d:
        os.mkdir(f'{d.mnt}/top')
        os.rename(f'{d.mnt}/{NAME}', f'{d.mnt}/top/{NAME}')
        with bottom(f'{d.mnt}/top') as fd:
            os.rename('file', f'{d.mnt}/file', src_dir_fd=fd)
        with bottom(d.lower) as fd:
            put(fd, 'late', 'host\n')
        for _ in range(2):
            with bottom(f'{d.mnt}/top') as fd:
                eq(sorted(os.listdir(fd)), ['late', 'other'], 'at the end')
            eq((sorted(os.listdir(d.mnt)), Tree(d.mnt).read('file')), (['file', 'top'], b'host\n'),
               'at the top')
            d.remount()


# ---- full ------------------------------------------------------------------------

MANY = scaled(100000)


@test()
def many_names(s):
    "of the host, of which the SEE removes, replaces and adds some: each once, whatever the pieces"
    d = Deep()
    try:
        fd = os.open(d.lower, os.O_RDONLY | os.O_DIRECTORY)
        for i in range(MANY):
            os.close(os.open(f'name{i}', os.O_CREAT | os.O_WRONLY, dir_fd=fd))
        os.close(fd)
        d.mount()
        see, want = Tree(d.mnt), {f'name{i}' for i in range(MANY)}
        for i in range(0, MANY, MANY // 50):
            see.unlink(f'name{i}')
            see.write(f'new{i}', 'x')
            see.unlink(f'name{i + 1}')
            see.write(f'name{i + 1}', 'again')
            want = (want | {f'new{i}'}) - {f'name{i}'}
        for _ in range(2):
            with opened(d.mnt, os.O_RDONLY | os.O_DIRECTORY) as fd:
                names = [e.name for e in all_dents(fd, 1 << 20) if e.name not in '..']
                eq(len(names), len(want), 'number of names')
                eq(set(names), want, 'names')
                # from any place on
                os.lseek(fd, 0, os.SEEK_SET)
                some = getdents(fd, 1 << 16)
                rest = all_dents(fd)
                os.lseek(fd, some[-1].off, os.SEEK_SET)
                eq([e.name for e in all_dents(fd)], [e.name for e in rest], 'from a place on')
            d.remount()
        eq(see.read('name1'), b'again', 'what was replaced')
    finally:
        d.close()


def numbers(root):
    """{path: number}, of all below a directory."""
    out = subprocess.run(['find', root, '-mindepth', '1', '-printf', r'%i %P\0'], check=True,
                         stdout=subprocess.PIPE).stdout.decode()
    return {path: int(ino) for ino, path in
            (line.split(' ', 1) for line in out.split('\0')[:-1])}


@test()
def many_objects(s):
    "of both sides, changed, renamed, removed, their inodes used again: each with its own number, always"
    d = Deep()
    # all of them take minutes
    dirs, each = max(8, MANY // (1000 if 'SEE_CRASH_ALL' in os.environ else 4000)), 1000
    try:
        for i in range(dirs):
            os.mkdir(f'{d.lower}/{i}')
            for n in range(each):
                os.mknod(f'{d.lower}/{i}/{n}')
        d.mount()
        want = numbers(d.mnt)
        eq(len(want), dirs * (each + 1), 'number of objects')
        moved = {}
        for i in range(dirs):
            for n in range(0, each, 40):
                os.chmod(f'{d.mnt}/{i}/{n}', 0o600)
                os.rename(f'{d.mnt}/{i}/{n + 1}', f'{d.mnt}/{(i + 7) % dirs}/moved{i}.{n}')
                moved[f'{(i + 7) % dirs}/moved{i}.{n}'] = want.pop(f'{i}/{n + 1}')
                os.unlink(f'{d.mnt}/{i}/{n + 2}')
                del want[f'{i}/{n + 2}']
                os.unlink(f'{d.lower}/{i}/{n + 3}')
                del want[f'{i}/{n + 3}']
            for n in range(0, each, 40):
                os.mknod(f'{d.lower}/{i}/late{n}')
                os.mknod(f'{d.mnt}/{i}/born{n}')
        want.update(moved)
        late = {f'{i}/{kind}{n}' for i in range(dirs) for n in range(0, each, 40)
                for kind in ('late', 'born')}
        for when in 'at once', 'after an eviction', 'after a remount':
            got = numbers(d.mnt)
            eq(got.keys() - want.keys(), late if when == 'at once' else set(), f'names, {when}')
            eq([p for p, ino in want.items() if got.get(p) != ino], [], f'other numbers, {when}')
            eq(len(set(got.values())), len(got), f'numbers, {when}')
            want = got
            drop_caches() if when == 'at once' else d.remount()
        some = list(want)[::len(want) // 20]
        tests = [word for path in some for word in ('-o', '-inum', str(want[path]))][1:]
        eq(sorted(run('find', d.mnt, *tests).split()), sorted(f'{d.mnt}/{p}' for p in some),
           'find -inum')
    finally:
        d.close()


main()
