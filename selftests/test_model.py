#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Random operations of host and SEE, each followed by a comparison of all that the
SEE shows with what an executable model of the rules says: model_walk.c, view_model.c.

A failure names its seed and the step at which its tree began, and prints the last
operations; SEE_SEED=SEED:STEP runs that one alone.
SEE_SCALE=100 makes it 10^6 steps on ext4.
"""
from see_test import *

SEED = os.environ.get('SEE_SEED')
WALK = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'model_walk')


def walk(fstype, seed, steps, phases=0):
    scratch = Scratch(fstype, 512 << 20)
    try:
        for name in 'lower', 'private':
            os.mkdir(f'{scratch.fs}/{name}', 0o700)
        os.mkdir(f'{scratch.dir}/mnt')
        done = subprocess.run([WALK, f'{scratch.fs}/lower', f'{scratch.quiet}/lower',
                               f'{scratch.fs}/private', f'{scratch.dir}/mnt',
                               str(SEED or seed), str(steps), str(phases)],
                              stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True,
                              errors='replace')
        if done.returncode:
            fail(f'{done.stdout}exit status {done.returncode}')
        print('#', done.stdout.strip())
    finally:
        with contextlib.suppress(OSError):
            umount(f'{scratch.dir}/mnt', MNT_DETACH)
        os.rmdir(f'{scratch.dir}/mnt')
        scratch.close()


@test(smoke=True)
def one_tree(s):
    "1,000 steps on ext4"
    walk('ext4', 2, 1000)


@test(over=(('ext4', 10000), ('xfs', 3000), ('btrfs', 3000), ('tmpfs', 3000)))
def random_walk(s, fstype, steps):
    "in small trees, where everything meets everything"
    walk(fstype, 1, scaled(steps))


@test(over=(('ext4', 3000), ('xfs', 1000), ('btrfs', 1000), ('tmpfs', 1000)))
def both_at_once(s, fstype, steps):
    "a few operations of each side at the same time, and then one after the other again"
    walk(fstype, 3, scaled(steps), 50)


main()
