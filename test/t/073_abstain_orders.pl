# "None of these": what a call, a task and a review make of it; labels in several orders.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(sleep);

my $LABELS = "ARRAY['refund','bug','praise']";
my $COLUMNS = 'label text, confidence float8, reason text';

start_mock();
my $node = start_node(preload => 1, conf => "max_connections = 20\nqwen_classify.worker_idle_timeout = 10s\n");
server($node, 'qwen', url('vllm'));
server($node, 'letters', url('vllm'), codes => 'on');
server($node, 'bare', url('openai', 'logprobs=none'));

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }
sub wait_for { sql("CALL qwen.wait('$_[0]', '30s')") }
sub error_of { my $r = run_sql($node, $_[0]); return $r->{err} =~ /ERROR:  (.*)/s ? $1 : '' }

# How many requests some SQL makes, until its task has nothing to do.
sub requests
{
	my ($task, $sql) = @_;
	my $before = mock_stats()->{requests};

	sql($sql);
	sleep 0.3;
	wait_for($task);
	return mock_stats()->{requests} - $before;
}

sub labels { return sql("SELECT string_agg(id || ' ' || coalesce(label, '-'), ', ' ORDER BY id) FROM $_[0]") }

# ---- calls ----

is(sql("SELECT label IS NULL, confidence > 0.5, reason IS NOT NULL FROM qwen_classify('none of these, really', $LABELS, server => 'qwen', abstain => true)"),
	't|t|t', 'no label, how probable that is, and why');
is(sql("SELECT label FROM qwen_classify('a bug', $LABELS, server => 'qwen', abstain => true)"), 'bug', 'a text that a label fits gets it');
is(sql("SELECT label IN ('refund', 'bug', 'praise') FROM qwen_classify('none of these, really', $LABELS, server => 'qwen')"), 't', 'unasked, one of the labels is taken');
is(sql("SELECT qwen_label('none of these', $LABELS, server => 'qwen', abstain => true) IS NULL"), 't', 'qwen_label: NULL');
is(sql("SELECT qwen_label('none of these', '{refund,bug}', server => 'qwen', abstain => true) IS NULL"), 't', 'with labels as a literal');
is(sql("SELECT qwen_label('none of these', '[\"refund\",\"bug\"]'::jsonb, server => 'qwen', abstain => true) IS NULL"), 't', 'and as jsonb');
is(sql("SELECT round(sum(value::numeric), 4), count(*), bool_or(key = '') FROM jsonb_each_text(qwen_scores('none of these', $LABELS, server => 'qwen', abstain => true))"),
	'1.0000|4|t', 'qwen_scores: its probability stands under the empty key');
is(sql("SELECT (qwen_scores('none of these', $LABELS, server => 'qwen', abstain => true) ->> '')::float8 - confidence < 1e-5 FROM qwen_classify('none of these', $LABELS, with_reason => false, server => 'qwen', abstain => true)"),
	't', 'and is the confidence');
is(sql("SELECT qwen_label('none of these', $LABELS, server => 'letters', abstain => true) IS NULL"), 't', 'with letters');
is(sql("SELECT label IS NULL, confidence IS NOT NULL FROM qwen_classify('none of these', $LABELS, server => 'bare', abstain => true)"), 't|t', 'without probabilities of tokens');
my $both = "qwen_label('x a bug', $LABELS, server => 'qwen', abstain => true), qwen_label('x a bug', $LABELS, server => 'qwen')";
mock_reset();
is(sql("SELECT $both"), 'bug|bug', 'the same text with and without');
is(mock_stats()->{requests}, 2, 'is two questions');
is(sql("SET qwen_classify.on_error = 'label'; SELECT label IS NULL FROM qwen_classify('none of these', $LABELS, server => 'qwen', abstain => true)"), 't', 'on_error => label concerns faults alone');

# a label of that name is the user's, in any way of writing it
is(sql("SELECT qwen_label('so: None of THESE', ARRAY['None of THESE', 'bug'], server => 'qwen', abstain => true)"), 'None of THESE', 'a label of the name is the user\'s');
is(sql("SELECT qwen_label('none of these (2)', ARRAY['none of these', 'bug'], server => 'qwen', abstain => true) IS NULL"), 't', 'and ours has another then');
like(sql("SELECT qwen.preview('x', ARRAY['none of these', 'bug'], server => 'qwen', abstain => true)::jsonb #>> '{messages,0,content}'"),
	qr/- none of these\n- bug\n- none of these \(2\): no other label/, 'which the model reads last');
like(sql(q(SELECT qwen.preview('x', ARRAY['bug'], examples => '[{"input": "hello", "label": null}]', server => 'qwen', abstain => true)::jsonb #>> '{messages,0,content}')),
	qr/Text: "hello"\nAnswer: \{"label": ?"none of these"/, 'an example with a NULL label shows it');
like(error_of(q(SELECT qwen_label('x', ARRAY['bug'], examples => '[{"input": "hello", "label": null}]', server => 'qwen'))), qr/label/, 'and is an error without abstain');

# ---- a task ----

sql("SELECT qwen.create_task('ticket', $LABELS, server => 'qwen', abstain => true)",
	"CREATE TABLE ticket (id int PRIMARY KEY, body text, $COLUMNS)",
	"SELECT qwen.attach('ticket', 'ticket', input => 'body')",
	"INSERT INTO ticket VALUES (1, 'a bug'), (2, 'none of these, 2'), (3, 'a refund'), (4, 'none of these, 4')");
wait_for('ticket');
is(labels('ticket'), '1 bug, 2 -, 3 refund, 4 -', 'a row that no label fits has none');
is(sql("SELECT count(*) FROM ticket WHERE label IS NULL AND confidence > 0.5 AND reason IS NOT NULL"), '2', 'but a confidence and a reason');
is(sql("SELECT undecided >= 2, done FROM qwen.progress"), 't|4', 'and is counted as undecided');
is(sql("SELECT k, state, label, array_length(top, 1), abs(top[4] - confidence) < 1e-5 FROM qwen.result WHERE k = 2"), '2|undecided||4|t',
	'qwen.result keeps all probabilities, the last is that of none');
is(requests('ticket', "SELECT qwen.backfill('ticket')"), 0, 'a backfill does not ask again');
is(requests('ticket', "UPDATE ticket SET reason = 'x' WHERE id = 2"), 0, 'nor does a change of something else');
is(requests('ticket', "SELECT qwen.backfill('ticket', filter => 'id = 2')"), 1, 'one with a filter asks again');
is(requests('ticket', "UPDATE ticket SET body = 'praise now' WHERE id = 4"), 1, 'a new text is asked about');
is(labels('ticket'), '1 bug, 2 -, 3 refund, 4 praise', 'and labelled');
is(requests('ticket', "UPDATE ticket SET body = 'none of these, 3' WHERE id = 3"), 1, 'a text that no label fits any more');
is(labels('ticket'), '1 bug, 2 -, 3 -, 4 praise', 'loses its label');
is(sql("SELECT label FROM qwen_classify('none of these', task => 'ticket')"), '', 'by the task in a query: the same');
like(error_of("SELECT qwen_label('x', task => 'ticket', abstain => true)"), qr/^abstain cannot be given together with a task/, 'to say it twice is an error');

# ---- people ----

is(sql("SELECT key, label IS NULL, confidence > 0.5, second IN ('refund', 'bug', 'praise'), why FROM qwen.review('ticket') WHERE key IN ('2', '3') ORDER BY 1"),
	"2|t|t|t|none of the labels fits\n3|t|t|t|none of the labels fits", 'the review shows such rows as what they are');
is(sql("SELECT qwen.correct('ticket', 2, 'refund')"), 'refund, not none of the labels', 'a person finds that one does');
is(sql("SELECT label, confidence, reason LIKE 'set by %' FROM ticket WHERE id = 2"), 'refund|1|t', 'which is written');
is(sql("SELECT qwen.agree('ticket', 3)"), 'none of the labels: agreed', 'or agrees');
is(sql("SELECT label IS NULL, confidence < 1 FROM ticket WHERE id = 3"), 't|t', 'which writes nothing');
is(sql("SELECT count(*) FROM qwen.review('ticket') WHERE key IN ('2', '3')"), '0', 'and neither is asked about again');
is(requests('ticket', "SELECT qwen.backfill('ticket')"), 0, 'nor sent again');
is(sql("SELECT string_agg(what || coalesce(' ' || label, ''), ', ' ORDER BY ordinality) FROM qwen.history('ticket', 3) WITH ORDINALITY"),
	'undecided, drawn for review, reviewed', 'its history')
  or diag sql("SELECT * FROM qwen.history('ticket', 3)");
sql("INSERT INTO ticket VALUES (5, 'none of these, 5')");
wait_for('ticket');
is(requests('ticket', "UPDATE ticket SET label = 'bug' WHERE id = 5"), 0, 'a label by hand');
is(sql("SELECT confidence, label FROM ticket WHERE id = 5"), '1|bug', 'is the person\'s');
like(error_of("SELECT * FROM qwen.calibrate('ticket')") || sql("SELECT string_agg(item || value, ' ') FROM qwen.calibrate('ticket')"), qr/./, 'calibrate takes no harm');
is(sql("SELECT count(*) FROM qwen.export('ticket') e WHERE e::jsonb -> 'predictions' -> 0 -> 'result' -> 0 -> 'value' -> 'choices' = '[]'"), '3', 'an export has no choice there')
  or diag sql("SELECT e FROM qwen.export('ticket') e LIMIT 3");

# ---- relabel: a label that no label fits any more; another version ----

sql("SELECT qwen.create_task('second', $LABELS, server => 'qwen', with_reason => false, keep => false)",
	"CREATE TABLE second (id int PRIMARY KEY, body text, $COLUMNS)",
	"SELECT qwen.attach('second', 'second', input => 'body')",
	"INSERT INTO second VALUES (1, 'a bug'), (2, 'none of these')");
wait_for('second');
is(sql("SELECT label IS NULL FROM second WHERE id = 2"), 'f', 'a task that must take one takes one');
sql("SELECT qwen.alter_task('second', abstain => true, keep => true)", "UPDATE second SET label = NULL");
wait_for('second');
is(labels('second'), '1 bug, 2 -', 'altered, it may take none');
is(sql("SELECT version FROM qwen.task WHERE name = 'second'"), '2', 'that is another version');
sql("UPDATE second SET body = 'a refund' WHERE id = 2");
wait_for('second');
sql("SELECT qwen.alter_task('second', labels => ARRAY['bug', 'praise'])", "ALTER TABLE second DISABLE TRIGGER USER",
	"UPDATE second SET body = 'none of these' WHERE id = 2", "ALTER TABLE second ENABLE TRIGGER USER",
	"UPDATE qwen.result SET text_hash = qwen.input_hash('none of these'::text) WHERE k = 2 AND task = (SELECT id FROM qwen.task WHERE name = 'second')");
is(requests('second', "SELECT qwen.relabel('second')"), 2, 'relabel asks anew');
is(labels('second'), '1 bug, 2 -', 'and takes a label away where none fits');
is(sql("SELECT count(*) FROM qwen.queue"), '0', 'which queues nothing');
sql("SELECT qwen.alter_task('second', keep => false)", "INSERT INTO second VALUES (3, 'none of these, 3')");
wait_for('second');
is(requests('second', "SELECT qwen.backfill('second')"), 0, 'also a task that keeps nothing knows what it found undecided');

# ---- orders: which one a text's bytes decide; labels and numbers are the user's ----

sql("SELECT qwen.create_task('order$_', '{\"alpha\": \"first\", \"beta\": null, \"gamma\": \"third\", \"delta\": null}', server => 'qwen', orders => $_)") for 1 .. 4;
my $lists = "SELECT DISTINCT substring(qwen.preview('text ' || i, task => 'order%d')::jsonb #>> '{messages,0,content}' FROM 'Labels:\n(.*?)\n\n') FROM generate_series(1, 60) i ORDER BY 1";
is(sql('SELECT count(*) FROM (' . sprintf($lists, $_) . ') x'), $_, "$_ orders") for 1 .. 4;
is(sql('SELECT count(DISTINCT (SELECT string_agg(l, \'|\' ORDER BY l) FROM string_to_table(list, E\'\n\') l)) FROM (' . sprintf($lists, 4) . ') x(list)'), '1', 'of the same labels and descriptions');
is(sql("SELECT count(*) FROM (SELECT i, qwen_scores('text ' || i, task => 'order1') a, qwen_scores('text ' || i, task => 'order4') b FROM generate_series(1, 40) i) x WHERE a <> b"), '0',
	'probabilities belong to their labels');
is(sql("SELECT count(*) FROM generate_series(1, 40) i WHERE qwen_label('text ' || i, task => 'order1') <> qwen_label('text ' || i, task => 'order4')"), '0', 'and so does the label');
is(sql("SELECT qwen.alter_task('order4', server => 'letters'), qwen.alter_task('order1', server => 'letters')") && sql("SELECT count(*) FROM generate_series(1, 40) i WHERE qwen_label('text ' || i, task => 'order1') <> qwen_label('text ' || i, task => 'order4')"), '0', 'with letters, too');
mock_reset();
sql("SELECT qwen_label(t, task => 'order3') FROM (VALUES ('same'), ('same'), ('other')) v(t)");
is(mock_stats()->{requests}, 2, 'equal texts are asked about once, each text once');
sql("SELECT qwen.alter_task('order3', abstain => true)");
is(sql("SELECT count(*) FROM generate_series(1, 20) i WHERE qwen_label('none of these ' || i, task => 'order3') IS NULL"), '20', 'that none fits stays what it is');
is(sql("SELECT count(*) FROM generate_series(1, 20) i WHERE qwen.preview('text ' || i, task => 'order3')::jsonb #>> '{messages,0,content}' ~ E'- none of these: [^\n]*\n\n'"), '20', 'and last');
is(sql("SELECT version FROM qwen.task WHERE name = 'order3'"), '2', 'another version');
sql("SELECT qwen.alter_task('order3', orders => 1)");
is(sql("SELECT version FROM qwen.task WHERE name = 'order3'"), '3', 'and so is another number of orders');
like(error_of("SELECT qwen.create_task('x', '{a,b}', orders => $_)"), qr/^orders must be from 1 to 4/, "$_ orders are refused") for 0, 5;
sql("CREATE TABLE ordered (id int PRIMARY KEY, body text)", "SELECT qwen.attach('order2', 'ordered', input => 'body', add_columns => true)",
	"INSERT INTO ordered SELECT i, 'text ' || i FROM generate_series(1, 30) i");
wait_for('order2');
is(sql("SELECT count(*) FROM ordered WHERE label <> qwen_label(body, task => 'order2')"), '0', 'the worker asks alike');
is(sql("SELECT count(*) FROM ordered o JOIN qwen.result r ON r.k = o.id AND r.task = (SELECT id FROM qwen.task WHERE name = 'order2') WHERE abs(r.top[array_position(ARRAY['alpha','beta','gamma','delta'], o.label)] - r.confidence) > 1e-5"), '0', 'and keeps the numbers in the order written');

done_testing();
