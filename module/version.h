/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEE_VERSION_H
#define SEE_VERSION_H

#include "see.h"

int see_version_sample(const struct see_layer *layer, struct dentry *lower,
		       struct see_version *v);
bool see_version_equal(const struct see_version *a, const struct see_version *b);

#endif /* SEE_VERSION_H */
