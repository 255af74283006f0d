-- Webhooks hear of single messages too: docs/how-to/webhooks.md.

-- Notes for every enabled webhook what it wants to hear of, each with the task that delivers it. The arrays belong
-- together; of what is no end of a task, name and queue are null, and webhooks that chose tasks or queues do not hear it.
CREATE FUNCTION tell_webhooks(events text[], datas jsonb[], task_names text[], queues text[]) RETURNS void
LANGUAGE sql AS $$
  WITH wanted AS MATERIALIZED (
    SELECT taskflow_uuid7() AS delivery_id, w.webhook_id, e.event, e.data
    FROM unnest($1, $2, $3, $4) AS e (event, data, task_name, queue)
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
  FROM wanted
$$;

CREATE OR REPLACE FUNCTION note_ended_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tell_webhooks(
    array_agg('task.' || CASE status WHEN 'TIMEOUT' THEN 'timed_out' ELSE lower(status) END),
    array_agg(jsonb_build_object(
      'task_id', task_id, 'task_name', task_name, 'queue', queue, 'status', status, 'priority', priority,
      'attempt', retry_count + crash_count + (status <> 'CANCELLED' OR started_at IS NOT NULL)::int,
      'lease_epoch', lease_epoch, 'created_at', created_at, 'started_at', started_at, 'completed_at', completed_at)),
    array_agg(task_name::text), array_agg(queue::text))
  FROM changed
  WHERE completed_at = now() AND campaign_id IS NULL AND task_name <> 'taskflow.webhook';
  RETURN NULL;
END
$$;

-- Runs after each statement that updates messages, while somebody listens for them: notes the standings they came to.
-- Nothing that tells who the person is: what is delivered is kept, and an erasure need not look for it.
CREATE FUNCTION note_ended_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tell_webhooks(
    array_agg('message.' || lower(n.status)),
    array_agg(jsonb_build_object(
      'message_id', n.message_id, 'submission_id', n.submission_id, 'channel', n.channel, 'status', n.status,
      'attempt', n.attempt, 'tags', coalesce(to_jsonb(n.tags), '[]'), 'provider', n.provider,
      'provider_message_id', n.provider_message_id, 'bounce_reason', n.bounce_reason,
      'created_at', n.created_at, 'sent_at', n.sent_at)),
    array_agg(NULL::text), array_agg(NULL::text))
  FROM after AS n JOIN before AS o USING (message_id)
  WHERE n.status <> o.status AND n.status IN ('SENT', 'FAILED', 'UNCERTAIN', 'SUPPRESSED', 'CANCELLED', 'BOUNCED');
  RETURN NULL;
END
$$;

-- As `watch_ended_tasks`, for the trigger on `messages`: it is there while an enabled webhook wants to hear of them.
CREATE FUNCTION watch_ended_messages() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
  wanted boolean := EXISTS (
    SELECT FROM webhooks
    WHERE disabled_at IS NULL AND task_names = '{}' AND queues = '{}'
      AND (events = '{}' OR EXISTS (SELECT FROM unnest(events) AS e (name) WHERE e.name LIKE 'message.%')));
  present boolean := EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'messages'::regclass AND tgname = 'messages_ended');
BEGIN
  IF wanted AND NOT present THEN
    CREATE TRIGGER messages_ended AFTER UPDATE ON messages REFERENCING OLD TABLE AS before NEW TABLE AS after
      FOR EACH STATEMENT EXECUTE FUNCTION note_ended_messages();
  ELSIF present AND NOT wanted THEN
    DROP TRIGGER messages_ended ON messages;
  END IF;
  RETURN wanted;
END
$$;

-- Webhooks that were made before want every event from now on.
SELECT watch_ended_messages();
