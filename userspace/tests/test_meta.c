// SPDX-License-Identifier: GPL-2.0
/* test_meta.c - meta files: what is written is read; what is damaged is refused */
#define _GNU_SOURCE
#include <errno.h>

#include "meta.h"
#include "tap.h"
#include "util.h"

#define HEAD	"see-meta 1\nincompat 0\n"
#define FIELDS	"id 7\nname build\nowner 1000\ncreated 1700000000\nsize 0\nstate kept\n"
#define LAYER	"layer w 1 0c00000002000000 /var/lib/see /\n"
#define GOOD	HEAD FIELDS LAYER "end\n"

static int parse(const char *text)
{
	struct meta m;
	int err = meta_parse(&m, text, strlen(text));

	meta_free(&m);
	return err;
}

static void round_trip(void)
{
	static const char *const paths[] = {
		"/", "/home/a b", "/x\\y", "/new\nline", "/\001\177\377", "/...", "/a/..b",
	};
	struct meta m = { .id = 42, .created = 1, .size = 1ULL << 40, .owner = 1000 }, back;
	_cleanup_free_ char *text = NULL;

	strcpy(m.name, "a.b-c_d");
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		m.layer[i].flags = i % 2 ? 0 : SEE_LAYER_WRITE;
		m.layer[i].handle = (struct handle) { .type = (int)i, .len = 3, .bytes = "\0\xff\x10" };
		m.layer[i].base = strdup("/var/lib/see");
		m.layer[i].path = strdup(paths[i]);
		m.nlayers++;
	}
	text = meta_format(&m);
	OK(text && !meta_parse(&back, text, strlen(text)), "what is written is read");
	OK(back.id == 42 && back.created == 1 && back.size == 1ULL << 40 && back.owner == 1000 &&
	   !back.aborting, "numbers");
	SAME(back.name, "a.b-c_d", "name");
	OK(back.nlayers == ARRAY_SIZE(paths), "number of layers");
	for (size_t i = 0; i < back.nlayers; i++) {
		SAME(back.layer[i].path, paths[i], "path %zu", i);
		OK(back.layer[i].flags == m.layer[i].flags &&
		   back.layer[i].handle.len == 3 && back.layer[i].handle.type == (int)i &&
		   !memcmp(back.layer[i].handle.bytes, "\0\xff\x10", 3), "layer %zu", i);
	}
	meta_free(&back);
	m.aborting = 1;
	free(take_ptr(&text));
	text = meta_format(&m);
	OK(text && !meta_parse(&back, text, strlen(text)) && back.aborting, "aborting");
	meta_free(&back);
	meta_free(&m);
}

static void damaged(void)
{
	static const struct {
		const char *text;
		int err;
		const char *what;
	} cases[] = {
		{ GOOD, 0, "a good one" },
		{ HEAD "future thing\n" FIELDS LAYER "end\n", 0, "an unknown line" },
		{ "", -EBADMSG, "empty" },
		{ "\n", -EBADMSG, "a newline" },
		{ "see-meta\n", -EBADMSG, "no version" },
		{ "see-meta 2\n" FIELDS LAYER "end\n", -EOPNOTSUPP, "a newer version" },
		{ "see-meta 1\nincompat 4\n" FIELDS LAYER "end\n", -EOPNOTSUPP, "an unknown feature" },
		{ "see-meta 1\n" FIELDS LAYER "end\n", -EBADMSG, "no features" },
		{ HEAD FIELDS LAYER, -EBADMSG, "no end" },
		{ HEAD FIELDS "end\n", -EBADMSG, "no layer" },
		{ GOOD "id 8\n", -EBADMSG, "something after the end" },
		{ HEAD FIELDS "id 8\n" LAYER "end\n", -EBADMSG, "two ids" },
		{ HEAD "id 0\nname a\nowner 0\ncreated 0\n" LAYER "end\n", -EBADMSG, "id 0" },
		{ HEAD "id -1\nname a\nowner 0\ncreated 0\n" LAYER "end\n", -EBADMSG, "a negative id" },
		{ HEAD "id 99999999999999999999\nname a\nowner 0\ncreated 0\n" LAYER "end\n",
		  -EBADMSG, "an id too large" },
		{ HEAD "id 1\nname ../a\nowner 0\ncreated 0\n" LAYER "end\n", -EBADMSG, "a name with a path" },
		{ HEAD "id 1\nname \nowner 0\ncreated 0\n" LAYER "end\n", -EBADMSG, "an empty name" },
		{ HEAD "id 1\nname a\nowner 4294967295\ncreated 0\n" LAYER "end\n", -EBADMSG, "no owner" },
		{ HEAD "id 1\nname a\nowner 0x1\ncreated 0\n" LAYER "end\n", -EBADMSG, "hexadecimal" },
		{ HEAD FIELDS "state gone\n" LAYER "end\n", -EBADMSG, "an unknown state" },
		{ HEAD FIELDS "layer\nend\n", -EBADMSG, "a layer of nothing" },
		{ HEAD FIELDS "layer w 1 00 /var/lib/see\nend\n", -EBADMSG, "a layer without a path" },
		{ HEAD FIELDS "layer x 1 00 /var/lib/see /\nend\n", -EBADMSG, "an unknown flag" },
		{ HEAD FIELDS "layer w 1 0 /var/lib/see /\nend\n", -EBADMSG, "half a byte" },
		{ HEAD FIELDS "layer w 1 0g /var/lib/see /\nend\n", -EBADMSG, "no hexadecimal" },
		{ HEAD FIELDS "layer w 1 00 /var/lib/see etc\nend\n", -EBADMSG, "a relative path" },
		{ HEAD FIELDS "layer w 1 00 /var/lib/see /a/../b\nend\n", -EBADMSG, "a path with .." },
		{ HEAD FIELDS "layer w 1 00 /var/lib/see /a//b\nend\n", -EBADMSG, "a path with //" },
		{ HEAD FIELDS "layer w 1 00 /var/lib/see /a/\nend\n", -EBADMSG, "a path with / at its end" },
		{ HEAD FIELDS "layer w 1 00 /var/lib/see /a\\1\nend\n", -EBADMSG, "half an escape" },
		{ HEAD FIELDS "layer w 1 00 /var/lib/see /a\\000b\nend\n", -EBADMSG, "a NUL in an escape" },
		{ HEAD FIELDS "layer w 1 00 /var/lib/see /a\\777\nend\n", -EBADMSG, "more than a byte" },
		{ HEAD FIELDS "layer w 1 00 /var/lib/see / x\nend\n", -EBADMSG, "a word too many" },
	};
	struct meta m;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		OK(parse(cases[i].text) == cases[i].err, "%s", cases[i].what);
	OK(meta_parse(&m, GOOD "\0", sizeof(GOOD)) == -EBADMSG, "a NUL");
	meta_free(&m);
}

static void too_much(void)
{
	_cleanup_free_ char *text = NULL, *handle = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	fputs(HEAD FIELDS, f);
	for (int i = 0; i <= SEE_LAYERS_MAX; i++)
		fputs(LAYER, f);
	fputs("end\n", f);
	fclose(f);
	OK(parse(text) == -EBADMSG, "too many layers");
	free(take_ptr(&text));
	f = open_memstream(&text, &size);
	fputs(HEAD FIELDS "layer w 1 ", f);
	for (int i = 0; i <= HANDLE_MAX; i++)
		fputs("00", f);
	fputs(" /var/lib/see /\nend\n", f);
	fclose(f);
	OK(parse(text) == -EBADMSG, "too long a handle");
}

/* every prefix, and every byte changed: no crash, and no half of a SEE */
static void mutations(void)
{
	char text[] = GOOD;
	int bad = 0;

	for (size_t len = 0; len < sizeof(text) - 2; len++) {
		struct meta m;

		bad += !meta_parse(&m, text, len);
		meta_free(&m);
	}
	OK(!bad, "no part is taken for the whole");
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		static const char with[] = "\n \\/0zw-\377";
		char kept = text[i];

		for (size_t n = 0; n < sizeof(with) - 1; n++) {
			text[i] = with[n];
			(void)parse(text);
		}
		text[i] = kept;
	}
	OK(!parse(text), "changed bytes do no harm");
}

int main(void)
{
	round_trip();
	damaged();
	too_much();
	mutations();
	return tap_end();
}
