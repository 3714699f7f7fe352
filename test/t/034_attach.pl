# What attach says, how long it waits for locks, what an estimate costs; without
# preload, so that no worker changes anything meanwhile.  Then, with one: what is
# in flight when a task is detached, and what comes after.
use strict;
use warnings;
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(conf => "max_connections = 20\n");
server($node, 'qwen', url('vllm', 'delay=100'));

sub sql { return $node->safe_psql('postgres', $_[0]) }

# What a refusal must leave as it was.
sub state_of
{
	return sql("SELECT (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz_qwen%'), (SELECT count(source) FROM qwen.task),"
		. " (SELECT count(*) FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class WHERE relname LIKE 't_%'))");
}

my $COLUMNS = 'body text, label text, confidence real, reason text';
sql(<<"SQL");
CREATE ROLE ann LOGIN; CREATE ROLE bob LOGIN;
GRANT USAGE ON FOREIGN SERVER qwen TO ann, bob;
GRANT ALL ON SCHEMA public TO ann, bob;
SET ROLE ann;
CREATE TABLE t_small (id int PRIMARY KEY, body text);
CREATE TABLE t_large (id int PRIMARY KEY, filler text, $COLUMNS);
INSERT INTO t_large SELECT g, repeat('x', 100), 'refund ' || g % 500 FROM generate_series(1, 100000) AS g;
CREATE TABLE t_part (id int PRIMARY KEY, $COLUMNS) PARTITION BY HASH (id);
CREATE TABLE t_part_0 PARTITION OF t_part FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE t_part_1 PARTITION OF t_part FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO t_part SELECT g, 'bug ' || g FROM generate_series(1, 1000) AS g;
UPDATE t_part SET label = 'bug' WHERE id <= 100;
INSERT INTO t_part VALUES (0, NULL);
SELECT qwen.create_task('tickets', labels => ARRAY['refund', 'bug', 'praise'], with_reason => false);
SQL

# ---- locks: two seconds, then a hint, and nothing was changed ----

my $before = state_of();
my $holder = session($node);
my $ann = session($node);
$ann->query('SET ROLE ann');

$holder->query('BEGIN; INSERT INTO t_small VALUES (1, NULL)');
$ann->query("SELECT qwen.attach('tickets', 't_small', 'body', add_columns => true)");
like($ann->{err}, qr/ERROR:  could not lock table "t_small" within 2 s.*HINT:  Try again/s, 'a writer holds the table: try again');
cmp_ok($ann->{seconds}, '>', 1.8, '... after two seconds') and cmp_ok($ann->{seconds}, '<', 5, '... and not many more');
$holder->query('ROLLBACK');
is(state_of(), $before, '... nothing was changed');

# a reader lets a trigger be made, but no column be added: the second lock has its limit too
$holder->query('BEGIN; SELECT count(*) FROM t_small');
$ann->query("SELECT qwen.attach('tickets', 't_small', 'body', add_columns => true)");
like($ann->{err}, qr/could not lock table "t_small" within 2 s/, 'a reader is in the way of new columns');
cmp_ok($ann->{seconds}, '<', 5, '... for two seconds');
$holder->query('ROLLBACK');
is(state_of(), $before, '... nothing was changed');

$holder->query('BEGIN; LOCK TABLE t_part_1 IN ROW EXCLUSIVE MODE');
$ann->query("SELECT qwen.attach('tickets', 't_part', 'body')");
like($ann->{err}, qr/could not lock table "t_part" within 2 s/, 'a partition in use is in the way');
$holder->query('ROLLBACK');
is(state_of(), $before, '... nothing was changed');

# nobody makes others wait for a table that is not theirs
$holder->query('BEGIN; LOCK TABLE t_large IN ROW EXCLUSIVE MODE');
my $bob = session($node);
$bob->query("SET ROLE bob");
$bob->query("SELECT qwen.create_task('bobs', labels => ARRAY['a', 'b'])");
$bob->query("SELECT qwen.attach('bobs', 't_large', 'body')");
like($bob->{err}, qr/must be owner of table t_large/, 'not the owner');
cmp_ok($bob->{seconds}, '<', 1, '... is told at once');
$bob->query("SELECT * FROM qwen.estimate('tickets', 't_large', 'body')");
like($bob->{err}, qr/must be owner of task "tickets"/, 'an estimate is its owner\'s');
$bob->query("SELECT qwen.detach('tickets')");
like($bob->{err}, qr/must be owner of task "tickets"/, 'so is detach');
$holder->query('ROLLBACK');

# the session's own limit stays, and comes back
$ann->query("SET lock_timeout = '77ms'");
$holder->query('BEGIN; LOCK TABLE t_large IN ROW EXCLUSIVE MODE');
$ann->query("SELECT qwen.attach('tickets', 't_large', 'body')");
like($ann->{err}, qr/could not lock table "t_large" within 0.077 s/, 'a shorter limit of the session');
cmp_ok($ann->{seconds}, '<', 1.5, '... holds');
$holder->query('ROLLBACK');
is($ann->query('SHOW lock_timeout'), '77ms', '... and stays');
$ann->query('RESET lock_timeout');

# ---- an estimate ----

mock_reset();
like($ann->query("SELECT rows, distinct_texts, rows_per_second > 5, hours > 0 FROM qwen.estimate('tickets', 't_part', 'body')"),
	qr/^1000\|1000\|t\|t$/, 'an estimate of a small table counts');
is(mock_stats()->{requests}, 16, '... and tries 16 texts');
my @large = split /\|/, $ann->query("SELECT rows, distinct_texts FROM qwen.estimate('tickets', 't_large', 'body')");
cmp_ok(abs($large[0] - 100000), '<', 20000, "of a large one it samples: $large[0] rows");
cmp_ok(abs($large[1] - 500), '<', 50, "... $large[1] texts");
$ann->query("SELECT qwen.estimate('tickets', 't_small', 'body || nothing_like_it')");
like($ann->{err}, qr/column "nothing_like_it" does not exist/, 'an input that is none');

# ---- what attach says ----

$ann->query("SELECT qwen.attach('tickets', 't_part', 'body')");
like($ann->{err}, qr/NOTICE:  table public.t_part has 900 rows to label, 900 different texts/, 'rows without a label, texts');
like($ann->{err}, qr/SELECT qwen.backfill\('tickets', max_rows => 20\);/, 'what to type next');
like($ann->{err}, qr/NOTICE:  no worker until qwen_classify is in shared_preload_libraries/, 'no worker');
is($ann->query("SELECT rows FROM qwen.estimate('tickets')"), '900', 'an estimate of a task that is attached');
is($ann->query("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz_qwen%' AND tgrelid = 't_part'::regclass"), '2', 'two triggers');
is($ann->query('SELECT state, why FROM qwen.progress'), 'no worker|no worker: qwen_classify is not in shared_preload_libraries', 'the view says so, too');
$ann->query("INSERT INTO t_part VALUES (2001, 'a bug', NULL), (2002, 'a bug', 'bug')");
is(sql('SELECT k FROM qwen.queue'), '2001', 'rows are queued meanwhile');
is(sql('SELECT k, kind FROM qwen.annotation'), '2002|person', "and people's labels noted");
is($ann->query('SELECT waiting FROM qwen.progress'), '1', 'which the view shows');
$ann->query("DELETE FROM t_part WHERE id > 2000");
$ann->query("SELECT qwen.detach('tickets')");
unlike($ann->{err}, qr/ERROR/, 'detach');
is(sql('SELECT count(*) FROM qwen.queue'), '0', 'forgets what waits');

$ann->query(<<'SQL');
CREATE FUNCTION t_nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER on_any BEFORE UPDATE ON t_large FOR EACH ROW EXECUTE FUNCTION t_nothing();
CREATE TRIGGER on_label BEFORE UPDATE OF label ON t_large FOR EACH ROW EXECUTE FUNCTION t_nothing();
CREATE TRIGGER on_body BEFORE UPDATE OF body ON t_large FOR EACH ROW EXECUTE FUNCTION t_nothing();
CREATE TRIGGER off BEFORE UPDATE ON t_large FOR EACH ROW EXECUTE FUNCTION t_nothing();
ALTER TABLE t_large DISABLE TRIGGER off;
CREATE INDEX large_by_label ON t_large (lower(label));
CREATE INDEX large_unsure ON t_large (id) WHERE confidence < 0.7;
CREATE INDEX large_body ON t_large (body);
ALTER TABLE t_large ALTER label SET DEFAULT 'bug'
SQL
sql('CREATE PUBLICATION everything FOR ALL TABLES');
$ann->query("SELECT qwen.attach('tickets', 't_large', 'body')");
like($ann->{err}, qr/fires the UPDATE triggers of table public.t_large\nDETAIL:  They are: on_any, on_label\./, 'triggers that each label fires, and no others');
like($ann->{err}, qr/index "large_by_label" depends on column "label"/, 'an index over an expression of the label');
like($ann->{err}, qr/index "large_unsure" depends on column "confidence"/, 'an index with a condition on the confidence');
unlike($ann->{err}, qr/large_body|large_pkey/, '... and no others');
like($ann->{err}, qr/column "label" of table public.t_large has a default/, 'a default');
like($ann->{err}, qr/publication FOR ALL TABLES/, 'a publication');
like($ann->{err}, qr/SET \(fillfactor = 85\)/, 'fillfactor');
like($ann->{err}, qr/has about \d+ rows/, 'about how many rows');

# the table is dropped in another session while the task is attached: no crash, and detach works
$ann->query('DROP TABLE t_large');
$ann->query("SELECT qwen.backfill('tickets')");
like($ann->{err}, qr/the table of task "tickets" was dropped; type: SELECT qwen.detach\('tickets'\)/, 'a table that is gone');
$ann->query("SELECT qwen.detach('tickets')");
unlike($ann->{err}, qr/ERROR/, '... is detached');
is(sql('SELECT count(source) FROM qwen.task'), '0', '... for good');

# DDL that must not go through: an event trigger of the owner's fails, all of attach is undone
sql(q(CREATE FUNCTION t_no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
	CREATE EVENT TRIGGER t_no ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER') EXECUTE FUNCTION t_no()));
$before = state_of();
$ann->query("SELECT qwen.attach('tickets', 't_small', 'body', add_columns => true)");
like($ann->{err}, qr/not today/, 'an error after columns were added');
is(state_of(), $before, '... takes them away again');
is($ann->query('SELECT current_user'), 'ann', '... and the role is the session\'s again');

$_->quit for $holder, $ann, $bob;
$node->stop;

# ---- a worker's answers that come after the detach are not written ----

my $second = start_node(name => 'second', preload => 1);
server($second, 'slow', url('vllm', 'delay=1500'));
mock_reset();
$second->safe_psql('postgres', <<"SQL");
CREATE TABLE t (id int PRIMARY KEY, $COLUMNS);
INSERT INTO t SELECT g, 'bug ' || g FROM generate_series(1, 5) AS g;
SELECT qwen.create_task('tickets', labels => ARRAY['refund', 'bug', 'praise'], with_reason => false);
SELECT qwen.attach('tickets', 't', 'body');
INSERT INTO t SELECT g, 'refund ' || g FROM generate_series(11, 15) AS g;
SELECT qwen.backfill('tickets')
SQL
wait_until(sub { mock_stats()->{in_flight} > 0 }, 'requests in flight');
$second->safe_psql('postgres', q(SELECT qwen.detach('tickets')));
is(value($second, 'SELECT count(*) FROM pg_trigger WHERE tgrelid = \'t\'::regclass'), '0', 'detached while requests were in flight');
wait_until(sub { mock_stats()->{in_flight} == 0 }, 'their answers');
sleep 1;
is(value($second, 'SELECT count(label) FROM t'), '0', 'what was in flight is not written');
is(value($second, 'SELECT (SELECT count(*) FROM qwen.queue), (SELECT count(*) FROM qwen.retry), (SELECT count(*) FROM qwen.backfill_state)'), '0|0|0', 'nothing waits');

# attached again, to an expression: what is there is labelled when asked, and what is new at once
$second->safe_psql('postgres', q(UPDATE t SET label = 'refund', confidence = 0.1 WHERE id = 1;
	SELECT qwen.attach('tickets', 't', $$body || '!'$$, existing => 'relabel'); INSERT INTO t VALUES (21, 'praise 21')));
wait_until(sub { value($second, 'SELECT label FROM t WHERE id = 21') eq 'praise' }, 'the label of a new row');
is(value($second, 'SELECT string_agg(id || label, \',\' ORDER BY id) FROM t WHERE label IS NOT NULL'), '1refund,21praise', 'a new row is labelled, what is there waits to be asked for');
$second->safe_psql('postgres', q(SELECT qwen.backfill('tickets')));
ok(wait_until(sub { value($second, 'SELECT count(*) FROM t WHERE label = split_part(body, \' \', 1)') == 11 }, 'the labels of the others'), 'existing labels are made anew, as was asked for');
cmp_ok(value($second, 'SELECT rate > 0 FROM (SELECT rows_per_second AS rate FROM qwen.estimate(\'tickets\')) AS e'), 'eq', 't', 'a rate that was measured');
done_testing();
