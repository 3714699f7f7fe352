# Asking by a task: what a server gets is what the task says, in the shape of
# the statement that it is asked in; and new names of labels in a table's rows.
use strict;
use warnings;
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(preload => 1);
server($node, 'mock', url('vllm'));
server($node, 'other', url('vllm', 'delay=1'));
value($node, q{SELECT qwen.create_task('tickets', '{"refund": "wants money back", "bug": null, "praise": null}',
  instructions => 'Mail of a web shop.', examples => '[{"input": "it broke", "label": "bug"}]', server => 'mock')});

my $given = q{'{"refund": "wants money back", "bug": null, "praise": null}', 'Mail of a web shop.', '[{"input": "it broke", "label": "bug"}]'};

# Statement, its result, and how many requests it took.
sub sql
{
	my ($sql, %opt) = @_;

	mock_reset();
	my $r = run_sql($node, $sql, %opt);
	$r->{requests} = mock_stats()->{requests};
	return $r;
}

# ---- the same answers and the same requests as with everything given ----

my $texts = q{(SELECT 'text number ' || i % 20 AS body FROM generate_series(1, 200) i) t};
for my $f ('qwen_label', 'qwen_scores')
{
	my $by_task = sql("SELECT string_agg($f(body, task => 'tickets')::text, ',') FROM $texts");
	my $by_labels = sql("SELECT string_agg($f(body, $given, server => 'mock')::text, ',') FROM $texts");

	is($by_task->{err}, '', "$f by a task: no error");
	is($by_task->{out}, $by_labels->{out}, "$f by a task: the same answers");
	is($by_task->{requests}, 20, "$f by a task: each text once");
}

sql(q{SELECT * FROM qwen_classify('one text', task => 'tickets')});
my $by_task = mock_last();
sql(qq{SELECT * FROM qwen_classify('one text', $given, server => 'mock')});
is_deeply($by_task, mock_last(), 'qwen_classify by a task: the same request');
like($by_task->{messages}[0]{content}, qr/"reason"/, 'a task asks for a reason');
is(sql(q{SELECT reason IS NOT NULL FROM qwen_classify('one text', task => 'tickets')})->{out}, 't', 'and gets it');
is( sql(q{SELECT reason IS NOT NULL FROM qwen_classify('one text', task => 'tickets', with_reason => false)})->{out},
	'f', 'unless the call says no');

# ---- no query of ours a row ----

my $r = sql(q{SET log_statement = 'none'; LOAD 'auto_explain';
  SET auto_explain.log_min_duration = 0; SET auto_explain.log_nested_statements = on; SET client_min_messages = log;
  SELECT count(qwen_label('text ' || i % 5, task => 'tickets')) FROM generate_series(1, 100) i});
my @looks = $r->{err} =~ /FROM qwen\.task/g;
is($r->{out}, '100', '100 rows by a task');
is(scalar @looks, 2, 'look the task up once for the requests and once for the values') or diag $r->{err};

# ---- in every kind of statement ----

value($node, q{CREATE TABLE ticket (id int PRIMARY KEY, body text, label text, confidence float8, reason text);
  INSERT INTO ticket (id, body) SELECT i, 'ticket number ' || i FROM generate_series(1, 30) i});
is( sql(q{UPDATE ticket SET (label, confidence, reason) = (SELECT * FROM qwen_classify(body, task => 'tickets'))})->{requests},
	30, 'UPDATE by a task: a request a row');
is(value($node, q{SELECT count(*) FROM ticket WHERE label = qwen_label(body, task => 'tickets')}),
	30, 'and the labels that a query finds');
is( sql(q{SELECT (c).* FROM (SELECT qwen_classify(body, task => 'tickets') c FROM ticket WHERE id <= 3 OFFSET 0) t})->{requests},
	3, 'columns of a row by a task: one request');
is(sql(q{EXPLAIN SELECT * FROM ticket WHERE qwen_label('constant', task => 'tickets') = label})->{requests},
	0, 'planning sends nothing');

$r = sql(q{SET force_parallel_mode = on; SET debug_parallel_query = on; SET parallel_setup_cost = 0;
  SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;
  SELECT count(*) FROM (SELECT body FROM ticket WHERE id > 0 OFFSET 0) t WHERE qwen_label(body, task => 'tickets') IS NOT NULL;
  EXPLAIN SELECT count(*) FROM (SELECT body FROM ticket WHERE id > 0 OFFSET 0) t WHERE qwen_label(body, task => 'tickets') IS NOT NULL});
like($r->{out}, qr/^30\n.*Gather/s, 'beside parallel workers') or diag $r->{out}, $r->{err};

$r = sql(q{BEGIN; DECLARE c CURSOR FOR SELECT qwen_label(body, task => 'tickets') IS NOT NULL FROM ticket;
  FETCH 2 FROM c; SELECT qwen.alter_task('tickets', instructions => 'Others.'); FETCH 2 FROM c; ROLLBACK});
is($r->{out}, "t\nt\n\nt\nt", 'a cursor goes on over a change of its task') or diag $r->{err};

$r = sql(q{DO $$ BEGIN FOR i IN 1..2 LOOP
    PERFORM qwen_label('the same', task => 'tickets');
    PERFORM qwen.alter_task('tickets', server => 'other');
  END LOOP; END $$});
is($r->{err}, '', 'a loop over a change of its task');
is($r->{requests}, 2, 'asks the new server the second time');
value($node, q{SELECT qwen.alter_task('tickets', server => 'mock')});

# ---- rights ----

value($node, q{CREATE ROLE reader LOGIN; GRANT SELECT ON ticket TO reader; CREATE ROLE asker LOGIN;
  GRANT USAGE ON FOREIGN SERVER mock TO asker});
$r = sql(q{SELECT qwen_label('x', task => 'tickets')}, extra_params => [ '-U', 'asker' ]);
like($r->{err}, qr/permission denied for task "tickets"/, 'a task is not for everyone');
is($r->{requests}, 0, 'and nothing is sent');

# ---- two sessions ----

my $first = session($node);
my $second = session($node);
$first->query(q{BEGIN; SELECT qwen.create_task('twice', '{a,b}')});
$second->start(q{SELECT qwen.create_task('twice', '{a,b}')});
$first->query('COMMIT');
$second->wait;
like($second->{err}, qr/task "twice" already exists/, 'a name that another session takes meanwhile');

$first->query(q{BEGIN; SELECT qwen.alter_task('twice', instructions => 'one')});
$second->start(q{SELECT qwen.alter_task('twice', '{c,d}')});
ok(!$second->done, 'a second change waits');
$first->query('COMMIT');
$second->wait;
is(value($node, q{SELECT version, labels, instructions FROM qwen.task WHERE name = 'twice'}),
	'3|["c", "d"]|one', 'and changes what the first left');

$first->query(q{BEGIN; SELECT qwen.drop_task('twice')});
$second->start(q{SELECT qwen.alter_task('twice', priority => 3)});
$first->query('COMMIT');
$second->wait;
like($second->{err}, qr/task "twice" (was dropped|does not exist)/, 'a change of a dropped task');

# ---- new names in the rows ----

my $before = mock_stats()->{requests};
value($node, q{CREATE ROLE boss LOGIN; GRANT USAGE ON FOREIGN SERVER mock TO boss;
  CREATE SCHEMA "Sup port" AUTHORIZATION boss});
value($node, q{CREATE TYPE "Sup port".kind AS ENUM ('bug', 'refund', 'defect');
  CREATE TABLE "Sup port"."Mail" (id int PRIMARY KEY, body text, "the label" "Sup port".kind, confidence float8, reason text);
  ALTER TABLE "Sup port"."Mail" OWNER TO boss; ALTER TYPE "Sup port".kind OWNER TO boss;
  INSERT INTO "Sup port"."Mail" SELECT i, 'mail ' || i, CASE i % 3 WHEN 0 THEN 'bug' WHEN 1 THEN 'refund' END::"Sup port".kind, 0.5, 'why'
    FROM generate_series(1, 300) i});
$r = run_sql($node, q{SELECT qwen.create_task('mail', '{bug,refund}', server => 'mock')}, extra_params => [ '-U', 'boss' ]);
is($r->{err}, '', 'the table\'s owner makes a task');
$r = run_sql($node, q{SELECT qwen.attach('mail', '"Sup port"."Mail"', input => 'body', label => 'the label')}, extra_params => [ '-U', 'boss' ]);
unlike($r->{err}, qr/ERROR/, 'and attaches it');
my $task = value($node, q{SELECT id FROM qwen.task WHERE name = 'mail'});

$r = run_sql($node, q{SELECT qwen.alter_task('mail', rename => '{"bug": "broken"}')}, extra_params => [ '-U', 'boss' ]);
like($r->{err}, qr/ERROR.*"broken".*kind/s, 'a name that the column does not take') or diag $r->{err};
$r = run_sql($node, q{SELECT qwen.alter_task('mail', '{bug,broken}')}, extra_params => [ '-U', 'boss' ]);
like($r->{err}, qr/ERROR.*"broken".*kind/s, 'nor as one of new labels');
is(value($node, q{SELECT version FROM qwen.task WHERE name = 'mail'}), 1, 'changes nothing');
$r = run_sql($node, q{SELECT qwen.alter_task('mail', rename => '{"bug": "defect"}')}, extra_params => [ '-U', 'boss' ]);
is($r->{err}, '', 'rename in the table');
is( value($node, q{SELECT "the label", count(*), min(confidence), min(reason) FROM "Sup port"."Mail" GROUP BY 1 ORDER BY 1}),
	"refund|100|0.5|why\ndefect|100|0.5|why\n|100|0.5|why",
	'the labels have their new name, confidence and reason stay');
is(value($node, qq{SELECT (SELECT count(*) FROM qwen.annotation WHERE task = $task) + (SELECT count(*) FROM qwen.queue WHERE task = $task)}),
	0, 'nobody set them, and nothing is queued');
$r = run_sql($node, q{SELECT qwen.alter_task('mail', rename => '{"defect": "refund", "refund": "defect"}')}, extra_params => [ '-U', 'boss' ]);
is($r->{err}, '', 'two names change places');
is( value($node, q{SELECT "the label", count(*), min(id) FROM "Sup port"."Mail" WHERE "the label" IS NOT NULL GROUP BY 1 ORDER BY 1}),
	"refund|100|3\ndefect|100|1", 'in the rows too');
is(mock_stats()->{requests}, $before, 'without a request');

$r = run_sql($node, q{SELECT qwen.alter_task('mail', instructions => 'New.')}, extra_params => [ '-U', 'boss' ]);
like($r->{err}, qr/NOTICE:  task "mail" is at version 4.*relabel\('mail'\)/s, 'a new version says what to type for the old rows');
value($node, q{ALTER TABLE "Sup port"."Mail" OWNER TO reader});
$r = run_sql($node, q{SELECT qwen.alter_task('mail', rename => '{"defect": "bug"}')}, extra_params => [ '-U', 'boss' ]);
like($r->{err}, qr/cannot be renamed.*one role must own both/s, 'a table that changed hands');

value($node, q{ALTER TABLE "Sup port"."Mail" OWNER TO boss});

# ---- dropped with its triggers, and without its table ----

value($node, qq{INSERT INTO qwen.queue VALUES ($task, 1, NULL, now())});
$r = run_sql($node, q{SELECT qwen.drop_task('mail')}, extra_params => [ '-U', 'boss' ]);
is($r->{err}, '', 'an attached task is dropped');
is( value($node, qq{SELECT (SELECT count(*) FROM pg_trigger WHERE tgname ~ '^zz_qwen') + (SELECT count(*) FROM qwen.queue WHERE task = $task)}),
	0, 'with its triggers and what waited');
is(value($node, q{SELECT count("the label") FROM "Sup port"."Mail"}), 200, 'the labels stay');
run_sql($node, q{SELECT qwen.create_task('gone', '{bug,refund}', server => 'mock'); CREATE TABLE gone (id int PRIMARY KEY, body text, label text, confidence float8, reason text);
  SELECT qwen.attach('gone', 'gone', input => 'body'); DROP TABLE gone});
$r = run_sql($node, q{SELECT qwen.alter_task('gone', '{x,y}'); SELECT qwen.alter_task('gone', rename => '{"x": "z"}')});
like($r->{err}, qr/table of task "gone" was dropped/, 'no rename without the table');
$r = run_sql($node, q{SELECT qwen.drop_task('gone')});
is($r->{err}, '', 'but drop_task');

done_testing();
