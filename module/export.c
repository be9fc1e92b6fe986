// SPDX-License-Identifier: GPL-2.0
/*
 * export.c - file handles of a layer
 *
 * Owns nothing.  A handle is that of the host object or of the born one, with
 * one word before it that says which, and so stays the same through first
 * write, rename, eviction and remount.
 *
 * A handle can be forged, and host handles lead anywhere on the host's file
 * system.  So one is decoded only with proof of its place: the layer has the
 * object in memory, reached by a name before; for a directory of the host also
 * if its ancestors lead to the layer's root.  Anything else is ESTALE.
 */
#include <linux/exportfs.h>
#include <linux/fs.h>

#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "super.h"

/* the handle's own type; FILEID_* of the file systems below are in word 0 */
#define SEE_FILEID	0xb5

#define SEE_FID_BORN	0x100	/* beside the type in word 0 */

static int see_encode_fh(struct inode *inode, u32 *fh, int *max_len,
			 struct inode *parent)
{
	bool born = see_test(inode, SEE_I_BORN);
	struct dentry *real = born ? see_priv(inode) : see_i(inode)->lower;
	int words = *max_len - 1, type;

	/* connectable handles would change with a rename */
	if (parent || !real)
		return FILEID_INVALID;
	if (words < 0)
		words = 0;
	type = exportfs_encode_fh(real, words ? (struct fid *)(fh + 1) : NULL,
				  &words, 0);
	*max_len = words + 1;
	if (type < 0 || type == FILEID_INVALID || type > 0xff)
		return FILEID_INVALID;
	fh[0] = type | (born ? SEE_FID_BORN : 0);
	return SEE_FILEID;
}

static int see_fh_acceptable(void *context, struct dentry *dentry)
{
	return 1;
}

/* is every ancestor up to the layer's root one that a name may lead to? */
static bool see_in_layer(struct see_layer *layer, struct dentry *dir)
{
	struct dentry *d = dget(dir), *up;
	bool ret = false;

	while (!see_hidden(layer, d)) {
		if (d == layer->lower.dentry) {
			ret = true;
			break;
		}
		if (IS_ROOT(d))
			break;
		up = dget_parent(d);
		dput(d);
		d = up;
	}
	dput(d);
	return ret;
}

static struct dentry *see_fh_to_dentry(struct super_block *sb, struct fid *fid,
				       int fh_len, int fh_type)
{
	struct see_layer *layer = see_layer(sb);
	u32 *fh = fid->raw;
	struct inode *inode = NULL;
	struct dentry *real;
	const struct cred *old;
	bool born;

	if (fh_type != SEE_FILEID || fh_len < 2 ||
	    (fh[0] & ~(SEE_FID_BORN | 0xffU)))
		return NULL;
	born = fh[0] & SEE_FID_BORN;
	old = override_creds(layer->cred);
	real = exportfs_decode_fh(born ? layer->priv.mnt : layer->lower.mnt,
				  (struct fid *)(fh + 1), fh_len - 1,
				  fh[0] & 0xff, see_fh_acceptable, NULL);
	if (IS_ERR_OR_NULL(real)) {
		revert_creds(old);
		return real == ERR_PTR(-ENOMEM) ? real : ERR_PTR(-ESTALE);
	}
	if (d_is_positive(real)) {
		inode = see_ilookup(sb, d_inode(real));
		if (inode && see_test(inode, SEE_I_BORN) != born) {
			iput(inode);
			inode = NULL;
		}
		if (!inode && !born && d_is_dir(real) &&
		    see_in_layer(layer, real))
			inode = see_iget(sb, real, NULL);
	}
	revert_creds(old);
	dput(real);
	if (!inode)
		return ERR_PTR(-ESTALE);
	return d_obtain_alias(inode);
}

const struct export_operations see_export_ops = {
	.encode_fh	= see_encode_fh,
	.fh_to_dentry	= see_fh_to_dentry,
};
