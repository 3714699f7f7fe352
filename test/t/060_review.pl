# People in the loop: which rows they are asked about, what their answers do,
# audits, two reviewers at once, and answers that meet a label on its way.
use strict;
use warnings;
use JSON::PP;
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(preload => 1, conf => "autovacuum = off\n");

server($node, 'qwen', url('vllm'));

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }

# The error of a statement with its hint, or nothing.
sub error_of
{
	my ($sql) = @_;
	my $r = run_sql($node, $sql);

	return $r->{err} =~ /ERROR:  (.*)/s ? $1 : '';
}

sub wait_for { my ($name) = @_; sql("CALL qwen.wait('$name', '30s')") }

# A table with a task of its name; rows are labelled by the scripted server.
sub task
{
	my ($name, %opt) = @_;
	my $columns = $opt{columns} || 'label text, confidence real, reason text';

	sql("CREATE TABLE $name (" . ($opt{key} || 'id int PRIMARY KEY') . ", body text, $columns)",
		"SELECT qwen.create_task('$name', labels => ARRAY['alpha', 'beta', 'gamma'], server => 'qwen')",
		"SELECT qwen.attach('$name', '$name', input => 'body'" . ($opt{attach} || '') . ')');
	return unless $opt{rows};
	sql("INSERT INTO $name SELECT i, md5(i::text) || ' ' || md5((i + 5000)::text) FROM generate_series(1, $opt{rows}) i");
	wait_for($name);
}

# ---- which rows are shown ----

task('shown', rows => 400);
my $unsure = sql("SELECT count(*) FROM shown WHERE confidence < 0.7");
cmp_ok($unsure, '>', 60, 'the scripted server is unsure of some rows');
is(sql("SELECT count(*), count(DISTINCT key) FROM qwen.review('shown')"), '20|20', '20 rows, unless told otherwise');
is(sql("SELECT role, count(*) FROM qwen.review_row GROUP BY 1 ORDER BY 1"), "active|6\nqueue|14",
	'30 % of them are rows that part labels, the others the least sure');
is(sql("SELECT count(*) FROM (SELECT id FROM shown ORDER BY confidence LIMIT 14) l JOIN qwen.review_row v ON v.k = l.id"),
	'14', 'the least sure of all are among them');
is(sql("SELECT count(*) FROM qwen.review_row v, shown s WHERE s.id = v.k AND v.role = 'active' AND abs(v.confidence - 0.7) > 0.1"),
	'0', 'active rows are near the threshold');
is(sql("SELECT max(n) <= 2 FROM (SELECT count(*) n FROM qwen.review_row WHERE role = 'active' GROUP BY label) x"),
	't', 'at most a third of them with one label');
is(sql("SELECT count(DISTINCT prob), min(abs(prob - 20.0 / $unsure)) < 1e-9 FROM qwen.review_row WHERE role = 'queue'"),
	'1|t', 'with the share of the unsure rows that is shown');
my $shown = sql("SELECT string_agg(key, ' ' ORDER BY key) FROM qwen.review('shown')");
my $drawn = sql("SELECT string_agg(k::text, ' ' ORDER BY k::text) FROM qwen.review_row");
is($shown, $drawn, 'rows that nobody answered are shown again');
is(sql("SELECT count(*) FROM qwen.review_row"), '20', 'and no others are drawn meanwhile');
is(sql("SELECT bool_and(a <= b) FROM (SELECT confidence a, lead(confidence) OVER (ORDER BY ordinality) b
	FROM qwen.review('shown') WITH ORDINALITY) x WHERE b IS NOT NULL"), 't', 'the least sure first');
is(sql("SELECT count(*) FROM qwen.review('shown') r JOIN shown s ON s.id::text = r.key
	WHERE r.input <> s.body OR r.label <> s.label OR r.second = s.label OR r.reason <> s.reason
	OR abs(r.confidence - s.confidence) > 0.001 OR r.second_confidence >= r.confidence"), '0',
	'each with its text, label, next label and reason');
is(sql("SELECT count(*) FROM qwen.review('shown') WHERE why !~ '^(below 0.70|near 0.70|0.\\d\\d against 0.\\d\\d for (alpha|beta|gamma))\$'"),
	'0', 'and why');

# ---- near duplicates, and rows that are somebody's ----

task('alike');
sql("INSERT INTO alike SELECT i, 'the parcel came late and nobody called me' FROM generate_series(1, 20) i",
	"INSERT INTO alike SELECT 100 + i, 'the parcel came late and nobody called me ' || i FROM generate_series(1, 9) i",
	"INSERT INTO alike SELECT 200 + i, md5(i::text) FROM generate_series(1, 30) i");
wait_for('alike');
sql("UPDATE qwen.result SET confidence = 0.3 + k / 1000.0 WHERE task = (SELECT id FROM qwen.task WHERE name = 'alike')");
is(sql("BEGIN", "SELECT count(*) FROM qwen.review('alike', 100) WHERE key::int < 100", "ROLLBACK"), '1', 'of equal texts one is shown');
SKIP:
{
	skip 'pg_trgm is not there', 1
	  if sql("SELECT count(*) FROM pg_available_extensions WHERE name = 'pg_trgm'") eq '0';
	cmp_ok(sql("BEGIN", "SELECT count(*) FROM qwen.review('alike', 100) WHERE key::int < 200", "ROLLBACK"), '>', 5,
		'nearly equal ones all, as long as nothing tells them to be');
	sql("CREATE SCHEMA ext", "CREATE EXTENSION pg_trgm SCHEMA ext");
	is(sql("SELECT count(*), count(*) FILTER (WHERE key::int > 200) > 20 FROM qwen.review('alike', 100) WHERE key::int < 200 OR key::int > 200"),
		'31|t', 'with pg_trgm one of those, too');
}
task('own', rows => 60);
sql("UPDATE own SET label = 'alpha' WHERE id % 3 = 0 AND label <> 'alpha'");
is(sql("SELECT count(*) FROM qwen.review('own', 500) r JOIN qwen.annotation a ON a.k = r.key::int
	AND a.task = (SELECT id FROM qwen.task WHERE name = 'own')"), '0', 'rows that are a person\'s are not shown');
is(sql("SELECT count(*) = (SELECT count(*) FROM own WHERE confidence < 0.7 OR confidence BETWEEN 0.7 AND 0.8)
	FROM qwen.review('own', 500)") =~ /^[tf]$/ ? 1 : 0, 1, 'asks to the end');

# ---- the threshold ----

# Half of the logit: 0.845 is shown as 0.7.
task('tempered', rows => 200);
my $tempered = sql("SELECT id FROM qwen.task WHERE name = 'tempered'");
sql("INSERT INTO qwen.calibration (task, version, server, source, method, params, n, metrics)
	VALUES ($tempered, 1, 'qwen', 'logprob_masked', 'temp', ARRAY[0.5::float8], 100, '{}')");
sql("SELECT * FROM qwen.review('tempered', 1000)");
is(sql("SELECT count(*) FROM qwen.result r WHERE task = $tempered AND confidence < 0.8448
	AND NOT EXISTS (SELECT FROM qwen.review_row v WHERE v.task = $tempered AND v.k = r.k)"), '0',
	'what a calibration shows as unsure is asked');
is(sql("SELECT count(*) FROM qwen.review_row WHERE task = $tempered AND role = 'queue' AND confidence > 0.8450"), '0', 'and no more');
cmp_ok(sql("SELECT count(*) FROM qwen.review('tempered', 1000) r JOIN qwen.review_row v ON v.k::text = r.key AND v.task = $tempered
	WHERE v.confidence BETWEEN 0.75 AND 0.84 AND r.why = 'below 0.70'"), '>', 10, 'it says that, too');
sql("DELETE FROM qwen.review_row WHERE task = $tempered",
	"INSERT INTO qwen.certificate (task, version, source, target, max_error, risk, sequence, thresholds, certified, threshold, harm, state)
	VALUES ($tempered, 1, 'logprob_masked', 'accepted', 0.05, 0.1, 1, '{0.9}', 1, 0.9, '{}', 'certified')",
	"SELECT * FROM qwen.review('tempered', 1000)");
is(sql("SELECT count(*) FROM qwen.review_row WHERE task = $tempered AND role = 'queue' AND confidence > 0.8450"), '0',
	'a certificate says nothing as long as accept_above is a number');
sql("DELETE FROM qwen.review_row WHERE task = $tempered", "SELECT qwen.alter_task('tempered', accept_above => 'certified')",
	"SELECT * FROM qwen.review('tempered', 1000)");
is(sql("SELECT count(*) FROM qwen.result r WHERE task = $tempered AND confidence < 0.9
	AND NOT EXISTS (SELECT FROM qwen.review_row v WHERE v.task = $tempered AND v.k = r.k)"), '0',
	'"certified": the certificate\'s threshold says from where on nobody is asked');
is(sql("SELECT count(*) FROM qwen.review_row WHERE task = $tempered AND role = 'queue' AND confidence >= 0.9"), '0', 'and nobody is');
is(sql("SELECT accept_above FROM qwen.progress WHERE task = 'tempered'"), 'certified: 0.9000', 'progress says where it is');
sql("DELETE FROM qwen.review_row WHERE task = $tempered", "UPDATE qwen.certificate SET state = 'suspended' WHERE task = $tempered",
	"SELECT * FROM qwen.review('tempered', 1000)");
is(sql("SELECT count(*) FROM qwen.review_row WHERE task = $tempered AND role = 'queue'"), '200',
	'while it is suspended every row is shown');
like(sql("SELECT string_agg(DISTINCT why, ',') FROM qwen.review('tempered', 1000)"), qr/nothing is certified/, 'and says why');
is(sql("SELECT accept_above FROM qwen.progress WHERE task = 'tempered'"), 'certified: nothing', 'so does progress');

# ---- answers ----

my ($a, $b, $c) = split /\n/, sql("SELECT key FROM qwen.review('shown', 3)");
my $label = sql("SELECT label FROM shown WHERE id = $a");
my ($other) = grep { $_ ne $label } qw(alpha beta gamma);
is(sql("SELECT qwen.agree('shown', '$a')"), "$label: agreed", 'agree says so');
is(sql("SELECT label, confidence, reason FROM shown WHERE id = $a"), "$label|1|agreed by postgres",
	'an agreement makes the label a person\'s');
is(sql("SELECT kind, label, author FROM qwen.annotation WHERE k = $a AND task = 1"), "person|$label|postgres",
	'and is annotated');
is(sql("SELECT human, human = label, reviewer, reviewed_at IS NOT NULL FROM qwen.review_row WHERE k = $a AND task = 1"),
	"$label|t|postgres|t", 'and answers the row that was drawn');
$label = sql("SELECT label FROM shown WHERE id = $b");
($other) = grep { $_ ne $label } qw(alpha beta gamma);
is(sql("SELECT qwen.correct('shown', $b, '$other')"), "$other, not $label", 'a key may be a number');
is(sql("SELECT label, confidence, reason FROM shown WHERE id = $b"), "$other|1|set by postgres", 'a correction is in the row');
is(sql("SELECT human, label FROM qwen.review_row WHERE k = $b AND task = 1"), "$other|$label", 'beside what the machine said');
is(sql("SELECT kind, label FROM qwen.annotation WHERE k = $b AND task = 1"), "person|$other", 'and annotated');
sql("UPDATE shown SET label = '$other' WHERE id = $c AND label <> '$other'",
	"UPDATE shown SET confidence = 1, label = 'beta' WHERE id = $c AND label = '$other' AND confidence < 1");
is(sql("SELECT human FROM qwen.review_row WHERE k = $c AND task = 1"), '', 'an UPDATE by hand answers, too:');
is(sql("SELECT count(*) FROM qwen.review('shown') WHERE key IN ('$a', '$b', '$c')"), '0', 'none of the three is shown again');
is(sql("SELECT count(*) FROM qwen.review_row v JOIN shown s ON s.id = v.k WHERE v.k = $c AND v.task = 1 AND v.human = s.label"),
	'1', 'its answer stands beside the draw');
is(sql("SELECT qwen.correct('shown', $b, 'alpha'); SELECT human FROM qwen.review_row WHERE k = $b AND task = 1") =~ /alpha$/ ? 1 : 0,
	1, 'a person may think again');
my $undrawn = sql("SELECT id FROM shown WHERE id NOT IN (SELECT k FROM qwen.review_row WHERE task = 1) AND label <> 'beta' LIMIT 1");
sql("SELECT qwen.correct('shown', $undrawn, 'beta')");
is(sql("SELECT (SELECT label FROM shown WHERE id = $undrawn), (SELECT count(*) FROM qwen.review_row WHERE k = $undrawn AND task = 1)"),
	'beta|0', 'a row may be corrected that was not drawn: it is no review');
is(sql("SET qwen_classify.author = 'machine'", "SELECT qwen.correct('shown', $undrawn, 'gamma')",
	"SELECT kind FROM qwen.annotation WHERE k = $undrawn AND task = 1"), "gamma, not beta\nperson", 'an answer is a person\'s whatever the setting');
is(sql("BEGIN", "SELECT count(qwen.agree('shown', key)) FROM qwen.review('shown', 4)",
	"SELECT count(*) FROM qwen.review_row WHERE human IS NOT NULL AND reviewed_at = now()", "ROLLBACK"), "4\n4",
	'all of a list can be agreed to at once');
like(error_of("SELECT count(qwen.agree('shown', id)) FROM shown"), qr/more than 100 answers in one statement.*HINT:  Answer at most 100/s,
	'but a hundred at a time');

# ---- texts that change ----

my $v = sql("SELECT key FROM qwen.review('shown', 1)");
sql("UPDATE shown SET body = 'alpha anew' WHERE id = $v");
wait_for('shown');
like(error_of("SELECT qwen.correct('shown', '$v', 'beta')"), qr/the text of row $v of task "shown" changed since it was shown\nHINT:  Look at it anew/,
	'an answer is not taken for a text that nobody saw');
is(sql("SELECT label FROM shown WHERE id = $v"), 'alpha', 'and changes nothing');
sql("SELECT * FROM qwen.review('shown')");
is(sql("SELECT qwen.correct('shown', '$v', 'beta')"), 'beta, not alpha', 'after a new look it is');
my $answered = sql("SELECT k FROM qwen.review_row WHERE task = 1 AND human IS NOT NULL LIMIT 1");
my ($gone, $kept) = split /\n/, sql("SELECT key FROM qwen.review('shown', 2)");
sql("DELETE FROM shown WHERE id IN ($answered, $gone)");
wait_until(sub { sql("SELECT count(*) FROM qwen.review_row WHERE task = 1 AND k = $gone") eq '0'
	|| (sql("SELECT * FROM qwen.review('shown')") && 0) }, 'the deleted row to be forgotten');
is(sql("SELECT (SELECT count(*) FROM qwen.review_row WHERE task = 1 AND k = $gone), (SELECT count(*) FROM qwen.review_row WHERE task = 1 AND k = $answered)"),
	'0|1', 'a row that is gone is dropped unless it was answered');

# ---- audits ----

task('audited', rows => 200);
my @expected = split /\n/, sql("SELECT a.id FROM audited a, qwen.task t WHERE t.name = 'audited'
	ORDER BY hashtextextended(a.id::text, t.seed) LIMIT 30");
sql("SELECT * FROM qwen.review('audited', 100)");
sql("UPDATE audited SET label = CASE label WHEN 'alpha' THEN 'beta' ELSE 'alpha' END WHERE id = $expected[3]");
my $queued = sql("SELECT count(*) FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task
	WHERE t.name = 'audited' AND k IN (" . join(',', @expected[0 .. 10]) . ')');
cmp_ok($queued, '>', 0, 'some of the rows that come were drawn for their scores before');
is(sql("SELECT string_agg(key, ' ') FROM qwen.audit('audited', 10)"), join(' ', grep { $_ != $expected[3] } @expected[0 .. 10]),
	'audits go by the hash of the key, whatever was drawn before');
is(sql("SELECT count(*), min(prob), max(prob) FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task WHERE t.name = 'audited' AND role = 'audit'"),
	'11|1|1', 'a row that a person had labelled is one of them, without being shown');
is(sql("SELECT * FROM qwen.audits('audited')"), '11|1|1', 'and counts as answered, and wrong');
is(sql("SELECT count(*) FROM qwen.review('audited', 500) WHERE key IN (SELECT key FROM qwen.audit('audited', 10))"), '0',
	'audits are not shown with their labels');
is(sql("SELECT string_agg(key, ' ') FROM qwen.audit('audited', 4)"), join(' ', @expected[0 .. 2, 4]), 'what nobody answered comes first');
sql("SELECT qwen.correct('audited', $expected[0], label) FROM audited WHERE id = $expected[0]",
	"SELECT qwen.correct('audited', $expected[1], CASE label WHEN 'alpha' THEN 'beta' ELSE 'alpha' END) FROM audited WHERE id = $expected[1]");
is(sql("SELECT * FROM qwen.audits('audited')"), '11|3|2', 'drawn, answered, wrong');
is(sql("SELECT string_agg(key, ' ') FROM qwen.audit('audited', 12)"), join(' ', @expected[2, 4 .. 14]), 'the next come after them');
is(sql("SELECT label IS NULL FROM qwen.history('audited', $expected[2]) WHERE what = 'drawn for audit'"), 't',
	'an open audit hides what was drawn');
sql("SELECT qwen.alter_task('audited', instructions => 'Anew.')", "SELECT qwen.relabel('audited')");
wait_until(sub { sql("SELECT count(*) FROM qwen.result r JOIN qwen.task t ON t.id = r.task WHERE t.name = 'audited' AND r.version = 2") eq '197' }, 'the new version');
sql("SELECT * FROM qwen.audits('audited')");
is(sql("SELECT count(*) FILTER (WHERE human IS NULL AND v.version = 2), count(*) FILTER (WHERE human IS NULL AND v.version = 1),
	count(*) FILTER (WHERE human IS NOT NULL AND v.version = 1) FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task
	WHERE t.name = 'audited' AND role = 'audit'"), '12|0|3', 'open audits are of the new version, answered ones of theirs');
is(sql("SELECT count(*) FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task WHERE t.name = 'audited' AND role <> 'audit' AND human IS NULL"),
	'0', 'what was drawn for an older score is drawn anew');
sql("SELECT qwen.alter_task('audited', rename => '{\"beta\": \"delta\"}')");
is(sql("SELECT count(*) FILTER (WHERE 'beta' IN (label, human)), count(*) FILTER (WHERE human IS NULL AND v.version = t.version)
	FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task WHERE t.name = 'audited' AND role = 'audit'"), '0|12', 'a rename is one of reviews, too');

# ---- keys of other types, and tables without the columns ----

task('keyed', key => 'a text, b numeric, PRIMARY KEY (a, b)');
sql("INSERT INTO keyed VALUES ('x, \"y\"', 1.50, 'alpha'), ('z', 2, 'beta')");
wait_for('keyed');
my $key = sql("SELECT key FROM qwen.audit('keyed', 2) WHERE key LIKE '%y%'");
is($key, '("x, ""y""",1.50)', 'a key of two columns is written as a row');
is(sql("SELECT qwen.correct('keyed', '$key', 'beta')", "SELECT label FROM keyed WHERE b = 1.5"), "beta, not alpha\nbeta", 'and read so');
task('one', key => 'a text PRIMARY KEY', columns => 'label text', attach => ", confidence => NULL, reason => NULL");
sql("INSERT INTO one VALUES ('k 1', 'alpha'), ('(odd)', 'beta')");
wait_for('one');
like(error_of("SELECT qwen.agree('keyed', '(z,)')"), qr/"\(z,\)" is not a key of task "keyed"\nDETAIL:  column 2 of the key is NULL/, 'a part of a key is never NULL');
is(sql("SELECT qwen.agree('one', 'k 1')", "SELECT qwen.correct('one', key, 'gamma') FROM qwen.audit('one') WHERE key LIKE '%odd%'",
	"SELECT string_agg(label, ' ' ORDER BY label) FROM one"), "alpha: agreed\ngamma, not beta\nalpha gamma",
	'a key of one text column may stand as it is; a label may stand alone');

# ---- two at once ----

task('two', rows => 100);
sql("CREATE ROLE anna LOGIN", "CREATE ROLE berta LOGIN", "GRANT SELECT, UPDATE (label) ON two TO anna, berta");
my $annas = sql("SET ROLE anna", "SELECT key FROM qwen.review('two', 10)");
my $bertas = sql("SET ROLE berta", "SELECT key FROM qwen.review('two', 10)");
my %seen = map { $_ => 1 } split /\n/, $annas;
is(scalar(grep { $seen{$_} } split /\n/, $bertas), 0, 'two reviewers are shown different rows');
is(scalar(split /\n/, $bertas), 10, 'as many as each asked for');
is(sql("SET ROLE anna", "SELECT key FROM qwen.review('two', 10)"), $annas, 'and their own again');
sql("UPDATE qwen.review_row SET shown_at = now() - interval '11 minutes' WHERE shown_to = 'anna'");
is(sql("SET ROLE berta", "SELECT count(*) FROM qwen.review('two', 20) WHERE key IN ("
	. join(',', map { "'$_'" } split /\n/, $annas) . ')'), '10', 'until ten minutes have gone');
my ($first) = split /\n/, $annas;
sql("SET ROLE anna", "SELECT qwen.agree('two', '$first')");
is(sql("SELECT author, reason FROM qwen.annotation a, two WHERE a.k = $first AND id = a.k AND a.task = (SELECT id FROM qwen.task WHERE name = 'two')"),
	'anna|agreed by anna', 'an answer is the reviewer\'s, not the owner\'s');
my $s = session($node);
$s->start("BEGIN; SET ROLE anna; SELECT count(*) FROM qwen.audit('two', 10); SELECT pg_sleep(2); COMMIT");
wait_until(sub { sql("SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND classid = 'qwen.review_row'::regclass AND granted") eq '1' }, 'a draw');
my $audit = sql("SET ROLE berta", "SELECT count(*) FROM qwen.audit('two', 10)");
$s->wait;
is($audit . ' ' . sql("SELECT drawn - answered FROM qwen.audits('two')"), '10 20', 'draws at the same time are of different rows');

# ---- an answer and a label on its way ----

for my $columns ('label text, confidence real, reason text', 'label text')
{
	my $name = $columns =~ /real/ ? 'race' : 'race_alone';
	my $has = $columns =~ /real/;

	server($node, "slow_$name", url('vllm', 'delay=1500'));
	task($name, columns => $columns, attach => $has ? '' : ", confidence => NULL, reason => NULL");
	sql("INSERT INTO $name SELECT i, 'alpha ' || i FROM generate_series(1, 3) i");
	wait_for($name);
	sql("SELECT qwen.alter_task('$name', server => 'slow_$name', labels => ARRAY['delta', 'gamma', 'alpha', 'beta'])");
	sql("SELECT qwen.relabel('$name')");
	wait_until(sub { mock_stats()->{in_flight} >= 3 }, 'three requests');
	sql("SELECT qwen.agree('$name', 1)", "SELECT qwen.correct('$name', 2, 'gamma')");
	wait_until(sub { sql("SELECT stale = 0 AND state = 'idle' OR (SELECT count(*) FROM qwen.result r WHERE r.task = t.id AND r.version = t.version AND r.k = 3) = 1
		FROM qwen.progress p JOIN qwen.task t ON t.name = p.task WHERE p.task = '$name'") eq 't' }, 'the third row anew');
	is(sql("SELECT string_agg(r.k || ':' || r.version, ' ' ORDER BY r.k) FROM qwen.result r JOIN qwen.task t ON t.id = r.task WHERE t.name = '$name'"),
		'1:1 2:1 3:2', "an answer wins over a label on its way ($name)");
	is(sql("SELECT string_agg(label, ' ' ORDER BY id) FROM $name"), 'alpha gamma alpha', 'and stands');
}

# ---- the owner's code ----

task('code', rows => 30);
sql("CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
	 IF new.id = 1 THEN new.body := new.body || '!'; END IF; IF new.id = 2 THEN RETURN NULL; END IF;
	 IF new.id = 3 THEN new.label := 'gamma'; END IF; RETURN new; END \$\$",
	"CREATE TRIGGER a_meddle BEFORE UPDATE ON code FOR EACH ROW EXECUTE FUNCTION meddle()");
like(error_of("SELECT qwen.agree('code', 1)"), qr/a trigger of table public.code changed the row/, 'a trigger that rewrites the text is told');
like(error_of("SELECT qwen.agree('code', 2)"), qr/a trigger of table public.code suppressed the update/, 'so is one that drops the update');
like(error_of("SELECT qwen.correct('code', 3, 'beta')"), qr/a trigger of table public.code changed the row/, 'and one that changes the label');
is(sql("SELECT count(*) FROM qwen.annotation WHERE task = (SELECT id FROM qwen.task WHERE name = 'code')"), '0', 'nothing was noted');

# ---- history and export ----

is(sql("SELECT string_agg(what || ' ' || coalesce(label, '-') || ' ' || coalesce(who, '-'), ', ') FROM qwen.history('keyed', '$key')"),
	'labelled alpha -, drawn for audit alpha postgres, reviewed beta postgres, set by a person beta postgres', 'history: the newest last');
sql("INSERT INTO shown VALUES (9001, '\@\@fail=400\@\@ no')");
wait_until(sub { sql("SELECT count(*) FROM qwen.failed WHERE key = '9001'") eq '1' }, 'a row that fails');
like(sql("SELECT what || ' ' || note FROM qwen.history('shown', 9001)"), qr/^failed rejected, attempt 1: /, 'a failure is part of it');
my @export = map { decode_json($_) } split /\n/, sql("SELECT * FROM qwen.export('keyed')");
is(scalar(@export), 2, 'export: an object for each row');
my ($row) = grep { $_->{data}{key} eq $key } @export;
is_deeply([ $row->{data}{text}, $row->{predictions}[0]{model_version}, $row->{predictions}[0]{result}[0]{value}{choices},
	$row->{annotations}[0]{result}[0] ],
	[ 'alpha', 'keyed v1', ['alpha'], { from_name => 'label', to_name => 'text', type => 'choices', value => { choices => ['beta'] } } ],
	'with the text, what the model said and what a person said');
cmp_ok($row->{predictions}[0]{score}, '>', $row->{meta}{second_score}, 'and how sure it was');
is(sql("SELECT count(*) FROM qwen.export('shown')"), sql("SELECT count(*) FROM shown WHERE id < 9000"), 'all rows, in slices');
is(sql("SELECT count(*) FROM qwen.export('audited') e WHERE (e ->> 'annotations') IS NOT NULL"), '3', 'annotations where a person has answered');

done_testing();
