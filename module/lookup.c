// SPDX-License-Identifier: GPL-2.0
/*
 * lookup.c - from a name to an object, on a host that never stands still
 *
 * Owns dentry->d_fsdata (the lower dentry of a name of the host, pinned for
 * the life of the seefs dentry) and dentry->d_time, the token.
 *
 * The token of a name of the host is made of two sequence counts, our
 * dentry's and the lower dentry's.  see_bind() alone writes it, under both
 * d_locks, after it saw there that both are the same name of the same object.
 * Every change of either name raises one of the counts, so that two
 * comparisons without a lock are enough afterwards, in RCU walk too.  A race
 * leaves SEE_TOKEN_NEVER, which makes the next walk ask again.
 *
 * Lock order: our directory's i_rwsem, then the host directory's (inside
 * see_lookup_one()); our d_lock, then the lower's.
 */
#include <linux/delay.h>
#include <linux/namei.h>
#include <linux/slab.h>

#include "gate.h"
#include "guards.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "names.h"
#include "version.h"

/* d_splice_alias() gives up where it would have to wait for a lock */
#define SEE_SPLICE_TRIES	64
#define SEE_SPLICE_MIN_US	50
#define SEE_SPLICE_MAX_US	1000

static struct dentry *see_lower(const struct dentry *dentry)
{
	return dentry->d_fsdata;
}

static unsigned long see_token(const struct dentry *dentry,
			       const struct dentry *lower)
{
	return (unsigned long)READ_ONCE(dentry->d_seq.seqcount.sequence) << 32 |
	       READ_ONCE(lower->d_seq.seqcount.sequence);
}

/*
 * Bind the name of @dentry to the name of its lower as both are now.
 * Return: true if they are the same name of the same thing.
 */
static bool see_bind(struct dentry *dentry)
{
	struct dentry *lower = see_lower(dentry), *parent;
	struct inode *inode, *li;
	bool ok = false;

	spin_lock(&dentry->d_lock);
	spin_lock_nested(&lower->d_lock, DENTRY_D_LOCK_NESTED);
	parent = see_i(d_inode(dentry->d_parent))->lower;
	inode = d_inode(dentry);
	li = d_inode(lower);
	if (parent && !d_unhashed(lower) && lower->d_parent == parent &&
	    (inode ? see_i(inode)->key : NULL) == li &&
	    d_same_name(lower, parent, &dentry->d_name)) {
		WRITE_ONCE(dentry->d_time, see_token(dentry, lower));
		ok = true;
	} else {
		WRITE_ONCE(dentry->d_time, SEE_TOKEN_NEVER);
	}
	spin_unlock(&lower->d_lock);
	spin_unlock(&dentry->d_lock);
	return ok;
}

/*
 * A changed object may come back to this name when the host drops it.  That
 * is no change of the name on the host, so no token can tell: ask each time.
 */
static bool see_still_host(struct dentry *dentry)
{
	struct dentry *parent = dget_parent(dentry);
	struct name_snapshot snap;
	struct see_name found;
	bool ret = true;

	if (see_names(d_inode(parent))) {
		take_dentry_name_snapshot(&snap, dentry);
		if (see_names_find(d_inode(parent), &snap.name, &found) ==
		    SEE_NAME_FOLLOW) {
			WRITE_ONCE(dentry->d_time, SEE_TOKEN_NEVER);
			ret = !see_gone(found.target) ||
			      d_inode(dentry) == found.target;
		}
		release_dentry_name_snapshot(&snap);
	}
	dput(parent);
	return ret;
}

/**
 * see_distrust - names that a changed object may come back to
 * @inode: the object; its names must be asked for each time
 * @dir: directory of the name that it follows
 * @name: that name, whatever it stands for now
 */
void see_distrust(struct inode *inode, struct inode *dir, const char *name)
{
	struct dentry *d, *alias = d_find_any_alias(dir);
	struct qstr q = QSTR_INIT(name, strlen(name));

	if (alias) {
		q.hash = full_name_hash(alias, name, q.len);
		d = d_lookup(alias, &q);
		if (d && see_lower(d) && READ_ONCE(d->d_time) != SEE_TOKEN_PRIV)
			WRITE_ONCE(d->d_time, SEE_TOKEN_NEVER);
		else if (d && d_is_negative(d))
			d_drop(d);
		dput(d);
		dput(alias);
	}

	spin_lock(&inode->i_lock);
	for_each_alias(d, inode)
		if (READ_ONCE(d->d_time) != SEE_TOKEN_PRIV)
			WRITE_ONCE(d->d_time, SEE_TOKEN_NEVER);
	spin_unlock(&inode->i_lock);
}

/* a name that was the SEE's until it was committed: what the host has there */
static struct dentry *see_adopt(struct dentry *dentry)
{
	struct see_layer *layer = see_layer(dentry->d_sb);
	struct dentry *parent = dget_parent(dentry), *dir, *lower = NULL;
	struct name_snapshot snap;
	const struct cred *old;

	dir = see_i(d_inode(parent))->lower;
	if (dir && !IS_DEADDIR(d_inode(dir))) {
		take_dentry_name_snapshot(&snap, dentry);
		old = override_creds(layer->cred);
		lower = see_lookup_one(see_mnt_idmap(layer->lower.mnt),
				       (const char *)snap.name.name, snap.name.len,
				       dir);
		revert_creds(old);
		release_dentry_name_snapshot(&snap);
	}
	dput(parent);
	if (IS_ERR_OR_NULL(lower))
		return NULL;
	spin_lock(&dentry->d_lock);
	if (!dentry->d_fsdata) {
		dentry->d_fsdata = lower;
		lower = NULL;
	}
	spin_unlock(&dentry->d_lock);
	dput(lower);
	return see_lower(dentry);
}

static int see_revalidate_slow(struct dentry *dentry, unsigned int flags)
{
	struct dentry *lower = see_lower(dentry);
	struct inode *inode;
	int ret;

	if (READ_ONCE(dentry->d_time) == SEE_TOKEN_PRIV) {
		inode = d_inode_rcu(dentry);
		if (!inode || !see_attr_stale(inode))
			return 1;
		if (flags & LOOKUP_RCU)
			return -ECHILD;
		see_copyattr(inode);
		return 1;
	}
	if (flags & LOOKUP_RCU)
		return -ECHILD;
	if (!lower)
		lower = see_adopt(dentry);
	if (!lower)
		return 0;
	if (lower->d_flags & DCACHE_OP_REVALIDATE) {
		ret = see_d_revalidate(lower, flags);
		if (ret <= 0)
			return ret;
	}
	inode = d_inode(dentry);
	/* a directory that the SEE put elsewhere has no name of the host */
	if (inode && see_test(inode, SEE_I_PLACED))
		goto out_drop;
	if (see_bind(dentry)) {
		if (!see_still_host(dentry))
			return 0;
		if (inode && see_attr_stale(inode))
			see_copyattr(inode);
		/* who checks by himself is asked each time */
		if (lower->d_flags & DCACHE_OP_REVALIDATE)
			WRITE_ONCE(dentry->d_time, SEE_TOKEN_NEVER);
		return 1;
	}
out_drop:
	/* moved, not removed: what is mounted in it follows with the alias */
	if (d_is_dir(dentry) && !d_unhashed(lower))
		d_drop(dentry);
	return 0;
}

static int see_revalidate_name(struct dentry *dentry, unsigned int flags)
{
	struct dentry *lower = see_lower(dentry);
	struct inode *inode;

	/* born, linked or removed by the SEE; or it was until a commit */
	if (unlikely(!lower))
		return see_revalidate_slow(dentry, flags);
	if (!see_guard(SEE_GUARD_NAME))
		return 1;
	inode = READ_ONCE(dentry->d_inode);
	if (!inode && !see_guard(SEE_GUARD_NEGATIVE))
		return 1;
	if (likely(READ_ONCE(dentry->d_time) == see_token(dentry, lower)) &&
	    (!inode || likely(!see_attr_stale(inode))))
		return 1;
	return see_revalidate_slow(dentry, flags);
}

static int __see_revalidate(struct dentry *dentry, unsigned int flags)
{
	int ret;

	if (flags & LOOKUP_RCU)
		return see_look_barred(dentry->d_sb) ? -ECHILD :
						       see_revalidate_name(dentry, flags);
	ret = see_look_enter(dentry->d_sb);
	if (ret)
		return ret;
	ret = see_revalidate_name(dentry, flags);
	see_look_leave(dentry->d_sb);
	return ret;
}

#ifdef SEE_HAVE_D_REVALIDATE_NAME
static int see_revalidate(struct inode *dir, const struct qstr *name,
			  struct dentry *dentry, unsigned int flags)
{
	return __see_revalidate(dentry, flags);
}
#else
static int see_revalidate(struct dentry *dentry, unsigned int flags)
{
	return __see_revalidate(dentry, flags);
}
#endif

static int see_d_init(struct dentry *dentry)
{
	see_set_priv(dentry);
	return 0;
}

static void see_d_release(struct dentry *dentry)
{
	dput(see_lower(dentry));
}

/* a directory's inode may outlive its dentry */
static void see_d_iput(struct dentry *dentry, struct inode *inode)
{
	cmpxchg(&see_i(inode)->dpos, dentry, NULL);
	iput(inode);
}

const struct dentry_operations see_dentry_ops = {
	.d_revalidate	= see_revalidate,
	.d_init		= see_d_init,
	.d_iput		= see_d_iput,
	.d_release	= see_d_release,
};

/**
 * see_hidden - is this a store, which no name of a layer leads to?
 * @layer: the layer
 * @lower: positive dentry of the host
 *
 * Stores are root's alone and say so themselves, in use or not.
 */
bool see_hidden(struct see_layer *layer, struct dentry *lower)
{
	struct inode *inode = d_inode(lower);
	const struct cred *old;
	ssize_t len;
	char c;

	if (!S_ISDIR(inode->i_mode) || !see_guard(SEE_GUARD_STORE))
		return false;
	if (xa_load(&layer->hidden, inode->i_ino) == inode)
		return true;
	if ((inode->i_mode & 0777) != 0700 ||
	    !uid_eq(inode->i_uid, GLOBAL_ROOT_UID))
		return false;
	old = override_creds(layer->cred);
	len = see_getxattr(lower, SEE_XATTR_STORE, &c, 1);
	revert_creds(old);
	/* one that cannot be asked is not shown */
	return len != -ENODATA && len != -EOPNOTSUPP;
}

/**
 * see_in_store - is a host object a store, or below one?
 * @layer: the layer
 * @lower: a name of it, positive
 */
bool see_in_store(struct see_layer *layer, struct dentry *lower)
{
	struct dentry *d = dget(lower), *up;
	bool hidden = false;

	while (!hidden && d != layer->lower.dentry && !IS_ROOT(d)) {
		hidden = see_hidden(layer, d);
		up = dget_parent(d);
		dput(d);
		d = up;
	}
	dput(d);
	return hidden;
}

/*
 * Under the locks of a rename d_splice_alias() cannot move a directory that is cached
 * elsewhere.  The VFS takes ESTALE for a reason to walk once more, and asks for
 * permission in the parent first, without locks: see_find_stray() then looks it up.
 */
static void see_note_stray(struct dentry *dentry)
{
	dput(xchg(&see_layer(dentry->d_sb)->stray, dget(dentry)));
}

/**
 * see_forget_stray - no directory waits for its place any more
 * @layer: the layer
 */
void see_forget_stray(struct see_layer *layer)
{
	dput(xchg(&layer->stray, NULL));
}

static void see_find_stray(struct see_layer *layer)
{
	struct dentry *stray = xchg(&layer->stray, NULL), *parent, *d;
	const struct cred *old;

	if (!stray)
		return;
	parent = dget_parent(stray);
	/* perhaps by ourselves, in a file system above */
	if (inode_is_locked(d_inode(parent))) {
		if (cmpxchg(&layer->stray, NULL, stray))
			dput(stray);
		dput(parent);
		return;
	}
	old = override_creds(layer->cred);
	/* it is not hashed, so that nothing renames it */
	d = see_lookup_one(see_nop_idmap, (const char *)stray->d_name.name,
			   stray->d_name.len, parent);
	revert_creds(old);
	if (!IS_ERR(d))
		dput(d);
	dput(parent);
	dput(stray);
}

/* attach @inode, or nothing, to @dentry; the caller's reference is consumed */
static struct dentry *see_splice(struct inode *inode, struct dentry *dentry)
{
	struct dentry *alias;
	int tries = 0;

	if (!inode) {
		d_add(dentry, NULL);
		return NULL;
	}
	if (see_attr_stale(inode))
		see_copyattr(inode);
	for (;;) {
		ihold(inode);
		alias = d_splice_alias(inode, dentry);
		if (alias != ERR_PTR(-ESTALE) || ++tries == SEE_SPLICE_TRIES)
			break;
		usleep_range(SEE_SPLICE_MIN_US, SEE_SPLICE_MAX_US);
	}
	if (alias == ERR_PTR(-ESTALE))
		see_note_stray(dentry);
	else if (!IS_ERR(alias) && S_ISDIR(inode->i_mode))
		WRITE_ONCE(see_i(inode)->dpos, alias ?: dentry);
	iput(inode);
	return alias;
}

/*
 * The SEE removed a directory, by the name that the host had for it then: under
 * another one it is the host's.
 */
static void see_revive(struct inode *inode)
{
	struct inode *lower = see_lower_inode(inode);

	if (!IS_DEADDIR(inode) || !lower || IS_DEADDIR(lower) ||
	    !see_guard(SEE_GUARD_REVIVE))
		return;
	spin_lock(&inode->i_lock);
	set_nlink(inode, 2);
	inode_set_flags(inode, 0, S_DEAD);
	spin_unlock(&inode->i_lock);
}

/* a name that the host gives, or does not */
static struct dentry *see_lookup_host(struct inode *dir, struct dentry *dentry)
{
	struct see_layer *layer = see_layer(dir->i_sb);
	struct inode *inode = NULL;
	struct dentry *lower, *alias, *d;
	const struct cred *old;

	old = override_creds(layer->cred);
	lower = see_lookup_one(see_mnt_idmap(layer->lower.mnt),
			       (const char *)dentry->d_name.name,
			       dentry->d_name.len, see_i(dir)->lower);
	revert_creds(old);
	if (IS_ERR(lower)) {
		/* a directory that the host removed has no entries */
		if (lower != ERR_PTR(-ENOENT))
			return lower;
		return see_splice(NULL, dentry);
	}
	dentry->d_fsdata = lower;
	WRITE_ONCE(dentry->d_time, SEE_TOKEN_NEVER);
	if (READ_ONCE(lower->d_inode) && !see_hidden(layer, lower)) {
		inode = see_iget(dir->i_sb, lower, NULL);
		if (IS_ERR(inode))
			return ERR_CAST(inode);
		if (see_test(inode, SEE_I_PLACED) && see_guard(SEE_GUARD_PLACED)) {
			iput(inode);
			inode = NULL;
		} else if (S_ISDIR(inode->i_mode)) {
			see_revive(inode);
		}
	}
	alias = see_splice(inode, dentry);
	if (IS_ERR(alias))
		return alias;
	d = alias ?: dentry;
	/* the SEE put the directory elsewhere while we looked */
	if (inode && see_test(inode, SEE_I_PLACED) && see_guard(SEE_GUARD_PLACED)) {
		d_drop(d);
		dput(alias);
		return ERR_PTR(-ESTALE);
	}
	/* an alias that had no name of the host until now */
	if (alias && !alias->d_fsdata) {
		spin_lock(&alias->d_lock);
		if (!alias->d_fsdata)
			alias->d_fsdata = dget(lower);
		spin_unlock(&alias->d_lock);
	}
	if (see_lower(d) && see_bind(d) &&
	    see_names_find(dir, &dentry->d_name, NULL) == SEE_NAME_FOLLOW)
		WRITE_ONCE(d->d_time, SEE_TOKEN_NEVER);
	return alias;
}

/*
 * A name in a directory of the private tree.  @away is set if it may be somewhere
 * else for the moment; NULL if it cannot.
 */
static struct dentry *see_lookup_born(struct inode *dir, struct dentry *dentry,
				      struct dentry *private, bool *away)
{
	struct see_layer *layer = see_layer(dir->i_sb);
	struct inode *inode = NULL;
	const struct cred *old;
	struct dentry *priv;

	old = override_creds(layer->cred);
	priv = see_lookup_priv(private, (const char *)dentry->d_name.name,
			       dentry->d_name.len);
	revert_creds(old);
	if (away && see_moving(dir->i_sb)) {
		if (!IS_ERR(priv))
			dput(priv);
		*away = true;
		return NULL;
	}
	if (!IS_ERR(priv)) {
		inode = see_iget(dir->i_sb, NULL, priv);
		dput(priv);
		if (IS_ERR(inode))
			return ERR_CAST(inode);
	} else if (priv != ERR_PTR(-ENOENT)) {
		return priv;
	}
	return see_splice(inode, dentry);
}

/* as see_lookup(); @away: it could not be told, since a commit moves names */
static struct dentry *see_find(struct inode *dir, struct dentry *dentry, bool *away)
{
	struct see_inode *si = see_i(dir);
	struct see_names *names;
	struct see_name found;

	if (dentry->d_name.len > NAME_MAX)
		return ERR_PTR(-ENAMETOOLONG);
	switch (see_names_find(dir, &dentry->d_name, &found)) {
	case SEE_NAME_BORN:
		names = see_names(dir);
		return see_lookup_born(dir, dentry,
				       see_sub_of(names, SEE_SUB_MADE), away);
	case SEE_NAME_LINKED:
		ihold(found.target);
		return see_splice(found.target, dentry);
	case SEE_NAME_FOLLOW:
		if (!see_gone(found.target) || !see_guard(SEE_GUARD_FOLLOW) ||
		    see_test(found.target, SEE_I_PLACED)) {
			/* it may yet come back, to what the host does not have */
			WRITE_ONCE(dentry->d_time, SEE_TOKEN_NEVER);
			break;
		}
		ihold(found.target);
		return see_splice(found.target, dentry);
	case SEE_NAME_ABSENT:
		if (!see_guard(SEE_GUARD_ABSENT))
			break;
		return see_splice(NULL, dentry);
	case SEE_NAME_NONE:
		break;
	}
	if (test_bit(SEE_I_BORN, &si->flags))
		return see_lookup_born(dir, dentry, see_priv(dir), NULL);
	if (!si->lower || IS_DEADDIR(d_inode(si->lower)))
		return see_splice(NULL, dentry);
	return see_lookup_host(dir, dentry);
}

/**
 * see_lookup - find a name
 * @dir: directory, i_rwsem held
 * @dentry: the name
 * @flags: LOOKUP_*
 */
struct dentry *see_lookup(struct inode *dir, struct dentry *dentry,
			  unsigned int flags)
{
	struct dentry *found;
	bool away;
	int err;

	do {
		away = false;
		err = see_look_enter(dir->i_sb);
		if (err)
			return ERR_PTR(err);
		found = see_find(dir, dentry, &away);
		see_look_leave(dir->i_sb);
		if (away)
			err = see_change_wait(dir->i_sb);
		if (err)
			return ERR_PTR(err);
	} while (away);
	return found;
}

/* ---- where a directory is: ".." and descriptors have no revalidation ---- */

/* is this alias of @lower where the host, or the SEE, has it? */
static bool see_in_place(struct dentry *d, struct dentry *lower)
{
	unsigned long token = READ_ONCE(d->d_time);

	if (d_unhashed(d))
		return false;
	return !see_lower(d) || token == SEE_TOKEN_PRIV ||
	       (see_lower(d) == lower && token == see_token(d, lower));
}

/* the lower directories from @lower up to one whose seefs alias is in place */
static int see_collect(struct super_block *sb, struct dentry *lower,
		       struct dentry ***list, unsigned int *count,
		       struct dentry **base)
{
	struct see_layer *layer = see_layer(sb);
	struct dentry *l = dget(lower), *up, **grown;
	unsigned int n = 0, room = 0;
	struct inode *inode;
	int err = 0;

	*list = NULL;
	*base = NULL;
	for (;;) {
		if (l == layer->lower.dentry) {
			*base = dget(sb->s_root);
			break;
		}
		inode = see_ilookup_nowait(sb, d_inode(l));
		if (inode && l != lower) {
			struct dentry *d = d_find_any_alias(inode);

			if (d && see_in_place(d, l)) {
				*base = d;
				iput(inode);
				break;
			}
			dput(d);
		}
		iput(inode);
		if (IS_ROOT(l) || d_unhashed(l)) {
			err = -ESTALE;
			break;
		}
		if (n == room) {
			room = room ? 2 * room : 16;
			grown = krealloc(*list, room * sizeof(*grown),
					 GFP_KERNEL);
			if (!grown) {
				err = -ENOMEM;
				break;
			}
			*list = grown;
		}
		up = dget_parent(l);
		(*list)[n++] = l;
		l = up;
	}
	dput(l);
	*count = n;
	return err;
}

/**
 * see_reconnect - give a directory the place in the dcache that the host gives it
 * @sb: superblock of the layer
 * @lower: the host's directory
 *
 * Looks the names of its ancestors up from one that is in place, so that
 * d_splice_alias() moves or makes the alias.  It may fail if the host races us.
 *
 * Context: the mounter's credentials; no lock of a directory held.
 */
void see_reconnect(struct super_block *sb, struct dentry *lower)
{
	struct dentry **list, *base, *d;
	struct name_snapshot snap;
	unsigned int n;
	int err;

	err = see_collect(sb, lower, &list, &n, &base);
	while (!err && n) {
		take_dentry_name_snapshot(&snap, list[n - 1]);
		d = see_lookup_one(see_nop_idmap, (const char *)snap.name.name,
				   snap.name.len, base);
		release_dentry_name_snapshot(&snap);
		/* the host raced us: the next walk tries again */
		if (IS_ERR(d)) {
			err = PTR_ERR(d);
		} else if (see_lower(d) != list[n - 1] || d_is_negative(d)) {
			err = -ESTALE;
			dput(d);
		} else {
			dput(base);
			base = d;
			dput(list[--n]);
		}
	}
	while (n)
		dput(list[--n]);
	kfree(list);
	dput(base);
}

/* the lower of a directory that is not where the host has it, to be put; or NULL */
static struct dentry *see_out_of_place(struct inode *inode)
{
	struct dentry *d, *lower, *out = NULL;
	int err = see_look_enter(inode->i_sb);

	if (err)
		return ERR_PTR(err);
	d = d_find_any_alias(inode);
	lower = d ? see_lower(d) : NULL;
	if (lower && !IS_ROOT(d) && !d_unhashed(lower)) {
		if (!see_bind(d))
			out = dget(lower);
		else
			/* a name to be asked each time remains one */
			see_still_host(d);
	}
	dput(d);
	see_look_leave(inode->i_sb);
	return out;
}

/**
 * see_check_position - is a directory still where the host has it?
 * @inode: directory
 * @mask: of ->permission
 *
 * Return: 0, or -ECHILD in RCU walk if the position must be found anew.
 */
int see_check_position(struct inode *inode, int mask)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct dentry *d, *lower;
	const struct cred *old;
	bool good = true;

	/* a writer holds i_rwsem */
	if (unlikely(READ_ONCE(layer->stray)) && !(mask & MAY_WRITE)) {
		if (mask & MAY_NOT_BLOCK)
			return -ECHILD;
		see_find_stray(layer);
	}
	if (!see_guard(SEE_GUARD_PLACE))
		return 0;
	/* the alias may go at any moment, but not its memory */
	rcu_read_lock();
	d = READ_ONCE(see_i(inode)->dpos);
	lower = d ? READ_ONCE(d->d_fsdata) : NULL;
	if (lower) {
		unsigned long token = READ_ONCE(d->d_time);

		/* the root is not moved by anybody */
		good = likely(token == see_token(d, lower)) ||
		       token == SEE_TOKEN_PRIV || IS_ROOT(d);
	}
	rcu_read_unlock();
	if (good)
		return 0;
	if (mask & MAY_NOT_BLOCK)
		return -ECHILD;
	if (mask & MAY_WRITE)
		return 0;
	lower = see_out_of_place(inode);
	if (IS_ERR_OR_NULL(lower))
		return PTR_ERR_OR_ZERO(lower);
	/* looks names up, and so enters the gate by itself */
	old = override_creds(layer->cred);
	see_reconnect(inode->i_sb, lower);
	revert_creds(old);
	dput(lower);
	return 0;
}

/* ---- link counts ---- */

/* does the host have a directory of this name now? */
static bool see_host_dir(struct inode *dir, const char *name, unsigned int len)
{
	struct see_layer *layer = see_layer(dir->i_sb);
	struct dentry *lower = see_i(dir)->lower, *d;
	bool ret;

	if (!lower || IS_DEADDIR(d_inode(lower)))
		return false;
	d = see_lookup_one(see_mnt_idmap(layer->lower.mnt), name, len, lower);
	if (IS_ERR(d))
		return false;
	ret = d_is_dir(d);
	dput(d);
	return ret;
}

/* the host has so many directories here that the SEE has elsewhere */
static unsigned int see_dirs_elsewhere(struct inode *dir)
{
	struct see_layer *layer = see_layer(dir->i_sb);
	struct dentry *lower;
	struct inode *placed;
	unsigned long ino;
	unsigned int nr = 0;

	if (!see_guard(SEE_GUARD_ELSEWHERE))
		return 0;
	xa_for_each(&layer->placed, ino, placed) {
		struct name_snapshot snap;

		cond_resched();
		lower = see_i(placed)->lower;
		if (!lower || READ_ONCE(lower->d_parent) != see_i(dir)->lower ||
		    d_unhashed(lower) || IS_ROOT(lower))
			continue;
		take_dentry_name_snapshot(&snap, lower);
		/* what a private name covers was counted with that name */
		if (!see_names_hides(dir, (const char *)snap.name.name, snap.name.len))
			nr++;
		release_dentry_name_snapshot(&snap);
	}
	return nr;
}

/* a directory of the host with private names: the host's, less, plus */
static unsigned int see_dir_nlink(struct inode *inode, unsigned int host)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct see_names *names = see_names(inode);
	struct see_version now = {};
	struct see_name *buf, *e;
	const struct cred *old;
	unsigned int nlink;
	u64 id = 0, gen;
	int dropped;

	if (!names)
		return host;
	if (see_i(inode)->lower &&
	    see_version_sample(layer, see_i(inode)->lower, &now))
		return host;
	/* not before the version by which it is kept */
	if (!see_gone(inode))
		host = see_lower_inode(inode)->i_nlink;
	gen = READ_ONCE(names->gen);
	dropped = atomic_read(&layer->dropped);
	spin_lock(&names->lock);
	nlink = names->nlink_gen == gen && names->nlink_dropped == dropped &&
		see_version_equal(&names->nlink_host, &now) ? names->nlink : 0;
	spin_unlock(&names->lock);
	if (nlink)
		return nlink;
	buf = kmalloc(SEE_NAME_SIZE, GFP_KERNEL);
	if (!buf)
		return host;
	nlink = host;
	old = override_creds(layer->cred);
	while ((e = see_names_next(names, id, buf))) {
		id = e->id + 1;
		if (e->kind == SEE_NAME_FOLLOW && !see_gone(e->target))
			continue;
		if (see_host_dir(inode, e->name, e->len))
			nlink--;
		if (e->kind == SEE_NAME_BORN ? e->dtype == DT_DIR :
		    e->kind != SEE_NAME_ABSENT && S_ISDIR(e->target->i_mode))
			nlink++;
	}
	revert_creds(old);
	kfree(buf);
	/* what the clock alone tells apart may have changed since it was asked */
	if (now.flags & SEE_VERSION_WEAK)
		return nlink;
	spin_lock(&names->lock);
	names->nlink = nlink;
	names->nlink_gen = gen;
	names->nlink_dropped = dropped;
	names->nlink_host = now;
	spin_unlock(&names->lock);
	return nlink;
}

/**
 * see_nlink - link count as the SEE sees it
 * @inode: the object
 * @born: the private object's, if it was born in the SEE
 */
unsigned int see_nlink(struct inode *inode, unsigned int born)
{
	struct see_inode *si = see_i(inode);
	struct inode *lower = see_lower_inode(inode);
	int links = atomic_read(&si->links);
	unsigned int host;
	void *cut;

	if (IS_DEADDIR(inode))
		return 0;
	if (see_born(inode)) {
		struct see_names *names = see_names(inode);
		struct rb_node *node;

		/* directories of the host that were moved in here */
		if (!S_ISDIR(inode->i_mode) || !names || born < 2)
			return born;
		spin_lock(&names->lock);
		for (node = rb_first(&names->by_id); node; node = rb_next(node))
			if (S_ISDIR(rb_entry(node, struct see_name,
					     by_id)->target->i_mode))
				born++;
		spin_unlock(&names->lock);
		return born;
	}
	if (S_ISDIR(inode->i_mode)) {
		host = see_gone(inode) ? 2 : lower->i_nlink;
		/* less than 2: a file system that does not count them */
		if (host < 2)
			return host;
		host = see_dir_nlink(inode, host) - see_dirs_elsewhere(inode);
		return max_t(int, host, 2);
	}
	host = lower ? lower->i_nlink : 0;
	/* the kept name; what the SEE covers is not the host's any more */
	if (!host)
		return links + see_test(inode, SEE_I_KEEPS);
	cut = xa_load(&see_layer(inode->i_sb)->cuts, inode->i_ino);
	links += host - (cut && see_guard(SEE_GUARD_LINKS) ? (long)xa_to_value(cut) : 0);
	return max(links, 0);
}
