// SPDX-License-Identifier: GPL-2.0
/* journal.c - the journal of a commit: written, read, marked, removed */
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>

#include "crc.h"
#include "fault.h"
#include "journal.h"
#include "util.h"

#define CRC_OF_RECORD	offsetof(struct journal_record, crc)

/* ---- writing ---- */

struct buffer {
	char *bytes;
	size_t used, size;
	uint32_t records;
};

/* @len more bytes, zero; NULL: out of memory, or too many */
static void *more(struct buffer *b, size_t len)
{
	size_t size = b->size ? b->size : 4096;
	char *bytes;

	while (size - b->used < len)
		size *= 2;
	if (size > JOURNAL_MAX)
		return NULL;
	if (size != b->size) {
		bytes = realloc(b->bytes, size);
		if (!bytes)
			return NULL;
		b->bytes = bytes;
		b->size = size;
	}
	memset(b->bytes + b->used, 0, len);
	b->used += len;
	return b->bytes + b->used - len;
}

/* a record with room for @len bytes in all */
static void *begin(struct buffer *b, uint32_t kind, size_t len)
{
	size_t padded = (len + 7) & ~(size_t)7;
	struct journal_record *head = more(b, padded);

	if (head) {
		head->length = htole32((uint32_t)padded);
		head->kind = htole32(kind);
		head->number = htole32(b->records++);
	}
	return head;
}

static void seal(struct journal_record *head)
{
	head->crc = htole32(crc32c(0, head, le32toh(head->length)));
}

static int put_layer(struct buffer *b, const struct plan_layer *l)
{
	size_t base = strlen(l->base) + 1, part = strlen(l->part) + 1, path = strlen(l->path) + 1;
	struct journal_layer *r;
	char *to;

	if (base > 4096 || part > 256 || path > 4096)
		return -ENAMETOOLONG;
	r = begin(b, JOURNAL_LAYER, sizeof(*r) + l->handle.len + base + part + path);
	if (!r)
		return -EFBIG;
	r->index = htole32(l->index);
	r->handle_type = htole32((uint32_t)l->handle.type);
	r->handle_len = htole16((uint16_t)l->handle.len);
	r->base_len = htole16((uint16_t)base);
	r->part_len = htole16((uint16_t)part);
	r->path_len = htole16((uint16_t)path);
	to = mempcpy(r->data, l->handle.bytes, l->handle.len);
	to = mempcpy(to, l->base, base);
	to = mempcpy(to, l->part, part);
	memcpy(to, l->path, path);
	seal(&r->head);
	return 0;
}

static int put_step(struct buffer *b, const struct see_step *s)
{
	struct journal_step *r;
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_SIZE(r->len); i++)
		len += s->len[i];
	r = begin(b, JOURNAL_STEP, sizeof(*r) + len);
	if (!r)
		return -EFBIG;
	r->step = htole32(s->step);
	r->kind = htole32(s->kind);
	r->layer = htole32(s->layer);
	r->flags = htole32(s->flags);
	r->what = htole32(s->what);
	r->conflict = htole32(s->conflict);
	r->denied = htole32(s->denied);
	r->busy = htole32(s->busy);
	r->old_mode = htole32(s->old_mode);
	r->new_mode = htole32(s->new_mode);
	r->old_uid = htole32(s->old_uid);
	r->old_gid = htole32(s->old_gid);
	r->new_uid = htole32(s->new_uid);
	r->new_gid = htole32(s->new_gid);
	r->old_size = htole64(s->old_size);
	r->new_size = htole64(s->new_size);
	r->limit = htole64(s->limit);
	r->old_mtime = (int64_t)htole64((uint64_t)s->old_mtime);
	r->new_mtime = (int64_t)htole64((uint64_t)s->new_mtime);
	for (size_t i = 0; i < ARRAY_SIZE(r->len); i++)
		r->len[i] = htole16(s->len[i]);
	memcpy(r->text, s->text, len);
	seal(&r->head);
	return 0;
}

static int put_extent(struct buffer *b, const struct see_extent *e)
{
	struct journal_extent *r = begin(b, JOURNAL_EXTENT, sizeof(*r));

	if (!r)
		return -EFBIG;
	r->step = htole32(e->step);
	r->flags = htole32(e->flags);
	r->start = htole64(e->start);
	r->end = htole64(e->end);
	seal(&r->head);
	return 0;
}

static int put_end(struct buffer *b)
{
	uint64_t hash;
	struct journal_end *r = begin(b, JOURNAL_END, sizeof(*r));
	struct journal_header *h = (void *)b->bytes;

	if (!r)
		return -EFBIG;
	r->count = htole32(b->records - 1);
	/* the header is complete only now */
	h->nrecords = htole32(b->records);
	h->size = htole64(b->used);
	h->crc = htole32(crc32c(0, h, sizeof(*h)));
	hash = crc64(0, b->bytes, b->used - sizeof(*r));
	r->hash = htole64(hash);
	seal(&r->head);
	return 0;
}

static int put_all(struct buffer *b, const struct plan *p)
{
	struct journal_header *h = more(b, sizeof(*h));
	int err = h ? 0 : -ENOMEM;

	if (err)
		return err;
	h->magic = htole64(JOURNAL_MAGIC);
	h->version = htole32(JOURNAL_VERSION);
	h->length = htole32(sizeof(*h));
	h->see = htole64(p->see);
	h->time = htole64(p->time);
	h->criterion = htole32(p->criterion);
	h->nlayers = htole32(p->nlayers);
	h->nsteps = htole32((uint32_t)p->nsteps);
	for (unsigned int i = 0; !err && i < p->nlayers; i++)
		err = put_layer(b, &p->layer[i]);
	for (size_t i = 0; !err && i < p->nsteps; i++) {
		err = put_step(b, p->step[i].see);
		for (size_t e = 0; !err && e < p->step[i].nextents; e++)
			err = put_extent(b, &p->step[i].extent[e]);
	}
	return err ? err : put_end(b);
}

int journal_encode(const struct plan *p, char **bytes, size_t *size)
{
	struct buffer b = {};
	int err = put_all(&b, p);

	if (err) {
		free(b.bytes);
		return err;
	}
	*bytes = b.bytes;
	*size = b.used;
	return 0;
}

/* ---- reading ---- */

/* the checksum at @at of @len bytes, as if it were zero */
static bool crc_good(const char *bytes, size_t len, size_t at)
{
	static const char zero[4];
	uint32_t crc, found;

	memcpy(&found, bytes + at, sizeof(found));
	crc = crc32c(0, bytes, at);
	crc = crc32c(crc, zero, sizeof(zero));
	crc = crc32c(crc, bytes + at + sizeof(zero), len - at - sizeof(zero));
	return crc == le32toh(found);
}

static int get_header(struct plan *p, const char *bytes, size_t size, struct journal_header *h)
{
	if (size < sizeof(*h))
		return -ENODATA;
	memcpy(h, bytes, sizeof(*h));
	if (le64toh(h->magic) != JOURNAL_MAGIC ||
	    !crc_good(bytes, sizeof(*h), offsetof(struct journal_header, crc)))
		return -EBADMSG;
	if (le32toh(h->version) != JOURNAL_VERSION || h->incompat)
		return -EOPNOTSUPP;
	if (le64toh(h->size) > size)
		return -ENODATA;
	if (le64toh(h->size) != size || le32toh(h->length) != sizeof(*h) ||
	    le32toh(h->nlayers) > SEE_LAYERS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(h->reserved); i++)
		if (h->reserved[i])
			return -EBADMSG;
	p->see = le64toh(h->see);
	p->time = le64toh(h->time);
	p->criterion = le32toh(h->criterion);
	return 0;
}

/* a string of @len bytes with its NUL, and no other */
static char *get_string(const char **from, size_t *left, size_t len)
{
	const char *s = *from;

	if (!len || len > *left || strnlen(s, len) != len - 1)
		return NULL;
	*from += len;
	*left -= len;
	return strdup(s);
}

/* "ID" or "ID-CREATED" */
static bool part_good(const char *part)
{
	return *part && strlen(part) < 48 && strspn(part, "0123456789-") == strlen(part);
}

static int get_layer(struct plan *p, const char *bytes, size_t len)
{
	struct journal_layer r;
	struct plan_layer *l;
	const char *from = bytes + sizeof(r);
	size_t left;

	if (len < sizeof(r) || p->nlayers == SEE_LAYERS_MAX || p->nsteps)
		return -EBADMSG;
	memcpy(&r, bytes, sizeof(r));
	left = len - sizeof(r);
	l = &p->layer[p->nlayers];
	memset(l, 0, sizeof(*l));
	l->index = le32toh(r.index);
	l->handle.type = (int)le32toh(r.handle_type);
	l->handle.len = le16toh(r.handle_len);
	if (l->handle.len > HANDLE_MAX || l->handle.len > left || l->index >= SEE_LAYERS_MAX ||
	    plan_layer(p, l->index))
		return -EBADMSG;
	memcpy(l->handle.bytes, from, l->handle.len);
	from += l->handle.len;
	left -= l->handle.len;
	p->nlayers++;
	l->base = get_string(&from, &left, le16toh(r.base_len));
	l->part = l->base ? get_string(&from, &left, le16toh(r.part_len)) : NULL;
	l->path = l->part ? get_string(&from, &left, le16toh(r.path_len)) : NULL;
	if (!l->path || l->base[0] != '/' || l->path[0] != '/' || !part_good(l->part))
		return -EBADMSG;
	return left < 8 ? 0 : -EBADMSG;
}

static void step_of(const struct journal_step *r, struct see_step *s)
{
	s->step = le32toh(r->step);
	s->kind = le32toh(r->kind);
	s->layer = le32toh(r->layer);
	s->flags = le32toh(r->flags);
	s->what = le32toh(r->what);
	s->conflict = le32toh(r->conflict);
	s->denied = le32toh(r->denied);
	s->busy = le32toh(r->busy);
	s->old_mode = le32toh(r->old_mode);
	s->new_mode = le32toh(r->new_mode);
	s->old_uid = le32toh(r->old_uid);
	s->old_gid = le32toh(r->old_gid);
	s->new_uid = le32toh(r->new_uid);
	s->new_gid = le32toh(r->new_gid);
	s->old_size = le64toh(r->old_size);
	s->new_size = le64toh(r->new_size);
	s->limit = le64toh(r->limit);
	s->old_mtime = (int64_t)le64toh((uint64_t)r->old_mtime);
	s->new_mtime = (int64_t)le64toh((uint64_t)r->new_mtime);
	for (size_t i = 0; i < ARRAY_SIZE(r->len); i++)
		s->len[i] = le16toh(r->len[i]);
}

static int get_step(struct plan *p, const char *bytes, size_t len)
{
	_cleanup_free_ struct see_step *s = NULL;
	struct journal_step r;
	size_t text;

	if (len < sizeof(r))
		return -EBADMSG;
	memcpy(&r, bytes, sizeof(r));
	text = len - sizeof(r);
	s = calloc(1, sizeof(*s) + text);
	if (!s)
		return -ENOMEM;
	s->rec.len = (__u32)(sizeof(*s) + text);
	s->rec.kind = SEE_REC_STEP;
	step_of(&r, s);
	memcpy(s->text, bytes + sizeof(r), text);
	return plan_add_step(p, s);
}

static int get_extent(struct plan *p, const char *bytes, size_t len)
{
	struct journal_extent r;
	struct see_extent e = { .rec = { .len = sizeof(e), .kind = SEE_REC_EXTENT } };

	if (len != sizeof(r))
		return -EBADMSG;
	memcpy(&r, bytes, sizeof(r));
	e.step = le32toh(r.step);
	e.flags = le32toh(r.flags);
	e.start = le64toh(r.start);
	e.end = le64toh(r.end);
	return plan_add_extent(p, &e);
}

/* the last record: @before bytes and @number records come before it */
static int get_end(const char *all, size_t before, const char *bytes, size_t len,
		   uint32_t number)
{
	struct journal_end r;

	if (len != sizeof(r))
		return -EBADMSG;
	memcpy(&r, bytes, sizeof(r));
	return le32toh(r.count) == number && !r.reserved &&
	       le64toh(r.hash) == crc64(0, all, before) ? 0 : -EBADMSG;
}

static int get_record(struct plan *p, uint32_t kind, const char *bytes, size_t len)
{
	switch (kind) {
	case JOURNAL_LAYER:
		return get_layer(p, bytes, len);
	case JOURNAL_STEP:
		return get_step(p, bytes, len);
	case JOURNAL_EXTENT:
		return get_extent(p, bytes, len);
	}
	return kind & JOURNAL_OPTIONAL ? 0 : -EOPNOTSUPP;
}

static int get_records(struct plan *p, const char *bytes, size_t size, uint32_t nrecords)
{
	size_t at = sizeof(struct journal_header);

	for (uint32_t i = 0; i < nrecords; i++) {
		struct journal_record head;
		size_t len;
		int err;

		if (size - at < sizeof(head))
			return -EBADMSG;
		memcpy(&head, bytes + at, sizeof(head));
		len = le32toh(head.length);
		if (len < sizeof(head) || len % 8 || len > size - at ||
		    le32toh(head.number) != i || !crc_good(bytes + at, len, CRC_OF_RECORD))
			return -EBADMSG;
		if (i == nrecords - 1)
			return le32toh(head.kind) == JOURNAL_END && at + len == size ?
				get_end(bytes, at, bytes + at, len, i) : -EBADMSG;
		err = get_record(p, le32toh(head.kind), bytes + at, len);
		if (err)
			return err;
		at += len;
	}
	return -EBADMSG;
}

int journal_decode(struct plan *p, const char *bytes, size_t size)
{
	struct journal_header h;
	const char *why;
	int err;

	memset(p, 0, sizeof(*p));
	err = get_header(p, bytes, size, &h);
	if (!err)
		err = get_records(p, bytes, size, le32toh(h.nrecords));
	if (!err && (p->nlayers != le32toh(h.nlayers) || p->nsteps != le32toh(h.nsteps) ||
		     plan_check(p, &why)))
		err = -EBADMSG;
	return err;
}

/* ---- files ---- */

static int sync_dir(int dir)
{
	return fsync(dir) < 0 ? -errno : 0;
}

static int write_new(int dir, const char *bytes, size_t size)
{
	_cleanup_close_ int fd = -1;
	int err;

	fd = openat(dir, JOURNAL_NAME ".new",
		    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, bytes, size);
	if (!err && guard("sync.journal") && fsync(fd) < 0)
		err = -errno;
	return err;
}

int journal_write(int dir, const struct plan *p)
{
	_cleanup_(plan_free) struct plan again = {};
	_cleanup_free_ char *bytes = NULL;
	size_t size;
	int err = journal_encode(p, &bytes, &size);

	if (err)
		return err;
	/* what cannot be read back must not be relied on */
	err = journal_decode(&again, bytes, size);
	if (!err)
		err = write_new(dir, bytes, size);
	if (!err)
		err = fault("commit.journal", 0);
	if (!err && renameat(dir, JOURNAL_NAME ".new", dir, JOURNAL_NAME) < 0)
		err = -errno;
	if (!err && guard("sync.journal"))
		err = sync_dir(dir);
	if (err) {
		unlinkat(dir, JOURNAL_NAME ".new", 0);
		unlinkat(dir, JOURNAL_NAME, 0);
	}
	return err;
}

int journal_read(int dir, const char *name, struct plan *p)
{
	_cleanup_free_ char *bytes = NULL;
	size_t size;
	int err = read_file(dir, name, JOURNAL_MAX, &bytes, &size);

	return err ? err : journal_decode(p, bytes, size);
}

int journal_mark(int dir)
{
	int err = fault("commit.mark", 0);

	if (err)
		return err;
	if (renameat(dir, JOURNAL_NAME, dir, JOURNAL_MARK) < 0)
		return -errno;
	return guard("sync.mark") && sync_dir(dir) ? -EINPROGRESS : 0;
}

int journal_renewed(int dir)
{
	return renameat(dir, JOURNAL_MARK, dir, JOURNAL_RENEWED) < 0 ? -errno : sync_dir(dir);
}

bool journal_pending(int dir)
{
	static const char *const names[] = { JOURNAL_NAME, JOURNAL_MARK, JOURNAL_RENEWED };

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		/* what cannot be looked at may be there */
		if (!faccessat(dir, names[i], F_OK, AT_SYMLINK_NOFOLLOW) || errno != ENOENT)
			return true;
	return false;
}

int journal_remove(int dir)
{
	static const char *const names[] = {
		JOURNAL_NAME ".new", JOURNAL_NAME, JOURNAL_MARK, JOURNAL_RENEWED,
	};
	bool removed = false;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!unlinkat(dir, names[i], 0))
			removed = true;
		else if (errno != ENOENT)
			return -errno;
	}
	return removed ? sync_dir(dir) : 0;
}
