DROP VIEW message_log;
DROP TABLE campaign_costs;
ALTER TABLE email_recipients DROP COLUMN cost, DROP COLUMN currency;
ALTER TABLE messages DROP COLUMN currency;
ALTER TABLE providers DROP COLUMN price, DROP COLUMN currency;
CREATE VIEW message_log AS
SELECT m.message_id, NULL::uuid AS campaign_id, m.submission_id, m.task_id, m.channel, m.address, m.from_address,
       m.subject, m.tags, m.template_id, m.template_version, m.status, m.attempt, m.provider, m.provider_message_id,
       m.reply, m.error_message, m.bounce_reason, m.size_bytes, m.cost, m.created_at, m.scheduled_at, m.sending_at,
       m.sent_at, m.uncertain_policy, m.segments, m.encoding, told.delivery, told.delivery_cause, told.delivery_at
FROM messages m
LEFT JOIN LATERAL (
  SELECT s.status AS delivery, s.cause AS delivery_cause, s.received_at AS delivery_at FROM sms_standings s
  WHERE m.channel = 'sms' AND s.provider_id = m.provider_message_id
    AND (s.message_id IS NULL OR s.message_id = m.message_id)
  LIMIT 1
) AS told ON true
UNION ALL
SELECT r.recipient_id, r.campaign_id, NULL, r.task_id, 'email', r.email, c.from_email, NULL, NULL,
       c.template_id, c.template_version, r.status, r.attempt, r.provider, r.provider_message_id, r.reply, r.error_message,
       r.bounce_reason, NULL, NULL, c.created_at, c.scheduled_at, r.sending_at, r.sent_at, c.uncertain_policy,
       NULL, NULL, NULL, NULL, NULL
FROM email_recipients r JOIN campaigns c USING (campaign_id);
DROP TABLE reconciliations;
DROP INDEX campaigns_reconcile;
UPDATE campaigns SET uncertain_policy = 'hold' WHERE uncertain_policy = 'reconcile';
UPDATE messages SET uncertain_policy = 'hold' WHERE uncertain_policy = 'reconcile';
ALTER TABLE campaigns DROP CONSTRAINT campaigns_uncertain_policy_check;
ALTER TABLE campaigns ADD CONSTRAINT campaigns_uncertain_policy_check CHECK (uncertain_policy IN ('hold', 'resend'));
ALTER TABLE messages DROP CONSTRAINT messages_uncertain_policy_check;
ALTER TABLE messages ADD CONSTRAINT messages_uncertain_policy_check CHECK (uncertain_policy IN ('hold', 'resend'));
