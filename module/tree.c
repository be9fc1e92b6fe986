// SPDX-License-Identifier: GPL-2.0
/*
 * tree.c - the private tree on disk: keys, records, containers
 *
 * Makes containers, private objects and tombstones, writes the records on them,
 * and compares tombstones with the host.  Containers are made in "work" and
 * renamed into place, so that a container that is there is whole.
 *
 * The records of tree_format.h are known here and in treeload.c, which reads at
 * mount what is written here, but for those in "commands", which are command.c's.
 * They are checked before they are believed.
 *
 * Owns nothing and takes no lock.  What makes and changes runs between
 * see_begin() and see_end().  see_inode.lock, held by the caller where it says
 * so, keeps an object to one container and one private object; the tombstones of
 * a directory are protected by its i_rwsem, or by a gate that is closed.
 */
#include <linux/exportfs.h>
#include <linux/kdev_t.h>
#include <linux/see.h>
#include <linux/slab.h>

#include "decode.h"
#include "inode.h"
#include "lower.h"
#include "names.h"
#include "tree.h"
#include "tree_internal.h"
#include "version.h"

static_assert(sizeof(struct see_disk_head) == 4);
static_assert(sizeof(struct see_disk_version) == 36);
static_assert(sizeof(struct see_disk_object) == 76);
static_assert(sizeof(struct see_disk_removed) == 44);
static_assert(sizeof(struct see_disk_ctime) == 16);

/* ---- keys ---- */

static int see_fid_encode(struct inode *inode, struct see_fid *fid)
{
	int words = SEE_MAX_FID / 4;
	int type;

	memset(fid, 0, sizeof(*fid));
	type = see_encode_inode_fh(inode, (struct fid *)fid->raw, &words);
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

/**
 * see_tree_key - the name of an object's container
 * @inode: the object, of the host or of the private tree
 *
 * Return: a string to be freed; -EOPNOTSUPP if its file system has no handles.
 */
char *see_tree_key(struct inode *inode)
{
	struct see_fid fid;
	char *key;
	int err;

	err = see_fid_encode(inode, &fid);
	if (err)
		return ERR_PTR(err);
	key = see_fid_key(&fid);
	return key ?: ERR_PTR(-ENOMEM);
}

static int see_acceptable(void *context, struct dentry *dentry)
{
	return 1;
}

/**
 * see_decode - the object of a key
 * @mnt: of the file system that it is in
 * @root: what is not below is not found, if it is a directory; NULL: all is
 * @key: the name of a container, from disk
 * @len: of @key
 *
 * Return: a positive dentry; -ESTALE if there is no such object; -EUCLEAN for what
 * is no key; or -ENOMEM.
 */
struct dentry *see_decode(struct vfsmount *mnt, struct dentry *root,
			  const char *key, unsigned int len)
{
	struct see_fid fid, own;
	struct dentry *dentry;
	int err;

	err = see_decode_key(key, len, &fid);
	if (err)
		return ERR_PTR(err);
	dentry = exportfs_decode_fh(mnt, (struct fid *)fid.raw, fid.words,
				    fid.type, see_acceptable, NULL);
	if (IS_ERR_OR_NULL(dentry))
		return PTR_ERR(dentry) == -ENOMEM ? dentry : ERR_PTR(-ESTALE);
	if (d_is_negative(dentry) ||
	    (root && d_is_dir(dentry) && !is_subdir(dentry, root))) {
		dput(dentry);
		return ERR_PTR(-ESTALE);
	}
	/* one object, one key: some file systems take handles that say less */
	err = see_fid_encode(d_inode(dentry), &own);
	if (!err && (own.type != fid.type || own.words != fid.words ||
		     memcmp(own.raw, fid.raw, sizeof(own.raw))))
		err = -EUCLEAN;
	if (err) {
		dput(dentry);
		return ERR_PTR(err);
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

/**
 * see_version_from_disk - a version that was recorded
 * @d: as it is in the record
 * @flags: those of the record that are the version's
 * @v: filled in
 */
void see_version_from_disk(const struct see_disk_version *d, u8 flags,
			   struct see_version *v)
{
	v->cookie = le64_to_cpu(d->cookie);
	v->ctime = le64_to_cpu(d->ctime);
	v->mtime = le64_to_cpu(d->mtime);
	v->size = le64_to_cpu(d->size);
	v->gen = le32_to_cpu(d->gen);
	v->flags = flags;
}

/**
 * see_read_record - read a record and check its head
 * @dentry: what it hangs on
 * @name: of the extended attribute
 * @kind: SEE_DISK_*
 * @flags: those that are known
 * @record: filled in; begins with a struct see_disk_head
 * @size: of @record; what the record has beyond is ignored
 *
 * Return: 0; -ENODATA if there is none; -EUCLEAN for one that cannot be believed; or
 * another error.
 */
int see_read_record(struct dentry *dentry, const char *name, u8 kind,
		    u8 flags, void *record, size_t size)
{
	u8 buf[512];
	ssize_t len;

	len = see_getxattr(dentry, name, buf, sizeof(buf));
	if (len < 0)
		return len == -ERANGE ? -EUCLEAN : len;
	return see_decode_record(buf, len, kind, flags, record, size);
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
		.mode = cpu_to_le32(see_born(inode) ? inode->i_mode :
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
		key = see_tree_key(d_inode(si->priv));
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

/* ---- tombstones ---- */

/* the record of a tombstone: its length, 0 if there is none, or an errno */
static ssize_t see_get_tombstone(struct dentry *mark, void *buf, size_t size)
{
	ssize_t len;

	len = see_getxattr(mark, SEE_XATTR_REMOVED, buf, size);
	if (len == -ENODATA)
		return 0;
	if (len < 0)
		return len == -ERANGE ? -EUCLEAN : len;
	return see_decode_tombstone(buf, len) ? len : -EUCLEAN;
}

/* the tombstone of a name, to be put by the caller; returns as see_get_tombstone() */
static ssize_t see_find_tombstone(struct dentry *removed, const struct qstr *name,
				  struct dentry **mark, void *buf, size_t size)
{
	*mark = see_lookup_priv(removed, (const char *)name->name, name->len);
	if (IS_ERR(*mark)) {
		ssize_t err = PTR_ERR(*mark);

		*mark = NULL;
		return err;
	}
	return see_get_tombstone(*mark, buf, size);
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

	len = see_find_tombstone(removed, name, &mark, buf, sizeof(buf));
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
			err = see_fid_encode(d_inode(lower), &fid);
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
	int err = see_fid_encode(d_inode(lower), &fid);

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

	len = see_find_tombstone(removed, name, &mark, buf, sizeof(buf));
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
	len = see_find_tombstone(removed, name, &mark, buf, sizeof(buf));
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
