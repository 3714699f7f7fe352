# What the write-back does when the table, its owner's code or another session
# stands in the way: one bad row never costs another its label, no label lands
# on a text that it was not made from, and nobody's own label is overwritten.
use strict;
use warnings;
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(preload => 1, conf => "autovacuum = off\ndeadlock_timeout = 200ms\n");

server($node, 'qwen', url('vllm'));

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }

# The error message of a statement, without what stands before it.
sub error_of
{
	my ($sql) = @_;
	my $r = run_sql($node, $sql);

	return $r->{err} =~ /ERROR:  (.*)/ ? $1 : '';
}

# A table with a task of the same name; the mock's label is the word in the text.
sub task
{
	my ($name, %opt) = @_;
	my $columns = $opt{columns}
	  || 'label text, confidence real, reason text';
	my $key = $opt{key} || 'id int PRIMARY KEY';

	sql("CREATE TABLE $name ($key, body text, $columns)",
		"SELECT qwen.create_task('$name', labels => ARRAY['alpha', 'beta', 'gamma'])",
		"SELECT qwen.attach('$name', '$name', " . ($opt{input} || "'body'") . ')',
		# every label that lands, with the text that stood there
		"CREATE TABLE ${name}_log (id text, body text, label text)",
		"CREATE FUNCTION ${name}_log() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
		 IF new.label IS NOT NULL AND new.label::text IS DISTINCT FROM old.label::text THEN
		 INSERT INTO public.${name}_log VALUES (new.id::text, new.body, new.label::text); END IF; RETURN NULL; END \$\$",
		"CREATE TRIGGER log AFTER UPDATE ON $name FOR EACH ROW EXECUTE FUNCTION ${name}_log()");
}

sub wait_for { my ($name) = @_; sql("CALL qwen.wait('$name', '20s')") }

# Rows as "id:label", by key.
sub labels
{
	my ($name) = @_;
	return sql("SELECT string_agg(id || ':' || coalesce(label::text, '-'), ' ' ORDER BY id) FROM $name");
}

# The keys that were tried again or given up, with class and message.
sub failures
{
	my ($name) = @_;
	return sql("SELECT string_agg(key || ' ' || class || ' ' || message, ', ' ORDER BY key) FROM qwen.failed WHERE task = '$name'");
}

# Labels that were made of another text, and rows that were labelled more than once.
sub breaches
{
	my ($name) = @_;
	return sql("SELECT (SELECT count(*) FROM ${name}_log WHERE body NOT LIKE '%' || label || '%'), "
		. "(SELECT count(*) FROM (SELECT FROM ${name}_log GROUP BY id, body HAVING count(*) > 1) AS twice)");
}

sub until_sql
{
	my ($sql, $what, $limit) = @_;
	return wait_until(sub { value($node, $sql) eq 't' }, $what, $limit);
}

# So many requests are with the server.
sub in_flight
{
	my ($n) = @_;
	return wait_until(sub { mock_stats()->{in_flight} >= $n }, "$n requests in flight");
}

sub fault { my ($name) = @_; return sql("SELECT why FROM qwen.progress WHERE task = '$name'") }

# ---- one row's own errors ----

task('bad_check');
sql("ALTER TABLE bad_check ADD CHECK (label <> 'alpha')",
	"INSERT INTO bad_check SELECT i, (ARRAY['alpha', 'beta', 'gamma'])[1 + i % 3] || ' secret ' || i FROM generate_series(1, 60) i");
until_sql("SELECT count(label) = 40 FROM bad_check", 'the rows that pass a CHECK');
is(sql("SELECT count(*), count(*) FILTER (WHERE label IS NULL) FROM bad_check WHERE body LIKE 'alpha%'"),
	'20|20', 'a CHECK costs the rows that it refuses their labels, and no others');
until_sql("SELECT count(*) = 20 FROM qwen.retry", 'the refused rows in qwen.retry');
is(sql("SELECT DISTINCT class || ': ' || message FROM qwen.failed WHERE task = 'bad_check'"),
	'sql: new row for relation "bad_check" violates check constraint "bad_check_label_check"',
	'the message says which CHECK, and nothing of the row');
sql("UPDATE qwen.retry SET attempts = 5, next_at = now()");
sql("SELECT qwen.resume('bad_check')");
until_sql("SELECT count(*) = 20 FROM qwen.dead", 'the rows to be given up');
is(sql("SELECT count(*), min(attempts), max(attempts) FROM qwen.dead"), '20|6|6', 'after six attempts a row is dead');
sql("UPDATE bad_check SET body = 'beta now' WHERE id = 3");
until_sql("SELECT label = 'beta' FROM bad_check WHERE id = 3", 'a dead row with a new text');
is(sql('SELECT count(*) FROM qwen.dead'), '19', 'a new text takes the row from the dead');
sql("ALTER TABLE bad_check DROP CONSTRAINT bad_check_label_check", "SELECT qwen.retry('bad_check')");
wait_for('bad_check');
is(sql('SELECT count(label) FROM bad_check') . ' ' . sql('SELECT count(*) FROM qwen.dead'), '60 0',
	'qwen.retry labels the dead when the reason is gone');
is(breaches('bad_check'), '0|0', 'no label twice, none of another text');

task('bad_trigger');
sql("CREATE FUNCTION raising() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
	 IF new.id = 7 THEN RAISE EXCEPTION 'closed'; END IF;
	 IF new.id = 8 THEN RAISE insufficient_privilege USING MESSAGE = 'locked'; END IF;
	 IF new.id = 9 THEN RAISE EXCEPTION 'own code' USING ERRCODE = 'U0001'; END IF;
	 IF new.id = 10 THEN RETURN NULL; END IF; RETURN new; END \$\$",
	"CREATE TRIGGER raising BEFORE UPDATE ON bad_trigger FOR EACH ROW EXECUTE FUNCTION raising()",
	"INSERT INTO bad_trigger SELECT i, 'beta ' || i FROM generate_series(1, 40) i");
until_sql("SELECT count(label) = 36 FROM bad_trigger", 'the rows that pass a trigger');
until_sql("SELECT count(*) = 4 FROM qwen.failed WHERE task = 'bad_trigger'", 'the rows that do not pass');
is(failures('bad_trigger'),
	'10 sql a trigger of the table suppressed the update, 7 sql closed, 8 sql locked, 9 sql own code',
	'a trigger that raises or drops the update costs its own rows only');
sql('DROP TRIGGER raising ON bad_trigger', "SELECT qwen.retry('bad_trigger')");
wait_for('bad_trigger');
is(breaches('bad_trigger'), '0|0', 'no label twice, none of another text');

task('expression', input => "input => \$\$(10 / length(body))::text || body\$\$");
sql("INSERT INTO expression VALUES (1, 'alpha'), (2, ''), (3, 'gamma')");
until_sql("SELECT count(label) = 2 FROM expression", 'the rows whose input can be computed');
until_sql("SELECT count(*) = 1 FROM qwen.dead", 'the row whose input cannot');
is(failures('expression'), '2 empty or not valid division by zero', 'an input that fails is dead at once');
sql("SELECT qwen.backfill('expression')");
wait_for('expression');
is(failures('expression'), '2 empty or not valid division by zero', 'a backfill leaves the dead alone');
sql("UPDATE expression SET body = 'beta' WHERE id = 2");
wait_for('expression');
is(labels('expression') . ' ' . sql('SELECT count(*) FROM qwen.dead'), '1:alpha 2:beta 3:gamma 0',
	'until its text changes');

# ---- columns of all sorts ----

sql("CREATE TYPE kind AS ENUM ('alpha', 'beta', 'gamma')");
task('typed', key => 'id text, part numeric, PRIMARY KEY (id, part)',
	columns => "label kind, confidence numeric(4,3), reason varchar(5), "
	  . "n int GENERATED ALWAYS AS (length(body)) STORED");
sql("INSERT INTO typed SELECT 'k, \"' || i, i / 2.0, 'gamma ' || i FROM generate_series(1, 30) i");
wait_for('typed');
is(sql("SELECT count(*), count(DISTINCT label), min(label), max(length(reason)) FROM typed WHERE confidence BETWEEN 0.3 AND 1"),
	'30|1|gamma|5', 'an enum, a numeric, a short varchar, a generated column, a key of two columns');
is(breaches('typed'), '0|0', 'no label twice, none of another text');

sql("CREATE DOMAIN short AS varchar(4) CHECK (VALUE <> 'x')");
task('narrow', columns => 'label text, confidence float8, reason text');
sql('ALTER TABLE narrow ALTER label TYPE short', "INSERT INTO narrow VALUES (1, 'alpha'), (2, 'beta')");
until_sql("SELECT count(*) = 1 FROM qwen.failed WHERE task = 'narrow'", 'a label that does not fit');
is(labels('narrow') . ' ' . failures('narrow'), '1:- 2:beta 1 sql value too long for type character varying(4)',
	'a label that does not fit is never cut');

sql('CREATE TABLE parted (id int, part int, body text, label text, confidence real, reason text, PRIMARY KEY (part, id)) PARTITION BY LIST (part)',
	'CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1)',
	'CREATE TABLE parted_2 (reason text, part int NOT NULL, body text, id int NOT NULL, confidence real, label text)',
	'ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2)',
	"INSERT INTO parted SELECT i, 1 + i % 2, 'beta ' || i FROM generate_series(1, 100) i",
	"SELECT qwen.create_task('parted', labels => ARRAY['alpha', 'beta', 'gamma'])",
	"SELECT qwen.attach('parted', 'parted', 'body')",
	"INSERT INTO parted_2 (id, part, body) VALUES (1000, 2, '\@\@delay=700\@\@gamma')");
in_flight(1);
sql('UPDATE parted SET part = 1 WHERE id = 1000', "SELECT qwen.backfill('parted')");
wait_for('parted');
is(sql("SELECT count(*), count(label), count(*) FILTER (WHERE label = 'gamma' AND part = 1 AND id = 1000) FROM parted"), '101|101|1',
	'partitions of other shapes, and a row that moves to another in flight');

# ---- everybody's errors: the configuration ----

task('deferred');
sql("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
	"CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON deferred DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION nothing()");
my $waiter = session($node);
sql("SELECT qwen.pause('deferred')", "INSERT INTO deferred VALUES (0, '\@\@delay=500\@\@beta')", "SELECT qwen.resume('deferred')");
$waiter->start("CALL qwen.wait('deferred', '20s')");
sql("INSERT INTO deferred SELECT i, 'beta ' || i FROM generate_series(1, 10) i");
until_sql("SELECT why <> '' FROM qwen.progress WHERE task = 'deferred'", 'the fault of a deferred trigger');
like(fault('deferred'), qr/cannot fire deferred trigger/, 'a deferred trigger stops the task and says why');
is(sql("SELECT count(*) FROM qwen.failed WHERE task = 'deferred'"), '0', 'and costs no row an attempt');
$waiter->wait;
like($waiter->{err}, qr/does not get on: cannot fire deferred trigger/, 'qwen.wait gives up on it');
sql('DROP TRIGGER late ON deferred', "SELECT qwen.resume('deferred')");
wait_for('deferred');
is(sql("SELECT count(label) FROM deferred"), '11', 'it goes on when the trigger is gone');

task('broken');
sql("CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.not_there VALUES (1); RETURN NEW; END'",
	"CREATE TRIGGER broken BEFORE UPDATE ON broken FOR EACH ROW EXECUTE FUNCTION broken()",
	"INSERT INTO broken SELECT i, 'beta ' || i FROM generate_series(1, 300) i");
until_sql("SELECT why LIKE '%not_there%' FROM qwen.progress WHERE task = 'broken'", 'the fault of a broken trigger');
is(sql("SELECT count(*) FROM qwen.failed WHERE task = 'broken'"), '0', 'a broken trigger charges no row');
sql('DROP TRIGGER broken ON broken', "SELECT qwen.resume('broken')");
wait_for('broken');
is(sql("SELECT count(label) FROM broken"), '300', 'all rows are labelled when it is mended');

# In flight, so that the worker has them when the table changes.  Row security
# is for owners who are no superusers.
task('moving');
sql('CREATE ROLE clerk', 'GRANT USAGE ON FOREIGN SERVER qwen TO clerk', 'DROP TRIGGER log ON moving',
	'ALTER TABLE moving OWNER TO clerk', "UPDATE qwen.task SET owner = 'clerk' WHERE name = 'moving'",
	"SELECT qwen.resume('moving')");
sql("INSERT INTO moving SELECT i, '\@\@delay=700\@\@beta ' || i FROM generate_series(1, 5) i");
in_flight(5);
sql('ALTER TABLE moving FORCE ROW LEVEL SECURITY', 'ALTER TABLE moving ENABLE ROW LEVEL SECURITY');
until_sql("SELECT why LIKE '%ow-level security%' FROM qwen.progress WHERE task = 'moving'", 'row security that is forced');
is(sql('SELECT count(label) FROM moving'), '0', 'nothing is written around row security');
sql('ALTER TABLE moving NO FORCE ROW LEVEL SECURITY', "SELECT qwen.resume('moving')");
wait_for('moving');
is(sql('SELECT count(label) FROM moving'), '5', 'it goes on when it is not forced');

sql("UPDATE moving SET body = '\@\@delay=700\@\@gamma' WHERE id = 1");
in_flight(1);
sql('ALTER TABLE moving RENAME label TO topic');
wait_for('moving');
is(sql('SELECT topic FROM moving WHERE id = 1'), 'gamma', 'a column that was renamed in flight gets its label');

# ---- other sessions ----

task('held');
sql("INSERT INTO held SELECT i, 'beta ' || i FROM generate_series(1, 50) i");
wait_for('held');
my $holder = session($node);
$holder->query('BEGIN');
$holder->query('SELECT 1 FROM held WHERE id <= 5 FOR UPDATE');
# more rows than one batch; those that are held are among the first
sql("DELETE FROM held WHERE id > 5",
	"INSERT INTO held SELECT i, 'gamma ' || i FROM generate_series(6, 1000) i");
$holder->query("UPDATE held SET body = 'alpha ' || id WHERE id <= 5");
$holder->query('COMMIT');
$holder->query('BEGIN');
$holder->query('SELECT 1 FROM held WHERE id <= 5 FOR UPDATE');
ok(until_sql("SELECT count(label) = 995 FROM held WHERE id > 5", 'the other rows', 10),
	'rows that somebody has locked do not hold the others up');
sleep 2;
is(sql("SELECT count(*) FROM held WHERE id <= 5 AND label IS NOT NULL") . ' ' . failures('held'), '0 ',
	'they wait, uncharged');
is($holder->query('SELECT 2'), '2', 'their holder has met no deadlock');
$holder->query('COMMIT');
wait_for('held');
is(sql("SELECT count(*) FROM held WHERE label IS NULL"), '0', 'and are labelled when they are free');
is(breaches('held'), '0|0', 'no label twice, none of another text');

# An exclusive lock of the table, and of the task.
sql("INSERT INTO held VALUES (2000, '\@\@delay=500\@\@beta')");
in_flight(1);
$holder->query('BEGIN');
$holder->query('LOCK TABLE held IN ACCESS EXCLUSIVE MODE');
task('beside');
sql("INSERT INTO beside VALUES (1, 'alpha')");
wait_for('beside');
is(labels('beside'), '1:alpha', 'a table that is locked holds no other task up');
$holder->query('COMMIT');
wait_for('held');
is(sql('SELECT label FROM held WHERE id = 2000'), 'beta', 'and gets its label after it');

# ---- changes in flight ----

task('changing');
my $slow = '@@delay=800@@';
sql("INSERT INTO changing SELECT i, '${slow}alpha ' || i FROM generate_series(1, 8) i");
in_flight(8);
sql("UPDATE changing SET label = 'gamma' WHERE id = 1",
	"UPDATE changing SET body = 'beta 2' WHERE id = 2",
	'DELETE FROM changing WHERE id IN (3, 4)',
	"INSERT INTO changing VALUES (4, 'gamma 4')",
	'UPDATE changing SET body = NULL WHERE id = 5',
	"UPDATE changing SET id = 60 WHERE id = 6",
	"UPDATE changing SET body = body || ' ', confidence = 0.5 WHERE id = 7");
wait_for('changing');
is(labels('changing'), '1:gamma 2:beta 4:gamma 5:- 7:alpha 8:alpha 60:alpha',
	'what people did in flight stands; every text has its own label');
is(sql("SELECT count(*) FROM changing_log WHERE label <> 'gamma' AND id = '1'"), '0', "a person's label was never overwritten");
is(sql("SELECT confidence FROM changing WHERE id = 1"), '1', "and is a person's");
is(sql('SELECT count(*) FROM qwen.queue'), '0', 'nothing is left in the queue');

# The place of a queue row is given to another row while the answer is under way.
sql("INSERT INTO changing VALUES (20, '${slow}alpha 20')");
in_flight(1);
sql('DELETE FROM qwen.queue');
sql('VACUUM qwen.queue');
sql("BEGIN", "UPDATE changing SET body = 'beta 20' WHERE id = 20", "INSERT INTO changing VALUES (21, 'gamma 21')", 'COMMIT');
wait_for('changing');
is(sql("SELECT string_agg(label, ' ' ORDER BY id) FROM changing WHERE id >= 20 AND id < 30"), 'beta gamma',
	'a place that is used again carries no old label');
is(sql("SELECT count(*) FROM changing_log WHERE id = '20' AND label = 'alpha'"), '0', 'not for a moment');

# Somebody takes the queue row away and gives it back.
sql("INSERT INTO changing VALUES (23, '${slow}beta 23')");
in_flight(1);
$holder->query('BEGIN');
$holder->query('DELETE FROM qwen.queue');
sleep 2;
is(sql('SELECT label IS NULL FROM changing WHERE id = 23'), 't', 'while its queue row is held a label waits');
$holder->query('ROLLBACK');
wait_for('changing');
is(sql("SELECT c.label || count(*) FROM changing c JOIN changing_log l ON l.id = c.id::text WHERE c.id = 23 GROUP BY c.label"),
	'beta1', 'and is written once when it is free');

# Somebody takes the queue rows away: the answer is not applied.
sql("INSERT INTO changing VALUES (22, '${slow}alpha 22')");
in_flight(1);
sql('DELETE FROM qwen.queue');
sleep 2;
is(sql('SELECT label IS NULL FROM changing WHERE id = 22'), 't', 'without its queue row a label is not written');
sql("SELECT qwen.backfill('changing')");
wait_for('changing');
is(sql('SELECT label FROM changing WHERE id = 22'), 'alpha', 'a backfill finds the row again');

# The version of the task moves on.
sql("INSERT INTO changing VALUES (30, '${slow}alpha 30')");
in_flight(1);
sql("SELECT qwen.alter_task('changing', instructions => 'other')");
wait_for('changing');
is(sql("SELECT c.label || ' ' || r.version FROM changing c JOIN qwen.result r ON r.k = c.id JOIN qwen.task t ON t.id = r.task WHERE t.name = 'changing' AND c.id = 30"),
	'alpha 2', 'an answer to an old version is not written; the new version is asked');

# ---- relabel ----

sql("UPDATE changing SET body = '${slow}beta ' || id WHERE id IN (7, 8)");
wait_for('changing');
sql("SELECT qwen.alter_task('changing', instructions => 'third')", 'TRUNCATE changing_log',
	"SELECT qwen.relabel('changing')");
in_flight(2);
sql("UPDATE changing SET label = 'alpha' WHERE id = 7");
wait_for('changing');
is(sql('SELECT label || confidence FROM changing WHERE id = 7'), 'alpha1', 'a correction during a relabel stands');
is(sql("SELECT count(DISTINCT r.version) || ' ' || max(r.version) FROM qwen.result r JOIN qwen.task t ON t.id = r.task
	JOIN changing c ON c.id = r.k WHERE t.name = 'changing' AND c.label IS NOT NULL AND c.id NOT IN (1, 7)"),
	'1 3', 'all other labels are of the new version');
is(sql("SELECT label || confidence FROM changing WHERE id = 1"), 'gamma1', "a person's label is no relabel's");

# A row that fails in a relabel is still a relabel's when it is tried again.

task('again');
sql("CREATE FUNCTION stubborn() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN
	 IF old.label IS NOT NULL AND new.confidence <> 1 THEN RAISE EXCEPTION 'not now'; END IF; RETURN new; END \$\$",
	"INSERT INTO again SELECT i, 'beta ' || i FROM generate_series(1, 4) i");
wait_for('again');
sql("CREATE TRIGGER stubborn BEFORE UPDATE ON again FOR EACH ROW WHEN (old.id > 1) EXECUTE FUNCTION stubborn()",
	"SELECT qwen.alter_task('again', instructions => 'second')",
	"SELECT qwen.relabel('again')");
until_sql("SELECT count(*) = 3 FROM qwen.failed WHERE task = 'again'", 'three rows fail');
sql("UPDATE again SET label = 'alpha', confidence = 1 WHERE id = 3",
	"UPDATE qwen.retry SET next_at = now() + interval '1 hour' WHERE task = (SELECT id FROM qwen.task WHERE name = 'again')",
	"INSERT INTO qwen.dead SELECT task, k, kx, attempts, error_class, last_error, NULL, 2, first_enq, now(), relabel FROM qwen.retry WHERE k = 4 AND task = (SELECT id FROM qwen.task WHERE name = 'again')",
	"DELETE FROM qwen.retry WHERE k = 4 AND task = (SELECT id FROM qwen.task WHERE name = 'again')",
	'DROP TRIGGER stubborn ON again');
is(sql("SELECT qwen.retry('again')"), '3', 'failed relabels are tried again when somebody asks');
wait_for('again');
is(sql("SELECT string_agg(a.id || a.label || r.version, ' ' ORDER BY a.id) FROM again a JOIN qwen.result r ON r.k = a.id JOIN qwen.task t ON t.id = r.task WHERE t.name = 'again'"),
	"1beta2 2beta2 3alpha1 4beta2", "they replace the model's label, not the one that a person set meanwhile");
is(failures('again'), '', 'and nothing is left of them');

# ---- backfill ----

sql("CREATE TABLE old (id bigint PRIMARY KEY, body text, label text, confidence real, reason text)",
	"INSERT INTO old SELECT i, (ARRAY['alpha', 'beta', 'gamma'])[1 + i % 3] || i FROM generate_series(1, 3000) i",
	"UPDATE old SET label = 'theirs' WHERE id <= 10",
	"SELECT qwen.create_task('old', labels => ARRAY['alpha', 'beta', 'gamma'])",
	"SELECT qwen.attach('old', 'old', 'body')");
like(sql("SELECT qwen.backfill('old', max_rows => 20)"), qr/backfill of public.old begins/, 'a backfill says what it does');
wait_for('old');
is(sql("SELECT count(*) FROM old WHERE label IN ('alpha', 'beta', 'gamma')"), '20', 'max_rows is kept');
sql("SELECT qwen.backfill('old', filter => 'id % 2 = 0')");
wait_for('old');
is(sql("SELECT count(*) FILTER (WHERE id % 2 = 0 AND label IS NULL), count(*) FILTER (WHERE label = 'theirs') FROM old"), '0|10',
	'a filter selects; labels that were there stay');
like(error_of("SELECT qwen.backfill('old', filter => 'nothing = 0')"), qr/filter is not a condition/, 'a wrong filter is refused');
sql("SELECT qwen.backfill('old')");
wait_for('old');
is(sql("SELECT count(*) FROM old WHERE label IS NULL OR (label <> 'theirs' AND body NOT LIKE label || '%')"), '0', 'all rows have their own labels');

# ---- waiting ----

like(error_of("BEGIN; CALL qwen.wait('old')"), qr/cannot run inside a transaction block/, 'qwen.wait refuses a transaction block');
sql("SELECT qwen.pause('old')", "UPDATE old SET body = 'beta' WHERE id = 1");
like(error_of("CALL qwen.wait('old')"), qr/is paused/, 'qwen.wait says that a task is paused');
sql("SELECT qwen.resume('old')", "UPDATE old SET body = '\@\@delay=3000\@\@beta' WHERE id = 2");
like(error_of("CALL qwen.wait('old', '300ms')"), qr/not done within the time limit/, 'qwen.wait keeps to its time limit');
$waiter->start("CALL qwen.wait('old')");
until_sql("SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL%' AND state = 'active'", 'a session that waits');
is(sql("SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CALL%' AND backend_xid IS NOT NULL"), '0', 'it has no transaction id');
ok(!$waiter->done, 'it waits');
$waiter->wait;
is(sql('SELECT label FROM old WHERE id = 2'), 'beta', 'and comes back when all is done');

done_testing();
