// SPDX-License-Identifier: GPL-2.0
/*
 * Files made in the SEE: everything passes through to the private file
 *
 * file->private_data is the private file, opened with the user's flags when
 * ours is.  Our i_rwsem is taken first, so that what is copied back to our
 * inode is what the last operation left; below it come the private file
 * system's sb_writers, for splice the pipe's mutex, and the private i_rwsem.
 * All of it runs under the mounter's credentials; set-id bits and file
 * capabilities are dropped before, by the caller's.
 *
 * Owns nothing.  Calls VFS functions on the private file and see_copyattr();
 * called by file.c.
 */
#include <linux/fs.h>
#include <linux/falloc.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/splice.h>
#include <linux/stat.h>
#include <linux/uio.h>

#include "blockmap.h"
#include "compat_data.h"
#include "data.h"
#include "gate.h"
#include "inode.h"
#include "quota.h"

/* what the user's iocb asks for and the private file is to do */
#define SEE_IOCB_FLAGS	(IOCB_DIRECT | IOCB_APPEND | IOCB_DSYNC | IOCB_SYNC)

#define SEE_OPEN_KEEP	~(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC)

static const struct cred *see_override(struct file *file)
{
	return override_creds(see_layer(file_inode(file)->i_sb)->cred);
}

/**
 * see_born_open - open the private file of a born file
 * @file: ours, being opened
 */
struct file *see_born_open(struct file *file)
{
	struct inode *inode = file_inode(file);
	struct see_layer *layer = see_layer(inode->i_sb);
	struct path path = { .mnt = layer->priv.mnt, .dentry = see_priv(inode) };
	const struct cred *old;
	struct file *real;

	if (WARN_ON_ONCE(!path.dentry))
		return ERR_PTR(-EIO);
	old = override_creds(layer->cred);
	real = see_open_shown(file, file->f_flags & SEE_OPEN_KEEP, &path, layer->cred);
	revert_creds(old);
	return real;
}

/* @iocb's own, synchronous, for the private file */
static int see_born_iocb(struct kiocb *real, struct kiocb *iocb)
{
	struct file *file = iocb->ki_filp->private_data;

	if (iocb->ki_flags & IOCB_DIRECT && !(file->f_mode & FMODE_CAN_ODIRECT))
		return -EINVAL;
	init_sync_kiocb(real, file);
	real->ki_flags &= ~SEE_IOCB_FLAGS;
	real->ki_flags |= iocb->ki_flags & SEE_IOCB_FLAGS;
	real->ki_ioprio = iocb->ki_ioprio;
	real->ki_pos = iocb->ki_pos;
	return 0;
}

ssize_t see_born_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *file = iocb->ki_filp;
	const struct cred *old;
	struct kiocb real;
	ssize_t ret;

	ret = see_born_iocb(&real, iocb);
	if (ret)
		return ret;
	old = see_override(file);
	ret = vfs_iocb_iter_read(real.ki_filp, &real, to);
	revert_creds(old);
	iocb->ki_pos = real.ki_pos;
	file_accessed(file);
	return ret;
}

/* i_rwsem taken, and the file made ready to be written by the caller */
static int see_born_begin(struct file *file)
{
	struct inode *inode = file_inode(file);
	int err;

	err = see_writer_lock(inode);
	if (err)
		return err;
	see_copyattr(inode);
	err = file_remove_privs(file);
	if (err)
		see_writer_unlock(inode);
	return err;
}

static void see_born_end(struct file *file)
{
	see_copyattr(file_inode(file));
	see_writer_unlock(file_inode(file));
}

/* the most that one splice takes: its room is asked for before */
#define SEE_SPLICE_MAX	SZ_1M

/* are there fewer blocks than the size needs? */
static bool see_born_sparse(struct see_layer *layer, struct dentry *dentry)
{
	struct path path = { .mnt = layer->priv.mnt, .dentry = dentry };
	struct kstat stat;

	/* i_blocks alone lacks what is allocated late */
	return vfs_getattr_nosec(&path, &stat, STATX_SIZE | STATX_BLOCKS,
				 AT_STATX_SYNC_AS_STAT) ||
	       stat.blocks << 9 < stat.size;
}

/* may bytes @pos to @end, which are not beyond the end of the file, take space? */
static bool see_born_fills(struct file *file, loff_t pos, loff_t end)
{
	struct inode *inode = file_inode(file);
	struct file *real = file->private_data;
	const struct cred *old;
	loff_t hole;

	if (pos >= end)
		return false;
	/* where blocks can be shared, new ones are taken in their place */
	if (real->f_op->remap_file_range)
		return true;
	if (!see_born_sparse(see_layer(inode->i_sb), see_priv(inode)))
		return false;
	old = see_override(file);
	hole = vfs_llseek(real, pos, SEEK_HOLE);
	revert_creds(old);
	return hole < end;
}

/* the least that a file system allocates at both ends of a range */
#define SEE_BORN_ENDS	(2 * SEE_BLOCK_SIZE)

/* @room is reserved until see_born_close_room() */
static int see_born_open_room(struct see_layer *layer, u64 need, u64 *room)
{
	int err;

	*room = 0;
	if (!need)
		return 0;
	err = see_quota_reserve(layer, need + SEE_BORN_ENDS);
	if (err)
		return err;
	*room = need + SEE_BORN_ENDS;
	err = see_space_floor(layer, need);
	if (err) {
		see_quota_release(layer, *room);
		*room = 0;
	}
	return err;
}

/*
 * Whatever takes space leaves the host its floor, and stays below the SEE's
 * limit: what is appended, but not the hole before it, and what fills holes.
 * Overwriting takes nothing.
 */
static int see_born_room(struct file *file, loff_t pos, u64 len, u64 *room)
{
	struct inode *inode = file_inode(file);
	loff_t size = i_size_read(inode);
	u64 over = pos < size ? min_t(u64, size - pos, len) : 0, need = len - over;

	if (see_born_fills(file, pos, pos + over))
		need += over;
	return see_born_open_room(see_layer(inode->i_sb), need, room);
}

static void see_born_close_room(struct file *file, u64 room)
{
	see_quota_settle_reserved(file_inode(file), room);
}

ssize_t see_born_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct file *file = iocb->ki_filp;
	struct inode *inode = file_inode(file);
	size_t len = iov_iter_count(from);
	const struct cred *old;
	struct kiocb real;
	loff_t pos;
	ssize_t ret;
	u64 room;

	if (!len)
		return 0;
	ret = see_born_iocb(&real, iocb);
	if (ret)
		return ret;
	ret = see_born_begin(file);
	if (ret)
		return ret;
	pos = iocb->ki_flags & IOCB_APPEND ? i_size_read(inode) : iocb->ki_pos;
	ret = see_born_room(file, pos, len, &room);
	if (!ret) {
		old = see_override(file);
		ret = see_iocb_write(real.ki_filp, &real, from);
		revert_creds(old);
		iocb->ki_pos = real.ki_pos;
		see_born_close_room(file, room);
	}
	see_born_end(file);
	return ret;
}

ssize_t see_born_splice_read(struct file *in, loff_t *ppos,
			     struct pipe_inode_info *pipe, size_t len,
			     unsigned int flags)
{
	const struct cred *old = see_override(in);
	ssize_t ret;

	ret = see_vfs_splice_read(in->private_data, ppos, pipe, len, flags);
	revert_creds(old);
	file_accessed(in);
	return ret;
}

/*
 * Not iter_file_splice_write() on our file: that takes the pipe's mutex before
 * the private sb_writers, and a splice on the host the other way round.
 */
ssize_t see_born_splice_write(struct pipe_inode_info *pipe, struct file *out,
			      loff_t *ppos, size_t len, unsigned int flags)
{
	struct file *real = out->private_data;
	const struct cred *old;
	ssize_t ret;
	u64 room;

	if (!real->f_op->splice_write)
		return -EINVAL;
	ret = see_born_begin(out);
	if (ret)
		return ret;
	len = min_t(size_t, len, SEE_SPLICE_MAX);
	ret = see_born_room(out, *ppos, len, &room);
	if (!ret) {
		old = see_override(out);
		file_start_write(real);
		ret = real->f_op->splice_write(pipe, real, ppos, len, flags);
		file_end_write(real);
		revert_creds(old);
		see_born_close_room(out, room);
	}
	see_born_end(out);
	return ret;
}

int see_born_fsync(struct file *file, loff_t start, loff_t end, int datasync)
{
	const struct cred *old = see_override(file);
	int err;

	err = vfs_fsync_range(file->private_data, start, end, datasync);
	revert_creds(old);
	return err;
}

long see_born_fallocate(struct file *file, int mode, loff_t off, loff_t len)
{
	struct inode *inode = file_inode(file);
	const struct cred *old;
	u64 room = 0;
	long err;

	err = see_born_begin(file);
	if (err)
		return err;
	if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE)))
		err = see_born_open_room(see_layer(inode->i_sb), len, &room);
	if (!err) {
		old = see_override(file);
		err = vfs_fallocate(file->private_data, mode, off, len);
		revert_creds(old);
		see_born_close_room(file, room);
	}
	see_born_end(file);
	return err;
}

static struct see_layer *see_mapped_layer(const struct vm_fault *vmf)
{
	/* the file of the mapping keeps our mount, and so the layer */
	return container_of(vmf->vma->vm_ops, struct see_layer, shared.ops);
}

static vm_fault_t see_born_fault(struct vm_fault *vmf)
{
	struct see_layer *layer = see_mapped_layer(vmf);

	if (READ_ONCE(layer->dead))
		return VM_FAULT_SIGBUS;
	return layer->shared.real->fault(vmf);
}

/* a store may fill a hole, and nothing that would tell is legal under mmap_lock */
static vm_fault_t see_born_mkwrite(struct vm_fault *vmf)
{
	struct see_layer *layer = see_mapped_layer(vmf);
	struct inode *priv = file_inode(vmf->vma->vm_file), *inode;
	struct dentry *dentry;
	vm_fault_t ret;
	bool sparse;
	u64 room;

	if (READ_ONCE(layer->dead))
		return VM_FAULT_SIGBUS;
	dentry = d_find_any_alias(priv);
	sparse = !dentry || see_born_sparse(layer, dentry);
	dput(dentry);
	if (!sparse)
		return layer->shared.real->page_mkwrite(vmf);
	/* some file systems fill the holes of a whole folio */
	if (see_born_open_room(layer, folio_size(page_folio(vmf->page)), &room))
		return VM_FAULT_SIGBUS;
	ret = layer->shared.real->page_mkwrite(vmf);
	/* in memory as long as the mapping is, whose file has its name */
	inode = see_ilookup(layer->sb, priv);
	if (WARN_ON_ONCE(!inode)) {
		see_quota_release(layer, room);
		return ret;
	}
	see_quota_settle_reserved(inode, room);
	iput(inode);
	return ret;
}

/* put our functions before those of @vma; a file system has one set of them */
static int see_born_share(struct see_layer *layer, struct vm_area_struct *vma)
{
	static DEFINE_SPINLOCK(lock);
	struct see_shared *shared = &layer->shared;

	spin_lock(&lock);
	if (!shared->real) {
		shared->ops = *vma->vm_ops;
		shared->ops.fault = see_born_fault;
		shared->ops.page_mkwrite = see_born_mkwrite;
		shared->real = vma->vm_ops;
	}
	spin_unlock(&lock);
	if (shared->real != vma->vm_ops)
		return -ENODEV;
	vma->vm_ops = &shared->ops;
	return 0;
}

int see_born_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct see_layer *layer = see_layer(file_inode(file)->i_sb);
	int err;

	err = see_mmap_shown(file->private_data, vma, layer->cred);
	/* tmpfs has none: it cannot tell a store from a load, and takes memory */
	if (!err && vma->vm_flags & VM_MAYSHARE && vma->vm_ops &&
	    vma->vm_ops->page_mkwrite)
		err = see_born_share(layer, vma);
	file_accessed(file);
	return err;
}

/* copy into a born file, from a file below or one of another file system */
ssize_t see_born_copy(struct file *in, loff_t pos_in, struct file *out,
		      loff_t pos_out, size_t len)
{
	struct file *real_in;
	const struct cred *old;
	ssize_t ret;
	u64 room;

	ret = see_born_begin(out);
	if (ret)
		return ret;
	real_in = see_whole(in);
	ret = PTR_ERR_OR_ZERO(real_in);
	if (!ret)
		ret = see_born_room(out, pos_out, len, &room);
	if (!ret) {
		old = see_override(out);
		ret = vfs_copy_file_range(real_in, pos_in, out->private_data, pos_out,
					  len, 0);
		revert_creds(old);
		see_born_close_room(out, room);
	}
	see_born_end(out);
	return ret;
}

/* clone into a born file, or find that both are the same already */
loff_t see_born_remap(struct file *in, loff_t pos_in, struct file *out,
		      loff_t pos_out, loff_t len, unsigned int flags)
{
	struct inode *inode = file_inode(out);
	struct file *real = out->private_data, *real_in;
	const struct cred *old;
	loff_t ret;
	u64 need;

	ret = see_born_begin(out);
	if (ret)
		return ret;
	real_in = see_whole(in);
	ret = PTR_ERR_OR_ZERO(real_in);
	if (ret)
		goto out;
	/* @len 0: all there is; shared blocks count as if they were not */
	need = len ?: max(i_size_read(file_inode(real_in)) - pos_in, 0LL);
	if (flags & REMAP_FILE_DEDUP)
		need = 0;
	ret = see_quota_reserve(see_layer(inode->i_sb), need);
	if (ret)
		goto out;
	old = see_override(out);
	if (flags & REMAP_FILE_DEDUP)
		ret = vfs_dedupe_file_range_one(real_in, pos_in, real, pos_out, len,
						flags);
	else
		ret = vfs_clone_file_range(real_in, pos_in, real, pos_out, len, flags);
	revert_creds(old);
	see_born_close_room(out, need);
out:
	see_born_end(out);
	return ret;
}
