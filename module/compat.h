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
#include <linux/posix_acl_xattr.h>
#include <linux/slab.h>
#include <linux/user_namespace.h>
#include <linux/xattr.h>

#ifdef SEE_HAVE_HEX_OWN_HEADER
#include <linux/hex.h>
#endif

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

#ifdef SEE_HAVE_FILEATTR_PLAIN
#define file_kattr fileattr
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

static inline int see_encode_inode_fh(struct inode *inode, struct fid *fid, int *words)
{
#ifdef SEE_HAVE_ENCODE_FH_FLAGS
	return exportfs_encode_inode_fh(inode, fid, words, NULL, 0);
#else
	return exportfs_encode_inode_fh(inode, fid, words, NULL);
#endif
}

/* @isnew: it is still being made, by somebody else */
static inline struct inode *see_ilookup5_nowait(struct super_block *sb, u64 hash,
						int (*test)(struct inode *inode, void *data),
						void *data, bool *isnew)
{
#ifdef SEE_HAVE_ILOOKUP_ISNEW
	return ilookup5_nowait(sb, hash, test, data, isnew);
#else
	struct inode *inode = ilookup5_nowait(sb, hash, test, data);

	*isnew = inode && see_inode_is_new(inode);
	return inode;
#endif
}

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

/* an ACL as bytes, to be freed; NULL if there is no memory for them */
static inline void *see_acl_bytes(const struct posix_acl *acl, size_t *size)
{
#ifdef SEE_HAVE_ACL_BYTES_ALLOC
	return posix_acl_to_xattr(&init_user_ns, acl, size, GFP_KERNEL);
#else
	void *buf;

	*size = posix_acl_xattr_size(acl->a_count);
	buf = kmalloc(*size, GFP_KERNEL);
	if (buf && posix_acl_to_xattr(&init_user_ns, acl, buf, *size) < 0) {
		kfree(buf);
		buf = NULL;
	}
	return buf;
#endif
}

/* ---- names ---- */

#ifdef SEE_HAVE_FOR_EACH_ALIAS_HASNOT
/* all names of an inode, whose i_lock is held */
#define for_each_alias(dentry, inode) \
	hlist_for_each_entry(dentry, &(inode)->i_dentry, d_u.d_alias)
#endif

/* @dir is not locked; the dentry may be negative */
static inline struct dentry *see_lookup_one(struct mnt_idmap *idmap, const char *name,
					    int len, struct dentry *dir)
{
#ifdef SEE_HAVE_DIROPS_START
	return lookup_one_unlocked(idmap, &QSTR_LEN(name, len), dir);
#else
	return lookup_one_unlocked(idmap, name, dir, len);
#endif
}

/*
 * What makes, removes and renames: see_start_*() locks the directories and looks
 * the names up with the caller's right to, see_end_*() unlocks and puts.
 */
#ifdef SEE_HAVE_DIROPS_START
static inline struct dentry *see_start_creating(struct dentry *dir,
						const struct qstr *name)
{
	return start_creating(see_nop_idmap, dir, &QSTR_LEN(name->name, name->len));
}

static inline struct dentry *see_start_removing(struct dentry *dir,
						const struct qstr *name)
{
	return start_removing(see_nop_idmap, dir, &QSTR_LEN(name->name, name->len));
}

static inline void see_end_creating(struct dentry *dir, struct dentry *dentry)
{
	end_creating(dentry);
}

static inline void see_end_removing(struct dentry *dir, struct dentry *dentry)
{
	end_removing(dentry);
}

static inline int see_start_renaming(struct renamedata *rd, struct dentry *from,
				     const struct qstr *old, struct dentry *to,
				     const struct qstr *new)
{
	rd->mnt_idmap = see_nop_idmap;
	rd->old_parent = from;
	rd->new_parent = to;
	return start_renaming(rd, 0, &QSTR_LEN(old->name, old->len),
			      &QSTR_LEN(new->name, new->len));
}

static inline void see_end_renaming(struct renamedata *rd, struct dentry *from,
				    struct dentry *to)
{
	end_renaming(rd);
}

static inline int see_vfs_create(struct dentry *dir, struct dentry *dentry, umode_t mode)
{
	return vfs_create(see_nop_idmap, dentry, mode, NULL);
}

/* what the mkdir of struct inode_operations returns */
#define see_mkdir_t struct dentry *
#define see_mkdir_ret(err) ERR_PTR(err)

#define see_vfs_mkdir(dir, dentry, mode) \
	vfs_mkdir(see_nop_idmap, d_inode(dir), dentry, mode, NULL)
#define see_vfs_mknod(dir, dentry, mode, rdev) \
	vfs_mknod(see_nop_idmap, d_inode(dir), dentry, mode, rdev, NULL)
#define see_vfs_symlink(dir, dentry, target) \
	vfs_symlink(see_nop_idmap, d_inode(dir), dentry, target, NULL)
#define see_vfs_rmdir(dir, dentry) \
	vfs_rmdir(see_nop_idmap, d_inode(dir), dentry, NULL)

/* what must be given back before a name can be changed: a delegation */
#define see_delegated delegated_inode
#define see_is_delegated is_delegated
#define see_break_deleg_wait break_deleg_wait
#define see_rename_delegated(rd, d) ((rd)->delegated_inode = (d))
#else
/* -EEXIST for a name that is there and should not be, or -ENOENT */
static inline struct dentry *see_start_dirop(struct dentry *dir, const struct qstr *name,
					     bool there)
{
	struct dentry *dentry;

	inode_lock_nested(d_inode(dir), I_MUTEX_PARENT);
	dentry = lookup_one_len((const char *)name->name, dir, name->len);
	if (!IS_ERR(dentry) && d_is_positive(dentry) != there) {
		dput(dentry);
		dentry = ERR_PTR(there ? -ENOENT : -EEXIST);
	}
	if (IS_ERR(dentry))
		inode_unlock(d_inode(dir));
	return dentry;
}

#define see_start_creating(dir, name) see_start_dirop(dir, name, false)
#define see_start_removing(dir, name) see_start_dirop(dir, name, true)

/* nothing to do for an error */
static inline void see_end_creating(struct dentry *dir, struct dentry *dentry)
{
	if (IS_ERR(dentry))
		return;
	inode_unlock(d_inode(dir));
	dput(dentry);
}

#define see_end_removing see_end_creating

/*
 * -ENOENT if the old name is not there; the new one may be.  -EINVAL or -ENOTEMPTY
 * if one of them is a directory above the other.
 */
static inline int see_start_renaming(struct renamedata *rd, struct dentry *from,
				     const struct qstr *old, struct dentry *to,
				     const struct qstr *new)
{
	struct dentry *trap;
	int err;

#ifdef SEE_HAVE_GETATTR_USER_NS
	rd->old_mnt_userns = see_nop_idmap;
	rd->new_mnt_userns = see_nop_idmap;
#else
	rd->old_mnt_idmap = see_nop_idmap;
	rd->new_mnt_idmap = see_nop_idmap;
#endif
	rd->old_dir = d_inode(from);
	rd->new_dir = d_inode(to);
	trap = lock_rename(from, to);
	if (IS_ERR(trap))
		return PTR_ERR(trap);
	rd->old_dentry = lookup_one_len((const char *)old->name, from, old->len);
	if (IS_ERR(rd->old_dentry)) {
		err = PTR_ERR(rd->old_dentry);
		goto out_unlock;
	}
	err = -ENOENT;
	if (d_is_negative(rd->old_dentry))
		goto out_old;
	rd->new_dentry = lookup_one_len((const char *)new->name, to, new->len);
	if (IS_ERR(rd->new_dentry)) {
		err = PTR_ERR(rd->new_dentry);
		goto out_old;
	}
	err = -EINVAL;
	if (rd->old_dentry == trap)
		goto out_new;
	err = -ENOTEMPTY;
	if (rd->new_dentry == trap)
		goto out_new;
	return 0;
out_new:
	dput(rd->new_dentry);
out_old:
	dput(rd->old_dentry);
out_unlock:
	unlock_rename(from, to);
	return err;
}

static inline void see_end_renaming(struct renamedata *rd, struct dentry *from,
				    struct dentry *to)
{
	unlock_rename(from, to);
	dput(rd->old_dentry);
	dput(rd->new_dentry);
}

static inline int see_vfs_create(struct dentry *dir, struct dentry *dentry, umode_t mode)
{
	return vfs_create(see_nop_idmap, d_inode(dir), dentry, mode, true);
}

/* the dentry may be another one; on error it is put and @dir unlocked */
static inline struct dentry *see_vfs_mkdir(struct dentry *dir, struct dentry *dentry,
					   umode_t mode)
{
	struct dentry *again;
	int err;

	err = vfs_mkdir(see_nop_idmap, d_inode(dir), dentry, mode);
	if (!err && d_is_positive(dentry))
		return dentry;
	/* it may leave the name for the next lookup to find */
	again = err ? ERR_PTR(err) : lookup_one_len((const char *)dentry->d_name.name,
						    dir, dentry->d_name.len);
	if (!IS_ERR(again) && d_is_negative(again)) {
		dput(again);
		again = ERR_PTR(-EIO);
	}
	if (IS_ERR(again))
		inode_unlock(d_inode(dir));
	dput(dentry);
	return again;
}

#define see_vfs_mknod(dir, dentry, mode, rdev) \
	vfs_mknod(see_nop_idmap, d_inode(dir), dentry, mode, rdev)
#define see_vfs_symlink(dir, dentry, target) \
	vfs_symlink(see_nop_idmap, d_inode(dir), dentry, target)
#define see_vfs_rmdir(dir, dentry) \
	vfs_rmdir(see_nop_idmap, d_inode(dir), dentry)

#define see_mkdir_t int
#define see_mkdir_ret(err) (err)

struct see_delegated {
	struct inode *inode;
};

static inline bool see_is_delegated(const struct see_delegated *d)
{
	return d->inode;
}

#define see_break_deleg_wait(d) break_deleg_wait(&(d)->inode)
#define see_rename_delegated(rd, d) ((rd)->delegated_inode = &(d)->inode)
#endif

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
