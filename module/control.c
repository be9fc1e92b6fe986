// SPDX-License-Identifier: GPL-2.0
/*
 * control.c - /dev/see and the descriptors of SEEs
 *
 * Owns struct see_env: what the module knows of a SEE.  The daemon registers
 * it and adopts its layers; the module holds the layers as long as somebody
 * has a descriptor of the SEE, answers what it knows itself, and queues the
 * rest (queue.c).
 *
 * Rights belong to descriptors: opening a SEE needs its owner's fsuid in the
 * initial user name space, or CAP_SYS_ADMIN there; afterwards each request
 * must come from the credentials that opened the descriptor.  Tasks whose root
 * lies on a layer, or in another pid name space, can do nothing here.
 *
 * Lock order: see_env.load, see_envs_lock, see_env.txlock, see_env.lock.  Commits
 * are in txctl.c.
 */
#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/ctype.h>
#include <linux/file.h>
#include <linux/fs_struct.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mount.h>
#include <linux/nospec.h>
#include <linux/pid_namespace.h>
#include <linux/see.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "control.h"
#include "queue.h"
#include "quota.h"
#include "super.h"

#define SEE_BATCH_MIN	64
#define SEE_BATCH_MAX	SZ_1M

static LIST_HEAD(see_envs);
static DEFINE_MUTEX(see_envs_lock);

/* ---- SEEs ---- */

static void see_env_free(struct kref *ref)
{
	kfree(container_of(ref, struct see_env, ref));
}

void see_env_put(struct see_env *env)
{
	kref_put(&env->ref, see_env_free);
}

/**
 * see_env_unload - give the layers back
 * @env: the SEE
 *
 * Context: see_env.lock held.
 */
void see_env_unload(struct see_env *env)
{
	while (env->nlayers) {
		struct see_env_layer *l = &env->layer[--env->nlayers];

		path_put(&l->root);
		kfree(l->path);
		memset(l, 0, sizeof(*l));
	}
	env->loaded = false;
}

/* the root of a layer, to be put; -ENOENT if there is none of that number */
static int see_env_root(struct see_env *env, u32 index, struct path *root)
{
	int err = -ENOENT;

	mutex_lock(&env->lock);
	if (index < env->nlayers) {
		*root = env->layer[index].root;
		path_get(root);
		err = 0;
	}
	mutex_unlock(&env->lock);
	return err;
}

static u32 see_env_state(const struct see_env *env)
{
	u32 state = READ_ONCE(env->state);

	if (state)
		return state;
	if (READ_ONCE(env->tx))
		return SEE_STATE_COMMITTING;
	return READ_ONCE(env->nlayers) ? SEE_STATE_ACTIVE : SEE_STATE_IDLE;
}

/* by id, or by name if @id is 0; see_envs_lock held */
static struct see_env *__see_env_find(u64 id, const char *name)
{
	struct see_env *env;

	list_for_each_entry(env, &see_envs, list)
		if (id ? env->id == id : !strcmp(env->name, name))
			return env;
	return NULL;
}

/**
 * see_env_find - a SEE by id, or by name
 * @id: 0 to go by @name
 * @name: of the SEE
 *
 * Return: the SEE, to be put, or NULL.
 */
struct see_env *see_env_find(u64 id, const char *name)
{
	struct see_env *env;

	mutex_lock(&see_envs_lock);
	env = __see_env_find(id, name);
	if (env)
		kref_get(&env->ref);
	mutex_unlock(&see_envs_lock);
	return env;
}

static bool see_name_ok(const char *name)
{
	size_t i, len = strnlen(name, SEE_NAME_MAX + 1);

	if (!len || len > SEE_NAME_MAX || !isalnum(name[0]))
		return false;
	for (i = 0; i < len; i++)
		if (!isascii(name[i]) ||
		    (!isalnum(name[i]) && !strchr("-_.", name[i])))
			return false;
	return true;
}

static bool see_may_open(const struct see_env *env)
{
	if (capable(CAP_SYS_ADMIN))
		return true;
	return current_user_ns() == &init_user_ns &&
	       uid_eq(current_fsuid(), env->owner);
}

/* who may use /dev/see at all */
static int see_check_task(void)
{
	struct path root;
	bool inside;

	if (task_active_pid_ns(current) != &init_pid_ns)
		return -EPERM;
	get_fs_root(current->fs, &root);
	inside = root.mnt->mnt_sb->s_type == &see_fs_type;
	path_put(&root);
	return inside ? -EPERM : 0;
}

static int see_check_caller(const struct file *file)
{
	if (!uid_eq(current_fsuid(), file->f_cred->fsuid) ||
	    current_user_ns() != file->f_cred->user_ns)
		return -EPERM;
	return see_check_task();
}

/* ---- batches ---- */

/**
 * see_out_add - room for one record
 * @out: the batch
 * @kind: see_record.kind
 * @size: of the record, as yet without padding
 *
 * Return: the record, zeroed but for its head; NULL if it does not fit.
 */
void *see_out_add(struct see_out *out, u32 kind, size_t size)
{
	struct see_record *rec = (struct see_record *)(out->buf + out->used);

	size = ALIGN(size, 8);
	if (size > out->len - out->used)
		return NULL;
	memset(rec, 0, size);
	rec->len = size;
	rec->kind = kind;
	out->used += size;
	out->count++;
	return rec;
}

/**
 * see_batch_fill - whole records into the buffer of a caller
 * @buf: the buffer
 * @len: in: of @buf; out: bytes used
 * @count: out: records
 * @cursor: where to go on
 * @fill: adds records; returns -EMSGSIZE when one did not fit
 * @what: for @fill
 */
int see_batch_fill(u64 buf, u32 *len, u32 *count, u64 *cursor, see_fill_t fill, void *what)
{
	struct see_out out = { .len = *len & ~7U };
	int err;

	out.buf = kvmalloc(out.len, GFP_KERNEL_ACCOUNT);
	if (!out.buf)
		return -ENOMEM;
	err = fill(what, cursor, &out);
	if (err == -EMSGSIZE && out.count)
		err = 0;
	if (!err && copy_to_user(u64_to_user_ptr(buf), out.buf, out.used))
		err = -EFAULT;
	*len = out.used;
	*count = out.count;
	kvfree(out.buf);
	return err;
}

static int see_batch(struct see_batch *batch, see_fill_t fill, void *what)
{
	if (batch->len < SEE_BATCH_MIN || batch->len > SEE_BATCH_MAX ||
	    batch->count)
		return -EINVAL;
	return see_batch_fill(batch->buf, &batch->len, &batch->count, &batch->cursor, fill,
			      what);
}

/* ---- descriptors of SEEs ---- */

static int see_env_status(struct file *file, void *arg)
{
	struct see_env *env = file->private_data;
	struct see_status *st = arg;
	struct path root;
	unsigned int i;
	int err = 0;

	memset(st, 0, sizeof(*st));
	mutex_lock(&env->lock);
	st->id = env->id;
	st->created = env->created;
	st->uid = from_kuid_munged(current_user_ns(), env->owner);
	st->state = see_env_state(env);
	st->layers = env->nlayers;
	memcpy(st->name, env->name, sizeof(st->name));
	mutex_unlock(&env->lock);
	/* without the lock: the host may take its time */
	for (i = 0; !err && !see_env_root(env, i, &root); i++) {
		struct see_out count = {};
		u64 cursor = 0;

		err = see_changes_list(root.mnt->mnt_sb, i, &cursor, &count);
		st->changes += count.count;
		st->bytes += see_changes_bytes(root.mnt->mnt_sb);
		see_quota_get(see_layer(root.mnt->mnt_sb), &st->size, &st->used);
		path_put(&root);
	}
	return err;
}

static int see_fill_layers(void *what, u64 *cursor, struct see_out *out)
{
	struct see_env *env = what;
	struct see_layer_entry *e;
	size_t len;
	int err = 0;

	mutex_lock(&env->lock);
	if (*cursor > env->nlayers)
		err = -EINVAL;
	while (!err && *cursor < env->nlayers) {
		struct see_env_layer *l = &env->layer[*cursor];

		len = strlen(l->path);
		e = see_out_add(out, SEE_REC_LAYER, sizeof(*e) + len + 1);
		if (!e) {
			err = -EMSGSIZE;
			break;
		}
		e->index = *cursor;
		e->flags = l->flags;
		e->path_len = len;
		memcpy(e->path, l->path, len);
		(*cursor)++;
	}
	mutex_unlock(&env->lock);
	return err;
}

static int see_env_layers(struct file *file, void *arg)
{
	return see_batch(arg, see_fill_layers, file->private_data);
}

/* cursor: layer in the upper 8 bits, place in the layer below */
static int see_fill_changes(void *what, u64 *cursor, struct see_out *out)
{
	struct see_env *env = what;
	u32 index = *cursor >> 56;
	u64 at = *cursor & GENMASK_ULL(55, 0);
	struct path root;
	int err = 0;

	if (index > READ_ONCE(env->nlayers))
		return -EINVAL;
	while (!err && !see_env_root(env, index, &root)) {
		err = see_changes_list(root.mnt->mnt_sb, index, &at, out);
		path_put(&root);
		if (!err) {
			index++;
			at = 0;
		}
	}
	*cursor = (u64)index << 56 | at;
	return err;
}

static int see_env_changes(struct file *file, void *arg)
{
	return see_batch(arg, see_fill_changes, file->private_data);
}

/**
 * see_env_call - let the daemon do it
 * @req: the request
 * @message: filled in if it fails
 */
int see_env_call(struct see_req *req, char *message)
{
	int err = see_req_call(req);

	if (err && err != -EINTR)
		memcpy(message, req->message, SEE_MESSAGE_MAX + 1);
	return err;
}

/**
 * see_install_fd - install the answer's file as a descriptor of the caller
 * @req: an answered request
 */
int see_install_fd(struct see_req *req)
{
	int fd;

	if (!req->out)
		return -EBADMSG;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	fd_install(fd, get_file(req->out));
	return fd;
}

static int see_env_mount(struct file *file, void *arg)
{
	struct see_env *env = file->private_data;
	struct see_mount *m = arg;
	struct see_req *req;
	int ret;

	if (m->flags)
		return -EINVAL;
	memset(m->message, 0, sizeof(m->message));
	if (m->layer >= READ_ONCE(env->nlayers))
		return -ENOENT;
	req = see_req_alloc(SEE_OP_MOUNT, env->id);
	if (!req)
		return -ENOMEM;
	req->wire.layer = m->layer;
	ret = see_env_call(req, m->message);
	if (!ret)
		ret = see_install_fd(req);
	see_req_put(req);
	return ret;
}

static int see_env_join(struct file *file, void *arg)
{
	struct see_env *env = file->private_data;
	struct see_join *j = arg;
	struct see_req *req;
	int ret;

	if (j->flags)
		return -EINVAL;
	memset(j->message, 0, sizeof(j->message));
	req = see_req_alloc(SEE_OP_JOIN, env->id);
	if (!req)
		return -ENOMEM;
	req->in[0] = fget(j->pidfd);
	if (!req->in[0]) {
		ret = -EBADF;
	} else {
		req->wire.nfds = 1;
		ret = see_env_call(req, j->message);
	}
	see_req_put(req);
	return ret;
}

static int see_env_abort(struct file *file, void *arg)
{
	struct see_env *env = file->private_data;
	struct see_simple *s = arg;
	struct see_req *req;
	int ret;

	if (s->flags || s->reserved)
		return -EINVAL;
	memset(s->message, 0, sizeof(s->message));
	req = see_req_alloc(SEE_OP_ABORT, env->id);
	if (!req)
		return -ENOMEM;
	ret = see_env_call(req, s->message);
	see_req_put(req);
	return ret;
}

static int see_env_release(struct inode *inode, struct file *file)
{
	struct see_env *env = file->private_data;
	bool idle;

	mutex_lock(&env->lock);
	idle = !--env->opens;
	if (idle)
		see_env_unload(env);
	idle &= !env->gone;
	mutex_unlock(&env->lock);
	if (idle)
		see_req_post(see_req_alloc(SEE_OP_IDLE, env->id));
	see_env_put(env);
	return 0;
}

/**
 * struct see_ioctl - one request
 * @func: gets a copy of the struct, which is copied back; returns 0, a
 *	  descriptor or a negative errno
 * @nr: _IOC_NR
 * @first: bytes of the struct in the first version of the ABI, the least there is
 * @size: of the struct; what a program does not have of it is 0
 * @server: for the attached daemon only
 */
struct see_ioctl {
	int (*func)(struct file *file, void *arg);
	u8 nr;
	u16 first;
	u16 size;
	bool server;
};

static long see_ioctl(struct file *file, unsigned int cmd, unsigned long arg,
		      const struct see_ioctl *table, size_t n)
{
	void __user *user = (void __user *)arg;
	size_t size = _IOC_SIZE(cmd);
	const struct see_ioctl *io;
	unsigned int i;
	void *copy = NULL;
	long ret;

	ret = see_check_caller(file);
	if (ret)
		return ret;
	if (_IOC_TYPE(cmd) != SEE_IOC_MAGIC)
		return -ENOTTY;
	for (i = 0; i < n && table[i].nr != _IOC_NR(cmd); i++)
		;
	if (i == n)
		return -ENOTTY;
	io = &table[array_index_nospec(i, n)];
	if (io->server && !see_server_is(file))
		return -EPERM;
	if (_IOC_DIR(cmd) != (io->size ? _IOC_READ | _IOC_WRITE : _IOC_NONE))
		return -ENOTTY;
	if (size < io->first)
		return -EINVAL;
	if (io->size) {
		copy = kzalloc(io->size, GFP_KERNEL_ACCOUNT);
		if (!copy)
			return -ENOMEM;
		ret = copy_struct_from_user(copy, io->size, user, size);
	}
	if (!ret)
		ret = io->func(file, copy);
	/* also on failure, for the message; a descriptor must not be lost */
	if (copy && ret != -EFAULT && copy_to_user(user, copy, min_t(size_t, size, io->size)) &&
	    ret <= 0)
		ret = ret ?: -EFAULT;
	kfree(copy);
	return ret;
}

static const struct see_ioctl see_env_ioctls[] = {
	{ see_env_status, _IOC_NR(SEE_IOC_STATUS), 128, sizeof(struct see_status) },
	{ see_env_layers, _IOC_NR(SEE_IOC_LAYERS), 24, sizeof(struct see_batch) },
	{ see_env_changes, _IOC_NR(SEE_IOC_CHANGES), 24, sizeof(struct see_batch) },
	{ see_env_mount, _IOC_NR(SEE_IOC_MOUNT), 264, sizeof(struct see_mount) },
	{ see_env_join, _IOC_NR(SEE_IOC_JOIN), 264, sizeof(struct see_join) },
	{ see_env_abort, _IOC_NR(SEE_IOC_ABORT), 264, sizeof(struct see_simple) },
	{ see_env_commit, _IOC_NR(SEE_IOC_COMMIT), 288, sizeof(struct see_commit) },
	{ see_env_revert, _IOC_NR(SEE_IOC_REVERT), 272, sizeof(struct see_revert) },
};

static long see_env_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return see_ioctl(file, cmd, arg, see_env_ioctls,
			 ARRAY_SIZE(see_env_ioctls));
}

static const struct file_operations see_env_fops = {
	.owner		= THIS_MODULE,
	.release	= see_env_release,
	.unlocked_ioctl	= see_env_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

/* layers of an idle SEE, by the daemon; see_env.load held */
static int see_env_load(struct see_env *env, char *message)
{
	struct see_req *req;
	int err;

	mutex_lock(&env->lock);
	if (env->loaded) {
		mutex_unlock(&env->lock);
		return 0;
	}
	/* of a client that was killed before all layers were there */
	see_env_unload(env);
	mutex_unlock(&env->lock);
	req = see_req_alloc(SEE_OP_LOAD, env->id);
	if (!req)
		return -ENOMEM;
	err = see_env_call(req, message);
	mutex_lock(&env->lock);
	if (!err && !env->nlayers)
		err = -EBADMSG;
	if (err)
		see_env_unload(env);
	else
		env->loaded = true;
	mutex_unlock(&env->lock);
	see_req_put(req);
	return err;
}

/* @fd, as yet unused, becomes a descriptor of @env, loaded; consumes no reference */
static int see_env_fd(struct see_env *env, int fd, bool bare, char *message)
{
	struct file *file;
	int err;

	err = mutex_lock_killable(&env->load);
	if (err)
		goto out_fd;
	err = bare ? 0 : see_env_load(env, message);
	if (err)
		goto out_load;
	file = anon_inode_getfile("[see]", &see_env_fops, env, O_RDWR);
	if (IS_ERR(file)) {
		err = PTR_ERR(file);
		goto out_load;
	}
	kref_get(&env->ref);
	mutex_lock(&env->lock);
	env->opens++;
	err = env->gone || env->state == SEE_STATE_ABORTING ? -ENOENT : 0;
	mutex_unlock(&env->lock);
	if (err) {
		fput(file);
	} else {
		fd_install(fd, file);
		err = fd;
	}
out_load:
	if (err < 0) {
		mutex_lock(&env->lock);
		if (!env->opens)
			see_env_unload(env);
		mutex_unlock(&env->lock);
	}
	mutex_unlock(&env->load);
out_fd:
	if (err < 0)
		put_unused_fd(fd);
	return err;
}

/* ---- /dev/see: everybody ---- */

static int see_dev_abi(struct file *file, void *arg)
{
	struct see_abi *abi = arg;

	abi->version = SEE_ABI_VERSION;
	abi->server = see_server_attached();
	return 0;
}

/* cursor: the last id listed; ids grow with time, the list is in their order */
static int see_fill_list(void *what, u64 *cursor, struct see_out *out)
{
	struct see_list_entry *e;
	struct see_env *env;
	int err = 0;

	mutex_lock(&see_envs_lock);
	list_for_each_entry(env, &see_envs, list) {
		if (env->id <= *cursor)
			continue;
		e = see_out_add(out, SEE_REC_SEE, sizeof(*e));
		if (!e) {
			err = -EMSGSIZE;
			break;
		}
		e->id = env->id;
		e->created = env->created;
		e->uid = from_kuid_munged(current_user_ns(), env->owner);
		e->state = see_env_state(env);
		memcpy(e->name, env->name, sizeof(e->name));
		*cursor = env->id;
	}
	mutex_unlock(&see_envs_lock);
	return err;
}

static int see_dev_list(struct file *file, void *arg)
{
	return see_batch(arg, see_fill_list, NULL);
}

static int see_dev_open_see(struct file *file, void *arg)
{
	struct see_open *o = arg;
	struct see_env *env;
	int ret, fd;

	if ((o->flags & ~SEE_OPEN_BARE) || o->reserved)
		return -EINVAL;
	memset(o->message, 0, sizeof(o->message));
	if (!o->id && !see_name_ok(o->name))
		return -EINVAL;
	env = see_env_find(o->id, o->name);
	if (!env)
		return -ENOENT;
	ret = -EPERM;
	if (see_may_open(env)) {
		fd = get_unused_fd_flags(O_CLOEXEC);
		ret = fd < 0 ? fd : see_env_fd(env, fd, o->flags & SEE_OPEN_BARE, o->message);
	}
	see_env_put(env);
	return ret;
}

static int see_dev_create(struct file *file, void *arg)
{
	struct see_create *c = arg;
	struct see_layer_spec spec;
	struct see_env *env;
	struct see_req *req;
	u32 i;
	int ret, fd;

	memset(c->message, 0, sizeof(c->message));
	if (c->flags || !c->nlayers || c->nlayers > SEE_LAYERS_MAX ||
	    c->size > S64_MAX || (c->name[0] && !see_name_ok(c->name)))
		return -EINVAL;
	req = see_req_alloc(SEE_OP_CREATE, 0);
	if (!req)
		return -ENOMEM;
	req->wire.bytes = c->size;
	memcpy(req->wire.name, c->name, sizeof(req->wire.name));
	for (i = 0; i < c->nlayers; i++) {
		ret = -EFAULT;
		if (copy_from_user(&spec, (struct see_layer_spec __user *)
				   u64_to_user_ptr(c->layers) + i, sizeof(spec)))
			goto out;
		ret = -EINVAL;
		if (spec.flags & ~SEE_LAYER_WRITE)
			goto out;
		ret = -EBADF;
		req->in[i] = fget_raw(spec.fd);
		if (!req->in[i])
			goto out;
		req->wire.flags[i] = spec.flags;
		req->wire.nfds = i + 1;
		ret = -ENOTDIR;
		if (!d_is_dir(req->in[i]->f_path.dentry))
			goto out;
	}
	/* or there would be a SEE that the caller does not get */
	fd = get_unused_fd_flags(O_CLOEXEC);
	ret = fd < 0 ? fd : see_env_call(req, c->message);
	if (ret)
		goto out_fd;
	env = see_env_find(req->see, "");
	ret = -EBADMSG;
	if (!req->see || !env)
		goto out_fd;
	memcpy(c->name, env->name, sizeof(c->name));
	mutex_lock(&env->lock);
	env->loaded = env->nlayers;
	mutex_unlock(&env->lock);
	ret = see_env_fd(env, fd, false, c->message);
	see_env_put(env);
	goto out;
out_fd:
	if (fd >= 0)
		put_unused_fd(fd);
out:
	see_req_put(req);
	return ret;
}

/* ---- /dev/see: the daemon ---- */

static int see_dev_attach(struct file *file, void *arg)
{
	return see_server_attach(file);
}

static int see_dev_reply(struct file *file, void *arg)
{
	struct see_reply *r = arg;

	if (r->result > 0 || r->result < -MAX_ERRNO ||
	    strnlen(r->message, sizeof(r->message)) == sizeof(r->message))
		return -EINVAL;
	return see_server_reply(r);
}

static int see_dev_register(struct file *file, void *arg)
{
	struct see_register *r = arg;
	kuid_t owner = make_kuid(&init_user_ns, r->uid);
	struct see_env *env, *old, *after;
	int err = 0;

	if (!r->id || !uid_valid(owner) || !see_name_ok(r->name) ||
	    (r->state != SEE_STATE_IDLE && r->state != SEE_STATE_ABORTING))
		return -EINVAL;
	env = kzalloc(sizeof(*env), GFP_KERNEL_ACCOUNT);
	if (!env)
		return -ENOMEM;
	kref_init(&env->ref);
	mutex_init(&env->load);
	mutex_init(&env->lock);
	mutex_init(&env->txlock);
	env->id = r->id;
	env->created = r->created;
	env->owner = owner;
	env->state = r->state;
	strscpy(env->name, r->name, sizeof(env->name));
	mutex_lock(&see_envs_lock);
	old = __see_env_find(r->id, "");
	if (old) {
		if (strcmp(old->name, env->name) || !uid_eq(old->owner, owner))
			err = -EEXIST;
	} else if (__see_env_find(0, env->name)) {
		err = -EEXIST;
	} else {
		list_for_each_entry_reverse(after, &see_envs, list)
			if (after->id < env->id)
				break;
		list_add(&env->list, &after->list);
		env = NULL;
	}
	mutex_unlock(&see_envs_lock);
	kfree(env);
	return err;
}

static int see_dev_adopt(struct file *file, void *arg)
{
	struct see_adopt *a = arg;
	struct see_env_layer *l;
	struct see_env *env;
	struct file *mount;
	char *path;
	int err;

	if ((a->flags & ~SEE_LAYER_WRITE) || !a->path_len ||
	    a->path_len >= PATH_MAX)
		return -EINVAL;
	path = memdup_user_nul(u64_to_user_ptr(a->path), a->path_len);
	if (IS_ERR(path))
		return PTR_ERR(path);
	err = -EBADF;
	mount = fget_raw(a->fd);
	if (!mount)
		goto out_path;
	err = -EINVAL;
	if (strlen(path) != a->path_len ||
	    mount->f_path.mnt->mnt_sb->s_type != &see_fs_type ||
	    mount->f_path.dentry != mount->f_path.mnt->mnt_sb->s_root)
		goto out_mount;
	err = -ENOENT;
	env = see_env_find(a->id, "");
	if (!a->id || !env)
		goto out_mount;
	mutex_lock(&env->lock);
	err = -EINVAL;
	if (!env->loaded && a->index == env->nlayers &&
	    a->index < SEE_LAYERS_MAX &&
	    env->state != SEE_STATE_ABORTING) {
		l = &env->layer[env->nlayers];
		l->root = mount->f_path;
		path_get(&l->root);
		l->flags = a->flags;
		l->path = path;
		path = NULL;
		WRITE_ONCE(env->nlayers, env->nlayers + 1);
		err = 0;
	}
	mutex_unlock(&env->lock);
	see_env_put(env);
out_mount:
	fput(mount);
out_path:
	kfree(path);
	return err;
}

static int see_dev_forget(struct file *file, void *arg)
{
	struct see_forget *f = arg;
	struct see_env *env;
	unsigned int i;

	if (f->reserved || !f->flags ||
	    (f->flags & ~(SEE_FORGET_SHUTDOWN | SEE_FORGET_GONE)))
		return -EINVAL;
	mutex_lock(&see_envs_lock);
	env = f->id ? __see_env_find(f->id, "") : NULL;
	if (!env) {
		mutex_unlock(&see_envs_lock);
		return -ENOENT;
	}
	/* a commit is finished or taken back first */
	if (READ_ONCE(env->tx)) {
		mutex_unlock(&see_envs_lock);
		return -EBUSY;
	}
	kref_get(&env->ref);
	if (f->flags & SEE_FORGET_GONE)
		list_del_init(&env->list);
	mutex_unlock(&see_envs_lock);

	mutex_lock(&env->lock);
	env->state = SEE_STATE_ABORTING;
	for (i = 0; i < env->nlayers; i++)
		see_shutdown(env->layer[i].root.mnt->mnt_sb);
	if (f->flags & SEE_FORGET_GONE) {
		env->gone = true;
		see_env_unload(env);
	}
	mutex_unlock(&env->lock);
	if (f->flags & SEE_FORGET_GONE)
		see_env_put(env);
	see_env_put(env);
	return 0;
}

static const struct see_ioctl see_dev_ioctls[] = {
	{ see_dev_abi, _IOC_NR(SEE_IOC_ABI), 8, sizeof(struct see_abi) },
	{ see_dev_list, _IOC_NR(SEE_IOC_LIST), 24, sizeof(struct see_batch) },
	{ see_dev_create, _IOC_NR(SEE_IOC_CREATE), 344, sizeof(struct see_create) },
	{ see_dev_open_see, _IOC_NR(SEE_IOC_OPEN), 336, sizeof(struct see_open) },
	{ see_dev_attach, _IOC_NR(SEE_IOC_ATTACH), 0, 0 },
	{ see_dev_reply, _IOC_NR(SEE_IOC_REPLY), 280, sizeof(struct see_reply), true },
	{ see_dev_register, _IOC_NR(SEE_IOC_REGISTER),
	  88, sizeof(struct see_register), true },
	{ see_dev_adopt, _IOC_NR(SEE_IOC_ADOPT), 32, sizeof(struct see_adopt), true },
	{ see_dev_forget, _IOC_NR(SEE_IOC_FORGET), 16, sizeof(struct see_forget), true },
	{ see_dev_commit_start, _IOC_NR(SEE_IOC_COMMIT_START),
	  48, sizeof(struct see_commit_start), true },
	{ see_dev_commit_plan, _IOC_NR(SEE_IOC_COMMIT_PLAN),
	  32, sizeof(struct see_commit_plan), true },
	{ see_dev_commit_step, _IOC_NR(SEE_IOC_COMMIT_STEP),
	  24, sizeof(struct see_commit_step), true },
	{ see_dev_commit_end, _IOC_NR(SEE_IOC_COMMIT_END),
	  32, sizeof(struct see_commit_end), true },
};

static long see_dev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	return see_ioctl(file, cmd, arg, see_dev_ioctls,
			 ARRAY_SIZE(see_dev_ioctls));
}

static int see_dev_open(struct inode *inode, struct file *file)
{
	return see_check_task();
}

/* commits that have done nothing yet go with the daemon */
static void see_dev_detached(void)
{
	struct see_env *env, *next;
	u64 last = 0;

	/* one at a time: dropping one may have to wait */
	do {
		next = NULL;
		mutex_lock(&see_envs_lock);
		list_for_each_entry(env, &see_envs, list) {
			if (env->id <= last)
				continue;
			next = env;
			kref_get(&env->ref);
			break;
		}
		mutex_unlock(&see_envs_lock);
		if (next) {
			last = next->id;
			see_env_drop_tx(next, false);
			see_env_put(next);
		}
	} while (next);
}

static int see_dev_flush(struct file *file, fl_owner_t owner)
{
	if (see_server_detach(file, owner, false))
		see_dev_detached();
	return 0;
}

static int see_dev_release(struct inode *inode, struct file *file)
{
	if (see_server_detach(file, NULL, true))
		see_dev_detached();
	return 0;
}

static ssize_t see_dev_read(struct file *file, char __user *buf, size_t len,
			    loff_t *pos)
{
	int err = see_check_caller(file);

	return err ?: see_server_read(file, buf, len);
}

static const struct file_operations see_dev_fops = {
	.owner		= THIS_MODULE,
	.open		= see_dev_open,
	.flush		= see_dev_flush,
	.release	= see_dev_release,
	.read		= see_dev_read,
	.poll		= see_server_poll,
	.unlocked_ioctl	= see_dev_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.llseek		= noop_llseek,
};

static struct miscdevice see_misc = {
	.minor	= MISC_DYNAMIC_MINOR,
	.name	= "see",
	.mode	= 0666,
	.fops	= &see_dev_fops,
};

/* no holes: what user space lays out is what is read here */
static_assert(sizeof(struct see_abi) == 8);
static_assert(sizeof(struct see_batch) == 24);
static_assert(sizeof(struct see_list_entry) == 96);
static_assert(sizeof(struct see_layer_entry) == 24);
static_assert(sizeof(struct see_create) == 64 + 24 + 256);
static_assert(sizeof(struct see_open) == 8 + 64 + 8 + 256);
static_assert(sizeof(struct see_status) == 64 + 64);
static_assert(sizeof(struct see_mount) == 8 + 256);
static_assert(sizeof(struct see_join) == 8 + 256);
static_assert(sizeof(struct see_simple) == 8 + 256);
static_assert(sizeof(struct see_change) == 88);
static_assert(sizeof(struct see_request) == 56 + 8 * SEE_LAYERS_MAX + 64);
static_assert(sizeof(struct see_reply) == 24 + 256);
static_assert(sizeof(struct see_register) == 24 + 64);
static_assert(sizeof(struct see_adopt) == 32);
static_assert(sizeof(struct see_forget) == 16);
static_assert(sizeof(struct see_commit) == 32 + 256);
static_assert(sizeof(struct see_commit_root) == 8);
static_assert(sizeof(struct see_problem) == 32);
static_assert(sizeof(struct see_revert) == 16 + 256);
static_assert(sizeof(struct see_commit_start) == 48);
static_assert(sizeof(struct see_commit_plan) == 32);
static_assert(sizeof(struct see_step) == 64 + 40 + 16);
static_assert(sizeof(struct see_extent) == 32);
static_assert(sizeof(struct see_commit_step) == 24);
static_assert(sizeof(struct see_commit_end) == 32);

int see_control_init(void)
{
	return misc_register(&see_misc);
}

void see_control_exit(void)
{
	struct see_env *env, *next;

	misc_deregister(&see_misc);
	/* no descriptor is open: descriptors pin the module */
	list_for_each_entry_safe(env, next, &see_envs, list) {
		list_del(&env->list);
		see_env_drop_tx(env, true);
		see_env_unload(env);
		see_env_put(env);
	}
}
