# shellcheck shell=bash
# What several, examples and split share: options, stage, and a file a way of what the model said.
#
# The command sets COMMAND (its name, and that of its .py), WAYS (an array of words, one of which is the last argument; one
# alone may be left out) and ROWS (the default), and calls ask_and_tell "$@".  It starts what demo/run starts; --url asks a server
# that is there already.  To test/figures/said/COMMAND.WAY.MODEL.jsonl is added what was said (no text of a set); the figures are told of
# all that stands there, and an interrupted run goes on where it was.

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=demo/lib/stage.sh
. "$REPO/demo/lib/stage.sh"
HERE=$REPO/test/figures

wrong_option() {
	local words
	words=$(IFS='|' && printf '%s' "${WAYS[*]}")
	printf '%s: %s\nusage: test/figures/%s [--small] [--url URL] [--rows N] %s\n' "$COMMAND" "$1" "$COMMAND" "$words" >&2
	exit 2
}

read_options() {
	WAY=''
	[ ${#WAYS[@]} -gt 1 ] || WAY=${WAYS[0]}
	while [ $# -gt 0 ]; do
		case $1 in
			--small) SIZE=small ;;
			--url) URL=${2:-}; shift || true ;;
			--rows) ROWS=${2:-}; shift || true ;;
			*)
				[[ " ${WAYS[*]} " == *" $1 "* ]] || wrong_option "unknown option: $1"
				WAY=$1
				;;
		esac
		shift || true
	done
	[[ $ROWS =~ ^[1-9][0-9]{0,2}$ ]] || wrong_option "--rows is a number from 1 to 999"
	[ -n "$WAY" ] || wrong_option "of what?"
	FILE=$HERE/said/$COMMAND.$WAY.$SIZE.jsonl
}

# Long timeouts: others may be given the processor for a while.
ask_rows() {
	demo_psql -q <<-END
		CREATE EXTENSION qwen_classify;
		CREATE SERVER qwen FOREIGN DATA WRAPPER qwen_classify
			OPTIONS (url '$URL', request_timeout '3600s', max_concurrency '$SLOTS'${OPTIONS:-});
	END
	mkdir -p "$HERE/said"
	python3 "$HERE/$COMMAND.py" ask "$WAY" "$CACHE/$ROWS_WHEEL" "$ROWS" "$FILE" "$URL" \
		"$PG_BIN/psql" -X -h "$RUN_DIR" -U postgres -d demo -v ON_ERROR_STOP=1
}

asked() { printf '%s rows, %s s' "$(cat "$FILE" 2>/dev/null | wc -l)" "$1"; }

ask_and_tell() {
	read_options "$@"
	set_stage
	get_rows
	say "asking: $WAY"
	watched asked ask_rows || { last_words; give_up 1 "the model cannot be asked"; }
	python3 "$HERE/$COMMAND.py" tell "$FILE"
}
