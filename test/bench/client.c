/*-------------------------------------------------------------------------
 *
 * client.c
 *	  The peer of the overhead bench: one kept connection, one request after
 *	  the other, nothing else.
 *
 * usage: client [--curl] PORT PATH COUNT ROUND < BODY
 *
 * BODY holds @TEXT@ once, where each request's own text goes.  Prints
 * seconds.  Without --curl it is a blocking socket with one send and as few
 * recv as the reply takes, which no client can beat; with it, libcurl's easy
 * interface, which is what our extension stands on.
 *
 *-------------------------------------------------------------------------
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"

static char body[65536];
static char reply[262144];

static size_t
write_body(int round, int i)
{
	return (size_t) snprintf(body, sizeof(body), "%stext %d of round %d%s", before, i, round, after);
}

/* ---- a plain socket ---- */

/* The whole reply, by its Content-Length. */
static void
read_reply(int fd)
{
	size_t		have = 0;
	size_t		need = 0;

	while (need == 0 || have < need)
	{
		ssize_t		n = recv(fd, reply + have, sizeof(reply) - 1 - have, 0);
		char	   *end;

		if (n <= 0)
			fail("recv");
		have += (size_t) n;
		reply[have] = '\0';
		end = need == 0 ? strstr(reply, "\r\n\r\n") : NULL;
		if (end != NULL)
		{
			const char *length = strcasestr(reply, "content-length:");

			if (length == NULL || strncmp(reply, "HTTP/1.1 200", 12) != 0)
				fail(reply);
			need = (size_t) (end + 4 - reply) + strtoul(length + 15, NULL, 10);
		}
	}
}

static void
by_socket(int port, const char *path, int count, int round)
{
	static char request[sizeof(body) + 1024];
	int			fd = connect_to(port);

	for (int i = 1; i <= count; i++)
	{
		size_t		len = write_body(round, i);
		int			n = snprintf(request, sizeof(request),
								 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
								 "Accept: application/json\r\nContent-Type: application/json\r\n"
								 "Content-Length: %zu\r\n\r\n%s", path, port, len, body);

		if (send(fd, request, (size_t) n, 0) != n)
			fail("send");
		read_reply(fd);
	}
	close(fd);
}

/* ---- libcurl ---- */

static size_t
keep(char *data, size_t size, size_t count, void *arg)
{
	size_t	   *have = arg;

	memcpy(reply + *have, data, size * count);
	*have += size * count;
	return size * count;
}

static void
by_curl(int port, const char *path, int count, int round)
{
	CURL	   *c = curl_easy_init();
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char		url[1024];
	size_t		have;

	headers = curl_slist_append(headers, "Expect:");
	snprintf(url, sizeof(url), "http://127.0.0.1:%d%s", port, path);
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &have);
	for (int i = 1; i <= count; i++)
	{
		have = 0;
		curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long) write_body(round, i));
		curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
		if (curl_easy_perform(c) != CURLE_OK)
			fail("curl");
	}
	curl_easy_cleanup(c);
	curl_slist_free_all(headers);
}

int
main(int argc, char **argv)
{
	int			curl = argc > 1 && strcmp(argv[1], "--curl") == 0;
	double		from;

	if (argc - curl != 5)
	{
		fputs("usage: client [--curl] PORT PATH COUNT ROUND < BODY\n", stderr);
		return 2;
	}
	argv += curl;
	read_template();
	from = now();
	(curl ? by_curl : by_socket) (atoi(argv[1]), argv[2], atoi(argv[3]), atoi(argv[4]));
	printf("%.6f\n", now() - from);
	return 0;
}
