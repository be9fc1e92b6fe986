// SPDX-License-Identifier: GPL-2.0
/* test_journal.c - what is written is read; what is damaged is refused, or not whole */
#define _GNU_SOURCE
#include <endian.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "crc.h"
#include "journal.h"
#include "tap.h"
#include "util.h"

#define KEY	"01-0c00000002000000"

/* a step with its strings, to be freed */
static struct see_step *step_of(const struct see_step *fields, const char *const text[8])
{
	struct see_step *s;
	size_t len = 0;
	char *to;

	for (int i = 0; i < 8; i++)
		len += strlen(text[i]) + 1;
	s = calloc(1, sizeof(*s) + len + 7);
	*s = *fields;
	s->rec.len = (__u32)((sizeof(*s) + len + 7) & ~(size_t)7);
	s->rec.kind = SEE_REC_STEP;
	to = s->text;
	for (int i = 0; i < 8; i++) {
		s->len[i] = (__u16)(strlen(text[i]) + 1);
		to = stpcpy(to, text[i]) + 1;
	}
	return s;
}

static void add(struct plan *p, const struct see_step *fields, const char *const text[8])
{
	struct see_step *s = step_of(fields, text);

	s->step = (__u32)p->nsteps;
	if (plan_add_step(p, s))
		abort();
	free(s);
}

static void add_layer(struct plan *p, unsigned int index)
{
	struct meta_layer l = { .base = "/var/lib/see", .path = "/home/a b" };

	l.handle = (struct handle) { .type = 1, .len = 3, .bytes = "\0\xff\x10" };
	if (plan_add_layer(p, index, &l, "7-1700000000"))
		abort();
}

static void fill(struct plan *p)
{
	static const char *const rename[8] = { "a/\xff\n", KEY, "x y", KEY, "a", KEY, "", "" };
	static const char *const modify[8] = { "file", "", "", "", "", KEY, KEY, "02-00" };
	static const char *const nothing[8] = { "gone", "", "", "", "", "", "", "" };
	struct see_extent e = { .rec = { sizeof(e), SEE_REC_EXTENT }, .step = 2 };

	memset(p, 0, sizeof(*p));
	p->see = 7;
	p->time = 1700000001;
	p->criterion = SEE_CRITERION_FORCE;
	add_layer(p, 0);
	add_layer(p, 3);
	add(p, &(struct see_step) { .kind = SEE_STEP_RENAME, .layer = 3, .what = 1, .flags = 4,
				    .conflict = 2 }, rename);
	add(p, &(struct see_step) { .kind = 0, .layer = 0, .conflict = 1 }, nothing);
	add(p, &(struct see_step) { .kind = SEE_STEP_MODIFY, .flags = 3, .old_mode = 0100644,
				    .new_mode = 0104755, .old_uid = 1, .old_gid = 2, .new_uid = 3,
				    .new_gid = 4, .old_size = 5, .new_size = 1ULL << 40, .limit = 6,
				    .old_mtime = -7, .new_mtime = 1LL << 60 }, modify);
	for (int i = 0; i < 5; i++) {
		e.flags = 1U << i % 3;
		e.start = (__u64)i << 20;
		e.end = e.start + 4096;
		if (plan_add_extent(p, &e))
			abort();
	}
}

static bool same_step(const struct plan_step *a, const struct plan_step *b)
{
	if (memcmp((char *)a->see + 8, (char *)b->see + 8, sizeof(*a->see) - 8) ||
	    a->nextents != b->nextents)
		return false;
	for (unsigned int i = 0; i < 8; i++)
		if (strcmp(step_text(a, i), step_text(b, i)))
			return false;
	return !a->nextents ||
	       !memcmp(a->extent, b->extent, a->nextents * sizeof(*a->extent));
}

static void round_trip(const struct plan *p, char **bytes, size_t *size)
{
	struct plan back;
	bool same = true;

	OK(!journal_encode(p, bytes, size), "a journal is written");
	OK(!journal_decode(&back, *bytes, *size), "and read");
	OK(back.see == p->see && back.time == p->time && back.criterion == p->criterion &&
	   back.nsteps == p->nsteps && back.nlayers == p->nlayers, "header");
	for (size_t i = 0; i < back.nsteps; i++)
		same &= same_step(&back.step[i], &p->step[i]);
	OK(same, "steps and extents");
	SAME(back.layer[1].base, "/var/lib/see", "store");
	SAME(back.layer[1].part, "7-1700000000", "part");
	SAME(back.layer[1].path, "/home/a b", "path");
	OK(back.layer[1].index == 3 && back.layer[1].handle.len == 3 &&
	   !memcmp(back.layer[1].handle.bytes, "\0\xff\x10", 3), "handle");
	plan_free(&back);
}

static int decode(const char *bytes, size_t size)
{
	struct plan p;
	/* of exactly that size, so that reading beyond is noticed */
	char *copy = malloc(size ? size : 1);
	int err;

	memcpy(copy, bytes, size);
	err = journal_decode(&p, copy, size);
	plan_free(&p);
	free(copy);
	return err;
}

static void truncated(const char *bytes, size_t size)
{
	size_t bad = 0;

	for (size_t len = 0; len < size; len++)
		bad += decode(bytes, len) != -ENODATA;
	OK(!bad, "no part is taken for the whole, nor for a damaged one (%zu)", bad);
}

static void flipped(char *bytes, size_t size)
{
	size_t bad = 0;

	for (size_t i = 0; i < size; i++) {
		char kept = bytes[i];

		for (int bit = 0; bit < 8; bit++) {
			bytes[i] = (char)(kept ^ 1 << bit);
			bad += decode(bytes, size) != -EBADMSG;
		}
		bytes[i] = 0;
		bad += kept && decode(bytes, size) != -EBADMSG;
		bytes[i] = (char)0xff;
		bad += kept != (char)0xff && decode(bytes, size) != -EBADMSG;
		bytes[i] = kept;
	}
	OK(!bad, "a changed bit or byte is noticed (%zu)", bad);
	OK(!decode(bytes, size), "and nothing else");
}

static void longer(const char *bytes, size_t size)
{
	char *more = calloc(1, size + 8);

	memcpy(more, bytes, size);
	OK(decode(more, size + 8) == -EBADMSG, "something behind the end");
	free(more);
}

/* put checksums right again after a change at will, record by record */
static void seal(char *bytes, size_t size)
{
	struct journal_header *h = (void *)bytes;
	size_t at = sizeof(*h);

	h->crc = 0;
	h->crc = htole32(crc32c(0, h, sizeof(*h)));
	while (at + sizeof(struct journal_record) <= size) {
		struct journal_record *r = (void *)(bytes + at);
		size_t len = le32toh(r->length);

		if (len < sizeof(*r) || len % 8 || len > size - at)
			return;
		if (le32toh(r->kind) == JOURNAL_END && len == sizeof(struct journal_end))
			((struct journal_end *)r)->hash = htole64(crc64(0, bytes, at));
		r->crc = 0;
		r->crc = htole32(crc32c(0, r, len));
		at += len;
	}
}

/* what somebody else could have written: checksums are right, fields are not */
static void forged(const char *bytes, size_t size)
{
	char *copy = malloc(size);
	size_t fine = 0;

	for (size_t i = 0; i < size; i++) {
		static const unsigned char with[] = { 0, 1, 0x7f, 0x80, 0xff };

		for (size_t n = 0; n < sizeof(with); n++) {
			memcpy(copy, bytes, size);
			copy[i] = (char)with[n];
			seal(copy, size);
			fine += !decode(copy, size);
		}
	}
	OK(fine, "forged ones do no harm (%zu are such as could be)", fine);
	free(copy);
}

static struct journal_record *find(char *bytes, uint32_t kind)
{
	size_t at = sizeof(struct journal_header);

	for (;;) {
		struct journal_record *r = (void *)(bytes + at);

		if (le32toh(r->kind) == kind)
			return r;
		at += le32toh(r->length);
	}
}

static void refused(const char *bytes, size_t size)
{
	char *copy = malloc(size);
	struct journal_header *h = (void *)copy;

#define FORGE(change, want, what) \
	do { \
		memcpy(copy, bytes, size); \
		change; \
		seal(copy, size); \
		OK(decode(copy, size) == (want), what); \
	} while (0)
	FORGE(h->version = htole32(2), -EOPNOTSUPP, "a newer version");
	FORGE(h->incompat = htole64(1), -EOPNOTSUPP, "an unknown feature");
	FORGE(h->compat = htole64(1), 0, "a feature that may be ignored");
	FORGE(h->nsteps = htole32(2), -EBADMSG, "another number of steps");
	FORGE(h->reserved[4] = 1, -EBADMSG, "something reserved");
	FORGE(find(copy, JOURNAL_EXTENT)->kind = htole32(9), -EOPNOTSUPP, "an unknown record");
	FORGE(find(copy, JOURNAL_EXTENT)->kind = htole32(JOURNAL_OPTIONAL | 9), 0,
	      "an unknown record that may be ignored");
	FORGE(((struct journal_step *)find(copy, JOURNAL_STEP))->kind = htole32(9), -EBADMSG,
	      "an unknown step");
	FORGE(((struct journal_step *)find(copy, JOURNAL_STEP))->layer = htole32(1), -EBADMSG,
	      "a step of an unknown layer");
	FORGE(((struct journal_step *)find(copy, JOURNAL_STEP))->len[1] = 0, -EBADMSG,
	      "a string without its NUL");
	FORGE(((struct journal_layer *)find(copy, JOURNAL_LAYER))->data[3] = '.', -EBADMSG,
	      "a store with a relative path");
	free(copy);
}

/* names that would leave their directory, and keys that are none */
static void untrusted(void)
{
	static const char *const cases[][8] = {
		{ "a", KEY, "..", KEY, "a", KEY, "", "" },
		{ "a", KEY, ".", KEY, "a", KEY, "", "" },
		{ "a", KEY, "a/b", KEY, "a", KEY, "", "" },
		{ "a", KEY, "", KEY, "a", KEY, "", "" },
		{ "a", KEY, "a", KEY, "../../etc", KEY, "", "" },
		{ "a", "", "a", KEY, "a", KEY, "", "" },
		{ "a", KEY, "a", "01-0", "a", KEY, "", "" },
		{ "a", KEY, "a", "01-", "a", KEY, "", "" },
		{ "a", KEY, "a", "0100", "a", KEY, "", "" },
		{ "a", KEY, "a", KEY, "a", "01-0G", "", "" },
		{ "a", KEY, "a", KEY, "a", "", "", "" },
	};
	size_t bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(plan_free) struct plan p = {};
		const char *why;

		add_layer(&p, 0);
		add(&p, &(struct see_step) { .kind = SEE_STEP_RENAME }, cases[i]);
		bad += plan_check(&p, &why) != -EINVAL || !why;
	}
	OK(!bad, "names and keys that cannot be are refused");
}

static void files(const struct plan *p)
{
	char dir[] = "/tmp/see-test-XXXXXX";
	_cleanup_(plan_free) struct plan back = {};
	_cleanup_close_ int fd = -1;
	int cut;

	if (!mkdtemp(dir))
		abort();
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OK(journal_read(fd, JOURNAL_NAME, &back) == -ENOENT, "no journal");
	OK(!journal_write(fd, p) && faccessat(fd, "journal.new", F_OK, 0) < 0, "written to a file");
	OK(!journal_read(fd, JOURNAL_NAME, &back) && back.nsteps == p->nsteps, "and read");
	plan_free(&back);
	OK(!journal_mark(fd) && journal_read(fd, JOURNAL_NAME, &back) == -ENOENT &&
	   !journal_read(fd, JOURNAL_MARK, &back), "marked");
	plan_free(&back);
	cut = openat(fd, JOURNAL_MARK, O_WRONLY | O_CLOEXEC);
	OK(!ftruncate(cut, 200) && journal_read(fd, JOURNAL_MARK, &back) == -ENODATA, "cut off");
	close(cut);
	OK(!journal_renewed(fd) && faccessat(fd, JOURNAL_MARK, F_OK, 0) < 0 && journal_pending(fd),
	   "renamed once more");
	OK(!journal_remove(fd) && faccessat(fd, JOURNAL_RENEWED, F_OK, 0) < 0 && !journal_pending(fd),
	   "removed");
	OK(!journal_remove(fd), "removed again");
	rmdir(dir);
}

int main(void)
{
	_cleanup_(plan_free) struct plan p;
	_cleanup_free_ char *bytes = NULL;
	size_t size = 0;

	OK(crc32c(0, "123456789", 9) == 0xe3069283, "CRC-32C");
	OK(crc64(0, "123456789", 9) == 0x995dc9bbdf1939faULL, "CRC-64");
	OK(crc32c(crc32c(0, "1234", 4), "56789", 5) == 0xe3069283, "in pieces");
	fill(&p);
	round_trip(&p, &bytes, &size);
	truncated(bytes, size);
	flipped(bytes, size);
	longer(bytes, size);
	forged(bytes, size);
	refused(bytes, size);
	untrusted();
	files(&p);
	return tap_end();
}
