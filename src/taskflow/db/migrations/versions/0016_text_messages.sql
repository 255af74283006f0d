-- Texts through the ledger of messages: docs/adr/0033-text-messages.md.
ALTER TABLE message_submissions
  ADD COLUMN channel varchar(10) NOT NULL DEFAULT 'email' CHECK (channel IN ('email', 'sms'));

ALTER TABLE messages
  ADD COLUMN segments smallint,                        -- of a text: into how many parts it falls
  ADD COLUMN encoding varchar(10) CHECK (encoding IN ('gsm7', 'ucs2')),
  ALTER COLUMN from_address DROP NOT NULL;             -- a text may leave its sender to the provider

-- `delivery`: what the provider told of a text after it had taken it.
CREATE OR REPLACE VIEW message_log AS
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
