#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Data: what the private tree holds, what it costs, and what if it is full."""
import contextlib
import mmap
import random
import select
import time

from see_test import *

PAGE = 4096
MIB = 1 << 20


def pattern(size, seed=1):
    return random.Random(seed).randbytes(size)


def used(path):
    "Bytes that a tree takes up."
    return 512 * sum(os.lstat(os.path.join(at, name)).st_blocks
                     for at, _, names in os.walk(path) for name in names)


def maps(s):
    """The block maps of the private tree."""
    return [f'{at}/map' for at, _, names in os.walk(s.private) if 'map' in names]


def the_map(s):
    found = maps(s)
    eq(len(found), 1, 'block maps')
    return found[0]


def sparse(s, name, size):
    def make():
        with opened(s.host.path(name), os.O_RDWR | os.O_CREAT) as fd:
            os.ftruncate(fd, size)
    s.host._do(make)


@contextlib.contextmanager
def dirty_limits(**limits):
    ratios = {}
    for name in ('dirty_ratio', 'dirty_background_ratio'):
        with open(f'/proc/sys/vm/{name}') as f:
            ratios[name] = f.read()
    try:
        for name, value in limits.items():
            with open(f'/proc/sys/vm/{name}', 'w') as f:
                f.write(str(value))
        yield
    finally:
        for name, value in ratios.items():
            with open(f'/proc/sys/vm/{name}', 'w') as f:
                f.write(value)


# ---- cost ------------------------------------------------------------------

@test(smoke=True, layer=True)
def small_write_to_large_file(s):
    "4 KiB in a file of 1 GiB cost little space, and no copy"
    sparse(s, 'large', 1 << 30)
    s.see.stat('large')
    before = used(s.private)
    s.see.pwrite('large', b'w' * PAGE, 700 * MIB)
    with s.see.opened('large', os.O_RDWR) as fd:
        os.fsync(fd)
    ok(used(s.private) - before <= 64 << 10, f'{used(s.private) - before} bytes more')
    for _ in s.stages():
        eq(s.see.stat('large').st_size, 1 << 30, 'size')
        with s.see.opened('large') as fd:
            eq(os.pread(fd, 3 * PAGE, 700 * MIB - PAGE),
               bytes(PAGE) + b'w' * PAGE + bytes(PAGE), 'around the write')
        ok(s.see.stat('large').st_blocks <= 64, 'blocks')


@test(layer=True, over=('attributes', 'truncate', 'append', 'punch', 'read'))
def no_copy(s, what):
    "what copies no data takes no space"
    s.host.write('f', pattern(8 * MIB))
    s.see.stat('f')
    before = used(s.private)
    if what == 'attributes':
        s.see.chmod('f', 0o600)
        s.see.utime('f', 1, 2)
    elif what == 'truncate':
        s.see.truncate('f', 5 * MIB + 3)
    elif what == 'append':
        s.see.append('f', 'x')
    elif what == 'read':
        s.see.read('f')
        with s.see.opened('f', os.O_RDWR) as fd:
            mmap.mmap(fd, 8 * MIB).close()
    else:
        with s.see.opened('f', os.O_RDWR) as fd:
            call('fallocate', fd, 3, ctypes.c_long(MIB), ctypes.c_long(4 * MIB))
    syncfs(s.mnt)
    ok(used(s.private) - before <= 64 << 10, f'{used(s.private) - before} bytes more')


# ---- durability ------------------------------------------------------------

@test(smoke=True, layer=True)
def fsync_reaches_the_private_tree(s):
    "after fsync map and data are in the private tree"
    s.host.write('f', pattern(10 * PAGE))
    with s.see.opened('f', os.O_RDWR) as fd:
        os.pwrite(fd, b'S' * PAGE, 3 * PAGE)
        os.fsync(fd)
        with open(the_map(s), 'rb') as f:
            head = f.read(512)
            f.seek(4096)
            record = f.read(4096)
        eq(struct.unpack_from('<IIIHBB', head), (1, 512, 0x504d4553, 1, 2, 12),
           'header')
        eq(struct.unpack_from('<QQ', head, 32), (10 * PAGE, 10 * PAGE), 'size and limit')
        eq(struct.unpack_from('<IIQ', record), (2, 4096, 0), 'record')
        eq(struct.unpack_from('<Q', record, 32)[0], 1 << 6, 'states')
        with open(the_map(s)[:-3] + 'object', 'rb') as f:
            f.seek(3 * PAGE)
            eq(f.read(PAGE), b'S' * PAGE, 'data')


@test(layer=True)
def background_writeback(s):
    "without any sync the data get there in time"
    s.host.write('f', pattern(10 * PAGE))
    old = {}
    for name, value in (('dirty_expire_centisecs', '100'),
                        ('dirty_writeback_centisecs', '50')):
        with open(f'/proc/sys/vm/{name}') as f:
            old[name] = f.read()
        with open(f'/proc/sys/vm/{name}', 'w') as f:
            f.write(value)
    try:
        s.see.pwrite('f', b'S' * PAGE, 3 * PAGE)
        for _ in range(100):
            if maps(s) and used(the_map(s)[:-4]) >= 3 * PAGE:
                break
            time.sleep(0.2)
        with open(the_map(s), 'rb') as f:
            eq(struct.unpack_from('<QQ', f.read(512), 32), (10 * PAGE, 10 * PAGE),
               'size and limit')
    finally:
        for name, value in old.items():
            with open(f'/proc/sys/vm/{name}', 'w') as f:
                f.write(value)


@test(layer=True)
def many_chunks(s):
    "blocks all over a large file survive a remount"
    blocks = 200 << 8
    sparse(s, 'large', blocks * PAGE)
    rng, want = random.Random(5), {}
    with s.see.opened('large', os.O_RDWR) as fd:
        for i in range(200):
            block = rng.choice([rng.randrange(blocks), 16255, 16256, 32511, 32512,
                                blocks - 1])
            want[block] = rng.randbytes(PAGE)
            os.pwrite(fd, want[block], block * PAGE)
            if i % 20 == 0:
                os.fsync(fd)
                mapped = mmap.mmap(fd, PAGE, offset=block * PAGE)
                mapped[0:1] = b'm'
                want[block] = b'm' + want[block][1:]
                mapped.close()
    for _ in s.stages():
        with s.see.opened('large') as fd:
            for block, data in want.items():
                eq(os.pread(fd, PAGE, block * PAGE), data, f'block {block}')
                if block + 1 not in want:
                    eq(os.pread(fd, PAGE, (block + 1) * PAGE).strip(b'\0'), b'',
                       f'behind block {block}')


@test(layer=True, over=('part', 'attrs', 'holes', 'cut'))
def host_drops_the_file(s, how):
    "a changed file whose host object goes is kept, complete"
    data = bytearray(pattern(MIB) + bytes(2 * MIB) + pattern(MIB + 77, 2))

    def make():
        with opened(s.host.path('dir/f'), os.O_RDWR | os.O_CREAT) as fd:
            os.pwrite(fd, data[:MIB], 0)
            os.pwrite(fd, data[3 * MIB:], 3 * MIB)
            os.fsync(fd)
    s.host._do(make)
    if how == 'attrs':
        s.see.chmod('dir/f', 0o600)
    else:
        s.see.pwrite('dir/f', b'SEE', MIB - 1)
        data[MIB - 1:MIB + 2] = b'SEE'
    if how == 'holes':
        with s.see.opened('dir/f', os.O_RDWR) as fd:
            call('fallocate', fd, 3, ctypes.c_long(100), ctypes.c_long(MIB // 2))
        data[100:100 + MIB // 2] = bytes(MIB // 2)
    elif how == 'cut':
        s.see.truncate('dir/f', 3 * MIB + 100)
        del data[3 * MIB + 100:]
    s.host.unlink('dir/f')
    for _ in s.stages():
        s.see.holds('dir/f', bytes(data))
    with open(the_map(s), 'rb') as f:
        eq(f.read(512)[14], 1, 'data is full')
    s.see.append('dir/f', 'more')
    for _ in s.stages():
        s.see.holds('dir/f', bytes(data) + b'more')


TIB = 1 << 40


@test(layer=True)
def host_drops_a_huge_hole(s):
    "what is kept of a sparse file costs what was written to it"
    sparse(s, 'f', TIB)
    s.see.pwrite('f', b'SEE', TIB // 2)
    s.host.unlink('f')
    s.umount()
    ok(used(s.private) <= 256 << 10, f'{used(s.private)} bytes in the private tree')
    for _ in s.stages():
        eq(s.see.stat('f').st_size, TIB, 'size')
        with s.see.opened('f') as fd:
            eq(os.lseek(fd, 0, os.SEEK_DATA), TIB // 2, 'first data')
            eq(os.lseek(fd, TIB // 2, os.SEEK_HOLE), TIB // 2 + PAGE, 'next hole')
            eq(os.pread(fd, 5, TIB // 2 - 1), b'\0SEE\0', 'around the write')
            eq(os.pread(fd, PAGE, TIB - PAGE), bytes(PAGE), 'end')


@test(layer=True)
def punch_a_huge_hole(s):
    "zeros up to the end are free, others are bounded"
    sparse(s, 'f', TIB)

    def punch(fd, off, end):
        call('fallocate', fd, 3, ctypes.c_long(off), ctypes.c_long(end - off))

    with s.see.opened('f', os.O_RDWR) as fd:
        os.pwrite(fd, b'w' * 3 * PAGE, 5 * MIB)
        os.fsync(fd)
        before = used(s.private)
        raises(errno.EOPNOTSUPP, punch, fd, MIB, TIB - MIB)
        punch(fd, 2 * MIB + 7, 4 * MIB)
        punch(fd, 5 * MIB + PAGE, TIB)
        os.fsync(fd)
    ok(used(s.private) - before <= 64 << 10, f'{used(s.private) - before} bytes more')
    s.host.pwrite('f', b'host', 3 * MIB)
    s.host.pwrite('f', b'host', 5 * MIB - 4)
    for at in (5 * MIB + PAGE, 6 * MIB, TIB // 2, TIB - 4):
        s.host.pwrite('f', b'host', at)
    for _ in s.stages():
        with s.see.opened('f') as fd:
            eq(os.pread(fd, 4, 3 * MIB), bytes(4), 'first hole')
            eq(os.pread(fd, PAGE + 8, 5 * MIB - 4), b'host' + b'w' * PAGE + bytes(4),
               'before the second hole')
            for at in (6 * MIB, TIB // 2, TIB - 4):
                eq(os.pread(fd, 4, at), bytes(4), f'at {at}')


@test(layer=True)
def host_drops_a_large_file_at_unmount(s):
    "to keep it takes more memory than may be dirty, and no flusher comes"
    size = 48 * MIB
    data = bytearray(pattern(MIB) * (size // MIB))
    s.host.write('f', bytes(data))
    s.see.pwrite('f', b'S', 0)
    data[:1] = b'S'
    with dirty_limits(dirty_bytes=8 * MIB, dirty_background_bytes=2 * MIB):
        s.host.unlink('f')
        s.umount()
    s.mount()
    s.see.holds('f', bytes(data))


# ---- what is on disk is not trusted ----------------------------------------

def damage(at, form, *values):
    return lambda f: (f.seek(at), f.write(struct.pack('<' + form, *values)))


DAMAGE = {
    'kind': damage(0, 'I', 7),
    'length': damage(4, 'I', 256),
    'magic': damage(8, 'I', 0),
    'version': damage(12, 'H', 2),
    'data': damage(14, 'B', 9),
    'block-size': damage(15, 'B', 9),
    'incompat': damage(24, 'Q', 1),
    'size': damage(32, 'Q', 1 << 63),
    'huge-size': damage(32, 'Q', (1 << 64) - 1),
    'limit': damage(40, 'Q', 1 << 40),
    'full': damage(14, 'B', 1),
    'reserved': damage(500, 'B', 1),
    'record-kind': damage(4096, 'I', 1),
    'record-length': damage(4100, 'I', 512),
    'record-index': damage(4104, 'Q', 3),
    'record-reserved': damage(4112, 'Q', 1),
    'record-state': damage(4096 + 32, 'Q', 3 << 6),
    'record-cut': lambda f: f.truncate(4096 + 100),
}


@test(layer=True, over=tuple(DAMAGE))
def damaged_map(s, what):
    "a damaged map is refused with EUCLEAN, and nothing else happens"
    data = pattern(10 * PAGE)
    s.host.write('f', data)
    s.see.pwrite('f', b'S' * PAGE, 3 * PAGE)
    s.umount()
    with open(the_map(s), 'r+b') as f:
        before = f.read()
        DAMAGE[what](f)
    # who meets it, the mount or the file, is for the tree to say
    error = error_of(s.mount)
    if not error:
        error = error_of(s.see.read, 'f')
        eq(s.see.read('file'), b'file\n', 'another file')
        s.umount()
    eq(ename(error), 'EUCLEAN', 'error')
    with open(the_map(s), 'wb') as f:
        f.write(before)
    s.mount()
    s.see.holds('f', data[:3 * PAGE] + b'S' * PAGE + data[4 * PAGE:])


@test(layer=True, over=('empty', 'zeros', 'no-header', 'none'))
def unfinished_map(s, what):
    "a map that a crash cut short before its first sync says nothing"
    data = pattern(10 * PAGE)
    s.host.write('f', data)
    s.see.chmod('f', 0o600)
    s.see.pwrite('f', b'S' * PAGE, 3 * PAGE)
    s.umount()
    with open(the_map(s), 'r+b') as f:
        if what == 'empty':
            f.truncate(0)
        elif what == 'zeros':
            f.write(bytes(8192))
        elif what == 'no-header':
            f.write(bytes(512))
        else:
            f.seek(14)
            f.write(b'\0')
    s.mount()
    for _ in s.stages():
        s.see.holds('f', data)
    s.see.pwrite('f', b'again', 10 * PAGE)
    for _ in s.stages():
        s.see.holds('f', data + b'again')


@test(layer=True)
def bits_beyond_the_end(s):
    "a map with blocks beyond the size, which a crash can leave"
    data = pattern(10 * PAGE)
    s.host.write('f', data)
    s.see.pwrite('f', b'S' * 3 * PAGE, 3 * PAGE)
    s.umount()
    with open(the_map(s), 'r+b') as f:
        damage(32, 'QQ', 4 * PAGE, 4 * PAGE)(f)
    s.mount()
    want = data[:3 * PAGE] + b'S' * PAGE
    for _ in s.stages():
        s.see.holds('f', want)
    s.see.truncate('f', 10 * PAGE)
    for _ in s.stages():
        s.see.holds('f', want + bytes(6 * PAGE))


# ---- no space --------------------------------------------------------------

def room(s):
    st = os.statvfs(s.private)
    return min(st.f_bavail, st.f_bfree - st.f_blocks // 20) * st.f_frsize


def fill(s, leave):
    """Take space in the private tree's file system from outside."""
    with opened(f'{s.second.fs}/filler', os.O_RDWR | os.O_CREAT) as fd:
        size = os.fstat(fd).st_size
        os.posix_fallocate(fd, 0, size + room(s) - leave)
    time.sleep(1.1)     # the module looks once a second


def empty(s):
    os.truncate(f'{s.second.fs}/filler', 0)
    syncfs(s.private)
    time.sleep(1.1)


def store_to_all(s, name, size):
    """Store to each page of a mapping, in a process that gets SIGBUS when there is no space."""
    pid = os.fork()
    if pid == 0:
        with s.see.opened(name, os.O_RDWR) as fd:
            mapped = mmap.mmap(fd, size)
            for at in range(0, size, PAGE):
                mapped[at] = 1
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    eq(status & 127, signal.SIGBUS, 'status of the storing process')


@test(layer=True, private=('other',), over=('write', 'mmap', 'append'))
def enospc_when_written(s, how):
    "a host file: ENOSPC when it is written, and what was written can be synced"
    size = 32 * MIB
    if how == 'append':
        s.host.write('f', 'x')
    else:
        sparse(s, 'f', size)
    s.see.pwrite('f', b'w', 0)
    syncfs(s.mnt)
    fill(s, 8 * MIB)
    chunk, done = pattern(64 << 10), 0
    with s.see.opened('f', os.O_RDWR) as fd:
        if how == 'mmap':
            store_to_all(s, 'f', size)
            done = 8 * MIB
        else:
            try:
                while done < size:
                    done += os.pwrite(fd, chunk, done)
            except OSError as e:
                eq(e.errno, errno.ENOSPC, 'write')
        ok(4 * MIB < done <= 9 * MIB, f'{done} bytes were written')
        os.fsync(fd)
        raises((0, errno.ENOSPC), os.pwrite, fd, chunk, done)
        os.fsync(fd)
        empty(s)
        os.pwrite(fd, chunk, done)
        os.fsync(fd)
    if how != 'mmap':
        for _ in s.stages():
            with s.see.opened('f') as fd:
                for at in range(0, done, len(chunk)):
                    want = chunk[:min(len(chunk), done - at)]
                    eq(os.pread(fd, len(want), at), want, f'at {at}')


@test(layer=True, private=('other',))
def enospc_when_written_back(s):
    "the host takes the space: fsync says so, and a later one succeeds"
    sparse(s, 'f', 64 * MIB)
    s.see.pwrite('f', b'w', 0)
    syncfs(s.mnt)
    data = pattern(16 * MIB)
    with s.see.opened('f', os.O_RDWR) as fd:
        os.pwrite(fd, data, MIB)
        with opened(f'{s.second.fs}/filler', os.O_RDWR | os.O_CREAT) as filler:
            st = os.statvfs(s.private)
            os.posix_fallocate(filler, 0, st.f_bavail * st.f_frsize - 2 * MIB)
            with contextlib.suppress(OSError):
                while os.write(filler, bytes(MIB)):
                    os.lseek(filler, 0, os.SEEK_END)
        raises(errno.ENOSPC, os.fsync, fd)
        eq(os.pread(fd, len(data), MIB), data, 'content meanwhile')
        drop_caches()
        eq(os.pread(fd, len(data), MIB), data, 'content after drop_caches')
        empty(s)
        os.fsync(fd)
    # which reports it, too, to whoever asks first
    raises((0, errno.ENOSPC), syncfs, s.mnt)
    for _ in s.stages():
        with s.see.opened('f') as fd:
            eq(os.pread(fd, len(data), MIB), data, 'content')


def dying(s, script, ending):
    """A shell with the only mount of the layer, at MNT; it says up, and ends after a line."""
    return subprocess.Popen(
        ['unshare', '-m', 'sh', '-c',
         f'mount -t seefs -o lower={s.lower},private={s.private} none {s.mnt} && cd {s.mnt} && '
         f'{script[0]} && echo up && read x && {script[1]} && {ending}'],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def let_die(child, status):
    child.communicate('\n')
    eq(child.returncode, status, 'how it ended')


ENDS = {'exits': ('exit 7', 7), 'killed': ('kill -9 $$', -9)}


@test(smoke=True, layer=True, over=list(ENDS))
def dropped_before_the_dying_changed_it(s, how):
    "who unmounts makes a container first, and has no root directory any more"
    s.host.write('f', pattern(MIB))
    with s.host.together():
        child = dying(s, ('exec 3<>f', 'printf SEE >&3'), ENDS[how][0])
        eq(child.stdout.readline(), 'up\n', 'start')
        s.host.replace('f', 'of the host\n')
        let_die(child, ENDS[how][1])
    for _ in s.stages():
        s.see.holds('f', 'of the host\n')


@test(layer=True, private=('other',), over=list(ENDS))
def kept_by_the_dying(s, how):
    "there was no space when the host dropped a changed file: unmount completes it"
    data = pattern(MIB)
    s.host.write('f', data)
    with s.host.together(), opened('/dev/kmsg', os.O_RDONLY | os.O_NONBLOCK) as log:
        os.lseek(log, 0, os.SEEK_END)
        child = dying(s, ('printf SEE 1<>f', ':'), ENDS[how][0])
        eq(child.stdout.readline(), 'up\n', 'start')
        with opened(f'{s.second.fs}/filler', os.O_RDWR | os.O_CREAT) as filler:
            st = os.statvfs(s.private)
            os.posix_fallocate(filler, 0, st.f_bavail * st.f_frsize)
            os.lseek(filler, 0, os.SEEK_END)
            with contextlib.suppress(OSError):
                while os.write(filler, bytes(PAGE)):
                    pass
        s.host.replace('f', 'of the host\n')
        said = ''
        while 'could not be completed: error -28' not in said:
            ok(select.select([log], [], [], 60)[0], 'nobody says that it could not be completed')
            said = os.read(log, 8192).decode()
        empty(s)
        let_die(child, ENDS[how][1])
    for _ in s.stages():
        s.see.holds('f', b'SEE' + data[3:])


@test(layer=True, private=('other',))
def enospc_born(s):
    "a file made in the SEE leaves the host its floor, too"
    s.see.write('new', 'x')
    fill(s, 8 * MIB)
    done, chunk = 0, pattern(64 << 10)
    with s.see.opened('new', os.O_RDWR) as fd:
        try:
            while done < 64 * MIB:
                done += os.pwrite(fd, chunk, done)
                if done % MIB == 0:
                    os.fsync(fd)
        except OSError as e:
            eq(e.errno, errno.ENOSPC, 'write')
        ok(4 * MIB < done < 12 * MIB, f'{done} bytes were written')
        os.pwrite(fd, b'over', 0)
        os.fsync(fd)
        raises(errno.ENOSPC, call, 'fallocate', fd, 0, ctypes.c_long(0),
               ctypes.c_long(200 * MIB))


@test(layer=True, private=('other',), over=('write', 'mmap', 'copy'))
def enospc_born_holes(s, how):
    "filling the holes of a sparse file leaves the host its floor, too"
    size = 48 * MIB
    s.see.write('new', 'x')
    s.see.truncate('new', size)
    s.host.write('from', pattern(64 << 10))
    fill(s, 8 * MIB)

    done = 0
    with s.see.opened('new', os.O_RDWR) as fd, s.see.opened('from') as source:
        if how == 'mmap':
            store_to_all(s, 'new', size)
        try:
            while how != 'mmap' and done < size:
                if how == 'copy':
                    done += os.copy_file_range(source, fd, 64 << 10, 0, done)
                else:
                    done += os.pwrite(fd, pattern(64 << 10), done)
                if done % MIB == 0:
                    os.fsync(fd)
        except OSError as e:
            eq(e.errno, errno.ENOSPC, 'write')
        os.fsync(fd)
        taken = os.fstat(fd).st_blocks * 512
        ok(4 * MIB < taken < 14 * MIB, f'{taken} bytes were taken')
        os.pwrite(fd, b'over', 100)
        os.fsync(fd)


# ---- memory ----------------------------------------------------------------

@test(layer=True)
def throttled(s):
    "more dirty data than may be: writers wait for writeback, and go on"
    size = max(16, scaled(48)) * MIB
    sparse(s, 'f', 2 * size)
    with dirty_limits(dirty_bytes=16 * MIB, dirty_background_bytes=4 * MIB), \
            s.see.opened('f', os.O_RDWR) as fd:
        mapped = mmap.mmap(fd, 2 * size)
        for i in range(size // MIB):
            os.pwrite(fd, bytes([i % 251 + 1]) * MIB, i * MIB)
            for at in range(size + i * MIB, size + (i + 1) * MIB, PAGE):
                mapped[at] = at // PAGE % 251 + 1
        drop_caches()
        for i in range(size // MIB):
            eq(mapped[i * MIB + 17], i % 251 + 1, f'MiB {i}')
        for at in range(size, 2 * size, PAGE):
            eq(mapped[at], at // PAGE % 251 + 1, f'store at {at}')
        mapped.close()
        os.fsync(fd)


main()
