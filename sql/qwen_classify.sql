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
	OUT label text,
	OUT confidence float8,
	OUT reason text)
RETURNS record
AS 'MODULE_PATHNAME', 'qwen_classify_jsonb'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_classify(
	input text,
	labels text,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	with_reason boolean DEFAULT true,
	server text DEFAULT NULL,
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
	server text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_label_array'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_label(
	input text,
	labels jsonb,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_label_jsonb'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_label(
	input text,
	labels text,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'qwen_classify_label_text'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_scores(
	input text,
	labels text[],
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'qwen_classify_scores_array'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_scores(
	input text,
	labels jsonb,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'qwen_classify_scores_jsonb'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

CREATE FUNCTION qwen_scores(
	input text,
	labels text,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	server text DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'qwen_classify_scores_text'
LANGUAGE C STABLE PARALLEL RESTRICTED COST 1000 SUPPORT qwen.support;

-- What an administrator asks.

CREATE FUNCTION qwen.preview(
	input text,
	labels text[],
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	with_reason boolean DEFAULT true,
	server text DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'qwen_classify_preview_array'
LANGUAGE C STABLE PARALLEL RESTRICTED;

CREATE FUNCTION qwen.preview(
	input text,
	labels jsonb,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	with_reason boolean DEFAULT true,
	server text DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'qwen_classify_preview_jsonb'
LANGUAGE C STABLE PARALLEL RESTRICTED;

CREATE FUNCTION qwen.preview(
	input text,
	labels text,
	instructions text DEFAULT NULL,
	examples jsonb DEFAULT NULL,
	with_reason boolean DEFAULT true,
	server text DEFAULT NULL)
RETURNS json
AS 'MODULE_PATHNAME', 'qwen_classify_preview_text'
LANGUAGE C STABLE PARALLEL RESTRICTED;

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

COMMENT ON FUNCTION qwen_classify(text, text[], text, jsonb, boolean, text) IS
'label, confidence and reason of a text, by the model on your inference server';
COMMENT ON FUNCTION qwen_classify(text, jsonb, text, jsonb, boolean, text) IS
'label, confidence and reason of a text, by the model on your inference server';
COMMENT ON FUNCTION qwen_classify(text, text, text, jsonb, boolean, text) IS
'label, confidence and reason of a text, by the model on your inference server';
COMMENT ON FUNCTION qwen_label(text, text[], text, jsonb, text) IS
'the label of a text alone: the cheapest';
COMMENT ON FUNCTION qwen_label(text, jsonb, text, jsonb, text) IS
'the label of a text alone: the cheapest';
COMMENT ON FUNCTION qwen_label(text, text, text, jsonb, text) IS
'the label of a text alone: the cheapest';
COMMENT ON FUNCTION qwen_scores(text, text[], text, jsonb, text) IS
'the probability of every label';
COMMENT ON FUNCTION qwen_scores(text, jsonb, text, jsonb, text) IS
'the probability of every label';
COMMENT ON FUNCTION qwen_scores(text, text, text, jsonb, text) IS
'the probability of every label';
COMMENT ON FUNCTION qwen.check_server(text) IS
'tries a server with two small requests and says what it is';
COMMENT ON FUNCTION qwen.version() IS
'version of the library that is loaded';
COMMENT ON FUNCTION qwen.preview(text, text[], text, jsonb, boolean, text) IS
'the exact body of the request that qwen_classify would send; sends nothing';
COMMENT ON FUNCTION qwen.preview(text, jsonb, text, jsonb, boolean, text) IS
'the exact body of the request that qwen_classify would send; sends nothing';
COMMENT ON FUNCTION qwen.preview(text, text, text, jsonb, boolean, text) IS
'the exact body of the request that qwen_classify would send; sends nothing';
