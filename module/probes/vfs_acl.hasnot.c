// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
#include <linux/posix_acl.h>
/* Conflicts with the function where there is one. */
void vfs_get_acl(void);
int probe(struct user_namespace *ns, struct inode *inode, struct posix_acl *acl)
{
	return set_posix_acl(ns, inode, ACL_TYPE_ACCESS, acl);
}
