/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_LOCKS_H
#define SEE_LOCKS_H

#include "see.h"

struct file_lock;

/**
 * struct see_host_lock - a lock that a commit holds on the host
 * @list: of the commit
 * @file: open file that it belongs to; also its owner
 * @posix: of fcntl(2), else of flock(2)
 */
struct see_host_lock {
	struct list_head list;
	struct file *file;
	bool posix;
};

int see_lock_op(struct file *file, int cmd, struct file_lock *fl);
int see_flock_op(struct file *file, int cmd, struct file_lock *fl);

int see_lock_host(struct vfsmount *mnt, struct dentry *dentry, bool posix,
		  struct list_head *locks);
void see_unlock_host(struct list_head *locks);

#endif /* SEE_LOCKS_H */
