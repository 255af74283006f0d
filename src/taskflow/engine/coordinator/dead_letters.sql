-- The statements of the dead letters duty. Order of tables: coordinator_leases, tasks, dead_letter_queue.

-- name: something_to_do
-- The cheap look: letters that are due for a retry, that have expired ($1 days), or that a policy has not looked at.
SELECT EXISTS (SELECT FROM dead_letter_queue WHERE retry_at <= now())
    OR EXISTS (SELECT FROM dead_letter_queue WHERE moved_at < now() - $1::int * interval '1 day')
    OR EXISTS (
      SELECT FROM dead_letter_policies p
      WHERE EXISTS (SELECT FROM dead_letter_queue d
                    WHERE d.task_name = p.task_name AND d.requeued_at IS NULL AND d.auto_retries IS NULL));

-- name: judge
-- What the policies say of new letters: when they are due, or nothing when the task has had its retries.
WITH fresh AS MATERIALIZED (
  SELECT d.dlq_id, d.task_id, p.max_retries, p.delay_seconds, p.backoff, p.max_delay_seconds
  FROM dead_letter_policies p JOIN dead_letter_queue d ON d.task_name = p.task_name
  WHERE d.requeued_at IS NULL AND d.auto_retries IS NULL
  ORDER BY d.dlq_id LIMIT $1 FOR UPDATE OF d SKIP LOCKED
)
UPDATE dead_letter_queue AS d
SET auto_retries = before.retries,
    retry_at = CASE WHEN before.retries < f.max_retries THEN
      d.moved_at + least(f.delay_seconds * power(f.backoff, before.retries), f.max_delay_seconds) * interval '1 second' END
FROM fresh f CROSS JOIN LATERAL (
  SELECT count(*)::int AS retries FROM dead_letter_queue b WHERE b.task_id = f.task_id AND b.requeue_cause = 'policy'
) AS before
WHERE d.dlq_id = f.dlq_id;

-- name: due_for_retry
-- Read without a lock: tasks come before letters.
SELECT dlq_id, task_id FROM dead_letter_queue WHERE retry_at <= now() ORDER BY retry_at LIMIT $1;

-- name: note_retried
-- Of the letters $1, those of the tasks $2 were requeued by their policy; the others' tasks no longer can be.
UPDATE dead_letter_queue
SET retry_at = NULL, requeue_cause = CASE WHEN task_id = ANY ($2::uuid[]) THEN 'policy' ELSE requeue_cause END
WHERE dlq_id = ANY ($1::uuid[]);

-- name: expire_dead_letters
DELETE FROM dead_letter_queue WHERE dlq_id IN (
  SELECT dlq_id FROM dead_letter_queue WHERE moved_at < now() - $1::int * interval '1 day'
  ORDER BY moved_at LIMIT $2 FOR UPDATE SKIP LOCKED);
