// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
#include <linux/splice.h>
long probe(struct file *in, struct file *out)
{
	return splice_copy_file_range(in, 0, out, 0, 1);
}
