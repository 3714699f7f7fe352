# shellcheck shell=bash
# The background door: what qwen.progress says, as a bar, until nothing waits.

readonly BACKGROUND_SECONDS=300

bar() {
	local width=30 full
	full=$(($1 * width / ($2 > 0 ? $2 : 1)))
	printf '[%s%s] %s of %s rows' "$(printf '%*s' "$full" '' | tr ' ' '#')" "$(printf '%*s' $((width - full)) '' | tr ' ' '.')" "$1" "$2"
}

# watch_background WANTED: until so many rows of question have a label
watch_background() {
	local wanted=$1 labelled from=$SECONDS
	while labelled=$(value_of 'SELECT count(label) FROM question'); [ "$labelled" -lt "$wanted" ]; do
		[ $((SECONDS - from)) -lt $BACKGROUND_SECONDS ] || {
			demo_psql -x -c 'SELECT * FROM qwen.progress' >&2
			give_up 1 "the worker did not label the rows"
		}
		progress_line "$(bar "$labelled" "$wanted")"
		sleep 0.2
	done
	progress_end
	say "$(bar "$wanted" "$wanted"), labelled in the background"
}

# until nothing of a relabel is left
watch_relabel() {
	local from=$SECONDS
	while [ "$(value_of "SELECT count(*) FROM qwen.backfill_state WHERE finished_at IS NULL")" != 0 ]; do
		[ $((SECONDS - from)) -lt $BACKGROUND_SECONDS ] || give_up 1 "the worker did not end the relabel"
		progress_line 'labelling anew'
		sleep 0.2
	done
	progress_end
}

show_background() {
	local first=$((ROWS < 20 ? ROWS : 20))
	show 5_background.sql "$first"
	watch_background "$first"
	show 6_new_rows.sql
	watch_background $((first + 3))
	show 7_people.sql
	watch_relabel
	show 8_kept.sql
	[ "$(value_of 'SELECT label FROM question WHERE id = 1003')" = card_arrival ] || give_up 1 "a person's label was not kept"
}
