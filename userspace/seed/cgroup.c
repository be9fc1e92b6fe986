// SPDX-License-Identifier: GPL-2.0
/*
 * cgroup.c - the processes of a SEE: /sys/fs/cgroup/see/ID
 *
 * Beside systemd's units, not in that of the daemon, so that a restart of the
 * daemon does not touch what runs in SEEs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/magic.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "seed.h"

#define CGROUP_MOUNT	"/sys/fs/cgroup"
#define CGROUP_DIR	CGROUP_MOUNT "/see"
#define PIDS_MAX	"16384"

static int open_cgroup(uint64_t id, bool make)
{
	_cleanup_close_ int root = open(CGROUP_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[24];
	int fd;

	if (root < 0)
		return -errno;
	snprintf(name, sizeof(name), "%ju", (uintmax_t)id);
	if (make && mkdirat(root, name, 0755) < 0 && errno != EEXIST)
		return -errno;
	/* as all others are, whatever our umask: its owner counts the processes */
	if (make && fchmodat(root, name, 0755, 0) < 0)
		return -errno;
	fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int cgroup_init(void)
{
	static const char *const controllers[] = { "+memory", "+pids" };
	struct statfs fs;

	if (statfs(CGROUP_MOUNT, &fs) < 0)
		return -errno;
	if (fs.f_type != CGROUP2_SUPER_MAGIC)
		return -EOPNOTSUPP;
	if ((mkdir(CGROUP_DIR, 0755) < 0 && errno != EEXIST) || chmod(CGROUP_DIR, 0755) < 0)
		return -errno;
	/* without a controller there is no limit, and nothing else is missing */
	for (size_t i = 0; i < ARRAY_SIZE(controllers); i++) {
		(void)write_string(-1, CGROUP_MOUNT "/cgroup.subtree_control", controllers[i]);
		if (write_string(-1, CGROUP_DIR "/cgroup.subtree_control", controllers[i]))
			say("no limit on %s: the controller is not available",
			    controllers[i] + 1);
	}
	return 0;
}

/* a SEE must not take the machine down: a quarter of the memory stays ours */
static void set_limits(int dir)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
	char text[32];

	(void)write_string(dir, "pids.max", PIDS_MAX);
	if (pages <= 0 || size <= 0)
		return;
	snprintf(text, sizeof(text), "%ju",
		 (uintmax_t)pages / 4 * 3 * (uintmax_t)size);
	(void)write_string(dir, "memory.max", text);
}

/* the cgroup of a process, as a path below the mount */
static int cgroup_of(int pid, char **path)
{
	_cleanup_free_ char *text = NULL;
	char name[48], *line;
	int err;

	snprintf(name, sizeof(name), "/proc/%d/cgroup", pid);
	err = read_file(-1, name, 65536, &text, NULL);
	if (err)
		return err;
	line = strstr(text, "0::/");
	if (!line)
		return -ENOENT;
	line += 3;
	line[strcspn(line, "\n")] = 0;
	return asprintf(path, CGROUP_MOUNT "%s/cgroup.procs", line) < 0 ? -ENOMEM : 0;
}

int cgroup_join(uint64_t id, int pidfd, struct note *note)
{
	_cleanup_close_ int dir = open_cgroup(id, true);
	_cleanup_free_ char *before = NULL;
	char text[16];
	int err, pid;

	if (dir < 0)
		return note_fail(note, -dir, "no control group in " CGROUP_DIR ": %s",
				 strerror(-dir));
	set_limits(dir);
	pid = access_process(&(struct see_request) { .caps = 1 }, pidfd, note);
	if (pid < 0)
		return pid;
	(void)cgroup_of(pid, &before);
	snprintf(text, sizeof(text), "%d", pid);
	err = write_string(dir, "cgroup.procs", text);
	if (err)
		return note_fail(note, -err, "process %d cannot be moved into " CGROUP_DIR "/%ju: %s",
				 pid, (uintmax_t)id, strerror(-err));
	/* if it has died, the number may have been another's: let that one go */
	if (pidfd_send_signal(pidfd, 0, NULL, 0) < 0) {
		if (before)
			(void)write_string(-1, before, text);
		return note_fail(note, ESRCH, "process %d has ended", pid);
	}
	return 0;
}

static int populated(int events)
{
	char text[256];
	ssize_t len = pread(events, text, sizeof(text) - 1, 0);

	if (len < 0)
		return -errno;
	text[len] = 0;
	return strstr(text, "populated 1") != NULL;
}

int cgroup_kill(uint64_t id)
{
	_cleanup_close_ int dir = open_cgroup(id, false), events = -1;
	int ret;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	events = openat(dir, "cgroup.events", O_RDONLY | O_CLOEXEC);
	if (events < 0)
		return -errno;
	for (;;) {
		struct pollfd p = { .fd = events, .events = POLLPRI };

		ret = populated(events);
		if (ret <= 0)
			return ret;
		ret = write_string(dir, "cgroup.kill", "1");
		if (ret)
			return ret;
		/* the time limit is for those that were forked meanwhile */
		if (poll(&p, 1, 1000) < 0 && errno != EINTR)
			return -errno;
	}
}

int cgroup_pids(uint64_t id, void (*fn)(uint32_t pid, void *data), void *data)
{
	_cleanup_close_ int dir = open_cgroup(id, false);
	_cleanup_free_ char *text = NULL;
	char *word, *save = NULL;
	int err;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	err = read_file(dir, "cgroup.procs", 1U << 20, &text, NULL);
	if (err)
		return err;
	for (word = strtok_r(text, "\n", &save); word; word = strtok_r(NULL, "\n", &save)) {
		uint64_t pid;

		/* 0: of another pid name space */
		if (!parse_number(word, INT32_MAX, &pid))
			fn((uint32_t)pid, data);
	}
	return 0;
}

void cgroup_remove(uint64_t id)
{
	char path[64];

	snprintf(path, sizeof(path), CGROUP_DIR "/%ju", (uintmax_t)id);
	/* busy: somebody is there */
	(void)rmdir(path);
}
