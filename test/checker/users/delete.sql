\set id random(1, :ids)
DELETE FROM ticket WHERE id = :id;
