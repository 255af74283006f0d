-- Tasks that somebody has cancelled: few, and found without walking the others.
CREATE INDEX tasks_cancelled ON tasks (completed_at) WHERE completed_at IS NOT NULL AND cancel_requested_at IS NOT NULL;
