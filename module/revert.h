/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_REVERT_H
#define SEE_REVERT_H

struct see_tx;
struct see_tx_step;

/* revert.c */
int see_revert_step(struct see_tx *tx, struct see_tx_step *st);

#endif /* SEE_REVERT_H */
