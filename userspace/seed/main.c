// SPDX-License-Identifier: GPL-2.0
/*
 * main.c - attach, read requests, start a thread for each
 *
 * Being killed at any moment is a normal end: whoever waits gets EOWNERDEAD,
 * and the next start finishes what was begun.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "fault.h"
#include "seed.h"

/* requests in work; more wait in the module */
#define THREADS_MAX	128

struct job {
	int dev;
	uint64_t abort;		/* id of a SEE whose abort is to be finished, or 0 */
	struct see_request req;
};

static sem_t slots;

static void *work(void *data)
{
	struct job *job = data;

	if (job->abort)
		op_finish_abort(job->dev, job->abort);
	else
		op_run(job->dev, &job->req);
	free(job);
	sem_post(&slots);
	return NULL;
}

int start_thread(void *(*function)(void *data), void *data)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 512U << 10);
	err = pthread_create(&thread, &attr, function, data);
	pthread_attr_destroy(&attr);
	return -err;
}

/* takes over @job */
static void start(struct job *job)
{
	while (sem_wait(&slots) < 0)
		;
	if (start_thread(work, job))
		/* slower, but done */
		work(job);
}

static int start_request(int dev)
{
	struct job *job = calloc(1, sizeof(*job));
	int err;

	if (!job)
		return -ENOMEM;
	job->dev = dev;
	err = see_read_request(dev, &job->req);
	if (err) {
		free(job);
		return err == -EAGAIN || err == -EINTR ? 0 : err;
	}
	start(job);
	return 0;
}

void start_abort(int dev, uint64_t id)
{
	struct job *job = calloc(1, sizeof(*job));

	if (!job)
		return;
	job->dev = dev;
	job->abort = id;
	start(job);
}

static int stop_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	/* before there are threads: they inherit it */
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

static int loop(int dev, int stop)
{
	struct pollfd p[] = { { .fd = dev, .events = POLLIN }, { .fd = stop, .events = POLLIN } };
	int err = 0;

	while (!err) {
		if (poll(p, ARRAY_SIZE(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (p[1].revents)
			return 0;
		if (p[0].revents & (POLLERR | POLLHUP | POLLNVAL))
			return -EPIPE;
		if (p[0].revents & POLLIN)
			err = start_request(dev);
		if (err == -ENOMEM || err == -EMFILE || err == -ENFILE) {
			say("a request has to wait: %s", strerror(-err));
			poll(NULL, 0, 100);
			err = 0;
		}
	}
	return err;
}

static int fail(const char *what, int err)
{
	say("%s: %s", what, strerror(-err));
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	_cleanup_close_ int dev = -1, stop = -1;
	struct see_abi abi;
	int err;

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		printf("seed %s, ABI %d\n", SEE_VERSION, SEE_ABI_VERSION);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--faults")) {
		fault_list();
		return 0;
	}
	if (argc != 1) {
		fprintf(stderr, "usage: seed [--version]\nsystemd starts it: systemctl start seed\n");
		return argc == 2 && !strcmp(argv[1], "--help") ? 0 : EXIT_FAILURE;
	}
	umask(077);
	stop = stop_signals();
	if (stop < 0)
		return fail("signals", stop);
	sem_init(&slots, 0, THREADS_MAX);
	dev = see_open_device(O_NONBLOCK);
	if (dev < 0)
		return fail("/dev/see (is the module seefs loaded?)", dev);
	err = see_abi(dev, &abi);
	if (err)
		return fail("/dev/see", err);
	if (abi.version < SEE_ABI_VERSION) {
		say("the module seefs is older than this seed: its ABI is %u, not %d", abi.version,
		    SEE_ABI_VERSION);
		return EXIT_FAILURE;
	}
	err = see_attach(dev);
	if (err)
		return fail(err == -EBUSY ? "there is a seed already" : "attach to /dev/see", err);
	err = store_init();
	if (err)
		return fail("the store " STATE_DIR " (a directory of root's alone, mode 0700, with trusted.see.store)", err);
	err = cgroup_init();
	if (err)
		return fail("control groups (version 2 at /sys/fs/cgroup)", err);
	err = op_start(dev);
	if (err)
		return fail("the SEEs in " STATE_DIR, err);
	/* after recovery, which may still want what is in it */
	err = trash_start();
	if (err)
		return fail("a thread that removes what is thrown away", err);
	sd_notify(0, "READY=1");
	err = loop(dev, stop);
	sd_notify(0, "STOPPING=1");
	if (err)
		return fail("/dev/see", err);
	/* what is in work is as if we had been killed */
	_exit(0);
}
