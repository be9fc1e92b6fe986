// SPDX-License-Identifier: GPL-2.0
/* test_confine.c - the system call filter, applied to a child of ours */
#define _GNU_SOURCE
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "seectl.h"
#include "tap.h"

/* a call with arguments that do no harm if it is let through */
static const struct call {
	const char *name;
	long nr;
	long arg[3];
	int answer;
} calls[] = {
	{ "getppid", SYS_getppid, {}, 0 },
	{ "socket(AF_UNIX)", SYS_socket, { AF_UNIX, SOCK_STREAM, 0 }, 0 },
	{ "socket(AF_ALG)", SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 }, EAFNOSUPPORT },
	{ "socket(AF_VSOCK)", SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 }, EAFNOSUPPORT },
	{ "socket(AF_MAX)", SYS_socket, { AF_MAX, SOCK_STREAM, 0 }, EAFNOSUPPORT },
	{ "io_uring_setup", SYS_io_uring_setup, { 1, 0, 0 }, ENOSYS },
	{ "io_uring_enter", SYS_io_uring_enter, { -1, 0, 0 }, ENOSYS },
	{ "io_uring_register", SYS_io_uring_register, { -1, 0, 0 }, ENOSYS },
	{ "clone3", SYS_clone3, { 0, 0, 0 }, ENOSYS },
	{ "bpf", SYS_bpf, { -1, 0, 0 }, EPERM },
	{ "keyctl", SYS_keyctl, { -1, 0, 0 }, EPERM },
	{ "mount", SYS_mount, { 0, 0, 0 }, EPERM },
	{ "unshare", SYS_unshare, { 0, 0, 0 }, EPERM },
};

static int apply_filter(void)
{
	_cleanup_close_ int fd = confine_filter();
	_cleanup_free_ struct sock_filter *filter = NULL;
	struct sock_fprog program;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -1;
	filter = malloc((size_t)st.st_size);
	if (!filter || pread(fd, filter, (size_t)st.st_size, 0) != st.st_size)
		return -1;
	program.filter = filter;
	program.len = (unsigned short)((size_t)st.st_size / sizeof(*filter));
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -1 : 0;
}

/* errno of the call under the filter; a process for each, as there is no way back */
static int answer_of(const struct call *c)
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		long got;

		if (apply_filter() < 0)
			_exit(255);
		got = syscall(c->nr, c->arg[0], c->arg[1], c->arg[2]);
		_exit(got < 0 ? errno : 0);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) ?
		WEXITSTATUS(status) : -1;
}

int main(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		int got = answer_of(&calls[i]);

		OK(got == calls[i].answer, "%s", calls[i].name);
		if (got != calls[i].answer)
			printf("# got %d, want %d\n", got, calls[i].answer);
	}
	return tap_end();
}
