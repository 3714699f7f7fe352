/*-------------------------------------------------------------------------
 *
 * http.c
 *	  One HTTP request on the pool, from start to completion or abort.
 *
 * What a request owns moves in one direction: the caller's body to the http
 * object, the http object to the pool, and back at the end.  At each step
 * that may throw, exactly one of them owns it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>

#include "common/compat.h"

#include "net/easy.h"
#include "net/http.h"
#include "net/pool.h"

/* A longer Retry-After is a server that does not know; ask again after this. */
#define QC_MAX_RETRY_AFTER_S	60

/* Before anything was started; what the caller gave is freed by then. */
static void
qc_http_out_of_memory(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_OUT_OF_MEMORY),
			 errmsg("out of memory"),
			 errdetail("Could not set up a request to an inference server.")));
}

/*
 * The body belongs to us from the first line on.  The handle does not know the
 * http object until the pool has taken it: qc_http_free tells by that whether
 * there is something to abort.
 */
QcHttp *
qc_http_start(QcEndpoint *endpoint, int replica, bool at_root, const char *path,
			  char *body, QcHttpDone on_done, void *arg)
{
	QcHttp	   *http = calloc(1, sizeof(QcHttp));

	if (http == NULL)
	{
		free(body);
		qc_http_out_of_memory();
	}
	http->request = body;
	http->retry_after_ms = -1;
	http->on_done = on_done;
	http->arg = arg;

	http->easy = qc_easy_take(endpoint, replica, at_root, path, body != NULL);
	if (http->easy == NULL)
	{
		qc_http_free(http);
		qc_http_out_of_memory();
	}
	if (body != NULL)
	{
		/* Not copied by libcurl: the http object keeps it until the end. */
		curl_easy_setopt(http->easy->curl, CURLOPT_POSTFIELDSIZE_LARGE,
						 (curl_off_t) strlen(body));
		curl_easy_setopt(http->easy->curl, CURLOPT_POSTFIELDS, body);
	}

	PG_TRY();
	{
		qc_pool_add(http);
	}
	PG_CATCH();
	{
		qc_easy_give(http->easy);
		http->easy = NULL;
		qc_http_free(http);
		PG_RE_THROW();
	}
	PG_END_TRY();
	http->easy->http = http;
	return http;
}

/* libcurl looks at the limit when it connects, which is in the next round. */
void
qc_http_limit_connect(QcHttp *http, int ms)
{
	if (http->easy != NULL)
		qc_easy_limit_connect(http->easy, ms);
}

/*
 * Does a connection stand, or did one?  libcurl notes when it is ready to send,
 * TLS included; newer versions also do so when they give up, but then there is
 * no port of ours.
 */
static bool
qc_http_has_connection(CURL *curl)
{
	curl_off_t	sending_at = 0;
	long		local_port = 0;

	curl_easy_getinfo(curl, CURLINFO_PRETRANSFER_TIME_T, &sending_at);
	curl_easy_getinfo(curl, CURLINFO_LOCAL_PORT, &local_port);
	return sending_at > 0 && local_port > 0;
}

bool
qc_http_is_connected(const QcHttp *http)
{
	return http->connected ||
		(http->easy != NULL && qc_http_has_connection(http->easy->curl));
}

/* Retry-After in seconds or as a date; libcurl gives 0 for "not told". */
static int64
qc_http_retry_after(CURL *curl)
{
	curl_off_t	seconds = 0;

	curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
	return seconds <= 0 ? -1 : Min(seconds, QC_MAX_RETRY_AFTER_S) * 1000;
}

/* What the handle knows of its transfer, before it is used for the next. */
static void
qc_http_collect(QcHttp *http, CURL *curl)
{
	long		status = 0,
				connects = 0,
				header_bytes = 0,
				os_error = 0;
	curl_off_t	microseconds = 0;

	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
	curl_easy_getinfo(curl, CURLINFO_HEADER_SIZE, &header_bytes);
	curl_easy_getinfo(curl, CURLINFO_TOTAL_TIME_T, &microseconds);
	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);

	http->status = (int) status;
	http->any_byte = header_bytes > 0 || http->body_len > 0;
	http->connected = http->any_byte || qc_http_has_connection(curl);
	http->reused = http->connected && connects == 0;
	http->seconds = microseconds / 1e6;
	http->os_error = http->connected ? 0 : (int) os_error;
	http->retry_after_ms = qc_http_retry_after(curl);
}

/*
 * Between the removal from the multi handle and the completion: no throw, so
 * that a round always gets all its transfers off.
 */
void
qc_http_ended(QcHttp *http, int curl_code)
{
	QcEasy	   *easy = http->easy;

	http->curl_code = curl_code;
	http->too_large |= curl_code == CURLE_FILESIZE_EXCEEDED;
	qc_http_collect(http, easy->curl);
	if (curl_code != CURLE_OK)
		strlcpy(http->error, easy->error[0] ? easy->error : curl_easy_strerror(curl_code),
				sizeof(http->error));

	if (http->starved)
		qc_pool_starved();

	/* A server that moved is found again at the next try. */
	if (curl_code != CURLE_OK && !http->connected)
		qc_easy_doubt_name(easy);

	http->easy = NULL;
	qc_easy_give(easy);
	free(http->request);
	http->request = NULL;
}

/*
 * An abort closes the connection, which is how a server learns that nobody
 * waits for the answer any more and stops generating.
 */
void
qc_http_free(QcHttp *http)
{
	if (http == NULL)
		return;
	if (http->easy != NULL)
	{
		if (http->easy->http != NULL)
			qc_pool_remove(http);
		qc_easy_give(http->easy);
	}
	if (http->queued)
		dlist_delete(&http->node);
	free(http->request);
	free(http->body);
	free(http);
}

/*
 * The system's messages are in the server's language and encoding, so the
 * usual ones have words here.
 */
static const char *
qc_http_os_words(int os_error)
{
	switch (os_error)
	{
		case ECONNREFUSED:
			return "connection refused";
		case ECONNRESET:
			return "connection reset by peer";
		case EHOSTUNREACH:
			return "no route to host";
		case ENETUNREACH:
			return "network is unreachable";
		case ETIMEDOUT:
			return "connection timed out";
		case EADDRNOTAVAIL:
			return "no local address or port is free";
		case EACCES:
		case EPERM:
			return "not permitted by this host";
		default:
			return NULL;
	}
}

/* Our words where they say more than libcurl's, which name hosts and timings. */
const char *
qc_http_words(const QcHttp *http, char *buf)
{
	const char *words = NULL;

	if (http->starved)
		words = "too many files are open";
	else if (http->curl_code == CURLE_COULDNT_RESOLVE_HOST)
		words = "unknown host name";
	else if (http->curl_code == CURLE_OPERATION_TIMEDOUT)
		words = http->connected ? "no answer in time" : "connection timed out";
	else if (http->curl_code == CURLE_GOT_NOTHING)
		words = "connection closed without an answer";
	else if (http->curl_code == CURLE_PARTIAL_FILE)
		words = "connection closed in the middle of an answer";
	else if (http->too_large)
		words = "answer is larger than 256 kB";
	else if (!http->connected)
		words = qc_http_os_words(http->os_error);

	strlcpy(buf, words ? words : http->error, 256);
	if (words == NULL && buf[0] >= 'A' && buf[0] <= 'Z' && !(buf[1] >= 'A' && buf[1] <= 'Z'))
		buf[0] += 'a' - 'A';
	return buf;
}
