// SPDX-License-Identifier: GPL-2.0
/* attr.c - attributes and xattrs of an object, open with O_PATH or otherwise */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/xattr.h>

#include "attr.h"
#include "util.h"

#define NSEC		1000000000LL
#define OURS		"trusted.see."

struct fd_path fd_path(int fd)
{
	struct fd_path path;

	snprintf(path.text, sizeof(path.text), "/proc/self/fd/%d", fd);
	return path;
}

/* leave out what is ours */
static size_t without_ours(char *names, size_t len)
{
	size_t kept = 0;

	for (size_t at = 0; at < len;) {
		size_t n = strnlen(names + at, len - at) + 1;

		if (at + n > len)
			break;
		if (strncmp(names + at, OURS, strlen(OURS))) {
			memmove(names + kept, names + at, n);
			kept += n;
		}
		at += n;
	}
	return kept;
}

int attr_list(int fd, char **names, size_t *len)
{
	_cleanup_free_ char *buf = malloc(XATTR_MAX);
	ssize_t got;

	if (!buf)
		return -ENOMEM;
	got = listxattr(fd_path(fd).text, buf, XATTR_MAX);
	if (got < 0) {
		if (errno != EOPNOTSUPP)
			return -errno;
		got = 0;
	}
	*len = without_ours(buf, (size_t)got);
	*names = take_ptr(&buf);
	return 0;
}

int attr_get(int fd, const char *name, char **value, size_t *len)
{
	_cleanup_free_ char *buf = malloc(XATTR_MAX);
	ssize_t got;

	if (!buf)
		return -ENOMEM;
	got = getxattr(fd_path(fd).text, name, buf, XATTR_MAX);
	if (got < 0)
		return errno == EOPNOTSUPP ? -ENODATA : -errno;
	*len = (size_t)got;
	*value = take_ptr(&buf);
	return 0;
}

int attr_set(int fd, const char *name, const char *value, size_t len)
{
	int ret = value ? setxattr(fd_path(fd).text, name, value, len, 0) :
		removexattr(fd_path(fd).text, name);

	return ret < 0 && (value || errno != ENODATA) ? -errno : 0;
}

int attr_set_mode(int fd, mode_t mode)
{
	return chmod(fd_path(fd).text, mode & 07777) < 0 ? -errno : 0;
}

int attr_set_owner(int fd, uid_t uid, gid_t gid)
{
	return fchownat(fd, "", uid, gid, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int64_t attr_mtime(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * NSEC + st->st_mtim.tv_nsec;
}

int attr_set_mtime(int fd, int64_t mtime)
{
	struct timespec times[2] = {
		{ .tv_nsec = UTIME_OMIT },
		{ .tv_sec = mtime / NSEC, .tv_nsec = mtime % NSEC },
	};

	if (times[1].tv_nsec < 0) {
		times[1].tv_sec--;
		times[1].tv_nsec += NSEC;
	}
	return utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}
