\set id random(1, :ids)
UPDATE ticket SET label = NULL, mine = NULL WHERE id = :id;
