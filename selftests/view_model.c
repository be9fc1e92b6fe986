// SPDX-License-Identifier: GPL-2.0
/* view_model.c - an executable model of the view; see view_model.h */
#include <errno.h>
#include <string.h>

#include "view_model.h"

#define N(ref)	(&m->node[ref])
#define BIT(n)	(1u << (n))

static vm_ref born(struct vm *m, enum vm_side side, enum vm_kind kind)
{
	vm_ref ref = m->slot;

	memset(N(ref), 0, sizeof(*N(ref)));
	N(ref)->id = m->id;
	N(ref)->kind = kind;
	N(ref)->host = side == VM_HOST;
	vm_next(m, 0, 0);
	return ref;
}

void vm_next(struct vm *m, vm_ref slot, uint32_t id)
{
	m->slot = slot;
	m->id = id;
}

void vm_init(struct vm *m)
{
	memset(m, 0, sizeof(*m));
	vm_next(m, VM_ROOT, 1);
	born(m, VM_HOST, VM_DIR);
	N(VM_ROOT)->nhost = 1;
}

static void mark(const struct vm *m, bool *live, vm_ref ref)
{
	const struct vm_node *n = N(ref);
	int i;

	if (!ref || live[ref])
		return;
	live[ref] = true;
	mark(m, live, n->place_dir);
	for (i = 0; i < VM_NAMES; i++) {
		mark(m, live, n->names[i]);
		mark(m, live, n->to[i]);
		mark(m, live, n->kept[i]);
	}
}

void vm_collect(struct vm *m, const vm_ref *pinned, int npinned)
{
	bool live[VM_NODES] = { false };
	int i, j;

	mark(m, live, VM_ROOT);
	/* What a lost directory gave names to still has them. */
	for (i = 0; i < VM_NODES; i++)
		for (j = 0; j < VM_NAMES; j++)
			if (N(i)->to[j])
				mark(m, live, i);
	for (i = 0; i < npinned; i++)
		mark(m, live, pinned[i]);
	for (i = 0; i < VM_NODES; i++)
		if (!live[i])
			memset(N(i), 0, sizeof(*N(i)));
}

void vm_remount(struct vm *m)
{
	int i;

	/* The place of what only has a name of the SEE's is not on disk. */
	for (i = VM_ROOT; i < VM_NODES; i++)
		if (N(i)->host && !N(i)->changed)
			N(i)->place_dir = N(i)->place_name = 0;
}

int vm_free_slots(const struct vm *m)
{
	int i, count = 0;

	for (i = VM_ROOT; i < VM_NODES; i++)
		count += !N(i)->id;
	return count;
}

/* ---- what a side shows ---- */

/* Rule 6: a name that is the host's no more, of what the SEE changed. */
static bool keeps(const struct vm *m, const struct vm_node *d, int name)
{
	const struct vm_node *n = N(d->kept[name]);

	return d->kept[name] && n->changed && !n->nhost;
}

vm_ref vm_lookup(const struct vm *m, enum vm_side side, vm_ref dir, int name)
{
	const struct vm_node *d = N(dir);
	vm_ref ref = d->names[name];

	if (side == VM_HOST || !d->host)
		return ref;
	if (d->over & BIT(name))
		return d->to[name];
	if (keeps(m, d, name))
		return d->kept[name];
	/* A directory has one name: the SEE's, once it has one. */
	if (ref && N(ref)->kind == VM_DIR && N(ref)->given)
		return 0;
	return ref;
}

bool vm_kept(const struct vm *m, vm_ref dir, int name)
{
	return N(dir)->host && !(N(dir)->over & BIT(name)) && keeps(m, N(dir), name);
}

bool vm_empty(const struct vm *m, enum vm_side side, vm_ref dir)
{
	int i;

	for (i = 0; i < VM_NAMES; i++)
		if (vm_lookup(m, side, dir, i))
			return false;
	return true;
}

bool vm_seen(const struct vm *m, enum vm_side side, vm_ref node, enum vm_attr what,
	     uint32_t *value)
{
	const struct vm_node *n = N(node);

	*value = side == VM_SEE && n->said & BIT(what) ? n->mine[what] : n->attr[what];
	return side == VM_HOST || !(n->open & BIT(what));
}

void vm_links(const struct vm *m, enum vm_side side, uint32_t links[VM_NODES])
{
	int dir, i;

	memset(links, 0, VM_NODES * sizeof(*links));
	for (dir = VM_ROOT; dir < VM_NODES; dir++) {
		const struct vm_node *d = N(dir);

		if (!d->id || d->kind != VM_DIR || (side == VM_HOST && !d->host))
			continue;
		links[dir] += 2;
		for (i = 0; i < VM_NAMES; i++) {
			vm_ref ref = vm_lookup(m, side, dir, i);

			if (ref && N(ref)->kind == VM_DIR)
				links[dir]++;
			else
				links[ref]++;
		}
	}
}

static bool reach(const struct vm *m, bool *seen, vm_ref dir)
{
	int i;

	if (seen[dir])
		return false;
	seen[dir] = true;
	for (i = 0; i < VM_NAMES; i++) {
		vm_ref ref = vm_lookup(m, VM_SEE, dir, i);

		if (ref && N(ref)->kind == VM_DIR && !reach(m, seen, ref))
			return false;
	}
	return true;
}

bool vm_tangled(const struct vm *m)
{
	bool seen[VM_NODES] = { false };
	int i;

	if (!reach(m, seen, VM_ROOT))
		return true;
	for (i = VM_ROOT; i < VM_NODES; i++)
		if (N(i)->id && N(i)->kind == VM_DIR && N(i)->given && !seen[i])
			return true;
	return false;
}

/* Is dir the directory top, or below it? */
static bool below(const struct vm *m, enum vm_side side, vm_ref top, vm_ref dir)
{
	int i;

	if (top == dir)
		return true;
	if (!top || N(top)->kind != VM_DIR)
		return false;
	for (i = 0; i < VM_NAMES; i++)
		if (below(m, side, vm_lookup(m, side, top, i), dir))
			return true;
	return false;
}

bool vm_reached(const struct vm *m, enum vm_side side, vm_ref dir)
{
	return below(m, side, VM_ROOT, dir);
}

bool vm_nameless(const struct vm *m, vm_ref dir)
{
	return !N(dir)->given && !N(dir)->nhost;
}

/* ---- how the SEE begins a change ---- */

/*
 * An object is about to be changed or to get a name, by the name (dir, name) if dir is
 * not 0: where does the host have it?  With several names it is the one that was used.
 */
static int hold(struct vm *m, vm_ref ref, vm_ref dir, int name)
{
	struct vm_node *n = N(ref);
	vm_ref d, place = 0;
	int i, err, at = 0, found = 0;

	if (!n->host || n->place_dir || ref == VM_ROOT)
		return 0;
	if (dir && N(dir)->host && N(dir)->names[name] == ref && !(N(dir)->over & BIT(name))) {
		place = dir;
		at = name;
		found = 1;
	} else {
		for (d = VM_ROOT; d < VM_NODES - 1; d++)
			for (i = 0; N(d)->host && i < VM_NAMES; i++)
				if (N(d)->names[i] == ref) {
					place = d;
					at = i;
					found++;
				}
	}
	if (found != 1)
		return VM_OPEN;
	err = hold(m, place, 0, 0);
	if (err)
		return err;
	n->place_dir = place;
	n->place_name = at;
	return 0;
}

/* It, or names in it, are about to be changed: it will be kept, and what leads to it. */
static int keep(struct vm *m, vm_ref ref, vm_ref dir, int name)
{
	int err = hold(m, ref, dir, name);
	struct vm_node *n;

	for (n = N(ref); !err && n->place_dir && !n->changed; n = N(n->place_dir)) {
		n->changed = true;
		/* What had no name on the host before will not come to one. */
		if (!n->nhost)
			break;
		/* Another one has come back to it. */
		if (keeps(m, N(n->place_dir), n->place_name))
			continue;
		N(n->place_dir)->kept[n->place_name] = n - m->node;
	}
	return err;
}

int vm_change(struct vm *m, enum vm_side side, vm_ref dir, int name, vm_ref ref,
	      enum vm_attr what, uint32_t value)
{
	struct vm_node *n = N(ref);
	int err;

	if (side == VM_HOST) {
		n->attr[what] = value;
		/* What the SEE did not say itself is not promised any more. */
		if (n->touched)
			n->open |= BIT(what) & ~n->said;
		return 0;
	}
	if (!n->host) {
		n->attr[what] = value;
		return 0;
	}
	/* Without a place it is kept nowhere. */
	err = n->nhost || n->place_dir ? keep(m, ref, dir, name) : 0;
	if (err)
		return err;
	n->touched = true;
	n->mine[what] = value;
	n->said |= BIT(what);
	n->open &= ~BIT(what);
	return 0;
}

/* ---- names ---- */

/* Has the host the name, or had it when the SEE covered it?  A kept name ends. */
static bool had(struct vm *m, struct vm_node *d, int name)
{
	if (!(d->over & BIT(name)) && keeps(m, d, name))
		d->kept[name] = 0;
	return d->names[name] || (d->over & BIT(name) && d->had & BIT(name));
}

static void cover(struct vm *m, struct vm_node *d, int name, bool is, vm_ref ref, bool had_it)
{
	if (d->over & BIT(name) && d->to[name]) {
		N(d->to[name])->given--;
		/* What the SEE takes away does not come back to the name. */
		if (d->kept[name] == d->to[name] && ref != d->to[name])
			d->kept[name] = 0;
	}
	d->over &= ~BIT(name);
	d->had &= ~BIT(name);
	d->to[name] = 0;
	if (!is)
		return;
	d->over |= BIT(name);
	if (had_it)
		d->had |= BIT(name);
	d->to[name] = ref;
	if (ref)
		N(ref)->given++;
}

static int put(struct vm *m, enum vm_side side, vm_ref dir, int name, vm_ref ref)
{
	struct vm_node *d = N(dir);
	int err;

	if (side == VM_HOST) {
		d->names[name] = ref;
		N(ref)->nhost++;
		return 0;
	}
	if (!d->host) {
		d->names[name] = ref;
		N(ref)->given++;
		return 0;
	}
	err = keep(m, dir, 0, 0);
	if (err)
		return err;
	cover(m, d, name, true, ref, had(m, d, name));
	return 0;
}

static int take(struct vm *m, enum vm_side side, vm_ref dir, int name)
{
	struct vm_node *d = N(dir);
	int err;

	if (side == VM_HOST) {
		N(d->names[name])->nhost--;
		d->names[name] = 0;
		return 0;
	}
	if (!d->host) {
		N(d->names[name])->given--;
		d->names[name] = 0;
		return 0;
	}
	err = keep(m, dir, 0, 0);
	if (err)
		return err;
	if (had(m, d, name))
		cover(m, d, name, true, 0, true);
	else
		cover(m, d, name, false, 0, false);
	return 0;
}

/* ---- operations ---- */

static int make(struct vm *m, enum vm_side side, vm_ref dir, int name, enum vm_kind kind,
		uint32_t data)
{
	vm_ref ref = born(m, side, kind);

	N(ref)->attr[VM_DATA] = data;
	return put(m, side, dir, name, ref);
}

int vm_make(struct vm *m, enum vm_side side, vm_ref dir, int name, enum vm_kind kind,
	    uint32_t data)
{
	if (vm_lookup(m, side, dir, name))
		return EEXIST;
	return make(m, side, dir, name, kind, data);
}

int vm_write(struct vm *m, enum vm_side side, vm_ref dir, int name, uint32_t data)
{
	vm_ref ref = vm_lookup(m, side, dir, name);

	if (!ref)
		return make(m, side, dir, name, VM_FILE, data);
	switch (N(ref)->kind) {
	case VM_DIR:
		return EISDIR;
	case VM_LINK:
		return ELOOP;
	case VM_FIFO:
		return ENXIO;
	}
	return vm_change(m, side, dir, name, ref, VM_DATA, data);
}

int vm_set(struct vm *m, enum vm_side side, vm_ref dir, int name, enum vm_attr what,
	   uint32_t value)
{
	vm_ref ref = vm_lookup(m, side, dir, name);

	if (!ref)
		return ENOENT;
	if (what == VM_XATTR && N(ref)->kind != VM_FILE && N(ref)->kind != VM_DIR)
		return EPERM;
	return vm_change(m, side, dir, name, ref, what, value);
}

int vm_link(struct vm *m, enum vm_side side, vm_ref from, int old, vm_ref dir, int name)
{
	vm_ref ref = vm_lookup(m, side, from, old);
	int err;

	if (!ref)
		return ENOENT;
	if (vm_lookup(m, side, dir, name))
		return EEXIST;
	if (N(ref)->kind == VM_DIR)
		return EPERM;
	if (side == VM_SEE) {
		err = hold(m, ref, from, old);
		if (err)
			return err;
	}
	return put(m, side, dir, name, ref);
}

int vm_unlink(struct vm *m, enum vm_side side, vm_ref dir, int name)
{
	vm_ref ref = vm_lookup(m, side, dir, name);

	if (!ref)
		return ENOENT;
	if (N(ref)->kind == VM_DIR)
		return EISDIR;
	return take(m, side, dir, name);
}

int vm_rmdir(struct vm *m, enum vm_side side, vm_ref dir, int name)
{
	vm_ref ref = vm_lookup(m, side, dir, name);

	if (!ref)
		return ENOENT;
	if (N(ref)->kind != VM_DIR)
		return ENOTDIR;
	if (!vm_empty(m, side, ref))
		return ENOTEMPTY;
	return take(m, side, dir, name);
}

int vm_rename(struct vm *m, enum vm_side side, vm_ref from, int old, vm_ref to, int name,
	      int flags)
{
	vm_ref src = vm_lookup(m, side, from, old), dst = vm_lookup(m, side, to, name);
	int err;

	if (!src)
		return ENOENT;
	if (dst && flags == VM_NOREPLACE)
		return EEXIST;
	if (!dst && flags == VM_EXCHANGE)
		return ENOENT;
	if (below(m, side, src, to))
		return EINVAL;
	if (dst && below(m, side, dst, from))
		return flags == VM_EXCHANGE ? EINVAL : ENOTEMPTY;
	if (src == dst)
		return 0;
	if (dst && flags != VM_EXCHANGE) {
		if (N(src)->kind == VM_DIR && N(dst)->kind != VM_DIR)
			return ENOTDIR;
		if (N(src)->kind != VM_DIR && N(dst)->kind == VM_DIR)
			return EISDIR;
		if (N(dst)->kind == VM_DIR && !vm_empty(m, side, dst))
			return ENOTEMPTY;
	}
	/* Places are those of before. */
	if (side == VM_SEE) {
		err = hold(m, src, from, old);
		if (!err && flags == VM_EXCHANGE)
			err = hold(m, dst, to, name);
		if (!err)
			err = keep(m, from, 0, 0);
		if (!err)
			err = keep(m, to, 0, 0);
		if (err)
			return err;
	}
	err = take(m, side, from, old);
	if (!err && dst && (side == VM_HOST || !N(to)->host))
		err = take(m, side, to, name);
	if (!err)
		err = put(m, side, to, name, src);
	if (!err && flags == VM_EXCHANGE)
		err = put(m, side, from, old, dst);
	return err;
}
