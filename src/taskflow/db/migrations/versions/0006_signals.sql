-- Dead letters that can be grouped, linked and retried by policy; see docs/adr/0021-signals.md.

ALTER TABLE dead_letter_queue
  ADD COLUMN error_class       varchar(255) NOT NULL DEFAULT '',  -- 'ValueError', 'TimeLimit', 'Crash'
  ADD COLUMN error_place       varchar(500) NOT NULL DEFAULT '',  -- 'shop/mail.py:send', or the message without its ids
  ADD COLUMN requeue_cause     varchar(20) CHECK (requeue_cause IN ('hand', 'edit', 'policy')),
  ADD COLUMN requeued_task_id  uuid,        -- the same task, or the one that was made of an edited letter
  ADD COLUMN auto_retries      integer,     -- how often a policy had requeued the task before; null: no policy has looked
  ADD COLUMN retry_at          timestamptz, -- when a policy will requeue it
  ADD CONSTRAINT dead_letter_queue_retry CHECK (retry_at IS NULL OR (requeued_at IS NULL AND auto_retries IS NOT NULL));

UPDATE dead_letter_queue
SET error_class = coalesce(substring(failure_reason FROM '^([A-Za-z_][A-Za-z0-9_.]{0,200}): '), ''),
    requeue_cause = CASE WHEN requeued_at IS NOT NULL THEN 'hand' END,
    requeued_task_id = CASE WHEN requeued_at IS NOT NULL THEN task_id END;

ALTER TABLE dead_letter_queue
  ADD COLUMN queue        text GENERATED ALWAYS AS (task_data ->> 'queue') STORED,
  ADD COLUMN fingerprint  text NOT NULL
    GENERATED ALWAYS AS (left(md5(task_name || E'\n' || error_class || E'\n' || error_place), 16)) STORED;

CREATE INDEX dead_letter_queue_fingerprint ON dead_letter_queue (fingerprint, moved_at);
CREATE INDEX dead_letter_queue_unjudged ON dead_letter_queue (task_name, dlq_id)
  WHERE requeued_at IS NULL AND auto_retries IS NULL;
CREATE INDEX dead_letter_queue_retry_at ON dead_letter_queue (retry_at) WHERE retry_at IS NOT NULL;

-- Which tasks leave the dead letters by themselves, when, and how often.
CREATE TABLE dead_letter_policies (
  task_name          varchar(255) PRIMARY KEY,
  max_retries        integer NOT NULL CHECK (max_retries > 0),
  delay_seconds      double precision NOT NULL CHECK (delay_seconds >= 0),
  backoff            double precision NOT NULL CHECK (backoff >= 1),   -- each delay is so many times the last one
  max_delay_seconds  double precision NOT NULL CHECK (max_delay_seconds >= delay_seconds),
  created_by         uuid,
  created_at         timestamptz NOT NULL DEFAULT now(),
  updated_at         timestamptz NOT NULL DEFAULT now()
);

-- ───────────────────────────────────────────── webhooks ─────────────────────────────────────────────

-- Who wants to hear of ends of tasks. Secrets are derived from TASKFLOW_SECRET_KEY, id and version: none is kept here.
CREATE TABLE webhooks (
  webhook_id                uuid PRIMARY KEY,
  url                       text NOT NULL,
  description               varchar(255) NOT NULL DEFAULT '',
  events                    text[] NOT NULL DEFAULT '{}',  -- empty: every event
  task_names                text[] NOT NULL DEFAULT '{}',  -- empty: every task
  queues                    text[] NOT NULL DEFAULT '{}',  -- empty: every queue
  secret_version            integer NOT NULL DEFAULT 1,
  previous_secret_until     timestamptz,                   -- until then the last version signs too
  failures                  integer NOT NULL DEFAULT 0,    -- attempts that failed since the last one that did not
  disabled_at               timestamptz,
  disabled_reason           text,
  created_by                uuid,
  created_at                timestamptz NOT NULL DEFAULT now(),
  updated_at                timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT webhooks_disabled CHECK ((disabled_at IS NOT NULL) = (disabled_reason IS NOT NULL))
) WITH (fillfactor = 70);

-- One row a message: written with the end that it tells of, in one transaction. Its task delivers it.
CREATE TABLE webhook_deliveries (
  delivery_id      uuid PRIMARY KEY,
  webhook_id       uuid NOT NULL,             -- no foreign key: its lock would stand in the way of the trigger's
  task_id          uuid NOT NULL,             -- the task that delivers it: its attempts are the history
  event            varchar(50) NOT NULL,
  data             jsonb NOT NULL,
  occurred_at      timestamptz NOT NULL DEFAULT now(),
  attempts         integer NOT NULL DEFAULT 0,
  response_status  smallint,                  -- of the last attempt; null: nobody answered
  error            text,                      -- why the last attempt failed
  delivered_at     timestamptz
) WITH (fillfactor = 70);
CREATE INDEX webhook_deliveries_webhook ON webhook_deliveries (webhook_id, delivery_id DESC);

CREATE FUNCTION taskflow_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
  SELECT encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid())
    PLACING substring(int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
    52, 1), 53, 1), 'hex')::uuid
$$;

-- Runs after each statement that updates tasks, while somebody listens: notes the ends that are wanted, each with the
-- task that delivers it. Whatever ends tasks sets `completed_at = now()`. Mail of campaigns is not told of one by one.
CREATE FUNCTION note_ended_tasks() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- Puts the trigger on `tasks` while an enabled webhook exists and takes it off otherwise: without one, nothing is paid.
-- It belongs to whoever owns the tables, so that a role that may only write can call it.
CREATE FUNCTION watch_ended_tasks() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  wanted boolean := EXISTS (SELECT FROM webhooks WHERE disabled_at IS NULL);
  present boolean := EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'tasks'::regclass AND tgname = 'tasks_ended');
BEGIN
  IF wanted AND NOT present THEN
    CREATE TRIGGER tasks_ended AFTER UPDATE ON tasks REFERENCING NEW TABLE AS changed
      FOR EACH STATEMENT EXECUTE FUNCTION note_ended_tasks();
  ELSIF present AND NOT wanted THEN
    DROP TRIGGER tasks_ended ON tasks;
  END IF;
  RETURN wanted;
END
$$;

-- ────────────────────────────────────────────── traces ──────────────────────────────────────────────

-- The W3C trace context that a task was enqueued under. Written and read only by processes that trace.
CREATE TABLE task_traces (
  task_id      uuid PRIMARY KEY,
  traceparent  varchar(55) NOT NULL,
  tracestate   text
);
