\set id random(1, :ids)
UPDATE ticket SET label = 'spam', mine = 'spam' WHERE id = :id AND mine IS NULL AND label IS DISTINCT FROM 'spam';
