// SPDX-License-Identifier: GPL-2.0
/*
 * lower.c - every change of the private tree, under the mounter's credentials
 *
 * Owns nothing.  see_begin() takes the private mount's write access and
 * see_layer.cred; see_end() gives both back.  The private directories are
 * locked here, below whatever the caller holds of seefs itself.
 */
#include <linux/file.h>
#include <linux/fsnotify.h>
#include <linux/fs_struct.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/posix_acl_xattr.h>
#include <linux/sched/mm.h>
#include <linux/siphash.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "compat_data.h"
#include "lower.h"

struct see_job {
	struct work_struct work;
	int (*run)(void *arg);
	void *arg;
	int err;
};

static void see_job_run(struct work_struct *work)
{
	struct see_job *job = container_of(work, struct see_job, work);

	job->err = job->run(job->arg);
}

/**
 * see_run_aside - do something as nobody's task
 * @run: what
 * @arg: for @run
 *
 * Without the limits, the signals, the credentials and the umask of the caller, who
 * has no umask any more if it is exiting, and cannot make a file then.
 *
 * Context: may sleep, and waits; @run must need nothing that the caller holds.
 *
 * Return: what @run returned.
 */
int see_run_aside(int (*run)(void *arg), void *arg)
{
	struct see_job job = { .run = run, .arg = arg };

	INIT_WORK_ONSTACK(&job.work, see_job_run);
	queue_work(system_unbound_wq, &job.work);
	flush_work(&job.work);
	destroy_work_on_stack(&job.work);
	return job.err;
}

/**
 * see_close - close a file of the private tree
 * @file: opened by the caller, for itself
 *
 * A kernel thread's fput() comes later, perhaps after an unmount that was to leave
 * nothing of that file system open.
 */
void see_close(struct file *file)
{
	if (current->flags & PF_KTHREAD)
		__fput_sync(file);
	else
		fput(file);
}

/**
 * see_begin - start to work on the private tree
 * @sb: the layer's superblock
 * @op: for see_end()
 *
 * Return: 0, or -EROFS if the private tree's mount is read-only.
 */
int see_begin(struct super_block *sb, struct see_op *op)
{
	int err;

	op->layer = see_layer(sb);
	op->cred = NULL;
	err = mnt_want_write(op->layer->priv.mnt);
	if (err)
		return err;
	op->old = override_creds(op->layer->cred);
	return 0;
}

/**
 * see_begin_as_caller - see_begin() for what will belong to the caller
 * @sb: the layer's superblock
 * @op: for see_end()
 *
 * The mounter's rights with the caller's fsuid and fsgid: what is born belongs
 * to who made it.
 */
int see_begin_as_caller(struct super_block *sb, struct see_op *op)
{
	kuid_t uid = current_fsuid();
	kgid_t gid = current_fsgid();
	struct cred *cred;
	int err;

	err = see_begin(sb, op);
	if (err)
		return err;
	cred = prepare_creds();
	if (!cred) {
		see_end(op);
		return -ENOMEM;
	}
	cred->fsuid = uid;
	cred->fsgid = gid;
	revert_creds(op->old);
	op->old = override_creds(cred);
	op->cred = cred;
	return 0;
}

/**
 * see_end - end of see_begin() or see_begin_as_caller()
 * @op: as filled in there
 */
void see_end(struct see_op *op)
{
	revert_creds(op->old);
	if (op->cred)
		put_cred(op->cred);
	mnt_drop_write(op->layer->priv.mnt);
}

/**
 * see_lookup_priv - find a name in a private directory that is not locked
 * @dir: private directory
 * @name: not terminated
 * @len: of @name
 *
 * Return: a positive dentry, -ENOENT, or another error.
 */
struct dentry *see_lookup_priv(struct dentry *dir, const char *name, int len)
{
	struct dentry *dentry;

	dentry = see_lookup_one(see_nop_idmap, name, len, dir);
	if (!IS_ERR(dentry) && d_is_negative(dentry)) {
		dput(dentry);
		return ERR_PTR(-ENOENT);
	}
	return dentry;
}

/**
 * see_make - make an entry in a private directory
 * @dir: private directory, not locked
 * @name: of the entry
 * @mode: type and permissions; the umask of the caller applies as the file
 *	  system sees fit
 * @rdev: for device nodes
 * @target: for symlinks
 * @link: for a hard link: of what
 * @made: dentry of the new object, to be put by the caller; may be NULL
 */
int see_make(struct dentry *dir, const struct qstr *name, umode_t mode, dev_t rdev,
	     const char *target, struct dentry *link, struct dentry **made)
{
	struct dentry *dentry = see_start_creating(dir, name);
	int err = 0;

	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	if (link)
		err = vfs_link(link, see_nop_idmap, d_inode(dir), dentry, NULL);
	else if (S_ISDIR(mode))
		dentry = see_vfs_mkdir(dir, dentry, mode);
	else if (S_ISLNK(mode))
		err = see_vfs_symlink(dir, dentry, target);
	else if (S_ISREG(mode))
		err = see_vfs_create(dir, dentry, mode);
	else
		err = see_vfs_mknod(dir, dentry, mode, rdev);
	if (IS_ERR(dentry))
		err = PTR_ERR(dentry);
	if (!err && made)
		*made = dget(dentry);
	see_end_creating(dir, dentry);
	return err;
}

/**
 * see_mkdir - the directory of that name, made if it is not there
 * @dir: private directory, not locked
 * @name: terminated
 * @made: its dentry, to be put by the caller; NULL on failure
 *
 * Root's alone: nothing but the module walks there.
 */
int see_mkdir(struct dentry *dir, const char *name, struct dentry **made)
{
	struct qstr q = QSTR_INIT(name, strlen(name));
	struct dentry *found = see_lookup_priv(dir, name, q.len);
	int err = PTR_ERR_OR_ZERO(found);

	if (err == -ENOENT) {
		err = see_make(dir, &q, S_IFDIR | 0700, 0, NULL, NULL, &found);
	} else if (!err && !d_is_dir(found)) {
		dput(found);
		err = -EUCLEAN;
	}
	*made = err ? NULL : found;
	return err;
}

/**
 * see_remove - unlink or rmdir in a private directory
 * @dir: private directory, not locked
 * @name: of the entry
 */
int see_remove(struct dentry *dir, const struct qstr *name)
{
	struct dentry *dentry = see_start_removing(dir, name);
	int err;

	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	if (d_is_dir(dentry))
		err = see_vfs_rmdir(dir, dentry);
	else
		err = vfs_unlink(see_nop_idmap, d_inode(dir), dentry, NULL);
	see_end_removing(dir, dentry);
	return err;
}

/**
 * see_rename - rename within the private tree
 * @from: private directory, not locked
 * @old: name there
 * @to: private directory, not locked
 * @new: name there
 * @flags: RENAME_*
 */
int see_rename(struct dentry *from, const struct qstr *old, struct dentry *to,
	       const struct qstr *new, unsigned int flags)
{
	struct renamedata rd = { };
	int err;

	err = see_start_renaming(&rd, from, old, to, new);
	if (err)
		return err;
	rd.flags = flags;
	err = vfs_rename(&rd);
	see_end_renaming(&rd, from, to);
	return err;
}

/**
 * see_setattr - notify_change() on a private object
 * @dentry: the object
 * @attr: what to set
 */
int see_setattr(struct dentry *dentry, struct iattr *attr)
{
	struct inode *inode = d_inode(dentry);
	int err;

	inode_lock(inode);
	err = notify_change(see_nop_idmap, dentry, attr, NULL);
	inode_unlock(inode);
	return err;
}

/**
 * see_give_attrs - give a private object mode, owner and times of another
 * @dentry: the private object
 * @like: inode of the other, of the same type or of one that stands for it
 */
int see_give_attrs(struct dentry *dentry, const struct inode *like)
{
	struct iattr attr = {
		.ia_valid = ATTR_MODE | ATTR_UID | ATTR_GID | ATTR_ATIME |
			    ATTR_MTIME | ATTR_ATIME_SET | ATTR_MTIME_SET |
			    ATTR_FORCE,
		/* what stands for a device is a plain file */
		.ia_mode = (like->i_mode & 07777) | (d_inode(dentry)->i_mode & S_IFMT),
		.ia_uid = like->i_uid,
		.ia_gid = like->i_gid,
		.ia_atime = inode_get_atime(like),
		.ia_mtime = inode_get_mtime(like),
	};
	int err;

	if (S_ISLNK(like->i_mode))
		attr.ia_valid &= ~ATTR_MODE;
	err = see_setattr(dentry, &attr);
	/* a change of owner takes set-id bits away: give them back */
	if (!err && (like->i_mode & (S_ISUID | S_ISGID)) &&
	    (d_inode(dentry)->i_mode & 07777) != (like->i_mode & 07777)) {
		attr.ia_valid = ATTR_MODE | ATTR_FORCE;
		err = see_setattr(dentry, &attr);
	}
	return err;
}

int see_setxattr(struct dentry *dentry, const char *name, const void *value,
		 size_t size, int flags)
{
	return vfs_setxattr(see_nop_idmap, dentry, name, value, size, flags);
}

int see_removexattr(struct dentry *dentry, const char *name)
{
	return vfs_removexattr(see_nop_idmap, dentry, name);
}

ssize_t see_getxattr(struct dentry *dentry, const char *name, void *value,
		     size_t size)
{
	return vfs_getxattr(see_nop_idmap, dentry, name, value, size);
}

/* not to be handled as bytes: a mark, or an ACL, which XFS shows a second time */
static bool see_xattr_ours(const char *name)
{
	static const char xfs_acl[] = XATTR_TRUSTED_PREFIX "SGI_ACL_";

	return !strncmp(name, SEE_XATTR_PREFIX, strlen(SEE_XATTR_PREFIX)) ||
	       !strncmp(name, xfs_acl, strlen(xfs_acl)) ||
	       !strncmp(name, XATTR_SYSTEM_PREFIX, XATTR_SYSTEM_PREFIX_LEN);
}

static int see_copy_acl(struct dentry *from, struct dentry *to, const char *name)
{
	struct posix_acl *acl;
	int err;

	if (!IS_POSIXACL(d_inode(from)) || !IS_POSIXACL(d_inode(to)))
		return 0;
	acl = see_vfs_get_acl(from, name);
	if (IS_ERR(acl)) {
		err = PTR_ERR(acl);
		return err == -EOPNOTSUPP || err == -ENODATA ? 0 : err;
	}
	if (!acl)
		return 0;
	err = see_vfs_set_acl(to, name, acl);
	posix_acl_release(acl);
	return err;
}

/**
 * see_copy_xattrs - give a new private object what the host object has
 * @from: host object
 * @to: private object
 *
 * Not those of this module: they would be marks that nobody made.
 *
 * Return: 0; -EAGAIN if the host changed one meanwhile; or another error.
 */
int see_copy_xattrs(struct dentry *from, struct dentry *to)
{
	ssize_t len, size, room;
	char *list, *name;
	void *value = NULL;
	int err = 0;

	if (!d_is_symlink(from)) {
		err = see_copy_acl(from, to, XATTR_NAME_POSIX_ACL_ACCESS);
		if (!err && d_is_dir(from))
			err = see_copy_acl(from, to,
					   XATTR_NAME_POSIX_ACL_DEFAULT);
		if (err)
			return err;
	}
	len = vfs_listxattr(from, NULL, 0);
	if (len <= 0)
		return len == -EOPNOTSUPP ? 0 : len;
	list = kvmalloc(len, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	len = vfs_listxattr(from, list, len);
	if (len < 0) {
		err = len;
		goto out_list;
	}
	for (name = list; name < list + len; name += strlen(name) + 1) {
		if (see_xattr_ours(name))
			continue;
		size = see_getxattr(from, name, NULL, 0);
		if (size == -ENODATA)
			continue;
		if (size < 0) {
			err = size;
			break;
		}
		value = kvmalloc(size + 1, GFP_KERNEL);
		if (!value) {
			err = -ENOMEM;
			break;
		}
		/* a size of 0 would only ask for the length */
		room = size + 1;
		size = see_getxattr(from, name, value, room);
		if (size > room || size == -ERANGE)
			err = -EAGAIN;	/* the host made it longer meanwhile */
		else if (size >= 0)
			err = see_setxattr(to, name, value, size, 0);
		else if (size != -ENODATA)
			err = size;
		kvfree(value);
		/* a label that the private side cannot hold is not ours to keep */
		if (err == -EOPNOTSUPP)
			err = 0;
		if (err)
			break;
	}
out_list:
	kvfree(list);
	return err;
}

/* ---- what differs ---- */

static int see_acl_same(struct posix_acl *a, struct posix_acl *b)
{
	size_t asize, bsize;
	void *x, *y;
	int ret;

	if (!a || !b)
		return a == b;
	x = see_acl_bytes(a, &asize);
	if (!x)
		return -ENOMEM;
	y = see_acl_bytes(b, &bsize);
	if (!y) {
		kfree(x);
		return -ENOMEM;
	}
	ret = asize == bsize && !memcmp(x, y, asize);
	kfree(x);
	kfree(y);
	return ret;
}

static struct posix_acl *see_acl_of(struct dentry *dentry, const char *name)
{
	struct posix_acl *acl = see_vfs_get_acl(dentry, name);

	if (acl == ERR_PTR(-EOPNOTSUPP) || acl == ERR_PTR(-ENODATA))
		return NULL;
	return acl;
}

static int see_acl_diff(struct dentry *from, struct dentry *to, const char *name,
			see_xattr_fn fn, void *arg)
{
	struct posix_acl *a, *b;
	int ret;

	if (!IS_POSIXACL(d_inode(from)) || !IS_POSIXACL(d_inode(to)))
		return 0;
	a = see_acl_of(from, name);
	if (IS_ERR(a))
		return PTR_ERR(a);
	b = see_acl_of(to, name);
	if (IS_ERR(b)) {
		posix_acl_release(a);
		return PTR_ERR(b);
	}
	ret = see_acl_same(a, b);
	if (!ret)
		ret = fn(to, name, a, 0, arg);
	else if (ret > 0)
		ret = 0;
	posix_acl_release(a);
	posix_acl_release(b);
	return ret;
}

/**
 * see_xattr_names - the names of an object's extended attributes
 * @dentry: the object
 * @len: bytes of them
 *
 * Return: each terminated, to be freed with kvfree(); NULL if there are none.
 */
char *see_xattr_names(struct dentry *dentry, ssize_t *len)
{
	char *list;

	*len = vfs_listxattr(dentry, NULL, 0);
	if (*len <= 0) {
		if (*len == -EOPNOTSUPP)
			*len = 0;
		return *len ? ERR_PTR(*len) : NULL;
	}
	list = kvmalloc(*len, GFP_KERNEL);
	if (!list)
		return ERR_PTR(-ENOMEM);
	*len = vfs_listxattr(dentry, list, *len);
	if (*len < 0) {
		kvfree(list);
		return ERR_PTR(*len == -ERANGE ? -EAGAIN : *len);
	}
	return list;
}

/* a value, to be freed; NULL if there is none of that name */
static void *see_xattr_value(struct dentry *dentry, const char *name, size_t *size)
{
	ssize_t len = see_getxattr(dentry, name, NULL, 0), room;
	void *value;

	if (len == -ENODATA || len == -EOPNOTSUPP)
		return NULL;
	if (len < 0)
		return ERR_PTR(len);
	/* a size of 0 would only ask for the length */
	room = len + 1;
	value = kvmalloc(room, GFP_KERNEL);
	if (!value)
		return ERR_PTR(-ENOMEM);
	len = see_getxattr(dentry, name, value, room);
	if (len < 0 || len > room) {
		kvfree(value);
		if (len == -ENODATA)
			return NULL;
		return ERR_PTR(len == -ERANGE || len > 0 ? -EAGAIN : len);
	}
	*size = len;
	return value;
}

static int see_xattr_diff_one(struct dentry *from, struct dentry *to, const char *name,
			      bool gone, see_xattr_fn fn, void *arg)
{
	size_t asize = 0, bsize = 0;
	void *a, *b;
	int err = 0;

	a = see_xattr_value(from, name, &asize);
	if (IS_ERR(a))
		return PTR_ERR(a);
	b = see_xattr_value(to, name, &bsize);
	if (IS_ERR(b)) {
		kvfree(a);
		return PTR_ERR(b);
	}
	/* each name is looked at once: what both have, as one of @from */
	if (gone ? !a && b : a && (!b || asize != bsize || memcmp(a, b, asize)))
		err = fn(to, name, a, asize, arg);
	kvfree(a);
	kvfree(b);
	return err;
}

/**
 * see_xattr_diff - what must be done to give an object the xattrs of another
 * @from: the one that has them
 * @to: the one that is to get them
 * @fn: called for each that differs, with @to, its name and the value of @from:
 *	NULL to remove it, and for an ACL a struct posix_acl; a result other than 0
 *	ends it
 * @arg: for @fn
 *
 * Not those of this module.
 *
 * Return: 0; what @fn returned; -EAGAIN if one was changed meanwhile; or another
 * error.
 */
int see_xattr_diff(struct dentry *from, struct dentry *to, see_xattr_fn fn, void *arg)
{
	struct dentry *side[] = { from, to };
	char *list, *name;
	ssize_t len;
	int err = 0, i;

	if (!d_is_symlink(to))
		err = see_acl_diff(from, to, XATTR_NAME_POSIX_ACL_ACCESS, fn, arg);
	if (!err && d_is_dir(to))
		err = see_acl_diff(from, to, XATTR_NAME_POSIX_ACL_DEFAULT, fn, arg);
	for (i = 0; !err && i < ARRAY_SIZE(side); i++) {
		list = see_xattr_names(side[i], &len);
		if (IS_ERR_OR_NULL(list)) {
			err = PTR_ERR_OR_ZERO(list);
			continue;
		}
		for (name = list; !err && name < list + len; name += strlen(name) + 1)
			if (!see_xattr_ours(name))
				err = see_xattr_diff_one(from, to, name, i, fn, arg);
		kvfree(list);
	}
	return err;
}

/* ---- what they all are ---- */

/* a fixed key: it is to tell changes, not to withstand anybody */
static const siphash_key_t see_hash_key = {{ 0x5345454653, 0x58415454525f }};

static u64 see_hash_pair(const char *name, const void *value, size_t size)
{
	return siphash(name, strlen(name), &see_hash_key) ^
	       rol64(siphash(value, size, &see_hash_key), 1);
}

static int see_hash_acl(struct dentry *dentry, const char *name, u64 *sum)
{
	struct posix_acl *acl;
	size_t size;
	void *buf;

	if (!IS_POSIXACL(d_inode(dentry)))
		return 0;
	acl = see_acl_of(dentry, name);
	if (IS_ERR_OR_NULL(acl))
		return PTR_ERR_OR_ZERO(acl);
	buf = see_acl_bytes(acl, &size);
	posix_acl_release(acl);
	if (!buf)
		return -ENOMEM;
	*sum += see_hash_pair(name, buf, size);
	kfree(buf);
	return 0;
}

/**
 * see_xattr_hash - a number that tells whether xattrs or ACLs changed
 * @dentry: the object
 * @hash: never 0; names may come in any order
 *
 * Context: the mounter's credentials, who sees all of them.
 */
int see_xattr_hash(struct dentry *dentry, u64 *hash)
{
	u64 sum = 0;
	char *list, *name;
	size_t size = 0;
	ssize_t len;
	void *value;
	int err;

	err = see_hash_acl(dentry, XATTR_NAME_POSIX_ACL_ACCESS, &sum);
	if (!err)
		err = see_hash_acl(dentry, XATTR_NAME_POSIX_ACL_DEFAULT, &sum);
	if (err)
		return err;
	list = see_xattr_names(dentry, &len);
	if (IS_ERR(list))
		return PTR_ERR(list);
	for (name = list; list && name < list + len; name += strlen(name) + 1) {
		if (see_xattr_ours(name))
			continue;
		value = see_xattr_value(dentry, name, &size);
		if (IS_ERR(value)) {
			err = PTR_ERR(value);
			break;
		}
		if (value)
			sum += see_hash_pair(name, value, size);
		kvfree(value);
	}
	kvfree(list);
	*hash = sum ?: 1;
	return err;
}

/**
 * see_open_dir - open a directory of either side for listing
 * @layer: the layer
 * @mnt: see_layer.lower.mnt or see_layer.priv.mnt
 * @dentry: the directory
 *
 * Nobody is told that it was opened, and its atime stays.
 */
struct file *see_open_dir(struct see_layer *layer, struct vfsmount *mnt,
			  struct dentry *dentry)
{
	struct path path = { .mnt = mnt, .dentry = dentry };

	return see_open_quiet(&path, O_RDONLY | O_DIRECTORY, layer->cred);
}
