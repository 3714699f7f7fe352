# Which server it is, and what each kind's refusals mean: TGI, LMDeploy and
# DashScope, whose words are their own.
use strict;
use warnings;
use JSON::PP ();
use QwenTest;
use Test::More;

my $labels = "ARRAY['refund','bug','praise']";
my @many = map { chr(ord('a') + $_) . 'label' } 0 .. 8;
my $many = "ARRAY['" . join("','", @many) . "']";
my $n = 0;

start_mock();
my $node = start_node();

# A server of this kind and what it does; what the statement gave and sent.
sub at
{
	my ($url, $sql, %opt) = @_;
	my $name = 's' . ++$n;

	mock_reset();
	server($node, $name, $url, retry_timeout => '400ms', %opt);
	$sql =~ s/\$S/$name/g;
	my $r = run_sql($node, "\\set VERBOSITY verbose\n$sql");
	$r->{sent} = mock_stats()->{requests};
	$r->{name} = $name;
	return $r;
}

sub classify { my ($url, %opt) = @_; return at($url, "SELECT * FROM qwen_classify('a bug', $labels, server => '\$S')", %opt) }
sub label { my ($url, %opt) = @_; return at($url, "SELECT qwen_label('a bug', $labels, server => '\$S')", %opt) }

# ---- who is it ----

my %stage = (tgi => 'after the grammar', lmdeploy => 'before the grammar', vllm => 'after the grammar',
	sglang => 'after the grammar', llamacpp => 'before the grammar', dashscope => 'before the grammar');
my %model = (tgi => 'Qwen/Qwen2.5-7B-Instruct', llamacpp => 'qwen2.5-7b-instruct-q4_k_m.gguf');
for my $kind (sort keys %stage)
{
	my $api = $kind eq 'dashscope' ? 'openai' : $kind;
	my $model = $model{$kind} || 'qwen2.5-7b-instruct';

	is(at(url($kind), "SELECT api, model, logprobs FROM qwen.check_server('\$S')")->{out},
		"$api|$model|$stage{$kind}", "$kind: check_server says what it is");
}
is(at(url('tgi', 'context=2000'), "SELECT context_tokens, version FROM qwen.check_server('\$S')")->{out}, '3024|3.3.7',
	'TGI: its context and version');
is(at(url('tgi'), "SELECT api FROM qwen.check_server('\$S')", api => 'lmdeploy')->{out}, '',
	'an api that is given is taken at its word: TGI does not understand LMDeploy');
for my $kind ('tgi', 'lmdeploy')
{
	is(at(url($kind), "SELECT api FROM qwen.check_server('\$S')", api => $kind)->{out}, $kind, "$kind: as the option says");
	is(label(url($kind), api => $kind, model => 'qwen2.5-7b-instruct')->{out}, $kind eq 'tgi' ? '' : 'bug',
		"$kind: with api and model given");
}

# ---- TGI ----

label(url('tgi'));
my $body = mock_last();
is_deeply($body->{response_format}, { type => 'regex', value => '(refund|bug|praise)' }, 'TGI: the label is bound by a regex');
is($body->{model}, 'tgi', 'TGI: its model is not asked for by its name, which would be an adapter');
ok(!exists $body->{top_p}, 'TGI: top_p 1 is not sent, since it is refused');
is(label(url('tgi'), model => 'Qwen/Qwen2.5-7B-Instruct')->{out}, 'bug', 'TGI: nor if the option names it');
my $r = classify(url('tgi'));
like($r->{out}, qr/^bug\|0\.\d+\|The text/, 'TGI: label, confidence and reason');
is(mock_last()->{response_format}{type}, 'json_schema', 'TGI: by its schema');
is($r->{sent}, 1, 'TGI: in one request');
$r = at(url('tgi'), "SELECT qwen_label('a glabel', $many, server => '\$S'); SELECT qwen_label('a clabel', $many, server => '\$S')");
is($r->{out}, "glabel\nclabel", 'TGI: more labels than it gives alternatives');
is($r->{sent}, 3, 'TGI: it says how many it gives, once');
is(mock_last()->{top_logprobs}, 5, 'TGI: and is asked for those');
$r = at(url('tgi', 'topcap=20'), "SELECT qwen_label('a glabel', $many, server => '\$S')");
is("$r->{out} $r->{sent}", 'glabel 1', 'TGI: started with more, it gives more');
$r = classify(url('tgi', 'refuse_field=response_format'));
like($r->{out}, qr/^bug\|0\.\d+\|The text/, 'TGI: without grammars the answer holds by itself');
is($r->{sent}, 2, 'TGI: after one refusal');
$r = classify(url('tgi', 'body=toolong'));
like($r->{out}, qr/^\|\|text is too long for the model's context \(HTTP 422\)/, 'TGI: too long');
$r = at(url('tgi', 'context=400'), "SELECT qwen_label(repeat('a bug. ', 400), $labels, server => '\$S')");
is($r->{out}, 'bug', 'TGI: a text that does not fit is cut by the numbers that it tells');
$r = label(url('tgi', 'fail=424', 'times=1'), retry_timeout => '5s');
is("$r->{out} $r->{sent}", 'bug 2', 'TGI: a generation that failed is tried again');
$r = label(url('tgi', 'fail=429', 'times=1'), retry_timeout => '5s');
is("$r->{out} $r->{sent}", 'bug 2', 'TGI: overloaded is waited for');

# ---- LMDeploy ----

label(url('lmdeploy'));
$body = mock_last();
is_deeply($body->{response_format}, { type => 'regex_schema', regex_schema => '(refund|bug|praise)' },
	'LMDeploy: the label is bound by a regex');
is($body->{top_k}, 1, 'LMDeploy: greedy');
$r = classify(url('lmdeploy', 'refuse_field=logprobs'));
like($r->{out}, qr/^bug\|0\.\d\d\|/, 'LMDeploy without --logprobs-mode: the model\'s own number');
like($r->{err}, qr/NOTICE: .*confidence is the model's own word/, 'LMDeploy without --logprobs-mode: said');
is($r->{sent}, 2, 'LMDeploy without --logprobs-mode: after one refusal');
$r = at(url('lmdeploy', 'context=700'), "SELECT qwen_label(repeat('a bug. ', 400), $labels, server => '\$S')");
is($r->{out}, 'bug', 'LMDeploy: it tells no numbers, the text is cut all the same');
$r = label(url('lmdeploy', 'model=qwen'), model => 'gpt');
like($r->{err}, qr/ERROR:  42704: inference server \S+ has no model "gpt"/, 'LMDeploy: unknown model');
$r = label(url('lmdeploy', 'fail=503', 'times=1'), retry_timeout => '5s');
is("$r->{out} $r->{sent}", 'bug 2', 'LMDeploy: an engine that is not there yet is waited for');

# ---- DashScope ----

$r = label(url('dashscope'));
is("$r->{out} $r->{sent}", 'bug 2', 'DashScope: five alternatives, learnt from its refusal');
is(mock_last()->{top_logprobs}, 5, 'DashScope: as it said');
my $rows = "FROM (VALUES (1, 'a bug'), (2, '\@\@body=inspection\@\@rude'), (3, 'praise')) v (i, t) ORDER BY i";
$r = at(url('dashscope'), "SELECT i, (qwen_classify(t, $labels, server => '\$S')).* $rows");
like($r->{out}, qr/^1\|bug\|0.*\n2\|\|\|inference server refused the text.*\n3\|praise\|0/, 'DashScope: a text that is inspected away is that row\'s fault');
like($r->{err}, qr/WARNING:  01000: 1 text could not be labelled\nDETAIL:  refused: 1\./, 'DashScope: and counted');
$r = classify(url('dashscope', 'body=thinking', 'times=1'));
like($r->{out}, qr/^bug\|0\./, 'DashScope: thinking is turned off when it asks for that');
is(mock_last()->{enable_thinking}, JSON::PP::false(), 'DashScope: at the top of the body');
for my $rate ('throttling', 'burst', 'tokenrate', 'busy')
{
	$r = label(url('dashscope', "body=$rate", 'times=1'), retry_timeout => '10s');
	is($r->{out}, 'bug', "DashScope: $rate passes");
}
$r = label(url('dashscope', 'body=tokenrate'));
like($r->{err}, qr/ERROR:  53000: inference server \S+ is overloaded \(HTTP 429\), gave up/, 'DashScope: a limit of tokens a minute is no spent quota');
$r = label(url('openai', 'body=quota'), retry_timeout => '10s');
like($r->{err}, qr/ERROR:  HV00L: quota at inference server \S+ is used up/, 'OpenAI: the same words are one');
is($r->{sent}, 1, 'OpenAI: at once');
for my $spent ('freequota', 'arrearage')
{
	$r = label(url('dashscope', "body=$spent"), retry_timeout => '10s');
	like($r->{err}, qr/ERROR:  HV00L: quota at inference server \S+ is used up/, "DashScope: $spent does not come back");
	is($r->{sent}, 1, "DashScope: $spent at once");
}

$node->stop;
done_testing();
