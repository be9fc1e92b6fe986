/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_CHANGES_H
#define SEE_CHANGES_H

#include <linux/log2.h>

#include "control.h"
#include "names.h"

/**
 * struct see_side_attrs - one side of a change
 * @mode: 0 if there is nothing
 * @uid: owner
 * @gid: group
 * @size: bytes
 */
struct see_side_attrs {
	umode_t mode;
	kuid_t uid;
	kgid_t gid;
	u64 size;
};

/**
 * struct see_found - a change that was found
 * @what: SEE_CHANGE_*
 * @conflict: SEE_CONFLICT_*
 * @old: on the host
 * @new: in the SEE
 * @path: of the directory in the SEE; empty for the root of the layer
 * @name: there; empty if the change is that of the directory itself
 * @from: path of the object on the host, or NULL
 * @command: of who did it first, SEE_COMMAND_SIZE bytes; empty if not known
 * @dir: of a name: its directory
 * @entry: of a name: what the table says
 * @host: of a name: what the host has there, or NULL
 * @object: whose attributes or data changed, or what the host's name stands for
 */
struct see_found {
	u32 what;
	u32 conflict;
	struct see_side_attrs old;
	struct see_side_attrs new;
	const char *path;
	const char *name;
	const char *from;
	const char *command;
	struct inode *dir;
	const struct see_name *entry;
	struct dentry *host;
	struct inode *object;
};

/**
 * struct see_changes - one enumeration
 * @layer: the layer
 * @index: its number in the SEE
 * @each: called for each change; ends the enumeration by another value than 0
 * @arg: for @each
 * @count: only count: neither paths nor conflicts are found
 * @name: copy of an entry
 * @path: of a directory, PATH_MAX, filled from the end
 * @from: the same for the path on the host
 * @no_path: the directory's path is too long to be told, or out of the layer
 */
struct see_changes {
	struct see_layer *layer;
	u32 index;
	int (*each)(struct see_changes *c, const struct see_found *found);
	void *arg;
	bool count;
	struct see_name *name;
	char *path;
	char *from;
	bool no_path;
};

/**
 * struct see_climb - tells if see_up() goes round in a circle
 * @at: a directory that was passed
 * @n: directories that were passed
 *
 * Both sides can move directories so that the SEE shows each only below the other.
 */
struct see_climb {
	const struct inode *at;
	u32 n;
};

static inline bool see_climbs_round(struct see_climb *climb, const struct inode *dir)
{
	if (dir == climb->at)
		return true;
	if (is_power_of_2(++climb->n))
		climb->at = dir;
	return false;
}

int see_changes_walk(struct see_changes *c, u64 *cursor);
int see_found_conflict(struct see_changes *c, const struct see_found *f);
struct inode *see_find_named(struct see_layer *layer, const struct inode *target,
			     enum see_name_kind kind, char *name);
void see_object_place(struct see_changes *c, struct inode *inode, char *buf,
		      char *name, bool now, struct see_found *f);
struct see_inode *see_next_changed(struct see_layer *layer, struct see_inode *si);
struct inode *see_up(struct see_layer *layer, struct inode *dir, char *name);

#endif /* SEE_CHANGES_H */
