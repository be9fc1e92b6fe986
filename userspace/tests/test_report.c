// SPDX-License-Identifier: GPL-2.0
/* test_report.c - reports of commits and lists of paths, from others */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "libsee.h"
#include "paths.h"
#include "report.h"
#include "tap.h"
#include "util.h"

#define SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int memfd(const void *data, size_t len, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || write_all(fd, data, len) || fcntl(fd, F_ADD_SEALS, seals) < 0)
		abort();
	return fd;
}

/* ---- reports ---- */

struct seen {
	unsigned int n;
	char paths[256];
};

static int see(const struct see_problem *p, void *data)
{
	struct seen *s = data;

	s->n++;
	snprintf(s->paths + strlen(s->paths), sizeof(s->paths) - strlen(s->paths), "%u:%s ", p->why,
		 p->path);
	return 0;
}

static void round_trip(void)
{
	struct see_problem p = { .why = SEE_PROBLEM_CONFLICT, .layer = 3, .conflict = 1 };
	_cleanup_close_ int fd = -1;
	struct seen s = {};
	struct report r;
	char text[128];

	report_init(&r);
	OK(report_take(&r) == -1, "nothing to report");
	OK(!report_add(&r, &p, "a/b") && !report_add(&r, &p, "a/b") && !report_add(&r, &p, "a/c"),
	   "problems");
	p = (struct see_problem) { .why = SEE_PROBLEM_BUSY, .pid = 4711 };
	OK(!report_add(&r, &p, ""), "one of the SEE as a whole");
	report_summary(&r, text, sizeof(text));
	SAME(text, "2 conflicts, 1 busy", "in a word");
	fd = report_take(&r);
	report_free(&r);
	OK(fd >= 0 && !see_problems(fd, see, &s) && s.n == 3, "once each");
	SAME(s.paths, "1:a/b 1:a/c 3: ", "as they were");
	OK(fcntl(fd, F_GET_SEALS) == (SEALS | F_SEAL_SEAL), "sealed");
}

static void many(void)
{
	struct see_problem p = { .why = SEE_PROBLEM_DENIED, .error = EPERM };
	_cleanup_close_ int fd = -1;
	struct seen s = {};
	struct report r;
	int bad = 0;

	report_init(&r);
	for (int twice = 0; twice < 2; twice++)
		for (int i = 0; i < 5000; i++) {
			char path[32];

			snprintf(path, sizeof(path), "path/%d", i);
			bad += !!report_add(&r, &p, path);
		}
	fd = report_take(&r);
	OK(!bad && !see_problems(fd, see, &s) && s.n == 5000, "5000 problems, each told twice");
	report_free(&r);
}

/* what claims to be one */
static void forged(void)
{
	struct {
		struct see_problem p;
		char path[8];
	} rec = { .p = { .rec = { sizeof(rec), SEE_REC_PROBLEM }, .why = 1, .path_len = 2 }, .path = "ab" };
	struct seen s = {};
	int bad = 0, fd;

	fd = memfd(&rec, sizeof(rec), F_SEAL_SHRINK);
	OK(see_problems(fd, see, &s) == -EBADMSG, "one that could be changed");
	close(fd);
	for (size_t len = 1; len < sizeof(rec); len++) {
		fd = memfd(&rec, len, SEALS);
		bad += see_problems(fd, see, &s) != -EBADMSG;
		close(fd);
	}
	OK(!bad, "one that was cut off");
	for (unsigned int i = 0; i < 64; i++) {
		__typeof__(rec) other = rec;

		other.p.rec.len = i;
		fd = memfd(&other, sizeof(other), SEALS);
		bad += i != sizeof(rec) && see_problems(fd, see, &s) != -EBADMSG;
		close(fd);
		other = rec;
		other.p.path_len = i;
		fd = memfd(&other, sizeof(other), SEALS);
		bad += i != 2 && see_problems(fd, see, &s) != -EBADMSG;
		close(fd);
	}
	OK(!bad, "lengths that are not (%d)", bad);
	memset(rec.path, 'x', sizeof(rec.path));
	fd = memfd(&rec, sizeof(rec), SEALS);
	OK(see_problems(fd, see, &s) == -EBADMSG, "a path without an end");
	close(fd);
	rec.p.rec.kind = 77;
	fd = memfd(&rec, sizeof(rec), SEALS);
	s.n = 0;
	OK(!see_problems(fd, see, &s) && !s.n, "an unknown record is skipped");
	close(fd);
	fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	OK(see_problems(fd, see, &s) == -EBADMSG, "no memfd");
	close(fd);
}

/* ---- paths ---- */

static int parse(const char *text, size_t len)
{
	struct paths p;
	int err = paths_parse(&p, text, len);

	paths_free(&p);
	return err;
}

static void lines(void)
{
	static const char good[] = "0 a/b\0" "3 \0" "63 x y";
	_cleanup_(paths_free) struct paths p = {};

	OK(!paths_parse(&p, good, sizeof(good)) && p.n == 3, "three lines");
	OK(p.path[2].layer == 63 && !strcmp(p.path[2].path, "x y"), "with a blank in it");
	OK(paths_match(&p, 0, "a/b") && paths_match(&p, 0, "a/b/c"), "at and below");
	OK(!paths_match(&p, 0, "a") && !paths_match(&p, 0, "a/bc") && !paths_match(&p, 1, "a/b"),
	   "nothing else");
	OK(!p.path[1].found && paths_match(&p, 3, "anything") && p.path[1].found,
	   "all of a layer");
	OK(p.path[0].found && !p.path[2].found, "which were found");
}

static void bad_lines(void)
{
#define BAD(text) OK(parse(text, sizeof(text)) == -EINVAL, "\"%s\"", text)
	BAD("");
	BAD("0");
	BAD("a");
	BAD("x a");
	BAD("-1 a");
	BAD("64 a");
	BAD("0 /a");
	BAD("0 a/");
	BAD("0 a//b");
	BAD("0 ../a");
	BAD("0 a/..");
	BAD("0 .");
	OK(parse("0 a", 3) == -EINVAL, "without its NUL");
	OK(parse("", 0) == -EINVAL, "nothing");
	OK(parse("0 a\0\0", 5) == -EINVAL, "an empty line");
}

static void files(void)
{
	_cleanup_(paths_free) struct paths p = {};
	_cleanup_free_ char *much = calloc(1, PATHS_MAX + 8);
	int fds[2], fd;

	fd = memfd("0 a", 4, 0);
	OK(!paths_read(&p, fd) && p.n == 1, "from a memfd");
	paths_free(&p);
	close(fd);
	if (pipe2(fds, O_CLOEXEC) < 0)
		abort();
	OK(paths_read(&p, fds[0]) == -EBADF, "a pipe, which could block for ever");
	close(fds[0]);
	close(fds[1]);
	memset(much, 'a', PATHS_MAX + 8);
	much[0] = '0';
	much[1] = ' ';
	fd = memfd(much, PATHS_MAX + 1, 0);
	OK(paths_read(&p, fd) == -E2BIG, "too much");
	close(fd);
	much[PATHS_MAX - 1] = 0;
	fd = memfd(much, PATHS_MAX, 0);
	OK(!paths_read(&p, fd), "just not too much");
	close(fd);
}

int main(void)
{
	round_trip();
	many();
	forged();
	lines();
	bad_lines();
	files();
	return tap_end();
}
