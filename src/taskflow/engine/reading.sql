-- What people and programs read about tasks and workers. These run on the ordinary pool.

-- name: chosen
-- What a filter asks of every task that it lists.
  ($1::text[] IS NULL OR status = ANY ($1))
  AND ($2::text IS NULL OR task_name = $2)
  AND ($3::text IS NULL OR queue = $3)
  AND ($5::timestamptz IS NULL OR created_at >= $5)
  AND ($6::timestamptz IS NULL OR created_at < $6)

-- name: by_id
-- A page, newest first by id. A campaign's tasks are born after it, so its id bounds the walk.
  ($4::uuid IS NULL OR (campaign_id = $4 AND task_id > $4))
  AND ($7::uuid IS NULL OR task_id < $7)
ORDER BY task_id DESC LIMIT $8

-- name: list_tasks
SELECT * FROM tasks
WHERE
-- include: chosen
  AND
-- include: by_id
;

-- name: list_live_tasks
-- The same for states that have not ended: the partial index holds only those.
SELECT * FROM tasks
WHERE completed_at IS NULL
  AND
-- include: chosen
  AND
-- include: by_id
;

-- name: list_failed_tasks
-- The same for FAILED and TIMEOUT, newest failure first: these are rare, and have an index of their own.
SELECT * FROM tasks
WHERE failed_at IS NOT NULL
  AND
-- include: chosen
  AND ($4::uuid IS NULL OR campaign_id = $4)
  AND ($7::timestamptz IS NULL OR (failed_at, task_id) < ($7, $8::uuid))
ORDER BY failed_at DESC, task_id DESC LIMIT $9;

-- name: list_tagged_tasks
-- The same for tasks that have all of these tags: an index of their own, too.
SELECT * FROM tasks
WHERE tags @> $9::text[]
  AND
-- include: chosen
  AND
-- include: by_id
;

-- name: get_task
SELECT * FROM tasks WHERE task_id = $1;

-- name: end_of
-- What somebody who waits for a task wants to know. An earlier attempt's error stays in the row of a success without result.
-- A result that has expired is not there any more, whether or not it was pruned.
SELECT t.status, CASE WHEN r.expires_at IS NULL OR r.expires_at > now() THEN r.result_data END AS result_data,
       r.error_message, r.stack_trace
FROM tasks t LEFT JOIN task_results r ON r.task_id = t.task_id AND t.completed_at IS NOT NULL
WHERE t.task_id = $1;

-- name: executions
SELECT * FROM task_executions WHERE task_id = $1 ORDER BY lease_epoch;

-- name: result
-- One that has expired is not there any more, whether or not it was pruned.
SELECT result_data, error_message, stack_trace, created_at, expires_at FROM task_results
WHERE task_id = $1 AND (expires_at IS NULL OR expires_at > now());

-- name: progress
SELECT percent, done, total, message, lease_epoch, updated_at FROM task_progress WHERE task_id = $1;

-- name: logs
SELECT log_id, level, message, metadata, created_at FROM task_logs
WHERE task_id = $1 AND ($2::uuid IS NULL OR log_id > $2) ORDER BY log_id LIMIT $3;

-- name: list_workers
-- Nodes that live, and those that stopped within a day.
SELECT * FROM workers
WHERE (stopped_at IS NULL OR stopped_at > now() - interval '1 day') AND last_heartbeat > now() - interval '1 day'
  AND ($1::uuid IS NULL OR worker_id < $1)
ORDER BY worker_id DESC LIMIT $2;

-- name: get_worker
SELECT * FROM workers WHERE worker_id = $1;

-- name: want_worker
-- What a node should do; it looks at its row when it is told to, and with every beat. One that is on its way out stays so.
UPDATE workers SET wanted = CASE WHEN wanted = 'STOP' OR (wanted = 'DRAIN' AND $2 <> 'STOP') THEN wanted ELSE $2 END
WHERE worker_id = $1 AND stopped_at IS NULL AND status <> 'DEAD' RETURNING *;
