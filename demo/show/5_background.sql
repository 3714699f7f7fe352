-- In the background: a table whose rows are labelled as they come. Three statements; nobody waits.
CREATE TABLE question (id int PRIMARY KEY, body text NOT NULL, intent text);
INSERT INTO question SELECT id, body, intent FROM ticket ORDER BY id LIMIT @FIRST@;

SELECT qwen.create_task('questions',
  labels => ARRAY['age_limit', 'card_arrival', 'change_pin', 'country_support', 'exchange_rate',
                  'lost_or_stolen_card', 'request_refund', 'terminate_account', 'top_up_failed', 'transfer_timing'],
  instructions => 'Questions of bank customers.',
  with_reason => false);

SELECT qwen.attach('questions', 'question', input => 'body', add_columns => true);

SELECT qwen.backfill('questions', max_rows => @FIRST@);
