/*-------------------------------------------------------------------------
 *
 * prompts.c
 *	  From SQL arguments to a prompt, kept as long as they stay the same.
 *
 * prompt/ allocates with malloc; a reset callback on the context that holds
 * the prompt frees it, whatever happens to the statement.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "common/cryptohash.h"
#include "common/hashfn.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"

#include "common/compat.h"
#include "common/errors.h"
#include "prompt/pool.h"
#include "task/prompts.h"

StaticAssertDecl(QC_FINGERPRINT == PG_SHA256_DIGEST_LENGTH,
				 "the fingerprint is a SHA-256");

/* A prompt (or labels on their way into one) that a context's end frees. */
typedef struct QcHeld
{
	QcPrompt   *prompt;
	MemoryContextCallback callback;
} QcHeld;

static void
free_held(void *arg)
{
	qc_prompt_free(((QcHeld *) arg)->prompt);
}

char *
qc_server_to_utf8(const char *s, size_t len, size_t *utf8_len)
{
	char	   *utf8;

	if (GetDatabaseEncoding() == PG_UTF8)
		utf8 = unconstify(char *, s);
	else if (GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		if (qc_utf8_valid(s, len, NULL) != len)
			return NULL;
		utf8 = unconstify(char *, s);
	}
	else
		utf8 = pg_server_to_any(s, (int) len, PG_UTF8);
	*utf8_len = (utf8 == s) ? len : strlen(utf8);
	return utf8;
}

const char *
qc_readable_text(const char *raw, size_t raw_len, size_t *len, QcFailure *failure)
{
	char	   *utf8 = qc_server_to_utf8(raw, raw_len, len);

	if (utf8 == NULL)
		qc_failure_set(failure, QC_FAIL_INPUT, 0, "the text is not valid UTF-8");
	else
	{
		for (size_t i = 0; i < *len; i++)
			if (strchr(" \t\r\n", utf8[i]) == NULL)
				return utf8;
		qc_failure_set(failure, QC_FAIL_INPUT, 0, "the text is empty");
	}
	*len = raw_len;
	return NULL;
}

/* A text that shapes the prompt, as a NUL-terminated UTF-8 string. */
static char *
prompt_text(const char *s, size_t len)
{
	size_t		utf8_len;
	char	   *utf8 = qc_server_to_utf8(s, len, &utf8_len);

	if (utf8 == NULL)
	{
		QcFault		fault = {QC_STATUS_BAD_UTF8, -1, ""};

		qc_fault_raise(&fault);
	}
	return pnstrdup(utf8, utf8_len);
}

static char *
varlena_text(struct varlena *v)
{
	return prompt_text(VARDATA_ANY(v), VARSIZE_ANY_EXHDR(v));
}

static QcLabels *
labels_of_array(ArrayType *array, QcFault *fault)
{
	Datum	   *member;
	bool	   *null;
	int			n;
	const char **name;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &member, &null, &n);
	name = (const char **) palloc(Max(n, 1) * sizeof(char *));
	for (int i = 0; i < n; i++)
		name[i] = null[i] ? NULL :
			varlena_text(PG_DETOAST_DATUM_PACKED(member[i]));
	return qc_labels_from_names(name, n, fault);
}

static char *
jsonb_text(struct varlena *v)
{
	Jsonb	   *jsonb = (Jsonb *) v;
	char	   *json = JsonbToCString(NULL, &jsonb->root, VARSIZE(jsonb));

	return prompt_text(json, strlen(json));
}

/*
 * Labels as text: what parses as JSON is JSON; what else begins with a brace
 * is an array as psql shows it.
 */
static QcLabels *
labels_of_text(struct varlena *v, const char *separator, QcFault *fault)
{
	char	   *utf8 = varlena_text(v);
	QcLabels   *labels = qc_labels_from_json(utf8, strlen(utf8), separator, fault);
	const char *first = utf8 + strspn(utf8, " \t\r\n");

	if (labels == NULL && fault->status == QC_STATUS_LABELS_JSON && *first == '{')
	{
		Datum		array = OidInputFunctionCall(F_ARRAY_IN,
												 text_to_cstring((text *) v),
												 TEXTOID, -1);

		return labels_of_array(DatumGetArrayTypeP(array), fault);
	}
	if (labels == NULL && fault->status == QC_STATUS_LABELS_JSON && fault->index < 0 &&
		*first != '\0' && strchr("{[\"", *first) == NULL)
		qc_fault_raise_word(text_to_cstring((text *) v));
	return labels;
}

static QcLabels *
labels_of(const QcPromptArgs *args, QcFault *fault)
{
	const char *separator = args->how.separator[0] ? args->how.separator : QC_SEPARATOR;
	char	   *json;

	switch (args->form)
	{
		case QC_LABELS_ARRAY:
			return labels_of_array((ArrayType *) args->labels, fault);
		case QC_LABELS_JSONB:
			json = jsonb_text(args->labels);
			return qc_labels_from_json(json, strlen(json), separator, fault);
		case QC_LABELS_TEXT:
			return labels_of_text(args->labels, separator, fault);
	}
	return NULL;
}

static bytea *
copy_of(const struct varlena *v)
{
	bytea	   *copy;

	if (v == NULL)
		return NULL;
	copy = (bytea *) palloc(VARSIZE_ANY(v));
	memcpy(copy, v, VARSIZE_ANY(v));
	return copy;
}

static bool
same_bytes(const bytea *a, const struct varlena *b)
{
	if (a == NULL || b == NULL)
		return (const void *) a == (const void *) b;
	return VARSIZE_ANY(a) == VARSIZE_ANY(b) && memcmp(a, b, VARSIZE_ANY(a)) == 0;
}

static bool
made_of(const QcSitePrompt *site, const QcPromptArgs *args)
{
	return site->form == args->form && site->codes == args->codes &&
		memcmp(&site->how, &args->how, sizeof(QcHow)) == 0 &&
		same_bytes(site->labels, args->labels) &&
		same_bytes(site->instructions, args->instructions) &&
		same_bytes(site->examples, args->examples) &&
		site->shots == args->shots && site->pool_hash == args->pool_hash;
}

/*
 * The system message with a reason, and the pool with a number, hold all that
 * shapes a request: from these a text says which examples are chosen for it.  Of a tree the
 * message is as if it were a list; how says how many requests it takes.
 */
static void
fingerprint(QcSitePrompt *site)
{
	const char *system = qc_prompt_system(site->prompt, QC_MODE_VERBAL_REASON, false);
	uint8		tree = site->prompt->labels->tree;
	uint64		chosen[2] = {site->pool_hash, (uint64) site->shots};
	pg_cryptohash_ctx *ctx;

	if (system == NULL)
	{
		QcFault		fault = {QC_STATUS_NO_MEMORY, -1, ""};

		qc_fault_raise(&fault);
	}
	ctx = pg_cryptohash_create(PG_SHA256);
	if (pg_cryptohash_init(ctx) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) system, strlen(system)) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) &site->how, sizeof(QcHow)) < 0 ||
		pg_cryptohash_update(ctx, &tree, 1) < 0 ||
		pg_cryptohash_update(ctx, (const uint8 *) chosen, sizeof(chosen)) < 0 ||
		pg_cryptohash_final(ctx, site->fingerprint, QC_FINGERPRINT) < 0)
		elog(ERROR, "could not hash a prompt");
	pg_cryptohash_free(ctx);
}

/* Build the malloc'ed prompt; *held owns it before anything can throw again. */
static QcPrompt *
create_prompt(QcHeld *held, const QcPromptArgs *args)
{
	QcFault		fault = {QC_STATUS_OK, -1, ""};
	char	   *instructions = args->instructions ? varlena_text(args->instructions) : NULL;
	char	   *examples = args->examples ? jsonb_text(args->examples) : NULL;
	char	   *pool = args->pool ? varlena_text((struct varlena *) args->pool) : NULL;
	QcLabels   *labels = labels_of(args, &fault);

	if (labels && args->how.abstain && !qc_labels_add_none(labels, &fault))
	{
		qc_labels_free(labels);
		labels = NULL;
	}
	if (labels)
		held->prompt = qc_prompt_create(labels, instructions, examples,
										args->codes, &fault);
	if (held->prompt == NULL ||
		(pool != NULL && !qc_pool_read(held->prompt, pool, args->shots, &fault)))
		qc_fault_raise(&fault);
	return held->prompt;
}

const char *
qc_site_separator(const QcSitePrompt *site)
{
	return site->how.separator[0] ? qc_utf8_to_server(site->how.separator) : QC_SEPARATOR;
}

static void
label_texts(QcSitePrompt *site)
{
	const QcLabels *labels = site->prompt->labels;

	site->label = (text **) palloc(labels->n * sizeof(text *));
	for (int i = 0; i < labels->n; i++)
		site->label[i] = cstring_to_text(qc_utf8_to_server(labels->label[i].name));
}

static QcSitePrompt *
make_site(MemoryContext parent, const QcPromptArgs *args)
{
	MemoryContext cxt = AllocSetContextCreate(parent, "qwen_classify prompt",
											  ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(cxt);
	QcSitePrompt *site = (QcSitePrompt *) palloc0(sizeof(QcSitePrompt));
	QcHeld	   *held = (QcHeld *) palloc0(sizeof(QcHeld));

	site->cxt = cxt;
	site->form = args->form;
	site->codes = args->codes;
	site->how = args->how;
	site->labels = copy_of(args->labels);
	site->instructions = copy_of(args->instructions);
	site->examples = copy_of(args->examples);
	site->shots = args->shots;
	site->pool_hash = args->pool_hash;
	held->callback.func = free_held;
	held->callback.arg = held;
	MemoryContextRegisterResetCallback(cxt, &held->callback);
	site->prompt = create_prompt(held, args);
	site->prompt->how = args->how;
	label_texts(site);
	fingerprint(site);
	MemoryContextSwitchTo(old);
	return site;
}

QcSitePrompt *
qc_site_prompt(QcSitePrompt **site, MemoryContext parent, const QcPromptArgs *args)
{
	QcSitePrompt *fresh;

	if (*site && made_of(*site, args))
		return *site;
	fresh = make_site(parent, args);
	if (*site && (*site)->users > 0)
		(*site)->retired = true;
	else if (*site)
		MemoryContextDelete((*site)->cxt);
	*site = fresh;
	return fresh;
}

void
qc_site_prompt_hold(QcSitePrompt *prompt)
{
	prompt->users++;
}

void
qc_site_prompt_release(QcSitePrompt *prompt)
{
	if (--prompt->users == 0 && prompt->retired)
		MemoryContextDelete(prompt->cxt);
}

/* ---- how a long text is asked about ---- */

static bool
is_word(const text *value, const char *word)
{
	return VARSIZE_ANY_EXHDR(value) == strlen(word) &&
		memcmp(VARDATA_ANY(value), word, strlen(word)) == 0;
}

QcLongText
qc_long_text(const text *word)
{
	if (is_word(word, "split"))
		return QC_LONG_SPLIT;
	if (!is_word(word, "head_tail"))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("long_text must be head_tail or split"),
				 errhint("head_tail leaves out the middle of a text that is too long; split asks about all of it, in several requests.")));
	return QC_LONG_HEAD_TAIL;
}

/* ---- how a tree is asked about ---- */

QcTreeWay
qc_tree_way(const char *word)
{
	if (strcmp(word, "flat") == 0)
		return QC_TREE_FLAT;
	if (strcmp(word, "levels") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unknown way \"%s\" to ask about a tree of labels", word),
				 errhint("tree is 'levels' (coarse first, then what is within the answer) or 'flat' (all leaves at once).")));
	return QC_TREE_LEVELS;
}

const char *
qc_tree_word(QcTreeWay way)
{
	return way == QC_TREE_FLAT ? "flat" : "levels";
}

void
qc_check_separator(const char *separator)
{
	bool		good = separator[0] != '\0' && strlen(separator) <= QC_MAX_SEPARATOR;

	for (const char *c = separator; *c; c++)
		good = good && (unsigned char) *c >= 0x20 && *c != 0x7f;
	if (!good)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("separator must have from 1 to %d bytes and no control characters", QC_MAX_SEPARATOR),
				 errhint("It stands between the parts of a label's path; '/' is usual, ' > ' another.")));
}

/* The usual one is left out, so that saying it is no other question. */
void
qc_set_separator(QcHow *how, const char *separator)
{
	if (strcmp(separator, QC_SEPARATOR) != 0)
		strlcpy(how->separator, prompt_text(separator, strlen(separator)), sizeof(how->separator));
}

void
qc_check_min_confidence(double min_confidence)
{
	/* so written, NaN is refused too */
	if (!(min_confidence >= 0 && min_confidence <= 1))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("min_confidence must be from 0 to 1"),
				 errhint("The label is the deepest one of a tree that has this probability; 0, the default, is always a leaf.")));
}

void
qc_task_prompt_args(const QcTask *task, QcPromptArgs *args)
{
	memset(args, 0, sizeof(QcPromptArgs));
	args->form = QC_LABELS_TEXT;
	args->how.votes = task->votes;
	args->how.abstain = task->abstain;
	args->how.multi = task->multi;
	args->how.orders = task->orders > 1 ? task->orders : 0;
	args->how.tree = task->tree;
	args->how.long_text = task->long_text;
	args->how.min_confidence = task->min_confidence;
	qc_set_separator(&args->how, task->separator);
	args->labels = (struct varlena *) cstring_to_text(task->labels);
	if (task->instructions)
		args->instructions = (struct varlena *) cstring_to_text(task->instructions);
	if (task->examples)
		args->examples = (struct varlena *)
			DatumGetPointer(DirectFunctionCall1(jsonb_in, CStringGetDatum(task->examples)));
	args->pool = qc_task_pool(task);
	if (args->pool == NULL)
		return;
	args->shots = task->shots;
	args->pool_hash = hash_bytes_extended((const unsigned char *) VARDATA_ANY(args->pool),
										  VARSIZE_ANY_EXHDR(args->pool), 0);
}

QcSitePrompt *
qc_task_prompt(QcSitePrompt **site, MemoryContext parent, const QcTask *task, bool codes)
{
	QcPromptArgs args;
	QcSitePrompt *prompt;

	qc_task_prompt_args(task, &args);
	args.codes = codes;
	prompt = qc_site_prompt(site, parent, &args);
	pfree(args.labels);
	if (args.instructions)
		pfree(args.instructions);
	if (args.examples)
		pfree(args.examples);
	if (args.pool)
		pfree(args.pool);
	return prompt;
}
