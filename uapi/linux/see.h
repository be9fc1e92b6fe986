/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * Safe execution environments: the interface of /dev/see
 *
 * Every request is one struct, extensible by size: the size is part of the
 * ioctl number, a newer kernel accepts a shorter struct of an older program,
 * and an older kernel accepts a longer one if what it does not know is zero
 * (else E2BIG).  All structs are laid out alike on 32 and 64 bits, have no
 * holes, and unknown flags or non-zero reserved fields are refused with EINVAL.
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
 *
 * or with the daemon's own error, explained in @message of the struct.
 */
#ifndef _UAPI_LINUX_SEE_H
#define _UAPI_LINUX_SEE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* raised when something is added; nothing is ever changed or taken away */
#define SEE_ABI_VERSION		1

#define SEE_NAME_MAX		63	/* bytes of a SEE's name, without the NUL */
#define SEE_LAYERS_MAX		64	/* layers of a SEE */
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
 * @size: bytes that the SEE may occupy; 0: only the floor counts; anything else is
 *	  EOPNOTSUPP as yet
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
 * @bytes: out: bytes that the private trees occupy: private blocks of changed
 *	   host files; what was born is counted by walking
 * @uid: out: owner, in the caller's user name space
 * @state: out: SEE_STATE_*
 * @layers: out: number of layers
 * @reserved: 0
 * @name: out
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
#define SEE_CHANGE_NO_PATH	0x80	/* too long a path: @path is only its end */

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
	char path[];
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

/* ---- for the daemon ---- */

/* see_request.op */
#define SEE_OP_CREATE		1
#define SEE_OP_LOAD		2	/* mount the layers of an idle SEE, adopt them */
#define SEE_OP_MOUNT		3	/* answer with a detached mount */
#define SEE_OP_JOIN		4
#define SEE_OP_ABORT		5
#define SEE_OP_IDLE		6	/* nobody uses the SEE; no answer is expected */

/**
 * struct see_request - what read() on an attached /dev/see returns, one each
 * @size: of this struct
 * @op: SEE_OP_*
 * @id: of the request, for SEE_IOC_REPLY; 0 if no answer is expected
 * @see: id of the SEE, or 0
 * @bytes: see_create.size
 * @uid: the caller's file system uid in the initial user name space
 * @gid: its file system gid
 * @pid: the caller, in the reader's pid name space
 * @caps: 1 if the caller has CAP_SYS_ADMIN in the initial user name space
 * @layer: see_mount.layer
 * @nfds: number of @fd
 * @fd: descriptors that came with the request, installed by read()
 * @flags: see_layer_spec.flags of each
 * @name: see_create.name
 *
 * read() blocks unless the descriptor is O_NONBLOCK; poll() says POLLIN.
 * EINVAL: the buffer is smaller than the struct.
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
 * @see: SEE_OP_CREATE: id of the new SEE, registered before
 * @result: 0 or a negative errno
 * @fd: SEE_OP_MOUNT: the detached mount; else -1
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

/* on /dev/see, CAP_SYS_ADMIN in the initial user name space */
#define SEE_IOC_ATTACH		_IO(SEE_IOC_MAGIC, 0x40)	/* EBUSY: there is one */
#define SEE_IOC_REPLY		_IOWR(SEE_IOC_MAGIC, 0x41, struct see_reply)
#define SEE_IOC_REGISTER	_IOWR(SEE_IOC_MAGIC, 0x42, struct see_register)
#define SEE_IOC_ADOPT		_IOWR(SEE_IOC_MAGIC, 0x43, struct see_adopt)
#define SEE_IOC_FORGET		_IOWR(SEE_IOC_MAGIC, 0x44, struct see_forget)

#endif /* _UAPI_LINUX_SEE_H */
