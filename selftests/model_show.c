// SPDX-License-Identifier: GPL-2.0
/*
 * model_show.c - what the SEE shows, compared with the model; and what is said of it
 *
 * Owns the candidates, the random numbers and the log.  fail() ends the walk, but for a
 * candidate that may be wrong: then fits() is false.
 */
#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "model_walk.h"

char names[VM_NAMES][256] = { "a", "b", "c", "d", "e", "\xff\xfe \n\x80" };
char root[2][512];
struct vm m;
struct shown shown[VM_NODES];
struct candidate candidates[ORDERS];
int ncandidates;
uint32_t born;
struct open_file files[FILES];
struct stream streams[STREAMS];
bool xattrs;
int mount_fd = -1;
unsigned long long state;
unsigned long long seed, step, tree_step;
unsigned long done, phases, several;
unsigned int log_size = 60;

static jmp_buf differs;			/* where to go on if a candidate does not fit */
static bool trying;
static int checking = -1;		/* what is open then */
static char log_lines[LOG][2200];
static unsigned int logged;

/*
 * splitmix64 (Steele, Lea, Flood, OOPSLA 2014).  What a listing under way draws depends
 * on the file system, so each operation begins with a state of its own.
 */
unsigned int rnd(unsigned int below)
{
	unsigned long long z = state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % below;
}

void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
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

void __attribute__((format(printf, 1, 2), noreturn)) fail(const char *format, ...)
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

void __attribute__((noreturn)) broken(const char *what)
{
	fail("%s: %s", what, strerror(errno));
}

/* ---- what values mean ---- */

size_t content(uint32_t value, char *buf)
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

void join(char path[PATH_MAX], const char *dir, int name)
{
	if (snprintf(path, PATH_MAX, "%s/%s", dir, names[name]) >= PATH_MAX)
		fail("path too long: %s", dir);
}

bool is_dir(vm_ref ref)
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

void plant(struct tree *t, enum vm_side side)
{
	t->count = 0;
	grow(t, side, VM_ROOT, 0, 0, root[side], 0);
}

const struct place *find(const struct tree *t, vm_ref ref)
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

/* The next entries of a directory, 0 at its end. */
int entries(int fd, size_t size, struct entry *out, const char *path)
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

unsigned int present(enum vm_side side, vm_ref dir)
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

void compare(enum vm_side side)
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

void load(int i)
{
	m = candidates[i].m;
	memcpy(shown, candidates[i].shown, sizeof(shown));
}

void store(int i)
{
	candidates[i].m = m;
	memcpy(candidates[i].shown, shown, sizeof(shown));
}

/* Is what is loaded what the SEE shows?  One that is alone has to be. */
bool fits(bool alone)
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
void compare_all(void)
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
void give_slot(void)
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
