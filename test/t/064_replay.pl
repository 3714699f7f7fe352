# A real model's replies, recorded once (test/figures/replay) and given again by
# the mock: what the extension reads out of them in a query, in the background
# and against a gold set is what is written down in expected.jsonl.  Where they are to
# be read in another way, test/figures/replay --read-again writes it anew.
use strict;
use warnings;
use Encode ();
use File::Basename qw(dirname);
use File::Spec;
use JSON::PP;
use QwenTest;
use Test::More;

my $folder = File::Spec->rel2abs(dirname(__FILE__) . '/../fixtures/replay');

sub lines_of
{
	my ($name) = @_;

	open my $fh, '<', "$folder/$name" or die "$name: $!";
	return map { decode_json($_) } <$fh>;
}

my ($task) = lines_of('task.json');
my @expected = lines_of('expected.jsonl');
my @explained = grep { defined $_->{label} } @expected;
my $question = '$q$' . encode_json($task->{labels}) . "\$q\$::jsonb, instructions => '$task->{instructions}'";

# The most probable label; of equals the first in the list.
sub best
{
	my ($scores) = @_;
	my $best = $task->{labels}[0];

	for (@{ $task->{labels} }) { $best = $_ if $scores->{$_} > $scores->{$best} }
	return $best;
}

start_mock(replay => "$folder/replies.jsonl");
my $node = start_node(preload => 1);
server($node, 'qwen', url('llamacpp'));
$node->safe_psql('postgres', 'CREATE TABLE mail (id int PRIMARY KEY, truth text, body text, label text, confidence float8, reason text);'
	  . "\n\\copy mail (id, truth, body) FROM '$folder/texts.csv' (FORMAT csv)");
is(value($node, 'SELECT count(*) FROM mail'), scalar @expected, 'all texts are there');

subtest 'in a query' => sub {
	my %got = map { my ($id, $scores) = split /\t/; $id => decode_json($scores) }
	  split /\n/, value($node, "SELECT concat_ws(E'\\t', id, qwen_scores(body, $question)) FROM mail");
	my $most = 0;

	is(scalar keys %got, scalar @expected, 'each text has scores');
	for my $row (@expected)
	{
		my $scores = $got{ $row->{id} };

		is(best($scores), best($row->{scores}), "text $row->{id}: the label");
		for my $label (@{ $task->{labels} })
		{
			my $off = abs($scores->{$label} - $row->{scores}{$label});

			$most = $off if $off > $most;
		}
	}
	cmp_ok($most, '<', 1e-9, 'and the probabilities are those of the recording');
};

subtest 'with a reason' => sub {
	my @got = map { [ split /\t/ ] } split /\n/,
	  value($node, "SELECT concat_ws(E'\\t', id, (c).label, (c).confidence, (c).reason) FROM "
		  . "(SELECT id, qwen_classify(body, $question) AS c FROM mail WHERE id <= $task->{with_reason} OFFSET 0) x ORDER BY id");

	is(scalar @got, scalar @explained, 'the texts that were asked about so');
	for my $row (@explained)
	{
		my ($id, $label, $confidence, $reason) = @{ shift @got };

		is($label, $row->{label}, "text $id: the label");
		cmp_ok(abs($confidence - $row->{confidence}), '<', 1e-9, 'its probability');
		is($reason, Encode::encode('UTF-8', $row->{reason}), 'the reason');
	}
};

subtest 'in the background, and against a gold set' => sub {
	my $right = grep { best($_->{scores}) eq $_->{truth} } @expected;

	$node->safe_psql('postgres', "SELECT qwen.create_task('mail', $question, with_reason => false);"
		  . "SELECT qwen.attach('mail', 'mail', 'body'); SELECT qwen.backfill('mail')");
	ok(wait_until(sub { value($node, 'SELECT count(label) FROM mail') == @expected }, 'labels'), 'the worker labels all rows');

	my %got = map { my ($id, @is) = split /\|/; $id => \@is } split /\n/, value($node, 'SELECT id, label, confidence FROM mail');
	for my $row (@expected)
	{
		my $label = best($row->{scores});

		is($got{ $row->{id} }[0], $label, "row $row->{id}: the label");
		cmp_ok(abs($got{ $row->{id} }[1] - $row->{scores}{$label}), '<', 1e-6, 'its probability');
	}
	is(value($node, "SELECT drawing FROM qwen.quality('mail', gold => 'SELECT id, truth FROM mail') WHERE item = 'accuracy'"),
		"$right of " . @expected . ' right', "qwen.quality counts $right right ones");
};

# Else the test above could pass on made-up replies.
my $r = run_sql($node, "SELECT qwen_label('a text that was never recorded', $question)");
like($r->{err}, qr/HTTP 418/, 'a text without a recorded reply has none');

done_testing();
