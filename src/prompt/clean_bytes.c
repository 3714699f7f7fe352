/*-------------------------------------------------------------------------
 *
 * clean_bytes.c
 *	  The two tables by which text is misread: CP1252 and GBK.
 *
 * Ours and not iconv's, whose tables are files that a machine may lack.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/clean_bytes.h"

#include <string.h>

#include "prompt/text.h"

/* 0x80 to 0x9F; 0 where CP1252 has nothing. */
static const uint16_t cp1252[32] = {
	0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021,
	0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0,
	0, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014,
	0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178
};

#define GBK_FIRST_LEAD 0x81
#define GBK_FIRST_TRAIL 0x40
#define GBK_TRAILS 190			/* 0x40 to 0xFE without 0x7F */
#define GBK_LEADS 126

/* A line a lead byte, its characters in the order of the trail bytes; a space where there is none. */
static const char *const gbk_rows[GBK_LEADS] = {
#include "prompt/clean_gbk.inc"
};

/* The reverse, made when it is first wanted; a code is never 0. */
static uint16_t gbk_codes[0x10000];

uint32_t
qc_cp1252_char(unsigned char byte)
{
	uint32_t	c = byte >= 0x80 && byte <= 0x9F ? cp1252[byte - 0x80] : byte;

	return c != 0 ? c : byte;
}

int
qc_cp1252_byte(uint32_t c)
{
	int			i;

	if (c < 0x100)
		return (int) c;
	if (c > 0x2122)
		return -1;
	for (i = 0; i < 32; i++)
		if (cp1252[i] == c)
			return 0x80 + i;
	return -1;
}

/* ---- GBK ---- */

/* The three user-defined areas, which the web and Windows read as private characters. */
static uint32_t
gbk_private(unsigned lead, unsigned trail)
{
	unsigned	low = trail - 0x40 - (trail > 0x7F);

	if (lead >= 0xAA && lead <= 0xAF && trail >= 0xA1)
		return 0xE000 + (lead - 0xAA) * 94 + (trail - 0xA1);
	if (lead >= 0xF8 && trail >= 0xA1)
		return 0xE234 + (lead - 0xF8) * 94 + (trail - 0xA1);
	if (lead >= 0xA1 && lead <= 0xA7 && trail <= 0xA0)
		return 0xE4C6 + (lead - 0xA1) * 96 + low;
	return 0;
}

static void
add_code(unsigned lead, unsigned trail, uint32_t c)
{
	if (c > 0 && c < 0x10000 && gbk_codes[c] == 0)
		gbk_codes[c] = (uint16_t) (lead << 8 | trail);
}

static void
add_row(unsigned lead)
{
	const char *row = gbk_rows[lead - GBK_FIRST_LEAD];
	size_t		left = strlen(row);
	unsigned	trail = GBK_FIRST_TRAIL;
	uint32_t	c;
	size_t		n;

	for (; (n = qc_utf8_char(row, left, &c)) > 0; row += n, left -= n)
	{
		if (c != ' ')
			add_code(lead, trail, c);
		trail += trail == 0x7E ? 2 : 1;
	}
	for (trail = GBK_FIRST_TRAIL; trail <= 0xFE; trail++)
		if (trail != 0x7F)
			add_code(lead, trail, gbk_private(lead, trail));
}

unsigned
qc_gbk_code(uint32_t c)
{
	unsigned	lead;

	if (gbk_codes[0x4E00] == 0)
		for (lead = GBK_FIRST_LEAD; lead < GBK_FIRST_LEAD + GBK_LEADS; lead++)
			add_row(lead);
	return c < 0x10000 ? gbk_codes[c] : 0;
}

void
qc_buf_add_char(QcBuf *buf, uint32_t c)
{
	char		s[4];

	qc_buf_add(buf, s, qc_utf8_put(s, c));
}
