// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
ssize_t probe(struct file *in, struct file *out)
{
	return generic_copy_file_range(in, 0, out, 0, 1, 0);
}
