// SPDX-License-Identifier: GPL-2.0
/*
 * stage.c - from a child of seectl to the command in its SEE
 *
 * In a user and mount name space of our own the layers are put together below
 * /run, where bubblewrap finds a whole file tree.  The tree is the SEE's, and
 * another process of the SEE may be changing it while we work, so that
 *
 * - what we do in it, we do by descriptor and without following symlinks;
 * - all mounts of the host that our name space has are made read-only before
 *   bubblewrap, which follows symlinks, is let loose;
 * - inside.c looks at the result before the command runs.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "fault.h"
#include "seectl.h"

#define STAGE		"/run"
#define STAGE_ROOT	STAGE "/root"
#define STAGE_INSIDE	STAGE "/inside"
#define STAGE_POLICY	STAGE "/policy-rc.d"
#define IN_SEE		"/run/see"

extern const char see_inside_start[], see_inside_end[];

int stage_unshare(void)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS |
		    (guard("confine.network") ? CLONE_NEWNET : 0)) < 0)
		return complain("no name spaces of our own: %s; is kernel.unprivileged_userns_clone off?",
				strerror(errno));
	/* die with seectl; new credentials would have cleared it */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return complain("prctl: %s", strerror(errno));
	return 0;
}

/* ---- arguments for bubblewrap ---- */

struct args {
	char *arg[512];
	size_t n;
	bool failed;
};

static void add(struct args *a, const char *arg)
{
	if (a->n < ARRAY_SIZE(a->arg) - 1 && (a->arg[a->n] = strdup(arg)))
		a->n++;
	else
		a->failed = true;
}

static void add_number(struct args *a, const char *option, int number)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", number);
	if (option)
		add(a, option);
	add(a, text);
}

#define ADD(a, ...) \
	do { \
		static const char *const add_[] = { __VA_ARGS__ }; \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(add_); i_++) \
			add(a, add_[i_]); \
	} while (0)

/* ---- the tree ---- */

static int make_file(const char *path, const void *data, size_t len)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
	int err;

	if (fd < 0)
		return -errno;
	err = write_all(fd, data, len);
	return err ? err : fchmod(fd, 0755) < 0 ? -errno : 0;
}

static int make_stage(void)
{
	static const char policy[] = "#!/bin/sh\n"
		"# Supplied by seectl: nothing is started in a SEE.\nexit 101\n";
	int err = 0;

	if (mount("stage", STAGE, "tmpfs", MS_NODEV | MS_NOSUID, "mode=755,size=16m") < 0 ||
	    mkdir(STAGE_ROOT, 0755) < 0)
		err = -errno;
	if (!err)
		err = make_file(STAGE_INSIDE, see_inside_start,
				(size_t)(see_inside_end - see_inside_start));
	if (!err)
		err = make_file(STAGE_POLICY, policy, sizeof(policy) - 1);
	return err ? complain("a tree for the SEE: %s", strerror(-err)) : 0;
}

/* all that is the host's: nothing that goes wrong later must write there */
static int host_readonly(void)
{
	struct mount_attr set = { .attr_set = MOUNT_ATTR_RDONLY };
	struct mount_attr clear = { .attr_clr = MOUNT_ATTR_RDONLY };

	if (!guard("confine.host"))
		set.attr_set = 0;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &set, sizeof(set)) < 0)
		return complain("the host cannot be made read-only: %s", strerror(errno));
	/* or the kernel would allow only read-only ones in name spaces below */
	(void)mount_setattr(AT_FDCWD, "/proc", 0, &clear, sizeof(clear));
	return 0;
}

static int attach_layers(struct see *see)
{
	_cleanup_close_ int root = -1;

	for (size_t i = 0; i < see->nlayers; i++) {
		struct layer *l = &see->layer[i];
		_cleanup_close_ int at = -1;

		if (!i)
			at = open_nofollow(AT_FDCWD, STAGE_ROOT, O_PATH | O_DIRECTORY, false);
		else
			at = open_nofollow(root, l->path + 1, O_PATH | O_DIRECTORY, true);
		if (at < 0) {
			remark("%s is not there in the SEE any more and is left out: %s",
			       quote(l->path), strerror(-at));
			continue;
		}
		if (move_mount(l->fd, "", at, "",
			       MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
			return complain("the layer over %s cannot be attached: %s", quote(l->path),
					strerror(errno));
		if (!i) {
			root = open_nofollow(AT_FDCWD, STAGE_ROOT, O_PATH | O_DIRECTORY, false);
			if (root < 0)
				return complain("%s: %s", STAGE_ROOT, strerror(-root));
		}
	}
	return root < 0 ? complain("the SEE does not cover / and cannot be run in") : 0;
}

/* a fresh /sys: of our network, without what is mounted below the host's */
static bool attach_sys(void)
{
	_cleanup_close_ int at = -1, ctx = -1, mnt = -1;

	at = open_nofollow(AT_FDCWD, STAGE_ROOT "/sys", O_PATH | O_DIRECTORY, false);
	if (at < 0)
		return true;
	ctx = fsopen("sysfs", FSOPEN_CLOEXEC);
	if (ctx < 0 || fsconfig(ctx, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return false;
	mnt = fsmount(ctx, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
		      MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
	return mnt >= 0 && !move_mount(mnt, "", at, "", MOVE_MOUNT_F_EMPTY_PATH |
				       MOVE_MOUNT_T_EMPTY_PATH);
}

/* ---- /proc ---- */

/*
 * Everything in /proc that is not a process's, and that root may write to or
 * that has something below, read-only: with the identity map, root of the SEE
 * is the owner of all of it.
 */
static int protect_proc(struct args *bwrap, struct args *check)
{
	_cleanup_dir_ DIR *d = opendir("/proc");
	const struct dirent *e;
	char path[300];

	if (!d)
		return complain("/proc: %s", strerror(errno));
	while ((e = readdir(d))) {
		struct stat st;

		if (e->d_name[0] == '.' || (e->d_name[0] >= '0' && e->d_name[0] <= '9') ||
		    fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    S_ISLNK(st.st_mode) || (!S_ISDIR(st.st_mode) && !(st.st_mode & 0222)))
			continue;
		snprintf(path, sizeof(path), "/proc/%s", e->d_name);
		add(bwrap, "--ro-bind");
		add(bwrap, path);
		add(bwrap, path);
		add(check, path);
	}
	return 0;
}

/* ---- bubblewrap ---- */

static void add_devices(struct args *a)
{
	/*
	 * The nodes are the host's own, from its mount of /dev, which is read-only
	 * in our name space: they can be written to, but not changed.
	 */
	ADD(a, "--dev", "/dev", "--perms", "1777", "--tmpfs", "/dev/shm");
}

static void add_run(struct args *a)
{
	char path[48];

	ADD(a, "--perms", "0755", "--tmpfs", "/run", "--perms", "1777", "--dir", "/run/lock",
	    "--perms", "0755", "--dir", "/run/user", "--perms", "0700", "--dir");
	snprintf(path, sizeof(path), "/run/user/%u", geteuid());
	add(a, path);
	ADD(a, "--perms", "0755", "--dir", IN_SEE, "--ro-bind", STAGE_INSIDE, IN_SEE "/start");
}

static int add_all(struct args *a, const struct stage *stage, bool fresh_sys, bool root)
{
	_cleanup_free_ struct args *check = calloc(1, sizeof(*check));
	char mask[16];
	int err;

	if (!check)
		return complain("out of memory");
	ADD(a, "bwrap", "--bind", STAGE_ROOT, "/");
	ADD(a, "--unshare-pid", "--unshare-uts", "--unshare-cgroup", "--die-with-parent",
	    "--proc", "/proc");
	if (guard("confine.ipc"))
		ADD(a, "--unshare-ipc");
	err = guard("confine.proc") ? protect_proc(a, check) : 0;
	if (err)
		return err;
	add_devices(a);
	add_run(a);
	if (!fresh_sys)
		ADD(a, "--tmpfs", "/sys", "--remount-ro", "/sys");
	add(check, "/sys");
	if (stage->policy)
		ADD(a, "--ro-bind", STAGE_POLICY, POLICY_PATH);
	if (guard("confine.capabilities"))
		ADD(a, "--cap-drop", "ALL");
	for (const char *const *cap = confine_capabilities; root && *cap; cap++) {
		add(a, "--cap-add");
		add(a, *cap);
	}
	add_number(a, "--seccomp", stage->filter);
	add_number(a, "--info-fd", stage->info);
	add(a, "--chdir");
	add(a, stage->cwd);
	ADD(a, "--", IN_SEE "/start");
	add_number(a, NULL, stage->started);
	snprintf(mask, sizeof(mask), "%x", stage->ignored);
	add(a, mask);
	for (size_t i = 0; i < check->n; i++) {
		add(a, check->arg[i]);
		free(check->arg[i]);
	}
	add(a, "--");
	for (char *const *arg = stage->argv; *arg; arg++)
		add(a, *arg);
	return a->failed || check->failed ? complain("too many arguments, or out of memory") : 0;
}

int stage_exec(const struct stage *stage)
{
	struct args *a = calloc(1, sizeof(*a));
	bool root = !geteuid(), fresh_sys;
	int err, lo;

	if (!a)
		return complain("out of memory");
	lo = guard("confine.network") ? net_loopback() : 0;
	err = lo ? complain("the loopback device: %s", strerror(-lo)) : host_readonly();
	if (!err && guard("confine.streams"))
		err = streams_give(stage->streams);
	if (!err)
		err = make_stage();
	if (!err)
		err = attach_layers(stage->see);
	if (err)
		goto out;
	fresh_sys = attach_sys();
	err = add_all(a, stage, fresh_sys, root);
	if (err)
		goto out;
	/* nothing else of what we or our caller had open goes along */
	if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0 ||
	    fcntl(stage->filter, F_SETFD, 0) < 0 || fcntl(stage->started, F_SETFD, 0) < 0 ||
	    fcntl(stage->info, F_SETFD, 0) < 0) {
		err = complain("descriptors: %s", strerror(errno));
		goto out;
	}
	/* they are for the command, which gets them back in inside.c */
	for (int n = 1; n < 32; n++)
		if (SIGNAL_BIT(n) & (SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGQUIT) |
				     SIGNAL_BIT(SIGTERM) | SIGNAL_BIT(SIGHUP) |
				     SIGNAL_BIT(SIGUSR1) | SIGNAL_BIT(SIGUSR2)))
			signal(n, SIG_IGN);
	execvp(a->arg[0], a->arg);
	err = complain("bubblewrap (package bubblewrap) cannot be started: %s", strerror(errno));
out:
	for (size_t i = 0; i < a->n; i++)
		free(a->arg[i]);
	free(a);
	return err;
}
