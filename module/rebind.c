// SPDX-License-Identifier: GPL-2.0
/*
 * rebind.c - what the SEE had is the host's, and those in it go on
 *
 * Owns nothing.  After a commit every object and name of a layer that somebody
 * uses is turned into what the host has there: what was born gets its private
 * object, which a step moved, as its host object; what was changed forgets its
 * private parts; names are asked for again.  The layer gets a private tree that is
 * empty.  What has no name in the SEE stays as it is for as long as somebody has
 * it open.
 *
 * Nobody is inside the gate meanwhile, so that nothing here is locked but against
 * the VFS: i_lock for the ACLs and handles that are asked for at any time,
 * invalidate_lock for fills, d_lock for names.
 *
 * Nothing fails once the first object was touched.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "blockmap.h"
#include "data.h"
#include "gate.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "names.h"
#include "quota.h"
#include "rebind.h"
#include "super.h"
#include "tree.h"

/* names that are dealt with at once */
#define SEE_REBIND_BATCH	(PAGE_SIZE / sizeof(struct dentry *))

/**
 * struct see_rebinding - a layer in between
 * @layer: the layer
 * @fresh: its new private tree; else unused
 * @names: room for SEE_REBIND_BATCH names
 * @kept: bytes that objects without a name occupy
 */
struct see_rebinding {
	struct see_layer *layer;
	struct see_layer *fresh;
	struct dentry **names;
	s64 kept;
};

/* ---- objects ---- */

static void see_drop_table(struct see_inode *si)
{
	/* the objects in it are not pinned much longer */
	see_names_free(si->names);
	si->names = NULL;
}

static void see_drop_parts(struct inode *inode)
{
	struct see_inode *si = see_i(inode);

	see_drop_table(si);
	dput(si->box);
	si->box = NULL;
	kfree(si->origin);
	si->origin = NULL;
	kfree(si->name);
	si->name = NULL;
	if (si->parent)
		iput(si->parent);
	si->parent = NULL;
	memset(&si->first, 0, sizeof(si->first));
	memset(si->command, 0, sizeof(si->command));
	atomic64_set(&si->cost, 0);
}

/* it has no name that it could be found by, and goes with its last user */
static void see_keep_nameless(struct see_rebinding *r, struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct dentry *priv = see_priv(inode);

	see_drop_table(si);
	set_bit(SEE_I_NOFOLLOW, &si->flags);
	clear_bit(SEE_I_KEEPS, &si->flags);
	atomic_set(&si->links, 0);
	r->kept += atomic64_read(&si->cost);
	if (priv)
		r->kept += see_quota_xattrs(r->layer, priv);
	if (S_ISREG(inode->i_mode))
		r->kept += see_data_records(inode);
	/* what it may still need is not found by way of its parents */
	if (si->parent)
		iput(si->parent);
	si->parent = NULL;
	if (!priv) {
		dput(si->box);
		si->box = NULL;
	}
	/* what was born cannot be mistaken for anything, and may get a name again */
	if (!see_born(inode))
		see_cut_loose(inode);
}

/* what was born is where a step moved it */
static void see_rebind_born(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct dentry *priv = si->priv, *lower = d_find_alias(d_inode(priv));

	spin_lock(&inode->i_lock);
	si->lower = lower ?: dget(priv);
	si->priv = NULL;
	clear_bit(SEE_I_BORN, &si->flags);
	spin_unlock(&inode->i_lock);
	dput(priv);
	see_drop_parts(inode);
}

#define SEE_I_PRIVATE	(BIT(SEE_I_CHANGED) | BIT(SEE_I_GONE) | BIT(SEE_I_KEPT) | \
			 BIT(SEE_I_ATTRS) | BIT(SEE_I_ATTRDIRTY) | \
			 BIT(SEE_I_PLACED) | BIT(SEE_I_FOLLOWED) | BIT(SEE_I_KEEPS) | \
			 BIT(SEE_I_NOFOLLOW) | BIT(SEE_I_STAYS) | \
			 BIT(SEE_I_LOCK_POSIX) | BIT(SEE_I_LOCK_FLOCK))

/* what was changed is the host's own again, and the host's is changed */
static void see_rebind_host(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct dentry *priv;

	spin_lock(&inode->i_lock);
	priv = si->priv;
	si->priv = NULL;
	set_mask_bits(&si->flags, SEE_I_PRIVATE, 0);
	spin_unlock(&inode->i_lock);
	if (S_ISREG(inode->i_mode))
		see_data_reset(inode);
	dput(priv);
	atomic_set(&si->links, 0);
	see_drop_parts(inode);
}

static void see_rebind_object(struct inode *inode, void *arg)
{
	struct see_rebinding *r = arg;
	bool born = see_born(inode);

	if (!born && !see_test(inode, SEE_I_CHANGED) && !see_test(inode, SEE_I_LISTED))
		return;
	if (see_test(inode, SEE_I_NAMELESS) || see_gone(inode) || see_adrift(inode)) {
		see_keep_nameless(r, inode);
		return;
	}
	if (born)
		see_rebind_born(inode);
	else
		see_rebind_host(inode);
	if (S_ISREG(inode->i_mode))
		i_size_write(inode, i_size_read(see_lower_inode(inode)));
}

/* ---- names ---- */

/* is it to be asked for again?  d_lock is held */
static bool see_name_loose(struct dentry *dentry)
{
	unsigned long token = READ_ONCE(dentry->d_time);

	if (__lockref_is_dead(&dentry->d_lockref) || d_in_lookup(dentry))
		return false;
	return token == SEE_TOKEN_PRIV || token == SEE_TOKEN_NEVER ||
	       (!dentry->d_fsdata && token != SEE_TOKEN_REBOUND);
}

/* as many names in @dir as there is room for */
static unsigned int see_collect_names(struct dentry *dir, struct dentry **names)
{
	struct dentry *child;
	unsigned int n = 0;

	spin_lock(&dir->d_lock);
	see_for_each_child(child, dir) {
		spin_lock_nested(&child->d_lock, DENTRY_D_LOCK_NESTED);
		if (see_name_loose(child))
			names[n++] = dget_dlock(child);
		spin_unlock(&child->d_lock);
		if (n == SEE_REBIND_BATCH)
			break;
	}
	spin_unlock(&dir->d_lock);
	return n;
}

/*
 * A directory has one name on the host, so that it is known.  Of a file any may
 * be the one: see_adopt() looks.
 */
static void see_rebind_name(struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	struct dentry *lower = NULL, *old;

	if (inode && S_ISDIR(inode->i_mode) && !see_born(inode))
		lower = dget(see_i(inode)->lower);
	spin_lock(&dentry->d_lock);
	old = dentry->d_fsdata;
	dentry->d_fsdata = lower;
	WRITE_ONCE(dentry->d_time, SEE_TOKEN_REBOUND);
	spin_unlock(&dentry->d_lock);
	dput(old);
}

static void see_rebind_names(struct inode *dir, void *arg)
{
	struct see_rebinding *r = arg;
	struct dentry *alias;
	unsigned int n, i;

	alias = S_ISDIR(dir->i_mode) ? d_find_any_alias(dir) : NULL;
	if (!alias)
		return;
	do {
		n = see_collect_names(alias, r->names);
		for (i = 0; i < n; i++) {
			see_rebind_name(r->names[i]);
			dput(r->names[i]);
		}
		cond_resched();
	} while (n == SEE_REBIND_BATCH);
	dput(alias);
}

/* attributes, and link counts, which need the names of everything gone */
static void see_rebind_attrs(struct inode *inode, void *arg)
{
	if (!see_born(inode) && !see_test(inode, SEE_I_CHANGED) &&
	    see_i(inode)->lower)
		see_copyattr(inode);
}

/* ---- the layer ---- */

static void see_fresh_free(struct see_layer *fresh)
{
	dput(fresh->objects);
	dput(fresh->bornbox);
	dput(fresh->work);
	dput(fresh->priv.dentry);
	kfree(fresh);
}

/* all of an empty private tree at @root that can fail to be there */
static int see_fresh_open(struct see_rebinding *r, const struct path *root)
{
	struct see_layer *layer = r->layer, *fresh = r->fresh;
	struct inode *inode = d_inode(root->dentry);
	const char *why;
	int err;

	/* the mount stays: who is not inside the gate may just be using it */
	fresh->priv.mnt = layer->priv.mnt;
	fresh->priv.dentry = dget(root->dentry);
	fresh->cred = layer->cred;
	fresh->lower = layer->lower;
	fresh->samefs = layer->samefs;
	err = see_tree_open(fresh, &why);
	/* where it can be met: see_hide_stores() */
	if (!err && layer->samefs)
		err = xa_err(xa_store(&layer->hidden, inode->i_ino, inode, GFP_KERNEL));
	return err;
}

/* the old tree stays with those that are open in it */
static void see_rebind_layer(struct see_rebinding *r)
{
	struct see_layer *layer = r->layer, *fresh = r->fresh;

	xa_erase(&layer->hidden, d_inode(layer->priv.dentry)->i_ino);
	swap(layer->priv.dentry, fresh->priv.dentry);
	swap(layer->objects, fresh->objects);
	swap(layer->bornbox, fresh->bornbox);
	swap(layer->work, fresh->work);
	xa_destroy(&layer->placed);
	xa_destroy(&layer->cuts);
	xa_destroy(&layer->unsettled);
	see_quota_charge(layer, r->kept - atomic64_read(&layer->used));
}

/**
 * see_rebind - everything of a layer is the host's, as it is now
 * @sb: superblock of the layer, closed to changes, whose changes were installed
 * @root: an empty directory beside its private tree: the next one
 *
 * Context: see_gate_open() follows.
 * Return: 0; -EBUSY if somebody would not stop to look for ten seconds; or another
 * error, and the layer is as it was.
 */
int see_rebind(struct super_block *sb, const struct path *root)
{
	struct see_rebinding r = { .layer = see_layer(sb) };
	const struct cred *old = override_creds(r.layer->cred);
	int err = -ENOMEM;

	r.names = (struct dentry **)__get_free_page(GFP_KERNEL);
	r.fresh = kzalloc(sizeof(*r.fresh), GFP_KERNEL);
	if (!r.names || !r.fresh)
		goto out;
	err = see_fresh_open(&r, root);
	if (err)
		goto out;
	err = see_gate_close_all(r.layer);
	if (err) {
		xa_erase(&r.layer->hidden, d_inode(root->dentry)->i_ino);
		goto out;
	}
	see_each_inode(sb, see_rebind_object, &r);
	see_each_inode(sb, see_rebind_names, &r);
	see_rebind_layer(&r);
	see_release_changed(r.layer);
	see_each_inode(sb, see_rebind_attrs, &r);
out:
	if (r.fresh)
		see_fresh_free(r.fresh);
	free_page((unsigned long)r.names);
	revert_creds(old);
	return err;
}
