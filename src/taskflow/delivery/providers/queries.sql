-- Providers: few rows, read by every process that sends.

-- name: insert_provider
INSERT INTO providers (provider_id, name, kind, channel, enabled, priority, weight, settings, secrets, secrets_key,
                       secret_names, classes, domains, per_second, per_minute, per_day, warm_up, price, prices,
                       currency, preferences, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22) RETURNING *;

-- name: update_provider
UPDATE providers
SET name = $2, enabled = $3, priority = $4, weight = $5, settings = $6, secrets = $7, secrets_key = $8, secret_names = $9,
    classes = $10, domains = $11, per_second = $12, per_minute = $13, per_day = $14, warm_up = $15, price = $16,
    prices = $17, currency = $18, preferences = $19, updated_at = now()
WHERE provider_id = $1 RETURNING *;

-- name: get_provider
SELECT * FROM providers WHERE provider_id = $1;

-- name: lock_provider
SELECT * FROM providers WHERE provider_id = $1 FOR NO KEY UPDATE;

-- name: list_providers
-- In the order in which they are asked.
SELECT * FROM providers WHERE $1::text IS NULL OR channel = $1 ORDER BY priority, name;

-- name: lock_channel
-- All providers of a provider's channel: whoever deletes one of them waits for whoever deletes another.
SELECT provider_id FROM providers WHERE channel = (SELECT channel FROM providers WHERE provider_id = $1)
ORDER BY provider_id FOR UPDATE;

-- name: delete_provider
DELETE FROM providers WHERE provider_id = $1 RETURNING name, channel;

-- name: lock_secrets
-- Those that another key wraps.
SELECT provider_id, name, secrets, secrets_key FROM providers WHERE secrets_key <> $1 ORDER BY provider_id
FOR NO KEY UPDATE;

-- name: rewrap
UPDATE providers SET secrets = $2, secrets_key = $3, updated_at = now() WHERE provider_id = $1;

-- name: count_secrets
SELECT count(*) FROM providers WHERE secrets IS NOT NULL;

-- name: forget_state
-- What the router keeps of a name: use, the first day of a warm-up, a person's word, how its breaker changed.
WITH usage AS (DELETE FROM provider_usage WHERE provider = $1),
     breakers AS (DELETE FROM provider_breakers WHERE provider = $1)
DELETE FROM provider_breaker_changes WHERE provider = $1;

-- name: carry_state
-- All of that goes by another name ($2) now.
WITH usage AS (UPDATE provider_usage SET provider = $2 WHERE provider = $1),
     breakers AS (UPDATE provider_breakers SET provider = $2 WHERE provider = $1)
UPDATE provider_breaker_changes SET provider = $2 WHERE provider = $1;
