# SPDX-License-Identifier: GPL-2.0
"""An executable model of the view: rules 1 to 8 of Documentation/view.rst.

Nothing of the module is in it: objects, names, and what the two sides do to them.
A Model has two sides, host and see, which take the same operations; each returns
the errno of Linux, 0 if it was done. What the rules leave open raises Unspecified
before anything changes, so that who drives the model does something else.
"""
import errno
import itertools

E = errno
NOREPLACE, EXCHANGE = 1, 2


class Unspecified(Exception):
    """The rules do not say what the SEE must show then."""


class Node:
    """An object of the host, or one born in the SEE."""
    numbers = itertools.count()

    def __init__(self, kind, host, mode, data=None):
        self.id = next(self.numbers)
        self.kind, self.host = kind, host       # kind: 'file', 'dir' or 'link'
        self.mode, self.data = mode, data       # data of a link: its target
        self.names = {}         # of a directory: the host's, or all if it was born
        self.nhost = 0          # names on the host
        # what the SEE says of an object of the host
        self.mine = {}          # attribute -> value; None: no longer promised
        self.touched, self.said = False, set()
        self.place = None       # (directory, name) at the first change
        self.over = {}          # of a directory: name -> Cover
        self.kept = {}          # of a directory: name -> object, rule 6

    def __repr__(self):
        return f'{"host" if self.host else "born"} {self.kind} {self.id}'


class Cover:
    """What the SEE says of a name: node, or None if it removed it."""

    def __init__(self, node, had):
        self.node, self.had = node, had         # had: the host had the name


class Side:
    """Linux' operations on names, in terms of lookup(), put() and take()."""

    def __init__(self, model):
        self.model = model

    def resolve(self, path):
        """A node, or None."""
        node = self.model.root
        for name in path:
            node = node and self.lookup(node, name)
        return node

    def where(self, path):
        return self.resolve(path[:-1]), path[-1]

    def empty(self, d):
        return not any(True for _ in self.entries(d))

    def chain(self, path):
        """All that a path leads through."""
        node = self.model.root
        yield node
        for name in path:
            node = self.lookup(node, name)
            yield node

    def write(self, path, data):
        d, name = self.where(path)
        node = self.lookup(d, name)
        if not node:
            self.put(d, name, self.born('file', 0o644, data))
        elif node.kind == 'dir':
            return E.EISDIR
        elif node.kind == 'link':
            return E.ELOOP
        else:
            self.change(d, name, node, 'data', data)
        return 0

    def chmod(self, path, mode):
        d, name = self.where(path)
        node = self.lookup(d, name)
        if not node:
            return E.ENOENT
        self.change(d, name, node, 'mode', mode)
        return 0

    def mkdir(self, path):
        return self.make(path, 'dir', 0o755)

    def symlink(self, path, target):
        return self.make(path, 'link', 0o777, target)

    def make(self, path, kind, mode, data=None):
        d, name = self.where(path)
        if self.lookup(d, name):
            return E.EEXIST
        self.put(d, name, self.born(kind, mode, data))
        return 0

    def link(self, old, new):
        node, (d, name) = self.resolve(old), self.where(new)
        if not node:
            return E.ENOENT
        if self.lookup(d, name):
            return E.EEXIST
        if node.kind == 'dir':
            return E.EPERM
        self.put(d, name, node)
        return 0

    def unlink(self, path):
        d, name = self.where(path)
        node = self.lookup(d, name)
        if not node:
            return E.ENOENT
        if node.kind == 'dir':
            return E.EISDIR
        self.take(d, name)
        return 0

    def rmdir(self, path):
        d, name = self.where(path)
        node = self.lookup(d, name)
        if not node:
            return E.ENOENT
        if node.kind != 'dir':
            return E.ENOTDIR
        if not self.empty(node):
            return E.ENOTEMPTY
        self.take(d, name)
        return 0

    def rename(self, old, new, flags=0):
        (d, a), (e, b) = self.where(old), self.where(new)
        src, dst = self.lookup(d, a), self.lookup(e, b)
        if not src:
            return E.ENOENT
        if dst and flags == NOREPLACE:
            return E.EEXIST
        if not dst and flags == EXCHANGE:
            return E.ENOENT
        if any(n is src for n in self.chain(new[:-1])):
            return E.EINVAL
        if dst and any(n is dst for n in self.chain(old[:-1])):
            return E.EINVAL if flags == EXCHANGE else E.ENOTEMPTY
        if src is dst:
            return 0
        if dst and flags != EXCHANGE:
            if src.kind == 'dir' and dst.kind != 'dir':
                return E.ENOTDIR
            if src.kind != 'dir' and dst.kind == 'dir':
                return E.EISDIR
            if dst.kind == 'dir' and not self.empty(dst):
                return E.ENOTEMPTY
        self.move(d, a, src, e, b, dst, flags == EXCHANGE)
        return 0


class HostSide(Side):
    """What the host does to its own."""

    def born(self, kind, mode, data=None):
        return Node(kind, True, mode, data)

    @staticmethod
    def lookup(d, name):
        return d.names.get(name)

    @staticmethod
    def entries(d):
        return d.names

    def put(self, d, name, node):
        d.names[name] = node
        node.nhost += 1
        if node.kind == 'dir':
            self.model.dirs.add(node)

    def take(self, d, name):
        d.names.pop(name).nhost -= 1

    def change(self, d, name, node, what, value):
        setattr(node, what, value)
        # what the SEE did not say itself is not promised any more
        if node.touched and what not in node.said:
            node.mine[what] = None

    def move(self, d, a, src, e, b, dst, exchange):
        d.names.pop(a)
        if exchange:
            d.names[a] = dst
        elif dst:
            dst.nhost -= 1
        e.names[b] = src


class SeeSide(Side):
    """What the SEE shows, and does."""

    def born(self, kind, mode, data=None):
        return Node(kind, False, mode, data)

    def lookup(self, d, name):
        if not d.host:
            return d.names.get(name)
        if name in d.over:
            return d.over[name].node
        kept = d.kept.get(name)
        if kept and not kept.nhost:
            return kept
        node = d.names.get(name)
        if node and node.kind == 'dir' and self.model.placed(node):
            return None
        return node

    def entries(self, d):
        for name in sorted({*d.names, *d.over, *d.kept}):
            if self.lookup(d, name):
                yield name

    def hosts(self, node):
        """The names that the host has of it."""
        return [(d, n) for d in self.model.dirs if d.host
                for n, x in d.names.items() if x is node]

    def hold(self, node, via=None):
        """It or its names are about to be changed: where does the host have it?"""
        if not node.host or node.place or node is self.model.root:
            return
        found = self.hosts(node)
        if via and via in found and via[1] not in via[0].over:
            place = via
        elif len(found) == 1:
            place = found[0]
        else:
            raise Unspecified
        self.hold(place[0])
        node.place = place
        place[0].kept[place[1]] = node

    def touch(self, node, via):
        self.hold(node, via)
        if node.host and not node.touched:
            node.touched, node.mine = True, {'mode': node.mode}

    def change(self, d, name, node, what, value):
        if not node.host:
            setattr(node, what, value)
            return
        self.touch(node, (d, name))
        node.mine[what] = value
        node.said.add(what)

    def had(self, d, name):
        """Has the host the name, or had it when the SEE covered it? A kept name ends."""
        if name not in d.over and name in d.kept and not d.kept[name].nhost:
            del d.kept[name]
        return name in d.names or (name in d.over and d.over[name].had)

    def put(self, d, name, node):
        if node.kind == 'dir':
            self.model.dirs.add(node)
        if not d.host:
            d.names[name] = node
            return
        self.hold(d)
        d.over[name] = Cover(node, self.had(d, name))

    def take(self, d, name):
        if not d.host:
            del d.names[name]
            return
        self.hold(d)
        if self.had(d, name):
            d.over[name] = Cover(None, True)
        else:
            d.over.pop(name, None)

    def move(self, d, a, src, e, b, dst, exchange):
        # what raises, first
        for x in (d, e):
            self.hold(x)
        self.take(d, a)
        self.put(e, b, src)
        if exchange:
            self.put(d, a, dst)


class Model:
    """A tree of the host and the SEE over it."""

    def __init__(self):
        self.root = Node('dir', True, 0o755)
        self.root.nhost = 1
        self.dirs = {self.root}         # all that ever were
        self.host, self.see = HostSide(self), SeeSide(self)

    def given(self, node):
        """The names that the SEE gave it."""
        return [(d, n) for d in self.dirs
                for n, x in ([(n, c.node) for n, c in d.over.items()] if d.host
                             else d.names.items()) if x is node]

    def placed(self, node):
        return bool(self.given(node))

    def tangled(self):
        """Does a directory appear twice in the SEE, or not where it must?"""
        seen, todo = set(), [self.root]
        while todo:
            d = todo.pop()
            if d in seen:
                return True
            seen.add(d)
            todo += [x for n in self.see.entries(d)
                     if (x := self.see.lookup(d, n)).kind == 'dir']
        return any(d not in seen for d in self.dirs if self.given(d))

    def nlink(self, node):
        """As the SEE shows it."""
        if node.kind == 'dir':
            return 2 + sum(self.see.lookup(node, n).kind == 'dir'
                           for n in self.see.entries(node))
        shown = [(d, n) for d, n in self.see.hosts(node)
                 if self.see.lookup(d, n) is node and n not in d.over]
        kept = node.host and not node.nhost and node.place and \
            self.see.lookup(*node.place) is node and node.place[1] not in node.place[0].over
        return len(shown) + len(self.given(node)) + bool(kept)

    def walk(self, side):
        """{path: node} of all that a side shows."""
        out, todo = {}, [((), self.root)]
        while todo:
            path, node = todo.pop()
            out[path] = node
            if node.kind == 'dir':
                todo += [(path + (n,), side.lookup(node, n)) for n in side.entries(node)]
        return out

    @staticmethod
    def seen(node, what):
        """An attribute as the SEE shows it, None if that is open."""
        return node.mine.get(what, getattr(node, what))
