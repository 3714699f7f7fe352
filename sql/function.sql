-- The three overloads in all spellings, without a cast: each must resolve.
-- The input is NULL, so nothing is sent.
SELECT (qwen_classify(NULL, ARRAY['a', 'b'])) IS NULL AS array_form;
SELECT (qwen_classify(NULL, '{a,b}')) IS NULL AS literal;
SELECT (qwen_classify(NULL, '["a", "b"]')) IS NULL AS json_array;
SELECT (qwen_classify(NULL, '{"a": "first", "b": null}')) IS NULL AS json_object;
SELECT (qwen_classify(NULL, '{"a": null}'::jsonb)) IS NULL AS jsonb_form;
SELECT (qwen_classify(NULL, jsonb_build_object('a', 'x', 'b', 'y'))) IS NULL AS jsonb_built;
SELECT (qwen_classify(NULL, '{"a": null}'::text)) IS NULL AS text_form;
SELECT (qwen_classify(NULL, ARRAY['a', 'b']::varchar[])) IS NULL AS varchar_array;
SELECT (qwen_classify(input => NULL, labels => ARRAY['a', 'b'])) IS NULL AS named;
SELECT (qwen_classify(NULL, labels => '{a,b}', with_reason => false)) IS NULL AS named_literal;
SELECT (qwen_classify(NULL, ARRAY['a', 'b'], 'Mail.')) IS NULL AS instructions;
SELECT (qwen_classify(NULL, ARRAY['a', 'b'], 'Mail.', '[]')) IS NULL AS examples;
SELECT (qwen_classify(NULL, ARRAY['a', 'b'], 'Mail.', '[]', false)) IS NULL AS reason;
SELECT (qwen_classify(NULL, ARRAY['a', 'b'], 'Mail.', '[]', false, 'srv')) IS NULL AS all_given;
SELECT (qwen_classify(NULL, ARRAY['a', 'b'], server => 'srv')) IS NULL AS server;
SELECT (qwen_classify(NULL, ARRAY['a', 'b'], long_text => 'split')) IS NULL AS long_text;
SELECT (qwen_classify(NULL, ARRAY['a', 'b'], 'Mail.', '[]', false, 'srv', 'split')) IS NULL AS long_text_too;
SELECT qwen_label(NULL, '{"a": null}', long_text => 'split') IS NULL AS long_text_literal;
SELECT qwen_scores(NULL, '{"a": null}'::jsonb, long_text => 'head_tail') IS NULL AS long_text_jsonb;
SELECT qwen_label(NULL, ARRAY['a', 'b']) IS NULL AS label_array;
SELECT qwen_label(NULL, '{"a": null, "b": null}') IS NULL AS label_literal;
SELECT qwen_label(NULL, '{"a": null}'::jsonb, server => 'srv') IS NULL AS label_jsonb;
SELECT qwen_scores(NULL, ARRAY['a', 'b']) IS NULL AS scores_array;
SELECT qwen_scores(NULL, '{a,b}', examples => '[]') IS NULL AS scores_literal;

-- The same of several labels.
SELECT qwen_labels(NULL, ARRAY['a', 'b']) IS NULL AS labels_1;
SELECT qwen_labels(NULL, '{a,b}') IS NULL AS labels_2;
SELECT qwen_labels(NULL, '["a", "b"]') IS NULL AS labels_3;
SELECT qwen_labels(NULL, '{"a": "first", "b": null}') IS NULL AS labels_4;
SELECT qwen_labels(NULL, '{"a": null}'::jsonb) IS NULL AS labels_5;
SELECT qwen_labels(NULL, jsonb_build_object('a', 'x', 'b', 'y')) IS NULL AS labels_6;
SELECT qwen_labels(NULL, '{"a": null}'::text) IS NULL AS labels_7;
SELECT qwen_labels(NULL, ARRAY['a', 'b']::varchar[]) IS NULL AS labels_8;
SELECT qwen_labels(input => NULL, labels => ARRAY['a', 'b']) IS NULL AS labels_9;
SELECT qwen_labels(NULL, labels => '{a,b}', threshold => 0.3) IS NULL AS labels_10;
SELECT qwen_labels(NULL, ARRAY['a', 'b'], 'Mail.') IS NULL AS labels_11;
SELECT qwen_labels(NULL, ARRAY['a', 'b'], 'Mail.', '[]') IS NULL AS labels_12;
SELECT qwen_labels(NULL, ARRAY['a', 'b'], 'Mail.', '[]', 0.7) IS NULL AS labels_13;
SELECT qwen_labels(NULL, ARRAY['a', 'b'], 'Mail.', '[]', 0.7, 'srv') IS NULL AS labels_14;
SELECT qwen_labels(NULL, ARRAY['a', 'b'], server => 'srv') IS NULL AS labels_15;
SELECT qwen_labels(NULL, '{a,b}', examples => '[]') IS NULL AS labels_16;
SELECT qwen_labels(NULL, '{"a": null}'::jsonb, server => 'srv') IS NULL AS labels_17;
SELECT qwen_labels(NULL, '{"a": null}'::jsonb, 'Mail.', '[]', 1) IS NULL AS labels_18;
SELECT qwen_labels(NULL, task => 't') IS NULL AS labels_19;
SELECT qwen_labels(NULL, task => 't', threshold => 0.5) IS NULL AS labels_20;

-- What may be asked besides.
SELECT (qwen_classify(NULL, ARRAY['a', 'b'], abstain => true)) IS NULL AS array_abstain;
SELECT qwen_label(NULL, '{a,b}', abstain => true) IS NULL AS literal_abstain;
SELECT qwen_scores(NULL, '{"a": null}'::jsonb, abstain => true) IS NULL AS jsonb_abstain;

-- Drivers send parameters of unknown type; columns have types of their own.
PREPARE driver AS SELECT qwen_label(NULL, $1);
EXECUTE driver('{a,b}');
EXECUTE driver('{"a": null}');
DEALLOCATE driver;
CREATE TABLE ticket (id int, body text, label text, confidence float8, reason text);
SELECT id, (qwen_classify(body, ARRAY['a', 'b'])).* FROM ticket;
UPDATE ticket SET (label, confidence, reason) = (SELECT * FROM qwen_classify(body, ARRAY['a', 'b']));
INSERT INTO ticket (id) VALUES (1);
SELECT id, c.* FROM ticket, qwen_classify(body, ARRAY['a', 'b']) c;
UPDATE ticket SET (label, confidence, reason) = (SELECT * FROM qwen_classify(body, ARRAY['a', 'b']));
SELECT * FROM ticket WHERE qwen_label(body, ARRAY['a', 'b']) = 'a';
SELECT qwen_label(body, ARRAY['a', 'b']), count(*) FROM ticket GROUP BY 1;
DROP TABLE ticket;
