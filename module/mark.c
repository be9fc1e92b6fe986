// SPDX-License-Identifier: GPL-2.0
/*
 * mark.c - the host says that it removed something
 *
 * Owns see_layer.mark and see_layer.wq.  What the layer has cached pins host
 * objects.  One fsnotify mark on the lower superblock tells of names that went
 * away, so that an unlinked file gives its space back at once, and so that
 * what the SEE changed is copied completely before the host forgets it.
 *
 * see_event() runs in the host's task, under locks of the host's directory:
 * it takes none of ours but d_lock and leaves, waits for nothing, and leaves
 * copying to the work queue.
 */
#include <linux/fsnotify_backend.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "gate.h"
#include "guards.h"
#include "inode.h"
#include "mark.h"
#include "names.h"

/**
 * struct see_mark - the mark on the lower superblock
 * @mark: fsnotify's part
 * @group: one per layer
 */
struct see_mark {
	struct fsnotify_mark mark;
	struct fsnotify_group *group;
};

/**
 * struct see_gone_work - complete a copy
 * @work: on see_layer.wq
 * @inode: referenced
 */
struct see_gone_work {
	struct work_struct work;
	struct inode *inode;
};

static void see_mark_free(struct fsnotify_mark *mark)
{
	kfree(container_of(mark, struct see_mark, mark));
}

static void see_gone_worker(struct work_struct *work)
{
	struct see_gone_work *w = container_of(work, struct see_gone_work, work);
	struct super_block *sb = w->inode->i_sb;
	int err;

	do {
		err = see_change_enter(sb);
		if (err)
			break;
		/* a commit may have made it the host's meanwhile, or nobody's */
		if (see_test(w->inode, SEE_I_CHANGED) && !see_adrift(w->inode) &&
		    see_guard(SEE_GUARD_COMPLETE))
			err = see_keep(w->inode);
		see_change_leave(sb);
		/* somebody holds its i_rwsem and waits for a commit to end */
	} while (err == -EAGAIN);
	if (err && !see_layer(sb)->dead)
		pr_warn_ratelimited("seefs: inode %llu: the host removed it, and its copy could not be completed: error %d\n",
				    (u64)w->inode->i_ino, err);
	iput(w->inode);
	kfree(w);
	atomic_dec(&see_layer(sb)->keeping);
}

/**
 * see_host_dropped - the host has no name any more for what the SEE keeps
 * @inode: the object; nothing happens if it is known already
 *
 * Context: may be called under locks of the host; waits for nothing.
 */
void see_host_dropped(struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct see_inode *si = see_i(inode);
	struct see_gone_work *w;

	if (test_and_set_bit(SEE_I_GONE, &si->flags))
		return;
	see_come_back(inode);
	atomic_inc(&layer->dropped);
	w = kmalloc(sizeof(*w), GFP_NOWAIT);
	if (!w)
		return;		/* unmount completes what is left */
	INIT_WORK(&w->work, see_gone_worker);
	ihold(inode);
	w->inode = inode;
	atomic_inc(&layer->keeping);
	queue_work(layer->wq, &w->work);
}

/**
 * see_drop_missed - did the host drop it, just before it was known that it is kept?
 * @inode: host object that the SEE gave a name or changed
 *
 * see_host_event() may have looked before; then this sees what the host did.
 *
 * Context: as see_host_dropped().
 */
void see_drop_missed(struct inode *inode)
{
	struct see_inode *si = see_i(inode);

	/* pairs with the barrier in see_host_event() */
	smp_mb();
	/* without a place it was only open */
	if (see_gone(inode) && (atomic_read(&si->links) ||
				(READ_ONCE(si->parent) && !see_test(inode, SEE_I_NOFOLLOW))))
		see_host_dropped(inode);
}

static void see_forget(struct inode *inode)
{
	struct dentry *d;

	if (!see_guard(SEE_GUARD_FORGET))
		return;
	if (S_ISDIR(inode->i_mode)) {
		d = d_find_any_alias(inode);
		if (d) {
			d_invalidate(d);
			dput(d);
		}
		return;
	}
	while ((d = d_find_alias(inode))) {
		d_drop(d);
		dput(d);
	}
}

static void see_host_event(struct super_block *sb, u32 mask, struct inode *lower,
			   struct inode *dir, const struct qstr *name)
{
	struct inode *inode, *parent;

	/* a name that the SEE covers may have come or gone below */
	if (dir && name) {
		parent = see_ilookup_nowait(sb, dir);
		if (parent) {
			see_names_cover(parent, name,
					S_ISDIR(lower->i_mode) ? 0 : lower->i_ino,
					!(mask & (FS_CREATE | FS_MOVED_TO)));
			iput(parent);
		}
	}
	if (lower->i_nlink && !(S_ISDIR(lower->i_mode) && (mask & FS_DELETE)))
		return;
	inode = see_ilookup_nowait(sb, lower);
	if (!inode)
		return;
	/* pairs with see_stay() and see_drop_missed(): one of both sees what the other did */
	smp_mb();
	/* who changes a file, or gives it a name, just now looks afterwards: see_drop_missed() */
	if (see_test(inode, SEE_I_CHANGED) &&
	    (see_stays(inode) || (!S_ISDIR(inode->i_mode) && !see_give_up_place(inode))))
		see_host_dropped(inode);
	else
		see_forget(inode);
	iput(inode);
}

static int see_event(struct fsnotify_group *group, u32 mask, const void *data,
		     int data_type, struct inode *dir, const struct qstr *name,
		     u32 cookie, struct fsnotify_iter_info *iter)
{
	struct super_block *sb = group->private;
	struct inode *lower = fsnotify_data_inode(data, data_type);

	/* while a commit becomes the host's, there is nothing that could go */
	if (lower && see_look_try(sb)) {
		see_host_event(sb, mask, lower, dir, name);
		see_look_leave(sb);
	}
	return 0;
}

static const struct fsnotify_ops see_mark_ops = {
	.handle_event = see_event,
	.free_mark = see_mark_free,
};

/**
 * see_mark_add - listen to the lower superblock
 * @sb: superblock of the layer
 */
int see_mark_add(struct super_block *sb)
{
	struct see_layer *layer = see_layer(sb);
	struct see_mark *m;
	int err;

	m = kzalloc(sizeof(*m), GFP_KERNEL);
	if (!m)
		return -ENOMEM;
	m->group = fsnotify_alloc_group(&see_mark_ops, 0);
	if (IS_ERR(m->group)) {
		err = PTR_ERR(m->group);
		kfree(m);
		return err;
	}
	m->group->private = sb;
	fsnotify_init_mark(&m->mark, m->group);
	m->mark.mask = FS_DELETE | FS_ATTRIB | FS_CREATE | FS_MOVED_FROM |
		       FS_MOVED_TO;
	err = see_add_sb_mark(&m->mark, layer->lower.mnt->mnt_sb);
	if (err) {
		struct fsnotify_group *group = m->group;

		fsnotify_put_mark(&m->mark);
		fsnotify_put_group(group);
		return err;
	}
	layer->mark = m;
	return 0;
}

/**
 * see_mark_remove - stop to listen; afterwards no event is under way
 * @layer: the layer
 */
void see_mark_remove(struct see_layer *layer)
{
	struct see_mark *m = layer->mark;
	struct fsnotify_group *group;

	if (!m)
		return;
	layer->mark = NULL;
	group = m->group;
	fsnotify_destroy_mark(&m->mark, group);
	fsnotify_put_mark(&m->mark);
	/* events run under SRCU: this waits for them */
	fsnotify_wait_marks_destroyed();
	fsnotify_put_group(group);
}

/**
 * see_complete_gone - complete every copy that the host no longer backs
 * @sb: superblock of the layer, without users
 *
 * Return: 0, or the first error; the rest is tried all the same.
 */
int see_complete_gone(struct super_block *sb)
{
	struct see_layer *layer = see_layer(sb);
	struct see_inode *si;
	int err, ret = 0;

	flush_workqueue(layer->wq);
	/* without users, and the mark gone, nobody else changes the list */
	list_for_each_entry(si, &layer->changed, changed) {
		if (test_bit(SEE_I_BORN, &si->flags) || !si->lower ||
		    !see_gone(&si->vfs_inode) || !see_stays(&si->vfs_inode) ||
		    !see_guard(SEE_GUARD_COMPLETE))
			continue;
		err = see_keep(&si->vfs_inode);
		if (!ret)
			ret = err;
	}
	return ret;
}
