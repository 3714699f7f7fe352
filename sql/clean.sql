-- qwen_clean: what it is, its arguments, and that no text makes it fail.  What each
-- stage does to which text is in test/unit/test_clean.c.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qwen_classify;
SELECT provolatile, proparallel, proisstrict FROM pg_proc WHERE proname = 'qwen_clean';

SELECT qwen_clean('<p>Hello <b>Bob</b>,</p><script>x()</script><p>the caf&eacute; is open&#8230; &lt;soon&gt;</p>');
SELECT qwen_clean('a < b and c > d, List<String>, <joe@example.com>');
SELECT qwen_clean(U&'The caf\00c3\00a9 wasn\00e2\20ac\2122t open') AS cp1252,
       qwen_clean('浠婂ぉ澶╂皵寰堝ソ') AS gbk,
       qwen_clean('为什么') AS clean;
SELECT qwen_clean(E'Where is it?!!!!!!!!\n\n\n\nSent from my iPhone\n-- \nBob');
SELECT qwen_clean(E'快递太慢了。。。。。。\n点击上方蓝字关注我们\n责任编辑：王某');

-- Each stage has its switch; NULL means the default.
CREATE TABLE dirty AS SELECT E'<b>a</b>  caf\u00c3\u00a9!!!!! \u200bhttps://www.a.org/x?y\nUnsubscribe' AS body;
SELECT quote_literal(qwen_clean(body)) FROM dirty;
SELECT quote_literal(qwen_clean(body, html => false)) FROM dirty;
SELECT quote_literal(qwen_clean(body, mojibake => false)) FROM dirty;
SELECT qwen_clean(body, controls => false) ~ U&'\200b' FROM dirty;
SELECT quote_literal(qwen_clean(body, boilerplate => false)) FROM dirty;
SELECT quote_literal(qwen_clean(body, punctuation => false)) FROM dirty;
SELECT quote_literal(qwen_clean(body, space => false)) FROM dirty;
SELECT quote_literal(qwen_clean(body, urls => 'drop')) FROM dirty;
SELECT quote_literal(qwen_clean(body, urls => 'domain')) FROM dirty;
SELECT qwen_clean(body, NULL, NULL, NULL, NULL, NULL, NULL, NULL) = qwen_clean(body) FROM dirty;
SELECT qwen_clean(body, false, false, false, false, false, false) = body FROM dirty;
SELECT qwen_clean(body, urls => 'short') FROM dirty;
SELECT qwen_clean(NULL) IS NULL, qwen_clean('') = '', qwen_clean(E' \n ') = '';

-- Twice is once; an index may stand on it.
SELECT qwen_clean(qwen_clean(body)) = qwen_clean(body) FROM dirty;
CREATE INDEX ON dirty (md5(qwen_clean(body)));
DROP TABLE dirty;

-- Hostile pages end, and soon.
SELECT qwen_clean(repeat('<div><span>', 100000) || 'in' || repeat('</b>', 100000));
SELECT length(qwen_clean('<p ' || repeat('a="b" ', 100000) || '>x</p>'));
SELECT qwen_clean('<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]><p>&a;&b;x</p>') !~ 'aaaa|root';
