# Tables as people have them: constraints and triggers that refuse a label,
# types of columns, row security, generated columns, keys of all kinds, foreign
# keys, deferred triggers, partitions that come and go while labels are written.
# A row that cannot be labelled dies alone.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(sleep);

start_mock();
my $node = start_node(preload => 1, conf => "max_connections = 30\nqwen_classify.worker_idle_timeout = 10s\n");
server($node, 'qwen', url('vllm'));

my $LABELS = q(ARRAY['refund', 'bug', 'praise']);
my $COLUMNS = 'body text, label text, confidence float8, reason text';

sub sql { return $node->safe_psql('postgres', $_[0]) }

# A task of the table's name on it, the rows that the text generator gives, until none waits.
sub attach
{
	my ($table, %opt) = @_;
	my $input = $opt{input} || 'body';

	sql("SELECT qwen.create_task('$table', labels => $LABELS, with_reason => false)");
	my $r = run_sql($node, "SELECT qwen.attach('$table', '$table', input => \$\$$input\$\$)");
	is($r->{err} =~ /ERROR/ ? $r->{err} : '', '', "attach $table");
}

sub labels
{
	my ($table, $want, $what) = @_;
	my $got;

	wait_until(sub { $got = sql("SELECT string_agg(coalesce(label::text, '-'), ' ' ORDER BY body) FROM $table"); $got eq $want }, $what, 20);
	is($got, $want, $what);
}

sub dead
{
	my ($table) = @_;
	my $n;

	wait_until(sub { $n = sql("SELECT count(*) FROM qwen.dead d JOIN qwen.task t ON t.id = d.task WHERE t.name = '$table'"); $n > 0 }, "a dead row of $table", 5);
	return sql("SELECT string_agg(d.k || ' ' || d.error_class || ': ' || d.last_error, '; ' ORDER BY d.k) FROM qwen.dead d JOIN qwen.task t ON t.id = d.task WHERE t.name = '$table'");
}

# All of a task's retries are due now; again until each is decided.
sub hurry
{
	my ($table) = @_;

	return wait_until(sub {
		sql("UPDATE qwen.retry SET next_at = now() FROM qwen.task AS t WHERE t.id = task AND t.name = '$table'");
		sql("SELECT qwen.pause('$table'); SELECT qwen.resume('$table')");
		sleep 0.3;
		return sql("SELECT count(*) FROM qwen.retry r JOIN qwen.task t ON t.id = r.task WHERE t.name = '$table'") eq '0';
	}, "the retries of $table", 20);
}

# ---- a CHECK and a trigger that refuse some labels ----

sql("CREATE TABLE checked (id int PRIMARY KEY, $COLUMNS, CHECK (label <> 'bug'))");
attach('checked');
sql(q(INSERT INTO checked (id, body) SELECT i, i || CASE WHEN i IN (3, 7) THEN ' bug' ELSE ' refund' END FROM generate_series(1, 9) i));
labels('checked', 'refund refund - refund refund refund - refund refund', 'a CHECK that refuses two of nine');
ok(hurry('checked'), 'retries of the two end');
like(dead('checked'), qr/^3 .*check.*; 7 .*check[^;]*$/i, 'the two are dead with the message of PostgreSQL');

sql("CREATE TABLE raising (id int PRIMARY KEY, $COLUMNS)");
sql(q(CREATE FUNCTION raise() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.label = 'bug' THEN RAISE EXCEPTION 'no bugs here'; END IF; RETURN NEW; END $$));
sql('CREATE TRIGGER r BEFORE UPDATE ON raising FOR EACH ROW EXECUTE FUNCTION raise()');
attach('raising');
sql(q(INSERT INTO raising (id, body) SELECT i, i || CASE WHEN i = 4 THEN ' bug' ELSE ' praise' END FROM generate_series(1, 6) i));
labels('raising', 'praise praise praise - praise praise', 'a trigger that raises for one of six');
ok(hurry('raising'), 'its retries end');
like(dead('raising'), qr/^4 .*no bugs here/, 'the one is dead with the trigger\'s words');

# ---- a user's trigger that rewrites the text, and one that swallows the row ----

sql("CREATE TABLE rewriting (id int PRIMARY KEY, n int DEFAULT 0, $COLUMNS)");
sql(q(CREATE FUNCTION rewrite() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF NEW.n < 1 THEN NEW.n := NEW.n + 1; NEW.body := replace(NEW.body, 'bug', 'praise'); END IF; RETURN NEW; END $$));
sql('CREATE TRIGGER r BEFORE UPDATE ON rewriting FOR EACH ROW EXECUTE FUNCTION rewrite()');
attach('rewriting');
sql(q(INSERT INTO rewriting (id, body) VALUES (1, '1 bug'), (2, '2 refund')));
labels('rewriting', 'praise refund', 'a trigger that rewrites the text when the label comes: the label of the new text');

sql("CREATE TABLE swallowing (id int PRIMARY KEY, $COLUMNS)");
sql(q(CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id = 1 THEN RETURN NULL; END IF; RETURN NEW; END $$));
sql('CREATE TRIGGER r BEFORE UPDATE ON swallowing FOR EACH ROW EXECUTE FUNCTION swallow()');
attach('swallowing');
mock_reset();
sql(q(INSERT INTO swallowing (id, body) VALUES (1, '1 bug'), (2, '2 refund')));
labels('swallowing', '- refund', 'a trigger that swallows the UPDATE');
sleep 1;
cmp_ok(mock_stats()->{requests}, '<', 20, 'is not asked for without end');

# ---- types ----

sql(q(CREATE TYPE kind AS ENUM ('refund', 'bug', 'praise')));
sql('CREATE TABLE enums (id int PRIMARY KEY, body text, label kind, confidence numeric(4, 3), reason varchar(20))');
attach('enums');
sql(q(INSERT INTO enums (id, body) VALUES (1, '1 bug'), (2, '2 refund')));
labels('enums', 'bug refund', 'an enum, a numeric and a varchar');

sql('CREATE TABLE generated (id int PRIMARY KEY, body text, label text, confidence float8, reason text, sure boolean GENERATED ALWAYS AS (confidence > 0.5) STORED)');
attach('generated');
sql(q(INSERT INTO generated (id, body) VALUES (1, '1 bug')));
labels('generated', 'bug', 'a generated column that reads the confidence');
is(sql('SELECT sure FROM generated'), 't', 'is computed');

# ---- keys ----

sql("CREATE TABLE uuids (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), $COLUMNS)");
sql("CREATE TABLE pairs (a text, b timestamptz, $COLUMNS, PRIMARY KEY (a, b))");
sql('CREATE TABLE "Odd Name" ("The Key" text PRIMARY KEY, ' . $COLUMNS . ')');
attach('uuids');
attach('pairs');
sql(qq(SELECT qwen.create_task('odd', labels => $LABELS); SELECT qwen.attach('odd', '"Odd Name"', input => 'body')));
sql(q(INSERT INTO uuids (body) SELECT i || ' bug' FROM generate_series(1, 3) i));
sql(q(INSERT INTO pairs (a, b, body) VALUES ('it''s, "so"', '2020-01-01 12:00:00.123456+03', '1 bug'), ('\\', 'infinity', '2 praise'), ('', '-infinity', '3 refund')));
sql(q(SET DateStyle = 'German, DMY'; SET timezone = 'Asia/Tokyo'; INSERT INTO pairs (a, b, body) VALUES ('x', '2020-02-01 00:00:00+00', '4 bug')));
sql(q(INSERT INTO "Odd Name" ("The Key", body) VALUES ('(a,b)', '1 bug'), ('NULL', '2 praise'), (' ', '3 refund'), ('科技', '4 bug')));
labels('uuids', 'bug bug bug', 'uuid keys');
labels('pairs', 'bug praise refund bug', 'a key of two columns, with every quote');
labels('"Odd Name"', 'bug praise refund bug', 'a table and a key that need quotes');
sql(q(UPDATE pairs SET body = '2 bug' WHERE a = '\\'));
labels('pairs', 'bug bug refund bug', 'an update of one of them');

# ---- row security, foreign keys, deferred triggers, inheritance ----

sql("CREATE TABLE secured (id int PRIMARY KEY, $COLUMNS); ALTER TABLE secured ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON secured USING (false)");
attach('secured');
sql(q(INSERT INTO secured (id, body) VALUES (1, '1 bug')));
labels('secured', 'bug', 'row-level security that is not forced on the owner');
sql(q(CREATE ROLE plain; GRANT USAGE ON FOREIGN SERVER qwen TO plain; ALTER TABLE secured OWNER TO plain; ALTER TABLE secured FORCE ROW LEVEL SECURITY; UPDATE qwen.task SET owner = 'plain' WHERE name = 'secured'));
sql(q(SELECT qwen.pause('secured'); SELECT qwen.resume('secured')));
sql(q(SET row_security = off; INSERT INTO secured (id, body) VALUES (2, '2 praise')));
ok(wait_until(sub { sql(q(SELECT concat_ws(' ', state, why) FROM qwen.progress WHERE task = 'secured')) =~ /row-level security/i }, 'the stop', 40),
	'forced row-level security stops the task with words');
sql('ALTER TABLE secured NO FORCE ROW LEVEL SECURITY');
sql(q(SELECT qwen.resume('secured')));
labels('secured', 'bug praise', 'and without it the task goes on');

sql("CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1); CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent DEFERRABLE INITIALLY DEFERRED, $COLUMNS)");
attach('child');
sql(q(BEGIN; INSERT INTO child (id, p, body) VALUES (1, 1, '1 bug'); COMMIT));
labels('child', 'bug', 'a deferred foreign key');

# a deferred trigger would run at commit, where nobody is the owner any more: it is
# refused, and one that comes later makes rows fail, not run as somebody else
sql("CREATE TABLE deferred (id int PRIMARY KEY, seen text, $COLUMNS)");
sql('CREATE TABLE deferred_log (who text)');
sql(q(CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.deferred_log VALUES (current_user); RETURN NULL; END $$));
attach('deferred');
sql('CREATE CONSTRAINT TRIGGER n AFTER UPDATE ON deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note()');
sql(q(INSERT INTO deferred (id, body) VALUES (1, '1 bug')));
ok(wait_until(sub { sql(q(SELECT concat_ws(' ', why, last_error) FROM qwen.progress WHERE task = 'deferred')) =~ /deferred trigger/ }, 'the message', 20),
	'a deferred trigger that came later: the view has the message of PostgreSQL')
  or diag sql(q(SELECT * FROM qwen.progress WHERE task = 'deferred'));
is(sql('SELECT count(*) FROM deferred_log'), '0', 'and it has not run');
sql('DROP TRIGGER n ON deferred');
sql(q(SELECT qwen.retry('deferred')));
hurry('deferred');
labels('deferred', 'bug', 'without it the row is labelled');

# ---- partitions ----

sql(q(CREATE TABLE parted (id int, day date, body text, label text, confidence float8, reason text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day)));
sql(q(CREATE TABLE parted_a PARTITION OF parted FOR VALUES FROM ('2026-01-01') TO ('2026-02-01')));
sql(q(CREATE TABLE parted_b (reason text, junk int, body text, id int NOT NULL, confidence float8, day date NOT NULL, label text)));
sql(q(ALTER TABLE parted_b DROP COLUMN junk; ALTER TABLE parted ATTACH PARTITION parted_b FOR VALUES FROM ('2026-02-01') TO ('2026-03-01')));
attach('parted');
sql(q(INSERT INTO parted (id, day, body) VALUES (1, '2026-01-05', '1 bug'), (2, '2026-02-05', '2 refund')));
labels('parted', 'bug refund', 'rows inserted into the parent');
sql(q(INSERT INTO parted_a (id, day, body) VALUES (3, '2026-01-06', '3 praise')));
sql(q(INSERT INTO parted_b (id, day, body) VALUES (4, '2026-02-06', '4 bug')));
labels('parted', 'bug refund praise bug', 'rows inserted into partitions, of another column order too');
sql(q(CREATE TABLE parted_c (LIKE parted INCLUDING ALL)));
sql(q(INSERT INTO parted_c (id, day, body) VALUES (5, '2026-03-05', '5 bug')));
sql(q(ALTER TABLE parted ATTACH PARTITION parted_c FOR VALUES FROM ('2026-03-01') TO ('2026-04-01')));
sql(q(INSERT INTO parted_c (id, day, body) VALUES (6, '2026-03-06', '6 refund')));
labels('parted', 'bug refund praise bug - refund', 'a partition that was attached: its new rows');
sql(q(SELECT qwen.backfill('parted')));
labels('parted', 'bug refund praise bug bug refund', 'and by a backfill the rows that it had');

# row movement while the request is out, and while the label is written
sql(q(INSERT INTO parted (id, day, body) VALUES (7, '2026-01-07', '7 praise @@delay=300@@')));
sleep 0.15;
sql(q(UPDATE parted SET day = '2026-02-07' WHERE id = 7));
labels('parted', 'bug refund praise bug bug refund praise', 'a row that moved to another partition in flight');
sql(q(INSERT INTO parted (id, day, body) SELECT i, '2026-01-10', i || ' bug @@delay=200@@' FROM generate_series(101, 140) i));
my $mover = session($node);
$mover->query(q(BEGIN));
$mover->query(q(UPDATE parted SET day = '2026-02-10' WHERE id = 120));
sleep 0.5;
$mover->query('COMMIT');
ok(wait_until(sub { sql('SELECT count(*) FROM parted WHERE label IS NULL') eq '0' }, 'the moved batch', 20), 'a row that moves while its batch is written')
  or diag sql('SELECT * FROM parted WHERE label IS NULL') . sql('SELECT * FROM qwen.retry') . sql('SELECT * FROM qwen.dead');
sql(q(INSERT INTO parted (id, day, body) SELECT i, '2026-03-10', i || ' bug @@delay=300@@' FROM generate_series(201, 210) i));
sleep 0.1;
sql('ALTER TABLE parted DETACH PARTITION parted_c');
ok(wait_until(sub { sql('SELECT count(*) FROM qwen.queue') eq '0' }, 'the queue', 20), 'rows of a partition that was detached leave the queue');
is(sql('SELECT count(*) FROM parted WHERE label IS NULL'), '0', 'the others have their labels');

# ---- what an owner does to a table with a task ----

sql("CREATE TABLE changing (id int PRIMARY KEY, $COLUMNS)");
attach('changing');
sql('ALTER TABLE changing RENAME COLUMN body TO text; ALTER TABLE changing RENAME COLUMN label TO tag; ALTER TABLE changing RENAME TO changed');
sql(q(INSERT INTO changed (id, text) VALUES (1, '1 bug')));
ok(wait_until(sub { sql('SELECT tag FROM changed') eq 'bug' }, 'the label', 20), 'after renames of table and columns');
sql('ALTER TABLE changed ADD COLUMN more int; ALTER TABLE changed ALTER COLUMN id TYPE bigint');
sql(q(INSERT INTO changed (id, text) VALUES (10000000000, '2 praise')));
ok(wait_until(sub { sql('SELECT count(tag) FROM changed') eq '2' }, 'the label', 20), 'after the key became a bigint');
sql('ALTER TABLE changed DROP COLUMN tag');
sql(q(INSERT INTO changed (id, text) VALUES (3, '3 bug')));
ok(wait_until(sub { sql(q(SELECT concat_ws(' ', state, why) FROM qwen.progress WHERE task = 'changing')) =~ /stopped.*column.*dropped/is }, 'the stop', 20),
	'a dropped label column stops the task with words') or diag sql(q(SELECT * FROM qwen.progress WHERE task = 'changing'));
sql('DROP TABLE changed');
sql(q(INSERT INTO enums (id, body) VALUES (3, '3 praise')));
labels('enums', 'bug refund praise', 'other tasks go on beside a stopped one');
ok(wait_until(sub { sql(q(SELECT concat_ws(' ', state, why) FROM qwen.progress WHERE task = 'changing')) =~ /dropped/i }, 'the message', 20), 'a dropped table is said');
sql(q(SELECT qwen.drop_task('changing')));
is(sql(q(SELECT count(*) FROM qwen.queue)), '0', 'and its rows left the queue') if wait_until(sub { sql('SELECT count(*) FROM qwen.queue') eq '0' }, 'the queue', 20);

# ---- another table before the worker is told ----

# A hand-written change tells nobody: what the worker knows of the task stays as old as it is for a moment after each change.
sql("CREATE TABLE former (id int PRIMARY KEY, $COLUMNS); CREATE TABLE latter (id int PRIMARY KEY, $COLUMNS)");
attach('former');
sql($_) for split /\n/, sql(q(SELECT replace(pg_get_triggerdef(oid), 'former', 'latter') FROM pg_trigger WHERE tgrelid = 'former'::regclass AND NOT tgisinternal));
sql(q(INSERT INTO former (id, body) VALUES (1, '1 bug')));
labels('former', 'bug', 'a first row, so that the worker knows the table');
sleep 1.5;    # it looks once more a second after it was told
sql(q(UPDATE qwen.task SET source = 'latter' WHERE name = 'former'));
sql(q(INSERT INTO latter (id, body) VALUES (2, '2 praise')));
labels('latter', 'praise', 'a row that is not found in the table before stays in the queue of the next one');

$node->stop;
done_testing();
