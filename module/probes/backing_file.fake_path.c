// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
struct file *probe(const struct path *path, struct inode *inode, const struct cred *cred)
{
	return open_with_fake_path(path, 0, inode, cred);
}
