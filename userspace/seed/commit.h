/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEED_COMMIT_H
#define SEED_COMMIT_H

#include "report.h"
#include "seed.h"

/*
 * Make the changes of a SEE on the host, as a request wants it, or find out what is
 * in the way.  @dir: the SEE's directory, locked; @state: the state directory.  Fills
 * in outcome and report of @reply.
 */
int commit_run(int dev, const struct see_request *req, const struct meta *m, int dir, int state,
	       struct see_reply *reply, struct note *note);

/* take changes back in a SEE: those at and below the paths in the request's file */
int revert_run(int dev, const struct see_request *req, const struct meta *m,
	       struct see_reply *reply, struct note *note);

#endif
