/* SPDX-License-Identifier: GPL-2.0 */
/*
 * recover.h - taking back and finishing commits
 *
 * One logic with two back ends: the module, which still has the commit, or
 * ordinary system calls (host.c, restore.c), which find out from the file
 * systems what was done.  Whatever is done can be interrupted at any moment and
 * done again.
 */
#ifndef SEED_RECOVER_H
#define SEED_RECOVER_H

#include <stdbool.h>

#include "journal.h"
#include "keep.h"

struct recovery;

/**
 * struct recover_ops - a back end
 * @take_back: undo a step if it was applied; -ESTALE: the host is not as the commit
 *	       left it, with SEE_CONFLICT_*, and it stays so
 * @finish: after all of them, or NULL
 */
struct recover_ops {
	int (*take_back)(struct recovery *r, const struct plan_step *s, unsigned int *conflict);
	int (*finish)(struct recovery *r);
};

/**
 * struct recovery - a commit that is taken back or finished
 * @see: id of the SEE
 * @dir: its directory, locked by the caller
 * @dev: descriptor of /dev/see, or -1
 * @plan: the steps
 * @part: BASE/PART of each of @plan.layer; any directory of their file system
 * @keep: what is kept
 * @lost: for each step, whether it was not taken back; NULL if none is
 * @torn: how many
 * @eio: an errno if those who used the SEE get EIO
 * @tell: called for each of that, may be NULL
 * @data: for @tell
 */
struct recovery {
	uint64_t see;
	int dir;
	int dev;
	struct plan plan;
	int part[SEE_LAYERS_MAX];
	struct keeper keep;
	bool *lost;
	unsigned int torn;
	unsigned int eio;
	void (*tell)(const struct plan_step *s, unsigned int conflict, void *data);
	void *data;
};

extern const struct recover_ops recover_by_host, recover_by_module;

/* @state: descriptor of the state directory; then the plan is to be filled in */
void recover_begin(struct recovery *r, uint64_t see, int dir, int state, int dev);
/* open what the plan's layers name */
int recover_open(struct recovery *r);
void recover_end(struct recovery *r);

/* take back all steps, and write it out; the journal is left */
int recover_take_back(struct recovery *r, const struct recover_ops *ops);
/*
 * after the mark: keep what is to be kept, new private trees, say so on disk, and let
 * the SEE go on in them; remove the mark
 */
int recover_clean(struct recovery *r);
/* the module's commit, if it has one, is over; @flags: SEE_END_*, 0: nothing was done */
int recover_end_in_module(struct recovery *r, unsigned int flags);
/* remove undo-INDEX of all layers of the plan */
int recover_drop_undo(struct recovery *r);
/* write out all file systems of the layers */
int recover_sync(struct recovery *r);

/*
 * Whatever there is of a commit in the directory of a SEE: -ENOENT if nothing, 0
 * if it is done with.  @m: the SEE, or NULL if its meta file cannot be read.
 */
int recover_see(struct recovery *r, const struct meta *m);

/* host.c: the descriptor of a directory, where it is now */
int host_dir(struct recovery *r, const struct plan_step *s, const char *key);
/* the part of a step's layer */
int host_part(const struct recovery *r, const struct plan_step *s);
/* what a step displaced, and is still where the step put it, is kept */
int host_keep_old(struct recovery *r, const struct plan_step *s, const char *why);
/* what a step displaced goes at once, if it is a file that has other names */
void host_drop_link(struct recovery *r, const struct plan_step *s);
/* restore.c: MODIFY */
int restore_object(struct recovery *r, const struct plan_step *s, unsigned int *conflict);
int restore_mtime(struct recovery *r, const struct plan_step *s);

#endif
