/*-------------------------------------------------------------------------
 *
 * answer.c
 *	  From a reply to a verdict: which label, how probable, why.
 *
 * The label comes from the text, its probability from the tokens that made
 * it; only without them from what the model says of itself.  What is not
 * known stays NaN, which becomes NULL: no number is made up.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/answer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/buf.h"
#include "prompt/finding.h"
#include "prompt/posterior.h"
#include "prompt/subtree.h"
#include "prompt/text.h"
#include "prompt/verbal.h"

#define MAX_REASON_CHARS 1000

/* Most bytes of a bad answer that are shown. */
#define MAX_SAID 80

const char *
qc_source_name(QcSource source)
{
	switch (source)
	{
		case QC_SOURCE_VERBAL:
			return "verbal";
		case QC_SOURCE_MASKED:
			return "logprob_masked";
		case QC_SOURCE_RENORM:
			return "logprob_renorm";
		case QC_SOURCE_VOTE:
			return "vote";
		case QC_SOURCE_NONE:
			break;
	}
	return "none";
}

static bool
has_reason(QcMode mode)
{
	return mode == QC_MODE_REASON || mode == QC_MODE_VERBAL_REASON;
}

/* The reason in full, or none: half a sentence explains nothing. */
static bool
read_reason(const char *text, const QcValue *value, QcVerdict *out)
{
	size_t		start = 0;
	size_t		end;
	size_t		chars = 0;
	size_t		at;
	char	   *raw;
	char	   *reason;

	if (!value->there || !value->string || value->cut)
		return true;
	raw = qc_unescape(text + value->start, value->end - value->start);
	reason = raw != NULL ? qc_utf8_mend(raw, strlen(raw)) : NULL;
	free(raw);
	if (reason == NULL)
		return false;
	end = strlen(reason);
	qc_trim_space(reason, &start, &end);
	for (at = start; at < end && chars < MAX_REASON_CHARS; chars++)
		at += qc_utf8_char(reason + at, end - at, NULL);
	end = at;					/* which may be behind a space */
	qc_trim_space(reason, &start, &end);
	if (end > start)
		out->reason = qc_strndup(reason + start, end - start);
	free(reason);
	return end == start || out->reason != NULL;
}

/* The last resort, and named so: such numbers are not calibrated like the others. */
static void
read_confidence(const char *text, const QcValue *value, QcVerdict *out)
{
	if (!value->there || value->cut)
		return;
	out->confidence = qc_verbal_confidence(text + value->start, value->end - value->start);
	if (!isnan(out->confidence))
	{
		out->source = QC_SOURCE_VERBAL;
		out->lo = out->hi = out->confidence;
	}
}

/* How probable the label is, and whether that makes it another one. */
static QcReading
weigh(const QcReply *reply, const QcAsked *asked, const QcFinding *finding, QcVerdict *out)
{
	QcWalked	walked = QC_WALK_NONE;

	if (finding->spelt && reply->npositions > 0)
		walked = qc_posterior_walk(reply, asked, &finding->span, out);
	if (walked == QC_WALK_NO_MEMORY)
		return QC_READ_NO_MEMORY;
	if (walked == QC_WALK_OK)
		qc_verdict_settle(out, asked->labels->n, asked->mode, finding->label);
	else if (finding->in_object)
		read_confidence(reply->text, &finding->object.confidence, out);

	/* Half a label counts only if the tokens show that it was begun as one. */
	if (walked != QC_WALK_OK && finding->cut && !finding->certain)
		return QC_READ_BAD_LABEL;
	return QC_READ_OK;
}

/* Everything but the label and the texts: unknown until something says otherwise. */
static void
clear(QcVerdict *out, const QcAsked *asked)
{
	memset(out, 0, sizeof(*out));
	out->label = -1;
	out->nlabels = asked->labels->n;
	out->confidence = out->coverage = out->verbal = out->lo = out->hi = NAN;
	out->source = QC_SOURCE_NONE;
}

static QcReading
read_finding(const QcReply *reply, const QcAsked *asked, const QcFinding *finding,
			 QcVerdict *out)
{
	const QcObject *object = &finding->object;
	QcReading	reading;

	if (!finding->answer)
		return QC_READ_NO_TEXT;
	if (finding->label < 0)
		return QC_READ_BAD_LABEL;
	out->label = finding->label;
	reading = weigh(reply, asked, finding, out);
	if (reading != QC_READ_OK)
		return reading;
	out->truncated = finding->cut || (finding->in_object && object->cut);
	if (finding->in_object && has_reason(asked->mode) &&
		!read_reason(reply->text, &object->reason, out))
		return QC_READ_NO_MEMORY;
	return QC_READ_OK;
}

/* For the report of a bad answer: it is as hostile as the rest of the reply. */
static void
quote(const char *s, char said[MAX_SAID + 1])
{
	char	   *mended = s != NULL ? qc_utf8_mend(s, strlen(s)) : NULL;
	size_t		n = mended != NULL ? qc_utf8_clip(mended, strlen(mended), MAX_SAID) : 0;

	if (n > 0)
		memcpy(said, mended, n);
	said[n] = '\0';
	free(mended);
}

QcReading
qc_verdict_read(const QcReply *reply, const QcAsked *asked, QcVerdict *out, char said[81])
{
	QcFinding	finding;
	QcReading	reading = QC_READ_NO_MEMORY;

	clear(out, asked);
	if (said != NULL)
		said[0] = '\0';
	if (reply->finish == QC_FINISH_FILTER)
		return QC_READ_REFUSED;
	if (reply->finish == QC_FINISH_ABORT)
		return QC_READ_AGAIN;
	if (reply->text == NULL)
		return QC_READ_NO_TEXT;
	if (qc_finding_make(reply, asked, &finding))
		reading = read_finding(reply, asked, &finding, out);
	if (said != NULL && reading == QC_READ_BAD_LABEL)
		quote(finding.said, said);
	free(finding.said);
	if (reading != QC_READ_OK)
	{
		/* What was filled in before it went wrong is nobody's answer. */
		qc_verdict_free(out);
		clear(out, asked);
	}
	return reading;
}

void
qc_verdict_free(QcVerdict *verdict)
{
	qc_subtree_clear(verdict);
	free(verdict->posterior);
	free(verdict->reason);
	verdict->posterior = NULL;
	verdict->reason = NULL;
}
