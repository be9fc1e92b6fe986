// SPDX-License-Identifier: GPL-2.0
/*
 * confine.c - what a process in a SEE may ask of the kernel
 *
 * Name spaces cover most of it.  The filter refuses the rest: what is not in a
 * name space (keys, vsock), what loads code or sets the machine (modules, kexec,
 * bpf, clocks, swap), and what would take the confinement apart (mounts, new
 * name spaces, input put into the terminal), or make system calls unseen (io_uring).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/capability.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "fault.h"
#include "seectl.h"

static const char *const refused[] = {
	/* keys are not in a name space that counts */
	"add_key", "keyctl", "request_key",
	/* code for the kernel, another kernel */
	"bpf", "create_module", "delete_module", "finit_module", "init_module",
	"kexec_file_load", "kexec_load",
	/* by handle one gets past every directory */
	"open_by_handle_at",
	/* much kernel for little use */
	"lookup_dcookie", "perf_event_open", "userfaultfd", "vmsplice",
	/* mounts and name spaces */
	"fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount",
	"open_tree", "pivot_root", "setns", "umount", "umount2", "unshare",
	/* the machine's */
	"acct", "adjtimex", "clock_adjtime", "clock_settime", "iopl", "ioperm", "nfsservctl",
	"quotactl", "quotactl_fd", "reboot", "settimeofday", "stime", "swapoff", "swapon",
	"syslog", "uselib", "vhangup",
};

/*
 * As on a kernel without them, so that programs take what there was before:
 * clone3() keeps its flags, and io_uring its whole system calls, where a filter
 * cannot look.
 */
static const char *const absent[] = {
	"clone3", "io_uring_enter", "io_uring_register", "io_uring_setup",
};

/*
 * All that programs have a use for, and that a network name space covers.  In
 * socketcall() of 32 bit programs a filter cannot see the family: libseccomp
 * refuses that way of making a socket altogether, and socket() remains.
 */
static const int families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET };

static int refuse_families(scmp_filter_ctx ctx)
{
	int err = 0;

	for (int family = 0; family < AF_MAX && !err; family++) {
		bool known = false;

		for (size_t i = 0; i < ARRAY_SIZE(families); i++)
			known |= families[i] == family;
		if (!known)
			err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket),
					       1, SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)family));
	}
	if (!err)
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
				       SCMP_A0(SCMP_CMP_GE, AF_MAX));
	return err;
}

static int refuse(scmp_filter_ctx ctx, const char *const *name, size_t n, unsigned int answer)
{
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		int nr = seccomp_syscall_resolve_name(name[i]);

		/* newer than this libseccomp, or of another machine */
		if (nr == __NR_SCMP_ERROR)
			continue;
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(answer), nr, 0);
	}
	return err;
}

static int add_rules(scmp_filter_ctx ctx)
{
	const scmp_datum_t spaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID |
				    CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
	static const unsigned int terminal[] = { TIOCSTI, TIOCLINUX };
	int err = refuse(ctx, refused, ARRAY_SIZE(refused), EPERM);

	if (!err)
		err = refuse(ctx, absent, ARRAY_SIZE(absent), ENOSYS);
	for (unsigned int bit = 0; bit < 32 && !err; bit++)
		if (spaces >> bit & 1)
			err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
					       SCMP_A0(SCMP_CMP_MASKED_EQ, 1UL << bit, 1UL << bit));
	for (size_t i = 0; i < ARRAY_SIZE(terminal) && !err; i++)
		err = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
				       SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffffUL, terminal[i]));
	return err ? err : refuse_families(ctx);
}

int confine_filter(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	_cleanup_close_ int fd = -1;
	int err = 0;

	if (!ctx)
		return -ENOMEM;
	/* 32 bit programs run as well, under the same rules; x32 does not */
	if (seccomp_arch_native() == SCMP_ARCH_X86_64)
		err = seccomp_arch_add(ctx, SCMP_ARCH_X86);
	if (!err && guard("confine.filter"))
		err = add_rules(ctx);
	fd = memfd_create("filter", MFD_CLOEXEC);
	if (!err && fd < 0)
		err = -errno;
	if (!err)
		err = seccomp_export_bpf(ctx, fd);
	seccomp_release(ctx);
	if (err)
		return err;
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return take_fd(&fd);
}

/* what package managers need, and what gives nothing over the host */
const char *const confine_capabilities[] = {
	"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETUID",
	"CAP_SETGID", "CAP_SETFCAP", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
	NULL,
};

bool confine_as_root(void)
{
	_cleanup_free_ char *map = NULL;
	cap_flag_value_t setuid = CAP_CLEAR;
	unsigned int inside, outside, count;
	cap_t caps;

	if (geteuid())
		return false;
	caps = cap_get_proc();
	if (!caps)
		return false;
	(void)cap_get_flag(caps, CAP_SETUID, CAP_EFFECTIVE, &setuid);
	cap_free(caps);
	/* all ids are ours to hand on */
	return setuid == CAP_SET && !read_file(-1, "/proc/self/uid_map", 4096, &map, NULL) &&
	       sscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && !inside &&
	       count == UINT32_MAX;
}

static int write_map(pid_t pid, const char *file, const char *map)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
	return write_string(-1, path, map);
}

int confine_map_ids(pid_t pid)
{
	char uids[64], gids[64];
	int err = 0;

	if (confine_as_root()) {
		strcpy(uids, "0 0 4294967295");
		strcpy(gids, uids);
	} else {
		snprintf(uids, sizeof(uids), "%u %u 1", geteuid(), geteuid());
		snprintf(gids, sizeof(gids), "%u %u 1", getegid(), getegid());
		err = write_map(pid, "setgroups", "deny");
	}
	if (!err)
		err = write_map(pid, "gid_map", gids);
	if (!err)
		err = write_map(pid, "uid_map", uids);
	return err;
}
