// SPDX-License-Identifier: GPL-2.0
/*
 * cover.c - which directories a new SEE covers
 *
 * Every mount of the host gets a layer, writable if it is in a directory of
 * --over, else read-only; a directory of --over that is no mount gets one of its
 * own.  Left out are pseudo file systems and what is below /proc, /sys, /dev and
 * /run, which seectl provides anew; where a mount is left out, the SEE has the
 * directory beneath it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/vfs.h>

#include "seectl.h"

struct place {
	char *path;
	int fd;
	unsigned int flags;
};

struct cover {
	struct place place[SEE_LAYERS_MAX];
	size_t n;
};

static void cover_free(struct cover *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->place[i].path);
		close_fd(&c->place[i].fd);
	}
	c->n = 0;
}

static bool pseudo_type(const char *type)
{
	static const char *const types[] = {
		"proc", "sysfs", "devtmpfs", "devpts", "cgroup", "cgroup2", "autofs", "mqueue",
		"debugfs", "tracefs", "securityfs", "selinuxfs", "pstore", "bpf", "configfs",
		"fusectl", "binfmt_misc", "hugetlbfs", "efivarfs", "nsfs", "rpc_pipefs", "ramfs",
		"seefs",
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(type, types[i]))
			return true;
	return false;
}

/* what seectl provides anew in every SEE */
static const char *fresh_place(const char *path)
{
	static const char *const places[] = { "/proc", "/sys", "/dev", "/run" };

	for (size_t i = 0; i < ARRAY_SIZE(places); i++)
		if (path_inside(path, places[i]))
			return places[i];
	return NULL;
}

/* are there file handles, which lead to the same object for ever? seefs refuses others */
static bool has_handles(int fd)
{
	struct file_handle none = { .handle_bytes = 0 };
	struct statfs fs;
	int mnt;

	if (fstatfs(fd, &fs) < 0 || fs.f_type == MSDOS_SUPER_MAGIC ||
	    fs.f_type == FUSE_SUPER_MAGIC)
		return false;
	return name_to_handle_at(fd, "", &none, &mnt, AT_EMPTY_PATH) < 0 && errno == EOVERFLOW;
}

static struct place *find_place(struct cover *c, const char *path)
{
	for (size_t i = 0; i < c->n; i++)
		if (!strcmp(c->place[i].path, path))
			return &c->place[i];
	return NULL;
}

/* takes over @fd on success */
static int add_place(struct cover *c, const char *path, int *fd, unsigned int flags)
{
	char *copy;

	if (c->n == SEE_LAYERS_MAX)
		return complain("more than %d file systems and directories to cover; unmount some",
				SEE_LAYERS_MAX);
	copy = strdup(path);
	if (!copy)
		return complain("out of memory");
	c->place[c->n++] = (struct place) { .path = copy, .fd = take_fd(fd), .flags = flags };
	return 0;
}

static unsigned int flags_of(const char *path, char *const *over, size_t nover)
{
	for (size_t i = 0; i < nover; i++)
		if (path_inside(path, over[i]))
			return SEE_LAYER_WRITE;
	return 0;
}

static int add_mount(struct cover *c, const struct mount_entry *m, char *const *over,
		     size_t nover, bool *left_out)
{
	_cleanup_close_ int fd = -1;
	unsigned int flags = 0;

	if (pseudo_type(m->fstype) || fresh_place(m->target))
		return 0;
	fd = open_nofollow(AT_FDCWD, m->target, O_PATH | O_DIRECTORY, false);
	/* files, what is hidden under another mount, what we may not enter */
	if (fd == -ENOTDIR || fd == -ENOENT || (fd >= 0 && mount_id(fd) != m->id))
		return 0;
	/* of us, and not of the mount */
	if (fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM)
		return complain("%s: %s", quote(m->target), strerror(-fd));
	if (fd < 0 || !has_handles(fd)) {
		if (!*left_out)
			remark("left out of the SEE, which has the directory beneath:");
		*left_out = true;
		remark("  %s (%s): %s", quote(m->target), quote(m->fstype),
		       fd < 0 ? strerror(-fd) : "no lasting file handles");
		return 0;
	}
	if (!mount_is_readonly(m))
		flags = flags_of(m->target, over, nover);
	return add_place(c, m->target, &fd, flags);
}

static int add_over(struct cover *c, const char *path)
{
	_cleanup_close_ int fd = -1;
	struct place *p = find_place(c, path);
	int err;

	if (p) {
		if (!(p->flags & SEE_LAYER_WRITE))
			return complain("--over %s: it is mounted read-only", quote(path));
		return 0;
	}
	fd = open_nofollow(AT_FDCWD, path, O_PATH | O_DIRECTORY, false);
	if (fd < 0)
		return complain("--over %s: %s", quote(path), strerror(-fd));
	if (!has_handles(fd))
		return complain("--over %s: its file system has no lasting file handles and cannot be covered",
				quote(path));
	err = add_place(c, path, &fd, SEE_LAYER_WRITE);
	return err;
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct place *)a)->path, ((const struct place *)b)->path);
}

/* the directories of --over as absolute paths, without those that lie in others */
static int resolve_over(char *const *over, size_t nover, char **out, size_t *nout)
{
	for (size_t i = 0; i < nover; i++) {
		char *path = realpath(over[i], NULL);
		const char *fresh;
		size_t to = 0;

		if (!path)
			return complain("--over %s: %s", quote(over[i]), strerror(errno));
		fresh = fresh_place(path);
		if (fresh) {
			free(path);
			return complain("--over %s: every SEE has a %s of its own, which is not kept",
					quote(over[i]), fresh);
		}
		if (flags_of(path, out, *nout)) {
			free(path);
			continue;
		}
		for (size_t j = 0; j < *nout; j++) {
			if (path_inside(out[j], path))
				free(out[j]);
			else
				out[to++] = out[j];
		}
		out[to++] = path;
		*nout = to;
	}
	return 0;
}

static int collect(struct cover *c, char *const *over, size_t nover)
{
	_cleanup_(mount_table_free) struct mount_table mounts = {};
	bool left_out = false;
	int err;

	err = mount_table_read(&mounts);
	if (err)
		return complain("/proc/self/mountinfo: %s", strerror(-err));
	for (size_t i = 0; i < mounts.n && !err; i++)
		err = add_mount(c, &mounts.entry[i], over, nover, &left_out);
	for (size_t i = 0; i < nover && !err; i++)
		err = add_over(c, over[i]);
	if (err)
		return err;
	qsort(c->place, c->n, sizeof(c->place[0]), by_path);
	if (!c->n || strcmp(c->place[0].path, "/"))
		return complain("the root file system cannot be covered: it has no lasting file handles, or is not what / is here");
	return 0;
}

static int create(struct see *see, const char *name, char *const *over, size_t nover,
		  uint64_t size)
{
	_cleanup_(cover_free) struct cover c = {};
	struct see_layer_spec spec[SEE_LAYERS_MAX];
	char message[SEE_MESSAGE_MAX + 1];
	int err = collect(&c, over, nover);

	if (err)
		return err;
	for (size_t i = 0; i < c.n; i++)
		spec[i] = (struct see_layer_spec) { c.place[i].fd, c.place[i].flags };
	snprintf(see->name, sizeof(see->name), "%s", name);
	see->fd = see_create(see->dev, see->name, spec, (unsigned int)c.n, size, message);
	if (see->fd < 0) {
		err = see->fd;
		return client_complain("the SEE cannot be made", err, message);
	}
	return 0;
}

int cover_create(struct see *see, const char *name, char *const *over, size_t nover,
		 uint64_t size)
{
	static char root[] = "/";
	char *const everything[] = { root };
	char **resolved;
	size_t n = 0;
	int err;

	if (name[0] && !see_name_valid(name))
		return complain("%s is not a name for a SEE: letters, digits, '-', '_' and '.', beginning with a letter or digit, at most %d",
				quote(name), SEE_NAME_MAX);
	err = client_device(see);
	if (err)
		return err;
	if (!nover) {
		if (geteuid())
			return complain("name the directories that may be written in with --over; they must be your own");
		return create(see, name, everything, 1, size);
	}
	resolved = calloc(nover, sizeof(*resolved));
	if (!resolved)
		return complain("out of memory");
	err = resolve_over(over, nover, resolved, &n);
	if (!err)
		err = create(see, name, resolved, n, size);
	for (size_t i = 0; i < n; i++)
		free(resolved[i]);
	free(resolved);
	return err;
}
