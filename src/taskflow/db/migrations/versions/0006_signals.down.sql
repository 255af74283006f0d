DROP TABLE dead_letter_policies;
ALTER TABLE dead_letter_queue
  DROP COLUMN fingerprint, DROP COLUMN queue, DROP COLUMN retry_at, DROP COLUMN auto_retries,
  DROP COLUMN requeued_task_id, DROP COLUMN requeue_cause, DROP COLUMN error_place, DROP COLUMN error_class;
