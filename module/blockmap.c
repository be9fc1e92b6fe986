// SPDX-License-Identifier: GPL-2.0
/*
 * Which blocks of a host file are private
 *
 * In memory and on disk; size and limit of the file go with it.  An unmodified
 * file is one with an empty map: nothing is allocated for it.
 *
 * A block is, as far as fills are concerned, the host's, data in the private
 * file, or zero.  Besides it can be pending: newer in the page cache, with
 * space reserved for it.  The order of events for a block is
 *
 *	see_map_reserve() -> see_map_pend() -> see_map_done()
 *	write_begin, mkwrite  write_end, mkwrite   writeback has completed
 *
 * and see_map_zero() or see_map_cut() end any of it, after the folio is gone.
 *
 * Owns struct see_data but for its files; see_data.lock protects bits and
 * limit.  Reserves space in space.c; mapdisk.c brings it to the disk and back.
 * Called by file.c, pages.c and writeback.c.
 */
#include <linux/fs.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "blockmap.h"
#include "data.h"
#include "quota.h"

/* ---- struct see_data ---- */

/**
 * see_data_get - the data of a host file, allocated if need be
 * @inode: the file
 *
 * Context: may sleep; legal under mmap_lock.
 * Return: NULL if there is no memory.
 */
struct see_data *see_data_get(struct inode *inode)
{
	struct see_data *data = see_data_of(inode), *old;

	if (data)
		return data;
	data = kzalloc(sizeof(*data), GFP_KERNEL_ACCOUNT);
	if (!data)
		return NULL;
	data->inode = inode;
	spin_lock_init(&data->lock);
	mutex_init(&data->sync);
	xa_init(&data->chunks);
	old = cmpxchg(&see_i(inode)->data, NULL, data);
	if (old) {
		kfree(data);
		return old;
	}
	return data;
}

/* chunks of zeros that one call may make, of 64 MiB each */
#define SEE_ZERO_CHUNKS	1024

static struct see_chunk *see_chunk(struct see_data *data, pgoff_t block)
{
	return xa_load(&data->chunks, block / SEE_CHUNK);
}

/**
 * see_chunk_get - the chunk of a block, allocated if need be
 * @data: of the file
 * @block: the block
 */
struct see_chunk *see_chunk_get(struct see_data *data, pgoff_t block)
{
	struct see_chunk *chunk = see_chunk(data, block), *old;

	if (chunk)
		return chunk;
	chunk = kvzalloc(sizeof(*chunk), GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return ERR_PTR(-ENOMEM);
	old = xa_cmpxchg(&data->chunks, block / SEE_CHUNK, NULL, chunk,
			 GFP_KERNEL_ACCOUNT);
	if (old) {
		kvfree(chunk);
		return xa_is_err(old) ? ERR_PTR(xa_err(old)) : old;
	}
	see_quota_charge(see_layer(data->inode->i_sb), SEE_MAP_RECORD);
	return chunk;
}

/**
 * see_data_clear - forget the map
 * @data: without files, and nobody looks at it
 */
void see_data_clear(struct see_data *data)
{
	struct see_layer *layer = see_layer(data->inode->i_sb);
	struct see_chunk *chunk;
	unsigned long i;

	xa_for_each(&data->chunks, i, chunk) {
		see_space_release(layer, bitmap_weight(chunk->pend, SEE_CHUNK), true);
		see_quota_release(layer, SEE_MAP_RECORD);
		kvfree(chunk);
	}
	xa_destroy(&data->chunks);
	data->part = false;
	data->limit = 0;
	data->low = 0;
	data->lownow = 0;
	data->dirty = false;
	data->wrote = false;
	atomic_long_set(&data->blocks, 0);
	memset(&data->disk, 0, sizeof(data->disk));
	memset(&data->seen, 0, sizeof(data->seen));
}

/**
 * see_data_records - what the records of a map count
 * @inode: a host file
 *
 * Return: bytes.
 */
u64 see_data_records(struct inode *inode)
{
	struct see_data *data = see_data_of(inode);
	struct see_chunk *chunk;
	unsigned long i, n = 0;

	if (data)
		xa_for_each(&data->chunks, i, chunk)
			n++;
	return n * SEE_MAP_RECORD;
}

/**
 * see_map_start - the SEE is about to change data or size of a host file
 * @inode: the file, after see_touch(): its size does not follow the host's
 *
 * Cheap after the first time.
 *
 * Context: as see_touch().
 */
int see_map_start(struct inode *inode)
{
	struct see_data *data = see_data_get(inode);

	if (!data)
		return -ENOMEM;
	/* pairs with the release below: the limit is valid */
	if (smp_load_acquire(&data->part))
		return 0;
	spin_lock(&data->lock);
	if (!data->part) {
		data->limit = i_size_read(inode);
		data->low = data->limit;
		data->lownow = data->limit;
		data->dirty = true;
		/* whoever sees it with acquire, sees the limit */
		smp_store_release(&data->part, true);
	}
	spin_unlock(&data->lock);
	return 0;
}

/**
 * see_map_limit - where the bytes of the host end
 * @inode: a host file
 */
loff_t see_map_limit(struct inode *inode)
{
	loff_t size = i_size_read(inode);
	struct see_data *data;

	/*
	 * The size first: it grows only after @part was set, so a size that
	 * the SEE made is never taken for a limit.
	 */
	smp_rmb();
	data = see_part(inode);
	return data ? READ_ONCE(data->limit) : size;
}

/* ---- bits ---- */

/**
 * see_map_durable - where a fill has to look
 * @data: of the file
 * @block: its folio is locked
 */
enum see_state see_map_durable(struct see_data *data, pgoff_t block)
{
	struct see_chunk *chunk = see_chunk(data, block);
	unsigned int bit = block % SEE_CHUNK;

	if (!chunk)
		return SEE_BLOCK_HOST;
	if (test_bit(bit, chunk->zero))
		return SEE_BLOCK_ZERO;
	return test_bit(bit, chunk->data) ? SEE_BLOCK_DATA : SEE_BLOCK_HOST;
}

/**
 * see_map_placed - has the block a place in the private file, or space for one?
 * @data: of the file
 * @block: the block
 */
bool see_map_placed(struct see_data *data, pgoff_t block)
{
	struct see_chunk *chunk = see_chunk(data, block);
	unsigned int bit = block % SEE_CHUNK;

	return chunk && (test_bit(bit, chunk->data) || test_bit(bit, chunk->pend));
}

/**
 * see_map_private - is the host's content of a block no longer shown?
 * @data: of the file
 * @block: the block
 */
bool see_map_private(struct see_data *data, pgoff_t block)
{
	struct see_chunk *chunk = see_chunk(data, block);
	unsigned int bit = block % SEE_CHUNK;
	bool private;

	if (!chunk)
		return false;
	spin_lock(&data->lock);
	private = test_bit(bit, chunk->pend) || test_bit(bit, chunk->data) ||
		  test_bit(bit, chunk->zero);
	spin_unlock(&data->lock);
	return private;
}

/* the first block from @block on that lies in a chunk */
static pgoff_t see_chunk_start(struct see_data *data, pgoff_t block)
{
	unsigned long i = block / SEE_CHUNK;

	if (!xa_find(&data->chunks, &i, ULONG_MAX, XA_PRESENT) ||
	    i > ULONG_MAX / SEE_CHUNK)
		return ULONG_MAX;
	return max_t(pgoff_t, block, i * SEE_CHUNK);
}

/**
 * see_map_extent - the next blocks of a file that are not the host's
 * @data: of the file, written back
 * @from: block to begin with
 * @run: filled in; below the size of the file, and within a chunk
 *
 * Return: whether there are any.
 */
bool see_map_extent(struct see_data *data, pgoff_t from, struct see_run *run)
{
	pgoff_t end = DIV_ROUND_UP_ULL(i_size_read(data->inode), PAGE_SIZE);

	while (from < end && see_map_durable(data, from) == SEE_BLOCK_HOST) {
		from++;
		if (from % SEE_CHUNK == 0 || !see_chunk(data, from))
			from = see_chunk_start(data, from);
	}
	if (from >= end)
		return false;
	run->first = from;
	run->state = see_map_durable(data, from);
	do {
		from++;
	} while (from < end && from % SEE_CHUNK && see_map_durable(data, from) == run->state);
	run->end = from;
	return true;
}

/**
 * see_map_whole - is there nothing of the host's in a file?
 * @data: of the file, written back
 */
bool see_map_whole(struct see_data *data)
{
	pgoff_t end = DIV_ROUND_UP_ULL(data->limit, PAGE_SIZE), at = 0;
	struct see_run run = {};

	while (at < end && see_map_extent(data, at, &run) && run.first == at)
		at = run.end;
	return at >= end;
}

/* the first of @chunk's bits from @bit to @end that is private, or is not */
static unsigned int see_chunk_next(const struct see_chunk *chunk, unsigned int bit,
				   unsigned int end, bool private)
{
	while (bit < end) {
		unsigned int i = BIT_WORD(bit);
		unsigned long word = chunk->pend[i] | chunk->data[i] | chunk->zero[i];

		if (!private)
			word = ~word;
		word &= BITMAP_FIRST_WORD_MASK(bit);
		if (word)
			return min_t(unsigned int, end, i * BITS_PER_LONG + __ffs(word));
		bit = (i + 1) * BITS_PER_LONG;
	}
	return end;
}

/**
 * see_map_run - how far the bytes from @pos on come from the same place
 * @inode: a host file
 * @pos: first byte
 * @end: first byte of no interest, after @pos
 * @host: set if they are the host's, unset if they are in our mapping
 *
 * Return: the end of the run, at most @end; the run may go on behind it.
 */
loff_t see_map_run(struct inode *inode, loff_t pos, loff_t end, bool *host)
{
	loff_t limit = see_map_limit(inode);
	struct see_data *data = see_part(inode);
	pgoff_t block = pos >> PAGE_SHIFT, last;
	unsigned int bit = block % SEE_CHUNK;
	struct see_chunk *chunk;

	*host = pos < limit;
	if (!*host)
		return end;
	if (data && !see_chunk(data, block)) {
		pgoff_t next = see_chunk_start(data, block);

		if (next <= (end - 1) >> PAGE_SHIFT)
			end = (loff_t)next << PAGE_SHIFT;
		return min(end, limit);
	}
	if (!data)
		return min(end, limit);

	/* one chunk at a time bounds how long the lock is held */
	chunk = see_chunk(data, block);
	last = min_t(pgoff_t, (end - 1) >> PAGE_SHIFT, block - bit + SEE_CHUNK - 1);
	end = min_t(loff_t, end, (loff_t)(last + 1) << PAGE_SHIFT);
	if (chunk) {
		unsigned int nr = last - (block - bit) + 1, next;

		spin_lock(&data->lock);
		limit = data->limit;
		*host = pos < limit && see_chunk_next(chunk, bit, bit + 1, true) > bit;
		next = see_chunk_next(chunk, bit, nr, *host);
		spin_unlock(&data->lock);
		end = min_t(loff_t, end, (loff_t)(block - bit + next) << PAGE_SHIFT);
		/* cut between the two looks at the limit: an empty run is no run */
		if (end <= pos)
			end = pos + 1;
	}
	return *host ? min(end, limit) : end;
}

/**
 * see_map_reserve - make sure that see_map_pend() cannot fail
 * @data: of the file
 * @block: about to be written
 *
 * Return: 1 if space was reserved, 0 if it need not be, or an error.  Who got
 * 1 and then finds see_map_placed() under the folio lock calls
 * see_map_unreserve().
 */
int see_map_reserve(struct see_data *data, pgoff_t block)
{
	struct see_chunk *chunk = see_chunk(data, block);
	int err;

	if (!chunk) {
		err = see_quota_check(see_layer(data->inode->i_sb), SEE_MAP_RECORD);
		if (err)
			return err;
		chunk = see_chunk_get(data, block);
	}
	if (IS_ERR(chunk))
		return PTR_ERR(chunk);
	if (see_map_placed(data, block))
		return 0;
	err = see_space_reserve(see_layer(data->inode->i_sb), 1);
	return err ?: 1;
}

/**
 * see_map_unreserve - the space was not needed after all
 * @data: of the file
 */
void see_map_unreserve(struct see_data *data)
{
	see_space_release(see_layer(data->inode->i_sb), 1, true);
}

/**
 * see_map_pend - the page cache has what the private file has not
 * @data: of the file
 * @block: its folio is locked, and not under writeback
 * @reserved: there is a reservation for it, which is used up here
 */
void see_map_pend(struct see_data *data, pgoff_t block, bool reserved)
{
	struct see_chunk *chunk = see_chunk(data, block);
	unsigned int bit = block % SEE_CHUNK;

	if (!reserved || WARN_ON_ONCE(!chunk))
		return;
	spin_lock(&data->lock);
	if (!WARN_ON_ONCE(test_bit(bit, chunk->pend))) {
		set_bit(bit, chunk->pend);
		atomic_long_inc(&data->blocks);
	}
	spin_unlock(&data->lock);
}

/**
 * see_map_done - the block is in the private file
 * @data: of the file
 * @block: its folio is under writeback
 *
 * Return: whether space was reserved for it, which the caller settles.
 */
bool see_map_done(struct see_data *data, pgoff_t block)
{
	struct see_chunk *chunk = see_chunk(data, block);
	unsigned int bit = block % SEE_CHUNK;
	bool pending;

	if (WARN_ON_ONCE(!chunk))
		return false;
	spin_lock(&data->lock);
	pending = test_and_clear_bit(bit, chunk->pend);
	if (!pending && !test_bit(bit, chunk->data))
		atomic_long_inc(&data->blocks);
	if (!test_and_set_bit(bit, chunk->data))
		chunk->dirty = true;
	if (test_and_clear_bit(bit, chunk->zero))
		chunk->dirty = true;
	if (chunk->dirty)
		data->dirty = true;
	data->wrote = true;
	spin_unlock(&data->lock);
	if (pending)
		see_space_release(see_layer(data->inode->i_sb), 1, false);
	return pending;
}

static unsigned int see_weight(const unsigned long *bits, unsigned int from,
			       unsigned int to)
{
	return bitmap_weight(bits, to) - bitmap_weight(bits, from);
}

/*
 * Bits @from to @to of a chunk are not private any more, or zeros: their
 * folios are gone, and cannot come back before the caller lets them.
 */
static void see_chunk_clear(struct see_data *data, struct see_chunk *chunk,
			    unsigned int from, unsigned int to, bool zero)
{
	unsigned int nr = to - from, pending, placed;

	spin_lock(&data->lock);
	pending = see_weight(chunk->pend, from, to);
	placed = pending + see_weight(chunk->data, from, to);
	if (zero)
		bitmap_set(chunk->zero, from, nr);
	else
		bitmap_clear(chunk->zero, from, nr);
	bitmap_clear(chunk->pend, from, nr);
	bitmap_clear(chunk->data, from, nr);
	chunk->dirty = true;
	data->dirty = true;
	spin_unlock(&data->lock);
	atomic_long_sub(placed, &data->blocks);
	see_space_release(see_layer(data->inode->i_sb), pending, true);
}

/* what there is of blocks @first to @end becomes the host's, or zeros */
static void see_map_change(struct see_data *data, pgoff_t first, pgoff_t end,
			   bool zero)
{
	struct see_chunk *chunk;
	unsigned long i;

	if (first >= end)
		return;
	xa_for_each_range(&data->chunks, i, chunk, first / SEE_CHUNK,
			  (end - 1) / SEE_CHUNK) {
		pgoff_t base = i * SEE_CHUNK;

		see_chunk_clear(data, chunk, first > base ? first - base : 0,
				min_t(pgoff_t, end - base, SEE_CHUNK), zero);
	}
}

/**
 * see_map_clear - blocks are not private any more
 * @data: of the file
 * @first: first block
 * @end: the block behind the last one
 *
 * Context: as see_map_cut(), or nobody else has the inode yet.
 */
void see_map_clear(struct see_data *data, pgoff_t first, pgoff_t end)
{
	see_map_change(data, first, end, false);
}

/* do zeros from block @first to @end leave nothing of the host behind it? */
static bool see_map_tail(struct see_data *data, pgoff_t first, pgoff_t end)
{
	pgoff_t limit = DIV_ROUND_UP_ULL(data->limit, PAGE_SIZE);

	return first < limit && end >= limit;
}

/**
 * see_map_prepare_zero - make sure that see_map_zero() cannot fail
 * @data: of the file; i_rwsem is held
 * @first: first block
 * @end: the block behind the last one
 *
 * Zeros up to the end of the host's bytes are free: they move the limit.
 * Others need chunks, each of them memory and a record on disk, which is why
 * their number is bounded.
 *
 * Return: 0 or an error; -EOPNOTSUPP if the range is too large.
 */
int see_map_prepare_zero(struct see_data *data, pgoff_t first, pgoff_t end)
{
	pgoff_t limit = DIV_ROUND_UP_ULL(data->limit, PAGE_SIZE), i, last;
	int err;

	end = min(end, limit);
	if (first >= end || see_map_tail(data, first, end))
		return 0;
	i = first / SEE_CHUNK;
	last = (end - 1) / SEE_CHUNK;
	if (last - i >= SEE_ZERO_CHUNKS)
		return -EOPNOTSUPP;
	for (; i <= last; i++) {
		struct see_chunk *chunk;

		if (xa_load(&data->chunks, i))
			continue;
		err = see_space_check(see_layer(data->inode->i_sb), SEE_MAP_RECORD);
		if (err)
			return err;
		chunk = see_chunk_get(data, i * SEE_CHUNK);
		if (IS_ERR(chunk))
			return PTR_ERR(chunk);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/**
 * see_map_zero - blocks are zeros from now on
 * @data: of the file
 * @first: first block
 * @end: the block behind the last one
 *
 * Context: i_rwsem and invalidate_lock are held since the folios were removed.
 */
void see_map_zero(struct see_data *data, pgoff_t first, pgoff_t end)
{
	pgoff_t limit = DIV_ROUND_UP_ULL(data->limit, PAGE_SIZE);

	/*
	 * Beyond the limit what is not private is zeros: no chunk is needed.
	 * Records reach the disk before the limit does, so that blocks that
	 * were private have to be zeros in theirs, not the host's.
	 */
	see_map_change(data, first, min(end, limit), true);
	see_map_clear(data, max(first, limit), end);
	if (see_map_tail(data, first, end)) {
		spin_lock(&data->lock);
		data->limit = min(data->limit, (loff_t)first << PAGE_SHIFT);
		data->dirty = true;
		spin_unlock(&data->lock);
	}
}

/**
 * see_map_next - where a hole may end
 * @data: of the file
 * @block: beyond the limit, and not private
 *
 * Return: the next block that may be private, or ULONG_MAX.
 */
pgoff_t see_map_next(struct see_data *data, pgoff_t block)
{
	return see_chunk_start(data, block + 1);
}

/**
 * see_map_cut - the file became shorter
 * @data: of the file
 * @size: its new size
 *
 * What is beyond it will never be the host's again, however long the file
 * becomes.
 *
 * Context: i_rwsem and invalidate_lock are held since the size was set and the
 * folios were removed.
 */
void see_map_cut(struct see_data *data, loff_t size)
{
	spin_lock(&data->lock);
	data->limit = min(data->limit, size);
	data->low = min(data->low, size);
	data->lownow = min(data->lownow, size);
	data->dirty = true;
	spin_unlock(&data->lock);
	see_map_clear(data, DIV_ROUND_UP_ULL(size, PAGE_SIZE), ULONG_MAX);
}

/**
 * see_map_grown - the size was set, and the map on disk has to follow
 * @data: of the file
 */
void see_map_grown(struct see_data *data)
{
	WRITE_ONCE(data->dirty, true);
}

/**
 * see_map_alone - nothing of the host is needed any more
 * @data: of the file, every block of it private, or zeros on the host
 */
void see_map_alone(struct see_data *data)
{
	spin_lock(&data->lock);
	data->limit = 0;
	data->dirty = true;
	spin_unlock(&data->lock);
}
