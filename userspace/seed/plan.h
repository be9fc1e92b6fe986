/* SPDX-License-Identifier: GPL-2.0 */
/*
 * plan.h - the steps of a commit in memory, from the module or from a journal
 */
#ifndef SEED_PLAN_H
#define SEED_PLAN_H

#include "libsee.h"
#include "meta.h"

/**
 * struct plan_layer - where to find a layer without its SEE's meta file
 * @index: of the layer
 * @handle: of the directory that it covers
 * @base: the store of its private tree
 * @part: the name of the SEE's part there: BASE/PART/INDEX
 * @path: what it covers
 */
struct plan_layer {
	unsigned int index;
	struct handle handle;
	char *base;
	char *part;
	char *path;
};

/**
 * struct plan_step - a step
 * @see: the record, whole (see_step_valid())
 * @extent: what MODIFY overwrites, in order
 * @nextents: number of @extent
 */
struct plan_step {
	struct see_step *see;
	struct see_extent *extent;
	size_t nextents;
};

/**
 * struct plan - a commit
 * @see: id of the SEE
 * @time: seconds since 1970, of the journal
 * @criterion: SEE_CRITERION_*
 * @layer: the writable layers
 * @nlayers: of @layer
 * @step: in order of application
 * @nsteps: of @step
 */
struct plan {
	uint64_t see;
	uint64_t time;
	unsigned int criterion;
	unsigned int nlayers;
	struct plan_layer layer[SEE_LAYERS_MAX];
	size_t nsteps;
	struct plan_step *step;
};

/* @part: name of the SEE's part of its store */
int plan_add_layer(struct plan *p, unsigned int index, const struct meta_layer *from,
		   const char *part);
int plan_add_step(struct plan *p, const struct see_step *step);
int plan_add_extent(struct plan *p, const struct see_extent *extent);
/* the steps that the module has; what was there before goes */
int plan_read(struct plan *p, int dev, uint64_t id);
/* -EINVAL with @why if the steps are not such as can be applied and taken back */
int plan_check(const struct plan *p, const char **why);
void plan_free(struct plan *p);
const struct plan_layer *plan_layer(const struct plan *p, unsigned int index);

static inline const char *step_text(const struct plan_step *s, unsigned int which)
{
	return see_step_text(s->see, which);
}

#endif
