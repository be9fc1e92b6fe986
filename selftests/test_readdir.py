#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Merged listings: complete, without duplicates, in pieces, while all changes."""
from see_test import *

TYPES = {stat.S_IFREG: 8, stat.S_IFDIR: 4, stat.S_IFLNK: 10, stat.S_IFIFO: 1,
         stat.S_IFSOCK: 12, stat.S_IFCHR: 2, stat.S_IFBLK: 6}
SMALL = 512             # a buffer for a dozen entries


def names_of(dents):
    return [d.name for d in dents]


def once(dents, want, what):
    """Each name of want exactly once, and . and .. besides."""
    names = names_of(dents)
    eq(set(names), set(want) | {'.', '..'}, what)
    eq(len(names), len(set(names)), f'{what}: entries, some twice')


def merged(s, host=300, born=100):
    """m/: entries of every origin and type; the names it has."""
    want = set()
    with s.host.together():
        s.host.mkdir('m')
        for i in range(host):
            name = f'm/host-{i}'
            if i % 50 == 7:
                s.host.mkdir(name)
            elif i % 50 == 8:
                s.host.symlink('x', name)
            else:
                s.host.write(name, '')
            want.add(name)
        s.host.mknod('m/fifo', stat.S_IFIFO | 0o600)
        s.host.mknod('m/null', stat.S_IFCHR | 0o600, os.makedev(1, 3))
        want |= {'m/fifo', 'm/null'}
    for i in range(0, born):
        name = f'm/born-{i}'
        if i % 20 == 3:
            s.see.mkdir(name)
        elif i % 20 == 4:
            s.see.symlink('x', name)
        elif i % 20 == 5:
            s.see.mknod(name, stat.S_IFSOCK | 0o600)
        else:
            s.see.write(name, '')
        want.add(name)
    for i in range(0, host, 3):
        name = f'm/host-{i}'
        if i % 50 not in (7, 8):
            s.see.unlink(name)
            want.remove(name)
    for i in range(1, host, 5):
        name = f'm/host-{i}'
        if name in want:
            s.see.rename(name, f'm/renamed-{i}')
            want.remove(name)
            want.add(f'm/renamed-{i}')
    for i in range(2, host, 9):
        if f'm/host-{i}' in want and i % 50 not in (7, 8):
            s.see.append(f'm/host-{i}', 'changed')
    return {os.path.basename(name) for name in want}


@test(smoke=True)
def types_and_numbers_agree_with_stat(s):
    "of every entry, . and .. too, with small and large buffers"
    merged(s, scaled(300), scaled(100))
    for _ in s.stages():
        for where in ('m', 'dir', 'dir/sub', ''):
            for size in (SMALL, 32768):
                with s.see.opened(where) as fd:
                    dents = all_dents(fd, size)
                eq(sorted(names_of(dents)).count('.'), 1, 'entries of .')
                eq(sorted(names_of(dents)).count('..'), 1, 'entries of ..')
                for d in dents:
                    if d.name == '..' and not where:
                        continue
                    path = f'{where}/{d.name}' if where else d.name
                    st = s.see.stat(path)
                    eq((d.ino, d.kind),
                       (st.st_ino, TYPES[stat.S_IFMT(st.st_mode)]),
                       f'd_ino and d_type of {path}')


@test(smoke=True)
def merged_listing_is_exact(s):
    "removed names hidden, made ones there, nothing twice"
    want = merged(s)
    for stage in s.stages():
        for size in (SMALL, 32768):
            with s.see.opened('m') as fd:
                once(all_dents(fd, size), want, f'm {stage}')
        s.see.lists('m', want)


@test(smoke=True)
def seek_to_every_position(s):
    "what d_off says continues with what came next, in any order"
    merged(s, scaled(200), scaled(60))
    for _ in s.stages():
        with s.see.opened('m') as fd:
            dents = all_dents(fd, SMALL)
            order = list(range(len(dents) - 1))
            for i in order[::-3] + order[::7]:
                os.lseek(fd, dents[i].off, os.SEEK_SET)
                got = getdents(fd, SMALL)
                eq(names_of(got)[:5], names_of(dents)[i + 1:i + 6][:len(got)],
                   f'after entry {i}, {dents[i].name}')
            os.lseek(fd, dents[-1].off, os.SEEK_SET)
            eq(names_of(getdents(fd)), [], 'after the last entry')
            offs = [d.off for d in dents]
            eq(len(set(offs)), len(offs), 'positions, some twice')


@test()
def seek_on_a_fresh_descriptor(s):
    "a position holds on another descriptor of the same directory"
    merged(s, 100, 40)
    with s.see.opened('m') as fd:
        dents = all_dents(fd, SMALL)
    for i in range(0, len(dents) - 1, 5):
        with s.see.opened('m') as fd:
            os.lseek(fd, dents[i].off, os.SEEK_SET)
            eq(getdents(fd, SMALL)[0].name, dents[i + 1].name,
               f'after {dents[i].name}')


def in_pieces(s, fd, step):
    """List fd in small pieces, calling step(i) after each."""
    out, i = [], 0
    while more := getdents(fd, SMALL):
        out += more
        step(i)
        i += 1
        ok(i < 1000, 'the listing does not end while names are made')
    return names_of(out)


def check_lasting(names, lasting, never, what):
    got = [n for n in names if n in lasting]
    eq(set(got), set(lasting), f'{what}: names there all the time')
    eq(len(got), len(set(got)), f'{what}: entries, some twice')
    ok(not set(names) & set(never), f'{what}: a name that was never there')


@test(smoke=True, over=('see', 'host'))
def changes_while_listing(s, side):
    "names that are there throughout come once, whatever comes and goes"
    if side == 'host' and NATIVE:
        raise Skip('needs a layer')
    want = merged(s, 200, 60)
    host_names = sorted(n for n in want if n.startswith('host-')
                        and not stat.S_ISDIR(s.see.stat(f'm/{n}').st_mode))
    doomed = host_names[::2]
    tree = s.see if side == 'see' else s.host

    def step(i):
        tree.write(f'm/late-{i}', '')
        if i < len(doomed):
            tree.unlink(f'm/{doomed[i]}')
        if i > 2:
            tree.rename(f'm/late-{i - 1}', f'm/later-{i - 1}')
    with s.see.opened('m') as fd:
        names = in_pieces(s, fd, step)
        check_lasting(names, want - set(doomed), {'late', 'gone'}, 'in pieces')
        os.lseek(fd, 0, os.SEEK_SET)
        once(all_dents(fd, SMALL), s.see.ls('m'), 'after rewinding')


@test()
def removing_what_was_listed(s):
    "rm -r's way: list a piece, remove it, go on; in the end all is gone"
    merged(s, 200, 60)

    def remove(name):
        if name not in '..':
            path = f'm/{name}'
            if stat.S_ISDIR(s.see.stat(path).st_mode):
                s.see.rmdir(path)
            else:
                s.see.unlink(path)
    with s.see.opened('m') as fd:
        while more := getdents(fd, SMALL):
            for d in more:
                remove(d.name)
    s.see.lists('m', '')
    s.see.rmdir('m')
    for _ in s.stages():
        s.see.absent('m')


@test()
def renaming_what_was_listed(s):
    "listing while entries move within the directory ends, and none is lost"
    merged(s, 100, 40)
    before = s.see.ls('m')
    seen = set()
    with s.see.opened('m') as fd:
        for _ in range(1000):
            more = getdents(fd, SMALL)
            if not more:
                break
            for d in more:
                if d.name in before and d.name not in seen:
                    seen.add(d.name)
                    s.see.rename(f'm/{d.name}', f'm/{d.name}+')
        else:
            fail('the listing does not end')
    eq(s.see.ls('m'), {n + '+' if n in seen else n for n in before}, 'names')
    eq(seen, before, 'names seen')


@test(smoke=True)
def rewinding_sees_new_names(s):
    "made by the SEE and by the host after the directory was opened"
    with s.see.opened('dir') as fd:
        once(all_dents(fd), {'a', 'b', 'sub', 'link3'}, 'first')
        s.see.write('dir/new', '')
        s.see.unlink('dir/a')
        os.lseek(fd, 0, os.SEEK_SET)
        once(all_dents(fd), {'new', 'b', 'sub', 'link3'}, 'after the SEE')
        if NATIVE:
            return
        s.host.write('dir/late', '')
        s.host.unlink('dir/b')
        os.lseek(fd, 0, os.SEEK_SET)
        once(all_dents(fd), {'new', 'late', 'sub', 'link3'}, 'after the host')


@test(layer=True)
def host_moves_an_open_directory(s):
    "a listing goes on in the directory it began in"
    want = merged(s, 200, 60)
    with s.see.opened('m') as fd:
        names = in_pieces(s, fd, lambda i: s.host.rename(
            'm' if i % 2 == 0 else 'shared/m', 'shared/m' if i % 2 == 0 else 'm'))
    check_lasting(names, want, (), 'while it moved')


@test(layer=True)
def same_name_on_both_sides(s):
    "made by the SEE, then by the host: once, and the SEE's"
    for i in range(50):
        s.see.mkdir(f'dir/n{i}')
    with s.host.together():
        for i in range(0, 50, 2):
            s.host.write(f'dir/n{i}', '')
    for _ in s.stages():
        with s.see.opened('dir') as fd:
            dents = all_dents(fd, SMALL)
        once(dents, {'a', 'b', 'sub', 'link3'} | {f'n{i}' for i in range(50)},
             'dir')
        eq({d.kind for d in dents if d.name[0] == 'n'}, {4}, 'types')


@test()
def removed_directory_lists_nothing(s):
    "through a descriptor that is still open"
    s.see.write('empty_dir/x', '')
    with s.see.opened('empty_dir') as fd:
        s.see.rmtree('empty_dir')
        s.see.mkdir('empty_dir')
        s.see.write('empty_dir/y', '')
        try:
            eq(names_of(all_dents(fd)), [], 'listing')
        except OSError as e:
            eq(ename(e.errno), 'ENOENT', 'errno')


@test()
def listing_errors(s):
    "of files, of closed directories, with a buffer that is too small"
    with s.see.opened('file') as fd:
        raises(errno.ENOTDIR, getdents, fd)
    with s.see.opened('dir') as fd:
        raises(errno.EINVAL, getdents, fd, 4)
        raises(errno.EINVAL, os.lseek, fd, -1, os.SEEK_SET)
        raises(errno.EISDIR, os.read, fd, 10)
    s.see.chmod('dir', 0o711)
    raises(errno.EACCES, as_user, s.see.ls, 'dir')


@test(smoke=True)
def many_entries(s):
    "ten thousand, half of them the host's; created, listed, removed"
    n = scaled(5000)
    with s.host.together():
        s.host.mkdir('many')
        for i in range(n):
            os.mknod(s.host.path(f'many/h{i}'))
    for i in range(n):
        os.mknod(s.see.path(f'many/b{i}'))
    want = {f'{x}{i}' for x in 'hb' for i in range(n)}
    for stage in s.stages():
        with s.see.opened('many') as fd:
            once(all_dents(fd), want, f'all {stage}')
        if stage == '':
            for i in range(0, n, 2):
                os.unlink(s.see.path(f'many/h{i}'))
                os.unlink(s.see.path(f'many/b{i}'))
                want -= {f'h{i}', f'b{i}'}
    run('rm', '-r', s.see.path('many'))
    s.see.absent('many')


@test()
def find_agrees(s):
    "find and ls walk the tree to the same end"
    merged(s, 60, 40)
    walked = {os.path.relpath(os.path.join(at, n), s.see.root)
              for at, dirs, files in os.walk(s.see.root) for n in dirs + files}
    out = run('find', '.', '-mindepth', '1', '-printf', '%P\\0',
              cwd=s.see.path(''))
    eq(out.count('\0'), len(walked), 'entries found')
    for name in ('m/born-1', 'file', 'dir/a'):
        st = s.see.stat(name)
        out = run('find', '.', '-xdev', '-inum', str(st.st_ino), '-path',
                  f'./{name}', cwd=s.see.path(''))
        eq(out.strip(), f'./{name}', 'found by number')


main()
