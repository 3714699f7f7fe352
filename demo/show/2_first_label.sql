SELECT * FROM qwen_classify('I paid twice for the same shoes, please send the money back.',
                            ARRAY['refund', 'bug', 'praise']);

-- Questions of bank customers; intent is what a person said that each one is about.
SELECT id, body, intent FROM ticket ORDER BY id LIMIT 3;

