-- Contacts and what their attributes mean. Order of tables in every transaction: subscribers (by contact_id),
-- mailing_lists, subscriptions, consents, tasks.

-- ───────────────────────────────────────────── contacts ─────────────────────────────────────────────

-- name: insert_contact
-- Nothing when the id, the address or the phone is taken: the caller looks which.
INSERT INTO subscribers (contact_id, email, phone, status, locale, time_zone, attributes, tags)
VALUES ($1, $2, $3, coalesce($4::text, 'ACTIVE'), $5, $6, $7, $8)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: update_contact
UPDATE subscribers
SET email = $2, phone = $3, status = $4, locale = $5, time_zone = $6, attributes = $7, tags = $8, updated_at = now()
WHERE contact_id = $1
RETURNING *;

-- name: get_contact
SELECT * FROM subscribers WHERE contact_id = $1;

-- name: lock_contact
-- Not FOR UPDATE: that would keep others from writing subscriptions of this person, whose locks come after it here.
SELECT * FROM subscribers WHERE contact_id = $1 FOR NO KEY UPDATE;

-- name: note_event
-- What a person did, as somebody else saw it; $5 null or in the future is now. Locks out the contact's deletion, so that
-- no event comes after it. A repetition finds the event of the first try.
INSERT INTO campaign_events (event_id, event_type, contact_id, detail, occurred_at)
SELECT $1, $2, contact_id, jsonb_build_object('source', $4::text), least($5::timestamptz, now())
FROM subscribers WHERE contact_id = $3 FOR KEY SHARE
ON CONFLICT (event_id) DO UPDATE SET event_id = excluded.event_id
RETURNING *;

-- name: select_contacts
-- Followed by a condition of taskflow.audience.contacts.filters, an order and a limit.
SELECT c.* FROM subscribers c

-- name: select_contact_ids
SELECT c.contact_id FROM subscribers c

-- name: select_for_export
-- Beside the names of the lists that write to them.
SELECT c.*, (
  SELECT string_agg(l.name, ', ' ORDER BY l.name)
  FROM subscriptions s JOIN mailing_lists l USING (list_id)
  WHERE s.contact_id = c.contact_id AND s.status = 'CONFIRMED'
) AS lists
FROM subscribers c

-- name: add_tags
-- A hundred tags are the most that a contact has.
UPDATE subscribers SET tags = wanted.tags, updated_at = now()
FROM (
  SELECT contact_id, (SELECT array_agg(DISTINCT tag ORDER BY tag) FROM unnest(tags || $2::text[]) AS tag) AS tags
  FROM subscribers WHERE contact_id = ANY($1::uuid[]) AND NOT tags @> $2::text[]
  ORDER BY contact_id FOR NO KEY UPDATE
) AS wanted
WHERE subscribers.contact_id = wanted.contact_id AND cardinality(wanted.tags) <= 100;

-- name: remove_tags
UPDATE subscribers SET tags = wanted.tags, updated_at = now()
FROM (
  SELECT contact_id, ARRAY(SELECT tag FROM unnest(tags) AS tag WHERE tag <> ALL ($2::text[])) AS tags
  FROM subscribers WHERE contact_id = ANY($1::uuid[]) AND tags && $2::text[]
  ORDER BY contact_id FOR NO KEY UPDATE
) AS wanted
WHERE subscribers.contact_id = wanted.contact_id;

-- name: set_status
UPDATE subscribers SET status = $2, updated_at = now()
WHERE contact_id IN (SELECT contact_id FROM subscribers WHERE contact_id = ANY($1::uuid[]) AND status <> $2
                     ORDER BY contact_id FOR NO KEY UPDATE);

-- name: delete_contacts
DELETE FROM subscribers
WHERE contact_id IN (SELECT contact_id FROM subscribers WHERE contact_id = ANY($1::uuid[])
                     ORDER BY contact_id FOR UPDATE);

-- name: tag_counts
SELECT tag, count(*) AS contacts FROM subscribers, unnest(tags) AS tag
WHERE $1::text IS NULL OR tag > $1
GROUP BY tag ORDER BY tag LIMIT $2;

-- name: plan_for_these_values
-- A filter on a rare tag wants another plan than one on a common tag: look at the values each time.
SET LOCAL plan_cache_mode = force_custom_plan;
SET LOCAL statement_timeout = '10s';

-- name: find_by_email
SELECT contact_id FROM subscribers WHERE lower(email) = lower($1);

-- name: find_by_phone
SELECT contact_id FROM subscribers WHERE phone = $1;

-- name: delete_contact
-- Subscriptions and consents go with it.
DELETE FROM subscribers WHERE contact_id = $1 RETURNING contact_id;

-- ────────────────────────────────────────────── fields ──────────────────────────────────────────────

-- name: list_fields
SELECT * FROM contact_fields ORDER BY name;

-- name: get_field
SELECT * FROM contact_fields WHERE name = $1;

-- name: insert_field
INSERT INTO contact_fields (name, label, type, choices) VALUES ($1, $2, $3, $4)
ON CONFLICT DO NOTHING
RETURNING *;

-- name: update_field
UPDATE contact_fields SET label = coalesce($2, label), choices = coalesce($3, choices)
WHERE name = $1
RETURNING *;

-- name: delete_field
-- Values stay where they are, as free attributes.
DELETE FROM contact_fields WHERE name = $1 RETURNING name;
