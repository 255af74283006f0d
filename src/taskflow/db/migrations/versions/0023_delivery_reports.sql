-- Webhooks hear whether texts were delivered: docs/how-to/webhooks.md.

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
    WHERE s.provider_id = m.reported_as AND (s.message_id IS NULL OR s.message_id = m.message_id) LIMIT 1
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
    WHERE r.provider_id = NEW.provider_id AND r.kind = NEW.kind AND r.status <> 'sent' AND r.report_id <> NEW.report_id
  ) THEN
    PERFORM tell_of_deliveries(array_agg(m)) FROM messages m
    WHERE m.status = 'SENT' AND m.reported_as = NEW.provider_id;
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
