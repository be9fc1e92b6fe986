// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libsee.h"

#define BATCH_SIZE	(256U << 10)
#define REPORT_SEALS	(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

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

/* what to expect among records: of @kind, at least @min bytes each */
struct expected {
	__u32 kind;
	size_t min;
	record_fn each;
};

/* hand the records in @buf to whom they are for; checks what it passes on */
static int records(const char *buf, size_t left, const struct expected *expect, void *fn,
		   void *data)
{
	int ret = 0;

	while (!ret && left) {
		const struct see_record *rec = (const void *)buf;

		if (left < sizeof(*rec) || rec->len < sizeof(*rec) || rec->len % 8 ||
		    rec->len > left)
			return -EBADMSG;
		for (const struct expected *e = expect; e->each; e++)
			if (rec->kind == e->kind) {
				ret = rec->len < e->min ? -EBADMSG : e->each(rec, fn, data);
				break;
			}
		buf += rec->len;
		left -= rec->len;
	}
	return ret;
}

/* the same for all batches of a request */
static int batches(int fd, unsigned long cmd, const struct expected *expect, void *fn,
		   void *data)
{
	struct see_batch batch = {};
	char *buf = malloc(BATCH_SIZE);
	int ret;

	if (!buf)
		return -ENOMEM;
	do {
		batch.buf = (uintptr_t)buf;
		batch.len = BATCH_SIZE;
		batch.count = 0;
		ret = request(fd, cmd, &batch);
		if (ret < 0 || !batch.count)
			break;
		ret = batch.len > BATCH_SIZE ? -EBADMSG :
			records(buf, batch.len, expect, fn, data);
	} while (!ret);
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
	static const struct expected expect[] = {
		{ SEE_REC_SEE, sizeof(struct see_list_entry), each_see }, {},
	};

	return batches(dev, SEE_IOC_LIST, expect, &fn, data);
}

int see_create(int dev, char *name, const struct see_layer_spec *layers,
	       unsigned int nlayers, uint64_t size, char *message)
{
	struct see_create c = {
		.layers = (uintptr_t)layers, .nlayers = nlayers, .size = size,
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
	static const struct expected expect[] = {
		{ SEE_REC_LAYER, sizeof(struct see_layer_entry), each_layer }, {},
	};

	return batches(see, SEE_IOC_LAYERS, expect, &fn, data);
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
	static const struct expected expect[] = {
		{ SEE_REC_CHANGE, sizeof(struct see_change), each_change }, {},
	};

	return batches(see, SEE_IOC_CHANGES, expect, &fn, data);
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

int see_commit(int see, const struct see_commit_root *roots, unsigned int nroots,
	       unsigned int criterion, unsigned int flags, unsigned int *outcome,
	       int *report, char *message)
{
	struct see_commit c = {
		.roots = (uintptr_t)roots, .nroots = nroots, .criterion = criterion,
		.flags = flags, .report = -1,
	};
	int ret = ask(see, SEE_IOC_COMMIT, &c, c.message, message);

	*outcome = c.outcome;
	*report = c.report;
	return ret;
}

int see_revert(int see, int paths, unsigned int *count, char *message)
{
	struct see_revert r = { .fd = paths };
	int ret = ask(see, SEE_IOC_REVERT, &r, r.message, message);

	*count = r.count;
	return ret;
}

static int each_problem(const struct see_record *rec, void *fn, void *data)
{
	const struct see_problem *p = (const void *)rec;

	if (p->path_len >= rec->len - sizeof(*p) || p->path[p->path_len] ||
	    strlen(p->path) != p->path_len)
		return -EBADMSG;
	return (*(see_problem_fn *)fn)(p, data);
}

int see_problems(int report, see_problem_fn fn, void *data)
{
	static const struct expected expect[] = {
		{ SEE_REC_PROBLEM, sizeof(struct see_problem), each_problem }, {},
	};
	int seals = fcntl(report, F_GET_SEALS);
	struct stat st;
	const char *map;
	int ret;

	/* one that can be cut off while it is read would kill us */
	if (seals < 0 || (seals & REPORT_SEALS) != REPORT_SEALS)
		return -EBADMSG;
	if (fstat(report, &st) < 0)
		return -errno;
	if (!st.st_size)
		return 0;
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, report, 0);
	if (map == MAP_FAILED)
		return -errno;
	ret = records(map, (size_t)st.st_size, expect, &fn, data);
	munmap((void *)map, (size_t)st.st_size);
	return ret;
}

int see_attach(int dev)
{
	return ioctl(dev, SEE_IOC_ATTACH) < 0 ? -errno : 0;
}

int see_read_request(int dev, struct see_request *req)
{
	/* what an older kernel does not have stays 0 */
	const size_t first = offsetof(struct see_request, name) + sizeof(req->name);
	ssize_t got;

	memset(req, 0, sizeof(*req));
	got = read(dev, req, sizeof(*req));
	if (got < 0)
		return -errno;
	if ((size_t)got < first || req->size < (size_t)got ||
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

int see_commit_start(int dev, struct see_commit_start *start)
{
	return request(dev, SEE_IOC_COMMIT_START, start);
}

int see_step_valid(const struct see_step *step)
{
	size_t left = step->rec.len - sizeof(*step);
	const char *text = step->text;

	if (step->rec.len < sizeof(*step))
		return 0;
	for (size_t i = 0; i < sizeof(step->len) / sizeof(step->len[0]); i++) {
		size_t len = step->len[i];

		if (!len || len > left || strnlen(text, len) != len - 1)
			return 0;
		text += len;
		left -= len;
	}
	return 1;
}

const char *see_step_text(const struct see_step *step, unsigned int which)
{
	const char *text = step->text;

	for (unsigned int i = 0; i < which; i++)
		text += step->len[i];
	return text;
}

static int each_step(const struct see_record *rec, void *fn, void *data)
{
	const struct see_step *s = (const void *)rec;

	if (!see_step_valid(s))
		return -EBADMSG;
	return ((const struct see_plan_fns *)fn)->step(s, data);
}

static int each_extent(const struct see_record *rec, void *fn, void *data)
{
	const struct see_extent *e = (const void *)rec;

	if (e->end <= e->start)
		return -EBADMSG;
	return ((const struct see_plan_fns *)fn)->extent(e, data);
}

int see_commit_plan(int dev, uint64_t id, const struct see_plan_fns *fns, void *data)
{
	static const struct expected expect[] = {
		{ SEE_REC_STEP, sizeof(struct see_step), each_step },
		{ SEE_REC_EXTENT, sizeof(struct see_extent), each_extent }, {},
	};
	struct see_commit_plan plan = { .see = id };
	char *buf = malloc(BATCH_SIZE);
	int ret;

	if (!buf)
		return -ENOMEM;
	do {
		plan.buf = (uintptr_t)buf;
		plan.len = BATCH_SIZE;
		plan.count = 0;
		ret = request(dev, SEE_IOC_COMMIT_PLAN, &plan);
		if (ret < 0 || !plan.count)
			break;
		ret = plan.len > BATCH_SIZE ? -EBADMSG :
			records(buf, plan.len, expect, (void *)fns, data);
	} while (!ret);
	free(buf);
	return ret;
}

int see_commit_step(int dev, uint64_t id, unsigned int step, unsigned int action,
		    unsigned int *conflict)
{
	struct see_commit_step s = { .see = id, .step = step, .action = action };
	int ret = request(dev, SEE_IOC_COMMIT_STEP, &s);

	if (conflict)
		*conflict = s.conflict;
	return ret;
}

int see_commit_end(int dev, struct see_commit_end *end)
{
	return request(dev, SEE_IOC_COMMIT_END, end);
}

int see_name_valid(const char *name)
{
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	size_t len = strlen(name);

	return len && len <= SEE_NAME_MAX && strchr(LETTERS, name[0]) &&
	       strspn(name, LETTERS "-_.") == len;
#undef LETTERS
}
