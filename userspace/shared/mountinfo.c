// SPDX-License-Identifier: GPL-2.0
/* mountinfo.c - the mounts of our mount name space */
#define _GNU_SOURCE
#include <sys/sysmacros.h>

#include "mountinfo.h"
#include "util.h"

#define MOUNTINFO_MAX	(64U << 20)

/* \ooo in place: what the kernel writes for blanks, newlines and backslashes */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' &&
		    s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 |
				       (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = 0;
}

/* 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue */
static int parse_line(char *line, struct mount_entry *m)
{
	char *word[6], *save = NULL, *minor, *source;
	uint64_t id, maj, min;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(word); i++) {
		word[i] = strtok_r(i ? NULL : line, " ", &save);
		if (!word[i])
			return -EBADMSG;
	}
	minor = strchr(word[2], ':');
	if (!minor)
		return -EBADMSG;
	*minor++ = 0;
	if (parse_number(word[0], INT32_MAX, &id) ||
	    parse_number(word[2], UINT32_MAX, &maj) ||
	    parse_number(minor, UINT32_MAX, &min))
		return -EBADMSG;
	m->id = (int)id;
	m->dev = makedev((unsigned int)maj, (unsigned int)min);
	m->root = word[3];
	m->target = word[4];
	m->options = word[5];
	/* optional fields, up to a hyphen */
	do {
		word[0] = strtok_r(NULL, " ", &save);
		if (!word[0])
			return -EBADMSG;
	} while (strcmp(word[0], "-"));
	m->fstype = strtok_r(NULL, " ", &save);
	/* an empty source leaves two blanks behind each other */
	source = strtok_r(NULL, " ", &save);
	m->super = strtok_r(NULL, " ", &save);
	if (!m->fstype || !source)
		return -EBADMSG;
	if (!m->super)
		m->super = source;
	unescape(m->root);
	unescape(m->target);
	unescape(m->fstype);
	return m->target[0] == '/' ? 0 : -EBADMSG;
}

int mount_table_parse(struct mount_table *table, char *text)
{
	char *line, *save = NULL;
	size_t size = 0;
	int err;

	*table = (struct mount_table) { .text = text };
	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		if (table->n == size) {
			struct mount_entry *more;

			size = size ? 2 * size : 64;
			more = reallocarray(table->entry, size, sizeof(*more));
			if (!more)
				return -ENOMEM;
			table->entry = more;
		}
		err = parse_line(line, &table->entry[table->n]);
		if (err)
			return err;
		table->n++;
	}
	return 0;
}

int mount_table_read(struct mount_table *table)
{
	char *text;
	int err;

	*table = (struct mount_table) {};
	err = read_file(-1, "/proc/self/mountinfo", MOUNTINFO_MAX, &text, NULL);
	if (err)
		return err;
	err = mount_table_parse(table, text);
	if (err)
		mount_table_free(table);
	return err;
}

void mount_table_free(struct mount_table *table)
{
	free(table->entry);
	free(table->text);
	*table = (struct mount_table) {};
}

const struct mount_entry *mount_by_id(const struct mount_table *table, long long id)
{
	for (size_t i = 0; i < table->n; i++)
		if (table->entry[i].id == id)
			return &table->entry[i];
	return NULL;
}

bool mount_has_option(const char *options, const char *word)
{
	size_t len = strlen(word);

	while (*options) {
		size_t n = strcspn(options, ",");

		if (n == len && !strncmp(options, word, n))
			return true;
		options += n;
		if (*options)
			options++;
	}
	return false;
}

bool mount_is_readonly(const struct mount_entry *m)
{
	return mount_has_option(m->options, "ro") || mount_has_option(m->super, "ro");
}
