# What the two triggers of a task's table leave in qwen.queue and
# qwen.annotation, exactly, whichever way a row is written and whatever the
# transaction does.  No worker takes part: nothing is preloaded.
use strict;
use warnings;
use QwenTest;
use Test::More;

use constant FULL => 65536;    # QC_NOTE_FULL

my $node = start_node(conf => "max_prepared_transactions = 5\nautovacuum = off\n");
my $version = value($node, 'SHOW server_version_num');

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }

# "1:7 1:8": tasks and keys in the queue, which is emptied.
sub queue
{
	return sql(<<'SQL');
WITH d AS (DELETE FROM qwen.queue RETURNING task, k, kx)
SELECT coalesce(string_agg(task || ':' || coalesce(kx, k::text), ' ' ORDER BY task, k, kx), '') FROM d
SQL
}

# "7 person a, 8 kept b": whose labels they are.
sub annotations
{
	return sql("SELECT coalesce(string_agg(coalesce(nullif(kx, ''), k::text) || ' ' || kind || ' ' || label, ', ' ORDER BY k, kx), '') FROM qwen.annotation");
}

sub gives
{
	my ($name, $sql, $expected) = @_;

	sql(ref $sql ? @$sql : $sql);
	is(queue(), $expected, $name);
}

sub row { my ($id, $table) = @_; return sql('SELECT label, confidence, reason FROM ' . ($table || 'ticket') . " WHERE id = $id") }

# A task's row and its triggers, as attach makes them; numbers are those of the columns.
sub attach
{
	my ($task, $table, %col) = @_;
	my $number = sub {
		my $name = shift;
		return defined $name ? "(SELECT attnum FROM pg_attribute WHERE attrelid = '$table'::regclass AND attname = '$name')" : 'NULL';
	};
	my $input = $col{expression} ? "\$input\$$col{expression}\$input\$, NULL" : 'NULL, ' . $number->($col{input} || 'body');

	sql(
		"INSERT INTO qwen.task (id, name, owner, labels, source, source_oid, input, input_column, label_column, confidence_column, reason_column)
		 SELECT $task, 'task $task', relowner, '[\"a\", \"b\"]', oid, oid, $input, "
		  . $number->($col{label} || 'label') . ', '
		  . $number->(exists $col{confidence} ? $col{confidence} : 'confidence') . ', '
		  . $number->(exists $col{reason} ? $col{reason} : 'reason')
		  . " FROM pg_class WHERE oid = '$table'::regclass",
		triggers($task, $table));
}

sub triggers
{
	my ($task, $table) = @_;

	return (
		"CREATE TRIGGER zz_qwen_before_$task BEFORE UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION qwen.before_update('$task')",
		"CREATE TRIGGER zz_qwen_after_$task AFTER INSERT OR UPDATE ON $table FOR EACH ROW EXECUTE FUNCTION qwen.after_change('$task')");
}

my $columns = 'body text, label text, confidence real, reason text';

# ---- ways to write a row ----

sql("CREATE TABLE ticket (id int PRIMARY KEY, other int, $columns)");
attach(1, 'ticket');

gives('an insert', "INSERT INTO ticket (id, body) VALUES (1, 'one')", '1:1');
gives('rows of one insert', "INSERT INTO ticket (id, body) VALUES (2, 'two'), (3, 'three')", '1:2 1:3');
gives('a text that is NULL', 'INSERT INTO ticket (id) VALUES (4)', '');
gives('a text that comes later', "UPDATE ticket SET body = 'four' WHERE id = 4", '1:4');
gives('a text that goes', 'UPDATE ticket SET body = NULL WHERE id = 4', '');
gives('INSERT ... SELECT', "INSERT INTO ticket (id, body) SELECT i, 'x' || i FROM generate_series(10, 14) i", '1:10 1:11 1:12 1:13 1:14');
gives('a column that the input does not read', 'UPDATE ticket SET other = 7', '');
gives('an update to the same text', 'UPDATE ticket SET body = body', '');
gives('another text', "UPDATE ticket SET body = 'new' WHERE id IN (1, 2)", '1:1 1:2');
gives('a delete', 'DELETE FROM ticket WHERE id = 14', '');
gives('ON CONFLICT DO NOTHING', "INSERT INTO ticket (id, body) VALUES (1, 'again') ON CONFLICT DO NOTHING", '');
gives('ON CONFLICT DO UPDATE', "INSERT INTO ticket (id, body) VALUES (1, 'again'), (20, 'fresh'), (2, 'new') ON CONFLICT (id) DO UPDATE SET body = excluded.body", '1:1 1:20');
gives('COPY', "COPY ticket (id, body) FROM PROGRAM 'printf \"30\\ta\\n31\\tb\\n32\\t\\\\\\\\N\\n\"'", '1:30 1:31');
gives('a CTE that writes', "WITH w AS (INSERT INTO ticket (id, body) VALUES (33, 'x') RETURNING id) UPDATE ticket SET body = 'y' WHERE id = 30", '1:30 1:33');
gives('a key that changes', 'UPDATE ticket SET id = 40 WHERE id = 33', '1:40');
gives('WHERE CURRENT OF', [ 'BEGIN', 'DECLARE c CURSOR FOR SELECT * FROM ticket WHERE id IN (10, 11) ORDER BY id FOR UPDATE',
	'FETCH c', "UPDATE ticket SET body = 'by cursor' WHERE CURRENT OF c", 'FETCH c', "UPDATE ticket SET body = 'by cursor' WHERE CURRENT OF c", 'COMMIT' ], '1:10 1:11');

SKIP:
{
	skip 'no MERGE', 1 if $version < 150000;
	gives('MERGE', "MERGE INTO ticket t USING (VALUES (10, 'merged'), (11, 'by cursor'), (50, 'inserted'), (12, NULL)) v (id, body) ON t.id = v.id
		WHEN MATCHED AND v.body IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET body = v.body WHEN NOT MATCHED THEN INSERT (id, body) VALUES (v.id, v.body)", '1:10 1:50');
}

# ---- transactions ----

gives('a rollback', [ 'BEGIN', "UPDATE ticket SET body = 'r1' WHERE id = 1", 'ROLLBACK' ], '');
gives('ROLLBACK TO', [ 'BEGIN', "UPDATE ticket SET body = 's1' WHERE id = 1", 'SAVEPOINT a', "UPDATE ticket SET body = 's2' WHERE id = 2",
	'ROLLBACK TO a', "UPDATE ticket SET body = 's3' WHERE id = 3", 'COMMIT' ], '1:1 1:3');
gives('RELEASE', [ 'BEGIN', "UPDATE ticket SET body = 't1' WHERE id = 1", 'SAVEPOINT a', "UPDATE ticket SET body = 't2' WHERE id = 2", 'RELEASE a', 'COMMIT' ], '1:1 1:2');
gives('RELEASE, then ROLLBACK TO further out', [ 'BEGIN', "UPDATE ticket SET body = 'u1' WHERE id = 1", 'SAVEPOINT a', "UPDATE ticket SET body = 'u2' WHERE id = 2",
	'SAVEPOINT b', "UPDATE ticket SET body = 'u3' WHERE id = 3", 'RELEASE b', 'ROLLBACK TO a', "UPDATE ticket SET body = 'u10' WHERE id = 10", 'COMMIT' ], '1:1 1:10');
gives('ROLLBACK TO inside, RELEASE outside', [ 'BEGIN', 'SAVEPOINT a', "UPDATE ticket SET body = 'v2' WHERE id = 2", 'SAVEPOINT b',
	"UPDATE ticket SET body = 'v3' WHERE id = 3", 'ROLLBACK TO b', 'RELEASE a', 'COMMIT' ], '1:2');
gives('blocks with EXCEPTION', <<'SQL', '1:60 1:61 1:63');
DO $$
BEGIN
	INSERT INTO ticket (id, body) VALUES (60, 'x');
	BEGIN INSERT INTO ticket (id, body) VALUES (61, 'x'); EXCEPTION WHEN others THEN NULL; END;
	BEGIN
		INSERT INTO ticket (id, body) VALUES (62, 'x');
		INSERT INTO ticket (id, body) VALUES (60, 'x');
	EXCEPTION WHEN unique_violation THEN NULL;
	END;
	INSERT INTO ticket (id, body) VALUES (63, 'x');
END $$
SQL
gives('a procedure that commits', 'DO $$ BEGIN INSERT INTO ticket (id, body) VALUES (64, \'x\'); COMMIT; INSERT INTO ticket (id, body) VALUES (65, \'x\'); ROLLBACK; END $$', '1:64');
is(sql('BEGIN', "UPDATE ticket SET body = 'w1' WHERE id = 1", 'SELECT count(*) FROM qwen.queue', 'COMMIT', 'SELECT count(*) FROM qwen.queue'), "0\n1", 'a key is written at commit');
queue();

sql('BEGIN', "UPDATE ticket SET body = 'p1' WHERE id = 1", "UPDATE ticket SET body = 'p2' WHERE id = 2", "PREPARE TRANSACTION 'p'");
is(queue(), '', 'prepared: not yet');
sql("COMMIT PREPARED 'p'");
is(queue(), '1:1 1:2', 'COMMIT PREPARED');
sql('BEGIN', "UPDATE ticket SET body = 'q1' WHERE id = 1", 'SAVEPOINT a', "UPDATE ticket SET body = 'q2' WHERE id = 2", 'ROLLBACK TO a', "PREPARE TRANSACTION 'q'", "SELECT 1");
sql("ROLLBACK PREPARED 'q'");
is(queue(), '', 'ROLLBACK PREPARED');

sql('CREATE FUNCTION echo() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO ticket (id, body) VALUES (NEW.id + 1000, \'echo\'); RETURN NULL; END $$',
	'CREATE CONSTRAINT TRIGGER echo AFTER INSERT ON ticket DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (NEW.id < 1000) EXECUTE FUNCTION echo()');
gives('a deferred trigger that inserts', "INSERT INTO ticket (id, body) VALUES (70, 'x')", '1:70 1:1070');
sql('DROP TRIGGER echo ON ticket', 'DROP FUNCTION echo');

# ---- more rows than are held ----

sub count_of
{
	return sql("WITH d AS (DELETE FROM qwen.queue RETURNING k) SELECT count(*), count(DISTINCT k), count(DISTINCT k) FILTER (WHERE k >= 900000) FROM d");
}

my $many = FULL + 5000;
my $few = 'INSERT INTO ticket (id, body) SELECT i, \'few\' FROM generate_series(900001, 900990) i';
my $lots = "INSERT INTO ticket (id, body) SELECT i, 'lots' FROM generate_series(100001, 100000 + $many) i";
my $gone = 'DELETE FROM ticket WHERE id > 100000';

sql($lots);
is(count_of(), "$many|$many|0", 'many rows');
sql($gone, 'BEGIN', $few, 'SAVEPOINT a', $lots, 'ROLLBACK TO a', 'COMMIT');
is(count_of(), '990|990|990', 'many rows in a savepoint that rolls back: the outer rows stay');
sql($gone, 'BEGIN', $few, 'SAVEPOINT a', $lots, 'RELEASE a', 'COMMIT');
is(count_of(), ($many + 990) . '|' . ($many + 990) . '|990', 'many rows in a savepoint that is released');
sql($gone, 'BEGIN', $few, 'SAVEPOINT a', $lots, 'RELEASE a', 'ROLLBACK');
is(count_of(), '0|0|0', 'and rolled back with all');
sql($gone, 'BEGIN', $lots, 'SAVEPOINT a', $few, 'ROLLBACK TO a', 'COMMIT');
is(count_of(), "$many|$many|0", 'many rows outside, few in a savepoint that rolls back');
sql($gone, 'BEGIN', $few, 'SAVEPOINT a', 'SAVEPOINT b', $lots, 'RELEASE b', 'ROLLBACK TO a', 'COMMIT');
is(count_of(), '990|990|990', 'released into a savepoint that rolls back');
my $each = "FOR i IN 100001 .. 100000 + $many LOOP BEGIN INSERT INTO ticket (id, body) VALUES (i, 'x'); EXCEPTION WHEN others THEN NULL; END; END LOOP";
sql($gone, 'BEGIN', $few, "DO \$\$ BEGIN $each; END \$\$", 'COMMIT');
is(count_of(), ($many + 990) . '|' . ($many + 990) . '|990', 'a block with EXCEPTION for each of many rows');
sql($gone, 'BEGIN', $few, 'SAVEPOINT a', "DO \$\$ BEGIN $each; END \$\$", 'ROLLBACK TO a', 'COMMIT');
is(count_of(), '990|990|990', 'the same in a savepoint that rolls back');
sql($gone);

# ---- labels: whose they are ----

sql('TRUNCATE ticket', 'CREATE ROLE anna', 'GRANT ALL ON ticket TO anna', 'SET ROLE anna', "INSERT INTO ticket (id, body) SELECT i, 'text ' || i FROM generate_series(1, 20) i");
queue();
sql('SET ROLE anna', "UPDATE ticket SET label = 'a' WHERE id = 1");
is(row(1), 'a|1|set by anna', "a person's label");
is(annotations(), '1 person a', 'is recorded');
is(sql('SELECT author FROM qwen.annotation'), 'anna', 'with its author');
is(sql("SELECT text_hash = qwen.input_hash(body) FROM qwen.annotation, ticket WHERE id = k"), 't', 'and the hash of the text');
is(queue(), '', 'and asks for nothing');

sql("UPDATE ticket SET label = 'b', confidence = 1, reason = 'I know' WHERE id = 1");
is(row(1) . ' ' . annotations(), 'b|1|I know 1 person b', 'another label with a reason');
sql("UPDATE ticket SET label = 'a', confidence = 0.9, reason = 'batch' WHERE id = 2");
is(row(2), 'a|0.9|batch', "another machine's label is kept as it is");
is(annotations(), '1 person b, 2 kept a', 'and recorded as kept');
sql("UPDATE ticket SET body = 'new', label = 'b', reason = 'read it' WHERE id = 1");
is(row(1) . queue() . annotations(), '||1:12 kept a', 'a label that does not change goes with its text');
sql("UPDATE ticket SET body = 'newer', label = 'a' WHERE id = 1");
is(row(1) . ' ' . queue() . annotations(), 'a|1|set by ' . value($node, 'SELECT current_user') . ' 1 person a, 2 kept a', 'a new label with a new text is of that text');
is(sql("SELECT text_hash = qwen.input_hash(body) FROM qwen.annotation, ticket WHERE id = k AND id = 1"), 't', 'by its hash');
sql('UPDATE ticket SET label = NULL WHERE id = 1');
is(row(1) . ' ' . queue() . ' ' . annotations(), '|| 1:1 2 kept a', 'a label set to NULL');
sql("UPDATE ticket SET label = NULL, confidence = 0.1, reason = 'unsure' WHERE id = 2");
is(row(2) . ' ' . queue() . annotations(), '|0.1|unsure 1:2', 'with what else is said of it');

sql("INSERT INTO ticket (id, body, label, confidence) VALUES (101, 'x', 'a', NULL), (102, 'x', 'b', 1), (103, 'x', 'a', 0.8)");
is(queue() . annotations(), '101 person a, 102 person b, 103 kept a', 'rows that come with a label');
is(row(101), 'a||', 'stay as they came');
sql('DELETE FROM ticket WHERE id > 100', 'DELETE FROM qwen.annotation');

sql("SET qwen_classify.author = 'machine'", "UPDATE ticket SET label = 'a' WHERE id = 3", "INSERT INTO ticket (id, body, label) VALUES (104, 'x', 'b')",
	"SET qwen_classify.author = 'person'", "UPDATE ticket SET label = 'b', confidence = 0.4 WHERE id = 4", "INSERT INTO ticket (id, body, label, confidence) VALUES (105, 'x', 'b', 0.3)");
is(annotations(), '3 kept a, 4 person b, 104 kept b, 105 person b', 'the setting author decides');
is(row(3) . ' ' . row(4), 'a|| b|1|set by ' . value($node, 'SELECT current_user'), 'and what becomes of the row');

sql('DELETE FROM qwen.annotation', 'DELETE FROM ticket WHERE id > 100', 'BEGIN', "UPDATE ticket SET label = 'a' WHERE id = 5", 'SAVEPOINT a', "UPDATE ticket SET label = 'a' WHERE id = 6",
	"UPDATE ticket SET label = 'b' WHERE id = 5", 'ROLLBACK TO a', "UPDATE ticket SET label = 'b' WHERE id = 7", 'COMMIT');
is(annotations(), '5 person a, 7 person b', 'a savepoint takes back its labels');
sql('BEGIN', "UPDATE ticket SET label = 'b' WHERE id = 5", "UPDATE ticket SET label = NULL WHERE id = 7", "UPDATE ticket SET label = 'a' WHERE id = 7", 'COMMIT');
is(annotations() . queue(), '5 person b, 7 person a1:7', 'the latest of a transaction counts');
sql('UPDATE ticket SET id = id + 500 WHERE id IN (5, 7)');
is(annotations() . queue(), '505 person b, 507 person a', 'a label goes with its row to another key');
sql('BEGIN', "UPDATE ticket SET label = 'a' WHERE id = 505", 'UPDATE ticket SET id = 5 WHERE id = 505', 'UPDATE ticket SET id = 6000 + id WHERE id = 507', 'UPDATE ticket SET id = 7 WHERE id = 6507', 'COMMIT');
is(annotations() . queue(), '5 person a, 7 person a', 'also within one transaction');
sql('BEGIN', "UPDATE ticket SET label = 'a' WHERE id = 8", "PREPARE TRANSACTION 'l'");
is(annotations(), '5 person a, 7 person a', 'a prepared label is not there yet');
sql("COMMIT PREPARED 'l'");
is(annotations(), '5 person a, 7 person a, 8 person a', 'and then it is');

sub kinds { return sql("SELECT coalesce(string_agg(kind || ' ' || n, ', ' ORDER BY kind), '') FROM (SELECT kind, count(*) n FROM qwen.annotation GROUP BY kind) s") }

sql('TRUNCATE ticket', 'DELETE FROM qwen.annotation', "INSERT INTO ticket (id, body) SELECT i, 'text' FROM generate_series(1, 1000) i");
queue();
sql("UPDATE ticket SET label = 'a' WHERE id <= 100");
is(kinds(), 'person 100', 'a hundred labels in a statement');
sql("UPDATE ticket SET label = 'b' WHERE id <= 101");
is(kinds(), 'bulk 101', 'one more is a bulk edit');
sql('BEGIN', map({ "UPDATE ticket SET label = 'a' WHERE id = $_" } 1 .. 101), 'COMMIT');
is(kinds(), 'person 101', 'as many statements of one are not');
sql("UPDATE ticket SET label = 'c', confidence = 0.3 WHERE id <= 150");
is(kinds(), 'kept 150', "another machine's are never bulk");
sql('DO $$ BEGIN FOR i IN 1 .. 150 LOOP UPDATE ticket SET label = \'d\' WHERE id = i; END LOOP; END $$');
is(kinds(), 'bulk 150', 'a loop in one statement is one');
sql('DELETE FROM qwen.annotation', "COPY (SELECT i, 'x', 'a' FROM generate_series(2001, 2101) i) TO PROGRAM 'cat > copied'", "COPY ticket (id, body, label) FROM PROGRAM 'cat copied'");
is(kinds(), 'bulk 101', 'a COPY with labels');
sql('DELETE FROM qwen.annotation', "INSERT INTO ticket (id, body, label) SELECT i, 'x', 'a' FROM generate_series(100001, 100000 + $many) i");
is(kinds() . queue(), "bulk $many", 'more labels than are held');
sql('BEGIN', "UPDATE ticket SET label = 'b' WHERE id = 1", 'SAVEPOINT a', "UPDATE ticket SET label = 'b' WHERE id > 100000", 'ROLLBACK TO a', 'COMMIT');
is(kinds(), "bulk $many, person 1", 'in a savepoint that rolls back');
is(sql("SELECT count(*) FROM qwen.annotation WHERE label = 'b'"), 1, 'they are as before');
sql('TRUNCATE ticket', 'DELETE FROM qwen.annotation');

start_mock();
server($node, 'mock', url('vllm'));
sql("INSERT INTO ticket (id, body) VALUES (1, 'a card_lost case')", "INSERT INTO ticket (id, body) VALUES (2, 'plain')");
queue();
sql("UPDATE ticket SET label = qwen_label(body, ARRAY['a', 'b'], server => 'mock') WHERE id = 1");
is(sql('SELECT kind FROM qwen.annotation WHERE k = 1'), 'kept', 'a label by qwen_label is no person\'s');
is(sql('SELECT confidence IS NULL FROM ticket WHERE id = 1'), 't', 'and stays without confidence');
sql("UPDATE ticket SET (label, confidence, reason) = (SELECT * FROM qwen_classify(body, ARRAY['a', 'b'], server => 'mock')) WHERE id = 2");
is(sql('SELECT kind FROM qwen.annotation WHERE k = 2'), 'kept', 'nor one by qwen_classify');
sql("UPDATE ticket SET label = 'x' WHERE id = 2");
is(sql('SELECT kind FROM qwen.annotation WHERE k = 2'), 'person', 'the next statement is a person\'s again');
sql('DELETE FROM qwen.annotation', 'TRUNCATE ticket');

# ---- a user's triggers, before ours and after ----

sql('CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.body := upper(NEW.body); RETURN NEW; END $$',
	'CREATE FUNCTION from_other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.other IS NOT NULL THEN NEW.body := \'other \' || NEW.other; END IF; RETURN NEW; END $$',
	'CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$',
	"INSERT INTO ticket (id, body, label, confidence) VALUES (1, 'TEXT', 'a', 0.9), (2, 'text', 'a', 0.9)");
queue();
sql('CREATE TRIGGER a_shout BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION shout()', 'UPDATE ticket SET other = NULL');
is(row(1) . ' ' . row(2) . ' ' . queue(), 'a|0.9| || 1:2', 'a trigger before ours that rewrites the text');
sql("UPDATE ticket SET body = 'text' WHERE id = 1");
is(row(1) . ' ' . queue(), 'a|0.9| ', 'a change that the trigger undoes');
sql('DROP TRIGGER a_shout ON ticket', "SET qwen_classify.author = 'machine'", "UPDATE ticket SET label = 'a', confidence = 0.9, reason = 'r' WHERE id = 2");
queue();
sql('CREATE TRIGGER zzz_shout BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION shout()', 'SET ROLE anna', "UPDATE ticket SET body = 'text'");
is(row(2) . ' ' . queue(), '|| 1:1 1:2', 'a trigger after ours: what was cleared too early is queued');
sql("SET qwen_classify.author = 'machine'", "UPDATE ticket SET label = 'a', confidence = 0.9, reason = 'r' WHERE id = 2", 'ALTER TABLE ticket DISABLE TRIGGER zzz_shout',
	"UPDATE ticket SET body = 'quiet'", "UPDATE ticket SET label = 'a', confidence = 0.9, reason = 'r' WHERE id = 2", 'ALTER TABLE ticket ENABLE TRIGGER zzz_shout', 'DELETE FROM qwen.queue',
	'SET ROLE anna', 'UPDATE ticket SET other = NULL WHERE id = 2');
is(row(2) . ' ' . queue(), '|| 1:2', 'a trigger after ours that rewrites the text: the label goes all the same');
is(annotations(), '', 'and so does what was said of it');
sql('DROP TRIGGER zzz_shout ON ticket', "UPDATE ticket SET body = 'TEXT' WHERE id = 1", "UPDATE ticket SET label = 'a', confidence = 0.9 WHERE id = 1");
queue();
sql('CREATE TRIGGER a_other BEFORE INSERT OR UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION from_other()', 'UPDATE ticket SET other = 1 WHERE id = 1');
is(row(1) . ' ' . queue(), '|| 1:1', 'one that makes the text of another column');
gives('one at the insert', 'INSERT INTO ticket (id, other) VALUES (3, 5)', '1:3');
sql('DROP TRIGGER a_other ON ticket', 'CREATE TRIGGER zzz_no BEFORE UPDATE ON ticket FOR EACH ROW EXECUTE FUNCTION no()', 'DELETE FROM qwen.annotation');
sql("UPDATE ticket SET label = 'b', body = 'never' WHERE id IN (1, 2, 3)");
is(queue() . annotations(), '', 'a trigger after ours that drops the update');
sql('DROP TRIGGER zzz_no ON ticket', 'CREATE FUNCTION default_label() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.label := \'b\'; RETURN NEW; END $$',
	'CREATE TRIGGER a_default BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION default_label()', "INSERT INTO ticket (id, body) VALUES (4, 'x')");
is(queue() . annotations(), '4 person b', 'a trigger that gives the label');
sql('DROP TRIGGER a_default ON ticket', 'TRUNCATE ticket', 'DELETE FROM qwen.annotation');

# ---- texts that are stored elsewhere ----

sql('ALTER TABLE ticket ALTER body SET STORAGE external', "INSERT INTO ticket (id, body, label, confidence) VALUES (1, repeat('long ', 50000), 'a', 0.9)");
queue();
sql('UPDATE ticket SET other = 1');
is(row(1) . queue(), 'a|0.9|', 'a long text that stays');
sql("UPDATE ticket SET body = repeat('long ', 50000)");
is(row(1) . queue(), 'a|0.9|', 'a long text that is written anew, the same');
sql("UPDATE ticket SET body = repeat('long ', 49999) || 'lang '");
is(row(1) . queue(), '||1:1', 'a long text that changes at its end');
sql('ALTER TABLE ticket ALTER body SET STORAGE extended', 'TRUNCATE ticket', 'DELETE FROM qwen.annotation');

# ---- keys of other types ----

sub keys_of
{
	my ($task, $table) = @_;

	return sql("WITH d AS (DELETE FROM qwen.queue WHERE task = $task RETURNING kx, k) SELECT string_agg(kx, ' ' ORDER BY kx COLLATE \"C\"), count(DISTINCT k) FROM d");
}

sql("CREATE TABLE by_uuid (id uuid PRIMARY KEY, $columns)", "CREATE TABLE by_text (id text PRIMARY KEY, $columns)",
	"CREATE TABLE by_pair (b varchar(20), a timestamptz, $columns, PRIMARY KEY (a, b))", "CREATE TABLE by_small (id smallint PRIMARY KEY, $columns)");
attach(2, 'by_uuid');
attach(3, 'by_text');
attach(4, 'by_pair');
attach(5, 'by_small');
sql("INSERT INTO by_uuid VALUES ('6ecd8c99-4036-403d-bf84-cf8400f67836', 'x')");
is(keys_of(2), '(6ecd8c99-4036-403d-bf84-cf8400f67836)|1', 'uuid');
gives('smallint', "INSERT INTO by_small VALUES (-3, 'x')", '5:-3');
sql("INSERT INTO by_text VALUES ('', 'x'), ('plain', 'x'), ('two words', 'x'), ('a,b', 'x'), ('\"', 'x'), ('\\', 'x'), ('(', 'x'), ('Größe 尺寸', 'x')");
my $as_rows = sql("SELECT string_agg(ROW(id)::text, ' ' ORDER BY ROW(id)::text COLLATE \"C\"), count(*) FROM by_text");
is(keys_of(3), $as_rows, 'text, as a row\'s text');
sql("SET timezone = 'UTC'", "INSERT INTO by_pair VALUES ('x y', '2026-02-03 04:05:06+00', 'x')");
my ($k) = sql("SELECT k FROM qwen.queue");
is(keys_of(4), '("2026-02-03 04:05:06+00","x y")|1', 'two columns, in the key\'s order');
sql("SET DateStyle = 'German'", "SET timezone = 'Asia/Shanghai'", "UPDATE by_pair SET body = 'y'");
is(sql('SELECT k FROM qwen.queue'), $k, 'the hash is the same under other settings');
is(keys_of(4), '("2026-02-03 04:05:06+00","x y")|1', 'and so is the key');
sql("UPDATE by_pair SET label = 'a'", "UPDATE by_text SET label = 'a' WHERE id = 'a,b'", "UPDATE by_text SET id = 'b,c' WHERE id = 'a,b'");
is(sql("SELECT string_agg(task || kx || kind, ' ' ORDER BY task) FROM qwen.annotation"), '3("b,c")person 4("2026-02-03 04:05:06+00","x y")person', 'annotations have them, too');
sql("INSERT INTO by_text SELECT repeat(chr(65 + i), 2500) || i, 'x' FROM generate_series(1, 20) i");
is(sql("WITH d AS (DELETE FROM qwen.queue RETURNING kx) SELECT count(*), min(length(kx)) FROM d"), '20|2503', 'long ones');
sql('DELETE FROM qwen.annotation');

# Rows of integer keys are written from copies that the next few hundred use again, those of others are not.
sql('TRUNCATE by_text, by_small');
sql("DO \$\$ BEGIN FOR i IN 0..9 LOOP
	INSERT INTO ticket (id, body) SELECT i * 1000 + j, 'x' FROM generate_series(1, 150 + i * 30) j;
	INSERT INTO by_text SELECT 't' || i * 1000 + j, 'x' FROM generate_series(1, 400 - i * 40) j;
	INSERT INTO by_small SELECT i * 1000 + j, 'x' FROM generate_series(1, 70) j;
	END LOOP; END \$\$");
my $wanted = "SELECT 1 AS task, id::bigint AS k, NULL AS kx FROM ticket UNION ALL SELECT 5, id, NULL FROM by_small UNION ALL SELECT 3, NULL, ROW(id)::text FROM by_text";
is(sql("SELECT count(*), count(DISTINCT enq), min(enq) = max(enq) FROM qwen.queue"), '5750|1|t', 'several tables in one transaction');
is(sql("SELECT count(*) FROM (SELECT task, CASE WHEN kx IS NULL THEN k END AS k, kx FROM qwen.queue EXCEPT ALL ($wanted)) q"), 0, 'with the keys of each');
is(sql("SELECT count(*) FROM (($wanted) EXCEPT ALL SELECT task, CASE WHEN kx IS NULL THEN k END, kx FROM qwen.queue) q"), 0, 'all of them');
sql('TRUNCATE ticket, by_text, by_small', 'DELETE FROM qwen.queue');

sql("CREATE TABLE by_last (note text, $columns, id bigint PRIMARY KEY)");
attach(6, 'by_last');
gives('a key behind columns that are NULL', "INSERT INTO by_last (id, body) VALUES (12345678901, 'x'), (-1, 'x')", '6:-1 6:12345678901');
sql('DROP TABLE by_last', 'DELETE FROM qwen.task WHERE id = 6');

# ---- columns of other types; expressions; several tasks ----

sql("CREATE TYPE mood AS ENUM ('good', 'bad')",
	"CREATE TABLE typed (id int PRIMARY KEY, title text, body varchar(50), label mood, confidence numeric(4,3), why varchar(8), second varchar(10), sure float8)",
	'CREATE ROLE somebody_with_a_long_name', 'GRANT ALL ON typed TO somebody_with_a_long_name');
attach(6, 'typed', expression => "coalesce(title, '') || body", reason => 'why');
attach(7, 'typed', input => 'title', label => 'second', confidence => 'sure', reason => undef);
gives('two tasks of a table', "INSERT INTO typed (id, title, body) VALUES (1, 't', 'b'), (2, NULL, 'b')", '6:1 6:2 7:1');
gives('an input of several columns', "UPDATE typed SET body = 'c' WHERE id = 1", '6:1');
gives('a column of both', "UPDATE typed SET title = 'c' WHERE id = 1", '6:1 7:1');
sql('SET ROLE somebody_with_a_long_name', "UPDATE typed SET label = 'bad', second = 'x' WHERE id = 1");
is(sql('SELECT label, confidence, why, second, sure FROM typed WHERE id = 1'), 'bad|1.000|set by s|x|1', 'enum, numeric, varchar, double');
is(sql("SELECT string_agg(task || kind || label, ' ' ORDER BY task) FROM qwen.annotation"), '6personbad 7personx', 'their annotations');
sql('UPDATE typed SET title = NULL WHERE id = 1');
is(sql('SELECT label, confidence, why, second, sure FROM typed WHERE id = 1') . ' ' . queue(), '|||| 6:1', 'cleared for both');
is(annotations(), '', 'their annotations, too');
sql("CREATE TABLE bare (id int PRIMARY KEY, body text, label text)");
attach(8, 'bare', confidence => undef, reason => undef);
sql("INSERT INTO bare VALUES (1, 'x', NULL), (2, 'x', 'a')", "UPDATE bare SET label = 'b' WHERE id = 1");
is(queue() . ' ' . annotations(), '8:1 1 person b, 2 person a', 'a table with a label alone');
sql('DELETE FROM qwen.annotation');

# ---- a change of the table while a session goes on ----

my $s = session($node);
$s->query("INSERT INTO bare VALUES (10, 'x', NULL)");
sql('ALTER TABLE bare RENAME body TO words', 'ALTER TABLE bare ADD COLUMN confidence real');
$s->query("INSERT INTO bare VALUES (11, 'x', NULL)");
sql("UPDATE qwen.task SET confidence_column = 4 WHERE id = 8", 'ALTER TABLE bare ALTER confidence SET DEFAULT 0.1');
$s->query("INSERT INTO bare VALUES (12, 'x', NULL)", "UPDATE bare SET label = 'x' WHERE id = 12");
$s->query("UPDATE bare SET label = 'x' WHERE id = 12");
is(queue(), '8:10 8:11 8:12', 'columns are known by number');
is(sql('SELECT confidence FROM bare WHERE id = 12'), '1', 'a new column counts at once');
$s->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
$s->query('SELECT 1');
sql("CREATE TABLE young (id int PRIMARY KEY, $columns)");
attach(9, 'young');
$s->query("INSERT INTO young VALUES (1, 'x')");
$s->query('COMMIT');
is(queue(), '9:1', 'a task that is younger than the snapshot');
$s->query('BEGIN ISOLATION LEVEL REPEATABLE READ');
$s->query('SELECT 1 FROM young');
sql("UPDATE young SET label = 'a'", 'DELETE FROM young', "INSERT INTO young VALUES (2, 'x')");
sql("INSERT INTO qwen.annotation VALUES (9, 5, '', 'person', 'a', 'x', 0)");
$s->query("INSERT INTO young (id, body, label) VALUES (5, 'x', 'b')");
$s->query('COMMIT');
is(sql('SELECT label FROM qwen.annotation WHERE k = 5'), 'b', 'an annotation that is younger than the snapshot');
$s->quit;
queue();
sql('DELETE FROM qwen.annotation');

# ---- partitions ----

sql("CREATE TABLE part (id int, region text, $columns, PRIMARY KEY (id, region)) PARTITION BY LIST (region)",
	"CREATE TABLE part_a PARTITION OF part FOR VALUES IN ('a')",
	"CREATE TABLE part_b (reason text, label text, gone int, body text, region text NOT NULL, confidence real, id int NOT NULL)",
	'ALTER TABLE part_b DROP COLUMN gone', "ALTER TABLE part ATTACH PARTITION part_b FOR VALUES IN ('b')");
attach(10, 'part');
gives('through the parent', "INSERT INTO part (id, region, body) VALUES (1, 'a', 'x'), (2, 'b', 'x'), (3, 'b', NULL)", '10:(1,a) 10:(2,b)');
gives('into a partition', "INSERT INTO part_b (id, region, body) VALUES (4, 'b', 'x')", '10:(4,b)');
sql("UPDATE part SET label = 'a' WHERE id IN (1, 2)");
is(sql("SELECT string_agg(kx || kind, ' ' ORDER BY kx) FROM qwen.annotation"), '(1,a)person (2,b)person', 'labels in partitions');
is(sql('SELECT id, label, confidence FROM part WHERE label IS NOT NULL ORDER BY id'), "1|a|1\n2|a|1", 'their columns');
sql('DELETE FROM qwen.annotation', 'DELETE FROM part');

sql("CREATE TABLE route (id int, region text, $columns, PRIMARY KEY (id, region)) PARTITION BY LIST (region)",
	"CREATE TABLE route_a PARTITION OF route FOR VALUES IN ('a')", "CREATE TABLE route_b PARTITION OF route FOR VALUES IN ('b') PARTITION BY RANGE (id)",
	'CREATE TABLE route_b1 PARTITION OF route_b FOR VALUES FROM (0) TO (1000)');
attach(11, 'route');
sql("SET qwen_classify.author = 'machine'", "INSERT INTO route VALUES (1, 'a', 'x', 'a', 1), (2, 'a', 'x', 'a', 0.9), (3, 'a', 'x', NULL, NULL), (4, 'a', 'x', 'a', 1), (5, 'a', 'x', 'a', 1)");
is(queue(), '11:(3,a)', 'to move: one waits');
sql('DELETE FROM qwen.annotation', "UPDATE route SET region = 'b' WHERE id IN (1, 2, 3)");
is(queue(), '11:(3,b)', 'a row that moves and waits has its new key');
is(annotations(), '', "a machine's label with confidence 1 does not become a person's by moving");
sql("UPDATE route SET region = 'b', label = 'b' WHERE id = 4", "UPDATE route SET region = 'b', body = 'new' WHERE id = 5");
is(queue() . ' ' . annotations(), '11:(5,b) (4,b) person b', 'a label or a text that changes with the move');
is(row(4, 'route') . ' ' . row(5, 'route'), 'b|1|set by ' . value($node, 'SELECT current_user') . ' ||', 'and their columns');
sql("UPDATE route SET region = 'a' WHERE id = 4");
is(annotations(), '(4,a) person b', "a person's label moves with the row");
sql('BEGIN', "UPDATE route SET region = 'b' WHERE id = 4", "DELETE FROM route WHERE id = 4", "INSERT INTO route VALUES (4, 'b', 'x', 'c')", 'COMMIT');
is(annotations(), '(4,b) person c', 'a new row of the same key is a new row');
sql('DELETE FROM qwen.annotation');

sql('ALTER TABLE route DETACH PARTITION route_a');
gives('a partition that was detached', "INSERT INTO route_a VALUES (50, 'a', 'x')", '');
sql("ALTER TABLE route ATTACH PARTITION route_a FOR VALUES IN ('a')");
is(queue(), '', 'rows that are there are not queued');
gives('a partition that was attached', "INSERT INTO route_a VALUES (51, 'a', 'x')", '11:(51,a)');
gives('and through its parent', "INSERT INTO route VALUES (52, 'a', 'x')", '11:(52,a)');

# ---- whose queue it is ----

sql('CREATE ROLE eve LOGIN', 'GRANT CREATE ON SCHEMA public TO eve', 'SET ROLE eve', "CREATE TABLE hers (id int PRIMARY KEY, $columns)", triggers(1, 'hers'), triggers(99, 'hers'),
	'CREATE TRIGGER none AFTER INSERT ON hers FOR EACH ROW EXECUTE FUNCTION qwen.after_change()', "CREATE TRIGGER word AFTER INSERT ON hers FOR EACH ROW EXECUTE FUNCTION qwen.after_change('x')");
gives("another's task, no task, no number", [ 'SET ROLE eve', "INSERT INTO hers (id, body) VALUES (1, 'x')", "UPDATE hers SET body = 'y', label = 'a'" ], '');
is(row(1, 'hers') . annotations(), 'a||', 'the row is as it was given');
sql('DROP TABLE hers');
sql("INSERT INTO ticket (id, body) VALUES (1, 'x')", 'DELETE FROM qwen.queue');
my $r = run_sql($node, "SET ROLE eve; SELECT * FROM qwen.queue");
like($r->{err}, qr/permission denied/, 'the queue is not for users');
$r = run_sql($node, "CREATE TABLE wrong (a int); CREATE TRIGGER w AFTER INSERT ON wrong FOR EACH STATEMENT EXECUTE FUNCTION qwen.after_change('1'); INSERT INTO wrong VALUES (1)");
like($r->{err}, qr/for the triggers of a task alone/, 'a wrong kind of trigger is told');

$node->append_conf('postgresql.conf', 'qwen_classify.enabled = off');
$node->reload;
wait_until(sub { value($node, 'SELECT qwen.version()') && sql("LOAD 'qwen_classify'", 'SHOW qwen_classify.enabled') eq 'off' }, 'the setting');
gives('switched off', [ "INSERT INTO ticket (id, body) VALUES (2, 'x')", "UPDATE ticket SET label = 'a' WHERE id = 1" ], '');
is(row(1) . annotations(), 'a||', 'nothing is done');
$node->append_conf('postgresql.conf', 'qwen_classify.enabled = on');
$node->reload;
wait_until(sub { sql("LOAD 'qwen_classify'", 'SHOW qwen_classify.enabled') eq 'on' }, 'the setting');

sql('CREATE TABLE saved AS SELECT * FROM qwen.task', 'DELETE FROM qwen.task');
gives('no task, as in the middle of a restore', "INSERT INTO ticket (id, body) VALUES (3, 'x')", '');
sql('INSERT INTO qwen.task SELECT * FROM saved');
$r = run_sql($node, "BEGIN; INSERT INTO ticket (id, body) VALUES (10, 'x'); UPDATE ticket SET label = 'a' WHERE id = 3; DROP EXTENSION qwen_classify CASCADE; COMMIT; SELECT count(*) FROM ticket WHERE id = 10");
is($r->{out}, 1, 'the extension goes in the transaction that noted keys') or diag $r->{err};

done_testing();
