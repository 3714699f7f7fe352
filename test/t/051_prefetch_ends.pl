# The prefetch node where something ends or binds it: limits on requests,
# failures, cancellation, little memory, EXPLAIN, and being loaded late.
use strict;
use warnings;
use JSON::PP;
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(
	preload => 1,
	conf => "autovacuum = off\njit = off\nmax_connections = 20\n");
my $labels = "ARRAY['red','green','blue']";
my $h = "qwen_label(body, $labels)";
my $g = "qwen_label(body, ARRAY['cat','dog'])";

server($node, 'instant', url('vllm'), max_concurrency => 64);
server($node, 'slow', url('vllm', 'delay=40'), max_concurrency => 64);
server($node, 'stumbling', url('vllm', 'delay=41'), max_concurrency => 64);
server($node, 'never', url('vllm', 'stall=1'), max_concurrency => 64);
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE t (id int PRIMARY KEY, body text);
INSERT INTO t SELECT i, 'text ' || i FROM generate_series(1, 200) i;
-- rows 20, 40, ... fail
CREATE TABLE bad (id int PRIMARY KEY, body text);
INSERT INTO bad SELECT i, CASE WHEN i % 20 = 0 THEN '@@fail=400@@' ELSE '' END || 'text ' || i FROM generate_series(1, 200) i;
CREATE TABLE tried (id int PRIMARY KEY, body text);
INSERT INTO tried SELECT i, CASE WHEN i % 20 = 0 THEN '@@fail=503;times=1@@' ELSE '' END || 'text ' || i FROM generate_series(1, 100) i;
CREATE TABLE many (id int PRIMARY KEY, body text);
INSERT INTO many SELECT i, 'text ' || i FROM generate_series(1, 20000) i;
ANALYZE;
SQL

my $s = session($node);

sub in_session
{
	my ($settings, $sql) = @_;

	$s->query("DISCARD ALL; $settings");
	mock_reset();
	my $out = $s->query($sql);
	(my $err = $s->{err}) =~ s/^psql:\S*:\d+: //mg;
	my $stats = mock_stats();
	return { out => $out, err => $err, requests => $stats->{requests}, most => $stats->{max_in_flight} };
}

# The rows of both ways: [plain, prefetched].
sub both_ways
{
	my ($name, $settings, $sql) = @_;
	my $plain = in_session("SET qwen_classify.prefetch = off; SET qwen_classify.server = instant; $settings", $sql);
	my $ahead = in_session("SET qwen_classify.server = slow; $settings", $sql);

	is($ahead->{out}, $plain->{out}, "$name: the rows");
	is($ahead->{err}, $plain->{err}, "$name: the messages");
	return ($plain, $ahead);
}

# ---- how many at once, how many in all ----

{
	my $sql = "SELECT id, $h, $g FROM t WHERE $h <> 'red' AND $g <> 'cat' ORDER BY id";
	my ($plain, $ahead) = both_ways('stages', '', $sql);

	cmp_ok($ahead->{most}, '<=', 64, 'stages keep to the window together');
	cmp_ok($ahead->{most}, '>=', 32, 'and use it');
	is($ahead->{requests}, $plain->{requests}, 'stages send what the plain plan sends');
	(undef, $ahead) = both_ways('max_in_flight = 5', 'SET qwen_classify.max_in_flight = 5', $sql);
	is($ahead->{most}, 5, 'max_in_flight holds for both');
	(undef, $ahead) = both_ways('max_in_flight = 1', 'SET qwen_classify.max_in_flight = 1',
		"SELECT id, $h, $g FROM t WHERE id <= 10 ORDER BY id");
	is($ahead->{most}, 1, 'one at a time');
	(undef, $ahead) = both_ways('subplans', 'SET qwen_classify.max_in_flight = 20',
		"WITH a AS MATERIALIZED (SELECT id, $h AS l FROM t), b AS MATERIALIZED (SELECT id, $g AS m FROM t)
		 SELECT id, l, m, $h FROM a JOIN b USING (id) JOIN t USING (id) ORDER BY id");
	cmp_ok($ahead->{most}, '<=', 20, 'max_in_flight holds for subplans together');
	cmp_ok($ahead->{most}, '>=', 10, 'and is used');
}

{
	my ($plain, $ahead) = both_ways('max_requests', 'SET qwen_classify.max_requests = 50', "SELECT id, $h FROM t ORDER BY id");

	like($ahead->{err}, qr/ERROR.*50 requests|ERROR.*max_requests/, 'max_requests raises');
	is($ahead->{requests}, 50, 'and none beyond it is sent');
	both_ways('max_requests that suffices', 'SET qwen_classify.max_requests = 200', "SELECT id, $h FROM t ORDER BY id");
	($plain, $ahead) = both_ways('max_requests beyond a LIMIT', 'SET qwen_classify.max_requests = 20',
		"SELECT id FROM (SELECT id, $h AS l FROM t OFFSET 0) x WHERE l IS NOT NULL LIMIT 20");
	cmp_ok($ahead->{requests}, '<=', 20, 'max_requests holds for what is read ahead');
	both_ways('max_requests of a cursor', 'SET qwen_classify.max_requests = 20',
		"BEGIN; DECLARE c CURSOR FOR SELECT id, $h FROM t ORDER BY id; FETCH 9 c; FETCH 5 c; COMMIT");
}

# ---- failures ----

{
	my ($plain, $ahead) = both_ways('on_error = error', 'SET qwen_classify.on_error = error',
		"BEGIN; DECLARE c CURSOR FOR SELECT id, $h FROM bad ORDER BY id; FETCH 15 c; FETCH 4 c; FETCH c; FETCH c; ROLLBACK");

	is(scalar(() = $ahead->{out} =~ /^\d+\|/mg), 19, 'the rows before the failure are given');
	both_ways('beyond a LIMIT', 'SET qwen_classify.on_error = error', "SELECT id, $h FROM bad ORDER BY id LIMIT 19");
	both_ways('beyond what WHERE needs', 'SET qwen_classify.on_error = error',
		"SELECT id FROM (SELECT id, body FROM bad ORDER BY id OFFSET 0) x WHERE $h IS NOT NULL LIMIT 19");
	both_ways('the first failure in row order', 'SET qwen_classify.on_error = error', "SELECT id, $h FROM bad ORDER BY id DESC");
	both_ways('on_error = label', 'SET qwen_classify.on_error = label', "SELECT id, $h FROM bad ORDER BY id");
	($plain, $ahead) = both_ways('on_error = null', '',
		"SELECT id, (qwen_classify(body, $labels)).*, $h FROM bad ORDER BY id");
	is(scalar(() = $ahead->{err} =~ /WARNING/g), 1, 'one WARNING');
	like($ahead->{err}, qr/\b(10|20)\b/, 'with the number of rows');
	($plain, $ahead) = both_ways('rows that fail beyond a LIMIT', '', "SELECT id, $h FROM bad ORDER BY id LIMIT 19");
	unlike($ahead->{err}, qr/WARNING/, 'no WARNING of rows that nobody saw');
	($plain, $ahead) = both_ways('failures of a cursor', '',
		"BEGIN; DECLARE c CURSOR FOR SELECT id, $h FROM bad ORDER BY id; FETCH 17 c; CLOSE c; COMMIT");
	is($ahead->{err}, '', 'nor of rows that nobody fetched');
	both_ways('a failing row twice', '', "SELECT a.id, b.id, l FROM bad a JOIN (SELECT id, $h AS l FROM bad OFFSET 0) b ON b.id BETWEEN a.id AND a.id + 1 ORDER BY 1, 2");
	both_ways('caught', 'SET qwen_classify.on_error = error',
		"DO \$\$ DECLARE r record; n int := 0; BEGIN FOR r IN SELECT id, $h FROM bad ORDER BY id LOOP n := r.id; END LOOP;
		 EXCEPTION WHEN OTHERS THEN RAISE NOTICE '%: %', n, SQLERRM; END \$\$");
	both_ways('a failing argument', '', "SELECT id, qwen_label(body || 10 / (id - 150), $labels) FROM t");
}

# ---- ends ----

my $watch = session($node);

# What is left of a statement that ended: no request, no busy backend.
sub all_quiet
{
	my ($name) = @_;

	ok(wait_until(sub { mock_stats()->{in_flight} == 0 }, "$name: the mock"), "$name: no request is left");
	ok( wait_until(
			sub {
				$watch->query("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
				  AND state = 'active' AND pid <> pg_backend_pid()") eq '0';
			},
			"$name: the backends"),
		"$name: no backend is busy");
}

{
	my $r = in_session("SET qwen_classify.server = never; SET statement_timeout = '300ms'", "SELECT id, $h FROM t");

	like($r->{err}, qr/statement timeout/, 'statement_timeout');
	cmp_ok($r->{most}, '>=', 8, 'statement_timeout meets many requests');
	cmp_ok($s->{seconds}, '<', 10, 'statement_timeout is obeyed at once');
	all_quiet('statement_timeout');

	my $fds = backend_fds($s->{pid});
	in_session("SET qwen_classify.server = never; SET statement_timeout = '200ms'", "SELECT id, $h FROM t") for 1 .. 3;
	all_quiet('three more');
	cmp_ok(backend_fds($s->{pid}), '<=', $fds + 2, 'no socket is left');
	is(in_session('SET qwen_classify.server = instant', "SELECT count($h) FROM t")->{out}, 200, 'the session goes on');
}

{
	my $r = in_session('SET qwen_classify.server = slow',
		"BEGIN; SAVEPOINT a; SELECT id, $h, 1 / (id - 30) FROM t; ROLLBACK TO a; SELECT count($h) FROM t WHERE id <= 10; COMMIT");
	like($r->{err}, qr/division by zero/, 'an error in the middle');
	is((split /\n/, $r->{out})[-1], 10, 'ROLLBACK TO: the next statement');
	all_quiet('ROLLBACK TO');
}

{
	my $r = in_session('SET qwen_classify.server = never',
		"BEGIN; DECLARE c CURSOR FOR SELECT id, $h FROM t; SAVEPOINT a; SET LOCAL statement_timeout = '200ms'; FETCH 10 c; ROLLBACK TO a;
		 FETCH c; SAVEPOINT b");
	like($r->{err}, qr/statement timeout.*cannot be run/s, 'a FETCH that is cancelled');
	all_quiet('cancelled FETCH');
	$s->query('ROLLBACK');
	$r = in_session('SET qwen_classify.server = slow',
		"DO \$\$ DECLARE c CURSOR FOR SELECT id, $h, 1 / (id - 3) FROM t; r record; BEGIN OPEN c;
		 BEGIN LOOP FETCH c INTO r; END LOOP; EXCEPTION WHEN division_by_zero THEN NULL; END;
		 PERFORM pg_sleep(0.3); PERFORM 1 / (SELECT count($h) - 200 FROM t); EXCEPTION WHEN division_by_zero THEN RAISE NOTICE 'all'; END \$\$");
	like($r->{err}, qr/all/, 'a cursor that fails within a block');
	cmp_ok($r->{most}, '>=', 32, 'the statement goes on at full speed');
	all_quiet('a cursor that fails within a block');
}

{
	my $r = in_session('SET qwen_classify.server = slow',
		"BEGIN; DECLARE c CURSOR FOR SELECT id, $h FROM t; FETCH 100 c; CLOSE c; SELECT 'closed'");
	like($r->{out}, qr/closed/, 'a cursor closed early');
	all_quiet('CLOSE');
	$s->query('COMMIT');
	in_session('SET qwen_classify.server = slow', "BEGIN; DECLARE c CURSOR FOR SELECT id, $h FROM t; FETCH 3 c");
	all_quiet('a cursor left open');
	$s->query('COMMIT');
	$r = in_session('SET qwen_classify.server = slow',
		"DO \$\$ DECLARE r record; BEGIN FOR r IN SELECT id, $h FROM t LOOP EXIT WHEN r.id > 3; END LOOP;
		 BEGIN FOR r IN SELECT id, $h, 1 / (id - 3) FROM t LOOP NULL; END LOOP; EXCEPTION WHEN division_by_zero THEN NULL; END; END \$\$;
		 SELECT 'left'");
	is($r->{out}, 'left', 'a loop left early and an exception caught');
	all_quiet('EXIT and EXCEPTION');
}

{
	my $victim = session($node);

	$victim->query('SET qwen_classify.server = never');
	mock_reset();
	$victim->start("SELECT id, $h FROM t");
	ok(wait_until(sub { mock_stats()->{in_flight} >= 8 }, 'requests'), 'a session with many requests');
	$watch->query("SELECT pg_cancel_backend($victim->{pid})");
	$victim->wait;
	like($victim->{err}, qr/user request/, 'pg_cancel_backend');
	all_quiet('pg_cancel_backend');
	$victim->start("SELECT id, $h FROM t");
	ok(wait_until(sub { mock_stats()->{in_flight} >= 8 }, 'requests'), 'the same session again');
	$watch->query("SELECT pg_terminate_backend($victim->{pid})");
	$victim->wait;
	all_quiet('pg_terminate_backend');
	is($watch->query("SELECT count(*) FROM pg_stat_activity WHERE pid = $victim->{pid}"), 0, 'pg_terminate_backend: it is gone');
}

# ---- little memory ----

{
	my $settings = "SET qwen_classify.server = instant; SET work_mem = '64kB'";
	my $r = in_session($settings, "SELECT count($h) FROM many");

	is($r->{out}, 20000, 'little memory: the rows');
	is($r->{requests}, 20000, 'little memory: each text is asked once');
	$r = in_session($settings, "SELECT count(*) FROM (SELECT id, (qwen_classify(body, $labels, with_reason => false)).*, $h FROM many OFFSET 0) x WHERE label = qwen_label");
	is($r->{out}, 20000, 'little memory, three calls: the rows');
	is($r->{requests}, 20000, 'little memory, three calls: each text is asked once');
	$r = in_session($settings, "SELECT count(*) FROM many WHERE $h IS NOT NULL AND length($h) > 2 AND id % 4 = 0");
	is($r->{requests}, 5000, 'little memory, WHERE: each text is asked once');

	my %late = (
		'window over all' => "SELECT id, count(*) FILTER (WHERE $h = 'red') OVER () FROM many WHERE id <= 3000",
		'window partition' => "SELECT id, max(CASE WHEN id > 0 THEN $h END) OVER (PARTITION BY id % 2) FROM many WHERE id <= 3000",
		'window of fields' => "SELECT id, max((qwen_classify(body, $labels)).label) OVER (), max((qwen_classify(body, $labels)).confidence) OVER () FROM many WHERE id <= 3000",
		'groups on disk' => "SET enable_sort = off; SELECT id, body, max($h) FROM many WHERE id <= 3000 GROUP BY id, body",
		'a call after a call' => "SELECT id, qwen_label(body || '!', ARRAY['cat','dog']), $h FROM many WHERE $h <> '' AND id <= 3000",
		'a call of a call' => "SELECT id, qwen_label(body || $h, ARRAY['cat','dog']) FROM many WHERE id <= 3000");

	for my $name (sort keys %late)
	{
		$r = in_session($settings, $late{$name});
		is(scalar(() = $r->{out} =~ /^\d+\|/mg), 3000, "little memory, $name: the rows");
		is($r->{requests}, $name =~ /a call/ ? 6000 : 3000, "little memory, $name: each text is asked once");
	}

	$r = in_session($settings, "BEGIN; DECLARE c CURSOR FOR SELECT id, $h FROM many; MOVE 15000 c;
	  SELECT sum(total_bytes) FROM pg_backend_memory_contexts WHERE name LIKE 'qwen_classify%';
	  SELECT sum(total_bytes) FROM pg_backend_memory_contexts; COMMIT");
	my ($ours, $all) = split /\n/, $r->{out};
	diag "memory: $ours of ours, $all in all";
	cmp_ok($ours, '<', 2_000_000, 'little memory: ours is bounded');
	cmp_ok($all, '<', 12_000_000, 'little memory: the backend is bounded');
}

# ---- EXPLAIN ----

{
	my $r = in_session('SET qwen_classify.server = slow', "EXPLAIN SELECT id, $h FROM t");

	like($r->{out}, qr/Prefetch.*\n.*Prefetched Calls: 1\n/, 'EXPLAIN');
	unlike($r->{out}, qr/Requests/, 'EXPLAIN has no numbers');
	is($r->{requests}, 0, 'EXPLAIN sends nothing');
	$r = in_session('SET qwen_classify.server = slow; SET qwen_classify.prefetch = off', "EXPLAIN SELECT id, $h FROM t");
	unlike($r->{out}, qr/Prefetch/, 'no node when off');
	$r = in_session('SET qwen_classify.server = stumbling', "EXPLAIN (ANALYZE, VERBOSE) SELECT id, $h, $h || 'x' FROM tried");
	like($r->{out}, qr/Requests: 100\n\s+Shared: 0\n\s+Retried: 5\n/, 'EXPLAIN ANALYZE counts')
	  or diag $r->{out};
	like($r->{out}, qr/Max In Flight: \d\d\n/, 'and what was in flight');
	like($r->{out}, qr/Tokens: \d+/, 'and tokens');
	like($r->{out}, qr/Output: .*qwen_label\(\w*\.?body/, 'VERBOSE shows the call');

	$r = in_session('SET qwen_classify.server = slow',
		"EXPLAIN (ANALYZE, FORMAT JSON) SELECT id, $h FROM (SELECT id, 'text ' || id % 40 FROM t) x (id, body)");
	my $plan = decode_json($r->{out})->[0]{Plan};
	is($plan->{'Prefetched Calls'}, 1, 'JSON: calls');
	is($plan->{Requests}, 40, 'JSON: requests');
	is($plan->{Shared}, 160, 'JSON: shared');
	is($plan->{Retried}, 0, 'JSON: retried');
	cmp_ok($plan->{'Max In Flight'}, '>=', 16, 'JSON: in flight');
	cmp_ok($plan->{Tokens}, '>', 40, 'JSON: tokens');
	is($plan->{'Actual Rows'}, 200, 'JSON: rows');
	$r = in_session('SET qwen_classify.server = slow', "EXPLAIN (ANALYZE, TIMING off, COSTS off, SUMMARY off) SELECT id FROM t WHERE $h = 'red'");
	like($r->{out}, qr/Rows Removed by Filter: \d+/, 'rows that WHERE removed');
	unlike($r->{out}, qr/Wait Time/, 'no time without timing');
}

# ---- a library that comes late; other extensions; JIT ----

my $late = start_node(
	name => 'late',
	conf => "autovacuum = off\nmax_connections = 20\n");

server($late, 'slow', url('vllm', 'delay=40'), max_concurrency => 64);
$late->safe_psql('postgres', "CREATE TABLE t (id int PRIMARY KEY, body text);
  INSERT INTO t SELECT i, 'text ' || i FROM generate_series(1, 200) i; ANALYZE;
  CREATE FUNCTION labels() RETURNS SETOF text LANGUAGE plpgsql AS \$\$BEGIN RETURN QUERY SELECT $h FROM t; END\$\$");

# The statement is the first of a session (after what comes before it).
sub first_of_session
{
	my ($name, $sql, $rows) = @_;

	mock_reset();
	my $r = run_sql($late, $sql);
	my $stats = mock_stats();
	is(scalar(() = $r->{out} =~ /\b(red|green|blue)\b/g), $rows, "$name: the rows") or diag $r->{err};
	is($r->{err}, '', "$name: no message");
	cmp_ok($stats->{max_in_flight}, '>=', 32, "$name: many at once");
	return $r;
}

first_of_session('without preload', "SELECT id, $h FROM t", 200);
first_of_session('without preload, prepared', "PREPARE p AS SELECT id, $h FROM t; EXECUTE p", 200);
first_of_session('without preload, in a function', 'SELECT * FROM labels()', 200);
first_of_session('without preload, UPDATE', "BEGIN; UPDATE t SET body = $h RETURNING body; ROLLBACK", 200);
first_of_session('without preload, cursor', "BEGIN; DECLARE c CURSOR FOR SELECT $h FROM t; FETCH ALL c; COMMIT", 200);
first_of_session('without preload, SCROLL', "BEGIN; DECLARE c SCROLL CURSOR FOR SELECT $h FROM t; MOVE ALL c; FETCH BACKWARD ALL c; COMMIT", 200);

# What was planned before the library came is planned again.
{
	my $x = session($late);

	$x->query("PREPARE before AS SELECT id, $h FROM t WHERE id <= 64; PREPARE other AS SELECT id, $h FROM t WHERE id > 100");
	mock_reset();
	$x->query('EXECUTE before');
	cmp_ok(mock_stats()->{max_in_flight}, '>=', 32, 'without preload: the first execution');
	for my $n (2, 3)
	{
		mock_reset();
		is(scalar(() = $x->query('EXECUTE before') =~ /\|(?:red|green|blue)/g), 64, "without preload: execution $n, the rows");
		cmp_ok(mock_stats()->{max_in_flight}, '>=', 32, "without preload: execution $n");
	}
	mock_reset();
	$x->query('EXECUTE other');
	cmp_ok(mock_stats()->{max_in_flight}, '>=', 32, 'without preload: another statement');
	$x->quit;
}

for my $library (qw(auto_explain pg_stat_statements))
{
	$late->append_conf('postgresql.conf', "shared_preload_libraries = '$library, qwen_classify'\n");
	$late->append_conf('postgresql.conf', "auto_explain.log_min_duration = 0\nauto_explain.log_analyze = on\nauto_explain.log_nested_statements = on\n")
	  if $library eq 'auto_explain';
	if (!eval { $late->restart; 1 })
	{
		diag "$library is not there";
		$late->append_conf('postgresql.conf', "shared_preload_libraries = 'qwen_classify'\n");
		$late->start;
		next;
	}
	first_of_session("with $library", "SELECT id, $h FROM t", 200);
	first_of_session("with $library, in a function", 'SELECT * FROM labels()', 200);
	first_of_session("with $library, and JIT",
		"SET jit = on; SET jit_above_cost = 0; SET jit_inline_above_cost = 0; SET jit_optimize_above_cost = 0; SELECT id, $h FROM t WHERE $h <> ''", 200);
}

$watch->quit;
$s->quit;
done_testing();
