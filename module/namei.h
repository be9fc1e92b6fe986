/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_NAMEI_H
#define SEE_NAMEI_H

#include "see.h"

extern const struct inode_operations see_dir_iops;
extern const struct file_operations see_dir_fops;

int see_dir_empty(struct inode *dir);

#endif /* SEE_NAMEI_H */
