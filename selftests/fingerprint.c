// SPDX-License-Identifier: GPL-2.0
/*
 * fingerprint.c - what a tree looks like, for see_test.py
 *
 * Python takes half of the selftests' time for this. A library, not a program: a case
 * looks often, and at little. The answer is a pickle (protocol 3, see pickletools) of
 * {path: {field: value}}, in a fixed order: trees that are alike have the same bytes.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Bits of @fields; FIELDS of see_test.py is in the same order. */
enum {
	TYPE, MODE, UID, GID, RDEV, NLINK, SIZE, INO, ATIME, MTIME, CTIME, CONTENT, XATTRS, NAMES,
};

#define STEP (1 << 20)
#define SHORT 64	/* files of so many bytes are kept as they are */

struct buffer {
	char *data;
	size_t len, room;
};

struct entry {
	char *name;
	struct stat st;
	struct buffer content, xattrs;	/* pickled */
	struct entry *next;		/* name of the object; the last one's is the first */
};

struct walk {
	const char *skip;
	unsigned int fields;
	struct entry *entries;
	size_t count, room;
	char *block;			/* STEP + 1 bytes */
	char failed[4096];		/* the path at which it ended */
};

static void *more(void *data, size_t *room, size_t need, size_t size)
{
	if (need > *room) {
		*room = need * 2;
		data = realloc(data, *room * size);
		if (!data)
			abort();
	}
	return data;
}

static void put(struct buffer *b, const void *data, size_t len)
{
	b->data = more(b->data, &b->room, b->len + len + 1, 1);
	if (len)
		memcpy(b->data + b->len, data, len);
	b->len += len;
}

static void op(struct buffer *b, const char *code)
{
	put(b, code, strlen(code));
}

static void put_sized(struct buffer *b, const char *code, const void *data, size_t len)
{
	uint32_t size = len;

	op(b, code);
	put(b, &size, sizeof(size));
	put(b, data, len);
}

static void put_bytes(struct buffer *b, const void *data, size_t len)
{
	put_sized(b, "B", data, len);
}

/* A str, as os.fsdecode() makes it. */
static void put_text(struct buffer *b, const char *text)
{
	const char *c;

	for (c = text; *c; c++)
		if (*c & 0x80) {
			op(b, "cos\nfsdecode\n");
			put_bytes(b, text, strlen(text));
			op(b, "\x85R");
			return;
		}
	put_sized(b, "X", text, c - text);
}

static void put_number(struct buffer *b, int64_t value)
{
	op(b, "\x8a\x08");
	put(b, &value, sizeof(value));
}

static void put_time(struct buffer *b, const struct timespec *t)
{
	put_number(b, (int64_t)t->tv_sec * 1000000000 + t->tv_nsec);
}

static int failed(struct walk *w, const char *path)
{
	int err = errno;

	snprintf(w->failed, sizeof(w->failed), "%s", path);
	return -err;
}

/* FNV-1a, of 64 bits */
static uint64_t digest(uint64_t hash, const void *data, size_t len)
{
	const unsigned char *c = data, *end = c + len;

	for (; c < end; c++)
		hash = (hash ^ *c) * 0x100000001b3;
	return hash;
}

static bool all_zeros(const char *data, size_t len)
{
	return !len || (!data[0] && !memcmp(data, data + 1, len - 1));
}

/* Holes count as zeros, but take no time. */
static int put_digest(struct walk *w, int fd, off_t size, struct buffer *b)
{
	uint64_t hash = digest(0xcbf29ce484222325, &size, sizeof(size));
	off_t pos = 0;
	char text[20];

	while (pos < size) {
		size_t want = STEP;
		ssize_t got;

		pos = lseek(fd, pos, SEEK_DATA);
		if (pos < 0) {
			if (errno == ENXIO)
				break;
			return -1;
		}
		pos -= pos % STEP;
		/* one more than there is, to see that there is no more */
		if (size - pos < STEP)
			want = size - pos + 1;
		got = pread(fd, w->block, want, pos);
		if (got < 0)
			return -1;
		if (!all_zeros(w->block, got)) {
			hash = digest(hash, &pos, sizeof(pos));
			hash = digest(hash, w->block, got);
		}
		pos += STEP;
	}
	sprintf(text, "%016jx", (uintmax_t)hash);
	put_text(b, text);
	return 0;
}

static int put_file(struct walk *w, int fd, struct buffer *b)
{
	struct stat st;
	ssize_t got = 0;

	if (fstat(fd, &st))
		return -1;
	if (st.st_size > SHORT)
		return put_digest(w, fd, st.st_size, b);
	if (st.st_size)
		got = pread(fd, w->block, st.st_size + 1, 0);
	if (got < 0)
		return -1;
	put_bytes(b, w->block, got);
	return 0;
}

static int put_content(struct walk *w, const char *path, const struct stat *st, struct buffer *b)
{
	int fd, ret, err;

	if (S_ISLNK(st->st_mode)) {
		ssize_t len = readlink(path, w->block, STEP);

		if (len < 0)
			return -1;
		w->block[len] = '\0';
		put_text(b, w->block);
		return 0;
	}
	if (!S_ISREG(st->st_mode)) {
		op(b, "N");
		return 0;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ret = put_file(w, fd, b);
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void sort(char **texts, size_t count)
{
	if (count > 1)
		qsort(texts, count, sizeof(*texts), by_text);
}

static int put_xattrs(const char *path, struct buffer *b)
{
	/* a name has a byte, and its NUL */
	char list[65536], value[65536], *keys[sizeof(list) / 2];
	ssize_t len = llistxattr(path, list, sizeof(list)), got;
	size_t count = 0, i;

	if (len < 0 && errno == ENOTSUP)
		len = 0;
	if (len < 0)
		return -1;
	for (char *key = list; key < list + len; key += strlen(key) + 1)
		keys[count++] = key;
	sort(keys, count);
	op(b, "}");
	for (i = 0; i < count; i++) {
		got = lgetxattr(path, keys[i], value, sizeof(value));
		if (got < 0)
			return -1;
		put_text(b, keys[i]);
		put_bytes(b, value, got);
		op(b, "s");
	}
	return 0;
}

static int visit(struct walk *w, const char *path, const char *name);

static int visit_all(struct walk *w, const char *path, const char *name)
{
	char **names = NULL;
	size_t count = 0, room = 0, i;
	struct dirent *d;
	DIR *dir = opendir(path);
	int ret = 0;

	if (!dir)
		return failed(w, path);
	while (errno = 0, (d = readdir(dir))) {
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		names = more(names, &room, count + 1, sizeof(*names));
		names[count] = strdup(d->d_name);
		if (!names[count++])
			abort();
	}
	if (errno)
		ret = failed(w, path);
	closedir(dir);
	sort(names, count);
	for (i = 0; i < count; i++) {
		char *below, *known;

		if (asprintf(&below, "%s/%s", path, names[i]) < 0 ||
		    asprintf(&known, "%s/%s", name, names[i]) < 0)
			abort();
		if (!ret)
			ret = visit(w, below, known);
		free(below);
		free(known);
		free(names[i]);
	}
	free(names);
	return ret;
}

static int visit(struct walk *w, const char *path, const char *name)
{
	struct entry *e;

	if (w->skip && !strcmp(path, w->skip))
		return 0;
	w->entries = more(w->entries, &w->room, w->count + 1, sizeof(*e));
	e = &w->entries[w->count++];
	*e = (struct entry){ .name = strdup(name) };
	if (!e->name)
		abort();
	if (lstat(path, &e->st) ||
	    (w->fields & 1 << CONTENT && put_content(w, path, &e->st, &e->content)) ||
	    (w->fields & 1 << XATTRS && put_xattrs(path, &e->xattrs)))
		return failed(w, path);
	/* which can move *e */
	return S_ISDIR(e->st.st_mode) ? visit_all(w, path, name) : 0;
}

static int by_object(const void *a, const void *b)
{
	const struct entry *x = *(struct entry *const *)a, *y = *(struct entry *const *)b;

	if (x->st.st_dev != y->st.st_dev)
		return x->st.st_dev < y->st.st_dev ? -1 : 1;
	if (x->st.st_ino != y->st.st_ino)
		return x->st.st_ino < y->st.st_ino ? -1 : 1;
	return x < y ? -1 : x > y;
}

static bool same_object(const struct entry *a, const struct entry *b)
{
	return a->st.st_dev == b->st.st_dev && a->st.st_ino == b->st.st_ino;
}

/* The names of an object that is no directory: a ring, in the order of the walk. */
static void find_names(struct walk *w)
{
	struct entry **all = malloc((w->count + 1) * sizeof(*all));
	size_t count = 0, i, first = 0;

	if (!all)
		abort();
	for (i = 0; i < w->count; i++)
		if (!S_ISDIR(w->entries[i].st.st_mode))
			all[count++] = &w->entries[i];
	if (count)
		qsort(all, count, sizeof(*all), by_object);
	for (i = 0; i < count; i++) {
		if (!same_object(all[i], all[first]))
			first = i;
		all[i]->next = i + 1 < count && same_object(all[i], all[i + 1]) ?
			all[i + 1] : all[first];
	}
	free(all);
}

static void put_names(struct entry *e, struct buffer *b)
{
	struct entry *first = e, *at = e;

	/* entries lie in the order of the walk */
	do {
		if (at < first)
			first = at;
		at = at->next;
	} while (at != e);
	at = first;
	op(b, "](");
	do {
		put_text(b, at->name);
		at = at->next;
	} while (at != first);
	op(b, "e");
}

static void put_field(struct entry *e, int field, struct buffer *b)
{
	const struct stat *st = &e->st;
	char text[20];

	switch (field) {
	case TYPE:
		return put_number(b, st->st_mode & S_IFMT);
	case MODE:
		sprintf(text, "0o%o", st->st_mode & 07777);
		return put_text(b, text);
	case UID:
		return put_number(b, st->st_uid);
	case GID:
		return put_number(b, st->st_gid);
	case RDEV:
		return put_number(b, st->st_rdev);
	case NLINK:
		return put_number(b, st->st_nlink);
	case SIZE:
		return put_number(b, st->st_size);
	case INO:
		/* up to 64 bits, and a ninth byte for the sign */
		op(b, "\x8a\x09");
		put(b, &(uint64_t){ st->st_ino }, 8);
		return put(b, "", 1);
	case ATIME:
		return put_time(b, &st->st_atim);
	case MTIME:
		return put_time(b, &st->st_mtim);
	case CTIME:
		return put_time(b, &st->st_ctim);
	case CONTENT:
		return put(b, e->content.data, e->content.len);
	case XATTRS:
		return put(b, e->xattrs.data, e->xattrs.len);
	case NAMES:
		return put_names(e, b);
	}
}

static void put_entry(struct walk *w, struct entry *e, struct buffer *b)
{
	static const char *const names[] = {
		"type", "mode", "uid", "gid", "rdev", "nlink", "size", "ino", "atime", "mtime",
		"ctime", "content", "xattrs", "names",
	};

	put_text(b, e->name);
	op(b, "}");
	for (int i = TYPE; i <= NAMES; i++)
		if (w->fields & 1 << i && (i != NAMES || e->next)) {
			put_text(b, names[i]);
			put_field(e, i, b);
			op(b, "s");
		}
	op(b, "s");
}

/**
 * fingerprint() - what a tree looks like
 * @root: its path
 * @skip: a path to leave out, or NULL
 * @fields: which fields to take, bits
 * @answer: the pickle, or the path at which it failed; free() it
 *
 * Return: the length of the answer, or -errno.
 */
long fingerprint(const char *root, const char *skip, unsigned int fields, char **answer)
{
	struct walk w = { .skip = skip, .fields = fields, .block = malloc(STEP + 1) };
	struct buffer b = {};
	int ret;

	if (!w.block)
		abort();
	ret = visit(&w, root, ".");
	if (ret) {
		op(&b, w.failed);
	} else {
		find_names(&w);
		op(&b, "\x80\x03}");
		for (size_t i = 0; i < w.count; i++)
			put_entry(&w, &w.entries[i], &b);
		op(&b, ".");
	}
	put(&b, "", 1);
	for (size_t i = 0; i < w.count; i++) {
		free(w.entries[i].name);
		free(w.entries[i].content.data);
		free(w.entries[i].xattrs.data);
	}
	free(w.entries);
	free(w.block);
	*answer = b.data;
	return ret ?: (long)b.len - 1;
}
