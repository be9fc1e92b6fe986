// SPDX-License-Identifier: GPL-2.0
/*
 * model_walk.c - host and SEE at random, against the model of view_model.h
 *
 *	model_walk LOWER HOST PRIVATE MNT SEED[:STEP] STEPS
 *
 * A directory made in LOWER is covered by a layer at MNT, which is mounted here with one in
 * PRIVATE, and again with others for each tree; HOST is LOWER as the host uses it.  After each operation of either side all that the SEE shows is
 * compared with the model: names that are there and that are not, listings whole, from
 * any place in them, and in pieces with operations between, types, attributes, contents,
 * link counts, numbers, handles, open files, errors.  Exit status 1 and the last
 * operations on standard output if something differs.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "view_model.h"

#define DEPTH		4	/* of directories */
#define OBJECTS		30	/* names that a side has at most, or so */
#define EPISODE		1000	/* steps in one tree */
#define FILES		4	/* that are kept open */
#define STREAMS		3	/* listings that are under way */
#define LOG		2000	/* operations to remember */
#define BIT(n)		(1u << (n))

static char names[VM_NAMES][256] = { "a", "b", "c", "d", "e", "\xff\xfe \n\x80" };

/* What a side has where: all names, parents before children. */
struct place {
	vm_ref ref, parent;
	int name, depth;
	char path[PATH_MAX];
};

struct tree {
	struct place *at;
	int count;
};

/* What the SEE has shown of an object so far. */
struct shown {
	uint32_t id;
	ino_t ino;
	unsigned int handle_bytes;
	int handle_type;
	unsigned char handle[MAX_HANDLE_SZ];
};

struct open_file {
	int fd;
	vm_ref ref;
};

struct stream {
	int fd;
	vm_ref ref, first[VM_NAMES];
	unsigned int must, may, got, kept;
};

static const char *mnt;
static char lower[512], private[512];	/* of the tree that is walked */
static char root[2][512];		/* for each side */
static struct vm m;
static struct shown shown[VM_NODES];
static struct open_file files[FILES];
static struct stream streams[STREAMS];
static bool xattrs;			/* the lower has user.* */
static bool steady;			/* and lists what stays once, whatever comes and goes */
static int mount_fd = -1;
static unsigned long long state;	/* of the random numbers */
static unsigned long long seed, step, tree_step;
static unsigned long done;
static char log_lines[LOG][2200];
static unsigned int logged, log_size = 60;

/*
 * splitmix64 (Steele, Lea, Flood, OOPSLA 2014).  What a listing under way draws depends
 * on the file system, so each operation begins with a state of its own.
 */
static unsigned int rnd(unsigned int below)
{
	unsigned long long z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % below;
}

static void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(log_lines[logged++ % LOG], sizeof(*log_lines), format, args);
	va_end(args);
}

/* Paths of a failure, with what is no text made readable. */
static void print(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			printf("\\x%02x", (unsigned char)*text);
		else if (strspn(text, "f") > 200)
			text += 254, printf("F");
		else
			putchar(*text);
	putchar('\n');
}

static void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
{
	char text[9000];
	unsigned int i;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (i = logged > log_size ? logged - log_size : 0; i < logged; i++)
		print(log_lines[i % LOG]);
	printf("seed %llu:%llu, step %llu: ", seed, tree_step, step);
	print(text);
	exit(1);
}

static void __attribute__((noreturn)) broken(const char *what)
{
	fail("%s: %s", what, strerror(errno));
}

/* ---- what values mean ---- */

static size_t content(uint32_t value, char *buf)
{
	size_t size;

	if (!value)
		return 0;
	size = sprintf(buf, "%u\n", value);
	memset(buf + size, 'x', 6000);
	return value % 7 ? size : size + value % 6000;
}

static unsigned int mode_of(enum vm_kind kind, uint32_t value)
{
	static const unsigned int fresh[] = { 0644, 0755, 0777, 0644 };

	return value ? value & 07777 : fresh[kind];
}

static void join(char path[PATH_MAX], const char *dir, int name)
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, names[name]) >= PATH_MAX)
		fail("path too long: %s", dir);
}

static bool is_dir(vm_ref ref)
{
	return m.node[ref].kind == VM_DIR;
}

/* ---- trees ---- */

static void grow(struct tree *t, enum vm_side side, vm_ref ref, vm_ref parent, int name,
		 const char *path, int depth)
{
	struct place *p;
	int i, self = t->count;

	t->at = realloc(t->at, (t->count + 1) * sizeof(*t->at));
	if (!t->at)
		broken("memory");
	p = &t->at[t->count++];
	*p = (struct place){ .ref = ref, .parent = parent, .name = name, .depth = depth };
	strcpy(p->path, path);
	if (!is_dir(ref))
		return;
	for (i = 0; i < VM_NAMES; i++) {
		vm_ref child = vm_lookup(&m, side, ref, i);
		char below[PATH_MAX];

		if (!child)
			continue;
		join(below, t->at[self].path, i);
		grow(t, side, child, ref, i, below, depth + 1);
	}
}

static void plant(struct tree *t, enum vm_side side)
{
	t->count = 0;
	grow(t, side, VM_ROOT, 0, 0, root[side], 0);
}

static const struct place *find(const struct tree *t, vm_ref ref)
{
	int i;

	for (i = 0; i < t->count; i++)
		if (t->at[i].ref == ref)
			return &t->at[i];
	return NULL;
}

/* What a directory is in the model, for a failure. */
static void describe(vm_ref dir)
{
	const struct vm_node *d = &m.node[dir];
	int i;

	note("object %u: %s, host names %u, given %u, changed %d", d->id,
	     d->host ? "host's" : "born", d->nhost, d->given, d->changed);
	for (i = 0; is_dir(dir) && i < VM_NAMES; i++)
		note("  %s: host has %u, %s %u, keeps %u (%u on the host): shows %u", names[i],
		     m.node[d->names[i]].id,
		     d->over & BIT(i) ? "covered by" : "not covered", m.node[d->to[i]].id,
		     m.node[d->kept[i]].id, m.node[d->kept[i]].nhost,
		     m.node[vm_lookup(&m, VM_SEE, dir, i)].id);
}

/* ---- comparison ---- */

struct entry {
	ino_t ino;
	off_t off;
	unsigned char type;
	int name;			/* -1: . or .. */
};

/* The next entries of a directory, 0 at its end. */
static int entries(int fd, size_t size, struct entry *out, const char *path)
{
	static char buf[65536] __attribute__((aligned(8)));
	long got = syscall(SYS_getdents64, fd, buf, size), at;
	int count = 0, i;

	if (got < 0)
		fail("list of %s: %s", path, strerror(errno));
	for (at = 0; at < got; count++) {
		struct dirent64 *d = (void *)(buf + at);

		at += d->d_reclen;
		if (count == VM_NAMES + 2)
			fail("list of %s does not end", path);
		out[count] = (struct entry){ d->d_ino, d->d_off, d->d_type, -1 };
		if (!strcmp(d->d_name, ".") || !strcmp(d->d_name, ".."))
			continue;
		for (i = 0; i < VM_NAMES && strcmp(d->d_name, names[i]); i++)
			;
		if (i == VM_NAMES)
			fail("%s lists %s", path, d->d_name);
		out[count].name = i;
	}
	return count;
}

static bool same_entries(const struct entry *a, const struct entry *b, int count)
{
	for (; count--; a++, b++)
		if (a->ino != b->ino || a->off != b->off || a->type != b->type ||
		    a->name != b->name)
			return false;
	return true;
}

static unsigned int present(enum vm_side side, vm_ref dir)
{
	unsigned int i, bits = 0;

	for (i = 0; i < VM_NAMES; i++)
		if (vm_lookup(&m, side, dir, i))
			bits |= BIT(i);
	return bits;
}

static void same_data(enum vm_side side, int fd, vm_ref ref, const char *path)
{
	char want[16384], got[16384];
	uint32_t value;
	ssize_t size;

	if (!vm_seen(&m, side, ref, VM_DATA, &value))
		return;
	size = pread(fd, got, sizeof(got), 0);
	if (size < 0)
		fail("reading %s: %s", path, strerror(errno));
	if ((size_t)size != content(value, want) || memcmp(got, want, size))
		fail("content of %s: %.*s (%zd bytes), expected %u", path, (int)size < 12 ?
		     (int)size : 12, got, size, value);
}

static void same_stat(enum vm_side side, const struct stat *st, vm_ref ref,
		      const uint32_t *links, const char *path)
{
	static const mode_t type[] = { S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO };
	const struct vm_node *n = &m.node[ref];
	uint32_t value;
	char buf[16384];

	if ((st->st_mode & S_IFMT) != type[n->kind])
		fail("type of %s: %o, expected %o", path, st->st_mode & S_IFMT, type[n->kind]);
	/* Some file systems do not count subdirectories. */
	if (st->st_nlink != links[ref] && (n->kind != VM_DIR || st->st_nlink != 1)) {
		describe(ref);
		fail("links of %s: %lu, expected %u", path, (unsigned long)st->st_nlink,
		     links[ref]);
	}
	if (vm_seen(&m, side, ref, VM_MODE, &value) &&
	    (st->st_mode & 07777) != mode_of(n->kind, value))
		fail("mode of %s: %o, expected %o", path, st->st_mode & 07777,
		     mode_of(n->kind, value));
	if (vm_seen(&m, side, ref, VM_OWNER, &value) && st->st_uid != value)
		fail("owner of %s: %u, expected %u", path, st->st_uid, value);
	if (n->kind == VM_FILE && vm_seen(&m, side, ref, VM_DATA, &value) &&
	    (size_t)st->st_size != content(value, buf))
		fail("size of %s: %ld, expected %zu", path, (long)st->st_size,
		     content(value, buf));
}

static void same_xattr(enum vm_side side, vm_ref ref, const char *path)
{
	uint32_t value;
	char buf[32] = "";
	ssize_t got;

	if (!xattrs || !vm_seen(&m, side, ref, VM_XATTR, &value))
		return;
	got = lgetxattr(path, "user.m", buf, sizeof(buf) - 1);
	if (got < 0 && errno != ENODATA)
		fail("xattr of %s: %s", path, strerror(errno));
	if (strtoul(buf, NULL, 10) != value)
		fail("xattr of %s: %s, expected %u", path, buf, value);
}

static struct shown *known(vm_ref ref)
{
	struct shown *s = &shown[ref];

	if (s->id != m.node[ref].id)
		*s = (struct shown){ .id = m.node[ref].id };
	return s;
}

/* Number and handle are what they were. */
static void same_identity(const struct stat *st, vm_ref ref, const char *path)
{
	struct {
		struct file_handle h;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle = { .h.handle_bytes = MAX_HANDLE_SZ };
	struct shown *s = known(ref);
	int mount_id;

	if (!s->ino)
		s->ino = st->st_ino;
	if (s->ino != st->st_ino)
		fail("number of %s: %lu, was %lu", path, st->st_ino, s->ino);
	if (name_to_handle_at(AT_FDCWD, path, &handle.h, &mount_id, 0))
		fail("handle of %s: %s", path, strerror(errno));
	if (!s->handle_bytes) {
		s->handle_bytes = handle.h.handle_bytes;
		s->handle_type = handle.h.handle_type;
		memcpy(s->handle, handle.h.f_handle, s->handle_bytes);
	}
	if (s->handle_bytes != handle.h.handle_bytes || s->handle_type != handle.h.handle_type ||
	    memcmp(s->handle, handle.h.f_handle, s->handle_bytes))
		fail("handle of %s is another one", path);
}

/* A handle leads to the object, which has just been looked up. */
static void by_handle(vm_ref ref, const char *path)
{
	struct {
		struct file_handle h;
		unsigned char bytes[MAX_HANDLE_SZ];
	} handle;
	struct shown *s = &shown[ref];
	struct stat st;
	int fd;

	handle.h.handle_bytes = s->handle_bytes;
	handle.h.handle_type = s->handle_type;
	memcpy(handle.h.f_handle, s->handle, s->handle_bytes);
	fd = open_by_handle_at(mount_fd, &handle.h, O_PATH);
	if (fd < 0)
		fail("%s by its handle: %s", path, strerror(errno));
	if (fstat(fd, &st))
		broken("fstat");
	close(fd);
	if (st.st_ino != s->ino)
		fail("the handle of %s leads to %lu, not %lu", path, st.st_ino, s->ino);
}

/* A directory: what it lists, and that it does so from any place in the list. */
static void same_list(enum vm_side side, const struct place *p, bool seek)
{
	int fd = open(p->path, O_RDONLY | O_DIRECTORY), count, more, i, k;
	struct entry all[VM_NAMES + 2], rest[VM_NAMES + 2];
	unsigned int got = 0, want = present(side, p->ref);
	static const unsigned char type[] = { DT_REG, DT_DIR, DT_LNK, DT_FIFO };

	if (fd < 0)
		fail("opening %s: %s", p->path, strerror(errno));
	count = entries(fd, 4096, all, p->path);
	while ((more = entries(fd, 4096, rest, p->path)) > 0) {
		if (count + more > VM_NAMES + 2)
			fail("%s lists something twice", p->path);
		memcpy(all + count, rest, more * sizeof(*rest));
		count += more;
	}
	for (i = 0; i < count; i++) {
		vm_ref ref;

		if (all[i].name < 0)
			continue;
		if (got & BIT(all[i].name))
			fail("%s lists %s twice", p->path, names[all[i].name]);
		got |= BIT(all[i].name);
		ref = vm_lookup(&m, side, p->ref, all[i].name);
		if (!ref)
			fail("%s lists %s", p->path, names[all[i].name]);
		if (all[i].type != type[m.node[ref].kind] && all[i].type != DT_UNKNOWN)
			fail("%s/%s is listed with type %u", p->path, names[all[i].name],
			     all[i].type);
		if (side == VM_SEE && known(ref)->ino && known(ref)->ino != all[i].ino)
			fail("%s/%s is listed with number %lu, was %lu", p->path,
			     names[all[i].name], all[i].ino, known(ref)->ino);
	}
	if (got != want) {
		describe(p->ref);
		fail("list of %s: %x, expected %x", p->path, got, want);
	}
	if (seek && count) {
		k = rnd(count);
		if (lseek(fd, all[k].off, SEEK_SET) < 0)
			broken("seek in a directory");
		for (i = k + 1; (more = entries(fd, 4096, rest, p->path)) > 0; i += more)
			if (i + more > count || !same_entries(all + i, rest, more))
				fail("list of %s from its entry %d on is another one",
				     p->path, k);
		if (i != count)
			fail("list of %s from its entry %d on ends early", p->path, k);
	}
	close(fd);
}

static void compare(enum vm_side side)
{
	static struct tree t;
	uint32_t links[VM_NODES], value;
	struct stat st;
	int i, j, lucky;
	char path[PATH_MAX], buf[64];

	plant(&t, side);
	vm_links(&m, side, links);
	lucky = rnd(t.count);
	for (i = 0; i < t.count; i++) {
		struct place *p = &t.at[i];

		if (lstat(p->path, &st))
			fail("%s: %s", p->path, strerror(errno));
		same_stat(side, &st, p->ref, links, p->path);
		if (side == VM_SEE)
			same_identity(&st, p->ref, p->path);
		switch (m.node[p->ref].kind) {
		case VM_DIR:
			same_list(side, p, i <= lucky);
			for (j = 0; j < VM_NAMES; j++) {
				if (vm_lookup(&m, side, p->ref, j))
					continue;
				join(path, p->path, j);
				if (!lstat(path, &st) || errno != ENOENT)
					fail("%s is there: %s", path, strerror(errno));
			}
			same_xattr(side, p->ref, p->path);
			break;
		case VM_LINK:
			j = readlink(p->path, buf, sizeof(buf) - 1);
			buf[j < 0 ? 0 : j] = 0;
			value = m.node[p->ref].attr[VM_DATA];
			if (strtoul(buf + strcspn(buf, "0123456789"), NULL, 10) != value)
				fail("target of %s: %s, expected %u", p->path, buf, value);
			break;
		case VM_FILE:
			j = open(p->path, O_RDONLY | O_NOFOLLOW);
			if (j < 0)
				fail("opening %s: %s", p->path, strerror(errno));
			same_data(side, j, p->ref, p->path);
			close(j);
			same_xattr(side, p->ref, p->path);
			break;
		}
		if (side == VM_SEE && i == lucky)
			by_handle(p->ref, p->path);
	}
	if (side == VM_HOST)
		return;
	for (i = 0; i < t.count; i++)
		for (j = 0; j < i; j++)
			if (t.at[i].ref != t.at[j].ref &&
			    shown[t.at[i].ref].ino == shown[t.at[j].ref].ino)
				fail("%s and %s share number %lu", t.at[i].path, t.at[j].path,
				     shown[t.at[i].ref].ino);
	for (i = 0; i < FILES; i++) {
		if (!files[i].ref)
			continue;
		snprintf(path, sizeof(path), "open file of object %u", m.node[files[i].ref].id);
		if (fstat(files[i].fd, &st))
			broken("fstat");
		same_stat(side, &st, files[i].ref, links, path);
		if (st.st_ino != shown[files[i].ref].ino)
			fail("number of %s: %lu, was %lu", path, st.st_ino,
			     shown[files[i].ref].ino);
		same_data(side, files[i].fd, files[i].ref, path);
	}
	for (i = 0; i < STREAMS; i++) {
		struct stream *s = &streams[i];

		if (!s->ref)
			continue;
		for (j = 0; j < VM_NAMES; j++)
			/* One that becomes a kept name may be listed as both. */
			if (vm_lookup(&m, side, s->ref, j) != s->first[j] ||
			    vm_kept(&m, s->ref, j) != !!(s->kept & BIT(j)))
				s->must &= ~BIT(j);
		s->may |= present(side, s->ref);
		if (!find(&t, s->ref)) {
			close(s->fd);
			s->ref = 0;
		}
	}
}

/* ---- what is open meanwhile ---- */

static void close_all(void)
{
	int i;

	for (i = 0; i < FILES; i++)
		if (files[i].ref)
			close(files[i].fd);
	for (i = 0; i < STREAMS; i++)
		if (streams[i].ref)
			close(streams[i].fd);
	memset(files, 0, sizeof(files));
	memset(streams, 0, sizeof(streams));
}

static void open_or_close_file(void)
{
	static struct tree t;
	struct open_file *f = &files[rnd(FILES)];
	const struct place *p;

	if (f->ref) {
		note("close object %u", m.node[f->ref].id);
		close(f->fd);
		f->ref = 0;
		return;
	}
	plant(&t, VM_SEE);
	p = &t.at[rnd(t.count)];
	if (m.node[p->ref].kind != VM_FILE)
		return;
	f->fd = open(p->path, O_RDONLY);
	if (f->fd < 0)
		fail("opening %s: %s", p->path, strerror(errno));
	f->ref = p->ref;
	note("open %s, object %u", p->path + strlen(root[VM_SEE]), m.node[f->ref].id);
}

/* Begin a listing, or read more of it: as little as may hold the longest name. */
static void list_on(void)
{
	static struct tree t;
	struct entry got[VM_NAMES + 2];
	struct stream *s = &streams[rnd(STREAMS)];
	const struct place *p;
	int count, i;

	if (!steady)
		return;
	if (!s->ref) {
		plant(&t, VM_SEE);
		p = &t.at[rnd(t.count)];
		if (!is_dir(p->ref))
			return;
		*s = (struct stream){ .ref = p->ref, .fd = open(p->path, O_RDONLY) };
		if (s->fd < 0)
			fail("opening %s: %s", p->path, strerror(errno));
		for (i = 0; i < VM_NAMES; i++) {
			s->first[i] = vm_lookup(&m, VM_SEE, s->ref, i);
			if (vm_kept(&m, s->ref, i))
				s->kept |= BIT(i);
		}
		s->must = s->may = present(VM_SEE, s->ref);
	}
	count = entries(s->fd, 288, got, "a directory in use");
	note("list %d of object %u", count, m.node[s->ref].id);
	for (i = 0; i < count; i++) {
		unsigned int bit = got[i].name < 0 ? 0 : BIT(got[i].name);

		/* What went and came back may be listed where it was and where it is. */
		if (s->got & s->must & bit)
			fail("a listing under way of object %u has %s twice",
			     m.node[s->ref].id, names[got[i].name]);
		s->got |= bit;
	}
	if (count)
		return;
	if (s->must & ~s->got)
		fail("a listing under way of object %u lacks %x", m.node[s->ref].id,
		     s->must & ~s->got);
	if (s->got & ~s->may)
		fail("a listing under way of object %u has %x, which never were",
		     m.node[s->ref].id, s->got & ~s->may);
	close(s->fd);
	s->ref = 0;
}

static void mount_layer(void)
{
	char options[1100];

	snprintf(options, sizeof(options), "lower=%s,private=%s", lower, private);
	if (mount("none", mnt, "seefs", 0, options))
		broken("mounting the layer");
	mount_fd = open(mnt, O_RDONLY | O_DIRECTORY);
	if (mount_fd < 0)
		broken(mnt);
}

static void unmount_layer(void)
{
	close_all();
	if (mount_fd < 0)
		return;
	close(mount_fd);
	mount_fd = -1;
	if (umount(mnt))
		broken("unmounting the layer");
}

static void remount(void)
{
	int i;

	unmount_layer();
	mount_layer();
	/* Who lives on in the SEE alone may get another number. */
	for (i = VM_ROOT; i < VM_NODES; i++)
		if (m.node[i].host && !m.node[i].nhost)
			shown[i].id = 0;
}

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || syncfs(mount_fd) || write(fd, "3", 1) != 1)
		broken("drop_caches");
	close(fd);
}

/* ---- operations ---- */

enum verb {
	WRITE, CREATE, TMPFILE, CHMOD, CHOWN, XATTR, MKDIR, MKFIFO, SYMLINK, LINK, UNLINK,
	RMDIR, RENAME, VERBS
};

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

/* A name in a directory, or in what should be one. */
struct spot {
	vm_ref dir;
	int name;
	char path[PATH_MAX];
};

struct op {
	enum verb verb;
	struct spot a, b;		/* b: of link and rename, the new name */
	uint32_t value;
	int flags;
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

static void choose(const struct tree *t, struct op *op)
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
static int expect(enum vm_side side, const struct op *op)
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
static int perform(const struct op *op)
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

static void operate(void)
{
	static struct tree t;
	static struct vm before;
	static struct op op;
	enum vm_side side = rnd(2) ? VM_SEE : VM_HOST;
	unsigned int a, b;
	int want, got;
	bool two;

	before = m;
	plant(&t, side);
	choose(&t, &op);
	two = op.verb == LINK || op.verb == RENAME;
	a = object_at(side, &op.a);
	b = two ? object_at(side, &op.b) : 0;
	want = expect(side, &op);
	if (want == VM_OPEN || vm_tangled(&m)) {
		m = before;
		return;
	}
	note("%llu %s: %s %s (%u)%s%s (%u) %u %d", step, side == VM_SEE ? "see" : "host",
	     verbs[op.verb].name, op.a.path + strlen(root[side]), a, two ? " " : "",
	     two ? op.b.path + strlen(root[side]) : "", b, op.value, op.flags);
	got = perform(&op);
	/* POSIX has both, and the layer one. */
	if (side == VM_HOST && got == EEXIST && want == ENOTEMPTY)
		got = want;
	if (got != want)
		fail("expected %s, got %s", strerror(want), strerror(got));
	done++;
	compare(VM_SEE);
}

/* ---- the walk ---- */

/* A lower and a private tree of their own, in the directories that main() was given. */
static void begin(char **dirs, unsigned long number)
{
	unmount_layer();
	tree_step = step;
	vm_init(&m);
	memset(shown, 0, sizeof(shown));
	snprintf(lower, sizeof(lower), "%s/%lu", dirs[0], number);
	snprintf(root[VM_HOST], sizeof(root[0]), "%s/%lu", dirs[1], number);
	snprintf(private, sizeof(private), "%s/%lu", dirs[2], number);
	snprintf(root[VM_SEE], sizeof(root[0]), "%s", mnt);
	if (mkdir(lower, 0755) || mkdir(private, 0700))
		broken(lower);
	mount_layer();
	note("a new tree at step %llu", step);
}

static void collect(void)
{
	vm_ref pinned[FILES + STREAMS];
	int i;

	for (i = 0; i < FILES; i++)
		pinned[i] = files[i].ref;
	for (i = 0; i < STREAMS; i++)
		pinned[FILES + i] = streams[i].ref;
	vm_collect(&m, pinned, FILES + STREAMS);
}

int main(int argc, char **argv)
{
	unsigned long steps, first, begun = 0, trees = 0;
	struct statfs fs;
	unsigned int dice;
	char *end;

	if (argc != 7) {
		fprintf(stderr, "usage: model_walk LOWER HOST PRIVATE MNT SEED STEPS\n");
		return 2;
	}
	mnt = argv[4];
	seed = strtoul(argv[5], &end, 10);
	first = *end == ':' ? strtoul(end + 1, NULL, 10) : 0;
	steps = strtoul(argv[6], NULL, 10);
	memset(names[6], 'f', 255);
	umask(022);
	if (getenv("SEE_SEED"))
		log_size = LOG;
	xattrs = !setxattr(argv[1], "user.m", "0", 1, 0);
	if (statfs(argv[1], &fs))
		broken(argv[1]);
	steady = fs.f_type != TMPFS_MAGIC;
	for (step = first; step < first + steps; step++) {
		if (!trees || step == begun + EPISODE || vm_free_slots(&m) < VM_NODES / 4) {
			if (trees)
				compare(VM_HOST);
			begin(argv + 1, trees++);
			begun = step;
		}
		state = ~((seed << 32) + step);
		dice = rnd(1000);
		if (dice < 10) {
			note("remount");
			remount();
		} else if (dice < 20) {
			note("drop_caches");
			drop_caches();
		} else if (dice < 50) {
			compare(VM_HOST);
		} else if (dice < 150) {
			open_or_close_file();
		} else if (dice < 350) {
			list_on();
		}
		if (dice < 20)
			compare(VM_SEE);
		state = (seed << 32) + step;
		operate();
		collect();
	}
	compare(VM_HOST);
	for (dice = 0; dice < 2; dice++) {
		note("remount");
		remount();
		compare(VM_SEE);
	}
	unmount_layer();
	printf("%lu operations in %lu trees\n", done, trees);
	return 0;
}
