/* SPDX-License-Identifier: GPL-2.0 */
/*
 * guards.h - checks that a test can switch off, to see whether anybody notices
 *
 * Only if built with SEE_GUARDS (scripts/build-module), never for use; elsewhere
 * see_guard() is true and costs nothing.  What is switched off may show wrong files,
 * but must not corrupt memory.  selftests/teeth says which test guards which.
 */
#ifndef SEE_GUARDS_H
#define SEE_GUARDS_H

#include <linux/bitops.h>
#include <linux/types.h>

enum see_guard {
	/* the view */
	SEE_GUARD_NAME,		/* a cached name is the host's of now */
	SEE_GUARD_PLACE,	/* so is where a directory in use is */
	SEE_GUARD_ABSENT,	/* what the SEE removed is not looked up */
	SEE_GUARD_COVER,	/* what a private name covers is not listed */
	SEE_GUARD_FOLLOW,	/* a changed object keeps its name */
	SEE_GUARD_UNFOLLOW,	/* but not once the SEE took it away */
	SEE_GUARD_LATER,	/* nor if another one was changed there later */
	SEE_GUARD_COMPLETE,	/* what the host drops is copied before */
	SEE_GUARD_FORGET,	/* what nobody changed is not pinned */
	SEE_GUARD_NEGATIVE,	/* a name that was not there may be now */
	SEE_GUARD_TOMB,		/* a remount remembers what was removed */
	SEE_GUARD_PLACED,	/* a directory has one name */
	SEE_GUARD_ELSEWHERE,	/* and counts where it is */
	SEE_GUARD_LINKS,	/* names that the SEE covers are no links */
	SEE_GUARD_RECOUNT,	/* nor those that the host makes of them meanwhile */
	SEE_GUARD_NUMBER,	/* what was born has a number of its own */
	SEE_GUARD_REVIVE,	/* a removed directory may come back */
	SEE_GUARD_EMPTY,	/* what the host has in it counts for rmdir(2) */
	/* isolation */
	SEE_GUARD_QUIET,	/* watchers on the host are not told */
	SEE_GUARD_ATIME,	/* reading leaves no time */
	SEE_GUARD_DEVICE,	/* device nodes cannot be opened */
	SEE_GUARD_STORE,	/* no name leads into a store */
	SEE_GUARD_ORIGIN,	/* a private tree belongs to one lower */
	SEE_GUARD_IN_USE,	/* and to one mount */
	/* conflicts */
	SEE_GUARD_CHANGED,	/* version of what the SEE changed */
	SEE_GUARD_CHANGED_DIR,	/* attributes of a directory */
	SEE_GUARD_REMOVED,	/* version of what the SEE removed */
	SEE_GUARD_TAKEN,	/* a new name is free on the host */
	SEE_GUARD_LATE,		/* a removed directory is empty but for ours */
	SEE_GUARD_WRITTEN,	/* nobody writes to it */
	SEE_GUARD_MOUNTED,	/* nothing is mounted on it */
	SEE_GUARD_LOCKED,	/* locks of the SEE are taken on the host */
	SEE_GUARD_USED,		/* the SEE itself has it not open for writing */
	SEE_GUARD_AUTHORITY,	/* the caller could have done it */
	/* the same once more, where it is done */
	SEE_GUARD_AGAIN_NAMES,	/* names stand for what they stood for */
	SEE_GUARD_AGAIN_VERSION,	/* what is displaced is as it was */
	SEE_GUARD_AGAIN_OBJECT,	/* so is what is modified */
	SEE_GUARD_BACK,		/* and what is taken back */
	SEE_NR_GUARDS
};

#ifdef SEE_GUARDS
extern unsigned long see_guards_off;

static inline bool see_guard(enum see_guard which)
{
	return !test_bit(which, &see_guards_off);
}
#else
static inline bool see_guard(enum see_guard which)
{
	return true;
}
#endif

#endif /* SEE_GUARDS_H */
