// SPDX-License-Identifier: GPL-2.0
/* test_decode.c - module/decode.c with what may lie on a disk: right, and spoiled in many ways */
#define _GNU_SOURCE
#include <errno.h>

#include <linux/kernel.h>
#include "decode.h"
#include "tap.h"

#define ROUNDS	30000	/* for each of the formats */
#define MAX	(1ULL << 44)
#define SHIFT	12

/* numbers that are the same each time: splitmix64 */
static u64 seed = 1;

static u64 number(u64 below)
{
	u64 z = seed += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (z ^ z >> 31) % below;
}

/*
 * A copy of @len bytes, spoiled, of exactly the size that it says, so that the
 * sanitizer sees who looks beyond.
 */
static u8 *spoiled(const void *good, size_t len, size_t *size)
{
	static const u64 odd[] = { 0, 1, 3, 20, 255, 256, 511, 512, 4096, 65535, 1ULL << 31,
				   1ULL << 32, 1ULL << 44, 1ULL << 63, ~0ULL };
	unsigned int times = number(4), how;
	u8 *bad;

	*size = number(8) ? len : number(2) ? number(len + 1) : len + number(300);
	bad = malloc(*size ?: 1);
	memset(bad, 0, *size);
	memcpy(bad, good, *size < len ? *size : len);
	while (times-- && *size) {
		size_t at = number(number(2) ? *size : *size < 48 ? *size : 48);
		u64 value = odd[number(sizeof(odd) / sizeof(*odd))];
		size_t n = 1U << number(4);

		how = number(4);
		if (at + n > *size)
			n = *size - at;
		if (how == 0)
			bad[at] ^= 1U << number(8);
		else if (how == 1)
			bad[at] = number(256);
		else
			memcpy(bad + at, &value, n);
	}
	return bad;
}

static void keys(void)
{
	static const char *const refused[] = {
		"", "01-", "01-0000000", "01_00000000", "00-00000000", "ff-00000000", "0g-00000000",
		"01-0000000g", "01-0000000A", "0A-00000000", "01-000000001",
	};
	unsigned int wrong = 0, taken = 0;
	struct see_fid fid;

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
		OK(see_decode_key(refused[i], strlen(refused[i]), &fid) == -EUCLEAN,
		   "key \"%s\" is refused", refused[i]);
	OK(!see_decode_key("01-0c000000d1e2f3a4", 19, &fid) && fid.type == 1 && fid.words == 2 &&
	   !memcmp(fid.raw, "\x0c\0\0\0\xd1\xe2\xf3\xa4", 8), "a key is taken");
	for (int i = 0; i < ROUNDS; i++) {
		char good[SEE_MAX_KEY + 20], again[SEE_MAX_KEY + 1];
		size_t words = 1 + number(26), size;
		u8 *bad;

		snprintf(good, sizeof(good), "%02x-", 1 + (unsigned int)number(254));
		for (size_t w = 0; w < words; w++)
			sprintf(good + 3 + 8 * w, "%08x", (u32)number(1ULL << 32));
		bad = spoiled(good, strlen(good), &size);
		if (!see_decode_key((char *)bad, size, &fid)) {
			const u8 *raw = (u8 *)fid.raw;

			taken++;
			wrong += fid.words < 1 || fid.words > SEE_MAX_FID / 4;
			sprintf(again, "%02x-", fid.type);
			for (int b = 0; b < 4 * fid.words; b++)
				sprintf(again + 3 + 2 * b, "%02x", raw[b]);
			wrong += strlen(again) != size || memcmp(again, bad, size);
		}
		free(bad);
	}
	OK(!wrong && taken > ROUNDS / 20, "a key that is taken is the one of its handle (%u)", taken);
}

static void records(void)
{
	struct see_disk_object good = {
		.head = { .kind = SEE_DISK_OBJECT, .flags = 5, .len = htole16(sizeof(good)) },
		.mode = htole32(0100644),
	};
	unsigned int wrong = 0, taken = 0;

	for (int i = 0; i < ROUNDS; i++) {
		struct see_disk_object *rec = malloc(sizeof(*rec));
		size_t size;
		u8 *bad = spoiled(&good, sizeof(good), &size);

		if (!see_decode_record(bad, size, SEE_DISK_OBJECT, 0xf, rec, sizeof(*rec))) {
			taken++;
			wrong += size < sizeof(*rec) || rec->head.kind != SEE_DISK_OBJECT ||
				 rec->head.flags & ~0xf || le16toh(rec->head.len) < sizeof(*rec) ||
				 le16toh(rec->head.len) > size || memcmp(rec, bad, sizeof(*rec));
		}
		free(rec);
		free(bad);
	}
	OK(!wrong && taken > ROUNDS / 20, "a record that is taken has the right head (%u)", taken);
}

static void tombstones(void)
{
	u8 good[sizeof(struct see_disk_removed) + 8] = { SEE_DISK_REMOVED, 0, sizeof(good), 0, 8, 1, 8 };
	unsigned int wrong = 0, taken = 0;

	for (int i = 0; i < ROUNDS; i++) {
		size_t size;
		u8 *bad = spoiled(good, sizeof(good), &size);
		const struct see_disk_removed *rec = (void *)bad;
		volatile u8 last;

		if (see_decode_tombstone(rec, size)) {
			taken++;
			wrong += rec->head.kind != SEE_DISK_REMOVED;
			/* all of it is there */
			last = rec->fid_len ? rec->fid[rec->fid_len - 1] : rec->zero;
			(void)last;
		}
		free(bad);
	}
	OK(!wrong && taken > ROUNDS / 20, "a tombstone that is taken has its handle (%u)", taken);
}

static void commands(void)
{
	unsigned int wrong = 0, taken = 0;
	u8 good[400];

	for (int i = 0; i < ROUNDS; i++) {
		size_t size, at = 0, before = 0, used = 0;
		const struct see_disk_command *rec;
		u8 *bad;

		while (used < 300) {
			struct see_disk_command *put = (void *)(good + used);
			size_t len = sizeof(*put) + number(60);

			memset(put, 'x', len);
			put->head = (struct see_disk_head) { 6 + number(2), number(2), htole16(len) };
			used += len;
		}
		bad = spoiled(good, used, &size);
		while ((rec = see_decode_command(bad, size, &at))) {
			size_t len = le16toh(rec->head.len);

			taken++;
			wrong += len < sizeof(*rec) || at > size || at <= before || (u8 *)rec + len != bad + at;
			before = at;
		}
		wrong += at > size;
		free(bad);
	}
	OK(!wrong && taken > ROUNDS, "commands are read one after the other, to the end at most (%u)", taken);
}

static void maps(void)
{
	struct see_map_header good = {
		.head = { htole32(SEE_MAP_HEADER), htole32(sizeof(good)) }, .magic = htole32(SEE_MAP_MAGIC),
		.version = htole16(SEE_MAP_VERSION), .data = SEE_DATA_BLOCKS, .shift = SHIFT,
		.size = htole64(100000), .limit = htole64(90000),
	};
	unsigned int wrong = 0, taken = 0;

	OK(!see_decode_map(&good, SHIFT, MAX), "a header is taken");
	OK(!!see_decode_map(&good, SHIFT, 99999), "one of a file that is too long is not");
	for (int i = 0; i < ROUNDS; i++) {
		size_t size;
		u8 *bad = spoiled(&good, sizeof(good), &size);
		const struct see_map_header *header = (void *)bad;

		/* who reads it reads all of it */
		if (size >= sizeof(*header) && !see_decode_map(header, SHIFT, MAX)) {
			taken++;
			wrong += le64toh(header->size) > MAX || le64toh(header->limit) > le64toh(header->size) ||
				 header->data > SEE_DATA_BLOCKS || header->shift != SHIFT;
		}
		free(bad);
	}
	OK(!wrong && taken > ROUNDS / 20, "a header that is taken says what can be (%u)", taken);
}

static void blocks(void)
{
	struct see_map_blocks *good = calloc(1, sizeof(*good));
	size_t bytes = SEE_MAP_PER_RECORD / 8, size;
	unsigned int wrong = 0, taken = 0;

	good->head.kind = htole32(SEE_MAP_BLOCKS);
	good->head.len = htole32(sizeof(*good));
	good->index = htole64(3);
	/* blocks 0, 33 and the last one: data; 1: zeros */
	good->state[0] = htole64(1 | 2 << 2);
	good->state[1] = htole64(1 << 2);
	good->state[SEE_MAP_WORDS - 1] = htole64(1ULL << 62);
	for (int i = 0; i < ROUNDS; i++) {
		unsigned long *data = calloc(1, bytes), *zero = calloc(1, bytes);
		u8 *bad = spoiled(good, sizeof(*good), &size);
		const struct see_map_blocks *rec = i ? (void *)bad : good;

		if (!i)
			size = sizeof(*good);
		if (size >= sizeof(*rec) && !see_decode_blocks(rec, 3, data, zero)) {
			taken++;
			for (size_t b = 0; b < SEE_MAP_PER_RECORD; b += i ? 1 + number(50) : 1) {
				unsigned int state = le64toh(rec->state[b / 32]) >> b % 32 * 2 & 3;
				unsigned int got = (data[b / 64] >> b % 64 & 1) |
						   (zero[b / 64] >> b % 64 & 1) << 1;

				wrong += state == SEE_STATE_BAD || state != got;
			}
		}
		free(data);
		free(zero);
		free(bad);
	}
	free(good);
	OK(!wrong && taken > ROUNDS / 20, "states of blocks are what the record says (%u)", taken);
}

int main(void)
{
	keys();
	records();
	tombstones();
	commands();
	maps();
	blocks();
	return tap_end();
}
