#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""seectl run: the command runs for real, and nothing of it reaches the host."""
from sees import *


# ---- as without seectl -----------------------------------------------------

@test(smoke=True)
def writes_stay_inside(h):
    "what a command writes, it reads; the host is as before, down to ctimes"
    h.tree.write('file', 'host\n')
    with h.unchanged():
        out = seectl('run', 'x', '--', 'sh', '-ec', f'''
            cd {h.dir}
            echo more >>file
            mkdir -p new/deep; echo n >new/deep/f
            rm /etc/fstab; chmod 700 /etc/hostname; mv /etc/issue /etc/issue.old
            ln /etc/passwd /etc/passwd.link; chown 7:7 /etc/group
            cat file new/deep/f; ls /etc/fstab 2>&1 || true''').out
        eq(out.splitlines()[:3], ['host', 'more', 'n'], 'output')
        got = {p: c['change'] for p, c in changes('x').items()}
        want = {f'{h.dir}/file': 'data', f'{h.dir}/new': 'made', f'{h.dir}/new/deep': 'made',
                f'{h.dir}/new/deep/f': 'made', '/etc/fstab': 'removed',
                '/etc/hostname': 'attr', '/etc/issue': 'removed', '/etc/issue.old': 'linked',
                '/etc/passwd.link': 'linked', '/etc/group': 'attr'}
        eq(got, want, 'changes')
        eq(seectl('run', 'x', '--keep', '--', 'cat', h.path('file')).out, 'host\nmore\n',
           'in a second run')
        seectl('abort', 'x')


@test(smoke=True)
def exit_status(h):
    "that of the command; 126, 127 as env(1); 128+n for signals; 125 for seectl"
    for script, status in (('true', 0), ('exit 1', 1), ('exit 7', 7), ('exit 125', 125),
                           ('kill -9 $$', 137), ('kill -TERM $$', 143)):
        h.inside(script, status=status)
    seectl('run', '--abort', '--', '/no/such/program', status=127)
    seectl('run', '--abort', '--', 'no-such-program', status=127)
    seectl('run', '--abort', '--', '/etc/passwd', status=126)
    seectl('run', '--abort', '--', '/etc', status=126)
    for bad in (['run'], ['run', '--'], ['run', 'true'], ['run', '--bogus', '--', 'true'],
                ['run', '--net', 'host', '--', 'true'],
                ['run', '--keep', '--abort', '--', 'true'], ['run', 'a/b', '--', 'true'],
                ['run', '--over', '/no/such', '--', 'true'],
                ['run', '--over', '/proc', '--', 'true'], ['bogus'], []):
        done = seectl(*bad, status=125)
        ok('seectl' in done.err and not done.out, f'{bad}: {done}')


@test()
def mounts_that_cannot_be_covered(h):
    "FAT, as /boot/efi is: left out, and said; what is written goes beneath; not for --over"
    subprocess.run(['modprobe', '-q', 'vfat'])
    where = h.path('efi')
    fat_image(h.path('image'))
    h.tree.mkdir('efi')
    subprocess.run(['mount', '-o', 'loop', h.path('image'), where], check=True)
    try:
        Tree(where).write('boot', 'host\n')
        before = fingerprint(where)
        done = seectl('run', 'x', '--keep', '--', 'sh', '-ec', f'ls {where}; echo x >{where}/new')
        eq(done.out, '', 'what shows')
        ok(f'{where} (vfat): no lasting file handles' in done.err, f'not said: {done}')
        eq({p: c['change'] for p, c in changes('x').items()}, {f'{where}/new': 'made'}, 'changes')
        seectl('abort', 'x')
        done = seectl('run', 'x', '--over', where, '--', 'true', status=125)
        ok('no lasting file handles' in done.err, f'not said: {done}')
        same_tree(fingerprint(where), before, 'the file system')
    finally:
        umount(where)


@test()
def environment(h):
    "environment, working directory, arguments, standard input, umask, groups"
    script = 'pwd; echo "$A|$1|$2"; cat; umask; id -u; hostname; tty || true'
    env = dict(os.environ, A='a b\n"c"')
    done = seectl('run', '--abort', '--', 'sh', '-c', script, 'sh', 'x  y', '', cwd=h.dir,
                  stdin='input\n', env=env)
    eq(done.out, f'{h.dir}\na b\n"c"|x  y|\ninput\n0022\n0\n{socket.gethostname()}\n'
       'not a tty\n', 'output')
    eq(h.inside('grep -E "^(Sig(Blk|Ign)|Shd)" /proc/self/status').out,
       run('sh', '-c', 'grep -E "^(Sig(Blk|Ign)|Shd)" /proc/self/status', cwd='/'),
       'signals')


@test()
def signals_reach_the_command(h):
    "what is sent to seectl is handed on"
    for name in ('TERM', 'INT', 'HUP', 'USR1'):
        script = f'trap "echo got {name}; exit 9" {name}; echo up; while :; do sleep 0.05; done'
        child = subprocess.Popen(['seectl', 'run', '--abort', '--', 'sh', '-c', script],
                                 stdout=subprocess.PIPE, text=True, cwd='/')
        eq(child.stdout.readline(), 'up\n', 'start')
        child.send_signal(getattr(signal, f'SIG{name}'))
        eq((child.stdout.read(), child.wait()), (f'got {name}\n', 9), name)


@test()
def killed_seectl(h):
    "with seectl the command dies; the SEE is kept"
    child = subprocess.Popen(['seectl', 'run', 'x', '--', 'sh', '-c',
                              f'echo 1 >{h.dir}/f; echo up; sleep 1000'],
                             stdout=subprocess.PIPE, text=True, cwd='/')
    eq(child.stdout.readline(), 'up\n', 'start')
    id = listing()[0]['id']
    ok(see_processes(id), 'there are processes')
    child.kill()
    child.wait()
    wait_for('the processes to die', lambda: not see_processes(id))
    eq(list(changes('x')), [f'{h.dir}/f'], 'changes')
    seectl('abort', 'x')


@test(smoke=True)
def left_in_the_background(h):
    "what the command left running is gone when run returns; other runs go on"
    other = subprocess.Popen(['seectl', 'run', 'x', '--keep', '--', 'sh', '-c', 'echo up; read x'],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd='/')
    eq(other.stdout.readline(), 'up\n', 'start')
    id = listing()[0]['id']
    before = see_processes(id)
    ok(before, 'there are processes')
    for _ in range(1 if SMOKE else 5):
        seectl('run', 'x', '--keep', '--', 'sh', '-c', """
            for i in 1 2 3 4 5 6 7 8; do
                setsid sh -c 'trap "" HUP INT TERM; while :; do sleep 1; done' &
            done""")
        eq(see_processes(id), before, 'processes')
    other.communicate('\n')
    eq((other.returncode, see_processes(id)), (0, []), 'the other run')
    seectl('abort', 'x')


@test()
def terminal(h):
    "asks at the end; the interrupt key is for the command; job control works"
    script = f'echo 1 >{h.dir}/f; tty; trap "echo caught; exit 5" INT; echo up; sleep 100 & wait'
    status, seen = on_terminal(['seectl', 'run', 'x', '--', 'sh', '-c', script],
                               [('up', '\x03'), ('(s)how? ', 's\n'), ('(s)how? ', 'a\n')])
    eq(status, 5, f'exit status, seen {seen!r}')
    eq(state('x'), None, 'after "a"')
    # exec: a shell that waits in vfork for a child that was stopped cannot be stopped.
    # A stopped job takes its time to die, and bash does not leave before it knows.
    status, seen = on_terminal(['seectl', 'run', 'y', '--', 'bash', '--norc', '-i'],
                               [('# ', "sh -c 'echo on''ward; exec sleep 100'\n"), ('onward', '\x1a'),
                                ('Stopped', 'kill -KILL %1; disown -a; exit 4\n'),
                                ('(s)how? ', 'k\n')])
    eq((status, state('y') is None), (4, False), 'shell')
    seectl('abort', 'y')


# ---- doors -----------------------------------------------------------------

def try_inside(h, body, *args, **kwargs):
    """Python in a SEE: 'tries' a list of names and functions, gives errno names."""
    program = f'''
import ctypes, errno, fcntl, os, socket, sys, termios
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *args):
    if getattr(libc, name)(*args) < 0:
        raise OSError(ctypes.get_errno(), name)
def syscall(*args):
    call('syscall', *args)
def attempt(name, function, *args):
    try:
        function(*args)
        print(name, 'success')
    except OSError as e:
        print(name, errno.errorcode.get(e.errno, e.errno))
def write(path, text=''):
    with open(path, 'w') as f:
        f.write(text)
{body}
'''
    done = seectl('run', '--abort', *args, '--', 'python3', '-c', program, cwd=h.dir, **kwargs)
    return dict(line.split(' ', 1) for line in done.out.splitlines())


@test(smoke=True)
def sockets_and_fifos_of_the_host(h):
    "none can be connected to: by path, abstract, over the network, through a FIFO"
    listeners = []
    for where in (h.path('sock'), '/tmp/see-sock', '/run/see-sock', '\0see-abstract'):
        s = socket.socket(socket.AF_UNIX)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(where.replace('\0', '/no/'))
        s.bind(where)
        s.listen()
        listeners.append((where, s))
    tcp = socket.create_server(('127.0.0.1', 0))
    os.mkfifo(h.path('fifo'))
    reader = os.open(h.path('fifo'), os.O_RDONLY | os.O_NONBLOCK)
    got = try_inside(h, f'''
for where in {[w for w, _ in listeners]!r}:
    attempt(repr(where), socket.socket(socket.AF_UNIX).connect, where)
attempt('tcp', socket.create_connection, ('127.0.0.1', {tcp.getsockname()[1]}), 5)
attempt('outside', socket.create_connection, ('192.0.2.1', 80), 5)
attempt('fifo', os.open, 'fifo', os.O_WRONLY | os.O_NONBLOCK)
attempt('vsock', socket.socket, 40)
attempt('netlink', socket.socket, socket.AF_NETLINK, socket.SOCK_RAW)
print('interfaces', sorted(os.listdir('/sys/class/net')))
print('bus', os.path.exists('/run/systemd') or os.path.exists('/run/dbus'))
''')
    os.unlink('/tmp/see-sock')
    os.unlink('/run/see-sock')
    for where, _ in listeners:
        ok(got[repr(where)] in ('ECONNREFUSED', 'ENOENT'), f'{where!r}: {got[repr(where)]}')
    eq([got[k] for k in ('tcp', 'outside', 'fifo', 'vsock', 'netlink', 'interfaces', 'bus')],
       ['ECONNREFUSED', 'ENETUNREACH', 'ENXIO', 'EAFNOSUPPORT', 'success', "['lo']", 'False'],
       'the rest')
    eq(os.read(reader, 10), b'', 'what came through the FIFO')


@test(smoke=True)
def the_kernel(h):
    "nothing of the machine can be set: /proc, /sys, modules, clocks, keys, terminals"
    with open('/proc/sys/kernel/core_pattern') as f:
        pattern = f.read()
    mode = os.stat('/dev/null').st_mode
    got = try_inside(h, f'''
attempt('core_pattern', write, '/proc/sys/kernel/core_pattern', '|/bin/false')
attempt('sysrq', write, '/proc/sysrq-trigger', 'h')
attempt('sys', write, '/sys/power/state', 'x')
attempt('remount', call, 'mount', b'none', b'/proc/sys', None, 4096 | 32, None)
attempt('mount', call, 'mount', b'none', b'/mnt', b'tmpfs', 0, None)
attempt('umount', call, 'umount2', b'/proc/sys', 2)
attempt('unshare', call, 'unshare', 0x10000000)
attempt('clone', syscall, 56, 0x10000000 | 17, 0, 0, 0, 0)
attempt('clone3', syscall, 435, 0, 0)
attempt('setns', call, 'setns', 0, 0)
attempt('keyctl', syscall, 250, 0, -3, 0)
attempt('add_key', syscall, 248, 0, 0, 0, 0, 0)
attempt('init_module', syscall, 175, 0, 0, 0)
attempt('kexec', syscall, 246, 0, 0, 0, 0)
attempt('bpf', syscall, 321, 0, 0, 0)
attempt('perf', syscall, 298, 0, 0, 0, 0, 0)
attempt('userfaultfd', syscall, 323, 0)
attempt('handle', syscall, 304, 0, 0, 0)
attempt('settime', syscall, 164, 0, 0)
attempt('reboot', call, 'reboot', 0)
attempt('swapon', call, 'swapon', b'/dev/null', 0)
attempt('open_tree', syscall, 428, -100, b'/', 0)
attempt('mknod', os.mknod, 'node', 0o60600, os.makedev(254, 0))
attempt('chmod', os.chmod, '/dev/null', 0o600)
attempt('null', write, '/dev/null', 'x')
attempt('kmsg', open, '/proc/kmsg')
attempt('kcore', open, '/proc/kcore')
attempt('see', open, '/dev/see')
attempt('sethostname', call, 'sethostname', b'x', 1)
for what, number in (('TIOCSTI', 0x5412), ('TIOCLINUX', 0x541c)):
    attempt(what, fcntl.ioctl, 0, number, b'x')
''')
    eq(got.pop('core_pattern'), 'EROFS', '/proc/sys')
    eq(got.pop('sysrq'), 'EROFS', '/proc/sysrq-trigger')
    ok(got.pop('sys') in ('EROFS', 'ENOENT'), '/sys')
    eq(got.pop('clone3'), 'ENOSYS', 'clone3')
    eq(got.pop('chmod'), 'EROFS', 'mode of /dev/null')
    eq(got.pop('null'), 'success', '/dev/null')
    eq(got.pop('see'), 'ENOENT', '/dev/see')
    eq({k: v for k, v in got.items() if v not in ('EPERM', 'EACCES') and (k, v) != ('kcore', 'ENOENT')},
       {}, 'allowed')
    with open('/proc/sys/kernel/core_pattern') as f:
        eq(f.read(), pattern, 'core_pattern')
    eq(os.stat('/dev/null').st_mode, mode, 'mode of /dev/null')


@test(smoke=True)
def io_uring(h):
    "is not there: through it a socket of any family could be made unseen by the filter"
    got = try_inside(h, '''
buffer = ctypes.create_string_buffer(120)       # struct io_uring_params
attempt('setup', syscall, 425, 1, buffer)
attempt('enter', syscall, 426, 0, 0, 0, 0, 0, 0)
attempt('register', syscall, 427, 0, 0, 0, 0)
''')
    eq(got, dict.fromkeys(('setup', 'enter', 'register'), 'ENOSYS'), 'io_uring')


@test()
def capabilities(h):
    "those of the contract, in every set, and none to be gained"
    got = dict(line.split(':\t') for line in
               h.inside('grep -E "^(Cap|NoNew|Seccomp:)" /proc/self/status').out.splitlines())
    want = f'{0x800405fb:016x}'
    eq(got, {'CapInh': '0' * 16, 'CapPrm': want, 'CapEff': want, 'CapBnd': want,
             'CapAmb': '0' * 16, 'NoNewPrivs': '1', 'Seccomp': '2'}, 'capabilities')


@test()
def proc_is_covered(h):
    "nothing in /proc that is not a process's can be written to, by the owner of it all"
    out = h.inside(r'''
        find /proc -maxdepth 1 ! -name "[0-9]*" ! -type l -perm /222 -writable ! -path /proc |
        while read f; do
            case $(stat -f -c %T "$f") in proc) ;; *) continue;; esac
            [ -d "$f" ] && ! touch "$f/x" 2>/dev/null && continue
            echo "$f"
        done
        grep " proc " /proc/self/mounts | grep -v " /proc proc" | grep -v " proc ro," || true''').out
    eq(out, '', 'writable')


@test()
def processes_of_the_host(h):
    "are neither seen nor signalled; nor are message queues and shared memory"
    sleeper = subprocess.Popen(['sleep', '1000'])
    run('ipcmk', '-M', '4096', '-Q', '-S', '1')
    Tree('/dev/shm').write('of-the-host', 'x')
    try:
        ok('0x' in run('ipcs'), 'the host has no such things')
        out = h.inside(f"""kill -9 {sleeper.pid} 2>/dev/null && echo killed
            cat /proc/[0-9]*/comm 2>/dev/null | grep -x sleep
            ipcs | grep 0x; ls -A /dev/shm; kill -9 -1; true""").out
        eq(out, '', 'what is seen of the host')
        ok(sleeper.poll() is None, 'the host process was killed')
    finally:
        sleeper.kill()
        sleeper.wait()
        run('ipcrm', '--all')
        os.unlink('/dev/shm/of-the-host')


@test()
def name_spaces(h):
    "there is none that a command has in common with the host, but that of its clock"
    def of(lines):
        return dict(line.split(':') for line in lines.split())
    script = 'readlink /proc/self/ns/*'
    host, see = of(run('sh', '-c', script)), of(h.inside(script).out)
    eq({kind for kind in host if host[kind] == see[kind]} - {'time', 'time_for_children'}, set(),
       'name spaces of the host')
    eq(set(see), set(host), 'kinds of name spaces')


@test()
def inherited_descriptors(h):
    "a file given as input cannot be written to; no other descriptor goes along"
    h.tree.write('in', 'host\n')
    probe = 'cat; ls /proc/self/fd; (echo bad >/proc/self/fd/0) 2>&1; ls -l /proc/1/fd'
    extra = os.open('/', os.O_RDONLY)
    os.set_inheritable(extra, True)
    with open(h.path('in')) as f:
        done = subprocess.run(['seectl', 'run', '--abort', '--', 'sh', '-c', probe], stdin=f,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              close_fds=False)
    os.close(extra)
    ok(done.stdout.startswith('host\n0\n1\n2\n3\n'), done.stdout)
    ok('Read-only file system' in done.stdout, done.stdout)
    h.tree.holds('in', 'host\n')
    with opened('/', os.O_RDONLY) as d:
        done = subprocess.run(['seectl', 'run', '--abort', '--', 'ls'], stdin=d,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    eq(done.returncode, 125, f'a directory as input: {done.stdout}')


@test()
def the_store_is_hidden(h):
    "no name leads there, none is listed; not even what /proc/self/mounts says"
    out = h.inside('ls -a /var/lib | grep -x see; ls -d /var/lib/see; '
                   'for d in $(sed -n "s/.*private=\\([^ ,]*\\).*/\\1/p" /proc/mounts); '
                   'do ls -d $d; done; cd /var/lib/see', status=None).out
    eq(out, '', 'found')


@test()
def hostile_script(h):
    "as root, over everything: the host as before, its processes alive"
    sleeper = subprocess.Popen(['sleep', '1000'])
    with h.unchanged():
        h.inside('''
            kill -9 -1 & chmod -R 777 /etc; chown -R 1 /root /home
            mount -t tmpfs none /mnt; mknod /tmp/disk b 254 0; cat /dev/zero >/tmp/disk &
            echo b >/proc/sysrq-trigger; echo 1 >/proc/sys/kernel/sysrq
            for f in /sys/class/block/*/device/delete; do echo 1 >$f; done
            find /proc /sys -type f -writable -maxdepth 3 2>/dev/null | head -500 |
                while read f; do (echo 1 >"$f") 2>/dev/null; done
            mv /usr/bin /usr/nib; ln -s /oldroot /run2; rm -rf --one-file-system /etc /home /root /boot /var
            rm -rf /usr/* 2>/dev/null''', status=None)
    ok(sleeper.poll() is None, 'a process of the host was killed')
    sleeper.kill()
    eq(run('systemctl', 'is-active', 'seed').strip(), 'active', 'seed')


@test()
def tree_that_deceives(h):
    "what the SEE did to /proc, /dev, /run and others harms nobody in the next run"
    os.mkdir(h.path('mnt'))
    with h.unchanged():
        for script in ('rmdir /proc; ln -s /oldroot/etc /proc', 'rmdir /dev; ln -s /srv /dev',
                       'mv /run /run2; ln -s /oldroot/srv /run', 'rmdir /sys; ln -s /etc /sys',
                       'rm -rf /usr/sbin; ln -s /oldroot/etc /usr/sbin'):
            # bubblewrap's own mounts keep these busy: do it through a mount
            name = seectl('create').out.strip()
            seectl('mount', name, h.path('mnt'))
            run('sh', '-c', script.replace(' /', f' {h.path("mnt")}/').replace(
                f'{h.path("mnt")}/oldroot', '/oldroot').replace(f'-s {h.path("mnt")}/', '-s /'),
                status=None)
            seectl('umount', h.path('mnt'))
            seectl('run', name, '--keep', '--', 'true', status=None)
            seectl('abort', name)


@test()
def network_user(h):
    "--net user reaches the outside; the host's loopback is not reached"
    need('pasta', 'ip')
    run('ip', 'netns', 'add', 'out')
    server = None
    try:
        run('sh', '-ec', '''
            ip link add v0 type veth peer name v1 netns out
            ip addr add 10.99.0.1/24 dev v0; ip link set v0 up
            ip -n out addr add 10.99.0.2/24 dev v1; ip -n out link set v1 up
            ip -n out link set lo up; ip route add default via 10.99.0.2''')
        serve = ('import socket; s = socket.create_server(("", 7777)); print("up", flush=True)\n'
                 'while 1: s.accept()[0].sendall(b"hello")')
        server = subprocess.Popen(['ip', 'netns', 'exec', 'out', 'python3', '-c', serve],
                                  stdout=subprocess.PIPE)
        server.stdout.readline()
        local = socket.create_server(('127.0.0.1', 0))
        got = try_inside(h, f'''
c = socket.create_connection(('10.99.0.2', 7777), 20)
print('outside', c.recv(5).decode())
attempt('loopback', socket.create_connection, ('127.0.0.1', {local.getsockname()[1]}), 5)
''', '--net', 'user')
        eq(got, {'outside': 'hello', 'loopback': 'ECONNREFUSED'}, 'connections')
    finally:
        if server:
            server.kill()
        run('ip', 'link', 'del', 'v0', status=None)
        run('ip', 'netns', 'del', 'out')


main()
