-- The statements of dependencies. They run on `database.hot`. Order of tables in every transaction: tasks that are (or
-- may become) parents, edges, children; the rows of one statement by id. Whoever looks for open edges of a parent holds
-- its row, and looks in a statement of its own: only that one sees the edges that others committed a moment before.
--
-- Plans are made while the tables are empty, or after a graph of another shape. What is looked up row by row is therefore
-- written so that nothing else can be planned: LATERAL with OFFSET 0 is done once a row, and what comes out of an array
-- counts as ten rows, however many it is. Edges are updated by the place (ctid) where they were found a moment before:
-- by their key, the planner may take the index on child_id, and read ten thousand edges of one child for each of them.

-- ───────────────────────────────────────────── releasing ────────────────────────────────────────────

-- name: settle_edges
-- The open edges of parents that have ended are satisfied, and their children hear of it, each of them once: it waits
-- for fewer, is released, or ends as the policy says. A group that has waited for its last member ends. A parent that
-- is gone altogether counts as cancelled.
WITH open AS MATERIALIZED (
  SELECT d.place, d.parent_id, d.child_id, coalesce(p.status, 'CANCELLED') AS parent_status,
         dependency_verdict(coalesce(p.status, 'CANCELLED'), d.on_success, d.on_failure) AS verdict
  FROM unnest($1::uuid[]) AS o (task_id) LEFT JOIN tasks p ON p.task_id = o.task_id
  CROSS JOIN LATERAL (
    SELECT d.ctid AS place, d.* FROM task_dependencies d
    WHERE d.parent_id = o.task_id AND d.satisfied_at IS NULL OFFSET 0
  ) AS d
  WHERE p.completed_at IS NOT NULL OR p.task_id IS NULL
), edges AS (
  UPDATE task_dependencies AS d SET satisfied_at = now()
  FROM (SELECT array_agg(place), array_agg(parent_status), array_agg(verdict) FROM open)
    AS a (places, statuses, verdicts),
    unnest(a.places, a.statuses, a.verdicts) AS e (place, parent_status, verdict)
  WHERE d.ctid = e.place
  RETURNING d.child_id, d.parent_id, e.parent_status, e.verdict
), news AS (
  SELECT child_id, count(*) AS satisfied, count(*) FILTER (WHERE parent_status <> 'COMPLETED') AS failed,
         max(verdict) AS verdict, -- FAILED before CANCELLED
         (array_agg(format('parent %s ended %s', parent_id, parent_status) ORDER BY verdict DESC NULLS LAST))[1] AS why
  FROM edges GROUP BY child_id
), held AS MATERIALIZED (
  SELECT n.* FROM (SELECT * FROM news ORDER BY child_id) AS n
  CROSS JOIN LATERAL (SELECT FROM tasks t WHERE t.task_id = n.child_id AND t.status = 'BLOCKED' FOR UPDATE) AS t
), told AS (
  UPDATE tasks AS t
  SET pending_parents = t.pending_parents - h.satisfied, failed_parents = t.failed_parents + h.failed,
      status = CASE WHEN h.verdict IS NOT NULL THEN h.verdict
                    WHEN t.pending_parents > h.satisfied THEN 'BLOCKED'
                    WHEN t.task_name = 'taskflow.group' THEN
                      CASE WHEN t.failed_parents + h.failed > 0 THEN 'FAILED' ELSE 'COMPLETED' END
                    WHEN t.scheduled_at > now() THEN 'SCHEDULED'
                    ELSE 'PENDING' END,
      due_at = CASE WHEN h.verdict IS NULL AND t.pending_parents <= h.satisfied AND t.task_name <> 'taskflow.group'
                     AND t.scheduled_at > now() THEN t.scheduled_at END,
      completed_at = CASE WHEN h.verdict IS NOT NULL
                            OR (t.pending_parents <= h.satisfied AND t.task_name = 'taskflow.group') THEN now() END,
      failed_at = CASE WHEN h.verdict = 'FAILED'
                         OR (h.verdict IS NULL AND t.pending_parents <= h.satisfied
                             AND t.task_name = 'taskflow.group' AND t.failed_parents + h.failed > 0) THEN now() END
  FROM (SELECT array_agg(child_id), array_agg(satisfied::int), array_agg(failed::int), array_agg(verdict), array_agg(why)
        FROM held) AS a (children, satisfied, failed, verdicts, whys),
       unnest(a.children, a.satisfied, a.failed, a.verdicts, a.whys) AS h (task_id, satisfied, failed, verdict, why)
  WHERE t.task_id = h.task_id
  RETURNING t.task_id, t.status, t.dispatch_key, t.priority, t.has_children, t.failed_parents, h.verdict, h.why
), reasons AS (
  INSERT INTO task_results (task_id, error_message)
  SELECT task_id, CASE WHEN verdict IS NULL THEN format('%s of its members did not complete.', failed_parents)
                       WHEN status = 'FAILED' THEN format('It was not run: its %s.', why)
                       ELSE format('Skipped: its %s.', why) END
  FROM told WHERE status IN ('FAILED', 'CANCELLED')
  ON CONFLICT (task_id) DO UPDATE SET error_message = excluded.error_message, result_data = NULL, stack_trace = NULL,
                                      created_at = now()
)
SELECT task_id, status, dispatch_key, priority, has_children FROM told WHERE status <> 'BLOCKED';

-- name: doom
-- All that must fail or be skipped because these have, however far down, in one statement. Groups stop it: they wait for
-- their last member. Satisfying the edges on the way is `settle_edges`'s.
WITH RECURSIVE doomed (task_id, verdict) AS ( -- ids and verdicts alone: each pair is followed once, by however many ways
  SELECT t.task_id, t.status::text FROM unnest($1::uuid[]) AS o (task_id) JOIN tasks t USING (task_id)
  UNION
  SELECT d.child_id, d.verdict
  FROM doomed p
  CROSS JOIN LATERAL (
    SELECT d.child_id, dependency_verdict(p.verdict, d.on_success, d.on_failure) AS verdict
    FROM task_dependencies d WHERE d.parent_id = p.task_id AND d.satisfied_at IS NULL OFFSET 0
  ) AS d
  CROSS JOIN LATERAL (
    SELECT FROM tasks c WHERE d.verdict IS NOT NULL AND c.task_id = d.child_id AND c.status = 'BLOCKED' OFFSET 0
  ) AS c
), reached AS (
  SELECT d.child_id AS task_id, dependency_verdict(p.verdict, d.on_success, d.on_failure) AS verdict,
         format('parent %s ended %s', p.task_id, p.verdict) AS why
  FROM doomed p
  CROSS JOIN LATERAL (
    SELECT * FROM task_dependencies d WHERE d.parent_id = p.task_id AND d.satisfied_at IS NULL OFFSET 0
  ) AS d
), verdicts AS (
  SELECT task_id, max(verdict) AS verdict, (array_agg(why ORDER BY verdict DESC))[1] AS why
  FROM reached WHERE verdict IS NOT NULL GROUP BY task_id
), held AS MATERIALIZED (
  SELECT v.* FROM (SELECT * FROM verdicts ORDER BY task_id) AS v
  CROSS JOIN LATERAL (SELECT FROM tasks t WHERE t.task_id = v.task_id AND t.status = 'BLOCKED' FOR UPDATE) AS t
), ended AS (
  UPDATE tasks AS t
  SET status = h.verdict, completed_at = now(), failed_at = CASE WHEN h.verdict = 'FAILED' THEN now() END
  FROM (SELECT array_agg(task_id), array_agg(verdict), array_agg(why) FROM held) AS a (ids, verdicts, whys),
       unnest(a.ids, a.verdicts, a.whys) AS h (task_id, verdict, why)
  WHERE t.task_id = h.task_id
  RETURNING t.task_id, t.status, t.dispatch_key, t.priority, t.has_children, h.why
), reasons AS (
  INSERT INTO task_results (task_id, error_message)
  SELECT task_id, format(CASE status WHEN 'FAILED' THEN 'It was not run: its %s.' ELSE 'Skipped: its %s.' END, why)
  FROM ended
  ON CONFLICT (task_id) DO UPDATE SET error_message = excluded.error_message, result_data = NULL, stack_trace = NULL,
                                      created_at = now()
)
SELECT task_id, status, dispatch_key, priority, has_children FROM ended;

-- ───────────────────────────────────────────── submitting ───────────────────────────────────────────

-- name: hold_parents
-- Lock tasks that are about to get children, in order, and mark them: whoever ends one of them after this transaction
-- finds the edges, and what has ended before is told here.
WITH held AS MATERIALIZED (
  SELECT task_id FROM tasks WHERE task_id = ANY($1::uuid[]) ORDER BY task_id FOR UPDATE
)
UPDATE tasks AS t SET has_children = true FROM held WHERE t.task_id = held.task_id
RETURNING t.task_id, t.completed_at IS NOT NULL AS has_ended;

-- name: results_of_parents
-- What claimed tasks take from their parents, as far as all of it together is no larger than $2 bytes; a group hands on
-- what its members returned, in their order.
WITH wanted AS (
  SELECT d.child_id, d.arguments, d.parent_id, p.task_name, r.result_data
  FROM unnest($1::uuid[]) AS o (task_id)
  JOIN task_dependencies d ON d.child_id = o.task_id AND d.arguments IS NOT NULL
  JOIN tasks p ON p.task_id = d.parent_id
  LEFT JOIN LATERAL (
    SELECT r.result_data FROM task_results r WHERE r.task_id = d.parent_id AND p.task_name <> 'taskflow.group'
    UNION ALL
    SELECT jsonb_agg(m.result_data ORDER BY (e.arguments -> 0 ->> 1)::int)
    FROM task_dependencies e LEFT JOIN task_results m ON m.task_id = e.parent_id
    WHERE e.child_id = d.parent_id AND p.task_name = 'taskflow.group'
    HAVING count(*) > 0
  ) AS r ON true
), sized AS (
  SELECT child_id, arguments, parent_id, task_name, result_data,
         sum(octet_length(result_data::text)) OVER (PARTITION BY child_id) AS bytes
  FROM wanted
)
SELECT child_id, arguments, parent_id, task_name, CASE WHEN bytes <= $2 THEN result_data END AS result,
       coalesce(bytes, 0) AS bytes
FROM sized;

-- name: members_of
-- Whose results a group hands on, in their order: needed only where these are sealed.
SELECT d.child_id, d.parent_id, m.task_name
FROM unnest($1::uuid[]) AS o (task_id)
JOIN task_dependencies d ON d.child_id = o.task_id
LEFT JOIN tasks m ON m.task_id = d.parent_id
ORDER BY d.child_id, (d.arguments -> 0 ->> 1)::int;

-- ───────────────────────────────────────────── steering ─────────────────────────────────────────────

-- name: subtree
-- A task and all below it that have not ended.
WITH RECURSIVE below (task_id) AS (
  SELECT $1::uuid
  UNION
  SELECT d.child_id FROM below b JOIN task_dependencies d ON d.parent_id = b.task_id
)
SELECT b.task_id FROM below b
CROSS JOIN LATERAL (SELECT FROM tasks t WHERE t.task_id = b.task_id AND t.completed_at IS NULL OFFSET 0) AS t;

-- name: failed_around
-- What has to start over when a task's graph goes on from where it failed: whatever ended badly by itself above the task
-- or below it, and all that failed or was skipped because of that.
WITH RECURSIVE above (task_id) AS (
  SELECT $1::uuid
  UNION
  SELECT d.parent_id FROM above a JOIN task_dependencies d ON d.child_id = a.task_id
), below (task_id) AS (
  SELECT $1::uuid
  UNION
  SELECT d.child_id FROM below b JOIN task_dependencies d ON d.parent_id = b.task_id
), causes AS (
  SELECT o.task_id FROM (SELECT task_id FROM above UNION SELECT task_id FROM below) AS o
  CROSS JOIN LATERAL (
    SELECT t.task_name FROM tasks t
    WHERE t.task_id = o.task_id AND t.status IN ('FAILED', 'TIMEOUT', 'CANCELLED') OFFSET 0
  ) AS t
  WHERE NOT EXISTS (
    SELECT FROM task_dependencies d CROSS JOIN LATERAL (
      SELECT p.status FROM tasks p WHERE p.task_id = d.parent_id AND p.completed_at IS NOT NULL OFFSET 0
    ) AS p
    WHERE d.child_id = o.task_id
      AND (dependency_verdict(p.status, d.on_success, d.on_failure) IS NOT NULL
           OR (t.task_name = 'taskflow.group' AND p.status <> 'COMPLETED'))
    OFFSET 0)
), again (task_id) AS (
  SELECT task_id FROM causes
  UNION
  SELECT c.task_id FROM again a
  CROSS JOIN LATERAL (SELECT p.status FROM tasks p WHERE p.task_id = a.task_id OFFSET 0) AS p
  CROSS JOIN LATERAL (SELECT * FROM task_dependencies d WHERE d.parent_id = a.task_id OFFSET 0) AS d
  CROSS JOIN LATERAL (
    SELECT c.task_id FROM tasks c
    WHERE c.task_id = d.child_id AND c.status IN ('FAILED', 'TIMEOUT', 'CANCELLED')
      AND (dependency_verdict(p.status, d.on_success, d.on_failure) IS NOT NULL
           OR (c.task_name = 'taskflow.group' AND p.status <> 'COMPLETED'))
    OFFSET 0
  ) AS c
)
SELECT task_id FROM again;

-- name: parents_of
SELECT DISTINCT d.parent_id FROM unnest($1::uuid[]) AS o (task_id)
CROSS JOIN LATERAL (SELECT d.parent_id FROM task_dependencies d WHERE d.child_id = o.task_id OFFSET 0) AS d;

-- name: hold
-- Lock tasks in order.
SELECT task_id FROM tasks WHERE task_id = ANY($1::uuid[]) ORDER BY task_id FOR UPDATE;

-- name: reopen
-- Tasks that start over ($1) wait once more: for all their parents ($2), which are then judged again, or only for those
-- that have not ended, because somebody wants them to run whatever has failed. Groups always wait for all. Answers what
-- each of them is then.
WITH wanted AS MATERIALIZED (
  SELECT d.place FROM unnest($1::uuid[]) AS o (task_id) JOIN tasks c ON c.task_id = o.task_id
  CROSS JOIN LATERAL (
    SELECT d.ctid AS place, d.parent_id FROM task_dependencies d WHERE d.child_id = o.task_id OFFSET 0
  ) AS d
  LEFT JOIN LATERAL (SELECT p.completed_at IS NULL AS is_live FROM tasks p WHERE p.task_id = d.parent_id OFFSET 0) AS p
    ON true
  WHERE $2 OR c.task_name = 'taskflow.group' OR p.is_live
), opened AS (
  UPDATE task_dependencies AS d SET satisfied_at = NULL
  FROM (SELECT array_agg(place) FROM wanted) AS a (places), unnest(a.places) AS e (place)
  WHERE d.ctid = e.place
  RETURNING d.child_id
), waits AS ( -- a sum, because a join of two such sets would compare each with each here
  SELECT task_id, sum(parents)::int AS parents
  FROM (SELECT child_id, 1 FROM opened UNION ALL SELECT task_id, 0 FROM unnest($1::uuid[]) AS o (task_id))
    AS w (task_id, parents)
  GROUP BY task_id
)
UPDATE tasks AS t
SET status = CASE WHEN w.parents > 0 THEN 'BLOCKED' ELSE 'PENDING' END, pending_parents = w.parents, failed_parents = 0
FROM (SELECT array_agg(task_id), array_agg(parents) FROM waits) AS a (ids, counts), unnest(a.ids, a.counts) AS w (task_id, parents)
WHERE t.task_id = w.task_id AND t.status IN ('PENDING', 'BLOCKED')
RETURNING t.task_id, t.status, t.dispatch_key, t.priority;

-- ────────────────────────────────────────────── reading ─────────────────────────────────────────────

-- name: connected
-- The tasks of a graph, from one of them on, nearest first; $2 at most.
WITH RECURSIVE around (task_id) AS (
  SELECT $1::uuid
  UNION
  SELECT n.task_id FROM around a CROSS JOIN LATERAL (
    SELECT d.parent_id AS task_id FROM task_dependencies d WHERE d.child_id = a.task_id
    UNION ALL
    SELECT d.child_id FROM task_dependencies d WHERE d.parent_id = a.task_id
  ) AS n
)
SELECT task_id FROM around LIMIT $2;

-- name: nodes
SELECT t.task_id, t.task_name, t.status, t.queue, t.priority, t.created_at, t.started_at, t.completed_at,
       t.pending_parents
FROM unnest($1::uuid[]) AS o (task_id) JOIN tasks t ON t.task_id = o.task_id
ORDER BY t.task_id;

-- name: edges_to
SELECT d.parent_id, d.child_id, d.on_success, d.on_failure, d.arguments, d.satisfied_at
FROM unnest($1::uuid[]) AS o (task_id)
CROSS JOIN LATERAL (SELECT * FROM task_dependencies d WHERE d.child_id = o.task_id OFFSET 0) AS d
ORDER BY d.child_id, d.parent_id;

-- name: parents
-- What a task waits for or has waited for, and what each of these is now.
SELECT d.parent_id, d.on_success, d.on_failure, d.arguments, d.satisfied_at, p.task_name, p.status
FROM task_dependencies d LEFT JOIN tasks p ON p.task_id = d.parent_id
WHERE d.child_id = $1 ORDER BY d.parent_id LIMIT $2;

-- name: children
SELECT d.child_id, d.on_success, d.on_failure, d.arguments, d.satisfied_at, c.task_name, c.status
FROM task_dependencies d LEFT JOIN tasks c ON c.task_id = d.child_id
WHERE d.parent_id = $1 AND ($2::uuid IS NULL OR d.child_id > $2) ORDER BY d.child_id LIMIT $3;

-- ────────────────────────────────────── adding a dependency later ──────────────────────────────────────

-- name: one_at_a_time
-- Two edges that are added beside each other could close a circle that neither sees.
SELECT pg_advisory_xact_lock(hashtext('taskflow.dependencies'));

-- name: edges_below
-- Every edge further down from a task.
WITH RECURSIVE below (task_id) AS (
  SELECT $1::uuid
  UNION
  SELECT d.child_id FROM below b JOIN task_dependencies d ON d.parent_id = b.task_id
)
SELECT d.child_id, d.parent_id FROM below b JOIN task_dependencies d ON d.parent_id = b.task_id;

-- name: block
-- A task that has not started waits for one more; nothing when it has started or ended.
UPDATE tasks AS t
SET status = 'BLOCKED', pending_parents = CASE WHEN t.status = 'BLOCKED' THEN t.pending_parents ELSE 0 END + 1, due_at = NULL
WHERE t.task_id = $1 AND t.status IN ('PENDING', 'SCHEDULED', 'BLOCKED')
RETURNING t.task_id;

-- name: add_edge
INSERT INTO task_dependencies (parent_id, child_id, on_success, on_failure) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING RETURNING child_id;
