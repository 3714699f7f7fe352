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

-- Everything that a refusal must leave as it was.
CREATE FUNCTION state() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$
  SELECT (SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'zz_qwen%') || ' triggers, '
      || (SELECT count(*) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = attrelid
          WHERE relnamespace = 'attach_s'::regnamespace AND relkind = 'r' AND attnum > 0) || ' columns, '
      || (SELECT count(source) FROM qwen.task) || ' of ' || (SELECT count(*) FROM qwen.task) || ' tasks attached, '
      || (SELECT count(*) FROM qwen.annotation) || ' annotations, ' || (SELECT count(*) FROM qwen.queue) || ' queued' $$;
SET ROLE attach_owner;
SELECT qwen.create_task('t', labels => ARRAY['refund', 'bug'], server => 'attach_server');

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
CREATE TABLE late_part (id int PRIMARY KEY, body text, label text, confidence real, reason text)
  PARTITION BY RANGE (id);
CREATE TABLE late_part_1 PARTITION OF late_part FOR VALUES FROM (0) TO (10);
CREATE CONSTRAINT TRIGGER late_two AFTER UPDATE ON late_part_1 DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE TABLE known (label text PRIMARY KEY);
CREATE TABLE later (id int PRIMARY KEY, body text, confidence real, reason text,
  label text REFERENCES known DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE ruled (id int PRIMARY KEY, body text, label text, confidence real, reason text);
CREATE RULE no_update AS ON UPDATE TO ruled DO INSTEAD NOTHING;
CREATE TABLE later_key (id int PRIMARY KEY DEFERRABLE, body text, label text, confidence real, reason text);
CREATE DOMAIN said AS text NOT NULL;
CREATE DOMAIN one_of AS text CHECK (VALUE IN ('refund', 'praise'));
CREATE TABLE checked (id int PRIMARY KEY, body text, label one_of, confidence real, reason text);
CREATE TABLE strict (id text PRIMARY KEY, body text, label text NOT NULL, confidence real, reason said);
CREATE SEQUENCE a_sequence;
CREATE TABLE theirs (id int PRIMARY KEY, body text, label text, confidence real, reason text);
RESET ROLE;
ALTER TABLE theirs OWNER TO attach_other;
SET ROLE attach_owner;
CREATE FUNCTION shown(text) RETURNS text LANGUAGE sql STABLE AS 'SELECT $1';
SELECT state();

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
SELECT qwen.attach('t', 'late_part', 'body');
SELECT qwen.attach('t', 'later', 'body');
SELECT qwen.attach('t', 'ruled', 'body');
SELECT qwen.attach('t', 'later_key', 'body');
SELECT qwen.attach('t', 'a_sequence', 'body');
SELECT qwen.attach('t', 'ticket_pkey', 'body');
SELECT qwen.attach('t', 'nowhere', 'body');
SELECT qwen.attach('t', 0, 'body');

-- columns
SELECT qwen.attach('t', 'no_columns', 'body');
SELECT qwen.attach('t', 'odd', 'body');
SELECT qwen.attach('t', 'odd', 'body', label => 'good');
SELECT qwen.attach('t', 'odd', 'body', label => 'good', confidence => NULL);
SELECT qwen.attach('t', 'odd', 'body', label => 'made', confidence => NULL, reason => NULL);
SELECT qwen.attach('t', 'odd', 'body', label => 'short', confidence => NULL, reason => NULL);
SELECT qwen.attach('t', 'moods', 'body');
SELECT qwen.attach('t', 'checked', 'body');
SELECT qwen.attach('t', 'strict', 'body');
SELECT qwen.attach('t', 'strict', 'body', label => 'id', confidence => NULL, reason => NULL);
SELECT qwen.attach('t', 'strict', 'id', label => 'body', reason => 'reason');
SELECT qwen.attach('t', 'ticket', 'body', label => 'ctid');

-- the input
SELECT qwen.attach('t', 'ticket', 'nothing_like_it');
SELECT qwen.attach('t', 'ticket', 'subject || ');
SELECT qwen.attach('t', 'ticket', 'body); SELECT (1');
SELECT qwen.attach('t', 'ticket', '(SELECT body)');
SELECT qwen.attach('t', 'ticket', 'max(body)');
SELECT qwen.attach('t', 'ticket', 'body || rank() OVER ()');
SELECT qwen.attach('t', 'ticket', 'regexp_split_to_table(body, '' '')');
SELECT qwen.attach('t', 'ticket', '$1 || body');
SELECT qwen.attach('t', 'ticket', 'body || ctid');
SELECT qwen.attach('t', 'ticket', 'body FROM ticket');
SELECT qwen.attach('t', 'ticket', 'body || random()');
SELECT qwen.attach('t', 'ticket', 'ticket::text');
SELECT qwen.attach('t', 'ticket', '''constant''');
SELECT qwen.attach('t', 'ticket', 'body || label');
SELECT qwen.attach('t', 'odd', 'made', label => 'good', confidence => NULL, reason => NULL);

-- whose it is
SELECT qwen.attach('t', 'theirs', 'body');
SET ROLE attach_other;
SELECT qwen.attach('t', 'attach_s.theirs', 'body');
RESET ROLE;
SELECT qwen.attach('t', 'theirs', 'body');
SELECT qwen.attach('t', 'pg_class', 'relname');
SELECT qwen.attach('t', 'qwen.task', 'name');
REVOKE USAGE ON FOREIGN SERVER attach_server FROM attach_owner;
SET ROLE attach_owner;
SELECT qwen.attach('t', 'ticket', 'body');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER attach_server TO attach_owner;
SET ROLE attach_owner;

-- nothing of that changed anything
SELECT state();

-- what is taken: added columns, an expression, other names and types, partitions
SELECT qwen.attach('t', 'no_columns', 'body', add_columns => true);
SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod), ', ' ORDER BY attnum)
  FROM pg_attribute WHERE attrelid = 'no_columns'::regclass AND attnum > 0;
SELECT state();
SELECT qwen.attach('t', 'ticket', 'body');
SELECT qwen.detach('t');
SELECT qwen.detach('t');
SELECT state();
SELECT qwen.attach('t', 'part', $$part.body || day$$);
SELECT state();
SELECT qwen.detach('t');
-- as it is stored: everything qualified, dates as everybody reads them
SET datestyle = 'SQL, DMY';
SELECT qwen.attach('t', 'part', $$shown(body) || (day < '02/01/2026') -- who came first$$);
RESET datestyle;
RESET ROLE;
SELECT source, input, input_column, column_names FROM qwen.task WHERE name = 't';
SET ROLE attach_owner;

-- what stops a task later says what to do
SELECT qwen.backfill('t');
ALTER TABLE part RENAME body TO words;
SELECT qwen.backfill('t');
ALTER TABLE part RENAME words TO body;
ALTER TABLE part ALTER label TYPE int USING NULL;
SELECT qwen.backfill('t');
ALTER TABLE part ALTER label TYPE text, ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
SELECT qwen.backfill('t');
ALTER TABLE part DISABLE ROW LEVEL SECURITY, DROP CONSTRAINT part_pkey;
SELECT qwen.backfill('t');
ALTER TABLE part ADD PRIMARY KEY (day, id), DROP COLUMN reason;
SELECT qwen.backfill('t');
SELECT qwen.detach('t');
ALTER TABLE part ADD COLUMN reason text;
SELECT qwen.attach('t', 'part', 'body');
RESET ROLE;
ALTER TABLE part OWNER TO attach_other;
SET ROLE attach_owner;
SELECT qwen.backfill('t');
RESET ROLE;
ALTER TABLE part OWNER TO attach_owner;
SET ROLE attach_owner;

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

-- a restore makes another table of the name, whose columns are counted anew
CREATE TABLE restored (id int PRIMARY KEY, gone int, body text, label text, confidence real, reason text);
SELECT qwen.attach('u', 'restored', 'Body');
ALTER TABLE restored DROP COLUMN gone;
INSERT INTO restored VALUES (7, 'I want my money back');
ALTER TABLE restored RENAME TO before;
CREATE TABLE restored (id int PRIMARY KEY, body text, label text, confidence real, reason text);
RESET ROLE;
UPDATE qwen.task SET source = 'restored' WHERE name = 'u';
SELECT id AS u FROM qwen.task WHERE name = 'u' \gset
CREATE TRIGGER zz_qwen_after_:u AFTER INSERT OR UPDATE ON restored FOR EACH ROW EXECUTE FUNCTION qwen.after_change(:'u');
SET ROLE attach_owner;
INSERT INTO restored VALUES (8, 'I want my money back'), (9, NULL);
INSERT INTO restored VALUES (10, 'kept', 'praise');
DROP TABLE before;
RESET ROLE;
SELECT k FROM qwen.queue AS q JOIN qwen.task AS t ON t.id = q.task WHERE t.name = 'u' AND k > 7 ORDER BY k;
SET ROLE attach_owner;
SELECT qwen.detach('u');
SELECT state();

-- triggers that an earlier life of the table has left
SELECT format('CREATE TRIGGER zz_qwen_before_%s BEFORE UPDATE ON restored FOR EACH ROW EXECUTE FUNCTION nothing()', :'u') AS left_over \gset
:left_over;
SELECT qwen.attach('u', 'restored', 'body');
UPDATE restored SET body = 'changed' WHERE id = 10 RETURNING id, body, label;
SELECT qwen.detach('u');

-- a table whose rows others inherit is labelled alone
CREATE TABLE parent (id int PRIMARY KEY, body text, label text, confidence real, reason text);
CREATE TABLE child () INHERITS (parent);
INSERT INTO parent VALUES (1, 'a', 'bug');
INSERT INTO child VALUES (1, 'a', 'bug'), (2, 'a', 'bug');
SELECT qwen.attach('u', 'parent', 'body', existing => 'people');
SELECT state();
SELECT qwen.detach('u');

-- estimates, of a table that the task has and of another
SELECT qwen.estimate('u');
SELECT qwen.estimate('u', 'ticket');
SELECT qwen.estimate('u', 'ticket', 'nothing_like_it');
SELECT qwen.estimate('u', 'a_view', 'body');
SELECT qwen.estimate('u', 'theirs', 'body');
SELECT * FROM qwen.estimate('u', 'ticket', 'body');

-- existing labels that are people's
INSERT INTO ticket VALUES (1, 's', 'b', 'bug', NULL, NULL), (2, 's', 'b', NULL, NULL, NULL);
SELECT qwen.attach('u', 'ticket', 'body', existing => 'people');
RESET ROLE;
SELECT k, kind, a.label, author = session_user AS mine, text_hash = qwen.input_hash(body) AS of_this_text
  FROM qwen.annotation AS a LEFT JOIN ticket ON id = k ORDER BY kx, text_hash;
SET ROLE attach_owner;

-- what people said stays when the task goes to another table
SELECT qwen.detach('u');
SELECT state();
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
