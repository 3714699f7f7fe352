-- New rows: the INSERT is over at once, the labels come by themselves.
\timing on
INSERT INTO question (id, body) VALUES
  (1001, 'Where can I see how old my daughter has to be?'),
  (1002, 'My wallet was taken from my bag with the card in it.'),
  (1003, 'Is it normal that this takes a week?');
\timing off
