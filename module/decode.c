// SPDX-License-Identifier: GPL-2.0
/*
 * decode.c - does what was read from a private tree have the form that it must?
 *
 * Looks at bytes and at nothing else: what they are about is for treeload.c, tree.c,
 * mapdisk.c and command.c to compare with what is there.  Owns nothing, and needs no
 * more of the kernel than userspace/tests/kernel has, where test_decode.c tries it
 * with whatever may lie on a disk.
 */
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/string.h>

#include "decode.h"

/* lower case only: one object, one key */
static int see_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool see_digits(u8 *to, const char *digits, unsigned int bytes)
{
	for (; bytes--; digits += 2) {
		int high = see_digit(digits[0]), low = see_digit(digits[1]);

		if (high < 0 || low < 0)
			return false;
		*to++ = high << 4 | low;
	}
	return true;
}

/**
 * see_decode_key - the file handle that a key stands for
 * @key: the name of a container
 * @len: of @key
 * @fid: filled in
 *
 * Return: 0 or -EUCLEAN.
 */
int see_decode_key(const char *key, unsigned int len, struct see_fid *fid)
{
	u8 type;

	memset(fid, 0, sizeof(*fid));
	if (len < 3 + 8 || len > SEE_MAX_KEY || (len - 3) % 8 || key[2] != '-')
		return -EUCLEAN;
	/* 0 is the root of a file system, 0xff no handle */
	if (!see_digits(&type, key, 1) || !type || type == 0xff)
		return -EUCLEAN;
	if (!see_digits((u8 *)fid->raw, key + 3, (len - 3) / 2))
		return -EUCLEAN;
	fid->type = type;
	fid->words = (len - 3) / 8;
	return 0;
}

/**
 * see_decode_record - a record whose head is right
 * @buf: what was read
 * @len: of @buf
 * @kind: SEE_DISK_*
 * @flags: those that are known
 * @record: filled in; begins with a struct see_disk_head
 * @size: of @record; what there is beyond is ignored
 *
 * Return: 0 or -EUCLEAN.
 */
int see_decode_record(const void *buf, size_t len, u8 kind, u8 flags, void *record,
		      size_t size)
{
	struct see_disk_head *head = record;

	if (len < size)
		return -EUCLEAN;
	memcpy(record, buf, size);
	if (head->kind != kind || le16_to_cpu(head->len) > len ||
	    le16_to_cpu(head->len) < size || (head->flags & ~flags))
		return -EUCLEAN;
	return 0;
}

/**
 * see_decode_tombstone - is it the whole record of a tombstone?
 * @rec: what was read
 * @len: of @rec
 */
bool see_decode_tombstone(const struct see_disk_removed *rec, size_t len)
{
	return len >= sizeof(*rec) && rec->head.kind == SEE_DISK_REMOVED &&
	       len >= sizeof(*rec) + rec->fid_len;
}

/**
 * see_decode_command - the next record of the file "commands"
 * @buf: part of it
 * @size: of @buf
 * @at: where to look; moved behind the record
 *
 * Return: a record with a head and a command, whatever they say; NULL if no whole one
 * follows.
 */
const struct see_disk_command *see_decode_command(const u8 *buf, size_t size, size_t *at)
{
	const struct see_disk_command *rec;
	size_t len;

	while (size - *at >= sizeof(rec->head)) {
		rec = (const void *)(buf + *at);
		len = le16_to_cpu(rec->head.len);
		if (len < sizeof(rec->head) || len > size - *at)
			break;
		*at += len;
		if (len >= sizeof(*rec))
			return rec;
	}
	return NULL;
}

/**
 * see_decode_map - what is wrong with the header of a block map?
 * @header: what was read
 * @shift: binary logarithm of the block size
 * @max: the most that a file can have
 *
 * Return: NULL if nothing is.
 */
const char *see_decode_map(const struct see_map_header *header, u8 shift, u64 max)
{
	u64 size = le64_to_cpu(header->size), limit = le64_to_cpu(header->limit);

	if (le32_to_cpu(header->magic) != SEE_MAP_MAGIC ||
	    le32_to_cpu(header->head.kind) != SEE_MAP_HEADER ||
	    le32_to_cpu(header->head.len) != sizeof(*header))
		return "no header";
	if (le16_to_cpu(header->version) != SEE_MAP_VERSION ||
	    le64_to_cpu(header->incompat) & ~SEE_MAP_INCOMPAT)
		return "made by a newer version";
	if (header->shift != shift)
		return "another block size";
	if (header->data > SEE_DATA_BLOCKS)
		return "unknown kind of data";
	if (size > max || limit > size)
		return "impossible size";
	if (header->data == SEE_DATA_FULL && limit)
		return "limit of a full file";
	if (memchr_inv(header->zero, 0, sizeof(header->zero)))
		return "set bits where none are known";
	return NULL;
}

/* the even bits of @v together */
static u32 see_gather(u64 v)
{
	v &= 0x5555555555555555ULL;
	v = (v | v >> 1) & 0x3333333333333333ULL;
	v = (v | v >> 2) & 0x0f0f0f0f0f0f0f0fULL;
	v = (v | v >> 4) & 0x00ff00ff00ff00ffULL;
	v = (v | v >> 8) & 0x0000ffff0000ffffULL;
	return v | v >> 16;
}

/**
 * see_decode_blocks - the states in a block record
 * @rec: what was read
 * @index: its number
 * @data: SEE_MAP_PER_RECORD bits, gets those of blocks in the private file
 * @zero: the same for zeros
 *
 * Return: what is wrong, or NULL.
 */
const char *see_decode_blocks(const struct see_map_blocks *rec, u64 index,
			      unsigned long *data, unsigned long *zero)
{
	unsigned int i;

	if (le32_to_cpu(rec->head.kind) != SEE_MAP_BLOCKS ||
	    le32_to_cpu(rec->head.len) != sizeof(*rec) ||
	    le64_to_cpu(rec->index) != index || rec->zero[0] || rec->zero[1])
		return "no block record";
	for (i = 0; i < SEE_MAP_WORDS; i++) {
		u64 state = le64_to_cpu(rec->state[i]);
		u32 have = see_gather(state), zeros = see_gather(state >> 1);

		if (have & zeros)
			return "unknown state of a block";
		data[i / 2] |= (unsigned long)have << (i % 2 * 32);
		zero[i / 2] |= (unsigned long)zeros << (i % 2 * 32);
	}
	return NULL;
}
