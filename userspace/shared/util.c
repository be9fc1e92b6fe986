// SPDX-License-Identifier: GPL-2.0
/* util.c - files and numbers, for the daemon and the command */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "util.h"

int open_resolve(int dir, const char *path, int flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = (unsigned int)flags | O_CLOEXEC, .resolve = resolve,
	};
	long fd;

	do {
		fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	} while (fd < 0 && (errno == EINTR || errno == EAGAIN));
	return fd < 0 ? -errno : (int)fd;
}

int open_nofollow(int dir, const char *path, int flags, bool beneath)
{
	return open_resolve(dir, path, flags, RESOLVE_NO_SYMLINKS |
			    (beneath ? RESOLVE_BENEATH : 0));
}

int read_fd(int fd, size_t max, char **text, size_t *len)
{
	_cleanup_free_ char *buf = NULL;
	size_t used = 0, size = 4096;
	ssize_t got;

	for (;;) {
		char *more = realloc(buf, size + 1);

		if (!more)
			return -ENOMEM;
		buf = more;
		got = read(fd, buf + used, size - used);
		if (got < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (!got)
			break;
		used += (size_t)got;
		if (used > max)
			return -EFBIG;
		if (used == size)
			size *= 2;
	}
	buf[used] = 0;
	*text = take_ptr(&buf);
	if (len)
		*len = used;
	return 0;
}

int read_file(int dir, const char *path, size_t max, char **text, size_t *len)
{
	_cleanup_close_ int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	return read_fd(fd, max, text, len);
}

int write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t done = write(fd, p, len);

		if (done < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		p += done;
		len -= (size_t)done;
	}
	return 0;
}

int write_string(int dir, const char *path, const char *text)
{
	_cleanup_close_ int fd = openat(dir, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

int parse_number(const char *text, uint64_t max, uint64_t *number)
{
	uint64_t n = 0;

	if (!*text)
		return -EINVAL;
	for (; *text; text++) {
		unsigned int digit = (unsigned int)(*text - '0');

		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (n > (max - digit) / 10 || digit > max)
			return -ERANGE;
		n = n * 10 + digit;
	}
	*number = n;
	return 0;
}

bool path_inside(const char *path, const char *dir)
{
	size_t len = strlen(dir);

	if (len == 1 && dir[0] == '/')
		return path[0] == '/';
	return !strncmp(path, dir, len) && (!path[len] || path[len] == '/');
}

char *path_join(const char *dir, const char *name)
{
	size_t len = strlen(dir);
	char *path;

	while (*name == '/')
		name++;
	if (len && dir[len - 1] == '/')
		len--;
	if (!*name && len)
		return strndup(dir, len);
	if (asprintf(&path, "%.*s/%s", (int)len, dir, name) < 0)
		return NULL;
	return path;
}

int64_t mount_id(int fd)
{
	struct statx stx;

	if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &stx) < 0)
		return -errno;
	if (!(stx.stx_mask & STATX_MNT_ID))
		return -EOPNOTSUPP;
	return (int64_t)stx.stx_mnt_id;
}
