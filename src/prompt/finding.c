/*-------------------------------------------------------------------------
 *
 * finding.c
 *	  Where the label of an answer stands, and which it is.
 *
 * An answer is a label, a label in quotes, a JSON string, or an object with a
 * label in it; a code fence, a thinking block and prose may stand around.
 * Which of these was asked for only decides what is tried first.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/finding.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "prompt/buf.h"
#include "prompt/text.h"

/* A stretch of the reply's text. */
typedef struct Stretch
{
	size_t		start;
	size_t		end;
} Stretch;

static bool
begins(const char *text, Stretch in, const char *word)
{
	size_t		n = strlen(word);

	return in.end - in.start >= n && memcmp(text + in.start, word, n) == 0;
}

/* The place after the first occurrence of word, 0: none. */
static size_t
after(const char *text, Stretch in, const char *word)
{
	const char *at;

	while (in.start < in.end &&
		   (at = memchr(text + in.start, word[0], in.end - in.start)) != NULL)
	{
		in.start = (size_t) (at - text);
		if (begins(text, in, word))
			return in.start + strlen(word);
		in.start++;
	}
	return 0;
}

/*
 * Without its thinking.  A template may open the block itself, so that the
 * answer holds the end of it only; an answer that looks like one from its
 * first byte on is not searched for that.  A block without an end is all.
 */
static Stretch
skip_thinking(const char *text, Stretch in)
{
	size_t		end = after(text, in, "</think>");

	if (begins(text, in, "<think>"))
		in.start = end > 0 ? end : in.end;
	else if (end > 0 && in.start < in.end && strchr("{[\"`", text[in.start]) == NULL)
		in.start = end;
	qc_trim_space(text, &in.start, &in.end);
	return in;
}

/* The inside of a code fence that the answer begins with. */
static Stretch
skip_fence(const char *text, Stretch in)
{
	Stretch		inside = in;
	size_t		end;

	if (!begins(text, in, "```"))
		return in;
	inside.start += 3;
	while (inside.start < in.end && isalnum((unsigned char) text[inside.start]))
		inside.start++;
	if (inside.start >= in.end || strchr("\r\n", text[inside.start]) == NULL)
		return in;				/* "```refund```": the quotes' business */
	end = after(text, inside, "```");
	if (end > 0)
		inside.end = end - 3;
	qc_trim_space(text, &inside.start, &inside.end);
	return inside;
}

static Stretch
answer_of(const char *text, size_t len)
{
	Stretch		in = {0, len};

	qc_trim_space(text, &in.start, &in.end);
	return skip_fence(text, skip_thinking(text, in));
}

static bool
is_asked(const QcAsked *asked, int label)
{
	int			i;

	if (asked->subset == NULL)
		return label >= 0;
	for (i = 0; i < asked->nsubset; i++)
	{
		if (asked->subset[i] == label)
			return true;
	}
	return false;
}

/*
 * The label whose code the text is, to the letter: a model that writes "All"
 * or "a" did not mean code A.
 */
static int
find_code(const QcAsked *asked, const char *s, size_t len)
{
	size_t		start = 0;
	char		code[4];
	int			i;

	qc_trim_quotes(s, &start, &len);
	for (i = 0; i < asked->labels->n; i++)
	{
		qc_label_code(i, asked->labels->n, code);
		if (strlen(code) == len - start && memcmp(code, s + start, len - start) == 0)
			return i;
	}
	return -1;
}

/* The only label asked about that begins so, -1 if none or several do. */
static int
find_begun(const QcAsked *asked, const char *s, size_t len)
{
	int			found = -1;
	int			i;

	for (i = 0; len > 0 && i < asked->labels->n; i++)
	{
		if (!is_asked(asked, i) || strncmp(asked->labels->label[i].name, s, len) != 0)
			continue;
		if (found >= 0)
			return -1;
		found = i;
	}
	return found;
}

/* Which label these words are, by code or by name. */
static void
identify(const QcAsked *asked, const char *s, size_t len, QcFinding *finding)
{
	finding->label = asked->codes ? find_code(asked, s, len) : -1;
	finding->span.by_code = finding->label >= 0;
	if (finding->label < 0)
		finding->label = qc_labels_find(asked->labels, s, len);
	if (!is_asked(asked, finding->label))
		finding->label = -1;
	finding->certain = finding->label >= 0;
}

/*
 * Take a stretch as the label's place if the label is spelt there, in some
 * case.  Only then do the tokens speak of it.
 */
static bool
take_span(const char *text, Stretch in, const QcAsked *asked, QcFinding *finding)
{
	QcSpan		span = finding->span;
	char	   *spelt = qc_label_spelt(asked, finding->label, &span);
	size_t		len = in.end - in.start;
	bool		same = spelt != NULL && strlen(spelt) == len &&
		strncasecmp(spelt, text + in.start, len) == 0;

	span.start = in.start;
	span.end = in.end;
	span.any_case = same && memcmp(spelt, text + in.start, len) != 0;
	free(spelt);
	if (same)
		finding->span = span;
	return same;
}

/* The label stands in a stretch, or in it without white space or quotes. */
static void
locate(const char *text, Stretch in, const QcAsked *asked, QcFinding *finding)
{
	finding->spelt = take_span(text, in, asked, finding);
	if (finding->spelt)
		return;
	qc_trim_space(text, &in.start, &in.end);
	finding->spelt = take_span(text, in, asked, finding);
	if (finding->spelt || finding->span.in_string)
		return;
	qc_trim_quotes(text, &in.start, &in.end);
	finding->spelt = take_span(text, in, asked, finding);
}

/* A label that the text ended within: nothing else may begin so. */
static void
complete(Stretch in, const QcAsked *asked, QcFinding *finding)
{
	const char *s = finding->said;

	finding->cut = true;
	finding->label = find_begun(asked, s, strlen(s));
	finding->certain = finding->label >= 0 &&
		strcmp(asked->labels->label[finding->label].name, s) == 0;
	finding->span.by_code = false;
	finding->span.start = in.start;
	finding->span.end = in.end;
	finding->spelt = finding->label >= 0;
}

/* The inside of a JSON string, cut or not. */
static bool
read_string(const char *text, Stretch in, bool cut, const QcAsked *asked, QcFinding *finding)
{
	finding->said = qc_unescape(text + in.start, in.end - in.start);
	if (finding->said == NULL)
		return false;
	finding->answer = true;
	finding->span.in_string = true;
	if (cut)
	{
		complete(in, asked, finding);
		return true;
	}
	identify(asked, finding->said, strlen(finding->said), finding);
	if (finding->label >= 0)
		locate(text, in, asked, finding);
	return true;
}

/* An answer that is one JSON string and nothing else. */
static bool
is_string(const char *text, Stretch in, Stretch *inside, bool *cut)
{
	size_t		at;

	if (in.end - in.start < 2 || text[in.start] != '"')
		return false;
	for (at = in.start + 1; at < in.end && text[at] != '"'; at++)
	{
		if (text[at] == '\\')
			at++;
	}
	inside->start = in.start + 1;
	inside->end = at < in.end ? at : in.end;
	*cut = at >= in.end;
	return *cut || at + 1 == in.end;
}

/* The answer as a label on its own; false without memory. */
static bool
read_plain(const char *text, Stretch in, bool cut, const QcAsked *asked, QcFinding *finding)
{
	Stretch		inside;
	bool		open;

	memset(&finding->span, 0, sizeof(finding->span));
	finding->said = qc_strndup(text + in.start, in.end - in.start);
	if (finding->said == NULL)
		return false;
	finding->answer = in.end > in.start;
	identify(asked, finding->said, strlen(finding->said), finding);
	if (finding->label >= 0)
		locate(text, in, asked, finding);
	if (finding->spelt && finding->span.start == in.start)
		return true;
	if (is_string(text, in, &inside, &open) && (!open || cut))
	{
		free(finding->said);
		return read_string(text, inside, open, asked, finding);
	}
	if (finding->label < 0 && cut)
		complete(in, asked, finding);
	return true;
}

/* The label of the answer's object; false without memory. */
static bool
read_object(const char *text, const QcAsked *asked, QcFinding *finding)
{
	Stretch		in = {finding->object.label.start, finding->object.label.end};

	finding->in_object = true;
	finding->cut = finding->spelt = false;
	memset(&finding->span, 0, sizeof(finding->span));
	if (finding->object.label.string)
		return read_string(text, in, finding->object.label.cut, asked, finding);
	finding->said = qc_strndup(text + in.start, in.end - in.start);
	finding->answer = true;
	return finding->said != NULL;
}

bool
qc_finding_make(const QcReply *reply, const QcAsked *asked, QcFinding *finding)
{
	bool		cut = reply->finish == QC_FINISH_LENGTH;
	Stretch		in = answer_of(reply->text, reply->text_len);
	bool		good = true;

	memset(finding, 0, sizeof(*finding));
	finding->label = -1;
	if (asked->mode == QC_MODE_LABEL)
		good = read_plain(reply->text, in, cut, asked, finding);
	if (good && finding->label < 0 &&
		qc_object_read(reply->text, in.start, in.end, &finding->object))
	{
		free(finding->said);
		good = read_object(reply->text, asked, finding);
	}
	else if (good && asked->mode != QC_MODE_LABEL)
		good = read_plain(reply->text, in, cut, asked, finding);
	return good;
}
