// SPDX-License-Identifier: GPL-2.0
/* fault.c - named points at which a test can kill the process, or make it fail */
#define _GNU_SOURCE
#include <signal.h>

#include "fault.h"
#include "util.h"

#ifdef SEE_FAULTS
static const char *const points[] = {
	"commit.after-start",		/* nothing but undo-INDEX is there */
	"commit.prepare",		/* step NUMBER is to be prepared */
	"commit.after-prepare",
	"commit.journal",		/* journal.new is there */
	"commit.after-journal",
	"commit.step",			/* step NUMBER is to be applied */
	"commit.after-step",		/* step NUMBER was applied */
	"commit.sync",			/* all were */
	"commit.before-mark",
	"commit.mark",
	"commit.after-mark",
	"cleanup.after-end",		/* the module has no commit any more */
	"commit.after-answer",
	"cleanup.keep",			/* step NUMBER's pre-image is to be kept */
	"cleanup.link",			/* what step NUMBER displaced is to lose a name */
	"cleanup.tree",			/* the private tree of layer NUMBER goes */
	"cleanup.between",		/* it has gone, there is no new one */
	"cleanup.undo",			/* pre-images are to go */
	"cleanup.before-remove",	/* the mark is to be removed */
	"cleanup.after-remove",
	"recover.step",			/* step NUMBER is to be taken back */
	"recover.after-step",
	"recover.extent",		/* a block at offset NUMBER was restored */
	"recover.attributes",		/* of step NUMBER are to be restored */
	"recover.before-remove",	/* the journal is to be removed */
	"recover.after-remove",
	"revert.after-step",
};

static bool known(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		if (!strcmp(points[i], name))
			return true;
	return false;
}

int fault(const char *name, unsigned long number)
{
	const char *want = getenv("SEE_FAULT");
	size_t len = strlen(name);
	char *end;

	if (!known(name))
		abort();
	if (!want || strncmp(want, name, len) || !strchr(":=", want[len]))
		return 0;
	want += len;
	if (*want == ':') {
		if (strtoul(want + 1, &end, 10) != number)
			return 0;
		want = end;
	}
	if (*want == '=')
		return -(int)strtol(want + 1, NULL, 10);
	raise(SIGKILL);
	return 0;
}
#endif

void fault_list(void)
{
#ifdef SEE_FAULTS
	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		puts(points[i]);
#else
	puts("none: seed-faults and see-recover-faults have them");
#endif
}
