-- Webhooks hear whether texts were delivered: docs/how-to/webhooks.md.

-- Providers of one kind that have addresses of their own give ids of their own. Null: the address is the kind's.
ALTER TABLE sms_replies
  ADD COLUMN provider varchar(50),
  DROP CONSTRAINT sms_replies_once,
  ADD CONSTRAINT sms_replies_once UNIQUE NULLS NOT DISTINCT (kind, provider, reference);
ALTER TABLE sms_reports
  ADD COLUMN provider varchar(50),
  DROP CONSTRAINT sms_reports_once,
  ADD CONSTRAINT sms_reports_once UNIQUE NULLS NOT DISTINCT (provider_id, kind, provider, status, code);

CREATE OR REPLACE VIEW sms_standings AS
SELECT DISTINCT ON (provider_id, kind, provider)
       provider_id, kind, message_id, status, cause, code, received_at, provider
FROM sms_reports
ORDER BY provider_id, kind, provider, (status = 'sent'), CASE status WHEN 'sent' THEN NULL ELSE report_id END,
         report_id DESC;

CREATE OR REPLACE VIEW message_log AS
SELECT m.message_id, NULL::uuid AS campaign_id, m.submission_id, m.task_id, m.channel, m.address, m.from_address,
       m.subject, m.tags, m.template_id, m.template_version, m.status, m.attempt, m.provider, m.provider_message_id,
       m.reply, m.error_message, m.bounce_reason, m.size_bytes, m.cost, m.currency, m.created_at, m.scheduled_at,
       m.sending_at, m.sent_at, m.uncertain_policy, m.segments, m.encoding, told.delivery, told.delivery_cause,
       told.delivery_at
FROM messages m
LEFT JOIN LATERAL (
  SELECT s.status AS delivery, s.cause AS delivery_cause, s.received_at AS delivery_at FROM sms_standings s
  WHERE m.channel = 'sms' AND s.provider_id = m.provider_message_id
    AND (s.provider IS NULL OR s.provider = m.provider) AND (s.message_id IS NULL OR s.message_id = m.message_id)
  LIMIT 1
) AS told ON true
UNION ALL
SELECT r.recipient_id, r.campaign_id, NULL, r.task_id, 'email', r.email, c.from_email, NULL, NULL,
       c.template_id, c.template_version, r.status, r.attempt, r.provider, r.provider_message_id, r.reply, r.error_message,
       r.bounce_reason, NULL, r.cost, r.currency, c.created_at, c.scheduled_at, r.sending_at, r.sent_at,
       c.uncertain_policy, NULL, NULL, NULL, NULL, NULL
FROM email_recipients r JOIN campaigns c USING (campaign_id);

-- The id by which reports name a text, to find it by. It stays null for mails, whose updates touch no index so.
ALTER TABLE messages
  ADD COLUMN reported_as text GENERATED ALWAYS AS (CASE WHEN channel = 'sms' THEN provider_message_id END) STORED;
CREATE INDEX messages_reported_as ON messages (reported_as) WHERE reported_as IS NOT NULL;

-- What a webhook is told of a message. Nothing that tells who the person is: what is delivered is kept, and an erasure
-- need not look for it.
CREATE FUNCTION told_of(m messages) RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT jsonb_build_object(
    'message_id', m.message_id, 'submission_id', m.submission_id, 'channel', m.channel, 'status', m.status,
    'attempt', m.attempt, 'tags', coalesce(to_jsonb(m.tags), '[]'), 'provider', m.provider,
    'provider_message_id', m.provider_message_id, 'bounce_reason', m.bounce_reason,
    'created_at', m.created_at, 'sent_at', m.sent_at)
$$;

-- Reports and the commits of what they are about are taken one after the other, text by text: whoever is second sees the
-- first, so that an end is told once, whichever comes first.
CREATE FUNCTION lock_reports(ids text[]) RETURNS void LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(key)
  FROM (SELECT DISTINCT hashtextextended('sms-report:' || id, 0) AS key FROM unnest($1) AS i (id) ORDER BY key) AS k
$$;

-- Tells of texts that have come to an end: the messages, and of each the first report that is one.
CREATE FUNCTION tell_of_deliveries(ms messages[]) RETURNS void LANGUAGE sql AS $$
  SELECT tell_webhooks(
    array_agg('message.' || CASE s.status WHEN 'failed' THEN 'undelivered' ELSE s.status END),
    array_agg(told_of(m) || jsonb_build_object(
      'delivery', s.status, 'delivery_cause', s.cause, 'delivery_at', s.received_at)),
    array_agg(NULL::text), array_agg(NULL::text))
  FROM unnest($1) AS m
  CROSS JOIN LATERAL (
    SELECT * FROM sms_standings s
    WHERE s.provider_id = m.reported_as
      AND (s.provider IS NULL OR s.provider = m.provider) AND (s.message_id IS NULL OR s.message_id = m.message_id)
    LIMIT 1
  ) AS s
  WHERE s.status <> 'sent'
$$;

-- Runs after each statement that updates messages, while somebody listens for them: notes the standings they came to. A
-- report may have been here before its text was SENT.
CREATE OR REPLACE FUNCTION note_ended_messages() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  sent text[];
BEGIN
  PERFORM tell_webhooks(
    array_agg('message.' || lower(n.status)), array_agg(told_of(ROW(n.*)::messages)),
    array_agg(NULL::text), array_agg(NULL::text))
  FROM after AS n JOIN before AS o USING (message_id)
  WHERE n.status <> o.status AND n.status IN ('SENT', 'FAILED', 'UNCERTAIN', 'SUPPRESSED', 'CANCELLED');

  SELECT array_agg(n.reported_as) INTO sent FROM after AS n JOIN before AS o USING (message_id)
  WHERE n.status <> o.status AND n.status = 'SENT' AND n.reported_as IS NOT NULL;
  IF sent IS NOT NULL THEN
    PERFORM lock_reports(sent);
    PERFORM tell_of_deliveries(array_agg(m)) FROM messages m WHERE m.status = 'SENT' AND m.reported_as = ANY (sent);
  END IF;
  RETURN NULL;
END
$$;

-- The same for what providers report. Of what comes after the first end nobody is told.
CREATE FUNCTION note_reports() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM lock_reports(ARRAY[NEW.provider_id]);
  IF NOT EXISTS (
    SELECT FROM sms_reports r
    WHERE r.provider_id = NEW.provider_id AND r.kind = NEW.kind AND r.provider IS NOT DISTINCT FROM NEW.provider
      AND r.status <> 'sent' AND r.report_id <> NEW.report_id
  ) THEN
    PERFORM tell_of_deliveries(array_agg(m)) FROM messages m
    WHERE m.status = 'SENT' AND m.reported_as = NEW.provider_id AND (NEW.provider IS NULL OR NEW.provider = m.provider);
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION watch_ended_messages() RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT AS $$
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
    CREATE TRIGGER reports_noted AFTER INSERT ON sms_reports
      FOR EACH ROW WHEN (NEW.status <> 'sent') EXECUTE FUNCTION note_reports();
  ELSIF present AND NOT wanted THEN
    DROP TRIGGER messages_ended ON messages;
    DROP TRIGGER reports_noted ON sms_reports;
  END IF;
  RETURN wanted;
END
$$;

-- Nothing comes back as a mail yet: whoever waited for bounces hears of refusals, which say why.
UPDATE webhooks
SET events = CASE WHEN 'message.failed' = ANY (events) THEN array_remove(events, 'message.bounced')
                  ELSE array_replace(events, 'message.bounced', 'message.failed') END
WHERE 'message.bounced' = ANY (events);

-- Webhooks that were made before want these from now on, too.
DROP TRIGGER IF EXISTS messages_ended ON messages;
SELECT watch_ended_messages();
