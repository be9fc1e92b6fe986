/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libsee - the interface of /dev/see as C functions
 *
 * No state and no globals: each function is one request, or the batches of
 * one.  <linux/see.h> says what each means.  All return a negative errno on
 * failure.  Those that the daemon answers take @message, SEE_MESSAGE_MAX + 1
 * bytes that say what went wrong; it is empty if there is nothing to say.
 */
#ifndef LIBSEE_H
#define LIBSEE_H

#include <linux/see.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* a descriptor of /dev/see; @flags: 0 or O_NONBLOCK */
int see_open_device(int flags);
int see_abi(int dev, struct see_abi *abi);

/* called for each record; a value other than 0 ends the listing and is returned */
typedef int (*see_list_fn)(const struct see_list_entry *see, void *data);
typedef int (*see_layer_fn)(const struct see_layer_entry *layer, void *data);
typedef int (*see_change_fn)(const struct see_change *change, void *data);

int see_list(int dev, see_list_fn fn, void *data);

/* a descriptor of the new SEE; @name is in and out, SEE_NAME_MAX + 1 bytes */
int see_create(int dev, char *name, const struct see_layer_spec *layers,
	       unsigned int nlayers, uint64_t size, char *message);
/* a descriptor of a SEE, by @id or, if that is 0, by @name; @flags: SEE_OPEN_* */
int see_open(int dev, uint64_t id, const char *name, unsigned int flags, char *message);

int see_status(int see, struct see_status *status);
int see_layers(int see, see_layer_fn fn, void *data);
int see_changes(int see, see_change_fn fn, void *data);
/* a detached mount of a layer */
int see_mount(int see, unsigned int layer, char *message);
int see_join(int see, int pidfd, char *message);
int see_abort(int see, char *message);

/* called for each problem of a report, as above; its path has no NUL within */
typedef int (*see_problem_fn)(const struct see_problem *problem, void *data);

/*
 * Make the changes on the host, or with SEE_COMMIT_CHECK find out what would be
 * in the way.  @report: a descriptor for see_problems(), to be closed, or -1; one
 * can be there with -EBUSY, too.  @outcome: SEE_OUTCOME_*, if 0 is returned.
 */
int see_commit(int see, const struct see_commit_root *roots, unsigned int nroots,
	       unsigned int criterion, unsigned int flags, unsigned int *outcome,
	       int *report, char *message);
/* @paths: a memfd, as struct see_revert wants it; @count: changes taken back */
int see_revert(int see, int paths, unsigned int *count, char *message);
/* what a report has; -EBADMSG if it is not one */
int see_problems(int report, see_problem_fn fn, void *data);

/* for the daemon */
int see_attach(int dev);
int see_read_request(int dev, struct see_request *request);
int see_reply(int dev, const struct see_reply *reply);
int see_register(int dev, const struct see_register *see);
int see_adopt(int dev, uint64_t id, unsigned int index, unsigned int flags,
	      int mount, const char *path);
int see_forget(int dev, uint64_t id, unsigned int flags);

/* @start: in and out; a commit of one SEE, Documentation/commit.rst */
int see_commit_start(int dev, struct see_commit_start *start);
/* one of them is called for each record, in the order of the steps */
struct see_plan_fns {
	int (*step)(const struct see_step *step, void *data);
	int (*extent)(const struct see_extent *extent, void *data);
};
/* -ENOENT: there is no commit of that SEE */
int see_commit_plan(int dev, uint64_t id, const struct see_plan_fns *fns, void *data);
/* @conflict: may be NULL; SEE_CONFLICT_* with -ESTALE */
int see_commit_step(int dev, uint64_t id, unsigned int step, unsigned int action,
		    unsigned int *conflict);
/* @end: in and out */
int see_commit_end(int dev, struct see_commit_end *end);

/* string SEE_TEXT_* of a step that was checked, as those that callbacks get are */
const char *see_step_text(const struct see_step *step, unsigned int which);
/* is it whole, with all its strings? */
int see_step_valid(const struct see_step *step);

/* is @name one that a SEE can have? */
int see_name_valid(const char *name);

#ifdef __cplusplus
}
#endif

#endif
