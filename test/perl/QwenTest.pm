# What the TAP tests share: a node with the extension, the scripted inference
# server, sessions that run beside the test, and a clock.
#
#   use QwenTest;
#   start_mock();
#   my $node = start_node(preload => 1, conf => "max_connections = 20\n");
#   server($node, 'slow', url('vllm', 'delay=500'), request_timeout => '1s');
#   my $r = run_sql($node, 'SELECT ...');      # {rc, out, err, seconds}
#   my $s = session($node);                    # a psql of its own
#   $s->start('SELECT ...'); ... $s->wait;
#
# Everything that is started is stopped at the end of the test, however it ends.
package QwenTest;

use strict;
use warnings;
use Exporter 'import';
use File::Basename qw(dirname);
use File::Spec;
use File::Temp qw(tempdir);
use IO::Socket::INET;
use IPC::Run;
use JSON::PP;
use POSIX ':sys_wait_h';
use Test::More;
use Time::HiRes qw(time sleep);

our @EXPORT = qw(start_mock stop_mock mock_port mock_get mock_stats mock_reset mock_last
  start_node server url unused_url black_hole_url run_sql run_counted value session wait_until seconds backend_fds);

# 14 has the node class under another name.
my $node_class = 'PostgreSQL::Test::Cluster';
unless (eval "require $node_class; 1")
{
	$node_class = 'PostgresNode';
	eval "require $node_class; 1" or die $@;
}

my %mock;

# Start the scripted server on a port of its own; one a test.  With replay =>
# FILE it gives the replies that a real model gave.
sub start_mock
{
	my (%opt) = @_;
	my $binary = $ENV{QWEN_MOCK}
	  || File::Spec->rel2abs(dirname(__FILE__) . '/../mock/qwen_mock');
	my $dir = tempdir(CLEANUP => 1);

	-x $binary or die "no mock server at $binary: make -C test/mock";
	$mock{pid} = fork();
	defined $mock{pid} or die "could not fork: $!";
	if ($mock{pid} == 0)
	{
		open STDOUT, '>', "$dir/log";
		open STDERR, '>&', \*STDOUT;
		exec $binary, '--port-file', "$dir/port", $opt{replay} ? ('--replay', $opt{replay}) : ()
		  or POSIX::_exit(127);
	}
	wait_until(sub { -s "$dir/port" }, 'the mock server') or die 'the mock server did not start';
	open my $fh, '<', "$dir/port" or die $!;
	chomp($mock{port} = <$fh>);
	return $mock{port};
}

sub stop_mock
{
	my $status = $?;

	if ($mock{pid})
	{
		kill 'TERM', $mock{pid};
		waitpid $mock{pid}, 0;
		delete $mock{pid};
	}
	$? = $status;
}

END { stop_mock() }

sub mock_port { return $mock{port} }

# A GET to the mock itself: the body.
sub mock_get
{
	my ($path) = @_;
	my $sock = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $mock{port}, Timeout => 10)
	  or die "mock server does not answer: $!";

	print $sock "GET $path HTTP/1.1\r\nHost: mock\r\nConnection: close\r\n\r\n";
	local $/;
	my ($head, $body) = split /\r\n\r\n/, scalar <$sock>, 2;
	return $body;
}

sub mock_stats { return decode_json(mock_get('/stats')) }
sub mock_reset { return mock_get('/reset') }

# The body of the latest request, or a list of the latest n, oldest first.
sub mock_last
{
	my ($n) = @_;

	return decode_json(mock_get('/last' . ($n ? "?n=$n" : '')));
}

# The address of a fake server: its kind, then what its requests meet.
sub url
{
	my ($kind, @keys) = @_;

	return join('/', "http://127.0.0.1:$mock{port}/$kind", @keys,
		$kind eq 'plain' ? 'inference' : 'v1');
}

# An address where nobody listens.
sub unused_url
{
	my $sock = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;
	my $port = $sock->sockport;

	close $sock;
	return "http://127.0.0.1:$port/v1";
}

# An address that takes no connection and refuses none: a full queue of a
# listener that accepts nothing.
my @hole;

sub black_hole_url
{
	my $listen = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die $!;

	push @hole, $listen;
	push @hole, IO::Socket::INET->new(
		PeerAddr => '127.0.0.1',
		PeerPort => $listen->sockport,
		Blocking => 0)
	  for 1 .. 4;
	return 'http://127.0.0.1:' . $listen->sockport . '/v1';
}

# A running server with the extension in database postgres.
sub start_node
{
	my (%opt) = @_;
	my $name = $opt{name} || 'main';
	my $node = $node_class eq 'PostgresNode' ? $node_class->get_new_node($name) : $node_class->new($name);

	$node->init;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = 'qwen_classify'\n")
	  if $opt{preload};
	$node->append_conf('postgresql.conf', $opt{conf}) if $opt{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION qwen_classify');
	return $node;
}

# CREATE SERVER name; further arguments are options.
sub server
{
	my ($node, $name, $url, %opt) = @_;
	my $options = join ', ', "url '$url'", map { "$_ '$opt{$_}'" } sort keys %opt;

	$node->safe_psql('postgres',
		"CREATE SERVER $name FOREIGN DATA WRAPPER qwen_classify OPTIONS ($options)");
}

# Run SQL in a session of its own: what came, and how long it took.
sub run_sql
{
	my ($node, $sql, %opt) = @_;
	my %r;
	my $from = time;

	$r{rc} = $node->psql('postgres', $sql, stdout => \$r{out}, stderr => \$r{err},
		on_error_stop => 0, %opt);
	$r{seconds} = time - $from;
	return \%r;
}

# What it gives, how many requests that took, and its errors.
sub run_counted
{
	my ($node, $sql) = @_;

	mock_reset();
	my $r = run_sql($node, $sql);
	return ($r->{out}, mock_stats()->{requests}, $r->{err});
}

sub value
{
	my ($node, $sql) = @_;

	return $node->safe_psql('postgres', $sql);
}

sub seconds
{
	my ($code) = @_;
	my $from = time;

	$code->();
	return time - $from;
}

# Poll until it is true; false after the time limit, with a diagnosis.
sub wait_until
{
	my ($code, $what, $limit) = @_;
	my $end = time + ($limit || 30);

	until ($code->())
	{
		if (time > $end)
		{
			diag "timed out waiting for $what";
			return 0;
		}
		sleep 0.02;
	}
	return 1;
}

# What a backend has open beside files (only where there is /proc): sockets,
# epoll and the like.  Files come and go with the server's own caches.
sub backend_fds
{
	my ($pid) = @_;
	my @targets = grep { defined } map { readlink $_ } glob "/proc/$pid/fd/*";

	return scalar grep { !m{^/} } @targets;
}

sub session { return QwenTest::Session->new(@_) }

# A psql that runs beside the test.
package QwenTest::Session;

use Time::HiRes qw(time sleep);

sub new
{
	my ($class, $node) = @_;
	my $self = bless { in => '', out => '', err => '', n => 0 }, $class;

	my $psql = $node->can('installed_command') ? $node->installed_command('psql') : 'psql';

	$self->{run} = IPC::Run::start(
		[ $psql, '-XqAt', '-d', $node->connstr('postgres'), '-f', '-' ],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err}, IPC::Run::timeout(180));
	$self->{pid} = $self->query('SELECT pg_backend_pid()');
	return $self;
}

# Send SQL and do not wait.
sub start
{
	my ($self, $sql) = @_;

	$self->{n}++;
	$self->{out} = $self->{err} = '';
	$self->{from} = time;
	$self->{in} .= "$sql;\n\\echo done-$self->{n}\n";
	$self->{run}->pump_nb;
}

sub done
{
	my ($self) = @_;

	eval { $self->{run}->pump_nb };
	return $self->{out} =~ /^done-$self->{n}$/m;
}

# Wait until what was started ended: its output; {err} and {seconds} are set.
# A connection that was ended by the server ends the wait too.
sub wait
{
	my ($self) = @_;

	until ($self->done)
	{
		last unless $self->{run}->pumpable;
		eval { $self->{run}->pump; 1 } or last;
	}
	$self->{seconds} = time - $self->{from};
	(my $out = $self->{out}) =~ s/^done-\d+\n//m;
	chomp $out;
	return $out;
}

sub query
{
	my ($self, $sql) = @_;

	$self->start($sql);
	return $self->wait;
}

sub quit
{
	my ($self) = @_;

	return unless $self->{run};
	$self->{in} .= "\\q\n";
	eval { $self->{run}->finish; 1 } or eval { $self->{run}->kill_kill };
	$self->{run} = undef;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;

	$self->quit;
}

1;
