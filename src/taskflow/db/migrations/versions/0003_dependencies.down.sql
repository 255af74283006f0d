UPDATE tasks SET status = 'CANCELLED', completed_at = now() WHERE status = 'BLOCKED';
DROP TABLE task_dependencies;
DROP FUNCTION dependency_verdict(text, text, text);
ALTER TABLE tasks
  DROP CONSTRAINT tasks_blocked, DROP COLUMN pending_parents, DROP COLUMN failed_parents, DROP COLUMN has_children,
  DROP COLUMN takes_results;
