# How many requests are in flight: as many as the server is good for, found by
# what it answers; the rates a minute; and what qwen.servers shows of it.
use strict;
use warnings;
use JSON::PP;
use QwenTest;
use Test::More;

my $labels = "ARRAY['refund','bug','praise']";

start_mock();
my $node = start_node(preload => 1, conf => "max_connections = 90\n");

sub many
{
	my ($server, $n) = @_;

	return "SELECT count(qwen_label('text ' || i || random(), $labels, server => '$server')) "
	  . "FROM generate_series(1, $n) i";
}

# What a server's row says, as a hash.
sub shown
{
	my ($server) = @_;

	return decode_json(value($node, "SELECT to_jsonb(s) FROM qwen.servers s WHERE server = '$server'"));
}

my @session = map { session($node) } 1 .. 64;

# n sessions with each rows; how many labels came, and in what time.
sub together
{
	my ($server, $n, $rows) = @_;
	my $labelled = 0;

	my $seconds = seconds(sub {
		$_->start(many($server, $rows)) for @session[ 0 .. $n - 1 ];
		$labelled += $_->wait for @session[ 0 .. $n - 1 ];
	});
	return ($labelled, $seconds);
}

# 64 sessions, 4 slots, five answers' time until the time limit: a queue of 64
# would be eight answers long.
server($node, 'four', url('vllm', 'slots=4', 'delay=500'), request_timeout => '2500ms');
mock_reset();
my ($labelled, $seconds) = together('four', 64, 3);
my $stats = mock_stats();
is($labelled, 192, '64 sessions at 4 slots: all texts are labelled');
is($stats->{requests}, 192, 'none was sent twice, so none timed out');
is(shown('four')->{errors}, 0, 'and no error is shown');
cmp_ok($stats->{max_in_flight}, '<=', 16, 'never more in flight than at first');
cmp_ok(192 / $seconds, '>=', 0.9 * 8, sprintf('at the rate of the server (%.1f of 8 a second)', 192 / $seconds));

# Refused beyond eight: it settles at eight or less.
server($node, 'crowded', url('tgi', 'slots=4', 'maxqueue=4', 'delay=200'));
together('crowded', 32, 4);
mock_reset();
($labelled, $seconds) = together('crowded', 32, 6);
is($labelled, 192, 'a server that refuses: all texts are labelled');
$stats = mock_stats();
cmp_ok($stats->{requests}, '<=', 192 + 20, "with few refusals once it is known ($stats->{requests} requests)");
my $row = shown('crowded');
cmp_ok($row->{window_size}, '<=', 8, 'the window is below what is refused');
cmp_ok(192 / $seconds, '>=', 0.7 * 20, sprintf('at its rate (%.1f of 20 a second)', 192 / $seconds));
cmp_ok($row->{errors_by_class}{overloaded}, '>', 0, 'and the refusals are counted by their class');

# Sessions have a large server at once.
server($node, 'large', url('vllm', 'slots=256', 'delay=200'));
mock_reset();
($labelled, $seconds) = together('large', 64, 20);
is($labelled, 1280, '64 sessions at 256 slots: all texts are labelled');
is(mock_stats()->{max_in_flight}, 64, 'all 64 at a time');
$_->quit for @session[ 4 .. 63 ];

# Rates a minute are waited for, without a word; a sixth of a minute at once.
sub limited
{
	my ($name, $what, $n, @options) = @_;

	server($node, $name, url('vllm'), @options);
	mock_reset();
	my $r = run_sql($node, many($name, $n));
	is($r->{out}, $n, "$what: all texts are labelled");
	is($r->{err}, '', "$what: without a word");
	is(mock_stats()->{requests}, $n, "$what: none was sent twice");
	return $r->{seconds};
}

$seconds = limited('slowly', 'requests_per_minute', 13, requests_per_minute => 60);
cmp_ok($seconds, '>=', 2.5, 'requests_per_minute: ten at once, then one a second');
cmp_ok($seconds, '<', 8, 'requests_per_minute: and no slower');
is(shown('slowly')->{state}, 'limited', 'requests_per_minute: the view says so');
$seconds = limited('free', 'no limit', 13);
cmp_ok($seconds, '<', 1, 'no limit: at once');
my $tokens = shown('free')->{prompt_tokens} + shown('free')->{output_tokens};
cmp_ok($tokens, '>', 13 * 20, 'the tokens of the answers are counted');
my $a_minute = int($tokens / 13 * 60);
$seconds = limited('thrifty', 'tokens_per_minute', 13, tokens_per_minute => $a_minute);
cmp_ok($seconds, '>=', 2, 'tokens_per_minute: ten at once, then one a second');
cmp_ok($seconds, '<', 9, 'tokens_per_minute: and no slower');

# The bucket is one for all sessions.
server($node, 'shared', url('vllm'), requests_per_minute => 60);
mock_reset();
($labelled, $seconds) = together('shared', 4, 3);
is($labelled, 12, 'four sessions under one rate: all texts are labelled');
cmp_ok($seconds, '>=', 1.5, 'and the rate is theirs together');

# What the view shows, and to whom.
$row = shown('free');
is($row->{state}, 'up', 'a server that answers is up');
is($row->{in_flight}, 0, 'nothing is under way');
is($row->{requests}, 13, 'requests are counted');
cmp_ok($row->{latency_ms}, '>', 0, 'and timed');
is($row->{note}, undef, 'for all sessions together');
server($node, 'busy', url('vllm', 'fail=429', 'times=1', 'retry_after=3'));
$session[0]->start(many('busy', 1));
ok(wait_until(sub { shown('busy')->{state} eq 'asked to wait' }, 'the pause', 5),
	'a server that asked to wait');
is($session[0]->wait, 1, 'and is waited for');
server($node, 'dead', unused_url(), api => 'openai', model => 'm');
is(shown('dead')->{state}, 'not used yet', 'a server that nobody used');
run_sql($node, many('dead', 1));
$row = shown('dead');
is($row->{state}, 'down', 'a server where nobody listens is down');
like($row->{since}, qr/^\d{4}-/, 'since then');
is($row->{errors_by_class}{'not reachable'}, 1, 'and the error has its class');
$node->safe_psql('postgres', 'CREATE ROLE plain; CREATE ROLE watcher; GRANT pg_monitor TO watcher;'
	  . 'CREATE ROLE user_of_one; GRANT USAGE ON FOREIGN SERVER free TO user_of_one');
my $seen = "SELECT string_agg(server, ',' ORDER BY server) FROM qwen.servers WHERE server IN ('free', 'dead')";
is(value($node, "SET ROLE plain; $seen"), '', 'a role without USAGE sees no server');
is(value($node, "SET ROLE user_of_one; $seen"), 'free', 'a role sees the server that it may use');
is(value($node, "SET ROLE watcher; $seen"), 'dead,free', 'pg_monitor sees all');
$_->quit for @session[ 0 .. 3 ];

# A worker waits for a server as long as it takes, and charges no row for it;
# a text that times out, or breaks the connection, while others pass is charged.
server($node, 'later', unused_url(), request_timeout => '1s');
$node->safe_psql('postgres', q{
	CREATE TABLE ticket (id int PRIMARY KEY, body text, label text, confidence float8, reason text);
	SELECT qwen.create_task('tickets', labels => '["refund","bug","praise"]', server => 'later');
	SELECT qwen.attach('tickets', 'ticket', input => 'body');
	INSERT INTO ticket (id, body) SELECT i, 'text ' || i FROM generate_series(1, 30) i;
	INSERT INTO ticket (id, body) VALUES (31, 'slow @@stall=1@@'), (32, 'killer @@reset=1@@');
});
ok(wait_until(sub { value($node, "SELECT state FROM qwen.progress") eq 'server down' }, 'the state'),
	'a worker whose server is down says so')
  or diag value($node, 'SELECT to_jsonb(p) FROM qwen.progress p');
is(value($node, 'SELECT count(*) FROM qwen.failed'), 0, 'and charges no row');
my $url = url('vllm', 'delay=20');
$node->safe_psql('postgres', "ALTER SERVER later OPTIONS (SET url '$url')");
ok(wait_until(sub { value($node, 'SELECT count(label) FROM ticket') == 30 }, 'the labels', 60),
	'it labels when the server is there');
my $next = 100;
ok(wait_until(sub {
		$next++;
		value($node, "INSERT INTO ticket (id, body) VALUES ($next, 'text $next')");
		return value($node, 'SELECT count(*) FROM qwen.failed') == 2;
	}, 'the two bad texts', 60), 'while others pass, the two bad texts are charged')
  or diag value($node, 'SELECT jsonb_agg(f) FROM qwen.failed f');
like(value($node, "SELECT message FROM qwen.failed WHERE key = '31'"), qr/text timed out 2 times while others/,
	'a text that times out twice while others pass');
like(value($node, "SELECT message FROM qwen.failed WHERE key = '32'"), qr/kills server/,
	'a text on which the connection breaks');
$node->stop;

# Without preload: what this session knows.
my $alone = start_node(name => 'alone');
server($alone, 'one', url('vllm'));
my $r = run_sql($alone, many('one', 3) . '; SELECT state, requests, note FROM qwen.servers');
like($r->{out}, qr/^up\|3\|counts of this session only: /m, 'without preload a session sees its own counts');
$alone->stop;

done_testing();
