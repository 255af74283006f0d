-- Dead letters for people. These run on the ordinary pool. Order of tables: tasks, dead_letter_queue.

-- name: chosen
-- The condition of a `DeadLetterFilter`.
    ($1::text IS NULL OR task_name = $1)
AND ($2::text IS NULL OR queue = $2)
AND ($3::text IS NULL OR fingerprint = $3)
AND ($4::timestamptz IS NULL OR moved_at >= $4)
AND ($5::timestamptz IS NULL OR moved_at < $5)
AND ($6::boolean IS NULL OR (requeued_at IS NOT NULL) = $6)
AND ($7::text IS NULL OR strpos(lower(concat_ws(E'\n', failure_reason, stack_trace, task_data ->> 'task_args',
                                                task_data ->> 'task_kwargs')), lower($7)) > 0)
AND ($8::uuid[] IS NULL OR dlq_id = ANY ($8))

-- name: list_dead_letters
SELECT * FROM dead_letter_queue
WHERE
-- include: chosen
AND ($9::uuid IS NULL OR dlq_id < $9)
ORDER BY dlq_id DESC LIMIT $10;

-- name: slice
-- The next ones to act upon. It walks from the newest back, so that what is acted upon brings nothing into the walk.
SELECT dlq_id, task_id FROM dead_letter_queue
WHERE
-- include: chosen
AND ($9::uuid IS NULL OR dlq_id < $9)
ORDER BY dlq_id DESC LIMIT $10;

-- name: groups
-- Letters by what broke them, the group with the newest letter first.
WITH found AS (
  SELECT fingerprint, task_name, error_class, error_place, count(*) AS letters,
         count(*) FILTER (WHERE requeued_at IS NULL) AS waiting,
         min(moved_at) AS first_at, max(moved_at) AS last_at
  FROM dead_letter_queue
  WHERE
-- include: chosen
  GROUP BY fingerprint, task_name, error_class, error_place
  HAVING $9::timestamptz IS NULL OR (max(moved_at), fingerprint) < ($9, $10)
  ORDER BY last_at DESC, fingerprint DESC LIMIT $11
)
SELECT found.*, newest.dlq_id AS newest_dlq_id, newest.failure_reason
FROM found CROSS JOIN LATERAL (
  SELECT dlq_id, failure_reason FROM dead_letter_queue AS d
  WHERE d.fingerprint = found.fingerprint AND d.moved_at = found.last_at ORDER BY dlq_id DESC LIMIT 1
) AS newest
ORDER BY last_at DESC, fingerprint DESC;

-- name: get_dead_letter
SELECT * FROM dead_letter_queue WHERE dlq_id = $1;

-- name: lock_dead_letter
SELECT * FROM dead_letter_queue WHERE dlq_id = $1 FOR UPDATE;

-- name: link
-- An edited letter was made into another task.
UPDATE dead_letter_queue
SET requeued_at = now(), requeue_cause = 'edit', requeued_task_id = $2, retry_at = NULL
WHERE dlq_id = $1 RETURNING *;

-- name: purge
DELETE FROM dead_letter_queue WHERE dlq_id IN (
  SELECT dlq_id FROM dead_letter_queue WHERE dlq_id = ANY ($1::uuid[]) ORDER BY dlq_id FOR UPDATE)
RETURNING dlq_id;

-- ───────────────────────────────────────────── policies ─────────────────────────────────────────────

-- name: list_policies
SELECT * FROM dead_letter_policies WHERE ($1::text IS NULL OR task_name > $1) ORDER BY task_name LIMIT $2;

-- name: put_policy
INSERT INTO dead_letter_policies AS p (task_name, max_retries, delay_seconds, backoff, max_delay_seconds, created_by)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (task_name) DO UPDATE
  SET max_retries = excluded.max_retries, delay_seconds = excluded.delay_seconds, backoff = excluded.backoff,
      max_delay_seconds = excluded.max_delay_seconds, updated_at = now()
RETURNING *;

-- name: delete_policy
DELETE FROM dead_letter_policies WHERE task_name = $1 RETURNING task_name;

-- name: judge_anew
-- Another policy, or none: the duty looks again at what waits.
UPDATE dead_letter_queue SET auto_retries = NULL, retry_at = NULL
WHERE task_name = $1 AND requeued_at IS NULL AND auto_retries IS NOT NULL;
