// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - module init and exit
 *
 * What is registered here is unregistered in the reverse order.
 */
#include <linux/module.h>

#include "control.h"
#include "super.h"

static int __init see_init(void)
{
	int err;

	err = see_super_init();
	if (err)
		return err;
	err = register_filesystem(&see_fs_type);
	if (err)
		goto out_super;
	err = see_control_init();
	if (err)
		goto out_fs;
	return 0;
out_fs:
	unregister_filesystem(&see_fs_type);
out_super:
	see_super_exit();
	return err;
}

static void __exit see_exit(void)
{
	see_control_exit();
	unregister_filesystem(&see_fs_type);
	see_super_exit();
}

module_init(see_init);
module_exit(see_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Safe execution environments: a private view of a live file system");
MODULE_ALIAS_FS("seefs");
