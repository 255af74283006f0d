-- Tags, expiry, payload versions, progress, and keys that hold while their task lives: docs/adr/0020-task-options.md.
-- None of the new columns of `tasks` is ever updated, so no index on them ends a HOT update.

ALTER TABLE tasks
  ADD COLUMN expires_at       timestamptz,        -- one that has not begun by then ends CANCELLED
  ADD COLUMN payload_version  smallint DEFAULT 1 CHECK (payload_version > 0),  -- null: whatever its worker has
  ADD COLUMN tags             text[];             -- null: none
CREATE INDEX tasks_expires_at ON tasks (expires_at) WHERE expires_at IS NOT NULL AND completed_at IS NULL;
CREATE INDEX tasks_tags ON tasks USING gin (tags) WHERE tags IS NOT NULL;

ALTER TABLE schedules
  ADD COLUMN payload_version     smallint DEFAULT 1 CHECK (payload_version > 0),  -- of its arguments, as in tasks
  ADD COLUMN tags                text[],          -- its tasks'
  ADD COLUMN expires_in_seconds  float8 CHECK (expires_in_seconds > 0);  -- its tasks', from when they are due

ALTER TABLE task_keys
  ADD COLUMN fingerprint  bytea,                           -- of an idempotency key: what was asked for under it
  ADD COLUMN while_live   boolean NOT NULL DEFAULT false;  -- of a unique key: it holds until its task has ended

CREATE INDEX task_results_expires_at ON task_results (expires_at) WHERE expires_at IS NOT NULL;

-- How far a running task says it is: one row a task that says so, rewritten in place.
CREATE TABLE task_progress (
  task_id      uuid PRIMARY KEY,
  lease_epoch  integer NOT NULL,                 -- the attempt that said it
  percent      real CHECK (percent BETWEEN 0 AND 100),
  done         bigint,
  total        bigint,
  message      text,
  updated_at   timestamptz NOT NULL DEFAULT now()
) PARTITION BY RANGE (task_id);
CREATE TABLE task_progress_default PARTITION OF task_progress DEFAULT WITH (fillfactor = 50);
