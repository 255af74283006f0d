-- Statements of the SMTP relay.

-- name: reserve
-- The id of a submission that names itself by its Message-ID: a client that did not hear 250 sends it again, and gets
-- the one that is there. $1 whose, $2 what, $3 its digest, $4 the id of a new one, $5 seconds until it is forgotten.
-- The keys are those of Idempotency-Key; nobody waits for a lock here, because the ledger takes each id once.
INSERT INTO idempotency_keys AS k (scope, key, request_hash, reserved_id, locked_until, expires_at)
VALUES ($1, $2, $3, $4, '-infinity', now() + make_interval(secs => $5))
ON CONFLICT (scope, key) DO UPDATE SET
  reserved_id = CASE WHEN k.expires_at < now() THEN excluded.reserved_id ELSE k.reserved_id END,
  expires_at = excluded.expires_at
RETURNING reserved_id;
