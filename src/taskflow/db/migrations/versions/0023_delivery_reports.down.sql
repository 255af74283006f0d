-- Reports are told to nobody; what is under way is delivered.
DROP TRIGGER IF EXISTS messages_ended ON messages;
DROP TRIGGER IF EXISTS reports_noted ON sms_reports;

CREATE OR REPLACE FUNCTION note_ended_messages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM tell_webhooks(
    array_agg('message.' || lower(n.status)),
    array_agg(jsonb_build_object(
      'message_id', n.message_id, 'submission_id', n.submission_id, 'channel', n.channel, 'status', n.status,
      'attempt', n.attempt, 'tags', coalesce(to_jsonb(n.tags), '[]'), 'provider', n.provider,
      'provider_message_id', n.provider_message_id, 'bounce_reason', n.bounce_reason,
      'created_at', n.created_at, 'sent_at', n.sent_at)),
    array_agg(NULL::text), array_agg(NULL::text))
  FROM after AS n JOIN before AS o USING (message_id)
  WHERE n.status <> o.status AND n.status IN ('SENT', 'FAILED', 'UNCERTAIN', 'SUPPRESSED', 'CANCELLED', 'BOUNCED');
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION watch_ended_messages() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT
AS $$
DECLARE
  wanted boolean := EXISTS (
    SELECT FROM webhooks
    WHERE disabled_at IS NULL AND task_names = '{}' AND queues = '{}'
      AND (events = '{}' OR EXISTS (SELECT FROM unnest(events) AS e (name) WHERE e.name LIKE 'message.%')));
  present boolean := EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'messages'::regclass AND tgname = 'messages_ended');
BEGIN
  IF wanted AND NOT present THEN
    CREATE TRIGGER messages_ended AFTER UPDATE ON messages REFERENCING OLD TABLE AS before NEW TABLE AS after
      FOR EACH STATEMENT EXECUTE FUNCTION note_ended_messages();
  ELSIF present AND NOT wanted THEN
    DROP TRIGGER messages_ended ON messages;
  END IF;
  RETURN wanted;
END
$$;

DROP FUNCTION note_reports(), tell_of_deliveries(messages[]), lock_reports(text[]), told_of(messages);
ALTER TABLE messages DROP COLUMN reported_as;

-- Ids are of a kind again: of what two of its providers told under the same one, the first stays.
DROP VIEW message_log;
DROP VIEW sms_standings;
DELETE FROM sms_replies r USING sms_replies other
WHERE other.kind = r.kind AND other.reference = r.reference AND other.reply_id < r.reply_id;
DELETE FROM sms_reports r USING sms_reports other
WHERE other.provider_id = r.provider_id AND other.kind = r.kind AND other.status = r.status AND other.code = r.code
  AND other.report_id < r.report_id;
ALTER TABLE sms_replies
  DROP COLUMN provider,
  ADD CONSTRAINT sms_replies_once UNIQUE (kind, reference);
ALTER TABLE sms_reports
  DROP COLUMN provider,
  ADD CONSTRAINT sms_reports_once UNIQUE (provider_id, kind, status, code);
CREATE VIEW sms_standings AS
SELECT DISTINCT ON (provider_id, kind)
       provider_id, kind, message_id, status, cause, code, received_at
FROM sms_reports
ORDER BY provider_id, kind, (status = 'sent'), CASE status WHEN 'sent' THEN NULL ELSE report_id END, report_id DESC;
CREATE VIEW message_log AS
SELECT m.message_id, NULL::uuid AS campaign_id, m.submission_id, m.task_id, m.channel, m.address, m.from_address,
       m.subject, m.tags, m.template_id, m.template_version, m.status, m.attempt, m.provider, m.provider_message_id,
       m.reply, m.error_message, m.bounce_reason, m.size_bytes, m.cost, m.currency, m.created_at, m.scheduled_at,
       m.sending_at, m.sent_at, m.uncertain_policy, m.segments, m.encoding, told.delivery, told.delivery_cause,
       told.delivery_at
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
       r.bounce_reason, NULL, r.cost, r.currency, c.created_at, c.scheduled_at, r.sending_at, r.sent_at,
       c.uncertain_policy, NULL, NULL, NULL, NULL, NULL
FROM email_recipients r JOIN campaigns c USING (campaign_id);

-- Without their events webhooks would hear of everything.
UPDATE webhooks
SET disabled_at = coalesce(disabled_at, now()), disabled_reason = coalesce(disabled_reason, 'Its events are not told any more.')
WHERE events <> '{}' AND events <@ ARRAY['message.delivered', 'message.undelivered'];
UPDATE webhooks SET events = array_remove(array_remove(events, 'message.delivered'), 'message.undelivered')
WHERE events && ARRAY['message.delivered', 'message.undelivered'];
SELECT watch_ended_messages();
