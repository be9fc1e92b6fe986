/* SPDX-License-Identifier: GPL-2.0 */
#include <string.h>
#include <linux/types.h>

static inline const void *memchr_inv(const void *start, int c, size_t bytes)
{
	const u8 *p = start;

	for (; bytes--; p++)
		if (*p != (u8)c)
			return p;
	return NULL;
}
