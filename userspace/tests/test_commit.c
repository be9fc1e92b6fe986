// SPDX-License-Identifier: GPL-2.0
/* test_commit.c - arguments of commit, check and revert; problems in words and JSON */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>

#include "json.h"
#include "seectl.h"
#include "tap.h"

static char *said;	/* what usage_error() was called with */

/* main.c is not linked */
int usage_error(const char *verb, const char *format, ...)
{
	va_list args;

	(void)verb;
	free(said);
	va_start(args, format);
	if (vasprintf(&said, format, args) < 0)
		said = NULL;
	va_end(args);
	return EXIT_SEECTL;
}

/* ---- arguments ---- */

#define WORDS	8

static int words(char *const line[WORDS], char *argv[WORDS + 1])
{
	int argc = 0;

	while (argc < WORDS && line[argc]) {
		argv[argc] = line[argc];
		argc++;
	}
	argv[argc] = NULL;
	return argc;
}

static void arguments(void)
{
	static const struct {
		int (*verb)(int argc, char **argv);
		const char *part;	/* of what is said */
		char *const line[WORDS];
	} cases[] = {
		{ verb_commit, "NAME", { "commit" } },
		{ verb_commit, "NAME", { "commit", "--criterion", "writes" } },
		{ verb_commit, "NAME", { "commit", "a", "b", "--criterion", "writes" } },
		{ verb_commit, "is needed: writes (", { "commit", "a" } },
		{ verb_commit, "force (the SEE wins", { "commit", "a", "--json" } },
		{ verb_commit, "needs an argument", { "commit", "a", "--criterion" } },
		{ verb_commit, "not recorded yet", { "commit", "a", "--criterion", "serializable" } },
		{ verb_commit, "bog\\012us", { "commit", "a", "--criterion", "bog\nus" } },
		{ verb_commit, "--force", { "commit", "a", "--force" } },
		{ verb_check, "is needed", { "check", "a" } },
		{ verb_check, "unknown option", { "check", "a", "--criterion", "writes", "--keep" } },
		{ verb_revert, "PATH", { "revert" } },
		{ verb_revert, "PATH", { "revert", "a" } },
		{ verb_revert, "PATH", { "revert", "--all", "a" } },
		{ verb_run, "is needed", { "run", "--commit", "--", "true" } },
		{ verb_run, "not recorded yet",
		  { "run", "--commit", "--criterion", "serializable", "--", "true" } },
		{ verb_run, "is for --commit", { "run", "--criterion", "force", "--", "true" } },
		{ verb_run, "is for --commit", { "run", "--keep", "--criterion", "force", "--", "true" } },
		{ verb_run, "one of them",
		  { "run", "--commit", "--criterion", "force", "--abort", "--", "true" } },
		{ verb_run, "one of them", { "run", "--keep", "--commit", "--", "true" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *argv[WORDS + 1];
		int argc = words(cases[i].line, argv);

		free(said);
		said = NULL;
		OK(cases[i].verb(argc, argv) == EXIT_SEECTL && said && strstr(said, cases[i].part),
		   "%s %zu: %s", argv[0], i, cases[i].part);
	}
}

static void criteria(void)
{
	unsigned int criterion = 99;

	OK(!criterion_parse("commit", "writes", &criterion) && criterion == SEE_CRITERION_WRITES,
	   "writes");
	OK(!criterion_parse("commit", "force", &criterion) && criterion == SEE_CRITERION_FORCE,
	   "force");
	OK(criterion_parse("commit", "", &criterion) == EXIT_SEECTL, "an empty one");
	OK(criterion == SEE_CRITERION_FORCE, "what is wrong changes nothing");
}

static void lines(void)
{
	static const struct {
		const char *layer;
		const char *path;
		const char *line;
	} cases[] = {
		{ "/", "/etc/hosts", "3 etc/hosts" },
		{ "/", "/", "3 " },
		{ "/boot", "/boot/grub/x y", "3 grub/x y" },
		{ "/boot", "/boot", "3 " },
		{ "/boot", "/", "3 " },			/* all of a layer further in */
		{ "/srv/a", "/srv", "3 " },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct layer l = { .index = 3, .path = (char *)cases[i].layer, .fd = -1 };
		_cleanup_free_ char *line = revert_line(&l, cases[i].path);

		SAME(line, cases[i].line, "%s in %s", cases[i].path, cases[i].layer);
	}
}

/* ---- problems ---- */

static void add(struct problems *list, unsigned int why, const char *path, struct problem p)
{
	p.why = why;
	p.path = path ? strdup(path) : NULL;
	OK(!problems_add(list, &p), "a problem");
}

static struct change change(const char *path, unsigned int what, const char *from)
{
	return (struct change) { .what = what, .path = (char *)path, .from = (char *)from };
}

/* one of each kind, out of order, one twice */
static void fill(struct problems *list)
{
	add(list, SEE_PROBLEM_CONFLICT, "/a-b", (struct problem) { .conflict = SEE_CONFLICT_GONE });
	add(list, SEE_PROBLEM_CONFLICT, "/a/\033[2J", (struct problem) {
		.conflict = SEE_CONFLICT_NAME, .host_known = true,
		.host = { S_IFREG | 0644, 1, 2, 40 }, .mtime = 86400 });
	add(list, SEE_PROBLEM_BUSY, NULL, (struct problem) { .pid = 7, .command = strdup("a\033b") });
	add(list, SEE_PROBLEM_BUSY, "/a", (struct problem) { .error = EBUSY });
	add(list, SEE_PROBLEM_BUSY, "/b", (struct problem) { .error = ETXTBSY });
	add(list, SEE_PROBLEM_BUSY, "/b", (struct problem) { .error = ETXTBSY, .pid = 8 });
	add(list, SEE_PROBLEM_DENIED, "/a", (struct problem) { .error = EACCES });
	add(list, SEE_PROBLEM_DENIED, "/a", (struct problem) { .error = EACCES });
	add(list, SEE_PROBLEM_FAILED, "/z", (struct problem) { .error = ENOSPC });
	add(list, SEE_PROBLEM_TORN, "/\xff", (struct problem) {
		.conflict = SEE_CONFLICT_CHANGED, .host_known = true });
	problems_sort(list);
}

static void text(void)
{
	static const char want[] =
		"busy     SEE x: process 7 (a\\033b) uses it\n"
		"denied   /a: you may not do that on the host: Permission denied\n"
		"busy     /a: something is mounted on it on the host\n"
		"conflict /a/\\033[2J: the host has something else there; now a file, 0644 1:2, 40 bytes, of 1970-01-02 00:00:00\n"
		"conflict /a-b: the host removed it\n"
		"busy     /b: somebody has it open for writing\n"
		"busy     /b: process 8 has it open for writing\n"
		"failed   /z: No space left on device\n"
		"torn     /\\377: could not be taken back: the host changed it, too\n";
	_cleanup_(problems_free) struct problems list = {};
	_cleanup_free_ char *got = NULL;
	struct see see = { .name = "x" };
	size_t size;
	FILE *out = open_memstream(&got, &size);

	fill(&list);
	OK(list.n == 9, "one was there twice");
	if (!out)
		return;
	problems_print(out, &see, &list);
	fclose(out);
	SAME(got, want, "the list");
}

static const char *member(struct json_object *list, size_t i, const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(json_object_array_get_idx(list, i), key, &value);
	return value ? json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN) : "none";
}

static void json(void)
{
	_cleanup_(problems_free) struct problems list = {};
	struct json_object *got;

	fill(&list);
	list.problem[4].did[list.problem[4].ndid++] = "data";
	got = problems_json(&list);
	SAME(member(got, 0, "path"), "none", "no path");
	SAME(member(got, 0, "pid"), "7", "who");
	SAME(member(got, 0, "command"), "\"a\\u001bb\"", "what it runs");
	SAME(member(got, 1, "why"), "\"denied\"", "why");
	SAME(member(got, 1, "error"), "\"EACCES\"", "an error by name");
	SAME(member(got, 1, "host"), "none", "the host does not matter");
	SAME(member(got, 3, "host"),
	     "{\"type\":\"file\",\"mode\":\"0644\",\"uid\":1,\"gid\":2,\"size\":40,\"mtime\":86400}",
	     "what the host has");
	SAME(member(got, 3, "conflicts"), "[\"name\"]", "a conflict");
	SAME(member(got, 4, "changes"), "[\"data\"]", "what the SEE did");
	SAME(member(got, 2, "conflicts"), "[]", "no conflict");
	SAME(member(got, 8, "path_hex"), "\"2fff\"", "bytes of a path");
	json_object_put(got);
}

static void explained(void)
{
	struct change changed[] = {
		change("/nowhere/moved", SEE_CHANGE_ATTR, "/etc"),
		change("/proc/self", SEE_CHANGE_NAME_MADE | SEE_CHANGE_NAME_REPLACED, NULL),
		change("/proc/self", SEE_CHANGE_DATA, NULL),
	};
	const struct changes changes = { .change = changed, .n = ARRAY_SIZE(changed) };
	_cleanup_(problems_free) struct problems list = {};

	add(&list, SEE_PROBLEM_CONFLICT, "/nowhere/moved", (struct problem) {});
	add(&list, SEE_PROBLEM_CONFLICT, "/nowhere/x", (struct problem) {});
	add(&list, SEE_PROBLEM_CONFLICT, "/proc/self", (struct problem) {});
	add(&list, SEE_PROBLEM_BUSY, "/proc", (struct problem) { .pid = (unsigned int)getpid() });
	add(&list, SEE_PROBLEM_BUSY, NULL, (struct problem) { .pid = 1U << 30 });
	problems_explain(&list, &changes);
	OK(list.problem[0].host_known && S_ISDIR(list.problem[0].host.mode),
	   "an object is where the host has it");
	OK(list.problem[0].ndid == 1, "one change");
	OK(list.problem[1].host_known && !list.problem[1].host.mode && !list.problem[1].ndid,
	   "nothing is there");
	OK(list.problem[2].ndid == 2 && S_ISLNK(list.problem[2].host.mode), "a name and an object");
	SAME(list.problem[2].did[0], "replaced", "the name");
	SAME(list.problem[2].did[1], "data", "the object");
	OK(!list.problem[3].host_known, "who uses it is no matter of the host's");
	SAME(list.problem[3].command, "test_commit", "a command");
	OK(!list.problem[4].command, "a process that is gone");
}

/* ---- reports ---- */

static int report(const struct see_problem *head, const char *path, size_t len, int seals)
{
	char record[128] = {};
	struct see_problem p = *head;
	int fd = memfd_create("report", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	p.rec.len = (__u32)((sizeof(p) + len + 1 + 7) & ~7UL);
	p.rec.kind = SEE_REC_PROBLEM;
	p.path_len = (__u32)len;
	memcpy(record, &p, sizeof(p));
	memcpy(record + sizeof(p), path, len);
	if (fd >= 0 && (write_all(fd, record, p.rec.len) || fcntl(fd, F_ADD_SEALS, seals) < 0))
		close_fd(&fd);
	return fd;
}

static void reports(void)
{
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW;
	const struct see_problem head = { .why = SEE_PROBLEM_CONFLICT, .layer = 4,
					  .conflict = SEE_CONFLICT_WEAK };
	struct layer layers[] = { { .index = 0, .path = "/", .fd = -1 },
				  { .index = 4, .path = "/srv", .fd = -1 } };
	struct see see = { .layer = layers, .nlayers = 2 };
	_cleanup_close_ int good = report(&head, "a/b", 3, seals), whole = report(&head, "", 0, seals),
		open = report(&head, "a", 1, 0), nul = report(&head, "a\0b", 3, seals);
	_cleanup_(problems_free) struct problems list = {}, none = {};

	OK(!problems_read(&see, good, &list) && !problems_read(&see, whole, &list) && list.n == 2,
	   "two reports");
	SAME(list.problem[0].path, "/srv/a/b", "a path of its layer");
	OK(list.problem[0].conflict == SEE_CONFLICT_WEAK && !list.problem[1].path,
	   "the SEE as a whole");
	OK(problems_read(&see, open, &none) == -EBADMSG && problems_read(&see, nul, &none) == -EBADMSG &&
	   !none.n, "what is no report");
}

int main(void)
{
	setenv("TZ", "UTC0", 1);
	arguments();
	criteria();
	lines();
	text();
	json();
	explained();
	reports();
	free(said);
	for (int i = 0; i < 8; i++)
		quote("");
	return tap_end();
}
