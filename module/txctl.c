// SPDX-License-Identifier: GPL-2.0
/*
 * txctl.c - commits: what clients and the daemon ask of /dev/see
 *
 * Owns see_env.tx and .nothing.  A client's request is queued with its credentials
 * and mounts; the daemon makes a commit of it (commit.c), and drives it step by step.
 * Nobody may use the layers meanwhile: only the SEE itself holds their superblocks,
 * and the daemon, which alone can mount them, gives none out.
 *
 * A commit of which nothing was applied goes with the daemon; another stays until
 * a daemon ends it.
 *
 * Lock order: see_env.load, see_env.txlock, see_env.lock, see_tx.lock.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/mount.h>
#include <linux/sched/signal.h>
#include <linux/see.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>
#include <linux/writeback.h>

#include "command.h"
#include "commit.h"
#include "control.h"
#include "gate.h"
#include "lower.h"
#include "queue.h"
#include "rebind.h"
#include "super.h"

/* how long to wait for those who use the layers, if nobody may */
#define SEE_UNUSED_TIME	(10 * HZ)
#define SEE_PLAN_MIN	SZ_8K
#define SEE_PLAN_MAX	SZ_1M

/* ---- clients ---- */

/* the mounts by which the caller would make the changes, by layer */
static int see_commit_roots(struct see_req *req, const struct see_commit *c)
{
	struct see_commit_root root;
	u32 i;

	for (i = 0; i < c->nroots; i++) {
		if (copy_from_user(&root, (struct see_commit_root __user *)
				   u64_to_user_ptr(c->roots) + i, sizeof(root)))
			return -EFAULT;
		if (root.layer >= SEE_LAYERS_MAX || req->in[root.layer])
			return -EINVAL;
		req->in[root.layer] = fget_raw(root.fd);
		if (!req->in[root.layer])
			return -EBADF;
	}
	return 0;
}

/**
 * see_env_commit - SEE_IOC_COMMIT
 * @file: descriptor of the SEE
 * @arg: struct see_commit
 */
int see_env_commit(struct file *file, void *arg)
{
	struct see_env *env = file->private_data;
	struct see_commit *c = arg;
	struct see_req *req;
	int err, fd;

	if ((c->flags & ~SEE_COMMIT_CHECK) || c->nroots > SEE_LAYERS_MAX ||
	    c->criterion > SEE_CRITERION_FORCE || c->reserved)
		return -EINVAL;
	memset(c->message, 0, sizeof(c->message));
	c->outcome = SEE_OUTCOME_REFUSED;
	c->report = -1;
	req = see_req_alloc(SEE_OP_COMMIT, env->id);
	if (!req)
		return -ENOMEM;
	req->cred = get_current_cred();
	req->wire.layer = c->criterion;
	req->wire.flags[0] = c->flags;
	err = see_commit_roots(req, c);
	if (!err) {
		err = see_env_call(req, c->message);
		if (req->message[0])
			memcpy(c->message, req->message, sizeof(c->message));
	}
	if (!err)
		c->outcome = req->see;
	if ((!err || err == -EBUSY) && req->out) {
		fd = see_install_fd(req);
		if (fd >= 0)
			c->report = fd;
	}
	see_req_put(req);
	return err;
}

/**
 * see_env_revert - SEE_IOC_REVERT
 * @file: descriptor of the SEE
 * @arg: struct see_revert
 */
int see_env_revert(struct file *file, void *arg)
{
	struct see_env *env = file->private_data;
	struct see_revert *r = arg;
	struct see_req *req;
	int err;

	if (r->flags || r->reserved)
		return -EINVAL;
	memset(r->message, 0, sizeof(r->message));
	r->count = 0;
	req = see_req_alloc(SEE_OP_REVERT, env->id);
	if (!req)
		return -ENOMEM;
	err = -EBADF;
	req->in[0] = fget(r->fd);
	if (req->in[0]) {
		req->wire.nfds = 1;
		err = see_env_call(req, r->message);
	}
	if (!err)
		r->count = req->see;
	see_req_put(req);
	return err;
}

/* ---- starting ---- */

/* the only holder of a layer is the SEE: no mount, no descriptor, no mapping */
static bool see_tx_alone(const struct see_tx *tx)
{
	unsigned int i;

	for (i = 0; i < tx->nlayers; i++)
		if (atomic_read(&tx->layer[i].root.mnt->mnt_sb->s_active) != 1)
			return false;
	return true;
}

/* wait a moment for something; -EBUSY if it did not happen until @end */
static int see_tx_pause(unsigned long end, const struct see_req *req)
{
	/* who asked for it has gone, or who does it */
	if (fatal_signal_pending(current) || READ_ONCE(req->dead))
		return -EINTR;
	if (time_after(jiffies, end))
		return -EBUSY;
	schedule_timeout_killable(HZ / 50 ?: 1);
	return 0;
}

/* changes are taken back only where nobody is who could see it */
static int see_tx_unused(const struct see_tx *tx, const struct see_req *req)
{
	unsigned long end = jiffies + SEE_UNUSED_TIME;
	int err = 0;

	/* mounts go some time after the last process that had them */
	while (!err && !see_tx_alone(tx))
		err = see_tx_pause(end, req);
	return err;
}

/* what the host dropped is completed, as far as it is known by now */
static int see_tx_kept(struct see_layer *layer, const struct see_req *req)
{
	unsigned long end = jiffies + SEE_UNUSED_TIME;
	int err = 0;

	while (!err && atomic_read(&layer->keeping))
		err = see_tx_pause(end, req);
	return err;
}

/* nobody changes anything any more, and all that was changed is written back */
static int see_tx_close(struct see_tx *tx, const struct see_req *req)
{
	struct super_block *sb;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < tx->nlayers; i++) {
		if (!tx->layer[i].writable)
			continue;
		sb = tx->layer[i].root.mnt->mnt_sb;
		err = see_tx_kept(see_layer(sb), req);
		if (!err)
			err = see_gate_close(see_layer(sb), &req->dead);
		if (err)
			break;
		tx->layer[i].closed = true;
		down_read(&sb->s_umount);
		sync_inodes_sb(sb);
		up_read(&sb->s_umount);
	}
	return err;
}

/* where the caller of the request would change the directory of a layer */
static int see_start_caller(struct see_tx_layer *l, struct see_layer *layer,
			    struct see_req *req, unsigned int i)
{
	struct file *file = req->in[i];

	if (!file)
		return 0;
	if (file->f_path.dentry != layer->lower.dentry ||
	    see_mnt_idmap(file->f_path.mnt) != see_nop_idmap)
		return -EINVAL;
	l->caller = file->f_path;
	path_get(&l->caller);
	return 0;
}

static int see_start_undo(struct see_tx_layer *l, struct see_layer *layer, s32 fd)
{
	struct file *file;
	int err = 0;

	if (fd < 0)
		return 0;
	file = fget_raw(fd);
	if (!file)
		return -EBADF;
	if (!d_is_dir(file->f_path.dentry) ||
	    file->f_path.mnt->mnt_sb != layer->priv.mnt->mnt_sb) {
		err = -EINVAL;
	} else {
		l->undo.mnt = layer->priv.mnt;
		l->undo.dentry = file->f_path.dentry;
		path_get(&l->undo);
	}
	fput(file);
	return err;
}

/* the layers of a commit; see_env.lock held */
static int see_start_layers(struct see_tx *tx, struct see_env *env, struct see_req *req,
			    const s32 *undo)
{
	struct see_layer *layer;
	unsigned int i;
	int err = 0;

	for (i = 0; !err && i < tx->nlayers; i++) {
		struct see_tx_layer *l = &tx->layer[i];

		l->root = env->layer[i].root;
		path_get(&l->root);
		l->writable = env->layer[i].flags & SEE_LAYER_WRITE;
		layer = see_layer(l->root.mnt->mnt_sb);
		err = see_start_undo(l, layer, undo[i]);
		if (!err && !(tx->flags & SEE_START_REVERT))
			err = see_start_caller(l, layer, req, i);
		if (!err && l->caller.mnt && !l->undo.mnt)
			err = -EINVAL;
	}
	return err;
}

static struct see_tx *see_start_tx(struct see_env *env, struct see_req *req,
				   const struct see_commit_start *s, const s32 *undo)
{
	struct see_tx *tx;
	int err = -ENOENT;

	mutex_lock(&env->lock);
	if (!env->loaded || env->gone || env->state == SEE_STATE_ABORTING) {
		tx = ERR_PTR(err);
	} else if (s->nundo != env->nlayers) {
		tx = ERR_PTR(-EINVAL);
	} else {
		tx = see_tx_new(env->nlayers, req->cred, s->criterion, s->flags);
		err = tx ? see_start_layers(tx, env, req, undo) : -ENOMEM;
		if (err) {
			see_tx_free(tx);
			tx = ERR_PTR(err);
		}
	}
	mutex_unlock(&env->lock);
	return tx;
}

static int see_start(struct see_env *env, struct see_req *req, struct see_commit_start *s,
		     const s32 *undo, const struct file *server)
{
	struct see_tx *tx;
	int err = 0;

	mutex_lock(&env->txlock);
	tx = env->tx ? ERR_PTR(-EBUSY) : see_start_tx(env, req, s, undo);
	if (IS_ERR(tx)) {
		err = PTR_ERR(tx);
		goto out;
	}
	if (s->flags & SEE_START_REVERT)
		err = see_tx_unused(tx, req);
	/* also then: what is written back later would undo what is taken back */
	if (!err && !(s->flags & SEE_START_CHECK))
		err = see_tx_close(tx, req);
	if (!err)
		err = see_tx_plan(tx);
	/* what goes with the daemon must not come after it */
	if (!err && !see_server_is(server))
		err = -EPERM;
	if (err) {
		see_tx_free(tx);
	} else {
		s->steps = tx->n;
		env->nothing = false;
		WRITE_ONCE(env->tx, tx);
	}
out:
	mutex_unlock(&env->txlock);
	return err;
}

/**
 * see_dev_commit_start - SEE_IOC_COMMIT_START
 * @file: the daemon's descriptor
 * @arg: struct see_commit_start
 */
int see_dev_commit_start(struct file *file, void *arg)
{
	struct see_commit_start *s = arg;
	s32 undo[SEE_LAYERS_MAX];
	struct see_env *env;
	struct see_req *req;
	int err = -ENOENT;

	if ((s->flags & ~(SEE_START_CHECK | SEE_START_REVERT)) || s->reserved ||
	    (s->flags & SEE_START_CHECK && s->flags & SEE_START_REVERT) ||
	    s->nundo > SEE_LAYERS_MAX || s->criterion > SEE_CRITERION_FORCE || !s->see)
		return -EINVAL;
	if (copy_from_user(undo, u64_to_user_ptr(s->undo), s->nundo * sizeof(*undo)))
		return -EFAULT;
	env = see_env_find(s->see, "");
	if (!env)
		return -ENOENT;
	req = see_req_find(s->request, s->see);
	if (!req)
		goto out;
	err = -EINVAL;
	if (req->wire.op == (s->flags & SEE_START_REVERT ? SEE_OP_REVERT : SEE_OP_COMMIT))
		err = see_start(env, req, s, undo, file);
	see_req_put(req);
out:
	see_env_put(env);
	return err;
}

/* ---- the rest ---- */

static int see_fill_plan(void *what, u64 *cursor, struct see_out *out)
{
	return see_tx_list(what, cursor, out);
}

/**
 * see_dev_commit_plan - SEE_IOC_COMMIT_PLAN
 * @file: the daemon's descriptor
 * @arg: struct see_commit_plan
 */
int see_dev_commit_plan(struct file *file, void *arg)
{
	struct see_commit_plan *p = arg;
	struct see_env *env;
	int err;

	if (!p->see || p->len < SEE_PLAN_MIN || p->len > SEE_PLAN_MAX || p->count)
		return -EINVAL;
	env = see_env_find(p->see, "");
	if (!env)
		return -ENOENT;
	mutex_lock(&env->txlock);
	if (env->tx)
		err = see_batch_fill(p->buf, &p->len, &p->count, &p->cursor,
				     see_fill_plan, env->tx);
	else
		err = env->nothing ? -ECANCELED : -ENOENT;
	mutex_unlock(&env->txlock);
	see_env_put(env);
	return err;
}

/**
 * see_dev_commit_step - SEE_IOC_COMMIT_STEP
 * @file: the daemon's descriptor
 * @arg: struct see_commit_step
 */
int see_dev_commit_step(struct file *file, void *arg)
{
	struct see_commit_step *s = arg;
	struct see_env *env;
	int err = -ENOENT;

	if (!s->see || s->reserved || s->conflict || s->action < SEE_ACTION_PREPARE ||
	    s->action > SEE_ACTION_DROP)
		return -EINVAL;
	env = see_env_find(s->see, "");
	if (!env)
		return -ENOENT;
	mutex_lock(&env->txlock);
	if (env->tx)
		err = see_tx_act(env->tx, s->step, s->action, &s->conflict);
	mutex_unlock(&env->txlock);
	see_env_put(env);
	return err;
}

/*
 * Take the commit from the SEE, to end it; txlock is held.  Whoever finds its journal
 * later wants to know if there is anything to take back.
 */
static struct see_tx *see_take_tx(struct see_env *env)
{
	struct see_tx *tx = NULL;

	swap(tx, env->tx);
	if (tx)
		env->nothing = !tx->started;
	return tx;
}

/* the layers are not what the private trees are any more: who uses them gets EIO */
static void see_tx_unload(struct see_tx *tx, struct see_env *env, bool committed)
{
	unsigned int i;

	/* those of the commit, should the SEE have let go of them meanwhile */
	for (i = 0; i < tx->nlayers; i++) {
		/* what was not committed, or not reverted, stays known */
		if (!committed)
			see_run_aside(see_command_save, tx->layer[i].root.mnt->mnt_sb);
		see_shutdown(tx->layer[i].root.mnt->mnt_sb);
	}
	mutex_lock(&env->lock);
	for (i = 0; i < env->nlayers; i++)
		see_shutdown(env->layer[i].root.mnt->mnt_sb);
	see_env_unload(env);
	mutex_unlock(&env->lock);
}

static int see_tx_rebind(struct see_tx *tx, u32 layer, s32 fd)
{
	struct super_block *sb = tx->layer[layer].root.mnt->mnt_sb;
	struct file *file = fget_raw(fd);
	int err = -EINVAL;

	if (!file)
		return -EBADF;
	if (d_is_dir(file->f_path.dentry) &&
	    file->f_path.mnt->mnt_sb == see_layer(sb)->priv.mnt->mnt_sb)
		err = see_rebind(sb, &file->f_path);
	fput(file);
	return err;
}

/* the trees are not what they were: see struct see_commit_end */
static int see_tx_renew(struct see_tx *tx, struct see_env *env, u32 flags,
			const s32 *trees)
{
	int err = 0;
	u32 i;

	/* all is as it was: what the host dropped meanwhile waits to be completed */
	if (!(flags & SEE_END_COMMITTED) && !(tx->flags & SEE_START_REVERT))
		return 0;
	/* a revert changed the private tree itself, and nobody uses it */
	if (!see_tx_alone(tx) && !(tx->flags & SEE_START_REVERT)) {
		for (i = 0; flags & SEE_END_COMMITTED && !err && i < tx->nlayers; i++)
			if (tx->layer[i].closed)
				err = see_tx_rebind(tx, i, trees[i]);
		if (!err)
			return 0;
	}
	see_tx_unload(tx, env, flags & SEE_END_COMMITTED);
	return err;
}

/**
 * see_dev_commit_end - SEE_IOC_COMMIT_END
 * @file: the daemon's descriptor
 * @arg: struct see_commit_end
 */
int see_dev_commit_end(struct file *file, void *arg)
{
	struct see_commit_end *e = arg;
	s32 trees[SEE_LAYERS_MAX];
	struct see_env *env;
	struct see_tx *tx;

	if (!e->see || (e->flags & ~(SEE_END_RELOAD | SEE_END_COMMITTED)) ||
	    e->reserved || e->lost || e->ntrees > SEE_LAYERS_MAX)
		return -EINVAL;
	memset(trees, -1, sizeof(trees));
	if (copy_from_user(trees, u64_to_user_ptr(e->trees), e->ntrees * sizeof(*trees)))
		return -EFAULT;
	env = see_env_find(e->see, "");
	if (!env)
		return -ENOENT;
	mutex_lock(&env->txlock);
	tx = see_take_tx(env);
	if (tx)
		see_tx_settle(tx);
	if (tx && e->flags)
		e->lost = -see_tx_renew(tx, env, e->flags, trees);
	mutex_unlock(&env->txlock);
	see_env_put(env);
	if (!tx)
		return -ENOENT;
	see_tx_free(tx);
	return 0;
}

/**
 * see_env_drop_tx - give up a commit of which nothing was applied
 * @env: the SEE
 * @all: or any other: the module goes
 *
 * It is not settled: a journal may need what was prepared.
 */
void see_env_drop_tx(struct see_env *env, bool all)
{
	struct see_tx *tx = NULL;

	mutex_lock(&env->txlock);
	if (env->tx && (all || !env->tx->started))
		tx = see_take_tx(env);
	mutex_unlock(&env->txlock);
	see_tx_free(tx);
}
