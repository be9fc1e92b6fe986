// SPDX-License-Identifier: GPL-2.0
/*
 * trash.c - disposal of private trees
 *
 * A SEE may have made trees as deep as it liked, so nothing here recurses or
 * builds paths: what lies below a directory is first moved up beside it, until
 * everything is one level deep.  What a power cut leaves is found again.
 *
 * There may be millions of files, of one SEE, or a file system that does not answer:
 * a thread of its own removes them, and no request waits for it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

#include "seed.h"

/* a store that is to be looked at */
struct due {
	struct due *next;
	char base[];
};

/* what the remover is to do; @all: it looks at every store on a mount */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct due *first;
	bool all;
} todo = { .lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER, .all = true };

static bool dot(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

static DIR *open_dir(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d;

	if (fd < 0)
		return NULL;
	d = fdopendir(fd);
	if (!d)
		close(fd);
	return d;
}

/* empty directory @name of @top; its directories with something in them go to @top */
static int flatten(int top, const char *name, uint64_t *number)
{
	_cleanup_dir_ DIR *d = open_dir(top, name);
	const struct dirent *e;

	if (!d)
		return -errno;
	while ((errno = 0, e = readdir(d))) {
		char to[32];
		int err;

		if (dot(e->d_name) || !unlinkat(dirfd(d), e->d_name, 0))
			continue;
		if (errno != EISDIR)
			return -errno;
		if (!unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR))
			continue;
		if (errno != ENOTEMPTY)
			return -errno;
		do {
			snprintf(to, sizeof(to), "%ju", (uintmax_t)++*number);
			err = renameat2(dirfd(d), e->d_name, top, to, RENAME_NOREPLACE) < 0 ?
				-errno : 0;
		} while (err == -EEXIST);
		if (err)
			return err;
	}
	return -errno;
}

/* remove directory @name of @base with all that is in it */
static int remove_tree(int base, const char *name)
{
	_cleanup_dir_ DIR *top = open_dir(base, name);
	uint64_t number = 0;
	bool again = true;
	int err;

	if (!top)
		return errno == ENOTDIR || errno == ELOOP ?
			(unlinkat(base, name, 0) < 0 ? -errno : 0) : -errno;
	while (again) {
		const struct dirent *e;

		again = false;
		rewinddir(top);
		while ((errno = 0, e = readdir(top))) {
			if (dot(e->d_name))
				continue;
			again = true;
			if (!unlinkat(dirfd(top), e->d_name, 0) ||
			    (errno == EISDIR &&
			     !unlinkat(dirfd(top), e->d_name, AT_REMOVEDIR)))
				continue;
			if (errno != ENOTEMPTY)
				return -errno;
			err = flatten(dirfd(top), e->d_name, &number);
			if (err)
				return err;
			if (unlinkat(dirfd(top), e->d_name, AT_REMOVEDIR) < 0)
				return -errno;
		}
		if (errno)
			return -errno;
	}
	return unlinkat(base, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static void empty(int base, const char *where)
{
	_cleanup_dir_ DIR *d = open_dir(base, ".");
	const struct dirent *e;
	int err;

	while (d && (e = readdir(d))) {
		if (strncmp(e->d_name, TRASH_PREFIX, strlen(TRASH_PREFIX)))
			continue;
		err = remove_tree(base, e->d_name);
		if (err)
			say("%s/%s cannot be removed: %s; remove it by hand", where,
			    e->d_name, strerror(-err));
	}
}

static void empty_store(const char *base)
{
	_cleanup_close_ int fd = store_open_base(base);

	if (fd < 0)
		return;
	empty(fd, base);
	/* a store on another file system is there only while it is needed */
	if (strcmp(base, STATE_DIR) && !rmdir(base))
		say("removed %s, which was empty", base);
}

static void empty_all(void)
{
	struct mount_table mounts;

	empty_store(STATE_DIR);
	if (mount_table_read(&mounts))
		return;
	for (size_t i = 0; i < mounts.n; i++) {
		_cleanup_free_ char *path = path_join(mounts.entry[i].target, STORE_NAME);

		/* network file systems may hang, and have no stores */
		if (path && strncmp(mounts.entry[i].fstype, "fuse", 4) &&
		    strncmp(mounts.entry[i].fstype, "nfs", 3) &&
		    strcmp(mounts.entry[i].fstype, "cifs") &&
		    strcmp(mounts.entry[i].fstype, "autofs"))
			empty_store(path);
	}
	mount_table_free(&mounts);
}

/* ---- the remover ---- */

static bool is_due(const char *base)
{
	for (const struct due *d = todo.first; d; d = d->next)
		if (!strcmp(d->base, base))
			return true;
	return false;
}

void trash_wake(const char *base)
{
	size_t len = strlen(base) + 1;
	struct due *due = malloc(sizeof(*due) + len);

	pthread_mutex_lock(&todo.lock);
	if (!due) {
		todo.all = true;
	} else if (is_due(base)) {
		free(due);
	} else {
		memcpy(due->base, base, len);
		due->next = todo.first;
		todo.first = due;
	}
	pthread_cond_signal(&todo.more);
	pthread_mutex_unlock(&todo.lock);
}

/* one store, or NULL: all of them */
static struct due *wait_for_work(void)
{
	struct due *due = NULL;

	pthread_mutex_lock(&todo.lock);
	while (!todo.all && !todo.first)
		pthread_cond_wait(&todo.more, &todo.lock);
	if (todo.all) {
		todo.all = false;
	} else {
		due = todo.first;
		todo.first = due->next;
	}
	pthread_mutex_unlock(&todo.lock);
	return due;
}

static void *remover(void *data)
{
	(void)data;
	for (;;) {
		_cleanup_free_ struct due *due = wait_for_work();

		if (due)
			empty_store(due->base);
		else
			empty_all();
	}
	return NULL;
}

int trash_start(void)
{
	return start_thread(remover, NULL);
}
