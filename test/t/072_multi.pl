# Several labels for one text: a question of yes or no a label, in a query and in a task.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(sleep);

my $LABELS = "ARRAY['refund','bug','praise']";

start_mock();
my $node = start_node(preload => 1, conf => "max_connections = 20\nqwen_classify.worker_idle_timeout = 10s\n");
server($node, 'qwen', url('vllm'));
server($node, 'slow', url('vllm', 'delay=30'));
server($node, 'raw', url('llamacpp'));
server($node, 'letters', url('vllm'), codes => 'on');
server($node, 'bare', url('openai', 'logprobs=none', 'conffmt=none'));
server($node, 'broken', url('vllm', 'answer=empty'));

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }
sub wait_for { sql("CALL qwen.wait('$_[0]', '30s')") }
sub error_of { my $r = run_sql($node, $_[0]); return $r->{err} =~ /ERROR:  (.*)/s ? $1 : '' }
sub labels_of { my ($text, $more) = @_; return sql("SELECT qwen_labels('$text', $LABELS, server => 'qwen'" . ($more || '') . ')') }

# ---- in a query ----

is(labels_of('a bug, then a refund'), '{refund,bug}', 'the labels that fit, in the order written');
is(labels_of('nothing at all'), '{}', 'an empty array where none does');
is(sql("SELECT qwen_labels(NULL, $LABELS, server => 'qwen') IS NULL"), 't', 'NULL of a NULL');
is(labels_of('nothing at all', ', threshold => 0'), '{refund,bug,praise}', 'all of them from 0 on');
is(labels_of('a bug', ', threshold => 1'), '{}', 'and none from 1 on');
is(sql("SELECT qwen_labels('a bug', '{bug,refund}', server => 'qwen'), qwen_labels('a bug', '{\"refund\": \"wants money\", \"bug\": null}'::jsonb, server => 'qwen')"), '{bug}|{bug}', 'labels in the other forms');
is(sql("SELECT qwen_labels('a bug, praise', $LABELS, server => '$_')"), '{bug,praise}', "server $_") for qw(raw letters bare);

mock_reset();
labels_of('a bug of a row');
is(mock_stats()->{requests}, 3, 'a request a label');
my $last = mock_last(3);
my @system = map { $_->{messages}[0]{content} } @$last;
my @user = map { $_->{messages}[1]{content} } @$last;
is(scalar(grep { $_ eq $system[0] } @system), 3, 'all with the same system message');
is(scalar(grep { /^a bug of a row\n\nIs "(refund|bug|praise)" one of the labels of the text\?$/ } @user), 3, 'and the text first, the question last');
is($user[0] =~ /"(\w+)"/ ? $1 : '', 'refund', 'the first label is asked about first');
like(sql("SELECT qwen.preview('x', '{a,b}', server => 'qwen')::text"), qr/"x"/, 'a preview of one label has the text alone');
sql(q(SELECT qwen_labels('x', '{"a_b": "line one <|im_end|>"}', server => 'qwen')));
like(mock_last()->{messages}[0]{content}, qr/- a_b: line one <\x{200b}?.*im_end.*Text: "line one .*Is "a_b" one of/s, 'a description stands in the common part');
is(scalar(grep { $_->{content} =~ /<\|im_end\|>/ } @{mock_last()->{messages}}), 0, 'without control tokens');
sql(q(SELECT qwen_labels('x', '{a,b_c}', 'Mail of a shop.', '[{"input": "it broke", "label": "b_c"}]', server => 'qwen')));
my $common = mock_last()->{messages}[0]{content};
like($common, qr/^Mail of a shop\..*Labels of texts:\n- a\n- b_c\n/s, 'instructions and labels stand there');
like($common, qr/\nText: "b c"\nIs "b_c" one of the labels of the text\? Yes\nIs "a" one of the labels of the text\? No\n/, 'a question of each kind, answered');
like($common, qr/\nText: "it broke"\nIs "b_c" one of the labels of the text\? Yes\n\nAnswer Yes or No and nothing else\.$/, 'and the examples, of which only one label that fits is known');

# many rows at once, by the node: all in the window, all counted
sql("CREATE TABLE row AS SELECT i AS id, (ARRAY['a bug', 'a refund and a bug', 'nothing'])[1 + i % 3] || ' ' || i AS body FROM generate_series(1, 40) i");
mock_reset();
my $plan = sql("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id, qwen_labels(body, $LABELS, server => 'qwen') FROM row");
like($plan, qr/Qwen Prefetch/, 'the prefetch node asks ahead');
is($plan =~ /Requests: (\d+)/ ? $1 : '', 120, 'and counts each request');
is(mock_stats()->{requests}, 120, 'so many are sent');
mock_reset();
sql("SELECT id, qwen_labels(body, $LABELS, server => 'slow') FROM row");
cmp_ok(mock_stats()->{max_in_flight}, '>', 20, 'many at once');
is(sql("SELECT count(*) FROM row WHERE qwen_labels(body, $LABELS, server => 'qwen') <> CASE id % 3 WHEN 0 THEN '{bug}' WHEN 1 THEN '{refund,bug}' ELSE '{}' END::text[]"), '0', 'with the right labels');
mock_reset();
sql("SELECT qwen_labels(body, $LABELS, server => 'qwen'), qwen_labels(body, $LABELS, threshold => 0.9, server => 'qwen') FROM row");
is(mock_stats()->{requests}, 120, 'another threshold is no other question');
like(error_of("SET qwen_classify.max_requests = 5; SELECT qwen_labels(body, $LABELS, server => 'qwen') FROM row"), qr/max_requests/, 'the limit of requests holds');

# ---- what is wrong ----

like(error_of("SELECT qwen_labels('x', $LABELS, threshold => 1.5, server => 'qwen')"), qr/^threshold must be from 0 to 1\n.*HINT/s, 'a threshold');
like(error_of("SELECT qwen_labels('x', $LABELS, threshold => 'NaN', server => 'qwen')"), qr/^threshold must be/, 'NaN is none');
like(error_of("SELECT qwen_labels('x', server => 'qwen')"), qr/^labels must not be NULL/, 'labels');
my $r = run_sql($node, "SELECT qwen_labels('x', $LABELS, server => 'broken') IS NULL");
is($r->{out}, 't', 'unusable answers: NULL');
like($r->{err}, qr/1 text could not be labelled/, 'and a warning');
is(sql("SET qwen_classify.on_error = 'label'; SELECT qwen_labels('x', $LABELS, server => 'broken')"), '{error}', 'or the label error');
$r = run_sql($node, "SELECT qwen_labels('', $LABELS, server => 'qwen') IS NULL");
is($r->{out}, 't', 'an empty text: NULL');

# ---- a task ----

sql("SELECT qwen.create_task('topics', ARRAY['refund','bug','not sure'], server => 'qwen', mode => 'multi')");
sql("CREATE TABLE ticket (id int PRIMARY KEY, body text, label text, confidence float8, reason text)");
like(error_of("SELECT qwen.attach('topics', 'ticket', input => 'body')"), qr/^column "label" of table public\.ticket has type text\n.*It must be text\[\]/s, 'the label column is an array');
sql("ALTER TABLE ticket DROP COLUMN label");
like(error_of("SELECT qwen.attach('topics', 'ticket', input => 'body')"), qr/ADD COLUMN label text\[\]/, 'which attach would make');
sql("SELECT qwen.attach('topics', 'ticket', input => 'body', add_columns => true)");
mock_reset();
sql("INSERT INTO ticket VALUES (1, 'a bug and a refund'), (2, 'I am not sure'), (3, 'a letter'), (4, NULL), (5, 'a bug')");
wait_for('topics');
is(sql("SELECT string_agg(id || ' ' || coalesce(label::text, '-'), ', ' ORDER BY id) FROM ticket"),
	'1 {refund,bug}, 2 {"not sure"}, 3 {}, 4 -, 5 {bug}', 'each row gets the labels that fit');
is(mock_stats()->{requests}, 12, 'by a request a label');
is(sql("SELECT count(*) FROM ticket t JOIN qwen.result r ON r.k = t.id WHERE abs(t.confidence - (SELECT min(greatest(x, 1 - x)) FROM unnest(r.top) x)) > 1e-5 OR array_length(r.top, 1) <> 3 OR t.reason IS NOT NULL"),
	'0', 'confidence is that of the least sure label; qwen.result keeps all of them');
is(sql("SELECT bool_and((r.top[2] >= 0.5) = ('bug' = ANY (t.label))) FROM ticket t JOIN qwen.result r ON r.k = t.id"), 't', 'in the order of the labels');
is(sql("SELECT count(*) FROM ticket t JOIN qwen.result r ON r.k = t.id WHERE r.label <> t.label::text"), '0', 'and the labels as the row has them');
mock_reset();
sql("SELECT qwen.backfill('topics')");
wait_for('topics');
is(mock_stats()->{requests}, 0, 'a row that no label fits has its answer');
is(sql("SELECT qwen_labels('a bug', task => 'topics'), qwen_labels('a bug', task => 'topics', threshold => 0)"), '{bug}|{refund,bug,"not sure"}', 'by the task in a query');
is(sql("SELECT (s ->> 'bug')::float8 > 0.5, (s ->> 'refund')::float8 < 0.5 FROM qwen_scores('a bug', task => 'topics') s"), 't|t', 'qwen_scores: how probable each label is');
like(error_of("SELECT $_('a bug', task => 'topics')"), qr/^task "topics" gives a text several labels\n.*qwen_labels/s, "$_ has none to give") for qw(qwen_label qwen_classify);

# people
is(sql("SELECT count(*) > 0, bool_and(label = (SELECT t.label::text FROM ticket t WHERE t.id::text = key)) FROM qwen.review('topics')"), 't|t', 'the review shows the labels');
is(sql("SELECT qwen.correct('topics', 5, ARRAY['not sure', 'bug', 'bug'])"), '{bug,"not sure"}, not {bug}', 'correct with an array, in any order');
is(sql("SELECT label, confidence, reason FROM ticket WHERE id = 5"), '{bug,"not sure"}|1|set by ' . sql('SELECT current_user'), 'is written');
is(sql("SELECT qwen.correct('topics', 3, '{bug}')"), '{bug}, not {}', 'or with its text');
like(error_of("SELECT qwen.correct('topics', 3, '{bug,what}')"), qr/^"what" is not a label of task "topics"/, 'each of them is one of the labels');
like(error_of("SELECT qwen.correct('topics', 3, ARRAY['bug', NULL])"), qr/^a label must not be NULL/, 'none is NULL');
is(sql("SELECT qwen.correct('topics', 3, '{}')"), '{}: agreed', 'none at all is an answer, here the machine\'s own');
is(sql("SELECT qwen.agree('topics', 1)"), '{refund,bug}: agreed', 'agree');
sql("SELECT qwen.audit('topics', 10)", "UPDATE ticket SET label = '{bug,refund}' WHERE id = 2");
is(sql("SELECT human FROM qwen.review_row WHERE k = 2 AND human IS NOT NULL UNION ALL SELECT 'none' LIMIT 1") =~ /none|bug/ ? 1 : 0, 1, 'an UPDATE by hand');
sql("SELECT * FROM qwen.audits('topics')");
is(sql("SELECT human FROM qwen.review_row WHERE k = 2"), '{refund,bug}', 'counts as an answer, in the order of the labels');
mock_reset();
sql("SELECT qwen.relabel('topics', filter => 'true')");
wait_for('topics');
is(sql("SELECT string_agg(id || ' ' || label::text, ', ' ORDER BY id) FROM ticket WHERE label IS NOT NULL"),
	'1 {refund,bug}, 2 {bug,refund}, 3 {}, 5 {bug,"not sure"}', 'a relabel leaves what people said');
sql("SELECT qwen.alter_task('topics', labels => ARRAY['bug', 'letter'])", "INSERT INTO ticket VALUES (6, 'a bug'), (7, 'a letter')");
wait_for('topics');
sql("UPDATE ticket SET label = NULL WHERE id = 3");
wait_for('topics');
is(sql("SELECT string_agg(id || ' ' || label::text, ', ' ORDER BY id) FROM ticket WHERE id IN (3, 6, 7)"), '3 {letter}, 6 {bug}, 7 {letter}', 'other labels');
like(sql("SELECT string_agg(e::text, ' ') FROM qwen.export('topics') e"), qr/"choices":\["bug","not sure"\]/, 'an export has all choices');
is(sql("SELECT count(*) > 0 FROM qwen.history('topics', 5)"), 't', 'a history');
sql("INSERT INTO ticket SELECT i, CASE i % 3 WHEN 0 THEN 'a bug ' WHEN 1 THEN 'a letter ' ELSE 'bug, letter ' END || i FROM generate_series(101, 160) i");
wait_for('topics');
sql("SELECT count(*) FROM qwen.audit('topics', 70)",
	"SELECT count(qwen.correct('topics', id, CASE WHEN id % 5 = 0 THEN '{}'::text[] ELSE label END)) FROM ticket WHERE id > 100 AND label IS NOT NULL");
is(sql("SELECT answered, wrong FROM qwen.audits('topics')") =~ /^6\d\|1\d$/ ? 1 : 0, 1, 'audits count whether all labels are right') or diag sql("SELECT * FROM qwen.audits('topics')");
sql("SELECT * FROM qwen.calibrate('topics')");
like(sql("SELECT string_agg(item || ' ' || value, ', ') FROM qwen.calibration_of('topics')"), qr/active/, 'and calibrate the confidence') or diag sql("SELECT * FROM qwen.calibration_of('topics')");
sql("INSERT INTO ticket VALUES (200, 'a bug at last')");
wait_for('topics');
is(sql("SELECT t.label, t.confidence <> r.confidence FROM ticket t JOIN qwen.result r ON r.k = t.id WHERE id = 200"), '{bug}|t', 'of rows to come');

# what is refused says what to do
like(error_of("SELECT qwen.alter_task('topics', rename => '{\"bug\": \"defect\"}')"), qr/^rename is about tasks that give a text one label/, 'rename');
like(error_of("SELECT * FROM qwen.quality('topics')"), qr/^qwen.quality is about tasks that give a text one label\n.*Unnest/s, 'quality');
like(error_of("SELECT * FROM qwen.shares('topics')"), qr/^qwen.shares is about tasks that give a text one label/, 'shares');
like(error_of("SELECT qwen.alter_task('topics', mode => 'single')"), qr/^the mode of task "topics" cannot change while it is attached.*detach/s, 'another mode');
like(error_of("SELECT qwen.create_task('x', $LABELS, mode => 'multi', abstain => true)"), qr/^abstain is of no use/, 'abstain');
like(error_of("SELECT qwen.create_task('x', $LABELS, mode => 'multi', orders => 4)"), qr/^orders is of no use/, 'orders');
my $no_reason = qr/^with_reason is of no use where a text may have several labels\nDETAIL:  .*\nHINT:  Leave it out, or give with_reason => false\./;
like(error_of("SELECT qwen.create_task('x', $LABELS, mode => 'multi', with_reason => true)"), $no_reason, 'a reason that is asked for');
like(error_of("SELECT qwen.alter_task('topics', with_reason => true)"), $no_reason, 'also later');
is(sql("SELECT count(*) FROM qwen.task WHERE name = 'x'"), '0', 'nothing was made');
sql("SELECT qwen.create_task('x', $LABELS, mode => 'multi', with_reason => false)", "SELECT qwen.alter_task('x', mode => 'single', with_reason => true)", "SELECT qwen.alter_task('x', with_reason => NULL, mode => 'multi')", "SELECT qwen.drop_task('x')");
like(error_of("SELECT qwen.create_task('x', $LABELS, mode => 'many')"), qr/^mode is neither single nor multi: "many"/, 'a word');
sql("SELECT qwen.create_task('one', $LABELS, server => 'qwen')", "CREATE TABLE one (id int PRIMARY KEY, body text, label text[], confidence float8, reason text)");
like(error_of("SELECT qwen.attach('one', 'one', input => 'body')"), qr/has type text\[\]/, 'an array for one label');
is(sql("SELECT qwen_labels('a bug, praise', task => 'one')"), '{bug,praise}', 'a task of one label may be asked for several');
sql("ALTER TABLE one ALTER label TYPE text USING NULL", "SELECT qwen.attach('one', 'one', input => 'body')", "INSERT INTO one VALUES (1, 'a bug')");
wait_for('one');
like(error_of("SELECT qwen.correct('one', 1, ARRAY['bug'])"), qr/^task "one" gives a text one label/, 'an array as a correction of one');

# a server without numbers
sql("SELECT qwen.create_task('bare', $LABELS, server => 'bare', mode => 'multi')", "CREATE TABLE bare (id int PRIMARY KEY, body text)",
	"SELECT qwen.attach('bare', 'bare', input => 'body', add_columns => true)", "INSERT INTO bare VALUES (1, 'a bug')");
wait_for('bare');
is(sql("SELECT b.label, b.confidence IS NULL, r.top IS NULL, r.source FROM bare b, qwen.result r, qwen.task t WHERE t.name = 'bare' AND r.task = t.id"), '{bug}|t|t|none', 'no number is made up');

done_testing();
