\set id random(1, :ids)
BEGIN;
SELECT count(*) FROM (SELECT FROM ticket WHERE id BETWEEN :id AND :id + 5 ORDER BY id FOR UPDATE) AS locked;
\sleep 200 ms
COMMIT;
