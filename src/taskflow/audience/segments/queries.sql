-- Segments as rows, and how their contacts are read. The conditions themselves are compiled from fragments.sql.

-- name: read_many
-- For this transaction: $1 milliseconds a statement; no loops over contacts, which a wrong estimate would turn into
-- minutes; hash tables of a million contacts in memory; $2 processes that help.
SELECT set_config('statement_timeout', $1, true), set_config('enable_nestloop', 'off', true),
       set_config('work_mem', '32MB', true), set_config('jit', 'off', true),
       set_config('max_parallel_workers_per_gather', $2, true);

-- name: insert_segment
INSERT INTO segments (segment_id, name, description, definition, created_by) VALUES ($1, $2, $3, $4, $5) RETURNING *;

-- name: get_segment
SELECT * FROM segments WHERE segment_id = $1;

-- name: get_segments
SELECT * FROM segments WHERE segment_id = ANY ($1::uuid[]) ORDER BY segment_id;

-- name: list_segments
SELECT * FROM segments
WHERE ($1::uuid IS NULL OR segment_id < $1) AND ($2::text IS NULL OR strpos(lower(name), lower($2)) > 0)
ORDER BY segment_id DESC LIMIT $3;

-- name: update_segment
-- Another definition forgets the count of the last one.
UPDATE segments
SET name = $2, description = $3, definition = $4, updated_at = now(),
    last_count = CASE WHEN definition = $4 THEN last_count END,
    counted_at = CASE WHEN definition = $4 THEN counted_at END
WHERE segment_id = $1 RETURNING *;

-- name: lock_segment
SELECT * FROM segments WHERE segment_id = $1 FOR NO KEY UPDATE;

-- name: note_count
UPDATE segments SET last_count = $3, counted_at = now() WHERE segment_id = $1 AND definition = $2::jsonb;

-- name: delete_segment
DELETE FROM segments WHERE segment_id = $1 RETURNING name;

-- name: waiting_campaigns
-- Campaigns that have yet to be started and name a segment.
SELECT name FROM campaigns
WHERE status IN ('DRAFT', 'SCHEDULED') AND (audience -> 'segments' ? $1 OR audience -> 'exclude_segments' ? $1)
ORDER BY campaign_id LIMIT 3;

-- name: fields_called
SELECT name, type, choices FROM contact_fields WHERE name = ANY ($1::text[]);

-- name: missing_lists
-- Those of these lists that there are not, or not any more.
SELECT i.id FROM unnest($1::uuid[]) AS i (id)
WHERE NOT EXISTS (SELECT FROM mailing_lists l WHERE l.list_id = i.id AND l.archived_at IS NULL);

-- name: missing_campaigns
SELECT i.id FROM unnest($1::uuid[]) AS i (id) WHERE NOT EXISTS (SELECT FROM campaigns c WHERE c.campaign_id = i.id);

-- name: now
SELECT now();
