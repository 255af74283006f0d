-- Lists.

-- name: insert_list
INSERT INTO mailing_lists (list_id, name, description, opt_in, visibility, confirm_from, confirm_wording, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
RETURNING *;

-- name: update_list
UPDATE mailing_lists
SET name = $2, description = $3, opt_in = $4, visibility = $5, confirm_from = $6, confirm_wording = $7,
    archived_at = CASE WHEN $8 THEN coalesce(archived_at, now()) END
WHERE list_id = $1
RETURNING *;

-- name: get_list
SELECT * FROM mailing_lists WHERE list_id = $1;

-- name: open_lists
-- Those of these lists that people may be added to.
SELECT * FROM mailing_lists WHERE list_id = ANY($1::uuid[]) AND archived_at IS NULL ORDER BY list_id;

-- name: lock_list
SELECT * FROM mailing_lists WHERE list_id = $1 FOR UPDATE;

-- name: share_list
-- Keep a list as it is until the end of the transaction.
SELECT * FROM mailing_lists WHERE list_id = $1 FOR SHARE;

-- name: list_lists
SELECT * FROM mailing_lists
WHERE ($1::text IS NULL OR lower(name) = lower($1)) AND ($2::boolean IS NULL OR (archived_at IS NOT NULL) = $2)
  AND ($3::uuid IS NULL OR list_id < $3)
ORDER BY list_id DESC LIMIT $4;

-- name: counts
-- How many stand how to each list; an index-only scan of the lists' parts.
SELECT list_id, status, count(*) AS people FROM subscriptions WHERE list_id = ANY($1::uuid[]) GROUP BY list_id, status;

-- name: delete_list
-- Subscriptions and the list's own suppressions go with it; consents stay, without its name.
DELETE FROM mailing_lists WHERE list_id = $1 RETURNING name;
