// SPDX-License-Identifier: GPL-2.0
/*
 * model_walk.c - host and SEE at random, against the model of view_model.h
 *
 *	model_walk LOWER HOST PRIVATE MNT SEED[:STEP] STEPS [PHASES]
 *
 * A directory made in LOWER is covered by a layer at MNT, which is mounted here with one in
 * PRIVATE, and again with others for each tree; HOST is LOWER as the host uses it.  After
 * each operation of either side all that the SEE shows is compared with the model: names
 * that are there and that are not, listings whole, from any place in them, and in pieces
 * with operations between, types, attributes, contents, link counts, numbers, handles,
 * open files, errors.  Exit status 1 and the last operations on standard output if
 * something differs.
 *
 * PHASES steps of a hundred are phases: a few operations of each side at the same time.
 * There must be an order of them by which the model comes to each one's errno and to what
 * is shown when all are done.  If several orders do and leave the model in different
 * states, there are candidates from then on, until one is left.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
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
#define GROW		50	/* of them before the first phase */
#define UNCERTAIN	30	/* in which there may be several candidates */
#define FILES		4	/* that are kept open */
#define STREAMS		3	/* listings that are under way */
#define LOG		2000	/* operations to remember */
#define BATCH		4	/* operations of a side in a phase, at most */
#define BATCHES		20	/* to be tried, until the rules leave nothing open */
#define ORDERS		495	/* of them, if half of them come in two parts: 12 over 4 */
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
static struct vm m;			/* the candidate that is looked at */
static struct shown shown[VM_NODES];
static struct candidate {
	struct vm m;
	struct shown shown[VM_NODES];
} candidates[ORDERS];
static int ncandidates;
static jmp_buf differs;			/* where to go on if a candidate does not fit */
static bool trying;
static int checking = -1;		/* what is open then */
static uint32_t born;			/* objects so far */
static struct open_file files[FILES];
static struct stream streams[STREAMS];
static bool xattrs;			/* the lower has user.* */
static bool steady;			/* and lists what stays once, whatever comes and goes */
static int mount_fd = -1;
static unsigned long long state;	/* of the random numbers */
static unsigned long long seed, step, tree_step;
static unsigned long done, phases, several;
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
	if (trying) {
		if (checking >= 0)
			close(checking);
		checking = -1;
		note("  no: %s", text);
		longjmp(differs, 1);
	}
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
	int fd = checking = open(p->path, O_RDONLY | O_DIRECTORY), count, more, i, k;
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
	checking = -1;
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
			j = checking = open(p->path, O_RDONLY | O_NOFOLLOW);
			if (j < 0)
				fail("opening %s: %s", p->path, strerror(errno));
			same_data(side, j, p->ref, p->path);
			close(j);
			checking = -1;
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

/* ---- candidates ---- */

static void load(int i)
{
	m = candidates[i].m;
	memcpy(shown, candidates[i].shown, sizeof(shown));
}

static void store(int i)
{
	candidates[i].m = m;
	memcpy(candidates[i].shown, shown, sizeof(shown));
}

/* Is what is loaded what the SEE shows?  One that is alone has to be. */
static bool fits(bool alone)
{
	unsigned long long random = state;
	bool fit = true;

	trying = !alone;
	if (setjmp(differs))
		fit = false;
	else
		compare(VM_SEE);
	trying = false;
	/* Each draws the same. */
	state = random;
	return fit;
}

/* After something that is no operation of the model. */
static void compare_all(void)
{
	int i, left = 0;

	for (i = 0; i < ncandidates; i++) {
		load(i);
		if (fits(left == 0 && i == ncandidates - 1))
			store(left++);
	}
	ncandidates = left;
	load(0);
}

/* A slot for what a step makes, the same for all. */
static void give_slot(void)
{
	int slot, i;

	for (slot = VM_ROOT; slot < VM_NODES; slot++) {
		for (i = 0; i < ncandidates && !candidates[i].m.node[slot].id; i++)
			;
		if (i == ncandidates)
			break;
	}
	if (slot == VM_NODES)
		fail("no slot is free");
	vm_next(&m, slot, ++born);
}

/* ---- what is open meanwhile ---- */

static void close_streams(void)
{
	int i;

	for (i = 0; i < STREAMS; i++)
		if (streams[i].ref)
			close(streams[i].fd);
	memset(streams, 0, sizeof(streams));
}

static void close_all(void)
{
	int i;

	close_streams();
	for (i = 0; i < FILES; i++)
		if (files[i].ref)
			close(files[i].fd);
	memset(files, 0, sizeof(files));
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

	if (!steady || ncandidates > 1)
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
	int i, j;

	unmount_layer();
	mount_layer();
	/* Who lives on in the SEE alone may get another number. */
	for (j = 0; j < ncandidates; j++) {
		load(j);
		vm_remount(&m);
		for (i = VM_ROOT; i < VM_NODES; i++)
			if (m.node[i].host && !m.node[i].nhost)
				shown[i].id = 0;
		store(j);
	}
	load(0);
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

/* What is said of an operation, before it is done. */
static void note_op(const char *prefix, enum vm_side side, const struct tree *t,
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
static int said(enum vm_side side, const struct op *op, int want, int got)
{
	if (side == VM_HOST && got == EEXIST && want == ENOTEMPTY)
		return want;
	/* in a directory that was removed */
	if (side == VM_HOST && op->verb == TMPFILE && got == EPERM && want == ENOENT)
		return want;
	return got;
}

static void operate(void)
{
	static struct tree t;
	static struct vm next[ORDERS];
	static struct op op;
	enum vm_side side = rnd(2) ? VM_SEE : VM_HOST;
	int want[ORDERS], got, i, left = 0;
	char text[32];

	plant(&t, side);
	choose(&t, &op);
	snprintf(text, sizeof(text), "%llu ", step);
	for (i = 0; i < ncandidates; i++) {
		load(i);
		give_slot();
		want[i] = expect(side, &op);
		vm_next(&m, 0, 0);
		if (want[i] == VM_OPEN || vm_tangled(&m)) {
			load(0);
			return;
		}
		next[i] = m;
	}
	load(0);
	note_op(text, side, &t, &op);
	got = perform(&op);
	for (i = 0; i < ncandidates; i++) {
		bool alone = left == 0 && i == ncandidates - 1;

		load(i);
		m = next[i];
		if (said(side, &op, want[i], got) != want[i]) {
			if (alone)
				fail("expected %s, got %s", strerror(want[i]), strerror(got));
			continue;
		}
		if (fits(alone))
			store(left++);
	}
	ncandidates = left;
	load(0);
	done++;
}

/* ---- phases ---- */

/* What a side does in a phase: by descriptors of directories, so that each is one step. */
struct batch {
	enum vm_side side;
	int count;
	struct op ops[BATCH];
	int got[BATCH];
	vm_ref slots[BATCH];
	uint32_t ids[BATCH];
	int fds[2 * BATCH], nfds;
	atomic_int *waiting;
};

/* Where an order of the operations leads. */
struct outcome {
	struct vm m;
	int errs[2][BATCH];
};

static struct outcome outcomes[ORDERS];
static int noutcomes;

/* What the model says of an operation, if its directories may be gone meanwhile. */
static int expect_there(struct vm *lost, enum vm_side side, const struct op *op)
{
	const struct spot *const spots[] = { &op->a, &op->b };
	int i;

	for (i = 0; i < (op->verb == LINK || op->verb == RENAME ? 2 : 1); i++) {
		vm_ref dir = spots[i]->dir;

		if (vm_reached(&m, side, dir)) {
			/* Removed, and then come back: who has it open cannot tell. */
			if (lost->node[dir].id)
				return VM_OPEN;
			continue;
		}
		/* The host has it where the SEE sees something else, or nothing. */
		if (!vm_nameless(&m, dir))
			return VM_OPEN;
		return ENOENT;
	}
	return expect(side, op);
}

/* What of its object an operation changes: it first looks it up. */
static enum vm_attr changes(enum verb verb)
{
	switch (verb) {
	case WRITE:
		return VM_DATA;
	case CHMOD:
		return VM_MODE;
	case CHOWN:
		return VM_OWNER;
	case XATTR:
		return VM_XATTR;
	default:
		return VM_ATTRS;
	}
}

/*
 * Each order of the operations from here on.  The one of the SEE may have been begun, and
 * found its object.  False if the rules leave one open.
 */
static bool enumerate(const struct batch *batch, int host, int see, vm_ref found,
		      const struct vm *lost, const struct outcome *so_far)
{
	const int at[2] = { host, see };
	const struct op *op;
	struct outcome here;
	struct vm gone;
	int side, i, k, err;
	vm_ref ref;

	if (host == batch[VM_HOST].count && see == batch[VM_SEE].count) {
		for (i = 0; i < noutcomes; i++)
			if (!memcmp(&outcomes[i], so_far, sizeof(*so_far)))
				return true;
		outcomes[noutcomes++] = *so_far;
		return true;
	}
	for (side = VM_HOST; side <= VM_SEE; side++) {
		const struct batch *b = &batch[side];

		k = at[side];
		if (k == b->count)
			continue;
		here = *so_far;
		gone = *lost;
		m = here.m;
		vm_next(&m, b->slots[k], b->ids[k]);
		op = &b->ops[k];
		ref = 0;
		if (side == VM_SEE && found) {
			err = vm_change(&m, side, op->a.dir, op->a.name, found,
					changes(op->verb), op->value);
		} else {
			ref = vm_lookup(&m, side, op->a.dir, op->a.name);
			err = expect_there(&gone, side, op);
		}
		vm_next(&m, 0, 0);
		if (err == VM_OPEN || vm_tangled(&m))
			return false;
		here.errs[side][k] = err;
		if (side == VM_SEE && !found && !err && ref && changes(op->verb) != VM_ATTRS) {
			if (!enumerate(batch, host, see, ref, lost, so_far))
				return false;
			continue;
		}
		for (i = VM_ROOT; i < VM_NODES; i++)
			if (m.node[i].id && is_dir(i) && !vm_reached(&m, VM_SEE, i))
				gone.node[i].id = 1;
		here.m = m;
		if (!enumerate(batch, host + (side == VM_HOST), see + (side == VM_SEE),
			       side == VM_SEE ? 0 : found, &gone, &here))
			return false;
	}
	return true;
}

/* The directory of a name, by a descriptor. */
static void open_spot(struct batch *b, const struct tree *t, struct spot *s)
{
	const struct place *p = find(t, s->dir);
	int fd = open(p->path, O_PATH | O_DIRECTORY);

	if (fd < 0)
		fail("opening %s: %s", p->path, strerror(errno));
	b->fds[b->nfds++] = fd;
	snprintf(s->path, sizeof(s->path), "/proc/self/fd/%d/%s", fd, names[s->name]);
}

static bool in_directory(const struct tree *t, const struct spot *s)
{
	return is_dir(s->dir) && find(t, s->dir);
}

/* Of which the rules leave nothing open as long as the other side does nothing. */
static void choose_batch(struct batch *b, const struct batch *other)
{
	static struct vm before, so_far, none;
	static struct tree t;
	const struct op *o;
	int count = 2 + rnd(BATCH - 1), err;
	struct op *op;
	bool two;

	before = so_far = m;
	plant(&t, b->side);
	while (b->count < count) {
		m = before;
		op = &b->ops[b->count];
		choose(&t, op);
		/* Both are to want the same. */
		o = other ? &other->ops[rnd(other->count)] : NULL;
		if (o && rnd(2))
			op->a = o->a;
		if (o && rnd(2))
			op->b = rnd(2) || (o->verb != LINK && o->verb != RENAME) ? o->a : o->b;
		/* Others may see that it is first opened and then written. */
		if (b->side == VM_HOST && op->verb == WRITE)
			op->verb = TMPFILE;
		two = op->verb == LINK || op->verb == RENAME;
		if (!in_directory(&t, &op->a) || (two && !in_directory(&t, &op->b)))
			continue;
		m = so_far;
		vm_next(&m, b->slots[b->count], b->ids[b->count]);
		err = expect_there(&none, b->side, op);
		vm_next(&m, 0, 0);
		if (err == VM_OPEN || vm_tangled(&m))
			continue;
		so_far = m;
		open_spot(b, &t, &op->a);
		if (two)
			open_spot(b, &t, &op->b);
		b->count++;
	}
	m = before;
}

static void *perform_batch(void *data)
{
	struct batch *b = data;
	int i;

	atomic_fetch_sub(b->waiting, 1);
	while (atomic_load(b->waiting))
		sched_yield();
	for (i = 0; i < b->count; i++)
		b->got[i] = perform(&b->ops[i]);
	return NULL;
}

static void perform_both(struct batch *batch)
{
	atomic_int waiting = 2;
	pthread_t other;

	batch[VM_HOST].waiting = batch[VM_SEE].waiting = &waiting;
	if (pthread_create(&other, NULL, perform_batch, &batch[VM_HOST]))
		broken("pthread_create");
	perform_batch(&batch[VM_SEE]);
	if (pthread_join(other, NULL))
		broken("pthread_join");
}

/* Did each operation say what it would have by this order? */
static bool same_errors(const struct batch *batch, const struct outcome *o)
{
	int side, i;

	for (side = VM_HOST; side <= VM_SEE; side++)
		for (i = 0; i < batch[side].count; i++)
			if (said(side, &batch[side].ops[i], o->errs[side][i],
				 batch[side].got[i]) != o->errs[side][i])
				return false;
	return true;
}

static void note_errors(const char *what, const int *host, int nhost, const int *see, int nsee)
{
	char text[512];
	int i, at = 0;

	for (i = 0; i < nhost; i++)
		at += sprintf(text + at, " %s,", strerror(host[i]));
	at += sprintf(text + at, " see");
	for (i = 0; i < nsee; i++)
		at += sprintf(text + at, " %s,", strerror(see[i]));
	note("  %s: host%s", what, text);
}

static void close_batches(const struct batch *batch)
{
	int side, i;

	for (side = VM_HOST; side <= VM_SEE; side++)
		for (i = 0; i < batch[side].nfds; i++)
			close(batch[side].fds[i]);
}

/* Operations of both sides, and where they may lead.  False if that is open. */
static bool plan(struct batch *batch)
{
	static const struct vm none;
	static struct outcome start;
	int side, i, slot = VM_ROOT;
	struct vm before = m;
	bool known_ahead;

	memset(batch, 0, 2 * sizeof(*batch));
	batch[VM_SEE].side = VM_SEE;
	for (side = VM_HOST; side <= VM_SEE; side++)
		for (i = 0; i < BATCH; i++) {
			while (m.node[slot].id)
				slot++;
			batch[side].slots[i] = slot++;
			batch[side].ids[i] = ++born;
		}
	choose_batch(&batch[VM_HOST], NULL);
	choose_batch(&batch[VM_SEE], &batch[VM_HOST]);
	memset(&start, 0, sizeof(start));
	start.m = m;
	noutcomes = 0;
	known_ahead = enumerate(batch, 0, 0, 0, &none, &start);
	m = before;
	if (!known_ahead)
		close_batches(batch);
	return known_ahead;
}

static void phase(void)
{
	static struct batch batch[2];
	static struct candidate before;
	static struct tree t;
	int side, i, j, left = 0;

	if (ncandidates > 1)
		return;
	close_streams();
	store(0);
	before = candidates[0];
	for (i = 0; i < BATCHES && !plan(batch); i++)
		;
	if (i == BATCHES)
		return;
	phases++;
	note("%llu a phase, with %d outcomes", step, noutcomes);
	for (side = VM_HOST; side <= VM_SEE; side++) {
		plant(&t, side);
		for (i = 0; i < batch[side].count; i++)
			note_op("  ", side, &t, &batch[side].ops[i]);
	}
	perform_both(batch);
	note_errors("said", batch[VM_HOST].got, batch[VM_HOST].count, batch[VM_SEE].got,
		    batch[VM_SEE].count);
	for (i = 0; i < noutcomes; i++) {
		if (!same_errors(batch, &outcomes[i]))
			continue;
		for (j = 0; j < left; j++)
			if (!memcmp(&candidates[j].m, &outcomes[i].m, sizeof(m)))
				break;
		if (j < left)
			continue;
		m = outcomes[i].m;
		memcpy(shown, before.shown, sizeof(shown));
		if (fits(false))
			store(left++);
	}
	if (!left) {
		for (i = 0; i < noutcomes; i++)
			note_errors("outcome", outcomes[i].errs[VM_HOST], batch[VM_HOST].count,
				    outcomes[i].errs[VM_SEE], batch[VM_SEE].count);
		fail("no order of these operations explains it");
	}
	ncandidates = left;
	several += left > 1;
	load(0);
	compare(VM_HOST);
	done += batch[VM_HOST].count + batch[VM_SEE].count;
	close_batches(batch);
}

/* ---- the walk ---- */

/* A lower and a private tree of their own, in the directories that main() was given. */
static void begin(char **dirs, unsigned long number)
{
	unmount_layer();
	tree_step = step;
	vm_init(&m);
	memset(shown, 0, sizeof(shown));
	born = VM_ROOT;
	ncandidates = 1;
	snprintf(lower, sizeof(lower), "%s/%lu", dirs[0], number);
	snprintf(root[VM_HOST], sizeof(root[0]), "%s/%lu", dirs[1], number);
	snprintf(private, sizeof(private), "%s/%lu", dirs[2], number);
	snprintf(root[VM_SEE], sizeof(root[0]), "%s", mnt);
	if (mkdir(lower, 0755) || mkdir(private, 0700))
		broken(lower);
	store(0);
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
	for (i = 0; i < ncandidates; i++) {
		load(i);
		vm_collect(&m, pinned, FILES + STREAMS);
		store(i);
	}
	load(0);
}

int main(int argc, char **argv)
{
	unsigned long steps, first, begun = 0, certain = 0, trees = 0;
	struct statfs fs;
	unsigned int dice, percent;
	char *end;

	if (argc != 7 && argc != 8) {
		fprintf(stderr, "usage: model_walk LOWER HOST PRIVATE MNT SEED STEPS [PHASES]\n");
		return 2;
	}
	mnt = argv[4];
	seed = strtoul(argv[5], &end, 10);
	first = *end == ':' ? strtoul(end + 1, NULL, 10) : 0;
	steps = strtoul(argv[6], NULL, 10);
	percent = argc == 8 ? strtoul(argv[7], NULL, 10) : 0;
	memset(names[6], 'f', 255);
	umask(022);
	/* those do not come again */
	if (getenv("SEE_SEED") || percent)
		log_size = LOG;
	xattrs = !setxattr(argv[1], "user.m", "0", 1, 0);
	if (statfs(argv[1], &fs))
		broken(argv[1]);
	steady = fs.f_type != TMPFS_MAGIC;
	for (step = first; step < first + steps; step++) {
		if (ncandidates == 1)
			certain = step;
		if (!trees || step == begun + EPISODE || step > certain + UNCERTAIN ||
		    vm_free_slots(&m) < VM_NODES / 4) {
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
			compare_all();
		state = (seed << 32) + step;
		if (percent && step > begun + GROW && rnd(100) < percent)
			phase();
		else
			operate();
		collect();
	}
	compare(VM_HOST);
	for (dice = 0; dice < 2; dice++) {
		note("remount");
		remount();
		compare_all();
	}
	unmount_layer();
	printf("%lu operations in %lu trees\n", done, trees);
	if (percent)
		printf("%lu phases, %lu of them with several outcomes that fit\n", phases, several);
	return 0;
}
