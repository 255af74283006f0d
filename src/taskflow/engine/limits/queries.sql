-- Limits. They run on the ordinary pool.

-- name: in_force
-- Every limit: the operator's where there is one, else the one of the code.
SELECT DISTINCT ON (subject) * FROM limits ORDER BY subject, source DESC;

-- name: list_limits
-- Limits of tasks in force, with what the code says where an operator has overridden that.
SELECT DISTINCT ON (l.subject) l.*, c.concurrency AS code_concurrency, c.rate_count AS code_rate_count,
       c.rate_seconds AS code_rate_seconds
FROM limits l LEFT JOIN limits c ON c.subject = l.subject AND c.source = 'code'
WHERE l.subject NOT LIKE 'queue:%' AND ($1::text IS NULL OR l.subject > $1)
ORDER BY l.subject, l.source DESC LIMIT $2;

-- name: get_limit
-- One of them.
SELECT l.*, c.concurrency AS code_concurrency, c.rate_count AS code_rate_count, c.rate_seconds AS code_rate_seconds
FROM limits l LEFT JOIN limits c ON c.subject = l.subject AND c.source = 'code'
WHERE l.subject = $1 ORDER BY l.source DESC LIMIT 1;

-- name: limit_in_force
SELECT * FROM limits WHERE subject = $1 ORDER BY source DESC LIMIT 1;

-- name: overridden_tasks
-- Tasks that an operator limits as a whole.
SELECT subject FROM limits WHERE source = 'operator' AND subject LIKE 'task:%' AND strpos(subject, '/') = 0;

-- name: publish
-- What definitions say; what is the same already is left alone.
INSERT INTO limits AS l (subject, source, concurrency, rate_count, rate_seconds)
SELECT subject, 'code', concurrency, rate_count, rate_seconds
FROM unnest($1::text[], $2::int[], $3::int[], $4::int[]) AS d (subject, concurrency, rate_count, rate_seconds)
ORDER BY subject
ON CONFLICT (subject, source) DO UPDATE
  SET concurrency = excluded.concurrency, rate_count = excluded.rate_count, rate_seconds = excluded.rate_seconds,
      updated_at = now()
  WHERE (l.concurrency, l.rate_count, l.rate_seconds)
        IS DISTINCT FROM (excluded.concurrency, excluded.rate_count, excluded.rate_seconds);

-- name: retract
-- Definitions no longer say anything about these.
DELETE FROM limits WHERE source = 'code' AND subject = ANY($1::text[]);

-- name: override
INSERT INTO limits (subject, source, concurrency, rate_count, rate_seconds, weight, aging_seconds)
VALUES ($1, 'operator', $2, $3, $4, $5, $6)
ON CONFLICT (subject, source) DO UPDATE
  SET concurrency = excluded.concurrency, rate_count = excluded.rate_count, rate_seconds = excluded.rate_seconds,
      weight = excluded.weight, aging_seconds = excluded.aging_seconds, updated_at = now()
RETURNING *;

-- name: reset
DELETE FROM limits WHERE source = 'operator' AND subject = $1 RETURNING subject;
