/*-------------------------------------------------------------------------
 *
 * peer.c
 *	  The peer of the benches: what somebody writes who labels a table
 *	  from outside, as well as it can be written.
 *
 * usage: peer [--keep] CONNINFO PORT PATH CONNECTIONS < BODY
 *
 * One process, one epoll loop.  A connection to the database reads the rows of
 * ticket that have no label, 512 at a time in key order; kept sockets carry
 * one row a request, as many at once as asked for; a second connection writes
 * label and confidence in UPDATEs of up to 256 rows from unnest, while the
 * requests go on.  BODY holds @TEXT@ once.  Prints seconds, and the CPU seconds
 * of its own and of its two backends.  With --keep it writes nothing and has
 * the answers of all rows in memory at the end, as who reads a query's rows has.
 *
 * It knows less than a real client must: no error is handled, no answer is
 * checked, texts are not escaped.
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "client.h"

#define READ_ROWS "512"
#define WRITE_ROWS 256
#define MAX_SLOTS 512

typedef struct Slot
{
	int			fd;
	bool		busy;
	char		id[24];
	size_t		have;
	size_t		need;
	char		reply[65536];
} Slot;

typedef struct Answer
{
	char		id[24];
	char		label[64];
	double		confidence;
} Answer;

static Slot slots[MAX_SLOTS];
static int	nslots;
static Answer *answers;
static int	nanswers;
static int	room;
static bool keep;
static int	in_flight;
static int	port;
static const char *path;

static PGconn *reader;
static PGconn *writer;
static PGresult *rows;
static int	next_row;
static char last_id[24] = "0";
static bool no_more;
static bool writing;
static int	being_written;

static PGconn *
connect_to_database(const char *conninfo)
{
	PGconn	   *conn = PQconnectdb(conninfo);

	if (PQstatus(conn) != CONNECTION_OK)
		fail(PQerrorMessage(conn));
	return conn;
}

static void
prepare(PGconn *conn, const char *name, const char *sql)
{
	PGresult   *res = PQprepare(conn, name, sql, 0, NULL);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
		fail(PQerrorMessage(conn));
	PQclear(res);
}

/* ---- rows in ---- */

static bool
next(const char **id, const char **text)
{
	while (rows == NULL || next_row >= PQntuples(rows))
	{
		const char *arg[1] = {last_id};

		if (no_more)
			return false;
		PQclear(rows);
		rows = PQexecPrepared(reader, "read", 1, arg, NULL, NULL, 0);
		if (PQresultStatus(rows) != PGRES_TUPLES_OK)
			fail(PQerrorMessage(reader));
		next_row = 0;
		if (PQntuples(rows) == 0)
		{
			no_more = true;
			return false;
		}
		snprintf(last_id, sizeof(last_id), "%s", PQgetvalue(rows, PQntuples(rows) - 1, 0));
	}
	*id = PQgetvalue(rows, next_row, 0);
	*text = PQgetvalue(rows, next_row++, 1);
	return true;
}

/* Answers that cannot be written yet hold the requests back. */
static bool
held_back(void)
{
	return !keep && nanswers > WRITE_ROWS * 32;
}

static void
send_next(Slot *slot)
{
	static char request[131072];
	const char *id;
	const char *text;
	int			n;

	if (held_back() || !next(&id, &text))
		return;
	n = snprintf(request, sizeof(request),
				 "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: application/json\r\n"
				 "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s%s%s",
				 path, port, strlen(before) + strlen(text) + strlen(after), before, text, after);
	if (send(slot->fd, request, (size_t) n, 0) != n)
		fail("send");
	snprintf(slot->id, sizeof(slot->id), "%s", id);
	slot->busy = true;
	slot->have = slot->need = 0;
	in_flight++;
}

static Answer *
next_answer(void)
{
	if (nanswers == room)
	{
		room = room == 0 ? WRITE_ROWS * 64 : room * 2;
		answers = realloc(answers, sizeof(Answer) * (size_t) room);
		if (answers == NULL)
			fail("out of memory");
	}
	return &answers[nanswers++];
}

static void
take_answer(Slot *slot)
{
	Answer	   *a = next_answer();
	const char *content = strstr(slot->reply, "\"content\":");
	const char *logprob = strstr(slot->reply, "\"logprob\":");
	const char *from = content ? strchr(content + 10, '"') : NULL;
	const char *to = from ? strchr(from + 1, '"') : NULL;

	if (strncmp(slot->reply, "HTTP/1.1 200", 12) != 0 || to == NULL)
		fail(slot->reply);
	snprintf(a->id, sizeof(a->id), "%s", slot->id);
	snprintf(a->label, sizeof(a->label), "%.*s", (int) (to - from - 1), from + 1);
	a->confidence = logprob ? exp(strtod(logprob + 10, NULL)) : 0;
	slot->busy = false;
	in_flight--;
}

static void
receive(Slot *slot)
{
	ssize_t		n = recv(slot->fd, slot->reply + slot->have, sizeof(slot->reply) - 1 - slot->have, 0);
	char	   *end;

	if (n <= 0)
		fail("recv");
	slot->have += (size_t) n;
	slot->reply[slot->have] = '\0';
	end = slot->need == 0 ? strstr(slot->reply, "\r\n\r\n") : NULL;
	if (end != NULL)
	{
		const char *length = strcasestr(slot->reply, "content-length:");

		if (length == NULL)
			fail(slot->reply);
		slot->need = (size_t) (end + 4 - slot->reply) + strtoul(length + 15, NULL, 10);
	}
	if (slot->need == 0 || slot->have < slot->need)
		return;
	take_answer(slot);
	send_next(slot);
}

/* ---- labels out ---- */

static void
write_some(void)
{
	static char ids[WRITE_ROWS * 24 + 8];
	static char labels[WRITE_ROWS * 66 + 8];
	static char confidences[WRITE_ROWS * 26 + 8];
	const char *args[3] = {ids, labels, confidences};
	size_t		i = 0;
	size_t		l = 0;
	size_t		c = 0;

	being_written = nanswers < WRITE_ROWS ? nanswers : WRITE_ROWS;
	for (int k = 0; k < being_written; k++)
	{
		char		mark = k == 0 ? '{' : ',';

		i += (size_t) snprintf(ids + i, 26, "%c%s", mark, answers[k].id);
		l += (size_t) snprintf(labels + l, 66, "%c%s", mark, answers[k].label);
		c += (size_t) snprintf(confidences + c, 26, "%c%.17g", mark, answers[k].confidence);
	}
	strcpy(ids + i, "}");
	strcpy(labels + l, "}");
	strcpy(confidences + c, "}");
	if (!PQsendQueryPrepared(writer, "write", 3, args, NULL, NULL, 0))
		fail(PQerrorMessage(writer));
	writing = true;
}

static void
written(void)
{
	PGresult   *res;

	if (!PQconsumeInput(writer))
		fail(PQerrorMessage(writer));
	if (PQisBusy(writer))
		return;
	while ((res = PQgetResult(writer)) != NULL)
	{
		if (PQresultStatus(res) != PGRES_COMMAND_OK)
			fail(PQerrorMessage(writer));
		PQclear(res);
	}
	nanswers -= being_written;
	memmove(answers, answers + being_written, sizeof(Answer) * (size_t) nanswers);
	writing = false;
}

static void
serve(int epfd)
{
	struct epoll_event events[64];
	int			n;

	for (;;)
	{
		if (!keep && !writing && (nanswers >= WRITE_ROWS || (nanswers > 0 && in_flight == 0)))
			write_some();
		if (!writing && in_flight == 0 && (keep || nanswers == 0) && no_more)
			return;
		n = epoll_wait(epfd, events, 64, 1000);
		for (int i = 0; i < n; i++)
		{
			if (events[i].data.ptr == NULL)
				written();
			else
				receive(events[i].data.ptr);
		}
		for (int i = 0; i < nslots && !no_more && !held_back(); i++)
			if (!slots[i].busy)
				send_next(&slots[i]);
	}
}

/* What a backend of ours has used: its /proc, fields 14 and 15. */
static double
backend_cpu(PGconn *conn)
{
	char		name[64];
	unsigned long user = 0;
	unsigned long system = 0;
	FILE	   *f;

	snprintf(name, sizeof(name), "/proc/%d/stat", PQbackendPID(conn));
	f = fopen(name, "r");
	if (f == NULL || fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2)
		fail("no /proc of the backend");
	fclose(f);
	return (double) (user + system) / (double) sysconf(_SC_CLK_TCK);
}

static void
watch(int epfd, int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN,.data.ptr = what};

	if (epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) < 0)
		fail("epoll");
}

static void
start_writer(int epfd, const char *conninfo)
{
	writer = connect_to_database(conninfo);
	prepare(writer, "write", "UPDATE ticket AS t SET label = r.label, confidence = r.confidence"
			" FROM unnest($1::int8[], $2::text[], $3::float8[]) AS r(id, label, confidence)"
			" WHERE t.id = r.id AND t.label IS NULL");
	watch(epfd, PQsocket(writer), NULL);
}

int
main(int argc, char **argv)
{
	int			epfd = epoll_create1(0);
	double		from;
	double		seconds;
	struct rusage usage;

	keep = argc > 1 && strcmp(argv[1], "--keep") == 0;
	if (argc - keep != 5)
	{
		fputs("usage: peer [--keep] CONNINFO PORT PATH CONNECTIONS < BODY\n", stderr);
		return 2;
	}
	argv += keep;
	port = atoi(argv[2]);
	path = argv[3];
	nslots = atoi(argv[4]);
	if (nslots < 1 || nslots > MAX_SLOTS)
		fail("that many connections are not possible");
	read_template();
	reader = connect_to_database(argv[1]);
	prepare(reader, "read", keep
			? "SELECT id, body FROM ticket WHERE id > $1::int8 ORDER BY id LIMIT " READ_ROWS
			: "SELECT id, body FROM ticket WHERE id > $1::int8 AND label IS NULL ORDER BY id LIMIT " READ_ROWS);
	if (!keep)
		start_writer(epfd, argv[1]);
	from = now();
	for (int i = 0; i < nslots; i++)
	{
		slots[i].fd = connect_to(port);
		watch(epfd, slots[i].fd, &slots[i]);
		send_next(&slots[i]);
	}
	serve(epfd);
	seconds = now() - from;
	getrusage(RUSAGE_SELF, &usage);
	printf("%.6f %.6f %d\n", seconds,
		   (double) usage.ru_utime.tv_sec + (double) usage.ru_stime.tv_sec
		   + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6
		   + backend_cpu(reader) + (keep ? 0 : backend_cpu(writer)), nanswers);
	PQfinish(reader);
	PQfinish(writer);
	return 0;
}
