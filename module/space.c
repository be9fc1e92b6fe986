// SPDX-License-Identifier: GPL-2.0
/*
 * ENOSPC when it is written, not when it is written back
 *
 * The foreground cannot allocate blocks in the private file system, because it
 * must not enter it.  It reserves them here instead: what is reserved and not
 * written back yet may not exceed what the private file system has free, less
 * a floor that belongs to the host, and what the SEE itself may occupy
 * (quota.c).
 *
 * Owns see_layer.space, all of it atomic; the races that are left let a few
 * blocks too many pass.  Calls vfs_statfs() on the private tree, once for
 * SEE_SPACE_BATCH blocks or once a second; called by blockmap.c, file.c and
 * born.c.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/statfs.h>

#include "blockmap.h"
#include "data.h"
#include "quota.h"

/* per cent of the private file system that stay free for the host */
#define SEE_SPACE_FLOOR		5
#define SEE_SPACE_BATCH		(64L << 20 >> PAGE_SHIFT)

/* @blocks of the private file system in ours */
static long see_space_blocks(const struct kstatfs *st, u64 blocks)
{
	if (!st->f_bsize)
		return 0;
	blocks = st->f_bsize >= PAGE_SIZE ? blocks * (st->f_bsize >> PAGE_SHIFT) :
					    div64_u64(blocks, PAGE_SIZE / st->f_bsize);
	return min_t(u64, blocks, LONG_MAX / 2);
}

/* ask the file system whether @blocks are there, and for a new budget */
static bool see_space_renew(struct see_layer *layer, long blocks)
{
	struct see_space *space = &layer->space;
	struct kstatfs st = {};
	u64 floor, avail;
	long free, batch;

	/* on error, nothing is free */
	vfs_statfs(&layer->priv, &st);
	floor = div_u64(st.f_blocks, 100) * SEE_SPACE_FLOOR;
	avail = st.f_bfree > floor ? st.f_bfree - floor : 0;
	free = see_space_blocks(&st, min(avail, st.f_bavail)) -
	       atomic_long_read(&space->pending);
	if (free < blocks) {
		atomic_long_set(&space->budget, 0);
		return false;
	}
	/* what the host takes meanwhile comes out of the floor */
	batch = min(SEE_SPACE_BATCH, see_space_blocks(&st, floor / 2));
	atomic_long_set(&space->budget, min(free - blocks, batch));
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
	int err = see_quota_reserve(layer, (u64)blocks << PAGE_SHIFT);

	if (err)
		return err;
	if (!see_space_take(layer, blocks)) {
		see_quota_release(layer, (u64)blocks << PAGE_SHIFT);
		return -ENOSPC;
	}
	atomic_long_add(blocks, &layer->space.pending);
	return 0;
}

/**
 * see_space_release - undo see_space_reserve()
 * @layer: the layer
 * @blocks: how many
 * @unused: they were not written after all; else the caller settles the file
 */
void see_space_release(struct see_layer *layer, long blocks, bool unused)
{
	atomic_long_sub(blocks, &layer->space.pending);
	if (!unused)
		return;
	atomic_long_add(blocks, &layer->space.budget);
	see_quota_release(layer, (u64)blocks << PAGE_SHIFT);
}

/**
 * see_space_floor - may the private tree grow by that much, as for the host?
 * @layer: the layer
 * @bytes: about to be written directly; SEE_BLOCK_SIZE for a name or an xattr
 *
 * Cheap: asks the private file system once for SEE_SPACE_BATCH blocks or once
 * a second.  For those who have reserved in quota.c.
 *
 * Context: may sleep; legal under mmap_lock.
 * Return: 0 or -ENOSPC.
 */
int see_space_floor(struct see_layer *layer, u64 bytes)
{
	long blocks = (bytes >> PAGE_SHIFT) + !!offset_in_page(bytes);

	return see_space_take(layer, blocks) ? 0 : -ENOSPC;
}

/**
 * see_space_check - may the private tree grow by that much?
 * @layer: the layer
 * @bytes: as for see_space_floor(), and as for the SEE's own limit
 *
 * Context: as see_space_floor().
 * Return: 0 or -ENOSPC.
 */
int see_space_check(struct see_layer *layer, u64 bytes)
{
	return see_quota_check(layer, bytes) ?: see_space_floor(layer, bytes);
}
