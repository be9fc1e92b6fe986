/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The block map of a changed host file on disk: the file "map" in its
 * container.  Documentation/block-map.rst says what it means and in which
 * order it is written.  All numbers are little endian.
 *
 * Everything read from disk is untrusted: decode.c checks kind, length,
 * version and feature bits of a record before it looks at anything else.
 */
#ifndef SEE_MAP_FORMAT_H
#define SEE_MAP_FORMAT_H

#include <linux/build_bug.h>
#include <linux/types.h>

#define SEE_BOX_MAP		"map"

#define SEE_MAP_MAGIC		0x504d4553	/* "SEMP" in memory */
#define SEE_MAP_VERSION		1

/* see_map_head.kind */
#define SEE_MAP_HEADER		1
#define SEE_MAP_BLOCKS		2

/* see_map_header.data: where the bytes of the file are */
#define SEE_DATA_NONE		0	/* all of them on the host */
#define SEE_DATA_FULL		1	/* none of them on the host: limit is 0 */
#define SEE_DATA_BLOCKS		2	/* as the block records say */

/* see_map_header.compat and .incompat: none defined yet */
#define SEE_MAP_COMPAT		0
#define SEE_MAP_INCOMPAT	0

/* two bits for each block in see_map_blocks.state */
#define SEE_STATE_HOST		0	/* the host's up to limit, zeros beyond */
#define SEE_STATE_DATA		1	/* in the private file, at its own offset */
#define SEE_STATE_ZERO		2	/* zeros */
#define SEE_STATE_BAD		3

/**
 * struct see_map_head - begins every record
 * @kind: SEE_MAP_HEADER or SEE_MAP_BLOCKS
 * @len: bytes of the whole record
 */
struct see_map_head {
	__le32 kind;
	__le32 len;
};

/**
 * struct see_map_header - the first record, at offset 0
 * @head: kind SEE_MAP_HEADER
 * @magic: SEE_MAP_MAGIC
 * @version: SEE_MAP_VERSION
 * @data: SEE_DATA_*
 * @shift: binary logarithm of the block size
 * @compat: features that an older module may ignore
 * @incompat: features that an older module must refuse
 * @size: of the file
 * @limit: host bytes from here on are not shown; at most @size
 * @zero: 0
 *
 * One sector, so that it is replaced atomically.
 */
struct see_map_header {
	struct see_map_head head;
	__le32 magic;
	__le16 version;
	__u8 data;
	__u8 shift;
	__le64 compat;
	__le64 incompat;
	__le64 size;
	__le64 limit;
	__u8 zero[464];
};

#define SEE_MAP_RECORD		4096
#define SEE_MAP_WORDS		508
#define SEE_MAP_PER_WORD	32
#define SEE_MAP_PER_RECORD	(SEE_MAP_WORDS * SEE_MAP_PER_WORD)

/**
 * struct see_map_blocks - states of SEE_MAP_PER_RECORD blocks
 * @head: kind SEE_MAP_BLOCKS
 * @index: number of the record; it lies at (@index + 1) * SEE_MAP_RECORD and
 *	   its first block is @index * SEE_MAP_PER_RECORD
 * @zero: 0
 * @state: bits 2n and 2n + 1 of a word are the state of its nth block
 *
 * A record of zeros, or a hole in its place, says that all are the host's.
 * Both bits of a block lie in one byte: a torn record is old or new block by
 * block, never a third thing.
 */
struct see_map_blocks {
	struct see_map_head head;
	__le64 index;
	__le64 zero[2];
	__le64 state[SEE_MAP_WORDS];
};

static_assert(sizeof(struct see_map_head) == 8);
static_assert(sizeof(struct see_map_header) == 512);
static_assert(sizeof(struct see_map_blocks) == SEE_MAP_RECORD);

#endif /* SEE_MAP_FORMAT_H */
