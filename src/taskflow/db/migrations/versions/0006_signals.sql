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
