# Whatever the model is doing, the server's own needs come first: cancel,
# timeout, terminate, a fast stop and DROP DATABASE take effect at once, and
# nothing of the request stays behind.
use strict;
use warnings;
use Config;
use File::Temp qw(tempdir);
use QwenTest;
use Test::More;
use Time::HiRes qw(sleep time);

use constant PROMISE => 1.0;    # seconds

my $labels = "ARRAY['refund','bug','praise']";
my $call = "SELECT qwen_label('a long one', $labels, server => 'slow')";

# A resolver that takes five seconds over names that end in .slow, if there is
# a compiler to make it with.
my $shim;
my $dir = tempdir(CLEANUP => 1);

sub make_shim
{
	my $lib = "$dir/slow_resolver.so";

	open my $fh, '>', "$dir/slow_resolver.c" or return;
	print $fh <<'C';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>
int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	int			(*real) (const char *, const char *, const struct addrinfo *, struct addrinfo **);
	size_t		n = node ? strlen(node) : 0;

	if (n > 5 && strcmp(node + n - 5, ".slow") == 0)
	{
		sleep(5);
		return EAI_NONAME;
	}
	*(void **) &real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(node, service, hints, res);
}
C
	close $fh;
	chmod 0755, $dir;
	return unless system("cc -shared -fPIC -o $lib $dir/slow_resolver.c -ldl >/dev/null 2>&1") == 0;
	return $lib;
}

start_mock();
$shim = make_shim() if $^O eq 'linux';
$ENV{LD_PRELOAD} = $shim if $shim;
my $node = start_node();
delete $ENV{LD_PRELOAD};

$node->safe_psql('postgres', 'CREATE DATABASE other');
server($node, 'quick', url('vllm'));
server($node, 'slow', url('vllm', 'delay=60000'), request_timeout => '120s');
server($node, 'stalled', url('vllm', 'stall=1'), request_timeout => '120s');

sub in_flight { return mock_stats()->{in_flight} }

# A session with a call under way.
sub calling
{
	my ($s, $sql) = @_;

	$s->start($sql || $call);
	wait_until(sub { in_flight() == 1 }, 'the request') or BAIL_OUT('no request arrived');
	return $s;
}

sub ends_at_once
{
	my ($s, $what, $error, $code) = @_;
	my $from = time;

	$code->();
	$s->wait;
	my $took = time - $from;
	ok($took < PROMISE, sprintf('%s takes effect at once (%.2f s)', $what, $took));
	like($s->{err}, $error, "$what: the server's own message");
	ok(wait_until(sub { in_flight() == 0 }, 'the request to end', 5), "$what: the request is gone");
}

my $s = session($node);
$s->query("SELECT qwen_label('first', $labels, server => 'quick')");
my $before = backend_fds($s->{pid});

ends_at_once(calling($s), 'pg_cancel_backend', qr/canceling statement due to user request/,
	sub { value($node, "SELECT pg_cancel_backend($s->{pid})") });
ends_at_once(calling($s, "$call || (SELECT qwen_label('x', $labels, server => 'stalled'))"),
	'a second cancel', qr/canceling statement due to user request/,
	sub { value($node, "SELECT pg_cancel_backend($s->{pid})") });

$s->query("SET statement_timeout = '300ms'");
$s->start($call);
$s->wait;
ok($s->{seconds} < 0.3 + PROMISE, sprintf('statement_timeout takes effect at once (%.2f s)', $s->{seconds}));
like($s->{err}, qr/canceling statement due to statement timeout/, 'statement_timeout: the message');
$s->query("RESET statement_timeout");

ok(backend_fds($s->{pid}) <= $before, 'no descriptor stays behind') if -d "/proc/$s->{pid}/fd";
is($s->query("SELECT qwen_label('and on', $labels, server => 'quick') IS NOT NULL"), 't',
	'the session goes on');

# DROP DATABASE waits for every backend to take note of it.
calling($s);
my $took = seconds(sub { $node->safe_psql('postgres', 'DROP DATABASE other') });
ok($took < PROMISE, sprintf('DROP DATABASE of another database does not wait (%.2f s)', $took));
is(in_flight(), 1, 'and the request goes on');

ends_at_once($s, 'pg_terminate_backend', qr/terminating connection/,
	sub { value($node, "SELECT pg_terminate_backend($s->{pid})") });
$s->quit;

# A handler in PL/pgSQL takes the cancel; the call is gone all the same.
$s = session($node);
calling($s, "DO \$\$ BEGIN PERFORM qwen_label('a long one', $labels, server => 'slow'); "
	. "EXCEPTION WHEN query_canceled THEN RAISE NOTICE 'caught'; END \$\$");
ends_at_once($s, 'cancel in a subtransaction', qr/caught/,
	sub { value($node, "SELECT pg_cancel_backend($s->{pid})") });

SKIP:
{
	skip 'no resolver to slow down', 9 unless $shim;
	server($node, 'unknown', 'http://inference.slow/v1');
	my $lookup = "SELECT qwen_label('x', $labels, server => 'unknown')";
	my $t = session($node);
	my $fds = backend_fds($t->{pid});

	$t->start($lookup);
	sleep 0.5;
	ends_at_once($t, 'cancel during a name lookup', qr/canceling statement due to user request/,
		sub { value($node, "SELECT pg_cancel_backend($t->{pid})") });
	$t->start($lookup);
	$t->wait;
	ok($t->{seconds} < 3, sprintf('a slow lookup ends at connect_timeout (%.2f s)', $t->{seconds}));
	like($t->{err}, qr/could not connect/, 'a slow lookup: the message');
	# the lookups' threads end by themselves; the pool's own descriptors stay
	ok( wait_until(sub { backend_fds($t->{pid}) <= $fds + 6 }, 'the lookups to end', 15),
		'the lookups leave no descriptor behind');
	$t->start($lookup);
	sleep 0.5;
	ends_at_once($t, 'terminate during a name lookup', qr/terminating connection/,
		sub { value($node, "SELECT pg_terminate_backend($t->{pid})") });
}

calling($s);
$took = seconds(sub { $node->stop('fast') });
ok($took < 2 * PROMISE, sprintf('a fast stop does not wait for the answer (%.2f s)', $took));
ok(wait_until(sub { in_flight() == 0 }, 'the request to end', 5), 'fast stop: the request is gone');
unlike(slurp($node->logfile), qr/still waiting for backend/, 'no backend kept the others waiting');

sub slurp
{
	my ($file) = @_;

	open my $fh, '<', $file or die "could not read $file: $!";
	local $/;
	return scalar <$fh>;
}

done_testing();
