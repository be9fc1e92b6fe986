/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEED_BUSY_H
#define SEED_BUSY_H

#include "recover.h"
#include "report.h"

/* the processes of a SEE */
int busy_processes(uint64_t see, struct report *report);
/* the steps that are busy, each with a process that writes to it if one is found */
int busy_steps(struct recovery *r, struct report *report);

#endif
