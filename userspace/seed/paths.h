/* SPDX-License-Identifier: GPL-2.0 */
/*
 * paths.h - which changes a client means: lines "LAYER PATH", each ended by a NUL
 */
#ifndef SEED_PATHS_H
#define SEED_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#define PATHS_MAX	(1U << 20)	/* bytes of a list */

/**
 * struct wanted_path - a line
 * @layer: index of the layer
 * @path: relative to its root; empty for all of it
 * @found: something is changed at or below it
 */
struct wanted_path {
	unsigned int layer;
	const char *path;
	bool found;
};

/* as it came, and its lines, sorted out of it */
struct paths {
	char *text;
	struct wanted_path *path;
	size_t n;
};

/* -EINVAL: not such a list, or empty; paths_free() either way */
int paths_parse(struct paths *p, const char *text, size_t len);
/* from a memfd of a client's: -EBADF if it is anything else; -E2BIG */
int paths_read(struct paths *p, int fd);
void paths_free(struct paths *p);
/* is @path at or below one of them? says so in each */
bool paths_match(struct paths *p, unsigned int layer, const char *path);

#endif
