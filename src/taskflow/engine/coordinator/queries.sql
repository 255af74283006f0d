-- The statements of election and duties. Those that join on `unnest` or walk `tasks_live` run on `database.hot`.
-- Order of tables in every transaction: coordinator_leases, task_claims, tasks, executions, dead letters.

-- ───────────────────────────────────────────── election ─────────────────────────────────────────────

-- name: lease_is_taken
-- The cheap look of a standby: no lock, no write.
SELECT EXISTS (SELECT FROM coordinator_leases WHERE name = $1 AND expires_at > clock_timestamp());

-- name: ensure_lease
INSERT INTO coordinator_leases (name) VALUES ($1) ON CONFLICT DO NOTHING;

-- name: take_lease
-- Only an expired row; FOR UPDATE waits for the transactions that still write under the old term.
WITH free AS MATERIALIZED (
  SELECT name FROM coordinator_leases WHERE name = $1 AND expires_at <= clock_timestamp() FOR UPDATE
)
UPDATE coordinator_leases AS l
SET holder = $2, term = l.term + 1, expires_at = clock_timestamp() + $3::float8 * interval '1 second', hostname = $4
FROM free WHERE l.name = free.name
RETURNING l.term;

-- name: renew_lease
UPDATE coordinator_leases SET expires_at = clock_timestamp() + $4::float8 * interval '1 second'
WHERE name = $1 AND holder = $2 AND term = $3 AND expires_at > clock_timestamp()
RETURNING true;

-- name: release_lease
UPDATE coordinator_leases SET expires_at = '-infinity', holder = NULL WHERE name = $1 AND holder = $2 AND term = $3;

-- name: assert_lease
-- The first statement of every writing transaction. KEY SHARE lets the lease be renewed meanwhile, but not taken.
SELECT set_config('idle_in_transaction_session_timeout', $4, true) IS NOT NULL
FROM coordinator_leases WHERE name = $1 AND holder = $2 AND term = $3 AND expires_at > clock_timestamp()
FOR KEY SHARE;

-- ─────────────────────────────────────────────── relay ──────────────────────────────────────────────

-- name: live_dispatch_keys
-- Every dispatch key with tasks that have not ended: a loose scan, one descent of `tasks_live` a key.
WITH RECURSIVE live (dispatch_key) AS (
  (SELECT dispatch_key FROM tasks WHERE completed_at IS NULL ORDER BY dispatch_key LIMIT 1)
  UNION ALL
  SELECT (SELECT t.dispatch_key FROM tasks t WHERE t.completed_at IS NULL AND t.dispatch_key > live.dispatch_key
          ORDER BY t.dispatch_key LIMIT 1)
  FROM live WHERE live.dispatch_key IS NOT NULL
)
SELECT dispatch_key FROM live WHERE dispatch_key IS NOT NULL;

-- name: backlog_after
-- The next PENDING tasks of a key behind a place (priority, id), in order. Two ranges of the index instead of an OR.
-- `t.` in ORDER BY matters: a bare task_id there is the output column, the text, which no index has in order.
(SELECT t.task_id::text, t.priority FROM tasks t
 WHERE t.dispatch_key = $1 AND t.completed_at IS NULL AND t.status = 'PENDING' AND t.priority = $2 AND t.task_id > $3
 ORDER BY t.task_id LIMIT $4)
UNION ALL
(SELECT t.task_id::text, t.priority FROM tasks t
 WHERE t.dispatch_key = $1 AND t.completed_at IS NULL AND t.status = 'PENDING' AND t.priority < $2
 ORDER BY t.priority DESC, t.task_id LIMIT $4)
LIMIT $4;

-- name: backlog_heads
-- The first PENDING tasks ($2 at most) of each of these keys.
SELECT t.dispatch_key, t.priority, t.task_id::text FROM unnest($1::text[]) AS k (dispatch_key)
CROSS JOIN LATERAL (
  SELECT t.dispatch_key, t.priority, t.task_id FROM tasks t
  WHERE t.dispatch_key = k.dispatch_key AND t.completed_at IS NULL AND t.status = 'PENDING'
  ORDER BY t.priority DESC, t.task_id LIMIT $2
) AS t;

-- name: standing
-- What ids are now, and where they stand in line.
SELECT o.task_id::text, t.status, t.priority, t.dispatch_key
FROM unnest($1::uuid[]) AS o (task_id) LEFT JOIN tasks t ON t.task_id = o.task_id;

-- name: begin_generation
-- A new life of the dispatch. It waits for claims of limited tasks that are under way in the old one; later ones get
-- nothing.
UPDATE dispatch_generation SET generation = $1 WHERE only_row;

-- name: generation
-- Which life of the dispatch limited tasks are claimed in.
SELECT generation FROM dispatch_generation WHERE only_row;

-- name: claims_after
SELECT claim_id, task_ids FROM task_claims WHERE claim_id > $1 ORDER BY claim_id LIMIT $2;

-- name: running_of
-- Which tasks still run under these claims.
SELECT t.task_id::text, t.dispatch_key FROM unnest($1::uuid[], $2::uuid[]) AS o (task_id, claim_id)
JOIN tasks t ON t.task_id = o.task_id AND t.claim_id = o.claim_id AND t.status = 'RUNNING';

-- ───────────────────────────────────────────── scheduler ────────────────────────────────────────────

-- name: something_is_due
SELECT EXISTS (SELECT FROM tasks WHERE due_at <= now() AND due_at >= $1);

-- name: promote_due
-- SCHEDULED tasks whose time has come. The lower bound keeps the scan off the index entries of those already promoted.
WITH due AS MATERIALIZED (
  SELECT task_id, due_at FROM tasks WHERE due_at <= now() AND due_at >= $1
  ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE tasks AS t SET status = 'PENDING', due_at = NULL
FROM due WHERE t.task_id = due.task_id
RETURNING t.task_id::text, t.dispatch_key, t.priority, due.due_at;

-- name: due_soon
SELECT task_id::text, extract(epoch FROM due_at)::float8 AS due FROM tasks
WHERE due_at < now() + interval '1 minute' ORDER BY due_at LIMIT $1;

-- ────────────────────────────────────────────── expiry ──────────────────────────────────────────────

-- name: something_has_expired
SELECT EXISTS (SELECT FROM tasks
               WHERE expires_at <= now() AND completed_at IS NULL AND status IN ('PENDING', 'SCHEDULED', 'BLOCKED')
                 AND retry_count + crash_count = 0);

-- name: expire_tasks
-- Tasks that have not begun by their time, oldest first. What another holds is left for the next round.
WITH late AS MATERIALIZED (
  SELECT task_id FROM tasks
  WHERE expires_at <= now() AND completed_at IS NULL AND status IN ('PENDING', 'SCHEDULED', 'BLOCKED')
    AND retry_count + crash_count = 0
  ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
), ended AS (
  UPDATE tasks AS t SET status = 'CANCELLED', completed_at = now(), due_at = NULL
  FROM late WHERE t.task_id = late.task_id
  RETURNING t.task_id, t.status, t.dispatch_key, t.expires_at, t.has_children
), reasons AS (
  INSERT INTO task_results (task_id, error_message)
  SELECT task_id, format('It expired at %s, before it had begun.',
                         to_char(expires_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
  FROM ended
  ON CONFLICT (task_id) DO UPDATE SET error_message = excluded.error_message, created_at = now()
)
SELECT task_id, status, dispatch_key, has_children FROM ended;

-- ────────────────────────────────────────────── rescuer ─────────────────────────────────────────────

-- name: server_age
-- Seconds since this PostgreSQL started: beats that it could not take while it was down prove nothing.
SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8;

-- name: bury_workers
-- Nodes whose last beat is too old, on the database's clock.
UPDATE workers SET status = 'DEAD', current_load = 0
WHERE worker_id IN (
  SELECT worker_id FROM workers
  WHERE status <> 'DEAD' AND stopped_at IS NULL AND last_heartbeat < now() - $1::float8 * interval '1 second'
  ORDER BY worker_id FOR UPDATE SKIP LOCKED)
RETURNING worker_id, hostname, last_heartbeat;

-- name: abandoned_claims
-- Claims whose node is dead, stopped or unknown, or whose process its node no longer lists. Young claims are left
-- alone: a new process may claim a moment before its node's row names it.
SELECT c.claim_id, c.task_ids FROM task_claims c LEFT JOIN workers w ON w.worker_id = c.worker_id
WHERE c.claimed_at < now() - $1::float8 * interval '1 second'
  AND (w.worker_id IS NULL OR w.status = 'DEAD' OR w.stopped_at IS NOT NULL
       OR NOT coalesce(w.metadata -> 'processes' ? c.process_id::text, true))
ORDER BY c.claim_id LIMIT $2
FOR UPDATE OF c SKIP LOCKED;

-- name: rescue
-- Tasks that still run under an abandoned claim: back in line, or ended. The lost attempt gets its execution row here.
-- A first crash makes a suspect, which goes back at once and runs alone from then on. A suspect that had not started (it
-- is marked by `begin_alone`, after its claim) goes back free. One that had counts a further crash and waits longer and
-- longer; $4 crashes, and at least one of them alone, end in the dead letters as poison.
WITH lost AS MATERIALIZED (
  SELECT t.task_id, t.worker_id, t.started_at, o.dlq_id, w.hostname,
         t.crash_count + (NOT found.untouched)::int AS crashes, found.untouched,
         CASE WHEN t.cancel_requested_at IS NOT NULL THEN 'CANCELLED'
              WHEN t.crash_count = 0 OR found.untouched THEN 'PENDING'
              WHEN t.crash_count + 1 >= $4::int THEN 'FAILED'
              ELSE 'SCHEDULED' END AS verdict
  FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS o (task_id, claim_id, dlq_id)
  JOIN tasks t ON t.task_id = o.task_id AND t.claim_id = o.claim_id AND t.status = 'RUNNING'
  JOIN task_claims c ON c.claim_id = o.claim_id
  CROSS JOIN LATERAL (SELECT t.crash_count > 0 AND t.started_at <= c.claimed_at AS untouched) AS found
  LEFT JOIN workers w ON w.worker_id = t.worker_id
  ORDER BY t.task_id
  FOR UPDATE OF t
), rescued AS (
  UPDATE tasks AS t
  SET status = l.verdict, crash_count = l.crashes,
      claim_id = CASE WHEN l.verdict IN ('PENDING', 'SCHEDULED') THEN NULL ELSE t.claim_id END,
      worker_id = CASE WHEN l.verdict IN ('PENDING', 'SCHEDULED') THEN NULL ELSE t.worker_id END,
      started_at = CASE WHEN l.verdict IN ('PENDING', 'SCHEDULED') THEN NULL ELSE t.started_at END,
      completed_at = CASE WHEN l.verdict IN ('CANCELLED', 'FAILED') THEN now() END,
      failed_at = CASE WHEN l.verdict = 'FAILED' THEN now() END,
      due_at = CASE WHEN l.verdict = 'SCHEDULED' THEN now() + power(2, least(l.crashes, 6)) * interval '1 second' END
  FROM lost l WHERE t.task_id = l.task_id
  RETURNING t.task_id, t.status, t.dispatch_key, t.priority, t.has_children, t.lease_epoch, t.task_name, t.crash_count,
            t.retry_count + t.crash_count AS attempt, l.untouched, l.dlq_id, l.worker_id AS lost_worker, l.started_at AS lost_start,
            format('The worker %s died with this attempt.', coalesce(l.hostname, 'node')) AS reason,
            CASE WHEN t.status = 'FAILED' THEN to_jsonb(t.*) END AS task_data
), history AS (
  INSERT INTO task_executions (task_id, worker_id, lease_epoch, attempt_number, started_at, completed_at,
                               duration_seconds, status, error_message)
  SELECT task_id, lost_worker, lease_epoch, attempt, coalesce(lost_start, now()), now(),
         least(extract(epoch FROM now() - lost_start), 9999999), 'CRASHED', reason
  FROM rescued WHERE NOT untouched
  ON CONFLICT DO NOTHING
), results AS (
  INSERT INTO task_results (task_id, error_message)
  SELECT task_id, reason FROM rescued WHERE status = 'FAILED'
  ON CONFLICT (task_id) DO UPDATE SET error_message = excluded.error_message, created_at = now()
), dead AS (
  INSERT INTO dead_letter_queue (dlq_id, task_id, lease_epoch, task_name, task_data, failure_reason, total_attempts,
                                 error_class)
  SELECT dlq_id, task_id, lease_epoch, task_name, task_data,
         format('poison: its process died in %s attempts. %s', crash_count, reason), attempt, $5
  FROM rescued WHERE status = 'FAILED'
  ON CONFLICT DO NOTHING
)
SELECT task_id, status, dispatch_key, priority, has_children FROM rescued;

-- name: forget_claims
DELETE FROM task_claims WHERE claim_id = ANY($1::uuid[]);

-- name: spent_claims
-- Old claims of live nodes, for a look at whether anything still runs under them.
SELECT claim_id, task_ids FROM task_claims
WHERE claimed_at < now() - $1::float8 * interval '1 second' AND claim_id > $2
ORDER BY claim_id LIMIT $3;

-- name: running_under
SELECT DISTINCT o.claim_id FROM unnest($1::uuid[], $2::uuid[]) AS o (task_id, claim_id)
JOIN tasks t ON t.task_id = o.task_id AND t.claim_id = o.claim_id AND t.status = 'RUNNING';

-- ─────────────────────────────────────────── pruner, drift ─────────────────────────────────────────

-- name: expire_idempotency_keys
DELETE FROM idempotency_keys WHERE (scope, key) IN (
  SELECT scope, key FROM idempotency_keys WHERE expires_at < now()
  ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED);

-- name: expire_task_keys
-- A key that holds while its task lives outlasts its expiry until then.
DELETE FROM task_keys WHERE (scope, key) IN (
  SELECT k.scope, k.key FROM task_keys k
  WHERE k.expires_at < now()
    AND NOT (k.while_live AND EXISTS (SELECT FROM tasks t WHERE t.task_id = k.task_id AND t.completed_at IS NULL))
  ORDER BY k.expires_at LIMIT $1 FOR UPDATE SKIP LOCKED);

-- name: expire_results
-- One that a task still has to take (or one in the dead letters may, once more; also through a group) outlasts its time.
DELETE FROM task_results WHERE task_id IN (
  SELECT r.task_id FROM task_results r
  WHERE r.expires_at < now() AND NOT EXISTS (
    SELECT FROM (
      SELECT d.child_id FROM task_dependencies d WHERE d.parent_id = r.task_id AND d.arguments IS NOT NULL
      UNION ALL
      SELECT b.child_id FROM task_dependencies d
      JOIN tasks g ON g.task_id = d.child_id AND g.task_name = 'taskflow.group'
      JOIN task_dependencies b ON b.parent_id = g.task_id AND b.arguments IS NOT NULL
      WHERE d.parent_id = r.task_id
    ) AS below JOIN tasks c ON c.task_id = below.child_id AND c.task_name <> 'taskflow.group'
    WHERE c.completed_at IS NULL
       OR (c.failed_at IS NOT NULL AND EXISTS (SELECT FROM dead_letter_queue l WHERE l.task_id = c.task_id)))
  ORDER BY r.expires_at LIMIT $1 FOR UPDATE OF r SKIP LOCKED);

-- name: running_without_worker
-- RUNNING tasks of one key that no rescue will find: their worker is gone, or no claim names them.
SELECT count(*) FROM (
  SELECT t.worker_id, t.claim_id FROM tasks t
  WHERE t.dispatch_key = $1 AND t.completed_at IS NULL AND t.status = 'RUNNING'
    AND t.started_at < now() - interval '1 minute'
  ORDER BY t.priority DESC, t.task_id LIMIT $2
) AS r
LEFT JOIN workers w ON w.worker_id = r.worker_id AND w.status <> 'DEAD' AND w.stopped_at IS NULL
LEFT JOIN task_claims c ON c.claim_id = r.claim_id
WHERE w.worker_id IS NULL OR c.claim_id IS NULL;

-- name: orphaned_executions
-- Among the newest execution rows of the last day: those whose task does not exist. Older ones may have lost it to retention.
SELECT count(*) FROM (
  SELECT task_id, coalesce(completed_at, started_at) AS at FROM task_executions ORDER BY task_id DESC LIMIT $1
) AS e LEFT JOIN tasks t ON t.task_id = e.task_id
WHERE t.task_id IS NULL AND e.at > now() - interval '1 day';
