// SPDX-License-Identifier: GPL-2.0
/* test_text.c - quoting, paths, mounts */
#define _GNU_SOURCE
#include "json.h"
#include "seectl.h"
#include "tap.h"

static void quoting(void)
{
	static const struct {
		const char *raw;
		const char *quoted;
	} cases[] = {
		{ "", "" },
		{ "/plain name", "/plain name" },
		{ "a\nb", "a\\012b" },
		{ "\033[2J", "\\033[2J" },
		{ "back\\slash", "back\\\\slash" },
		{ "\177", "\\177" },
		{ "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
		{ "\xe6\xbc\xa2\xf0\x9f\x98\x80", "\xe6\xbc\xa2\xf0\x9f\x98\x80" },
		{ "\xff\xfe", "\\377\\376" },
		{ "\xc3", "\\303" },			/* cut off */
		{ "\xe2\x82", "\\342\\202" },
		{ "\xc0\xaf", "\\300\\257" },		/* overlong */
		{ "\xed\xa0\x80", "\\355\\240\\200" },	/* surrogate */
		{ "\xf4\x90\x80\x80", "\\364\\220\\200\\200" },	/* beyond Unicode */
		{ "\xc2\x9b" "2J", "\\302\\2332J" },	/* C1 */
		{ "\xe2\x80\xae" "x", "\\342\\200\\256x" },	/* right to left */
		{ "\xe2\x80\xa8", "\\342\\200\\250" },	/* line separator */
		{ "\xef\xbb\xbf", "\\357\\273\\277" },	/* invisible */
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		SAME(quote(cases[i].raw), cases[i].quoted, "quote %s", cases[i].quoted);
	for (int c = 1; c < 256; c++) {
		char raw[] = { (char)c, 0 };
		const char *out = quote(raw);

		if (c >= ' ' && c < 127 && c != '\\' ? strcmp(out, raw) : strlen(out) < 2)
			OK(0, "byte %d", c);
	}
	OK(utf8_valid("gr\xc3\xbc") && !utf8_valid("\xc3"), "what is UTF-8");
	{
		_cleanup_free_ char *lossy = utf8_lossy("a\xff" "b");

		SAME(lossy, "a\xef\xbf\xbd" "b", "what is not");
	}
}

/* what a process calls itself is anything */
static void commands(void)
{
	static const struct {
		const char *raw;
		const char *word;
		const char *json;
	} cases[] = {
		{ "dpkg", "dpkg", "\"command\":\"dpkg\"" },
		{ "", "-", "\"command\":null" },
		{ "a b", "a\\040b", "\"command\":\"a b\"" },
		{ "sh\xc2\xa0\xe3\x80\x80/x", "sh\\302\\240\\343\\200\\200/x",
		  "\"command\":\"sh\xc2\xa0\xe3\x80\x80\\/x\"" },
		{ "\033[2J", "\\033[2J", "\"command\":\"\\u001b[2J\"" },
		{ "\xff\n", "\\377\\012",
		  "\"command\":\"\xef\xbf\xbd\\n\",\"command_hex\":\"ff0a\"" },
		{ "123456789012345", "123456789012345", "\"command\":\"123456789012345\"" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct change c = { .what = SEE_CHANGE_NAME_REMOVED, .path = "/f" };
		struct json_object *o;
		const char *text;

		strcpy(c.command, cases[i].raw);
		SAME(quote_word(c.command), cases[i].word, "command %zu in a column", i);
		o = change_json(&c);
		text = json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN);
		OK(strstr(text, cases[i].json), "command %zu in JSON", i);
		json_object_put(o);
	}
}

static void paths(void)
{
	_cleanup_free_ char *a = absolute_path("/a//b/./c/../d/"), *b = absolute_path("/../.."),
		*c = absolute_path("/"), *d = absolute_path("");

	SAME(a, "/a/b/d", "a path made plain");
	SAME(b, "/", "above the root");
	SAME(c, "/", "the root");
	OK(!d, "no path");
	OK(path_inside("/a/b", "/a") && path_inside("/a", "/a") && path_inside("/a", "/") &&
	   !path_inside("/ab", "/a") && !path_inside("/a", "/a/b"), "what lies in what");
	OK(see_name_valid("a") && see_name_valid("1-._x") && !see_name_valid("") &&
	   !see_name_valid("-a") && !see_name_valid(".") && !see_name_valid("a/b") &&
	   !see_name_valid("a b") && !see_name_valid("\xc3\xbc") &&
	   see_name_valid("123456789012345678901234567890123456789012345678901234567890123") &&
	   !see_name_valid("1234567890123456789012345678901234567890123456789012345678901234"),
	   "names of SEEs");
}

static void sizes(void)
{
	static const struct {
		const char *text;
		int err;
		uint64_t size;
	} cases[] = {
		{ "1", 0, 1 }, { "4096", 0, 4096 }, { "1K", 0, 1024 }, { "3M", 0, 3ULL << 20 },
		{ "2G", 0, 2ULL << 30 }, { "8388607T", 0, 8388607ULL << 40 },
		{ "9223372036854775807", 0, INT64_MAX }, { "", -EINVAL, 0 }, { "K", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 }, { "1k", -EINVAL, 0 }, { "1KB", -EINVAL, 0 }, { " 1", -EINVAL, 0 },
		{ "1.5G", -EINVAL, 0 }, { "0x10", -EINVAL, 0 }, { "0", -ERANGE, 0 },
		{ "0T", -ERANGE, 0 }, { "9223372036854775808", -ERANGE, 0 },
		{ "8388608T", -ERANGE, 0 }, { "11111111111111111111111111111111111", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t size = 0;

		OK(parse_size(cases[i].text, &size) == cases[i].err && size == cases[i].size,
		   "size \"%s\"", cases[i].text);
	}
}

static void mounts(void)
{
	struct mount_table t;
	const struct mount_entry *m;
	static const char *const bad[] = {
		"1\n", "1 2 3:4 / / rw\n", "1 2 3:4 / / rw shared:1\n", "x 2 3:4 / / rw - a b c\n",
		"1 2 34 / / rw - a b c\n", "1 2 3:x / / rw - a b c\n", "1 2 3:4 / / rw -\n",
		"1 2 3:4 / here rw - a b c\n", "99999999999 2 3:4 / / rw - a b c\n",
	};

	OK(!mount_table_parse(&t, strdup(
		"22 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw\n"
		"23 22 0:20 /sub /a\\040b\\134c\\012 ro,nosuid - tmpfs  rw,size=1k\n")), "two mounts");
	OK(t.n == 2, "are two");
	m = mount_by_id(&t, 23);
	OK(m && !mount_by_id(&t, 24), "by id");
	SAME(m ? m->target : NULL, "/a b\\c\n", "escapes");
	SAME(m ? m->fstype : NULL, "tmpfs", "type");
	OK(m && mount_is_readonly(m) && !mount_is_readonly(&t.entry[0]), "read-only");
	OK(m && mount_has_option(m->options, "nosuid") && !mount_has_option(m->options, "suid") &&
	   !mount_has_option("", "ro"), "options");
	mount_table_free(&t);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		OK(mount_table_parse(&t, strdup(bad[i])) == -EBADMSG, "bad line %zu", i);
		mount_table_free(&t);
	}
	OK(!mount_table_parse(&t, strdup("")) && !t.n, "no mounts");
	mount_table_free(&t);
	OK(!mount_table_read(&t) && t.n, "our own mounts");
	mount_table_free(&t);
}

/* arguments are refused before anything is done */
static void options(void)
{
	static char *const lines[][8] = {
		{ "run" }, { "run", "--" }, { "run", "true" }, { "run", "a", "b", "--", "true" },
		{ "run", "--bogus", "--", "true" }, { "run", "--net", "host", "--", "true" },
		{ "run", "--size", "x", "--", "true" }, { "run", "--keep", "--abort", "--", "true" },
		{ "run", "--over" }, { "run", "--over", "--", "true" },
	};

	if (!freopen("/dev/null", "w", stderr))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		char *argv[9] = {};
		int argc = 0;

		for (; argc < 8 && lines[i][argc]; argc++)
			argv[argc] = lines[i][argc];
		OK(verb_run(argc, argv) == EXIT_SEECTL, "wrong arguments %zu", i);
	}
}

/* main.c is not linked */
int usage_error(const char *verb, const char *format, ...)
{
	(void)verb;
	(void)format;
	return EXIT_SEECTL;
}

int main(void)
{
	quoting();
	commands();
	paths();
	sizes();
	mounts();
	options();
	/* what quote() keeps for its callers is not lost */
	for (int i = 0; i < 8; i++)
		quote("");
	return tap_end();
}
