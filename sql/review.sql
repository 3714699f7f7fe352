-- Reviews without a worker: rights, refusals, and what is asked.  The rows of
-- qwen.result are written by hand as the worker writes them.
CREATE SERVER nowhere FOREIGN DATA WRAPPER qwen_classify
  OPTIONS (url 'http://127.0.0.1:1/v1', model 'm', api 'openai');
CREATE ROLE regress_qwen_owner;
CREATE ROLE regress_qwen_reviewer;
CREATE ROLE regress_qwen_reader;
CREATE ROLE regress_qwen_nobody;
GRANT USAGE ON FOREIGN SERVER nowhere TO regress_qwen_owner;
CREATE SCHEMA shop AUTHORIZATION regress_qwen_owner;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
SET client_min_messages = warning;
SET ROLE regress_qwen_owner;
CREATE TABLE shop.ticket (id int PRIMARY KEY, body text, label text, confidence real, reason text, secret text);
SELECT qwen.create_task('tickets', labels => '{refund,bug,praise}');
SELECT qwen.attach('tickets', 'shop.ticket', input => 'body');
INSERT INTO shop.ticket SELECT i, 'text ' || i, 'bug', 0.30 + i / 20.0, 'because', 's' FROM generate_series(1, 8) i;
INSERT INTO shop.ticket (id, body) VALUES (9, 'text 9');
RESET ROLE;
INSERT INTO qwen.result (task, k, text_hash, version, label, confidence, source, top, coverage)
  SELECT t.id, s.id, qwen.input_hash(s.body), 1, 'bug', s.confidence, 'logprob_renorm',
         ARRAY[(1 - s.confidence) * 0.9, s.confidence, (1 - s.confidence) * 0.1], 0.9
    FROM qwen.task t, shop.ticket s WHERE t.name = 'tickets' AND s.label IS NOT NULL;
-- labels that a machine set are 'kept' until the worker's results say otherwise
DELETE FROM qwen.annotation;
GRANT SELECT (id, body, label, confidence, reason), UPDATE (label) ON shop.ticket TO regress_qwen_reviewer;
GRANT SELECT ON shop.ticket TO regress_qwen_reader;

-- Who may review: the owner, and who may read what is shown and UPDATE the label.
SET ROLE regress_qwen_reviewer;
SELECT * FROM qwen.review('tickets', 4);
SELECT qwen.agree('tickets', 1);
SELECT qwen.correct('tickets', '2', 'refund');
SET ROLE regress_qwen_reader;
SELECT * FROM qwen.review('tickets');
SELECT * FROM qwen.audit('tickets');
SELECT qwen.agree('tickets', 3);
SELECT qwen.correct('tickets', 3, 'refund');
SELECT what, label, confidence, version, source, who, note FROM qwen.history('tickets', 2);
SELECT drawn, answered, wrong FROM qwen.audits('tickets');
SELECT * FROM qwen.export('tickets') LIMIT 2;
SET ROLE regress_qwen_nobody;
SELECT * FROM qwen.review('tickets');
SELECT * FROM qwen.audit('tickets');
SELECT * FROM qwen.audits('tickets');
SELECT qwen.agree('tickets', 3);
SELECT * FROM qwen.history('tickets', 2);
SELECT * FROM qwen.export('tickets');
SELECT count(*) FROM qwen.review_row;
RESET ROLE;
SELECT id, label, confidence, reason FROM shop.ticket ORDER BY id;
SELECT k, kind, label, author FROM qwen.annotation ORDER BY k;
SELECT k, role, round(prob::numeric, 3) AS prob, version, label, round(confidence::numeric, 2) AS confidence, source, human, reviewer, shown_to
  FROM qwen.review_row ORDER BY k;

-- Policies hide rows, and functions read as the owner.
ALTER TABLE shop.ticket ENABLE ROW LEVEL SECURITY;
CREATE POLICY first_two ON shop.ticket TO regress_qwen_reviewer, regress_qwen_reader USING (id < 3);
SET ROLE regress_qwen_reviewer;
SELECT * FROM qwen.review('tickets');
SELECT qwen.agree('tickets', 1);
SELECT * FROM qwen.export('tickets');
SELECT * FROM qwen.history('tickets', 8);
SET ROLE regress_qwen_owner;
SELECT key FROM qwen.review('tickets', 2);
RESET ROLE;
ALTER TABLE shop.ticket DISABLE ROW LEVEL SECURITY;

-- What is refused, and what to do.
SET ROLE regress_qwen_owner;
SELECT qwen.correct('ticket', 1, 'bug');
SELECT qwen.correct('tickets', 100, 'bug');
SELECT qwen.correct('tickets', 'one', 'bug');
SELECT qwen.correct('tickets', 4294967297, 'refund');
SELECT qwen.correct('tickets', '(1)', 'refund');
SELECT qwen.correct('tickets', NULL::text, 'bug');
SELECT qwen.correct('tickets', 1, NULL);
SELECT qwen.correct('tickets', 1, 'Bug');
SELECT qwen.correct(NULL, 1, 'bug');
SELECT qwen.agree('tickets', 9);
SELECT qwen.agree('tickets', 100);
SELECT * FROM qwen.review('tickets', 0);
SELECT * FROM qwen.review('tickets', 1001);
SELECT * FROM qwen.history('tickets', 100);
SELECT qwen.create_task('loose', '{a,b}');
SELECT * FROM qwen.review('loose');
SELECT qwen.agree('loose', 1);
SELECT qwen.alter_task('tickets', keep => false);
SELECT * FROM qwen.review('tickets');
SELECT * FROM qwen.audit('tickets');
SELECT * FROM qwen.audits('tickets');
SELECT * FROM qwen.export('tickets');
SELECT qwen.agree('tickets', 3);
SELECT qwen.alter_task('tickets', keep => true);

-- What was said stands, and nothing of what was refused.
RESET ROLE;
SELECT id, label, confidence, reason FROM shop.ticket WHERE confidence = 1 ORDER BY id;
BEGIN READ ONLY;
SELECT * FROM qwen.audits('tickets');
SELECT * FROM qwen.review('tickets');
ROLLBACK;
-- An audit is one whoever was asked before, and hides what was said.
UPDATE qwen.task SET seed = 42 WHERE name = 'tickets';
SELECT * FROM qwen.audit('tickets', 100);
SELECT * FROM qwen.audits('tickets');
SELECT count(*) FROM qwen.review('tickets');

SELECT qwen.drop_task('tickets');
SELECT count(*) FROM qwen.review_row;
SELECT qwen.drop_task('loose');
DROP SCHEMA shop CASCADE;
DROP SERVER nowhere CASCADE;
DROP ROLE regress_qwen_owner, regress_qwen_reviewer, regress_qwen_reader, regress_qwen_nobody;
