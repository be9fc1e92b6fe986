// SPDX-License-Identifier: GPL-2.0
/* paths.c - which changes a client means */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/see.h>

#include "paths.h"
#include "util.h"

void paths_free(struct paths *p)
{
	free(p->text);
	free(p->path);
	memset(p, 0, sizeof(*p));
}

/* relative, without empty components, "." and ".." */
static bool path_good(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (!n || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
		if (*path && !*++path)
			return false;
	}
	return true;
}

static int parse_line(struct paths *p, char *line)
{
	struct wanted_path *w = &p->path[p->n];
	char *blank = strchr(line, ' ');
	uint64_t layer;

	if (!blank)
		return -EINVAL;
	*blank = 0;
	if (parse_number(line, SEE_LAYERS_MAX - 1, &layer) || !path_good(blank + 1))
		return -EINVAL;
	w->layer = (unsigned int)layer;
	w->path = blank + 1;
	p->n++;
	return 0;
}

int paths_parse(struct paths *p, const char *text, size_t len)
{
	size_t lines = 0;
	int err = 0;

	memset(p, 0, sizeof(*p));
	if (!len || text[len - 1])
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		lines += !text[i];
	p->text = malloc(len);
	p->path = calloc(lines, sizeof(*p->path));
	if (!p->text || !p->path)
		return -ENOMEM;
	memcpy(p->text, text, len);
	for (size_t at = 0; !err && at < len;) {
		size_t n = strlen(p->text + at) + 1;

		err = parse_line(p, p->text + at);
		at += n;
	}
	return err;
}

int paths_read(struct paths *p, int fd)
{
	_cleanup_free_ char *text = malloc(PATHS_MAX + 1);
	size_t used = 0;

	memset(p, 0, sizeof(*p));
	if (!text)
		return -ENOMEM;
	/* reading anything else could block for ever */
	if (fcntl(fd, F_GET_SEALS) < 0)
		return -EBADF;
	while (used <= PATHS_MAX) {
		ssize_t got = pread(fd, text + used, PATHS_MAX + 1 - used, (off_t)used);

		if (got < 0)
			return -errno;
		if (!got)
			break;
		used += (size_t)got;
	}
	return used > PATHS_MAX ? -E2BIG : paths_parse(p, text, used);
}

bool paths_match(struct paths *p, unsigned int layer, const char *path)
{
	bool match = false;

	for (size_t i = 0; i < p->n; i++) {
		struct wanted_path *w = &p->path[i];
		size_t len = strlen(w->path);

		if (w->layer != layer || strncmp(w->path, path, len) ||
		    (len && path[len] && path[len] != '/'))
			continue;
		w->found = true;
		match = true;
	}
	return match;
}
