// SPDX-License-Identifier: GPL-2.0
/*
 * revert.c - take a change back in the private tree
 *
 * Owns nothing.  Removes on disk what makes the change; the layer is loaded anew
 * afterwards (control.c), so that nothing in memory need follow.  Nobody uses it
 * meanwhile.
 */
#include <linux/cred.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/namei.h>

#include "changes.h"
#include "commit.h"
#include "inode.h"
#include "lower.h"
#include "map_format.h"
#include "names.h"
#include "revert.h"
#include "tree.h"
#include "version.h"

static const struct qstr see_object_name = QSTR_INIT(SEE_BOX_OBJECT,
						     sizeof(SEE_BOX_OBJECT) - 1);
static const struct qstr see_map_name = QSTR_INIT(SEE_BOX_MAP, sizeof(SEE_BOX_MAP) - 1);

/* remove an entry of a directory of a container, if there is one */
static int see_drop(struct see_layer *layer, struct inode *dir, enum see_sub which,
		    const char *name)
{
	struct see_names *names = see_names(dir);
	struct dentry *sub = names ? see_sub_of(names, which) : NULL;
	struct qstr q = QSTR_INIT(name, strlen(name));

	return sub ? see_tree_discard(layer, sub, &q) : 0;
}

/* what the host does from now on is a conflict, and what it did before is none */
static int see_first_again(struct see_layer *layer, struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	struct inode *lower = d_inode(si->lower);
	struct see_op op;
	int err;

	err = see_version_sample(layer, si->lower, &si->first);
	if (!err)
		err = see_first_xattrs(inode, &si->first_xattrs);
	if (!err)
		err = see_begin(inode->i_sb, &op);
	if (err)
		return err;
	si->first_mode = lower->i_mode;
	si->first_uid = lower->i_uid;
	si->first_gid = lower->i_gid;
	err = see_tree_renew(inode);
	see_end(&op);
	return err;
}

/* the object is the host's again */
static int see_drop_object(struct see_layer *layer, struct inode *inode)
{
	struct dentry *box;
	int err;

	/*
	 * What could not be written back is not to be when the layer goes, nor by a
	 * flusher that tries once more: see_write_inode() does nothing from here on, and
	 * this waits for who is in it.
	 */
	clear_bit(SEE_I_ATTRS, &see_i(inode)->flags);
	sync_inode_metadata(inode, 1);
	if (S_ISREG(inode->i_mode)) {
		filemap_invalidate_lock(inode->i_mapping);
		truncate_inode_pages(inode->i_mapping, 0);
		filemap_invalidate_unlock(inode->i_mapping);
	}
	/* made only now, maybe */
	box = see_boxed(inode);
	if (!box)
		return 0;
	/* without its map the object has no data of its own, only attributes */
	err = see_tree_discard(layer, box, &see_map_name);
	if (!err)
		err = see_tree_discard(layer, box, &see_object_name);
	return err || see_gone(inode) ? err : see_first_again(layer, inode);
}

/* of what the host dropped there is nothing else: not as long as it has a name */
static int see_drop_unnamed(struct see_layer *layer, struct inode *inode)
{
	if (see_gone(inode) &&
	    (see_test(inode, SEE_I_KEEPS) || atomic_read(&see_i(inode)->links) > 0))
		return 0;
	return see_drop_object(layer, inode);
}

/* the tombstone where the host has a directory that was renamed */
static int see_drop_origin(struct see_layer *layer, struct inode *inode)
{
	struct dentry *lower = see_i(inode)->lower, *parent;
	struct name_snapshot snap;
	struct inode *up;
	int err = 0;

	if (!lower || !S_ISDIR(inode->i_mode))
		return 0;
	parent = dget_parent(lower);
	up = see_ilookup(inode->i_sb, d_inode(parent));
	dput(parent);
	if (!up)
		return 0;
	take_dentry_name_snapshot(&snap, lower);
	err = see_drop(layer, up, SEE_SUB_REMOVED, (const char *)snap.name.name);
	release_dentry_name_snapshot(&snap);
	iput(up);
	return err;
}

/* a directory has one name: with that on the host, the other one goes */
static int see_drop_placed(struct see_layer *layer, struct inode *dir, const char *name)
{
	struct dentry *lower = see_i(dir)->lower, *host;
	char other[NAME_MAX + 1];
	struct inode *inode, *up;
	int err = 0;

	if (!lower || IS_DEADDIR(d_inode(lower)))
		return 0;
	host = see_lookup_priv(lower, name, strlen(name));
	if (IS_ERR(host))
		return PTR_ERR(host) == -ENOENT ? 0 : PTR_ERR(host);
	inode = d_is_dir(host) ? see_ilookup(dir->i_sb, d_inode(host)) : NULL;
	dput(host);
	if (inode && see_test(inode, SEE_I_PLACED)) {
		up = see_find_named(layer, inode, SEE_NAME_LINKED, other);
		err = IS_ERR(up) ? 0 : see_drop(layer, up, SEE_SUB_LINKED, other);
		if (!IS_ERR(up))
			iput(up);
	}
	iput(inode);
	return err;
}

/* with what is below it if a mark could not be removed */
static int see_drop_made(struct see_layer *layer, struct inode *dir, const char *name)
{
	struct qstr q = QSTR_INIT(name, strlen(name));
	struct see_name found;
	int err = see_drop(layer, dir, SEE_SUB_LINKED, name);

	see_names_find(dir, &q, &found);
	if (!err && !found.follow)
		err = see_drop(layer, dir, SEE_SUB_FOLLOW, name);
	return err ?: see_drop(layer, dir, SEE_SUB_MADE, name);
}

static int see_revert_name(struct see_layer *layer, struct see_tx_step *st)
{
	const char *slash = strrchr(st->path, '/');
	const char *name = slash ? slash + 1 : st->path;
	int err = 0;

	if (st->what & SEE_CHANGE_NAME_MADE)
		err = see_drop_made(layer, st->dir, name);
	if (st->what & SEE_CHANGE_NAME_LINKED) {
		err = see_drop(layer, st->dir, SEE_SUB_LINKED, name);
		if (!err)
			err = see_drop_origin(layer, st->object);
		if (!err)
			see_placed(st->object, -1);
		if (!err && see_gone(st->object))
			err = see_drop_unnamed(layer, st->object);
	}
	if (st->what & SEE_CHANGE_NAME_KEPT) {
		struct qstr q = QSTR_INIT(name, strlen(name));

		err = see_drop(layer, st->dir, SEE_SUB_FOLLOW, name);
		if (!err)
			see_names_unfollow(st->dir, &q, st->object);
		if (!err)
			err = see_drop_unnamed(layer, st->object);
	}
	if (!err && (st->what & SEE_CHANGE_NAME_REMOVED))
		err = see_drop_placed(layer, st->dir, name);
	/* last: until then the host's name stays covered */
	return err ?: see_drop(layer, st->dir, SEE_SUB_REMOVED, name);
}

/**
 * see_revert_step - take one change back
 * @tx: with SEE_START_REVERT
 * @st: one of its steps
 *
 * Return: 0, or what the private tree's file system said.
 */
int see_revert_step(struct see_tx *tx, struct see_tx_step *st)
{
	struct see_layer *layer = see_tx_sb(tx, st->layer);
	const struct cred *old = override_creds(layer->cred);
	int err;

	err = st->dir ? see_revert_name(layer, st) : see_drop_unnamed(layer, st->object);
	revert_creds(old);
	return err;
}
