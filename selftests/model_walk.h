/* SPDX-License-Identifier: GPL-2.0 */
/* model_walk.h - what the parts of model_walk share: see there */
#ifndef MODEL_WALK_H
#define MODEL_WALK_H

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/types.h>

#include "view_model.h"

#define FILES		4	/* that are kept open */
#define STREAMS		3	/* listings that are under way */
#define LOG		2000	/* operations to remember */
#define BATCH		4	/* operations of a side in a phase, at most */
#define ORDERS		495	/* of them, if half of them come in two parts: 12 over 4 */

/* What a side has where: all names, parents before children. */
struct place {
	vm_ref ref, parent;
	int name, depth;
	char path[PATH_MAX];
};

struct tree {
	struct place *at;
	int count;
};

/* What the SEE has shown of an object so far. */
struct shown {
	uint32_t id;
	ino_t ino;
	unsigned int handle_bytes;
	int handle_type;
	unsigned char handle[MAX_HANDLE_SZ];
};

struct open_file {
	int fd;
	vm_ref ref;
};

struct stream {
	int fd;
	vm_ref ref, first[VM_NAMES];
	unsigned int must, may, got, kept;
};

struct candidate {
	struct vm m;
	struct shown shown[VM_NODES];
};

enum verb {
	WRITE, CREATE, TMPFILE, CHMOD, CHOWN, XATTR, MKDIR, MKFIFO, SYMLINK, LINK, UNLINK,
	RMDIR, RENAME, VERBS
};


/* A name in a directory, or in what should be one. */
struct spot {
	vm_ref dir;
	int name;
	char path[PATH_MAX];
};

struct op {
	enum verb verb;
	struct spot a, b;		/* b: of link and rename, the new name */
	uint32_t value;
	int flags;
};

struct entry {
	ino_t ino;
	off_t off;
	unsigned char type;
	int name;			/* -1: . or .. */
};

/* ---- the state of the walk ---- */

#define BIT(n)		(1u << (n))

extern char names[VM_NAMES][256];
extern char root[2][512];		/* for each side */
extern struct vm m;			/* the candidate that is looked at */
extern struct shown shown[VM_NODES];
extern struct candidate candidates[ORDERS];
extern int ncandidates;
extern uint32_t born;			/* objects so far */
extern struct open_file files[FILES];
extern struct stream streams[STREAMS];
extern bool xattrs;			/* the lower has user.* */
extern int mount_fd;
extern unsigned long long state;	/* of the random numbers */
extern unsigned long long seed, step, tree_step;
extern unsigned long done, phases, several;
extern unsigned int log_size;

/* ---- model_show.c ---- */

/* below: at least 1 */
unsigned int rnd(unsigned int below);
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Ends the walk, unless there are other candidates. */
void fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
void broken(const char *what) __attribute__((noreturn));
size_t content(uint32_t value, char *buf);
void join(char path[PATH_MAX], const char *dir, int name);
bool is_dir(vm_ref ref);
void plant(struct tree *t, enum vm_side side);
const struct place *find(const struct tree *t, vm_ref ref);
int entries(int fd, size_t size, struct entry *out, const char *path);
unsigned int present(enum vm_side side, vm_ref dir);
void compare(enum vm_side side);
void load(int i);
void store(int i);
bool fits(bool alone);
void compare_all(void);
void give_slot(void);

/* ---- model_op.c ---- */

void choose(const struct tree *t, struct op *op);
int expect(enum vm_side side, const struct op *op);
int perform(const struct op *op);
void note_op(const char *prefix, enum vm_side side, const struct tree *t, const struct op *op);
int said(enum vm_side side, const struct op *op, int want, int got);

/* ---- model_phase.c ---- */

void phase(void);

/* ---- model_walk.c ---- */

void close_streams(void);

#endif /* MODEL_WALK_H */
