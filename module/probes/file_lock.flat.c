// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>

int probe(const struct file_lock *fl)
{
	return fl->fl_type;
}
