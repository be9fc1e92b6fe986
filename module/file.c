// SPDX-License-Identifier: GPL-2.0
/*
 * File operations, routed by where the bytes are
 *
 *	born in the SEE		the private file (born.c)
 *	host, SEE changed	by the block map: runs of host blocks to the lower
 *				file, the rest to our own mapping (pages.c)
 *	host, unchanged		the lower file
 *
 * The lower file is opened at the first read, not at open, and once for all
 * who read it.  Whoever needs one of his own (a private mapping, which shows
 * its path in /proc; advice that is kept in the file) gets it in private_data,
 * where born files have their private file.
 *
 * Owns see_inode.rfile and file->private_data, both set once by cmpxchg.  Of
 * locks it takes i_rwsem for what changes the file, and inside it the pipe's
 * mutex.  Calls born.c, pages.c, blockmap.c and writeback.c; called by the
 * VFS.
 */
#include <linux/bvec.h>
#include <linux/fadvise.h>
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pipe_fs_i.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/splice.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "blockmap.h"
#include "locks.h"
#include "compat_data.h"
#include "data.h"
#include "gate.h"
#include "inode.h"

/* does the size no longer follow the host's? */
static bool see_ours(const struct inode *inode)
{
	return see_test(inode, SEE_I_ATTRS);
}

/* ---- the lower file ---- */

static int see_lower_path(struct inode *inode, struct path *path)
{
	path->mnt = see_layer(inode->i_sb)->lower.mnt;
	path->dentry = see_i(inode)->lower;
	/* the host dropped it while nobody could copy it: never zeros */
	return path->dentry ? 0 : -EIO;
}

/**
 * see_lower_file - the host's file, opened once for reading
 * @inode: a host file
 *
 * It stays open while the inode lives; it must not know our path, or it would
 * keep the mount busy for ever.
 */
struct file *see_lower_file(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct file *file = READ_ONCE(si->rfile), *old;
	struct path path;
	int err;

	if (likely(file))
		return file;
	err = see_lower_path(inode, &path);
	if (err)
		return ERR_PTR(err);
	file = see_open_quiet(&path, O_RDONLY, see_layer(inode->i_sb)->cred);
	if (IS_ERR(file))
		return file;
	old = cmpxchg(&si->rfile, NULL, file);
	if (old) {
		fput(file);
		return old;
	}
	return file;
}

/* a lower file for @file alone, which shows @file's path */
static struct file *see_lower_own(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct file *real = READ_ONCE(file->private_data), *old;
	struct path path;
	int err;

	if (real)
		return real;
	err = see_lower_path(inode, &path);
	if (err)
		return ERR_PTR(err);
	real = see_open_shown(file, O_RDONLY | O_LARGEFILE, &path,
			      see_layer(inode->i_sb)->cred);
	if (IS_ERR(real))
		return real;
	old = cmpxchg((struct file **)&file->private_data, NULL, real);
	if (old) {
		fput(real);
		return old;
	}
	return real;
}

/* the lower file that @file reads from */
static struct file *see_lower_of(struct file *file)
{
	struct file *real = READ_ONCE(file->private_data);

	return real ?: see_lower_file(file_inode(file));
}

static int see_prepare_file(struct inode *inode, struct file *file)
{
	struct see_data *data;
	struct file *real;

	if (see_born(inode)) {
		real = see_born_open(file);
		if (IS_ERR(real))
			return PTR_ERR(real);
		file->private_data = real;
		file->f_mode |= real->f_mode & FMODE_CAN_ODIRECT;
		return 0;
	}
	/* O_DIRECT falls back to the page cache, without a word, as elsewhere */
	file->f_mode |= FMODE_CAN_ODIRECT;
	see_data_refresh(inode);
	data = see_part(inode);
	if (data && see_priv(inode)) {
		/* now, since fills come under mmap_lock */
		real = see_data_open(data);
		if (IS_ERR(real))
			return PTR_ERR(real);
	}
	return 0;
}

static int see_open(struct inode *inode, struct file *file)
{
	bool write = file->f_mode & FMODE_WRITE;
	int err;

	if (write) {
		/* the VFS counts it as open already, which a commit would mind */
		atomic_inc(&see_i(inode)->opening);
		err = see_change_enter(inode->i_sb);
		atomic_dec(&see_i(inode)->opening);
	} else {
		err = see_look_enter(inode->i_sb);
	}
	if (err)
		return err;
	err = see_prepare_file(inode, file);
	if (write)
		see_change_leave(inode->i_sb);
	else
		see_look_leave(inode->i_sb);
	return err;
}

static int see_release(struct inode *inode, struct file *file)
{
	if (file->private_data)
		fput(file->private_data);
	return 0;
}

/* ---- reading ---- */

/* read from the lower file at @pos, which moves */
static ssize_t see_read_at(struct file *real, struct kiocb *iocb, struct iov_iter *to)
{
	struct kiocb below;
	ssize_t ret;

	init_sync_kiocb(&below, real);
	below.ki_pos = iocb->ki_pos;
	ret = vfs_iocb_iter_read(real, &below, to);
	iocb->ki_pos = below.ki_pos;
	return ret;
}

/* unchanged: as the host would, with the least in between */
static ssize_t see_read_lower(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp, *real = see_lower_of(file);
	int flags = iocb->ki_flags;
	ssize_t ret;

	if (IS_ERR(real))
		return PTR_ERR(real);
	if (!is_sync_kiocb(iocb) || unlikely(!real->f_op->read_iter))
		return see_read_at(real, iocb, to);
	iocb->ki_filp = real;
	iocb->ki_flags &= ~IOCB_DIRECT;
	ret = real->f_op->read_iter(iocb, to);
	iocb->ki_filp = file;
	iocb->ki_flags = flags;
	return ret;
}

/* at most the run of bytes that come from the same place, @len at the most */
static ssize_t see_read_run(struct kiocb *iocb, struct iov_iter *to, size_t len)
{
	struct file *file = iocb->ki_filp, *real;
	loff_t end;
	bool host;
	ssize_t ret;

	end = see_map_run(file_inode(file), iocb->ki_pos, iocb->ki_pos + len, &host);
	len = end - iocb->ki_pos;
	iov_iter_truncate(to, len);
	if (!host)
		return generic_file_read_iter(iocb, to);
	real = see_lower_of(file);
	if (IS_ERR(real))
		return PTR_ERR(real);
	ret = see_read_at(real, iocb, to);
	if (!ret) {
		/* the host has cut the file since */
		ret = iov_iter_zero(len, to);
		iocb->ki_pos += ret;
		if (!ret)
			ret = -EFAULT;
	}
	return ret;
}

static ssize_t see_read_split(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret = 0, total = 0;

	while (iov_iter_count(to)) {
		size_t count = iov_iter_count(to);
		loff_t size = i_size_read(inode), start = iocb->ki_pos;

		if (start >= size)
			break;
		ret = see_read_run(iocb, to, min_t(loff_t, count, size - start));
		if (ret <= 0) {
			iov_iter_reexpand(to, count);
			break;
		}
		iov_iter_reexpand(to, count - ret);
		total += ret;
		if (fatal_signal_pending(current))
			break;
	}
	file_accessed(iocb->ki_filp);
	return total ?: ret;
}

/* within a look */
static ssize_t see_read_here(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);

	if (see_born(inode))
		return see_born_read_iter(iocb, to);
	if (!see_ours(inode))
		return see_read_lower(iocb, to);
	iocb->ki_flags &= ~IOCB_DIRECT;
	return see_read_split(iocb, to);
}

/* where a read of @inode finds its end, within a look */
static loff_t see_read_end(struct inode *inode)
{
	struct inode *from = see_born(inode) ? d_inode(see_priv(inode)) :
			     see_ours(inode) ? inode : see_lower_inode(inode);

	return from ? i_size_read(from) : 0;
}

/*
 * One look, without faults: memory that is read into may be a mapping of ours, and a
 * store to it has to wait for a commit to end, which waits for who looks.
 */
static ssize_t see_read_once(struct kiocb *iocb, struct iov_iter *to, bool *end)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	bool user = user_backed_iter(to);
	ssize_t ret = see_look_enter(inode->i_sb);

	if (ret)
		return ret;
	if (user) {
		to->nofault = true;
		pagefault_disable();
	}
	ret = see_read_here(iocb, to);
	if (user) {
		pagefault_enable();
		to->nofault = false;
	}
	*end = !user || iocb->ki_pos >= see_read_end(inode);
	see_look_leave(inode->i_sb);
	return ret;
}

/* what is touched at once, outside, after a page was not there */
#define SEE_READ_AHEAD	SZ_256K

static ssize_t see_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret, total = 0;
	bool end = false;
	size_t len;

	if (see_dead(inode))
		return -EIO;
	if (!iov_iter_count(to))
		return 0;
	/* io_uring asks even those who do not offer it */
	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	for (;;) {
		ret = see_read_once(iocb, to, &end);
		if (ret > 0)
			total += ret;
		if ((ret <= 0 && ret != -EFAULT) || (ret > 0 && end) || !iov_iter_count(to))
			break;
		len = min_t(size_t, iov_iter_count(to), SEE_READ_AHEAD);
		if (fatal_signal_pending(current) ||
		    fault_in_iov_iter_writeable(to, len) == len)
			break;
	}
	return total ?: ret;
}

static ssize_t see_splice_out(struct file *in, loff_t *ppos,
			      struct pipe_inode_info *pipe, size_t len,
			      unsigned int flags)
{
	struct inode *inode = file_inode(in);
	struct file *real;
	bool host = true;

	if (see_born(inode))
		return see_born_splice_read(in, ppos, pipe, len, flags);
	if (see_ours(inode)) {
		loff_t size = i_size_read(inode);

		if (*ppos >= size || !len)
			return 0;
		len = min_t(loff_t, len, size - *ppos);
		len = see_map_run(inode, *ppos, *ppos + len, &host) - *ppos;
	}
	if (!host)
		return see_page_splice_read(in, ppos, pipe, len, flags);
	real = see_lower_of(in);
	if (IS_ERR(real))
		return PTR_ERR(real);
	return see_vfs_splice_read(real, ppos, pipe, len, flags);
}

static ssize_t see_splice_read(struct file *in, loff_t *ppos,
			       struct pipe_inode_info *pipe, size_t len,
			       unsigned int flags)
{
	struct super_block *sb = file_inode(in)->i_sb;
	ssize_t ret;

	if (see_dead(file_inode(in)))
		return -EIO;
	ret = see_look_enter(sb);
	if (ret)
		return ret;
	ret = see_splice_out(in, ppos, pipe, len, flags);
	see_look_leave(sb);
	return ret;
}

/* ---- writing ---- */

/* i_rwsem is held: before the first change, and any later one */
static int see_change(struct file *file)
{
	struct inode *inode = file_inode(file);
	int err;

	see_data_refresh(inode);
	err = see_touch(file_dentry(file));
	return err ?: see_map_start(inode);
}

static int see_sync_file(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct inode *inode = file_inode(file);
	int err, err2;

	if (see_born(inode))
		return see_born_fsync(file, start, end, datasync);
	/* the whole file: size and map are one, and say more than a range */
	err = see_data_sync(inode);
	err2 = file_check_and_advance_wb_err(file);
	return err ?: err2;
}

/* write to a host file; i_rwsem is held, and nothing is synced */
static ssize_t see_write_locked(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	struct inode *inode = file_inode(file);
	ssize_t ret;
	int err;

	iocb->ki_flags &= ~IOCB_DIRECT;
	if (!iov_iter_count(from))
		return 0;
	/* from here on the size is the SEE's: an append knows where */
	err = see_change(file);
	if (err)
		return err;
	ret = generic_write_checks(iocb, from);
	if (ret <= 0)
		return ret;
	if (iocb->ki_pos + iov_iter_count(from) > i_size_read(inode))
		err = see_zero_tail(inode, i_size_read(inode));
	if (err)
		return err;
	see_modified(inode);
	return __generic_file_write_iter(iocb, from);
}

static ssize_t see_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct inode *inode = file_inode(iocb->ki_filp);
	ssize_t ret;

	if (see_dead(inode))
		return -EIO;
	if (iocb->ki_flags & IOCB_NOWAIT)
		return -EAGAIN;
	if (see_born(inode))
		return see_born_write_iter(iocb, from);
	ret = see_writer_lock(inode);
	if (ret)
		return ret;
	ret = see_write_locked(iocb, from);
	see_writer_unlock(inode);
	return ret > 0 ? generic_write_sync(iocb, ret) : ret;
}

static int see_splice_actor(struct pipe_inode_info *pipe, struct pipe_buffer *buf,
			    struct splice_desc *sd)
{
	struct bio_vec bvec = {
		.bv_page = buf->page,
		.bv_offset = buf->offset,
		.bv_len = sd->len,
	};
	struct iov_iter from;
	struct kiocb iocb;

	init_sync_kiocb(&iocb, sd->u.file);
	iocb.ki_pos = sd->pos;
	iov_iter_bvec(&from, ITER_SOURCE, &bvec, 1, sd->len);
	return see_write_locked(&iocb, &from);
}

/*
 * iter_file_splice_write() would sync an O_SYNC file, and so enter the private
 * file system, under the pipe's mutex.
 */
static ssize_t see_splice_write(struct pipe_inode_info *pipe, struct file *out,
				loff_t *ppos, size_t len, unsigned int flags)
{
	struct inode *inode = file_inode(out);
	struct splice_desc sd = {
		.total_len = len,
		.flags = flags,
		.pos = *ppos,
		.u.file = out,
	};
	struct kiocb iocb;
	ssize_t ret;

	if (see_dead(inode))
		return -EIO;
	if (see_born(inode))
		return see_born_splice_write(pipe, out, ppos, len, flags);
	ret = see_writer_lock(inode);
	if (ret)
		return ret;
	/* here, since it enters the private file system, too */
	ret = file_remove_privs(out);
	if (!ret) {
		pipe_lock(pipe);
		ret = __splice_from_pipe(pipe, &sd, see_splice_actor);
		pipe_unlock(pipe);
	}
	see_writer_unlock(inode);
	if (ret <= 0)
		return ret;
	*ppos += ret;
	init_sync_kiocb(&iocb, out);
	iocb.ki_pos = *ppos;
	return generic_write_sync(&iocb, ret);
}

static int see_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	struct super_block *sb = file_inode(file)->i_sb;
	int err;

	if (see_dead(file_inode(file)))
		return -EIO;
	err = see_change_enter(sb);
	if (err)
		return err;
	err = see_sync_file(file, start, end, datasync);
	see_change_leave(sb);
	return err;
}

/* i_rwsem is held, see_change() was called */
static int see_allocate(struct file *file, int mode, loff_t off, loff_t len)
{
	struct inode *inode = file_inode(file);
	loff_t size = i_size_read(inode), end = off + len;
	int err = 0;

	if (!(mode & ~FALLOC_FL_KEEP_SIZE))
		err = see_space_check(see_layer(inode->i_sb), len);
	else if (off < size)
		err = see_punch(inode, off, min(end, size));
	if (!err && !(mode & FALLOC_FL_KEEP_SIZE) && end > size) {
		err = inode_newsize_ok(inode, end);
		if (!err)
			err = see_data_setsize(inode, end);
	}
	return err;
}

static long see_fallocate(struct file *file, int mode, loff_t off, loff_t len)
{
	struct inode *inode = file_inode(file);
	int err;

	if (see_dead(inode))
		return -EIO;
	if (see_born(inode))
		return see_born_fallocate(file, mode, off, len);
	/* what no file system below could do for a file that it has a part of */
	if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	err = see_writer_lock(inode);
	if (err)
		return err;
	err = see_change(file);
	if (!err)
		err = file_remove_privs(file);
	if (!err) {
		see_modified(inode);
		err = see_allocate(file, mode, off, len);
	}
	see_writer_unlock(inode);
	return err;
}

/* ---- seek, map, advise ---- */

/* data or hole in a run of host bytes; @end if there is none */
static loff_t see_seek_host(struct file *file, loff_t pos, loff_t end, int whence)
{
	struct file *real = see_lower_of(file);
	loff_t ret;

	if (IS_ERR(real))
		return PTR_ERR(real);
	ret = vfs_llseek(real, pos, whence);
	if (ret == -ENXIO)
		ret = whence == SEEK_HOLE ? pos : end;
	else if (ret < 0)
		ret = whence == SEEK_DATA ? pos : end;
	return clamp(ret, pos, end);
}

/* @pos is in a hole: where the next block begins that need not be in it */
static loff_t see_seek_next(struct see_data *data, loff_t pos, loff_t size)
{
	pgoff_t next = data ? see_map_next(data, pos >> PAGE_SHIFT) : ULONG_MAX;

	return next > size >> PAGE_SHIFT ? size : (loff_t)next << PAGE_SHIFT;
}

/*
 * Data or hole from @pos on: the map decides for what is private, the lower
 * for the rest.  What is pending or in the private file is data.
 */
static loff_t see_seek(struct file *file, loff_t pos, int whence)
{
	struct inode *inode = file_inode(file);
	loff_t size = i_size_read(inode), end, ret;
	struct see_data *data;
	bool host, hole;

	if (pos < 0 || pos >= size)
		return -ENXIO;
	while (pos < size) {
		end = min_t(loff_t, size, round_down(pos, PAGE_SIZE) + PAGE_SIZE);
		end = see_map_run(inode, pos, end, &host);
		if (host) {
			end = see_map_run(inode, pos, size, &host);
			ret = see_seek_host(file, pos, end, whence);
			if (ret < end)
				return ret;
		} else {
			data = see_part(inode);
			hole = !data || !see_map_placed(data, pos >> PAGE_SHIFT);
			if (hole ? whence == SEEK_HOLE : whence == SEEK_DATA)
				return pos;
			if (hole)
				end = see_seek_next(data, pos, size);
		}
		pos = end;
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return whence == SEEK_HOLE ? size : -ENXIO;
}

static loff_t see_llseek(struct file *file, loff_t off, int whence)
{
	struct inode *inode = file_inode(file);
	const struct cred *old;
	int err = see_look_enter(inode->i_sb);

	if (err)
		return err;
	if (!see_born(inode))
		see_data_refresh(inode);
	if (whence != SEEK_DATA && whence != SEEK_HOLE) {
		off = generic_file_llseek(file, off, whence);
	} else if (see_born(inode)) {
		old = override_creds(see_layer(inode->i_sb)->cred);
		off = vfs_llseek(file->private_data, off, whence);
		revert_creds(old);
	} else {
		off = see_seek(file, off, whence);
	}
	see_look_leave(inode->i_sb);
	if (off < 0 || (whence != SEEK_DATA && whence != SEEK_HOLE))
		return off;
	return vfs_setpos(file, off, inode->i_sb->s_maxbytes);
}

/*
 * Not by the gate: mmap_lock is held, which who is inside may need.  All that is looked
 * at here stays valid while a commit becomes the host's: descriptors below, the lower,
 * and what __see_data_refresh() does under its own locks.
 */
static int see_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct inode *inode = file_inode(file);
	struct file *real;

	if (see_dead(inode))
		return -EIO;
	if (see_born(inode))
		return see_born_mmap(file, vma);
	/*
	 * Mappings that may be shared have our pages from the start: none can
	 * be moved to other ones later.  VM_SHARED is not set where the file
	 * is open for reading only.
	 */
	if (vma->vm_flags & VM_MAYSHARE || see_ours(inode))
		return see_data_mmap(file, vma);
	real = see_lower_own(file);
	if (IS_ERR(real))
		return PTR_ERR(real);
	return see_mmap_shown(real, vma, see_layer(inode->i_sb)->cred);
}

static int see_advise(struct file *file, loff_t off, loff_t len, int advice)
{
	struct inode *inode = file_inode(file);
	struct file *real = file->private_data;
	int err = 0;

	if (see_born(inode))
		return vfs_fadvise(real, off, len, advice);
	if (see_i(inode)->lower) {
		/* others read the shared one */
		real = see_lower_own(file);
		if (IS_ERR(real))
			return PTR_ERR(real);
		err = vfs_fadvise(real, off, len, advice);
	}
	if (!err && see_part(inode))
		err = generic_fadvise(file, off, len, advice);
	return err;
}

static int see_fadvise(struct file *file, loff_t off, loff_t len, int advice)
{
	struct super_block *sb = file_inode(file)->i_sb;
	int err = see_look_enter(sb);

	if (err)
		return err;
	err = see_advise(file, off, len, advice);
	see_look_leave(sb);
	return err;
}

/* ---- copy, clone ---- */

/**
 * see_whole - the file below that has all bytes of a file
 * @file: of a layer, or of another file system
 *
 * Context: within a change.
 * Return: the file; -EOPNOTSUPP if they are in more than one; or another error.
 */
struct file *see_whole(struct file *file)
{
	struct inode *inode = file_inode(file);

	if (file->f_op != &see_file_fops)
		return file;
	if (see_born(inode))
		return file->private_data;
	return see_ours(inode) ? ERR_PTR(-EOPNOTSUPP) : see_lower_of(file);
}

static ssize_t see_copy_file_range(struct file *in, loff_t pos_in, struct file *out,
				   loff_t pos_out, size_t len, unsigned int flags)
{
	ssize_t ret = -EOPNOTSUPP;

	if (see_dead(file_inode(out)))
		return -EIO;
	/* across layers neither's credentials are right for both */
	if (file_inode(in)->i_sb != file_inode(out)->i_sb)
		return -EXDEV;
	if (see_born(file_inode(out)))
		ret = see_born_copy(in, pos_in, out, pos_out, len);
	if (ret == -EOPNOTSUPP || ret == -EXDEV)
		ret = see_splice_copy(in, pos_in, out, pos_out, len);
	return ret;
}

static loff_t see_remap_file_range(struct file *in, loff_t pos_in, struct file *out,
				   loff_t pos_out, loff_t len, unsigned int flags)
{
	if (see_dead(file_inode(out)))
		return -EIO;
	if (flags & ~(REMAP_FILE_DEDUP | REMAP_FILE_ADVISORY))
		return -EINVAL;
	if (!see_born(file_inode(out)))
		return -EOPNOTSUPP;
	/* sharing blocks with the host is for clones; nobody is told by dedupe */
	if (flags & REMAP_FILE_DEDUP && !see_born(file_inode(in)))
		return -EOPNOTSUPP;
	return see_born_remap(in, pos_in, out, pos_out, len, flags);
}

/*
 * Of regular files, of the host and born in the SEE.
 *
 * Locks are ours: those of the SEE meet each other, never the host's.
 */
const struct file_operations see_file_fops = {
	.open			= see_open,
	.release		= see_release,
	.llseek			= see_llseek,
	.read_iter		= see_read_iter,
	.write_iter		= see_write_iter,
	.mmap			= see_mmap,
	.fsync			= see_fsync,
	.fallocate		= see_fallocate,
	.fadvise		= see_fadvise,
	.splice_read		= see_splice_read,
	.splice_write		= see_splice_write,
	.copy_file_range	= see_copy_file_range,
	.remap_file_range	= see_remap_file_range,
	.setlease		= generic_setlease,
	.lock			= see_lock_op,
	.flock			= see_flock_op,
};
