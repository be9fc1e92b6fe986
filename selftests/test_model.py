#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Random operations of host and SEE, each followed by a comparison of all that the
SEE shows with what an executable model of the rules (view_model.py) says.

A failure names its seed and the last operations; SEE_SEED=N runs that one alone.
SEE_SCALE=10 or more for a long walk.
"""
import collections
import copy
import random

from see_test import *
from view_model import EXCHANGE, Model, NOREPLACE, Unspecified

E = errno
SEED = os.environ.get('SEE_SEED')
ALPHABET = 'abcdef'
DEPTH, OBJECTS = 4, 30
KINDS = {stat.S_IFREG: 'file', stat.S_IFDIR: 'dir', stat.S_IFLNK: 'link'}


def write(path, data):
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o644)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


VERBS = {'write': write, 'chmod': os.chmod, 'mkdir': os.mkdir, 'unlink': os.unlink,
         'rmdir': os.rmdir, 'link': linkat, 'rename': renameat2,
         'symlink': lambda path, target: os.symlink(target, path)}
WEIGHTS = {'write': 10, 'chmod': 3, 'mkdir': 5, 'unlink': 6, 'rmdir': 4, 'link': 3,
           'rename': 12, 'symlink': 2}


class Walk:
    """One random walk, with its own generator of numbers."""

    def __init__(self, s, seed):
        self.s, self.rng, self.model = s, random.Random(seed), Model()
        self.seed, self.log = seed, collections.deque(maxlen=40)
        self.numbers = {}                       # id -> st_ino
        s.host.mkdir('m')
        s.mount()
        self.root = {'host': f'{s.host.root}/m', 'see': f'{s.mnt}/m'}

    def path(self, side, path):
        return '/'.join((self.root[side], *path))

    # ---- operations ----

    def choose(self, side):
        """An operation: (verb, paths, further arguments)."""
        rng, tree = self.rng, self.model.walk(getattr(self.model, side))
        dirs = [p for p, n in tree.items() if n.kind == 'dir' and len(p) < DEPTH]
        paths = [p for p in tree if p]

        def name():
            return rng.choice(dirs) + (rng.choice(ALPHABET),)

        def some():
            return rng.choice(paths) if paths and rng.random() < 0.9 else name()

        verb = rng.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        if len(tree) > OBJECTS and verb in ('mkdir', 'link', 'symlink', 'write'):
            verb = rng.choice(('unlink', 'rmdir'))
        if verb == 'write':
            path = some() if rng.random() < 0.5 else name()
            return verb, (path,), (f'{side} {rng.random()}\n'.encode(),)
        if verb == 'chmod':
            path = some()
            if path in tree and tree[path].kind == 'link':
                raise Unspecified               # it would follow
            return verb, (path,), (rng.choice((0o600, 0o644, 0o755, 0o700)),)
        if verb == 'mkdir':
            return verb, (name(),), ()
        if verb == 'symlink':
            return verb, (name(),), (f'{side} {rng.random()}',)
        if verb == 'link':
            return verb, (some(), name()), ()
        if verb == 'rename':
            to = some() if rng.random() < 0.6 else name()
            return verb, (some(), to), (rng.choice((0, 0, 0, NOREPLACE, EXCHANGE)),)
        return verb, (some(),), ()

    def step(self):
        side = self.rng.choice(('host', 'see'))
        before = copy.deepcopy(self.model)
        try:
            verb, paths, args = self.choose(side)
            want = getattr(getattr(self.model, side), verb)(*paths, *args)
        except Unspecified:
            return
        if self.model.tangled():
            self.model = before
            return
        self.log.append(f'{side}: {verb} {" ".join(map("/".join, paths))} {args}')
        got = error_of(VERBS[verb], *(self.path(side, p) for p in paths), *args)
        if got != want:
            self.fail(f'expected {ename(want)}, got {ename(got)}')
        self.compare()

    # ---- comparison ----

    def fail(self, text):
        fail('\n'.join((f'seed {self.seed}: {text}', *self.log)))

    def same(self, got, want, what):
        if got != want:
            self.fail(f'{what}: expected {short(want)}, got {short(got)}')

    def compare(self):
        tree = self.model.walk(self.model.see)
        numbers = {}
        for path, node in tree.items():
            where, shown = self.path('see', path), '/'.join(path)
            st = os.lstat(where)
            self.same(KINDS[stat.S_IFMT(st.st_mode)], node.kind, f'type of {shown}')
            self.same(st.st_nlink, self.model.nlink(node), f'links of {shown}')
            mode = self.model.seen(node, 'mode')
            if mode is not None:
                self.same(stat.S_IMODE(st.st_mode), mode, f'mode of {shown}')
            self.same(self.numbers.setdefault(node.id, st.st_ino), st.st_ino,
                      f'number of {shown}')
            if numbers.setdefault(st.st_ino, node) is not node:
                self.fail(f'{shown} has the number of {numbers[st.st_ino]}')
            data = self.model.seen(node, 'data')
            if node.kind == 'dir':
                self.same(sorted(os.listdir(where)), sorted(self.model.see.entries(node)),
                          f'list of {shown}')
                for name in ALPHABET:
                    if path + (name,) not in tree:
                        self.same(error_of(os.lstat, f'{where}/{name}'), E.ENOENT,
                                  f'{shown}/{name}')
            elif node.kind == 'link':
                self.same(os.readlink(where), data, f'target of {shown}')
            elif data is not None:
                with open(where, 'rb') as f:
                    self.same(f.read(), data, f'content of {shown}')

    def compare_host(self):
        """What the SEE did is not on the host."""
        for path, node in self.model.walk(self.model.host).items():
            where, shown = self.path('host', path), '/'.join(path)
            st = os.lstat(where)
            self.same((KINDS[stat.S_IFMT(st.st_mode)], stat.S_IMODE(st.st_mode)),
                      (node.kind, node.mode), f'{shown} on the host')
            if node.kind == 'dir':
                self.same(sorted(os.listdir(where)), sorted(node.names),
                          f'list of {shown} on the host')
            elif node.kind == 'file':
                with open(where, 'rb') as f:
                    self.same(f.read(), node.data, f'content of {shown} on the host')

    def remount(self):
        self.s.remount()
        # who lives on in the SEE alone may get another number
        for node in self.model.walk(self.model.see).values():
            if node.host and not node.nhost:
                self.numbers.pop(node.id, None)

    def run(self, steps):
        for step in range(steps):
            self.s.stage = f'at step {step}'
            dice = self.rng.random()
            if dice < 0.01:
                self.log.append('remount')
                self.remount()
                self.compare()
            elif dice < 0.02:
                self.log.append('drop_caches')
                self.s.drop_caches()
                self.compare()
            elif dice < 0.05:
                self.compare_host()
            self.step()
        self.compare_host()
        for _ in ('remount', 'again'):
            self.remount()
            self.compare()


# seeds that found something: 20, 28 and 77
@test(smoke=True, over=(1, 2, 20, 28, 77))
def random_walk(s, n):
    "in one small tree, where everything meets everything"
    with s.host.together():
        Walk(s, int(SEED or n)).run(scaled(500))


main()
