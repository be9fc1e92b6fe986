/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_NAMEI_H
#define SEE_NAMEI_H

#include "see.h"

extern const struct inode_operations see_dir_iops;
extern const struct file_operations see_dir_fops;

/* dir.c */
int see_dir_empty(struct inode *dir);

/* namei.c */
int see_may_rmdir(struct inode *inode);
void see_forget_born(struct inode *inode);

/* rename.c */
int see_rename_op(struct mnt_idmap *idmap, struct inode *old_dir,
		  struct dentry *old, struct inode *new_dir,
		  struct dentry *new, unsigned int flags);

#endif /* SEE_NAMEI_H */
