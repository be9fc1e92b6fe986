// SPDX-License-Identifier: GPL-2.0
/* mount.c - seectl mount, seectl umount: a SEE in the file tree of the host */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <sys/mount.h>

#include "fault.h"
#include "seectl.h"

static int attach(struct layer *l, int at, const char *target)
{
	/* what a SEE made set-user-id has not been committed: it gives nothing on the host */
	struct mount_attr set = { .attr_set = MOUNT_ATTR_NODEV };

	if (guard("confine.nosuid"))
		set.attr_set |= MOUNT_ATTR_NOSUID;
	if (mount_setattr(l->fd, "", AT_EMPTY_PATH, &set, sizeof(set)) < 0 ||
	    move_mount(l->fd, "", at, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return complain("the layer over %s cannot be mounted on %s: %s%s", quote(l->path),
				quote(target), strerror(errno),
				errno == EPERM ? "; only root may mount" : "");
	return 0;
}

/* one layer, or the first of several with the others where they belong below */
static int mount_layers(struct see *see, struct layer *top, bool all, const char *target)
{
	_cleanup_close_ int root = -1;
	int err, at = open_nofollow(AT_FDCWD, target, O_PATH | O_DIRECTORY, false);

	if (at < 0)
		return complain("%s: %s", quote(target), strerror(-at));
	err = attach(top, at, target);
	close(at);
	if (err || !all)
		return err;
	root = open_nofollow(AT_FDCWD, target, O_PATH | O_DIRECTORY, false);
	for (size_t i = 0; i < see->nlayers && !err; i++) {
		struct layer *l = &see->layer[i];
		_cleanup_close_ int below = -1;

		if (l == top || !path_inside(l->path, top->path))
			continue;
		below = open_nofollow(root, l->path + strlen(top->path) + (top->path[1] != 0),
				      O_PATH | O_DIRECTORY, true);
		if (below < 0) {
			remark("%s is not there in the SEE any more and is left out: %s",
			       quote(l->path), strerror(-below));
			continue;
		}
		err = attach(l, below, target);
	}
	if (err)
		(void)umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW);
	return err;
}

int verb_mount(int argc, char **argv)
{
	static const struct option options[] = { { "layer", required_argument, NULL, 'l' }, {} };
	_cleanup_(see_close) struct see see = SEE_INIT;
	_cleanup_free_ char *layer = NULL, *target = NULL;
	struct layer *top = NULL;
	int c, err;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c == ':')
			return usage_error("mount", "--layer needs a directory");
		if (c != 'l')
			return usage_error("mount", "unknown option %s", quote(argv[optind - 1]));
		free(layer);
		layer = absolute_path(optarg);
		if (!layer)
			return complain("--layer %s: %s", quote(optarg), strerror(errno));
	}
	if (argc - optind != 2)
		return usage_error("mount", "NAME and TARGET");
	target = realpath(argv[optind + 1], NULL);
	if (!target)
		return complain("%s: %s", quote(argv[optind + 1]), strerror(errno));
	err = client_open(&see, argv[optind]);
	if (!err)
		err = client_layers(&see);
	if (err)
		return err;
	for (size_t i = 0; i < see.nlayers; i++)
		if (layer ? !strcmp(see.layer[i].path, layer) : !top)
			top = &see.layer[i];
	if (!top)
		return complain("SEE %s has no layer over %s; \"seectl status %s\" lists them",
				see.name, quote(layer ? layer : "/"), see.name);
	for (size_t i = 0; i < see.nlayers && !err; i++)
		if (&see.layer[i] == top || (!layer && path_inside(see.layer[i].path, top->path)))
			err = client_mount(&see, &see.layer[i]);
	return err ? err : mount_layers(&see, top, !layer, target);
}

/* seed lets go of its descriptor of a mount just after it gave us ours */
static int umount_soon(const char *target)
{
	for (int i = 0; ; i++) {
		if (!umount2(target, UMOUNT_NOFOLLOW))
			return 0;
		if (errno != EBUSY || i == 100)
			return -errno;
		usleep(10000);
	}
}

int verb_umount(int argc, char **argv)
{
	_cleanup_(mount_table_free) struct mount_table mounts = {};
	_cleanup_free_ char *target = NULL;
	bool found = false;
	int err;

	if (argc != 2)
		return usage_error("umount", "one TARGET");
	target = realpath(argv[1], NULL);
	if (!target)
		return complain("%s: %s", quote(argv[1]), strerror(errno));
	err = mount_table_read(&mounts);
	if (err)
		return complain("/proc/self/mountinfo: %s", strerror(-err));
	for (size_t i = 0; i < mounts.n; i++)
		if (!strcmp(mounts.entry[i].target, target))
			found = !strcmp(mounts.entry[i].fstype, "seefs");
	if (!found)
		return complain("%s: no SEE is mounted there", quote(target));
	/* what is mounted below goes first */
	for (size_t i = mounts.n; i--;) {
		const struct mount_entry *m = &mounts.entry[i];

		if (!path_inside(m->target, target) || strcmp(m->fstype, "seefs"))
			continue;
		err = umount_soon(m->target);
		if (!err)
			continue;
		/* of a SEE that was aborted: no path leads there, but all of it can go */
		if (err == -EIO && !umount2(target, MNT_DETACH | UMOUNT_NOFOLLOW))
			return 0;
		return complain("%s: %s%s", quote(m->target), strerror(-err),
					err == -EBUSY ? "; somebody uses it (fuser -vm)" : "");
	}
	return 0;
}
