/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What tree.c, treeload.c and treewalk.c share
 */
#ifndef SEE_TREE_INTERNAL_H
#define SEE_TREE_INTERNAL_H

#include "see.h"

/**
 * struct see_entry - an entry of a directory that was read
 * @list: in the order of the directory
 * @ino: its inode number there
 * @dtype: DT_*
 * @len: of @name
 * @name: ends with a NUL that does not count
 */
struct see_entry {
	struct list_head list;
	u64 ino;
	u8 dtype;
	unsigned int len;
	char name[];
};

/* tree.c */
struct dentry *see_decode(struct vfsmount *mnt, struct dentry *root,
			  const char *key, unsigned int len);
void see_version_from_disk(const struct see_disk_version *d, u8 flags,
			   struct see_version *v);
int see_read_record(struct dentry *dentry, const char *name, u8 kind,
		    u8 flags, void *record, size_t size);

/* treewalk.c */
int see_list(struct see_layer *layer, struct dentry *dir,
	     struct list_head *list);
void see_list_free(struct list_head *list);

#endif /* SEE_TREE_INTERNAL_H */
