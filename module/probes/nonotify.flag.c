// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
#ifndef __FMODE_NONOTIFY
#error "not a flag of open"
#endif
struct file *probe(const struct path *path, const struct cred *cred)
{
	return dentry_open(path, (__force int)FMODE_NONOTIFY, cred);
}
