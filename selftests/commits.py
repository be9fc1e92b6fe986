# SPDX-License-Identifier: GPL-2.0
"""What the tests of commits share: looks at host and SEE, and changes of every kind."""
from sees import *

VIEW, KEPT = '/run/view', f'{STORE}/kept'
# What the host must have of the SEE's view; of directories not the last three.
LIKE = SHAPE + ('nlink', 'size', 'mtime')


def like(root):
    out = fingerprint(root, LIKE)
    for what in out.values():
        if what['type'] == stat.S_IFDIR:
            for key in 'nlink', 'size', 'mtime':
                del what[key]
    return out


@contextlib.contextmanager
def view(h, name='x'):
    """The case's directory as the SEE sees it, to look at and to change."""
    os.makedirs(VIEW, exist_ok=True)
    seectl('mount', name, VIEW)
    try:
        yield Tree(VIEW + h.dir)
    finally:
        seectl('umount', VIEW)


@contextlib.contextmanager
def untouched(h):
    """What a refusal leaves of the host: everything, down to inodes and ctimes."""
    before = fingerprint(h.dir, LOOKS + ('ino',))
    yield
    same_tree(fingerprint(h.dir, LOOKS + ('ino',)), before, 'the host was changed')


def commit(name='x', criterion='writes', **kwargs):
    """Commit, and wait until what was displaced is disposed of: until then it has links."""
    out = seectl('commit', name, '--criterion', criterion, **kwargs).out
    ok(f'SEE {name} is committed' in out, out)
    wait_for('the trash', lambda: not [n for n in os.listdir(STORE) if n.startswith('trash')])


def committed(h, name='x', criterion='writes', **kwargs):
    """Commit; afterwards the host is the SEE's view, and the SEE has no changes."""
    with view(h, name) as see:
        want = like(see.root)
    commit(name, criterion, **kwargs)
    same_tree(like(h.dir), want, 'the host is not what the SEE saw')
    eq(changes(name), {}, 'changes after the commit')
    with view(h, name) as see:
        same_tree(like(see.root), want, 'the SEE is not what it was')


def problems(name, *args, verb='commit', status=3, **kwargs):
    """The problems of a refused commit, as JSON."""
    top = json.loads(seectl(verb, name, *args, '--json', status=status, **kwargs).out)
    eq(set(top), {'version', 'name', 'criterion', 'outcome', 'changes', 'problems'}, 'keys')
    eq((top['version'], top['name'], top['criterion']), (1, name, args[1]), 'head of the JSON')
    eq(top['outcome'], {0: 'possible' if verb == 'check' else 'done', 3: 'refused'}[status], 'outcome')
    for p in top['problems']:
        ok({'path', 'why', 'changes', 'conflicts'} <= set(p), f'keys of {p}')
        ok(set(p) <= {'path', 'path_hex', 'why', 'changes', 'conflicts', 'host', 'error', 'pid',
                      'command'}, f'keys of {p}')
    return top['problems']


WRITES, FORCE = ('--criterion', 'writes'), ('--criterion', 'force')


# ---- what can be changed ----------------------------------------------------

def make(t):
    t.write('new', 'new\n', mode=0o640)
    t.chown('new', 7, 8)
    t.write('dir/sub/deep', 'x' * 10000)
    t.mkdir('made', 0o700)
    t.symlink('no where', 'made-link')
    t.mknod('made-fifo', stat.S_IFIFO | 0o600)
    t.mknod('made-null', stat.S_IFCHR | 0o600, os.makedev(1, 3))
    t.write('set-id', '')
    t.chmod('set-id', 0o6755)
    t.write('shared/inherits', '')


def subtree(t):
    t.makedirs('tree/a/b/c')
    for i in range(20):
        t.write(f'tree/a/f{i}', f'{i}' * i)
    t.link('tree/a/f1', 'tree/a/b/f1')
    t.symlink('../f2', 'tree/a/b/c/link')
    t.setxattr('tree/a/b', 'user.x', b'1')
    t.setxattr('tree/a/b', DEFAULT, acl(f'u::rwx u:{OTHER}:rwx g::r-x m::rwx o::r-x'))
    t.write('tree/a/b/inherits', '')
    t.setxattr('tree/a/f3', CAPABILITY, NET_RAW)
    t.chown('tree/a/f3', USER, USER)
    t.utime('tree/a/f4', 1, 10 ** 18 + 1)


def replace(t):
    t.replace('file', 'another\n')
    t.replace('dir/a', '')
    t.replace('link1', 'no longer a link\n')
    t.write('sym~', 'from symlink to file\n')
    t.rename('sym~', 'sym')
    t.symlink('to', 'exec~')
    t.rename('exec~', 'exec')
    t.rename('dir/b', 'secret')


def remove(t):
    for name in 'file', 'dangling', 'fifo', 'link2', 'sock', NOT_UTF8:
        t.unlink(name)
    t.rmdir('empty_dir')
    t.rmtree('dir')


def modify(t):
    t.append('file', 'more\n')
    t.pwrite('big', b'X' * 5000, 40000)
    t.truncate('exec', 3)
    t.truncate('attrs', 100000)
    t.pwrite('attrs', b'end', 99000)
    t.write('dir/a', 'all of it', os.O_TRUNC)
    t.append('dir/link3', 'under three names\n')
    t.write('empty', 'no longer\n')
    t.utime('file', 1, 10 ** 18 + 7)


def attributes(t):
    t.chmod('file', 0o4711)
    t.chown('secret', OTHER, OTHER)
    t.utime('empty', 5, 10 ** 18 + 5)
    t.utime('sym', 5, 10 ** 18 + 6)
    t.chown('dangling', USER, USER)
    t.setxattr('big', 'user.a', b'1')
    t.setxattr('big', CAPABILITY, NET_RAW)
    t.removexattr('attrs', 'user.key')
    t.setxattr('attrs', ACCESS, acl(f'u::rwx u:{USER}:rw- g::r-- m::rwx o::---'))
    t.chmod('dir', 0o1750)
    t.setxattr('dir', 'user.d', b'd')
    t.setxattr('dir/sub', DEFAULT, acl('u::rwx g::r-x o::---'))
    t.chown('shared', USER, OTHER)
    t.chmod('shared', 0o2770)


def rename(t):
    t.rename('file', 'moved')
    t.append('moved', 'and changed\n')
    t.rename('big', 'dir/big')
    t.rename('link1', 'dir/sub/link1')
    t.rename('sym', 'dir/b')
    t.rename('dir', 'elsewhere')
    t.write('elsewhere/sub/new', 'in a renamed directory\n')
    t.append('elsewhere/a', 'more\n')
    t.rename('elsewhere/sub/c', 'out')
    t.rename(NOT_UTF8, f'empty_dir/{NOT_UTF8}')


def link(t):
    t.link('file', 'file2')
    t.link('link1', 'dir/sub/link4')
    t.mkdir('born')
    t.link('big', 'born/big')
    t.link('secret', 'dir/b2')
    t.append('dir/b2', 'more\n')
    t.link('exec', 'exec~')
    t.rename('exec~', 'empty')
    t.write('pair', 'pair\n')
    t.link('pair', 'dir/pair')


def names_of_one(t):
    t.unlink('link2')                       # a name goes, and what others lead to changes
    t.append('link1', 'more\n')
    t.link('link1', 'fourth')
    t.rename('file', 't')                   # two files change places, and one its bytes
    t.rename('exec', 'file')
    t.rename('t', 'exec')
    t.append('file', 'more\n')
    t.write('pair', 'pair\n')               # born, with names in two directories
    t.link('pair', 'pair2')
    t.link('pair', 'dir/pair')


def swap(t):
    t.write('empty_dir/new', 'in what was empty\n')
    t.rename('dir', 't')
    t.rename('empty_dir', 'dir')
    t.rename('t', 'empty_dir')
    t.rename('file', 'big', EXCHANGE)
    t.rename('sticky', 'sock', EXCHANGE)


def types(t):
    t.unlink('file')
    t.mkdir('file')
    t.write('file/in', 'in\n')
    t.rmtree('dir')
    t.write('dir', 'a file\n')
    t.unlink('symdir')
    t.mkdir('symdir')
    t.rmdir('empty_dir')
    t.symlink('file', 'empty_dir')
    t.unlink('fifo')
    t.rename('big', 'fifo')


def nest(t):
    t.rename('dir/sub', 'inner')            # the child becomes the parent
    t.rename('dir', 'inner/dir')
    t.mkdir('box')
    t.rename('shared', 'box/shared')
    t.rename('file', 'box/shared/file')
    t.mkdir('box/shared/own')
    t.rename('sticky/own', 'box/shared/own/own')
    t.rename('box', 'box2')


def again(t):
    t.rmtree('dir')
    t.makedirs('dir/sub')
    t.write('dir/sub/c', 'made again\n')
    t.unlink('file')
    t.write('file', 'made again\n')
    t.rename('big', 'b')
    t.rename('b', 'big')
    t.rmdir('empty_dir')
    t.mkdir('empty_dir', 0o700)


KINDS = {f.__name__: f for f in (make, subtree, replace, remove, modify, attributes, rename, link,
                                 names_of_one, swap, types, nest, again)}


def populate_all(h):
    """A populated directory for each kind of change."""
    for kind in KINDS:
        h.tree.mkdir(kind)
        populate(Tree(h.path(kind)))


def change_all(see):
    """A change of every kind, each in its directory."""
    for kind, function in KINDS.items():
        function(Tree(see.path(kind)))


__all__ = [name for name, value in list(globals().items()) if not name.startswith('_')]
