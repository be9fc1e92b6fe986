// SPDX-License-Identifier: GPL-2.0
/* text.c - what is shown to people */
#define _GNU_SOURCE
#include "seectl.h"

static void vsay(const char *format, va_list args)
{
	fflush(stdout);
	fputs("seectl: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
}

int complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
	return EXIT_SEECTL;
}

void remark(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsay(format, args);
	va_end(args);
}

int parse_size(const char *text, uint64_t *size)
{
	static const char units[] = "KMGT";
	size_t len = strlen(text);
	const char *unit = len ? strchr(units, text[len - 1]) : NULL;
	unsigned int shift = unit && *unit ? 10 * (unsigned int)(unit - units + 1) : 0;
	char digits[32];
	uint64_t n;
	int err;

	if (shift)
		len--;
	if (!len || len >= sizeof(digits))
		return len ? -ERANGE : -EINVAL;
	memcpy(digits, text, len);
	digits[len] = 0;
	err = parse_number(digits, (uint64_t)INT64_MAX >> shift, &n);
	if (err || !n)
		return err ? err : -ERANGE;
	*size = n << shift;
	return 0;
}

int size_option(const char *verb, const char *text, uint64_t *size)
{
	switch (parse_size(text, size)) {
	case 0:
		return 0;
	case -ERANGE:
		return usage_error(verb, "--size %s: too small or too large", quote(text));
	default:
		return usage_error(verb, "--size %s: a number of bytes, or one with K, M, G or T",
				   quote(text));
	}
}

/* bytes of the UTF-8 character at @s, and which; 0 if it is none */
static size_t utf8_char(const unsigned char *s, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t len;

	if (s[0] < 0x80) {
		*code = s[0];
		return 1;
	}
	len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	*code = s[0] & (0x7fU >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*code = *code << 6 | (s[i] & 0x3fU);
	}
	if (*code < least[len] || *code > 0x10ffff || (*code >= 0xd800 && *code < 0xe000))
		return 0;
	return len;
}

/* may be shown as it is */
static bool harmless(uint32_t c)
{
	if (c < 0x20 || c == '\\' || (c >= 0x7f && c < 0xa0))
		return false;
	/* invisible, line ends, and what turns the direction of writing */
	return !(c == 0xad || c == 0x61c || (c >= 0x200b && c <= 0x200f) ||
		 (c >= 0x2028 && c <= 0x202e) || (c >= 0x2060 && c <= 0x206f) ||
		 c == 0xfeff || (c >= 0xfff0 && c <= 0xfffb) ||
		 (c >= 0xe0000 && c <= 0xe0fff) || (c >= 0xe000 && c <= 0xf8ff));
}

static bool is_blank(uint32_t c)
{
	return c == ' ' || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

static char *quote_as(const char *text, bool blanks)
{
	const unsigned char *s = (const unsigned char *)text;
	char *out = malloc(4 * strlen(text) + 1), *to = out;
	uint32_t code;

	if (!out)
		return NULL;
	while (*s) {
		size_t len = utf8_char(s, &code);

		if (len && harmless(code) && (blanks || !is_blank(code))) {
			memcpy(to, s, len);
			to += len;
			s += len;
			continue;
		}
		for (size_t n = len ? len : 1; n; n--, s++) {
			if (*s == '\\')
				to += sprintf(to, "\\\\");
			else
				to += sprintf(to, "\\%03o", *s);
		}
	}
	*to = 0;
	return out;
}

char *quote_dup(const char *text)
{
	return quote_as(text, true);
}

/* takes over @quoted */
static const char *keep_quoted(char *quoted)
{
	static char *ring[8];
	static unsigned int next;

	if (!quoted)
		return "(out of memory)";
	next = (next + 1) % ARRAY_SIZE(ring);
	free(ring[next]);
	ring[next] = quoted;
	return quoted;
}

const char *quote(const char *text)
{
	return keep_quoted(quote_dup(text));
}

const char *quote_word(const char *text)
{
	return keep_quoted(quote_as(*text ? text : "-", false));
}

bool utf8_valid(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t code;

	while (*s) {
		size_t len = utf8_char(s, &code);

		if (!len)
			return false;
		s += len;
	}
	return true;
}

char *utf8_lossy(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	char *out = malloc(3 * strlen(text) + 1), *to = out;
	uint32_t code;

	if (!out)
		return NULL;
	while (*s) {
		size_t len = utf8_char(s, &code);

		if (len) {
			memcpy(to, s, len);
			to += len;
			s += len;
		} else {
			memcpy(to, "\xef\xbf\xbd", 3);
			to += 3;
			s++;
		}
	}
	*to = 0;
	return out;
}

const char *type_name(unsigned int mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "file";
	case S_IFDIR:
		return "directory";
	case S_IFLNK:
		return "symlink";
	case S_IFIFO:
		return "fifo";
	case S_IFSOCK:
		return "socket";
	case S_IFCHR:
	case S_IFBLK:
		return "device";
	}
	return "unknown";
}

char *absolute_path(const char *path)
{
	_cleanup_free_ char *cwd = path[0] == '/' ? strdup("") : getcwd(NULL, 0);
	_cleanup_free_ char *full = NULL;
	char *out, *to;

	if (!path[0]) {
		errno = ENOENT;
		return NULL;
	}
	if (!cwd || asprintf(&full, "%s/%s", cwd, path) < 0) {
		full = NULL;
		return NULL;
	}
	out = malloc(strlen(full) + 2);
	if (!out)
		return NULL;
	to = out;
	for (const char *s = full; *s;) {
		size_t n;

		while (*s == '/')
			s++;
		n = strcspn(s, "/");
		if (n == 2 && s[0] == '.' && s[1] == '.') {
			while (to > out && *--to != '/')
				;
		} else if (n && !(n == 1 && s[0] == '.')) {
			*to++ = '/';
			memcpy(to, s, n);
			to += n;
		}
		s += n;
	}
	if (to == out)
		*to++ = '/';
	*to = 0;
	return out;
}
