/* SPDX-License-Identifier: GPL-2.0 */
/*
 * journal.h - the journal of a commit on disk
 *
 * One header, then records: the layers, each step with its extents behind it,
 * and an end record.  All numbers are little endian; each record carries its
 * length, kind, number and checksum (CRC-32C of the record with zeros for the
 * checksum), the end record the number of records and the CRC-64 (ECMA-182) of
 * everything before it.  Nothing that is read is believed without a check.
 * Documentation/journal.rst describes it byte by byte.
 *
 * Written as "journal.new", synced, renamed to "journal"; at the mark renamed to
 * "committed", and to "renewed" once the SEE's private trees are new ones.
 */
#ifndef SEED_JOURNAL_H
#define SEED_JOURNAL_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "plan.h"

#define JOURNAL_MAGIC	0x0a4c4e524a454553ULL	/* "SEEJRNL\n" */
#define JOURNAL_VERSION	1
#define JOURNAL_MAX	(256U << 20)		/* bytes of a journal */
#define JOURNAL_NAME	"journal"
#define JOURNAL_MARK	"committed"
#define JOURNAL_RENEWED	"renewed"

/**
 * struct journal_header - the beginning
 * @magic: JOURNAL_MAGIC
 * @version: JOURNAL_VERSION
 * @length: of the header
 * @compat: features that may be ignored
 * @incompat: features; one that is not known refuses the journal
 * @see: id of the SEE
 * @time: of the commit, in seconds since 1970
 * @size: bytes of the file
 * @criterion: SEE_CRITERION_*
 * @nlayers: records of layers
 * @nsteps: records of steps
 * @nrecords: all records, that of the end included
 * @reserved: 0
 * @crc: CRC-32C of the header with zeros here
 */
struct journal_header {
	uint64_t magic;
	uint32_t version;
	uint32_t length;
	uint64_t compat;
	uint64_t incompat;
	uint64_t see;
	uint64_t time;
	uint64_t size;
	uint32_t criterion;
	uint32_t nlayers;
	uint32_t nsteps;
	uint32_t nrecords;
	uint32_t reserved[5];
	uint32_t crc;
};

/* journal_record.kind; of those that are not known, only optional ones are skipped */
#define JOURNAL_LAYER		1
#define JOURNAL_STEP		2
#define JOURNAL_EXTENT		3
#define JOURNAL_END		4
#define JOURNAL_OPTIONAL	0x8000

/**
 * struct journal_record - the beginning of each record
 * @length: of the record, a multiple of 8; padded with zeros
 * @kind: JOURNAL_*
 * @number: of the record, from 0
 * @crc: CRC-32C of the record with zeros here
 */
struct journal_record {
	uint32_t length;
	uint32_t kind;
	uint32_t number;
	uint32_t crc;
};

/**
 * struct journal_layer - a writable layer
 * @head: kind JOURNAL_LAYER
 * @index: of the layer
 * @handle_type: of the directory that it covers
 * @handle_len: bytes of the handle, the first of @data
 * @base_len: bytes of the path of the store, with its NUL, the next of @data
 * @part_len: of the name of the SEE's part of it
 * @path_len: of the path of what it covers
 * @reserved: 0
 */
struct journal_layer {
	struct journal_record head;
	uint32_t index;
	uint32_t handle_type;
	uint16_t handle_len;
	uint16_t base_len;
	uint16_t part_len;
	uint16_t path_len;
	uint64_t reserved;
	char data[];
};

/* as struct see_step, which says what each field means */
struct journal_step {
	struct journal_record head;
	uint32_t step;
	uint32_t kind;
	uint32_t layer;
	uint32_t flags;
	uint32_t what;
	uint32_t conflict;
	uint32_t denied;
	uint32_t busy;
	uint32_t old_mode;
	uint32_t new_mode;
	uint32_t old_uid;
	uint32_t old_gid;
	uint32_t new_uid;
	uint32_t new_gid;
	uint64_t old_size;
	uint64_t new_size;
	uint64_t limit;
	int64_t old_mtime;
	int64_t new_mtime;
	uint16_t len[8];
	char text[];
};

/* as struct see_extent */
struct journal_extent {
	struct journal_record head;
	uint32_t step;
	uint32_t flags;
	uint64_t start;
	uint64_t end;
};

/**
 * struct journal_end - the end
 * @head: kind JOURNAL_END
 * @count: of the records before
 * @reserved: 0
 * @hash: CRC-64 of all bytes before this record
 */
struct journal_end {
	struct journal_record head;
	uint32_t count;
	uint32_t reserved;
	uint64_t hash;
};

static_assert(sizeof(struct journal_header) == 96, "format");
static_assert(offsetof(struct journal_header, crc) == 92, "format");
static_assert(sizeof(struct journal_record) == 16, "format");
static_assert(sizeof(struct journal_layer) == 40, "format");
static_assert(sizeof(struct journal_step) == 128, "format");
static_assert(offsetof(struct journal_step, old_size) == 72, "format");
static_assert(offsetof(struct journal_step, len) == 112, "format");
static_assert(sizeof(struct journal_extent) == 40, "format");
static_assert(sizeof(struct journal_end) == 32, "format");
static_assert(sizeof(((struct see_step *)0)->len) == 16, "format");

/* the bytes of a journal; -EFBIG: too many changes */
int journal_encode(const struct plan *p, char **bytes, size_t *size);
/*
 * -ENODATA: not complete, it was being written; -EBADMSG: damaged; -EOPNOTSUPP:
 * of a newer version.  plan_free() either way.
 */
int journal_decode(struct plan *p, const char *bytes, size_t size);

/* write a journal into the directory of a SEE, durably */
int journal_write(int dir, const struct plan *p);
/* @name: JOURNAL_NAME, JOURNAL_MARK or JOURNAL_RENEWED; -ENOENT */
int journal_read(int dir, const char *name, struct plan *p);
/* is there any of them? */
bool journal_pending(int dir);
/* set the mark, durably; -EINPROGRESS: set, but nobody knows whether durably */
int journal_mark(int dir);
/* after the mark: the private trees are new, durably */
int journal_renewed(int dir);
/* remove whichever there is, durably; no error if there is none */
int journal_remove(int dir);

#endif
