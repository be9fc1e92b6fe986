#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Packages are installed in a SEE over everything, by the real dpkg and apt."""
from sees import *

SCRIPTS = {
    'preinst': 'adduser --system --group see-demo >/dev/null 2>&1 || '
               'useradd --system -M see-demo\n',
    'postinst': 'chown see-demo /var/lib/see-demo\n'
                'update-rc.d see-demo defaults >/dev/null 2>&1 || true\n'
                'invoke-rc.d see-demo start\n'
                'if [ -d /run/systemd/system ]; then echo systemd; fi\n',
}


def build(h, name='see-demo', version='1'):
    """A small package: a program, set-id, configuration, a service, a user."""
    root = h.path(f'build-{name}')
    for d in ('DEBIAN', 'usr/bin', f'etc/{name}', f'var/lib/{name}', 'etc/init.d'):
        os.makedirs(f'{root}/{d}')
    t = Tree(root)
    t.write('DEBIAN/control', f'Package: {name}\nVersion: {version}\nArchitecture: all\n'
            'Maintainer: nobody <nobody@example.org>\nDescription: a test\n')
    t.write('DEBIAN/conffiles', f'/etc/{name}/conf\n/etc/init.d/{name}\n')
    for script, body in SCRIPTS.items():
        t.write(f'DEBIAN/{script}', f'#!/bin/sh\nset -e\n{body}')
        t.chmod(f'DEBIAN/{script}', 0o755)
    t.write(f'usr/bin/{name}', '#!/bin/sh\necho it works\n')
    t.chmod(f'usr/bin/{name}', 0o4755)
    t.write(f'etc/{name}/conf', 'conf\n')
    t.write(f'etc/init.d/{name}', '#!/bin/sh\n### BEGIN INIT INFO\n'
            f'# Provides: {name}\n# Required-Start:\n# Required-Stop:\n'
            '# Default-Start: S 2 3 4 5\n# Default-Stop: 0 1 6\n### END INIT INFO\n'
            f'touch /var/lib/{name}/started\n')
    t.chmod(f'etc/init.d/{name}', 0o755)
    run('dpkg-deb', '--root-owner-group', '-b', root, h.path(f'{name}.deb'))
    shutil.rmtree(root)


@test(smoke=True, over=('dpkg', 'apt'))
def install(h, tool):
    "files, user, conffiles, set-id; the daemon is not started; the host knows nothing of it"
    build(h)
    # apt makes these on any machine; the comparison is of what the SEE might do
    command = {'dpkg': f'dpkg -i {h.dir}/see-demo.deb',
               'apt': f'apt-get install -y {h.dir}/see-demo.deb'}[tool]
    with h.unchanged():
        out = seectl('run', 'p', '--', 'sh', '-c', f'{command} 2>&1 </dev/null && see-demo',
                     env=dict(os.environ, DEBIAN_FRONTEND='noninteractive')).out
        ok(out.endswith('it works\n'), out)
        ok('policy-rc.d denied execution of start' in out, f'policy: {out}')
        got = changes('p')
    for path, change in (('/usr/bin/see-demo', 'made'), ('/etc/see-demo', 'made'),
                         ('/etc/see-demo/conf', 'made'), ('/var/lib/see-demo', 'made'),
                         ('/etc/passwd', 'replaced'), ('/var/lib/dpkg/status', 'replaced')):
        eq(got.get(path, {}).get('change'), change, path)
    eq(got['/usr/bin/see-demo']['new']['mode'], '4755', 'mode')
    ok('/var/lib/see-demo/started' not in got, 'the daemon was started')
    eq([p for p in got if 'policy-rc.d' in p], [], 'our own file')
    eq(seectl('run', 'p', '--keep', '--', 'dpkg', '--verify', 'see-demo').out, '', 'verify')
    out = seectl('run', 'p', '--keep', '--', 'sh', '-c', 'stat -c %U /var/lib/see-demo; '
                 'cat /usr/sbin/policy-rc.d').out
    ok(out.startswith('see-demo\n') and 'exit 101' in out, out)
    run('sh', '-c', 'dpkg -s see-demo', status=1)
    seectl('abort', 'p')


@test()
def policy_of_the_host(h):
    "one that the host has is covered while commands run, and not changed"
    own = '/usr/sbin/policy-rc.d'
    with open(own, 'w') as f:
        f.write('#!/bin/sh\nexit 0\n')
    os.chmod(own, 0o755)
    try:
        with h.unchanged():
            out = seectl('run', 'p', '--', 'sh', '-c', f'{own}; echo $?').out
            eq(out, '101\n', 'answer')
            eq(changes('p'), {}, 'changes')
            seectl('abort', 'p')
    finally:
        os.unlink(own)


@test()
def policy_in_a_layer_of_its_own(h):
    "whatever of the way to it --over names"
    for over in '/usr', '/usr/sbin':
        out = seectl('run', 'p', '--over', over, '--', 'sh', '-c', '/usr/sbin/policy-rc.d; echo $?').out
        eq(out, '101\n', over)
        eq(json.loads(seectl('status', 'p', '--json').out)['changes'], 0, 'changes')
        seectl('abort', 'p')


@test()
def policy_that_is_locked(h):
    "by a process of the SEE: a later run does not wait, and says what is missing"
    # where it is its own run has another mounted
    script = ('mv /usr/sbin /usr/old; mkdir /usr/sbin; umask 777; : >/usr/sbin/policy-rc.d; '
              'exec flock /usr/sbin/policy-rc.d sh -c "echo up; exec sleep 1000"')
    with something_runs(h, script):
        done = seectl('run', 'x', '--keep', '--', 'echo', 'done')
        eq(done.out, 'done\n', 'output')
        ok('package scripts may start daemons' in done.err, f'not said: {done}')
    seectl('abort', 'x')


@test()
def several_runs_share_the_policy(h):
    "the last one takes it away, and it is not listed meanwhile"
    seectl('create', 'p')
    script = 'echo up; read x; /usr/sbin/policy-rc.d; echo $?'
    runs = [subprocess.Popen(['seectl', 'run', 'p', '--keep', '--', 'sh', '-c', script],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(3)]
    for r in runs:
        eq(r.stdout.readline(), 'up\n', 'start')
    eq(changes('p'), {}, 'changes')
    for r in runs:
        eq(r.communicate('\n')[0], '101\n', 'answer')
    eq(json.loads(seectl('status', 'p', '--json').out)['changes'], 0, 'changes afterwards')
    seectl('abort', 'p')


main()
