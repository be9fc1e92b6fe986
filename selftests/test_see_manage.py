#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""SEEs as things that are made, listed, looked at, kept over a restart, thrown away."""
from sees import *


def daemon():
    """Process id of seed, or None while it is not ready."""
    show = run('systemctl', 'show', '-p', 'ActiveState', '-p', 'MainPID', 'seed')
    got = dict(line.split('=', 1) for line in show.splitlines())
    return int(got['MainPID']) if got['ActiveState'] == 'active' else None


@test(smoke=True)
def life(h):
    "create, list, status, run, inspect, abort"
    eq(seectl('create', 'one').out, 'one\n', 'name')
    two = seectl('create').out.strip()
    eq([(see['name'], see['owner'], see['state']) for see in listing()],
       [('one', 0, 'idle'), (two, 0, 'idle')], 'list')
    keys = {'name', 'id', 'state', 'owner', 'created', 'processes', 'changes', 'bytes'}
    ok(all(set(see) == keys for see in listing()), 'keys')
    text = seectl('list').out.splitlines()
    eq([line.split()[0] for line in text], ['NAME', 'one', two], 'list as text')
    seectl('run', 'one', '--', 'sh', '-c', f'echo 12345 >{h.dir}/f')
    status = json.loads(seectl('status', 'one', '--json').out)
    eq(set(status), keys | {'version', 'layers'}, 'keys of status')
    eq((status['name'], status['processes'], status['changes']), ('one', 0, 1), 'status')
    ok({'path': '/', 'writable': True} in status['layers'], 'layers')
    eq(changes('one'), {f'{h.dir}/f': {
        'path': f'{h.dir}/f', 'change': 'made', 'old': None, 'conflicts': [], 'command': 'sh',
        'new': {'type': 'file', 'mode': '0644', 'uid': 0, 'gid': 0, 'size': 6}}}, 'changes')
    seectl('abort', 'one')
    eq([see['name'] for see in listing()], [two], 'after abort')
    eq(seectl('create', 'one').out, 'one\n', 'the name is free again')
    ids = [see['id'] for see in listing()]
    ok(len(set(ids)) == 2 and max(ids) > 2, f'ids {ids}')
    seectl('abort', 'one')
    seectl('abort', two)


@test()
def figures(h):
    "processes, changes and bytes of list and status; others' are not shown"
    def of(name, **kwargs):
        status = json.loads(seectl('status', name, '--json', **kwargs).out)
        entry = next(see for see in listing(**kwargs) if see['name'] == name)
        eq({k: status[k] for k in entry}, entry, 'list, and status')
        return tuple(entry[k] for k in ('processes', 'changes', 'bytes'))

    h.tree.write('file', 'host\n' * 100000)
    os.chown(h.dir, MEMBER, MEMBER)
    os.chown(h.path('file'), MEMBER, MEMBER)
    seectl('create', 'x', '--over', h.dir, **as_member())
    eq(of('x', **as_member()), (0, 0, 0), 'of a new one')
    script = f"""cd {h.dir}; printf x | dd of=file bs=1 seek=200000 conv=notrunc status=none
                 mkdir new; head -c 100000 /dev/zero >new/big; ln new/big new/same"""
    seectl('run', 'x', '--keep', '--', 'sh', '-ec', script, **as_member())
    processes, changed, used = of('x', **as_member())
    eq((processes, changed), (0, 2), 'processes and changes')
    ok(4096 + 100000 <= used <= 4096 + 100000 + 6 * 4096, f'it occupies {used} bytes')
    eq(of('x'), (0, 2, used), 'the same, for root')
    child = Child(lambda: os.execvp('seectl', ['seectl', 'run', 'x', '--keep', '--', 'sh', '-c',
                                               'echo; exec sleep 1000']),
                  uid=MEMBER, gids=as_member()['gids'])
    try:
        # not of(): the run is just starting
        wait_for('processes', lambda: listing(**as_member())[0]['processes'] > 0)
        for who in as_member(), {}:
            status = json.loads(seectl('status', 'x', '--json', **who).out)
            ok(status['processes'] > 0, f'processes in {status}')
    finally:
        os.kill(child.pid, signal.SIGTERM)
        os.waitpid(child.pid, 0)
    entry, = listing(uid=STRANGER)
    eq({'changes', 'bytes'} & set(entry), set(), 'what a stranger sees')
    eq(seectl('list', uid=STRANGER).out.splitlines()[1].split()[-2:], ['-', '-'],
       'what a stranger sees, as text')
    seectl('abort', 'x')


@test()
def errors(h):
    "each says what, where, why; nothing is left behind"
    seectl('create', 'taken')
    for args, *words in (
            (['create', 'taken'], 'taken'), (['create', '-x'], 'option'),
            (['create', '.x'], 'name'), (['create', 'a' * 64], 'name'), (['create', 'a', 'b'],),
            (['create', '--over', '/etc/passwd'], '/etc/passwd', 'Not a directory'),
            (['create', '--over', h.path('none')], h.path('none'), 'No such file'),
            (['create', '--over', '/sys/kernel'], '/sys'), (['create', '--over'],),
            (['run', 'taken', '--over', '/etc', '--', 'true'], 'taken', '--over'),
            (['status'],), (['status', 'none'], 'none', 'seectl list'), (['status', 'a', 'b'],),
            (['inspect'],), (['inspect', 'none'], 'none'), (['abort', 'none'], 'none'),
            (['inspect', 'taken', '--json', '--summary'],), (['list', 'x'],),
            (['diff', 'none'], 'none'), (['mount', 'taken'],), (['umount', h.dir], h.dir),
            (['mount', 'taken', h.path('none')], 'No such file'),
            (['mount', 'taken', h.dir, '--layer', '/nowhere'], '/nowhere'),
            (['status', 'a\x1b[2Jb'], '\\033[2J')):
        done = seectl(*(args if isinstance(args, list) else [args]), status=125)
        ok(not done.out and 'seectl' in done.err, f'{args}: {done}')
        for word in words:
            ok(word in done.err, f'{args}: no {word!r} in {done.err!r}')
        ok('\x1b' not in done.err, f'{args}: an escape in {done.err!r}')
    eq([see['name'] for see in listing()], ['taken'], 'SEEs')
    seectl('abort', 'taken')


@test(smoke=True)
def abort_kills(h):
    "whatever runs in the SEE dies, the layers answer EIO, and nothing is left"
    script = 'echo up; setsid sleep 1000 & setsid sleep 1000 & sleep 1000'
    with something_runs(h, script) as child:
        id = listing()[0]['id']
        wait_for('the processes', lambda: len(see_processes(id)) >= 4)
        os.mkdir(h.path('mnt'))
        seectl('mount', 'x', h.path('mnt'))
        with opened(h.path('mnt/etc/passwd'), os.O_RDONLY):
            seectl('abort', 'x')
            eq(see_processes(id), [], 'processes')
            child.wait()
            raises(errno.EIO, os.listdir, h.path('mnt/etc'))
        seectl('umount', h.path('mnt'))
    eq(listing(), [], 'SEEs')
    eq([n for n in os.listdir(STORE) if n.isdigit()], [], 'store')


@test()
def abort_of_much(h):
    "an abort does not wait for the disposal of many and deep directories"
    seectl('run', 'x', '--', 'python3', '-c', '''
import os
os.chdir('/srv')
for i in range(2000):
    open(f'f{i}', 'w').close()
for i in range(300):
    os.mkdir('d' * 100)
    os.chdir('d' * 100)
    open('f', 'w').close()
''')
    seectl('abort', 'x')
    ok(not os.path.exists('/srv/f0'), 'host')


@test(smoke=True)
def restart_of_the_daemon(h):
    "what runs goes on; the SEE is as it was, and a new descriptor has the same objects"
    h.tree.write('f', 'host\n')
    script = (f'echo up; echo 1 >>{h.dir}/f; while [ ! -e {h.dir}/go ]; do sleep 0.05; done; '
              f'cat {h.dir}/f; echo 2 >{h.dir}/late')
    with something_runs(h, script) as child:
        id = listing()[0]['id']
        wait_for('the change', lambda: changes('x'))
        for how in ('restart',), ('kill', '-s', 'KILL'):
            before = daemon()
            run('systemctl', *how, 'seed')
            wait_for('another daemon', lambda: daemon() not in (None, before))
            ok(see_processes(id), 'the processes live')
            eq(list(changes('x')), [h.path('f')], 'changes')
        os.mkdir(h.path('mnt'))
        seectl('mount', 'x', h.path('mnt'))
        Tree(h.path('mnt')).write(f'{h.dir}/go'[1:], '')
        eq(child.stdout.read(), 'host\n1\n', 'output')
        eq(child.wait(), 0, 'status')
        seectl('umount', h.path('mnt'))
    eq(set(changes('x')), {h.path(n) for n in ('f', 'go', 'late')}, 'changes')
    seectl('create', 'y')
    run('systemctl', 'restart', 'seed')
    eq([see['name'] for see in listing()], ['x', 'y'], 'SEEs')
    eq(len(changes('x')), 3, 'changes')
    seectl('abort', 'x')
    seectl('abort', 'y')


@test()
def without_the_daemon(h):
    "what it would answer fails at once and says how to start it"
    seectl('create', 'x')
    run('systemctl', 'stop', 'seed')
    try:
        eq(state('x'), 'idle', 'the list is the module\'s')
        for args in (['create'], ['run', '--', 'true'], ['inspect', 'x'], ['abort', 'x']):
            ok('systemctl start seed' in seectl(*args, status=125).err, f'{args}')
    finally:
        run('systemctl', 'start', 'seed')
    seectl('abort', 'x')


@test(smoke=True)
def run_that_does_not_start(h):
    "leaves no SEE that it made, named or not; one that was there stays"
    os.mkdir(h.path('bin'))
    for name in 'bwrap', 'sh':
        os.symlink(shutil.which(name), h.path(f'bin/{name}'))
    env = dict(os.environ, PATH=h.path('bin'))
    own = [shutil.which('seectl'), 'run']
    seectl('create', 'old')
    for name in [], ['new'], ['old']:
        done = subprocess.run([*own, *name, '--net', 'user', '--', 'sh', '-c', ':'], env=env, cwd='/',
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        ok(done.returncode == 125 and 'pasta' in done.stderr, f'{done}')
        eq([see['name'] for see in listing()], ['old'], f'SEEs after {name}')
    # out of descriptors, from as many as making a SEE needs to as many as a run does
    def limited(limit, *args):
        return subprocess.run(['prlimit', f'--nofile={limit}', own[0], *args], stdin=subprocess.DEVNULL,
                              capture_output=True, cwd='/')
    first = 4
    while limited(first, 'create', 'probe').returncode:
        first += 1
        seectl('abort', 'probe', status=None)
    seectl('abort', 'probe')
    failures = 0
    while True:
        name = ['new'] if failures % 2 else []
        done = limited(first + failures, 'run', *name, '--abort', '--', 'true')
        eq([see['name'] for see in listing()], ['old'], f'SEEs with {first + failures} descriptors: {done}')
        if not done.returncode:
            break
        failures += 1
    ok(failures > 3, f'{failures} failures')
    seectl('abort', 'old')


@test()
def interrupted_abort(h):
    "an abort that was begun is finished at the next start; nothing of the SEE is left"
    seectl('run', 'x', '--', 'sh', '-c', f'echo 1 >{h.dir}/f')
    id = listing()[0]['id']
    run('systemctl', 'stop', 'seed')
    meta = f'{STORE}/{id}/meta'
    with open(meta) as f:
        text = f.read()
    with open(meta, 'w') as f:
        f.write(text.replace('state kept', 'state aborting'))
    os.mkdir(f'{STORE}/trash-99-0')
    os.makedirs(f'{STORE}/trash-99-0/a/b')
    run('systemctl', 'start', 'seed')
    wait_for('the abort', lambda: not listing())


def answered(*args, status=0):
    """seectl, which must come to an end."""
    done = subprocess.run(['timeout', '-k', '5', '300', 'seectl', *args], cwd='/',
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    eq(done.returncode, status, f'{args}: {done.stdout}')


def waits_for_disk(pid):
    """A thread of the process does."""
    def state(task):
        with open(f'/proc/{pid}/task/{task}/stat') as f:
            return f.read().rsplit(')', 1)[1].split()[0]
    return 'D' in [state(task) for task in os.listdir(f'/proc/{pid}/task')]


@test()
def abort_during_a_copy(h):
    "which is made since the host removed a file that the SEE changed"
    for _ in range(3):
        run('dd', 'if=/dev/zero', f'of={h.path("big")}', 'bs=1M', 'count=48', 'status=none')
        with something_runs(h, 'echo x >>big; echo up; sleep 1000') as child:
            h.tree.unlink('big')
            seectl('abort', 'x')
            child.wait()
        eq(seefs_mounts(), [], 'mounts')


@test()
def trash_of_others(h):
    "that takes long to remove, or for ever, delays nobody's requests"
    far, near = h.path('far'), h.path('near')
    os.mkdir(near)
    with file_system(h, far, 16 << 20):
        run('systemctl', 'stop', 'seed')
        os.mkdir(f'{far}/.see', 0o700)
        os.setxattr(f'{far}/.see', 'trusted.see.store', b'1')
        os.makedirs(f'{far}/.see/trash-99-0/a')
        # what is removed there waits until it is thawed; nobody is to call that a hang
        knob = '/proc/sys/kernel/hung_task_timeout_secs'
        with open(knob) as f:
            before = f.read()
        Tree('').write(knob, '0')
        run('fsfreeze', '-f', far)
        try:
            run('systemctl', 'start', 'seed')
            wait_for('the remover to be at work', lambda: waits_for_disk(daemon()))
            for n in range(3):
                answered('create', '--over', near, 'y')
                answered('create', '--over', near, 'y', status=125)
                answered('run', 'y', '--keep', '--', 'sh', '-c', f'echo {n} >{near}/f')
                answered('commit', 'y', *('--criterion', 'writes'))
                h.tree.holds('near/f', f'{n}\n')
                answered('abort', 'y')
            ok(os.path.isdir(f'{far}/.see/trash-99-0/a'), 'the trash is there')
        finally:
            run('fsfreeze', '-u', far)
            Tree('').write(knob, before)
        wait_for('the store to go', lambda: not os.path.exists(f'{far}/.see'))


@test()
def damaged_store(h):
    "a damaged meta file is left alone, and disturbs no other SEE"
    seectl('create', 'x')
    seectl('create', 'y')
    id = listing()[0]['id']
    run('systemctl', 'stop', 'seed')
    meta = f'{STORE}/{id}/meta'
    with open(meta) as f:
        good = f.read()
    try:
        for bad in ('', 'see-meta 2\n', good.replace('end\n', ''), good.replace('name x', 'name ../x'),
                    good + '\0'):
            with open(meta, 'w') as f:
                f.write(bad)
            run('systemctl', 'restart', 'seed')
            ok('y' in [see['name'] for see in listing()], 'the other SEE')
            done = seectl('status', 'x', status=125)
            ok(done.err.startswith('seectl: '), f'{done}')
    finally:
        with open(meta, 'w') as f:
            f.write(good)
        run('systemctl', 'restart', 'seed')
    seectl('status', 'x')
    # an SEE whose making was interrupted
    os.mkdir(f'{STORE}/77777')
    run('systemctl', 'restart', 'seed')
    wait_for('removal', lambda: not os.path.exists(f'{STORE}/77777'))
    seectl('abort', 'x')
    seectl('abort', 'y')


@test(smoke=True)
def members_of_the_group(h):
    "cover directories that they own, and nothing else; strangers nothing"
    mine, other = h.path('mine'), h.path('other')
    for path, uid in ((mine, MEMBER), (other, STRANGER)):
        os.mkdir(path)
        Tree(path).write('f', 'host\n')
        os.chown(path, uid, uid)
        os.chown(f'{path}/f', uid, uid)
    member, stranger = as_member(), {'uid': STRANGER, 'gids': [STRANGER]}
    with h.unchanged():
        out = seectl('run', 'm', '--over', mine, '--', 'sh', '-c',
                     'id -u; echo 1 >>f; cat f; echo 2 >new; touch ../other/f ../x 2>&1; '
                     'grep CapEff /proc/self/status', cwd=mine, **member).out
    lines = out.splitlines()
    eq(lines[:3], [str(MEMBER), 'host', '1'], 'output')
    eq(sum('Read-only file system' in x or 'Permission denied' in x for x in lines), 2,
       f'refused: {out}')
    eq(lines[-1], 'CapEff:\t0000000000000000', 'capabilities')
    got = json.loads(seectl('inspect', 'm', '--json', **member).out)['changes']
    eq({c['path']: c['change'] for c in got}, {f'{mine}/f': 'data', f'{mine}/new': 'made'}, 'changes')
    for args in (['create', '--over', other], ['create', '--over', '/'], ['create'],
                 ['run', '--over', mine, '--over', '/etc', '--', 'true']):
        seectl(*args, status=125, **member)
    for args in (['create', '--over', other], ['inspect', 'm'], ['abort', 'm'], ['status', 'm']):
        seectl(*args, status=125, **stranger)
    seectl('create', '--over', mine, status=125, uid=MEMBER, gids=[])
    os.mkdir(h.path('mnt'))
    seectl('mount', 'm', h.path('mnt'), status=125, **member)
    eq(json.loads(seectl('status', 'm', '--json').out)['owner'], MEMBER, 'root may look')
    seectl('abort', 'm', **member)


@test()
def rights_belong_to_descriptors(h):
    "from within a SEE, or another pid or mount name space, nothing can be done"
    out = h.inside('seectl list 2>&1; seectl create 2>&1', status=None).out
    ok('sees' not in out and out.count('seectl: ') == 2, out)
    done = run('unshare', '-p', '-f', 'seectl', 'create', status=125)
    ok('seectl: ' in done, done)
    done = run('unshare', '-m', 'seectl', 'create', status=125)
    ok('mount name space' in done, done)


@test(smoke=True)
def mounted_by_the_administrator(h):
    "seectl mount shows the SEE, one layer or all; umount takes it away"
    os.makedirs(h.path('fs'))
    mount('none', h.path('fs'), 'tmpfs')
    try:
        Tree(h.path('fs')).write('f', 'host\n')
        os.mkdir(h.path('mnt'))
        seectl('create', 'x')
        seectl('mount', 'x', h.path('mnt'))
        see = Tree(h.path('mnt'))
        see.write('etc/from-mount', '1')
        see.append(f'{h.dir}/fs/f'[1:], 'more\n')
        ok(not os.path.exists('/etc/from-mount'), 'host')
        Tree(h.path('fs')).holds('f', 'host\n')
        eq(set(changes('x')), {'/etc/from-mount', h.path('fs/f')}, 'changes')
        seectl('umount', h.path('mnt'))
        eq(seefs_mounts(), [], 'mounts')
        seectl('mount', 'x', h.path('mnt'), '--layer', h.path('fs'))
        see.holds('f', 'host\nmore\n')
        seectl('umount', h.path('mnt'))
        seectl('abort', 'x')
    finally:
        umount(h.path('fs'), MNT_DETACH)


@test(smoke=True)
def set_id_of_a_mounted_see(h):
    "is shown, and gives nobody anything: seectl mount is nosuid"
    os.mkdir(h.path('mnt'))
    os.mkdir(h.path('fs'))
    mount('none', h.path('fs'), 'tmpfs')
    try:
        seectl('run', 'x', '--', 'sh', '-ec', 'for d in . fs; do cp /usr/bin/id $d; chmod 6755 $d/id; done',
               cwd=h.dir)
        for args, below in ((), h.dir[1:]), (('--layer', h.path('fs')), ''):
            seectl('mount', 'x', h.path('mnt'), *args)
            see = Tree(f'{h.dir}/mnt/{below}')
            for name in ('id', 'fs/id') if below else ('id',):
                eq(see.mode(name), 0o6755, 'mode')
                eq(run('setpriv', '--reuid', str(MEMBER), '--regid', str(MEMBER), '--clear-groups',
                       see.path(name), '-u').strip(), str(MEMBER), 'user')
            with open('/proc/self/mounts') as f:
                flags = [set(line.split()[3].split(',')) for line in f if line.split()[2] == 'seefs']
            ok(flags and all({'nosuid', 'nodev'} <= one for one in flags), f'{flags}')
            seectl('umount', h.path('mnt'))
        seectl('abort', 'x')
    finally:
        umount(h.path('fs'), MNT_DETACH)


@test()
def other_file_systems(h):
    "the store of a writable file system lies on it, hidden, and goes with the last SEE"
    fs = h.path('fs')
    with file_system(h, fs, 256 << 20):
        Tree(fs).write('f', 'host\n')
        seectl('run', 'x', '--', 'sh', '-ec', f'cd {fs}; echo 1 >f; echo 2 >g; ls -a | grep see && exit 9 || true')
        ok(os.path.isdir(f'{fs}/.see'), 'store')
        eq(stat.S_IMODE(os.stat(f'{fs}/.see').st_mode), 0o700, 'mode')
        eq(set(changes('x')), {f'{fs}/f', f'{fs}/g'}, 'changes')
        seectl('abort', 'x')
        wait_for('removal of the store', lambda: not os.path.exists(f'{fs}/.see'))
        # a directory of that name that is not ours is left alone
        os.mkdir(f'{fs}/.see')
        Tree(fs).write('.see/x', 'x')
        seectl('run', '--abort', '--', 'sh', '-c', f'echo 1 >{fs}/f')
        Tree(fs).holds('.see/x', 'x')
        # a SEE whose directory has gone can be aborted
        seectl('create', 'y')
    done = seectl('status', 'y', status=125)
    ok(fs in done.err, f'{done}')
    seectl('abort', 'y')


@test()
def differences(h):
    "diff shows text as unified diff, a line for the rest, and metadata"
    h.tree.write('text', 'one\ntwo\nthree\n')
    h.tree.write('gone', 'was\n')
    h.tree.write('binary', bytes(range(256)))
    h.tree.write('mode', '')
    for name in 'time', 'touched', 'attr', 'acl', 'capable':
        h.tree.write(name, 'host\n')
        h.tree.utime(name, 10 ** 18, 10 ** 18)
        h.tree.setxattr(name, 'user.host', b'1')
    seectl('run', 'x', '--', 'sh', '-ec', r"""
        sed -i s/two/2/ text; rm gone; echo x >>binary; chmod 600 mode; echo new >new
        ln -s /etc/shadow link; printf 'a\033[2Jb\n' >escape; mkdir -p d/e; echo deep >d/e/f
        : >empty; cp /bin/true set-id; chmod 4755 set-id; chown 7:8 d/e/f; mkdir -m 750 d/g
        touch -m -d @1000000001 time; touch -a -d @1000000001 touched
        python3 -c '
import os
os.setxattr("attr", "user.see", b"1"); os.setxattr("attr", "user.host", b"2")
os.setxattr("d/g", "user.see", b"1"); os.removexattr("acl", "user.host")
os.setxattr("capable", "security.capability", bytes.fromhex("0000000200200000000000000000000000000000"))
for name in "acl", "empty":
    os.setxattr(name, "system.posix_acl_access", bytes.fromhex("02000000 01000600ffffffff"
        "0200040001000000 04000400ffffffff 10000400ffffffff 20000000ffffffff"))'""", cwd=h.dir)
    out = seectl('diff', 'x').out
    for part in (f'--- host{h.dir}/text\n+++ see{h.dir}/text\n', '-two\n+2\n', '-was\n', '+new\n',
                 f'+++ see{h.dir}/d/e/f\n', '+deep\n', f'{h.dir}/binary: binary',
                 f'{h.dir}/mode: mode 0644 -> 0600', f'{h.dir}/link: made symlink', '\\033[2J',
                 f'{h.dir}/set-id: made file, mode 4755, owner 0:0\n', f'{h.dir}/gone: removed file\n',
                 f'{h.dir}/text: replaced file, mode 0644, owner 0:0\n',
                 f'{h.dir}/d/e/f: made file, mode 0644, owner 7:8\n',
                 f'{h.dir}/d/g: made directory, mode 0750, owner 0:0\n{h.dir}/d/g: user.see set\n',
                 f'{h.dir}/time: modified 2001-09-09 01:46:40.000000000 -> 2001-09-09 01:46:41.000000000\n',
                 f'{h.dir}/acl: system.posix_acl_access set\n', f'{h.dir}/acl: user.host removed\n',
                 f'{h.dir}/attr: user.host changed\n', f'{h.dir}/attr: user.see set\n',
                 f'{h.dir}/capable: security.capability set\n', f'{h.dir}/empty: system.posix_acl_access set\n'):
        ok(part in out, f'no {part!r} in\n{out}')
    for path in changes('x'):
        ok(f'{path}: ' in out or f'see{path}\n' in out, f'nothing of {path} in\n{out}')
    ok('root:' not in out and '\x1b' not in out, out)
    one = seectl('diff', 'x', 'd', cwd=h.dir).out
    ok('deep' in one and 'two' not in one, one)
    seectl('abort', 'x')


@test()
def odd_names(h):
    "names that would move the cursor are quoted; JSON keeps their bytes; sorted"
    seectl('run', 'x', '--', 'python3', '-c', r'''
import os
for name in (b'\x1b[31mred', b'new\nline', b'\xff\xfe', 'ü'.encode(), b'back\\slash', b'a', b'a b', b'a-b'):
    open(name, 'w').close()
os.mkdir('dir'); open('dir/f', 'w').close()
for name in 'dir-x', 'dir.x':
    open(name, 'w').close()
''', cwd=h.dir)
    out = seectl('inspect', 'x').out
    lines = out.splitlines()
    for name in ('\\033[31mred', 'new\\012line', '\\377\\376', 'ü', 'back\\\\slash', 'a b'):
        eq(sum(line.endswith(f'{h.dir}/{name}') for line in lines), 1, f'{name} in\n{out}')
    ok('\x1b' not in out, out)
    paths = [line.split('/', 1)[1] for line in lines]
    at = [p for p in paths if 'dir' in p]
    eq([os.path.basename(p) for p in at], ['dir', 'f', 'dir-x', 'dir.x'], 'order')
    got = changes('x')
    eq(bytes.fromhex(got[f'{h.dir}/��']['path_hex']), f'{h.dir}/'.encode() + b'\xff\xfe',
       'bytes')
    eq([c for c in got if '\n' in c], [f'{h.dir}/new\nline'], 'newline')
    summary = seectl('inspect', 'x', '--summary').out.splitlines()
    eq(summary[-1].split()[:3], ['12', '0', '0'], 'summary')
    eq(len(changes('x', f'{h.dir}/dir')), 2, 'changes under a path')
    seectl('abort', 'x')


@test()
def summary(h):
    "what was made, changed and removed in each directory, and in all"
    for name in 'a', 'b', 'c':
        h.tree.mkdir(name)
        h.tree.write(f'{name}/1', 'host\n')
        h.tree.write(f'{name}/2', 'host\n')
    script = """echo >a/1; rm a/2; mkdir a/new; echo >a/new/f; echo >a/new/g
                chmod 600 b/1; mv b/2 b/3; rm c/1; echo >c/1; rm -r c/2"""
    seectl('run', 'x', '--keep', '--', 'sh', '-ec', script, cwd=h.dir)
    lines = [line.split() for line in seectl('inspect', 'x', '--summary').out.splitlines()]
    eq(lines, [['made', 'changed', 'removed'], ['1', '1', '1', h.path('a')],
               ['2', '0', '0', h.path('a/new')], ['1', '1', '1', h.path('b')],
               ['0', '1', '1', h.path('c')], ['4', '3', '3', 'in', 'all']], 'summary')
    lines = seectl('inspect', 'x', h.path('b'), '--summary').out.splitlines()
    eq([line.split()[3] for line in lines[1:-1]], [h.path('b')], 'below a path')
    seectl('abort', 'x')


@test()
def many_at_once(h):
    "requests of several SEEs at the same time, and of one"
    seectl('create', 'shared')
    jobs = [subprocess.Popen(['seectl', 'run', 'shared' if i % 2 else f'own{i}', '--keep', '--', 'sh',
                              '-c', f'echo {i} >{h.dir}/f{i}; cat {h.dir}/f{i}'],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for i in range(8)]
    for i, job in enumerate(jobs):
        out, err = job.communicate()
        eq((out, job.returncode), (f'{i}\n', 0), f'job {i}: {err}')
    eq(set(changes('shared')), {h.path(f'f{i}') for i in range(1, 8, 2)}, 'changes')
    for see in listing():
        seectl('abort', see['name'])
    # clients that die in the middle of their request
    for i in range(20):
        job = subprocess.Popen(['seectl', 'create', f'k{i}'], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
        time.sleep(0.01 * i)
        job.kill()
        job.wait()
    # requests begin in their order, and each has a thread; two are always there
    seectl('create', 'last')
    tasks = f'/proc/{daemon()}/task'
    wait_for('the last of them', lambda: len(os.listdir(tasks)) == 2)
    for see in listing():
        seectl('abort', see['name'])
    eq(listing(), [], 'SEEs')


main()
