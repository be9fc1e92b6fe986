#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The view over a host that changes: the rules of the view, one by one."""
from see_test import *

MAKERS = {
    'create': lambda t, name: t.write(name, 'made\n'),
    'mkdir': lambda t, name: t.mkdir(name),
    'symlink': lambda t, name: t.symlink('made', name),
    'link': lambda t, name: t.link('file', name),
    'rename': lambda t, name: t.rename('exec', name),
    'mknod': lambda t, name: t.mknod(name, stat.S_IFIFO | 0o600),
}


@test(smoke=True, layer=True)
def fresh_layer_equals_host(s):
    "before any change the view is the host's, attribute by attribute"
    want = s.host.fingerprint(LOOKS)
    for _ in s.stages():
        same_tree(fingerprint(s.see.root, LOOKS), want, 'a fresh layer')


@test(layer=True, private=('same', 'inside', 'other'))
def work_survives_remount(s):
    "what the SEE did is there again, wherever the private tree lies"
    t = s.see
    for name, make in MAKERS.items():
        make(t, f'dir/new-{name}')
    t.write('born', 'born\n')
    t.makedirs('tree/of/dirs')
    t.write('tree/of/dirs/f', 'f\n')
    t.append('file', 'more\n')
    t.chmod('secret', 0o640)
    t.setxattr('link2', 'user.see', b'1')
    t.unlink('dir/a')
    t.rmdir('empty_dir')
    t.rename('dir/sub', 'tree/sub')
    want = t.fingerprint(LOOKS)
    for stage in s.stages():
        same_tree(t.fingerprint(LOOKS), want, f'the SEE {stage}')


# ---- rule 1: a name that the SEE made is the SEE's --------------------------

@test(smoke=True, layer=True, over=list(MAKERS))
def made_name_stays(s, how):
    "whatever the host does with the same name"
    MAKERS[how](s.see, 'dir/new')
    ino, kind = s.see.ino('dir/new'), s.see.stat('dir/new').st_mode

    def still(what):
        st = s.see.stat('dir/new')
        eq((st.st_ino, st.st_mode), (ino, kind), f'the SEE\'s name, {what}')
        ok('new' in s.see.ls('dir'), f'dir/new is not listed, {what}')

    s.host.write('dir/new', 'of the host\n')
    for stage in s.stages():
        still(f'the host made a file {stage}')
    s.host.replace('dir/new', 'again\n')
    still('the host replaced it')
    s.host.unlink('dir/new')
    still('the host removed it')
    s.host.mkdir('dir/new')
    for stage in s.stages():
        still(f'the host made a directory {stage}')


@test(layer=True)
def made_name_over_host_name_stays(s):
    "a name of the host that the SEE replaced by rename"
    s.see.replace('dir/a', 'of the SEE\n')
    for i in range(3):
        s.host.replace('dir/a', f'of the host {i}\n')
        s.see.holds('dir/a', 'of the SEE\n')
    s.host.unlink('dir/a')
    for _ in s.stages():
        s.see.holds('dir/a', 'of the SEE\n')


@test(layer=True)
def made_directory_is_not_merged(s):
    "a directory of the SEE shows nothing of a later one of the host"
    s.see.mkdir('new')
    s.see.write('new/x', 'x')
    s.host.mkdir('new')
    s.host.write('new/y', 'y')
    for _ in s.stages():
        s.see.lists('new', 'x')
        s.see.absent('new/y')


# ---- rule 2: a name that the SEE removed stays absent -----------------------

@test(smoke=True, layer=True, over=('unlink', 'rename', 'replace'))
def removed_name_stays_absent(s, how):
    "even if the host makes it again"
    if how == 'unlink':
        s.see.unlink('dir/a')
    elif how == 'rename':
        s.see.rename('dir/a', 'dir/moved')
    else:
        s.see.rename('dir/a', 'dir/b')
    s.see.absent('dir/a')
    for again in (lambda: s.host.write('dir/a', 'rewritten in place\n'),
                  lambda: s.host.replace('dir/a', 'another file\n'),
                  lambda: s.host.unlink('dir/a'),
                  lambda: s.host.mkdir('dir/a'),
                  lambda: s.host.write('dir/a/x', 'x'),
                  lambda: s.host.rename('dir/a', 'dir/elsewhere'),
                  lambda: s.host.symlink('b', 'dir/a')):
        again()
        for _ in s.stages():
            s.see.absent('dir/a')
    s.see.holds('dir/elsewhere/x', 'x')


@test(layer=True)
def removed_directory_under_another_name(s):
    "where the host moves it to it is the host's, and alive, for who is in it, too"
    with opened(s.see.path('empty_dir')) as fd:
        s.see.rmdir('empty_dir')
        raises(errno.ENOENT, os.mkdir, 'mine', dir_fd=fd)
        s.host.rename('empty_dir', 'moved')
        eq(s.see.stat('moved').st_nlink, s.host.stat('moved').st_nlink, 'links')
        os.mkdir('mine', dir_fd=fd)
    for _ in s.stages():
        s.see.absent('empty_dir')
        s.see.lists('moved', ['mine'])


@test(layer=True)
def removed_directory_stays_absent(s):
    "and what the SEE makes in its place shows nothing of the host"
    s.see.rmdir('empty_dir')
    s.host.write('empty_dir/late', 'late')
    for _ in s.stages():
        s.see.absent('empty_dir', 'empty_dir/late')
    s.host.rmtree('empty_dir')
    s.host.mkdir('empty_dir')
    s.host.write('empty_dir/other', 'other')
    s.see.absent('empty_dir')
    s.see.mkdir('empty_dir')
    s.see.write('empty_dir/mine', 'mine')
    for _ in s.stages():
        s.see.lists('empty_dir', 'mine')


@test(layer=True)
def removed_tree_stays_absent(s):
    "rm -r in the SEE of what the host then goes on changing"
    s.see.rmtree('dir')
    s.see.absent('dir')
    s.host.write('dir/new', 'new')
    s.host.rename('dir/sub', 'dir/sub2')
    s.host.write('dir/sub2/new', 'new')
    for _ in s.stages():
        s.see.absent('dir', 'dir/new', 'dir/sub2')
    s.see.lists('', s.host.ls() - {'dir'})


@test(layer=True)
def removed_then_made_again(s):
    "remove, make, remove: the last word counts, over the host's"
    for i in range(3):
        s.see.unlink('file')
        s.see.absent('file')
        s.host.replace('file', 'host\n')
        s.see.absent('file')
        s.see.write('file', f'{i}', os.O_CREAT | os.O_EXCL)
        for _ in s.stages():
            s.see.holds('file', f'{i}')
    s.see.unlink('file')
    for _ in s.stages():
        s.see.absent('file')


# ---- rule 3: every other name is the host's as it is now --------------------

@test(smoke=True, layer=True, over=list(MAKERS))
def host_creation_shows(s, how):
    "through a cached negative entry"
    for where in ('new', 'dir/new', 'dir/sub/new'):
        s.see.absent(where)
        with s.host.together():
            if how == 'rename':
                s.host.write('exec', 'exec')
            MAKERS[how](s.host, where)
        st = s.see.stat(where)
        eq(stat.S_IFMT(st.st_mode), stat.S_IFMT(s.host.stat(where).st_mode),
           f'type of {where}')
        ok('new' in s.see.ls(os.path.dirname(where)), f'{where} not listed')
    for _ in s.stages():
        same_tree(s.see.fingerprint(LOOKS), s.host.fingerprint(LOOKS),
                  'the view')


@test(layer=True)
def host_deletion_shows(s):
    "through a cached positive entry, of files and directories"
    for name in ('dir/a', 'dir/sub/c', 'sym', 'fifo', 'sock', 'null', 'link1'):
        s.see.stat(name)
        s.host.unlink(name)
        s.see.absent(name)
    for name in ('dir/sub', 'empty_dir'):
        s.see.ls(name)
        s.host.rmdir(name)
        s.see.absent(name)
        raises(errno.ENOENT, s.see.ls, name)
    s.see.holds('link2', 'link1\n')
    eq(s.see.stat('link2').st_nlink, 2, 'links of link2')


@test(layer=True)
def host_rename_shows(s):
    "of files and of directories with cached entries below"
    s.see.read('dir/sub/c')
    ino = s.see.ino('dir/sub/c')
    for old, new in (('dir/a', 'dir/z'), ('dir/sub/c', 'c'), ('c', 'dir/sub/c'),
                     ('dir/sub', 'sub'), ('sub', 'dir/sub'), ('dir', 'd2')):
        s.see.stat(old)
        s.see.absent(new)
        s.host.rename(old, new)
        s.see.absent(old)
        s.see.stat(new)
    s.see.holds('d2/sub/c', 'dir/sub/c\n')
    eq(s.see.ino('d2/sub/c'), ino, 'number after host renames')
    s.see.absent('dir/sub/c', 'dir/b')


@test(layer=True)
def host_replacement_shows(s):
    "rename over a name, and a file that becomes a directory and a file again"
    for i in range(5):
        s.see.stat('dir/a')
        s.host.replace('dir/a', f'version {i}\n')
        s.see.holds('dir/a', f'version {i}\n')
    old = s.see.ino('dir/a')
    s.host.unlink('dir/a')
    s.host.mkdir('dir/a')
    s.host.write('dir/a/x', 'x')
    s.see.lists('dir/a', 'x')
    s.host.rmtree('dir/a')
    s.see.absent('dir/a')
    s.host.symlink('b', 'dir/a')
    s.see.holds('dir/a', 'dir/b\n')
    s.host.unlink('dir/a')
    s.host.write('dir/a', 'file\n')
    for _ in s.stages():
        s.see.holds('dir/a', 'file\n')
    ok(old, 'a number')


@test(layer=True)
def host_exchange_shows(s):
    "two names swapped, of files, directories, and of each kind"
    for a, b in (('dir/a', 'dir/b'), ('dir', 'shared'), ('file', 'empty_dir')):
        numbers = s.see.ino(a), s.see.ino(b)
        for _ in range(2):
            s.host.rename(a, b, EXCHANGE)
            numbers = numbers[::-1]
            eq((s.see.ino(a), s.see.ino(b)), numbers, f'{a} and {b} swapped')
            same_tree(s.see.fingerprint(), s.host.fingerprint(),
                      'the view')


@test(smoke=True, layer=True)
def create_and_remove_in_a_loop(s):
    "positive and negative entries turn at every step"
    path, see = s.host.path('dir/blink'), s.see.path('dir/blink')
    with s.host.together():
        for i in range(scaled(500)):
            raises(errno.ENOENT, os.stat, see)
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            eq(os.stat(see).st_size, 0, f'size in round {i}')
            os.unlink(path)
            raises(errno.ENOENT, os.open, see, os.O_RDONLY)
            os.mkdir(path)
            os.mkdir(f'{path}/sub')
            ok(stat.S_ISDIR(os.stat(f'{see}/sub').st_mode), 'a directory')
            os.rmdir(f'{path}/sub')
            raises(errno.ENOENT, os.stat, f'{see}/sub')
            os.rmdir(path)


@test(layer=True)
def replace_in_a_loop(s):
    "each version of a file that is rewritten by rename shows at once"
    path, see = s.host.path('dir/a'), s.see.path('dir/a')
    with s.host.together():
        for i in range(scaled(500)):
            with open(f'{path}~', 'w') as f:
                f.write(str(i))
            os.rename(f'{path}~', path)
            with open(see) as f:
                eq(f.read(), str(i), 'content')


@test(layer=True)
def rename_directory_in_a_loop(s):
    "a cached path below a directory that moves to and fro"
    host, see = s.host, s.see
    with host.together():
        for i in range(scaled(300)):
            os.rename(host.path('dir'), host.path('moved'))
            raises(errno.ENOENT, os.stat, see.path('dir/sub/c'))
            os.stat(see.path('moved/sub/c'))
            os.rename(host.path('moved'), host.path('dir'))
            raises(errno.ENOENT, os.stat, see.path('moved/sub/c'))
            os.stat(see.path('dir/sub/c'))


@test(layer=True)
def walks_from_a_descriptor_follow(s):
    "openat and .. from a directory that the host moved"
    s.host.mkdir('far')
    fd = s.see.open('dir/sub', os.O_RDONLY | os.O_DIRECTORY)
    s.host.rename('dir/sub', 'far/sub')
    s.host.write('far/sub/late', 'late')
    s.host.write('far/beside', 'beside')
    os.close(os.open('late', os.O_RDONLY, dir_fd=fd))
    eq(os.stat('..', dir_fd=fd).st_ino, s.see.ino('far'), 'number of ..')
    os.close(os.open('../beside', os.O_RDONLY, dir_fd=fd))
    raises(errno.ENOENT, os.stat, '../a', dir_fd=fd)
    os.close(fd)


@test(layer=True)
def directory_moves_out_of_the_layer_and_back(s):
    "what leaves the lower leaves the view, and is found when it returns"
    s.see.read('dir/sub/c')
    outside = f'{os.path.dirname(s.host.root)}/outside'
    with s.host.together():
        os.rename(s.host.path('dir'), outside)
    s.see.absent('dir')
    raises(errno.ENOENT, s.see.read, 'dir/sub/c')
    with s.host.together():
        os.rename(outside, s.host.path('back'))
    for _ in s.stages():
        s.see.holds('back/sub/c', 'dir/sub/c\n')


# ---- rule 4: an unchanged object is live ------------------------------------

@test(smoke=True, layer=True)
def unchanged_data_is_live(s):
    "by name, through an open descriptor and a mapping"
    import mmap
    fd = s.see.open('file')
    with mmap.mmap(fd, 5, prot=mmap.PROT_READ) as mapped:
        eq(mapped[:5], b'file\n', 'mapping')
    s.host.write('file', 'longer than before\n')
    eq(os.pread(fd, 100, 0), b'longer than before\n', 'descriptor')
    eq(os.fstat(fd).st_size, 19, 'size by descriptor')
    s.host.append('file', 'and longer\n')
    eq(os.pread(fd, 100, 19), b'and longer\n', 'descriptor after append')
    s.host.truncate('file', 3)
    eq(os.pread(fd, 100, 0), b'lon', 'descriptor after truncate')
    os.close(fd)
    for _ in s.stages():
        s.see.holds('file', 'lon')
        eq(s.see.stat('file').st_size, 3, 'size')


@test(layer=True)
def unchanged_attributes_are_live(s):
    "mode, owner, times, xattrs, ACL, link count"
    for name in ('file', 'dir', 'dir/a'):
        with s.see.opened(name) as fd:
            for change in (lambda: s.host.chmod(name, 0o700),
                           lambda: s.host.chown(name, USER, OTHER),
                           lambda: s.host.utime(name, 10 ** 18, 10 ** 18 + 5),
                           lambda: s.host.setxattr(name, 'user.x', b'live'),
                           lambda: s.host.setxattr(name, ACCESS, acl(
                               f'u::rwx u:{OTHER}:r-x g::--- m::r-x o::---'))):
                change()
                same_tree(fingerprint(s.see.path(name), LOOKS),
                          fingerprint(s.host.path(name), LOOKS), name)
                eq(os.fstat(fd)[:6], s.see.stat(name)[:6], f'fstat of {name}')
    s.host.link('file', 'dir/one-more')
    eq(s.see.stat('file').st_nlink, 2, 'links')
    s.host.unlink('dir/one-more')
    eq(s.see.stat('file').st_nlink, 1, 'links')


# ---- rule 5: a changed object shows the SEE's version -----------------------

CHANGES = {
    'data': lambda t, name: t.write(name, 'of the SEE\n'),
    'append': lambda t, name: t.append(name, 'of the SEE\n'),
    'mode': lambda t, name: t.chmod(name, 0o751),
    'xattr': lambda t, name: t.setxattr(name, 'user.of', b'the SEE'),
}
SEEN = ('type', 'mode', 'content', 'xattrs', 'ino')


def version(s, name):
    return fingerprint(s.see.path(name), SEEN)['.']


@test(smoke=True, layer=True, over=list(CHANGES))
def change_shows_under_every_name(s, how):
    "of a hard-linked file, and under names that the host adds later"
    CHANGES[how](s.see, 'link2')
    want = version(s, 'link2')
    s.host.link('link1', 'dir/sub/link4')
    for stage in s.stages():
        for name in ('link1', 'link2', 'dir/link3', 'dir/sub/link4'):
            eq(version(s, name), want, f'{name} {stage}')
        eq(s.see.stat('link1').st_nlink, 4, f'links {stage}')


@test(layer=True, over=list(CHANGES))
def change_follows_host_renames(s, how):
    "of the object, into another directory, and of its parents"
    CHANGES[how](s.see, 'dir/sub/c')
    want = version(s, 'dir/sub/c')
    names = ['dir/sub/c', 'dir/sub/d', 'top', 'dir/sub/c']
    for old, new in zip(names, names[1:]):
        s.host.rename(old, new)
        for stage in s.stages():
            s.see.absent(old)
            eq(version(s, new), want, f'{new} {stage}')
    s.host.rename('dir/sub', 'sub')
    eq(version(s, 'sub/c'), want, 'after the parent moved')
    s.host.rename('sub', 'dir/sub')
    s.host.rename('dir', 'd')
    for stage in s.stages():
        s.see.absent('dir/sub/c')
        eq(version(s, 'd/sub/c'), want, f'after the grandparent moved {stage}')


@test(layer=True)
def change_survives_host_changes(s):
    "what the SEE wrote or set stays when the host writes or sets it too"
    s.see.write('file', 'of the SEE\n')
    s.see.chmod('dir/a', 0o705)
    s.host.write('file', 'of the host, in place\n')
    s.host.chmod('dir/a', 0o666)
    for _ in s.stages():
        s.see.holds('file', 'of the SEE\n')
        eq(s.see.mode('dir/a'), 0o705, 'mode')


@test(layer=True)
def changed_directory_follows(s):
    "mode and owner of a directory that the SEE changed; contents live"
    s.see.chmod('dir', 0o711)
    s.host.rename('dir', 'shared/dir')
    s.host.write('shared/dir/late', 'late')
    for _ in s.stages():
        eq(s.see.mode('shared/dir'), 0o711, 'mode')
        s.see.holds('shared/dir/late', 'late')
        s.see.absent('dir')


# ---- rule 6: the host drops the last name of a changed object ---------------

DROPS = {
    'unlink': lambda h: h.unlink('dir/sub/c'),
    'replace': lambda h: h.replace('dir/sub/c', 'new of the host\n'),
    'move-unlink': lambda h: (h.rename('dir/sub/c', 'x'), h.unlink('x')),
    'rename-over': lambda h: h.rename('file', 'dir/sub/c'),
    'directory': lambda h: (h.unlink('dir/sub/c'), h.mkdir('dir/sub/c')),
    'rmtree': lambda h: h.rmtree('dir/sub'),
    'parent-moves': lambda h: (h.unlink('dir/sub/c'),
                               h.rename('dir/sub', 'dir/bus')),
}


@test(smoke=True, layer=True, over=list(DROPS))
def dropped_object_is_kept(s, how):
    "under the path of its first change, complete, whatever is there now"
    s.see.append('dir/sub/c', 'of the SEE\n')
    DROPS[how](s.host)
    where = 'dir/bus/c' if how == 'parent-moves' else 'dir/sub/c'
    for stage in s.stages():
        if how == 'parent-moves':   # the directory took its names along
            where = next(n for n in (where, 'dir/sub/c') if s.see.exists(n))
        s.see.holds(where, 'dir/sub/c\nof the SEE\n', stage)
        eq(s.see.stat(where).st_nlink, 1, f'links {stage}')
    s.see.append(where, 'more\n')
    s.see.holds(where, 'dir/sub/c\nof the SEE\nmore\n')
    s.see.unlink(where)
    for _ in s.stages():
        s.see.absent(where)


@test(layer=True)
def dropped_object_is_completed(s):
    "blocks that the SEE never wrote are there after the host's unlink"
    want = bytearray(s.host.read('big'))
    s.see.pwrite('big', b'SEE', 5000)
    want[5000:5003] = b'SEE'
    s.host.unlink('big')
    for _ in s.stages():
        s.see.holds('big', bytes(want))


@test(layer=True)
def dropped_object_with_attributes_only(s):
    "chmod alone is a change: the data is kept too"
    s.see.chmod('big', 0o600)
    want = s.host.read('big')
    s.host.unlink('big')
    for _ in s.stages():
        s.see.holds('big', want)
        eq(s.see.mode('big'), 0o600, 'mode')


@test(layer=True)
def links_of_a_kept_name(s):
    "the kept name counts beside those that the SEE gave, until the SEE removes it"
    s.see.append('file', 'of the SEE\n')
    s.see.link('file', 'dir/more')
    s.host.unlink('file')
    for stage in s.stages():
        for name in ('file', 'dir/more'):
            eq(s.see.stat(name).st_nlink, 2, f'links of {name} {stage}')
    with s.see.opened('file') as fd:
        s.see.unlink('file')
        eq(os.fstat(fd).st_nlink, 1, 'links without the kept name')
        s.see.unlink('dir/more')
        eq(os.fstat(fd).st_nlink, 0, 'links without a name')
    for stage in s.stages():
        for name in ('file', 'dir/more'):
            s.see.absent(name)


@test(layer=True)
def dropped_under_an_open_descriptor(s):
    "the writer's descriptor and the kept name are one object"
    fd = s.see.open('file', os.O_RDWR)
    os.pwrite(fd, b'SEE', 0)
    s.host.unlink('file')
    os.pwrite(fd, b'!', 4)
    s.see.holds('file', 'SEEe!')
    eq(os.fstat(fd).st_ino, s.see.ino('file'), 'number')
    os.close(fd)
    for _ in s.stages():
        s.see.holds('file', 'SEEe!')


@test(layer=True)
def dropped_while_unmounted(s):
    "the written bytes are kept; what was never copied is EIO, never zeros"
    old = s.host.read('big')
    s.see.write('file', 'all of it\n')
    s.see.pwrite('big', b'SEE', 5000)
    want = old[:5000] + b'SEE' + old[5003:]
    s.umount()
    s.host.unlink('file')
    s.host.unlink('big')
    s.mount()
    s.see.holds('file', 'all of it\n')
    try:
        eq(s.see.read('big'), want, 'big')
    except OSError as e:
        eq(e.errno, errno.EIO, 'errno of bytes that were lost')
    with s.see.opened('big') as fd:
        for at in range(0, len(want), 4096):
            try:
                eq(os.pread(fd, 4096, at), want[at:at + 4096], f'at {at}')
            except OSError as e:
                eq(e.errno, errno.EIO, f'errno at {at}')
                ok(at != 4096, 'the block that was written is lost')


@test(layer=True)
def one_name_of_several_dropped(s):
    "the change follows the names that remain"
    s.see.append('link1', 'more\n')
    s.host.unlink('link1')
    s.host.unlink('dir/link3')
    for _ in s.stages():
        s.see.holds('link2', 'link1\nmore\n')
        s.see.absent('link1', 'dir/link3')
        eq(s.see.stat('link2').st_nlink, 1, 'links')


@test(layer=True)
def host_editor_with_backup(s):
    "the change goes with the backup's name, the new file is the host's"
    s.see.append('file', 'SEE\n')
    with s.host.together():
        s.host.rename('file', 'file~')
        s.host.write('file', 'edited\n')
    for _ in s.stages():
        s.see.holds('file~', 'file\nSEE\n')
        s.see.holds('file', 'edited\n')
    s.host.unlink('file~')              # the last name, as editors do
    for _ in s.stages():
        s.see.holds('file', 'file\nSEE\n')
        s.see.absent('file~')


@test(layer=True)
def moved_then_dropped(s):
    "a changed file that the host moves and then replaces by another name"
    s.see.append('dir/a', 'SEE\n')
    s.host.rename('dir/a', 'dir/sub/a')
    s.see.holds('dir/sub/a', 'dir/a\nSEE\n')
    s.host.unlink('dir/sub/a')
    for _ in s.stages():
        s.see.holds('dir/a', 'dir/a\nSEE\n')
        s.see.absent('dir/sub/a')


@test(layer=True)
def unchanged_open_file_lives_on(s):
    "the host unlinks a file that the SEE only has open"
    fd = s.see.open('dir/a')
    s.host.unlink('dir/a')
    s.see.absent('dir/a')
    eq(os.pread(fd, 100, 0), b'dir/a\n', 'content')
    eq(os.fstat(fd).st_nlink, 0, 'links')
    os.close(fd)
    for _ in s.stages():
        s.see.absent('dir/a')


@test(layer=True)
def removed_in_see_then_dropped_by_host(s):
    "the SEE changed and removed it: it does not come back"
    s.see.append('dir/a', 'SEE\n')
    s.see.unlink('dir/a')
    s.host.unlink('dir/a')
    for _ in s.stages():
        s.see.absent('dir/a')


# ---- rule 7: directories in which the SEE changed names ---------------------

def work_in(t, name):
    t.write(f'{name}/born', 'born\n')
    t.mkdir(f'{name}/borndir')
    t.write(f'{name}/borndir/x', 'x')
    t.unlink(f'{name}/a')


WORK = {'b', 'sub', 'link3', 'born', 'borndir'}


@test(smoke=True, layer=True)
def merged_listing_is_live(s):
    "the host's entries of now, less the SEE's removals, plus its names"
    work_in(s.see, 'dir')
    s.see.lists('dir', WORK)
    s.host.write('dir/late', 'late')
    s.host.write('dir/a', 'again')
    s.host.write('dir/born', 'of the host')
    s.host.unlink('dir/b')
    for _ in s.stages():
        s.see.lists('dir', WORK - {'b'} | {'late'})
        s.see.holds('dir/born', 'born\n')


@test(layer=True)
def names_go_along_with_host_rename(s):
    "of the directory, of its parent, and back"
    work_in(s.see, 'dir')
    s.host.rename('dir', 'moved')
    for _ in s.stages():
        s.see.absent('dir', 'moved/a')
        s.see.lists('moved', WORK)
    s.host.mkdir('dir')
    s.host.write('dir/a', 'another')
    s.see.lists('dir', 'a')
    s.host.rename('moved', 'dir/moved')
    for _ in s.stages():
        s.see.lists('dir', 'a moved')
        s.see.lists('dir/moved', WORK)
        s.see.holds('dir/moved/borndir/x', 'x')
    s.host.rename('dir', 'shared', EXCHANGE)
    for _ in s.stages():
        s.see.lists('shared/moved', WORK)


@test(layer=True, over=('rmtree', 'replace'))
def host_removes_such_a_directory(s, how):
    "the SEE keeps it with its own names"
    work_in(s.see, 'dir')
    s.see.write('dir/sub/deep', 'deep')
    s.host.rmtree('dir')
    if how == 'replace':
        s.host.mkdir('dir')
        s.host.write('dir/other', 'other')
    for _ in s.stages():
        s.see.lists('dir', {'born', 'borndir', 'sub'})
        s.see.lists('dir/sub', 'deep')
        s.see.holds('dir/sub/deep', 'deep')
        s.see.holds('dir/borndir/x', 'x')
    s.see.write('dir/more', 'more')
    s.see.rmtree('dir')
    for _ in s.stages():
        s.see.absent('dir')


@test(layer=True)
def empty_means_the_merged_list(s):
    "rmdir wants the view empty, no more and no less"
    s.host.write('empty_dir/x', 'x')
    raises(errno.ENOTEMPTY, s.see.rmdir, 'empty_dir')
    s.see.unlink('empty_dir/x')
    s.host.write('empty_dir/y', 'y')
    raises(errno.ENOTEMPTY, s.see.rmdir, 'empty_dir')
    s.host.unlink('empty_dir/y')
    s.see.lists('empty_dir', '')
    s.see.rmdir('empty_dir')
    for _ in s.stages():
        s.see.absent('empty_dir')


@test(layer=True)
def removals_belong_to_the_directory_object(s):
    "two directories that the host swaps keep their own removals"
    s.host.write('shared/a', 'shared a')
    s.see.unlink('dir/a')
    s.host.rename('dir', 'shared', EXCHANGE)
    for _ in s.stages():
        s.see.absent('shared/a')
        s.see.holds('dir/a', 'shared a')


# ---- rule 8: what the SEE renamed or linked is the same live object ---------

@test(smoke=True, layer=True)
def renamed_directory_is_live(s):
    "its contents are still the host's, under the SEE's name"
    ino = s.see.ino('dir')
    s.see.rename('dir', 'shared/mine')
    s.host.write('dir/late', 'late')
    s.host.unlink('dir/b')
    s.host.append('dir/a', 'more\n')
    s.host.mkdir('dir/sub/deep')
    for _ in s.stages():
        s.see.absent('dir')
        eq(s.see.ino('shared/mine'), ino, 'number')
        s.see.lists('shared/mine', 'a late link3 sub')
        s.see.holds('shared/mine/a', 'dir/a\nmore\n')
        s.see.lists('shared/mine/sub', 'c deep')


@test(layer=True)
def renamed_directory_and_host_renames(s):
    "the SEE's name for it stays, wherever the host moves it"
    s.see.rename('dir', 'mine')
    s.host.rename('dir', 'shared/theirs')
    for _ in s.stages():
        s.see.lists('mine', 'a b sub link3')
        s.see.absent('dir', 'shared/theirs')
    s.host.mkdir('dir')
    for _ in s.stages():
        s.see.absent('dir')
        s.see.holds('mine/sub/c', 'dir/sub/c\n')


@test(layer=True)
def renamed_file_is_live(s):
    "data and attributes of a file that the SEE only renamed"
    ino = s.see.ino('dir/a')
    s.see.rename('dir/a', 'mine')
    s.host.write('dir/a', 'new data\n')
    s.host.chmod('dir/a', 0o640)
    s.host.rename('dir/a', 'dir/z')
    for _ in s.stages():
        s.see.holds('mine', 'new data\n')
        eq((s.see.ino('mine'), s.see.mode('mine')), (ino, 0o640), 'attributes')
        s.see.absent('dir/a')
        # A name that the host makes shows (rule 3): a second one, here.
        eq(s.see.ino('dir/z'), ino, 'number under the name of the host')


@test(layer=True)
def linked_file_is_live(s):
    "a second name made by the SEE is the same host object"
    s.see.link('dir/a', 'mine')
    ino = s.see.ino('dir/a')
    s.host.append('dir/a', 'more\n')
    for _ in s.stages():
        for name in ('mine', 'dir/a'):
            s.see.holds(name, 'dir/a\nmore\n')
            eq((s.see.ino(name), s.see.stat(name).st_nlink), (ino, 2),
               f'number and links of {name}')
    s.host.link('dir/a', 'theirs')
    eq(s.see.stat('mine').st_nlink, 3, 'links with one more on the host')
    s.host.unlink('theirs')
    s.host.rename('dir/a', 'dir/z')
    for _ in s.stages():
        eq({s.see.ino(n) for n in ('mine', 'dir/z')}, {ino}, 'numbers')
        s.see.absent('dir/a')


@test(layer=True, over=('link', 'rename'))
def host_drops_what_the_see_holds_by_name(s, how):
    "a name that the SEE made keeps its object when the host's are gone"
    getattr(s.see, how)('dir/a', 'mine')
    s.host.unlink('dir/a')
    for _ in s.stages():
        s.see.holds('mine', 'dir/a\n')
        eq(s.see.stat('mine').st_nlink, 1, 'links')
        s.see.absent('dir/a')
    s.see.append('mine', 'more\n')
    for _ in s.stages():
        s.see.holds('mine', 'dir/a\nmore\n')


@test(layer=True)
def renamed_directory_dropped_by_host(s):
    "a host directory renamed by the SEE and removed by the host"
    s.see.rename('dir', 'mine')
    s.see.write('mine/born', 'born')
    s.host.rmtree('dir')
    for _ in s.stages():
        s.see.lists('mine', 'born')
        s.see.holds('mine/born', 'born')


@test(layer=True)
def change_then_rename_then_host_move(s):
    "all at once: changed, renamed by the SEE, parent renamed by both"
    s.see.append('dir/sub/c', 'SEE\n')
    s.see.rename('dir/sub/c', 'dir/c')
    s.see.rename('dir', 'mine')
    s.host.rename('dir/sub/c', 'file')
    s.host.rename('dir', 'theirs')
    for _ in s.stages():
        s.see.holds('mine/c', 'dir/sub/c\nSEE\n')
        s.see.lists('mine/sub', '')
        s.see.absent('theirs', 'dir')


@test(layer=True)
def loop_made_by_both_sides(s):
    "the SEE moves A into B, the host B into A: nothing hangs or is lost"
    s.see.rename('dir', 'shared/dir')
    s.host.rename('shared', 'dir/shared')
    for _ in s.stages():
        s.see.ls()
        for name in ('dir', 'shared/dir', 'dir/shared', 'shared/dir/shared/dir'):
            error_of(s.see.ls, name)
    s.host.rename('dir/shared', 'shared')
    for _ in s.stages():
        s.see.holds('shared/dir/sub/c', 'dir/sub/c\n')
        s.see.absent('dir')


main()
