// SPDX-License-Identifier: GPL-2.0
/* crc.c - checksums of the journal, four bits at a time */
#include "crc.h"

static const uint32_t table32[16] = {
	0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362,
	0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab,
	0xe330a81a, 0xf36e6f75,
};

static const uint64_t table64[16] = {
	0x0000000000000000, 0x7d9ba13851336649, 0xfb374270a266cc92, 0x86ace348f355aadb,
	0x64b62bcaebc387a1, 0x192d8af2baf0e1e8, 0x9f8169ba49a54b33, 0xe21ac88218962d7a,
	0xc96c5795d7870f42, 0xb4f7f6ad86b4690b, 0x325b15e575e1c3d0, 0x4fc0b4dd24d2a599,
	0xadda7c5f3c4488e3, 0xd041dd676d77eeaa, 0x56ed3e2f9e224471, 0x2b769f17cf112238,
};

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;

	crc = ~crc;
	for (; len; len--, p++) {
		crc = crc >> 4 ^ table32[(crc ^ *p) & 15];
		crc = crc >> 4 ^ table32[(crc ^ *p >> 4) & 15];
	}
	return ~crc;
}

uint64_t crc64(uint64_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;

	crc = ~crc;
	for (; len; len--, p++) {
		crc = crc >> 4 ^ table64[(crc ^ *p) & 15];
		crc = crc >> 4 ^ table64[(crc ^ (uint64_t)(*p >> 4)) & 15];
	}
	return ~crc;
}
