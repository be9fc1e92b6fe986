// SPDX-License-Identifier: GPL-2.0
/* inspect.c - seectl inspect: what a SEE changed */
#define _GNU_SOURCE
#include <getopt.h>

#include "json.h"
#include "seectl.h"

/* ---- text ---- */

/* "4755" or, if the sides differ, "644>755" */
static void put_pair(int width, const char *format, bool both, uint64_t old, uint64_t new)
{
	char a[24], b[24], text[52];

	snprintf(a, sizeof(a), format[0] == 'o' ? "%04jo" : "%ju", (uintmax_t)old);
	snprintf(b, sizeof(b), format[0] == 'o' ? "%04jo" : "%ju", (uintmax_t)new);
	if (both && old != new)
		snprintf(text, sizeof(text), "%s>%s", a, b);
	else
		snprintf(text, sizeof(text), "%s", b);
	printf(" %*s", width, text);
}

static void put_owner(bool both, const struct side *old, const struct side *new)
{
	char text[64];

	if (both && (old->uid != new->uid || old->gid != new->gid))
		snprintf(text, sizeof(text), "%u:%u>%u:%u", old->uid, old->gid, new->uid, new->gid);
	else
		snprintf(text, sizeof(text), "%u:%u", new->uid, new->gid);
	printf(" %-9s", text);
}

static void print_change(const struct change *c)
{
	/* of what is gone, what it was */
	const struct side *now = c->new.mode ? &c->new : &c->old;
	bool both = c->new.mode && c->old.mode;

	printf("%-8s %-9s", change_word(c), type_name(now->mode));
	put_pair(9, "o", both, c->old.mode & 07777, now->mode & 07777);
	put_owner(both, &c->old, now);
	put_pair(10, "d", both, c->old.size, now->size);
	printf(" %-12s %s", quote_word(c->command), quote(c->path));
	if (c->from)
		printf(" (on the host: %s)", quote(c->from));
	if (c->conflict) {
		printf(" [conflict:");
		for (const struct conflict_word *w = conflict_words; w->word; w++)
			if (c->conflict & w->bit)
				printf(" %s", w->word);
		putchar(']');
	}
	putchar('\n');
}

/* ---- summary ---- */

struct count {
	size_t made;
	size_t changed;
	size_t removed;
};

static void add_to(struct count *n, const struct change *c)
{
	if (c->what & SEE_CHANGE_NAME_REMOVED)
		n->removed++;
	else if (c->what & (SEE_CHANGE_NAME_MADE | SEE_CHANGE_NAME_LINKED | SEE_CHANGE_NAME_KEPT) &&
		 !(c->what & SEE_CHANGE_NAME_REPLACED))
		n->made++;
	else
		n->changed++;
}

static size_t parent_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash > path ? (size_t)(slash - path) : 1;
}

static int by_parent(const void *a, const void *b)
{
	const struct change *x = a, *y = b;
	size_t m = parent_len(x->path), n = parent_len(y->path);
	int cmp = memcmp(x->path, y->path, m < n ? m : n);

	return cmp ? cmp : (m > n) - (m < n);
}

static void print_count(const struct count *n, const char *name)
{
	printf("%8zu %8zu %8zu  %s\n", n->made, n->changed, n->removed, name);
}

static int print_summary(struct changes *changes)
{
	struct count all = {};

	printf("%8s %8s %8s\n", "made", "changed", "removed");
	if (changes->n)
		qsort(changes->change, changes->n, sizeof(*changes->change), by_parent);
	for (size_t i = 0; i < changes->n;) {
		const char *path = changes->change[i].path;
		_cleanup_free_ char *dir = strndup(path, parent_len(path));
		struct count n = {};
		size_t first = i;

		if (!dir)
			return complain("out of memory");
		for (; i < changes->n && !by_parent(&changes->change[first], &changes->change[i]); i++) {
			add_to(&n, &changes->change[i]);
			add_to(&all, &changes->change[i]);
		}
		print_count(&n, quote(dir));
	}
	print_count(&all, "in all");
	return 0;
}

/* ---- JSON ---- */

struct json_object *change_json(const struct change *c)
{
	struct json_object *o = json_object_new_object();

	put_path(o, "path", c->path);
	put_text(o, "change", change_word(c));
	put_side(o, "old", &c->old);
	put_side(o, "new", &c->new);
	if (c->from)
		put_path(o, "host_path", c->from);
	put_conflicts(o, c->conflict);
	put_path(o, "command", *c->command ? c->command : NULL);
	return o;
}

static void print_json(const struct see *see, const struct changes *changes)
{
	struct json_object *top = json_object_new_object(), *list = json_object_new_array();

	put_number(top, "version", 1);
	put_text(top, "name", see->name);
	for (size_t i = 0; i < changes->n; i++)
		json_object_array_add(list, change_json(&changes->change[i]));
	json_object_object_add(top, "changes", list);
	put_json(top);
}

/* ---- verb ---- */

int print_changes(struct see *see, const char *under)
{
	_cleanup_(changes_free) struct changes changes = {};
	int err = changes_read(see, under, &changes);

	for (size_t i = 0; !err && i < changes.n; i++)
		print_change(&changes.change[i]);
	return err;
}

int verb_inspect(int argc, char **argv)
{
	static const struct option options[] = {
		{ "summary", no_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{}
	};
	_cleanup_(see_close) struct see see = SEE_INIT;
	_cleanup_(changes_free) struct changes changes = {};
	_cleanup_free_ char *under = NULL;
	int c, how = 0, err;

	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (c != 's' && c != 'j')
			return usage_error("inspect", "unknown option %s", quote(argv[optind - 1]));
		if (how && how != c)
			return usage_error("inspect", "--summary and --json: one of them");
		how = c;
	}
	if (argc - optind < 1 || argc - optind > 2)
		return usage_error("inspect", "one NAME, and perhaps a PATH");
	if (argc - optind == 2) {
		under = absolute_path(argv[optind + 1]);
		if (!under)
			return complain("%s: %s", quote(argv[optind + 1]), strerror(errno));
	}
	err = client_open(&see, argv[optind]);
	if (err)
		return err;
	if (!how)
		return print_changes(&see, under);
	err = changes_read(&see, under, &changes);
	if (err)
		return err;
	if (how == 's')
		return print_summary(&changes);
	print_json(&see, &changes);
	return 0;
}
