/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between kernels that the data path meets.  As compat.h: by what
 * the compile probes of probes/ found, never by version numbers.
 */
#ifndef SEE_COMPAT_DATA_H
#define SEE_COMPAT_DATA_H

#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/splice.h>
#include <linux/writeback.h>

#include "guards.h"

#ifdef SEE_HAVE_FILELOCK_OWN_HEADER
#include <linux/filelock.h>
#endif

/* locks as fcntl(2) and flock(2) make them, of the whole file */
#ifdef SEE_HAVE_FILE_LOCK_CORE
static inline int see_lock_type(const struct file_lock *fl)
{
	return fl->c.flc_type;
}

static inline void see_lock_fill(struct file_lock *fl, struct file *file, bool posix,
				 int type)
{
	fl->c.flc_type = type;
	fl->c.flc_flags = posix ? FL_POSIX : FL_FLOCK;
	fl->c.flc_file = file;
	fl->c.flc_owner = file;
	fl->c.flc_pid = current->tgid;
	fl->fl_end = OFFSET_MAX;
}
#else
static inline int see_lock_type(const struct file_lock *fl)
{
	return fl->fl_type;
}

static inline void see_lock_fill(struct file_lock *fl, struct file *file, bool posix,
				 int type)
{
	fl->fl_type = type;
	fl->fl_flags = posix ? FL_POSIX : FL_FLOCK;
	fl->fl_file = file;
	fl->fl_owner = file;
	fl->fl_pid = current->tgid;
	fl->fl_end = OFFSET_MAX;
}
#endif

/* write_begin and write_end: who writes, and what is handed over in between */
#ifdef SEE_HAVE_WRITE_BEGIN_KIOCB
#define SEE_WRITER const struct kiocb
#else
#define SEE_WRITER struct file
#endif

#ifdef SEE_HAVE_WRITE_BEGIN_PAGE
#define see_written page

static inline struct page *see_to_written(struct folio *folio)
{
	return &folio->page;
}

static inline struct folio *see_from_written(struct page *page)
{
	return page_folio(page);
}
#else
#define see_written folio

static inline struct folio *see_to_written(struct folio *folio)
{
	return folio;
}

static inline struct folio *see_from_written(struct folio *folio)
{
	return folio;
}
#endif

/* call @one with every dirty folio, locked and no longer dirty */
#ifdef SEE_HAVE_WRITEBACK_ITER
static inline int see_write_dirty(struct address_space *mapping,
				  struct writeback_control *wbc,
				  int (*one)(struct folio *folio, void *arg),
				  void *arg)
{
	struct folio *folio = NULL;
	int err = 0;

	while ((folio = writeback_iter(mapping, wbc, folio, &err)))
		err = one(folio, arg);
	return err;
}
#else
struct see_write_pages {
	int (*one)(struct folio *folio, void *arg);
	void *arg;
};

static inline int see_write_page(struct page *page, struct writeback_control *wbc,
				 void *arg)
{
	struct see_write_pages *pages = arg;

	return pages->one(page_folio(page), pages->arg);
}

static inline int see_write_dirty(struct address_space *mapping,
				  struct writeback_control *wbc,
				  int (*one)(struct folio *folio, void *arg),
				  void *arg)
{
	struct see_write_pages pages = { .one = one, .arg = arg };

	return write_cache_pages(mapping, wbc, see_write_page, &pages);
}
#endif

#ifdef SEE_HAVE_SPLICE_READ_VFS
#define see_vfs_splice_read vfs_splice_read
#define see_page_splice_read filemap_splice_read
#else
static inline ssize_t see_vfs_splice_read(struct file *in, loff_t *ppos,
					  struct pipe_inode_info *pipe, size_t len,
					  unsigned int flags)
{
	if (!in->f_op->splice_read)
		return -EINVAL;
	return in->f_op->splice_read(in, ppos, pipe, len, flags);
}

#define see_page_splice_read generic_file_splice_read
#endif

#ifdef SEE_HAVE_SPLICE_COPY_FILE
static inline ssize_t see_splice_copy(struct file *in, loff_t pos_in, struct file *out,
				      loff_t pos_out, size_t len)
{
	return splice_copy_file_range(in, pos_in, out, pos_out, len);
}
#else
static inline ssize_t see_splice_copy(struct file *in, loff_t pos_in, struct file *out,
				      loff_t pos_out, size_t len)
{
	return generic_copy_file_range(in, pos_in, out, pos_out, len, 0);
}
#endif

/*
 * A file below ours: no watch is told of it, and its atime stays.  Since 7.x the
 * opening itself is told all the same: nothing that is exported opens without.
 */
#ifdef SEE_HAVE_NONOTIFY_MODE
#define SEE_OPEN_QUIET (see_guard(SEE_GUARD_ATIME) ? O_NOATIME : 0)

static inline struct file *see_quiet(struct file *file)
{
	if (!IS_ERR(file) && see_guard(SEE_GUARD_QUIET))
		file_set_fsnotify_mode(file, FMODE_NONOTIFY);
	return file;
}
#else
#define SEE_OPEN_QUIET ((see_guard(SEE_GUARD_ATIME) ? O_NOATIME : 0) |		\
			(see_guard(SEE_GUARD_QUIET) ? (__force int)FMODE_NONOTIFY : 0))
#define see_quiet(file) (file)
#endif

static inline struct file *see_open_quiet(const struct path *path, int flags,
					  const struct cred *cred)
{
	return see_quiet(dentry_open(path, flags | O_LARGEFILE | SEE_OPEN_QUIET, cred));
}

/*
 * Files below ours.  "Shown": users see the path of @file in /proc, not the
 * one below.
 */
#ifndef SEE_HAVE_BACKING_FILE_FAKE_PATH
#include <linux/backing-file.h>

static inline struct file *see_open_shown(struct file *file, int flags,
					  const struct path *path,
					  const struct cred *cred)
{
	return see_quiet(backing_file_open(file, flags | SEE_OPEN_QUIET, path, cred));
}

static inline int see_mmap_shown(struct file *real, struct vm_area_struct *vma,
				 const struct cred *cred)
{
	struct backing_file_ctx ctx = {
		.cred = cred,
#ifdef SEE_HAVE_BACKING_FILE_CTX_USER
		.user_file = vma->vm_file,
#endif
	};

	return backing_file_mmap(real, vma, &ctx);
}

/* takes the sb_writers of @file */
static inline ssize_t see_iocb_write(struct file *file, struct kiocb *iocb,
				     struct iov_iter *iter)
{
	return vfs_iocb_iter_write(file, iocb, iter);
}
#else
static inline struct file *see_open_shown(struct file *file, int flags,
					  const struct path *path,
					  const struct cred *cred)
{
	return open_with_fake_path(&file->f_path, flags | SEE_OPEN_QUIET,
				   d_inode(path->dentry), cred);
}

static inline int see_mmap_shown(struct file *real, struct vm_area_struct *vma,
				 const struct cred *cred)
{
	const struct cred *old;
	int err;

	if (!real->f_op->mmap)
		return -ENODEV;
	vma_set_file(vma, real);
	old = override_creds(cred);
	err = call_mmap(real, vma);
	revert_creds(old);
	return err;
}

static inline ssize_t see_iocb_write(struct file *file, struct kiocb *iocb,
				     struct iov_iter *iter)
{
	ssize_t ret;

	file_start_write(file);
	ret = vfs_iocb_iter_write(file, iocb, iter);
	file_end_write(file);
	return ret;
}
#endif

#endif /* SEE_COMPAT_DATA_H */
