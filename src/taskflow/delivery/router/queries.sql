-- What the router keeps in PostgreSQL. Everything here runs on the ordinary pool, a few times a second at most.

-- name: add_usage
-- Messages given to providers (fewer, where reservations were given back), by minute, in the slot of this process.
INSERT INTO provider_usage AS u (provider, minute, slot, messages)
SELECT provider, to_timestamp(minute * 60), $1, messages
FROM unnest($2::text[], $3::bigint[], $4::int[]) AS n (provider, minute, messages)
ORDER BY provider, minute
ON CONFLICT (provider, minute, slot) DO UPDATE SET messages = u.messages + excluded.messages;

-- name: note_first_use
-- The day on which providers were first used; it is known only once.
INSERT INTO provider_breakers AS b (provider, first_used_at)
SELECT provider, now() FROM unnest($1::text[]) AS n (provider) ORDER BY provider
ON CONFLICT (provider) DO UPDATE SET first_used_at = coalesce(b.first_used_at, excluded.first_used_at);

-- name: note_changes
INSERT INTO provider_breaker_changes (provider, state, reason)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[]);

-- name: override
-- A person's word on a breaker; null takes it back.
INSERT INTO provider_breakers (provider, override) VALUES ($1, $2)
ON CONFLICT (provider) DO UPDATE SET override = excluded.override, updated_at = now();

-- name: known
-- Everything that is restored: one row a provider that was ever used, forced or cut off.
SELECT p.provider, b.override, extract(epoch FROM b.first_used_at)::bigint / 86400 AS first_day,
       (SELECT state FROM provider_breaker_changes c
        WHERE c.provider = p.provider AND c.state IN ('closed', 'open', 'half_open')
        ORDER BY change_id DESC LIMIT 1) AS state
FROM (SELECT provider FROM provider_breakers UNION SELECT provider FROM provider_usage) AS p
LEFT JOIN provider_breakers b USING (provider) ORDER BY p.provider;

-- name: recent_usage
-- Use by hour (ms) over the last day, and in the last two minutes.
SELECT provider, extract(epoch FROM date_trunc('hour', minute))::bigint * 1000 AS hour,
       greatest(0, sum(messages))::bigint AS messages,
       greatest(0, coalesce(sum(messages) FILTER (WHERE minute > now() - interval '2 minutes'), 0))::bigint AS recent
FROM provider_usage WHERE minute > now() - interval '25 hours'
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: history
-- The latest changes of breakers, the newest first.
SELECT provider, state, reason, changed_at FROM (
  SELECT *, row_number() OVER (PARTITION BY provider ORDER BY change_id DESC) AS nth
  FROM provider_breaker_changes WHERE provider = ANY($1::text[])
) AS c WHERE nth <= $2 ORDER BY change_id DESC;

-- name: waits
-- Who waits for a provider, longer than for $4 seconds from when every sender knows of a change.
  FROM tasks t
  WHERE t.due_at BETWEEN now() + (2 + $4::float8) * interval '1 second' AND now() + interval '20 minutes'
    AND t.status = 'SCHEDULED' AND t.lease_epoch > 0
    AND (EXISTS (SELECT FROM messages m WHERE m.message_id = t.task_id AND m.status = 'PENDING' AND m.channel = $3::text)
         OR ($3::text = 'email'
             AND ((t.task_name = $2 AND t.retry_count = 0)
                  OR EXISTS (SELECT FROM email_recipients r
                             WHERE r.campaign_id = t.campaign_id AND r.recipient_id = t.task_id
                               AND r.status = 'PENDING'))))

-- name: count_waiting
-- How many do, $1 at most.
SELECT count(*) FROM (
  SELECT
-- include: waits
  LIMIT $1
) AS w;

-- name: wake
-- Let messages of a channel ($3) that wait for a provider be tried from the second on in which every sender knows of a
-- change, over $4 seconds: those whose task was handed back ($1 at most), mails of double opt-ins ($2: the name of their
-- task) among them. Who comes by then anyway, waits for another attempt, or for a time that somebody has set, is let sleep.
WITH waiting AS MATERIALIZED (
  SELECT t.task_id
-- include: waits
  ORDER BY t.due_at LIMIT $1 FOR UPDATE OF t SKIP LOCKED
), woken AS (
  UPDATE tasks t SET due_at = now() + interval '2 seconds' + random() * $4::float8 * interval '1 second'
  FROM waiting w WHERE t.task_id = w.task_id
  RETURNING 1
)
SELECT count(*) FROM woken;

-- name: forget_usage
DELETE FROM provider_usage WHERE minute < now() - interval '3 days';

-- name: forget_changes
DELETE FROM provider_breaker_changes WHERE changed_at < now() - interval '90 days';

-- name: domain_limits
SELECT domain, per_second, per_minute, per_day FROM recipient_domain_limits;

-- name: limit_domain
INSERT INTO recipient_domain_limits (domain, per_second, per_minute, per_day, updated_by) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (domain) DO UPDATE
SET per_second = excluded.per_second, per_minute = excluded.per_minute, per_day = excluded.per_day,
    updated_by = excluded.updated_by, updated_at = now();

-- name: unlimit_domain
DELETE FROM recipient_domain_limits WHERE domain = $1 RETURNING domain;
