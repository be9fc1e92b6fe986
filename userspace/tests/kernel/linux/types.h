/* SPDX-License-Identifier: GPL-2.0 */
/* What module/decode.c needs of the kernel, for its unit test: here and in the files beside */
#ifndef TEST_LINUX_TYPES_H
#define TEST_LINUX_TYPES_H

#include_next <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#define __packed __attribute__((packed))

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;

#endif
