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
