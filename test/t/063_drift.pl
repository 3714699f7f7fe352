# Alarms when labels are mixed otherwise than they were: none on the same mix,
# one on another, what the chart shows, and the worker that looks by itself.
use strict;
use warnings;
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(preload => 1, conf => "autovacuum = off\n");

server($node, 'qwen', url('vllm', 'conf=0.9'));

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }
sub error_of { return run_sql($node, $_[0])->{err} =~ /ERROR:  (.*)/s ? $1 : '' }
sub chart { return sql("SELECT * FROM qwen.drift($_[0])") }
sub alerts { return sql("SELECT count(*) FROM qwen.alerts WHERE task = '$_[0]'" . ($_[1] ? " AND kind = '$_[1]'" : '')) }

sub task
{
	my ($name, $args) = @_;

	sql("SELECT qwen.create_task('$name', '{refund,bug,praise}', server => 'qwen', with_reason => false" . ($args || '') . ')',
		"CREATE TABLE $name (id int PRIMARY KEY, body text, label text, confidence float8, reason text)",
		"SELECT qwen.attach('$name', '$name', 'body')");
}

# Results as the worker would write them: in each ten, so many of each label; all a minute apart.
sub results
{
	my ($name, $from, $to, $refund, $bug, %opt) = @_;
	my $confidence = $opt{confidence} || '0.5 + (i * 7919 % 1000) / 2001.0';
	my $at = $opt{at} || 'clock_timestamp()';

	sql("INSERT INTO qwen.result (task, k, text_hash, version, label, confidence, source, coverage, at) "
		  . "SELECT t.id, i, 0, t.version, CASE WHEN i % 10 < $refund THEN 'refund' WHEN i % 10 < $refund + $bug THEN 'bug' ELSE 'praise' END, "
		  . "$confidence, 'masked', " . ($opt{coverage} || '0.99') . ", $at FROM qwen.task t, generate_series($from, $to) i WHERE t.name = '$name'");
}

# ---- the setting ----

like(error_of("SELECT qwen.create_task('bad', '{a,b}', drift_every => 10)"), qr/^drift_every must be at least 50.*HINT/s, 'a look needs some labels');
task('mix', ', drift_every => 200');
is(sql("SELECT drift_every FROM qwen.task WHERE name = 'mix'"), '200', 'create_task sets it');
sql("SELECT qwen.alter_task('mix', drift_every => 300)", "SELECT qwen.alter_task('mix', priority => 11)");
is(sql("SELECT drift_every, version FROM qwen.task WHERE name = 'mix'"), '300|1', 'alter_task does, and makes no new version');

# ---- collecting, the reference, the same mix, another mix ----

sql("SELECT qwen.pause('mix')");
results('mix', 1, 1500, 4, 4);
like(chart("'mix', look_now => true"), qr/^collecting: 1500 labels of version 1, 2000 make a reference/, 'too few labels are no reference');
is(sql("SELECT count(*) FROM qwen.drift_window"), '0', 'and nothing is compared');
results('mix', 1501, 2500, 4, 4);
like(chart("'mix', look_now => true"), qr/2500 labels, the reference \(confidence from masked\)\n  bug +40\.0 % +\#{16}\n.*no alarms/s, 'then they are one');
for my $i (0 .. 9)
{
	results('mix', 3001 + $i * 300, 3300 + $i * 300, 4, 4);
	sql("SELECT * FROM qwen.drift('mix', look_now => true)");
}
is(alerts('mix'), '0', 'ten windows of the same mix raise no alarm');
is(sql("SELECT count(*), min(rows), max(rows) FROM qwen.drift_window WHERE win <> reference"), '10|300|300', 'though all were looked at');
results('mix', 7001, 7300, 7, 2);
my $session = run_sql($node, "LISTEN qwen_alert; SELECT * FROM qwen.drift('mix', look_now => true);");
like($session->{out}, qr/notification "qwen_alert" with payload "labels \d+"/, 'another mix notifies');
is(sql("SELECT message FROM qwen.alerts WHERE task = 'mix' AND kind = 'labels'"),
	'label "refund" went from 40.0 % of the first 2500 labels to 70.0 % of the last 300', 'the alarm names the label that moved');
like(sql("SELECT hint FROM qwen.alerts WHERE kind = 'labels'"), qr/qwen\.drift\('mix'\).*qwen\.audit\('mix', 50\)/, 'and says what to do');
is(sql("SELECT detail ->> 'label' FROM qwen.alert WHERE kind = 'labels'"), 'refund', 'for programs, too');
is(alerts('mix', 'confidence') . alerts('mix', 'coverage'), '00', 'what did not move is not named');
open my $log, '<', $node->logfile or die $!;
like(join('', <$log>), qr/LOG:  task "mix": label "refund" went from/, 'a line is in the log');
close $log;
my $chart = chart("'mix'");
like($chart, qr/300 labels; PSI 0\.\d+, which no alarm goes by\n  bug +20\.0 % \(-20\.0\)  \#{8}\n  refund +70\.0 % \(\+30\.0\)  \#{28}\n/, 'the chart shows it');
like($chart, qr/last alarms.*label "refund" went from/s, 'with the last alarms');
is((grep { length > 100 } split /\n/, $chart), 0, 'in 100 columns');
results('mix', 7301, 7600, 7, 2);
sql("SELECT * FROM qwen.drift('mix', look_now => true)");
is(alerts('mix'), '1', 'a change that lasts is said once in a week');
sql("DELETE FROM qwen.result WHERE k < 2000");
like(chart("'mix'"), qr/2500 labels, the reference/, 'rows that are gone leave the reference as it was');

# ---- confidence and coverage ----

results('mix', 8001, 8300, 4, 4, confidence => '0.4 + (i * 7919 % 1000) / 2001.0');
sql("SELECT * FROM qwen.drift('mix', look_now => true)");
like(sql("SELECT message FROM qwen.alerts WHERE kind = 'confidence'"), qr/^the confidence moved: its median was 0\.7\d+ .* and is 0\.6\d+ in the last 300$/, 'confidences that fall');
results('mix', 8301, 8600, 4, 4, coverage => '0.5');
sql("SELECT * FROM qwen.drift('mix', look_now => true)");
like(sql("SELECT message FROM qwen.alerts WHERE kind = 'coverage'"), qr/^the probability that falls on labels moved: its median was 0\.99/, 'labels that the model does not mean');

# ---- days that differ more than by chance ----

task('clumps');
sql("SELECT qwen.pause('clumps')");
results('clumps', 1 + 400 * $_, 400 + 400 * $_, $_ % 2 ? 7 : 1, 2, at => "now() - interval '@{[ 20 - $_ ]} days'") for 0 .. 9;
sql("SELECT * FROM qwen.drift('clumps', look_now => true)");
cmp_ok(sql("SELECT phi FROM qwen.drift_window WHERE win = reference AND task = (SELECT id FROM qwen.task WHERE name = 'clumps')"), '>', 20,
	'days that differ are known');
results('clumps', 5001, 5400, 7, 2);
sql("SELECT * FROM qwen.drift('clumps', look_now => true)");
is(alerts('clumps'), '0', 'and one more such day is no alarm');
like(chart("'clumps'"), qr/days of the reference differ \d+\.\d times as much as by chance/, 'the chart says so');

# ---- anew, new versions, new names ----

sql("SELECT * FROM qwen.drift('mix', anew => true)");
like(chart("'mix'"), qr/^collecting: 0 labels/, 'anew begins another reference');
results('mix', 10001, 12000, 7, 2);
like(chart("'mix', look_now => true"), qr/2000 labels, the reference.*refund +70\.0/s, 'of what comes then');
sql("SELECT qwen.alter_task('mix', rename => '{\"refund\": \"money\", \"bug\": \"refund\"}')");
like(chart("'mix'"), qr/2000 labels, the reference.*  money +70\.0.*  refund +20\.0/s, 'new names leave it, under the new names');
sql("SELECT qwen.alter_task('mix', instructions => 'Mail.')");
like(chart("'mix'"), qr/^collecting: 0 labels of version 3/, 'a new version has a reference of its own');

# ---- rights ----

sql("CREATE ROLE reader", "CREATE ROLE stranger", "GRANT SELECT ON mix TO reader");
like(sql("SET ROLE reader", "SELECT * FROM qwen.drift('mix')"), qr/^collecting/, 'who may read the table sees the chart');
like(error_of("SET ROLE reader; SELECT * FROM qwen.drift('mix', look_now => true)"), qr/^must be owner/, 'the owner alone looks at once');
like(error_of("SET ROLE reader; SELECT * FROM qwen.drift('mix', anew => true)"), qr/^must be owner/, 'or begins anew');
like(error_of("SET ROLE stranger; SELECT * FROM qwen.drift('mix')"), qr/^permission denied/, 'others see nothing');
is(sql("SET ROLE reader", "SELECT count(*) FROM qwen.alerts"), '0', 'alerts are the owner\'s');

# ---- the worker ----

task('live', ', drift_every => 200');
sql("INSERT INTO live (id, body) SELECT i, CASE WHEN i % 2 = 0 THEN 'refund ' ELSE 'bug ' END || i FROM generate_series(1, 2100) i", "CALL qwen.wait('live', '60s')");
ok(wait_until(sub { chart("'live'") =~ /2100 labels, the reference/ }, 'the reference', 60), 'the worker makes the reference');
sql("INSERT INTO live (id, body) SELECT i, CASE WHEN i % 2 = 0 THEN 'refund ' ELSE 'bug ' END || i FROM generate_series(2101, 2300) i", "CALL qwen.wait('live', '60s')");
ok(wait_until(sub { chart("'live'") =~ /200 labels; PSI/ }, 'a window', 60), 'it looks at what follows');
is(alerts('live'), '0', 'the same mix is no alarm');
sql("INSERT INTO live (id, body) SELECT i, 'praise ' || i FROM generate_series(2301, 2500) i", "CALL qwen.wait('live', '60s')");
ok(wait_until(sub { alerts('live', 'labels') eq '1' }, 'the alarm', 60), 'another one is');
like(sql("SELECT message FROM qwen.alerts WHERE task = 'live'"), qr/^label "praise" went from 0\.0 % of the first 2100 labels to 100\.0 % of the last 200$/, 'with its label');

# Answers by plain UPDATEs, which the worker sees: harm without anybody asking.
is(sql("SELECT count(*) FROM qwen.audit('live', 100)"), '100', 'audits');
sql("SELECT count(qwen.correct('live', v.k, v.label)) FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task WHERE name = 'live'");
is(sql("SELECT value ~ '^certified' FROM qwen.certify('live') WHERE item = 'state'"), 't', 'a certificate');
sql("SELECT count(*) FROM qwen.audit('live', 30)");
sql("UPDATE live SET label = CASE label WHEN 'bug' THEN 'praise' ELSE 'bug' END WHERE id = $_")
  for split /\n/, sql("SELECT k FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task WHERE name = 'live' AND human IS NULL");
sql("INSERT INTO live (id, body) SELECT i, 'praise ' || i FROM generate_series(2501, 2800) i", "CALL qwen.wait('live', '60s')");
ok(wait_until(sub { alerts('live', 'harm') eq '1' }, 'the harm alarm', 60), 'the worker watches it');
is(sql("SELECT state FROM qwen.certificate"), 'suspended', 'and suspends it');

$node->stop;
done_testing();
