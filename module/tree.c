// SPDX-License-Identifier: GPL-2.0
/*
 * tree.c - the private tree on disk
 *
 * The only file that knows tree_format.h: keys, records, containers, and what
 * mount makes of them.  Owns see_layer.objects, .bornbox, .work.  Containers
 * are made in "work" and renamed into place, so that a container that is
 * there is whole.  Records are checked before they are believed; a private
 * tree that is damaged or newer is refused with the reason.
 *
 * What makes and changes runs between see_begin() and see_end(), under
 * see_inode.lock where it says so.  What reads at mount runs under the mounter's
 * credentials without write access, which a reader must not hold.
 */
#include <linux/ctype.h>
#include <linux/exportfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/see.h>
#include <linux/slab.h>

#include "command.h"
#include "data.h"
#include "inode.h"
#include "lower.h"
#include "names.h"
#include "tree.h"
#include "version.h"

static_assert(sizeof(struct see_disk_head) == 4);
static_assert(sizeof(struct see_disk_version) == 36);
static_assert(sizeof(struct see_disk_tree) == 256);
static_assert(sizeof(struct see_disk_object) == 76);
static_assert(sizeof(struct see_disk_removed) == 44);
static_assert(sizeof(struct see_disk_ctime) == 16);
static_assert(sizeof_field(struct see_disk_tree, root) > SEE_MAX_KEY);

struct see_fid {
	int type;
	int words;
	u32 raw[SEE_MAX_FID / 4];
};

/* one entry of a directory that is being read */
struct see_entry {
	struct list_head list;
	u64 ino;
	u8 dtype;
	unsigned int len;
	char name[];
};

struct see_lister {
	struct dir_context ctx;
	struct list_head *list;
	size_t seen;
	int err;
};

/* containers by key, while the tree is loaded */
#define SEE_LOAD_BUCKETS	1024

struct see_loaded {
	struct hlist_node node;
	struct inode *inode;
	const char *key;
};

struct see_load {
	struct super_block *sb;
	struct hlist_head bucket[SEE_LOAD_BUCKETS];
};

/* ---- keys ---- */

static int see_fid_encode(struct dentry *dentry, struct see_fid *fid)
{
	int words = SEE_MAX_FID / 4;
	int type;

	memset(fid, 0, sizeof(*fid));
	type = exportfs_encode_fh(dentry, (struct fid *)fid->raw, &words, 0);
	if (type < 0)
		return type;
	if (type == FILEID_INVALID || !type || words <= 0 ||
	    words > SEE_MAX_FID / 4 || type > 0xff)
		return -EOPNOTSUPP;
	fid->type = type;
	fid->words = words;
	return 0;
}

static char *see_fid_key(const struct see_fid *fid)
{
	size_t bytes = fid->words * 4;
	char *key = kmalloc(3 + 2 * bytes + 1, GFP_NOFS | __GFP_ACCOUNT);

	if (!key)
		return NULL;
	sprintf(key, "%02x-", fid->type);
	bin2hex(key + 3, fid->raw, bytes);
	key[3 + 2 * bytes] = 0;
	return key;
}

static int see_key_fid(const char *key, unsigned int len, struct see_fid *fid)
{
	unsigned int i;
	u8 type;

	memset(fid, 0, sizeof(*fid));
	if (len < 3 + 8 || len > SEE_MAX_KEY || (len - 3) % 8 || key[2] != '-')
		return -EUCLEAN;
	/* one object, one key */
	for (i = 3; i < len; i++)
		if (isupper(key[i]))
			return -EUCLEAN;
	if (hex2bin(&type, key, 1) || !type || type == FILEID_INVALID)
		return -EUCLEAN;
	if (hex2bin((u8 *)fid->raw, key + 3, (len - 3) / 2))
		return -EUCLEAN;
	fid->type = type;
	fid->words = (len - 3) / 8;
	return 0;
}

/**
 * see_tree_key - the name of an object's container
 * @dentry: any name of the object, of the host or of the private tree
 *
 * Return: a string to be freed; -EOPNOTSUPP if its file system has no handles.
 */
char *see_tree_key(struct dentry *dentry)
{
	struct see_fid fid;
	char *key;
	int err;

	err = see_fid_encode(dentry, &fid);
	if (err)
		return ERR_PTR(err);
	key = see_fid_key(&fid);
	return key ?: ERR_PTR(-ENOMEM);
}

static int see_acceptable(void *context, struct dentry *dentry)
{
	return 1;
}

/* the object of a key, or -ESTALE */
static struct dentry *see_decode(struct vfsmount *mnt, struct dentry *root,
				 const char *key, unsigned int len)
{
	struct see_fid fid;
	struct dentry *dentry;
	int err;

	err = see_key_fid(key, len, &fid);
	if (err)
		return ERR_PTR(err);
	dentry = exportfs_decode_fh(mnt, (struct fid *)fid.raw, fid.words,
				    fid.type, see_acceptable, NULL);
	if (IS_ERR_OR_NULL(dentry))
		return PTR_ERR(dentry) == -ENOMEM ? dentry : ERR_PTR(-ESTALE);
	/* a directory proves its place; a file's key is root's own record */
	if (d_is_negative(dentry) ||
	    (d_is_dir(dentry) && !is_subdir(dentry, root))) {
		dput(dentry);
		return ERR_PTR(-ESTALE);
	}
	return dentry;
}

/* ---- records ---- */

static void see_version_to_disk(const struct see_version *v,
				struct see_disk_version *d)
{
	d->cookie = cpu_to_le64(v->cookie);
	d->ctime = cpu_to_le64(v->ctime);
	d->mtime = cpu_to_le64(v->mtime);
	d->size = cpu_to_le64(v->size);
	d->gen = cpu_to_le32(v->gen);
}

static void see_version_from_disk(const struct see_disk_version *d, u8 flags,
				  struct see_version *v)
{
	v->cookie = le64_to_cpu(d->cookie);
	v->ctime = le64_to_cpu(d->ctime);
	v->mtime = le64_to_cpu(d->mtime);
	v->size = le64_to_cpu(d->size);
	v->gen = le32_to_cpu(d->gen);
	v->flags = flags;
}

/* a record of a known kind and no unknown flags, at least @size bytes */
static int see_read_record(struct dentry *dentry, const char *name, u8 kind,
			   u8 flags, void *record, size_t size)
{
	struct see_disk_head *head = record;
	u8 buf[512];
	ssize_t len;

	len = see_getxattr(dentry, name, buf, sizeof(buf));
	if (len < 0)
		return len == -ERANGE ? -EUCLEAN : len;
	if (len < size || size > sizeof(buf))
		return -EUCLEAN;
	memcpy(record, buf, size);
	if (head->kind != kind || le16_to_cpu(head->len) > len ||
	    le16_to_cpu(head->len) < size || (head->flags & ~flags))
		return -EUCLEAN;
	return 0;
}

void see_work_name(struct see_layer *layer, char *buf, size_t size)
{
	snprintf(buf, size, "%llx",
		 (unsigned long long)atomic64_inc_return(&layer->worknr));
}

/* ---- making containers ---- */

static void see_object_record(const struct inode *inode, struct see_disk_object *rec)
{
	const struct see_inode *si = see_i(inode);

	*rec = (struct see_disk_object) {
		.head.kind = SEE_DISK_OBJECT,
		.head.flags = si->first.flags | (si->first_xattrs ? SEE_OBJECT_XATTRS : 0),
		.head.len = cpu_to_le16(sizeof(*rec)),
		.mode = cpu_to_le32(see_test(inode, SEE_I_BORN) ? inode->i_mode :
								  si->first_mode),
		.uid = cpu_to_le32(from_kuid(&init_user_ns, si->first_uid)),
		.gid = cpu_to_le32(from_kgid(&init_user_ns, si->first_gid)),
		.rdev = cpu_to_le32(new_encode_dev(inode->i_rdev)),
		.ino = cpu_to_le64(inode->i_ino),
		.xattrs = cpu_to_le64(si->first_xattrs),
	};
	see_version_to_disk(&si->first, &rec->version);
}

/**
 * see_tree_renew - record again what a host object was like at its first change
 * @inode: host object with a container
 *
 * Context: between see_begin() and see_end().
 */
int see_tree_renew(struct inode *inode)
{
	struct see_disk_object rec;

	see_object_record(inode, &rec);
	return see_setxattr(see_boxed(inode), SEE_XATTR_OBJECT, &rec, sizeof(rec), 0);
}

/**
 * see_tree_box - make the container of an object
 * @layer: the layer
 * @inode: held host object, or born directory
 * @box: the container's dentry, valid while mounted
 *
 * Context: see_inode.lock held.
 */
int see_tree_box(struct see_layer *layer, struct inode *inode,
		 struct dentry **box)
{
	struct see_inode *si = see_i(inode);
	bool born = test_bit(SEE_I_BORN, &si->flags);
	struct dentry *home = born ? layer->bornbox : layer->objects;
	struct see_disk_object rec;
	char tmp[SEE_WORK_NAME], *key = NULL;
	struct qstr work, final;
	struct dentry *made;
	int err;

	if (born) {
		key = see_tree_key(si->priv);
		if (IS_ERR(key))
			return PTR_ERR(key);
	}
	see_object_record(inode, &rec);
	see_work_name(layer, tmp, sizeof(tmp));
	work = (struct qstr)QSTR_INIT(tmp, strlen(tmp));
	err = see_make(layer->work, &work, S_IFDIR | 0700, 0, NULL, NULL, &made);
	if (err)
		goto out;
	err = see_setxattr(made, SEE_XATTR_OBJECT, &rec, sizeof(rec), 0);
	if (!err) {
		final = (struct qstr)QSTR_INIT(key ?: si->origin,
					       strlen(key ?: si->origin));
		err = see_rename(layer->work, &work, home, &final, 0);
	}
	if (err) {
		see_remove(layer->work, &work);
		dput(made);
	} else {
		*box = made;
	}
out:
	kfree(key);
	return err;
}

/**
 * see_tree_copy - make an object with the type and xattrs of another
 * @from: the other, or NULL: without xattrs
 * @mode: type of the new one, and its permissions at first
 * @rdev: for device nodes
 * @dir: private directory in which it is made
 * @name: there
 * @made: its dentry, to be put by the caller
 *
 * Context: between see_begin() and see_end().
 */
int see_tree_copy(struct dentry *from, umode_t mode, dev_t rdev, struct dentry *dir,
		  const struct qstr *name, struct dentry **made)
{
	struct delayed_call done = {};
	const char *target = NULL;
	struct dentry *dentry;
	int err;

	if (S_ISLNK(mode)) {
		if (!from)
			return -EIO;
		target = vfs_get_link(from, &done);
		if (IS_ERR(target))
			return PTR_ERR(target);
	}
	err = see_make(dir, name, mode, rdev, target, NULL, &dentry);
	do_delayed_call(&done);
	if (err)
		return err;
	if (from)
		err = see_copy_xattrs(from, dentry);
	if (err) {
		see_remove(dir, name);
		dput(dentry);
	} else {
		*made = dentry;
	}
	return err;
}

/**
 * see_tree_object - make the private object of a host object
 * @layer: the layer
 * @inode: touched host object
 * @box: its container
 * @object: the dentry, valid while mounted
 *
 * Copies type and xattrs; see_write_attrs() does the rest.
 *
 * Context: see_inode.lock held.
 */
int see_tree_object(struct see_layer *layer, struct inode *inode,
		    struct dentry *box, struct dentry **object)
{
	static const struct qstr final = QSTR_INIT(SEE_BOX_OBJECT,
						   sizeof(SEE_BOX_OBJECT) - 1);
	umode_t mode = inode->i_mode & S_IFMT;
	char tmp[SEE_WORK_NAME];
	struct dentry *made;
	struct qstr work;
	int err;

	/* nodes and sockets of the host are never opened from here */
	if (S_ISCHR(mode) || S_ISBLK(mode) || S_ISSOCK(mode))
		mode = S_IFREG;
	see_work_name(layer, tmp, sizeof(tmp));
	work = (struct qstr)QSTR_INIT(tmp, strlen(tmp));
	err = see_tree_copy(see_i(inode)->lower, mode | 0600, 0, layer->work, &work,
			    &made);
	if (err)
		return err;
	err = see_rename(layer->work, &work, box, &final, 0);
	if (err) {
		see_remove(layer->work, &work);
		dput(made);
	} else {
		*object = made;
	}
	return err;
}

/**
 * see_tree_set_ctime - record the change time of an object
 * @object: private object
 * @inode: what it belongs to
 */
int see_tree_set_ctime(struct dentry *object, const struct inode *inode)
{
	struct timespec64 ts = inode_get_ctime(inode);
	struct see_disk_ctime rec = {
		.head.kind = SEE_DISK_CTIME,
		.head.len = cpu_to_le16(sizeof(rec)),
		.ctime = cpu_to_le64(timespec64_to_ns(&ts)),
	};

	return see_setxattr(object, SEE_XATTR_CTIME, &rec, sizeof(rec), 0);
}

/**
 * see_tree_set_locks - record what locks the SEE took on a host file
 * @inode: the file, with a container and see_inode.flags set
 *
 * Context: between see_begin() and see_end().
 */
int see_tree_set_locks(const struct inode *inode)
{
	struct see_disk_head rec = {
		.kind = SEE_DISK_LOCKS,
		.len = cpu_to_le16(sizeof(rec)),
	};

	if (see_test(inode, SEE_I_LOCK_POSIX))
		rec.flags |= SEE_LOCKS_POSIX;
	if (see_test(inode, SEE_I_LOCK_FLOCK))
		rec.flags |= SEE_LOCKS_FLOCK;
	return see_setxattr(see_boxed(inode), SEE_XATTR_LOCKS, &rec, sizeof(rec), 0);
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

/* the record of a tombstone: its length, 0 if there is none, or an errno */
static ssize_t see_get_tombstone(struct dentry *mark, void *buf, size_t size)
{
	struct see_disk_removed *rec = buf;
	ssize_t len;

	len = see_getxattr(mark, SEE_XATTR_REMOVED, buf, size);
	if (len == -ENODATA)
		return 0;
	if (len < 0)
		return len == -ERANGE ? -EUCLEAN : len;
	if (len < (ssize_t)sizeof(*rec) || rec->head.kind != SEE_DISK_REMOVED ||
	    len < (ssize_t)(sizeof(*rec) + rec->fid_len))
		return -EUCLEAN;
	return len;
}

/* only whether it hides changes; the first record stays */
static int see_turn_tombstone(struct dentry *removed, const struct qstr *name,
			      enum see_tomb tomb)
{
	u8 buf[sizeof(struct see_disk_removed) + SEE_MAX_FID];
	struct see_disk_removed *rec = (struct see_disk_removed *)buf;
	struct dentry *mark;
	ssize_t len;
	int err;

	mark = see_lookup_priv(removed, (const char *)name->name, name->len);
	if (IS_ERR(mark))
		return PTR_ERR(mark);
	len = see_get_tombstone(mark, buf, sizeof(buf));
	/* one without a record hides; what replaces the name covers it anyway */
	err = min_t(ssize_t, len, 0);
	if (len > 0) {
		if (tomb == SEE_TOMB_REPLACED)
			rec->head.flags |= SEE_REMOVED_REPLACED;
		else
			rec->head.flags &= ~SEE_REMOVED_REPLACED;
		err = see_setxattr(mark, SEE_XATTR_REMOVED, buf, len, 0);
	}
	dput(mark);
	return err;
}

/**
 * see_tree_tombstone - record that a name of the host is removed or replaced
 * @removed: directory of the tombstones
 * @name: the name
 * @layer: the layer
 * @lower: what the host has there, or NULL
 * @tomb: what the tombstone is to say
 * @had: what it says, SEE_TOMB_NONE if there is none
 *
 * What the first record says of the host object stays.
 */
int see_tree_tombstone(struct dentry *removed, const struct qstr *name,
		       struct see_layer *layer, struct dentry *lower,
		       enum see_tomb tomb, enum see_tomb had)
{
	u8 buf[sizeof(struct see_disk_removed) + SEE_MAX_FID] = {};
	struct see_disk_removed *rec = (struct see_disk_removed *)buf;
	size_t len = sizeof(*rec);
	struct see_version v = {};
	char tmp[SEE_WORK_NAME];
	struct dentry *made;
	struct see_fid fid;
	struct qstr work;
	int err;

	if (had)
		return see_turn_tombstone(removed, name, tomb);
	if (lower) {
		err = see_version_sample(layer, lower, &v);
		if (!err)
			err = see_fid_encode(lower, &fid);
		if (err)
			return err;
		rec->type = (d_inode(lower)->i_mode & S_IFMT) >> 12;
		rec->fid_type = fid.type;
		rec->fid_len = fid.words * 4;
		memcpy(rec->fid, fid.raw, rec->fid_len);
		len += rec->fid_len;
	}
	rec->head.kind = SEE_DISK_REMOVED;
	rec->head.flags = v.flags;
	if (tomb == SEE_TOMB_REPLACED)
		rec->head.flags |= SEE_REMOVED_REPLACED;
	rec->head.len = cpu_to_le16(len);
	see_version_to_disk(&v, &rec->version);

	see_work_name(layer, tmp, sizeof(tmp));
	work = (struct qstr)QSTR_INIT(tmp, strlen(tmp));
	err = see_make(layer->work, &work, S_IFREG | 0600, 0, NULL, NULL, &made);
	if (err)
		return err;
	err = see_setxattr(made, SEE_XATTR_REMOVED, rec, len, 0);
	dput(made);
	if (!err)
		err = see_rename(layer->work, &work, removed, name,
				 RENAME_NOREPLACE);
	if (err)
		see_remove(layer->work, &work);
	/* of an operation that failed later on */
	if (err == -EEXIST)
		err = see_turn_tombstone(removed, name, tomb);
	return err;
}

/* is this the object that the record is about? 1, 0 or a negative errno */
static int see_tombstone_is(const struct see_disk_removed *rec, struct dentry *lower)
{
	struct see_fid fid;
	int err = see_fid_encode(lower, &fid);

	return err ?: fid.type == rec->fid_type && fid.words * 4 == rec->fid_len &&
		!memcmp(fid.raw, rec->fid, rec->fid_len);
}

/**
 * see_tree_renew_tombstone - record another version of what the host has at a name
 * @removed: directory of the tombstones
 * @name: the name
 * @lower: what the host has there
 * @renew: given the version that is recorded, sets another; or an error
 * @arg: for @renew
 *
 * Context: between see_begin() and see_end().
 * Return: 0; -ENOENT if the record is not about @lower, or what @renew returned; or
 * another error.
 */
int see_tree_renew_tombstone(struct dentry *removed, const struct qstr *name,
			     struct dentry *lower,
			     int (*renew)(void *arg, const struct inode *host,
					  struct see_version *v), void *arg)
{
	const u8 kinds = SEE_VERSION_COOKIE | SEE_VERSION_KNOWN | SEE_VERSION_WEAK;
	u8 buf[sizeof(struct see_disk_removed) + SEE_MAX_FID];
	struct see_disk_removed *rec = (struct see_disk_removed *)buf;
	struct see_version v;
	struct dentry *mark;
	ssize_t len;
	int err;

	mark = see_lookup_priv(removed, (const char *)name->name, name->len);
	if (IS_ERR(mark))
		return PTR_ERR(mark);
	len = see_get_tombstone(mark, buf, sizeof(buf));
	err = len > 0 ? see_tombstone_is(rec, lower) : (int)len;
	if (err <= 0) {
		err = err ?: -ENOENT;
		goto out;
	}
	see_version_from_disk(&rec->version, rec->head.flags & kinds, &v);
	err = renew(arg, d_inode(lower), &v);
	if (err)
		goto out;
	see_version_to_disk(&v, &rec->version);
	rec->head.flags = (rec->head.flags & ~kinds) | v.flags;
	err = see_setxattr(mark, SEE_XATTR_REMOVED, buf, len, 0);
out:
	dput(mark);
	return err;
}

/* ---- reading ---- */

/**
 * see_tree_compare - is a name of the host as the tombstone recorded it?
 * @removed: directory of the tombstones
 * @name: the name
 * @layer: the layer
 * @lower: what the host has there now, or NULL
 * @size: what the record says of the size, in bytes
 * @mode: and of the type; 0 if nothing
 *
 * Return: SEE_CONFLICT_*, or a negative errno.
 */
int see_tree_compare(struct dentry *removed, const struct qstr *name,
		     struct see_layer *layer, struct dentry *lower, u64 *size,
		     umode_t *mode)
{
	u8 buf[sizeof(struct see_disk_removed) + SEE_MAX_FID] = {};
	struct see_disk_removed *rec = (struct see_disk_removed *)buf;
	struct see_version then, now;
	struct dentry *mark;
	ssize_t len;
	int err;

	*size = 0;
	*mode = 0;
	mark = see_lookup_priv(removed, (const char *)name->name, name->len);
	if (IS_ERR(mark))
		return PTR_ERR(mark);
	len = see_get_tombstone(mark, buf, sizeof(buf));
	dput(mark);
	if (len <= 0)
		return len ?: SEE_CONFLICT_WEAK;
	see_version_from_disk(&rec->version,
			      rec->head.flags & ~SEE_REMOVED_REPLACED, &then);
	*size = then.size;
	*mode = rec->type << 12;
	if (!lower)
		return rec->fid_len ? SEE_CONFLICT_GONE : 0;
	if (!rec->fid_len)
		return SEE_CONFLICT_NAME;
	err = see_tombstone_is(rec, lower);
	if (err <= 0)
		return err ?: SEE_CONFLICT_NAME;
	/* entries of a directory have tombstones of their own */
	if (d_is_dir(lower))
		return 0;
	err = see_version_sample(layer, lower, &now);
	if (err)
		return err;
	if (!see_version_equal(&then, &now))
		return SEE_CONFLICT_CHANGED;
	return (then.flags | now.flags) & SEE_VERSION_WEAK ? SEE_CONFLICT_WEAK :
							     0;
}

static bool see_list_actor(struct dir_context *ctx, const char *name, int len,
			   loff_t off, u64 ino, unsigned int type)
{
	struct see_lister *l = container_of(ctx, struct see_lister, ctx);
	struct see_entry *entry;

	l->seen++;
	if (len == 1 && name[0] == '.')
		return true;
	if (len == 2 && name[0] == '.' && name[1] == '.')
		return true;
	if (len <= 0 || len > NAME_MAX) {
		l->err = -EUCLEAN;
		return false;
	}
	entry = kmalloc(sizeof(*entry) + len + 1, GFP_KERNEL_ACCOUNT);
	if (!entry) {
		l->err = -ENOMEM;
		return false;
	}
	entry->ino = ino;
	entry->dtype = type;
	entry->len = len;
	memcpy(entry->name, name, len);
	entry->name[len] = 0;
	list_add_tail(&entry->list, l->list);
	return true;
}

static void see_list_free(struct list_head *list)
{
	struct see_entry *entry, *next;

	list_for_each_entry_safe(entry, next, list, list)
		kfree(entry);
	INIT_LIST_HEAD(list);
}

static int see_list(struct see_layer *layer, struct dentry *dir,
		    struct list_head *list)
{
	struct see_lister l = { .ctx.actor = see_list_actor, .list = list };
	struct file *file;
	int err;

	file = see_open_dir(layer, layer->priv.mnt, dir);
	if (IS_ERR(file))
		return PTR_ERR(file);
	do {
		l.seen = 0;
		err = iterate_dir(file, &l.ctx);
		if (!err)
			err = l.err;
	} while (!err && l.seen);
	fput(file);
	if (err)
		see_list_free(list);
	return err;
}

/* one directory of see_tree_each() */
struct see_visit {
	struct list_head list;
	struct dentry *dir;
};

static int see_visit_later(struct list_head *todo, struct dentry *dir)
{
	struct see_visit *v = kmalloc(sizeof(*v), GFP_KERNEL_ACCOUNT);

	if (!v)
		return -ENOMEM;
	v->dir = dget(dir);
	list_add(&v->list, todo);
	return 0;
}

static int see_visit_dir(struct see_layer *layer, struct dentry *dir,
			 struct list_head *todo,
			 int (*fn)(struct dentry *dentry, void *arg), void *arg)
{
	struct see_entry *entry;
	struct dentry *d;
	LIST_HEAD(list);
	int err;

	err = see_list(layer, dir, &list);
	list_for_each_entry(entry, &list, list) {
		d = see_lookup_priv(dir, entry->name, entry->len);
		err = PTR_ERR_OR_ZERO(d);
		if (err)
			break;
		err = fn(d, arg);
		if (!err && d_is_dir(d))
			err = see_visit_later(todo, d);
		dput(d);
		if (!err && fatal_signal_pending(current))
			err = -EINTR;
		if (err)
			break;
	}
	see_list_free(&list);
	return err;
}

/**
 * see_tree_each - call a function for everything in a born tree
 * @layer: the layer
 * @top: the tree, itself included
 * @fn: called with each object; a result other than 0 ends it
 * @arg: for @fn
 *
 * Context: the mounter's credentials, no write access.
 */
int see_tree_each(struct see_layer *layer, struct dentry *top,
		  int (*fn)(struct dentry *dentry, void *arg), void *arg)
{
	struct see_visit *v, *next;
	LIST_HEAD(todo);
	int err = fn(top, arg);

	if (!err && d_is_dir(top))
		err = see_visit_later(&todo, top);
	while (!err && !list_empty(&todo)) {
		v = list_first_entry(&todo, struct see_visit, list);
		list_del(&v->list);
		err = see_visit_dir(layer, v->dir, &todo, fn, arg);
		dput(v->dir);
		kfree(v);
	}
	list_for_each_entry_safe(v, next, &todo, list) {
		dput(v->dir);
		kfree(v);
	}
	return err;
}

/* see_remove() where the rest of the work needs no write access */
/* a directory that is still to be listed */
struct see_pending {
	struct list_head list;
	struct dentry *dir;
};

static int see_walk_later(struct list_head *pending, struct dentry *dir)
{
	struct see_pending *p = kmalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);

	if (!p)
		return -ENOMEM;
	p->dir = dget(dir);
	list_add(&p->list, pending);
	return 0;
}

static struct dentry *see_walk_next(struct list_head *pending)
{
	struct see_pending *p = list_first_entry_or_null(pending, struct see_pending, list);
	struct dentry *dir = NULL;

	if (p) {
		dir = p->dir;
		list_del(&p->list);
		kfree(p);
	}
	return dir;
}

/**
 * see_tree_walk - look at everything below a directory of the private tree
 * @layer: the layer
 * @top: the directory
 * @each: called for each name
 *
 * Context: the mounter's credentials; nobody changes what is there.
 */
int see_tree_walk(struct see_layer *layer, struct dentry *top,
		  void (*each)(struct see_layer *layer, struct dentry *dentry))
{
	struct dentry *dir, *dentry;
	struct see_entry *e;
	LIST_HEAD(pending);
	LIST_HEAD(entries);
	int err = see_walk_later(&pending, top);

	while ((dir = see_walk_next(&pending))) {
		if (!err)
			err = see_list(layer, dir, &entries);
		list_for_each_entry(e, &entries, list) {
			if (err)
				break;
			dentry = see_lookup_priv(dir, e->name, e->len);
			if (IS_ERR(dentry)) {
				err = PTR_ERR(dentry);
				break;
			}
			each(layer, dentry);
			if (d_is_dir(dentry))
				err = see_walk_later(&pending, dentry);
			dput(dentry);
			if (fatal_signal_pending(current))
				err = -EINTR;
			cond_resched();
		}
		see_list_free(&entries);
		dput(dir);
	}
	return err;
}

static int see_remove_alone(struct see_layer *layer, struct dentry *dir,
			    const struct qstr *name)
{
	int err = mnt_want_write(layer->priv.mnt);

	if (!err) {
		err = see_remove(dir, name);
		mnt_drop_write(layer->priv.mnt);
	}
	return err;
}

/**
 * see_tree_discard - remove something; a directory goes with what it contains
 * @layer: the layer
 * @dir: private directory
 * @name: there
 *
 * Goes down through the parent pointers of what it works on, as the depth of
 * a born tree is not ours to choose.
 *
 * Context: the mounter's credentials, no write access.
 */
int see_tree_discard(struct see_layer *layer, struct dentry *dir,
		     const struct qstr *name)
{
	struct dentry *top, *d, *up;
	struct see_entry *entry;
	struct qstr q;
	LIST_HEAD(list);
	int err;

	err = see_remove_alone(layer, dir, name);
	if (err != -ENOTEMPTY)
		return err == -ENOENT ? 0 : err;
	top = see_lookup_priv(dir, (const char *)name->name, name->len);
	if (IS_ERR(top))
		return PTR_ERR(top);
	d = dget(top);
	for (;;) {
		struct dentry *below = NULL;

		err = see_list(layer, d, &list);
		if (err)
			break;
		list_for_each_entry(entry, &list, list) {
			q = (struct qstr)QSTR_INIT(entry->name, entry->len);
			err = see_remove_alone(layer, d, &q);
			if (err != -ENOTEMPTY)
				continue;
			below = see_lookup_priv(d, entry->name, entry->len);
			break;
		}
		see_list_free(&list);
		if (below && !IS_ERR(below)) {
			dput(d);
			d = below;
			continue;
		}
		if (below || (err && err != -ENOENT))
			break;
		if (d == top)
			break;
		up = dget_parent(d);
		dput(d);
		d = up;
	}
	dput(d);
	dput(top);
	return see_remove_alone(layer, dir, name);
}

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
	err = see_setxattr(root, SEE_XATTR_TREE, rec, sizeof(*rec),
			   XATTR_CREATE);
	if (!err)
		err = see_setxattr(root, SEE_XATTR_STORE, "1", 1, 0);
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
	key = see_tree_key(layer->lower.dentry);
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
	if (strcmp(rec.root, key))
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

	box = see_lookup_priv(layer->objects, entry->name, entry->len);
	if (IS_ERR(box))
		return PTR_ERR(box);
	err = d_is_dir(box) ? 0 : -EUCLEAN;
	if (!err)
		err = see_read_record(box, SEE_XATTR_OBJECT, SEE_DISK_OBJECT,
				      SEE_VERSION_COOKIE | SEE_VERSION_WEAK |
				      SEE_VERSION_KNOWN | SEE_OBJECT_XATTRS, &rec,
				      sizeof(rec));
	if (err)
		goto out_box;
	mode = le32_to_cpu(rec.mode);
	err = -EUCLEAN;
	if (rec.incompat || le32_to_cpu(rec.mode) != mode ||
	    fs_umode_to_ftype(mode) == FT_UNKNOWN ||
	    !uid_valid(make_kuid(&init_user_ns, le32_to_cpu(rec.uid))) ||
	    !gid_valid(make_kgid(&init_user_ns, le32_to_cpu(rec.gid))))
		goto out_box;

	object = see_lookup_priv(box, SEE_BOX_OBJECT, strlen(SEE_BOX_OBJECT));
	if (IS_ERR(object)) {
		err = PTR_ERR(object);
		if (err != -ENOENT)
			goto out_box;
		object = NULL;
	}
	lower = see_decode(layer->lower.mnt, layer->lower.dentry, entry->name,
			   entry->len);
	if (IS_ERR(lower)) {
		err = PTR_ERR(lower);
		if (err != -ESTALE)
			goto out_object;
		lower = NULL;
	}
	err = -EUCLEAN;
	if (lower && (d_inode(lower)->i_mode & S_IFMT) != (mode & S_IFMT))
		goto out_lower;
	inode = see_iget_changed(load->sb, lower, box, object, mode);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		goto out_lower;
	}
	if (!lower)
		inode->i_rdev = new_decode_dev(le32_to_cpu(rec.rdev));
	si = see_i(inode);
	err = -EUCLEAN;
	if (test_bit(SEE_I_CHANGED, &si->flags))
		goto out_inode;		/* two containers for one object */
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
	err = see_load_locks(si);
	if (err)
		goto out_inode;
	if (object) {
		struct see_disk_ctime ct;

		si->priv = dget(object);
		set_bit(SEE_I_ATTRS, &si->flags);
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

/* a container in "born" */
static int see_load_born(struct see_load *load, struct see_entry *entry)
{
	struct see_layer *layer = see_layer(load->sb);
	struct qstr q = QSTR_INIT(entry->name, entry->len);
	struct dentry *box, *dir;
	struct inode *inode;
	int err = 0;

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
	inode = d_is_dir(dir) ? see_iget(load->sb, NULL, dir) :
				ERR_PTR(-EUCLEAN);
	if (IS_ERR(inode)) {
		err = PTR_ERR(inode);
		goto out_box;
	}
	if (see_i(inode)->box)
		err = -EUCLEAN;		/* two containers for one directory */
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

/* the host object that a mark names */
static int see_load_target(struct see_load *load, struct dentry *mark,
			   struct see_name *name, enum see_sub which)
{
	struct delayed_call done = {};
	const char *key;
	int err = 0;

	key = d_is_symlink(mark) ? vfs_get_link(mark, &done) :
				   ERR_PTR(-EUCLEAN);
	if (IS_ERR(key))
		return PTR_ERR(key);
	name->target = see_find_loaded(load, key);
	do_delayed_call(&done);
	if (!name->target)
		err = -EUCLEAN;
	else if (which == SEE_SUB_FOLLOW)
		set_bit(SEE_I_FOLLOWED, &see_i(name->target)->flags);
	else
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
	int err = 0;

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
	if (err)
		kfree(name);
	else
		see_names_set(dir, name);
	return err;
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
static void see_load_cuts(struct inode *dir)
{
	struct dentry *lower = see_i(dir)->lower, *d;
	struct see_names *names = see_names(dir);
	struct see_name *e, *buf;
	u64 id = 0;

	if (!lower || IS_DEADDIR(d_inode(lower)))
		return;
	buf = kmalloc(SEE_NAME_SIZE, GFP_KERNEL | __GFP_NOFAIL);
	while ((e = see_names_next(names, id, buf))) {
		id = e->id + 1;
		if (e->kind == SEE_NAME_FOLLOW && !see_gone(e->target))
			continue;
		d = see_lookup_one(see_nop_idmap, e->name, e->len, lower);
		if (IS_ERR(d))
			continue;
		if (d_is_positive(d) && !d_is_dir(d))
			see_names_cover(dir,
					&(struct qstr)QSTR_INIT(e->name, e->len),
					d_inode(d)->i_ino);
		dput(d);
	}
	kfree(buf);
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
		if (!d_is_dir(sub))
			return -EUCLEAN;
		err = see_load_names_of(load, dir, sub, order[i]);
		if (err)
			return err;
	}
	see_load_prune(dir);
	see_load_cuts(dir);
	return 0;
}

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
	err = see_list(layer, layer->objects, &list);
	list_for_each_entry(entry, &list, list) {
		err = see_load_object(load, entry);
		if (err) {
			pr_err("seefs: container changed/%s: error %d\n",
			       entry->name, err);
			goto out;
		}
	}
	see_list_free(&list);
	err = see_list(layer, layer->bornbox, &list);
	list_for_each_entry(entry, &list, list) {
		err = see_load_born(load, entry);
		if (err) {
			pr_err("seefs: container born/%s: error %d\n",
			       entry->name, err);
			goto out;
		}
	}
	/* nobody else can add to the list before the mount is done */
	list_for_each_entry(si, &layer->changed, changed) {
		if (!S_ISDIR(si->vfs_inode.i_mode))
			continue;
		err = see_load_names(load, &si->vfs_inode);
		if (err) {
			pr_err("seefs: names of container %s: error %d\n",
			       si->origin ?: "born", err);
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
