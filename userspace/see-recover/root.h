/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_RECOVER_ROOT_H
#define SEE_RECOVER_ROOT_H

#include <stdbool.h>

#include "mountinfo.h"

/**
 * struct root - a root file system that is not ours yet
 * @mounts: of it and below
 * @written: of which of them the file system was made writable
 */
struct root {
	struct mount_table mounts;
	bool *written;
};

/* @dir, where it is mounted, becomes the root of this process, for good */
int root_enter(const char *dir);
/* what is mounted there, and /proc; what cannot be written to stays as it is */
int root_make_writable(struct root *root);
/* as it was before, also after a failure of the former */
void root_restore(struct root *root);

#endif
