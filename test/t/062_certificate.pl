# A promise about a task's labels: what begins and ends a certificate, the walk
# over its audits computed a second time, and label shares put right by audits.
# What the model said is put into the tables, but for the last part.
use strict;
use warnings;
use POSIX 'ceil';
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(preload => 1, conf => "autovacuum = off\n");

server($node, 'nowhere', unused_url(), model => 'm', api => 'openai');

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }

# The error of a statement with its hint, or nothing; and its notices.
sub error_of { return run_sql($node, $_[0])->{err} =~ /ERROR:  (.*)/s ? $1 : '' }
sub notices_of { return run_sql($node, $_[0])->{err} }

# qwen.certify as a hash of its items.
sub certify
{
	my ($args) = @_;
	my %item;

	for (split /\x1e/, $node->safe_psql('postgres',
			"SELECT item || E'\\x1f' || translate(value, E'\\n', ' ') || E'\\x1e' FROM qwen.certify($args)"))
	{
		my ($name, $value) = split /\x1f/;
		$name =~ s/^\s+//;
		$item{$name} = $value if defined $value;
	}
	return \%item;
}

# A paused task on a table of its name with n labelled rows: confidences 0.5 to
# 1, of which those below 0.6 are wrong (true_label says what is right).
sub task
{
	my ($name, $n) = @_;

	sql("SELECT qwen.create_task('$name', '{refund,bug,praise}', server => 'nowhere')",
		"SELECT qwen.pause('$name')",
		"UPDATE qwen.task SET seed = 42 WHERE name = '$name'",	# the same draws in each run
		"CREATE TABLE $name (id int PRIMARY KEY, body text, region text, true_label text, label text, confidence float8, reason text)",
		"SELECT qwen.attach('$name', '$name', 'body')");
	rows($name, 1, $n);
}

sub rows
{
	my ($name, $from, $to) = @_;

	sql("INSERT INTO $name (id, body, region, label, confidence) SELECT i, 'text ' || i, 'r' || i % 2, "
		  . "(ARRAY['refund','bug','praise'])[1 + i % 3], 0.5 + (i * 7919 % 1000) / 2000.0 FROM generate_series($from, $to) i",
		"UPDATE $name SET true_label = CASE WHEN confidence < 0.6 THEN CASE label WHEN 'bug' THEN 'praise' ELSE 'bug' END ELSE label END WHERE id BETWEEN $from AND $to");
	results($name, "s.id BETWEEN $from AND $to");
}

# What the model would have said, under the task's present version.
sub results
{
	my ($name, $where) = @_;

	sql("INSERT INTO qwen.result AS r (task, k, text_hash, version, label, confidence, source, coverage) "
		  . "SELECT t.id, s.id, qwen.input_hash(s.body), t.version, s.label, s.confidence, 'masked', 0.99 "
		  . "FROM $name s, qwen.task t WHERE t.name = '$name' AND $where "
		  . "ON CONFLICT (task, k, kx) DO UPDATE SET version = excluded.version");
}

# People answer audits that they were shown, by the true label or what is given.
sub answer
{
	my ($name, $where, $label) = @_;

	$label ||= 's.true_label';
	for (1 .. 20)
	{
		last if sql("SELECT count(qwen.correct('$name', x.id, x.l)) FROM (SELECT s.id, $label AS l FROM $name s "
			  . "JOIN qwen.review_row v ON v.k = s.id JOIN qwen.task t ON t.id = v.task WHERE t.name = '$name' "
			  . "AND v.human IS NULL AND $where LIMIT 100) x") eq '0';
	}
}

sub certificate { return sql("SELECT $_[1] FROM qwen.certificate c JOIN qwen.task t ON t.id = c.task WHERE t.name = '$_[0]'") }

# ---- what must be there ----

task('tickets', 0);
like(error_of("SELECT * FROM qwen.certify('tickets')"), qr/^version 1 of task "tickets" has no labels.*HINT:.*qwen\.backfill\('tickets'\)/s,
	'no certificate without labels');
rows('tickets', 1, 2000);
like(error_of("SELECT * FROM qwen.certify('tickets', max_error => 0)"), qr/^max_error must be between 0 and 1.*HINT/s, 'max_error is a share');
like(error_of("SELECT * FROM qwen.certify('tickets', risk => 'NaN')"), qr/^risk must be between 0 and 1/, 'so is risk');
like(error_of("SELECT * FROM qwen.certify('tickets', target => 'all')"), qr/^target must be table or accepted.*HINT/s, 'two targets');
sql("SELECT qwen.create_task('bare', '{a,b}', server => 'nowhere', keep => false)");
like(error_of("SELECT * FROM qwen.certify('bare')"), qr/keep => true/, 'a task that keeps nothing says how to begin');

# ---- it begins ----

my $c = certify("'tickets'");
like($c->{state}, qr/^collecting since/, 'a certificate begins');
like($c->{'to do'}, qr/SELECT \* FROM qwen\.audit\('tickets', 50\);/, 'and says what to type');
like($c->{promise}, qr/^none yet/, 'nothing is promised');
like($c->{'next step'}, qr/^2 % of the rows: about 91 more audits/, 'and how many audits the first step takes');
is(certificate('tickets', 'cardinality(thresholds), thresholds[1], thresholds[50]'), '50|0.99|0.5',
	'fifty thresholds, the strictest first');
my $frozen = certificate('tickets', 'thresholds');
rows('tickets', 2001, 2050);
sql("UPDATE qwen.result SET confidence = 0.999 WHERE k > 2000");
certify("'tickets'");
is(certificate('tickets', 'thresholds'), $frozen, 'they are frozen');
sql("DELETE FROM tickets WHERE id > 2000", "DELETE FROM qwen.result WHERE k > 2000");

# ---- nobody chooses which audits to answer ----

sql("SELECT count(*) FROM qwen.audit('tickets', 100)");
my $last = sql("SELECT k FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task WHERE t.name = 'tickets' ORDER BY hashtextextended(k::text, t.seed) DESC LIMIT 1");
answer('tickets', "v.k = $last");
$c = certify("'tickets'");
is($c->{'audits answered'}, '1 of 100 drawn', 'one is answered');
like($c->{'counted as wrong'}, qr/^99 that nobody answered/, 'the ones before it count as wrong');
answer('tickets', 'v.confidence < 0.8');
unlike(certify("'tickets'")->{state}, qr/certified/, 'so that easy ones alone certify nothing');
sql("UPDATE tickets SET label = true_label WHERE id = $_") for split /\n/,
  sql("SELECT k FROM qwen.review_row WHERE human IS NULL LIMIT 3");
answer('tickets', 'true');
$c = certify("'tickets'");
is($c->{'audits answered'}, '100 of 100 drawn', 'all are answered, three of them by a plain UPDATE');
ok(!exists $c->{'counted as wrong'}, 'and none counts as wrong for want of an answer');
like($c->{state}, qr/^certified since/, 'steps are certified');

# ---- the walk, computed again ----

sub certified_steps
{
	my ($name, $e, $d) = @_;
	my @threshold = split /,/, certificate($name, "array_to_string(thresholds, ',')");
	my @audit = map { [ split /\|/ ] } split /\n/,
	  sql("SELECT v.confidence, (v.human <> v.label)::int FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task "
		  . "JOIN qwen.certificate c ON c.task = t.id WHERE t.name = '$name' AND v.drawn_at >= c.started_at "
		  . "ORDER BY v.drawn_at, hashtextextended(k::text, t.seed)");
	my (@wrong, @crossed);

	for my $n (1 .. @audit)
	{
		for my $i (0 .. $#threshold)
		{
			my $sum = 0;

			$wrong[$i] += $audit[$n - 1][1] if $audit[$n - 1][0] >= $threshold[$i];
			$wrong[$i] ||= 0;
			for my $r (0.05, 0.25, 0.5, 0.7)
			{
				$sum += 0.25 * $r**$wrong[$i] * ((1 - $r * $e) / (1 - $e))**($n - $wrong[$i]);
			}
			$crossed[$i] = 1 if $sum >= 1 / $d;
		}
	}
	my $steps = 0;
	$steps++ while $crossed[$steps];
	return $steps;
}

my $risk = 0.05 * 6 / (3.14159265358979**2);
sql("SELECT count(*) FROM qwen.audit('tickets', 150)");
answer('tickets', 'true');
$c = certify("'tickets'");
my $steps = certified_steps('tickets', 0.05, $risk);
cmp_ok($steps, '>', 30, 'most of the rows can be certified');
cmp_ok($steps, '<', 50, 'not all');
is(certificate('tickets', 'certified'), $steps, 'as many steps as a second computation finds');
my $threshold = certificate('tickets', 'threshold');
my $below = sql("SELECT count(*) FROM qwen.result WHERE confidence < $threshold");
is($c->{promise}, "if the $below rows below the threshold are labelled by people, at most 5 % of the table's labels are wrong "
	  . '(disagree with the reviewer); this statement is false in at most 5 % of such certificates, however often you look; '
	  . 'it covers rows like those the audits were drawn from', 'the promise in its words');
like($c->{'no promise'}, qr/that reviewers are right/, 'and what it does not say');
is(sql("SELECT count(*) FROM (SELECT unnest(string_to_array(value, E'\\n')) AS line, item FROM qwen.certify('tickets')) x WHERE length(line) > 76"),
	'0', 'no line is wider than a screen');

# ---- to apply it ----

is($c->{accept_above}, "0.7 now; to leave it to the certificate: SELECT qwen.alter_task('tickets', accept_above => 'certified');", 'it says how to go by it')
  or diag explain $c;
like(notices_of("SELECT * FROM qwen.certify('tickets', apply => true)"), qr/accept_above of task "tickets" is 'certified' now, it was 0.7/,
	'apply says what it changes');
is(sql("SELECT accept_above FROM qwen.progress WHERE task = 'tickets'"), sprintf('certified: %.4f', $threshold), 'which progress shows');
is(certify("'tickets'")->{accept_above}, 'certified: qwen.review leaves out the rows at or above the threshold', 'and certify');
unlike(notices_of("SELECT * FROM qwen.certify('tickets', apply => true)"), qr/accept_above/, 'twice is once');
sql("SELECT * FROM qwen.calibrate('tickets')");
$c = certify("'tickets'");
like($c->{threshold}, qr/^0\.\d+ (calibrated \(raw 0\.\d+\)|raw, as in qwen\.result)/, 'with a calibration both are told');
# ---- harm ----

sql("SELECT count(*) FROM qwen.audit('tickets', 40)");
answer('tickets', 'true');
like(certify("'tickets'")->{state}, qr/^certified/, 'audits that go on as before leave it');
is(certificate('tickets', 'seen'), '190', 'and are seen, as all since the first step');
sql("SELECT count(*) FROM qwen.audit('tickets', 20)");
my $r = run_sql($node, "LISTEN qwen_alert; SELECT count(qwen.correct('tickets', v.k, CASE v.label WHEN 'bug' THEN 'praise' ELSE 'bug' END)) "
	  . "FROM qwen.review_row v WHERE v.human IS NULL; SELECT * FROM qwen.certify('tickets');");
like($r->{out}, qr/notification.*state\|suspended since/s, 'audits that are all wrong suspend it, when they are answered');
like($r->{out}, qr/promise\|none any more/, 'and its promise');
like($r->{out}, qr/accept_above\|certified: nothing is, so no label is accepted by itself/, 'and with it what was accepted');
is(sql("SELECT accept_above FROM qwen.progress WHERE task = 'tickets'"), 'certified: nothing', 'as progress says');
like($r->{out}, qr/notification "qwen_alert" with payload "harm \d+"/, 'whoever listens is told');
is(sql("SELECT task, kind FROM qwen.alerts"), 'tickets|harm', 'an alert is there');
like(sql("SELECT message || hint FROM qwen.alerts"), qr/more than 5 % promise.*again => true/, 'that says what to do');
open my $log, '<', $node->logfile or die $!;
like(join('', <$log>), qr/LOG:  task "tickets": of \d+ audits answered/, 'and a line in the log');
close $log;
certify("'tickets'");
is(sql("SELECT count(*) FROM qwen.alerts"), '1', 'it is said once');
like(notices_of("SELECT * FROM qwen.certify('tickets', apply => true)"), qr/stays at .*: no threshold is certified/, 'it cannot be applied any more');

# ---- sequences ----

like(notices_of("SELECT * FROM qwen.certify('tickets', again => true)"),
	qr/certificate 2 of task "tickets" begins.*keep to the risk of 5 %, this one is tested at 0.76 %/s, 'the next has less of the risk');
is(certificate('tickets', 'sequence, state, certified'), '2|collecting|0', 'and begins with nothing');
is(certify("'tickets'")->{'audits answered'}, '0 of 0 drawn', 'not with the audits of before');
certify("'tickets', max_error => 0.1");
is(certificate('tickets', 'sequence, max_error'), '2|0.1', 'as long as nobody answered, another promise costs nothing');
certify("'tickets'");
is(certificate('tickets', 'sequence, max_error'), '2|0.1', 'a mere look keeps what stands');
sql("SELECT count(*) FROM qwen.audit('tickets', 5)");
answer('tickets', 'true');
like(notices_of("SELECT * FROM qwen.certify('tickets', target => 'accepted')"), qr/certificate 3 .* promises something else/,
	'another promise begins another');
sql("SELECT qwen.alter_task('tickets', instructions => 'Mail of a shop.')");
like(error_of("SELECT * FROM qwen.certify('tickets')"), qr/^version 2 .* has no labels/, 'a new version has nothing to go on');
results('tickets', 'true');
sql("SELECT count(*) FROM qwen.audit('tickets', 5)");
answer('tickets', 'true');
certify("'tickets'");
is(certificate('tickets', 'sequence, c.version, target'), '3|2|accepted', 'version 2 takes the place of what nobody had answered');
sql("SELECT qwen.alter_task('tickets', instructions => 'Mail of another shop.')");
results('tickets', 'true');
like(notices_of("SELECT * FROM qwen.certify('tickets')"), qr/certificate 4 .* the task is at version 3/, 'the next version begins another');

# ---- accepted ----

task('sure', 2000);
sql("UPDATE sure SET true_label = label WHERE confidence < 0.6");
sql("SELECT count(*) FROM qwen.audit('sure', 500)");
answer('sure', 'true');
$c = certify("'sure', target => 'accepted'");
like($c->{promise}, qr/^at most 5 % of the labels at or above the threshold \(\d+ rows\) are wrong \(disagree/, 'accepted has words of its own');
is($c->{'audits answered'}, '500 of 500 drawn', 'audits from before the first certificate count');
cmp_ok(certificate('sure', 'cardinality(thresholds)'), '<', 45, 'its first thresholds would never have audits enough');

# ---- shares ----

task('shares', 999);
my $rows = sql("SELECT count(*) FROM shares");
sql("SELECT count(*) FROM qwen.audit('shares', 100)");
# 30 both, 10 the machine alone, 5 the person alone, 55 neither; of the other 900 rows 400 are refunds
sql("ALTER TABLE shares DISABLE TRIGGER ALL",
	"INSERT INTO qwen.result (task, k, text_hash, version, label, confidence, source) SELECT t.id, 1000, qwen.input_hash('text 1000'), 1, 'bug', 0.9, 'masked' FROM qwen.task t WHERE name = 'shares'",
	"INSERT INTO shares VALUES (1000, 'text 1000', 'r0', NULL, 'bug', 0.9)",
	"CREATE TEMP TABLE a AS SELECT v.k, row_number() OVER (ORDER BY v.k) AS n FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task WHERE t.name = 'shares'",
	"CREATE TEMP TABLE o AS SELECT id AS k, row_number() OVER (ORDER BY id) AS n FROM shares WHERE id NOT IN (SELECT k FROM a)",
	"UPDATE qwen.result r SET label = CASE WHEN a.n <= 40 THEN 'refund' ELSE 'bug' END FROM a, qwen.task t WHERE t.name = 'shares' AND r.task = t.id AND r.k = a.k",
	"UPDATE qwen.result r SET label = CASE WHEN o.n <= 400 THEN 'refund' ELSE 'bug' END FROM o, qwen.task t WHERE t.name = 'shares' AND r.task = t.id AND r.k = o.k",
	"UPDATE qwen.review_row v SET human = CASE WHEN a.n <= 30 OR a.n BETWEEN 41 AND 45 THEN 'refund' ELSE 'bug' END, reviewer = 'x', reviewed_at = now() FROM a, qwen.task t WHERE t.name = 'shares' AND v.task = t.id AND v.k = a.k");
is(sql("SELECT * FROM qwen.shares('shares') WHERE label = 'refund'"), '|refund|0.3761|0.3038|0.4485|440|100', 'a share by hand');
is(sql("SELECT count(*), sum(rows), count(DISTINCT bucket) FROM qwen.shares('shares', by => 'region')"), '6|1000|2', 'by a column');
is(sql("SELECT bucket = current_date::text OR bucket = (current_date - 1)::text, rows FROM qwen.shares('shares', by => 'day') WHERE label = 'refund'"), 't|440', 'by the day');
is(sql("SELECT count(*) FROM qwen.shares('shares', by => 'week')"), '3', 'by the week');
is(sql("SELECT count(*) FROM qwen.shares('shares', since => now() + interval '1 hour')"), '0', 'since a time');
like(error_of("SELECT * FROM qwen.shares('shares', by => 'nothing')"), qr/no column "nothing".*HINT/s, 'a column that is not there');
sql("DELETE FROM shares WHERE id <= 500");
is(sql("SELECT sum(rows) FROM qwen.shares('shares', by => 'region')"), '500', 'by a column only rows that are there count');
task('unaudited', 30);
like(notices_of("SELECT * FROM qwen.shares('unaudited')"), qr/no audit .* is answered.*qwen\.audit\('unaudited', 50\)/s, 'without audits it says so');
is(sql("SELECT share, low IS NULL, rows FROM qwen.shares('unaudited') WHERE label = 'bug'"), '0.3333|t|10', 'and tells no interval');

# Keys of two columns, labelled by the scripted server.
server($node, 'qwen', url('vllm'));
sql("SELECT qwen.create_task('pairs', '{bug,refund}', server => 'qwen')",
	"CREATE TABLE pairs (x int, y text, body text, region text, label text, confidence float8, reason text, PRIMARY KEY (x, y))",
	"SELECT qwen.attach('pairs', 'pairs', 'body')",
	"INSERT INTO pairs SELECT i, 'y ' || i, 'a bug', 'r' || i % 2 FROM generate_series(1, 10) i",
	"CALL qwen.wait('pairs', '30s')");
is(run_sql($node, "SELECT bucket, rows FROM qwen.shares('pairs', by => 'region') WHERE label = 'bug'")->{out}, "r0|5\nr1|5", 'a key of two columns');

# ---- rights ----

sql("CREATE ROLE reader", "CREATE ROLE stranger", "GRANT SELECT ON shares TO reader");
my $as_reader = 'SET ROLE reader; ';
my $as_stranger = 'SET ROLE stranger; ';
is(sql("SET ROLE reader", "SELECT sum(rows) FROM qwen.shares('shares', by => 'region')"), '500', 'who may read the table sees shares');
is(sql("SET ROLE reader", "SELECT count(*) FROM qwen.alerts"), '0', 'alerts are for owners');
like(error_of($as_reader . "SELECT * FROM qwen.certify('shares')"), qr/^must be owner of task "shares"/, 'only the owner certifies');
like(error_of($as_stranger . "SELECT * FROM qwen.shares('shares')"), qr/^permission denied/, 'who may not read the table sees nothing');
sql("ALTER TABLE shares ADD secret text", "REVOKE SELECT ON shares FROM reader", "GRANT SELECT (id, body, label, reason, region) ON shares TO reader");
like(error_of($as_reader . "SELECT * FROM qwen.shares('shares', by => 'secret')"), qr/^permission denied to read column "secret"/,
	'a column is read with the rights of whoever asks');
like(error_of($as_reader . 'SELECT * FROM qwen.certificate'), qr/^permission denied/, 'our tables are nobody\'s');

$node->stop;
done_testing();
