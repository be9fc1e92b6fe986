/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the other rooms may ask of the data path
 *
 * file.c, born.c, pages.c, blockmap.c, writeback.c and space.c.
 *
 * What is asked of inode.c and hold.c in return:
 *
 *  - see_touch() sets SEE_I_ATTRS under inode->i_lock, after a
 *    see_data_refresh(): from then on nobody takes over the host's size.  So
 *    does whoever else sets it: else the size may be older than the data.
 *  - see_touch() takes no lock under which the private file system is entered,
 *    since page_mkwrite calls it under mmap_lock.
 *  - Host regular files have see_aops; files born in the SEE need no address
 *    space operations.  Both have see_file_fops.
 *  - setattr with ATTR_SIZE of a host file: see_touch(), then
 *    see_data_setsize(), under the i_rwsem.  That of a born file is notify_change()
 *    on see_priv().
 *  - see_persist() writes attributes but never the size to the private object
 *    of a host file, and writes them if SEE_I_ATTRDIRTY is set, which writeback
 *    sets because its writes move the private object's times.
 *  - Whoever makes a name or sets an xattr in the private tree for the SEE calls
 *    see_space_check(layer, SEE_BLOCK_SIZE) before, or see_quota_reserve() and
 *    see_space_floor(): outside see_begin(), since they may ask the private file
 *    system (statfs).
 *  - The superblock has a bdi of its own (super_setup_bdi()), SB_I_STABLE_WRITES
 *    and s_blocksize == SEE_BLOCK_SIZE.
 */
#ifndef SEE_DATA_H
#define SEE_DATA_H

#include "see.h"

struct writeback_control;

extern const struct file_operations see_file_fops;
extern const struct address_space_operations see_aops;

int see_data_load(struct inode *inode);
int see_data_setsize(struct inode *inode, loff_t size);
void see_data_refresh(struct inode *inode);
int see_data_write_inode(struct inode *inode, struct writeback_control *wbc);
int see_data_complete(struct inode *inode);
int see_data_sync(struct inode *inode);
void see_data_evict(struct inode *inode);
void see_data_reset(struct inode *inode);
blkcnt_t see_data_blocks(struct inode *inode);

/* one block for each name, container, record or xattr that is made */
int see_space_check(struct see_layer *layer, u64 bytes);
int see_space_floor(struct see_layer *layer, u64 bytes);

#endif /* SEE_DATA_H */
