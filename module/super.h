/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_SUPER_H
#define SEE_SUPER_H

#include <linux/fs.h>

extern struct file_system_type see_fs_type;
extern const struct export_operations see_export_ops;

struct see_layer;

void see_shutdown(struct super_block *sb);
void see_release_changed(struct see_layer *layer);
int see_super_init(void);
void see_super_exit(void);

#endif /* SEE_SUPER_H */
