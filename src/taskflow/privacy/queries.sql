-- A person's data, wherever it is. These run in the ordinary pool, rarely, and read whole tables.

-- name: contact_of
-- The contacts behind an id, an address or a phone number: of one person, one.
SELECT contact_id, lower(email) AS email, phone FROM subscribers
WHERE contact_id = $1 OR lower(email) = $2 OR phone = $3
LIMIT 2;

-- name: text_columns
-- Every column that can hold text, by table; a generated one follows the others. Partitions follow their table.
SELECT c.relname::text AS table_name, a.attname::text AS name, format_type(a.atttypid, NULL) AS type,
       EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY (i.indkey)) AS is_key
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = current_schema()
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
  AND format_type(a.atttypid, NULL) IN ('text', 'character varying', 'jsonb', 'json', 'text[]', 'character varying[]')
ORDER BY 1, a.attnum;

-- ─────────────────────────────────────────────── export ──────────────────────────────────────────────

-- name: contact
SELECT * FROM subscribers WHERE contact_id = $1;

-- name: subscriptions
SELECT l.name AS list, s.* FROM subscriptions s JOIN mailing_lists l USING (list_id)
WHERE s.contact_id = $1 ORDER BY s.subscribed_at;

-- name: consents
SELECT * FROM consents WHERE contact_id = $1 ORDER BY consent_id;

-- name: messages
-- What was sent to the person, or was to be.
SELECT c.name AS campaign, r.campaign_id, r.recipient_id, r.email, r.status, r.personalization, r.sent_at, r.provider,
       r.reply, r.error_message, r.bounce_reason
FROM email_recipients r JOIN campaigns c USING (campaign_id)
WHERE r.contact_id = $1 OR lower(r.email) = $2 ORDER BY r.recipient_id;

-- name: single_messages
-- What was sent to the person, or was to be, without a campaign; also word for word, where that is kept, up to $3 bytes
-- in all, the oldest first. Sizes are known without reading the words.
SELECT m.message_id, m.channel, m.address, m.name, m.from_address, m.subject, m.tags, m.status, m.personalization,
       m.created_at, m.scheduled_at, m.sent_at, m.provider, m.reply, m.error_message, m.bounce_reason,
       octet_length(k.content) AS content_bytes,
       CASE WHEN sum(octet_length(k.content)) OVER (ORDER BY m.message_id) <= $3::bigint THEN k.content END AS content
FROM messages m
LEFT JOIN message_contents c USING (message_id)
LEFT JOIN message_submissions s USING (submission_id)
CROSS JOIN LATERAL (SELECT coalesce(c.content, CASE WHEN s.archive = 'full' THEN s.raw END) AS content) AS k
WHERE lower(m.address) IN ($1, $2) ORDER BY m.message_id;

-- name: events
SELECT * FROM campaign_events WHERE contact_id = $1 ORDER BY event_id;

-- name: activity
-- When the person last did what, and the newest of what they did often.
SELECT * FROM contact_activity LEFT JOIN contact_latest USING (contact_id) WHERE contact_id = $1;

-- name: rejected_rows
-- Rows of files that name the person and were not imported.
SELECT import_id, row_number, code, reason, raw FROM import_rejections
WHERE raw ILIKE ANY ($1::text[]) AND raw ~* $2 ORDER BY import_id, row_number;

-- name: sandbox_mails
-- What a sandbox inbox holds for them; a text comes to the number at this domain (delivery.providers.sms.sandbox).
SELECT message_id, mail_from, rcpt_to, subject, received_at FROM inbox_messages
WHERE lower(rcpt_to) IN ($1, $2::text || '@sms.invalid') ORDER BY message_id;

-- name: sms_replies
-- Texts that they sent.
SELECT reply_id, kind, sender, recipient, body, action, occurred_at FROM sms_replies
WHERE sender = $1 ORDER BY reply_id;

-- name: sms_reports
-- What was said of texts to them.
SELECT report_id, kind, provider_id, recipient, status, cause, code, detail, received_at FROM sms_reports
WHERE recipient = $1 ORDER BY report_id;

-- name: suppressions
SELECT channel, address, reason, source, note, list_id, created_at FROM suppressions
WHERE (channel = 'email' AND address = $1) OR (channel = 'sms' AND address = $2) ORDER BY created_at;

-- ────────────────────────────────────────────── erasure ──────────────────────────────────────────────

-- name: insert_erasure
INSERT INTO erasures (erasure_id, subject_hash, contact_id, email, phone, suppress, reason, requested_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (erasure_id) DO NOTHING;

-- name: erasure
SELECT * FROM erasures WHERE erasure_id = $1;

-- name: erasures
SELECT * FROM erasures WHERE ($1::uuid IS NULL OR erasure_id < $1) ORDER BY erasure_id DESC LIMIT $2;

-- name: suppress
-- First of all, and by hash: whoever is about to write to them finds it.
INSERT INTO suppressions (channel, address, reason, source)
VALUES ($1, $2, 'erased', 'erasure') ON CONFLICT DO NOTHING;

-- name: import_under_way
-- An upload that waits or is being read may hold the person, and would bring them back.
SELECT EXISTS (SELECT FROM contact_imports WHERE status IN ('PENDING', 'RUNNING'));

-- name: on_the_wire
-- A message to the person that a worker is handing over just now.
SELECT EXISTS (SELECT FROM email_recipients WHERE (contact_id = $1 OR lower(email) = $2) AND status = 'SENDING')
    OR EXISTS (SELECT FROM messages WHERE lower(address) IN ($2, $3) AND status = 'SENDING');

-- name: erase_messages
-- The ledger keeps that something was sent, under a name that is nobody's. What was not sent yet never will be.
WITH person AS MATERIALIZED (
  SELECT campaign_id, recipient_id, status FROM email_recipients
  WHERE contact_id = $1 OR lower(email) = $2
  ORDER BY campaign_id, recipient_id FOR UPDATE
), erased AS (
  UPDATE email_recipients AS r
  SET email = 'erased-' || r.recipient_id || '@erased.invalid', personalization = '{}', reply = NULL,
      error_message = CASE WHEN p.status IN ('PENDING', 'DEFERRED') THEN 'Suppressed: erased.' END,
      bounce_reason = NULL, contact_id = NULL,
      status = CASE WHEN p.status IN ('PENDING', 'DEFERRED') THEN 'SUPPRESSED' ELSE r.status END,
      attention = CASE WHEN p.status IN ('PENDING', 'DEFERRED') THEN 'SUPPRESSED' ELSE r.attention END
  FROM person p WHERE r.campaign_id = p.campaign_id AND r.recipient_id = p.recipient_id
  RETURNING r.campaign_id, p.status AS was, r.status
), counted AS (
  INSERT INTO campaign_counters AS c (campaign_id, slot, suppressed, deferred)
  SELECT campaign_id, 0, count(*), -count(*) FILTER (WHERE was = 'DEFERRED')
  FROM erased WHERE status <> was GROUP BY campaign_id ORDER BY campaign_id
  ON CONFLICT (campaign_id, slot) DO UPDATE
  SET suppressed = c.suppressed + excluded.suppressed, deferred = c.deferred + excluded.deferred
)
SELECT count(*) FROM erased;

-- name: erase_copies
-- A letter that others get too names whom a copy goes to: without the person it can still be sent.
UPDATE message_submissions
SET letter = jsonb_set(letter, '{cc}', (
  SELECT coalesce(jsonb_agg(c.one ORDER BY c.place), '[]')
  FROM jsonb_array_elements(letter -> 'cc') WITH ORDINALITY AS c (one, place)
  WHERE lower(c.one ->> 'address') <> $1))
WHERE EXISTS (SELECT FROM jsonb_array_elements(letter -> 'cc') AS c (one) WHERE lower(c.one ->> 'address') = $1);

-- name: erase_single_messages
-- The same for messages without a campaign, and what was sent in them.
WITH person AS MATERIALIZED (
  SELECT message_id, submission_id, status FROM messages WHERE lower(address) IN ($1, $2) ORDER BY message_id FOR UPDATE
), contents AS (
  DELETE FROM message_contents WHERE message_id IN (SELECT message_id FROM person)
), letters AS ( -- those that went to nobody else, and those that are to the person: others would get a copy of nothing
  DELETE FROM message_submissions AS s
  WHERE s.submission_id IN (SELECT submission_id FROM person)
    AND (
      lower(s.letter #>> '{addressee,address}') = $1
      OR NOT EXISTS (
        SELECT FROM messages o WHERE o.submission_id = s.submission_id
          AND lower(o.address) <> ALL (ARRAY[coalesce($1, ''), coalesce($2, '')])))
)
UPDATE messages AS m
SET address = 'erased-' || m.message_id || '@erased.invalid', name = NULL, subject = NULL, personalization = '{}',
    reply = NULL, bounce_reason = NULL,
    error_message = CASE WHEN p.status IN ('PENDING', 'DEFERRED') THEN 'Suppressed: erased.' END,
    status = CASE WHEN p.status IN ('PENDING', 'DEFERRED') THEN 'SUPPRESSED' ELSE m.status END,
    attention = CASE WHEN p.status IN ('PENDING', 'DEFERRED') THEN 'SUPPRESSED' ELSE m.attention END
FROM person AS p WHERE m.message_id = p.message_id;

-- name: erase_contents
-- What was sent to others and names the person; and what a program handed over by SMTP.
DELETE FROM message_contents
WHERE encode(content, 'escape') ILIKE ANY ($1::text[]) AND encode(content, 'escape') ~* $2;

-- name: erase_handed_over
DELETE FROM message_submissions
WHERE raw IS NOT NULL AND encode(raw, 'escape') ILIKE ANY ($1::text[]) AND encode(raw, 'escape') ~* $2;

-- name: erase_events
UPDATE campaign_events SET contact_id = NULL, detail = NULL WHERE contact_id = $1;

-- name: erase_inbox
DELETE FROM inbox_messages
WHERE lower(rcpt_to) = $1 OR lower(mail_from) = $1
   OR (encode(raw, 'escape') ILIKE ANY ($2::text[]) AND encode(raw, 'escape') ~* $3);

-- name: erase_inbox_rules
DELETE FROM inbox_rules WHERE pattern = $1;

-- name: erase_replies
DELETE FROM sms_replies WHERE sender = $1;

-- name: erase_reports
-- That a text arrived stays, under nobody's number.
UPDATE sms_reports SET recipient = NULL, detail = NULL WHERE recipient = $1;

-- name: erase_suppressions
DELETE FROM suppressions WHERE (channel = 'email' AND address = $1) OR (channel = 'sms' AND address = $2);

-- name: erase_responses
-- What a request was answered is kept for its repetition.
UPDATE idempotency_keys SET response_body = convert_to('{"erased": true}', 'UTF8')
WHERE encode(response_body, 'escape') ILIKE ANY ($1::text[]) AND encode(response_body, 'escape') ~* $2;

-- name: erase_uploads
-- Of imports that have ended; normally there are none.
DELETE FROM import_chunks WHERE encode(data, 'escape') ILIKE ANY ($1::text[]) AND encode(data, 'escape') ~* $2;

-- name: erase_rejections
DELETE FROM import_rejections WHERE raw ILIKE ANY ($1::text[]) AND raw ~* $2;

-- name: erase_contact
-- Takes subscriptions, consents and the summary of what they did along.
DELETE FROM subscribers WHERE contact_id = $1 OR lower(email) = $2 OR phone = $3;

-- name: complete_erasure
UPDATE erasures SET status = 'COMPLETED', completed_at = now(), email = NULL, phone = NULL, report = $2
WHERE erasure_id = $1 RETURNING *;

-- name: forget_suppression
-- Who may be written to again, should they come back.
DELETE FROM suppressions WHERE reason = 'erased' AND channel = $1 AND address = $2;
