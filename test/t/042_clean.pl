# qwen_clean where a regress test does not reach: beside PostgreSQL's own use of
# libxml2, in other encodings, when somebody cancels it, and in a task's input.
use strict;
use warnings;
use QwenTest;
use Test::More;

start_mock();
my $node = start_node(preload => 1);
server($node, 'mock', url('vllm'));

sub sql { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

# ---- libxml2 is shared: neither disturbs the other ----

SKIP:
{
	my ($rc) = $node->psql('postgres', q{SELECT xml '<a/>'});
	skip 'this PostgreSQL is built without libxml2', 4 if $rc != 0;

	my ($rc2, $out, $err) = $node->psql('postgres', q{
\set ON_ERROR_STOP 0
SELECT qwen_clean('<p>x<b>y</i></p></p>');
SELECT xml '<a>';
SELECT qwen_clean('<p>z &nope; <b>y</i>');
SELECT (xpath('//b/text()', '<a><b>q</b></a>'))[1];
SELECT xml_is_well_formed_document('<a');
SELECT xml '<b>';
SELECT string_agg(qwen_clean('<p>' || (xpath('/a/text()', xml('<a>' || i || '</a>')))[1]::text || '<b>'), ',') FROM generate_series(1, 3) i;
});
	is($out, "xy\nz &nope; y\nq\nf\n1,2,3", 'answers of both, between each other');
	my @errors = $err =~ /ERROR:  (.*)/g;
	is("@errors", 'invalid XML content invalid XML content', 'XML errors are XML errors');
	like($err, qr/Premature end of data in tag b/, '... with their detail');
	unlike($err, qr/HTML|nope|htmlParse/, '... and none is of ours');
}

# ---- the worker evaluates it in a task's input, as the table's owner ----

sql(q{
CREATE ROLE shop LOGIN;
GRANT USAGE ON FOREIGN SERVER mock TO shop;
GRANT CREATE ON SCHEMA public TO shop;
SET ROLE shop;
CREATE TABLE mail (id int PRIMARY KEY, source text, body text, label text, confidence real, reason text);
SELECT qwen.create_task('mails', '{"refund": "wants money back", "bug": null, "praise": null}', with_reason => false);
SELECT qwen.attach('mails', 'mail', input => $$'Source: ' || source || E'\n' || qwen_clean(body)$$);
INSERT INTO mail VALUES (1, 'web', '<p>I want a <b>refund</b>!!!!!!</p><script>bug()</script>' || E'\nSent from my iPhone');
});
ok($node->poll_query_until('postgres', 'SELECT label IS NOT NULL FROM mail'), 'the worker labels a row by its cleaned text');
is(sql('SELECT label FROM mail'), 'refund', '... rightly');
is(mock_last()->{messages}[1]{content}, "Source: web\nI want a refund!!!", '... which is what was sent, metadata first');

sql(q{UPDATE mail SET body = '<p>There is a bug &amp; it is b&aacute;d</p>'});
ok($node->poll_query_until('postgres', q{SELECT label = 'bug' FROM mail}), 'a changed body is cleaned and labelled again');
is(mock_last()->{messages}[1]{content}, "Source: web\nThere is a bug & it is b\xE1d", '... in UTF-8');

# ---- in a query ----

is(sql(q{SELECT qwen_label(qwen_clean('<i>a refund</i><br>'), ARRAY['refund', 'bug'], server => 'mock')}), 'refund', 'inside of a call');

# ---- cancelled in the middle of a large page ----

my $r = run_sql($node, q{SET statement_timeout = '100ms'; SELECT length(qwen_clean(repeat('<div><p>a<b>b</b></p>', 3000000)))});
like($r->{err}, qr/canceling statement due to statement timeout/, 'a statement ends in the middle of a page');
cmp_ok($r->{seconds}, '<', 5, '... soon');

# ---- parallel workers ----

sql(q{CREATE TABLE many AS SELECT '<p>caf&eacute; ' || i || '</p>' AS body FROM generate_series(1, 20000) i; ANALYZE many});
my $parallel = q{SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0;};
my $count = q{SELECT count(*) FROM many WHERE qwen_clean(body) LIKE '%7'};
like(sql("$parallel EXPLAIN (COSTS OFF) $count"), qr/Parallel Seq Scan/, 'it runs in parallel workers');
is(sql("$parallel $count"), 2000, '... with the same results');

# ---- other encodings ----

for my $encoding ('LATIN1', 'WIN1252', 'EUC_CN', 'EUC_JP', 'SQL_ASCII', 'MULE_INTERNAL')
{
	my $db = lc "db_$encoding";
	sql("CREATE DATABASE $db TEMPLATE template0 ENCODING '$encoding' LOCALE 'C'");
	sql('CREATE EXTENSION qwen_classify', $db);
	is(sql(q{SELECT qwen_clean('<p>a  <b>b</b>!!!!!</p>')}, $db),
		$encoding eq 'MULE_INTERNAL' ? '<p>a  <b>b</b>!!!!!</p>' : 'a b!!!', "$encoding: plain text");
}

# What the bytes of a text become in a database of this encoding, as hexadecimal digits.
sub bytes_in
{
	my ($encoding, $bytes) = @_;
	my $hex = unpack('H*', $bytes);

	return sql("SELECT encode(convert_to(qwen_clean(convert_from(decode('$hex', 'hex'), '$encoding')), '$encoding'), 'hex')", lc "db_$encoding");
}

is(bytes_in('LATIN1', "caf\xC3\xA9 it\x92s"), unpack('H*', "caf\xE9 it's"), 'LATIN1: mended, but no character that it lacks is made');
is(bytes_in('LATIN1', '<p>a&rsquo;b&eacute;</p>'), unpack('H*', "a&#8217;b\xE9"), 'LATIN1: what it lacks stays a reference');
is(bytes_in('WIN1252', "don\xE2\x80\x99t <br>"), unpack('H*', "don\x92t"), 'WIN1252: mended');
is(bytes_in('EUC_CN', "\xBF\xEC\xB5\xDD\xCC\xAB\xC2\xFD" . "\xA3\xA1" x 5), unpack('H*', "\xBF\xEC\xB5\xDD\xCC\xAB\xC2\xFD" . "\xA3\xA1" x 3), 'EUC_CN: three signs');

# In SQL_ASCII a text is bytes: what is UTF-8 of it is cleaned, the rest stays.
is(bytes_in('SQL_ASCII', "\xff\xfe  <b>b</b>!!!!! caf\xc3\x83\xc2\xa9 \xe4"), unpack('H*', "\xff\xfe b!!! caf\xc3\xa9 \xe4"),
	'SQL_ASCII: bytes that are no text stay');

# Random bytes between tags: no error, whatever they are.
is(sql(q{SELECT count(qwen_clean(convert_from(overlay(overlay(noise PLACING '<p>' FROM 5) PLACING '</p>' FROM 20), 'SQL_ASCII')))
	FROM generate_series(1, 5000) AS i, decode(replace(md5(i::text) || md5((i * 7)::text), '00', '3c'), 'hex') AS noise}, 'db_sql_ascii'), 5000, 'SQL_ASCII: 5,000 texts of random bytes');

$node->stop;
stop_mock();
done_testing();
