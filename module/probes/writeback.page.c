// SPDX-License-Identifier: GPL-2.0
#include <linux/writeback.h>
int probe_page(struct page *page, struct writeback_control *wbc, void *data);
int probe(struct address_space *mapping, struct writeback_control *wbc)
{
	return write_cache_pages(mapping, wbc, probe_page, NULL);
}
