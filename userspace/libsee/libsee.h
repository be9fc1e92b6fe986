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
	       unsigned int nlayers, char *message);
/* a descriptor of a SEE, by @id or, if that is 0, by @name; @flags: SEE_OPEN_* */
int see_open(int dev, uint64_t id, const char *name, unsigned int flags, char *message);

int see_status(int see, struct see_status *status);
int see_layers(int see, see_layer_fn fn, void *data);
int see_changes(int see, see_change_fn fn, void *data);
/* a detached mount of a layer */
int see_mount(int see, unsigned int layer, char *message);
int see_join(int see, int pidfd, char *message);
int see_abort(int see, char *message);

/* for the daemon */
int see_attach(int dev);
int see_read_request(int dev, struct see_request *request);
int see_reply(int dev, const struct see_reply *reply);
int see_register(int dev, const struct see_register *see);
int see_adopt(int dev, uint64_t id, unsigned int index, unsigned int flags,
	      int mount, const char *path);
int see_forget(int dev, uint64_t id, unsigned int flags);

/* is @name one that a SEE can have? */
int see_name_valid(const char *name);

#ifdef __cplusplus
}
#endif

#endif
