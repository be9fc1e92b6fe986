/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_COMMIT_H
#define SEE_COMMIT_H

#include <linux/see.h>

#include "see.h"

struct see_out;

/**
 * struct see_tx_layer - a layer of a SEE that is being committed
 * @root: of the layer; pins the superblock
 * @caller: where the caller of the commit would make the changes; no mount if
 *	    there are none to be made
 * @undo: directory for pre-images, on the private tree's mount
 * @writable: SEE_LAYER_WRITE
 * @closed: its gate is closed to changes, by us
 */
struct see_tx_layer {
	struct path root;
	struct path caller;
	struct path undo;
	bool writable;
	bool closed;
};

/* where in the order a step belongs */
enum see_phase {
	SEE_PHASE_PUT = 1,	/* names in directories that stay, nothing in the way */
	SEE_PHASE_REMOVE,	/* files */
	SEE_PHASE_MOVE,		/* directories, or out of the way of others */
	SEE_PHASE_RMDIR_EARLY,	/* what another name needs */
	SEE_PHASE_PLACE,	/* what was not possible before */
	SEE_PHASE_MODIFY,
	SEE_PHASE_RMDIR,
};

/* what SEE_ACTION_PREPARE makes in "undo" */
enum see_prepare {
	SEE_PREPARE_NOTHING,
	SEE_PREPARE_LINK,	/* a link to a host file: src */
	SEE_PREPARE_KEPT,	/* what the host dropped, complete: src */
	SEE_PREPARE_DIR,	/* a directory like the one that goes: src */
	SEE_PREPARE_IMAGE,	/* attributes and blocks of a host object */
};

/**
 * struct see_tx_name - a name that a step moves
 * @dir: private or host directory, or NULL: that of @again
 * @again: directory that the host dropped and that is made again
 * @name: there; NULL for a number in "undo"
 * @inode: what it stands for before the step, or NULL; held
 * @host: it is a name of the host
 */
struct see_tx_name {
	struct dentry *dir;
	struct inode *again;
	char *name;
	struct inode *inode;
	bool host;
};

/**
 * struct see_tx_step - one step of a commit
 * @layer: index of the layer
 * @nr: in the order in which steps were found; names in "undo" are made of it
 * @kind: SEE_STEP_*, 0 if there is nothing to be done
 * @phase: enum see_phase
 * @depth: order within the phase
 * @prepare: enum see_prepare
 * @what: SEE_CHANGE_*
 * @conflict: SEE_CONFLICT_*
 * @denied: a negative errno or 0
 * @busy: a negative errno or 0
 * @path: in the SEE
 * @dir: directory of the name in the SEE, pinned by the layer; NULL for MODIFY
 * @object: object of the SEE, pinned by the layer, or NULL
 * @src: see struct see_step
 * @dst: the same
 * @target: MODIFY: name of the host object; PREPARE_LINK: what is linked; a born
 *	    object: its name in "made"
 * @image: what PREPARE made
 * @ver: version of the host object that is displaced or modified
 * @after: what MODIFY left
 * @when: a born directory was installed, by the clock of the file system
 * @old: MODIFY: host side when the step was made
 * @half: MODIFY failed, and so did taking it back: only the journal's way is left
 * @denying: writes to the displaced object are denied
 * @applied: and not taken back
 */
struct see_tx_step {
	u32 layer;
	u32 nr;
	u8 kind;
	u8 phase;
	u8 prepare;
	u32 depth;
	u32 what;
	u32 conflict;
	int denied;
	int busy;
	char *path;
	struct inode *dir;
	struct inode *object;
	struct see_tx_name src;
	struct see_tx_name dst;
	struct dentry *target;
	struct dentry *image;
	struct see_version ver;
	struct see_version after;
	struct timespec64 when;
	struct {
		u64 size;
		s64 mtime;
		umode_t mode;
		kuid_t uid;
		kgid_t gid;
		u64 xattrs;
	} old;
	struct inode *denying;
	bool applied;
	bool half;
};

/**
 * struct see_touched - a host object that steps of ours changed
 * @from: its version before the first
 * @to: and after the last
 */
struct see_touched {
	struct see_version from;
	struct see_version to;
};

/**
 * struct see_tx - a commit
 * @lock: one action at a time
 * @caller: credentials of who wants it
 * @criterion: SEE_CRITERION_*
 * @flags: SEE_START_*
 * @nlayers: of @layer
 * @n: of @step
 * @room: for steps
 * @started: a step was applied at some time: it must be ended by a daemon
 * @step: the steps, in order once the list is complete
 * @touched: by host inode, struct see_touched
 * @again: by inode of the SEE or of the host, the directory that was made again in
 *	   place of one that the host or a step of ours removed
 * @modified: host inodes that a step MODIFY is about
 * @removed: host inodes of which a step takes a name away
 * @dirs: inodes of directories in which steps made names
 * @locks: on the host, for those that the SEE took
 * @layer: the layers
 */
struct see_tx {
	struct mutex lock;	/* all that changes */
	const struct cred *caller;
	u32 criterion;
	u32 flags;
	unsigned int nlayers;
	u32 n;
	u32 room;
	bool started;
	struct see_tx_step **step;
	struct xarray touched;
	struct xarray again;
	struct xarray modified;
	struct xarray removed;
	struct xarray dirs;
	struct list_head locks;
	struct see_tx_layer layer[];
};

static inline struct see_layer *see_tx_sb(const struct see_tx *tx, u32 layer)
{
	return see_layer(tx->layer[layer].root.mnt->mnt_sb);
}

/* is this found at commit time although the criterion is not to care? */
static inline bool see_tx_forces(const struct see_tx *tx)
{
	return tx->criterion == SEE_CRITERION_FORCE;
}

static inline void see_tx_mark(struct xarray *xa, const struct inode *inode, int *err)
{
	if (!*err)
		*err = xa_err(xa_store(xa, (unsigned long)inode, xa_mk_value(1),
				       GFP_KERNEL_ACCOUNT));
}

/* commit.c */
struct see_tx *see_tx_new(unsigned int nlayers, const struct cred *caller, u32 criterion,
			  u32 flags);
int see_tx_list(struct see_tx *tx, u64 *cursor, struct see_out *out);
int see_tx_act(struct see_tx *tx, u32 step, u32 action, u32 *conflict);
void see_tx_free(struct see_tx *tx);
struct dentry *see_tx_dir(struct see_tx *tx, const struct see_tx_name *name);
int see_tx_again(struct see_tx *tx, struct inode *gone, struct dentry *made);
void see_tx_undo_name(const struct see_tx_step *st, char *buf, size_t size);

/* plan.c */
int see_tx_plan(struct see_tx *tx);

/* authority.c */
int see_auth_step(struct see_tx *tx, struct see_tx_step *st);
int see_auth_locked(struct see_tx *tx, struct see_tx_step *st);

/* apply.c */
int see_tx_prepare(struct see_tx *tx, struct see_tx_step *st);
int see_tx_apply(struct see_tx *tx, struct see_tx_step *st);
int see_tx_take_back(struct see_tx *tx, struct see_tx_step *st);
void see_tx_unprepare(struct see_tx *tx, struct see_tx_step *st);
void see_tx_allow(struct see_tx_step *st);

bool see_tx_inside(struct see_tx *tx, struct see_tx_step *st, struct dentry *dentry);
const struct see_version *see_tx_expected(struct see_tx *tx, struct see_tx_step *st,
					  struct inode *inode);
void see_tx_touched(struct see_tx *tx, struct dentry *dentry,
		    const struct see_version *before, const struct see_version *now);

/* install.c */
int see_install_is_image(struct see_tx_step *st, struct dentry *dentry);
int see_install_before(struct see_tx_step *st);
int see_install_image(struct see_tx *tx, struct see_tx_step *st);
int see_install(struct see_tx *tx, struct see_tx_step *st);
int see_install_back(struct see_tx *tx, struct see_tx_step *st);
int see_install_kept(struct see_tx *tx, struct see_tx_step *st);

/* settle.c */
void see_tx_settle(struct see_tx *tx);

#endif /* SEE_COMMIT_H */
