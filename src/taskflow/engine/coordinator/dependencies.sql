-- The statements of the dependencies duty; see also engine/dependencies/queries.sql. They run on `database.hot`.

-- name: open_edges
-- A page of edges that wait, by parent: where it stops, and whether that parent has ended, or is gone.
SELECT e.parent_id, (array_agg(e.child_id ORDER BY e.child_id DESC))[1] AS last_child,
       bool_or(p.is_live) IS NOT TRUE AS is_over
FROM (
  SELECT d.parent_id, d.child_id FROM task_dependencies d
  WHERE d.satisfied_at IS NULL AND (d.parent_id, d.child_id) > ($1::uuid, $2::uuid)
  ORDER BY d.parent_id, d.child_id LIMIT $3
) AS e
LEFT JOIN LATERAL (SELECT p.completed_at IS NULL AS is_live FROM tasks p WHERE p.task_id = e.parent_id OFFSET 0) AS p
  ON true
GROUP BY e.parent_id ORDER BY e.parent_id;

-- name: waiting_for_nobody
-- BLOCKED tasks among the first of each of these keys that have no open edge: nothing will ever release them.
SELECT r.task_id FROM unnest($1::text[]) AS k (dispatch_key) CROSS JOIN LATERAL (
  SELECT t.task_id, t.status FROM tasks t
  WHERE t.dispatch_key = k.dispatch_key AND t.completed_at IS NULL
  ORDER BY t.priority DESC, t.task_id LIMIT $2
) AS r
WHERE r.status = 'BLOCKED'
  AND NOT EXISTS (SELECT FROM task_dependencies d WHERE d.child_id = r.task_id AND d.satisfied_at IS NULL OFFSET 0);

-- name: prune_edges
-- Of a page of edges, delete those whose child is gone. Answers where the page stops; nothing behind the last one.
WITH page AS MATERIALIZED (
  SELECT d.ctid AS place, d.parent_id, d.child_id, NOT EXISTS (SELECT FROM tasks t WHERE t.task_id = d.child_id OFFSET 0) AS is_gone
  FROM task_dependencies d
  WHERE (d.parent_id, d.child_id) > ($1::uuid, $2::uuid)
  ORDER BY d.parent_id, d.child_id LIMIT $3
), gone AS (
  DELETE FROM task_dependencies d
  USING (SELECT array_agg(place) FROM page WHERE is_gone) AS a (places), unnest(a.places) AS e (place)
  WHERE d.ctid = e.place
  RETURNING d.child_id
)
SELECT p.parent_id, p.child_id, (SELECT count(*) FROM gone) AS deleted
FROM page p ORDER BY p.parent_id DESC, p.child_id DESC LIMIT 1;

-- name: orphaned_edges
-- Among the edges of the newest parents: those that wait although the one or the other task does not exist.
SELECT count(*) FROM (
  SELECT parent_id, child_id FROM task_dependencies WHERE satisfied_at IS NULL ORDER BY parent_id DESC LIMIT $1
) AS e
WHERE NOT EXISTS (SELECT FROM tasks p WHERE p.task_id = e.parent_id OFFSET 0)
   OR NOT EXISTS (SELECT FROM tasks c WHERE c.task_id = e.child_id OFFSET 0);
