/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_CONTROL_H
#define SEE_CONTROL_H

#include <linux/kref.h>
#include <linux/see.h>

#include "see.h"

struct see_req;
struct see_tx;

/**
 * struct see_env_layer - an adopted layer
 * @root: of the layer; pins the superblock
 * @flags: SEE_LAYER_*
 * @path: what it covers
 */
struct see_env_layer {
	struct path root;
	u32 flags;
	char *path;
};

/**
 * struct see_env - a SEE
 * @list: see_envs
 * @ref: one of the list, one of each descriptor
 * @load: one loading at a time; held while the daemon is asked
 * @lock: protects @state, @opens, @nlayers, @layer
 * @id: as registered; does not change
 * @created: the same
 * @owner: the same
 * @name: the same
 * @state: SEE_STATE_ABORTING, or what see_env_state() says
 * @opens: descriptors
 * @nlayers: of @layer
 * @loaded: @layer is complete; adopting is over
 * @gone: off the list
 * @txlock: protects @tx and @nothing
 * @tx: a commit that is under way, or NULL
 * @nothing: the last one ended before any step of it was applied
 * @layer: adopted layers
 */
struct see_env {
	struct list_head list;
	struct kref ref;
	struct mutex load;	/* one loading at a time */
	struct mutex lock;	/* state, opens, layers */
	u64 id;
	u64 created;
	kuid_t owner;
	char name[SEE_NAME_MAX + 1];
	u32 state;
	unsigned int opens;
	unsigned int nlayers;
	bool loaded;
	bool gone;
	struct mutex txlock;	/* tx, nothing */
	struct see_tx *tx;
	bool nothing;
	struct see_env_layer layer[SEE_LAYERS_MAX];
};

/**
 * struct see_out - where records are collected
 * @buf: kernel buffer
 * @len: of @buf
 * @used: bytes of whole records
 * @count: records
 */
struct see_out {
	char *buf;
	u32 len;
	u32 used;
	u32 count;
};

typedef int (*see_fill_t)(void *what, u64 *cursor, struct see_out *out);

/* control.c */
void *see_out_add(struct see_out *out, u32 kind, size_t size);
int see_batch_fill(u64 buf, u32 *len, u32 *count, u64 *cursor, see_fill_t fill, void *what);
struct see_env *see_env_find(u64 id, const char *name);
void see_env_put(struct see_env *env);
void see_env_unload(struct see_env *env);
int see_env_call(struct see_req *req, char *message);
int see_install_fd(struct see_req *req);

/* txctl.c */
int see_env_commit(struct file *file, void *arg);
int see_env_revert(struct file *file, void *arg);
int see_dev_commit_start(struct file *file, void *arg);
int see_dev_commit_plan(struct file *file, void *arg);
int see_dev_commit_step(struct file *file, void *arg);
int see_dev_commit_end(struct file *file, void *arg);
void see_env_drop_tx(struct see_env *env, bool all);

int see_control_init(void);
void see_control_exit(void);

/* changes.c */
int see_changes_list(struct super_block *sb, u32 index, u64 *cursor,
		     struct see_out *out);
u64 see_changes_bytes(struct super_block *sb);

#endif /* SEE_CONTROL_H */
