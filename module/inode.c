// SPDX-License-Identifier: GPL-2.0
/*
 * inode.c - objects: which inode stands for what
 *
 * Owns see_inode.key, .lower, .dpos and the inode cache.  An object of the
 * host is found by the host inode, which see_inode.lower pins; what was born
 * in the SEE by the private inode; a host object that was gone when the layer
 * was mounted by what is left of it in the private tree.  So hard links, host
 * renames and changes keep one inode and one number.  What was removed before a
 * commit, and is open, is found by nothing but itself.
 */
#include <linux/file.h>
#include <linux/hash.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "data.h"
#include "guards.h"
#include "inode.h"
#include "lookup.h"
#include "namei.h"
#include "names.h"
#include "quota.h"

static unsigned long see_hash(const struct inode *key)
{
	return hash_ptr(key, 32);
}

static int see_inode_test(struct inode *inode, void *key)
{
	return see_i(inode)->key == key;
}

static int see_inode_set(struct inode *inode, void *key)
{
	see_i(inode)->key = key;
	return 0;
}

/* does the file system of the private tree number its inodes with the lower's? */
u64 see_ino(const struct see_layer *layer, const struct inode *priv)
{
	return layer->samefs ? priv->i_ino : priv->i_ino | BIT_ULL(62);
}

/**
 * see_cut_loose - an object cannot be found any more by what it was on the host
 * @inode: the object
 *
 * It stays in the inode cache, or writeback would not find it either.
 */
void see_cut_loose(struct inode *inode)
{
	if (see_adrift(inode))
		return;
	remove_inode_hash(inode);
	see_i(inode)->key = inode;
	__insert_inode_hash(inode, see_hash(inode));
}

/**
 * see_gone - does the host have no name for this object any more?
 * @inode: any object
 *
 * Context: any; reads one field of the host inode.
 */
bool see_gone(const struct inode *inode)
{
	struct inode *lower = see_lower_inode(inode);

	if (see_born(inode))
		return false;
	return !lower || !lower->i_nlink || IS_DEADDIR(lower);
}

/**
 * see_stays - is there something of the SEE's to keep, if the host drops it?
 * @inode: held host object.  It has to be changed for it, a directory also by what was in
 *	   it, or to have a name that the SEE gave.
 *
 * Context: any.
 */
bool see_stays(const struct inode *inode)
{
	return (S_ISDIR(inode->i_mode) && see_test(inode, SEE_I_STAYS)) ||
	       see_test(inode, SEE_I_ATTRS) || atomic_read(&see_i(inode)->links);
}

/* where live attributes come from; NULL: the VFS inode is the authority */
static struct inode *see_attr_source(const struct inode *inode)
{
	struct dentry *priv;

	if (see_born(inode)) {
		priv = see_priv(inode);
		return priv ? d_inode_rcu(priv) : NULL;
	}
	if (see_test(inode, SEE_I_ATTRS))
		return NULL;
	return see_lower_inode(inode);
}

/* immutable and append-only: always the real object's, which a layer cannot change */
static unsigned int see_real_flags(const struct inode *inode)
{
	const struct inode *real = see_born(inode) ?
				   see_attr_source(inode) : see_lower_inode(inode);

	return real ? READ_ONCE(real->i_flags) & (S_IMMUTABLE | S_APPEND) : 0;
}

/**
 * see_attr_stale - did the attributes that the VFS looks at change below?
 * @inode: any object, by a name
 *
 * Context: any, RCU walk included.
 */
bool see_attr_stale(const struct inode *inode)
{
	const struct inode *src = see_attr_source(inode);

	/* the host may have given one that had lost all of its names another */
	if (!inode->i_nlink && !S_ISDIR(inode->i_mode))
		return true;
	if (see_real_flags(inode) != (inode->i_flags & (S_IMMUTABLE | S_APPEND)))
		return true;
	return src && (src->i_mode != inode->i_mode ||
		       !uid_eq(src->i_uid, inode->i_uid) ||
		       !gid_eq(src->i_gid, inode->i_gid));
}

/**
 * see_copyattr - take over the attributes of the real object
 * @inode: any object; one that is its own authority keeps all but its link
 *	   count and its flags
 */
void see_copyattr(struct inode *inode)
{
	const struct inode *src = see_attr_source(inode);

	spin_lock(&inode->i_lock);
	if (src && !see_test(inode, SEE_I_ATTRS)) {
		inode->i_mode = src->i_mode;
		inode->i_uid = src->i_uid;
		inode->i_gid = src->i_gid;
		inode_set_atime_to_ts(inode, inode_get_atime(src));
		inode_set_mtime_to_ts(inode, inode_get_mtime(src));
		inode_set_ctime_to_ts(inode, inode_get_ctime(src));
		if (see_born(inode) || !S_ISREG(inode->i_mode))
			i_size_write(inode, i_size_read(src));
	}
	inode_set_flags(inode, see_real_flags(inode), S_IMMUTABLE | S_APPEND);
	if (!S_ISDIR(inode->i_mode))
		set_nlink(inode, see_nlink(inode, src ? src->i_nlink : 0));
	spin_unlock(&inode->i_lock);
}

/**
 * see_dir_modified - names of a directory changed
 * @dir: the directory; for a host object with live attributes getattr looks at
 *	 the container
 */
void see_dir_modified(struct inode *dir)
{
	if (see_born(dir)) {
		see_copyattr(dir);
		return;
	}
	inode_set_mtime_to_ts(dir, inode_set_ctime_current(dir));
	if (see_test(dir, SEE_I_ATTRS)) {
		set_bit(SEE_I_ATTRDIRTY, &see_i(dir)->flags);
		mark_inode_dirty_sync(dir);
	}
}

/**
 * see_placed - a name that the SEE made for a host object came or went
 * @inode: host object
 * @delta: 1 or -1
 */
void see_placed(struct inode *inode, int delta)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct see_inode *si = see_i(inode);

	atomic_add(delta, &si->links);
	if (!S_ISDIR(inode->i_mode))
		return;
	/* a directory has one name: the SEE's, when it has one */
	if (delta > 0) {
		set_bit(SEE_I_PLACED, &si->flags);
		/*
		 * Only listings and link counts ask: failing to note it shows
		 * a dead name.
		 */
		xa_store(&layer->placed, inode->i_ino, inode, GFP_KERNEL);
	} else if (!atomic_read(&si->links)) {
		clear_bit(SEE_I_PLACED, &si->flags);
		xa_erase(&layer->placed, inode->i_ino);
	}
}

/**
 * see_cut - a name of a host object got covered by one of the SEE, or bare again
 * @layer: the layer
 * @ino: number of the host inode
 * @delta: 1 or -1
 *
 * Context: any but interrupts; waits for nothing.
 */
void see_cut(struct see_layer *layer, u64 ino, int delta)
{
	void *old;
	long n;

	xa_lock(&layer->cuts);
	old = xa_load(&layer->cuts, ino);
	n = (old ? (long)xa_to_value(old) : 0) + delta;
	if (n > 0)
		/* without memory a link count stays too high */
		__xa_store(&layer->cuts, ino, xa_mk_value(n), GFP_NOWAIT);
	else
		__xa_erase(&layer->cuts, ino);
	xa_unlock(&layer->cuts);
}

/*
 * A class of each lock for what is below on either side: with a private tree on
 * overlayfs its file system is locked below ours, with one on the same file system,
 * over a lower on overlayfs, above.
 */
static void see_lockdep_annotate(struct inode *inode)
{
#ifdef CONFIG_LOCKDEP
	static struct see_lock_keys {
		struct lock_class_key dir, file, lock;
	} keys[FILESYSTEM_MAX_STACK_DEPTH][FILESYSTEM_MAX_STACK_DEPTH];
	struct see_layer *layer = see_layer(inode->i_sb);
	/* see_check_params() has seen to it that there are no others */
	int lower = layer->lower.mnt->mnt_sb->s_stack_depth % FILESYSTEM_MAX_STACK_DEPTH;
	int priv = layer->priv.mnt->mnt_sb->s_stack_depth % FILESYSTEM_MAX_STACK_DEPTH;
	struct see_lock_keys *k = &keys[lower][priv];

	lockdep_set_class(&inode->i_rwsem, S_ISDIR(inode->i_mode) ? &k->dir : &k->file);
	lockdep_set_class(&see_i(inode)->lock, &k->lock);
#endif
}

static void see_set_ops(struct inode *inode)
{
	switch (inode->i_mode & S_IFMT) {
	case S_IFREG:
		inode->i_op = &see_file_iops;
		inode->i_fop = &see_file_fops;
		inode->i_mapping->a_ops = &see_aops;
		break;
	case S_IFDIR:
		inode->i_op = &see_dir_iops;
		inode->i_fop = &see_dir_fops;
		break;
	case S_IFLNK:
		inode->i_op = &see_link_iops;
		break;
	default:
		inode->i_op = &see_file_iops;
		init_special_inode(inode, inode->i_mode, inode->i_rdev);
		break;
	}
}

static struct inode *see_iget_key(struct super_block *sb, struct inode *key)
{
	struct inode *inode = iget5_locked(sb, see_hash(key), see_inode_test,
					   see_inode_set, key);

	return inode ?: ERR_PTR(-ENOMEM);
}

static void see_init_inode(struct inode *inode, const struct inode *like)
{
	inode->i_mode = like->i_mode;
	inode->i_rdev = like->i_rdev;
	set_nlink(inode, like->i_nlink ?: 1);
	inode->i_flags |= S_NOATIME | S_NOCMTIME;
#ifdef CONFIG_FS_POSIX_ACL
	inode->i_acl = ACL_DONT_CACHE;
	inode->i_default_acl = ACL_DONT_CACHE;
#endif
	see_copyattr(inode);
	if (S_ISREG(inode->i_mode))
		i_size_write(inode, i_size_read(like));
	see_set_ops(inode);
	see_lockdep_annotate(inode);
}

/**
 * see_iget - the inode of a host object, or of one born in the SEE
 * @sb: superblock of the layer
 * @lower: positive dentry of the host object, or NULL
 * @priv: positive dentry of the born object if @lower is NULL
 *
 * Return: a referenced inode, or -ENOMEM.
 */
struct inode *see_iget(struct super_block *sb, struct dentry *lower,
		       struct dentry *priv)
{
	struct see_layer *layer = see_layer(sb);
	struct inode *key = d_inode(lower ?: priv);
	struct see_inode *si;
	struct inode *inode;

	inode = see_iget_key(sb, key);
	if (IS_ERR(inode) || !see_inode_is_new(inode))
		return inode;
	si = see_i(inode);
	if (lower) {
		si->lower = dget(lower);
		inode->i_ino = key->i_ino;
	} else {
		si->priv = dget(priv);
		set_bit(SEE_I_BORN, &si->flags);
		inode->i_ino = see_guard(SEE_GUARD_NUMBER) ? see_ino(layer, key) :
				d_inode(sb->s_root)->i_ino;
		see_quota_found(inode);
	}
	see_init_inode(inode, key);
	unlock_new_inode(inode);
	return inode;
}

/**
 * see_iget_changed - the inode of a host object that has a container
 * @sb: superblock of the layer
 * @lower: dentry of the host object, or NULL if the host has it no more
 * @box: container
 * @object: private object, or NULL
 * @mode: type and mode as recorded at the first change
 *
 * Only while the private tree is loaded.
 *
 * Return: a referenced inode; -EUCLEAN if it has a container already; or -ENOMEM.
 */
struct inode *see_iget_changed(struct super_block *sb, struct dentry *lower,
			       struct dentry *box, struct dentry *object,
			       umode_t mode)
{
	struct inode *key = d_inode(lower ?: object ?: box);
	struct inode *like = d_inode(object ?: lower ?: box);
	struct inode *inode;

	inode = see_iget_key(sb, key);
	if (IS_ERR(inode))
		return inode;
	if (see_test(inode, SEE_I_CHANGED)) {
		iput(inode);
		return ERR_PTR(-EUCLEAN);
	}
	/* the type is the host's: the private object may be only a holder */
	inode->i_mode = (mode & S_IFMT) |
			((object || lower ? like->i_mode : mode) & 07777);
	inode->i_uid = like->i_uid;
	inode->i_gid = like->i_gid;
	inode_set_atime_to_ts(inode, inode_get_atime(like));
	inode_set_mtime_to_ts(inode, inode_get_mtime(like));
	inode_set_ctime_to_ts(inode, inode_get_ctime(like));
	/* the root of the layer is there already */
	if (!see_inode_is_new(inode))
		return inode;
	if (lower) {
		see_i(inode)->lower = dget(lower);
		inode->i_rdev = d_inode(lower)->i_rdev;
	}
	inode->i_ino = lower ? key->i_ino : see_ino(see_layer(sb), key);
	i_size_write(inode, i_size_read(lower ? d_inode(lower) : like));
	set_nlink(inode, 1);
	inode->i_flags |= S_NOATIME | S_NOCMTIME;
#ifdef CONFIG_FS_POSIX_ACL
	inode->i_acl = ACL_DONT_CACHE;
	inode->i_default_acl = ACL_DONT_CACHE;
#endif
	see_set_ops(inode);
	see_lockdep_annotate(inode);
	unlock_new_inode(inode);
	return inode;
}

/**
 * see_ilookup - the cached inode of an object
 * @sb: superblock of the layer
 * @key: host inode, or private inode of what was born
 *
 * Return: a referenced inode or NULL.
 */
struct inode *see_ilookup(struct super_block *sb, struct inode *key)
{
	return ilookup5(sb, see_hash(key), see_inode_test, key);
}

/**
 * see_ilookup_nowait - the cached inode of a host object
 * @sb: superblock of the layer
 * @lower: host inode
 *
 * Context: a host task that holds locks of the host: waits for nothing.
 * Return: a referenced inode or NULL.
 */
struct inode *see_ilookup_nowait(struct super_block *sb, struct inode *lower)
{
	bool isnew = false;
	struct inode *inode = see_ilookup5_nowait(sb, see_hash(lower), see_inode_test,
						  lower, &isnew);

	if (inode && isnew) {
		iput(inode);
		inode = NULL;
	}
	return inode;
}

/**
 * see_each_inode - all objects of a layer that are in memory
 * @sb: superblock of the layer
 * @fn: called with a reference held, and no lock
 * @arg: for @fn
 */
void see_each_inode(struct super_block *sb, void (*fn)(struct inode *inode, void *arg),
		    void *arg)
{
	struct inode *inode, *prev = NULL;

	spin_lock(&sb->s_inode_list_lock);
	list_for_each_entry(inode, &sb->s_inodes, i_sb_list) {
		if (!igrab(inode))
			continue;
		spin_unlock(&sb->s_inode_list_lock);
		/* the list needs it until there is another one to go on from */
		iput(prev);
		prev = inode;
		fn(inode, arg);
		cond_resched();
		spin_lock(&sb->s_inode_list_lock);
	}
	spin_unlock(&sb->s_inode_list_lock);
	iput(prev);
}

/*
 * A place pins the parent, that its own, and so on, as deep as the host's directories
 * are: the last object in them would take all along, one eviction inside the other.
 * So they go one after the other.  It is for unmount alone, which is one task: before,
 * whatever has a place is on see_layer.changed.
 */
static void see_put_place(struct see_inode *si)
{
	struct see_layer *layer = see_layer(si->vfs_inode.i_sb);
	struct inode *parent = si->parent;

	si->parent = NULL;
	if (layer->evictor == current) {
		layer->orphan = parent;
		return;
	}
	if (!parent)
		return;
	layer->evictor = current;
	do {
		layer->orphan = NULL;
		iput(parent);
		parent = layer->orphan;
	} while (parent);
	layer->evictor = NULL;
}

/**
 * see_evict_inode - give back everything that an object holds
 * @inode: without users
 */
void see_evict_inode(struct inode *inode)
{
	struct see_inode *si = see_i(inode);

	truncate_inode_pages_final(&inode->i_data);
	clear_inode(inode);
	see_data_evict(inode);
	see_quota_evict(inode);
	if (si->rfile)
		fput(si->rfile);
	see_names_free(si->names);
	dput(si->box);
	dput(si->priv);
	dput(si->lower);
	kfree(si->origin);
	kfree(si->name);
	see_put_place(si);
}
