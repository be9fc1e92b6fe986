// SPDX-License-Identifier: GPL-2.0
/*
 * busy.c - who is in the way of a commit
 *
 * Writers on the host are found by the names that /proc/PID/fd tells, which costs
 * one pass and cannot block; one that has only a mapping left, or another name of the
 * file, is not found, and the report has no process then.
 *
 * Who holds a lock is in /proc/locks, by the number of the file, whatever the descriptor
 * allows; but for locks of open file descriptions, which are nobody's.
 *
 * Of the SEE's own processes, whose files are those of its layers, descriptors and
 * mappings are known by their inode numbers.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "attr.h"
#include "busy.h"
#include "handle.h"
#include "seed.h"

/* files that are looked for */
#define WANTED_MAX	64

static void add_process(uint32_t pid, void *data)
{
	struct see_problem p = { .why = SEE_PROBLEM_BUSY, .pid = pid };

	(void)report_add(data, &p, "");
}

int busy_processes(uint64_t see, struct report *report)
{
	return cgroup_pids(see, add_process, report);
}

/* f_type of a layer: what statfs(2) says of it */
#define SEEFS_MAGIC	0x53454546

/* a file and who writes to it, or has a lock on it */
struct wanted {
	const struct plan_step *step;
	uint32_t pid;
	dev_t dev;
	ino_t ino;
	char path[4096];
};

struct search {
	struct wanted *w;
	size_t n;
	int proc;
};

/* of its superblock, which fstat(2) does not tell on Btrfs */
static dev_t device_of(const struct mount_table *mounts, int fd)
{
	int64_t id = mount_id(fd);
	const struct mount_entry *m = id < 0 ? NULL : mount_by_id(mounts, id);

	return m ? m->dev : 0;
}

/* the path of a step's object on the host, and its number; an empty one is never found */
static void host_path(struct recovery *r, const struct mount_table *mounts,
		      const struct plan_step *s, struct wanted *w)
{
	const size_t size = sizeof(w->path);
	char *name = w->path;
	struct stat st;
	unsigned int which = s->see->kind == SEE_STEP_EXCHANGE ? SEE_TEXT_OLD_KEY : SEE_TEXT_SRC_KEY;
	_cleanup_close_ int fd = key_open(host_part(r, s), step_text(s, which), O_PATH);
	ssize_t len = fd < 0 ? 0 : readlink(fd_path(fd).text, name, size - 1);

	name[len < 0 ? 0 : len] = 0;
	w->ino = fd >= 0 && !fstat(fd, &st) ? st.st_ino : 0;
	w->dev = fd >= 0 ? device_of(mounts, fd) : 0;
}

static bool writes(int proc, const char *pid, const char *fd)
{
	_cleanup_free_ char *text = NULL;
	char name[64], *flags;

	snprintf(name, sizeof(name), "%.20s/fdinfo/%.20s", pid, fd);
	if (read_file(proc, name, 65536, &text, NULL))
		return false;
	flags = strstr(text, "flags:\t");
	return flags && (strtoul(flags + 7, NULL, 8) & O_ACCMODE) != O_RDONLY;
}

static void look_at_fd(int proc, const char *pid, int dir, const char *fd, struct wanted *w,
		       size_t n)
{
	char name[4096];
	ssize_t len = readlinkat(dir, fd, name, sizeof(name) - 1);

	if (len <= 0 || name[0] != '/')
		return;
	name[len] = 0;
	for (size_t i = 0; i < n; i++)
		if (!w[i].pid && !strcmp(w[i].path, name) && writes(proc, pid, fd))
			w[i].pid = (uint32_t)strtoul(pid, NULL, 10);
}

static DIR *open_dir(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d && fd >= 0)
		close(fd);
	return d;
}

static void look_at_process(int proc, const char *pid, struct wanted *w, size_t n)
{
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *e;
	char name[32];

	snprintf(name, sizeof(name), "%.20s/fd", pid);
	d = open_dir(proc, name);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			look_at_fd(proc, pid, dirfd(d), e->d_name, w, n);
}

static void find_writers(struct wanted *w, size_t n)
{
	_cleanup_dir_ DIR *proc = open_dir(-1, "/proc");
	const struct dirent *e;

	while (proc && (e = readdir(proc)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			look_at_process(dirfd(proc), e->d_name, w, n);
}

/* "1: FLOCK ADVISORY WRITE pid major:minor:inode from to"; of those who wait, "1: -> FLOCK" */
static void look_at_lock(const char *line, struct wanted *w, size_t n)
{
	unsigned int major, minor;
	unsigned long ino;
	int pid;

	if (sscanf(line, "%*d: %*s %*s %*s %d %x:%x:%lu", &pid, &major, &minor, &ino) != 4 || pid <= 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (!w[i].pid && w[i].step->see->busy == EAGAIN && w[i].ino == ino &&
		    w[i].dev == makedev(major, minor))
			w[i].pid = (uint32_t)pid;
}

static void find_lockers(struct wanted *w, size_t n)
{
	_cleanup_free_ char *text = NULL;
	char *line, *save = NULL;

	if (read_file(-1, "/proc/locks", 16U << 20, &text, NULL))
		return;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		look_at_lock(line, w, n);
}

/* ---- processes of the SEE ---- */

static void found_inode(struct search *s, ino_t ino, uint32_t pid)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->w[i].pid && s->w[i].ino && s->w[i].ino == ino)
			s->w[i].pid = pid;
}

/* a descriptor, which may be of a file that cannot be reached by its name from here */
static void look_inside(struct search *s, const char *pid, const char *fd)
{
	struct statfs fs;
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/fd/%.20s", pid, fd);
	if (statfs(path, &fs) < 0 || fs.f_type != SEEFS_MAGIC || stat(path, &st) < 0)
		return;
	if (S_ISREG(st.st_mode) && writes(s->proc, pid, fd))
		found_inode(s, st.st_ino, (uint32_t)strtoul(pid, NULL, 10));
}

/* "from-to rw-s offset dev inode path" */
static void look_at_maps(struct search *s, const char *pid)
{
	_cleanup_free_ char *text = NULL;
	char name[32], *line, *save = NULL;

	snprintf(name, sizeof(name), "%.20s/maps", pid);
	if (read_file(s->proc, name, 16U << 20, &text, NULL))
		return;
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long ino;
		char mode[5];

		if (sscanf(line, "%*s %4s %*s %*s %lu", mode, &ino) == 2 && mode[1] == 'w' &&
		    mode[3] == 's')
			found_inode(s, ino, (uint32_t)strtoul(pid, NULL, 10));
	}
}

static void look_at_own(uint32_t number, void *data)
{
	_cleanup_dir_ DIR *d = NULL;
	struct search *s = data;
	const struct dirent *e;
	char pid[16], name[32];

	snprintf(pid, sizeof(pid), "%u", number);
	snprintf(name, sizeof(name), "%.15s/fd", pid);
	d = open_dir(s->proc, name);
	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.')
			look_inside(s, pid, e->d_name);
	look_at_maps(s, pid);
}

/* ---- all of it ---- */

/* the first of the files that somebody writes to, or has a write lock on */
static size_t list_files(struct recovery *r, struct wanted *w)
{
	_cleanup_(mount_table_free) struct mount_table mounts = {};
	size_t n = 0;

	/* without it no holder of a lock is found */
	(void)mount_table_read(&mounts);
	for (size_t i = 0; i < r->plan.nsteps && n < WANTED_MAX; i++) {
		const struct plan_step *s = &r->plan.step[i];

		if (s->see->busy != ETXTBSY && s->see->busy != EAGAIN)
			continue;
		w[n].step = s;
		w[n].pid = 0;
		host_path(r, &mounts, s, &w[n]);
		n++;
	}
	return n;
}

int busy_steps(struct recovery *r, struct report *report)
{
	_cleanup_free_ struct wanted *w = calloc(WANTED_MAX, sizeof(*w));
	size_t n = w ? list_files(r, w) : 0;
	int err = w ? 0 : -ENOMEM;

	if (n) {
		_cleanup_close_ int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		struct search s = { .w = w, .n = n, .proc = proc };

		if (proc >= 0)
			(void)cgroup_pids(r->see, look_at_own, &s);
		find_lockers(w, n);
		find_writers(w, n);
	}
	for (size_t i = 0, at = 0; !err && i < r->plan.nsteps; i++) {
		const struct plan_step *s = &r->plan.step[i];
		struct see_problem p = {
			.why = SEE_PROBLEM_BUSY, .layer = s->see->layer, .error = s->see->busy,
		};

		if (at < n && w[at].step == s)
			p.pid = w[at++].pid;
		if (s->see->busy)
			err = report_add(report, &p, step_text(s, SEE_TEXT_PATH));
	}
	return err;
}
