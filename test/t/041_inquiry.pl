# One text, several requests: votes where a server gives no probabilities.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $LABELS = "ARRAY['refund','bug','praise']";

start_mock();
my $node = start_node(preload => 1, conf => "max_connections = 30\nqwen_classify.worker_idle_timeout = 10s\n");
server($node, 'plain', url('plain', 'conf=0.6'));
server($node, 'seeded', url('openai', 'logprobs=none', 'conf=0.6'));
server($node, 'sure', url('vllm'));
server($node, 'unseeded', url('openai', 'logprobs=none', 'conf=0.6', 'refuse_field=seed'));
server($node, 'slow', url('plain', 'delay=20000'));

sub sql { return $node->safe_psql('postgres', $_[0]) }

# What came, and how many requests were made for it.
sub asked { return run_counted($node, $_[0]) }

# Texts that hold a label's name, so that the model is 0.6 sure of it.
sql("CREATE TABLE text AS SELECT i AS id, 'the bug number ' || i AS body FROM generate_series(1, 40) i");

# ---- in a query ----

sql("SELECT qwen.create_task('plain', $LABELS, server => 'plain', votes => 5)");
my ($out, $n, $err) = asked("SELECT c.label, c.confidence, c.reason FROM text, qwen_classify(body, task => 'plain') c");
my @rows = map { [ split /\|/ ] } split /\n/, $out;
is($err, '', 'votes need no notice: the confidence is not the model\'s own word');
is($n, 5 * 40, 'each text is asked about as often as there are votes');
is(scalar(grep { my $c = $_->[1] * 6.5 - 0.5; abs($c - sprintf('%.0f', $c)) > 1e-9 || $c < 2 || $c > 5 } @rows), 0,
	'the confidence is the share of the draws, with half a draw for each label');
my %seen = map { $_->[1] => 1 } @rows;
cmp_ok(scalar(keys %seen), '>', 2, 'which differs from text to text');
cmp_ok(scalar(grep { $_->[0] eq 'bug' } @rows), '>', 20, 'most texts get the likeliest label');
is(scalar(grep { $_->[2] !~ /$_->[0]/ } @rows), 0, 'the reason is one for the label that won');
is(mock_last()->{temperature}, 1, 'a draw is at temperature 1');
is(sql("SELECT count(*) FROM (SELECT sum(v::float8) s FROM (SELECT * FROM text LIMIT 5) t, jsonb_each_text(qwen_scores(body, task => 'plain')) AS e(l, v) GROUP BY id) x WHERE abs(s - 1) < 1e-6"),
	'5', 'the scores of all labels are the shares');

($out, $n, $err) = asked("SELECT qwen_label('a bug', $LABELS, server => 'plain')");
is($n, 1, 'without a task a text is asked about once') or diag $err;
sql("SELECT qwen.create_task('once', $LABELS, server => 'plain')");
($out, $n) = asked("SELECT qwen_label('a bug', task => 'once')");
is($n, 1, 'as with a task without votes');
($out, $n) = asked("SELECT count(*) FROM generate_series(1, 10) i WHERE qwen_label('a bug, again', task => 'plain') IS NOT NULL");
is($n, 5, 'equal texts share their draws');
($out, $n) = asked("SELECT qwen_label('one', task => 'plain'), qwen_label('one', task => 'once'), qwen_label('one', $LABELS, server => 'plain')");
is($n, 6, 'a question with votes is another than one without');

# ---- seeds ----

sql("SELECT qwen.create_task('seeded', $LABELS, server => 'seeded', votes => 4)");
($out, $n) = asked("SELECT c.label FROM qwen_classify('the first bug', task => 'seeded') c");
is($n, 6, 'a server is asked in the plain way until it is known to give no probabilities');
my $sql = "SELECT qwen_label(body, task => 'seeded'), qwen_scores(body, task => 'seeded') FROM text";
($out, $n) = asked($sql);
is($n, 4 * 40, 'then not any more');
my %seed = map { $_->{seed} => 1 } @{ mock_last(64) };
is(join(',', sort keys %seed), '1,2,3,4', 'each draw has its seed');
is((asked($sql))[0], $out, 'so that the same text comes to the same label and shares again');
sql("SELECT qwen.create_task('unseeded', $LABELS, server => 'unseeded', votes => 3)");
is((asked("SELECT count(qwen_label(body, task => 'unseeded')) FROM text"))[0], '40', 'a server that refuses a seed is asked without');
ok(!exists mock_last()->{seed}, 'from then on');

# ---- where there are probabilities ----

sql("SELECT qwen.create_task('sure', $LABELS, server => 'sure', votes => 5)");
($out, $n) = asked("SELECT count(qwen_label(body, task => 'sure')) FROM text");
is($n, 40, 'where a server gives probabilities there are no votes');
ok(mock_last()->{temperature} == 0, 'and nothing is drawn');

# ---- counts, limits, failures, cancel ----

$out = sql("EXPLAIN (ANALYZE, COSTS off) SELECT qwen_label(body, task => 'plain') FROM text");
like($out, qr/Requests: 200\b/, 'EXPLAIN counts requests');
($out, $n, $err) = asked("SET qwen_classify.max_requests = 12; SELECT count(qwen_label(body, task => 'plain')) FROM text");
like($err, qr/reached the limit of 12 requests/, 'a limit of requests is one of requests');
cmp_ok($n, '<=', 12, 'no more are sent');
mock_reset();
sql("SET qwen_classify.max_in_flight = 3; SELECT count(qwen_label(body, task => 'plain')) FROM text");
cmp_ok(mock_stats()->{max_in_flight}, '<=', 3, 'no more are in flight than may be');
($out, $n, $err) = asked("SET qwen_classify.on_error = 'error'; SELECT qwen_label('a bug \@\@fail=422;times=1\@\@', task => 'seeded')");
like($err, qr/ERROR/, 'a draw that fails fails the text');
($out, $n, $err) = asked("SELECT c.label IS NULL, c.confidence IS NULL, c.reason <> '' FROM qwen_classify('a bug \@\@fail=422;times=1\@\@', task => 'seeded') c");
is($out, 't|t|t', 'which is told as that of a request is');
($out, $n, $err) = asked("SELECT count(qwen_label('a bug \@\@fail=500;times=1\@\@' || i, task => 'seeded')) FROM generate_series(1, 3) i");
is($out, '3', 'a fault of the server is waited out, draw by draw');
is($n, 3 * 4 + 3, 'by the draw that met it');
sql("SELECT qwen.create_task('slow', $LABELS, server => 'slow', votes => 5)");
my $r = run_sql($node, "SET statement_timeout = '1s'; SELECT qwen_label('a bug', task => 'slow')");
like($r->{err}, qr/statement timeout/, 'a cancel takes effect');
cmp_ok($r->{seconds}, '<', 3, 'at once');

# ---- the version ----

sql("SELECT qwen.alter_task('once', votes => 0)");
is(sql("SELECT version, votes FROM qwen.task WHERE name = 'once'"), '1|0', 'the same again changes nothing');
sql("SELECT qwen.alter_task('once', votes => 3)");
is(sql("SELECT version, votes FROM qwen.task WHERE name = 'once'"), '2|3', 'votes make a new version');
sql("SELECT qwen.alter_task('once', priority => 11)");
is(sql("SELECT version, votes FROM qwen.task WHERE name = 'once'"), '2|3', 'and stay when something else changes');
is((asked("SELECT qwen_label('two', task => 'once')"))[1], 3, 'and are asked for');

# ---- in the background ----

sql("CREATE TABLE ticket (id int PRIMARY KEY, body text, label text, confidence float8, reason text)");
sql("SELECT qwen.attach('plain', 'ticket', 'body')");
mock_reset();
sql("INSERT INTO ticket (id, body) SELECT * FROM text");
ok(wait_until(sub { sql("SELECT count(*) FROM ticket WHERE label IS NULL") eq '0' }, 'the labels'), 'the worker labels by votes');
is(mock_stats()->{requests}, 5 * 40, 'with as many requests');
is(sql("SELECT count(*) FROM ticket WHERE abs(confidence * 6.5 - 0.5 - round(confidence * 6.5 - 0.5)) > 1e-9"), '0', 'the confidence is their share');
is(sql("SELECT DISTINCT source FROM qwen.result"), 'vote', 'qwen.result says where it comes from');
is(sql("SELECT count(*) FROM qwen.result WHERE cardinality(top) = 3 AND verbal BETWEEN 0.01 AND 1 AND coverage IS NULL"), '40',
	'it has the share of every label, and what the model said of itself');
ok(wait_until(sub { sql("SELECT source FROM qwen.progress WHERE task = 'plain'") eq 'vote' }, 'the view'), 'so does qwen.progress');

done_testing();
