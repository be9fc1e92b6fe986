// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
void probe(struct user_namespace *ns, struct inode *inode, struct kstat *stat)
{
	generic_fillattr(ns, inode, stat);
}
