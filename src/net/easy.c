/*-------------------------------------------------------------------------
 *
 * easy.c
 *	  libcurl's easy handles, kept and used again.
 *
 * A route is what many requests have in common, compared by value, so that it
 * needs no word from the endpoint when options change: a changed endpoint is
 * a new route.  Everything is malloc'ed and lives for the process; nothing
 * here throws, and the callbacks run under libcurl.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include <curl/curl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/compat.h"
#include "storage/fd.h"

#include "net/easy.h"
#include "net/mux.h"

/*
 * uvicorn (vLLM, SGLang) and llama-server close a connection that was idle
 * for 5 s; one that is nearly as old would be closed while we write to it.
 */
#define QC_MAX_IDLE_S			4L

/* Names change seldom, and each lookup costs a thread. */
#define QC_NAME_CACHE_S			300L

/* Handles that are kept idle (some 10 kB each), and routes that are kept. */
#define QC_MAX_IDLE_HANDLES		128
#define QC_ENOUGH_IDLE			16
#define QC_MAX_ROUTES			64

/* Strings that tell routes apart; the numbers are indexes into it. */
enum
{
	BASE, PATH, AUTH_HEADER, API_KEY, CA_FILE, CLIENT_CERT, CLIENT_KEY, N_STRINGS
};

struct QcRoute
{
	char	   *string[N_STRINGS];	/* NULL as in the endpoint */
	bool		post;
	bool		resolves;
	int			connect_ms;
	int			request_ms;
	char	   *url;
	struct curl_slist *headers;
	bool		doubt_name;
	int			users;			/* handles that have its options */
	struct QcRoute *next;
};

static QcRoute *routes = NULL;
static QcEasy *idle = NULL;
static int	nidle = 0;
static int	nsockets = 0;

/* Equal, or both not given. */
static bool
qc_same(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Only when no handle has its options: libcurl keeps the header list itself. */
static void
qc_route_free(QcRoute *route)
{
	for (int i = 0; i < N_STRINGS; i++)
		free(route->string[i]);
	free(route->url);
	curl_slist_free_all(route->headers);
	free(route);
}

/* Append a header line; false: no memory (the list so far stays). */
static bool
qc_route_header(QcRoute *route, const char *name, const char *value)
{
	size_t		room = strlen(name) + strlen(value) + 1;
	char	   *line = malloc(room);
	struct curl_slist *list = NULL;

	if (line != NULL)
	{
		snprintf(line, room, "%s%s", name, value);
		list = curl_slist_append(route->headers, line);
		free(line);
	}
	if (list != NULL)
		route->headers = list;
	return list != NULL;
}

/*
 * The key goes into one header line.  What follows a line end is cut off: a
 * key file with a second line must not become a second header.
 */
static bool
qc_route_key(QcRoute *route)
{
	const char *header = route->string[AUTH_HEADER];
	char		name[128];
	char	   *key;
	bool		ok;

	if (route->string[API_KEY] == NULL)
		return true;
	key = strdup(route->string[API_KEY]);
	if (key == NULL)
		return false;
	key[strcspn(key, "\r\n")] = '\0';
	snprintf(name, sizeof(name), "%s: ", header ? header : "Authorization");
	name[strcspn(name, "\r\n")] = '\0';
	if (header == NULL)
		strlcat(name, "Bearer ", sizeof(name));
	ok = qc_route_header(route, name, key);
	free(key);
	return ok;
}

/* False without memory; what was filled is freed with the route. */
static bool
qc_route_fill(QcRoute *route, const char *const *string)
{
	size_t		room;

	for (int i = 0; i < N_STRINGS; i++)
		if (string[i] != NULL && (route->string[i] = strdup(string[i])) == NULL)
			return false;

	room = strlen(string[BASE]) + strlen(string[PATH]) + 1;
	route->url = malloc(room);
	if (route->url == NULL)
		return false;
	snprintf(route->url, room, "%s%s", string[BASE], string[PATH]);

	/* "Expect: 100-continue" would cost a round trip or a wait of 1 s. */
	return qc_route_header(route, "Expect:", "")
		&& qc_route_header(route, "Accept: ", "application/json")
		&& (!route->post || qc_route_header(route, "Content-Type: ", "application/json"))
		&& qc_route_key(route);
}

/* Forget routes that no handle uses, when there are many. */
static void
qc_route_prune(void)
{
	int			n = 0;

	for (QcRoute **link = &routes; *link != NULL;)
	{
		QcRoute    *route = *link;

		if (++n > QC_MAX_ROUTES && route->users == 0)
		{
			*link = route->next;
			qc_route_free(route);
		}
		else
			link = &route->next;
	}
}

/* The limits first: comparing numbers is cheaper than strings. */
static bool
qc_route_matches(const QcRoute *route, const QcEndpoint *endpoint,
				 const char *const *string, bool post)
{
	if (route->post != post || route->connect_ms != endpoint->connect_timeout
		|| route->request_ms != endpoint->request_timeout)
		return false;
	for (int i = 0; i < N_STRINGS; i++)
		if (!qc_same(route->string[i], string[i]))
			return false;
	return true;
}

/* The route of a request, found or made; NULL: no memory. */
static QcRoute *
qc_route_get(QcEndpoint *endpoint, const QcReplica *replica, bool at_root,
			 const char *path, bool post)
{
	const char *string[N_STRINGS] = {
		[BASE] = at_root ? replica->root : replica->base,
		[PATH] = path ? path : "",
		[AUTH_HEADER] = endpoint->auth_header,
		[API_KEY] = endpoint->api_key,
		[CA_FILE] = endpoint->ca_file,
		[CLIENT_CERT] = endpoint->client_cert,
		[CLIENT_KEY] = endpoint->client_key
	};
	QcRoute    *route;

	for (route = routes; route != NULL; route = route->next)
		if (qc_route_matches(route, endpoint, string, post))
			return route;

	route = calloc(1, sizeof(QcRoute));
	if (route == NULL)
		return NULL;
	route->post = post;
	route->resolves = replica->resolves;
	route->connect_ms = endpoint->connect_timeout;
	route->request_ms = endpoint->request_timeout;
	if (!qc_route_fill(route, string))
	{
		qc_route_free(route);
		return NULL;
	}
	qc_route_prune();
	route->next = routes;
	routes = route;
	return route;
}

/*
 * Callbacks.  They run under libcurl: no throw, no palloc.
 *
 * A socket counts as an external descriptor of the server from here until
 * libcurl closes it, which for a kept connection is long after its request.
 */
static curl_socket_t
qc_on_open_socket(void *clientp, curlsocktype purpose, struct curl_sockaddr *address)
{
	QcEasy	   *easy = clientp;
	int			fd;

	(void) purpose;
	if (!AcquireExternalFD())
	{
		if (easy->http != NULL)
			easy->http->starved = true;
		return CURL_SOCKET_BAD;
	}
	fd = socket(address->family, address->socktype | QC_SOCK_CLOEXEC, address->protocol);
	if (fd < 0)
	{
		if (easy->http != NULL && (errno == EMFILE || errno == ENFILE))
			easy->http->starved = true;
		ReleaseExternalFD();
		return CURL_SOCKET_BAD;
	}
	qc_mux_opened(fd);
	nsockets++;
	return fd;
}

static int
qc_on_close_socket(void *clientp, curl_socket_t fd)
{
	(void) clientp;
	qc_mux_closing(fd);
	nsockets--;
	ReleaseExternalFD();
	return close(fd);
}

int
qc_easy_sockets(void)
{
	return nsockets;
}

/* Grow by doubling up to the cap; a short return ends the transfer. */
static size_t
qc_on_body(char *data, size_t size, size_t count, void *arg)
{
	QcHttp	   *http = ((QcEasy *) arg)->http;
	size_t		n = size * count;
	size_t		need = http->body_len + n + 1;

	if (need > QC_BODY_CAP + 1)
	{
		http->too_large = true;
		return 0;
	}
	if (need > http->body_room)
	{
		size_t		room = Max(need, Max(4096, 2 * http->body_room));
		char	   *grown = realloc(http->body, room);

		if (grown == NULL)
			return 0;
		http->body = grown;
		http->body_room = room;
	}
	memcpy(http->body + http->body_len, data, n);
	http->body_len += n;
	http->body[http->body_len] = '\0';
	return n;
}

/* Options that every request of ours has, whatever its route. */
static bool
qc_easy_common(QcEasy *easy)
{
	CURL	   *c = easy->curl;
	bool		oom = false;

#define SET(option, value) \
	(oom |= curl_easy_setopt(c, option, value) == CURLE_OUT_OF_MEMORY)

	/* Without it a plain resolver takes SIGALRM, which is the server's. */
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_PRIVATE, (void *) easy);
	SET(CURLOPT_ERRORBUFFER, easy->error);
	SET(CURLOPT_WRITEFUNCTION, qc_on_body);
	SET(CURLOPT_WRITEDATA, (void *) easy);
	SET(CURLOPT_OPENSOCKETFUNCTION, qc_on_open_socket);
	SET(CURLOPT_OPENSOCKETDATA, (void *) easy);
	SET(CURLOPT_CLOSESOCKETFUNCTION, qc_on_close_socket);
	SET(CURLOPT_MAXFILESIZE, (long) QC_BODY_CAP);

	/* The postmaster's environment and home are not for us to follow. */
	SET(CURLOPT_PROXY, "");
	SET(CURLOPT_NETRC, (long) CURL_NETRC_IGNORED);
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(QC_CURLOPT_PROTOCOLS, QC_HTTP_AND_HTTPS);
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);

	SET(CURLOPT_ACCEPT_ENCODING, "identity");
	SET(CURLOPT_TCP_KEEPALIVE, 1L);
	SET(CURLOPT_MAXAGE_CONN, QC_MAX_IDLE_S);
	SET(CURLOPT_DNS_CACHE_TIMEOUT, QC_NAME_CACHE_S);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long) CURL_SSLVERSION_TLSv1_2);
	return !oom;
}

/*
 * All options of a route.  A handle's old options are dropped first; its
 * connections are the pool's and stay.  Options that this libcurl lacks are
 * skipped, so only a lack of memory is an error.
 */
static bool
qc_easy_configure(QcEasy *easy, QcRoute *route)
{
	CURL	   *c = easy->curl;
	bool		oom = false;

	curl_easy_reset(c);
	if (!qc_easy_common(easy))
		return false;

	SET(CURLOPT_URL, route->url);
	SET(CURLOPT_HTTPHEADER, route->headers);
	SET(route->post ? CURLOPT_POST : CURLOPT_HTTPGET, 1L);
	SET(CURLOPT_CONNECTTIMEOUT_MS, (long) route->connect_ms);
	SET(CURLOPT_TIMEOUT_MS, (long) route->request_ms);

	/* None of the servers speaks HTTP/2 in clear text; asking costs a header. */
	if (strncmp(route->url, "https:", 6) != 0)
		SET(CURLOPT_HTTP_VERSION, (long) CURL_HTTP_VERSION_1_1);
	if (route->string[CA_FILE] != NULL)
		SET(CURLOPT_CAINFO, route->string[CA_FILE]);
	if (route->string[CLIENT_CERT] != NULL)
		SET(CURLOPT_SSLCERT, route->string[CLIENT_CERT]);
	if (route->string[CLIENT_KEY] != NULL)
		SET(CURLOPT_SSLKEY, route->string[CLIENT_KEY]);

	/*
	 * A lookup that is given up (cancel, connect timeout) leaves its thread to
	 * end by itself; joining it would hold us for as long as the lookup takes.
	 * Lookups that end in time are joined all the same.
	 */
	if (route->resolves)
		SET(QC_CURLOPT_QUICK_EXIT, 1L);
	return !oom;
}

/* Give the handle the route's options; false: no memory, and it has none. */
static bool
qc_easy_follow(QcEasy *easy, QcRoute *route)
{
	if (easy->route != NULL)
		easy->route->users--;
	easy->route = NULL;
	if (!qc_easy_configure(easy, route))
		return false;
	easy->route = route;
	easy->resolves = route->resolves;
	easy->limited = easy->doubting = false;
	route->users++;
	return true;
}

/* Not on the multi handle any more. */
static void
qc_easy_free(QcEasy *easy)
{
	if (easy->route != NULL)
		easy->route->users--;
	if (easy->curl != NULL)
		curl_easy_cleanup(easy->curl);
	free(easy);
}

/*
 * An idle handle of this route, else a new one, else (when there are enough)
 * any idle one: two servers used in turn each keep theirs.
 */
static QcEasy *
qc_easy_find(const QcRoute *route)
{
	QcEasy	  **link = &idle;
	QcEasy	   *easy;

	while (*link != NULL && (*link)->route != route)
		link = &(*link)->next;
	if (*link == NULL && nidle >= QC_ENOUGH_IDLE)
		link = &idle;
	if (*link != NULL)
	{
		easy = *link;
		*link = easy->next;
		nidle--;
		return easy;
	}

	easy = calloc(1, sizeof(QcEasy));
	if (easy != NULL && (easy->curl = curl_easy_init()) == NULL)
	{
		free(easy);
		easy = NULL;
	}
	return easy;
}

/* Undo what a request before this one changed, do what this one needs. */
static void
qc_easy_adjust(QcEasy *easy)
{
	CURL	   *c = easy->curl;
	bool		doubt = easy->route->doubt_name;

	if (easy->limited)
		curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long) easy->route->connect_ms);
	if (doubt || easy->doubting)
		curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, doubt ? 0L : QC_NAME_CACHE_S);
	easy->limited = false;
	easy->doubting = doubt;
	easy->route->doubt_name = false;
	easy->error[0] = '\0';
}

/* In the usual case, the same route again, no option is set here at all. */
QcEasy *
qc_easy_take(QcEndpoint *endpoint, int replica, bool at_root, const char *path, bool post)
{
	QcRoute    *route = qc_route_get(endpoint, &endpoint->replica[replica], at_root, path, post);
	QcEasy	   *easy;

	if (route == NULL)
		return NULL;
	easy = qc_easy_find(route);
	if (easy == NULL)
		return NULL;
	if (easy->route != route && !qc_easy_follow(easy, route))
	{
		qc_easy_free(easy);
		return NULL;
	}
	qc_easy_adjust(easy);
	return easy;
}

/* The most recent goes first again: its memory is warm. */
void
qc_easy_give(QcEasy *easy)
{
	easy->http = NULL;
	if (nidle >= QC_MAX_IDLE_HANDLES)
	{
		qc_easy_free(easy);
		return;
	}
	easy->next = idle;
	idle = easy;
	nidle++;
}

void
qc_easy_limit_connect(QcEasy *easy, int ms)
{
	if (ms >= easy->route->connect_ms)
		return;
	curl_easy_setopt(easy->curl, CURLOPT_CONNECTTIMEOUT_MS, (long) ms);
	easy->limited = true;
}

/* A server that moved would else be looked for where it was for QC_NAME_CACHE_S. */
void
qc_easy_doubt_name(QcEasy *easy)
{
	easy->route->doubt_name = true;
}
