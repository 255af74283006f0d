-- Schedules and what they fired. Order of tables in every transaction: coordinator_leases, schedules, schedule_fires,
-- tasks. Whoever fires holds the row of the schedule (FOR UPDATE), so that nobody judges an overlap beside another.

-- ──────────────────────────────────────────── schedules ─────────────────────────────────────────────

-- name: now
SELECT now();

-- name: wall_clock
SELECT clock_timestamp();

-- name: insert_schedule
INSERT INTO schedules (schedule_id, name, task_name, task_args, task_kwargs, queue, priority, max_retries,
                       timeout_seconds, kind, cron, time_zone, interval_seconds, run_at, starts_at, ends_at,
                       jitter_seconds, misfire_policy, misfire_window_seconds, overlap_policy, paused, next_fire_at,
                       payload_version, tags, expires_in_seconds, dispatch_part, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
        $25, $26, $27)
RETURNING *;

-- name: update_schedule
UPDATE schedules
SET name = $2, task_name = $3, task_args = $4, task_kwargs = $5, queue = $6, priority = $7, max_retries = $8,
    timeout_seconds = $9, kind = $10, cron = $11, time_zone = $12, interval_seconds = $13, run_at = $14,
    starts_at = $15, ends_at = $16, jitter_seconds = $17, misfire_policy = $18, misfire_window_seconds = $19,
    overlap_policy = $20, paused = $21, next_fire_at = $22, payload_version = $23, tags = $24,
    expires_in_seconds = $25, dispatch_part = $26, updated_at = now()
WHERE schedule_id = $1
RETURNING *;

-- name: occupy_again
-- An `allow` schedule keeps no watch over its tasks; once it has another policy, those under way count.
UPDATE schedule_fires AS f SET occupies = true
FROM tasks t
WHERE f.schedule_id = $1 AND f.status = 'FIRED' AND f.cause <> 'backfill' AND NOT f.occupies
  AND t.task_id = f.task_id AND t.completed_at IS NULL;

-- name: delete_schedule
-- Its fires go with it; tasks that it started are left alone.
DELETE FROM schedules WHERE schedule_id = $1 RETURNING name;

-- name: get_schedule
SELECT * FROM schedules WHERE schedule_id = $1;

-- name: find_schedule
SELECT * FROM schedules WHERE name = $1;

-- name: lock_schedule
SELECT * FROM schedules WHERE schedule_id = $1 FOR UPDATE;

-- name: list_schedules
SELECT * FROM schedules
WHERE ($1::text IS NULL OR name = $1) AND ($2::text IS NULL OR task_name = $2) AND ($3::boolean IS NULL OR paused = $3)
  AND ($4::uuid IS NULL OR schedule_id < $4)
ORDER BY schedule_id DESC LIMIT $5;

-- name: list_fires
SELECT f.*, t.status AS task_status
FROM schedule_fires f LEFT JOIN tasks t ON t.task_id = f.task_id
WHERE f.schedule_id = $1 AND ($2::timestamptz IS NULL OR f.fire_at < $2)
ORDER BY f.fire_at DESC LIMIT $3;

-- ────────────────────────────────────────────── firing ──────────────────────────────────────────────

-- name: fire
-- Write down what becomes of instants, and make the tasks of those that fire: the schedule's row says what they are.
-- An instant that is there already stays as it is, and makes no task; but a backfill fires one that was skipped.
-- $8: whose tasks they are; the schedule's maker by default.
WITH fires AS (
  INSERT INTO schedule_fires AS f (schedule_id, fire_at, due_at, status, cause, task_id, occupies)
  SELECT schedule_id, fire_at, due_at, status, $6, task_id, occupies
  FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[], $4::text[], $5::uuid[], $7::boolean[])
    AS w (schedule_id, fire_at, due_at, status, task_id, occupies)
  ORDER BY schedule_id, fire_at
  ON CONFLICT (schedule_id, fire_at) DO UPDATE
    SET status = excluded.status, cause = excluded.cause, task_id = excluded.task_id, due_at = excluded.due_at,
        created_at = now()
    WHERE f.status = 'SKIPPED' AND excluded.cause = 'backfill'
  RETURNING f.schedule_id, f.due_at, f.task_id
)
INSERT INTO tasks (task_id, task_name, queue, dispatch_key, priority, status, max_retries, timeout_seconds,
                   scheduled_at, due_at, created_by, task_args, task_kwargs, payload_version, tags, expires_at)
SELECT f.task_id, s.task_name, s.queue, concat_ws('/', s.queue, s.dispatch_part), s.priority,
       CASE WHEN f.due_at > statement_timestamp() THEN 'SCHEDULED' ELSE 'PENDING' END, s.max_retries, s.timeout_seconds,
       f.due_at, CASE WHEN f.due_at > statement_timestamp() THEN f.due_at END, coalesce($8, s.created_by), s.task_args, s.task_kwargs,
       s.payload_version, s.tags, greatest(f.due_at, statement_timestamp()) + s.expires_in_seconds * interval '1 second'
FROM fires f JOIN schedules s ON s.schedule_id = f.schedule_id
WHERE f.task_id IS NOT NULL
RETURNING task_id, dispatch_key, priority, status;

-- name: made_before
SELECT task_id, dispatch_key, priority, status FROM tasks WHERE task_id = $1;

-- name: settle_fires
-- Tasks that have ended no longer occupy their schedule.
UPDATE schedule_fires AS f SET occupies = false
WHERE f.schedule_id = ANY($1::uuid[]) AND f.occupies
  AND NOT EXISTS (SELECT FROM tasks t WHERE t.task_id = f.task_id AND t.completed_at IS NULL);

-- name: occupying
-- What is under way, and what waits for its end (no task_id).
SELECT schedule_id, task_id FROM schedule_fires WHERE schedule_id = ANY($1::uuid[]) AND occupies
UNION ALL
SELECT schedule_id, NULL FROM schedule_fires WHERE schedule_id = ANY($1::uuid[]) AND status = 'WAITING';

-- name: release
-- Instants that waited become tasks.
WITH fires AS (
  UPDATE schedule_fires AS f
  SET status = 'FIRED', task_id = w.task_id, occupies = true, due_at = greatest(f.due_at, now())
  FROM unnest($1::uuid[], $2::uuid[]) AS w (schedule_id, task_id)
  WHERE f.schedule_id = w.schedule_id AND f.status = 'WAITING'
  RETURNING f.schedule_id, f.due_at, f.task_id
)
INSERT INTO tasks (task_id, task_name, queue, dispatch_key, priority, status, max_retries, timeout_seconds,
                   scheduled_at, due_at, created_by, task_args, task_kwargs, payload_version, tags, expires_at)
SELECT f.task_id, s.task_name, s.queue, concat_ws('/', s.queue, s.dispatch_part), s.priority,
       CASE WHEN f.due_at > statement_timestamp() THEN 'SCHEDULED' ELSE 'PENDING' END, s.max_retries, s.timeout_seconds,
       f.due_at, CASE WHEN f.due_at > statement_timestamp() THEN f.due_at END, s.created_by, s.task_args, s.task_kwargs,
       s.payload_version, s.tags, greatest(f.due_at, statement_timestamp()) + s.expires_in_seconds * interval '1 second'
FROM fires f JOIN schedules s ON s.schedule_id = f.schedule_id
RETURNING task_id, dispatch_key, priority, status;
