# The launcher and its workers: rows are labelled from end to end, workers come
# when they are wanted, leave when they are not, hold nothing while they wait
# and stand in nobody's way.
# Takes a minute.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $labels = "ARRAY['refund','bug','praise']";
my $workers = "backend_type = 'qwen_classify worker'";

start_mock();
my $node = start_node(
	preload => 1,
	conf => "qwen_classify.worker_idle_timeout = 1\nmax_prepared_transactions = 4\n"
	  . "max_worker_processes = 12\nlog_min_messages = warning\n");
server($node, 'fast', url('vllm'));
server($node, 'slow', url('vllm', 'delay=45000'), request_timeout => '60s');
server($node, 'wrong', url('vllm', 'answer=wrong'));

# A table with a task of its own.
sub task
{
	my ($name, $server, %opt) = @_;
	my $db = $opt{db} || 'postgres';

	$node->safe_psql($db,
		"CREATE TABLE $name (id bigint PRIMARY KEY, body text, label text, confidence float8, reason text);"
		  . "SELECT qwen.create_task('$name', $labels, server => '$server', with_reason => false);"
		  . "SELECT qwen.attach('$name', '$name', 'body')");
}

sub worker_pid
{
	my ($db) = @_;

	return value($node,
		"SELECT pid FROM pg_stat_activity WHERE $workers AND datname = '" . ($db || 'postgres') . "'");
}

sub labelled { return value($node, "SELECT count(*) FROM $_[0] WHERE label IS NOT NULL") }

sub log_since
{
	my ($from) = @_;

	return substr(PostgreSQL::Test::Utils::slurp_file($node->logfile), $from || 0);
}

subtest 'from end to end' => sub {
	task('ticket', 'fast');
	$node->safe_psql('postgres',
		"INSERT INTO ticket (id, body) SELECT i, 'text ' || i FROM generate_series(1, 500) i");
	ok(wait_until(sub { labelled('ticket') == 500 }, '500 labels'), 'every row has a label');
	is(value($node, 'SELECT count(*) FROM qwen.queue'), 0, 'nothing is left in the queue');
	is(value($node,
		"SELECT count(*) FROM ticket t, LATERAL qwen_label(t.body, $labels, server => 'fast') l WHERE t.label <> l"),
		0, 'each label is the one of its text');
	$node->safe_psql('postgres', "UPDATE ticket SET body = 'other ' || id WHERE id <= 10");
	ok(wait_until(sub { labelled('ticket') == 500 }, 'labels of new texts'), 'a changed text gets a new label');
	$node->safe_psql('postgres', "INSERT INTO ticket (id, body) VALUES (1001, NULL), (1002, '  ')");
	ok(wait_until(sub { value($node, "SELECT count(*) FROM qwen.failed WHERE key = '1002'") == 1 }, 'a failure'),
		'an empty text fails alone, with its reason');
	ok(wait_until(sub { value($node, 'SELECT count(*) FROM qwen.queue') == 0 }, 'an empty queue'),
		'a NULL is not asked about');
	like(value($node, "SELECT task, waiting, in_flight, failed, state FROM qwen.progress WHERE task = 'ticket'"),
		qr/^ticket\|0\|0\|1\|idle$/, 'the view says that all is done');
};

subtest 'leaves when idle, comes when wanted' => sub {
	ok(wait_until(sub { worker_pid() eq '' }, 'the worker to leave'), 'an idle worker leaves');
	my $from = time;
	$node->safe_psql('postgres', "INSERT INTO ticket (id, body) VALUES (2001, 'back')");
	ok(wait_until(sub { value($node, 'SELECT label FROM ticket WHERE id = 2001') ne '' }, 'a label'),
		'a commit brings it back');
	cmp_ok(time - $from, '<', 2, 'at once');

	# three tries, the second after a second, the third after five more
	task('never', 'wrong');
	$node->safe_psql('postgres', "INSERT INTO never (id, body) VALUES (1, 'poison')");
	ok(wait_until(sub { value($node, 'SELECT count(*) FROM qwen.retry WHERE attempts = 2') == 1 }, 'a second try'),
		'a failed row is tried again');
	ok(wait_until(sub { worker_pid() eq '' }, 'the worker to leave'), 'meanwhile the worker leaves');
	ok(wait_until(sub { value($node, "SELECT attempts FROM qwen.failed WHERE task = 'never' AND dead_at IS NOT NULL") eq '3' },
			'the third try'), 'and returns when the row is due');
};

subtest 'a prepared transaction' => sub {
	ok(wait_until(sub { worker_pid() eq '' }, 'the worker to leave'), 'no worker');
	$node->safe_psql('postgres',
		"BEGIN; INSERT INTO ticket (id, body) VALUES (3001, 'prepared'); PREPARE TRANSACTION 'p'");
	$node->safe_psql('postgres', "COMMIT PREPARED 'p'");
	$node->safe_psql('postgres', "INSERT INTO ticket (id, body) VALUES (3002, 'plain')");
	ok(wait_until(sub { value($node, 'SELECT count(label) FROM ticket WHERE id IN (3001, 3002)') == 2 }, 'both'),
		'is found by the sweep');
};

subtest 'more than the ring of announcements holds' => sub {
	task('many', 'fast');
	$node->safe_psql('postgres', "INSERT INTO many (id, body) VALUES (0, 'first')");
	ok(wait_until(sub { labelled('many') == 1 }, 'a label'), 'the worker is there');
	my $pid = worker_pid();

	# sessions that write to blocks of their own, by turns: few of their
	# announcements can be joined
	kill 'STOP', $pid;
	my @session = map { session($node) } 1 .. 4;
	$session[$_]->start(<<"SQL") for 0 .. 3;
DO \$\$ BEGIN
	FOR i IN 1 .. 1000 LOOP
		INSERT INTO many (id, body) VALUES (i * 10 + $_, 'row ' || i || ' of ' || $_);
		COMMIT;
	END LOOP;
END \$\$
SQL
	$_->wait for @session;
	is(value($node, 'SELECT count(*) FROM qwen.queue'), 4000, '4000 transactions queue a row each');
	kill 'CONT', $pid;
	ok(wait_until(sub { labelled('many') == 4001 }, '4001 labels', 20), 'no row is lost');
};

subtest 'nothing is held during a stall' => sub {
	task('stall', 'slow');

	# a new worker's first housekeeping, which needs a transaction, is a minute away
	ok(wait_until(sub { worker_pid() eq '' }, 'the worker to leave'), 'no worker');
	$node->safe_psql('postgres', "INSERT INTO stall (id, body) SELECT i, 'stall ' || i FROM generate_series(1, 50) i");
	ok(wait_until(sub { value($node, "SELECT in_flight FROM qwen.progress WHERE task = 'stall'") > 0 }, 'requests'),
		'requests are under way');
	sleep 0.5;
	my ($held, $seen, $locks) = (0, 0, 0);

	# ten looks a second, all in one session: a connection a look would cost more than the look
	my $samples = $node->safe_psql('postgres', <<"SQL");
CREATE TEMP TABLE sample (says text, held bool, locks bigint);
DO \$\$
BEGIN
	FOR i IN 1 .. 300 LOOP
		PERFORM pg_stat_clear_snapshot();
		INSERT INTO sample
			SELECT query, backend_xmin IS NOT NULL OR backend_xid IS NOT NULL OR xact_start IS NOT NULL,
				(SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND locktype <> 'advisory')
			FROM pg_stat_activity a WHERE $workers;
		PERFORM pg_sleep(0.1);
	END LOOP;
END \$\$;
SELECT count(*) FILTER (WHERE says ~ 'labelling stall: \\d+ in flight'), count(*) FILTER (WHERE held),
	sum(locks) FROM sample;
SQL
	is($samples, '300|0|0', 'in 300 samples within 30 s pg_stat_activity says what it does, and it has no snapshot, transaction or lock');
	my $from = time;
	$node->safe_psql('postgres', "INSERT INTO ticket (id, body) VALUES (4001, 'beside')");
	ok(wait_until(sub { value($node, 'SELECT label FROM ticket WHERE id = 4001') ne '' }, 'a label'),
		'another task goes on');
	cmp_ok(time - $from, '<', 2, 'at once');
};

subtest 'databases come and go during a slow answer' => sub {
	$node->safe_psql('postgres', 'CREATE DATABASE other');
	$node->safe_psql('other',
		"CREATE EXTENSION qwen_classify;"
		  . "CREATE SERVER slow FOREIGN DATA WRAPPER qwen_classify OPTIONS (url '"
		  . url('vllm', 'delay=30000') . "', request_timeout '60s')");
	task('stall', 'slow', db => 'other');
	$node->safe_psql('other', "INSERT INTO stall (id, body) VALUES (1, 'stall')");
	ok(wait_until(sub { value($node, "SELECT count(*) FROM pg_stat_activity WHERE $workers AND query ~ 'in flight'") == 2 },
			'two workers'), 'two databases wait for an answer');

	$node->safe_psql('postgres', 'CREATE DATABASE nobody');
	cmp_ok(seconds(sub { $node->safe_psql('postgres', 'DROP DATABASE nobody') }), '<', 2,
		'another database is dropped at once');
	cmp_ok(seconds(sub { $node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE other') }), '<', 2,
		'a copy of the database is made at once');
	ok(wait_until(sub { worker_pid('copy') ne '' }, 'a worker in the copy'), 'and has a worker of its own');
	ok(wait_until(sub { worker_pid('other') ne '' }, 'the worker of the original'), 'the original has one again');
	cmp_ok(seconds(sub { $node->safe_psql('postgres', 'ALTER DATABASE copy RENAME TO renamed') }), '<', 2,
		'it is renamed at once');
	ok(wait_until(sub { worker_pid('renamed') ne '' }, 'a worker after the rename'), 'and is served under its new name');
	cmp_ok(seconds(sub { $node->safe_psql('postgres', 'DROP DATABASE renamed') }), '<', 2,
		'it is dropped at once although its worker waits for an answer');
	cmp_ok(seconds(sub { $node->safe_psql('postgres', 'DROP DATABASE other') }), '<', 2, 'so is the original');
	unlike(log_since(), qr/FATAL.*does not exist|accept ProcSignalBarrier/, 'nothing of it is in the log');
};

subtest 'the extension comes and goes' => sub {
	my $pid = worker_pid();
	$node->safe_psql('postgres', 'BEGIN; DROP EXTENSION qwen_classify CASCADE; ROLLBACK');
	$node->safe_psql('postgres', "INSERT INTO ticket (id, body) VALUES (5001, 'still')");
	ok(wait_until(sub { value($node, 'SELECT label FROM ticket WHERE id = 5001') ne '' }, 'a label'),
		'a DROP that is rolled back changes nothing');
	$node->safe_psql('postgres', 'DROP EXTENSION qwen_classify CASCADE');
	ok(wait_until(sub { worker_pid() eq '' }, 'the worker to leave'), 'its worker leaves when it is dropped');
	$node->safe_psql('postgres', 'CREATE EXTENSION qwen_classify');
	server($node, 'fast', url('vllm'));
	$node->safe_psql('postgres', 'DROP TABLE ticket');
	task('ticket', 'fast');
	$node->safe_psql('postgres', "INSERT INTO ticket (id, body) VALUES (1, 'anew')");
	ok(wait_until(sub { labelled('ticket') == 1 }, 'a label'), 'and rows are labelled after it was created again');
};

subtest 'a task that cannot work' => sub {
	task('broken', 'fast');
	$node->safe_psql('postgres', "ALTER TABLE broken DROP COLUMN label CASCADE");
	$node->safe_psql('postgres', "SELECT qwen.pause('broken')");
	$node->safe_psql('postgres', "SELECT qwen.resume('broken')");
	ok(wait_until(sub { value($node, "SELECT state FROM qwen.progress WHERE task = 'broken'") eq 'stopped' }, 'a stop'),
		'stops, and the view says so');
	isnt(value($node, "SELECT why FROM qwen.progress WHERE task = 'broken'"), '', 'with what to do');
	$node->safe_psql('postgres', "INSERT INTO ticket (id, body) VALUES (2, 'beside')");
	ok(wait_until(sub { labelled('ticket') == 2 }, 'a label'), 'another task goes on');
	$node->safe_psql('postgres', "SELECT qwen.drop_task('broken')");
	ok(wait_until(sub { value($node, 'SELECT count(*) FROM qwen.queue') == 0 }, 'an empty queue'),
		'a dropped task leaves no rows in the queue');
};

subtest 'a row whose trigger changes its text' => sub {
	task('circle', 'fast');
	$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF new.label IS NOT NULL THEN UPDATE public.circle SET body = body || '.' WHERE id = new.id; END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER turn AFTER UPDATE OF label ON circle FOR EACH ROW EXECUTE FUNCTION turn();
INSERT INTO circle (id, body) VALUES (1, 'round and round');
SQL
	ok(wait_until(sub { value($node, "SELECT class FROM qwen.failed WHERE task = 'circle'") eq 'loop' }, 'an end'),
		'is given up after a few turns');
	cmp_ok(value($node, 'SELECT length(body) FROM circle'), '<', 30, 'and not after many');
};

subtest 'a fast stop under load' => sub {
	server($node, 'slow', url('vllm', 'delay=30000'), request_timeout => '60s');
	$node->safe_psql('postgres', 'DROP TABLE stall');
	task('stall', 'slow');
	$node->safe_psql('postgres',
		"INSERT INTO stall (id, body) SELECT i, 'stall ' || i FROM generate_series(1, 5000) i;"
		  . "INSERT INTO ticket (id, body) SELECT i, 'load ' || i FROM generate_series(10000, 40000) i");
	ok(wait_until(sub { value($node, "SELECT in_flight FROM qwen.progress WHERE task = 'stall'") > 0 }, 'requests'),
		'requests are under way');
	cmp_ok(seconds(sub { $node->stop('fast') }), '<', 2, 'the server stops at once');
	$node->start;
	ok(wait_until(sub { value($node, 'SELECT count(*) FROM ticket WHERE label IS NULL') == 0 }, 'the labels', 60),
		'and goes on where it was');
	$node->stop('immediate');
};

subtest 'too few worker slots' => sub {
	my $small = start_node(
		name => 'small',
		preload => 1,
		conf => "max_worker_processes = 2\nmax_logical_replication_workers = 0\n");
	$small->safe_psql('postgres', 'CREATE DATABASE two');
	$small->safe_psql('two', 'CREATE EXTENSION qwen_classify');
	sleep 7;
	my $log = PostgreSQL::Test::Utils::slurp_file($small->logfile);
	my $warned = () = $log =~ /WARNING:  no background worker is free/g;
	is($warned, 1, 'are told once');
	like($log, qr/HINT:  Raise it and restart the server: ALTER SYSTEM SET max_worker_processes = \d+/, 'with what to type');
	$small->stop;
};

done_testing();
