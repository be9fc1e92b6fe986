/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Ownership: a variable marked _cleanup_* releases what it holds when it goes
 * out of scope; take_*() hands it on.  Functions return 0 or a negative errno.
 */
#ifndef SEE_UTIL_H
#define SEE_UTIL_H

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define _cleanup_(f)	__attribute__((cleanup(f)))
#define _printf_(a, b)	__attribute__((format(printf, a, b)))

static inline void close_fd(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		close(*fd);
		errno = saved;
	}
	*fd = -1;
}

static inline void free_ptr(void *pp)
{
	void *p;

	/* of whatever type the pointer is */
	memcpy(&p, pp, sizeof(p));
	free(p);
}

static inline void close_stream(FILE **f)
{
	if (*f)
		fclose(*f);
}

static inline void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

#define _cleanup_close_	_cleanup_(close_fd)
#define _cleanup_free_	_cleanup_(free_ptr)
#define _cleanup_file_	_cleanup_(close_stream)
#define _cleanup_dir_	_cleanup_(close_dir)

static inline int take_fd(int *fd)
{
	int ret = *fd;

	*fd = -1;
	return ret;
}

static inline void *take_ptr(void *pp)
{
	void *ret;

	memcpy(&ret, pp, sizeof(ret));
	memset(pp, 0, sizeof(ret));
	return ret;
}

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* openat2() without following any symlink, not leaving @dir if @beneath */
int open_nofollow(int dir, const char *path, int flags, bool beneath);
/* openat2() with the flags given in @resolve */
int open_resolve(int dir, const char *path, int flags, uint64_t resolve);
/* the whole of a small file, NUL terminated; -EFBIG beyond @max */
int read_file(int dir, const char *path, size_t max, char **text, size_t *len);
int read_fd(int fd, size_t max, char **text, size_t *len);
int write_all(int fd, const void *data, size_t len);
/* write a string to an existing file, as of /proc or /sys, in one write */
int write_string(int dir, const char *path, const char *text);
/* @number: decimal, nothing around it, at most @max */
int parse_number(const char *text, uint64_t max, uint64_t *number);
/* does @path lie in @dir, or is it @dir? both absolute, without "..", "//" */
bool path_inside(const char *path, const char *dir);
char *path_join(const char *dir, const char *name);
/* Mount id of a descriptor, or a negative errno. */
int64_t mount_id(int fd);

#endif
