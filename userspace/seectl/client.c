// SPDX-License-Identifier: GPL-2.0
/* client.c - /dev/see: opening SEEs, their layers, and why it did not work */
#define _GNU_SOURCE
#include <fcntl.h>

#include "seectl.h"

void client_release(struct see *see)
{
	for (size_t i = 0; i < see->nlayers; i++)
		close_fd(&see->layer[i].fd);
}

void see_close(struct see *see)
{
	client_release(see);
	for (size_t i = 0; i < see->nlayers; i++)
		free(see->layer[i].path);
	free(see->layer);
	see->layer = NULL;
	see->nlayers = 0;
	close_fd(&see->fd);
	close_fd(&see->dev);
}

int client_complain(const char *what, int err, const char *message)
{
	/* what the daemon said may contain a name that somebody chose */
	if (message && message[0])
		return complain("%s: %s", what, quote(message));
	switch (err) {
	case -ENOTCONN:
		return complain("%s: the daemon is not running; start it: systemctl start seed", what);
	case -EOWNERDEAD:
		return complain("%s: the daemon went away meanwhile; see what there is (seectl list) and try again",
				what);
	case -EPERM:
		return complain("%s: not permitted; only the owner and root may, from outside of any SEE or container",
				what);
	case -EAGAIN:
		return complain("%s: too many requests wait for the daemon; try again later", what);
	case -E2BIG:
	case -ENOTTY:
		return complain("%s: the module is older than this command; load the one that belongs to it",
				what);
	}
	return complain("%s: %s", what, strerror(-err));
}

int client_device(struct see *see)
{
	if (see->dev >= 0)
		return 0;
	see->dev = see_open_device(0);
	if (see->dev == -ENOENT || see->dev == -ENXIO || see->dev == -ENODEV)
		return complain("there is no /dev/see; load the module (modprobe seefs) and start the daemon (systemctl start seed)");
	if (see->dev < 0)
		return client_complain("/dev/see", see->dev, NULL);
	return 0;
}

int client_try_open(struct see *see, const char *name, unsigned int flags)
{
	char message[SEE_MESSAGE_MAX + 1], what[128];
	int err;

	if (!see_name_valid(name))
		return complain("%s is not a name of a SEE: letters, digits, '-', '_' and '.', beginning with a letter or digit, at most %d",
				quote(name), SEE_NAME_MAX);
	err = client_device(see);
	if (err)
		return err;
	see->fd = see_open(see->dev, 0, name, flags, message);
	if (see->fd == -ENOENT && !message[0])
		return -ENOENT;
	if (see->fd < 0) {
		err = see->fd;
		snprintf(what, sizeof(what), "SEE %s cannot be opened", name);
		return client_complain(what, err, message);
	}
	strcpy(see->name, name);
	return 0;
}

static int open_named(struct see *see, const char *name, unsigned int flags)
{
	int err = client_try_open(see, name, flags);

	if (err == -ENOENT)
		return complain("there is no SEE %s; \"seectl list\" shows those that there are", name);
	return err;
}

int client_open(struct see *see, const char *name)
{
	return open_named(see, name, 0);
}

int client_open_bare(struct see *see, const char *name)
{
	return open_named(see, name, SEE_OPEN_BARE);
}

static int add_layer(const struct see_layer_entry *e, void *data)
{
	struct see *see = data;
	struct layer *more = reallocarray(see->layer, see->nlayers + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	see->layer = more;
	more[see->nlayers] = (struct layer) {
		.index = e->index, .flags = e->flags, .path = strdup(e->path), .fd = -1,
	};
	return more[see->nlayers++].path ? 0 : -ENOMEM;
}

int client_layers(struct see *see)
{
	int err;

	if (see->nlayers)
		return 0;
	err = see_layers(see->fd, add_layer, see);
	if (err)
		return client_complain("its layers cannot be listed", err, NULL);
	return 0;
}

int client_mount(struct see *see, struct layer *layer)
{
	char message[SEE_MESSAGE_MAX + 1];

	if (layer->fd >= 0)
		return 0;
	layer->fd = see_mount(see->fd, layer->index, message);
	if (layer->fd < 0) {
		_cleanup_free_ char *what = NULL;
		int err = layer->fd;

		if (asprintf(&what, "the layer over %s cannot be had", quote(layer->path)) < 0)
			what = NULL;
		return client_complain(what ? what : "layer", err, message);
	}
	return 0;
}

struct layer *client_layer_of(struct see *see, const char *path)
{
	struct layer *best = NULL;

	for (size_t i = 0; i < see->nlayers; i++)
		if (path_inside(path, see->layer[i].path) &&
		    (!best || strlen(see->layer[i].path) >= strlen(best->path)))
			best = &see->layer[i];
	return best;
}

int client_processes(uint64_t id)
{
	_cleanup_free_ char *text = NULL;
	char path[64];
	int n = 0, err;

	snprintf(path, sizeof(path), "/sys/fs/cgroup/see/%ju/cgroup.procs", (uintmax_t)id);
	err = read_file(-1, path, 16U << 20, &text, NULL);
	/* made with the first process */
	if (err)
		return err == -ENOENT || err == -ENODEV ? 0 : err;
	for (const char *p = text; *p; p++)
		n += *p == '\n';
	return n;
}

const char *state_name(unsigned int state)
{
	static const char *const names[] = { "idle", "active", "committing", "aborting" };

	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}
