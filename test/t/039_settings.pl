# What each setting does to the worker: on and off, how many databases at once,
# how long an idle worker stays, whose turn it is.  Then what a worker does after
# crashes, databases in encodings other than UTF-8, and who sees what in the views.
use strict;
use warnings;
use utf8;
use Encode qw(encode decode);
use QwenTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $LABELS = "ARRAY['refund','bug','praise']";
my $WORKERS = "backend_type = 'qwen_classify worker'";

$ENV{PGCLIENTENCODING} = 'UTF8';
start_mock();
my $node = start_node(
	preload => 1,
	conf => "max_connections = 30\nrestart_after_crash = on\nmax_worker_processes = 12\n");

sub sql
{
	my ($sql, $db) = @_;

	return decode('UTF-8', $node->safe_psql($db || 'postgres', encode('UTF-8', $sql)));
}

# A setting of the configuration file; sessions and the worker have it afterwards.
sub setting
{
	my ($name, $value) = @_;

	$node->append_conf('postgresql.conf', "$name = $value\n");
	$node->reload;
	wait_until(sub { sql("SELECT current_setting('$name')") eq $value }, "$name = $value");
}

sub worker_pid
{
	my ($db) = @_;

	return sql("SELECT pid FROM pg_stat_activity WHERE $WORKERS AND datname = '" . ($db || 'postgres') . "'");
}

# A server and a table with a task of the same name.
sub task
{
	my ($name, $db, $server, %opt) = @_;
	my $labels = $opt{labels} || $LABELS;
	my $reason = $opt{reason} ? 'true' : 'false';

	sql("CREATE TABLE $name (id int PRIMARY KEY, body text, label text, confidence float8, reason text);"
		  . "SELECT qwen.create_task('$name', $labels, server => '$server', with_reason => $reason);"
		  . "SELECT qwen.attach('$name', '$name', 'body')", $db);
}

sub database
{
	my ($db, $url, %opt) = @_;

	sql("CREATE DATABASE $db" . ($opt{encoding} ? " TEMPLATE template0 ENCODING '$opt{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'" : ''));
	sql("CREATE EXTENSION qwen_classify; CREATE SERVER qwen FOREIGN DATA WRAPPER qwen_classify OPTIONS (url '$url')", $db);
}

sub labelled { return sql("SELECT count(label) FROM $_[0]", $_[1]) }
sub state_of { return sql("SELECT state FROM qwen.progress WHERE task = '$_[0]'", $_[1]) }

server($node, 'fast', url('vllm'));
server($node, 'slow', url('vllm', 'delay=100'), max_concurrency => 1);

# ---- enabled ----

task('ticket', 'postgres', 'slow');
sql("INSERT INTO ticket (id, body) SELECT i, 'before ' || i FROM generate_series(1, 40) i");
ok(wait_until(sub { labelled('ticket') >= 3 }, 'labels'), 'enabled: rows are labelled');
setting('qwen_classify.enabled', 'off');
is(state_of('ticket'), 'off', 'off: the view says so');
sleep 0.5;	# the one in flight
my $sent = mock_stats()->{requests};
my $waiting = sql('SELECT count(*) FROM qwen.queue');
cmp_ok($waiting, '>', 0, 'rows wait');
sql("INSERT INTO ticket (id, body) SELECT i, 'meanwhile ' || i FROM generate_series(101, 105) i");
sql("UPDATE ticket SET body = body || '!' WHERE id = 1");
is(sql('SELECT count(*) FROM qwen.queue'), $waiting, 'triggers queue nothing');
is(sql('SELECT label IS NOT NULL FROM ticket WHERE id = 1'), 't', 'and clear nothing');
sleep 1;
is(mock_stats()->{requests}, $sent, 'no request is sent although rows wait');
setting('qwen_classify.worker_idle_timeout', '1s');
ok(wait_until(sub { worker_pid() eq '' }, 'the worker to leave'), 'the worker leaves');
sql("ALTER SERVER slow OPTIONS (SET max_concurrency '8')");
setting('qwen_classify.enabled', 'on');
ok(wait_until(sub { sql('SELECT count(*) FROM qwen.queue') eq '0' }, 'the queue'), 'on again: what waited is labelled');
is(labelled('ticket'), '40', 'what nobody queued is not');
sql("SELECT qwen.backfill('ticket')");
ok(wait_until(sub { labelled('ticket') == 45 }, 'all labels'), 'until a backfill');

# ---- worker_idle_timeout ----

setting('qwen_classify.worker_idle_timeout', '1min');
sql("INSERT INTO ticket (id, body) VALUES (201, 'stay')");
ok(wait_until(sub { labelled('ticket') == 46 }, 'a label'), 'a row');
my $pid = worker_pid();
sleep 2;
is(worker_pid(), $pid, 'worker_idle_timeout = 1min: an idle worker stays');
setting('qwen_classify.worker_idle_timeout', '1s');
ok(wait_until(sub { worker_pid() eq '' }, 'the worker to leave', 20), 'set to 1s, it leaves');
sql("INSERT INTO ticket (id, body) VALUES (202, 'return')");
ok(wait_until(sub { labelled('ticket') == 47 }, 'a label'), 'and returns for a row');
isnt(worker_pid(), $pid, 'as another process');

# ---- max_workers ----

database('second', url('vllm'));
task('note', 'second', 'qwen');
ok(wait_until(sub { sql("SELECT count(*) FROM pg_stat_activity WHERE $WORKERS") eq '0' }, 'the workers to leave'), 'no worker');
setting('qwen_classify.max_workers', '1');
sql("ALTER SERVER slow OPTIONS (SET max_concurrency '1')");
sql("INSERT INTO ticket (id, body) SELECT i, 'first ' || i FROM generate_series(301, 325) i");
ok(wait_until(sub { labelled('ticket') > 47 }, 'the first labels'), 'max_workers = 1: the first database is at work');
sql("INSERT INTO note (id, body) SELECT i, 'second ' || i FROM generate_series(1, 20) i", 'second');
my ($most, $seen, $early) = (0, 0, 0);
wait_until(sub {
	my $at_work = sql("SELECT string_agg(datname || ': ' || query, ';') FROM pg_stat_activity WHERE $WORKERS");

	$most++ if $at_work =~ /;/;
	$seen++ if $at_work =~ /^postgres: labelling ticket: 1 in flight$/;
	$early++ if $at_work =~ /second/;
	return labelled('ticket') == 72;
}, 'the first database');
cmp_ok($seen, '>', 5, 'pg_stat_activity says what it does');
is("$most $early", '0 0', 'and it is the only one');
ok(wait_until(sub { labelled('note', 'second') == 20 }, 'the labels of the second', 20), 'the second database gets its turn');
is(labelled('ticket'), '72', 'after the first was done');

# an idle worker does not keep its slot from others
setting('qwen_classify.worker_idle_timeout', '1min');
sql("INSERT INTO note (id, body) VALUES (21, 'again')", 'second');
ok(wait_until(sub { labelled('note', 'second') == 21 }, 'a label'), 'a worker that is to stay for a minute');
isnt(worker_pid('second'), '', 'is there');
sql("INSERT INTO ticket (id, body) VALUES (401, 'the other database')");
ok(wait_until(sub { labelled('ticket') == 73 }, 'a label', 20), 'an idle worker makes way when another database waits');
setting('qwen_classify.max_workers', '4');
sql("INSERT INTO note (id, body) VALUES (22, 'beside')", 'second');
ok(wait_until(sub { worker_pid() ne '' && worker_pid('second') ne '' }, 'two workers'), 'max_workers = 4: both have one');
setting('qwen_classify.worker_idle_timeout', '1s');

# ---- priority ----

# How many labels each gets while the first gets 400.
sub race
{
	my ($what, @priority) = @_;

	sql("SELECT qwen.alter_task('high', priority => $priority[0]); SELECT qwen.alter_task('low', priority => $priority[1])");
	my $count = 'SELECT (SELECT count(label) FROM high), (SELECT count(label) FROM low)';
	my @from = split /\|/, sql($count);
	my @to;
	wait_until(sub { @to = split /\|/, sql($count); $to[0] >= $from[0] + 400 }, $what);
	my ($high, $low) = ($to[0] - $from[0], $to[1] - $from[1]);
	note("$what: $high to $low");
	return ($high, $low);
}

# answers come one at a time, so each slot is given anew by itself
server($node, 'narrow', url('vllm', 'delay=2', 'jitter=15'), max_concurrency => 4);
task($_, 'postgres', 'narrow') for 'high', 'low';
sql("INSERT INTO $_ (id, body) SELECT i, '$_ ' || i FROM generate_series(1, 4000) i") for 'high', 'low';
my ($high, $low) = race('equal priorities', 10, 10);
cmp_ok($low, '>', $high * 0.75, 'equal priorities: neither gets much less');
cmp_ok($low, '<', $high * 1.33, 'nor much more');
($high, $low) = race('30 and 10', 30, 10);
cmp_ok($high, '>', $low * 2, 'three times the priority: the higher gets more');
cmp_ok($high, '<', $low * 4.5, 'but not all');
($high, $low) = race('100 and 2', 100, 2);
cmp_ok($low, '>', 0, 'the least priority is not starved');
cmp_ok($low, '<', $high / 10, 'and takes little');
sql("SELECT qwen.drop_task('high'); SELECT qwen.drop_task('low')");

# who worked alone for long has no debt to those who come later
task($_, 'postgres', 'narrow') for 'alone', 'later';
sql("SELECT qwen.alter_task('alone', server => 'fast')");
sql("INSERT INTO alone (id, body) SELECT i, 'alone ' || i FROM generate_series(1, 2000) i");
ok(wait_until(sub { labelled('alone') == 2000 && state_of('alone') eq 'idle' }, 'the labels'), 'a task works alone');
sql("SELECT qwen.alter_task('alone', server => 'narrow')");
sql("INSERT INTO $_ (id, body) SELECT i, 'both ' || i FROM generate_series(3001, 3300) i") for 'later', 'alone';
ok(wait_until(sub { labelled('later') >= 150 }, 'labels'), 'then another one, too');
cmp_ok(labelled('alone') - 2000, '>', 75, 'they take turns');
sql("SELECT qwen.drop_task('alone'); SELECT qwen.drop_task('later')");

# ---- encodings ----

my %text = (
	LATIN1 => [ 'dégât', 'élogieux', 'Un dégât à réparer: ÿ', 'dégât', 'The text is about dégât.' ],
	EUC_CN => [ '退款', '故障', '我要退款', '退款', '文本内容与“退款”相符。' ],
	# the reason has two characters that this set lacks
	EUC_KR => [ '返品', '故障', '故障 접수', '故障', '文本?容?“故障”相符。' ],);
for my $encoding (sort keys %text)
{
	my ($first, $second, $body, $label, $reason) = @{ $text{$encoding} };
	my $db = lc $encoding;
	my $size = length(encode($encoding eq 'LATIN1' ? 'iso-8859-1' : lc($encoding) =~ s/_/-/r, $label));

	database($db, url('vllm'), encoding => $encoding);
	task('t', $db, 'qwen', labels => "ARRAY['$first','$second']", reason => 1);
	sql("INSERT INTO t (id, body) VALUES (1, '$body'), (2, '$second')", $db);
	ok(wait_until(sub { labelled('t', $db) == 2 }, "labels in $encoding"), "$encoding: rows are labelled");
	is(sql('SELECT label FROM t WHERE id = 1', $db), $label, "$encoding: the label");
	is(sql('SELECT octet_length(label) FROM t WHERE id = 1', $db), $size, "$encoding: in the encoding of the database");
	is(sql('SELECT reason FROM t WHERE id = 1', $db), $reason, "$encoding: the reason");
	is(sql("SELECT count(*) FROM qwen.result WHERE label = '$label'", $db), $label eq $second ? 2 : 1, "$encoding: the result");
	like(decode('UTF-8', mock_get('/last?n=8')), qr/\Q$body\E/, "$encoding: the server got UTF-8");
	sql("SELECT qwen.drop_task('t')", $db);
}

# ---- who sees what ----

sub as_role
{
	my ($role, $sql) = @_;
	my $r = run_sql($node, $sql, extra_params => [ '-U', $role ]);

	return $r->{err} =~ /(permission denied[^\n]*)/ ? $1 : $r->{out};
}

sql(<<'SQL');
CREATE ROLE owner LOGIN; CREATE ROLE reader LOGIN; CREATE ROLE nobody LOGIN; CREATE ROLE monitor LOGIN;
GRANT pg_monitor TO monitor;
GRANT CREATE ON SCHEMA public TO owner;
GRANT USAGE ON FOREIGN SERVER fast TO owner;
SET ROLE owner;
CREATE TABLE secret (id int PRIMARY KEY, body text, label text, confidence float8, reason text);
CREATE FUNCTION blab() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
	IF new.label = 'bug' THEN RAISE EXCEPTION 'it says: %', new.body; END IF; RETURN new; END $$;
CREATE TRIGGER blab BEFORE UPDATE ON secret FOR EACH ROW EXECUTE FUNCTION blab();
GRANT SELECT ON secret TO reader;
SELECT qwen.create_task('secret', ARRAY['refund', 'bug', 'praise'], server => 'fast', with_reason => false);
SELECT qwen.attach('secret', 'secret', 'body');
INSERT INTO secret (id, body) VALUES (1, 'classified bug'), (2, 'classified praise'), (3, '  ');
SQL
ok(wait_until(sub { sql("SELECT count(*) FROM qwen.failed WHERE task = 'secret'") == 2
			&& sql("SELECT done FROM qwen.progress WHERE task = 'secret'") == 1 }, 'the failures'), 'a label and two failures');
my $progress = "SELECT task, done, failed FROM qwen.progress WHERE task = 'secret'";
my $failed = "SELECT key, class, message ~ 'classified' FROM qwen.failed WHERE task = 'secret' ORDER BY class DESC LIMIT 1";
is(as_role('owner', $progress), 'secret|1|1', 'progress: the owner sees the task');
is(as_role('reader', $progress), 'secret|1|1', 'so does a role that may read the table');
is(as_role('nobody', $progress), '', 'another role does not');
is(as_role('monitor', $progress), 'secret|1|1', 'pg_monitor sees the counters');
is(as_role('owner', $failed), '1|sql|t', 'failed: the owner sees rows and messages');
is(as_role('reader', $failed), '1|sql|t', 'so does a role that may read the table');
is(as_role('nobody', $failed), '', 'another role does not');
is(as_role('monitor', $failed), '|sql|', 'pg_monitor sees the class, no key and no message');
like(as_role('owner', q(SELECT last_error FROM qwen.progress WHERE task = 'secret')), qr/classified|empty/, 'the last error, for the owner');
ok(wait_until(sub { sql("SELECT count(*) FROM qwen.usage WHERE server = 'fast' AND role = 'owner'") == 1 }, 'the usage'), 'usage is written');
like(as_role('monitor', q(SELECT requests, errors FROM qwen.usage WHERE server = 'fast' AND role = 'owner')), qr/^\d\|0$/, 'usage: for pg_monitor');
like(as_role($_, 'SELECT * FROM qwen.usage'), qr/permission denied/, "usage: not for $_") for 'owner', 'nobody';
is(as_role('owner', 'SELECT server, requests > 0 FROM qwen.servers'), 'fast|t', 'servers: those that a role may use');
is(as_role('nobody', 'SELECT server FROM qwen.servers'), '', 'servers: none without USAGE');
like(as_role('monitor', q(SELECT string_agg(server, ' ' ORDER BY server) FROM qwen.servers)), qr/^fast narrow slow$/, 'servers: all for pg_monitor');
unlike(as_role('monitor', q(SELECT string_agg(t, ' ') FROM (SELECT p::text AS t FROM qwen.progress p UNION ALL SELECT f::text FROM qwen.failed f
	UNION ALL SELECT s::text FROM qwen.servers s UNION ALL SELECT u::text FROM qwen.usage u) AS x)), qr/classified/, 'and no text of a row anywhere');

# ---- after crashes ----

sub crash
{
	ok(wait_until(sub { worker_pid() ne '' }, 'a worker'), 'a worker is at work');
	my $from = -s $node->logfile;

	kill 'KILL', worker_pid();
	wait_until(sub { (substr PostgreSQL::Test::Utils::slurp_file($node->logfile), $from) =~ /reinitializing/ }, 'the crash');
	wait_until(sub { run_sql($node, 'SELECT 1')->{out} eq '1' }, 'the server');
}

sql("SELECT qwen.drop_task('secret'); ALTER SERVER slow OPTIONS (SET max_concurrency '8', ADD retry_timeout '60s')");
sql("INSERT INTO ticket (id, body) SELECT i, 'crash ' || i FROM generate_series(501, 700) i");
crash();
ok(wait_until(sub { state_of('ticket') eq 'labelling' }, 'the worker'), 'after one crash rows are labelled as before');
crash();
ok(wait_until(sub { state_of('ticket') eq 'safe mode' }, 'safe mode'), 'after two within a minute the task is in safe mode');
like(sql("SELECT why FROM qwen.progress WHERE task = 'ticket'"), qr/one request at a time.*two crashes/, 'with the reason');
mock_reset();
wait_until(sub { mock_stats()->{requests} >= 5 }, 'requests');
is(mock_stats()->{max_in_flight}, 1, 'it sends one request at a time');
sql("SELECT qwen.drop_task('ticket')");
$node->stop;

done_testing();
