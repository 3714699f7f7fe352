TRUNCATE ticket;
INSERT INTO ticket (body) SELECT checker.text() FROM generate_series(1, 100);
