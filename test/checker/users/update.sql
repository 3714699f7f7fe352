\set id random(1, :ids)
UPDATE ticket SET body = checker.text() WHERE id = :id;
