-- What a worker node says of itself.

-- name: register
INSERT INTO workers (worker_id, hostname, status, capacity, queues, metadata) VALUES ($1, $2, 'IDLE', $3, $4, $5);

-- name: beat
-- Answers what the node is wanted to do; nothing when it has been declared dead (its tasks are somebody else's now).
UPDATE workers
SET last_heartbeat = now(), status = $2, current_load = $3, metadata = $4, capacity = $5
WHERE worker_id = $1 AND status <> 'DEAD'
RETURNING wanted;

-- name: sign_off
UPDATE workers SET status = 'DEAD', stopped_at = now(), current_load = 0 WHERE worker_id = $1;

-- name: leases_of_process
-- What a child held when it died: the RUNNING tasks of its claims.
SELECT t.task_id, t.lease_epoch, t.task_name, t.dispatch_key, t.priority, t.retry_count, t.max_retries,
       t.timeout_seconds, t.crash_count, t.campaign_id, t.task_args, t.task_kwargs, t.payload_version,
       t.has_children, t.takes_results
FROM task_claims c CROSS JOIN unnest(c.task_ids) AS held (task_id)
JOIN tasks t ON t.task_id = held.task_id AND t.claim_id = c.claim_id AND t.status = 'RUNNING'
WHERE c.worker_id = $1 AND c.process_id = $2;

-- name: forget_process
-- The claims of a dead child under which nothing runs any more. One that its death overtook may commit after its leases
-- were read: that one stays in the journal, for the rescuer.
DELETE FROM task_claims c
WHERE c.worker_id = $1 AND c.process_id = $2
  AND NOT EXISTS (SELECT FROM unnest(c.task_ids) AS held (task_id)
                  JOIN tasks t ON t.task_id = held.task_id AND t.claim_id = c.claim_id AND t.status = 'RUNNING');
