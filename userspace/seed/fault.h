/* SPDX-License-Identifier: GPL-2.0 */
/*
 * fault.h - named points at which a test can kill the process, or make it fail
 *
 * Only in seed-faults and see-recover-faults, by the environment:
 *
 *	SEE_FAULT=NAME[:NUMBER][=ERRNO]
 *
 * At the point NAME, for the NUMBERth thing (any, without one), the process kills
 * itself with SIGKILL, or goes on with that error.
 */
#ifndef SEED_FAULT_H
#define SEED_FAULT_H

#ifdef SEE_FAULTS
/* 0 or the negative errno that was asked for */
int fault(const char *name, unsigned long number);
#else
static inline int fault(const char *name, unsigned long number)
{
	(void)name;
	(void)number;
	return 0;
}
#endif

/* the names, one a line; says if there are none */
void fault_list(void);

#endif
