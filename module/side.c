// SPDX-License-Identifier: GPL-2.0
/*
 * side.c - one name of an operation: on disk, in the table, in the counts
 *
 * Owns nothing; changes the container on disk and the table in memory
 * together, under the i_rwsem of the directories that the VFS holds.  Called
 * by namei.c and rename.c, which say what a name is to become.
 *
 * What is born lies as a real entry in "made" (or in the born directory), so
 * that a file system operation makes, replaces and removes it atomically.  A
 * host object gets a name by a mark in "linked", and loses one by a tombstone
 * in "removed".  On disk "made" wins over "linked", "linked" over "removed",
 * "removed" over the host; each operation goes in an order in which a crash
 * shows the name before or after it.  A tombstone of a name that is replaced
 * hides nothing by itself, for the same reason.
 */
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/xarray.h>

#include "command.h"
#include "data.h"
#include "guards.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "names.h"
#include "quota.h"
#include "side.h"
#include "tree.h"

/**
 * see_place_of() - the private directory for born entries
 * @dir: in which they appear
 * @place: the answer: the directory itself if it is born, or its "made"
 *
 * Context: between see_begin() and see_end(); makes "made" if need be.
 * Return: 0 or an error of the private file system.
 */
int see_place_of(struct inode *dir, struct dentry **place)
{
	if (see_born(dir)) {
		*place = see_priv(dir);
		return 0;
	}
	return see_sub(dir, SEE_SUB_MADE, place);
}

/**
 * see_side_init() - make a directory ready for an operation on one name
 * @side: what to fill in; see_side_end() is due, whatever comes of it
 * @dir: the directory, whose i_rwsem is held for writing
 * @dentry: the name
 *
 * What needs the private tree is left to see_side_prepare().
 *
 * Return: 0, -ENOENT if the host took the directory away, -ENOMEM, or what
 * keeps the directory from being held.
 */
int see_side_init(struct see_side *side, struct inode *dir,
		  struct dentry *dentry)
{
	struct see_name found;
	int err;

	memset(side, 0, sizeof(*side));
	side->dir = dir;
	side->dentry = dentry;
	side->inode = d_inode(dentry);
	if (!see_born(dir)) {
		/* the host took the directory away, and nothing of ours is in it */
		if (see_gone(dir) && !see_stays(dir))
			return -ENOENT;
		err = see_hold(dentry->d_parent);
		if (err)
			return err;
	}
	side->kind = see_names_find(dir, &dentry->d_name, &found);
	side->follow = found.follow;
	side->removed = found.removed;
	side->had = found.removed;
	if (side->kind == SEE_NAME_FOLLOW && side->inode != found.target)
		side->kind = SEE_NAME_NONE;
	if (side->kind == SEE_NAME_FOLLOW && !see_gone(found.target))
		side->kind = SEE_NAME_NONE;
	if (side->kind == SEE_NAME_NONE && see_born(dir) && side->inode)
		side->kind = SEE_NAME_BORN;
	side->entry = see_name_alloc(&dentry->d_name, GFP_KERNEL_ACCOUNT);
	return PTR_ERR_OR_ZERO(side->entry);
}

static struct inode *see_lower_inode_of(const struct inode *inode)
{
	return inode ? see_lower_inode(inode) : NULL;
}

/* a directory of the host that no name of the host leads to in the layer */
static bool see_concealed(struct super_block *sb, struct dentry *lower)
{
	struct inode *inode;
	bool ret;

	if (!d_is_dir(lower))
		return false;
	if (see_hidden(see_layer(sb), lower))
		return true;
	inode = see_ilookup(sb, d_inode(lower));
	ret = inode && see_test(inode, SEE_I_PLACED);
	iput(inode);
	return ret;
}

/* what the host has under the name of a directory of its own */
static struct dentry *see_side_lookup(struct see_side *side)
{
	const struct qstr *name = &side->dentry->d_name;

	return see_lookup_one(see_mnt_idmap(see_layer(side->dir->i_sb)->lower.mnt),
			      (const char *)name->name, name->len,
			      see_i(side->dir)->lower);
}

static void see_side_drop(struct see_side *side)
{
	/* there may be no directory yet, either */
	if (!side->lower)
		return;
	xa_release(&see_layer(side->dir->i_sb)->cuts, d_inode(side->lower)->i_ino);
	dput(side->lower);
	side->lower = NULL;
}

/* take it, or nothing, as side->lower; see_names_cover() must not need memory */
static int see_side_lower(struct see_side *side, struct dentry *d)
{
	see_side_drop(side);
	side->lower = d;
	return !d || d_is_dir(d) ? 0 :
		xa_reserve(&see_layer(side->dir->i_sb)->cuts, d_inode(d)->i_ino,
			   GFP_KERNEL_ACCOUNT);
}

/**
 * see_side_prepare() - make a directory ready on disk, and see what the host has
 * @side: from see_side_init()
 *
 * Context: between see_begin() and see_end().
 * Return: 0, -ESTALE if the host has changed what the name stands for since
 * the VFS looked, or an error of either file system.
 */
int see_side_prepare(struct see_side *side)
{
	struct dentry *lower = see_i(side->dir)->lower, *d;
	struct inode *inode, *known;
	int err;

	if (see_born(side->dir))
		return 0;
	err = see_dir_prepare(side->dir);
	if (err)
		return err;
	if (!lower || IS_DEADDIR(d_inode(lower)))
		return 0;
	d = see_side_lookup(side);
	if (IS_ERR(d))
		return PTR_ERR(d) == -ENOENT ? 0 : PTR_ERR(d);
	inode = d_inode(d);
	/*
	 * The caller decided by what the name was.  If the host changed it since,
	 * the VFS must look again, or the record would be of what the SEE never
	 * saw.  What the layer hides has no name for the caller.
	 */
	known = see_lower_inode_of(side->inode);
	if (side->kind == SEE_NAME_NONE && inode != known &&
	    (known || !inode || !see_concealed(side->dir->i_sb, d))) {
		dput(d);
		return -ESTALE;
	}
	if (!inode) {
		dput(d);
		return 0;
	}
	return see_side_lower(side, d);
}

/**
 * see_side_end() - an operation on a name is over, or was given up
 * @side: which see_side_init() was called for, or one that is all zeros
 */
void see_side_end(struct see_side *side)
{
	/* an operation that failed, but not at the tombstone */
	if (side->removed != side->had)
		see_names_tomb(side->dir, &side->dentry->d_name, side->removed);
	if (!IS_ERR_OR_NULL(side->entry))
		kfree(side->entry);
	see_side_drop(side);
	/* an operation that failed may have made containers and tombstones */
	if (side->inode)
		see_quota_settle(side->inode);
	if (side->dir)
		see_quota_settle(side->dir);
}

/**
 * see_room_begin() - room for what is about to be made
 * @layer: in which
 *
 * What removes may go below the floor, and above the limit: the host bounds
 * it.  Call see_room_end() when it was settled.
 *
 * Return: 0, or -ENOSPC above the limit or below the floor.
 */
int see_room_begin(struct see_layer *layer)
{
	int err = see_quota_reserve(layer, SEE_QUOTA_ROOM);

	if (err)
		return err;
	err = see_space_floor(layer, SEE_BLOCK_SIZE);
	if (err)
		see_quota_release(layer, SEE_QUOTA_ROOM);
	return err;
}

/**
 * see_room_end() - what was made is accounted for
 * @layer: as for see_room_begin()
 */
void see_room_end(struct see_layer *layer)
{
	see_quota_release(layer, SEE_QUOTA_ROOM);
}

/**
 * see_side_entomb() - the host's name is not the SEE's any more
 * @side: prepared
 * @tomb: SEE_TOMB_HIDES for a name that goes, SEE_TOMB_REPLACED for one that
 *	  will be born or linked
 *
 * Before it is so.  Does nothing where the host has no such name.
 *
 * Context: between see_begin() and see_end().
 * Return: 0 or an error of the private file system.
 */
int see_side_entomb(struct see_side *side, enum see_tomb tomb)
{
	struct dentry *sub;
	int err;

	if (see_born(side->dir) || side->removed == SEE_TOMB_HIDES ||
	    side->removed == tomb)
		return 0;
	if (!side->removed && !side->lower)
		return 0;
	err = see_sub(side->dir, SEE_SUB_REMOVED, &sub);
	if (!err)
		err = see_tree_tombstone(sub, &side->dentry->d_name,
					 see_layer(side->dir->i_sb), side->lower,
					 tomb, side->removed);
	if (!err)
		side->removed = tomb;
	return err;
}

/**
 * see_side_unmark_one() - take a mark of the name away, if there is one
 * @side: prepared
 * @which: the kind of mark
 *
 * Context: between see_begin() and see_end().
 * Return: 0 or an error of the private file system.
 */
int see_side_unmark_one(struct see_side *side, enum see_sub which)
{
	struct dentry *sub = see_sub_of(see_names(side->dir), which);
	int err = sub ? see_remove(sub, &side->dentry->d_name) : 0;

	return err == -ENOENT ? 0 : err;
}

/**
 * see_side_unmark() - take away the mark of a name
 * @side: prepared
 * @done: the name is gone, or another covers it, and an error changes nothing
 *	  about that: the mark is stale then
 *
 * Context: between see_begin() and see_end().
 * Return: 0 or an error of the private file system.
 */
int see_side_unmark(struct see_side *side, bool done)
{
	int err = 0;

	if (side->kind == SEE_NAME_FOLLOW)
		err = see_unfollow(side->inode, side->dir, &side->dentry->d_name, done);
	else if (side->kind == SEE_NAME_LINKED)
		err = see_side_unmark_one(side, SEE_SUB_LINKED);
	if (err && done)
		see_names(side->dir)->stale = true;
	return err;
}

/**
 * see_side_leave() - what was changed at the name does not come back to it
 * @side: prepared; the SEE puts its object somewhere else, or removes it
 * @done: it is gone already, whatever the disk says
 *
 * Context: between see_begin() and see_end().
 * Return: 0 or an error of the private file system.
 */
int see_side_leave(struct see_side *side, bool done)
{
	int err;

	if (side->kind != SEE_NAME_LINKED || side->follow != side->inode)
		return 0;
	err = see_unfollow(side->inode, side->dir, &side->dentry->d_name, done);
	if (err && done)
		see_names(side->dir)->stale = true;
	return err;
}

/**
 * see_side_unmark_below() - take away what would show when a name goes
 * @side: prepared
 *
 * There is something only if a mark could not be removed before.
 *
 * Context: between see_begin() and see_end().
 * Return: 0 or an error of the private file system.
 */
int see_side_unmark_below(struct see_side *side)
{
	struct see_names *names = see_names(side->dir);
	struct see_name found;
	int err = 0;

	if (!names || !names->stale)
		return 0;
	if (side->kind != SEE_NAME_LINKED)
		err = see_side_unmark_one(side, SEE_SUB_LINKED);
	/* see_follow_one() makes one together with its entry */
	mutex_lock(&see_i(side->dir)->lock);
	if (see_names_find(side->dir, &side->dentry->d_name, &found) != SEE_NAME_FOLLOW &&
	    !found.follow && !err)
		err = see_side_unmark_one(side, SEE_SUB_FOLLOW);
	mutex_unlock(&see_i(side->dir)->lock);
	return err;
}

/**
 * see_side_lost() - the name is gone; if the SEE gave it, its object has one less
 * @side: as it was before, its inode may be NULL
 */
void see_side_lost(struct see_side *side)
{
	struct inode *inode = side->inode;

	if (!inode || see_born(inode))
		return;
	if (side->kind == SEE_NAME_LINKED)
		see_placed(inode, -1);
}

/*
 * Of what the SEE covers from now on, a link is lost.  Until the table had the name, the
 * host's changes of it were not noticed: look again, until it stays.
 */
static void see_cover(struct see_side *side)
{
	struct dentry *lower = see_i(side->dir)->lower, *d;
	u64 ino, seen;
	int err = 0;

	if (!lower)
		return;
	d = side->lower;
	ino = d && !d_is_dir(d) ? d_inode(d)->i_ino : 0;
	while (!err) {
		see_names_cover(side->dir, &side->dentry->d_name, ino, false);
		if (IS_DEADDIR(d_inode(lower)) || !see_guard(SEE_GUARD_RECOUNT))
			return;
		d = see_side_lookup(side);
		if (IS_ERR(d) || d_is_negative(d)) {
			if (!IS_ERR(d))
				dput(d);
			d = NULL;
		}
		seen = d && !d_is_dir(d) ? d_inode(d)->i_ino : 0;
		if (seen == ino) {
			dput(d);
			return;
		}
		err = see_side_lower(side, d);
		ino = seen;
	}
}

/**
 * see_side_record() - what the table says from now on
 * @side: whose entry it consumes; its tombstone is as see_side_entomb() left it
 * @kind: SEE_NAME_BORN, SEE_NAME_LINKED, or SEE_NAME_ABSENT for a name that is gone
 * @inode: what the name stands for, or NULL
 */
void see_side_record(struct see_side *side, enum see_name_kind kind,
		     struct inode *inode)
{
	struct see_name *entry = side->entry;

	if (see_born(side->dir) && kind != SEE_NAME_LINKED) {
		if (side->kind == SEE_NAME_LINKED)
			see_names_del(side->dir, &side->dentry->d_name);
		return;
	}
	if (kind == SEE_NAME_ABSENT && !side->removed) {
		see_names_del(side->dir, &side->dentry->d_name);
		return;
	}
	entry->kind = kind;
	entry->removed = side->removed;
	see_command_note(entry->command);
	if (kind == SEE_NAME_LINKED)
		entry->target = inode;
	if (kind == SEE_NAME_BORN) {
		entry->ino = inode->i_ino;
		entry->dtype = fs_umode_to_dtype(inode->i_mode);
	}
	side->entry = NULL;
	side->had = side->removed;
	see_names_set(side->dir, entry);
	see_cover(side);
}

/**
 * see_side_mark() - a mark that says: this name stands for that host object
 * @side: prepared
 * @inode: the object, which see_box() has been called for
 *
 * A mark that there was is replaced in one step.
 *
 * Context: between see_begin() and see_end().
 * Return: 0 or an error of the private file system.
 */
int see_side_mark(struct see_side *side, struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	char tmp[SEE_WORK_NAME];
	struct dentry *sub;
	struct qstr work;
	int err;

	err = see_sub(side->dir, SEE_SUB_LINKED, &sub);
	if (err)
		return err;
	/* by way of "work": what was linked here before is replaced at once */
	see_work_name(layer, tmp, sizeof(tmp));
	work = (struct qstr)QSTR_INIT(tmp, strlen(tmp));
	err = see_make(layer->work, &work, S_IFLNK | 0777, 0,
		       see_i(inode)->origin, NULL, NULL);
	if (err)
		return err;
	err = see_rename(layer->work, &work, sub, &side->dentry->d_name, 0);
	if (err)
		see_remove(layer->work, &work);
	return err;
}
