// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
struct inode *probe(struct super_block *sb, bool *isnew)
{
	return ilookup5_nowait(sb, 0, NULL, NULL, isnew);
}
