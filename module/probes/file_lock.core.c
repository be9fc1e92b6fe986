// SPDX-License-Identifier: GPL-2.0
#include <linux/filelock.h>

int probe(const struct file_lock *fl)
{
	return fl->c.flc_type;
}
