SELECT id, label, confidence, reason FROM question WHERE id > 1000 ORDER BY id;

SELECT * FROM qwen.progress
\gx
