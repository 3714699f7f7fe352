# Calibrated confidences for the rows that are there, written by the worker: all
# of them once, behind live rows, through deaths of the worker, around locks.
use strict;
use warnings;
use QwenTest;
use Test::More;

my $labels = "ARRAY['refund','bug','praise']";

start_mock();
my $node = start_node(preload => 1, conf => "qwen_classify.worker_idle_timeout = 60\nrestart_after_crash = on\n");
server($node, 'qwen', url('vllm'));

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }

# The map as if it were fitted: a slope alone.
sub slope
{
	my ($slope) = @_;

	sql("INSERT INTO qwen.calibration AS c (task, version, server, source, method, params, n, metrics)
		SELECT id, version, 'qwen', 'logprob_masked', 'temp', ARRAY[$slope\::float8], 100, '{}' FROM qwen.task
		ON CONFLICT (task) DO UPDATE SET params = excluded.params, version = excluded.version");
}

# Rows that do not show what the map makes of the server's number.
sub others
{
	my ($slope) = @_;

	return sql("SELECT count(*) FROM ticket t JOIN qwen.result r ON r.k = t.id
		WHERE t.confidence <> 1 AND abs(t.confidence - 1 / (1 + ((1 - r.confidence) / r.confidence) ^ $slope)) > 1e-9");
}

sub state { return sql("SELECT $_[0] FROM qwen.recalibration") }
sub worker_pid { return sql("SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'qwen_classify worker%' AND datname = 'postgres'") }

# Until the worker is through; the procedure may come before its launcher.
sub finished { return wait_until(sub { (eval { state('finished_at IS NOT NULL') } || '') eq 't' }, 'the end of it', 40) }

sql("CREATE TABLE ticket (id bigint PRIMARY KEY, body text, label text, confidence float8, reason text)",
	"CREATE TABLE written (id bigint)",
	"SELECT qwen.create_task('tickets', $labels, server => 'qwen', with_reason => false)",
	"SELECT qwen.attach('tickets', 'ticket', 'body')",
	"INSERT INTO ticket (id, body) SELECT i, 'text ' || i FROM generate_series(1, 3500) i",
	"CALL qwen.wait('tickets', '60 s')");

like(run_sql($node, "SELECT qwen.recalibrate('tickets')")->{err}, qr/task "tickets" is not calibrated.*qwen\.calibrate\('tickets'\)/s,
	'not without a calibration');
slope(0.5);
sql("UPDATE ticket SET label = CASE label WHEN 'bug' THEN 'praise' ELSE 'bug' END WHERE id = 7");
mock_reset();
like(sql("SELECT qwen.recalibrate('tickets')"), qr/about 3500 rows.*qwen\.progress/, 'asked for, it says how many rows');
sql("CALL qwen.wait('tickets', '60 s')");
is(others(0.5), '0', 'all rows show the calibrated number, and CALL qwen.wait waited for it');
is(sql('SELECT confidence FROM ticket WHERE id = 7'), '1', "but a person's");
is(mock_stats()->{requests}, 0, 'without a request');
like(state('message'), qr/^3499 rows have a calibrated confidence now$/, 'how it ended is written down');
ok(wait_until(sub { sql("SELECT calibration, state, why FROM qwen.progress") eq 'calibrated|idle|' }, 'rest', 10), 'and it is idle');

# From here on it takes some seconds, and what is written is counted.
sql("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
	IF new.confidence IS DISTINCT FROM old.confidence AND old.confidence IS NOT NULL THEN
		INSERT INTO public.written VALUES (new.id); PERFORM pg_sleep(0.001); END IF; RETURN new; END \$\$",
	"CREATE TRIGGER slow BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION slow()");

# ---- the worker dies ----

for my $how ('terminated', 'killed')
{
	my $slope = $how eq 'killed' ? 0.7 : 0.6;

	sql('TRUNCATE written');
	slope($slope);
	sql("SELECT qwen.recalibrate('tickets')");
	ok(wait_until(sub { state('rows_seen') >= 500 }, 'the first batch'), 'a batch is written') or diag sql('TABLE qwen.recalibration');
	ok(wait_until(sub { sql("SELECT state || ': ' || why FROM qwen.progress") =~ /^recalibrating: confidences of \d+ rows are rewritten$/ }, 'a look', 10),
		'progress says so') if $how eq 'terminated';
	is(state('finished_at IS NULL'), 't', 'in the middle of it');
	my %begun;
	ok(wait_until(sub { my $at = sql("SELECT xact_start FROM pg_stat_activity WHERE backend_type LIKE 'qwen_classify worker%' AND query LIKE 'rewriting%'");
			$begun{$at} = 1 if $at; keys %begun >= 2 }, 'two transactions', 20), 'it is not one long transaction');
	my $pid = worker_pid();
	kill $how eq 'killed' ? 'KILL' : 'TERM', $pid;
	wait_until(sub { my $now = eval { worker_pid() }; defined $now && $now ne '' && $now != $pid }, 'another worker', 30);
	ok(finished(), "the worker was $how: the next goes on");
	is(others($slope), '0', 'all rows are written');
	is(sql('SELECT count(*), count(DISTINCT id) FROM written'), '3499|3499', 'each once');
}

# ---- behind live rows ----

slope(0.8);
sql("SELECT qwen.recalibrate('tickets')");
ok(wait_until(sub { state('rows_seen') >= 500 }, 'the first batch'), 'under way');
sql("INSERT INTO ticket (id, body) SELECT i, 'text ' || i FROM generate_series(10001, 10005) i");
ok(wait_until(sub { sql('SELECT count(*) FROM ticket WHERE id > 10000 AND label IS NOT NULL') eq '5' }, 'live rows'), 'rows that come are labelled');
is(state('finished_at IS NULL'), 't', 'before it is done');
ok(finished(), 'which it is then');
is(others(0.8), '0', 'with all of them');

# ---- locks ----

slope(0.9);
my $holder = session($node);
$holder->query('BEGIN; SELECT id FROM ticket WHERE id IN (10, 11) FOR UPDATE');
sql("SELECT qwen.recalibrate('tickets')");
ok(finished(), 'a locked row holds nobody up');
like(state('message'), qr/; 2 were locked by somebody and keep theirs$/, 'it is told');
$holder->query('COMMIT');
is(others(0.9), '2', 'they alone are as they were');
sql("SELECT qwen.recalibrate('tickets')");
ok(finished(), 'asked again');
is(others(0.9), '0', 'they are written');

$holder->query("BEGIN; SELECT qwen.recalibrate('tickets')");
slope(0.95);
is(sql("SELECT count(*) FROM qwen.recalibration WHERE finished_at IS NULL"), '0', 'what is not committed is not begun');
$holder->query('ROLLBACK');

# ---- what ends it ----

sql("SELECT qwen.recalibrate('tickets')");
ok(wait_until(sub { state('rows_seen') >= 500 }, 'the first batch'), 'under way');
sql("SELECT qwen.alter_task('tickets', instructions => 'Other words.')");
ok(finished(), 'a new version of the task');
like(state('message'), qr/stale: it was fitted to version 1/, 'ends it and says why');
like(run_sql($node, "SELECT qwen.recalibrate('tickets')")->{err}, qr/is stale.*qwen\.calibrate\('tickets'\)/s, 'nor can it begin');

sql("CREATE ROLE other LOGIN");
like(run_sql($node, "SET ROLE other; SELECT qwen.recalibrate('tickets')")->{err}, qr/must be owner|is not yours|permission denied/, 'it is the owner who asks');
sql("SELECT qwen.drop_task('tickets')");
is(sql('SELECT count(*) FROM qwen.recalibration'), '0', 'nothing is left of a dropped task');

# ---- without a worker ----

$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
sql("SELECT qwen.create_task('alone', $labels, server => 'qwen')",
	"CREATE TABLE alone (id bigint PRIMARY KEY, body text, label text, confidence float8, reason text)",
	"SELECT qwen.attach('alone', 'alone', 'body')",
	"SET qwen_classify.author = machine; INSERT INTO alone VALUES (1, 'text', 'bug', 0.8)",
	"DELETE FROM qwen.annotation",
	"INSERT INTO qwen.result (task, k, text_hash, version, label, confidence, source)
	 SELECT t.id, 1, qwen.input_hash(a.body), 1, 'bug', 0.8, 'logprob_masked' FROM qwen.task t, alone a");
slope(0.5);
like(run_sql($node, "SELECT qwen.recalibrate('alone')")->{err}, qr/there is no worker.*CALL qwen\.recalibrate_now\('alone'\)/s,
	'not preloaded: an error says what to type');
like(run_sql($node, "CALL qwen.recalibrate_now('alone')")->{err}, qr/1 rows have a calibrated confidence now/, 'which does it here');
is(sql('SELECT round(confidence::numeric, 4) FROM alone'), '0.6667', 'the same number');

done_testing();
