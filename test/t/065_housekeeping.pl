# The worker's housekeeping, with nobody looking: what is kept of rows that are
# gone, or have another text, is deleted; what a person said stays.
use strict;
use warnings;
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(preload => 1, conf => "qwen_classify.worker_idle_timeout = 600\n");
server($node, 'qwen', url('vllm'));

sub sql { return $node->safe_psql('postgres', join('', map { "$_;\n" } @_)) }
sub kept { return sql("SELECT coalesce(string_agg(k::text, ' ' ORDER BY k), '') FROM qwen.$_[0]") }

sql("CREATE TABLE ticket (id bigint PRIMARY KEY, body text, label text, confidence float8, reason text)",
	"SELECT qwen.create_task('tickets', ARRAY['alpha','beta','gamma'], server => 'qwen', with_reason => false)",
	"SELECT qwen.attach('tickets', 'ticket', 'body')",
	"INSERT INTO ticket (id, body) SELECT i, 'text ' || i FROM generate_series(1, 8) i",
	"CALL qwen.wait('tickets', '30 s')",
	"SELECT count(*) FROM qwen.audit('tickets', 8)",
	"SELECT qwen.agree('tickets', 1), qwen.agree('tickets', 2)");
is(kept('review_row'), '1 2 3 4 5 6 7 8', 'all rows are drawn, and two are answered');
sql("DELETE FROM ticket WHERE id IN (2, 3, 4)", "UPDATE ticket SET body = 'another' WHERE id = 5",
	"CALL qwen.wait('tickets', '30 s')");
is(kept('review_row'), '1 2 3 4 5 6 7 8', 'nothing is done at the deletion');
ok(wait_until(sub { kept('review_row') eq '1 2 6 7 8' }, 'the housekeeping', 100),
	'draws of rows that are gone, or have another text, are deleted') or diag kept('review_row');
is(sql("SELECT count(*) FROM qwen.review_row WHERE k = 2 AND human IS NOT NULL"), '1', 'an answer stays, though its row is gone');
is(kept('result'), '1 5 6 7 8', 'so are results');
is(kept('annotation'), '1', 'and annotations');
is(sql("SELECT drawn, answered FROM qwen.audits('tickets')"), '5|2', 'what is left is what there is to answer');

done_testing();
