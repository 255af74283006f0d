-- Queues. They run on the ordinary pool, but for `waiting_of`, which walks `tasks_live`.

-- name: terms
-- What is not plain: a handful of rows, read by everybody who enqueues.
SELECT name, priority, max_retries, timeout_seconds, draining FROM queues
WHERE draining OR priority IS NOT NULL OR max_retries IS NOT NULL OR timeout_seconds IS NOT NULL;

-- name: met
-- Queues that somebody uses get a row.
INSERT INTO queues (name) SELECT name FROM unnest($1::text[]) AS q (name) ORDER BY name ON CONFLICT DO NOTHING;

-- name: list_queues
SELECT q.*, l.concurrency, l.rate_count, l.rate_seconds, coalesce(l.weight, 1) AS weight, l.aging_seconds
FROM queues q LEFT JOIN limits l ON l.subject = 'queue:' || q.name AND l.source = 'operator'
WHERE ($1::text IS NULL OR q.name = $1) AND ($2::text IS NULL OR q.name > $2)
ORDER BY q.name LIMIT $3;

-- name: pauses
SELECT name, paused FROM queues;

-- name: drains
SELECT EXISTS (SELECT FROM queues WHERE name = $1 AND draining);

-- name: lock
SELECT FROM queues WHERE name = $1 FOR UPDATE;

-- name: pause
INSERT INTO queues (name, paused) VALUES ($1, true)
ON CONFLICT (name) DO UPDATE SET paused = true, updated_at = now();

-- name: resume
INSERT INTO queues (name) VALUES ($1)
ON CONFLICT (name) DO UPDATE SET paused = false, draining = false, updated_at = now();

-- name: drain
-- A pause ends with it: what waits is to run.
INSERT INTO queues (name, draining) VALUES ($1, true)
ON CONFLICT (name) DO UPDATE SET draining = true, paused = false, updated_at = now();

-- name: change
INSERT INTO queues (name, priority, max_retries, timeout_seconds) VALUES ($1, $2, $3, $4)
ON CONFLICT (name) DO UPDATE
  SET priority = excluded.priority, max_retries = excluded.max_retries, timeout_seconds = excluded.timeout_seconds,
      updated_at = now();

-- name: waiting_of
-- Tasks of a dispatch key that have not started, in order.
SELECT task_id FROM tasks
WHERE dispatch_key = $1 AND completed_at IS NULL AND status IN ('PENDING', 'SCHEDULED', 'BLOCKED')
ORDER BY priority DESC, task_id LIMIT $2;
