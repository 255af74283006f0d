-- Unsubscribing, by the person behind a link.

-- name: recipient
SELECT r.email, c.from_name, c.from_email, (s.address IS NOT NULL) AS suppressed
FROM email_recipients r
JOIN campaigns c ON c.campaign_id = r.campaign_id
LEFT JOIN suppressions s ON s.channel = 'email' AND s.address = lower(r.email) AND s.list_id IS NULL
WHERE r.campaign_id = $1 AND r.recipient_id = $2;

-- name: suppress
-- Once is enough: the first reason stays.
INSERT INTO suppressions (channel, address, reason, source, campaign_id)
SELECT 'email', lower(r.email), 'unsubscribed', $3, r.campaign_id
FROM email_recipients r WHERE r.campaign_id = $1 AND r.recipient_id = $2
ON CONFLICT DO NOTHING;

-- name: withdraw
-- The contact of this address, if it is one, takes its consent back.
WITH changed AS (
  UPDATE subscribers SET status = 'UNSUBSCRIBED', updated_at = now()
  WHERE lower(email) = lower($1) AND status IN ('ACTIVE', 'PENDING')
  RETURNING contact_id
)
INSERT INTO consents (consent_id, contact_id, list_id, channel, action, source, address)
SELECT taskflow_uuid7(), contact_id, NULL, 'email', 'withdrawn', $2, $3::inet FROM changed;
