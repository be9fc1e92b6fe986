// SPDX-License-Identifier: GPL-2.0
/*
 * plan.c - from the changes of a SEE to the steps of a commit
 *
 * Owns nothing.  Makes steps of what changes.c finds, and puts them in an order in
 * which each can be done: Documentation/commit.rst.  A step holds what it needs of
 * the host and of the private tree; objects and directories of the SEE are pinned
 * by the layer, and that by see_tx_layer.root.
 *
 * Called by txctl.c before anybody else knows of the commit: no lock is needed.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "blockmap.h"
#include "changes.h"
#include "commit.h"
#include "data.h"
#include "guards.h"
#include "inode.h"
#include "locks.h"
#include "lookup.h"
#include "lower.h"
#include "names.h"
#include "tree.h"
#include "version.h"

/* ---- steps ---- */

static struct see_tx_step *see_tx_add(struct see_tx *tx, u32 layer,
				      const struct see_found *f)
{
	struct see_tx_step *st, **more;
	u32 room = tx->room ? 2 * tx->room : 64;

	if (tx->n == tx->room) {
		more = kvmalloc_array(room, sizeof(*more), GFP_KERNEL_ACCOUNT);
		if (!more)
			return ERR_PTR(-ENOMEM);
		memcpy(more, tx->step, tx->n * sizeof(*more));
		kvfree(tx->step);
		tx->step = more;
		tx->room = room;
	}
	st = kzalloc(sizeof(*st), GFP_KERNEL_ACCOUNT);
	if (!st)
		return ERR_PTR(-ENOMEM);
	st->layer = layer;
	st->nr = tx->n;
	st->what = f->what;
	st->conflict = f->conflict;
	st->dir = f->dir;
	st->object = f->object;
	st->path = kasprintf(GFP_KERNEL_ACCOUNT, "%s%s%s", f->path,
			     *f->path && *f->name ? "/" : "", f->name);
	if (!st->path) {
		kfree(st);
		return ERR_PTR(-ENOMEM);
	}
	tx->step[tx->n++] = st;
	return st;
}

/* how deep in the SEE a name is; not by its path, which may be too long to tell */
static u32 see_tx_depth(struct see_layer *layer, struct inode *dir)
{
	struct inode *root = d_inode(layer->sb->s_root), *up;
	char *name = kmalloc(NAME_MAX + 1, GFP_KERNEL | __GFP_NOFAIL);
	struct see_climb climb = {};
	u32 depth = 0;

	ihold(dir);
	while (dir != root && !see_climbs_round(&climb, dir)) {
		up = see_up(layer, dir, name);
		if (IS_ERR(up))
			break;
		iput(dir);
		dir = up;
		depth++;
	}
	iput(dir);
	kfree(name);
	return depth;
}

static u32 see_tx_host_depth(struct dentry *dentry)
{
	struct dentry *up;
	u32 depth = 0;

	dget(dentry);
	while (!IS_ROOT(dentry)) {
		up = dget_parent(dentry);
		dput(dentry);
		dentry = up;
		depth++;
	}
	dput(dentry);
	return depth;
}

static int see_tx_name_set(struct see_tx_name *n, struct dentry *dir, const char *name,
			   struct inode *inode, bool host)
{
	n->dir = dget(dir);
	n->host = host;
	if (inode) {
		ihold(inode);
		n->inode = inode;
	}
	n->name = kstrdup(name, GFP_KERNEL_ACCOUNT);
	return n->name ? 0 : -ENOMEM;
}

/* a number in "undo" */
static void see_tx_name_undo(struct see_tx *tx, struct see_tx_step *st,
			     struct see_tx_name *n)
{
	n->dir = dget(tx->layer[st->layer].undo.dentry);
}

/* the name that a change is about, on the host */
static int see_tx_name_host(struct see_tx_name *n, const struct see_found *f,
			    struct inode *inode)
{
	struct dentry *dir = NULL;

	if (see_born(f->dir))
		dir = see_priv(f->dir);
	else if (see_gone(f->dir))
		n->again = f->dir;
	else
		dir = see_i(f->dir)->lower;
	return see_tx_name_set(n, dir, f->name, inode, true);
}

/* a directory of the host that has a name of the SEE's elsewhere */
static bool see_tx_is_placed(struct super_block *sb, struct dentry *host)
{
	struct inode *inode = see_ilookup(sb, d_inode(host));
	bool placed = inode && see_test(inode, SEE_I_PLACED);

	iput(inode);
	return placed;
}

static int see_tx_sample(struct see_tx *tx, struct see_tx_step *st, struct dentry *host)
{
	return see_version_sample(see_tx_sb(tx, st->layer), host, &st->ver);
}

/* may the host object be displaced, moved or removed just now? */
static int see_tx_busy(struct see_tx *tx, struct see_layer *layer, struct dentry *host)
{
	if (d_mountpoint(host) && see_guard(SEE_GUARD_MOUNTED))
		return -EBUSY;
	/* a store, or what leads to it: recovery would not find it */
	if (d_is_dir(host) && layer->samefs &&
	    (see_hidden(layer, host) || is_subdir(layer->priv.dentry, host)))
		return -EBUSY;
	if (d_is_reg(host) && inode_is_open_for_write(d_inode(host)) && !see_tx_forces(tx) &&
	    see_guard(SEE_GUARD_WRITTEN))
		return -ETXTBSY;
	return 0;
}

/* a file of the host goes to "undo" */
static int see_tx_remove(struct see_tx *tx, struct see_changes *c,
			 const struct see_found *f, struct dentry *dir,
			 struct dentry *host, const char *name)
{
	struct see_tx_step *st = see_tx_add(tx, c->index, f);
	int err;

	if (IS_ERR(st))
		return PTR_ERR(st);
	st->kind = SEE_STEP_RENAME;
	st->phase = SEE_PHASE_REMOVE;
	st->busy = see_tx_busy(tx, c->layer, host);
	err = see_tx_sample(tx, st, host);
	see_tx_mark(&tx->removed, d_inode(host), &err);
	if (err)
		return err;
	see_tx_name_undo(tx, st, &st->dst);
	return see_tx_name_set(&st->src, dir, name, d_inode(host), true);
}

/* ---- directories that go ---- */

struct see_late {
	struct dir_context ctx;
	struct inode *dir;
	struct list_head names;
	int err;
};

struct see_late_name {
	struct list_head list;
	unsigned int len;
	char name[];
};

/* what the host has in a directory that the SEE removed, and the SEE did not see */
static bool see_late_actor(struct dir_context *ctx, const char *name, int len, loff_t off,
			   u64 ino, unsigned int type)
{
	struct see_late *l = container_of(ctx, struct see_late, ctx);
	struct see_late_name *n;

	if ((len == 1 && name[0] == '.') || (len == 2 && name[0] == '.' && name[1] == '.'))
		return true;
	if (len <= 0 || len > NAME_MAX ||
	    (l->dir && see_names(l->dir) && see_names_hides(l->dir, name, len)))
		return true;
	n = kmalloc(sizeof(*n) + len + 1, GFP_KERNEL_ACCOUNT);
	if (!n) {
		l->err = -ENOMEM;
		return false;
	}
	n->len = len;
	memcpy(n->name, name, len);
	n->name[len] = 0;
	list_add_tail(&n->list, &l->names);
	return true;
}

static int see_late_list(struct see_layer *layer, struct dentry *dir, struct see_late *l)
{
	struct file *file = see_open_dir(layer, layer->lower.mnt, dir);
	loff_t pos;
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	do {
		pos = l->ctx.pos;
		err = iterate_dir(file, &l->ctx);
	} while (!err && !l->err && l->ctx.pos != pos);
	fput(file);
	return err ?: l->err;
}

static void see_late_free(struct see_late *l)
{
	struct see_late_name *n, *next;

	list_for_each_entry_safe(n, next, &l->names, list)
		kfree(n);
}

/* directories whose late entries are still to be looked at */
struct see_doomed {
	struct list_head list;
	struct dentry *dentry;
};

static int see_doom(struct list_head *todo, struct dentry *dentry)
{
	struct see_doomed *d = kmalloc(sizeof(*d), GFP_KERNEL_ACCOUNT);

	if (!d)
		return -ENOMEM;
	d->dentry = dget(dentry);
	list_add_tail(&d->list, todo);
	return 0;
}

static int see_tx_rmdir_step(struct see_tx *tx, struct see_changes *c,
			     const struct see_found *f, struct dentry *host, bool early,
			     struct see_tx_step **made)
{
	struct see_tx_step *st = see_tx_add(tx, c->index, f);
	struct name_snapshot snap;
	struct dentry *parent;
	int err;

	if (IS_ERR(st))
		return PTR_ERR(st);
	st->kind = SEE_STEP_RMDIR;
	st->phase = early ? SEE_PHASE_RMDIR_EARLY : SEE_PHASE_RMDIR;
	st->prepare = SEE_PREPARE_DIR;
	st->depth = U32_MAX - see_tx_host_depth(host);
	st->busy = see_tx_busy(tx, c->layer, host);
	st->target = dget(host);
	see_tx_name_undo(tx, st, &st->src);
	parent = dget_parent(host);
	take_dentry_name_snapshot(&snap, host);
	err = see_tx_name_set(&st->dst, parent, (const char *)snap.name.name,
			      d_inode(host), true);
	release_dentry_name_snapshot(&snap);
	dput(parent);
	*made = st;
	return err;
}

/* late entries of one directory: a conflict, or to be removed as well */
static int see_tx_late(struct see_tx *tx, struct see_changes *c, const struct see_found *f,
		       struct see_tx_step *st, struct dentry *dir, struct list_head *todo)
{
	struct see_late l = { .ctx.actor = see_late_actor };
	struct see_late_name *n;
	struct dentry *host;
	int err;

	INIT_LIST_HEAD(&l.names);
	l.dir = see_ilookup(c->layer->sb, d_inode(dir));
	err = see_late_list(c->layer, dir, &l);
	if (!err && !list_empty(&l.names) && see_guard(SEE_GUARD_LATE))
		st->conflict |= SEE_CONFLICT_CHANGED;
	list_for_each_entry(n, &l.names, list) {
		if (err || !see_tx_forces(tx))
			break;
		host = see_lookup_priv(dir, n->name, n->len);
		if (host == ERR_PTR(-ENOENT))
			continue;
		if (IS_ERR(host))
			err = PTR_ERR(host);
		else if (d_is_dir(host))
			err = see_doom(todo, host);
		else
			err = see_tx_remove(tx, c, f, dir, host, n->name);
		/* the SEE never saw it: it is kept */
		if (!err && !d_is_dir(host))
			tx->step[tx->n - 1]->conflict |= SEE_CONFLICT_NAME;
		if (!IS_ERR(host))
			dput(host);
	}
	see_late_free(&l);
	iput(l.dir);
	return err;
}

/* a directory of the host goes, with what the SEE left of it */
static int see_tx_rmdir(struct see_tx *tx, struct see_changes *c,
			const struct see_found *f, struct dentry *host, bool early)
{
	struct see_doomed *d, *next;
	struct see_tx_step *st;
	LIST_HEAD(todo);
	int err;

	err = see_doom(&todo, host);
	while (!err && !list_empty(&todo)) {
		d = list_first_entry(&todo, struct see_doomed, list);
		err = see_tx_rmdir_step(tx, c, f, d->dentry, early, &st);
		if (!err)
			err = see_tx_late(tx, c, f, st, d->dentry, &todo);
		list_del(&d->list);
		dput(d->dentry);
		kfree(d);
	}
	list_for_each_entry_safe(d, next, &todo, list) {
		dput(d->dentry);
		kfree(d);
	}
	return err;
}

/* ---- names that appear ---- */

/* where it comes from; the rest of the step is done */
static int see_tx_source(struct see_tx *tx, struct see_tx_step *st,
			 const struct see_found *f)
{
	struct dentry *sub, *priv;

	if (!(f->what & SEE_CHANGE_NAME_MADE)) {
		see_tx_name_undo(tx, st, &st->src);
		if (see_gone(f->object)) {
			st->conflict |= SEE_CONFLICT_GONE;
			st->prepare = SEE_PREPARE_KEPT;
			return 0;
		}
		st->prepare = SEE_PREPARE_LINK;
		st->target = dget(see_i(f->object)->lower);
		ihold(d_inode(st->target));
		st->src.inode = d_inode(st->target);
		return 0;
	}
	sub = see_sub_of(see_names(f->dir), SEE_SUB_MADE);
	priv = see_lookup_priv(sub, f->name, strlen(f->name));
	if (IS_ERR(priv))
		return PTR_ERR(priv);
	st->target = priv;
	return see_tx_name_set(&st->src, sub, f->name, d_inode(priv), false);
}

/* the host made a name again that it had dropped: it will do for a directory */
static int see_tx_put_again(struct see_tx *tx, struct see_changes *c,
			    const struct see_found *f)
{
	struct see_tx_step *st;

	/* who forces has nothing to do here, the others a conflict */
	if (see_tx_forces(tx) && S_ISDIR(f->new.mode))
		return see_tx_again(tx, f->object, f->host);
	st = see_tx_add(tx, c->index, f);
	if (IS_ERR(st))
		return PTR_ERR(st);
	if (!S_ISDIR(f->new.mode))
		st->busy = -EISDIR;
	return 0;
}

/* a born object, a link to a file, or what the host dropped */
static int see_tx_put(struct see_tx *tx, struct see_changes *c, const struct see_found *f)
{
	bool kept = f->what & SEE_CHANGE_NAME_KEPT;
	struct dentry *host = f->host;
	struct see_tx_step *st;
	int err;

	if (kept && host && d_is_dir(host))
		return see_tx_put_again(tx, c, f);
	st = see_tx_add(tx, c->index, f);
	if (IS_ERR(st))
		return PTR_ERR(st);
	st->kind = SEE_STEP_RENAME;
	st->phase = SEE_PHASE_PUT;
	st->depth = see_tx_depth(c->layer, f->dir);
	if (see_born(f->dir) || see_gone(f->dir) ||
	    (kept && S_ISDIR(f->new.mode)))
		st->phase = SEE_PHASE_PLACE;
	err = see_tx_source(tx, st, f);
	if (err)
		return err;
	if (host && d_is_dir(host)) {
		st->phase = SEE_PHASE_PLACE;
		if (!see_tx_is_placed(c->layer->sb, host))
			err = see_tx_rmdir(tx, c, f, host, true);
		host = NULL;
	} else if (host) {
		st->kind = SEE_STEP_EXCHANGE;
		st->busy = see_tx_busy(tx, c->layer, host);
		err = see_tx_sample(tx, st, host);
		see_tx_mark(&tx->removed, d_inode(host), &err);
	}
	return err ?: see_tx_name_host(&st->dst, f, host ? d_inode(host) : NULL);
}

/* a directory of the host that the SEE renamed */
static int see_tx_move(struct see_tx *tx, struct see_changes *c, const struct see_found *f)
{
	struct dentry *lower = see_i(f->object)->lower, *parent;
	bool detour = see_born(f->dir) || (f->host && d_is_dir(f->host));
	struct see_tx_step *st = see_tx_add(tx, c->index, f), *on = st;
	struct name_snapshot snap;
	int err = 0;

	if (IS_ERR(st))
		return PTR_ERR(st);
	st->kind = SEE_STEP_RENAME;
	st->phase = SEE_PHASE_MOVE;
	st->depth = see_tx_depth(c->layer, f->dir);
	if (see_gone(f->dir))
		st->phase = SEE_PHASE_PLACE;
	st->busy = see_tx_busy(tx, c->layer, lower);
	parent = dget_parent(lower);
	take_dentry_name_snapshot(&snap, lower);
	err = see_tx_name_set(&st->src, parent, (const char *)snap.name.name,
			      d_inode(lower), true);
	release_dentry_name_snapshot(&snap);
	dput(parent);
	if (err)
		return err;
	if (detour) {
		see_tx_name_undo(tx, st, &st->dst);
		on = see_tx_add(tx, c->index, f);
		if (IS_ERR(on))
			return PTR_ERR(on);
		on->kind = SEE_STEP_RENAME;
		on->phase = SEE_PHASE_PLACE;
		on->depth = st->depth;
		/* the number of the step that put it there */
		on->src.dir = dget(st->dst.dir);
		on->src.name = kasprintf(GFP_KERNEL_ACCOUNT, "%u", st->nr);
		if (!on->src.name)
			return -ENOMEM;
		ihold(d_inode(lower));
		on->src.inode = d_inode(lower);
	}
	err = see_tx_name_host(&on->dst, f, NULL);
	if (err || !f->host)
		return err;
	if (!d_is_dir(f->host))
		return see_tx_remove(tx, c, f, see_i(f->dir)->lower, f->host, f->name);
	if (see_tx_is_placed(c->layer->sb, f->host))
		return 0;
	return see_tx_rmdir(tx, c, f, f->host, true);
}

/* ---- objects ---- */

/* did the SEE take the last name of it away? then there is nothing to modify */
static bool see_tx_is_removed(struct inode *inode)
{
	struct dentry *lower = see_i(inode)->lower, *parent;
	struct name_snapshot snap;
	struct see_name entry;
	struct inode *up;
	bool removed = false;

	if (!S_ISDIR(inode->i_mode)) {
		see_copyattr(inode);
		return !inode->i_nlink;
	}
	if (see_test(inode, SEE_I_PLACED) || lower == see_layer(inode->i_sb)->lower.dentry)
		return false;
	parent = dget_parent(lower);
	up = see_ilookup(inode->i_sb, d_inode(parent));
	dput(parent);
	if (up && see_names(up)) {
		take_dentry_name_snapshot(&snap, lower);
		/* whatever has the name now, it is not this directory */
		removed = see_names_find(up, &snap.name, &entry) != SEE_NAME_NONE &&
			  see_names_hides(up, (const char *)snap.name.name, snap.name.len);
		release_dentry_name_snapshot(&snap);
	}
	iput(up);
	return removed;
}

static int see_tx_modify(struct see_tx *tx, struct see_changes *c,
			 const struct see_found *f)
{
	struct inode *inode = f->object;
	struct dentry *lower = see_i(inode)->lower;
	struct see_tx_step *st;
	int err;

	if (see_gone(inode) || see_tx_is_removed(inode))
		return 0;
	/* what is installed is what is on disk */
	if ((f->what & SEE_CHANGE_DATA) && !(tx->flags & SEE_START_CHECK))
		err = see_data_sync(inode);
	else
		err = see_persist(inode);
	if (err)
		return err;
	st = see_tx_add(tx, c->index, f);
	if (IS_ERR(st))
		return PTR_ERR(st);
	st->kind = SEE_STEP_MODIFY;
	st->phase = SEE_PHASE_MODIFY;
	st->prepare = SEE_PREPARE_IMAGE;
	st->depth = S_ISDIR(inode->i_mode) ? U32_MAX - see_tx_host_depth(lower) : 0;
	st->target = dget(lower);
	ihold(d_inode(lower));
	st->src.inode = d_inode(lower);
	/* written in place: no criterion makes that safe beside another writer */
	if ((f->what & SEE_CHANGE_DATA) && atomic_read(&d_inode(lower)->i_writecount) &&
	    see_guard(SEE_GUARD_WRITTEN))
		st->busy = -ETXTBSY;
	see_tx_name_undo(tx, st, &st->dst);
	see_tx_mark(&tx->modified, d_inode(lower), &err);
	if (!err)
		err = see_tx_sample(tx, st, lower);
	/* after the version: what changes in between is found to be another one */
	return err ?: see_install_before(st);
}

/* ---- the list ---- */

static int see_tx_name_change(struct see_tx *tx, struct see_changes *c,
			      const struct see_found *f)
{
	struct see_tx_step *st;

	if (f->what & SEE_CHANGE_NAME_REMOVED) {
		if (!f->host) {
			/* the host removed it, too: only the conflict is left to tell */
			st = f->conflict && !see_tx_forces(tx) ?
				see_tx_add(tx, c->index, f) : NULL;
			return PTR_ERR_OR_ZERO(st);
		}
		if (!d_is_dir(f->host))
			return see_tx_remove(tx, c, f, see_i(f->dir)->lower, f->host,
					     f->name);
		/* one that was renamed is moved */
		if (see_tx_is_placed(c->layer->sb, f->host))
			return 0;
		return see_tx_rmdir(tx, c, f, f->host, false);
	}
	if (f->what & SEE_CHANGE_NAME_LINKED && S_ISDIR(f->new.mode) && !see_gone(f->object))
		return see_tx_move(tx, c, f);
	return see_tx_put(tx, c, f);
}

static int see_tx_each(struct see_changes *c, const struct see_found *found)
{
	struct see_tx *tx = c->arg;
	struct see_found f = *found;
	u32 first = tx->n, i;
	int err, conflict;

	if (fatal_signal_pending(current))
		return -EINTR;
	if (tx->flags & SEE_START_REVERT)
		return PTR_ERR_OR_ZERO(see_tx_add(tx, c->index, &f));
	if (f.dir && !see_born(f.dir) && see_gone(f.dir))
		f.conflict |= SEE_CONFLICT_GONE;
	err = f.dir ? see_tx_name_change(tx, c, &f) : see_tx_modify(tx, c, &f);
	if (err)
		return err;
	/*
	 * Once more, now that the versions are sampled by which apply.c goes: what
	 * the host changed between the first look and the sample is seen here, and
	 * what it changes later there.
	 */
	conflict = see_found_conflict(c, &f);
	if (conflict < 0)
		return conflict;
	for (i = first; i < tx->n; i++)
		tx->step[i]->conflict |= conflict;
	return 0;
}

static int see_tx_cmp(const void *a, const void *b)
{
	const struct see_tx_step *x = *(const struct see_tx_step **)a;
	const struct see_tx_step *y = *(const struct see_tx_step **)b;

	if (x->phase != y->phase)
		return x->phase < y->phase ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth < y->depth ? -1 : 1;
	return x->nr < y->nr ? -1 : x->nr > y->nr;
}

/*
 * Directories are removed last, as they cannot come back as they were; but if
 * another name needs the place of one, those in it must go before.
 */
static void see_tx_order(struct see_tx *tx)
{
	bool early = false;
	u32 i;

	for (i = 0; i < tx->n; i++)
		early |= tx->step[i]->phase == SEE_PHASE_RMDIR_EARLY;
	for (i = 0; early && i < tx->n; i++)
		if (tx->step[i]->phase == SEE_PHASE_RMDIR)
			tx->step[i]->phase = SEE_PHASE_RMDIR_EARLY;
	sort(tx->step, tx->n, sizeof(*tx->step), see_tx_cmp, NULL);
}

/* ---- locks ---- */

/* one that cannot be had is told as a step that has nothing to do */
static int see_tx_lock(struct see_tx *tx, struct see_changes *c, struct inode *inode,
		       bool posix)
{
	struct see_found f = { .path = "", .name = "", .object = inode };
	char name[NAME_MAX + 1] = "";
	struct see_tx_step *st;
	char *buf;
	int err;

	err = see_lock_host(c->layer->lower.mnt, see_i(inode)->lower, posix, &tx->locks);
	if (err != -EAGAIN)
		return err;
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	see_object_place(c, inode, buf, name, true, &f);
	/* busy even if nobody can say where */
	if (!f.path) {
		f.path = "";
		f.name = "";
	} else if (c->no_path) {
		f.what |= SEE_CHANGE_NO_PATH;
	}
	st = IS_ERR(f.path) ? ERR_CAST(f.path) : see_tx_add(tx, c->index, &f);
	kfree(buf);
	if (IS_ERR(st))
		return PTR_ERR(st);
	ihold(see_lower_inode(inode));
	st->src.inode = see_lower_inode(inode);
	st->busy = -EAGAIN;
	return 0;
}

/* the locks by which the SEE changed things, now on the host, until the end */
static int see_tx_locks(struct see_tx *tx, struct see_changes *c)
{
	struct see_inode *si;
	int err = 0;

	/* the layer is closed to changes: the list stays */
	list_for_each_entry(si, &c->layer->changed, changed) {
		struct inode *inode = &si->vfs_inode;

		if (see_gone(inode) || !S_ISREG(inode->i_mode))
			continue;
		if (see_test(inode, SEE_I_LOCK_POSIX))
			err = see_tx_lock(tx, c, inode, true);
		if (!err && see_test(inode, SEE_I_LOCK_FLOCK))
			err = see_tx_lock(tx, c, inode, false);
		if (err)
			break;
	}
	return err;
}

/* ---- those who live in the SEE meanwhile ---- */

struct see_tx_users {
	struct see_tx *tx;
	struct see_changes *c;
	char *buf;
	int err;
};

/* told as a step that has nothing to do */
static int see_tx_used(struct see_tx_users *u, struct inode *inode, struct inode *real,
		       int busy)
{
	struct see_found f = { .path = "", .name = "", .object = inode };
	struct dentry *alias = d_find_any_alias(inode);
	struct see_tx_step *st;
	char *path;

	/* the name by which it was opened may not be one that it has */
	path = alias ? dentry_path_raw(alias, u->buf, PATH_MAX) : NULL;
	if (!IS_ERR_OR_NULL(path))
		f.path = path + 1;
	st = see_tx_add(u->tx, u->c->index, &f);
	dput(alias);
	if (IS_ERR(st))
		return PTR_ERR(st);
	if (real)
		ihold(real);
	st->src.inode = real;
	st->busy = busy;
	return 0;
}

/* of what was written to: all that has to be in the private tree is there */
static int see_tx_clean(struct inode *inode)
{
	struct see_data *data = see_part(inode);

	if (!mapping_tagged(inode->i_mapping, PAGECACHE_TAG_DIRTY) &&
	    !see_test(inode, SEE_I_ATTRDIRTY) && !(data && READ_ONCE(data->dirty)))
		return 0;
	return see_data_sync(inode);
}

static bool see_tx_written(const struct inode *inode)
{
	return S_ISREG(inode->i_mode) && atomic_read(&inode->i_writecount) >
					 atomic_read(&see_i(inode)->opening);
}

/* is it a change that no list has, since nobody knows a name of it now? */
static bool see_tx_lost(struct see_layer *layer, struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct dentry *alias;

	if (!S_ISREG(inode->i_mode) || !see_test(inode, SEE_I_ATTRS) || see_gone(inode) ||
	    si->parent || atomic_read(&si->links) || see_test(inode, SEE_I_FOLLOWED))
		return false;
	alias = see_shown_alias(layer, see_lower_inode(inode));
	dput(alias);
	return !alias;
}

static void see_tx_user(struct inode *inode, void *arg)
{
	struct see_tx_users *u = arg;
	bool closed = !(u->tx->flags & SEE_START_CHECK), nameless, used = false;
	bool written = see_tx_written(inode);
	struct inode *real;

	if (u->err)
		return;
	if (see_born(inode)) {
		real = d_inode(see_priv(inode));
		nameless = !real->i_nlink || IS_DEADDIR(real);
		/* a mapping has the private file open */
		used = !nameless && (written || (S_ISREG(real->i_mode) &&
						 inode_is_open_for_write(real)));
	} else if (see_test(inode, SEE_I_CHANGED)) {
		real = see_lower_inode(inode);
		nameless = see_adrift(inode) || IS_DEADDIR(inode) ||
			   (!S_ISDIR(inode->i_mode) && !see_nlink(inode, 0));
		/* of what has no name, too: what it writes goes to the private tree */
		used = written && (see_test(inode, SEE_I_ATTRS) ||
				   see_test(inode, SEE_I_LOCK_POSIX) ||
				   see_test(inode, SEE_I_LOCK_FLOCK));
		if (closed && S_ISREG(inode->i_mode) && see_test(inode, SEE_I_ATTRS))
			u->err = see_tx_clean(inode);
	} else {
		return;
	}
	if (closed)
		assign_bit(SEE_I_NAMELESS, &see_i(inode)->flags, nameless);
	if (!u->err && used && see_guard(SEE_GUARD_USED))
		u->err = see_tx_used(u, inode, real, -ETXTBSY);
	else if (!u->err && !nameless && !see_born(inode) &&
		 see_tx_lost(u->c->layer, inode))
		u->err = see_tx_used(u, inode, real, -ESTALE);
}

/*
 * What cannot become the host's while it is used: it is open for writing, or
 * mapped so.
 */
static int see_tx_users(struct see_tx *tx, struct see_changes *c)
{
	struct see_tx_users u = { .tx = tx, .c = c };

	u.buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!u.buf)
		return -ENOMEM;
	see_each_inode(c->layer->sb, see_tx_user, &u);
	kfree(u.buf);
	return u.err;
}

/* the private tree lies elsewhere: nothing can be moved out of it */
static int see_tx_reach(struct see_tx *tx, const struct see_tx_step *st)
{
	return !st->kind || see_tx_sb(tx, st->layer)->samefs ? 0 : -EXDEV;
}

/**
 * see_tx_plan - make the list of steps
 * @tx: a commit without steps, its layers filled in
 *
 * Return: 0; -EINVAL if there are changes in a layer for which the caller gave
 * nothing to make them by; or another error.
 */
int see_tx_plan(struct see_tx *tx)
{
	struct see_changes c = { .each = see_tx_each, .arg = tx };
	struct see_tx_step *st;
	u64 cursor;
	int err = 0;
	u32 i;

	for (c.index = 0; !err && c.index < tx->nlayers; c.index++) {
		u32 before = tx->n;

		c.layer = see_tx_sb(tx, c.index);
		cursor = 0;
		if (!(tx->flags & SEE_START_REVERT) && tx->layer[c.index].writable)
			err = see_tx_users(tx, &c);
		/* before the host is looked at, so that what they guard stays */
		if (!err && !(tx->flags & (SEE_START_REVERT | SEE_START_CHECK)) &&
		    see_guard(SEE_GUARD_LOCKED))
			err = see_tx_locks(tx, &c);
		if (!err)
			err = see_changes_walk(&c, &cursor);
		if (!err && tx->n > before && !(tx->flags & SEE_START_REVERT) &&
		    !tx->layer[c.index].caller.mnt)
			err = -EINVAL;
	}
	if (err || (tx->flags & SEE_START_REVERT))
		return err;
	see_tx_order(tx);
	for (i = 0; !err && i < tx->n; i++) {
		st = tx->step[i];
		st->denied = see_tx_reach(tx, st);
		if (!st->denied)
			st->denied = see_auth_step(tx, st);
		/* who may not even look learns no more than that */
		if (st->denied == -ENOMEM)
			err = -ENOMEM;
		cond_resched();
	}
	return err;
}
