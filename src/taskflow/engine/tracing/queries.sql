-- Trace contexts of tasks; only processes that trace come here.

-- name: insert_traces
INSERT INTO task_traces (task_id, traceparent, tracestate)
SELECT o.task_id, $2, $3 FROM unnest($1::uuid[]) AS o (task_id) ON CONFLICT DO NOTHING;

-- name: traces_of
SELECT t.task_id, t.traceparent, t.tracestate FROM unnest($1::uuid[]) AS o (task_id) JOIN task_traces t USING (task_id);

-- name: expire_traces
DELETE FROM task_traces WHERE task_id IN (
  SELECT task_id FROM task_traces WHERE task_id < $1 ORDER BY task_id LIMIT $2 FOR UPDATE SKIP LOCKED);
