/*-------------------------------------------------------------------------
 *
 * segment.c
 *	  A long text in pieces that overlap, cut where it pauses.
 *
 * The text is read once from piece to piece.  Invariant: a piece ends in the
 * second half of what it may hold and the next begins at most a tenth before,
 * so each piece gets on by some two fifths at least.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/segment.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/bound.h"
#include "prompt/text.h"

/* Of a piece, what the next repeats. */
#define OVERLAP 10

/* How a text pauses after a character, the weakest first. */
typedef enum Pause
{
	PAUSE_NONE,
	PAUSE_SPACE,
	PAUSE_SENTENCE,
	PAUSE_LINE,
	PAUSE_BLANK_LINE,
	N_PAUSES
} Pause;

/* What was read of the text so far. */
typedef struct Reader
{
	const char *text;
	size_t		len;
	size_t		at;
	bool		line_is_blank;	/* nothing but white space since the line began */
	bool		ended;			/* a sentence did, but for quotes and brackets */
	bool		wide;			/* ... with a mark that wants no space after it */
} Reader;

static bool
is_one_of(uint32_t c, const uint32_t *set)
{
	while (*set != 0 && *set != c)
		set++;
	return *set != 0;
}

/* Chinese and Japanese full stop, ! and ?, also their narrow and full-width kin; the danda. */
static bool
is_wide_end(uint32_t c)
{
	static const uint32_t ends[] = {0x3002, 0xFF01, 0xFF1F, 0xFF0E, 0xFF61, 0x0964, 0};

	return is_one_of(c, ends);
}

/* . ! ? and the ellipsis, Arabic question mark and full stop. */
static bool
is_narrow_end(uint32_t c)
{
	static const uint32_t ends[] = {'.', '!', '?', 0x2026, 0x061F, 0x06D4, 0};

	return is_one_of(c, ends);
}

static bool
is_closing(uint32_t c)
{
	static const uint32_t closing[] = {
		'"', '\'', ')', ']', '}', 0x2019, 0x201D, 0x300D, 0x300F, 0x3011, 0x300B, 0xFF09, 0xBB, 0
	};

	return is_one_of(c, closing);
}

/* 0 at the end. */
static uint32_t
peek(const Reader *r)
{
	uint32_t	c = 0;

	if (r->at < r->len)
		qc_utf8_char(r->text + r->at, r->len - r->at, &c);
	return c;
}

static Pause
pause_after(Reader *r, uint32_t c)
{
	uint32_t	next = peek(r);
	bool		blank = r->line_is_blank;

	if (c == '\n')
	{
		r->line_is_blank = true;
		r->ended = false;
		return blank ? PAUSE_BLANK_LINE : PAUSE_LINE;
	}
	if (qc_is_space(c))
	{
		bool		sentence = r->ended;

		r->ended = r->ended && qc_is_space(next);
		return sentence ? PAUSE_SENTENCE : PAUSE_SPACE;
	}
	r->line_is_blank = false;
	if (is_wide_end(c) || is_narrow_end(c))
	{
		r->wide = is_wide_end(c);
		r->ended = true;
	}
	else if (!is_closing(c))
		r->ended = false;
	return r->ended && r->wide && !is_closing(next) && !is_wide_end(next) ?
		PAUSE_SENTENCE : PAUSE_NONE;
}

/* Go on by one character. */
static Pause
read_one(Reader *r)
{
	uint32_t	c = 0;
	size_t		n = qc_utf8_char(r->text + r->at, r->len - r->at, &c);

	r->at += n > 0 ? n : 1;
	return pause_after(r, c);
}

static Reader
reader_at(const char *text, size_t len, size_t at)
{
	Reader		r = {0};

	r.text = text;
	r.len = len;
	r.at = at;
	return r;
}

/* Where a piece from start on ends; chars of it may be read. */
static size_t
end_of(const char *text, size_t len, size_t start, size_t chars)
{
	Reader		r = reader_at(text, len, start);
	size_t		last[N_PAUSES] = {0};
	size_t		end;

	for (size_t i = 1; i <= chars && r.at < len; i++)
	{
		Pause		pause = read_one(&r);

		if (i > chars / 2)
			last[pause] = r.at;
	}
	if (r.at >= len)
		return len;
	for (int pause = N_PAUSES - 1; pause > PAUSE_NONE; pause--)
		if (last[pause] > 0)
			return last[pause];
	end = qc_bound_before(text, len, r.at);
	return end > start ? end : r.at;
}

static size_t
back(const char *text, size_t start, size_t at, size_t chars)
{
	while (chars > 0 && at > start)
	{
		at--;
		if (((unsigned char) text[at] & 0xC0) != 0x80)
			chars--;
	}
	return at;
}

/*
 * Where the piece after one that ends at end begins: at the first sentence or
 * line of the overlap, else after the first white space, else in its midst.
 */
static size_t
start_after(const char *text, size_t len, size_t start, size_t end, size_t overlap)
{
	size_t		from = qc_bound_after(text, len, back(text, start, end, overlap));
	Reader		r = reader_at(text, len, from);
	size_t		space = 0;

	if (from >= end)
		return end;
	while (r.at < end)
	{
		Pause		pause = read_one(&r);

		if (pause >= PAUSE_SENTENCE && r.at < end)
			return r.at;
		if (pause == PAUSE_SPACE && space == 0)
			space = r.at;
	}
	return space > 0 ? space : from;
}

static size_t
count(const char *text, size_t start, size_t end)
{
	size_t		n = 0;

	for (size_t i = start; i < end; i++)
		n += ((unsigned char) text[i] & 0xC0) != 0x80;
	return n;
}

/*
 * Add a piece, without the white space round it.  What is blank, or all in
 * another, is none.
 */
static bool
add(QcSegment **segment, size_t *n, size_t *room, const char *text, size_t start, size_t end)
{
	qc_trim_space(text, &start, &end);
	if (start >= end || (*n > 0 && end <= (*segment)[*n - 1].end))
		return true;
	if (*n > 0 && start <= (*segment)[*n - 1].start)
		(*n)--;
	if (*n == *room)
	{
		size_t		more = *room ? 2 * *room : 8;
		QcSegment  *grown = realloc(*segment, more * sizeof(QcSegment));

		if (grown == NULL)
			return false;
		*segment = grown;
		*room = more;
	}
	(*segment)[*n] = (QcSegment) {start, end, count(text, start, end)};
	(*n)++;
	return true;
}

QcSegment *
qc_segments(const char *text, size_t len, size_t max_chars, size_t *n)
{
	size_t		room = 1;
	QcSegment  *segment = malloc(sizeof(QcSegment));
	size_t		start = 0;

	*n = 0;
	qc_trim_space(text, &start, &len);
	while (segment != NULL && start < len)
	{
		size_t		end = end_of(text, len, start, max_chars);

		if (!add(&segment, n, &room, text, start, end))
		{
			free(segment);
			return NULL;
		}
		start = end < len ? start_after(text, len, start, end, max_chars / OVERLAP) : len;
		qc_trim_space(text, &start, &len);
	}
	return segment;
}
