-- name: count
-- UNCERTAIN messages of both ledgers.
SELECT (SELECT count(*) FROM messages WHERE attention = 'UNCERTAIN')
     + (SELECT coalesce(sum(uncertain), 0)::bigint FROM campaign_counters);
