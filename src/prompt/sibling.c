/*-------------------------------------------------------------------------
 *
 * sibling.c
 *	  Prompts that are made of another one, to ask the same in another way.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/sibling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/buf.h"
#include "prompt/defuse.h"
#include "prompt/fnv.h"
#include "prompt/pool.h"

static struct QcSiblings *
siblings_of(QcPrompt *prompt)
{
	if (prompt->siblings == NULL)
		prompt->siblings = calloc(1, sizeof(struct QcSiblings));
	return prompt->siblings;
}

void
qc_siblings_free(QcPrompt *prompt)
{
	struct QcSiblings *siblings = prompt->siblings;
	int			i;

	if (siblings == NULL)
		return;
	for (i = 0; siblings->each != NULL && i < prompt->labels->n; i++)
		qc_prompt_free(siblings->each[i]);
	free(siblings->each);
	qc_prompt_free(siblings->yes_no);
	for (i = 0; i < QC_MOST_ORDERS; i++)
		qc_prompt_free(siblings->ordered[i]);
	free(siblings);
	prompt->siblings = NULL;
}

/* Takes the labels over, also on failure. */
static QcPrompt *
make(const QcPrompt *prompt, QcLabels *labels, bool codes)
{
	QcFault		fault;
	QcPrompt   *sibling = labels == NULL ? NULL :
		qc_prompt_create(labels, prompt->instructions, NULL, codes, &fault);

	if (sibling == NULL)
		return NULL;
	sibling->how = prompt->how;
	sibling->how.abstain = sibling->how.multi = sibling->how.orders = 0;
	if (prompt->within == NULL)
		return sibling;
	sibling->within = qc_strndup(prompt->within, strlen(prompt->within));
	if (sibling->within != NULL)
		return sibling;
	qc_prompt_free(sibling);
	return NULL;
}

/* Examples, with labels by their places in the sibling; place NULL: the same. */
static bool
copy_examples(QcPrompt *to, const QcPrompt *from, const int *place)
{
	int			i;

	if (from->nexamples == 0)
		return true;
	to->example = calloc((size_t) from->nexamples, sizeof(QcExample));
	for (i = 0; to->example != NULL && i < from->nexamples; i++)
	{
		QcExample  *copy = &to->example[i];
		const QcExample *example = &from->example[i];

		to->nexamples = i + 1;
		copy->label = place != NULL ? place[example->label] : example->label;
		copy->confidence = example->confidence;
		copy->input = qc_strndup(example->input, strlen(example->input));
		copy->reason = example->reason != NULL ?
			qc_strndup(example->reason, strlen(example->reason)) : NULL;
		if (copy->input == NULL || (example->reason != NULL && copy->reason == NULL))
			return false;
	}
	return to->example != NULL;
}

/* ---- one question a label ---- */

static QcLabels *
yes_and_no(void)
{
	static const char *const name[] = {"Yes", "No"};
	QcFault		fault;

	return qc_labels_from_names(name, 2, &fault);
}

/* Its system message is written of the labels that it is about. */
static QcPrompt *
make_yes_no(const QcPrompt *prompt)
{
	QcPrompt   *sibling = make(prompt, yes_and_no(), false);

	if (sibling != NULL)
		sibling->about = prompt;
	return sibling;
}

void
qc_question_write(QcBuf *buf, const QcLabel *label)
{
	qc_buf_adds(buf, "Is ");
	qc_buf_add_json(buf, label->name, strlen(label->name));
	qc_buf_adds(buf, " one of the labels of the text?");
}

/* Names come from tables: they hold no control tokens either. */
static char *
question_of(const QcLabel *label)
{
	QcBuf		buf = {0};
	QcBuf		defused = {0};

	qc_buf_adds(&buf, "\n\n");
	qc_question_write(&buf, label);
	if (!buf.failed)
		qc_defuse(&defused, buf.data, buf.len);
	defused.failed |= buf.failed;
	free(buf.data);
	return qc_buf_take(&defused);
}

static QcPrompt *
make_each(QcPrompt *prompt, int i)
{
	struct QcSiblings *siblings = prompt->siblings;
	QcPrompt   *sibling;

	if (siblings->yes_no == NULL)
		siblings->yes_no = make_yes_no(prompt);
	if (siblings->yes_no == NULL)
		return NULL;
	sibling = make(prompt, yes_and_no(), false);
	if (sibling == NULL)
		return NULL;
	sibling->base = siblings->yes_no;
	sibling->question = question_of(&prompt->labels->label[i]);
	if (sibling->question == NULL)
	{
		qc_prompt_free(sibling);
		return NULL;
	}
	return sibling;
}

QcPrompt *
qc_prompt_each(QcPrompt *prompt, int i)
{
	struct QcSiblings *siblings = siblings_of(prompt);

	if (siblings == NULL)
		return NULL;
	if (siblings->each == NULL)
		siblings->each = calloc((size_t) prompt->labels->n, sizeof(QcPrompt *));
	if (siblings->each == NULL)
		return NULL;
	if (siblings->each[i] == NULL)
		siblings->each[i] = make_each(prompt, i);
	return siblings->each[i];
}

/* ---- orders ---- */

/*
 * As written, backwards, and both with the halves exchanged: over the four a
 * label stands early as often as late.  That none fits stays last.
 */
int
qc_order_at(const QcLabels *labels, int order, int i)
{
	int			n = qc_labels_own(labels);

	if (i >= n)
		return i;
	if (order & 1)
		i = n - 1 - i;
	return order & 2 ? (i + n / 2) % n : i;
}

/* FNV-1a and the finaliser of MurmurHash3: it decides what is sent, so it stays. */
int
qc_order_of(const char *text, size_t len, int n)
{
	uint64_t	hash = QC_FNV_START;
	size_t		i;

	for (i = 0; i < len; i++)
		hash = qc_fnv_add(hash, (unsigned char) text[i]);
	hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	hash ^= hash >> 33;
	return n > 1 ? (int) (hash % (uint64_t) n) : 0;
}

static bool
copy_label(QcLabel *to, const QcLabel *from)
{
	to->name = qc_strndup(from->name, strlen(from->name));
	if (from->description != NULL)
		to->description = qc_strndup(from->description, strlen(from->description));
	return to->name != NULL && (from->description == NULL || to->description != NULL);
}

static QcLabels *
labels_in_order(const QcLabels *labels, int order)
{
	QcLabels   *copy = calloc(1, sizeof(QcLabels));
	bool		good = copy != NULL;
	int			i;

	if (good)
		copy->label = calloc((size_t) labels->n, sizeof(QcLabel));
	good = good && copy->label != NULL;
	for (i = 0; good && i < labels->n; i++)
	{
		copy->n = i + 1;
		good = copy_label(&copy->label[i], &labels->label[qc_order_at(labels, order, i)]);
	}
	if (!good)
	{
		qc_labels_free(copy);
		return NULL;
	}
	copy->abstains = labels->abstains;
	return copy;
}

static QcPrompt *
make_ordered(const QcPrompt *prompt, int order)
{
	const QcLabels *labels = prompt->labels;
	int		   *place = calloc((size_t) labels->n, sizeof(int));
	QcPrompt   *sibling = place != NULL ?
		make(prompt, labels_in_order(labels, order), prompt->codes) : NULL;
	int			i;

	for (i = 0; place != NULL && i < labels->n; i++)
		place[qc_order_at(labels, order, i)] = i;
	if (sibling != NULL &&
		!(copy_examples(sibling, prompt, place) && qc_pool_share(sibling, prompt, place)))
	{
		qc_prompt_free(sibling);
		sibling = NULL;
	}
	free(place);
	return sibling;
}

QcPrompt *
qc_prompt_ordered(QcPrompt *prompt, int order)
{
	struct QcSiblings *siblings = siblings_of(prompt);

	if (siblings == NULL)
		return NULL;
	if (siblings->ordered[order] == NULL)
		siblings->ordered[order] = make_ordered(prompt, order);
	return siblings->ordered[order];
}
