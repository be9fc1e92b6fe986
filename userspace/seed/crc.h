/* SPDX-License-Identifier: GPL-2.0 */
#ifndef SEED_CRC_H
#define SEED_CRC_H

#include <stddef.h>
#include <stdint.h>

/* CRC-32C (Castagnoli); begin with 0, go on with what came out */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
/* CRC-64 (ECMA-182, reflected, as in xz), likewise */
uint64_t crc64(uint64_t crc, const void *data, size_t len);

#endif
