// SPDX-License-Identifier: GPL-2.0
/* keep.c - what a commit must not throw away */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "attr.h"
#include "keep.h"
#include "meta.h"
#include "seed.h"

#define LIST_MAX	(16U << 20)
#define COPY_CHUNK	(1U << 20)

/* ---- the directory and its list ---- */

static int open_kept(const struct keeper *k)
{
	_cleanup_close_ int kept = -1, dir = -1;
	char name[24];

	if (mkdirat(k->state, KEPT_NAME, 0700) < 0 && errno != EEXIST)
		return -errno;
	kept = openat(k->state, KEPT_NAME, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (kept < 0)
		return -errno;
	snprintf(name, sizeof(name), "%ju", (uintmax_t)k->see);
	if (mkdirat(kept, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	dir = openat(kept, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return dir < 0 ? -errno : take_fd(&dir);
}

static void kept_name(const struct keeper *k, const struct plan_step *s, const char *suffix,
		      char name[static 64])
{
	snprintf(name, 64, "%ju.%u%s", (uintmax_t)k->time, s->see->step, suffix);
}

/* a line of the list; NULL without memory */
static char *line_of(const char *name, const char *why, const char *path)
{
	char *line = NULL;
	size_t len;
	FILE *f = open_memstream(&line, &len);

	if (!f)
		return NULL;
	fprintf(f, "%s %s /", name, why);
	meta_put_path(f, path);
	fputc('\n', f);
	if (ferror(f) | fclose(f)) {
		free(line);
		return NULL;
	}
	return line;
}

static int add_line(struct keeper *k, int dir, const char *name, const char *why,
		    const struct plan_step *s)
{
	_cleanup_free_ char *line = line_of(name, why, step_text(s, SEE_TEXT_PATH));
	_cleanup_free_ char *list = NULL;
	_cleanup_close_ int fd = -1;
	int err;

	if (!line)
		return -ENOMEM;
	fd = openat(dir, "list", O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = read_fd(fd, LIST_MAX, &list, NULL);
	if (err)
		return err;
	if (!strstr(list, line)) {
		err = write_all(fd, line, strlen(line));
		k->count++;
	}
	if (!err && (fsync(fd) < 0 || fsync(dir) < 0))
		err = -errno;
	return err;
}

/* ---- copies ---- */

static int copy_range(int from, int to, off_t at, off_t end)
{
	_cleanup_free_ char *buf = malloc(COPY_CHUNK);

	if (!buf)
		return -ENOMEM;
	while (at < end) {
		size_t want = end - at < COPY_CHUNK ? (size_t)(end - at) : COPY_CHUNK;
		ssize_t got = pread(from, buf, want, at), put = 0;

		if (got < 0)
			return -errno;
		if (!got)
			break;
		while (put < got) {
			ssize_t n = pwrite(to, buf + put, (size_t)(got - put), at + put);

			if (n < 0)
				return -errno;
			put += n;
		}
		at += got;
	}
	return 0;
}

static int copy_data(int from, int to, off_t size)
{
	off_t data = 0, hole;
	int err = ftruncate(to, size) < 0 ? -errno : 0;

	while (!err && data < size) {
		data = lseek(from, data, SEEK_DATA);
		if (data < 0)
			return errno == ENXIO ? 0 : -errno;
		hole = lseek(from, data, SEEK_HOLE);
		if (hole < 0)
			return -errno;
		err = copy_range(from, to, data, hole < size ? hole : size);
		data = hole;
	}
	return err;
}

static int copy_xattrs(int from, int to)
{
	_cleanup_free_ char *names = NULL;
	size_t len = 0;
	int err = attr_list(from, &names, &len);

	for (size_t at = 0; !err && at < len; at += strlen(names + at) + 1) {
		_cleanup_free_ char *value = NULL;
		size_t size = 0;

		err = attr_get(from, names + at, &value, &size);
		if (!err)
			err = attr_set(to, names + at, value, size);
		/* the other file system may not have such */
		if (err == -EOPNOTSUPP || err == -ENODATA)
			err = 0;
	}
	return err;
}

static int make_like(int fd, const struct stat *st, int dir, const char *name)
{
	char target[4096];
	ssize_t len;
	int made;

	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		made = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		close_fd(&made);
		break;
	case S_IFLNK:
		len = readlinkat(fd, "", target, sizeof(target) - 1);
		if (len < 0)
			return -errno;
		target[len] = 0;
		return symlinkat(target, dir, name) < 0 ? -errno : 0;
	case S_IFDIR:
		return mkdirat(dir, name, 0700) < 0 ? -errno : 0;
	default:
		return mknodat(dir, name, (st->st_mode & S_IFMT) | 0600, st->st_rdev) < 0 ?
			-errno : 0;
	}
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int fill_like(int fd, const struct stat *st, int dir, const char *name)
{
	_cleanup_close_ int from = -1, to = -1;
	int err = 0;

	to = openat(dir, name, (S_ISREG(st->st_mode) ? O_WRONLY : O_PATH) | O_CLOEXEC | O_NOFOLLOW);
	if (to < 0)
		return -errno;
	if (S_ISREG(st->st_mode)) {
		/* it may have been handed over as O_PATH */
		from = open(fd_path(fd).text, O_RDONLY | O_CLOEXEC);
		err = from < 0 ? -errno : copy_data(from, to, st->st_size);
	}
	if (!err)
		err = attr_set_owner(to, st->st_uid, st->st_gid);
	if (!err)
		err = copy_xattrs(fd, to);
	if (!err && !S_ISLNK(st->st_mode))
		err = attr_set_mode(to, st->st_mode);
	if (!err)
		err = attr_set_mtime(to, attr_mtime(st));
	if (!err && S_ISREG(st->st_mode) && fsync(to) < 0)
		err = -errno;
	return err;
}

static int remove_any(int dir, const char *name)
{
	if (!unlinkat(dir, name, 0) || errno == ENOENT)
		return 0;
	return errno == EISDIR && !unlinkat(dir, name, AT_REMOVEDIR) ? 0 : -errno;
}

/* whole or not at all */
static int copy_to(int fd, int dir, const char *name)
{
	char tmp[72];
	struct stat st;
	int err;

	if (!faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW))
		return 0;
	if (fstat(fd, &st) < 0)
		return -errno;
	snprintf(tmp, sizeof(tmp), "%s.new", name);
	err = remove_any(dir, tmp);
	if (!err)
		err = make_like(fd, &st, dir, tmp);
	if (!err)
		err = fill_like(fd, &st, dir, tmp);
	if (!err && renameat(dir, tmp, dir, name) < 0)
		err = -errno;
	if (!err && fsync(dir) < 0)
		err = -errno;
	return err;
}

int keep_object(struct keeper *k, const struct plan_step *s, int fd, const char *suffix,
		const char *why)
{
	_cleanup_close_ int dir = open_kept(k);
	char name[64];
	int err;

	if (dir < 0)
		return dir;
	kept_name(k, s, suffix, name);
	err = add_line(k, dir, name, why, s);
	return err ? err : copy_to(fd, dir, name);
}

/* ---- moving ---- */

/* to another file system: a copy; but a directory stays on its own, in the store */
static int move_far(struct keeper *k, int dir, const char *name, int part, int kept,
		    const char *to)
{
	_cleanup_close_ int fd = openat(dir, name, O_PATH | O_CLOEXEC | O_NOFOLLOW);
	char beside[128];
	struct stat st;
	int err;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode)) {
		snprintf(beside, sizeof(beside), "../" KEPT_NAME "-%ju-%s", (uintmax_t)k->see, to);
		if (renameat2(dir, name, part, beside, RENAME_NOREPLACE) < 0)
			return -errno;
		say("SEE %ju: %s is kept in its store, as %s", (uintmax_t)k->see, to, beside + 3);
		return 0;
	}
	err = copy_to(fd, kept, to);
	if (!err && unlinkat(dir, name, 0) < 0)
		err = -errno;
	return err;
}

int keep_entry(struct keeper *k, const struct plan_step *s, int dir, const char *name, int part,
	       const char *why)
{
	_cleanup_close_ int kept = open_kept(k);
	char to[64];
	int err;

	if (kept < 0)
		return kept;
	kept_name(k, s, "", to);
	err = add_line(k, kept, to, why, s);
	if (err)
		return err;
	if (renameat2(dir, name, kept, to, RENAME_NOREPLACE) < 0)
		err = errno == EXDEV ? move_far(k, dir, name, part, kept, to) : -errno;
	if (!err && fsync(kept) < 0)
		err = -errno;
	return err;
}
