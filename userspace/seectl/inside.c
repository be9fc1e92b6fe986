// SPDX-License-Identifier: GPL-2.0
/*
 * inside.c - the last step before the command, in the SEE
 *
 *	inside STARTED IGNORED READONLY... -- COMMAND [ARG...]
 *
 * Static and without libraries of ours: nothing of the SEE's is trusted before
 * the command.  Checks that the confinement is what was asked for (another
 * process of the SEE might have moved directories about while it was built),
 * gives the command the signals that seectl took away for bubblewrap, takes the
 * capabilities that it does not have out of all of its sets, tells seectl by a
 * byte to STARTED that it is the command's turn, and executes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define PROC_MAGIC	0x9fa0
#define TMPFS_MAGIC_	0x01021994

static int fail(const char *what)
{
	fprintf(stderr, "seectl: %s is not what it should be; the command was not started\n", what);
	return 125;
}

static int is_type(const char *path, long magic)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == magic;
}

/* bubblewrap passes capabilities on as inheritable and ambient: a login has none there */
static int settle_capabilities(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -1;
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!(data[cap / 32].permitted >> cap % 32 & 1) &&
		    prctl(PR_CAPBSET_READ, cap, 0, 0, 0) == 1 &&
		    prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0 && errno != EPERM)
			return -1;
	data[0].inheritable = 0;
	data[1].inheritable = 0;
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_capset, &head, data);
}

int main(int argc, char **argv)
{
	unsigned long ignored;
	struct statvfs fs;
	int i, started;

	if (argc < 5)
		return 125;
	started = atoi(argv[1]);
	ignored = strtoul(argv[2], NULL, 16);
	for (i = 3; i < argc && strcmp(argv[i], "--"); i++)
		if (statvfs(argv[i], &fs) < 0 || !(fs.f_flag & ST_RDONLY))
			return fail(argv[i]);
	if (++i >= argc)
		return 125;
	if (!is_type("/proc", PROC_MAGIC))
		return fail("/proc");
	if (!is_type("/dev", TMPFS_MAGIC_))
		return fail("/dev");
	if (!is_type("/run", TMPFS_MAGIC_))
		return fail("/run");
	if (settle_capabilities() < 0)
		return fail("the set of capabilities");
	for (int n = 1; n < 32; n++)
		if (n != SIGKILL && n != SIGSTOP)
			signal(n, ignored >> n & 1 ? SIG_IGN : SIG_DFL);
	if (fcntl(started, F_SETFD, FD_CLOEXEC) < 0 || write(started, "", 1) != 1)
		return fail("seectl");
	execvp(argv[i], argv + i);
	/* the name is the caller's own */
	fprintf(stderr, "seectl: %s: %s\n", argv[i], strerror(errno));
	return errno == ENOENT ? 127 : 126;
}
