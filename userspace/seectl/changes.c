// SPDX-License-Identifier: GPL-2.0
/*
 * changes.c - the list of changes of a SEE
 *
 * The kernel lists a born directory once; what it contains is found here, by
 * walking it through a mount of the layer.  Nothing is followed and nothing is
 * kept open on the way down: the tree is the SEE's and may be of any shape, and
 * may be changing.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>

#include "seectl.h"

void changes_free(struct changes *changes)
{
	for (size_t i = 0; i < changes->n; i++) {
		free(changes->change[i].path);
		free(changes->change[i].from);
	}
	free(changes->change);
	*changes = (struct changes) {};
}

/*
 * Reached through a callback, gcc 12's analyzer forgets that what the caller's
 * struct points to is still owned by it.
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
static int grow(struct changes *changes)
{
	size_t size = changes->size ? 2 * changes->size : 256;
	struct change *more = reallocarray(changes->change, size, sizeof(*more));

	if (!more)
		return -ENOMEM;
	changes->change = more;
	changes->size = size;
	return 0;
}

/* takes over the paths of @c, on failure, too */
static int append(struct changes *changes, const struct change *c)
{
	if (changes->n == changes->size && grow(changes)) {
		free(c->path);
		free(c->from);
		return -ENOMEM;
	}
	changes->change[changes->n++] = *c;
	return 0;
}

#pragma GCC diagnostic pop

const char *change_word(const struct change *c)
{
	if (c->what & SEE_CHANGE_NAME_KEPT)
		return "kept";
	if (c->what & SEE_CHANGE_NAME_REPLACED)
		return c->what & SEE_CHANGE_NAME_LINKED ? "relinked" : "replaced";
	if (c->what & SEE_CHANGE_NAME_MADE)
		return "made";
	if (c->what & SEE_CHANGE_NAME_LINKED)
		return "linked";
	if (c->what & SEE_CHANGE_NAME_REMOVED)
		return "removed";
	if (c->what & SEE_CHANGE_DATA)
		return "data";
	return "attr";
}

const struct conflict_word conflict_words[] = {
	{ SEE_CONFLICT_CHANGED, "changed" },
	{ SEE_CONFLICT_GONE, "gone" },
	{ SEE_CONFLICT_NAME, "name" },
	{ SEE_CONFLICT_WEAK, "weak" },
	{},
};

/* ---- what the kernel lists ---- */

struct reading {
	struct see *see;
	const char *under;
	struct changes *changes;
};

/* of a run that is going on, or was killed; policy.c */
static bool is_placeholder(const struct change *c)
{
	return !strcmp(c->path, POLICY_PATH) && c->what == SEE_CHANGE_NAME_MADE &&
	       c->new.mode == S_IFREG && !c->new.size && !c->new.uid;
}

static bool born_directory(const struct change *c)
{
	return c->what & SEE_CHANGE_NAME_MADE && S_ISDIR(c->new.mode);
}

/* is the change wanted, or may what is in it be? */
static bool wanted(const struct change *c, const char *under)
{
	return !under || path_inside(c->path, under) ||
	       (born_directory(c) && path_inside(under, c->path));
}

static int read_change(const struct see_change *rec, void *data)
{
	const struct reading *r = data;
	struct change c = {
		.what = rec->what, .conflict = rec->conflict, .layer = rec->layer,
		.old = { rec->old_mode, rec->old_uid, rec->old_gid, rec->old_size },
		.new = { rec->new_mode, rec->new_uid, rec->new_gid, rec->new_size },
	};
	const struct layer *l = NULL;

	for (size_t i = 0; i < r->see->nlayers; i++)
		if (r->see->layer[i].index == rec->layer)
			l = &r->see->layer[i];
	if (!l)
		return -EBADMSG;
	c.path = path_join(l->path, rec->path);
	if (!c.path)
		return -ENOMEM;
	memcpy(c.command, rec->command, sizeof(c.command) - 1);
	if (rec->from_len && strcmp(rec->path, rec->path + rec->path_len + 1))
		c.from = path_join(l->path, rec->path + rec->path_len + 1);
	if (is_placeholder(&c))
		r->changes->placeholder = true;
	if (is_placeholder(&c) || !wanted(&c, r->under)) {
		free(c.path);
		free(c.from);
		return 0;
	}
	return append(r->changes, &c);
}

/* ---- what is in born directories ---- */

static struct layer *layer_at(struct see *see, unsigned int index)
{
	for (size_t i = 0; i < see->nlayers; i++)
		if (see->layer[i].index == index)
			return &see->layer[i];
	return NULL;
}

/* the path of a change relative to its layer */
static const char *relative(const struct layer *l, const char *path)
{
	path += strlen(l->path);
	while (*path == '/')
		path++;
	return *path ? path : ".";
}

/* entries of the born directory that is change @index, at the end of the list */
static int expand(struct see *see, struct changes *changes, size_t index)
{
	const struct change dir = changes->change[index];
	struct layer *l = layer_at(see, dir.layer);
	_cleanup_close_ int fd = -1;
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *e;

	if (!l || client_mount(see, l))
		return -EIO;
	fd = open_resolve(l->fd, relative(l, dir.path), O_RDONLY | O_DIRECTORY,
			  RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	/* gone meanwhile */
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP)
		return 0;
	if (fd < 0) {
		remark("%s: what is in it cannot be listed: %s", quote(dir.path), strerror(-fd));
		return 0;
	}
	d = fdopendir(fd);
	if (!d)
		return -errno;
	take_fd(&fd);
	while ((e = readdir(d))) {
		struct change c = { .what = SEE_CHANGE_NAME_MADE, .layer = dir.layer };
		struct stat st;
		int err;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		c.new = (struct side) { st.st_mode, st.st_uid, st.st_gid,
					S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size };
		c.path = path_join(dir.path, e->d_name);
		if (!c.path)
			return -ENOMEM;
		err = append(changes, &c);
		if (err)
			return err;
	}
	return 0;
}

/* host objects that were put into a born directory are listed by both */
static void drop_doubles(struct changes *changes)
{
	size_t to = 0;

	for (size_t i = 0; i < changes->n; i++) {
		struct change *c = &changes->change[i], *last = to ? &changes->change[to - 1] : NULL;
		bool names = last && c->what & last->what & SEE_CHANGE_NAME_MADE;

		if (last && !strcmp(c->path, last->path) &&
		    (names || (c->what == SEE_CHANGE_NAME_MADE && last->what & SEE_CHANGE_NAME_LINKED) ||
		     (last->what == SEE_CHANGE_NAME_MADE && c->what & SEE_CHANGE_NAME_LINKED))) {
			bool keep_last = last->what != SEE_CHANGE_NAME_MADE;
			struct change *gone = keep_last ? c : last;

			free(gone->path);
			free(gone->from);
			if (!keep_last)
				*last = *c;
			continue;
		}
		changes->change[to++] = *c;
	}
	changes->n = to;
}

/* "/" before everything else, so that a directory is followed by what is in it */
static int rank(unsigned char c)
{
	return !c ? 0 : c == '/' ? 1 : c + 1;
}

int path_order(const char *a, const char *b)
{
	while (*a && *a == *b) {
		a++;
		b++;
	}
	return rank((unsigned char)*a) - rank((unsigned char)*b);
}

static int by_path(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	int cmp = path_order(x->path, y->path);

	return cmp ? cmp : x->what < y->what ? -1 : x->what > y->what;
}

static void sort(struct changes *changes)
{
	if (changes->n)
		qsort(changes->change, changes->n, sizeof(*changes->change), by_path);
}

int changes_list(struct see *see, struct changes *changes)
{
	struct reading r = { .see = see, .changes = changes };
	int err = client_layers(see);

	if (err)
		return err;
	err = see_changes(see->fd, read_change, &r);
	if (err)
		return client_complain("its changes cannot be listed", err, NULL);
	sort(changes);
	return 0;
}

int changes_read(struct see *see, const char *under, struct changes *changes)
{
	struct reading r = { .see = see, .under = under, .changes = changes };
	int err = client_layers(see);
	size_t to = 0;

	if (err)
		return err;
	err = see_changes(see->fd, read_change, &r);
	/* the list grows meanwhile */
	for (size_t i = 0; i < changes->n && !err; i++)
		if (born_directory(&changes->change[i]))
			err = expand(see, changes, i);
	if (err)
		return client_complain("its changes cannot be listed", err, NULL);
	for (size_t i = 0; i < changes->n; i++) {
		struct change *c = &changes->change[i];

		if (!under || path_inside(c->path, under)) {
			changes->change[to++] = *c;
		} else {
			free(c->path);
			free(c->from);
		}
	}
	changes->n = to;
	sort(changes);
	drop_doubles(changes);
	return 0;
}

/* ---- what was born occupies ---- */

struct born {
	unsigned int layer;
	uint64_t ino;
	uint64_t bytes;
};

static int by_object(const void *a, const void *b)
{
	const struct born *x = a, *y = b;

	if (x->layer != y->layer)
		return x->layer < y->layer ? -1 : 1;
	return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static int born_of(struct see *see, const struct change *c, struct born *born)
{
	struct layer *l = layer_at(see, c->layer);
	_cleanup_close_ int fd = -1;
	struct stat st;

	if (!l || client_mount(see, l))
		return -EIO;
	fd = open_resolve(l->fd, relative(l, c->path), O_PATH | O_NOFOLLOW,
			  RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_NO_XDEV);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -ENOENT;
	*born = (struct born) { c->layer, st.st_ino, (uint64_t)st.st_blocks * 512 };
	return 0;
}

int changes_born(struct see *see, uint64_t *bytes)
{
	_cleanup_(changes_free) struct changes changes = {};
	_cleanup_free_ struct born *born = NULL;
	int err = changes_read(see, NULL, &changes);
	size_t n = 0;

	*bytes = 0;
	if (err)
		return err;
	born = calloc(changes.n + 1, sizeof(*born));
	if (!born)
		return complain("out of memory");
	for (size_t i = 0; i < changes.n; i++) {
		if (!(changes.change[i].what & SEE_CHANGE_NAME_MADE))
			continue;
		err = born_of(see, &changes.change[i], &born[n]);
		if (err == -EIO)
			return EXIT_SEECTL;
		/* else it is gone meanwhile */
		n += !err;
	}
	/* an object with several names counts once */
	qsort(born, n, sizeof(*born), by_object);
	for (size_t i = 0; i < n; i++)
		if (!i || by_object(&born[i - 1], &born[i]))
			*bytes += born[i].bytes;
	return 0;
}
