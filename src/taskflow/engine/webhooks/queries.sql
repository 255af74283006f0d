-- Webhooks and what they deliver. Order of tables: webhooks, webhook_deliveries, tasks; the trigger's order is tasks, then
-- new rows only.

-- name: insert_webhook
INSERT INTO webhooks (webhook_id, url, description, events, task_names, queues, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *;

-- name: update_webhook
UPDATE webhooks
SET url = $2, description = $3, events = $4, task_names = $5, queues = $6, disabled_at = $7, disabled_reason = $8,
    failures = $9, updated_at = now()
WHERE webhook_id = $1 RETURNING *;

-- name: delete_webhook
WITH deliveries AS (DELETE FROM webhook_deliveries WHERE webhook_id = $1)
DELETE FROM webhooks WHERE webhook_id = $1 RETURNING url;

-- name: rotate
UPDATE webhooks
SET secret_version = secret_version + 1, previous_secret_until = now() + $2::int * interval '1 hour', updated_at = now()
WHERE webhook_id = $1 RETURNING *;

-- name: watch
SELECT watch_ended_tasks(), watch_ended_messages();

-- name: get_webhook
SELECT * FROM webhooks WHERE webhook_id = $1;

-- name: lock_webhook
SELECT * FROM webhooks WHERE webhook_id = $1 FOR NO KEY UPDATE;

-- name: list_webhooks
SELECT * FROM webhooks WHERE ($1::uuid IS NULL OR webhook_id < $1) ORDER BY webhook_id DESC LIMIT $2;

-- name: insert_test
INSERT INTO webhook_deliveries (delivery_id, webhook_id, task_id, event, data) VALUES ($1, $2, $1, $3, $4);

-- name: list_deliveries
SELECT d.*, t.status AS task_status FROM webhook_deliveries d LEFT JOIN tasks t ON t.task_id = d.task_id
WHERE d.webhook_id = $1 AND ($2::boolean IS NULL OR (d.delivered_at IS NOT NULL) = $2)
  AND ($3::uuid IS NULL OR d.delivery_id < $3)
ORDER BY d.delivery_id DESC LIMIT $4;

-- name: get_delivery
SELECT d.*, t.status AS task_status FROM webhook_deliveries d LEFT JOIN tasks t ON t.task_id = d.task_id
WHERE d.webhook_id = $1 AND d.delivery_id = $2;

-- name: deliver_by
UPDATE webhook_deliveries SET task_id = $2, delivered_at = NULL WHERE delivery_id = $1;

-- name: message
-- What is to be sent, and to whom. The sentence of a failure is in the task's result by now.
SELECT d.delivery_id, d.event, d.data, d.occurred_at, w.webhook_id, w.url, w.secret_version, w.disabled_reason,
       w.previous_secret_until > now() AS signs_with_previous, left(r.error_message, 500) AS error_message
FROM webhook_deliveries d JOIN webhooks w ON w.webhook_id = d.webhook_id
LEFT JOIN task_results r ON r.task_id = (d.data ->> 'task_id')::uuid
WHERE d.delivery_id = $1;

-- name: note_delivered
WITH answered AS (
  UPDATE webhooks SET failures = 0 WHERE webhook_id = $2 AND failures > 0
)
UPDATE webhook_deliveries
SET attempts = attempts + 1, response_status = $3, error = NULL, delivered_at = now() WHERE delivery_id = $1;

-- name: note_failed
-- The attempt is counted on both; at the $5th in a row, or when $6 says why, the webhook is disabled.
WITH counted AS (
  UPDATE webhooks
  SET failures = failures + 1,
      disabled_at = CASE WHEN $6::text IS NOT NULL OR failures + 1 >= $5::int THEN coalesce(disabled_at, now())
                         ELSE disabled_at END,
      disabled_reason = CASE WHEN $6::text IS NOT NULL OR failures + 1 >= $5::int
                             THEN coalesce(disabled_reason, $6, format('%s attempts failed in a row.', failures + 1))
                             ELSE disabled_reason END
  WHERE webhook_id = $2
)
UPDATE webhook_deliveries SET attempts = attempts + 1, response_status = $3, error = $4 WHERE delivery_id = $1;

-- name: expire_deliveries
DELETE FROM webhook_deliveries WHERE delivery_id IN (
  SELECT delivery_id FROM webhook_deliveries WHERE occurred_at < now() - $1::int * interval '1 day'
  ORDER BY delivery_id LIMIT $2 FOR UPDATE SKIP LOCKED);
