-- What ends the retention of tasks and of their history; see retention.py.

-- name: delete_ended
-- Of the next $3 tasks after $1 (those born before $2), delete what ended before $4 and what nobody may want to start
-- over. It never waits for a task that somebody else holds.
WITH walk AS MATERIALIZED (
  SELECT task_id FROM tasks WHERE task_id > $1 AND task_id < $2 ORDER BY task_id LIMIT $3
), doomed AS MATERIALIZED (
  SELECT t.task_id FROM walk JOIN tasks t ON t.task_id = walk.task_id
  WHERE t.completed_at < $4
    AND (t.campaign_id IS NULL OR t.status = 'COMPLETED') -- an uncertain recipient is sent to again by its FAILED task
    AND (t.failed_at IS NULL OR NOT EXISTS (SELECT FROM dead_letter_queue d WHERE d.task_id = t.task_id))
  ORDER BY t.task_id FOR UPDATE OF t SKIP LOCKED
), gone AS (
  DELETE FROM tasks AS t USING doomed WHERE t.task_id = doomed.task_id RETURNING t.task_id
)
SELECT (SELECT task_id FROM walk ORDER BY task_id DESC LIMIT 1) AS through,
       (SELECT count(*) FROM walk) AS seen, (SELECT count(*) FROM gone) AS deleted;

-- name: tasks_between
-- Is a task of this range of ids left?
SELECT EXISTS (SELECT FROM tasks WHERE task_id >= $1 AND task_id < $2);

-- name: sweep_executions
-- History that came after its week was dropped, of tasks that are gone by now. The DEFAULT partitions are small.
DELETE FROM task_executions_default WHERE (task_id, lease_epoch) IN (
  SELECT e.task_id, e.lease_epoch FROM task_executions_default e
  WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.task_id = e.task_id) LIMIT $1);

-- name: sweep_results
DELETE FROM task_results_default WHERE task_id IN (
  SELECT r.task_id FROM task_results_default r
  WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.task_id = r.task_id) LIMIT $1);

-- name: sweep_logs
DELETE FROM task_logs_default WHERE (task_id, log_id) IN (
  SELECT l.task_id, l.log_id FROM task_logs_default l
  WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.task_id = l.task_id) LIMIT $1);
