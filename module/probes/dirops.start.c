// SPDX-License-Identifier: GPL-2.0
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/namei.h>

int see_probe(struct renamedata *rd, struct delegated_inode *d, struct qstr *name)
{
	rd->delegated_inode = d;
	return start_renaming(rd, 0, name, name);
}

struct dentry *see_probe_mkdir(struct mnt_idmap *idmap, struct dentry *dir, umode_t mode,
			       struct qstr *name)
{
	return vfs_mkdir(idmap, d_inode(dir), start_creating(idmap, dir, name), mode, NULL);
}

int see_probe_create(struct mnt_idmap *idmap, struct dentry *dentry, umode_t mode)
{
	return vfs_create(idmap, dentry, mode, NULL);
}
