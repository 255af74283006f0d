-- Unsubscribing, by the person behind a link.

-- name: recipient
-- Whom a link belongs to: the contact that was written to, else whoever has the address now. $1 is a campaign, or of a
-- promotional message what it was submitted with.
SELECT r.email, r.list_id, r.campaign_id, r.sender, r.lists, person.contact_id,
       EXISTS (SELECT FROM suppressions s
               WHERE s.channel = 'email' AND s.address = lower(r.email) AND s.list_id IS NULL) AS suppressed
FROM (
  SELECT e.email, e.list_id, e.contact_id, c.campaign_id, coalesce(c.from_name, c.from_email) AS sender,
         c.audience -> 'lists' AS lists
  FROM email_recipients e JOIN campaigns c USING (campaign_id)
  WHERE e.campaign_id = $1 AND e.recipient_id = $2
  UNION ALL
  SELECT m.address, NULL, NULL, NULL, coalesce(s.letter ->> 'from_name', m.from_address), NULL
  FROM messages m LEFT JOIN message_submissions s USING (submission_id)
  WHERE m.message_id = $2 AND m.submission_id = $1 AND m.channel = 'email'
) AS r
CROSS JOIN LATERAL (
  SELECT coalesce((SELECT contact_id FROM subscribers WHERE contact_id = r.contact_id),
                  (SELECT contact_id FROM subscribers WHERE lower(email) = lower(r.email))) AS contact_id
) AS person;

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
VALUES ('email', lower($1), 'unsubscribed', $2, $3, $4)
ON CONFLICT DO NOTHING;

-- name: note_event
INSERT INTO campaign_events (event_id, event_type, contact_id, campaign_id, recipient_id)
VALUES (taskflow_uuid7(), 'unsubscribed', $3, $1, $2);
