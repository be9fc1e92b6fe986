#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""--size: a SEE occupies no more than that, whatever its processes do."""
from sees import *

MIB = 1 << 20
LIMIT = 8 * MIB

# What a script in the SEE may use.
TOOLS = '''
import ctypes, errno, mmap, os, sys
def fill(step):
    """Calls of step(i) until ENOSPC: how many."""
    for i in range(1 << 20):
        try:
            step(i)
        except OSError as e:
            if e.errno != errno.ENOSPC:
                raise
            return i
    return -1
def put(path, size, step=65536):
    """Appends to a file until ENOSPC or size: bytes."""
    done = 0
    with open(path, 'ab', 0) as f:
        try:
            while done < size:
                done += f.write(b'x' * min(step, size - done))
        except OSError as e:
            if e.errno != errno.ENOSPC:
                raise
    return done
'''


def inside(h, name, body, *args, **kwargs):
    """Python in a SEE that is kept: its output, as a Python value."""
    out = seectl('run', name, *args, '--keep', '--', 'python3', '-c', TOOLS + body, cwd=h.dir,
                 **kwargs).out
    return eval(out) if out else None


def small(h, name, body, limit=LIMIT):
    """As inside(), in a new SEE with a limit."""
    return inside(h, name, body, '--over', h.dir, '--size', str(limit))


def status(name):
    return json.loads(seectl('status', name, '--json').out)


def on_disk(name):
    """What the private trees really occupy, with what is not allocated yet."""
    os.sync()
    id = status(name)['id']
    places = [f'{STORE}/{id}'] + [f'{m}/.see' for m in ('/srv/small',) if os.path.isdir(f'{m}/.see')]
    return sum(int(line.split()[0]) for line in
               run('du', '-s', '--block-size=1', *places).splitlines())


def bounded(name, limit=LIMIT, least=0):
    """Neither what is counted nor what is there exceeds the limit."""
    used, disk = status(name)['used'], on_disk(name)
    # containers that were there before anything was written
    slack = 256 << 10
    ok(least <= used <= limit + slack, f'{used} bytes counted of {limit}')
    ok(disk <= limit + slack, f'{disk} bytes on disk, {used} counted, of {limit}')
    return used


@test()
def options(h):
    "units; what is no size, or for a SEE that is there, is refused; status has it"
    for size, bytes in (('1048576', MIB), ('1024K', MIB), ('3M', 3 * MIB), ('2G', 2 << 30), ('1T', 1 << 40)):
        seectl('create', 'x', '--over', h.dir, '--size', size)
        eq(status('x')['size'], bytes, size)
        ok(f'size       {bytes}, used ' in seectl('status', 'x').out, 'as text')
        seectl('abort', 'x')
    for size in ('', '0', '0K', '-1', '1x', '1.5G', 'M', '1KB', '9223372036854775808', '8388608T',
                 '1' * 40, ' 1'):
        for verb in ('create',), ('run',):
            done = seectl(*verb, '--size', size, *(['--', 'true'] if verb == ('run',) else []), status=125)
            ok('--size' in done.err, f'{size}: {done}')
    seectl('create', 'x')
    ok('size' not in status('x'), 'none was asked for')
    done = seectl('run', 'x', '--size', '1M', '--', 'true', status=125)
    ok('--size is for new ones' in done.err, f'{done}')
    seectl('abort', 'x')


@test(smoke=True)
def host_file(h):
    "overwriting one of the host's ends with ENOSPC; fsync has room for what was written"
    h.tree.write('f', b'h' * 4 * LIMIT)
    with h.unchanged():
        done = small(h, 'x', f'''
f = os.open('f', os.O_RDWR)
print(fill(lambda i: os.pwrite(f, b's' * 65536, i * 65536)))
os.fsync(f)
''')
        ok(LIMIT * 3 // 4 < done * 65536 <= LIMIT, f'{done} writes')
        bounded('x', least=LIMIT * 3 // 4)
        # what is private can be written again, and what is not cannot
        eq(inside(h, 'x', '''
f = os.open('f', os.O_RDWR)
os.pwrite(f, b't' * 65536, 65536)
try:
    os.pwrite(f, b't' * (1 << 20), 16 << 20)
except OSError as e:
    print(repr(errno.errorcode[e.errno]))
'''), 'ENOSPC', 'after a remount')
        seectl('abort', 'x')


@test()
def born_file(h):
    "appending ends with ENOSPC; removing and truncating give back"
    with h.unchanged():
        first, again, sparse, third, tail = small(h, 'x', '''
first = put('f', 1 << 30)
os.unlink('f')
again = put('g', 1 << 30)
os.truncate('g', 1 << 20)
os.truncate('g', 1 << 40)                       # a hole takes nothing
sparse = put('h', 1 << 20)
os.unlink('h')
third = put('h', 1 << 30)
try:
    os.posix_fallocate(os.open('g', os.O_RDWR), 1 << 30, 4 << 20)
    tail = ''
except OSError as e:
    tail = errno.errorcode[e.errno]
print((first, again, sparse, third, tail))
''')
        for what in (first, again):
            ok(LIMIT * 3 // 4 < what <= LIMIT, f'{what} bytes')
        eq(sparse, MIB, 'beside a sparse file')
        ok(LIMIT * 5 // 8 < third <= LIMIT - MIB, f'{third} bytes')
        eq(tail, 'ENOSPC', 'fallocate')
        bounded('x', least=LIMIT * 3 // 4)
        seectl('abort', 'x')


@test()
def large_writes(h):
    "what is too large for the limit is refused whole; others at the same time, too"
    with h.unchanged():
        small(h, 'x', '''
block = b'x' * (3 << 20)
for i in range(16):
    if not os.fork():
        f = os.open(f'f{i}', os.O_CREAT | os.O_WRONLY)
        fill(lambda i: os.write(f, block))
        os._exit(0)
for i in range(16):
    os.wait()
''')
        ok(status('x')['used'] >= 6 * MIB, 'two of them have room')
        bounded('x')
        seectl('abort', 'x')


NAMES = {
    'files': 'os.close(os.open(f"f{i}", os.O_CREAT | os.O_WRONLY))',
    'small files': 'f = os.open(f"f{i}", os.O_CREAT | os.O_WRONLY); os.write(f, b"x"); os.close(f)',
    'long names': 'os.close(os.open(f"{i:0200}", os.O_CREAT | os.O_WRONLY))',
    'directories': 'os.mkdir(f"d{i}")',
    'symlinks': 'os.symlink("x" * 4000, f"s{i}")',
    'fifos': 'os.mkfifo(f"p{i}")',
    'links': 'os.link("base", f"{i:0200}")',
    'links of the host': 'os.link("host", f"{i:0200}")',
    'deep': 'os.mkdir("d"); os.chdir("d")',
    'xattrs': 'i % 20 or os.close(os.open(f"f{i // 20}", os.O_CREAT | os.O_WRONLY)); '
              'os.setxattr(f"f{i // 20}", f"user.{i}", b"x" * 100)',
    'open files': 'kept.append(os.open(".", os.O_TMPFILE | os.O_WRONLY)); os.write(kept[-1], b"x" * 65536)',
    'unlinked files': 'kept.append(os.open("f", os.O_CREAT | os.O_WRONLY)); os.unlink("f"); '
                      'os.write(kept[-1], b"x" * 65536)',
    'mapped files': 'f = os.open("f", os.O_CREAT | os.O_RDWR); os.write(f, b"x" * 65536); '
                    'kept.append(mmap.mmap(f, 65536)); os.close(f); os.unlink("f")',
}


@test(over=tuple(NAMES))
def many(h, what):
    "whatever they are, there are only so many; removed they give back"
    h.tree.write('host', 'host\n')
    with h.unchanged():
        first, second = small(h, 'x', f'''
import resource, shutil
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
kept = []
os.mkdir('top')
open('top/base', 'w').close()
os.link('host', 'top/host')
top = os.getcwd() + '/top'
def step(i):
    {NAMES[what]}
def round():
    os.chdir(top)
    n = fill(step)
    os.chdir(top)
    if {what in ('open files', 'unlinked files')}:
        for fd in kept:
            os.close(fd)
    kept.clear()
    for name in os.listdir('.'):
        if name not in ('base', 'host'):
            shutil.rmtree(name) if os.path.isdir(name) and not os.path.islink(name) else os.unlink(name)
    return n
print((round(), round()))
''', limit=2 * MIB)
        ok(4 <= first <= 20 * 2 * MIB // 4096, f'{first} at first')
        # directories of ext4 do not shrink
        ok(second >= first * 3 // 4, f'{first} at first, then {second}')
        bounded('x', limit=2 * MIB)
        seectl('abort', 'x')


@test()
def directories_that_do_not_shrink(h):
    "names made and removed in ever new directories: what those occupy counts"
    with h.unchanged():
        n = small(h, 'x', '''
def step(i):
    os.mkdir(f'd{i}')
    for j in range(150):
        os.close(os.open(f'd{i}/{j:0200}', os.O_CREAT | os.O_WRONLY))
    for j in range(150):
        os.unlink(f'd{i}/{j:0200}')
print(fill(step))
''', limit=2 * MIB)
        ok(n > 10, f'{n} directories')
        bounded('x', limit=2 * MIB)
        seectl('abort', 'x')


@test(smoke=True)
def mapped(h):
    "a store that would take more than there is gets SIGBUS: host file, hole of a born one"
    h.tree.write('f', b'h' * 2 * LIMIT)
    with h.unchanged():
        for prepare in ('name = "f"', 'name = "g"; os.close(os.open(name, os.O_CREAT | os.O_RDWR)); '
                        f'os.truncate(name, {2 * LIMIT})'):
            signal_, pages = small(h, 'x', f'''
{prepare}
shared = mmap.mmap(-1, 4096)
pid = os.fork()
if not pid:
    import resource
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    f = os.open(name, os.O_RDWR)
    m = mmap.mmap(f, {2 * LIMIT})
    for i in range({2 * LIMIT // 4096}):
        m[i * 4096] = 1
        shared[0:4] = i.to_bytes(4, 'little')
    os._exit(0)
_, status = os.waitpid(pid, 0)
os.sync()
print((os.WTERMSIG(status), int.from_bytes(shared[0:4], 'little')))
''')
            eq(signal_, signal.SIGBUS, 'signal')
            ok(LIMIT * 3 // 4 < pages * 4096 <= LIMIT, f'{pages} pages')
            bounded('x', least=LIMIT * 3 // 4)
            seectl('abort', 'x')


@test()
def removing_works_at_the_limit(h):
    "of the SEE's own and of the host's; the shell can still leave"
    os.mkdir(h.path('d'))
    for i in range(20):
        h.tree.write(f'd/f{i}', 'host\n')
    with h.unchanged():
        left, again = small(h, 'x', '''
import shutil
put('f', 1 << 30)
fill(lambda i: os.close(os.open(f'e{i}', os.O_CREAT | os.O_WRONLY)))
shutil.rmtree('d')
left = os.listdir('.')
os.unlink('f')
print((sorted(n for n in left if n[0] != 'e'), put('f', 1 << 20)))
''')
        eq((left, again), (['f'], MIB), 'what is left')
        seectl('abort', 'x')


@test(smoke=True)
def over_a_remount(h):
    "what is there counts when the SEE is opened again, by another daemon too"
    h.tree.write('f', b'h' * 4 * MIB)
    h.tree.write('x', 'host\n')
    seectl('create', 'x', '--over', h.dir, '--size', str(LIMIT))
    inside(h, 'x', '''
f = os.open('f', os.O_RDWR)
os.pwrite(f, b's' * (1 << 20), 1 << 20)
os.setxattr('x', 'user.a', b'x' * 1000)
put('born', 1 << 20)
os.link('born', 'too')
os.makedirs('a/b/c')
for i in range(100):
    put(f'a/b/f{i}', 1000)
    os.setxattr(f'a/b/f{i}', 'user.a', b'y' * 50)
os.symlink('x' * 1000, 'a/s')
os.rename('x', 'y')
os.truncate('a/b/f0', 1 << 30)
''')
    used = status('x')['used']
    ok(3 * MIB > used > 2 * MIB + 100 * 8192, f'{used} bytes')
    for how in (), ('systemctl', 'restart', 'seed'):
        if how:
            run(*how)
        near = status('x')['used']
        ok(abs(near - used) <= 65536, f'{used} bytes before, {near} after {how}')
    first = status('x')['used']
    eq(status('x')['used'], first, 'nothing happened')
    done = inside(h, 'x', "print(put('more', 1 << 30))")
    ok(LIMIT - used - MIB < done <= LIMIT - used, f'{done} bytes more, after {used}')
    bounded('x', least=LIMIT * 3 // 4)
    inside(h, 'x', "os.unlink('more')")
    near = status('x')['used']
    ok(abs(near - first) <= 65536, f'{first} bytes before, {near} after')
    seectl('abort', 'x')


@test()
def layers_together(h):
    "share the limit; statfs shows it"
    fs = '/srv/small'
    with file_system(h, fs, 128 * MIB):
        first, second, size, free, again = inside(h, 'x', f'''
first = put('f', 5 << 20)
second = put('{fs}/f', 1 << 30)
st = os.statvfs('{fs}')
os.unlink('f')
print((first, second, st.f_blocks * st.f_frsize, st.f_bfree * st.f_frsize, put('{fs}/g', 4 << 20)))
''', '--over', h.dir, '--over', fs, '--size', str(LIMIT))
        eq((first, again, size), (5 * MIB, 4 * MIB, LIMIT), 'sizes')
        ok(2 * MIB < second <= 3 * MIB, f'{second} bytes in the second')
        ok(free < MIB, f'{free} bytes free')
        bounded('x', least=LIMIT * 3 // 4)
        seectl('abort', 'x')
    os.rmdir(fs)


main()
