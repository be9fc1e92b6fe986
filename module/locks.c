// SPDX-License-Identifier: GPL-2.0
/*
 * locks.c - locks that programs agree by
 *
 * Owns SEE_I_LOCK_POSIX and SEE_I_LOCK_FLOCK.  Locks in a SEE are the SEE's own:
 * they exclude nobody on the host.  But who took a write lock on a file of the
 * host (dpkg's, a database's) changed something that goes by it, so that is noted
 * in the file's container, and a commit takes the same lock on the host.
 *
 * No lock of this module is held here but, while it is noted, those of hold.c.
 */
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/slab.h>

#include "compat_data.h"
#include "gate.h"
#include "inode.h"
#include "locks.h"
#include "lower.h"
#include "tree.h"

/* ---- in the SEE ---- */

static int see_note_lock(struct file *file, int bit)
{
	struct inode *inode = file_inode(file);
	struct see_op op;
	int err;

	if (see_born(inode) || see_test(inode, bit) ||
	    __mnt_is_readonly(file->f_path.mnt))
		return 0;
	err = see_change_enter(inode->i_sb);
	if (err)
		return err;
	err = see_hold_origin(inode);
	if (!err)
		err = see_begin(inode->i_sb, &op);
	if (err)
		goto out;
	set_bit(bit, &see_i(inode)->flags);
	err = see_box(inode);
	if (!err)
		err = see_tree_set_locks(inode);
	if (err)
		clear_bit(bit, &see_i(inode)->flags);
	see_end(&op);
out:
	see_change_leave(inode->i_sb);
	return err;
}

/**
 * see_lock_op - fcntl(2) locks
 * @file: of a layer
 * @cmd: F_GETLK, F_SETLK, F_SETLKW or F_CANCELLK
 * @fl: the lock
 *
 * Return: as the VFS does by itself; or why a write lock could not be noted.
 */
int see_lock_op(struct file *file, int cmd, struct file_lock *fl)
{
	int err = 0;

	if (cmd == F_CANCELLK)
		return 0;
	if (cmd == F_GETLK) {
		posix_test_lock(file, fl);
		return 0;
	}
	if (see_lock_type(fl) == F_WRLCK)
		err = see_note_lock(file, SEE_I_LOCK_POSIX);
	return err ?: posix_lock_file(file, fl, NULL);
}

/**
 * see_flock_op - flock(2)
 * @file: of a layer
 * @cmd: F_SETLK or F_SETLKW
 * @fl: the lock
 */
int see_flock_op(struct file *file, int cmd, struct file_lock *fl)
{
	int err = 0;

	if (see_lock_type(fl) == F_WRLCK)
		err = see_note_lock(file, SEE_I_LOCK_FLOCK);
	return err ?: locks_lock_file_wait(file, fl);
}

/* ---- on the host ---- */

static int see_set_host_lock(struct file *file, bool posix, int type)
{
	struct file_lock fl;

	locks_init_lock(&fl);
	see_lock_fill(&fl, file, posix, type);
	return posix ? posix_lock_file(file, &fl, NULL) : locks_lock_file_wait(file, &fl);
}

/**
 * see_lock_host - take a write lock on a file of the host, without waiting
 * @mnt: mount by which it is opened
 * @dentry: the file
 * @posix: as fcntl(2) does, else as flock(2)
 * @locks: where it is kept for see_unlock_host()
 *
 * Return: 0; -EAGAIN if somebody has it; or another error.
 */
int see_lock_host(struct vfsmount *mnt, struct dentry *dentry, bool posix,
		  struct list_head *locks)
{
	struct path path = { .mnt = mnt, .dentry = dentry };
	struct see_host_lock *lock = kmalloc(sizeof(*lock), GFP_KERNEL_ACCOUNT);
	int err;

	if (!lock)
		return -ENOMEM;
	/* for reading, as what is open for writing could not be installed */
	lock->file = dentry_open(&path, O_RDONLY | O_LARGEFILE | O_NOATIME, current_cred());
	if (IS_ERR(lock->file)) {
		err = PTR_ERR(lock->file);
		goto out;
	}
	lock->posix = posix;
	err = see_set_host_lock(lock->file, posix, F_WRLCK);
	if (!err) {
		list_add(&lock->list, locks);
		return 0;
	}
	fput(lock->file);
out:
	kfree(lock);
	return err;
}

/**
 * see_unlock_host - give all locks back
 * @locks: of see_lock_host()
 */
void see_unlock_host(struct list_head *locks)
{
	struct see_host_lock *lock, *next;

	list_for_each_entry_safe(lock, next, locks, list) {
		see_set_host_lock(lock->file, lock->posix, F_UNLCK);
		fput(lock->file);
		kfree(lock);
	}
	INIT_LIST_HEAD(locks);
}
