-- What receivers and people thought of a campaign, and the pauses that this led to.

-- name: rates
-- Of a campaign: what is out; what a server refused for good or sent back; whose owner complained after it came, told
-- for this campaign or for none. A refusal over HTTP is a 4xx, or a 2xx whose body says no; 408, 425 and 429 put off.
SELECT coalesce((SELECT sum(k.sent)::int FROM campaign_counters k WHERE k.campaign_id = c.campaign_id), 0) AS sent,
       (SELECT count(*)::int FROM email_recipients r
        WHERE r.campaign_id = c.campaign_id AND r.attention IN ('FAILED', 'BOUNCED')
          AND (r.attention = 'BOUNCED' OR r.reply ~ '^(5|HTTP [24](?!08|25|29))')) AS bounced,
       (SELECT count(*)::int FROM suppressions s
        WHERE s.reason = 'complained' AND s.channel = 'email' AND s.created_at >= c.started_at
          AND (s.campaign_id = c.campaign_id
               OR (s.campaign_id IS NULL
                   AND EXISTS (SELECT FROM email_recipients r
                               WHERE r.campaign_id = c.campaign_id AND lower(r.email) = s.address
                                 AND r.sent_at <= s.created_at)))) AS complained,
       p.paused_at, p.reason, coalesce(p.sent, 0) AS seen_sent, coalesce(p.bounced, 0) AS seen_bounced,
       coalesce(p.complained, 0) AS seen_complained
FROM campaigns c LEFT JOIN campaign_pauses p USING (campaign_id)
WHERE c.campaign_id = $1;

-- name: note_pause
INSERT INTO campaign_pauses (campaign_id, reason, sent, bounced, complained) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (campaign_id) DO UPDATE
SET paused_at = now(), reason = excluded.reason, sent = excluded.sent, bounced = excluded.bounced,
    complained = excluded.complained;
