# What the network sees of us: connections, sizes, redirects, limits; and that
# nothing stays behind, however a statement ends.
use strict;
use warnings;
use QwenTest;
use Test::More;

my $labels = "ARRAY['refund','bug','praise']";

start_mock();
my $node = start_node(preload => 1);

# One connection for all of a session's requests.
server($node, 'keep', url('vllm'));
mock_reset();
my $s = session($node);
$s->query("SELECT count(qwen_label('text ' || i, $labels, server => 'keep')) FROM generate_series(1, 1000) i");
$s->query("SELECT qwen_label('text again ' || i, $labels, server => 'keep') FROM generate_series(1, 5) i")
  for 1 .. 4;
my $stats = mock_stats();
is($stats->{opened}, 1, '1,020 calls in five statements use one connection');
is($stats->{answered}, 1020, 'each was sent once');
$s->quit;

done_testing();
