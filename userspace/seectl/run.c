// SPDX-License-Identifier: GPL-2.0
/*
 * run.c - seectl run: a command in a SEE
 *
 * We stay outside and hold the SEE open.  The child unshares, waits until we
 * gave it its ids, its control group and its network, builds the tree and
 * becomes bubblewrap (stage.c).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "seectl.h"

enum end { END_ASK, END_KEEP, END_COMMIT, END_ABORT };

struct options {
	const char *name;
	char **over;
	size_t nover;
	uint64_t size;
	enum net net;
	enum end end;
	unsigned int criterion;
	char **command;
};

/* signals that are handed on to the command */
static const int forwarded[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2 };

/* ---- options ---- */

/* --keep, --commit, --abort: one of them */
static int set_end(struct options *o, int option)
{
	if (o->end != END_ASK)
		return usage_error("run", "--keep, --commit and --abort: one of them");
	o->end = option == 'k' ? END_KEEP : option == 'c' ? END_COMMIT : END_ABORT;
	return 0;
}

static int check_criterion(struct options *o, const char *word)
{
	if (o->end == END_COMMIT)
		return criterion_parse("run", word, &o->criterion);
	return word ? usage_error("run", "--criterion is for --commit") : 0;
}

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option options[] = {
		{ "over", required_argument, NULL, 'o' },
		{ "size", required_argument, NULL, 's' },
		{ "net", required_argument, NULL, 'n' },
		{ "keep", no_argument, NULL, 'k' },
		{ "commit", no_argument, NULL, 'c' },
		{ "abort", no_argument, NULL, 'a' },
		{ "criterion", required_argument, NULL, 'r' },
		{}
	};
	int c, separator = 1, before, err = 0;
	const char *criterion = NULL;

	o->over = calloc((size_t)argc, sizeof(*o->over));
	if (!o->over)
		return complain("out of memory");
	/* a NAME may come before the options, and after them */
	while (separator < argc && strcmp(argv[separator], "--"))
		separator++;
	if (separator >= argc - 1)
		return usage_error("run", "there is no command: it comes after \"--\"");
	o->command = argv + separator + 1;
	before = separator;
	opterr = 0;
	optind = 0;
	while ((c = getopt_long(before, argv, ":", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			o->over[o->nover++] = optarg;
			break;
		case 's':
			err = size_option("run", optarg, &o->size);
			if (err)
				return err;
			break;
		case 'n':
			if (!strcmp(optarg, "user"))
				o->net = NET_USER;
			else if (strcmp(optarg, "none"))
				return usage_error("run", "--net %s: there are none and user", quote(optarg));
			break;
		case 'k':
		case 'c':
		case 'a':
			err = set_end(o, c);
			if (err)
				return err;
			break;
		case 'r':
			criterion = optarg;
			break;
		case ':':
			return usage_error("run", "%s needs an argument", quote(argv[optind - 1]));
		default:
			return usage_error("run", "unknown option %s", quote(argv[optind - 1]));
		}
	}
	if (optind < before)
		o->name = argv[optind++];
	if (optind < before)
		return usage_error("run", "%s: one NAME; the command comes after \"--\"",
				   quote(argv[optind]));
	return check_criterion(o, criterion);
}

/* the SEE of that name, or a new one */
static int open_or_create(struct see *see, const struct options *o, bool *made)
{
	int err = o->name ? client_try_open(see, o->name, 0) : -ENOENT;

	*made = false;
	if (!err) {
		if (o->nover || o->size)
			return complain("SEE %s is there already: %s is for new ones", see->name,
					o->nover ? "--over" : "--size");
		return 0;
	}
	if (err != -ENOENT)
		return err;
	*made = true;
	return cover_create(see, o->name ? o->name : "", o->over, o->nover, o->size);
}

/* ---- the child ---- */

/* one byte to or from the other side; false if it went away */
static bool tell(int fd)
{
	return write(fd, "", 1) == 1;
}

static bool hear(int fd)
{
	char c;
	ssize_t got;

	do {
		got = read(fd, &c, 1);
	} while (got < 0 && errno == EINTR);
	return got == 1;
}

static _Noreturn void child(const struct stage *stage, int to, int from, const sigset_t *mask)
{
	int err;

	sigprocmask(SIG_SETMASK, mask, NULL);
	err = stage_unshare();
	if (err || !tell(to) || !hear(from))
		_exit(EXIT_SEECTL);
	err = stage_exec(stage);
	fflush(stderr);
	_exit(err);
}

/* ids, control group, network for the child that has unshared */
static int prepare(struct see *see, pid_t pid, enum net net, int *connection)
{
	_cleanup_close_ int pidfd = pidfd_open(pid, 0);
	char message[SEE_MESSAGE_MAX + 1];
	int err;

	if (pidfd < 0)
		return complain("pidfd: %s", strerror(errno));
	err = confine_map_ids(pid);
	if (err)
		return complain("no ids for the user name space of the SEE: %s", strerror(-err));
	err = see_join(see->fd, pidfd, message);
	if (err)
		return client_complain("the process cannot join the SEE", err, message);
	return net == NET_USER ? net_start(pid, connection) : 0;
}

/* What inside.c says, just before it becomes the command. */
struct start {
	int from;		/* the socket that it comes by */
	int command;		/* pidfd, -1: not started, or gone already */
	bool ran;
};

/* if it has said so by now: the kernel tells who it is, by our numbers */
static void note_start(struct start *s)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(struct ucred))];
	char c;
	struct iovec iov = { .iov_base = &c, .iov_len = 1 };
	struct msghdr message = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *head;
	struct ucred ucred;

	if (s->ran || recvmsg(s->from, &message, MSG_DONTWAIT) != 1)
		return;
	s->ran = true;
	head = CMSG_FIRSTHDR(&message);
	if (!head || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_CREDENTIALS)
		return;
	memcpy(&ucred, CMSG_DATA(head), sizeof(ucred));
	s->command = pidfd_open(ucred.pid, 0);
}

static void forward(pid_t bwrap, struct start *s, int signal)
{
	note_start(s);
	if (s->command >= 0)
		(void)pidfd_send_signal(s->command, signal, NULL, 0);
	else if (!s->ran && signal != SIGUSR1 && signal != SIGUSR2)
		/* too early for that */
		kill(bwrap, SIGKILL);
}

/*
 * What the terminal sends goes to the command as well, by itself; what is sent
 * to us alone is handed on.
 */
static int wait_for(pid_t pid, int signals, struct start *s, struct streams *streams)
{
	struct pollfd p[2 + STREAMS] = { { .fd = signals, .events = POLLIN },
					 { .fd = s->from, .events = POLLIN } };
	struct signalfd_siginfo info;
	int status;

	for (;;) {
		pid_t got = waitpid(pid, &status, WNOHANG);

		if (got == pid)
			return status;
		if (got < 0 && errno != EINTR)
			return EXIT_SEECTL << 8;
		for (int i = 0; i < STREAMS; i++)
			p[2 + i] = (struct pollfd) { .fd = streams->relay[i].from, .events = POLLIN };
		/* ends with SIGCHLD */
		if (poll(p, ARRAY_SIZE(p), -1) < 0)
			continue;
		for (int i = 0; i < STREAMS; i++)
			if (p[2 + i].revents)
				streams_copy(streams, i);
		if (p[1].revents) {
			note_start(s);
			p[1].fd = -1;
		}
		if (!p[0].revents || read(signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD && info.ssi_code <= 0)
			forward(pid, s, (int)info.ssi_signo);
	}
}

static unsigned int ignored_signals(void)
{
	unsigned int bits = 0;

	for (int n = 1; n < 32; n++) {
		struct sigaction now;

		if (!sigaction(n, NULL, &now) && now.sa_handler == SIG_IGN)
			bits |= SIGNAL_BIT(n);
	}
	return bits;
}

/* the terminal, if the command took it and did not give it back */
static void take_terminal(pid_t foreground)
{
	sigset_t set, old;

	if (foreground != getpgrp())
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGTTOU);
	sigprocmask(SIG_BLOCK, &set, &old);
	(void)tcsetpgrp(0, foreground);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

/*
 * bubblewrap goes with the command.  What else was started in the SEE, by this
 * run, is killed with the first process of its pid name space, whose end is
 * that of all the others.  It has become our child, unless bubblewrap saw it end.
 */
static void end_space(int info)
{
	static const char key[] = "\"child-pid\": ";
	char text[512];
	const char *at;
	siginfo_t si;
	ssize_t len;
	pid_t init;

	/* what bubblewrap wrote when it started */
	len = read(info, text, sizeof(text) - 1);
	if (len <= 0)
		return;
	text[len] = 0;
	at = strstr(text, key);
	init = at ? atoi(at + strlen(key)) : 0;
	if (init <= 0 || waitid(P_PID, (id_t)init, &si, WEXITED | WNOHANG | WNOWAIT) < 0)
		return;
	kill(init, SIGKILL);
	while (waitpid(init, NULL, 0) < 0 && errno == EINTR)
		;
}

/* exit status of the command, or EXIT_SEECTL; @ran: did it start? */
static int execute(struct see *see, const struct options *o, bool policy, bool *ran)
{
	_cleanup_close_ int filter = confine_filter(), signals = -1, connection = -1;
	_cleanup_(streams_close) struct streams streams = STREAMS_INIT;
	struct start s = { .command = -1 };
	int down[2] = { -1, -1 }, up[2] = { -1, -1 }, started[2] = { -1, -1 }, info[2] = { -1, -1 };
	pid_t pid, foreground = isatty(0) ? tcgetpgrp(0) : -1;
	_cleanup_free_ char *cwd = getcwd(NULL, 0);
	struct stage stage = {
		.see = see, .streams = &streams, .filter = filter, .policy = policy, .argv = o->command,
		.ignored = ignored_signals(), .cwd = cwd,
	};
	sigset_t set, old;
	int err = 0, on = 1, status;
	bool complete;

	*ran = false;
	if (filter < 0)
		return complain("the system call filter: %s", strerror(-filter));
	if (!cwd || cwd[0] != '/')
		return complain("the working directory: %s", strerror(cwd ? ENOENT : errno));
	if (pipe2(down, O_CLOEXEC) < 0 || pipe2(up, O_CLOEXEC) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, started) < 0 ||
	    setsockopt(started[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) < 0 ||
	    pipe2(info, O_CLOEXEC) < 0)
		return complain("pipes and sockets: %s", strerror(errno));
	if (streams_open(&streams))
		return EXIT_SEECTL;
	s.from = started[0];
	stage.started = started[1];
	stage.info = info[1];
	/* what bubblewrap leaves behind comes to us: see end_space() */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return complain("prctl: %s", strerror(errno));
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < ARRAY_SIZE(forwarded); i++)
		sigaddset(&set, forwarded[i]);
	sigprocmask(SIG_BLOCK, &set, &old);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0)
		return complain("signals: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return complain("fork: %s", strerror(errno));
	if (!pid) {
		close(down[1]);
		close(up[0]);
		close(started[0]);
		close(info[0]);
		child(&stage, up[1], down[0], &old);
	}
	close_fd(&down[0]);
	close_fd(&up[1]);
	close_fd(&started[1]);
	close_fd(&info[1]);
	streams_given(&streams);
	if (hear(up[0]))
		err = prepare(see, pid, o->net, &connection);
	if (!err)
		tell(down[1]);
	close_fd(&down[1]);
	status = wait_for(pid, signals, &s, &streams);
	close_fd(&connection);
	take_terminal(foreground);
	sigprocmask(SIG_SETMASK, &old, NULL);
	end_space(info[0]);
	complete = streams_finish(&streams);
	note_start(&s);
	*ran = s.ran;
	close_fd(&s.command);
	close_fd(&started[0]);
	close_fd(&up[0]);
	close_fd(&info[0]);
	if (err || !*ran)
		return EXIT_SEECTL;
	if (!WIFEXITED(status))
		return 128 + WTERMSIG(status);
	/* output that did not arrive is no success */
	return !WEXITSTATUS(status) && !complete ? EXIT_SEECTL : WEXITSTATUS(status);
}

/* ---- the end ---- */

/* a line from the terminal, compared with a word and its first letter */
static bool read_line(const char *question, char line[static 64])
{
	fputs(question, stderr);
	if (!fgets(line, 64, stdin)) {
		fputc('\n', stderr);
		return false;
	}
	line[strcspn(line, "\n")] = 0;
	return true;
}

static bool means(const char *line, const char *word)
{
	return (line[0] == word[0] && !line[1]) || !strcmp(line, word);
}

static bool ask_criterion(unsigned int *criterion)
{
	char line[64];

	if (!read_line("seectl: by which criterion: (w)rites, refused if the host changed what the SEE changed; (f)orce, the SEE wins? ",
		       line))
		return false;
	*criterion = means(line, "force") ? SEE_CRITERION_FORCE : SEE_CRITERION_WRITES;
	return means(line, "force") || means(line, "writes");
}

/* what the user wants, on a terminal */
static enum end ask(struct see *see, unsigned int *criterion)
{
	char line[64], question[160];

	snprintf(question, sizeof(question), "seectl: SEE %s: (c)ommit, (a)bort, (k)eep, (s)how? ",
		 see->name);
	for (;;) {
		if (!read_line(question, line))
			return END_KEEP;
		if (means(line, "commit") && ask_criterion(criterion))
			return END_COMMIT;
		if (means(line, "abort"))
			return END_ABORT;
		if (means(line, "keep"))
			return END_KEEP;
		if (means(line, "show"))
			print_changes(see, NULL);
	}
}

/* a command that was killed, perhaps by its user, has not done what it should */
static bool was_killed(int code)
{
	return code > 128 && code <= 128 + SIGRTMAX;
}

/* until what is asked for is done; @code: of the command; @made: by us */
static int finish(struct see *see, const struct options *o, bool made, int code)
{
	struct commit how = { .criterion = o->criterion, .in_run = true };
	bool asking = o->end == END_ASK && isatty(0) && isatty(2), failed = false;
	enum end end;

	do {
		end = asking ? ask(see, &how.criterion) : o->end;
		if (end == END_ABORT)
			return abort_see(see) ? EXIT_SEECTL : code;
		if (end != END_COMMIT)
			break;
		failed = !asking && was_killed(code);
		if (failed)
			remark("the command was killed; what it did is not committed");
		else
			failed = commit_see(see, &how) != 0;
		if (!failed)
			return made && abort_see(see) ? EXIT_SEECTL : code;
	} while (asking);
	remark("SEE %s is kept; look at it with \"seectl inspect %s\", commit it with \"seectl commit %s --criterion writes\", throw it away with \"seectl abort %s\"",
	       see->name, see->name, see->name, see->name);
	return failed ? EXIT_SEECTL : code;
}

/* a mount of each layer, for the child to attach */
static int mount_all(struct see *see)
{
	int err = client_layers(see);

	for (size_t i = 0; i < see->nlayers && !err; i++)
		err = client_mount(see, &see->layer[i]);
	return err;
}

static int run(struct see *see, struct options *o)
{
	struct policy policy = POLICY_INIT;
	bool made, ran = false, with_policy;
	int err, code = EXIT_SEECTL;

	err = open_or_create(see, o, &made);
	if (err)
		return err;
	if (!mount_all(see)) {
		with_policy = policy_start(see, &policy);
		code = execute(see, o, with_policy, &ran);
		policy_stop(&policy);
	}
	if (ran)
		return finish(see, o, made, code);
	/* nothing happened in it: one of ours must not stay */
	if (made)
		(void)abort_see(see);
	return EXIT_SEECTL;
}

int verb_run(int argc, char **argv)
{
	_cleanup_(see_close) struct see see = SEE_INIT;
	struct options o = {};
	int code = parse(argc, argv, &o);

	if (!code)
		code = run(&see, &o);
	free(o.over);
	return code;
}
