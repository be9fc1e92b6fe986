// SPDX-License-Identifier: GPL-2.0
/* model_op.c - operations: chosen at random, expected by the model, and done */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "model_walk.h"

#define DEPTH		4	/* of directories */
#define OBJECTS		30	/* names that a side has at most, or so */

static const struct {
	const char *name;
	int weight;
} verbs[VERBS] = {
	[WRITE] = { "write", 10 }, [CREATE] = { "create", 2 }, [TMPFILE] = { "tmpfile", 1 },
	[CHMOD] = { "chmod", 3 }, [CHOWN] = { "chown", 2 }, [XATTR] = { "xattr", 2 },
	[MKDIR] = { "mkdir", 5 }, [MKFIFO] = { "mkfifo", 1 }, [SYMLINK] = { "symlink", 2 },
	[LINK] = { "link", 3 }, [UNLINK] = { "unlink", 6 }, [RMDIR] = { "rmdir", 4 },
	[RENAME] = { "rename", 14 },
};

/* A name that is there, if there: mostly.  Else any, now and then in what is no directory. */
static void choose_spot(const struct tree *t, struct spot *s, bool there)
{
	const struct place *p;

	if (there && t->count > 1 && rnd(10)) {
		p = &t->at[1 + rnd(t->count - 1)];
		s->dir = p->parent;
		s->name = p->name;
		strcpy(s->path, p->path);
		return;
	}
	do
		p = &t->at[rnd(t->count)];
	while (p->depth >= DEPTH || (!is_dir(p->ref) && rnd(30)));
	s->dir = p->ref;
	s->name = rnd(VM_NAMES);
	join(s->path, p->path, s->name);
}

void choose(const struct tree *t, struct op *op)
{
	int dice, total = 0, i;

	for (i = 0; i < VERBS; i++)
		total += verbs[i].weight;
	dice = rnd(total);
	for (i = 0; dice >= verbs[i].weight; i++)
		dice -= verbs[i].weight;
	if (t->count > OBJECTS && i != RENAME && i != CHMOD && i != CHOWN && i != XATTR)
		i = rnd(2) ? UNLINK : RMDIR;
	op->verb = i;
	op->flags = 0;
	op->value = 1 + rnd(1000000);
	switch (op->verb) {
	case WRITE:
		choose_spot(t, &op->a, rnd(2));
		break;
	case CREATE:
	case TMPFILE:
	case MKDIR:
	case MKFIFO:
	case SYMLINK:
		choose_spot(t, &op->a, false);
		break;
	case CHMOD:
		op->value = (unsigned int[]){ 0600, 0644, 0755, 0700 }[rnd(4)] | 0x10000;
		choose_spot(t, &op->a, true);
		break;
	case CHOWN:
		op->value %= 4;
		choose_spot(t, &op->a, true);
		break;
	case XATTR:
		if (!rnd(4))
			op->value = 0;
		choose_spot(t, &op->a, true);
		break;
	case RENAME:
		op->flags = (int[]){ 0, 0, 0, VM_NOREPLACE, VM_EXCHANGE }[rnd(5)];
		choose_spot(t, &op->a, true);
		choose_spot(t, &op->b, rnd(10) < 6);
		break;
	case LINK:
		choose_spot(t, &op->a, true);
		choose_spot(t, &op->b, false);
		break;
	default:
		choose_spot(t, &op->a, true);
	}
}

/* What the model says: an errno, or VM_OPEN. */
int expect(enum vm_side side, const struct op *op)
{
	const struct spot *const spots[] = { &op->a, &op->b };
	vm_ref ref;
	int i;

	for (i = 0; i < (op->verb == LINK || op->verb == RENAME ? 2 : 1); i++) {
		ref = spots[i]->dir;
		/* The targets of links are not there. */
		if (m.node[ref].kind == VM_LINK)
			return ENOENT;
		if (!is_dir(ref))
			return ENOTDIR;
		if (op->verb == LINK && !i && !vm_lookup(&m, side, ref, op->a.name))
			return ENOENT;
	}
	ref = vm_lookup(&m, side, op->a.dir, op->a.name);
	switch (op->verb) {
	case WRITE:
		return vm_write(&m, side, op->a.dir, op->a.name, op->value);
	case CREATE:
	case TMPFILE:
		return vm_make(&m, side, op->a.dir, op->a.name, VM_FILE,
			       op->verb == CREATE ? 0 : op->value);
	case MKDIR:
		return vm_make(&m, side, op->a.dir, op->a.name, VM_DIR, 0);
	case MKFIFO:
		return vm_make(&m, side, op->a.dir, op->a.name, VM_FIFO, 0);
	case SYMLINK:
		return vm_make(&m, side, op->a.dir, op->a.name, VM_LINK, op->value);
	case CHMOD:
		/* It would follow. */
		if (ref && m.node[ref].kind == VM_LINK)
			return VM_OPEN;
		return vm_set(&m, side, op->a.dir, op->a.name, VM_MODE, op->value);
	case CHOWN:
		return vm_set(&m, side, op->a.dir, op->a.name, VM_OWNER, op->value);
	case XATTR:
		if (!xattrs)
			return VM_OPEN;
		return vm_set(&m, side, op->a.dir, op->a.name, VM_XATTR, op->value);
	case LINK:
		return vm_link(&m, side, op->a.dir, op->a.name, op->b.dir, op->b.name);
	case UNLINK:
		return vm_unlink(&m, side, op->a.dir, op->a.name);
	case RMDIR:
		return vm_rmdir(&m, side, op->a.dir, op->a.name);
	case RENAME:
		return vm_rename(&m, side, op->a.dir, op->a.name, op->b.dir, op->b.name,
				 op->flags);
	default:
		return VM_OPEN;
	}
}

static int put_data(int fd, uint32_t value)
{
	char buf[16384];
	size_t size = content(value, buf);

	if (fd < 0)
		return -1;
	if (write(fd, buf, size) != (ssize_t)size) {
		close(fd);
		return -1;
	}
	return fd;
}

/* A file without a name, then with one. */
static int tmpfile_at(const char *path, uint32_t value)
{
	char dir[PATH_MAX], link[64];
	int fd, err;

	strcpy(dir, path);
	*strrchr(dir, '/') = 0;
	fd = put_data(open(dir, O_TMPFILE | O_WRONLY, 0644), value);
	if (fd < 0)
		return -1;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	err = linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW);
	close(fd);
	return err;
}

/* Do it; an errno. */
int perform(const struct op *op)
{
	const char *a = op->a.path, *b = op->b.path;
	char text[32];
	int fd, got = 0;

	snprintf(text, sizeof(text), op->verb == SYMLINK ? "nowhere/%u" : "%u", op->value);
	switch (op->verb) {
	case WRITE:
		fd = put_data(open(a, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_NONBLOCK, 0644),
			      op->value);
		got = fd < 0 ? -1 : close(fd);
		break;
	case CREATE:
		fd = open(a, O_WRONLY | O_CREAT | O_EXCL, 0644);
		got = fd < 0 ? -1 : close(fd);
		break;
	case TMPFILE:
		got = tmpfile_at(a, op->value);
		break;
	case CHMOD:
		got = chmod(a, op->value & 07777);
		break;
	case CHOWN:
		got = lchown(a, op->value, -1);
		break;
	case XATTR:
		got = op->value ? lsetxattr(a, "user.m", text, strlen(text), 0) :
				  lremovexattr(a, "user.m");
		if (got && !op->value && errno == ENODATA)
			got = 0;
		break;
	case MKDIR:
		got = mkdir(a, 0755);
		break;
	case MKFIFO:
		got = mkfifo(a, 0644);
		break;
	case SYMLINK:
		got = symlink(text, a);
		break;
	case LINK:
		got = link(a, b);
		break;
	case UNLINK:
		got = unlink(a);
		break;
	case RMDIR:
		got = rmdir(a);
		break;
	case RENAME:
		got = syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, op->flags);
		break;
	default:
		break;
	}
	return got ? errno : 0;
}

static unsigned int object_at(enum vm_side side, const struct spot *s)
{
	return is_dir(s->dir) ? m.node[vm_lookup(&m, side, s->dir, s->name)].id : 0;
}

/* What is said of an operation, before it is done. */
void note_op(const char *prefix, enum vm_side side, const struct tree *t,
		    const struct op *op)
{
	const char *a = find(t, op->a.dir)->path + strlen(root[side]);

	if (op->verb == LINK || op->verb == RENAME)
		note("%s%s: %s %s/%s (%u) %s/%s (%u) %d", prefix,
		     side == VM_SEE ? "see" : "host", verbs[op->verb].name,
		     a, names[op->a.name], object_at(side, &op->a),
		     find(t, op->b.dir)->path + strlen(root[side]), names[op->b.name],
		     object_at(side, &op->b), op->flags);
	else
		note("%s%s: %s %s/%s (%u) %u", prefix, side == VM_SEE ? "see" : "host",
		     verbs[op->verb].name, a, names[op->a.name], object_at(side, &op->a),
		     op->value);
}

/* What was said, but that file systems differ in some of it. */
int said(enum vm_side side, const struct op *op, int want, int got)
{
	if (side == VM_HOST && got == EEXIST && want == ENOTEMPTY)
		return want;
	/* in a directory that was removed */
	if (side == VM_HOST && op->verb == TMPFILE && got == EPERM && want == ENOENT)
		return want;
	return got;
}
