// SPDX-License-Identifier: GPL-2.0
/*
 * test_recover.c - commits that were interrupted are taken back or finished
 *
 * On a scratch directory of the machine's own file system, as at boot: no module,
 * only what is on disk.  The steps are applied here with plain system calls, up to
 * each of them; recovery must bring back every name, byte and attribute, also if it
 * is interrupted itself, and must not touch what the host did meanwhile.
 */
#define _GNU_SOURCE
#include <ftw.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "attr.h"
#include "crc.h"
#include "handle.h"
#include "recover.h"
#include "tap.h"
#include "util.h"

#define ID	7
#define CREATED	1700000000
#define PART	"7-1700000000"
#define BLOCK	4096

/* sanitizers tell on standard output: standard error has what recovery says */
const char *__asan_default_options(void)
{
	return "log_path=stdout";
}

const char *__ubsan_default_options(void)
{
	return "log_path=stdout";
}

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

#define MUST(call) \
	do { \
		if ((call) < 0) \
			die(#call); \
	} while (0)

/* ---- a scratch directory: the working directory, with "host" and "base" in it ---- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void remove_all(const char *path)
{
	(void)nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	MUST(fd);
	MUST(write_all(fd, text, strlen(text)));
	close(fd);
}

/* @blocks of @c each, and @more bytes */
static void put_blocks(const char *path, size_t at, size_t blocks, size_t more, int c)
{
	_cleanup_free_ char *buf = malloc(blocks * BLOCK + more + 1);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	MUST(fd);
	memset(buf, c, blocks * BLOCK + more);
	MUST(pwrite(fd, buf, blocks * BLOCK + more, (off_t)(at * BLOCK)));
	close(fd);
}

static void set_time(const char *path, long seconds)
{
	struct timespec t[2] = { { .tv_sec = seconds }, { .tv_sec = seconds, .tv_nsec = 123 } };

	MUST(utimensat(AT_FDCWD, path, t, AT_SYMLINK_NOFOLLOW));
}

static void key(const char *path, char text[KEY_SIZE])
{
	_cleanup_close_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);

	MUST(fd);
	/* a file system without handles has no commits, and this test no meaning */
	if (key_of(fd, text))
		die("no file handles");
}

/* ---- what there is, as text ---- */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void dump_content(FILE *out, const char *path, const struct stat *st)
{
	char target[256] = "";
	_cleanup_free_ char *text = NULL;
	size_t len = 0;

	if (S_ISREG(st->st_mode)) {
		if (read_file(AT_FDCWD, path, 1U << 24, &text, &len))
			die(path);
		fprintf(out, " size %zu hash %jx mtime %jd", len, (uintmax_t)crc64(0, text, len),
			(intmax_t)attr_mtime(st));
	} else if (S_ISLNK(st->st_mode)) {
		if (readlink(path, target, sizeof(target) - 1) < 0)
			die(path);
		fprintf(out, " -> %s", target);
	}
}

static void dump_xattrs(FILE *out, const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *names = NULL;
	const char *name[32];
	size_t len = 0, n = 0;

	if (attr_list(fd, &names, &len))
		die(path);
	for (size_t at = 0; at < len && n < ARRAY_SIZE(name); at += strlen(names + at) + 1)
		name[n++] = names + at;
	qsort(name, n, sizeof(*name), by_text);
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *value = NULL;
		size_t size = 0;

		if (attr_get(fd, name[i], &value, &size))
			die(path);
		fprintf(out, " %s=%jx", name[i], (uintmax_t)crc64(0, value, size));
	}
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void dump_tree(FILE *out, const char *path)
{
	struct dirent **list = NULL;
	struct stat st;
	int n;

	MUST(lstat(path, &st));
	fprintf(out, "%s %o %u:%u", path, st.st_mode, st.st_uid, st.st_gid);
	dump_content(out, path, &st);
	dump_xattrs(out, path);
	fputc('\n', out);
	if (!S_ISDIR(st.st_mode))
		return;
	n = scandir(path, &list, NULL, by_name);
	MUST(n);
	for (int i = 0; i < n; i++) {
		char below[512];

		if (strcmp(list[i]->d_name, ".") && strcmp(list[i]->d_name, "..")) {
			snprintf(below, sizeof(below), "%s/%s", path, list[i]->d_name);
			dump_tree(out, below);
		}
		free(list[i]);
	}
	free(list);
}

static char *dump(const char *path)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	dump_tree(out, path);
	fclose(out);
	return text;
}

/* ---- the scenario ---- */

struct scene {
	struct plan plan;
	char cwd[256];
	char *before;		/* the host's tree */
	char *private;		/* the private tree */
};

static void add_step(struct plan *p, struct see_step *fields, const char *path,
		     const char *src_dir, const char *src, const char *dst_dir, const char *dst,
		     const char *src_of, const char *old_of, const char *new_of)
{
	char keys[5][KEY_SIZE] = { "", "", "", "", "" };
	const char *const of[5] = { src_dir, dst_dir, src_of, old_of, new_of };
	const char *text[8];
	struct see_step *s;
	char *to;

	for (int i = 0; i < 5; i++)
		if (of[i])
			key(of[i], keys[i]);
	text[SEE_TEXT_PATH] = path;
	text[SEE_TEXT_SRC_DIR] = keys[0];
	text[SEE_TEXT_SRC] = src ? src : "";
	text[SEE_TEXT_DST_DIR] = keys[1];
	text[SEE_TEXT_DST] = dst ? dst : "";
	text[SEE_TEXT_SRC_KEY] = keys[2];
	text[SEE_TEXT_OLD_KEY] = keys[3];
	text[SEE_TEXT_NEW_KEY] = keys[4];
	s = calloc(1, sizeof(*s) + 8 * 1024);
	*s = *fields;
	to = s->text;
	for (int i = 0; i < 8; i++) {
		s->len[i] = (__u16)(strlen(text[i]) + 1);
		to = stpcpy(to, text[i]) + 1;
	}
	s->rec.len = (__u32)(((char *)to - (char *)s + 7) & ~7L);
	s->rec.kind = SEE_REC_STEP;
	s->step = (__u32)p->nsteps;
	if (plan_add_step(p, s))
		die("a step");
	free(s);
}

static void names(struct plan *p, unsigned int kind, const char *path, const char *src_dir,
		  const char *src, const char *dst_dir, const char *dst, const char *src_of,
		  const char *old_of)
{
	struct see_step s = { .kind = kind };

	add_step(p, &s, path, src_dir, src, dst_dir, dst, src_of, old_of, NULL);
}

static void extent(struct plan *p, unsigned int flags, uint64_t start, uint64_t end)
{
	struct see_extent e = {
		.rec = { sizeof(e), SEE_REC_EXTENT }, .step = (__u32)p->nsteps - 1,
		.flags = flags, .start = start * BLOCK, .end = end * BLOCK,
	};

	if (plan_add_extent(p, &e))
		die("an extent");
}

/* attributes of both sides from the files that have them */
static void modify(struct plan *p, const char *path, const char *host, const char *old,
		   const char *new, unsigned int flags, uint64_t new_size, uint64_t limit)
{
	struct see_step s = {
		.kind = SEE_STEP_MODIFY, .flags = flags, .new_size = new_size, .limit = limit,
	};
	struct stat a, b;

	MUST(lstat(host, &a));
	MUST(lstat(new, &b));
	s.old_mode = a.st_mode;
	s.old_uid = a.st_uid;
	s.old_gid = a.st_gid;
	s.old_size = S_ISREG(a.st_mode) ? (uint64_t)a.st_size : 0;
	s.old_mtime = attr_mtime(&a);
	s.new_mode = b.st_mode;
	s.new_uid = b.st_uid;
	s.new_gid = b.st_gid;
	s.new_mtime = attr_mtime(&b);
	add_step(p, &s, path, NULL, NULL, NULL, NULL, host, old, new);
}

/* as the kernel has it: rw for the owner, @perm for @uid, r for the group, nothing else */
static void set_acl(const char *path, unsigned int uid, unsigned int perm)
{
	struct entry {
		uint16_t tag, perm;
		uint32_t id;
	} entry[] = {
		{ 1, 6, ~0U }, { 2, (uint16_t)perm, uid }, { 4, 4, ~0U }, { 0x10, 7, ~0U },
		{ 0x20, 0, ~0U },
	};
	char value[4 + sizeof(entry)] = { 2 };

	memcpy(value + 4, entry, sizeof(entry));
	MUST(setxattr(path, "system.posix_acl_access", value, sizeof(value), 0));
}

static void make_host(void)
{
	static const char *const dirs[] = {
		"host", "host/sub", "host/dir", "host/dir/inner", "host/mv", "host/acl",
	};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++)
		MUST(mkdir(dirs[i], 0755));
	put("host/rep", "the host's\n");
	put("host/orig", "linked\n");
	put("host/dead", "removed\n");
	put("host/dir/inner/f", "removed with its directory\n");
	put("host/mv/in", "moves along\n");
	MUST(symlink("nowhere", "host/sym"));
	put_blocks("host/data", 0, 8, 100, 'a');
	put_blocks("host/cut", 0, 6, 17, 'b');
	put_blocks("host/grow", 0, 1, 10, 'c');
	put("host/acl/f", "access\n");
	set_acl("host/acl/f", 1000, 6);
	put("host/attr", "attributes\n");
	MUST(chown("host/attr", 1000, 1001));
	MUST(chmod("host/attr", 06755));
	MUST(setxattr("host/attr", "user.old", "1", 1, 0));
	MUST(setxattr("host/attr", "user.both", "old", 3, 0));
	MUST(chmod("host/dir/inner", 0711));
	MUST(chown("host/dir", 5, 6));
	for (const char *const *f = (const char *const[]) {
		"host/rep", "host/orig", "host/dead", "host/dir/inner/f", "host/mv/in", "host/sym",
		"host/acl/f", "host/data", "host/cut", "host/grow", "host/attr", "host/sub", NULL }; *f; f++)
		set_time(*f, 1000000000);
}

/* what the SEE made */
static void make_private(void)
{
	MUST(mkdir("base", 0700));
	MUST(setxattr("base", "trusted.see.store", "1", 1, 0));
	MUST(mkdir("base/" PART, 0700));
	MUST(mkdir("base/7", 0700));
	MUST(mkdir("base/" PART "/0", 0700));
	MUST(mkdir("base/" PART "/0/made", 0700));
	MUST(mkdir("base/" PART "/0/nd", 0755));
	put("base/" PART "/0/made/new", "born\n");
	put("base/" PART "/0/made/rep", "the SEE's\n");
	put_blocks("base/" PART "/0/data", 2, 2, 0, 'A');
	put_blocks("base/" PART "/0/data", 7, 1, 200, 'A');
	put_blocks("base/" PART "/0/cut", 1, 1, 5, 'B');
	put_blocks("base/" PART "/0/grow", 0, 5, 0, 'C');
	put("base/" PART "/0/attr", "");
	MUST(chown("base/" PART "/0/attr", 1002, 1003));
	MUST(chmod("base/" PART "/0/attr", 02700));
	MUST(setxattr("base/" PART "/0/attr", "user.new", "2", 1, 0));
	MUST(setxattr("base/" PART "/0/attr", "user.both", "new", 3, 0));
	MUST(setxattr("base/" PART "/0/attr", "trusted.see.ctime", "ours", 4, 0));
	MUST(mkdir("base/" PART "/0/sub", 0700));
	put("base/" PART "/0/acl", "");
	set_acl("base/" PART "/0/acl", 2000, 4);
	MUST(symlink("nowhere", "base/" PART "/0/sym"));
	MUST(lchown("base/" PART "/0/sym", 12, 13));
}

/* what seed and the module make before the journal is written */
static void make_undo(void)
{
#define UNDO "base/" PART "/undo-0/"
	MUST(mkdir("base/" PART "/undo-0", 0700));
	MUST(link("host/orig", UNDO "2"));
	MUST(mkdir(UNDO "14", 0700));
	MUST(chmod(UNDO "14", 0711));
	MUST(mkdir(UNDO "15", 0755));
	MUST(chown(UNDO "15", 5, 6));
	put_blocks(UNDO "8", 2, 2, 0, 'a');
	put_blocks(UNDO "8", 7, 1, 100, 'a');
	put_blocks(UNDO "9", 1, 5, 17, 'b');
	put_blocks(UNDO "10", 0, 1, 10, 'c');
	put(UNDO "11", "");
	MUST(setxattr(UNDO "11", "user.old", "1", 1, 0));
	MUST(setxattr(UNDO "11", "user.both", "old", 3, 0));
	MUST(mkdir(UNDO "12", 0700));
	put(UNDO "16", "");
	set_acl(UNDO "16", 1000, 6);
	MUST(symlink("nowhere", UNDO "17"));
}

static void make_plan(struct plan *p, const char *base)
{
	const char *made = "base/" PART "/0/made", *tree = "base/" PART "/0", *undo = "base/" PART "/undo-0";
	struct meta_layer layer = { .base = (char *)base, .path = "/host" };

	p->see = ID;
	p->time = 1700000001;
	p->criterion = SEE_CRITERION_WRITES;
	if (plan_add_layer(p, 0, &layer, PART))
		die("a layer");
	names(p, SEE_STEP_RENAME, "new", made, "new", "host", "new",
	      "base/" PART "/0/made/new", NULL);
	names(p, SEE_STEP_EXCHANGE, "rep", made, "rep", "host", "rep",
	      "base/" PART "/0/made/rep", "host/rep");
	names(p, SEE_STEP_RENAME, "sub/link", undo, "2", "host/sub", "link", UNDO "2", NULL);
	names(p, SEE_STEP_RENAME, "dead", "host", "dead", undo, "3", "host/dead", NULL);
	names(p, SEE_STEP_RENAME, "dir/inner/f", "host/dir/inner", "f", undo, "4",
	      "host/dir/inner/f", NULL);
	names(p, SEE_STEP_RENAME, "nd/mv", "host", "mv", undo, "5", "host/mv", NULL);
	names(p, SEE_STEP_RENAME, "nd", tree, "nd", "host", "nd", "base/" PART "/0/nd", NULL);
	names(p, SEE_STEP_RENAME, "nd/mv", undo, "5", "base/" PART "/0/nd", "mv", "host/mv", NULL);
	modify(p, "data", "host/data", UNDO "8", "base/" PART "/0/data", SEE_STEP_DATA,
	       8 * BLOCK + 200, 8 * BLOCK + 100);
	extent(p, SEE_EXTENT_DATA, 2, 4);
	extent(p, SEE_EXTENT_ZERO, 5, 6);
	extent(p, SEE_EXTENT_DATA, 7, 9);
	modify(p, "cut", "host/cut", UNDO "9", "base/" PART "/0/cut", SEE_STEP_DATA,
	       2 * BLOCK + 5, 1 * BLOCK + 3);
	extent(p, SEE_EXTENT_DATA, 1, 3);
	extent(p, SEE_EXTENT_CUT, 1, 7);
	modify(p, "grow", "host/grow", UNDO "10", "base/" PART "/0/grow", SEE_STEP_DATA,
	       5 * BLOCK, 0);
	extent(p, SEE_EXTENT_DATA, 0, 5);
	extent(p, SEE_EXTENT_CUT, 0, 2);
	modify(p, "attr", "host/attr", UNDO "11", "base/" PART "/0/attr", 0, 0, 0);
	modify(p, "sub", "host/sub", UNDO "12", "base/" PART "/0/sub", 0, 0, 0);
	add_step(p, &(struct see_step) { .conflict = SEE_CONFLICT_GONE }, "gone", NULL, NULL, NULL,
		 NULL, NULL, NULL, NULL);
	names(p, SEE_STEP_RMDIR, "dir/inner", undo, "14", "host/dir", "inner", UNDO "14",
	      "host/dir/inner");
	names(p, SEE_STEP_RMDIR, "dir", undo, "15", "host", "dir", UNDO "15", "host/dir");
	modify(p, "acl/f", "host/acl/f", UNDO "16", "base/" PART "/0/acl", 0, 0, 0);
	modify(p, "sym", "host/sym", UNDO "17", "base/" PART "/0/sym", 0, 0, 0);
}

static void set_up(struct scene *s)
{
	char base[512];
	int fd;

	remove_all("host");
	remove_all("base");
	make_host();
	make_private();
	/* the pre-image of block 5, which becomes zeros */
	make_undo();
	put_blocks(UNDO "8", 5, 1, 0, 'a');
	memset(s, 0, sizeof(*s));
	if (!getcwd(s->cwd, sizeof(s->cwd)))
		die("getcwd");
	snprintf(base, sizeof(base), "%s/base", s->cwd);
	s->before = dump("host");
	s->private = dump("base/" PART "/0");
	make_plan(&s->plan, base);
	fd = open("base/7", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (journal_write(fd, &s->plan))
		die("journal");
	close(fd);
}

static void clear(struct scene *s)
{
	plan_free(&s->plan);
	free(s->before);
	free(s->private);
}

/* ---- applying, as the module does ---- */

/* the xattrs of @new are those of @host then */
static void xattrs(const char *host, const char *new)
{
	_cleanup_close_ int to = open(host, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_close_ int from = open(new, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	_cleanup_free_ char *names = NULL;
	size_t len = 0;

	MUST(attr_list(to, &names, &len));
	for (size_t at = 0; at < len; at += strlen(names + at) + 1)
		MUST(attr_set(to, names + at, NULL, 0));
	free(take_ptr(&names));
	MUST(attr_list(from, &names, &len));
	for (size_t at = 0; at < len; at += strlen(names + at) + 1) {
		_cleanup_free_ char *value = NULL;
		size_t size = 0;

		MUST(attr_get(from, names + at, &value, &size));
		MUST(attr_set(to, names + at, value, size));
	}
}

static void attributes(const struct plan_step *s, const char *host, const char *new)
{
	struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = s->see->new_mtime / 1000000000, .tv_nsec = s->see->new_mtime % 1000000000 },
	};

	MUST(lchown(host, s->see->new_uid, s->see->new_gid));
	xattrs(host, new);
	if (!S_ISLNK(s->see->old_mode))
		MUST(chmod(host, s->see->new_mode & 07777));
	MUST(utimensat(AT_FDCWD, host, times, AT_SYMLINK_NOFOLLOW));
}

static void copy(const char *from, const char *to, uint64_t start, uint64_t end)
{
	_cleanup_close_ int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CLOEXEC);
	char buf[BLOCK];

	MUST(in);
	MUST(out);
	while (start < end) {
		size_t len = end - start < BLOCK ? (size_t)(end - start) : BLOCK;

		memset(buf, 0, sizeof(buf));
		MUST(pread(in, buf, len, (off_t)start));
		MUST(pwrite(out, buf, len, (off_t)start));
		start += len;
	}
}

/* the first @parts: cut, size, each extent, attributes */
static void apply_modify(const struct plan_step *s, const char *host, const char *new, size_t parts)
{
	struct stat st;

	MUST(lstat(host, &st));
	if (s->see->flags & SEE_STEP_DATA) {
		if (parts > 0 && (uint64_t)st.st_size > s->see->limit)
			MUST(truncate(host, (off_t)s->see->limit));
		if (parts > 1)
			MUST(truncate(host, (off_t)s->see->new_size));
		for (size_t i = 0; i < s->nextents && i + 2 < parts; i++) {
			const struct see_extent *e = &s->extent[i];
			uint64_t end = e->end < s->see->new_size ? e->end : s->see->new_size;

			if (e->flags != SEE_EXTENT_CUT)
				copy(e->flags == SEE_EXTENT_DATA ? new : "/dev/zero", host, e->start, end);
		}
	}
	if (parts >= s->nextents + 3)
		attributes(s, host, new);
}

static void move(const char *from, const char *to, unsigned int flags)
{
	MUST(renameat2(AT_FDCWD, from, AT_FDCWD, to, flags));
}

static void apply(const struct plan *p, size_t i)
{
	const struct plan_step *s = &p->step[i];

	switch (i) {
	case 0: move("base/" PART "/0/made/new", "host/new", 0); break;
	case 1: move("base/" PART "/0/made/rep", "host/rep", RENAME_EXCHANGE); break;
	case 2: move(UNDO "2", "host/sub/link", 0); break;
	case 3: move("host/dead", UNDO "3", 0); break;
	case 4: move("host/dir/inner/f", UNDO "4", 0); break;
	case 5: move("host/mv", UNDO "5", 0); break;
	case 6: move("base/" PART "/0/nd", "host/nd", 0); break;
	case 7: move(UNDO "5", "host/nd/mv", 0); break;
	case 8: apply_modify(s, "host/data", "base/" PART "/0/data", 99); break;
	case 9: apply_modify(s, "host/cut", "base/" PART "/0/cut", 99); break;
	case 10: apply_modify(s, "host/grow", "base/" PART "/0/grow", 99); break;
	case 11: apply_modify(s, "host/attr", "base/" PART "/0/attr", 99); break;
	case 12: apply_modify(s, "host/sub", "base/" PART "/0/sub", 99); break;
	case 13: break;
	case 14: MUST(rmdir("host/dir/inner")); break;
	case 15: MUST(rmdir("host/dir")); break;
	case 16: apply_modify(s, "host/acl/f", "base/" PART "/0/acl", 99); break;
	case 17: apply_modify(s, "host/sym", "base/" PART "/0/sym", 99); break;
	}
}

static void apply_first(const struct scene *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		apply(&s->plan, i);
}

/* ---- recovering ---- */

static void count_torn(const struct plan_step *s, unsigned int conflict, void *data)
{
	(void)s;
	if (conflict)
		++*(unsigned int *)data;
}

/* the number of what is torn, or a negative errno */
static int recover(void)
{
	_cleanup_close_ int dir = open("base/7", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_close_ int state = open("base", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	unsigned int torn = 0;
	struct recovery r;
	int err;

	recover_begin(&r, ID, dir, state, -1);
	r.tell = count_torn;
	r.data = &torn;
	err = recover_see(&r, NULL);
	recover_end(&r);
	return err ? err : (int)torn;
}

/* 1 if it was killed at the point */
static int recover_killed_at(const char *fault)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	MUST(pid);
	if (!pid) {
		setenv("SEE_FAULT", fault, 1);
		recover();
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0));
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* is everything as it was? */
static int as_before(const struct scene *s)
{
	_cleanup_free_ char *host = dump("host"), *private = dump("base/" PART "/0");

	if (!strcmp(host, s->before) && !strcmp(private, s->private) &&
	    access("base/" PART "/undo-0", F_OK) < 0 && access("base/7/journal", F_OK) < 0 &&
	    access("base/kept", F_OK) < 0)
		return 1;
	printf("# before:\n%s# now:\n%s", s->before, host);
	if (strcmp(private, s->private))
		printf("# private before:\n%s# now:\n%s", s->private, private);
	return 0;
}

static size_t nsteps(void)
{
	struct scene s;
	size_t n;

	set_up(&s);
	n = s.plan.nsteps;
	clear(&s);
	return n;
}

static int64_t ctime_of(const char *path)
{
	struct stat st;

	MUST(lstat(path, &st));
	return (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec;
}

/* what was not changed must not look changed to the next commit */
static void untouched(void)
{
	static const char *const paths[] = {
		"host/attr", "host/data", "host/cut", "host/grow", "host/sub", "host/acl/f",
		"host/sym", "host/rep", "host/dead",
	};
	int64_t before[ARRAY_SIZE(paths)];
	struct scene s;
	size_t bad = 0;

	set_up(&s);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		before[i] = ctime_of(paths[i]);
	bad += recover() != 0;
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		bad += ctime_of(paths[i]) != before[i];
	OK(!bad, "what was not applied is not touched");
	clear(&s);
}

static void prefixes(void)
{
	for (size_t n = 0; n <= nsteps(); n++) {
		struct scene s;

		set_up(&s);
		apply_first(&s, n);
		OK(!recover() && as_before(&s), "%zu steps are taken back", n);
		OK(recover() == -ENOENT && as_before(&s), "and that once");
		clear(&s);
	}
}

/* a step that was in the middle, with those before */
static void middles(void)
{
	static const struct {
		size_t step;
		const char *host, *new;
	} cases[] = {
		{ 8, "host/data", "base/" PART "/0/data" },
		{ 9, "host/cut", "base/" PART "/0/cut" },
		{ 10, "host/grow", "base/" PART "/0/grow" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (size_t parts = 0; parts < 7; parts++) {
			struct scene s;

			set_up(&s);
			apply_first(&s, cases[i].step);
			apply_modify(&s.plan.step[cases[i].step], cases[i].host, cases[i].new, parts);
			OK(!recover() && as_before(&s), "%zu parts of step %zu", parts,
			   cases[i].step);
			clear(&s);
		}
}

/* attributes one by one, as between two operations of the module */
static void middles_of_attributes(void)
{
	struct scene s;

	set_up(&s);
	apply_first(&s, 11);
	MUST(chown("host/attr", 1002, 1003));
	OK(!recover() && as_before(&s), "an owner without its mode");
	clear(&s);
	set_up(&s);
	apply_first(&s, 11);
	MUST(chown("host/attr", 1002, 1001));
	MUST(setxattr("host/attr", "user.both", "new", 3, 0));
	MUST(removexattr("host/attr", "user.old"));
	OK(!recover() && as_before(&s), "half of the attributes");
	clear(&s);
	set_up(&s);
	apply_first(&s, 16);
	xattrs("host/acl/f", "base/" PART "/0/acl");
	OK(!recover() && as_before(&s), "an ACL, and what it did to the mode");
	clear(&s);
}

/* killed at every point, and run again */
static void killed(void)
{
	static const char *const points[] = {
		"recover.step", "recover.after-step", "recover.extent", "recover.attributes",
		"recover.before-remove", "recover.after-remove",
	};
	size_t bad = 0, kills = 0;

	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		for (size_t n = 0; n <= 18; n++) {
			struct scene s;
			char fault[64];

			snprintf(fault, sizeof(fault), "%s:%zu", points[i], !strcmp(points[i], "recover.extent") ?
				 n * BLOCK : n);
			set_up(&s);
			apply_first(&s, s.plan.nsteps);
			kills += (size_t)recover_killed_at(fault);
			/* what the journal does not hold any more is seed's to drop */
			if (access("base/7/journal", F_OK) < 0)
				remove_all("base/" PART "/undo-0");
			bad += recover() > 0 || !as_before(&s);
			clear(&s);
		}
	OK(!bad && kills > 40, "killed %zu times and run again (%zu wrong)", kills, bad);
}

/* ---- what the host did meanwhile ---- */

static int kept(const char *name, const char *text)
{
	_cleanup_free_ char *found = NULL;
	char path[128];

	snprintf(path, sizeof(path), "base/kept/7/1700000001.%s", name);
	if (read_file(AT_FDCWD, path, 1U << 20, &found, NULL))
		return 0;
	return !strcmp(found, text);
}

static int has(const char *path, const char *text)
{
	_cleanup_free_ char *found = NULL;

	return !read_file(AT_FDCWD, path, 1U << 20, &found, NULL) && !strcmp(found, text);
}

static void torn_names(void)
{
	struct scene s;

	set_up(&s);
	apply_first(&s, s.plan.nsteps);
	MUST(rename("host/new", "host/elsewhere"));
	put("host/tmp", "an editor's\n");
	MUST(rename("host/tmp", "host/rep"));
	put("host/dead", "again\n");
	MUST(mkdir("host/dir", 0700));
	put("host/dir/own", "the host's\n");
	/* new, rep, dead, dir/inner/f, dir, dir/inner */
	OK(recover() == 6, "what the host changed is told");
	OK(has("host/elsewhere", "born\n") && has("host/rep", "an editor's\n") &&
	   has("host/dead", "again\n") && has("host/dir/own", "the host's\n"), "and left alone");
	OK(kept("1", "the host's\n") && kept("3", "removed\n") &&
	   kept("4", "removed with its directory\n"), "what was there before is kept");
	OK(access("host/mv/in", F_OK) == 0 && access("host/nd", F_OK) < 0 &&
	   access("host/sub/link", F_OK) < 0, "the rest is taken back");
	OK(recover() == -ENOENT, "and that once");
	clear(&s);
}

static void torn_names_killed(void)
{
	size_t bad = 0;

	for (size_t n = 0; n < 16; n++) {
		struct scene s;
		char fault[64];

		set_up(&s);
		apply_first(&s, s.plan.nsteps);
		put("host/tmp", "an editor's\n");
		MUST(rename("host/tmp", "host/rep"));
		put("host/dead", "again\n");
		snprintf(fault, sizeof(fault), "recover.step:%zu", n);
		recover_killed_at(fault);
		bad += recover() != 2 || !kept("1", "the host's\n") || !kept("3", "removed\n") ||
		       !has("host/rep", "an editor's\n") || access("base/" PART "/0/made/rep", F_OK) == 0;
		clear(&s);
	}
	OK(!bad, "the same if it is killed between (%zu)", bad);
}

static void torn_data(void)
{
	_cleanup_free_ char *found = NULL;
	struct scene s;
	size_t len = 0;

	set_up(&s);
	apply_first(&s, 10);
	put_blocks("host/data", 3, 0, 100, 'x');
	OK(recover() == 1, "a block that is neither is told");
	OK(!read_file(AT_FDCWD, "host/data", 1U << 20, &found, &len) && len == 8 * BLOCK + 100 &&
	   strspn(found, "a") == len, "the old bytes are back");
	free(take_ptr(&found));
	OK(!read_file(AT_FDCWD, "base/kept/7/1700000001.8.found", 1U << 20, &found, &len) &&
	   found[3 * BLOCK] == 'x' && found[3 * BLOCK + 100] == 'A', "what was there is kept");
	free(take_ptr(&found));
	OK(!read_file(AT_FDCWD, "base/kept/7/list", 1U << 20, &found, &len) &&
	   strstr(found, "1700000001.8.found found /data\n"), "and listed");
	clear(&s);
	set_up(&s);
	apply_first(&s, 9);
	put_blocks("host/data", 9, 1, 0, 'y');
	free(take_ptr(&found));
	OK(recover() == 1 && !read_file(AT_FDCWD, "host/data", 1U << 20, &found, &len) &&
	   len == 10 * BLOCK && found[9 * BLOCK] == 'y', "what the host appended stays");
	clear(&s);
}

static void torn_attributes(void)
{
	struct scene s;
	struct stat st;
	char value[16];

	set_up(&s);
	apply_first(&s, 12);
	MUST(chown("host/attr", 1002, 77));
	MUST(setxattr("host/attr", "user.both", "mine", 4, 0));
	OK(recover() == 1 && !stat("host/attr", &st) && st.st_uid == 1000 && st.st_gid == 77 &&
	   getxattr("host/attr", "user.both", value, sizeof(value)) == 4 &&
	   getxattr("host/attr", "user.old", value, sizeof(value)) == 1 &&
	   getxattr("host/attr", "user.new", value, sizeof(value)) < 0,
	   "each attribute that is ours gets the old value, each of the host's stays");
	clear(&s);
	set_up(&s);
	apply_first(&s, 12);
	MUST(unlink("host/attr"));
	OK(recover() == 1 && access("host/attr", F_OK) < 0, "what the host removed stays away");
	clear(&s);
}

/* a program that runs until its input ends; it has begun when this returns */
static pid_t run_program(const char *path, int *input)
{
	int in[2], out[2];
	char c = 'x';
	pid_t pid;

	MUST(pipe2(in, O_CLOEXEC));
	MUST(pipe2(out, O_CLOEXEC));
	fflush(stdout);
	pid = fork();
	MUST(pid);
	if (!pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl(path, path, NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	MUST(write(in[1], &c, 1));
	if (read(out[0], &c, 1) != 1)
		die("a program");
	close(out[0]);
	*input = in[1];
	return pid;
}

/* a daemon that was started from the initramfs, say, or on a live machine */
static void running_program(void)
{
	_cleanup_free_ char *cat = NULL;
	int input, status, fd;
	struct scene s;
	size_t len;
	pid_t pid;

	set_up(&s);
	if (read_file(AT_FDCWD, "/bin/cat", 1U << 24, &cat, &len))
		die("/bin/cat");
	fd = open("host/attr", O_WRONLY | O_TRUNC | O_CLOEXEC);
	MUST(fd);
	MUST(write_all(fd, cat, len));
	close(fd);
	/* writing took set-id bits away */
	MUST(chmod("host/attr", 06755));
	set_time("host/attr", 1000000000);
	free(s.before);
	s.before = dump("host");
	apply_first(&s, 12);
	pid = run_program("host/attr", &input);
	OK(open("host/attr", O_WRONLY | O_CLOEXEC) < 0 && errno == ETXTBSY, "a program runs");
	OK(!recover() && as_before(&s), "attributes of a program that runs are taken back");
	close(input);
	MUST(waitpid(pid, &status, 0));
	clear(&s);
}

/* ---- after the mark ---- */

static void mark(void)
{
	MUST(rename("base/7/journal", "base/7/committed"));
}

static void cleaned(void)
{
	_cleanup_free_ char *after = NULL, *now = NULL;
	struct scene s;

	set_up(&s);
	s.plan.step[1].see->conflict = SEE_CONFLICT_NAME;
	s.plan.step[3].see->conflict = SEE_CONFLICT_CHANGED;
	s.plan.step[8].see->conflict = SEE_CONFLICT_CHANGED;
	{
		int fd = open("base/7", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

		if (journal_write(fd, &s.plan))
			die("journal");
		close(fd);
	}
	apply_first(&s, s.plan.nsteps);
	after = dump("host");
	mark();
	OK(!recover(), "a complete commit is finished");
	now = dump("host");
	SAME(now, after, "the host keeps it");
	OK(access("base/7/committed", F_OK) < 0 && access("base/" PART "/undo-0", F_OK) < 0 &&
	   !access("base/" PART "/0", F_OK) && access("base/" PART "/0/made", F_OK) < 0,
	   "the private tree is empty");
	OK(kept("1", "the host's\n") && kept("3", "removed\n") && !access("base/kept/7/1700000001.8", F_OK),
	   "what was displaced in conflict is kept");
	OK(recover() == -ENOENT, "and that once");
	clear(&s);
}

static void cleaned_killed(void)
{
	static const char *const points[] = {
		"cleanup.tree", "cleanup.between", "cleanup.renewed", "cleanup.before-end",
		"cleanup.after-end", "cleanup.undo", "cleanup.before-remove", "cleanup.after-remove",
		"cleanup.keep:1", "cleanup.link:3",
	};
	size_t bad = 0, kills = 0;

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		_cleanup_free_ char *after = NULL, *now = NULL;
		struct scene s;
		int fd;

		set_up(&s);
		s.plan.step[1].see->conflict = SEE_CONFLICT_NAME;
		fd = open("base/7", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (journal_write(fd, &s.plan))
			die("journal");
		close(fd);
		apply_first(&s, s.plan.nsteps);
		after = dump("host");
		mark();
		kills += (size_t)recover_killed_at(points[i]);
		bad += recover() > 0;
		now = dump("host");
		bad += strcmp(now, after) || !kept("1", "the host's\n") ||
		       access("base/" PART "/0", F_OK) < 0 || !access("base/" PART "/0/made", F_OK) ||
		       !access("base/7/committed", F_OK) || !access("base/7/renewed", F_OK);
		clear(&s);
	}
	OK(!bad && kills == ARRAY_SIZE(points), "the same if it is killed anywhere (%zu, %zu)", kills, bad);
}

/* once the SEE may go on in its new tree, what it makes there stays */
static void cleaned_in_use(void)
{
	static const char *const points[] = {
		"cleanup.before-end", "cleanup.after-end", "cleanup.undo", "cleanup.before-remove",
	};
	size_t bad = 0, kills = 0;

	for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
		_cleanup_free_ char *after = NULL, *now = NULL;
		struct scene s;

		set_up(&s);
		apply_first(&s, s.plan.nsteps);
		after = dump("host");
		mark();
		kills += (size_t)recover_killed_at(points[i]);
		put("base/" PART "/0/made-since", "the SEE's\n");
		bad += recover() != 0;
		now = dump("host");
		bad += strcmp(now, after) || !has("base/" PART "/0/made-since", "the SEE's\n") ||
		       !access("base/" PART "/undo-0", F_OK) || !access("base/7/renewed", F_OK);
		clear(&s);
	}
	OK(!bad && kills == ARRAY_SIZE(points), "what the SEE made since then stays (%zu, %zu)", kills, bad);
}

/* ---- what cannot be ---- */

static void damaged(void)
{
	struct scene s;
	int fd;

	set_up(&s);
	apply_first(&s, 4);
	fd = open("base/7/journal", O_WRONLY | O_CLOEXEC);
	MUST(pwrite(fd, "x", 1, 300));
	OK(recover() == -EUCLEAN && !access("base/7/journal", F_OK) && !access(UNDO "3", F_OK),
	   "a damaged journal, and all it speaks of, stays as it is");
	close(fd);
	clear(&s);
	set_up(&s);
	MUST(truncate("base/7/journal", 300));
	OK(recover() == -ENOENT && access("base/7/journal", F_OK) < 0, "one that is not whole goes");
	clear(&s);
	set_up(&s);
	apply_first(&s, 2);
	MUST(rename("base/" PART, "base/away"));
	OK(recover() == -ENODEV && !access("base/7/journal", F_OK), "the store is not there: later");
	MUST(rename("base/away", "base/" PART));
	OK(!recover() && as_before(&s), "now it is");
	clear(&s);
}

int main(void)
{
	char dir[] = "/var/tmp/see-test-XXXXXX";

	if (geteuid()) {
		errno = EPERM;
		die("file handles and trusted xattrs want root");
	}
	if (!mkdtemp(dir) || chdir(dir) < 0)
		die(dir);
	if (!getenv("SEE_TEST_VERBOSE"))
		(void)!freopen("/dev/null", "w", stderr);
	umask(022);
	prefixes();
	untouched();
	middles();
	middles_of_attributes();
	killed();
	torn_names();
	torn_names_killed();
	torn_data();
	torn_attributes();
	running_program();
	cleaned();
	cleaned_killed();
	cleaned_in_use();
	damaged();
	MUST(chdir("/"));
	remove_all(dir);
	return tap_end();
}
