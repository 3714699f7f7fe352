-- Tasks: a name for what to ask.  Nothing is sent (port 1 answers nobody).
CREATE SERVER nowhere FOREIGN DATA WRAPPER qwen_classify
  OPTIONS (url 'http://127.0.0.1:1/v1', model 'm', api 'openai');
CREATE SERVER closed FOREIGN DATA WRAPPER qwen_classify
  OPTIONS (url 'http://127.0.0.1:2/v1', model 'm', api 'openai');
CREATE ROLE regress_qwen_admin SUPERUSER;
CREATE ROLE regress_qwen_maker;
CREATE ROLE regress_qwen_reader;
GRANT USAGE ON FOREIGN SERVER nowhere TO regress_qwen_maker, regress_qwen_reader;
SET ROLE regress_qwen_admin;
CREATE VIEW task AS
  SELECT name, owner, version, labels, instructions, examples, server, with_reason AS reason, accept_above, priority, keep, votes, long_text
    FROM qwen.task ORDER BY id;

-- Labels in all their forms, stored in the order written; the rest has defaults.
SELECT qwen.create_task('tickets', labels => '{"refund": "wants money back", "bug": "something is broken", "praise": "is happy"}',
                        instructions => 'Support mail of a web shop.');
SELECT qwen.create_task('array', ARRAY['z', 'a', 'with "quotes" and \ more']);
SELECT qwen.create_task('array_literal', '{z,a}');
SELECT qwen.create_task('json_array', '["z", "a"]');
SELECT qwen.create_task('half', '{"z": null, "a": "first"}');
SELECT qwen.create_task('jsonb', '{"z": null, "a": "first"}'::jsonb);
SELECT qwen.create_task('jsonb_built', jsonb_build_object('a', 'x', 'b', 'y'));
SELECT qwen.create_task('text', '{"z": null}'::text);
SELECT qwen.create_task(name => 'all', labels => ARRAY['a', 'b'], instructions => 'I.',
  examples => '[{"input": "one", "label": "a"}]', server => 'nowhere', with_reason => false,
  accept_above => 0.9, priority => 20, keep => false, votes => 5, long_text => 'split');
SELECT * FROM task;

-- What is wrong is said before anything is stored.
SELECT qwen.create_task('tickets', '{a,b}');
SELECT qwen.create_task('', '{a,b}');
SELECT qwen.create_task(' ', '{a,b}');
SELECT qwen.create_task(NULL, '{a,b}');
SELECT qwen.create_task(repeat('n', 64), '{a,b}');
SELECT qwen.create_task('bad', NULL);
SELECT qwen.create_task('bad', NULL::text[]);
SELECT qwen.create_task('bad', '{}');
SELECT qwen.create_task('bad', ARRAY['a', 'a']);
SELECT qwen.create_task('bad', '{"a": null, "a": "again"}');
SELECT qwen.create_task('bad', '{"a": {}}'::jsonb);
SELECT qwen.create_task('bad', '{"a": {"b": null}}'::jsonb, tree => 'deep');
SELECT qwen.create_task('bad', '{"a": {"b": null}}'::jsonb, separator => '');
SELECT qwen.create_task('bad', '{"a": {"b>c": null}}'::jsonb, separator => '>');
SELECT qwen.create_task('bad', '{"a": {"b": null}}'::jsonb, min_confidence => -1);
SELECT qwen.create_task('bad', '{a,b}', examples => '[{"input": "i", "label": "c"}]');
SELECT qwen.create_task('bad', '{a,b}', accept_above => 1.5);
SELECT qwen.create_task('bad', '{a,b}', accept_above => 'NaN');
SELECT qwen.create_task('bad', '{a,b}', accept_above => 'certifed');
SELECT qwen.create_task('bad', '{a,b}', accept_above => '');
SELECT qwen.create_task('bad', '{a,b}', priority => 0);
SELECT qwen.create_task('bad', '{a,b}', priority => 101);
SELECT qwen.create_task('bad', '{a,b}', votes => 2);
SELECT qwen.create_task('bad', '{a,b}', long_text => 'cut');
SELECT qwen.create_task('bad', '{a,b}', votes => 21);
SELECT qwen.create_task('bad', '{a,b}', votes => -1);
SELECT qwen.create_task('bad', '{a,b}', server => 'unknown');
SELECT count(*) FROM task WHERE name IN ('', ' ', 'bad');

-- Only what is given changes; what shapes a request makes a new version.
SELECT qwen.alter_task('all', priority => 30);
SELECT qwen.alter_task('all', votes => 5);
SELECT qwen.alter_task('all', long_text => 'split');
SELECT qwen.alter_task('all', accept_above => 0.5, keep => true);
-- accept_above in all spellings; NULL leaves it
SELECT qwen.alter_task('all', accept_above => 'certified');
SELECT accept_above FROM qwen.task WHERE name = 'all';
SELECT qwen.alter_task('all', accept_above => NULL);
SELECT qwen.alter_task('all');
SELECT accept_above FROM qwen.task WHERE name = 'all';
SELECT qwen.alter_task('all', accept_above => 0.8);
SELECT accept_above FROM qwen.task WHERE name = 'all';
SELECT qwen.alter_task('all', accept_above => '0.9');
SELECT accept_above FROM qwen.task WHERE name = 'all';
SELECT qwen.alter_task('all', accept_above => 1);
SELECT qwen.alter_task('all', accept_above => '0.25'::real);
SELECT accept_above FROM qwen.task WHERE name = 'all';
PREPARE accept AS SELECT qwen.alter_task('all', accept_above => $1);
EXECUTE accept('certified');
SELECT accept_above FROM qwen.task WHERE name = 'all';
EXECUTE accept(0.75);
SELECT accept_above FROM qwen.task WHERE name = 'all';
SELECT qwen.alter_task('all', NULL::text[], NULL, NULL, NULL, NULL, 0.5);
SELECT accept_above FROM qwen.task WHERE name = 'all';
SELECT qwen.alter_task('all', '{a,b}');
SELECT * FROM task WHERE name = 'all';
SELECT qwen.alter_task('all', instructions => 'J.');
SELECT qwen.alter_task('all', examples => '[{"input": "two", "label": "b"}]');
SELECT qwen.alter_task('all', server => 'closed');
SELECT qwen.alter_task('all', votes => 3);
SELECT qwen.alter_task('all', long_text => 'head_tail');
SELECT qwen.alter_task('all', with_reason => true);
SELECT qwen.alter_task('all', ARRAY['b', 'a']);
SELECT qwen.alter_task('all', '{"a": null, "b": "second"}'::jsonb);
SELECT * FROM task WHERE name = 'all';
SELECT qwen.alter_task('all', instructions => '', examples => '[]', server => '');
SELECT * FROM task WHERE name = 'all';
SELECT qwen.alter_task('all');
SELECT version FROM task WHERE name = 'all';
-- ... and what is wrong changes nothing.
SELECT qwen.alter_task('all', examples => '[{"input": "two", "label": "c"}]', priority => 5);
SELECT qwen.alter_task('all', priority => 1000);
SELECT qwen.alter_task('all', votes => 1);
SELECT qwen.alter_task('all', long_text => '');
SELECT qwen.alter_task('all', accept_above => -1);
SELECT qwen.alter_task('all', server => 'unknown');
SELECT qwen.alter_task('unknown', priority => 5);
SELECT * FROM task WHERE name = 'all';

-- New names: labels, examples, and what is known of the rows.
SELECT qwen.alter_task('half', examples => '[{"input": "i", "label": "a", "reason": "r"}, {"input": "j", "label": "z"}]');
INSERT INTO qwen.annotation (task, k, kind, label, author, text_hash)
  SELECT t.id, k, 'person', CASE k WHEN 1 THEN 'a' ELSE 'z' END, 'somebody', 0 FROM qwen.task t, generate_series(1, 2) k WHERE name = 'half';
INSERT INTO qwen.result (task, k, text_hash, version, label, source)
  SELECT t.id, k, 0, CASE k WHEN 1 THEN 1 ELSE 2 END, 'a', 'none' FROM qwen.task t, generate_series(1, 2) k WHERE name = 'half';
SELECT qwen.alter_task('half', rename => '{"a": "first"}');
SELECT labels, examples, version FROM task WHERE name = 'half';
SELECT k, label FROM qwen.annotation ORDER BY k;
SELECT k, version, label FROM qwen.result ORDER BY k;
SELECT qwen.alter_task('half', rename => '{"first": "z", "z": "first"}');
SELECT labels, examples, version FROM task WHERE name = 'half';
SELECT k, label FROM qwen.annotation ORDER BY k;
-- With new labels or anything else that shapes a request the results stay old.
SELECT qwen.alter_task('half', '{"one": null, "first": null, "two": null}', rename => '{"z": "one"}');
SELECT labels, examples, version FROM task WHERE name = 'half';
SELECT k, version, label FROM qwen.result ORDER BY k;
SELECT qwen.alter_task('half', rename => '{"unknown": "x"}');
SELECT qwen.alter_task('half', rename => '{"one": "first"}');
SELECT qwen.alter_task('half', rename => '{"one": ""}');
SELECT qwen.alter_task('half', rename => '{"one": 1}');
SELECT qwen.alter_task('half', rename => '["one"]');
SELECT qwen.alter_task('half', rename => '{}');
SELECT qwen.alter_task('half', '{x,y}', examples => '[]', rename => '{"one": "z"}');
SELECT labels, version FROM task WHERE name = 'half';

-- Asking by a task: its labels, instructions, examples, reason and server.
SELECT qwen.alter_task('all', instructions => 'Mail.', server => 'nowhere', examples => '[{"input": "one", "label": "a"}]');
SELECT qwen.preview('x', task => 'all', server => 'closed')::jsonb = qwen.preview('x', '{"a": null, "b": "second"}', 'Mail.', '[{"input": "one", "label": "a"}]', server => 'closed')::jsonb AS same;
SELECT qwen.preview('x', task => 'all')::jsonb = qwen.preview('x', '{"a": null, "b": "second"}', 'Mail.', '[{"input": "one", "label": "a"}]', true, 'nowhere')::jsonb AS same;
SELECT qwen.preview('x', task => 'all', with_reason => false)::jsonb = qwen.preview('x', '{"a": null, "b": "second"}', 'Mail.', '[{"input": "one", "label": "a"}]', false, 'nowhere')::jsonb AS same;
SELECT qwen.alter_task('all', with_reason => false);
SELECT qwen.preview('x', task => 'all')::jsonb = qwen.preview('x', '{"a": null, "b": "second"}', 'Mail.', '[{"input": "one", "label": "a"}]', false, 'nowhere')::jsonb AS same;
SELECT qwen.preview('x', task => 'all', with_reason => true)::jsonb = qwen.preview('x', '{"a": null, "b": "second"}', 'Mail.', '[{"input": "one", "label": "a"}]', true, 'nowhere')::jsonb AS same;
SELECT qwen_label('x', task => 'all');
SELECT qwen_label('x', task => 'all', server => 'closed');
SELECT qwen_scores('x', task => 'all');
SELECT qwen_classify('x', task => 'all');
SELECT qwen_label(NULL, task => 'all') IS NULL AS label, qwen_scores(NULL, task => 'all') IS NULL AS scores,
  qwen_classify(NULL, task => 'all') IS NULL AS classify, qwen.preview(NULL, task => 'all') IS NULL AS preview;
PREPARE driver AS SELECT qwen_label($1, task => $2);
EXECUTE driver(NULL, 'all');
EXECUTE driver('x', 'all');
DEALLOCATE driver;

-- One or the other, and a name that exists.
SELECT qwen_label('x', '{a,b}', task => 'all');
SELECT qwen_label('x', task => 'all', instructions => 'other');
SELECT qwen_label('x', task => 'all', examples => '[]');
SELECT qwen_classify('x', NULL, task => NULL);
SELECT qwen_label('x', task => 'unknown');
SELECT qwen_label('x', 'all', server => 'nowhere');
SELECT qwen_label('x', 'not_a_task', server => 'nowhere');
SELECT qwen.create_task('bad', 'tickets');

-- A call site sees a task as it is in the statement.
DO $$
BEGIN
  FOR i IN 1..2 LOOP
    RAISE NOTICE '%', qwen.preview('x', task => 'text', server => 'nowhere')::jsonb #>> '{messages,0,content}' LIKE '%- later%';
    PERFORM qwen.alter_task('text', '["z", "later"]');
  END LOOP;
END $$;

-- Whoever makes a task owns it; others neither change nor see it.
SET ROLE regress_qwen_maker;
SELECT qwen.create_task('bad', '{a,b}', server => 'closed');
SELECT qwen.create_task('mine', '{a,b}', server => 'nowhere');
SELECT qwen.alter_task('mine', server => 'closed');
SELECT qwen.alter_task('tickets', priority => 5);
SELECT qwen.drop_task('tickets');
SELECT qwen_label('x', task => 'tickets');
SELECT qwen_label('x', 'tickets');
SELECT qwen_label('x', task => 'unknown');
SELECT * FROM qwen.task;
SET ROLE regress_qwen_reader;
SELECT qwen_label('x', task => 'mine');
SELECT qwen.preview('x', task => 'mine');
SELECT qwen_label('x', task => 'unknown');
SET ROLE regress_qwen_admin;
-- Members of the owner do, and who may read the table that it labels.
GRANT regress_qwen_maker TO regress_qwen_reader;
SET ROLE regress_qwen_reader;
SELECT qwen.alter_task('mine', priority => 11);
SELECT qwen_label('x', task => 'mine');
SET ROLE regress_qwen_admin;
REVOKE regress_qwen_maker FROM regress_qwen_reader;
CREATE TABLE mail (id int PRIMARY KEY, body text, label text);
ALTER TABLE mail OWNER TO regress_qwen_maker;
UPDATE qwen.task SET source = 'mail'::regclass WHERE name = 'mine';
SET ROLE regress_qwen_reader;
SELECT qwen_label('x', task => 'mine');
SET ROLE regress_qwen_admin;
GRANT SELECT ON mail TO regress_qwen_reader;
SET ROLE regress_qwen_reader;
SELECT qwen_label('x', task => 'mine');
SELECT qwen.alter_task('mine', priority => 12);
SET ROLE regress_qwen_admin;
-- He needs USAGE on the task's server himself; a superuser alters it for its owner.
REVOKE USAGE ON FOREIGN SERVER nowhere FROM regress_qwen_reader;
SET ROLE regress_qwen_reader;
SELECT qwen_label('x', task => 'mine');
SET ROLE regress_qwen_admin;
SELECT qwen.alter_task('mine', server => 'closed');
UPDATE qwen.task SET source = NULL WHERE name = 'mine';

-- Dropped with all that is known of its rows.
INSERT INTO qwen.queue SELECT id, 1, NULL, now() FROM qwen.task WHERE name IN ('half', 'mine');
INSERT INTO qwen.tally SELECT id, 1 FROM qwen.task WHERE name IN ('half', 'mine');
SELECT qwen.drop_task('half');
SELECT (SELECT count(*) FROM qwen.queue) AS queue, (SELECT count(*) FROM qwen.tally) AS tally,
  (SELECT count(*) FROM qwen.annotation) AS annotation, (SELECT count(*) FROM qwen.result) AS result;
SELECT qwen.drop_task('half');
SELECT qwen.drop_task(NULL);
SELECT qwen.drop_task('mine');
SELECT qwen.create_task('half', '{a,b}');
SELECT name FROM task ORDER BY name COLLATE "C";
BEGIN;
SELECT qwen.drop_task('half');
ROLLBACK;
SELECT qwen.drop_task(name) FROM qwen.task;
SELECT count(*) FROM qwen.task;
SELECT qwen_label('x', task => 'tickets');
BEGIN READ ONLY;
SELECT qwen.create_task('bad', '{a,b}');
ROLLBACK;

DROP TABLE mail;
DROP VIEW task;
RESET ROLE;
DROP SERVER nowhere;
DROP SERVER closed;
DROP ROLE regress_qwen_admin, regress_qwen_maker, regress_qwen_reader;
