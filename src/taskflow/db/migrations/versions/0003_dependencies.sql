-- Tasks that wait for other tasks: one row an edge, a counter on the child, a mark on the parent.
-- See docs/adr/0018-dependencies.md. No foreign keys among these: 0008 says what they cost.

CREATE TABLE task_dependencies (
  parent_id     uuid NOT NULL,
  child_id      uuid NOT NULL,
  on_success    varchar(10) NOT NULL DEFAULT 'run' CHECK (on_success IN ('run', 'skip')),
  on_failure    varchar(10) NOT NULL DEFAULT 'fail' CHECK (on_failure IN ('fail', 'skip', 'run')),
  arguments     jsonb,                   -- where the parent's result goes: [[keyword argument, place in a list or null]]
  satisfied_at  timestamptz,             -- the parent's end has been dealt with; null while the child waits for it
  PRIMARY KEY (parent_id, child_id),
  CONSTRAINT task_dependencies_itself CHECK (parent_id <> child_id)
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX task_dependencies_child ON task_dependencies (child_id);
CREATE INDEX task_dependencies_open ON task_dependencies (parent_id, child_id) WHERE satisfied_at IS NULL;

ALTER TABLE tasks
  ADD COLUMN pending_parents integer NOT NULL DEFAULT 0,   -- edges whose parents have not ended
  ADD COLUMN failed_parents  integer NOT NULL DEFAULT 0,   -- satisfied edges whose parents did not complete
  ADD COLUMN has_children    boolean NOT NULL DEFAULT false, -- its end has to look for edges; most ends need not
  ADD COLUMN takes_results   boolean NOT NULL DEFAULT false, -- a claim has to fetch results of its parents
  ADD CONSTRAINT tasks_blocked CHECK (status <> 'BLOCKED' OR pending_parents > 0);

-- What the end of a parent makes of its child: FAILED, CANCELLED (skipped), or null: one parent less to wait for.
-- The one table of policies; taskflow.engine.dependencies tells it in words.
CREATE FUNCTION dependency_verdict(parent_status text, on_success text, on_failure text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN parent_status = 'COMPLETED' THEN CASE WHEN on_success = 'skip' THEN 'CANCELLED' END
              WHEN on_failure = 'run' THEN NULL
              WHEN on_failure = 'fail' AND parent_status IN ('FAILED', 'TIMEOUT') THEN 'FAILED'
              ELSE 'CANCELLED' END
$$;
