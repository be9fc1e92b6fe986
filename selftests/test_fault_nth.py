#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Memory runs out: of each operation, every allocation below the module fails once.

/proc/PID/fail-nth makes the nth allocation of a thread fail.  Only what has the
module on its stack counts, so that what the interpreter and the VFS need does not.

A sweep makes many small directories alike on the host, D0, D1, D2...  In D0 the
operation is done, and what is seen then is "after".  In Dn it is tried with its nth
allocation failing, up to the first n that is too high.  What fails must leave the
names, objects, numbers and times of before, what succeeds those of after, at once,
after an eviction and after a remount; then, with memory, all must succeed.

Smoke runs try some n, with what is the host's; SEE_STEP=5 tries every fifth.  SEE_TRACE=1
shows where the allocation was that a failure came from.
"""
import glob
import mmap
import os
import re

# the file system that takes least, and fails least by itself
os.environ.setdefault('SEE_FS', 'tmpfs')
from see_test import *

DEBUG = '/sys/kernel/debug'
STEP = int(os.environ.get('SEE_STEP', '0' if SMOKE else '1'))   # 0: some
TRACE = os.environ.get('SEE_TRACE') == '1'
MOUNTS = STEP or 17             # a mount needs some hundreds
NEVER = 1 << 30

# What may be told to who asked: tmpfs says ENOSPC if there is no memory for an inode.  A
# store into a mapping has no better word than EFAULT.
MEMORY = (errno.ENOMEM, errno.ENOSPC)


def knob(path, value):
    with open(f'{DEBUG}/{path}', 'w') as f:
        f.write(str(value))


class Faults:
    """Makes allocations of this thread fail, or of those that work for the kernel."""

    def __init__(self, workers=False):
        self.fds = [os.open('/proc/thread-self/fail-nth', os.O_RDWR)]
        for pid in os.listdir('/proc') if workers else ():
            try:
                with open(f'/proc/{pid}/comm') as f:
                    if f.read().startswith('kworker/'):
                        self.fds.append(os.open(f'/proc/{pid}/fail-nth', os.O_RDWR))
            except OSError:             # no process, or gone
                pass

    @staticmethod
    def write(fd, n):
        with contextlib.suppress(ProcessLookupError):
            os.pwrite(fd, b'%d' % n, 0)

    def run(self, n, function):
        """(value, errno, how many allocations were counted) of a call."""
        value, number = None, 0
        for fd in self.fds:
            self.write(fd, n)
        try:
            value = function()
        except OSError as e:
            number = e.errno
        count = 0
        for fd in self.fds:
            with contextlib.suppress(ProcessLookupError):
                count = max(count, n - int(os.pread(fd, 16, 0)))
            self.write(fd, 0)
        return value, number, count

    def close(self):
        for fd in self.fds:
            os.close(fd)


@contextlib.contextmanager
def faults(workers=False):
    with open('/sys/module/seefs/sections/.text') as f:
        start = int(f.read(), 16)
    with open('/sys/module/seefs/coresize') as f:
        end = start + int(f.read())
    for what in ('failslab', 'fail_page_alloc'):
        knob(f'{what}/ignore-gfp-wait', 'N')
        knob(f'{what}/require-start', hex(start))
        knob(f'{what}/require-end', hex(end))
        knob(f'{what}/verbose', 2 if TRACE else 0)
    if TRACE:
        with open('/proc/sys/kernel/printk', 'w') as f:
            f.write('2')        # scripts/vm waits for a line of level 1
    knob('fail_page_alloc/ignore-gfp-highmem', 'N')
    knob('fail_page_alloc/min-order', 0)
    found = Faults(workers)
    try:
        yield found
    finally:
        found.close()


def traced():
    """Where the last allocation failed, innermost first."""
    if not TRACE:
        return ''
    log = subprocess.run(['dmesg', '-t'], stdout=subprocess.PIPE).stdout.decode()
    calls = re.findall(r'^ (\w+)\+0x', log.rpartition('FAULT_INJECTION')[2], re.M)
    return '\n  in ' + ' < '.join(calls[4:24])


# ---- what is there before ----------------------------------------------------

class Place:
    """A directory in which an operation is tried once; paths are in the SEE."""

    def __init__(self, s, number):
        self.name, self.number = f'D{number}', number
        self.path = f'{s.mnt}/{self.name}'
        self.x, self.y, self.new = (f'{self.path}/{n}' for n in ('x', 'y', 'new'))
        self.before = None              # what it looked like, if it was looked at
        self.error = 0                  # how the operation ended
        self.fds = []

    def open(self, name, flags):
        fd = os.open(f'{self.path}/{name}', flags)
        self.fds.append(fd)
        return fd

    def close(self):
        while self.fds:
            os.close(self.fds.pop())


def make_object(tree, path, kind):
    """The same in each place."""
    if kind == 'file':
        tree.write(path, 'as made\n')
    elif kind == 'symlink':
        tree.symlink('target', path)
    else:
        tree.mkdir(path)
        if kind == 'tree':
            tree.write(f'{path}/inner', 'inner\n')


def prepare_host(s, at, objects):
    s.host.mkdir(at)
    # which the record of the directory's first change has to look at
    s.host.setxattr(at, ACCESS, acl(f'u::rwx u:{OTHER}:r-x g::r-x m::r-x o::r-x'))
    for name, (origin, kind) in objects.items():
        if origin != 'born':
            make_object(s.host, f'{at}/{name}' + ('.was' if origin == 'moved' else ''), kind)


def prepare_see(s, at, objects):
    for name, (origin, kind) in objects.items():
        path = f'{at}/{name}'
        if origin == 'born':
            make_object(s.see, path, kind)
        elif origin == 'moved':
            s.see.rename(f'{path}.was', path)
        elif origin != 'host':
            s.change(path, kind)


def prepare_late(s, at, objects):
    """What the host does when the SEE has changed something."""
    for name, (origin, kind) in objects.items():
        if origin in ('kept', 'replaced'):
            s.host.unlink(f'{at}/{name}')
        if origin == 'replaced':
            s.host.write(f'{at}/{name}', 'other\n')


# ---- a sweep -------------------------------------------------------------------

NOTED = SHAPE + ('nlink', 'size')
STRICT = NOTED + ('ino', 'mtime')


class Sweep:
    """An operation, tried with each of its allocations failing.

    objects: {name: (origin, kind)} in each directory; a name '' is the directory
    itself. operation(place) prepares and returns what is called. done: the errno
    of doing it once more, None if that makes no sense. same: nothing changes that can be
    seen, and the value must be the same. setup(tree, at): more, done in the SEE. cold:
    nothing was looked at before. either: it may have been done when it fails. touches: what
    fails has set the time, as everywhere.
    """

    def __init__(self, s, objects, operation, done=0, same=False, setup=None,
                 cold=False, either=False, touches=False, errors=MEMORY, workers=False):
        self.touches = touches
        self.s, self.operation, self.done, self.same = s, operation, done, same
        self.either, self.problems = either, []
        self.objects = {n: tuple(spec.split()) for n, spec in objects.items()}
        self.setup, self.cold, self.errors = setup, cold, errors
        self.workers, self.places = workers, []

    def prepare(self, count):
        """More directories, in which everything is as it is to be before."""
        s, first = self.s, len(self.places)
        fresh = [Place(s, first + i) for i in range(count)]
        inner = {n: o for n, o in self.objects.items() if n}
        own = self.objects.get('', ('host', 'dir'))[0]
        with s.host.together():
            for place in fresh:
                if own != 'born':
                    prepare_host(s, place.name, inner)
        for place in fresh:
            if own == 'born':
                s.see.mkdir(place.name)
            elif own == 'changed':
                s.change(place.name, 'tree')
            prepare_see(s, place.name, inner)
            if self.setup:
                self.setup(s.see, place.name)
        if any(o in ('kept', 'replaced') for o, _ in inner.values()):
            with s.host.together():
                for place in fresh:
                    prepare_late(s, place.name, inner)
        for place in fresh:
            if not self.cold:
                place.before = self.look(place, STRICT)
        self.places += fresh

    def look(self, place, fields=NOTED):
        found = fingerprint(place.path, fields)
        # what the host has no more gets another number at the next mount
        if any(o in ('kept', 'replaced') for o, _ in self.objects.values()):
            for entry in found.values():
                entry.pop('ino', None)
        # what was made and taken away again has left its time
        for entry in found.values():
            if self.touches or entry['type'] == stat.S_IFDIR:
                entry.pop('mtime', None)
        return found

    def fail(self, place, text, now=True):
        self.problems.append(
            f'allocation {place.number} of {place.name} failed, {ename(place.error)}: '
            f'{text}' + (traced() if now else ''))
        if len(self.problems) == 8:
            fail('\n'.join(self.problems))

    def expect(self, place, when, now=False):
        """place shows what it must."""
        strict = place.error and place.before
        got = self.look(place, STRICT if strict else NOTED)
        if place.error and self.either and not differences(got, self.after):
            place.error = 0
        if not place.error:
            want, what = self.after, 'after'
        else:
            want, what = place.before if strict else self.old, 'before'
        if lines := differences(got, want):
            self.fail(place, '\n  '.join([f'{when}not as {what}:'] + lines), now)

    def attempt(self, found, place, n):
        function = self.operation(place)
        value, place.error, count = found.run(n, function)
        place.close()
        return value, count

    def again(self, found, place, when):
        """With memory."""
        want = 0 if place.error else self.done
        _, number, _ = found.run(0, self.operation(place))
        place.close()
        if number != want:
            self.fail(place, f'again {when}, with memory: {ename(number)}, expected {ename(want)}')
        place.error, place.before = 0, None
        self.expect(place, f'done again {when}, ')

    def run(self):
        with faults(self.workers) as found:
            self.sweep(found)

    def sweep(self, found):
        s = self.s
        s.mount()
        self.prepare(1)
        control = self.places[0]
        self.old = self.look(control) if not self.cold else None
        value, total = self.attempt(found, control, NEVER)
        eq(ename(control.error), 'success', 'the operation, with memory')
        # what is open, or in memory anyway, may need no more
        ok(total > 0 or self.objects.get('x', ('host',))[0] != 'host',
           'nothing is allocated')
        self.after = self.look(control)
        if self.cold:
            self.old = self.after
        step = STEP or max(1, total // 3)
        tried, n, batch = [control], 1, total // step + 2
        while True:
            if len(tried) == len(self.places):
                self.prepare(batch)
                batch = 4
            place = self.places[len(tried)]
            place.number = n
            tried.append(place)
            got, count = self.attempt(found, place, n)
            if place.error and place.error not in self.errors:
                self.fail(place, 'no plausible error')
            if place.error and count < n:
                self.fail(place, f'but no allocation did, of {count}')
            if self.same and not place.error:
                eq(got, value, f'with allocation {n} failing{traced()}')
            self.expect(place, '', True)
            # the others are looked at again before they are done
            if place.error and len(tried) % 2:
                self.again(found, place, 'at once')
            if count < n:
                break
            n += step
        print(f'# {total} allocations, {len(tried)} tried, '
              f'{sum(bool(p.error) for p in tried)} failed', flush=True)
        for when in s.stages():
            for place in tried if when else ():
                self.expect(place, f'{when}, ')
        for place in tried:
            if place.error or self.done is not None:
                self.again(found, place, 'later')
        s.remount()
        for place in tried:
            self.expect(place, 'done again, and after a remount, ')
        if self.problems:
            fail('\n'.join(self.problems))


# ---- names ---------------------------------------------------------------------

NAMED = ORIGINS + ('moved', 'kept', 'replaced')
PAIRED = ('host', 'born', 'moved', 'kept')


def create(place):
    return lambda: os.close(os.open(place.new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))


def tmpfile(place):
    def make():
        with opened(place.path, os.O_TMPFILE | os.O_RDWR, 0o640) as fd:
            link_fd(fd, place.new)
    return make


MAKING = {
    'create': create,
    'mkfile': lambda p: lambda: os.mknod(p.new, stat.S_IFREG | 0o644),
    'mkdir': lambda p: lambda: os.mkdir(p.new),
    'mknod': lambda p: lambda: os.mknod(p.new, stat.S_IFIFO | 0o644),
    'symlink': lambda p: lambda: os.symlink('target', p.new),
    'tmpfile': tmpfile,
}


@test(over=[(how, origin) for how in MAKING for origin in ORIGINS])
def make(s, how, origin):
    "something new in a directory"
    Sweep(s, {'': f'{origin} dir'}, MAKING[how], errno.EEXIST,
          either=how == 'create').run()


@test(over=MAKING)
def make_where_something_was(s, how):
    "a name of the host's that the SEE removed"
    Sweep(s, {'new': 'host file'}, MAKING[how], errno.EEXIST, either=how == 'create',
          setup=lambda tree, at: tree.unlink(f'{at}/new')).run()


@test(over=MAKING)
def make_inheriting(s, how):
    "in a set-gid directory with a default ACL"
    def setup(tree, at):
        tree.chown(at, 0, USER)
        tree.chmod(at, 0o2775)
        tree.setxattr(at, DEFAULT, acl(f'u::rwx u:{OTHER}:r-x g::r-x m::r-x o::---'))
    Sweep(s, {}, MAKING[how], errno.EEXIST, setup=setup,
          either=how == 'create').run()


@test(over=NAMED)
def link(s, origin):
    Sweep(s, {'x': f'{origin} file'}, lambda p: lambda: linkat(p.x, p.new),
          errno.EEXIST).run()


@test(over=NAMED)
def unlink(s, origin):
    Sweep(s, {'x': f'{origin} file'}, lambda p: lambda: os.unlink(p.x), errno.ENOENT).run()


@test(over=ORIGINS + ('moved',))
def rmdir(s, origin):
    Sweep(s, {'x': f'{origin} dir'}, lambda p: lambda: os.rmdir(p.x), errno.ENOENT).run()


@test()
def rmdir_emptied(s):
    "a host directory whose entries the SEE removed"
    Sweep(s, {'x': 'host tree'}, lambda p: lambda: os.rmdir(p.x), errno.ENOENT,
          setup=lambda tree, at: tree.unlink(f'{at}/x/inner')).run()


@test(over=[(kind, origin) for kind in ('file', 'tree') for origin in NAMED
            if kind == 'file' or origin in ORIGINS + ('moved',)])
def rename(s, kind, origin):
    Sweep(s, {'x': f'{origin} {kind}'}, lambda p: lambda: renameat2(p.x, p.new),
          errno.ENOENT).run()


@test(over=[(a, b) for a in PAIRED for b in PAIRED])
def rename_over(s, origin, other):
    Sweep(s, {'x': f'{origin} file', 'y': f'{other} file'},
          lambda p: lambda: renameat2(p.x, p.y), errno.ENOENT).run()


@test(over=ORIGINS + ('moved',))
def rename_noreplace(s, origin):
    Sweep(s, {'x': f'{origin} file'}, lambda p: lambda: renameat2(p.x, p.new, NOREPLACE),
          errno.ENOENT).run()


@test(over=('host', 'born'))
def rename_whiteout(s, origin):
    "it may have moved the name and leave no whiteout (private-tree.rst), but nothing else"
    s.mount()
    objects, step, want = {'x': (origin, 'file')}, STEP or 9, {}
    with s.host.together():
        for n in range(step, 300, step):
            prepare_host(s, f'D{n}', objects)
    with faults() as found:
        n, count = 0, 0
        while count >= n:
            n += step
            place = Place(s, n)
            prepare_see(s, place.name, objects)
            _, number, count = found.run(n, lambda: renameat2(place.x, place.new, WHITEOUT))
            names = want[place.name] = s.see.ls(place.name)
            ok(number in MEMORY if number else names == {'x', 'new'}, f'allocation {n}: {ename(number)}')
            ok(names in ({'x', 'new'}, {'x'}, {'new'}), f'allocation {n}: {names}')
            if names == {'new'}:
                s.see.write(f'{place.name}/x', 'again\n')
                s.see.unlink(f'{place.name}/x')
    for _ in s.stages():
        for at, names in want.items():
            s.see.lists(at, names)
    print(f'# {count} allocations, {len(want)} tried', flush=True)


@test(over=[(a, b) for i, a in enumerate(PAIRED) for b in PAIRED[i:]])
def exchange(s, origin, other):
    Sweep(s, {'x': f'{origin} file', 'y': f'{other} file'},
          lambda p: lambda: renameat2(p.x, p.y, EXCHANGE), None).run()


def until_it_works(s, objects, attempt, late=lambda at: None, step=STEP or 9):
    """attempt(found, n, place), with each of its allocations failing, or each step-th, and
    what it said of each place.  late(at): what the host does there before."""
    said, places, n, count = {}, [], 0, 0
    s.mount()

    def prepare():
        places.extend(Place(s, i) for i in range(n, n + 24 * step, step))
        with s.host.together():
            for place in places:
                prepare_host(s, place.name, objects)
        for place in places:
            prepare_see(s, place.name, objects)
        with s.host.together():
            for place in places:
                prepare_late(s, place.name, objects)
                late(place.name)
    with faults() as found:
        while count >= n:
            n += step
            if not places:
                prepare()
            place = places.pop(0)
            said[place], number, count = attempt(found, n, place)
            ok(not number or number in MEMORY, f'allocation {n}: {ename(number)}')
    print(f'# {count} allocations, {len(said)} tried', flush=True)
    return said


@test(over=('host', 'changed'))
def exchange_that_fails_leaves_the_host_its_names(s, origin):
    "what the host does with them afterwards is seen"
    def attempt(found, n, place):
        _, number, count = found.run(n, lambda: renameat2(place.x, place.y, EXCHANGE))
        return bool(number), number, count
    said = until_it_works(s, {'x': (origin, 'file'), 'y': ('host', 'file')}, attempt,
                          step=STEP or 3)
    failed = [place.name for place, number in said.items() if number]
    ok(failed, 'none failed')
    with s.host.together():
        for at in failed:
            s.host.rename(f'{at}/x', f'{at}/moved')
            s.host.unlink(f'{at}/y')
    for _ in s.stages():
        for at in failed:
            s.see.lists(at, {'moved'})


@test(private=('other',), over=[(a, b) for a in ('born', 'host') for b in ('moved', 'kept')])
def what_was_replaced_does_not_return(s, origin, other):
    "when the other one is removed, whatever failed"
    def attempt(found, n, place):
        _, number, count = found.run(n, lambda: renameat2(place.x, place.y))
        if number:
            renameat2(place.x, place.y)
        s.see.unlink(f'{place.name}/y')
        s.see.lists(place.name, ())
        return None, number, count
    said = until_it_works(s, {'x': (origin, 'file'), 'y': (other, 'file')}, attempt)
    for _ in s.stages():
        for place in said:
            s.see.lists(place.name, ())


@test(private=('other',))
def tombstone_of_an_unlink_that_failed(s):
    "it hides nothing of what the host puts there once it worked"
    def attempt(found, n, place):
        _, number, count = found.run(n, lambda: os.unlink(place.x))
        return bool(number), number, count
    said = until_it_works(s, {'x': ('born', 'file')}, attempt,
                          lambda at: s.host.write(f'{at}/x', 'of the host\n'), step=1)
    failed = [place.name for place, number in said.items() if number]
    ok(failed, 'none failed')
    with s.host.together():
        for at in failed:
            s.host.unlink(f'{at}/x')
    for at in failed:
        s.see.unlink(f'{at}/x')
    with s.host.together():
        for at in failed:
            s.host.write(f'{at}/x', 'later\n')
    want = {at: s.see.ls(at) for at in failed}
    for _ in s.stages():
        for at in failed:
            s.see.lists(at, want[at])


# ---- objects ---------------------------------------------------------------------

def write(place):
    fd = place.open('x', os.O_RDWR)
    return lambda: os.pwrite(fd, b'written', 2)


def store(place):
    """A store into a shared mapping, by the kernel: nobody has to survive SIGBUS."""
    fd = place.open('x', os.O_RDWR)
    zero = os.open('/dev/zero', os.O_RDONLY)
    place.fds.append(zero)
    mapped = mmap.mmap(fd, 8)

    def put():
        try:
            os.readv(zero, [memoryview(mapped)[:4]])
        finally:
            mapped.close()
    return put


def fallocate(mode):
    def prepare(place):
        fd = place.open('x', os.O_RDWR)
        return lambda: call('fallocate', fd, mode, ctypes.c_long(0), ctypes.c_long(4096))
    return prepare


def lock(place):
    fd = place.open('x', os.O_RDWR)
    return lambda: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


CHANGES = {
    'write': write,
    'store': store,
    'punch': fallocate(3),
    'fallocate': fallocate(0),
    'truncate': lambda p: lambda: os.truncate(p.x, 3),
    'extend': lambda p: lambda: os.truncate(p.x, 10000),
    'open_trunc': lambda p: lambda: os.close(os.open(p.x, os.O_WRONLY | os.O_TRUNC)),
    'chmod': lambda p: lambda: os.chmod(p.x, 0o600),
    'chown': lambda p: lambda: os.chown(p.x, USER, OTHER),
    'utimes': lambda p: lambda: os.utime(p.x, ns=(10 ** 18, 10 ** 18)),
    'setxattr': lambda p: lambda: os.setxattr(p.x, 'user.new', b'value'),
    'removexattr': lambda p: lambda: os.removexattr(p.x, 'user.old'),
    'setacl': lambda p: lambda: os.setxattr(
        p.x, ACCESS, acl(f'u::rw- u:{OTHER}:r-- g::r-- m::r-- o::---')),
    'lock': lock,
}
STORE_ERRORS = MEMORY + (errno.EFAULT,)


@test(over=[(what, origin) for what in CHANGES for origin in ORIGINS])
def change(s, what, origin):
    "a file"
    setup = None
    if what == 'removexattr':
        setup = lambda tree, at: tree.setxattr(f'{at}/x', 'user.old', b'value')
    Sweep(s, {'x': f'{origin} file'}, CHANGES[what],
          errno.ENODATA if what == 'removexattr' else 0, setup=setup,
          touches=what in ('write', 'store'), errors=STORE_ERRORS if what == 'store' else MEMORY).run()


@test(over=[(what, origin) for what in ('chmod', 'chown', 'setxattr', 'default_acl')
            for origin in ORIGINS])
def change_directory(s, what, origin):
    how = CHANGES.get(what) or (lambda p: lambda: os.setxattr(
        p.x, DEFAULT, acl(f'u::rwx u:{OTHER}:r-x g::r-x m::r-x o::---')))
    Sweep(s, {'x': f'{origin} dir'}, how).run()


@test(over=ORIGINS)
def change_symlink(s, origin):
    Sweep(s, {'x': f'{origin} symlink'}, lambda p: lambda: os.lchown(p.x, USER, OTHER)).run()


# ---- looking -----------------------------------------------------------------------

def absent(place):
    def get():
        with contextlib.suppress(FileNotFoundError):
            os.lstat(place.new)
            return False
        return True
    return get


def read(place):
    def get():
        with opened(place.x) as fd:
            return os.pread(fd, 100, 0)
    return get


def listing(place):
    def get():
        with opened(place.x, os.O_RDONLY | os.O_DIRECTORY) as fd:
            return sorted(e.name for e in all_dents(fd))
    return get


def by_handle(place):
    handle = name_to_handle(place.x)

    def get():
        fd = open_by_handle(place.path, handle)
        try:
            return os.pread(fd, 100, 0)
        finally:
            os.close(fd)
    return get


LOOKS = {
    'stat': ('file', lambda p: lambda: os.lstat(p.x).st_size),
    'absent': ('file', absent),
    'read': ('file', read),
    'readlink': ('symlink', lambda p: lambda: os.readlink(p.x)),
    'listing': ('tree', listing),
    'xattrs': ('file', lambda p: lambda: sorted(xattrs(p.x))),
    'statfs': ('file', lambda p: lambda: os.statvfs(p.x).f_bsize),
    'handle': ('file', lambda p: lambda: name_to_handle(p.x)[0]),
    'open_by_handle': ('file', by_handle),
}


@test(over=[(what, origin) for what in LOOKS for origin in ORIGINS])
def look(s, what, origin):
    "where nothing was looked at before"
    kind, how = LOOKS[what]
    sweep = Sweep(s, {'x': f'{origin} {kind}'}, how, same=True, cold=True)
    prepared = sweep.prepare

    def prepare(count):
        prepared(count)
        s.drop_caches()
    sweep.prepare = prepare
    sweep.run()


def dirty(tree, at):
    """Bytes, times and a name that may not be on disk."""
    tree.pwrite(f'{at}/x', b'dirty', 1)
    tree.utime(f'{at}/x', 5 * 10 ** 17, 5 * 10 ** 17)


def fsync(place):
    fd = place.open('x', os.O_RDWR)
    return lambda: os.fsync(fd)


@test(over=[(what, origin) for what in ('fsync', 'syncfs')
                        for origin in ('host', 'born')])
def sync(s, what, origin):
    "what cannot be written stays dirty"
    how = fsync if what == 'fsync' else lambda p: lambda: syncfs(p.path)
    Sweep(s, {'x': f'{origin} file'}, how, same=True, setup=dirty,
          workers=what == 'syncfs').run()


# ---- the layer ---------------------------------------------------------------------

def every_change(s):
    """Something of each kind in the SEE; what it then looks like."""
    objects = {f'{origin}_{kind}': (origin, kind) for origin in NAMED
               for kind in ('file', 'tree', 'symlink')
               if kind == 'file' or origin in ORIGINS + ('moved',)}
    with s.host.together():
        prepare_host(s, 'D', objects)
    prepare_see(s, 'D', objects)
    s.see.unlink('empty')
    s.see.pwrite('big', b'written' * 1000, 5000)
    s.see.setxattr('file', 'user.new', b'value')
    s.see.link('file', 'D/born_tree/linked')
    renameat2(f'{s.mnt}/dir', f'{s.mnt}/D/changed_tree/dir')
    with s.host.together():
        prepare_late(s, 'D', objects)
    s.remount()
    return fingerprint(s.mnt, STRICT)


class Mounts:
    """A lower on a file system of its own, so that who keeps it busy is found out."""

    def __init__(self, s):
        self.s, self.scratch = s, Scratch('ext4', 64 << 20)
        self.lower = f'{self.scratch.fs}/lower'
        os.mkdir(self.lower)

    def private(self, name):
        path = f'{self.scratch.fs}/{name}'
        os.mkdir(path, 0o700)
        return path

    def close(self):
        while os.path.ismount(self.s.mnt):
            umount(self.s.mnt)
        image = self.scratch.image
        self.scratch.close()
        for backing in glob.glob('/sys/block/loop*/loop/backing_file'):
            with open(backing) as f:
                ok(not f.read().startswith(image), 'the file system is still in use')


def mounts(s, found, n, where, private):
    """(errno, allocations) of a mount."""
    _, number, count = found.run(n, lambda: mount(
        'none', s.mnt, 'seefs', 0, f'lower={where},private={private}'))
    if number and number not in MEMORY:
        fail(f'allocation {n}: {ename(number)}{traced()}')
    if number and count < n:
        fail(f'{ename(number)}, but no allocation failed, of {count}')
    return number, count


@test(layer=True)
def mount_new(s):
    "an empty private tree; what was begun is no obstacle"
    n, count = 1 - MOUNTS, 1
    with contextlib.closing(Mounts(s)) as own, faults() as found:
        with open(f'{own.lower}/file', 'w') as f:
            f.write('file\n')
        want = fingerprint(own.lower, NOTED)
        while count >= n:
            n += MOUNTS
            private = own.private(f'p{n}')
            number, count = mounts(s, found, n, own.lower, private)
            if number:
                mounts(s, found, 0, own.lower, private)
            ok('trusted.see.store' in xattrs(private), f'allocation {n}: not marked')
            same_tree(fingerprint(s.mnt, NOTED), want, f'allocation {n}')
            umount(s.mnt)
    print(f'# {n} allocations', flush=True)


@test(layer=True)
def mount_again(s):
    "a private tree with changes, which must not be less afterwards"
    want, n, count, failed = every_change(s), 1 - MOUNTS, 1, 0
    s.umount()
    with faults() as found:
        while count >= n:
            n += MOUNTS
            number, count = mounts(s, found, n, s.lower, s.private)
            failed += bool(number)
            if number and failed % 16 == 0:
                mounts(s, found, 0, s.lower, s.private)
                number = 0
            if not number:
                same_tree(fingerprint(s.mnt, STRICT), want, f'allocation {n}{traced()}')
                umount(s.mnt)
    print(f'# {n} allocations, {failed} failed', flush=True)
    s.mount()
    same_tree(fingerprint(s.mnt, STRICT), want, 'at last')


@test(layer=True)
def unmount(s):
    "what is dirty, also where a worker writes it"
    with s.host.together():
        s.host.mkdir('D')
    # so that its times are the SEE's, too
    s.see.chmod('D', 0o750)
    n, count = 1 - MOUNTS, 1
    with faults(workers=True) as found:
        while count >= n:
            n += MOUNTS
            name = f'D/x{n}'
            s.host.write(name, 'host\n' * 1000)
            s.see.pwrite(name, b'dirty', 3)
            s.see.chmod(name, 0o600)
            s.see.write(f'{name}.born', 'born\n')
            want = fingerprint(f'{s.mnt}/D', STRICT)
            # which is that of the last mount
            want['.'].pop('size')
            _, number, count = found.run(n, s.umount)
            eq(ename(number), 'success', f'unmounting, allocation {n}')
            same_tree(fingerprint(s.see.path('D'), STRICT), want,
                      f'allocation {n}{traced()}')
    print(f'# {n} allocations', flush=True)


# The smoke set: what begins with objects of the host, and what has no such choice. Of what
# is tried for all that can be made, a file and a directory: the rest takes too long.
for case in CASES:
    if case.function in (make_where_something_was, make_inheriting):
        case.smoke = case.args[0] in ('create', 'mkdir')
    elif case.function in (rename_over, what_was_replaced_does_not_return):
        case.smoke = case.args[0] == 'host'
    else:
        case.smoke = 'host' in case.args or not set(case.args) & set(NAMED)

if os.path.exists('/proc/self/fail-nth'):
    main()
else:
    print('1..0 # SKIP this kernel injects no faults')
