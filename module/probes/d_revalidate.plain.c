// SPDX-License-Identifier: GPL-2.0
#include <linux/dcache.h>
int probe_revalidate(struct dentry *dentry, unsigned int flags);
const struct dentry_operations probe = { .d_revalidate = probe_revalidate };
