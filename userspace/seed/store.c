// SPDX-License-Identifier: GPL-2.0
/*
 * store.c - where SEEs lie on disk
 *
 *	/var/lib/see/next		the next id
 *	/var/lib/see/ID/meta		what there is to know of a SEE
 *	/var/lib/see/ID/journal		there is a commit without a mark (journal.h)
 *	/var/lib/see/ID/committed	there is a mark, and something left to do
 *	/var/lib/see/ID/renewed		the same, but the private trees are new ones
 *	/var/lib/see/ID/INDEX/		private tree of a layer
 *	/var/lib/see/ID/undo-INDEX/	pre-images of a commit
 *	/var/lib/see/kept/ID/		what a commit did not throw away (keep.h)
 *	MOUNTPOINT/.see/ID-CREATED/INDEX/	the same on another file system,
 *				which may know another machine's SEEs, too
 *	.../trash-*			to be removed
 *
 * A store is root's alone and carries trusted.see.store, which hides it from
 * every layer.  Whatever is found under the name of one without being that is
 * left alone.  Files are replaced whole: written, synced, renamed, and the
 * directory synced.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "plan.h"
#include "seed.h"

#define STORE_XATTR	"trusted.see.store"

static pthread_mutex_t id_lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- bases ---- */

static int check_base(int fd)
{
	struct stat st;
	char value[2];

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) || st.st_uid || (st.st_mode & 07777) != 0700)
		return -EPERM;
	if (fgetxattr(fd, STORE_XATTR, value, sizeof(value)) != 1 || value[0] != '1')
		return -EPERM;
	return 0;
}

int store_open_base(const char *base)
{
	/* the administrator may have put /var/lib elsewhere, by symlinks */
	_cleanup_close_ int fd = open_resolve(AT_FDCWD, base, O_RDONLY | O_DIRECTORY,
					      strcmp(base, STATE_DIR) ? RESOLVE_NO_SYMLINKS : 0);
	int err;

	if (fd < 0)
		return fd;
	err = check_base(fd);
	return err ? err : take_fd(&fd);
}

/* make @name in @parent a store; no error if it is one */
static int make_base(int parent, const char *name)
{
	_cleanup_close_ int fd = -1;
	bool made = !mkdirat(parent, name, 0700);
	int err;

	if (!made && errno != EEXIST)
		return -errno;
	fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return -errno;
	if (made && (fchmod(fd, 0700) < 0 || fsetxattr(fd, STORE_XATTR, "1", 1, 0) < 0)) {
		err = -errno;
		unlinkat(parent, name, AT_REMOVEDIR);
		return err;
	}
	err = check_base(fd);
	if (err)
		return err;
	/* the name must outlive what is put there */
	if (made && fsync(parent) < 0)
		return -errno;
	return take_fd(&fd);
}

int store_init(void)
{
	_cleanup_close_ int dir = -1, fd = -1;
	struct stat st;

	dir = open("/var/lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	/* a package may have made the directory: mark it if it is empty and root's */
	if (!fstatat(dir, "see", &st, AT_SYMLINK_NOFOLLOW) && S_ISDIR(st.st_mode) &&
	    !st.st_uid && (st.st_mode & 07777) == 0700 && st.st_nlink <= 2) {
		fd = openat(dir, "see", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd >= 0)
			(void)fsetxattr(fd, STORE_XATTR, "1", 1, XATTR_CREATE);
		close_fd(&fd);
	}
	if (!fstatat(dir, "see", &st, 0) && S_ISDIR(st.st_mode)) {
		fd = store_open_base(STATE_DIR);
		return fd < 0 ? fd : 0;
	}
	fd = make_base(dir, "see");
	return fd < 0 ? fd : 0;
}

/* ---- whole files ---- */

static int replace_file(int dir, const char *name, const char *text)
{
	char tmp[64];
	_cleanup_close_ int fd = -1;
	int err;

	snprintf(tmp, sizeof(tmp), "%s.new", name);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, text, strlen(text));
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (!err && renameat(dir, tmp, dir, name) < 0)
		err = -errno;
	if (!err && fsync(dir) < 0)
		err = -errno;
	if (err)
		unlinkat(dir, tmp, 0);
	return err;
}

/* ---- ids ---- */

/* the id that a directory of the state directory stands for, or 0 */
static uint64_t id_of_name(const char *name)
{
	uint64_t id;

	return name[0] != '0' && !parse_number(name, INT64_MAX, &id) ? id : 0;
}

static uint64_t highest_id(int base)
{
	_cleanup_close_ int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_dir_ DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;
	uint64_t max = 0, id;

	if (!d)
		return 0;
	take_fd(&fd);
	while ((e = readdir(d))) {
		id = id_of_name(e->d_name);
		if (id > max)
			max = id;
	}
	return max;
}

static int new_id(int base, uint64_t *id)
{
	_cleanup_free_ char *text = NULL;
	char next[32];
	int err;

	err = read_file(base, "next", 64, &text, NULL);
	if (!err) {
		text[strcspn(text, "\n")] = 0;
		err = parse_number(text, INT64_MAX - 1, id);
	}
	if (err && err != -ENOENT)
		say("%s/next is damaged; counting on from the SEEs that there are", STATE_DIR);
	if (err || !*id)
		*id = highest_id(base) + 1;
	snprintf(next, sizeof(next), "%ju\n", (uintmax_t)*id + 1);
	return replace_file(base, "next", next);
}

int store_new_id(uint64_t *id)
{
	_cleanup_close_ int base = store_open_base(STATE_DIR);
	int err;

	if (base < 0)
		return base;
	pthread_mutex_lock(&id_lock);
	err = new_id(base, id);
	pthread_mutex_unlock(&id_lock);
	return err;
}

/* ---- SEEs ---- */

static void id_name(uint64_t id, char name[static 24])
{
	snprintf(name, 24, "%ju", (uintmax_t)id);
}

/* the name of a SEE's part of the store @base */
static void part_name(const struct meta *m, const char *base, char name[static 48])
{
	if (strcmp(base, STATE_DIR))
		snprintf(name, 48, "%ju-%ju", (uintmax_t)m->id, (uintmax_t)m->created);
	else
		id_name(m->id, name);
}

static int open_locked(int base, const char *name)
{
	_cleanup_close_ int dir = -1;
	struct stat a, b;

	for (;;) {
		close_fd(&dir);
		dir = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (dir < 0)
			return -errno;
		while (flock(dir, LOCK_EX) < 0)
			if (errno != EINTR)
				return -errno;
		/* it may have gone to the trash while we waited */
		if (fstat(dir, &a) < 0 || fstatat(base, name, &b, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (a.st_ino == b.st_ino && a.st_dev == b.st_dev)
			return take_fd(&dir);
	}
}

int store_lock(uint64_t id)
{
	_cleanup_close_ int base = store_open_base(STATE_DIR);
	char name[24];

	if (base < 0)
		return base;
	id_name(id, name);
	return open_locked(base, name);
}

int store_make(uint64_t id)
{
	_cleanup_close_ int base = store_open_base(STATE_DIR);
	char name[24];

	if (base < 0)
		return base;
	id_name(id, name);
	if (mkdirat(base, name, 0700) < 0)
		return -errno;
	return open_locked(base, name);
}

int store_load(int dir, struct meta *m)
{
	_cleanup_free_ char *text = NULL;
	size_t len;
	int err;

	memset(m, 0, sizeof(*m));
	err = read_file(dir, "meta", META_MAX, &text, &len);
	return err ? err : meta_parse(m, text, len);
}

int store_save(int dir, const struct meta *m)
{
	_cleanup_free_ char *text = meta_format(m);

	return text ? replace_file(dir, "meta", text) : -ENOMEM;
}

int store_each(void (*fn)(uint64_t id, int dir, void *data), void *data)
{
	_cleanup_close_ int base = store_open_base(STATE_DIR);
	_cleanup_close_ int copy = -1;
	_cleanup_dir_ DIR *d = NULL;
	const struct dirent *e;

	if (base < 0)
		return base;
	copy = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	d = copy < 0 ? NULL : fdopendir(copy);
	if (!d)
		return -errno;
	take_fd(&copy);
	while ((errno = 0, e = readdir(d))) {
		_cleanup_close_ int dir = -1;
		uint64_t id = id_of_name(e->d_name);

		if (!id)
			continue;
		dir = open_locked(base, e->d_name);
		if (dir >= 0)
			fn(id, dir, data);
	}
	return -errno;
}

/* ---- private trees ---- */

/* file systems on which private trees may lie beside what they change */
static bool may_hold_store(const struct mount_entry *m)
{
	static const char *const types[] = { "ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs" };

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (!strcmp(m->fstype, types[i]))
			return !mount_is_readonly(m);
	return false;
}

/* the mount of the root of a file system, if it is where it seems to be */
static int open_fs_root(const struct mount_table *mounts, const struct mount_entry *of,
			const char **target)
{
	for (size_t i = mounts->n; i--;) {
		const struct mount_entry *m = &mounts->entry[i];
		_cleanup_close_ int fd = -1;

		if (m->dev != of->dev || strcmp(m->root, "/") || !may_hold_store(m))
			continue;
		fd = open_nofollow(AT_FDCWD, m->target, O_RDONLY | O_DIRECTORY, false);
		if (fd < 0 || mount_id(fd) != m->id)
			continue;
		*target = m->target;
		return take_fd(&fd);
	}
	return -ENOENT;
}

/* ---- what a commit makes beside a private tree, and gives up ---- */

int store_plan_layers(const struct meta *m, struct plan *p)
{
	char part[48];

	for (unsigned int i = 0; i < m->nlayers; i++) {
		const struct meta_layer *l = &m->layer[i];
		int err;

		if (!(l->flags & SEE_LAYER_WRITE))
			continue;
		part_name(m, l->base, part);
		err = plan_add_layer(p, i, l, part);
		if (err)
			return err;
	}
	return 0;
}

int store_open_part(const char *base, const char *part)
{
	_cleanup_close_ int fd = store_open_base(base);
	int dir;

	if (fd < 0)
		return fd;
	dir = openat(fd, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return dir < 0 ? -errno : dir;
}

void store_undo_name(unsigned int index, char name[static 32])
{
	snprintf(name, 32, "undo-%u", index);
}

void store_tree_name(unsigned int index, char name[static 16])
{
	snprintf(name, 16, "%u", index);
}

static int make_empty(const char *base, const char *part, const char *name)
{
	_cleanup_close_ int dir = store_open_part(base, part);
	int fd;

	if (dir < 0)
		return dir;
	if (mkdirat(dir, name, 0700) < 0 || fsync(dir) < 0)
		return -errno;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	return fd < 0 ? -errno : fd;
}

int store_make_undo(const struct plan_layer *l)
{
	char name[32];
	int err;

	store_undo_name(l->index, name);
	err = store_discard_entry(l->base, l->part, name);
	return err ? err : make_empty(l->base, l->part, name);
}

int store_new_tree(const char *base, const char *part, unsigned int index)
{
	char name[16];

	store_tree_name(index, name);
	return make_empty(base, part, name);
}

static int make_tree(int base, const char *name, unsigned int index)
{
	_cleanup_close_ int dir = -1;
	char tree[16];

	/* that of another layer of the SEE may be there already */
	if (mkdirat(base, name, 0700) < 0 && errno != EEXIST)
		return -errno;
	dir = openat(base, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return -errno;
	store_tree_name(index, tree);
	if (mkdirat(dir, tree, 0700) < 0)
		return -errno;
	if (fsync(dir) < 0 || fsync(base) < 0)
		return -errno;
	return 0;
}

/* on the file system of the layer itself; -ENOENT if that has no store */
static int make_tree_beside(const struct meta *m, unsigned int index,
			    const struct mount_table *mounts,
			    const struct mount_entry *lower, char **base)
{
	_cleanup_close_ int root = -1, store = -1;
	_cleanup_free_ char *path = NULL;
	const char *target;
	char name[48];
	int err = -EBUSY;

	root = open_fs_root(mounts, lower, &target);
	if (root < 0)
		return -ENOENT;
	path = path_join(target, STORE_NAME);
	if (!path)
		return -ENOMEM;
	part_name(m, path, name);
	/* an empty one may be removed just now (trash.c) */
	for (int tries = 0; err == -EBUSY && tries < 100; tries++) {
		close_fd(&store);
		store = make_base(root, STORE_NAME);
		if (store < 0 && store != -ENOENT)
			return -ENOENT;
		err = store < 0 ? store : make_tree(store, name, index);
		if (err == -ENOENT)
			err = -EBUSY;
	}
	if (!err)
		*base = take_ptr(&path);
	return err;
}

int store_make_tree(const struct meta *m, unsigned int index, const struct mount_table *mounts,
		    const struct mount_entry *lower, char **base)
{
	_cleanup_close_ int state = store_open_base(STATE_DIR);
	const struct mount_entry *own;
	char name[48];
	int err;

	if (state < 0)
		return state;
	own = mount_by_id(mounts, mount_id(state));
	if (m->layer[index].flags & SEE_LAYER_WRITE && own && own->dev != lower->dev) {
		err = make_tree_beside(m, index, mounts, lower, base);
		if (err != -ENOENT)
			return err;
	}
	part_name(m, STATE_DIR, name);
	err = make_tree(state, name, index);
	if (err)
		return err;
	*base = strdup(STATE_DIR);
	return *base ? 0 : -ENOMEM;
}

int store_open_tree(const struct meta *m, unsigned int index)
{
	_cleanup_close_ int base = store_open_base(m->layer[index].base);
	char name[48], path[64];

	if (base < 0)
		return base;
	part_name(m, m->layer[index].base, name);
	snprintf(path, sizeof(path), "%s/%u", name, index);
	return open_nofollow(base, path, O_RDONLY | O_DIRECTORY, true);
}

/* ---- removal ---- */

/* @name of @dir, if it is there, becomes AS-NUMBER in @to, durably */
static int move_to(int to, int dir, const char *name, const char *as)
{
	char fresh[128];

	for (unsigned int i = 0; i < 1000; i++) {
		snprintf(fresh, sizeof(fresh), "%s-%u", as, i);
		if (!renameat2(dir, name, to, fresh, RENAME_NOREPLACE))
			return fsync(to) < 0 || fsync(dir) < 0 ? -errno : 0;
		if (errno == ENOENT)
			return 0;
		if (errno != EEXIST)
			return -errno;
	}
	return -EEXIST;
}

static int discard_in(const char *where, const char *name)
{
	_cleanup_close_ int base = store_open_base(where);
	char as[64];

	if (base < 0)
		return base;
	snprintf(as, sizeof(as), TRASH_PREFIX "%.47s", name);
	return move_to(base, base, name, as);
}

int store_discard_entry(const char *base, const char *part, const char *name)
{
	_cleanup_close_ int store = store_open_base(base), dir = -1;
	char as[96];

	if (store < 0)
		return store;
	dir = openat(store, part, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (dir < 0)
		return -errno;
	snprintf(as, sizeof(as), TRASH_PREFIX "%.47s-%.31s", part, name);
	return move_to(store, dir, name, as);
}

int store_set_aside(const char *base, const char *part, unsigned int index)
{
	_cleanup_close_ int dir = store_open_part(base, part), undo = -1;
	char name[16], where[32];

	if (dir < 0)
		return dir;
	store_undo_name(index, where);
	store_tree_name(index, name);
	undo = openat(dir, where, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	/* somebody removed it: no reason not to go on */
	if (undo < 0 && errno == ENOENT)
		return store_discard_entry(base, part, name);
	if (undo < 0)
		return -errno;
	return move_to(undo, dir, name, "tree");
}

int store_discard(uint64_t id, const struct meta *m)
{
	char name[48];
	int err;

	/* that with the meta file goes last: until then the abort can be repeated */
	for (unsigned int i = 0; m && i < m->nlayers; i++) {
		const char *base = m->layer[i].base;

		if (!base || !strcmp(base, STATE_DIR))
			continue;
		part_name(m, base, name);
		err = discard_in(base, name);
		/* the file system may have been taken away: the SEE goes all the same */
		if (err)
			say("SEE %ju: its private trees %s/%s are left behind: %s; remove them by hand",
			    (uintmax_t)id, base, name, strerror(-err));
	}
	id_name(id, name);
	return discard_in(STATE_DIR, name);
}
