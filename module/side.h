/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_SIDE_H
#define SEE_SIDE_H

#include "names.h"
#include "see.h"
#include "tree.h"

/**
 * struct see_side - one name that an operation changes
 * @dir: its directory
 * @dentry: the name
 * @inode: what it stands for, or NULL
 * @kind: SEE_NAME_NONE for a name of the host or for none
 * @follow: what comes back to the name when it is free, or NULL
 * @removed: enum see_tomb: what tombstone there is
 * @had: the same, as the table says
 * @entry: preallocated for the table; NULL once it is in it
 * @lower: what the host has there now, or NULL
 */
struct see_side {
	struct inode *dir;
	struct dentry *dentry;
	struct inode *inode;
	enum see_name_kind kind;
	struct inode *follow;
	u8 removed;
	u8 had;
	struct see_name *entry;
	struct dentry *lower;
};

int see_place_of(struct inode *dir, struct dentry **place);

int see_room_begin(struct see_layer *layer);
void see_room_end(struct see_layer *layer);

int see_side_init(struct see_side *side, struct inode *dir, struct dentry *dentry);
int see_side_prepare(struct see_side *side);
void see_side_end(struct see_side *side);

int see_side_entomb(struct see_side *side, enum see_tomb tomb);
int see_side_mark(struct see_side *side, struct inode *inode);
int see_side_unmark(struct see_side *side, bool done);
int see_side_unmark_one(struct see_side *side, enum see_sub which);
int see_side_unmark_below(struct see_side *side);
int see_side_leave(struct see_side *side, bool done);
void see_side_lost(struct see_side *side);
void see_side_record(struct see_side *side, enum see_name_kind kind, struct inode *inode);

#endif /* SEE_SIDE_H */
