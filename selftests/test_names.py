#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Every operation on names, natively right, on host, changed and born objects."""
from see_test import *

E = errno
PAIRS = [(a, b) for a in ORIGINS for b in ORIGINS]
KINDS = ('file', 'symlink', 'dir', 'tree')


# ---- making ----------------------------------------------------------------

@test(smoke=True)
def create(s):
    "open(O_CREAT) in directories of every origin"
    s.have(h='host dir', c='changed dir', b='born dir')
    for where in 'hcb':
        name = f'{where}/new'
        s.see.absent(name)
        s.see.write(name, 'x', os.O_CREAT | os.O_EXCL)
        raises(E.EEXIST, s.see.open, name, os.O_CREAT | os.O_EXCL)
        s.see.write(name, 'yz')
        st = s.see.stat(name)
        eq((st.st_size, st.st_nlink, st.st_uid, stat.S_IMODE(st.st_mode)),
           (2, 1, 0, 0o644), name)
    for _ in s.stages():
        for where in 'hcb':
            s.see.holds(f'{where}/new', 'yz')


@test()
def create_errors(s):
    "O_CREAT, O_EXCL, O_NOFOLLOW, O_DIRECTORY, O_TRUNC on what exists"
    t, opens = s.see, lambda name, flags: (lambda: os.close(t.open(name, flags)))
    excl = os.O_CREAT | os.O_EXCL | os.O_WRONLY
    for name in ('file', 'dir', 'sym', 'dangling', 'symdir', 'fifo', 'null'):
        raises(E.EEXIST, opens(name, excl))
    for want, name, flags in (
            (E.EISDIR, 'dir', os.O_WRONLY), (E.EISDIR, 'dir', os.O_CREAT),
            (E.EISDIR, 'new/', os.O_CREAT), (E.ENOTDIR, 'file/', os.O_RDONLY),
            (E.ENOTDIR, 'file/new', os.O_CREAT), (E.ELOOP, 'sym', os.O_NOFOLLOW),
            (E.ENOTDIR, 'file', os.O_DIRECTORY), (E.ENOENT, 'dangling', 0),
            (E.ENOENT, 'gone/new', os.O_CREAT), (E.ENOENT, 'absent', 0),
            (E.ENAMETOOLONG, 'x' * 256, os.O_CREAT),
            (E.ENAMETOOLONG, 'x' * 256, os.O_RDONLY)):
        raises(want, opens(name, flags))
    t.write('dangling', 'through the link\n')
    t.holds('nowhere', 'through the link\n')
    opens('big', os.O_WRONLY | os.O_TRUNC)()
    eq(t.stat('big').st_size, 0, 'size after O_TRUNC')


@test()
def make_where_something_is(s):
    "EEXIST from every call that makes a name, over every kind of thing"
    s.have(h='host file', c='changed file', b='born file', d='born dir')
    for name in ('h', 'c', 'b', 'd', 'dir', 'sym', 'dangling', 'fifo'):
        for make in (s.see.mkdir, lambda n: s.see.symlink('x', n),
                     lambda n: s.see.link('file', n),
                     lambda n: s.see.mknod(n, stat.S_IFIFO | 0o600)):
            raises(E.EEXIST, make, name)


@test()
def make_in_wrong_places(s):
    "ENOENT, ENOTDIR and ENAMETOOLONG from the same calls"
    for make in (s.see.mkdir, lambda n: s.see.symlink('x', n),
                 lambda n: s.see.link('file', n),
                 lambda n: s.see.rename('exec', n),
                 lambda n: s.see.mknod(n, stat.S_IFIFO | 0o600)):
        raises(E.ENOENT, make, 'gone/new')
        raises(E.ENOTDIR, make, 'file/new')
        raises(E.ENAMETOOLONG, make, 'x' * 256)
    raises(E.ENOENT, s.see.link, 'gone', 'new')
    raises(E.EPERM, s.see.link, 'dir', 'new')
    raises(E.ENOENT, s.see.symlink, '', 'new')


@test()
def make_after_remove(s):
    "a name of the host, removed, can be anything"
    makers = {'f': lambda n: s.see.write(n, 'new', os.O_CREAT | os.O_EXCL),
              'd': lambda n: s.see.mkdir(n),
              's': lambda n: s.see.symlink('x', n),
              'l': lambda n: s.see.link('file', n),
              'n': lambda n: s.see.mknod(n, stat.S_IFIFO | 0o600),
              'r': lambda n: s.see.rename('exec', n, NOREPLACE)}
    with s.host.together():
        for n in makers:
            s.host.write(n, 'old')
            s.host.mkdir(n + 'd')
            s.host.write(n + 'd/x', 'old')
    for n, make in makers.items():
        s.see.unlink(n)
        make(n)
        s.see.rmtree(n + 'd')
        make(n + 'd') if n != 'r' else s.see.rename('sym', n + 'd', NOREPLACE)
    want = s.see.fingerprint(LOOKS)
    for stage in s.stages():
        same_tree(s.see.fingerprint(LOOKS), want, stage)
        s.see.lists('dd', '')


@test(over=ORIGINS)
def make_in_directories(s, origin):
    "every call that makes a name, where nothing was, and where the host's was removed"
    makers = {'mkdir': lambda n: s.see.mkdir(n), 'symlink': lambda n: s.see.symlink('x', n),
              'link': lambda n: s.see.link('file', n),
              'mknod': lambda n: s.see.mknod(n, stat.S_IFIFO | 0o600),
              'file': lambda n: s.see.write(n, 'x', os.O_CREAT | os.O_EXCL),
              'rename': lambda n: (s.see.write('tmp', 'x'), s.see.rename('tmp', n, NOREPLACE))}
    s.have(d=f'{origin} tree', **{f'd__{m}_again': f'{origin} file' for m in makers})
    for m, make in makers.items():
        s.see.unlink(f'd/{m}_again')
        for name in (f'd/{m}', f'd/{m}_again'):
            make(name)
            raises(E.EEXIST, s.see.mkdir, name)
    shape = s.see.fingerprint(LOOKS, 'd')
    ok(shape.keys() > {f'./{m}_again' for m in makers}, 'names')
    for stage in s.stages():
        same_tree(s.see.fingerprint(LOOKS, 'd'), shape, stage)
    s.see.rmtree('d')
    for _ in s.stages():
        s.see.absent('d')


@test(smoke=True)
def names_of_all_bytes(s):
    "255 bytes, not UTF-8, and names that mean something elsewhere"
    names = ['x' * 255, os.fsdecode(bytes(range(0x80, 0x100)))] + [
        os.fsdecode(bytes([c])) for c in range(1, 256) if c not in b'./']
    names += ['.wh.file', '.wh..wh..opq', '...', '.see', '..a', 'a ', '-rf',
              'trusted.see.x', 'con', '%s', '\\134']
    for name in names:
        s.see.write(name, name)
        s.see.link('file', f'empty_dir/{name}')
    for _ in s.stages():
        ok(s.see.ls() >= set(names), 'a name is not listed')
        for name in names:
            eq(s.see.read(name), os.fsencode(name), f'content of {name!r}')
    s.see.rename('x' * 255, 'y' * 255)
    s.see.absent('x' * 255)
    for name in names[1:20]:
        s.see.unlink(name)
        s.see.absent(name)


@test()
def symlink_lengths(s):
    "any target up to what the native file system takes"
    for length in (1, 59, 60, 61, 255, 1000, 1023, 1024, 4000, 4094, 4095, 4096):
        target = 't' * length
        want = error_of(s.plain.symlink, target, f'l{length}')
        eq(error_of(s.see.symlink, target, f'l{length}'), want,
           f'errno of a symlink of {length} bytes')
    for _ in s.stages():
        for name in s.plain.ls():
            eq(s.see.readlink(name), s.plain.readlink(name), f'target of {name}')
            eq(s.see.stat(name).st_size, int(name[1:]), f'size of {name}')


@test()
def symlinks_resolve(s):
    "relative, through directories, chains, loops, and dangling ones"
    s.see.symlink('../file', 'dir/up')
    s.see.symlink('dir/up', 'chain')
    s.see.symlink('loop', 'loop')
    s.see.symlink('dir', 'd')
    for name in ('dir/up', 'chain', 'sym', 'd/up', 'symdir/up'):
        eq(s.see.read(name), b'file\n', f'through {name}')
    raises(E.ELOOP, s.see.read, 'loop')
    raises(E.ENOENT, s.see.read, 'dangling')
    s.see.write('nowhere', 'now\n')
    eq(s.see.read('dangling'), b'now\n', 'through dangling')
    s.see.unlink('sym')
    s.see.holds('file', 'file\n')


@test()
def special_files(s):
    "FIFO, socket, devices: type and number, by mknod"
    nodes = {'p': (stat.S_IFIFO, 0), 'k': (stat.S_IFSOCK, 0),
             'c': (stat.S_IFCHR, os.makedev(1, 5)),
             'z': (stat.S_IFCHR, os.makedev(0, 0)),
             'b': (stat.S_IFBLK, os.makedev(511, (1 << 18) - 1)),  # XFS has no more
             'r': (stat.S_IFREG, 0)}
    for name, (kind, device) in nodes.items():
        s.see.mknod(name, kind | 0o640, device)
        s.see.link(name, f'dir/{name}2')
    raises((E.EPERM, E.EINVAL), s.see.mknod, 'x', stat.S_IFDIR | 0o700)
    for _ in s.stages():
        for name, (kind, device) in nodes.items():
            st = s.see.stat(f'dir/{name}2')
            eq((st.st_mode, st.st_rdev, st.st_nlink), (kind | 0o640, device, 2),
               name)
    for name in nodes:
        s.see.unlink(name)
    s.see.absent(*nodes)

    def as_nobody():
        raises(E.EPERM, s.see.mknod, 'sticky/c', stat.S_IFCHR | 0o600, 0x103)
        s.see.mknod('sticky/p', stat.S_IFIFO | 0o600)
    as_user(as_nobody)


@test()
def socket_and_fifo_work_inside(s):
    "bind and connect, write and read, between processes of the SEE"
    os.chdir(s.see.path(''))
    server = socket.socket(socket.AF_UNIX)
    server.bind('dir/socket')
    server.listen()
    raises(E.EADDRINUSE, socket.socket(socket.AF_UNIX).bind, 'dir/socket')

    def client():
        with socket.socket(socket.AF_UNIX) as c:
            c.connect('dir/socket')
            c.sendall(b'hello')
    child = Child(client)
    eq(server.accept()[0].recv(5), b'hello', 'through the socket')
    child.result()
    os.mkfifo('dir/pipe')
    child = Child(s.see.append, 'dir/pipe', 'through')
    eq(s.see.read('dir/pipe'), b'through', 'through the FIFO')
    child.result()
    server.close()
    raises(E.ECONNREFUSED, client)


# ---- O_TMPFILE, link -------------------------------------------------------

@test(smoke=True)
def tmpfile(s):
    "made without a name in directories of every origin, then linked"
    s.have(h='host dir', c='changed dir', b='born dir')
    for where in 'hcb':
        with s.see.opened(where, os.O_TMPFILE | os.O_RDWR, 0o600) as fd:
            os.write(fd, b'tmp')
            eq(os.fstat(fd).st_nlink, 0, 'links without a name')
            s.see.lists(where, '')
            link_fd(fd, s.see.path(f'{where}/one'))
            call('linkat', fd, '', AT_FDCWD, s.see.path(f'{where}/two'),
                 AT_EMPTY_PATH)
            raises(E.EEXIST, link_fd, fd, s.see.path('file'))
            os.write(fd, b'file')
            eq(os.fstat(fd).st_nlink, 2, 'links')
    with s.see.opened('dir', os.O_TMPFILE | os.O_EXCL | os.O_RDWR) as fd:
        raises(E.ENOENT, link_fd, fd, s.see.path('never'))
    raises(E.ENOTDIR, s.see.open, 'file', os.O_TMPFILE | os.O_RDWR)
    for _ in s.stages():
        for where in 'hcb':
            s.see.holds(f'{where}/one', 'tmpfile')
            eq(s.see.ino(f'{where}/two'), s.see.ino(f'{where}/one'), 'number')
            eq(s.see.mode(f'{where}/two'), 0o600, 'mode')


@test(over=ORIGINS)
def link_is_one_object(s, origin):
    "written through either name, also from a descriptor and to removed names"
    s.have(x=f'{origin} file', dir__gone='host file')
    s.see.unlink('dir/gone')
    s.see.link('x', 'dir/gone')
    with s.see.opened('x') as fd:
        link_fd(fd, s.see.path('y'))
    s.see.write('y', 'by y\n')
    for _ in s.stages():
        for name in ('x', 'y', 'dir/gone'):
            s.see.holds(name, 'by y\n')
            eq((s.see.ino(name), s.see.stat(name).st_nlink),
               (s.see.ino('x'), 3), f'number and links of {name}')
    s.see.unlink('x')
    s.see.append('dir/gone', 'more\n')
    s.see.holds('y', 'by y\nmore\n')
    eq(s.see.stat('y').st_nlink, 2, 'links')
    s.see.rename('y', 'dir/gone')       # same object: nothing happens
    for _ in s.stages():
        eq(s.see.stat('y').st_nlink, 2, 'links after rename to itself')


@test()
def link_of_symlinks_and_specials(s):
    "the link itself, not its target, unless asked"
    s.see.link('sym', 'sym2')
    eq((s.see.readlink('sym2'), s.see.stat('sym').st_nlink), ('file', 2), 'sym2')
    linkat(s.see.path('sym'), s.see.path('file2'), AT_SYMLINK_FOLLOW)
    eq(s.see.ino('file2'), s.see.ino('file'), 'number')
    for name in ('fifo', 'sock', 'null', 'dangling'):
        s.see.link(name, f'{name}2')
    for _ in s.stages():
        for name in ('fifo', 'sock', 'null', 'dangling', 'sym', 'file'):
            eq(s.see.ino(f'{name}2'), s.see.ino(name), f'number of {name}2')
            eq(s.see.stat(name).st_nlink, 2, f'links of {name}')


# ---- removing --------------------------------------------------------------

@test(smoke=True, over=ORIGINS)
def unlink_and_rmdir(s, origin):
    "each kind with each call"
    s.have(f=f'{origin} file', l=f'{origin} symlink', d=f'{origin} dir',
           t=f'{origin} tree')
    raises(E.EISDIR, s.see.unlink, 'd')
    raises(E.ENOTDIR, s.see.rmdir, 'f')
    raises(E.ENOTDIR, s.see.rmdir, 'l')
    raises(E.ENOTDIR, s.see.unlink, 'f/')
    raises(E.ENOTEMPTY, s.see.rmdir, 't')
    raises(E.EINVAL, s.see.rmdir, 'd/.')
    raises(E.ENOTEMPTY, s.see.rmdir, 't/..')
    with s.see.opened('d', os.O_DIRECTORY) as fd:
        s.see.rmdir('d')
        raises(E.ENOENT, os.open, 'x', os.O_CREAT, dir_fd=fd)
        raises(E.ENOENT, os.mkdir, 'x', dir_fd=fd)
        eq(os.fstat(fd).st_nlink, 0, 'links')
    s.see.unlink('f')
    s.see.unlink('l')
    s.see.rmtree('t')
    for _ in s.stages():
        s.see.absent(*'fldt')
    for name in 'fl':
        raises(E.ENOENT, s.see.unlink, name)
    raises(E.ENOENT, s.see.rmdir, 'd')


@test()
def removed_directory_is_dead(s):
    "as a working directory: no entry, nothing can be made"
    s.see.mkdir('empty_dir/x')
    for name in ('empty_dir/x', 'empty_dir'):
        os.chdir(s.see.path(name))
        os.rmdir(s.see.path(name))
        raises(E.ENOENT, os.open, 'y', os.O_CREAT)
        raises(E.ENOENT, os.mkdir, 'y')
        raises(E.ENOENT, os.getcwd)
        eq(os.listdir('.'), [], 'listing')


@test()
def rm_of_a_big_merged_tree(s):
    "rm -r of host, changed and born entries together"
    with s.host.together():
        for i in range(20):
            s.host.makedirs(f't/h{i}/deep')
            s.host.write(f't/h{i}/deep/f', 'x')
    for i in range(20):
        s.see.makedirs(f't/h{i}/deep/b')
        s.see.write(f't/h{i}/deep/b/f', 'x')
        s.see.append(f't/h{i}/deep/f', 'y')
    run('rm', '-r', s.see.path('t'))
    for _ in s.stages():
        s.see.absent('t')


# ---- rename ----------------------------------------------------------------

def rename_errno(old, new):
    "what POSIX says of renaming a thing of kind old over one of kind new"
    if new == 'absent':
        return 0
    if old in ('dir', 'tree'):
        return {'dir': 0, 'tree': E.ENOTEMPTY}.get(new, E.ENOTDIR)
    return E.EISDIR if new in ('dir', 'tree') else 0


def moved_shape(s, name):
    return s.see.fingerprint(('type', 'mode', 'uid', 'content', 'ino'), name)


@test(smoke=True, over=PAIRS)
def rename_over(s, origin, other):
    "every kind over every kind, in one directory and across two"
    cases = [(a, b, where) for a in KINDS for b in KINDS + ('absent',)
             for where in ('d1', 'd2', 'd3')]
    objects = {'d1': 'host dir', 'd2': 'host dir', 'd3': 'born dir'}
    for a, b, where in cases:
        objects[f'd1__{a}_{b}_{where}'] = f'{origin} {a}'
        if b != 'absent':
            whose = 'born' if where == 'd3' else other
            objects[f'{where}__{a}_{b}_{where}_to'] = f'{whose} {b}'
    s.have(**objects)
    left = {where: set() for where in ('d1', 'd2', 'd3')}
    shapes = {}
    for a, b, where in cases:
        old, new = f'd1/{a}_{b}_{where}', f'{where}/{a}_{b}_{where}_to'
        before, want = moved_shape(s, old), rename_errno(a, b)
        eq(ename(error_of(s.see.rename, old, new)), ename(want),
           f'{origin} {a} over {other} {b}, {old} as {new}')
        left[where].add(os.path.basename(new))
        if want:
            left['d1'].add(os.path.basename(old))
            shapes[new], shapes[old] = moved_shape(s, new), before
        else:
            shapes[new] = before
    for stage in s.stages():
        for where in left:
            s.see.lists(where, left[where])
        for name, shape in shapes.items():
            same_tree(moved_shape(s, name), shape, f'{name} {stage}')


@test(smoke=True, over=PAIRS)
def rename_exchange(s, origin, other):
    "every kind with every kind; nothing over nothing"
    s.have(d='host dir',
           **{f'{a}_{b}': f'{origin} {a}' for a in KINDS for b in KINDS},
           **{f'd__{a}_{b}': f'{other} {b}' for a in KINDS for b in KINDS})
    shapes = {}
    for a in KINDS:
        for b in KINDS:
            x, y = f'{a}_{b}', f'd/{a}_{b}'
            shapes[y], shapes[x] = moved_shape(s, x), moved_shape(s, y)
            s.see.rename(x, y, EXCHANGE)
    raises(E.ENOENT, s.see.rename, 'file_file', 'absent', EXCHANGE)
    raises(E.ENOENT, s.see.rename, 'absent', 'file_file', EXCHANGE)
    for stage in s.stages():
        for name, shape in shapes.items():
            same_tree(moved_shape(s, name), shape, f'{name} {stage}')
    for name in shapes:
        s.see.rename(name, 'swap')
        s.see.absent(name)
        s.see.rename('swap', name)
    for stage in s.stages():
        for name, shape in shapes.items():
            same_tree(moved_shape(s, name), shape, f'{name} {stage}')


@test(smoke=True, over=PAIRS)
def rename_between_directories(s, source, target):
    "of every origin, objects of every origin, to and fro"
    objects = [(whose, kind) for whose in ORIGINS for kind in KINDS]
    s.have(a=f'{source} dir', b=f'{target} dir',
           **{f'{whose}_{kind}': f'{whose} {kind}' for whose, kind in objects})
    shapes = {f'{whose}_{kind}': moved_shape(s, f'{whose}_{kind}') for whose, kind in objects}
    for name in shapes:
        s.see.rename(name, f'a/{name}')
    for old, new in ('ab', 'ba', 'ab'):
        for name in shapes:
            s.see.rename(f'{old}/{name}', f'{new}/{name}')
    for name in list(shapes)[::2]:
        s.see.rename(f'b/{name}', f'a/{name}')
    for stage in s.stages():
        s.see.lists('a', list(shapes)[::2])
        s.see.lists('b', list(shapes)[1::2])
        for i, (name, shape) in enumerate(shapes.items()):
            same_tree(moved_shape(s, f'{"ab"[i % 2]}/{name}'), shape, f'{name} {stage}')


NODES = {'p': (stat.S_IFIFO | 0o640, 0), 'k': (stat.S_IFSOCK | 0o640, 0),
         'c': (stat.S_IFCHR | 0o640, os.makedev(1, 5)), 'l': (stat.S_IFLNK | 0o777, 0)}


def make_nodes(tree, names):
    """{name: which of NODES}, in a directory."""
    os.umask(0)
    with tree.together():
        for name, node in names.items():
            tree.symlink('x', name) if node == 'l' else tree.mknod(name, *NODES[node])


@test(over=ORIGINS)
def names_of_special_files(s, origin):
    "FIFO, socket, device, symlink: renamed, linked, exchanged, replacing and replaced, removed"
    tree = s.see if origin == 'born' else s.host
    make_nodes(tree, {n + more: n for n in NODES for more in ('', '2')})
    with tree.together():
        for name in NODES:
            tree.write(f'{name}3', f'{name}\n')
    for name in NODES if origin == 'changed' else ():
        for n in (name, f'{name}2'):
            s.see.chown(n, USER)
    for name in NODES:
        s.see.rename(name, f'dir/{name}')
        s.see.link(f'dir/{name}', f'empty_dir/{name}')
        s.see.rename(f'{name}2', f'dir/sub/{name}')
        s.see.rename(f'dir/sub/{name}', f'{name}3', EXCHANGE)
    for stage in s.stages():
        for name, (mode, device) in NODES.items():
            for where, links in ((f'dir/{name}', 2), (f'empty_dir/{name}', 2), (f'{name}3', 1)):
                st = s.see.stat(where)
                eq((st.st_mode, st.st_rdev, st.st_nlink, st.st_uid),
                   (mode, device, links, USER if origin == 'changed' else 0),
                   f'{where} {stage}')
            s.see.holds(f'dir/sub/{name}', f'{name}\n')
            s.see.absent(name, f'{name}2')
    before = s.see.ls('dir/sub')
    for name in NODES:
        s.see.rename(f'dir/{name}', f'dir/sub/{name}')
        s.see.rename('file' if name == 'p' else f'dir/sub/{name}', f'{name}3')
        s.see.unlink(f'empty_dir/{name}')
    for _ in s.stages():
        s.see.holds('p3', 'file\n')
        s.see.lists('empty_dir', '')
        s.see.lists('dir/sub', before - {'k', 'c', 'l'})
        eq([s.see.stat(n).st_nlink for n in ('k3', 'c3', 'l3', 'dir/sub/p')], [1] * 4, 'links')
        s.see.absent('file', 'dir/k', 'dir/c', 'dir/l', 'dir/p')


@test(over=ORIGINS)
def rename_noreplace(s, origin):
    "EEXIST over anything, success over nothing and over removed names"
    s.have(**{f'k_{k}': f'{origin} {k}' for k in KINDS}, gone='host file',
           gonedir='host tree')
    kinds = [f'k_{k}' for k in KINDS]
    s.see.unlink('gone')
    s.see.rmtree('gonedir')
    for old in kinds:
        for new in kinds + ['file', 'empty', 'dir', 'dangling']:
            if old != new:
                raises(E.EEXIST, s.see.rename, old, new, NOREPLACE)
        for new in ('absent', 'gone', 'gonedir', 'dir/absent'):
            shape = moved_shape(s, old)
            s.see.rename(old, new, NOREPLACE)
            s.see.absent(old)
            same_tree(moved_shape(s, new), shape, f'{old} as {new}')
            s.see.rename(new, old, NOREPLACE)
            s.see.absent(new)
    raises(E.EINVAL, s.see.rename, 'file', 'x', NOREPLACE | EXCHANGE)
    raises(E.EINVAL, s.see.rename, 'file', 'x', 64)
    for _ in s.stages():
        s.see.absent('absent', 'gone', 'gonedir')


@test(over=ORIGINS)
def rename_whiteout(s, origin):
    "leaves a character device 0:0 behind, as natively"
    s.have(x=f'{origin} file', y=f'{origin} dir', t=f'{origin} file')
    s.see.rename('x', 'dir/x', WHITEOUT)
    s.see.rename('y', 'dir/y', WHITEOUT)
    s.see.rename('t', 'dir/b', WHITEOUT)
    raises(E.EINVAL, s.see.rename, 'file', 'x', WHITEOUT | EXCHANGE)
    for _ in s.stages():
        for name in 'xyt':
            st = s.see.stat(name)
            eq((stat.S_IFMT(st.st_mode), st.st_rdev), (stat.S_IFCHR, 0), name)
        ok(s.see.ls() >= set('xyt'), 'a whiteout is not listed')
        ok(stat.S_ISDIR(s.see.stat('dir/y').st_mode), 'dir/y')
        ok(s.see.read('dir/x').startswith(b'x as made'), 'dir/x')
        ok(s.see.read('dir/b').startswith(b't as made'), 'dir/b')
    for name in 'xyt':
        s.see.unlink(name)
    for _ in s.stages():
        s.see.absent(*'xyt')


@test(over=ORIGINS)
def rename_whiteout_of_special_files(s, origin):
    "FIFO, socket, device, symlink"
    make_nodes(s.see if origin == 'born' else s.host, {n: n for n in NODES})
    for name in NODES:
        if origin == 'changed':
            s.see.chown(name, USER)
        s.see.rename(name, f'dir/{name}', WHITEOUT)
    for stage in s.stages():
        for name, (mode, device) in NODES.items():
            st = s.see.stat(name)
            eq((stat.S_IFMT(st.st_mode), st.st_rdev), (stat.S_IFCHR, 0), f'{name} {stage}')
            st = s.see.stat(f'dir/{name}')
            eq((st.st_mode, st.st_rdev, st.st_uid),
               (mode, device, USER if origin == 'changed' else 0), f'dir/{name} {stage}')
    for name in NODES:
        s.see.unlink(name)
    for _ in s.stages():
        s.see.absent(*NODES)
        eq(os.readlink(s.see.path('dir/l')), 'x', 'target')


@test(layer=True, over=('unlink', 'replace'))
def changed_special_files_that_the_host_drops(s, how):
    "stay, as they were changed, until the SEE removes them"
    make_nodes(s.host, {n: n for n in NODES})
    for name in NODES:
        s.see.chown(name, USER)
    with s.host.together():
        for name in NODES:
            s.host.unlink(name)
            if how == 'replace':
                s.host.write(name, 'host\n')
    for stage in s.stages():
        for name, (mode, device) in NODES.items():
            st = s.see.stat(name)
            eq((st.st_mode, st.st_rdev, st.st_uid), (mode, device, USER), f'{name} {stage}')
        eq(os.readlink(s.see.path('l')), 'x', 'target')
        ok(s.see.ls() >= set(NODES), 'listing')
    for name in NODES:
        s.see.unlink(name)
    for _ in s.stages():
        s.see.absent(*NODES)


@test()
def rename_errors(s):
    "into itself, above itself, dots, slashes, missing names"
    s.have(b='born tree', b__c='born tree')
    for root in ('dir', 'b'):
        sub = 'dir/sub' if root == 'dir' else 'b/c'
        raises(E.EINVAL, s.see.rename, root, f'{sub}/x')
        raises(E.EINVAL, s.see.rename, root, f'{root}/x')
        raises(E.ENOTEMPTY, s.see.rename, sub, root)
        raises(E.EINVAL, s.see.rename, root, sub, EXCHANGE)
        raises(E.EBUSY, s.see.rename, f'{root}/.', 'x')
        raises(E.EBUSY, s.see.rename, root, f'{sub}/..')
    raises(E.ENOENT, s.see.rename, 'absent', 'file')
    raises(E.ENOENT, s.see.rename, 'file', 'absent/x')
    raises(E.ENOTDIR, s.see.rename, 'file/', 'x')
    raises(E.ENOTDIR, s.see.rename, 'file', 'x/')
    s.see.rename('dir', 'd/')
    s.see.rename('d', 'd')
    s.see.lists('d', 'a b sub link3')


@test(layer=True)
def rename_across_mounts_is_exdev(s):
    "between the layer and the host, both ways"
    raises(E.EXDEV, os.rename, s.see.path('file'), s.plain.path('x'))
    raises(E.EXDEV, os.link, s.see.path('file'), s.plain.path('x'))
    s.plain.write('y', 'y')
    raises(E.EXDEV, os.rename, s.plain.path('y'), s.see.path('y'))


@test(over=ORIGINS)
def rename_chain(s, origin):
    "a directory moved on and on, and what is below it"
    s.have(t=f'{origin} tree', t__sub=f'{origin} tree')
    want = moved_shape(s, 't')
    names = ['t', 'dir/t', 'dir/sub/t', 'empty_dir/t', 'shared/u', 't']
    for old, new in zip(names, names[1:]):
        s.see.rename(old, new)
        s.see.absent(old)
        same_tree(moved_shape(s, new), want, new)
        s.see.write(f'{new}/sub/{len(new)}', 'x')
        want = moved_shape(s, new)
    for stage in s.stages():
        same_tree(moved_shape(s, 't'), want, stage)
        s.see.absent(*names[1:-1])


@test(over=ORIGINS)
def swap_parent_and_child(s, origin):
    "a/b becomes b/a, as a sequence of renames"
    s.have(p=f'{origin} tree', p__c=f'{origin} tree')
    s.see.rename('p/c', 'tmp')
    s.see.rename('p', 'tmp/p')
    s.see.rename('tmp', 'c')
    for _ in s.stages():
        ok(s.see.ls('c/p') >= {'inner'}, 'names in c/p')
        s.see.holds('c/inner', 'p/c inner\n')
        s.see.holds('c/p/inner', 'p inner\n')
        s.see.absent('p', 'tmp')


# ---- whose it is, and who may ----------------------------------------------

@test(smoke=True)
def umask_and_owner(s):
    "of files, directories, nodes made by root and by a user"
    def make(prefix):
        os.umask(0o027)
        os.close(s.see.open(f'{prefix}f', os.O_CREAT | os.O_WRONLY, 0o777))
        s.see.mkdir(f'{prefix}d', 0o777)
        s.see.mknod(f'{prefix}p', stat.S_IFIFO | 0o666)
        s.see.symlink('x', f'{prefix}l')
    s.mount()
    Child(make, 'sticky/r').result()
    as_user(make, 'sticky/u')
    for _ in s.stages():
        for who, uid in (('r', 0), ('u', USER)):
            for kind, mode in (('f', 0o750), ('d', 0o750), ('p', 0o640),
                               ('l', 0o777)):
                st = s.see.stat(f'sticky/{who}{kind}')
                eq((st.st_uid, st.st_gid, stat.S_IMODE(st.st_mode)),
                   (uid, uid, mode), f'{who}{kind}')


@test()
def setgid_inheritance(s):
    "group and bit from a set-gid directory, of the host and born"
    s.have(born='born dir')
    s.see.chown('born', 0, USER)
    s.see.chmod('born', 0o2777)
    for where in ('shared', 'born'):
        s.see.mkdir(f'{where}/d')
        s.see.mkdir(f'{where}/d/e')
        s.see.write(f'{where}/d/e/f', '')
        s.see.symlink('x', f'{where}/l')
    for _ in s.stages():
        for where in ('shared', 'born'):
            for name, bit in (('d', 0o2000), ('d/e', 0o2000), ('d/e/f', 0),
                              ('l', 0)):
                st = s.see.stat(f'{where}/{name}')
                eq((st.st_gid, st.st_mode & 0o2000), (USER, bit),
                   f'{where}/{name}')

    def in_foreign_group():
        fd = s.see.open('born/x', os.O_CREAT | os.O_WRONLY, 0o2775)
        os.close(fd)
    os.umask(0)
    as_user(in_foreign_group, uid=OTHER)
    st = s.see.stat('born/x')
    eq((st.st_gid, stat.S_IMODE(st.st_mode)), (USER, 0o775),
       'set-gid of a group one is not in')


@test()
def default_acl_inheritance(s):
    "entries made below a default ACL are as the native file system makes them"
    default = acl(f'u::rwx u:{OTHER}:rwx g::r-x m::rwx o::---')
    s.host.mkdir('acl')
    s.host.setxattr('acl', DEFAULT, default)
    s.see.mkdir('born')
    s.plain.mkdir('acl')
    for t, name in ((s.see, 'born'), (s.plain, 'acl')):
        t.setxattr(name, DEFAULT, default)
    os.umask(0o077)
    for t in (s.see, s.plain):
        for where in ('acl', 'born') if t is s.see else ('acl',):
            t.mkdir(f'{where}/d', 0o777)
            t.mkdir(f'{where}/d/e', 0o700)
            t.write(f'{where}/d/f', 'x', os.O_CREAT, 0o666)
            t.write(f'{where}/d/g', 'x', os.O_CREAT, 0o640)
            t.symlink('x', f'{where}/l')
            t.mknod(f'{where}/p', stat.S_IFIFO | 0o666)
            with t.opened(where, os.O_TMPFILE | os.O_RDWR, 0o666) as fd:
                link_fd(fd, t.path(f'{where}/t'))
    want = s.plain.fingerprint(('mode', 'uid', 'gid', 'xattrs'), 'acl')
    del want['.']
    for stage in s.stages():
        for where in ('acl', 'born'):
            got = s.see.fingerprint(('mode', 'uid', 'gid', 'xattrs'), where)
            del got['.']
            same_tree(got, want, f'{where} {stage}')


@test(smoke=True, over=ORIGINS)
def sticky_directory(s, origin):
    "only owners remove and rename"
    s.have(sticky__f=f'{origin} file', sticky__g=f'{origin} file',
           sticky__d=f'{origin} dir', sticky__e=f'{origin} file')
    for name in 'fgde':
        s.see.chown(f'sticky/{name}', USER, USER)

    def other():
        for act in (lambda: s.see.unlink('sticky/f'),
                    lambda: s.see.rmdir('sticky/d'),
                    lambda: s.see.rename('sticky/f', 'sticky/x'),
                    lambda: s.see.rename('sticky/mine', 'sticky/f'),
                    lambda: s.see.rename('sticky/mine', 'sticky/f', EXCHANGE)):
            raises(E.EPERM, act)

    def owner():
        s.see.rename('sticky/f', 'sticky/x')
        s.see.unlink('sticky/x')
        s.see.rename('sticky/e', 'sticky/g')
        s.see.rmdir('sticky/d')
    as_user(s.see.write, 'sticky/mine', '', uid=OTHER)
    as_user(other, uid=OTHER)
    as_user(owner)
    for _ in s.stages():
        s.see.lists('sticky', 'own mine g')


def may(s, want, name, *how, **who):
    """What a user may do with name: e.g. may(s, 'r-', 'file')."""
    flags = {'r': os.O_RDONLY, 'w': os.O_WRONLY}

    def attempt():
        got = ''
        for right in 'rw':
            number = error_of(lambda: os.close(s.see.open(name, flags[right])))
            ok(number in (0, E.EACCES), f'open {name}: {ename(number)}')
            got += right if number == 0 else '-'
            eq(os.access(s.see.path(name), os.R_OK if right == 'r' else os.W_OK),
               number == 0, f'access({right}) of {name}')
        return got
    eq(as_user(attempt, **who), want, f'what {who} may do with {name}')


@test(smoke=True, over=ORIGINS)
def permission_bits(s, origin):
    "owner, group, others, ACL, as a user who is none or one of them"
    s.have(f=f'{origin} file', d=f'{origin} dir')
    s.see.chown('f', USER, OTHER)
    for mode, want in ((0o600, ('rw', '--', '--')), (0o060, ('--', 'rw', '--')),
                       (0o046, ('--', 'r-', 'rw')), (0o444, ('r-',) * 3)):
        s.see.chmod('f', mode)
        may(s, want[0], 'f', uid=USER)
        may(s, want[1], 'f', uid=OTHER)
        may(s, want[1], 'f', uid=7777, gids=(OTHER,))
        may(s, want[2], 'f', uid=7777)
    s.see.setxattr('f', ACCESS, acl('u::rw- u:7777:r-- g::--- m::r-- o::---'))
    may(s, 'r-', 'f', uid=7777)
    may(s, '--', 'f', uid=7778)
    s.see.write('d/x', 'x')
    s.see.chmod('d', 0o700)

    def shut_out():
        for act in (lambda: s.see.stat('d/x'), lambda: s.see.ls('d'),
                    lambda: s.see.unlink('d/x'), lambda: s.see.read('d/x'),
                    lambda: s.see.mkdir('d/y'), lambda: s.see.rename('d/x', 'y'),
                    lambda: s.see.link('f', 'd/z')):
            raises(E.EACCES, act)
        raises(E.EPERM, s.see.chmod, 'd', 0o777)
        raises(E.EPERM, s.see.chown, 'd', USER)
        raises(E.EACCES, s.see.write, 'new', '')
        raises(E.EACCES, s.see.unlink, 'f')
        raises(E.EACCES, s.see.rename, 'f', 'g')
    as_user(shut_out)


@test(smoke=True, layer=True)
def host_permissions_are_live(s):
    "chmod, chown and ACLs on the host count at once, ancestors' too"
    s.host.mkdir('p')
    s.host.mkdir('p/q')
    s.host.write('p/q/f', 'f')
    s.mount()
    may(s, 'r-', 'p/q/f')
    s.host.chmod('p/q/f', 0o600)
    may(s, '--', 'p/q/f')
    s.host.chown('p/q/f', USER)
    may(s, 'rw', 'p/q/f')
    s.host.setxattr('p/q/f', ACCESS,
                    acl(f'u::rw- u:{OTHER}:r-- g::--- m::r-- o::---'))
    may(s, 'r-', 'p/q/f', uid=OTHER)
    s.host.removexattr('p/q/f', ACCESS)
    may(s, '--', 'p/q/f', uid=OTHER)
    for name in ('p/q', 'p'):
        s.host.chmod(name, 0o700)
        may(s, '--', 'p/q/f')
        s.host.chmod(name, 0o755)
        may(s, 'rw', 'p/q/f')
    user = as_user
    raises(E.EACCES, user, s.see.write, 'p/new', '')
    s.host.chmod('p', 0o777)
    user(s.see.write, 'p/new', '')
    s.host.chmod('p', 0o755)
    raises(E.EACCES, user, s.see.unlink, 'p/new')


@test()
def execute_permission(s):
    "running programs of every origin; not without the bit, even as root"
    script = '#!/bin/sh\necho ran\n'
    s.host.write('h', script)
    s.see.write('b', script)
    s.see.append('exec', 'echo twice\n')
    for name in 'hb':
        raises(E.EACCES, os.execv, s.see.path(name), [name])
        s.see.chmod(name, 0o755)
        eq(run(s.see.path(name)), 'ran\n', f'output of {name}')
    eq(run(s.see.path('exec')), 'ran\ntwice\n', 'output of exec')
    s.see.write('true', open('/bin/true', 'rb').read())
    s.see.chmod('true', 0o700)
    for _ in s.stages():
        run(s.see.path('true'))
        raises(E.EACCES, as_user, os.execv, s.see.path('true'), ['true'])
    with s.see.opened('true') as fd:
        run(f'/proc/self/fd/{fd}', pass_fds=[fd])


main()
