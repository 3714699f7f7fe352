-- Loads, upgrades nothing, leaves nothing behind.
CREATE EXTENSION qwen_classify;
SELECT qwen.version() = extversion AS library_matches FROM pg_extension WHERE extname = 'qwen_classify';
SELECT p.oid::regprocedure AS function, prorettype::regtype AS returns
  FROM pg_proc p WHERE proname ~ '^qwen_' AND probin ~ 'qwen_classify' ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT p.oid::regprocedure AS function, prorettype::regtype AS returns
  FROM pg_proc p WHERE pronamespace = 'qwen'::regnamespace ORDER BY p.oid::regprocedure::text COLLATE "C";

-- Everybody may call; a server is what is granted.
SELECT count(*) FILTER (WHERE NOT has_function_privilege('public', p.oid, 'EXECUTE')) AS not_public,
       count(*) FILTER (WHERE p.provolatile <> 's' OR p.proparallel <> 'r' OR p.procost <> 1000 OR p.proisstrict) AS odd
  FROM pg_proc p WHERE proname IN ('qwen_classify', 'qwen_label', 'qwen_labels', 'qwen_scores');

-- Nothing of it is left, and it can be made again, in another schema too.
DROP EXTENSION qwen_classify;
SELECT count(*) FROM pg_namespace WHERE nspname = 'qwen';
CREATE SCHEMA ai;
CREATE EXTENSION qwen_classify SCHEMA ai;
SELECT ai.qwen_label(NULL, ARRAY['a', 'b']) IS NULL AS found;
SELECT ai.qwen_label('x', ARRAY['a', 'b']);
DROP EXTENSION qwen_classify;
DROP SCHEMA ai;
CREATE EXTENSION qwen_classify;

-- Settings.
SHOW qwen_classify.server;
SHOW qwen_classify.on_error;
SHOW qwen_classify.max_requests;
SET qwen_classify.on_error = 'whatever';
SET qwen_classify.max_request = 3;
CREATE ROLE regress_qwen_user;
SET ROLE regress_qwen_user;
SET qwen_classify.max_requests = 3;
SET qwen_classify.on_error = 'error';
RESET ROLE;
DROP ROLE regress_qwen_user;
