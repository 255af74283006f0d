-- Unsubscribing, by the person behind a link.

-- name: recipient
-- Whom a link belongs to: the contact that was written to, else whoever has the address now.
SELECT r.email, r.list_id, c.from_name, c.from_email, c.audience -> 'lists' AS lists, person.contact_id,
       EXISTS (SELECT FROM suppressions s
               WHERE s.channel = 'email' AND s.address = lower(r.email) AND s.list_id IS NULL) AS suppressed
FROM email_recipients r
JOIN campaigns c ON c.campaign_id = r.campaign_id
CROSS JOIN LATERAL (
  SELECT coalesce((SELECT contact_id FROM subscribers WHERE contact_id = r.contact_id),
                  (SELECT contact_id FROM subscribers WHERE lower(email) = lower(r.email))) AS contact_id
) AS person
WHERE r.campaign_id = $1 AND r.recipient_id = $2;

-- name: lists_of
-- Of a campaign's lists ($1): the one that brought a mail ($2), and the others that would bring the same person ($3, with
-- the address $4) the next one.
SELECT l.list_id, l.name
FROM mailing_lists l LEFT JOIN subscriptions s ON s.list_id = l.list_id AND s.contact_id = $3
WHERE l.list_id = ANY ($1::uuid[]) AND (l.list_id = $2 OR s.status IN ('PENDING', 'CONFIRMED'))
  AND s.status IS DISTINCT FROM 'UNSUBSCRIBED'
  AND NOT EXISTS (SELECT FROM suppressions x
                  WHERE x.channel = 'email' AND x.address = lower($4) AND x.list_id = l.list_id)
ORDER BY l.list_id = $2 DESC, lower(l.name), l.list_id;

-- name: lock_contact
SELECT FROM subscribers WHERE contact_id = $1 FOR NO KEY UPDATE;

-- name: suppress
-- The address that the mail went to, everywhere or on one list ($4), whoever has it now. Once is enough: the first reason
-- stays.
INSERT INTO suppressions (channel, address, reason, source, campaign_id, list_id)
SELECT 'email', lower(r.email), 'unsubscribed', $3::text, r.campaign_id, $4::uuid
FROM email_recipients r WHERE r.campaign_id = $1 AND r.recipient_id = $2
ON CONFLICT DO NOTHING;

-- name: note_event
INSERT INTO campaign_events (event_id, event_type, contact_id, campaign_id, recipient_id)
VALUES (taskflow_uuid7(), 'unsubscribed', $3, $1, $2);
