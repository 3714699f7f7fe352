# A table under a task, users who change it, and the verdict of the checker
# (test/checker/checker.sql): what the fault tests share.
#
#   my $node = start_node(preload => 1);
#   checker_setup($node, url('vllm', 'delay=20'), request_timeout => '1s');
#   my $users = users($node, 4, insert => 3, update => 5);   # clients, weight of each script
#   ... the fault ...
#   stop_users($users);
#   verdict($node, 'after the fault');                       # waits, then asks checker.breaches()
package QwenChecker;

use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(dirname);
use File::Spec;
use IPC::Run;
use QwenTest;
use Test::More;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(checker_setup checker_fill task_of users stop_users users_done stale_sampler verdict settled
  worker_pid wait_for_worker point_at database_up log_count);

our $LABELS = q(ARRAY['refund', 'bug', 'praise', 'invoice', 'login', 'delivery', 'crash', 'price', 'spam', 'thanks']);
my $dir = File::Spec->rel2abs(dirname(__FILE__) . '/../checker');

# Server qwen at the url (further arguments are its options), the tables of the
# checker, task tickets on table ticket.
sub checker_setup
{
	my ($node, $url, %opt) = @_;
	my %task = (keep => 'true', with_reason => 'false', %{ delete $opt{task} || {} });

	server($node, 'qwen', $url, %opt);
	open my $fh, '<', "$dir/checker.sql" or die $!;
	local $/;
	$node->safe_psql('postgres', scalar <$fh>);
	task_of($node, 'tickets', 'public.ticket', %task);
}

# A task on a table with the columns of the checker's.
sub task_of
{
	my ($node, $name, $table, %task) = @_;
	my $more = join '', map { ", $_ => $task{$_}" } sort keys %task;

	$node->safe_psql('postgres', "SELECT qwen.create_task('$name', labels => $LABELS$more)");
	$node->safe_psql('postgres', "SELECT qwen.attach('$name', '$table', input => 'body')");
}

sub checker_fill
{
	my ($node, $n) = @_;

	$node->safe_psql('postgres', "INSERT INTO ticket (body) SELECT checker.text() FROM generate_series(1, $n)");
}

# pgbench runs the scripts of test/checker/users by their weights until it is
# stopped, or for so many seconds; rate is in transactions a second.
sub users
{
	my ($node, $clients, %script) = @_;
	my $ids = delete $script{ids} || 500;
	my $rate = delete $script{rate};
	my $seconds = delete $script{seconds} || 120;
	my $pgbench = $node->can('installed_command') ? $node->installed_command('pgbench') : 'pgbench';
	my $self = { out => '', err => '' };

	$self->{run} = IPC::Run::start(
		[ $pgbench, '-n', '-c', $clients, '-j', 1, '-T', $seconds, '-D', "ids=$ids",
			($rate ? ('-R', $rate) : ()),
			(map { ('-f', "$dir/users/$_.sql\@$script{$_}") } sort keys %script),
			$node->connstr('postgres') ],
		'<', \undef, '>', \$self->{out}, '2>', \$self->{err});
	return $self;
}

# Wait for the end of users who have a number of seconds: transactions done.
sub users_done
{
	my ($self) = @_;

	eval { $self->{run}->finish };
	my ($n) = $self->{out} =~ /transactions actually processed: (\d+)/;
	return $n || 0;
}

# Not by SIGINT: a shell has it ignored in what runs in the background.
sub stop_users
{
	my ($self) = @_;

	$self->{run}->signal('TERM');
	eval { $self->{run}->finish };
	return;
}

# A session that looks for stale rows until it is stopped: in flight too.
sub stale_sampler
{
	my ($node) = @_;
	my $s = session($node);
	my ($looks, @seen) = (0);

	return {
		look => sub {
			my $found = $s->query('SELECT * FROM checker.stale() LIMIT 3');
			$looks++;
			push @seen, $found if $found ne '';
		},
		seen => sub { return join "\n", @seen },
		looks => sub { return $looks },
	};
}

sub database_up
{
	my ($node, $limit) = @_;

	return wait_until(sub { $node->psql('postgres', 'SELECT 1') == 0 }, 'the server after its crash', $limit || 60);
}

sub worker_pid
{
	my ($node) = @_;
	my $pid = '';

	$node->psql('postgres', q(SELECT pid FROM pg_stat_activity WHERE backend_type LIKE 'qwen%worker%' AND datname = current_database() LIMIT 1),
		stdout => \$pid);
	return $pid;
}

sub wait_for_worker
{
	my ($node) = @_;
	my $pid;

	wait_until(sub { $pid = worker_pid($node) }, 'a worker') or return;
	return $pid;
}

# The server qwen is somewhere else from now on.
sub point_at
{
	my ($node, $url) = @_;

	$node->safe_psql('postgres', "ALTER SERVER qwen OPTIONS (SET url '$url')");
}

sub log_count
{
	my ($node, $pattern) = @_;

	open my $fh, '<', $node->logfile or return 0;
	return scalar grep { /$pattern/ } <$fh>;
}

# What waits in qwen.retry for up to ten minutes is due now.
sub hurry_retries
{
	my ($node) = @_;

	$node->psql('postgres', 'UPDATE qwen.retry SET next_at = now();
		SELECT qwen.pause(name), qwen.resume(name) FROM qwen.task WHERE id IN (SELECT task FROM qwen.retry) AND NOT paused',
		stdout => \my $out, stderr => \my $err);
	sleep 0.2;
}

# All is labelled and nothing waits; says what is left if that does not come.
sub settled
{
	my ($node, $limit) = @_;
	my $end = time + ($limit || 60);
	my $busy = 'no answer';

	while (time < $end)
	{
		$busy = '';
		my $rc = $node->psql('postgres', 'SELECT * FROM checker.busy()', stdout => \$busy, stderr => \my $err);
		return 1 if $rc == 0 && $busy eq '';
		$busy = "no answer: $err" if $rc != 0;
		hurry_retries($node) if $busy =~ /^retry/m;
		sleep 0.05;
	}
	diag "still busy: $busy";
	for my $view ('qwen.progress', 'qwen.retry', 'qwen.dead')
	{
		$node->psql('postgres', "SELECT * FROM $view LIMIT 5", stdout => \my $rows, stderr => \my $err, extra_params => ['-x']);
		diag "$view: $rows$err";
	}
	return 0;
}

# The test: wait for the end of the work, then nothing may be wrong.
sub verdict
{
	my ($node, $what, $limit) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $done = settled($node, $limit);
	my $breaches = $node->safe_psql('postgres', 'SELECT * FROM checker.breaches() LIMIT 20');
	my $rows = $node->safe_psql('postgres', q(SELECT count(*) || ' rows, ' || (SELECT count(*) FROM checker.audit) || ' labels written' FROM ticket));

	is($breaches, '', "$what: no breach ($rows)") or return 0;
	return ok($done, "$what: nothing left to do");
}

1;
