// SPDX-License-Identifier: GPL-2.0
/* create.c - seectl create */
#define _GNU_SOURCE
#include <getopt.h>

#include "seectl.h"

int verb_create(int argc, char **argv)
{
	static const struct option options[] = {
		{ "over", required_argument, NULL, 'o' },
		{ "size", required_argument, NULL, 's' },
		{}
	};
	_cleanup_(see_close) struct see see = SEE_INIT;
	_cleanup_free_ char **over = calloc((size_t)argc, sizeof(*over));
	uint64_t size = 0;
	size_t nover = 0;
	int c, err;

	if (!over)
		return complain("out of memory");
	opterr = 0;
	while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		switch (c) {
		case 'o':
			over[nover++] = optarg;
			break;
		case 's':
			err = size_option("create", optarg, &size);
			if (err)
				return err;
			break;
		case ':':
			return usage_error("create", "%s needs an argument", quote(argv[optind - 1]));
		default:
			return usage_error("create", "unknown option %s", quote(argv[optind - 1]));
		}
	}
	if (argc - optind > 1)
		return usage_error("create", "one NAME");
	err = cover_create(&see, optind < argc ? argv[optind] : "", over, nover, size);
	if (!err)
		puts(see.name);
	return err;
}
