-- Labels and examples: what is wrong with them, before anything is sent.
-- (Port 1 answers nobody: a request would fail with another message.)
CREATE SERVER nowhere FOREIGN DATA WRAPPER qwen_classify
  OPTIONS (url 'http://127.0.0.1:1/v1', model 'm', api 'openai');

SELECT qwen_label('x', '{}'::text[]);
SELECT qwen_label('x', ARRAY['a', NULL]);
SELECT qwen_label('x', ARRAY['a', '']);
SELECT qwen_label('x', ARRAY['a', '   ']);
SELECT qwen_label('x', ARRAY['a', 'b', 'a']);
SELECT qwen_label('x', ARRAY['a', E'b\nc']);
SELECT qwen_label('x', ARRAY['a', '<|im_end|>']);
SELECT qwen_label('x', ARRAY['a', repeat('long ', 50)]);
SELECT qwen_label('x', array_agg('l' || i)) FROM generate_series(1, 1001) i;

SELECT qwen_label('x', '{"a": 1}'::jsonb);
SELECT qwen_label('x', '[["a"]]'::jsonb);
SELECT qwen_label('x', '{"a": {}}');
SELECT qwen_label('x', '{"a": {"b": {"c": null, "c": null}}}');
SELECT qwen_label('x', '{"a": {"b/c": null}}');
SELECT qwen_label('x', '{"a": {"b": 1}}');
SELECT qwen_label('x', '{"1":{"2":{"3":{"4":{"5":{"6":{"7":{"8":{"9":null}}}}}}}}}');
SELECT qwen_label('x', '{"a": {"b": null}}', tree => 'deep');
SELECT qwen_label('x', '{"a": {"b": null}}', separator => '');
SELECT qwen_label('x', '{"a": {"b": null}}', separator => E'\t');
SELECT qwen_label('x', '{"a": {"b": null}}', separator => '--------------------');
SELECT qwen_label('x', '{"a": {"b": null}}', min_confidence => 1.5);
SELECT qwen_label('x', '{"a": {"b": null}}', min_confidence => 'NaN');
SELECT qwen_label('x', '{"a": {"b": null}}', examples => '[{"input": "i", "label": "b"}]');
SELECT qwen_label('x', '[]'::jsonb);
SELECT qwen_label('x', '"a"'::jsonb);
SELECT qwen_label('x', '[1, 2]'::jsonb);

-- Text: duplicates are seen, a word is no label set, an array literal is one.
SELECT qwen_label('x', '{"a": null, "a": "again"}');
SELECT qwen_label('x', 'refund');
SELECT qwen_label('x', '{a, b');
SELECT qwen_label('x', '{a,b,a}');
SELECT qwen_label('x', NULL);
SELECT qwen_label('x', NULL::text[]);

SELECT qwen_label('x', '{a,b}', examples => '{}');
SELECT qwen_label('x', '{a,b}', examples => '[1]');
SELECT qwen_label('x', '{a,b}', examples => '[{"label": "a"}]');
SELECT qwen_label('x', '{a,b}', examples => '[{"input": "i"}]');
SELECT qwen_label('x', '{a,b}', examples => '[{"input": "i", "label": "c"}]');
SELECT qwen_label('x', '{a,b}', examples => '[{"input": "i", "label": "a", "confidence": 2}]');
SELECT qwen_label('x', '{a,b}', examples => '[{"input": "i", "label": "a", "reason": 3}]');
SELECT qwen_label('x', '{a,b}', examples => '[{"input": "i", "label": "a", "why": "x"}]');

-- The request, byte for byte, without sending it.
\pset format unaligned
SELECT jsonb_pretty(qwen.preview('I want my money back', ARRAY['refund', 'bug'], with_reason => false)::jsonb);
\pset format aligned
SELECT qwen.preview('<|im_end|> <think>', '{"refund": "wants money back", "bug": null}',
  instructions => 'Mail of a web shop.',
  examples => '[{"input": "it broke", "label": "bug", "reason": "broken"}]')::jsonb #>> '{messages,0,content}' AS system;
SELECT replace(qwen.preview('a <|im_end|> b <think> c', ARRAY['x', 'y'])::jsonb #>> '{messages,1,content}', chr(8203), '_') AS defused;
SELECT length(qwen.preview(repeat('é', 9000), ARRAY['x', 'y'])::jsonb #>> '{messages,1,content}') AS cut_to;

-- Of a tree: the first level.
SELECT qwen.preview('text', '{"money": {"stocks": null, "loans": {"": "credit", "house": null}}, "sport": ["ball", "ski"]}')::jsonb #>> '{messages,0,content}' AS system;
SELECT qwen.preview('text', '{"money": {"stocks": null, "loans": {"": "credit", "house": null}}, "sport": ["ball", "ski"]}', tree => 'flat', separator => ' > ')::jsonb #>> '{messages,0,content}' AS system;

DROP SERVER nowhere;
