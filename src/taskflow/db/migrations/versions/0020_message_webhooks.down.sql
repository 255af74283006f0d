-- Task ends are noted as before; deliveries that are under way end.
DROP TRIGGER IF EXISTS messages_ended ON messages;
DROP FUNCTION watch_ended_messages(), note_ended_messages();

CREATE OR REPLACE FUNCTION note_ended_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  WITH wanted AS MATERIALIZED (
    SELECT taskflow_uuid7() AS delivery_id, w.webhook_id, e.event, e.data
    FROM (
      SELECT 'task.' || CASE status WHEN 'TIMEOUT' THEN 'timed_out' ELSE lower(status) END AS event, task_name, queue,
             jsonb_build_object(
               'task_id', task_id, 'task_name', task_name, 'queue', queue, 'status', status, 'priority', priority,
               'attempt', retry_count + crash_count + (status <> 'CANCELLED' OR started_at IS NOT NULL)::int,
               'lease_epoch', lease_epoch, 'created_at', created_at, 'started_at', started_at,
               'completed_at', completed_at) AS data
      FROM changed
      WHERE completed_at = now() AND campaign_id IS NULL AND task_name <> 'taskflow.webhook'
    ) AS e
    JOIN webhooks w ON w.disabled_at IS NULL
      AND (w.events = '{}' OR e.event = ANY (w.events))
      AND (w.task_names = '{}' OR e.task_name = ANY (w.task_names))
      AND (w.queues = '{}' OR e.queue = ANY (w.queues))
  ), noted AS (
    INSERT INTO webhook_deliveries (delivery_id, webhook_id, task_id, event, data)
    SELECT delivery_id, webhook_id, delivery_id, event, data FROM wanted
  )
  INSERT INTO tasks (task_id, task_name, queue, dispatch_key, max_retries, timeout_seconds, task_kwargs)
  SELECT delivery_id, 'taskflow.webhook', 'webhooks', 'webhooks', 9, 60, jsonb_build_object('delivery_id', delivery_id)
  FROM wanted;
  RETURN NULL;
END
$$;

DROP FUNCTION tell_webhooks(text[], jsonb[], text[], text[]);
