/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What was read from a private tree, checked and made the kernel's
 */
#ifndef SEE_DECODE_H
#define SEE_DECODE_H

#include <linux/types.h>

#include "map_format.h"
#include "tree_format.h"

/**
 * struct see_fid - a file handle
 * @type: FILEID_*
 * @words: of @raw
 * @raw: the rest is 0
 */
struct see_fid {
	int type;
	int words;
	u32 raw[SEE_MAX_FID / 4];
};

int see_decode_key(const char *key, unsigned int len, struct see_fid *fid);
int see_decode_record(const void *buf, size_t len, u8 kind, u8 flags, void *record,
		      size_t size);
bool see_decode_tombstone(const struct see_disk_removed *rec, size_t len);
const struct see_disk_command *see_decode_command(const u8 *buf, size_t size, size_t *at);
const char *see_decode_map(const struct see_map_header *header, u8 shift, u64 max);
const char *see_decode_blocks(const struct see_map_blocks *rec, u64 index,
			      unsigned long *data, unsigned long *zero);

#endif /* SEE_DECODE_H */
