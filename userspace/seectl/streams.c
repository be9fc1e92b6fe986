// SPDX-License-Identifier: GPL-2.0
/*
 * streams.c - the standard streams of a command in a SEE
 *
 * They are the only descriptors that go along, and doors if they lead to a file,
 * a terminal or a FIFO of the host: with them comes its mount, on which a process
 * may set mode, owner, times and attributes, cut the file, and open it again with
 * more rights.  root of a SEE is root over all inodes that it reaches.  Therefore
 *
 * - what is read from, and what is special, is opened anew on the mounts of our
 *   name space, which are read-only: special files can be written to there;
 * - a file that is written to stays with seectl, which copies into it what the
 *   command writes into a pipe.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "seectl.h"

static const char *const names[STREAMS] = {
	"standard input", "standard output", "standard error",
};

/* ---- files that are written to: seectl's side ---- */

/* a file that is written to; input that could be as well needs no more than to be read */
static bool needs_pipe(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	return flags >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       (flags & O_ACCMODE) != O_RDONLY && (fd || (flags & O_ACCMODE) == O_WRONLY);
}

/* one open file, as by 2>&1; where the kernel does not tell, one inode is enough */
static bool same_file(int a, int b)
{
	long order = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b);
	struct stat x, y;

	if (order >= 0)
		return !order;
	return !fstat(a, &x) && !fstat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int open_pipe(struct relay *r)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return complain("pipe: %s", strerror(errno));
	r->from = fd[0];
	r->give = fd[1];
	/* whoever gets hold of the pipe may read from it, too: never wait for what is in it */
	if (fcntl(r->from, F_SETFL, O_NONBLOCK) < 0)
		return complain("pipe: %s", strerror(errno));
	return 0;
}

int streams_open(struct streams *s)
{
	int err = 0;

	for (int i = 0; i < STREAMS && !err; i++) {
		s->by[i] = -1;
		if (!needs_pipe(i))
			continue;
		for (int j = 0; j < i && s->by[i] < 0; j++)
			if (s->by[j] == j && same_file(i, j))
				s->by[i] = j;
		if (s->by[i] < 0) {
			s->by[i] = i;
			err = open_pipe(&s->relay[i]);
		}
	}
	return err;
}

void streams_given(struct streams *s)
{
	for (int i = 0; i < STREAMS; i++)
		close_fd(&s->relay[i].give);
	/* a file that must not grow is an error of write(2) */
	signal(SIGXFSZ, SIG_IGN);
}

void streams_close(struct streams *s)
{
	for (int i = 0; i < STREAMS; i++) {
		close_fd(&s->relay[i].from);
		close_fd(&s->relay[i].give);
	}
}

/* at most @max of what is in the pipe; how much that was */
static size_t copy_some(struct streams *s, int i, size_t max)
{
	static char buf[64 << 10];
	struct relay *r = &s->relay[i];
	ssize_t len = read(r->from, buf, max < sizeof(buf) ? max : sizeof(buf));
	int err;

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (len <= 0) {
		close_fd(&r->from);
		return 0;
	}
	err = write_all(i, buf, (size_t)len);
	if (!err)
		return (size_t)len;
	/* the command's next write fails, too */
	close_fd(&r->from);
	s->lost = true;
	complain("%s of the command cannot be written: %s; what it writes from now on is lost",
		 names[i], strerror(-err));
	return 0;
}

void streams_copy(struct streams *s, int i)
{
	copy_some(s, i, SIZE_MAX);
}

bool streams_finish(struct streams *s)
{
	for (int i = 0; i < STREAMS; i++) {
		int left;

		/*
		 * Not until the end of the file: the pipe may have been passed on to
		 * another process of the SEE, which writes for ever.
		 */
		if (s->relay[i].from < 0 || ioctl(s->relay[i].from, FIONREAD, &left) < 0)
			continue;
		while (left > 0) {
			size_t done = copy_some(s, i, (size_t)left);

			if (!done)
				break;
			left -= (int)done;
		}
	}
	streams_close(s);
	return !s->lost;
}

/* ---- all others: in the child ---- */

static int cannot(int i, const char *path, const char *why)
{
	return complain("%s (%s) cannot be opened again for the SEE: %s; use a pipe: %s", names[i],
			quote(path), why, i ? "seectl run ... | cat" : "cat FILE | seectl run ...");
}

/* nothing of the host's file trees; or of no use there, as its last name is gone */
static bool harmless(int fd, const struct stat *st)
{
	struct statfs fs;

	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		return false;
	case S_IFIFO:
	case S_IFCHR:
	case S_IFBLK:
		return !st->st_nlink || (!fstatfs(fd, &fs) && fs.f_type == PIPEFS_MAGIC);
	default:
		return true;
	}
}

/* a FIFO that nobody reads from any more: writing to it is an error */
static int pipe_without_reader(void)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC) < 0)
		return -1;
	close(fd[0]);
	return fd[1];
}

/*
 * The same again on our mount: looked at before it is opened, as another device
 * under that name might not take that well.
 */
static int open_same(int at, const struct stat *st, int access)
{
	char link[32];
	int fd;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", at);
	/* not to wait for a carrier, or for the other side of a FIFO */
	fd = open(link, access | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0 && errno == ENXIO && S_ISFIFO(st->st_mode))
		fd = pipe_without_reader();
	return fd;
}

static int reopen(int i)
{
	_cleanup_close_ int at = -1, fd = -1;
	int flags = fcntl(i, F_GETFL);
	struct statvfs fs;
	struct stat a, b;
	char link[32], path[4096];
	ssize_t len;
	off_t place;

	if (flags < 0 || fstat(i, &a) < 0)
		return complain("%s: %s", names[i], strerror(errno));
	if (S_ISDIR(a.st_mode))
		return complain("descriptor %d is a directory of the host: through it everything could be reached",
				i);
	if (flags & O_PATH)
		return complain("%s is not open (O_PATH)", names[i]);
	if (harmless(i, &a))
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", i);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < 0)
		return complain("%s: %s", names[i], strerror(errno));
	path[len] = 0;
	at = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (at < 0 || fstat(at, &b) < 0 || fstatvfs(at, &fs) < 0)
		return cannot(i, path, strerror(errno));
	if (a.st_ino != b.st_ino || a.st_dev != b.st_dev)
		return cannot(i, path, "that is another file now");
	if (!(fs.f_flag & ST_RDONLY))
		return cannot(i, path, "it is on a mount that cannot be made read-only");
	/* each time that one is opened it is another terminal */
	if (S_ISCHR(a.st_mode) && a.st_rdev == makedev(5, 2))
		return cannot(i, path, "it is the master of a terminal");
	fd = open_same(at, &a, S_ISREG(a.st_mode) ? O_RDONLY : flags & O_ACCMODE);
	/*
	 * Somebody else's, as a terminal is under su: the command, which has no
	 * capabilities then, cannot do more with it than what it is open for.
	 */
	if (fd < 0 && errno == EACCES && !S_ISREG(a.st_mode) && geteuid() && a.st_uid != geteuid())
		return 0;
	if (fd < 0)
		return cannot(i, path, strerror(errno));
	place = lseek(i, 0, SEEK_CUR);
	if ((place > 0 && lseek(fd, place, SEEK_SET) < 0) ||
	    fcntl(fd, F_SETFL, flags & (O_APPEND | O_NONBLOCK)) < 0 || dup2(fd, i) < 0)
		return cannot(i, path, strerror(errno));
	return 0;
}

int streams_give(const struct streams *s)
{
	int err = 0;

	for (int i = 0; i < STREAMS && !err; i++) {
		if (s->by[i] < 0)
			err = reopen(i);
		else if (dup2(s->relay[s->by[i]].give, i) < 0)
			err = complain("%s: %s", names[i], strerror(errno));
	}
	return err;
}
