// SPDX-License-Identifier: GPL-2.0
/*
 * command.c - by which command something was changed first
 *
 * For people who read the list of changes; nothing is decided by it.  The name
 * is the process's own, which may call itself anything.  It is noted in memory,
 * with the change; the file "commands" of the private tree is read at mount, and
 * removed, and written anew when the layer goes.  So it is absent after a crash
 * rather than wrong.  Whatever fails here, a command is not known.
 *
 * Owns see_inode.command and see_layer.commands; see_name.command is names.c's.
 *
 * Lock order: as whoever changes the private tree; no lock of ours is needed but
 * those at the top of see.h that the callers hold.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/namei.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "changes.h"
#include "command.h"
#include "compat_data.h"
#include "data.h"
#include "decode.h"
#include "inode.h"
#include "lower.h"
#include "names.h"
#include "tree.h"

/* any record fits: see_disk_head.len has 16 bits */
#define SEE_COMMAND_BUF	SZ_64K

static_assert(sizeof(struct see_disk_command) == 20);

static const struct qstr see_command_file = QSTR_INIT(SEE_TREE_COMMANDS,
						      sizeof(SEE_TREE_COMMANDS) - 1);

/**
 * see_command_note - the name of the caller's process
 * @command: SEE_COMMAND_SIZE bytes, filled in, padded with NULs
 *
 * The process's, not the thread's: a pool's worker tells nobody anything.
 */
void see_command_note(char *command)
{
	char comm[TASK_COMM_LEN];

	get_task_comm(comm, current->group_leader);
	strscpy_pad(command, comm, SEE_COMMAND_SIZE);
}

/**
 * see_command_touch - the caller is about to change an object
 * @inode: a host object; the first call counts, until SEE_I_ATTRS is set
 *
 * Context: any that may take inode->i_lock.
 */
void see_command_touch(struct inode *inode)
{
	struct see_inode *si = see_i(inode);
	char command[SEE_COMMAND_SIZE];

	see_command_note(command);
	spin_lock(&inode->i_lock);
	if (!test_bit(SEE_I_ATTRS, &si->flags) && !si->command[0])
		memcpy(si->command, command, sizeof(command));
	spin_unlock(&inode->i_lock);
}

static struct file *see_command_open(struct see_layer *layer, struct dentry *dentry,
				     int flags)
{
	struct path path = { .mnt = layer->priv.mnt, .dentry = dentry };

	if (!d_is_reg(dentry))
		return ERR_PTR(-EUCLEAN);
	return see_open_quiet(&path, flags, layer->cred);
}

/* ---- reading ---- */

/**
 * struct see_command_in - the file as it is read
 * @load: the tree that is being loaded
 * @inode: what the last object record named, if it is there
 */
struct see_command_in {
	struct see_load *load;
	struct inode *inode;
};

static void see_command_object(struct see_command_in *in,
			       const struct see_disk_command *rec,
			       const char *command, size_t len)
{
	bool born = rec->head.flags & SEE_COMMAND_BORN;
	char key[SEE_MAX_KEY + 1];

	in->inode = NULL;
	if ((rec->head.flags & ~SEE_COMMAND_BORN) || !len || len > SEE_MAX_KEY)
		return;
	memcpy(key, rec->text, len);
	key[len] = 0;
	in->inode = see_tree_find(in->load, key, born);
	if (in->inode && !born && see_test(in->inode, SEE_I_ATTRS))
		memcpy(see_i(in->inode)->command, command, SEE_COMMAND_SIZE);
}

static void see_command_name(struct see_command_in *in,
			     const struct see_disk_command *rec,
			     const char *command, size_t len)
{
	if (in->inode && !rec->head.flags && len && len <= NAME_MAX)
		see_names_command(in->inode, &(struct qstr)QSTR_INIT(rec->text, len),
				  command);
}

/* whole records; returns the bytes that they take, 0 if no more can be read */
static size_t see_command_parse(struct see_command_in *in, const u8 *buf, size_t size)
{
	const struct see_disk_command *rec;
	size_t at = 0, len;

	while ((rec = see_decode_command(buf, size, &at))) {
		char command[SEE_COMMAND_SIZE];

		len = le16_to_cpu(rec->head.len) - sizeof(*rec);
		memcpy(command, rec->command, sizeof(command));
		command[sizeof(command) - 1] = 0;
		if (rec->head.kind == SEE_DISK_COMMAND_OBJECT)
			see_command_object(in, rec, command, len);
		else if (rec->head.kind == SEE_DISK_COMMAND_NAME)
			see_command_name(in, rec, command, len);
	}
	return at;
}

static void see_command_read(struct see_load *load, struct file *file)
{
	struct see_command_in in = { .load = load };
	u8 *buf = kvmalloc(SEE_COMMAND_BUF, GFP_KERNEL);
	loff_t from = 0, pos;
	size_t used;
	ssize_t n;

	if (!buf)
		return;
	do {
		pos = from;
		n = kernel_read(file, buf, SEE_COMMAND_BUF, &pos);
		used = n > 0 ? see_command_parse(&in, buf, n) : 0;
		from += used;
		cond_resched();
	} while (used && !fatal_signal_pending(current));
	kvfree(buf);
}

/**
 * see_command_load - bring back what was noted before
 * @sb: superblock
 * @load: its tree, with all objects and names loaded
 *
 * Never fails: what cannot be read is not known.
 *
 * Context: the mounter's credentials, no write access.
 */
void see_command_load(struct super_block *sb, struct see_load *load)
{
	struct see_layer *layer = see_layer(sb);
	struct dentry *dentry;
	struct file *file;

	layer->commands = true;
	dentry = see_lookup_priv(layer->priv.dentry, SEE_TREE_COMMANDS,
				 see_command_file.len);
	if (IS_ERR(dentry))
		return;
	file = see_command_open(layer, dentry, O_RDONLY);
	if (!IS_ERR(file)) {
		see_command_read(load, file);
		see_close(file);
	}
	dput(dentry);
	see_tree_discard(layer, layer->priv.dentry, &see_command_file);
}

/* ---- writing ---- */

/**
 * struct see_command_out - the file as it is written
 * @sb: superblock of the layer
 * @file: NULL until there is something to write
 * @pos: bytes written
 * @used: bytes in @buf
 * @err: why no more is written
 * @buf: what is to be written next
 */
struct see_command_out {
	struct super_block *sb;
	struct file *file;
	loff_t pos;
	size_t used;
	int err;
	u8 buf[PAGE_SIZE - 64];
};

static int see_command_make(struct see_command_out *out)
{
	struct see_layer *layer = see_layer(out->sb);
	struct dentry *made;
	struct see_op op;
	int err;

	err = see_begin(out->sb, &op);
	if (err)
		return err;
	see_remove(layer->priv.dentry, &see_command_file);
	err = see_make(layer->priv.dentry, &see_command_file, S_IFREG | 0600, 0, NULL,
		       NULL, &made);
	see_end(&op);
	if (err)
		return err;
	out->file = see_command_open(layer, made, O_RDWR);
	dput(made);
	if (IS_ERR(out->file)) {
		err = PTR_ERR(out->file);
		out->file = NULL;
	}
	return err;
}

static void see_command_flush(struct see_command_out *out)
{
	ssize_t n;

	if (out->err || !out->used)
		return;
	out->err = see_space_check(see_layer(out->sb), out->used);
	if (!out->err && !out->file)
		out->err = see_command_make(out);
	if (out->err)
		return;
	n = kernel_write(out->file, out->buf, out->used, &out->pos);
	if (n != out->used)
		out->err = n < 0 ? n : -EIO;
	out->used = 0;
}

static void see_command_put(struct see_command_out *out, u8 kind, u8 flags,
			    const char *command, const void *text, size_t len)
{
	struct see_disk_command *rec;
	size_t size = sizeof(*rec) + len;

	if (out->used + size > sizeof(out->buf))
		see_command_flush(out);
	if (out->err)
		return;
	rec = (void *)(out->buf + out->used);
	rec->head.kind = kind;
	rec->head.flags = flags;
	rec->head.len = cpu_to_le16(size);
	memcpy(rec->command, command, sizeof(rec->command));
	memcpy(rec->text, text, len);
	out->used += size;
}

/* an object, if it is worth it: @key is forgotten once it was said */
static void see_command_key(struct see_command_out *out, struct inode *inode,
			    const char **key)
{
	if (*key)
		see_command_put(out, SEE_DISK_COMMAND_OBJECT,
				see_born(inode) ? SEE_COMMAND_BORN : 0,
				see_i(inode)->command, *key, strlen(*key));
	*key = NULL;
}

static void see_command_save_one(struct see_command_out *out, struct inode *inode,
				 struct see_name *buf)
{
	struct see_names *names = see_names(inode);
	struct see_inode *si = see_i(inode);
	const char *key = si->origin;
	struct see_name *e;
	u64 id = 0;

	/* the container of a born directory has its key, and keeps its name */
	if (see_born(inode))
		key = see_boxed(inode) ? (const char *)si->box->d_name.name : NULL;
	if (!key)
		return;
	if (si->command[0])
		see_command_key(out, inode, &key);
	while (names && !out->err && (e = see_names_next(names, id, buf))) {
		id = e->id + 1;
		if (e->kind == SEE_NAME_FOLLOW || !e->command[0])
			continue;
		see_command_key(out, inode, &key);
		see_command_put(out, SEE_DISK_COMMAND_NAME, 0, e->command, e->name,
				e->len);
		cond_resched();
	}
}

static int see_command_save_all(struct see_command_out *out)
{
	struct see_layer *layer = see_layer(out->sb);
	struct see_name *buf = kmalloc(SEE_NAME_SIZE, GFP_KERNEL);
	struct see_inode *si = NULL;
	const struct cred *old;

	if (!buf)
		return -ENOMEM;
	old = override_creds(layer->cred);
	while (!out->err && (si = see_next_changed(layer, si)))
		see_command_save_one(out, &si->vfs_inode, buf);
	see_command_flush(out);
	revert_creds(old);
	if (out->file)
		see_close(out->file);
	kfree(buf);
	return out->err;
}

/**
 * see_command_save - write what was noted to the private tree
 * @arg: superblock of a layer that goes; nobody changes anything any more
 *
 * Context: a kernel thread (see_run_aside()), without write access to the private
 * tree.
 * Return: 0 or an error, for nobody: what does not get there is not known later.
 */
int see_command_save(void *arg)
{
	struct super_block *sb = arg;
	struct see_command_out *out;
	int err;

	/* what was not read must not be overwritten */
	if (!see_layer(sb)->commands)
		return 0;
	out = kzalloc(sizeof(*out), GFP_KERNEL);
	if (!out)
		return -ENOMEM;
	out->sb = sb;
	err = see_command_save_all(out);
	kfree(out);
	return err;
}
