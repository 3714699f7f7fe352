/*-------------------------------------------------------------------------
 *
 * main.c
 *		qwen_mock: a scripted inference server for tests.
 *
 *		qwen_mock [--port N] [--port-file FILE] | [--socket PATH] [--replay FILE]
 *		qwen_mock --posterior TEXT LABEL...
 *		qwen_mock --label LABEL... < texts
 *
 * The first form serves until SIGTERM; the others print what the server
 * would answer, so that a checker needs no second implementation of the
 * rule. README.md beside this file says how a server's behaviour is chosen.
 *
 * Invariant: only the loopback address or a Unix socket is listened on.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "arena.h"
#include "conn.h"
#include "replay.h"
#include "score.h"

#define BACKLOG 4096

typedef struct Options
{
	int			port;
	const char *port_file;
	const char *socket_path;
} Options;

/* Whoever started the mock reads this; there is no log. */
static void
fail(const char *what)
{
	fprintf(stderr, "qwen_mock: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
usage(void)
{
	fputs("usage: qwen_mock [--port N] [--port-file FILE] | [--socket PATH] [--replay FILE]\n"
		  "       qwen_mock --posterior TEXT LABEL...\n"
		  "       qwen_mock --label LABEL... < texts\n", stderr);
	exit(2);
}

/* ---- the rule, printed ---- */

/* label<TAB>probability, in the order given. */
static int
print_posterior(Str text, char **label, int n)
{
	Str		   *labels = arena_alloc((size_t) n * sizeof(Str));
	double	   *p = arena_alloc((size_t) n * sizeof(double));

	for (int i = 0; i < n; i++)
		labels[i] = str_of(label[i]);
	score_posterior(text, labels, (size_t) n, 0, p);
	for (int i = 0; i < n; i++)
		printf("%s\t%.12g\n", label[i], p[i]);
	return 0;
}

/* For each line of the input its label and that label's probability. */
static int
print_labels(char **label, int n)
{
	char	   *line = NULL;
	size_t		room = 0;
	ssize_t		len;

	while ((len = getline(&line, &room, stdin)) >= 0)
	{
		Str			text = {line, (size_t) len};
		Str		   *labels = arena_alloc((size_t) n * sizeof(Str));
		double	   *p = arena_alloc((size_t) n * sizeof(double));
		size_t		w;

		if (text.n > 0 && line[text.n - 1] == '\n')
			text.n--;
		for (int i = 0; i < n; i++)
			labels[i] = str_of(label[i]);
		score_posterior(text, labels, (size_t) n, 0, p);
		w = score_winner(text, labels, (size_t) n);
		printf("%s\t%.12g\n", label[w], p[w]);
		arena_reset();
	}
	free(line);
	return 0;
}

/* ---- the server ---- */

/* Tests of many connections must not end at 1,024 descriptors. */
static void
raise_fd_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
	{
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* 0 lets the system choose; *port is what it chose. */
static int
listen_on_port(int *port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,.sin_port = htons((uint16_t) *port)};
	socklen_t	len = sizeof(addr);
	int			fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int			on = 1;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *) &addr, len) < 0 || listen(fd, BACKLOG) < 0 ||
		getsockname(fd, (struct sockaddr *) &addr, &len) < 0)
		fail("could not listen on the port");
	*port = ntohs(addr.sin_port);
	return fd;
}

/* A socket left over by a killed process is in the way. */
static int
listen_on_socket(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int			fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(addr.sun_path))
	{
		errno = ENAMETOOLONG;
		fail(path);
	}
	strcpy(addr.sun_path, path);
	unlink(path);
	if (bind(fd, (struct sockaddr *) &addr, sizeof(addr)) < 0 || listen(fd, BACKLOG) < 0)
		fail(path);
	return fd;
}

/* By rename, so that a reader finds the whole number or no file. */
static void
write_port_file(const char *path, int port)
{
	char		temporary[4096];
	FILE	   *f;

	snprintf(temporary, sizeof(temporary), "%s.tmp", path);
	f = fopen(temporary, "w");
	if (f == NULL || fprintf(f, "%d\n", port) < 0 || fclose(f) != 0 ||
		rename(temporary, path) != 0)
		fail(path);
}

/* The port is told only when connections are taken. */
static int
serve(Options *o)
{
	static Watch listener;

	raise_fd_limit();
	arena_serve_cjson();
	loop_init();
	listener.fd = o->socket_path ? listen_on_socket(o->socket_path) : listen_on_port(&o->port);
	conn_listen(&listener);
	if (o->port_file)
		write_port_file(o->port_file, o->port);
	if (o->socket_path)
		printf("listening on %s\n", o->socket_path);
	else
		printf("listening on %d\n", o->port);
	fflush(stdout);
	loop_run(conn_free_dead);
	if (o->socket_path)
		unlink(o->socket_path);
	return 0;
}

int
main(int argc, char **argv)
{
	Options		o = {0};

	if (argc >= 4 && strcmp(argv[1], "--posterior") == 0)
		return print_posterior(str_of(argv[2]), argv + 3, argc - 3);
	if (argc >= 3 && strcmp(argv[1], "--label") == 0)
		return print_labels(argv + 2, argc - 2);
	for (int i = 1; i < argc; i += 2)
	{
		if (i + 1 == argc)
			usage();
		else if (strcmp(argv[i], "--port") == 0)
			o.port = atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--port-file") == 0)
			o.port_file = argv[i + 1];
		else if (strcmp(argv[i], "--socket") == 0)
			o.socket_path = argv[i + 1];
		else if (strcmp(argv[i], "--replay") == 0)
			replay_load(argv[i + 1]);
		else
			usage();
	}
	return serve(&o);
}
