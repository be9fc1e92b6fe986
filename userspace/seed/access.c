// SPDX-License-Identifier: GPL-2.0
/*
 * access.c - who may cover what
 *
 * CAP_SYS_ADMIN in the initial user name space covers anything.  Everybody
 * else must be in the group, and write only in directories that they own.  The
 * caller sleeps in its ioctl, so that its /proc entry is what it says.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sys/stat.h>

#include "seed.h"

/* value of "Key:\t..." in /proc/PID/status, NUL terminated in place */
static char *status_field(char *text, const char *key)
{
	char *line = strstr(text, key);

	while (line && line != text && line[-1] != '\n')
		line = strstr(line + 1, key);
	if (!line)
		return NULL;
	line += strlen(key);
	line[strcspn(line, "\n")] = 0;
	return line;
}

static int read_status(uint32_t pid, char **text)
{
	char path[48];

	snprintf(path, sizeof(path), "/proc/%u/status", pid);
	return read_file(-1, path, 1U << 20, text, NULL);
}

int access_group(const struct see_request *req, struct note *note)
{
	_cleanup_free_ char *text = NULL;
	char *word, *save = NULL, *groups;
	struct group grp, *found = NULL;
	char buf[4096];

	if (req->caps)
		return 0;
	if (!getgrnam_r(GROUP_NAME, &grp, buf, sizeof(buf), &found) && found) {
		if (req->gid == found->gr_gid)
			return 0;
		if (!read_status(req->pid, &text)) {
			groups = status_field(text, "Groups:");
			for (word = groups ? strtok_r(groups, " \t", &save) : NULL; word;
			     word = strtok_r(NULL, " \t", &save)) {
				uint64_t gid;

				if (!parse_number(word, UINT32_MAX, &gid) && gid == found->gr_gid)
					return 0;
			}
		}
	}
	return note_fail(note, EPERM,
			 "only root and members of group " GROUP_NAME
			 " may make a SEE; ask the administrator (adduser USER " GROUP_NAME ")");
}

int access_layer(const struct see_request *req, int fd, unsigned int flags, const char *path,
		 const struct mount_entry *mount, struct note *note)
{
	struct stat st;

	if (req->caps)
		return 0;
	/* its server is a user's and could keep us waiting */
	if (!strncmp(mount->fstype, "fuse", 4))
		return note_fail(note, EOPNOTSUPP, "%.150s is on FUSE, which cannot be covered",
				 path);
	if (!(flags & SEE_LAYER_WRITE))
		return 0;
	if (fstat(fd, &st) < 0)
		return note_fail(note, errno, "%.150s cannot be looked at: %s", path,
				 strerror(errno));
	if (st.st_uid != req->uid)
		return note_fail(note, EACCES,
				 "%.150s is not yours; name directories of your own with --over",
				 path);
	return 0;
}

int access_process(const struct see_request *req, int pidfd, struct note *note)
{
	_cleanup_free_ char *info = NULL, *text = NULL;
	char path[48], *field, *word, *save = NULL;
	uint64_t pid;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", pidfd);
	if (read_file(-1, path, 4096, &info, NULL))
		return note_fail(note, EBADF, "the process cannot be found");
	field = status_field(info, "Pid:");
	if (!field || parse_number(field + strspn(field, "\t "), INT32_MAX, &pid) || !pid)
		return note_fail(note, ESRCH, "there is no such process");
	if (req->caps)
		return (int)pid;
	if (read_status((uint32_t)pid, &text))
		return note_fail(note, ESRCH, "there is no such process");
	field = status_field(text, "Uid:");
	for (word = field ? strtok_r(field, " \t", &save) : NULL; word;
	     word = strtok_r(NULL, " \t", &save)) {
		uint64_t uid;

		if (parse_number(word, UINT32_MAX, &uid) || uid != req->uid)
			return note_fail(note, EPERM, "process %d is not yours", (int)pid);
	}
	return (int)pid;
}
