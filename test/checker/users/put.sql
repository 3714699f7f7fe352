\set id random(1, :ids)
INSERT INTO ticket (id, body) VALUES (:id, checker.text()) ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body;
