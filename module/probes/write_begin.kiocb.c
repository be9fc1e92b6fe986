// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
int probe_begin(const struct kiocb *iocb, struct address_space *mapping,
		loff_t pos, unsigned int len, struct folio **folio,
		void **fsdata);
const struct address_space_operations probe = { .write_begin = probe_begin };
