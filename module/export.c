// SPDX-License-Identifier: GPL-2.0
/*
 * export.c - file handles of a layer
 *
 * Owns nothing.  A handle is that of the host object, or of what the private tree has
 * of one that was born or that the host dropped, with one word before it that says
 * which, and so stays the same through first write, rename, eviction and remount.
 *
 * A handle can be forged, and host handles lead anywhere on the host's file
 * system.  So one is decoded only with proof of its place: the layer has the
 * object in memory, reached by a name before, or the host has a name of it in
 * memory (of a directory it always has) that leads down from the layer's root
 * and that the SEE did not take away.  Anything else is ESTALE.
 */
#include <linux/exportfs.h>
#include <linux/fs.h>

#include "gate.h"
#include "inode.h"
#include "lookup.h"
#include "names.h"
#include "super.h"

/* the handle's own type; FILEID_* of the file systems below are in word 0 */
#define SEE_FILEID	0xb5

#define SEE_FID_PRIVATE	0x100	/* beside the type in word 0 */

/*
 * The real object that a handle is made of: what its inode is found by.  Only that
 * leads from a handle to an object that was gone from the host at mount.
 */
static struct dentry *see_fh_real(struct inode *inode, bool *private)
{
	struct see_inode *si = see_i(inode);
	struct dentry *real = si->lower;

	*private = see_born(inode) || !real;
	if (*private) {
		real = see_priv(inode);
		if (!real || d_inode(real) != si->key)
			real = see_boxed(inode) ?: real;
	}
	return real;
}

static int see_encode_fh(struct inode *inode, u32 *fh, int *max_len,
			 struct inode *parent)
{
	int words = *max_len - 1, type;
	struct dentry *real;
	bool private;

	/* connectable handles would change with a rename */
	if (parent)
		return FILEID_INVALID;
	if (words < 0)
		words = 0;
	/* in a place that a commit may be about to change */
	spin_lock(&inode->i_lock);
	real = see_fh_real(inode, &private);
	if (real)
		dget(real);
	spin_unlock(&inode->i_lock);
	if (!real)
		return FILEID_INVALID;
	type = exportfs_encode_fh(real, words ? (struct fid *)(fh + 1) : NULL,
				  &words, 0);
	dput(real);
	*max_len = words + 1;
	if (type < 0 || type == FILEID_INVALID || type > 0xff)
		return FILEID_INVALID;
	/* where both are of one file system, one number names both */
	fh[0] = type | (private && !see_layer(inode->i_sb)->samefs ? SEE_FID_PRIVATE : 0);
	return SEE_FILEID;
}

static int see_fh_acceptable(void *context, struct dentry *dentry)
{
	return 1;
}

/* did the SEE put something else, or nothing, in the place of this host name? */
static bool see_covered(struct super_block *sb, struct dentry *parent,
			struct dentry *dentry)
{
	struct inode *dir = see_ilookup(sb, d_inode(parent));
	struct name_snapshot snap;
	bool ret = false;

	if (dir) {
		take_dentry_name_snapshot(&snap, dentry);
		ret = see_names_hides(dir, (const char *)snap.name.name,
				      snap.name.len);
		release_dentry_name_snapshot(&snap);
		iput(dir);
	}
	return ret;
}

/* does this host name lead down from the layer's root, for the SEE too? */
static bool see_in_layer(struct super_block *sb, struct dentry *name)
{
	struct see_layer *layer = see_layer(sb);
	struct dentry *d = dget(name), *up;
	bool ret = false;

	while (!see_hidden(layer, d)) {
		if (d == layer->lower.dentry) {
			ret = true;
			break;
		}
		if (IS_ROOT(d))
			break;
		up = dget_parent(d);
		if (see_covered(sb, up, d)) {
			dput(up);
			break;
		}
		dput(d);
		d = up;
	}
	dput(d);
	return ret;
}

/*
 * The inode of a host object that a name of the host in the layer leads to.
 * @place is set for a directory: what to give a place in the dcache.
 */
static struct inode *see_prove(struct super_block *sb, struct dentry *real,
			       struct dentry **place)
{
	struct dentry *alias = d_find_alias(d_inode(real));
	struct inode *inode = NULL;

	if (alias && see_in_layer(sb, alias)) {
		inode = see_iget(sb, alias, NULL);
		if (!IS_ERR(inode) && S_ISDIR(inode->i_mode))
			*place = dget(alias);
	}
	dput(alias);
	return inode;
}

/* what @real is in the layer, NULL if nothing proves that it is there */
static struct inode *see_of_handle(struct super_block *sb, struct dentry *real,
				   bool private, struct dentry **place)
{
	struct inode *inode;
	int err = see_look_enter(sb);

	if (err)
		return ERR_PTR(err);
	inode = see_ilookup(sb, d_inode(real));
	if (inode && !see_layer(sb)->samefs &&
	    (see_born(inode) || !see_lower_inode(inode)) != private) {
		iput(inode);
		inode = NULL;
	}
	if (!inode && !private)
		inode = see_prove(sb, real, place);
	see_look_leave(sb);
	return inode;
}

static struct dentry *see_fh_to_dentry(struct super_block *sb, struct fid *fid,
				       int fh_len, int fh_type)
{
	struct see_layer *layer = see_layer(sb);
	u32 *fh = fid->raw;
	struct dentry *real, *place = NULL;
	struct inode *inode = NULL;
	const struct cred *old;
	bool private;

	if (fh_type != SEE_FILEID || fh_len < 2 ||
	    (fh[0] & ~(SEE_FID_PRIVATE | 0xffU)))
		return NULL;
	private = fh[0] & SEE_FID_PRIVATE;
	old = override_creds(layer->cred);
	real = exportfs_decode_fh(private ? layer->priv.mnt : layer->lower.mnt,
				  (struct fid *)(fh + 1), fh_len - 1,
				  fh[0] & 0xff, see_fh_acceptable, NULL);
	if (IS_ERR_OR_NULL(real)) {
		revert_creds(old);
		return real == ERR_PTR(-ENOMEM) ? real : ERR_PTR(-ESTALE);
	}
	if (d_is_positive(real))
		inode = see_of_handle(sb, real, private, &place);
	/* a directory without a place would be of no use */
	if (place)
		see_reconnect(sb, place);
	dput(place);
	revert_creds(old);
	dput(real);
	if (IS_ERR(inode))
		return ERR_CAST(inode);
	if (!inode)
		return ERR_PTR(-ESTALE);
	return d_obtain_alias(inode);
}

const struct export_operations see_export_ops = {
	.encode_fh	= see_encode_fh,
	.fh_to_dentry	= see_fh_to_dentry,
};
