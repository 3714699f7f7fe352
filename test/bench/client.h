/*-------------------------------------------------------------------------
 *
 * client.h
 *	  What the plain clients of the benches share: a clock, a body with a
 *	  place for the text, a socket to a server on this machine.
 *
 *-------------------------------------------------------------------------
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <arpa/inet.h>
#include <error.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define MARK "@TEXT@"

static char before[65536];
static const char *after;

static void
fail(const char *what)
{
	error(1, 0, "%s", what);
}

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* The first line of standard input, as what stands before the text and after it. */
static void
read_template(void)
{
	size_t		n = fread(before, 1, sizeof(before) - 1, stdin);
	char	   *mark;

	before[n] = '\0';
	before[strcspn(before, "\n")] = '\0';
	mark = strstr(before, MARK);
	if (mark == NULL)
		fail("no " MARK " in the body");
	*mark = '\0';
	after = mark + strlen(MARK);
}

static int
connect_to(int port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,.sin_port = htons((unsigned short) port)};
	int			fd = socket(AF_INET, SOCK_STREAM, 0);
	int			on = 1;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || connect(fd, (struct sockaddr *) &addr, sizeof(addr)) < 0)
		fail("no connection to the server");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

#endif							/* BENCH_CLIENT_H */
