-- How many are right?
SELECT count(*) AS rows,
       count(*) FILTER (WHERE label = intent) AS "right",
       round(avg((label = intent)::int), 3) AS accuracy
FROM ticket;

-- What is the confidence worth? The sure ones, and the rest for a person to look at.
SELECT CASE WHEN confidence >= 0.9 THEN '0.9 and above'
            WHEN confidence >= 0.5 THEN '0.5 to 0.9'
            ELSE 'below 0.5' END AS confidence,
       count(*) AS rows,
       count(*) FILTER (WHERE label = intent) AS "right",
       round(avg((label = intent)::int), 3) AS accuracy
FROM ticket GROUP BY 1 ORDER BY min(ticket.confidence) DESC;

-- What is taken for what? Rows: the person's label. Columns: the model's, by the same letters.
WITH code AS (
  SELECT intent, chr(96 + row_number() OVER (ORDER BY intent)::int) AS letter
  FROM (SELECT DISTINCT intent FROM ticket) AS i
)
SELECT p.letter || ' ' || p.intent AS person, m.letter AS model, nullif(count(t.id), 0) AS n
FROM code AS p CROSS JOIN code AS m
LEFT JOIN ticket AS t ON t.intent = p.intent AND t.label = m.intent
GROUP BY p.intent, p.letter, m.letter ORDER BY p.letter, m.letter
\crosstabview person model n

-- The three that it was least sure of, with its reasons.
SELECT left(t.body, 60) AS body, t.intent, q.*
FROM (SELECT * FROM ticket ORDER BY confidence, id LIMIT 3) AS t,
     qwen_classify(t.body,
       ARRAY['age_limit', 'card_arrival', 'change_pin', 'country_support', 'exchange_rate',
             'lost_or_stolen_card', 'request_refund', 'terminate_account', 'top_up_failed', 'transfer_timing'],
       instructions => 'Questions of bank customers.') AS q
\gx
