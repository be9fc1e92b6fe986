# SPDX-License-Identifier: GPL-2.0
"""Walks against the model of the view: model_walk.c, view_model.c.

A failure names its seed and the step at which its tree began, and prints the last
operations; SEE_SEED=SEED:STEP runs that one alone.
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
        print('#', done.stdout.strip().replace('\n', ', '))
    finally:
        with contextlib.suppress(OSError):
            umount(f'{scratch.dir}/mnt', MNT_DETACH)
        os.rmdir(f'{scratch.dir}/mnt')
        scratch.close()
