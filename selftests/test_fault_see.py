#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Memory runs out for what seed and seectl ask of the module: each command, whole.

Of all tasks that are marked (seectl and what it starts, and the threads that seed
starts for its requests) one allocation below the module fails: that after which a number
of bytes were allocated, more from try to try.  A command either does what it always does or
says why not; what it could not do is as before, and can be done with memory.

Smoke runs try some.
"""
from commits import *

FAILSLAB, MUCH = '/sys/kernel/debug/failslab', 1 << 30
TRIES = 3 if SMOKE else 80


def knob(name, value):
    with open(f'{FAILSLAB}/{name}', 'w') as f:
        f.write(str(value))


def value_of(name):
    with open(f'{FAILSLAB}/{name}') as f:
        return int(f.read())


def mark(on):
    """Threads that seed starts from now on have it from the one that starts them."""
    pid = run('systemctl', 'show', '-P', 'MainPID', 'seed').strip()
    with open(f'/proc/{pid}/make-it-fail', 'w') as f:
        f.write(str(int(on)))


@contextlib.contextmanager
def failing():
    with open('/sys/module/seefs/sections/.text') as f:
        start = int(f.read(), 16)
    with open('/sys/module/seefs/coresize') as f:
        end = start + int(f.read())
    for name, value in (('ignore-gfp-wait', 'N'), ('task-filter', 'Y'), ('verbose', 0),
                        ('require-start', hex(start)), ('require-end', hex(end)),
                        ('interval', 1), ('times', 0), ('probability', 100)):
        knob(name, value)
    mark(True)
    try:
        yield
    finally:
        knob('times', 0)
        mark(False)


def attempt(space, *args):
    """seectl with the first allocation after that many bytes failing; (Done, did one fail?)."""
    knob('space', space)
    knob('times', 1)
    done = subprocess.run(['sh', '-c', 'echo 1 >/proc/self/make-it-fail; exec seectl "$@"', 'sh', *args],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          cwd='/')
    fired = not value_of('times')
    knob('times', 0)
    done = Done(done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr))
    ok(done.status >= 0, f'seectl was killed: {done}')
    ok(not done.status or done.err.strip(), f'it fails and does not say why: {done}')
    ok(fired or not done.status, f'nothing failed, and yet: {done}')
    return done, fired


def sweep(args, before, after):
    """before(), seectl ARGS with an allocation failing, after(Done, what); and so on."""
    with failing():
        before()
        done, _ = attempt(MUCH, *args)
        eq(done.status, 0, f'with memory: {done}')
        total = MUCH - value_of('space')
        ok(total > 0, 'nothing is allocated')
        after(done, 'with memory')
        failed = 0
        for i in range(TRIES):
            before()
            space = total * i // TRIES
            done, fired = attempt(space, *args)
            failed += bool(done.status)
            after(done, f'after {space} of {total} bytes, {"failing" if fired else "not failing"}: {done}')
    print(f'# {total} bytes, {TRIES} tries, {failed} failed', flush=True)
    ok(failed, 'it never failed')


def no_trash():
    wait_for('the trash', lambda: not [n for n in os.listdir(STORE) if n.startswith('trash')])


def nothing():
    pass


@test(smoke=True)
def create(h):
    "it is there, or there is nothing of it"
    stored = set(os.listdir(STORE))

    def after(done, what):
        if done.status:
            eq(listing(), [], f'SEEs {what}')
            no_trash()
            eq(set(os.listdir(STORE)) - {'next'}, stored - {'next'}, f'the store {what}')
            seectl('create', 'x', '--over', h.dir)
        with view(h) as see:
            see.write('new', 'x')
        eq(set(changes('x')), {h.path('new')}, what)
        seectl('abort', 'x')
    sweep(('create', 'x', '--over', h.dir), nothing, after)


def changed(h):
    """A SEE with changes of each kind."""
    populate(h.tree)
    seectl('create', 'x', '--over', h.dir)
    with view(h) as see:
        for kind in modify, make, remove:
            kind(see)


@test(smoke=True, over=('inspect', 'diff', 'status'))
def look(h, command):
    "all of it, or an error"
    changed(h)
    args = command, 'x', *(() if command == 'diff' else ('--json',))
    want = seectl(*args).out

    def after(done, what):
        if not done.status and command != 'status':
            eq(done.out, want, what)
        eq(seectl(*args).out if command != 'status' else state('x'),
           want if command != 'status' else 'active', f'later, {what}')
    sweep(args, nothing, after)
    seectl('abort', 'x')


@test(smoke=True)
def mounting(h):
    "it is mounted, or nothing is"
    changed(h)
    with view(h) as see:
        want = like(see.root)
    os.makedirs(VIEW, exist_ok=True)

    def after(done, what):
        if done.status:
            eq(seefs_mounts(), [], what)
            seectl('mount', 'x', VIEW)
        same_tree(like(VIEW + h.dir), want, what)
        seectl('umount', VIEW)
    sweep(('mount', 'x', VIEW), nothing, after)
    seectl('abort', 'x')


@test(smoke=True)
def abort(h):
    "it is gone, or can be aborted again"
    h.tree.write('f', 'host\n')

    def before():
        seectl('create', 'x', '--over', h.dir)
        with view(h) as see:
            see.write('f', 'SEE\n')
            see.write('new', 'x')

    def after(done, what):
        if done.status:
            again = seectl('abort', 'x', status=None)
            ok(not again.status or state('x') is None, f'{what}; again: {again}')
        eq((listing(), h.tree.read('f')), ([], b'host\n'), what)
        no_trash()
        eq(set(os.listdir(STORE)) - {'next'}, set(), f'the store {what}')
    sweep(('abort', 'x'), before, after)


@test(smoke=True)
def commit_or_not(h):
    "all of it is on the host, or nothing, and the SEE shows it either way"
    number = 0
    for name in 'abc':
        h.tree.write(name, 'host\n')
    h.tree.mkdir('dir')
    seectl('create', 'x', '--over', h.dir)

    def everything(tree):
        return {n: tree.read(n) for n in sorted(tree.ls('')) if n != 'dir'}, tree.ls('dir')

    def before():
        nonlocal number
        number += 1
        with view(h) as see:
            for name in 'abc':
                see.append(name, f'{number}\n')
            see.write(f'dir/{number}', 'new\n')
            if number > 1:
                see.unlink(f'dir/{number - 1}')
            before.host, before.see = everything(h.tree), everything(see)

    def after(done, what):
        eq(everything(h.tree), before.host if done.status else before.see, f'the host {what}')
        with view(h) as see:
            eq(everything(see), before.see, f'the SEE {what}')
        if done.status:
            commit()
            eq(everything(h.tree), before.see, f'the host, again, {what}')
        with view(h) as see:
            eq(everything(see), before.see, f'the SEE at last {what}')
        eq(changes('x'), {}, f'changes at last {what}')
    sweep(('commit', 'x', '--criterion', 'writes'), before, after)
    seectl('abort', 'x')


if os.path.exists('/proc/self/fail-nth'):
    main()
else:
    print('1..0 # SKIP this kernel injects no faults')
