/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_QUOTA_H
#define SEE_QUOTA_H

#include "see.h"

/* what a name and its inode are taken to occupy, and what making one may take */
#define SEE_QUOTA_NAME	SEE_BLOCK_SIZE
#define SEE_QUOTA_ROOM	(3 * SEE_BLOCK_SIZE)

struct kstatfs;

int see_quota_attach(struct see_layer *layer, u64 group, u64 limit);
void see_quota_detach(struct see_layer *layer);
int see_quota_load(struct super_block *sb);
void see_quota_get(struct see_layer *layer, u64 *limit, u64 *used);
void see_quota_statfs(struct see_layer *layer, struct kstatfs *buf);

int see_quota_reserve(struct see_layer *layer, u64 bytes);
int see_quota_check(struct see_layer *layer, u64 bytes);
void see_quota_charge(struct see_layer *layer, s64 bytes);
void see_quota_release(struct see_layer *layer, u64 bytes);

void see_quota_settle(struct inode *inode);
void see_quota_settle_reserved(struct inode *inode, u64 bytes);
void see_quota_found(struct inode *inode);
void see_quota_made(struct inode *inode);
void see_quota_evict(struct inode *inode);
s64 see_quota_xattrs(struct see_layer *layer, struct dentry *dentry);

#endif /* SEE_QUOTA_H */
