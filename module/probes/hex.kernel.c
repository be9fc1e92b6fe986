// SPDX-License-Identifier: GPL-2.0
#include <linux/kernel.h>
#if __has_include(<linux/hex.h>)
#error "it has a header of its own"
#endif
int probe(void)
{
	return hex_to_bin('0');
}
