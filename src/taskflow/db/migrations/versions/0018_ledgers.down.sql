ALTER TABLE email_recipients DROP COLUMN in_doubt;
ALTER TABLE messages DROP COLUMN in_doubt;

DELETE FROM suppressions w USING suppressions o
WHERE w.reason = 'unsubscribed' AND o.reason <> 'unsubscribed' AND o.channel = w.channel AND o.address = w.address
  AND o.list_id IS NOT DISTINCT FROM w.list_id;
DROP INDEX suppressions_address;
CREATE UNIQUE INDEX suppressions_address ON suppressions (channel, address, list_id) NULLS NOT DISTINCT;

DROP INDEX tasks_cancelled;
