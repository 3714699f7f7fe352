/*-------------------------------------------------------------------------
 *
 * test_recorded.c
 *	  Replies of a real llama-server.
 *
 * recorded.inc holds what recorded.py, written apart from this code, makes
 * of the same replies.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/answer.h"

#include "tap.h"

#define N(x) (sizeof(x) / sizeof((x)[0]))

#define LABEL	QC_MODE_LABEL
#define REASON	QC_MODE_REASON

/* The script rounds its numbers, and leaves out subtrees of no weight. */
#define CLOSE 2e-6

typedef struct Row
{
	const char *name;
	QcMode		mode;
	int			label;
	int			nsubtrees;
	double		coverage;		/* -1: not to be known */
	double		lo;
	const char *labels[10];
	double		posterior[10];
} Row;

static const Row rows[] = {
#include "recorded.inc"
};

static bool
read_fixture(const char *name, QcReply *reply)
{
	static char body[1 << 20];
	char		path[512];
	FILE	   *file;
	size_t		len;

	snprintf(path, sizeof(path), "%s/llamacpp/%s.reply.json", FIXTURES, name);
	file = fopen(path, "r");
	if (file == NULL)
	{
		memset(reply, 0, sizeof(*reply));
		return false;
	}
	len = fread(body, 1, sizeof(body), file);
	fclose(file);
	return qc_reply_parse(body, len, reply);
}

static int
count_labels(const Row *row)
{
	int			n = 0;

	while (n < 10 && row->labels[n] != NULL)
		n++;
	return n;
}

static void
test_row(const Row *row)
{
	QcFault		fault;
	int			n = count_labels(row);
	QcLabels   *labels = qc_labels_from_names(row->labels, n, &fault);
	QcAsked		asked = {labels, row->mode, false, NULL, 0};
	QcReply		reply;
	QcVerdict	v = {0};
	char		seen[256] = "";
	double		sum = 0;
	bool		same = read_fixture(row->name, &reply) &&
		qc_verdict_read(&reply, &asked, &v, NULL) == QC_READ_OK && v.posterior != NULL &&
		v.label == row->label && v.nsubtrees == row->nsubtrees &&
		fabs(v.lo - row->lo) < CLOSE && v.source == QC_SOURCE_RENORM &&
		(row->coverage < 0 ? isnan(v.coverage) : fabs(v.coverage - row->coverage) < 1e-3);
	int			i;

	for (i = 0; i < n && v.posterior != NULL; i++)
	{
		same = same && fabs(v.posterior[i] - row->posterior[i]) < CLOSE;
		sum += v.posterior[i];
		sprintf(seen + strlen(seen), " %.6f", v.posterior[i]);
	}
	tap_ok(same && fabs(sum - 1) < 1e-9 && v.confidence == v.posterior[v.label],
		   row->name, "label %d source %d coverage %g lo %.6f subtrees %d:%s", v.label, v.source,
		   v.coverage, v.lo, v.nsubtrees, seen);
	qc_verdict_free(&v);
	qc_reply_free(&reply);
	qc_labels_free(labels);
}

typedef struct OtherRow
{
	const char *name;
	QcMode		mode;
	const char *labels[4];
	QcReading	reading;
	int			label;
	QcSource	source;
	double		confidence;		/* -1: NaN */
	bool		truncated;
	const char *reason;			/* how it begins, NULL: none */
} OtherRow;

static const OtherRow other_rows[] = {
	{"confidence", QC_MODE_VERBAL_REASON, {"refund", "bug", "praise"}, QC_READ_OK, 0, QC_SOURCE_VERBAL, .95, false, "The user was charged twice"},
	{"label_no_logprobs", LABEL, {"refund", "bug", "praise"}, QC_READ_OK, 1, QC_SOURCE_NONE, -1, false, NULL},
	{"reason", REASON, {"refund", "bug", "praise"}, QC_READ_OK, 0, QC_SOURCE_RENORM, .991899, false, "The user was charged twice"},
	{"reason_truncated", REASON, {"refund", "bug", "praise"}, QC_READ_OK, 0, QC_SOURCE_RENORM, .991899, true, NULL},
	{"reason", REASON, {"spam", "bug", "praise"}, QC_READ_BAD_LABEL, -1, QC_SOURCE_NONE, -1, false, NULL},
	{"label", LABEL, {"spam", "bug", "praise"}, QC_READ_BAD_LABEL, -1, QC_SOURCE_NONE, -1, false, NULL},

	/* decided at fragments that llama.cpp does not report */
	{"zh_fragments", LABEL, {"\xE9\xBE\x98\xE9\xBE\x98", "\xE9\xBE\x98\xE3\x97\x8A", "\xE3\x97\x8A"}, QC_READ_OK, 0, QC_SOURCE_NONE, -1, false, NULL},
	{"zh_fragments_reason", REASON, {"\xE9\xBE\x98\xE9\xBE\x98", "\xE9\xBE\x98\xE3\x97\x8A", "\xE3\x97\x8A"}, QC_READ_OK, 2, QC_SOURCE_NONE, -1, false, "\xE5\xA4\xA7\xE5\xAE\xB6"},

	/* errors have no answer */
	{"error_too_long", LABEL, {"a"}, QC_READ_NO_TEXT, -1, QC_SOURCE_NONE, -1, false, NULL},
	{"error_loading", LABEL, {"a"}, QC_READ_NO_TEXT, -1, QC_SOURCE_NONE, -1, false, NULL}
};

static void
test_other(const OtherRow *row)
{
	QcFault		fault;
	int			n = 0;
	QcLabels   *labels;
	QcAsked		asked = {NULL, row->mode, false, NULL, 0};
	QcReply		reply;
	QcVerdict	v;
	QcReading	reading;

	while (row->labels[n] != NULL)
		n++;
	asked.labels = labels = qc_labels_from_names(row->labels, n, &fault);
	read_fixture(row->name, &reply);
	reading = qc_verdict_read(&reply, &asked, &v, NULL);
	tap_ok(reading == row->reading && v.label == row->label && v.source == row->source &&
		   (row->confidence < 0 ? isnan(v.confidence) : fabs(v.confidence - row->confidence) < CLOSE) &&
		   v.truncated == row->truncated &&
		   (v.reason == NULL || row->reason == NULL ? v.reason == row->reason :
			strncmp(v.reason, row->reason, strlen(row->reason)) == 0),
		   row->name, "reading %d label %d source %d confidence %.6f truncated %d reason %s",
		   reading, v.label, v.source, v.confidence, v.truncated, v.reason ? v.reason : "-");
	qc_verdict_free(&v);
	qc_reply_free(&reply);
	qc_labels_free(labels);
}

static const struct
{
	const char *name;
	const char *error;
	const char *type;
	int			code;
}			errors[] =
{
	{"error_too_long", "request (8474 tokens) exceeds the available context size (2048 tokens), try increasing it", "exceed_context_size_error", 400},
	{"error_key", "Invalid API Key", "authentication_error", 401},
	{"error_loading", "Loading model", "unavailable_error", 503},
	{"error_path", "File Not Found", "not_found_error", 404},
	{"health_loading", "Loading model", "unavailable_error", 503},
	{"error_grammar", "Failed to initialize samplers: failed to parse grammar", "invalid_request_error", 400}
};

static void
test_errors(void)
{
	size_t		i;

	for (i = 0; i < N(errors); i++)
	{
		QcReply		reply;
		bool		known = read_fixture(errors[i].name, &reply);

		tap_ok(known && reply.error != NULL && strcmp(reply.error, errors[i].error) == 0 &&
			   reply.error_type != NULL && strcmp(reply.error_type, errors[i].type) == 0 &&
			   reply.error_code == errors[i].code && reply.text == NULL, errors[i].name,
			   "%s", reply.error ? reply.error : "-");
		qc_reply_free(&reply);
	}
}

static void
test_usage(void)
{
	QcReply		reply;

	read_fixture("label", &reply);
	tap_ok(reply.prompt_tokens == 84 && reply.cached_tokens == 68 && reply.output_tokens == 2 &&
		   reply.finish == QC_FINISH_STOP && reply.npositions == 2 &&
		   reply.position[0].ntop == 20 && reply.position[1].chosen.len == 0 &&
		   reply.position[0].start == 0 && reply.position[1].start == 6,
		   "what else is in a reply", "%ld %ld %ld", reply.prompt_tokens, reply.cached_tokens,
		   reply.output_tokens);
	qc_reply_free(&reply);
}

int
main(void)
{
	size_t		i;

	for (i = 0; i < N(rows); i++)
		test_row(&rows[i]);
	for (i = 0; i < N(other_rows); i++)
		test_other(&other_rows[i]);
	test_errors();
	test_usage();
	return tap_end();
}
