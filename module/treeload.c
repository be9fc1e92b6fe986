// SPDX-License-Identifier: GPL-2.0
/*
 * treeload.c - what mount makes of a private tree
 *
 * Finds or makes the fixed parts of a tree, and brings back the objects and
 * names that are recorded in it.  Owns struct see_load, and see_layer.objects,
 * .bornbox and .work.  Records are checked before they are believed; a private
 * tree that is damaged or newer is refused with the reason.
 *
 * No lock protects what is filled in here, as nobody else has it: the mount is
 * not done, and what rebind.c opens for after a commit is a layer of its own.
 * Runs under the mounter's credentials without write access, which a reader must
 * not hold; what is made takes it for itself.
 *
 * Called by super.c and rebind.c, and by command.c while the tree is loaded.
 */
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/mount.h>
#include <linux/random.h>
#include <linux/slab.h>

#include "command.h"
#include "data.h"
#include "guards.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "names.h"
#include "tree.h"
#include "tree_internal.h"

static_assert(sizeof(struct see_disk_tree) == 256);
static_assert(sizeof_field(struct see_disk_tree, root) > SEE_MAX_KEY);

#define SEE_LOAD_BUCKETS	1024

/* containers by key, while the tree is loaded */
struct see_loaded {
	struct hlist_node node;
	struct inode *inode;
	const char *key;
};

/**
 * struct see_load - a tree that is being loaded
 * @sb: superblock
 * @why: what is wrong, if loading fails
 * @bucket: struct see_loaded by key
 */
struct see_load {
	struct super_block *sb;
	const char *why;
	struct hlist_head bucket[SEE_LOAD_BUCKETS];
};

/* ---- the fixed parts ---- */

/* see_mkdir() where the rest of the work needs no write access */
static int see_mkdir_alone(struct see_layer *layer, const char *name,
			   struct dentry **made)
{
	int err = mnt_want_write(layer->priv.mnt);

	if (!err) {
		err = see_mkdir(layer->priv.dentry, name, made);
		mnt_drop_write(layer->priv.mnt);
	}
	return err;
}

static int see_format(struct see_layer *layer, const struct see_disk_tree *rec)
{
	struct dentry *root = layer->priv.dentry;
	int err = mnt_want_write(layer->priv.mnt);

	if (err)
		return err;
	/* what has the record is whole */
	err = see_setxattr(root, SEE_XATTR_STORE, "1", 1, 0);
	if (!err)
		err = see_setxattr(root, SEE_XATTR_TREE, rec, sizeof(*rec),
				   XATTR_CREATE);
	mnt_drop_write(layer->priv.mnt);
	return err;
}

/**
 * see_tree_open - find or make the fixed parts of a private tree
 * @layer: the layer, with both paths set
 * @why: what to tell the user on failure
 *
 * Context: the mounter's credentials, no write access.
 * Return: 0; -EUCLEAN for a damaged tree; -EOPNOTSUPP for a newer one;
 * -ENOTEMPTY for a directory that is not a private tree; -EXDEV for one that
 * belongs to another lower; or another error.
 */
int see_tree_open(struct see_layer *layer, const char **why)
{
	struct dentry *root = layer->priv.dentry;
	struct see_disk_tree rec;
	struct see_entry *entry;
	LIST_HEAD(list);
	char *key;
	int err;

	*why = "the lower file system gives no file handles";
	key = see_tree_key(d_inode(layer->lower.dentry));
	if (IS_ERR(key))
		return PTR_ERR(key);

	*why = "the private tree's record cannot be read";
	err = see_read_record(root, SEE_XATTR_TREE, SEE_DISK_TREE, 0, &rec,
			      sizeof(rec));
	if (err == -ENODATA) {
		*why = "the private directory cannot be read";
		err = see_list(layer, root, &list);
		if (err)
			goto out;
		*why = "the private directory is neither empty nor a private tree";
		err = list_empty(&list) ? 0 : -ENOTEMPTY;
		see_list_free(&list);
		if (err)
			goto out;
		memset(&rec, 0, sizeof(rec));
		rec.head.kind = SEE_DISK_TREE;
		rec.head.len = cpu_to_le16(sizeof(rec));
		rec.magic = cpu_to_le64(SEE_TREE_MAGIC);
		get_random_bytes(rec.uuid, sizeof(rec.uuid));
		strscpy(rec.root, key, sizeof(rec.root));
		*why = "the private tree's file system takes no trusted xattrs";
		err = see_format(layer, &rec);
		if (err)
			goto out;
	} else if (err) {
		goto out;
	}

	err = -EUCLEAN;
	*why = "the private tree's record is damaged";
	if (le64_to_cpu(rec.magic) != SEE_TREE_MAGIC ||
	    strnlen(rec.root, sizeof(rec.root)) == sizeof(rec.root))
		goto out;
	err = -EOPNOTSUPP;
	*why = "the private tree has features that this module does not know";
	if (rec.incompat)
		goto out;
	err = -EXDEV;
	*why = "the private tree belongs to another lower directory";
	if (strcmp(rec.root, key) && see_guard(SEE_GUARD_ORIGIN))
		goto out;

	*why = "the private tree's directories cannot be made";
	err = see_mkdir_alone(layer, SEE_TREE_CHANGED, &layer->objects);
	if (!err)
		err = see_mkdir_alone(layer, SEE_TREE_BORN, &layer->bornbox);
	if (!err)
		err = see_mkdir_alone(layer, SEE_TREE_WORK, &layer->work);
	if (err)
		goto out;

	*why = "what was left unfinished cannot be removed";
	err = see_list(layer, layer->work, &list);
	list_for_each_entry(entry, &list, list) {
		struct qstr q = QSTR_INIT(entry->name, entry->len);

		err = see_tree_discard(layer, layer->work, &q);
		if (err)
			break;
	}
	see_list_free(&list);
out:
	kfree(key);
	return err;
}

/* ---- objects ---- */

static struct hlist_head *see_bucket(struct see_load *load, const char *key,
				     unsigned int len)
{
	return &load->bucket[full_name_hash(NULL, key, len) % SEE_LOAD_BUCKETS];
}

static struct inode *see_find_loaded(struct see_load *load, const char *key)
{
	struct see_loaded *l;

	hlist_for_each_entry(l, see_bucket(load, key, strlen(key)), node)
		if (!strcmp(l->key, key))
			return l->inode;
	return NULL;
}

static int see_remember(struct see_load *load, struct inode *inode,
			const char *key)
{
	struct see_loaded *l = kmalloc(sizeof(*l), GFP_KERNEL);

	if (!l)
		return -ENOMEM;
	l->inode = inode;
	l->key = key;
	hlist_add_head(&l->node, see_bucket(load, key, strlen(key)));
	return 0;
}

static int see_load_locks(struct see_inode *si)
{
	struct see_disk_head rec;
	int err = see_read_record(si->box, SEE_XATTR_LOCKS, SEE_DISK_LOCKS,
				  SEE_LOCKS_POSIX | SEE_LOCKS_FLOCK, &rec, sizeof(rec));

	if (err)
		return err == -ENODATA ? 0 : err;
	if (rec.flags & SEE_LOCKS_POSIX)
		set_bit(SEE_I_LOCK_POSIX, &si->flags);
	if (rec.flags & SEE_LOCKS_FLOCK)
		set_bit(SEE_I_LOCK_FLOCK, &si->flags);
	return 0;
}

/*
 * Does the only name of a host object lie in a store?  Then it is as good as dropped:
 * no name of the layer leads there.
 */
static bool see_load_hidden(struct see_layer *layer, struct inode *lower)
{
	struct dentry *d = S_ISDIR(lower->i_mode) || lower->i_nlink == 1 ?
			   d_find_alias(lower) : NULL;
	bool hidden = d && see_in_store(layer, d);

	dput(d);
	return hidden;
}

/* the host object of a container, or NULL if the host dropped it */
static struct dentry *see_load_lower(struct see_load *load, struct see_entry *entry,
				     const struct see_disk_object *rec)
{
	struct see_layer *layer = see_layer(load->sb);
	struct dentry *lower;
	struct inode *inode;

	load->why = "its name is no key";
	/* what the host moved out of the layer is not gone: it may come back */
	lower = see_decode(layer->lower.mnt, NULL, entry->name, entry->len);
	if (IS_ERR(lower))
		return lower == ERR_PTR(-ESTALE) ? NULL : lower;
	inode = d_inode(lower);
	load->why = "the host has another object of that key";
	if ((inode->i_mode & S_IFMT) != (le32_to_cpu(rec->mode) & S_IFMT) ||
	    inode->i_ino != le64_to_cpu(rec->ino)) {
		dput(lower);
		return ERR_PTR(-EUCLEAN);
	}
	if (see_load_hidden(layer, inode)) {
		dput(lower);
		return NULL;
	}
	return lower;
}

/* is a private object of the kind that see_tree_object() makes? */
static bool see_load_fits(struct dentry *object, umode_t mode)
{
	umode_t holder = mode & S_IFMT;

	if (S_ISCHR(mode) || S_ISBLK(mode) || S_ISSOCK(mode))
		holder = S_IFREG;
	return (d_inode(object)->i_mode & S_IFMT) == holder &&
	       (holder != S_IFREG || d_inode(object)->i_nlink == 1);
}

/* a container in "changed" */
static int see_load_object(struct see_load *load, struct see_entry *entry)
{
	struct see_layer *layer = see_layer(load->sb);
	struct dentry *box, *lower, *object;
	struct see_disk_object rec;
	struct see_inode *si;
	struct inode *inode;
	umode_t mode;
	int err;

	load->why = "it is no directory";
	box = see_lookup_priv(layer->objects, entry->name, entry->len);
	if (IS_ERR(box))
		return PTR_ERR(box);
	err = d_is_dir(box) ? 0 : -EUCLEAN;
	if (err)
		goto out_box;
	load->why = "its record is damaged";
	err = see_read_record(box, SEE_XATTR_OBJECT, SEE_DISK_OBJECT,
			      SEE_VERSION_COOKIE | SEE_VERSION_WEAK |
			      SEE_VERSION_KNOWN | SEE_OBJECT_XATTRS, &rec,
			      sizeof(rec));
	/* a container is complete when it gets here */
	if (err == -ENODATA)
		err = -EUCLEAN;
	if (err)
		goto out_box;
	load->why = "its record has features that this module does not know";
	err = rec.incompat ? -EOPNOTSUPP : 0;
	if (err)
		goto out_box;
	load->why = "its record is damaged";
	mode = le32_to_cpu(rec.mode);
	err = -EUCLEAN;
	if (le32_to_cpu(rec.mode) != mode ||
	    fs_umode_to_ftype(mode) == FT_UNKNOWN ||
	    !uid_valid(make_kuid(&init_user_ns, le32_to_cpu(rec.uid))) ||
	    !gid_valid(make_kgid(&init_user_ns, le32_to_cpu(rec.gid))))
		goto out_box;

	load->why = "its private object is not of its type, or has another name";
	object = see_lookup_priv(box, SEE_BOX_OBJECT, strlen(SEE_BOX_OBJECT));
	if (IS_ERR(object)) {
		err = PTR_ERR(object);
		if (err != -ENOENT)
			goto out_box;
		object = NULL;
	}
	err = -EUCLEAN;
	if (object && !see_load_fits(object, mode))
		goto out_object;
	lower = see_load_lower(load, entry, &rec);
	if (IS_ERR(lower)) {
		err = PTR_ERR(lower);
		goto out_object;
	}
	load->why = "its object has another container";
	inode = see_iget_changed(load->sb, lower, box, object, mode);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		goto out_lower;
	}
	if (!lower)
		inode->i_rdev = new_decode_dev(le32_to_cpu(rec.rdev));
	si = see_i(inode);
	err = -ENOMEM;
	si->origin = kmemdup_nul(entry->name, entry->len, GFP_KERNEL_ACCOUNT);
	if (!si->origin)
		goto out_inode;
	see_version_from_disk(&rec.version, rec.head.flags & ~SEE_OBJECT_XATTRS,
			      &si->first);
	if (rec.head.flags & SEE_OBJECT_XATTRS)
		si->first_xattrs = le64_to_cpu(rec.xattrs);
	si->first_mode = mode;
	si->first_uid = make_kuid(&init_user_ns, le32_to_cpu(rec.uid));
	si->first_gid = make_kgid(&init_user_ns, le32_to_cpu(rec.gid));
	si->box = dget(box);
	load->why = "its record of locks is damaged";
	err = see_load_locks(si);
	if (err)
		goto out_inode;
	if (object) {
		struct see_disk_ctime ct;

		si->priv = dget(object);
		set_bit(SEE_I_ATTRS, &si->flags);
		load->why = "its change time is damaged";
		err = see_read_record(object, SEE_XATTR_CTIME, SEE_DISK_CTIME,
				      0, &ct, sizeof(ct));
		if (!err)
			inode_set_ctime_to_ts(inode,
					      ns_to_timespec64(le64_to_cpu(ct.ctime)));
		else if (err != -ENODATA)
			goto out_inode;
	}
	if (!lower) {
		set_bit(SEE_I_GONE, &si->flags);
		set_bit(SEE_I_ATTRS, &si->flags);
		if (!object) {
			inode->i_mode = mode;
			inode->i_uid = si->first_uid;
			inode->i_gid = si->first_gid;
		}
	}
	set_bit(SEE_I_CHANGED, &si->flags);
	see_pin(inode);
	load->why = "its block map is damaged";
	if (S_ISREG(mode)) {
		err = see_data_load(inode);
		if (err)
			goto out_inode;
	}
	err = see_remember(load, inode, si->origin);
out_inode:
	iput(inode);
out_lower:
	dput(lower);
out_object:
	dput(object);
out_box:
	dput(box);
	return err;
}

/* is a directory one that was born in the SEE: below "made" of a container? */
static bool see_load_made(struct see_layer *layer, struct dentry *dir)
{
	struct dentry *d = dget(dir), *sub = NULL, *box = NULL, *up, *made;
	bool ret = false;

	while (d != layer->objects && !IS_ROOT(d)) {
		up = dget_parent(d);
		dput(sub);
		sub = box;
		box = d;
		d = up;
	}
	if (d == layer->objects && sub && sub != dir) {
		made = see_lookup_priv(box, SEE_BOX_MADE, strlen(SEE_BOX_MADE));
		ret = made == sub;
		if (!IS_ERR(made))
			dput(made);
	}
	dput(sub);
	dput(box);
	dput(d);
	return ret;
}

/* a container in "born" */
static int see_load_born(struct see_load *load, struct see_entry *entry)
{
	struct see_layer *layer = see_layer(load->sb);
	struct qstr q = QSTR_INIT(entry->name, entry->len);
	struct dentry *box, *dir;
	struct inode *inode;
	int err = 0;

	load->why = "its name is no key";
	dir = see_decode(layer->priv.mnt, layer->priv.dentry, entry->name,
			 entry->len);
	if (dir == ERR_PTR(-ESTALE))	/* removed, and the power went */
		return see_tree_discard(layer, layer->bornbox, &q);
	if (IS_ERR(dir))
		return PTR_ERR(dir);
	box = see_lookup_priv(layer->bornbox, entry->name, entry->len);
	if (IS_ERR(box)) {
		err = PTR_ERR(box);
		goto out_dir;
	}
	load->why = "it is of nothing that was made in the SEE";
	inode = d_is_dir(dir) && see_load_made(layer, dir) ?
		see_iget(load->sb, NULL, dir) : ERR_PTR(-EUCLEAN);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		goto out_box;
	}
	load->why = "its directory has another container";
	if (see_i(inode)->box)
		err = -EUCLEAN;
	else
		see_i(inode)->box = dget(box);
	see_pin(inode);
	iput(inode);
out_box:
	dput(box);
out_dir:
	dput(dir);
	return err;
}

/**
 * see_tree_find - the object that a key names, while the tree is loaded
 * @load: objects are loaded
 * @key: from disk
 * @born: it is that of a born directory
 *
 * Return: an inode that is pinned until unmount, or NULL.
 */
struct inode *see_tree_find(struct see_load *load, const char *key, bool born)
{
	struct see_layer *layer = see_layer(load->sb);
	struct inode *inode;
	struct dentry *dir;

	if (!born)
		return see_find_loaded(load, key);
	dir = see_decode(layer->priv.mnt, layer->priv.dentry, key, strlen(key));
	if (IS_ERR(dir))
		return NULL;
	inode = see_ilookup(load->sb, d_inode(dir));
	dput(dir);
	if (inode && !see_test(inode, SEE_I_LISTED)) {
		iput(inode);
		return NULL;
	}
	/* the list of changed objects has a reference, too */
	iput(inode);
	return inode;
}

/* ---- names ---- */

/* the host object that a mark names */
static int see_load_target(struct see_load *load, struct dentry *mark,
			   struct see_name *name, enum see_sub which)
{
	struct delayed_call done = {};
	const char *key;
	int err = 0;

	load->why = "a name leads to no container";
	key = d_is_symlink(mark) ? vfs_get_link(mark, &done) :
				   ERR_PTR(-EUCLEAN);
	if (IS_ERR(key))
		return PTR_ERR(key);
	name->target = see_find_loaded(load, key);
	do_delayed_call(&done);
	if (!name->target)
		return -EUCLEAN;
	load->why = "a directory has two names, or it is the layer's root";
	if (which == SEE_SUB_LINKED && S_ISDIR(name->target->i_mode) &&
	    (see_test(name->target, SEE_I_PLACED) ||
	     name->target == d_inode(load->sb->s_root)))
		err = -EUCLEAN;
	else if (which == SEE_SUB_LINKED)
		see_placed(name->target, 1);
	return err;
}

/* what the tombstone says, and whose link count it lowers */
static int see_load_removed(struct see_load *load, struct dentry *mark,
			    struct see_name *name)
{
	u8 buf[sizeof(struct see_disk_removed)];
	struct see_disk_removed *rec = (struct see_disk_removed *)buf;
	int err;

	name->removed = SEE_TOMB_HIDES;
	load->why = "the record of a removed name is damaged";
	err = see_read_record(mark, SEE_XATTR_REMOVED, SEE_DISK_REMOVED,
			      SEE_REMOVED_REPLACED | SEE_VERSION_COOKIE |
			      SEE_VERSION_WEAK | SEE_VERSION_KNOWN, rec,
			      sizeof(buf));
	/* the power went between the tombstone and its record */
	if (err == -ENODATA)
		return 0;
	if (!err && (rec->head.flags & SEE_REMOVED_REPLACED))
		name->removed = SEE_TOMB_REPLACED;
	return err;
}

/*
 * The power went between the steps of an operation: a mark below what is born says
 * nothing.  1 if this is one.
 */
static int see_load_covered(struct see_load *load, struct inode *dir, const struct qstr *name)
{
	struct see_names *names = see_names(dir);
	struct dentry *made = see_born(dir) ? see_priv(dir) :
			      see_sub_of(names, SEE_SUB_MADE), *born;

	if (!made)
		return 0;
	load->why = "a name in it cannot be looked up";
	born = see_lookup_priv(made, (const char *)name->name, name->len);
	if (IS_ERR(born))
		return born == ERR_PTR(-ENOENT) ? 0 : PTR_ERR(born);
	dput(born);
	if (see_tree_discard(see_layer(load->sb), see_sub_of(names, SEE_SUB_LINKED), name))
		names->stale = true;
	return 1;
}

static int see_load_name(struct see_load *load, struct inode *dir,
			 struct dentry *sub, enum see_sub which,
			 struct see_entry *e)
{
	static const u8 kind[SEE_NR_SUBS] = {
		[SEE_SUB_MADE] = SEE_NAME_BORN,
		[SEE_SUB_REMOVED] = SEE_NAME_ABSENT,
		[SEE_SUB_LINKED] = SEE_NAME_LINKED,
		[SEE_SUB_FOLLOW] = SEE_NAME_FOLLOW,
	};
	struct qstr q = QSTR_INIT(e->name, e->len);
	struct see_name *name, old;
	struct dentry *mark = NULL;
	struct inode *target;
	bool nothing;
	int err = 0;

	if (which == SEE_SUB_REMOVED && !see_guard(SEE_GUARD_TOMB))
		return 0;
	if (which == SEE_SUB_LINKED) {
		err = see_load_covered(load, dir, &q);
		if (err)
			return min(err, 0);
	}
	see_names_find(dir, &q, &old);
	name = see_name_alloc(&q, GFP_KERNEL_ACCOUNT);
	if (IS_ERR(name))
		return PTR_ERR(name);
	name->kind = kind[which];
	name->removed = old.removed;
	name->ino = e->ino;
	name->dtype = e->dtype;
	if (which != SEE_SUB_MADE) {
		mark = see_lookup_priv(sub, e->name, e->len);
		err = PTR_ERR_OR_ZERO(mark);
		if (err)
			goto out;
	}
	if (which == SEE_SUB_REMOVED)
		err = see_load_removed(load, mark, name);
	else if (which != SEE_SUB_MADE)
		err = see_load_target(load, mark, name, which);
	dput(mark);
out:
	target = name->target;
	/* it was reverted, or the power went: a file that is not changed follows no name */
	nothing = !err && which == SEE_SUB_FOLLOW && !S_ISDIR(target->i_mode) && !see_priv(target);
	if (nothing)
		/* it could not be told from another one later; if it stays, no harm is done yet */
		see_tree_discard(see_layer(load->sb), sub, &q);
	if (err || nothing) {
		kfree(name);
		return err;
	}
	see_names_set(dir, name);
	if (which == SEE_SUB_FOLLOW)
		set_mask_bits(&see_i(target)->flags, 0, BIT(SEE_I_FOLLOWED) | BIT(SEE_I_STAYS));
	return 0;
}

/* a tombstone of what was replaced, without what replaced it, says nothing */
static void see_load_prune(struct inode *dir)
{
	struct see_names *names = see_names(dir);
	struct see_name *e, *buf;
	u64 id = 0;

	buf = kmalloc(SEE_NAME_SIZE, GFP_KERNEL | __GFP_NOFAIL);
	while ((e = see_names_next(names, id, buf))) {
		id = e->id + 1;
		if (e->kind == SEE_NAME_ABSENT &&
		    e->removed == SEE_TOMB_REPLACED)
			see_names_del(dir, &(struct qstr)QSTR_INIT(e->name,
								   e->len));
	}
	kfree(buf);
}

/* names of the host that are covered do not count as links */
static int see_load_cuts(struct inode *dir)
{
	struct dentry *lower = see_i(dir)->lower, *d;
	struct see_names *names = see_names(dir);
	struct see_name *e, *buf;
	int err = 0;
	u64 id = 0;

	if (!lower || IS_DEADDIR(d_inode(lower)))
		return 0;
	buf = kmalloc(SEE_NAME_SIZE, GFP_KERNEL | __GFP_NOFAIL);
	while (!err && (e = see_names_next(names, id, buf))) {
		id = e->id + 1;
		if (e->kind == SEE_NAME_FOLLOW && !see_gone(e->target))
			continue;
		d = see_lookup_one(see_nop_idmap, e->name, e->len, lower);
		if (IS_ERR(d)) {
			if (d == ERR_PTR(-ENOMEM))
				err = -ENOMEM;
			continue;
		}
		/* see_names_cover() must not need memory */
		if (d_is_positive(d) && !d_is_dir(d))
			err = xa_reserve(&see_layer(dir->i_sb)->cuts,
					 d_inode(d)->i_ino, GFP_KERNEL_ACCOUNT);
		if (!err && d_is_positive(d) && !d_is_dir(d))
			see_names_cover(dir,
					&(struct qstr)QSTR_INIT(e->name, e->len),
					d_inode(d)->i_ino, false);
		dput(d);
	}
	kfree(buf);
	return err;
}

static int see_load_names_of(struct see_load *load, struct inode *dir,
			     struct dentry *sub, enum see_sub which)
{
	struct see_layer *layer = see_layer(load->sb);
	struct see_entry *e;
	LIST_HEAD(list);
	int err;

	err = see_list(layer, sub, &list);
	list_for_each_entry(e, &list, list) {
		err = see_load_name(load, dir, sub, which, e);
		if (err)
			break;
	}
	see_list_free(&list);
	return err;
}

/* the table of a directory: what wins comes last */
static int see_load_names(struct see_load *load, struct inode *dir)
{
	static const enum see_sub order[] = {
		SEE_SUB_FOLLOW, SEE_SUB_REMOVED, SEE_SUB_LINKED, SEE_SUB_MADE,
	};
	static const char * const name[SEE_NR_SUBS] = {
		[SEE_SUB_MADE] = SEE_BOX_MADE,
		[SEE_SUB_REMOVED] = SEE_BOX_REMOVED,
		[SEE_SUB_LINKED] = SEE_BOX_LINKED,
		[SEE_SUB_FOLLOW] = SEE_BOX_FOLLOW,
	};
	struct see_inode *si = see_i(dir);
	struct dentry *sub;
	int i, err;

	err = see_names_make(dir, GFP_KERNEL_ACCOUNT);
	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		sub = see_lookup_priv(si->box, name[order[i]],
				      strlen(name[order[i]]));
		if (sub == ERR_PTR(-ENOENT))
			continue;
		if (IS_ERR(sub))
			return PTR_ERR(sub);
		si->names->sub[order[i]] = sub;
		load->why = "it has a part that it cannot have";
		if (!d_is_dir(sub) ||
		    (see_born(dir) && order[i] != SEE_SUB_LINKED))
			return -EUCLEAN;
	}
	for (i = 0; i < ARRAY_SIZE(order); i++) {
		sub = si->names->sub[order[i]];
		err = sub ? see_load_names_of(load, dir, sub, order[i]) : 0;
		if (err)
			return err;
	}
	see_load_prune(dir);
	return see_load_cuts(dir);
}

/* ---- all of it ---- */

/**
 * see_tree_load - bring back what the SEE changed before
 * @sb: superblock with an opened private tree and the root inode
 *
 * Two passes: the objects, then the names, which refer to objects.
 *
 * Context: the mounter's credentials, no write access.
 * Return: 0; -EUCLEAN for what cannot be believed; or another error.
 */
int see_tree_load(struct super_block *sb)
{
	struct see_layer *layer = see_layer(sb);
	struct see_entry *entry;
	struct see_load *load;
	struct see_loaded *l;
	struct see_inode *si;
	struct hlist_node *n;
	LIST_HEAD(list);
	int i, err;

	load = kvzalloc(sizeof(*load), GFP_KERNEL);
	if (!load)
		return -ENOMEM;
	load->sb = sb;
	load->why = "it cannot be listed";
	err = see_list(layer, layer->objects, &list);
	if (err)
		goto out;
	list_for_each_entry(entry, &list, list) {
		err = see_load_object(load, entry);
		if (err) {
			pr_err("seefs: container changed/%s: %s (error %d)\n",
			       entry->name, load->why, err);
			goto out;
		}
	}
	see_list_free(&list);
	err = see_list(layer, layer->bornbox, &list);
	if (err)
		goto out;
	list_for_each_entry(entry, &list, list) {
		err = see_load_born(load, entry);
		if (err) {
			pr_err("seefs: container born/%s: %s (error %d)\n",
			       entry->name, load->why, err);
			goto out;
		}
	}
	/* nobody else can add to the list before the mount is done */
	list_for_each_entry(si, &layer->changed, changed) {
		if (!S_ISDIR(si->vfs_inode.i_mode))
			continue;
		err = see_load_names(load, &si->vfs_inode);
		if (err) {
			pr_err("seefs: names of container %s: %s (error %d)\n",
			       si->origin ?: "born", load->why, err);
			goto out;
		}
	}
	see_command_load(sb, load);
out:
	see_list_free(&list);
	for (i = 0; i < SEE_LOAD_BUCKETS; i++)
		hlist_for_each_entry_safe(l, n, &load->bucket[i], node)
			kfree(l);
	kvfree(load);
	return err;
}
