/*-------------------------------------------------------------------------
 *
 * test_answer.c
 *	  What an answer's text alone says: label, own word, reason; and every
 *	  way of saying it badly.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/answer.h"
#include "prompt/verbal.h"

#include "replies.h"
#include "tap.h"

#define N(x) (sizeof(x) / sizeof((x)[0]))

#define LABEL	QC_MODE_LABEL
#define REASON	QC_MODE_REASON
#define VERBAL	QC_MODE_VERBAL
#define BOTH	QC_MODE_VERBAL_REASON
#define OK		QC_READ_OK
#define BAD		QC_READ_BAD_LABEL
#define NOTEXT	QC_READ_NO_TEXT

static const char *const names[] = {
	"refund", "bug", "card", "card_arrival", "\xE7\xA7\x91\xE6\x8A\x80", "say \"hi\"", "A", "1"
};

typedef struct Row
{
	QcMode		mode;
	const char *text;
	const char *finish;
	QcReading	reading;
	int			label;
	double		confidence;		/* -1: NaN */
	const char *reason;			/* NULL: none */
	bool		truncated;
	const char *said;
} Row;

static const Row rows[] = {
	/* a label on its own */
	{LABEL, "refund", "stop", OK, 0, -1, NULL, false, ""},
	{LABEL, " Refund\n", "stop", OK, 0, -1, NULL, false, ""},
	{LABEL, "\"refund\"", "stop", OK, 0, -1, NULL, false, ""},
	{LABEL, "\xEF\xBB\xBF" "refund", "stop", OK, 0, -1, NULL, false, ""},
	{LABEL, "`refund`", "stop", OK, 0, -1, NULL, false, ""},
	{LABEL, "```refund```", "stop", OK, 0, -1, NULL, false, ""},
	{LABEL, "```\nrefund\n```", "stop", OK, 0, -1, NULL, false, ""},
	{LABEL, "```text\r\nrefund\n```\nas asked", "stop", OK, 0, -1, NULL, false, ""},
	{LABEL, "\xEF\xBC\xB2\xEF\xBD\x85\xEF\xBD\x86\xEF\xBD\x95\xEF\xBD\x8E\xEF\xBD\x84", "stop", OK, 0, -1, NULL, false, ""},
	{LABEL, "\xE3\x80\x8C\xE7\xA7\x91\xE6\x8A\x80\xE3\x80\x8D", "stop", OK, 4, -1, NULL, false, ""},
	{LABEL, "say \"hi\"", "stop", OK, 5, -1, NULL, false, ""},
	{LABEL, "\"say \\\"hi\\\"\"", "stop", OK, 5, -1, NULL, false, ""},
	{LABEL, "\"\\u79d1\\u6280\"", "stop", OK, 4, -1, NULL, false, ""},
	{LABEL, "card", "length", OK, 2, -1, NULL, false, ""},
	{LABEL, "<think>\nrefund or bug?</think>\n\nbug", "stop", OK, 1, -1, NULL, false, ""},
	{LABEL, "is it a refund? no</think>\nbug", "stop", OK, 1, -1, NULL, false, ""},
	{LABEL, "{\"label\": \"bug\", \"reason\": \"x\"}", "stop", OK, 1, -1, NULL, false, ""},

	/* none */
	{LABEL, "spam", "stop", BAD, -1, -1, NULL, false, "spam"},
	{LABEL, "refund.", "stop", BAD, -1, -1, NULL, false, "refund."},
	{LABEL, "not a bug", "stop", BAD, -1, -1, NULL, false, "not a bug"},
	{LABEL, "refund or bug", "stop", BAD, -1, -1, NULL, false, "refund or bug"},
	{LABEL, "The label is refund", "stop", BAD, -1, -1, NULL, false, "The label is refund"},
	{LABEL, "refund\xFF", "stop", BAD, -1, -1, NULL, false, "refund\xEF\xBF\xBD"},
	{LABEL, "refu", "stop", BAD, -1, -1, NULL, false, "refu"},
	{LABEL, "refu", "length", BAD, -1, -1, NULL, false, "refu"},
	{LABEL, "<think>refund", "stop", NOTEXT, -1, -1, NULL, false, ""},
	{LABEL, "<think>refund</think>", "stop", NOTEXT, -1, -1, NULL, false, ""},
	{LABEL, "", "stop", NOTEXT, -1, -1, NULL, false, ""},
	{LABEL, " \n\xE3\x80\x80", "stop", NOTEXT, -1, -1, NULL, false, ""},
	{LABEL, "refund", "content_filter", QC_READ_REFUSED, -1, -1, NULL, false, ""},
	{LABEL, "refund", "abort", QC_READ_AGAIN, -1, -1, NULL, false, ""},

	/* an object */
	{REASON, "{\"label\": \"bug\", \"reason\": \"it broke\"}", "stop", OK, 1, -1, "it broke", false, ""},
	{REASON, "{\"label\":\"bug\",\"reason\":\" \\u00e9\\n \"}", "stop", OK, 1, -1, "\xC3\xA9", false, ""},
	{REASON, "{\"reason\":\"it broke\",\"label\":\"bug\"}", "stop", OK, 1, -1, "it broke", false, ""},
	{REASON, "{\"label\":\"bug\"}", "stop", OK, 1, -1, NULL, false, ""},
	{REASON, "{\"label\":\"bug\",\"reason\":\"\"}", "stop", OK, 1, -1, NULL, false, ""},
	{REASON, "{\"label\":\"bug\",\"reason\":null}", "stop", OK, 1, -1, NULL, false, ""},
	{REASON, "{\"label\":\"bug\",\"reason\":[\"x\"]}", "stop", OK, 1, -1, NULL, false, ""},
	{REASON, "{\"label\":\" BUG \",\"reason\":\"x\"}", "stop", OK, 1, -1, "x", false, ""},
	{REASON, "{\"Label\":\"bug\",\"Reason\":\"x\"}", "stop", OK, 1, -1, "x", false, ""},
	{REASON, "{\"label\":\"bug\",\"label\":\"refund\"}", "stop", OK, 1, -1, NULL, false, ""},
	{REASON, "{\"label\": \"bug\", \"reason\": \"two\nlines\there\"}", "stop", OK, 1, -1, "two\nlines\there", false, ""},
	{REASON, "{\"label\": \"bug\", \"reason\": \"x\",}", "stop", OK, 1, -1, "x", false, ""},
	{REASON, "```json\n{\"label\": \"bug\", \"reason\": \"x\"}\n```", "stop", OK, 1, -1, "x", false, ""},
	{REASON, "Sure! {\"label\": \"bug\", \"reason\": \"x\"} I hope it helps.", "stop", OK, 1, -1, "x", false, ""},
	{REASON, "In {braces} and {\"a\": 1}: {\"label\": \"bug\"}", "stop", OK, 1, -1, NULL, false, ""},
	{REASON, "<think>{\"label\":\"refund\"}</think>{\"label\":\"bug\"}", "stop", OK, 1, -1, NULL, false, ""},
	{REASON, "{\"label\":\"bug\",\"reason\":\"it said </think>\"}", "stop", OK, 1, -1, "it said </think>", false, ""},
	{REASON, "{\"answer\": {\"label\": \"bug\", \"reason\": \"x\"}}", "stop", OK, 1, -1, "x", false, ""},
	{REASON, "[{\"label\": \"bug\", \"reason\": \"x\"}]", "stop", OK, 1, -1, "x", false, ""},
	{REASON, "\"label\": \"bug\", \"reason\": \"x\"", "stop", OK, 1, -1, "x", true, ""},
	{REASON, "{\"label\":\"say \\\"hi\\\"\",\"reason\":\"x\"}", "stop", OK, 5, -1, "x", false, ""},
	{REASON, "{\"label\":\"\\u79d1\\u6280\"}", "stop", OK, 4, -1, NULL, false, ""},
	{REASON, "{\"x\":{\"y\":[\"}\",1]},\"label\":\"bug\",\"reason\":\"x\"}", "stop", OK, 1, -1, "x", false, ""},
	{REASON, "bug", "stop", OK, 1, -1, NULL, false, ""},
	{REASON, "\"bug\"", "stop", OK, 1, -1, NULL, false, ""},

	/* an object that is not whole */
	{REASON, "{\"label\": \"bug\", \"reason\": \"it br", "length", OK, 1, -1, NULL, true, ""},
	{REASON, "{\"label\": \"bug\", \"reason\": \"it br\\", "length", OK, 1, -1, NULL, true, ""},
	{REASON, "{\"label\": \"bug\"", "length", OK, 1, -1, NULL, true, ""},
	{REASON, "{\"label\": \"bug", "length", OK, 1, -1, NULL, true, ""},
	{REASON, "{\"label\": \"card", "length", BAD, -1, -1, NULL, false, "card"},
	{REASON, "{\"label\": \"card_", "length", BAD, -1, -1, NULL, false, "card_"},
	{REASON, "{\"label\": \"", "length", BAD, -1, -1, NULL, false, "{\"label\": \""},
	{REASON, "{\"label\": \"bug\", \"reason\": \"he said \"hi\" to me\"}", "stop", OK, 1, -1, "he said \"hi\" to me", false, ""},
	{REASON, "{\"label\": \"bug\", \"reason\": \"it said \"no\", then left\"}", "stop", OK, 1, -1, NULL, false, ""},
	{REASON, "{\"label\": \"bug\" \"reason\": \"x\"}", "stop", OK, 1, -1, NULL, false, ""},

	/* objects with no label of ours */
	{REASON, "{\"label\": \"spam\", \"reason\": \"x\"}", "stop", BAD, -1, -1, NULL, false, "spam"},
	{REASON, "{\"label\": \"bug, refund\"}", "stop", BAD, -1, -1, NULL, false, "bug, refund"},
	{REASON, "{\"label\": 1}", "stop", BAD, -1, -1, NULL, false, "1"},
	{REASON, "{\"label\": null}", "stop", BAD, -1, -1, NULL, false, "null"},
	{REASON, "{\"label\": [\"bug\"]}", "stop", BAD, -1, -1, NULL, false, "[\"bug\"]"},
	{REASON, "{\"label\": \"bug\\u0000x\"}", "stop", OK, 1, -1, NULL, false, ""},
	{REASON, "{\"label\": \"\"}", "stop", BAD, -1, -1, NULL, false, ""},
	{REASON, "{\"class\": \"bug\"}", "stop", BAD, -1, -1, NULL, false, "{\"class\": \"bug\"}"},
	{REASON, "{}", "stop", BAD, -1, -1, NULL, false, "{}"},

	/* reasons */
	{REASON, "{\"label\":\"bug\",\"reason\":\"a\\u0000b\"}", "stop", OK, 1, -1, "a", false, ""},
	{REASON, "{\"label\":\"bug\",\"reason\":\"a\xFF" "b\xE4\xB8\"}", "stop", OK, 1, -1, "a\xEF\xBF\xBD" "b\xEF\xBF\xBD\xEF\xBF\xBD", false, ""},
	{REASON, "{\"label\":\"bug\",\"reason\":\"\\ud83d\\ude00 \\ud83d \\ude00x\"}", "stop", OK, 1, -1, "\xF0\x9F\x98\x80 \xEF\xBF\xBD \xEF\xBF\xBDx", false, ""},
	{REASON, "{\"label\":\"bug\",\"reason\":\"\\/ \\q \\u12\"}", "stop", OK, 1, -1, "/ q", false, ""},
	{LABEL, "{\"label\":\"bug\",\"reason\":\"not asked\"}", "stop", OK, 1, -1, NULL, false, ""},
	{VERBAL, "{\"label\":\"bug\",\"confidence\":90,\"reason\":\"not asked\"}", "stop", OK, 1, 0.9, NULL, false, ""},

	/* the model's own word */
	{BOTH, "{\"label\":\"bug\",\"confidence\":85,\"reason\":\"x\"}", "stop", OK, 1, 0.85, "x", false, ""},
	{BOTH, "{\"label\":\"bug\",\"confidence\":\"0.9\",\"reason\":\"x\"}", "stop", OK, 1, 0.9, "x", false, ""},
	{BOTH, "{\"label\":\"bug\",\"confidence\":high,\"reason\":\"x\"}", "stop", OK, 1, -1, "x", false, ""},
	{BOTH, "{\"label\":\"bug\",\"confidence\":\"very high\",\"reason\":\"x\"}", "stop", OK, 1, -1, "x", false, ""},
	{BOTH, "{\"label\":\"bug\",\"confidence\":NaN,\"reason\":\"x\"}", "stop", OK, 1, -1, "x", false, ""},
	{BOTH, "{\"label\":\"bug\",\"confidence\":null,\"reason\":\"x\"}", "stop", OK, 1, -1, "x", false, ""},
	{BOTH, "{\"label\":\"bug\",\"confidence\":8", "length", OK, 1, -1, NULL, true, ""},
	{BOTH, "{\"label\":\"bug\",\"confidence\":80,\"reas", "length", OK, 1, 0.8, NULL, true, ""},
	{BOTH, "bug", "stop", OK, 1, -1, NULL, false, ""}
};

static bool
same_number(double seen, double expected)
{
	return expected < 0 ? isnan(seen) : fabs(seen - expected) < 1e-12;
}

static void
test_rows(void)
{
	static Out	out;
	QcFault		fault;
	QcLabels   *labels = qc_labels_from_names(names, (int) N(names), &fault);
	QcAsked		asked = {0};
	size_t		i;

	asked.labels = labels;
	for (i = 0; i < N(rows); i++)
	{
		const Row  *row = &rows[i];
		QcReply		reply;
		QcVerdict	v;
		char		said[81];
		char		name[128];
		QcReading	reading;

		put_body(&out, row->text, row->finish, NULL, 0, LLAMACPP);
		qc_reply_parse(out.body, out.len, &reply);
		asked.mode = row->mode;
		reading = qc_verdict_read(&reply, &asked, &v, said);
		snprintf(name, sizeof(name), "answer %zu, mode %d", i, (int) row->mode);
		tap_ok(reading == row->reading && v.label == row->label &&
			   same_number(v.confidence, row->confidence) &&
			   v.source == (row->confidence < 0 ? QC_SOURCE_NONE : QC_SOURCE_VERBAL) &&
			   same_number(v.lo, row->confidence) && same_number(v.hi, row->confidence) &&
			   isnan(v.coverage) && v.posterior == NULL && v.nsubtrees == 0 &&
			   (v.reason == NULL || row->reason == NULL ? v.reason == row->reason :
				strcmp(v.reason, row->reason) == 0) &&
			   v.truncated == row->truncated && strcmp(said, row->said) == 0,
			   name, "%s: reading %d label %d confidence %g reason %s truncated %d said %s",
			   row->text, reading, v.label, v.confidence, v.reason ? v.reason : "-",
			   v.truncated, said);
		qc_verdict_free(&v);
		qc_reply_free(&reply);
	}
	qc_labels_free(labels);
}

typedef struct AskedRow
{
	const char *name;
	bool		codes;
	int			subset[3];
	int			nsubset;
	QcMode		mode;
	const char *text;
	int			label;
} AskedRow;

/* Codes of eight labels are A to H; the label "A" is G. */
static const AskedRow asked_rows[] = {
	{"a code", true, {0}, 0, LABEL, "B", 1},
	{"a code in quotes", true, {0}, 0, LABEL, " \"B\"\n", 1},
	{"the code of another's name", true, {0}, 0, LABEL, "A", 0},
	{"a code in an object", true, {0}, 0, REASON, "{\"label\": \"C\"}", 2},
	{"a name in place of a code", true, {0}, 0, LABEL, "bug", 1},
	{"no code: another case", true, {0}, 0, LABEL, "b", -1},
	{"no code: more than it", true, {0}, 0, LABEL, "B.", -1},
	{"no code: a word", true, {0}, 0, LABEL, "All", -1},
	{"no code: too late a letter", true, {0}, 0, LABEL, "I", -1},
	{"codes not asked for", false, {0}, 0, LABEL, "B", -1},
	{"in the subset", false, {1, 0}, 2, LABEL, "refund", 0},
	{"not in the subset", false, {1, 2}, 2, LABEL, "refund", -1},
	{"not in the subset, an object", false, {1, 2}, 2, REASON, "{\"label\":\"refund\"}", -1},
	{"a code in the subset", true, {1, 2}, 2, LABEL, "B", 1},
	{"a code not in the subset", true, {1, 2}, 2, LABEL, "A", -1}
};

static void
test_asked(void)
{
	static Out	out;
	QcFault		fault;
	QcLabels   *labels = qc_labels_from_names(names, (int) N(names), &fault);
	size_t		i;

	for (i = 0; i < N(asked_rows); i++)
	{
		const AskedRow *row = &asked_rows[i];
		QcAsked		asked = {labels, row->mode, row->codes,
		row->nsubset > 0 ? row->subset : NULL, row->nsubset};
		QcReply		reply;
		QcVerdict	v;
		QcReading	reading;

		put_body(&out, row->text, "stop", NULL, 0, LLAMACPP);
		qc_reply_parse(out.body, out.len, &reply);
		reading = qc_verdict_read(&reply, &asked, &v, NULL);
		tap_ok(v.label == row->label && reading == (row->label < 0 ? BAD : OK), row->name,
			   "reading %d label %d", reading, v.label);
		qc_verdict_free(&v);
		qc_reply_free(&reply);
	}
	qc_labels_free(labels);
}

static void
test_long_texts(void)
{
	static Out	out;
	static char text[20000];
	QcFault		fault;
	QcLabels   *labels = qc_labels_from_names(names, (int) N(names), &fault);
	QcAsked		asked = {labels, REASON, false, NULL, 0};
	QcReply		reply;
	QcVerdict	v;
	char		said[81];
	int			i;

	strcpy(text, "{\"label\":\"bug\",\"reason\":\"");
	for (i = 0; i < 1001; i++)
		strcat(text, "\xE4\xB8\xAD");
	strcat(text, "\"}");
	put_body(&out, text, "stop", NULL, 0, LLAMACPP);
	qc_reply_parse(out.body, out.len, &reply);
	qc_verdict_read(&reply, &asked, &v, said);
	tap_ok(v.reason != NULL && strlen(v.reason) == 3000, "a reason has 1,000 characters", "%zu",
		   v.reason ? strlen(v.reason) : 0);
	qc_verdict_free(&v);
	qc_reply_free(&reply);

	/* The last of the 1,000 that are kept is a space. */
	text[strlen("{\"label\":\"bug\",\"reason\":\"") + 3 * 999] = ' ';
	memmove(text + strlen("{\"label\":\"bug\",\"reason\":\"") + 3 * 999 + 1, "x\"}", 4);
	put_body(&out, text, "stop", NULL, 0, LLAMACPP);
	qc_reply_parse(out.body, out.len, &reply);
	qc_verdict_read(&reply, &asked, &v, said);
	tap_ok(v.reason != NULL && strlen(v.reason) == 2997, "and no space where it was cut", "%zu",
		   v.reason ? strlen(v.reason) : 0);
	qc_verdict_free(&v);
	qc_reply_free(&reply);

	put_body(&out, text + 25, "stop", NULL, 0, LLAMACPP);
	qc_reply_parse(out.body, out.len, &reply);
	tap_ok(qc_verdict_read(&reply, &asked, &v, said) == BAD && strlen(said) == 78,
		   "what was said is clipped at a character", "%zu", strlen(said));
	qc_verdict_free(&v);
	qc_reply_free(&reply);
	qc_labels_free(labels);
}

static void
test_verbal(void)
{
	static const struct
	{
		const char *s;
		double		value;		/* -1: NaN */
	}			verbal[] =
	{
		{"0.85", 0.85}, {"85", 0.85}, {"85%", 0.85}, {"85 %", 0.85}, {"\"85\"", 0.85},
		{"1.0", 1}, {"1", 0.01}, {"0", 0}, {"0.0", 0}, {"100", 1}, {"100.0", 1}, {"1.5", 0.015},
		{"99.5", 0.995}, {"0.5%", 0.005}, {"85\xEF\xBC\x85", 0.85}, {" 85 ", 0.85}, {"085", 0.85},
		{"101", -1}, {"-1", -1}, {"+5", -1}, {"1e2", -1}, {"high", -1}, {"", -1}, {".", -1}, {".5", -1},
		{"5.", -1}, {"85/100", -1}, {"85%%", -1}, {"85 percent", -1}, {"NaN", -1}, {"null", -1},
		{"0,85", -1}, {"1000000000000000000000000000000", -1}, {"true", -1}
	};
	size_t		i;

	for (i = 0; i < N(verbal); i++)
	{
		double		value = qc_verbal_confidence(verbal[i].s, strlen(verbal[i].s));

		tap_ok(same_number(value, verbal[i].value), verbal[i].s[0] ? verbal[i].s : "nothing",
			   "%g", value);
	}
}

static void
test_sources(void)
{
	tap_ok(strcmp(qc_source_name(QC_SOURCE_NONE), "none") == 0 &&
		   strcmp(qc_source_name(QC_SOURCE_VERBAL), "verbal") == 0 &&
		   strcmp(qc_source_name(QC_SOURCE_MASKED), "logprob_masked") == 0 &&
		   strcmp(qc_source_name(QC_SOURCE_RENORM), "logprob_renorm") == 0,
		   "names of sources", "-");
}

int
main(void)
{
	test_rows();
	test_asked();
	test_long_texts();
	test_verbal();
	test_sources();
	return tap_end();
}
