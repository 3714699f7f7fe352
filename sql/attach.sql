-- Attaching a task to a table: what is taken, what is refused, and that a
-- refusal changes nothing.  Runs with and without preload, so NOTICEs are off.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS qwen_classify;
CREATE SERVER attach_server FOREIGN DATA WRAPPER qwen_classify
  OPTIONS (url 'http://127.0.0.1:9/v1', api 'openai', model 'm');
CREATE ROLE attach_owner;
CREATE ROLE attach_other;
GRANT USAGE ON FOREIGN SERVER attach_server TO attach_owner;
CREATE SCHEMA attach_s AUTHORIZATION attach_owner;
SET search_path = attach_s, public;
SET ROLE attach_owner;
SELECT qwen.create_task('t', labels => ARRAY['refund', 'bug'], server => 'attach_server');

-- Everything a refusal must leave as it was.
CREATE FUNCTION state() RETURNS text LANGUAGE sql AS $$
  SELECT count(*) FILTER (WHERE tgname LIKE 'zz_qwen%') || ' triggers'
    FROM pg_trigger $$;

CREATE TABLE ticket (id bigint PRIMARY KEY, subject text, body text, label text, confidence real, reason text);
CREATE VIEW a_view AS SELECT * FROM ticket;
CREATE MATERIALIZED VIEW a_matview AS SELECT * FROM ticket;
CREATE TEMP TABLE a_temp (id int PRIMARY KEY, body text, label text, confidence real, reason text);
CREATE TABLE no_key (id int, body text, label text, confidence real, reason text);
CREATE TABLE no_columns (id int PRIMARY KEY, body text);
CREATE TABLE odd (id int PRIMARY KEY, body text, label int, confidence text, reason bytea,
  good text, made text GENERATED ALWAYS AS (body) STORED, short varchar(3));
CREATE TYPE mood AS ENUM ('refund', 'praise');
CREATE TABLE moods (id int PRIMARY KEY, body text, label mood, confidence numeric(4,3), reason varchar(200));
CREATE TABLE part (id int, day date, body text, label text, confidence float8, reason text, PRIMARY KEY (day, id))
  PARTITION BY RANGE (day);
CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE forced (id int PRIMARY KEY, body text, label text, confidence real, reason text);
ALTER TABLE forced ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE TABLE late (id int PRIMARY KEY, body text, label text, confidence real, reason text);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late_one AFTER UPDATE ON late DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION nothing();

-- names and arguments
SELECT qwen.attach('nobody', 'ticket', 'body');
SELECT qwen.attach('t', 'ticket', NULL);
SELECT qwen.attach('t', 'ticket', 'body', label => NULL);
SELECT qwen.attach('t', 'ticket', 'body', existing => 'perhaps');
SELECT qwen.attach('t', 'ticket', 'body', label => 'reason');

-- kinds of relation
SELECT qwen.attach('t', 'a_view', 'body');
SELECT qwen.attach('t', 'a_matview', 'body');
SELECT qwen.attach('t', 'a_temp', 'body');
SELECT qwen.attach('t', 'no_key', 'body');
SELECT qwen.attach('t', 'part_1', 'body');
SELECT qwen.attach('t', 'forced', 'body');
SELECT qwen.attach('t', 'late', 'body');

-- columns
SELECT qwen.attach('t', 'no_columns', 'body');
SELECT qwen.attach('t', 'odd', 'body');
SELECT qwen.attach('t', 'odd', 'body', label => 'good');
SELECT qwen.attach('t', 'odd', 'body', label => 'good', confidence => NULL);
SELECT qwen.attach('t', 'odd', 'body', label => 'made', confidence => NULL, reason => NULL);
SELECT qwen.attach('t', 'odd', 'body', label => 'short', confidence => NULL, reason => NULL);
SELECT qwen.attach('t', 'moods', 'body');

-- the input
SELECT qwen.attach('t', 'ticket', 'nothing_like_it');
SELECT qwen.attach('t', 'ticket', 'subject || ');
SELECT qwen.attach('t', 'ticket', 'body); SELECT (1');
SELECT qwen.attach('t', 'ticket', '(SELECT body)');
SELECT qwen.attach('t', 'ticket', 'max(body)');
SELECT qwen.attach('t', 'ticket', 'body || random()');
SELECT qwen.attach('t', 'ticket', 'ticket::text');
SELECT qwen.attach('t', 'ticket', '''constant''');
SELECT qwen.attach('t', 'ticket', 'body || label');
SELECT qwen.attach('t', 'odd', 'made', label => 'good', confidence => NULL, reason => NULL);

-- whose it is
RESET ROLE;
CREATE TABLE attach_s.theirs (id int PRIMARY KEY, body text, label text, confidence real, reason text);
ALTER TABLE attach_s.theirs OWNER TO attach_other;
SET ROLE attach_owner;
SELECT qwen.attach('t', 'theirs', 'body');
SET ROLE attach_other;
SELECT qwen.attach('t', 'attach_s.theirs', 'body');
RESET ROLE;
SELECT qwen.attach('t', 'theirs', 'body');
REVOKE USAGE ON FOREIGN SERVER attach_server FROM attach_owner;
SET ROLE attach_owner;
SELECT qwen.attach('t', 'ticket', 'body');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER attach_server TO attach_owner;
SET ROLE attach_owner;

-- nothing of that changed anything
SELECT state();
SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'no_columns'::regclass AND attnum > 0;

-- what is taken: added columns, an expression, other names and types, partitions
SELECT qwen.attach('t', 'no_columns', 'body', add_columns => true);
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
  FROM pg_attribute WHERE attrelid = 'no_columns'::regclass AND attnum > 0;
SELECT state();
SELECT qwen.attach('t', 'ticket', 'body');
SELECT qwen.detach('t');
SELECT qwen.detach('t');
SELECT state();
SELECT qwen.attach('t', 'part', $$body || day$$);
SELECT state();

-- a second task needs columns of its own
SELECT qwen.create_task('u', labels => ARRAY['refund', 'praise'], server => 'attach_server');
SELECT qwen.attach('u', 'part', 'body');
SELECT qwen.attach('u', 'moods', 'body');

-- an attached table may be renamed, and dropped
ALTER TABLE moods RENAME TO feelings;
ALTER TABLE feelings RENAME body TO words;
INSERT INTO feelings VALUES (1, 'I want my money back');
RESET ROLE;
SELECT k, kx FROM qwen.queue q JOIN qwen.task t ON t.id = q.task WHERE t.name = 'u';
SET ROLE attach_owner;
DROP TABLE feelings;
SELECT qwen.detach('u');

-- existing labels that are people's
INSERT INTO ticket VALUES (1, 's', 'b', 'bug', NULL, NULL), (2, 's', 'b', NULL, NULL, NULL);
SELECT qwen.attach('u', 'ticket', 'body', existing => 'people');
RESET ROLE;
SELECT k, kind, label, author = session_user AS mine FROM qwen.annotation;
SET ROLE attach_owner;

SELECT qwen.drop_task('t');
SELECT qwen.drop_task('u');
SELECT state();
RESET ROLE;
RESET search_path;
SELECT count(*) FROM qwen.annotation;
SELECT count(*) FROM qwen.queue;
DROP TABLE a_temp;
DROP SCHEMA attach_s CASCADE;
DROP SERVER attach_server CASCADE;
DROP ROLE attach_owner, attach_other;
RESET client_min_messages;
