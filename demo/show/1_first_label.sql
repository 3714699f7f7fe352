-- Three statements to the first label.
CREATE EXTENSION qwen_classify;

CREATE SERVER qwen FOREIGN DATA WRAPPER qwen_classify
  OPTIONS (@SERVER_OPTIONS@);

SELECT * FROM qwen_classify('I paid twice for the same shoes, please send the money back.',
                            ARRAY['refund', 'bug', 'praise']);
