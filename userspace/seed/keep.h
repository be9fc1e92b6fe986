/* SPDX-License-Identifier: GPL-2.0 */
/*
 * keep.h - what a commit must not throw away: /var/lib/see/kept/ID
 *
 * Names there are TIME.STEP, of the commit's journal and its step, and with
 * ".found" behind it for what the host had where the old bytes were put back.
 * "list" has a line for each: name, why, path in the SEE (as \ooo what is not
 * printable).  Doing it twice does it once.
 */
#ifndef SEED_KEEP_H
#define SEED_KEEP_H

#include "plan.h"

/**
 * struct keeper - where to
 * @state: descriptor of the state directory
 * @see: id of the SEE
 * @time: of the commit
 * @count: what was kept so far
 */
struct keeper {
	int state;
	uint64_t see;
	uint64_t time;
	unsigned int count;
};

/* move entry @name of @dir there; @part: a directory of a store on its file system */
int keep_entry(struct keeper *k, const struct plan_step *s, int dir, const char *name, int part,
	       const char *why);
/* copy an object there; @suffix: "" or ".found"; what is there already stays */
int keep_object(struct keeper *k, const struct plan_step *s, int fd, const char *suffix,
		const char *why);

#endif
