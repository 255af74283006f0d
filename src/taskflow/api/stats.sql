-- The figures of the overview, over every domain. See stats.py for how often they are asked for.

-- name: live
-- Tasks that have not ended, by queue and status, and how long the oldest of each has waited: since it was wanted, or
-- since the start of the attempt that it is to repeat.
SELECT queue, status, count(*) AS tasks,
       extract(epoch FROM now() - min(greatest(coalesce(scheduled_at, created_at), started_at)))::float8 AS oldest_seconds
FROM tasks WHERE completed_at IS NULL GROUP BY queue, status;

-- name: recent
-- Tasks of the last hour that have ended, by queue, status and minute, in one pass.
SELECT queue, status, date_trunc('minute', completed_at) AS minute, count(*) AS tasks,
       count(*) FILTER (WHERE completed_at > now() - interval '60 seconds') AS last_minute
FROM tasks
WHERE created_at > now() - interval '1 hour' AND completed_at > now() - interval '1 hour'
GROUP BY 1, 2, 3;

-- name: paused_queues
SELECT name FROM queues WHERE paused;

-- name: rest
SELECT
  now() AS now,
  (SELECT count(*) FROM tasks WHERE failed_at > now() - interval '1 hour') AS failed_last_hour,
  (SELECT count(*) FROM dead_letter_queue WHERE requeued_at IS NULL) AS dead_letters,
  (SELECT count(*) FROM campaigns WHERE completed_at IS NULL AND status = 'RUNNING') AS campaigns_running,
  w.active, w.capacity, w.load
FROM (
  SELECT count(*) AS active, coalesce(sum(capacity), 0) AS capacity, coalesce(sum(current_load), 0) AS load
  FROM workers WHERE stopped_at IS NULL AND status <> 'DEAD' AND last_heartbeat > now() - interval '30 seconds'
) AS w;
