// SPDX-License-Identifier: GPL-2.0
/*
 * layer.c - layers as detached mounts
 *
 * Mounting a private tree again gives the same superblock, so each hand-out is
 * a fresh mount of the same layer, and a restarted daemon finds a running SEE
 * as it was.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "handle.h"
#include "seed.h"

/**
 * layer_path - where a directory is in our mount name space
 * @fd: descriptor of the directory
 * @mounts: our mounts
 * @mount: set to the directory's mount
 * @path: set to its path
 * @note: why not
 */
int layer_path(int fd, const struct mount_table *mounts, const struct mount_entry **mount,
	       char **path, struct note *note)
{
	_cleanup_close_ int again = -1;
	char link[48], name[4096];
	struct stat a, b;
	int64_t id = mount_id(fd);
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, name, sizeof(name) - 1);
	if (len < 0)
		return note_fail(note, errno, "a directory given cannot be found: %s",
				 strerror(errno));
	name[len] = 0;
	*mount = id < 0 ? NULL : mount_by_id(mounts, id);
	if (!*mount)
		return note_fail(note, EXDEV,
				 "%.150s belongs to another mount name space; start seectl outside of it",
				 name);
	again = open_nofollow(AT_FDCWD, name, O_PATH | O_DIRECTORY, false);
	if (again < 0 || mount_id(again) != id || fstat(fd, &a) < 0 || fstat(again, &b) < 0 ||
	    a.st_ino != b.st_ino || a.st_dev != b.st_dev)
		return note_fail(note, ESTALE,
				 "%.150s was moved, removed or mounted over; try again", name);
	*path = strdup(name);
	return *path ? 0 : note_fail(note, ENOMEM, "out of memory");
}

/* what the file system said about a failure: the last line of its log */
static void context_log(int ctx, char *text, size_t size)
{
	char line[512];
	ssize_t len;

	while ((len = read(ctx, line, sizeof(line) - 1)) > 0) {
		line[len] = 0;
		line[strcspn(line, "\n")] = 0;
		if (line[0] == 'e' && line[1] == ' ')
			snprintf(text, size, "%.*s", (int)size - 1, line + 2);
	}
}

static unsigned int attributes(const struct mount_entry *lower, unsigned int flags)
{
	unsigned int attr = MOUNT_ATTR_NODEV;

	if (mount_has_option(lower->options, "nosuid"))
		attr |= MOUNT_ATTR_NOSUID;
	if (mount_has_option(lower->options, "noexec"))
		attr |= MOUNT_ATTR_NOEXEC;
	if (!(flags & SEE_LAYER_WRITE) || mount_is_readonly(lower))
		attr |= MOUNT_ATTR_RDONLY;
	return attr;
}

/* the layers of a SEE have one limit */
static int configure_size(int ctx, const struct meta *m)
{
	char size[24], group[24];

	snprintf(size, sizeof(size), "%ju", (uintmax_t)m->size);
	snprintf(group, sizeof(group), "%ju", (uintmax_t)m->id);
	if (fsconfig(ctx, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
	    fsconfig(ctx, FSCONFIG_SET_STRING, "group", group, 0) < 0)
		return -errno;
	return 0;
}

static int configure(int ctx, const struct meta *m, int lower, int private)
{
	int err = m->size ? configure_size(ctx, m) : 0;

	if (err)
		return err;
	if (fsconfig(ctx, FSCONFIG_SET_STRING, "source", "see", 0) < 0 ||
	    fsconfig(ctx, FSCONFIG_SET_FD, "lower", NULL, lower) < 0 ||
	    fsconfig(ctx, FSCONFIG_SET_FD, "private", NULL, private) < 0)
		return -errno;
	return fsconfig(ctx, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
}

/* the directory that a layer covers, if it is the one that was recorded */
static int open_lower(const struct meta_layer *l, struct note *note)
{
	_cleanup_close_ int lower = open_nofollow(AT_FDCWD, l->path, O_RDONLY | O_DIRECTORY, false);
	struct handle h = {};
	int err;

	if (lower < 0)
		return note_fail(note, -lower, "%.150s, which the SEE covers, cannot be opened: %s",
				 l->path, strerror(-lower));
	err = handle_of(lower, &h);
	if (err)
		return note_fail(note, -err, "%.150s has no file handles: %s", l->path,
				 strerror(-err));
	if (h.type != l->handle.type || h.len != l->handle.len ||
	    memcmp(h.bytes, l->handle.bytes, h.len))
		return note_fail(note, ESTALE,
				 "%.120s is not the directory any more that the SEE covers; put that back, or abort the SEE",
				 l->path);
	return take_fd(&lower);
}

/**
 * layer_mount - a detached mount of a layer
 * @m: the SEE
 * @index: of the layer
 * @mounts: our mounts
 * @note: why not
 *
 * Return: descriptor or a negative errno.
 */
int layer_mount(const struct meta *m, unsigned int index, const struct mount_table *mounts,
		struct note *note)
{
	const struct meta_layer *l = &m->layer[index];
	_cleanup_close_ int lower = -1, private = -1, ctx = -1;
	const struct mount_entry *mount;
	char log[200] = "";
	int err, fd;

	lower = open_lower(l, note);
	if (lower < 0)
		return lower;
	mount = mount_by_id(mounts, mount_id(lower));
	if (!mount)
		return note_fail(note, EXDEV, "%.150s belongs to another mount name space",
				 l->path);
	private = store_open_tree(m, index);
	if (private < 0)
		return note_fail(note, -private,
				 "the store %.100s of the SEE cannot be opened: %s", l->base,
				 strerror(-private));
	ctx = fsopen("seefs", FSOPEN_CLOEXEC);
	if (ctx < 0)
		return note_fail(note, errno, "there is no file system seefs: %s",
				 strerror(errno));
	err = configure(ctx, m, lower, private);
	if (err) {
		context_log(ctx, log, sizeof(log));
		return note_fail(note, -err, "%.100s cannot be covered: %.130s", l->path,
				 log[0] ? log : strerror(-err));
	}
	fd = fsmount(ctx, FSMOUNT_CLOEXEC, attributes(mount, l->flags));
	if (fd < 0)
		return note_fail(note, errno, "%.150s cannot be mounted: %s", l->path,
				 strerror(errno));
	return fd;
}
