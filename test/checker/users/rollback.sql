\set id random(1, :ids)
BEGIN;
UPDATE ticket SET body = checker.text() WHERE id = :id;
SAVEPOINT a;
INSERT INTO ticket (body) SELECT checker.text() FROM generate_series(1, 3);
ROLLBACK TO a;
INSERT INTO ticket (body) VALUES (checker.text());
COMMIT;
