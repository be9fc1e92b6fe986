// SPDX-License-Identifier: GPL-2.0
/*
 * ops.c - what each request does
 *
 * A SEE is there when its meta file is, which is written last; before that
 * nothing but an unfinished directory is left of it.  An abort is there when the
 * meta file says so; it is finished whatever happens.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "commit.h"
#include "fault.h"
#include "handle.h"
#include "recover.h"

/* one descriptor for each layer, -1 for none */
struct mounts {
	int fd[SEE_LAYERS_MAX];
};

static struct mounts no_mounts(void)
{
	struct mounts none;

	memset(none.fd, -1, sizeof(none.fd));
	return none;
}

static void close_all(struct mounts *mounts)
{
	for (unsigned int i = 0; i < SEE_LAYERS_MAX; i++)
		close_fd(&mounts->fd[i]);
}

/* something of a SEE may have gone to the trash */
static void wake_trash_of(const struct meta *m)
{
	/* of one that was not made, not all layers have a store */
	for (unsigned int i = 0; i < m->nlayers; i++)
		if (m->layer[i].base && strcmp(m->layer[i].base, STATE_DIR))
			trash_wake(m->layer[i].base);
	trash_wake(STATE_DIR);
}

/* ---- create ---- */

/* which directories, and may the caller? */
static int describe_layers(const struct see_request *req, const struct mount_table *mounts,
			   struct meta *m, const struct mount_entry **lower, struct note *note)
{
	int err = access_group(req, note);

	for (unsigned int i = 0; !err && i < req->nfds; i++) {
		struct meta_layer *l = &m->layer[i];

		l->flags = req->flags[i];
		m->nlayers = i + 1;
		err = layer_path(req->fd[i], mounts, &lower[i], &l->path, note);
		if (!err)
			err = access_layer(req, req->fd[i], l->flags, l->path, lower[i], note);
		if (err)
			break;
		if (mount_is_readonly(lower[i]))
			l->flags &= ~(unsigned int)SEE_LAYER_WRITE;
		err = handle_of(req->fd[i], &l->handle);
		if (err)
			return note_fail(note, EOPNOTSUPP,
					 "%.120s: its file system (%.30s) has no file handles; leave it out",
					 l->path, lower[i]->fstype);
	}
	return err;
}

static int make_trees(struct meta *m, const struct mount_table *mounts,
		      const struct mount_entry **lower, struct note *note)
{
	for (unsigned int i = 0; i < m->nlayers; i++) {
		int err = store_make_tree(m, i, mounts, lower[i], &m->layer[i].base);

		if (err)
			return note_fail(note, -err, "no private tree for %.120s: %s",
					 m->layer[i].path, strerror(-err));
	}
	return 0;
}

static int mount_all(const struct meta *m, const struct mount_table *mounts,
		     struct mounts *layers, struct note *note)
{
	for (unsigned int i = 0; i < m->nlayers; i++) {
		layers->fd[i] = layer_mount(m, i, mounts, note);
		if (layers->fd[i] < 0)
			return layers->fd[i];
	}
	return 0;
}

static int adopt_all(int dev, const struct meta *m, const struct mounts *layers, struct note *note)
{
	for (unsigned int i = 0; i < m->nlayers; i++) {
		int err = see_adopt(dev, m->id, i, m->layer[i].flags, layers->fd[i], m->layer[i].path);

		if (err)
			return note_fail(note, -err, "the kernel refused the layer over %.120s: %s",
					 m->layer[i].path, strerror(-err));
	}
	return 0;
}

static int register_see(int dev, const struct meta *m)
{
	struct see_register r = {
		.id = m->id, .created = m->created, .uid = m->owner,
		.state = m->aborting ? SEE_STATE_ABORTING : SEE_STATE_IDLE,
	};

	memcpy(r.name, m->name, sizeof(r.name));
	return see_register(dev, &r);
}

/* under the name that was asked for, or one of ours that is free */
static int register_new(int dev, struct meta *m, const char *name, struct note *note)
{
	int err;

	for (unsigned int i = 0; i < 100; i++) {
		if (name[0])
			snprintf(m->name, sizeof(m->name), "%s", name);
		else if (!i)
			snprintf(m->name, sizeof(m->name), "see-%ju", (uintmax_t)m->id);
		else
			snprintf(m->name, sizeof(m->name), "see-%ju.%u", (uintmax_t)m->id, i);
		err = register_see(dev, m);
		if (err != -EEXIST || name[0])
			break;
	}
	if (err == -EEXIST)
		return note_fail(note, EEXIST,
				 "the name %s is taken; choose another, or abort that SEE", m->name);
	return err ? note_fail(note, -err, "the kernel refused the SEE: %s", strerror(-err)) : 0;
}

static int create(int dev, const struct see_request *req, struct meta *m,
		  struct see_reply *reply, struct note *note)
{
	const struct mount_entry *lower[SEE_LAYERS_MAX];
	_cleanup_(mount_table_free) struct mount_table mounts = {};
	_cleanup_(close_all) struct mounts layers = no_mounts();
	_cleanup_close_ int dir = -1;
	bool registered = false;
	int err;

	m->size = req->bytes;
	m->owner = req->uid;
	m->created = (uint64_t)time(NULL);
	err = mount_table_read(&mounts);
	if (err)
		return note_fail(note, -err, "/proc/self/mountinfo cannot be read: %s",
				 strerror(-err));
	err = describe_layers(req, &mounts, m, lower, note);
	if (err)
		return err;
	err = store_new_id(&m->id);
	if (!err)
		dir = store_make(m->id);
	if (err || dir < 0)
		return note_fail(note, err ? -err : -dir, "no store in " STATE_DIR ": %s",
				 strerror(err ? -err : -dir));
	err = make_trees(m, &mounts, lower, note);
	if (!err)
		err = mount_all(m, &mounts, &layers, note);
	if (!err) {
		err = register_new(dev, m, req->name, note);
		registered = !err;
	}
	if (!err)
		err = adopt_all(dev, m, &layers, note);
	if (!err) {
		err = store_save(dir, m);
		if (err)
			note_fail(note, -err, "the store in " STATE_DIR " cannot be written: %s",
				  strerror(-err));
	}
	if (!err) {
		reply->see = m->id;
		err = see_reply(dev, reply);
		/* the client went away: there is nobody to want it */
	}
	if (err) {
		close_all(&layers);
		if (registered)
			see_forget(dev, m->id, SEE_FORGET_SHUTDOWN | SEE_FORGET_GONE);
		store_discard(m->id, m);
	}
	return err;
}

/* answers by itself if it succeeds: what nobody takes is undone */
static int op_create(int dev, const struct see_request *req, struct see_reply *reply,
		     struct note *note)
{
	_cleanup_free_ struct meta *m = calloc(1, sizeof(*m));
	int err;

	if (!m)
		return note_fail(note, ENOMEM, "out of memory");
	err = create(dev, req, m, reply, note);
	if (err)
		wake_trash_of(m);
	meta_free(m);
	return err;
}

/* ---- what a commit left ---- */

static int recover(int dev, uint64_t id, int dir, const struct meta *m)
{
	_cleanup_close_ int state = store_open_base(STATE_DIR);
	struct recovery r;
	int err;

	if (state < 0)
		return state;
	recover_begin(&r, id, dir, state, dev);
	err = recover_see(&r, m);
	recover_end(&r);
	return err == -ENOENT ? 0 : err;
}

/* an interrupted commit comes before anything else that is done with a SEE */
static int recover_pending(int dev, uint64_t id, int dir, const struct meta *m, struct note *note)
{
	int err;

	if (dir < 0 || !journal_pending(dir))
		return 0;
	err = recover(dev, id, dir, m);
	if (m)
		wake_trash_of(m);
	else
		trash_wake(STATE_DIR);
	return err ? note_fail(note, EUCLEAN,
			       "an interrupted commit of the SEE cannot be finished: %s; journalctl -u seed has more",
			       strerror(-err)) : 0;
}

/* ---- load, mount, join ---- */

/* the SEE's directory, locked, and what is in it */
static int find(int dev, uint64_t id, struct meta *m, int *dir, struct note *note)
{
	int err;

	*dir = store_lock(id);
	err = *dir < 0 ? *dir : store_load(*dir, m);
	if (err == -EBADMSG)
		return note_fail(note, EUCLEAN, STATE_DIR "/%ju/meta is damaged", (uintmax_t)id);
	if (err == -EOPNOTSUPP)
		return note_fail(note, EOPNOTSUPP, STATE_DIR "/%ju/meta is of a newer version",
				 (uintmax_t)id);
	if (err)
		return note_fail(note, -err, STATE_DIR "/%ju cannot be read: %s", (uintmax_t)id,
				 strerror(-err));
	if (m->aborting)
		return note_fail(note, ENOENT, "the SEE is being aborted");
	return recover_pending(dev, id, *dir, m, note);
}

static int op_load(int dev, const struct see_request *req, const struct meta *m,
		   struct note *note)
{
	_cleanup_(mount_table_free) struct mount_table mounts = {};
	_cleanup_(close_all) struct mounts layers = no_mounts();
	int err;

	(void)req;
	err = mount_table_read(&mounts);
	if (err)
		return note_fail(note, -err, "/proc/self/mountinfo cannot be read: %s",
				 strerror(-err));
	err = mount_all(m, &mounts, &layers, note);
	return err ? err : adopt_all(dev, m, &layers, note);
}

static int op_mount(const struct see_request *req, const struct meta *m, struct note *note)
{
	_cleanup_(mount_table_free) struct mount_table mounts = {};
	int err;

	if (req->layer >= m->nlayers)
		return note_fail(note, ENOENT, "the SEE has no layer %u", req->layer);
	err = mount_table_read(&mounts);
	if (err)
		return note_fail(note, -err, "/proc/self/mountinfo cannot be read: %s",
				 strerror(-err));
	return layer_mount(m, req->layer, &mounts, note);
}

static int op_join(const struct see_request *req, struct note *note)
{
	int pid;

	if (req->nfds != 1)
		return note_fail(note, EINVAL, "no process given");
	pid = access_process(req, req->fd[0], note);
	return pid < 0 ? pid : cgroup_join(req->see, req->fd[0], note);
}

/* ---- abort ---- */

/* up to the moment that the SEE is gone for everybody; the trash is left */
static int abort_see(int dev, uint64_t id, int dir, struct meta *m, struct note *note)
{
	int err;

	/* on a full disk it cannot be recorded: then a crash now leaves it as it is */
	m->aborting = 1;
	err = m->nlayers ? store_save(dir, m) : 0;
	if (err)
		say("SEE %ju: that it is aborted cannot be recorded: %s", (uintmax_t)id,
		    strerror(-err));
	see_forget(dev, id, SEE_FORGET_SHUTDOWN);
	err = cgroup_kill(id);
	if (err)
		return note_fail(note, -err, "its processes cannot be killed: %s", strerror(-err));
	cgroup_remove(id);
	err = store_discard(id, m);
	if (err)
		return note_fail(note, -err, "its store cannot be given up: %s", strerror(-err));
	see_forget(dev, id, SEE_FORGET_SHUTDOWN | SEE_FORGET_GONE);
	return 0;
}

/* answers by itself */
static int op_abort(int dev, uint64_t id, struct see_reply *reply, struct note *note)
{
	_cleanup_free_ struct meta *m = calloc(1, sizeof(*m));
	_cleanup_close_ int dir = -1;
	int err;

	if (!m)
		return note_fail(note, ENOMEM, "out of memory");
	dir = store_lock(id);
	if (dir < 0 && dir != -ENOENT)
		return note_fail(note, -dir, STATE_DIR "/%ju cannot be opened: %s", (uintmax_t)id,
				 strerror(-dir));
	/* what is not there, or cannot be read, can be thrown away all the same */
	if (dir >= 0 && store_load(dir, m))
		meta_free(m);
	/* but not the pre-images of what the host is to get back */
	err = recover_pending(dev, id, dir, m->nlayers ? m : NULL, note);
	if (!err)
		err = abort_see(dev, id, dir, m, note);
	close_fd(&dir);
	if (!err) {
		if (reply)
			(void)see_reply(dev, reply);
		wake_trash_of(m);
	}
	meta_free(m);
	return err;
}

void op_finish_abort(int dev, uint64_t id)
{
	struct note note = {};

	if (op_abort(dev, id, NULL, &note))
		say("SEE %ju: the abort cannot be finished: %s", (uintmax_t)id, note.text);
	else
		say("SEE %ju: abort finished", (uintmax_t)id);
}

/* ---- commit ---- */

/* answers by itself if there is an outcome */
static int op_commit(int dev, const struct see_request *req, struct see_reply *reply,
		     struct note *note)
{
	_cleanup_free_ struct meta *m = calloc(1, sizeof(*m));
	_cleanup_close_ int dir = -1, state = -1;
	int err;

	if (!m)
		return note_fail(note, ENOMEM, "out of memory");
	state = store_open_base(STATE_DIR);
	if (state < 0)
		err = note_fail(note, -state, STATE_DIR ": %s", strerror(-state));
	else
		err = find(dev, req->see, m, &dir, note);
	if (!err)
		err = commit_run(dev, req, m, dir, state, reply, note);
	close_fd(&dir);
	/* also if it failed: pre-images may have been made */
	wake_trash_of(m);
	if (!err) {
		memcpy(reply->message, note->text, sizeof(reply->message));
		(void)see_reply(dev, reply);
		(void)fault("commit.after-answer", 0);
	}
	meta_free(m);
	return err;
}

/* ---- all of them ---- */

static int op_on_see(int dev, const struct see_request *req, struct see_reply *reply,
		     struct note *note)
{
	_cleanup_free_ struct meta *m = calloc(1, sizeof(*m));
	_cleanup_close_ int dir = -1;
	int ret;

	if (!m)
		return note_fail(note, ENOMEM, "out of memory");
	ret = find(dev, req->see, m, &dir, note);
	if (!ret) {
		switch (req->op) {
		case SEE_OP_LOAD:
			ret = op_load(dev, req, m, note);
			break;
		case SEE_OP_MOUNT:
			ret = op_mount(req, m, note);
			reply->fd = ret;
			break;
		case SEE_OP_JOIN:
			ret = op_join(req, note);
			break;
		case SEE_OP_REVERT:
			ret = revert_run(dev, req, m, reply, note);
			break;
		}
	}
	meta_free(m);
	return ret < 0 ? ret : 0;
}

static void op_idle(uint64_t id)
{
	_cleanup_close_ int dir = store_lock(id);

	if (dir >= 0)
		cgroup_remove(id);
}

/**
 * op_run - do what a request asks for, and answer
 * @dev: descriptor of /dev/see, attached
 * @req: the request; its descriptors are closed
 */
void op_run(int dev, struct see_request *req)
{
	struct see_reply reply = { .id = req->id, .fd = -1 };
	struct note note = {};
	bool answered = false;
	int err;

	switch (req->op) {
	case SEE_OP_CREATE:
		err = op_create(dev, req, &reply, &note);
		answered = !err || err == -ECANCELED;
		break;
	case SEE_OP_LOAD:
	case SEE_OP_MOUNT:
	case SEE_OP_JOIN:
	case SEE_OP_REVERT:
		err = op_on_see(dev, req, &reply, &note);
		break;
	case SEE_OP_COMMIT:
		err = op_commit(dev, req, &reply, &note);
		answered = !err;
		break;
	case SEE_OP_ABORT:
		err = op_abort(dev, req->see, &reply, &note);
		answered = !err;
		break;
	case SEE_OP_IDLE:
		op_idle(req->see);
		err = 0;
		answered = true;
		break;
	default:
		err = note_fail(&note, EOPNOTSUPP, "seed does not know request %u; is it older than the module?",
				req->op);
	}
	if (!answered && req->id) {
		reply.result = err;
		if (err && req->op == SEE_OP_MOUNT)
			reply.fd = -1;
		memcpy(reply.message, note.text, sizeof(reply.message));
		(void)see_reply(dev, &reply);
	}
	close_fd(&reply.fd);
	for (unsigned int i = 0; i < req->nfds; i++)
		close_fd(&req->fd[i]);
}

/* ---- start ---- */

/* what is not a SEE any more, or not yet, or cannot be told */
static void start_without_meta(uint64_t id, int err)
{
	if (err == -ENOENT) {
		/* it was not finished */
		err = store_discard(id, NULL);
		say("SEE %ju was not finished: %s", (uintmax_t)id,
		    err ? strerror(-err) : "removed");
	} else {
		say(STATE_DIR "/%ju/meta cannot be used: %s; remove the directory by hand, or restore it",
		    (uintmax_t)id, err == -EBADMSG ? "damaged" : strerror(-err));
	}
}

static void start_one(uint64_t id, int dir, void *data)
{
	_cleanup_free_ struct meta *m = calloc(1, sizeof(*m));
	int dev = *(int *)data, err, bad;

	if (!m)
		return;
	err = store_load(dir, m);
	if (!err && m->id != id) {
		say(STATE_DIR "/%ju/meta is that of SEE %ju", (uintmax_t)id, (uintmax_t)m->id);
		meta_free(m);
		return;
	}
	/* a journal has what is needed without a meta file */
	bad = recover(dev, id, dir, err ? NULL : m);
	if (bad)
		say("SEE %ju: an interrupted commit cannot be finished: %s", (uintmax_t)id,
		    strerror(-bad));
	if (err && !bad)
		start_without_meta(id, err);
	if (!err) {
		err = register_see(dev, m);
		if (err)
			say("SEE %ju (%s) cannot be registered: %s", (uintmax_t)id, m->name,
			    strerror(-err));
		else if (m->aborting)
			start_abort(dev, id);
	}
	meta_free(m);
}

/* what the module knows from a former daemon, and no store has */
static int forget_lost(const struct see_list_entry *e, void *data)
{
	int dev = *(int *)data;
	_cleanup_close_ int dir = store_lock(e->id);

	if (dir == -ENOENT || (dir >= 0 && faccessat(dir, "meta", F_OK, 0) < 0 &&
			       errno == ENOENT)) {
		say("SEE %ju (%s) has no store any more: forgotten", (uintmax_t)e->id, e->name);
		see_forget(dev, e->id, SEE_FORGET_SHUTDOWN | SEE_FORGET_GONE);
	}
	return 0;
}

int op_start(int dev)
{
	int err = see_list(dev, forget_lost, &dev);

	return err ? err : store_each(start_one, &dev);
}
