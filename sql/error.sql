-- What a user meets first: no server, several, the wrong one, one that is down.
SELECT qwen_label('x', ARRAY['a', 'b']);
SELECT qwen_label('x', ARRAY['a', 'b'], server => 'nobody');
SELECT qwen_label('x', ARRAY['a', 'b'], long_text => 'cut');

CREATE SERVER one FOREIGN DATA WRAPPER qwen_classify
  OPTIONS (url 'http://127.0.0.1:1/v1', model 'm', api 'openai');
SELECT qwen_label('x', ARRAY['a', 'b']);
SELECT * FROM qwen.check_server('one');

-- Planning sends nothing, so none of these meets the dead server.
EXPLAIN (COSTS OFF) SELECT qwen_label('x', ARRAY['a', 'b']);
EXPLAIN (COSTS OFF) SELECT 1 FROM (VALUES (1), (2)) v(i) WHERE qwen_label('x', ARRAY['a', 'b']) = 'a';
PREPARE p AS SELECT qwen_label('x', ARRAY['a', 'b']) = 'a';
DEALLOCATE p;

-- A text that cannot be labelled stops its own row only, or as on_error says.
SELECT * FROM qwen_classify('', ARRAY['a', 'b']);
SELECT qwen_label(t, ARRAY['a', 'b']) FROM (VALUES (' '), (E'\n'), (' ')) v(t);
SET qwen_classify.on_error = 'label';
SELECT * FROM qwen_classify('', ARRAY['a', 'b']);
SELECT qwen_label('', ARRAY['a', 'b']), qwen_scores('', ARRAY['a', 'b']);
SET qwen_classify.on_error = 'error';
SELECT * FROM qwen_classify('', ARRAY['a', 'b']);
RESET qwen_classify.on_error;

CREATE SERVER two FOREIGN DATA WRAPPER qwen_classify
  OPTIONS (url 'http://127.0.0.1:1/v1', model 'm', api 'openai');
SELECT qwen_label('x', ARRAY['a', 'b']);
SET qwen_classify.server = 'two';
SELECT qwen_label('x', ARRAY['a', 'b']);
RESET qwen_classify.server;

-- USAGE decides, and a setting is no way round it.
CREATE ROLE regress_qwen_user;
SET ROLE regress_qwen_user;
SELECT qwen_label('x', ARRAY['a', 'b']);
SELECT qwen_label('x', ARRAY['a', 'b'], server => 'one');
SET qwen_classify.server = 'one';
SELECT qwen_label('x', ARRAY['a', 'b']);
RESET qwen_classify.server;
CREATE SERVER mine FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:1/v1');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER two TO regress_qwen_user;
SET ROLE regress_qwen_user;
SELECT qwen_label('x', ARRAY['a', 'b']);
RESET ROLE;
REVOKE USAGE ON FOREIGN SERVER two FROM regress_qwen_user;
DROP ROLE regress_qwen_user;

-- Another wrapper's server is not ours.
CREATE FOREIGN DATA WRAPPER other;
CREATE SERVER foreigner FOREIGN DATA WRAPPER other;
SELECT qwen_label('x', ARRAY['a', 'b'], server => 'foreigner');
DROP SERVER foreigner;
DROP FOREIGN DATA WRAPPER other;

DROP SERVER one;
DROP SERVER two;
