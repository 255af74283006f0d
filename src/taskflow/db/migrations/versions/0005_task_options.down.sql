DROP TABLE task_progress;
DROP INDEX task_results_expires_at;
ALTER TABLE task_keys DROP COLUMN fingerprint, DROP COLUMN while_live;
ALTER TABLE schedules DROP COLUMN payload_version, DROP COLUMN tags, DROP COLUMN expires_in_seconds;
ALTER TABLE tasks DROP COLUMN expires_at, DROP COLUMN payload_version, DROP COLUMN tags;
