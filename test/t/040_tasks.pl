# What the design says of tasks and attached tables, one sentence after the other,
# with a worker that labels: inputs, owners, several tasks, labels that were there
# before, whose labels a relabel takes, what is asked again and what is not, an uninstall.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $LABELS = "ARRAY['refund','bug','praise']";
my $COLUMNS = 'label text, confidence float8, reason text';

start_mock();
my $node = start_node(preload => 1, conf => "max_connections = 30\nqwen_classify.worker_idle_timeout = 10s\n");
server($node, 'qwen', url('vllm'));
server($node, 'slow', url('vllm', 'delay=1500'));
server($node, 'unsure', url('vllm', 'conf=0.6'));
my $me = value($node, 'SELECT current_user');

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub create_task
{
	my ($name, $server) = @_;

	$server ||= 'qwen';
	return sql("SELECT qwen.create_task('$name', $LABELS, server => '$server', with_reason => false)");
}

# A table, a task of its name on it, and its rows.
sub task
{
	my ($name, %opt) = @_;
	my $input = $opt{input} || 'body';

	create_task($name, $opt{server});
	sql("CREATE TABLE $name (id int PRIMARY KEY, body text, other text, $COLUMNS)");
	sql("SELECT qwen.attach('$name', '$name', \$\$$input\$\$)");
	sql("INSERT INTO $name (id, body) $opt{rows}") if $opt{rows};
	settled($name) if $opt{rows};
}

# Nothing of the task waits or is under way, and no backfill is open.
sub settled
{
	my ($task, $limit) = @_;

	return wait_until(sub {
		sql("SELECT p.waiting + p.in_flight + (SELECT count(*) FROM qwen.backfill_state b JOIN qwen.task t ON t.id = b.task"
			  . " WHERE t.name = p.task AND finished_at IS NULL) FROM qwen.progress p WHERE task = '$task'") eq '0'
	}, "$task to settle", $limit);
}

sub state_of { return sql("SELECT concat_ws(': ', state, why) FROM qwen.progress WHERE task = '$_[0]'") }
sub labels { return sql("SELECT string_agg(id || ' ' || coalesce(label, '-'), ', ' ORDER BY id) FROM $_[0]" . ($_[1] ? " WHERE $_[1]" : '')) }
sub kinds { return sql("SELECT string_agg(k || ' ' || kind, ', ' ORDER BY k) FROM qwen.annotation a JOIN qwen.task t ON t.id = a.task WHERE t.name = '$_[0]'") }

# How many requests some SQL makes, until its task has settled.
sub requests
{
	my ($task, $sql) = @_;
	my $before = mock_stats()->{requests};

	sql($sql);
	sleep 0.3;
	settled($task);
	return mock_stats()->{requests} - $before;
}

# ---- an expression: other columns go in, the worker alone evaluates it, a rename stops the task ----

sql(q(CREATE FUNCTION told(text) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE WARNING 'evaluated'; RETURN $1; END $$));
create_task('expression');
sql("CREATE TABLE expression (id int PRIMARY KEY, source text, at date, body text, $COLUMNS)");
sql(q(SELECT qwen.attach('expression', 'expression', $$told(source) || ' of ' || at || ': ' || body$$)));
my $r = run_sql($node, q(INSERT INTO expression (id, source, at, body) VALUES (1, 'mail', '2026-01-31', 'a bug'), (2, NULL, NULL, 'a bug');
	UPDATE expression SET body = 'a refund' WHERE id = 1));
is($r->{err}, '', 'the session that changes a row does not evaluate the expression');
ok(settled('expression'), 'the worker does');
is(labels('expression'), '1 refund, 2 -', 'a row gets the label of its expression; where that is NULL none');
is(mock_last()->{messages}[-1]{content}, 'mail of 2026-01-31: a refund', 'which is what the server reads');
$r = run_sql($node, q(UPDATE expression SET source = 'fax' WHERE id = 1));
ok(settled('expression'), 'a change of another column of it');
is(mock_last()->{messages}[-1]{content}, 'fax of 2026-01-31: a refund', 'is asked anew');

sql('ALTER TABLE expression RENAME source TO origin');
sql(q(INSERT INTO expression (id, origin, at, body) VALUES (3, 'mail', '2026-02-01', 'a praise')));
sql(q(UPDATE expression SET body = 'a praise' WHERE id = 1));
is(sql('SELECT string_agg(k::text, \' \' ORDER BY k) FROM qwen.queue'), '1 3', 'after a rename of a column in it, new and changed rows go on being queued');
ok(wait_until(sub { state_of('expression') =~ /^stopped: / }, 'the stop'), 'the task stops');
like(state_of('expression'), qr/column s\.source does not exist; type: SELECT qwen\.detach.*attach it with the new input/, 'with a hint') or diag state_of('expression');
is(sql(q(SELECT count(*) FROM qwen.failed WHERE task = 'expression')), '0', 'and costs no row an attempt');
sql('ALTER TABLE expression RENAME origin TO source');
ok(wait_until(sub { labels('expression') eq '1 praise, 2 -, 3 praise' }, 'the labels', 60), 'renamed back, it goes on by itself');

# what a person says meanwhile counts, and in another table of the name, as a restore makes one, it is the same
sql('SELECT qwen.pause(\'expression\'); ALTER TABLE expression RENAME TO before; CREATE TABLE expression (body text, source text, at date, id int PRIMARY KEY, label text, confidence float8, reason text)');
sql(q(INSERT INTO expression (id, source, body, at) SELECT id, source, body, at FROM before));
my $id = sql(q(SELECT id FROM qwen.task WHERE name = 'expression'));
sql("UPDATE qwen.task SET source = 'expression' WHERE name = 'expression';"
	  . "CREATE TRIGGER zz_qwen_before_$id BEFORE UPDATE ON expression FOR EACH ROW EXECUTE FUNCTION qwen.before_update('$id');"
	  . "CREATE TRIGGER zz_qwen_after_$id AFTER INSERT OR UPDATE ON expression FOR EACH ROW EXECUTE FUNCTION qwen.after_change('$id');"
	  . "SELECT qwen.resume('expression'); SELECT qwen.backfill('expression')");
ok(wait_until(sub { labels('expression') eq '1 praise, 2 -, 3 praise' }, 'the labels'), 'a table of the same name: labelled');
sql('ALTER TABLE expression RENAME source TO origin');
sql(q(UPDATE expression SET label = 'bug' WHERE id = 1; UPDATE expression SET body = 'a refund' WHERE id = 3; INSERT INTO expression (id, origin, body, at) VALUES (4, 'mail', 'a refund', '2026-03-01')));
is(sql('SELECT string_agg(k::text, \' \' ORDER BY k) FROM qwen.queue'), '3 4', 'renamed: queued there, too');
is(kinds('expression'), '1 person', 'and a correction is noted');
sql('ALTER TABLE expression RENAME origin TO source');
ok(wait_until(sub { labels('expression') eq '1 bug, 2 -, 3 refund, 4 refund' }, 'the labels', 60), 'renamed back: labelled');
is(requests('expression', q(SELECT qwen.relabel('expression', filter => 'id < 4'))), 1, 'a relabel leaves the correction alone');

# ---- one role owns both ----

sql('CREATE ROLE first LOGIN; CREATE ROLE second LOGIN; GRANT USAGE ON FOREIGN SERVER qwen TO first, second; GRANT ALL ON SCHEMA public TO first, second');
sql("SET ROLE first; CREATE TABLE hands (id int PRIMARY KEY, body text, $COLUMNS); SELECT qwen.create_task('hands', $LABELS, with_reason => false, server => 'qwen');"
	  . "SELECT qwen.attach('hands', 'hands', 'body')");
sql(q(UPDATE qwen.task SET owner = 'second'::regrole WHERE name = 'hands'; SELECT qwen.pause('hands'); SELECT qwen.resume('hands')));
sql(q(INSERT INTO hands (id, body) VALUES (1, 'a bug')));
ok(wait_until(sub { state_of('hands') =~ /^stopped: .*one role must own both/i }, 'the stop'), 'a task that changes hands stops with a hint') or diag state_of('hands');
is(labels('hands'), '1 -', 'and labels nothing');
sql('ALTER TABLE hands OWNER TO second');
ok(wait_until(sub { labels('hands') eq '1 bug' }, 'the label', 60), 'when the table follows it goes on');
sql('ALTER TABLE hands OWNER TO first; REASSIGN OWNED BY second TO first; DROP OWNED BY second; DROP ROLE second');
sql(q(INSERT INTO hands (id, body) VALUES (2, 'a bug')));
ok(wait_until(sub { state_of('hands') =~ /^stopped: / }, 'the stop'), 'a task whose owner was dropped stops') or diag state_of('hands');
like(state_of('hands'), qr/owner|role/i, 'and says why');
run_sql($node, q(SELECT qwen.drop_task('hands')));
is(sql(q(SELECT count(*) FROM qwen.task WHERE name = 'hands')), '0', 'and can be dropped by a superuser');
is(sql(q(SELECT count(*) FROM pg_trigger WHERE tgrelid = 'hands'::regclass)), '0', 'with its triggers');

# ---- several tasks on a table ----

sql("CREATE TABLE both_tasks (id int PRIMARY KEY, title text, body text, $COLUMNS, mood text, sure real)");
create_task('topic');
sql("SELECT qwen.create_task('mood', ARRAY['happy', 'angry'], server => 'qwen', with_reason => false)");
sql("SELECT qwen.attach('topic', 'both_tasks', 'body')");
sql("SELECT qwen.attach('mood', 'both_tasks', 'title || body', label => 'mood', confidence => 'sure', reason => NULL)");
sql("INSERT INTO both_tasks (id, title, body) VALUES (1, 'happy ', 'a bug'), (2, 'angry ', 'a refund')");
my $both = q(SELECT string_agg(concat_ws(' ', id, label, mood, confidence IS NOT NULL, sure IS NOT NULL), ', ' ORDER BY id) FROM both_tasks);
ok(wait_until(sub { sql($both) eq '1 bug happy t t, 2 refund angry t t' }, 'both labels'), 'two tasks label a table') or diag sql($both);
is(requests('mood', q(UPDATE both_tasks SET title = 'angry ' WHERE id = 1)), 1, "a change of one's input asks that one");
is(sql($both), '1 bug angry t t, 2 refund angry t t', 'and leaves the other label alone');
sql(q(UPDATE both_tasks SET mood = 'happy' WHERE id = 2));
is(kinds('mood') . '|' . kinds('topic'), '2 person|', "a correction of one's label is no word on the other's");
sql(q(UPDATE both_tasks SET body = 'a praise' WHERE id = 2));
ok(wait_until(sub { sql($both) =~ /2 praise angry t t/ }, 'both labels'), 'a change of the input of both clears and asks both');

# ---- columns that are missing: the error prints what to type ----

sql('CREATE SCHEMA "Odd"; CREATE TABLE "Odd"."No Columns" (id int PRIMARY KEY, body text)');
create_task('missing');
$r = run_sql($node, q(SELECT qwen.attach('missing', '"Odd"."No Columns"', 'body', confidence => 'how sure')));
my ($alter) = $r->{err} =~ /(ALTER TABLE[^;]*;)/;
ok($alter, 'missing columns: the error prints the ALTER TABLE') or diag $r->{err};
sql($alter || 'SELECT 1');
$r = run_sql($node, q(SELECT qwen.attach('missing', '"Odd"."No Columns"', 'body', confidence => 'how sure')));
unlike($r->{err}, qr/ERROR/, 'which does what attach wants');
sql(q(INSERT INTO "Odd"."No Columns" (id, body) VALUES (1, 'a bug')));
ok(settled('missing'), 'the row settles');
is(sql(q(SELECT label || ("how sure" > 0) FROM "Odd"."No Columns")), 'bugtrue', 'and its label is written');

# ---- labels that were there before: kept, people's, or to be made anew ----

for my $existing ('keep', 'people', 'relabel')
{
	my $t = "there_$existing";

	create_task($t);
	sql("CREATE TABLE $t (id int PRIMARY KEY, body text, $COLUMNS)");
	sql("INSERT INTO $t VALUES (1, 'a refund', 'bug', 0.4, 'old'), (2, 'a praise', NULL, NULL, NULL)");
	sql("SELECT qwen.attach('$t', '$t', 'body', existing => '$existing')");
	sleep 0.5;
	is(labels($t), '1 bug, 2 -', "existing => $existing: nothing is labelled before a backfill");
	is(requests($t, "SELECT qwen.backfill('$t')"), $existing eq 'relabel' ? 2 : 1, "existing => $existing: a backfill asks");
	is(labels($t), $existing eq 'relabel' ? '1 refund, 2 praise' : '1 bug, 2 praise', "existing => $existing: and writes");
	is(kinds($t), $existing eq 'people' ? '1 person' : '', "existing => $existing: whose they are");
	is(sql("SELECT confidence || reason FROM $t WHERE id = 1"), '0.4old', "existing => $existing: the columns are as they were") unless $existing eq 'relabel';
	is(requests($t, "SELECT qwen.alter_task('$t', instructions => 'New.')"), 0, "existing => $existing: a new version asks nothing");
	is(requests($t, "SELECT qwen.relabel('$t')"), $existing eq 'relabel' ? 2 : 1, "existing => $existing: a relabel asks for the model's");
	is(labels($t, 'id = 1'), $existing eq 'relabel' ? '1 refund' : '1 bug', "existing => $existing: and for no others");
}

# ---- detach keeps columns and labels ----

sql("SELECT qwen.detach('there_keep'); INSERT INTO there_keep (id, body) VALUES (3, 'a bug'); UPDATE there_keep SET body = 'changed' WHERE id = 2");
is(labels('there_keep'), '1 bug, 2 praise, 3 -', 'detach keeps the labels, and nothing happens any more');

# ---- whose label it is, and which a relabel takes ----

task('whose', rows => q(SELECT i, 'refund ' || i FROM generate_series(1, 300) i));
is(sql(q(SELECT count(*) FROM whose WHERE label = 'refund')), '300', 'the model labels 300 rows');
sql(q(UPDATE whose SET label = 'bug' WHERE id <= 150));
sql(q(UPDATE whose SET label = 'praise' WHERE id IN (201, 202)));
sql(q(UPDATE whose SET label = 'praise', confidence = 0.3 WHERE id = 203));
sql(q(SET qwen_classify.author = 'machine'; UPDATE whose SET label = 'praise' WHERE id = 204));
sql(q(SET qwen_classify.author = 'person'; UPDATE whose SET label = 'praise', confidence = 0.3 WHERE id = 205));
is(sql(q(SELECT string_agg(n || ' ' || kind, ', ' ORDER BY n) FROM (SELECT count(*) AS n, kind FROM qwen.annotation a JOIN qwen.task t ON t.id = a.task
	WHERE t.name = 'whose' GROUP BY kind) AS x)), '2 kept, 3 person, 150 bulk', 'a statement of more than 100 labels is a bulk edit; what the setting says counts');
is(sql(q(SELECT string_agg(id || ' ' || confidence || coalesce(' ' || reason, ''), ', ' ORDER BY id) FROM whose WHERE id IN (1, 201, 203, 205))),
	"1 1 set by $me, 201 1 set by $me, 203 0.3, 205 1 set by $me", "a person's label has confidence 1 and a name; a machine's stays as it is");
is(requests('whose', q(SELECT qwen.relabel('whose'))), 0, 'a relabel asks nothing while no label is of an older version');
is(requests('whose', q(SELECT qwen.relabel('whose', filter => 'id BETWEEN 140 AND 210'))), 55, "with a filter it asks for those rows, but not for people's, a bulk edit's or another machine's");
sql(q(SELECT qwen.alter_task('whose', instructions => 'Mail of a shop.')));
is(sql(q(SELECT stale FROM qwen.progress WHERE task = 'whose')), sql(q(SELECT count(*) FROM qwen.result r JOIN qwen.task t ON t.id = r.task WHERE t.name = 'whose')),
	'a new version makes labels stale');
is(requests('whose', q(SELECT qwen.relabel('whose'))), 145, 'and a relabel makes the model\'s anew');
is(sql(q(SELECT string_agg(n || ' ' || label, ', ' ORDER BY n) FROM (SELECT count(*) AS n, label FROM whose GROUP BY label) AS x)), '5 praise, 145 refund, 150 bug', 'the others stand');
is(requests('whose', q(SELECT qwen.relabel('whose'))), 0, 'once');
is(requests('whose', q(UPDATE whose SET label = NULL WHERE id IN (1, 201, 203))), 3, 'a label that is cleared is asked for');
is(requests('whose', q(UPDATE whose SET body = 'praise ' || id WHERE id IN (2, 202, 204))), 3, 'and so is a text that changes');
is(labels('whose', 'id IN (1, 2, 201, 202, 203, 204)'), '1 refund, 2 praise, 201 refund, 202 praise, 203 refund, 204 praise', "they are the model's again");

# the old label stays until the new one comes
sql(q(SELECT qwen.alter_task('whose', server => 'slow')));
sql(q(SELECT qwen.relabel('whose', filter => 'id = 300')));
ok(wait_until(sub { sql(q(SELECT in_flight FROM qwen.progress WHERE task = 'whose')) eq '1' }, 'the request'), 'while a relabel is under way');
is(sql(q(SELECT label || (confidence > 0) FROM whose WHERE id = 300)), 'refundtrue', 'the old label stands');
my $version = q(SELECT r.version FROM qwen.result r JOIN qwen.task t ON t.id = r.task WHERE t.name = 'whose' AND k = 300);
my $old = sql($version);
ok(settled('whose'), 'until it ends');
cmp_ok(sql($version), '>', $old, 'and the new one comes');

# a rename: no request, nothing stale, people's words follow
sql(q(SELECT qwen.alter_task('whose', server => 'qwen')));
settled('whose');
my $stale = sql(q(SELECT stale FROM qwen.progress WHERE task = 'whose'));
is(requests('whose', q(SELECT qwen.alter_task('whose', rename => '{"refund": "money", "praise": "thanks"}'))), 0, 'a rename sends nothing');
is(sql(q(SELECT count(*) FROM whose WHERE label IN ('refund', 'praise'))), '0', 'all labels have the new names');
is(sql(q(SELECT DISTINCT label FROM qwen.annotation a JOIN qwen.task t ON t.id = a.task WHERE t.name = 'whose' AND k = 205)), 'thanks', "what people said, too");
is(sql(q(SELECT stale FROM qwen.progress WHERE task = 'whose')), $stale, 'nothing becomes stale by it');
sql(q(INSERT INTO whose (id, body) VALUES (301, 'money back')));
ok(settled('whose'), 'a new row');
is(labels('whose', 'id = 301'), '301 money', 'gets the new name');

# ---- what is asked again and what is not ----

task('undecided', server => 'unsure', rows => q(SELECT i, 'bug ' || i FROM generate_series(1, 5) i));
is(sql(q(SELECT undecided FROM qwen.progress WHERE task = 'undecided')), '5', 'labels below accept_above are undecided');
is(requests('undecided', q(UPDATE undecided SET other = 'x'; UPDATE undecided SET body = body, label = label)), 0, 'and are not asked again for a change of something else');
is(requests('undecided', q(SELECT qwen.backfill('undecided'))), 0, 'nor by a backfill');

task('dead');
sql(q(INSERT INTO dead (id, body) VALUES (1, 'bug @@fail=400;times=1@@'), (2, 'praise @@fail=400;times=1@@'), (3, 'refund @@fail=400;times=1@@')));
ok(wait_until(sub { sql(q(SELECT count(*) FROM qwen.failed WHERE task = 'dead' AND dead_at IS NOT NULL)) eq '3' }, 'three dead rows'), 'rows that the server refuses are dead');
is(requests('dead', q(UPDATE dead SET other = 'x'; SELECT qwen.backfill('dead'))), 0, 'and are asked again neither for another column nor by a backfill');
is(requests('dead', q(UPDATE dead SET body = body || ' 2' WHERE id = 1)), 1, 'but for a new text');
is(sql(q(SELECT count(*) FROM qwen.failed WHERE task = 'dead')), '3', 'which may fail in its turn');
sql(q(SELECT qwen.alter_task('dead', instructions => 'New.'); SELECT qwen.backfill('dead', filter => 'id = 2')));
ok(wait_until(sub { labels('dead', 'id = 2') eq '2 praise' }, 'the label'), 'a new version of the task lets a backfill ask again');
is(sql(q(SELECT qwen.retry('dead'))), '2', 'and so does a retry');
ok(wait_until(sub { labels('dead') eq '1 bug, 2 praise, 3 refund' }, 'the labels'), 'for all');
is(sql(q(SELECT count(*) FROM qwen.failed WHERE task = 'dead')), '0', 'nothing is left of it');

# ---- pause and resume ----

task('paused');
sql(q(SELECT qwen.pause('paused')));
is(requests('undecided', q(INSERT INTO paused (id, body) VALUES (1, 'a bug'))), 0, 'a paused task sends nothing');
is(sql(q(SELECT state, waiting FROM qwen.progress WHERE task = 'paused')), 'paused|1', 'its rows wait');
sql(q(SELECT qwen.resume('paused')));
ok(settled('paused'), 'resumed');
is(labels('paused'), '1 bug', 'they are labelled');

# ---- an uninstall leaves added columns and nothing else ----

sub schema_lines
{
	my ($dump) = $node->can('installed_command') ? $node->installed_command('pg_dump') : 'pg_dump';
	my ($out, $err);

	IPC::Run::run([ $dump, '-s', '-d', $node->connstr('plain') ], '>', \$out, '2>', \$err) or die $err;
	return map { s/,\s*$//r } grep { /\S/ && !/^(--|\\)/ } split /\n/, $out;
}

sql('CREATE DATABASE plain');
my $in_plain = sub { return $node->safe_psql('plain', $_[0]) };
$in_plain->(q(CREATE SCHEMA shop; CREATE TABLE shop.ticket (id int PRIMARY KEY, body text NOT NULL); CREATE INDEX ON shop.ticket (body);
	CREATE VIEW shop.open AS SELECT * FROM shop.ticket; CREATE TABLE shop.part (id int PRIMARY KEY, body text) PARTITION BY HASH (id);
	CREATE TABLE shop.part_0 PARTITION OF shop.part FOR VALUES WITH (MODULUS 1, REMAINDER 0)));
my @before = schema_lines();
$in_plain->("CREATE EXTENSION qwen_classify; CREATE SERVER qwen FOREIGN DATA WRAPPER qwen_classify OPTIONS (url '" . url('vllm') . "')");
for my $t ('ticket', 'part')
{
	$in_plain->("SELECT qwen.create_task('$t', $LABELS, with_reason => false); SELECT qwen.attach('$t', 'shop.$t', 'body', add_columns => true);"
		  . "INSERT INTO shop.$t (id, body) VALUES (1, 'a bug'), (2, 'a praise'); UPDATE shop.$t SET label = 'praise' WHERE id = 1");
}
ok(wait_until(sub { $in_plain->('SELECT (SELECT count(label) FROM shop.ticket) + (SELECT count(label) FROM shop.part)') eq '4' }, 'the labels'), 'rows are labelled');
$in_plain->(q(SELECT qwen.detach('ticket'); SELECT qwen.drop_task('part'); DROP EXTENSION qwen_classify CASCADE));
my @after = schema_lines();
my (%count, @more, @less);
$count{$_}++ for @after;
$count{$_}-- for @before;
push @{ $count{$_} > 0 ? \@more : \@less }, ($_) x abs $count{$_} for sort keys %count;
is(join('|', @less), '', 'after an uninstall nothing is missing from the schema');
is(join('|', @more), join('|', ('    confidence real') x 3, ('    label text') x 3, ('    reason text') x 3), 'and the added columns are all that is new');
is($in_plain->('SELECT count(label) FROM shop.ticket'), '2', 'with their labels');

$node->stop;
done_testing();
