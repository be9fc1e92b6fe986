// SPDX-License-Identifier: GPL-2.0
/*
 * gate.c - who may do something with a layer while it is being committed
 *
 * Owns struct see_gate.  Every operation on a layer goes through one of two
 * doors: that of changes, closed from the start of a commit to its end, and that
 * of looks, closed for the moment in which what was committed becomes the host's
 * (rebind.c).  Who waits at a door can be killed, and may hold an i_rwsem of
 * seefs, which is always taken before; who closes one takes none.
 *
 * Who is inside must come out by himself.  So nobody enters a door twice, but
 * that a look is allowed within a change, since changes are out before looks are
 * barred; reads do not wait inside for user memory, as it may be a mapping of ours
 * (see_read_once()); and faults, which may happen within anything,
 * enter none: fills are kept out by the invalidate_lock, and stores try again.
 *
 * Not freeze_super(): a process that sleeps in splice(2) within the VFS's write
 * section would hold the freezer up in D state, for ever.
 */
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/sched/signal.h>

#include "gate.h"

/* how long to wait for those who are inside */
#define SEE_CLOSE_TIME	(10 * HZ)

static void see_gate_changes_out(struct percpu_ref *ref)
{
	wake_up_all(&container_of(ref, struct see_gate, changes)->wait);
}

static void see_gate_looks_out(struct percpu_ref *ref)
{
	wake_up_all(&container_of(ref, struct see_gate, looks)->wait);
}

/**
 * see_gate_init - both doors open
 * @layer: new; see_gate_free() is for the caller, also on failure
 */
int see_gate_init(struct see_layer *layer)
{
	struct see_gate *gate = &layer->gate;
	int err;

	init_waitqueue_head(&gate->wait);
	err = percpu_ref_init(&gate->changes, see_gate_changes_out,
			      PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
	return err ?: percpu_ref_init(&gate->looks, see_gate_looks_out,
				      PERCPU_REF_ALLOW_REINIT, GFP_KERNEL);
}

/**
 * see_gate_free - the layer goes
 * @layer: without users, see_gate_init() may have failed
 */
void see_gate_free(struct see_layer *layer)
{
	percpu_ref_exit(&layer->gate.looks);
	percpu_ref_exit(&layer->gate.changes);
}

static int see_gate_wait(struct see_layer *layer, struct percpu_ref *ref)
{
	int err = wait_event_killable(layer->gate.wait, !percpu_ref_is_dying(ref) ||
				      READ_ONCE(layer->dead));

	if (!err && READ_ONCE(layer->dead))
		err = -EIO;
	return err ? (err == -EIO ? -EIO : -EINTR) : 0;
}

static int see_gate_enter(struct see_layer *layer, struct percpu_ref *ref)
{
	int err;

	while (unlikely(!percpu_ref_tryget_live(ref))) {
		err = see_gate_wait(layer, ref);
		if (err)
			return err;
	}
	return 0;
}

static bool see_gate_try(struct see_layer *layer, struct percpu_ref *ref)
{
	if (!percpu_ref_tryget_live(ref))
		return false;
	/* its private tree may be another superblock's by now */
	if (likely(!READ_ONCE(layer->dead)))
		return true;
	percpu_ref_put(ref);
	return false;
}

/**
 * see_change_enter - something of the layer is about to be changed
 * @sb: superblock of the layer
 *
 * Context: sleeps while a commit runs; not within another change or look.
 * Return: 0, and see_change_leave() follows; -EINTR if the task was killed; -EIO
 * if the layer was shut down meanwhile.
 */
int see_change_enter(struct super_block *sb)
{
	struct see_layer *layer = see_layer(sb);

	if (likely(see_gate_try(layer, &layer->gate.changes)))
		return 0;
	if (READ_ONCE(layer->dead))
		return -EIO;
	return see_gate_enter(layer, &layer->gate.changes);
}

/**
 * see_change_try - see_change_enter() for who cannot wait
 * @sb: superblock of the layer
 */
bool see_change_try(struct super_block *sb)
{
	return see_gate_try(see_layer(sb), &see_layer(sb)->gate.changes);
}

void see_change_leave(struct super_block *sb)
{
	percpu_ref_put(&see_layer(sb)->gate.changes);
}

/**
 * see_writer_lock - data of a file are about to be changed
 * @inode: the file
 *
 * Takes i_rwsem and enters the gate, in this order, as the VFS has it elsewhere.  What
 * is done to attributes until see_writer_unlock() is part of it.
 *
 * Return: as see_change_enter().
 */
int see_writer_lock(struct inode *inode)
{
	int err;

	inode_lock(inode);
	err = see_change_enter(inode->i_sb);
	if (err)
		inode_unlock(inode);
	else
		WRITE_ONCE(see_i(inode)->writer, current);
	return err;
}

void see_writer_unlock(struct inode *inode)
{
	WRITE_ONCE(see_i(inode)->writer, NULL);
	see_change_leave(inode->i_sb);
	inode_unlock(inode);
}

/**
 * see_change_wait - until changes are possible again
 * @sb: superblock of the layer
 *
 * Return: as see_change_enter(), but nothing is entered.
 */
int see_change_wait(struct super_block *sb)
{
	return see_gate_wait(see_layer(sb), &see_layer(sb)->gate.changes);
}

/**
 * see_change_wait_short - a moment at most
 * @sb: superblock of the layer
 *
 * For faults, which are repeated: who reads /proc/PID must not have to wait for
 * the mmap_lock until a commit ends.
 */
void see_change_wait_short(struct super_block *sb)
{
	struct see_gate *gate = &see_layer(sb)->gate;

	(void)wait_event_killable_timeout(gate->wait, !percpu_ref_is_dying(&gate->changes),
					  HZ / 50 ?: 1);
}

/**
 * see_look_enter - the layer is about to be looked at
 * @sb: superblock of the layer
 *
 * Context: sleeps only while a commit that is complete becomes visible.
 * Return: as see_change_enter().
 */
int see_look_enter(struct super_block *sb)
{
	return see_gate_enter(see_layer(sb), &see_layer(sb)->gate.looks);
}

/**
 * see_look_try - see_look_enter() for who cannot wait
 * @sb: superblock of the layer
 */
bool see_look_try(struct super_block *sb)
{
	return percpu_ref_tryget_live(&see_layer(sb)->gate.looks);
}

void see_look_leave(struct super_block *sb)
{
	percpu_ref_put(&see_layer(sb)->gate.looks);
}

/* @cancel: give up as soon as it is set; may be NULL */
static int see_gate_shut(struct see_layer *layer, struct percpu_ref *ref, const bool *cancel)
{
	unsigned long end = jiffies + SEE_CLOSE_TIME;
	int err = 0;

	percpu_ref_kill(ref);
	while (!err && !percpu_ref_is_zero(ref)) {
		if (time_after(jiffies, end))
			err = -EBUSY;
		else if (fatal_signal_pending(current) || (cancel && READ_ONCE(*cancel)))
			err = -EINTR;
		else
			(void)wait_event_killable_timeout(layer->gate.wait,
							  percpu_ref_is_zero(ref), HZ / 50 ?: 1);
	}
	if (err) {
		percpu_ref_resurrect(ref);
		wake_up_all(&layer->gate.wait);
	}
	return err;
}

/**
 * see_gate_close - nobody changes anything from now on
 * @layer: open to changes
 * @cancel: give up as soon as it is set
 *
 * Context: the caller is the only one to close or open it.
 * Return: 0; -EBUSY after ten seconds, or -EINTR, and it is open then.
 */
int see_gate_close(struct see_layer *layer, const bool *cancel)
{
	return see_gate_shut(layer, &layer->gate.changes, cancel);
}

/**
 * see_gate_close_all - nobody looks at anything from now on
 * @layer: closed to changes
 *
 * Return: as see_gate_close(); closed to changes all the same.
 */
int see_gate_close_all(struct see_layer *layer)
{
	return see_gate_shut(layer, &layer->gate.looks, NULL);
}

/**
 * see_gate_open - everybody may go on
 * @layer: closed to changes, or to everything
 */
void see_gate_open(struct see_layer *layer)
{
	WRITE_ONCE(layer->gate.moving, false);
	if (percpu_ref_is_dying(&layer->gate.looks))
		percpu_ref_resurrect(&layer->gate.looks);
	percpu_ref_resurrect(&layer->gate.changes);
	wake_up_all(&layer->gate.wait);
}

/**
 * see_gate_wake - the layer was shut down: who waits gets EIO
 * @layer: after see_layer.dead was set
 */
void see_gate_wake(struct see_layer *layer)
{
	wake_up_all(&layer->gate.wait);
}
