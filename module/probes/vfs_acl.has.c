// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
#include <linux/posix_acl.h>
struct posix_acl *probe(struct mnt_idmap *idmap, struct dentry *dentry)
{
	return vfs_get_acl(idmap, dentry, "system.posix_acl_access");
}
