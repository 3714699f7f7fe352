/*-------------------------------------------------------------------------
 *
 * describe.c
 *	  The words for a request that failed.
 *
 * Where to: HOST:PORT, never the whole URL.  The server's words go into the
 * detail, without the key and without what they quote of the request.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>

#include "net/describe.h"

/* Of a body that is no answer: enough to see what it is. */
#define QC_SHOWN_BYTES	120

QcReceived
qc_describe_received(const QcHttp *http, const QcReply *reply, bool json)
{
	QcReceived	received = {0};

	received.curl_code = http->curl_code;
	received.http_status = http->status;
	received.reused = http->reused;
	received.connecting = !http->connected;
	received.any_byte = http->any_byte;
	received.too_large = http->too_large;
	received.json = json;
	received.reply = reply;
	received.body = http->body;
	received.body_len = http->body_len;
	return received;
}

/* "HTTP 500", or why there was no answer or none that can be read. */
static const char *
status_words(char words[256], const QcHttp *http)
{
	if (http->status <= 0 || (http->too_large && http->status < 300))
		return qc_http_words(http, words);
	snprintf(words, 256, "HTTP %d", http->status);
	return words;
}

/* The server's faults: where it is, and what was waited for. */
static void
describe_server(QcFailure *failure, QcFailKind kind, const QcEndpoint *endpoint,
				const char *where, const QcHttp *http)
{
	char		words[256];

	if (kind == QC_FAIL_CONNECT && http->curl_code == CURLE_OPERATION_TIMEDOUT)
		qc_failure_set(failure, kind, 0, "could not connect to %s: no connection within %g s",
					   where, endpoint->connect_timeout / 1000.0);
	else if (kind == QC_FAIL_CONNECT)
		qc_failure_set(failure, kind, 0, http->connected ? "lost connection to %s: %s" :
					   "could not connect to %s: %s", where, qc_http_words(http, words));
	else if (kind == QC_FAIL_TIMEOUT && http->curl_code == CURLE_OPERATION_TIMEDOUT)
		qc_failure_set(failure, kind, 0, "inference server %s did not answer within %g s",
					   where, endpoint->request_timeout / 1000.0);
	else
		qc_failure_set(failure, kind, http->status,
					   kind == QC_FAIL_TIMEOUT ? "inference server %s ran out of time (%s)" :
					   kind == QC_FAIL_OVERLOADED ? "inference server %s is overloaded (%s)" :
					   kind == QC_FAIL_LOADING ? "inference server %s is still loading its model (%s)" :
					   "inference server %s failed (%s)", where, status_words(words, http));
}

/* What the user has to change: a key, a name, an address. */
static void
describe_user(QcFailure *failure, QcFailKind kind, QcEndpoint *endpoint,
			  const char *where, const QcHttp *http)
{
	const char *model = endpoint->model ? endpoint->model : endpoint->facts.model;
	char		buf[256];
	const char *words = status_words(buf, http);

	if (kind == QC_FAIL_MODEL)
		qc_failure_set(failure, kind, http->status,
					   "inference server %s has no model \"%s\"", where, model);
	else if (kind == QC_FAIL_AUTH && http->status == 403)
		qc_failure_set(failure, kind, http->status,
					   "inference server %s forbids the request (%s)", where, words);
	else if (kind == QC_FAIL_AUTH)
		qc_failure_set(failure, kind, http->status, endpoint->api_key ?
					   "inference server %s refused the key (%s)" :
					   "inference server %s asks for a key (%s)", where, words);
	else if (kind == QC_FAIL_PATH && http->status >= 300 && http->status < 400)
		qc_failure_set(failure, kind, http->status,
					   "inference server %s redirects, which is not followed (%s)", where, words);
	else
		qc_failure_set(failure, kind, http->status,
					   kind == QC_FAIL_PATH ? "inference server %s has no such path (%s)" :
					   kind == QC_FAIL_QUOTA ? "quota at inference server %s is used up (%s)" :
					   kind == QC_FAIL_TLS ? "could not set up TLS with %s: %s" :
					   "%s does not answer as an inference server (%s)", where, words);
}

/* The row's faults name no address: the server is fine. */
static void
describe_row(QcFailure *failure, QcFailKind kind, const QcHttp *http)
{
	char		words[256];

	qc_failure_set(failure, kind, http->status,
				   kind == QC_FAIL_TOO_LONG ? "text is too long for the model's context (%s)" :
				   kind == QC_FAIL_REFUSED ? "inference server refused the text (%s)" :
				   kind == QC_FAIL_BAD_ANSWER ? "answer of the inference server is too large (%s)" :
				   "inference server rejected the request (%s)", status_words(words, http));
}

/*
 * The server's own words.  A validator's complaint goes on with the request
 * that it refuses, and the row stands in there: cut before it.
 */
static void
add_detail(QcFailure *failure, const QcEndpoint *endpoint, const QcReply *reply)
{
	static const char *const quote[] = {"'input':", "\"input\":", "input_value="};
	char		words[2048];

	if (reply->error == NULL)
		return;
	strlcpy(words, reply->error, sizeof(words));
	for (size_t i = 0; i < lengthof(quote); i++)
	{
		char	   *at = strstr(words, quote[i]);

		if (at)
			*at = '\0';
	}
	qc_failure_words(failure, words, endpoint->api_key);
}

/* What answers instead of an inference server shows best in how it begins. */
static void
add_beginning(QcFailure *failure, const QcEndpoint *endpoint, const QcHttp *http)
{
	char		words[QC_SHOWN_BYTES + 1];

	/* a brace may be the request, echoed */
	if (http->body == NULL || http->too_large || strchr("{[", http->body[0]) != NULL)
		return;
	strlcpy(words, http->body, sizeof(words));
	qc_failure_words(failure, words, endpoint->api_key);
}

void
qc_describe_failure(QcFailure *failure, QcFailKind kind, QcEndpoint *endpoint,
				  int replica, const QcHttp *http, const QcReply *reply)
{
	const char *where = endpoint->replica[replica].where;

	if (qc_failure_charge(kind) == QC_CHARGE_ROW)
		describe_row(failure, kind, http);
	else if (qc_failure_charge(kind) == QC_CHARGE_SERVER)
		describe_server(failure, kind, endpoint, where, http);
	else
		describe_user(failure, kind, endpoint, where, http);
	qc_failure_server(failure, endpoint->name);
	add_detail(failure, endpoint, reply);
	if (kind == QC_FAIL_PROTOCOL && failure->detail[0] == '\0')
		add_beginning(failure, endpoint, http);
}
