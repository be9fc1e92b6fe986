// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
void probe(struct mnt_idmap *idmap, struct inode *inode, struct kstat *stat)
{
	generic_fillattr(idmap, STATX_BASIC_STATS, inode, stat);
}
