/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_INODE_H
#define SEE_INODE_H

#include "see.h"

/* inode.c: objects */
extern const struct inode_operations see_file_iops;
extern const struct inode_operations see_link_iops;
struct inode *see_iget(struct super_block *sb, struct dentry *lower,
		       struct dentry *priv);
struct inode *see_iget_changed(struct super_block *sb, struct dentry *lower,
			       struct dentry *box, struct dentry *object,
			       umode_t mode);
struct inode *see_ilookup(struct super_block *sb, struct inode *key);
struct inode *see_ilookup_nowait(struct super_block *sb, struct inode *lower);
bool see_gone(const struct inode *inode);
void see_cut_loose(struct inode *inode);
bool see_stays(const struct inode *inode);
void see_cut(struct see_layer *layer, u64 ino, int delta);
void see_placed(struct inode *inode, int delta);
void see_copyattr(struct inode *inode);
bool see_attr_stale(const struct inode *inode);
void see_dir_modified(struct inode *dir);
u64 see_ino(const struct see_layer *layer, const struct inode *priv);
void see_evict_inode(struct inode *inode);
void see_each_inode(struct super_block *sb, void (*fn)(struct inode *inode, void *arg),
		    void *arg);

/* attr.c: attributes, permission, ACLs, xattrs */
extern const struct xattr_handler * const see_xattr_handlers[];
int see_getattr(struct mnt_idmap *idmap, const struct path *path,
		struct kstat *stat, u32 mask, unsigned int flags);
int see_setattr_op(struct mnt_idmap *idmap, struct dentry *dentry,
		   struct iattr *attr);
int see_fileattr_get(struct dentry *dentry, struct file_kattr *fa);
int see_permission(struct mnt_idmap *idmap, struct inode *inode, int mask);
ssize_t see_listxattr(struct dentry *dentry, char *list, size_t size);
#ifdef SEE_HAVE_VFS_ACL_HAS
struct posix_acl *see_get_inode_acl(struct inode *inode, int type, bool rcu);
struct posix_acl *see_get_acl(struct mnt_idmap *idmap, struct dentry *dentry,
			      int type);
int see_set_acl(struct mnt_idmap *idmap, struct dentry *dentry,
		struct posix_acl *acl, int type);
#define SEE_ACL_OPS \
	.get_inode_acl = see_get_inode_acl, \
	.get_acl = see_get_acl, \
	.set_acl = see_set_acl
#else
struct posix_acl *see_get_inode_acl(struct inode *inode, int type, bool rcu);
int see_set_acl(struct mnt_idmap *idmap, struct inode *inode,
		struct posix_acl *acl, int type);
#define SEE_ACL_OPS \
	.get_acl = see_get_inode_acl, \
	.set_acl = see_set_acl
#endif

/* hold.c: the first change of a host object */
int see_hold(struct dentry *dentry);
int see_hold_origin(struct inode *inode);
int see_touch(struct dentry *dentry);
int see_first_xattrs(struct inode *inode, u64 *hash);
void see_pin(struct inode *inode);
int see_persist(struct inode *inode);
int __see_persist(struct inode *inode);
int see_box(struct inode *inode);
int see_unfollow(struct inode *inode, struct inode *dir, const struct qstr *name, bool done);
int see_dir_prepare(struct inode *dir);
int see_sub(struct inode *dir, int which, struct dentry **sub);
bool see_give_up_place(struct inode *inode);
void see_come_back(struct inode *inode);
struct dentry *see_shown_alias(struct see_layer *layer, struct inode *inode);
int see_keep(struct inode *inode);

/* had a commit no name for it, so that it is nobody's but its users'? */
static inline bool see_adrift(const struct inode *inode)
{
	return see_i(inode)->key == inode;
}

#endif /* SEE_INODE_H */
