/*-------------------------------------------------------------------------
 *
 * clean_mojibake.c
 *	  UTF-8 that was read as Latin-1, CP1252 or GBK, read again.
 *
 * A piece (a line, else a word of it) is changed only if every character of
 * it goes back to bytes, these are valid UTF-8 without exception, and there is
 * evidence (below) that nobody wrote it so.  Going back and forth is exact, so
 * that nothing is lost by it.  Text that was misread twice takes two rounds.
 *
 * The evidence.  In Latin writing, an accented letter before a quotation mark or
 * a dash is also valid UTF-8 (CAFÉ” is CAFɔ), so such pairs prove nothing;
 * "Ã©", "â€" and their like do.  In Chinese, most misread characters are
 * of the rare kind, where people's are common.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/clean_stage.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "prompt/ascii.h"
#include "prompt/clean_bytes.h"
#include "prompt/text.h"

#define ROUNDS 3				/* misread twice, and one to spare */

/* A piece's characters, the bytes they were read from, and those bytes' characters. */
typedef struct Piece
{
	uint32_t   *seen;			/* [n] */
	size_t		n;
	unsigned char *bytes;		/* [nbytes], at most two a character */
	size_t		nbytes;
	const QcCleanOptions *options;
} Piece;

/* ---- what characters are ---- */

static bool
is_category(uint32_t c, utf8proc_category_t first, utf8proc_category_t last)
{
	utf8proc_category_t category = utf8proc_category((utf8proc_int32_t) c);

	return category >= first && category <= last;
}

static bool
is_letter(uint32_t c)
{
	return is_category(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LO);
}

static bool
is_upper(uint32_t c)
{
	return is_category(c, UTF8PROC_CATEGORY_LU, UTF8PROC_CATEGORY_LU);
}

static bool
is_lower(uint32_t c)
{
	return is_category(c, UTF8PROC_CATEGORY_LL, UTF8PROC_CATEGORY_LL);
}

/* Nobody meant an unassigned character, and mending must not make one. */
static bool
is_assigned(uint32_t c)
{
	return !is_category(c, UTF8PROC_CATEGORY_CN, UTF8PROC_CATEGORY_CN);
}

/* What people do write straight after a letter, as the byte of CP1252. */
static bool
may_follow_letter(unsigned char byte)
{
	static const unsigned char signs[] = {
		0x85, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x99, 0x9B,
		0xA0, 0xA1, 0xAA, 0xAD, 0xAE, 0xB0, 0xB2, 0xB3, 0xB7, 0xB9, 0xBA, 0xBB, 0xBF
	};

	return memchr(signs, byte, sizeof(signs)) != NULL;
}

/* ---- Latin-1 and CP1252 ---- */

static bool
read_latin(Piece *piece)
{
	size_t		i;

	for (i = 0; i < piece->n; i++)
	{
		int			byte = qc_cp1252_byte(piece->seen[i]);

		if (byte < 0)
			return false;
		piece->bytes[i] = (unsigned char) byte;
	}
	piece->nbytes = piece->n;
	return true;
}

/* A sign that stands between a letter and a small letter only if they are one character's bytes. */
static bool
splits_word(unsigned char trail, uint32_t after)
{
	return trail > 0xA0 && trail != 0xBB && is_lower(after);
}

static bool
begins_two(const Piece *piece, size_t at)
{
	return at + 1 < piece->nbytes && piece->bytes[at] >= 0xC6 && piece->bytes[at] <= 0xDF &&
		piece->bytes[at + 1] >= 0x80 && piece->bytes[at + 1] <= 0xBF;
}

/* Two bytes: is it no letter with a sign after it?  All these letters are capitals but one. */
static bool
two_are_evidence(const Piece *piece, size_t at)
{
	unsigned char lead = piece->bytes[at];
	unsigned char trail = piece->bytes[at + 1];
	bool		odd = !may_follow_letter(trail);
	uint32_t	before = at > 0 ? piece->seen[at - 1] : ' ';
	uint32_t	after = at + 2 < piece->n ? piece->seen[at + 2] : ' ';

	if (lead <= 0xC3)
		return odd || !is_upper(before) || splits_word(trail, after);
	if (lead <= 0xC5)
		return odd || is_lower(before) || splits_word(trail, after) ||
			(trail != 0xA0 && is_lower(after) && !is_upper(before));
	/* of another script: more than one of them */
	return odd && (begins_two(piece, at + 2) || (at > 1 && begins_two(piece, at - 2)));
}

/* Three or four: "né «" with its narrow space is the one that people write. */
static bool
more_are_evidence(const Piece *piece, size_t at, size_t n)
{
	uint32_t	after = at + n < piece->n ? piece->seen[at + n] : ' ';
	size_t		i;

	if (n == 3 && piece->bytes[at + 1] == 0xA0)
		return false;
	for (i = 1; i < n; i++)
		if (!may_follow_letter(piece->bytes[at + i]))
			return true;
	return splits_word(piece->bytes[at + n - 1], after) ||
		qc_utf8_char((const char *) piece->bytes + at + n, piece->nbytes - at - n, NULL) > 2;
}

static bool
latin_evidence(const Piece *piece, size_t at, size_t n)
{
	return n == 2 ? two_are_evidence(piece, at) : more_are_evidence(piece, at, n);
}

static bool
is_held(const QcCleanOptions *options, uint32_t c)
{
	return options->fits == NULL || options->fits(options->arg, c);
}

/* Valid throughout, with evidence somewhere? */
static bool
latin_was_misread(const Piece *piece)
{
	bool		evidence = false;
	size_t		at = 0;

	while (at < piece->nbytes)
	{
		uint32_t	c;
		size_t		n = qc_utf8_char((const char *) piece->bytes + at, piece->nbytes - at, &c);

		if (n == 0 || !is_assigned(c) || !is_held(piece->options, c))
			return false;
		if (n > 1 && !evidence)
			evidence = latin_evidence(piece, at, n);
		at += n;
	}
	return evidence;
}

/* ---- GBK ---- */

/* How many bytes the last character still wants. */
static size_t
bytes_wanted(const Piece *piece)
{
	size_t		back;

	for (back = 1; back <= 3 && back <= piece->nbytes; back++)
	{
		unsigned char byte = piece->bytes[piece->nbytes - back];
		size_t		whole = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;

		if (byte < 0x80 || byte >= 0xC0)
			return whole > back ? whole - back : 0;
	}
	return 0;
}

static unsigned
gbk_code(const Piece *piece, size_t i)
{
	unsigned	next;

	if (i >= piece->n || piece->seen[i] < 0x80)
		return i < piece->n ? piece->seen[i] : 0;
	if (piece->seen[i] != 0x20AC)
		return qc_gbk_code(piece->seen[i]);
	/* the euro sign is one byte as well as two: which, its neighbours tell */
	next = gbk_code(piece, i + 1);
	next = next > 0xFF ? next >> 8 : next;
	return bytes_wanted(piece) == 1 && next >= 0x80 && next <= 0xBF ? qc_gbk_code(0x20AC) : 0x80;
}

static bool
read_gbk(Piece *piece)
{
	size_t		i;

	piece->nbytes = 0;
	for (i = 0; i < piece->n; i++)
	{
		unsigned	code = gbk_code(piece, i);

		if (code == 0)
			return false;
		if (code > 0xFF)
			piece->bytes[piece->nbytes++] = (unsigned char) (code >> 8);
		piece->bytes[piece->nbytes++] = (unsigned char) code;
	}
	return true;
}

/* Outside of the 3,755 characters of GB 2312's first level, kana and common signs. */
static bool
is_rare(uint32_t c)
{
	unsigned	lead = qc_gbk_code(c) >> 8;
	unsigned	trail = qc_gbk_code(c) & 0xFF;

	return !((lead >= 0xB0 && lead <= 0xD7) || (lead >= 0xA1 && lead <= 0xA5)) || trail < 0xA1;
}

static bool
is_ascii_letter(uint32_t c)
{
	return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

typedef struct Counts
{
	size_t		wide;			/* characters seen that are not ASCII */
	size_t		rare;			/* of these */
	size_t		sequences;		/* of more than one byte that were read */
	size_t		longer;			/* of more than two */
	size_t		latin;			/* letters and signs of Latin writing */
	size_t		attached;		/* to an ASCII letter at one side */
	size_t		inside;			/* at both sides */
	size_t		ascii;			/* letters of ASCII */
	size_t		signs;			/* general and full-width punctuation */
	size_t		script;			/* in the block of the first letter that is not Latin */
	size_t		different;		/* from the one before */
	uint32_t	block;
	uint32_t	last;
} Counts;

static void
count_seen(const Piece *piece, Counts *count)
{
	size_t		i;

	for (i = 0; i < piece->n; i++)
	{
		count->wide += piece->seen[i] >= 0x80;
		count->rare += piece->seen[i] >= 0x80 && is_rare(piece->seen[i]);
	}
}

/* Cyrillic, Greek, Hebrew and Arabic, without letters that only scholars write. */
static uint32_t
block_of(uint32_t c)
{
	if (c >= 0x0386 && c <= 0x03CE)
		return 1;
	if ((c >= 0x0400 && c <= 0x045F) || c == 0x0490 || c == 0x0491)
		return 2;
	if (c >= 0x0591 && c <= 0x05F4)
		return 3;
	return c >= 0x060C && c <= 0x06FF ? 4 : 0;
}

static bool
is_latin(uint32_t c)
{
	return (c >= 0xA0 && c <= 0x17F) || (c >= 0x1E00 && c <= 0x1EFF) || c == 0x20AC || c == 0x2122 ||
		(c >= 0x2010 && c <= 0x203A) || (c >= 0x01A0 && c <= 0x01B0) || (c >= 0x0218 && c <= 0x021B);
}

static void
count_character(uint32_t c, size_t n, Counts *count)
{
	uint32_t	block = block_of(c);

	if (count->block == 0)
		count->block = block;
	count->sequences++;
	count->longer += n > 2;
	count->latin += is_latin(c);
	count->script += (block != 0 && block == count->block) || c == 0xA0 || c == 0xAB || c == 0xBB;
	count->different += c != count->last;
	count->signs += (c >= 0x2010 && c <= 0x203A) || (c >= 0x3000 && c <= 0x3020) || (c >= 0xFF00 && c <= 0xFF65);
	count->last = c;
}

/* Letters that end a word in some language: not the ones that end a Chinese sentence (没, 每). */
static bool
may_end_word(uint32_t c)
{
	return is_lower(c) && c != 0xFB && c != 0xFF;
}

/* Count what the bytes say; false: they are not text. */
static bool
count_read(const Piece *piece, Counts *count)
{
	const char *s = (const char *) piece->bytes;
	uint32_t	before = ' ';
	size_t		at = 0;

	while (at < piece->nbytes)
	{
		uint32_t	c;
		size_t		n = qc_utf8_char(s + at, piece->nbytes - at, &c);

		if (n == 0 || !is_assigned(c) || (c >= 0x7F && c < 0xA0) || !is_held(piece->options, c))
			return false;
		at += n;
		count->ascii += is_ascii_letter(c);
		if (n > 1)
		{
			bool		followed = at < piece->nbytes && is_ascii_letter(piece->bytes[at]);

			count_character(c, n, count);
			count->attached += is_letter(c) && (followed || (is_ascii_letter(before) && may_end_word(c)));
			count->inside += is_ascii_letter(before) && followed && is_lower(c);
		}
		before = c;
	}
	return true;
}

/* Latin writing: few of the letters are accented, and they stand in words. */
static bool
latin_was_gbk(const Counts *count)
{
	if (count->latin != count->sequences || count->sequences > count->ascii)
		return false;
	if (count->inside > 0)
		return count->ascii > 2;
	return count->ascii > 11 && count->attached > 0;
}

static bool
gbk_was_misread(const Piece *piece)
{
	Counts		count = {0};

	count_seen(piece, &count);
	if (count.wide == 0 || !count_read(piece, &count))
		return false;
	if (latin_was_gbk(&count))
		return true;
	if (count.longer > 0)
		return count.rare * 2 >= count.wide &&
			(count.sequences > 2 || count.signs > 0 || (count.sequences == 2 && count.longer == 2));
	/* two bytes each: one character is one again, and chance is a likelier reason */
	return count.block != 0 && count.script == count.sequences && count.sequences > 2 &&
		(count.rare > 0 || count.different > 2);
}

/* No evidence by itself, but what it says was misread, too: chance does not do that twice. */
static bool
gbk_was_misread_twice(const Piece *piece, Piece *again)
{
	Counts		count = {0};
	size_t		at = 0;

	if (!count_read(piece, &count))
		return false;
	for (again->n = 0; at < piece->nbytes; again->n++)
		at += qc_utf8_char((const char *) piece->bytes + at, piece->nbytes - at, &again->seen[again->n]);
	return read_gbk(again) && gbk_was_misread(again);
}

/* ---- lines and words ---- */

static bool
mend_piece(Piece piece[2], const char *s, size_t len, QcBuf *out)
{
	bool		mended;
	size_t		at = 0;

	for (piece->n = 0; at < len; piece->n++)
		at += qc_utf8_char(s + at, len - at, &piece->seen[piece->n]);
	mended = (read_latin(piece) && latin_was_misread(piece)) ||
		(read_gbk(piece) && (gbk_was_misread(piece) || gbk_was_misread_twice(piece, piece + 1)));
	if (mended)
		qc_buf_add(out, (const char *) piece->bytes, piece->nbytes);
	return mended;
}

static size_t
word_length(const char *s, size_t len)
{
	size_t		n = 0;

	while (n < len && s[n] != ' ' && s[n] != '\t')
		n++;
	return n;
}

/* A word that has characters of other writing in it, as an emoji after it: without them. */
static bool
mend_runs(Piece piece[2], const char *s, size_t len, QcBuf *out)
{
	bool		mended = false;
	size_t		at = 0;

	while (at < len)
	{
		size_t		from = at;
		uint32_t	c = 0;
		size_t		n = 0;

		while (at < len && (n = qc_utf8_char(s + at, len - at, &c)) > 0 && qc_cp1252_byte(c) >= 0)
			at += n;
		if (at - from < len && !qc_ascii_only(s + from, at - from) && mend_piece(piece, s + from, at - from, out))
			mended = true;
		else
			qc_buf_add(out, s + from, at - from);
		n = at < len && n == 0 ? 1 : n;
		qc_buf_add(out, s + at, at < len ? n : 0);
		at += n;
	}
	return mended;
}

static bool
mend_words(Piece piece[2], const char *s, size_t len, QcBuf *out)
{
	bool		mended = false;
	size_t		at = 0;

	while (at < len)
	{
		size_t		n = word_length(s + at, len - at);

		if (qc_ascii_only(s + at, n))
			qc_buf_add(out, s + at, n);
		else if (mend_piece(piece, s + at, n, out) || mend_runs(piece, s + at, n, out))
			mended = true;
		at += n;
		if (at < len)
			qc_buf_add(out, s + at++, 1);
	}
	return mended;
}

static bool
mend_lines(Piece piece[2], const char *s, size_t len, QcBuf *out)
{
	bool		mended = false;
	size_t		at = 0;

	while (at < len)
	{
		const char *end = memchr(s + at, '\n', len - at);
		size_t		n = end != NULL ? (size_t) (end - s) - at : len - at;

		if (qc_ascii_only(s + at, n))
			qc_buf_add(out, s + at, n);
		else if (mend_piece(piece, s + at, n, out) || mend_words(piece, s + at, n, out))
			mended = true;
		at += n;
		if (at < len)
			qc_buf_add(out, s + at++, 1);
	}
	return mended;
}

/* The plain form of a quotation mark or a dash that the caller's encoding lacks; 0: none. */
static uint32_t
plain_form(uint32_t c)
{
	if (c == 0x2018 || c == 0x2019)
		return '\'';
	if (c == 0x201C || c == 0x201D)
		return '"';
	return c == 0x2013 || c == 0x2014 ? '-' : 0;
}

/* Latin-1's control characters, where CP1252 has quotes and dashes: "It\x92s". */
static bool
mend_controls(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out)
{
	bool		mended = false;
	size_t		from = 0;
	size_t		at;

	for (at = 0; at + 1 < len; at++)
	{
		unsigned char low = (unsigned char) s[at + 1];
		uint32_t	c;

		/* U+0085 is also a line's end */
		if (s[at] != '\xC2' || low < 0x80 || low > 0x9F || low == 0x85)
			continue;
		c = qc_cp1252_char(low);
		/* after another such character it is rather a byte of something that cannot be mended here */
		if (!is_held(options, c))
			c = at > 0 && (unsigned char) s[at - 1] < 0x80 ? plain_form(c) : 0;
		if (c == 0 || c == low)
			continue;
		qc_buf_add(out, s + from, at - from);
		qc_buf_add_char(out, c);
		from = at + 2;
		mended = true;
	}
	qc_buf_add(out, s + from, len - from);
	return mended;
}

/* No round makes a line longer. */
static size_t
longest_line(const char *s, size_t len)
{
	size_t		longest = 0;
	size_t		from = 0;
	size_t		at;

	for (at = 0; at < len; at++)
		if (s[at] == '\n')
		{
			longest = at - from > longest ? at - from : longest;
			from = at + 1;
		}
	return len - from > longest ? len - from : longest;
}

static bool
mend_rounds(Piece piece[2], const char *s, size_t len, QcBuf *out)
{
	QcBuf		round = {0};
	int			n = 0;

	while (n < ROUNDS && mend_lines(piece, s, len, &round) && !round.failed)
	{
		QcBuf		last = *out;

		n++;
		*out = round;
		round = last;
		round.len = 0;
		s = out->data;
		len = out->len;
	}
	out->failed = out->failed || round.failed;
	free(round.data);
	return n > 0;
}

static bool
open_pieces(Piece piece[2], size_t longest, const QcCleanOptions *options)
{
	int			i;

	for (i = 0; i < 2; i++)
	{
		piece[i].options = options;
		piece[i].seen = malloc(longest * sizeof(uint32_t));
		piece[i].bytes = malloc(longest * 2);
	}
	return piece[0].seen != NULL && piece[0].bytes != NULL &&
		piece[1].seen != NULL && piece[1].bytes != NULL;
}

static void
close_pieces(Piece piece[2])
{
	int			i;

	for (i = 0; i < 2; i++)
	{
		free(piece[i].seen);
		free(piece[i].bytes);
	}
}

bool
qc_clean_mojibake(const char *s, size_t len, const QcCleanOptions *options, QcBuf *out)
{
	Piece		piece[2] = {0};	/* the second for what the first says */
	QcBuf		rounds = {0};
	bool		mended;

	if (qc_ascii_only(s, len))
		return false;
	rounds.failed = !open_pieces(piece, longest_line(s, len) + 1, options);
	mended = !rounds.failed && mend_rounds(piece, s, len, &rounds);
	close_pieces(piece);
	if (mended)
		mend_controls(rounds.data, rounds.len, options, out);
	else if (!rounds.failed)
		mended = mend_controls(s, len, options, out);
	out->failed = out->failed || rounds.failed;
	free(rounds.data);
	return mended;
}
