-- Replies, keywords and delivery reports. Order of tables: sms_replies, subscribers, suppressions, consents.

-- ────────────────────────────────────────────── replies ──────────────────────────────────────────────

-- name: lock_sender
-- Texts of one number are taken one after the other: their order decides whether it is written to.
SELECT pg_advisory_xact_lock(hashtextextended('sms-sender:' || $1, 0));

-- name: action_of
SELECT action FROM sms_keywords WHERE keyword = $1;

-- name: add_reply
-- Nothing when it was told before. A provider's clock may run ahead; nobody has written in the future.
INSERT INTO sms_replies (reply_id, kind, reference, sender, recipient, body, action, contact_id, occurred_at, provider)
VALUES ($1, $2, $3, $4::text, $5, $6, $7, (SELECT contact_id FROM subscribers WHERE phone = $4::text),
        least(coalesce($8::timestamptz, now()), now()), $9)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: has_changed_mind
-- Whether the sender has said STOP or START after this reply, though it reached us before.
SELECT EXISTS (
  SELECT FROM sms_replies
  WHERE sender = $1 AND occurred_at > $2 AND action IN ('stop', 'start')
);

-- name: suppress_number
-- The first reason stays, beside the owner's own wish.
INSERT INTO suppressions (channel, address, reason, source) VALUES ('sms', $1, $2, $3)
ON CONFLICT DO NOTHING RETURNING suppression_id;

-- name: lift_own_suppression
-- What somebody asked for, they may take back; nothing else is lifted by a text.
DELETE FROM suppressions
WHERE channel = 'sms' AND address = $1 AND reason = 'unsubscribed' AND list_id IS NULL RETURNING suppression_id;

-- name: list_replies
-- Newest first, before $1: with an action ($2), of a number ($3).
SELECT * FROM sms_replies
WHERE ($1::uuid IS NULL OR reply_id < $1) AND ($2::text IS NULL OR action = $2) AND ($3::text IS NULL OR sender = $3)
ORDER BY reply_id DESC LIMIT $4;

-- name: expire_replies
-- A batch of what came more than $1 days ago.
DELETE FROM sms_replies WHERE reply_id IN (
  SELECT reply_id FROM sms_replies WHERE received_at < now() - make_interval(days => $1)
  ORDER BY reply_id LIMIT $2
);

-- ────────────────────────────────────────────── reports ──────────────────────────────────────────────

-- name: add_report
-- Nothing when it was told before.
INSERT INTO sms_reports (report_id, kind, provider_id, message_id, recipient, status, cause, code, detail, provider)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT DO NOTHING
RETURNING report_id;

-- name: list_reports
-- Newest first, before $1: of one text by the provider's id ($2) or ours ($3), with a status ($4).
SELECT * FROM sms_reports
WHERE ($1::uuid IS NULL OR report_id < $1) AND ($2::text IS NULL OR provider_id = $2)
  AND ($3::uuid IS NULL OR message_id = $3) AND ($4::text IS NULL OR status = $4)
ORDER BY report_id DESC LIMIT $5;

-- name: standing
-- How far the text with a provider's id has come: the last one, where several providers of a kind gave it.
SELECT * FROM sms_standings WHERE provider_id = $1 AND kind = $2 ORDER BY received_at DESC LIMIT 1;

-- name: expire_reports
-- A batch of what came more than $1 days ago.
DELETE FROM sms_reports WHERE report_id IN (
  SELECT report_id FROM sms_reports WHERE received_at < now() - make_interval(days => $1)
  ORDER BY report_id LIMIT $2
);

-- ───────────────────────────────────────────── keywords ──────────────────────────────────────────────

-- name: keywords
SELECT keyword, action, language FROM sms_keywords ORDER BY language, action, keyword;

-- name: lock_keywords
-- Two who replace all of them take turns.
SELECT pg_advisory_xact_lock(hashtextextended('sms-keywords', 0));

-- name: forget_keywords
DELETE FROM sms_keywords;

-- name: put_keywords
INSERT INTO sms_keywords (keyword, action, language) SELECT * FROM unnest($1::text[], $2::text[], $3::text[]);
