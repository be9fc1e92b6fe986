// SPDX-License-Identifier: GPL-2.0
/*
 * authority.c - may the caller of a commit have done this directly?
 *
 * Owns nothing.  Decides for one step under the caller's credentials, on the mount
 * that the caller handed over: before the first step is applied, and again in the
 * critical section that applies it.  A commit runs with the daemon's rights, and
 * no check of the VFS asks what somebody may move *into* a directory.
 *
 * The rules are those of the system calls that would do the same: may_create(),
 * may_delete(), may_linkat(), notify_change() and xattr_permission() of the VFS.
 * Path-based security modules are not asked: their hooks are not for modules.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/slab.h>
#include <linux/xattr.h>

#include "changes.h"
#include "commit.h"
#include "guards.h"
#include "inode.h"
#include "lower.h"
#include "tree.h"

/* who has all of these could have made anything at all */
static bool see_auth_all(void)
{
	return capable(CAP_SYS_ADMIN) && capable(CAP_CHOWN) && capable(CAP_FOWNER) &&
	       capable(CAP_FSETID) && capable(CAP_SETFCAP) && capable(CAP_MKNOD) &&
	       capable(CAP_DAC_OVERRIDE);
}

/* ---- directories ---- */

/* the inode that the host judges by: of a born directory, the private one */
static struct inode *see_auth_real(struct inode *inode)
{
	struct dentry *priv = see_born(inode) ? see_priv(inode) : NULL;

	return priv ? d_inode(priv) : see_lower_inode(inode);
}

/* search permission from @dir of the SEE up to the root of the layer */
static int see_auth_walk(struct see_layer *layer, struct inode *dir)
{
	struct inode *root = d_inode(layer->sb->s_root), *up, *real;
	char *name = kmalloc(NAME_MAX + 1, GFP_KERNEL);
	struct see_climb climb = {};
	int err = 0;

	if (!name)
		return -ENOMEM;
	ihold(dir);
	while (!see_climbs_round(&climb, dir)) {
		real = see_auth_real(dir);
		/* made again with the attributes that it had: the caller's as before */
		err = real ? inode_permission(see_nop_idmap, real, MAY_EXEC) : 0;
		if (err || dir == root)
			break;
		up = see_up(layer, dir, name);
		if (IS_ERR(up)) {
			/* whoever removed it, or moved it away: it leads nowhere */
			err = PTR_ERR(up);
			if (err == -ESTALE || err == -EXDEV)
				err = 0;
			break;
		}
		iput(dir);
		dir = up;
	}
	iput(dir);
	kfree(name);
	return err;
}

/* the same for an object of the host, from its parent on */
static int see_auth_walk_host(struct see_layer *layer, struct dentry *dentry)
{
	struct dentry *up;
	int err = 0;

	dget(dentry);
	while (!err && dentry != layer->lower.dentry && !IS_ROOT(dentry)) {
		up = dget_parent(dentry);
		dput(dentry);
		dentry = up;
		err = inode_permission(see_nop_idmap, d_inode(dentry), MAY_EXEC);
	}
	dput(dentry);
	return err;
}

/* may names be made and removed in @dir, on the host or about to be? */
static int see_auth_dir(struct dentry *dir)
{
	struct inode *inode = d_inode(dir);
	int err;

	if (IS_DEADDIR(inode))
		return -ENOENT;
	err = inode_permission(see_nop_idmap, inode, MAY_WRITE | MAY_EXEC);
	/* whose it is could give the permission for as long as it takes, as in the SEE */
	if (err == -EACCES && inode_owner_or_capable(see_nop_idmap, inode))
		err = 0;
	return err;
}

/* as may_delete(), whose other checks the VFS makes */
static int see_auth_delete(struct dentry *dir, struct inode *victim)
{
	struct inode *inode = d_inode(dir);

	if (IS_APPEND(inode) || IS_APPEND(victim) || IS_IMMUTABLE(victim) ||
	    IS_SWAPFILE(victim))
		return -EPERM;
	if ((inode->i_mode & S_ISVTX) && __check_sticky(see_nop_idmap, inode, victim))
		return -EPERM;
	return 0;
}

/* ---- what appears ---- */

/**
 * struct see_auth_new - who wants what appears
 * @caller: credentials
 * @inherit: group that what is made there inherits, or INVALID_GID
 */
struct see_auth_new {
	const struct cred *caller;
	kgid_t inherit;
};

/* could the caller have given an object this owner and mode? */
static int see_auth_owner(const struct inode *inode, kgid_t inherit)
{
	bool mine = uid_eq(inode->i_uid, current_fsuid());
	bool group = in_group_p(inode->i_gid) ||
		     (gid_eq(inode->i_gid, inherit) &&
		      (S_ISDIR(inode->i_mode) || !(inode->i_mode & S_ISGID)));

	if ((!mine || !group) && !capable(CAP_CHOWN))
		return -EPERM;
	if (S_ISREG(inode->i_mode) && (inode->i_mode & S_ISUID) && !mine &&
	    !capable(CAP_FOWNER))
		return -EPERM;
	if (S_ISREG(inode->i_mode) && (inode->i_mode & S_ISGID) && !group &&
	    !capable(CAP_FSETID))
		return -EPERM;
	if ((S_ISCHR(inode->i_mode) || S_ISBLK(inode->i_mode)) &&
	    !(S_ISCHR(inode->i_mode) && inode->i_rdev == WHITEOUT_DEV) && !capable(CAP_MKNOD))
		return -EPERM;
	return 0;
}

/* could the caller have set or removed an extended attribute of an object? */
static int see_auth_xattr(struct inode *inode, const char *name)
{
	if (!strcmp(name, XATTR_NAME_CAPS))
		return capable(CAP_SETFCAP) ? 0 : -EPERM;
	if (!strncmp(name, XATTR_SECURITY_PREFIX, XATTR_SECURITY_PREFIX_LEN) ||
	    !strncmp(name, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN))
		return capable(CAP_SYS_ADMIN) ? 0 : -EPERM;
	if (!strncmp(name, XATTR_USER_PREFIX, XATTR_USER_PREFIX_LEN))
		return inode_permission(see_nop_idmap, inode, MAY_WRITE);
	return inode_owner_or_capable(see_nop_idmap, inode) ? 0 : -EPERM;
}

/* one attribute of an object that appears: only what is not its owner's to set */
static int see_auth_new_xattr(struct inode *inode, const char *name)
{
	if (strncmp(name, XATTR_SECURITY_PREFIX, XATTR_SECURITY_PREFIX_LEN) &&
	    strncmp(name, XATTR_TRUSTED_PREFIX, XATTR_TRUSTED_PREFIX_LEN))
		return 0;
	return see_auth_xattr(inode, name);
}

/* one object that appears: read by the mounter, who sees all, judged as the caller */
static int see_auth_one(struct dentry *dentry, void *arg)
{
	const struct see_auth_new *new = arg;
	struct inode *inode = d_inode(dentry);
	const struct cred *old;
	char *list, *name;
	ssize_t len;
	int err;

	list = see_xattr_names(dentry, &len);
	if (IS_ERR(list))
		return PTR_ERR(list);
	old = override_creds(new->caller);
	err = see_auth_owner(inode, new->inherit);
	for (name = list; !err && list && name < list + len; name += strlen(name) + 1)
		err = see_auth_new_xattr(inode, name);
	revert_creds(old);
	kvfree(list);
	return err;
}

static int see_auth_tree(struct see_tx *tx, struct see_tx_step *st)
{
	struct see_layer *layer = see_tx_sb(tx, st->layer);
	struct see_auth_new new = { .caller = tx->caller, .inherit = INVALID_GID };
	struct dentry *dir = see_tx_dir(tx, &st->dst);
	const struct cred *old;
	int err;

	if (see_auth_all())
		return 0;
	if (dir && (d_inode(dir)->i_mode & S_ISGID))
		new.inherit = d_inode(dir)->i_gid;
	old = override_creds(layer->cred);
	err = see_tree_each(layer, st->image ?: st->target, see_auth_one, &new);
	revert_creds(old);
	return err;
}

/* as may_linkat() with protected_hardlinks */
static int see_auth_link(struct inode *inode)
{
	if (IS_APPEND(inode) || IS_IMMUTABLE(inode))
		return -EPERM;
	if (inode_owner_or_capable(see_nop_idmap, inode))
		return 0;
	if (!S_ISREG(inode->i_mode) || (inode->i_mode & S_ISUID) ||
	    (inode->i_mode & (S_ISGID | 0010)) == (S_ISGID | 0010) ||
	    inode_permission(see_nop_idmap, inode, MAY_READ | MAY_WRITE))
		return -EPERM;
	return 0;
}

/* ---- attributes and data ---- */

static void see_auth_want(struct see_tx_step *st, struct inode *host, struct iattr *attr)
{
	struct inode *inode = st->object;

	attr->ia_valid = 0;
	if (!S_ISLNK(inode->i_mode) && inode->i_mode != host->i_mode) {
		attr->ia_valid |= ATTR_MODE;
		attr->ia_mode = inode->i_mode;
	}
	if (!uid_eq(inode->i_uid, host->i_uid)) {
		attr->ia_valid |= ATTR_UID;
		attr->ia_uid = inode->i_uid;
	}
	if (!gid_eq(inode->i_gid, host->i_gid)) {
		attr->ia_valid |= ATTR_GID;
		attr->ia_gid = inode->i_gid;
	}
}

static int see_auth_attrs(struct see_tx *tx, struct see_tx_step *st)
{
	struct inode *host = d_inode(st->target);
	struct timespec64 then = inode_get_mtime(host), now = inode_get_mtime(st->object);
	struct iattr attr = {};
	bool data = st->what & SEE_CHANGE_DATA;
	umode_t mode;
	int err = 0;

	if (IS_IMMUTABLE(host) || IS_APPEND(host))
		return -EPERM;
	if (data)
		err = inode_permission(see_nop_idmap, host, MAY_WRITE);
	see_auth_want(st, host, &attr);
	/* the times of what one may write are one's own, those of the rest the owner's */
	if (!err && !data && !timespec64_equal(&then, &now))
		err = inode_owner_or_capable(see_nop_idmap, host) ||
		      !inode_permission(see_nop_idmap, host, MAY_WRITE) ? 0 : -EPERM;
	if (err || !attr.ia_valid)
		return err;
	mode = attr.ia_mode;
	err = may_setattr(see_nop_idmap, host, attr.ia_valid);
	if (!err)
		err = setattr_prepare(see_nop_idmap, st->target, &attr);
	/* setattr_prepare() takes set-group-id away instead of refusing it */
	if (!err && (attr.ia_valid & ATTR_MODE) && attr.ia_mode != mode)
		err = -EPERM;
	return err;
}

static int see_auth_diff(struct dentry *dentry, const char *name, const void *value,
			 size_t size, void *arg)
{
	const struct cred *old = override_creds(arg);
	int err = see_auth_xattr(d_inode(dentry), name);

	revert_creds(old);
	return err;
}

static int see_auth_modify(struct see_tx *tx, struct see_tx_step *st)
{
	const struct cred *old;
	int err = see_auth_attrs(tx, st);

	if (err || see_auth_all())
		return err;
	/* not everybody sees what is to be changed */
	old = override_creds(see_tx_sb(tx, st->layer)->cred);
	err = see_xattr_diff(see_priv(st->object), st->target, see_auth_diff,
			     (void *)tx->caller);
	revert_creds(old);
	return err;
}

/* ---- one step ---- */

/* of a step other than MODIFY; the locks of the directories may be held */
static int see_auth_names(struct see_tx *tx, struct see_tx_step *st)
{
	struct dentry *sdir = see_tx_dir(tx, &st->src), *ddir = see_tx_dir(tx, &st->dst);
	struct inode *moved = st->src.inode;
	int err = 0;

	if (st->src.host) {
		err = see_auth_dir(sdir);
		if (!err)
			err = see_auth_delete(sdir, moved);
	}
	if (!err && st->dst.host && ddir)
		err = see_auth_dir(ddir);
	if (!err && st->dst.host && ddir && st->dst.inode)
		err = see_auth_delete(ddir, st->dst.inode);
	/* a directory with another parent has another ".." */
	if (!err && st->kind == SEE_STEP_RENAME && st->src.host && S_ISDIR(moved->i_mode) &&
	    sdir != ddir)
		err = inode_permission(see_nop_idmap, moved, MAY_WRITE);
	return err;
}

static int see_auth_put(struct see_tx *tx, struct see_tx_step *st)
{
	if (!st->dst.host || st->src.host || st->kind == SEE_STEP_RMDIR)
		return 0;
	/* a rename, if a name of it goes as well: who may remove that may do so */
	if (st->prepare == SEE_PREPARE_LINK)
		return xa_load(&tx->removed, (unsigned long)st->src.inode) ?
			0 : see_auth_link(st->src.inode);
	/* one that is made again is judged when it is there */
	if (!st->src.inode)
		return 0;
	/* moved by another step of this commit */
	if (st->what & SEE_CHANGE_NAME_LINKED && !st->prepare)
		return 0;
	return see_auth_tree(tx, st);
}

/**
 * see_auth_step - may the caller do this?
 * @tx: the commit
 * @st: one of its steps
 *
 * Context: no write access to a file system is held, since trees are read.
 * Return: 0; -EPERM, -EACCES, -EROFS; or another error.
 */
int see_auth_step(struct see_tx *tx, struct see_tx_step *st)
{
	struct see_layer *layer = see_tx_sb(tx, st->layer);
	const struct cred *old;
	int err = 0;

	if (!st->kind || !see_guard(SEE_GUARD_AUTHORITY))
		return 0;
	if (__mnt_is_readonly(tx->layer[st->layer].caller.mnt))
		return -EROFS;
	old = override_creds(tx->caller);
	if (st->dir)
		err = see_auth_walk(layer, st->dir);
	else
		err = see_auth_walk_host(layer, st->target);
	if (!err && st->kind == SEE_STEP_MODIFY)
		err = see_auth_modify(tx, st);
	else if (!err)
		err = see_auth_names(tx, st);
	if (!err && st->kind != SEE_STEP_MODIFY)
		err = see_auth_put(tx, st);
	revert_creds(old);
	return err;
}

/**
 * see_auth_locked - once more, where it is done
 * @tx: the commit
 * @st: one of its steps, after see_auth_step()
 *
 * What can change under the caller's feet: the directories, and the object.
 *
 * Context: the i_rwsem of the directories or of the object is held.
 */
int see_auth_locked(struct see_tx *tx, struct see_tx_step *st)
{
	const struct cred *old;
	int err;

	if (!see_guard(SEE_GUARD_AUTHORITY))
		return 0;
	old = override_creds(tx->caller);
	err = st->kind == SEE_STEP_MODIFY ? see_auth_modify(tx, st) :
					    see_auth_names(tx, st);
	revert_creds(old);
	return err;
}
