DROP INDEX tasks_cancelled;
