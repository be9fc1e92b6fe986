// SPDX-License-Identifier: GPL-2.0
/*
 * install.c - the step MODIFY: attributes and data of a host object, in place
 *
 * Owns see_tx_step.old, .after and .image of such steps.  The private object and
 * the pre-image have the same form: type, attributes, xattrs, ACLs, and each block
 * at its own offset.  So installing and taking back are one function each way.
 *
 * Data are written while nobody else has the file open for writing: the count of
 * writers is turned from one, ours, into a denial.  Opens for writing get ETXTBSY
 * meanwhile.  It lasts for comparing and copying, never for a sync.
 *
 * Lock order: see_tx.lock, the latch, then sb_writers and the i_rwsem of the host
 * object, each for one operation.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/posix_acl.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "blockmap.h"
#include "commit.h"
#include "data.h"
#include "guards.h"
#include "inode.h"
#include "lower.h"
#include "names.h"
#include "tree.h"
#include "version.h"

#define SEE_COPY_BYTES	SZ_64K

/* ---- the latch ---- */

/* @file is open for writing: by nobody else from now on? */
static bool see_latch(struct file *file)
{
	return atomic_cmpxchg(&file_inode(file)->i_writecount, 1, -1) == 1;
}

static void see_unlatch(struct file *file)
{
	atomic_add(2, &file_inode(file)->i_writecount);
}

/* ---- bytes ---- */

static int see_copy_range(struct file *from, struct file *to, loff_t pos, loff_t end,
			  void *buf)
{
	loff_t at;
	ssize_t n;

	while (pos < end) {
		if (fatal_signal_pending(current))
			return -EINTR;
		at = pos;
		n = min_t(loff_t, end - pos, SEE_COPY_BYTES);
		if (from) {
			n = kernel_read(from, buf, n, &at);
			/* what is not there is not what was to be copied */
			if (n <= 0)
				return n ?: -EIO;
		} else {
			memset(buf, 0, n);
		}
		at = pos;
		n = kernel_write(to, buf, n, &at);
		if (n <= 0)
			return n ?: -EIO;
		pos += n;
		cond_resched();
	}
	return 0;
}

static int see_set_size(struct file *file, loff_t size)
{
	struct iattr attr = {
		.ia_valid = ATTR_SIZE | ATTR_FILE, .ia_size = size, .ia_file = file,
	};
	struct dentry *dentry = file->f_path.dentry;
	int err;

	if (i_size_read(d_inode(dentry)) == size)
		return 0;
	file_start_write(file);
	inode_lock(d_inode(dentry));
	err = notify_change(see_nop_idmap, dentry, &attr, NULL);
	inode_unlock(d_inode(dentry));
	file_end_write(file);
	return err;
}

/* a file of the private tree or of the host, for the copying here */
static struct file *see_open_side(struct vfsmount *mnt, struct dentry *dentry, int flags)
{
	struct path path = { .mnt = mnt, .dentry = dentry };

	return dentry_open(&path, flags | O_LARGEFILE | O_NOATIME, current_cred());
}

/* the data of the SEE into the file of the host */
static int see_put_data(struct see_tx_step *st, struct file *private, struct file *host,
			void *buf)
{
	struct see_data *data = see_part(st->object);
	loff_t size = i_size_read(st->object);
	struct see_run run = {};
	int err = 0;

	/* bytes beyond the limit are zeros, whatever the host had there */
	if (i_size_read(file_inode(host)) > data->limit)
		err = see_set_size(host, data->limit);
	if (!err)
		err = see_set_size(host, size);
	while (!err && see_map_extent(data, run.end, &run))
		err = see_copy_range(run.state == SEE_BLOCK_DATA ? private : NULL, host,
				     (loff_t)run.first << PAGE_SHIFT,
				     min(size, (loff_t)run.end << PAGE_SHIFT), buf);
	return err;
}

/* a range of the host's bytes, as they were, from the one file to the other */
static int see_copy_old(struct see_tx_step *st, struct file *from, struct file *to,
			loff_t pos, loff_t end, void *buf)
{
	end = min_t(loff_t, end, st->old.size);
	return pos < end ? see_copy_range(from, to, pos, end, buf) : 0;
}

/* all bytes that see_put_data() overwrites or cuts off */
static int see_copy_all_old(struct see_tx_step *st, struct file *from, struct file *to,
			    void *buf)
{
	struct see_data *data = see_part(st->object);
	struct see_run run = {};
	int err = 0;

	while (!err && see_map_extent(data, run.end, &run))
		err = see_copy_old(st, from, to, (loff_t)run.first << PAGE_SHIFT,
				   (loff_t)run.end << PAGE_SHIFT, buf);
	if (!err)
		err = see_copy_old(st, from, to, round_down(data->limit, PAGE_SIZE),
				   st->old.size, buf);
	return err;
}

static int see_back_data(struct see_tx_step *st, struct file *image, struct file *host,
			 void *buf)
{
	int err = see_set_size(host, st->old.size);

	return err ?: see_copy_all_old(st, image, host, buf);
}

/* ---- attributes ---- */

static int see_install_xattr(struct dentry *to, const char *name, const void *value,
			     size_t size, void *arg)
{
	if (!strcmp(name, XATTR_NAME_POSIX_ACL_ACCESS))
		return see_set_acl_locked(to, ACL_TYPE_ACCESS, (struct posix_acl *)value);
	if (!strcmp(name, XATTR_NAME_POSIX_ACL_DEFAULT))
		return see_set_acl_locked(to, ACL_TYPE_DEFAULT, (struct posix_acl *)value);
	if (!value)
		return __vfs_removexattr_locked(see_nop_idmap, to, name, NULL);
	return __vfs_setxattr_locked(see_nop_idmap, to, name, value, size, 0, NULL);
}

/* @arg: whether we wrote to it, which takes file capabilities away */
static int see_xattr_differs(struct dentry *to, const char *name, const void *value,
			     size_t size, void *arg)
{
	const bool *written = arg;

	return *written && !strcmp(name, XATTR_NAME_CAPS) ? 0 : -ESTALE;
}

/* @like: mode and owner are taken from there; @mtime if @times */
static int see_install_iattr(struct dentry *to, umode_t mode, kuid_t uid, kgid_t gid,
			     const struct timespec64 *mtime)
{
	struct inode *inode = d_inode(to);
	struct iattr attr = { .ia_mode = mode, .ia_uid = uid, .ia_gid = gid };
	int err = 0;

	if (!uid_eq(inode->i_uid, uid))
		attr.ia_valid |= ATTR_UID;
	if (!gid_eq(inode->i_gid, gid))
		attr.ia_valid |= ATTR_GID;
	if (attr.ia_valid) {
		attr.ia_valid |= ATTR_CTIME;
		err = notify_change(see_nop_idmap, to, &attr, NULL);
	}
	/* a change of owner takes set-id bits away */
	if (!err && !S_ISLNK(mode) && inode->i_mode != mode) {
		attr.ia_valid = ATTR_MODE | ATTR_CTIME;
		attr.ia_mode = mode;
		err = notify_change(see_nop_idmap, to, &attr, NULL);
	}
	if (!err && mtime) {
		struct timespec64 now = inode_get_mtime(inode);

		if (timespec64_equal(&now, mtime))
			return 0;
		attr.ia_valid = ATTR_MTIME | ATTR_MTIME_SET | ATTR_TIMES_SET |
				ATTR_CTIME;
		attr.ia_mtime = *mtime;
		err = notify_change(see_nop_idmap, to, &attr, NULL);
	}
	return err;
}

/* names that come and go set the time of a directory by themselves */
static bool see_sets_mtime(const struct see_tx_step *st)
{
	struct see_names *names = see_names(st->object);

	return !names || !READ_ONCE(names->nr);
}

static int see_put_attrs(struct see_tx_step *st, struct dentry *to)
{
	struct inode *inode = st->object;
	struct timespec64 mtime = inode_get_mtime(inode);
	int err;

	/* owner first: it takes capabilities along; and last, what an ACL did to mode */
	err = see_install_iattr(to, inode->i_mode, inode->i_uid, inode->i_gid, NULL);
	if (!err)
		err = see_xattr_diff(see_priv(inode), to, see_install_xattr, NULL);
	return err ?: see_install_iattr(to, inode->i_mode, inode->i_uid, inode->i_gid,
					see_sets_mtime(st) ? &mtime : NULL);
}

static int see_back_attrs(struct see_tx_step *st, struct dentry *to)
{
	struct timespec64 mtime = ns_to_timespec64(st->old.mtime);
	int err;

	err = see_install_iattr(to, st->old.mode, st->old.uid, st->old.gid, NULL);
	if (!err)
		err = see_xattr_diff(st->image, to, see_install_xattr, NULL);
	return err ?: see_install_iattr(to, st->old.mode, st->old.uid, st->old.gid,
					see_sets_mtime(st) ? &mtime : NULL);
}

/* ---- comparing ---- */

static bool see_is_old(const struct see_tx_step *st, const struct inode *host)
{
	return host->i_mode == st->old.mode && uid_eq(host->i_uid, st->old.uid) &&
	       gid_eq(host->i_gid, st->old.gid);
}

static bool see_is_new(const struct see_tx_step *st, const struct inode *host)
{
	const struct inode *inode = st->object;

	return (S_ISLNK(inode->i_mode) || host->i_mode == inode->i_mode) &&
	       uid_eq(host->i_uid, inode->i_uid) && gid_eq(host->i_gid, inode->i_gid);
}

/* attributes, extended attributes and ACLs: as before, or as installed? */
static int see_compare_attrs(struct see_tx_step *st, bool back, bool written)
{
	struct inode *host = d_inode(st->target);
	int err = -ESTALE;

	if (back ? see_is_new(st, host) : see_is_old(st, host))
		err = see_xattr_diff(back ? see_priv(st->object) : st->image, st->target,
				     see_xattr_differs, &written);
	if (err == -ESTALE)
		st->conflict |= SEE_CONFLICT_CHANGED;
	return err;
}

/**
 * see_install_is_image - is a directory of the host still what a stand-in was made of?
 * @st: a step RMDIR
 * @dentry: the directory
 *
 * Return: 0; -ESTALE, with see_tx_step.conflict; or another error.
 */
int see_install_is_image(struct see_tx_step *st, struct dentry *dentry)
{
	const struct inode *host = d_inode(dentry), *image = d_inode(st->image);
	bool written = false;
	int err = -ESTALE;

	if (host->i_mode == image->i_mode && uid_eq(host->i_uid, image->i_uid) &&
	    gid_eq(host->i_gid, image->i_gid))
		err = see_xattr_diff(st->image, dentry, see_xattr_differs, &written);
	if (err == -ESTALE)
		st->conflict |= SEE_CONFLICT_CHANGED;
	return err;
}

/*
 * Is the host object as it should be?  Names of a directory are changes of their
 * own, and steps of ours: its version tells nothing.
 */
static int see_compare(struct see_tx *tx, struct see_tx_step *st, bool back)
{
	const struct see_version *then;
	struct inode *host = d_inode(st->target);
	struct see_version now;
	int err;

	if (!(back ? see_guard(SEE_GUARD_BACK) : see_guard(SEE_GUARD_AGAIN_OBJECT)))
		return 0;
	/*
	 * Which mode, owner and xattrs of a directory do not tell.  A file may have
	 * names elsewhere, and @target be one of them.
	 */
	if (!back && S_ISDIR(host->i_mode) &&
	    (IS_DEADDIR(host) || !see_tx_inside(tx, st, st->target))) {
		st->conflict |= SEE_CONFLICT_GONE;
		return -ESTALE;
	}
	err = see_compare_attrs(st, back, false);
	if (err || S_ISDIR(host->i_mode))
		return err;
	then = back ? &st->after : see_tx_expected(tx, st, host);
	err = see_version_sample(see_tx_sb(tx, st->layer), st->target, &now);
	if (err || see_version_equal(then, &now))
		return err;
	st->conflict |= SEE_CONFLICT_CHANGED;
	return -ESTALE;
}

/* ---- the pre-image ---- */

static int see_image_data(struct see_tx *tx, struct see_tx_step *st)
{
	struct see_layer *layer = see_tx_sb(tx, st->layer);
	void *buf = kvmalloc(SEE_COPY_BYTES, GFP_KERNEL_ACCOUNT);
	struct file *host, *image;
	int err = -ENOMEM;

	if (!buf)
		return err;
	host = see_open_side(layer->lower.mnt, st->target, O_RDONLY);
	if (IS_ERR(host)) {
		err = PTR_ERR(host);
		goto out;
	}
	image = see_open_side(layer->priv.mnt, st->image, O_RDWR);
	if (IS_ERR(image)) {
		err = PTR_ERR(image);
		goto out_host;
	}
	err = see_copy_all_old(st, host, image, buf);
	fput(image);
out_host:
	fput(host);
out:
	kvfree(buf);
	return err;
}

static s64 see_mtime_ns(const struct inode *inode)
{
	struct timespec64 mtime = inode_get_mtime(inode);

	return timespec64_to_ns(&mtime);
}

/**
 * see_install_before - the attributes that a host object has before a commit
 * @st: a step MODIFY
 *
 * When the step is made, before the host's side is compared with what the SEE
 * started from: the version of a directory tells nothing about them.
 */
int see_install_before(struct see_tx_step *st)
{
	const struct inode *host = d_inode(st->target);

	st->old.mode = host->i_mode;
	st->old.uid = host->i_uid;
	st->old.gid = host->i_gid;
	st->old.size = S_ISREG(host->i_mode) ? i_size_read(host) : 0;
	st->old.mtime = see_mtime_ns(host);
	return see_first_xattrs(st->object, &st->old.xattrs);
}

/* what the image has of a directory's xattrs is what was there then */
static int see_image_xattrs(struct see_tx_step *st)
{
	u64 now;
	int err = see_first_xattrs(st->object, &now);

	if (err || now == st->old.xattrs)
		return err;
	st->conflict |= SEE_CONFLICT_CHANGED;
	return -ESTALE;
}

/* with the xattrs again, since writing took security.capability away */
static int see_image_attrs(struct see_tx *tx, struct see_tx_step *st, struct dentry *from,
			   const struct inode *inode)
{
	struct see_op op;
	int err;

	err = see_begin(see_tx_sb(tx, st->layer)->sb, &op);
	if (err)
		return err;
	err = see_copy_xattrs(from, st->image);
	if (!err)
		err = see_give_attrs(st->image, inode);
	see_end(&op);
	return err;
}

/**
 * see_install_image - make the pre-image of a host object
 * @tx: the commit
 * @st: a step MODIFY
 *
 * Return: 0; -ESTALE if the host changes it meanwhile; or another error.
 */
int see_install_image(struct see_tx *tx, struct see_tx_step *st)
{
	umode_t mode = d_inode(st->target)->i_mode & S_IFMT;
	struct dentry *undo = tx->layer[st->layer].undo.dentry;
	char buf[SEE_WORK_NAME];
	struct see_op op;
	struct qstr name;
	int err;

	see_tx_undo_name(st, buf, sizeof(buf));
	name = (struct qstr)QSTR_INIT(buf, strlen(buf));
	if (S_ISCHR(mode) || S_ISBLK(mode) || S_ISSOCK(mode))
		mode = S_IFREG;
	/* names that come and go move it */
	if (S_ISDIR(mode))
		st->old.mtime = see_mtime_ns(d_inode(st->target));
	err = see_begin(see_tx_sb(tx, st->layer)->sb, &op);
	if (err)
		return err;
	err = see_tree_copy(st->target, mode | 0600, 0, undo, &name, &st->image);
	see_end(&op);
	if (err)
		return err;
	if ((st->what & SEE_CHANGE_DATA) && see_part(st->object))
		err = see_image_data(tx, st);
	if (!err)
		err = see_image_attrs(tx, st, st->target, d_inode(st->target));
	/* now it is one of what the host had when the step was made */
	if (!err)
		err = see_compare(tx, st, false);
	return err ?: see_image_xattrs(st);
}

/* ---- what the host dropped ---- */

static int see_kept_data(struct see_tx *tx, struct see_tx_step *st)
{
	struct see_layer *layer = see_tx_sb(tx, st->layer);
	void *buf = kvmalloc(SEE_COPY_BYTES, GFP_KERNEL_ACCOUNT);
	struct see_data *data = see_part(st->object);
	struct file *from, *to;
	int err = -ENOMEM;

	if (!buf)
		return err;
	from = see_open_side(layer->priv.mnt, see_priv(st->object), O_RDONLY);
	if (IS_ERR(from)) {
		err = PTR_ERR(from);
		goto out;
	}
	to = see_open_side(layer->priv.mnt, st->image, O_RDWR);
	if (IS_ERR(to)) {
		err = PTR_ERR(to);
		goto out_from;
	}
	/* bytes that were never copied are lost, and nobody's to invent */
	err = data && see_map_whole(data) ? see_put_data(st, from, to, buf) : -EIO;
	fput(to);
out_from:
	fput(from);
out:
	kvfree(buf);
	return err;
}

/**
 * see_install_kept - make an object that the host dropped again, in "undo"
 * @tx: the commit
 * @st: a step with SEE_PREPARE_KEPT
 */
int see_install_kept(struct see_tx *tx, struct see_tx_step *st)
{
	struct dentry *undo = tx->layer[st->layer].undo.dentry;
	struct inode *inode = st->object;
	struct dentry *object;
	char buf[SEE_WORK_NAME];
	struct see_op op;
	struct qstr name;
	int err;

	/* of one that went while nobody looked there is what there is */
	err = see_lower_inode(inode) ? see_keep(inode) : see_persist(inode);
	if (err)
		return err;
	object = see_priv(inode);
	see_tx_undo_name(st, buf, sizeof(buf));
	name = (struct qstr)QSTR_INIT(buf, strlen(buf));
	err = see_begin(inode->i_sb, &op);
	if (err)
		return err;
	err = see_tree_copy(object, (inode->i_mode & S_IFMT) | 0600, inode->i_rdev, undo,
			    &name, &st->image);
	see_end(&op);
	if (!err && S_ISREG(inode->i_mode))
		err = see_kept_data(tx, st);
	return err ?: see_image_attrs(tx, st, object, inode);
}

/* ---- installing ---- */

/* @back: the pre-image, else the private object */
static int see_install_data(struct see_tx *tx, struct see_tx_step *st, struct file *host,
			    bool back)
{
	struct dentry *side = back ? st->image : see_priv(st->object);
	void *buf = kvmalloc(SEE_COPY_BYTES, GFP_KERNEL_ACCOUNT);
	struct file *file;
	int err = -ENOMEM;

	if (!buf)
		return err;
	file = see_open_side(see_tx_sb(tx, st->layer)->priv.mnt, side, O_RDONLY);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
	} else {
		err = back ? see_back_data(st, file, host, buf) :
			     see_put_data(st, file, host, buf);
		fput(file);
	}
	kvfree(buf);
	return err;
}

/* under the lock of the object, which is as the step or its inverse made it */
static void see_install_sample(struct see_tx *tx, struct see_tx_step *st,
			       const struct see_version *before)
{
	if (see_version_sample(see_tx_sb(tx, st->layer), st->target, &st->after))
		memset(&st->after, 0, sizeof(st->after));
	else
		see_tx_touched(tx, st->target, before, &st->after);
}

/**
 * struct see_putting - one installing, or taking back
 * @tx: the commit
 * @st: a step MODIFY
 * @file: of the host, latched, if there are data
 * @mnt: by which the host object is changed, if there is no file
 * @back: take it back
 * @before: version of the host object before
 */
struct see_putting {
	struct see_tx *tx;
	struct see_tx_step *st;
	struct file *file;
	struct vfsmount *mnt;
	bool back;
	struct see_version before;
};

/* before the data: is it as expected, and may the caller? */
static int see_putting_admit(struct see_putting *p)
{
	struct see_tx_step *st = p->st;
	struct inode *host = d_inode(st->target);
	int err;

	inode_lock(host);
	err = see_compare(p->tx, st, p->back);
	if (!err && !p->back)
		err = see_auth_locked(p->tx, st);
	if (!err)
		err = see_version_sample(see_tx_sb(p->tx, st->layer), st->target,
					 &p->before);
	inode_unlock(host);
	return err;
}

/*
 * Attributes, in one critical section with the check.  The latch keeps the data as
 * they were compared; the version has moved by what we wrote.
 */
static int see_putting_attrs(struct see_putting *p)
{
	struct see_tx_step *st = p->st;
	struct inode *host = d_inode(st->target);
	bool ours = false;
	int err;

	if (p->file) {
		file_start_write(p->file);
	} else {
		err = mnt_want_write(p->mnt);
		if (err)
			return err;
	}
	inode_lock(host);
	err = p->file ? see_compare_attrs(st, p->back, true) :
			see_compare(p->tx, st, p->back);
	if (!err && !p->file)
		err = see_version_sample(see_tx_sb(p->tx, st->layer), st->target,
					 &p->before);
	if (!err && !p->back)
		err = see_auth_locked(p->tx, st);
	if (!err) {
		err = p->back ? see_back_attrs(st, st->target) :
				see_put_attrs(st, st->target);
		ours = !err;
		/* half done is not done */
		if (err && !p->back) {
			st->half = see_back_attrs(st, st->target);
			/* with data it is not over yet */
			ours = !st->half && !p->file;
		}
	}
	if (ours)
		see_install_sample(p->tx, st, &p->before);
	inode_unlock(host);
	if (p->file)
		file_end_write(p->file);
	else
		mnt_drop_write(p->mnt);
	return err;
}

/* the data are the host's again; so are attributes, but for what our writing did */
static int see_putting_undo(struct see_putting *p)
{
	struct see_tx_step *st = p->st;
	struct inode *host = d_inode(st->target);
	int err;

	err = see_install_data(p->tx, st, p->file, true);
	file_start_write(p->file);
	inode_lock(host);
	/* what the host did to them meanwhile stays, and is not ours */
	if (!err && !see_compare_attrs(st, false, true)) {
		err = see_back_attrs(st, st->target);
		if (!err)
			see_install_sample(p->tx, st, &p->before);
	}
	inode_unlock(host);
	file_end_write(p->file);
	return err;
}

/* as nobody's task: it must not stop half way because the daemon is killed */
static int see_putting_run(void *arg)
{
	struct see_putting *p = arg;
	int err = 0;

	if (p->file)
		err = see_putting_admit(p);
	if (err)
		return err;
	if (p->file)
		err = see_install_data(p->tx, p->st, p->file, p->back);
	if (!err)
		err = see_putting_attrs(p);
	if (err && !p->back && p->file && see_putting_undo(p))
		p->st->half = true;
	return err;
}

static int see_install_do(struct see_tx *tx, struct see_tx_step *st, bool back)
{
	struct vfsmount *mnt = back ? see_tx_sb(tx, st->layer)->priv.mnt :
				      tx->layer[st->layer].caller.mnt;
	bool data = (st->what & SEE_CHANGE_DATA) && see_part(st->object);
	struct see_putting p = { .tx = tx, .st = st, .mnt = mnt, .back = back };
	int err;

	if (!data)
		return see_run_aside(see_putting_run, &p);
	p.file = see_open_side(mnt, st->target, O_WRONLY);
	if (IS_ERR(p.file))
		return PTR_ERR(p.file);
	if (!see_latch(p.file)) {
		err = -ETXTBSY;
	} else {
		err = see_run_aside(see_putting_run, &p);
		see_unlatch(p.file);
	}
	fput(p.file);
	return err;
}

/**
 * see_install - give a host object what the SEE made of it
 * @tx: the commit
 * @st: a step MODIFY, prepared
 */
int see_install(struct see_tx *tx, struct see_tx_step *st)
{
	return see_install_do(tx, st, false);
}

/**
 * see_install_back - give a host object what it had
 * @tx: the commit
 * @st: a step MODIFY that was applied
 *
 * Return: 0; -ESTALE or -ETXTBSY if the host changed it since or is about to.
 */
int see_install_back(struct see_tx *tx, struct see_tx_step *st)
{
	int err = see_install_do(tx, st, true);

	return err == -ETXTBSY ? -ESTALE : err;
}
