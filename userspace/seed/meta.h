/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the daemon keeps of a SEE in its store, as text:
 *
 *	see-meta 1
 *	incompat 0
 *	id 7
 *	name build
 *	owner 1000
 *	created 1700000000
 *	size 0
 *	state kept
 *	layer w 1 0c00000002000000 /var/lib/see /
 *	layer r 1 0c00000003000000 /var/lib/see /home
 *	end
 *
 * One word, one blank; blanks, backslashes and what is not printable in paths
 * as \ooo.  A layer line has: w or r (writable or read-only), type and bytes of
 * the file handle of the directory that it covers, the directory in which the
 * SEE's private trees on that file system lie, and the directory covered.
 * Unknown lines are ignored; a bit in "incompat" that is not known refuses the
 * file.  "end" tells that it is whole.
 */
#ifndef SEED_META_H
#define SEED_META_H

#include <linux/see.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define META_MAX	(1U << 20)	/* bytes of a file */
#define HANDLE_MAX	128		/* bytes of a file handle, MAX_HANDLE_SZ */

/* identity of a directory of the host */
struct handle {
	int type;
	unsigned int len;
	unsigned char bytes[HANDLE_MAX];
};

/**
 * struct meta_layer - a layer
 * @flags: SEE_LAYER_*
 * @handle: of the directory that it covers
 * @base: the directory that holds the SEE's part of the store: BASE/ID/INDEX
 * @path: what it covers
 */
struct meta_layer {
	unsigned int flags;
	struct handle handle;
	char *base;
	char *path;
};

/**
 * struct meta - a SEE
 * @size: bytes that it may occupy, 0 for no limit
 * @aborting: an abort has begun; nothing but finishing it is possible
 */
struct meta {
	uint64_t id;
	uint64_t created;
	uint64_t size;
	uint32_t owner;
	int aborting;
	char name[SEE_NAME_MAX + 1];
	unsigned int nlayers;
	struct meta_layer layer[SEE_LAYERS_MAX];
};

/* -EBADMSG: damaged; -EOPNOTSUPP: of a newer version.  meta_free() either way. */
int meta_parse(struct meta *m, const char *text, size_t len);
/* the text of @m, or NULL without memory */
char *meta_format(const struct meta *m);
/* a path as it stands there; the list of what is kept has it like that, too */
void meta_put_path(FILE *f, const char *path);
void meta_free(struct meta *m);

#endif
