// SPDX-License-Identifier: GPL-2.0
/*
 * version.c - tokens that tell whether a host object changed
 *
 * Owns the meaning of struct see_version.  Takes no lock of ours; asks the
 * lower with vfs_getattr_nosec(), as nfsd does, because only getattr marks a
 * multigrain timestamp as queried.
 *
 * A token is strong only if nobody had the object open for writing before and
 * after it was taken: file systems bump the change attribute before they copy
 * the data, and stores through a mapping bump nothing at all.
 */
#include <linux/fs.h>
#include <linux/iversion.h>
#include <linux/jiffies.h>
#include <linux/stat.h>
#include <linux/timekeeping.h>

#include "version.h"

/* change attributes and clocks that a young time stamp cannot tell apart */
#define SEE_YOUNG_NS	(2 * (s64)TICK_NSEC)

static s64 see_ns(const struct timespec64 *t)
{
	return t->tv_sec * NSEC_PER_SEC + t->tv_nsec;
}

/**
 * see_version_sample - what a host object is like now
 * @layer: the layer
 * @lower: dentry of the host object, positive
 * @v: filled in
 *
 * Context: may sleep; enters no private file system.
 * Return: 0, or what the host's getattr returned.
 */
int see_version_sample(const struct see_layer *layer, struct dentry *lower,
		       struct see_version *v)
{
	struct path path = { .mnt = layer->lower.mnt, .dentry = lower };
	struct inode *inode = d_inode(lower);
	u32 mask = STATX_CTIME | STATX_MTIME | STATX_SIZE;
	bool writer = inode_is_open_for_write(inode);
	struct kstat stat = {};
	int err;

#ifdef STATX_CHANGE_COOKIE
	mask |= STATX_CHANGE_COOKIE;
#endif
	err = vfs_getattr_nosec(&path, &stat, mask, AT_STATX_SYNC_AS_STAT);
	if (err)
		return err;

	memset(v, 0, sizeof(*v));
	v->ctime = see_ns(&stat.ctime);
	v->mtime = see_ns(&stat.mtime);
	v->size = S_ISDIR(inode->i_mode) ? 0 : stat.size;
	v->gen = inode->i_generation;
	v->flags = SEE_VERSION_KNOWN;
#ifdef STATX_CHANGE_COOKIE
	if (stat.result_mask & STATX_CHANGE_COOKIE) {
		v->cookie = stat.change_cookie;
		v->flags |= SEE_VERSION_COOKIE;
	}
#else
	if (IS_I_VERSION(inode)) {
		v->cookie = inode_query_iversion(inode);
		v->flags |= SEE_VERSION_COOKIE;
	}
#endif
	if (writer || inode_is_open_for_write(inode) ||
	    (!(v->flags & SEE_VERSION_COOKIE) &&
	     ktime_get_real_ns() - v->ctime < SEE_YOUNG_NS))
		v->flags |= SEE_VERSION_WEAK;
	return 0;
}

/**
 * see_version_equal - are two samples of one object the same?
 * @a: a sample
 * @b: another
 *
 * Whether equality proves anything is for the caller to see from
 * SEE_VERSION_WEAK of either.
 */
bool see_version_equal(const struct see_version *a, const struct see_version *b)
{
	u32 kinds = SEE_VERSION_COOKIE | SEE_VERSION_KNOWN;

	return (a->flags & kinds) == (b->flags & kinds) &&
	       a->cookie == b->cookie && a->ctime == b->ctime &&
	       a->mtime == b->mtime && a->size == b->size && a->gen == b->gen;
}
