# A server whose key changes again and again while existing rows are labelled: each look finds another endpoint.
use strict;
use warnings;
use QwenTest;
use Test::More;
use Time::HiRes qw(time sleep);

start_mock();
my $node = start_node(preload => 1);
my $key = $node->basedir . '/key';

sub write_key
{
	open my $out, '>', "$key.new" or die $!;
	print $out "secret" . int(rand 1000) . "\n";
	close $out;
	chmod 0600, "$key.new";
	rename "$key.new", $key or die $!;
}

write_key();
server($node, 'moving', url('vllm', 'delay=2'), max_concurrency => 16);
$node->safe_psql('postgres', <<"END");
CREATE USER MAPPING FOR CURRENT_USER SERVER moving OPTIONS (api_key_file '$key');
CREATE TABLE ticket (id int PRIMARY KEY, body text, label text, confidence float8, reason text);
INSERT INTO ticket (id, body) SELECT i, 'text ' || i FROM generate_series(1, 3000) i;
SELECT qwen.create_task('tickets', ARRAY['refund', 'bug'], with_reason => false);
SELECT qwen.attach('tickets', 'ticket', 'body');
SELECT qwen.backfill('tickets');
END

my $until = time + 3;
while (time < $until) { write_key(); sleep 0.001 }
ok(wait_until(sub { value($node, 'SELECT count(*) FROM ticket WHERE label IS NULL') == 0 }, 'the labels', 60), 'all rows are labelled');
is(value($node, 'SELECT count(*) FROM qwen.failed'), 0, 'no row was charged for it');
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/was terminated by signal/, 'and nobody crashed');
$node->stop;
done_testing();
