/*-------------------------------------------------------------------------
 *
 * clean_controls.c
 *	  Characters that are not seen: dropped, where nothing needs them.
 *
 * Writing needs some: the two joiners in Arabic and Indic words, the zero-width
 * joiner and the selectors in emoji, a flag's tags.  They stay in such a
 * place and nowhere else, because the same characters pad newsletters and hide
 * words from readers.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/clean_stage.h"

#include <string.h>

#include "prompt/text.h"

#define ZWNJ 0x200C
#define ZWJ 0x200D
#define BLACK_FLAG 0x1F3F4

typedef enum Fate
{
	KEPT,
	DROPPED,
	NEWLINE,
	JOINER,						/* by what is before and after it */
	SELECTOR,					/* by what is before it */
	TAG							/* in a flag */
} Fate;

static bool
in(uint32_t c, uint32_t first, uint32_t last)
{
	return c >= first && c <= last;
}

static Fate
ascii_fate(uint32_t c)
{
	if (c == '\r' || c == '\v' || c == '\f')
		return NEWLINE;
	return (c >= 0x20 && c != 0x7F) || c == '\t' || c == '\n' ? KEPT : DROPPED;
}

static Fate
fate_of(uint32_t c)
{
	if (c < 0x80)
		return ascii_fate(c);
	if (c == 0x85 || c == 0x2028 || c == 0x2029)
		return NEWLINE;
	if (c < 0xA0 || c == 0xAD || c == 0x034F || c == 0x061C || c == 0x180E || c == 0x3164 || c == 0xFFA0 ||
		in(c, 0x115F, 0x1160) || c == 0x200B || in(c, 0x200E, 0x200F) || in(c, 0x202A, 0x202E) ||
		in(c, 0x2060, 0x206F) || c == 0xFEFF || in(c, 0xFFF0, 0xFFFB))
		return DROPPED;
	if (c == ZWNJ || c == ZWJ)
		return JOINER;
	if (in(c, 0xFE00, 0xFE0F) || in(c, 0xE0100, 0xE01EF))
		return SELECTOR;
	return in(c, 0xE0000, 0xE0FFF) ? TAG : KEPT;
}

/* Scripts whose letters change their shape beside a joiner. */
static bool
joins(uint32_t c)
{
	return in(c, 0x0600, 0x08FF) || in(c, 0x0900, 0x0DFF) || in(c, 0x0F00, 0x109F) ||
		in(c, 0x1780, 0x18AF) || in(c, 0xA840, 0xA87F) || in(c, 0xA8E0, 0xAADF) ||
		in(c, 0xFB50, 0xFDFF) || in(c, 0xFE70, 0xFEFC) || in(c, 0x11000, 0x11FFF);
}

static bool
is_emoji(uint32_t c)
{
	return in(c, 0x1F000, 0x1FAFF) || in(c, 0x2190, 0x2BFF) || in(c, 0x2600, 0x27BF) ||
		c == 0xFE0F || c == 0xA9 || c == 0xAE || c == 0x203C || c == 0x2049 || in(c, 0x3030, 0x303D) ||
		in(c, 0x3297, 0x3299);
}

static bool
is_ideograph(uint32_t c)
{
	return in(c, 0x2E80, 0x9FFF) || in(c, 0xF900, 0xFAFF) || in(c, 0x20000, 0x3FFFF);
}

static bool
joiner_stays(uint32_t c, uint32_t before, uint32_t after)
{
	if (c == ZWJ && is_emoji(before) && is_emoji(after))
		return true;
	/* an Arabic letter shows its inner form before a joiner at the word's end */
	return joins(before) && (joins(after) || c == ZWJ);
}

static bool
selector_stays(uint32_t c, uint32_t before)
{
	if (c == 0xFE0E || c == 0xFE0F)
		return is_emoji(before) || in(before, '0', '9') || before == '#' || before == '*';
	return is_ideograph(before) || in(before, 0x1800, 0x18AF) || in(before, 0x1000, 0x109F) ||
		in(before, 0x2200, 0x2AFF);
}

/* The walk's memory. */
typedef struct Walk
{
	uint32_t	before;			/* the last that stayed */
	bool		flag;			/* tags may follow */
} Walk;

static bool
stays(Walk *walk, uint32_t c, Fate fate, const char *rest, size_t left)
{
	uint32_t	after = 0;

	switch (fate)
	{
		case KEPT:
			return true;
		case JOINER:
			qc_utf8_char(rest, left, &after);
			return joiner_stays(c, walk->before, after);
		case SELECTOR:
			return selector_stays(c, walk->before);
		case TAG:
			return walk->flag && in(c, 0xE0020, 0xE007F);
		default:
			return false;
	}
}

/* Is there nothing here that this stage could want to change? */
static bool
is_plain(const char *s, size_t len)
{
	size_t		i;

	for (i = 0; i < len; i++)
	{
		unsigned char c = (unsigned char) s[i];

		if ((c < 0x20 && c != '\n' && c != '\t') || c >= 0x7F)
			return false;
	}
	return true;
}

bool
qc_clean_controls(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out)
{
	Walk		walk = {0};
	bool		changed = false;
	size_t		from = 0;
	size_t		at = 0;

	(void) options;
	if (is_plain(s, len))
		return false;
	while (at < len)
	{
		uint32_t	c = 0;
		size_t		n = qc_utf8_char(s + at, len - at, &c);
		Fate		fate = fate_of(c);
		bool		stay = stays(&walk, c, fate, s + at + n, len - at - n);

		if (!stay)
		{
			changed = true;
			qc_buf_add(out, s + from, at - from);
			if (fate == NEWLINE && !(c == '\r' && at + 1 < len && s[at + 1] == '\n'))
				qc_buf_add(out, "\n", 1);
			from = at + n;
		}
		else
		{
			walk.before = c;
			walk.flag = c == BLACK_FLAG || (walk.flag && fate == TAG);
		}
		at += n > 0 ? n : 1;
	}
	qc_buf_add(out, s + from, len - from);
	return changed;
}
