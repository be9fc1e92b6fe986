/* SPDX-License-Identifier: GPL-2.0 */
/*
 * report.h - why a commit did not happen: struct see_problem in a sealed memfd
 */
#ifndef SEED_REPORT_H
#define SEED_REPORT_H

#include <linux/see.h>
#include <stdint.h>

/**
 * struct report - problems so far
 * @fd: the memfd, or -1 if there are none
 * @n: of each kind, by SEE_PROBLEM_*
 * @total: of all
 * @seen: hashes of those that there are: a change may be several steps
 * @room: of @seen
 */
struct report {
	int fd;
	unsigned int n[SEE_PROBLEM_TORN + 1];
	unsigned int total;
	uint64_t *seen;
	size_t room;
};

void report_init(struct report *r);
/* @p: without path; said once if it is added again */
int report_add(struct report *r, const struct see_problem *p, const char *path);
/* the descriptor, sealed, to be closed by the caller; -1 if there is nothing to tell */
int report_take(struct report *r);
/* "2 conflicts, 1 not permitted" */
void report_summary(const struct report *r, char *text, size_t size);
void report_free(struct report *r);

#endif
