// SPDX-License-Identifier: GPL-2.0
/* Makes trouble on load, for scripts/test-vm. */
#include <linux/module.h>
#include <linux/slab.h>

static char *what = "";
module_param(what, charp, 0444);
MODULE_PARM_DESC(what, "warn or leak");

static int __init trouble_init(void)
{
	int i;

	WARN_ON(!strcmp(what, "warn"));
	/* Several, since a stale copy of one pointer may lie about. */
	for (i = 0; !strcmp(what, "leak") && i < 10; i++)
		if (!kmalloc(100, GFP_KERNEL))
			return -ENOMEM;
	return 0;
}
module_init(trouble_init);

static void __exit trouble_exit(void)
{
}
module_exit(trouble_exit);

MODULE_DESCRIPTION("Trouble for a test");
MODULE_LICENSE("GPL");
