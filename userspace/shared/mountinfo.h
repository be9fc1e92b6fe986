/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_MOUNTINFO_H
#define SEE_MOUNTINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * struct mount_entry - a line of /proc/self/mountinfo
 * @id: mount id, as statx() gives it
 * @dev: of the superblock
 * @root: directory of the file system that is mounted
 * @target: where
 * @options: of the mount
 * @fstype: file system type
 * @super: options of the superblock
 */
struct mount_entry {
	int id;
	dev_t dev;
	char *root;
	char *target;
	char *options;
	char *fstype;
	char *super;
};

/* entries in the order of the file: what is mounted over comes later */
struct mount_table {
	struct mount_entry *entry;
	size_t n;
	char *text;
};

/* Takes over @text, which becomes part of the table even on failure. */
int mount_table_parse(struct mount_table *table, char *text);
int mount_table_read(struct mount_table *table);
void mount_table_free(struct mount_table *table);
const struct mount_entry *mount_by_id(const struct mount_table *table, long long id);
/* is @word one of the comma separated @options? */
bool mount_has_option(const char *options, const char *word);
bool mount_is_readonly(const struct mount_entry *m);

#endif
