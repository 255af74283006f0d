-- What the database itself saw, kept by triggers that the product does not know of.

CREATE TABLE witness_tasks (
  seq bigint GENERATED ALWAYS AS IDENTITY, task_id uuid, was text, became text, epoch int,
  at timestamptz DEFAULT clock_timestamp(), by text DEFAULT session_user
);
CREATE TABLE witness_recipients (
  seq bigint GENERATED ALWAYS AS IDENTITY, campaign_id uuid, recipient_id uuid, email text, was text, became text,
  epoch int, at timestamptz DEFAULT clock_timestamp(), by text DEFAULT session_user
);

CREATE FUNCTION witness_task() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO witness_tasks (task_id, was, became, epoch) VALUES (new.task_id, old.status, new.status, new.lease_epoch);
  RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON tasks FOR EACH ROW
  WHEN (old.status IS DISTINCT FROM new.status AND
        (new.completed_at IS NOT NULL OR old.completed_at IS NOT NULL)) EXECUTE FUNCTION witness_task();

CREATE FUNCTION witness_recipient() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO witness_recipients (campaign_id, recipient_id, email, was, became, epoch)
  VALUES (new.campaign_id, new.recipient_id, new.email, old.status, new.status, new.lease_epoch);
  RETURN NULL;
END $$;
CREATE TRIGGER witness AFTER UPDATE ON email_recipients FOR EACH ROW
  WHEN (old.status IS DISTINCT FROM new.status) EXECUTE FUNCTION witness_recipient();
