/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * The private tree on disk.  Documentation/private-tree.rst says what the
 * directories and files mean; here are their names and the records that hang
 * on them as extended attributes.  All numbers are little endian.
 *
 * Everything read from disk is untrusted: decode.c checks kind, length and flags
 * of every record before tree.c, treeload.c and command.c look at anything else in
 * it.
 */
#ifndef SEE_TREE_FORMAT_H
#define SEE_TREE_FORMAT_H

#include <linux/types.h>

#define SEE_TREE_MAGIC		0x5445455354524545ULL	/* "EERTSEET" in memory */

/* what the root of a private tree holds */
#define SEE_TREE_CHANGED	"changed"	/* containers of host objects */
#define SEE_TREE_BORN		"born"		/* containers of born directories */
#define SEE_TREE_WORK		"work"		/* not yet in place, or no longer */
#define SEE_TREE_COMMANDS	"commands"	/* a file: who changed something first */

/* what a container holds */
#define SEE_BOX_OBJECT		"object"	/* private attributes and data */
#define SEE_BOX_MADE		"made"		/* names of born objects */
#define SEE_BOX_REMOVED		"removed"	/* tombstones */
#define SEE_BOX_LINKED		"linked"	/* names of host objects: symlinks to keys */
#define SEE_BOX_FOLLOW		"follow"	/* where changed objects were: the same */

#define SEE_XATTR_PREFIX	"trusted.see."
#define SEE_XATTR_TREE		SEE_XATTR_PREFIX "tree"
#define SEE_XATTR_OBJECT	SEE_XATTR_PREFIX "object"
#define SEE_XATTR_REMOVED	SEE_XATTR_PREFIX "removed"
#define SEE_XATTR_CTIME		SEE_XATTR_PREFIX "ctime"
#define SEE_XATTR_STORE		SEE_XATTR_PREFIX "store"
#define SEE_XATTR_LOCKS		SEE_XATTR_PREFIX "locks"

/* see_disk_head.kind */
#define SEE_DISK_TREE		1
#define SEE_DISK_OBJECT		2
#define SEE_DISK_REMOVED	3
#define SEE_DISK_CTIME		4
#define SEE_DISK_LOCKS		5
#define SEE_DISK_COMMAND_OBJECT	6
#define SEE_DISK_COMMAND_NAME	7

/* see_disk_head.flags of SEE_DISK_LOCKS, which has nothing else */
#define SEE_LOCKS_POSIX		0x1	/* the SEE took a write lock by fcntl(2) */
#define SEE_LOCKS_FLOCK		0x2	/* by flock(2) */

/* see_disk_object.head.flags beside those of the version */
#define SEE_OBJECT_XATTRS	0x8

/* see_disk_removed.head.flags beside those of the version */
#define SEE_REMOVED_REPLACED	0x80	/* hides nothing by itself */

/* see_disk_command.head.flags of SEE_DISK_COMMAND_OBJECT */
#define SEE_COMMAND_BORN	0x1	/* the key is that of a born directory */

/* the name of a process as the kernel has it, with a NUL */
#define SEE_COMMAND_SIZE	16

/* longest key: "%02x-" and two digits for each byte of the file handle */
#define SEE_MAX_FID		96
#define SEE_MAX_KEY		(3 + 2 * SEE_MAX_FID)

/**
 * struct see_disk_head - begins every record
 * @kind: SEE_DISK_*; an unknown one is refused, but in "commands"
 * @flags: per kind; an unknown one is refused, but there
 * @len: of the whole record in bytes; more than is known is ignored
 */
struct see_disk_head {
	__u8 kind;
	__u8 flags;
	__le16 len;
} __packed;

/**
 * struct see_disk_version - version of a host object
 *
 * As struct see_version; @flags of the record that contains it says which
 * parts are valid (SEE_VERSION_*).
 */
struct see_disk_version {
	__le64 cookie;
	__le64 ctime;
	__le64 mtime;
	__le64 size;
	__le32 gen;
} __packed;

/**
 * struct see_disk_tree - on the root of a private tree
 * @magic: SEE_TREE_MAGIC
 * @compat: features that an older module may ignore
 * @incompat: features that an older module must refuse
 * @uuid: random
 * @root: key of the lower's root directory, NUL padded
 */
struct see_disk_tree {
	struct see_disk_head head;
	__le32 zero;
	__le64 magic;
	__le64 compat;
	__le64 incompat;
	__u8 uuid[16];
	char root[208];
} __packed;

/**
 * struct see_disk_object - on a container in "changed"
 * @mode: type and permissions at first change
 * @uid: owner at first change, in the initial user name space
 * @gid: group
 * @rdev: device number, as new_encode_dev()
 * @ino: inode number on the host
 * @incompat: features of this record; an unknown one is refused
 * @version: at first change
 * @xattrs: of a directory: hash of its xattrs and ACLs at first change, if
 *	    SEE_OBJECT_XATTRS is set in the flags
 */
struct see_disk_object {
	struct see_disk_head head;
	__le32 mode;
	__le32 uid;
	__le32 gid;
	__le32 rdev;
	__le32 incompat;
	__le64 ino;
	struct see_disk_version version;
	__le64 xattrs;
} __packed;

/**
 * struct see_disk_removed - on a tombstone
 * @type: S_IFMT bits of the host object, shifted right by 12
 * @fid_type: file handle type of the host object
 * @fid_len: bytes of @fid
 * @zero: 0
 * @version: of the host object when the name was removed
 * @fid: file handle
 *
 * Small enough to lie in an ext4 inode of 256 bytes for the usual handles.
 */
struct see_disk_removed {
	struct see_disk_head head;
	__u8 type;
	__u8 fid_type;
	__u8 fid_len;
	__u8 zero;
	struct see_disk_version version;
	__u8 fid[];
} __packed;

/**
 * struct see_disk_ctime - on the private object of a host object
 * @zero: 0
 * @ctime: change time in the SEE, nanoseconds since 1970: the file system of
 *	   the private tree has a later one, of when it was written there
 */
struct see_disk_ctime {
	struct see_disk_head head;
	__le32 zero;
	__le64 ctime;
} __packed;

/**
 * struct see_disk_command - in the file "commands", one after the other
 * @head: SEE_DISK_COMMAND_*; here, what is unknown is skipped
 * @command: what the process called itself, padded with NULs: of who changed the
 *	     object first, or the name
 * @text: of SEE_DISK_COMMAND_OBJECT: a key; of SEE_DISK_COMMAND_NAME: a name in
 *	  the directory that the last object record names
 *
 * No NUL ends @text: it ends where the record does.
 */
struct see_disk_command {
	struct see_disk_head head;
	char command[SEE_COMMAND_SIZE];
	char text[];
} __packed;

#endif /* SEE_TREE_FORMAT_H */
