-- Queues as people steer them, limits of what runs, and the life of the dispatch under which limited tasks are claimed.
-- These tables are small and cool; see docs/adr/0019-queues-and-limits.md.

-- A queue needs no row to be used: the relay makes one for each that it meets.
CREATE TABLE queues (
  name             varchar(100) PRIMARY KEY,
  paused           boolean NOT NULL DEFAULT false,  -- hands out nothing
  draining         boolean NOT NULL DEFAULT false,  -- takes no new tasks, and hands out what it has
  -- what a task gets that says nothing else; null: what tasks get anywhere
  priority         integer CHECK (priority BETWEEN 1 AND 10),
  max_retries      integer CHECK (max_retries >= 0),
  timeout_seconds  integer CHECK (timeout_seconds > 0),
  created_at       timestamptz NOT NULL DEFAULT now(),
  updated_at       timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);

-- What subjects may do: 'queue:<name>', 'task:<name>', 'task:<name>/<key>', and 'task:<name>/*' for each key of a task.
-- A definition in code and an operator may both have said something about a subject: the operator's row is the one.
CREATE TABLE limits (
  subject        varchar(520) NOT NULL,
  source         varchar(10) NOT NULL CHECK (source IN ('code', 'operator')),
  concurrency    integer CHECK (concurrency > 0),     -- how many at a time; null: any number
  rate_count     integer CHECK (rate_count > 0),      -- so many starts …
  rate_seconds   integer CHECK (rate_seconds > 0),    -- … in so many seconds
  weight         double precision NOT NULL DEFAULT 1 CHECK (weight > 0),
  aging_seconds  double precision CHECK (aging_seconds > 0),
  updated_at     timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (subject, source),
  CONSTRAINT limits_rate CHECK ((rate_count IS NULL) = (rate_seconds IS NULL)),
  CONSTRAINT limits_aging CHECK (aging_seconds IS NULL OR subject LIKE 'queue:%')
) WITH (fillfactor = 70);

-- The life of the dispatch, as Redis names it. A claim of limited tasks holds a lock on this row (FOR SHARE), so that the
-- relay, which changes it before it counts what runs, misses none.
CREATE TABLE dispatch_generation (
  only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  generation  varchar(64) NOT NULL
);
INSERT INTO dispatch_generation (generation) VALUES ('');

ALTER TABLE tasks ALTER COLUMN dispatch_key TYPE varchar(520);
-- The part of their queue in which a schedule's tasks wait, because they are limited; null: the queue itself.
ALTER TABLE schedules ADD COLUMN dispatch_part varchar(419);

ALTER TABLE workers DROP CONSTRAINT workers_wanted_check;
ALTER TABLE workers ADD CONSTRAINT workers_wanted_check CHECK (wanted IN ('RUN', 'PAUSE', 'DRAIN', 'STOP'));
