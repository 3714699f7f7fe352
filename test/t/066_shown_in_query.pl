# The same number from the same task: what a query shows beside what the worker
# wrote into the row, by every kind of calibration; and where it says nothing.
use strict;
use warnings;
use QwenTest;
use Test::More;

my $labels = "ARRAY['refund','bug','praise']";
my %next;

start_mock();
my $node = start_node(preload => 1, conf => "qwen_classify.worker_idle_timeout = 60\n");
server($node, 'masked', url('vllm', 'delay=5'));
server($node, 'other', url('vllm'));
server($node, 'open', url('llamacpp'));
server($node, 'voting', url('openai', 'logprobs=none', 'conf=0.6'));

sub sql { return $node->safe_psql('postgres', $_[0]) }

# A task that labels a table of its name.
sub table
{
	my ($name, $server, $more) = @_;

	sql("CREATE TABLE $name (id bigint PRIMARY KEY, body text, label text, confidence float8, reason text);"
		  . "SELECT qwen.create_task('$name', $labels, server => '$server', with_reason => false" . ($more || '') . ");"
		  . "SELECT qwen.attach('$name', '$name', 'body')");
	$next{$name} = 1;
}

# Rows that the worker labels now; the condition that names them.
sub fresh_rows
{
	my ($name, $n) = @_;
	my $from = $next{$name};
	my $to = $from + $n - 1;

	$next{$name} += $n;
	sql("INSERT INTO $name (id, body) SELECT i, '\@\@coverage=' || 0.3 + (i % 7) / 10.0 || '\@\@ the bug number ' || i FROM generate_series($from, $to) i");
	ok(wait_until(sub { sql("SELECT count(*) FROM $name WHERE id BETWEEN $from AND $to AND label IS NOT NULL") == $n }, 'labels'), "$name: $n new rows");
	return "t.id BETWEEN $from AND $to";
}

# Of new rows: how many a query shows as they were written, and how many of them are calibrated.
sub compared
{
	my ($name, $call) = @_;
	my $rows = fresh_rows($name, 20);

	$call ||= "qwen_classify(t.body, task => '$name')";
	return sql("SELECT count(*) FILTER (WHERE c.label = t.label AND c.confidence = t.confidence), count(*) FILTER (WHERE c.confidence <> r.confidence) "
		  . "FROM $name t JOIN qwen.result r ON r.k = t.id JOIN qwen.task q ON q.id = r.task AND q.name = '$name', LATERAL $call c WHERE $rows");
}

# A calibration by hand, and the worker told of it.
sub calibrated_by
{
	my ($name, $method, @params) = @_;

	sql("INSERT INTO qwen.calibration (task, version, server, source, method, params, n, metrics) "
		  . "SELECT q.id, q.version, q.server, (SELECT source FROM qwen.result r WHERE r.task = q.id LIMIT 1), '$method', '{" . join(',', @params) . "}', 100, '{}' "
		  . "FROM qwen.task q WHERE q.name = '$name' ON CONFLICT (task) DO UPDATE SET method = excluded.method, params = excluded.params, source = excluded.source, "
		  . "version = excluded.version; SELECT qwen.alter_task('$name', priority => (SELECT priority % 100 + 1 FROM qwen.task WHERE name = '$name'))");
}

subtest 'by the number alone' => sub {
	table('ticket', 'masked');
	is(compared('ticket'), '20|0', 'without a calibration both show the raw number');
	sql("SELECT count(*) FROM qwen.calibrate('ticket')");
	is(compared('ticket'), '20|20', 'the shipped prior');
	is(sql("SELECT DISTINCT method FROM qwen.calibration"), 'prior', 'which it was');

	sql("INSERT INTO qwen.review_row (task, k, kx, text_hash, role, prob, version, label, confidence, coverage, source, top, human, reviewer, reviewed_at) "
		  . "SELECT task, k, kx, text_hash, 'audit', 1, r.version, r.label, confidence, coverage, r.source, top, "
		  . "CASE WHEN k % 3 = 0 THEN (SELECT l FROM unnest($labels) l WHERE l <> r.label LIMIT 1) ELSE r.label END, 'anna', now() FROM qwen.result r ORDER BY k LIMIT 30");
	is(sql("SELECT value FROM qwen.calibrate('ticket') WHERE item = 'method'"), 'platt', '30 reviews');
	is(compared('ticket'), '20|20', 'a fitted map');
	is(compared('ticket', "qwen.answer(t.body, 'ticket')"), '20|20', 'qwen.answer likewise');
	is(sql("SELECT count(*) FROM ticket t JOIN qwen.result r ON r.k = t.id, LATERAL qwen.answer(t.body, 'ticket') a "
		  . "WHERE a.raw = r.confidence AND a.source = r.source AND a.label = r.label"), sql('SELECT count(*) FROM qwen.result'),
		'with what qwen.result keeps beside it');
};

subtest 'in one statement' => sub {
	mock_reset();
	my $r = run_sql($node, q{LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET client_min_messages = log;
		SELECT count(c.confidence) FROM ticket t, LATERAL qwen_classify(t.body, task => 'ticket') c WHERE t.id <= 40});
	is($r->{out}, 40, '40 rows');
	is(mock_stats()->{requests}, 40, 'a request each');
	cmp_ok(mock_stats()->{max_in_flight}, '>', 1, 'several at once');
	is(scalar(() = $r->{err} =~ /FROM qwen\.calibration/g), 1, 'the calibration is read once');

	my $same = "SELECT count(*) FROM ticket t JOIN before b USING (id) WHERE t.confidence IS DISTINCT FROM b.confidence";
	sql("CALL qwen.recalibrate_now('ticket')");
	sql("CREATE TABLE before AS SELECT * FROM ticket");
	sql("UPDATE ticket SET confidence = 0.111; UPDATE ticket SET (label, confidence, reason) = (SELECT * FROM qwen_classify(body, task => 'ticket'))");
	is(sql($same), 0, 'an UPDATE in place writes what the worker wrote');
	is(sql("SELECT count(*) FROM (SELECT id, (qwen_classify(body, task => 'ticket')).* FROM before) c JOIN before b USING (id) WHERE c.confidence = b.confidence"),
		sql("SELECT count(*) FROM before"), 'and so does a row type in a select list');
	is(sql("BEGIN; DELETE FROM qwen.calibration; SELECT count(*) FROM before b JOIN qwen.result r ON r.k = b.id, "
		  . "LATERAL qwen_classify(b.body, task => 'ticket') c WHERE c.confidence = r.confidence; ROLLBACK"), sql("SELECT count(*) FROM before"),
		'the next statement of a transaction sees that the calibration is gone');
};

subtest 'somebody who may read the table' => sub {
	sql('CREATE ROLE reader; GRANT USAGE ON FOREIGN SERVER masked TO reader; GRANT SELECT ON ticket, before TO reader');
	my $r = run_sql($node, "SET ROLE reader; SELECT count(*) FROM before b, LATERAL qwen_classify(b.body, task => 'ticket') c WHERE c.confidence = b.confidence");
	is($r->{out}, sql('SELECT count(*) FROM before'), 'sees the same numbers') or diag $r->{err};
};

subtest 'what the calibration says nothing of' => sub {
	my $raw = sub { sql("SELECT count(*) FILTER (WHERE c.confidence = r.confidence) FROM ticket t JOIN qwen.result r ON r.k = t.id, LATERAL qwen_classify(t.body, $_[0]) c WHERE t.id <= 20") };

	is($raw->("task => 'ticket'"), 0, 'the task as it is: calibrated');
	is($raw->("task => 'ticket', server => 'masked', with_reason => false, long_text => 'head_tail'"), 0, 'saying what the task says changes nothing');
	is($raw->("task => 'ticket', server => 'other'"), 20, 'another server');
	is(sql("SELECT count(*) FROM ticket t JOIN qwen.result r ON r.k = t.id, LATERAL qwen_classify(t.body, task => 'ticket', server => CASE WHEN t.id % 2 = 0 THEN 'masked' ELSE 'other' END) c "
		  . "WHERE t.id <= 20 AND (c.confidence = r.confidence) = (t.id % 2 = 1)"), 20, 'servers in turn');
	is($raw->("task => 'ticket', long_text => 'split'"), 20, 'another way with long texts');
	is($raw->("labels => $labels, with_reason => false, server => 'masked'"), 20, 'the same labels without the task');
	is(sql("SELECT count(*) FROM ticket t, LATERAL qwen_classify(t.body, task => 'ticket', with_reason => true) c JOIN LATERAL qwen_classify(t.body, $labels, server => 'masked') d "
		  . "ON d.confidence = c.confidence WHERE t.id <= 20"), 20, 'another form of answer');
	is(sql("SELECT count(*) FROM ticket t JOIN qwen.result r ON r.k = t.id, LATERAL qwen_scores(t.body, task => 'ticket') s WHERE abs((s ->> 'refund')::float8 - r.top[1]) < 2e-6 "
		  . "AND abs((s ->> 'bug')::float8 - r.top[2]) < 2e-6 AND abs((s ->> 'praise')::float8 - r.top[3]) < 2e-6 AND t.id <= 20"), 20, 'qwen_scores gives what qwen.result keeps');

	sql("ALTER SERVER masked OPTIONS (ADD model 'qwen2.5-7b')");
	is(compared('ticket'), '20|0', 'another model: both show the raw number');
	sql('ALTER SERVER masked OPTIONS (DROP model)');
	is(compared('ticket'), '20|20', 'as before: both are calibrated');
	sql("SELECT qwen.alter_task('ticket', instructions => 'Mail of a shop.')");
	is(compared('ticket'), '20|0', 'another version: raw');
	calibrated_by('ticket', 'temp', 0.5);
	is(compared('ticket'), '20|20', 'until it is calibrated');
	sql("UPDATE qwen.calibration SET source = 'vote'; SELECT qwen.alter_task('ticket', priority => 30)");
	is(compared('ticket'), '20|0', 'numbers of another source: raw');
};

subtest 'by more than the number' => sub {
	table('rich', 'open');
	fresh_rows('rich', 5);
	calibrated_by('rich', 'platt+mix+coverage+labels', 0.7, 0.3, 0.8, 0.1, 0.9, -0.2, 0.9, 0.2, -0.1, 1.1, 0.8, 1.0, 0.2, -0.3, 0.1, 3);
	is(compared('rich'), '20|20', 'mix, coverage and labels count');
	cmp_ok(sql("SELECT count(DISTINCT coverage) FROM qwen.result r JOIN qwen.task q ON q.id = r.task AND q.name = 'rich'"), '>', 3, 'of which the coverage differs');
	is(sql("SELECT count(*) FROM rich t, LATERAL qwen_classify(t.body, task => 'rich') c WHERE t.id > 5 AND c.confidence = t.confidence"), 20, 'in a query of its own');
};

subtest 'quality takes all of it' => sub {
	fresh_rows('rich', 180);
	sql("CREATE TABLE gold AS SELECT id, body, CASE WHEN id % 4 = 0 THEN 'praise' ELSE label END AS label FROM rich WHERE id > 5");
	my $measure = "round(avg((t.%s - (g.label = t.label)::int) ^ 2)::numeric, 3)::float8 FROM gold g JOIN %s t USING (id)";

	is(sql("SELECT value FROM qwen.quality('rich', gold => 'SELECT id, label FROM gold') WHERE part = 'calibrated' AND item = 'Brier'"),
		sql('SELECT ' . sprintf($measure, 'confidence', 'rich')), 'the calibrated Brier score is that of what the worker wrote');
	isnt(sql("SELECT value FROM qwen.quality('rich', gold => 'SELECT id, label FROM gold') WHERE part = 'calibrated' AND item = 'Brier'"),
		sql('SELECT ' . sprintf($measure, 'confidence', "(SELECT r.k AS id, r.label, qwen.shown_confidence(r.task, r.source, r.label, r.confidence, NULL, NULL, NULL) AS confidence "
			  . "FROM qwen.result r JOIN qwen.task q ON q.id = r.task AND q.name = 'rich')")), 'which the number and the label alone do not make');
	is(sql("SELECT value FROM qwen.quality('rich', gold => 'SELECT body, label FROM gold') WHERE part = 'confidence' AND item = 'Brier'"),
		sql('SELECT ' . sprintf($measure, 'confidence', "(SELECT r.k AS id, r.label, r.confidence FROM qwen.result r JOIN qwen.task q ON q.id = r.task AND q.name = 'rich')")),
		'the other one that of what the server said');
};

subtest 'votes with the number beside them' => sub {
	table('voted', 'voting', ', votes => 5');
	fresh_rows('voted', 5);
	is(sql("SELECT DISTINCT r.source FROM qwen.result r JOIN qwen.task q ON q.id = r.task AND q.name = 'voted'"), 'vote', 'the source');
	is(compared('voted'), '20|0', 'raw without a calibration');
	calibrated_by('voted', 'pair', 0.4, 0.3, 0.2);
	is(compared('voted'), '20|20', 'both numbers count');
};

subtest 'none of the labels' => sub {
	table('unsure', 'masked', ', abstain => true');
	fresh_rows('unsure', 3);
	calibrated_by('unsure', 'temp', 0.5);
	is(compared('unsure'), '20|20', 'a label is calibrated');
	is(sql("SELECT label IS NULL, confidence = raw, raw > 0.5 FROM qwen.answer('none of these, really', 'unsure')"), 't|t|t', 'that none fits is not');
};

subtest 'qwen.answer of what cannot be answered' => sub {
	like(run_sql($node, "SELECT * FROM qwen.answer('x', NULL)")->{err}, qr/task must not be NULL.*qwen\.progress/s, 'no task');
	like(run_sql($node, "SELECT * FROM qwen.answer('x', 'nothing')")->{err}, qr/task "nothing" does not exist/, 'no such task');
	is(sql("SELECT (qwen.answer(NULL, 'rich')) IS NULL"), 't', 'no text');
	is(run_sql($node, "SELECT label IS NULL, confidence IS NULL, reason, raw IS NULL, source IS NULL FROM qwen.answer(' ', 'rich')")->{out},
		't|t|the text is empty|t|t', 'an empty one');
	is(run_sql($node, "SET qwen_classify.on_error = 'label'; SELECT label, confidence, raw IS NULL FROM qwen.answer(' ', 'rich')")->{out}, 'error|0|t', 'and where errors are labels');
	sql("SELECT qwen.create_task('several', $labels, server => 'masked', mode => 'multi')");
	like(run_sql($node, "SELECT * FROM qwen.answer('x', 'several')")->{err}, qr/gives a text several labels.*qwen_labels/s, 'several labels');
	like(run_sql($node, "SET ROLE reader; SELECT * FROM qwen.answer('x', 'rich')")->{err}, qr/permission denied for task/, 'somebody else');
};

done_testing();
