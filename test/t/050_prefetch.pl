# The prefetch node, one query shape after the other: the rows of the plain plan,
# no request that the plain plan would not send (or no more than a stated
# bound), and many requests at once.
use strict;
use warnings;
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(
	preload => 1,
	conf => "autovacuum = off\njit = off\nmax_prepared_transactions = 4\n");
server($node, 'instant', url('vllm'), max_concurrency => 64);
server($node, 'slow', url('vllm', 'delay=25'), max_concurrency => 64);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int PRIMARY KEY, cat int, few text, body text, label text, confidence float8);
INSERT INTO t SELECT i, i % 10, 'few ' || i % 10, 'text ' || i FROM generate_series(1, 200) i;
CREATE INDEX t_body ON t (body);
CREATE TABLE word (label text);
INSERT INTO word VALUES ('red'), ('green'), ('blue');
CREATE TABLE sink (id int PRIMARY KEY, label text, confidence float8);
CREATE TABLE p (id int, body text, label text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
SELECT format('CREATE TABLE p%s PARTITION OF p FOR VALUES FROM (%s) TO (%s)', i, i * 20, i * 20 + 20)
FROM generate_series(0, 9) i \gexec
INSERT INTO p SELECT i, 'text ' || i FROM generate_series(0, 199) i;
-- of another row type, and one whose columns lie elsewhere
CREATE TABLE q (body text, junk int, id int, label text) PARTITION BY RANGE (id);
CREATE TABLE q0 PARTITION OF q FOR VALUES FROM (0) TO (100);
CREATE TABLE q1 (label text, id int, junk int, body text);
ALTER TABLE q ATTACH PARTITION q1 FOR VALUES FROM (100) TO (200);
ALTER TABLE q DROP COLUMN junk;
INSERT INTO q (id, body) SELECT i, 'text ' || i FROM generate_series(0, 199) i;
-- the key is the label: an update moves the row
CREATE TABLE moving (id int, body text, label text) PARTITION BY LIST (label);
CREATE TABLE moving_new PARTITION OF moving FOR VALUES IN ('new');
CREATE TABLE moving_red PARTITION OF moving FOR VALUES IN ('red');
CREATE TABLE moving_rest PARTITION OF moving DEFAULT;
INSERT INTO moving SELECT i, 'text ' || i, 'new' FROM generate_series(1, 200) i;
CREATE TABLE hole (id int, body text);
INSERT INTO hole SELECT i, CASE WHEN i % 2 = 0 THEN 'text ' || i END FROM generate_series(1, 100) i;
CREATE TABLE varied (id int, body text, labels text[]);
INSERT INTO varied SELECT i, 'text ' || i % 5, CASE WHEN i % 2 = 0 THEN ARRAY['red', 'blue'] ELSE ARRAY['cat', 'dog', 'cow'] END
FROM generate_series(1, 100) i;
ANALYZE;
SQL

# f(x) is a composite, g(x) a label among others, h(x) the same request as f(x).
my %macro = (
	f => sub { "qwen_classify($_[0], ARRAY['red','green','blue'], with_reason => false)" },
	g => sub { "qwen_label($_[0], '{\"cat\": \"an animal\", \"dog\": null}'::jsonb)" },
	h => sub { "qwen_label($_[0], ARRAY['red','green','blue'])" });

sub expand
{
	my ($sql) = @_;

	$sql =~ s/\b([fgh])(\((?:[^()]++|(?2))*\))/$macro{$1}->(expand(substr $2, 1, -1))/ge;
	return $sql;
}

$node->safe_psql('postgres', expand(<<'SQL'));
CREATE VIEW seen AS SELECT id, (f(body)).label, (f(body)).confidence FROM t;
CREATE VIEW guarded WITH (security_barrier) AS SELECT id, body FROM t WHERE id <= 100;
CREATE FUNCTION label_of(text) RETURNS text LANGUAGE sql STABLE AS $$SELECT (f($1)).label$$;
CREATE FUNCTION labels_below(int) RETURNS TABLE (id int, label text) LANGUAGE sql STABLE AS
  $$SELECT id, (f(body)).label FROM t WHERE id <= $1$$;
CREATE FUNCTION labels_apart(int) RETURNS TABLE (id int, label text) LANGUAGE sql VOLATILE AS
  $$SELECT id, (f(body)).label FROM t WHERE id <= $1$$;
CREATE FUNCTION one_label(int) RETURNS text LANGUAGE plpgsql AS
  $$DECLARE l text; BEGIN SELECT (f(body)).label INTO l FROM t WHERE id >= $1 ORDER BY id; RETURN l; END$$;
CREATE FUNCTION first_of(refcursor) RETURNS refcursor LANGUAGE plpgsql AS
  $$BEGIN OPEN $1 FOR SELECT id, (f(body)).label FROM t ORDER BY id; RETURN $1; END$$;
CREATE FUNCTION set_one(int) RETURNS text LANGUAGE plpgsql AS
  $$DECLARE l text; BEGIN UPDATE t SET few = 'x' WHERE id = $1 RETURNING (f(body)).label INTO l; RETURN l; END$$;
CREATE FUNCTION set_many() RETURNS text LANGUAGE plpgsql AS
  $$DECLARE l text; BEGIN UPDATE t SET few = 'x' RETURNING (f(body)).label INTO l; RETURN l; END$$;
SELECT qwen.create_task('colours', labels => '{"red": null, "green": null, "blue": null}', server => 'slow');
SQL

my $s = session($node);
my @many = (requests => '=', at_once => [ '>=', 32 ]);

# What a session prints for statements; psql's place in its input is left out.
sub output
{
	my ($sql, $ordered) = @_;
	my @lines = split /\n/, $s->query($sql);

	@lines = sort @lines unless $ordered;
	(my $err = $s->{err}) =~ s/^psql:\S*:\d+: //mg;
	return join("\n", @lines, $err);
}

sub measure
{
	my ($prefetch, $server, $sql, $ordered) = @_;

	$s->query("SET qwen_classify.prefetch = $prefetch; SET qwen_classify.server = $server");
	mock_reset();
	my $out = output($sql, $ordered);
	my $stats = mock_stats();
	return ($out, $stats->{requests}, $stats->{max_in_flight});
}

# A shape: what it needs (requests of the plain plan; undef: what the answers
# decide), and then
#   requests => '='     as many as that
#               'ramp'  a few, and twice what was of use
#               'two ramps', one above the other
#               a number, at most
#   at_once => [ operator, number ]
#   ordered => 1        the rows' order is part of the result
#   fewer => 1          the plain plan makes calls for rows that nobody reads
my $shapes = 0;

sub shape
{
	my ($name, $sql, $needs, %want) = @_;
	my @limits = @{ $want{at_once} || [] };
	my $statement = expand($sql);
	my $ordered = $want{ordered} // ($sql =~ /ORDER BY/);
	my ($out, $needed, $plain) = measure('off', 'instant', $statement, $ordered);
	my ($ahead, $sent, $most) = measure('on', 'slow', $statement, $ordered);
	my %ramp = (ramp => 2 * $needed + 4, 'two ramps' => 4 * $needed + 12);
	my $bound = $ramp{ $want{requests} // '=' } // $want{requests};

	$shapes++;
	subtest $name => sub {
		is($ahead, $out, 'the rows');
		unlike($out, qr/ERROR/, 'no error') unless $want{error};
		is($needed, $needs, 'requests of the plain plan') if defined $needs;
		$bound && $bound ne '=' ? cmp_ok($sent, '<=', $bound, 'no more requests than that')
		  : is($sent, $needed, 'requests');
		cmp_ok($sent, '>=', $needed, 'no fewer requests') unless $want{fewer};
		cmp_ok($plain, '<=', 1, 'one at a time in the plain plan');
		cmp_ok($most, $limits[0], $limits[1], 'at once') if @limits;
	};
}

# ---- scans and target lists ----

shape('sequential scan', 'SELECT id, f(body) FROM t', 200, @many);
shape('a field', 'SELECT id, (f(body)).label FROM t', 200, @many);
shape('two fields', 'SELECT (f(body)).label, (f(body)).confidence FROM t', 200, @many);
shape('all fields', 'SELECT id, (f(body)).* FROM t', 200, @many);
shape('equal requests of two functions', 'SELECT (f(body)).label, h(body) FROM t', 200, @many);
shape('two calls', 'SELECT id, (f(body)).label, g(body) FROM t', 400, @many, at_once => [ '>=', 32 ]);
shape('index scan', 'SET enable_seqscan = off; SET enable_bitmapscan = off;
  SELECT id, f(body) FROM t WHERE id BETWEEN 11 AND 110; RESET enable_seqscan; RESET enable_bitmapscan', 100, @many);
shape('bitmap scan', 'SET enable_seqscan = off; SET enable_indexscan = off;
  SELECT id, f(body) FROM t WHERE id BETWEEN 11 AND 110; RESET enable_seqscan; RESET enable_indexscan', 100, @many);
shape('index-only scan', 'SET enable_seqscan = off; SET enable_bitmapscan = off;
  SELECT f(body) FROM t WHERE body > \'text 15\'; RESET enable_seqscan; RESET enable_bitmapscan', undef, @many);
shape('tid scan', "SELECT id, f(body) FROM t WHERE ctid = ANY (ARRAY['(0,1)','(0,2)','(0,3)']::tid[])", 3);
shape('sample', 'SELECT id, f(body) FROM t TABLESAMPLE SYSTEM (100)', 200, @many);
shape('function scan', "SELECT i, f('text ' || i) FROM generate_series(1, 100) i", 100, @many);
shape('XML table', 'SELECT f(x) FROM json_each_text(\'{"a": "text 1", "b": "text 2"}\') j (k, x)', 2);
shape('no row', 'SELECT id, f(body) FROM t WHERE id < 0', 0, at_once => [ '<=', 0 ]);
shape('without FROM', "SELECT f('text 1'), g('text 2'), f('text 3')", 3, at_once => [ '>=', 2 ]);
shape('10 texts in 200 rows', 'SELECT id, f(few) FROM t', 10, at_once => [ '>=', 5 ]);
shape('set-returning function', 'SELECT id, regexp_split_to_table((f(body)).label, \'e\') FROM t', 200, @many);
shape('nothing but a count', 'SELECT count(*) FROM (SELECT f(body) FROM t) x', 0);
shape('a whole row', 'SELECT (f(t.body)).label, t FROM t', 200, @many);
shape('system columns', 'SELECT ctid, tableoid, (f(body)).label FROM t', 200, @many);

# ---- WHERE ----

shape('call in WHERE', "SELECT id FROM t WHERE (f(body)).label = 'red'", 200, @many);
shape('call in WHERE beside a cheap clause', "SELECT id FROM t WHERE (f(body)).label = 'red' AND id <= 100", 100, @many);
shape('the same in WHERE and list', "SELECT id, (f(body)).* FROM t WHERE (f(body)).label = 'red' AND id <= 100", 100, @many);
shape('another in the list', "SELECT id, g(body) FROM t WHERE (f(body)).label = 'red' AND id <= 100", undef, @many);
shape('two clauses with calls', "SELECT id FROM t WHERE (f(body)).label = 'red' AND g(body) = 'cat'", undef, @many);
shape('OR of calls', "SELECT id FROM t WHERE (f(body)).label = 'red' OR g(body) = 'cat'", undef, @many);
shape('IN a list', "SELECT id FROM t WHERE (f(body)).label IN ('red', 'blue')", 200, @many);
shape('IS NULL', 'SELECT id FROM t WHERE (f(body)).label IS NULL', 200, @many);
shape('LIKE', "SELECT id FROM t WHERE h(body) LIKE '%e%'", 200, @many);

# ---- data-modifying statements ----

my $look = 'SELECT id, label, confidence FROM t; ROLLBACK';

shape('UPDATE', "BEGIN; UPDATE t SET label = (f(body)).label; $look", 200, @many);
shape('UPDATE of two columns', "BEGIN; UPDATE t SET label = (f(body)).label, confidence = (f(body)).confidence; $look", 200, @many);
shape('UPDATE from a subquery',
	"BEGIN; UPDATE t SET (label, confidence) = (SELECT c.label, c.confidence FROM f(body) c); $look", 200, @many);
shape('UPDATE from a scalar subquery', "BEGIN; UPDATE t SET label = (SELECT c.label FROM f(body) c); $look", 200, @many);
shape('UPDATE FROM LATERAL',
	"BEGIN; UPDATE t SET label = c.label FROM t t2, LATERAL f(t2.body) c WHERE t2.id = t.id; $look", 200, @many);
shape('UPDATE FROM a subquery',
	"BEGIN; UPDATE t SET label = n.label FROM (SELECT id, (f(body)).label FROM t) n WHERE n.id = t.id; $look", 200, @many);
shape('UPDATE WHERE', "BEGIN; UPDATE t SET label = 'x' WHERE (f(body)).label = 'red'; $look", 200, @many);
shape('UPDATE by a CTE',
	"BEGIN; WITH n AS (SELECT id, (f(body)).label FROM t) UPDATE t SET label = n.label FROM n WHERE n.id = t.id; $look", 200, @many);
shape('DELETE WHERE', "BEGIN; DELETE FROM t WHERE (f(body)).label = 'red'; $look", 200, @many);
shape('DELETE USING', "BEGIN; DELETE FROM t USING word w WHERE w.label = (f(t.body)).label AND w.label < 'h'; $look", 200, @many);

my $sunk = 'SELECT * FROM sink; ROLLBACK';
my $values = join ', ', map { "($_, (f('value $_')).label)" } 1 .. 40;

shape('INSERT SELECT', "BEGIN; INSERT INTO sink SELECT id, (f(body)).label, (f(body)).confidence FROM t; $sunk", 200, @many);
shape('INSERT VALUES', "BEGIN; INSERT INTO sink (id, label) VALUES $values; $sunk", 40, at_once => [ '>=', 20 ]);
shape('INSERT of one row', "BEGIN; INSERT INTO sink VALUES (1, (f('text 1')).label, (f('text 1')).confidence); $sunk", 1);
shape('VALUES', "SELECT x.id, x.label FROM (VALUES $values) x (id, label)", 40, at_once => [ '>=', 20 ]);
shape('call over VALUES', "SELECT f(x) FROM (VALUES ('text 1'), ('text 2'), ('text 3')) v (x)", 3);
shape('ON CONFLICT', "BEGIN; INSERT INTO t (id, label) SELECT id, (f(body)).label FROM t WHERE id <= 100
  ON CONFLICT (id) DO UPDATE SET label = excluded.label; $look", 100, @many);
shape('ON CONFLICT SET a call', "BEGIN; INSERT INTO t (id, body) SELECT id, body FROM t WHERE id <= 10
  ON CONFLICT (id) DO UPDATE SET label = h(excluded.body); $look", 10);
shape('CREATE TABLE AS', 'BEGIN; CREATE TABLE made AS SELECT id, (f(body)).* FROM t; SELECT * FROM made; ROLLBACK', 200, @many);
shape('SELECT INTO', 'BEGIN; SELECT id, h(body) AS c INTO made FROM t; SELECT * FROM made; ROLLBACK', 200, @many);
shape('COPY', 'COPY (SELECT id, (f(body)).label FROM t) TO STDOUT', 200, @many);
shape('materialized view', 'BEGIN; CREATE MATERIALIZED VIEW made AS SELECT id, (f(body)).* FROM t WHERE id <= 100;
  REFRESH MATERIALIZED VIEW made; SELECT * FROM made; ROLLBACK', 200, @many);

# ---- RETURNING ----

shape('INSERT RETURNING', 'BEGIN; INSERT INTO sink SELECT id FROM t RETURNING id, (f(\'text \' || id)).label; ROLLBACK', 200, @many);
shape('UPDATE RETURNING', 'BEGIN; UPDATE t SET few = \'x\' RETURNING id, (f(body)).label, few; ROLLBACK', 200, @many);
shape('UPDATE RETURNING what is set', 'BEGIN; UPDATE t SET body = body || \'!\' RETURNING id, f(body); ROLLBACK', 200, @many);
shape('DELETE RETURNING', 'BEGIN; DELETE FROM t RETURNING id, (f(body)).label; ROLLBACK', 200, @many);
shape('UPDATE FROM RETURNING', "BEGIN; UPDATE t SET few = w.label FROM word w WHERE w.label = 'red'
  RETURNING t.id, h(t.body || w.label); ROLLBACK", 200, @many);
shape('UPDATE SET and RETURNING', "BEGIN; UPDATE t SET label = (f(body)).label RETURNING id, label, g(body); ROLLBACK", 400, @many);
shape('WITH RETURNING', "BEGIN; WITH u AS (UPDATE t SET few = 'x' WHERE id <= 100 RETURNING id, body)
  SELECT id, f(body) FROM u; ROLLBACK", 100, @many);
shape('WITH RETURNING a call', "BEGIN; WITH u AS (UPDATE t SET few = 'x' WHERE id <= 100 RETURNING id, h(body) AS l)
  SELECT id, l FROM u; SELECT count(*) FROM t WHERE few = 'x'; ROLLBACK", 100, @many);
shape('WITH RETURNING a call, read in part', "BEGIN; WITH u AS (UPDATE t SET few = 'x' RETURNING id, h(body) AS l)
  SELECT id, l FROM u LIMIT 3; SELECT count(*) FROM t WHERE few = 'x'; ROLLBACK", 200, requests => 10, fewer => 1);
shape('RETURNING of a partitioned table', "BEGIN; UPDATE p SET label = 'x' RETURNING id, h(body); ROLLBACK", 200, @many);
shape('RETURNING of unlike partitions', "BEGIN; UPDATE q SET label = 'x' RETURNING id, h(body); ROLLBACK", 200);
shape('INSERT RETURNING of a partitioned table',
	"BEGIN; DELETE FROM p; INSERT INTO p SELECT id - 1, body FROM t RETURNING id, h(body), tableoid::regclass; ROLLBACK", 200, @many);
shape('DELETE RETURNING of a partitioned table', 'BEGIN; DELETE FROM p RETURNING id, h(body); ROLLBACK', 200, @many);
shape('moving UPDATE RETURNING', "BEGIN; UPDATE moving SET label = 'red' RETURNING id, h(body), tableoid::regclass; ROLLBACK", 200, @many);
shape('RETURNING INTO', 'BEGIN; SELECT set_one(7); SELECT count(*) FROM t WHERE few = \'x\'; ROLLBACK', 1);
shape('RETURNING INTO, too many', 'BEGIN; SELECT set_many(); ROLLBACK', undef, requests => 10, error => 1);

# ---- LATERAL and joins ----

shape('LATERAL', 'SELECT t.id, c.label, c.confidence FROM t, LATERAL f(t.body) c', 200, @many);
shape('LATERAL and WHERE', "SELECT t.id FROM t, LATERAL f(t.body) c WHERE c.label = 'red'", 200, @many);
shape('LEFT JOIN LATERAL', 'SELECT t.id, c.label FROM t LEFT JOIN LATERAL f(t.body) c ON true', 200, @many);
shape('LEFT JOIN LATERAL with a condition', "SELECT t.id, c.label FROM t LEFT JOIN LATERAL f(t.body) c ON c.label = 'red'", 200, @many);
shape('LATERAL subquery', 'SELECT t.id, c.label FROM t, LATERAL (SELECT (f(t.body)).label) c', 200, @many);
shape('LATERAL subquery over the function', 'SELECT t.id, c.l FROM t, LATERAL (SELECT x.label AS l FROM f(t.body) x) c', 200, @many);
shape('LATERAL subquery, not pulled up', 'SELECT t.id, c.l FROM t, LATERAL (SELECT f(t.body) AS l OFFSET 0) c', 200, @many);
shape('two LATERALs', 'SELECT t.id, a.label, b FROM t, LATERAL f(t.body) a, LATERAL g(t.body || a.label) b', 400, @many);
shape('LATERAL of a scalar', 'SELECT t.id, l FROM t, LATERAL h(t.body) l', 200, @many);
shape('LATERAL WITH ORDINALITY', 'SELECT t.id, l, n FROM t, LATERAL h(t.body) WITH ORDINALITY x (l, n)', 200, @many);
shape('ROWS FROM', 'SELECT t.id, x.* FROM t, LATERAL ROWS FROM (h(t.body), g(t.body)) x (a, b)', 400, @many);
shape('LATERAL over a join', 'SELECT a.id, c.label FROM t a JOIN t b ON b.id = a.id + 1, LATERAL f(a.body || b.body) c', 199, @many);
shape('call over both sides', 'SELECT a.id, (f(a.body || b.body)).label FROM t a JOIN t b ON b.id = a.id + 1', 199, @many);
shape('call in ON', 'SELECT t.id FROM t JOIN word w ON w.label = (f(t.body)).label', 200, @many);
shape('call in ON over both sides', 'SELECT t.id, w.label FROM t JOIN word w ON (f(t.body || w.label)).label = w.label WHERE t.id <= 60', 180, @many);
shape('call in ON of a LEFT JOIN', 'SELECT t.id, w.label FROM t LEFT JOIN word w ON w.label = (f(t.body)).label', 200, @many);
shape('call in ON of a LEFT JOIN over both sides',
	'SELECT t.id, w.label FROM t LEFT JOIN word w ON (f(t.body || w.label)).label = w.label WHERE t.id <= 20', 60);
shape('FULL JOIN', 'SELECT t.id, w.label FROM t FULL JOIN word w ON w.label = (f(t.body)).label', 200, @many);
shape('merge join', 'SET enable_hashjoin = off; SET enable_nestloop = off;
  SELECT a.id, h(a.body || b.body) FROM t a JOIN t b ON b.id = a.id; RESET enable_hashjoin; RESET enable_nestloop', 200, @many);
shape('merge join over calls', 'SET enable_hashjoin = off; SET enable_nestloop = off;
  SELECT a.id, b.id FROM t a JOIN t b ON h(a.body) = h(b.body) WHERE a.id <= 50 AND b.id <= 50; RESET enable_hashjoin; RESET enable_nestloop', 50);
shape('nested loop', 'SET enable_hashjoin = off; SET enable_mergejoin = off;
  SELECT t.id, w.label FROM t JOIN word w ON w.label = h(t.body); RESET enable_hashjoin; RESET enable_mergejoin', 200, @many);
shape('join of labelled subqueries', 'SELECT a.id, b.id FROM (SELECT id, h(body) AS l FROM t OFFSET 0) a
  JOIN (SELECT id, g(body) AS l FROM t OFFSET 0) b USING (id)', 0);
shape('join by labels', 'SELECT count(*) FROM (SELECT id, h(body) AS l FROM t OFFSET 0) a
  JOIN (SELECT id, h(few) AS l FROM t OFFSET 0) b ON a.l = b.l', 210, @many);
shape('semi join', "SELECT w.label FROM word w WHERE w.label IN (SELECT h(body) FROM t)", 200, @many);
shape('anti join', "SELECT w.label FROM word w WHERE NOT EXISTS (SELECT FROM t WHERE h(t.body) = w.label)", 200, @many);
shape('NOT IN', "SELECT w.label FROM word w WHERE w.label NOT IN (SELECT h(body) FROM t)", 200, @many);
shape('IN, of the outer side', "SELECT id FROM t WHERE h(body) IN (SELECT label FROM word WHERE label <> 'red')", 200, @many);
shape('scalar subquery', 'SELECT id, (SELECT c.label FROM f(t.body) c) FROM t', 200, @many);
shape('scalar subquery without columns', "SELECT id, (SELECT count(*) FROM t x WHERE h(x.body) = 'red') FROM t WHERE id <= 5", 200, @many);

# ---- aggregates and window functions ----

shape('GROUP BY', 'SELECT (f(body)).label, count(*) FROM t GROUP BY 1', 200, @many);
shape('GROUP BY, sorted', 'SET enable_hashagg = off; SELECT (f(body)).label, count(*) FROM t GROUP BY 1; RESET enable_hashagg', 200, @many);
shape('DISTINCT', 'SELECT DISTINCT (f(body)).label FROM t', 200, @many);
shape('DISTINCT ON', 'SELECT DISTINCT ON (h(body)) h(body), id FROM t ORDER BY h(body), id', 200, @many);
shape('FILTER', "SELECT count(*) FILTER (WHERE (f(body)).label = 'red'), round(avg((f(body)).confidence)::numeric, 6) FROM t", 200, @many);
shape('FILTER before the call', 'SELECT max(h(body)) FILTER (WHERE id <= 50) FROM t', 50, @many);
shape('max of each group', 'SELECT cat, max((f(body)).confidence) FROM t GROUP BY cat', 200, @many);
shape('string_agg', "SELECT cat, string_agg(h(body), ',' ORDER BY id) FROM t GROUP BY cat", 200, @many);
shape('string_agg ordered by calls', "SELECT string_agg(id::text, ',' ORDER BY h(body), id) FROM t", 200, @many);
shape('call over an aggregate', "SELECT cat, (f(string_agg(body, ' ' ORDER BY id))).label FROM t GROUP BY cat HAVING count(*) > 1", 10, at_once => [ '>=', 5 ]);
shape('HAVING a call', "SELECT cat FROM t GROUP BY cat HAVING h(string_agg(body, ' ' ORDER BY id)) = 'red'", 10, at_once => [ '>=', 5 ]);
shape('HAVING without the call', "SELECT cat, h(min(body)) FROM t GROUP BY cat HAVING cat < 4", 4);
shape('GROUPING SETS', 'SELECT cat, h(min(body)), count(*) FROM t GROUP BY GROUPING SETS ((cat), ())', undef, at_once => [ '>=', 5 ]);
shape('ROLLUP over a call', 'SELECT h(body), count(*) FROM t GROUP BY ROLLUP (h(body))', 200, @many);
shape('GROUP BY without aggregates', 'SELECT h(few) FROM t GROUP BY few', 10, at_once => [ '>=', 5 ]);
shape('window partition', 'SELECT id, count(*) OVER (PARTITION BY (f(body)).label) FROM t', 200, @many);
shape('window argument', 'SELECT id, lag((f(body)).label) OVER (ORDER BY id) FROM t', 199, @many, requests => 200);
shape('call over a window function', "SELECT id, f(lag(body) OVER (ORDER BY id)) FROM t", 199, @many);
shape('window frame', "SELECT id, count(*) FILTER (WHERE h(body) = 'red') OVER (ORDER BY id ROWS 3 PRECEDING) FROM t", 200, @many);
shape('FILTER of a field', 'SELECT max((f(body)).label) FILTER (WHERE id <= 50), max((f(body)).label) FILTER (WHERE id > 150) FROM t', 100, @many);
shape('FILTER of a record', 'SELECT count(f(body)) FILTER (WHERE id <= 50) FROM t', 50, @many);
shape('the same call under a condition and in an arm that is not looked at',
	"SELECT max(CASE WHEN id <= 50 THEN h(body) END), string_agg(CASE cat WHEN 3 THEN h(body) END, ',' ORDER BY id) FROM t", 65);
shape('the same call under two conditions, one of them volatile',
	"SELECT string_agg(CASE WHEN id <= 50 THEN h(body) END, ',' ORDER BY id), string_agg(CASE WHEN random() < 2 THEN h(body) END, ',' ORDER BY id) FROM t", 200);
shape('the same call under a condition and without',
	"SELECT string_agg(CASE WHEN id <= 50 THEN h(body) END, ',' ORDER BY id), string_agg(h(body), ',' ORDER BY id) FROM t", 200, @many);
shape('ordered-set aggregate', "SELECT cat, mode() WITHIN GROUP (ORDER BY h(body)) FROM t GROUP BY cat", 200, @many);
shape('DISTINCT in an aggregate', "SELECT cat, count(DISTINCT h(body)) FROM t GROUP BY cat", 200, @many);
shape('the same within and without', "SELECT h(min(h(body))), h(max(body)) FROM t", undef, @many);
shape('partial aggregates of partitions', "SET enable_partitionwise_aggregate = on; SELECT count(*) FILTER (WHERE h(body) = 'red'), max(h(body)) FROM p; RESET enable_partitionwise_aggregate", 200);
shape('window of records', 'SELECT id, lag(f(body)) OVER (PARTITION BY cat ORDER BY id), lead(f(body)) OVER (ORDER BY id) FROM t', 200, @many);
shape('window with a condition', "SELECT id, count(*) FILTER (WHERE id <= 100 AND h(body) = 'red') OVER (), max(CASE WHEN id > 150 THEN h(body) END) OVER () FROM t", 150, @many);
shape('windows over each other', "SELECT id, rank() OVER (ORDER BY h(body)), sum((f(body)).confidence) OVER (PARTITION BY cat ORDER BY id) > 1, lag(g(body)) OVER (ORDER BY body) FROM t",
	399, @many, requests => 400);
shape('window below LIMIT', "SELECT id, row_number() OVER (ORDER BY id), h(body) FROM t ORDER BY id LIMIT 10", 10);

# ---- LIMIT and other early ends ----

shape('LIMIT', 'SELECT id, h(body) FROM t LIMIT 10', 10, at_once => [ '>=', 5 ]);
shape('ORDER BY LIMIT', 'SELECT id, f(body) FROM t ORDER BY id LIMIT 10', 10, at_once => [ '>=', 5 ]);
shape('ORDER BY LIMIT with ties', 'SELECT id, f(body) FROM t ORDER BY cat, id LIMIT 10', 10, at_once => [ '>=', 5 ]);
shape('OFFSET', 'SELECT id, f(body) FROM t ORDER BY id LIMIT 10 OFFSET 5', 15, at_once => [ '>=', 8 ]);
shape('OFFSET alone', 'SELECT id, f(body) FROM t ORDER BY id OFFSET 150', undef);
shape('FETCH WITH TIES', 'SELECT cat, h(body) FROM t ORDER BY cat FETCH FIRST 10 ROWS WITH TIES', undef, requests => 50, ordered => 0);
shape('LIMIT of a subquery', 'SELECT f(body) FROM (SELECT body FROM t ORDER BY id LIMIT 10) x', 10, at_once => [ '>=', 5 ]);
shape('LIMIT of a parameter', 'PREPARE few (int) AS SELECT id, h(body) FROM t ORDER BY id LIMIT $1;
  SET plan_cache_mode = force_generic_plan; EXECUTE few (7); EXECUTE few (9); DEALLOCATE few; RESET plan_cache_mode', 16);
shape('LIMIT ALL', 'SELECT id, h(body) FROM t ORDER BY id LIMIT ALL', 200, @many);
shape('LIMIT 0', 'SELECT id, h(body) FROM t LIMIT 0', 0);
shape('LIMIT by a subquery', 'SELECT id, h(body) FROM t ORDER BY id LIMIT (SELECT count(*) FROM word)', 3, requests => 10);
shape('WHERE and LIMIT', "SELECT id FROM t WHERE h(body) = 'red' LIMIT 10", undef, requests => 'ramp');
shape('WHERE, another call and LIMIT', "SELECT id, g(body) FROM t WHERE h(body) = 'red' LIMIT 10", undef, requests => 'ramp');
shape('EXISTS', "SELECT EXISTS (SELECT FROM t WHERE h(body) = 'red')", undef, requests => 'ramp');
shape('EXISTS for each row', "SELECT w.label, EXISTS (SELECT FROM t WHERE h(body) = w.label AND id > 100) FROM word w", undef, requests => 120);
shape('ORDER BY a call, LIMIT', 'SELECT id, (f(body)).confidence FROM t ORDER BY (f(body)).confidence, id LIMIT 10', 200, @many);
shape('ORDER BY a call', 'SELECT id, h(body) FROM t ORDER BY h(body), id', 200, @many);

# ---- queries of queries ----

shape('CTE', 'WITH c AS MATERIALIZED (SELECT id, f(body) AS c FROM t) SELECT a.id, b.c FROM c a JOIN c b USING (id)', 200, @many);
shape('CTE, inlined', 'WITH c AS (SELECT id, f(body) AS c FROM t) SELECT * FROM c', 200, @many);
shape('recursive CTE', "WITH RECURSIVE r AS (SELECT 1 AS n, h('text 1') AS l UNION ALL SELECT n + 1, h(l || n) FROM r WHERE n < 5) SELECT * FROM r", 5);
shape('UNION ALL', 'SELECT id, h(body) FROM t WHERE id <= 100 UNION ALL SELECT id, h(few) FROM t WHERE id > 100', 110, @many);
shape('UNION ALL of unlike queries', 'SELECT id, h(body) FROM t UNION ALL SELECT 1, g(label) FROM word', 203, @many);
shape('UNION', 'SELECT h(body) FROM t UNION SELECT g(body) FROM t', 400, @many);
shape('EXCEPT', 'SELECT label FROM word EXCEPT SELECT h(body) FROM t', 200, @many);
shape('INTERSECT', 'SELECT label FROM word INTERSECT SELECT h(body) FROM t', 200, @many);
shape('view', "SELECT id, label FROM seen WHERE label <> 'red'", 200, @many);
shape('view, counted', "SELECT label, count(*) FROM seen GROUP BY 1", 200, @many);
shape('security barrier view', "SELECT id, f(body) FROM guarded WHERE h(body) = 'red'", 100, @many);
shape('SQL function, inlined', 'SELECT id, label_of(body) FROM t', 200, @many);
shape('SQL table function, inlined', 'SELECT * FROM labels_below(100)', 100, @many);
shape('SQL table function, not inlined', 'SELECT * FROM labels_apart(100)', 100, at_once => [ '>=', 16 ]);
shape('SELECT INTO a variable', 'SELECT one_label(5)', undef, requests => 6);

# ---- what is evaluated only sometimes ----

shape('CASE', 'SELECT id, CASE WHEN id % 4 = 0 THEN h(body) END FROM t', 50, @many);
shape('CASE, ELSE', 'SELECT id, CASE WHEN id <= 40 THEN h(body) WHEN id <= 120 THEN g(body) ELSE NULL END FROM t', 120, @many);
shape('CASE over a call', "SELECT id, CASE h(body) WHEN 'red' THEN 1 ELSE 2 END FROM t", 200, @many);
shape('CASE with a call in an arm', "SELECT id, CASE cat WHEN 3 THEN h(body) END FROM t", 20);
shape('CASE of two calls', "SELECT id, CASE WHEN h(body) = 'red' THEN g(body) END FROM t", undef, @many);
shape('AND, OR', "SELECT id, id <= 50 AND h(body) = 'red', id <= 150 OR h(body) = 'red' FROM t", 100, @many);
shape('COALESCE', "SELECT id, coalesce(CASE WHEN id % 2 = 0 THEN 'x' END, h(body)) FROM t", 100, @many);
shape('NULLIF', "SELECT id, nullif(h(body), 'red') FROM t", 200, @many);
shape('GREATEST', 'SELECT id, greatest(h(body), g(body)) FROM t', 400, @many);
shape('ARRAY and ROW', 'SELECT id, ARRAY[h(body), g(body)], ROW(h(body), id) FROM t', 400, @many);
shape('a call of a call', 'SELECT id, h(body || h(body)) FROM t', 400, @many);
shape('a call of another function\'s field', 'SELECT id, g((f(body)).label || id) FROM t', 400, @many);
shape('volatile argument', 'SELECT id, h(body || (random() < 0)::text) FROM t WHERE id <= 20', 20);
shape('argument by a subquery', "SELECT id, h((SELECT min(x.body) FROM t x WHERE x.cat = t.cat)) FROM t", 10);

# ---- partitions ----

my $parts = 'SELECT id, label, tableoid::regclass FROM p; ROLLBACK';

shape('partitions', 'SELECT id, h(body) FROM p', 200, @many);
shape('partitions, WHERE', "SELECT id, tableoid::regclass FROM p WHERE h(body) = 'red'", 200, @many);
shape('partitions, UPDATE', "BEGIN; UPDATE p SET label = h(body); $parts", 200, @many);
shape('partitions, UPDATE WHERE', "BEGIN; UPDATE p SET label = 'x' WHERE h(body) = 'red'; $parts", 200, @many);
shape('partitions, moving UPDATE', "BEGIN; UPDATE moving SET label = h(body); SELECT id, label, tableoid::regclass FROM moving; ROLLBACK", 200, @many);
shape('partitions, DELETE', "BEGIN; DELETE FROM p WHERE h(body) = 'red'; $parts", 200, @many);
shape('partitions, GROUP BY', 'SELECT h(body), count(*) FROM p GROUP BY 1', 200, @many);
shape('partitions, aggregate', 'SELECT count(*) FROM p WHERE h(body) = \'red\'', 200, @many);
shape('partitions, in order', "SELECT id, h(body) FROM p ORDER BY id", 200, @many);
shape('partitions, in order, LIMIT', "SET enable_seqscan = off; SELECT id FROM p WHERE h(body) = 'red' ORDER BY id LIMIT 30; RESET enable_seqscan", undef, requests => 'ramp');
shape('partitions, pruned', 'SELECT id, h(body) FROM p WHERE id BETWEEN 30 AND 89', 60, @many);
shape('partitions, pruned at run time', 'PREPARE r (int, int) AS SELECT id, h(body) FROM p WHERE id BETWEEN $1 AND $2;
  SET plan_cache_mode = force_generic_plan; EXECUTE r (30, 89); EXECUTE r (100, 109); DEALLOCATE r; RESET plan_cache_mode', 70, @many);
shape('partitions, pruned by a join', "SET enable_hashjoin = off; SET enable_mergejoin = off;
  SELECT p.id, h(p.body) FROM (VALUES (15), (55), (155)) v (x) JOIN p ON p.id = v.x; RESET enable_hashjoin; RESET enable_mergejoin", 3);
shape('partitions unlike each other', 'SELECT id, h(body) FROM q', 200, @many);
shape('partitions unlike each other, UPDATE', 'BEGIN; UPDATE q SET label = h(body); SELECT id, label FROM q; ROLLBACK', 200, @many);
shape('one merge of two orders', "SET enable_seqscan = off; SELECT * FROM (SELECT id, h(body) AS l FROM p UNION ALL SELECT id, h(body) FROM t) x
  ORDER BY id, l LIMIT 20; RESET enable_seqscan", undef, requests => 410, fewer => 1);

# ---- prepared statements ----

shape('PREPARE, custom', 'PREPARE r (int) AS SELECT id, h(body) FROM t WHERE id <= $1;
  SET plan_cache_mode = force_custom_plan; EXECUTE r (50); EXECUTE r (60); DEALLOCATE r; RESET plan_cache_mode', 110, @many);
shape('PREPARE, generic', 'PREPARE r (int) AS SELECT id, h(body) FROM t WHERE id <= $1;
  SET plan_cache_mode = force_generic_plan; EXECUTE r (50); EXECUTE r (60); DEALLOCATE r; RESET plan_cache_mode', 110, @many);
shape('PREPARE, a text', 'PREPARE r (text) AS SELECT h($1), h($1 || id) FROM t;
  SET plan_cache_mode = force_generic_plan; EXECUTE r (\'x\'); DEALLOCATE r; RESET plan_cache_mode', 201, @many);
shape('PREPARE, then off', 'PREPARE r AS SELECT id, h(body) FROM t WHERE id <= 30; EXECUTE r;
  SET qwen_classify.prefetch = off; EXECUTE r; DEALLOCATE r', 60);

# ---- cursors ----

my $cursor = 'CURSOR FOR SELECT id, h(body) FROM t ORDER BY id';

shape('FETCH 10', "BEGIN; DECLARE c $cursor; FETCH 10 FROM c; CLOSE c; COMMIT", 10, requests => 'ramp', at_once => [ '>=', 5 ]);
shape('FETCH one by one', "BEGIN; DECLARE c $cursor; FETCH c; FETCH c; FETCH c; CLOSE c; COMMIT", 3, requests => 'ramp');
shape('FETCH one by one, then the rest', "BEGIN; DECLARE c $cursor; FETCH c; FETCH c; FETCH c; FETCH ALL c; CLOSE c; COMMIT", 200, @many);
shape('FETCH, MOVE', "BEGIN; DECLARE c $cursor; FETCH 2 c; MOVE 5 c; FETCH 3 c; CLOSE c; COMMIT", 10, requests => 'ramp');
shape('FETCH past the end', "BEGIN; DECLARE c $cursor; FETCH 300 c; FETCH 3 c; FETCH c; CLOSE c; COMMIT", 200, @many);
shape('SCROLL', "BEGIN; DECLARE c SCROLL $cursor; FETCH 20 c; FETCH BACKWARD 5 c; FETCH LAST c; FETCH ABSOLUTE 7 c; FETCH FIRST c; CLOSE c; COMMIT", 200, @many);
shape('WITH HOLD', "BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT id, h(body) FROM t ORDER BY id; FETCH 2 c; COMMIT; FETCH ALL c; CLOSE c", 200, @many);
shape('SCROLL WITH HOLD', "BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id, h(body) FROM t ORDER BY id; FETCH 9 c; COMMIT; FETCH BACKWARD 4 c; FETCH ALL c; CLOSE c", 200, @many);
shape('two cursors', "BEGIN; DECLARE c $cursor; DECLARE d CURSOR FOR SELECT id, g(body) FROM t ORDER BY id;
  FETCH 3 c; FETCH 3 d; FETCH 3 c; FETCH 3 d; CLOSE c; FETCH 3 d; COMMIT", 15, requests => 60);
shape('cursor FOR UPDATE', "BEGIN; DECLARE c CURSOR FOR SELECT id, h(body) FROM t FOR UPDATE; FETCH 3 c;
  UPDATE t SET label = 'x' WHERE CURRENT OF c; CLOSE c; $look", 3, requests => 'ramp');
shape('WHERE CURRENT OF', "BEGIN; DECLARE c CURSOR FOR SELECT id, h(body) FROM t; FETCH 3 c;
  UPDATE t SET label = 'x' WHERE CURRENT OF c; FETCH 1 c; DELETE FROM t WHERE CURRENT OF c; CLOSE c; $look", 4, requests => 'ramp');
shape('WHERE CURRENT OF, call in WHERE', "BEGIN; DECLARE c CURSOR FOR SELECT id FROM t WHERE h(body) = 'red'; FETCH 3 c;
  UPDATE t SET label = 'x' WHERE CURRENT OF c; CLOSE c; $look", undef, requests => 'ramp');
shape('WHERE CURRENT OF, two calls', "BEGIN; DECLARE c CURSOR FOR SELECT id, g(body) FROM t WHERE h(body) = 'red'; FETCH 3 c;
  UPDATE t SET label = 'x' WHERE CURRENT OF c; CLOSE c; $look", undef, requests => 'two ramps');
shape('WHERE CURRENT OF, partitions', "BEGIN; DECLARE c CURSOR FOR SELECT id, h(body) FROM p; FETCH 25 c;
  UPDATE p SET label = 'x' WHERE CURRENT OF c; FETCH 30 c; DELETE FROM p WHERE CURRENT OF c; FETCH 200 c;
  SAVEPOINT a; UPDATE p SET label = 'y' WHERE CURRENT OF c; ROLLBACK TO a; CLOSE c; $parts", 200, error => 1);
shape('WHERE CURRENT OF, partitions, FOR UPDATE', "BEGIN; DECLARE c CURSOR FOR SELECT id, h(body) FROM p FOR UPDATE; FETCH 25 c;
  UPDATE p SET label = 'x' WHERE CURRENT OF c; CLOSE c; $parts", 25, requests => 'ramp');
shape('refcursor of a function', "BEGIN; SELECT first_of('c'); FETCH 5 c; FETCH 5 c; FETCH 5 c; CLOSE c; COMMIT", 15, requests => 'ramp', at_once => [ '>=', 4 ]);

# ---- PL/pgSQL ----

my $loop = 'DO $$ DECLARE r record; n int := 0; BEGIN FOR r IN SELECT id, h(body) AS l FROM t ORDER BY id LOOP n := n + 1; INSERT INTO sink VALUES (r.id, r.l);';

shape('loop', "BEGIN; $loop END LOOP; END \$\$; $sunk", 200, at_once => [ '>=', 16 ]);
shape('loop with EXIT', "BEGIN; $loop EXIT WHEN n = 5; END LOOP; END \$\$; $sunk", 10, requests => 'ramp');
shape('loop with COMMIT', "$loop COMMIT; END LOOP; END \$\$; SELECT * FROM sink; TRUNCATE sink", 200, at_once => [ '>=', 16 ]);
shape('loop with a savepoint', "BEGIN; $loop BEGIN INSERT INTO sink VALUES (r.id); EXCEPTION WHEN unique_violation THEN NULL; END; END LOOP; END \$\$; $sunk",
	200, at_once => [ '>=', 16 ]);
shape('RETURN QUERY', 'CREATE FUNCTION pg_temp.r() RETURNS TABLE (a int, b text) LANGUAGE plpgsql AS $$BEGIN RETURN QUERY SELECT id, h(body) FROM t; END$$;
  SELECT * FROM pg_temp.r(); DROP FUNCTION pg_temp.r()', 200, @many);

# ---- locks ----

shape('FOR UPDATE', 'BEGIN; SELECT id, h(body) FROM t FOR UPDATE; COMMIT', 200, @many);
shape('SKIP LOCKED LIMIT', 'BEGIN; SELECT id, h(body) FROM t ORDER BY id LIMIT 10 FOR UPDATE SKIP LOCKED; COMMIT', 10, at_once => [ '>=', 5 ]);
shape('queue', "BEGIN; WITH n AS (SELECT id FROM t WHERE label IS NULL ORDER BY id LIMIT 64 FOR UPDATE SKIP LOCKED)
  UPDATE t SET label = h(body) FROM n WHERE n.id = t.id; $look", 64, @many);
shape('queue with RETURNING', "BEGIN; UPDATE t SET label = h(body) WHERE id IN (SELECT id FROM t ORDER BY id LIMIT 64 FOR UPDATE SKIP LOCKED)
  RETURNING id, label; ROLLBACK", 64, @many);

# ---- parallel plans and JIT ----

my $parallel = 'SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET max_parallel_workers_per_gather = 2;';
my $serial = 'RESET parallel_setup_cost; RESET parallel_tuple_cost; RESET min_parallel_table_scan_size; RESET max_parallel_workers_per_gather';

shape('parallel scan', "$parallel SELECT id, h(body) FROM t WHERE id % 2 = 0; $serial", 100, @many);
shape('parallel scan, WHERE', "$parallel SELECT id FROM t WHERE id % 2 = 0 AND h(body) = 'red'; $serial", 100, @many);
shape('parallel aggregate', "$parallel SELECT cat, h(min(body)) FROM t GROUP BY cat; $serial", 10);
shape('parallel, in order', "$parallel SELECT id, h(body) FROM t ORDER BY id; $serial", 200, @many);
shape('parallel partitions', "$parallel SELECT id, h(body) FROM p; $serial", 200, @many);
shape('JIT', "SET jit = on; SET jit_above_cost = 0; SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0;
  SELECT id, (f(body)).label, CASE WHEN id > 100 THEN g(body) END FROM t WHERE h(body) <> 'red';
  RESET jit; RESET jit_above_cost; RESET jit_inline_above_cost; RESET jit_optimize_above_cost", undef, @many);

# ---- forms of the functions ----

my %labels = (
	'text[]' => "ARRAY['red','green']",
	jsonb => "'{\"red\": \"warm\", \"green\": null}'::jsonb",
	text => "'{red,green}'");

for my $function (qw(qwen_classify qwen_label qwen_scores))
{
	for my $form (sort keys %labels)
	{
		my $l = $labels{$form};

		shape("$function, labels as $form", "SELECT id, $function(body, $l) FROM t WHERE id <= 64", 64, @many);
		shape("$function, labels as $form, named", "SELECT id, $function(labels => $l, instructions => 'Colour of ' || cat, input => body) FROM t WHERE id <= 64", 64, @many);
		shape("$function, labels as $form, NULL input", "SELECT id, $function(body, $l) FROM hole", 50, @many);
		shape("$function, labels as $form, NULL", "SELECT id, $function(NULL, $l) FROM hole", 0);
	}
	shape("$function with examples", "SELECT id, $function(body, ARRAY['red','green'], examples => '[{\"input\": \"x\", \"label\": \"red\"}]') FROM t WHERE id <= 64", 64, @many);
	shape("$function by a task", "SELECT id, $function(body, task => 'colours') FROM t WHERE id <= 64", 64, at_once => undef);
	shape("$function of a named server", "SELECT id, $function(body, ARRAY['red','green'], server => 'instant') FROM t WHERE id <= 64", 64);
	shape("$function, labels by row", "SELECT id, $function(body, labels) FROM varied", 10, at_once => [ '>=', 5 ]);
}
shape('with a reason', "SELECT id, qwen_classify(body, ARRAY['red','green'], with_reason => true) FROM t WHERE id <= 64", 64, @many);

diag "$shapes shapes";
$s->quit;
done_testing();
