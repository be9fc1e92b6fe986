// SPDX-License-Identifier: GPL-2.0
/*
 * rename.c - names moved and exchanged
 *
 * Owns nothing; works under the i_rwsem of the directories that the VFS
 * holds.  side.c has what is done about each of the names, and the order of
 * what is on disk.
 *
 * Crash residue: renaming a host object over a born one, and exchanging with
 * a host object, are more than one step; Documentation/private-tree.rst says
 * what can be seen.
 */
#include <linux/fs.h>
#include <linux/namei.h>

#include "gate.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "mark.h"
#include "namei.h"
#include "names.h"
#include "quota.h"
#include "side.h"
#include "tree.h"

/* move what was born here out of the way, to be discarded later */
static int see_set_aside(struct see_side *side, char *tmp)
{
	struct see_layer *layer = see_layer(side->dir->i_sb);
	struct dentry *place;
	struct qstr work;
	int err;

	err = see_place_of(side->dir, &place);
	if (err)
		return err;
	see_work_name(layer, tmp, SEE_WORK_NAME);
	work = (struct qstr)QSTR_INIT(tmp, strlen(tmp));
	return see_rename(place, &side->dentry->d_name, layer->work, &work, 0);
}

/* a host object that has this name by the host, or keeps it */
static bool see_by_host(const struct see_side *side)
{
	return side->kind != SEE_NAME_LINKED && !see_born(side->inode);
}

/* it gets a mark that says so */
static int see_link_here(struct see_side *side)
{
	int err;

	if (!see_by_host(side))
		return 0;
	err = see_dir_prepare(side->dir);
	if (!err)
		err = see_box(side->inode);
	return err ?: see_side_mark(side, side->inode);
}

/* it has one, here or where it went, and nothing can fail any more */
static void see_linked_here(struct see_side *side)
{
	if (!see_by_host(side))
		return;
	see_placed(side->inode, 1);
	/* it is covered by what it was exchanged with */
	see_side_unmark(side, true);
}

/* a mark that was made here is not to stay: as it was before */
static void see_unlink_mark(struct see_side *side)
{
	if (side->inode && side->kind == SEE_NAME_LINKED)
		see_side_mark(side, side->inode);
	else if (see_side_unmark_one(side, SEE_SUB_LINKED))
		see_names(side->dir)->stale = true;
}

static int see_move_linked(struct see_side *from, struct see_side *to,
			   unsigned int flags)
{
	struct dentry *sub, *target;
	int err;

	err = see_dir_prepare(to->dir);
	if (!err)
		err = see_sub(from->dir, SEE_SUB_LINKED, &sub);
	if (!err)
		err = see_sub(to->dir, SEE_SUB_LINKED, &target);
	if (!err)
		err = see_rename(sub, &from->dentry->d_name, target,
				 &to->dentry->d_name, flags);
	return err;
}

static int see_move_born(struct see_side *from, struct see_side *to,
			 unsigned int flags)
{
	struct dentry *place, *target;
	int err;

	err = see_place_of(from->dir, &place);
	if (!err)
		err = see_place_of(to->dir, &target);
	if (!err)
		err = see_rename(place, &from->dentry->d_name, target,
				 &to->dentry->d_name, flags);
	return err;
}

static enum see_name_kind see_kind_of(const struct inode *inode)
{
	return see_born(inode) ? SEE_NAME_BORN : SEE_NAME_LINKED;
}

/* two objects of the host */
static int see_exchange_linked(struct see_side *a, struct see_side *b)
{
	int err = see_link_here(a);

	if (err)
		return err;
	err = see_link_here(b);
	if (!err) {
		err = see_move_linked(a, b, RENAME_EXCHANGE);
		if (err && see_by_host(b))
			see_unlink_mark(b);
	}
	if (err && see_by_host(a))
		see_unlink_mark(a);
	return err;
}

/*
 * An object of the host and a born one: what is born covers the new mark until it moves,
 * and then the old one.
 */
static int see_exchange_mixed(struct see_side *born, struct see_side *host)
{
	int err;

	err = see_dir_prepare(born->dir);
	if (!err)
		err = see_box(host->inode);
	if (!err)
		err = see_side_mark(born, host->inode);
	if (err)
		return err;
	err = see_move_born(born, host, 0);
	if (err)
		see_unlink_mark(born);
	else if (host->kind == SEE_NAME_LINKED)
		see_side_unmark(host, true);
	return err;
}

static int see_exchange(struct see_side *a, struct see_side *b)
{
	int err;

	err = see_side_entomb(a, SEE_TOMB_REPLACED);
	if (!err)
		err = see_side_entomb(b, SEE_TOMB_REPLACED);
	if (err)
		return err;
	if (see_born(a->inode) && see_born(b->inode))
		err = see_move_born(a, b, RENAME_EXCHANGE);
	else if (see_born(a->inode))
		err = see_exchange_mixed(a, b);
	else if (see_born(b->inode))
		err = see_exchange_mixed(b, a);
	else
		err = see_exchange_linked(a, b);
	if (err)
		return err;
	see_linked_here(a);
	see_linked_here(b);
	see_side_leave(a, true);
	see_side_leave(b, true);
	see_side_record(a, see_kind_of(b->inode), b->inode);
	see_side_record(b, see_kind_of(a->inode), a->inode);
	see_drop_missed(a->inode);
	see_drop_missed(b->inode);
	return 0;
}

static int see_rename_born(struct see_side *s, struct see_side *t)
{
	int err;

	err = see_move_born(s, t, 0);
	if (err)
		return err;
	/* "made" wins, even over a mark that cannot be removed */
	if (t->inode && t->kind != SEE_NAME_BORN)
		see_side_unmark(t, true);
	return 0;
}

static int see_rename_host(struct see_side *s, struct see_side *t)
{
	struct see_layer *layer = see_layer(s->dir->i_sb);
	char tmp[SEE_WORK_NAME];
	bool aside = t->inode && t->kind == SEE_NAME_BORN;
	struct qstr work;
	int err;

	err = see_dir_prepare(t->dir);
	if (!err)
		err = see_box(s->inode);
	if (!err && aside)
		err = see_set_aside(t, tmp);
	if (err)
		return err;
	if (s->kind == SEE_NAME_LINKED)
		err = see_move_linked(s, t, 0);
	else
		err = see_side_mark(t, s->inode);
	if (!err && s->kind != SEE_NAME_LINKED) {
		/* the tombstone is there already: it only has to hide now */
		err = see_side_entomb(s, SEE_TOMB_HIDES);
		/* the kept name, where the host has nothing */
		if (!err && !s->removed)
			err = see_side_unmark(s, false);
		if (err)
			see_unlink_mark(t);
	}
	if (aside) {
		struct dentry *place;

		work = (struct qstr)QSTR_INIT(tmp, strlen(tmp));
		if (!err)
			see_remove(layer->work, &work);
		else if (!see_place_of(t->dir, &place))
			see_rename(layer->work, &work, place,
				   &t->dentry->d_name, 0);
	}
	if (err)
		return err;
	if (s->kind != SEE_NAME_LINKED) {
		see_placed(s->inode, 1);
		see_side_unmark(s, true);
	}
	if (t->kind == SEE_NAME_FOLLOW)
		see_side_unmark(t, true);
	return 0;
}

static int see_whiteout(struct see_side *side)
{
	struct dentry *place, *made;
	struct inode *inode;
	int err;

	err = see_place_of(side->dir, &place);
	if (!err)
		err = see_make(place, &side->dentry->d_name,
			       S_IFCHR | WHITEOUT_MODE, WHITEOUT_DEV, NULL, NULL,
			       &made);
	if (err)
		return err;
	inode = see_iget(side->dir->i_sb, NULL, made);
	dput(made);
	if (IS_ERR(inode)) {
		see_remove(place, &side->dentry->d_name);
		return PTR_ERR(inode);
	}
	see_quota_made(inode);
	see_side_record(side, SEE_NAME_BORN, inode);
	iput(inode);
	return 0;
}

/**
 * see_rename_op() - inode_operations.rename
 * @idmap: of the mount, which does not matter here
 * @old_dir: where the name is
 * @old: the name
 * @new_dir: where it goes
 * @new: the new name, which may stand for something
 * @flags: RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT
 *
 * Return: 0, -EINVAL for other flags, -ENOTEMPTY, -ENOSPC above the limit, -ESTALE if
 * the host has changed what a name stands for, -ENOMEM, or an error of either file system.
 */
int see_rename_op(struct mnt_idmap *idmap, struct inode *old_dir,
		  struct dentry *old, struct inode *new_dir,
		  struct dentry *new, unsigned int flags)
{
	bool exchange = flags & RENAME_EXCHANGE;
	struct see_side s, t = {};
	struct see_op op;
	int err;

	if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT))
		return -EINVAL;
	err = see_change_enter(old_dir->i_sb);
	if (err)
		return err;
	/* directories grow by it, and need not shrink */
	err = see_quota_check(see_layer(old_dir->i_sb), SEE_QUOTA_ROOM);
	if (err)
		goto out_gate;
	err = see_side_init(&s, old_dir, old);
	if (!err)
		err = see_side_init(&t, new_dir, new);
	if (!err && !see_born(s.inode))
		err = see_hold(old);
	if (!err && exchange && !see_born(t.inode))
		err = see_hold(new);
	if (!err && t.inode && !exchange)
		err = see_may_rmdir(t.inode);
	if (err)
		goto out;
	err = see_begin(old_dir->i_sb, &op);
	if (err)
		goto out;
	err = see_side_prepare(&s);
	if (!err)
		err = see_side_prepare(&t);
	if (err)
		goto out_end;
	if (exchange) {
		err = see_exchange(&s, &t);
		goto out_done;
	}
	err = see_side_unmark_below(&s);
	if (!err)
		err = see_side_entomb(&t, SEE_TOMB_REPLACED);
	/* shows nothing yet under what is born or linked, nor if it is REPLACED */
	if (!err)
		err = see_side_entomb(&s, s.kind == SEE_NAME_BORN ||
				      s.kind == SEE_NAME_LINKED ?
				      SEE_TOMB_HIDES : SEE_TOMB_REPLACED);
	if (err)
		goto out_end;
	if (see_born(s.inode))
		err = see_rename_born(&s, &t);
	else
		err = see_rename_host(&s, &t);
	if (err)
		goto out_end;
	see_side_leave(&s, true);
	if (t.inode) {
		see_side_leave(&t, true);
		see_side_lost(&t);
		see_forget_born(t.inode);
		if (S_ISDIR(t.inode->i_mode))
			clear_nlink(t.inode);
		else if (t.inode->i_nlink)
			drop_nlink(t.inode);
		see_copyattr(t.inode);
	}
	see_side_record(&t, see_kind_of(s.inode), s.inode);
	see_side_record(&s, SEE_NAME_ABSENT, NULL);
	see_drop_missed(s.inode);
	if (flags & RENAME_WHITEOUT) {
		s.kind = SEE_NAME_ABSENT;
		if (!s.entry)
			s.entry = see_name_alloc(&old->d_name, GFP_KERNEL_ACCOUNT);
		err = PTR_ERR_OR_ZERO(s.entry);
		if (!err)
			err = see_whiteout(&s);
		/* renamed, but the VFS will not know */
		if (err) {
			d_drop(old);
			d_drop(new);
		}
	}
out_done:
	if (!err) {
		inode_set_ctime_current(s.inode);
		see_copyattr(s.inode);
		see_set_priv(old);
		if (exchange) {
			see_copyattr(t.inode);
			see_set_priv(new);
		}
		see_dir_modified(old_dir);
		see_dir_modified(new_dir);
	}
out_end:
	see_end(&op);
out:
	see_side_end(&s);
	see_side_end(&t);
out_gate:
	see_change_leave(old_dir->i_sb);
	return err;
}
