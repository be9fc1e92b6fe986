// SPDX-License-Identifier: GPL-2.0
/* main.c - the table of verbs */
#define _GNU_SOURCE
#include <fcntl.h>
#include <locale.h>

#include "seectl.h"

static int verb_help(int argc, char **argv);

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *usage;
	const char *does;
} verbs[] = {
	{ "run", verb_run,
	  "[NAME] [--over DIR]... [--size BYTES] [--net none|user] [--keep|--commit|--abort] [--criterion writes|force] -- COMMAND...",
	  "run a command in a SEE, a new one or NAME" },
	{ "create", verb_create, "[NAME] [--over DIR]... [--size BYTES]",
	  "make a SEE and print its name" },
	{ "list", verb_list, "[--json]", "the SEEs that there are" },
	{ "status", verb_status, "NAME [--json]", "what is known of one" },
	{ "inspect", verb_inspect, "NAME [PATH] [--summary|--json]", "what it changed" },
	{ "diff", verb_diff, "NAME [PATH]", "the changes line by line" },
	{ "revert", verb_revert, "NAME PATH...", "take single changes back" },
	{ "check", verb_check, "NAME --criterion writes|force [--json]",
	  "could it be committed? says what is in the way" },
	{ "commit", verb_commit, "NAME --criterion writes|force [--json]",
	  "make its changes on the host, all or none" },
	{ "mount", verb_mount, "NAME TARGET [--layer DIR]",
	  "mount a SEE, or one of its layers, over a directory" },
	{ "umount", verb_umount, "TARGET", "take such a mount away" },
	{ "abort", verb_abort, "NAME", "kill what runs in it and throw its changes away" },
	{ "help", verb_help, "[VERB]", "this" },
};

static const struct verb *find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

int usage_error(const char *verb, const char *format, ...)
{
	const struct verb *v = find(verb);
	va_list args;

	fprintf(stderr, "seectl %s: ", verb);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\nusage: seectl %s %s\n", verb, v ? v->usage : "");
	return EXIT_SEECTL;
}

static int verb_help(int argc, char **argv)
{
	const struct verb *v = argc > 1 ? find(argv[1]) : NULL;

	if (argc > 2 || (argc > 1 && !v))
		return usage_error("help", "there is no verb %s", quote(argv[1]));
	if (v) {
		printf("seectl %s %s\n    %s\n", v->name, v->usage, v->does);
		return 0;
	}
	puts("seectl runs commands in safe execution environments (SEEs): they read the live\n"
	     "host, and what they write stays in the SEE until it is committed or thrown away.\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		printf("  seectl %s %s\n      %s\n", verbs[i].name, verbs[i].usage, verbs[i].does);
	puts("\nExit status: the command's for run, else 0; 3 if a commit is refused, 4 if it\n"
	     "could not all be taken back; 125 if seectl failed, or a commit asked of run did\n"
	     "not happen; 126 if the command could not be started, 127 if there is none.\n"
	     "See seectl(8).");
	return 0;
}

int main(int argc, char **argv)
{
	const struct verb *v;
	int code;

	/* nothing that we open must become a standard stream by accident */
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return EXIT_SEECTL;
	setlocale(LC_CTYPE, "");
	if (argc < 2) {
		complain("no verb; \"seectl help\" lists them");
		return EXIT_SEECTL;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return verb_help(1, argv);
	if (!strcmp(argv[1], "--version")) {
		printf("seectl %s, ABI %d\n", SEE_VERSION, SEE_ABI_VERSION);
		return 0;
	}
	v = find(argv[1]);
	if (!v)
		return complain("there is no verb %s; \"seectl help\" lists them", quote(argv[1]));
	code = v->run(argc - 1, argv + 1);
	/* what was printed must have arrived */
	if (fflush(stdout) || ferror(stdout))
		return complain("standard output: %s", strerror(errno));
	return code;
}
