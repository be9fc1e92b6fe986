// SPDX-License-Identifier: GPL-2.0
/*
 * queue.c - requests to the daemon, and its answers
 *
 * Owns struct see_req, the queue and who the server is, all under
 * see_queue_lock.  A request is waiting, then read, then answered; a client
 * that is killed leaves it behind dead, and the daemon learns of that from the
 * answer's ECANCELED.  If the daemon goes, what waits fails with ENOTCONN and
 * what it had read with EOWNERDEAD.
 *
 * The server is a pair of file and file table: a child that inherited the
 * descriptor, or a service manager that keeps it, does not keep a dead
 * daemon's place, since flush() of the attacher's own table detaches.
 *
 * Lock order: nothing is taken inside see_queue_lock.
 */
#include <linux/cred.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/user_namespace.h>

#include "compat.h"
#include "queue.h"

/* requests that may wait for the daemon; more are refused with EAGAIN */
#define SEE_QUEUE_MAX	1024
/* and of one user without CAP_SYS_ADMIN */
#define SEE_QUEUE_USER	64

/* bytes of struct see_request in the first version of the ABI */
#define SEE_REQUEST_FIRST	632

enum { SEE_REQ_WAITING, SEE_REQ_READ, SEE_REQ_DONE };

static DEFINE_MUTEX(see_queue_lock);
static LIST_HEAD(see_queue);
static unsigned int see_queue_len;
static unsigned int see_queue_waiting;
static u64 see_queue_id;
static struct file *see_server;
static fl_owner_t see_server_owner;
static DECLARE_WAIT_QUEUE_HEAD(see_queue_wait);

/**
 * see_req_alloc - a request of the current task
 * @op: SEE_OP_*
 * @see: id of the SEE, or 0
 */
struct see_req *see_req_alloc(u32 op, u64 see)
{
	struct see_req *req = kzalloc(sizeof(*req), GFP_KERNEL_ACCOUNT);

	if (!req)
		return NULL;
	kref_init(&req->ref);
	INIT_LIST_HEAD(&req->list);
	init_completion(&req->done);
	req->wire.size = sizeof(req->wire);
	req->wire.op = op;
	req->wire.see = see;
	req->wire.uid = from_kuid(&init_user_ns, current_fsuid());
	req->wire.gid = from_kgid(&init_user_ns, current_fsgid());
	req->wire.caps = capable(CAP_SYS_ADMIN);
	req->pid = get_pid(task_tgid(current));
	return req;
}

static void see_req_free(struct kref *ref)
{
	struct see_req *req = container_of(ref, struct see_req, ref);
	unsigned int i;

	for (i = 0; i < SEE_LAYERS_MAX; i++)
		if (req->in[i])
			fput(req->in[i]);
	if (req->out)
		fput(req->out);
	if (req->cred)
		put_cred(req->cred);
	put_pid(req->pid);
	kfree(req);
}

void see_req_put(struct see_req *req)
{
	if (req)
		kref_put(&req->ref, see_req_free);
}

/* take a request off the queue; see_queue_lock held */
static void see_req_dequeue(struct see_req *req)
{
	list_del_init(&req->list);
	see_queue_len--;
	if (req->state == SEE_REQ_WAITING)
		WRITE_ONCE(see_queue_waiting, see_queue_waiting - 1);
	see_req_put(req);
}

/* how many requests of one user are on the queue; see_queue_lock held */
static unsigned int see_queue_of(u32 uid)
{
	struct see_req *req;
	unsigned int n = 0;

	list_for_each_entry(req, &see_queue, list)
		n += req->wire.uid == uid;
	return n;
}

static int see_req_enqueue(struct see_req *req)
{
	int err = 0;

	mutex_lock(&see_queue_lock);
	if (!see_server) {
		err = -ENOTCONN;
	} else if (see_queue_len >= SEE_QUEUE_MAX ||
		   (!req->wire.caps &&
		    see_queue_of(req->wire.uid) >= SEE_QUEUE_USER)) {
		err = -EAGAIN;
	} else {
		req->wire.id = ++see_queue_id;
		kref_get(&req->ref);
		list_add_tail(&req->list, &see_queue);
		see_queue_len++;
		WRITE_ONCE(see_queue_waiting, see_queue_waiting + 1);
	}
	mutex_unlock(&see_queue_lock);
	if (!err)
		wake_up_interruptible(&see_queue_wait);
	return err;
}

/* answered; see_queue_lock held */
static void see_req_finish(struct see_req *req)
{
	/* dequeue first: it looks at the state */
	kref_get(&req->ref);
	see_req_dequeue(req);
	req->state = SEE_REQ_DONE;
	complete(&req->done);
	see_req_put(req);
}

/**
 * see_req_call - let the daemon do it
 * @req: the request; the answer is in it afterwards
 *
 * Return: see_reply.result; -ENOTCONN, -EOWNERDEAD, -EAGAIN; -EINTR if the
 * caller was killed.
 */
int see_req_call(struct see_req *req)
{
	int err;

	err = see_req_enqueue(req);
	if (err)
		return err;
	err = wait_for_completion_killable(&req->done);
	if (!err)
		return req->result;
	mutex_lock(&see_queue_lock);
	if (req->state == SEE_REQ_DONE) {
		err = req->result;
	} else {
		err = -EINTR;
		req->dead = true;
		if (req->state == SEE_REQ_WAITING)
			see_req_dequeue(req);
	}
	mutex_unlock(&see_queue_lock);
	return err;
}

/**
 * see_req_find - a request that the daemon has read and not answered
 * @id: of the request
 * @see: id of the SEE that it is about
 *
 * Return: the request, to be put; NULL if there is none, or its client has gone.
 */
struct see_req *see_req_find(u64 id, u64 see)
{
	struct see_req *req, *found = NULL;

	mutex_lock(&see_queue_lock);
	list_for_each_entry(req, &see_queue, list) {
		if (req->wire.id != id || req->wire.see != see || req->dead ||
		    req->state != SEE_REQ_READ)
			continue;
		kref_get(&req->ref);
		found = req;
		break;
	}
	mutex_unlock(&see_queue_lock);
	return found;
}

/**
 * see_req_post - tell the daemon something; no answer is expected
 * @req: the request, consumed
 */
void see_req_post(struct see_req *req)
{
	if (!req)
		return;
	req->dead = true;
	see_req_enqueue(req);
	see_req_put(req);
}

bool see_server_attached(void)
{
	return READ_ONCE(see_server);
}

bool see_server_is(const struct file *file)
{
	return READ_ONCE(see_server) == file;
}

/**
 * see_server_attach - the caller is the daemon from now on
 * @file: its descriptor of /dev/see
 *
 * Return: 0, -EPERM, -EBUSY.
 */
int see_server_attach(struct file *file)
{
	int err = -EBUSY;

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	mutex_lock(&see_queue_lock);
	if (!see_server) {
		see_server = file;
		see_server_owner = current->files;
		err = 0;
	}
	mutex_unlock(&see_queue_lock);
	return err;
}

/**
 * see_server_detach - the daemon closed its descriptor
 * @file: a descriptor of /dev/see
 * @owner: whose table it was closed in
 * @last: nobody has the descriptor any more
 *
 * Return: whether that was the daemon.
 */
bool see_server_detach(struct file *file, fl_owner_t owner, bool last)
{
	struct see_req *req, *next;

	mutex_lock(&see_queue_lock);
	if (see_server != file || (!last && see_server_owner != owner)) {
		mutex_unlock(&see_queue_lock);
		return false;
	}
	see_server = NULL;
	see_server_owner = NULL;
	list_for_each_entry_safe(req, next, &see_queue, list) {
		req->result = req->state == SEE_REQ_READ ? -EOWNERDEAD :
							   -ENOTCONN;
		see_req_finish(req);
	}
	mutex_unlock(&see_queue_lock);
	wake_up_interruptible(&see_queue_wait);
	return true;
}

static struct see_req *see_next_waiting(void)
{
	struct see_req *req;

	lockdep_assert_held(&see_queue_lock);
	list_for_each_entry(req, &see_queue, list)
		if (req->state == SEE_REQ_WAITING)
			return req;
	return NULL;
}

/* a hint, without the lock: whoever wakes up looks again */
static bool see_something_waits(struct file *file)
{
	return READ_ONCE(see_server) != file || READ_ONCE(see_queue_waiting);
}

/* give the daemon the files of a request: all or none */
static int see_pass_files(struct see_req *req, struct see_request *wire)
{
	unsigned int i;
	int fd, err = 0;

	for (i = 0; i < wire->nfds; i++) {
		fd = see_receive_fd(req->in[i], O_CLOEXEC);
		if (fd < 0) {
			err = fd;
			break;
		}
		wire->fd[i] = fd;
	}
	while (err && i--)
		close_fd(wire->fd[i]);
	return err;
}

/**
 * see_server_read - the next request
 * @file: the server's descriptor
 * @buf: for a struct see_request, of which an older daemon has less
 * @len: of @buf
 */
ssize_t see_server_read(struct file *file, char __user *buf, size_t len)
{
	struct see_request *wire;
	struct see_req *req;
	unsigned int i;
	ssize_t ret;

	if (len < SEE_REQUEST_FIRST)
		return -EINVAL;
	len = min(len, sizeof(*wire));
	wire = kmalloc(sizeof(*wire), GFP_KERNEL);
	if (!wire)
		return -ENOMEM;
	for (;;) {
		mutex_lock(&see_queue_lock);
		if (see_server != file) {
			mutex_unlock(&see_queue_lock);
			ret = -EPERM;
			goto out;
		}
		req = see_next_waiting();
		if (req)
			break;
		mutex_unlock(&see_queue_lock);
		ret = -EAGAIN;
		if (file->f_flags & O_NONBLOCK)
			goto out;
		ret = wait_event_interruptible(see_queue_wait,
					       see_something_waits(file));
		if (ret)
			goto out;
	}
	kref_get(&req->ref);
	*wire = req->wire;
	/* what nobody waits for is done once it is read */
	if (req->dead) {
		wire->id = 0;
		see_req_dequeue(req);
	} else {
		WRITE_ONCE(see_queue_waiting, see_queue_waiting - 1);
	}
	req->state = SEE_REQ_READ;
	mutex_unlock(&see_queue_lock);

	wire->pid = pid_vnr(req->pid);
	for (i = 0; i < SEE_LAYERS_MAX; i++)
		wire->fd[i] = -1;
	ret = see_pass_files(req, wire);
	if (!ret && copy_to_user(buf, wire, len)) {
		for (i = 0; i < wire->nfds; i++)
			close_fd(wire->fd[i]);
		ret = -EFAULT;
	}
	if (ret) {
		mutex_lock(&see_queue_lock);
		if (list_empty(&req->list) || req->state != SEE_REQ_READ) {
			/* answered: the daemon went away */
		} else if (req->dead) {
			see_req_dequeue(req);
		} else if (ret == -EMFILE || ret == -ENFILE || ret == -ENOMEM ||
			   ret == -EFAULT) {
			/* another read may have more luck */
			req->state = SEE_REQ_WAITING;
			WRITE_ONCE(see_queue_waiting, see_queue_waiting + 1);
		} else {
			/* the daemon may not have these files: not its fault */
			req->result = ret;
			see_req_finish(req);
			ret = -EAGAIN;
		}
		mutex_unlock(&see_queue_lock);
	} else {
		ret = len;
	}
	see_req_put(req);
out:
	kfree(wire);
	return ret;
}

__poll_t see_server_poll(struct file *file, poll_table *wait)
{
	__poll_t mask = 0;

	poll_wait(file, &see_queue_wait, wait);
	mutex_lock(&see_queue_lock);
	if (see_server == file) {
		if (see_next_waiting())
			mask = EPOLLIN | EPOLLRDNORM;
	} else {
		mask = EPOLLERR;
	}
	mutex_unlock(&see_queue_lock);
	return mask;
}

/**
 * see_server_reply - the daemon's answer
 * @reply: checked but for its id and descriptor
 *
 * Return: 0; -ENOENT; -ECANCELED if the client has gone; -EBADF.
 */
int see_server_reply(const struct see_reply *reply)
{
	struct file *out = NULL;
	struct see_req *req;
	int err = -ENOENT;

	if (reply->fd >= 0) {
		out = fget_raw(reply->fd);
		if (!out)
			return -EBADF;
	}
	mutex_lock(&see_queue_lock);
	list_for_each_entry(req, &see_queue, list) {
		if (req->wire.id != reply->id || req->state != SEE_REQ_READ)
			continue;
		if (req->dead) {
			err = -ECANCELED;
		} else {
			req->result = reply->result;
			req->see = reply->see;
			req->out = out;
			out = NULL;
			memcpy(req->message, reply->message,
			       sizeof(req->message));
			err = 0;
		}
		see_req_finish(req);
		break;
	}
	mutex_unlock(&see_queue_lock);
	if (out)
		fput(out);
	return err;
}
