/* SPDX-License-Identifier: GPL-2.0 */
/*
 * view_model.h - an executable model of the view: rules 1 to 8 of Documentation/view.rst
 *
 * Nothing of the module is in it: objects, names, and what the two sides, host and
 * SEE, do to them.  Both take the same operations; each returns the errno of Linux, 0
 * if it was done, or VM_OPEN if the rules leave open what the SEE shows then.  A model
 * is plain data: copy it to try something, and copy it back.  Two that are equal by
 * memcmp() show the same, now and after whatever follows.
 */
#ifndef VIEW_MODEL_H
#define VIEW_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#define VM_NAMES	7	/* names that there can be in a directory */
#define VM_NODES	256	/* objects at a time; 0 is none, VM_ROOT the root */
#define VM_ROOT		1
#define VM_OPEN		(-1)

enum vm_side { VM_HOST, VM_SEE };

enum vm_kind { VM_FILE, VM_DIR, VM_LINK, VM_FIFO };

/* What can be changed: values are the caller's, but 0 is what a new object has. */
enum vm_attr { VM_DATA, VM_MODE, VM_OWNER, VM_XATTR, VM_ATTRS };

enum vm_flags { VM_NOREPLACE = 1, VM_EXCHANGE = 2 };

typedef uint8_t vm_ref;

struct vm_node {
	uint32_t id;		/* never used again; 0: a free slot */
	uint8_t kind;
	bool host;		/* an object of the host, or born in the SEE */
	uint8_t nhost;		/* names on the host */
	uint8_t given;		/* names that the SEE gave it */
	uint32_t attr[VM_ATTRS];	/* the host's, or all there is */
	vm_ref names[VM_NAMES];	/* of a directory, likewise */

	/* what the SEE says of an object of the host */
	bool touched;
	uint8_t said;		/* attributes that it set, by bits: they are in mine */
	uint8_t open;		/* those that the host changed after that */
	uint32_t mine[VM_ATTRS];
	vm_ref place_dir;	/* where the host had it when the SEE first changed it, */
	uint8_t place_name;	/* or gave it a name */
	bool changed;		/* it, or names in it */
	uint8_t over;		/* names that the SEE made or removed, by bits */
	uint8_t had;		/* those of them that the host had */
	vm_ref to[VM_NAMES];	/* what they stand for, 0: removed */
	vm_ref kept[VM_NAMES];	/* rule 6: changed objects by their places */
};

struct vm {
	struct vm_node node[VM_NODES];
	vm_ref slot;		/* where an object is to be born, */
	uint32_t id;		/* as what */
};

void vm_init(struct vm *m);

/* What the next operation makes, if something, goes into this free slot. */
void vm_next(struct vm *m, vm_ref slot, uint32_t id);

/* Forget objects that nothing leads to any more, but those in pinned[]. */
void vm_collect(struct vm *m, const vm_ref *pinned, int npinned);
/* The layer is mounted again. */
void vm_remount(struct vm *m);
int vm_free_slots(const struct vm *m);

/* What a side shows. */
vm_ref vm_lookup(const struct vm *m, enum vm_side side, vm_ref dir, int name);
/* Is it there by rule 6, though the host has it no more? */
bool vm_kept(const struct vm *m, vm_ref dir, int name);
bool vm_empty(const struct vm *m, enum vm_side side, vm_ref dir);
/* False if the value is open. */
bool vm_seen(const struct vm *m, enum vm_side side, vm_ref node, enum vm_attr what,
	     uint32_t *value);
void vm_links(const struct vm *m, enum vm_side side, uint32_t links[VM_NODES]);
/* Does a directory appear twice in the SEE, or not where it must? */
bool vm_tangled(const struct vm *m);
/* Does a side show a directory? */
bool vm_reached(const struct vm *m, enum vm_side side, vm_ref dir);
/* Has it no name on the host, and none that the SEE gave? */
bool vm_nameless(const struct vm *m, vm_ref dir);

int vm_make(struct vm *m, enum vm_side side, vm_ref dir, int name, enum vm_kind kind,
	    uint32_t data);
int vm_write(struct vm *m, enum vm_side side, vm_ref dir, int name, uint32_t data);
int vm_set(struct vm *m, enum vm_side side, vm_ref dir, int name, enum vm_attr what,
	   uint32_t value);
/* The same of an object that was looked up by a name, which it may have lost since. */
int vm_change(struct vm *m, enum vm_side side, vm_ref dir, int name, vm_ref ref,
	      enum vm_attr what, uint32_t value);
int vm_link(struct vm *m, enum vm_side side, vm_ref from, int old, vm_ref dir, int name);
int vm_unlink(struct vm *m, enum vm_side side, vm_ref dir, int name);
int vm_rmdir(struct vm *m, enum vm_side side, vm_ref dir, int name);
int vm_rename(struct vm *m, enum vm_side side, vm_ref from, int old, vm_ref to, int name,
	      int flags);

#endif /* VIEW_MODEL_H */
