# Background labelling under faults: whatever is killed, stopped, refused,
# locked or changed meanwhile, the checker finds every row as promised.
# A few rounds of each; test/chaos does it for minutes.
use strict;
use warnings;
use QwenChecker;
use QwenTest;
use Test::More;
use Time::HiRes qw(time sleep);

start_mock();
my $node = start_node(preload => 1,
	conf => "restart_after_crash = on\nmax_connections = 40\nlog_lock_waits = on\ndeadlock_timeout = 1s\n");
checker_setup($node, url('vllm', 'delay=5'), request_timeout => '2s', connect_timeout => '1s');

# ---- F1: the worker is killed, which restarts the server ----

checker_fill($node, 500);
for my $round (1 .. 3)
{
	my $users = users($node, 4, insert => 3, put => 3, update => 2, rekey => 1, rate => 800, ids => 800);

	sleep 0.3 + rand 0.5;
	my $pid = wait_for_worker($node);
	kill 'KILL', $pid;
	wait_until(sub { log_count($node, 'all server processes terminated; reinitializing') >= $round }, "crash restart $round");
	stop_users($users);
	database_up($node);
}
verdict($node, 'worker killed three times');

# ---- F2: immediate stop and start ----

for my $round (1 .. 2)
{
	my $users = users($node, 4, insert => 3, update => 3, delete => 1, rate => 800, ids => 800);

	sleep 0.3 + rand 0.5;
	$node->stop('immediate');
	stop_users($users);
	$node->start;
}
verdict($node, 'two immediate stops');

# ---- F3: SIGTERM and SIGHUP ----

{
	my $users = users($node, 4, insert => 3, update => 3, rate => 500, ids => 800);

	for my $round (1 .. 4)
	{
		my $pid = wait_for_worker($node);
		for (1 .. 20) { kill 'HUP', $pid; sleep 0.005 }
		kill 'TERM', $pid;
		wait_until(sub { (worker_pid($node) || 0) != $pid }, 'the worker to leave', 2)
		  or fail "worker left within 2 s of SIGTERM, round $round";
	}
	stop_users($users);
	verdict($node, 'SIGHUP storms and SIGTERM');
}

# ---- F4: a server that misbehaves; users do not notice ----

{
	my @kind = ('fail=429', 'fail=500', 'fail=503/retry_after=1', 'reset=1', 'half=1', 'answer=garbage/every=3',
		'stall=1/every=5', 'drip=20', 'noheader=1', 'body=html', 'loading=700', 'fail=401');
	my $users = users($node, 2, insert => 1, update => 1, rate => 200, ids => 400, seconds => 60);
	my $before = value($node, 'SELECT last_value FROM checker.id');
	my $from = time;

	for my $kind (@kind)
	{
		point_at($node, url('vllm', split /\//, $kind));
		sleep 0.5;
	}
	point_at($node, unused_url());
	sleep 0.7;
	my $rate = (value($node, 'SELECT last_value FROM checker.id') - $before) / (time - $from);
	cmp_ok($rate, '>', 300, 'inserts go on while the server misbehaves (500 rows a second are offered)');
	point_at($node, url('vllm'));
	stop_users($users);
	$node->safe_psql('postgres', 'SELECT qwen.retry(name) FROM qwen.task');
	verdict($node, 'a server that misbehaves in ' . (@kind + 1) . ' ways');
}

# ---- F5: users change the rows that are in flight ----

{
	point_at($node, url('vllm', 'delay=20', 'jitter=60'));
	my $users = users($node, 4, insert => 2, put => 4, update => 6, delete => 2, rekey => 2, person => 3, clear => 2,
		rollback => 1, nothing => 1, rate => 1200, ids => 300, seconds => 4);
	my $sampler = stale_sampler($node);

	while (IPC::Run::pumpable($users->{run}))
	{
		$users->{run}->pump_nb;
		$sampler->{look}->();
		sleep 0.02;
	}
	my $n = users_done($users);
	cmp_ok($n, '>', 1000, "users made $n changes in flight");
	is($sampler->{seen}->(), '', 'no row with the label of an older text in ' . $sampler->{looks}->() . ' looks');
	verdict($node, 'rows changed in flight');
	is(log_count($node, 'deadlock detected'), 0, 'no deadlock');
}

{
	my $users = users($node, 4, put => 4, update => 4, rate => 400, ids => 300);

	for (1 .. 4)
	{
		sleep 0.4;
		$node->safe_psql('postgres', 'TRUNCATE ticket');
		checker_fill($node, 200);
	}
	stop_users($users);
	verdict($node, 'truncated in flight');
}

# ---- the same key again, at the same place, while the first is in flight ----

{
	point_at($node, url('vllm', 'delay=300'));
	$node->safe_psql('postgres', q(INSERT INTO ticket (id, body) VALUES (1000001, 'a bug')));
	wait_until(sub { mock_stats()->{in_flight} }, 'the request');
	$node->safe_psql('postgres', 'DELETE FROM ticket WHERE id = 1000001');
	$node->safe_psql('postgres', q(INSERT INTO ticket (id, body) VALUES (1000001, 'a refund')));
	$node->safe_psql('postgres', 'VACUUM qwen.queue');
	$node->safe_psql('postgres', q(INSERT INTO ticket (id, body) VALUES (1000002, 'a crash')));
	verdict($node, 'a key used again in flight');
	is(value($node, 'SELECT label FROM ticket WHERE id = 1000001'), 'refund', 'the label of the second text');
}

# ---- the queue's rows move while their keys are in memory ----

{
	point_at($node, url('vllm', 'delay=400'));
	checker_fill($node, 100);
	wait_until(sub { mock_stats()->{in_flight} }, 'the requests');
	$node->safe_psql('postgres', 'VACUUM FULL qwen.queue');
	point_at($node, url('vllm'));
	verdict($node, 'VACUUM FULL of the queue', 20);
}

# ---- a person's label, and a relabel, in flight ----

{
	point_at($node, url('vllm', 'delay=500'));
	$node->safe_psql('postgres', q(INSERT INTO ticket (id, body) VALUES (1000003, 'a bug')));
	wait_until(sub { mock_stats()->{in_flight} }, 'the request');
	$node->safe_psql('postgres', q(UPDATE ticket SET label = 'praise', mine = 'praise' WHERE id = 1000003));
	verdict($node, 'labelled by a person in flight');
	is(value($node, 'SELECT label, confidence FROM ticket WHERE id = 1000003'), 'praise|1', 'the person was right');

	point_at($node, url('vllm', 'delay=20'));
	$node->safe_psql('postgres', 'UPDATE ticket SET mine = NULL, label = NULL WHERE mine IS NOT NULL');
	settled($node);
	$node->safe_psql('postgres', q(INSERT INTO ticket (id, body) SELECT i, 'a bug ' || i || ' @@delay=700@@' FROM generate_series(1000011, 1000030) i));
	settled($node);
	$node->safe_psql('postgres', q(SELECT qwen.alter_task('tickets', instructions => 'Mail of a web shop.')));
	my $before = value($node, q(SELECT string_agg(label, ' ' ORDER BY id) FROM ticket WHERE id > 1000010));
	$node->safe_psql('postgres', q(SELECT qwen.relabel('tickets')));
	sleep 0.2;
	wait_until(sub { (mock_stats()->{in_flight} || 0) == 20 }, 'the slow ones alone in flight');
	like(value($node, q(SELECT concat_ws('|', application_name, state, query, wait_event_type) FROM pg_stat_activity WHERE backend_type = 'qwen_classify worker')),
		qr/^qwen_classify worker\|active\|labelling tickets: \d+ in flight\|Extension$/, 'a worker that waits for answers says what it is and does');
	$node->safe_psql('postgres', q(SELECT qwen.agree('tickets', id) FROM ticket WHERE id > 1000010));
	is(value($node, q(SELECT count(*) FROM ticket WHERE id > 1000010 AND confidence = 1)), 20, 'a person agrees while others are asked about');
	settled($node, 60);
	is(value($node, q(SELECT string_agg(label, ' ' ORDER BY id) || '|' || min(confidence) FROM ticket WHERE id > 1000010)), "$before|1",
		'agreed in flight: no answer that comes later changes it');
	$node->safe_psql('postgres', 'DELETE FROM ticket WHERE id > 1000010');
	my $users = users($node, 4, update => 4, person => 2, delete => 1, rate => 400, ids => 300, seconds => 2);
	users_done($users);
	verdict($node, 'relabelled while users change rows');
	is(value($node, q(SELECT count(*) FROM qwen.result AS r JOIN ticket AS t ON t.id = r.k JOIN qwen.task AS k ON k.id = r.task
		WHERE r.version <> k.version AND t.mine IS NULL AND t.label IS NOT NULL)), '0', 'every machine label is of the new version');
}

# ---- F6: locked rows wait, the others flow ----

{
	point_at($node, url('vllm'));
	$node->safe_psql('postgres', 'TRUNCATE ticket');
	checker_fill($node, 50);
	settled($node);
	my $holder = session($node);
	$holder->query('BEGIN');
	$holder->query('UPDATE ticket SET body = checker.text() WHERE id IN (SELECT id FROM ticket ORDER BY id LIMIT 10)');
	my $touch = session($node);
	$touch->start('UPDATE ticket SET body = checker.text() WHERE id IN (SELECT id FROM ticket ORDER BY id DESC LIMIT 5)');
	$touch->wait;
	$holder->query('SAVEPOINT a');
	$node->safe_psql('postgres', 'INSERT INTO ticket (body) SELECT checker.text() FROM generate_series(1, 300)');
	ok(wait_until(sub { value($node, 'SELECT count(*) FROM ticket WHERE label IS NULL') eq '0' }, 'the rows that are not locked', 10),
		'rows that nobody locks are labelled while others are locked');
	$holder->query('COMMIT');
	verdict($node, 'row locks');

	# the worker has the answer and the row is locked: batch mates pass
	$node->safe_psql('postgres', q(INSERT INTO ticket (id, body) VALUES (1000010, 'a bug @@delay=300@@')));
	$holder->query('BEGIN');
	$holder->query('SELECT FROM ticket WHERE id = 1000010 FOR UPDATE');
	$node->safe_psql('postgres', q(INSERT INTO ticket (id, body) SELECT 1000010 + i, 'a price ' || i || ' @@delay=300@@' FROM generate_series(1, 50) i));
	ok(wait_until(sub { value($node, 'SELECT count(*) FROM ticket WHERE id > 1000010 AND label IS NULL') eq '0' }, 'the mates of a locked row', 5),
		'the mates of a locked row pass');
	is(value($node, 'SELECT label IS NULL FROM ticket WHERE id = 1000010'), 't', 'the locked row waits');
	$holder->query('COMMIT');
	verdict($node, 'a locked row with an answer');
}

# ---- F14: more transactions than the ring holds, while the worker idles ----

{
	$node->safe_psql('postgres', q(SELECT qwen.pause('tickets')));
	my $users = users($node, 4, insert => 1, seconds => 2);
	users_done($users);
	$node->safe_psql('postgres', q(SELECT qwen.resume('tickets')));
	verdict($node, 'after a pause');

	$node->append_conf('postgresql.conf', "qwen_classify.enabled = off\n");
	$node->reload;
	sleep 0.3;
	checker_fill($node, 100);
	is(value($node, 'SELECT count(*) FROM qwen.queue'), '0', 'triggers note nothing when it is not enabled');
	$node->append_conf('postgresql.conf', "qwen_classify.enabled = on\n");
	$node->reload;
	sleep 0.3;
	$node->safe_psql('postgres', q(SELECT qwen.backfill('tickets')));
	verdict($node, 'a backfill after a time that was not enabled');

	# the server moves while existing rows are read
	$node->safe_psql('postgres', 'ALTER SYSTEM SET qwen_classify.enabled = off; ');
	$node->reload;
	wait_until(sub { value($node, 'SHOW qwen_classify.enabled') eq 'off' }, 'the setting');
	checker_fill($node, 8000);
	$node->safe_psql('postgres', 'ALTER SYSTEM SET qwen_classify.enabled = on');
	$node->reload;
	wait_until(sub { value($node, 'SHOW qwen_classify.enabled') eq 'on' }, 'the setting');
	$node->safe_psql('postgres', q(SELECT qwen.backfill('tickets')));
	for my $i (1 .. 40)
	{
		point_at($node, url('vllm', 'delay=' . ($i % 2)));
		sleep 0.03;
	}
	verdict($node, 'a server that moves during a backfill', 60);
}

# ---- F15: poison ----

{
	my $poison = q[SELECT CASE i % 3 WHEN 0 THEN '' WHEN 1 THEN 'a bug ' || i || ' @@fail=400@@' ELSE 'x ' || i || ' @@body=toolong@@' END
		FROM generate_series(1, 9) i];
	$node->safe_psql('postgres', "INSERT INTO ticket (body) $poison");
	$node->safe_psql('postgres', "INSERT INTO ticket (body) SELECT 'a price ' || i || ' ' || repeat('very long ', 200000) FROM generate_series(1, 2) i");
	$node->safe_psql('postgres', 'INSERT INTO ticket (body) VALUES (NULL)');
	checker_fill($node, 100);
	verdict($node, 'poison');
	is(value($node, q(SELECT count(*) FROM qwen.failed)), '9', 'the view shows the dead rows');
	$node->safe_psql('postgres', 'UPDATE ticket SET body = checker.text() WHERE checker.poison(body)');
	verdict($node, 'poison that was mended');
	is(value($node, 'SELECT count(*) FROM qwen.dead'), '0', 'a mended text leaves the dead');
}

# ---- F3: DROP EXTENSION in flight ----

{
	point_at($node, url('vllm', 'stall=1'));
	checker_fill($node, 20);
	wait_until(sub { mock_stats()->{in_flight} }, 'the requests');
	my $r = run_sql($node, 'DROP EXTENSION qwen_classify CASCADE');
	is($r->{rc}, 0, 'DROP EXTENSION with requests in flight') or diag $r->{err};
	cmp_ok($r->{seconds}, '<', 2, 'and it does not wait for them');
	ok(wait_until(sub { !worker_pid($node) }, 'the worker to leave', 2), 'the worker leaves');
	$node->safe_psql('postgres', 'INSERT INTO ticket (body) VALUES (checker.text())');
	is(log_count($node, 'PANIC|TRAP|signal 11'), 0, 'nothing crashed by itself');
}

$node->stop;
done_testing();
