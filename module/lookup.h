/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_LOOKUP_H
#define SEE_LOOKUP_H

#include "see.h"

extern const struct dentry_operations see_dentry_ops;

struct dentry *see_lookup(struct inode *dir, struct dentry *dentry,
			  unsigned int flags);
int see_check_position(struct inode *inode, int mask);
void see_forget_stray(struct see_layer *layer);
unsigned int see_nlink(struct inode *inode, unsigned int born);
void see_reconnect(struct super_block *sb, struct dentry *lower);
void see_distrust(struct inode *inode, struct inode *dir, const char *name);
bool see_hidden(struct see_layer *layer, struct dentry *lower);
bool see_in_store(struct see_layer *layer, struct dentry *lower);

/**
 * see_set_priv - a name is the SEE's from now on: nothing to compare
 * @dentry: name in a directory whose i_rwsem is held
 */
static inline void see_set_priv(struct dentry *dentry)
{
	WRITE_ONCE(dentry->d_time, SEE_TOKEN_PRIV);
}

#endif /* SEE_LOOKUP_H */
