/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Safe execution environments: the interface of /dev/see
 *
 * Every request is one struct, extensible by size: the size is part of the
 * ioctl number, a newer kernel accepts a shorter struct of an older program,
 * and an older kernel accepts a longer one if what it does not know is zero
 * (else E2BIG).  All structs are laid out alike on 32 and 64 bits, have no
 * holes, and unknown flags or non-zero reserved fields are refused with EINVAL, as is a
 * struct that is shorter than in the first version.
 * Unknown requests are refused with ENOTTY.  Pointers are __u64.
 *
 * Objects are descriptors: SEE_IOC_CREATE and SEE_IOC_OPEN return one for a
 * SEE, and everything that concerns a SEE is asked of it.  An ioctl on a
 * descriptor from other credentials (file system uid or user name space) than
 * those that opened it is refused with EPERM.
 *
 * Long results come in batches: the kernel fills the caller's buffer with
 * whole records and moves the cursor; a batch without records is the end.
 * Every record begins with struct see_record; a reader skips kinds that it
 * does not know.
 *
 * Requests marked "queued" are answered by the daemon, seed.  They block,
 * killably, until it has answered, and fail with
 *
 * * ENOTCONN: no daemon is attached
 * * EOWNERDEAD: the daemon went away before it answered
 * * EINTR: the caller was killed
 * * EAGAIN: too many requests wait, 64 of one user without CAP_SYS_ADMIN, 1024 of all
 *
 * or with the daemon's own error, explained in @message of the struct.
 */
#ifndef _UAPI_LINUX_SEE_H
#define _UAPI_LINUX_SEE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* raised when something is added at an end; nothing is ever changed or taken away */
#define SEE_ABI_VERSION		1

#define SEE_NAME_MAX		63	/* bytes of a SEE's name, without the NUL */
#define SEE_LAYERS_MAX		64	/* layers of a SEE */
#define SEE_COMMAND_MAX		15	/* bytes of a command, without the NUL */
#define SEE_MESSAGE_MAX		255	/* bytes of a message, without the NUL */

/* states of a SEE */
#define SEE_STATE_IDLE		0	/* holds nothing of the host */
#define SEE_STATE_ACTIVE	1
#define SEE_STATE_COMMITTING	2
#define SEE_STATE_ABORTING	3

/**
 * struct see_abi - SEE_IOC_ABI: what the kernel speaks
 * @version: out: SEE_ABI_VERSION of the module
 * @server: out: 1 if a daemon is attached
 */
struct see_abi {
	__u32 version;
	__u32 server;
};

/**
 * struct see_record - begins every record of a batch
 * @len: bytes of the record, a multiple of 8
 * @kind: what it is
 */
struct see_record {
	__u32 len;
	__u32 kind;
};

/**
 * struct see_batch - SEE_IOC_LIST, SEE_IOC_LAYERS, SEE_IOC_CHANGES
 * @buf: where to put records
 * @len: in: size of @buf, at least 64 and at most 1 MiB; out: bytes used
 * @count: out: records
 * @cursor: in: 0 at first, then as it came back; out: where to go on
 *
 * EINVAL: @len or @cursor out of range.  EMSGSIZE: not even one record fits.
 */
struct see_batch {
	__u64 buf;
	__u32 len;
	__u32 count;
	__u64 cursor;
};

/**
 * struct see_list_entry - record of SEE_IOC_LIST: a SEE
 * @rec: kind SEE_REC_SEE
 * @id: never used twice
 * @created: seconds since 1970
 * @uid: owner, in the caller's user name space
 * @state: SEE_STATE_*
 * @name: NUL terminated
 */
struct see_list_entry {
	struct see_record rec;
	__u64 id;
	__u64 created;
	__u32 uid;
	__u32 state;
	char name[SEE_NAME_MAX + 1];
};

/**
 * struct see_layer_entry - record of SEE_IOC_LAYERS: a layer
 * @rec: kind SEE_REC_LAYER
 * @index: of the layer in its SEE, from 0
 * @flags: SEE_LAYER_*
 * @path_len: bytes of @path without the NUL
 * @reserved: 0
 * @path: the directory that it covers, as the daemon sees it; NUL terminated
 *
 * A layer comes after those whose directories contain its own.
 */
struct see_layer_entry {
	struct see_record rec;
	__u32 index;
	__u32 flags;
	__u32 path_len;
	__u32 reserved;
	char path[];
};

#define SEE_LAYER_WRITE		0x1	/* may be written in; else read-only */

/* see_record.kind */
#define SEE_REC_SEE		1
#define SEE_REC_LAYER		2
#define SEE_REC_CHANGE		3
#define SEE_REC_STEP		4
#define SEE_REC_EXTENT		5
#define SEE_REC_PROBLEM		6

/**
 * struct see_layer_spec - a directory to be covered
 * @fd: O_PATH descriptor of the directory
 * @flags: SEE_LAYER_*
 */
struct see_layer_spec {
	__s32 fd;
	__u32 flags;
};

/**
 * struct see_create - SEE_IOC_CREATE: make a SEE (queued)
 * @name: in: name, or empty to be given one; out: the name; letters, digits,
 *	  "-", "_" and ".", beginning with a letter or digit
 * @layers: array of struct see_layer_spec, outer directories first
 * @nlayers: of @layers, 1 to SEE_LAYERS_MAX
 * @flags: 0
 * @size: bytes that the SEE may occupy, over all its layers: private blocks of
 *	  changed files, what was born, a block for each name of its own, extended
 *	  attributes; what would exceed it is ENOSPC.  0: only the floor counts.
 *	  More than 2^63 - 1 is EINVAL
 * @message: out: on failure, what failed, where, why and what to do
 *
 * Return: descriptor of the SEE, close-on-exec.  EEXIST: the name is taken.
 * EPERM, EACCES: the caller may not.  EXDEV: a directory of another mount name
 * space.  EOPNOTSUPP: of a file system that cannot be covered.
 */
struct see_create {
	char name[SEE_NAME_MAX + 1];
	__u64 layers;
	__u32 nlayers;
	__u32 flags;
	__u64 size;
	char message[SEE_MESSAGE_MAX + 1];
};

/**
 * struct see_open - SEE_IOC_OPEN: a descriptor of a SEE (queued if it is idle)
 * @id: of the SEE, or 0 to go by @name
 * @name: of the SEE
 * @flags: SEE_OPEN_BARE or 0
 * @reserved: 0
 * @message: out: on failure
 *
 * Return: descriptor of the SEE, close-on-exec.  ENOENT: there is none.  EPERM:
 * the caller is neither its owner nor has CAP_SYS_ADMIN in the initial user
 * name space, or lives in a layer or in another pid name space.
 */
struct see_open {
	__u64 id;
	char name[SEE_NAME_MAX + 1];
	__u32 flags;
	__u32 reserved;
	char message[SEE_MESSAGE_MAX + 1];
};

/**
 * struct see_status - SEE_IOC_STATUS of a SEE
 * @id: out
 * @created: out: seconds since 1970
 * @changes: out: changes that SEE_IOC_CHANGES would list
 * @bytes: out: bytes that private blocks of changed host files occupy; those of what
 *	   was born are found by walking
 * @uid: out: owner, in the caller's user name space
 * @state: out: SEE_STATE_*
 * @layers: out: number of layers
 * @reserved: 0
 * @name: out
 * @size: out: bytes that the SEE may occupy; 0: no limit
 * @used: out: bytes that count towards @size; 0 without a limit
 */
struct see_status {
	__u64 id;
	__u64 created;
	__u64 changes;
	__u64 bytes;
	__u32 uid;
	__u32 state;
	__u32 layers;
	__u32 reserved;
	char name[SEE_NAME_MAX + 1];
	__u64 size;
	__u64 used;
};

/**
 * struct see_mount - SEE_IOC_MOUNT of a SEE: a layer as a descriptor (queued)
 * @layer: index of the layer
 * @flags: 0
 * @message: out: on failure
 *
 * Return: descriptor of a new detached mount of the layer, close-on-exec, to be
 * attached with move_mount(MOVE_MOUNT_F_EMPTY_PATH).
 */
struct see_mount {
	__u32 layer;
	__u32 flags;
	char message[SEE_MESSAGE_MAX + 1];
};

/**
 * struct see_join - SEE_IOC_JOIN of a SEE: put a process into it (queued)
 * @pidfd: descriptor of a process of the caller's own
 * @flags: 0
 * @message: out: on failure
 *
 * The daemon moves the process into the SEE's control group; what it starts
 * later is born there.
 */
struct see_join {
	__s32 pidfd;
	__u32 flags;
	char message[SEE_MESSAGE_MAX + 1];
};

/**
 * struct see_simple - SEE_IOC_ABORT of a SEE (queued)
 * @flags: 0
 * @reserved: 0
 * @message: out: on failure
 *
 * Abort: the processes are killed, the layers answer EIO, the private trees
 * are disposed of.
 */
struct see_simple {
	__u32 flags;
	__u32 reserved;
	char message[SEE_MESSAGE_MAX + 1];
};

/* see_change.what: what differs between the SEE and the host */
#define SEE_CHANGE_NAME_MADE	0x01	/* the name stands for a new object */
#define SEE_CHANGE_NAME_LINKED	0x02	/* for a host object that was elsewhere */
#define SEE_CHANGE_NAME_REMOVED	0x04	/* the host's name is absent */
#define SEE_CHANGE_NAME_REPLACED 0x08	/* with MADE or LINKED: the host had it */
#define SEE_CHANGE_NAME_KEPT	0x10	/* the host dropped a changed object */
#define SEE_CHANGE_DATA		0x20	/* the contents of a host object */
#define SEE_CHANGE_ATTR		0x40	/* mode, owner, times, xattrs or ACLs */
#define SEE_CHANGE_NO_PATH	0x80	/* too long, or out of the layer: @path is only the end */

/* see_change.conflict: what the host did since it was first changed */
#define SEE_CONFLICT_CHANGED	0x1	/* the host object was changed */
#define SEE_CONFLICT_GONE	0x2	/* the host dropped the object or the name */
#define SEE_CONFLICT_NAME	0x4	/* the host has another object at the name */
#define SEE_CONFLICT_WEAK	0x8	/* it cannot be told; counts as changed */

/**
 * struct see_change - record of SEE_IOC_CHANGES: one change
 * @rec: kind SEE_REC_CHANGE
 * @what: SEE_CHANGE_*; of a name, or of an object, never both
 * @layer: index of the layer
 * @old_mode: type and mode on the host when it was first changed; 0 if unknown
 * @new_mode: in the SEE; 0 if it is absent
 * @old_uid: owner on the host, in the caller's user name space
 * @old_gid: group on the host
 * @new_uid: owner in the SEE
 * @new_gid: group in the SEE
 * @old_size: bytes on the host
 * @new_size: bytes in the SEE
 * @path_len: bytes of the path in the SEE, without the NUL
 * @from_len: bytes of the path on the host, without the NUL; 0 if the same
 * @conflict: SEE_CONFLICT_*; 0 if the host side is as it was when it was first
 *	      changed
 * @reserved: 0
 * @command: what the process that did it first called itself, padded with NULs;
 *	     empty if that is not known.  Advisory: it may be any bytes.
 * @path: both paths, relative to the layer's root, each NUL terminated
 *
 * A directory that was born is one change; what it contains is found by
 * walking it.
 */
struct see_change {
	struct see_record rec;
	__u32 what;
	__u32 layer;
	__u32 old_mode;
	__u32 new_mode;
	__u32 old_uid;
	__u32 old_gid;
	__u32 new_uid;
	__u32 new_gid;
	__u64 old_size;
	__u64 new_size;
	__u32 path_len;
	__u32 from_len;
	__u32 conflict;
	__u32 reserved;
	char command[SEE_COMMAND_MAX + 1];
	char path[];
};

/* see_commit.criterion: when a commit is refused */
#define SEE_CRITERION_SERIALIZABLE 0	/* EOPNOTSUPP until there is a read set */
#define SEE_CRITERION_WRITES	1	/* a host side changed since the first change */
#define SEE_CRITERION_FORCE	2	/* only if there is no meaning to it */

/* see_commit.outcome */
#define SEE_OUTCOME_REFUSED	0	/* the host is as it was; see the report */
#define SEE_OUTCOME_DONE	1
#define SEE_OUTCOME_TORN	2	/* taken back but for what the report lists */

/**
 * struct see_commit_root - what the caller goes by
 * @layer: index of a writable layer
 * @fd: O_PATH descriptor of the directory that it covers
 */
struct see_commit_root {
	__u32 layer;
	__s32 fd;
};

/**
 * struct see_commit - SEE_IOC_COMMIT of a SEE (queued)
 * @roots: array of struct see_commit_root, one for each writable layer that has
 *	   changes: changes are made on the mount of the descriptor, as far as
 *	   the caller could make them there itself
 * @nroots: of @roots, at most SEE_LAYERS_MAX
 * @criterion: SEE_CRITERION_*
 * @flags: SEE_COMMIT_CHECK or 0
 * @outcome: out: SEE_OUTCOME_*
 * @report: out: descriptor of a sealed memfd with struct see_problem records, or
 *	    -1
 * @reserved: 0
 * @message: out: on failure
 *
 * Return: 0 if the daemon came to an outcome, else the host is as it was.
 * EBUSY: somebody in the SEE does not come to an end with a change, or there is
 * another commit; @report may list its processes.  EINVAL: @roots do not
 * match the layers.  EOPNOTSUPP: the criterion.  EOWNERDEAD: the daemon died;
 * when it is started again, all of the commit is finished or taken back.
 */
struct see_commit {
	__u64 roots;
	__u32 nroots;
	__u32 criterion;
	__u32 flags;
	__u32 outcome;
	__s32 report;
	__u32 reserved;
	char message[SEE_MESSAGE_MAX + 1];
};

#define SEE_COMMIT_CHECK	0x1	/* only find out; nothing is changed */

/* see_problem.why */
#define SEE_PROBLEM_CONFLICT	1	/* the host changed what the SEE changed */
#define SEE_PROBLEM_DENIED	2	/* the caller could not have done it */
#define SEE_PROBLEM_BUSY	3	/* somebody uses it */
#define SEE_PROBLEM_FAILED	4	/* it did not work */
#define SEE_PROBLEM_TORN	5	/* taking back would overwrite the host's */

/**
 * struct see_problem - record of see_commit.report: why a commit did not happen
 * @rec: kind SEE_REC_PROBLEM
 * @why: SEE_PROBLEM_*
 * @layer: index of the layer
 * @conflict: CONFLICT, TORN: SEE_CONFLICT_*
 * @error: DENIED, FAILED, BUSY: an errno, positive; BUSY: ETXTBSY open for writing,
 *	   EAGAIN locked, EBUSY mounted, 0 the SEE as a whole
 * @pid: BUSY: a process, in the daemon's pid name space; 0 if none is known
 * @path_len: bytes of @path without the NUL
 * @path: relative to the layer's root; empty if it is about the SEE as a whole
 */
struct see_problem {
	struct see_record rec;
	__u32 why;
	__u32 layer;
	__u32 conflict;
	__u32 error;
	__u32 pid;
	__u32 path_len;
	char path[];
};

/**
 * struct see_revert - SEE_IOC_REVERT of a SEE (queued): take changes back in it
 * @fd: a memfd with NUL terminated lines "LAYER PATH": the index of the layer in
 *	decimal, a blank, and a path as in see_change; changes at and below it
 * @flags: 0
 * @count: out: changes that were taken back
 * @reserved: 0
 * @message: out: on failure
 *
 * EBUSY: the SEE is in use.  ENOENT: nothing is changed at one of the paths;
 * nothing was taken back.  E2BIG: more than 1 MiB.
 */
struct see_revert {
	__s32 fd;
	__u32 flags;
	__u32 count;
	__u32 reserved;
	char message[SEE_MESSAGE_MAX + 1];
};

/*
 * see_open.flags: do not mount the layers of an idle SEE, for one whose
 * directories are not there: it can be looked at and aborted.
 */
#define SEE_OPEN_BARE		0x1

#define SEE_IOC_MAGIC		0xb5

/* on /dev/see, for everybody who may open it */
#define SEE_IOC_ABI		_IOWR(SEE_IOC_MAGIC, 0x00, struct see_abi)
#define SEE_IOC_LIST		_IOWR(SEE_IOC_MAGIC, 0x01, struct see_batch)
#define SEE_IOC_CREATE		_IOWR(SEE_IOC_MAGIC, 0x02, struct see_create)
#define SEE_IOC_OPEN		_IOWR(SEE_IOC_MAGIC, 0x03, struct see_open)

/* on the descriptor of a SEE */
#define SEE_IOC_STATUS		_IOWR(SEE_IOC_MAGIC, 0x20, struct see_status)
#define SEE_IOC_LAYERS		_IOWR(SEE_IOC_MAGIC, 0x21, struct see_batch)
#define SEE_IOC_CHANGES		_IOWR(SEE_IOC_MAGIC, 0x22, struct see_batch)
#define SEE_IOC_MOUNT		_IOWR(SEE_IOC_MAGIC, 0x23, struct see_mount)
#define SEE_IOC_JOIN		_IOWR(SEE_IOC_MAGIC, 0x24, struct see_join)
#define SEE_IOC_ABORT		_IOWR(SEE_IOC_MAGIC, 0x25, struct see_simple)
#define SEE_IOC_COMMIT		_IOWR(SEE_IOC_MAGIC, 0x26, struct see_commit)
#define SEE_IOC_REVERT		_IOWR(SEE_IOC_MAGIC, 0x27, struct see_revert)

/* ---- for the daemon ---- */

/* see_request.op */
#define SEE_OP_CREATE		1
#define SEE_OP_LOAD		2	/* mount the layers of an idle SEE, adopt them */
#define SEE_OP_MOUNT		3	/* answer with a detached mount */
#define SEE_OP_JOIN		4
#define SEE_OP_ABORT		5
#define SEE_OP_IDLE		6	/* nobody uses the SEE; no answer is expected */
#define SEE_OP_COMMIT		7	/* answer with the outcome and a report */
#define SEE_OP_REVERT		8	/* answer with the number of changes */

/**
 * struct see_request - what read() on an attached /dev/see returns, one each
 * @size: of this struct, as the kernel has it; read() returns what the buffer has
 *	  room for
 * @op: SEE_OP_*
 * @id: of the request, for SEE_IOC_REPLY; 0 if no answer is expected
 * @see: id of the SEE, or 0
 * @bytes: see_create.size
 * @uid: the caller's file system uid in the initial user name space
 * @gid: its file system gid
 * @pid: the caller, in the reader's pid name space
 * @caps: 1 if the caller has CAP_SYS_ADMIN in the initial user name space
 * @layer: see_mount.layer; see_commit.criterion
 * @nfds: number of @fd
 * @fd: descriptors that came with the request, installed by read()
 * @flags: see_layer_spec.flags of each; see_commit.flags as the first
 * @name: see_create.name
 *
 * read() blocks unless the descriptor is O_NONBLOCK; poll() says POLLIN.
 * EINVAL: the buffer is smaller than the struct of the first version, 632 bytes.
 */
struct see_request {
	__u32 size;
	__u32 op;
	__u64 id;
	__u64 see;
	__u64 bytes;
	__u32 uid;
	__u32 gid;
	__u32 pid;
	__u32 caps;
	__u32 layer;
	__u32 nfds;
	__s32 fd[SEE_LAYERS_MAX];
	__u32 flags[SEE_LAYERS_MAX];
	char name[SEE_NAME_MAX + 1];
};

/**
 * struct see_reply - SEE_IOC_REPLY
 * @id: see_request.id
 * @see: SEE_OP_CREATE: id of the new SEE, registered before; SEE_OP_COMMIT: the
 *	 outcome; SEE_OP_REVERT: the number of changes
 * @result: 0 or a negative errno
 * @fd: SEE_OP_MOUNT: the detached mount; SEE_OP_COMMIT: the report, with a result
 *	of 0 or -EBUSY; else -1
 * @message: for the client
 *
 * ECANCELED: the client has gone; undo what was done for it.  ENOENT: no such
 * request.
 */
struct see_reply {
	__u64 id;
	__u64 see;
	__s32 result;
	__s32 fd;
	char message[SEE_MESSAGE_MAX + 1];
};

/**
 * struct see_register - SEE_IOC_REGISTER: there is a SEE
 * @id: chosen by the daemon, not 0, never used twice
 * @created: seconds since 1970
 * @uid: owner in the initial user name space
 * @state: SEE_STATE_IDLE or SEE_STATE_ABORTING
 * @name: NUL terminated
 *
 * EEXIST: the id or the name is taken (registering the same SEE with the same
 * name again is not an error: a new daemon finds it as it was).
 */
struct see_register {
	__u64 id;
	__u64 created;
	__u32 uid;
	__u32 state;
	char name[SEE_NAME_MAX + 1];
};

/**
 * struct see_adopt - SEE_IOC_ADOPT: a mount is a layer of a SEE
 * @id: of the SEE
 * @index: of the layer
 * @flags: SEE_LAYER_*
 * @fd: mount of the layer, of fsmount()
 * @path_len: bytes of the path without the NUL, less than 4096
 * @path: pointer to the path of the directory it covers
 *
 * Layers are adopted in order of @index.  The SEE holds the layers until its
 * last descriptor is closed.
 */
struct see_adopt {
	__u64 id;
	__u32 index;
	__u32 flags;
	__s32 fd;
	__u32 path_len;
	__u64 path;
};

/**
 * struct see_forget - SEE_IOC_FORGET: shut a SEE down, or forget it
 * @id: of the SEE
 * @flags: SEE_FORGET_*
 * @reserved: 0
 */
struct see_forget {
	__u64 id;
	__u32 flags;
	__u32 reserved;
};

#define SEE_FORGET_SHUTDOWN	0x1	/* layers answer EIO; state ABORTING */
#define SEE_FORGET_GONE		0x2	/* there is no such SEE any more */

/*
 * A commit, seen from the daemon: SEE_IOC_COMMIT_START makes the list of steps,
 * SEE_IOC_COMMIT_PLAN reads it, SEE_IOC_COMMIT_STEP prepares, applies and takes
 * back one, SEE_IOC_COMMIT_END is the end.  Documentation/commit.rst has the
 * protocol.  As soon as one step was applied the commit outlives the daemon:
 * the SEE stays closed until a daemon ends it.
 */

/**
 * struct see_commit_start - SEE_IOC_COMMIT_START
 * @see: id of the SEE, loaded
 * @request: see_request.id of the SEE_OP_COMMIT or SEE_OP_REVERT that is answered:
 *	     its caller's credentials and mounts are what counts
 * @undo: array of __s32, one for each layer: an empty directory beside the private
 *	  tree, on its file system, for pre-images; -1 for a layer that is not
 *	  writable
 * @nundo: of @undo
 * @flags: SEE_START_*
 * @criterion: SEE_CRITERION_*
 * @reserved: 0
 * @steps: out: number of steps
 *
 * Waits, for each layer ten seconds at most, until nobody changes anything in it, keeps changes
 * out from then on, and writes back what is dirty.  With REVERT, until nobody but the
 * daemon and the client's descriptors holds a layer.
 *
 * EBUSY: somebody does, or there is a commit already.  ENOENT: no such SEE, not
 * loaded, or the request has gone.  EINVAL: the caller's mounts do not match.
 */
struct see_commit_start {
	__u64 see;
	__u64 request;
	__u64 undo;
	__u32 nundo;
	__u32 flags;
	__u32 criterion;
	__u32 reserved;
	__u64 steps;
};

#define SEE_START_CHECK		0x1	/* SEE_COMMIT_CHECK: also if it is in use */
#define SEE_START_REVERT	0x2	/* for SEE_ACTION_DROP only: no caller's mounts */

/**
 * struct see_commit_plan - SEE_IOC_COMMIT_PLAN: the steps, in order
 * @see: id of the SEE
 * @buf: for struct see_step and struct see_extent records
 * @len: in: size of @buf, 8 KiB to 1 MiB; out: bytes used
 * @count: out: records
 * @cursor: in: 0 at first, then as it came back; out: where to go on
 *
 * The extents of a step follow it.  A batch without records is the end.
 *
 * ENOENT: there is no commit.  ECANCELED: nor is there anything to take back of the
 * last one since the module was loaded: it ended, maybe with its daemon, before any
 * step was applied.
 */
struct see_commit_plan {
	__u64 see;
	__u64 buf;
	__u32 len;
	__u32 count;
	__u64 cursor;
};

/* see_step.kind: what is done on the host.  "src" and "dst" are names. */
#define SEE_STEP_RENAME		1	/* src becomes dst, which is absent */
#define SEE_STEP_EXCHANGE	2	/* src and dst change places */
#define SEE_STEP_RMDIR		3	/* dst, empty, goes; src is what comes back */
#define SEE_STEP_MODIFY		4	/* object src_key gets what old_key has */

/**
 * struct see_step - record of SEE_IOC_COMMIT_PLAN: one step
 * @rec: kind SEE_REC_STEP
 * @step: number, from 0, in the order of application
 * @kind: SEE_STEP_*
 * @layer: index of the layer
 * @flags: SEE_STEP_*, below
 * @what: SEE_CHANGE_* of the change that it belongs to
 * @conflict: SEE_CONFLICT_*; 0 if the host is as it was at the first change
 * @denied: why the caller may not do it, an errno, or 0
 * @busy: why it cannot be done now, an errno, or 0
 * @old_mode: MODIFY: type and mode on the host
 * @new_mode: MODIFY: in the SEE
 * @old_uid: MODIFY: owner on the host, in the initial user name space
 * @old_gid: MODIFY: group on the host
 * @new_uid: MODIFY: owner in the SEE
 * @new_gid: MODIFY: group in the SEE
 * @old_size: MODIFY of a file: bytes on the host
 * @new_size: MODIFY of a file: bytes in the SEE
 * @limit: MODIFY of a file: bytes of the host that stay at most
 * @old_mtime: MODIFY: nanoseconds since 1970
 * @new_mtime: MODIFY: the same in the SEE
 * @len: bytes of each string of @text, with its NUL
 * @text: strings in the order SEE_TEXT_*, each NUL terminated
 *
 * A key is a file handle in text: its type as two hexadecimal digits, "-", and two
 * for each byte.  All are of the file system of the layer.
 */
struct see_step {
	struct see_record rec;
	__u32 step;
	__u32 kind;
	__u32 layer;
	__u32 flags;
	__u32 what;
	__u32 conflict;
	__u32 denied;
	__u32 busy;
	__u32 old_mode;
	__u32 new_mode;
	__u32 old_uid;
	__u32 old_gid;
	__u32 new_uid;
	__u32 new_gid;
	__u64 old_size;
	__u64 new_size;
	__u64 limit;
	__s64 old_mtime;
	__s64 new_mtime;
	__u16 len[8];
	char text[];
};

/* see_step.text */
#define SEE_TEXT_PATH		0	/* in the SEE, relative to the layer's root */
#define SEE_TEXT_SRC_DIR	1	/* key of the directory of src */
#define SEE_TEXT_SRC		2	/* name of src there */
#define SEE_TEXT_DST_DIR	3	/* key of the directory of dst */
#define SEE_TEXT_DST		4	/* name of dst there */
#define SEE_TEXT_SRC_KEY	5	/* key of what is src before the step */
#define SEE_TEXT_OLD_KEY	6	/* of what is dst before; MODIFY: pre-image */
#define SEE_TEXT_NEW_KEY	7	/* MODIFY: private object, what is installed */

/* see_step.flags */
#define SEE_STEP_DATA		0x1	/* MODIFY: bytes, not only attributes */
#define SEE_STEP_PARTLY		0x2	/* MODIFY: some of the bytes are the host's */
#define SEE_STEP_TMP_SRC	0x4	/* src is only a link of ours in "undo" */
#define SEE_STEP_APPLIED	0x8	/* and not taken back */

/**
 * struct see_extent - record of SEE_IOC_COMMIT_PLAN: bytes that MODIFY overwrites
 * @rec: kind SEE_REC_EXTENT
 * @step: number of the step
 * @flags: SEE_EXTENT_*
 * @start: offset of the first byte, a multiple of the block size
 * @end: offset after the last
 *
 * The pre-image has those below see_step.old_size at the same place.
 */
struct see_extent {
	struct see_record rec;
	__u32 step;
	__u32 flags;
	__u64 start;
	__u64 end;
};

#define SEE_EXTENT_DATA		0x1	/* new bytes, in the private object */
#define SEE_EXTENT_ZERO		0x2	/* zeros */
#define SEE_EXTENT_CUT		0x4	/* cut off, or zeros when the file grows again */

/**
 * struct see_commit_step - SEE_IOC_COMMIT_STEP: do something about one step
 * @see: id of the SEE
 * @step: its number
 * @action: SEE_ACTION_*
 * @conflict: out: with ESTALE, SEE_CONFLICT_*
 * @reserved: 0
 *
 * PREPARE makes the pre-image, or what is installed, in "undo"; the keys are
 * complete afterwards.  APPLY checks again and installs in one critical section.
 * TAKE_BACK is its inverse, also checked; of a step that was not applied, it does
 * nothing.  DROP takes the change back in the private tree, with SEE_START_REVERT.
 *
 * ESTALE: the host is not as expected; nothing was done.  EBUSY, ETXTBSY: it is in
 * use.  EPERM, EACCES, EROFS: the caller may not.  EUCLEAN, of TAKE_BACK: the step
 * failed half way, and going back failed, too; the pre-image is what is left.
 * Other errors are the file system's.  A failed APPLY of which TAKE_BACK does not
 * say EUCLEAN left the host as it was.
 */
struct see_commit_step {
	__u64 see;
	__u32 step;
	__u32 action;
	__u32 conflict;
	__u32 reserved;
};

#define SEE_ACTION_PREPARE	1
#define SEE_ACTION_APPLY	2
#define SEE_ACTION_TAKE_BACK	3
#define SEE_ACTION_DROP		4

/**
 * struct see_commit_end - SEE_IOC_COMMIT_END
 * @see: id of the SEE
 * @trees: array of __s32, by number of the layer: the empty directory that is its
 *	   private tree from now on; -1 for a layer that is not writable
 * @ntrees: of @trees
 * @flags: SEE_END_*
 * @lost: out: 0, or an errno: those who used the layers get EIO
 * @reserved: 0
 *
 * Write denials and locks end, and changes are possible again.
 *
 * Once a step was applied, RELOAD or COMMITTED is needed.  With RELOAD, when all was
 * taken back, the layers go on as they were; but after a revert they are given up, and
 * whoever opens the SEE next loads them anew.  So are those that nobody uses with
 * COMMITTED.  Others go on then as the host has them now, and with @trees.  Where that
 * cannot be done, since somebody would not stop to look for ten seconds, a tree is
 * missing, or for want of memory, @lost says so.
 *
 * ENOENT: there is no commit.
 */
struct see_commit_end {
	__u64 see;
	__u64 trees;
	__u32 ntrees;
	__u32 flags;
	__u32 lost;
	__u32 reserved;
};

#define SEE_END_RELOAD		0x1	/* what was applied was taken back */
#define SEE_END_COMMITTED	0x2	/* there is a mark */

/* on /dev/see, CAP_SYS_ADMIN in the initial user name space */
#define SEE_IOC_ATTACH		_IO(SEE_IOC_MAGIC, 0x40)	/* EBUSY: there is one */
#define SEE_IOC_REPLY		_IOWR(SEE_IOC_MAGIC, 0x41, struct see_reply)
#define SEE_IOC_REGISTER	_IOWR(SEE_IOC_MAGIC, 0x42, struct see_register)
#define SEE_IOC_ADOPT		_IOWR(SEE_IOC_MAGIC, 0x43, struct see_adopt)
#define SEE_IOC_FORGET		_IOWR(SEE_IOC_MAGIC, 0x44, struct see_forget)
#define SEE_IOC_COMMIT_START	_IOWR(SEE_IOC_MAGIC, 0x45, struct see_commit_start)
#define SEE_IOC_COMMIT_PLAN	_IOWR(SEE_IOC_MAGIC, 0x46, struct see_commit_plan)
#define SEE_IOC_COMMIT_STEP	_IOWR(SEE_IOC_MAGIC, 0x47, struct see_commit_step)
#define SEE_IOC_COMMIT_END	_IOWR(SEE_IOC_MAGIC, 0x48, struct see_commit_end)

#endif /* _UAPI_LINUX_SEE_H */
