// SPDX-License-Identifier: GPL-2.0
/*
 * The only way from the page cache to the private file
 *
 * Owns the order of durability: folios are written to the private file, which
 * is synced; then the records of the map, synced; then its header, synced.
 * Whatever is lost in between, a block is the host's or what the SEE wrote.
 * Where the file became shorter the header comes first, too: else records that
 * survive would bring host bytes back beyond the end.
 *
 * see_data.sync serialises that order and protects the map file; it is taken
 * without any other lock of ours but i_rwsem, and outside see_inode.lock and
 * the private file system.  Writing folios takes no lock of ours at all.
 * Everything runs under the mounter's credentials and without recursion into
 * file systems.
 *
 * Calls blockmap.c, mapdisk.c and, for container and private object,
 * see_persist(); called by the VFS, file.c and super.c.
 */
#include <linux/bvec.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <linux/writeback.h>

#include "blockmap.h"
#include "compat_data.h"
#include "data.h"
#include "inode.h"
#include "lower.h"
#include "quota.h"

/* folios in one request */
#define SEE_REQUEST	256

/* ---- credentials and context ---- */

struct see_below {
	const struct cred *cred;
	unsigned int nofs;
	unsigned int throttle;
};

/* start to work below: nothing may come back up into file systems */
static void see_below_start(struct inode *inode, struct see_below *below)
{
	below->throttle = current->flags & PF_LOCAL_THROTTLE;
	/* the private file's own dirty limit must not wait for our folios */
	current->flags |= PF_LOCAL_THROTTLE;
	below->nofs = memalloc_nofs_save();
	below->cred = override_creds(see_layer(inode->i_sb)->cred);
}

static void see_below_end(struct see_below *below)
{
	revert_creds(below->cred);
	memalloc_nofs_restore(below->nofs);
	if (!below->throttle)
		current->flags &= ~PF_LOCAL_THROTTLE;
}

/* work for another task, which the caller waits for */
/*
 * RLIMIT_FSIZE is for what a task writes, not for what it flushes: others wrote
 * that, perhaps, and blocks are written whole.
 */
static int see_unlimited(int (*run)(void *arg), void *arg)
{
	if (current->flags & PF_KTHREAD || rlimit(RLIMIT_FSIZE) == RLIM_INFINITY)
		return run(arg);
	return see_run_aside(run, arg);
}

/* ---- the private file ---- */

/*
 * Private files are locked below host files, of the same type often: lockdep
 * must not take the one for the other.
 */
static void see_private_class(struct inode *inode)
{
	static struct lock_class_key rwsem[FILESYSTEM_MAX_STACK_DEPTH];
	static struct lock_class_key invalidate[FILESYSTEM_MAX_STACK_DEPTH];
	int depth = inode->i_sb->s_stack_depth % FILESYSTEM_MAX_STACK_DEPTH;

	lockdep_set_class(&inode->i_rwsem, &rwsem[depth]);
	lockdep_set_class(&inode->i_mapping->invalidate_lock, &invalidate[depth]);
}

static struct file *see_open_below(struct see_layer *layer, struct dentry *dentry)
{
	struct path path = { .mnt = layer->priv.mnt, .dentry = dentry };

	if (!d_is_reg(dentry))
		return ERR_PTR(-EUCLEAN);
	return see_open_quiet(&path, O_RDWR, layer->cred);
}

/**
 * see_data_open - the private file of a host file
 * @data: of the file
 *
 * Made if need be: then it enters the private file system's sb_writers.  If the
 * map has private data, it was made.
 */
struct file *see_data_open(struct see_data *data)
{
	struct inode *inode = data->inode;
	struct file *file = READ_ONCE(data->privf), *old;
	int err;

	if (file)
		return file;
	if (!see_priv(inode)) {
		err = see_persist(inode);
		if (err)
			return ERR_PTR(err);
	}
	if (WARN_ON_ONCE(!see_priv(inode)))
		return ERR_PTR(-EIO);
	file = see_open_below(see_layer(inode->i_sb), see_priv(inode));
	if (IS_ERR(file))
		return file;
	see_private_class(file_inode(file));
	old = cmpxchg(&data->privf, NULL, file);
	if (old) {
		fput(file);
		return old;
	}
	return file;
}

/*
 * Past the private file's page cache where that is possible.  Btrfs turns
 * direct writes to checksummed files into synchronous buffered ones.
 */
static int see_direct(struct file *file)
{
	if (!(file->f_mode & FMODE_CAN_ODIRECT) ||
	    file_inode(file)->i_sb->s_magic == BTRFS_SUPER_MAGIC)
		return 0;
	return IOCB_DIRECT;
}

/**
 * see_data_read - read blocks from the private file
 * @data: of the file
 * @bvec: where to
 * @n: how many whole blocks
 * @pos: the first one's position
 */
ssize_t see_data_read(struct see_data *data, struct bio_vec *bvec, int n, loff_t pos)
{
	size_t len = (size_t)n << PAGE_SHIFT;
	struct file *file = see_data_open(data);
	struct see_below below;
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t ret;

	if (IS_ERR(file))
		return PTR_ERR(file);
	iov_iter_bvec(&iter, ITER_DEST, bvec, n, len);
	init_sync_kiocb(&iocb, file);
	iocb.ki_pos = pos;
	iocb.ki_flags |= see_direct(file);
	see_below_start(data->inode, &below);
	ret = vfs_iocb_iter_read(file, &iocb, &iter);
	see_below_end(&below);
	if (ret < 0)
		return ret;
	/* blocks are written whole: what is missing was lost */
	return ret == len ? 0 : -EIO;
}

/* ---- writeback ---- */

struct see_request {
	struct inode *inode;
	struct see_data *data;
	struct writeback_control *wbc;
	pgoff_t start;
	int nr;
	struct bio_vec bvec[SEE_REQUEST];
};

/* write the request's folios; @done: how many got there */
static int see_request_write(struct see_request *req, int *done)
{
	size_t len = (size_t)req->nr << PAGE_SHIFT, total = 0;
	struct file *file = see_data_open(req->data);
	struct iov_iter iter;
	struct kiocb iocb;
	ssize_t ret;

	*done = 0;
	if (IS_ERR(file))
		return PTR_ERR(file);
	/*
	 * The caller's write dropped set-id bits and capabilities by the
	 * caller's rights; those set since then are not to be dropped by ours.
	 */
	inode_set_flags(file_inode(file), S_NOSEC, S_NOSEC);
	init_sync_kiocb(&iocb, file);
	iocb.ki_flags |= see_direct(file);
	/*
	 * Only what was returned counts: after an error the iterator may have
	 * moved over what never got there.
	 */
	do {
		iov_iter_bvec(&iter, ITER_SOURCE, req->bvec, req->nr, len);
		iov_iter_advance(&iter, total);
		iocb.ki_pos = ((loff_t)req->start << PAGE_SHIFT) + total;
		ret = see_iocb_write(file, &iocb, &iter);
		if (ret > 0)
			total += ret;
	} while (ret > 0 && total < len);
	*done = total >> PAGE_SHIFT;
	if (total == len)
		return 0;
	return ret < 0 ? ret : -EIO;
}

static int see_request_flush(struct see_request *req)
{
	struct address_space *mapping = req->inode->i_mapping;
	struct see_below below;
	u64 reserved = 0;
	int err, done, i;

	if (!req->nr)
		return 0;
	see_below_start(req->inode, &below);
	err = see_request_write(req, &done);
	see_below_end(&below);
	/* a task that is killed tells nothing about the file */
	if (err && err != -EINTR && err != -ERESTARTSYS)
		mapping_set_error(mapping, err);
	for (i = 0; i < req->nr; i++) {
		struct folio *folio = page_folio(req->bvec[i].bv_page);

		if (i < done)
			reserved += see_map_done(req->data, folio->index) * PAGE_SIZE;
		else
			folio_redirty_for_writepage(req->wbc, folio);
		folio_end_writeback(folio);
	}
	see_quota_settle_reserved(req->inode, reserved);
	req->nr = 0;
	/* the private file's times moved with it */
	set_bit(SEE_I_ATTRDIRTY, &see_i(req->inode)->flags);
	mark_inode_dirty_sync(req->inode);
	return err;
}

static int see_write_one(struct folio *folio, void *arg)
{
	struct see_request *req = arg;
	loff_t pos = folio_pos(folio), size = i_size_read(req->inode);
	int err = 0;

	if (pos >= size) {
		/* being cut off */
		folio_unlock(folio);
		return 0;
	}
	if (size < pos + PAGE_SIZE)
		folio_zero_range(folio, size - pos, PAGE_SIZE - (size - pos));
	folio_start_writeback(folio);
	folio_unlock(folio);

	if (req->nr == SEE_REQUEST || req->start + req->nr != folio->index)
		err = see_request_flush(req);
	if (!req->nr)
		req->start = folio->index;
	req->bvec[req->nr++] = (struct bio_vec){
		.bv_page = &folio->page,
		.bv_len = PAGE_SIZE,
	};
	return err;
}

static int see_write_folios(void *arg)
{
	struct see_request *req = arg;
	int err, err2;

	err = see_write_dirty(req->inode->i_mapping, req->wbc, see_write_one, req);
	err2 = see_request_flush(req);
	return err ?: err2;
}

/**
 * see_writepages - write dirty folios of a host file to its private file
 * @mapping: ours
 * @wbc: which
 *
 * What cannot be written stays dirty, and is tried again.
 */
int see_writepages(struct address_space *mapping, struct writeback_control *wbc)
{
	struct see_data *data = see_part(mapping->host);
	struct see_request *req;
	int err;

	if (!mapping_tagged(mapping, PAGECACHE_TAG_DIRTY))
		return 0;
	if (WARN_ON_ONCE(!data))
		return -EIO;
	req = kmalloc(sizeof(*req), GFP_NOFS);
	if (!req)
		return -ENOMEM;
	req->inode = mapping->host;
	req->data = data;
	req->wbc = wbc;
	req->nr = 0;
	err = see_unlimited(see_write_folios, req);
	kfree(req);
	return err;
}

/* ---- durability ---- */

/* one run of see_data_sync() */
struct see_sync {
	struct see_data *data;
	struct list_head snaps;
	loff_t first;		/* size when it began */
	loff_t low;		/* smallest size since the header on disk */
	loff_t size, limit;	/* what the new header will say */
	bool wrote;
};

static void see_sync_begin(struct see_sync *sync)
{
	struct see_data *data = sync->data;

	spin_lock(&data->lock);
	sync->first = i_size_read(data->inode);
	data->lownow = sync->first;
	spin_unlock(&data->lock);
}

/*
 * The records first: if the file is cut in between, the header is the stricter
 * one, and bits beyond its size count for nothing.
 */
static int see_sync_sample(struct see_sync *sync)
{
	struct see_data *data = sync->data;
	int err;

	WRITE_ONCE(data->dirty, false);
	err = see_map_snap(data, &sync->snaps);
	spin_lock(&data->lock);
	sync->low = data->low;
	sync->limit = data->limit;
	/* what was appended since see_sync_begin() may not be written yet */
	sync->size = min(sync->first, data->lownow);
	data->low = i_size_read(data->inode);
	if (data->low > sync->size)
		data->dirty = true;
	sync->wrote = data->wrote;
	data->wrote = false;
	spin_unlock(&data->lock);
	return err;
}

static void see_sync_failed(struct see_sync *sync)
{
	struct see_data *data = sync->data;

	spin_lock(&data->lock);
	data->low = min(data->low, sync->low);
	data->wrote |= sync->wrote;
	data->dirty = true;
	spin_unlock(&data->lock);
}

/* open the map file, and make it if there is none */
static int see_map_open(struct see_data *data, bool make)
{
	struct qstr name = QSTR_INIT(SEE_BOX_MAP, sizeof(SEE_BOX_MAP) - 1);
	struct inode *inode = data->inode;
	/* pairs with the release in see_persist(), which made it */
	struct dentry *box = smp_load_acquire(&see_i(inode)->box), *dentry;
	struct file *file, *dir;
	struct see_op op;
	int err = 0;

	if (data->mapf)
		return 0;
	if (WARN_ON_ONCE(!box))
		return -EIO;
	dentry = see_lookup_priv(box, SEE_BOX_MAP, name.len);
	if (dentry == ERR_PTR(-ENOENT) && make) {
		err = see_begin(inode->i_sb, &op);
		if (err)
			return err;
		err = see_make(box, &name, S_IFREG | 0600, 0, NULL, NULL, &dentry);
		see_end(&op);
		if (err)
			return err;
		/* its name is durable before its contents can be */
		dir = see_open_dir(see_layer(inode->i_sb), see_layer(inode->i_sb)->priv.mnt,
				   box);
		if (IS_ERR(dir)) {
			dput(dentry);
			return PTR_ERR(dir);
		}
		err = vfs_fsync(dir, 0);
		see_close(dir);
	}
	if (IS_ERR(dentry))
		return PTR_ERR(dentry);
	if (!err) {
		file = see_open_below(see_layer(inode->i_sb), dentry);
		if (IS_ERR(file))
			err = PTR_ERR(file);
		else
			data->mapf = file;
	}
	dput(dentry);
	return err;
}

static int see_sync_map(struct see_sync *sync)
{
	struct see_data *data = sync->data;
	u8 kind = sync->limit ? SEE_DATA_BLOCKS : SEE_DATA_FULL;
	struct see_snap *snap;
	int err = 0;

	list_for_each_entry(snap, &sync->snaps, list) {
		err = see_map_write_record(data, snap);
		if (err)
			return err;
	}
	if (!list_empty(&sync->snaps))
		err = vfs_fsync(data->mapf, 1);
	if (err || (data->disk.data == kind && data->disk.size == sync->size &&
		    data->disk.limit == sync->limit))
		return err;
	return see_map_write_header(data, kind, sync->size, sync->limit);
}

/*
 * The file was shorter than the header on disk says: say so first, before
 * records that have forgotten what was behind the cut.
 */
static int see_sync_cut(struct see_sync *sync)
{
	struct see_data *data = sync->data;
	loff_t limit = min3(data->disk.limit, sync->limit, sync->low);

	if (data->disk.data == SEE_DATA_NONE || sync->low >= data->disk.size)
		return 0;
	return see_map_write_header(data, data->disk.data, sync->low, limit);
}

static int see_sync_below(struct see_sync *sync)
{
	struct see_data *data = sync->data;
	struct file *file;
	int err;

	file = see_data_open(data);
	if (IS_ERR(file))
		return PTR_ERR(file);
	err = see_map_open(data, true);
	if (!err)
		err = see_sync_cut(sync);
	if (!err)
		err = vfs_fsync(file, 0);
	if (!err)
		err = see_sync_map(sync);
	return err;
}

/* attributes alone: data and size are the host's */
static int see_sync_attrs(void *arg)
{
	struct inode *inode = arg;
	struct see_below below;
	struct file *file;
	int err;

	if (!see_test(inode, SEE_I_ATTRS))
		return 0;
	see_below_start(inode, &below);
	err = see_persist(inode);
	if (!err && see_priv(inode)) {
		file = see_open_below(see_layer(inode->i_sb), see_priv(inode));
		err = PTR_ERR_OR_ZERO(file);
		if (!err) {
			err = vfs_fsync(file, 0);
			see_close(file);
		}
	}
	see_below_end(&below);
	return err;
}

static int see_sync_all(void *arg)
{
	struct see_sync *sync = arg;
	struct see_data *data = sync->data;
	struct inode *inode = data->inode;
	struct see_below below;
	int err;

	mutex_lock(&data->sync);
	see_sync_begin(sync);
	err = filemap_write_and_wait(inode->i_mapping);
	see_below_start(inode, &below);
	/* after the data, whose writing moves the private object's times */
	if (!err)
		err = see_persist(inode);
	if (!err) {
		err = see_sync_sample(sync);
		if (!err)
			err = see_sync_below(sync);
		if (err)
			see_sync_failed(sync);
		see_map_unsnap(data, &sync->snaps, err);
	}
	see_below_end(&below);
	if (READ_ONCE(data->dirty))
		mark_inode_dirty_sync(inode);
	mutex_unlock(&data->sync);
	return err;
}

/**
 * see_data_sync - make everything of a host file durable
 * @inode: the file
 *
 * Context: takes see_data.sync; enters the private file system.
 * Return: 0, or an error; then all is still dirty and may be tried again.
 */
int see_data_sync(struct inode *inode)
{
	struct see_sync sync = {
		.data = see_part(inode),
		.snaps = LIST_HEAD_INIT(sync.snaps),
	};

	if (!sync.data)
		return see_unlimited(see_sync_attrs, inode);
	return see_unlimited(see_sync_all, &sync);
}

/**
 * see_data_write_inode - write_inode of a host file
 * @inode: the file
 * @wbc: why
 */
int see_data_write_inode(struct inode *inode, struct writeback_control *wbc)
{
	struct see_data *data = see_part(inode);

	if (!data)
		return see_test(inode, SEE_I_ATTRS) ? see_persist(inode) : 0;
	if (wbc->sync_mode == WB_SYNC_NONE && !READ_ONCE(data->dirty) &&
	    !READ_ONCE(data->wrote))
		return see_persist(inode);
	return see_data_sync(inode);
}

/* ---- life ---- */

/**
 * see_data_load - take over the data of a changed host file at mount
 * @inode: new, with si->box and si->priv set
 *
 * Without a map, or with one that a crash cut short, all bytes are the host's,
 * and so is the size: what it is now, or what it was at the first change if the
 * host has dropped the file.
 */
int see_data_load(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct see_layer *layer = see_layer(inode->i_sb);
	struct see_below below;
	struct see_data *data;
	struct dentry *dentry;
	struct file *file;
	int ret;

	see_below_start(inode, &below);
	dentry = see_lookup_priv(si->box, SEE_BOX_MAP, sizeof(SEE_BOX_MAP) - 1);
	ret = PTR_ERR_OR_ZERO(dentry);
	if (ret == -ENOENT)
		ret = 0;
	if (ret || IS_ERR(dentry))
		goto out;

	file = see_open_below(layer, dentry);
	dput(dentry);
	data = see_data_get(inode);
	ret = data ? PTR_ERR_OR_ZERO(file) : -ENOMEM;
	/* the private file is made before the map, and is nobody else's */
	if (!ret && (!si->priv || file_inode(file)->i_nlink != 1))
		ret = -EUCLEAN;
	if (!ret)
		ret = see_map_load(data, file);
	if (!IS_ERR(file))
		fput(file);
out:
	see_below_end(&below);
	if (ret)
		return min(ret, 0);
	if (!si->lower && si->first.size > inode->i_sb->s_maxbytes)
		return -EUCLEAN;
	i_size_write(inode, si->lower ? i_size_read(d_inode(si->lower)) :
					si->first.size);
	return 0;
}

static void see_data_drop(struct see_data *data)
{
	if (data->privf)
		fput(data->privf);
	data->privf = NULL;
	if (data->mapf)
		fput(data->mapf);
	data->mapf = NULL;
	see_data_clear(data);
}

/**
 * see_data_evict - forget the data of a file
 * @inode: from evict_inode, after truncate_inode_pages_final()
 */
void see_data_evict(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct see_data *data = si->data;

	if (si->rfile)
		fput(si->rfile);
	si->rfile = NULL;
	if (!data)
		return;
	see_data_drop(data);
	kfree(data);
	si->data = NULL;
}

/**
 * see_data_reset - all that is private was committed: the host has it
 * @inode: a host file, clean, not changed any more
 *
 * Context: nobody is inside the gate; takes invalidate_lock, for fills.
 */
void see_data_reset(struct inode *inode)
{
	struct see_data *data = see_data_of(inode);

	if (!data)
		return;
	filemap_invalidate_lock(inode->i_mapping);
	see_data_drop(data);
	invalidate_inode_pages2(inode->i_mapping);
	filemap_invalidate_unlock(inode->i_mapping);
}

/**
 * see_data_blocks - st_blocks of a changed host file
 * @inode: the file
 *
 * The host's share as far as it is shown, and what is private.
 */
blkcnt_t see_data_blocks(struct inode *inode)
{
	struct inode *lower = see_lower_inode(inode);
	struct see_data *data = see_part(inode);
	loff_t limit = see_map_limit(inode);
	u64 most = round_up((u64)i_size_read(inode), PAGE_SIZE) >> 9;
	u64 host = lower ? min_t(u64, lower->i_blocks, round_up((u64)limit, PAGE_SIZE) >> 9) : 0;

	if (data)
		host += (u64)max(atomic_long_read(&data->blocks), 0L) << (PAGE_SHIFT - 9);
	return min(host, most);
}
