# Long texts in segments: which, what their answers come to, and what they cost.
use strict;
use warnings;
use utf8;
use Encode qw(encode_utf8 decode_utf8);
use QwenTest;
use Test::More;
use Time::HiRes qw(time sleep);

my $LABELS = "ARRAY['refund','bug','praise']";

start_mock();
my $node = start_node(preload => 1, conf => "max_connections = 30\nqwen_classify.worker_idle_timeout = 10s\n");
server($node, 'qwen', url('vllm', 'conf=0.9'), max_input_chars => 200);
server($node, 'raw', url('llamacpp'), max_input_chars => 200);
server($node, 'plain', url('plain', 'conf=0.8'), max_input_chars => 200);
server($node, 'refuses', url('openai', 'context=220'), max_input_chars => 0);
server($node, 'tells', url('llamacpp', 'context=400'), max_input_chars => 0);
server($node, 'later', url('vllm', 'delay=30'), max_input_chars => 200);
server($node, 'ollama', url('ollama') =~ s{/v1$}{}r, api => 'ollama', max_input_chars => 0);

sub sql { return $node->safe_psql('postgres', $_[0]) }

sub asked { return run_counted($node, $_[0]) }

# The texts of the last requests, which come in any order.
sub sent
{
	my ($n) = @_;
	my $bodies = $n == 1 ? [ mock_last() ] : mock_last($n);

	return sort map { $_->{prompt} // $_->{messages}[-1]{content} } @$bodies;
}

sub quoted { my ($s) = @_; $s =~ s/'/''/g; return "'" . encode_utf8($s) . "'" }

# ---- what is asked ----

# Head and tail speak of a refund, all the rest of a bug.
my $filler = join '', map { "Line $_ is about the bug and says so.\n" } 1 .. 30;
my $text = "A refund, please.\n\n$filler\nA refund again.";
sql("CREATE TABLE long (id int, body text)");
sql("INSERT INTO long VALUES (1, " . quoted($text) . ")");

my ($out, $n, $err) = asked("SELECT qwen_label(body, $LABELS, server => 'qwen') FROM long");
is("$out $n", 'refund 1', 'by default head and tail of a long text are asked about');
like($err, qr/1 input|cut/, 'which is told');
($out, $n, $err) = asked("SELECT c.* FROM long, qwen_classify(body, $LABELS, server => 'qwen', long_text => 'split') c");
my ($label, $confidence, $reason) = split /\|/, $out;
is($label, 'bug', 'in segments, all of it');
like($reason, qr/bug/, 'the reason is of a segment that gave the label');
is($err, '', 'nothing was cut, so nothing is told');
my @sent = sent($n);
cmp_ok($n, '>=', int(length($text) / 200) + 1, 'as many requests as it takes');
cmp_ok($n, '<=', int(length($text) / 100) + 1, 'and not many more');
is(scalar(grep { length > 200 } @sent), 0, 'none is longer than a request may be');
is(scalar(grep { !/(?:\.|please\.)$/ } @sent), 0, 'each ends with a line');
my $joined = join "\n", @sent;
is(scalar(grep { index($joined, $_) < 0 } split /\n/, $text), 0, 'each line is in one of them');
my $chars = 0;
$chars += length for @sent;
cmp_ok($chars, '>', length($text), 'they overlap');
cmp_ok($chars, '<', 1.3 * length($text), 'a little');

# ---- what the answers come to: the mean of the logarithms by length, of what each segment alone gets ----

sub expected
{
	my ($server, @segment) = @_;
	my (%log, $weight);

	for my $segment (@segment)
	{
		my %p = map { split /=/ } split /,/, sql("SELECT string_agg(key || '=' || value, ',') FROM jsonb_each_text(qwen_scores("
			  . quoted($segment) . ", $LABELS, server => '$server'))");
		my $chars = length $segment;
		$log{$_} += $chars * log($p{$_}) for keys %p;
		$weight += $chars;
	}
	my $sum = 0;
	$sum += exp($log{$_} / $weight) for keys %log;
	return map { $_ => exp($log{$_} / $weight) / $sum } keys %log;
}

for my $server ('qwen', 'raw')
{
	mock_reset();
	my %p = map { split /=/ } split /,/, sql("SELECT string_agg(key || '=' || value, ',') FROM long, jsonb_each_text(qwen_scores(body, $LABELS, server => '$server', long_text => 'split'))");
	my %e = expected($server, sent(mock_stats()->{requests}));
	is(scalar(grep { abs($p{$_} - $e{$_}) > 1e-4 } keys %e), 0, "server $server: the scores are the segments' average")
	  or diag join ' ', map { "$_ $p{$_} $e{$_}" } keys %e;
}

# ---- texts of other kinds ----

($out, $n) = asked("SELECT qwen_label('a short bug', $LABELS, server => 'qwen', long_text => 'split')");
is("$out $n", 'bug 1', 'a short text is one request');
($out, $n) = asked("SELECT qwen_label(repeat('bug ', 50), $LABELS, server => 'qwen', long_text => 'split')");
is("$out $n", 'bug 1', 'so is one that just fits');
my $chinese = '关于退款的事情。' . '这个软件有故障！' x 60 . '谢谢。';
($out, $n) = asked("SELECT qwen_label(" . quoted($chinese) . encode_utf8(", ARRAY['退款','故障','表扬']") . ", server => 'qwen', long_text => 'split')");
is(decode_utf8($out), '故障', 'Chinese');
@sent = sent($n);
is($n, 3, 'counted in characters');
is(scalar(grep { !/[。！]$/ || length > 200 } @sent), 0, 'and cut behind sentences');
($out, $n) = asked("SELECT qwen_label(repeat('bug', 200), $LABELS, server => 'qwen', long_text => 'split')");
is("$out $n", 'bug 4', 'a text without any pause');
($out, $n) = asked("SELECT qwen_label(repeat(chr(12288), 500), $LABELS, server => 'qwen', long_text => 'split') IS NOT NULL");
is("$out $n", 't 1', 'a text of spaces of another kind');
($out, $n) = asked("SELECT count(qwen_label(body, $LABELS, server => 'qwen', long_text => 'split')) FROM long, generate_series(1, 5)");
is($n, (asked("SELECT qwen_label(body, $LABELS, server => 'qwen', long_text => 'split') FROM long"))[1], 'equal texts are asked about once');
($out, $n) = asked("SELECT length(qwen.preview(body, $LABELS, server => 'qwen', long_text => 'split')->'messages'->1->>'content') <= 200 FROM long");
is("$out $n", 't 0', 'qwen.preview shows the first segment');

# ---- no limit but the context, known and not; none is known of Ollama but what is asked for ----

for my $server ('tells', 'refuses')
{
	($out, $n, $err) = asked("SELECT qwen_label(body, $LABELS, server => '$server', long_text => 'split') FROM long");
	is($out, 'bug', "server $server: segments are found that fit into the context") or diag $err;
	is($err, '', 'nothing is cut');
}
my $huge = 'A refund.' . $filler x 60;
($out, $n, $err) = asked("SELECT qwen_label(" . quoted($huge) . ", $LABELS, server => 'ollama', long_text => 'split')");
is($out, 'bug', 'nor where a server would cut in silence');
cmp_ok($n, '>=', 3, 'it is asked more than once');
is($err, '', 'and nothing is cut');
my $other = $text =~ s/Line/Row/gr;
($out, $n, $err) = asked("SELECT qwen_label(" . quoted($other) . ", $LABELS, server => 'tells', long_text => 'split')");
is(mock_stats()->{failed}, 0, 'once the context is known, nothing is sent that does not fit');

# ---- no probabilities; votes on each segment ----

sql("SELECT qwen.create_task('voted', $LABELS, server => 'plain', votes => 3, long_text => 'split')");
($out, $n) = asked("SELECT qwen_scores(body, $LABELS, server => 'plain', long_text => 'split') IS NULL, c.* FROM long, qwen_classify(body, $LABELS, server => 'plain', long_text => 'split') c");
my ($none, $l, $c) = split /\|/, $out;
is("$l $c", 'bug 0.8', 'without probabilities what the model says of its answers is averaged');
($out, $n) = asked("SELECT qwen_label(body, $LABELS, server => 'plain', long_text => 'split') FROM long");
my ($scores, $m) = asked("SELECT sum(value::float8) FROM long, jsonb_each_text(qwen_scores(body, task => 'voted'))");
is($m, 3 * $n, 'with votes each segment is voted on');
cmp_ok(abs($scores - 1), '<', 1e-5, 'and their shares are combined');

# ---- tasks ----

sql("SELECT qwen.create_task('split', $LABELS, server => 'qwen', long_text => 'split')");
is(sql("SELECT qwen_label(body, task => 'split') FROM long"), 'bug', 'a task says what is done with long texts');
is(sql("SELECT qwen_label(body, task => 'split', long_text => 'head_tail') FROM long"), 'refund', 'a call may say otherwise');
sql("SELECT qwen.alter_task('split', long_text => 'head_tail')");
is(sql("SELECT version || ' ' || qwen_label(body, task => 'split') FROM qwen.task, long WHERE name = 'split'"), '2 refund', 'a change makes a new version');
is(sql("SELECT qwen_label(body, task => 'split', long_text => 'split') FROM long"), 'bug', 'a call may say otherwise again');
sql("SELECT qwen.alter_task('split', long_text => 'split')");

# ---- failures, limits, counts ----

my $bad = $text =~ s/Line 20 is/Line 20 \@\@fail=422\@\@ is/r;
($out, $n, $err) = asked("SELECT c.label IS NULL, c.reason <> '' FROM qwen_classify(" . quoted($bad) . ", task => 'split') c");
is($out, 't|t', 'a segment that fails fails the text');
($out, $n, $err) = asked("SET qwen_classify.max_requests = 3; SELECT qwen_label(body, task => 'split') FROM long");
like($err, qr/reached the limit of 3 requests/, 'a limit of requests is one of requests');
cmp_ok($n, '<=', 3, 'no more are sent');
my $each = (asked("SELECT qwen_label(body, task => 'split') FROM long"))[1];
$out = sql("SET qwen_classify.max_in_flight = 5; EXPLAIN (ANALYZE, COSTS off) SELECT qwen_label(body || i, task => 'split') FROM long, generate_series(1, 20) i");
like($out, qr/Requests: (\d+)/, 'EXPLAIN');
$out =~ /Requests: (\d+)/;
is($1, 20 * $each, 'counts requests');
mock_reset();
sql("SET qwen_classify.max_in_flight = 5; SELECT count(qwen_label(body || i, $LABELS, server => 'later', long_text => 'split')) FROM long, generate_series(1, 20) i");
is(mock_stats()->{max_in_flight}, 5, 'no more are in flight than may be');

# ---- in the background ----

sql("CREATE TABLE ticket (id int PRIMARY KEY, body text, label text, confidence float8, reason text)");
sql("SELECT qwen.attach('split', 'ticket', 'body')");
sql("INSERT INTO ticket (id, body) SELECT i, body || i FROM long, generate_series(1, 30) i");
ok(wait_until(sub { sql("SELECT count(*) FROM ticket WHERE label IS NULL") eq '0' }, 'the labels'), 'the worker labels by segments');
is(sql("SELECT DISTINCT label FROM ticket"), 'bug', 'all of the text counts');
is(sql("SELECT count(*) FROM ticket WHERE reason LIKE '%bug%'"), '30', 'the reason speaks of the label');
is(sql("SELECT count(*) FROM qwen.result WHERE cardinality(top) = 3 AND source = 'logprob_masked'"), '30', 'qwen.result has the combined probabilities');
is(sql("SELECT cut FROM qwen.progress WHERE task = 'split'"), '0', 'none was cut');

done_testing();
