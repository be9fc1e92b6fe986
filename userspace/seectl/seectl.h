/* SPDX-License-Identifier: GPL-2.0 */
/*
 * seectl: one file for each verb, one table (main.c).  What several verbs use:
 *
 * text.c     quoting, modes, sizes, error messages
 * client.c   /dev/see: opening SEEs, their layers
 * cover.c    which directories a new SEE covers
 * changes.c  the list of changes, with what born directories contain
 * commit.c   commit and check
 * problems.c why a commit did not happen, in words
 * json.c     what the JSON of several verbs is made of
 * policy.c   a place for policy-rc.d
 * confine.c  system call filter, user name space
 * stage.c    the file tree of a SEE, in the child
 * streams.c  standard input, output and error of the command
 * net.c      networks of a SEE
 */
#ifndef SEECTL_H
#define SEECTL_H

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "libsee.h"
#include "mountinfo.h"
#include "util.h"

#define EXIT_SEECTL	125	/* seectl itself failed */
#define EXIT_REFUSED	3	/* a commit was refused; nothing was changed */
#define EXIT_TORN	4	/* it failed, and not all of it could be taken back */

/* ---- text.c ---- */

/* "seectl: ..." on standard error; returns EXIT_SEECTL */
int complain(const char *format, ...) _printf_(1, 2);
/* what is not an error: "seectl: ..." on standard error */
void remark(const char *format, ...) _printf_(1, 2);
/*
 * A path or name that a SEE may have chosen, fit for a terminal: control
 * characters, backslashes, what is not UTF-8 and what turns the direction of
 * writing come as \ooo.  The result is in one of a few buffers that are used in
 * turn, or allocated by quote_dup().
 */
const char *quote(const char *text);
/* the same for a column: a blank is \040, nothing at all "-" */
const char *quote_word(const char *text);
char *quote_dup(const char *text);
/* a size in bytes, or with K, M, G or T; -EINVAL, or -ERANGE for 0 and too much */
int parse_size(const char *text, uint64_t *size);
bool utf8_valid(const char *text);
/* U+FFFD for what is not UTF-8 */
char *utf8_lossy(const char *text);
/* "file", "directory"... */
/* @path from the working directory, without ".", ".." and "//"; nothing is looked up */
char *absolute_path(const char *path);
const char *type_name(unsigned int mode);

/* ---- client.c ---- */

/**
 * struct layer - a layer of an open SEE
 * @index: in the SEE
 * @flags: SEE_LAYER_*
 * @path: of the directory that it covers
 * @fd: detached mount, or -1
 */
struct layer {
	unsigned int index;
	unsigned int flags;
	char *path;
	int fd;
};

/**
 * struct see - an open SEE
 * @dev: descriptor of /dev/see
 * @fd: of the SEE
 * @name: its name
 * @layers: outer ones first
 */
struct see {
	int dev;
	int fd;
	char name[SEE_NAME_MAX + 1];
	struct layer *layer;
	size_t nlayers;
};

#define SEE_INIT	{ .dev = -1, .fd = -1 }

void see_close(struct see *see);
/* these complain themselves and return EXIT_SEECTL, or 0 */
int client_device(struct see *see);
int client_open(struct see *see, const char *name);
/* without its layers, if they are not mounted: for what can do without */
int client_open_bare(struct see *see, const char *name);
/* -ENOENT without a complaint if there is none */
int client_try_open(struct see *see, const char *name, unsigned int flags);
int client_layers(struct see *see);
int client_mount(struct see *see, struct layer *layer);
/* let go of all mounts, which would keep the SEE in use */
void client_release(struct see *see);
/* the layer in which @path lies, or NULL */
struct layer *client_layer_of(struct see *see, const char *path);
/* answer for errors of libsee: explains @err, or repeats what the daemon said */
int client_complain(const char *what, int err, const char *message);
/* number of processes in a SEE, or a negative errno */
int client_processes(uint64_t id);
const char *state_name(unsigned int state);

/* ---- cover.c ---- */

struct cover;

/*
 * @over: directories that shall be writable; none: all, if the caller is root
 * @size: bytes that the SEE may occupy, or 0
 */
int cover_create(struct see *see, const char *name, char *const *over, size_t nover,
		 uint64_t size);

/* ---- changes.c ---- */

/* one side of a change */
struct side {
	unsigned int mode;	/* 0: absent or unknown */
	unsigned int uid;
	unsigned int gid;
	uint64_t size;
};

/**
 * struct change - a change, with absolute paths
 * @what: SEE_CHANGE_*
 * @conflict: SEE_CONFLICT_*
 * @layer: index of its layer
 * @old: on the host, when it was first changed
 * @new: in the SEE
 * @path: in the SEE
 * @from: on the host, if it is another; else NULL
 * @command: what the process that did it first called itself; empty if not known
 */
struct change {
	unsigned int what;
	unsigned int conflict;
	unsigned int layer;
	struct side old;
	struct side new;
	char *path;
	char *from;
	char command[SEE_COMMAND_MAX + 1];
};

/**
 * struct changes - changes of a SEE
 * @change: sorted by path
 * @n: of @change
 * @size: how many there is room for
 * @placeholder: there was one of policy.c, which is never listed
 */
struct changes {
	struct change *change;
	size_t n;
	size_t size;
	bool placeholder;
};

/* only those in @under, if it is not NULL; complains itself */
int changes_read(struct see *see, const char *under, struct changes *changes);
/* as the kernel has them: a born directory without what it contains; mounts nothing */
int changes_list(struct see *see, struct changes *changes);
/* the bytes that the objects occupy that were made in the SEE; complains itself */
int changes_born(struct see *see, uint64_t *bytes);
void changes_free(struct changes *changes);
/* "made", "removed"...: the word for a change of a name or an object */
const char *change_word(const struct change *c);
/* what the host did since the first change, in a word for each bit; ends with no word */
struct conflict_word {
	unsigned int bit;
	const char *word;
};

extern const struct conflict_word conflict_words[];
/* as strcmp(), but a directory is followed by what is in it */
int path_order(const char *a, const char *b);

/* ---- problems.c ---- */

/**
 * struct problem - why a commit did not happen
 * @why: SEE_PROBLEM_*
 * @layer: index of its layer
 * @conflict: SEE_CONFLICT_*
 * @error: an errno, positive
 * @pid: of who uses it, or 0
 * @path: in the SEE, or NULL: it is about the SEE as a whole
 * @command: name of @pid's, if known
 * @did: words for what the SEE did there
 * @ndid: of @did
 * @host_known: could @host be looked at?
 * @host: what the host has there now
 * @mtime: of that
 */
struct problem {
	unsigned int why;
	unsigned int layer;
	unsigned int conflict;
	unsigned int error;
	unsigned int pid;
	char *path;
	char *command;
	const char *did[2];
	size_t ndid;
	bool host_known;
	struct side host;
	time_t mtime;
};

struct problems {
	struct problem *problem;
	size_t n;
};

/* from a report of the daemon */
int problems_read(const struct see *see, int report, struct problems *problems);
/* takes over the strings of @p, unless it fails */
int problems_add(struct problems *problems, const struct problem *p);
void problems_free(struct problems *problems);
/* by path, each once */
void problems_sort(struct problems *problems);
/* find out what the SEE did there, what the host has, and who uses it */
void problems_explain(struct problems *problems, const struct changes *changes);
/* a line for each */
void problems_print(FILE *out, const struct see *see, const struct problems *problems);
/* what can be done about them; @force: the criterion was that already */
void problems_advise(const struct see *see, const struct problems *problems, bool force);
struct json_object;
struct json_object *problems_json(const struct problems *problems);

/* ---- commit.c ---- */

/**
 * struct commit - how to commit
 * @criterion: SEE_CRITERION_*
 * @flags: SEE_COMMIT_*
 * @json: print the answer as JSON
 * @in_run: standard output is the command's
 */
struct commit {
	unsigned int criterion;
	unsigned int flags;
	bool json;
	bool in_run;
};

/* @word: or NULL; complains itself */
int criterion_parse(const char *verb, const char *word, unsigned int *criterion);
/* 0, EXIT_REFUSED, EXIT_TORN, or EXIT_SEECTL; says what came of it */
int commit_see(struct see *see, const struct commit *how);
/* commit and check; @flags: SEE_COMMIT_* */
int commit_verb(int argc, char **argv, unsigned int flags);

/* ---- revert.c ---- */

char *revert_line(const struct layer *l, const char *path);

/* ---- policy.c ---- */

/* what seectl itself puts there for the time of a run */
#define POLICY_PATH	"/usr/sbin/policy-rc.d"

/**
 * struct policy - our use of that place
 * @dir: its directory in the SEE, or -1
 * @file: the file that we made, or share, or -1
 */
struct policy {
	int dir;
	int file;
};

#define POLICY_INIT	{ .dir = -1, .file = -1 }

/* is there something to mount over? */
bool policy_start(struct see *see, struct policy *p);
void policy_stop(struct policy *p);
/* before a commit: remove what a killed run left, and others use; complains itself */
int policy_sweep(struct see *see);

/* ---- confine.c ---- */

/* descriptor of the compiled system call filter, or a negative errno */
int confine_filter(void);
/* is the caller real root, who gets capabilities in the SEE? */
bool confine_as_root(void);
/* give @pid, which has unshared, its ids */
int confine_map_ids(pid_t pid);
/* --cap-drop, --cap-add of bubblewrap; NULL terminated */
extern const char *const confine_capabilities[];

/* ---- net.c ---- */

enum net { NET_NONE, NET_USER };

/* bring up the loopback device of our name space */
int net_loopback(void);
/* connect the network of @pid to the outside until @net is closed; complains itself */
int net_start(pid_t pid, int *net);

/* ---- streams.c ---- */

#define STREAMS	3

/* a pipe from the command to a file that seectl writes to; -1: closed */
struct relay {
	int from;
	int give;
};

/**
 * struct streams - what the command has as standard input, output and error
 * @relay: by descriptor, that of the file
 * @by: whose relay each has, or -1: none
 * @lost: something could not be written
 */
struct streams {
	struct relay relay[STREAMS];
	int by[STREAMS];
	bool lost;
};

#define STREAMS_INIT	{ .relay = { { -1, -1 }, { -1, -1 }, { -1, -1 } } }

/* before the child is made; complains itself */
int streams_open(struct streams *s);
/* in the child, when the host's mounts are read-only; complains itself */
int streams_give(const struct streams *s);
/* the child has its side */
void streams_given(struct streams *s);
/* there is something to copy from relay @i, or its end */
void streams_copy(struct streams *s, int i);
/* the command and all that it left are gone: copy the rest; false if something was lost */
bool streams_finish(struct streams *s);
void streams_close(struct streams *s);

/* ---- stage.c ---- */

/**
 * struct stage - what the child needs to become the command
 * @see: with a mount of each layer
 * @streams: what the command has as standard streams
 * @filter: descriptor of the system call filter
 * @started: one end of a pair of sockets, written to by what becomes the command
 * @info: write end of a pipe, in which bubblewrap says what it started
 * @policy: is there something to put policy-rc.d over?
 * @ignored: signals that the caller ignores, by bits
 * @cwd: working directory
 * @argv: the command
 */
struct stage {
	struct see *see;
	const struct streams *streams;
	int filter;
	int started;
	int info;
	bool policy;
	unsigned int ignored;
	const char *cwd;
	char *const *argv;
};

/* unshare name spaces, in the child; complains itself */
int stage_unshare(void);
/* build the tree and execute; returns only on failure, having complained */
int stage_exec(const struct stage *stage);
/* signals that are handed on or left to the command */
#define SIGNAL_BIT(n)	(1U << (n))

/* ---- verbs ---- */

int verb_run(int argc, char **argv);
int verb_create(int argc, char **argv);
int verb_mount(int argc, char **argv);
int verb_umount(int argc, char **argv);
int verb_list(int argc, char **argv);
int verb_status(int argc, char **argv);
int verb_inspect(int argc, char **argv);
int verb_diff(int argc, char **argv);
int verb_check(int argc, char **argv);
int verb_commit(int argc, char **argv);
int verb_revert(int argc, char **argv);
int verb_abort(int argc, char **argv);

/* --size @text of a verb; complains itself */
int size_option(const char *verb, const char *text, uint64_t *size);
/* one line of usage of a verb on standard error; returns EXIT_SEECTL */
int usage_error(const char *verb, const char *format, ...) _printf_(2, 3);
/* what run offers at its end, too */
int print_changes(struct see *see, const char *under);
int abort_see(struct see *see);

#endif
