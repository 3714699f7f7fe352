# shellcheck shell=bash
# The stage: a folder for one run, the model server and PostgreSQL in it, and their end.  The benchmarks stand on it too.
#
# Sets RUN_DIR and URL; wants REPO, CACHE and the options SIZE, KEEP, URL, MODEL_ARG, KEY and MODEL_FILE_ARG.

# requests that the model server works on together; more gain nothing on a few cores
readonly SLOTS=4

DEMO=$REPO/demo
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/qwen_classify
SIZE=full KEEP='' URL='' MODEL_ARG='' KEY='' MODEL_FILE_ARG=''

# shellcheck source=demo/lib/say.sh
. "$DEMO/lib/say.sh"
# shellcheck source=demo/lib/packages.sh
. "$DEMO/lib/packages.sh"
# shellcheck source=demo/lib/model.sh
. "$DEMO/lib/model.sh"
# shellcheck source=demo/lib/llama.sh
. "$DEMO/lib/llama.sh"
# shellcheck source=demo/lib/cluster.sh
. "$DEMO/lib/cluster.sh"
# shellcheck source=demo/lib/rows.sh
. "$DEMO/lib/rows.sh"
# shellcheck source=demo/lib/background.sh
. "$DEMO/lib/background.sh"

# Everything that was started ends here, whatever happened.
clean_up() {
	local status=$?
	trap - EXIT INT TERM HUP
	progress_end
	stop_job
	if [ "$status" = 0 ] && [ -n "$KEEP" ]; then
		how_to_stop
	else
		# in this order: a statement under way keeps connections open, and llama-server ends only after them
		stop_cluster
		stop_llama
		rm -rf "$RUN_DIR"
	fi
	exit "$status"
}

make_run_dir() {
	# short, because the path of a unix socket may have 107 bytes
	RUN_DIR=$(mktemp -d "${TMPDIR:-/tmp}/qwen_demo.XXXXXX")
	trap clean_up EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	mkdir -p "$CACHE"
}

hand_over_run_dir() {
	choose_pg_user
	[ "$(id -u)" != 0 ] || chown "$PG_USER" "$RUN_DIR"
}

get_model_server() {
	if [ -n "$URL" ]; then
		MODEL_TITLE=${MODEL_ARG:-the model of $URL}
		return 0
	fi
	# one download at a time; a second demo waits and then finds all there
	exec 9>"$CACHE/lock"
	flock 9
	if [ -n "$MODEL_FILE_ARG" ]; then
		MODEL_FILE=$MODEL_FILE_ARG MODEL_TITLE=$(basename "$MODEL_FILE_ARG")
	else
		choose_model "$SIZE"
		get_model
	fi
	find_llama
	exec 9>&-
}

start_model_server() {
	[ -n "$URL" ] || start_llama
	ask_once
}

# curl for $URL; the key goes in by a file, so that the process list does not show it
ask() {
	local path=$1
	shift
	curl -sS -m 120 --config <([ -z "$KEY" ] || printf 'header = "Authorization: Bearer %s"' "$KEY") \
		-H 'Content-Type: application/json' "$@" "$URL$path"
}

# A question by hand first: what fails here is the server's fault and not the extension's.
ask_once() {
	local reply model=$MODEL_ARG
	[ -n "$model" ] || model=$(ask /models |
		python3 -c 'import json, sys; print(json.load(sys.stdin)["data"][0]["id"])' 2>/dev/null) || true
	reply=$(ask /chat/completions -d \
		"{\"model\":\"$model\",\"max_tokens\":4,\"messages\":[{\"role\":\"user\",\"content\":\"Say yes.\"}]}") ||
		give_up 1 "the server at $URL does not answer"
	[[ $reply == *'"choices"'* ]] || give_up 1 "the server at $URL does not answer as it should:" "$(cut -c1-400 <<<"$reply")"
}

how_to_stop() {
	cat <<-END

		Still running. Look around, go on from there:
		    $PG_BIN/psql -h $RUN_DIR -U postgres demo
		Stop it and remove it:
		    ${LLAMA_PID:+kill $LLAMA_PID; }$(pg_prefix)$PG_BIN/pg_ctl -D $RUN_DIR/data -m fast stop; rm -rf $RUN_DIR
	END
}

pg_prefix() { [ "$(id -u)" != 0 ] || printf 'runuser -u %s -- ' "$PG_USER"; }

# all but the rows
set_stage() {
	make_run_dir
	install_packages
	hand_over_run_dir
	build_extension
	get_model_server
	start_cluster
	start_model_server
}
