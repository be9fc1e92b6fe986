#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One object stays one object: numbers, links, descriptors, watches, locks."""
import mmap

from see_test import *

FIRST_WRITES = {
    'write': lambda t, n: t.append(n, 'x'),
    'truncate': lambda t, n: t.truncate(n, 2),
    'chmod': lambda t, n: t.chmod(n, 0o700),
    'chown': lambda t, n: t.chown(n, USER, USER),
    'xattr': lambda t, n: t.setxattr(n, 'user.k', b'v'),
    'utime': lambda t, n: t.utime(n, 1, 2),
    'link': lambda t, n: t.link(n, 'another'),
}


def number(s, name):
    st = s.see.stat(name)
    return st.st_dev, st.st_ino


def handle(s, name):
    try:
        return name_to_handle(s.see.path(name))
    except OSError as e:
        if e.errno == errno.EOPNOTSUPP:
            raise Skip('no file handles here')
        raise


# ---- numbers and handles ---------------------------------------------------

@test(smoke=True, over=list(FIRST_WRITES))
def number_is_constant(s, how):
    "over first write, rename, host rename, eviction, remount"
    before = number(s, 'dir/a')
    birth = statx(s.see.path('dir/a'))['btime']
    FIRST_WRITES[how](s.see, 'dir/a')
    for stage in s.stages():
        eq(number(s, 'dir/a')[1], before[1], f'number {stage}')
        eq(statx(s.see.path('dir/a'))['btime'], birth, f'birth time {stage}')
    s.see.rename('dir/a', 'shared/a')
    for stage in s.stages():
        eq(number(s, 'shared/a')[1], before[1], f'number, renamed {stage}')


@test()
def numbers_of_everything_are_constant(s):
    "every kind of object, host and born, with each change"
    s.see.mkdir('born')
    s.see.write('born/f', 'x')
    s.see.symlink('x', 'born/l')
    s.see.mknod('born/p', stat.S_IFIFO | 0o600)
    with s.see.opened('born', os.O_TMPFILE | os.O_RDWR) as fd:
        link_fd(fd, s.see.path('born/t'))
    walk = {n: e['ino'] for n, e in s.see.fingerprint(('ino',)).items()}
    dev = s.see.stat('').st_dev
    for change in (lambda: None,
                   lambda: [s.see.chown(n, USER) for n in walk],
                   lambda: [s.see.append(n, 'x') for n in
                            ('file', 'big', 'dir/a', 'born/f', 'born/t')],
                   lambda: [s.see.write(f'{n}/new', '') for n in
                            ('dir', 'dir/sub', 'empty_dir', 'born')]):
        change()
        for stage in s.stages():
            for name, ino in walk.items():
                eq(s.see.ino(name), ino, f'number of {name} {stage}')
                ok(stage.endswith('remount') or
                   s.see.stat(name).st_dev == s.see.stat('').st_dev,
                   f'device of {name}')
    ok(dev, 'a device')


@test(smoke=True)
def descriptor_and_name_agree(s):
    "fstat of descriptors opened before the first write, and stat"
    for name in ('file', 'dir', 'dir/a'):
        fd = s.see.open(name)
        s.see.chmod(name, 0o755)
        if name != 'dir':
            s.see.append(name, 'more')
        eq(os.fstat(fd)[:9], s.see.stat(name)[:9], f'fstat of {name}')
        os.close(fd)


@test(smoke=True)
def handles_are_constant(s):
    "and open the same object after first write, rename and remount"
    names = ['file', 'dir', 'dir/a', 'sym', 'fifo', 'born', 'borndir']
    s.see.write('born', 'born')
    s.see.mkdir('borndir')
    handles = {n: handle(s, n) for n in names}
    eq(len(set(handles.values())), len(handles), 'distinct handles')

    def check(stage):
        for name, h in handles.items():
            eq(handle(s, name), h, f'handle of {name} {stage}')
            fd = open_by_handle(s.mnt, h, os.O_PATH)
            eq(os.fstat(fd).st_ino, s.see.ino(name), f'{name} by handle {stage}')
            os.close(fd)
    for stage in s.stages():
        check(stage)
    s.see.append('file', 'x')
    s.see.chmod('dir', 0o700)
    s.see.write('dir/new', 'x')
    for stage in s.stages():
        check(f'after the first write {stage}')
    s.see.rename('file', 'dir/file')
    handles['dir/file'] = handles.pop('file')
    s.see.rename('borndir', 'dir/borndir')
    handles['dir/borndir'] = handles.pop('borndir')
    for stage in s.stages():
        check(f'after renames {stage}')


@test()
def handle_of_removed_object_is_stale(s):
    "host's and born, once nobody holds them"
    s.see.write('born', 'x')
    handles = {n: handle(s, n) for n in ('born', 'file', 'dir/sub')}
    s.see.unlink('born')
    s.see.unlink('file')
    s.see.rmtree('dir/sub')
    for stage in s.stages():
        for name, h in handles.items():
            raises(errno.ESTALE, open_by_handle, s.mnt, h, os.O_PATH)


@test(layer=True)
def handle_follows_host_renames(s):
    "of unchanged and changed objects; a file that nobody remembers is found once it was named"
    handles = {n: handle(s, n) for n in ('dir/a', 'dir/b', 'dir/sub')}
    s.see.append('dir/a', 'x')
    for old, new in (('dir/a', 'dir/z'), ('dir/b', 'y'), ('dir/sub', 'sub')):
        s.host.rename(old, new)
        for stage in s.stages():
            if stage and old == 'dir/b':
                s.see.ino(new)
            fd = open_by_handle(s.mnt, handles[old], os.O_PATH)
            eq(os.fstat(fd).st_ino, s.see.ino(new), f'{old} by handle')
            os.close(fd)


@test(layer=True)
def handle_of_what_the_host_dropped(s):
    "of a file and of a directory that the SEE keeps: there is one after a remount, too"
    s.see.append('dir/a', 'x')
    s.see.write('dir/sub/mine', 'mine')
    with s.host.together():
        s.host.unlink('dir/a')
        s.host.rmtree('dir/sub')
    for _ in range(2):
        s.remount()
        for name in 'dir/a', 'dir/sub', 'dir/sub/mine':
            number = s.see.ino(name)
            fd = open_by_handle(s.mnt, handle(s, name), os.O_PATH)
            eq(os.fstat(fd).st_ino, number, f'{name} by handle')
            os.close(fd)


@test(smoke=True)
def no_two_objects_share_a_number(s):
    "thousands, of the host and born, some changed, some removed meanwhile"
    n = scaled(1000)
    with s.host.together():
        for i in range(n):
            if i % 50 == 0:
                s.host.mkdir(f'h{i // 50}')
            os.mknod(s.host.path(f'h{i // 50}/f{i}'))
    for i in range(n):
        if i % 50 == 0:
            s.see.mkdir(f'b{i // 50}')
        os.mknod(s.see.path(f'b{i // 50}/f{i}'))
        if i % 3 == 0:
            os.chmod(s.see.path(f'h{i // 50}/f{i}'), 0o600)
        if i % 7 == 0:
            os.unlink(s.see.path(f'b{i // 50}/f{i}'))
        if i % 5 == 0:
            os.rename(s.see.path(f'h{i // 50}/f{i}'),
                      s.see.path(f'b{i // 50}/h{i}'))
    first = None
    for stage in s.stages():
        inos = {name: e['ino'] for name, e in s.see.fingerprint(
            ('ino', 'names')).items() if len(e.get('names', 'x')) == 1}
        owners = {}
        for name, ino in inos.items():
            other = owners.setdefault(ino, name)
            eq(name, other, f'objects with number {ino} {stage}')
        first = first or inos
        eq({n for n in inos if inos[n] != first.get(n)}, set(),
           f'names whose number changed {stage}')


@test(layer=True)
def numbers_of_both_sides_stay_apart(s):
    "while host and SEE make and remove in turn, numbers are reused"
    with s.host.together():
        for i in range(scaled(300)):
            os.mknod(s.host.path(f'h{i}'))
            os.mknod(s.see.path(f's{i}'))
            if i % 2:
                os.unlink(s.host.path(f'h{i - 1}'))
                os.unlink(s.see.path(f's{i}'))
    for stage in s.stages():
        owners = {}
        for name, e in s.see.fingerprint(('ino', 'names')).items():
            if len(e.get('names', 'x')) == 1:
                eq(name, owners.setdefault(e['ino'], name),
                   f'objects with one number {stage}')


@test(layer=True)
def recreated_name_is_another_object(s):
    "the host unlinks and makes a name again, perhaps with the same number"
    s.see.append('dir/a', 'SEE\n')
    for _ in range(20):
        s.host.unlink('dir/b')
        s.host.write('dir/b', 'again\n')
        s.see.holds('dir/b', 'again\n')
    s.see.write('dir/sub/c', 'SEE\n')
    s.host.unlink('dir/sub/c')
    s.host.write('other', 'other\n')
    for _ in s.stages():
        s.see.holds('other', 'other\n')
        s.see.holds('dir/sub/c', 'SEE\n')
        ok(s.see.ino('other') != s.see.ino('dir/sub/c'), 'one number for two')


# ---- links -----------------------------------------------------------------

@test(smoke=True)
def hard_links_stay_together(s):
    "through the first write by any name"
    eq(len({s.see.ino(n) for n in ('link1', 'link2', 'dir/link3')}), 1, 'numbers')
    s.see.append('link2', 'more\n')
    s.see.link('dir/link3', 'link4')
    s.see.rename('link1', 'dir/sub/link1')
    names = ('link2', 'dir/link3', 'link4', 'dir/sub/link1')
    for _ in s.stages():
        eq(len({s.see.ino(n) for n in names}), 1, 'numbers')
        for name in names:
            s.see.holds(name, 'link1\nmore\n')
            eq(s.see.stat(name).st_nlink, 4, f'links of {name}')


@test()
def link_count_of_files(s):
    "up and down, on host, changed and born files"
    s.have(h='host file', c='changed file', b='born file')
    for name in 'hcb':
        for i in range(5):
            s.see.link(name, f'{name}{i}')
            eq(s.see.stat(name).st_nlink, i + 2, f'links of {name}')
    for _ in s.stages():
        for name in 'hcb':
            eq(s.see.stat(f'{name}3').st_nlink, 6, f'links of {name}')
    for name in 'hcb':
        s.see.unlink(name)
        # Renamed over another name of itself, nothing happens.
        s.see.rename('empty' if name == 'h' else f'{name}1', f'{name}0')
    for _ in s.stages():
        eq([s.see.stat(f'{n}2').st_nlink for n in 'hcb'], [4, 5, 5], 'links')


@test()
def link_count_of_unlinked_descriptor(s):
    "zero once the last name is gone, for each origin"
    s.have(h='host file', c='changed file', b='born file')
    for name in 'hcb':
        with s.see.opened(name, os.O_RDWR) as fd:
            s.see.unlink(name)
            eq(os.fstat(fd).st_nlink, 0, f'links of {name}')
            want = os.pread(fd, 100, 0) + b'late'
            os.pwrite(fd, b'late', len(want) - 4)
            eq(os.pread(fd, 100, 0), want, f'content of {name}')
            s.drop_caches()
            eq(os.pread(fd, 100, 0), want, f'content of {name}, evicted')
            raises(errno.ENOENT, link_fd, fd, s.see.path('back'))


@test(layer=True)
def link_count_is_of_both_sides(s):
    "host links that come and go count, the SEE's removals too"
    s.see.append('dir/a', 'x')
    s.see.link('dir/a', 'mine')
    s.host.link('dir/a', 'theirs')
    for _ in s.stages():
        eq({s.see.stat(n).st_nlink for n in ('dir/a', 'mine', 'theirs')}, {3},
           'links')
    s.see.unlink('dir/a')
    for _ in s.stages():
        eq({s.see.stat(n).st_nlink for n in ('mine', 'theirs')}, {2}, 'links')
    s.host.unlink('theirs')
    for _ in s.stages():
        eq(s.see.stat('mine').st_nlink, 1, 'links')


@test(layer=True)
def link_count_without_removed_names(s):
    "names that the SEE removed do not count, whatever the host does with them"
    def links(want, *names):
        for stage in s.stages():
            eq([s.see.stat(n).st_nlink for n in names], [want] * len(names),
               f'links of {names} {stage}')
    s.see.unlink('link1')
    links(2, 'link2', 'dir/link3')
    s.host.unlink('link1')              # the SEE had removed it already
    links(2, 'link2', 'dir/link3')
    s.host.link('link2', 'link1')       # made again: still removed in the SEE
    links(2, 'link2', 'dir/link3')
    s.host.rename('link1', 'link4')     # but this name is the host's
    links(3, 'link2', 'dir/link3', 'link4')
    s.see.unlink('link2')
    s.host.replace('link2', 'another object')
    links(2, 'dir/link3', 'link4')
    s.see.rename('link4', 'mine')
    links(2, 'dir/link3', 'mine')
    s.host.unlink('link4')
    links(2, 'dir/link3', 'mine')
    s.host.unlink('dir/link3')
    links(1, 'mine')


def check_dir_links(s, stage):
    if not s.counts_directories():
        raise Skip('directories have one link here')
    hiding = os.path.dirname(s.private)     # counts what it hides
    for at, dirs, _ in os.walk(s.see.root):
        if os.path.relpath(at, s.see.root) == os.path.relpath(hiding, s.lower):
            continue
        want = 2 + sum(not os.path.islink(f'{at}/{d}') for d in dirs)
        eq(os.lstat(at).st_nlink, want,
           f'links of {os.path.relpath(at, s.see.root)} {stage}')


@test(smoke=True)
def link_count_of_directories(s):
    "two and one for each directory inside, through every operation"
    s.have(h='host tree', c='changed tree', b='born tree')
    for step in (lambda: [s.see.mkdir(f'{n}/{i}') for n in 'hcb' for i in '123'],
                 lambda: s.see.rename('h/1', 'b/x'),
                 lambda: s.see.rename('b/2', 'c/y'),
                 lambda: s.see.rename('dir/sub', 'h/sub'),
                 lambda: s.see.rename('file', 'h/sub', EXCHANGE),
                 lambda: s.see.rename('c/1', 'b/1'),
                 lambda: s.see.rmdir('h/2'),
                 lambda: s.see.rmdir('empty_dir'),
                 lambda: s.see.rmtree('dir')):
        step()
        check_dir_links(s, '')
    for stage in s.stages():
        check_dir_links(s, stage)


@test(layer=True)
def link_count_of_merged_directories(s):
    "with directories that the host makes, moves and removes"
    s.see.mkdir('dir/mine')
    for step in (lambda: s.host.mkdir('dir/theirs'),
                 lambda: s.see.ls('dir'),
                 lambda: s.host.rename('dir/sub', 'shared/sub'),
                 lambda: s.see.rmdir('dir/theirs'),
                 lambda: s.host.mkdir('dir/mine'),
                 lambda: s.host.rmdir('dir/theirs'),
                 lambda: s.see.rename('shared/sub', 'shared/bus'),
                 lambda: s.host.rmtree('shared/sub')):
        step()
        for stage in s.stages():
            check_dir_links(s, stage)


@test(layer=True)
def link_count_with_a_kept_directory(s):
    "one that the host moved away, and then removed where the SEE did nothing"
    with s.host.together():
        s.host.makedirs('dir/kept')
        s.host.mkdir('away')
    s.see.write('dir/kept/mine', 'mine')
    s.see.write('dir/mine', 'mine')
    s.host.rename('dir/kept', 'away/kept')
    s.remount()
    check_dir_links(s, 'moved')
    s.host.rmdir('away/kept')
    for stage in s.stages():
        s.see.holds('dir/kept/mine', 'mine')
        check_dir_links(s, f'removed {stage}')


@test(layer=True)
def link_count_within_one_tick(s):
    "what the host exchanges right after it was asked"
    with s.host.together():
        s.host.mkdir('dir/x')
        s.host.write('dir/y', 'y')
    s.see.rmdir('dir/x')
    with s.host.together():
        for _ in range(scaled(50)):
            s.see.stat('dir')
            s.host.rename('dir/x', 'dir/y', EXCHANGE)
            check_dir_links(s, 'exchanged')


# ---- open descriptors and mappings -----------------------------------------

@test(smoke=True)
def early_descriptors_see_later_writes(s):
    "reading, mapping and O_PATH ones opened before the first write"
    fd, path = s.see.open('file'), s.see.open('file', os.O_PATH)
    shared = mmap.mmap(fd, 5, mmap.MAP_SHARED, mmap.PROT_READ)
    eq(shared[:5], b'file\n', 'mapping')
    s.see.pwrite('file', b'FILE', 0)
    eq(os.read(fd, 100), b'FILE\n', 'descriptor')
    eq(shared[:5], b'FILE\n', 'mapping after the write')
    s.see.append('file', 'more\n')
    eq(os.read(fd, 100), b'more\n', 'descriptor after append')
    eq(s.see.read('file'), open(f'/proc/self/fd/{path}', 'rb').read(), 'O_PATH')
    with s.see.opened('file', os.O_RDWR) as rw:
        with mmap.mmap(rw, 5) as writable:
            writable[:4] = b'mmap'
            eq(os.pread(fd, 4, 0), b'mmap', 'descriptor after a store')
            eq(shared[:4], b'mmap', 'mapping after a store')
    s.see.truncate('file', 2)
    eq(os.pread(fd, 100, 0), b'mm', 'descriptor after truncate')
    shared.close()
    os.close(fd)
    os.close(path)
    for _ in s.stages():
        s.see.holds('file', 'mm')


@test(smoke=True, over=ORIGINS)
def descriptors_survive_rename_and_unlink(s, origin):
    "reading and writing goes on under the new name, and under none"
    s.have(f=f'{origin} file', d=f'{origin} tree')
    fd, dfd = s.see.open('f', os.O_RDWR), s.see.open('d', os.O_DIRECTORY)
    s.see.rename('f', 'd/g')
    s.see.rename('d', 'dir/e')
    os.pwrite(fd, b'one', 0)
    eq(s.see.read('dir/e/g')[:3], b'one', 'by the new name')
    os.close(os.open('new', os.O_CREAT | os.O_WRONLY, dir_fd=dfd))
    ok('new' in s.see.ls('dir/e'), 'made by descriptor')
    s.see.replace('dir/e/g', 'replaced')
    os.pwrite(fd, b'two', 0)
    s.see.holds('dir/e/g', 'replaced')
    eq(os.pread(fd, 3, 0), b'two', 'after replacement')
    s.see.rmtree('dir/e')
    eq(os.pread(fd, 3, 0), b'two', 'after rmtree')
    raises(errno.ENOENT, os.open, 'x', os.O_CREAT, dir_fd=dfd)
    os.close(fd)
    os.close(dfd)


@test(over=ORIGINS)
def cwd_in_a_renamed_directory(s, origin):
    "getcwd, relative names and .. after it and its parent moved"
    s.have(d=f'{origin} tree', d__e=f'{origin} tree')
    os.chdir(s.see.path('d/e'))
    s.see.rename('d/e', 'dir/f')
    eq(os.getcwd(), s.see.path('dir/f'), 'getcwd')
    s.see.rename('dir', 'rid')
    eq(os.getcwd(), s.see.path('rid/f'), 'getcwd')
    ok(os.path.exists('inner') and os.path.exists('../a'), 'relative names')
    os.mkdir('new')
    ok(s.see.exists('rid/f/new'), 'made there')


@test(layer=True)
def cwd_in_a_directory_that_the_host_moves(s):
    "relative names and .. follow"
    os.chdir(s.see.path('dir/sub'))
    s.see.write('dir/sub/mine', 'mine')
    s.host.rename('dir/sub', 'shared/sub')
    s.host.write('shared/beside', '')
    s.host.write('shared/sub/late', '')
    for name in ('c', 'late', 'mine', '../beside', '../../file'):
        ok(os.path.exists(name), f'{name} from the working directory')
    with open('new', 'w') as f:
        f.write('x')
    s.see.holds('shared/sub/new', 'x')
    os.chdir('/')


# ---- watches and locks -----------------------------------------------------

def do_what_is_told(t, where):
    "each kind of event"
    t.append(f'{where}/inner', 'x')
    t.chmod(f'{where}/inner', 0o600)
    t.write(f'{where}/n', '')
    t.rename(f'{where}/inner', f'{where}/moved')
    t.append(f'{where}/moved', 'x')
    t.mkdir(f'{where}/d')
    t.unlink(f'{where}/n')
    t.rmdir(f'{where}/d')


@test(smoke=True)
def watches_see_the_sees_events(s):
    "in directories of every origin, and through first write and rename"
    s.have(h='host tree', b='born tree')
    for where in 'hb':
        w = Inotify(s.see.path(where), mask=Inotify.ALL & ~0x39)
        f = Inotify(s.see.path(f'{where}/inner'),
                    mask=Inotify.MODIFY | Inotify.ATTRIB | Inotify.MOVE_SELF)
        do_what_is_told(s.see, where)
        eq(w.read(), [(w.MODIFY, 'inner'), (w.ATTRIB, 'inner'), (w.CREATE, 'n'),
                      (w.MOVED_FROM, 'inner'), (w.MOVED_TO, 'moved'),
                      (w.MODIFY, 'moved'), (w.CREATE, 'd'), (w.DELETE, 'n'),
                      (w.DELETE, 'd')], f'events in {where}')
        eq([m for m, _ in f.read()], [w.MODIFY, w.ATTRIB, w.MOVE_SELF, w.MODIFY],
           f'events of {where}/inner')


class FanotifyNames:
    """All of a file system, told by handles; read() gives {(handle of the directory, name): mask}."""
    MODIFY, ATTRIB, MOVED_FROM, MOVED_TO, CREATE, DELETE, ONDIR = (
        2, 4, 0x40, 0x80, 0x100, 0x200, 0x40000000)

    def __init__(self, path):
        # FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME; FAN_MARK_ADD | FAN_MARK_FILESYSTEM
        self.fd = call('fanotify_init', 3 | 0xc00, os.O_RDONLY)
        call('fanotify_mark', self.fd, 1 | 0x100, ctypes.c_uint64(
            self.MODIFY | self.ATTRIB | self.MOVED_FROM | self.MOVED_TO | self.CREATE |
            self.DELETE | self.ONDIR), AT_FDCWD, path)

    def read(self):
        out = {}
        while select.select([self.fd], [], [], 0)[0]:
            raw, at = os.read(self.fd, 65536), 0
            while at < len(raw):
                length, _, _, head, mask = struct.unpack_from('=IBBHQ', raw, at)
                # one record: its head, the fsid, a struct file_handle, a name
                kind, size = struct.unpack_from('=BxH', raw, at + head)
                eq(kind, 2, 'FAN_EVENT_INFO_TYPE_DFID_NAME')
                n, handle_type = struct.unpack_from('=Ii', raw, at + head + 12)
                data = at + head + 20
                name = raw[data + n:at + head + size].split(b'\0')[0]
                key = (handle_type, raw[data:data + n]), os.fsdecode(name)
                # equal ones are merged, with the mask of all
                out[key] = out.get(key, 0) | (mask & ~self.ONDIR)
                at += length
        return out


@test(smoke=True)
def fanotify_tells_by_handles(s):
    "of a whole layer, which directory and name, of every origin, before and after first writes"
    s.have(h='host tree', b='born tree')
    w = FanotifyNames(s.see.path(''))
    for where in 'hb':
        at = handle(s, where)
        do_what_is_told(s.see, where)
        eq(w.read(), {(at, 'inner'): w.MODIFY | w.ATTRIB | w.MOVED_FROM,
                      (at, 'moved'): w.MOVED_TO | w.MODIFY,
                      (at, 'n'): w.CREATE | w.DELETE, (at, 'd'): w.CREATE | w.DELETE},
           f'events in {where}')
        fd = open_by_handle(s.mnt, at)
        eq(os.listdir(fd), ['moved'], f'what is in {where}, by the handle')
        os.close(fd)
    os.close(w.fd)


def locked_out(path, how):
    """Is another process kept from the lock?"""
    def attempt():
        with opened(path, os.O_RDWR) as fd:
            try:
                if how == 'flock':
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                else:
                    fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return False
            except OSError as e:
                ok(e.errno in (errno.EAGAIN, errno.EACCES), ename(e.errno))
                return True
    return Child(attempt).result()


OFD_SETLK = 37


@test(smoke=True, over=('flock', 'posix', 'ofd'))
def locks_are_kept_through_first_write(s, how):
    "and through rename and eviction, and are the object's under all names"
    fd = s.see.open('link1', os.O_RDWR)
    if how == 'flock':
        fcntl.flock(fd, fcntl.LOCK_EX)
    elif how == 'posix':
        fcntl.lockf(fd, fcntl.LOCK_EX)
    else:
        fcntl.fcntl(fd, OFD_SETLK, struct.pack('hhqqi4x', fcntl.F_WRLCK, 0, 0, 0,
                                               0))
    ok(locked_out(s.see.path('link2'), how), 'not locked')
    os.pwrite(fd, b'x', 0)
    ok(locked_out(s.see.path('link2'), how), 'not locked after the first write')
    s.see.rename('link1', 'dir/l')
    s.see.chmod('dir/l', 0o600)
    s.drop_caches()
    ok(locked_out(s.see.path('dir/l'), how), 'not locked after rename')
    os.close(fd)
    ok(not locked_out(s.see.path('dir/l'), how), 'locked after close')


@test()
def leases(s):
    "a write lease is broken by an opener inside, and waits for nobody else"
    s.see.write('born', 'x')
    for name in ('born', 'file'):
        with s.see.opened(name, os.O_RDWR) as fd:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            eq(fcntl.fcntl(fd, fcntl.F_GETLEASE), fcntl.F_WRLCK, 'lease')
            signal.signal(signal.SIGIO, signal.SIG_IGN)
            raises(errno.EAGAIN, Child(lambda: os.open(
                s.see.path(name), os.O_RDONLY | os.O_NONBLOCK)).result)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


@test()
def hard_links_as_programs_see_them(s):
    "tar stores each linked file once, before and after the first write"
    need('tar')
    s.see.append('link2', 'x')
    s.see.link('file', 'dir/file2')
    out = run('tar', '-cvvf', '/dev/null', '--exclude=null', '.',
              cwd=s.see.path(''))
    eq(out.count(' link to '), 3, 'links that tar found')


main()
