--
-- Options of servers and user mappings: what is taken, what is refused and
-- in which words.  No inference server is needed.
--
-- a run that was cut short may have left them
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_qwen_owner, regress_qwen_reader;
RESET client_min_messages;

-- the least that is needed
CREATE SERVER opt FOREIGN DATA WRAPPER qwen_classify;
CREATE SERVER opt FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:8080/v1');
ALTER SERVER opt OPTIONS (DROP url);

-- all of them
ALTER SERVER opt OPTIONS (
    ADD model 'qwen2.5-7b-instruct', ADD api 'vllm', ADD max_concurrency '16',
    ADD requests_per_minute '600', ADD tokens_per_minute '100000',
    ADD connect_timeout '500ms', ADD request_timeout '1min', ADD retry_timeout '0',
    ADD max_input_chars '0', ADD max_tokens '200', ADD temperature '0.7',
    ADD codes 'on', ADD exact 'false', ADD extra_body '{"seed": 1}',
    ADD ca_file '/etc/ssl/ca.pem', ADD client_cert '/etc/ssl/c.pem', ADD client_key '/etc/ssl/k.pem',
    ADD auth_header 'api-key');
ALTER SERVER opt OPTIONS (
    DROP model, DROP api, DROP max_concurrency, DROP requests_per_minute, DROP tokens_per_minute, DROP connect_timeout, DROP request_timeout,
    DROP retry_timeout, DROP max_input_chars, DROP max_tokens, DROP temperature,
    DROP codes, DROP exact, DROP extra_body, DROP ca_file, DROP client_cert, DROP client_key,
    DROP auth_header);

-- names
ALTER SERVER opt OPTIONS (ADD modle 'x');
ALTER SERVER opt OPTIONS (ADD something_else 'x');
ALTER SERVER opt OPTIONS (ADD api_key 'sk-secret');
CREATE USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (model 'x');
CREATE USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (apikey 'x');
CREATE USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (password 'x');
ALTER FOREIGN DATA WRAPPER qwen_classify OPTIONS (ADD url 'http://127.0.0.1');

-- url: a function that tries one, so that each stands on a line
CREATE FUNCTION try(option text, value text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE format('ALTER SERVER opt OPTIONS (%s %I %L)',
                   CASE option WHEN 'url' THEN 'SET' ELSE 'ADD' END, option, value);
    IF option <> 'url' THEN
        EXECUTE format('ALTER SERVER opt OPTIONS (DROP %I)', option);
    END IF;
    RETURN 'ok';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ': ' || message || coalesce(E'\n' || nullif(detail, ''), '') || coalesce(E'\n' || nullif(hint, ''), '');
END $$;
\t on
\pset format unaligned
SELECT value || ' -> ' || try('url', value) FROM unnest(ARRAY[
    'https://api.example.com/v1/', 'http://[::1]:8080', 'http://localhost:11434',
    'http://10.0.0.1:8000/v1, http://10.0.0.2:8000/v1', 'HTTP://Host.Example/v1',
    'http://127.0.0.1:8080/inference',
    '', ' ', 'localhost:8080', 'ftp://host/v1', 'file:///etc/passwd', 'gopher://host', 'unix:/tmp/s',
    'http://', 'http:///v1', 'http://:80/v1', 'http://host:0/v1', 'http://host:99999/v1', 'http://host:x/v1',
    'http://user:secret@host/v1', 'http://user@host/v1', 'http://host/v1?api-key=secret', 'http://host/v1#x',
    'http://host/v1/chat/completions', 'http://host/v1/models',
    'http://host/a b', 'http://höst/v1', 'http://a%0ab/v1', 'http://a\b/v1', 'http://[fe80::1]:1/v1', 'http://[::g]/v1', E'http://host/v1\r\nX-Evil: 1',
    'http://a/v1,,http://b/v1', 'http://a/v1,http://a:80/v1/', 'http://a/v1,http://A/v1',
    'http://a/v1,http://b/inference',
    'http://h1,http://h2,http://h3,http://h4,http://h5,http://h6,http://h7,http://h8,http://h9,http://h10,http://h11,http://h12,http://h13,http://h14,http://h15,http://h16,http://h17'
    ]) AS value;
SELECT try('url', 'http://host/' || repeat('x', 1000));
SELECT try('url', 'http://127.0.0.1:8080/v1');

-- numbers, times, words
SELECT option || ' ' || value || ' -> ' || try(option, value) FROM (VALUES
    ('max_concurrency', '10000'), ('max_concurrency', '10001'), ('max_concurrency', '-1'), ('max_concurrency', 'many'),
    ('max_concurrency', '99999999999'), ('max_concurrency', ''),
    ('max_tokens', '16'), ('max_tokens', '0'), ('max_tokens', '160 tokens'),
    ('max_input_chars', '-1'),
    ('temperature', '2'), ('temperature', '2.1'), ('temperature', 'NaN'), ('temperature', 'warm'),
    ('connect_timeout', '2'), ('connect_timeout', '2s'), ('connect_timeout', '0.5'), ('connect_timeout', '0'),
    ('connect_timeout', '2 fortnights'), ('connect_timeout', '-1s'), ('connect_timeout', '25h'), ('connect_timeout', 'soon'),
    ('codes', 'yes'), ('codes', 'maybe'),
    ('api', 'auto'), ('api', 'ollama'), ('api', 'Ollama'), ('api', 'bedrock'),
    ('model', ''), ('model', E'a\nb'), ('model', 'Qwen/Qwen2.5-7B-Instruct'),
    ('ca_file', 'ca.pem'), ('ca_file', ''), ('client_key', '/k.pem'),
    ('auth_header', 'x-api-key'), ('auth_header', 'Authorization'), ('auth_header', 'a b'), ('auth_header', ''),
    ('auth_header', 'X-A: 1'), ('auth_header', 'host'), ('auth_header', 'Content-Length')
    ) AS t(option, value);

-- the plain API is told by its path
\t off
\pset format aligned
CREATE SERVER opt3 FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:8080/v1', api 'inference');
CREATE SERVER opt3 FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:8080/inference', api 'vllm');
CREATE SERVER opt3 FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:8080/inference/', api 'inference');
DROP SERVER opt3;
\t on
\pset format unaligned

-- extra_body
SELECT value || ' -> ' || try('extra_body', value) FROM unnest(ARRAY[
    '{}', '{"seed": 1, "chat_template_kwargs": {"x": null}}', '', '[]', '1', '{', '{"a": 1} x', '{"messages": []}',
    '{"prompt": "x"}', '{"stream": true}', '{"model": "x"}', '{"n": 2}']) AS value;
SELECT try('extra_body', '{"x": "' || repeat('y', 66000) || '"}');
SELECT try('extra_body', repeat('[', 5000));
\t off
\pset format aligned

-- keys: the value is never repeated
CREATE USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (api_key E'sk-secret\nX-Evil: 1');
CREATE USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (api_key '');
CREATE USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (api_key ' sk-secret');
CREATE USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (api_key 'sk-sécret');
CREATE USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (api_key_file 'key');
CREATE USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (api_key_file '/etc/qwen/key', api_key 'sk-secret');
CREATE USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (api_key 'sk-secret');
ALTER USER MAPPING FOR CURRENT_USER SERVER opt OPTIONS (DROP api_key, ADD api_key_file '/etc/qwen/key');
DROP USER MAPPING FOR CURRENT_USER SERVER opt;

-- rights: an ordinary owner
CREATE ROLE regress_qwen_owner;
CREATE ROLE regress_qwen_reader IN ROLE pg_read_server_files;
SET ROLE regress_qwen_owner;
CREATE SERVER opt2 FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:8080/v1');
RESET ROLE;
GRANT USAGE ON FOREIGN DATA WRAPPER qwen_classify TO regress_qwen_owner;
SET ROLE regress_qwen_owner;
CREATE SERVER opt2 FOREIGN DATA WRAPPER qwen_classify OPTIONS (url 'http://127.0.0.1:8080/v1');
ALTER SERVER opt2 OPTIONS (ADD ca_file '/etc/ssl/ca.pem');
ALTER SERVER opt2 OPTIONS (ADD client_cert '/etc/ssl/c.pem', ADD client_key '/etc/ssl/k.pem');
-- what a superuser set stays, and does not stand in the way of the rest
RESET ROLE;
ALTER SERVER opt2 OPTIONS (ADD ca_file '/etc/ssl/ca.pem');
SET ROLE regress_qwen_owner;
ALTER SERVER opt2 OPTIONS (ADD model 'qwen');
ALTER SERVER opt2 OPTIONS (SET ca_file '/etc/passwd');
ALTER SERVER opt2 OPTIONS (DROP ca_file);
ALTER SERVER opt2 OPTIONS (ADD ca_file '/etc/ssl/ca.pem');
-- a file that goes to the server's url is only for those who may read it
CREATE USER MAPPING FOR CURRENT_USER SERVER opt2 OPTIONS (api_key_file '/etc/passwd');
RESET ROLE;
CREATE USER MAPPING FOR regress_qwen_owner SERVER opt2 OPTIONS (api_key_file '/etc/qwen/key');
SET ROLE regress_qwen_owner;
ALTER USER MAPPING FOR CURRENT_USER SERVER opt2 OPTIONS (ADD api_key 'x');
ALTER USER MAPPING FOR CURRENT_USER SERVER opt2 OPTIONS (DROP api_key_file, ADD api_key 'x');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER opt2 TO regress_qwen_reader;
SET ROLE regress_qwen_reader;
CREATE USER MAPPING FOR CURRENT_USER SERVER opt2 OPTIONS (api_key_file '/etc/qwen/key');
RESET ROLE;

-- a foreign table has no options of ours
CREATE FOREIGN TABLE opt_table (x int) SERVER opt OPTIONS (y 'z');

-- roles see the options of a server, and of their own mapping only
SET ROLE regress_qwen_owner;
SELECT srvname, umoptions FROM pg_user_mappings WHERE srvname IN ('opt', 'opt2') ORDER BY 1, 2;
RESET ROLE;

DROP SERVER opt CASCADE;
DROP SERVER opt2 CASCADE;
DROP FUNCTION try(text, text);
REVOKE USAGE ON FOREIGN DATA WRAPPER qwen_classify FROM regress_qwen_owner;
DROP ROLE regress_qwen_owner, regress_qwen_reader;
