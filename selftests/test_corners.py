#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Corners of the view: what a host does to names that a SEE is working with."""
import itertools

from see_test import *

DIRECTORY = os.O_RDONLY | os.O_DIRECTORY


def by_three(t, a, b):
    """Swap two names without RENAME_EXCHANGE."""
    for old, new in ((a, 'between'), (b, a), ('between', b)):
        t.rename(old, new)


def turn(t, parent, child):
    """parent/child becomes child/parent, in the directory that parent is in."""
    up, name = os.path.split(parent)
    t.rename(f'{parent}/{child}', 'between')
    t.rename(parent, f'between/{name}')
    t.rename('between', os.path.join(up, child))


# ---- a directory in which the SEE works -------------------------------------

class Worker:
    """Somebody at work in a directory of the SEE: there, with descriptors and a watch."""

    FILES = {'live': os.O_RDONLY, 'changed': os.O_RDWR, 'born': os.O_RDWR, 'sub': DIRECTORY}

    @staticmethod
    def prepare(host, at):
        host.makedirs(f'{at}/sub')
        for name in ('live', 'changed', 'removed', 'sub/attrs'):
            host.write(f'{at}/{name}', f'{name}\n')

    def __init__(self, s, at):
        self.s, self.made, self.added = s, set(), ''
        s.see.append(f'{at}/changed', 'SEE\n')
        s.see.write(f'{at}/born', 'born\n')
        s.see.unlink(f'{at}/removed')
        s.see.chmod(f'{at}/sub/attrs', 0o640)
        self.ino = s.see.ino(at)
        self.fds = {}
        self.enter(at)

    def enter(self, at):
        os.chdir(self.s.see.path(at))
        self.fds = {n: os.open(n, f) for n, f in self.FILES.items() if os.path.exists(n)}
        self.watch = Inotify('.', mask=Inotify.CREATE)

    def leave(self):
        for fd in (*self.fds.values(), self.watch.fd):
            os.close(fd)
        self.fds = {}
        os.chdir('/')

    def check(self, at, gone=False):
        """The directory is at this name of the SEE, None: at none; gone: the host has it not."""
        see = self.s.see
        if not self.fds and at is None:
            return
        if not self.fds:
            self.enter(at)
        want = {'changed', 'born', 'sub'} | self.made | (set() if gone else {'live'})
        if at is not None:
            eq(see.ino(at), os.stat('.').st_ino, f'number of {at}')
            # one that lives on in the SEE alone may get another at the next mount
            if not gone:
                eq(see.ino(at), self.ino, f'number of {at}')
            eq(os.stat('..').st_ino, see.ino(os.path.dirname(at)), 'number of ..')
            eq(os.getcwd(), see.path(at), 'getcwd')
            see.lists(at, want)
            see.absent(f'{at}/removed')
            eq(see.mode(f'{at}/sub/attrs'), 0o640, 'mode of sub/attrs')
        eq(set(os.listdir('.')), want, 'list of the working directory')
        if not gone:
            eq(os.pread(self.fds['live'], 100, 0), b'live\n', 'live')
        new = f'new{len(self.made)}'
        for directory in ('.', f'/proc/self/fd/{self.fds["sub"]}'):
            with open(f'{directory}/{new}', 'w') as f:
                f.write(new)
        self.made.add(new)
        eq(self.watch.read(), [(Inotify.CREATE, new)], 'events')
        self.added += new
        os.lseek(self.fds['changed'], 0, os.SEEK_END)
        os.write(self.fds['changed'], new.encode())
        with open('changed') as f:
            eq(f.read(), f'changed\nSEE\n{self.added}', 'changed')
        if at is not None:
            see.holds(f'{at}/changed', f'changed\nSEE\n{self.added}')
            see.holds(f'{at}/born', 'born\n')
            for name in self.made:
                see.holds(f'{at}/{name}', name)
                see.holds(f'{at}/sub/{name}', name)


def stages_of(s, worker, at, gone=False):
    for stage in s.stages():
        worker.check(at, gone)
        if stage == 'after drop_caches':
            worker.leave()


# what the host does, where the directory is then, and what it does to undo it
MOVES = {
    'rename': (lambda h: h.rename('p/w', 'p/v'), 'p/v', lambda h: h.rename('p/v', 'p/w')),
    'away': (lambda h: h.rename('p/w', 'w'), 'w', lambda h: h.rename('w', 'p/w')),
    'parent': (lambda h: h.rename('p', 'q/p'), 'q/p/w', lambda h: h.rename('q/p', 'p')),
    'exchange': (lambda h: h.rename('p/w', 'q/x', EXCHANGE), 'q/x',
                 lambda h: h.rename('p/w', 'q/x', EXCHANGE)),
    'exchange-file': (lambda h: h.rename('p/w', 'file', EXCHANGE), 'file',
                      lambda h: h.rename('p/w', 'file', EXCHANGE)),
    'exchange-parents': (lambda h: h.rename('p', 'q', EXCHANGE), 'q/w',
                         lambda h: h.rename('p', 'q', EXCHANGE)),
    'three-renames': (lambda h: by_three(h, 'p/w', 'q/x'), 'q/x',
                      lambda h: by_three(h, 'p/w', 'q/x')),
}


@test(smoke=True, layer=True, over=list(MOVES))
def host_moves_a_directory_at_work(s, how):
    "cwd, descriptors and watches stay with it, there and back again"
    Worker.prepare(s.host, 'p/w')
    s.host.makedirs('q/x')
    s.host.write('q/x/other', 'other\n')
    worker = Worker(s, 'p/w')
    there, at, back = MOVES[how]
    with s.host.together():
        there(s.host)
    stages_of(s, worker, at)
    worker.leave()
    worker.enter(at)
    with s.host.together():
        back(s.host)
    stages_of(s, worker, 'p/w')
    s.see.holds('q/x/other', 'other\n')


@test(smoke=True, layer=True, over=('p/w', 'p'))
def directory_at_work_leaves_the_layer(s, what):
    "and comes back: nothing of it shows meanwhile, and nothing is lost"
    Worker.prepare(s.host, 'p/w')
    worker = Worker(s, 'p/w')
    with s.host.together():
        s.host.rename(what, '../outside')
    for stage in s.stages():
        s.see.absent(what)
        worker.check(None)
        if stage == 'after drop_caches':
            worker.leave()
    with s.host.together():
        s.host.rename('../outside', 'back')
    at = 'back' if what == 'p/w' else 'back/w'
    stages_of(s, worker, at)


@test(layer=True, over=('file', 'renamed-directory'))
def changed_objects_leave_the_layer(s, what):
    "a changed file is not shown; what has a name of the SEE stays where it is"
    if what == 'file':
        s.see.append('dir/a', 'SEE\n')
        s.host.rename('dir/a', '../outside')
        for _ in s.stages():
            s.see.absent('dir/a')
        s.host.rename('../outside', 'back')
        for _ in s.stages():
            s.see.holds('back', 'dir/a\nSEE\n')
            s.see.absent('dir/a')
        return
    s.see.rename('dir', 'mine')
    s.see.write('mine/born', 'born\n')
    s.host.rename('dir', '../outside')
    for _ in s.stages():
        s.see.absent('dir')
        s.see.holds('mine/born', 'born\n')
        s.see.holds('mine/a', 'dir/a\n')
        eq(os.stat(s.see.path('mine/..')).st_ino, s.see.ino(''), 'number of ..')
    s.host.rename('../outside', 'back')
    for _ in s.stages():
        s.see.absent('dir', 'back')
        s.see.holds('mine/a', 'dir/a\n')


@test(layer=True)
def changed_first_outside_of_the_layer(s):
    "by who had it open, or stands in it: that is there when it comes back"
    os.chdir(s.see.path('dir'))
    with s.see.opened('dir/a', os.O_RDWR) as fd:
        s.host.rename('dir', '../outside')
        os.pwrite(fd, b'SEE', 0)
    with open('born', 'w') as f:
        f.write('born\n')
    os.unlink('b')
    ok(not os.path.exists('../lower'), '.. leads out of the layer')
    os.chdir('/')
    for _ in s.stages():
        s.see.absent('dir')
    s.host.rename('../outside', 'back')
    for _ in s.stages():
        s.see.lists('back', 'a born link3 sub')
        s.see.holds('back/a', 'SEE/a\n')
        s.see.holds('back/born', 'born\n')


@test(layer=True)
def changed_outside_and_removed_inside(s):
    "its directory is kept, too, though it was not there at the first change"
    with s.host.together():
        s.host.makedirs('p/w')
        s.host.makedirs('q')
        s.host.chmod('q', 0o711)
    os.chdir(s.see.path('p/w'))
    s.host.rename('p/w', '../outside')
    with open('first', 'w') as f:
        f.write('first\n')
    os.chdir('/')
    s.host.rename('../outside', 'q/w')
    s.see.write('q/w/second', 'second\n')
    s.host.rmtree('q')
    for _ in s.stages():
        s.see.lists('q', 'w')
        s.see.lists('q/w', 'first second')
        eq(s.see.mode('q'), 0o711, 'mode')
        s.see.holds('q/w/first', 'first\n')


@test(layer=True)
def kept_where_it_was_changed_and_not_where_it_was_locked(s):
    with s.see.opened('dir/a', os.O_RDWR) as fd:
        fcntl.flock(fd, fcntl.LOCK_EX)
        s.host.rename('dir/a', 'moved')
        os.pwrite(fd, b'SEE', 0)
    s.host.unlink('moved')
    for _ in s.stages():
        s.see.absent('dir/a')
        s.see.holds('moved', 'SEE/a\n')


@test(smoke=True, layer=True, over=('source', 'target', 'kept'))
def rename_across_of_what_the_host_moved(s, what):
    "at once, without a look at where the directory is now"
    with s.host.together():
        s.host.makedirs('p/x')
        s.host.makedirs('q')
    s.see.write('p/x/born', 'born\n') if what != 'target' else s.see.ls('p/x')
    s.host.rename('p/x', 'q/x')
    if what == 'target':
        s.see.write('empty_dir/born', 'born\n')
        s.see.rename('empty_dir', 'q/x')
    elif what == 'source':
        s.see.rename('q/x', 'dir/x')
    else:
        s.see.ls('q/x')
        s.host.rmtree('q/x')
        s.see.rename('p/x', 'dir/x')
    at = 'q/x' if what == 'target' else 'dir/x'
    for _ in s.stages():
        s.see.lists(at, 'born')
        s.see.holds(f'{at}/born', 'born\n')
        s.see.absent('p/x', 'dir/x' if what == 'target' else 'q/x')


REMOVALS = {
    'rmtree': lambda h: h.rmtree('p/w'),
    'parent': lambda h: h.rmtree('p'),
    'replaced': lambda h: (h.rmtree('p/w'), h.mkdir('p/w'), h.write('p/w/live', 'other\n')),
    'by-a-file': lambda h: (h.rmtree('p/w'), h.write('p/w', 'file\n')),
    'moved-first': lambda h: (h.rename('p/w', 'v'), h.rmtree('v')),
}


@test(smoke=True, layer=True, over=list(REMOVALS))
def host_removes_a_directory_at_work(s, how):
    "the SEE goes on in it: it is kept, with what was changed in it"
    Worker.prepare(s.host, 'p/w')
    worker = Worker(s, 'p/w')
    os.close(worker.fds.pop('live'))
    with s.host.together():
        REMOVALS[how](s.host)
    stages_of(s, worker, 'p/w', gone=True)


@test(layer=True, over=('see-first', 'host-first'))
def both_remove_a_directory_at_work(s, order):
    "it is dead, and a name that the host gives it again is that of another one"
    s.host.makedirs('p/w')
    s.see.write('p/w/born', 'born\n')
    os.chdir(s.see.path('p/w'))
    with opened('.', DIRECTORY) as fd:
        steps = [lambda: s.see.rmtree('p/w'), lambda: s.host.rmdir('p/w')]
        for step in steps if order == 'see-first' else steps[::-1]:
            step()
        eq((os.listdir('.'), os.listdir(fd), os.fstat(fd).st_nlink), ([], [], 0), 'the directory')
        for function in (lambda: os.mkdir('x'), lambda: os.open('x', os.O_CREAT | os.O_WRONLY),
                         lambda: os.link('../../file', 'x'), os.getcwd):
            raises(errno.ENOENT, function)
        eq(os.listdir('..'), [], 'what is in its parent')
        s.see.absent('p/w')
        s.host.mkdir('p/w')
        s.host.write('p/w/again', 'again\n')
        raises(errno.ENOENT, os.mkdir, 'x')
        eq(os.listdir(fd), [], 'the directory, later')
    os.chdir('/')
    for _ in s.stages():
        s.see.lists('p', '' if order == 'see-first' else 'w')
        if order == 'host-first':
            s.see.holds('p/w/again', 'again\n')


# ---- a name that becomes something else -------------------------------------

@test(layer=True, over=('cached', 'open', 'changed', 'tombstones'))
def file_and_directory_in_turn(s, state):
    "unchanged it shows as it is now; what was changed is kept under its name"
    s.host.mkdir('x')
    s.host.write('x/in', 'in\n')
    fds = []
    if state == 'open':
        fds = [s.see.open('x', DIRECTORY), s.see.open('x/in')]
    elif state == 'changed':
        s.see.write('x/born', 'born\n')
    elif state == 'tombstones':
        s.see.unlink('x/in')
    s.see.ls('x')

    def shows(kind, text):
        for _ in s.stages() if not fds else ('',):
            if state == 'changed':
                s.see.lists('x', 'born')
                s.see.holds('x/born', 'born\n')
            elif state == 'tombstones':
                s.see.lists('x', '')
            elif kind == 'file':
                s.see.holds('x', text)
                raises(errno.ENOTDIR, s.see.stat, 'x/in')
            else:
                s.see.lists('x', 'in')
                s.see.holds('x/in', text)
    for i in range(3):
        with s.host.together():
            s.host.rmtree('x')
            s.host.write('x', f'{i}\n')
        shows('file', f'{i}\n')
        with s.host.together():
            s.host.unlink('x')
            s.host.mkdir('x')
            s.host.write('x/in', f'{i}\n')
        shows('dir', f'{i}\n')
    if fds:
        eq(os.listdir(fds[0]), [], 'list of the removed directory')
        eq(os.pread(fds[1], 10, 0), b'in\n', 'content of the removed file')
        for fd in fds:
            os.close(fd)
        fds = []
        shows('dir', '2\n')


@test(layer=True, over=('file', 'dir'))
def changed_object_makes_place_and_returns(s, kind):
    "the host puts the other kind there meanwhile, without dropping it"
    name = {'file': 'file', 'dir': 'dir'}[kind]

    def changed(at):
        if kind == 'file':
            s.see.holds(at, 'file\nSEE\n')
        else:
            s.see.holds(f'{at}/born', 'born\n')
            s.see.holds(f'{at}/a', 'dir/a\n')
    if kind == 'file':
        s.see.append('file', 'SEE\n')
    else:
        s.see.write('dir/born', 'born\n')
    for _ in range(2):
        with s.host.together():
            s.host.rename(name, 'aside')
            if kind == 'file':
                s.host.mkdir(name)
                s.host.write(f'{name}/in', 'in\n')
            else:
                s.host.write(name, 'in\n')
        for _ in s.stages():
            changed('aside')
            s.see.holds(f'{name}/in' if kind == 'file' else name, 'in\n')
        with s.host.together():
            s.host.rmtree(name) if kind == 'file' else s.host.unlink(name)
            s.host.rename('aside', name)
        for _ in s.stages():
            changed(name)
            s.see.absent('aside')


# ---- numbers that the host uses again ---------------------------------------

def until_reused(s, ino, make, unmake):
    """make() until it gives this number again; whether it did, on any file system."""
    with s.host.together():
        for i in range(200):
            if make() == ino:
                return True
            if i < 199:
                unmake()
        return False


def reuse(s, ino, name, kind='file'):
    """Make a host name, with this number if the file system gives it again."""
    def make():
        if kind == 'file':
            s.host.write(name, 'another\n')
        else:
            s.host.mkdir(name)
            s.host.write(f'{name}/other', 'other\n')
        return s.host.ino(name)

    def unmake():
        s.host.rmtree(name) if kind == 'dir' else s.host.unlink(name)
    again = until_reused(s, ino, make, unmake)
    # ext4 gives the lowest free number
    ok(again or FS != 'ext4', f'number {ino} was not used again')


@test(smoke=True, layer=True, over=('cached', 'negative', 'was-open', 'linked'))
def number_used_again_unchanged(s, state):
    "a new file with the number of an old one is new, by name and by handle"
    where = 'dir/b' if state == 'negative' else 'dir/a'
    s.see.read('dir/a')
    old, ino = name_to_handle(s.see.path('dir/a')), s.host.ino('dir/a')
    if state == 'negative':
        s.host.unlink('dir/b')
        s.see.absent('dir/b')
    if state == 'linked':
        s.see.link('dir/a', 'mine')
        s.see.unlink('mine')
    if state == 'was-open':
        fd = s.see.open('dir/a')
        s.host.unlink('dir/a')
        s.host.write('dir/a', 'between\n')
        ok(s.host.ino('dir/a') != ino, 'the number of an open file')
        s.see.holds('dir/a', 'between\n')
        eq(os.pread(fd, 100, 0), b'dir/a\n', 'descriptor')
        os.close(fd)
        s.host.rename('dir/a', 'dir/b')
    else:
        s.host.unlink('dir/a')
        if state == 'linked':
            # what the SEE once held is in memory as long as the layer is mounted
            s.remount()
    if state != 'was-open':
        s.see.absent(where)
    reuse(s, ino, where)
    for stage in s.stages():
        s.see.holds(where, 'another\n')
        eq(s.see.ino(where), s.host.ino(where), f'number {stage}')
        eq(s.see.stat(where).st_nlink, 1, f'links {stage}')
        ok(name_to_handle(s.see.path(where)) != old, f'one handle for two {stage}')
        raises(errno.ESTALE, open_by_handle, s.mnt, old, os.O_PATH)
    s.see.append(where, 'SEE\n')
    for _ in s.stages():
        s.see.holds(where, 'another\nSEE\n')


@test(smoke=True, layer=True, over=list(itertools.product(
    ('written', 'removed', 'renamed'), ('same-name', 'other-name'))))
def number_used_again_changed(s, how, where):
    "while the layer is unmounted: what the SEE had is no other object's"
    new = 'dir/a' if where == 'same-name' else 'dir/z'
    ino = s.see.ino('dir/a')
    if how == 'written':
        s.see.write('dir/a', 'SEE\n')
    elif how == 'removed':
        s.see.unlink('dir/a')
    else:
        s.see.rename('dir/a', 'mine')
    s.umount()
    s.host.unlink('dir/a')
    reuse(s, ino, new)
    for stage in s.stages():
        if how == 'written':
            s.see.holds('dir/a', 'SEE\n')
            eq(s.see.stat('dir/a').st_nlink, 1, f'links {stage}')
        else:
            s.see.absent('dir/a')
        if how == 'renamed':
            # its data was never copied, and is not that of the other one
            raises(errno.EIO, s.see.read, 'mine')
            eq(s.see.stat('mine').st_nlink, 1, f'links {stage}')
        if where == 'other-name':
            s.see.holds('dir/z', 'another\n')
            eq((s.see.ino('dir/z'), s.see.stat('dir/z').st_nlink),
               (s.host.ino('dir/z'), 1), f'number and links of dir/z {stage}')
            for name in {'written': ['dir/a'], 'renamed': ['mine']}.get(how, []):
                ok(s.see.ino(name) != s.see.ino('dir/z'), f'one number for two {stage}')


@test(layer=True, over=('same-name', 'other-name'))
def number_of_a_directory_used_again(s, where):
    "the SEE's names stay with the directory that they were made in"
    new = 'dir' if where == 'same-name' else 'another'
    ino = s.see.ino('dir')
    s.see.write('dir/born', 'born\n')
    s.see.unlink('dir/a')
    s.umount()
    s.host.rmtree('dir')
    reuse(s, ino, new, 'dir')
    for stage in s.stages():
        s.see.lists('dir', 'born')
        s.see.holds('dir/born', 'born\n')
        if where == 'other-name':
            s.see.lists('another', 'other')
            ok(s.see.ino('dir') != s.see.ino('another'), f'one number for two {stage}')


# ---- names of objects that the SEE changed ----------------------------------

@test(layer=True)
def covered_names_that_the_host_exchanges(s):
    "link counts leave out the names that the SEE removed, whatever is there"
    with s.host.together():
        s.host.link('file', 'file2')
        s.host.link('empty', 'empty2')
    s.see.unlink('file2')
    for _ in s.stages():
        eq([s.see.stat(n).st_nlink for n in ('file', 'empty')], [1, 2], 'links')
    s.host.rename('empty2', 'file2', EXCHANGE)
    for stage in s.stages():
        eq([s.see.stat(n).st_nlink for n in ('file', 'empty2', 'empty')], [2, 2, 1],
           f'links {stage}')
    s.host.rename('file2', 'empty2', EXCHANGE)
    for stage in s.stages():
        eq([s.see.stat(n).st_nlink for n in ('file', 'empty')], [1, 2], f'links {stage}')
    s.host.rename('dir', 'file2', EXCHANGE)
    for stage in s.stages():
        eq([s.see.stat(n).st_nlink for n in ('file', 'dir')], [2, 2], f'links {stage}')
        s.see.absent('file2')


@test(layer=True)
def changed_and_open_file_gets_another_name(s):
    "from the host, when it had none in the SEE: the SEE can link it again"
    s.see.chmod('file', 0o640)
    with s.see.opened('file') as fd:
        s.see.unlink('file')
        eq(os.fstat(fd).st_nlink, 0, 'links of the removed file')
        s.host.link('file', 'another')
        s.see.link('another', 'third')
        eq(os.fstat(fd).st_nlink, 2, 'links')
    for stage in s.stages():
        eq(s.see.ino('third'), s.see.ino('another'), f'number {stage}')
        eq(s.see.mode('third'), 0o640, f'mode {stage}')


@test(layer=True)
def host_renames_one_over_a_changed_file(s):
    "which keeps its name: that of the other one is none that the SEE has"
    s.see.link('file', 'mine')
    s.see.write('dir/a', 'SEE\n')
    eq(s.see.stat('mine').st_nlink, 2, 'links before')
    s.host.rename('file', 'dir/a')
    for stage in s.stages():
        s.see.holds('dir/a', 'SEE\n')
        s.see.absent('file')
        eq(s.see.stat('mine').st_nlink, 1, f'links {stage}')


@test(layer=True, over=list(itertools.product(('chown', 'write'), ('unlink', 'replace'))))
def linked_once_and_changed_after_a_remount(s, change, how):
    "the SEE has what it changed, though the host gives up the name"
    s.see.link('file', 'mine')
    s.remount()
    s.see.unlink('mine')
    if change == 'chown':
        s.see.chown('file', USER)
    else:
        s.see.append('file', 'SEE\n')
    before = s.see.stat('file')
    if how == 'unlink':
        s.host.unlink('file')
    else:
        s.host.replace('file', 'another\n')
    names = set(s.host.ls('')) | {'file'}
    for stage in s.stages():
        s.see.lists('', names)
        eq(s.see.stat('file').st_uid, before.st_uid, f'owner {stage}')
        s.see.holds('file', 'file\n' + ('SEE\n' if change == 'write' else ''), stage)


@test(layer=True)
def directory_at_the_place_of_a_changed_file(s):
    "is worked in until the host drops the file, which then has its name"
    s.see.chmod('file', 0o640)
    s.remount()
    s.host.rename('file', 'dir/sub', EXCHANGE)
    for _ in range(2):
        s.see.lists('file', {'c'})
        s.see.holds('file/c', 'dir/sub/c\n')
    s.host.unlink('dir/sub')
    for _ in s.stages():
        s.see.holds('file', 'file\n')
        eq(s.see.mode('file'), 0o640, 'mode')


@test(layer=True, over=('rename', 'rename-into', 'link'))
def host_removes_what_the_see_did_not_change(s, what):
    "since that failed: it is not kept"
    s.see.mkdir('full')
    s.see.write('full/x', 'x\n')
    if what == 'rename':
        raises(errno.ENOTEMPTY, s.see.rename, 'dir/sub', 'full')
    elif what == 'rename-into':
        raises(errno.ENOTEMPTY, s.see.rename, 'full', 'dir/sub')
    else:
        # the object, not what it is in
        s.see.link('dir/sub/c', 'mine')
    s.host.unlink('dir/sub/c')
    s.host.rmdir('dir/sub')
    for stage in s.stages():
        s.see.absent('dir/sub')
        if s.counts_directories():
            eq(s.see.stat('dir').st_nlink, 2, f'links {stage}')
        if what == 'link':
            s.see.holds('mine', 'dir/sub/c\n')


def take_away(t, how, at, name):
    """What the SEE does to a changed file which the host just removed; what is left of it."""
    new = f'{at}/new-{name}'
    if how == 'rename':
        t.rename(f'{at}/{name}', new)
        return new
    if how == 'rename-over':
        t.rename(f'{at}/{name}', f'{at}/host-{name}')
        return f'{at}/host-{name}'
    if how == 'exchange':
        t.write(new, 'born\n')
        t.rename(f'{at}/{name}', new, EXCHANGE)
        t.unlink(f'{at}/{name}')
        return new
    if how == 'replace':
        t.write(new, 'born\n')
        t.rename(new, f'{at}/{name}')
    t.unlink(f'{at}/{name}')
    return None


@test(smoke=True, layer=True, over=('rename', 'rename-over', 'exchange', 'replace', 'unlink'))
def kept_name_is_taken_away(s, how):
    "before it lasts: more of them than are made to last meanwhile, the latest first"
    names = [f'{i}' for i in range(40 if SMOKE else 120)]
    with s.host.together():
        s.host.mkdir('many')
        for name in names:
            s.host.write(f'many/{name}', 'host\n')
            s.host.write(f'many/host-{name}', 'host\n')
    for name in names:
        s.see.append(f'many/{name}', 'SEE\n')
    with s.host.together():
        for name in names:
            s.host.unlink(f'many/{name}')
    left = [take_away(s.see, how, 'many', name) for name in names[::-1]]
    want = {f'host-{name}' for name in names} | {os.path.basename(n) for n in left if n}
    for _ in s.stages():
        s.see.lists('many', want)
        s.see.absent(*(f'many/{name}' for name in names))
        for name in filter(None, left):
            s.see.holds(name, 'host\nSEE\n')
            eq(s.see.stat(name).st_nlink, 1, f'links of {name}')


@test(layer=True, over=('later', 'earlier', 'later-first', 'earlier-first'))
def two_that_were_changed_at_one_place(s, dropped):
    "the host puts another file there, and drops one of them, or both: the later change has the name"
    s.host.write('n', 'host1\n')
    s.see.append('n', 'SEE\n')
    with s.host.together():
        s.host.rename('n', 'm')
        s.host.write('n', 'host2\n')
    s.see.append('n', 'SEE\n')
    with s.host.together():
        for name in {'later': 'n', 'earlier': 'm', 'later-first': 'nm', 'earlier-first': 'mn'}[dropped]:
            s.host.unlink(name)
    for _ in s.stages():
        s.see.holds('n', 'host2\nSEE\n')
        if dropped == 'later':
            s.see.holds('m', 'host1\nSEE\n')
        else:
            s.see.absent('m')
        eq(s.see.ls() & {'n', 'm'}, {'n', 'm'} if dropped == 'later' else {'n'}, 'listing')


def container_of(s, name):
    "the container in which a born thing is"
    at, = (at for at, _, names in os.walk(s.private) if at.endswith('/made') and name in names)
    return os.path.dirname(at)


@test(layer=True, over=('unlink', 'rename'))
def a_mark_that_the_power_left(s, how):
    "below what replaced it: both are there after a cut, and the name is the new one's"
    s.see.rename('dir/a', 'dir/n')
    s.see.write('dir/new', 'born\n')
    s.umount()
    box = container_of(s, 'new')
    ok(os.path.lexists(f'{box}/linked/n'), 'no mark')
    os.rename(f'{box}/made/new', f'{box}/made/n')
    for _ in s.stages():
        s.see.lists('dir', 'b n sub link3')
        s.see.holds('dir/n', 'born\n')
    if how == 'unlink':
        s.see.unlink('dir/n')
    else:
        s.see.rename('dir/n', 'dir/elsewhere')
    for _ in s.stages():
        s.see.lists('dir', 'b sub link3' + ' elsewhere' * (how == 'rename'))


@test(layer=True)
def a_mark_that_the_power_left_in_a_new_directory(s):
    s.see.mkdir('new')
    s.see.rename('dir/a', 'new/n')
    s.see.write('new/x', 'born\n')
    s.umount()
    new = f"{next(at for at, dirs, _ in os.walk(s.private) if at.endswith('/made') and 'new' in dirs)}/new"
    os.rename(f'{new}/x', f'{new}/n')
    for _ in s.stages():
        s.see.lists('new', 'n')
        s.see.holds('new/n', 'born\n')
    s.see.unlink('new/n')
    for _ in s.stages():
        s.see.lists('new', '')
        s.see.absent('dir/a')


@test(layer=True, over=[(kind, step) for kind in ('a', 'sub') for step in ('marked', 'moved')])
def the_power_went_during_an_exchange(s, what, step):
    "of what the SEE moved with what is born: all before, or all after, and nothing is lost"
    s.see.rename(f'dir/{what}', 'dir/n')
    s.see.write('dir/new', 'born\n')
    s.umount()
    box = container_of(s, 'new')
    os.symlink(os.readlink(f'{box}/linked/n'), f'{box}/linked/new')
    if step == 'moved':
        os.rename(f'{box}/made/new', f'{box}/made/n')
    born, moved = ('n', 'new') if step == 'moved' else ('new', 'n')
    for _ in s.stages():
        s.see.lists('dir', {'b', 'link3', 'n', 'new'} | {'a', 'sub'} - {what})
        s.see.holds(f'dir/{born}', 'born\n')
        if what == 'a':
            s.see.holds(f'dir/{moved}', 'dir/a\n')
            eq(s.see.stat(f'dir/{moved}').st_nlink, 1, 'links')
        else:
            s.see.lists(f'dir/{moved}', 'c')
    s.see.unlink(f'dir/{born}')
    for _ in s.stages():
        s.see.absent(f'dir/{born}')
        ok(s.see.exists(f'dir/{moved}'), 'it is lost')


@test(layer=True, over=[(how, order) for how in ('unlink', 'rename', 'over', 'exchange')
                       for order in ('before', 'after')])
def put_back_where_it_was_changed_and_taken_away(s, how, order):
    "the host drops it before or after: it does not come back there"
    s.see.append('dir/a', 'SEE\n')
    s.remount()
    s.host.rename('dir/a', 'z')
    s.see.rename('z', 'dir/a')
    s.see.write('dir/new', 'new\n')
    if order == 'before':
        s.host.unlink('z')
    if how == 'unlink':
        s.see.unlink('dir/a')
    elif how == 'over':
        s.see.rename('dir/new', 'dir/a')
    else:
        s.see.rename('dir/a', 'dir/new', EXCHANGE if how == 'exchange' else 0)
    if order == 'after':
        s.host.unlink('z')
    if how in ('over', 'exchange'):
        s.see.holds('dir/a', 'new\n')
        s.see.unlink('dir/a')
    for _ in s.stages():
        s.see.absent('z', 'dir/a')
        if how in ('rename', 'exchange'):
            s.see.holds('dir/new', 'dir/a\nSEE\n')
            eq(s.see.stat('dir/new').st_nlink, 1, 'links')


@test(layer=True)
def changed_where_another_one_came_back(s):
    "by who has it open: the kept file has the name still"
    s.see.append('dir/a', 'SEE\n')
    with s.see.opened('dir/b', os.O_RDWR) as fd:
        s.host.rename('dir/b', 'dir/a')
        os.pwrite(fd, b'SEE', 0)
        for _ in range(2):
            s.see.holds('dir/a', 'dir/a\nSEE\n')
            os.fsync(fd)
    for _ in s.stages():
        s.see.holds('dir/a', 'dir/a\nSEE\n')
    s.host.rename('dir/a', 'z')
    for _ in s.stages():
        s.see.holds('dir/a', 'dir/a\nSEE\n')
        s.see.holds('z', 'SEE/b\n')


@test(layer=True, over=('locked', 'open'))
def nothing_is_copied_of_what_the_see_only_holds(s, what):
    "when the host drops it: it is there for who has it open"
    with s.see.opened('big', os.O_RDWR) as fd:
        want = os.pread(fd, 1 << 24, 0)
        if what == 'locked':
            fcntl.flock(fd, fcntl.LOCK_EX)
        s.host.unlink('big')
        s.see.absent('big')
        s.see.write('new', 'new\n')
        syncfs(s.private)
        eq(os.pread(fd, 1 << 24, 0), want, 'what is open')
    for _ in s.stages():
        s.see.absent('big')
    found = [at for at, _, names in os.walk(s.private) if 'map' in names or 'object' in names]
    eq(found, [], 'private objects')


@test(layer=True)
def linked_and_changed_when_the_host_dropped_it(s):
    "it does not come back where the host had it, though it is changed before it was completed"
    names = [f'{i}' for i in range(10 if SMOKE else 60)]
    with s.host.together():
        s.host.mkdir('many')
        for name in names:
            s.host.write(f'many/{name}', b'x' * 300000)
    for name in names:
        s.see.link(f'many/{name}', f'many/new-{name}')
    with s.host.together():
        for name in names:
            s.host.unlink(f'many/{name}')
    for name in names[::-1]:
        s.see.append(f'many/new-{name}', 'SEE\n')
    for _ in s.stages():
        s.see.lists('many', {f'new-{name}' for name in names})
        for name in names:
            eq((s.see.stat(f'many/new-{name}').st_nlink, s.see.stat(f'many/new-{name}').st_size),
               (1, 300004), f'links and size of {name}')


@test(layer=True)
def host_removes_the_directory_and_then_what_was_in_it(s):
    "which the SEE had changed, and looked for in vain meanwhile"
    s.see.chmod('dir/sub/c', 0o640)
    s.remount()
    s.host.rename('dir/sub/c', 'elsewhere')
    s.host.rmdir('dir/sub')
    for _ in s.stages():
        s.see.absent('dir/sub/c')
        eq(s.see.mode('elsewhere'), 0o640, 'mode elsewhere')
    s.host.unlink('elsewhere')
    for stage in s.stages():
        s.see.lists('dir/sub', {'c'})
        eq(s.see.mode('dir/sub/c'), 0o640, f'mode {stage}')


@test(layer=True, over=('data', 'attributes'))
def host_names_of_a_changed_file_come_and_go(s, what):
    "until one remains, and then none: it is where it was at first"
    if what == 'data':
        s.see.append('dir/a', 'SEE\n')
    else:
        s.see.chmod('dir/a', 0o640)
    text, mode = s.see.read('dir/a'), s.see.mode('dir/a')

    def under(*names):
        for stage in s.stages():
            for name in names:
                s.see.holds(name, text, stage)
                eq((s.see.mode(name), s.see.stat(name).st_nlink), (mode, len(names)),
                   f'mode and links of {name} {stage}')
            s.see.absent(*({'dir/a', 'one', 'dir/sub/two', 'three'} - set(names)))
    s.host.link('dir/a', 'one')
    under('dir/a', 'one')
    s.host.unlink('dir/a')
    under('one')
    s.host.link('one', 'dir/sub/two')
    s.host.rename('one', 'three')
    under('dir/sub/two', 'three')
    s.host.unlink('three')
    s.host.write('dir/a', 'another\n')
    s.see.holds('dir/a', 'another\n')
    s.host.unlink('dir/a')
    s.host.rename('dir/sub/two', 'dir/a')
    under('dir/a')
    s.host.replace('dir/a', 'another\n')
    under('dir/a')
    s.host.unlink('dir/a')
    under('dir/a')


@test(smoke=True, layer=True, over=('unlink', 'rename-over', 'rmtree'))
def last_name_goes_while_the_see_writes(s, how):
    "every byte that was written is there, and every one that was not, too"
    size = 1 << 20
    with s.host.together():
        s.host.makedirs('x')
        s.host.write('x/f', b'h' * size)
    s.mount()
    ready, go = os.pipe()

    def writer():
        with s.see.opened('x/f', os.O_RDWR) as fd:
            for i in range(size // 8192):
                if i == 20:
                    os.write(go, b'.')
                os.pwrite(fd, b'S' * 5000, i * 8192)
                eq(os.pread(fd, 1, i * 8192), b'S', 'what was just written')
            return os.fstat(fd).st_ino
    child = Child(writer)
    with s.host.together():
        os.read(ready, 1)
        if how == 'unlink':
            s.host.unlink('x/f')
        elif how == 'rmtree':
            s.host.rmtree('x')
        else:
            s.host.replace('x/f', 'another\n')
    ino = child.result()
    eq(s.see.ino('x/f'), ino, 'number')
    for _ in s.stages():
        s.see.holds('x/f', (b'S' * 5000 + b'h' * 3192) * (size // 8192))


BEFORE = {
    'data': lambda t: t.append('file', 'SEE\n'),
    'attributes': lambda t: (t.chmod('file', 0o640), t.setxattr('file', 'user.see', b'1')),
    'nothing': lambda t: t.read('file'),
    'open': lambda t: t.open('file'),
}


@test(smoke=True, layer=True, over=list(itertools.product(('backup', 'rename'), BEFORE)))
def host_edits_with_an_editor(s, style, before):
    "f to f~ and a new f, or a new file renamed over f; again and again"
    fd = BEFORE[before](s.see)
    look = ('mode', 'content', 'xattrs', 'ino')
    mine, live = fingerprint(s.see.path('file'), look), before in ('nothing', 'open')
    for i in range(3):
        text = f'edited {i}\n'
        with s.host.together():
            if style == 'backup':
                s.host.rename('file', 'file~')
                s.host.write('file', text)
            else:
                s.host.replace('file', text)
        for stage in s.stages() if before != 'open' else ('',):
            if live or style == 'backup':
                s.see.holds('file', text)
            if live:
                eq(s.see.ino('file'), s.host.ino('file'), f'number {stage}')
            elif style == 'backup' and i == 0:
                same_tree(fingerprint(s.see.path('file~'), look), mine, f'file~ {stage}')
            elif style == 'backup':
                s.see.holds('file~', f'edited {i - 1}\n')
            else:
                same_tree(fingerprint(s.see.path('file'), look[:3]),
                          {'.': {k: mine['.'][k] for k in look[:3]}}, f'file {stage}')
        if before == 'open':
            eq(os.pread(fd, 100, 0), b'file\n', 'descriptor')
        if style == 'backup' and not live:
            break
    if before == 'open':
        os.close(fd)
        for _ in s.stages():
            s.see.holds('file', text)
    elif style == 'backup' and not live:
        s.host.unlink('file~')
        for stage in s.stages():
            same_tree(fingerprint(s.see.path('file'), look[:3]),
                      {'.': {k: mine['.'][k] for k in look[:3]}}, f'file {stage}')
            s.see.absent('file~')


# ---- both at once -----------------------------------------------------------

@test(smoke=True, layer=True)
def rm_of_what_the_host_goes_on_changing(s):
    "what rm removed stays removed; once the host is quiet, all of it goes"
    n = scaled(300)
    with s.host.together():
        for i in range(10):
            s.host.makedirs(f't/d{i}/sub')
            for j in range(5):
                s.host.write(f't/d{i}/sub/f{j}', f'{j}\n')
    s.see.append('t/d3/sub/f0', 'SEE\n')
    s.see.write('t/d4/born', 'born\n')
    first = {f't/d{i}/sub/f{j}' for i in range(10) for j in range(5)}

    def host():
        path = s.host.path
        for i in range(n):
            d = path(f't/d{i % 10}')
            with open(f'{d}/sub/late{i}', 'w') as f:
                f.write('late')
            with open(f'{d}/sub/f{i % 5}', 'w') as f:
                f.write('host')
            os.rename(f'{d}/sub/late{i}', f'{d}/late{i}')
            os.rename(f'{d}/sub', f'{d}/bus')
            os.rename(f'{d}/bus', f'{d}/sub')
            if i % 3:
                os.unlink(f'{d}/late{i}')
    with s.host.together():
        child = Child(host)
        removed = set()
        while True:
            run('rm', '-rf', s.see.path('t'), status=None)
            gone = {name for name in first if not s.see.exists(name)}
            eq(removed - gone, set(), 'names that came back')
            removed = gone
            if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                break
        child.result()
    for at, dirs, files in os.walk(s.see.path('t')):
        eq(set(dirs + files), set(os.listdir(at)), f'list of {at}')
        for name in dirs + files:
            os.lstat(f'{at}/{name}')
    run('rm', '-r', s.see.path('t'), status=0 if s.see.exists('t') else 1)
    eq(s.host.read('t/d3/sub/f3'), b'host', 'the host\'s file')
    for _ in s.stages():
        s.see.absent('t')


@test(layer=True, over=('before', 'after'))
def directory_and_parent_turned_by_both(s, order):
    "p/c becomes c/p in the SEE and on the host: the SEE's names count"
    with s.host.together():
        s.host.makedirs('p/c')
        s.host.write('p/in-p', 'p\n')
        s.host.write('p/c/in-c', 'c\n')
    if order == 'before':
        s.see.write('p/c/born', 'born\n')
        with s.host.together():
            turn(s.host, 'p', 'c')
        # the SEE turns back what the host turned
        turn(s.see, 'c', 'p')
        want = {'p': 'in-p c', 'p/c': 'in-c born'}
    else:
        turn(s.see, 'p', 'c')
        s.see.write('c/born', 'born\n')
        want = {'c': 'in-c p born', 'c/p': 'in-p'}
    top = list(want)[0]

    def shown(stage):
        for name, names in want.items():
            s.see.lists(name, names)
        s.see.absent({'p': 'c', 'c': 'p'}[top])
        eq(os.stat(s.see.path(f'{list(want)[1]}/..')).st_ino, s.see.ino(top), f'.. {stage}')
    for stage in s.stages():
        shown(stage)
    now = 'pc' if order == 'after' else 'cp'
    for _ in range(2):
        with s.host.together():
            turn(s.host, *now)
        now = now[::-1]
        for stage in s.stages():
            shown(stage)


@test(layer=True)
def parent_and_child_turned_by_the_host(s):
    "the SEE has changed names and attributes of both, and stands in the child"
    with s.host.together():
        s.host.makedirs('p/c')
        s.host.write('p/in-p', 'p\n')
        s.host.write('p/c/in-c', 'c\n')
    s.see.write('p/born-p', 'p\n')
    s.see.write('p/c/born-c', 'c\n')
    s.see.chmod('p', 0o711)
    s.see.unlink('p/c/in-c')
    for old, new in (('pc', 'cp'), ('cp', 'pc')) * 2:
        os.chdir(s.see.path('/'.join(old)))
        with s.host.together():
            turn(s.host, *old)
        ok(os.path.exists(f'born-{old[1]}'), 'the working directory')
        eq(os.stat('..').st_ino, s.see.ino(''), 'number of ..')
        for stage in s.stages():
            s.see.absent(old[0])
            names = {'p': {'in-p', 'born-p'}, 'c': {'born-c'}}
            s.see.lists(new[0], names[new[0]] | {new[1]})
            s.see.lists('/'.join(new), names[new[1]])
            eq(s.see.mode('p' if new == 'pc' else 'c/p'), 0o711, f'mode {stage}')
            os.chdir('/')


# ---- mounts of the host -----------------------------------------------------

@test(layer=True, over=('tmpfs', 'bind', 'file'))
def host_mounts_below_the_layer(s, what):
    "the directory beneath shows, before, while and after; so does what is done there"
    target = 'file' if what == 'file' else 'dir/sub'
    where = [f'{root}/{target}' for root in (s.lower, s.host.root)]

    def cover():
        for path in where:
            if what == 'tmpfs':
                mount('none', path, 'tmpfs')
            else:
                mount(s.host.path('exec' if what == 'file' else 'shared'), path, None, MS_BIND)

    def uncover():
        for path in where:
            umount(path)

    def beneath(*more):
        if what == 'file':
            s.see.holds('file', ''.join(('file\n', *more)))
        else:
            s.see.lists('dir/sub', {'c', *more})
            s.see.holds('dir/sub/c', 'dir/sub/c\n')

    def change(name):
        s.see.append('file', name) if what == 'file' else s.see.write(f'dir/sub/{name}', 'x')
    s.mount()
    s.host.depth += 1           # mounts are not to be compared
    cover()
    beneath()
    uncover()
    beneath()
    cover()
    for _ in s.stages():
        beneath()
    change('one')
    for _ in s.stages():
        beneath('one')
    if what == 'tmpfs':
        with open(f'{where[1]}/theirs', 'w') as f:
            f.write('x')
    beneath('one')
    s.see.rename(target, 'moved')
    s.see.rename('moved', target)
    beneath('one')
    uncover()
    change('two')
    s.host.depth -= 1
    for _ in s.stages():
        beneath('one', 'two')


main()
