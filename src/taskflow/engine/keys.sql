-- Keys that name one task: see keys.py. They run in the transaction that inserts the task.

-- name: hold_idempotency_key
-- Claim an idempotency key for a new task; answers the task that holds it, which is another one when it was taken.
INSERT INTO task_keys AS k (scope, key, task_id, expires_at, fingerprint)
VALUES ($1, $2, $3, now() + $4 * interval '1 second', $5)
ON CONFLICT (scope, key) DO UPDATE
  SET task_id = CASE WHEN k.expires_at < now() THEN excluded.task_id ELSE k.task_id END,
      fingerprint = CASE WHEN k.expires_at < now() THEN excluded.fingerprint ELSE k.fingerprint END,
      expires_at = CASE WHEN k.expires_at < now() THEN excluded.expires_at ELSE k.expires_at END
RETURNING task_id, fingerprint;

-- name: answer_with
-- The call under an idempotency key made no task: it was answered with the one that holds its unique key.
UPDATE task_keys SET task_id = $3 WHERE scope = $1 AND key = $2;

-- name: lock_unique_key
-- Write a unique key, or lock it as it is. $4: seconds to hold it for; null: as long as its task lives, and then the
-- expiry only tells when to look whether it can be forgotten.
INSERT INTO task_keys AS k (scope, key, task_id, while_live, expires_at)
VALUES ($1, $2, $3, $4::float8 IS NULL, now() + coalesce($4::float8, 86400) * interval '1 second')
ON CONFLICT (scope, key) DO UPDATE SET task_id = k.task_id
RETURNING task_id, while_live, expires_at <= clock_timestamp() AS has_expired;

-- name: take_unique_key
-- The same key for another task; the caller has it locked.
UPDATE task_keys
SET task_id = $3, while_live = $4::float8 IS NULL,
    expires_at = now() + coalesce($4::float8, 86400) * interval '1 second'
WHERE scope = $1 AND key = $2;

-- name: status_of_holder
SELECT status FROM tasks WHERE task_id = $1;
