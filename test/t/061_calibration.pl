# From the server's numbers to a confidence that people bear out: fits by the
# number of reviews, what new rows show, when a calibration is stale, and the
# rows that are there already.
use strict;
use warnings;
use QwenTest;
use Test::More;

my $labels = "ARRAY['refund','bug','praise']";

start_mock();
my $node = start_node(preload => 1, conf => "qwen_classify.worker_idle_timeout = 60\n");
server($node, 'qwen', url('vllm'));
server($node, 'other', url('vllm'));

sub labelled { return value($node, "SELECT count(*) FROM $_[0] WHERE label IS NOT NULL") }

# A table of n labelled rows with a task of its name.
sub table
{
	my ($name, $n, %opt) = @_;

	$node->safe_psql('postgres',
		"CREATE TABLE $name (id bigint PRIMARY KEY, body text, label text, confidence float8, reason text);"
		  . "SELECT qwen.create_task('$name', $labels, server => 'qwen', with_reason => false"
		  . ($opt{task} || '') . ');'
		  . "SELECT qwen.attach('$name', '$name', 'body');"
		  . "INSERT INTO $name (id, body) SELECT i, 'text ' || i FROM generate_series(1, $n) i");
	ok(wait_until(sub { labelled($name) == $n }, "labels of $name"), "$n rows of $name are labelled");
}

# The machine is too sure: it is right with a probability of sigmoid(slope * logit + shift).
sub review
{
	my ($name, $n, %opt) = @_;
	my $slope = $opt{slope} || 0.4;
	my $role = $opt{role} || 'audit';
	my $prob = $opt{prob} || 1;

	$node->safe_psql('postgres', <<"SQL");
INSERT INTO qwen.review_row (task, k, kx, text_hash, role, prob, version, label, confidence,
	coverage, source, top, human, reviewer, reviewed_at)
SELECT task, k, kx, text_hash, '$role', $prob, r.version, r.label, confidence, coverage, r.source, top,
	CASE WHEN abs(hashint8extended(k, 7) % 100000) / 1e5 < 1 / (1 + ((1 - confidence) / confidence) ^ $slope)
		THEN r.label ELSE (SELECT l FROM unnest($labels) l WHERE l <> r.label LIMIT 1) END, 'anna', now()
FROM qwen.result r JOIN qwen.task t ON t.id = r.task
WHERE t.name = '$name' AND NOT EXISTS (SELECT FROM qwen.review_row v WHERE v.task = r.task AND v.k = r.k)
ORDER BY hashint8extended(k, 1) LIMIT $n
SQL
}

sub item
{
	my ($function, $name, $item) = @_;

	return value($node, "SELECT value FROM qwen.$function('$name') WHERE item = '$item'");
}

sub fitted { return value($node, "SELECT c.$_[1] FROM qwen.calibration c JOIN qwen.task t ON t.id = c.task WHERE t.name = '$_[0]'") }

sub calibration { return value($node, "SELECT calibration FROM qwen.progress WHERE task = '$_[0]'") }

# Twenty new rows, and how many of them show the server's number.
sub raw_rows
{
	my ($name, $from) = @_;
	my $to = $from + 19;

	$node->safe_psql('postgres', "INSERT INTO $name (id, body) SELECT i, 'text ' || i FROM generate_series($from, $to) i");
	wait_until(sub { value($node, "SELECT count(*) FROM $name WHERE id >= $from AND label IS NOT NULL") == 20 }, 'labels');
	return value($node, "SELECT count(*) FROM $name t JOIN qwen.result r ON r.k = t.id JOIN qwen.task k ON k.id = r.task "
		  . "AND k.name = '$name' WHERE t.id BETWEEN $from AND $to AND t.confidence = r.confidence");
}

table('ticket', 1500);

subtest 'the method follows the number of reviews' => sub {
	is(item('calibration_of', 'ticket', 'state'), 'uncalibrated', 'nothing yet');
	is(calibration('ticket'), 'none', 'progress says it, too');
	review('ticket', 19);
	is(item('calibrate', 'ticket', 'method'), 'prior', '19 reviews: the prior');
	cmp_ok(abs(item('calibration_of', 'ticket', 'raw 0.9') - 1 / (1 + (0.1 / 0.9)**0.6)), '<', 0.001,
		'which is a temperature of 1.7');
	is(item('calibration_of', 'ticket', 'state'), 'uncalibrated', 'and is called uncalibrated');
	is(calibration('ticket'), 'shipped prior', 'in the view the shipped prior');
	is(item('calibrate', 'ticket', 'next'), '1 more review', 'it says how many are wanted');
	review('ticket', 1);
	is(item('calibrate', 'ticket', 'method'), 'platt', '20: slope and shift');
	is(item('calibrate', 'ticket', 'next'), '30 more reviews', 'with 50 the label mix is tried');
	is(item('calibration_of', 'ticket', 'state'), 'active', 'it is applied');
	is(calibration('ticket'), 'calibrated', 'and the view says so');
	review('ticket', 30);
	is(item('calibrate', 'ticket', 'method'), 'platt', '50: the same');
	is(item('calibrate', 'ticket', 'reviews'), '50', 'all are counted');
	review('ticket', 150);
	like(item('calibrate', 'ticket', 'method'), qr/^(platt|beta)$/, '200: one of two');
	review('ticket', 800);
	like(item('calibrate', 'ticket', 'method'), qr/^(platt|beta|isotonic)$/, '1,000: one of three');
	is(item('calibrate', 'ticket', 'next'), 'enough reviews', 'that is enough');
};

subtest 'what was fitted is what was put in' => sub {
	my $c = item('calibration_of', 'ticket', 'raw 0.9');

	cmp_ok(abs($c - 1 / (1 + (0.1 / 0.9)**0.4)), '<', 0.06, "raw 0.9 is $c: near the truth of 0.707");
	my ($before) = item('calibrate', 'ticket', 'log-loss before') =~ /^([\d.]+) \([\d.]+ to [\d.]+\)$/;
	my ($after) = item('calibrate', 'ticket', 'log-loss after') =~ /^([\d.]+) \([\d.]+ to [\d.]+\)$/;
	cmp_ok($after, '<', $before, 'the log-loss falls, with intervals beside');
	my ($slope) = item('calibrate', 'ticket', 'slope before') =~ /^(-?[\d.]+) \(se [\d.]+\)$/;
	cmp_ok(abs($slope - 0.4), '<', 0.25, "the slope before is $slope: too sure");
	($slope) = item('calibrate', 'ticket', 'slope after') =~ /^(-?[\d.]+) \(se [\d.]+\)$/;
	cmp_ok(abs($slope - 1), '<', 0.5, "after it is $slope");
	is(value($node, "SELECT max(length(item)) + max(length(value)) + max(length(note)) <= 92 FROM qwen.calibrate('ticket')"),
		't', 'and fits a screen of 100 columns');
	is(value($node, "SELECT max(length(item)) + max(length(value)) + max(length(note)) <= 92 FROM qwen.calibration_of('ticket')"),
		't', 'as the other does');
};

subtest 'rows' => sub {
	my $raw = "SELECT count(*) FROM ticket t JOIN qwen.result r ON r.k = t.id JOIN qwen.task k ON k.id = r.task AND k.name = 'ticket'";

	is(value($node, "$raw WHERE t.confidence = r.confidence"), 1500, 'rows that were there show what they did');
	$node->safe_psql('postgres', "INSERT INTO ticket (id, body) SELECT i, 'text ' || i FROM generate_series(2001, 2100) i");
	ok(wait_until(sub { labelled('ticket') == 1600 }, 'new labels'), 'new rows are labelled');
	is(value($node, "$raw WHERE t.id > 2000 AND t.confidence < r.confidence"), 100,
		'they show less than the server said, and the result keeps that');
	is(value($node, "SELECT count(*) FROM ticket t WHERE id > 2000 AND confidence < 0.7") > 0, 1, 'some are below 0.7 now');
	is(value($node, "SELECT undecided = (SELECT count(*) FROM ticket WHERE confidence < 0.7) FROM qwen.progress WHERE task = 'ticket'"),
		't', 'and are counted as undecided') or diag value($node, "SELECT undecided, (SELECT count(*) FROM ticket WHERE confidence < 0.7) FROM qwen.progress");

	$node->safe_psql('postgres', "UPDATE ticket SET label = CASE label WHEN 'bug' THEN 'praise' ELSE 'bug' END WHERE id = 1");
	$node->safe_psql('postgres', "SELECT qwen.agree('ticket', 2)");
	my $agreed = value($node, 'SELECT confidence FROM ticket WHERE id = 2');
	cmp_ok(abs($agreed - value($node, "SELECT r.confidence FROM qwen.result r JOIN qwen.task k ON k.id = r.task AND k.name = 'ticket' WHERE r.k = 2")), '>', 0.001, 'a person agrees');
	mock_reset();
	my $r = run_sql($node, "CALL qwen.recalibrate_now('ticket')");
	is($r->{rc}, 0, 'recalibrate') or diag $r->{err};
	like($r->{err}, qr/\b1498 rows have a calibrated confidence now/, 'says how many it wrote');
	is(mock_stats()->{requests}, 0, 'no request was sent') or diag explain mock_stats();
	is(value($node, "$raw WHERE t.id > 2 AND t.id <= 1500 AND t.confidence < r.confidence"), 1498, 'the others are calibrated now');
	is(value($node, 'SELECT confidence FROM ticket WHERE id = 2'), $agreed, 'what somebody agreed to is as it was');
	is(value($node, "SELECT confidence FROM ticket WHERE id = 1"), 1, "a person's row is as it was");
	is(value($node, "SELECT count(*) FROM qwen.annotation a JOIN qwen.task k ON k.id = a.task AND k.name = 'ticket' WHERE a.k > 2"), 0,
		'nothing of it counts as a decision about a text');
	is(value($node, "SELECT count(*) FROM qwen.queue"), 0, 'and nothing is queued');
	like(run_sql($node, "CALL qwen.recalibrate_now('ticket')")->{err}, qr/\b0 rows have a calibrated/, 'a second time there is nothing to write');
	like(run_sql($node, "BEGIN; CALL qwen.recalibrate_now('ticket'); COMMIT")->{err},
		qr/cannot run inside a transaction block.*COMMIT first/s, 'not in a transaction block');
};

subtest 'a row that somebody has locked' => sub {
	my $holder = session($node);

	$node->safe_psql('postgres', "UPDATE qwen.calibration SET params = ARRAY[0.9], method = 'temp' WHERE task = (SELECT id FROM qwen.task WHERE name = 'ticket')");
	$holder->query('BEGIN; SELECT id FROM ticket WHERE id IN (10, 11) FOR UPDATE');
	my $r = run_sql($node, "CALL qwen.recalibrate_now('ticket')");
	cmp_ok($r->{seconds}, '<', 20, 'does not hold the others');
	like($r->{err}, qr/2 rows were locked by somebody.*Call it again/s, 'and is told');
	$holder->query('COMMIT');
	like(run_sql($node, "CALL qwen.recalibrate_now('ticket')")->{err}, qr/\b2 rows have a calibrated/, 'the next call writes it');
	$holder->quit;
};

subtest 'columns of other types' => sub {
	my %types = (real => 'real', coarse => 'numeric(4,2)');

	$node->safe_psql('postgres', 'CREATE DOMAIN share AS numeric(5,3) CHECK (VALUE BETWEEN 0 AND 1)');
	$types{domain} = 'share';
	for my $name (sort keys %types)
	{
		$node->safe_psql('postgres',
			"CREATE TABLE c_$name (id int PRIMARY KEY, body text, label text, confidence $types{$name});"
			  . "SELECT qwen.create_task('c_$name', $labels, server => 'qwen', with_reason => false);"
			  . "SELECT qwen.attach('c_$name', 'c_$name', 'body', reason => NULL);"
			  . "INSERT INTO c_$name (id, body) SELECT i, 'text ' || i FROM generate_series(1, 60) i");
		ok(wait_until(sub { labelled("c_$name") == 60 }, 'labels'), "$types{$name}: labelled");
		review("c_$name", 60);
		value($node, "SELECT count(*) FROM qwen.calibrate('c_$name')");
		like(run_sql($node, "CALL qwen.recalibrate_now('c_$name')")->{err}, qr/NOTICE:  [3-6]\d rows have/, 'rewritten');
		like(run_sql($node, "CALL qwen.recalibrate_now('c_$name')")->{err}, qr/NOTICE:  0 rows have/, 'once');
	}
};

subtest 'stale' => sub {
	$node->safe_psql('postgres', "SELECT qwen.alter_task('ticket', instructions => 'Mail of a shop.')");
	is(item('calibration_of', 'ticket', 'state'), 'stale', 'another version of the task');
	is(calibration('ticket'), 'stale', 'which the view shows');
	$node->safe_psql('postgres', "INSERT INTO ticket (id, body) SELECT i, 'text ' || i FROM generate_series(3001, 3020) i");
	ok(wait_until(sub { value($node, 'SELECT count(*) FROM ticket WHERE id > 3000 AND label IS NOT NULL') == 20 }, 'labels'), 'new rows');
	is(value($node, "SELECT count(*) FROM ticket t JOIN qwen.result r ON r.k = t.id AND r.version = 2 WHERE t.id > 3000 AND t.confidence = r.confidence"),
		20, 'show the raw number again');
	like(run_sql($node, "CALL qwen.recalibrate_now('ticket')")->{err}, qr/is stale: it was fitted to version 1.*qwen\.calibrate\('ticket'\)/s,
		'recalibrate refuses');
	is(item('calibrate', 'ticket', 'method'), 'prior', 'reviews of the old version do not count');
	is(item('calibrate', 'ticket', 'left out'), 1000, 'and are told');

	table('moved', 60);
	review('moved', 60);
	is(item('calibrate', 'moved', 'method'), 'platt', 'a calibration');
	$node->safe_psql('postgres', "ALTER SERVER qwen OPTIONS (ADD model 'qwen2.5-7b')");
	like(value($node, "SELECT note FROM qwen.calibration_of('moved') WHERE item = 'state'"), qr/fitted to server qwen, .* by qwen \(qwen2\.5-7b\) now/,
		'another model');
	is(calibration('moved'), 'stale', 'is stale in the view');
	is(raw_rows('moved', 101), 20, 'whose numbers are shown as they are');
	$node->safe_psql('postgres', 'ALTER SERVER qwen OPTIONS (DROP model)');
	is(item('calibration_of', 'moved', 'state'), 'active', 'as before');
	is(raw_rows('moved', 201), 0, 'and new rows are calibrated');
};

subtest 'rows chosen for their scores' => sub {
	table('queued', 300);
	review('queued', 40, role => 'audit');
	review('queued', 160, role => 'queue', prob => 0.25);
	like(item('calibrate', 'queued', 'method'), qr/^(platt|beta)$/, 'they are used');
	like(value($node, "SELECT note FROM qwen.calibrate('queued') WHERE item = 'reviews'"),
		qr/^40 audits, 160 chosen by their scores and weighted/, 'weighted');
	like(value($node, "SELECT note FROM qwen.calibrate('queued') WHERE item = 'log-loss before'"),
		qr/^of 40 audits/, 'and the quality is told of audits alone');
};

# People say praise where the machine says bug, half of the time; else they agree.
sub favourite
{
	my ($name, $n) = @_;

	$node->safe_psql('postgres', <<"SQL");
INSERT INTO qwen.review_row (task, k, kx, text_hash, role, prob, version, label, confidence,
	coverage, source, top, human, reviewer, reviewed_at)
SELECT task, k, kx, text_hash, 'audit', 1, r.version, r.label, confidence, coverage, r.source, top,
	CASE WHEN r.label = 'bug' AND hashint8extended(k, 5) % 2 = 0 THEN 'praise' ELSE r.label END, 'anna', now()
FROM qwen.result r JOIN qwen.task t ON t.id = r.task WHERE t.name = '$name' ORDER BY hashint8extended(k, 1) LIMIT $n
SQL
}

# What a row of qwen.result is to show, by the stored numbers alone: model.h again, in Perl.
sub shown_by_hand
{
	my ($name, $row) = @_;
	my ($method, $params) = split /\|/, value($node, "SELECT method, params FROM qwen.calibration c JOIN qwen.task t ON t.id = c.task WHERE t.name = '$name'");
	my ($label, $p, $top, $coverage) = split /\|/, $row;
	my @params = split /,/, $params =~ s/[{}]//gr;
	my @top = split /,/, $top =~ s/[{}]//gr;
	my %index = (refund => 0, bug => 1, praise => 2);
	my $l = $index{$label};
	my $k = pop @params;
	my ($base) = $method =~ /^(\w+)/;
	my %length = (temp => 1, platt => 2, beta => 3);
	my @map = splice @params, 0, $length{$base};
	my $logit = sub { my $x = log($_[0] / (1 - $_[0])); $x < -9 ? -9 : $x > 9 ? 9 : $x };
	my $x = $logit->($p);

	if ($method =~ /\+mix/)
	{
		my ($s, @bias) = splice @params, 0, 1 + $k;
		my @w = map { $top[$_] * exp(-$s * $bias[$_]) } 0 .. $k - 1;
		my $others = 0;

		$others += $_ == $l ? 0 : $w[$_] for 0 .. $k - 1;
		$x = log($w[$l] / $others) if $s > 0;
		$x = $x < -9 ? -9 : $x > 9 ? 9 : $x;
	}
	my $q = 1 / (1 + exp(-$x));
	my $z = $base eq 'beta' ? $map[0] * log($q) - $map[1] * log(1 - $q) + $map[2] : $map[0] * $x + ($map[1] || 0);

	if ($method =~ /\+coverage/)
	{
		my @w = splice @params, 0, 3;

		$z = $w[0] * $z + $w[1] * log($coverage < 0.01 ? 0.01 : $coverage) + $w[2] if $coverage ne '';
	}
	$z = $params[$l] * $z + $params[$k + $l] if $method =~ /\+labels/;
	return 1 / (1 + exp(-$z));
}

subtest 'more than the number counts' => sub {
	server($node, 'open', url('llamacpp'));
	$node->safe_psql('postgres', "CREATE TABLE biased (id bigint PRIMARY KEY, body text, label text, confidence float8, reason text);"
		  . "SELECT qwen.create_task('biased', $labels, server => 'open', with_reason => false);"
		  . "SELECT qwen.attach('biased', 'biased', 'body');"
		  . "INSERT INTO biased (id, body) SELECT i, '\@\@coverage=' || 0.3 + (i % 7) / 10.0 || '\@\@ text ' || i FROM generate_series(1, 900) i");
	ok(wait_until(sub { labelled('biased') == 900 }, 'labels'), 'rows of a server that tells what else it would have said');
	favourite('biased', 60);
	value($node, "SELECT count(*) FROM qwen.calibrate('biased')");
	like(item('calibrate', 'biased', 'label mix'), qr/^(left out|strength 0\.5)$/, '60 reviews: the mix is tried at half strength');
	is(item('calibrate', 'biased', 'labels'), '', 'and nothing for each label');
	$node->safe_psql('postgres', "DELETE FROM qwen.review_row WHERE task = (SELECT id FROM qwen.task WHERE name = 'biased')");
	favourite('biased', 400);
	like(item('calibrate', 'biased', 'labels') . item('calibrate', 'biased', 'label mix'), qr/taken|strength/,
		'400: that one label is often wrong is seen') or diag value($node, "SELECT * FROM qwen.calibrate('biased')");
	like(fitted('biased', 'method'), qr/^(platt|beta)\+(mix|labels|mix\+labels)$/, 'and stored') or diag fitted('biased', 'method');
	like(fitted('biased', "metrics -> 'labels'"), qr/"gain"/, 'with what it was worth');
	is(value($node, "SELECT max(length(item)) + max(length(value)) + max(length(note)) <= 92 FROM qwen.calibrate('biased')"), 't', 'on a screen');
	cmp_ok(value($node, "SELECT value FROM qwen.calibration_of('biased') WHERE item ~ '^bug, raw'") || 0, '<',
		value($node, "SELECT value FROM qwen.calibration_of('biased') WHERE item ~ '^praise, raw'") || 1, 'calibration_of shows the labels');

	my $labels_before = value($node, "SELECT string_agg(id || label, ' ' ORDER BY id) FROM biased");
	$node->safe_psql('postgres', "INSERT INTO biased (id, body) SELECT i, 'text ' || i FROM generate_series(2001, 2100) i");
	ok(wait_until(sub { labelled('biased') == 1000 }, 'labels'), 'new rows');
	my $old = run_sql($node, "CALL qwen.recalibrate_now('biased')")->{err};
	like($old, qr/NOTICE:  900 rows have/, 'old rows');
	my $far = 0;
	for my $row (split /\n/, value($node, "SELECT r.label, r.confidence, r.top, r.coverage, b.confidence FROM qwen.result r JOIN qwen.task t ON t.id = r.task "
		. "JOIN biased b ON b.id = r.k WHERE t.name = 'biased' AND r.k % 5 = 0"))
	{
		my @f = split /\|/, $row;

		$far++ if abs($f[4] - shown_by_hand('biased', $row)) > 1e-6;
	}
	is($far, 0, 'both show what the stored numbers say, by a second computation');
	is(value($node, "SELECT string_agg(id || label, ' ' ORDER BY id) FROM biased WHERE id < 2000"), $labels_before, 'no label changed');
	cmp_ok(value($node, "SELECT avg(b.confidence) FILTER (WHERE b.label = 'bug') - avg(b.confidence) FILTER (WHERE b.label <> 'bug') FROM biased b"), '<', -0.1,
		'the label that is often wrong shows less');
	value($node, "SELECT count(*) FROM qwen.review('biased', 1000)");
	is(value($node, "SELECT count(*) FROM biased b WHERE confidence < 0.7 AND NOT EXISTS (SELECT FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task WHERE t.name = 'biased' AND v.k = b.id)"),
		0, 'review asks of what is shown below 0.7');
	is(value($node, "SELECT count(*) FROM biased b JOIN qwen.review_row v ON v.k = b.id JOIN qwen.task t ON t.id = v.task AND t.name = 'biased' WHERE v.role = 'queue' AND b.confidence >= 0.7"),
		0, 'and of nothing else');
	is(value($node, "SELECT calibration FROM qwen.progress WHERE task = 'biased'"), 'calibrated', 'progress says so');
	is(value($node, "SELECT top IS NOT NULL FROM qwen.review_row v JOIN qwen.task t ON t.id = v.task WHERE t.name = 'biased' AND role = 'queue' LIMIT 1"), 't',
		'a row that is drawn keeps the probabilities of all labels');
};

# Votes with the model's own number beside them, as a task with votes keeps them.
subtest 'two numbers' => sub {
	table('voted', 300);
	$node->safe_psql('postgres', "UPDATE qwen.result SET source = 'vote', coverage = NULL, confidence = 0.5 + (k % 4) / 10.0, verbal = 0.35 + (k % 5) / 8.0 "
		  . "WHERE task = (SELECT id FROM qwen.task WHERE name = 'voted')");
	my $draw = sub {
		my ($n) = @_;

		$node->safe_psql('postgres', <<"SQL");
INSERT INTO qwen.review_row (task, k, text_hash, role, prob, version, label, confidence, source, top, verbal, human, reviewer, reviewed_at)
SELECT task, k, text_hash, 'audit', 1, r.version, r.label, confidence, r.source, top, verbal,
	CASE WHEN abs(hashint8extended(k, 3) % 1000) / 1e3 < verbal THEN r.label ELSE (SELECT l FROM unnest($labels) l WHERE l <> r.label LIMIT 1) END, 'anna', now()
FROM qwen.result r JOIN qwen.task t ON t.id = r.task WHERE t.name = 'voted' ORDER BY k LIMIT $n ON CONFLICT DO NOTHING
SQL
	};
	$draw->(99);
	is(item('calibrate', 'voted', 'method'), 'platt', '99 reviews: votes alone');
	is(item('calibrate', 'voted', 'next'), '1 more review', 'one more is wanted');
	$draw->(150);
	is(item('calibrate', 'voted', 'method'), 'pair', 'from 100 on both');
	like(run_sql($node, "CALL qwen.recalibrate_now('voted')")->{err}, qr/NOTICE:  300 rows have/, 'rows are rewritten by it');
	my ($u, $v, $w) = split /,/, fitted('voted', 'params') =~ s/[{}]//gr;
	is(fitted('voted', 'method'), 'pair', 'nothing else was taken');
	is(value($node, "SELECT count(*) FROM voted t JOIN qwen.result r ON r.k = t.id JOIN qwen.task q ON q.id = r.task AND q.name = 'voted' WHERE abs(t.confidence "
		  . "- 1 / (1 + exp(-($u * ln(r.confidence / (1 - r.confidence)) + $v * ln(r.verbal::float8 / (1 - r.verbal::float8)) + ($w))))) > 1e-6"), 0, 'by the formula');
	cmp_ok($v, '>', $u, 'of the number that people bear out more is made');
};

subtest 'what is accepted' => sub {
	my $undecided = sub { value($node, "SELECT undecided FROM qwen.progress WHERE task = 'accepted'") };
	my $add = sub {
		my ($from) = @_;
		my $before = $undecided->();
		my $n = labelled('accepted');

		$node->safe_psql('postgres', "INSERT INTO accepted (id, body) SELECT i, 'text ' || i FROM generate_series($from, $from + 49) i");
		wait_until(sub { labelled('accepted') == $n + 50 && value($node, "SELECT done FROM qwen.progress WHERE task = 'accepted'") == $n + 50 }, 'labels');
		return $undecided->() - $before;
	};
	my $task = "(SELECT id FROM qwen.task WHERE name = 'accepted')";

	table('accepted', 50, task => ", accept_above => 'certified'");
	is($undecided->(), 50, 'as certified, and nothing is: all are undecided');
	$node->safe_psql('postgres', "INSERT INTO qwen.certificate (task, version, source, target, max_error, risk, sequence, thresholds, certified, threshold, harm, state) "
		  . "VALUES ($task, 1, 'logprob_masked', 'table', 0.05, 0.05, 1, '{0.8}', 1, 0.8, '{0,0,0,0}', 'certified');"
		  . "SELECT qwen.alter_task('accepted', accept_above => 'certified')");
	is($add->(101), value($node, "SELECT count(*) FROM accepted WHERE id > 100 AND confidence < 0.8"), 'with a certificate those below its threshold');
	$node->safe_psql('postgres', "INSERT INTO qwen.calibration (task, version, server, source, method, params, n, metrics) "
		  . "VALUES ($task, 1, 'qwen', 'logprob_masked', 'temp', ARRAY[0.3::float8], 100, '{}'); SELECT qwen.alter_task('accepted', priority => 11)");
	is($add->(201), value($node, "SELECT count(*) FROM qwen.result WHERE task = $task AND k > 200 AND confidence < 0.8"),
		'of the numbers that it was tested on, whatever is shown');
	$node->safe_psql('postgres', "SELECT qwen.alter_task('accepted', accept_above => 0.6)");
	is($add->(301), value($node, "SELECT count(*) FROM accepted WHERE id > 300 AND confidence < 0.6"), 'a number is of what is shown');
	$node->safe_psql('postgres', "UPDATE qwen.certificate SET state = 'suspended' WHERE task = $task; SELECT qwen.alter_task('accepted', accept_above => 'certified')");
	is($add->(401), 50, 'suspended: nothing is accepted');
};

subtest 'an answer that came as a plain UPDATE' => sub {
	table('plain', 40);
	$node->safe_psql('postgres', <<"SQL");
INSERT INTO qwen.review_row (task, k, text_hash, role, prob, version, label, confidence, source)
SELECT task, k, text_hash, 'audit', 1, r.version, r.label, confidence, r.source
FROM qwen.result r JOIN qwen.task t ON t.id = r.task WHERE t.name = 'plain' ORDER BY k LIMIT 30;
UPDATE plain SET label = CASE label WHEN 'bug' THEN 'praise' ELSE 'bug' END WHERE id <= 25;
SQL
	is(item('calibrate', 'plain', 'reviews'), 25, 'counts; what was not drawn, or not answered, does not');
};

# qwen.quality as it stands there, for its caller.
sub quality
{
	my ($name, $gold, $what, $where) = @_;

	return value($node, "SELECT $what FROM qwen.quality('$name'" . ($gold ? ", gold => \$q\$$gold\$q\$" : '') . ") WHERE $where");
}

subtest 'quality against a gold set' => sub {
	table('shop', 300);
	server($node, 'slower', url('vllm', 'delay=50'));
	$node->safe_psql('postgres',
		"CREATE TABLE gold AS SELECT id, body, CASE WHEN id % 5 = 0 THEN 'bug' ELSE label END AS label FROM shop;"
		  . "CREATE TABLE before AS SELECT * FROM shop; CREATE TABLE results AS SELECT * FROM qwen.result");
	my $right = value($node, "SELECT count(*) FROM gold JOIN shop USING (id) WHERE gold.label = shop.label AND id <= 200");
	my $gold = 'SELECT id, label FROM gold WHERE id <= 200';

	is(quality('shop', $gold, 'drawing', "item = 'accuracy'"), "$right of 200 right", 'the labels are those of the rows');
	is(quality('shop', $gold, 'abs(value - ' . $right / 200 . ") < 0.001 AND low < value AND value < high", "item = 'accuracy'"), 't',
		'with an interval');
	is(quality('shop', $gold, "string_agg(item, ',')", "part = 'confidence'"), 'Brier,log-loss,AUROC,slope,ECE', 'the measures of a confidence');
	my $brier = value($node, "SELECT round(avg((confidence - (g.label = s.label)::int) ^ 2)::numeric, 3)::float8 FROM gold g JOIN shop s USING (id) WHERE id <= 200");
	is(quality('shop', $gold, 'value', "part = 'confidence' AND item = 'Brier'"), $brier, 'Brier as SQL has it');
	like(quality('shop', $gold, 'drawing', "item = 'ECE'"), qr/^calibrated ones show 0\.0\d\d \+- 0\.0\d\d$/, 'the ECE beside its floor');
	is(quality('shop', $gold, 'value', "item = 'requests'"), 200, 'and what it cost');
	my $bug = value($node, "SELECT count(*) FILTER (WHERE s.label = 'bug') || ' of ' || count(*) FROM gold g JOIN shop s USING (id) WHERE g.id <= 200 AND g.label = 'bug'");
	is(quality('shop', $gold, 'drawing', "part = 'recall' AND item = 'bug'"), $bug, 'recall of a label');
	is(quality('shop', $gold, "count(*), sum(split_part(drawing, ' ', 4)::int)", "part = 'reliability'"), '10|200', 'ten bins hold all rows');
	is(quality('shop', $gold, "count(*) FILTER (WHERE drawing LIKE '%refund%bug%praise')", "part = 'confusion'"), 1, 'the confusion table has a head');
	is(quality('shop', $gold, 'max(length(part)) + max(length(item)) + max(length(value::text)) + max(length(low::text))'
			  . ' + max(length(high::text)) + max(length(drawing)) + 17 <= 100', 'true'), 't', 'in 100 columns');

	is(quality('shop', 'SELECT body, label FROM gold WHERE id <= 200', 'drawing', "item = 'accuracy'"), "$right of 200 right",
		'texts instead of keys: the same');
	like(quality('shop', 'SELECT id + 290, label FROM gold WHERE id <= 20', 'value', "item = 'not asked'"), qr/^10$/, 'keys of no row are told');
	is(value($node, 'SELECT count(*) FROM (TABLE shop EXCEPT TABLE before) x')
		  . value($node, 'SELECT count(*) FROM (TABLE qwen.result EXCEPT TABLE results) x'), '00', 'nothing was written');

	$node->safe_psql('postgres', "SELECT qwen.alter_task('shop', server => 'slower')");
	mock_reset();
	my $r = run_sql($node, "SELECT value FROM qwen.quality('shop', gold => '$gold') WHERE item = 'accuracy'");
	is($r->{rc}, 0, 'a server that takes its time') or diag $r->{err};
	cmp_ok(mock_stats()->{max_in_flight}, '>=', 8, 'many requests are under way at once');
	cmp_ok($r->{seconds}, '<', 8, 'and 200 of 50 ms do not take 10 s');
};

subtest 'quality of many labels, of a key of two columns, of no table' => sub {
	$node->safe_psql('postgres',
		"SELECT qwen.create_task('many', (SELECT array_agg('label number ' || i) FROM generate_series(1, 12) i), server => 'qwen', with_reason => false)");
	my $gold = "SELECT 'text ' || i, 'label number ' || 1 + i % 12 FROM generate_series(1, 120) i";
	is(quality('many', $gold, 'count(*)', "part = 'confusion'"), 13, 'a legend in front of the names');
	like(quality('many', $gold, 'drawing', "part = 'confusion' AND item = 'C label number 3'"), qr/^[A-L] \d+(  [A-L] \d+)*( \.\.\.)?$/,
		'and letters in the table');

	$node->safe_psql('postgres', <<"SQL");
CREATE TABLE pair (a text, b date, body text, label text, confidence float8, reason text, PRIMARY KEY (a, b));
SELECT qwen.create_task('pair', $labels, server => 'qwen', with_reason => false);
SELECT qwen.attach('pair', 'pair', 'body');
INSERT INTO pair (a, b, body) SELECT 'k,"' || i, '2026-01-01'::date + i, 'text ' || i FROM generate_series(1, 30) i;
SQL
	ok(wait_until(sub { labelled('pair') == 30 }, 'labels'), 'labelled');
	is(quality('pair', "SELECT a, b, label FROM pair", 'drawing', "item = 'accuracy'"), '30 of 30 right', 'both columns, then the label');
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET datestyle = 'SQL, DMY'");
	is(quality('pair', "SELECT a, b, label FROM pair", 'drawing', "item = 'accuracy'"), '30 of 30 right', 'whatever the date style');
	$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET datestyle');
};

subtest 'quality from audits' => sub {
	mock_reset();
	like(quality('queued', undef, 'drawing', "item = 'accuracy'"), qr/^\d+ of 40 right \(audits\)$/, 'audits alone are compared');
	is(quality('queued', undef, 'count(*)', "part = 'calibrated'"), 5, 'the calibrated number stands beside');
	is(mock_stats()->{requests}, 0, 'nothing is sent');
	like(run_sql($node, "SELECT * FROM qwen.quality('many')")->{err}, qr/no answered audit.*gold => /s, 'none: it says what to type');
};

subtest 'a gold set that is none' => sub {
	my @cases = (
		[ "SELECT 1, 'nothing' UNION ALL SELECT 2, 'bug'", qr/1 row with a label that is not one of the task's.*"nothing".*"refund", "bug", "praise"/s ],
		[ "SELECT 1, NULL", qr/1 row without a label.*IS NOT NULL/s ],
		[ "SELECT 1, 'bug' WHERE false", qr/gives no row/ ],
		[ 'SELECT 1, 2, 3', qr/neither a key and a label/ ],
		[ "SELECT 1, 'bug'; SELECT 2", qr/not one query/ ],
		[ 'DELETE FROM gold RETURNING id, label', qr/not one query/ ],
		[ "SELECT 'x' || id, 1 FROM nowhere", qr/relation "nowhere" does not exist/ ]);
	mock_reset();
	like(run_sql($node, "SELECT * FROM qwen.quality('shop', gold => \$q\$$_->[0]\$q\$)")->{err}, $_->[1], $_->[0]) for @cases;
	is(mock_stats()->{requests}, 0, 'and nothing was sent');

	$node->safe_psql('postgres', "CREATE ROLE reader; GRANT USAGE ON FOREIGN SERVER qwen, slower TO reader");
	like(run_sql($node, "SET ROLE reader; SELECT * FROM qwen.quality('shop', gold => 'SELECT id, label FROM gold')")->{err},
		qr/ERROR/, 'a stranger to the task');
	$node->safe_psql('postgres', 'GRANT SELECT ON shop TO reader');
	like(run_sql($node, "SET ROLE reader; SELECT * FROM qwen.quality('shop', gold => 'SELECT id, label FROM gold')")->{err},
		qr/permission denied for table gold/, 'the gold query has the rights of who asks');
	like(run_sql($node, "SET ROLE reader; SELECT drawing FROM qwen.quality('shop', gold => 'SELECT id, label FROM shop WHERE id <= 50') WHERE item = 'accuracy'")->{out},
		qr/^50 of 50 right$/, 'who may read the table and use the server may ask');
};

subtest 'who may, and what for' => sub {
	table('forgetful', 20, task => ', keep => false');
	my $r = run_sql($node, "SELECT * FROM qwen.calibrate('forgetful')");
	like($r->{err}, qr/does not keep what the model said.*alter_task\('forgetful', keep => true\)/s, 'keep => false');
	like(run_sql($node, "CALL qwen.recalibrate_now('forgetful')")->{err}, qr/alter_task\('forgetful', keep => true\)/, 'the same');
	like(run_sql($node, "SELECT * FROM qwen.calibrate('nothing')")->{err}, qr/nothing/, 'no such task');
	$node->safe_psql('postgres', 'CREATE ROLE guest');
	like(run_sql($node, "SET ROLE guest; SELECT * FROM qwen.calibrate('ticket')")->{err}, qr/ERROR/, 'a guest cannot calibrate');
	like(run_sql($node, "SET ROLE guest; SELECT * FROM qwen.calibration_of('ticket')")->{err}, qr/ERROR/, 'nor look');
	$node->safe_psql('postgres', 'GRANT SELECT ON ticket TO guest');
	is(run_sql($node, "SET ROLE guest; SELECT value FROM qwen.calibration_of('ticket') WHERE item = 'method'")->{out}, 'prior',
		'who may read the table may look');
};

done_testing();
