# shellcheck shell=bash
# The model server: llama-server on the PATH, else Debian's package unpacked into a folder of our own.

readonly LLAMA_PACKAGE=llama.cpp-tools
readonly LLAMA_SUITES='forky sid'  # the first releases that have it

# The archive that this machine itself uses; without package lists the origin is not known, so the release's name decides.
debian_archive() {
	# shellcheck disable=SC2016  # apt's own variables
	{
		apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' 'Origin: Debian'
		apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
			grep -E " ($(. /etc/os-release && echo "${VERSION_CODENAME:-none}")|oldstable|stable|testing|sid)\$"
	} 2>/dev/null | awk '$2 !~ /-/ { print $1; exit }'
}

# unpack_llama SUITE: apt with a configuration of its own, so that nothing on the system changes
unpack_llama() {
	local suite=$1 archive keyring=/usr/share/keyrings/debian-archive-keyring.gpg work=$CACHE/llama/getting deb
	archive=$(debian_archive)
	[ -n "$archive" ] || { echo "no archive of Debian among this machine's sources"; return 1; }
	[ -f "$keyring" ] || { echo "$keyring is missing (package debian-archive-keyring)"; return 1; }
	rm -rf "$work"
	mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/root"
	: >"$work/status"
	echo "deb [signed-by=$keyring] $archive $suite main" >"$work/sources.list"
	cat >"$work/apt.conf" <<-END
		Dir::State "$work/state";
		Dir::State::status "$work/status";
		Dir::Cache "$work/cache";
		Dir::Etc::SourceList "$work/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Acquire::Languages "none";
		Acquire::Retries "3";
		APT::Sandbox::User "";
		APT::Update::Error-Mode "any";
	END
	APT_CONFIG=$work/apt.conf apt-get -qq update || return 1
	APT_CONFIG=$work/apt.conf apt-get -qq -y --no-install-recommends --download-only install "$LLAMA_PACKAGE" || return 1
	for deb in "$work"/cache/archives/*.deb; do dpkg -x "$deb" "$work/root" || return 1; done
	rm -rf "$CACHE/llama/root" &&
		mv "$work/root" "$CACHE/llama/root" &&
		rm -rf "$work"
}

unpack_from_any_suite() {
	local suite
	for suite in $LLAMA_SUITES; do unpack_llama "$suite" && return 0; done
	return 1
}

# Sets LLAMA, the command as an array, and LLAMA_FOLDER, where it must be started.
find_llama() {
	local root=$CACHE/llama/root loader lib
	LLAMA_FOLDER=$RUN_DIR
	if have llama-server; then
		LLAMA=(llama-server)
		return 0
	fi
	if ! [ -x "$root/usr/bin/llama-server" ]; then
		{ have apt-get && have dpkg; } || give_up 1 "no llama-server on the PATH, and this is not Debian" \
			"start any OpenAI-style server yourself and give --url URL [--model NAME] [--key KEY]"
		say "model server: $LLAMA_PACKAGE of Debian, into $CACHE/llama"
		if ! watched seconds_only unpack_from_any_suite; then
			last_words
			give_up "$EX_UNAVAILABLE" "Debian's package $LLAMA_PACKAGE cannot be fetched" \
				"put llama-server on the PATH, or give --url URL [--model NAME] [--key KEY]"
		fi
	fi
	# its C library is newer than the system's: it needs the loader that came with it
	loader=$(find "$root/usr/lib" -maxdepth 2 -name 'ld-linux*.so.*' | head -n 1)
	lib=$(dirname "$loader")
	LLAMA=("$loader" --library-path "$lib:$lib/llama" "$root/usr/bin/llama-server")
	# ggml looks for its CPU variants in the working directory too, and takes the best that this CPU can run
	LLAMA_FOLDER=$(find "$lib/ggml" -maxdepth 1 -type d -name 'backends*' | head -n 1)
}

free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start_llama() {
	local port unified=()
	port=$(free_port)
	URL=http://127.0.0.1:$port/v1
	say "starting ${LLAMA[-1]##*/} on $URL"
	# one cache for all slots: the server then computes the slots' tokens in one batch (a quarter more rows a second)
	if "${LLAMA[@]}" --help 2>/dev/null | grep -e '--kv-unified' >/dev/null; then unified=(--kv-unified); fi
	set -m  # its own process group: Ctrl-C goes to this script, which stops it in order
	(cd "$LLAMA_FOLDER" && exec "${LLAMA[@]}" --model "$MODEL_FILE" --host 127.0.0.1 --port "$port" \
		--parallel "$SLOTS" --ctx-size $((SLOTS * 2048)) --threads "$(nproc)" "${unified[@]}") \
		>"$RUN_DIR/llama.log" 2>&1 </dev/null &
	LLAMA_PID=$!
	set +m
	watched seconds_only wait_for_health "http://127.0.0.1:$port/health" || {
		tail -n 8 "$RUN_DIR/llama.log" >&2
		give_up 1 "the model server did not start"
	}
}

# 503 while it loads its model
wait_for_health() {
	local try
	for try in $(seq 600); do
		kill -0 "$LLAMA_PID" 2>/dev/null || return 1
		curl -fs -m 2 -o /dev/null "$1" && return 0
		sleep 0.2
	done
	echo "not ready after $try tries"
	return 1
}

stop_llama() {
	[ -n "${LLAMA_PID:-}" ] || return 0
	kill "$LLAMA_PID" 2>/dev/null || true
	wait "$LLAMA_PID" 2>/dev/null || true
	LLAMA_PID=
}

# seconds of processor that the server has used
llama_cpu() {
	awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); print ($12 + $13) / hz }' "/proc/$LLAMA_PID/stat"
}

# requests that the server has finished: its log is where they can be counted while one transaction goes on
llama_done() {
	grep -c 'stop processing' "$RUN_DIR/llama.log" || true
}
