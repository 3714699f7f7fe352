\set id random(1, :ids)
UPDATE ticket SET body = body, label = label, confidence = confidence WHERE id = :id;
