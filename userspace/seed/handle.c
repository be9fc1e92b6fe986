// SPDX-License-Identifier: GPL-2.0
/* handle.c - objects of the host by file handle, and the text of one */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>

#include "handle.h"
#include "util.h"

int handle_of(int fd, struct handle *h)
{
	_cleanup_free_ struct file_handle *fh = calloc(1, sizeof(*fh) + HANDLE_MAX);
	int mnt;

	if (!fh)
		return -ENOMEM;
	fh->handle_bytes = HANDLE_MAX;
	if (name_to_handle_at(fd, "", fh, &mnt, AT_EMPTY_PATH) < 0)
		return -errno;
	h->type = fh->handle_type;
	h->len = fh->handle_bytes;
	memcpy(h->bytes, fh->f_handle, fh->handle_bytes);
	return 0;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* two digits, or -1 */
static int byte(const char *s)
{
	int high = digit(s[0]), low = high < 0 ? -1 : digit(s[1]);

	return low < 0 ? -1 : high << 4 | low;
}

int key_parse(const char *key, struct handle *h)
{
	size_t len = strlen(key);
	int value;

	if (len < 5 || len >= KEY_SIZE || key[2] != '-' || !(len % 2))
		return -EINVAL;
	h->type = byte(key);
	if (h->type < 0)
		return -EINVAL;
	h->len = (unsigned int)(len - 3) / 2;
	for (unsigned int i = 0; i < h->len; i++) {
		value = byte(key + 3 + 2 * i);
		if (value < 0)
			return -EINVAL;
		h->bytes[i] = (unsigned char)value;
	}
	return 0;
}

int key_of(int fd, char key[static KEY_SIZE])
{
	struct handle h = {};
	int err = handle_of(fd, &h);

	if (err)
		return err;
	if (h.type < 0 || h.type > 0xff)
		return -EOVERFLOW;
	snprintf(key, 4, "%02x-", (unsigned int)h.type);
	for (unsigned int i = 0; i < h.len; i++)
		snprintf(key + 3 + 2 * i, 3, "%02x", h.bytes[i]);
	return 0;
}

int key_open(int mount, const char *key, int flags)
{
	_cleanup_free_ struct file_handle *fh = calloc(1, sizeof(*fh) + HANDLE_MAX);
	struct handle h = {};
	int err = key_parse(key, &h), fd;

	if (err)
		return err;
	if (!fh)
		return -ENOMEM;
	fh->handle_bytes = h.len;
	fh->handle_type = h.type;
	memcpy(fh->f_handle, h.bytes, h.len);
	fd = open_by_handle_at(mount, fh, flags | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int key_at(int dir, const char *name, const char *key)
{
	_cleanup_close_ int fd = open_resolve(dir, name, O_PATH | O_NOFOLLOW,
					      RESOLVE_NO_XDEV | RESOLVE_BENEATH);
	char found[KEY_SIZE];
	int err;

	/* something is mounted there */
	if (fd == -EXDEV)
		return 0;
	if (fd < 0)
		return fd;
	err = key_of(fd, found);
	return err ? err : !strcmp(found, key);
}
