// SPDX-License-Identifier: GPL-2.0
#include <linux/writeback.h>
struct folio *probe(struct address_space *mapping, struct writeback_control *wbc,
		    int *err)
{
	return writeback_iter(mapping, wbc, NULL, err);
}
