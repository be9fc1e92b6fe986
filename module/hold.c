// SPDX-License-Identifier: GPL-2.0
/*
 * hold.c - a host object from its first change on
 *
 * Owns see_inode.origin, .first, .parent, .name and the bits SEE_I_CHANGED,
 * SEE_I_ATTRS, SEE_I_LISTED.  A change begins in memory (see_hold(),
 * see_touch(): legal where the private file system must not be entered) and
 * gets its place in the private tree later (see_box(), see_persist()).
 *
 * A held inode is pinned until unmount: the table of changed objects is the
 * inode cache itself.  With an object all its ancestors are held, so that it
 * has a place to stay if the host removes them; but not with what is only locked.
 *
 * The fields are published under inode->i_lock by setting the bit; they do
 * not change afterwards, except that nothing clears them.
 */
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "command.h"
#include "data.h"
#include "guards.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "mark.h"
#include "names.h"
#include "quota.h"
#include "tree.h"
#include "version.h"

/**
 * see_pin - keep an inode in memory until unmount
 * @inode: the inode
 */
void see_pin(struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct see_inode *si = see_i(inode);

	if (test_and_set_bit(SEE_I_LISTED, &si->flags))
		return;
	ihold(inode);
	spin_lock(&layer->lock);
	list_add_tail(&si->changed, &layer->changed);
	spin_unlock(&layer->lock);
}

/**
 * see_first_xattrs - what xattrs and ACLs a directory of the host has now
 * @inode: of the SEE
 * @hash: set; 0 for another object, whose version tells
 */
int see_first_xattrs(struct inode *inode, u64 *hash)
{
	const struct cred *old;
	int err;

	*hash = 0;
	if (!S_ISDIR(inode->i_mode))
		return 0;
	old = override_creds(see_layer(inode->i_sb)->cred);
	err = see_xattr_hash(see_i(inode)->lower, hash);
	revert_creds(old);
	return err;
}

/*
 * Is it held, and has it a place if it can have one?  Then all that leads there is held,
 * too.  What the SEE only gave a name has none from a remount to its first change, and
 * what it only locked has none, since nothing of it would be kept there.
 */
static bool see_held(const struct inode *inode)
{
	const struct see_inode *si = see_i(inode);

	/* pairs with see_hold_one() */
	if (!see_test_acquire(SEE_I_CHANGED, &si->flags))
		return false;
	/* pairs with the release in see_note_place() */
	return smp_load_acquire(&si->parent) || see_test(inode, SEE_I_FOLLOWED) ||
	       see_test(inode, SEE_I_NOFOLLOW) ||
	       inode == d_inode(inode->i_sb->s_root) || see_gone(inode);
}

/* where it would stay, once; under i_lock.  Takes over *name. */
static void see_note_place(struct see_inode *si, struct inode *parent, char **name)
{
	if (!parent || si->parent || test_bit(SEE_I_FOLLOWED, &si->flags))
		return;
	si->name = *name;
	*name = NULL;
	ihold(parent);
	/* pairs with the acquire in see_held() */
	smp_store_release(&si->parent, parent);
}

/* @place: lower dentry of the name at which the object would stay, or NULL */
static int see_hold_one(struct inode *inode, struct inode *parent,
			struct dentry *place)
{
	struct see_inode *si = see_i(inode);
	struct see_layer *layer = see_layer(inode->i_sb);
	struct name_snapshot snap;
	struct see_version first;
	char *origin, *name = NULL;
	u64 xattrs;
	int err;

	if (parent) {
		take_dentry_name_snapshot(&snap, place);
		name = kmemdup_nul((const char *)snap.name.name, snap.name.len,
				   GFP_NOFS | __GFP_ACCOUNT);
		release_dentry_name_snapshot(&snap);
		if (!name)
			return -ENOMEM;
	}
	if (test_bit(SEE_I_CHANGED, &si->flags)) {
		spin_lock(&inode->i_lock);
		see_note_place(si, parent, &name);
		spin_unlock(&inode->i_lock);
		kfree(name);
		return 0;
	}
	err = see_version_sample(layer, si->lower, &first);
	if (!err)
		err = see_first_xattrs(inode, &xattrs);
	if (err)
		goto out_name;
	origin = see_tree_key(d_inode(si->lower));
	if (IS_ERR(origin)) {
		err = PTR_ERR(origin);
		goto out_name;
	}
	spin_lock(&inode->i_lock);
	if (!test_bit(SEE_I_CHANGED, &si->flags)) {
		si->origin = origin;
		si->first = first;
		si->first_xattrs = xattrs;
		si->first_mode = d_inode(si->lower)->i_mode;
		si->first_uid = d_inode(si->lower)->i_uid;
		si->first_gid = d_inode(si->lower)->i_gid;
		see_note_place(si, parent, &name);
		origin = NULL;
		/* pairs with the acquire in see_held() */
		smp_mb__before_atomic();
		set_bit(SEE_I_CHANGED, &si->flags);
	}
	spin_unlock(&inode->i_lock);
	kfree(origin);
	see_pin(inode);
out_name:
	kfree(name);
	return err;
}

/**
 * see_shown_alias - a name in memory of a host object, which is in no store
 * @layer: the layer
 * @inode: host inode, or NULL
 *
 * Return: a referenced dentry, or NULL.
 */
struct dentry *see_shown_alias(struct see_layer *layer, struct inode *inode)
{
	struct dentry *alias = inode ? d_find_alias(inode) : NULL;

	if (alias && see_in_store(layer, alias)) {
		dput(alias);
		alias = NULL;
	}
	return alias;
}

/*
 * The lower dentry of the name by which the host has what @dentry stands for:
 * that of the name itself, or another one if the host moved it meanwhile, or it is not
 * known since a commit, or the name is the SEE's.  NULL for what the host has no name for
 * in the layer.
 */
static struct dentry *see_place_below(struct dentry *dentry)
{
	struct see_layer *layer = see_layer(dentry->d_sb);
	struct dentry *lower = dentry->d_fsdata;

	if (READ_ONCE(dentry->d_time) == SEE_TOKEN_PRIV || !lower || d_unhashed(lower))
		lower = see_shown_alias(layer, see_lower_inode(d_inode(dentry)));
	else
		dget(lower);
	if (lower && !is_subdir(lower, layer->lower.dentry)) {
		dput(lower);
		lower = NULL;
	}
	return lower;
}

/**
 * struct see_climb - an object that is not held yet, on the way up
 * @below: the one before, which is in it; NULL for the first
 * @inode: the object
 * @place: lower dentry of the name at which it would stay, or NULL
 */
struct see_climb {
	struct see_climb *below;
	struct inode *inode;
	struct dentry *place;
};

/* takes over @inode and @place, also if there is no memory */
static int see_climb_push(struct see_climb **top, struct inode *inode, struct dentry *place)
{
	struct see_climb *c = kmalloc(sizeof(*c), GFP_KERNEL);

	if (!c) {
		iput(inode);
		dput(place);
		return -ENOMEM;
	}
	*c = (struct see_climb){ .below = *top, .inode = inode, .place = place };
	*top = c;
	return 0;
}

static struct inode *see_climb_pop(struct see_climb **top)
{
	struct see_climb *c = *top;
	struct inode *inode = c->inode;

	*top = c->below;
	dput(c->place);
	kfree(c);
	return inode;
}

/*
 * All that leads to @dentry and is not held; *parent is that of the uppermost, or NULL.
 * 1: once more, the host moved it out of the layer just now.
 */
static int see_climb(struct dentry *dentry, struct see_climb **top, struct inode **parent)
{
	struct see_layer *layer = see_layer(dentry->d_sb);
	struct inode *inode = d_inode(dentry);
	struct dentry *place = IS_ROOT(dentry) ? NULL : see_place_below(dentry), *up;
	int err;

	ihold(inode);
	for (;;) {
		err = see_climb_push(top, inode, place);
		if (err || !place || place == layer->lower.dentry)
			return err;
		if (IS_ROOT(place))
			return 1;
		up = dget_parent(place);
		inode = see_iget(dentry->d_sb, up, NULL);
		if (IS_ERR(inode) || see_held(inode)) {
			dput(up);
			*parent = IS_ERR(inode) ? NULL : inode;
			return PTR_ERR_OR_ZERO(inode);
		}
		place = up;
	}
}

/**
 * see_hold - the SEE is about to change something about a host object
 * @dentry: a name of the object
 *
 * Records origin and version, of the object and of its ancestors on the host.
 *
 * Context: may sleep; may be called under mmap_lock and i_rwsem of seefs;
 * enters no private file system.
 * Return: 0; -ENOMEM; what the host's getattr returned.
 */
int see_hold(struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry), *parent;
	struct see_climb *top = NULL;
	unsigned int nofs;
	int err;

	if (see_born(inode) || see_held(inode))
		return 0;
	nofs = memalloc_nofs_save();
	do {
		parent = NULL;
		err = see_climb(dentry, &top, &parent);
		/* from above: whoever has a place has all that leads there */
		while (top) {
			if (!err)
				err = see_hold_one(top->inode, parent, top->place);
			iput(parent);
			parent = see_climb_pop(&top);
		}
		iput(parent);
	} while (err > 0);
	memalloc_nofs_restore(nofs);
	return err;
}

/**
 * see_hold_origin - note which host object and version it is, but no place
 * @inode: of the SEE
 *
 * For what does not change the object: where it is kept is where it is changed first.
 *
 * Context: as see_hold().
 */
int see_hold_origin(struct inode *inode)
{
	unsigned int nofs;
	int err;

	/* pairs with see_hold_one() */
	if (see_test_acquire(SEE_I_CHANGED, &see_i(inode)->flags))
		return 0;
	nofs = memalloc_nofs_save();
	err = see_hold_one(inode, NULL, NULL);
	memalloc_nofs_restore(nofs);
	return err;
}

/* the place above, or NULL */
static struct inode *see_place_above(const struct inode *inode)
{
	/* pairs with the release in see_note_place() */
	return smp_load_acquire(&see_i(inode)->parent);
}

static bool see_to_follow(const struct inode *inode)
{
	return see_place_above(inode) && !see_test(inode, SEE_I_FOLLOWED) &&
	       !see_test(inode, SEE_I_NOFOLLOW);
}

/* in memory: who was changed last at a place is the one to have the name */
static int see_follow_soon(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct inode *parent = see_place_above(inode);
	struct see_name *entry;
	struct qstr name;
	int err;

	if (!parent || !see_to_follow(inode))
		return 0;
	err = see_names_make(parent, GFP_NOFS | __GFP_ACCOUNT);
	if (err)
		return err;
	name = (struct qstr)QSTR_INIT(si->name, strlen(si->name));
	entry = see_name_alloc(&name, GFP_NOFS | __GFP_ACCOUNT);
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	entry->kind = SEE_NAME_FOLLOW;
	entry->target = inode;
	see_names_set(parent, entry);
	return 0;
}

/*
 * The uppermost that leads there and does not stay, or NULL.  What was changed out of the
 * layer got its place later, so that there may be any below it that stay.
 */
static struct inode *see_not_staying(struct inode *inode)
{
	struct inode *p, *top = NULL;

	for (p = inode; p; p = see_place_above(p))
		if (!see_test(p, SEE_I_STAYS))
			top = p;
	return top;
}

/*
 * The SEE changes it: it is kept, and what leads to it, if the host removes it.  If the
 * host did meanwhile, that was after the change.
 */
static int see_stay(struct inode *inode)
{
	struct inode *top = see_not_staying(inode), *p;

	if (!top)
		return 0;
	for (p = inode; p; p = p == top ? NULL : see_place_above(p)) {
		int err = see_follow_soon(p);

		if (err)
			return err;
	}
	for (p = inode; p; p = p == top ? NULL : see_place_above(p)) {
		/* a full barrier each time; see_host_event() has the other one */
		if (!test_and_set_bit(SEE_I_STAYS, &see_i(p)->flags) &&
		    S_ISDIR(p->i_mode) && see_gone(p))
			see_host_dropped(p);
	}
	return 0;
}

/* from now on the VFS inode is the authority: as the host has it now */
static void see_freeze_attrs(struct inode *inode)
{
	if (S_ISREG(inode->i_mode))
		see_data_refresh(inode);
	see_copyattr(inode);
	spin_lock(&inode->i_lock);
	/* pairs with the acquire in see_touch() */
	smp_mb__before_atomic();
	set_bit(SEE_I_ATTRS, &see_i(inode)->flags);
	spin_unlock(&inode->i_lock);
}

/**
 * see_touch - the SEE is about to change attributes or data
 * @dentry: a name of the object
 *
 * As see_hold(); from now on the VFS inode is the authority on attributes and
 * size of a host object.
 */
int see_touch(struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	struct see_inode *si = see_i(inode);
	int err;

	if (see_test_acquire(SEE_I_ATTRS, &si->flags) ||
	    test_bit(SEE_I_BORN, &si->flags))
		return 0;
	err = see_hold(dentry);
	if (!err)
		err = see_stay(inode);
	if (err)
		return err;
	see_command_touch(inode);
	see_freeze_attrs(inode);
	see_drop_missed(inode);
	return 0;
}

/* container of one object whose ancestors need nothing more */
static int see_box_one(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct dentry *box;
	int err = 0;

	if (see_boxed(inode))
		return 0;
	if (WARN_ON_ONCE(!see_born(inode) && !see_test(inode, SEE_I_CHANGED)))
		return -EIO;
	mutex_lock(&si->lock);
	if (!si->box) {
		err = see_tree_box(see_layer(inode->i_sb), inode, &box);
		if (!err)
			/* pairs with the acquire in see_boxed() */
			smp_store_release(&si->box, box);
	}
	mutex_unlock(&si->lock);
	see_quota_settle(inode);
	return err;
}

static int see_follow_mark(struct dentry *sub, const struct qstr *name, const char *origin)
{
	int err = see_make(sub, name, S_IFLNK | 0777, 0, origin, NULL, NULL);

	if (err != -EEXIST)
		return err;
	/* of an object that was here before */
	err = see_remove(sub, name);
	return err ?: see_make(sub, name, S_IFLNK | 0777, 0, origin, NULL, NULL);
}

/* say in the parent's container where this object was */
static int see_follow_one(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct inode *parent = see_place_above(inode);
	struct qstr name;
	struct see_name *entry;
	struct dentry *sub;
	bool done;
	int err;

	if (!parent || !see_to_follow(inode))
		return 0;
	name = (struct qstr)QSTR_INIT(si->name, strlen(si->name));
	err = see_names_make(parent, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	err = see_sub(parent, SEE_SUB_FOLLOW, &sub);
	if (err)
		return err;
	entry = see_name_alloc(&name, GFP_KERNEL_ACCOUNT);
	if (IS_ERR(entry))
		return PTR_ERR(entry);
	entry->kind = SEE_NAME_FOLLOW;
	entry->target = inode;
	mutex_lock(&see_i(parent)->lock);
	/* somebody else said so, it gave the name up, see_unfollow(), or another has it */
	done = !see_to_follow(inode);
	if (!done)
		err = see_follow_mark(sub, &name, si->origin);
	if (!done && !err) {
		see_names_set(parent, entry);
		set_bit(SEE_I_FOLLOWED, &si->flags);
		entry = NULL;
	}
	mutex_unlock(&see_i(parent)->lock);
	kfree(entry);
	if (done || err)
		return err;
	see_distrust(inode, parent, si->name);
	see_quota_settle(parent);
	return 0;
}

/**
 * see_unfollow - a changed object shall not come back to the name where it was
 * @inode: the object
 * @dir: the directory
 * @name: the name
 * @done: it has another name, or the name another object, whatever the disk says
 *
 * Whoever was about to make it last finds that he is late.
 *
 * Context: between see_begin() and see_end().
 */
int see_unfollow(struct inode *inode, struct inode *dir, const struct qstr *name, bool done)
{
	struct dentry *sub;
	int err = 0;

	mutex_lock(&see_i(dir)->lock);
	sub = see_sub_of(see_names(dir), SEE_SUB_FOLLOW);
	if (sub)
		err = see_remove(sub, name);
	if (err == -ENOENT)
		err = 0;
	if (!err || done) {
		/* first: see_names_set() looks */
		if (see_guard(SEE_GUARD_UNFOLLOW))
			set_bit(SEE_I_FOLLOWED, &see_i(inode)->flags);
		see_names_unfollow(dir, name, inode);
	}
	mutex_unlock(&see_i(dir)->lock);
	return err;
}

/*
 * Container and place of @inode, its ancestors first, but for what has a name of the
 * SEE's alone.  Depth is the host's choice, hence no recursion.
 */
static int see_place(struct inode *inode)
{
	struct inode *p, *top;
	int err;

	if (see_test(inode, SEE_I_NOFOLLOW))
		return see_box_one(inode);
	do {
		for (top = p = inode; p; p = see_place_above(p))
			if (!see_boxed(p) || see_to_follow(p))
				top = p;
		err = see_box_one(top);
		if (!err)
			err = see_follow_one(top);
	} while (!err && top != inode);
	return err;
}

/**
 * see_box - give a held object its container
 * @inode: held, or a born directory
 *
 * Context: between see_begin() and see_end().
 */
int see_box(struct inode *inode)
{
	return see_box_one(inode);
}

/**
 * see_dir_prepare - make a directory ready for private names
 * @dir: held, or born
 *
 * Context: between see_begin() and see_end().
 */
int see_dir_prepare(struct inode *dir)
{
	int err;

	if (see_born(dir)) {
		see_pin(dir);
		err = see_box_one(dir);
	} else {
		err = see_stay(dir);
		if (!err)
			err = see_place(dir);
	}
	return err ?: see_names_make(dir, GFP_KERNEL_ACCOUNT);
}

static const char * const see_sub_name[SEE_NR_SUBS] = {
	[SEE_SUB_MADE] = SEE_BOX_MADE,
	[SEE_SUB_REMOVED] = SEE_BOX_REMOVED,
	[SEE_SUB_LINKED] = SEE_BOX_LINKED,
	[SEE_SUB_FOLLOW] = SEE_BOX_FOLLOW,
};

/**
 * see_sub - a directory of the container of a directory with a table
 * @dir: the directory
 * @which: enum see_sub
 * @sub: its dentry, valid while mounted
 *
 * Context: between see_begin() and see_end().
 */
int see_sub(struct inode *dir, int which, struct dentry **sub)
{
	struct see_inode *si = see_i(dir);
	struct see_names *names = see_names(dir);
	struct dentry *made;
	int err = 0;

	*sub = see_sub_of(names, which);
	if (*sub)
		return 0;
	mutex_lock(&si->lock);
	if (!names->sub[which]) {
		err = see_mkdir(si->box, see_sub_name[which], &made);
		if (!err)
			/* pairs with the acquire in see_sub_of() */
			smp_store_release(&names->sub[which], made);
	}
	*sub = names->sub[which];
	mutex_unlock(&si->lock);
	return err;
}

static int see_write_attrs(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	int err;

	clear_bit(SEE_I_ATTRDIRTY, &si->flags);
	/* what is set dirty from here on is written once more */
	smp_mb__after_atomic();
	err = see_give_attrs(si->priv, inode);
	if (!err)
		err = see_tree_set_ctime(si->priv, inode);
	if (err)
		set_bit(SEE_I_ATTRDIRTY, &si->flags);
	return err;
}

/**
 * __see_persist - write attributes to the private object, making it if needed
 * @inode: touched host object
 *
 * Context: between see_begin() and see_end().
 */
int __see_persist(struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct see_inode *si = see_i(inode);
	struct dentry *object = NULL;
	int err;

	err = see_place(inode);
	if (err)
		return err;
	mutex_lock(&si->lock);
	if (!si->priv) {
		err = see_tree_object(layer, inode, si->box, &object);
		if (err)
			goto out;
		set_bit(SEE_I_ATTRDIRTY, &si->flags);
		/* pairs with the acquire in see_priv() */
		smp_store_release(&si->priv, object);
	}
	if (test_bit(SEE_I_ATTRDIRTY, &si->flags))
		err = see_write_attrs(inode);
out:
	mutex_unlock(&si->lock);
	if (object) {
		see_quota_charge(layer, see_quota_xattrs(layer, object));
		see_quota_settle(inode);
	}
	return err;
}

/**
 * see_persist - give a touched host object its place in the private tree
 * @inode: touched host object
 *
 * Afterwards see_inode.box and .priv are set and hold its attributes.
 *
 * Context: writeback, fsync and inode operations; never under mmap_lock,
 * invalidate_lock or a folio lock.
 */
int see_persist(struct inode *inode)
{
	unsigned int nofs = memalloc_nofs_save();
	struct see_op op;
	int err;

	err = see_begin(inode->i_sb, &op);
	if (!err) {
		err = __see_persist(inode);
		see_end(&op);
	}
	memalloc_nofs_restore(nofs);
	return err;
}

/*
 * What the host has put under a name that @dir keeps loses it in the SEE.  Only the host
 * itself can have, just now, so that the dentry cache knows.
 */
static void see_cover_cached(struct inode *dir, const struct qstr *name)
{
	struct dentry *lower = see_i(dir)->lower, *d;
	struct qstr q = *name;

	if (!lower)
		return;
	q.hash = full_name_hash(lower, (const char *)q.name, q.len);
	if (lower->d_flags & DCACHE_OP_HASH && lower->d_op->d_hash(lower, &q))
		return;
	d = d_lookup(lower, &q);
	if (d && d_is_positive(d) && !d_is_dir(d))
		see_names_cover(dir, name, d_inode(d)->i_ino, false);
	dput(d);
}

/**
 * see_give_up_place - the host drops a file that the SEE may not have changed
 * @inode: held file
 *
 * What the SEE does to it from now on is no change of the old name.  One of both is
 * first, see_freeze_attrs().
 *
 * Context: may be called under locks of the host; waits for nothing.
 * Return: is it unchanged?
 */
bool see_give_up_place(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct inode *parent = see_place_above(inode);
	struct qstr name;
	bool unchanged;

	spin_lock(&inode->i_lock);
	unchanged = !see_test(inode, SEE_I_ATTRS);
	if (unchanged)
		set_bit(SEE_I_NOFOLLOW, &si->flags);
	spin_unlock(&inode->i_lock);
	if (unchanged && parent) {
		name = (struct qstr)QSTR_INIT(si->name, strlen(si->name));
		see_names_unfollow(parent, &name, inode);
	}
	return unchanged;
}

/**
 * see_come_back - a changed object has the name that it follows from now on
 * @inode: changed object that the host just dropped
 *
 * In memory, at once; see_keep() makes it last.
 *
 * Context: may be called under locks of the host; waits for nothing.
 */
void see_come_back(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct see_name *entry;
	struct qstr name;

	if (S_ISDIR(inode->i_mode) && !see_test(inode, SEE_I_STAYS))
		return;
	if (!see_to_follow(inode))
		return;
	name = (struct qstr)QSTR_INIT(si->name, strlen(si->name));
	if (!S_ISDIR(inode->i_mode) && see_give_up_place(inode))
		return;
	if (see_names_make(si->parent, GFP_NOWAIT))
		return;
	entry = see_name_alloc(&name, GFP_NOWAIT);
	if (IS_ERR(entry))
		return;
	entry->kind = SEE_NAME_FOLLOW;
	entry->target = inode;
	see_names_set(si->parent, entry);
	see_cover_cached(si->parent, &name);
	see_distrust(inode, si->parent, si->name);
}

/**
 * see_keep - the host dropped an object that the SEE holds: complete the copy
 * @inode: held host object without a name on the host
 *
 * Context: a worker of the layer, or unmount.
 */
int see_keep(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	int err;

	if (test_bit(SEE_I_KEPT, &si->flags))
		return 0;
	if (!test_bit(SEE_I_ATTRS, &si->flags)) {
		/* a name of the SEE holds it; it is no change of the old name */
		if (!S_ISDIR(inode->i_mode))
			set_bit(SEE_I_NOFOLLOW, &si->flags);
		see_freeze_attrs(inode);
	}
	err = see_persist(inode);
	if (!err && S_ISREG(inode->i_mode))
		err = see_data_complete(inode);
	if (!err)
		set_bit(SEE_I_KEPT, &si->flags);
	return err;
}
