-- Imports of contacts. `contact_rows` stands for the staging table of one attempt: `staging.name_of` names it.

-- name: insert_import
INSERT INTO contact_imports (import_id, mode, dry_run, filename, size, encoding, delimiter, mapping, options, total_rows,
                             created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: insert_chunk
INSERT INTO import_chunks (import_id, position, data) VALUES ($1, $2, $3);

-- name: chunk
SELECT data FROM import_chunks WHERE import_id = $1 AND position = $2;

-- name: select_imports
-- One import ($1), or the page of `$4` newest before `$3`, of one status ($2) or any.
SELECT * FROM contact_imports
WHERE ($1::uuid IS NULL OR import_id = $1) AND ($2::text IS NULL OR status = $2) AND ($3::uuid IS NULL OR import_id < $3)
ORDER BY import_id DESC LIMIT $4;

-- name: rejections
SELECT row_number, code, reason, raw FROM import_rejections
WHERE import_id = $1 AND row_number > $2 ORDER BY row_number LIMIT $3;

-- name: request_cancel
UPDATE contact_imports SET cancel_requested_at = coalesce(cancel_requested_at, now())
WHERE import_id = $1 AND completed_at IS NULL RETURNING import_id;

-- ─────────────────────────────────────────── one attempt ────────────────────────────────────────────

-- name: begin
-- The attempt of this epoch takes the import over; whoever had it before writes nothing more.
UPDATE contact_imports
SET status = 'RUNNING', lease_epoch = $2, started_at = coalesce(started_at, now())
WHERE import_id = $1 AND completed_at IS NULL AND lease_epoch < $2
RETURNING *;

-- name: staging_tables
SELECT relname FROM pg_class WHERE relname LIKE $1 AND relkind = 'r' AND relnamespace = current_schema()::regnamespace;

-- name: create_staging
-- Where COPY puts the rows of one attempt. Nobody else reads it, and a crash of the server may empty it: the file is
-- still there. Rejected rows have a code.
CREATE UNLOGGED TABLE contact_rows (
  contact_id uuid, row_number integer NOT NULL, email text, phone text, locale text, time_zone text,
  attributes jsonb, tags text[], email_erased text, phone_erased text, code text, reason text, raw text,
  key text COLLATE "C" GENERATED ALWAYS AS (coalesce(lower(email), phone)) STORED
) WITH (autovacuum_enabled = off);

-- name: note_read
-- How far the reading is; nothing comes back when another attempt has taken over.
UPDATE contact_imports SET rows = $3, rejected = $4 + merged - created - updated - skipped
WHERE import_id = $1 AND lease_epoch = $2 AND completed_at IS NULL
RETURNING cancel_requested_at IS NOT NULL AS cancelled;

-- name: look
-- Nothing comes back when another attempt has taken over.
SELECT cancel_requested_at IS NOT NULL AS cancelled FROM contact_imports
WHERE import_id = $1 AND lease_epoch = $2 AND completed_at IS NULL;

-- name: hold
-- The same, and until the commit nobody takes over.
SELECT cancel_requested_at IS NOT NULL AS cancelled FROM contact_imports
WHERE import_id = $1 AND lease_epoch = $2 AND completed_at IS NULL FOR NO KEY UPDATE;

-- name: sift_memory
-- Room to sort a million rows without files.
SET LOCAL work_mem = '128MB';

-- name: index_staging
-- Two lanes merge at a time, each its half of the people in the order of their keys.
CREATE INDEX ON contact_rows ((row_number % 2), key) WHERE code IS NULL;

-- name: sift_duplicates
-- The first row of the file stays, of each person; then, of each phone number.
UPDATE contact_rows r SET code = 'duplicate', reason = 'The same person is in row ' || d.first || ' already.'
FROM (SELECT ctid AS place, row_number, min(row_number) OVER (PARTITION BY key) AS first
      FROM contact_rows WHERE code IS NULL) AS d
WHERE r.ctid = d.place AND d.row_number > d.first;

-- name: sift_phones
UPDATE contact_rows r SET code = 'duplicate', reason = 'The phone number is in row ' || d.first || ' already.'
FROM (SELECT phone, min(row_number) AS first FROM contact_rows WHERE code IS NULL AND phone IS NOT NULL
      GROUP BY phone HAVING count(*) > 1) AS d
WHERE r.phone = d.phone AND r.code IS NULL AND r.row_number > d.first;

-- name: reject_sifted
-- Keep what was rejected so far, the duplicates written as the file had them, but for those of somebody erased.
-- $2: the delimiter.
INSERT INTO import_rejections (import_id, row_number, code, reason, raw)
SELECT $1, r.row_number, r.code, r.reason,
       CASE WHEN EXISTS (SELECT FROM suppressions x WHERE x.reason = 'erased'
                         AND x.address = ANY (ARRAY[r.email_erased, r.phone_erased]))
            THEN '' ELSE coalesce(r.raw, shown.text) END
FROM contact_rows r,
LATERAL (
-- include: row_text
) AS shown
WHERE r.code IS NOT NULL ORDER BY r.row_number
ON CONFLICT DO NOTHING;

-- name: row_text
-- The row as the file had it, from what became of it. $2: the delimiter, $3: the targets of the columns in order.
SELECT left(string_agg(CASE WHEN c.cell ~ ('[\r\n"' || $2::text || ']') THEN '"' || replace(c.cell, '"', '""') || '"'
                            ELSE c.cell END, $2::text ORDER BY t.place), 2000) AS text
FROM unnest($3::text[]) WITH ORDINALITY AS t (target, place),
LATERAL (SELECT coalesce(CASE t.target
  WHEN 'email' THEN r.email WHEN 'phone' THEN r.phone WHEN 'locale' THEN r.locale WHEN 'time_zone' THEN r.time_zone
  WHEN 'tags' THEN array_to_string(r.tags, ',') WHEN 'ignore' THEN NULL ELSE r.attributes ->> t.target END, '') AS cell
) AS c;

-- name: end_staging
-- From here on a repetition goes on with the merge, if the table still has all of its rows. One that has read them again
-- keeps the count of those that were rejected by a merge before.
UPDATE contact_imports i
SET staging = $2, staged = s.staged, rows = s.rows, total_rows = s.rows,
    rejected = s.rejected + i.merged - i.created - i.updated - i.skipped
FROM (SELECT count(*) AS rows, count(*) FILTER (WHERE code IS NULL) AS staged,
             count(*) FILTER (WHERE code IS NOT NULL) AS rejected FROM contact_rows) AS s
WHERE i.import_id = $1
RETURNING i.staged;

-- name: count_staged
SELECT count(*) FROM contact_rows WHERE code IS NULL;

-- name: slice_memory
-- Room for the rows of a slice without files.
SET LOCAL work_mem = '64MB';

-- name: merge_slice
-- Merge the next `$5` people of lane $13 after the key `$4`, and tell how it went. A dry run ($7) is the same without the
-- writing.
-- $1 import, $2 delimiter, $3 targets of the columns, $6 mode, $8 lists, $9 who did it, $10 wording of the consent or
-- null, $11 its channels, $12 whether it was confirmed elsewhere.
-- Runs on a connection with pinned plans. Whoever is looked up is looked up by a LIMIT 1, which no planner turns into a
-- join: a plan that was made while the tables were empty would read them whole for each row (measured: 17 s a slice).
WITH slice AS MATERIALIZED (
  SELECT * FROM contact_rows WHERE code IS NULL AND row_number % 2 = $13::int AND key > $4::text ORDER BY key LIMIT $5
), known AS MATERIALIZED (
  -- Who it is: whoever has the address; else whoever has the phone number and no address, or the row has none.
  SELECT r.*, p.contact_id AS phone_owner,
         coalesce(e.contact_id, CASE WHEN r.email IS NULL OR p.email IS NULL THEN p.contact_id END) AS target,
         s.reason AS suppressed, s.erased
  FROM slice r
  LEFT JOIN LATERAL (SELECT contact_id FROM subscribers WHERE lower(email) = lower(r.email) LIMIT 1) AS e ON true
  LEFT JOIN LATERAL (SELECT contact_id, email FROM subscribers WHERE phone = r.phone LIMIT 1) AS p ON true
  LEFT JOIN LATERAL (
    SELECT min(found.reason) AS reason, bool_or(found.reason = 'erased') AS erased
    FROM (
      SELECT x.reason FROM suppressions x
      WHERE x.channel = 'email' AND x.list_id IS NULL
        AND x.address = ANY (suppression_keys(r.email, r.email_erased))
      UNION ALL
      SELECT x.reason FROM suppressions x
      WHERE x.channel = 'sms' AND x.list_id IS NULL
        AND x.address = ANY (ARRAY[r.phone_erased, CASE WHEN r.email IS NULL THEN r.phone END])
    ) AS found
  ) AS s ON true
), judged AS MATERIALIZED (
  SELECT k.*, coalesce(k.target, k.contact_id) AS person, coalesce(t.email, k.email) AS person_email,
         coalesce(t.phone, k.phone) IS NOT NULL AS has_phone,
         k.suppressed IS NULL AND coalesce(t.status, 'ACTIVE') IN ('ACTIVE', 'PENDING') AS may_join,
         CASE
           WHEN k.erased THEN 'erased'
           WHEN (k.target IS NULL AND $6::text = 'update') OR (k.target IS NOT NULL AND $6::text = 'create') THEN 'skipped'
           WHEN k.phone_owner <> k.target OR (k.phone_owner IS NOT NULL AND k.target IS NULL) THEN 'phone_taken'
           WHEN k.target IS NULL AND k.suppressed IS NOT NULL THEN 'suppressed'
           WHEN k.target IS NULL THEN 'created'
           WHEN pg_column_size(t.attributes) + pg_column_size(k.attributes) > 65536
             OR cardinality(t.tags) + cardinality(k.tags) > 200 THEN 'too_large'
           WHEN (t.email IS NULL AND k.email IS NOT NULL) OR k.phone <> coalesce(t.phone, '')
             OR k.locale <> coalesce(t.locale, '') OR k.time_zone <> coalesce(t.time_zone, '')
             OR NOT t.tags @> k.tags OR t.attributes || k.attributes <> t.attributes
             OR (t.status = 'PENDING' AND k.suppressed IS NULL) THEN 'updated'
           ELSE 'unchanged'
         END AS verdict
  FROM known k LEFT JOIN LATERAL (SELECT * FROM subscribers WHERE contact_id = k.target LIMIT 1) AS t ON true
), created AS (
  INSERT INTO subscribers (contact_id, email, phone, locale, time_zone, attributes, tags)
  SELECT contact_id, email, phone, locale, time_zone, attributes, tags FROM judged
  WHERE NOT $7::boolean AND verdict = 'created'
), updated AS (
  UPDATE subscribers t
  SET email = coalesce(t.email, j.email), phone = coalesce(j.phone, t.phone), locale = coalesce(j.locale, t.locale),
      time_zone = coalesce(j.time_zone, t.time_zone), attributes = t.attributes || j.attributes,
      tags = CASE WHEN t.tags @> j.tags THEN t.tags
                  ELSE ARRAY(SELECT DISTINCT tag FROM unnest(t.tags || j.tags) AS tag ORDER BY tag) END,
      -- Somebody we know ourselves is more than an address in a form that nobody confirmed.
      status = CASE WHEN t.status = 'PENDING' AND j.suppressed IS NULL THEN 'ACTIVE' ELSE t.status END,
      updated_at = now()
  FROM judged j
  WHERE NOT $7::boolean AND j.verdict = 'updated' AND t.contact_id = j.target
), joins AS MATERIALIZED (
  -- Who comes to which list: nobody who is or was on it, who is suppressed, or who wants nothing from us.
  SELECT j.person, l.list_id, l.wording, j.person_email IS NOT NULL AS has_email, j.has_phone,
         CASE WHEN l.opt_in = 'single' OR $12::boolean THEN 'CONFIRMED' ELSE 'PENDING' END AS status
  FROM judged j
  CROSS JOIN (SELECT m.list_id, m.opt_in, i.wording
              FROM mailing_lists m JOIN unnest($8::uuid[], $15::text[]) AS i (list_id, wording) USING (list_id)) AS l
  WHERE j.verdict IN ('created', 'updated', 'unchanged') AND j.may_join
    AND (SELECT true FROM subscriptions s WHERE s.list_id = l.list_id AND s.contact_id = j.person LIMIT 1) IS NULL
    AND (SELECT true FROM suppressions x
         WHERE x.channel = 'email' AND x.address = ANY (suppression_keys(j.person_email, NULL))
           AND (x.list_id IS NULL OR x.list_id = l.list_id) LIMIT 1) IS NULL
), subscribed AS (
  INSERT INTO subscriptions (list_id, contact_id, status, confirmed_at)
  SELECT list_id, person, status, CASE WHEN status = 'CONFIRMED' THEN now() END FROM joins
  WHERE NOT $7::boolean
  ON CONFLICT DO NOTHING
), asked AS (
  INSERT INTO consents (consent_id, contact_id, list_id, channel, action, source, wording, actor)
  SELECT taskflow_uuid7(), person, list_id, 'email', 'requested', 'import', wording, $9 FROM joins
  WHERE NOT $7::boolean AND $14::boolean AND status = 'PENDING' AND has_email
  RETURNING consent_id
), consented AS (
  INSERT INTO consents (consent_id, contact_id, list_id, channel, action, source, wording, actor)
  SELECT taskflow_uuid7(), g.person, g.list_id, c.channel, g.action, 'import', $10, $9
  FROM (
    SELECT person, list_id, has_email AND (status = 'CONFIRMED' OR NOT $14::boolean) AS has_email, has_phone,
           CASE status WHEN 'CONFIRMED' THEN 'granted' ELSE 'requested' END AS action
    FROM joins
    UNION ALL
    SELECT person, NULL, person_email IS NOT NULL, has_phone, 'granted' FROM judged
    WHERE verdict = 'created' AND may_join AND cardinality($8::uuid[]) = 0
  ) AS g
  CROSS JOIN unnest($11::text[]) AS c (channel)
  WHERE NOT $7::boolean AND $10::text IS NOT NULL AND CASE c.channel WHEN 'email' THEN g.has_email ELSE g.has_phone END
), rejected AS (
  -- Of an erased person nothing is kept, not even here.
  INSERT INTO import_rejections (import_id, row_number, code, reason, raw)
  SELECT $1, r.row_number, r.verdict,
         CASE r.verdict
           WHEN 'erased' THEN 'This person was erased and must not come back.'
           WHEN 'phone_taken' THEN 'The phone number belongs to another contact.'
           WHEN 'suppressed' THEN 'The address is suppressed (' || r.suppressed || ').'
           ELSE 'With these values the contact would have too many attributes or tags.'
         END,
         CASE WHEN r.verdict = 'erased' THEN '' ELSE coalesce(shown.text, '') END
  FROM judged r,
  LATERAL (
-- include: row_text
  ) AS shown
  WHERE r.verdict IN ('erased', 'phone_taken', 'suppressed', 'too_large')
  ON CONFLICT DO NOTHING
)
SELECT max(key) AS through, count(*)::int AS seen,
       count(*) FILTER (WHERE verdict = 'created')::int AS created,
       count(*) FILTER (WHERE verdict = 'updated')::int AS updated,
       count(*) FILTER (WHERE verdict IN ('skipped', 'unchanged'))::int AS skipped,
       count(*) FILTER (WHERE verdict IN ('erased', 'phone_taken', 'suppressed', 'too_large'))::int AS rejected,
       (SELECT count(DISTINCT person) FROM joins WHERE status = 'PENDING')::int AS pending,
       (SELECT array_agg(consent_id) FROM asked) AS asked
FROM judged;

-- name: advance
-- In the transaction of the slice, last: what was merged is never merged again. Nothing comes back, and the slice must be
-- undone, when another attempt has taken over.
UPDATE contact_imports
SET merged = merged + $4, merged_keys[$3::int + 1] = $5::text, created = created + $6, updated = updated + $7,
    skipped = skipped + $8, rejected = rejected + $9, pending = pending + $10
WHERE import_id = $1 AND lease_epoch = $2 AND completed_at IS NULL
RETURNING import_id;

-- name: end_import
-- $2 status, $3 and $4 why it failed.
UPDATE contact_imports
SET status = $2, completed_at = now(), error_code = $3, error_message = $4, staging = NULL
WHERE import_id = $1 AND completed_at IS NULL;

-- name: drop_chunks
DELETE FROM import_chunks WHERE import_id = $1;

-- ─────────────────────────────────────────────── the duty ───────────────────────────────────────────

-- name: abandoned
-- Imports whose task has ended without them: cancelled before it began, quarantined, out of attempts.
SELECT i.import_id, t.status, i.cancel_requested_at IS NOT NULL AS cancelled,
       (SELECT failure_reason FROM dead_letter_queue d WHERE d.task_id = i.import_id
        ORDER BY d.lease_epoch DESC LIMIT 1) AS reason
FROM contact_imports i LEFT JOIN tasks t ON t.task_id = i.import_id
WHERE i.completed_at IS NULL AND (t.task_id IS NULL OR t.completed_at IS NOT NULL)
ORDER BY i.import_id LIMIT 100;

-- name: orphaned_tables
-- Staging tables that no open import needs: an attempt that was given up has made its own too late.
SELECT c.relname FROM pg_class c
WHERE c.relname LIKE 'contact\_import\_%' AND c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT FROM contact_imports i
                  WHERE i.completed_at IS NULL AND split_part(c.relname, '_', 3) = replace(i.import_id::text, '-', ''));

-- name: expire_rejections
-- Rejected rows hold people's addresses: they go after a while, the import's sums stay.
DELETE FROM import_rejections WHERE (import_id, row_number) IN (
  SELECT r.import_id, r.row_number FROM contact_imports i JOIN import_rejections r USING (import_id)
  WHERE i.completed_at < now() - $1 * interval '1 day' LIMIT $2
);
