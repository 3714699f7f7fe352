# What the network sees of us: connections, headers, sizes, limits; and that
# nothing stays behind, however a statement ends.
use strict;
use warnings;
use QwenTest;
use Test::More;

my $labels = "ARRAY['refund','bug','praise']";

start_mock();

# The postmaster's environment is not ours to follow.
$ENV{http_proxy} = $ENV{HTTP_PROXY} = $ENV{all_proxy} = 'http://127.0.0.1:1';
my $node = start_node(preload => 1);
delete @ENV{qw(http_proxy HTTP_PROXY all_proxy)};

sub many
{
	my ($server, $n) = @_;

	return "SELECT count(qwen_label('text ' || i || random(), $labels, server => '$server')) "
	  . "FROM generate_series(1, $n) i";
}

# One connection for all of a session's requests.
server($node, 'keep', url('vllm'));
mock_reset();
my $s = session($node);
is($s->query(many('keep', 1000)), 1000, '1,000 calls');
$s->query(many('keep', 5)) for 1 .. 4;
my $stats = mock_stats();
is($stats->{opened}, 1, '1,020 calls in five statements use one connection');
is($stats->{answered}, 1020, 'each was sent once');

# llama-server closes a connection after 100 requests, uvicorn after 5 idle seconds.
server($node, 'hundred', url('llamacpp', 'maxreq=100'));
mock_reset();
is($s->query(many('hundred', 1000)), 1000, 'a server that closes after 100 requests: 1,000 calls');
$stats = mock_stats();
is($stats->{answered}, 1000, 'none was sent twice');
ok($stats->{opened} >= 10 && $stats->{opened} <= 12, "over $stats->{opened} connections");
server($node, 'closing', url('vllm', 'close=1'));
is($s->query(many('closing', 20)), 20, 'a server that closes after each');

# Descriptors are flat, whatever happens.
server($node, 'dead', unused_url());
server($node, 'huge', url('vllm', 'huge=1'));
server($node, 'chunks', url('vllm', 'chunked=1'));
server($node, 'reset', url('vllm', 'reset=1'), retry_timeout => '0');
my $fds = backend_fds($s->{pid});
for my $server (qw(dead huge reset))
{
	$s->query("DO \$\$ BEGIN FOR i IN 1..20 LOOP BEGIN "
		. "PERFORM qwen_label('x' || i, $labels, server => '$server'); "
		. "EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END \$\$");
}
like($s->{err}, qr/^$/, 'sixty failures in subtransactions');
ok(backend_fds($s->{pid}) <= $fds, 'leave no descriptor') if -d "/proc/$s->{pid}/fd";
is(mock_stats()->{in_flight}, 0, 'and no request');
is($s->query(many('chunks', 3)), 3, 'an answer in chunks');

# A body beyond the cap is not taken in.
mock_reset();
my $r = run_sql($node, "SELECT qwen_label('x', $labels, server => 'huge')");
like($r->{err}, qr/larger than 256 kB/, 'a huge body is refused');
ok($r->{seconds} < 5, 'at once');

# A cursor that is closed early, a statement that ends early.
server($node, 'slow', url('vllm', 'delay=100'));
mock_reset();
$s->query("BEGIN; DECLARE c CURSOR FOR SELECT qwen_label('t' || i, $labels, server => 'slow') "
	. "FROM generate_series(1, 100) i; FETCH 2 FROM c; CLOSE c; COMMIT");
$s->query("SELECT qwen_label('u' || i, $labels, server => 'slow') FROM generate_series(1, 100) i LIMIT 2");
my $sent = mock_stats()->{requests};
ok($sent >= 4 && $sent <= 2 + 4 + 2 * 2, "few are asked for that nobody fetches ($sent)");
is(mock_stats()->{in_flight}, 0, 'and none is under way');

# The key goes into the header that was asked for, and nowhere else.
server($node, 'keyed', url('vllm', 'need_key=sk-secret'));
server($node, 'gateway', url('vllm', 'need_key=sk-secret', 'auth_header=X-Api-Key'), auth_header => 'X-Api-Key');
for my $server (qw(keyed gateway))
{
	$node->safe_psql('postgres', "CREATE USER MAPPING FOR CURRENT_USER SERVER $server OPTIONS (api_key 'sk-secret')");
	is(value($node, many($server, 1)), 1, "server $server takes the key");
}
my $head = mock_get('/lasthdr');
like($head, qr/^X-Api-Key: sk-secret\r?$/m, 'in its own header');
unlike($head, qr/^Authorization:/mi, 'not in the usual one');
unlike($head, qr/^Expect:/mi, 'without a round trip before the body');
like($head, qr/^Content-Type: application\/json\r?$/m, 'as JSON');

# max_concurrency holds for all sessions together.
server($node, 'narrow', url('vllm', 'delay=50'), max_concurrency => 2);
mock_reset();
my @session = map { session($node) } 1 .. 4;
$_->start(many('narrow', 8)) for @session;
is($_->wait, 8, 'a session behind a narrow server is served') for @session;
is(mock_stats()->{max_in_flight}, 2, 'four sessions, two requests at a time');

# A session that ends gives its place back.
server($node, 'single', url('vllm', 'delay=60000'), max_concurrency => 1, request_timeout => '120s');
mock_reset();
$session[0]->start(many('single', 1));
wait_until(sub { mock_stats()->{in_flight} == 1 }, 'the first request');
$session[1]->start("SET statement_timeout = '20s'; " . many('single', 1));
value($node, "SELECT pg_terminate_backend($session[0]{pid})");
$session[0]->wait;
ok(wait_until(sub { mock_stats()->{requests} == 2 }, 'the second request', 10),
	'a place that a dead session held is taken by the next');
value($node, "SELECT pg_cancel_backend($session[1]{pid})");
$session[1]->wait;
$_->quit for @session;
$s->quit;

$node->stop;
done_testing();
