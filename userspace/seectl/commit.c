// SPDX-License-Identifier: GPL-2.0
/* commit.c - seectl commit, and what check and run have in common with it */
#define _GNU_SOURCE
#include <fcntl.h>
#include <getopt.h>

#include "json.h"
#include "seectl.h"

/* ---- criteria ---- */

#define CRITERIA \
	"writes (refused if the host changed what the SEE changed) or force (the SEE wins; what the host had is kept)"

static const char *const criterion_words[] = {
	[SEE_CRITERION_SERIALIZABLE] = "serializable",
	[SEE_CRITERION_WRITES] = "writes",
	[SEE_CRITERION_FORCE] = "force",
};

int criterion_parse(const char *verb, const char *word, unsigned int *criterion)
{
	unsigned int i = 0;

	if (!word)
		return usage_error(verb, "--criterion is needed: " CRITERIA);
	while (i < ARRAY_SIZE(criterion_words) && strcmp(word, criterion_words[i]))
		i++;
	if (i == ARRAY_SIZE(criterion_words))
		return usage_error(verb, "--criterion %s: there are " CRITERIA, quote(word));
	if (i == SEE_CRITERION_SERIALIZABLE)
		return usage_error(verb, "--criterion serializable: what a SEE reads is not recorded yet; there are "
				   CRITERIA);
	*criterion = i;
	return 0;
}

/* ---- the request ---- */

struct roots {
	struct see_commit_root root[SEE_LAYERS_MAX];
	unsigned int n;
};

static void close_roots(struct roots *roots)
{
	for (unsigned int i = 0; i < roots->n; i++)
		close_fd(&roots->root[i].fd);
}

/* the directories that the writable layers cover: on their mounts, as us */
static int open_roots(const struct see *see, struct roots *roots)
{
	for (size_t i = 0; i < see->nlayers; i++) {
		const struct layer *l = &see->layer[i];
		int fd;

		if (!(l->flags & SEE_LAYER_WRITE))
			continue;
		if (roots->n == ARRAY_SIZE(roots->root))
			return complain("SEE %s has too many layers", see->name);
		fd = open_nofollow(AT_FDCWD, l->path, O_PATH | O_DIRECTORY, false);
		if (fd < 0)
			return complain("%s, which SEE %s covers, cannot be opened: %s",
					quote(l->path), see->name, strerror(-fd));
		roots->root[roots->n++] = (struct see_commit_root) { l->index, fd };
	}
	return 0;
}

/**
 * struct verdict - what came of a commit
 * @outcome: SEE_OUTCOME_*
 * @changes: what the SEE changed, before
 * @problems: why it did not happen
 * @message: of the daemon
 */
struct verdict {
	unsigned int outcome;
	struct changes changes;
	struct problems problems;
	char message[SEE_MESSAGE_MAX + 1];
};

static void verdict_free(struct verdict *v)
{
	changes_free(&v->changes);
	problems_free(&v->problems);
}

/* for people who wait; nothing is left of it */
static void progress(const struct see *see, const struct verdict *v, bool begin)
{
	if (!isatty(2))
		return;
	if (begin)
		fprintf(stderr, "seectl: committing SEE %s, %zu change%s...", see->name,
			v->changes.n, v->changes.n == 1 ? "" : "s");
	else
		fputs("\r\033[K", stderr);
	fflush(stderr);
}

static int failed(const struct see *see, int err, const char *message)
{
	char what[128];

	if (err == -EOWNERDEAD && !message[0])
		return complain("the daemon died while SEE %s was committed: as soon as it runs again (systemctl start seed) all of the commit is finished or taken back; \"seectl status %s\" shows whether there are changes left",
				see->name, see->name);
	snprintf(what, sizeof(what), "SEE %s cannot be committed", see->name);
	return client_complain(what, err, message);
}

/* what a report says; one that is refused without is in use */
static int read_report(const struct see *see, int report, struct verdict *v)
{
	const struct problem in_use = { .why = SEE_PROBLEM_BUSY };
	int err = report >= 0 ? problems_read(see, report, &v->problems) : 0;

	if (!err && v->outcome == SEE_OUTCOME_REFUSED && !v->problems.n)
		err = problems_add(&v->problems, &in_use);
	if (err)
		return complain("SEE %s is not committed; why cannot be read: %s", see->name,
				strerror(-err));
	problems_sort(&v->problems);
	problems_explain(&v->problems, &v->changes);
	return 0;
}

static int request(struct see *see, unsigned int criterion, unsigned int flags, struct verdict *v)
{
	_cleanup_(close_roots) struct roots roots = {};
	_cleanup_close_ int report = -1;
	int err = client_layers(see);

	if (!err)
		err = changes_list(see, &v->changes);
	if (!err)
		err = open_roots(see, &roots);
	if (err)
		return err;
	if (v->changes.placeholder && !(flags & SEE_COMMIT_CHECK))
		err = policy_sweep(see);
	client_release(see);
	if (err)
		return err;
	progress(see, v, true);
	err = see_commit(see->fd, roots.root, roots.n, criterion, flags, &v->outcome, &report,
			 v->message);
	progress(see, v, false);
	if (err == -EBUSY)
		v->outcome = SEE_OUTCOME_REFUSED;
	else if (err)
		return failed(see, err, v->message);
	return read_report(see, report, v);
}

/* ---- the answer ---- */

static const char *outcome_word(unsigned int outcome, bool check)
{
	static const char *const words[] = {
		[SEE_OUTCOME_REFUSED] = "refused",
		[SEE_OUTCOME_DONE] = "done",
		[SEE_OUTCOME_TORN] = "torn",
	};

	if (check && outcome == SEE_OUTCOME_DONE)
		return "possible";
	return outcome < ARRAY_SIZE(words) ? words[outcome] : "unknown";
}

static void answer_json(const struct see *see, const struct commit *how, const struct verdict *v)
{
	struct json_object *top = json_object_new_object();

	put_number(top, "version", 1);
	put_text(top, "name", see->name);
	put_text(top, "criterion", criterion_words[how->criterion]);
	put_text(top, "outcome", outcome_word(v->outcome, how->flags & SEE_COMMIT_CHECK));
	put_number(top, "changes", v->changes.n);
	json_object_object_add(top, "problems", problems_json(&v->problems));
	put_json(top);
}

static void answer_done(const struct see *see, const struct commit *how, const struct verdict *v)
{
	FILE *out = how->in_run ? stderr : stdout;

	fprintf(out, how->flags & SEE_COMMIT_CHECK ?
		"%sSEE %s can be committed: %zu change%s\n" : "%sSEE %s is committed: %zu change%s\n",
		how->in_run ? "seectl: " : "", see->name, v->changes.n,
		v->changes.n == 1 ? "" : "s");
	/* what was kept, and where */
	if (v->message[0])
		remark("%s", quote(v->message));
}

static void answer_list(const struct see *see, const struct commit *how, const struct verdict *v)
{
	FILE *out = how->in_run ? stderr : stdout;
	const char *what = v->outcome == SEE_OUTCOME_TORN ?
		"is not committed; it was taken back, but for what is torn" :
		how->flags & SEE_COMMIT_CHECK ? "cannot be committed" :
		"is not committed; nothing was changed on the host";

	remark("SEE %s %s%s%s", see->name, what, v->message[0] ? ": " : "", quote(v->message));
	problems_print(out, see, &v->problems);
	fflush(out);
	problems_advise(see, &v->problems, how->criterion == SEE_CRITERION_FORCE);
}

int commit_see(struct see *see, const struct commit *how)
{
	_cleanup_(verdict_free) struct verdict v = {};
	int err = request(see, how->criterion, how->flags, &v);

	if (err)
		return err;
	if (how->json)
		answer_json(see, how, &v);
	else if (v.outcome == SEE_OUTCOME_DONE)
		answer_done(see, how, &v);
	else
		answer_list(see, how, &v);
	switch (v.outcome) {
	case SEE_OUTCOME_DONE:
		return 0;
	case SEE_OUTCOME_TORN:
		return EXIT_TORN;
	default:
		return EXIT_REFUSED;
	}
}

/* ---- verbs ---- */

int commit_verb(int argc, char **argv, unsigned int flags)
{
	static const struct option options[] = {
		{ "criterion", required_argument, NULL, 'c' },
		{ "json", no_argument, NULL, 'j' },
		{}
	};
	_cleanup_(see_close) struct see see = SEE_INIT;
	struct commit how = { .flags = flags };
	const char *verb = argv[0], *word = NULL;
	int c, err;

	opterr = 0;
	optind = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			word = optarg;
			break;
		case 'j':
			how.json = true;
			break;
		case ':':
			return usage_error(verb, "%s needs an argument", quote(argv[optind - 1]));
		default:
			return usage_error(verb, "unknown option %s", quote(argv[optind - 1]));
		}
	}
	if (argc - optind != 1)
		return usage_error(verb, "one NAME");
	err = criterion_parse(verb, word, &how.criterion);
	if (!err)
		err = client_open(&see, argv[optind]);
	return err ? err : commit_see(&see, &how);
}

int verb_commit(int argc, char **argv)
{
	return commit_verb(argc, argv, 0);
}
