// SPDX-License-Identifier: GPL-2.0
/*
 * policy.c - a place for policy-rc.d
 *
 * Package scripts ask /usr/sbin/policy-rc.d whether they may start daemons.
 * Ours is mounted there, which needs a file to mount it over; where there is
 * none we make one for as long as commands run: empty, and of mode 0, by which
 * inspect and commit know it.  Whoever uses it has a shared lock on it, so that
 * the last one removes it.  A commit removes it first of all, which takes our mount
 * from the runs that go on.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/file.h>

#include "seectl.h"

#define DIRECTORY	"/usr/sbin"
#define NAME		"policy-rc.d"

static bool is_placeholder(const struct stat *st)
{
	return S_ISREG(st->st_mode) && !(st->st_mode & 07777) && !st->st_size && !st->st_uid;
}

/* its directory in the SEE, or -1; the layer is mounted, and may be /usr or /usr/sbin */
static int open_dir(const struct layer *l)
{
	const char *below = DIRECTORY + (l->path[1] ? strlen(l->path) : 0);

	while (*below == '/')
		below++;
	return open_nofollow(l->fd, *below ? below : ".", O_PATH | O_DIRECTORY, true);
}

static struct layer *layer_for(struct see *see)
{
	struct layer *l = client_layer_of(see, POLICY_PATH);

	return l && l->flags & SEE_LAYER_WRITE && !geteuid() ? l : NULL;
}

bool policy_start(struct see *see, struct policy *p)
{
	struct layer *l = layer_for(see);
	struct stat st, now;

	if (!l)
		return false;
	p->dir = open_dir(l);
	if (p->dir < 0)
		return false;
	for (int tries = 0; tries < 100; tries++) {
		bool locked;

		close_fd(&p->file);
		if (!fstatat(p->dir, NAME, &st, AT_SYMLINK_NOFOLLOW) && !is_placeholder(&st))
			return S_ISREG(st.st_mode);
		p->file = openat(p->dir, NAME, O_RDONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0);
		if (p->file < 0)
			return false;
		/* a process of the SEE may have taken the lock, to keep us waiting */
		locked = !flock(p->file, LOCK_SH | LOCK_NB);
		if ((!locked && errno != EWOULDBLOCK) || fstat(p->file, &st) < 0)
			return false;
		/* removed by the last user meanwhile? */
		if (!locked)
			usleep(10000);
		else if (!fstatat(p->dir, NAME, &now, AT_SYMLINK_NOFOLLOW) && now.st_ino == st.st_ino)
			return true;
	}
	remark("a process of SEE %s has a lock on " POLICY_PATH ": package scripts may start daemons in it",
	       see->name);
	return false;
}

void policy_stop(struct policy *p)
{
	struct stat own, st;

	/* a commit may have removed ours, and a later run made another */
	if (p->file >= 0 && !flock(p->file, LOCK_EX | LOCK_NB) && !fstat(p->file, &own) &&
	    !fstatat(p->dir, NAME, &st, AT_SYMLINK_NOFOLLOW) && is_placeholder(&st) &&
	    st.st_ino == own.st_ino)
		unlinkat(p->dir, NAME, 0);
	close_fd(&p->file);
	close_fd(&p->dir);
}

int policy_sweep(struct see *see)
{
	struct layer *l = layer_for(see);
	_cleanup_close_ int dir = -1;
	struct stat st;
	int err;

	if (!l)
		return 0;
	err = client_mount(see, l);
	if (err)
		return err;
	dir = open_dir(l);
	if (dir < 0 || fstatat(dir, NAME, &st, AT_SYMLINK_NOFOLLOW) < 0 || !is_placeholder(&st))
		return 0;
	if (unlinkat(dir, NAME, 0) < 0 && errno != ENOENT)
		return complain("the place for " POLICY_PATH " in SEE %s cannot be removed, and is not to be committed: %s",
				see->name, strerror(errno));
	return 0;
}
