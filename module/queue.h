/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_QUEUE_H
#define SEE_QUEUE_H

#include <linux/completion.h>
#include <linux/fs.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/poll.h>
#include <linux/see.h>

/**
 * struct see_req - a request to the daemon
 * @list: see_queue, while the daemon has not answered
 * @ref: one of the client, one of the list
 * @done: completed with the answer
 * @wire: what the daemon reads; descriptors are filled in there
 * @in: files that go along, see_request.nfds of them; or, for SEE_OP_COMMIT, those
 *	that the module keeps, by layer
 * @cred: the caller's, or NULL
 * @out: file of the answer, or NULL
 * @see: see_reply.see
 * @result: see_reply.result
 * @message: see_reply.message
 * @state: queue.c
 * @pid: the caller
 *
 * Protected by see_queue_lock until @done is complete.
 */
struct see_req {
	struct list_head list;
	struct kref ref;
	struct completion done;
	struct see_request wire;
	struct file *in[SEE_LAYERS_MAX];
	const struct cred *cred;
	struct file *out;
	u64 see;
	int result;
	char message[SEE_MESSAGE_MAX + 1];
	int state;
	bool dead;
	struct pid *pid;
};

struct see_req *see_req_alloc(u32 op, u64 see);
struct see_req *see_req_find(u64 id, u64 see);
int see_req_call(struct see_req *req);
void see_req_post(struct see_req *req);
void see_req_put(struct see_req *req);

bool see_server_attached(void);
bool see_server_is(const struct file *file);
int see_server_attach(struct file *file);
bool see_server_detach(struct file *file, fl_owner_t owner, bool last);
ssize_t see_server_read(struct file *file, char __user *buf, size_t len);
__poll_t see_server_poll(struct file *file, poll_table *wait);
int see_server_reply(const struct see_reply *reply);

#endif /* SEE_QUEUE_H */
