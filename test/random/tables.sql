-- The tables of the random queries: some texts twice, some NULL, some that the server refuses.
CREATE TABLE a (id int PRIMARY KEY, k int, cat text, body text, done text, score float8);
CREATE TABLE b (id int PRIMARY KEY, k int, cat text, body text, done text, score float8);
CREATE TABLE p (id int, k int, cat text, body text, done text, score float8, PRIMARY KEY (id, k)) PARTITION BY RANGE (k);
CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (3);
CREATE TABLE p2 (score float8, done text, body text, k int NOT NULL, id int NOT NULL, cat text);
ALTER TABLE p ATTACH PARTITION p2 FOR VALUES FROM (3) TO (6);
CREATE TABLE p3 PARTITION OF p DEFAULT PARTITION BY LIST (k);
CREATE TABLE p3x PARTITION OF p3 FOR VALUES IN (6);
CREATE TABLE p3y PARTITION OF p3 DEFAULT;

CREATE FUNCTION some_text(i int, n int) RETURNS text LANGUAGE sql IMMUTABLE
RETURN CASE WHEN i % 13 = 5 THEN NULL WHEN i % 17 = 3 THEN '@@fail=400@@ refused ' || i % n
	WHEN i % 5 = 0 THEN 'a bug in ' || i % n ELSE 'case ' || i % n END;
INSERT INTO a SELECT i, i % 7, (ARRAY['x', 'y', 'z'])[i % 3 + 1], some_text(i, 40), NULL, NULL FROM generate_series(1, 60) i;
INSERT INTO b SELECT i, i % 5, (ARRAY['x', 'y'])[i % 2 + 1], some_text(i, 25), 'was ' || i % 4, 0.5 FROM generate_series(1, 35) i;
INSERT INTO p SELECT i, i % 9, (ARRAY['x', 'y', NULL])[i % 3 + 1], some_text(i, 30), NULL, NULL FROM generate_series(1, 60) i;
CREATE INDEX ON a (k);
CREATE INDEX ON a (cat, id);
CREATE INDEX ON b (k, id);
CREATE INDEX ON p (id);

CREATE VIEW labelled AS SELECT id, k, cat, body, qwen_label(body, '{refund, bug, praise}') AS done, score FROM a;
CREATE VIEW guarded WITH (security_barrier) AS SELECT * FROM b WHERE qwen_label(body, '{bug, other}') = 'bug' OR k > 2;
CREATE FUNCTION inlined(t text) RETURNS text LANGUAGE sql STABLE AS $$ SELECT qwen_label(t, '{refund, bug, praise}') $$;
CREATE FUNCTION of_kind(n int) RETURNS SETOF text LANGUAGE sql VOLATILE AS
	$$ SELECT qwen_label(body, '{one, two}') FROM b WHERE k = n ORDER BY id $$;
CREATE FUNCTION together(t text, u text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
	found text;
BEGIN
	found := qwen_label(t, '{one, two}') || coalesce(qwen_label(u, '{three, four}'), '-');
	RETURN found;
END $$;
CREATE FUNCTION looped(query text, most int) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	r record;
BEGIN
	FOR r IN EXECUTE query LOOP
		RETURN NEXT r::text;
		most := most - 1;
		EXIT WHEN most = 0;
	END LOOP;
END $$;
ANALYZE;
