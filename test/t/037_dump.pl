# Dump and restore, standby and promotion, publication, pg_upgrade: tasks,
# corrections and the queue are kept, and no row is lost or labelled twice.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(sleep);

my $class = eval { require PostgreSQL::Test::Cluster; 'PostgreSQL::Test::Cluster' } || 'PostgresNode';

sub new_node { my ($name) = @_; return $class eq 'PostgresNode' ? $class->get_new_node($name) : $class->new($name) }

sub in_db
{
	my ($node, $db, $sql) = @_;

	return $node->safe_psql($db, $sql);
}

sub bin { my ($node, $name) = @_; return $node->can('installed_command') ? $node->installed_command($name) : $name }

sub run_ok
{
	my ($what, @command) = @_;
	my $rc = IPC::Run::run(\@command, '<', \undef, '>', \my $out, '2>', \my $err);

	ok($rc, $what) or diag "$out$err";
	return $out;
}

sub unlabelled
{
	my ($node, $db) = @_;

	return in_db($node, $db, 'SELECT count(*) FROM shop.ticket WHERE label IS NULL AND body IS NOT NULL');
}

sub all_labelled
{
	my ($node, $db, $what, $limit) = @_;

	return ok(wait_until(sub { unlabelled($node, $db) eq '0' }, $what, $limit || 45), $what)
	  || diag in_db($node, $db, 'SELECT * FROM qwen.progress') . in_db($node, $db, 'SELECT * FROM qwen.task');
}

start_mock();
my $node = start_node(preload => 1, conf =>
	"wal_level = logical\nmax_wal_senders = 5\nmax_replication_slots = 5\nmax_connections = 40\nhot_standby = on\nqwen_classify.max_workers = 8\n");
server($node, 'qwen', url('vllm'));

# a schema that sorts after qwen: its data is loaded after the queue's; and
# columns that are gone, so that numbers differ after a restore
in_db($node, 'postgres', q(
	CREATE SCHEMA shop;
	CREATE TABLE shop.ticket (a int, id int PRIMARY KEY, b int, subject text, body text, c int, label text, confidence float8, reason text);
	ALTER TABLE shop.ticket DROP COLUMN a, DROP COLUMN b, DROP COLUMN c;
	SELECT qwen.create_task('tickets', labels => ARRAY['refund', 'bug', 'praise'], with_reason => false, instructions => 'Mail.');
	SELECT qwen.attach('tickets', 'shop.ticket', input => $$coalesce(subject, '') || ' ' || body$$);
	INSERT INTO shop.ticket (id, subject, body) SELECT i, 'bug ' || i, 'is it?' FROM generate_series(1, 200) i;));
all_labelled($node, 'postgres', 'the first rows are labelled');
in_db($node, 'postgres', q(UPDATE shop.ticket SET label = 'praise' WHERE id <= 3));
in_db($node, 'postgres', q(SELECT qwen.pause('tickets')));
in_db($node, 'postgres', q(INSERT INTO shop.ticket (id, subject, body) SELECT i, 'refund ' || i, 'please' FROM generate_series(201, 300) i));

# ---- dump and restore ----

my $dir = PostgreSQL::Test::Utils->can('tempdir') ? PostgreSQL::Test::Utils::tempdir() : TestLib::tempdir();
run_ok('pg_dump', bin($node, 'pg_dump'), '-d', $node->connstr('postgres'), '-f', "$dir/all.sql");
in_db($node, 'postgres', 'CREATE DATABASE copy');
# a pause is of the task, so the copy of a task that goes on: the worker is there while the data comes in
open my $in, '<', "$dir/all.sql" or die $!;
my $dump = do { local $/; <$in> };
close $in;
like($dump, qr/COPY qwen\.queue/, 'the dump has the queue');
my ($columns) = $dump =~ /^COPY qwen\.task \(([^)]*)\)/m;
my @column = split /, /, $columns;
my ($paused) = grep { $column[$_] eq 'paused' } 0 .. $#column;
$dump =~ s{^(COPY qwen\.task [^\n]*\n)([^\n]*)}{ my ($head, $row) = ($1, $2); my @v = split /\t/, $row, -1; $v[$paused] = 'f'; $head . join("\t", @v) }me;
# slowly, so that the worker has time to do something wrong: the queue is there before its task, the task before its rows
$dump =~ s{^(COPY qwen\.task )}{SELECT pg_sleep(1.5);\n$1}m;
$dump =~ s{^(COPY shop\.ticket )}{SELECT pg_sleep(1.5);\n$1}m;
$dump =~ s{^(CREATE TRIGGER )}{SELECT pg_sleep(1.5);\n$1}m;
open my $out, '>', "$dir/go.sql" or die $!;
print $out $dump;
close $out;
run_ok('restore', bin($node, 'psql'), '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', "$dir/go.sql");
all_labelled($node, 'copy', 'after a restore the worker labels what waited');
is(in_db($node, 'copy', q(SELECT count(*) FROM shop.ticket WHERE label = 'refund' AND id > 200)), '100', 'with the right labels');
is(in_db($node, 'copy', q(SELECT count(*) FROM shop.ticket WHERE label = 'praise' AND confidence = 1)), '3', 'the corrections are there');
is(in_db($node, 'copy', q(SELECT count(*) FROM qwen.annotation WHERE kind = 'person')), '3', 'and known to be a person\'s');
is(in_db($node, 'copy', q(SELECT name || ' ' || version FROM qwen.task)), 'tickets 1', 'the task is there');
is(in_db($node, 'copy', q(SELECT count(*) FROM qwen.queue)), '0', 'the queue is empty');
in_db($node, 'copy', q(SELECT qwen.alter_task('tickets', instructions => 'Other mail.')));
in_db($node, 'copy', q(SELECT qwen.relabel('tickets')));
ok(wait_until(sub { in_db($node, 'copy', q(SELECT count(*) FROM qwen.result WHERE version = 2)) >= 297 }, 'the relabel'), 'a relabel after a restore');
is(in_db($node, 'copy', q(SELECT count(*) FROM shop.ticket WHERE label = 'praise' AND id <= 3)), '3', 'leaves the corrections alone');
in_db($node, 'copy', q(INSERT INTO shop.ticket (id, subject, body) VALUES (1000, 'a', 'bug')));
all_labelled($node, 'copy', 'new rows are labelled after a restore');
in_db($node, 'copy', q(SELECT qwen.create_task('second', labels => ARRAY['a', 'b'])));
is(in_db($node, 'copy', 'SELECT count(DISTINCT id) FROM qwen.task'), '2', 'a new task gets a number of its own');
is(unlabelled($node, 'postgres'), '100', 'the original still waits');

# ---- data alone, triggers off; backfill finds the rest ----

run_ok('dump of data alone', bin($node, 'pg_dump'), '-d', $node->connstr('postgres'), '-a', '-t', 'shop.ticket', '--disable-triggers', '-f', "$dir/data.sql");
in_db($node, 'copy', 'TRUNCATE shop.ticket');
run_ok('restore of data alone', bin($node, 'psql'), '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('copy'), '-f', "$dir/data.sql");
is(unlabelled($node, 'copy'), '100', 'rows that came in without triggers have no label');
in_db($node, 'copy', q(SELECT qwen.backfill('tickets')));
all_labelled($node, 'copy', 'and get one by a backfill');

# ---- a dump of the schema differs from before by the columns only, after DROP EXTENSION ----

in_db($node, 'copy', q(SELECT qwen.detach('tickets'); DROP EXTENSION qwen_classify CASCADE;));
my $after = run_ok('dump without the extension', bin($node, 'pg_dump'), '-d', $node->connstr('copy'), '-s');
unlike($after, qr/qwen/i, 'an uninstall leaves nothing in the schema');

# ---- standby and promotion ----

$node->safe_psql('postgres', q(SELECT count(*) FROM qwen.calibrate('tickets')));
$node->backup('b');
my $standby = new_node('standby');
$standby->init_from_backup($node, 'b', has_streaming => 1);
$standby->start;
sleep 1;
is($standby->safe_psql('postgres', q(SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'qwen_classify%')), '0', 'a standby has no worker');
is($standby->safe_psql('postgres', q(SELECT count(*) FROM qwen.progress)), '1', 'the view can be read there');
is($standby->safe_psql('postgres', q(SELECT a.confidence < a.raw FROM qwen.answer('the bug number 1', 'tickets') AS a)), 't', 'a task can be asked by there, and its numbers are calibrated');
my $lsn = $node->lsn('insert');
$node->wait_for_catchup($standby, 'replay', $lsn);
$standby->promote;
wait_until(sub { $standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()') eq 'f' }, 'the promotion');
in_db($standby, 'postgres', q(SELECT qwen.resume('tickets')));
all_labelled($standby, 'postgres', 'after a promotion a worker labels what waited');
is(in_db($standby, 'postgres', q(SELECT count(*) FROM shop.ticket WHERE label = 'refund')), '100', 'rightly');
$standby->stop;

# ---- FOR ALL TABLES ----

my $sub = new_node('sub');
$sub->init;
$sub->append_conf('postgresql.conf', "shared_preload_libraries = 'qwen_classify'\nmax_connections = 30\nwal_level = logical\n");
$sub->start;
$sub->safe_psql('postgres', 'CREATE EXTENSION qwen_classify');
server($sub, 'qwen', url('vllm', 'jitter=0'));
$sub->safe_psql('postgres', q(CREATE SCHEMA shop;
	CREATE TABLE shop.ticket (id int PRIMARY KEY, subject text, body text, label text, confidence float8, reason text)));
in_db($node, 'postgres', 'CREATE PUBLICATION every FOR ALL TABLES');
my $publisher = 'port=' . $node->port . ' host=' . $node->host . ' dbname=postgres';
$sub->safe_psql('postgres', "CREATE SUBSCRIPTION s CONNECTION '$publisher' PUBLICATION every");
mock_reset();
in_db($node, 'postgres', q(SELECT qwen.resume('tickets')));
in_db($node, 'postgres', q(INSERT INTO shop.ticket (id, subject, body) SELECT i, 'a bug', 'no ' || i FROM generate_series(2001, 2050) i));
all_labelled($node, 'postgres', 'the publisher labels');
ok(wait_until(sub { $sub->safe_psql('postgres', 'SELECT count(label) FROM shop.ticket') eq in_db($node, 'postgres', 'SELECT count(label) FROM shop.ticket') }, 'the subscriber', 60),
	'the subscriber has the labels') or diag $sub->safe_psql('postgres', 'SELECT * FROM pg_stat_subscription');
sleep 2;
my $by_path = mock_stats()->{by_path};
is(scalar(grep { /jitter/ && $by_path->{$_}{requests} } keys %$by_path), 0, 'and did not ask for them again');
is(in_db($node, 'postgres', 'SELECT count(*) FROM qwen.queue'), '0', 'deletes from the queue are published without an error');
$sub->safe_psql('postgres', 'DROP SUBSCRIPTION s');
$sub->stop;
in_db($node, 'postgres', 'DROP PUBLICATION every');

# ---- pg_upgrade ----

SKIP:
{
	my $upgrade = bin($node, 'pg_upgrade');
	skip 'no pg_upgrade', 1 unless $node->can('config_data') && IPC::Run::run([ $upgrade, '--version' ], '>', \my $version);
	my $bindir = $node->config_data('--bindir');
	my $old = $node;
	in_db($old, 'postgres', q(SELECT qwen.pause('tickets')));
	in_db($old, 'postgres', q(INSERT INTO shop.ticket (id, subject, body) SELECT i, 'a refund', 'no ' || i FROM generate_series(3001, 3040) i));
	in_db($old, 'postgres', 'DROP DATABASE copy');
	my $rows = in_db($old, 'postgres', 'SELECT count(*) FROM shop.ticket');
	$old->stop;
	my $new = new_node('upgraded');
	$new->init;
	$new->append_conf('postgresql.conf', "shared_preload_libraries = 'qwen_classify'\nmax_connections = 30\n");
	chdir $dir;
	my $host = $new->host;
	my $ok = IPC::Run::run([ $upgrade, '-b', $bindir, '-B', $bindir, '-d', $old->data_dir, '-D', $new->data_dir, '-s', $host,
			'-p', $old->port, '-P', $new->port, '--no-sync' ], '<', \undef, '>', \my $out, '2>&1');
	$ok = IPC::Run::run([ $upgrade, '-b', $bindir, '-B', $bindir, '-d', $old->data_dir, '-D', $new->data_dir, '-s', $host,
			'-p', $old->port, '-P', $new->port ], '<', \undef, '>', \$out, '2>&1') if !$ok && $out =~ /no-sync|unrecognized/;
	ok($ok, 'pg_upgrade with the library preloaded') or diag $out;
	$new->start;
	is($new->safe_psql('postgres', 'SELECT count(*) FROM shop.ticket'), $rows, 'the rows are there');
	is($new->safe_psql('postgres', 'SELECT count(*) FROM qwen.queue'), '40', 'the queue, too');
	$new->safe_psql('postgres', q(SELECT qwen.resume('tickets')));
	all_labelled($new, 'postgres', 'after an upgrade the worker labels what waited');
	is($new->safe_psql('postgres', q(SELECT count(*) FROM qwen.annotation WHERE kind = 'person')), '3', 'corrections are kept');
	$new->stop;
}

done_testing();
