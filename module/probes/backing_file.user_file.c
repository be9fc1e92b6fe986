// SPDX-License-Identifier: GPL-2.0
#include <linux/backing-file.h>
struct file *probe(const struct file *file, const struct path *path)
{
	return backing_file_open(file, 0, path, file->f_cred);
}
