// SPDX-License-Identifier: GPL-2.0
/*
 * host.c - taking back a step with ordinary system calls
 *
 * The journal does not say what was applied; the file systems do.  A step whose
 * src is still what it was before was not applied, or was taken back already.
 * Nobody else writes meanwhile, as at boot; what the host did before that is
 * found, and left alone.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>

#include "handle.h"
#include "recover.h"
#include "util.h"

int host_part(const struct recovery *r, const struct plan_step *s)
{
	for (unsigned int i = 0; i < r->plan.nlayers; i++)
		if (r->plan.layer[i].index == s->see->layer)
			return r->part[i];
	return -1;
}

/* a directory that is in the tree; -ESTALE if it was removed */
static int open_live(int mount, const char *key)
{
	_cleanup_close_ int fd = key_open(mount, key, O_PATH | O_DIRECTORY);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return st.st_nlink ? take_fd(&fd) : -ESTALE;
}

int host_dir(struct recovery *r, const struct plan_step *s, const char *key)
{
	int mount = host_part(r, s), fd = open_live(mount, key);

	/* one that was removed and put back is another inode */
	for (size_t i = 0; fd == -ESTALE && i < r->plan.nsteps; i++) {
		const struct plan_step *rmdir = &r->plan.step[i];

		if (rmdir->see->kind == SEE_STEP_RMDIR && rmdir->see->layer == s->see->layer &&
		    !strcmp(step_text(rmdir, SEE_TEXT_OLD_KEY), key))
			return r->lost && r->lost[i] ? -ESTALE :
				open_live(mount, step_text(rmdir, SEE_TEXT_SRC_KEY));
	}
	return fd;
}

/* the two names of a step */
struct ends {
	int src_dir, dst_dir;
	const char *src, *dst;
};

static void close_ends(struct ends *e)
{
	close_fd(&e->src_dir);
	close_fd(&e->dst_dir);
}

/* a directory that is not there any more is -1: none of its entries is */
static int open_ends(struct recovery *r, const struct plan_step *s, struct ends *e)
{
	e->src = step_text(s, SEE_TEXT_SRC);
	e->dst = step_text(s, SEE_TEXT_DST);
	e->src_dir = host_dir(r, s, step_text(s, SEE_TEXT_SRC_DIR));
	if (e->src_dir < 0 && e->src_dir != -ESTALE)
		return e->src_dir;
	e->dst_dir = host_dir(r, s, step_text(s, SEE_TEXT_DST_DIR));
	return e->dst_dir < 0 && e->dst_dir != -ESTALE ? e->dst_dir : 0;
}

/* 1: the entry has the key; 0: something else is there; -ENOENT: nothing is */
static int at(int dir, const char *name, const char *key)
{
	return dir == -ESTALE ? -ENOENT : key_at(dir, name, key);
}

static bool moves(const struct plan_step *s)
{
	return s->see->kind == SEE_STEP_RENAME || s->see->kind == SEE_STEP_EXCHANGE;
}

/* 1: the object of a step is where a step before found it */
static int before(struct recovery *r, const struct plan_step *s)
{
	const char *key = step_text(s, SEE_TEXT_SRC_KEY);

	for (size_t i = s->see->step; i--;) {
		const struct plan_step *other = &r->plan.step[i];
		_cleanup_(close_ends) struct ends e = { .src_dir = -1, .dst_dir = -1 };
		int ret;

		if (!moves(other) || other->see->layer != s->see->layer ||
		    strcmp(step_text(other, SEE_TEXT_SRC_KEY), key))
			continue;
		ret = open_ends(r, other, &e);
		if (!ret)
			ret = at(e.src_dir, e.src, key);
		if (ret && ret != -ENOENT)
			return ret;
	}
	return 0;
}

static int torn(int state, unsigned int *conflict)
{
	*conflict = state == -ENOENT ? SEE_CONFLICT_GONE : SEE_CONFLICT_NAME;
	return -ESTALE;
}

static int back(const struct ends *e, unsigned int flags)
{
	return renameat2(e->dst_dir, e->dst, e->src_dir, e->src, flags) < 0 ? -errno : 0;
}

static int rename_back(const struct plan_step *s, const struct ends *e, unsigned int *conflict)
{
	int dst = at(e->dst_dir, e->dst, step_text(s, SEE_TEXT_SRC_KEY)), err;

	if (dst < 0 && dst != -ENOENT)
		return dst;
	if (dst != 1)
		return torn(dst, conflict);
	if (e->src_dir < 0)
		return torn(-ENOENT, conflict);
	err = back(e, RENAME_NOREPLACE);
	/* the host made something there, or moved the directory into itself */
	return err == -EEXIST || err == -EINVAL ? torn(0, conflict) : err;
}

static int exchange_back(const struct plan_step *s, const struct ends *e, unsigned int *conflict)
{
	int dst = at(e->dst_dir, e->dst, step_text(s, SEE_TEXT_SRC_KEY));
	int src = at(e->src_dir, e->src, step_text(s, SEE_TEXT_OLD_KEY));

	if (dst < 0 && dst != -ENOENT)
		return dst;
	if (src < 0 && src != -ENOENT)
		return src;
	return dst == 1 && src == 1 ? back(e, RENAME_EXCHANGE) : torn(dst == 1 ? src : dst, conflict);
}

/* src is not a removed directory itself but one like it, until it becomes dst */
static int rmdir_back(const struct plan_step *s, const struct ends *e, unsigned int *conflict)
{
	int dst = at(e->dst_dir, e->dst, step_text(s, SEE_TEXT_OLD_KEY));
	int src = at(e->src_dir, e->src, step_text(s, SEE_TEXT_SRC_KEY));

	if (dst == 1)
		return 0;
	if (!dst && at(e->dst_dir, e->dst, step_text(s, SEE_TEXT_SRC_KEY)) == 1)
		return 0;
	if (dst < 0 && dst != -ENOENT)
		return dst;
	if (src < 0 && src != -ENOENT)
		return src;
	if (!dst || src != 1 || e->dst_dir < 0)
		return torn(dst, conflict);
	return renameat2(e->src_dir, e->src, e->dst_dir, e->dst, RENAME_NOREPLACE) < 0 ?
		-errno : 0;
}

static int host_take_back(struct recovery *r, const struct plan_step *s, unsigned int *conflict)
{
	_cleanup_(close_ends) struct ends e = { .src_dir = -1, .dst_dir = -1 };
	int ret;

	if (!s->see->kind)
		return 0;
	if (s->see->kind == SEE_STEP_MODIFY)
		return restore_object(r, s, conflict);
	ret = open_ends(r, s, &e);
	if (ret)
		return ret;
	if (s->see->kind == SEE_STEP_RMDIR)
		return rmdir_back(s, &e, conflict);
	ret = at(e.src_dir, e.src, step_text(s, SEE_TEXT_SRC_KEY));
	if (ret && ret != -ENOENT)
		return ret < 0 ? ret : 0;
	ret = s->see->kind == SEE_STEP_RENAME ? rename_back(s, &e, conflict) :
		exchange_back(s, &e, conflict);
	if (ret != -ESTALE)
		return ret;
	/* a directory may be moved twice */
	ret = before(r, s);
	return ret < 0 ? ret : ret ? 0 : -ESTALE;
}

/* names that were put back moved the times of their directories again */
static int host_finish(struct recovery *r)
{
	int err = 0;

	for (size_t i = 0; !err && i < r->plan.nsteps; i++) {
		const struct see_step *s = r->plan.step[i].see;

		if (s->kind == SEE_STEP_MODIFY && S_ISDIR(s->old_mode))
			err = restore_mtime(r, &r->plan.step[i]);
	}
	return err;
}

const struct recover_ops recover_by_host = {
	.take_back = host_take_back, .finish = host_finish,
};

/* ---- what was displaced ---- */

/* is @key that of undo-INDEX of a step's layer? */
static bool is_undo(struct recovery *r, const struct plan_step *s, const char *key)
{
	char name[32], found[KEY_SIZE];
	_cleanup_close_ int fd = -1;

	snprintf(name, sizeof(name), "undo-%u", s->see->layer);
	fd = openat(host_part(r, s), name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && !key_of(fd, found) && !strcmp(found, key);
}

/*
 * Where what a step displaced is now: 1, and @dir and @name, which are of @e; 0 if it
 * is not there any more, or the step displaces nothing.
 */
static int displaced(struct recovery *r, const struct plan_step *s, struct ends *e, int *dir,
		     const char **name)
{
	bool exchange = s->see->kind == SEE_STEP_EXCHANGE;
	int ret;

	if (!exchange && (s->see->kind != SEE_STEP_RENAME ||
			  !is_undo(r, s, step_text(s, SEE_TEXT_DST_DIR))))
		return 0;
	ret = open_ends(r, s, e);
	if (ret)
		return ret;
	*dir = exchange ? e->src_dir : e->dst_dir;
	*name = exchange ? e->src : e->dst;
	ret = at(*dir, *name, step_text(s, exchange ? SEE_TEXT_OLD_KEY : SEE_TEXT_SRC_KEY));
	return ret == -ENOENT ? 0 : ret;
}

int host_keep_old(struct recovery *r, const struct plan_step *s, const char *why)
{
	_cleanup_(close_ends) struct ends e = { .src_dir = -1, .dst_dir = -1 };
	_cleanup_close_ int fd = -1;
	const char *name;
	int dir, ret;

	if (s->see->kind == SEE_STEP_MODIFY) {
		fd = key_open(host_part(r, s), step_text(s, SEE_TEXT_OLD_KEY), O_PATH);
		if (fd < 0)
			return fd == -ESTALE ? 0 : fd;
		return keep_object(&r->keep, s, fd, "", why);
	}
	ret = displaced(r, s, &e, &dir, &name);
	return ret == 1 ? keep_entry(&r->keep, s, dir, name, host_part(r, s), why) : ret;
}

void host_drop_link(struct recovery *r, const struct plan_step *s)
{
	_cleanup_(close_ends) struct ends e = { .src_dir = -1, .dst_dir = -1 };
	const char *name;
	struct stat st;
	int dir;

	if (displaced(r, s, &e, &dir, &name) == 1 && !fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) &&
	    !S_ISDIR(st.st_mode) && st.st_nlink > 1)
		(void)unlinkat(dir, name, 0);
}
