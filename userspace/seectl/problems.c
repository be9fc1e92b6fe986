// SPDX-License-Identifier: GPL-2.0
/*
 * problems.c - why a commit did not happen, in words
 *
 * The daemon says where and what kind.  What the SEE did there, and what the
 * host has there now, we look up ourselves, with the caller's rights.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <time.h>

#include "json.h"
#include "seectl.h"

static const char *const why_words[] = {
	[SEE_PROBLEM_CONFLICT] = "conflict",
	[SEE_PROBLEM_DENIED] = "denied",
	[SEE_PROBLEM_BUSY] = "busy",
	[SEE_PROBLEM_FAILED] = "failed",
	[SEE_PROBLEM_TORN] = "torn",
};

static const char *why_word(unsigned int why)
{
	return why < ARRAY_SIZE(why_words) && why_words[why] ? why_words[why] : "other";
}

static bool about_host(const struct problem *p)
{
	return p->why == SEE_PROBLEM_CONFLICT || p->why == SEE_PROBLEM_TORN;
}

/* ---- the list ---- */

static void problem_free(struct problem *p)
{
	free(p->path);
	free(p->command);
}

void problems_free(struct problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		problem_free(&problems->problem[i]);
	free(problems->problem);
	*problems = (struct problems) {};
}

/* as in changes.c: gcc 12's analyzer forgets who owns what is behind a callback */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
int problems_add(struct problems *problems, const struct problem *p)
{
	struct problem *more = reallocarray(problems->problem, problems->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	problems->problem = more;
	more[problems->n++] = *p;
	return 0;
}

#pragma GCC diagnostic pop

struct reading {
	const struct see *see;
	struct problems *problems;
};

static int read_problem(const struct see_problem *rec, void *data)
{
	const struct reading *r = data;
	struct problem p = {
		.why = rec->why, .layer = rec->layer, .conflict = rec->conflict,
		.error = rec->error, .pid = rec->pid,
	};
	int err;

	for (size_t i = 0; i < r->see->nlayers && rec->path_len; i++)
		if (r->see->layer[i].index == rec->layer) {
			p.path = path_join(r->see->layer[i].path, rec->path);
			if (!p.path)
				return -ENOMEM;
		}
	err = problems_add(r->problems, &p);
	if (err)
		problem_free(&p);
	return err;
}

int problems_read(const struct see *see, int report, struct problems *problems)
{
	struct reading r = { see, problems };

	return see_problems(report, read_problem, &r);
}

#define ORDER(a, b)	((a) < (b) ? -1 : (a) > (b))

/* what is about the SEE as a whole first, then by path */
static int compare(const void *a, const void *b)
{
	const struct problem *x = a, *y = b;
	int cmp = path_order(x->path ? x->path : "", y->path ? y->path : "");

	if (!cmp)
		cmp = ORDER(x->why, y->why);
	if (!cmp)
		cmp = ORDER(x->pid, y->pid);
	if (!cmp)
		cmp = ORDER(x->conflict, y->conflict);
	return cmp ? cmp : ORDER(x->error, y->error);
}

/* one change may take several steps, each with the same problem */
void problems_sort(struct problems *problems)
{
	size_t to = 0;

	if (problems->n)
		qsort(problems->problem, problems->n, sizeof(*problems->problem), compare);
	for (size_t i = 0; i < problems->n; i++) {
		struct problem *p = &problems->problem[i];

		if (to && !compare(p, &problems->problem[to - 1]))
			problem_free(p);
		else
			problems->problem[to++] = *p;
	}
	problems->n = to;
}

/* ---- what there is to know about each ---- */

/* what the host has now; what the caller may not look at stays unknown */
static void look_at_host(struct problem *p, const char *path)
{
	_cleanup_close_ int fd = open_nofollow(AT_FDCWD, path, O_PATH | O_NOFOLLOW, false);
	struct stat st;

	p->host_known = fd == -ENOENT || fd == -ENOTDIR;
	if (fd < 0 || fstat(fd, &st) < 0)
		return;
	p->host_known = true;
	p->host = (struct side) { st.st_mode, st.st_uid, st.st_gid,
				  S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size };
	p->mtime = st.st_mtime;
}

static int from_path(const void *key, const void *element)
{
	return path_order(key, ((const struct change *)element)->path);
}

/*
 * A name and its object: two changes at most have the same path.  Returns the path
 * on the host.
 */
static const char *look_at_changes(struct problem *p, const struct changes *changes)
{
	const struct change *end = changes->change + changes->n, *c;
	const char *path = p->path;

	c = changes->n ? bsearch(p->path, changes->change, changes->n, sizeof(*c), from_path) : NULL;
	if (!c)
		return path;
	while (c > changes->change && !strcmp(c[-1].path, p->path))
		c--;
	for (; c < end && !strcmp(c->path, p->path) && p->ndid < ARRAY_SIZE(p->did); c++) {
		p->did[p->ndid++] = change_word(c);
		/* a changed object is the host's, wherever that has it */
		if (c->from && c->what & (SEE_CHANGE_DATA | SEE_CHANGE_ATTR))
			path = c->from;
	}
	return path;
}

static char *command_of(unsigned int pid)
{
	_cleanup_free_ char *text = NULL;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%u/comm", pid);
	if (read_file(-1, path, 256, &text, NULL))
		return NULL;
	text[strcspn(text, "\n")] = 0;
	return take_ptr(&text);
}

void problems_explain(struct problems *problems, const struct changes *changes)
{
	for (size_t i = 0; i < problems->n; i++) {
		struct problem *p = &problems->problem[i];

		const char *path = p->path ? look_at_changes(p, changes) : NULL;

		if (path && about_host(p))
			look_at_host(p, path);
		if (p->pid)
			p->command = command_of(p->pid);
	}
}

/* ---- text ---- */

static const char *conflict_sentence(unsigned int conflict)
{
	if (conflict & SEE_CONFLICT_GONE)
		return conflict & SEE_CONFLICT_NAME ?
			"the host removed it, and has something else there" :
			"the host removed it";
	if (conflict & SEE_CONFLICT_NAME)
		return "the host has something else there";
	if (conflict & SEE_CONFLICT_CHANGED)
		return "the host changed it, too";
	if (conflict & SEE_CONFLICT_WEAK)
		return "whether the host changed it cannot be told";
	return "the host is not as it was";
}

static void print_host(FILE *out, const struct problem *p)
{
	char when[32] = "";
	struct tm tm;

	if (!p->host_known || !p->host.mode)
		return;
	if (localtime_r(&p->mtime, &tm))
		strftime(when, sizeof(when), ", of %Y-%m-%d %H:%M:%S", &tm);
	fprintf(out, "; now a %s, %04o %u:%u", type_name(p->host.mode), p->host.mode & 07777,
		p->host.uid, p->host.gid);
	if (S_ISREG(p->host.mode))
		fprintf(out, ", %ju bytes", (uintmax_t)p->host.size);
	fputs(when, out);
}

/* what a process does with a file of the host */
static const char *use_word(const struct problem *p)
{
	switch (p->path ? p->error : 0) {
	case 0:
		return "uses it";
	case ETXTBSY:
		return "has it open for writing";
	case EAGAIN:
		return "has a lock on it on the host, as the SEE had";
	}
	return "uses it on the host";
}

static void print_user(FILE *out, const struct problem *p)
{
	if (p->pid && p->command)
		fprintf(out, "process %u (%s) %s", p->pid, quote(p->command), use_word(p));
	else if (p->pid)
		fprintf(out, "process %u %s", p->pid, use_word(p));
	else if (p->error == EBUSY && p->path)
		fputs("something is mounted on it on the host", out);
	else if (p->error == ESTALE && p->path)
		fputs("it has another name on the host now; look at that in the SEE", out);
	else
		fprintf(out, "somebody %s", use_word(p));
}

static void print_problem(FILE *out, const struct see *see, const struct problem *p)
{
	fprintf(out, "%-8s ", why_word(p->why));
	if (p->path)
		fputs(quote(p->path), out);
	else
		fprintf(out, "SEE %s", see->name);
	for (size_t i = 0; i < p->ndid; i++)
		fprintf(out, "%s%s", i ? ", " : " (", p->did[i]);
	fputs(p->ndid ? "): " : ": ", out);
	switch (p->why) {
	case SEE_PROBLEM_TORN:
		fputs("could not be taken back: ", out);
		/* fall through */
	case SEE_PROBLEM_CONFLICT:
		fputs(conflict_sentence(p->conflict), out);
		print_host(out, p);
		break;
	case SEE_PROBLEM_DENIED:
		fprintf(out, "you may not do that on the host: %s", strerror((int)p->error));
		break;
	case SEE_PROBLEM_BUSY:
		print_user(out, p);
		break;
	default:
		fputs(strerror((int)p->error), out);
	}
	fputc('\n', out);
}

void problems_print(FILE *out, const struct see *see, const struct problems *problems)
{
	for (size_t i = 0; i < problems->n; i++)
		print_problem(out, see, &problems->problem[i]);
}

static size_t count(const struct problems *problems, unsigned int why)
{
	size_t n = 0;

	for (size_t i = 0; i < problems->n; i++)
		n += problems->problem[i].why == why;
	return n;
}

/*
 * It would have bytes of both sides if the SEE has not written all of the file,
 * which we are not told: that has no meaning, and cannot be forced.
 */
static bool perhaps_mixed(const struct problem *p)
{
	bool data = false;

	for (size_t i = 0; i < p->ndid; i++)
		data |= !strcmp(p->did[i], "data");
	return data && p->why == SEE_PROBLEM_CONFLICT && p->conflict & SEE_CONFLICT_CHANGED;
}

static const char *force_advice(const struct problems *problems, bool force)
{
	if (force)
		return "";
	for (size_t i = 0; i < problems->n; i++)
		if (perhaps_mixed(&problems->problem[i]))
			return "; --criterion force lets the SEE win, and keeps what the host has, but not in a file of which the SEE changed only a part";
	return ", or let the SEE win with --criterion force, which keeps what the host has";
}

void problems_advise(const struct see *see, const struct problems *problems, bool force)
{
	if (count(problems, SEE_PROBLEM_CONFLICT))
		remark("conflicts: compare with \"seectl diff %s PATH\", take back with \"seectl revert %s PATH\"%s",
		       see->name, see->name,
		       force_advice(problems, force));
	if (count(problems, SEE_PROBLEM_DENIED))
		remark("denied: have somebody commit who may (root), or take back with \"seectl revert %s PATH\"",
		       see->name);
	if (count(problems, SEE_PROBLEM_BUSY))
		remark("busy: end what uses it (seectl umount, if it is mounted) and try again");
	if (count(problems, SEE_PROBLEM_FAILED))
		remark("failed: remove the cause and try again; \"journalctl -u seed\" may know more");
	if (count(problems, SEE_PROBLEM_TORN))
		remark("torn: what the host made of it stays; what it had before is in /var/lib/see/kept");
}

/* ---- JSON ---- */

static struct json_object *words(const struct problem *p)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < p->ndid; i++)
		json_object_array_add(list, json_object_new_string(p->did[i]));
	return list;
}

static void put_user(struct json_object *json, const struct problem *p)
{
	put_number(json, "pid", p->pid);
	if (p->command) {
		_cleanup_free_ char *text = utf8_lossy(p->command);

		put_text(json, "command", text ? text : "");
	}
}

static struct json_object *problem_json(const struct problem *p)
{
	struct json_object *o = json_object_new_object(), *host;
	const char *name = strerrorname_np((int)p->error);

	put_path(o, "path", p->path);
	put_text(o, "why", why_word(p->why));
	json_object_object_add(o, "changes", words(p));
	put_conflicts(o, about_host(p) ? p->conflict : 0);
	if (about_host(p) && p->host_known) {
		put_side(o, "host", &p->host);
		if (json_object_object_get_ex(o, "host", &host) && host)
			json_object_object_add(host, "mtime", json_object_new_int64(p->mtime));
	}
	if (p->error)
		put_text(o, "error", name ? name : "unknown");
	if (p->pid)
		put_user(o, p);
	return o;
}

struct json_object *problems_json(const struct problems *problems)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < problems->n; i++)
		json_object_array_add(list, problem_json(&problems->problem[i]));
	return list;
}
