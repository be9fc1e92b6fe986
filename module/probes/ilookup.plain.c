// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
struct inode *probe(struct super_block *sb)
{
	return ilookup5_nowait(sb, 0, NULL, NULL);
}
