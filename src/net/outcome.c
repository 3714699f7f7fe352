/*-------------------------------------------------------------------------
 *
 * outcome.c
 *	  What an answer (or its absence) means and what to do about it.
 *
 * Read from the outside in: the transport's code, then the HTTP status, then
 * the words of the body.  The status wins over a code in the body, except in a
 * body that came with 200 and holds nothing but an error.
 *
 *-------------------------------------------------------------------------
 */
#include "net/outcome.h"

#include <ctype.h>
#include <string.h>

#include <curl/curl.h>

#include "net/wording.h"

/* More of an error than this is a copy of the request. */
#define WORDS_ROOM 2560

static QcOutcome
act(QcAction action, QcFailKind kind)
{
	QcOutcome	outcome = {0};

	outcome.action = action;
	outcome.kind = kind;
	return outcome;
}

/* Append in lower case. */
static void
add_words(char *words, const char *s, size_t len)
{
	size_t		n = strlen(words);

	while (len > 0 && *s && n + 1 < WORDS_ROOM)
	{
		words[n++] = (char) tolower((unsigned char) *s++);
		len--;
	}
	words[n] = '\0';
}

/*
 * The error's words, in lower case.  Validators quote the request that they
 * refuse ('input': ...); what the row says is not what the server says.
 */
static void
collect_words(const QcReceived *received, char *words)
{
	const QcReply *reply = received->reply;
	char	   *quoted;

	words[0] = '\0';
	if (reply->error_type)
		add_words(words, reply->error_type, WORDS_ROOM);
	add_words(words, " ", 1);
	if (reply->error)
		add_words(words, reply->error, WORDS_ROOM);
	else if (!received->json && received->body)
		add_words(words, received->body, received->body_len);

	quoted = strstr(words, "'input':");
	if (quoted)
		*quoted = '\0';
}

/* A page, of a proxy or a login: no inference server answers so. */
static bool
is_html(const QcReceived *received)
{
	const char *s = received->body;

	if (s == NULL)
		return false;
	while (*s && isspace((unsigned char) *s))
		s++;
	return *s == '<';
}

/* No answer: what libcurl says. */
static QcOutcome
transport(const QcReceived *received)
{
	switch (received->curl_code)
	{
		case CURLE_COULDNT_RESOLVE_PROXY:
		case CURLE_COULDNT_RESOLVE_HOST:
		case CURLE_COULDNT_CONNECT:
			return act(QC_ACT_RETRY, QC_FAIL_CONNECT);

		case CURLE_OPERATION_TIMEDOUT:
			return act(QC_ACT_RETRY, received->connecting ? QC_FAIL_CONNECT : QC_FAIL_TIMEOUT);

			/* the server closed an idle connection while we sent */
		case CURLE_GOT_NOTHING:
		case CURLE_SEND_ERROR:
		case CURLE_RECV_ERROR:
		case CURLE_HTTP2:
		case CURLE_HTTP2_STREAM:
			if (received->reused && !received->any_byte)
				return act(QC_ACT_RESEND, QC_FAIL_CONNECT);
			return act(QC_ACT_RETRY, QC_FAIL_CONNECT);

			/* half an answer; a handshake that was cut off */
		case CURLE_PARTIAL_FILE:
		case CURLE_SSL_CONNECT_ERROR:
			return act(QC_ACT_RETRY, QC_FAIL_CONNECT);

		case CURLE_PEER_FAILED_VERIFICATION:
		case CURLE_SSL_CERTPROBLEM:
		case CURLE_SSL_CIPHER:
		case CURLE_SSL_CACERT_BADFILE:
		case CURLE_SSL_ISSUER_ERROR:
		case CURLE_SSL_CRL_BADFILE:
		case CURLE_SSL_ENGINE_NOTFOUND:
		case CURLE_SSL_ENGINE_SETFAILED:
		case CURLE_SSL_ENGINE_INITFAILED:
		case CURLE_SSL_INVALIDCERTSTATUS:
		case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
		case CURLE_USE_SSL_FAILED:
		case 98:				/* CURLE_SSL_CLIENTCERT, since 7.77 */
			return act(QC_ACT_FAIL, QC_FAIL_TLS);

		case CURLE_URL_MALFORMAT:
			return act(QC_ACT_FAIL, QC_FAIL_PATH);

		default:
			/* not HTTP, bad encoding, out of memory: another try may do */
			return act(QC_ACT_RETRY, QC_FAIL_SERVER);
	}
}

/* The text does not fit. */
static bool
is_too_long(const char *words, QcOutcome *outcome)
{
	long		limit;
	long		prompt;

	if (!qc_wording_too_long(words, &limit, &prompt))
		return false;
	*outcome = act(QC_ACT_CUT, QC_FAIL_TOO_LONG);
	outcome->limit_tokens = limit;
	outcome->prompt_tokens = prompt;
	return true;
}

/* The server complains of fields that can be left out. */
static bool
is_downgrade(const char *words, const QcFacts *facts, QcOutcome *outcome)
{
	int			top_cap;
	uint32_t	refused = qc_wording_fields(words, facts, &top_cap);

	if (refused == 0)
		return false;
	*outcome = act(QC_ACT_DOWNGRADE, QC_FAIL_REJECTED);
	outcome->refused = refused;
	outcome->top_cap = top_cap;
	return true;
}

/* 400, 413, 422: the server read the request and will not have it. */
static QcOutcome
rejected(int status, const char *words, const QcFacts *facts)
{
	QcOutcome	outcome;

	if (qc_wording_refused(words))
		return act(QC_ACT_FAIL, QC_FAIL_REFUSED);
	if (qc_wording_no_quota(words))
		return act(QC_ACT_FAIL, QC_FAIL_QUOTA);
	if (is_too_long(words, &outcome))
		return outcome;
	if (status != 413 && is_downgrade(words, facts, &outcome))
		return outcome;
	if (qc_wording_no_model(words))
		return act(QC_ACT_FAIL, QC_FAIL_MODEL);

	/* TGI validates nothing else of ours by tokens */
	if (status == 422 && strstr(words, "validation") && strstr(words, "tokens"))
		return act(QC_ACT_CUT, QC_FAIL_TOO_LONG);
	return act(QC_ACT_FAIL, QC_FAIL_REJECTED);
}

/* 401 and 403 are about the key, unless they name a feature or the bill. */
static QcOutcome
forbidden(int status, const char *words, const QcFacts *facts)
{
	QcOutcome	outcome;

	if (qc_wording_no_quota(words))
		return act(QC_ACT_FAIL, QC_FAIL_QUOTA);

	/* OpenAI: 403 "You are not allowed to request logprobs from this model" */
	if (status == 403 && strstr(words, "logprobs") && is_downgrade(words, facts, &outcome))
		return outcome;
	return act(QC_ACT_FAIL, QC_FAIL_AUTH);
}

/* 404: the model or the path.  A page that says "model" is still a page. */
static QcOutcome
not_found(const char *words)
{
	if (strstr(words, "invalid url") == NULL &&
		(strstr(words, "model") || strstr(words, "deployment")) && strchr(words, '<') == NULL)
		return act(QC_ACT_FAIL, QC_FAIL_MODEL);
	return act(QC_ACT_FAIL, QC_FAIL_PATH);
}

/*
 * Several servers cannot write a masked token's -inf as JSON and answer 500
 * (sgl-project/sglang#5984).  With one alternative there is only the chosen token,
 * whose logprob is finite.
 */
static bool
is_infinity_bug(const char *words, const QcFacts *facts, QcOutcome *outcome)
{
	if (strstr(words, "out of range float values") == NULL ||
		(facts->refused & QC_REFUSED_LOGPROBS))
		return false;
	*outcome = act(QC_ACT_DOWNGRADE, QC_FAIL_SERVER);
	if (facts->top_cap == 1)
		outcome->refused = QC_REFUSED_LOGPROBS;
	else
	{
		outcome->refused = QC_REFUSED_TOP_LOGPROBS;
		outcome->top_cap = 1;
	}
	return true;
}

/* 500: mostly the server's fault, at times a complaint in disguise. */
static QcOutcome
internal_error(const char *words, const QcFacts *facts)
{
	static const char *const about_format[] = {"grammar", "json schema", "json_schema", NULL};
	QcOutcome	outcome;

	if (is_infinity_bug(words, facts, &outcome) || is_too_long(words, &outcome))
		return outcome;
	if (qc_wording_has(words, about_format) && is_downgrade(words, facts, &outcome))
		return outcome;
	return act(QC_ACT_RETRY, QC_FAIL_SERVER);
}

/*
 * DashScope has OpenAI's words for a spent quota, code and all, for its limit of
 * tokens a minute.  The request's id in the body tells whose words they are.
 */
static bool
is_dashscope_limit(const QcReceived *received, const char *words)
{
	return strstr(words, "exceeded your current quota") && received->json &&
		received->body && strstr(received->body, "\"request_id\"");
}

/* Too much at the moment, or not ready yet: the same request will do later. */
static QcOutcome
overloaded(int status, const char *words, const QcReceived *received)
{
	/* a quota that is used up does not come back by waiting */
	if (status == 429 && qc_wording_no_quota(words) && !is_dashscope_limit(received, words))
		return act(QC_ACT_FAIL, QC_FAIL_QUOTA);
	if (status == 503 && strstr(words, "loading"))
		return act(QC_ACT_RETRY, QC_FAIL_LOADING);
	return act(QC_ACT_RETRY, QC_FAIL_OVERLOADED);
}

/* What the status says, with the words where it says too little. */
static QcOutcome
by_status(int status, const char *words, const QcFacts *facts,
		  const QcReceived *received)
{
	switch (status)
	{
		case 400:
		case 413:
		case 422:
			return rejected(status, words, facts);
		case 401:
		case 403:
			return forbidden(status, words, facts);
		case 402:
			return act(QC_ACT_FAIL, QC_FAIL_QUOTA);
		case 404:
			return not_found(words);
		case 408:
		case 499:
		case 504:
			return act(QC_ACT_RETRY, QC_FAIL_TIMEOUT);
		case 409:
		case 424:
		case 425:
		case 429:
		case 503:
		case 529:
			return overloaded(status, words, received);
		case 500:
			return internal_error(words, facts);
		case 501:
			return act(QC_ACT_FAIL, QC_FAIL_PROTOCOL);
		default:
			break;
	}
	if (status >= 502)
		return act(QC_ACT_RETRY, QC_FAIL_SERVER);

	/* a redirect is not followed: it may lead where nobody gave a grant for */
	if (status >= 300 && status < 400)
		return act(QC_ACT_FAIL, QC_FAIL_PATH);
	if (status == 405 || status == 410)
		return act(QC_ACT_FAIL, QC_FAIL_PATH);
	return status >= 400 ? act(QC_ACT_FAIL, QC_FAIL_REJECTED) :
		act(QC_ACT_FAIL, QC_FAIL_PROTOCOL);
}

/* 200: an answer, an error in an answer's clothes, or a page of a proxy. */
static QcOutcome
answered(const QcReceived *received, const char *words, const QcFacts *facts)
{
	const QcReply *reply = received->reply;

	if (reply->error && reply->text == NULL)
	{
		QcOutcome	outcome;

		if (reply->error_code >= 300)
			return by_status(reply->error_code, words, facts, received);

		/* without a code the words decide; words that say nothing: the server's */
		outcome = rejected(400, words, facts);
		return outcome.kind == QC_FAIL_REJECTED && outcome.action == QC_ACT_FAIL ?
			internal_error(words, facts) : outcome;
	}
	if (!received->json && is_html(received))
		return act(QC_ACT_FAIL, QC_FAIL_PROTOCOL);

	/* whatever else it is, the reader of answers judges it and asks once more */
	return act(QC_ACT_READ, QC_FAIL_NONE);
}

QcOutcome
qc_outcome(const QcReceived *received, const QcFacts *facts)
{
	char		words[WORDS_ROOM];
	int			status = received->http_status;

	/* too much to read, but the status still counts */
	if (received->too_large && status >= 200 && status < 300)
		return act(QC_ACT_FAIL, QC_FAIL_BAD_ANSWER);
	if (received->curl_code != CURLE_OK && !(received->too_large && status > 0))
		return transport(received);
	if (status == 0)
		return act(QC_ACT_RETRY, QC_FAIL_SERVER);

	collect_words(received, words);
	if (status >= 200 && status < 300)
		return answered(received, words, facts);
	return by_status(status, words, facts, received);
}
