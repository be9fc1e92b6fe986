/* SPDX-License-Identifier: GPL-2.0 */
/*
 * attr.h - attributes and xattrs of an object, open with O_PATH or otherwise
 */
#ifndef SEED_ATTR_H
#define SEED_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define XATTR_MAX	65536

/* a path that stands for the object of a descriptor */
struct fd_path {
	char text[32];
};
struct fd_path fd_path(int fd);

/* names of all xattrs but ours, each NUL terminated; the number of bytes */
int attr_list(int fd, char **names, size_t *len);
/* -ENODATA: there is none */
int attr_get(int fd, const char *name, char **value, size_t *len);
/* @value NULL: remove it */
int attr_set(int fd, const char *name, const char *value, size_t len);
int attr_set_mode(int fd, mode_t mode);
int attr_set_owner(int fd, uid_t uid, gid_t gid);
/* nanoseconds since 1970 */
int64_t attr_mtime(const struct stat *st);
int attr_set_mtime(int fd, int64_t mtime);

#endif
