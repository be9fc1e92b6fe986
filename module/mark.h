/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_MARK_H
#define SEE_MARK_H

#include "see.h"

void see_host_dropped(struct inode *inode);
void see_drop_missed(struct inode *inode);
int see_mark_add(struct super_block *sb);
void see_mark_remove(struct see_layer *layer);
int see_complete_gone(struct super_block *sb);

#endif /* SEE_MARK_H */
