-- Kept answers of POST requests: see idempotency.py.

-- name: take
-- Take a key for its first request, or after the process of the first one has died, or after it was forgotten; else
-- read what is kept. `taken` tells which; a repetition after a crash goes on under the first one's reserved id.
WITH taken AS (
  INSERT INTO idempotency_keys AS k (scope, key, request_hash, reserved_id, locked_until, expires_at)
  VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5), now() + make_interval(secs => $6))
  ON CONFLICT (scope, key) DO UPDATE SET
    request_hash = excluded.request_hash,
    reserved_id = CASE WHEN k.expires_at < now() THEN excluded.reserved_id ELSE k.reserved_id END,
    locked_until = excluded.locked_until,
    response_status = NULL,
    response_body = NULL,
    expires_at = excluded.expires_at
  WHERE k.expires_at < now()
     OR (k.response_status IS NULL AND k.locked_until < now() AND k.request_hash = excluded.request_hash)
  RETURNING request_hash, reserved_id, response_status, response_body, true AS taken
)
SELECT * FROM taken
UNION ALL
SELECT request_hash, reserved_id, response_status, response_body, false FROM idempotency_keys
WHERE scope = $1 AND key = $2 AND NOT EXISTS (SELECT FROM taken);

-- name: renew
UPDATE idempotency_keys SET locked_until = now() + make_interval(secs => $4)
WHERE scope = $1 AND key = $2 AND reserved_id = $3 AND response_status IS NULL;

-- name: keep
UPDATE idempotency_keys SET response_status = $4, response_body = $5
WHERE scope = $1 AND key = $2 AND reserved_id = $3 AND response_status IS NULL;

-- name: release
UPDATE idempotency_keys SET locked_until = '-infinity'
WHERE scope = $1 AND key = $2 AND reserved_id = $3 AND response_status IS NULL;

-- name: forget
DELETE FROM idempotency_keys WHERE scope = $1 AND key = $2 AND reserved_id = $3 AND response_status IS NULL;
