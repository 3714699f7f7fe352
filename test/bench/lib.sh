# shellcheck shell=bash
# What the benches share: a private copy of PostgreSQL's installation with this tree built into it, a
# cluster and a mock of one's own, clocks, medians, and the end of all that by process id.
#
#   . lib.sh; bench_begin; ...; bench_end
#
# The copy is what makes a bench safe to run beside anything else: PostgreSQL finds its library and its
# share folder from where its program lies, so nothing is installed into the machine's.

BENCH=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$BENCH/../.." && pwd)
RUN_DIR=$(mktemp -d "${TMPDIR:-/tmp}/qwen_bench.XXXXXX")
# shellcheck source=demo/lib/say.sh
. "$REPO/demo/lib/say.sh"
# shellcheck source=demo/lib/packages.sh
. "$REPO/demo/lib/packages.sh"
# shellcheck source=demo/lib/cluster.sh
. "$REPO/demo/lib/cluster.sh"

MOCK_PID=

bench_clean() {
	stop_job
	stop_cluster
	[ -z "$MOCK_PID" ] || { kill "$MOCK_PID"; wait "$MOCK_PID"; } 2>/dev/null
	rm -rf "$RUN_DIR"
}

# The installation of $PG_CONFIG below $RUN_DIR/pg, in the same shape, and PG_CONFIG of that.
copy_postgres() {
	local what from to=$RUN_DIR/pg
	for what in bindir pkglibdir sharedir includedir-server; do
		from=$("$PG_CONFIG" "--$what")
		mkdir -p "$to$from"
		cp -aT "$from" "$to$from"
	done
	PG_BIN=$to$("$PG_CONFIG" --bindir)
	PG_CONFIG=$PG_BIN/pg_config
}

build_private() {
	mkdir -p "$RUN_DIR/tree/test" &&
		cp -a "$REPO/Makefile" "$REPO/qwen_classify.control" "$REPO/sql" "$REPO/src" "$RUN_DIR/tree" &&
		cp -a "$REPO/test/mock" "$RUN_DIR/tree/test" &&
		make -s -C "$RUN_DIR/tree" PG_CONFIG="$PG_CONFIG" with_llvm=no clean &&
		make -s -C "$RUN_DIR/tree" PG_CONFIG="$PG_CONFIG" with_llvm=no ${BENCH_MAKE:-} all install &&
		make -s -C "$RUN_DIR/tree/test/mock"
}

start_mock() {
	"$RUN_DIR/tree/test/mock/qwen_mock" --port-file "$RUN_DIR/port" >"$RUN_DIR/mock.log" 2>&1 &
	MOCK_PID=$!
	for _ in $(seq 100); do
		[ ! -s "$RUN_DIR/port" ] || break
		sleep 0.05
	done
	PORT=$(cat "$RUN_DIR/port") || give_up 1 "the mock server did not start"
}

bench_begin() {
	trap bench_clean EXIT
	install_packages
	choose_pg_user
	chmod 755 "$RUN_DIR"
	copy_postgres
	watched seconds_only build_private || { last_words 20; give_up 1 "the tree does not build"; }
	[ "$(id -u)" != 0 ] || chown "$PG_USER" "$RUN_DIR"
	watched seconds_only create_cluster || { last_words; give_up 1 "PostgreSQL did not start"; }
	CLUSTER_UP=1
	start_mock
	demo_psql -q -c 'CREATE EXTENSION qwen_classify'
}

# server NAME KEYS [OPTION...]: a server at the mock that behaves as its path says
server() {
	local name=$1 keys=$2
	shift 2
	demo_psql -q -c "CREATE SERVER $name FOREIGN DATA WRAPPER qwen_classify
		OPTIONS (url 'http://127.0.0.1:$PORT/$keys/v1'$(printf ', %s' "$@" | sed 's/^, $//'))"
}

build_client() {
	local flags
	read -ra flags < <(pkg-config --cflags --libs libcurl)
	cc -O2 -D_GNU_SOURCE -o "$RUN_DIR/client" "$BENCH/client.c" "${flags[@]}" || give_up 1 "the client does not build"
}

# compile NAME: a client that speaks to PostgreSQL, too
compile() {
	local flags
	read -ra flags < <(pkg-config --cflags --libs libpq)
	cc -O2 -D_GNU_SOURCE -o "$RUN_DIR/$1" "$BENCH/$1.c" "${flags[@]}" -lm || give_up 1 "$1 does not build"
}

# venv NAME...: Python packages, for this run alone
venv() {
	python3 -c 'import ensurepip' 2>/dev/null || apt_install python3-venv || return 1
	python3 -m venv "$RUN_DIR/venv" &&
		"$RUN_DIR/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --only-binary :all: "$@"
}

CONNINFO() { printf 'host=%s user=postgres dbname=demo' "$RUN_DIR"; }

# take_body SQL: the body of a call with the text @TEXT@, as the mock saw it: what other clients send
take_body() {
	demo_psql -q -c "$1" >/dev/null
	curl -sS "http://127.0.0.1:$PORT/last" >"$RUN_DIR/body"
	grep -q '@TEXT@' "$RUN_DIR/body" || give_up 1 "the mock did not see the request"
}

# timed: the milliseconds of each statement after \timing on, one a line, of a psql script on standard input
timed() { demo_psql -At -f - | sed -n 's/^Time: \([0-9.]*\) ms.*/\1/p'; }

median() { sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'; }

# column FILE N: its median
column() { awk "{ print \$$2 }" "$RUN_DIR/$1" | median; }

# ratio OURS PEER COLUMN: the median of the rounds' ratios, so that what else the machine does meets both
ratio() { paste -d ' ' "$RUN_DIR/$1" "$RUN_DIR/$2" | awk "{ printf \"%.3f\\n\", \$$3 / \$($3 + 2) }" | median; }

calc() { awk "BEGIN { printf \"${2:-%.3f}\", $1 }"; }

# figure WORDS VALUE OP BAR: the last line of a bench; false if the bar was missed
figure() {
	local verdict=missed
	if awk "BEGIN { exit !($2 $3 $4) }"; then verdict=reached; fi
	printf 'figure: %s %s (bar %s %s: %s)\n' "$1" "$2" "$3" "$4" "$verdict"
	[ "$verdict" = reached ]
}
