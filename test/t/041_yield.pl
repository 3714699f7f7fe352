# One worker for two databases: a busy one makes room after a minute, and none starves.
# Takes a minute.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(time);

start_mock();
my $node = start_node(preload => 1, conf => "qwen_classify.max_workers = 1\n");
$node->safe_psql('postgres', 'CREATE DATABASE other');

# So much work that a minute is not enough: eight places, half a second each.
for my $db ('postgres', 'other')
{
	$node->safe_psql($db,
		"CREATE EXTENSION IF NOT EXISTS qwen_classify; "
		  . "CREATE SERVER slow FOREIGN DATA WRAPPER qwen_classify OPTIONS (url '"
		  . url('vllm', 'delay=500')
		  . "', max_concurrency '8'); "
		  . "CREATE TABLE ticket (id int PRIMARY KEY, body text, label text, confidence float8, reason text); "
		  . "SELECT qwen.create_task('tickets', ARRAY['refund', 'bug'], with_reason => false); "
		  . "SELECT qwen.attach('tickets', 'ticket', 'body')");
}

sub of { my ($db, $sql) = @_; return $node->safe_psql($db, $sql) }

my $labelled = 'SELECT count(label) FROM ticket';

of('postgres', "INSERT INTO ticket (id, body) SELECT i, 'text ' || i FROM generate_series(1, 4000) i");
ok(wait_until(sub { of('postgres', $labelled) > 0 }, 'the first labels'), 'the first database is at work');
my $began = time;
of('other', "INSERT INTO ticket (id, body) VALUES (1, 'the other one')");
ok(wait_until(sub { of('other', $labelled) == 1 }, 'the other label', 100), 'the second database has its turn');
my $waited = time - $began;
cmp_ok($waited, '>', 30, 'not at once: the first one keeps the place for a minute');
my $so_far = of('postgres', $labelled);
cmp_ok($so_far, '<', 4000, 'though the first one is not at the end');
ok(wait_until(sub { of('postgres', $labelled) > $so_far }, 'more labels', 30), 'and the first one goes on');
is(of('postgres', 'SELECT count(*) FROM qwen.failed'), 0, 'no row was charged for it');
done_testing();
