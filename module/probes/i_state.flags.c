// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
bool probe(struct inode *inode)
{
	return inode_state_read_once(inode) & I_NEW;
}
