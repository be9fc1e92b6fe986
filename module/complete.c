// SPDX-License-Identifier: GPL-2.0
/*
 * Make a file independent of a host object that goes away
 *
 * Owns nothing: dirties pages through pages.c, and lets writeback.c make it
 * durable.  Holes cost nothing, neither memory nor a record of the map.  Called
 * from the layer's work queue, never in a task of the host.
 */
#include <linux/fs.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>

#include "blockmap.h"
#include "data.h"
#include "gate.h"

/* blocks of the host that see_data_complete() takes over at once */
#define SEE_STRIDE	256

/* take over blocks @first to @end; i_rwsem is held */
static int see_complete_blocks(struct inode *inode, struct see_data *data,
			       pgoff_t first, pgoff_t end)
{
	struct folio *folio;
	int reserved, err;

	for (; first < end; first++) {
		if (see_map_private(data, first))
			continue;
		reserved = see_map_reserve(data, first);
		if (reserved < 0)
			return reserved;
		err = see_folio_get(inode, first, &folio);
		if (err) {
			if (reserved)
				see_map_unreserve(data);
			return err;
		}
		if (reserved && see_map_placed(data, first)) {
			see_map_unreserve(data);
			reserved = 0;
		}
		see_map_pend(data, first, reserved);
		folio_mark_dirty(folio);
		folio_unlock(folio);
		folio_put(folio);
	}
	return 0;
}

/* one stride from @pos on; @next: where to go on */
static int see_complete_stride(struct inode *inode, struct see_data *data, loff_t pos,
			       loff_t *next)
{
	struct file *file = see_lower_file(inode);
	pgoff_t block = pos >> PAGE_SHIFT, end;
	loff_t from;

	if (IS_ERR(file))
		return PTR_ERR(file);
	from = vfs_llseek(file, pos, SEEK_DATA);
	if (from == -ENXIO)
		from = data->limit;
	if (from < 0)
		from = pos;
	from = min(from, data->limit);
	end = from == data->limit ? DIV_ROUND_UP_ULL(from, PAGE_SIZE) : from >> PAGE_SHIFT;
	if (end > block) {
		/* what is nobody's is zeros as soon as the host is not needed */
		*next = (loff_t)end << PAGE_SHIFT;
		return 0;
	}
	end = min_t(pgoff_t, block + SEE_STRIDE, DIV_ROUND_UP_ULL(data->limit, PAGE_SIZE));
	*next = (loff_t)end << PAGE_SHIFT;
	return see_complete_blocks(inode, data, block, end);
}

/* i_rwsem, which is otherwise taken before the gate: who has it may wait there */
static int see_complete_lock(struct inode *inode)
{
	while (!inode_trylock(inode)) {
		if (see_change_barred(inode->i_sb))
			return -EAGAIN;
		if (fatal_signal_pending(current))
			return -EINTR;
		schedule_timeout_uninterruptible(1);
	}
	return 0;
}

/**
 * see_data_complete - copy every host byte that is still shown
 * @inode: a changed host file whose host object is about to go
 *
 * Afterwards the lower is not needed any more, and all is durable.  Writers are
 * locked out for a stride at a time.  Each stride is written back here: at
 * unmount s_umount is held, so that the flusher cannot do it, and who waited
 * for it to would wait for ever.
 *
 * Context: takes i_rwsem, inside the gate, or with nobody there.
 * Return: 0; -EAGAIN if a commit waits, and it is to be tried after that; or another
 * error.
 */
int see_data_complete(struct inode *inode)
{
	struct see_data *data;
	loff_t pos = 0, start, limit;
	int err;

	err = see_complete_lock(inode);
	if (err)
		return err;
	err = see_map_start(inode);
	inode_unlock(inode);
	if (err)
		return err;
	data = see_part(inode);
	do {
		start = pos;
		err = see_complete_lock(inode);
		if (err)
			break;
		limit = data->limit;
		if (pos < limit)
			err = see_complete_stride(inode, data, pos, &pos);
		inode_unlock(inode);
		if (!err && start < pos)
			err = filemap_write_and_wait_range(inode->i_mapping, start,
							   pos - 1);
		cond_resched();
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (see_dead(inode))
			err = -EIO;
	} while (!err && pos < limit);
	/* durable first: a crash must not find a map that promises more */
	if (!err)
		err = see_data_sync(inode);
	if (err)
		return err;
	see_map_alone(data);
	mark_inode_dirty(inode);
	return see_data_sync(inode);
}
