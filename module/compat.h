/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between kernels.  The sources are written for the newest shape
 * of every interface; this file supplies it to older kernels, by what the
 * compile probes of probes/ found, never by version numbers.
 */
#ifndef SEE_COMPAT_H
#define SEE_COMPAT_H

#include <linux/exportfs.h>
#include <linux/fs.h>
#include <linux/mnt_idmapping.h>
#include <linux/namei.h>
#include <linux/posix_acl.h>
#include <linux/xattr.h>

#ifndef CONFIG_64BIT
#error "seefs keeps two sequence counts in one long: 64-bit kernels only"
#endif

#ifdef SEE_HAVE_GETATTR_USER_NS
#define mnt_idmap user_namespace
#define see_nop_idmap (&init_user_ns)
#define see_mnt_idmap(mnt) mnt_user_ns(mnt)
#else
#define see_nop_idmap (&nop_mnt_idmap)
#define see_mnt_idmap(mnt) mnt_idmap(mnt)
#endif

/* test_bit_acquire() is newer than 6.1 */
static inline bool see_test_acquire(int bit, const unsigned long *addr)
{
	/* pairs with the barriers before set_bit() in hold.c */
	return smp_load_acquire(addr) & BIT(bit);
}

#ifdef SEE_HAVE_VFS_ACL_HAS
static inline struct posix_acl *see_vfs_get_acl(struct dentry *dentry,
						const char *name)
{
	return vfs_get_acl(see_nop_idmap, dentry, name);
}

static inline int see_vfs_set_acl(struct dentry *dentry, const char *name,
				  struct posix_acl *acl)
{
	return vfs_set_acl(see_nop_idmap, dentry, name, acl);
}
#else
#include <linux/posix_acl_xattr.h>
#include <linux/string.h>

static inline int see_acl_type(const char *name)
{
	return strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS) ? ACL_TYPE_DEFAULT :
							   ACL_TYPE_ACCESS;
}

static inline struct posix_acl *see_vfs_get_acl(struct dentry *dentry,
						const char *name)
{
	return get_acl(d_inode(dentry), see_acl_type(name));
}

static inline int see_vfs_set_acl(struct dentry *dentry, const char *name,
				  struct posix_acl *acl)
{
	struct inode *inode = d_inode(dentry);
	int err;

	inode_lock(inode);
	err = set_posix_acl(see_nop_idmap, inode, see_acl_type(name), acl);
	inode_unlock(inode);
	return err;
}
#endif

/* the names in memory of a directory, whose d_lock is held */
#ifdef SEE_HAVE_D_CHILDREN_HLIST
#define see_for_each_child(child, dir) \
	hlist_for_each_entry(child, &(dir)->d_children, d_sib)
#else
#define see_for_each_child(child, dir) \
	list_for_each_entry(child, &(dir)->d_subdirs, d_child)
#endif

/* ---- inodes ---- */

#ifdef SEE_HAVE_I_STATE_FLAGS
static inline bool see_inode_is_new(struct inode *inode)
{
	return inode_state_read_once(inode) & I_NEW;
}
#else
static inline bool see_inode_is_new(struct inode *inode)
{
	return READ_ONCE(inode->i_state) & I_NEW;
}
#endif

#ifdef SEE_HAVE_INODE_GET_MTIME_HASNOT
static inline struct timespec64 inode_get_mtime(const struct inode *inode)
{
	return inode->i_mtime;
}

static inline struct timespec64 inode_get_atime(const struct inode *inode)
{
	return inode->i_atime;
}

static inline void inode_set_mtime_to_ts(struct inode *inode,
					 struct timespec64 ts)
{
	inode->i_mtime = ts;
}

static inline void inode_set_atime_to_ts(struct inode *inode,
					 struct timespec64 ts)
{
	inode->i_atime = ts;
}
#endif

#ifdef SEE_HAVE_FILLATTR_MASK
static inline void see_fillattr(struct mnt_idmap *idmap, u32 mask,
				struct inode *inode, struct kstat *stat)
{
	generic_fillattr(idmap, mask | STATX_BASIC_STATS, inode, stat);
}
#else
static inline void see_fillattr(struct mnt_idmap *idmap, u32 mask,
				struct inode *inode, struct kstat *stat)
{
	generic_fillattr(idmap, inode, stat);
}
#endif

/* ---- ACLs ---- */

#ifdef SEE_HAVE_VFS_ACL_HAS
#define SEE_XATTR_HANDLERS(own) (own)

static inline struct posix_acl *see_real_acl(struct inode *inode, int type)
{
	return get_inode_acl(inode, type);
}
#else
#define SEE_XATTR_HANDLERS(own) \
	&posix_acl_access_xattr_handler, \
	&posix_acl_default_xattr_handler, \
	(own)

static inline struct posix_acl *see_real_acl(struct inode *inode, int type)
{
	return get_acl(inode, type);
}
#endif

#ifdef SEE_HAVE_VFS_ACL_HAS
#define see_set_acl_locked(dentry, type, acl) \
	set_posix_acl(see_nop_idmap, dentry, type, acl)
#else
#define see_set_acl_locked(dentry, type, acl) \
	set_posix_acl(see_nop_idmap, d_inode(dentry), type, acl)
#endif

/* ---- names ---- */

static inline void see_rename_idmaps(struct renamedata *rd)
{
#ifdef SEE_HAVE_GETATTR_USER_NS
	rd->old_mnt_userns = see_nop_idmap;
	rd->new_mnt_userns = see_nop_idmap;
#else
	rd->old_mnt_idmap = see_nop_idmap;
	rd->new_mnt_idmap = see_nop_idmap;
#endif
}

#ifdef SEE_HAVE_D_REVALIDATE_NAME
static inline int see_d_revalidate(struct dentry *dentry, unsigned int flags)
{
	struct dentry *parent = dget_parent(dentry);
	struct name_snapshot snap;
	int ret;

	take_dentry_name_snapshot(&snap, dentry);
	ret = dentry->d_op->d_revalidate(d_inode(parent), &snap.name, dentry,
					 flags);
	release_dentry_name_snapshot(&snap);
	dput(parent);
	return ret;
}
#else
static inline int see_d_revalidate(struct dentry *dentry, unsigned int flags)
{
	return dentry->d_op->d_revalidate(dentry, flags);
}
#endif

#ifdef SEE_HAVE_S_D_OP_SETTER
#define see_set_d_op(sb, ops) set_default_d_op(sb, ops)
#else
#define see_set_d_op(sb, ops) ((sb)->s_d_op = (ops))
#endif

#ifdef SEE_HAVE_TMPFILE_OPEN_KERNEL
static inline struct file *see_tmpfile_open(const struct path *parent,
					    umode_t mode, int flags,
					    const struct cred *cred)
{
	return kernel_tmpfile_open(see_nop_idmap, parent, mode, flags, cred);
}
#else
static inline struct file *see_tmpfile_open(const struct path *parent,
					    umode_t mode, int flags,
					    const struct cred *cred)
{
	return vfs_tmpfile_open(see_nop_idmap, parent, mode, flags, cred);
}
#endif

/* ---- superblocks ---- */

#ifdef SEE_HAVE_S_XATTR_ARRAY
#define see_set_xattr(sb, handlers) ((sb)->s_xattr = (handlers))
#else
#define see_set_xattr(sb, handlers) \
	((sb)->s_xattr = (const struct xattr_handler **)(handlers))
#endif

#ifdef SEE_HAVE_ADD_MARK_OBJECT
#define see_add_sb_mark(mark, sb) \
	fsnotify_add_mark(mark, sb, FSNOTIFY_OBJ_TYPE_SB, 0)
#else
#define see_add_sb_mark(mark, sb) \
	fsnotify_add_mark(mark, &(sb)->s_fsnotify_marks, \
			  FSNOTIFY_OBJ_TYPE_SB, 0, NULL)
#endif

static inline bool see_has_encoding(const struct super_block *sb)
{
#if IS_ENABLED(CONFIG_UNICODE)
	return sb->s_encoding;
#else
	return false;
#endif
}

static inline bool see_can_decode(const struct super_block *sb)
{
	return sb->s_export_op && sb->s_export_op->fh_to_dentry;
}

/* ---- descriptors ---- */

#ifdef SEE_HAVE_RECEIVE_FD_UFD
#define see_receive_fd(file, flags) receive_fd(file, NULL, flags)
#else
#define see_receive_fd(file, flags) receive_fd(file, flags)
#endif

#endif /* SEE_COMPAT_H */
