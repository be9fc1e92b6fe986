// SPDX-License-Identifier: GPL-2.0
#include <linux/backing-file.h>
int probe(struct file *file, struct vm_area_struct *vma)
{
	struct backing_file_ctx ctx = { .user_file = file };

	return backing_file_mmap(file, vma, &ctx);
}
