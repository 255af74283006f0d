-- What autoscaling measures. It runs on `database.hot`.

-- name: task_seconds
-- How long the newest attempts took, by queue; those of the last hour only.
SELECT t.queue, avg(e.duration_seconds)::float8 AS seconds
FROM (
  SELECT task_id, duration_seconds, completed_at FROM task_executions ORDER BY task_id DESC LIMIT $1
) AS e JOIN tasks t ON t.task_id = e.task_id
WHERE e.duration_seconds IS NOT NULL AND e.completed_at > now() - interval '1 hour'
GROUP BY t.queue;
