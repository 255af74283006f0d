DROP TRIGGER IF EXISTS tasks_ended ON tasks;
DROP FUNCTION watch_ended_tasks, note_ended_tasks, taskflow_uuid7;
DROP TABLE task_traces, webhook_deliveries, webhooks, dead_letter_policies;
ALTER TABLE dead_letter_queue
  DROP COLUMN fingerprint, DROP COLUMN queue, DROP COLUMN retry_at, DROP COLUMN auto_retries,
  DROP COLUMN requeued_task_id, DROP COLUMN requeue_cause, DROP COLUMN error_place, DROP COLUMN error_class;
