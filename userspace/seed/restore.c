// SPDX-License-Identifier: GPL-2.0
/*
 * restore.c - an object that was modified in place gets back what it was
 *
 * Three objects are compared: that of the host, the pre-image (before the commit)
 * and the private one (what was installed).  What equals the pre-image stays, what
 * equals the private one gets the old value.  A block that is neither was torn by
 * a power cut or written by the host: it is copied to where it is kept, and gets
 * the old bytes.  Any other value that is neither is the host's, and stays.
 *
 * Blocks are compared only as far as the host's file goes: its size may not have
 * reached the disk when its blocks had.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "attr.h"
#include "fault.h"
#include "handle.h"
#include "recover.h"
#include "util.h"

#define BLOCK_MAX	65536
#define SET_ID		(S_ISUID | S_ISGID)

/**
 * struct restoring - a MODIFY that is taken back
 * @host: the object; @old: the pre-image; @new: the private one
 * @st: of the host's as it was found
 * @block: bytes that are written at once
 * @torn: something was neither
 */
struct restoring {
	struct recovery *r;
	const struct plan_step *s;
	int host, old, new;
	struct stat st;
	size_t block;
	bool torn;
	unsigned char *host_buf, *old_buf, *new_buf;
};

static void close_restoring(struct restoring *m)
{
	close_fd(&m->host);
	close_fd(&m->old);
	close_fd(&m->new);
	free(m->host_buf);
	free(m->old_buf);
	free(m->new_buf);
}

/* ---- bytes ---- */

/* @len bytes at most, zeros behind what there is below @size; how many there are */
static ssize_t read_block(int fd, unsigned char *buf, size_t len, uint64_t at, uint64_t size)
{
	size_t want = at >= size ? 0 : size - at < len ? (size_t)(size - at) : len;
	size_t got = 0;

	while (got < want) {
		ssize_t n = pread(fd, buf + got, want - got, (off_t)(at + got));

		if (n < 0)
			return -errno;
		if (!n)
			break;
		got += (size_t)n;
	}
	memset(buf + got, 0, len - got);
	return (ssize_t)got;
}

static int write_block(int fd, const unsigned char *buf, size_t len, uint64_t at)
{
	size_t put = 0;

	while (put < len) {
		ssize_t n = pwrite(fd, buf + put, len - put, (off_t)(at + put));

		if (n < 0)
			return -errno;
		put += (size_t)n;
	}
	return 0;
}

static int note_torn(struct restoring *m)
{
	m->torn = true;
	return keep_object(&m->r->keep, m->s, m->host, ".found", "found");
}

/* as it is once the file was cut off at the limit, before anything is written behind */
static bool is_cut(const struct restoring *m, uint64_t at, size_t len)
{
	uint64_t limit = m->s->see->limit;
	size_t stay = at >= limit ? 0 : limit - at < len ? (size_t)(limit - at) : len;

	if (stay == len || memcmp(m->host_buf, m->old_buf, stay))
		return false;
	for (size_t i = stay; i < len; i++)
		if (m->host_buf[i])
			return false;
	return true;
}

static int restore_block(struct restoring *m, const struct see_extent *e, uint64_t at, size_t len)
{
	const struct see_step *s = m->s->see;
	ssize_t old = read_block(m->old, m->old_buf, len, at, s->old_size);
	ssize_t host = read_block(m->host, m->host_buf, len, at, (uint64_t)m->st.st_size);
	ssize_t new = read_block(m->new, m->new_buf, len, at,
				 e->flags == SEE_EXTENT_DATA ? s->new_size : 0);
	int err = 0;

	if (old < 0 || host < 0 || new < 0)
		return (int)(old < 0 ? old : host < 0 ? host : new);
	/* the pre-image may end in a hole */
	if (at < s->old_size)
		old = s->old_size - at < len ? (ssize_t)(s->old_size - at) : (ssize_t)len;
	if (!memcmp(m->host_buf, m->old_buf, (size_t)host)) {
		if (host >= old)
			return 0;
	} else if (memcmp(m->host_buf, m->new_buf, (size_t)host) && !is_cut(m, at, (size_t)host)) {
		err = note_torn(m);
	}
	/*
	 * Also what lies behind its old end, until that is cut off: it must not look
	 * torn.  What lies behind it altogether is only cut off.
	 */
	if (!err && old)
		err = write_block(m->host, m->old_buf, (size_t)(host > old ? host : old), at);
	return err ? err : fault("recover.extent", at);
}

/* where there may be something in either file from @at on; @end: nowhere before */
static uint64_t next_data(const struct restoring *m, uint64_t at, uint64_t end)
{
	off_t old = lseek(m->old, (off_t)at, SEEK_DATA), host = -1;
	uint64_t next = end;

	if (old < 0 && errno != ENXIO)
		return at;
	if (at < (uint64_t)m->st.st_size) {
		host = lseek(m->host, (off_t)at, SEEK_DATA);
		if (host < 0 && errno != ENXIO)
			return at;
	}
	if (old >= 0 && (uint64_t)old < next)
		next = (uint64_t)old;
	if (host >= 0 && (uint64_t)host < next)
		next = (uint64_t)host;
	return next - next % m->block < at ? at : next - next % m->block;
}

static int restore_extent(struct restoring *m, const struct see_extent *e)
{
	uint64_t at = e->start;
	int err = 0;

	while (!err) {
		size_t len;

		at = next_data(m, at, e->end);
		if (at >= e->end)
			break;
		len = m->block - at % m->block;
		if (len > e->end - at)
			len = (size_t)(e->end - at);
		err = restore_block(m, e, at, len);
		at += len;
	}
	return err;
}

/* between what it was and what it was to become it is ours */
static int restore_size(struct restoring *m)
{
	const struct see_step *s = m->s->see;
	uint64_t low = s->old_size, high = s->old_size, size = (uint64_t)m->st.st_size;
	struct stat now;

	if (s->new_size < low)
		low = s->new_size;
	if (s->limit < low)
		low = s->limit;
	if (s->new_size > high)
		high = s->new_size;
	if (size < low || size > high) {
		m->torn = true;
		return 0;
	}
	if (fstat(m->host, &now) < 0)
		return -errno;
	if ((uint64_t)now.st_size != s->old_size && ftruncate(m->host, (off_t)s->old_size) < 0)
		return -errno;
	return 0;
}

static int restore_data(struct restoring *m)
{
	int err = 0;

	if (!(m->s->see->flags & SEE_STEP_DATA) || !S_ISREG(m->st.st_mode))
		return 0;
	for (size_t i = 0; !err && i < m->s->nextents; i++)
		err = restore_extent(m, &m->s->extent[i]);
	return err ? err : restore_size(m);
}

/* ---- attributes ---- */

static int restore_owner(struct restoring *m)
{
	const struct see_step *s = m->s->see;
	uid_t uid = m->st.st_uid, gid = m->st.st_gid;

	if (uid == s->new_uid)
		uid = s->old_uid;
	if (gid == s->new_gid)
		gid = s->old_gid;
	if (uid != s->old_uid || gid != s->old_gid)
		m->torn = true;
	if (uid == m->st.st_uid && gid == m->st.st_gid)
		return 0;
	return attr_set_owner(m->host, uid, gid);
}

/* a change of owner, and writing, take set-id bits away: that they miss is ours */
static bool mode_is(mode_t mode, mode_t other)
{
	return (mode & 07777 & ~SET_ID) == (other & 07777 & ~SET_ID) &&
	       !(mode & SET_ID & ~other);
}

static int restore_mode(struct restoring *m)
{
	const struct see_step *s = m->s->see;
	struct stat now;

	if (S_ISLNK(m->st.st_mode))
		return 0;
	if (!mode_is(m->st.st_mode, s->new_mode) && !mode_is(m->st.st_mode, s->old_mode)) {
		m->torn = true;
		return 0;
	}
	/* as owner, ACLs and bytes left it; what is right is not touched, for its ctime */
	if (fstat(m->host, &now) < 0)
		return -errno;
	return (now.st_mode & 07777) == (s->old_mode & 07777) ? 0 :
		attr_set_mode(m->host, s->old_mode);
}

struct value {
	char *bytes;
	size_t len;
};

static void free_value(struct value *v)
{
	free(v->bytes);
}

/* no bytes if there is no such */
static int get_value(int fd, const char *name, struct value *v)
{
	int err = attr_get(fd, name, &v->bytes, &v->len);

	return err == -ENODATA ? 0 : err;
}

static bool same(const struct value *a, const struct value *b)
{
	return !a->bytes == !b->bytes && a->len == b->len &&
	       (!a->len || !memcmp(a->bytes, b->bytes, a->len));
}

static int restore_xattr(struct restoring *m, const char *name)
{
	_cleanup_(free_value) struct value old = {}, new = {}, host = {};
	int err = get_value(m->old, name, &old);

	if (!err)
		err = get_value(m->new, name, &new);
	if (!err)
		err = get_value(m->host, name, &host);
	if (err || same(&host, &old) || same(&old, &new))
		return err;
	if (!same(&host, &new)) {
		m->torn = true;
		return 0;
	}
	return attr_set(m->host, name, old.bytes, old.len);
}

/* names of the pre-image, then of what was installed */
static int restore_xattrs(struct restoring *m)
{
	const int from[] = { m->old, m->new };
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(from); i++) {
		_cleanup_free_ char *names = NULL;
		size_t len = 0;

		err = attr_list(from[i], &names, &len);
		for (size_t at = 0; !err && at < len; at += strlen(names + at) + 1)
			err = restore_xattr(m, names + at);
	}
	return err;
}

static int set_mtime(int fd, int64_t mtime)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	return attr_mtime(&st) == mtime ? 0 : attr_set_mtime(fd, mtime);
}

static int restore_attributes(struct restoring *m)
{
	int err = fault("recover.attributes", m->s->see->step);

	if (!err)
		err = restore_owner(m);
	if (!err)
		err = restore_xattrs(m);
	/* after ACLs, which are part of it */
	if (!err)
		err = restore_mode(m);
	if (!err && !m->torn)
		err = set_mtime(m->host, m->s->see->old_mtime);
	return err;
}

/* ---- all of it ---- */

/* with its bytes only if it is a regular file: nothing else is opened */
static int open_object(int mount, const char *key, int flags)
{
	_cleanup_close_ int path = key_open(mount, key, O_PATH);
	struct stat st;

	if (path < 0)
		return path;
	if (fstat(path, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? key_open(mount, key, flags | O_NONBLOCK) : take_fd(&path);
}

static int open_all(struct restoring *m, unsigned int *conflict)
{
	int mount = host_part(m->r, m->s);
	/* attributes need no open for writing, which a program that runs would refuse */
	int mode = m->s->see->flags & SEE_STEP_DATA ? O_RDWR : O_RDONLY;

	m->host = open_object(mount, step_text(m->s, SEE_TEXT_SRC_KEY), mode);
	if (m->host == -ESTALE)
		*conflict = SEE_CONFLICT_GONE;
	if (m->host < 0)
		return m->host;
	/* without the two nothing can be told: they are ours, and must be there */
	m->old = open_object(mount, step_text(m->s, SEE_TEXT_OLD_KEY), O_RDONLY);
	if (m->old < 0)
		return m->old == -ESTALE ? -EUCLEAN : m->old;
	m->new = open_object(mount, step_text(m->s, SEE_TEXT_NEW_KEY), O_RDONLY);
	if (m->new < 0)
		return m->new == -ESTALE ? -EUCLEAN : m->new;
	return fstat(m->host, &m->st) < 0 ? -errno : 0;
}

static int set_up(struct restoring *m)
{
	struct statfs fs;

	if (fstatfs(m->host, &fs) < 0)
		return -errno;
	m->block = fs.f_bsize < 512 || fs.f_bsize > BLOCK_MAX ? 4096 : (size_t)fs.f_bsize;
	m->host_buf = malloc(m->block);
	m->old_buf = malloc(m->block);
	m->new_buf = malloc(m->block);
	return m->host_buf && m->old_buf && m->new_buf ? 0 : -ENOMEM;
}

int restore_object(struct recovery *r, const struct plan_step *s, unsigned int *conflict)
{
	_cleanup_(close_restoring) struct restoring m = {
		.r = r, .s = s, .host = -1, .old = -1, .new = -1,
	};
	int err = open_all(&m, conflict);

	if (!err)
		err = set_up(&m);
	if (!err)
		err = restore_data(&m);
	if (!err)
		err = restore_attributes(&m);
	if (err || !m.torn)
		return err;
	*conflict = SEE_CONFLICT_CHANGED;
	return -ESTALE;
}

int restore_mtime(struct recovery *r, const struct plan_step *s)
{
	_cleanup_close_ int fd = key_open(host_part(r, s), step_text(s, SEE_TEXT_SRC_KEY), O_PATH);
	struct stat st;

	if (fd < 0)
		return fd == -ESTALE ? 0 : fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	/* not if something else of it is the host's */
	if (st.st_uid != s->see->old_uid || st.st_gid != s->see->old_gid ||
	    (st.st_mode & 07777) != (s->see->old_mode & 07777))
		return 0;
	return set_mtime(fd, s->see->old_mtime);
}
