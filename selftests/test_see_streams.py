#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Standard input, output and error of seectl run: as without it, and no doors."""
import resource
import tty

from sees import *

NAMES = 'stdin', 'stdout', 'stderr'
STREAMS = {name: number for number, name in enumerate(NAMES)}
# What a hostile program tries with a descriptor: on itself, and as opened again.
ATTACK = '''
import os, sys
n = int(sys.argv[1])
def attempt(function, *args):
    try:
        return function(*args)
    except OSError:
        return -1
def attack(fd):
    attempt(os.fchmod, fd, 0o4755)
    attempt(os.fchown, fd, 3, 3)
    attempt(os.utime, fd, (1, 1))
    attempt(os.setxattr, fd, 'user.evil', b'1')
    attempt(os.ftruncate, fd, 1)
    attempt(os.pwrite, fd, b'evil', 0)
attack(n)
link = f'/proc/self/fd/{n}'
for flags in os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_PATH:
    fd = attempt(os.open, link, flags | os.O_NONBLOCK | os.O_NOCTTY)
    if fd >= 0 and flags == os.O_PATH:
        attempt(os.chmod, f'/proc/self/fd/{fd}', 0o4755)
        attempt(os.chown, f'/proc/self/fd/{fd}', 3, 3)
    elif fd >= 0:
        attack(fd)
attempt(os.truncate, link, 0)
attempt(os.chmod, link, 0o4755)
if n and len(sys.argv) > 2:
    os.write(n, b'out\\n')
if not n and len(sys.argv) > 2:
    assert os.read(n, 100) == b'in\\n'
sys.exit(7)
'''


def with_streams(streams, *command, status=0, over=(), **kwargs):
    """seectl run with these descriptors as streams; what goes through those that remain."""
    given = {name: subprocess.PIPE for name in NAMES[1:]} | {'stdin': subprocess.DEVNULL} | streams
    child = subprocess.Popen(['seectl', 'run', '--abort', *over, '--', *command], cwd='/', **given, **kwargs)
    out, err = child.communicate(timeout=120)
    eq(child.returncode, status, f'status of {command[0]}, output {out!r}, errors {err!r}')
    return out, err


def attack(name, fd, *how):
    with_streams({name: fd}, 'python3', '-c', ATTACK, str(STREAMS[name]), *how, status=7)


def look(path):
    st = os.lstat(path)
    return st.st_mode, st.st_uid, st.st_gid, st.st_size, st.st_mtime_ns, xattrs(path)


def prepare(h, name='f'):
    h.tree.write(name, 'host\n', mode=0o640)
    h.tree.chown(name, 7, 8)
    h.tree.utime(name, 10 ** 18, 10 ** 18)
    return h.path(name)


# ---- doors -----------------------------------------------------------------

READING = {'stdin': os.O_RDONLY, 'stdin_and_more': os.O_RDWR, 'stdout': os.O_RDONLY,
           'stderr': os.O_RDONLY}


@test(over=READING)
def file_to_read(h, how):
    "of the host: through no stream that may read it, its attributes or bytes are changed"
    path = prepare(h)
    with h.unchanged((h.dir,)), opened(path, READING[how]) as fd:
        attack(how.split('_')[0], fd)


WRITING = {name: os.O_WRONLY for name in NAMES} | {'stdout_and_more': os.O_RDWR,
                                                   'stderr_append': os.O_WRONLY | os.O_APPEND}


@test(smoke=True, over=WRITING)
def file_to_write(h, how):
    "of the host: is written to, and that is all"
    path = prepare(h)
    mode, uid, gid, *_ = look(path)
    name = how.split('_')[0]
    with opened(path, WRITING[how]) as fd:
        os.lseek(fd, 5, os.SEEK_SET)
        attack(name, fd, *(['through'] if name != 'stdin' else []))
        eq(os.lseek(fd, 0, os.SEEK_CUR), len(h.tree.read('f')), 'place in the file')
    # pwrite() to a pipe is an error
    eq(h.tree.read('f'), b'host\n' + (b'out\n' if name != 'stdin' else b''), 'contents')
    now = look(path)
    eq((now[:3], now[5]), ((mode, uid, gid), {}), 'attributes')


@test(over=STREAMS)
def terminal(h, name):
    "of the host: what goes through it does, and it has the mode and owner that it had"
    master, slave = os.openpty()
    tty.setraw(slave)
    os.fchmod(slave, 0o620)
    before = os.fstat(slave)
    for flags in os.O_RDWR, os.O_RDWR | os.O_NONBLOCK, (os.O_WRONLY if STREAMS[name] else os.O_RDONLY):
        with opened(os.ttyname(slave), flags | os.O_NOCTTY) as fd:
            os.write(master, b'in\n')
            attack(name, fd, 'through')
            if STREAMS[name]:
                eq(os.read(slave, 100), b'in\n', 'input')
                got = b''
                while not got.endswith(b'out\n'):
                    got += os.read(master, 100)
    now = os.fstat(slave)
    eq((now.st_mode, now.st_uid, now.st_gid), (before.st_mode, before.st_uid, before.st_gid), 'terminal')
    os.close(master)
    # one that is gone: whatever it was, it is that for the command, too
    with_streams({name: slave}, 'true')
    os.close(slave)


@test(over=STREAMS)
def fifo(h, name):
    "of the host: as a terminal"
    os.mkfifo(h.path('p'), 0o640)
    os.chown(h.path('p'), 7, 8)
    before = look(h.path('p'))
    other = os.open(h.path('p'), os.O_RDWR)
    for flags in os.O_RDWR, (os.O_WRONLY if STREAMS[name] else os.O_RDONLY):
        with opened(h.path('p'), flags) as fd:
            os.write(other, b'in\n')
            attack(name, fd, 'through')
            if STREAMS[name]:
                eq(os.read(other, 100)[-4:], b'out\n', 'output')
    eq((look(h.path('p'))[:3], xattrs(h.path('p'))), (before[:3], {}), 'the FIFO')
    os.close(other)


@test()
def fifo_without_reader(h):
    "is SIGPIPE, as without seectl; its blocking mode is as it was"
    os.mkfifo(h.path('p'))
    reader = os.open(h.path('p'), os.O_RDONLY | os.O_NONBLOCK)
    with opened(h.path('p'), os.O_WRONLY) as fd:
        mode = 'import fcntl; print(fcntl.fcntl(1, fcntl.F_GETFL) & 0o4003)'
        with_streams({'stdout': fd}, 'python3', '-c', mode)
        eq(os.read(reader, 100), b'1\n', 'flags')
        os.close(reader)
        with_streams({'stdout': fd}, 'sh', '-c', 'echo x; exit 3', status=141)


@test()
def no_such_stream(h):
    "what cannot be given without its mount is refused, and nothing runs"
    prepare(h)
    master, slave = os.openpty()
    gone = os.open(h.path('gone'), os.O_CREAT | os.O_RDONLY)
    os.unlink(h.path('gone'))
    for name in NAMES:
        for path, flags in ('f', os.O_PATH), ('', os.O_RDONLY), ('', os.O_PATH):
            with opened(h.path(path), flags) as fd:
                with_streams({name: fd}, 'touch', '/srv/ran', status=125)
        for fd in master, gone:
            with_streams({name: fd}, 'touch', '/srv/ran', status=125)
    for fd in master, slave, gone:
        os.close(fd)


# ---- as without seectl -----------------------------------------------------

@test(smoke=True)
def order(h):
    "of what goes to one file by two streams is kept; the file's place is shared with others"
    script = 'i=0; while [ $((i += 1)) -le 300 ]; do echo o$i; echo e$i >&2; done; exit 5'
    want = ''.join(f'o{i}\ne{i}\n' for i in range(1, 301))
    for how, more in ('>f', ''), ('>>f', 'host\n'):
        h.tree.write('f', 'host\n')
        done = run('sh', '-c', f'{{ echo a; seectl run --abort -- sh -c "$1"; echo $?; }} {how} 2>&1', 'sh',
                   script, cwd=h.dir)
        eq(done, '', 'the rest')
        h.tree.holds('f', f'{more}a\n{want}5\n', how)
    run('sh', '-c', 'seectl run --abort -- sh -c "$1" >out 2>err || echo $? >status', 'sh', script, cwd=h.dir)
    h.tree.holds('out', ''.join(f'o{i}\n' for i in range(1, 301)))
    h.tree.holds('err', ''.join(f'e{i}\n' for i in range(1, 301)))
    h.tree.holds('status', '5\n')


@test()
def much(h):
    "several MiB, and what is left in the pipe when the command has ended"
    with open(h.path('f'), 'wb') as f:
        with_streams({'stdout': f}, 'python3', '-c', '''
import os, sys
for i in range(600000):
    print(f'{i:09}')
sys.stdout.flush()
if not os.fork():
    os.setsid()
    os.execlp('sleep', 'sleep', '1000')     # has the pipe open, and is killed
os._exit(0)
''')
    h.tree.holds('f', ''.join(f'{i:09}\n' for i in range(600000)))


@test()
def closed_early(h):
    "by the command, and by the caller"
    with open(h.path('f'), 'w') as f:
        with_streams({'stdout': f}, 'sh', '-c', 'echo 1; exec >/dev/null; echo 2; exit 3', status=3)
    h.tree.holds('f', '1\n')
    run('sh', '-c', 'seectl run --abort -- sh -c "echo 1; exit 4" >&- 2>&-', status=4)


@test()
def full(h):
    "a full device or file is an error of the command's, and of run if it did not see it"
    with open('/dev/full', 'w') as f:
        _, err = with_streams({'stdout': f}, 'sh', '-c', 'echo x', status=1)
        ok(b'No space left' in err or b'I/O error' in err, f'{err!r}')
    os.mkdir(h.path('small'))
    mount('none', h.path('small'), 'tmpfs', 0, 'size=64k')
    try:
        with open(h.path('small/f'), 'w') as f:
            _, err = with_streams({'stdout': f}, 'yes', status=141)
            ok(b'standard output' in err and b'No space left' in err, f'{err!r}')
            eq(os.path.getsize(h.path('small/f')), 64 << 10, 'size')
            _, err = with_streams({'stdout': f}, 'echo', 'x', status=125)
            with_streams({'stdout': f}, 'sh', '-c', 'echo x; exit 9', status=9)
    finally:
        umount(h.path('small'), MNT_DETACH)
    with open(h.path('f'), 'w') as f:
        limit = {'preexec_fn': lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))}
        with_streams({'stdout': f}, 'yes', status=141, **limit)
    eq(os.path.getsize(h.path('f')), 2 << 20, 'size under a limit')


@test()
def passed_on(h):
    "to another run in the same SEE: nobody waits for it, or reads what it writes then"
    keeper = '''
import array, os, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind('sock')
s.listen()
print('up', flush=True)
c, _ = s.accept()
_, [(_, _, fds)], *_ = c.recvmsg(1, socket.CMSG_SPACE(4))
fd = array.array('i', fds)[0]
os.set_blocking(fd, False)
c.send(b'x')
c.recv(1)
try:
    while True:
        os.write(fd, b'late')
except OSError as e:
    print(type(e).__name__, flush=True)
'''
    giver = '''
import array, socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect('sock')
s.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [1]))])
s.recv(1)
print('done')
'''
    args = ['seectl', 'run', 'x', '--keep', '--', 'python3', '-c']
    child = subprocess.Popen([*args, keeper], stdout=subprocess.PIPE, text=True, cwd=h.dir)
    eq(child.stdout.readline(), 'up\n', 'start')
    with open(h.path('f'), 'w') as f:
        giving = subprocess.run([*args, giver], stdout=f, stderr=subprocess.PIPE, cwd=h.dir, timeout=120)
    eq(giving.returncode, 0, f'{giving.stderr!r}')
    out, _ = child.communicate(timeout=60)
    ok(out == 'BrokenPipeError\n', out)
    ok(h.tree.read('f').startswith(b'done\n') or b'late' in h.tree.read('f'), 'file')
    ok(len(h.tree.read('f')) <= (1 << 20) + 5, 'no more than a pipe')
    seectl('abort', 'x')


@test()
def device(h):
    "has its place, and is not another by the time that it is opened"
    with opened('/dev/zero') as zero, opened('/dev/null', os.O_WRONLY) as null:
        with_streams({'stdin': zero, 'stdout': null}, 'sh', '-c', 'head -c 10 >&1; test -c /dev/stdout')
    h.tree.write('f', '0123456789')
    with opened(h.path('f')) as fd:
        os.lseek(fd, 4, os.SEEK_SET)
        eq(with_streams({'stdin': fd}, 'cat')[0], b'456789', 'from its place')


@test()
def terminal_of_another(h):
    "as under su: a member's command has it, and can do no more with it than before"
    master, slave = os.openpty()
    tty.setraw(slave)
    os.fchmod(slave, 0o600)
    os.mkdir(h.path('mine'))
    os.chown(h.path('mine'), MEMBER, MEMBER)

    def become():
        os.setgroups(as_member()['gids'])
        os.setresgid(MEMBER, MEMBER, MEMBER)
        os.setresuid(MEMBER, MEMBER, MEMBER)
    before = look(os.ttyname(slave))
    with_streams({'stdout': slave, 'stdin': slave}, 'python3', '-c', ATTACK, '1', 'through', status=7,
                 over=('--over', h.path('mine')), preexec_fn=become)
    eq(os.read(master, 100)[-4:], b'out\n', 'output')
    eq(look(os.ttyname(slave))[:3], before[:3], 'terminal')
    os.close(slave)
    os.close(master)


main()
