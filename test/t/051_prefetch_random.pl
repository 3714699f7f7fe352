# Random statements with the prefetch node and without it: equal rows, no
# request in vain; and what such statements have found so far.
#
# QWEN_RANDOM=600 runs for so many seconds, QWEN_SEED=12345 begins with other
# statements; a difference is printed with its seed and its settings.
use strict;
use warnings;
use File::Basename qw(dirname);
use QwenTest;
use Test::More;

my $random = dirname(__FILE__) . '/../random';

start_mock();
my $node = start_node(preload => 1, conf => "autovacuum = off\nmax_parallel_workers = 4\n");
server($node, 'fast', url('vllm'));
server($node, 'slow', url('vllm', 'jitter=4'));
$node->safe_psql('postgres', "ALTER SYSTEM SET qwen_classify.server = 'fast'; SELECT pg_reload_conf()");
open my $tables, '<', "$random/tables.sql" or die $!;
$node->safe_psql('postgres', do { local $/; <$tables> });

# What a statement gives, and how many requests it took.
sub asked
{
	my ($sql, $prefetch) = @_;

	mock_reset();
	my $r = run_sql($node, "SET qwen_classify.prefetch = $prefetch; SET statement_timeout = '20s'; $sql");
	return ($r->{out} . $r->{err}, mock_stats()->{requests});
}

sub same
{
	my ($what, $sql) = @_;
	my ($plain, $needed) = asked($sql, 'off');
	my ($found, $sent) = asked($sql, 'on');

	is($found, $plain, "$what: the same");
	is($sent, $needed, "$what: no request in vain");
	return $found;
}

# PL/pgSQL takes an expression's value out of its plan, and knows only a Result.
like(same('two calls in an expression', "SELECT together('a bug', 'another')"), qr/^[a-z]+$/, 'it gives a value');

# The calls inside together() are waited for one by one, and see others through.
same('answers that come while another is waited for',
	"SELECT n, v FROM (VALUES (1, qwen_label('a', '{one, two}')), (2, together('\@\@delay=200\@\@b', 'c')), "
	  . "(3, qwen_label('\@\@delay=50\@\@d', '{one, two}'))) v (n, v)");

# Of a window function some rows are computed, and some not.
same('first_value', "SELECT id, first_value(qwen_label(body, '{one, two}')) OVER (PARTITION BY cat ORDER BY id) FROM a");
my $lag = "SELECT count(lag) FROM (SELECT lag(qwen_label(CASE WHEN id < 60 THEN 'case ' || id ELSE '\@\@fail=400\@\@ x' END, '{one, two}')) "
  . "OVER (ORDER BY id) FROM a) s";
my ($out) = asked("SET qwen_classify.on_error = 'error'; $lag", 'on');
is($out, '59', 'the last row of lag is not needed and raises nothing');

# The right side of a comparison with a subquery is the subquery's.
same('two calls IN (SELECT ...)', "SELECT count(*) FROM a WHERE (qwen_label(body, '{bug, case}'), qwen_label(cat, '{x, y}')) $_")
  for "IN (SELECT 'bug', cat FROM b)", "NOT IN (SELECT 'case', cat FROM b WHERE b.k = a.k)", "< ANY (SELECT 'case', cat FROM b)";

my $seconds = $ENV{QWEN_RANDOM} || 45;
my $seed = $ENV{QWEN_SEED} || 1;
diag "seed $seed";
my $dsn = $node->connstr('postgres');
my @said = do
{
	local $ENV{PYTHONDONTWRITEBYTECODE} = 1;
	open my $run, '-|', 'python3', "$random/compare", $seconds, $seed, $dsn, mock_port() or die $!;
	<$run>;
};
my %n = map { /(\d+) (.*)/ ? ($2 => $1) : () } split /[,;] /, $said[-1] // '';
diag @said if $n{different} // 1;
note @said;
is($n{different}, 0, "no statement differs ($n{queries} with $n{failing} that fail)");
cmp_ok($n{queries}, '>', 2 * $seconds, 'there were many');
cmp_ok($n{'with node'}, '>', $n{queries} / 3, 'most of them with the node');
cmp_ok($n{counted}, '>', $n{queries} / 5, 'of many the requests are counted');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE query ~ 'qwen' AND state = 'active'"), '1',
	'none is left running');
$node->stop;
my $log = PostgreSQL::Test::Utils->can('slurp_file') || TestLib->can('slurp_file');
unlike($log->($node->logfile), qr/TRAP|terminated by signal/, 'and the server did not crash');

done_testing();
