\set id random(1, :ids)
UPDATE ticket SET id = nextval('checker.id') WHERE id = :id;
