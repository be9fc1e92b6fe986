// SPDX-License-Identifier: GPL-2.0
/*
 * apply.c - one step of a commit and its inverse, each checked where it is done
 *
 * Owns see_tx_step.applied and .denying, and see_tx.touched.  A step looks its
 * names up, compares what it finds with what was expected, asks authority.c, and
 * changes them, all under the locks of the directories.  What is displaced or
 * removed is denied to writers before it is compared, and stays so until the
 * commit ends: who had resolved the old name before must not write to it
 * unnoticed.  What is installed is denied until its version is known.
 *
 * Lock order: see_tx.lock, then those of the VFS as in rename(2): sb_writers,
 * s_vfs_rename_mutex, parents.  Nothing of this module is taken inside but what
 * authority.c reads.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "commit.h"
#include "compat_data.h"
#include "guards.h"
#include "inode.h"
#include "lower.h"
#include "tree.h"
#include "version.h"

/* ---- writers ---- */

/* nobody may write to a file of the host; false if somebody does */
static bool see_tx_deny(struct inode *inode)
{
	return atomic_dec_unless_positive(&inode->i_writecount);
}

static void see_tx_undeny(struct inode *inode)
{
	atomic_inc(&inode->i_writecount);
}

/**
 * see_tx_allow - let writers in again to what a step displaced
 * @st: the step
 */
void see_tx_allow(struct see_tx_step *st)
{
	if (!st->denying)
		return;
	see_tx_undeny(st->denying);
	iput(st->denying);
	st->denying = NULL;
}

/* ---- versions ---- */

/**
 * see_tx_expected - the version that a host object should have
 * @tx: the commit
 * @st: a step that it belongs to
 * @inode: the object
 *
 * What it had when the step was made, or what our own steps made of that.
 */
const struct see_version *see_tx_expected(struct see_tx *tx, struct see_tx_step *st,
					  struct inode *inode)
{
	struct see_touched *t = xa_load(&tx->touched, (unsigned long)inode);

	return t && see_version_equal(&t->from, &st->ver) ? &t->to : &st->ver;
}

/**
 * see_tx_touched - a step of ours changed the version of a host object
 * @tx: the commit
 * @dentry: the object
 * @before: its version before that
 * @now: and after it, sampled while nobody else could change it unnoticed
 *
 * Without memory later steps find it changed, which is safe; so they do if it was
 * not as our last step had left it.
 *
 * Context: the lock that the step was done under is held.
 */
void see_tx_touched(struct see_tx *tx, struct dentry *dentry,
		    const struct see_version *before, const struct see_version *now)
{
	unsigned long key = (unsigned long)d_inode(dentry);
	struct see_touched *t = xa_load(&tx->touched, key);

	if (t && !see_version_equal(&t->to, before))
		return;
	if (t) {
		t->to = *now;
		return;
	}
	t = kmalloc(sizeof(*t), GFP_KERNEL_ACCOUNT);
	if (!t)
		return;
	t->from = *before;
	t->to = *now;
	if (xa_err(xa_store(&tx->touched, key, t, GFP_KERNEL_ACCOUNT)))
		kfree(t);
}

/**
 * struct see_quiet - a moment in which a step of ours changes an object
 * @inode: denied to writers meanwhile, or NULL
 * @known: nobody was writing, and this is what it was before
 * @ver: version
 * @mode: of the object
 * @uid: owner
 * @gid: group
 * @xattrs: hash of its xattrs and ACLs
 *
 * The attributes are read before the first version and after the last: one that
 * somebody else changes shows in them, or moves a version that is compared.
 */
struct see_quiet {
	struct inode *inode;
	bool known;
	struct see_version ver;
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
	u64 xattrs;
};

static int see_tx_xattrs(struct see_tx *tx, struct see_tx_step *st, struct dentry *dentry,
			 u64 *hash)
{
	const struct cred *old = override_creds(see_tx_sb(tx, st->layer)->cred);
	int err = see_xattr_hash(dentry, hash);

	revert_creds(old);
	return err;
}

/* the end of such a moment */
static void see_tx_loud(struct see_quiet *q)
{
	if (q->inode)
		see_tx_undeny(q->inode);
	q->inode = NULL;
}

/*
 * What changes the version from here to see_tx_quiet_end() must be ours: with
 * writers there is no telling, and later steps then find the object changed.
 */
static void see_tx_quiet(struct see_tx *tx, struct see_tx_step *st,
			 struct dentry *dentry, struct see_quiet *q)
{
	struct inode *inode = d_inode(dentry);

	memset(q, 0, sizeof(*q));
	if (!inode)
		return;
	if (S_ISREG(inode->i_mode)) {
		if (!see_tx_deny(inode))
			return;
		q->inode = inode;
	}
	q->mode = inode->i_mode;
	q->uid = inode->i_uid;
	q->gid = inode->i_gid;
	q->known = !see_tx_xattrs(tx, st, dentry, &q->xattrs) &&
		   !see_version_sample(see_tx_sb(tx, st->layer), dentry, &q->ver);
}

static void see_tx_quiet_end(struct see_tx *tx, struct see_tx_step *st,
			     struct dentry *dentry, struct see_quiet *q)
{
	struct inode *inode = d_inode(dentry);
	struct see_version now;
	u64 xattrs;

	if (q->known && !see_version_sample(see_tx_sb(tx, st->layer), dentry, &now) &&
	    now.mtime == q->ver.mtime && now.size == q->ver.size &&
	    !see_tx_xattrs(tx, st, dentry, &xattrs) && xattrs == q->xattrs &&
	    inode->i_mode == q->mode && uid_eq(inode->i_uid, q->uid) &&
	    gid_eq(inode->i_gid, q->gid))
		see_tx_touched(tx, dentry, &q->ver, &now);
	see_tx_loud(q);
}

static int see_tx_unchanged(struct see_tx *tx, struct see_tx_step *st,
			    struct dentry *dentry, const struct see_version *then)
{
	struct see_version now;
	int err = see_version_sample(see_tx_sb(tx, st->layer), dentry, &now);

	if (err || see_version_equal(then, &now))
		return err;
	st->conflict |= SEE_CONFLICT_CHANGED;
	return -ESTALE;
}

/* is it as the last of our steps left it? */
static int see_tx_left(struct see_tx *tx, struct see_tx_step *st, struct dentry *dentry)
{
	struct see_touched *t = xa_load(&tx->touched, (unsigned long)d_inode(dentry));

	if (!see_guard(SEE_GUARD_BACK))
		return 0;
	return t ? see_tx_unchanged(tx, st, dentry, &t->to) : -ESTALE;
}

/* ---- names ---- */

/**
 * struct see_swap - a rename, or an exchange
 * @from: directory of the one name
 * @to: directory of the other
 * @old: the one name
 * @new: the other
 * @moved: what must be @old
 * @displaced: what must be @new: NULL for nothing, else they change places
 * @reverse: from dst to src
 * @back: it takes a step back
 */
struct see_swap {
	struct dentry *from;
	struct dentry *to;
	const char *old;
	const char *new;
	struct inode *moved;
	struct inode *displaced;
	bool reverse;
	bool back;
};

/**
 * see_tx_inside - is it still where the layer is?
 * @tx: the commit
 * @st: a step
 * @dentry: of the host, which may have moved it out of the layer
 */
bool see_tx_inside(struct see_tx *tx, struct see_tx_step *st, struct dentry *dentry)
{
	return is_subdir(dentry, see_tx_sb(tx, st->layer)->lower.dentry);
}

static int see_swap_names(struct see_tx *tx, struct see_tx_step *st, struct see_swap *s,
			  char *buf)
{
	s->from = see_tx_dir(tx, s->reverse ? &st->dst : &st->src);
	s->to = see_tx_dir(tx, s->reverse ? &st->src : &st->dst);
	if (!s->from || !s->to)
		return -ENOENT;
	see_tx_undo_name(st, buf, SEE_WORK_NAME);
	s->old = (s->reverse ? st->dst.name : st->src.name) ?: buf;
	s->new = (s->reverse ? st->src.name : st->dst.name) ?: buf;
	return 0;
}

/* what is displaced or removed, if that is an object of the host */
static struct dentry *see_tx_victim(const struct see_tx_step *st, struct dentry *src,
				    struct dentry *dst)
{
	if (st->src.host)
		return src;
	return st->kind == SEE_STEP_EXCHANGE ? dst : NULL;
}

static int see_tx_admit_victim(struct see_tx *tx, struct see_tx_step *st,
			       struct dentry *victim)
{
	struct inode *inode = d_inode(victim);

	if (d_mountpoint(victim))
		return -EBUSY;
	if (d_is_dir(victim))
		return 0;
	/* what is to be modified as well lives on by other names, for who writes to it */
	if (d_is_reg(victim) && !xa_load(&tx->modified, (unsigned long)inode)) {
		if (see_tx_deny(inode)) {
			ihold(inode);
			st->denying = inode;
		} else if (!see_tx_forces(tx) || !st->conflict) {
			/* who forces displaces it all the same, if it is to be kept */
			return -ETXTBSY;
		}
	}
	/* who forces displaces it as it is: it is kept */
	if (see_tx_forces(tx) || !see_guard(SEE_GUARD_AGAIN_VERSION))
		return 0;
	return see_tx_unchanged(tx, st, victim, see_tx_expected(tx, st, inode));
}

/* may the names of a step be changed now? under the locks of the directories */
static int see_tx_admit(struct see_tx *tx, struct see_tx_step *st,
			const struct see_swap *s, struct dentry *src, struct dentry *dst)
{
	struct dentry *victim = see_tx_victim(st, src, dst);
	int err = 0;

	if ((st->src.host && !see_tx_inside(tx, st, s->from)) ||
	    (st->dst.host && !see_tx_inside(tx, st, s->to))) {
		st->conflict |= SEE_CONFLICT_GONE;
		return -ESTALE;
	}
	if (victim)
		err = see_tx_admit_victim(tx, st, victim);
	return err ?: see_auth_locked(tx, st);
}

/* what the names stand for is what the step was made for */
static int see_swap_check(struct see_tx_step *st, const struct see_swap *s,
			  struct dentry *src, struct dentry *dst)
{
	if (d_inode(src) != s->moved &&
	    (d_is_negative(src) || see_guard(SEE_GUARD_AGAIN_NAMES))) {
		st->conflict |= d_is_negative(src) ? SEE_CONFLICT_GONE :
						     SEE_CONFLICT_NAME;
		return -ESTALE;
	}
	if (d_inode(dst) != s->displaced &&
	    (d_is_negative(dst) || see_guard(SEE_GUARD_AGAIN_NAMES))) {
		st->conflict |= d_is_negative(dst) ? SEE_CONFLICT_GONE :
						     SEE_CONFLICT_NAME;
		return -ESTALE;
	}
	return 0;
}

/* what was born and is installed: who wrote to it until it is taken back? */
static bool see_tx_watched(const struct see_tx_step *st)
{
	return !st->src.host && st->prepare != SEE_PREPARE_LINK &&
	       S_ISREG(st->src.inode->i_mode) && st->kind != SEE_STEP_RMDIR;
}

/* with all that is in it */
static bool see_tx_is_born_dir(const struct see_tx_step *st)
{
	return st->kind != SEE_STEP_RMDIR && !st->src.host && !st->prepare &&
	       (st->what & SEE_CHANGE_NAME_MADE) && S_ISDIR(st->src.inode->i_mode);
}

struct see_back_tree {
	struct see_tx *tx;
	struct see_tx_step *st;
};

static int see_swap_locked(struct see_tx *tx, struct see_tx_step *st,
			   const struct see_swap *s, struct renamedata *rd)
{
	bool watched = see_tx_watched(st), denied = false;
	struct see_quiet srcver, dstver;
	struct dentry *src = rd->old_dentry, *dst = rd->new_dentry;
	int err, ignored = 0;

	err = see_swap_check(st, s, src, dst);
	if (!err && !s->back)
		err = see_tx_admit(tx, st, s, src, dst);
	if (!err && watched) {
		denied = see_tx_deny(s->moved);
		if (!denied)
			err = s->back ? -ESTALE : -ETXTBSY;
		else if (s->back)
			err = see_tx_left(tx, st, src);
	}
	if (err)
		goto out_allow;
	see_tx_quiet(tx, st, src, &srcver);
	see_tx_quiet(tx, st, dst, &dstver);
	rd->flags = s->displaced ? RENAME_EXCHANGE : RENAME_NOREPLACE;
	err = vfs_rename(rd);
	if (err) {
		see_tx_loud(&srcver);
		see_tx_loud(&dstver);
		goto out_allow;
	}
	if (!s->back && see_tx_is_born_dir(st))
		st->when = inode_get_ctime(s->moved);
	if (!s->back)
		see_tx_mark(&tx->dirs, d_inode(s->to), &ignored);
	see_tx_quiet_end(tx, st, src, &srcver);
	if (s->displaced)
		see_tx_quiet_end(tx, st, dst, &dstver);
out_allow:
	if (denied)
		see_tx_undeny(s->moved);
	return err;
}

static int see_swap(struct see_tx *tx, struct see_tx_step *st, struct see_swap *s)
{
	/* the caller's mount may have become read-only when it is taken back */
	struct vfsmount *mnt = s->back ? see_tx_sb(tx, st->layer)->priv.mnt :
					 tx->layer[st->layer].caller.mnt;
	struct see_delegated delegated = { };
	char buf[SEE_WORK_NAME];
	struct qstr old, new;
	bool again;
	int err;

	err = see_swap_names(tx, st, s, buf);
	if (!err)
		err = mnt_want_write(mnt);
	if (err)
		return err;
	old = (struct qstr)QSTR_INIT(s->old, strlen(s->old));
	new = (struct qstr)QSTR_INIT(s->new, strlen(s->new));
	do {
		struct renamedata rd = { };

		err = see_start_renaming(&rd, s->from, &old, s->to, &new);
		if (err == -ENOENT) {
			st->conflict |= SEE_CONFLICT_GONE;
			err = -ESTALE;
		}
		/* the one is above the other: no word of what is in them */
		if (err == -ENOTEMPTY)
			err = -EINVAL;
		if (err)
			break;
		see_rename_delegated(&rd, &delegated);
		err = see_swap_locked(tx, st, s, &rd);
		see_end_renaming(&rd, s->from, s->to);
		if (err && !s->back)
			see_tx_allow(st);
		again = see_is_delegated(&delegated);
		if (again)
			err = see_break_deleg_wait(&delegated);
	} while (again && !err);
	mnt_drop_write(mnt);
	return err;
}

static int see_apply_names(struct see_tx *tx, struct see_tx_step *st)
{
	struct see_swap s = { .moved = st->src.inode, .displaced = st->dst.inode };

	return see_swap(tx, st, &s);
}

/* did the host do something to what was born, since it was installed? */
static int see_back_tree_one(struct dentry *dentry, void *arg)
{
	const struct see_back_tree *b = arg;
	struct inode *inode = d_inode(dentry);
	struct timespec64 ctime = inode_get_ctime(inode);

	/* a directory in which steps of ours made names that were taken back since */
	if (xa_load(&b->tx->dirs, (unsigned long)inode))
		return 0;
	/* it has another name, which a step of ours made */
	if (inode != b->st->src.inode && xa_load(&b->tx->touched, (unsigned long)inode))
		return see_tx_left(b->tx, b->st, dentry);
	if (timespec64_compare(&ctime, &b->st->when) > 0 ||
	    (S_ISREG(inode->i_mode) && inode_is_open_for_write(inode)))
		return -ESTALE;
	return 0;
}

/* what the host made in a new directory must not go into the SEE with it */
static int see_back_tree(struct see_tx *tx, struct see_tx_step *st)
{
	struct see_back_tree b = { .tx = tx, .st = st };
	int err = see_tree_each(see_tx_sb(tx, st->layer), st->target, see_back_tree_one, &b);

	if (err == -ESTALE)
		st->conflict |= SEE_CONFLICT_CHANGED;
	return err;
}

static int see_back_names(struct see_tx *tx, struct see_tx_step *st)
{
	struct see_swap s = {
		.moved = st->src.inode, .displaced = st->dst.inode,
		.reverse = true, .back = true,
	};
	int err = 0;

	if (see_tx_is_born_dir(st))
		err = see_back_tree(tx, st);
	return err ?: see_swap(tx, st, &s);
}

/* ---- directories that go ---- */

static int see_apply_rmdir(struct see_tx *tx, struct see_tx_step *st)
{
	struct vfsmount *mnt = tx->layer[st->layer].caller.mnt;
	struct dentry *dir = see_tx_dir(tx, &st->dst), *dentry;
	struct qstr name = QSTR_INIT(st->dst.name, strlen(st->dst.name));
	int err;

	err = mnt_want_write(mnt);
	if (err)
		return err;
	dentry = see_start_removing(dir, &name);
	if (IS_ERR(dentry)) {
		err = PTR_ERR(dentry);
		if (err == -ENOENT) {
			st->conflict |= SEE_CONFLICT_NAME;
			err = -ESTALE;
		}
		goto out_write;
	}
	if (d_inode(dentry) != st->dst.inode || !see_tx_inside(tx, st, dir)) {
		st->conflict |= SEE_CONFLICT_NAME;
		err = -ESTALE;
	} else if (d_mountpoint(dentry)) {
		err = -EBUSY;
	} else {
		err = see_auth_locked(tx, st);
	}
	/* what it would be given back with must be what it has */
	if (!err)
		err = see_install_is_image(st, dentry);
	/* taking it back must not fail for want of memory */
	if (!err)
		err = xa_reserve(&tx->again, (unsigned long)st->dst.inode,
				 GFP_KERNEL_ACCOUNT);
	if (!err)
		err = see_vfs_rmdir(dir, dentry);
	/* the host made something in it */
	if (err == -ENOTEMPTY) {
		st->conflict |= SEE_CONFLICT_CHANGED;
		err = -ESTALE;
	}
	see_end_removing(dir, dentry);
out_write:
	mnt_drop_write(mnt);
	return err;
}

/* another directory like it; what was in it goes there when it is taken back */
static int see_back_rmdir(struct see_tx *tx, struct see_tx_step *st)
{
	struct see_swap s = { .moved = st->src.inode, .back = true };

	return see_swap(tx, st, &s) ?: see_tx_again(tx, st->dst.inode, st->image);
}

/* ---- preparing ---- */

static int see_prepare_made(struct see_tx *tx, struct see_tx_step *st)
{
	struct dentry *undo = tx->layer[st->layer].undo.dentry;
	struct see_quiet quiet;
	struct dentry *other;
	char buf[SEE_WORK_NAME];
	struct see_op op;
	struct qstr name;
	int err;

	see_tx_undo_name(st, buf, sizeof(buf));
	name = (struct qstr)QSTR_INIT(buf, strlen(buf));
	err = see_begin(see_tx_sb(tx, st->layer)->sb, &op);
	if (err)
		return err;
	if (st->prepare == SEE_PREPARE_KEPT) {
		other = xa_load(&tx->again, (unsigned long)st->object);
		err = see_make(undo, &name, d_inode(other)->i_mode, 0, NULL, other,
			       &st->image);
	} else if (st->prepare == SEE_PREPARE_LINK) {
		see_tx_quiet(tx, st, st->target, &quiet);
		err = see_make(undo, &name, d_inode(st->target)->i_mode, 0, NULL,
			       st->target, &st->image);
		if (err)
			see_tx_loud(&quiet);
		else
			see_tx_quiet_end(tx, st, st->image, &quiet);
	} else {
		err = see_tree_copy(st->target, S_IFDIR | 0700, 0, undo, &name, &st->image);
		if (!err)
			err = see_give_attrs(st->image, d_inode(st->target));
	}
	see_end(&op);
	return err;
}

/**
 * see_tx_prepare - make what a step needs in "undo"
 * @tx: the commit
 * @st: the step
 */
int see_tx_prepare(struct see_tx *tx, struct see_tx_step *st)
{
	int err;

	if (st->image)
		return 0;
	switch (st->prepare) {
	case SEE_PREPARE_IMAGE:
		return see_install_image(tx, st);
	case SEE_PREPARE_KEPT:
		/* one object, whatever names it has */
		err = xa_load(&tx->again, (unsigned long)st->object) ?
			see_prepare_made(tx, st) : see_install_kept(tx, st);
		break;
	default:
		err = see_prepare_made(tx, st);
		break;
	}
	/* the host took its last name meanwhile */
	if (err == -ENOENT && st->prepare == SEE_PREPARE_LINK &&
	    !d_inode(st->target)->i_nlink) {
		st->conflict |= SEE_CONFLICT_GONE;
		err = -ESTALE;
	}
	if (err || st->src.inode)
		return err;
	ihold(d_inode(st->image));
	st->src.inode = d_inode(st->image);
	if (st->prepare == SEE_PREPARE_KEPT && !xa_load(&tx->again, (unsigned long)st->object))
		err = see_tx_again(tx, st->object, st->image);
	return err;
}

/**
 * see_tx_unprepare - remove the name that PREPARE gave to an object of the host
 * @tx: the commit
 * @st: a step
 *
 * It would go anyway with all of "undo", but then nobody would know that the change
 * time which this moves is ours.
 */
void see_tx_unprepare(struct see_tx *tx, struct see_tx_step *st)
{
	struct dentry *undo = tx->layer[st->layer].undo.dentry, *dentry;
	struct see_quiet quiet;
	char buf[SEE_WORK_NAME];
	struct see_op op;

	if (st->prepare != SEE_PREPARE_LINK || !st->image || st->applied)
		return;
	see_tx_undo_name(st, buf, sizeof(buf));
	dentry = see_lookup_priv(undo, buf, strlen(buf));
	if (IS_ERR(dentry))
		return;
	if (d_inode(dentry) == d_inode(st->target) &&
	    !see_begin(see_tx_sb(tx, st->layer)->sb, &op)) {
		see_tx_quiet(tx, st, st->target, &quiet);
		if (see_remove(undo, &(struct qstr)QSTR_INIT(buf, strlen(buf))))
			see_tx_loud(&quiet);
		else
			see_tx_quiet_end(tx, st, st->target, &quiet);
		see_end(&op);
	}
	dput(dentry);
}

/* ---- one step ---- */

/**
 * see_tx_apply - do one step
 * @tx: the commit
 * @st: a step that was not applied
 *
 * Return: 0; -ESTALE, with see_tx_step.conflict, if the host is not as expected;
 * what authority.c said; or another error.  The host is as it was if it fails.
 */
int see_tx_apply(struct see_tx *tx, struct see_tx_step *st)
{
	int err;

	if (st->prepare && !st->image)
		return -EINVAL;
	err = see_auth_step(tx, st);
	if (err)
		return err;
	switch (st->kind) {
	case SEE_STEP_RMDIR:
		err = see_apply_rmdir(tx, st);
		break;
	case SEE_STEP_MODIFY:
		err = see_install(tx, st);
		break;
	default:
		err = see_apply_names(tx, st);
		break;
	}
	if (!err)
		st->applied = true;
	return err;
}

/**
 * see_tx_take_back - undo one step
 * @tx: the commit
 * @st: a step that was applied, and all after it are taken back
 *
 * Return: 0; -ESTALE if that would overwrite what the host did; or another error.
 */
int see_tx_take_back(struct see_tx *tx, struct see_tx_step *st)
{
	int err;

	switch (st->kind) {
	case SEE_STEP_RMDIR:
		err = see_back_rmdir(tx, st);
		break;
	case SEE_STEP_MODIFY:
		err = see_install_back(tx, st);
		break;
	default:
		err = see_back_names(tx, st);
		break;
	}
	if (err)
		return err;
	see_tx_allow(st);
	st->applied = false;
	return 0;
}
