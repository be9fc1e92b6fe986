// SPDX-License-Identifier: GPL-2.0
/*
 * The block map on disk
 *
 * The format, map_format.h, is used here and in decode.c only.  see_data.sync, held by the
 * caller, protects the map file and what is known about it (see_data.disk);
 * the order in which records reach the disk is writeback.c's, which calls all
 * of this.  Reads and writes the map file under the credentials of the caller.
 */
#include <linux/fs.h>
#include <linux/slab.h>
#include <linux/uio.h>

#include "blockmap.h"
#include "decode.h"

/* bits 0 to 31 of @x to the even bits of the result */
static u64 see_spread(u32 x)
{
	u64 v = x;

	v = (v | v << 16) & 0x0000ffff0000ffffULL;
	v = (v | v << 8) & 0x00ff00ff00ff00ffULL;
	v = (v | v << 4) & 0x0f0f0f0f0f0f0f0fULL;
	v = (v | v << 2) & 0x3333333333333333ULL;
	return (v | v << 1) & 0x5555555555555555ULL;
}

static u32 see_bits32(const unsigned long *bits, unsigned int word)
{
	return bits[word / 2] >> (word % 2 * 32);
}

static void see_encode(struct see_map_blocks *rec, const struct see_chunk *chunk)
{
	unsigned int i;

	for (i = 0; i < SEE_MAP_WORDS; i++) {
		u32 zero = see_bits32(chunk->zero, i);
		u32 data = see_bits32(chunk->data, i) & ~zero;

		rec->state[i] = cpu_to_le64(see_spread(data) | see_spread(zero) << 1);
	}
}

/**
 * see_map_snap - sample the chunks that differ from the disk
 * @data: of the file; @sync is held
 * @snaps: list of struct see_snap
 */
int see_map_snap(struct see_data *data, struct list_head *snaps)
{
	struct see_chunk *chunk;
	struct see_snap *snap;
	unsigned long i;

	xa_for_each(&data->chunks, i, chunk) {
		if (!READ_ONCE(chunk->dirty))
			continue;
		snap = kzalloc(sizeof(*snap), GFP_NOFS);
		if (!snap)
			return -ENOMEM;
		snap->rec = kzalloc(sizeof(*snap->rec), GFP_NOFS);
		if (!snap->rec) {
			kfree(snap);
			return -ENOMEM;
		}
		snap->rec->head.kind = cpu_to_le32(SEE_MAP_BLOCKS);
		snap->rec->head.len = cpu_to_le32(sizeof(*snap->rec));
		snap->rec->index = cpu_to_le64(i);
		snap->chunk = chunk;
		list_add_tail(&snap->list, snaps);
		spin_lock(&data->lock);
		chunk->dirty = false;
		see_encode(snap->rec, chunk);
		spin_unlock(&data->lock);
	}
	return 0;
}

/**
 * see_map_unsnap - end of see_map_snap()
 * @data: of the file; @sync is held
 * @snaps: what it made
 * @failed: the records did not get to the disk
 */
void see_map_unsnap(struct see_data *data, struct list_head *snaps, bool failed)
{
	struct see_snap *snap, *next;

	list_for_each_entry_safe(snap, next, snaps, list) {
		if (failed) {
			spin_lock(&data->lock);
			snap->chunk->dirty = true;
			data->dirty = true;
			spin_unlock(&data->lock);
		}
		kfree(snap->rec);
		kfree(snap);
	}
}

static int see_map_write(struct see_data *data, const void *buf, size_t len, loff_t pos)
{
	ssize_t ret = kernel_write(data->mapf, buf, len, &pos);

	if (ret < 0)
		return ret;
	return ret == len ? 0 : -EIO;
}

/**
 * see_map_write_record - write a record, no more
 * @data: of the file; @sync is held, the map file is open
 * @snap: the record
 */
int see_map_write_record(struct see_data *data, struct see_snap *snap)
{
	loff_t pos = (le64_to_cpu(snap->rec->index) + 1) * SEE_MAP_RECORD;

	return see_map_write(data, snap->rec, sizeof(*snap->rec), pos);
}

/**
 * see_map_write_header - write the header and wait until it is on disk
 * @data: of the file; @sync is held, the map file is open
 * @kind: SEE_DATA_*
 * @size: of the file
 * @limit: of its host bytes
 */
int see_map_write_header(struct see_data *data, u8 kind, loff_t size, loff_t limit)
{
	struct see_map_header *header = kzalloc(sizeof(*header), GFP_NOFS);
	int err;

	if (!header)
		return -ENOMEM;
	header->head.kind = cpu_to_le32(SEE_MAP_HEADER);
	header->head.len = cpu_to_le32(sizeof(*header));
	header->magic = cpu_to_le32(SEE_MAP_MAGIC);
	header->version = cpu_to_le16(SEE_MAP_VERSION);
	header->data = kind;
	header->shift = PAGE_SHIFT;
	header->compat = cpu_to_le64(SEE_MAP_COMPAT);
	header->incompat = cpu_to_le64(SEE_MAP_INCOMPAT);
	header->size = cpu_to_le64(size);
	header->limit = cpu_to_le64(limit);
	err = see_map_write(data, header, sizeof(*header), 0);
	kfree(header);
	if (!err)
		err = vfs_fsync(data->mapf, 1);
	if (!err) {
		data->disk.size = size;
		data->disk.limit = limit;
		data->disk.data = kind;
	}
	return err;
}

/*
 * Read a record whole, or -EUCLEAN.  Not by kernel_read(), which must not be
 * called while a mount holds the private file system's sb_writers.
 */
static int see_map_read(struct file *file, void *buf, size_t len, loff_t pos)
{
	struct kvec kvec = { .iov_base = buf, .iov_len = len };
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t ret;

	if (!file->f_op->read_iter)
		return -EINVAL;
	iov_iter_kvec(&iter, ITER_DEST, &kvec, 1, len);
	init_sync_kiocb(&iocb, file);
	iocb.ki_pos = pos;
	ret = file->f_op->read_iter(&iocb, &iter);
	if (ret < 0)
		return ret;
	return ret == len ? 0 : -EUCLEAN;
}

static int see_map_unclean(struct see_data *data, const char *why)
{
	pr_warn_ratelimited("seefs: block map of inode %llu (%s): %s\n",
			    (u64)data->inode->i_ino, see_i(data->inode)->origin ?: "?", why);
	return -EUCLEAN;
}

static int see_map_load_record(struct see_data *data, struct file *file, u64 index,
			       struct see_map_blocks *rec)
{
	struct see_chunk *chunk;
	const char *why;
	int err;

	err = see_map_read(file, rec, sizeof(*rec), (index + 1) * SEE_MAP_RECORD);
	if (err)
		return err == -EUCLEAN ? see_map_unclean(data, "a record cut short") : err;
	if (!memchr_inv(rec, 0, sizeof(*rec)))
		return 0;
	chunk = see_chunk_get(data, index * SEE_CHUNK);
	if (IS_ERR(chunk))
		return PTR_ERR(chunk);
	why = see_decode_blocks(rec, index, chunk->data, chunk->zero);
	if (why)
		return see_map_unclean(data, why);
	atomic_long_add(bitmap_weight(chunk->data, SEE_CHUNK), &data->blocks);
	return 0;
}

static int see_map_load_records(struct see_data *data, struct file *file, loff_t size)
{
	u64 nr = DIV_ROUND_UP_ULL(DIV_ROUND_UP_ULL(size, PAGE_SIZE), SEE_CHUNK), i;
	loff_t end = i_size_read(file_inode(file)), pos = SEE_MAP_RECORD;
	struct see_map_blocks *rec;
	int err = 0;

	rec = kmalloc(sizeof(*rec), GFP_KERNEL);
	if (!rec)
		return -ENOMEM;
	end = min_t(u64, end, (nr + 1) * SEE_MAP_RECORD);
	while (!err && pos < end) {
		/* the map of a large sparse file is sparse itself */
		pos = vfs_llseek(file, pos, SEEK_DATA);
		if (pos < 0) {
			err = pos == -ENXIO ? 0 : pos;
			break;
		}
		i = div_u64(pos, SEE_MAP_RECORD) - 1;
		if (i >= nr)
			break;
		err = see_map_load_record(data, file, i, rec);
		pos = (i + 2) * SEE_MAP_RECORD;
		cond_resched();
	}
	kfree(rec);
	return err;
}

/**
 * see_map_load - take over what the map on disk says
 * @data: of an inode that nobody else has yet
 * @file: the map
 *
 * A map that was never completed, which is what a crash leaves, says nothing.
 *
 * Return: 1 if there is a map, 0 if all bytes are the host's, or an error.
 */
int see_map_load(struct see_data *data, struct file *file)
{
	struct see_map_header header;
	const char *why;
	loff_t size;
	int err;

	if (i_size_read(file_inode(file)) < sizeof(header))
		return 0;
	err = see_map_read(file, &header, sizeof(header), 0);
	if (err)
		return err;
	if (!memchr_inv(&header, 0, sizeof(header)))
		return 0;
	why = see_decode_map(&header, PAGE_SHIFT, data->inode->i_sb->s_maxbytes);
	if (why)
		return see_map_unclean(data, why);
	if (header.data == SEE_DATA_NONE)
		return 0;
	size = le64_to_cpu(header.size);
	err = see_map_load_records(data, file, size);
	if (err)
		return err;

	data->disk.size = size;
	data->disk.limit = le64_to_cpu(header.limit);
	data->disk.data = header.data;
	data->limit = data->disk.limit;
	data->low = size;
	data->lownow = size;
	i_size_write(data->inode, size);
	/* a shrink that was interrupted leaves bits beyond the end */
	see_map_clear(data, DIV_ROUND_UP_ULL(size, PAGE_SIZE), ULONG_MAX);
	/* whoever sees it with acquire, sees limit and chunks */
	smp_store_release(&data->part, true);
	return 1;
}
