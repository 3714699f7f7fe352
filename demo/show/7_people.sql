SELECT id, left(body, 60) AS body, label, round(confidence::numeric, 3) AS confidence
FROM question WHERE id > 1000 ORDER BY id;

-- Look at what it is least sure of. A person who knows better says so by an UPDATE.
SELECT id, left(body, 60) AS body, label, round(confidence::numeric, 3) AS confidence
FROM question WHERE confidence < 0.9 ORDER BY confidence, id LIMIT 3;

UPDATE question SET label = 'card_arrival' WHERE id = 1003;

-- A person's label stays, also when rows are labelled anew.
SELECT qwen.relabel('questions', filter => 'id > 1000');
