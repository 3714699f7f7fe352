-- What test/valgrind/run sends: each function, each way in and each way out.
SET client_min_messages = warning;
CREATE SERVER good FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/llamacpp/v1', request_timeout '60s');
CREATE SERVER vllm FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/vllm/v1', exact 'on', request_timeout '60s');
CREATE SERVER sglang FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/sglang/v1', request_timeout '60s');
CREATE SERVER ollama FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/ollama/v1', api 'ollama', request_timeout '60s');
CREATE SERVER openai FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/openai/v1', extra_body '{"seed": 1}', request_timeout '60s');
CREATE SERVER plain FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/plain/inference', request_timeout '60s');
CREATE SERVER slow FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/llamacpp/delay=60000/v1', request_timeout '120s');
CREATE SERVER garbage FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/llamacpp/answer=garbage/v1', request_timeout '60s');
CREATE SERVER half FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/llamacpp/half=1/v1', request_timeout '60s', retry_timeout '1s');
CREATE SERVER fails FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/llamacpp/fail=500/v1', request_timeout '60s', retry_timeout '1s');
CREATE SERVER nobody FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:1/v1', api 'openai');
CREATE SERVER name FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://localhost:@PORT@/llamacpp/v1', request_timeout '60s');
CREATE SERVER two FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:@PORT@/llamacpp/v1,http://127.0.0.1:1/v1', request_timeout '60s');

-- all servers, all functions
SET qwen_classify.server = 'good';
SELECT qwen.version();
SELECT * FROM qwen.check_server('good');
SELECT s, (qwen_classify('I want my money back ' || i, ARRAY['refund', 'bug', 'praise'], server => s)).*
  FROM unnest(ARRAY['good', 'vllm', 'sglang', 'ollama', 'openai', 'plain', 'name', 'two']) s, generate_series(1, 3) i;
SELECT s, qwen_label('card ' || i, ARRAY['card_arrival', 'card_linking', 'card_lost'], server => s)
  FROM unnest(ARRAY['good', 'vllm', 'sglang', 'ollama', 'openai', 'plain']) s, generate_series(1, 3) i;
SELECT qwen_scores('苹果发布新款手机', ARRAY['科技', '体育', '财经'], server => s) FROM unnest(ARRAY['good', 'vllm', 'openai', 'plain']) s;
SELECT length(qwen.preview('text', '{"a": "one", "b": null}', instructions => 'Do it.', examples => '[{"input": "x", "label": "a"}]')::text);
SELECT qwen_label('text', '{"a": "one", "b": null}'::jsonb), qwen_label('text', '{a,b}'), qwen_label(NULL, '{a,b}');
SELECT length(qwen_label(repeat('long text ', 2000), '{a,b}'));

-- what is wrong
SELECT qwen_label('text', '{}');
SELECT qwen_label('text', '{a,a}');
SELECT qwen_label('text', 'no labels');
SELECT qwen_label('text', NULL::text[]);
SELECT qwen_label('text', '{a,b}', server => 'unknown');
SELECT qwen_label('text', '{a,b}', server => 'nobody');
SELECT qwen_label('text', '{a,b}', server => 'fails');
SELECT qwen_label('text', '{a,b}', server => 'half');
SELECT * FROM qwen_classify('text', '{a,b}', server => 'garbage');
SELECT * FROM qwen_classify('  ', '{a,b}');
CREATE SERVER wrong FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'ftp://nowhere');
SET qwen_classify.on_error = 'error';
SELECT * FROM qwen_classify('text', '{a,b}', server => 'garbage');
RESET qwen_classify.on_error;

-- early ends
SET statement_timeout = '3s';
SELECT qwen_label('text', '{a,b}', server => 'slow');
SELECT qwen_label('text', '{a,b}', server => 'slow') FROM generate_series(1, 2);
RESET statement_timeout;
BEGIN;
DECLARE c CURSOR FOR SELECT qwen_label('row ' || i, '{a,b}') FROM generate_series(1, 10) i;
FETCH 3 FROM c;
SAVEPOINT s;
SELECT qwen_label('text', '{a,b}', server => 'nobody');
ROLLBACK TO s;
FETCH 2 FROM c;
CLOSE c;
DECLARE d CURSOR FOR SELECT qwen_label('row ' || i, '{a,b}') FROM generate_series(1, 10) i;
FETCH 1 FROM d;
ROLLBACK;
DO $$
BEGIN
	PERFORM qwen_label('text', '{a,b}', server => 'nobody');
EXCEPTION WHEN OTHERS THEN
	PERFORM qwen_label('after', '{a,b}');
END $$;
SET qwen_classify.max_requests = 3;
SELECT qwen_label('limited ' || i, '{a,b}') FROM generate_series(1, 5) i;
RESET qwen_classify.max_requests;

-- options that change under a session, and many rows
ALTER SERVER good OPTIONS (ADD temperature '0.5');
SELECT qwen_label('text again', '{a,b}');
CREATE TABLE ticket AS SELECT 'ticket ' || i % 50 AS body, NULL::text AS label, NULL::float8 AS confidence, NULL::text AS reason FROM generate_series(1, 60) i;
UPDATE ticket SET (label, confidence, reason) = (SELECT * FROM qwen_classify(body, ARRAY['refund', 'bug', 'praise']));
SELECT count(*), count(label) FROM ticket;
SELECT label, count(*) FROM (SELECT qwen_label(body, ARRAY['refund', 'bug', 'praise']) FROM ticket) t(label) GROUP BY 1;

-- by a task whose answers are calibrated, by servers in turn
SELECT qwen.create_task('tickets', labels => ARRAY['refund', 'bug', 'praise'], server => 'good', with_reason => false);
INSERT INTO qwen.calibration (task, version, server, source, method, params, n, metrics)
SELECT id, version, 'good', (qwen.answer('what is it', 'tickets')).source, 'platt+mix+coverage+labels', '{0.7,0.3,0.8,0.1,0.9,-0.2,0.9,0.2,-0.1,1.1,0.8,1.0,0.2,-0.3,0.1,3}', 100, '{}' FROM qwen.task;
SELECT count(a.confidence), count(*) FILTER (WHERE a.confidence <> a.raw) FROM ticket t, LATERAL qwen.answer(t.body, 'tickets') a;
SELECT count((SELECT confidence FROM qwen_classify(body, task => 'tickets', server => CASE WHEN ctid::text LIKE '%2)' THEN 'good' ELSE 'sglang' END))) FROM ticket;
SELECT qwen.answer('text', NULL);
SELECT drawing FROM qwen.quality('tickets', gold => $$SELECT body, 'bug' FROM ticket$$) WHERE item IN ('accuracy', 'ECE');
SELECT qwen.drop_task('tickets');
EXPLAIN SELECT qwen_label('text', '{a,b}');
DROP SERVER good;
SELECT qwen_label('gone', '{a,b}');
