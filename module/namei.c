// SPDX-License-Identifier: GPL-2.0
/*
 * namei.c - names made and removed
 *
 * Owns nothing; works under the i_rwsem of the directory that the VFS holds.
 * side.c has what is done about a name, and the order of what is on disk.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/posix_acl.h>
#include <linux/slab.h>

#include "gate.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "mark.h"
#include "namei.h"
#include "names.h"
#include "quota.h"
#include "side.h"
#include "tree.h"

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
		err = see_side_entomb(&side, SEE_TOMB_REPLACED);
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
		see_side_record(&side, SEE_NAME_BORN, inode);
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
		err = see_side_entomb(&side, SEE_TOMB_REPLACED);
	if (err)
		goto out_end;
	if (see_born(inode)) {
		err = see_place_of(dir, &place);
		if (!err)
			err = see_make(place, &new->d_name, inode->i_mode, 0,
				       NULL, see_priv(inode), NULL);
		if (!err)
			see_side_record(&side, SEE_NAME_BORN, inode);
	} else {
		err = see_dir_prepare(dir);
		if (!err)
			err = see_box(inode);
		if (!err)
			err = see_side_mark(&side, inode);
		if (!err) {
			see_placed(inode, 1);
			see_side_record(&side, SEE_NAME_LINKED, inode);
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

/**
 * see_may_rmdir() - may an object go, as far as its contents are concerned?
 * @inode: the object, whose i_rwsem is held if it is a directory
 *
 * Return: 0, -ENOTEMPTY, or an error of listing it.
 */
int see_may_rmdir(struct inode *inode)
{
	return S_ISDIR(inode->i_mode) ? see_dir_empty(inode) : 0;
}

/**
 * see_forget_born() - a born directory is gone: so are marks of names linked into it
 * @inode: what is gone; nothing is done unless it is such a directory
 *
 * Context: between see_begin() and see_end().
 */
void see_forget_born(struct inode *inode)
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
		err = see_side_unmark_below(&side);
	if (!err)
		err = see_side_entomb(&side, SEE_TOMB_HIDES);
	if (!err && side.kind == SEE_NAME_BORN) {
		err = see_place_of(dir, &place);
		if (!err)
			err = see_remove(place, &dentry->d_name);
	} else if (!err) {
		/* a tombstone hides what is followed */
		bool done = side.kind == SEE_NAME_FOLLOW && side.removed;

		err = see_side_leave(&side, false);
		if (!err)
			err = see_side_unmark(&side, done);
		if (done)
			err = 0;
	}
	if (!err) {
		see_side_lost(&side);
		see_side_record(&side, SEE_NAME_ABSENT, NULL);
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
