/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_NAMES_H
#define SEE_NAMES_H

#include "see.h"

/* what a name in the table of a directory stands for */
enum see_name_kind {
	SEE_NAME_NONE,		/* not in the table: the host's, as it is now */
	SEE_NAME_ABSENT,	/* the SEE removed it */
	SEE_NAME_BORN,		/* an entry in "made" */
	SEE_NAME_LINKED,	/* a host object that the SEE put here */
	SEE_NAME_FOLLOW,	/* a changed host object was here when it was changed */
};

/* what tombstone a name has */
enum see_tomb {
	SEE_TOMB_NONE,
	SEE_TOMB_HIDES,		/* the host's name is absent */
	SEE_TOMB_REPLACED,	/* it is as long as something else has the name */
};

/* directories of a container */
enum see_sub {
	SEE_SUB_MADE,
	SEE_SUB_REMOVED,
	SEE_SUB_LINKED,
	SEE_SUB_FOLLOW,
	SEE_NR_SUBS,
};

/**
 * struct see_name - one private name
 * @by_name: in see_names.by_name, ordered by hash, length and bytes
 * @by_id: in see_names.by_id
 * @id: stable while mounted; what readdir's cookies are made of
 * @ino: inode number of what is born
 * @covers: number of the host inode, not a directory, that has this name below;
 *	    0 if there is none
 * @target: LINKED and FOLLOW: the object, pinned by see_layer.changed
 * @follow: the object of a FOLLOW entry that this one stands before
 * @kind: enum see_name_kind
 * @dtype: DT_* of what is born
 * @removed: enum see_tomb
 * @command: of who made it something else than the host's name; empty: not known
 */
struct see_name {
	struct rb_node by_name;
	struct rb_node by_id;
	u64 id;
	u64 ino;
	u64 covers;
	struct inode *target;
	struct inode *follow;
	u32 hash;
	u16 len;
	u8 kind;
	u8 dtype;
	u8 removed;
	char command[SEE_COMMAND_SIZE];
	char name[];
};

/**
 * struct see_names - the private names of a directory
 * @lock: protects the trees and the entries; leaf
 * @gen: counts changes, for what is cached about the table
 * @nr: number of entries
 * @nlink, @nlink_gen, @nlink_dropped, @nlink_host: cached link count, lookup.c
 * @stale: there may be marks that the table does not know, as they could not be removed:
 *	   to be looked for before a name goes; i_rwsem
 * @sub: directories of the container, NULL if not made yet; see_inode.lock
 */
struct see_names {
	spinlock_t lock;	/* the trees, the entries, nlink */
	struct rb_root by_name;
	struct rb_root by_id;
	u64 next_id;
	u64 gen;
	size_t nr;
	unsigned int nlink;
	u64 nlink_gen;
	int nlink_dropped;
	struct see_version nlink_host;
	bool stale;
	struct dentry *sub[SEE_NR_SUBS];
};

/* a copy of any entry fits into so many bytes */
#define SEE_NAME_SIZE	(sizeof(struct see_name) + NAME_MAX + 1)

static inline struct see_names *see_names(const struct inode *inode)
{
	/* pairs with the cmpxchg in see_names_make() */
	return smp_load_acquire(&see_i(inode)->names);
}

/* a directory of the container, NULL if it was not made yet */
static inline struct dentry *see_sub_of(const struct see_names *names,
					enum see_sub which)
{
	/* pairs with the release in see_sub() */
	return smp_load_acquire(&names->sub[which]);
}

int see_names_make(struct inode *dir, gfp_t gfp);
void see_names_free(struct see_names *names);
struct see_name *see_name_alloc(const struct qstr *name, gfp_t gfp);
enum see_name_kind see_names_find(struct inode *dir, const struct qstr *name,
				  struct see_name *out);
void see_names_set(struct inode *dir, struct see_name *entry);
void see_names_del(struct inode *dir, const struct qstr *name);
void see_names_command(struct inode *dir, const struct qstr *name,
		       const char *command);
void see_names_unfollow(struct inode *dir, const struct qstr *name, const struct inode *target);
void see_names_tomb(struct inode *dir, const struct qstr *name, enum see_tomb tomb);
struct see_name *see_names_next(struct see_names *names, u64 id,
				struct see_name *buf);
void see_names_cover(struct inode *dir, const struct qstr *name, u64 ino, bool gone);
u64 see_names_end(struct inode *dir);
bool see_names_hides(struct inode *dir, const char *name, unsigned int len);

#endif /* SEE_NAMES_H */
