/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lower.h - the only calls that change the private tree
 *
 * One line each, so that a reader sees everything that is done below.  All
 * run under the mounter's credentials, between see_begin() and see_end(),
 * with the private directory locked where the VFS wants it.
 */
#ifndef SEE_LOWER_H
#define SEE_LOWER_H

#include "see.h"

/**
 * struct see_op - one operation on the private tree
 * @layer: the layer
 * @old: credentials to go back to
 * @cred: credentials to be put, or NULL
 */
struct see_op {
	struct see_layer *layer;
	const struct cred *old;
	const struct cred *cred;
};

int see_run_aside(int (*run)(void *arg), void *arg);
void see_close(struct file *file);
int see_begin(struct super_block *sb, struct see_op *op);
int see_begin_as_caller(struct super_block *sb, struct see_op *op);
void see_end(struct see_op *op);

struct dentry *see_lookup_priv(struct dentry *dir, const char *name, int len);
int see_mkdir(struct dentry *dir, const char *name, struct dentry **made);
int see_make(struct dentry *dir, const struct qstr *name, umode_t mode, dev_t rdev,
	     const char *target, struct dentry *link, struct dentry **made);
int see_remove(struct dentry *dir, const struct qstr *name);
int see_rename(struct dentry *from, const struct qstr *old, struct dentry *to,
	       const struct qstr *new, unsigned int flags);
int see_setattr(struct dentry *dentry, struct iattr *attr);
int see_give_attrs(struct dentry *dentry, const struct inode *like);
int see_setxattr(struct dentry *dentry, const char *name, const void *value,
		 size_t size, int flags);
int see_removexattr(struct dentry *dentry, const char *name);
ssize_t see_getxattr(struct dentry *dentry, const char *name, void *value,
		     size_t size);
int see_copy_xattrs(struct dentry *from, struct dentry *to);

typedef int (*see_xattr_fn)(struct dentry *to, const char *name, const void *value,
			    size_t size, void *arg);

int see_xattr_hash(struct dentry *dentry, u64 *hash);
char *see_xattr_names(struct dentry *dentry, ssize_t *len);
int see_xattr_diff(struct dentry *from, struct dentry *to, see_xattr_fn fn, void *arg);
struct file *see_open_dir(struct see_layer *layer, struct vfsmount *mnt,
			  struct dentry *dentry);

#endif /* SEE_LOWER_H */
