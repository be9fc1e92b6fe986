// SPDX-License-Identifier: GPL-2.0
/* meta.c - the text that the daemon keeps of each SEE, read and written */
#define _GNU_SOURCE
#include "meta.h"
#include "libsee.h"
#include "util.h"

#define SEEN_ID		0x01
#define SEEN_NAME	0x02
#define SEEN_OWNER	0x04
#define SEEN_CREATED	0x08
#define SEEN_INCOMPAT	0x10
#define SEEN_ALL	0x1f

void meta_free(struct meta *m)
{
	for (unsigned int i = 0; i < m->nlayers; i++) {
		free(m->layer[i].base);
		free(m->layer[i].path);
	}
	m->nlayers = 0;
}

/* ---- reading ---- */

static int octal(const char *s)
{
	int value = 0;

	for (int i = 0; i < 3; i++) {
		if (s[i] < '0' || s[i] > '7')
			return -1;
		value = value * 8 + (s[i] - '0');
	}
	return value > 0 && value < 256 ? value : -1;
}

/* an absolute path without ".", ".." and empty components */
static bool path_sane(const char *path)
{
	if (path[0] != '/' || strlen(path) >= 4096)
		return false;
	if (!path[1])
		return true;
	while (*path) {
		size_t n;

		path++;
		n = strcspn(path, "/");
		if (!n || (n == 1 && path[0] == '.') ||
		    (n == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		path += n;
	}
	return true;
}

static int parse_path(const char *word, char **path)
{
	_cleanup_free_ char *out = malloc(strlen(word) + 1);
	char *to = out;

	if (!out)
		return -ENOMEM;
	while (*word) {
		if (*word == '\\') {
			int c = octal(word + 1);

			if (c < 0)
				return -EBADMSG;
			*to++ = (char)c;
			word += 4;
		} else {
			*to++ = *word++;
		}
	}
	*to = 0;
	if (!path_sane(out))
		return -EBADMSG;
	*path = take_ptr(&out);
	return 0;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_handle(const char *type, const char *bytes, struct handle *h)
{
	size_t len = strlen(bytes);
	uint64_t number;

	if (parse_number(type, INT32_MAX, &number) || !len || len % 2 ||
	    len / 2 > HANDLE_MAX)
		return -EBADMSG;
	h->type = (int)number;
	h->len = (unsigned int)(len / 2);
	for (size_t i = 0; i < h->len; i++) {
		int high = hex(bytes[2 * i]), low = hex(bytes[2 * i + 1]);

		if (high < 0 || low < 0)
			return -EBADMSG;
		h->bytes[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

static int parse_layer(struct meta *m, char *line)
{
	struct meta_layer *l = &m->layer[m->nlayers];
	char *word[5], *save = NULL;
	int err;

	if (m->nlayers == SEE_LAYERS_MAX)
		return -EBADMSG;
	for (size_t i = 0; i < ARRAY_SIZE(word); i++) {
		word[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!word[i])
			return -EBADMSG;
	}
	if (strtok_r(NULL, " ", &save))
		return -EBADMSG;
	if (!strcmp(word[0], "w"))
		l->flags = SEE_LAYER_WRITE;
	else if (strcmp(word[0], "r"))
		return -EBADMSG;
	err = parse_handle(word[1], word[2], &l->handle);
	if (err)
		return err;
	err = parse_path(word[3], &l->base);
	if (err)
		return err;
	err = parse_path(word[4], &l->path);
	if (err) {
		free(l->base);
		l->base = NULL;
		return err;
	}
	m->nlayers++;
	return 0;
}

static int parse_field(struct meta *m, char *key, char *value, unsigned int *seen)
{
	uint64_t number;
	unsigned int bit;
	int err;

	if (!strcmp(key, "layer"))
		return parse_layer(m, value);
	if (!strcmp(key, "name")) {
		if (!see_name_valid(value) || *seen & SEEN_NAME)
			return -EBADMSG;
		strcpy(m->name, value);
		*seen |= SEEN_NAME;
		return 0;
	}
	if (!strcmp(key, "state")) {
		m->aborting = !strcmp(value, "aborting");
		return m->aborting || !strcmp(value, "kept") ? 0 : -EBADMSG;
	}
	if (!strcmp(key, "id"))
		bit = SEEN_ID;
	else if (!strcmp(key, "owner"))
		bit = SEEN_OWNER;
	else if (!strcmp(key, "created"))
		bit = SEEN_CREATED;
	else if (!strcmp(key, "incompat"))
		bit = SEEN_INCOMPAT;
	else if (!strcmp(key, "size"))
		bit = 0;
	else
		return 0;
	err = parse_number(value, bit == SEEN_OWNER ? UINT32_MAX - 1 : INT64_MAX, &number);
	if (err || *seen & bit)
		return -EBADMSG;
	*seen |= bit;
	switch (bit) {
	case SEEN_ID:
		m->id = number;
		return number ? 0 : -EBADMSG;
	case SEEN_OWNER:
		m->owner = (uint32_t)number;
		break;
	case SEEN_CREATED:
		m->created = number;
		break;
	case SEEN_INCOMPAT:
		return number ? -EOPNOTSUPP : 0;
	default:
		m->size = number;
	}
	return 0;
}

int meta_parse(struct meta *m, const char *text, size_t len)
{
	_cleanup_free_ char *copy = NULL;
	char *line, *value, *save = NULL;
	unsigned int seen = 0;
	bool end = false;
	int err;

	memset(m, 0, sizeof(*m));
	if (len > META_MAX || memchr(text, 0, len))
		return -EBADMSG;
	copy = strndup(text, len);
	if (!copy)
		return -ENOMEM;
	line = strtok_r(copy, "\n", &save);
	if (!line || strncmp(line, "see-meta ", 9))
		return -EBADMSG;
	if (strcmp(line + 9, "1"))
		return -EOPNOTSUPP;
	while ((line = strtok_r(NULL, "\n", &save))) {
		if (end)
			return -EBADMSG;
		if (!strcmp(line, "end")) {
			end = true;
			continue;
		}
		value = strchr(line, ' ');
		if (!value)
			return -EBADMSG;
		*value++ = 0;
		err = parse_field(m, line, value, &seen);
		if (err)
			return err;
	}
	return end && seen == SEEN_ALL && m->nlayers ? 0 : -EBADMSG;
}

/* ---- writing ---- */

void meta_put_path(FILE *f, const char *path)
{
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c <= ' ' || c == '\\' || c >= 127)
			fprintf(f, "\\%03o", c);
		else
			fputc(c, f);
	}
}

char *meta_format(const struct meta *m)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	fprintf(f, "see-meta 1\nincompat 0\nid %ju\nname %s\nowner %u\ncreated %ju\n"
		"size %ju\nstate %s\n", (uintmax_t)m->id, m->name, m->owner,
		(uintmax_t)m->created, (uintmax_t)m->size,
		m->aborting ? "aborting" : "kept");
	for (unsigned int i = 0; i < m->nlayers; i++) {
		const struct meta_layer *l = &m->layer[i];

		fprintf(f, "layer %c %d ", l->flags & SEE_LAYER_WRITE ? 'w' : 'r',
			l->handle.type);
		for (unsigned int b = 0; b < l->handle.len; b++)
			fprintf(f, "%02x", l->handle.bytes[b]);
		fputc(' ', f);
		meta_put_path(f, l->base);
		fputc(' ', f);
		meta_put_path(f, l->path);
		fputc('\n', f);
	}
	fputs("end\n", f);
	if (ferror(f) | fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}
