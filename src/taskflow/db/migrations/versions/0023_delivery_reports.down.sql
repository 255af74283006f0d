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

-- Without their events webhooks would hear of everything.
UPDATE webhooks
SET disabled_at = coalesce(disabled_at, now()), disabled_reason = coalesce(disabled_reason, 'Its events are not told any more.')
WHERE events <> '{}' AND events <@ ARRAY['message.delivered', 'message.undelivered'];
UPDATE webhooks SET events = array_remove(array_remove(events, 'message.delivered'), 'message.undelivered')
WHERE events && ARRAY['message.delivered', 'message.undelivered'];
SELECT watch_ended_messages();
