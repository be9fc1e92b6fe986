// SPDX-License-Identifier: GPL-2.0
/*
 * ENOSPC when it is written, not when it is written back
 *
 * The foreground cannot allocate blocks in the private file system, because it
 * must not enter it.  It reserves them here instead: what is reserved and not
 * written back yet may not exceed what the private file system has free, less
 * a floor that belongs to the host.
 *
 * Owns see_layer.space, all of it atomic; the races that are left let a few
 * blocks too many pass.  Calls vfs_statfs() on the private tree, once for
 * SEE_SPACE_BATCH blocks or once a second; called by blockmap.c, file.c and
 * born.c.
 */
#include <linux/jiffies.h>
#include <linux/statfs.h>

#include "blockmap.h"

/* per cent of the private file system that stay free for the host */
#define SEE_SPACE_FLOOR		5
#define SEE_SPACE_BATCH		(64L << 20 >> PAGE_SHIFT)

/* blocks that are free for us, pending ones not counted */
static long see_space_free(struct see_layer *layer)
{
	struct kstatfs st;
	u64 floor, avail;

	if (vfs_statfs(&layer->priv, &st))
		return 0;
	floor = div_u64(st.f_blocks, 100) * SEE_SPACE_FLOOR;
	avail = st.f_bfree > floor ? st.f_bfree - floor : 0;
	avail = min(avail, st.f_bavail);
	if (!st.f_bsize)
		return 0;
	avail = st.f_bsize >= PAGE_SIZE ? avail * (st.f_bsize >> PAGE_SHIFT) :
					  div64_u64(avail, PAGE_SIZE / st.f_bsize);
	return min_t(u64, avail, LONG_MAX / 2);
}

/* ask the file system whether @blocks are there, and for a new budget */
static bool see_space_renew(struct see_layer *layer, long blocks)
{
	struct see_space *space = &layer->space;
	long free;

	free = see_space_free(layer) - atomic_long_read(&space->pending);
	if (free < blocks) {
		atomic_long_set(&space->budget, 0);
		return false;
	}
	atomic_long_set(&space->budget, min(free - blocks, SEE_SPACE_BATCH));
	WRITE_ONCE(space->stamp, jiffies);
	return true;
}

static bool see_space_take(struct see_layer *layer, long blocks)
{
	struct see_space *space = &layer->space;

	if (time_before(jiffies, READ_ONCE(space->stamp) + HZ) &&
	    atomic_long_sub_return(blocks, &space->budget) >= 0)
		return true;
	return see_space_renew(layer, blocks);
}

/**
 * see_space_reserve - blocks that will be written to the private tree later
 * @layer: the layer
 * @blocks: how many
 *
 * Return: 0 or -ENOSPC.
 */
int see_space_reserve(struct see_layer *layer, long blocks)
{
	if (!see_space_take(layer, blocks))
		return -ENOSPC;
	atomic_long_add(blocks, &layer->space.pending);
	return 0;
}

/**
 * see_space_release - undo see_space_reserve()
 * @layer: the layer
 * @blocks: how many
 * @unused: they were not written after all
 */
void see_space_release(struct see_layer *layer, long blocks, bool unused)
{
	atomic_long_sub(blocks, &layer->space.pending);
	if (unused)
		atomic_long_add(blocks, &layer->space.budget);
}

/**
 * see_space_check - may the private tree grow by that much?
 * @layer: the layer
 * @bytes: about to be written directly
 *
 * Return: 0 or -ENOSPC.
 */
int see_space_check(struct see_layer *layer, loff_t bytes)
{
	long blocks = (bytes + PAGE_SIZE - 1) >> PAGE_SHIFT;

	return see_space_take(layer, blocks) ? 0 : -ENOSPC;
}
