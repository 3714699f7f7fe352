# shellcheck shell=bash
# What the benches of background labelling share: a cluster with the library preloaded, a table with a
# task, and the clocks of the worker.
# shellcheck source=test/bench/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# shellcheck disable=SC2034  # create_cluster reads it
CLUSTER_CONF="shared_preload_libraries = 'qwen_classify'
shared_buffers = 512MB
max_wal_size = 4GB
checkpoint_timeout = 1h
synchronous_commit = ${SYNC:-off}
${CLUSTER_CONF:-}"
LABELS="ARRAY['refund', 'bug', 'praise']"

# table KEEP: ticket, and task tickets on it
table() {
	demo_psql -q <<-END
		CREATE TABLE ticket (id bigint PRIMARY KEY, body text, label text, confidence float8, reason text) WITH (fillfactor = 85);
		SELECT qwen.create_task('tickets', labels => $LABELS, with_reason => false, keep => $1) \g /dev/null
		SELECT qwen.attach('tickets', 'ticket', input => 'body') \g /dev/null
	END
}

no_table() {
	demo_psql -q <<-END
		SELECT qwen.detach('tickets') \g /dev/null
		SELECT qwen.drop_task('tickets') \g /dev/null
		DROP TABLE ticket;
	END
}

# rows FROM COUNT: texts of 300 bytes
rows() {
	demo_psql -q -c "INSERT INTO ticket (id, body)
		SELECT i, rpad('text number ' || i || ' of this bench ', 300, md5(i::text)) FROM generate_series($1, $1 + $2 - 1) i"
}

task() { demo_psql -q -At -c "SELECT qwen.$1('tickets')" >/dev/null; }

worker_pid() { value_of "SELECT pid FROM pg_stat_activity WHERE backend_type = 'qwen_classify worker' AND datname = current_database()"; }

# cpu PID: its CPU seconds
cpu() { awk -v hz="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); print ($12 + $13) / hz }' "/proc/$1/stat"; }

# wait_labelled COUNT [SECONDS]: until so many rows have a label
wait_labelled() {
	local until=$((SECONDS + ${2:-300}))
	while [ "$(value_of 'SELECT count(label) FROM ticket')" -lt "$1" ]; do
		if [ $SECONDS -gt $until ]; then
			demo_psql -x -c 'SELECT * FROM qwen.progress' >&2
			give_up 1 "the rows are not labelled"
		fi
		sleep 0.1
	done
}
