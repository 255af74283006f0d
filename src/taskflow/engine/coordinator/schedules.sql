-- The statements of the schedules duty; see also engine/schedules/queries.sql. They run on `database.hot`.

-- name: something_to_fire
-- The cheap look: an instant has come, or one waits whose schedule is free now.
SELECT EXISTS (SELECT FROM schedules WHERE NOT paused AND next_fire_at <= now())
    OR EXISTS (
      SELECT FROM schedule_fires f
      WHERE f.status = 'WAITING'
        AND EXISTS (SELECT FROM schedules s
                    WHERE s.schedule_id = f.schedule_id AND NOT s.paused
                      AND NOT EXISTS (SELECT FROM queues q WHERE q.name = s.queue AND q.draining))
        AND NOT EXISTS (
          SELECT FROM schedule_fires o JOIN tasks t ON t.task_id = o.task_id
          WHERE o.schedule_id = f.schedule_id AND o.occupies AND t.completed_at IS NULL));

-- name: lock_due
-- Schedules whose instant has come, oldest first; what another holds is left to it.
SELECT schedule_id, name, cron, time_zone, interval_seconds, run_at, starts_at, ends_at, jitter_seconds,
       misfire_policy, misfire_window_seconds, overlap_policy, next_fire_at, created_at, now() AS now,
       EXISTS (SELECT FROM queues q WHERE q.name = s.queue AND q.draining) AS draining
FROM schedules s WHERE NOT paused AND next_fire_at <= now()
ORDER BY next_fire_at LIMIT $1 FOR UPDATE OF s SKIP LOCKED;

-- name: lock_waiting
-- Schedules that an instant waits for, whose tasks have all ended, and whose queue takes new ones.
SELECT s.schedule_id FROM schedule_fires f JOIN schedules s ON s.schedule_id = f.schedule_id
WHERE f.status = 'WAITING' AND NOT s.paused
  AND NOT EXISTS (SELECT FROM queues q WHERE q.name = s.queue AND q.draining)
  AND NOT EXISTS (
    SELECT FROM schedule_fires o JOIN tasks t ON t.task_id = o.task_id
    WHERE o.schedule_id = f.schedule_id AND o.occupies AND t.completed_at IS NULL)
ORDER BY s.schedule_id LIMIT $1 FOR UPDATE OF s SKIP LOCKED;

-- name: move_on
UPDATE schedules AS s SET next_fire_at = m.next_fire_at, last_fire_at = greatest(s.last_fire_at, m.last_fire_at)
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS m (schedule_id, next_fire_at, last_fire_at)
WHERE s.schedule_id = m.schedule_id;

-- name: give_up
-- A timetable that this version cannot read: pause it, or it would be tried for ever.
UPDATE schedules SET paused = true, next_fire_at = NULL, updated_at = now() WHERE schedule_id = $1;

-- name: expire_fires
-- Old ones whose task has ended.
DELETE FROM schedule_fires WHERE (schedule_id, fire_at) IN (
  SELECT f.schedule_id, f.fire_at FROM schedule_fires f
  WHERE f.created_at < now() - $1::int * interval '1 day' AND f.status <> 'WAITING'
    AND NOT EXISTS (SELECT FROM tasks t WHERE t.task_id = f.task_id AND t.completed_at IS NULL)
  ORDER BY f.created_at LIMIT $2 FOR UPDATE OF f SKIP LOCKED);
