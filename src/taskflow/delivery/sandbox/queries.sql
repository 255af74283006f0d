-- name: add
-- Keep many messages in one commit. A batch whose answer was lost is sent again with the same ids.
INSERT INTO inbox_messages (message_id, mail_from, rcpt_to, subject, message_id_header, size, raw)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::bytea[])
ON CONFLICT (message_id) DO NOTHING;

-- name: trim
-- Drop what is older than the newest $1 messages.
DELETE FROM inbox_messages
WHERE message_id <= (SELECT message_id FROM inbox_messages ORDER BY message_id DESC OFFSET $1 LIMIT 1);

-- name: list_messages
-- One page, newest first: messages older than $2 (null: from the start) that hold $1 (null: all).
SELECT message_id, received_at, mail_from, rcpt_to, subject, size
FROM inbox_messages
WHERE ($2::uuid IS NULL OR message_id < $2)
  AND ($1::text IS NULL
       OR strpos(lower(rcpt_to), lower($1)) > 0
       OR strpos(lower(mail_from), lower($1)) > 0
       OR strpos(lower(coalesce(subject, '')), lower($1)) > 0)
ORDER BY message_id DESC
LIMIT $3;

-- name: get_message
SELECT message_id, received_at, mail_from, rcpt_to, subject, size, raw
FROM inbox_messages WHERE message_id = $1;

-- name: clear
TRUNCATE inbox_messages;

-- name: rules
SELECT pattern, action, times, hits FROM inbox_rules ORDER BY pattern;

-- name: forget_rules
DELETE FROM inbox_rules WHERE pattern <> ALL ($1::text[]);

-- name: put_rules
-- A rule that stays as it was keeps its hits; a changed one starts anew.
INSERT INTO inbox_rules AS old (pattern, action, times)
SELECT * FROM unnest($1::text[], $2::text[], $3::integer[])
ON CONFLICT (pattern) DO UPDATE SET action = excluded.action, times = excluded.times, hits = 0
WHERE (old.action, old.times) IS DISTINCT FROM (excluded.action, excluded.times);

-- name: hit
-- Note that a rule was used, on whichever address; no row when it is gone.
UPDATE inbox_rules SET hits = hits + 1 WHERE pattern = $1 RETURNING action;

-- name: find
-- A mail by its Message-ID ($1) and its recipient ($2).
SELECT message_id FROM inbox_messages WHERE lower(rcpt_to) = lower($2) AND message_id_header = $1 LIMIT 1;
