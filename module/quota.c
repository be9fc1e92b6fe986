// SPDX-License-Identifier: GPL-2.0
/*
 * quota.c - what a SEE occupies, and how much that may be
 *
 * A limit belongs to a group: the layers of a SEE.  Each layer counts what its
 * private tree occupies, the group the sum.  Before something grows, the most
 * that it may take is reserved, or refused; afterwards the objects concerned
 * are measured (see_quota_settle()), their new cost takes the place of the old
 * one, and the reservation is given back.  What is measured is what the file
 * system says that it has allocated or promised, so that truncating, punching
 * and unlinking give back, and nothing that sparse files do not occupy counts.
 *
 * On top, each name of the SEE's own and each part of a container counts as
 * SEE_QUOTA_NAME, for its inode and where directories have no blocks; extended
 * attributes count by their size, and chunks of the block map by that of their
 * record.  What only removes is never refused, but counts.
 *
 * Owns struct see_quota, see_layer.quota, .used and .unsettled, and
 * see_inode.cost.  Without a limit nothing is counted.  Calls vfs_getattr() and
 * vfs_listxattr() on the private tree, and see_tree_walk() at mount; called by
 * super.c, space.c, blockmap.c, born.c, writeback.c, hold.c, side.c, namei.c,
 * rename.c, attr.c, inode.c.
 */
#include <linux/list.h>
#include <linux/pagemap.h>
#include <linux/slab.h>
#include <linux/stat.h>
#include <linux/statfs.h>
#include <linux/xattr.h>

#include "blockmap.h"
#include "inode.h"
#include "lower.h"
#include "names.h"
#include "quota.h"
#include "tree.h"

/* what an extended attribute takes besides its name and value */
#define SEE_QUOTA_XATTR	64

/**
 * struct see_quota - a limit that layers share
 * @list: see_quotas
 * @layers: how many; see_quotas_lock
 * @group: the SEE's id; 0: of one layer alone
 * @limit: bytes
 * @used: bytes, with what is reserved
 */
struct see_quota {
	struct list_head list;
	unsigned int layers;
	u64 group;
	s64 limit;
	atomic64_t used;
};

static LIST_HEAD(see_quotas);
static DEFINE_MUTEX(see_quotas_lock);

/* ---- groups ---- */

static struct see_quota *see_quota_find(u64 group)
{
	struct see_quota *q;

	list_for_each_entry(q, &see_quotas, list)
		if (group && q->group == group)
			return q;
	return NULL;
}

/**
 * see_quota_attach - put a new layer under a limit
 * @layer: the layer
 * @group: which layers share it: the id of a SEE, or 0 for none
 * @limit: bytes
 */
int see_quota_attach(struct see_layer *layer, u64 group, u64 limit)
{
	struct see_quota *q, *new;

	new = kzalloc(sizeof(*new), GFP_KERNEL_ACCOUNT);
	if (!new)
		return -ENOMEM;
	mutex_lock(&see_quotas_lock);
	q = see_quota_find(group);
	if (!q) {
		q = new;
		new = NULL;
		q->group = group;
		list_add(&q->list, &see_quotas);
	}
	WRITE_ONCE(q->limit, limit);
	q->layers++;
	layer->quota = q;
	mutex_unlock(&see_quotas_lock);
	kfree(new);
	return 0;
}

/**
 * see_quota_detach - the layer goes, and what it occupies does not count
 * @layer: the layer
 */
void see_quota_detach(struct see_layer *layer)
{
	struct see_quota *q = layer->quota;

	xa_destroy(&layer->unsettled);
	if (!q)
		return;
	mutex_lock(&see_quotas_lock);
	layer->quota = NULL;
	atomic64_sub(atomic64_read(&layer->used), &q->used);
	if (--q->layers) {
		q = NULL;
	} else {
		WARN_ON_ONCE(atomic64_read(&q->used));
		list_del(&q->list);
	}
	mutex_unlock(&see_quotas_lock);
	kfree(q);
}

/**
 * see_quota_get - the limit of a layer's group, and how much of it is used
 * @layer: the layer
 * @limit: bytes; unchanged if there is none
 * @used: bytes; the same
 */
void see_quota_get(struct see_layer *layer, u64 *limit, u64 *used)
{
	struct see_quota *q = layer->quota;

	if (!q)
		return;
	*limit = READ_ONCE(q->limit);
	*used = max_t(s64, atomic64_read(&q->used), 0);
}

/**
 * see_quota_statfs - as if the file system were as large as the limit
 * @layer: the layer
 * @buf: of the private file system
 */
void see_quota_statfs(struct see_layer *layer, struct kstatfs *buf)
{
	u64 limit, used, room;

	if (!layer->quota || buf->f_bsize <= 0)
		return;
	see_quota_get(layer, &limit, &used);
	room = used < limit ? div64_u64(limit - used, buf->f_bsize) : 0;
	buf->f_blocks = min_t(u64, buf->f_blocks, div64_u64(limit, buf->f_bsize));
	buf->f_bfree = min_t(u64, buf->f_bfree, room);
	buf->f_bavail = min_t(u64, buf->f_bavail, room);
}

/* ---- bytes ---- */

/**
 * see_quota_charge - bytes that are occupied, whatever the limit
 * @layer: the layer
 * @bytes: how many more
 */
void see_quota_charge(struct see_layer *layer, s64 bytes)
{
	if (!layer->quota || !bytes)
		return;
	atomic64_add(bytes, &layer->used);
	atomic64_add(bytes, &layer->quota->used);
}

/**
 * see_quota_reserve - bytes that may be occupied soon
 * @layer: the layer
 * @bytes: how many at the most
 *
 * Return: 0 or -ENOSPC.
 */
int see_quota_reserve(struct see_layer *layer, u64 bytes)
{
	struct see_quota *q = layer->quota;
	s64 used, room;

	if (!q || !bytes)
		return 0;
	/* not add and look: who is refused must not be in the way of others */
	used = atomic64_read(&q->used);
	do {
		room = READ_ONCE(q->limit) - used;
		if (room < 0 || bytes > room)
			return -ENOSPC;
	} while (!atomic64_try_cmpxchg(&q->used, &used, used + bytes));
	atomic64_add(bytes, &layer->used);
	return 0;
}

/**
 * see_quota_release - undo see_quota_reserve()
 * @layer: the layer
 * @bytes: the same number
 */
void see_quota_release(struct see_layer *layer, u64 bytes)
{
	see_quota_charge(layer, -(s64)bytes);
}

/**
 * see_quota_check - is there room for that much?
 * @layer: the layer
 * @bytes: how many
 *
 * For what takes them some other time.
 *
 * Return: 0 or -ENOSPC.
 */
int see_quota_check(struct see_layer *layer, u64 bytes)
{
	struct see_quota *q = layer->quota;
	s64 room;

	if (!q || !bytes)
		return 0;
	room = READ_ONCE(q->limit) - atomic64_read(&q->used);
	return room < 0 || bytes > room ? -ENOSPC : 0;
}

/* ---- objects ---- */

static u64 see_blocks(struct see_layer *layer, struct dentry *dentry)
{
	struct path path = { .mnt = layer->priv.mnt, .dentry = dentry };
	struct kstat stat;

	/* i_blocks alone lacks what is allocated late */
	if (vfs_getattr_nosec(&path, &stat, STATX_BLOCKS, AT_STATX_SYNC_AS_STAT))
		return 0;
	return (u64)stat.blocks << 9;
}

static u64 see_part_cost(struct see_layer *layer, struct dentry *dentry)
{
	/* parts of a container go with the object */
	if (!dentry || !d_inode(dentry)->i_nlink)
		return 0;
	return SEE_QUOTA_NAME + see_blocks(layer, dentry);
}

static unsigned int see_names_of_born(const struct inode *priv)
{
	return S_ISDIR(priv->i_mode) ? !!priv->i_nlink : priv->i_nlink;
}

/* what an object occupies, without its extended attributes */
static u64 see_cost(struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct see_names *names = see_names(inode);
	struct dentry *priv = see_priv(inode);
	u64 cost = see_part_cost(layer, see_boxed(inode));
	int i;

	for (i = 0; names && i < SEE_NR_SUBS; i++)
		cost += see_part_cost(layer, see_sub_of(names, i));
	if (see_born(inode))
		return cost + see_blocks(layer, priv) +
		       see_names_of_born(d_inode(priv)) * SEE_QUOTA_NAME;
	cost += see_part_cost(layer, priv);
	cost += max(atomic_read(&see_i(inode)->links), 0) * SEE_QUOTA_NAME;
	/* the map's header; the records are counted with the chunks */
	if (S_ISREG(inode->i_mode) && see_part(inode))
		cost += SEE_QUOTA_NAME + SEE_MAP_RECORD;
	return cost;
}

static void see_set_cost(struct inode *inode, u64 now, u64 reserved)
{
	see_quota_charge(see_layer(inode->i_sb), now - reserved -
			 atomic64_xchg(&see_i(inode)->cost, now));
}

/**
 * see_quota_settle - count what an object occupies now
 * @inode: the object
 *
 * Context: may sleep; legal under mmap_lock; takes no lock of ours.
 */
void see_quota_settle(struct inode *inode)
{
	see_quota_settle_reserved(inode, 0);
}

/**
 * see_quota_settle_reserved - see_quota_settle() and see_quota_release()
 * @inode: the object
 * @bytes: what was reserved for it
 *
 * At once, so that nothing counts twice in between, nor not at all.
 */
void see_quota_settle_reserved(struct inode *inode, u64 bytes)
{
	if (see_layer(inode->i_sb)->quota)
		see_set_cost(inode, see_cost(inode), bytes);
}

static bool see_unsettled(struct inode *priv, u64 blocks)
{
	return mapping_tagged(priv->i_mapping, PAGECACHE_TAG_DIRTY) ||
	       mapping_tagged(priv->i_mapping, PAGECACHE_TAG_WRITEBACK) ||
	       blocks > round_up((u64)i_size_read(priv), SEE_BLOCK_SIZE);
}

/**
 * see_quota_found - a born object comes into memory that is counted already
 * @inode: new, with its private object
 */
void see_quota_found(struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	void *cost;

	if (!layer->quota)
		return;
	cost = xa_erase(&layer->unsettled, d_inode(see_priv(inode))->i_ino);
	atomic64_set(&see_i(inode)->cost, xa_is_value(cost) ?
		     (u64)xa_to_value(cost) << 9 : see_cost(inode));
}

/**
 * see_quota_made - a born object is new
 * @inode: after see_quota_found()
 */
void see_quota_made(struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);

	if (!layer->quota)
		return;
	atomic64_set(&see_i(inode)->cost, 0);
	see_quota_charge(layer, see_quota_xattrs(layer, see_priv(inode)));
	see_quota_settle(inode);
}

/**
 * see_quota_evict - an object leaves memory
 * @inode: with its private object
 *
 * What has no name any more, born or changed, gives back what it occupied.  Else it stays
 * counted, and the number has to be remembered if it may change while nobody
 * looks: what is given back later must be what was counted.
 */
void see_quota_evict(struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct dentry *dentry = see_priv(inode);
	struct inode *priv;
	u64 cost;

	if (!layer->quota || !(inode->i_sb->s_flags & SB_ACTIVE))
		return;
	if (see_adrift(inode) || (dentry && see_born(inode) &&
				  !d_inode(dentry)->i_nlink)) {
		if (dentry)
			see_quota_charge(layer, -see_quota_xattrs(layer, dentry));
		see_set_cost(inode, 0, 0);
		return;
	}
	if (!dentry || !see_born(inode))
		return;
	priv = d_inode(dentry);
	see_quota_settle(inode);
	cost = atomic64_read(&see_i(inode)->cost);
	/* without memory for it, what is counted differs a little */
	if (S_ISREG(priv->i_mode) &&
	    see_unsettled(priv, cost - see_names_of_born(priv) * SEE_QUOTA_NAME))
		xa_store(&layer->unsettled, priv->i_ino, xa_mk_value(cost >> 9),
			 GFP_NOFS);
}

/**
 * see_quota_xattrs - what the extended attributes of a private object count
 * @layer: the layer
 * @dentry: the private object
 *
 * Return: bytes; 0 without a limit.
 */
s64 see_quota_xattrs(struct see_layer *layer, struct dentry *dentry)
{
	const struct cred *old;
	char *list, *name;
	ssize_t len, size;
	s64 sum = 0;

	if (!layer->quota)
		return 0;
	old = override_creds(layer->cred);
	len = vfs_listxattr(dentry, NULL, 0);
	list = len > 0 ? kvmalloc(len, GFP_NOFS) : NULL;
	if (list)
		len = vfs_listxattr(dentry, list, len);
	for (name = list; name && name < list + len; name += strlen(name) + 1) {
		if (!strncmp(name, SEE_XATTR_PREFIX, strlen(SEE_XATTR_PREFIX)))
			continue;
		size = see_getxattr(dentry, name, NULL, 0);
		sum += strlen(name) + max_t(ssize_t, size, 0) + SEE_QUOTA_XATTR;
	}
	kvfree(list);
	revert_creds(old);
	return sum;
}

/* ---- mount ---- */

static void see_quota_seen(struct see_layer *layer, struct dentry *dentry)
{
	struct inode *priv = d_inode(dentry);
	unsigned int names = max(see_names_of_born(priv), 1U);

	see_quota_charge(layer, SEE_QUOTA_NAME +
			 div_u64(see_blocks(layer, dentry), names) +
			 div_s64(see_quota_xattrs(layer, dentry), names));
}

/**
 * see_quota_load - count what is there already
 * @sb: superblock, its private tree loaded
 *
 * Walks what was born in the SEE.
 *
 * Context: the mounter's credentials; nobody else has the layer yet.
 */
int see_quota_load(struct super_block *sb)
{
	struct see_layer *layer = see_layer(sb);
	struct see_inode *si;
	int err = 0;

	if (!layer->quota)
		return 0;
	list_for_each_entry(si, &layer->changed, changed) {
		struct inode *inode = &si->vfs_inode;
		struct see_names *names = see_names(inode);

		see_quota_settle(inode);
		if (see_born(inode))
			continue;
		if (see_priv(inode))
			see_quota_charge(layer, see_quota_xattrs(layer, see_priv(inode)));
		if (names && names->sub[SEE_SUB_MADE])
			err = see_tree_walk(layer, names->sub[SEE_SUB_MADE],
					    see_quota_seen);
		if (err)
			break;
	}
	return err;
}
