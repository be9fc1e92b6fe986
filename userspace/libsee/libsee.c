// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libsee.h"

#define BATCH_SIZE	(256U << 10)

static int request(int fd, unsigned long cmd, void *arg)
{
	int ret = ioctl(fd, cmd, arg);

	return ret < 0 ? -errno : ret;
}

/* as request(), with the message of the struct handed on */
static int ask(int fd, unsigned long cmd, void *arg, const char *from, char *message)
{
	int ret = request(fd, cmd, arg);

	memcpy(message, from, SEE_MESSAGE_MAX + 1);
	message[SEE_MESSAGE_MAX] = 0;
	return ret;
}

int see_open_device(int flags)
{
	int fd = open("/dev/see", O_RDWR | O_CLOEXEC | flags);

	return fd < 0 ? -errno : fd;
}

int see_abi(int dev, struct see_abi *abi)
{
	memset(abi, 0, sizeof(*abi));
	return request(dev, SEE_IOC_ABI, abi);
}

typedef int (*record_fn)(const struct see_record *rec, void *fn, void *data);

/* hand each record of @kind to @each; checks what it passes on */
static int batches(int fd, unsigned long cmd, __u32 kind, size_t min,
		   record_fn each, void *fn, void *data)
{
	struct see_batch batch = {};
	char *buf = malloc(BATCH_SIZE);
	int ret;

	if (!buf)
		return -ENOMEM;
	for (;;) {
		const char *p = buf;
		size_t left;

		batch.buf = (uintptr_t)buf;
		batch.len = BATCH_SIZE;
		batch.count = 0;
		ret = request(fd, cmd, &batch);
		if (ret < 0 || !batch.count)
			break;
		left = batch.len;
		while (!ret && left >= sizeof(struct see_record)) {
			const struct see_record *rec = (const void *)p;

			if (rec->len < sizeof(*rec) || rec->len % 8 || rec->len > left) {
				ret = -EBADMSG;
				break;
			}
			if (rec->kind == kind)
				ret = rec->len < min ? -EBADMSG : each(rec, fn, data);
			p += rec->len;
			left -= rec->len;
		}
		if (ret)
			break;
	}
	free(buf);
	return ret;
}

static int each_see(const struct see_record *rec, void *fn, void *data)
{
	const struct see_list_entry *e = (const void *)rec;

	if (memchr(e->name, 0, sizeof(e->name)) == NULL)
		return -EBADMSG;
	return (*(see_list_fn *)fn)(e, data);
}

int see_list(int dev, see_list_fn fn, void *data)
{
	return batches(dev, SEE_IOC_LIST, SEE_REC_SEE, sizeof(struct see_list_entry),
		       each_see, &fn, data);
}

int see_create(int dev, char *name, const struct see_layer_spec *layers,
	       unsigned int nlayers, char *message)
{
	struct see_create c = {
		.layers = (uintptr_t)layers, .nlayers = nlayers,
	};
	int ret;

	message[0] = 0;
	if (strlen(name) > SEE_NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(c.name, name);
	ret = ask(dev, SEE_IOC_CREATE, &c, c.message, message);
	if (ret >= 0) {
		memcpy(name, c.name, SEE_NAME_MAX);
		name[SEE_NAME_MAX] = 0;
	}
	return ret;
}

int see_open(int dev, uint64_t id, const char *name, unsigned int flags, char *message)
{
	struct see_open o = { .id = id, .flags = flags };

	message[0] = 0;
	if (strlen(name) > SEE_NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(o.name, name);
	return ask(dev, SEE_IOC_OPEN, &o, o.message, message);
}

int see_status(int see, struct see_status *status)
{
	int ret;

	memset(status, 0, sizeof(*status));
	ret = request(see, SEE_IOC_STATUS, status);
	status->name[SEE_NAME_MAX] = 0;
	return ret;
}

static int each_layer(const struct see_record *rec, void *fn, void *data)
{
	const struct see_layer_entry *e = (const void *)rec;

	if (e->path_len >= rec->len - sizeof(*e) || e->path[e->path_len] ||
	    strlen(e->path) != e->path_len || e->path[0] != '/')
		return -EBADMSG;
	return (*(see_layer_fn *)fn)(e, data);
}

int see_layers(int see, see_layer_fn fn, void *data)
{
	return batches(see, SEE_IOC_LAYERS, SEE_REC_LAYER, sizeof(struct see_layer_entry),
		       each_layer, &fn, data);
}

static int each_change(const struct see_record *rec, void *fn, void *data)
{
	const struct see_change *c = (const void *)rec;
	size_t room = rec->len - sizeof(*c);

	if (c->path_len >= room || c->path[c->path_len] ||
	    strlen(c->path) != c->path_len ||
	    c->from_len >= room - c->path_len - 1 ||
	    strlen(c->path + c->path_len + 1) != c->from_len)
		return -EBADMSG;
	return (*(see_change_fn *)fn)(c, data);
}

int see_changes(int see, see_change_fn fn, void *data)
{
	return batches(see, SEE_IOC_CHANGES, SEE_REC_CHANGE, sizeof(struct see_change),
		       each_change, &fn, data);
}

int see_mount(int see, unsigned int layer, char *message)
{
	struct see_mount m = { .layer = layer };

	return ask(see, SEE_IOC_MOUNT, &m, m.message, message);
}

int see_join(int see, int pidfd, char *message)
{
	struct see_join j = { .pidfd = pidfd };

	return ask(see, SEE_IOC_JOIN, &j, j.message, message);
}

int see_abort(int see, char *message)
{
	struct see_simple s = {};

	return ask(see, SEE_IOC_ABORT, &s, s.message, message);
}

int see_attach(int dev)
{
	return ioctl(dev, SEE_IOC_ATTACH) < 0 ? -errno : 0;
}

int see_read_request(int dev, struct see_request *req)
{
	ssize_t got = read(dev, req, sizeof(*req));

	if (got < 0)
		return -errno;
	if ((size_t)got != sizeof(*req) || req->size != sizeof(*req) ||
	    req->nfds > SEE_LAYERS_MAX || !memchr(req->name, 0, sizeof(req->name)))
		return -EBADMSG;
	return 0;
}

int see_reply(int dev, const struct see_reply *reply)
{
	struct see_reply r = *reply;

	return request(dev, SEE_IOC_REPLY, &r);
}

int see_register(int dev, const struct see_register *see)
{
	struct see_register r = *see;

	return request(dev, SEE_IOC_REGISTER, &r);
}

int see_adopt(int dev, uint64_t id, unsigned int index, unsigned int flags,
	      int mount, const char *path)
{
	struct see_adopt a = {
		.id = id, .index = index, .flags = flags, .fd = mount,
		.path_len = (__u32)strlen(path), .path = (uintptr_t)path,
	};

	return request(dev, SEE_IOC_ADOPT, &a);
}

int see_forget(int dev, uint64_t id, unsigned int flags)
{
	struct see_forget f = { .id = id, .flags = flags };

	return request(dev, SEE_IOC_FORGET, &f);
}

int see_name_valid(const char *name)
{
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	size_t len = strlen(name);

	return len && len <= SEE_NAME_MAX && strchr(LETTERS, name[0]) &&
	       strspn(name, LETTERS "-_.") == len;
#undef LETTERS
}
