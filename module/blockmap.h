/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the rooms of the data path share
 */
#ifndef SEE_BLOCKMAP_H
#define SEE_BLOCKMAP_H

#include <linux/bitmap.h>
#include <linux/list.h>
#include <linux/pagemap.h>
#include <linux/uio.h>

#include "see.h"
#include "map_format.h"

struct bio_vec;

/* a block is a page, and a chunk is what one record on disk describes */
#define SEE_CHUNK	SEE_MAP_PER_RECORD

/**
 * struct see_chunk - states of SEE_CHUNK blocks
 * @pend: written in the page cache, space reserved, not in the private file yet
 * @data: in the private file
 * @zero: zeros; overrides @data
 * @dirty: @data or @zero differ from the record on disk
 *
 * @data and @zero are what fills consult; all three together are "private".
 * Written under see_data.lock; single bits are read without it, by those who
 * hold the folio lock or can live with either answer.
 */
struct see_chunk {
	DECLARE_BITMAP(pend, SEE_CHUNK);
	DECLARE_BITMAP(data, SEE_CHUNK);
	DECLARE_BITMAP(zero, SEE_CHUNK);
	bool dirty;
};

/**
 * struct see_data - data of a host file
 * @inode: whose
 * @lock: protects the bits, @limit, @low, @lownow, @seen; leaf
 * @sync: one see_data_sync() at a time; outside see_inode.lock
 * @chunks: struct see_chunk by number; they stay until the inode goes, or all that
 *	    is private was committed
 * @part: the SEE changed data or size; set once, after @limit, as @chunks
 * @limit: the most bytes of the host that will ever be shown
 * @low: smallest size since the header on disk was sampled
 * @lownow: smallest size since the running see_data_sync() began
 * @dirty: @limit, the size or a chunk differ from the map on disk
 * @wrote: the private file has data that were not synced
 * @blocks: blocks that are private and not zeros
 * @privf: the private file, opened for reading and writing; set once
 * @mapf: the map file; @sync
 * @disk: what the header on disk says; @sync
 * @seen: version of the host file when its clean pages were last found good
 */
struct see_data {
	struct inode *inode;
	spinlock_t lock;	/* bits, limit, low, lownow, seen */
	struct mutex sync;	/* mapf, disk */
	struct xarray chunks;
	bool part;
	loff_t limit;
	loff_t low;
	loff_t lownow;
	bool dirty;
	bool wrote;
	atomic_long_t blocks;
	struct file *privf;
	struct file *mapf;
	struct {
		loff_t size;
		loff_t limit;
		u8 data;
	} disk;
	struct see_version seen;
};

/* one record to be written */
struct see_snap {
	struct list_head list;
	struct see_chunk *chunk;
	struct see_map_blocks *rec;
};

enum see_state {
	SEE_BLOCK_HOST = SEE_STATE_HOST,
	SEE_BLOCK_DATA = SEE_STATE_DATA,
	SEE_BLOCK_ZERO = SEE_STATE_ZERO,
};

/**
 * see_data_of - the data of a host file
 * @inode: the file
 *
 * Return: NULL if there are none: nothing is private.
 */
static inline struct see_data *see_data_of(const struct inode *inode)
{
	/* pairs with the cmpxchg in see_data_get() */
	return smp_load_acquire(&see_i(inode)->data);
}

/**
 * see_part - the data of a host file of which the SEE changed something
 * @inode: the file
 *
 * Return: NULL if all bytes up to the size are the host's.
 */
static inline struct see_data *see_part(const struct inode *inode)
{
	struct see_data *data = see_data_of(inode);

	/* pairs with the releases in see_map_start() and see_map_load() */
	return data && smp_load_acquire(&data->part) ? data : NULL;
}

/**
 * struct see_run - blocks of one durable state
 * @first: the first block
 * @end: the one after the last
 * @state: SEE_BLOCK_DATA or SEE_BLOCK_ZERO
 */
struct see_run {
	pgoff_t first;
	pgoff_t end;
	enum see_state state;
};

/* blockmap.c */
struct see_data *see_data_get(struct inode *inode);
struct see_chunk *see_chunk_get(struct see_data *data, pgoff_t block);
void see_data_clear(struct see_data *data);
u64 see_data_records(struct inode *inode);
int see_map_start(struct inode *inode);
loff_t see_map_limit(struct inode *inode);
enum see_state see_map_durable(struct see_data *data, pgoff_t block);
bool see_map_private(struct see_data *data, pgoff_t block);
bool see_map_whole(struct see_data *data);
bool see_map_extent(struct see_data *data, pgoff_t from, struct see_run *run);
bool see_map_placed(struct see_data *data, pgoff_t block);
loff_t see_map_run(struct inode *inode, loff_t pos, loff_t end, bool *host);
int see_map_reserve(struct see_data *data, pgoff_t block);
void see_map_unreserve(struct see_data *data);
void see_map_pend(struct see_data *data, pgoff_t block, bool reserved);
bool see_map_done(struct see_data *data, pgoff_t block);
int see_map_prepare_zero(struct see_data *data, pgoff_t first, pgoff_t end);
void see_map_zero(struct see_data *data, pgoff_t first, pgoff_t end);
pgoff_t see_map_next(struct see_data *data, pgoff_t block);
void see_map_clear(struct see_data *data, pgoff_t first, pgoff_t end);
void see_map_cut(struct see_data *data, loff_t size);
void see_map_grown(struct see_data *data);
void see_map_alone(struct see_data *data);

/* mapdisk.c */
int see_map_snap(struct see_data *data, struct list_head *snaps);
void see_map_unsnap(struct see_data *data, struct list_head *snaps, bool failed);
int see_map_write_header(struct see_data *data, u8 kind, loff_t size, loff_t limit);
int see_map_write_record(struct see_data *data, struct see_snap *snap);
int see_map_load(struct see_data *data, struct file *file);

/* space.c */
int see_space_reserve(struct see_layer *layer, long blocks);
void see_space_release(struct see_layer *layer, long blocks, bool unused);

/* pages.c */
int see_zero_part(struct inode *inode, loff_t from, size_t len);
int see_zero_tail(struct inode *inode, loff_t size);
int see_punch(struct inode *inode, loff_t off, loff_t end);
void see_modified(struct inode *inode);
int see_data_mmap(struct file *file, struct vm_area_struct *vma);
void __see_data_refresh(struct inode *inode, bool force);
int see_folio_get(struct inode *inode, pgoff_t index, struct folio **foliop);

/* writeback.c */
struct file *see_data_open(struct see_data *data);
ssize_t see_data_read(struct see_data *data, struct bio_vec *bvec, int n, loff_t pos);
int see_writepages(struct address_space *mapping, struct writeback_control *wbc);

/* file.c */
struct file *see_lower_file(struct inode *inode);
struct file *see_whole(struct file *file);

/* born.c */
struct file *see_born_open(struct file *file);
ssize_t see_born_read_iter(struct kiocb *iocb, struct iov_iter *to);
ssize_t see_born_write_iter(struct kiocb *iocb, struct iov_iter *from);
ssize_t see_born_splice_read(struct file *in, loff_t *ppos,
			     struct pipe_inode_info *pipe, size_t len,
			     unsigned int flags);
ssize_t see_born_splice_write(struct pipe_inode_info *pipe, struct file *out,
			      loff_t *ppos, size_t len, unsigned int flags);
int see_born_fsync(struct file *file, loff_t start, loff_t end, int datasync);
long see_born_fallocate(struct file *file, int mode, loff_t off, loff_t len);
int see_born_mmap(struct file *file, struct vm_area_struct *vma);
ssize_t see_born_copy(struct file *in, loff_t pos_in, struct file *out,
		      loff_t pos_out, size_t len);
loff_t see_born_remap(struct file *in, loff_t pos_in, struct file *out,
		      loff_t pos_out, loff_t len, unsigned int flags);

#endif /* SEE_BLOCKMAP_H */
