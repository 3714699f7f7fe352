-- Three statements to the first label.
CREATE EXTENSION qwen_classify;

CREATE SERVER qwen FOREIGN DATA WRAPPER qwen_classify
  OPTIONS (@SERVER_OPTIONS@);

