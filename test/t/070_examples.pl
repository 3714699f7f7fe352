# Examples out of people's corrections: which are chosen, how they are shown,
# that they are frozen with the version, and the paired test that adopts them.
use strict;
use warnings;
use JSON::PP;
use QwenTest;
use Test::More;

my $json = JSON::PP->new->canonical;

start_mock();
my $node = start_node(preload => 1, conf => "autovacuum = off\nqwen_classify.worker_idle_timeout = 60\n");

# A pupil gives the label of the last example that it is shown; the other one learns nothing.
server($node, 'pupil', url('vllm', 'learn=1'));
server($node, 'dull', url('vllm'));

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }

sub error_of
{
	my ($sql) = @_;
	my $r = run_sql($node, $sql);

	return $r->{err} =~ /ERROR:  (.*)/s ? $1 : '';
}

sub item { my ($rows, $item) = @_; return $rows =~ /^\Q$item\E\|([^|\n]*)/m ? $1 : undef }
sub remark { my ($rows, $item) = @_; return $rows =~ /^\Q$item\E\|[^|\n]*\|([^\n]*)/m ? $1 : undef }
sub labelled { return sql("SELECT count(*) FROM $_[0] WHERE label IS NOT NULL") }

my @subject = ('the parcel was never delivered', 'my password does not work any more',
	'please send the money back to my bank', 'the screen of the phone is broken',
	'what a wonderful friendly shop you are', 'the invoice shows a wrong address');

# Rows about six subjects; each subject has its label, which the model cannot know.
my $text = "(ARRAY[" . join(',', map { "'$_'" } @subject) . "])[1 + i % 6] || ' ' || left(md5(i::text), 8) || ' ' || left(md5((i + 7777)::text), 12)";
my $right = "(ARRAY['alpha','beta','gamma'])[1 + id % 3]";

sub task
{
	my ($name, $server, $rows) = @_;

	sql("CREATE TABLE $name (id bigint PRIMARY KEY, body text, label text, confidence float8, reason text)",
		"SELECT qwen.create_task('$name', labels => ARRAY['alpha', 'beta', 'gamma'], server => '$server', with_reason => false)",
		"SELECT qwen.attach('$name', '$name', 'body')",
		"INSERT INTO $name SELECT i, $text FROM generate_series(1, $rows) i");
	ok(wait_until(sub { labelled($name) == $rows }, "labels of $name"), "$rows rows of $name are labelled");
}

# People set the right labels (or say so of one that is right already).
sub correct
{
	my ($name, $from, $to) = @_;

	sql(map { "SELECT count(qwen.correct('$name', id, $right)) FROM $name WHERE id BETWEEN $_ AND " . ($_ + 49 < $to ? $_ + 49 : $to) }
		grep { ($_ - $from) % 50 == 0 } $from .. $to);
}

sub state_of { return sql("SELECT version, example_choice, example_k, (SELECT count(*) FROM qwen.example e WHERE e.task = t.id) FROM qwen.task t WHERE name = '$_[0]'") }

# ---- nothing to learn from yet ----

task('mail', 'pupil', 240);
my $id = sql("SELECT id FROM qwen.task WHERE name = 'mail'");
like(error_of("SELECT * FROM qwen.try_examples('mail')"),
	qr/people have labelled too few rows of task "mail" to try examples\nDETAIL:  There are 0 for examples, and at least 4 are needed.*HINT:  Answer some: SELECT \* FROM qwen.review\('mail'\)/s,
	'without corrections there is nothing to try');
sql("SELECT qwen.correct('mail', key, 'alpha') FROM qwen.audit('mail', 20)");
correct('mail', 1, 200);
like(error_of("SELECT * FROM qwen.try_examples('mail', 'nearest')"), qr/unknown choice of examples "nearest"/, 'a choice that is none');
like(error_of("SELECT * FROM qwen.try_examples('mail', k => 17)"), qr/k must be from 1 to 16/, 'too many');
like(error_of("SELECT qwen.alter_task('mail', example_choice => 'similar')"),
	qr/only after they were tried\nHINT:  Type: SELECT \* FROM qwen.try_examples\('mail', adopt => true\);/, 'no way round the test');

# ---- trying ----

my $system = mock_last()->{messages}[0]{content};
my $tried = sql("SELECT * FROM qwen.try_examples('mail')");
note($tried);
is(item($tried, 'verdict'), 'adopt', 'a model that learns from examples does better');
like(remark($tried, 'verdict'), qr/more labels are right, p < 0.05/, 'and it says by what');
is(remark($tried, 'next'), "SELECT * FROM qwen.try_examples('mail', 'similar', k => 6, adopt => true);", 'and what to type');
my $half = "hashtextextended(id::text, (SELECT seed FROM qwen.task WHERE id = $id)) >= 0";
my $exam = sql("SELECT count(*) FROM mail WHERE id <= 200 AND NOT ($half) OR id IN (SELECT k FROM qwen.review_row WHERE task = $id AND role = 'audit')");
is(item($tried, 'rows'), $exam, 'the exam: rows of the lower half, and audits');
like(remark($tried, 'rows'), qr/^20 audits; /, 'of which some are audits');
is(item($tried, 'examples'), sql("SELECT count(*) FROM mail m WHERE id <= 200 AND $half AND NOT EXISTS (SELECT FROM qwen.review_row WHERE task = $id AND role = 'audit' AND k = m.id)"),
	'the examples: rows of the upper half, no audit');
my ($before, $after) = item($tried, 'accuracy') =~ /^([\d.]+) -> ([\d.]+)$/;
cmp_ok($after, '>', $before + 0.3, 'accuracy before and after');
is(item($tried, 'only new right') - item($tried, 'only old right'), sprintf('%.0f', ($after - $before) * $exam), 'the difference is that of the rows that one alone has right');
cmp_ok(item($tried, 'McNemar p'), '<', 1e-4, 'McNemar');
like(remark($tried, 'log-loss'), qr/^falls by \d\.\d+, se 0\.\d+$/, 'log-loss, with its standard error');
my ($few, $many) = item($tried, 'prompt tokens') =~ /^(\d+) -> (\d+)$/;
cmp_ok($many, '>', $few + 60, 'and what it costs');
is(state_of('mail'), '1|static|6|0', 'the task is as it was');
is(sql("SELECT count(*) FROM qwen.task"), '1', 'and nothing is left of the trial');

# ---- what is sent ----

my @sent = @{ mock_last(40) };
is(scalar(grep { @{ $_->{messages} } == 14 } @sent), 40, 'six examples as turns of the chat');
is(join(' ', map { substr($_->{role}, 0, 1) } @{ $sent[0]{messages} }), 's u a u a u a u a u a u a u', 'then the row');
is(scalar(grep { $_->{messages}[0]{content} eq $system } @sent), 40, 'the system message is that of all rows, byte for byte');
my ($mine, $over, $one) = (0, 0, 0);
for my $body (@sent)
{
	my @turn = @{ $body->{messages} };
	my %n;

	$n{ $turn[ 2 * $_ ]{content} }++ for 1 .. 6;
	$over++ if grep { $_ > 3 } values %n;
	$one++ if keys %n < 2;
	$mine++ if grep { $_->{content} eq $turn[13]{content} } @turn[ 1 .. 12 ];
}
is($over, 0, 'at most half of them with one label');
is($one, 0, 'two labels at least');
is($mine, 0, 'never the row itself');

# ---- a model that does not learn ----

task('dull', 'dull', 120);
correct('dull', 1, 100);
$tried = sql("SELECT * FROM qwen.try_examples('dull', adopt => true)");
is(item($tried, 'verdict'), 'keep the old', 'what does not help is not adopted');
is(remark($tried, 'version'), 'nothing was changed', 'and it says so');
is(state_of('dull'), '1|static|6|0', 'nor was it');
is(item($tried, 'only new right') + item($tried, 'only old right'), 0, 'both are asked about the same rows');

# ---- adopting ----

sql("INSERT INTO qwen.calibration (task, version, server, source, method, params, n, metrics)
	VALUES ($id, 1, 'pupil', 'logprob_masked', 'temp', ARRAY[0.5::float8], 100, '{}')");
like(sql("SELECT value FROM qwen.calibration_of('mail') WHERE item = 'state'"), qr/^active$/, 'a calibration stands');
my $r = run_sql($node, "SELECT * FROM qwen.try_examples('mail', k => 4, adopt => true)");
is(item($r->{out}, 'version'), '2', 'adopted: a new version');
like($r->{err}, qr/NOTICE:  task "mail" is at version 2/, 'with what that means for the rows');
is(state_of('mail'), '2|similar|4|' . item($r->{out}, 'examples'), 'the examples are kept with it');
like(sql("SELECT value || ' ' || note FROM qwen.calibration_of('mail') WHERE item = 'state'"), qr/^stale it was fitted to version 1/,
	'the calibration is stale');
is(sql("SELECT count(*) FROM qwen.example e JOIN qwen.review_row v USING (task, k, kx) WHERE v.role = 'audit'"), '0', 'no audit is an example');
is(sql("SELECT count(*) FROM qwen.example e JOIN mail ON id = k WHERE NOT ($half)"), '0', 'all are of the upper half');
is(sql("SELECT bool_and(e.input = m.body AND e.label = m.label) FROM qwen.example e JOIN mail m ON m.id = e.k"), 't', 'with the texts and people\'s labels');
cmp_ok(sql("SELECT count(*) FROM qwen.audit('mail', 500)"), '>', 20, 'audits go on');
is(sql("SELECT count(*) FROM qwen.audit('mail', 500) a JOIN qwen.example e ON e.task = $id AND e.k::text = a.key"), '0', 'without rows that the model is shown');

# ---- the worker ----

mock_reset();
sql("INSERT INTO mail SELECT i, $text FROM generate_series(1001, 1060) i");
ok(wait_until(sub { sql("SELECT count(*) FROM mail WHERE id > 1000 AND label IS NOT NULL") == 60 }, 'new rows'), 'the worker labels with examples');
is(sql("SELECT count(*) FROM mail WHERE id > 1000 AND label = $right"), '60', 'and the pupil learnt');
is(sql("SELECT count(*) FROM qwen.result WHERE task = $id AND k > 1000 AND version = 2"), '60', 'by the new version');
@sent = @{ mock_last(60) };
is(scalar(grep { @{ $_->{messages} } == 10 && $_->{messages}[0]{content} eq $system } @sent), 60, 'four turns of examples each, the system message unchanged');
my %by_text = map { $_->{messages}[-1]{content} => $json->encode($_->{messages}) } @sent;
is(scalar(grep { $by_text{$_} eq $json->encode(decode_json(sql("SELECT qwen.preview(\$t\$$_\$t\$, task => 'mail')"))->{messages}) } keys %by_text),
	scalar(keys %by_text), 'a query chooses the same, and preview shows it');

# ---- a query ----

mock_reset();
my $row = "the parcel was never delivered at all";
is(sql("SELECT count(*), min(label) FROM generate_series(1, 5) i, LATERAL qwen_classify('$row', task => 'mail')"), '5|alpha', 'in a query');
is(mock_stats()->{requests}, 1, 'equal texts are asked about once');
my ($known) = sql("SELECT input FROM qwen.example WHERE task = $id LIMIT 1");
my @shown = map { $_->{content} } @{ decode_json(sql("SELECT qwen.preview('$known', task => 'mail')"))->{messages} };
is(scalar(grep { $_ eq $known } @shown), 1, 'an example is not shown to itself');
is(scalar(@shown), 10, 'others are');
my $first = sql("SELECT qwen.preview('$row', task => 'mail')");
correct('mail', 201, 240);
is(sql("SELECT qwen.preview('$row', task => 'mail')"), $first, 'further corrections change nothing: the set is frozen');

# ---- what changes the task, and what the examples become ----

sql("SELECT qwen.alter_task('mail', instructions => 'Mail.')");
my @turns = @{ decode_json(sql("SELECT qwen.preview('$row', task => 'mail')"))->{messages} };
is(scalar(@turns), 10, 'another version keeps the set');
sql("SELECT qwen.alter_task('mail', rename => '{\"alpha\": \"delivery\"}')");
@turns = @{ decode_json(sql("SELECT qwen.preview('$row', task => 'mail')"))->{messages} };
is($turns[-2]{content}, 'delivery', 'a rename is one of examples, too');
sql("SELECT qwen.alter_task('mail', labels => ARRAY['beta', 'gamma'])");
@turns = @{ decode_json(sql("SELECT qwen.preview('$row', task => 'mail')"))->{messages} };
is(scalar(grep { $_->{content} eq 'delivery' } @turns), 0, 'those of a label that is gone are not shown');
my $version = sql("SELECT version FROM qwen.task WHERE id = $id");
sql("SELECT qwen.alter_task('mail', example_choice => 'similar')");
is(sql("SELECT version FROM qwen.task WHERE id = $id"), $version, 'what is so already is no change');
sql("SELECT qwen.alter_task('mail', example_choice => 'static')");
is(state_of('mail'), ($version + 1) . '|static|4|0', 'they can be given up: a version, and the texts are gone');
is(scalar(@{ decode_json(sql("SELECT qwen.preview('$row', task => 'mail')"))->{messages} }), 2, 'nothing is shown any more');

# ---- a static block ----

sql("CREATE TABLE plain (id bigint PRIMARY KEY, body text, label text, confidence float8, reason text)",
	"SELECT qwen.create_task('plain', labels => ARRAY['alpha', 'beta', 'gamma'], server => 'pupil', with_reason => false)",
	"SELECT qwen.attach('plain', 'plain', 'body')", "INSERT INTO plain SELECT i, $text FROM generate_series(1, 150) i");
ok(wait_until(sub { labelled('plain') == 150 }, 'labels of plain'), 'a table of one subject');
sql(map { "SELECT count(qwen.correct('plain', id, 'gamma')) FROM plain WHERE id BETWEEN $_ AND $_ + 49" } 1, 51, 101);
$r = run_sql($node, "SELECT * FROM qwen.try_examples('plain', 'static', adopt => true)");
note($r->{out});
is(item($r->{out}, 'verdict'), 'adopt', 'a static block');
is(item($r->{out}, 'examples'), '4', 'of four');
is(sql("SELECT version, example_choice, jsonb_array_length(examples), examples @> '[{\"label\": \"gamma\"}]' FROM qwen.task WHERE name = 'plain'"),
	'2|static|4|t', 'stands in the task');
is(sql("SELECT bool_and(x ->> 'input' IN (SELECT input FROM qwen.example e WHERE e.task = t.id)) FROM qwen.task t, jsonb_array_elements(examples) x WHERE name = 'plain'"), 't',
	'and its rows are known as examples, so that they are no audits');
my @block = @{ decode_json(sql("SELECT qwen.preview('$row', task => 'plain')"))->{messages} };
is(scalar(@block), 2, 'it is part of the system message');
is(scalar(() = $block[0]{content} =~ /^Answer: gamma$/mg), 4, 'with its answers');
sql("UPDATE qwen.task SET examples = NULL WHERE name = 'plain'", "SELECT qwen.alter_task('plain', examples => '[{\"input\": \"$subject[0]\", \"label\": \"beta\"}]')");
$tried = sql("SELECT * FROM qwen.try_examples('plain', 'static', k => 2)");
is(item($tried, 'examples'), '2', 'as many as are asked for');

# ---- servers without turns, and with little room ----

server($node, 'bare', url('plain'), api => 'inference');
server($node, 'narrow', url('openai', 'context=130'), api => 'openai');
sql("SELECT qwen.try_examples('mail', adopt => true)");
my ($body) = decode_json(sql("SELECT qwen.preview('$row', task => 'mail', server => 'bare')"));
like($body->{system}, qr/\n\nExamples like the text:\n(Text: ".*"\nAnswer: \{"label": "(beta|gamma)"\}\n){6}$/, 'the plain API has them at the end of its system text');
is($body->{prompt}, $row, 'and the row by itself');
mock_reset();
like(sql("SELECT qwen_label('$row', task => 'mail', server => 'narrow')"), qr/^(beta|gamma)$/, 'where they do not fit the context');
is(join(' ', map { scalar @{ $_->{messages} } } @{ mock_last(2) }), '14 2', 'they go before the text is cut');

# ---- errors and others at work meanwhile ----

my $tasks = sql("SELECT count(*) FROM qwen.task");
my $rows = item(sql("SELECT * FROM qwen.try_examples('dull')"), 'rows');
server($node, 'dies', url('vllm', 'fail=401', 'after=' . ($rows + 3)), max_concurrency => 1);
sql("SELECT qwen.alter_task('dull', server => 'dies')");
mock_reset();
like(error_of("SELECT * FROM qwen.try_examples('dull')"), qr/key/, 'a server that refuses in the middle of the trial');
like(sql("DO \$\$ BEGIN PERFORM qwen.try_examples('dull'); EXCEPTION WHEN OTHERS THEN PERFORM 1; END \$\$", "SELECT 'goes on'"), qr/goes on/,
	'and an error that is caught');
is(sql("SELECT count(*) FROM qwen.task"), $tasks, 'nothing of it is left');

server($node, 'slow', url('vllm', 'learn=1', 'delay=1500'));
sql("SELECT qwen.alter_task('dull', server => 'slow')");
my $s = session($node);
$s->start("SELECT * FROM qwen.try_examples('dull', adopt => true)");
wait_until(sub { mock_stats()->{in_flight} > 5 }, 'the trial');
sql("INSERT INTO mail VALUES (5000, 'alpha and more')");
ok(wait_until(sub { sql("SELECT label FROM mail WHERE id = 5000") =~ /a/ }, 'a label') && !$s->done, 'the worker labels meanwhile');
sql("SELECT qwen.alter_task('dull', instructions => 'Changed.')");
$s->wait;
like($s->{err}, qr/task "dull" was changed while examples were tried/, 'a task that changed meanwhile is not touched');

# ---- who may, and the end ----

sql("SELECT qwen.create_task('several', labels => ARRAY['a', 'b'], mode => 'multi', server => 'dull')");
like(error_of("SELECT * FROM qwen.try_examples('several')"), qr/it gives a text several labels/, 'not for several labels of one text');

sql("CREATE ROLE somebody LOGIN", "GRANT SELECT ON mail TO somebody");
like(error_of("SET ROLE somebody; SELECT * FROM qwen.try_examples('mail')"), qr/must be owner of task "mail"/, 'only its owner');
like(error_of("SET ROLE somebody; SELECT * FROM qwen.example"), qr/permission denied/, 'nobody reads the texts');
cmp_ok(sql("SELECT count(*) FROM qwen.example"), '>', 0, 'there are examples');
sql("SELECT qwen.drop_task('mail')");
is(sql("SELECT count(*) FROM qwen.example WHERE task = $id"), '0', 'dropped with the task');

done_testing();
