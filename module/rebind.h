/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_REBIND_H
#define SEE_REBIND_H

#include "see.h"

/* rebind.c */
int see_rebind(struct super_block *sb, const struct path *root);

#endif /* SEE_REBIND_H */
