/* SPDX-License-Identifier: GPL-2.0 */
#include <endian.h>
#include <linux/types.h>

#define le16_to_cpu le16toh
#define le32_to_cpu le32toh
#define le64_to_cpu le64toh
