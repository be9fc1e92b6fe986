#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Random operations of host and SEE, each followed by a comparison of all that the
SEE shows with what an executable model of the rules says: model_walk.c, view_model.c.

SEE_SCALE=100 makes it 10^6 steps on ext4; model.py says how to repeat a failure.
"""
from model import walk
from see_test import *


@test(smoke=True)
def one_tree(s):
    "1,000 steps on ext4"
    walk('ext4', 2, 1000)


@test(over=(('ext4', 10000), ('xfs', 3000), ('btrfs', 3000), ('tmpfs', 3000)))
def random_walk(s, fstype, steps):
    "in small trees, where everything meets everything"
    walk(fstype, 1, scaled(steps))


main()
