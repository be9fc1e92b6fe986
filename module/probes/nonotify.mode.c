// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
void probe(struct file *file)
{
	file_set_fsnotify_mode(file, FMODE_NONOTIFY);
}
