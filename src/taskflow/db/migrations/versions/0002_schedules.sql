-- Schedules and what they fired. These tables are small and cool; see docs/adr/0017-schedules.md.

CREATE TABLE schedules (
  schedule_id            uuid PRIMARY KEY,
  name                   varchar(255) NOT NULL,
  -- what it starts: copied into each task
  task_name              varchar(255) NOT NULL,
  task_args              jsonb,
  task_kwargs            jsonb,
  queue                  varchar(100) NOT NULL,
  priority               integer NOT NULL CHECK (priority BETWEEN 1 AND 10),
  max_retries            integer NOT NULL CHECK (max_retries >= 0),
  timeout_seconds        integer NOT NULL CHECK (timeout_seconds > 0),
  -- when
  kind                   varchar(20) NOT NULL CHECK (kind IN ('cron', 'interval', 'at')),
  cron                   varchar(200),
  time_zone              varchar(100) NOT NULL DEFAULT 'UTC',  -- an IANA name; cron reads the clocks of this zone
  interval_seconds       integer CHECK (interval_seconds > 0),
  run_at                 timestamptz,
  starts_at              timestamptz,            -- no instant before this one
  ends_at                timestamptz,            -- none after this one
  jitter_seconds         integer NOT NULL DEFAULT 0 CHECK (jitter_seconds >= 0),
  -- what if
  misfire_policy         varchar(20) NOT NULL DEFAULT 'once' CHECK (misfire_policy IN ('skip', 'once', 'all')),
  misfire_window_seconds integer NOT NULL DEFAULT 86400 CHECK (misfire_window_seconds >= 0),
  overlap_policy         varchar(20) NOT NULL DEFAULT 'allow'
                         CHECK (overlap_policy IN ('allow', 'skip', 'queue_one', 'cancel_previous')),
  -- where it stands
  paused                 boolean NOT NULL DEFAULT false,
  next_fire_at           timestamptz,            -- the next instant; null while paused and after the last one
  last_fire_at           timestamptz,            -- the newest instant that came
  created_by             uuid,
  created_at             timestamptz NOT NULL DEFAULT now(),
  updated_at             timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT schedules_name UNIQUE (name),
  CONSTRAINT schedules_cron CHECK ((cron IS NOT NULL) = (kind = 'cron')),
  CONSTRAINT schedules_interval CHECK ((interval_seconds IS NOT NULL) = (kind = 'interval')),
  CONSTRAINT schedules_at CHECK ((run_at IS NOT NULL) = (kind = 'at')),
  CONSTRAINT schedules_paused CHECK (NOT paused OR next_fire_at IS NULL),
  CONSTRAINT schedules_span CHECK (ends_at >= starts_at)
) WITH (fillfactor = 70);
CREATE INDEX schedules_due ON schedules (next_fire_at) WHERE NOT paused;

-- One row an instant that was dealt with: the primary key is why no instant is ever fired twice.
CREATE TABLE schedule_fires (
  schedule_id  uuid NOT NULL REFERENCES schedules ON DELETE CASCADE,
  fire_at      timestamptz NOT NULL,             -- the instant of the timetable
  due_at       timestamptz NOT NULL,             -- with its jitter: when the task may start
  created_at   timestamptz NOT NULL DEFAULT now(),
  status       varchar(20) NOT NULL CHECK (status IN ('FIRED', 'WAITING', 'SKIPPED')),
  cause        varchar(20) NOT NULL CHECK (cause IN ('timer', 'run', 'backfill')),
  task_id      uuid,                             -- the task it became
  occupies     boolean NOT NULL DEFAULT false,   -- its task may still be under way, as far as the overlap policy knows
  PRIMARY KEY (schedule_id, fire_at),
  CONSTRAINT schedule_fires_task CHECK ((task_id IS NOT NULL) = (status = 'FIRED')),
  CONSTRAINT schedule_fires_occupying CHECK (NOT occupies OR status = 'FIRED')
) WITH (fillfactor = 90);
CREATE INDEX schedule_fires_occupied ON schedule_fires (schedule_id) WHERE occupies;
CREATE UNIQUE INDEX schedule_fires_waiting ON schedule_fires (schedule_id) WHERE status = 'WAITING';
CREATE INDEX schedule_fires_created_at ON schedule_fires (created_at);
