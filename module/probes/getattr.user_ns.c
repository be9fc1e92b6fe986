// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
int probe_getattr(struct user_namespace *ns, const struct path *path,
		  struct kstat *stat, u32 mask, unsigned int flags);
const struct inode_operations probe = { .getattr = probe_getattr };
