# Faults of the server, of a row and of the user: what is tried again, what
# fails at once, and whose fault it is in the end.
use strict;
use warnings;
use JSON::PP;
use QwenTest;
use Test::More;
use Time::HiRes qw(time);

my $labels = "ARRAY['refund','bug','praise']";
my ($plain, $n) = ('vllm', 0);

start_mock();
my $node = start_node();

# Make a server from a URL and options, label one text with it.
sub label
{
	my ($url, %opt) = @_;
	my $name = 's' . ++$n;
	my $sql = delete $opt{sql} || "SELECT qwen_label('a text', $labels, server => '$name')";
	my $set = delete $opt{set} || '';

	# whose turn it is when the fault comes: one row at a time
	$set = "SET qwen_classify.prefetch = off; $set" if delete $opt{in_turn};

	$sql =~ s/NAME/$name/g;
	server($node, $name, $url, %opt);
	mock_reset();
	return run_sql($node, "$set; $sql");
}

sub passes
{
	my ($what, $requests, $r) = @_;

	like($r->{out}, qr/^(refund|bug|praise)$/m, "$what: there is a label");
	is($r->{err}, '', "$what: without a word");
	is(mock_stats()->{requests}, $requests, "$what: $requests requests");
	return $r;
}

sub fails
{
	my ($what, $error, $requests, $r) = @_;

	like($r->{err}, $error, "$what: the message");
	is(mock_stats()->{requests}, $requests, "$what: $requests requests") if defined $requests;
	return $r;
}

# The server's faults, waited out.
passes('429', 3, label(url($plain, 'fail=429', 'times=2')));
my $r = passes('429 with Retry-After', 2, label(url($plain, 'fail=429', 'times=1', 'retry_after=2')));
ok($r->{seconds} >= 2, 'Retry-After is kept');
$r = passes('503 while loading', 1, label(url('llamacpp', 'loading=1000')));
ok($r->{seconds} >= 1, 'loading is waited for');
passes('500', 3, label(url($plain, 'fail=500', 'times=2')));
passes('502', 2, label(url($plain, 'fail=502', 'times=1')));
passes('reset', 2, label(url($plain, 'reset=1', 'times=1')));
passes('half an answer', 2, label(url($plain, 'half=1', 'times=1')));
passes('a slow drip', 1, label(url($plain, 'drip=1'), request_timeout => '20s'));
passes('a stall', 2, label(url($plain, 'stall=1', 'times=1'), request_timeout => '500ms'));

# A connection that the server closed while it was idle costs nothing.
$r = label(url($plain, 'resetreuse=1'), sql =>
	"SELECT qwen_label('one', $labels, server => 'NAME'), qwen_label('two', $labels, server => 'NAME')");
like($r->{out}, qr/^\w+\|\w+$/m, 'a stale connection: there are labels');
ok($r->{seconds} < 0.5, sprintf('a stale connection: at once (%.2f s)', $r->{seconds}));

# Not for ever.
$r = fails('retry_timeout', qr/is overloaded \(HTTP 503\), gave up after 2 s/, undef,
	label(url($plain, 'fail=503'), retry_timeout => '2s'));
ok($r->{seconds} >= 1.9 && $r->{seconds} < 4, sprintf('retry_timeout is kept (%.2f s)', $r->{seconds}));
my $tries = mock_stats()->{requests};
ok($tries >= 2 && $tries <= 12, "and the pauses are: $tries requests in 2 s");

$r = label(url($plain, 'fail=503', 'after=1'), retry_timeout => '1s', in_turn => 1,
	set => "SET qwen_classify.on_error = 'label'", sql =>
	  "SELECT string_agg(qwen_label('t' || i, $labels, server => 'NAME'), ',') FROM generate_series(1, 9) i");
like($r->{out}, qr/^\w+(,error){8}$/m, "on_error = 'label' has the word instead");
ok($r->{seconds} < 2, sprintf('and retry_timeout is the statement\'s, not the row\'s (%.2f s)', $r->{seconds}));

# Before the first answer: where nobody listens, at once.
sub at_once
{
	my ($what, $error, @server) = @_;
	my $failed = fails($what, $error, undef, label(@server));

	ok($failed->{seconds} < 3, sprintf('%s: within 3 s (%.2f s)', $what, $failed->{seconds}));
}

at_once('refused', qr/could not connect to 127\.0\.0\.1:\d+: connection refused/, unused_url());
at_once('two replicas refused', qr/connection refused/, unused_url() . ',' . unused_url());
at_once('unknown host', qr/unknown host name/, 'http://no-such-host.invalid/v1');
at_once('no answer to a connect', qr/could not connect to .*: no connection within/, black_hole_url());
at_once('two of these', qr/could not connect to .*: no connection within/,
	black_hole_url() . ',' . black_hole_url());
at_once('two of these, known kind', qr/could not connect to .*: no connection within/,
	black_hole_url() . ',' . black_hole_url(), api => 'openai', model => 'm');
at_once('key missing', qr/asks for a key \(HTTP 401\)/, url($plain, 'need_key=k'));
at_once('unknown model', qr/has no model "mine"/, url($plain, 'fail=404'), model => 'mine');
at_once('not HTTP', qr/does not answer as an inference server/, url($plain, 'noheader=1'));
at_once('TLS', qr/could not set up TLS|could not connect/, 'https://127.0.0.1:' . mock_port() . '/vllm/v1');
at_once('redirect', qr/redirects, which is not followed/, url($plain, 'redirect=1'));
is(mock_stats()->{followed}, 0, 'and it was not followed');

# One replica of two is dead: nobody notices.
$r = label(unused_url() . ',' . url($plain), sql =>
	"SELECT count(qwen_label('t' || i, $labels, server => 'NAME')) FROM generate_series(1, 20) i");
is($r->{out}, 20, 'a dead replica: all rows are labelled');
is($r->{err}, '', 'a dead replica: without a word');
ok($r->{seconds} < 2, sprintf('a dead replica: in no time (%.2f s)', $r->{seconds}));

# After an answer the same faults are waited out: the server goes away for a
# while in the middle of a statement.
$r = label(url($plain, 'after=5', 'times=4', 'reset=1'), sql =>
	"SELECT count(qwen_label('t' || i, $labels, server => 'NAME')) FROM generate_series(1, 20) i");
is($r->{out}, 20, 'resets in the middle: all rows are labelled');

# ... but 401 is not.
$r = fails('401 in the middle', qr/HTTP 401/, 6, label(url($plain, 'after=5', 'fail=401'), in_turn => 1, sql =>
	"SELECT count(qwen_label('t' || i, $labels, server => 'NAME')) FROM generate_series(1, 20) i"));

# A server that was replaced by another kind is looked at again.
$r = label(url($plain, 'after=1', 'times=1', 'fail=404'), in_turn => 1, sql =>
	"SELECT count(qwen_label('t' || i, $labels, server => 'NAME')) FROM generate_series(1, 3) i");
is($r->{out}, 3, 'a path that is gone: all rows are labelled');
is(mock_stats()->{gets}, 4, 'after another probe');

# Faults of a row stop this row only.
$r = label(url($plain, 'answer=wrong', 'after=1', 'times=2'), in_turn => 1, sql =>
	"SELECT string_agg(coalesce(qwen_label('t' || i, $labels, server => 'NAME'), 'none'), ',') FROM generate_series(1, 3) i");
like($r->{out}, qr/^\w+,none,\w+$/m, 'a bad answer twice: NULL for that row');
like($r->{err}, qr/WARNING:.*1 text could not be labelled/, 'and a warning');
is(mock_stats()->{requests}, 4, 'a bad answer is asked for once more');
my ($first, $second) = map { $_->{messages}[0]{content} } @{ mock_last(4) }[1, 2];
isnt($second, $first, 'in stricter words');
passes('a bad answer once', 2, label(url($plain, 'answer=wrong', 'times=1')));
$r = fails('garbage', qr/does not answer as an inference server/, 2, label(url($plain, 'answer=garbage')));

# A text that is too long is cut, and cut again.
$r = label(url($plain, 'context=300'), sql =>
	"SELECT qwen_label(repeat('lorem ipsum ', 300), $labels, server => 'NAME')");
like($r->{out}, qr/^(refund|bug|praise)$/m, 'a text beyond the context is cut to fit');
like($r->{err}, qr/NOTICE:.*1 input was longer/, 'and counted');
my $sent = mock_last()->{messages}[1]{content};
like($sent, qr/^lorem.*\[\.\.\.\].*ipsum $/s, 'head and tail are kept');
$r = label(url($plain, 'context=70'), sql =>
	"SELECT qwen_label(repeat('lorem ipsum ', 300), $labels, server => 'NAME')", set =>
	"SET qwen_classify.on_error = 'error'");
like($r->{err}, qr/too long for the model's context/, 'what cannot fit is the fault of the row');

# Ollama would drop the start of such a text and say nothing.
$r = label(url('ollama'), max_input_chars => 0, sql =>
	"SELECT qwen_label(repeat('lorem ipsum ', 9000), $labels, server => 'NAME')");
like($r->{out}, qr/^(refund|bug|praise)$/m, 'a text beyond the context of Ollama is cut to fit');
like(mock_last()->{messages}[1]{content}, qr/\[\.\.\.\]/, 'by us, in the middle');
is(mock_stats()->{requests}, 1, 'before it is sent');

# With exact, labels that share their first tokens are told apart by further requests.
my $cards = "ARRAY['card_arrival','card_linking','card_lost','cash','other']";
my ($plainly, $exactly) = map {
	decode_json(label(url($plain), exact => $_, sql => "SELECT qwen_scores('text 17', $cards, server => 'NAME')")->{out})
} ('off', 'on');
is($plainly->{card_lost}, $plainly->{card_linking}, 'without exact they share');
isnt($exactly->{card_lost}, $exactly->{card_linking}, 'with exact they do not');
is($exactly->{cash}, $plainly->{cash}, 'the others are as they were');
ok(mock_stats()->{requests} > 1 && mock_stats()->{requests} <= 5, 'in a bounded number of requests');

# A field that the server refuses is left out from then on.
$r = label(url('openai', 'refuse_field=logprobs'), in_turn => 1, sql =>
	"SELECT count(qwen_label('t' || i, $labels, server => 'NAME')) FROM generate_series(1, 3) i");
is($r->{out}, 3, 'a refused field: all rows are labelled');
is(mock_stats()->{requests}, 4, 'a refused field costs one request');
is(mock_last()->{logprobs}, undef, 'and is not sent again');

# No logprobs: the first row is asked again so that it equals the others.
$r = label(url('openai', 'logprobs=none'), in_turn => 1, sql =>
	"SELECT count(qwen_label('t' || i, $labels, server => 'NAME')) FROM generate_series(1, 3) i");
is(mock_stats()->{requests}, 4, 'no logprobs cost one request');
like($r->{err}, qr/confidence is the model's own word/, 'and are told');

# The budget.
$r = fails('max_requests', qr/reached the limit of 5 requests/, 5, label(url($plain), set =>
	"SET qwen_classify.max_requests = 5", sql =>
	"SELECT count(qwen_label('t' || i, $labels, server => 'NAME')) FROM generate_series(1, 20) i"));

# Half a minute without an answer is told.
SKIP:
{
	skip 'set QWEN_SLOW_TESTS to wait half a minute', 2 unless $ENV{QWEN_SLOW_TESTS};
	$r = label(url($plain, 'fail=503'), retry_timeout => '33s');
	like($r->{err}, qr/NOTICE:.*still waiting for server "s\d+": inference server .* is overloaded \(HTTP 503\), 30 s so far/,
		'a wait of 30 s is told');
	like($r->{err}, qr/gave up after 33 s/, 'and ends');
}

done_testing();
