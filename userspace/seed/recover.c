// SPDX-License-Identifier: GPL-2.0
/* recover.c - taking back and finishing commits: the order of what is done */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>

#include "fault.h"
#include "recover.h"
#include "seed.h"

/* ---- life ---- */

void recover_begin(struct recovery *r, uint64_t see, int dir, int state, int dev)
{
	memset(r, 0, sizeof(*r));
	memset(r->part, -1, sizeof(r->part));
	r->see = see;
	r->dir = dir;
	r->dev = dev;
	r->keep = (struct keeper) { .state = state, .see = see };
}

static void close_parts(struct recovery *r)
{
	for (unsigned int i = 0; i < SEE_LAYERS_MAX; i++)
		close_fd(&r->part[i]);
}

void recover_end(struct recovery *r)
{
	close_parts(r);
	plan_free(&r->plan);
	free(r->lost);
	r->lost = NULL;
}

int recover_open(struct recovery *r)
{
	close_parts(r);
	r->keep.time = r->plan.time;
	for (unsigned int i = 0; i < r->plan.nlayers; i++) {
		const struct plan_layer *l = &r->plan.layer[i];

		r->part[i] = store_open_part(l->base, l->part);
		if (r->part[i] < 0) {
			say("SEE %ju: %s/%s, where what is needed for %s lies, cannot be opened: %s; mount its file system",
			    (uintmax_t)r->see, l->base, l->part, l->path, strerror(-r->part[i]));
			return r->part[i];
		}
	}
	return 0;
}

int recover_sync(struct recovery *r)
{
	for (unsigned int i = 0; i < r->plan.nlayers; i++)
		if (syncfs(r->part[i]) < 0)
			return -errno;
	return 0;
}

/* ---- back ---- */

static int module_take_back(struct recovery *r, const struct plan_step *s, unsigned int *conflict)
{
	int err = see_commit_step(r->dev, r->see, s->see->step, SEE_ACTION_TAKE_BACK, conflict);

	switch (err) {
	case -EUCLEAN:
		/* neither way worked in the module: what it left is told block by block */
		return recover_by_host.take_back(r, s, conflict);
	case -ENOENT:
	case -EEXIST:
	case -ENOTDIR:
	case -ENOTEMPTY:
		/* a directory that the host removed, or something in the place of another */
		*conflict = err == -ENOENT ? SEE_CONFLICT_GONE : SEE_CONFLICT_NAME;
		return -ESTALE;
	}
	return err;
}

const struct recover_ops recover_by_module = { .take_back = module_take_back };

/* the host's stays; what was there before the commit must not be lost */
static int leave_torn(struct recovery *r, const struct plan_step *s, unsigned int conflict)
{
	int err = host_keep_old(r, s, "torn");

	if (err)
		return err;
	r->torn++;
	r->lost[s->see->step] = true;
	if (r->tell)
		r->tell(s, conflict, r->data);
	return 0;
}

int recover_take_back(struct recovery *r, const struct recover_ops *ops)
{
	free(r->lost);
	r->lost = calloc(r->plan.nsteps + 1, sizeof(*r->lost));
	if (!r->lost)
		return -ENOMEM;
	for (size_t n = r->plan.nsteps; n--;) {
		size_t i = guard("recover.reverse") ? n : r->plan.nsteps - 1 - n;
		const struct plan_step *s = &r->plan.step[i];
		unsigned int conflict = 0;
		int err = fault("recover.step", i);

		if (!err)
			err = ops->take_back(r, s, &conflict);
		if (err == -ESTALE)
			err = leave_torn(r, s, conflict);
		if (!err)
			err = fault("recover.after-step", i);
		if (err) {
			say("SEE %ju: /%s cannot be taken back: %s", (uintmax_t)r->see,
			    step_text(s, SEE_TEXT_PATH), strerror(-err));
			return err;
		}
	}
	if (ops->finish) {
		int err = ops->finish(r);

		if (err)
			return err;
	}
	return guard("sync.back") ? recover_sync(r) : 0;
}

/* ---- cleaning up ---- */

int recover_drop_undo(struct recovery *r)
{
	int ret = 0;

	for (unsigned int i = 0; i < r->plan.nlayers; i++) {
		const struct plan_layer *l = &r->plan.layer[i];
		char name[32];
		int err;

		store_undo_name(l->index, name);
		err = store_discard_entry(l->base, l->part, name);
		if (err)
			ret = err;
	}
	return ret;
}

static int keep_displaced(struct recovery *r)
{
	for (size_t i = 0; i < r->plan.nsteps; i++) {
		const struct plan_step *s = &r->plan.step[i];
		int err = 0;

		if (s->see->conflict)
			err = fault("cleanup.keep", i);
		if (!err && s->see->conflict)
			err = host_keep_old(r, s, "displaced");
		if (err)
			return err;
	}
	return 0;
}

/*
 * Which of both trees is there is not known after an interruption.  The new one is
 * replaced, too, then: until journal_renewed() nobody changes anything in it.  In the
 * old one the SEE reads until it is rebound: it is thrown away with the pre-images.
 */
static int renew_trees(struct recovery *r, int *trees)
{
	for (unsigned int i = 0; i < r->plan.nlayers; i++) {
		const struct plan_layer *l = &r->plan.layer[i];
		int err = fault("cleanup.tree", l->index);

		if (!err)
			err = store_set_aside(l->base, l->part, l->index);
		if (!err)
			err = fault("cleanup.between", l->index);
		if (!err)
			err = trees[l->index] = store_new_tree(l->base, l->part, l->index);
		if (err < 0)
			return err;
	}
	return 0;
}

/* those that renew_trees() made */
static int open_trees(struct recovery *r, int *trees)
{
	for (unsigned int i = 0; i < r->plan.nlayers; i++) {
		const struct plan_layer *l = &r->plan.layer[i];
		char name[16];

		store_tree_name(l->index, name);
		trees[l->index] = openat(r->part[i], name,
					 O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (trees[l->index] < 0) {
			say("SEE %ju: its private tree %s/%s/%s cannot be opened: %s",
			    (uintmax_t)r->see, l->base, l->part, name, strerror(errno));
			return -errno;
		}
	}
	return 0;
}

static void close_trees(int *trees)
{
	for (unsigned int i = 0; i < SEE_LAYERS_MAX; i++)
		close_fd(&trees[i]);
}

static int end_in_module(struct recovery *r, unsigned int flags, const int *trees)
{
	struct see_commit_end end = {
		.see = r->see, .flags = flags, .trees = (uintptr_t)trees,
		.ntrees = trees ? SEE_LAYERS_MAX : 0,
	};
	int err = r->dev < 0 ? -ENOENT : see_commit_end(r->dev, &end);

	r->eio = end.lost;
	if (end.lost)
		say("SEE %ju: it cannot go on in what was committed: %s; who uses it gets EIO",
		    (uintmax_t)r->see, strerror((int)end.lost));
	return err == -ENOENT ? 0 : err;
}

int recover_end_in_module(struct recovery *r, unsigned int flags)
{
	return end_in_module(r, flags, NULL);
}

/*
 * Files that have other names, at once: when a name goes later, their change time
 * moves, and what the SEE has done to them by then is in conflict.
 */
static int drop_displaced(struct recovery *r)
{
	for (size_t i = 0; i < r->plan.nsteps; i++) {
		int err = fault("cleanup.link", i);

		if (err)
			return err;
		host_drop_link(r, &r->plan.step[i]);
	}
	return 0;
}

static int renew(struct recovery *r, int *trees)
{
	int err = keep_displaced(r);

	if (!err)
		err = drop_displaced(r);
	if (!err)
		err = renew_trees(r, trees);
	if (!err)
		err = fault("cleanup.renewed", 0);
	/* before anybody changes anything there: what he does must not be thrown away */
	if (!err)
		err = journal_renewed(r->dir);
	return err ? err : fault("cleanup.before-end", 0);
}

/*
 * The SEE goes on in @trees; if there was an @err in none: nobody may go on in one
 * that was committed, or that will be replaced.
 */
static int go_on(struct recovery *r, int *trees, int err)
{
	int bad;

	if (err)
		close_trees(trees);
	bad = end_in_module(r, SEE_END_COMMITTED, trees);
	close_trees(trees);
	if (!err)
		err = bad;
	if (!err)
		err = fault("cleanup.after-end", 0);
	if (!err)
		err = fault("cleanup.undo", 0);
	if (!err)
		err = recover_drop_undo(r);
	if (!err)
		err = fault("cleanup.before-remove", 0);
	if (!err)
		err = journal_remove(r->dir);
	return err ? err : fault("cleanup.after-remove", 0);
}

int recover_clean(struct recovery *r)
{
	int trees[SEE_LAYERS_MAX];

	memset(trees, -1, sizeof(trees));
	return go_on(r, trees, renew(r, trees));
}

/* ---- what an interruption left ---- */

/* what the module knows of the commit */
enum known {
	KNOWS_NOT,	/* it was loaded since, or the commit has ended */
	DID_NOTHING,	/* it was given up before a step was applied */
	HAS_IT,
};

static int ask_module(struct recovery *r, enum known *known)
{
	_cleanup_(plan_free) struct plan p = {};
	int err = r->dev < 0 ? -ENOENT : plan_read(&p, r->dev, r->see);

	*known = !err ? HAS_IT : err == -ECANCELED ? DID_NOTHING : KNOWS_NOT;
	if (err)
		return err == -ENOENT || err == -ECANCELED ? 0 : err;
	if (r->plan.nsteps && p.nsteps != r->plan.nsteps) {
		say("SEE %ju: its journal is not that of the commit which the kernel has",
		    (uintmax_t)r->see);
		return -EUCLEAN;
	}
	return 0;
}

static int finish_marked(struct recovery *r)
{
	enum known known;
	int err = ask_module(r, &known);

	if (!err)
		err = recover_open(r);
	if (!err)
		err = recover_clean(r);
	if (!err)
		say("SEE %ju: its commit was complete; cleaned up", (uintmax_t)r->see);
	return err;
}

/* the SEE may have changed its new trees by now */
static int finish_renewed(struct recovery *r)
{
	int trees[SEE_LAYERS_MAX];
	enum known known;
	int err = ask_module(r, &known);

	memset(trees, -1, sizeof(trees));
	if (!err)
		err = recover_open(r);
	if (err)
		return err;
	err = go_on(r, trees, known == HAS_IT ? open_trees(r, trees) : 0);
	if (!err)
		say("SEE %ju: its commit was complete; cleaned up", (uintmax_t)r->see);
	return err;
}

/* the host and whoever writes to it went on meanwhile: nothing is touched */
static int drop_unapplied(struct recovery *r)
{
	int err = journal_remove(r->dir);

	if (err)
		return err;
	say("SEE %ju: its commit was interrupted before it did anything", (uintmax_t)r->see);
	(void)recover_drop_undo(r);
	return 0;
}

static int take_back_unmarked(struct recovery *r)
{
	enum known known;
	int err = ask_module(r, &known);

	if (!err && known == DID_NOTHING)
		return drop_unapplied(r);
	if (!err)
		err = recover_open(r);
	if (!err)
		err = recover_take_back(r, known == HAS_IT ? &recover_by_module : &recover_by_host);
	if (!err)
		err = fault("recover.before-remove", 0);
	if (!err)
		err = journal_remove(r->dir);
	if (!err)
		err = fault("recover.after-remove", 0);
	if (!err && known == HAS_IT)
		err = recover_end_in_module(r, SEE_END_RELOAD);
	if (err)
		return err;
	say("SEE %ju: its commit was interrupted; taken back%s", (uintmax_t)r->see,
	    r->torn ? " but for what is in " STATE_DIR "/" KEPT_NAME : "");
	/* the versions that the module recorded anew; without them they are conflicts */
	if (known == HAS_IT)
		(void)recover_sync(r);
	/* what is left of it does no harm, and goes at the next start */
	(void)recover_drop_undo(r);
	return 0;
}

/* a commit that did nothing yet */
static int drop_unjournaled(struct recovery *r, const struct meta *m)
{
	enum known known;
	int err = ask_module(r, &known);

	if (!err && known == HAS_IT)
		err = recover_end_in_module(r, SEE_END_RELOAD);
	if (!err)
		err = journal_remove(r->dir);
	/* its file system may not be there now: what is left does no harm */
	if (!err && m && !store_plan_layers(m, &r->plan))
		(void)recover_drop_undo(r);
	return err ? err : -ENOENT;
}

static int journal_trouble(const struct recovery *r, const char *name, int err)
{
	say("SEE %ju: " STATE_DIR "/%ju/%s %s; see Documentation/journal.rst before you remove it",
	    (uintmax_t)r->see, (uintmax_t)r->see, name,
	    err == -EBADMSG ? "is damaged" : err == -EOPNOTSUPP ?
	    "is of a newer version: install that again" : strerror(-err));
	return err == -EBADMSG ? -EUCLEAN : err;
}

/* -ENOENT is that there was nothing to recover */
static int of_a_commit(int err)
{
	return err == -ENOENT ? -ENODEV : err;
}

int recover_see(struct recovery *r, const struct meta *m)
{
	static const struct {
		const char *name;
		int (*finish)(struct recovery *r);
		int incomplete;		/* what it is if it is not whole */
	} states[] = {
		{ JOURNAL_RENEWED, finish_renewed, -EBADMSG },
		{ JOURNAL_MARK, finish_marked, -EBADMSG },
		/* one that was not complete was not acted upon */
		{ JOURNAL_NAME, take_back_unmarked, -ENOENT },
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		int err = journal_read(r->dir, states[i].name, &r->plan);

		if (!err)
			return r->plan.see == r->see ? of_a_commit(states[i].finish(r)) :
				journal_trouble(r, states[i].name, -EBADMSG);
		plan_free(&r->plan);
		if (err == -ENODATA)
			err = states[i].incomplete;
		if (err != -ENOENT)
			return journal_trouble(r, states[i].name, err);
	}
	return drop_unjournaled(r, m);
}
