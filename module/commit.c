// SPDX-License-Identifier: GPL-2.0
/*
 * commit.c - the list of steps that a commit takes
 *
 * Owns struct see_tx.  Makes steps of the changes of a SEE (changes.c), puts them
 * in an order in which each can be done, and tells of each whether the host is
 * as it was recorded and whether the caller may (authority.c); apply.c does
 * them.  Documentation/commit.rst has the protocol.
 *
 * Nobody uses the layers meanwhile but who reads: control.c sees to that.  A step
 * holds what it needs of the host and of the private tree; objects and
 * directories of the SEE are pinned by the layer, and that by see_tx_layer.root.
 *
 * Locks: see_tx.lock, outside of all others of this module but those of
 * control.c.
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
#include "inode.h"
#include "locks.h"
#include "lookup.h"
#include "lower.h"
#include "names.h"
#include "revert.h"
#include "tree.h"
#include "version.h"

#define SEE_TX_STRINGS	ARRAY_SIZE(((struct see_step *)NULL)->len)

/* ---- life ---- */

/**
 * see_tx_new - a commit without steps
 * @nlayers: of the SEE; the caller fills in see_tx.layer
 * @caller: credentials of who wants it, or NULL
 * @criterion: SEE_CRITERION_*
 * @flags: SEE_START_*
 */
struct see_tx *see_tx_new(unsigned int nlayers, const struct cred *caller, u32 criterion,
			  u32 flags)
{
	struct see_tx *tx = kzalloc(struct_size(tx, layer, nlayers), GFP_KERNEL_ACCOUNT);

	if (!tx)
		return NULL;
	mutex_init(&tx->lock);
	xa_init(&tx->touched);
	xa_init(&tx->again);
	INIT_LIST_HEAD(&tx->locks);
	tx->nlayers = nlayers;
	tx->criterion = criterion;
	tx->flags = flags;
	if (caller)
		tx->caller = get_cred(caller);
	return tx;
}

static void see_tx_name_put(struct see_tx_name *name)
{
	dput(name->dir);
	kfree(name->name);
	iput(name->inode);
}

static void see_tx_step_free(struct see_tx_step *st)
{
	see_tx_allow(st);
	see_tx_name_put(&st->src);
	see_tx_name_put(&st->dst);
	dput(st->target);
	dput(st->image);
	kfree(st->path);
	kfree(st);
}

/**
 * see_tx_free - give back what a commit holds; writers are let in again
 * @tx: the commit, or NULL
 */
void see_tx_free(struct see_tx *tx)
{
	struct see_touched *t;
	struct dentry *d;
	unsigned long i;

	if (!tx)
		return;
	see_unlock_host(&tx->locks);
	while (tx->n)
		see_tx_step_free(tx->step[--tx->n]);
	kvfree(tx->step);
	xa_for_each(&tx->touched, i, t)
		kfree(t);
	xa_destroy(&tx->touched);
	xa_for_each(&tx->again, i, d)
		dput(d);
	xa_destroy(&tx->again);
	for (i = 0; i < tx->nlayers; i++) {
		path_put(&tx->layer[i].undo);
		path_put(&tx->layer[i].caller);
		path_put(&tx->layer[i].root);
	}
	if (tx->caller)
		put_cred(tx->caller);
	kfree(tx);
}

/* ---- making steps ---- */

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

/* how deep in the SEE */
static u32 see_tx_depth(const char *path)
{
	u32 depth = 0;

	while ((path = strchr(path, '/'))) {
		depth++;
		path++;
	}
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

	if (see_test(f->dir, SEE_I_BORN))
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

/* may the host object be displaced or removed just now? */
static int see_tx_busy(struct see_tx *tx, struct dentry *host)
{
	if (d_mountpoint(host))
		return -EBUSY;
	if (d_is_reg(host) && inode_is_open_for_write(d_inode(host)) && !see_tx_forces(tx))
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
	st->busy = see_tx_busy(tx, host);
	err = see_tx_sample(tx, st, host);
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
	st->busy = d_mountpoint(host) ? -EBUSY : 0;
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
	if (!err && !list_empty(&l.names))
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
	int err;

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
	err = see_tx_name_set(&st->src, sub, f->name, d_inode(priv), false);
	dput(priv);
	return err;
}

/* a born object, a link to a file, or what the host dropped */
static int see_tx_put(struct see_tx *tx, struct see_changes *c, const struct see_found *f)
{
	bool kept = f->what & SEE_CHANGE_NAME_KEPT;
	struct see_tx_step *st = see_tx_add(tx, c->index, f);
	struct dentry *host = f->host;
	int err;

	if (IS_ERR(st))
		return PTR_ERR(st);
	st->kind = SEE_STEP_RENAME;
	st->phase = SEE_PHASE_PUT;
	st->depth = see_tx_depth(st->path);
	if (see_test(f->dir, SEE_I_BORN) || see_gone(f->dir) ||
	    (kept && S_ISDIR(f->new.mode)))
		st->phase = SEE_PHASE_PLACE;
	err = see_tx_source(tx, st, f);
	if (err)
		return err;
	if (host && d_is_dir(host)) {
		if (kept) {
			/* the host made it again: it will do for a directory */
			st->kind = 0;
			st->prepare = SEE_PREPARE_NOTHING;
			if (!S_ISDIR(f->new.mode))
				st->busy = -EISDIR;
			return st->busy ? 0 : see_tx_again(tx, f->object, host);
		}
		st->phase = SEE_PHASE_PLACE;
		if (!see_tx_is_placed(c->layer->sb, host))
			err = see_tx_rmdir(tx, c, f, host, true);
		host = NULL;
	} else if (host) {
		st->kind = SEE_STEP_EXCHANGE;
		st->busy = see_tx_busy(tx, host);
		err = see_tx_sample(tx, st, host);
	}
	return err ?: see_tx_name_host(&st->dst, f, host ? d_inode(host) : NULL);
}

/* a directory of the host that the SEE renamed */
static int see_tx_move(struct see_tx *tx, struct see_changes *c, const struct see_found *f)
{
	struct dentry *lower = see_i(f->object)->lower, *parent;
	bool detour = see_test(f->dir, SEE_I_BORN) || (f->host && d_is_dir(f->host));
	struct see_tx_step *st = see_tx_add(tx, c->index, f), *on = st;
	struct name_snapshot snap;
	int err = 0;

	if (IS_ERR(st))
		return PTR_ERR(st);
	st->kind = SEE_STEP_RENAME;
	st->phase = SEE_PHASE_MOVE;
	st->depth = see_tx_depth(st->path);
	if (see_gone(f->dir))
		st->phase = SEE_PHASE_PLACE;
	st->busy = d_mountpoint(lower) ? -EBUSY : 0;
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
	if ((f->what & SEE_CHANGE_DATA) && atomic_read(&d_inode(lower)->i_writecount))
		st->busy = -ETXTBSY;
	see_tx_name_undo(tx, st, &st->dst);
	return see_tx_sample(tx, st, lower);
}

/* ---- the list ---- */

static int see_tx_name_change(struct see_tx *tx, struct see_changes *c,
			      const struct see_found *f)
{
	struct see_tx_step *st;

	if (f->what & SEE_CHANGE_NAME_REMOVED) {
		if (!f->host) {
			/* the host removed it, too: only the conflict is left to tell */
			st = f->conflict ? see_tx_add(tx, c->index, f) : NULL;
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
	if (f.dir && !see_test(f.dir, SEE_I_BORN) && see_gone(f.dir))
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
	struct see_tx_step *st;
	char *buf;
	int err;

	err = see_lock_host(c->layer->lower.mnt, see_i(inode)->lower, posix, &tx->locks);
	if (err != -EAGAIN)
		return err;
	buf = kmalloc(PATH_MAX, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	f.path = see_object_path(c->layer, inode, buf);
	st = IS_ERR(f.path) ? ERR_CAST(f.path) : see_tx_add(tx, c->index, &f);
	kfree(buf);
	if (IS_ERR(st))
		return PTR_ERR(st);
	st->busy = -EAGAIN;
	return 0;
}

/* the locks by which the SEE changed things, now on the host, until the end */
static int see_tx_locks(struct see_tx *tx, struct see_changes *c)
{
	struct see_inode *si;
	int err = 0;

	/* nobody uses the layer: the list stays */
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
		/* before the host is looked at, so that what they guard stays */
		if (!(tx->flags & (SEE_START_REVERT | SEE_START_CHECK)))
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

/**
 * see_tx_dir - the directory of a name
 * @tx: the commit
 * @name: of a step
 *
 * Return: that which is now where the directory was, if it was removed and made
 * again; NULL if it is to be made again, and was not made yet.
 */
struct dentry *see_tx_dir(struct see_tx *tx, const struct see_tx_name *name)
{
	struct dentry *d = NULL;

	if (name->again)
		return xa_load(&tx->again, (unsigned long)name->again);
	if (name->dir && IS_DEADDIR(d_inode(name->dir)))
		d = xa_load(&tx->again, (unsigned long)d_inode(name->dir));
	return d ?: name->dir;
}

/**
 * see_tx_again - a directory takes the place of one that is gone
 * @tx: the commit
 * @gone: inode of the SEE or of the host, pinned by a step
 * @made: what stands for it from now on
 */
int see_tx_again(struct see_tx *tx, struct inode *gone, struct dentry *made)
{
	void *old = xa_store(&tx->again, (unsigned long)gone, dget(made),
			     GFP_KERNEL_ACCOUNT);

	if (xa_is_err(old)) {
		dput(made);
		return xa_err(old);
	}
	dput(old);
	return 0;
}

/**
 * see_tx_undo_name - the name of a step in "undo"
 * @st: the step
 * @buf: filled in
 * @size: of @buf
 */
void see_tx_undo_name(const struct see_tx_step *st, char *buf, size_t size)
{
	snprintf(buf, size, "%u", st->nr);
}

/* ---- telling the daemon ---- */

/* the key of an inode, or of nothing, to be freed */
static char *see_tx_key(struct inode *inode)
{
	struct dentry *alias = inode ? d_find_any_alias(inode) : NULL;
	char *key;

	if (!alias)
		return kstrdup("", GFP_KERNEL);
	key = see_tree_key(alias);
	dput(alias);
	return IS_ERR(key) ? NULL : key;
}

static char *see_tx_name_text(const struct see_tx_step *st, const struct see_tx_name *n)
{
	char buf[SEE_WORK_NAME];

	if (n->name)
		return kstrdup(n->name, GFP_KERNEL);
	see_tx_undo_name(st, buf, sizeof(buf));
	return kstrdup(n->dir ? buf : "", GFP_KERNEL);
}

static int see_tx_texts(struct see_tx *tx, const struct see_tx_step *st, char **text)
{
	struct dentry *sdir = see_tx_dir(tx, &st->src), *ddir = see_tx_dir(tx, &st->dst);
	bool modify = st->kind == SEE_STEP_MODIFY;
	struct dentry *priv = modify ? see_priv(st->object) : NULL;
	unsigned int i;

	text[SEE_TEXT_PATH] = kstrdup(st->path, GFP_KERNEL);
	text[SEE_TEXT_SRC_DIR] = see_tx_key(sdir ? d_inode(sdir) : NULL);
	text[SEE_TEXT_SRC] = see_tx_name_text(st, &st->src);
	text[SEE_TEXT_DST_DIR] = see_tx_key(ddir ? d_inode(ddir) : NULL);
	text[SEE_TEXT_DST] = see_tx_name_text(st, &st->dst);
	text[SEE_TEXT_SRC_KEY] = see_tx_key(st->src.inode);
	text[SEE_TEXT_OLD_KEY] = see_tx_key(!modify ? st->dst.inode :
					    st->image ? d_inode(st->image) : NULL);
	text[SEE_TEXT_NEW_KEY] = see_tx_key(priv ? d_inode(priv) : NULL);
	for (i = 0; i < SEE_TX_STRINGS; i++)
		if (!text[i])
			return -ENOMEM;
	return 0;
}

static s64 see_tx_ns(struct timespec64 ts)
{
	return timespec64_to_ns(&ts);
}

static void see_tx_fill_modify(struct see_step *rec, const struct see_tx_step *st)
{
	struct inode *inode = st->object;
	struct see_data *data = S_ISREG(inode->i_mode) ? see_part(inode) : NULL;

	if (data) {
		rec->flags |= SEE_STEP_DATA;
		rec->limit = data->limit;
		if (data->limit)
			rec->flags |= SEE_STEP_PARTLY;
	}
	rec->old_mode = st->old.mode;
	rec->old_uid = from_kuid(&init_user_ns, st->old.uid);
	rec->old_gid = from_kgid(&init_user_ns, st->old.gid);
	rec->old_size = st->old.size;
	rec->old_mtime = st->old.mtime;
	rec->new_mode = inode->i_mode;
	rec->new_uid = from_kuid(&init_user_ns, inode->i_uid);
	rec->new_gid = from_kgid(&init_user_ns, inode->i_gid);
	rec->new_size = S_ISREG(inode->i_mode) ? i_size_read(inode) : 0;
	rec->new_mtime = see_tx_ns(inode_get_mtime(inode));
}

static int see_tx_emit(struct see_tx *tx, u32 step, struct see_out *out)
{
	const struct see_tx_step *st = tx->step[step];
	char *text[SEE_TX_STRINGS] = {};
	struct see_step *rec;
	size_t size = 0, i;
	char *p;
	int err;

	err = see_tx_texts(tx, st, text);
	if (err)
		goto out;
	for (i = 0; i < SEE_TX_STRINGS; i++)
		size += strlen(text[i]) + 1;
	rec = see_out_add(out, SEE_REC_STEP, sizeof(*rec) + size);
	err = -EMSGSIZE;
	if (!rec)
		goto out;
	rec->step = step;
	rec->kind = st->kind;
	rec->layer = st->layer;
	rec->what = st->what;
	rec->conflict = st->conflict;
	rec->denied = -st->denied;
	rec->busy = -st->busy;
	if (st->prepare == SEE_PREPARE_LINK)
		rec->flags |= SEE_STEP_TMP_SRC;
	if (st->applied)
		rec->flags |= SEE_STEP_APPLIED;
	if (st->kind == SEE_STEP_MODIFY)
		see_tx_fill_modify(rec, st);
	p = rec->text;
	for (i = 0; i < SEE_TX_STRINGS; i++) {
		rec->len[i] = strlen(text[i]) + 1;
		memcpy(p, text[i], rec->len[i]);
		p += rec->len[i];
	}
	err = 0;
out:
	for (i = 0; i < SEE_TX_STRINGS; i++)
		kfree(text[i]);
	return err;
}

static int see_tx_extent(struct see_out *out, u32 step, u32 flags, u64 start, u64 end)
{
	struct see_extent *rec = see_out_add(out, SEE_REC_EXTENT, sizeof(*rec));

	if (!rec)
		return -EMSGSIZE;
	rec->step = step;
	rec->flags = flags;
	rec->start = start;
	rec->end = end;
	return 0;
}

/*
 * The extents from block *@at on: runs of private blocks below the new size, and
 * what is cut off.
 */
static int see_tx_extents(struct see_tx *tx, u32 step, u64 *at, struct see_out *out)
{
	const struct see_tx_step *st = tx->step[step];
	struct inode *inode = st->object;
	struct see_data *data;
	struct see_run run;
	u64 cut;
	int err;

	if (st->kind != SEE_STEP_MODIFY || !S_ISREG(inode->i_mode))
		return 0;
	data = see_part(inode);
	if (!data)
		return 0;
	while (see_map_extent(data, *at, &run)) {
		err = see_tx_extent(out, step,
				    run.state == SEE_BLOCK_DATA ? SEE_EXTENT_DATA :
								  SEE_EXTENT_ZERO,
				    (u64)run.first << PAGE_SHIFT,
				    (u64)run.end << PAGE_SHIFT);
		if (err)
			return err;
		*at = run.end;
		cond_resched();
	}
	cut = round_down(data->limit, PAGE_SIZE);
	if (st->old.size <= data->limit)
		return 0;
	return see_tx_extent(out, step, SEE_EXTENT_CUT, cut,
			     round_up(st->old.size, PAGE_SIZE));
}

/**
 * see_tx_list - the steps as records
 * @tx: the commit
 * @cursor: 0 at first; a step in the upper half, and what is left of it below
 * @out: where they go
 *
 * Return: 0 at the end; -EMSGSIZE if a record did not fit; -EINVAL for a cursor
 * out of range; -ENOMEM.
 */
int see_tx_list(struct see_tx *tx, u64 *cursor, struct see_out *out)
{
	u64 step = *cursor >> 32, at = *cursor & U32_MAX;
	int err = 0;

	mutex_lock(&tx->lock);
	if (step > tx->n)
		err = -EINVAL;
	while (!err && step < tx->n) {
		/* 0: the record itself; else the next block and 1 */
		if (!at) {
			err = see_tx_emit(tx, step, out);
			if (err)
				break;
			at = 1;
		}
		at--;
		err = see_tx_extents(tx, step, &at, out);
		at++;
		if (err)
			break;
		at = 0;
		step++;
	}
	mutex_unlock(&tx->lock);
	*cursor = step << 32 | min_t(u64, at, U32_MAX);
	return err;
}

/**
 * see_tx_act - do something about one step
 * @tx: the commit
 * @step: its number
 * @action: SEE_ACTION_*
 * @conflict: set to SEE_CONFLICT_* with -ESTALE
 *
 * Return: 0 or a negative errno, as in struct see_commit_step.
 */
int see_tx_act(struct see_tx *tx, u32 step, u32 action, u32 *conflict)
{
	struct see_tx_step *st;
	int err = -EINVAL;

	mutex_lock(&tx->lock);
	if (step >= tx->n || (tx->flags & SEE_START_CHECK) ||
	    (action == SEE_ACTION_DROP) != !!(tx->flags & SEE_START_REVERT))
		goto out;
	st = tx->step[step];
	switch (action) {
	case SEE_ACTION_PREPARE:
		err = st->kind && st->prepare && !st->applied ? see_tx_prepare(tx, st) : 0;
		break;
	case SEE_ACTION_APPLY:
		tx->started = true;
		err = st->kind && !st->applied ? see_tx_apply(tx, st) : 0;
		break;
	case SEE_ACTION_TAKE_BACK:
		err = st->applied ? see_tx_take_back(tx, st) : 0;
		break;
	case SEE_ACTION_DROP:
		tx->started = true;
		err = see_revert_step(tx, st);
		break;
	}
	*conflict = err == -ESTALE ? st->conflict ?: SEE_CONFLICT_CHANGED : 0;
out:
	mutex_unlock(&tx->lock);
	return err;
}
