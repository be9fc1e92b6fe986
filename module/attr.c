// SPDX-License-Identifier: GPL-2.0
/*
 * attr.c - attributes, permission, ACLs, extended attributes
 *
 * Owns nothing.  Three authorities: the private object for what was born, the
 * VFS inode for a host object whose attributes the SEE changed (written to the
 * private object by hold.c), the host object itself for everything else, as
 * it is now.
 */
#include <linux/fs.h>
#include <linux/fileattr.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <linux/security.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "data.h"
#include "gate.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "names.h"
#include "quota.h"

/* the object whose xattrs and ACLs count */
static struct dentry *see_real(const struct inode *inode)
{
	return see_priv(inode) ?: see_i(inode)->lower;
}

static int see_permits(struct mnt_idmap *idmap, struct inode *inode, int mask)
{
	struct inode *real;
	struct dentry *d;
	int err;

	if (unlikely(see_attr_stale(inode))) {
		if (mask & MAY_NOT_BLOCK)
			return -ECHILD;
		see_copyattr(inode);
		/* the VFS looked at what was there before */
		if ((mask & MAY_WRITE) && IS_IMMUTABLE(inode))
			return -EPERM;
	}
	if (see_test(inode, SEE_I_ATTRS))
		return generic_permission(idmap, inode, mask);
	d = see_born(inode) ? see_priv(inode) :
					  READ_ONCE(see_i(inode)->lower);
	/* in RCU walk the inode may be on its way out, and the dentry killed */
	real = d ? d_inode_rcu(d) : NULL;
	if (unlikely(!real))
		return mask & MAY_NOT_BLOCK ? -ECHILD : -ESTALE;
	/* a medium that is read-only below is no obstacle to private writes */
	if (unlikely(sb_rdonly(real->i_sb) && (mask & MAY_WRITE))) {
		err = generic_permission(see_nop_idmap, real, mask);
		if (err)
			return err;
		mask &= ~(MAY_WRITE | MAY_APPEND);
	}
	return inode_permission(see_nop_idmap, real, mask);
}

/**
 * see_permission - may the caller do this?
 * @idmap: of the mount
 * @inode: the object
 * @mask: MAY_*
 *
 * The answer that the host would give the same caller; on the way, what the
 * VFS will look at in the inode is brought up to date.
 *
 * Return: 0, -EACCES, -EPERM, -EROFS; -ECHILD in RCU walk if it must block.
 */
int see_permission(struct mnt_idmap *idmap, struct inode *inode, int mask)
{
	int err = 0;

	if (see_dead(inode))
		return -EIO;
	if ((mask & MAY_NOT_BLOCK) && see_look_barred(inode->i_sb))
		return -ECHILD;
	if (S_ISDIR(inode->i_mode))
		err = see_check_position(inode, mask);
	if (err || (mask & MAY_NOT_BLOCK))
		return err ?: see_permits(idmap, inode, mask);
	err = see_look_enter(inode->i_sb);
	if (err)
		return err;
	err = see_permits(idmap, inode, mask);
	see_look_leave(inode->i_sb);
	return err;
}

/* names of the SEE also count for a directory's times */
static void see_dir_times(struct inode *inode, struct kstat *stat)
{
	struct see_names *names = see_names(inode);
	int i;

	for (i = 0; names && i < SEE_NR_SUBS; i++) {
		struct dentry *sub = see_sub_of(names, i);
		struct timespec64 mtime, ctime;

		if (!sub || i == SEE_SUB_FOLLOW)
			continue;
		mtime = inode_get_mtime(d_inode(sub));
		ctime = inode_get_ctime(d_inode(sub));
		if (timespec64_compare(&mtime, &stat->mtime) > 0)
			stat->mtime = mtime;
		if (timespec64_compare(&ctime, &stat->ctime) > 0)
			stat->ctime = ctime;
	}
}

static int see_stat(struct mnt_idmap *idmap, struct inode *inode, struct kstat *stat,
		    u32 mask, unsigned int flags)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct see_inode *si = see_i(inode);
	bool born = see_born(inode);
	struct path real = {
		.mnt = born ? layer->priv.mnt : layer->lower.mnt,
		.dentry = born ? see_priv(inode) : si->lower,
	};
	const struct cred *old;
	int err = 0;

	if (S_ISREG(inode->i_mode) && !born)
		see_data_refresh(inode);
	if (real.dentry) {
		old = override_creds(layer->cred);
		err = vfs_getattr_nosec(&real, stat, mask, flags);
		revert_creds(old);
		if (err)
			return err;
	}
	see_copyattr(inode);
	if (!born && see_test(inode, SEE_I_ATTRS)) {
		struct timespec64 btime = stat->btime;
		u32 has_btime = real.dentry ? stat->result_mask & STATX_BTIME : 0;

		see_fillattr(idmap, mask, inode, stat);
		if (has_btime) {
			stat->btime = btime;
			stat->result_mask |= STATX_BTIME;
		}
		if (S_ISREG(inode->i_mode))
			stat->blocks = see_data_blocks(inode);
		stat->blksize = SEE_BLOCK_SIZE;
	} else {
		if (S_ISDIR(inode->i_mode) && !born)
			see_dir_times(inode, stat);
		/* ids as this mount maps them */
		stat->uid = vfsuid_into_kuid(i_uid_into_vfsuid(idmap, inode));
		stat->gid = vfsgid_into_kgid(i_gid_into_vfsgid(idmap, inode));
	}
	/* what the layer guarantees about identity */
	stat->ino = inode->i_ino;
	stat->dev = inode->i_sb->s_dev;
	stat->result_mask |= STATX_INO;
	stat->attributes &= ~STATX_ATTR_MOUNT_ROOT;
	stat->nlink = see_nlink(inode, born ? stat->nlink : 0);
	return 0;
}

/**
 * see_getattr - stat an object
 * @idmap: of the mount
 * @path: name of the object
 * @stat: filled in
 * @mask: STATX_*
 * @flags: AT_STATX_*
 */
int see_getattr(struct mnt_idmap *idmap, const struct path *path,
		struct kstat *stat, u32 mask, unsigned int flags)
{
	struct inode *inode = d_inode(path->dentry);
	int err = see_look_enter(inode->i_sb);

	if (err)
		return err;
	err = see_stat(idmap, inode, stat, mask, flags);
	see_look_leave(inode->i_sb);
	return err;
}

static int see_setattr_born(struct inode *inode, struct iattr *attr)
{
	struct dentry *priv = see_priv(inode);
	struct iattr a = *attr;
	struct see_op op;
	int err;

	if (see_dead(inode))
		return -EIO;
	/* the inner notify_change() works these out again */
	if (a.ia_valid & (ATTR_KILL_SUID | ATTR_KILL_SGID))
		a.ia_valid &= ~ATTR_MODE;
	a.ia_valid &= ~(ATTR_FILE | ATTR_OPEN);
	if (a.ia_valid & ATTR_SIZE) {
		err = get_write_access(d_inode(priv));
		if (err)
			return err;
	}
	err = see_begin(inode->i_sb, &op);
	if (!err) {
		err = see_setattr(priv, &a);
		see_end(&op);
	}
	if (attr->ia_valid & ATTR_SIZE)
		put_write_access(d_inode(priv));
	see_copyattr(inode);
	if (attr->ia_valid & ATTR_SIZE)
		see_quota_settle(inode);
	return err;
}

/**
 * see_fileattr_get - flags and project of an object, as lsattr(1) shows them
 * @dentry: a name of it
 * @fa: filled in
 *
 * They are the real object's; a layer cannot set any.
 *
 * Return: 0, or what the real object's file system says.
 */
int see_fileattr_get(struct dentry *dentry, struct file_kattr *fa)
{
	struct inode *inode = d_inode(dentry);
	const struct cred *old;
	struct dentry *real;
	int err;

	err = see_look_enter(inode->i_sb);
	if (err)
		return err;
	real = see_born(inode) ? see_priv(inode) : see_i(inode)->lower;
	old = override_creds(see_layer(inode->i_sb)->cred);
	err = real ? vfs_fileattr_get(real, fa) : -ENOIOCTLCMD;
	revert_creds(old);
	see_look_leave(inode->i_sb);
	return err;
}

/* what a write does to set-id bits and capabilities */
static bool see_within_change(const struct inode *inode)
{
	return READ_ONCE(see_i(inode)->writer) == current;
}

static int see_change_attrs(struct mnt_idmap *idmap, struct dentry *dentry,
			    struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	struct iattr was;
	int err;

	see_copyattr(inode);
	err = setattr_prepare(idmap, dentry, attr);
	if (err)
		return err;
	if (see_born(inode))
		return see_setattr_born(inode, attr);

	err = see_touch(dentry);
	if (err)
		return err;
	if (attr->ia_valid & ATTR_SIZE) {
		if (!S_ISREG(inode->i_mode))
			return -EINVAL;
		err = see_data_setsize(inode, attr->ia_size);
		if (err)
			return err;
		if (!(attr->ia_valid & ATTR_MTIME)) {
			inode_set_mtime_to_ts(inode,
					      inode_set_ctime_current(inode));
		}
	}
	was = (struct iattr) {
		.ia_mode = inode->i_mode, .ia_uid = inode->i_uid,
		.ia_gid = inode->i_gid, .ia_atime = inode_get_atime(inode),
		.ia_mtime = inode_get_mtime(inode),
		.ia_ctime = inode_get_ctime(inode),
	};
	setattr_copy(idmap, inode, attr);
	set_bit(SEE_I_ATTRDIRTY, &see_i(inode)->flags);
	mark_inode_dirty(inode);
	/* a truncated file is written back with its map */
	if (attr->ia_valid & ATTR_SIZE)
		return 0;
	err = see_persist(inode);
	if (err) {
		/* as it was; dirty still, if a part of it was written */
		inode->i_mode = was.ia_mode;
		inode->i_uid = was.ia_uid;
		inode->i_gid = was.ia_gid;
		inode_set_atime_to_ts(inode, was.ia_atime);
		inode_set_mtime_to_ts(inode, was.ia_mtime);
		inode_set_ctime_to_ts(inode, was.ia_ctime);
	}
	return err;
}

/**
 * see_setattr_op - change attributes or size
 * @idmap: of the mount
 * @dentry: name of the object
 * @attr: what to change
 */
int see_setattr_op(struct mnt_idmap *idmap, struct dentry *dentry,
		   struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	bool within = see_within_change(inode);
	int err = within ? 0 : see_change_enter(inode->i_sb);

	if (err)
		return err;
	err = see_change_attrs(idmap, dentry, attr);
	if (!within)
		see_change_leave(inode->i_sb);
	return err;
}

/* ---- ACLs ---- */

/**
 * see_get_inode_acl - the ACL that permission checks look at
 * @inode: the object
 * @type: ACL_TYPE_*
 * @rcu: RCU walk
 */
struct posix_acl *see_get_inode_acl(struct inode *inode, int type, bool rcu)
{
	struct posix_acl *acl = NULL;
	struct inode *real;
	struct dentry *d;

	if (rcu) {
		d = see_real(inode);
		real = d ? d_inode_rcu(d) : NULL;
		if (!real)
			return ERR_PTR(-ECHILD);
		return IS_POSIXACL(real) ? get_cached_acl_rcu(real, type) : NULL;
	}
	/* called within a look, a change or neither: it may stop to be what counts */
	spin_lock(&inode->i_lock);
	d = see_real(inode);
	if (d)
		dget(d);
	spin_unlock(&inode->i_lock);
	if (d && IS_POSIXACL(d_inode(d)))
		acl = see_real_acl(d_inode(d), type);
	dput(d);
	return acl;
}

/* ACL or xattr is written: what of the attributes cannot be is left dirty */
static void see_changed_attrs(struct inode *inode)
{
	inode_set_ctime_current(inode);
	set_bit(SEE_I_ATTRDIRTY, &see_i(inode)->flags);
	if (__see_persist(inode))
		mark_inode_dirty(inode);
}

static int see_change_acl(struct inode *inode, struct dentry *dentry,
			  struct posix_acl *acl, int type)
{
	const char *name = type == ACL_TYPE_ACCESS ? XATTR_NAME_POSIX_ACL_ACCESS :
						     XATTR_NAME_POSIX_ACL_DEFAULT;
	bool born = see_born(inode);
	umode_t mode = inode->i_mode;
	struct see_layer *layer = see_layer(inode->i_sb);
	struct posix_acl *copy = acl;
	struct see_op op;
	s64 before;
	int err = 0;

	if (type == ACL_TYPE_DEFAULT && !S_ISDIR(mode))
		return acl ? -EACCES : 0;
	if (acl)
		err = see_space_check(layer, SEE_QUOTA_ROOM);
	if (!err && !born)
		err = see_touch(dentry);
	if (err)
		return err;
	/* as the file system would: an ACL that says no more than the mode goes */
	if (type == ACL_TYPE_ACCESS && acl) {
		err = posix_acl_update_mode(see_nop_idmap, inode, &mode, &copy);
		if (err)
			return err;
	}
	err = see_begin(inode->i_sb, &op);
	if (err)
		return err;
	if (!born)
		err = __see_persist(inode);
	if (!err) {
		before = see_quota_xattrs(layer, see_priv(inode));
		err = see_vfs_set_acl(see_priv(inode), name, born ? acl : copy);
		see_quota_charge(layer, see_quota_xattrs(layer, see_priv(inode)) -
				 before);
		see_quota_settle(inode);
	}
	if (!err && born) {
		see_copyattr(inode);
		/* set-gid goes by the caller's rights, not the mounter's */
		if (mode != inode->i_mode) {
			struct iattr attr = {
				.ia_valid = ATTR_MODE, .ia_mode = mode,
			};

			err = see_setattr(see_priv(inode), &attr);
			see_copyattr(inode);
		}
	} else if (!err) {
		inode->i_mode = mode;
		see_changed_attrs(inode);
	}
	see_end(&op);
	return err;
}

static int see_write_acl(struct inode *inode, struct dentry *dentry,
			 struct posix_acl *acl, int type)
{
	int err = see_change_enter(inode->i_sb);

	if (err)
		return err;
	err = see_change_acl(inode, dentry, acl, type);
	see_change_leave(inode->i_sb);
	return err;
}

#ifdef SEE_HAVE_VFS_ACL_HAS
struct posix_acl *see_get_acl(struct mnt_idmap *idmap, struct dentry *dentry,
			      int type)
{
	return see_get_inode_acl(d_inode(dentry), type, false);
}

int see_set_acl(struct mnt_idmap *idmap, struct dentry *dentry,
		struct posix_acl *acl, int type)
{
	return see_write_acl(d_inode(dentry), dentry, acl, type);
}
#else
int see_set_acl(struct mnt_idmap *idmap, struct inode *inode,
		struct posix_acl *acl, int type)
{
	struct dentry *dentry = d_find_any_alias(inode);
	int err;

	if (!dentry)
		return -ESTALE;
	err = see_write_acl(inode, dentry, acl, type);
	dput(dentry);
	return err;
}
#endif

/* ---- extended attributes ---- */

static bool see_own_xattr(const char *name)
{
	return !strncmp(name, SEE_XATTR_PREFIX, strlen(SEE_XATTR_PREFIX));
}

static int see_xattr_get(const struct xattr_handler *handler,
			 struct dentry *dentry, struct inode *inode,
			 const char *name, void *value, size_t size)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	ssize_t len = -ENODATA;
	const struct cred *old;
	struct dentry *real;
	int err;

	if (see_own_xattr(name))
		return -ENODATA;
	err = see_look_enter(inode->i_sb);
	if (err)
		return err;
	real = see_real(inode);
	if (real) {
		old = override_creds(layer->cred);
		len = see_getxattr(real, name, value, size);
		revert_creds(old);
	}
	see_look_leave(inode->i_sb);
	return len;
}

/* @value is NULL to remove it */
static int see_xattr_write(struct inode *inode, const char *name,
			   const void *value, size_t size, int flags)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct dentry *priv = see_priv(inode);
	s64 before = see_quota_xattrs(layer, priv);
	int err;

	if (value)
		err = see_setxattr(priv, name, value, size, flags);
	else
		err = see_removexattr(priv, name);
	see_quota_charge(layer, see_quota_xattrs(layer, priv) - before);
	see_quota_settle(inode);
	return err;
}

static int see_xattr_set(const struct xattr_handler *handler,
			 struct mnt_idmap *idmap, struct dentry *dentry,
			 struct inode *inode, const char *name,
			 const void *value, size_t size, int flags)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	u64 room = value ? SEE_QUOTA_ROOM + size : 0;
	bool within = see_within_change(inode), born;
	struct see_op op;
	int err;

	if (see_own_xattr(name))
		return -EPERM;
	err = within ? 0 : see_change_enter(inode->i_sb);
	if (err)
		return err;
	err = see_quota_reserve(layer, room);
	if (err)
		goto out_gate;
	born = see_born(inode);
	if (value)
		err = see_space_floor(layer, size);
	if (!err && !born)
		err = see_touch(dentry);
	if (!err)
		err = see_begin(inode->i_sb, &op);
	if (err)
		goto out;
	if (!born)
		err = __see_persist(inode);
	if (!err)
		err = see_xattr_write(inode, name, value, size, flags);
	if (!err && !born)
		see_changed_attrs(inode);
	see_end(&op);
	see_copyattr(inode);
out:
	see_quota_release(layer, room);
out_gate:
	if (!within)
		see_change_leave(inode->i_sb);
	return err;
}

static const struct xattr_handler see_xattr_handler = {
	.prefix = "",
	.get = see_xattr_get,
	.set = see_xattr_set,
};

const struct xattr_handler * const see_xattr_handlers[] = {
	SEE_XATTR_HANDLERS(&see_xattr_handler),
	NULL
};

/**
 * see_listxattr - names of the extended attributes
 * @dentry: name of the object
 * @list: for the names, may be NULL
 * @size: of @list
 *
 * Without our own, and without what the caller could not read.
 */
ssize_t see_listxattr(struct dentry *dentry, char *list, size_t size)
{
	struct inode *inode = d_inode(dentry);
	struct see_layer *layer = see_layer(inode->i_sb);
	bool admin = capable(CAP_SYS_ADMIN);
	const struct cred *old;
	struct dentry *real;
	char *s, *end;
	ssize_t len;

	len = see_look_enter(inode->i_sb);
	if (len)
		return len;
	real = see_real(inode);
	if (real) {
		old = override_creds(layer->cred);
		len = vfs_listxattr(real, list, size);
		revert_creds(old);
	}
	see_look_leave(inode->i_sb);
	if (len <= 0 || !size)
		return len;
	for (s = list, end = list + len; s < end;) {
		size_t n = strnlen(s, end - s) + 1;

		if (n > end - s)
			return -EIO;
		if (see_own_xattr(s) ||
		    (!admin && !strncmp(s, XATTR_TRUSTED_PREFIX,
					XATTR_TRUSTED_PREFIX_LEN))) {
			memmove(s, s + n, end - s - n);
			end -= n;
			continue;
		}
		s += n;
	}
	return end - list;
}

static struct dentry *see_link_source(const struct inode *inode)
{
	struct see_inode *si = see_i(inode);

	return see_born(inode) || !si->lower ? see_priv(inode) : si->lower;
}

static const char *see_get_link(struct dentry *dentry, struct inode *inode,
				struct delayed_call *done)
{
	struct dentry *real;
	const struct cred *old;
	const char *target;
	int err;

	/* what the host's file system may do in RCU walk is its own affair */
	if (!dentry) {
		const struct inode *target_inode;

		if (see_look_barred(inode->i_sb))
			return ERR_PTR(-ECHILD);
		real = see_link_source(inode);
		target_inode = real ? d_inode_rcu(real) : NULL;
		target = target_inode ? READ_ONCE(target_inode->i_link) : NULL;
		return target ?: ERR_PTR(-ECHILD);
	}
	err = see_look_enter(inode->i_sb);
	if (err)
		return ERR_PTR(err);
	target = ERR_PTR(-EIO);
	real = see_link_source(inode);
	if (real) {
		old = override_creds(see_layer(inode->i_sb)->cred);
		target = vfs_get_link(real, done);
		revert_creds(old);
	}
	see_look_leave(inode->i_sb);
	return target;
}

const struct inode_operations see_file_iops = {
	.permission	= see_permission,
	.getattr	= see_getattr,
	.setattr	= see_setattr_op,
	.fileattr_get	= see_fileattr_get,
	.listxattr	= see_listxattr,
	SEE_ACL_OPS,
};

const struct inode_operations see_link_iops = {
	.permission	= see_permission,
	.getattr	= see_getattr,
	.setattr	= see_setattr_op,
	.listxattr	= see_listxattr,
	.get_link	= see_get_link,
};
