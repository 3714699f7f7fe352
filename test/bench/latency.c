/*-------------------------------------------------------------------------
 *
 * latency.c
 *	  From "the commit returned" to "the label can be read", row by row.
 *
 * usage: latency CONNINFO COUNT PAUSE_MS
 *
 * One connection inserts a row, another one asks for its label again and
 * again until it is there, a tenth of a millisecond apart: without a pause it
 * would take a core from those whose time it measures.  Prints the
 * milliseconds of each row, and in a second column what one question takes
 * with its pause: the resolution.
 *
 *-------------------------------------------------------------------------
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static PGconn *
connect_to_database(const char *conninfo, const char *sql)
{
	PGconn	   *conn = PQconnectdb(conninfo);
	PGresult   *res = PQprepare(conn, "it", sql, 0, NULL);

	if (PQresultStatus(res) != PGRES_COMMAND_OK)
	{
		fputs(PQerrorMessage(conn), stderr);
		exit(1);
	}
	PQclear(res);
	return conn;
}

static int
run(PGconn *conn, const char *id)
{
	PGresult   *res = PQexecPrepared(conn, "it", 1, &id, NULL, NULL, 0);
	int			n = PQntuples(res);

	if (PQresultStatus(res) != PGRES_TUPLES_OK && PQresultStatus(res) != PGRES_COMMAND_OK)
	{
		fputs(PQerrorMessage(conn), stderr);
		exit(1);
	}
	PQclear(res);
	return n;
}

int
main(int argc, char **argv)
{
	PGconn	   *writer;
	PGconn	   *reader;

	if (argc != 4)
	{
		fputs("usage: latency CONNINFO COUNT PAUSE_MS\n", stderr);
		return 2;
	}
	writer = connect_to_database(argv[1], "INSERT INTO ticket (id, body) VALUES ($1::int8, 'text number ' || $1)");
	reader = connect_to_database(argv[1], "SELECT 1 FROM ticket WHERE id = $1::int8 AND label IS NOT NULL");
	for (int i = 1; i <= atoi(argv[2]); i++)
	{
		char		id[24];
		double		from;
		double		seen;
		int			polls = 0;

		usleep((useconds_t) (atoi(argv[3]) * 1000 + i * 7919 % 3000));
		snprintf(id, sizeof(id), "%d", i);
		run(writer, id);
		from = now();
		do
		{
			if (polls++ > 0)
				usleep(100);
			seen = now();
			if (seen - from > 30000)
			{
				fputs("latency: no label within 30 s\n", stderr);
				return 1;
			}
		} while (run(reader, id) == 0);
		/* it became visible before the last question was answered */
		seen = now();
		printf("%.4f %.4f\n", seen - from, (seen - from) / polls);
	}
	PQfinish(writer);
	PQfinish(reader);
	return 0;
}
