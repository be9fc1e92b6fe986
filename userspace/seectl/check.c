// SPDX-License-Identifier: GPL-2.0
/* check.c - seectl check: could it be committed? */
#define _GNU_SOURCE
#include "seectl.h"

int verb_check(int argc, char **argv)
{
	return commit_verb(argc, argv, SEE_COMMIT_CHECK);
}
