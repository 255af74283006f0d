-- Tasks that somebody has cancelled: few, and found without walking the others.
CREATE INDEX tasks_cancelled ON tasks (completed_at) WHERE completed_at IS NOT NULL AND cancel_requested_at IS NOT NULL;

-- A person's own wish to leave and what else is known of an address stand side by side: neither hides the other, and
-- neither goes when the other is lifted.
DROP INDEX suppressions_address;
CREATE UNIQUE INDEX suppressions_address ON suppressions (channel, address, list_id, (reason = 'unsubscribed'))
  NULLS NOT DISTINCT;

-- An earlier attempt was perhaps delivered: `resend` sends it again once, and never a third time.
ALTER TABLE messages ADD COLUMN in_doubt boolean NOT NULL DEFAULT false;
ALTER TABLE email_recipients ADD COLUMN in_doubt boolean NOT NULL DEFAULT false;
