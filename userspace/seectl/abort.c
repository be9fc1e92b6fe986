// SPDX-License-Identifier: GPL-2.0
/* abort.c - seectl abort */
#define _GNU_SOURCE
#include "seectl.h"

int abort_see(struct see *see)
{
	char message[SEE_MESSAGE_MAX + 1], what[128];
	int err = see_abort(see->fd, message);

	if (!err)
		return 0;
	snprintf(what, sizeof(what), "SEE %s cannot be aborted", see->name);
	return client_complain(what, err, message);
}

int verb_abort(int argc, char **argv)
{
	_cleanup_(see_close) struct see see = SEE_INIT;
	int err;

	if (argc != 2)
		return usage_error("abort", "one NAME");
	err = client_open_bare(&see, argv[1]);
	return err ? err : abort_see(&see);
}
