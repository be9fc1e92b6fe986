// SPDX-License-Identifier: GPL-2.0
/*
 * namei.c - names made and removed
 *
 * Owns nothing; changes the container on disk and the table in memory
 * together, under the i_rwsem of the directories that the VFS holds.
 *
 * What is born lies as a real entry in "made" (or in the born directory), so
 * that a file system operation makes, replaces and removes it atomically.  A
 * host object gets a name by a mark in "linked", and loses one by a tombstone
 * in "removed".  On disk "made" wins over "linked", "linked" over "removed",
 * "removed" over the host; each operation goes in an order in which a crash
 * shows the name before or after it.  A tombstone of a name that is replaced
 * hides nothing by itself, for the same reason.
 *
 * Crash residue: renaming a host object over a born one, and exchanging with
 * a host object, are more than one step; Documentation/private-tree.rst says
 * what can be seen.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/posix_acl.h>
#include <linux/slab.h>

#include "command.h"
#include "data.h"
#include "gate.h"
#include "guards.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "mark.h"
#include "namei.h"
#include "names.h"
#include "quota.h"
#include "tree.h"

/**
 * struct see_side - one name that an operation changes
 * @dir: its directory
 * @dentry: the name
 * @inode: what it stands for, or NULL
 * @kind: SEE_NAME_NONE for a name of the host or for none
 * @follow: what comes back to the name when it is free, or NULL
 * @removed: enum see_tomb: what tombstone there is
 * @had: the same, as the table says
 * @entry: preallocated for the table; NULL in a born directory that needs none
 * @lower: what the host has there now, or NULL
 */
struct see_side {
	struct inode *dir;
	struct dentry *dentry;
	struct inode *inode;
	enum see_name_kind kind;
	struct inode *follow;
	u8 removed;
	u8 had;
	struct see_name *entry;
	struct dentry *lower;
};

static bool see_born(const struct inode *inode)
{
	return see_test(inode, SEE_I_BORN);
}

/* the private directory for born entries of @dir */
static int see_place_of(struct inode *dir, struct dentry **place)
{
	if (see_born(dir)) {
		*place = see_priv(dir);
		return 0;
	}
	return see_sub(dir, SEE_SUB_MADE, place);
}

/* make @dir ready to be changed, but for what only operations on disk need */
static int see_side_init(struct see_side *side, struct inode *dir,
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

/* the part of it that needs the private tree; between see_begin()/see_end() */
static int see_side_prepare(struct see_side *side)
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

static void see_side_end(struct see_side *side)
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

/*
 * Room for what is about to be made; what removes may go below the floor, and
 * above the limit: the host bounds it.  see_room_end() when it was settled.
 */
static int see_room_begin(struct see_layer *layer)
{
	int err = see_quota_reserve(layer, SEE_QUOTA_ROOM);

	if (err)
		return err;
	err = see_space_floor(layer, SEE_BLOCK_SIZE);
	if (err)
		see_quota_release(layer, SEE_QUOTA_ROOM);
	return err;
}

static void see_room_end(struct see_layer *layer)
{
	see_quota_release(layer, SEE_QUOTA_ROOM);
}

/*
 * Record that the host's name is not the SEE's any more, before it is so:
 * SEE_TOMB_HIDES for a name that goes, SEE_TOMB_REPLACED for one that will be
 * born or linked.
 */
static int see_entomb(struct see_side *side, enum see_tomb tomb)
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

static int see_unmark_one(struct see_side *side, enum see_sub which)
{
	struct dentry *sub = see_sub_of(see_names(side->dir), which);
	int err = sub ? see_remove(sub, &side->dentry->d_name) : 0;

	return err == -ENOENT ? 0 : err;
}

/*
 * Take away the mark of a name, for good or because another covers it.
 * @done: that is so already, and an error changes nothing about it
 */
static int see_unmark(struct see_side *side, bool done)
{
	int err = 0;

	if (side->kind == SEE_NAME_FOLLOW)
		err = see_unfollow(side->inode, side->dir, &side->dentry->d_name, done);
	else if (side->kind == SEE_NAME_LINKED)
		err = see_unmark_one(side, SEE_SUB_LINKED);
	if (err && done)
		see_names(side->dir)->stale = true;
	return err;
}

/*
 * What the SEE puts somewhere else, or removes, does not come back to the name though it
 * was changed there once.  @done: it is gone already, whatever the disk says
 */
static int see_leave(struct see_side *side, bool done)
{
	int err;

	if (side->kind != SEE_NAME_LINKED || side->follow != side->inode)
		return 0;
	err = see_unfollow(side->inode, side->dir, &side->dentry->d_name, done);
	if (err && done)
		see_names(side->dir)->stale = true;
	return err;
}

/* before a name goes: what is below it if a mark could not be removed */
static int see_unmark_below(struct see_side *side)
{
	struct see_names *names = see_names(side->dir);
	struct see_name found;
	int err = 0;

	if (!names || !names->stale)
		return 0;
	if (side->kind != SEE_NAME_LINKED)
		err = see_unmark_one(side, SEE_SUB_LINKED);
	/* see_follow_one() makes one together with its entry */
	mutex_lock(&see_i(side->dir)->lock);
	if (see_names_find(side->dir, &side->dentry->d_name, &found) != SEE_NAME_FOLLOW &&
	    !found.follow && !err)
		err = see_unmark_one(side, SEE_SUB_FOLLOW);
	mutex_unlock(&see_i(side->dir)->lock);
	return err;
}

/* an object of the host lost a name that the SEE gave it */
static void see_lost(struct see_side *side)
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

/* what the table says from now on; consumes side->entry */
static void see_record(struct see_side *side, enum see_name_kind kind,
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

/* a mark that says: this name stands for that host object */
static int see_link_mark(struct see_side *side, struct inode *inode)
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

/* ---- making ---- */

/**
 * struct see_heritage - what a directory hands down to what is made in it
 * @mode: type and mode of the new object
 * @acl: its ACL, or NULL
 * @dflt: its default ACL, or NULL
 * @any: there is something that the private directory cannot hand down by
 *	 itself: "made" is root's and plain, whatever the directory is like
 */
struct see_heritage {
	umode_t mode;
	struct posix_acl *acl;
	struct posix_acl *dflt;
	bool any;
};

static int see_inherit(struct inode *dir, struct see_heritage *h)
{
	struct posix_acl *acl;
	bool dflt;

	if (see_born(dir))
		return 0;
	acl = see_get_inode_acl(dir, ACL_TYPE_DEFAULT, false);
	dflt = !IS_ERR_OR_NULL(acl);
	if (dflt)
		posix_acl_release(acl);
	h->any = dflt || (dir->i_mode & S_ISGID);
	if ((dir->i_mode & S_ISGID) && S_ISDIR(h->mode))
		h->mode |= S_ISGID;
	/* applies the umask if there is no default ACL */
	if (!h->any || S_ISLNK(h->mode))
		return 0;
	return posix_acl_create(dir, &h->mode, &h->dflt, &h->acl);
}

static void see_heritage_put(struct see_heritage *h)
{
	posix_acl_release(h->acl);
	posix_acl_release(h->dflt);
}

static int see_bequeath(struct inode *dir, struct dentry *made,
			struct see_heritage *h)
{
	struct iattr attr = {
		.ia_valid = ATTR_FORCE, .ia_mode = h->mode, .ia_gid = dir->i_gid,
	};
	int err = 0;

	if (dir->i_mode & S_ISGID)
		attr.ia_valid |= ATTR_GID;
	if (!S_ISLNK(h->mode))
		attr.ia_valid |= ATTR_MODE;
	err = see_setattr(made, &attr);
	if (!err && h->dflt)
		err = see_vfs_set_acl(made, XATTR_NAME_POSIX_ACL_DEFAULT,
				      h->dflt);
	if (!err && h->acl)
		err = see_vfs_set_acl(made, XATTR_NAME_POSIX_ACL_ACCESS, h->acl);
	/* a change of group or ACL may have taken set-id bits along */
	if (!err && !S_ISLNK(h->mode) && d_inode(made)->i_mode != h->mode) {
		attr.ia_valid = ATTR_MODE | ATTR_FORCE;
		err = see_setattr(made, &attr);
	}
	return err;
}

/* make it aside, give it what it inherits, move it into place */
static int see_make_inheriting(struct inode *dir, struct dentry *place,
			       const struct qstr *name, dev_t rdev,
			       const char *target, struct see_heritage *h,
			       struct dentry **made)
{
	struct see_layer *layer = see_layer(dir->i_sb);
	char tmp[SEE_WORK_NAME];
	struct qstr work;
	int err;

	see_work_name(layer, tmp, sizeof(tmp));
	work = (struct qstr)QSTR_INIT(tmp, strlen(tmp));
	err = see_make(layer->work, &work, h->mode, rdev, target, NULL, made);
	if (err)
		return err;
	err = see_bequeath(dir, *made, h);
	if (!err)
		err = see_rename(layer->work, &work, place, name,
				 RENAME_NOREPLACE);
	if (err) {
		dput(*made);
		see_remove(layer->work, &work);
	}
	return err;
}

static int __see_make_op(struct inode *dir, struct dentry *dentry, umode_t mode,
			 dev_t rdev, const char *target)
{
	struct super_block *sb = dir->i_sb;
	struct see_heritage h = { .mode = mode };
	struct dentry *place, *made;
	struct see_side side;
	struct inode *inode;
	struct see_op op;
	int err;

	err = see_side_init(&side, dir, dentry);
	if (!err)
		err = see_inherit(dir, &h);
	if (err)
		goto out;
	err = see_begin(sb, &op);
	if (err)
		goto out;
	err = see_side_prepare(&side);
	if (!err)
		err = see_entomb(&side, SEE_TOMB_REPLACED);
	if (!err)
		err = see_place_of(dir, &place);
	see_end(&op);
	if (err)
		goto out;

	err = see_begin_as_caller(sb, &op);
	if (err)
		goto out;
	if (h.any)
		err = see_make_inheriting(dir, place, &dentry->d_name, rdev,
					  target, &h, &made);
	else
		err = see_make(place, &dentry->d_name, mode, rdev, target, NULL,
			       &made);
	see_end(&op);
	if (err)
		goto out;
	inode = see_iget(sb, NULL, made);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		if (!see_begin(sb, &op)) {
			see_remove(place, &dentry->d_name);
			see_end(&op);
		}
	} else {
		see_quota_made(inode);
		see_record(&side, SEE_NAME_BORN, inode);
		see_set_priv(dentry);
		if (S_ISDIR(mode))
			WRITE_ONCE(see_i(inode)->dpos, dentry);
		see_dir_modified(dir);
		d_instantiate(dentry, inode);
	}
	dput(made);
out:
	see_heritage_put(&h);
	see_side_end(&side);
	return err;
}

static int see_make_op(struct inode *dir, struct dentry *dentry, umode_t mode,
		       dev_t rdev, const char *target)
{
	struct see_layer *layer = see_layer(dir->i_sb);
	int err = see_change_enter(dir->i_sb);

	if (err)
		return err;
	err = see_room_begin(layer);
	if (!err) {
		err = __see_make_op(dir, dentry, mode, rdev, target);
		see_room_end(layer);
	}
	see_change_leave(dir->i_sb);
	return err;
}

static int see_create(struct mnt_idmap *idmap, struct inode *dir,
		      struct dentry *dentry, umode_t mode, bool excl)
{
	return see_make_op(dir, dentry, (mode & 07777) | S_IFREG, 0, NULL);
}

static see_mkdir_t see_mkdir_op(struct mnt_idmap *idmap, struct inode *dir,
				struct dentry *dentry, umode_t mode)
{
	int err = see_make_op(dir, dentry, (mode & 07777) | S_IFDIR, 0, NULL);

	return see_mkdir_ret(err);
}

static int see_mknod(struct mnt_idmap *idmap, struct inode *dir,
		     struct dentry *dentry, umode_t mode, dev_t rdev)
{
	return see_make_op(dir, dentry, mode, rdev, NULL);
}

static int see_symlink(struct mnt_idmap *idmap, struct inode *dir,
		       struct dentry *dentry, const char *target)
{
	return see_make_op(dir, dentry, S_IFLNK | 0777, 0, target);
}

static int see_tmpfile(struct mnt_idmap *idmap, struct inode *dir,
		       struct file *file, umode_t mode)
{
	struct see_layer *layer = see_layer(dir->i_sb);
	struct path work = { .mnt = layer->priv.mnt };
	struct see_heritage h = { .mode = mode | S_IFREG };
	struct inode *inode;
	struct see_op op;
	struct file *real;
	int err;

	err = see_change_enter(dir->i_sb);
	if (err)
		return err;
	err = see_room_begin(layer);
	if (err)
		goto out_gate;
	work.dentry = layer->work;
	err = see_inherit(dir, &h);
	if (err)
		goto out;
	/* a directory of the private tree hands down by itself */
	if (see_born(dir))
		work.dentry = see_priv(dir);
	err = see_begin_as_caller(dir->i_sb, &op);
	if (err)
		goto out;
	real = see_tmpfile_open(&work, h.mode,
				(file->f_flags & ~O_ACCMODE) | O_RDWR |
				O_LARGEFILE, current_cred());
	if (!IS_ERR(real) && h.any)
		err = see_bequeath(dir, real->f_path.dentry, &h);
	see_end(&op);
	if (IS_ERR(real)) {
		err = PTR_ERR(real);
		goto out;
	}
	inode = err ? ERR_PTR(err) : see_iget(dir->i_sb, NULL,
					      real->f_path.dentry);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
	} else {
		/* d_tmpfile() takes the link away that there never was */
		see_quota_made(inode);
		set_nlink(inode, 1);
		d_tmpfile(file, inode);
		see_set_priv(file->f_path.dentry);
	}
	fput(real);
out:
	see_heritage_put(&h);
	see_room_end(layer);
out_gate:
	see_change_leave(dir->i_sb);
	/* opens it, which looks */
	return finish_open_simple(file, err);
}

static int see_link(struct dentry *old, struct inode *dir, struct dentry *new)
{
	struct see_layer *layer = see_layer(dir->i_sb);
	struct inode *inode = d_inode(old);
	struct dentry *place;
	struct see_side side;
	struct see_op op;
	int err;

	err = see_change_enter(dir->i_sb);
	if (err)
		return err;
	err = see_room_begin(layer);
	if (err)
		goto out_gate;
	err = see_side_init(&side, dir, new);
	if (!err && !see_born(inode))
		err = see_hold(old);
	if (err)
		goto out;
	err = see_begin(dir->i_sb, &op);
	if (err)
		goto out;
	err = see_side_prepare(&side);
	if (!err)
		err = see_entomb(&side, SEE_TOMB_REPLACED);
	if (err)
		goto out_end;
	if (see_born(inode)) {
		err = see_place_of(dir, &place);
		if (!err)
			err = see_make(place, &new->d_name, inode->i_mode, 0,
				       NULL, see_priv(inode), NULL);
		if (!err)
			see_record(&side, SEE_NAME_BORN, inode);
	} else {
		err = see_dir_prepare(dir);
		if (!err)
			err = see_box(inode);
		if (!err)
			err = see_link_mark(&side, inode);
		if (!err) {
			see_placed(inode, 1);
			see_record(&side, SEE_NAME_LINKED, inode);
			see_drop_missed(inode);
		}
	}
	if (!err) {
		see_copyattr(inode);
		see_dir_modified(dir);
		see_set_priv(new);
		ihold(inode);
		d_instantiate(new, inode);
	}
out_end:
	see_end(&op);
out:
	see_side_end(&side);
	see_quota_settle(inode);
	see_room_end(layer);
out_gate:
	see_change_leave(dir->i_sb);
	return err;
}

/* ---- removing ---- */

static int see_may_rmdir(struct inode *inode)
{
	return S_ISDIR(inode->i_mode) ? see_dir_empty(inode) : 0;
}

/* a born directory is gone: so is what was known of names linked into it */
static void see_forget_born(struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct see_names *names = see_names(inode);
	static const struct qstr linked = QSTR_INIT(SEE_BOX_LINKED,
						    sizeof(SEE_BOX_LINKED) - 1);
	struct qstr q;
	char *key;

	if (!S_ISDIR(inode->i_mode) || !see_born(inode) || !see_boxed(inode))
		return;
	key = see_tree_key(d_inode(see_priv(inode)));
	if (IS_ERR(key))
		return;
	q = (struct qstr)QSTR_INIT(key, strlen(key));
	/* what stays is removed at the next mount */
	if (names && names->sub[SEE_SUB_LINKED])
		see_remove(see_boxed(inode), &linked);
	see_remove(layer->bornbox, &q);
	kfree(key);
}

static int see_remove_op(struct inode *dir, struct dentry *dentry)
{
	struct inode *inode = d_inode(dentry);
	struct dentry *place;
	struct see_side side;
	struct see_op op;
	int err;

	err = see_change_enter(dir->i_sb);
	if (err)
		return err;
	err = see_side_init(&side, dir, dentry);
	if (!err)
		err = see_may_rmdir(inode);
	if (err)
		goto out;
	err = see_begin(dir->i_sb, &op);
	if (err)
		goto out;
	err = see_side_prepare(&side);
	if (!err)
		err = see_unmark_below(&side);
	if (!err)
		err = see_entomb(&side, SEE_TOMB_HIDES);
	if (!err && side.kind == SEE_NAME_BORN) {
		err = see_place_of(dir, &place);
		if (!err)
			err = see_remove(place, &dentry->d_name);
	} else if (!err) {
		/* a tombstone hides what is followed */
		bool done = side.kind == SEE_NAME_FOLLOW && side.removed;

		err = see_leave(&side, false);
		if (!err)
			err = see_unmark(&side, done);
		if (done)
			err = 0;
	}
	if (!err) {
		see_lost(&side);
		see_record(&side, SEE_NAME_ABSENT, NULL);
		see_forget_born(inode);
		if (S_ISDIR(inode->i_mode))
			clear_nlink(inode);
		else if (inode->i_nlink)
			drop_nlink(inode);
		inode_set_ctime_current(inode);
		see_copyattr(inode);
		see_dir_modified(dir);
		if (!see_born(dir))
			d_drop(dentry);
	}
	see_end(&op);
out:
	see_side_end(&side);
	see_change_leave(dir->i_sb);
	return err;
}

static int see_unlink(struct inode *dir, struct dentry *dentry)
{
	return see_remove_op(dir, dentry);
}

static int see_rmdir(struct inode *dir, struct dentry *dentry)
{
	return see_remove_op(dir, dentry);
}

/* ---- renaming ---- */

/* move what was born here out of the way, to be discarded later */
static int see_set_aside(struct see_side *side, char *tmp)
{
	struct see_layer *layer = see_layer(side->dir->i_sb);
	struct dentry *place;
	struct qstr work;
	int err;

	err = see_place_of(side->dir, &place);
	if (err)
		return err;
	see_work_name(layer, tmp, SEE_WORK_NAME);
	work = (struct qstr)QSTR_INIT(tmp, strlen(tmp));
	return see_rename(place, &side->dentry->d_name, layer->work, &work, 0);
}

/* a host object that has this name by the host, or keeps it */
static bool see_by_host(const struct see_side *side)
{
	return side->kind != SEE_NAME_LINKED && !see_born(side->inode);
}

/* it gets a mark that says so */
static int see_link_here(struct see_side *side)
{
	int err;

	if (!see_by_host(side))
		return 0;
	err = see_dir_prepare(side->dir);
	if (!err)
		err = see_box(side->inode);
	return err ?: see_link_mark(side, side->inode);
}

/* it has one, here or where it went, and nothing can fail any more */
static void see_linked_here(struct see_side *side)
{
	if (!see_by_host(side))
		return;
	see_placed(side->inode, 1);
	/* it is covered by what it was exchanged with */
	see_unmark(side, true);
}

/* a mark that was made here is not to stay: as it was before */
static void see_unlink_mark(struct see_side *side)
{
	if (side->inode && side->kind == SEE_NAME_LINKED)
		see_link_mark(side, side->inode);
	else if (see_unmark_one(side, SEE_SUB_LINKED))
		see_names(side->dir)->stale = true;
}

static int see_move_linked(struct see_side *from, struct see_side *to,
			   unsigned int flags)
{
	struct dentry *sub, *target;
	int err;

	err = see_dir_prepare(to->dir);
	if (!err)
		err = see_sub(from->dir, SEE_SUB_LINKED, &sub);
	if (!err)
		err = see_sub(to->dir, SEE_SUB_LINKED, &target);
	if (!err)
		err = see_rename(sub, &from->dentry->d_name, target,
				 &to->dentry->d_name, flags);
	return err;
}

static int see_move_born(struct see_side *from, struct see_side *to,
			 unsigned int flags)
{
	struct dentry *place, *target;
	int err;

	err = see_place_of(from->dir, &place);
	if (!err)
		err = see_place_of(to->dir, &target);
	if (!err)
		err = see_rename(place, &from->dentry->d_name, target,
				 &to->dentry->d_name, flags);
	return err;
}

static enum see_name_kind see_kind_of(const struct inode *inode)
{
	return see_born(inode) ? SEE_NAME_BORN : SEE_NAME_LINKED;
}

/* two objects of the host */
static int see_exchange_linked(struct see_side *a, struct see_side *b)
{
	int err = see_link_here(a);

	if (err)
		return err;
	err = see_link_here(b);
	if (!err) {
		err = see_move_linked(a, b, RENAME_EXCHANGE);
		if (err && see_by_host(b))
			see_unlink_mark(b);
	}
	if (err && see_by_host(a))
		see_unlink_mark(a);
	return err;
}

/*
 * An object of the host and a born one: what is born covers the new mark until it moves,
 * and then the old one.
 */
static int see_exchange_mixed(struct see_side *born, struct see_side *host)
{
	int err;

	err = see_dir_prepare(born->dir);
	if (!err)
		err = see_box(host->inode);
	if (!err)
		err = see_link_mark(born, host->inode);
	if (err)
		return err;
	err = see_move_born(born, host, 0);
	if (err)
		see_unlink_mark(born);
	else if (host->kind == SEE_NAME_LINKED)
		see_unmark(host, true);
	return err;
}

static int see_exchange(struct see_side *a, struct see_side *b)
{
	int err;

	err = see_entomb(a, SEE_TOMB_REPLACED);
	if (!err)
		err = see_entomb(b, SEE_TOMB_REPLACED);
	if (err)
		return err;
	if (see_born(a->inode) && see_born(b->inode))
		err = see_move_born(a, b, RENAME_EXCHANGE);
	else if (see_born(a->inode))
		err = see_exchange_mixed(a, b);
	else if (see_born(b->inode))
		err = see_exchange_mixed(b, a);
	else
		err = see_exchange_linked(a, b);
	if (err)
		return err;
	see_linked_here(a);
	see_linked_here(b);
	see_leave(a, true);
	see_leave(b, true);
	see_record(a, see_kind_of(b->inode), b->inode);
	see_record(b, see_kind_of(a->inode), a->inode);
	see_drop_missed(a->inode);
	see_drop_missed(b->inode);
	return 0;
}

static int see_rename_born(struct see_side *s, struct see_side *t)
{
	int err;

	err = see_move_born(s, t, 0);
	if (err)
		return err;
	/* "made" wins, even over a mark that cannot be removed */
	if (t->inode && t->kind != SEE_NAME_BORN)
		see_unmark(t, true);
	return 0;
}

static int see_rename_host(struct see_side *s, struct see_side *t)
{
	struct see_layer *layer = see_layer(s->dir->i_sb);
	char tmp[SEE_WORK_NAME];
	bool aside = t->inode && t->kind == SEE_NAME_BORN;
	struct qstr work;
	int err;

	err = see_dir_prepare(t->dir);
	if (!err)
		err = see_box(s->inode);
	if (!err && aside)
		err = see_set_aside(t, tmp);
	if (err)
		return err;
	if (s->kind == SEE_NAME_LINKED)
		err = see_move_linked(s, t, 0);
	else
		err = see_link_mark(t, s->inode);
	if (!err && s->kind != SEE_NAME_LINKED) {
		/* the tombstone is there already: it only has to hide now */
		err = see_entomb(s, SEE_TOMB_HIDES);
		/* the kept name, where the host has nothing */
		if (!err && !s->removed)
			err = see_unmark(s, false);
		if (err)
			see_unlink_mark(t);
	}
	if (aside) {
		struct dentry *place;

		work = (struct qstr)QSTR_INIT(tmp, strlen(tmp));
		if (!err)
			see_remove(layer->work, &work);
		else if (!see_place_of(t->dir, &place))
			see_rename(layer->work, &work, place,
				   &t->dentry->d_name, 0);
	}
	if (err)
		return err;
	if (s->kind != SEE_NAME_LINKED) {
		see_placed(s->inode, 1);
		see_unmark(s, true);
	}
	if (t->kind == SEE_NAME_FOLLOW)
		see_unmark(t, true);
	return 0;
}

static int see_whiteout(struct see_side *side)
{
	struct dentry *place, *made;
	struct inode *inode;
	int err;

	err = see_place_of(side->dir, &place);
	if (!err)
		err = see_make(place, &side->dentry->d_name,
			       S_IFCHR | WHITEOUT_MODE, WHITEOUT_DEV, NULL, NULL,
			       &made);
	if (err)
		return err;
	inode = see_iget(side->dir->i_sb, NULL, made);
	dput(made);
	if (IS_ERR(inode)) {
		see_remove(place, &side->dentry->d_name);
		return PTR_ERR(inode);
	}
	see_quota_made(inode);
	see_record(side, SEE_NAME_BORN, inode);
	iput(inode);
	return 0;
}

static int see_rename_op(struct mnt_idmap *idmap, struct inode *old_dir,
			 struct dentry *old, struct inode *new_dir,
			 struct dentry *new, unsigned int flags)
{
	bool exchange = flags & RENAME_EXCHANGE;
	struct see_side s, t = {};
	struct see_op op;
	int err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	err = see_change_enter(old_dir->i_sb);
	if (err)
		return err;
	/* directories grow by it, and need not shrink */
	err = see_quota_check(see_layer(old_dir->i_sb), SEE_QUOTA_ROOM);
	if (err)
		goto out_gate;
	err = see_side_init(&s, old_dir, old);
	if (!err)
		err = see_side_init(&t, new_dir, new);
	if (!err && !see_born(s.inode))
		err = see_hold(old);
	if (!err && exchange && !see_born(t.inode))
		err = see_hold(new);
	if (!err && t.inode && !exchange)
		err = see_may_rmdir(t.inode);
	if (err)
		goto out;
	err = see_begin(old_dir->i_sb, &op);
	if (err)
		goto out;
	err = see_side_prepare(&s);
	if (!err)
		err = see_side_prepare(&t);
	if (err)
		goto out_end;
	if (exchange) {
		err = see_exchange(&s, &t);
		goto out_done;
	}
	err = see_unmark_below(&s);
	if (!err)
		err = see_entomb(&t, SEE_TOMB_REPLACED);
	/* shows nothing yet under what is born or linked, nor if it is REPLACED */
	if (!err)
		err = see_entomb(&s, s.kind == SEE_NAME_BORN ||
				 s.kind == SEE_NAME_LINKED ?
				 SEE_TOMB_HIDES : SEE_TOMB_REPLACED);
	if (err)
		goto out_end;
	if (see_born(s.inode))
		err = see_rename_born(&s, &t);
	else
		err = see_rename_host(&s, &t);
	if (err)
		goto out_end;
	see_leave(&s, true);
	if (t.inode) {
		see_leave(&t, true);
		see_lost(&t);
		see_forget_born(t.inode);
		if (S_ISDIR(t.inode->i_mode))
			clear_nlink(t.inode);
		else if (t.inode->i_nlink)
			drop_nlink(t.inode);
		see_copyattr(t.inode);
	}
	see_record(&t, see_kind_of(s.inode), s.inode);
	see_record(&s, SEE_NAME_ABSENT, NULL);
	see_drop_missed(s.inode);
	if (flags & RENAME_WHITEOUT) {
		s.kind = SEE_NAME_ABSENT;
		if (!s.entry)
			s.entry = see_name_alloc(&old->d_name, GFP_KERNEL_ACCOUNT);
		err = PTR_ERR_OR_ZERO(s.entry);
		if (!err)
			err = see_whiteout(&s);
		/* renamed, but the VFS will not know */
		if (err) {
			d_drop(old);
			d_drop(new);
		}
	}
out_done:
	if (!err) {
		inode_set_ctime_current(s.inode);
		see_copyattr(s.inode);
		see_set_priv(old);
		if (exchange) {
			see_copyattr(t.inode);
			see_set_priv(new);
		}
		see_dir_modified(old_dir);
		see_dir_modified(new_dir);
	}
out_end:
	see_end(&op);
out:
	see_side_end(&s);
	see_side_end(&t);
out_gate:
	see_change_leave(old_dir->i_sb);
	return err;
}

const struct inode_operations see_dir_iops = {
	.lookup		= see_lookup,
	.create		= see_create,
	.link		= see_link,
	.unlink		= see_unlink,
	.symlink	= see_symlink,
	.mkdir		= see_mkdir_op,
	.rmdir		= see_rmdir,
	.mknod		= see_mknod,
	.rename		= see_rename_op,
	.tmpfile	= see_tmpfile,
	.permission	= see_permission,
	.getattr	= see_getattr,
	.setattr	= see_setattr_op,
	.fileattr_get	= see_fileattr_get,
	.listxattr	= see_listxattr,
	SEE_ACL_OPS,
};
