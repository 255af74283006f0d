DROP VIEW message_log;
CREATE VIEW message_log AS
SELECT message_id, NULL::uuid AS campaign_id, submission_id, task_id, channel, address, from_address, subject, tags,
       template_id, template_version, status, attempt, provider, provider_message_id, reply, error_message,
       bounce_reason, size_bytes, cost, created_at, scheduled_at, sending_at, sent_at, uncertain_policy
FROM messages
UNION ALL
SELECT r.recipient_id, r.campaign_id, NULL, r.task_id, 'email', r.email, c.from_email, NULL, NULL,
       c.template_id, c.template_version, r.status, r.attempt, r.provider, NULL, r.reply, r.error_message,
       r.bounce_reason, NULL, NULL, c.created_at, c.scheduled_at, r.sending_at, r.sent_at, c.uncertain_policy
FROM email_recipients r JOIN campaigns c USING (campaign_id);

ALTER TABLE email_recipients DROP COLUMN provider_message_id;
