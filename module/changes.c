// SPDX-License-Identifier: GPL-2.0
/*
 * changes.c - what differs between the SEE and the host
 *
 * Owns nothing.  Walks the changed objects of a layer and the tables of its
 * directories, both in memory, and writes one record for each change: the
 * cost is that of the changes, never of the host.  Paths are those of now;
 * what moves while it is listed is listed with one of its paths.
 *
 * The list of changed objects only grows while the layer is held, so that a
 * position in it stays good across batches.
 *
 * Lock order: see_layer.lock, see_names.lock; neither while anything is read.
 */
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/see.h>
#include <linux/slab.h>

#include "blockmap.h"
#include "changes.h"
#include "control.h"
#include "data.h"
#include "gate.h"
#include "guards.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "names.h"
#include "tree.h"
#include "version.h"

static_assert(sizeof_field(struct see_change, command) == SEE_COMMAND_SIZE);

/* a cursor: object in the upper bits, id of a name in the lower 32 */
#define SEE_CURSOR_NAME	GENMASK_ULL(31, 0)

static struct see_side_attrs see_attrs_of(const struct inode *inode)
{
	return (struct see_side_attrs) {
		.mode = inode->i_mode,
		.uid = inode->i_uid,
		.gid = inode->i_gid,
		.size = S_ISDIR(inode->i_mode) ? 0 : i_size_read(inode),
	};
}

/* ---- where a directory is in the view ---- */

/**
 * see_find_named - the directory in whose table an object has a name
 * @layer: the layer
 * @target: the object
 * @kind: of the entry
 * @name: filled in, NAME_MAX + 1 bytes
 *
 * Return: a referenced inode or -ESTALE.
 */
struct inode *see_find_named(struct see_layer *layer, const struct inode *target,
			     enum see_name_kind kind, char *name)
{
	struct inode *found = NULL;
	struct see_inode *si;
	struct rb_node *node;

	spin_lock(&layer->lock);
	list_for_each_entry(si, &layer->changed, changed) {
		struct see_names *names = see_names(&si->vfs_inode);

		if (!names)
			continue;
		spin_lock(&names->lock);
		for (node = rb_first(&names->by_id); node && !found;
		     node = rb_next(node)) {
			struct see_name *e = rb_entry(node, struct see_name,
						      by_id);

			if (e->kind != kind || e->target != target)
				continue;
			found = &si->vfs_inode;
			memcpy(name, e->name, e->len + 1);
		}
		spin_unlock(&names->lock);
		if (found)
			break;
	}
	if (found)
		ihold(found);
	spin_unlock(&layer->lock);
	return found ?: ERR_PTR(-ESTALE);
}

/* whose container is this? */
static struct inode *see_find_boxed(struct see_layer *layer,
				    const struct dentry *box)
{
	struct see_inode *si;
	struct inode *found = NULL;

	spin_lock(&layer->lock);
	list_for_each_entry(si, &layer->changed, changed) {
		if (si->box == box) {
			found = &si->vfs_inode;
			ihold(found);
			break;
		}
	}
	spin_unlock(&layer->lock);
	return found ?: ERR_PTR(-ESTALE);
}

static int see_copy_name(struct dentry *dentry, char *name)
{
	struct name_snapshot snap;
	int err = 0;

	take_dentry_name_snapshot(&snap, dentry);
	if (snap.name.len > NAME_MAX) {
		err = -ENAMETOOLONG;
	} else {
		memcpy(name, snap.name.name, snap.name.len);
		name[snap.name.len] = 0;
	}
	release_dentry_name_snapshot(&snap);
	return err;
}

static struct inode *see_up_born(struct see_layer *layer, struct inode *dir,
				 char *name)
{
	struct dentry *priv = see_priv(dir), *parent, *box;
	struct inode *up;
	int err;

	err = see_copy_name(priv, name);
	if (err)
		return ERR_PTR(err);
	parent = dget_parent(priv);
	box = dget_parent(parent);
	/* in "made" of a container, or in another born directory */
	up = see_find_boxed(layer, box);
	if (IS_ERR(up)) {
		up = parent == layer->work || IS_ROOT(parent) ?
			ERR_PTR(-ESTALE) :
			see_iget(layer->sb, NULL, parent);
	}
	dput(box);
	dput(parent);
	return up;
}

/* did the host move a directory out of the layer? */
static bool see_outside(struct see_layer *layer, struct inode *dir)
{
	struct dentry *lower = see_i(dir)->lower;

	return lower && !is_subdir(lower, layer->lower.dentry);
}

/**
 * see_up - parent and name of a directory as the SEE sees it
 * @layer: the layer
 * @dir: the directory
 * @name: filled in, NAME_MAX + 1 bytes
 *
 * What the host moved out of the layer is where it was when it was first changed.
 *
 * Return: a referenced inode; -ESTALE if nothing leads to it; -EXDEV if it is out of
 * the layer, and always was; or another error.
 */
struct inode *see_up(struct see_layer *layer, struct inode *dir, char *name)
{
	struct dentry *parent;
	struct inode *up;
	int err;

	if (see_born(dir))
		return see_up_born(layer, dir, name);
	if (see_test(dir, SEE_I_PLACED))
		return see_find_named(layer, dir, SEE_NAME_LINKED, name);
	if (see_gone(dir))
		return see_find_named(layer, dir, SEE_NAME_FOLLOW, name);
	if (see_outside(layer, dir)) {
		up = see_find_named(layer, dir, SEE_NAME_FOLLOW, name);
		return up == ERR_PTR(-ESTALE) ? ERR_PTR(-EXDEV) : up;
	}
	err = see_copy_name(see_i(dir)->lower, name);
	if (err)
		return ERR_PTR(err);
	parent = dget_parent(see_i(dir)->lower);
	up = see_iget(layer->sb, parent, NULL);
	dput(parent);
	return up;
}

/* path of a directory from the root of the layer, "" for the root itself */
static char *see_dir_path(struct see_layer *layer, struct inode *dir, char *buf)
{
	struct inode *root = d_inode(layer->sb->s_root), *up;
	char *p = buf + PATH_MAX - 1;
	char *name = buf;		/* the path grows from the other end */
	size_t len;

	*p = 0;
	ihold(dir);
	while (dir != root) {
		if (p - buf < 2 * NAME_MAX + 4) {
			iput(dir);
			return ERR_PTR(-ENAMETOOLONG);
		}
		up = see_up(layer, dir, name);
		iput(dir);
		if (IS_ERR(up))
			return ERR_CAST(up);
		dir = up;
		len = strlen(name);
		if (*p)
			*--p = '/';
		p -= len;
		memmove(p, name, len);
	}
	iput(dir);
	return p;
}

/* ---- records ---- */

/* the record of one change; see_changes.arg is a struct see_out */
static int see_emit(struct see_changes *c, const struct see_found *f)
{
	const struct see_side_attrs *old = &f->old, *new = &f->new;
	size_t dlen = strlen(f->path), nlen = strlen(f->name);
	size_t path_len = dlen + (dlen && nlen) + nlen;
	size_t from_len = f->from ? strlen(f->from) : 0;
	struct see_change *ch;
	char *p;

	ch = see_out_add(c->arg, SEE_REC_CHANGE,
			 sizeof(*ch) + path_len + 1 + from_len + 1);
	if (!ch)
		return -EMSGSIZE;
	ch->what = f->what;
	ch->layer = c->index;
	ch->old_mode = old->mode;
	ch->new_mode = new->mode;
	ch->old_uid = from_kuid_munged(current_user_ns(), old->uid);
	ch->old_gid = from_kgid_munged(current_user_ns(), old->gid);
	ch->new_uid = from_kuid_munged(current_user_ns(), new->uid);
	ch->new_gid = from_kgid_munged(current_user_ns(), new->gid);
	ch->old_size = old->size;
	ch->new_size = new->size;
	ch->path_len = path_len;
	ch->from_len = from_len;
	ch->conflict = f->conflict;
	strscpy(ch->command, f->command, sizeof(ch->command));
	p = ch->path;
	memcpy(p, f->path, dlen);
	p += dlen;
	if (dlen && nlen)
		*p++ = '/';
	memcpy(p, f->name, nlen);
	if (from_len)
		memcpy(ch->path + path_len + 1, f->from, from_len);
	return 0;
}

static int see_count(struct see_changes *c, const struct see_found *f)
{
	((struct see_out *)c->arg)->count++;
	return 0;
}

/* names of a directory are changes of their own, and its times are theirs */
static int see_dir_conflict(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct inode *lower = d_inode(si->lower);
	u64 xattrs;
	int err;

	if (!see_guard(SEE_GUARD_CHANGED_DIR))
		return 0;
	if (lower->i_mode != si->first_mode || !uid_eq(lower->i_uid, si->first_uid) ||
	    !gid_eq(lower->i_gid, si->first_gid))
		return SEE_CONFLICT_CHANGED;
	err = see_first_xattrs(inode, &xattrs);
	if (err)
		return err;
	return !si->first_xattrs || xattrs == si->first_xattrs ? 0 : SEE_CONFLICT_CHANGED;
}

/* what the host did to a changed object since its first change */
static int see_object_conflict(struct see_changes *c, struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct see_version now;
	int err;

	if (see_gone(inode))
		return SEE_CONFLICT_GONE;
	if (S_ISDIR(inode->i_mode))
		return see_outside(c->layer, inode) ? SEE_CONFLICT_GONE :
						      see_dir_conflict(inode);
	err = see_version_sample(c->layer, si->lower, &now);
	if (err)
		return err;
	if (!see_version_equal(&si->first, &now) && see_guard(SEE_GUARD_CHANGED))
		return SEE_CONFLICT_CHANGED;
	return (si->first.flags | now.flags) & SEE_VERSION_WEAK ?
		SEE_CONFLICT_WEAK : 0;
}

/* what the host did to a name since the SEE changed it */
static int see_name_conflict(struct see_changes *c, struct inode *dir,
			     const struct see_name *e, struct dentry *host,
			     struct see_side_attrs *old)
{
	struct qstr q = QSTR_INIT(e->name, e->len);
	umode_t mode;
	int ret;

	if (see_outside(c->layer, dir))
		return SEE_CONFLICT_GONE;
	if (e->kind == SEE_NAME_FOLLOW)
		return SEE_CONFLICT_GONE | (host ? SEE_CONFLICT_NAME : 0);
	if (!e->removed)
		return host && see_guard(SEE_GUARD_TAKEN) ? SEE_CONFLICT_NAME : 0;
	ret = see_tree_compare(see_names(dir)->sub[SEE_SUB_REMOVED], &q,
			       c->layer, host, &old->size, &mode);
	if (!host)
		old->mode = mode;
	if (!see_guard(SEE_GUARD_REMOVED))
		return 0;
	return ret == -ENOENT ? SEE_CONFLICT_WEAK : ret;
}

/* what the host has under a name now, referenced, or NULL */
static struct dentry *see_host_name(struct inode *dir, const struct see_name *e)
{
	struct dentry *lower = see_i(dir)->lower, *d;

	if (!lower || IS_DEADDIR(d_inode(lower)))
		return NULL;
	d = see_lookup_one(see_nop_idmap, e->name, e->len, lower);
	if (IS_ERR(d))
		return NULL;
	if (d_is_negative(d)) {
		dput(d);
		return NULL;
	}
	return d;
}

/* where the host has an object, "" if that cannot be told */
static const char *see_host_path(struct see_changes *c, struct inode *target)
{
	struct dentry *lower = see_i(target)->lower, *alias, *parent;
	char name[NAME_MAX + 1];
	struct inode *up;
	size_t len;
	char *p = "";

	if (!lower || see_gone(target))
		return "";
	alias = d_find_alias(d_inode(lower));
	if (!alias)
		return "";
	if (!IS_ROOT(alias) && !see_copy_name(alias, name)) {
		parent = dget_parent(alias);
		up = see_iget(c->layer->sb, parent, NULL);
		dput(parent);
		if (!IS_ERR(up)) {
			p = see_dir_path(c->layer, up, c->from);
			iput(up);
			len = strlen(name);
			if (IS_ERR(p) || p - c->from < len + 2) {
				p = "";
			} else {
				/* the buffer ends with a NUL: shift, append */
				size_t dlen = strlen(p);
				char *q = p - len - (dlen ? 1 : 0);

				memmove(q, p, dlen);
				if (dlen)
					q[dlen] = '/';
				memcpy(q + dlen + (dlen ? 1 : 0), name, len + 1);
				p = q;
			}
		}
	}
	dput(alias);
	return p;
}

static int see_one_name(struct see_changes *c, struct inode *dir,
			const char *path, struct see_name *e)
{
	struct see_found f = {
		.path = path, .name = e->name, .dir = dir, .entry = e,
		.command = e->command,
	};
	struct dentry *priv;
	int err = 0, conflict = 0;

	f.host = see_host_name(dir, e);
	if (f.host)
		f.old = see_attrs_of(d_inode(f.host));
	switch (e->kind) {
	case SEE_NAME_ABSENT:
		f.what = SEE_CHANGE_NAME_REMOVED;
		break;
	case SEE_NAME_BORN:
		f.what = SEE_CHANGE_NAME_MADE;
		priv = see_lookup_priv(see_names(dir)->sub[SEE_SUB_MADE], e->name,
				       e->len);
		if (IS_ERR(priv)) {
			/* gone since the entry was copied */
			err = PTR_ERR(priv) == -ENOENT ? 0 : PTR_ERR(priv);
			goto out;
		}
		f.new = see_attrs_of(d_inode(priv));
		dput(priv);
		break;
	case SEE_NAME_LINKED:
		/* moved away and back: the host's own name again */
		if (f.host && d_inode(f.host) == see_lower_inode(e->target))
			goto out;
		f.what = SEE_CHANGE_NAME_LINKED;
		f.object = e->target;
		see_copyattr(e->target);
		f.new = see_attrs_of(e->target);
		if (!c->count)
			f.from = see_host_path(c, e->target);
		break;
	case SEE_NAME_FOLLOW:
		if (!see_gone(e->target))
			goto out;
		f.what = SEE_CHANGE_NAME_KEPT;
		f.object = e->target;
		f.command = see_i(e->target)->command;
		f.new = see_attrs_of(e->target);
		break;
	default:
		goto out;
	}
	if (e->removed && f.what != SEE_CHANGE_NAME_REMOVED)
		f.what |= SEE_CHANGE_NAME_REPLACED;
	if (!c->count) {
		conflict = see_name_conflict(c, dir, e, f.host, &f.old);
		err = min(conflict, 0);
		f.conflict = conflict;
	}
	if (c->no_path)
		f.what |= SEE_CHANGE_NO_PATH;
	if (!err)
		err = c->each(c, &f);
out:
	dput(f.host);
	return err;
}

/*
 * NULL if nothing leads there any more: the SEE removed it as well.  A path
 * that is too long to be told, or out of the layer, must not hide the rest of the
 * list, nor what is there.
 */
static const char *see_sayable(struct see_changes *c, const char *path)
{
	c->no_path = path == ERR_PTR(-ENAMETOOLONG) || path == ERR_PTR(-EXDEV);
	if (c->no_path)
		return "";
	return path == ERR_PTR(-ESTALE) ? NULL : path;
}

static int see_dir_changes(struct see_changes *c, struct inode *dir, u64 *id)
{
	struct see_names *names = see_names(dir);
	const char *path = "";
	struct see_name *e;
	int err;

	if (!names || !see_names_next(names, *id, c->name))
		return 0;
	c->no_path = false;
	if (!c->count) {
		path = see_sayable(c, see_dir_path(c->layer, dir, c->path));
		if (IS_ERR_OR_NULL(path))
			return PTR_ERR_OR_ZERO(path);
	}
	while ((e = see_names_next(names, *id, c->name))) {
		err = see_one_name(c, dir, path, e);
		if (err)
			return err;
		*id = e->id + 1;
		cond_resched();
	}
	return 0;
}

static struct inode *see_find_on_host(struct see_layer *layer, struct inode *inode,
				      char *name)
{
	struct dentry *alias = see_i(inode)->lower, *parent;
	struct inode *dir = ERR_PTR(-ESTALE);
	struct name_snapshot snap;

	/* the name by which it was found, or another one */
	if (alias && !d_unhashed(alias) && !see_in_store(layer, alias) &&
	    is_subdir(alias, layer->lower.dentry))
		dget(alias);
	else
		alias = see_shown_alias(layer, see_lower_inode(inode));
	if (!alias)
		return dir;
	parent = dget_parent(alias);
	if (is_subdir(parent, layer->lower.dentry)) {
		take_dentry_name_snapshot(&snap, alias);
		strscpy(name, (const char *)snap.name.name, NAME_MAX + 1);
		release_dentry_name_snapshot(&snap);
		dir = see_iget(layer->sb, parent, NULL);
	}
	dput(parent);
	dput(alias);
	return dir;
}

/*
 * Where a file is in the SEE, or was when it was changed; referenced.
 * @now: a place of the host's is to be that of now
 */
static struct inode *see_find_place(struct see_changes *c, struct inode *inode,
				    char *name, bool now)
{
	struct see_inode *si = see_i(inode);
	struct inode *dir;

	dir = see_find_named(c->layer, inode, SEE_NAME_LINKED, name);
	if (IS_ERR(dir) && now)
		dir = see_find_on_host(c->layer, inode, name);
	if (IS_ERR(dir))
		dir = see_find_named(c->layer, inode, SEE_NAME_FOLLOW, name);
	/* changed in memory, and nothing written yet */
	if (IS_ERR(dir) && si->parent && si->name) {
		strscpy(name, si->name, NAME_MAX + 1);
		dir = si->parent;
		ihold(dir);
	}
	/* no name was in memory when it was changed */
	if (IS_ERR(dir))
		dir = see_find_on_host(c->layer, inode, name);
	return dir;
}

/**
 * see_object_place - where an object is in the SEE, or was when it was changed
 * @c: the enumeration, which says whether the path can be told
 * @inode: the object
 * @buf: PATH_MAX bytes for the path
 * @name: NAME_MAX + 1 bytes, filled in for what is no directory
 * @now: it is a file of the host, and it matters where the host has it now
 * @f: @f->path and @f->name are set; the path is NULL if nothing is known, or an error
 */
void see_object_place(struct see_changes *c, struct inode *inode, char *buf,
		      char *name, bool now, struct see_found *f)
{
	struct inode *dir;

	if (S_ISDIR(inode->i_mode)) {
		f->path = see_dir_path(c->layer, inode, buf);
	} else {
		dir = see_find_place(c, inode, name, now);
		f->path = ERR_CAST(dir);
		f->name = name;
		if (!IS_ERR(dir)) {
			f->path = see_dir_path(c->layer, dir, buf);
			iput(dir);
		}
	}
	f->path = see_sayable(c, f->path);
}

static int see_object_changes(struct see_changes *c, struct inode *inode)
{
	struct see_found f = {
		.what = SEE_CHANGE_ATTR, .path = "", .name = "", .object = inode,
		.command = see_i(inode)->command,
	};
	char name[NAME_MAX + 1] = "";
	int conflict;

	if (see_born(inode) || !see_test(inode, SEE_I_ATTRS))
		return 0;
	if (S_ISREG(inode->i_mode) && see_part(inode))
		f.what |= SEE_CHANGE_DATA;
	f.new = see_attrs_of(inode);
	if (see_i(inode)->lower)
		f.old = see_attrs_of(d_inode(see_i(inode)->lower));
	if (c->count)
		return c->each(c, &f);
	see_object_place(c, inode, c->path, name, false, &f);
	if (!S_ISDIR(inode->i_mode) && !see_gone(inode))
		f.from = see_host_path(c, inode);
	if (IS_ERR_OR_NULL(f.path))
		return PTR_ERR_OR_ZERO(f.path);
	if (c->no_path)
		f.what |= SEE_CHANGE_NO_PATH;
	conflict = see_object_conflict(c, inode);
	if (conflict < 0)
		return conflict;
	f.conflict = conflict;
	return c->each(c, &f);
}

/**
 * see_next_changed - the objects that the SEE changed, one after the other
 * @layer: the layer
 * @si: NULL, or one of them
 *
 * Return: the first, the one after @si, or NULL at the end.
 */
struct see_inode *see_next_changed(struct see_layer *layer, struct see_inode *si)
{
	struct list_head *next;

	spin_lock(&layer->lock);
	next = si ? si->changed.next : layer->changed.next;
	spin_unlock(&layer->lock);
	return next == &layer->changed ? NULL :
		list_entry(next, struct see_inode, changed);
}

/**
 * see_found_conflict - what the host did about a change, as of now
 * @c: the enumeration that found it
 * @f: the change
 *
 * Return: SEE_CONFLICT_* or a negative errno.
 */
int see_found_conflict(struct see_changes *c, const struct see_found *f)
{
	struct see_side_attrs old = {};
	struct dentry *host;
	int ret;

	if (!f->dir)
		return see_object_conflict(c, f->object);
	host = see_host_name(f->dir, f->entry);
	ret = see_name_conflict(c, f->dir, f->entry, host, &old);
	dput(host);
	return ret;
}

/**
 * see_changes_walk - every change of a layer
 * @c: filled in down to @count
 * @cursor: 0 at first; where to go on afterwards
 *
 * Context: the layer is held by the caller.  Runs under the mounter's credentials,
 * see_changes.each too.
 * Return: 0 at the end; -EINVAL for a cursor out of range; what @each returned;
 * or another error.
 */
int see_changes_walk(struct see_changes *c, u64 *cursor)
{
	u64 object = *cursor >> 32, id = *cursor & SEE_CURSOR_NAME, i;
	struct see_inode *si;
	const struct cred *old;
	int err = -ENOMEM;

	c->name = kmalloc(SEE_NAME_SIZE, GFP_KERNEL);
	c->path = kmalloc(PATH_MAX, GFP_KERNEL);
	c->from = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!c->name || !c->path || !c->from)
		goto out;
	err = 0;
	si = see_next_changed(c->layer, NULL);
	for (i = 0; si && i < object; i++)
		si = see_next_changed(c->layer, si);
	if (i < object) {
		err = -EINVAL;
		goto out;
	}
	old = override_creds(c->layer->cred);
	while (si && !err) {
		struct inode *inode = &si->vfs_inode;

		/* id 0 is the object itself; those of names begin with 1 */
		if (!id) {
			err = see_object_changes(c, inode);
			if (err)
				break;
			id = 1;
		}
		if (S_ISDIR(inode->i_mode))
			err = see_dir_changes(c, inode, &id);
		if (err)
			break;
		id = 0;
		object++;
		si = see_next_changed(c->layer, si);
	}
	revert_creds(old);
	*cursor = object << 32 | (id & SEE_CURSOR_NAME);
out:
	kfree(c->name);
	kfree(c->path);
	kfree(c->from);
	return err;
}

/**
 * see_changes_list - the changes of a layer as records
 * @sb: its superblock, held by the caller
 * @index: its number in the SEE
 * @cursor: 0 at first; where to go on afterwards
 * @out: where records go; without a buffer they are counted
 *
 * Return: as see_changes_walk(); -EMSGSIZE if a record did not fit.
 */
int see_changes_list(struct super_block *sb, u32 index, u64 *cursor,
		     struct see_out *out)
{
	struct see_changes c = {
		.layer = see_layer(sb), .index = index, .arg = out,
		.each = out->buf ? see_emit : see_count, .count = !out->buf,
	};

	int err;

	for (;;) {
		err = see_look_enter(sb);
		if (err)
			return err;
		/* what a commit is about to move could be anything */
		if (!out->buf || !see_moving(sb))
			break;
		see_look_leave(sb);
		err = see_change_wait(sb);
		if (err)
			return err;
	}
	err = see_changes_walk(&c, cursor);
	see_look_leave(sb);
	return err;
}

/**
 * see_changes_bytes - what the private blocks of a layer's host files occupy
 * @sb: its superblock, held by the caller
 */
u64 see_changes_bytes(struct super_block *sb)
{
	struct see_layer *layer = see_layer(sb);
	struct see_inode *si = NULL;
	struct see_data *data;
	u64 blocks = 0;

	if (see_look_enter(sb))
		return 0;
	while ((si = see_next_changed(layer, si))) {
		if (!S_ISREG(si->vfs_inode.i_mode))
			continue;
		data = see_part(&si->vfs_inode);
		if (data)
			blocks += atomic_long_read(&data->blocks);
	}
	see_look_leave(sb);
	return blocks * SEE_BLOCK_SIZE;
}
