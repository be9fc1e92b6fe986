#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A commit that is interrupted, and the boot after it: two halves of scripts/test-boot.

reboot.py interrupt   in the one guest, which then ends
reboot.py look        in the other, which has mounted the same disk by its fstab
"""
from sees import *

MNT = '/mnt/reboot'
DATA, BEFORE, STATE = f'{MNT}/data', f'{MNT}/before', f'{MNT}/state'
SAME_AFTER = ('type', 'mode', 'uid', 'gid', 'size', 'content', 'xattrs', 'mtime')
SCRIPT = '''
set -e
echo new >new
echo changed >t; mv t replaced
rm removed
printf XXXX | dd of=modified bs=1 seek=5000 conv=notrunc status=none
chmod 600 attributes
'''
RECOVER = 'see-recover.service'
# What must find everything as it was: seed, and whatever comes with or after these.
AFTER = ('systemd-tmpfiles-setup.service', 'sysinit.target', 'basic.target', 'seed.service',
         'alcatraz.service')


def tree():
    return {name.removeprefix('./'): what for name, what in fingerprint(DATA, SAME_AFTER).items()
            if what['type'] != stat.S_IFDIR}


def interrupt():
    disk = os.environ['SEE_DISK1']
    run('systemctl', 'stop', 'seed')
    run('mkfs.ext4', '-q', '-F', disk)
    os.makedirs(MNT)
    run('mount', disk, MNT)
    os.mkdir(STATE, 0o700)
    os.setxattr(STATE, 'trusted.see.store', b'1')
    run('mount', '--bind', STATE, STORE)
    os.mkdir(DATA)
    t = Tree(DATA)
    for name in ('replaced', 'removed', 'attributes'):
        t.write(name, f'{name}\n')
    t.write('modified', 'abcdefgh' * 2000)
    run('systemctl', 'start', 'seed')
    before = tree()
    with open(BEFORE, 'wb') as f:
        pickle.dump(before, f)
    seectl('create', '--over', DATA, 'x')
    seectl('run', 'x', '--keep', '--', 'sh', '-c', SCRIPT, cwd=DATA)
    with our_seed('commit.sync') as seed:
        done = seectl('commit', '--criterion', 'writes', 'x', status=None)
        eq(seed.wait(), -signal.SIGKILL, f'seed, and the client saw {done}')
    now = tree()
    changed = {n for n in {*before, *now} if before.get(n) != now.get(n)}
    eq(changed, {'new', 'replaced', 'removed', 'modified', 'attributes'}, 'what the commit did')
    ok(os.path.exists(f'{STORE}/1/journal'), 'there is no journal')
    print('interrupted')


def properties(unit, *names):
    out = run('systemctl', 'show', unit, *(f'-p{n}' for n in names))
    return dict(line.split('=', 1) for line in out.splitlines())


def entered(unit, what):
    return int(*properties(unit, f'{what}TimestampMonotonic').values())


def look():
    run('systemd-analyze', 'verify', '--man=no', f'/run/systemd/system/{RECOVER}')
    unit = properties(RECOVER, 'ActiveState', 'Result', 'After', 'Before', 'RequiresMountsFor',
                      'ExecMainStartTimestampMonotonic', 'ExecMainExitTimestampMonotonic')
    eq((unit['ActiveState'], unit['Result']), ('active', 'success'), RECOVER)
    ok({'seed.service', 'sysinit.target'} <= set(unit['Before'].split()), f'{unit}')
    ok({'local-fs.target', 'var-lib-see.mount'} <= set(unit['After'].split()), f'{unit}')
    began, ended = (int(unit[f'ExecMain{what}TimestampMonotonic']) for what in ('Start', 'Exit'))
    for mounted in (MNT, STORE):
        name = run('systemd-escape', '-p', '--suffix=mount', mounted).strip()
        at = entered(name, 'ActiveEnter')
        ok(0 < at <= began, f'{name} came at {at}, recovery began at {began}')
    for name in AFTER:
        at = entered(name, 'InactiveExit')
        ok(at >= ended > 0, f'{name} began at {at}, recovery ended at {ended}')
    for name, times in (('see-recover', 1), ('seed', 0)):
        said = run('journalctl', '-b', '-o', 'cat', '-u', name)
        eq(said.count('interrupted; taken back'), times, f'{name} said {said}')
    with open(BEFORE, 'rb') as f:
        same_tree(tree(), pickle.load(f), 'the host')
    eq(os.path.exists(f'{STORE}/1/journal'), False, 'a journal')
    eq({os.path.basename(p) for p in changes('x')},
       {'new', 'replaced', 'removed', 'modified', 'attributes'}, 'the SEE')
    print('recovered')


{'interrupt': interrupt, 'look': look}[sys.argv[1]]()
