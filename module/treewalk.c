// SPDX-License-Identifier: GPL-2.0
/*
 * treewalk.c - listing, walking and discarding what is in a private tree
 *
 * Knows directories, and nothing of what they mean.  Owns nothing.  The i_rwsem
 * of a directory is held while it is read, and no lock protects the list that
 * this gives: each name is looked up afterwards, and one that went is -ENOENT.
 * Nothing here is recursive, as the depth of a born tree is not ours to choose.
 *
 * Runs under the mounter's credentials without write access, which a reader must
 * not hold; see_tree_discard() takes it for each thing that it removes.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "lower.h"
#include "tree.h"
#include "tree_internal.h"

struct see_lister {
	struct dir_context ctx;
	struct list_head *list;
	size_t seen;
	int err;
};

static bool see_list_actor(struct dir_context *ctx, const char *name, int len,
			   loff_t off, u64 ino, unsigned int type)
{
	struct see_lister *l = container_of(ctx, struct see_lister, ctx);
	struct see_entry *entry;

	l->seen++;
	if (len == 1 && name[0] == '.')
		return true;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		return true;
	if (len <= 0 || len > NAME_MAX) {
		l->err = -EUCLEAN;
		return false;
	}
	entry = kmalloc(sizeof(*entry) + len + 1, GFP_KERNEL_ACCOUNT);
	if (!entry) {
		l->err = -ENOMEM;
		return false;
	}
	entry->ino = ino;
	entry->dtype = type;
	entry->len = len;
	memcpy(entry->name, name, len);
	entry->name[len] = 0;
	list_add_tail(&entry->list, l->list);
	return true;
}

/**
 * see_list_free - free what see_list() gave
 * @list: of struct see_entry; empty afterwards
 */
void see_list_free(struct list_head *list)
{
	struct see_entry *entry, *next;

	list_for_each_entry_safe(entry, next, list, list)
		kfree(entry);
	INIT_LIST_HEAD(list);
}

/**
 * see_list - read a directory of the private tree
 * @layer: the layer
 * @dir: the directory
 * @list: empty; gets a struct see_entry for each name but "." and "..", and stays
 *	  empty on failure
 *
 * Context: no write access.
 */
int see_list(struct see_layer *layer, struct dentry *dir,
	     struct list_head *list)
{
	struct see_lister l = { .ctx.actor = see_list_actor, .list = list };
	struct file *file;
	int err;

	file = see_open_dir(layer, layer->priv.mnt, dir);
	if (IS_ERR(file))
		return PTR_ERR(file);
	do {
		l.seen = 0;
		err = iterate_dir(file, &l.ctx);
		if (!err)
			err = l.err;
	} while (!err && l.seen);
	fput(file);
	if (err)
		see_list_free(list);
	return err;
}

/* a directory that is still to be listed */
struct see_pending {
	struct list_head list;
	struct dentry *dir;
};

static int see_walk_later(struct list_head *pending, struct dentry *dir)
{
	struct see_pending *p = kmalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);

	if (!p)
		return -ENOMEM;
	p->dir = dget(dir);
	list_add(&p->list, pending);
	return 0;
}

static struct dentry *see_walk_next(struct list_head *pending)
{
	struct see_pending *p = list_first_entry_or_null(pending, struct see_pending, list);
	struct dentry *dir = NULL;

	if (p) {
		dir = p->dir;
		list_del(&p->list);
		kfree(p);
	}
	return dir;
}

static int see_visit_dir(struct see_layer *layer, struct dentry *dir,
			 struct list_head *todo,
			 int (*fn)(struct dentry *dentry, void *arg), void *arg)
{
	struct see_entry *entry;
	struct dentry *d;
	LIST_HEAD(list);
	int err;

	err = see_list(layer, dir, &list);
	list_for_each_entry(entry, &list, list) {
		d = see_lookup_priv(dir, entry->name, entry->len);
		err = PTR_ERR_OR_ZERO(d);
		if (err)
			break;
		err = fn(d, arg);
		if (!err && d_is_dir(d))
			err = see_walk_later(todo, d);
		dput(d);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			break;
	}
	see_list_free(&list);
	return err;
}

/**
 * see_tree_each - call a function for everything in a born tree
 * @layer: the layer
 * @top: the tree, itself included
 * @fn: called with each object; a result other than 0 ends it
 * @arg: for @fn
 *
 * Context: the mounter's credentials, no write access.
 */
int see_tree_each(struct see_layer *layer, struct dentry *top,
		  int (*fn)(struct dentry *dentry, void *arg), void *arg)
{
	struct dentry *dir;
	LIST_HEAD(todo);
	int err = fn(top, arg);

	if (!err && d_is_dir(top))
		err = see_walk_later(&todo, top);
	while ((dir = see_walk_next(&todo))) {
		if (!err)
			err = see_visit_dir(layer, dir, &todo, fn, arg);
		dput(dir);
	}
	return err;
}

/**
 * see_tree_walk - look at everything below a directory of the private tree
 * @layer: the layer
 * @top: the directory
 * @each: called for each name
 *
 * Context: the mounter's credentials; nobody changes what is there.
 */
int see_tree_walk(struct see_layer *layer, struct dentry *top,
		  void (*each)(struct see_layer *layer, struct dentry *dentry))
{
	struct dentry *dir, *dentry;
	struct see_entry *e;
	LIST_HEAD(pending);
	LIST_HEAD(entries);
	int err = see_walk_later(&pending, top);

	while ((dir = see_walk_next(&pending))) {
		if (!err)
			err = see_list(layer, dir, &entries);
		list_for_each_entry(e, &entries, list) {
			if (err)
				break;
			dentry = see_lookup_priv(dir, e->name, e->len);
			if (IS_ERR(dentry)) {
				err = PTR_ERR(dentry);
				break;
			}
			each(layer, dentry);
			if (d_is_dir(dentry))
				err = see_walk_later(&pending, dentry);
			dput(dentry);
			if (fatal_signal_pending(current))
				err = -EINTR;
			cond_resched();
		}
		see_list_free(&entries);
		dput(dir);
	}
	return err;
}

/* see_remove() where the rest of the work needs no write access */
static int see_remove_alone(struct see_layer *layer, struct dentry *dir,
			    const struct qstr *name)
{
	int err = mnt_want_write(layer->priv.mnt);

	if (!err) {
		err = see_remove(dir, name);
		mnt_drop_write(layer->priv.mnt);
	}
	return err;
}

/**
 * see_tree_discard - remove something; a directory goes with what it contains
 * @layer: the layer
 * @dir: private directory
 * @name: there
 *
 * Goes down through the parent pointers of what it works on, as the depth of
 * a born tree is not ours to choose.
 *
 * Context: the mounter's credentials, no write access.
 */
int see_tree_discard(struct see_layer *layer, struct dentry *dir,
		     const struct qstr *name)
{
	struct dentry *top, *d, *up;
	struct see_entry *entry;
	struct qstr q;
	LIST_HEAD(list);
	int err;

	err = see_remove_alone(layer, dir, name);
	if (err != -ENOTEMPTY)
		return err == -ENOENT ? 0 : err;
	top = see_lookup_priv(dir, (const char *)name->name, name->len);
	if (IS_ERR(top))
		return PTR_ERR(top);
	d = dget(top);
	for (;;) {
		struct dentry *below = NULL;

		err = see_list(layer, d, &list);
		if (err)
			break;
		list_for_each_entry(entry, &list, list) {
			q = (struct qstr)QSTR_INIT(entry->name, entry->len);
			err = see_remove_alone(layer, d, &q);
			if (err != -ENOTEMPTY)
				continue;
			below = see_lookup_priv(d, entry->name, entry->len);
			break;
		}
		see_list_free(&list);
		if (below && !IS_ERR(below)) {
			dput(d);
			d = below;
			continue;
		}
		if (below || (err && err != -ENOENT))
			break;
		if (d == top)
			break;
		up = dget_parent(d);
		dput(d);
		d = up;
	}
	dput(d);
	dput(top);
	return see_remove_alone(layer, dir, name);
}
