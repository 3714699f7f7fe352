/*-------------------------------------------------------------------------
 *
 * clean.c
 *	  Runs the stages of cleaning, one after the other.
 *
 * Their order matters.  Markup first, because the later stages read lines.
 * Mojibake before controls, because half of what a wrong decoding makes are
 * invisible characters.  White space last, for what the others leave.
 *
 * Bytes that are not UTF-8 travel as characters of the last private plane, which no
 * text uses; a text that does use them is given back as it is.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/clean.h"

#include <stdlib.h>
#include <string.h>

#include "prompt/clean_stage.h"
#include "prompt/message.h"
#include "prompt/text.h"

/* U+10FF00 + byte, in UTF-8: F4 8F, then the byte's bits above BC, 80. */
#define STAND_IN_HEAD "\xF4\x8F"
#define STAND_IN_BYTES 4

typedef struct Step
{
	QcCleanStage run;
	bool		wanted;
} Step;

void
qc_clean_defaults(QcCleanOptions *options)
{
	memset(options, 0, sizeof(*options));
	options->html = options->mojibake = options->controls = true;
	options->boilerplate = options->punctuation = options->space = true;
	options->urls = QC_URLS_KEEP;
}

/* ---- bytes that are not UTF-8 ---- */

static bool
is_stand_in(const char *s, size_t len)
{
	return len >= STAND_IN_BYTES && memcmp(s, STAND_IN_HEAD, 2) == 0 &&
		(unsigned char) s[2] >= 0xBC;
}

static void
add_stand_in(QcBuf *out, unsigned char byte)
{
	char		c[STAND_IN_BYTES] = STAND_IN_HEAD;

	c[2] = (char) (0xBC | (byte >> 6));
	c[3] = (char) (0x80 | (byte & 0x3F));
	qc_buf_add(out, c, sizeof(c));
}

static bool
has_stand_in(const char *s, size_t len)
{
	const char *end = s + len;

	while ((s = memchr(s, STAND_IN_HEAD[0], (size_t) (end - s))) != NULL)
	{
		if (is_stand_in(s, (size_t) (end - s)))
			return true;
		s++;
	}
	return false;
}

/* false: the text has such characters of its own */
static bool
hide_bytes(const char *s, size_t len, QcBuf *out)
{
	size_t		at = 0;

	while (at < len)
	{
		size_t		valid = qc_utf8_valid(s + at, len - at, NULL);

		if (has_stand_in(s + at, valid))
			return false;
		qc_buf_add(out, s + at, valid);
		at += valid;
		if (at < len)
			add_stand_in(out, (unsigned char) s[at++]);
	}
	return true;
}

static void
show_bytes(char *s, size_t *len)
{
	size_t		from;
	size_t		to = 0;

	for (from = 0; from < *len;)
	{
		if (is_stand_in(s + from, *len - from))
		{
			s[to++] = (char) (((s[from + 2] & 3) << 6) | (s[from + 3] & 0x3F));
			from += STAND_IN_BYTES;
		}
		else
			s[to++] = s[from++];
	}
	s[to] = '\0';
	*len = to;
}

/* ---- the stages ---- */

/* Put what a stage made in the text's place; false without memory. */
static bool
run_stage(QcCleanStage stage, const QcCleanOptions *options, char **text, size_t *len)
{
	QcBuf		out = {0};
	bool		changed = stage(*text, *len, options, &out);
	size_t		out_len = out.len;
	bool		failed = out.failed;
	char	   *made = changed && !failed ? qc_buf_take(&out) : NULL;

	free(out.data);
	if (failed || (changed && made == NULL))
		return false;
	if (changed)
	{
		free(*text);
		*text = made;
		*len = out_len;
	}
	return true;
}

static bool
run_stages(const QcCleanOptions *o, char **text, size_t *len, bool *stopped)
{
	const Step	steps[] = {
		{qc_clean_html, o->html},
		{qc_clean_mojibake, o->mojibake},
		{qc_clean_controls, o->controls},
		{qc_clean_urls, o->urls != QC_URLS_KEEP},
		{qc_clean_boilerplate, o->boilerplate},
		{qc_clean_punctuation, o->punctuation},
		{qc_clean_space, o->space}
	};
	size_t		i;

	for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
	{
		if (!steps[i].wanted || *len == 0)
			continue;
		if (!run_stage(steps[i].run, o, text, len))
			return false;
		*stopped = o->stop != NULL && o->stop();
		if (*stopped)
			return false;
	}
	return true;
}

char *
qc_clean(const char *s, size_t len, const QcCleanOptions *options,
		 size_t *out_len, bool *stopped)
{
	QcBuf		hidden = {0};
	bool		valid = qc_utf8_valid(s, len, NULL) == len;
	char	   *text;

	*stopped = false;
	*out_len = len;
	if (!valid && !hide_bytes(s, len, &hidden))
	{
		free(hidden.data);
		return qc_strndup(s, len);
	}
	if (!valid)
		*out_len = hidden.len;
	text = valid ? qc_strndup(s, len) : qc_buf_take(&hidden);
	if (text != NULL && !run_stages(options, &text, out_len, stopped))
	{
		free(text);
		text = NULL;
	}
	if (text != NULL && !valid)
		show_bytes(text, out_len);
	return text;
}
