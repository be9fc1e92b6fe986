/* SPDX-License-Identifier: GPL-2.0 */
/* tap.h - the little that unit tests need: PLAN at the end, OK for each case */
#ifndef SEE_TAP_H
#define SEE_TAP_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_number, tap_failed;

#define OK(truth, ...) \
	do { \
		int ok_ = !!(truth); \
		tap_failed += !ok_; \
		printf("%sok %d - ", ok_ ? "" : "not ", ++tap_number); \
		printf(__VA_ARGS__); \
		printf("\n"); \
		if (!ok_) \
			printf("# %s:%d: %s\n", __FILE__, __LINE__, #truth); \
	} while (0)

#define SAME(got, want, ...) \
	do { \
		const char *got_ = (got), *want_ = (want); \
		OK(got_ && !strcmp(got_, want_), __VA_ARGS__); \
		if (!got_ || strcmp(got_, want_)) \
			printf("# got %s, want %s\n", got_ ? got_ : "nothing", want_); \
	} while (0)

static inline int tap_end(void)
{
	printf("1..%d\n", tap_number);
	return tap_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
