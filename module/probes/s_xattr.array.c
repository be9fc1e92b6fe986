// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
#include <linux/xattr.h>
/* A pointer to constant pointers can only be given where one is wanted. */
void probe(struct super_block *sb, const struct xattr_handler * const *handlers)
{
	sb->s_xattr = handlers;
}
