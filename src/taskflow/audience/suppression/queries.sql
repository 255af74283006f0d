-- Suppressions as people see and change them. What asks them when a message is sent is campaigns/ledger.sql:turn.

-- name: insert_suppression
-- $1 id, $2 channel, $3 address, $4 list or null, $5 reason, $6 source, $7 note, $8 who. Once is enough: the first stays,
-- beside a person's own wish to leave (unsubscribed), which is another fact.
INSERT INTO suppressions (suppression_id, channel, address, list_id, reason, source, note, created_by)
VALUES ($1, $2, lower($3), $4, $5, $6, $7, $8)
ON CONFLICT DO NOTHING RETURNING *;

-- name: insert_many
-- Of one channel, list, reason, source and writer ($1, $3 to $6): these addresses ($2). Answers how many are new.
WITH added AS (
  INSERT INTO suppressions (channel, address, list_id, reason, source, created_by)
  SELECT $1, address, $3, $4, $5, $6 FROM unnest($2::text[]) AS address ORDER BY address
  ON CONFLICT DO NOTHING RETURNING true
)
SELECT count(*)::int FROM added;

-- name: find_suppression
-- The one that keeps another with the reason $4 from being added.
SELECT * FROM suppressions WHERE channel = $1 AND address = lower($2) AND list_id IS NOT DISTINCT FROM $3::uuid
  AND (reason = 'unsubscribed') = ($4::text = 'unsubscribed');

-- name: get_suppression
SELECT * FROM suppressions WHERE suppression_id = $1;

-- name: list_suppressions
-- Newest first, before $1: of a channel ($2), a list ($3; $4: of none), a reason ($5), with $6 in the address.
SELECT * FROM suppressions
WHERE ($1::uuid IS NULL OR suppression_id < $1) AND ($2::text IS NULL OR channel = $2)
  AND ($3::uuid IS NULL OR list_id = $3) AND (NOT $4::boolean OR list_id IS NULL)
  AND ($5::text IS NULL OR reason = $5) AND ($6::text IS NULL OR strpos(address, lower($6)) > 0)
ORDER BY suppression_id DESC LIMIT $7;

-- name: export_suppressions
-- Oldest first, behind $1. What erasures have left is no address, and stays here.
SELECT suppression_id, channel, address, list_id, reason, source, note, created_at FROM suppressions
WHERE suppression_id > $1 AND ($2::text IS NULL OR channel = $2) AND ($3::uuid IS NULL OR list_id = $3)
  AND address NOT LIKE 'hmac:%'
ORDER BY suppression_id LIMIT $4;

-- name: suppressions_of
-- Everything that keeps one of these addresses ($2) from being written to, on any list.
SELECT * FROM suppressions WHERE channel = $1 AND address = ANY ($2::text[]) ORDER BY suppression_id LIMIT 100;

-- name: delete_suppression
-- Not what an erasure has left: nobody could tell whom that would let in.
DELETE FROM suppressions WHERE suppression_id = $1 AND reason <> 'erased' RETURNING *;

-- name: list_exists
SELECT EXISTS (SELECT FROM mailing_lists WHERE list_id = $1);
