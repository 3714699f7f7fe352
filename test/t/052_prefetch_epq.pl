# Rows that change under a statement: what it then makes of the new version of a
# row is the same with the prefetch node and without it, and right.
#
# Each shape waits for a row that another session has changed and not committed;
# then that commits, and the row is looked at once more (EvalPlanQual).
use strict;
use warnings;
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(preload => 1, conf => "autovacuum = off\n");
server($node, 'fast', url('vllm'));

# The label of a text is the label that stands in it.
my $labels = "'{bug, praise, refund}'";
my $label = "qwen_label(body, $labels)";

$node->safe_psql('postgres', <<'END');
CREATE TABLE ticket (id int PRIMARY KEY, body text, label text, score float8);
CREATE TABLE part (id int PRIMARY KEY, body text, label text, score float8) PARTITION BY RANGE (id);
CREATE TABLE part1 PARTITION OF part FOR VALUES FROM (0) TO (5);
CREATE TABLE part2 PARTITION OF part FOR VALUES FROM (5) TO (100);
CREATE TABLE other (id int, word text);
INSERT INTO other SELECT i, 'praise' FROM generate_series(1, 12) i;
CREATE FUNCTION fill_tables() RETURNS void LANGUAGE sql AS $$
	DELETE FROM ticket; DELETE FROM part;
	INSERT INTO ticket SELECT i, (ARRAY['a bug ', 'some praise ', 'a refund '])[i % 3 + 1] || i FROM generate_series(1, 12) i;
	INSERT INTO part SELECT i, (ARRAY['a bug ', 'some praise ', 'a refund '])[i % 3 + 1] || i FROM generate_series(1, 12) i;
$$;
END

# Row 6 is a bug, and becomes praise.
my $change = "body = 'now praise 6' WHERE id = 6";

# name, table, statement, what the statement or the row must say with the change
my @shape = (
	[ 'UPDATE', 'ticket', "UPDATE ticket SET label = $label RETURNING id, label", qr/^6\|praise$/m ],
	[ 'UPDATE of all fields', 'ticket',
		"UPDATE ticket SET label = (qwen_classify(body, $labels)).label, score = (qwen_classify(body, $labels)).confidence RETURNING id, label",
		qr/^6\|praise$/m ],
	[ 'UPDATE FROM LATERAL', 'ticket',
		"UPDATE ticket SET label = c.label, score = c.confidence FROM ticket s, LATERAL qwen_classify(s.body, $labels) c "
		  . "WHERE s.id = ticket.id RETURNING ticket.id, ticket.body, ticket.label", qr/^6\|now praise 6\|bug$/m ],
	[ 'UPDATE SET (a, b) = (SELECT ...)', 'ticket',
		"UPDATE ticket SET (label, score) = (SELECT label, confidence FROM qwen_classify(body, $labels)) RETURNING id, label",
		qr/^6\|praise$/m ],
	[ 'UPDATE WHERE, no more', 'ticket', "UPDATE ticket SET label = 'found' WHERE $label = 'bug' RETURNING id", qr/\A(?!.*^6$)/ms ],
	[ 'UPDATE WHERE and another call', 'ticket',
		"UPDATE ticket SET label = qwen_label(body, '{now, some, a}') WHERE $label <> 'refund' RETURNING id, label", qr/^6\|now$/m ],
	[ 'DELETE WHERE, no more', 'ticket', "DELETE FROM ticket WHERE $label = 'bug' RETURNING id", qr/\A(?!.*^6$)/ms ],
	[ 'DELETE USING', 'ticket',
		"DELETE FROM ticket USING other WHERE other.id = ticket.id AND $label IN ('bug', other.word) RETURNING ticket.id, $label",
		qr/^6\|praise$/m ],
	[ 'SELECT FOR UPDATE', 'ticket', "SELECT id, $label FROM ticket ORDER BY id FOR UPDATE", qr/^6\|praise$/m ],
	[ 'SELECT FOR UPDATE WHERE, no more', 'ticket', "SELECT id FROM ticket WHERE $label = 'bug' FOR UPDATE", qr/\A(?!.*^6$)/ms ],
	[ 'SELECT FOR UPDATE LIMIT', 'ticket', "SELECT id, body FROM ticket WHERE $label = 'bug' ORDER BY id LIMIT 2 FOR UPDATE", qr/\A(?!.*^6\|)/ms ],
	[ 'join FOR UPDATE of one side', 'ticket',
		"SELECT t.id, qwen_label(t.body || o.id, $labels) FROM ticket t JOIN other o ON o.id = t.id ORDER BY t.id FOR UPDATE OF t",
		qr/^6\|praise$/m ],
	[ 'join with calls in ON', 'ticket',
		"UPDATE ticket SET label = o.word FROM other o WHERE o.id = ticket.id AND $label <> o.word RETURNING ticket.id, label",
		qr/\A(?!.*^6\|)/ms ],
	[ 'partitions', 'part', "UPDATE part SET label = $label RETURNING id, label", qr/^6\|praise$/m ],
	[ 'partitions WHERE', 'part', "DELETE FROM part WHERE $label = 'bug' RETURNING id", qr/\A(?!.*^6$)/ms ],
	[ 'data-modifying WITH', 'ticket',
		"WITH n AS (SELECT id FROM ticket ORDER BY id FOR UPDATE), u AS (UPDATE ticket SET label = $label FROM n WHERE n.id = ticket.id "
		  . "RETURNING ticket.id, label) SELECT * FROM u", undef ],
	[ 'MERGE', 'ticket', "MERGE INTO ticket USING (SELECT id, qwen_label(word || id, $labels) AS word FROM other OFFSET 0) o ON o.id = ticket.id WHEN MATCHED AND $label = o.word THEN UPDATE SET label = 'm' "
		  . "WHEN MATCHED AND $label = 'bug' THEN DELETE", undef ],
);
@shape = grep { $_->[0] ne 'MERGE' } @shape if value($node, 'SHOW server_version_num') < 150000;

my ($changer, $other) = (session($node), session($node));

# What came of a statement, and of the table.
sub outcome
{
	my ($shape, $prefetch) = @_;
	my ($name, $table, $sql) = @$shape;

	$changer->query('SELECT fill_tables()');
	$other->query("SET qwen_classify.prefetch = $prefetch");
	$changer->query("BEGIN; UPDATE $table SET $change");
	$other->start($sql);
	wait_until(sub {
		value($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $other->{pid} AND wait_event_type = 'Lock'") eq '1';
	}, "$name to wait") or fail("$name waits for the row");
	$changer->query('COMMIT');
	my $out = $other->wait;
	return ($out . $other->{err}, $changer->query("SELECT * FROM $table ORDER BY id"));
}

for my $shape (@shape)
{
	my ($plain, $plain_rows) = outcome($shape, 'off');
	my ($found, $rows) = outcome($shape, 'on');

	is($found, $plain, "$shape->[0]: gives the same");
	is($rows, $plain_rows, "$shape->[0]: leaves the same");
	like($found, $shape->[3], "$shape->[0]: looks at the new row") if $shape->[3];
	like($other->query("EXPLAIN $shape->[2]"), qr/Qwen Prefetch/, "$shape->[0]: has the node");
}

done_testing();
