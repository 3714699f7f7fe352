/*-------------------------------------------------------------------------
 *
 * test_segment.c
 *	  A long text in pieces.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include "prompt/message.h"
#include "prompt/segment.h"
#include "prompt/text.h"

#include "tap.h"

/* The pieces, each followed by a bar. */
static void
pieces(const char *name, const char *text, size_t max, const char *expected)
{
	char		got[4096] = "";
	size_t		n;
	QcSegment  *segment = qc_segments(text, strlen(text), max, &n);

	for (size_t i = 0; i < n; i++)
	{
		strncat(got, text + segment[i].start, segment[i].end - segment[i].start);
		strcat(got, "|");
	}
	tap_ok(strcmp(got, expected) == 0, name, "%s", got);
	free(segment);
}

/* What the header promises, of any text. */
static bool
holds(const char *text, size_t len, size_t max)
{
	size_t		n;
	QcSegment  *segment = qc_segments(text, len, max, &n);
	size_t		covered = 0;
	bool		good = segment != NULL;

	for (size_t i = 0; good && i < n; i++)
	{
		size_t		start = segment[i].start;
		size_t		size = segment[i].end - start;
		size_t		chars;
		size_t		from = covered;
		size_t		to = start;

		good = qc_utf8_valid(text + start, size, &chars) == size && chars > 0 &&
			chars <= max && chars == segment[i].chars && (i == 0 || start > segment[i - 1].start);
		if (start > covered)
		{
			qc_trim_space(text, &from, &to);
			good = good && from >= to;
		}
		if (segment[i].end > covered)
			covered = segment[i].end;
	}
	if (good && covered < len)
	{
		qc_trim_space(text, &covered, &len);
		good = covered >= len;
	}
	free(segment);
	return good;
}

static void
any_text(void)
{
	static const char *const piece[] = {
		"a", " ", "\n", "\n\n", ". ", "word", "。", "\xe5\xb7\xae", "！」", "e\xcc\x81", "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb",
		"\t", "...", "?\" ", "\r\n", "\xe3\x80\x80"
	};
	char		text[4000];
	unsigned	seed = 1;
	int			bad = 0;

	for (int i = 0; i < 3000; i++)
	{
		text[0] = '\0';
		for (int k = 0; k < i % 200; k++)
			strcat(text, piece[(seed = seed * 1103515245 + 12345) / 65536 % 16]);
		for (size_t max = 1; max < 60; max = max * 2 + 1)
			bad += !holds(text, strlen(text), max);
	}
	tap_ok(bad == 0, "any text is covered by pieces that are not too long", "%d are not", bad);
}

static void
long_text(void)
{
	size_t		len = 4000000;
	char	   *text = malloc(len + 1);
	size_t		n;
	QcSegment  *segment;

	memset(text, 'x', len);
	for (size_t i = 6; i < len; i += 7)
		text[i] = i % 70 == 6 ? '.' : ' ';
	text[len] = '\0';
	segment = qc_segments(text, len, 4000, &n);
	tap_ok(n > 1000 && n < 1300, "4 MB come to some 1,100 pieces of 4,000", "%zu", n);
	free(segment);
	free(text);
}

int
main(void)
{
	pieces("a short text is one piece", "one two", 20, "one two|");
	pieces("without the white space round it", "  one two \n", 20, "one two|");
	pieces("a blank text is none", " \n \t", 2, "");
	pieces("an empty one neither", "", 2, "");
	pieces("white space", "aaaa bbbb cccc dddd", 10, "aaaa bbbb|cccc dddd|");
	pieces("no pause at all", "abcdefghijklmnopqrst", 10, "abcdefghij|jklmnopqrs|st|");
	pieces("a sentence before a space", "Aa bb. Cc dd ee ff gg", 13, "Aa bb.|Cc dd ee ff|gg|");
	pieces("a line before a sentence", "Aa bb\nCc. dd ee ff", 10, "Aa bb|Cc. dd ee|ff|");
	pieces("a blank line before a line", "Aaaaaaa\n\nBb\nCc dd", 13, "Aaaaaaa|Bb\nCc dd|");
	pieces("a number is no sentence's end", "Pay 3.50 or more now", 9, "Pay 3.50|or more|now|");
	pieces("Chinese sentences", "苹果发布新款。手机很好！真的吗？是", 9, "苹果发布新款。|手机很好！真的吗？|是|");
	pieces("with their closing quotes", "他说：“好。”然后走了很远很远", 9, "他说：“好。”|然后走了很远很远|");
	pieces("quotes after a full stop", "He said \"no.\" Then he left", 16, "He said \"no.\"|Then he left|");
	pieces("a base stays with its marks", "aaaaaaae\xcc\x81zzzzzzz", 8, "aaaaaaa|e\xcc\x81zzzzzz|z|");
	pieces("the next piece begins before the last one's end",
		   "aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa bbbb cccc dddd eeee ffff", 60,
		   "aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa aaaa bbbb|bbbb cccc dddd eeee ffff|");
	any_text();
	long_text();
	return tap_end();
}
