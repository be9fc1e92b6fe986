/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fault.h - named points at which a test can interrupt the process, and guards
 *
 * Only in seed-faults, see-recover-faults and seectl-faults, by the environment:
 *
 *	SEE_FAULT=NAME[:NUMBER][=ERRNO|=stop],...
 *	SEE_GUARD_OFF=NAME
 *
 * At a point NAME, for the NUMBERth thing (any, without one), the process kills
 * itself with SIGKILL, goes on with that error, or stops until SIGCONT.  Without a guard
 * it leaves something out that some test must miss (selftests/teeth).
 */
#ifndef SEED_FAULT_H
#define SEED_FAULT_H

#include <stdbool.h>

#ifdef SEE_FAULTS
/* 0 or the negative errno that was asked for */
int fault(const char *name, unsigned long number);
/* is it to be done? */
bool guard(const char *name);
#else
static inline int fault(const char *name, unsigned long number)
{
	(void)name;
	(void)number;
	return 0;
}

static inline bool guard(const char *name)
{
	(void)name;
	return true;
}
#endif

/* the names, one a line; says if there are none */
void fault_list(void);

#endif
