// SPDX-License-Identifier: GPL-2.0
/*
 * see-recover - finish or take back the commits that a power cut interrupted
 *
 * Runs before ordinary services, with ordinary system calls: no module, no daemon,
 * no dynamic library, since the commit may have been replacing exactly those.
 * Whatever it does can be interrupted and done again.  What it cannot do now, for
 * want of a file system, seed does when it starts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sys/stat.h>

#include "fault.h"
#include "recover.h"
#include "root.h"
#include "seed.h"

struct run {
	int state;		/* descriptor of the state directory */
	unsigned int failed;
};

struct wanted {
	uint64_t id;
	bool journal;
	bool known;
};

static int is_known(const struct see_list_entry *e, void *data)
{
	struct wanted *w = data;

	if (e->id == w->id && (w->journal || e->state == SEE_STATE_COMMITTING))
		w->known = true;
	return 0;
}

/* a kernel that has the commit, or had it, knows what was applied: seed asks it */
static bool kernel_knows(uint64_t id, int dir)
{
	struct wanted w = { .id = id, .journal = journal_pending(dir) };
	_cleanup_close_ int dev = see_open_device(0);

	return dev >= 0 && !see_list(dev, is_known, &w) && w.known;
}

static void tell(const struct plan_step *s, unsigned int conflict, void *data)
{
	const uint64_t *id = data;

	(void)conflict;
	say("SEE %ju: /%s is not as the commit left it: it stays, and what was there before is kept in "
	    STATE_DIR "/" KEPT_NAME "/%ju", (uintmax_t)*id, step_text(s, SEE_TEXT_PATH), (uintmax_t)*id);
}

static void recover_one(uint64_t id, int dir, void *data)
{
	_cleanup_free_ struct meta *m = calloc(1, sizeof(*m));
	struct recovery r;
	struct run *run = data;
	int err;

	if (!m) {
		run->failed++;
		return;
	}
	if (kernel_knows(id, dir)) {
		say("SEE %ju: the kernel knows of its commit; start seed, which asks it", (uintmax_t)id);
		run->failed++;
		return;
	}
	recover_begin(&r, id, dir, run->state, -1);
	r.tell = tell;
	r.data = &id;
	/* the journal has what is needed without it */
	err = store_load(dir, m);
	err = recover_see(&r, err ? NULL : m);
	if (err && err != -ENOENT) {
		say("SEE %ju: an interrupted commit cannot be finished: %s; seed tries again when it starts",
		    (uintmax_t)id, strerror(-err));
		run->failed++;
	}
	recover_end(&r);
	meta_free(m);
}

static void find_journal(uint64_t id, int dir, void *data)
{
	bool *found = data;

	(void)id;
	*found |= journal_pending(dir);
}

/* 0; -ENOENT: nobody ever made a SEE here */
static int recover_all(void)
{
	struct run run = { .state = store_open_base(STATE_DIR) };
	int err;

	if (run.state == -ENOENT)
		return run.state;
	if (run.state < 0) {
		say(STATE_DIR ": %s", run.state == -EPERM ?
		    "not a directory of root's alone with trusted.see.store" : strerror(-run.state));
		return run.state;
	}
	err = store_each(recover_one, &run);
	close_fd(&run.state);
	if (err)
		say(STATE_DIR " cannot be read: %s", strerror(-err));
	return err ? err : run.failed ? -EIO : 0;
}

/* in an initramfs: nothing is touched unless there is something to do */
static int recover_in(const char *dir)
{
	struct root root = {};
	bool found = false;
	int err = root_enter(dir);

	if (err) {
		say("%s: %s", dir, strerror(-err));
		return err;
	}
	/* a store that cannot be read has its say when the machine is up */
	(void)store_each(find_journal, &found);
	if (!found)
		return 0;
	err = root_make_writable(&root);
	if (err)
		say("%s: %s", dir, strerror(-err));
	else
		err = recover_all();
	root_restore(&root);
	return err;
}

int main(int argc, char **argv)
{
	int err;

	if (argc == 2 && !strcmp(argv[1], "--version")) {
		puts("see-recover " SEE_VERSION);
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "--faults")) {
		fault_list();
		return 0;
	}
	if (argc != 1 && (argc != 3 || strcmp(argv[1], "--root"))) {
		fputs("usage: see-recover [--version | --root MOUNTPOINT]\n"
		      "Finishes or takes back commits of SEEs that a power cut interrupted; with --root,\n"
		      "those of the root file system that is mounted there, maybe read-only.\n", stderr);
		return argc == 2 && !strcmp(argv[1], "--help") ? 0 : EXIT_FAILURE;
	}
	umask(077);
	err = argc == 3 ? recover_in(argv[2]) : recover_all();
	return err && err != -ENOENT ? EXIT_FAILURE : 0;
}
