# What a statement sends: each question once, nothing while it is planned, no
# more than it may, to the server and with the key that its role was given.
use strict;
use warnings;
use utf8;
use Encode qw(encode_utf8 decode_utf8);
use JSON::PP;
use QwenTest;
use Test::More;

my $labels = "ARRAY['refund','bug','praise']";
our $node;

# Statements in a session of their own, without preload unless told so.
sub sql
{
	my ($sql, %opt) = @_;

	mock_reset();
	my $r = run_sql($node, $sql, %opt);
	$r->{requests} = mock_stats()->{requests};
	return $r;
}

sub as
{
	my ($role, $sql) = @_;

	return sql($sql, extra_params => [ '-U', $role ]);
}

sub gives
{
	my ($what, $r, $out, $requests) = @_;

	is($r->{out}, $out, "$what: the result") or diag $r->{err};
	is($r->{requests}, $requests, "$what: $requests requests") if defined $requests;
	return $r;
}

# The mock's own idea of a text's probabilities.
sub truth
{
	my ($text, @label) = @_;

	open my $fh, '-|', $ENV{QWEN_MOCK}, '--posterior', map { encode_utf8($_) } $text, @label or die $!;
	return map { chomp; my ($label, $p) = split /\t/; decode_utf8($label) => $p } <$fh>;
}

# How far scores are from the mock's.
sub distance
{
	my ($json, %truth) = @_;
	my $scores = decode_json($json || '{}');
	my $worst = keys %truth == keys %$scores ? 0 : 1;

	for my $label (keys %truth)
	{
		my $d = abs(($scores->{$label} // 9) - $truth{$label});
		$worst = $d if $d > $worst;
	}
	return $worst;
}

start_mock();
$node = start_node();
# A node with a server, a table and functions that call ours in all ways.
sub furnish
{
	server($node, 'mock', url('vllm'));
	$node->safe_psql('postgres', q{
		CREATE TABLE ticket (id int PRIMARY KEY, body text, label text);
		INSERT INTO ticket SELECT i, 'a bug ' || i FROM generate_series(1, 6) i;
		CREATE FUNCTION in_sql(t text) RETURNS text LANGUAGE sql STABLE
			AS $$ SELECT qwen_label(t, ARRAY['refund','bug','praise']) $$;
		CREATE FUNCTION in_plpgsql(t text) RETURNS text LANGUAGE plpgsql
			AS $$ BEGIN RETURN qwen_label(t, ARRAY['refund','bug','praise']); END $$;
		CREATE FUNCTION stable(t text) RETURNS text LANGUAGE plpgsql STABLE
			AS $$ BEGIN RETURN qwen_label(t, ARRAY['refund','bug','praise']); END $$;
		CREATE FUNCTION immutable(t text) RETURNS text LANGUAGE plpgsql IMMUTABLE
			AS $$ BEGIN RETURN qwen_label(t, ARRAY['refund','bug','praise']); END $$;
		CREATE FUNCTION assigning(t text) RETURNS text LANGUAGE plpgsql STABLE
			AS $$ DECLARE x text := qwen_label(t, ARRAY['refund','bug','praise']); BEGIN IF x IS NULL THEN RETURN 'NULL'; END IF; RETURN x; END $$;
	});
}

furnish();

# ---- equal requests are sent once ----

gives('duplicates', sql("SELECT count(qwen_label('text ' || i % 10, $labels)) FROM generate_series(1, 1000) i"), 1000, 10);
gives('(f(x)).*', sql("SELECT count(label), count(reason) FROM (SELECT (qwen_classify(body, $labels)).* FROM ticket OFFSET 0) x"), '6|6', 6);
gives('label and scores', sql("SELECT qwen_label(body, $labels), qwen_scores(body, $labels) ? 'bug' FROM ticket WHERE id = 1"), 'bug|t', 1);
gives('label, and classify without a reason',
	sql("SELECT qwen_label(body, $labels), (qwen_classify(body, $labels, with_reason => false)).label FROM ticket WHERE id = 1"), 'bug|bug', 1);
gives('a reason is another question',
	sql("SELECT qwen_label(body, $labels), (qwen_classify(body, $labels)).label FROM ticket WHERE id = 1"), 'bug|bug', 2);
gives('other labels or instructions are another question',
	sql("SELECT qwen_label(body, $labels), qwen_label(body, ARRAY['bug','praise']), qwen_label(body, $labels, 'Mail.') FROM ticket WHERE id = 1"),
	'bug|bug|bug', 3);
gives('the next statement asks again',
	sql("SELECT qwen_label('a bug', $labels); SELECT qwen_label('a bug', $labels)"), "bug\nbug", 2);
gives('an UPDATE in place', sql("BEGIN; UPDATE ticket SET label = qwen_label(body, $labels); SELECT count(label) FROM ticket; ROLLBACK"), 6, 6);
gives('NULL input', sql("SELECT qwen_label(NULL, $labels) IS NULL"), 't', 0);
gives('WHERE and GROUP BY',
	sql("SELECT qwen_label(body, $labels), count(*) FROM ticket WHERE qwen_label(body, $labels) = 'bug' GROUP BY 1"), 'bug|6', 6);

# ---- planning sends nothing, in a session's first statement either ----

# With and without preload, each in a session's first statement and later.
sub planning
{
	my %planned = (
		'EXPLAIN' => "EXPLAIN SELECT qwen_label('a bug', $labels)",
		'EXPLAIN of qwen_classify' => "EXPLAIN SELECT * FROM qwen_classify('a bug', $labels)",
		'EXPLAIN of a condition' => "EXPLAIN SELECT * FROM ticket WHERE qwen_label('a bug', $labels) = 'bug'",
		'EXPLAIN of a comparison' => "EXPLAIN SELECT * FROM ticket WHERE label = qwen_label('a bug', $labels) AND id < 3",
		'EXPLAIN of a join' => "EXPLAIN SELECT * FROM ticket a JOIN ticket b ON a.label = qwen_label(b.body, $labels)",
		'EXPLAIN of an UPDATE' => "EXPLAIN UPDATE ticket SET label = qwen_label(body, $labels)",
		'EXPLAIN of an SQL wrapper' => "EXPLAIN SELECT * FROM ticket WHERE label = in_sql('a bug')",
		'EXPLAIN of a PL/pgSQL wrapper' => "EXPLAIN SELECT * FROM ticket WHERE label = in_plpgsql('a bug')",
		'EXPLAIN of a stable PL/pgSQL wrapper' => "EXPLAIN SELECT stable(body), stable('a bug') FROM ticket",
		'PREPARE' => "PREPARE p AS SELECT * FROM ticket WHERE label = qwen_label('a bug', $labels)",
		'PREPARE with a parameter' => "PREPARE p (text) AS SELECT qwen_label(\$1, $labels)",
		'CREATE VIEW' => "BEGIN; CREATE VIEW v AS SELECT qwen_label('a bug', $labels) AS l; ROLLBACK");
	for my $what (sort keys %planned)
	{
		my $r = sql($planned{$what});
		my $s = mock_stats();
		is($r->{err}, '', "$what: without a word");
		is($s->{requests} + $s->{gets}, 0, "$what: nothing is sent");
	}
	gives('a condition with a constant', sql("SELECT count(*) FROM ticket WHERE qwen_label('a bug', $labels) = 'bug'"), 6, 1);
	gives('a comparison with a constant', sql("SELECT count(*) FROM ticket WHERE qwen_label('a bug', $labels) = label"), 0, 1);
	gives('EXECUTE', sql("PREPARE p (text) AS SELECT qwen_label(\$1, $labels); EXECUTE p ('a bug'); EXECUTE p ('praise')"), "bug\npraise", 2);
	gives('a generic plan', sql("SET plan_cache_mode = force_generic_plan; PREPARE p (text) AS SELECT qwen_label(\$1, $labels); EXECUTE p ('a bug')"), 'bug', 1);
	like(sql("EXPLAIN (ANALYZE, COSTS off) SELECT qwen_label('a bug', $labels)")->{out}, qr/actual time/, 'EXPLAIN ANALYZE executes');
	is(mock_stats()->{requests}, 1, 'EXPLAIN ANALYZE: 1 request');

	# ---- what executes in the planner's arms is executed ----

	for my $wrapper ('in_sql', 'in_plpgsql', 'stable', 'immutable', 'assigning')
	{
		gives("$wrapper, first statement", sql("SELECT $wrapper('a bug')"), 'bug', 1);
		gives("$wrapper, later", sql("SELECT qwen_label('praise', $labels); SELECT $wrapper('a bug')"), "praise\nbug", 2);
		gives("$wrapper over a table", sql("SELECT count(*) FROM ticket WHERE $wrapper(body) = 'bug'"), 6, 6);
		is(sql("SELECT count(*) FROM ticket WHERE 'bug' = $wrapper('a bug')")->{out}, 6, "$wrapper in a condition");
		is(sql("UPDATE ticket SET label = 'bug'; SELECT count(*) FROM ticket WHERE label = $wrapper('a bug'); UPDATE ticket SET label = NULL")->{out},
			6, "$wrapper compared with a column");
	}
	my %block = (
		'an assignment' => "x := qwen_label('a bug', $labels);",
		'an assignment with a variable' => "x := 'a bug'; x := qwen_label(x, $labels);",
		'a condition' => "IF qwen_label('a bug', $labels) = 'bug' THEN x := 'bug'; END IF;",
		'SELECT INTO' => "SELECT qwen_label('a bug', $labels) INTO x;",
		'EXECUTE' => "EXECUTE 'SELECT qwen_label(\$1, ARRAY[''bug'',''praise''])' INTO x USING 'a bug';",
		'a constant in a condition' => "SELECT max('bug') INTO x FROM ticket WHERE qwen_label('a bug', $labels) = 'bug';",
		'a wrapper' => "x := assigning('a bug');",
		'a loop' => "FOR i IN 1..3 LOOP x := qwen_label('a bug', $labels); END LOOP;",
		'a query loop' => "FOR x IN SELECT qwen_label(body, $labels) FROM ticket LOOP PERFORM x; END LOOP;");
	for my $what (sort keys %block)
	{
		my $r = sql("DO \$\$ DECLARE x text; BEGIN $block{$what} RAISE NOTICE 'got %', x; END \$\$");
		like($r->{err}, qr/NOTICE:  got bug$/m, "$what in the first statement of a session");
		is($r->{requests}, $what eq 'a query loop' ? 6 : 1, "$what: the command is one statement");
	}

	# expressions that are prepared outside of any plan
	$node->safe_psql('postgres', 'CREATE PROCEDURE show(x text) LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE \'got %\', x; END $$');
	for my $first ('', 'DO $$ BEGIN PERFORM qwen.version(); END $$; ')
	{
		my $when = $first ? 'later' : 'first statement';

		like(sql("${first}CALL show(qwen_label('a bug', $labels))")->{err}, qr/NOTICE:  got bug$/m, "an argument of CALL, $when");
		like(sql("PREPARE p (text) AS SELECT \$1; ${first}EXECUTE p (qwen_label('a bug', $labels))")->{out}, qr/^bug$/m, "an argument of EXECUTE, $when");
		like(sql("BEGIN; ${first}ALTER TABLE ticket ADD COLUMN fresh text DEFAULT qwen_label('a bug', $labels); SELECT DISTINCT fresh FROM ticket; ROLLBACK")->{out},
			qr/^bug$/m, "a column's default, $when");
	}
}

planning();
{
	local $node = start_node(name => 'preloaded', preload => 1);
	furnish();
	planning();
	$node->stop;
}

# ---- cursors, subtransactions, procedures ----

gives('a cursor', sql("SET qwen_classify.prefetch = off; BEGIN; DECLARE c CURSOR FOR SELECT qwen_label(body, $labels) FROM ticket; FETCH 2 FROM c; FETCH 1 FROM c; CLOSE c; COMMIT"),
	"bug\nbug\nbug", 3);
gives('a cursor is one statement', sql("BEGIN; DECLARE c CURSOR FOR SELECT qwen_label('a bug ' || i % 2, $labels) FROM generate_series(1, 6) i; FETCH 3 FROM c; FETCH 3 FROM c; COMMIT"),
	join("\n", ('bug') x 6), 2);
gives('two cursors and a query between', sql("SET qwen_classify.prefetch = off; BEGIN; DECLARE a CURSOR FOR SELECT qwen_label(body, $labels) FROM ticket; "
	. "DECLARE b CURSOR FOR SELECT qwen_label('praise ' || id, $labels) FROM ticket; FETCH a; FETCH b; SELECT qwen_label('refund', $labels); "
	. "FETCH a; FETCH b; CLOSE a; FETCH b; COMMIT"), "bug\npraise\nrefund\nbug\npraise\npraise", 6);
gives('a cursor WITH HOLD', sql("BEGIN; DECLARE c CURSOR WITH HOLD FOR SELECT qwen_label(body, $labels) FROM ticket; COMMIT; FETCH 1 FROM c"), 'bug', 6);
my $r = sql("BEGIN; DECLARE c CURSOR FOR SELECT qwen_label(body, $labels) FROM ticket; SAVEPOINT s; FETCH c; SELECT 1/0; ROLLBACK TO s; FETCH c; COMMIT; SELECT qwen_label('praise', $labels)");
is($r->{out}, "bug\nbug\npraise", 'an error beside a cursor');
$r = sql("BEGIN; DECLARE c CURSOR FOR SELECT qwen_label(body, $labels, server => CASE id WHEN 2 THEN 'nosuch' END) FROM ticket; SAVEPOINT s; FETCH c; FETCH c; ROLLBACK TO s; SELECT qwen_label('praise', $labels); COMMIT");
is($r->{out}, "bug\npraise", 'an error within a cursor');
$r = sql("DO \$\$ DECLARE x text; BEGIN FOR i IN 1..3 LOOP BEGIN x := qwen_label('a bug', $labels, server => CASE i WHEN 2 THEN 'nosuch' END); "
	. "RAISE NOTICE '%: %', i, x; EXCEPTION WHEN undefined_object THEN RAISE NOTICE '%: none', i; END; END LOOP; END \$\$");
like($r->{err}, qr/1: bug\n.*2: none\n.*3: bug$/s, 'EXCEPTION blocks');
$node->safe_psql('postgres', "CREATE PROCEDURE label_all() LANGUAGE plpgsql AS \$\$ DECLARE t ticket; BEGIN FOR t IN SELECT * FROM ticket LOOP "
	. "UPDATE ticket SET label = qwen_label(body, $labels) WHERE id = t.id; COMMIT; END LOOP; END \$\$");
gives('a procedure that commits', sql("CALL label_all(); SELECT count(*) FROM ticket WHERE label = 'bug'; CALL label_all()"), 6, 12);
gives('a trigger', sql(q{BEGIN; CREATE FUNCTION on_ticket() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.label := in_plpgsql(NEW.body); RETURN NEW; END $$;
	CREATE TRIGGER t BEFORE INSERT ON ticket FOR EACH ROW EXECUTE FUNCTION on_ticket();
	INSERT INTO ticket VALUES (11, 'a bug'), (12, 'praise'), (13, 'a bug') RETURNING label; ROLLBACK}), "bug\npraise\nbug", 2);

# ---- max_requests ----

$node->safe_psql('postgres', q{
	CREATE ROLE joe LOGIN; GRANT USAGE ON FOREIGN SERVER mock TO joe; GRANT SELECT ON ticket TO joe;
	ALTER ROLE joe SET qwen_classify.max_requests = 3});
for my $first ('', "SELECT qwen_label(NULL, $labels); ")
{
	my $when = $first ? 'later' : 'first statement';

	$r = as('joe', "\\set VERBOSITY verbose\n${first}SELECT qwen_label(body, $labels) FROM ticket");
	like($r->{err}, qr/ERROR:  53400: statement reached the limit of 3 requests to inference servers\nHINT:  Label fewer rows at once, or have a superuser raise the limit: ALTER ROLE/,
		"max_requests, $when: the message");
	is($r->{requests}, 3, "max_requests, $when: it stops before the next");
}
$r = as('joe', "SELECT count(qwen_label('a bug ' || i % 3, $labels)) FROM generate_series(1, 9) i; SELECT count(qwen_label('a bug ' || i % 3, $labels)) FROM generate_series(1, 9) i");
is($r->{out}, "9\n9", 'max_requests: equal ones count once, each statement anew');
for my $first ('', 'DO $$ BEGIN PERFORM qwen.version(); END $$; ')
{
	my $when = $first ? 'later' : 'first statement';

	for my $do ("PERFORM qwen_label('a bug ' || i, $labels)", "IF qwen_label('a bug ' || i, $labels) = 'x' THEN END IF", "PERFORM in_plpgsql('a bug ' || i)")
	{
		my $block = "DO \$\$ BEGIN FOR i IN 1..9 LOOP $do; END LOOP; END \$\$";
		is(as('joe', $first . $block)->{requests}, 3, "max_requests: a DO block is one statement, $when: " . substr $do, 0, 16);
	}
	is(as('joe', "${first}SELECT in_plpgsql(body) FROM ticket")->{requests}, 3, "max_requests: a function is part of its statement, $when");
	is(as('joe', "${first}SELECT in_plpgsql(body) FROM ticket LIMIT 2; SELECT in_plpgsql(body) FROM ticket LIMIT 2")->{out}, "bug\nbug\nbug\nbug", "max_requests: the next statement begins anew, $when");
	$r = sql("${first}DO \$\$ DECLARE x text; BEGIN FOR i IN 1..3 LOOP x := qwen_label('', $labels); PERFORM qwen_label(' ', $labels); END LOOP; END \$\$");
	like($r->{err}, qr/WARNING:  2 texts could not be labelled/, "a DO block has one warning, $when");
	is(scalar(() = $r->{err} =~ /WARNING/g), 1, "and no other, $when");
	$r = sql("BEGIN; ${first}DECLARE c CURSOR FOR SELECT in_plpgsql('a bug ' || i % 2) FROM generate_series(1, 6) i; FETCH 2 FROM c; FETCH 2 FROM c; SELECT qwen_label('a bug 1', $labels); CLOSE c; COMMIT; SELECT qwen_label('a bug 1', $labels)");
	is($r->{out}, join("\n", ('bug') x 6), "a function within a cursor, $when");
}
as('joe', "BEGIN; DECLARE c CURSOR FOR SELECT qwen_label(body, $labels) FROM ticket; FETCH 2 FROM c; FETCH 2 FROM c; COMMIT");
is(mock_stats()->{requests}, 3, 'max_requests: a cursor is one statement');
my $many = "SELECT qwen_label(body, $labels) FROM ticket";
for my $try ("SET qwen_classify.max_requests = 0; $many", "SELECT set_config('qwen_classify.max_requests', '0', false); $many",
	"BEGIN; SET LOCAL qwen_classify.max_requests = 0; $many; COMMIT", "SELECT qwen.version(); SET qwen_classify.max_requests = 0; $many",
	"ALTER ROLE joe SET qwen_classify.max_requests = 0; \\c\n$many", "RESET ALL; DISCARD ALL; $many")
{
	$r = as('joe', $try);
	cmp_ok($r->{requests}, '<=', 3, 'max_requests stays: ' . (split /\n/, substr $try, 0, 60)[0]);
}
{
	local $ENV{PGOPTIONS} = '-c qwen_classify.max_requests=0';
	cmp_ok(as('joe', $many)->{requests}, '<=', 3, 'max_requests stays: an option of the connection');
}
is(sql("SET qwen_classify.max_requests = 2; $many")->{requests}, 2, 'a superuser sets it');

# ---- whose server, whose key ----

server($node, 'keyed', url('openai'));
$node->safe_psql('postgres', q{
	CREATE ROLE ann LOGIN; GRANT USAGE ON FOREIGN SERVER keyed TO ann, joe;
	CREATE USER MAPPING FOR PUBLIC SERVER keyed OPTIONS (api_key 'key-of-all');
	CREATE USER MAPPING FOR ann SERVER keyed OPTIONS (api_key 'key-of-ann');
	CREATE FUNCTION for_all(t text) RETURNS text LANGUAGE sql VOLATILE SECURITY DEFINER
		AS $$ SELECT qwen_label(t, ARRAY['refund','bug','praise'], server => 'keyed') $$;
	ALTER FUNCTION for_all OWNER TO ann;
	CREATE ROLE guest LOGIN});
for (['joe', "qwen_label('a bug', $labels, server => 'keyed')", 'key-of-all', 'a mapping for PUBLIC'],
	['ann', "qwen_label('a bug', $labels)", 'key-of-ann', 'a mapping of one\'s own, and the only server'],
	['guest', "for_all('a bug')", 'key-of-ann', 'SECURITY DEFINER'])
{
	my ($role, $call, $key, $what) = @$_;

	is(as($role, "SELECT $call")->{out}, 'bug', "$what: the label");
	like(mock_get('/lasthdr'), qr/^Authorization: Bearer $key\r$/mi, "$what: the key");
}
$r = as('guest', "SELECT qwen_label('a bug', $labels, server => 'keyed')");
like($r->{err}, qr/permission denied for foreign server keyed/, 'the caller gets no rights by it');
gives('two users in one session', sql("SELECT for_all('a bug'), qwen_label('a bug', $labels, server => 'keyed')"), 'bug|bug', 2);
gives('the setting', sql("SET qwen_classify.server = 'keyed'; SELECT qwen_label('a bug', $labels)"), 'bug', 1);
is((keys %{ mock_stats()->{by_path} })[0] && mock_stats()->{by_path}{'/openai'}{requests}, 1, 'the setting: to that server');
$r = as('joe', "SET qwen_classify.server = 'mock'; SELECT qwen_label('a bug', $labels)");
is($r->{out}, 'bug', 'the setting: any role');

# ---- every kind of server ----

my @zh = ('科技', '体育', '财经');
my $zh = 'ARRAY[' . join(',', map { "'$_'" } @zh) . ']';
for my $kind ('openai', 'vllm', 'vllm-old', 'sglang', 'llamacpp', 'ollama', 'tgi', 'lmdeploy', 'plain')
{
	(my $name = "k_$kind") =~ s/-/_/;
	server($node, $name, url($kind), guard => 'off');	# texts here hold labels' names
	gives("$kind: label", sql("SELECT qwen_label('this is a bug', $labels, server => '$name')"), 'bug', 1);
	like(sql("SELECT * FROM qwen_classify('this is a bug', $labels, server => '$name')")->{out},
		qr/^bug\|0\.\d+\|The text is about bug\.$/, "$kind: label, confidence and reason");
	is(mock_stats()->{requests}, 1, "$kind: by one request");
	$r = sql(encode_utf8("SELECT * FROM qwen_classify('苹果发布新款手机，科技', $zh, server => '$name')"));
	like(decode_utf8($r->{out}), qr/^科技\|0\.\d+\|文本内容与“科技”相符。$/, "$kind: Chinese");
	if ($kind eq 'plain')
	{
		like($r->{err}, qr/confidence is the model's own word/, "$kind: where the confidence is from");
		next;
	}
	is($r->{err}, '', "$kind: without a word");
	for my $text ('nothing of note', 'refund this please', 'ein Text über nichts')
	{
		my $scores = sql(encode_utf8("SELECT qwen_scores('$text', $labels, server => '$name')"))->{out};
		cmp_ok(distance($scores, truth($text, 'refund', 'bug', 'praise')), '<', 1e-3, "$kind: the posterior of '$text'");
	}
	my $scores = sql(encode_utf8("SELECT qwen_scores('股市大涨', $zh, server => '$name')"))->{out};
	cmp_ok(distance($scores, truth('股市大涨', @zh)), '<', 1e-3, "$kind: the posterior of Chinese labels");

	# labels that begin with the same tokens
	my @shared = ('card_arrival', 'card_linking', 'card_lost', 'refund');
	my $shared = "ARRAY['" . join("','", @shared) . "']";
	for my $text ('nothing of note', 'where is my card', 'a card_lost case')
	{
		my %truth = truth($text, @shared);
		my ($best) = sort { $truth{$b} <=> $truth{$a} } @shared;
		$r = sql("SELECT qwen_label('$text', $shared, server => '$name'), qwen_scores('$text', $shared, server => '$name')");
		my ($label, $scores) = split /\|/, $r->{out}, 2;
		is($label, $best, "$kind: labels that share tokens, '$text'");
		is($r->{requests}, 1, "$kind: exact off is one request");
		my $sum = 0;
		$sum += $_ for values %{ decode_json($scores || '{}') };
		cmp_ok(abs($sum - 1), '<', 1e-3, "$kind: exact off, '$text': the scores sum to 1");
	}
	$node->safe_psql('postgres', "ALTER SERVER $name OPTIONS (ADD exact 'on')");
	for my $text ('nothing of note', 'where is my card', 'a card_lost case')
	{
		my $scores = sql("SELECT qwen_scores('$text', $shared, server => '$name')")->{out};
		cmp_ok(distance($scores, truth($text, @shared)), '<', 1e-3, "$kind: exact on, '$text'");
	}
	$node->safe_psql('postgres', "ALTER SERVER $name OPTIONS (ADD codes 'on', SET exact 'off')");
	$r = sql("SELECT qwen_label('a card_lost case', $shared, server => '$name')");
	is($r->{out}, 'card_lost', "$kind: codes");
	like(mock_get('/last'), qr/"[A-D]"|\[A-D\]|A\b.*card_arrival/, "$kind: codes are asked for");
}

# ---- bodies ----

server($node, 'plainly', url('plain'), temperature => '0.3', max_tokens => '512');
$r = sql(encode_utf8("SELECT * FROM qwen_classify('苹果发布新款手机', $zh, '新闻标题分类。', server => 'plainly')"));
like(decode_utf8($r->{out}), qr/^(科技|体育|财经)\|/, '/inference: a label');
my $body = mock_last();
is(join(',', sort keys %$body), 'max_tokens,prompt,system,temperature', '/inference: four fields');
is($body->{prompt}, '苹果发布新款手机', '/inference: the prompt is the text');
like($body->{system}, qr/新闻标题分类。.*科技.*体育.*财经/s, '/inference: instructions and labels are the system text');
is("$body->{temperature} $body->{max_tokens}", '0.3 512', '/inference: temperature and max_tokens');
server($node, 'objectly', url('plain', 'object=1'));
$r = sql("SELECT label FROM qwen_classify('a bug of 2026', $labels, server => 'objectly')");
is($r->{out}, 'bug', '/inference: an object in place of a string');
server($node, 'extra', url('vllm'), extra_body => '{"seed": 7, "top_p": 0.5, "chat_template_kwargs": {"custom": true}}');
gives('extra_body', sql("SELECT qwen_label('a bug', $labels, server => 'extra')"), 'bug', 1);
$body = mock_last();
is("$body->{seed} $body->{top_p}", '7 0.5', 'extra_body is merged');
ok($body->{chat_template_kwargs}{custom}, 'extra_body: objects within it, too');
is($body->{messages}[1]{content}, 'a bug', 'extra_body: the rest stays');
my $preview = sql("SELECT qwen.preview('a bug', $labels, with_reason => false, server => 'extra')");
is($preview->{requests}, 0, 'preview sends nothing');
sql("SELECT qwen_label('a bug', $labels, server => 'extra'); SELECT qwen.preview('a bug', $labels, with_reason => false, server => 'extra')");

# ---- memory ----

SKIP:
{
	my $s = session($node);
	my $status = "/proc/$s->{pid}/status";

	skip 'no /proc', 2 unless -r $status;
	my $rss = sub { open my $fh, '<', $status or die $!; return (join('', <$fh>) =~ /VmRSS:\s*(\d+)/)[0] };
	$s->query("SET work_mem = '64kB'");
	$s->query("SELECT count(qwen_label('warm up ' || i, $labels, server => 'mock')) FROM generate_series(1, 2000) i");
	my $before = $rss->();
	mock_reset();
	is($s->query("SELECT count(qwen_label('distinct text ' || i, $labels, server => 'mock')) FROM generate_series(1, 20000) i"), 20000, '20,000 texts');
	my $grown = $rss->() - $before;
	cmp_ok($grown, '<', 4096, "memory is bounded by work_mem (grown by $grown kB)");
	is(mock_stats()->{requests}, 20000, 'each was sent once');
	$s->quit;
}

done_testing();
