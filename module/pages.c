// SPDX-License-Identifier: GPL-2.0
/*
 * The page cache of host files: fill, dirty, fault, cut
 *
 * Folios of our own mapping exist for what is private and for what is mapped
 * shared; everything else is read from the host's.  What the SEE sees is
 * decided in memory, by pages and map; what a fill brings back is decided by
 * the durable half of the map alone, so that it does not matter when
 * writeback gets to a folio.
 *
 * Owns the folios, and i_size of host files.  Fills run under the folio lock,
 * those from the fault and read paths also under our invalidate_lock; below
 * them are the host's invalidate_lock and folio lock.  Nothing here enters the
 * private file system's sb_writers.  Calls blockmap.c, and file.c and
 * writeback.c for the files below; called by file.c and the VFS.
 */
#include <linux/bvec.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/writeback.h>

#include "blockmap.h"
#include "compat_data.h"
#include "data.h"
#include "gate.h"
#include "inode.h"
#include "version.h"

/* private blocks that read-ahead gets in one request */
#define SEE_BATCH	32

static loff_t see_block_pos(pgoff_t block)
{
	return (loff_t)block << PAGE_SHIFT;
}

/* ---- fill ---- */

/* bytes past the end of the file are zeros, whatever lies below */
static void see_fill_end(struct inode *inode, struct folio *folio)
{
	loff_t pos = folio_pos(folio), size = i_size_read(inode);

	if (size < pos + PAGE_SIZE) {
		size_t have = size > pos ? size - pos : 0;

		folio_zero_range(folio, have, PAGE_SIZE - have);
	}
	flush_dcache_folio(folio);
}

/*
 * From the host's page cache, under its invalidate_lock.  The host's read_iter
 * would take its i_rwsem, behind whose queued writer we would wait for a fault
 * of our own.
 */
static int see_fill_cached(struct file *file, struct folio *folio)
{
	struct address_space *mapping = file->f_mapping;
	struct folio *from;
	void *src, *dst;

	filemap_invalidate_lock_shared(mapping);
	from = read_cache_folio(mapping, folio->index, NULL, file);
	if (IS_ERR(from)) {
		filemap_invalidate_unlock_shared(mapping);
		return PTR_ERR(from);
	}
	src = kmap_local_folio(from, offset_in_folio(from, folio_pos(folio)));
	dst = kmap_local_folio(folio, 0);
	memcpy(dst, src, PAGE_SIZE);
	kunmap_local(dst);
	kunmap_local(src);
	filemap_invalidate_unlock_shared(mapping);
	folio_put(from);
	return 0;
}

/*
 * tmpfs, which fills its page cache some other way.  Others that do, or have
 * none, take the host's i_rwsem here: with them there are no mappings whose
 * fault could come in the midst of a read of the same file.
 */
static int see_fill_read(struct file *file, struct folio *folio)
{
	struct bio_vec bvec = { .bv_page = &folio->page, .bv_len = PAGE_SIZE };
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t ret;

	iov_iter_bvec(&iter, ITER_DEST, &bvec, 1, PAGE_SIZE);
	init_sync_kiocb(&iocb, file);
	iocb.ki_pos = folio_pos(folio);
	ret = vfs_iocb_iter_read(file, &iocb, &iter);
	if (ret < 0)
		return ret;
	if (ret < PAGE_SIZE)
		folio_zero_range(folio, ret, PAGE_SIZE - ret);
	return 0;
}

static int see_fill_host(struct inode *inode, struct folio *folio)
{
	loff_t pos = folio_pos(folio), limit = see_map_limit(inode), size;
	struct file *file;
	size_t have;
	int err;

	if (pos >= limit) {
		folio_zero_range(folio, 0, PAGE_SIZE);
		return 0;
	}
	file = see_lower_file(inode);
	if (IS_ERR(file))
		return PTR_ERR(file);
	size = min(limit, i_size_read(file_inode(file)));
	have = size <= pos ? 0 : min_t(loff_t, size - pos, PAGE_SIZE);
	if (have) {
		if (file->f_mapping->a_ops->read_folio && !IS_DAX(file_inode(file)))
			err = see_fill_cached(file, folio);
		else
			err = see_fill_read(file, folio);
		if (err)
			return err;
	}
	/* the host shows zeros there, and stores past its end do not count */
	if (have < PAGE_SIZE)
		folio_zero_range(folio, have, PAGE_SIZE - have);
	return 0;
}

static enum see_state see_state(struct inode *inode, pgoff_t block)
{
	struct see_data *data = see_part(inode);

	return data ? see_map_durable(data, block) : SEE_BLOCK_HOST;
}

static int see_fill(struct inode *inode, struct folio *folio)
{
	struct bio_vec bvec = { .bv_page = &folio->page, .bv_len = PAGE_SIZE };
	int err = 0;

	switch (see_state(inode, folio->index)) {
	case SEE_BLOCK_ZERO:
		folio_zero_range(folio, 0, PAGE_SIZE);
		break;
	case SEE_BLOCK_DATA:
		err = see_data_read(see_part(inode), &bvec, 1, folio_pos(folio));
		break;
	case SEE_BLOCK_HOST:
		err = see_fill_host(inode, folio);
		break;
	}
	if (!err)
		see_fill_end(inode, folio);
	return err;
}

static void see_fill_finish(struct folio *folio, int err)
{
	if (!err)
		folio_mark_uptodate(folio);
	folio_unlock(folio);
}

static int see_read_folio(struct file *file, struct folio *folio)
{
	int err = see_fill(folio->mapping->host, folio);

	see_fill_finish(folio, err);
	return err;
}

/* private blocks that follow each other, to be read at once */
struct see_batch {
	struct inode *inode;
	pgoff_t start;
	int nr;
	struct bio_vec bvec[SEE_BATCH];
};

static void see_batch_read(struct see_batch *batch)
{
	int err, i;

	if (!batch->nr)
		return;
	err = see_data_read(see_part(batch->inode), batch->bvec, batch->nr,
			    see_block_pos(batch->start));
	for (i = 0; i < batch->nr; i++) {
		struct folio *folio = page_folio(batch->bvec[i].bv_page);

		if (!err)
			see_fill_end(batch->inode, folio);
		see_fill_finish(folio, err);
	}
	batch->nr = 0;
}

/* let the host read ahead what we are going to copy */
static void see_readahead_host(struct readahead_control *rac)
{
	struct inode *inode = rac->mapping->host;
	struct file_ra_state ra = {};
	struct file *file;

	if (readahead_pos(rac) >= see_map_limit(inode))
		return;
	file = see_lower_file(inode);
	if (IS_ERR(file) || !file->f_mapping->a_ops->read_folio)
		return;
	file_ra_state_init(&ra, file->f_mapping);
	{
		DEFINE_READAHEAD(host, file, &ra, file->f_mapping, readahead_index(rac));

		page_cache_sync_ra(&host, readahead_count(rac));
	}
}

static void see_readahead(struct readahead_control *rac)
{
	struct inode *inode = rac->mapping->host;
	struct see_batch batch = { .inode = inode };
	struct folio *folio;
	bool asked = false;

	while ((folio = readahead_folio(rac))) {
		enum see_state state = see_state(inode, folio->index);

		if (batch.nr && (state != SEE_BLOCK_DATA || batch.nr == SEE_BATCH ||
				 batch.start + batch.nr != folio->index))
			see_batch_read(&batch);
		if (state != SEE_BLOCK_DATA) {
			if (state == SEE_BLOCK_HOST && !asked) {
				see_readahead_host(rac);
				asked = true;
			}
			see_fill_finish(folio, see_fill(inode, folio));
			continue;
		}
		if (!batch.nr)
			batch.start = folio->index;
		batch.bvec[batch.nr++] = (struct bio_vec){
			.bv_page = &folio->page,
			.bv_len = PAGE_SIZE,
		};
	}
	see_batch_read(&batch);
}

/* ---- follow the host ---- */

/**
 * __see_data_refresh - an unmodified file takes over what the host has now
 * @inode: a host file
 * @force: sample the version even if there is no clean folio to be dropped,
 *	   because there will be
 */
void __see_data_refresh(struct inode *inode, bool force)
{
	struct see_inode *si = see_i(inode);
	struct see_version now = {};
	struct see_data *data;
	bool stale = false;
	loff_t size;

	if (!si->lower || see_test(inode, SEE_I_ATTRS))
		return;
	size = i_size_read(d_inode(si->lower));
	data = see_data_of(inode);
	if (data && (force || inode->i_mapping->nrpages)) {
		if (see_version_sample(see_layer(inode->i_sb), si->lower, &now))
			return;
		size = now.size;
		spin_lock(&data->lock);
		stale = !see_version_equal(&now, &data->seen);
		data->seen = now;
		spin_unlock(&data->lock);
	}
	if (i_size_read(inode) != size) {
		/* from SEE_I_ATTRS on, the size is the SEE's */
		spin_lock(&inode->i_lock);
		if (!see_test(inode, SEE_I_ATTRS))
			i_size_write(inode, size);
		spin_unlock(&inode->i_lock);
	}
	if (stale && inode->i_mapping->nrpages)
		invalidate_inode_pages2(inode->i_mapping);
}

/**
 * see_data_refresh - an unmodified host file takes over the host's size
 * @inode: a host file; nothing happens if the SEE changed it
 *
 * Clean folios, which shared mappings have, are dropped if the host's version
 * changed.  To be called from getattr, open, mmap, and before see_touch().
 *
 * Context: may sleep; not under a folio lock of the file.
 */
void see_data_refresh(struct inode *inode)
{
	__see_data_refresh(inode, false);
}

/* ---- dirty ---- */

/*
 * Copy what a write leaves of a block, from a host that may be writing it: the
 * bytes must not be of two versions.  Sampled before and after, as nothing
 * locks out stores through the host's mappings.
 */
static int see_fill_stable(struct inode *inode, struct folio *folio)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct dentry *lower = see_i(inode)->lower;
	struct see_version before, after;
	int err, tries = 3;

	if (!lower || see_state(inode, folio->index) != SEE_BLOCK_HOST)
		return see_fill(inode, folio);
	do {
		err = see_version_sample(layer, lower, &before);
		if (!err)
			err = see_fill(inode, folio);
		if (!err)
			err = see_version_sample(layer, lower, &after);
	} while (!err && !see_version_equal(&before, &after) && tries--);
	return err;
}

static int see_write_begin(SEE_WRITER *writer, struct address_space *mapping,
			   loff_t pos, unsigned int len, struct see_written **written,
			   void **fsdata)
{
	struct inode *inode = mapping->host;
	struct see_data *data = see_part(inode);
	pgoff_t block = pos >> PAGE_SHIFT;
	struct folio *folio;
	int reserved, err = 0;

	if (WARN_ON_ONCE(!data))
		return -EIO;
	reserved = see_map_reserve(data, block);
	if (reserved < 0)
		return reserved;
	folio = __filemap_get_folio(mapping, block,
				    FGP_LOCK | FGP_WRITE | FGP_CREAT | FGP_STABLE,
				    mapping_gfp_mask(mapping));
	if (IS_ERR_OR_NULL(folio)) {
		if (reserved)
			see_map_unreserve(data);
		return folio ? PTR_ERR(folio) : -ENOMEM;
	}
	/* from here to see_write_end(): reserved if and only if not placed */
	if (reserved && see_map_placed(data, block))
		see_map_unreserve(data);
	len = min_t(unsigned int, len, PAGE_SIZE - offset_in_page(pos));
	if (!folio_test_uptodate(folio) && len != PAGE_SIZE)
		err = see_fill_stable(inode, folio);
	if (err) {
		if (!see_map_placed(data, block))
			see_map_unreserve(data);
		folio_unlock(folio);
		folio_put(folio);
		return err;
	}
	if (len != PAGE_SIZE)
		folio_mark_uptodate(folio);
	*written = see_to_written(folio);
	return 0;
}

static int see_write_end(SEE_WRITER *writer, struct address_space *mapping,
			 loff_t pos, unsigned int len, unsigned int copied,
			 struct see_written *written, void *fsdata)
{
	struct folio *folio = see_from_written(written);
	struct inode *inode = mapping->host;
	struct see_data *data = see_part(inode);
	bool reserved = !see_map_placed(data, folio->index);

	if (!folio_test_uptodate(folio)) {
		if (copied < PAGE_SIZE)
			copied = 0;	/* the rest was not read: once more */
		else
			folio_mark_uptodate(folio);
	}
	if (copied) {
		see_map_pend(data, folio->index, reserved);
		folio_mark_dirty(folio);
	} else if (reserved) {
		see_map_unreserve(data);
	}
	if (pos + copied > i_size_read(inode)) {
		i_size_write(inode, pos + copied);
		see_map_grown(data);
		mark_inode_dirty(inode);
	}
	folio_unlock(folio);
	folio_put(folio);
	return copied;
}

/* a folio, up to date and locked, while i_rwsem keeps others from cutting it */
int see_folio_get(struct inode *inode, pgoff_t index, struct folio **foliop)
{
	struct address_space *mapping = inode->i_mapping;
	struct folio *folio;

	for (;;) {
		folio = read_cache_folio(mapping, index, NULL, NULL);
		if (IS_ERR(folio))
			return PTR_ERR(folio);
		folio_lock(folio);
		if (folio->mapping == mapping && folio_test_uptodate(folio))
			break;
		folio_unlock(folio);
		folio_put(folio);
	}
	folio_wait_stable(folio);
	*foliop = folio;
	return 0;
}

/**
 * see_zero_part - write zeros into one block
 * @inode: a host file; i_rwsem is held
 * @from: first byte
 * @len: bytes, not beyond the block's end
 */
int see_zero_part(struct inode *inode, loff_t from, size_t len)
{
	struct see_data *data = see_part(inode);
	pgoff_t block = from >> PAGE_SHIFT;
	struct folio *folio;
	int reserved, err;

	if (!len)
		return 0;
	reserved = see_map_reserve(data, block);
	if (reserved < 0)
		return reserved;
	err = see_folio_get(inode, block, &folio);
	if (err) {
		if (reserved)
			see_map_unreserve(data);
		return err;
	}
	folio_zero_range(folio, offset_in_page(from), len);
	if (reserved && see_map_placed(data, block)) {
		see_map_unreserve(data);
		reserved = 0;
	}
	see_map_pend(data, block, reserved);
	folio_mark_dirty(folio);
	folio_unlock(folio);
	folio_put(folio);
	return 0;
}

/**
 * see_zero_tail - make sure that what is behind @size is zeros
 * @inode: a host file; i_rwsem is held
 * @size: the end of the file, before it moves away from there
 *
 * Only a private last block can hold anything: stores through a mapping, or
 * what was there before the file was cut.
 */
int see_zero_tail(struct inode *inode, loff_t size)
{
	size_t tail = offset_in_page(size);

	if (!tail || !see_map_placed(see_part(inode), size >> PAGE_SHIFT))
		return 0;
	return see_zero_part(inode, size, PAGE_SIZE - tail);
}

/**
 * see_data_setsize - change the size of a host file
 * @inode: the file; i_rwsem is held, see_touch() was called
 * @size: the new size, checked by setattr_prepare()
 *
 * Costs nothing but the folios and map entries that it drops.
 */
int see_data_setsize(struct inode *inode, loff_t size)
{
	loff_t old = i_size_read(inode);
	struct see_data *data;
	int err;

	if (see_dead(inode))
		return -EIO;
	err = see_map_start(inode);
	if (err)
		return err;
	data = see_part(inode);
	err = see_zero_tail(inode, min(size, old));
	if (err)
		return err;
	if (size >= old) {
		truncate_setsize(inode, size);
		see_map_grown(data);
	} else {
		filemap_invalidate_lock(inode->i_mapping);
		truncate_setsize(inode, size);
		see_map_cut(data, size);
		filemap_invalidate_unlock(inode->i_mapping);
	}
	mark_inode_dirty(inode);
	return 0;
}

/**
 * see_punch - zeros in place of a range
 * @inode: a host file; i_rwsem is held
 * @off: first byte
 * @end: first byte behind, at most the size of the file
 */
int see_punch(struct inode *inode, loff_t off, loff_t end)
{
	struct see_data *data = see_part(inode);
	loff_t first = round_up(off, PAGE_SIZE), last = round_down(end, PAGE_SIZE);
	int err = 0;

	if (end == i_size_read(inode))
		last = round_up(end, PAGE_SIZE);
	if (first > last)
		return see_zero_part(inode, off, end - off);
	if (first < last)
		err = see_map_prepare_zero(data, first >> PAGE_SHIFT, last >> PAGE_SHIFT);
	if (err)
		return err;
	if (off < first)
		err = see_zero_part(inode, off, min(first, end) - off);
	if (!err && last < end)
		err = see_zero_part(inode, last, end - last);
	if (err || first >= last)
		return err;

	filemap_invalidate_lock(inode->i_mapping);
	truncate_pagecache_range(inode, first, last - 1);
	see_map_zero(data, first >> PAGE_SHIFT, last >> PAGE_SHIFT);
	filemap_invalidate_unlock(inode->i_mapping);
	return 0;
}

/**
 * see_modified - the SEE writes to a host file: now
 * @inode: the file, after see_touch()
 *
 * The VFS leaves the times of our inodes alone.
 */
void see_modified(struct inode *inode)
{
	inode_set_mtime_to_ts(inode, inode_set_ctime_current(inode));
	set_bit(SEE_I_ATTRDIRTY, &see_i(inode)->flags);
	mark_inode_dirty_sync(inode);
}

/* ---- fault ---- */

static vm_fault_t see_mkwrite_locked(struct vm_fault *vmf, struct see_data *data,
				     int reserved)
{
	struct folio *folio = page_folio(vmf->page);
	struct inode *inode = data->inode;

	folio_lock(folio);
	if (folio->mapping != inode->i_mapping ||
	    folio_pos(folio) >= i_size_read(inode)) {
		folio_unlock(folio);
		if (reserved)
			see_map_unreserve(data);
		return VM_FAULT_NOPAGE;
	}
	folio_wait_stable(folio);
	if (reserved && see_map_placed(data, folio->index)) {
		see_map_unreserve(data);
		reserved = 0;
	}
	see_map_pend(data, folio->index, reserved);
	folio_mark_dirty(folio);
	return VM_FAULT_LOCKED;
}

static vm_fault_t see_page_mkwrite(struct vm_fault *vmf)
{
	struct file *file = vmf->vma->vm_file;
	struct inode *inode = file_inode(file);
	vm_fault_t ret;
	int err;

	if (see_dead(inode))
		return VM_FAULT_SIGBUS;
	if (!see_change_try(inode->i_sb)) {
		see_change_wait_short(inode->i_sb);
		/* a fault of the kernel's would be tried again for ever */
		return fatal_signal_pending(current) ? VM_FAULT_SIGBUS : VM_FAULT_NOPAGE;
	}
	sb_start_pagefault(inode->i_sb);
	err = see_touch(file_dentry(file));
	if (!err)
		err = see_map_start(inode);
	if (!err)
		err = see_map_reserve(see_part(inode), vmf->pgoff);
	if (err < 0) {
		ret = vmf_error(err);
	} else {
		see_modified(inode);
		ret = see_mkwrite_locked(vmf, see_part(inode), err);
	}
	sb_end_pagefault(inode->i_sb);
	see_change_leave(inode->i_sb);
	return ret;
}

static vm_fault_t see_fault(struct vm_fault *vmf)
{
	if (see_dead(file_inode(vmf->vma->vm_file)))
		return VM_FAULT_SIGBUS;
	return filemap_fault(vmf);
}

static const struct vm_operations_struct see_vm_ops = {
	.fault		= see_fault,
	.map_pages	= filemap_map_pages,
	.page_mkwrite	= see_page_mkwrite,
};

/* may a fault take over the host's bytes?  See see_fill_read(). */
static bool see_mappable(struct inode *inode)
{
	struct inode *lower = see_lower_inode(inode);

	if (!lower)
		return true;
	return !IS_DAX(lower) && (lower->i_mapping->a_ops->read_folio ||
				  lower->i_sb->s_magic == TMPFS_MAGIC);
}

/**
 * see_data_mmap - map the pages of a host file, ours
 * @file: open file
 * @vma: to be set up
 *
 * Return: 0 or an error; -ENODEV if the host's file system cannot fill our
 * pages in a fault (DAX, overlayfs).
 */
int see_data_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct inode *inode = file_inode(file);

	if (!see_mappable(inode))
		return -ENODEV;
	if (!see_data_get(inode))
		return -ENOMEM;
	__see_data_refresh(inode, true);
	file_accessed(file);
	vma->vm_ops = &see_vm_ops;
	return 0;
}

const struct address_space_operations see_aops = {
	.read_folio	= see_read_folio,
	.readahead	= see_readahead,
	.write_begin	= see_write_begin,
	.write_end	= see_write_end,
	.writepages	= see_writepages,
	.dirty_folio	= filemap_dirty_folio,
	.migrate_folio	= filemap_migrate_folio,
};
