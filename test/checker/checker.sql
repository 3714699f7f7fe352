-- The checker of every fault test: a table that a task labels, a trigger that
-- writes down each label, and checker.breaches(), which says what is wrong.
--
-- The scripted server's label is the first name of a label in the text
-- (test/mock/README.md), so what each row must carry is plain SQL, and any
-- session at any moment can tell a wrong row.
--
--   psql -f test/checker/checker.sql       the tables
--   SELECT * FROM checker.breaches();      no row: all is as promised
--   SELECT * FROM checker.stale();         no row at any moment, in flight or not
CREATE SCHEMA checker;

CREATE FUNCTION checker.label(body text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (regexp_match(body, 'refund|bug|praise|invoice|login|delivery|crash|price|spam|thanks'))[1];

-- A text that no other row has; one in eight names a second label, which must not win.
CREATE FUNCTION checker.text() RETURNS text
LANGUAGE sql VOLATILE PARALLEL SAFE
AS $$
	SELECT 'No ' || floor(random() * 1e12)::int8 || ': a ' || l[1 + floor(random() * 10)::int] || ' today'
		|| CASE WHEN random() < 0.125 THEN ', no ' || l[1 + floor(random() * 10)::int] ELSE '' END
	FROM (SELECT ARRAY['refund', 'bug', 'praise', 'invoice', 'login', 'delivery', 'crash', 'price', 'spam', 'thanks'] AS l) AS names
$$;

-- gen numbers the versions of a text, over all rows: a key that is used again
-- has another one.  mine is a person's label, set in the same UPDATE.
CREATE SEQUENCE checker.gen CACHE 100;
CREATE SEQUENCE checker.id;
CREATE TABLE public.ticket (
	id bigint PRIMARY KEY DEFAULT nextval('checker.id'),
	body text,
	gen bigint NOT NULL DEFAULT nextval('checker.gen'),
	mine text,
	label text,
	confidence float8,
	reason text
);

-- Every label that the worker wrote and that was committed.
CREATE TABLE checker.audit (
	id bigint NOT NULL,
	gen bigint NOT NULL,
	label text NOT NULL,
	body text,
	old_label text,
	pid int NOT NULL DEFAULT pg_backend_pid(),
	at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE FUNCTION checker.before() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$
BEGIN
	IF NEW.body IS DISTINCT FROM OLD.body THEN
		NEW.mine := NULL;
	END IF;
	IF NEW.body IS DISTINCT FROM OLD.body OR (NEW.label IS NULL AND OLD.label IS NOT NULL) THEN
		NEW.gen := nextval('checker.gen');
	END IF;
	RETURN NEW;
END
$$;

CREATE FUNCTION checker.after() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
AS $$
BEGIN
	-- a person's label comes with mine; a re-key and a cleared label are no label
	IF NEW.label IS NOT NULL AND NEW.label IS DISTINCT FROM OLD.label AND NEW.mine IS NOT DISTINCT FROM OLD.mine THEN
		INSERT INTO checker.audit (id, gen, label, body, old_label)
		VALUES (NEW.id, NEW.gen, NEW.label, NEW.body, OLD.label);
	END IF;
	RETURN NULL;
END
$$;

CREATE TRIGGER aa_checker BEFORE UPDATE ON public.ticket FOR EACH ROW EXECUTE FUNCTION checker.before();
CREATE TRIGGER aa_checker_after AFTER UPDATE ON public.ticket FOR EACH ROW EXECUTE FUNCTION checker.after();

-- Texts that no server can label: each ends in qwen.dead and nowhere else.
CREATE FUNCTION checker.poison(body text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN body = '' OR body LIKE '%@@fail=400@@%' OR body LIKE '%@@body=toolong@@%';

-- Rows that carry a label which their text does not have.
CREATE FUNCTION checker.stale() RETURNS SETOF text
LANGUAGE sql STABLE
AS $$
	SELECT format('stale: row %s, gen %s: label %s on text %s, mine %s', id, gen, label, body, mine)
	FROM public.ticket
	WHERE label IS NOT NULL AND label IS DISTINCT FROM coalesce(mine, checker.label(body))
$$;

-- Work that is left: while there is any, breaches() would be early.
CREATE FUNCTION checker.busy() RETURNS SETOF text
LANGUAGE sql STABLE
AS $$
	SELECT 'unlabelled ' || count(*) FROM public.ticket
	WHERE label IS NULL AND body IS NOT NULL AND NOT checker.poison(body) HAVING count(*) > 0
	UNION ALL
	SELECT 'queue ' || count(*) FROM qwen.queue HAVING count(*) > 0
	UNION ALL
	SELECT 'retry ' || count(*) || ' ' || min(error_class) || ' ' || min(last_error) FROM qwen.retry HAVING count(*) > 0
	UNION ALL
	SELECT 'backfill ' || mode FROM qwen.backfill_state WHERE finished_at IS NULL
	UNION ALL
	SELECT 'poison not dead: ' || count(*) FROM public.ticket AS t
	WHERE checker.poison(body) AND NOT EXISTS (SELECT FROM qwen.dead AS d WHERE d.k = t.id) HAVING count(*) > 0
$$;

CREATE FUNCTION checker.breaches() RETURNS SETOF text
LANGUAGE sql STABLE
AS $$
	SELECT checker.stale()
	UNION ALL
	SELECT format('unlabelled: row %s, gen %s: %s', id, gen, body) FROM public.ticket
	WHERE label IS NULL AND body IS NOT NULL AND NOT checker.poison(body)
	UNION ALL
	SELECT format('label without text: row %s: %s', id, label) FROM public.ticket
	WHERE body IS NULL AND label IS NOT NULL AND mine IS NULL
	UNION ALL
	SELECT format('overwritten: row %s: a person said %s, it is %s', id, mine, label) FROM public.ticket
	WHERE mine IS NOT NULL AND label IS DISTINCT FROM mine
	UNION ALL
	SELECT format('confidence: row %s: %s', id, coalesce(confidence::text, 'NULL')) FROM public.ticket
	WHERE label IS NOT NULL AND (confidence IS NULL OR confidence <= 0 OR confidence > 1)
	UNION ALL
	SELECT format('written %s times: row %s, gen %s: %s', count(*), min(id), gen, string_agg(label || ' ' || at, ', ' ORDER BY at))
	FROM checker.audit GROUP BY gen HAVING count(*) > 1
	UNION ALL
	SELECT format('written wrong: row %s, gen %s: %s on %s', id, gen, label, body) FROM checker.audit
	WHERE label IS DISTINCT FROM checker.label(body)
	UNION ALL
	SELECT format('left in the queue: task %s, key %s, since %s', task, k, enq) FROM qwen.queue
	UNION ALL
	SELECT format('left in retry: task %s, key %s: %s', task, k, last_error) FROM qwen.retry
	UNION ALL
	SELECT format('not dead: row %s: %s', id, body) FROM public.ticket AS t
	WHERE checker.poison(body) AND (label IS NOT NULL OR NOT EXISTS (SELECT FROM qwen.dead AS d WHERE d.k = t.id))
	UNION ALL
	SELECT format('dead without reason: row %s: %s: %s', d.k, d.error_class, d.last_error)
	FROM qwen.dead AS d JOIN public.ticket AS t ON t.id = d.k WHERE NOT checker.poison(t.body)
$$;
