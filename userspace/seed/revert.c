// SPDX-License-Identifier: GPL-2.0
/*
 * revert.c - changes are taken back in a SEE; the host is not concerned
 *
 * Each change is dropped from the private tree by itself, so that being killed
 * between two of them leaves one dropped and the other not.
 */
#define _GNU_SOURCE
#include "busy.h"
#include "commit.h"
#include "fault.h"
#include "paths.h"

static int start(int dev, const struct see_request *req, const struct meta *m, struct note *note)
{
	int none[SEE_LAYERS_MAX], err;
	struct see_commit_start s = {
		.see = m->id, .request = req->id, .undo = (uintptr_t)none, .nundo = m->nlayers,
		.flags = SEE_START_REVERT, .criterion = SEE_CRITERION_WRITES,
	};

	memset(none, -1, sizeof(none));
	err = see_commit_start(dev, &s);
	if (err == -EBUSY)
		return note_fail(note, EBUSY,
				 "the SEE is in use: by its processes, a mount of it, or somebody who has it open");
	return err ? note_fail(note, -err, "the kernel does not begin: %s", strerror(-err)) : 0;
}

static int read_paths(const struct see_request *req, struct paths *paths, struct note *note)
{
	int err = req->nfds == 1 ? paths_read(paths, req->fd[0]) : -EINVAL;

	switch (err) {
	case 0:
		return 0;
	case -E2BIG:
		return note_fail(note, E2BIG, "too many paths at once");
	case -EBADF:
		return note_fail(note, EINVAL, "the list of paths is not in a memfd");
	}
	return note_fail(note, -err, "the list of paths cannot be used: %s", strerror(-err));
}

/* which steps; fails if there is none for one of the paths */
static int choose(const struct plan *p, struct paths *paths, bool *chosen, struct note *note)
{
	for (size_t i = 0; i < p->nsteps; i++)
		chosen[i] = paths_match(paths, p->step[i].see->layer,
					step_text(&p->step[i], SEE_TEXT_PATH));
	for (size_t i = 0; i < paths->n; i++)
		if (!paths->path[i].found)
			return note_fail(note, ENOENT,
					 "nothing is changed at /%.150s; in a new directory, only all of it can be taken back",
					 paths->path[i].path);
	return 0;
}

static int drop(int dev, const struct plan *p, const bool *chosen, uint64_t *count,
		struct note *note)
{
	for (size_t i = p->nsteps; i--;) {
		int err;

		if (!chosen[i])
			continue;
		err = see_commit_step(dev, p->see, (unsigned int)i, SEE_ACTION_DROP, NULL);
		if (err)
			return note_fail(note, -err, "/%.150s cannot be taken back: %s",
					 step_text(&p->step[i], SEE_TEXT_PATH), strerror(-err));
		++*count;
		err = fault("revert.after-step", i);
		if (err)
			return err;
	}
	return 0;
}

static int revert(int dev, const struct meta *m, struct paths *paths, uint64_t *count,
		  struct note *note)
{
	_cleanup_(plan_free) struct plan p = {};
	_cleanup_free_ bool *chosen = NULL;
	int err = plan_read(&p, dev, m->id);

	if (err)
		return note_fail(note, -err, "the list of changes cannot be read: %s", strerror(-err));
	chosen = calloc(p.nsteps + 1, sizeof(*chosen));
	if (!chosen)
		return note_fail(note, ENOMEM, "out of memory");
	err = choose(&p, paths, chosen, note);
	return err ? err : drop(dev, &p, chosen, count, note);
}

int revert_run(int dev, const struct see_request *req, const struct meta *m,
	       struct see_reply *reply, struct note *note)
{
	_cleanup_(paths_free) struct paths paths = {};
	struct see_commit_end end = { .see = m->id };
	uint64_t count = 0;
	int err = read_paths(req, &paths, note);

	if (!err)
		err = start(dev, req, m, note);
	if (err)
		return err;
	err = revert(dev, m, &paths, &count, note);
	end.flags = count || (err && err != -ENOENT) ? SEE_END_RELOAD : 0;
	(void)see_commit_end(dev, &end);
	reply->see = count;
	return err;
}
