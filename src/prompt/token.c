/*-------------------------------------------------------------------------
 *
 * token.c
 *	  The logprobs of a body, whatever their layout, as positions.
 *
 * Servers agree on the field names and on little else: what the bytes of a
 * token are, how a fragment of a character looks, how the end of the turn is
 * spelt and whether the fragments show at all.  All of that is settled here,
 * so that the walk over the labels sees bytes and probabilities only.
 *
 *-------------------------------------------------------------------------
 */
#include "prompt/token.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prompt/defuse.h"
#include "prompt/text.h"

/* Servers clamp minus infinity to -9999 or worse; no real token is that rare. */
#define MASKED_LOGPROB	(-9000.0)

/* Rounding may lift the logarithm of one a little over zero. */
#define ROUNDING		1e-3

/* How the end of a turn is spelt, where it is, unless between bars. */
static const char *const end_token[] = {
	"</s>", "<end_of_turn>", "<eos>"
};

/* What stands for a text that is missing. */
static char nothing[1] = "";

static bool
read_logprob(const cJSON *value, double *logprob)
{
	*logprob = -INFINITY;
	if (value == NULL || cJSON_IsNull(value))
		return true;
	if (!cJSON_IsNumber(value) || isnan(value->valuedouble) ||
		value->valuedouble >= ROUNDING)
		return false;
	if (value->valuedouble > MASKED_LOGPROB)
		*logprob = fmin(value->valuedouble, 0);
	return true;
}

static bool
is_end_token(const char *text)
{
	size_t		i;

	if (text[0] != '<')
		return false;
	for (i = 0; i < sizeof(end_token) / sizeof(end_token[0]); i++)
	{
		if (strcmp(text, end_token[i]) == 0)
			return true;
	}
	return text[1] == '|' && qc_special_at(text, strlen(text)) == strlen(text);
}

/*
 * Whether bytes may be those of a token that is shown so.  A fragment of a
 * character has no text, and each server shows it in its own way (llama.cpp
 * leaves it out at the end of a token); some trim the text; anything else
 * that differs is not this token.
 */
static bool
is_consistent(const char *text, const QcToken *token)
{
	const char *bytes = token->bytes + strspn(token->bytes, " ");
	size_t		n;

	if (token->len == 0)
		return text[0] == '\0';
	if (strstr(text, QC_REPLACEMENT) != NULL || strncmp(text, "bytes:", 6) == 0 ||
		strncmp(text, "<0x", 3) == 0 || text[0] == '\0')
		return true;
	text += strspn(text, " ");
	n = strlen(text);
	return strncmp(bytes, text, n) == 0 && (bytes[n] == '\0' || (bytes[n] & 0x80) != 0);
}

/*
 * The bytes of a token.  The array of bytes is the truth on llama.cpp and
 * SGLang; on vLLM and Ollama it is made from the text, where a fragment is
 * already lost, and may be missing or empty.
 */
static void
read_token_bytes(char *text, const cJSON *bytes, QcToken *token)
{
	bool		ends = is_end_token(text);

	token->bytes = text;
	token->len = ends ? 0 : (int) strlen(text);
	if (!ends && cJSON_IsArray(bytes) && bytes->valuestring != NULL)
	{
		QcToken		told = {bytes->valuestring, bytes->valueint, 0};

		if ((told.len == token->len && memcmp(told.bytes, text, (size_t) told.len) == 0) ||
			is_consistent(text, &told))
		{
			token->bytes = told.bytes;
			token->len = told.len;
		}
	}
	if (strstr(token->bytes, QC_REPLACEMENT) != NULL)
		token->len = -1;
}

/* The members of an entry, or of one of its alternatives; NULL: it has none such. */
typedef struct Entry
{
	const cJSON *token;
	const cJSON *logprob;
	const cJSON *bytes;
	const cJSON *top;
	const cJSON *id;
} Entry;

static bool
is_named(const cJSON *member, const char *name)
{
	return member->string[0] == name[0] && strcmp(member->string, name) == 0;
}

/* Of several of one name the first counts. */
static void
read_members(const cJSON *object, Entry *entry)
{
	const cJSON *member;

	memset(entry, 0, sizeof(*entry));
	cJSON_ArrayForEach(member, object)
	{
		const cJSON **place = NULL;

		if (member->string == NULL)
			continue;
		if (is_named(member, "token"))
			place = &entry->token;
		else if (is_named(member, "logprob"))
			place = &entry->logprob;
		else if (is_named(member, "bytes"))
			place = &entry->bytes;
		else if (is_named(member, "top_logprobs"))
			place = &entry->top;
		else if (is_named(member, "id"))
			place = &entry->id;
		if (place != NULL && *place == NULL)
			*place = member;
	}
}

static void
read_token(const Entry *entry, QcToken *token, QcReply *reply)
{
	char	   *text = cJSON_IsString(entry->token) ? entry->token->valuestring : nothing;

	if (!read_logprob(entry->logprob, &token->logprob) || text == nothing)
		reply->bad_logprobs = true;
	read_token_bytes(text, entry->bytes, token);
}

/*
 * llama.cpp sends text only when a character is whole: fragments have no
 * entry of their own, and the entry of the last one holds the whole character
 * with that fragment's alternatives.  It shows in the entry's own item among
 * the alternatives, which has fewer bytes.  Returns those bytes' number, 0 if
 * the entry is an ordinary one.
 */
static int
last_fragment(const QcToken *chosen, const QcToken *same)
{
	return same->len > 0 && same->len < chosen->len &&
		memcmp(chosen->bytes + chosen->len - same->len, same->bytes, (size_t) same->len) == 0 ?
		same->len : 0;
}

/* *tail: the bytes of the last fragment, as above. */
static bool
read_entry(const cJSON *object, QcPosition *position, QcReply *reply, int *tail)
{
	Entry		entry;
	const cJSON *top;
	bool		told = false;

	*tail = 0;
	read_members(object, &entry);
	read_token(&entry, &position->chosen, reply);
	if (!cJSON_IsArray(entry.top) || entry.top->child == NULL)
		return true;
	position->top = calloc((size_t) cJSON_GetArraySize(entry.top), sizeof(QcToken));
	if (position->top == NULL)
		return false;
	cJSON_ArrayForEach(top, entry.top)
	{
		QcToken    *token = &position->top[position->ntop++];
		Entry		other;

		read_members(top, &other);
		read_token(&other, token, reply);
		if (told || !cJSON_IsNumber(entry.id) || !cJSON_IsNumber(other.id) ||
			other.id->valuedouble != entry.id->valuedouble)
			continue;
		*tail = last_fragment(&position->chosen, token);
		told = true;
	}
	return true;
}

/*
 * The same without ids and true bytes (Ollama): a whole character that is not
 * among its own alternatives, while an unknown fragment of the very same
 * probability is.
 */
static bool
is_folded(const QcPosition *position)
{
	const QcToken *chosen = &position->chosen;
	bool		twin = false;
	int			i;

	if (chosen->len <= 0)
		return false;
	for (i = 0; i < position->ntop; i++)
	{
		const QcToken *top = &position->top[i];

		if (top->len == chosen->len &&
			memcmp(top->bytes, chosen->bytes, (size_t) top->len) == 0)
			return false;
		twin |= top->len < 0 && top->logprob == chosen->logprob;
	}
	return twin;
}

/* Room for the bytes of tokens that are cut in two: together they are no longer than the text, and each has a NUL. */
static char *
cut_room(QcReply *reply, int len)
{
	char	   *room;

	if (reply->cut_text == NULL)
		reply->cut_text = malloc(2 * reply->text_len + 1);
	if (reply->cut_text == NULL || reply->cut_len + (size_t) len + 1 > 2 * reply->text_len + 1)
		return NULL;
	room = reply->cut_text + reply->cut_len;
	reply->cut_len += (size_t) len + 1;
	return room;
}

/* Undo the folding: the hidden fragments become a position that nobody saw. */
static bool
unfold(QcPosition *position, int tail, QcReply *reply)
{
	QcPosition *last = position + 1;
	int			head = position->chosen.len - tail;
	char	   *bytes = cut_room(reply, tail);

	if (bytes == NULL)
		return false;
	*last = *position;
	memcpy(bytes, position->chosen.bytes + head, (size_t) tail);
	bytes[tail] = '\0';
	last->chosen.bytes = bytes;
	last->chosen.len = tail;
	position->top = NULL;
	position->ntop = 0;
	position->unseen = true;
	position->chosen.len = head;
	position->chosen.bytes[head] = '\0';
	return true;
}

static bool
read_entries(const cJSON *entries, QcReply *reply)
{
	const cJSON *entry;

	/* Twice the room: each entry may be two positions. */
	reply->position = calloc((size_t) cJSON_GetArraySize(entries) * 2 + 1,
							 sizeof(QcPosition));
	if (reply->position == NULL)
		return false;
	cJSON_ArrayForEach(entry, entries)
	{
		QcPosition *position = &reply->position[reply->npositions++];
		int			tail;

		if (!read_entry(entry, position, reply, &tail))
			return false;
		if (tail > 0)
		{
			if (!unfold(position, tail, reply))
				return false;
			reply->npositions++;
		}
		position->unseen |= is_folded(position);
	}
	return true;
}

/* The completions layout: {"tokens": [], "token_logprobs": [], "top_logprobs": [{}]}. */
static bool
read_completion_top(const cJSON *tops, QcPosition *position, QcReply *reply)
{
	const cJSON *top;

	if (!cJSON_IsObject(tops) || tops->child == NULL)
		return true;
	position->top = calloc((size_t) cJSON_GetArraySize(tops), sizeof(QcToken));
	if (position->top == NULL)
		return false;
	cJSON_ArrayForEach(top, tops)
	{
		QcToken    *token = &position->top[position->ntop++];

		if (!read_logprob(top, &token->logprob))
			reply->bad_logprobs = true;
		read_token_bytes(top->string, NULL, token);
	}
	return true;
}

static bool
read_completion(const cJSON *logprobs, QcReply *reply)
{
	const cJSON *token = cJSON_GetObjectItemCaseSensitive(logprobs, "tokens");
	const cJSON *logprob = cJSON_GetObjectItemCaseSensitive(logprobs, "token_logprobs");
	const cJSON *top = cJSON_GetObjectItemCaseSensitive(logprobs, "top_logprobs");

	reply->position = calloc((size_t) cJSON_GetArraySize(token) + 1, sizeof(QcPosition));
	if (reply->position == NULL)
		return false;
	logprob = cJSON_IsArray(logprob) ? logprob->child : NULL;
	top = cJSON_IsArray(top) ? top->child : NULL;
	for (token = token->child; token != NULL; token = token->next)
	{
		QcPosition *position = &reply->position[reply->npositions++];
		char	   *text = cJSON_IsString(token) ? token->valuestring : nothing;

		if (text == nothing || logprob == NULL ||
			!read_logprob(logprob, &position->chosen.logprob))
			reply->bad_logprobs = true;
		read_token_bytes(text, NULL, &position->chosen);
		if (!read_completion_top(top, position, reply))
			return false;
		logprob = logprob != NULL ? logprob->next : NULL;
		top = top != NULL ? top->next : NULL;
	}
	return true;
}

/* Whether the entries bear token ids: llama.cpp's mark, among those with entries. */
static bool
has_ids(const cJSON *entries)
{
	return cJSON_IsArray(entries) &&
		cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(entries->child, "id"));
}

/* Written with no text at all, which spells the end of the turn or nothing. */
static bool
is_empty(const QcToken *token)
{
	return token->len == 0 && token->bytes[0] == '\0';
}

/*
 * An empty token is the end of the turn on llama.cpp and a fragment of a
 * character on vLLM.  Without ids it is the end if the reply closes with it
 * of the model's own will; then this server writes the end so, everywhere.
 */
static void
settle_empty(QcReply *reply, bool ids)
{
	int			last = reply->npositions - 1;
	bool		ends = ids || (is_empty(&reply->position[last].chosen) &&
							   reply->finish != QC_FINISH_LENGTH);
	int			i;
	int			k;

	for (i = 0; i <= last; i++)
	{
		QcPosition *position = &reply->position[i];

		if (is_empty(&position->chosen) && !(ends && i == last))
			position->chosen.len = -1;
		for (k = 0; k < position->ntop && !ends; k++)
		{
			if (is_empty(&position->top[k]))
				position->top[k].len = -1;
		}
	}
}

/* Give the positions their places, whatever alphabet the server writes in. */
static bool
spell_text(QcReply *reply, bool ids)
{
	if (!qc_positions_align(reply))
		return qc_positions_unalphabet(reply) && qc_positions_align(reply);
	if (!ids && qc_positions_in_alphabet(reply))
		qc_positions_unalphabet(reply);
	return true;
}

bool
qc_positions_read(const cJSON *logprobs, QcReply *reply)
{
	bool		good = true;

	if (cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(logprobs, "content")))
		logprobs = cJSON_GetObjectItemCaseSensitive(logprobs, "content");
	if (cJSON_IsArray(logprobs))
		good = read_entries(logprobs, reply);
	else if (cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(logprobs, "tokens")))
		good = read_completion(logprobs, reply);
	if (!good)
		return false;
	if (reply->npositions > 0 && !reply->bad_logprobs)
	{
		settle_empty(reply, has_ids(logprobs));
		reply->bad_logprobs = !spell_text(reply, has_ids(logprobs));
	}
	if (reply->bad_logprobs || reply->npositions == 0)
		qc_positions_free(reply);
	return true;
}

void
qc_positions_free(QcReply *reply)
{
	for (int i = 0; i < reply->npositions; i++)
		free(reply->position[i].top);
	free(reply->position);
	free(reply->cut_text);
	reply->position = NULL;
	reply->npositions = 0;
	reply->cut_text = NULL;
	reply->cut_len = 0;
}
