// SPDX-License-Identifier: GPL-2.0
/* fault.c - named points at which a test can interrupt the process, and guards */
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
	"cleanup.renewed",		/* all are new; the mark does not say so yet */
	"cleanup.before-end",		/* it does; the SEE is still closed */
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

static const char *const guards[] = {
	"sync.undo",			/* pre-images, before anything is done */
	"sync.journal",			/* as well */
	"sync.changes",			/* before they are marked as complete */
	"sync.mark",			/* before anything is cleaned up */
	"sync.back",			/* what was taken back, before the journal goes */
	"recover.reverse",		/* the last step is taken back first */
	"refuse.conflict",
	"refuse.mixed",			/* blocks over others than those they are of */
	/* of seectl: how a command is confined */
	"confine.capabilities",
	"confine.filter",		/* of system calls */
	"confine.host",			/* mounts of the host are read-only before all else */
	"confine.ipc",
	"confine.network",
	"confine.nosuid",		/* of seectl mount */
	"confine.proc",
	"confine.streams",
};

static bool known(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

bool guard(const char *name)
{
	const char *off = getenv("SEE_GUARD_OFF");

	if (!known(guards, ARRAY_SIZE(guards), name))
		abort();
	return !off || strcmp(off, name) != 0;
}

/* what is wanted at the point, after its name and number, or NULL */
static const char *wanted(const char *list, const char *name, unsigned long number)
{
	size_t len = strlen(name);
	char *end;

	for (; list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL) {
		if (strncmp(list, name, len) != 0)
			continue;
		if (list[len] != ':')
			return list + len;
		if (strtoul(list + len + 1, &end, 10) == number)
			return end;
	}
	return NULL;
}

int fault(const char *name, unsigned long number)
{
	const char *want;

	if (!known(points, ARRAY_SIZE(points), name))
		abort();
	want = wanted(getenv("SEE_FAULT"), name, number);
	if (!want || !strchr("=,", *want))
		return 0;
	if (!strncmp(want, "=stop", 5)) {
		raise(SIGSTOP);
		return 0;
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
	for (size_t i = 0; i < ARRAY_SIZE(guards); i++)
		printf("guard %s\n", guards[i]);
#else
	puts("none: seed-faults and see-recover-faults have them");
#endif
}
