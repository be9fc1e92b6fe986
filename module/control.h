/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_CONTROL_H
#define SEE_CONTROL_H

#include "see.h"

struct see_batch;

/**
 * struct see_out - where records are collected
 * @buf: kernel buffer
 * @len: of @buf
 * @used: bytes of whole records
 * @count: records
 */
struct see_out {
	char *buf;
	u32 len;
	u32 used;
	u32 count;
};

void *see_out_add(struct see_out *out, u32 kind, size_t size);

int see_control_init(void);
void see_control_exit(void);

/* changes.c */
int see_changes_list(struct super_block *sb, u32 index, u64 *cursor,
		     struct see_out *out);
u64 see_changes_bytes(struct super_block *sb);

#endif /* SEE_CONTROL_H */
