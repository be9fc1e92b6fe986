#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A host that mutates while the SEE looks and works: no wrong answer, ever,
that nobody could have seen natively, and the right tree when all is quiet."""
import multiprocessing
import random

from model import walk
from see_test import *

E = errno
GONE = (E.ENOENT, E.ENOTDIR, E.ESTALE)


def rounds(n):
    return range(scaled(n))


def loop(function, n):
    """function(i) n times in a process of its own."""
    def body():
        for i in range(n):
            function(i)
    return Child(body)


def together(s, host, see, n, workers=1):
    """Run host(i) n times beside workers of see(i), until the host is done."""
    s.mount()
    stop_r, stop_w = os.pipe()

    def work(number):
        i = number * 1000000
        while True:
            see(i)
            i += 1
            if select.select([stop_r], [], [], 0)[0]:
                return
    with s.host.together():
        children = [Child(work, w) for w in range(workers)]
        try:
            loop(host, n).result()
        finally:
            os.write(stop_w, b'x')
            for child in children:
                child.result()


def compare(s, what):
    for stage in s.stages():
        same_tree(s.see.fingerprint(LOOKS), s.host.fingerprint(LOOKS),
                  f'{what} {stage}')


@test(smoke=True, layer=True)
def replaced_file_is_old_or_new(s):
    "rename over a name: it always exists, whole, and never goes back"
    host, see = s.host, s.see
    host.write('dir/a', '0 0')

    def replace(i):
        with open(host.path('dir/a~'), 'w') as f:
            f.write(f'{i} {i}')
        os.rename(host.path('dir/a~'), host.path('dir/a'))
    last = [0]

    def look(_):
        a, b = see.read('dir/a').split()
        eq(a, b, 'a file that nobody wrote')
        ok(int(a) >= last[0], f'version {a} after version {last[0]}')
        last[0] = int(a)
    together(s, replace, look, scaled(3000), 2)
    compare(s, 'the view')


@test(smoke=True, layer=True)
def answer_after_the_host_is_exact(s):
    "the host says by pipe what it did; the next look agrees, under load"
    host, see = s.host, s.see
    rng = random.Random(1)
    names = [f'dir/n{i}' for i in range(8)]
    there = set()
    noise = [loop(lambda i: [error_of(see.stat, n) for n in names],
                  scaled(4000)) for _ in range(2)]
    with host.together():
        for i in rounds(3000):
            name, other = rng.sample(names, 2)
            if name in there and rng.random() < .4:
                os.rename(host.path(name), host.path(other))
                there.discard(name)
                there.add(other)
            elif name in there:
                os.unlink(host.path(name))
                there.discard(name)
            else:
                os.mknod(host.path(name))
                there.add(name)
            for n in (name, other):
                eq(see.exists(n), n in there, f'{n} exists in round {i}')
                if n in there:
                    eq(see.stat(n).st_nlink, 1, f'links of {n}')
    for child in noise:
        child.result()
    compare(s, 'the view')


@test(smoke=True, layer=True)
def moving_directories(s):
    "walks below directories that move give ENOENT or the right file"
    host, see = s.host, s.see
    with host.together():
        for d in 'xy':
            host.makedirs(f'{d}/deep/er')
            host.write(f'{d}/deep/er/f', f'{d}')
            host.write(f'{d}/deep/er/{d}', '')
    moves = [('x', 'dir/x'), ('y', 'x'), ('dir/x', 'y'), ('x', 'dir/y'),
             ('y', 'x'), ('dir/y', 'y')]

    def look(i):
        for at in ('x', 'y', 'dir/x', 'dir/y'):
            number = error_of(lambda: walk(at))
            ok(number in (0,) + GONE, f'{at}: {ename(number)}')

    def walk(at):
        fd = see.open(f'{at}/deep/er', os.O_DIRECTORY)
        try:
            who = os.read(f := os.open('f', os.O_RDONLY, dir_fd=fd), 9)
            os.close(f)
            os.stat(who.decode(), dir_fd=fd)
            eq(sorted(d.name for d in all_dents(fd)),
               sorted(['.', '..', 'f', who.decode()]), f'names below {at}')
        finally:
            os.close(fd)
    together(s, lambda i: host.rename(*moves[i % 6]), look,
             scaled(1000) // 6 * 6 + 7, 2)
    compare(s, 'the view')


@test(layer=True)
def exchanged_names(s):
    "two names that the host swaps: each is always one of the two"
    host, see = s.host, s.see
    inos = {see.ino('dir/a'), see.ino('dir/b')}

    def look(_):
        ok(see.ino('dir/a') in inos and see.ino('dir/b') in inos, 'a third one')
        ok(see.read('dir/a') in (b'dir/a\n', b'dir/b\n'), 'content')
    # an odd number, or the first answer would be right at the end
    together(s, lambda i: renameat2(host.path('dir/a'), host.path('dir/b'),
                                    EXCHANGE), look, scaled(3000) | 1, 2)
    compare(s, 'the view')


@test(smoke=True, layer=True)
def kind_that_changes(s):
    "a name that is a file, a directory, a link and nothing in turn"
    host, see = s.host, s.see

    def change(i):
        p = host.path('dir/v')
        os.close(os.open(p, os.O_CREAT | os.O_WRONLY))
        os.unlink(p)
        os.mkdir(p)
        os.mkdir(f'{p}/v')
        os.rmdir(f'{p}/v')
        os.rmdir(p)
        os.symlink('a', p)
        os.unlink(p)

    def look(i):
        for act in (lambda: see.stat('dir/v'), lambda: see.ls('dir/v'),
                    lambda: see.read('dir/v'), lambda: see.readlink('dir/v'),
                    lambda: see.stat('dir/v/v')):
            number = error_of(act)
            ok(number in (0, E.EISDIR, E.EINVAL, E.ELOOP) + GONE, ename(number))
        ok({'a', 'b', 'sub', 'link3'} <= see.ls('dir') <=
           {'a', 'b', 'sub', 'link3', 'v'}, 'names in dir')
    together(s, change, look, scaled(500), 2)
    see.absent('dir/v')
    compare(s, 'the view')
    for make, kind, remove in ((host.mkdir, stat.S_IFDIR, host.rmdir),
                               (lambda n: host.write(n, ''), stat.S_IFREG, host.unlink)):
        make('dir/v')
        eq(stat.S_IFMT(see.stat('dir/v').st_mode), kind, 'its last kinds')
        remove('dir/v')
        see.absent('dir/v')


@test(smoke=True, layer=True)
def listing_while_the_host_works(s):
    "what is there all the time is listed once, what the host makes by the SEE's names too"
    host, see = s.host, s.see
    steady = {f's{i}' for i in range(40)}
    with host.together():
        for n in steady:
            host.write(f'dir/{n}', '')
    mine = {f'm{i}' for i in range(20)}
    for n in mine:
        see.write(f'dir/{n}', '')

    def change(i):
        for name in (f't{i % 50}', f'm{i % 20}'):
            p = host.path(f'dir/{name}')
            os.unlink(p) if os.path.exists(p) else os.mknod(p)

    def look(_):
        with see.opened('dir') as fd:
            names = [d.name for d in all_dents(fd, 600)]
        lasting = [n for n in names if n[0] in 'sm']
        eq(set(lasting) - {'sub'}, steady | mine, 'names there all the time')
        eq(len(names), len(set(names)), 'entries, some twice')
    together(s, change, look, scaled(3000))
    for _ in s.stages():
        eq(see.ls('dir'), host.ls('dir') | mine, 'names')
        for n in mine:
            see.holds(f'dir/{n}', '')


@test(smoke=True, layer=True)
def both_sides_work(s):
    "host and SEE create, rename and remove in one directory, each its own"
    host, see = s.host, s.see
    expect = {}

    def act(tree, prefix, seed):
        rng = random.Random(seed)

        def step(i):
            a, b = (f'dir/{prefix}{rng.randrange(30)}' for _ in 'ab')
            what = rng.randrange(5)
            try:
                if what < 2:
                    with open(tree.path(a), 'w') as f:
                        f.write(f'{a} {i}')
                elif what == 2:
                    os.rename(tree.path(a), tree.path(b))
                elif what == 3:
                    os.unlink(tree.path(a))
                elif a != b:
                    os.link(tree.path(a), tree.path(b))
            except OSError as e:
                ok(e.errno in (E.ENOENT, E.EEXIST), f'{what}: {ename(e.errno)}')
        return step
    together(s, act(host, 'h', 1), act(see, 's', 2), scaled(3000))
    for stage in s.stages():
        got = see.fingerprint(SHAPE, 'dir')
        theirs = fingerprint(host.path('dir'), SHAPE)
        same_tree({n: e for n, e in got.items() if not n.startswith('./s')
                   or n.startswith('./sub')}, theirs, f'of the host {stage}')
        mine = {n: e for n, e in got.items() if n.startswith('./s')
                and not n.startswith('./sub')}
        expect = expect or mine
        same_tree(mine, expect, f'of the SEE {stage}')


@test(smoke=True, layer=True)
def removals_hold_under_fire(s):
    "names that the SEE removed stay absent while the host makes them"
    host, see = s.host, s.see
    gone = [f'dir/g{i}' for i in range(20)]
    with host.together():
        for n in gone:
            host.write(n, '')
    for n in gone:
        see.unlink(n)

    def change(i):
        p = host.path(gone[i % 20])
        with contextlib.suppress(FileNotFoundError):
            os.unlink(p)
        os.mknod(p)

    def look(i):
        ok(not see.exists(gone[i % 20]), f'{gone[i % 20]} is there')
        ok(not see.ls('dir') & {os.path.basename(n) for n in gone}, 'listed')
    together(s, change, look, scaled(2000), 2)
    for _ in s.stages():
        see.absent(*gone)


@test(smoke=True, layer=True)
def changes_hold_under_fire(s):
    "a file that the SEE changed keeps its version while the host moves it"
    host, see = s.host, s.see
    see.append('dir/a', 'SEE\n')
    names = ['dir/a', 'dir/sub/a', 'a', 'shared/a']

    def look(i):
        found = 0
        for n in names:
            try:
                eq(see.read(n), b'dir/a\nSEE\n', n)
                found += 1
            except OSError as e:
                ok(e.errno in GONE, f'{n}: {ename(e.errno)}')
    together(s, lambda i: os.rename(host.path(names[i % 4]),
                                    host.path(names[(i + 1) % 4])),
             look, scaled(400) * 4 + 1, 2)
    for _ in s.stages():
        see.holds('dir/sub/a', 'dir/a\nSEE\n')
        see.absent('dir/a', *names[2:])


@test(layer=True)
def first_writes_race_with_host_unlinks(s):
    "either the SEE keeps its whole version, or it never had the file"
    host, see = s.host, s.see
    n = scaled(400)
    text = b'of the host ' * 1000
    with host.together():
        for i in range(n):
            host.write(f'dir/f{i}', text)

    def unlink(i):
        os.unlink(host.path(f'dir/f{i}'))
    with host.together():
        child = loop(unlink, n)
        written = [i for i in range(n)
                   if not error_of(lambda: see.pwrite(f'dir/f{i}', b'SEE', 6000))]
        child.result()
    want = text[:6000] + b'SEE' + text[6003:]
    kept = {i for i in range(n) if see.exists(f'dir/f{i}')}
    ok(kept <= set(written), f'exist, though their writes failed: {kept - set(written)}')
    for stage in s.stages():
        eq({i for i in range(n) if see.exists(f'dir/f{i}')}, kept, f'which are kept {stage}')
        for i in kept:
            see.holds(f'dir/f{i}', want, stage)


@test(layer=True, over=('link', 'rename', 'exchange'))
def first_names_race_with_host_unlinks(s, how):
    "what the SEE gave a name to in time is complete, whatever the host does"
    host, see = s.host, s.see
    n = scaled(400)
    text = b'of the host ' * 1000
    with host.together():
        for i in range(n):
            host.write(f'dir/f{i}', text)
            host.write(f'dir/g{i}', b'other')
    step = {'link': lambda i: see.link(f'dir/f{i}', f'dir/n{i}'),
            'rename': lambda i: see.rename(f'dir/f{i}', f'dir/n{i}'),
            'exchange': lambda i: see.rename(f'dir/g{i}', f'dir/f{i}', EXCHANGE)}[how]
    at = 'g' if how == 'exchange' else 'n'
    with host.together():
        child = loop(lambda i: os.unlink(host.path(f'dir/f{i}')), n)
        done = {i for i in range(n) if not error_of(lambda: step(i))}
        child.result()
    for stage in s.stages():
        for i in range(n):
            if i in done:
                see.holds(f'dir/{at}{i}', text, stage)
                if how == 'exchange':
                    see.holds(f'dir/f{i}', b'other', stage)
            else:
                see.absent(f'dir/f{i}', *[f'dir/n{i}'] * (how != 'exchange'))


@test(layer=True)
def eviction_races_with_the_host(s):
    "caches dropped while both sides work"
    host, see = s.host, s.see
    see.append('dir/b', 'SEE\n')
    see.unlink('dir/sub/c')

    def change(i):
        os.rename(host.path('dir'), host.path('moved'))
        os.rename(host.path('moved'), host.path('dir'))
        if i % 50 == 0:
            s.drop_caches()

    def look(_):
        for at in ('dir', 'moved'):
            number = error_of(lambda: eq(see.read(f'{at}/b'), b'dir/b\nSEE\n', at))
            ok(number in (0,) + GONE, ename(number))
            ok(not see.exists(f'{at}/sub/c'), f'{at}/sub/c is back')
    together(s, change, look, scaled(500), 2)
    for _ in s.stages():
        see.holds('dir/b', 'dir/b\nSEE\n')
        see.lists('dir/sub', '')


@test(smoke=True)
def sees_own_processes_race(s):
    "several processes of the SEE in one directory, as natively"
    s.have(d='host dir')
    n = scaled(500)

    def work(seed):
        rng = random.Random(seed)
        made = 0
        for i in range(n):
            name = f'd/n{rng.randrange(10)}'
            what = rng.randrange(4)
            number = error_of((
                lambda: os.close(s.see.open(name, os.O_CREAT | os.O_EXCL)),
                lambda: s.see.unlink(name),
                lambda: s.see.rename(name, f'd/n{rng.randrange(10)}'),
                lambda: s.see.link(name, f'd/n{rng.randrange(10)}'))[what])
            ok(number in (0, E.EEXIST, E.ENOENT), ename(number))
            made += number == 0
        return made
    s.mount()
    children = [Child(work, i) for i in range(3)]
    ok(all(c.result() for c in children), 'a worker did nothing')
    want = s.see.fingerprint(('type', 'ino', 'nlink', 'names'), 'd')
    for name, e in want.items():
        if 'names' in e:
            eq(e['nlink'], len(e['names']), f'links of {name}')
    for stage in s.stages():
        same_tree(s.see.fingerprint(('type', 'ino', 'nlink', 'names'), 'd'),
                  want, stage)


@test()
def first_changes_beside_each_other(s):
    "of what lies in one directory: each has its place, and that of what leads there is whole"
    rounds, both = scaled(80), multiprocessing.Barrier(2)
    with s.host.together():
        for i in range(rounds):
            s.host.makedirs(f'r{i}/a/b/c')
            for where in (f'r{i}', f'r{i}/a', f'r{i}/a/b'):
                # which takes time to be noted
                for n in range(4):
                    s.host.setxattr(where, f'user.{n}', b'x' * 900)
            for name in 'xy':
                s.host.write(f'r{i}/a/b/c/{name}', 'host\n')

    def change(name):
        for i in range(rounds):
            both.wait(60)
            s.see.chmod(f'r{i}/a/b/c/{name}', 0o600)
            with s.see.opened(f'r{i}/a/b/c/{name}', os.O_RDWR) as fd:
                os.fsync(fd)
    s.mount()
    children = [Child(change, name) for name in 'xy']
    for child in children:
        child.result()
    for stage in s.stages():
        for i in range(rounds):
            for name in 'xy':
                eq(s.see.mode(f'r{i}/a/b/c/{name}'), 0o600, f'mode of {name} in {i} {stage}')


# ---- against the model ---------------------------------------------------------

@test(over=(('ext4', 1500), ('xfs', 500), ('btrfs', 500), ('tmpfs', 500)))
def both_at_once(s, fstype, steps):
    "a few operations of each side at the same time, then others one after the other"
    walk(fstype, 3, scaled(steps), 50)


main()
