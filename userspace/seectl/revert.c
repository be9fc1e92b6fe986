// SPDX-License-Identifier: GPL-2.0
/* revert.c - seectl revert: take single changes of a SEE back */
#define _GNU_SOURCE
#include <sys/mman.h>

#include "seectl.h"

/* "LAYER PATH", as struct see_revert wants it: all of @path that lies in @l */
char *revert_line(const struct layer *l, const char *path)
{
	const char *below = path_inside(path, l->path) ? path + strlen(l->path) : "";
	char *line;

	while (*below == '/')
		below++;
	return asprintf(&line, "%u %s", l->index, below) < 0 ? NULL : line;
}

static bool has_changes(const struct changes *changes, const struct layer *l, const char *path)
{
	for (size_t i = 0; i < changes->n; i++)
		if (changes->change[i].layer == l->index &&
		    path_inside(changes->change[i].path, path))
			return true;
	return false;
}

/* the directory that the SEE made in which @path lies, if any */
static const char *born_above(const struct changes *changes, const char *path)
{
	for (size_t i = 0; i < changes->n; i++) {
		const struct change *c = &changes->change[i];

		if (c->what & SEE_CHANGE_NAME_MADE && S_ISDIR(c->new.mode) &&
		    path_inside(path, c->path))
			return c->path;
	}
	return NULL;
}

static int not_changed(const struct see *see, const struct changes *changes, const char *path)
{
	const char *born = born_above(changes, path);

	if (born)
		return complain("%s is part of %s, which the SEE made; revert that, or remove it in the SEE: seectl run %s -- rm -r PATH",
				quote(path), quote(born), see->name);
	return complain("nothing is changed at or below %s; \"seectl inspect %s\" lists what is",
			quote(path), see->name);
}

/* a line for each layer that has changes at or below a path */
static int add_lines(struct see *see, const struct changes *changes, const char *path, int lines)
{
	bool found = false;

	for (size_t i = 0; i < see->nlayers; i++) {
		_cleanup_free_ char *line = NULL;
		int err;

		if (!has_changes(changes, &see->layer[i], path))
			continue;
		found = true;
		line = revert_line(&see->layer[i], path);
		err = line ? write_all(lines, line, strlen(line) + 1) : -ENOMEM;
		if (err)
			return complain("%s: %s", quote(path), strerror(-err));
	}
	return found ? 0 : not_changed(see, changes, path);
}

static int revert(struct see *see, int lines)
{
	char message[SEE_MESSAGE_MAX + 1], what[128];
	unsigned int count;
	int err = see_revert(see->fd, lines, &count, message);

	if (err) {
		snprintf(what, sizeof(what), "nothing was taken back in SEE %s", see->name);
		return client_complain(what, err, message);
	}
	printf("%u change%s of SEE %s %s taken back\n", count, count == 1 ? "" : "s", see->name,
	       count == 1 ? "is" : "are");
	return 0;
}

int verb_revert(int argc, char **argv)
{
	_cleanup_(see_close) struct see see = SEE_INIT;
	_cleanup_(changes_free) struct changes changes = {};
	_cleanup_close_ int lines = -1;
	int err;

	if (argc < 3 || argv[1][0] == '-')
		return usage_error("revert", "NAME and one PATH at least");
	lines = memfd_create("paths", MFD_CLOEXEC);
	if (lines < 0)
		return complain("a temporary file: %s", strerror(errno));
	err = client_open(&see, argv[1]);
	if (!err)
		err = changes_list(&see, &changes);
	for (int i = 2; i < argc && !err; i++) {
		_cleanup_free_ char *path = absolute_path(argv[i]);

		err = path ? add_lines(&see, &changes, path, lines) :
			complain("%s: %s", quote(argv[i]), strerror(errno));
	}
	return err ? err : revert(&see, lines);
}
