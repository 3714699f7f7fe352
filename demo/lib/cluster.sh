# shellcheck shell=bash
# A PostgreSQL of the demo's own: in $RUN_DIR, on a unix socket there and nowhere else.
# CLUSTER_CONF holds further lines of its configuration.

# PostgreSQL refuses to run as root.
as_pg() {
	if [ "$(id -u)" = 0 ]; then
		(cd / && runuser -u "$PG_USER" -- "$@")
	else
		"$@"
	fi
}

choose_pg_user() {
	PG_USER=$(id -un)
	[ "$(id -u)" = 0 ] || return 0
	for PG_USER in postgres nobody; do id "$PG_USER" >/dev/null 2>&1 && return 0; done
	give_up 1 "there is no user to run PostgreSQL as" "create one: adduser --system postgres"
}

create_cluster() {
	# trust is safe here: nobody else can enter the folder that holds the socket
	as_pg "$PG_BIN/initdb" -D "$RUN_DIR/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync &&
		cat >>"$RUN_DIR/data/postgresql.conf" <<-END &&
			listen_addresses = ''
			unix_socket_directories = '$RUN_DIR'
			fsync = off
			${CLUSTER_CONF:-}
		END
		as_pg "$PG_BIN/pg_ctl" -D "$RUN_DIR/data" -l "$RUN_DIR/postgres.log" -w start &&
		as_pg "$PG_BIN/createdb" -h "$RUN_DIR" -U postgres demo
}

start_cluster() {
	say "starting a PostgreSQL of the demo's own in $RUN_DIR"
	watched seconds_only create_cluster || {
		last_words
		tail -n 5 "$RUN_DIR/postgres.log" >&2 2>/dev/null || true
		give_up 1 "PostgreSQL did not start"
	}
	CLUSTER_UP=1
}

stop_cluster() {
	[ -n "${CLUSTER_UP:-}" ] || [ -f "$RUN_DIR/data/postmaster.pid" ] || return 0
	as_pg "$PG_BIN/pg_ctl" -D "$RUN_DIR/data" -m fast -w stop >/dev/null 2>&1 ||
		as_pg "$PG_BIN/pg_ctl" -D "$RUN_DIR/data" -m immediate -w stop >/dev/null 2>&1 || true
	CLUSTER_UP=
}

# the client as a person has it, without anybody's psqlrc
demo_psql() {
	"$PG_BIN/psql" -X -h "$RUN_DIR" -U postgres -d demo -v ON_ERROR_STOP=1 "$@"
}

value_of() { demo_psql -At -c "$1"; }

# show FILE [FIRST]: prints the statements as it runs them; @URL@ and the like in the file are the run's own values
show() {
	sed -e "s|@SERVER_OPTIONS@|$(server_options)|" -e "s|@MODEL@|$MODEL_TITLE|" -e "s|@FIRST@|${2:-}|" "$DEMO/show/$1" |
		demo_psql -a -P pager=off -f -
}

server_options() {
	printf "url '%s'" "$URL"
	if [ -n "$MODEL_ARG" ]; then printf ", model '%s'" "$MODEL_ARG"; fi
}
