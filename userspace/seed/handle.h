/* SPDX-License-Identifier: GPL-2.0 */
/*
 * handle.h - objects of the host by file handle
 *
 * A key is a handle in text, as in see_step: its type as two hexadecimal digits,
 * "-", and two for each byte.
 */
#ifndef SEED_HANDLE_H
#define SEED_HANDLE_H

#include "meta.h"

#define KEY_SIZE	(3 + 2 * HANDLE_MAX + 1)

int handle_of(int fd, struct handle *h);
/* -EINVAL if @key is not one */
int key_parse(const char *key, struct handle *h);
int key_of(int fd, char key[static KEY_SIZE]);
/*
 * The object with a key, on the file system of @mount.  -ESTALE: there is none
 * any more.  What is not a regular file or directory is only opened with O_PATH.
 */
int key_open(int mount, const char *key, int flags);
/* 1 or 0: has the entry that key?  -ENOENT if there is no entry. */
int key_at(int dir, const char *name, const char *key);

#endif
