// SPDX-License-Identifier: GPL-2.0
/*
 * commit.c - a commit: its life, what the daemon is told of it, and what it orders
 *
 * Owns struct see_tx.  plan.c makes the list of steps, apply.c and install.c do
 * them.  Documentation/commit.rst has the protocol.
 *
 * Nobody changes anything in the layers meanwhile: txctl.c closes their gates.
 *
 * Locks: see_tx.lock, outside of all others of this module but those of txctl.c.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "blockmap.h"
#include "commit.h"
#include "control.h"
#include "gate.h"
#include "inode.h"
#include "locks.h"
#include "revert.h"
#include "tree.h"

#define SEE_TX_STRINGS	ARRAY_SIZE(((struct see_step *)NULL)->len)

/* ---- life ---- */

/**
 * see_tx_new - a commit without steps
 * @nlayers: of the SEE; the caller fills in see_tx.layer
 * @caller: credentials of who wants it, or NULL
 * @criterion: SEE_CRITERION_*
 * @flags: SEE_START_*
 */
struct see_tx *see_tx_new(unsigned int nlayers, const struct cred *caller, u32 criterion,
			  u32 flags)
{
	struct see_tx *tx = kzalloc(struct_size(tx, layer, nlayers), GFP_KERNEL_ACCOUNT);

	if (!tx)
		return NULL;
	mutex_init(&tx->lock);
	xa_init(&tx->touched);
	xa_init(&tx->again);
	xa_init(&tx->modified);
	xa_init(&tx->removed);
	xa_init(&tx->dirs);
	INIT_LIST_HEAD(&tx->locks);
	tx->nlayers = nlayers;
	tx->criterion = criterion;
	tx->flags = flags;
	if (caller)
		tx->caller = get_cred(caller);
	return tx;
}

static void see_tx_name_put(struct see_tx_name *name)
{
	dput(name->dir);
	kfree(name->name);
	iput(name->inode);
}

static void see_tx_step_free(struct see_tx_step *st)
{
	see_tx_allow(st);
	see_tx_name_put(&st->src);
	see_tx_name_put(&st->dst);
	dput(st->target);
	dput(st->image);
	kfree(st->path);
	kfree(st);
}

/**
 * see_tx_free - give back what a commit holds; writers are let in again
 * @tx: the commit, or NULL
 */
void see_tx_free(struct see_tx *tx)
{
	struct see_touched *t;
	struct dentry *d;
	unsigned long i;

	if (!tx)
		return;
	see_unlock_host(&tx->locks);
	while (tx->n)
		see_tx_step_free(tx->step[--tx->n]);
	kvfree(tx->step);
	xa_for_each(&tx->touched, i, t)
		kfree(t);
	xa_destroy(&tx->touched);
	xa_for_each(&tx->again, i, d)
		dput(d);
	xa_destroy(&tx->again);
	xa_destroy(&tx->modified);
	xa_destroy(&tx->removed);
	xa_destroy(&tx->dirs);
	for (i = 0; i < tx->nlayers; i++) {
		if (tx->layer[i].closed)
			see_gate_open(see_tx_sb(tx, i));
		path_put(&tx->layer[i].undo);
		path_put(&tx->layer[i].caller);
		path_put(&tx->layer[i].root);
	}
	if (tx->caller)
		put_cred(tx->caller);
	kfree(tx);
}

/**
 * see_tx_dir - the directory of a name
 * @tx: the commit
 * @name: of a step
 *
 * Return: that which is now where the directory was, if it was removed and made
 * again; NULL if it is to be made again, and was not made yet.
 */
struct dentry *see_tx_dir(struct see_tx *tx, const struct see_tx_name *name)
{
	struct dentry *d = NULL;

	if (name->again)
		return xa_load(&tx->again, (unsigned long)name->again);
	if (name->dir && IS_DEADDIR(d_inode(name->dir)))
		d = xa_load(&tx->again, (unsigned long)d_inode(name->dir));
	return d ?: name->dir;
}

/**
 * see_tx_again - a directory takes the place of one that is gone
 * @tx: the commit
 * @gone: inode of the SEE or of the host, pinned by a step
 * @made: what stands for it from now on
 */
int see_tx_again(struct see_tx *tx, struct inode *gone, struct dentry *made)
{
	void *old = xa_store(&tx->again, (unsigned long)gone, dget(made),
			     GFP_KERNEL_ACCOUNT);

	if (xa_is_err(old)) {
		dput(made);
		return xa_err(old);
	}
	dput(old);
	return 0;
}

/**
 * see_tx_undo_name - the name of a step in "undo"
 * @st: the step
 * @buf: filled in
 * @size: of @buf
 */
void see_tx_undo_name(const struct see_tx_step *st, char *buf, size_t size)
{
	snprintf(buf, size, "%u", st->nr);
}

/* ---- telling the daemon ---- */

/* the key of an inode, or of nothing, to be freed */
static char *see_tx_key(struct inode *inode)
{
	/* not by a name: the host may have removed the last one just now */
	char *key = inode ? see_tree_key(inode) : kstrdup("", GFP_KERNEL);

	return IS_ERR(key) ? NULL : key;
}

static char *see_tx_name_text(const struct see_tx_step *st, const struct see_tx_name *n)
{
	char buf[SEE_WORK_NAME];

	if (n->name)
		return kstrdup(n->name, GFP_KERNEL);
	see_tx_undo_name(st, buf, sizeof(buf));
	return kstrdup(n->dir ? buf : "", GFP_KERNEL);
}

static int see_tx_texts(struct see_tx *tx, const struct see_tx_step *st, char **text)
{
	struct dentry *sdir = see_tx_dir(tx, &st->src), *ddir = see_tx_dir(tx, &st->dst);
	bool modify = st->kind == SEE_STEP_MODIFY;
	struct dentry *priv = modify ? see_priv(st->object) : NULL;
	unsigned int i;

	text[SEE_TEXT_PATH] = kstrdup(st->path, GFP_KERNEL);
	text[SEE_TEXT_SRC_DIR] = see_tx_key(sdir ? d_inode(sdir) : NULL);
	text[SEE_TEXT_SRC] = see_tx_name_text(st, &st->src);
	text[SEE_TEXT_DST_DIR] = see_tx_key(ddir ? d_inode(ddir) : NULL);
	text[SEE_TEXT_DST] = see_tx_name_text(st, &st->dst);
	text[SEE_TEXT_SRC_KEY] = see_tx_key(st->src.inode);
	text[SEE_TEXT_OLD_KEY] = see_tx_key(!modify ? st->dst.inode :
					    st->image ? d_inode(st->image) : NULL);
	text[SEE_TEXT_NEW_KEY] = see_tx_key(priv ? d_inode(priv) : NULL);
	for (i = 0; i < SEE_TX_STRINGS; i++)
		if (!text[i])
			return -ENOMEM;
	return 0;
}

static s64 see_tx_ns(struct timespec64 ts)
{
	return timespec64_to_ns(&ts);
}

static void see_tx_fill_modify(struct see_step *rec, const struct see_tx_step *st)
{
	struct inode *inode = st->object;
	struct see_data *data = S_ISREG(inode->i_mode) ? see_part(inode) : NULL;

	if (data) {
		rec->flags |= SEE_STEP_DATA;
		rec->limit = data->limit;
		if (data->limit)
			rec->flags |= SEE_STEP_PARTLY;
	}
	rec->old_mode = st->old.mode;
	rec->old_uid = from_kuid(&init_user_ns, st->old.uid);
	rec->old_gid = from_kgid(&init_user_ns, st->old.gid);
	rec->old_size = st->old.size;
	rec->old_mtime = st->old.mtime;
	rec->new_mode = inode->i_mode;
	rec->new_uid = from_kuid(&init_user_ns, inode->i_uid);
	rec->new_gid = from_kgid(&init_user_ns, inode->i_gid);
	rec->new_size = S_ISREG(inode->i_mode) ? i_size_read(inode) : 0;
	rec->new_mtime = see_tx_ns(inode_get_mtime(inode));
}

static int see_tx_emit(struct see_tx *tx, u32 step, struct see_out *out)
{
	const struct see_tx_step *st = tx->step[step];
	char *text[SEE_TX_STRINGS] = {};
	struct see_step *rec;
	size_t size = 0, i;
	char *p;
	int err;

	err = see_tx_texts(tx, st, text);
	if (err)
		goto out;
	for (i = 0; i < SEE_TX_STRINGS; i++)
		size += strlen(text[i]) + 1;
	rec = see_out_add(out, SEE_REC_STEP, sizeof(*rec) + size);
	err = -EMSGSIZE;
	if (!rec)
		goto out;
	rec->step = step;
	rec->kind = st->kind;
	rec->layer = st->layer;
	rec->what = st->what;
	rec->conflict = st->conflict;
	rec->denied = -st->denied;
	rec->busy = -st->busy;
	if (st->prepare == SEE_PREPARE_LINK)
		rec->flags |= SEE_STEP_TMP_SRC;
	if (st->applied)
		rec->flags |= SEE_STEP_APPLIED;
	if (st->kind == SEE_STEP_MODIFY)
		see_tx_fill_modify(rec, st);
	p = rec->text;
	for (i = 0; i < SEE_TX_STRINGS; i++) {
		rec->len[i] = strlen(text[i]) + 1;
		memcpy(p, text[i], rec->len[i]);
		p += rec->len[i];
	}
	err = 0;
out:
	for (i = 0; i < SEE_TX_STRINGS; i++)
		kfree(text[i]);
	return err;
}

static int see_tx_extent(struct see_out *out, u32 step, u32 flags, u64 start, u64 end)
{
	struct see_extent *rec = see_out_add(out, SEE_REC_EXTENT, sizeof(*rec));

	if (!rec)
		return -EMSGSIZE;
	rec->step = step;
	rec->flags = flags;
	rec->start = start;
	rec->end = end;
	return 0;
}

/*
 * The extents from block *@at on: runs of private blocks below the new size, and
 * what is cut off.
 */
static int see_tx_extents(struct see_tx *tx, u32 step, u64 *at, struct see_out *out)
{
	const struct see_tx_step *st = tx->step[step];
	struct inode *inode = st->object;
	struct see_data *data;
	struct see_run run;
	u64 cut;
	int err;

	if (st->kind != SEE_STEP_MODIFY || !S_ISREG(inode->i_mode))
		return 0;
	data = see_part(inode);
	if (!data)
		return 0;
	while (see_map_extent(data, *at, &run)) {
		err = see_tx_extent(out, step,
				    run.state == SEE_BLOCK_DATA ? SEE_EXTENT_DATA :
								  SEE_EXTENT_ZERO,
				    (u64)run.first << PAGE_SHIFT,
				    (u64)run.end << PAGE_SHIFT);
		if (err)
			return err;
		*at = run.end;
		cond_resched();
	}
	cut = round_down(data->limit, PAGE_SIZE);
	if (st->old.size <= data->limit)
		return 0;
	return see_tx_extent(out, step, SEE_EXTENT_CUT, cut,
			     round_up(st->old.size, PAGE_SIZE));
}

/**
 * see_tx_list - the steps as records
 * @tx: the commit
 * @cursor: 0 at first; a step in the upper half, and what is left of it below
 * @out: where they go
 *
 * Return: 0 at the end; -EMSGSIZE if a record did not fit; -EINVAL for a cursor
 * out of range; -ENOMEM.
 */
int see_tx_list(struct see_tx *tx, u64 *cursor, struct see_out *out)
{
	u64 step = *cursor >> 32, at = *cursor & U32_MAX;
	int err = 0;

	mutex_lock(&tx->lock);
	if (step > tx->n)
		err = -EINVAL;
	while (!err && step < tx->n) {
		/* 0: the record itself; else the next block and 1 */
		if (!at) {
			err = see_tx_emit(tx, step, out);
			if (err)
				break;
			at = 1;
		}
		at--;
		err = see_tx_extents(tx, step, &at, out);
		at++;
		if (err)
			break;
		at = 0;
		step++;
	}
	mutex_unlock(&tx->lock);
	*cursor = step << 32 | min_t(u64, at, U32_MAX);
	return err;
}

/* private names move from here on, which who looks them up must know */
static void see_tx_begin(struct see_tx *tx)
{
	unsigned int i;

	for (i = 0; i < tx->nlayers; i++)
		if (tx->layer[i].closed)
			see_gate_move(see_tx_sb(tx, i));
	tx->started = true;
}

/**
 * see_tx_act - do something about one step
 * @tx: the commit
 * @step: its number
 * @action: SEE_ACTION_*
 * @conflict: set to SEE_CONFLICT_* with -ESTALE
 *
 * Return: 0 or a negative errno, as in struct see_commit_step.
 */
int see_tx_act(struct see_tx *tx, u32 step, u32 action, u32 *conflict)
{
	struct see_tx_step *st;
	int err = -EINVAL;
	bool drop;

	mutex_lock(&tx->lock);
	drop = action == SEE_ACTION_DROP;
	if (step >= tx->n || (tx->flags & SEE_START_CHECK) ||
	    drop != !!(tx->flags & SEE_START_REVERT))
		goto out;
	st = tx->step[step];
	switch (action) {
	case SEE_ACTION_PREPARE:
		err = st->kind && st->prepare && !st->applied ? see_tx_prepare(tx, st) : 0;
		break;
	case SEE_ACTION_APPLY:
		if (!tx->started)
			see_tx_begin(tx);
		err = st->kind && !st->applied ? see_tx_apply(tx, st) : 0;
		break;
	case SEE_ACTION_TAKE_BACK:
		err = st->applied ? see_tx_take_back(tx, st) : st->half ? -EUCLEAN : 0;
		break;
	case SEE_ACTION_DROP:
		tx->started = true;
		err = see_revert_step(tx, st);
		break;
	}
	*conflict = err == -ESTALE ? st->conflict ?: SEE_CONFLICT_CHANGED : 0;
out:
	mutex_unlock(&tx->lock);
	return err;
}
