// SPDX-License-Identifier: GPL-2.0
/*
 * super.c - mounting, and the life of a layer's superblock
 *
 * Owns struct see_layer and the inode cache's slab.  A superblock is found by
 * the root of its private tree: mounting a private tree again, by whomever,
 * gives the layer that is mounted already, so that a restarted daemon finds a
 * running SEE as it was.
 *
 * Unmount: the mark goes, copies are completed, commands are written, the pins of
 * changed objects are released, then the VFS writes back and evicts.
 */
#include <linux/backing-dev.h>
#include <linux/exportfs.h>
#include <linux/file.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/magic.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/statfs.h>
#include <linux/writeback.h>

#include "command.h"
#include "data.h"
#include "gate.h"
#include "guards.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "mark.h"
#include "quota.h"
#include "super.h"
#include "tree.h"

static struct kmem_cache *see_inode_cache;

/* ---- inodes ---- */

static void see_init_once(void *p)
{
	struct see_inode *si = p;

	inode_init_once(&si->vfs_inode);
}

static struct inode *see_alloc_inode(struct super_block *sb)
{
	struct see_inode *si = alloc_inode_sb(sb, see_inode_cache, GFP_KERNEL);

	if (!si)
		return NULL;
	memset(si, 0, offsetof(struct see_inode, vfs_inode));
	mutex_init(&si->lock);
	INIT_LIST_HEAD(&si->changed);
	return &si->vfs_inode;
}

static void see_free_inode(struct inode *inode)
{
	kmem_cache_free(see_inode_cache, see_i(inode));
}

/* keep nothing of the host that nobody uses; what is dirty must stay */
static int see_drop_inode(struct inode *inode)
{
	if (see_adrift(inode))
		return 1;
	if (see_test(inode, SEE_I_CHANGED) || see_test(inode, SEE_I_LISTED))
		return inode_unhashed(inode);
	return 1;
}

static int see_write_inode(struct inode *inode, struct writeback_control *wbc)
{
	int err = 0;

	/* what is dirty is not committed, so that there is nothing to be lost */
	if (!see_look_try(inode->i_sb)) {
		mark_inode_dirty_sync(inode);
		return 0;
	}
	if (see_born(inode) || !see_test(inode, SEE_I_ATTRS))
		goto out;
	if (S_ISREG(inode->i_mode))
		err = see_data_write_inode(inode, wbc);
	else
		err = see_persist(inode);
	/* the VFS takes it for clean */
	if (err)
		mark_inode_dirty_sync(inode);
out:
	see_look_leave(inode->i_sb);
	return err;
}

/* ---- superblock operations ---- */

static int see_sync_fs(struct super_block *sb, int wait)
{
	struct super_block *priv = see_layer(sb)->priv.mnt->mnt_sb;
	int err;

	/* the VFS has written our own inodes back */
	if (!wait)
		return 0;
	down_read(&priv->s_umount);
	err = sync_filesystem(priv);
	up_read(&priv->s_umount);
	return err;
}

static int see_statfs(struct dentry *dentry, struct kstatfs *buf)
{
	struct see_layer *layer = see_layer(dentry->d_sb);
	int err = see_look_enter(dentry->d_sb);

	if (err)
		return err;
	err = vfs_statfs(&layer->priv, buf);
	see_look_leave(dentry->d_sb);
	if (!err) {
		buf->f_type = SEE_SUPER_MAGIC;
		buf->f_namelen = NAME_MAX;
		buf->f_fsid = u64_to_fsid(huge_encode_dev(dentry->d_sb->s_dev));
		see_quota_statfs(layer, buf);
	}
	return err;
}

static int see_show_options(struct seq_file *m, struct dentry *root)
{
	struct see_layer *layer = see_layer(root->d_sb);
	u64 limit = 0, used;

	seq_show_option(m, "lower", layer->lowername);
	seq_show_option(m, "private", layer->privname);
	see_quota_get(layer, &limit, &used);
	if (limit)
		seq_printf(m, ",size=%llu", limit);
	return 0;
}

/**
 * see_release_changed - nothing is pinned any more
 * @layer: without users, or with nobody inside the gate
 */
void see_release_changed(struct see_layer *layer)
{
	struct see_inode *si;

	for (;;) {
		spin_lock(&layer->lock);
		si = list_first_entry_or_null(&layer->changed, struct see_inode,
					      changed);
		if (si)
			list_del_init(&si->changed);
		spin_unlock(&layer->lock);
		if (!si)
			break;
		clear_bit(SEE_I_LISTED, &si->flags);
		iput(&si->vfs_inode);
	}
}

static void see_free_layer(struct see_layer *layer)
{
	if (!layer)
		return;
	if (layer->wq)
		destroy_workqueue(layer->wq);
	dput(layer->objects);
	dput(layer->bornbox);
	dput(layer->work);
	if (layer->lower.dentry)
		dput(layer->lower.dentry);
	if (layer->priv.dentry)
		dput(layer->priv.dentry);
	if (!IS_ERR_OR_NULL(layer->lower.mnt))
		kern_unmount(layer->lower.mnt);
	if (!IS_ERR_OR_NULL(layer->priv.mnt))
		kern_unmount(layer->priv.mnt);
	if (layer->cred)
		put_cred(layer->cred);
	see_quota_detach(layer);
	see_gate_free(layer);
	xa_destroy(&layer->hidden);
	xa_destroy(&layer->placed);
	xa_destroy(&layer->cuts);
	kfree(layer->lowername);
	kfree(layer->privname);
	kfree(layer);
}

static const struct super_operations see_super_ops = {
	.alloc_inode	= see_alloc_inode,
	.free_inode	= see_free_inode,
	.drop_inode	= see_drop_inode,
	.evict_inode	= see_evict_inode,
	.write_inode	= see_write_inode,
	.sync_fs	= see_sync_fs,
	.statfs		= see_statfs,
	.show_options	= see_show_options,
};

/**
 * see_shutdown - a layer answers EIO from now on
 * @sb: its superblock
 *
 * For an abort: who still uses it must see that it is over.
 */
void see_shutdown(struct super_block *sb)
{
	WRITE_ONCE(see_layer(sb)->dead, true);
	see_gate_wake(see_layer(sb));
}

/* how often what is dirty is written at unmount, until all is */
#define SEE_LAST_TRIES	10

static bool see_clean(struct see_layer *layer)
{
	struct see_inode *si;
	bool clean = true;

	spin_lock(&layer->lock);
	list_for_each_entry(si, &layer->changed, changed)
		if (mapping_tagged(&si->vfs_inode.i_data, PAGECACHE_TAG_DIRTY))
			clean = false;
	spin_unlock(&layer->lock);
	return clean;
}

/*
 * What an unmount writes by itself, and not by way of the flusher.  Not in the task
 * that unmounts: that may be about to exit, killed and without an fs_struct, or may
 * write no files.  It waits, with s_umount held, which nothing here may take.
 */
static int see_write_last(void *sb)
{
	int err, i;

	/* what could not be written may be, with a little more memory: nobody tries later */
	for (i = 0; i < SEE_LAST_TRIES && !see_clean(see_layer(sb)); i++)
		sync_filesystem(sb);
	err = see_complete_gone(sb);
	/* for people only: who unmounts is not told */
	see_command_save(sb);
	return err;
}

static void see_kill_sb(struct super_block *sb)
{
	struct see_layer *layer = see_layer(sb);

	if (layer && sb->s_root) {
		see_mark_remove(layer);
		/* what was given up is not written to any more */
		if (!layer->dead && see_run_aside(see_write_last, sb))
			pr_err("seefs: %s: copies of removed host files are incomplete\n",
			       layer->privname);
		/* who completes copies finds that it is over */
		if (layer->dead)
			flush_workqueue(layer->wq);
		see_release_changed(layer);
	} else if (layer) {
		see_mark_remove(layer);
		see_release_changed(layer);
	}
	if (layer)
		see_forget_stray(layer);
	kill_anon_super(sb);
	see_free_layer(layer);
}

/* ---- mounting ---- */

/**
 * struct see_params - what the user gave
 * @lower: directory to be covered
 * @priv: directory of the private tree
 * @size: bytes that the private tree may occupy; 0: no limit
 * @group: layers with the same number have one limit together; 0: alone
 */
struct see_params {
	struct path lower;
	struct path priv;
	u64 size;
	u64 group;
};

static int see_parse_number(struct fs_context *fc, struct fs_parameter *param,
			    u64 *number)
{
	if (param->type != fs_value_is_string ||
	    kstrtou64(param->string, 10, number) || !*number || *number > S64_MAX)
		return invalfc(fc, "%s= needs a number", param->key);
	return 0;
}

static int see_parse_dir(struct fs_context *fc, struct fs_parameter *param,
			 struct path *path)
{
	int err;

	if (path->mnt)
		return invalfc(fc, "%s= is given twice", param->key);
	switch (param->type) {
	case fs_value_is_string:
		if (!*param->string)
			return invalfc(fc, "%s= needs a directory", param->key);
		err = kern_path(param->string, LOOKUP_FOLLOW, path);
		break;
	case fs_value_is_filename:
		err = kern_path(param->name->name, LOOKUP_FOLLOW, path);
		break;
	case fs_value_is_file:
		*path = param->file->f_path;
		path_get(path);
		err = 0;
		break;
	default:
		return invalfc(fc, "%s= needs a directory", param->key);
	}
	if (err) {
		memset(path, 0, sizeof(*path));
		errorfc(fc, "%s= cannot be opened: error %d", param->key, err);
		return err;
	}
	if (!d_is_dir(path->dentry)) {
		errorfc(fc, "%s= is not a directory", param->key);
		return -ENOTDIR;
	}
	return 0;
}

static int see_parse_param(struct fs_context *fc, struct fs_parameter *param)
{
	struct see_params *params = fc->fs_private;
	int err;

	if (fc->purpose == FS_CONTEXT_FOR_RECONFIGURE)
		return 0;
	if (!strcmp(param->key, "lower"))
		return see_parse_dir(fc, param, &params->lower);
	if (!strcmp(param->key, "private"))
		return see_parse_dir(fc, param, &params->priv);
	if (!strcmp(param->key, "size"))
		return see_parse_number(fc, param, &params->size);
	if (!strcmp(param->key, "group"))
		return see_parse_number(fc, param, &params->group);
	err = vfs_parse_fs_param_source(fc, param);
	if (err != -ENOPARAM)
		return err;
	return invalfc(fc, "unknown option %s", param->key);
}

static char *see_path_name(const struct path *path)
{
	char *page = (char *)__get_free_page(GFP_KERNEL), *name, *ret = NULL;

	if (!page)
		return NULL;
	name = d_path(path, page, PAGE_SIZE);
	if (!IS_ERR(name))
		ret = kstrdup(name, GFP_KERNEL);
	free_page((unsigned long)page);
	return ret;
}

/* a clone of the mount, which nobody else can change or unmount */
static int see_clone(const struct path *from, struct path *to)
{
	struct vfsmount *mnt = clone_private_mount(from);

	if (IS_ERR(mnt))
		return PTR_ERR(mnt);
	to->mnt = mnt;
	to->dentry = dget(from->dentry);
	return 0;
}

static int see_make_layer(struct fs_context *fc, struct see_params *params,
			  struct see_layer **made)
{
	struct super_block *lower = params->lower.mnt->mnt_sb;
	struct super_block *priv = params->priv.mnt->mnt_sb;
	struct see_layer *layer;
	struct cred *cred;
	int err;

	layer = kzalloc(sizeof(*layer), GFP_KERNEL);
	if (!layer)
		return -ENOMEM;
	spin_lock_init(&layer->lock);
	INIT_LIST_HEAD(&layer->changed);
	xa_init(&layer->hidden);
	xa_init(&layer->placed);
	xa_init(&layer->cuts);
	xa_init(&layer->unsettled);
	layer->samefs = lower == priv;
	err = see_gate_init(layer);
	if (err)
		goto out;
	err = -ENOMEM;
	layer->lowername = see_path_name(&params->lower);
	layer->privname = see_path_name(&params->priv);
	cred = prepare_creds();
	if (!layer->lowername || !layer->privname || !cred) {
		if (cred)
			abort_creds(cred);
		goto out;
	}
	/* a SEE must not take what the file system keeps for root */
	cap_lower(cred->cap_effective, CAP_SYS_RESOURCE);
	layer->cred = cred;
	layer->wq = alloc_workqueue("seefs", WQ_UNBOUND | WQ_MEM_RECLAIM, 1);
	if (!layer->wq)
		goto out;
	err = see_clone(&params->lower, &layer->lower);
	if (err) {
		errorfc(fc, "lower= cannot be used: not in this mount namespace, or locked");
		goto out;
	}
	if (see_guard(SEE_GUARD_ATIME))
		layer->lower.mnt->mnt_flags |= MNT_READONLY | MNT_NOATIME | MNT_NODEV;
	err = see_clone(&params->priv, &layer->priv);
	if (err) {
		errorfc(fc, "private= cannot be used: not in this mount namespace");
		goto out;
	}
	layer->priv.mnt->mnt_flags |= MNT_NOATIME;
	*made = layer;
	return 0;
out:
	see_free_layer(layer);
	return err;
}

/*
 * Will a handle lead to the same object after an eviction?  FAT makes numbers up, FUSE
 * forgets what its server was not told to keep, and a layer wants proof of a name in
 * memory.  What was recorded under such a handle would be taken for dropped by the host.
 */
static bool see_handles_last(const struct super_block *sb)
{
	return sb->s_magic != MSDOS_SUPER_MAGIC && sb->s_magic != FUSE_SUPER_MAGIC &&
	       sb->s_magic != SEE_SUPER_MAGIC;
}

static int see_check_params(struct fs_context *fc, struct see_params *params)
{
	struct dentry *lower = params->lower.dentry, *priv = params->priv.dentry;

	if (!params->lower.mnt)
		return invalfc(fc, "lower= is missing");
	if (!params->priv.mnt)
		return invalfc(fc, "private= is missing");
	if (lower == priv)
		return invalfc(fc, "lower= and private= are the same directory");
	if (params->lower.mnt->mnt_sb == params->priv.mnt->mnt_sb &&
	    is_subdir(lower, priv))
		return invalfc(fc, "lower= is inside private=");
	if (see_mnt_idmap(params->priv.mnt) != see_nop_idmap ||
	    see_mnt_idmap(params->lower.mnt) != see_nop_idmap)
		return invalfc(fc, "lower= and private= cannot be on idmapped mounts");
	if (params->priv.mnt->mnt_sb->s_user_ns != &init_user_ns ||
	    params->lower.mnt->mnt_sb->s_user_ns != &init_user_ns)
		return invalfc(fc, "lower= and private= are mounts of another user namespace");
	if (lower->d_sb->s_stack_depth >= FILESYSTEM_MAX_STACK_DEPTH ||
	    priv->d_sb->s_stack_depth >= FILESYSTEM_MAX_STACK_DEPTH)
		return invalfc(fc, "too many stacked file systems");
	if (see_has_encoding(lower->d_sb) || see_has_encoding(priv->d_sb))
		return invalfc(fc, "the file system of lower= or private= can fold case");
	if (!see_can_decode(lower->d_sb) || !see_can_decode(priv->d_sb))
		return invalfc(fc, "the file system of lower= or private= has no file handles");
	if (!see_handles_last(lower->d_sb) || !see_handles_last(priv->d_sb))
		return invalfc(fc, "handles of lower= or private= do not last (FAT, FUSE, seefs)");
	return 0;
}

/* the listing cannot ask each directory whether it is a store: know ours */
static int see_hide_stores(struct see_layer *layer)
{
	struct dentry *d, *up;
	int err = 0;

	if (!layer->samefs)
		return 0;
	for (d = dget(layer->priv.dentry); !err; d = up) {
		if (d == layer->priv.dentry || see_hidden(layer, d))
			err = xa_err(xa_store(&layer->hidden, d_inode(d)->i_ino,
					      d_inode(d), GFP_KERNEL));
		if (IS_ROOT(d))
			break;
		up = dget_parent(d);
		dput(d);
	}
	dput(d);
	return err;
}

static int see_fill_super(struct super_block *sb, struct fs_context *fc)
{
	struct see_layer *layer = see_layer(sb);
	struct see_params *params = fc->fs_private;
	struct super_block *lower = layer->lower.mnt->mnt_sb;
	struct super_block *priv = layer->priv.mnt->mnt_sb;
	struct inode *inode;
	struct dentry *root;
	const struct cred *old;
	const char *why;
	int err;

	layer->sb = sb;
	sb->s_magic = SEE_SUPER_MAGIC;
	sb->s_op = &see_super_ops;
	sb->s_export_op = &see_export_ops;
	see_set_d_op(sb, &see_dentry_ops);
	see_set_xattr(sb, see_xattr_handlers);
	sb->s_flags |= SB_POSIXACL;
	if (see_guard(SEE_GUARD_DEVICE))
		sb->s_iflags |= SB_I_NODEV;
	sb->s_iflags |= SB_I_STABLE_WRITES | SB_I_CGROUPWB;
	if (layer->lower.mnt->mnt_flags & MNT_NOEXEC)
		sb->s_iflags |= SB_I_NOEXEC;
	sb->s_maxbytes = min(lower->s_maxbytes, priv->s_maxbytes);
	sb->s_stack_depth = max(lower->s_stack_depth, priv->s_stack_depth) + 1;
	sb->s_blocksize = SEE_BLOCK_SIZE;
	sb->s_blocksize_bits = ilog2(SEE_BLOCK_SIZE);
	sb->s_time_gran = max(lower->s_time_gran, priv->s_time_gran);
	sb->s_time_min = max(lower->s_time_min, priv->s_time_min);
	sb->s_time_max = min(lower->s_time_max, priv->s_time_max);
	err = super_setup_bdi(sb);
	if (!err && params->size)
		err = see_quota_attach(layer, params->group, params->size);
	if (err)
		return err;
	/* the name that another module's tree of another boot may have left */
	atomic64_set(&layer->worknr, 0);

	old = override_creds(layer->cred);
	err = see_tree_open(layer, &why);
	revert_creds(old);
	if (err) {
		errorfc(fc, "private=: %s (error %d)", why, err);
		return err;
	}
	err = see_hide_stores(layer);
	if (err)
		return err;

	inode = see_iget(sb, layer->lower.dentry, NULL);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	root = d_make_root(inode);
	if (!root)
		return -ENOMEM;
	root->d_fsdata = dget(layer->lower.dentry);
	WRITE_ONCE(root->d_time, SEE_TOKEN_NEVER);
	sb->s_root = root;

	old = override_creds(layer->cred);
	err = see_tree_load(sb);
	if (!err)
		err = see_quota_load(sb);
	revert_creds(old);
	if (err) {
		errorfc(fc, "private=: cannot be read: error %d; the kernel log has the container",
			err);
		return err;
	}
	return see_mark_add(sb);
}

static int see_test_super(struct super_block *sb, struct fs_context *fc)
{
	struct see_layer *a = see_layer(sb), *b = fc->s_fs_info;

	/* one that was shut down goes as soon as nobody uses it */
	return a && !READ_ONCE(a->dead) && a->priv.dentry == b->priv.dentry;
}

static int see_get_tree(struct fs_context *fc)
{
	struct see_params *params = fc->fs_private;
	struct see_layer *layer;
	struct super_block *sb;
	int err;

	err = see_check_params(fc, params);
	if (err)
		return err;
	err = see_make_layer(fc, params, &layer);
	if (err)
		return err;
	fc->s_fs_info = layer;
	sb = sget_fc(fc, see_test_super, set_anon_super_fc);
	if (IS_ERR(sb)) {
		fc->s_fs_info = NULL;
		see_free_layer(layer);
		return PTR_ERR(sb);
	}
	if (!sb->s_root) {
		err = see_fill_super(sb, fc);
		if (err) {
			deactivate_locked_super(sb);
			return err;
		}
		sb->s_flags |= SB_ACTIVE;
	} else {
		/* sget_fc() leaves what it did not use with us */
		err = see_layer(sb)->lower.dentry == layer->lower.dentry ||
		      !see_guard(SEE_GUARD_IN_USE) ? 0 : -EBUSY;
		fc->s_fs_info = NULL;
		see_free_layer(layer);
		if (!err && ((fc->sb_flags ^ sb->s_flags) & SB_RDONLY))
			err = -EBUSY;
		if (err) {
			errorfc(fc, "private= is mounted with another lower= or other flags");
			deactivate_locked_super(sb);
			return err;
		}
	}
	fc->root = dget(sb->s_root);
	return 0;
}

static int see_reconfigure(struct fs_context *fc)
{
	sync_filesystem(fc->root->d_sb);
	return 0;
}

static void see_free_fc(struct fs_context *fc)
{
	struct see_params *params = fc->fs_private;

	if (params) {
		path_put(&params->lower);
		path_put(&params->priv);
		kfree(params);
	}
	see_free_layer(fc->s_fs_info);
}

static const struct fs_context_operations see_context_ops = {
	.parse_param	= see_parse_param,
	.get_tree	= see_get_tree,
	.reconfigure	= see_reconfigure,
	.free		= see_free_fc,
};

static int see_init_fs_context(struct fs_context *fc)
{
	struct see_params *params = kzalloc(sizeof(*params), GFP_KERNEL_ACCOUNT);

	if (!params)
		return -ENOMEM;
	fc->fs_private = params;
	fc->ops = &see_context_ops;
	return 0;
}

struct file_system_type see_fs_type = {
	.owner			= THIS_MODULE,
	.name			= "seefs",
	.init_fs_context	= see_init_fs_context,
	.kill_sb		= see_kill_sb,
};

int see_super_init(void)
{
	see_inode_cache = kmem_cache_create("see_inode", sizeof(struct see_inode),
					    0, SLAB_RECLAIM_ACCOUNT | SLAB_ACCOUNT,
					    see_init_once);
	return see_inode_cache ? 0 : -ENOMEM;
}

void see_super_exit(void)
{
	/* inodes are freed after a grace period */
	rcu_barrier();
	kmem_cache_destroy(see_inode_cache);
}
