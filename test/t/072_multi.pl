# Several labels for one text: a question of yes or no a label, in a query.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(sleep);

my $LABELS = "ARRAY['refund','bug','praise']";

start_mock();
my $node = start_node(preload => 1, conf => "max_connections = 20\nqwen_classify.worker_idle_timeout = 10s\n");
server($node, 'qwen', url('vllm'));
server($node, 'slow', url('vllm', 'delay=30'));
server($node, 'raw', url('llamacpp'));
server($node, 'letters', url('vllm'), codes => 'on');
server($node, 'bare', url('openai', 'logprobs=none', 'conffmt=none'));
server($node, 'broken', url('vllm', 'answer=empty'));

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }
sub wait_for { sql("CALL qwen.wait('$_[0]', '30s')") }
sub error_of { my $r = run_sql($node, $_[0]); return $r->{err} =~ /ERROR:  (.*)/s ? $1 : '' }
sub labels_of { my ($text, $more) = @_; return sql("SELECT qwen_labels('$text', $LABELS, server => 'qwen'" . ($more || '') . ')') }

# ---- in a query ----

is(labels_of('a bug, then a refund'), '{refund,bug}', 'the labels that fit, in the order written');
is(labels_of('nothing at all'), '{}', 'an empty array where none does');
is(sql("SELECT qwen_labels(NULL, $LABELS, server => 'qwen') IS NULL"), 't', 'NULL of a NULL');
is(labels_of('nothing at all', ', threshold => 0'), '{refund,bug,praise}', 'all of them from 0 on');
is(labels_of('a bug', ', threshold => 1'), '{}', 'and none from 1 on');
is(sql("SELECT qwen_labels('a bug', '{bug,refund}', server => 'qwen'), qwen_labels('a bug', '{\"refund\": \"wants money\", \"bug\": null}'::jsonb, server => 'qwen')"), '{bug}|{bug}', 'labels in the other forms');
is(sql("SELECT qwen_labels('a bug, praise', $LABELS, server => '$_')"), '{bug,praise}', "server $_") for qw(raw letters bare);

mock_reset();
labels_of('a bug of a row');
is(mock_stats()->{requests}, 3, 'a request a label');
my $last = mock_last(3);
my @system = map { $_->{messages}[0]{content} } @$last;
my @user = map { $_->{messages}[1]{content} } @$last;
is(scalar(grep { $_ eq $system[0] } @system), 3, 'all with the same system message');
is(scalar(grep { /^a bug of a row\n\nQuestion: does the label "(refund|bug|praise)" fit/ } @user), 3, 'and the text first, the question last');
is($user[0] =~ /"(\w+)"/ ? $1 : '', 'refund', 'the first label is asked about first');
like(sql("SELECT qwen.preview('x', '{a,b}', server => 'qwen')::text"), qr/"x"/, 'a preview of one label has the text alone');
like(sql(q(SELECT qwen_labels('x', '{"a": "line one <|im_end|>"}', server => 'qwen'))) . mock_last()->{messages}[1]{content}, qr/"a" \(line one <\x{200b}?.*im_end/, 'a description stands in the question');
unlike(mock_last()->{messages}[1]{content}, qr/<\|im_end\|>/, 'without control tokens');
sql(q(SELECT qwen_labels('x', '{a,b}', 'Mail of a shop.', '[{"input": "it broke", "label": "b"}]', server => 'qwen')));
like(mock_last()->{messages}[0]{content}, qr/^Mail of a shop\..*Text: "it broke"\nA label that fits: "b"/s, 'instructions and examples stand in the common part');

# many rows at once, by the node: all in the window, all counted
sql("CREATE TABLE row AS SELECT i AS id, (ARRAY['a bug', 'a refund and a bug', 'nothing'])[1 + i % 3] || ' ' || i AS body FROM generate_series(1, 40) i");
mock_reset();
my $plan = sql("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id, qwen_labels(body, $LABELS, server => 'qwen') FROM row");
like($plan, qr/Qwen Prefetch/, 'the prefetch node asks ahead');
is($plan =~ /Requests: (\d+)/ ? $1 : '', 120, 'and counts each request');
is(mock_stats()->{requests}, 120, 'so many are sent');
mock_reset();
sql("SELECT id, qwen_labels(body, $LABELS, server => 'slow') FROM row");
cmp_ok(mock_stats()->{max_in_flight}, '>', 20, 'many at once');
is(sql("SELECT count(*) FROM row WHERE qwen_labels(body, $LABELS, server => 'qwen') <> CASE id % 3 WHEN 0 THEN '{bug}' WHEN 1 THEN '{refund,bug}' ELSE '{}' END::text[]"), '0', 'with the right labels');
mock_reset();
sql("SELECT qwen_labels(body, $LABELS, server => 'qwen'), qwen_labels(body, $LABELS, threshold => 0.9, server => 'qwen') FROM row");
is(mock_stats()->{requests}, 120, 'another threshold is no other question');
like(error_of("SET qwen_classify.max_requests = 5; SELECT qwen_labels(body, $LABELS, server => 'qwen') FROM row"), qr/max_requests/, 'the limit of requests holds');

# ---- what is wrong ----

like(error_of("SELECT qwen_labels('x', $LABELS, threshold => 1.5, server => 'qwen')"), qr/^threshold must be from 0 to 1\n.*HINT/s, 'a threshold');
like(error_of("SELECT qwen_labels('x', $LABELS, threshold => 'NaN', server => 'qwen')"), qr/^threshold must be/, 'NaN is none');
like(error_of("SELECT qwen_labels('x', server => 'qwen')"), qr/^labels must not be NULL/, 'labels');
my $r = run_sql($node, "SELECT qwen_labels('x', $LABELS, server => 'broken') IS NULL");
is($r->{out}, 't', 'unusable answers: NULL');
like($r->{err}, qr/1 text could not be labelled/, 'and a warning');
is(sql("SET qwen_classify.on_error = 'label'; SELECT qwen_labels('x', $LABELS, server => 'broken')"), '{error}', 'or the label error');
$r = run_sql($node, "SELECT qwen_labels('', $LABELS, server => 'qwen') IS NULL");
is($r->{out}, 't', 'an empty text: NULL');

done_testing();
