-- What ends the retention of tasks and of their history; see retention.py.

-- name: delete_ended
-- Of the next $3 tasks after $1 (those born before $2), delete what ended before $4 and what nobody may want to start
-- over, and the edges that lead to it and from it. A parent stays while a child that takes its result, or waits for it,
-- may still run; that may be behind a group. It never waits for a task that somebody else holds, and passes over one that
-- got a child meanwhile (its row is another version).
WITH walk AS MATERIALIZED (
  SELECT task_id, xmin AS version FROM tasks WHERE task_id > $1 AND task_id < $2 ORDER BY task_id LIMIT $3
), doomed AS MATERIALIZED (
  SELECT t.task_id FROM walk JOIN tasks t ON t.task_id = walk.task_id AND t.xmin = walk.version
  WHERE t.completed_at < $4
    AND (t.campaign_id IS NULL OR t.status = 'COMPLETED') -- an uncertain recipient is sent to again by its FAILED task
    AND (t.failed_at IS NULL OR NOT EXISTS (SELECT FROM dead_letter_queue d WHERE d.task_id = t.task_id))
    AND (NOT t.has_children OR NOT EXISTS (
      SELECT FROM (
        SELECT d.child_id FROM task_dependencies d WHERE d.parent_id = t.task_id
        UNION ALL
        SELECT b.child_id FROM task_dependencies d
        JOIN tasks g ON g.task_id = d.child_id AND g.task_name = 'taskflow.group' AND g.has_children
        JOIN task_dependencies b ON b.parent_id = g.task_id
        WHERE d.parent_id = t.task_id
      ) AS below JOIN tasks c ON c.task_id = below.child_id
      WHERE c.completed_at IS NULL
         OR (c.failed_at IS NOT NULL AND EXISTS (SELECT FROM dead_letter_queue d WHERE d.task_id = c.task_id))))
  ORDER BY t.task_id FOR UPDATE OF t SKIP LOCKED
), gone AS (
  DELETE FROM tasks AS t USING doomed WHERE t.task_id = doomed.task_id RETURNING t.task_id, t.has_children
), edges_down AS (
  DELETE FROM task_dependencies AS d USING gone WHERE gone.has_children AND d.parent_id = gone.task_id
), edges_up AS (
  DELETE FROM task_dependencies AS d USING gone WHERE d.child_id = gone.task_id
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

-- name: sweep_progress
DELETE FROM task_progress_default WHERE task_id IN (
  SELECT p.task_id FROM task_progress_default p
  WHERE NOT EXISTS (SELECT FROM tasks t WHERE t.task_id = p.task_id) LIMIT $1);
