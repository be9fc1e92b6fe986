// SPDX-License-Identifier: GPL-2.0
/* plan.c - the steps of a commit in memory, and whether they can be believed */
#define _GNU_SOURCE
#include <limits.h>

#include "handle.h"
#include "plan.h"
#include "util.h"

static void free_steps(struct plan *p)
{
	for (size_t i = 0; i < p->nsteps; i++) {
		free(p->step[i].see);
		free(p->step[i].extent);
	}
	free(p->step);
	p->step = NULL;
	p->nsteps = 0;
}

void plan_free(struct plan *p)
{
	free_steps(p);
	for (unsigned int i = 0; i < p->nlayers; i++) {
		free(p->layer[i].base);
		free(p->layer[i].part);
		free(p->layer[i].path);
	}
	p->nlayers = 0;
}

int plan_add_layer(struct plan *p, unsigned int index, const struct meta_layer *from,
		   const char *part)
{
	struct plan_layer *l;

	if (p->nlayers >= SEE_LAYERS_MAX)
		return -E2BIG;
	l = &p->layer[p->nlayers++];
	l->index = index;
	l->handle = from->handle;
	l->base = strdup(from->base);
	l->part = strdup(part);
	l->path = strdup(from->path);
	/* plan_free() has what there is */
	return l->base && l->part && l->path ? 0 : -ENOMEM;
}

/* room for one more in an array that doubles at each power of two */
static int grow(void *array, size_t n, size_t size)
{
	void *old, *more;

	if (n & (n - 1))
		return 0;
	memcpy(&old, array, sizeof(old));
	more = reallocarray(old, n ? 2 * n : 1, size);
	if (!more)
		return -ENOMEM;
	memcpy(array, &more, sizeof(more));
	return 0;
}

int plan_add_step(struct plan *p, const struct see_step *step)
{
	struct see_step *copy;

	if (step->step != p->nsteps || !see_step_valid(step))
		return -EBADMSG;
	if (grow(&p->step, p->nsteps, sizeof(*p->step)))
		return -ENOMEM;
	copy = malloc(step->rec.len);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, step, step->rec.len);
	p->step[p->nsteps++] = (struct plan_step) { .see = copy };
	return 0;
}

int plan_add_extent(struct plan *p, const struct see_extent *extent)
{
	struct plan_step *s;

	if (!p->nsteps || extent->step != p->nsteps - 1)
		return -EBADMSG;
	s = &p->step[p->nsteps - 1];
	if (grow(&s->extent, s->nextents, sizeof(*s->extent)))
		return -ENOMEM;
	s->extent[s->nextents++] = *extent;
	return 0;
}

static int on_step(const struct see_step *step, void *data)
{
	return plan_add_step(data, step);
}

static int on_extent(const struct see_extent *extent, void *data)
{
	return plan_add_extent(data, extent);
}

int plan_read(struct plan *p, int dev, uint64_t id)
{
	static const struct see_plan_fns fns = { .step = on_step, .extent = on_extent };

	free_steps(p);
	p->see = id;
	return see_commit_plan(dev, id, &fns, p);
}

const struct plan_layer *plan_layer(const struct plan *p, unsigned int index)
{
	for (unsigned int i = 0; i < p->nlayers; i++)
		if (p->layer[i].index == index)
			return &p->layer[i];
	return NULL;
}

/* ---- what can be believed ---- */

/* one component of a path */
static bool name_good(const char *name)
{
	size_t len = strlen(name);

	return len && len <= NAME_MAX && !strchr(name, '/') && strcmp(name, ".") &&
	       strcmp(name, "..");
}

static bool key_good(const char *key)
{
	struct handle h;

	return !key_parse(key, &h);
}

static bool names_good(const struct plan_step *s)
{
	return key_good(step_text(s, SEE_TEXT_SRC_DIR)) && name_good(step_text(s, SEE_TEXT_SRC)) &&
	       key_good(step_text(s, SEE_TEXT_DST_DIR)) && name_good(step_text(s, SEE_TEXT_DST)) &&
	       key_good(step_text(s, SEE_TEXT_SRC_KEY));
}

static bool extents_good(const struct plan_step *s)
{
	for (size_t i = 0; i < s->nextents; i++) {
		const struct see_extent *e = &s->extent[i];

		if (e->end <= e->start || e->end > INT64_MAX)
			return false;
		if (e->flags != SEE_EXTENT_DATA && e->flags != SEE_EXTENT_ZERO &&
		    e->flags != SEE_EXTENT_CUT)
			return false;
	}
	return s->see->old_size <= INT64_MAX && s->see->new_size <= INT64_MAX;
}

static const char *step_fault(const struct plan_step *s)
{
	bool good;

	switch (s->see->kind) {
	case 0:
		/* nothing is done: it tells of a conflict */
		return s->nextents ? "extents of nothing" : NULL;
	case SEE_STEP_RENAME:
		good = names_good(s);
		break;
	case SEE_STEP_EXCHANGE:
	case SEE_STEP_RMDIR:
		good = names_good(s) && key_good(step_text(s, SEE_TEXT_OLD_KEY));
		break;
	case SEE_STEP_MODIFY:
		good = key_good(step_text(s, SEE_TEXT_SRC_KEY)) &&
		       key_good(step_text(s, SEE_TEXT_OLD_KEY)) &&
		       key_good(step_text(s, SEE_TEXT_NEW_KEY));
		break;
	default:
		return "a step of an unknown kind";
	}
	if (!good)
		return "a step without its keys or names";
	return extents_good(s) ? NULL : "extents that cannot be";
}

int plan_check(const struct plan *p, const char **why)
{
	for (size_t i = 0; i < p->nsteps; i++) {
		*why = step_fault(&p->step[i]);
		if (!*why && !plan_layer(p, p->step[i].see->layer))
			*why = "a step on an unknown layer";
		if (*why)
			return -EINVAL;
	}
	*why = NULL;
	return 0;
}
