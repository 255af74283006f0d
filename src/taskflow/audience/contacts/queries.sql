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
SELECT * FROM subscribers WHERE contact_id = $1 FOR UPDATE;

-- name: select_contacts
-- Followed by a condition of taskflow.audience.contacts.filters, an order and a limit.
SELECT c.* FROM subscribers c

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
