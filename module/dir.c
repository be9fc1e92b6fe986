// SPDX-License-Identifier: GPL-2.0
/*
 * dir.c - listing a directory: the host's entries of now, less, plus
 *
 * Owns struct see_dir_file.  The stream is what the host has (or, for a
 * directory born in the SEE, the private directory), with its own cookies and
 * without the names that the table covers.  After its end come the names of
 * the table, with cookies from SEE_WINDOW on that are made of their ids, so
 * that seeking needs no state and nothing of the host's is kept in memory.
 *
 * The window is where no supported file system has cookies: ext4 clamps its
 * top hash below, the others count from small numbers.
 *
 * Lock order: our i_rwsem (shared), the stream's i_rwsem, see_names.lock.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/slab.h>

#include "gate.h"
#include "guards.h"
#include "inode.h"
#include "lookup.h"
#include "lower.h"
#include "namei.h"
#include "names.h"

#define SEE_WINDOW	0x7fffffff00000000LL

/**
 * struct see_dir_file - an open directory
 * @stream: open directory of the host or the private tree, or NULL
 * @buf: for a copy of a private name
 * @limit: names with this id or a later one came after the listing began
 *
 * Protected by the f_pos lock of the file.
 */
struct see_dir_file {
	struct file *stream;
	struct see_name *buf;
	u64 limit;
};

struct see_stream {
	struct dir_context ctx;
	struct dir_context *user;
	struct inode *dir;
	struct file *file;
	u64 limit;
	size_t seen;
	bool full;
};

/* does this entry make the name visible? */
static bool see_name_shows(const struct see_name *e)
{
	switch (e->kind) {
	case SEE_NAME_BORN:
	case SEE_NAME_LINKED:
		return true;
	case SEE_NAME_FOLLOW:
		return see_gone(e->target) && !see_test(e->target, SEE_I_PLACED);
	default:
		return false;
	}
}

static void see_name_entry(const struct see_layer *layer,
			   const struct see_name *e, u64 *ino,
			   unsigned int *type)
{
	if (e->kind == SEE_NAME_BORN) {
		*ino = layer->samefs ? e->ino : e->ino | BIT_ULL(62);
		*type = e->dtype;
	} else {
		*ino = e->target->i_ino;
		*type = fs_umode_to_dtype(e->target->i_mode);
	}
}

static u64 see_parent_ino(struct dentry *dentry)
{
	u64 ino;

	/* the host may move us: the lock keeps the parent */
	spin_lock(&dentry->d_lock);
	ino = d_inode(dentry->d_parent)->i_ino;
	spin_unlock(&dentry->d_lock);
	return ino;
}

static bool see_stream_actor(struct dir_context *ctx, const char *name, int len,
			     loff_t off, u64 ino, unsigned int type)
{
	struct see_stream *s = container_of(ctx, struct see_stream, ctx);
	struct see_layer *layer = see_layer(s->dir->i_sb);
	struct qstr q = QSTR_INIT(name, len);
	struct see_name found;
	bool ok;

	s->seen++;
	if (len == 1 && name[0] == '.') {
		ino = s->dir->i_ino;
	} else if (len == 2 && name[0] == '.' && name[1] == '.') {
		ino = see_parent_ino(s->file->f_path.dentry);
	} else if (see_names_find(s->dir, &q, &found) != SEE_NAME_NONE &&
		   see_name_shows(&found) && found.id >= s->limit) {
		/*
		 * Covered since the listing began: it has the host's place,
		 * which was passed already or comes now, but never both.
		 */
		see_name_entry(layer, &found, &ino, &type);
	} else if (see_names_hides(s->dir, name, len) && see_guard(SEE_GUARD_COVER)) {
		return true;
	} else if (see_born(s->dir)) {
		if (!layer->samefs)
			ino |= BIT_ULL(62);
	} else if (type == DT_DIR || type == DT_UNKNOWN) {
		if (xa_load(&layer->hidden, ino) || xa_load(&layer->placed, ino))
			return true;
	}
	s->user->pos = ctx->pos;
	ok = s->user->actor(s->user, name, len, off, ino, type);
	if (!ok)
		s->full = true;
	return ok;
}

/* the stream of @inode, or NULL if it has none any more */
static struct file *see_stream_open(struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct dentry *lower = see_i(inode)->lower;

	if (see_born(inode))
		return see_open_dir(layer, layer->priv.mnt, see_priv(inode));
	if (!lower || IS_DEADDIR(d_inode(lower)))
		return NULL;
	return see_open_dir(layer, layer->lower.mnt, lower);
}

static int see_emit_stream(struct file *file, struct dir_context *ctx)
{
	struct see_dir_file *df = file->private_data;
	struct see_stream s = {
		.ctx.actor = see_stream_actor,
		.user = ctx,
		.dir = file_inode(file),
		.file = file,
		.limit = df->limit,
	};
	struct file *stream;
	loff_t pos;
	int err;

	if (!df->stream) {
		stream = see_stream_open(s.dir);
		if (IS_ERR(stream))
			return PTR_ERR(stream);
		df->stream = stream;
	}
	if (!df->stream) {
		if (!dir_emit_dots(file, ctx))
			return 0;
		ctx->pos = SEE_WINDOW;
		return 0;
	}
	if (df->stream->f_pos != ctx->pos) {
		pos = vfs_llseek(df->stream, ctx->pos, SEEK_SET);
		if (pos < 0)
			return pos;
	}
	do {
		s.seen = 0;
		s.ctx.pos = ctx->pos;
		err = iterate_dir(df->stream, &s.ctx);
		if (err == -ENOENT)	/* removed meanwhile */
			err = 0;
		if (err || s.full)
			break;
		ctx->pos = s.ctx.pos;
	} while (s.seen);
	if (err)
		return err;
	if (s.full) {
		/* the entry that did not fit comes again */
		ctx->pos = s.ctx.pos;
		return 0;
	}
	ctx->pos = SEE_WINDOW;
	return 0;
}

static int see_emit_names(struct file *file, struct dir_context *ctx)
{
	struct see_dir_file *df = file->private_data;
	struct inode *dir = file_inode(file);
	struct see_names *names = see_names(dir);
	struct see_name *e;
	unsigned int type;
	u64 ino;

	if (!names)
		return 0;
	if (!df->buf) {
		df->buf = kmalloc(SEE_NAME_SIZE, GFP_KERNEL_ACCOUNT);
		if (!df->buf)
			return -ENOMEM;
	}
	while ((e = see_names_next(names, ctx->pos - SEE_WINDOW, df->buf))) {
		if (e->id >= df->limit)
			break;
		ctx->pos = SEE_WINDOW + e->id;
		if (!see_name_shows(e)) {
			ctx->pos++;
			continue;
		}
		see_name_entry(see_layer(dir->i_sb), e, &ino, &type);
		if (!dir_emit(ctx, e->name, e->len, ino, type))
			return 0;
		ctx->pos++;
	}
	return 0;
}

static int see_list_dir(struct file *file, struct dir_context *ctx)
{
	struct see_dir_file *df = file->private_data;
	int err;

	/* what comes later is not listed, or a listing might never end */
	if (!ctx->pos || !df->limit)
		df->limit = see_names_end(file_inode(file));
	if (ctx->pos < SEE_WINDOW) {
		err = see_emit_stream(file, ctx);
		if (err || ctx->pos < SEE_WINDOW)
			return err;
	}
	return see_emit_names(file, ctx);
}

static int see_iterate(struct file *file, struct dir_context *ctx)
{
	struct inode *dir = file_inode(file);
	int err;

	if (see_dead(dir))
		return -EIO;
	err = see_look_enter(dir->i_sb);
	if (err)
		return err;
	err = see_list_dir(file, ctx);
	see_look_leave(dir->i_sb);
	return err;
}

static loff_t see_dir_llseek(struct file *file, loff_t offset, int whence)
{
	/* a position is a cookie: there is nothing to count from the end */
	if (whence != SEEK_SET && whence != SEEK_CUR)
		return -EINVAL;
	return generic_file_llseek_size(file, offset, whence, LLONG_MAX, 0);
}

static int see_dir_open(struct inode *inode, struct file *file)
{
	struct see_dir_file *df = kzalloc(sizeof(*df), GFP_KERNEL_ACCOUNT);

	if (!df)
		return -ENOMEM;
	file->private_data = df;
	return 0;
}

static int see_dir_release(struct inode *inode, struct file *file)
{
	struct see_dir_file *df = file->private_data;

	if (df->stream)
		fput(df->stream);
	kfree(df->buf);
	kfree(df);
	return 0;
}

static int see_sync_dir(struct see_layer *layer, struct dentry *dentry)
{
	struct file *file = see_open_dir(layer, layer->priv.mnt, dentry);
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = vfs_fsync(file, 0);
	fput(file);
	return err;
}

/* all that the private tree has of a directory, but what is in its subdirectories */
static int see_sync_parts(struct inode *inode)
{
	struct see_layer *layer = see_layer(inode->i_sb);
	struct see_names *names = see_names(inode);
	struct dentry *sub;
	int i, err = 0;

	if (see_born(inode))
		return see_sync_dir(layer, see_priv(inode));
	if (see_test(inode, SEE_I_ATTRS))
		err = see_persist(inode);
	if (!err && see_priv(inode))
		err = see_sync_dir(layer, see_priv(inode));
	for (i = 0; !err && names && i < SEE_NR_SUBS; i++) {
		sub = see_sub_of(names, i);
		if (sub)
			err = see_sync_dir(layer, sub);
	}
	if (!err && see_boxed(inode)) {
		err = see_sync_dir(layer, see_i(inode)->box);
		if (!err)
			err = see_sync_dir(layer, layer->objects);
	}
	return err;
}

static int see_dir_fsync(struct file *file, loff_t start, loff_t end,
			 int datasync)
{
	struct inode *inode = file_inode(file);
	int err = see_change_enter(inode->i_sb);

	if (err)
		return err;
	err = see_sync_parts(inode);
	see_change_leave(inode->i_sb);
	return err;
}

const struct file_operations see_dir_fops = {
	.open		= see_dir_open,
	.release	= see_dir_release,
	.read		= generic_read_dir,
	.iterate_shared	= see_iterate,
	.llseek		= see_dir_llseek,
	.fsync		= see_dir_fsync,
};

struct see_empty {
	struct dir_context ctx;
	struct inode *dir;
	size_t seen;
	bool found;
};

static bool see_empty_actor(struct dir_context *ctx, const char *name, int len,
			    loff_t off, u64 ino, unsigned int type)
{
	struct see_empty *e = container_of(ctx, struct see_empty, ctx);
	struct see_layer *layer = see_layer(e->dir->i_sb);

	e->seen++;
	if ((len == 1 && name[0] == '.') ||
	    (len == 2 && name[0] == '.' && name[1] == '.'))
		return true;
	if (see_names_hides(e->dir, name, len))
		return true;
	if (type == DT_DIR && (xa_load(&layer->placed, ino)))
		return true;
	if (!see_guard(SEE_GUARD_EMPTY))
		return true;
	e->found = true;
	return false;
}

/**
 * see_dir_empty - is there no name in a directory?
 * @dir: directory, i_rwsem held
 *
 * Return: 0, -ENOTEMPTY, or what listing it returned.
 */
int see_dir_empty(struct inode *dir)
{
	struct see_empty e = { .ctx.actor = see_empty_actor, .dir = dir };
	struct see_names *names = see_names(dir);
	struct see_name *buf, *name;
	struct file *stream;
	u64 id = 0;
	int err = 0;

	if (names) {
		buf = kmalloc(SEE_NAME_SIZE, GFP_KERNEL);
		if (!buf)
			return -ENOMEM;
		while ((name = see_names_next(names, id, buf))) {
			id = name->id + 1;
			if (see_name_shows(name)) {
				err = -ENOTEMPTY;
				break;
			}
		}
		kfree(buf);
	}
	if (err)
		return err;
	stream = see_stream_open(dir);
	if (IS_ERR_OR_NULL(stream))
		return PTR_ERR_OR_ZERO(stream);
	do {
		e.seen = 0;
		err = iterate_dir(stream, &e.ctx);
	} while (!err && e.seen && !e.found);
	fput(stream);
	if (err == -ENOENT)
		err = 0;
	return err ?: (e.found ? -ENOTEMPTY : 0);
}
