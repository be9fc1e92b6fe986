// SPDX-License-Identifier: GPL-2.0
/*
 * net.c - networks of a SEE
 *
 * Always a name space of its own: abstract sockets of the host are a door.  For
 * --net user, pasta (package passt) connects it to the outside: it makes
 * connections as the caller, and the host's own loopback is not reached by it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/close_range.h>
#include <net/if.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "seectl.h"

int net_loopback(void)
{
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &ifr) < 0)
		return -errno;
	return 0;
}

/* descriptors of the process between us and pasta */
#define READY	3
#define ALIVE	4

/*
 * Between us and pasta: lives until we close @alive, however we end.  In a
 * session of its own, since what the terminal sends is not for pasta.
 */
static _Noreturn void keep_pasta(pid_t pid)
{
	/*
	 * --no-map-gw: else the gateway's address is the host's loopback.  No port
	 * is forwarded, to the SEE or from it.  It would become nobody for root,
	 * and could not enter our name space any more; it gives up all
	 * capabilities and its view of any file by itself.
	 */
	char *argv[] = { "pasta", "--foreground", "--config-net", "--quiet", "--no-map-gw",
			 "-t", "none", "-u", "none", "-T", "none", "-U", "none",
			 "--pid", "/dev/fd/3", NULL, NULL, NULL, NULL };
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	char number[16];
	size_t n = 15;
	pid_t pasta;
	int err;

	if (!geteuid()) {
		argv[n++] = "--runas";
		argv[n++] = "0";
	}
	snprintf(number, sizeof(number), "%d", pid);
	argv[n++] = number;
	setsid();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, READY, READY);
	posix_spawn_file_actions_addclose(&actions, ALIVE);
	/* seectl has signals blocked, for itself */
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	err = posix_spawnp(&pasta, argv[0], &actions, &attr, argv, environ);
	if (err)
		_exit(complain("--net user needs pasta (package passt): %s", strerror(err)));
	close(READY);
	/* the end of the file: seectl has gone, or wants no network any more */
	while (read(ALIVE, number, 1) < 0 && errno == EINTR)
		;
	kill(pasta, SIGKILL);
	_exit(0);
}

/* nothing of seectl's stays open there, the SEE least of all */
static void arrange(int alive, int ready)
{
	alive = fcntl(alive, F_DUPFD, 10);
	ready = fcntl(ready, F_DUPFD, 10);
	if (alive < 0 || ready < 0 || dup2(ready, READY) < 0 || dup2(alive, ALIVE) < 0 ||
	    close_range(ALIVE + 1, ~0U, 0) < 0)
		_exit(EXIT_SEECTL);
}

int net_start(pid_t pid, int *net)
{
	int alive[2], ready[2];
	char number[16];
	ssize_t len;
	pid_t keeper;

	if (pipe2(alive, O_CLOEXEC) < 0 || pipe2(ready, O_CLOEXEC) < 0)
		return complain("pipes: %s", strerror(errno));
	keeper = fork();
	if (keeper < 0)
		return complain("fork: %s", strerror(errno));
	if (!keeper) {
		arrange(alive[0], ready[1]);
		keep_pasta(pid);
	}
	close(alive[0]);
	close(ready[1]);
	*net = alive[1];
	/* its process id, when the network is there */
	do {
		len = read(ready[0], number, sizeof(number));
	} while (len < 0 && errno == EINTR);
	close(ready[0]);
	if (len > 0)
		return 0;
	close_fd(net);
	return complain("pasta could not connect the SEE; --net none does without");
}
