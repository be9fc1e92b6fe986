// SPDX-License-Identifier: GPL-2.0
/*
 * commit.c - the sequence of a commit
 *
 * Documentation/commit.rst says what is on disk at each moment.  Being killed
 * anywhere here is a normal end: recover.c goes on from what is on disk and in the
 * module.  The SEE's directory is locked all along.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <time.h>

#include "busy.h"
#include "commit.h"
#include "fault.h"

/**
 * struct commit - a commit in work
 * @m: the SEE
 * @request: see_request.id
 * @criterion: SEE_CRITERION_*
 * @r: plan, directories, and how to take it back
 * @undo: undo-INDEX of each layer, -1 for those that are not writable
 * @report: what is in the way
 * @note: for the client
 * @outcome: SEE_OUTCOME_*
 */
struct commit {
	const struct meta *m;
	uint64_t request;
	unsigned int criterion;
	struct recovery r;
	int undo[SEE_LAYERS_MAX];
	struct report report;
	struct note *note;
	unsigned int outcome;
};

static void commit_free(struct commit *c)
{
	for (unsigned int i = 0; i < SEE_LAYERS_MAX; i++)
		close_fd(&c->undo[i]);
	recover_end(&c->r);
	report_free(&c->report);
}

static int add_problem(struct commit *c, const struct plan_step *s, unsigned int why,
		       unsigned int conflict, int error)
{
	struct see_problem p = {
		.why = why, .layer = s->see->layer, .conflict = conflict,
		.error = (__u32)error,
	};

	return report_add(&c->report, &p, step_text(s, SEE_TEXT_PATH));
}

/* of a step that failed: what it is for who reads the report */
static int add_failure(struct commit *c, const struct plan_step *s, unsigned int conflict, int err)
{
	switch (err) {
	case -ESTALE:
		return add_problem(c, s, SEE_PROBLEM_CONFLICT, conflict, 0);
	case -EBUSY:
	case -ETXTBSY:
		return add_problem(c, s, SEE_PROBLEM_BUSY, 0, -err);
	case -EPERM:
	case -EACCES:
	case -EROFS:
		return add_problem(c, s, SEE_PROBLEM_DENIED, 0, -err);
	}
	return add_problem(c, s, SEE_PROBLEM_FAILED, 0, -err);
}

/* ---- before anything is done ---- */

static int make_undo(struct commit *c)
{
	for (unsigned int i = 0; i < c->r.plan.nlayers; i++) {
		const struct plan_layer *l = &c->r.plan.layer[i];

		c->undo[l->index] = store_make_undo(l);
		if (c->undo[l->index] < 0)
			return note_fail(c->note, -c->undo[l->index],
					 "no room for pre-images in %.100s/%.40s: %s", l->base, l->part,
					 strerror(-c->undo[l->index]));
	}
	return 0;
}

static int busy(struct commit *c)
{
	(void)busy_processes(c->r.see, &c->report);
	return note_fail(c->note, EBUSY,
			 "somebody in the SEE does not come to an end with what it changes, or another commit runs%s",
			 c->report.total ? "; these are its processes" : "");
}

static int start(struct commit *c, unsigned int flags)
{
	struct see_commit_start s = {
		.see = c->r.see, .request = c->request, .undo = (uintptr_t)c->undo,
		.nundo = c->m->nlayers, .flags = flags, .criterion = c->criterion,
	};
	int err = see_commit_start(c->r.dev, &s);

	if (!err)
		return 0;
	if (err == -EBUSY)
		return busy(c);
	if (err == -EINVAL)
		return note_fail(c->note, EINVAL,
				 "the directories given are not those of the layers with changes");
	return note_fail(c->note, -err, "the kernel does not begin: %s", strerror(-err));
}

static int read_plan(struct commit *c)
{
	int err = plan_read(&c->r.plan, c->r.dev, c->r.see);

	return err ? note_fail(c->note, -err, "the list of steps cannot be read: %s",
			       strerror(-err)) : 0;
}

/* a conflict that refuses; who forces wants none of them, if there is a meaning to it */
static bool refuses(const struct commit *c, const struct see_step *s)
{
	const unsigned int mixed = SEE_STEP_DATA | SEE_STEP_PARTLY;

	if (!s->conflict || c->criterion != SEE_CRITERION_FORCE)
		return s->conflict && guard("refuse.conflict");
	return guard("refuse.mixed") && s->kind == SEE_STEP_MODIFY && (s->flags & mixed) == mixed &&
	       s->conflict & SEE_CONFLICT_CHANGED;
}

/* may it be done? the report says why not */
static int judge(struct commit *c)
{
	bool busy = false;
	int err;

	for (size_t i = 0; i < c->r.plan.nsteps; i++)
		busy |= c->r.plan.step[i].see->busy;
	/* it is refused: those that are looked for must not have to wait for its end */
	if (busy)
		(void)recover_end_in_module(&c->r, 0);
	err = busy_steps(&c->r, &c->report);
	for (size_t i = 0; !err && i < c->r.plan.nsteps; i++) {
		const struct plan_step *s = &c->r.plan.step[i];

		if (s->see->denied)
			err = add_problem(c, s, SEE_PROBLEM_DENIED, 0, (int)s->see->denied);
		if (!err && refuses(c, s->see))
			err = add_problem(c, s, SEE_PROBLEM_CONFLICT, s->see->conflict, 0);
	}
	return err ? note_fail(c->note, -err, "the report cannot be made: %s", strerror(-err)) : 0;
}

/* the pre-images and all that is installed, durably */
static int prepare(struct commit *c)
{
	for (size_t i = 0; i < c->r.plan.nsteps; i++) {
		unsigned int conflict = 0;
		int err = fault("commit.prepare", i);

		if (!err)
			err = see_commit_step(c->r.dev, c->r.see, (unsigned int)i,
					      SEE_ACTION_PREPARE, &conflict);
		if (err)
			return add_failure(c, &c->r.plan.step[i], conflict, err);
	}
	for (unsigned int i = 0; i < SEE_LAYERS_MAX; i++)
		if (c->undo[i] >= 0 && guard("sync.undo") && syncfs(c->undo[i]) < 0)
			return note_fail(c->note, errno, "the pre-images cannot be written: %s",
					 strerror(errno));
	return fault("commit.after-prepare", 0);
}

static int write_journal(struct commit *c)
{
	const char *why;
	int err = plan_check(&c->r.plan, &why);

	if (err)
		return note_fail(c->note, EPROTO, "the kernel's list has %s", why);
	c->r.plan.time = (uint64_t)time(NULL);
	c->r.plan.criterion = c->criterion;
	c->r.keep.time = c->r.plan.time;
	err = journal_write(c->r.dir, &c->r.plan);
	if (err == -EFBIG)
		return note_fail(c->note, EFBIG, "too many changes for one journal");
	if (err)
		return note_fail(c->note, -err, "the journal cannot be written: %s", strerror(-err));
	return fault("commit.after-journal", 0);
}

/* ---- doing it ---- */

/* up to the first step that fails, which the report then has */
static int apply(struct commit *c)
{
	for (size_t i = 0; i < c->r.plan.nsteps; i++) {
		unsigned int conflict = 0;
		int err = fault("commit.step", i);

		if (!err)
			err = see_commit_step(c->r.dev, c->r.see, (unsigned int)i,
					      SEE_ACTION_APPLY, &conflict);
		if (err) {
			(void)add_failure(c, &c->r.plan.step[i], conflict, err);
			return err;
		}
		err = fault("commit.after-step", i);
		if (err)
			return err;
	}
	return 0;
}

static int sync_all(struct commit *c)
{
	int err = fault("commit.sync", 0);

	if (!err && guard("sync.changes"))
		err = recover_sync(&c->r);
	if (!err)
		err = fault("commit.before-mark", 0);
	if (err)
		note_fail(c->note, -err, "the changes cannot be written out: %s", strerror(-err));
	return err;
}

static int mark(struct commit *c)
{
	int err = journal_mark(c->r.dir);

	if (err && err != -EINPROGRESS)
		note_fail(c->note, -err, "the commit cannot be marked as complete: %s", strerror(-err));
	return err;
}

static void tell_torn(const struct plan_step *s, unsigned int conflict, void *data)
{
	(void)add_problem(data, s, SEE_PROBLEM_TORN, conflict, 0);
}

/* @err: why; the outcome is REFUSED or TORN, or nobody knows yet */
static int take_back(struct commit *c, int err)
{
	struct see_problem p = { .why = SEE_PROBLEM_FAILED, .error = (__u32)-err };
	int bad;

	/* no step's fault */
	if (!c->report.total)
		(void)report_add(&c->report, &p, "");
	c->r.tell = tell_torn;
	c->r.data = c;
	bad = recover_take_back(&c->r, &recover_by_module);
	if (!bad)
		bad = fault("recover.before-remove", 0);
	if (!bad)
		bad = journal_remove(c->r.dir);
	if (bad)
		return note_fail(c->note, EOWNERDEAD,
				 "it failed (%s) and cannot be taken back now: %s; the SEE stays closed until "
				 "seed is started again",
				 strerror(-err), strerror(-bad));
	(void)recover_end_in_module(&c->r, SEE_END_RELOAD);
	/* the versions that the module recorded anew; without them they are conflicts */
	(void)recover_sync(&c->r);
	(void)recover_drop_undo(&c->r);
	c->outcome = c->r.torn ? SEE_OUTCOME_TORN : SEE_OUTCOME_REFUSED;
	if (c->r.torn)
		note_fail(c->note, 0, "the host changed %u of what had been committed meanwhile; what "
			  "was there before is in " STATE_DIR "/" KEPT_NAME "/%ju", c->r.torn, (uintmax_t)c->r.see);
	return 0;
}

/* nothing can stop it any more */
static int finish(struct commit *c)
{
	int err;

	c->outcome = SEE_OUTCOME_DONE;
	err = fault("commit.after-mark", 0);
	if (!err)
		err = recover_clean(&c->r);
	if (err) {
		say("SEE %ju: after its commit: %s; tried again when it is used",
		    (uintmax_t)c->r.see, strerror(-err));
		note_fail(c->note, 0, "committed, but not cleaned up: %s", strerror(-err));
	} else if (c->r.eio) {
		note_fail(c->note, 0, "committed, but those in the SEE get I/O errors: %s",
			  c->r.eio == EBUSY ? "somebody would not stop to look" : strerror((int)c->r.eio));
	} else if (c->r.keep.count) {
		note_fail(c->note, 0, "%u displaced though the host had changed them: see "
			  STATE_DIR "/" KEPT_NAME "/%ju/list", c->r.keep.count, (uintmax_t)c->r.see);
	}
	return 0;
}

static int carry_out(struct commit *c)
{
	int err = apply(c);

	if (!err)
		err = sync_all(c);
	if (!err)
		err = mark(c);
	if (err == -EINPROGRESS)
		return note_fail(c->note, EOWNERDEAD,
				 "nobody knows whether the commit is on disk; the SEE stays closed until seed "
				 "is started again, which finishes it or takes it back");
	return err ? take_back(c, err) : finish(c);
}

/* ---- all of it ---- */

/* nothing was done: as before */
static int give_up(struct commit *c, int err)
{
	int bad = journal_remove(c->r.dir);

	(void)recover_end_in_module(&c->r, 0);
	/* a journal that is still there speaks of what lies in it */
	if (!bad)
		(void)recover_drop_undo(&c->r);
	c->outcome = SEE_OUTCOME_REFUSED;
	return err;
}

static int begin(struct commit *c)
{
	int err = store_plan_layers(c->m, &c->r.plan);

	if (err)
		return note_fail(c->note, -err, "out of memory");
	err = recover_open(&c->r);
	if (err)
		return note_fail(c->note, -err, "a store of the SEE cannot be opened: %s",
				 strerror(-err));
	return 0;
}

static int check(struct commit *c)
{
	int err;

	/* nothing is made there: any directory of the file system does */
	for (unsigned int i = 0; i < c->r.plan.nlayers; i++) {
		int fd = fcntl(c->r.part[i], F_DUPFD_CLOEXEC, 0);

		if (fd < 0)
			return note_fail(c->note, errno, "no descriptor is left");
		c->undo[c->r.plan.layer[i].index] = fd;
	}
	err = start(c, SEE_START_CHECK);
	if (err)
		return err;
	err = read_plan(c);
	if (!err)
		err = judge(c);
	(void)recover_end_in_module(&c->r, 0);
	c->outcome = c->report.total ? SEE_OUTCOME_REFUSED : SEE_OUTCOME_DONE;
	return err;
}

static int ready(struct commit *c)
{
	int err = fault("commit.after-start", 0);

	if (!err)
		err = read_plan(c);
	if (!err)
		err = judge(c);
	if (err || c->report.total || !c->r.plan.nsteps)
		return err;
	err = prepare(c);
	if (err || c->report.total)
		return err;
	/* the keys are complete now, and it may look different */
	err = read_plan(c);
	if (!err)
		err = judge(c);
	return err || c->report.total ? err : write_journal(c);
}

static int commit(struct commit *c)
{
	int err = make_undo(c);

	if (!err)
		err = start(c, 0);
	if (err) {
		(void)recover_drop_undo(&c->r);
		return err;
	}
	err = ready(c);
	if (err || c->report.total)
		return give_up(c, err);
	if (!c->r.plan.nsteps) {
		give_up(c, 0);
		c->outcome = SEE_OUTCOME_DONE;
		return 0;
	}
	return carry_out(c);
}

static int check_request(const struct see_request *req, struct note *note)
{
	if (req->layer == SEE_CRITERION_SERIALIZABLE)
		return note_fail(note, EOPNOTSUPP,
				 "what the SEE has read is not recorded yet, so that \"serializable\" cannot be "
				 "checked; choose \"writes\"");
	if (req->layer != SEE_CRITERION_WRITES && req->layer != SEE_CRITERION_FORCE)
		return note_fail(note, EINVAL, "there is no criterion %u", req->layer);
	if (req->flags[0] & ~(unsigned int)SEE_COMMIT_CHECK)
		return note_fail(note, EINVAL, "unknown flags");
	return 0;
}

int commit_run(int dev, const struct see_request *req, const struct meta *m, int dir, int state,
	       struct see_reply *reply, struct note *note)
{
	_cleanup_(commit_free) struct commit c = {
		.m = m, .request = req->id, .criterion = req->layer, .note = note,
	};
	int err;

	memset(c.undo, -1, sizeof(c.undo));
	report_init(&c.report);
	recover_begin(&c.r, m->id, dir, state, dev);
	err = check_request(req, note);
	if (!err)
		err = begin(&c);
	if (!err)
		err = req->flags[0] & SEE_COMMIT_CHECK ? check(&c) : commit(&c);
	if (!err && !note->text[0])
		report_summary(&c.report, note->text, sizeof(note->text));
	reply->see = c.outcome;
	if (!err || err == -EBUSY)
		reply->fd = report_take(&c.report);
	return err;
}
