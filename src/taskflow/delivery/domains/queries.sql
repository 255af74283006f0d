-- Sending domains, their DKIM keys, and what Gmail counts.

-- name: insert_domain
INSERT INTO sending_domains (domain, return_path_domain, created_by) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING RETURNING domain;

-- name: select_domains
-- One domain ($1), or the `$3` that follow `$2` by name; each with its keys, the newest first.
SELECT d.domain, d.return_path_domain, d.created_at, d.created_by, d.checked_at, d.report
FROM sending_domains d
WHERE ($1::text IS NULL OR d.domain = $1) AND ($2::text IS NULL OR d.domain > $2)
ORDER BY d.domain LIMIT $3;

-- name: keys_of
SELECT domain, selector, algorithm, public_key, state, created_at, activated_at, retired_at
FROM dkim_keys WHERE domain = ANY ($1::text[]) ORDER BY created_at DESC, algorithm DESC, selector;

-- name: lock_domain
-- First in a transaction that changes a domain's keys: who else does waits.
SELECT domain FROM sending_domains WHERE domain = $1 FOR NO KEY UPDATE;

-- name: set_return_path
UPDATE sending_domains SET return_path_domain = $2 WHERE domain = $1 RETURNING domain;

-- name: write_report
UPDATE sending_domains SET checked_at = now(), report = $2 WHERE domain = $1 RETURNING checked_at;

-- name: delete_domain
DELETE FROM sending_domains WHERE domain = $1 RETURNING domain;

-- name: insert_key
INSERT INTO dkim_keys (domain, selector, algorithm, private_key, sealing_key, public_key) VALUES ($1, $2, $3, $4, $5, $6);

-- name: retire
-- The active keys of these algorithms give way: nobody signs with them any more, so their private halves go.
UPDATE dkim_keys SET state = 'retired', retired_at = now(), private_key = NULL, sealing_key = NULL
WHERE domain = $1 AND algorithm = ANY ($2::text[]) AND state = 'active';

-- name: activate
UPDATE dkim_keys SET state = 'active', activated_at = now()
WHERE domain = $1 AND algorithm = ANY ($2::text[]) AND state = 'next' RETURNING selector;

-- name: forget_retired
-- Keys that need not be in the zone any more ($2: days).
DELETE FROM dkim_keys WHERE domain = $1 AND state = 'retired' AND retired_at < now() - $2 * interval '1 day';

-- name: signing_keys
-- Of a sender's domain and its parents ($1): the nearest that has keys that sign, else the nearest; with those keys.
WITH nearest AS (
  SELECT d.domain, d.return_path_domain FROM sending_domains d WHERE d.domain = ANY ($1::text[])
  ORDER BY EXISTS (SELECT FROM dkim_keys k WHERE k.domain = d.domain AND k.state = 'active') DESC, length(d.domain) DESC
  LIMIT 1
)
SELECT n.domain, n.return_path_domain, k.selector, k.algorithm, k.private_key, k.sealing_key
FROM nearest n LEFT JOIN dkim_keys k ON k.domain = n.domain AND k.state = 'active'
ORDER BY k.algorithm DESC;

-- name: lock_private_keys
-- Those that another key than `$1` seals; domains first, like whoever else changes keys.
SELECT k.domain, k.selector, k.private_key, k.sealing_key
FROM sending_domains d JOIN dkim_keys k ON k.domain = d.domain
WHERE k.sealing_key <> $1 ORDER BY d.domain, k.selector
FOR NO KEY UPDATE OF d, k;

-- name: rewrap_private_key
UPDATE dkim_keys SET private_key = $3, sealing_key = $4 WHERE domain = $1 AND selector = $2;

-- name: count_private_keys
SELECT count(*) FROM dkim_keys WHERE private_key IS NOT NULL;

-- name: count_gmail
-- Add what was taken in this hour ($1 domains, $2 counts), and note who is a bulk sender from now on ($3 a day).
WITH added AS (
  INSERT INTO gmail_usage AS u (primary_domain, hour, sent)
  SELECT domain, date_trunc('hour', now()), sent FROM unnest($1::text[], $2::int[]) AS a (domain, sent) ORDER BY domain
  ON CONFLICT (primary_domain, hour) DO UPDATE SET sent = u.sent + excluded.sent
  RETURNING u.primary_domain, u.sent
), day AS (
  SELECT a.primary_domain, a.sent + coalesce(sum(u.sent), 0) AS sent
  FROM added a LEFT JOIN gmail_usage u
    ON u.primary_domain = a.primary_domain AND u.hour > now() - interval '24 hours' AND u.hour < date_trunc('hour', now())
  GROUP BY a.primary_domain, a.sent
)
INSERT INTO gmail_bulk_senders (primary_domain)
SELECT primary_domain FROM day WHERE sent >= $3 ORDER BY primary_domain ON CONFLICT DO NOTHING;

-- name: forget_gmail
DELETE FROM gmail_usage WHERE primary_domain = ANY ($1::text[]) AND hour < now() - interval '35 days';

-- name: recipient
-- To whom the message of a return path went.
SELECT email, status FROM email_recipients WHERE campaign_id = $1 AND recipient_id = $2;

-- name: gmail
-- What a primary domain has sent to Gmail in the last 24 hours, the most in a day of the last 35, and since when it
-- counts as a bulk sender.
SELECT coalesce((SELECT sum(sent) FROM gmail_usage WHERE primary_domain = $1 AND hour > now() - interval '24 hours'), 0)::int
         AS last_day,
       coalesce((SELECT max(day) FROM (SELECT sum(sent) AS day FROM gmail_usage WHERE primary_domain = $1
                                       GROUP BY date_trunc('day', hour)) AS days), 0)::int AS most_in_a_day,
       (SELECT since FROM gmail_bulk_senders WHERE primary_domain = $1) AS bulk_since;
