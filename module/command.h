/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_COMMAND_H
#define SEE_COMMAND_H

#include "see.h"

struct see_load;

void see_command_note(char *command);
void see_command_touch(struct inode *inode);
void see_command_load(struct super_block *sb, struct see_load *load);
int see_command_save(void *arg);

#endif /* SEE_COMMAND_H */
