// SPDX-License-Identifier: GPL-2.0
#include <linux/dcache.h>

struct dentry *probe(struct dentry *dir);
struct dentry *probe(struct dentry *dir)
{
	struct dentry *child;

	hlist_for_each_entry(child, &dir->d_children, d_sib)
		return child;
	return NULL;
}
