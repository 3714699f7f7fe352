# shellcheck shell=bash
# Messages, the progress line, and the commands that run beside it.

# EX_TEMPFAIL of sysexits.h: a registry is out of reach, try again later
# shellcheck disable=SC2034  # the other files use it
readonly EX_UNAVAILABLE=75

say() { printf '%s\n' "== $*"; }

# give_up STATUS MESSAGE [HINT]...
give_up() {
	local status=$1 line
	shift
	printf 'demo/run: %s\n' "$1" >&2
	shift
	for line; do printf '    %s\n' "$line" >&2; done
	exit "$status"
}

have() { command -v "$1" >/dev/null 2>&1; }

# A terminal gets one line that is written over; a log file gets a line every ten seconds.
progress_line() {
	if [ -t 1 ]; then
		printf '\r   %-76s' "$1"
	elif [ $((SECONDS - ${PROGRESS_LAST:=$SECONDS})) -ge 10 ]; then
		printf '   %s\n' "$1"
		PROGRESS_LAST=$SECONDS
	fi
}

progress_end() {
	if [ -t 1 ]; then printf '\r%-80s\r' ''; fi
	unset PROGRESS_LAST
}

# watched STATUS_FUNCTION COMMAND...: runs the command with its output in $RUN_DIR/last.log and shows what
# STATUS_FUNCTION prints, until it ends.  The job has a process group of its own, so that stop_job ends it with its children.
watched() {
	local status_function=$1 started=$SECONDS
	shift
	set -m
	("$@") >"$RUN_DIR/last.log" 2>&1 </dev/null &
	JOB_PID=$!
	set +m
	while kill -0 "$JOB_PID" 2>/dev/null; do
		progress_line "$($status_function $((SECONDS - started)))"
		sleep 0.5
	done
	progress_end
	local rc=0
	wait "$JOB_PID" || rc=$?
	JOB_PID=
	return "$rc"
}

stop_job() {
	[ -n "${JOB_PID:-}" ] || return 0
	kill -TERM -- "-$JOB_PID" 2>/dev/null || true
	wait "$JOB_PID" 2>/dev/null || true
	JOB_PID=
}

seconds_only() { printf '%s s' "$1"; }

# the end of the last watched command's output, as lines of a message
last_words() { tail -n "${1:-8}" "$RUN_DIR/last.log" | sed 's/^/    /' >&2; }
