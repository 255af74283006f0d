-- The statements of the hot path. They run on `database.hot`, whose planner may only walk indexes, and join on
-- `unnest` only. Ids come sorted, so that batches of several workers lock rows in one order.

-- name: claim
-- Take PENDING tasks: RUNNING, epoch + 1. Repeating a claim whose reply was lost, under the same claim_id, answers the
-- same rows with the same epochs. The journal row comes first and may name ids that this claim did not get.
-- One that has expired before its first attempt is left alone: the expiry duty ends it.
WITH journal AS (
  INSERT INTO task_claims (claim_id, worker_id, process_id, task_ids) VALUES ($2, $3, $4, $1)
  ON CONFLICT DO NOTHING
)
UPDATE tasks AS t
SET status = 'RUNNING', lease_epoch = t.lease_epoch + (t.status = 'PENDING')::int,
    claim_id = $2, worker_id = $3, started_at = now()
FROM unnest($1::uuid[]) AS wanted (task_id)
WHERE t.task_id = wanted.task_id AND (t.status = 'PENDING' OR (t.status = 'RUNNING' AND t.claim_id = $2))
  AND (t.expires_at IS NULL OR t.expires_at > now() OR t.status = 'RUNNING' OR t.retry_count + t.crash_count > 0)
RETURNING t.task_id, t.lease_epoch, t.task_name, t.dispatch_key, t.priority, t.retry_count, t.max_retries,
          t.timeout_seconds, t.crash_count, t.campaign_id, t.task_args, t.task_kwargs, t.payload_version,
          t.has_children, t.takes_results;

-- name: claim_limited
-- `claim` for ids of which only so many may be under way: nothing is taken once the dispatch lives another life than that
-- which suggested them ($5). The lock makes the relay, which begins that life, wait for us before it counts what runs.
WITH journal AS (
  INSERT INTO task_claims (claim_id, worker_id, process_id, task_ids) VALUES ($2, $3, $4, $1)
  ON CONFLICT DO NOTHING
), life AS MATERIALIZED (
  SELECT generation FROM dispatch_generation WHERE only_row AND generation = $5 FOR SHARE
)
UPDATE tasks AS t
SET status = 'RUNNING', lease_epoch = t.lease_epoch + (t.status = 'PENDING')::int,
    claim_id = $2, worker_id = $3, started_at = now()
FROM unnest($1::uuid[]) AS wanted (task_id)
WHERE t.task_id = wanted.task_id
  AND ((t.status = 'PENDING' AND EXISTS (SELECT FROM life)) OR (t.status = 'RUNNING' AND t.claim_id = $2))
  AND (t.expires_at IS NULL OR t.expires_at > now() OR t.status = 'RUNNING' OR t.retry_count + t.crash_count > 0)
RETURNING t.task_id, t.lease_epoch, t.task_name, t.dispatch_key, t.priority, t.retry_count, t.max_retries,
          t.timeout_seconds, t.crash_count, t.campaign_id, t.task_args, t.task_kwargs, t.payload_version,
          t.has_children, t.takes_results;

-- name: reroute
-- Claimed tasks that waited in the wrong line go back to wait in the right one; no attempt is burnt.
UPDATE tasks AS t
SET status = CASE WHEN t.cancel_requested_at IS NULL THEN 'PENDING' ELSE 'CANCELLED' END,
    completed_at = CASE WHEN t.cancel_requested_at IS NOT NULL THEN now() END,
    dispatch_key = o.dispatch_key, claim_id = NULL, worker_id = NULL, started_at = NULL
FROM unnest($1::uuid[], $2::int[], $3::text[]) AS o (task_id, epoch, dispatch_key)
WHERE t.task_id = o.task_id AND t.lease_epoch = o.epoch AND t.status = 'RUNNING'
RETURNING t.task_id, t.status, t.dispatch_key, t.priority, t.has_children;

-- name: begin_alone
-- A suspect is about to run: it has started after its claim, which `rescue` looks for. Nothing when its lease is gone.
UPDATE tasks AS t SET started_at = clock_timestamp()
WHERE t.task_id = $1 AND t.lease_epoch = $2 AND t.status = 'RUNNING'
RETURNING t.task_id;

-- name: finish
-- End or hand back attempts, in one statement: the task, its execution row, its result, its dead letter.
-- Only the holder of the lease gets through: the row must be RUNNING under the epoch it was claimed with.
-- execution '' writes no execution row. crashes and retries are added to the row's counts. result_ttl: seconds.
-- result is JSON as text: a jsonb[] of lists would be an array of more dimensions, which unnest takes apart.
-- An attempt that would go on later ends CANCELLED when somebody has asked for that meanwhile. One whose time was in the
-- past (`Retry(after=-60)`) is due now: the scheduler does not look for what should have been due long before.
WITH outcome AS (
  SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::float8[], $6::float8[], $7::int[], $8::int[],
                       $9::text[], $10::text[], $11::text[], $12::uuid[], $13::float8[], $14::text[], $15::text[])
    AS o (task_id, epoch, status, execution, seconds, delay, retries, crashes, result, error, stack, dlq_id, result_ttl,
          error_class, error_place)
), ended AS (
  UPDATE tasks AS t
  SET status = CASE WHEN t.cancel_requested_at IS NULL OR o.status NOT IN ('PENDING', 'SCHEDULED') THEN o.status
                    ELSE 'CANCELLED' END,
      completed_at = CASE WHEN t.cancel_requested_at IS NOT NULL OR o.status NOT IN ('PENDING', 'SCHEDULED')
                          THEN now() END,
      failed_at = CASE WHEN o.status IN ('FAILED', 'TIMEOUT') THEN now() END,
      due_at = CASE WHEN o.status = 'SCHEDULED' AND t.cancel_requested_at IS NULL
                    THEN now() + greatest(o.delay, 0) * interval '1 second' END,
      started_at = CASE WHEN o.seconds IS NULL THEN t.started_at ELSE now() - o.seconds * interval '1 second' END,
      retry_count = t.retry_count + o.retries,
      crash_count = t.crash_count + o.crashes
  FROM outcome AS o
  WHERE t.task_id = o.task_id AND t.lease_epoch = o.epoch AND t.status = 'RUNNING'
  RETURNING t.task_id, t.status, t.dispatch_key, t.priority, t.due_at, t.lease_epoch, t.worker_id, t.started_at,
            t.task_name, t.has_children, o.execution, o.seconds, o.result, o.error, o.stack, o.dlq_id, o.result_ttl,
            o.error_class, o.error_place, t.retry_count - o.retries + t.crash_count - o.crashes + 1 AS attempt,
            CASE WHEN o.dlq_id IS NOT NULL THEN to_jsonb(t.*) END AS task_data
), history AS (
  INSERT INTO task_executions (task_id, worker_id, lease_epoch, attempt_number, started_at, completed_at,
                               duration_seconds, status, error_message)
  SELECT task_id, worker_id, lease_epoch, attempt, started_at, now(), seconds, execution, error
  FROM ended WHERE execution <> ''
  ON CONFLICT DO NOTHING
), results AS (
  INSERT INTO task_results (task_id, result_data, error_message, stack_trace, expires_at)
  SELECT task_id, result::jsonb, error, stack, now() + result_ttl * interval '1 second'
  FROM ended WHERE result IS NOT NULL OR error IS NOT NULL
  ON CONFLICT (task_id) DO UPDATE SET result_data = excluded.result_data, error_message = excluded.error_message,
                                      stack_trace = excluded.stack_trace, created_at = now(),
                                      expires_at = excluded.expires_at
), dead AS (
  INSERT INTO dead_letter_queue (dlq_id, task_id, lease_epoch, task_name, task_data, failure_reason, stack_trace,
                                 total_attempts, error_class, error_place)
  SELECT dlq_id, task_id, lease_epoch, task_name, task_data, coalesce(error, status), stack, attempt, error_class,
         error_place
  FROM ended WHERE dlq_id IS NOT NULL
  ON CONFLICT DO NOTHING
)
SELECT task_id, status, has_children FROM ended;

-- name: complete
-- `finish` for the commonest end: COMPLETED, nothing to keep but the attempt, nobody waits for it. Answers how many it
-- ended; which ones they were is asked (`ended_as`) only when it was not all of them.
WITH ended AS (
  UPDATE tasks AS t
  SET status = 'COMPLETED', completed_at = now(), started_at = now() - o.seconds * interval '1 second'
  FROM unnest($1::uuid[], $2::int[], $3::float8[]) AS o (task_id, epoch, seconds)
  WHERE t.task_id = o.task_id AND t.lease_epoch = o.epoch AND t.status = 'RUNNING' AND NOT t.has_children
  RETURNING t.task_id, t.worker_id, t.lease_epoch, t.started_at, t.retry_count + t.crash_count + 1 AS attempt,
            o.seconds, t.campaign_id
), history AS (
  INSERT INTO task_executions (task_id, worker_id, lease_epoch, attempt_number, started_at, completed_at,
                               duration_seconds, status)
  SELECT task_id, worker_id, lease_epoch, attempt, started_at, now(), seconds, 'COMPLETED'
  FROM ended WHERE campaign_id IS NULL -- the ledger row is the history of a campaign's success
  ON CONFLICT DO NOTHING
)
SELECT count(*) FROM ended;

-- name: ended_as
-- What became of tasks that a `finish` did not touch: was its reply lost, is the lease gone, or (still RUNNING) have
-- they got children since they were claimed, so that `complete` left them to `finish`?
SELECT t.task_id, t.status, t.lease_epoch FROM unnest($1::uuid[]) AS o (task_id) JOIN tasks t USING (task_id);

-- name: append_logs
-- Log lines of attempts that still hold their lease.
INSERT INTO task_logs (log_id, task_id, level, message, metadata, created_at)
SELECT l.log_id, l.task_id, l.level, l.message, l.metadata, now() - l.age * interval '1 second'
FROM unnest($1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::jsonb[], $7::float8[])
  AS l (log_id, task_id, epoch, level, message, metadata, age)
JOIN tasks t ON t.task_id = l.task_id AND t.lease_epoch = l.epoch AND t.status = 'RUNNING'
ON CONFLICT DO NOTHING;

-- name: write_progress
-- How far attempts say they are, if they still hold their lease; answers whose word was taken.
INSERT INTO task_progress AS p (task_id, lease_epoch, percent, done, total, message)
SELECT o.task_id, o.epoch, o.percent, o.done, o.total, o.message
FROM unnest($1::uuid[], $2::int[], $3::real[], $4::bigint[], $5::bigint[], $6::text[])
  AS o (task_id, epoch, percent, done, total, message)
JOIN tasks t ON t.task_id = o.task_id AND t.lease_epoch = o.epoch AND t.status = 'RUNNING'
ON CONFLICT (task_id) DO UPDATE
  SET lease_epoch = excluded.lease_epoch, percent = excluded.percent, done = excluded.done, total = excluded.total,
      message = excluded.message, updated_at = now()
  WHERE p.lease_epoch <= excluded.lease_epoch
RETURNING task_id;

-- name: forget_claims
DELETE FROM task_claims WHERE claim_id = ANY($1::uuid[]);

-- name: cancel_requested
-- Which of these running attempts somebody wants cancelled.
SELECT t.task_id FROM unnest($1::uuid[]) AS o (task_id) JOIN tasks t USING (task_id)
WHERE t.cancel_requested_at IS NOT NULL AND t.status = 'RUNNING';

-- name: insert_task
-- Arguments come as text: a caller's connection need not know how we write JSON.
-- $7: the instant it is wanted at; $12: or in how many seconds from now, on the database's clock. One in the past is
-- due now: the scheduler does not look for what should have been due long before. $15 and $16: the same for its expiry. $17: where it
-- stands in line.
INSERT INTO tasks (task_id, task_name, queue, dispatch_key, priority, status, max_retries, timeout_seconds,
                   scheduled_at, due_at, parent_task_id, created_by, task_args, task_kwargs, payload_version, tags,
                   expires_at)
SELECT $1, $2, $3, $17, $4, CASE WHEN at IS NULL THEN 'PENDING' ELSE 'SCHEDULED' END, $5, $6, at,
       CASE WHEN at IS NOT NULL THEN greatest(at, now()) END, $8, $9, $10::text::jsonb, $11::text::jsonb, $13, $14,
       coalesce($15::timestamptz, now() + $16::float8 * interval '1 second')
FROM (SELECT coalesce($7::timestamptz, now() + $12::float8 * interval '1 second') AS at) AS wanted;

-- name: request_cancel
-- Of these, cancel what waits, and with $2 ask the holders to cancel what runs. Rows are locked in the order of workers'
-- batches.
WITH these AS MATERIALIZED (
  SELECT task_id FROM tasks
  WHERE task_id = ANY($1::uuid[])
    AND (status IN ('PENDING', 'SCHEDULED', 'BLOCKED') OR (status = 'RUNNING' AND $2::boolean))
  ORDER BY task_id FOR UPDATE
)
UPDATE tasks AS t
SET status = CASE WHEN t.status = 'RUNNING' THEN t.status ELSE 'CANCELLED' END,
    completed_at = CASE WHEN t.status = 'RUNNING' THEN NULL ELSE now() END,
    due_at = NULL,
    cancel_requested_at = now()
FROM these
WHERE t.task_id = these.task_id AND t.status IN ('PENDING', 'SCHEDULED', 'BLOCKED', 'RUNNING')
RETURNING t.task_id, t.status, t.worker_id, t.dispatch_key, t.has_children;

-- name: retry_by_hand
-- A task that ended badly starts over, with a full set of attempts, and no longer expires; its dead letter is marked as
-- requeued.
WITH these AS MATERIALIZED (
  SELECT task_id FROM tasks
  WHERE task_id = ANY($1::uuid[]) AND status IN ('FAILED', 'TIMEOUT', 'CANCELLED') ORDER BY task_id FOR UPDATE
), again AS (
  UPDATE tasks AS t
  SET status = 'PENDING', completed_at = NULL, failed_at = NULL, cancel_requested_at = NULL, retry_count = 0,
      crash_count = 0, worker_id = NULL, claim_id = NULL, pending_parents = 0, expires_at = NULL
  FROM these
  WHERE t.task_id = these.task_id AND t.status IN ('FAILED', 'TIMEOUT', 'CANCELLED')
  RETURNING t.task_id, t.status, t.dispatch_key, t.priority
), letters AS (
  UPDATE dead_letter_queue
  SET requeued_at = now(), requeue_cause = 'hand', requeued_task_id = task_id, retry_at = NULL
  WHERE task_id IN (SELECT task_id FROM again) AND requeued_at IS NULL
)
SELECT task_id, status, dispatch_key, priority FROM again;

-- name: status_of
SELECT status FROM tasks WHERE task_id = $1;
