// SPDX-License-Identifier: GPL-2.0
/*
 * model_walk.c - host and SEE at random, against the model of view_model.h
 *
 *	model_walk LOWER HOST PRIVATE MNT SEED[:STEP] STEPS [PHASES]
 *
 * A directory made in LOWER is covered by a layer at MNT, which is mounted here with one in
 * PRIVATE, and again with others for each tree; HOST is LOWER as the host uses it.  After
 * each operation of either side all that the SEE shows is compared with the model: names
 * that are there and that are not, listings whole, from any place in them, and in pieces
 * with operations between, types, attributes, contents, link counts, numbers, handles,
 * open files, errors.  Exit status 1 and the last operations on standard output if
 * something differs.
 *
 * PHASES steps of a hundred are phases: a few operations of each side at the same time.
 * There must be an order of them by which the model comes to each one's errno and to what
 * is shown when all are done.  If several orders do and leave the model in different
 * states, there are candidates from then on, until one is left.
 *
 * model_show.c compares, model_op.c has the operations, model_phase.c the phases.
 */
#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "model_walk.h"

#define EPISODE		1000	/* steps in one tree */
#define GROW		50	/* of them before the first phase */
#define UNCERTAIN	30	/* in which there may be several candidates */

static const char *mnt;
static char lower[512], private[512];	/* of the tree that is walked */
static bool steady;			/* the lower lists what stays once, whatever comes and goes */

/* ---- what is open meanwhile ---- */

void close_streams(void)
{
	int i;

	for (i = 0; i < STREAMS; i++)
		if (streams[i].ref)
			close(streams[i].fd);
	memset(streams, 0, sizeof(streams));
}

static void close_all(void)
{
	int i;

	close_streams();
	for (i = 0; i < FILES; i++)
		if (files[i].ref)
			close(files[i].fd);
	memset(files, 0, sizeof(files));
}

static void open_or_close_file(void)
{
	static struct tree t;
	struct open_file *f = &files[rnd(FILES)];
	const struct place *p;

	if (f->ref) {
		note("close object %u", m.node[f->ref].id);
		close(f->fd);
		f->ref = 0;
		return;
	}
	plant(&t, VM_SEE);
	p = &t.at[rnd(t.count)];
	if (m.node[p->ref].kind != VM_FILE)
		return;
	f->fd = open(p->path, O_RDONLY);
	if (f->fd < 0)
		fail("opening %s: %s", p->path, strerror(errno));
	f->ref = p->ref;
	note("open %s, object %u", p->path + strlen(root[VM_SEE]), m.node[f->ref].id);
}

/* Begin a listing, or read more of it: as little as may hold the longest name. */
static void list_on(void)
{
	static struct tree t;
	struct entry got[VM_NAMES + 2];
	struct stream *s = &streams[rnd(STREAMS)];
	const struct place *p;
	int count, i;

	if (!steady || ncandidates > 1)
		return;
	if (!s->ref) {
		plant(&t, VM_SEE);
		p = &t.at[rnd(t.count)];
		if (!is_dir(p->ref))
			return;
		*s = (struct stream){ .ref = p->ref, .fd = open(p->path, O_RDONLY) };
		if (s->fd < 0)
			fail("opening %s: %s", p->path, strerror(errno));
		for (i = 0; i < VM_NAMES; i++) {
			s->first[i] = vm_lookup(&m, VM_SEE, s->ref, i);
			if (vm_kept(&m, s->ref, i))
				s->kept |= BIT(i);
		}
		s->must = s->may = present(VM_SEE, s->ref);
	}
	count = entries(s->fd, 288, got, "a directory in use");
	note("list %d of object %u", count, m.node[s->ref].id);
	for (i = 0; i < count; i++) {
		unsigned int bit = got[i].name < 0 ? 0 : BIT(got[i].name);

		/* What went and came back may be listed where it was and where it is. */
		if (s->got & s->must & bit)
			fail("a listing under way of object %u has %s twice",
			     m.node[s->ref].id, names[got[i].name]);
		s->got |= bit;
	}
	if (count)
		return;
	if (s->must & ~s->got)
		fail("a listing under way of object %u lacks %x", m.node[s->ref].id,
		     s->must & ~s->got);
	if (s->got & ~s->may)
		fail("a listing under way of object %u has %x, which never were",
		     m.node[s->ref].id, s->got & ~s->may);
	close(s->fd);
	s->ref = 0;
}

static void mount_layer(void)
{
	char options[1100];

	snprintf(options, sizeof(options), "lower=%s,private=%s", lower, private);
	if (mount("none", mnt, "seefs", 0, options))
		broken("mounting the layer");
	mount_fd = open(mnt, O_RDONLY | O_DIRECTORY);
	if (mount_fd < 0)
		broken(mnt);
}

static void unmount_layer(void)
{
	close_all();
	if (mount_fd < 0)
		return;
	close(mount_fd);
	mount_fd = -1;
	if (umount(mnt))
		broken("unmounting the layer");
}

static void remount(void)
{
	int i, j;

	unmount_layer();
	mount_layer();
	/* Who lives on in the SEE alone may get another number. */
	for (j = 0; j < ncandidates; j++) {
		load(j);
		vm_remount(&m);
		for (i = VM_ROOT; i < VM_NODES; i++)
			if (m.node[i].host && !m.node[i].nhost)
				shown[i].id = 0;
		store(j);
	}
	load(0);
}

static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	if (fd < 0 || syncfs(mount_fd) || write(fd, "3", 1) != 1)
		broken("drop_caches");
	close(fd);
}

/* ---- one after the other ---- */

static void operate(void)
{
	static struct tree t;
	static struct vm next[ORDERS];
	static struct op op;
	enum vm_side side = rnd(2) ? VM_SEE : VM_HOST;
	int want[ORDERS], got, i, left = 0;
	char text[32];

	plant(&t, side);
	choose(&t, &op);
	snprintf(text, sizeof(text), "%llu ", step);
	for (i = 0; i < ncandidates; i++) {
		load(i);
		give_slot();
		want[i] = expect(side, &op);
		vm_next(&m, 0, 0);
		if (want[i] == VM_OPEN || vm_tangled(&m)) {
			load(0);
			return;
		}
		next[i] = m;
	}
	load(0);
	note_op(text, side, &t, &op);
	got = perform(&op);
	for (i = 0; i < ncandidates; i++) {
		bool alone = left == 0 && i == ncandidates - 1;

		load(i);
		m = next[i];
		if (said(side, &op, want[i], got) != want[i]) {
			if (alone)
				fail("expected %s, got %s", strerror(want[i]), strerror(got));
			continue;
		}
		if (fits(alone))
			store(left++);
	}
	ncandidates = left;
	load(0);
	done++;
}

/* ---- the walk ---- */

/* A lower and a private tree of their own, in the directories that main() was given. */
static void begin(char **dirs, unsigned long number)
{
	unmount_layer();
	tree_step = step;
	vm_init(&m);
	memset(shown, 0, sizeof(shown));
	born = VM_ROOT;
	ncandidates = 1;
	snprintf(lower, sizeof(lower), "%s/%lu", dirs[0], number);
	snprintf(root[VM_HOST], sizeof(root[0]), "%s/%lu", dirs[1], number);
	snprintf(private, sizeof(private), "%s/%lu", dirs[2], number);
	snprintf(root[VM_SEE], sizeof(root[0]), "%s", mnt);
	if (mkdir(lower, 0755) || mkdir(private, 0700))
		broken(lower);
	store(0);
	mount_layer();
	note("a new tree at step %llu", step);
}

static void collect(void)
{
	vm_ref pinned[FILES + STREAMS];
	int i;

	for (i = 0; i < FILES; i++)
		pinned[i] = files[i].ref;
	for (i = 0; i < STREAMS; i++)
		pinned[FILES + i] = streams[i].ref;
	for (i = 0; i < ncandidates; i++) {
		load(i);
		vm_collect(&m, pinned, FILES + STREAMS);
		store(i);
	}
	load(0);
}

int main(int argc, char **argv)
{
	unsigned long steps, first, begun = 0, certain = 0, trees = 0;
	struct statfs fs;
	unsigned int dice, percent;
	char *end;

	if (argc != 7 && argc != 8) {
		fprintf(stderr, "usage: model_walk LOWER HOST PRIVATE MNT SEED STEPS [PHASES]\n");
		return 2;
	}
	mnt = argv[4];
	seed = strtoul(argv[5], &end, 10);
	first = *end == ':' ? strtoul(end + 1, NULL, 10) : 0;
	steps = strtoul(argv[6], NULL, 10);
	percent = argc == 8 ? strtoul(argv[7], NULL, 10) : 0;
	memset(names[6], 'f', 255);
	umask(022);
	/* those do not come again */
	if (getenv("SEE_SEED") || percent)
		log_size = LOG;
	xattrs = !setxattr(argv[1], "user.m", "0", 1, 0);
	if (statfs(argv[1], &fs))
		broken(argv[1]);
	steady = fs.f_type != TMPFS_MAGIC;
	for (step = first; step < first + steps; step++) {
		if (ncandidates == 1)
			certain = step;
		if (!trees || step == begun + EPISODE || step > certain + UNCERTAIN ||
		    vm_free_slots(&m) < VM_NODES / 4) {
			if (trees)
				compare(VM_HOST);
			begin(argv + 1, trees++);
			begun = step;
		}
		state = ~((seed << 32) + step);
		dice = rnd(1000);
		if (dice < 10) {
			note("remount");
			remount();
		} else if (dice < 20) {
			note("drop_caches");
			drop_caches();
		} else if (dice < 50) {
			compare(VM_HOST);
		} else if (dice < 150) {
			open_or_close_file();
		} else if (dice < 350) {
			list_on();
		}
		if (dice < 20)
			compare_all();
		state = (seed << 32) + step;
		if (percent && step > begun + GROW && rnd(100) < percent)
			phase();
		else
			operate();
		collect();
	}
	compare(VM_HOST);
	for (dice = 0; dice < 2; dice++) {
		note("remount");
		remount();
		compare_all();
	}
	unmount_layer();
	printf("%lu operations in %lu trees\n", done, trees);
	if (percent)
		printf("%lu phases, %lu of them with several outcomes that fit\n", phases, several);
	return 0;
}
