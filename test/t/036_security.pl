# The worker runs as a superuser's process, but what a table's owner wrote runs
# as that owner and can become nobody else.  The owner needs no other right
# than USAGE on the server; what is taken away stops the task with a message.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(sleep);

use constant KEY => 'sk-very-secret-4711';

start_mock();
my $node = start_node(preload => 1, conf => "max_connections = 30\nlog_statement = none\n");
my $super = value($node, 'SELECT current_user');

sub as_role
{
	my ($role, $sql) = @_;

	return run_sql($node, $sql, extra_params => [ '-U', $role ]);
}

# As the owner of the table; it must work.
sub shop
{
	my ($sql) = @_;
	my $r = as_role('shop', $sql);

	is($r->{err} =~ /ERROR/ ? $r->{err} : '', '', 'an ordinary role: ' . substr($sql =~ s/\s+/ /gr, 0, 60));
	return $r->{out};
}

# Asked as the owner: a superuser who looks at a table with a trap is caught by it.
sub labelled
{
	my ($table, $what, $limit) = @_;

	return ok(wait_until(sub { as_role('shop', "SELECT count(*) FROM $table WHERE label IS NULL")->{out} eq '0' }, $what, $limit || 20), $what)
	  || diag value($node, 'SELECT * FROM qwen.progress') . value($node, 'SELECT * FROM qwen.failed');
}

server($node, 'qwen', url('vllm', 'need_key=' . KEY));
$node->safe_psql('postgres', q(
	CREATE ROLE shop LOGIN; CREATE ROLE other LOGIN; CREATE SCHEMA shop AUTHORIZATION shop;
	CREATE SCHEMA other AUTHORIZATION other;
	GRANT USAGE ON FOREIGN SERVER qwen TO shop;));
$node->safe_psql('postgres', "CREATE USER MAPPING FOR shop SERVER qwen OPTIONS (api_key '" . KEY . "')");

# ---- a role without any special right does all of it ----

shop(q(CREATE TABLE shop.ticket (id int PRIMARY KEY, body text, label text, confidence float8, reason text)));
shop(q(INSERT INTO shop.ticket SELECT i, 'a bug ' || i FROM generate_series(1, 5) i));
shop(q(SELECT qwen.create_task('tickets', labels => ARRAY['refund', 'bug', 'praise'], with_reason => false)));
shop(q(SELECT qwen.attach('tickets', 'shop.ticket', input => 'body')));
shop(q(SELECT qwen.backfill('tickets')));
shop(q(INSERT INTO shop.ticket SELECT i, 'a refund ' || i FROM generate_series(6, 9) i));
labelled('shop.ticket', 'the table of an ordinary role is labelled with its own key');
is(shop(q(SELECT count(*) FROM qwen.progress WHERE task = 'tickets')), '1', 'and it sees the progress');
is(shop(q(SELECT string_agg(DISTINCT label, ',' ORDER BY label) FROM shop.ticket)), 'bug,refund', 'with the right labels');

# ---- others neither see nor touch it ----

is(as_role('other', 'SELECT count(*) FROM qwen.progress')->{out}, '0', 'another role does not see the task');
for my $sql ("SELECT qwen.pause('tickets')", "SELECT qwen.backfill('tickets')", "SELECT qwen.relabel('tickets')",
	"SELECT qwen.retry('tickets')", "SELECT qwen.detach('tickets')", "SELECT qwen.drop_task('tickets')",
	"SELECT qwen.alter_task('tickets', priority => 1)")
{
	like(as_role('other', $sql)->{err}, qr/ERROR:.*(owner|permission|does not exist|no task)/i, "another role: $sql");
}
for my $role ('shop', 'other')
{
	for my $table (qw(task queue retry dead backfill_state result annotation tally usage))
	{
		like(as_role($role, "SELECT * FROM qwen.$table")->{err}, qr/permission denied/, "$role does not read qwen.$table");
	}
	like(as_role($role, 'INSERT INTO qwen.queue VALUES (1, 1, NULL, now())')->{err}, qr/permission denied/, "$role does not write the queue");
}
as_role('other', q(CREATE TABLE other.t (id int PRIMARY KEY, body text, label text, confidence float8, reason text)));
as_role('other', q(CREATE TRIGGER zz AFTER INSERT ON other.t FOR EACH ROW EXECUTE FUNCTION qwen.after_change('1')));
my $before = mock_stats()->{requests};
as_role('other', q(INSERT INTO other.t (id, body) SELECT i, 'a bug ' || i FROM generate_series(1, 100) i));
is(value($node, 'SELECT count(*) FROM other.t'), '100', 'a trigger with the number of a foreign task does not disturb');
sleep 0.5;
is(mock_stats()->{requests}, $before, 'and floods nobody');
like(as_role('other', q(SELECT qwen.create_task('mine', labels => ARRAY['a', 'b']);
	SELECT qwen.attach('mine', 'shop.ticket', input => 'body')))->{err}, qr/ERROR/, 'another role cannot attach to a table that it does not own');

# ---- code of the owner that the worker runs ----

# each place says as whom it runs, and tries to get more
$node->safe_psql('postgres', q(CREATE TABLE shop.loot (place text, who text); ALTER TABLE shop.loot OWNER TO shop));
shop(q[CREATE FUNCTION shop.grab(place text) RETURNS text LANGUAGE plpgsql VOLATILE AS $$
	DECLARE
		try text;
	BEGIN
		RAISE LOG 'grab % runs as %', place, current_user;
		FOREACH try IN ARRAY ARRAY['ALTER ROLE shop SUPERUSER', 'RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET ROLE ] . $super . q[',
			'SET SESSION AUTHORIZATION ] . $super . q[', 'UPDATE pg_authid SET rolsuper = true', 'CREATE ROLE boss SUPERUSER',
			'CREATE TEMP TABLE pg_class (a int)', 'UPDATE qwen.task SET owner = 10', 'GRANT ] . $super . q[ TO shop',
			'SELECT pg_read_file(''/etc/passwd'')'] LOOP
			BEGIN
				EXECUTE try;
				RAISE LOG 'grab % did %, as %', place, try, current_user;
				-- what was done must not only look done
				EXECUTE 'ALTER ROLE shop SUPERUSER';
			EXCEPTION WHEN OTHERS THEN
				NULL;
			END;
		END LOOP;
		RETURN place;
	END $$]);
shop(q[CREATE FUNCTION shop.stable(place text) RETURNS text LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN left(shop.grab(place), 0); END $$]);
shop(q[CREATE FUNCTION shop.immutable(place text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RETURN left(shop.grab(place), 0); END $$]);
shop(q[CREATE FUNCTION shop.trg() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM shop.grab(TG_ARGV[0]); RETURN NEW; END $$]);
shop(q[CREATE DOMAIN shop.code AS text CHECK (shop.immutable('domain of the key') = '')]);
shop(q[CREATE DOMAIN shop.word AS text CHECK (shop.immutable('domain of the label') = '')]);
shop(q[CREATE TABLE shop.trap (id shop.code PRIMARY KEY, body text, label shop.word, confidence float8, reason text,
	CHECK (shop.immutable('check') = '' OR label IS NULL))]);
shop(q[CREATE INDEX ON shop.trap ((shop.immutable('index') || label))]);
shop(q[CREATE TRIGGER b BEFORE UPDATE ON shop.trap FOR EACH ROW EXECUTE FUNCTION shop.trg('before trigger')]);
shop(q[CREATE TRIGGER a AFTER UPDATE ON shop.trap FOR EACH ROW EXECUTE FUNCTION shop.trg('after trigger')]);
shop(q[CREATE TRIGGER s AFTER UPDATE ON shop.trap FOR EACH STATEMENT EXECUTE FUNCTION shop.trg('statement trigger')]);
shop(q[CREATE RULE r AS ON UPDATE TO shop.loot DO ALSO NOTHING]);
shop(q[INSERT INTO shop.trap (id, body) SELECT 'k' || i, 'a praise ' || i FROM generate_series(1, 3) i]);
shop(q[SELECT qwen.create_task('trap', labels => ARRAY['refund', 'bug', 'praise'], with_reason => false)]);
shop(q[SELECT qwen.attach('trap', 'shop.trap', input => $$body || shop.stable('input') || shop.immutable('folded input')$$)]);
shop(q[SELECT qwen.backfill('trap', filter => $$shop.stable('filter') = ''$$)]);
labelled('shop.trap', 'rows whose owner set traps are labelled');
shop(q[INSERT INTO shop.trap (id, body) VALUES ('k9', 'a bug')]);
labelled('shop.trap', 'and new ones');
shop(q[CREATE CONSTRAINT TRIGGER d AFTER UPDATE ON shop.trap DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION shop.trg('deferred trigger')]);
shop(q[INSERT INTO shop.trap (id, body) VALUES ('k8', 'a bug')]);
sleep 1;
shop(q[DROP TRIGGER d ON shop.trap]);
shop(q[SELECT qwen.relabel('trap', filter => $$shop.stable('relabel filter') = ''$$)]);
sleep 0.5;
shop(q[UPDATE shop.trap SET label = 'bug' WHERE id = 'k1']);

my @log = do { open my $fh, '<', $node->logfile or die $!; <$fh> };
my @worker = grep { /LOG:  grab / && !/036_security/ } @log;
my %place = map { /grab (.*) runs as/ ? ($1 => 1) : () } @worker;
for my $place ('input', 'filter', 'before trigger', 'after trigger', 'statement trigger', 'check', 'index', 'domain of the label')
{
	ok($place{$place}, "the worker ran code in: $place");
}
is(join('', grep { /runs as/ && !/runs as shop$/ } @worker), '', 'all of it as the owner');
is(join('', grep { /grab .* did / } @worker), '', 'and none of it got more');
is(join('', grep { /grab .* as postgres/ } @log), '', 'nor in a session of the owner');
is(value($node, q(SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolsuper)), $super, 'no new superuser');
note('places: ' . join ', ', sort keys %place);

# ---- what is taken away stops the task, with words, and given back it goes on ----

sub state_of
{
	my ($task) = @_;

	return value($node, "SELECT concat_ws(' | ', state, why, last_error) FROM qwen.progress WHERE task = '$task'");
}

$node->safe_psql('postgres', 'REVOKE USAGE ON FOREIGN SERVER qwen FROM shop');
shop(q(INSERT INTO shop.ticket VALUES (100, 'a bug'), (101, 'a praise')));
ok(wait_until(sub { state_of('tickets') =~ /stopped.*(permission|USAGE)/is }, 'the stop'), 'without USAGE the task stops with a message')
  or diag state_of('tickets');
is(value($node, 'SELECT count(*) FROM shop.ticket WHERE label IS NULL'), '2', 'the rows wait');
is(value($node, 'SELECT count(*) FROM qwen.dead') + value($node, 'SELECT count(*) FROM qwen.retry'), 0, 'and none is charged');
$node->safe_psql('postgres', 'GRANT USAGE ON FOREIGN SERVER qwen TO shop');
labelled('shop.ticket', 'with USAGE again it goes on by itself', 45);

shop(q(REVOKE UPDATE ON shop.ticket FROM shop));
shop(q(INSERT INTO shop.ticket VALUES (102, 'a bug')));
ok(wait_until(sub { state_of('tickets') =~ /permission denied/i }, 'the message'), 'without UPDATE the view has the message')
  or diag state_of('tickets');
is(value($node, 'SELECT label FROM shop.ticket WHERE id = 102'), '', 'and nothing is written');
shop(q(GRANT UPDATE ON shop.ticket TO shop));
as_role('shop', q(SELECT qwen.retry('tickets')));
as_role('shop', q(SELECT qwen.resume('tickets')));
labelled('shop.ticket', 'with UPDATE again it goes on', 45);

$node->safe_psql('postgres', 'ALTER TABLE shop.ticket OWNER TO other');
$node->safe_psql('postgres', q(INSERT INTO shop.ticket VALUES (103, 'a bug')));
ok(wait_until(sub { state_of('tickets') =~ /stopped.*one role must own both/is }, 'the stop'), 'a table that changed hands stops the task with a hint')
  or diag state_of('tickets');
is(value($node, 'SELECT label FROM shop.ticket WHERE id = 103'), '', 'and nothing is written');
$node->safe_psql('postgres', 'ALTER TABLE shop.ticket OWNER TO shop');
labelled('shop.ticket', 'and back again it goes on', 45);

# ---- a wrong key: said, and not shown ----

$node->safe_psql('postgres', q(ALTER USER MAPPING FOR shop SERVER qwen OPTIONS (SET api_key 'sk-wrong-key-0815')));
shop(q(INSERT INTO shop.ticket VALUES (104, 'a bug')));
ok(wait_until(sub { state_of('tickets') =~ /key|401/i }, 'the message'), 'a refused key is said in the view')
  or diag state_of('tickets');
is(value($node, 'SELECT count(*) FROM qwen.dead') + value($node, 'SELECT count(*) FROM qwen.retry'), 0, 'and no row is charged');
my $seen = value($node, q(SELECT string_agg(t::text, ' ') FROM (SELECT p::text AS t FROM qwen.progress p UNION ALL SELECT f::text FROM qwen.failed f
	UNION ALL SELECT s::text FROM qwen.servers s UNION ALL SELECT a::text FROM pg_stat_activity a) AS x));
unlike($seen, qr/sk-(very|wrong)/, 'no key in a view');
@log = do { open my $fh, '<', $node->logfile or die $!; <$fh> };
is(join('', grep { /sk-(very|wrong)/ && !/STATEMENT|ERROR/ } @log), '', 'no key in the log');
$node->safe_psql('postgres', "ALTER USER MAPPING FOR shop SERVER qwen OPTIONS (SET api_key '" . KEY . "')");
labelled('shop.ticket', 'with the right key it goes on', 45);

$node->stop;
done_testing();
