/* qwen_classify: the install script. sql/qwen_classify--VERSION.sql is built from it. */

-- complain if the script is sourced in psql rather than by CREATE EXTENSION
\echo Use "CREATE EXTENSION qwen_classify" to load this file. \quit

-- What a person types stands in the extension's schema; administration in qwen.
CREATE SCHEMA qwen;
GRANT USAGE ON SCHEMA qwen TO PUBLIC;

-- Servers: a wrapper with a validator and no handler. USAGE on a server is the
-- privilege that matters; the right to create servers is the superuser's until
-- somebody is granted USAGE on the wrapper.

CREATE FUNCTION qwen.validator(options text[], catalog oid)
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_validator'
LANGUAGE C STRICT STABLE PARALLEL SAFE;

CREATE FOREIGN DATA WRAPPER qwen_classify VALIDATOR qwen.validator;

COMMENT ON FOREIGN DATA WRAPPER qwen_classify IS
'inference servers that label text: CREATE SERVER name FOREIGN DATA WRAPPER qwen_classify OPTIONS (url ''http://127.0.0.1:8080/v1'')';

-- Planner support: loads the library before anything is estimated, so that
-- planning sends no request in a session's first statement either.

CREATE FUNCTION qwen.support(internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'qwen_classify_support'
LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;

-- The labelling functions, three overloads each: labels as an array, as jsonb,
-- and as text (JSON in the order written, or an array literal), which is where
-- an uncast literal and a driver's untyped parameter arrive.

CREATE FUNCTION qwen_classify(
	input text,
	labels text[],
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	with_reason boolean DEFAULT true,
	server text DEFAULT NULL,
	long_text text DEFAULT 'head_tail',
	abstain boolean DEFAULT false,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL,
	OUT label text,
	OUT confidence float8,
	OUT reason text)
RETURNS record
AS 'MODULE_PATHNAME', 'qwen_classify_array'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_classify(
	input text,
	labels jsonb,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	with_reason boolean DEFAULT true,
	server text DEFAULT NULL,
	long_text text DEFAULT 'head_tail',
	abstain boolean DEFAULT false,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL,
	OUT label text,
	OUT confidence float8,
	OUT reason text)
RETURNS record
AS 'MODULE_PATHNAME', 'qwen_classify_jsonb'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_classify(
	input text,
	labels text DEFAULT NULL,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	with_reason boolean DEFAULT NULL,	-- as the task has it; true without a task
	server text DEFAULT NULL,
	long_text text DEFAULT NULL,	-- as the task has it; head_tail without a task
	task text DEFAULT NULL,
	abstain boolean DEFAULT NULL,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL,
	OUT label text,
	OUT confidence float8,
	OUT reason text)
RETURNS record
AS 'MODULE_PATHNAME', 'qwen_classify_text'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_label(
	input text,
	labels text[],
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	long_text text DEFAULT 'head_tail',
	abstain boolean DEFAULT false,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_label_array'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_label(
	input text,
	labels jsonb,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	long_text text DEFAULT 'head_tail',
	abstain boolean DEFAULT false,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_label_jsonb'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_label(
	input text,
	labels text DEFAULT NULL,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	long_text text DEFAULT NULL,	-- as the task has it; head_tail without a task
	task text DEFAULT NULL,
	abstain boolean DEFAULT NULL,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_label_text'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_scores(
	input text,
	labels text[],
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	long_text text DEFAULT 'head_tail',
	abstain boolean DEFAULT false,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'qwen_classify_scores_array'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_scores(
	input text,
	labels jsonb,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	long_text text DEFAULT 'head_tail',
	abstain boolean DEFAULT false,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'qwen_classify_scores_jsonb'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_scores(
	input text,
	labels text DEFAULT NULL,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	long_text text DEFAULT NULL,	-- as the task has it; head_tail without a task
	task text DEFAULT NULL,
	abstain boolean DEFAULT NULL,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'qwen_classify_scores_text'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

-- Several labels for a text: yes or no of each.

CREATE FUNCTION qwen_labels(
	input text,
	labels text[],
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	threshold float8 DEFAULT 0.5,
	server text DEFAULT NULL,
	long_text text DEFAULT 'head_tail')
RETURNS text[]
AS 'MODULE_PATHNAME', 'qwen_classify_labels_array'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_labels(
	input text,
	labels jsonb,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	threshold float8 DEFAULT 0.5,
	server text DEFAULT NULL,
	long_text text DEFAULT 'head_tail')
RETURNS text[]
AS 'MODULE_PATHNAME', 'qwen_classify_labels_jsonb'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_labels(
	input text,
	labels text DEFAULT NULL,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	threshold float8 DEFAULT 0.5,
	server text DEFAULT NULL,
	long_text text DEFAULT NULL,	-- as the task has it; head_tail without a task
	task text DEFAULT NULL)
RETURNS text[]
AS 'MODULE_PATHNAME', 'qwen_classify_labels_text'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

-- Dirty text made readable; sends nothing.

CREATE FUNCTION qwen_clean(
	input text,
	html boolean DEFAULT true,
	mojibake boolean DEFAULT true,
	controls boolean DEFAULT true,
	boilerplate boolean DEFAULT true,
	punctuation boolean DEFAULT true,
	space boolean DEFAULT true,
	urls text DEFAULT 'keep')
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_clean'
LANGUAGE C IMMUTABLE PARALLEL SAFE COST 100;

-- What an administrator asks.

CREATE FUNCTION qwen.preview(
	input text,
	labels text[],
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	with_reason boolean DEFAULT true,
	server text DEFAULT NULL,
	long_text text DEFAULT 'head_tail',
	abstain boolean DEFAULT false,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'qwen_classify_preview_array'
LANGUAGE C STABLE PARALLEL RESTRICTED;

CREATE FUNCTION qwen.preview(
	input text,
	labels jsonb,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	with_reason boolean DEFAULT true,
	server text DEFAULT NULL,
	long_text text DEFAULT 'head_tail',
	abstain boolean DEFAULT false,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'qwen_classify_preview_jsonb'
LANGUAGE C STABLE PARALLEL RESTRICTED;

CREATE FUNCTION qwen.preview(
	input text,
	labels text DEFAULT NULL,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	with_reason boolean DEFAULT NULL,
	server text DEFAULT NULL,
	long_text text DEFAULT NULL,	-- as the task has it; head_tail without a task
	task text DEFAULT NULL,
	abstain boolean DEFAULT NULL,
	tree text DEFAULT NULL,			-- 'levels' or 'flat'
	separator text DEFAULT NULL,	-- of paths: '/'
	min_confidence float8 DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'qwen_classify_preview_text'
LANGUAGE C STABLE PARALLEL RESTRICTED;

-- What a task says of a text: the confidence as the worker would write it and
-- as qwen_classify(input, task => ...) shows it, and beside it the server's own
-- number with where it comes from.  Asked as the task asks.
CREATE FUNCTION qwen.answer(
	input text,
	task text,
	OUT label text,
	OUT confidence float8,
	OUT reason text,
	OUT raw float8,					-- before the task's calibration
	OUT source text)
RETURNS record
AS 'MODULE_PATHNAME', 'qwen_classify_answer'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen.check_server(
	server text DEFAULT NULL,
	OUT server_name text,
	OUT api text,
	OUT version text,
	OUT model text,
	OUT context_tokens integer,
	OUT logprobs text,
	OUT latency_ms float8,
	OUT replicas_up integer,
	OUT replicas integer)
RETURNS record
AS 'MODULE_PATHNAME', 'qwen_classify_check_server'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

CREATE FUNCTION qwen.version()
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_version'
LANGUAGE C STRICT IMMUTABLE PARALLEL SAFE;

COMMENT ON FUNCTION qwen_classify(text, text[], text, jsonb, boolean, text, text, boolean, text, text, float8) IS
'label, confidence and reason of a text, by the model on your inference server';
COMMENT ON FUNCTION qwen_classify(text, jsonb, text, jsonb, boolean, text, text, boolean, text, text, float8) IS
'label, confidence and reason of a text, by the model on your inference server';
COMMENT ON FUNCTION qwen_classify(text, text, text, jsonb, boolean, text, text, text, boolean, text, text, float8) IS
'label, confidence and reason of a text, by the model on your inference server; of a task the confidence is the calibrated one';
COMMENT ON FUNCTION qwen_label(text, text[], text, jsonb, text, text, boolean, text, text, float8) IS
'the label of a text alone: the cheapest';
COMMENT ON FUNCTION qwen_label(text, jsonb, text, jsonb, text, text, boolean, text, text, float8) IS
'the label of a text alone: the cheapest';
COMMENT ON FUNCTION qwen_label(text, text, text, jsonb, text, text, text, boolean, text, text, float8) IS
'the label of a text alone: the cheapest';
COMMENT ON FUNCTION qwen_scores(text, text[], text, jsonb, text, text, boolean, text, text, float8) IS
'the probability of every label';
COMMENT ON FUNCTION qwen_scores(text, jsonb, text, jsonb, text, text, boolean, text, text, float8) IS
'the probability of every label';
COMMENT ON FUNCTION qwen_scores(text, text, text, jsonb, text, text, text, boolean, text, text, float8) IS
'the probability of every label, as the server gives it; of a task, too';
COMMENT ON FUNCTION qwen_labels(text, text[], text, jsonb, double precision, text, text) IS
'the labels that fit a text, in the order written; a request a label';
COMMENT ON FUNCTION qwen_labels(text, jsonb, text, jsonb, double precision, text, text) IS
'the labels that fit a text, in the order written; a request a label';
COMMENT ON FUNCTION qwen_labels(text, text, text, jsonb, double precision, text, text, text) IS
'the labels that fit a text, in the order written; a request a label';
COMMENT ON FUNCTION qwen_clean(text, boolean, boolean, boolean, boolean, boolean, boolean, text) IS
'dirty text made readable: markup, mojibake, boilerplate, noise';
COMMENT ON FUNCTION qwen.answer(text, text) IS
'what a task says of a text: the calibrated confidence, and the server''s own number beside it';
COMMENT ON FUNCTION qwen.check_server(text) IS
'tries a server with two small requests and says what it is';
COMMENT ON FUNCTION qwen.version() IS
'version of the library that is loaded';
COMMENT ON FUNCTION qwen.preview(text, text[], text, jsonb, boolean, text, text, boolean, text, text, float8) IS
'the exact body of the request that qwen_classify would send; sends nothing';
COMMENT ON FUNCTION qwen.preview(text, jsonb, text, jsonb, boolean, text, text, boolean, text, text, float8) IS
'the exact body of the request that qwen_classify would send; sends nothing';
COMMENT ON FUNCTION qwen.preview(text, text, text, jsonb, boolean, text, text, text, boolean, text, text, float8) IS
'the exact body of the request that qwen_classify would send; sends nothing';

-- Tasks: what to ask, and which table to label.  Configuration and state are
-- the extension owner's; nobody else has a right on these tables.

CREATE TABLE qwen.task (
	id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	name text NOT NULL UNIQUE,
	owner regrole NOT NULL,
	version integer NOT NULL DEFAULT 1,
	labels json NOT NULL,			-- in the order written
	instructions text,
	examples jsonb,
	server text,
	with_reason boolean NOT NULL DEFAULT true,
	accept_above float8 DEFAULT 0.7,	-- NULL: as certified
	priority integer NOT NULL DEFAULT 10,
	keep boolean NOT NULL DEFAULT true,
	drift_every integer NOT NULL DEFAULT 1000,	-- labels between two looks for drift
	votes integer NOT NULL DEFAULT 0,	-- draws where a server gives no probabilities
	abstain boolean NOT NULL DEFAULT false,	-- the answer may be that no label fits
	mode text NOT NULL DEFAULT 'single' CHECK (mode IN ('single', 'multi')),	-- multi: the label column is text[]
	orders integer NOT NULL DEFAULT 1,	-- of the labels, a text's by its hash
	long_text text NOT NULL DEFAULT 'head_tail' CHECK (long_text IN ('head_tail', 'split')),
	tree text NOT NULL DEFAULT 'levels' CHECK (tree IN ('levels', 'flat')),
	separator text NOT NULL DEFAULT '/',	-- of paths in a tree
	min_confidence float8 NOT NULL DEFAULT 0,	-- that a label of a tree needs
	example_choice text NOT NULL DEFAULT 'static' CHECK (example_choice IN ('static', 'similar')),
	example_k integer NOT NULL DEFAULT 6,	-- that are chosen for a text, where they are
	seed bigint NOT NULL DEFAULT (pg_catalog.random() * 9e18)::bigint,	-- of the audits' draw; secret
	paused boolean NOT NULL DEFAULT false,
	state_since timestamptz NOT NULL DEFAULT now(),
	-- the table; numbers hold while source_oid is its OID, the names after a restore
	source regclass,
	source_oid oid,
	existing text,
	input text,						-- an expression; else input_column
	input_column smallint,
	label_column smallint,
	confidence_column smallint,
	reason_column smallint,
	column_names text[],			-- input, label, confidence, reason; NULL where there is none
	input_reads int2vector,			-- columns of the input, for triggers while a name in it is wrong
	read_names text[],				-- theirs when it was attached
	attached_at timestamptz
);

-- Rows that wait.  INSERT and DELETE only, no index: a claim is in the worker's
-- memory, and a row is deleted by the place where it was read.
CREATE TABLE qwen.queue (
	task integer NOT NULL,
	k bigint NOT NULL,
	kx text,
	enq timestamptz NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
	autovacuum_vacuum_insert_threshold = -1, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE qwen.queue REPLICA IDENTITY FULL;

CREATE TABLE qwen.retry (
	task integer NOT NULL,
	k bigint NOT NULL,
	kx text NOT NULL DEFAULT '',
	attempts integer NOT NULL,
	next_at timestamptz NOT NULL,
	error_class text NOT NULL,
	last_error text NOT NULL,
	first_enq timestamptz NOT NULL,
	relabel boolean NOT NULL DEFAULT false,	-- a label that stands there is to be replaced
	PRIMARY KEY (task, k, kx)
);
CREATE INDEX ON qwen.retry (next_at);

CREATE TABLE qwen.dead (
	task integer NOT NULL,
	k bigint NOT NULL,
	kx text NOT NULL DEFAULT '',
	attempts integer NOT NULL,
	error_class text NOT NULL,
	last_error text NOT NULL,
	text_hash bigint,
	version integer NOT NULL,
	first_enq timestamptz NOT NULL,
	dead_at timestamptz NOT NULL DEFAULT now(),
	relabel boolean NOT NULL DEFAULT false,	-- as in qwen.retry
	PRIMARY KEY (task, k, kx)
);

-- Existing rows, read by cursor in key order.
CREATE TABLE qwen.backfill_state (
	task integer PRIMARY KEY,
	mode text NOT NULL,				-- label, relabel
	where_sql text,
	cursor text,
	max_rows bigint,
	rows_done bigint NOT NULL DEFAULT 0,
	started_at timestamptz NOT NULL DEFAULT now(),
	finished_at timestamptz,
	message text
);

-- What the model said of each row, beside the label that stands in it.
CREATE TABLE qwen.result (
	task integer NOT NULL,
	k bigint NOT NULL,
	kx text NOT NULL DEFAULT '',
	text_hash bigint NOT NULL,
	version integer NOT NULL,
	label text NOT NULL,			-- empty: none of the labels fits, state is undecided
	confidence float8,				-- as the server's numbers gave it
	source text NOT NULL,			-- logprob_masked, logprob_renorm, vote, verbal, none
	top float4[],					-- of every label, in the task's order
	coverage float4,
	verbal float4,					-- beside votes, the model's own number on average
	suspect boolean NOT NULL DEFAULT false,	-- the text gives orders, and they changed the answer
	state text NOT NULL DEFAULT 'labelled',
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (task, k, kx)
);
-- Rows come nearly in the order of time, and what came last is looked at for drift.
CREATE INDEX ON qwen.result USING brin (at) WITH (pages_per_range = 32, autosummarize = on);

-- Labels that are not the worker's: a person's, a bulk edit's, another machine's.
CREATE TABLE qwen.annotation (
	task integer NOT NULL,
	k bigint NOT NULL,
	kx text NOT NULL DEFAULT '',
	kind text NOT NULL CHECK (kind IN ('person', 'bulk', 'kept')),
	label text NOT NULL,
	author text NOT NULL,			-- role
	text_hash bigint NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (task, k, kx)
);

-- The examples that a task chooses from, frozen until the next adoption.
CREATE TABLE qwen.example (
	task integer NOT NULL,
	nr integer NOT NULL,
	k bigint NOT NULL,
	kx text NOT NULL DEFAULT '',
	input text NOT NULL,			-- of a long one head and tail
	label text NOT NULL,			-- a person's
	corrected boolean NOT NULL,		-- the machine had another
	PRIMARY KEY (task, nr)
);

CREATE TABLE qwen.tally (
	task integer PRIMARY KEY,
	done bigint NOT NULL DEFAULT 0,
	undecided bigint NOT NULL DEFAULT 0,
	failed bigint NOT NULL DEFAULT 0,
	cut bigint NOT NULL DEFAULT 0
);

CREATE TABLE qwen.usage (
	server text NOT NULL,
	role text NOT NULL,
	day date NOT NULL,
	requests bigint NOT NULL,
	prompt_tokens bigint NOT NULL,
	cached_tokens bigint NOT NULL,
	output_tokens bigint NOT NULL,
	errors bigint NOT NULL,
	PRIMARY KEY (server, role, day)
);
GRANT SELECT ON qwen.usage TO pg_monitor;

-- Rows that somebody was asked to look at, with what the machine had said when
-- they were drawn.  Audits are drawn by a hash of the key, before any score is
-- seen; the others because of their scores, prob tells how likely that was.
CREATE TABLE qwen.review_row (
	task integer NOT NULL,
	k bigint NOT NULL,
	kx text NOT NULL DEFAULT '',
	text_hash bigint NOT NULL,
	role text NOT NULL CHECK (role IN ('audit', 'queue', 'active')),
	prob float8 NOT NULL,
	version integer NOT NULL,
	label text NOT NULL,			-- the machine's; empty: none fits
	confidence float8,				-- as the server's numbers gave it
	coverage float4,
	source text NOT NULL,
	top float4[],					-- of every label, in the task's order
	verbal float4,					-- beside votes
	drawn_at timestamptz NOT NULL DEFAULT now(),
	shown_to text,					-- role; others are not asked meanwhile
	shown_at timestamptz,
	human text,						-- NULL: not answered yet
	reviewer text,
	reviewed_at timestamptz,
	PRIMARY KEY (task, k, kx)
);

-- From the server's numbers to a confidence that holds, fitted to reviews.
CREATE TABLE qwen.calibration (
	task integer PRIMARY KEY,
	version integer NOT NULL,		-- what it holds for: else it is stale
	server text NOT NULL,
	source text NOT NULL,
	method text NOT NULL,			-- prior, temp, platt, beta, isotonic; then +mix, +coverage, +labels
	params float8[] NOT NULL,
	n integer NOT NULL,
	metrics jsonb NOT NULL,
	fitted_at timestamptz NOT NULL DEFAULT now()
);

-- Rows that are there get calibrated confidences by the worker, in key order.
CREATE TABLE qwen.recalibration (
	task integer PRIMARY KEY,
	k bigint NOT NULL DEFAULT 0,	-- after this key
	kx text,						-- NULL: from the beginning
	pass integer NOT NULL DEFAULT 1,
	rows_about bigint NOT NULL,
	rows_seen bigint NOT NULL DEFAULT 0,	-- in this pass
	rows_done bigint NOT NULL DEFAULT 0,
	skipped bigint NOT NULL DEFAULT 0,	-- locked by somebody, in this pass
	started_at timestamptz NOT NULL DEFAULT now(),
	finished_at timestamptz,
	message text
);

-- The promise about a task's labels, and the test that it rests on.
CREATE TABLE qwen.certificate (
	task integer PRIMARY KEY,
	version integer NOT NULL,
	source text NOT NULL,
	target text NOT NULL CHECK (target IN ('table', 'accepted')),
	max_error float8 NOT NULL,
	risk float8 NOT NULL,
	sequence integer NOT NULL,		-- how often it began anew
	thresholds float8[] NOT NULL,	-- the strictest first, of the server's numbers; frozen
	certified integer NOT NULL DEFAULT 0,	-- how many of them hold
	threshold float8,				-- the last that does; NULL: none
	harm float8[] NOT NULL,			-- of the detector
	seen integer NOT NULL DEFAULT 0,	-- audits that the detector has seen
	state text NOT NULL CHECK (state IN ('collecting', 'certified', 'suspended')),
	started_at timestamptz NOT NULL DEFAULT now(),	-- audits drawn from then on count
	certified_at timestamptz,		-- the first step; what is answered later goes to the detector
	changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE qwen.alert (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	task integer NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	kind text NOT NULL,				-- labels, confidence, coverage, harm
	message text NOT NULL,
	hint text NOT NULL,
	detail jsonb NOT NULL
);

-- Looks at how a task's labels are mixed, and what was counted at each, so that a
-- relabel or a deleted row does not change what was.
CREATE TABLE qwen.drift_window (
	task integer NOT NULL,
	win integer NOT NULL,
	reference integer NOT NULL,		-- the window that it is compared with; its own: it is one
	version integer NOT NULL,
	source text NOT NULL,
	from_at timestamptz NOT NULL,
	to_at timestamptz NOT NULL,
	checked_at timestamptz NOT NULL,
	rows bigint NOT NULL,
	phi float8 NOT NULL,			-- how much more than by chance days differ
	psi float8 NOT NULL,			-- for show
	PRIMARY KEY (task, win)
);

CREATE TABLE qwen.drift_count (
	task integer NOT NULL,
	win integer NOT NULL,
	version integer NOT NULL,
	source text NOT NULL,
	day date NOT NULL,
	kind text NOT NULL CHECK (kind IN ('label', 'confidence', 'coverage')),
	bucket text NOT NULL,			-- the label; of numbers ten times the logit
	n bigint NOT NULL,
	PRIMARY KEY (task, win, kind, bucket, day)
);

SELECT pg_extension_config_dump('qwen.task', '');
SELECT pg_extension_config_dump('qwen.task_id_seq', '');
SELECT pg_extension_config_dump('qwen.queue', '');
SELECT pg_extension_config_dump('qwen.retry', '');
SELECT pg_extension_config_dump('qwen.dead', '');
SELECT pg_extension_config_dump('qwen.backfill_state', '');
SELECT pg_extension_config_dump('qwen.result', '');
SELECT pg_extension_config_dump('qwen.annotation', '');
SELECT pg_extension_config_dump('qwen.example', '');
SELECT pg_extension_config_dump('qwen.tally', '');
SELECT pg_extension_config_dump('qwen.usage', '');
SELECT pg_extension_config_dump('qwen.review_row', '');
SELECT pg_extension_config_dump('qwen.calibration', '');
SELECT pg_extension_config_dump('qwen.recalibration', '');
SELECT pg_extension_config_dump('qwen.certificate', '');
SELECT pg_extension_config_dump('qwen.alert', '');
SELECT pg_extension_config_dump('qwen.alert_id_seq', '');
SELECT pg_extension_config_dump('qwen.drift_window', '');
SELECT pg_extension_config_dump('qwen.drift_count', '');

-- Which version of a text: a hash of the values that a task's input reads.
CREATE FUNCTION qwen.input_hash(VARIADIC "any")
RETURNS bigint
AS 'MODULE_PATHNAME', 'qwen_classify_input_hash'
LANGUAGE C IMMUTABLE PARALLEL SAFE;

-- ==== triggers ====

-- The two row triggers of a table with a task: qwen.attach creates them, with
-- the task's number as their argument.  A trigger whose task is not attached to its table
-- does nothing.

CREATE FUNCTION qwen.before_update()
RETURNS trigger
AS 'MODULE_PATHNAME', 'qwen_classify_before_update'
LANGUAGE C;

CREATE FUNCTION qwen.after_change()
RETURNS trigger
AS 'MODULE_PATHNAME', 'qwen_classify_after_change'
LANGUAGE C;

-- ==== tasks ====

-- A task has a name; labels are written as for qwen_classify.  Whoever makes it owns it.
-- accept_above is a number, or 'certified'.  with_reason is true where a reason can be: mode 'single'.

CREATE FUNCTION qwen.create_task(
	name text,
	labels text[],
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	with_reason boolean DEFAULT NULL,
	accept_above anycompatible DEFAULT '0.7'::text,
	priority integer DEFAULT 10,
	keep boolean DEFAULT true,
	drift_every integer DEFAULT 1000,
	votes integer DEFAULT 0,
	abstain boolean DEFAULT false,
	mode text DEFAULT 'single',
	orders integer DEFAULT 1,
	tree text DEFAULT 'levels',
	separator text DEFAULT '/',
	min_confidence float8 DEFAULT 0,
	long_text text DEFAULT 'head_tail')
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_create_task_array'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION qwen.create_task(
	name text,
	labels jsonb,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	with_reason boolean DEFAULT NULL,
	accept_above anycompatible DEFAULT '0.7'::text,
	priority integer DEFAULT 10,
	keep boolean DEFAULT true,
	drift_every integer DEFAULT 1000,
	votes integer DEFAULT 0,
	abstain boolean DEFAULT false,
	mode text DEFAULT 'single',
	orders integer DEFAULT 1,
	tree text DEFAULT 'levels',
	separator text DEFAULT '/',
	min_confidence float8 DEFAULT 0,
	long_text text DEFAULT 'head_tail')
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_create_task_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION qwen.create_task(
	name text,
	labels text,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	with_reason boolean DEFAULT NULL,
	accept_above anycompatible DEFAULT '0.7'::text,
	priority integer DEFAULT 10,
	keep boolean DEFAULT true,
	drift_every integer DEFAULT 1000,
	votes integer DEFAULT 0,
	abstain boolean DEFAULT false,
	mode text DEFAULT 'single',
	orders integer DEFAULT 1,
	tree text DEFAULT 'levels',
	separator text DEFAULT '/',
	min_confidence float8 DEFAULT 0,
	long_text text DEFAULT 'head_tail')
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_create_task_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

-- What is not given (NULL) stays; '' takes instructions or server away, '[]' examples.

CREATE FUNCTION qwen.alter_task(
	name text,
	labels text[],
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	with_reason boolean DEFAULT NULL,
	accept_above anycompatible DEFAULT NULL::text,
	priority integer DEFAULT NULL,
	keep boolean DEFAULT NULL,
	rename jsonb DEFAULT NULL,
	drift_every integer DEFAULT NULL,
	votes integer DEFAULT NULL,
	abstain boolean DEFAULT NULL,
	mode text DEFAULT NULL,
	orders integer DEFAULT NULL,
	tree text DEFAULT NULL,
	separator text DEFAULT NULL,
	min_confidence float8 DEFAULT NULL,
	long_text text DEFAULT NULL,
	example_choice text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_alter_task_array'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION qwen.alter_task(
	name text,
	labels jsonb,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	with_reason boolean DEFAULT NULL,
	accept_above anycompatible DEFAULT NULL::text,
	priority integer DEFAULT NULL,
	keep boolean DEFAULT NULL,
	rename jsonb DEFAULT NULL,
	drift_every integer DEFAULT NULL,
	votes integer DEFAULT NULL,
	abstain boolean DEFAULT NULL,
	mode text DEFAULT NULL,
	orders integer DEFAULT NULL,
	tree text DEFAULT NULL,
	separator text DEFAULT NULL,
	min_confidence float8 DEFAULT NULL,
	long_text text DEFAULT NULL,
	example_choice text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_alter_task_jsonb'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION qwen.alter_task(
	name text,
	labels text DEFAULT NULL,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL,
	with_reason boolean DEFAULT NULL,
	accept_above anycompatible DEFAULT NULL::text,
	priority integer DEFAULT NULL,
	keep boolean DEFAULT NULL,
	rename jsonb DEFAULT NULL,
	drift_every integer DEFAULT NULL,
	votes integer DEFAULT NULL,
	abstain boolean DEFAULT NULL,
	mode text DEFAULT NULL,
	orders integer DEFAULT NULL,
	tree text DEFAULT NULL,
	separator text DEFAULT NULL,
	min_confidence float8 DEFAULT NULL,
	long_text text DEFAULT NULL,
	example_choice text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_alter_task_text'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION qwen.drop_task(name text)
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_drop_task'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION qwen.create_task(text, text[], text, jsonb, text, boolean, anycompatible, integer, boolean, integer, integer, boolean, text, integer, text, text, float8, text) IS
'makes a task: what to ask about a text, under a name';
COMMENT ON FUNCTION qwen.create_task(text, jsonb, text, jsonb, text, boolean, anycompatible, integer, boolean, integer, integer, boolean, text, integer, text, text, float8, text) IS
'makes a task: what to ask about a text, under a name';
COMMENT ON FUNCTION qwen.create_task(text, text, text, jsonb, text, boolean, anycompatible, integer, boolean, integer, integer, boolean, text, integer, text, text, float8, text) IS
'makes a task: what to ask about a text, under a name';
COMMENT ON FUNCTION qwen.alter_task(text, text[], text, jsonb, text, boolean, anycompatible, integer, boolean, jsonb, integer, integer, boolean, text, integer, text, text, float8, text, text) IS
'changes what is given of a task; rename gives labels new names, in the rows too';
COMMENT ON FUNCTION qwen.alter_task(text, jsonb, text, jsonb, text, boolean, anycompatible, integer, boolean, jsonb, integer, integer, boolean, text, integer, text, text, float8, text, text) IS
'changes what is given of a task; rename gives labels new names, in the rows too';
COMMENT ON FUNCTION qwen.alter_task(text, text, text, jsonb, text, boolean, anycompatible, integer, boolean, jsonb, integer, integer, boolean, text, integer, text, text, float8, text, text) IS
'changes what is given of a task; rename gives labels new names, in the rows too';
COMMENT ON FUNCTION qwen.drop_task(text) IS
'drops a task with all that is known of its rows; their labels stay';

-- ==== attach ====

CREATE FUNCTION qwen.attach(
	task text,
	relation regclass,
	input text,
	label text DEFAULT 'label',
	confidence text DEFAULT 'confidence',
	reason text DEFAULT 'reason',
	add_columns boolean DEFAULT false,
	existing text DEFAULT 'keep')
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_attach'
LANGUAGE C VOLATILE;

CREATE FUNCTION qwen.detach(task text)
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_detach'
LANGUAGE C VOLATILE;

-- Before or after attach; without a measured rate it sends 16 texts.
CREATE FUNCTION qwen.estimate(
	task text,
	relation regclass DEFAULT NULL,
	input text DEFAULT NULL,
	OUT rows bigint,
	OUT distinct_texts bigint,
	OUT rows_per_second float8,
	OUT hours float8)
RETURNS record
AS 'MODULE_PATHNAME', 'qwen_classify_estimate'
LANGUAGE C VOLATILE;

COMMENT ON FUNCTION qwen.attach(text, regclass, text, text, text, text, boolean, text) IS
'label new and changed rows of a table in the background';
COMMENT ON FUNCTION qwen.estimate(text, regclass, text) IS
'how many rows and different texts a table has, and how long they take';
COMMENT ON FUNCTION qwen.detach(text) IS
'label a table no more; its columns and labels stay';

-- ==== work: backfill, relabel, retry, pause, wait ====

CREATE FUNCTION qwen.backfill(
	task text,
	max_rows bigint DEFAULT NULL,
	filter text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_backfill'
LANGUAGE C VOLATILE;

CREATE FUNCTION qwen.relabel(
	task text,
	filter text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_relabel'
LANGUAGE C VOLATILE;

CREATE FUNCTION qwen.retry(task text)
RETURNS bigint
AS 'MODULE_PATHNAME', 'qwen_classify_retry'
LANGUAGE C VOLATILE;

CREATE FUNCTION qwen.pause(task text)
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_pause'
LANGUAGE C VOLATILE;

CREATE FUNCTION qwen.resume(task text)
RETURNS void
AS 'MODULE_PATHNAME', 'qwen_classify_resume'
LANGUAGE C VOLATILE;

-- A procedure: a function would hold a snapshot for as long as it waits.
CREATE PROCEDURE qwen.wait(task text, timeout interval DEFAULT NULL)
AS 'MODULE_PATHNAME', 'qwen_classify_wait'
LANGUAGE C;

COMMENT ON PROCEDURE qwen.wait(text, interval) IS
'come back when every row that waits has its label, or cannot get one';
COMMENT ON FUNCTION qwen.backfill(text, bigint, text) IS
'label the rows that are there already; max_rows first for a look, 0 ends it';
COMMENT ON FUNCTION qwen.relabel(text, text) IS
'make labels of an older version of the task anew, or those that the filter selects';
COMMENT ON FUNCTION qwen.retry(text) IS
'try the rows again that failed';
COMMENT ON FUNCTION qwen.pause(text) IS
'send nothing more for a task; rows go on being queued';
COMMENT ON FUNCTION qwen.resume(text) IS
'go on after a pause, or after a stop whose reason is mended';

-- ==== views ====

CREATE FUNCTION qwen.progress_rows(
	OUT task text,
	OUT relation regclass,
	OUT waiting bigint,
	OUT in_flight bigint,
	OUT done bigint,
	OUT undecided bigint,
	OUT failed bigint,
	OUT cut bigint,
	OUT stale bigint,
	OUT rows_per_s float8,
	OUT eta interval,
	OUT oldest interval,
	OUT state text,
	OUT since timestamptz,
	OUT why text,
	OUT source text,
	OUT last_error text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_progress'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 10;

-- Of each task: how its confidences are made, and which labels need nobody.
CREATE FUNCTION qwen.trust_rows(
	OUT task text,
	OUT calibration text,
	OUT accept_above text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_trust'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 10;

CREATE VIEW qwen.progress AS
SELECT p.task, p.relation, p.waiting, p.in_flight, p.done, p.undecided, p.failed, p.cut, p.stale,
	p.rows_per_s, p.eta, p.oldest, p.state, p.since::timestamptz(0) AS since, p.why, p.source,
	t.calibration, t.accept_above, p.last_error
FROM qwen.progress_rows() AS p LEFT JOIN qwen.trust_rows() AS t ON t.task = p.task;
GRANT SELECT ON qwen.progress TO PUBLIC;

CREATE FUNCTION qwen.failed_rows(
	OUT task text,
	OUT relation regclass,
	OUT key text,
	OUT class text,
	OUT message text,
	OUT attempts integer,
	OUT dead_at timestamptz,
	OUT next_at timestamptz)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_failed'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 1000;

CREATE VIEW qwen.failed AS
SELECT task, key, class, message, attempts, dead_at::timestamptz(0) AS dead_at,
	next_at::timestamptz(0) AS next_at, relation
FROM qwen.failed_rows();
GRANT SELECT ON qwen.failed TO PUBLIC;

COMMENT ON VIEW qwen.progress IS
'how far each task is: rows that wait, rate, time left, what it is doing and why';
COMMENT ON VIEW qwen.failed IS
'rows that could not be labelled: dead (until their text changes, or qwen.retry), or with the time of the next try';

CREATE FUNCTION qwen.server_rows(
	OUT server text,
	OUT state text,
	OUT since timestamptz,
	OUT in_flight integer,
	OUT window_size integer,
	OUT requests bigint,
	OUT prompt_tokens bigint,
	OUT cached_tokens bigint,
	OUT output_tokens bigint,
	OUT latency_ms float8,
	OUT errors bigint,
	OUT errors_by_class jsonb,
	OUT note text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_servers'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 10;

CREATE VIEW qwen.servers AS
SELECT server, state, since::timestamptz(0) AS since, in_flight, window_size, requests,
	prompt_tokens, cached_tokens, output_tokens, latency_ms, errors, errors_by_class, note
FROM qwen.server_rows();
GRANT SELECT ON qwen.servers TO PUBLIC;

COMMENT ON VIEW qwen.servers IS
'inference servers that you may use: up or not, requests in flight, how many it takes at once, counts since the database server started';

-- ==== trust: review ====

-- Rows that need a person; a person's answer.

CREATE FUNCTION qwen.review(
	task text,
	n integer DEFAULT 20,
	OUT key text,
	OUT input text,
	OUT label text,
	OUT confidence float8,
	OUT second text,
	OUT second_confidence float8,
	OUT reason text,
	OUT why text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_review'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;

CREATE FUNCTION qwen.correct(
	task text,
	key text,
	label text)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_correct'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION qwen.correct(
	task text,
	key bigint,
	label text)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_correct'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

-- Where a text may have several labels; a text as above is then an array literal.
CREATE FUNCTION qwen.correct(
	task text,
	key text,
	label text[])
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_correct_array'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION qwen.correct(
	task text,
	key bigint,
	label text[])
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_correct_array'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION qwen.agree(
	task text,
	key text)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_agree'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE FUNCTION qwen.agree(
	task text,
	key bigint)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_agree'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

-- A blind sample, from which one learns how often the machine is wrong.

CREATE FUNCTION qwen.audit(
	task text,
	n integer DEFAULT 20,
	OUT key text,
	OUT input text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_audit'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 20;

CREATE FUNCTION qwen.audits(
	task text,
	OUT drawn bigint,
	OUT answered bigint,
	OUT wrong bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_audits'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;

CREATE FUNCTION qwen.history(
	task text,
	key text,
	OUT at timestamptz,
	OUT what text,
	OUT label text,
	OUT confidence float8,
	OUT version integer,
	OUT source text,
	OUT who text,
	OUT note text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_history'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5;

CREATE FUNCTION qwen.history(
	task text,
	key bigint,
	OUT at timestamptz,
	OUT what text,
	OUT label text,
	OUT confidence float8,
	OUT version integer,
	OUT source text,
	OUT who text,
	OUT note text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_history'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 5;

CREATE FUNCTION qwen.export(
	task text)
RETURNS SETOF json
AS 'MODULE_PATHNAME', 'qwen_classify_export'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10000;

COMMENT ON FUNCTION qwen.review(text, integer) IS
'rows that need a person, the least sure first; answer with qwen.agree(task, key) or qwen.correct(task, key, label)';
COMMENT ON FUNCTION qwen.correct(text, text, text) IS
'a person''s label for a row; the same label as the machine''s is an agreement';
COMMENT ON FUNCTION qwen.correct(text, bigint, text) IS
'a person''s label for a row; the same label as the machine''s is an agreement';
COMMENT ON FUNCTION qwen.correct(text, text, text[]) IS
'a person''s labels for a row of a task in mode multi';
COMMENT ON FUNCTION qwen.correct(text, bigint, text[]) IS
'a person''s labels for a row of a task in mode multi';
COMMENT ON FUNCTION qwen.agree(text, text) IS
'a person says that the label of a row is right';
COMMENT ON FUNCTION qwen.agree(text, bigint) IS
'a person says that the label of a row is right';
COMMENT ON FUNCTION qwen.audit(text, integer) IS
'rows drawn at random, without the machine''s label: decide by the text alone, then qwen.correct(task, key, label)';
COMMENT ON FUNCTION qwen.audits(text) IS
'audits of a task: drawn, answered, and those where the machine was wrong';
COMMENT ON FUNCTION qwen.history(text, text) IS
'what is known of a row: labels, draws, answers, failures; the newest last';
COMMENT ON FUNCTION qwen.history(text, bigint) IS
'what is known of a row: labels, draws, answers, failures; the newest last';
COMMENT ON FUNCTION qwen.export(text) IS
'rows with the machine''s label and people''s, as JSON that Label Studio imports';

-- ==== trust: calibration ====

-- Labels gold rows, key and label or text and label, and writes nothing; without a
-- gold query the answered audits are compared, and nothing is sent.
CREATE FUNCTION qwen.quality(
	task text,
	gold text DEFAULT NULL,
	OUT part text,
	OUT item text,
	OUT value float8,
	OUT low float8,
	OUT high float8,
	OUT drawing text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_quality'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 50;

-- item, value and a note: read them from top to bottom.
CREATE FUNCTION qwen.calibrate(
	task text,
	OUT item text,
	OUT value text,
	OUT note text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_calibrate'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;

-- For our own statements: what a row of qwen.result is shown as.
CREATE FUNCTION qwen.shown_confidence(
	task integer,
	source text,
	label text,
	confidence float8,
	top float4[],
	coverage float4,
	verbal float4)
RETURNS float8
AS 'MODULE_PATHNAME', 'qwen_classify_shown_confidence'
LANGUAGE C STABLE PARALLEL RESTRICTED;
REVOKE EXECUTE ON FUNCTION qwen.shown_confidence(integer, text, text, float8, float4[], float4, float4) FROM PUBLIC;

CREATE FUNCTION qwen.calibration_of(
	task text,
	OUT item text,
	OUT value text,
	OUT note text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_calibration_of'
LANGUAGE C VOLATILE PARALLEL RESTRICTED ROWS 15;

-- By the worker; and by the caller's session, which commits every 1,000 rows.
CREATE FUNCTION qwen.recalibrate(task text)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_recalibrate'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

CREATE PROCEDURE qwen.recalibrate_now(task text)
AS 'MODULE_PATHNAME', 'qwen_classify_recalibrate_now'
LANGUAGE C;

COMMENT ON FUNCTION qwen.quality(text, text) IS
'how good a task is on rows whose label is known: accuracy, confidence, label by label';
COMMENT ON FUNCTION qwen.calibrate(text) IS
'fits what the server says of its sureness to what people said of reviewed rows; new rows show the result';
COMMENT ON FUNCTION qwen.calibration_of(text) IS
'is a task calibrated, by what, and what becomes of a number';
COMMENT ON FUNCTION qwen.recalibrate(text) IS
'asks the worker to write calibrated confidences into the rows that are there, without a request';
COMMENT ON PROCEDURE qwen.recalibrate_now(text) IS
'does it in this session, where there is no worker';

-- ==== trust: examples ====

-- The task as it is and the task with examples out of people's corrections, asked about
-- the same rows; adopt => true makes a version of it if it is the better one.
CREATE FUNCTION qwen.try_examples(
	task text,
	choice text DEFAULT 'similar',	-- for each text; or 'static'
	k integer DEFAULT NULL,			-- 6 similar ones, 4 static ones
	max_rows integer DEFAULT 500,
	adopt boolean DEFAULT false,
	OUT item text,
	OUT value text,
	OUT note text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_try_examples'
LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1000 ROWS 12;

COMMENT ON FUNCTION qwen.try_examples(text, text, integer, integer, boolean) IS
'would examples out of people''s corrections help? asks about rows that people labelled, with and without; adopt => true takes them on if so';

-- ==== trust: certificate, drift ====

-- What is not given is as in the certificate that stands; at first 0.05, 0.05, 'table'.
CREATE FUNCTION qwen.certify(
	task text,
	max_error float8 DEFAULT NULL,
	risk float8 DEFAULT NULL,
	target text DEFAULT NULL,
	apply boolean DEFAULT false,
	again boolean DEFAULT false,
	OUT item text,
	OUT value text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_certify'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 12;

CREATE FUNCTION qwen.drift(
	task text,
	look_now boolean DEFAULT false,
	anew boolean DEFAULT false,
	OUT chart text)
RETURNS SETOF text
AS 'MODULE_PATHNAME', 'qwen_classify_drift'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 40;

-- by: NULL, 'day', 'week' (when a row was labelled), or a column of the table.
CREATE FUNCTION qwen.shares(
	task text,
	since timestamptz DEFAULT NULL,
	by text DEFAULT NULL,
	OUT bucket text,
	OUT label text,
	OUT share float8,
	OUT low float8,
	OUT high float8,
	OUT rows bigint,
	OUT audits bigint)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_shares'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;

CREATE FUNCTION qwen.alert_rows(
	OUT task text,
	OUT at timestamptz,
	OUT kind text,
	OUT message text,
	OUT hint text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'qwen_classify_alerts'
LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 10;

CREATE VIEW qwen.alerts AS
SELECT task, at::timestamptz(0) AS at, kind, message, hint
FROM qwen.alert_rows();
GRANT SELECT ON qwen.alerts TO PUBLIC;

COMMENT ON FUNCTION qwen.certify(text, float8, float8, text, boolean, boolean) IS
'above which confidence labels may stand without a person''s look, with a promise; apply => true sets accept_above to ''certified''';
COMMENT ON FUNCTION qwen.drift(text, boolean, boolean) IS
'how the labels are mixed, and were; look_now => true looks at once, anew => true begins a new reference';
COMMENT ON FUNCTION qwen.shares(text, timestamptz, text) IS
'which share of the rows has which label, put right by audits, with 95 % intervals; rows: how many the machine gave it';
COMMENT ON VIEW qwen.alerts IS
'alarms of your tasks: labels are mixed otherwise than they were, or a certificate does not hold any more';
