/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon.  Its truth is on disk, in the store of each SEE (store.c), and in
 * the module; what is in memory is one request at a time, each in a thread of
 * its own, so that none delays another's, and a list of stores with something in
 * the trash.  Requests of one SEE are serialised by a lock on its store.
 *
 * main.c     attaches, reads requests, starts threads
 * ops.c      what each request does
 * store.c    directories, ids, meta files
 * meta.c     format of the meta files
 * layer.c    mounting layers
 * access.c   who may cover what
 * cgroup.c   processes of a SEE
 * trash.c    disposal
 * log.c      messages
 *
 * Commits; what is needed at boot is in see-recover, too:
 *
 * commit.c   the sequence
 * revert.c   changes taken back in a SEE; paths.c, which
 * report.c   why a commit did not happen; busy.c, who is in the way
 * plan.c     the steps in memory
 * journal.c  the same on disk (journal.h is the format); crc.c
 * recover.c  taking back and finishing, whatever interrupted it
 * host.c     taking a step back with ordinary system calls; restore.c, an object
 *            that was modified in place; attr.c, its attributes
 * keep.c     what is not thrown away
 * handle.c   objects by file handle
 * fault.c    points at which a test can kill the daemon
 */
#ifndef SEED_H
#define SEED_H

#include <linux/see.h>

#include "libsee.h"
#include "meta.h"
#include "mountinfo.h"
#include "util.h"

#define STATE_DIR	"/var/lib/see"
#define STORE_NAME	".see"
#define KEPT_NAME	"kept"
#define GROUP_NAME	"see"

/* why a request failed, for the client: what, on which path, why, what to do */
struct note {
	char text[SEE_MESSAGE_MAX + 1];
};

/* returns -err, so that "return note_fail(...)" reads well */
int note_fail(struct note *note, int err, const char *format, ...) _printf_(3, 4);
/* one line to the journal */
void say(const char *format, ...) _printf_(1, 2);

/* store.c */
int store_init(void);
/* an id that was never used, durably taken */
int store_new_id(uint64_t *id);
/* the directory of a SEE in the state directory, locked; -ENOENT */
int store_lock(uint64_t id);
int store_load(int dir, struct meta *m);
int store_save(int dir, const struct meta *m);
/* make the directory of a new SEE, locked */
int store_make(uint64_t id);
/* choose where the private tree of @m->layer[index] goes and make it */
int store_make_tree(const struct meta *m, unsigned int index, const struct mount_table *mounts,
		    const struct mount_entry *lower, char **base);
/* descriptor of a private tree */
int store_open_tree(const struct meta *m, unsigned int index);
/* rename what there is of a SEE to the trash */
int store_discard(uint64_t id, const struct meta *m);
/* @fn for each SEE of the state directory */
int store_each(void (*fn)(uint64_t id, int dir, void *data), void *data);
/* directory @base, if it is a store of ours */
int store_open_base(const char *base);

/* the writable layers of @m, for a commit */
struct plan;
struct plan_layer;
int store_plan_layers(const struct meta *m, struct plan *p);
/* descriptor of BASE/PART */
int store_open_part(const char *base, const char *part);
/* undo-INDEX, new and empty */
void store_undo_name(unsigned int index, char name[static 32]);
int store_make_undo(const struct plan_layer *l);
/* the name of a private tree in its part */
void store_tree_name(unsigned int index, char name[static 16]);
/* an empty private tree, where there is none: its descriptor */
int store_new_tree(const char *base, const char *part, unsigned int index);
/* BASE/PART/NAME goes to the trash, if it is there */
int store_discard_entry(const char *base, const char *part, const char *name);
/* the private tree of a layer goes into its undo-INDEX: whoever reads in it may go on */
int store_set_aside(const char *base, const char *part, unsigned int index);

/* trash.c: a thread that removes what is in the trash, everywhere to begin with */
int trash_start(void);
/* there is something in the trash of a store; waits for nothing */
void trash_wake(const char *base);
#define TRASH_PREFIX	"trash-"

/* layer.c */
int layer_mount(const struct meta *m, unsigned int index, const struct mount_table *mounts,
		struct note *note);
int layer_path(int fd, const struct mount_table *mounts, const struct mount_entry **mount,
	       char **path, struct note *note);

/* access.c */
int access_group(const struct see_request *req, struct note *note);
int access_layer(const struct see_request *req, int fd, unsigned int flags, const char *path,
		 const struct mount_entry *mount, struct note *note);
int access_process(const struct see_request *req, int pidfd, struct note *note);

/* cgroup.c */
int cgroup_init(void);
int cgroup_join(uint64_t id, int pidfd, struct note *note);
/* kill whoever is there and wait until nobody is */
int cgroup_kill(uint64_t id);
void cgroup_remove(uint64_t id);
/* @fn for each process */
int cgroup_pids(uint64_t id, void (*fn)(uint32_t pid, void *data), void *data);

/* ops.c */
void op_run(int dev, struct see_request *req);
/* register what the stores have, finish aborts that were begun */
int op_start(int dev);
/* finish an abort in this thread */
void op_finish_abort(int dev, uint64_t id);

/* main.c: finish an abort in another thread */
void start_abort(int dev, uint64_t id);
/* a thread that nobody waits for */
int start_thread(void *(*function)(void *data), void *data);

#endif
