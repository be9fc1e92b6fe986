/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_TREE_H
#define SEE_TREE_H

#include "names.h"
#include "see.h"

struct see_load;

/* treeload.c */
int see_tree_open(struct see_layer *layer, const char **why);
int see_tree_load(struct super_block *sb);
struct inode *see_tree_find(struct see_load *load, const char *key, bool born);

/* tree.c */
char *see_tree_key(struct inode *inode);
int see_tree_box(struct see_layer *layer, struct inode *inode,
		 struct dentry **box);
int see_tree_object(struct see_layer *layer, struct inode *inode,
		    struct dentry *box, struct dentry **object);
int see_tree_copy(struct dentry *from, umode_t mode, dev_t rdev, struct dentry *dir,
		  const struct qstr *name, struct dentry **made);
int see_tree_renew(struct inode *inode);
int see_tree_set_locks(const struct inode *inode);
int see_tree_set_ctime(struct dentry *object, const struct inode *inode);
int see_tree_tombstone(struct dentry *removed, const struct qstr *name,
		       struct see_layer *layer, struct dentry *lower,
		       enum see_tomb tomb, enum see_tomb had);
int see_tree_renew_tombstone(struct dentry *removed, const struct qstr *name,
			     struct dentry *lower,
			     int (*renew)(void *arg, const struct inode *host,
					  struct see_version *v), void *arg);
int see_tree_compare(struct dentry *removed, const struct qstr *name,
		     struct see_layer *layer, struct dentry *lower, u64 *size,
		     umode_t *mode);
void see_work_name(struct see_layer *layer, char *buf, size_t size);

/* treewalk.c */
int see_tree_each(struct see_layer *layer, struct dentry *top,
		  int (*fn)(struct dentry *dentry, void *arg), void *arg);
int see_tree_walk(struct see_layer *layer, struct dentry *top,
		  void (*each)(struct see_layer *layer, struct dentry *dentry));
int see_tree_discard(struct see_layer *layer, struct dentry *dir,
		     const struct qstr *name);

#define SEE_WORK_NAME	17

#endif /* SEE_TREE_H */
