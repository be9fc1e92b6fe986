// SPDX-License-Identifier: GPL-2.0
/*
 * diff.c - seectl diff: the changes line by line
 *
 * Both sides are opened without following anything, and compared by diff(1)
 * through descriptors.  Text alone is shown, and fit for a terminal.  What is
 * not contents has a line for each difference.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#include "seectl.h"

/* larger files are said to differ, no more */
#define DIFF_MAX	(64U << 20)

/* O_PATH descriptor of whatever it is */
static int open_side(int dir, const char *path)
{
	int fd;

	while (*path == '/')
		path++;
	fd = open_resolve(dir, *path ? path : ".", O_PATH | O_NOFOLLOW,
			  RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	return fd == -ELOOP ? -ENOENT : fd;
}

/* how to reach what an O_PATH descriptor stands for, where that alone will not do */
static const char *link_to(int fd, char buf[static 32])
{
	snprintf(buf, 32, "/proc/self/fd/%d", fd);
	return buf;
}

/* for its contents; -ENOENT if there is none or it is no regular file */
static int open_contents(int at)
{
	char link[32];
	struct stat st;
	int fd;

	if (at < 0)
		return at;
	if (!fstat(at, &st) && !S_ISREG(st.st_mode))
		return -ENOENT;
	fd = open(link_to(at, link), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int empty_file(void)
{
	int fd = memfd_create("empty", MFD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static bool is_text(int fd)
{
	char buf[8192];
	ssize_t len = pread(fd, buf, sizeof(buf), 0);
	struct stat st;

	return len >= 0 && !memchr(buf, 0, (size_t)len) && !fstat(fd, &st) &&
	       st.st_size <= DIFF_MAX;
}

/* lines of diff, with what a terminal might obey made harmless */
static void copy_lines(FILE *from)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, from)) > 0) {
		/* tabs may stay; quote() would turn them into \011, backslashes into two */
		for (char *s = line; s < line + len;) {
			size_t n = strcspn(s, "\t\\\n");
			char keep = s[n];

			s[n] = 0;
			fputs(quote(s), stdout);
			s[n] = keep;
			s += n;
			if (s < line + len)
				putchar(keep ? *s++ : (s++, '?'));
		}
	}
}

static int run_diff(int a, int b, const char *label_a, const char *label_b)
{
	_cleanup_file_ FILE *out = NULL;
	posix_spawn_file_actions_t actions;
	char *argv[] = { "diff", "-u", "--label", (char *)label_a, "--label", (char *)label_b,
			 "/dev/fd/3", "/dev/fd/4", NULL };
	int pipe_fd[2], status, err;
	_cleanup_close_ int high_a = fcntl(a, F_DUPFD_CLOEXEC, 10);
	_cleanup_close_ int high_b = fcntl(b, F_DUPFD_CLOEXEC, 10);
	pid_t pid;

	if (high_a < 0 || high_b < 0 || pipe2(pipe_fd, O_CLOEXEC) < 0)
		return complain("diff: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, pipe_fd[1], 1);
	posix_spawn_file_actions_adddup2(&actions, high_a, 3);
	posix_spawn_file_actions_adddup2(&actions, high_b, 4);
	err = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(pipe_fd[1]);
	if (err) {
		close(pipe_fd[0]);
		return complain("diff (package diffutils): %s", strerror(err));
	}
	out = fdopen(pipe_fd[0], "r");
	if (out)
		copy_lines(out);
	else
		close(pipe_fd[0]);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return complain("diff: %s", strerror(errno));
	return WIFEXITED(status) && WEXITSTATUS(status) < 2 ? 0 :
		complain("diff failed on %s", label_b);
}

/* the host's directory that a layer covers */
static int open_host(const struct layer *l)
{
	return open_nofollow(AT_FDCWD, l->path, O_PATH | O_DIRECTORY, false);
}

static const char *below(const struct layer *l, const char *path)
{
	return path + (l->path[1] ? strlen(l->path) : 0);
}

/**
 * struct pair - a change being shown
 * @c: the change
 * @host: O_PATH descriptor of what the host has; -ENOENT: nothing
 * @see: of what the SEE has
 * @said: a line was printed
 */
struct pair {
	const struct change *c;
	int host;
	int see;
	bool said;
};

static void close_pair(struct pair *p)
{
	close_fd(&p->host);
	close_fd(&p->see);
}

static _printf_(2, 3) void line(struct pair *p, const char *format, ...)
{
	va_list args;

	printf("%s: ", quote(p->c->path));
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	p->said = true;
}

static int open_pair(struct see *see, struct pair *p)
{
	const struct change *c = p->c;
	_cleanup_close_ int host = -1;
	struct layer *l = client_layer_of(see, c->path);
	bool had, has;

	for (size_t i = 0; i < see->nlayers; i++)
		if (see->layer[i].index == c->layer)
			l = &see->layer[i];
	if (!l)
		return complain("%s is in no layer", quote(c->path));
	host = open_host(l);
	if (host < 0)
		return complain("%s: %s", quote(l->path), strerror(-host));
	if (client_mount(see, l))
		return EXIT_SEECTL;
	had = !(c->what & SEE_CHANGE_NAME_MADE) || c->what & SEE_CHANGE_NAME_REPLACED;
	has = !(c->what & SEE_CHANGE_NAME_REMOVED);
	p->host = had ? open_side(host, below(l, c->from ? c->from : c->path)) : -ENOENT;
	p->see = has ? open_side(l->fd, below(l, c->path)) : -ENOENT;
	return 0;
}

static int diff_contents(struct pair *p)
{
	const struct change *c = p->c;
	_cleanup_close_ int a = open_contents(p->host), b = open_contents(p->see);
	_cleanup_free_ char *label_a = NULL, *label_b = NULL;

	if ((a < 0 && a != -ENOENT) || (b < 0 && b != -ENOENT)) {
		line(p, "cannot be read: %s", strerror(a < 0 && a != -ENOENT ? -a : -b));
		return 0;
	}
	if (a < 0 && b < 0)
		return 0;
	if ((a >= 0 && !is_text(a)) || (b >= 0 && !is_text(b))) {
		line(p, "binary or large, %ju -> %ju bytes", (uintmax_t)c->old.size,
		     (uintmax_t)c->new.size);
		return 0;
	}
	if (asprintf(&label_a, "%s%s", a < 0 ? "/dev/null" : "host",
		     a < 0 ? "" : quote(c->from ? c->from : c->path)) < 0 ||
	    asprintf(&label_b, "%s%s", b < 0 ? "/dev/null" : "see",
		     b < 0 ? "" : quote(c->path)) < 0)
		return complain("out of memory");
	if (a < 0)
		a = empty_file();
	if (b < 0)
		b = empty_file();
	if (a < 0 || b < 0)
		return complain("a temporary file: %s", strerror(a < 0 ? -a : -b));
	return run_diff(a, b, label_a, label_b);
}

/* ---- what is not contents ---- */

/* what became of the name; all that a new object is, and how a changed one was */
static void diff_name(struct pair *p)
{
	const struct side *old = &p->c->old, *new = &p->c->new;
	const char *type = type_name(new->mode ? new->mode : old->mode);

	if (p->c->what & SEE_CHANGE_NAME_MADE)
		line(p, "%s %s, mode %04o, owner %u:%u", change_word(p->c), type,
		     new->mode & 07777, new->uid, new->gid);
	else if (!(p->c->what & (SEE_CHANGE_DATA | SEE_CHANGE_ATTR)))
		line(p, "%s %s%s%s", change_word(p->c), type, p->c->from ? ", on the host " : "",
		     p->c->from ? quote(p->c->from) : "");
	if (!old->mode || !new->mode)
		return;
	if ((old->mode & S_IFMT) != (new->mode & S_IFMT))
		line(p, "%s -> %s", type_name(old->mode), type_name(new->mode));
	if ((old->mode & 07777) != (new->mode & 07777))
		line(p, "mode %04o -> %04o", old->mode & 07777, new->mode & 07777);
	if (old->uid != new->uid || old->gid != new->gid)
		line(p, "owner %u:%u -> %u:%u", old->uid, old->gid, new->uid, new->gid);
}

/* names of extended attributes, each ended by a NUL, and another NUL */
static char *list_xattrs(int fd)
{
	char link[32], *names = calloc(1, XATTR_LIST_MAX + 1);

	if (names && fd >= 0 && listxattr(link_to(fd, link), names, XATTR_LIST_MAX) < 0)
		*names = 0;
	return names;
}

static bool has_name(const char *names, const char *name)
{
	while (*names && strcmp(names, name))
		names += strlen(names) + 1;
	return *names;
}

static bool same_xattr(const struct pair *p, const char *name)
{
	static char a[XATTR_SIZE_MAX], b[XATTR_SIZE_MAX];
	char link[32];
	ssize_t len_a = getxattr(link_to(p->host, link), name, a, sizeof(a));
	ssize_t len_b = getxattr(link_to(p->see, link), name, b, sizeof(b));

	return len_a == len_b && (len_a < 0 || !memcmp(a, b, (size_t)len_a));
}

/* ACLs and capabilities are among them */
static int diff_xattrs(struct pair *p)
{
	_cleanup_free_ char *host = list_xattrs(p->host), *see = list_xattrs(p->see);

	if (!host || !see)
		return complain("out of memory");
	for (const char *name = host; *name; name += strlen(name) + 1) {
		if (!has_name(see, name))
			line(p, "%s removed", quote(name));
		else if (!same_xattr(p, name))
			line(p, "%s changed", quote(name));
	}
	for (const char *name = see; *name; name += strlen(name) + 1)
		if (!has_name(host, name))
			line(p, "%s set", quote(name));
	return 0;
}

static void time_text(const struct timespec *ts, char text[static 48])
{
	struct tm tm;
	size_t len = localtime_r(&ts->tv_sec, &tm) ? strftime(text, 48, "%Y-%m-%d %H:%M:%S", &tm) : 0;

	snprintf(text + len, 48 - len, ".%09ld", ts->tv_nsec);
}

static void diff_time(struct pair *p)
{
	char was[48], is[48];
	struct stat a, b;

	if (p->host < 0 || p->see < 0 || fstat(p->host, &a) < 0 || fstat(p->see, &b) < 0)
		return;
	time_text(&a.st_mtim, was);
	time_text(&b.st_mtim, is);
	if (strcmp(was, is))
		line(p, "modified %s -> %s", was, is);
}

/* a line at least */
static int diff(struct see *see, const struct change *c)
{
	_cleanup_(close_pair) struct pair p = { .c = c, .host = -1, .see = -1 };
	int err;

	diff_name(&p);
	err = open_pair(see, &p);
	if (err)
		return err;
	err = p.host < 0 && p.host != -ENOENT ? p.host : p.see < 0 && p.see != -ENOENT ? p.see : 0;
	if (err) {
		line(&p, "cannot be looked at: %s", strerror(-err));
		return 0;
	}
	/* other contents come with another time by themselves */
	if (c->what & SEE_CHANGE_ATTR && !(c->what & SEE_CHANGE_DATA))
		diff_time(&p);
	if (c->what & (SEE_CHANGE_ATTR | SEE_CHANGE_NAME_MADE))
		err = diff_xattrs(&p);
	if (!err && (!(c->what & SEE_CHANGE_ATTR) || c->what & SEE_CHANGE_DATA))
		err = diff_contents(&p);
	else if (!err && !p.said)
		line(&p, "attr, which are as on the host now; perhaps the time of the last access");
	return err;
}

int verb_diff(int argc, char **argv)
{
	_cleanup_(see_close) struct see see = SEE_INIT;
	_cleanup_(changes_free) struct changes changes = {};
	_cleanup_free_ char *under = NULL;
	int err;

	if (argc < 2 || argc > 3 || argv[1][0] == '-')
		return usage_error("diff", "one NAME, and perhaps a PATH");
	if (argc == 3) {
		under = absolute_path(argv[2]);
		if (!under)
			return complain("%s: %s", quote(argv[2]), strerror(errno));
	}
	err = client_open(&see, argv[1]);
	if (!err)
		err = changes_read(&see, under, &changes);
	for (size_t i = 0; i < changes.n && !err; i++)
		err = diff(&see, &changes.change[i]);
	return err;
}
