// SPDX-License-Identifier: GPL-2.0
/* report.c - why a commit did not happen */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>

#include "crc.h"
#include "report.h"
#include "util.h"

void report_init(struct report *r)
{
	memset(r, 0, sizeof(*r));
	r->fd = -1;
}

void report_free(struct report *r)
{
	close_fd(&r->fd);
	free(r->seen);
	r->seen = NULL;
	r->room = 0;
}

/* 1 if it was there; at most half of the table is used */
static int see_hash(uint64_t *seen, size_t room, uint64_t hash)
{
	size_t at = (size_t)hash & (room - 1);

	for (; seen[at]; at = (at + 1) & (room - 1))
		if (seen[at] == hash)
			return 1;
	seen[at] = hash;
	return 0;
}

static int grow(struct report *r)
{
	size_t room = r->room ? 2 * r->room : 64;
	uint64_t *seen = calloc(room, sizeof(*seen));

	if (!seen)
		return -ENOMEM;
	for (size_t i = 0; i < r->room; i++)
		if (r->seen[i])
			(void)see_hash(seen, room, r->seen[i]);
	free(r->seen);
	r->seen = seen;
	r->room = room;
	return 0;
}

static int is_known(struct report *r, const struct see_problem *p, const char *path)
{
	uint64_t hash = crc64(crc64(0, p, sizeof(*p)), path, strlen(path));

	if (2 * (size_t)r->total >= r->room && grow(r))
		return -ENOMEM;
	return see_hash(r->seen, r->room, hash ? hash : 1);
}

int report_add(struct report *r, const struct see_problem *p, const char *path)
{
	static const char zeros[8];
	struct see_problem rec = *p;
	size_t len = strlen(path) + 1, padded = (len + 7) & ~(size_t)7;
	int err;

	rec.rec.kind = SEE_REC_PROBLEM;
	rec.rec.len = (__u32)(sizeof(rec) + padded);
	rec.path_len = (__u32)(len - 1);
	err = is_known(r, &rec, path);
	if (err)
		return err < 0 ? err : 0;
	if (r->fd < 0) {
		r->fd = memfd_create("see-report", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		if (r->fd < 0)
			return -errno;
	}
	err = write_all(r->fd, &rec, sizeof(rec));
	if (!err)
		err = write_all(r->fd, path, len);
	if (!err)
		err = write_all(r->fd, zeros, padded - len);
	if (!err) {
		r->total++;
		r->n[rec.why <= SEE_PROBLEM_TORN ? rec.why : 0]++;
	}
	return err;
}

int report_take(struct report *r)
{
	if (r->fd < 0)
		return -1;
	if (fcntl(r->fd, F_ADD_SEALS,
		  F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return -1;
	return take_fd(&r->fd);
}

void report_summary(const struct report *r, char *text, size_t size)
{
	static const struct {
		unsigned int why;
		const char *one, *many;
	} words[] = {
		{ SEE_PROBLEM_CONFLICT, "conflict", "conflicts" },
		{ SEE_PROBLEM_DENIED, "change not permitted", "changes not permitted" },
		{ SEE_PROBLEM_BUSY, "busy", "busy" },
		{ SEE_PROBLEM_FAILED, "failure", "failures" },
		{ SEE_PROBLEM_TORN, "not taken back", "not taken back" },
	};
	size_t used = 0;

	text[0] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		unsigned int n = r->n[words[i].why];

		if (n && used < size)
			used += (size_t)snprintf(text + used, size - used, "%s%u %s", used ? ", " : "",
						 n, n == 1 ? words[i].one : words[i].many);
	}
}
