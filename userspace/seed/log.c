// SPDX-License-Identifier: GPL-2.0
/* log.c - messages: for the client, and for the journal of the system */
#define _GNU_SOURCE
#include "seed.h"

int note_fail(struct note *note, int err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(note->text, sizeof(note->text), format, args);
	va_end(args);
	return err > 0 ? -err : -EIO;
}

void say(const char *format, ...)
{
	char line[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	/* what a path may contain must not end the line */
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 127)
			*p = '?';
	fprintf(stderr, "%s\n", line);
}
