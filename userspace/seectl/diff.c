// SPDX-License-Identifier: GPL-2.0
/*
 * diff.c - seectl diff: the changes line by line
 *
 * Both sides are opened without following anything, and compared by diff(1)
 * through descriptors.  Text alone is shown, and fit for a terminal.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "seectl.h"

/* larger files are said to differ, no more */
#define DIFF_MAX	(64U << 20)

/* descriptor of a regular file, -ENOENT if there is none or it is something else */
static int open_side(int dir, const char *path)
{
	_cleanup_close_ int fd = -1;
	struct stat st;

	while (*path == '/')
		path++;
	fd = open_resolve(dir, *path ? path : ".", O_RDONLY | O_NONBLOCK | O_NOCTTY,
			  RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	if (fd < 0)
		return fd == -ELOOP ? -ENOENT : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? take_fd(&fd) : -ENOENT;
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

static int diff_contents(struct see *see, const struct change *c)
{
	_cleanup_close_ int host = -1, a = -1, b = -1;
	_cleanup_free_ char *label_a = NULL, *label_b = NULL;
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
	a = had ? open_side(host, below(l, c->from ? c->from : c->path)) : -ENOENT;
	b = has ? open_side(l->fd, below(l, c->path)) : -ENOENT;
	if ((a < 0 && a != -ENOENT) || (b < 0 && b != -ENOENT)) {
		printf("%s: cannot be read: %s\n", quote(c->path),
		       strerror(a < 0 && a != -ENOENT ? -a : -b));
		return 0;
	}
	if (a < 0 && b < 0)
		return 0;
	if ((a >= 0 && !is_text(a)) || (b >= 0 && !is_text(b))) {
		printf("%s: binary or large, %ju -> %ju bytes\n", quote(c->path),
		       (uintmax_t)c->old.size, (uintmax_t)c->new.size);
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

static void diff_attributes(const struct change *c)
{
	const struct side *old = &c->old, *new = &c->new;

	if (c->what & SEE_CHANGE_NAME_REMOVED || !S_ISREG(new->mode ? new->mode : old->mode) ||
	    c->what & SEE_CHANGE_NAME_LINKED) {
		printf("%s: %s %s", quote(c->path), change_word(c),
		       type_name(new->mode ? new->mode : old->mode));
		if (c->from)
			printf(", on the host %s", quote(c->from));
		putchar('\n');
	}
	if (!old->mode || !new->mode)
		return;
	if ((old->mode & S_IFMT) != (new->mode & S_IFMT))
		printf("%s: %s -> %s\n", quote(c->path), type_name(old->mode), type_name(new->mode));
	if ((old->mode & 07777) != (new->mode & 07777))
		printf("%s: mode %04o -> %04o\n", quote(c->path), old->mode & 07777,
		       new->mode & 07777);
	if (old->uid != new->uid || old->gid != new->gid)
		printf("%s: owner %u:%u -> %u:%u\n", quote(c->path), old->uid, old->gid, new->uid,
		       new->gid);
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
	for (size_t i = 0; i < changes.n && !err; i++) {
		const struct change *c = &changes.change[i];

		diff_attributes(c);
		if (!(c->what & SEE_CHANGE_ATTR) || c->what & SEE_CHANGE_DATA)
			err = diff_contents(&see, c);
	}
	return err;
}
