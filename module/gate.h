/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_GATE_H
#define SEE_GATE_H

#include "see.h"

/* gate.c */
int see_gate_init(struct see_layer *layer);
void see_gate_free(struct see_layer *layer);
int see_change_enter(struct super_block *sb);
bool see_change_try(struct super_block *sb);
void see_change_leave(struct super_block *sb);
int see_writer_lock(struct inode *inode);
void see_writer_unlock(struct inode *inode);
int see_change_wait(struct super_block *sb);
void see_change_wait_short(struct super_block *sb);
int see_look_enter(struct super_block *sb);
bool see_look_try(struct super_block *sb);
void see_look_leave(struct super_block *sb);
int see_gate_close(struct see_layer *layer, const bool *cancel);
int see_gate_close_all(struct see_layer *layer);
void see_gate_open(struct see_layer *layer);
void see_gate_wake(struct see_layer *layer);

/**
 * see_look_barred - is nobody to look at the layer now?
 * @sb: superblock of the layer
 *
 * For RCU walk, which is over by the time that who bars it goes on.
 */
static inline bool see_look_barred(const struct super_block *sb)
{
	return unlikely(percpu_ref_is_dying(&see_layer(sb)->gate.looks));
}

/**
 * see_change_barred - does a commit run?
 * @sb: superblock of the layer
 */
static inline bool see_change_barred(const struct super_block *sb)
{
	return percpu_ref_is_dying(&see_layer(sb)->gate.changes);
}

/**
 * see_moving - may private names be away, for a commit that installs them?
 * @sb: superblock of the layer
 *
 * To be asked after the private name was looked up.
 */
static inline bool see_moving(const struct super_block *sb)
{
	/* pairs with see_gate_move(): who missed the name sees the flag */
	smp_rmb();
	return unlikely(READ_ONCE(see_layer(sb)->gate.moving));
}

/**
 * see_gate_move - private names will be moved away
 * @layer: the layer, closed to changes
 */
static inline void see_gate_move(struct see_layer *layer)
{
	WRITE_ONCE(layer->gate.moving, true);
	/* pairs with see_moving() */
	smp_wmb();
}

#endif /* SEE_GATE_H */
