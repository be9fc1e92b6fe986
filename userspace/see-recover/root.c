// SPDX-License-Identifier: GPL-2.0
/*
 * root.c - the root file system, seen from an initramfs
 *
 * It is mounted read-only, and nothing of it can be trusted to run.  Mounts are
 * changed in a mount name space of our own, which ends with us.  Only that a file
 * system is writable meanwhile concerns everybody: others' mounts stay read-only.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>

#include "root.h"
#include "seed.h"
#include "util.h"

int root_enter(const char *dir)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE };

	if (unshare(CLONE_NEWNS) < 0 || chdir(dir) < 0 || chroot(".") < 0)
		return -errno;
	return mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

/* @how: rw or ro */
static int set_file_system(const struct mount_entry *m, const char *how)
{
	_cleanup_close_ int fd = fspick(AT_FDCWD, m->target, FSPICK_CLOEXEC | FSPICK_NO_AUTOMOUNT);

	if (fd < 0 || fsconfig(fd, FSCONFIG_SET_FLAG, how, NULL, 0) < 0 ||
	    fsconfig(fd, FSCONFIG_CMD_RECONFIGURE, NULL, NULL, 0) < 0) {
		int err = -errno;

		say("%s cannot be mounted %s: %s", m->target, how, strerror(-err));
		return err;
	}
	return 0;
}

int root_make_writable(struct root *root)
{
	int err;

	*root = (struct root) {};
	/* what is done through descriptors is done through it */
	if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	err = mount_table_read(&root->mounts);
	if (err)
		return err;
	root->written = calloc(root->mounts.n + 1, sizeof(*root->written));
	if (!root->written)
		return -ENOMEM;
	for (size_t i = 0; i < root->mounts.n; i++)
		if (mount_has_option(root->mounts.entry[i].super, "ro"))
			root->written[i] = !set_file_system(&root->mounts.entry[i], "rw");
	return 0;
}

void root_restore(struct root *root)
{
	for (size_t i = root->mounts.n; root->written && i--;)
		if (root->written[i])
			(void)set_file_system(&root->mounts.entry[i], "ro");
	mount_table_free(&root->mounts);
	free(root->written);
	*root = (struct root) {};
}
