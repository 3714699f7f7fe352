/*-------------------------------------------------------------------------
 *
 * url.c
 *	  The server option url, taken apart and checked.
 *
 * libcurl's own parser does the work, so that what was checked is what is
 * sent.  Its strings are copied to the stack and freed before anything can
 * throw.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>

#include "lib/stringinfo.h"

#include "common/compat.h"
#include "net/url.h"

/* No base URL is longer; the buffers below are sized by it. */
#define MAX_URL		1000
#define EXAMPLE		"http://127.0.0.1:8080/v1"

typedef struct QcUrlParts
{
	CURLUcode	rc;
	char		scheme[16];
	char		host[MAX_URL + 1];
	char		zone[64];
	char		port[16];
	char		path[MAX_URL + 1];
	bool		has_user;
	bool		has_query;
	bool		has_fragment;
} QcUrlParts;

pg_noreturn static void
bad_url(const char *detail, const char *shown)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", "url"),
			 shown ? errdetail("\"%s\" %s.", shown, detail) :
			 errdetail("One of the URLs %s.", detail),
			 errhint("Give one or several base URLs separated by commas, as in OPTIONS (url '%s').",
					 EXAMPLE)));
	pg_unreachable();
}

/* Copy one part; true if it is there. */
static bool
get_part(CURLU *handle, CURLUPart part, char *to, size_t room)
{
	char	   *text = NULL;
	bool		there = curl_url_get(handle, part, &text, 0) == CURLUE_OK && text;

	if (to)
		strlcpy(to, there ? text : "", room);
	curl_free(text);
	return there;
}

/* All of libcurl's part, from handle to cleanup, without a throw. */
static void
take_apart(const char *url, QcUrlParts *parts)
{
	CURLU	   *handle = curl_url();

	memset(parts, 0, sizeof(*parts));
	if (handle == NULL)
	{
		parts->rc = CURLUE_OUT_OF_MEMORY;
		return;
	}
	parts->rc = curl_url_set(handle, CURLUPART_URL, url, 0);
	if (parts->rc == CURLUE_OK)
	{
		get_part(handle, CURLUPART_SCHEME, parts->scheme, sizeof(parts->scheme));
		get_part(handle, CURLUPART_HOST, parts->host, sizeof(parts->host));
		get_part(handle, CURLUPART_ZONEID, parts->zone, sizeof(parts->zone));
		get_part(handle, CURLUPART_PORT, parts->port, sizeof(parts->port));
		get_part(handle, CURLUPART_PATH, parts->path, sizeof(parts->path));
		parts->has_user = get_part(handle, CURLUPART_USER, NULL, 0) ||
			get_part(handle, CURLUPART_PASSWORD, NULL, 0);
		parts->has_query = get_part(handle, CURLUPART_QUERY, NULL, 0);
		parts->has_fragment = get_part(handle, CURLUPART_FRAGMENT, NULL, 0);
	}
	curl_url_cleanup(handle);
}

/* What can be seen without taking it apart. */
static void
check_text(const char *url)
{
	if (*url == '\0')
		bad_url("is empty", NULL);
	if (strlen(url) > MAX_URL)
		bad_url(psprintf("is longer than %d characters", MAX_URL), NULL);
	for (const char *p = url; *p; p++)
	{
		if (*p <= ' ' || *p >= 0x7f)
			bad_url("holds a blank, a control character or a character outside ASCII "
					"(write %XX for it, and an international host name in its xn-- form)", NULL);
	}
	/* from here on it may be shown, unless there is a password in it */
	if (strchr(url, '@') || strchr(url, '?') || strchr(url, '#'))
		return;
	if (pg_strncasecmp(url, "http://", 7) != 0 && pg_strncasecmp(url, "https://", 8) != 0)
		bad_url(strstr(url, "://") ? "has a scheme other than http and https" :
				"does not begin with http:// or https://", url);
	/* libcurl would take the path's first part for the host */
	if (strchr("/:", strchr(url, ':')[3]))
		bad_url("names no host", url);
}

/*
 * The characters of host names and addresses.  libcurl decodes %XX in hosts,
 * and what came out of that goes into a URL again.
 */
static bool
is_host(const char *host)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789.-_";
	size_t		len = strlen(host);

	if (host[0] == '[')
		return strspn(host + 1, "0123456789abcdefABCDEF:.") == len - 2 && host[len - 1] == ']';
	return strspn(host, letters) == len;
}

/* From the plainest fault to the rest; what may hold a secret is not shown. */
static void
check_parts(const char *url, const QcUrlParts *parts)
{
	bool		secret = strchr(url, '@') || strchr(url, '?') || strchr(url, '#');
	const char *shown = secret ? NULL : url;

	if (parts->rc == CURLUE_OUT_OF_MEMORY)
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("out of memory")));
	if (parts->has_user)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must not hold a user name or a password", "url"),
				 errdetail("Every role can read the options of a server."),
				 errhint("Put the key into a user mapping: CREATE USER MAPPING FOR CURRENT_USER "
						 "SERVER ... OPTIONS (api_key '...').")));
	if (parts->has_query)
		bad_url("has a query (after \"?\"); a base URL has none, and a key belongs into a user mapping",
				NULL);
	if (parts->has_fragment)
		bad_url("has a fragment (after \"#\"); a base URL has none", NULL);
	if (parts->rc == CURLUE_BAD_PORT_NUMBER ||
		(parts->port[0] && strtol(parts->port, NULL, 10) == 0))
		bad_url("has a port that is not a number from 1 to 65535", shown);
	if (parts->rc == CURLUE_NO_HOST || (parts->rc == CURLUE_OK && parts->host[0] == '\0'))
		bad_url("names no host", shown);
	if (parts->rc != CURLUE_OK || !is_host(parts->host))
		bad_url("cannot be understood", shown);
	if (strcmp(parts->scheme, "http") != 0 && strcmp(parts->scheme, "https") != 0)
		bad_url("has a scheme other than http and https", shown);
}

static bool
ends_in(const char *text, const char *end)
{
	size_t		len = strlen(text);
	size_t		end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* A name for which libcurl starts a thread that asks the resolver. */
static bool
is_name(const char *host)
{
	return host[0] != '[' && strcmp(host, "localhost") != 0 &&
		strspn(host, "0123456789.") != strlen(host);
}

/* People paste the URL of a request; the path below the base is ours. */
static void
check_path(const char *url, const char *path)
{
	static const char *const tail[] = {"/chat/completions", "/completions", "/models", "/api/chat"};

	for (size_t i = 0; i < lengthof(tail); i++)
		if (ends_in(path, tail[i]))
			bad_url(psprintf("goes too far: leave out \"%s\"", tail[i]), url);
}

/* Put the parts together again in one spelling, so that equal places are equal. */
static void
build_replica(const char *url, QcUrlParts *parts, QcReplica *replica)
{
	StringInfoData site;
	size_t		len;

	for (char *p = parts->host; *p; p++)
		*p = pg_tolower((unsigned char) *p);
	for (len = strlen(parts->path); len > 0 && parts->path[len - 1] == '/';)
		parts->path[--len] = '\0';
	check_path(url, parts->path);

	initStringInfo(&site);
	if (parts->zone[0])
		appendStringInfo(&site, "%.*s%%25%s]", (int) strlen(parts->host) - 1, parts->host,
						 parts->zone);
	else
		appendStringInfoString(&site, parts->host);
	if (parts->port[0])
		appendStringInfo(&site, ":%s", parts->port);

	replica->resolves = is_name(parts->host);
	replica->where = parts->port[0] ? pstrdup(site.data) :
		psprintf("%s:%s", site.data, strcmp(parts->scheme, "https") == 0 ? "443" : "80");
	replica->base = psprintf("%s://%s%s", parts->scheme, site.data,
							 parts->path[0] ? parts->path : "/v1");
	replica->root = pstrdup(replica->base);
	if (ends_in(replica->root, "/v1"))
		replica->root[strlen(replica->root) - strlen("/v1")] = '\0';
	pfree(site.data);
}

static void
parse_one(const char *url, QcReplica *replica)
{
	QcUrlParts	parts;

	check_text(url);
	take_apart(url, &parts);
	check_parts(url, &parts);
	build_replica(url, &parts, replica);
}

/* The same place, whether the usual port is written or not. */
static bool
same_replica(const QcReplica *a, const QcReplica *b)
{
	const char *a_path = strchr(strstr(a->base, "://") + 3, '/');
	const char *b_path = strchr(strstr(b->base, "://") + 3, '/');

	return strcmp(a->where, b->where) == 0 && strcmp(a_path, b_path) == 0;
}

/* What concerns all replicas of a server together. */
static void
check_set(const QcReplica *replica, int n)
{
	for (int i = 1; i < n; i++)
	{
		for (int j = 0; j < i; j++)
			if (same_replica(&replica[i], &replica[j]))
				bad_url("stands there twice", replica[i].base);
		if (qc_url_is_plain(&replica[i]) != qc_url_is_plain(&replica[0]))
			bad_url("is not of the same API as the first: either all end in /inference or none",
					replica[i].base);
	}
}

int
qc_url_parse(const char *value, QcReplica replica[QC_MAX_REPLICAS])
{
	char	   *rest = pstrdup(value);
	int			n = 0;

	memset(replica, 0, sizeof(QcReplica) * QC_MAX_REPLICAS);
	while (rest)
	{
		char	   *url = rest;
		size_t		len;

		rest = strchr(rest, ',');
		if (rest)
			*rest++ = '\0';
		url += strspn(url, " \t\r\n");
		for (len = strlen(url); len > 0 && strchr(" \t\r\n", url[len - 1]);)
			url[--len] = '\0';

		if (n == QC_MAX_REPLICAS)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("invalid value for option \"%s\"", "url"),
					 errdetail("There are more than %d URLs.", QC_MAX_REPLICAS),
					 errhint("Put a load balancer before them, or make several servers.")));
		parse_one(url, &replica[n++]);
	}
	check_set(replica, n);
	return n;
}

bool
qc_url_is_plain(const QcReplica *replica)
{
	return ends_in(replica->base, "/inference");
}
