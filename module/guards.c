// SPDX-License-Identifier: GPL-2.0
/*
 * guards.c - switches of guards.h
 *
 * Owns the parameter guards_off: a guard's name, or nothing.  Empty in a module
 * for use.
 */
#include "guards.h"

#ifdef SEE_GUARDS
#include <linux/module.h>
#include <linux/string.h>
#include <linux/sysfs.h>

unsigned long see_guards_off;

static_assert(SEE_NR_GUARDS <= BITS_PER_LONG);

static const char * const see_guard_name[SEE_NR_GUARDS] = {
	[SEE_GUARD_NAME] = "name",
	[SEE_GUARD_PLACE] = "place",
	[SEE_GUARD_ABSENT] = "absent",
	[SEE_GUARD_COVER] = "cover",
	[SEE_GUARD_FOLLOW] = "follow",
	[SEE_GUARD_UNFOLLOW] = "unfollow",
	[SEE_GUARD_LATER] = "later",
	[SEE_GUARD_COMPLETE] = "complete",
	[SEE_GUARD_FORGET] = "forget",
	[SEE_GUARD_NEGATIVE] = "negative",
	[SEE_GUARD_TOMB] = "tomb",
	[SEE_GUARD_PLACED] = "placed",
	[SEE_GUARD_ELSEWHERE] = "elsewhere",
	[SEE_GUARD_LINKS] = "links",
	[SEE_GUARD_RECOUNT] = "recount",
	[SEE_GUARD_NUMBER] = "number",
	[SEE_GUARD_REVIVE] = "revive",
	[SEE_GUARD_EMPTY] = "empty",
	[SEE_GUARD_QUIET] = "quiet",
	[SEE_GUARD_ATIME] = "atime",
	[SEE_GUARD_DEVICE] = "device",
	[SEE_GUARD_STORE] = "store",
	[SEE_GUARD_ORIGIN] = "origin",
	[SEE_GUARD_IN_USE] = "in_use",
	[SEE_GUARD_CHANGED] = "changed",
	[SEE_GUARD_CHANGED_DIR] = "changed_dir",
	[SEE_GUARD_REMOVED] = "removed",
	[SEE_GUARD_TAKEN] = "taken",
	[SEE_GUARD_LATE] = "late",
	[SEE_GUARD_WRITTEN] = "written",
	[SEE_GUARD_MOUNTED] = "mounted",
	[SEE_GUARD_LOCKED] = "locked",
	[SEE_GUARD_USED] = "used",
	[SEE_GUARD_AUTHORITY] = "authority",
	[SEE_GUARD_AGAIN_NAMES] = "again_names",
	[SEE_GUARD_AGAIN_VERSION] = "again_version",
	[SEE_GUARD_AGAIN_OBJECT] = "again_object",
	[SEE_GUARD_BACK] = "back",
};

static int see_guards_set(const char *value, const struct kernel_param *kp)
{
	int i;

	if (sysfs_streq(value, "")) {
		WRITE_ONCE(see_guards_off, 0);
		return 0;
	}
	i = sysfs_match_string(see_guard_name, value);
	if (i < 0)
		return i;
	WRITE_ONCE(see_guards_off, BIT(i));
	return 0;
}

static int see_guards_get(char *buf, const struct kernel_param *kp)
{
	unsigned long off = READ_ONCE(see_guards_off);

	return sysfs_emit(buf, "%s\n", off ? see_guard_name[__ffs(off)] : "");
}

static const struct kernel_param_ops see_guards_ops = {
	.set = see_guards_set,
	.get = see_guards_get,
};

static int see_guards_list(char *buf, const struct kernel_param *kp)
{
	int i, len = 0;

	for (i = 0; i < SEE_NR_GUARDS; i++)
		len += sysfs_emit_at(buf, len, "%s\n", see_guard_name[i]);
	return len;
}

static int see_guards_no_set(const char *value, const struct kernel_param *kp)
{
	return -EPERM;
}

static const struct kernel_param_ops see_guards_list_ops = {
	.set = see_guards_no_set,
	.get = see_guards_list,
};

module_param_cb(guards, &see_guards_list_ops, NULL, 0400);
MODULE_PARM_DESC(guards, "names of all checks that can be left out");
module_param_cb(guards_off, &see_guards_ops, NULL, 0600);
MODULE_PARM_DESC(guards_off, "a check to leave out, for tests of tests");
#endif
