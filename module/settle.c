// SPDX-License-Identifier: GPL-2.0
/*
 * settle.c - what a commit did and took back is no change of the host's
 *
 * Owns nothing.  Installing and taking back move change times, so that the SEE would
 * be in conflict with its own commit.  see_tx.touched has the version of each host
 * object before our first step, and after our last one if nobody else changed it in
 * between (apply.c).  Where a record has the one, it gets the other.  What the host
 * did at any time makes either differ, and stays a conflict.
 *
 * Each record is replaced as a whole, and says either; none is written before the
 * host's file system is synced, by the daemon.
 *
 * Called by txctl.c at the end of a commit, while the layers are closed to changes.
 */
#include <linux/cred.h>
#include <linux/fs.h>

#include "commit.h"
#include "inode.h"
#include "lower.h"
#include "names.h"
#include "tree.h"
#include "version.h"

/* the version that a record is to have; NULL if that which it has is to stay */
static const struct see_version *see_settled(struct see_tx *tx, const struct inode *host,
					     const struct see_version *record)
{
	struct see_touched *t = xa_load(&tx->touched, (unsigned long)host);

	return t && see_version_equal(&t->from, record) ? &t->to : NULL;
}

/* what was recorded of an object at its first change */
static void see_settle_object(struct see_tx *tx, struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	const struct see_version *to;
	u32 weak = si->first.flags & SEE_VERSION_WEAK;
	struct see_op op;

	if (see_born(inode) || see_gone(inode) || !si->lower)
		return;
	to = see_settled(tx, d_inode(si->lower), &si->first);
	if (!to)
		return;
	/* bytes that nobody could tell from others do not become known by this */
	si->first = *to;
	si->first.flags |= weak;
	if (!see_boxed(inode) || see_begin(inode->i_sb, &op))
		return;
	if (see_tree_renew(inode))
		pr_warn_ratelimited("seefs: inode %llu: what a commit took back will count as the host's change\n",
				    (u64)inode->i_ino);
	see_end(&op);
}

static void see_settle_objects(struct see_tx *tx, u32 index)
{
	struct see_layer *layer = see_tx_sb(tx, index);
	struct see_inode *si;

	/* the layer is closed to changes: the list stays */
	list_for_each_entry(si, &layer->changed, changed) {
		see_settle_object(tx, &si->vfs_inode);
		cond_resched();
	}
}

static int see_settle_mark(void *arg, const struct inode *host, struct see_version *v)
{
	const struct see_version *to = see_settled(arg, host, v);
	u32 weak = v->flags & SEE_VERSION_WEAK;

	if (!to)
		return -ENOENT;
	*v = *to;
	v->flags |= weak;
	return 0;
}

/* the tombstone of the name that a step is about, if there is one */
static void see_settle_name(struct see_tx *tx, struct see_tx_step *st)
{
	struct see_names *names = see_names(st->dir);
	struct dentry *removed = names ? see_sub_of(names, SEE_SUB_REMOVED) : NULL;
	const char *slash = strrchr(st->path, '/');
	const char *name = slash ? slash + 1 : st->path;
	struct dentry *lower = see_i(st->dir)->lower, *host;
	struct see_op op;

	if (!removed || !lower || IS_DEADDIR(d_inode(lower)))
		return;
	host = see_lookup_priv(lower, name, strlen(name));
	if (IS_ERR(host))
		return;
	if (!d_is_dir(host) && !see_begin(st->dir->i_sb, &op)) {
		see_tree_renew_tombstone(removed, &(struct qstr)QSTR_INIT(name, strlen(name)),
					 host, see_settle_mark, tx);
		see_end(&op);
	}
	dput(host);
}

/**
 * see_tx_settle - a commit ends of which nothing, or not all, is on the host
 * @tx: the commit; nothing else is done with it any more
 *
 * What cannot be recorded stays a conflict.
 */
void see_tx_settle(struct see_tx *tx)
{
	const struct cred *old;
	bool any = false;
	u32 i;

	for (i = 0; i < tx->n; i++)
		any |= tx->step[i]->kind && !tx->step[i]->applied;
	if (!any || (tx->flags & (SEE_START_CHECK | SEE_START_REVERT)))
		return;
	for (i = 0; i < tx->n; i++)
		see_tx_unprepare(tx, tx->step[i]);
	if (xa_empty(&tx->touched))
		return;
	old = override_creds(see_tx_sb(tx, 0)->cred);
	for (i = 0; i < tx->nlayers; i++)
		if (tx->layer[i].writable)
			see_settle_objects(tx, i);
	for (i = 0; i < tx->n; i++)
		if (tx->step[i]->dir)
			see_settle_name(tx, tx->step[i]);
	revert_creds(old);
}
