/*-------------------------------------------------------------------------
 *
 * fuzz_reply.c
 *	  Hostile bodies through the whole of reading an answer.
 *
 * The first bytes choose what was asked, the rest is the body.  What must
 * hold whatever the body is stands in check_verdict.
 *
 *-------------------------------------------------------------------------
 */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/answer.h"

#define MUST(x) do { if (!(x)) abort(); } while (0)

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const sets[][10] = {
	{"refund", "bug", "praise"},
	{"card", "card_arrival", "card_linking", "transfer_timing", "top_up"},
	{"\xE9\xBE\x98\xE9\xBE\x98", "\xE9\xBE\x98\xE3\x97\x8A", "\xE3\x97\x8A", "\xE5\x85\xB6\xE4\xBB\x96"},
	{"say \"hi\"", "back\\slash", "a, b", "a"},
	{"US", "us", "A", "B"},
	{"\xE6\xBB\xA1\xE6\x84\x8F", "\xE6\xBB\xA1\xE6\x84\x8F\xE5\xBA\xA6"},
	{"one"},
	{"yes", "no"}
};

#define N_SETS ((int) (sizeof(sets) / sizeof(sets[0])))

static const int subset[] = {1, 0};

static void
check_share(double p)
{
	MUST(p >= 0 && p <= 1 + 1e-9);	/* and not NaN */
}

static void
check_posterior(const QcVerdict *v)
{
	double		sum = 0;
	double		shared = 0;
	int			i;
	int			k;

	for (i = 0; i < v->nlabels; i++)
	{
		check_share(v->posterior[i]);
		sum += v->posterior[i];
	}
	MUST(fabs(sum - 1) < 1e-9);
	for (i = 0; i < v->nsubtrees; i++)
	{
		MUST(v->subtree[i].n > 1);
		check_share(v->subtree[i].mass);
		shared += v->subtree[i].mass;
		for (k = 0; k < v->subtree[i].n; k++)
			MUST(v->subtree[i].member[k] >= 0 && v->subtree[i].member[k] < v->nlabels);
	}
	MUST(shared <= 1 + 1e-9);
	MUST(v->source == QC_SOURCE_MASKED || v->source == QC_SOURCE_RENORM);
	MUST(v->confidence == v->posterior[v->label]);
	MUST(v->lo <= v->confidence + 1e-9 && v->confidence <= v->hi + 1e-9);
}

static void
check_reason(const char *reason)
{
	size_t		chars;
	size_t		len;

	if (reason == NULL)
		return;
	len = strlen(reason);
	MUST(len > 0 && qc_utf8_valid(reason, len, &chars) == len && chars <= 1000);
	MUST(strchr(" \t\r\n", reason[0]) == NULL && strchr(" \t\r\n", reason[len - 1]) == NULL);
}

static void
check_verdict(const QcAsked *asked, const QcVerdict *v, QcReading reading, const char *said)
{
	int			i;

	MUST(strlen(said) <= 80 && qc_utf8_valid(said, strlen(said), NULL) == strlen(said));
	if (reading != QC_READ_OK)
	{
		MUST(v->label == -1 && v->posterior == NULL && v->reason == NULL && v->nsubtrees == 0);
		MUST(isnan(v->confidence));
		return;
	}
	MUST(v->label >= 0 && v->label < asked->labels->n);
	for (i = 0; asked->subset != NULL && i < asked->nsubset && asked->subset[i] != v->label; i++)
		continue;
	MUST(asked->subset == NULL || i < asked->nsubset);
	check_reason(v->reason);
	if (v->posterior != NULL)
		check_posterior(v);
	else
	{
		MUST(v->nsubtrees == 0 && isnan(v->coverage));
		MUST(v->source == (isnan(v->confidence) ? QC_SOURCE_NONE : QC_SOURCE_VERBAL));
	}
	if (v->source != QC_SOURCE_NONE)
		check_share(v->confidence);
	if (!isnan(v->coverage))
		check_share(v->coverage);
}

static void
check_reply(const QcReply *reply)
{
	int			i;

	MUST(reply->text == NULL || strlen(reply->text) == reply->text_len);
	MUST((reply->position != NULL) == (reply->npositions > 0));
	MUST(reply->npositions == 0 || reply->text_len > 0);
	for (i = 0; i < reply->npositions; i++)
	{
		MUST(reply->position[i].start <= reply->text_len);
		MUST(i == 0 || reply->position[i - 1].start <= reply->position[i].start);
		MUST(reply->position[i].chosen.logprob <= 0);
	}
	MUST(reply->error == NULL ||
		 qc_utf8_valid(reply->error, strlen(reply->error), NULL) == strlen(reply->error));
	MUST(reply->error_type == NULL ||
		 qc_utf8_valid(reply->error_type, strlen(reply->error_type), NULL) == strlen(reply->error_type));
}

/* The verdict's own second half as the answer to a follow-up question. */
static void
refine(const QcAsked *asked, QcVerdict *v, const QcReply *reply)
{
	QcAsked		again = *asked;
	QcVerdict	child;

	if (v->nsubtrees == 0)
		return;
	again.subset = v->subtree[0].member;
	again.nsubset = v->subtree[0].n;
	if (qc_verdict_read(reply, &again, &child, NULL) == QC_READ_OK)
	{
		qc_verdict_refine(v, 0, &child, asked->mode);
		check_posterior(v);
	}
	qc_verdict_free(&child);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static QcLabels *labels[sizeof(sets) / sizeof(sets[0])];
	QcAsked		asked = {0};
	QcReply		reply;
	QcVerdict	v;
	QcReading	reading;
	QcFault		fault;
	char		said[81];
	int			set;
	int			n = 0;

	if (size < 2)
		return 0;
	set = data[1] % N_SETS;
	while (n < 10 && sets[set][n] != NULL)
		n++;
	if (labels[set] == NULL)
		labels[set] = qc_labels_from_names(sets[set], n, &fault);
	asked.labels = labels[set];
	asked.mode = (QcMode) (data[0] & 3);
	asked.codes = (data[0] & 4) != 0;
	if ((data[0] & 8) != 0 && n > 1)
	{
		asked.subset = subset;
		asked.nsubset = 2;
	}
	qc_reply_parse((const char *) data + 2, size - 2, &reply);
	check_reply(&reply);
	reading = qc_verdict_read(&reply, &asked, &v, said);
	check_verdict(&asked, &v, reading, said);
	if (reading == QC_READ_OK)
		refine(&asked, &v, &reply);
	qc_verdict_free(&v);
	qc_reply_free(&reply);
	return 0;
}
