/* SPDX-License-Identifier: GPL-2.0 */
/*
 * seefs: structures shared by the rooms of the module.
 *
 * Each field names the room that owns it and the lock that protects it.
 *
 * Lock order, outermost first.  "host" is any lock of the lower file system,
 * "private" any lock of the file system that holds the private tree:
 *
 *	i_rwsem of a seefs directory, then of a seefs file
 *	  private sb_writers
 *	    pipe->mutex (splice write)
 *	      see_inode.lock, a parent's inside its child's
 *	        private i_rwsem
 *	          host i_rwsem (iterate, lookup)
 *	            see_names.lock (leaf), see_layer.lock (leaf)
 *	mmap_lock
 *	  invalidate_lock of a seefs mapping
 *	    folio lock
 *	      host invalidate_lock, host folio lock
 *
 * Nothing under mmap_lock, invalidate_lock or a folio lock of seefs enters
 * the private file system's sb_writers; only writeback, fsync and the inode
 * operations do.
 */
#ifndef SEE_H
#define SEE_H

#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/path.h>
#include <linux/percpu-refcount.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "compat.h"
#include "tree_format.h"

#define SEE_SUPER_MAGIC	0x53454546	/* "SEEF" */
#define SEE_BLOCK_SIZE	PAGE_SIZE

struct see_names;
struct see_mark;
struct see_quota;

/**
 * struct see_space - how much the layer may still write; space.c
 * @pending: blocks reserved and not written to the private tree yet
 * @budget: blocks that may be reserved before the private file system is asked
 *	    again how much is free
 * @stamp: jiffies when it was asked last
 *
 * All zeros to begin with.
 */
struct see_space {
	atomic_long_t pending;
	atomic_long_t budget;
	unsigned long stamp;
};

/**
 * struct see_version - what tells whether a host object changed
 * @cookie: change attribute, 0 if the file system keeps none
 * @ctime: nanoseconds since 1970
 * @mtime: nanoseconds since 1970
 * @size: bytes; 0 for directories, whose size never counts
 * @gen: inode generation
 * @flags: SEE_VERSION_*
 *
 * Sampled and compared in version.c only.
 */
struct see_version {
	u64 cookie;
	s64 ctime;
	s64 mtime;
	u64 size;
	u32 gen;
	u32 flags;
};

/* see_version.flags; the values are those of the disk format */
#define SEE_VERSION_COOKIE	0x1	/* @cookie is valid */
#define SEE_VERSION_WEAK	0x2	/* equality proves nothing */
#define SEE_VERSION_KNOWN	0x4	/* was sampled at all */

/**
 * struct see_shared - the private file system's vm_ops, with a look at the space
 * @ops: a copy with our functions; valid if @real is set
 * @real: what it is a copy of
 */
struct see_shared {
	struct vm_operations_struct ops;
	const struct vm_operations_struct *real;
};

/**
 * struct see_gate - the doors of a layer; gate.c
 * @changes: who changes something
 * @looks: who looks at something
 * @wait: who waits for one to open, or to be left by all
 * @moving: a commit moves private names to the host
 */
struct see_gate {
	struct percpu_ref changes;
	struct percpu_ref looks;
	wait_queue_head_t wait;
	bool moving;
};

/**
 * struct see_layer - one mounted seefs superblock (sb->s_fs_info)
 * @lower: private, read-only, noatime clone of the host mount, and its root
 * @priv: private clone of the mount that holds the private tree, and its root
 * @objects: directory of the containers, "changed" in the private tree
 * @bornbox: directory of the born directories' containers, "born"
 * @work: directory for what is not yet in place, "work"
 * @cred: the mounter's credentials; all work below runs under them
 * @lock: protects @changed; leaf
 * @changed: list of the changed host objects (see_inode.changed); each holds
 *	     a reference on its inode until unmount
 * @hidden: host inodes that no name of the layer leads to (stores)
 * @placed: host directories that the SEE put elsewhere, by inode number
 * @cuts: by host inode number, how many of its names on the host the SEE covers
 * @worknr: makes names in @work unique
 * @mark: what tells us of host unlinks
 * @wq: work that must not run in a host task (completing copies)
 * @space: what may still be written; space.c
 * @quota: the limit, shared with other layers; NULL if there is none; quota.c
 * @used: bytes that the layer counts there; quota.c
 * @unsettled: cost of born files that may change, in sectors, by private inode
 *	       number; quota.c
 * @shared: of shared mappings of born files; born.c
 * @commands: commands are known, as far as they are; command.c
 * @dropped: counts what the host dropped and the SEE keeps
 * @keeping: copies that @wq is to complete
 * @gate: who may do what now; gate.c
 * @stray: name at which a directory could not be put, as its caller held the locks
 *	   of a rename; lookup.c
 * @dead: aborted: everything is EIO
 * @evictor: who puts the places of evicted objects, at unmount
 * @orphan: the next one for it
 * @samefs: lower and private tree are on one file system: inode numbers of
 *	    both can be shown side by side
 */
struct see_layer {
	struct super_block *sb;
	struct path lower;
	struct path priv;
	struct dentry *objects;
	struct dentry *bornbox;
	struct dentry *work;
	const struct cred *cred;
	spinlock_t lock;	/* changed */
	struct list_head changed;
	struct xarray hidden;
	struct xarray placed;
	struct xarray cuts;
	atomic64_t worknr;
	struct see_mark *mark;
	struct workqueue_struct *wq;
	struct see_space space;
	struct see_quota *quota;
	atomic64_t used;
	struct xarray unsettled;
	struct see_shared shared;
	atomic_t dropped;
	atomic_t keeping;
	struct see_gate gate;
	struct dentry *stray;
	bool samefs;
	bool commands;
	bool dead;
	struct task_struct *evictor;
	struct inode *orphan;
	char *lowername;
	char *privname;
};

/* see_inode.flags, bits for set_bit() and friends */
enum {
	SEE_I_CHANGED,		/* host object that the SEE changed or holds; pinned */
	SEE_I_BORN,		/* made in the SEE: everything is in ->priv */
	SEE_I_GONE,		/* the host dropped the last name */
	SEE_I_KEPT,		/* GONE, and the copy is complete */
	SEE_I_ATTRS,		/* the VFS inode is the authority on attributes */
	SEE_I_ATTRDIRTY,	/* ATTRS newer than ->priv */
	SEE_I_PLACED,		/* directory that has a name made by the SEE */
	SEE_I_LISTED,		/* on see_layer.changed */
	SEE_I_FOLLOWED,		/* the parent's container says where it was */
	SEE_I_KEEPS,		/* and nothing covers that name */
	SEE_I_NOFOLLOW,		/* and it shall not say so */
	SEE_I_STAYS,		/* the SEE changed it, or something that was in it */
	SEE_I_LOCK_POSIX,	/* the SEE took a write lock by fcntl(2) */
	SEE_I_LOCK_FLOCK,	/* the same by flock(2) */
	SEE_I_NAMELESS,		/* when the last commit began: no name in the SEE */
};

/**
 * struct see_data - data of a host file, empty until it is changed
 *
 * Owned by pages.c, blockmap.c, writeback.c and file.c.
 */
struct see_data;

/**
 * struct see_inode - an object
 * @lower: the host object, or NULL for what was born in the SEE or was gone
 *	   when the layer was mounted.  Set at instantiation, pinned for life.
 * @priv: born: the object itself.  Host object: attributes, xattrs and
 *	  private data, NULL until something of them was written to the
 *	  private tree.  Set once, under @lock, read with smp_load_acquire().
 * @box: container in the private tree; as @priv
 * @names: names made and removed here; directories only; as @priv
 * @data: regular host files only; allocated at the first need, as @priv
 * @flags: SEE_I_*
 * @lock: creation of @priv, @box, @names and @data; order of attribute writes
 * @origin: handle of the host object, as in the name of its container;
 *	    valid once SEE_I_CHANGED is set
 * @first: version at the first change
 * @first_mode: of the host object then
 * @first_uid: the same
 * @first_gid: the same
 * @first_xattrs: of a directory: hash of its xattrs and ACLs then; 0 if unknown
 * @command: of who changed attributes or data first; empty: not known; set under
 *	     i_lock before SEE_I_ATTRS; command.c
 * @parent: with @name, where the object was first changed, for the kept name
 * @links: names that the SEE made for this host object
 * @writer: the task that writes data and is inside the gate, or NULL: what it
 *	    does to attributes on the way is no change by itself; i_rwsem
 * @opening: openers for writing that wait at the gate: they have it not open yet
 * @cost: bytes that the object counts; quota.c
 * @dpos: directories: the one alias, valid while i_dentry holds it
 * @changed: see_layer.changed
 */
struct see_inode {
	struct dentry *lower;
	struct dentry *priv;
	struct dentry *box;
	struct see_names *names;
	struct see_data *data;
	unsigned long flags;
	struct mutex lock;	/* creation of priv, box, sub; attribute writes */
	char *origin;
	struct see_version first;
	umode_t first_mode;
	kuid_t first_uid;
	kgid_t first_gid;
	u64 first_xattrs;
	char command[SEE_COMMAND_SIZE];
	struct inode *parent;
	char *name;
	atomic_t links;
	struct task_struct *writer;
	atomic_t opening;
	atomic64_t cost;
	struct dentry *dpos;
	struct list_head changed;
	struct inode *key;	/* inode.c: what iget finds the object by */
	struct file *rfile;	/* file.c: shared read-only lower file */
	struct inode vfs_inode;
};

/*
 * dentry->d_time of a seefs dentry: two sequence counts that prove that the
 * name is the host's as it is now (lookup.c), or one of these.  Neither count
 * is ever odd when it is stored.
 */
#define SEE_TOKEN_NEVER	(~0UL)		/* ask again */
#define SEE_TOKEN_PRIV	(~0UL - 2)	/* the SEE's name: nothing to compare */
#define SEE_TOKEN_REBOUND (~0UL - 4)	/* was the SEE's name until a commit */

static inline struct see_inode *see_i(const struct inode *inode)
{
	return container_of(inode, struct see_inode, vfs_inode);
}

static inline struct see_layer *see_layer(const struct super_block *sb)
{
	return sb->s_fs_info;
}

static inline bool see_dead(const struct inode *inode)
{
	return unlikely(READ_ONCE(see_layer(inode->i_sb)->dead));
}

static inline bool see_test(const struct inode *inode, int bit)
{
	return test_bit(bit, &see_i(inode)->flags);
}

/* did the SEE make it? */
static inline bool see_born(const struct inode *inode)
{
	return see_test(inode, SEE_I_BORN);
}

static inline struct dentry *see_priv(const struct inode *inode)
{
	/* pairs with the release in hold.c that publishes a complete object */
	return smp_load_acquire(&see_i(inode)->priv);
}

static inline struct dentry *see_boxed(const struct inode *inode)
{
	/* pairs with the release in hold.c that publishes a complete container */
	return smp_load_acquire(&see_i(inode)->box);
}

static inline struct inode *see_lower_inode(const struct inode *inode)
{
	struct dentry *lower = see_i(inode)->lower;

	return lower ? d_inode(lower) : NULL;
}

#endif /* SEE_H */
