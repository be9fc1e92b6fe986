// SPDX-License-Identifier: GPL-2.0
/*
 * model_phase.c - operations of both sides at the same time
 *
 * enumerate() tries all orders of them in the model before they are done; phase() keeps
 * those that explain what was said and what is shown.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "model_walk.h"

#define BATCHES		20	/* to be tried, until the rules leave nothing open */

/* What a side does in a phase: by descriptors of directories, so that each is one step. */
struct batch {
	enum vm_side side;
	int count;
	struct op ops[BATCH];
	int got[BATCH];
	vm_ref slots[BATCH];
	uint32_t ids[BATCH];
	int fds[2 * BATCH], nfds;
	atomic_int *waiting;
};

/* Where an order of the operations leads. */
struct outcome {
	struct vm m;
	int errs[2][BATCH];
};

static struct outcome outcomes[ORDERS];
static int noutcomes;

/* What the model says of an operation, if its directories may be gone meanwhile. */
static int expect_there(struct vm *lost, enum vm_side side, const struct op *op)
{
	const struct spot *const spots[] = { &op->a, &op->b };
	int i;

	for (i = 0; i < (op->verb == LINK || op->verb == RENAME ? 2 : 1); i++) {
		vm_ref dir = spots[i]->dir;

		if (vm_reached(&m, side, dir)) {
			/* Removed, and then come back: who has it open cannot tell. */
			if (lost->node[dir].id)
				return VM_OPEN;
			continue;
		}
		/* The host has it where the SEE sees something else, or nothing. */
		if (!vm_nameless(&m, dir))
			return VM_OPEN;
		return ENOENT;
	}
	return expect(side, op);
}

/* What of its object an operation changes: it first looks it up. */
static enum vm_attr changes(enum verb verb)
{
	switch (verb) {
	case WRITE:
		return VM_DATA;
	case CHMOD:
		return VM_MODE;
	case CHOWN:
		return VM_OWNER;
	case XATTR:
		return VM_XATTR;
	default:
		return VM_ATTRS;
	}
}

/*
 * Each order of the operations from here on.  The one of the SEE may have been begun, and
 * found its object.  False if the rules leave one open.
 */
static bool enumerate(const struct batch *batch, int host, int see, vm_ref found,
		      const struct vm *lost, const struct outcome *so_far)
{
	const int at[2] = { host, see };
	const struct op *op;
	struct outcome here;
	struct vm gone;
	int side, i, k, err;
	vm_ref ref;

	if (host == batch[VM_HOST].count && see == batch[VM_SEE].count) {
		for (i = 0; i < noutcomes; i++)
			if (!memcmp(&outcomes[i], so_far, sizeof(*so_far)))
				return true;
		outcomes[noutcomes++] = *so_far;
		return true;
	}
	for (side = VM_HOST; side <= VM_SEE; side++) {
		const struct batch *b = &batch[side];

		k = at[side];
		if (k == b->count)
			continue;
		here = *so_far;
		gone = *lost;
		m = here.m;
		vm_next(&m, b->slots[k], b->ids[k]);
		op = &b->ops[k];
		ref = 0;
		if (side == VM_SEE && found) {
			err = vm_change(&m, side, op->a.dir, op->a.name, found,
					changes(op->verb), op->value);
		} else {
			ref = vm_lookup(&m, side, op->a.dir, op->a.name);
			err = expect_there(&gone, side, op);
		}
		vm_next(&m, 0, 0);
		if (err == VM_OPEN || vm_tangled(&m))
			return false;
		here.errs[side][k] = err;
		if (side == VM_SEE && !found && !err && ref && changes(op->verb) != VM_ATTRS) {
			if (!enumerate(batch, host, see, ref, lost, so_far))
				return false;
			continue;
		}
		for (i = VM_ROOT; i < VM_NODES; i++)
			if (m.node[i].id && is_dir(i) && !vm_reached(&m, VM_SEE, i))
				gone.node[i].id = 1;
		here.m = m;
		if (!enumerate(batch, host + (side == VM_HOST), see + (side == VM_SEE),
			       side == VM_SEE ? 0 : found, &gone, &here))
			return false;
	}
	return true;
}

/* The directory of a name, by a descriptor. */
static void open_spot(struct batch *b, const struct tree *t, struct spot *s)
{
	const struct place *p = find(t, s->dir);
	int fd = open(p->path, O_PATH | O_DIRECTORY);

	if (fd < 0)
		fail("opening %s: %s", p->path, strerror(errno));
	b->fds[b->nfds++] = fd;
	snprintf(s->path, sizeof(s->path), "/proc/self/fd/%d/%s", fd, names[s->name]);
}

static bool in_directory(const struct tree *t, const struct spot *s)
{
	return is_dir(s->dir) && find(t, s->dir);
}

/* Of which the rules leave nothing open as long as the other side does nothing. */
static void choose_batch(struct batch *b, const struct batch *other)
{
	static struct vm before, so_far, none;
	static struct tree t;
	const struct op *o;
	int count = 2 + rnd(BATCH - 1), err;
	struct op *op;
	bool two;

	before = so_far = m;
	plant(&t, b->side);
	while (b->count < count) {
		m = before;
		op = &b->ops[b->count];
		choose(&t, op);
		/* Both are to want the same. */
		o = other ? &other->ops[rnd(other->count)] : NULL;
		if (o && rnd(2))
			op->a = o->a;
		if (o && rnd(2))
			op->b = rnd(2) || (o->verb != LINK && o->verb != RENAME) ? o->a : o->b;
		/* Others may see that it is first opened and then written. */
		if (b->side == VM_HOST && op->verb == WRITE)
			op->verb = TMPFILE;
		two = op->verb == LINK || op->verb == RENAME;
		if (!in_directory(&t, &op->a) || (two && !in_directory(&t, &op->b)))
			continue;
		m = so_far;
		vm_next(&m, b->slots[b->count], b->ids[b->count]);
		err = expect_there(&none, b->side, op);
		vm_next(&m, 0, 0);
		if (err == VM_OPEN || vm_tangled(&m))
			continue;
		so_far = m;
		open_spot(b, &t, &op->a);
		if (two)
			open_spot(b, &t, &op->b);
		b->count++;
	}
	m = before;
}

static void *perform_batch(void *data)
{
	struct batch *b = data;
	int i;

	atomic_fetch_sub(b->waiting, 1);
	while (atomic_load(b->waiting))
		sched_yield();
	for (i = 0; i < b->count; i++)
		b->got[i] = perform(&b->ops[i]);
	return NULL;
}

static void perform_both(struct batch *batch)
{
	atomic_int waiting = 2;
	pthread_t other;

	batch[VM_HOST].waiting = batch[VM_SEE].waiting = &waiting;
	if (pthread_create(&other, NULL, perform_batch, &batch[VM_HOST]))
		broken("pthread_create");
	perform_batch(&batch[VM_SEE]);
	if (pthread_join(other, NULL))
		broken("pthread_join");
}

/* Did each operation say what it would have by this order? */
static bool same_errors(const struct batch *batch, const struct outcome *o)
{
	int side, i;

	for (side = VM_HOST; side <= VM_SEE; side++)
		for (i = 0; i < batch[side].count; i++)
			if (said(side, &batch[side].ops[i], o->errs[side][i],
				 batch[side].got[i]) != o->errs[side][i])
				return false;
	return true;
}

static void note_errors(const char *what, const int *host, int nhost, const int *see, int nsee)
{
	char text[512];
	int i, at = 0;

	for (i = 0; i < nhost; i++)
		at += sprintf(text + at, " %s,", strerror(host[i]));
	at += sprintf(text + at, " see");
	for (i = 0; i < nsee; i++)
		at += sprintf(text + at, " %s,", strerror(see[i]));
	note("  %s: host%s", what, text);
}

static void close_batches(const struct batch *batch)
{
	int side, i;

	for (side = VM_HOST; side <= VM_SEE; side++)
		for (i = 0; i < batch[side].nfds; i++)
			close(batch[side].fds[i]);
}

/* Operations of both sides, and where they may lead.  False if that is open. */
static bool plan(struct batch *batch)
{
	static const struct vm none;
	static struct outcome start;
	int side, i, slot = VM_ROOT;
	struct vm before = m;
	bool known_ahead;

	memset(batch, 0, 2 * sizeof(*batch));
	batch[VM_SEE].side = VM_SEE;
	for (side = VM_HOST; side <= VM_SEE; side++)
		for (i = 0; i < BATCH; i++) {
			while (m.node[slot].id)
				slot++;
			batch[side].slots[i] = slot++;
			batch[side].ids[i] = ++born;
		}
	choose_batch(&batch[VM_HOST], NULL);
	choose_batch(&batch[VM_SEE], &batch[VM_HOST]);
	memset(&start, 0, sizeof(start));
	start.m = m;
	noutcomes = 0;
	known_ahead = enumerate(batch, 0, 0, 0, &none, &start);
	m = before;
	if (!known_ahead)
		close_batches(batch);
	return known_ahead;
}

void phase(void)
{
	static struct batch batch[2];
	static struct candidate before;
	static struct tree t;
	int side, i, j, left = 0;

	if (ncandidates > 1)
		return;
	close_streams();
	store(0);
	before = candidates[0];
	for (i = 0; i < BATCHES && !plan(batch); i++)
		;
	if (i == BATCHES)
		return;
	phases++;
	note("%llu a phase, with %d outcomes", step, noutcomes);
	for (side = VM_HOST; side <= VM_SEE; side++) {
		plant(&t, side);
		for (i = 0; i < batch[side].count; i++)
			note_op("  ", side, &t, &batch[side].ops[i]);
	}
	perform_both(batch);
	note_errors("said", batch[VM_HOST].got, batch[VM_HOST].count, batch[VM_SEE].got,
		    batch[VM_SEE].count);
	for (i = 0; i < noutcomes; i++) {
		if (!same_errors(batch, &outcomes[i]))
			continue;
		for (j = 0; j < left; j++)
			if (!memcmp(&candidates[j].m, &outcomes[i].m, sizeof(m)))
				break;
		if (j < left)
			continue;
		m = outcomes[i].m;
		memcpy(shown, before.shown, sizeof(shown));
		if (fits(false))
			store(left++);
	}
	if (!left) {
		for (i = 0; i < noutcomes; i++)
			note_errors("outcome", outcomes[i].errs[VM_HOST], batch[VM_HOST].count,
				    outcomes[i].errs[VM_SEE], batch[VM_SEE].count);
		fail("no order of these operations explains it");
	}
	ncandidates = left;
	several += left > 1;
	load(0);
	compare(VM_HOST);
	done += batch[VM_HOST].count + batch[VM_SEE].count;
	close_batches(batch);
}
