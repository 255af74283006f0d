-- name: insert_template
INSERT INTO templates (template_id, name, description, channel, default_locale, version, created_by)
VALUES ($1, $2, $3, $4, $5, 1, $6);

-- name: get_template
SELECT template_id, name, description, channel, default_locale, version, created_at, updated_at, created_by, archived_at
FROM templates WHERE template_id = $1;

-- name: list_templates
-- A page, newest first: those with $1 in their name, of channel $2 (or any), archived or not.
SELECT template_id, name, description, channel, default_locale, version, created_at, updated_at, created_by, archived_at
FROM templates
WHERE ($1::text IS NULL OR strpos(lower(name), lower($1)) > 0) AND ($2::text IS NULL OR channel = $2)
  AND (archived_at IS NOT NULL) = $3 AND ($4::uuid IS NULL OR template_id < $4)
ORDER BY template_id DESC LIMIT $5;

-- name: update_template
UPDATE templates SET name = coalesce($2, name), description = CASE WHEN $3 THEN $4 ELSE description END,
                     updated_at = now()
WHERE template_id = $1 AND archived_at IS NULL RETURNING template_id;

-- name: archive_template
UPDATE templates SET archived_at = now() WHERE template_id = $1 AND archived_at IS NULL RETURNING name;

-- name: next_version
-- Whoever saves at the same moment waits here, and then sees that the newest version is another one.
UPDATE templates SET version = version + 1, updated_at = now()
WHERE template_id = $1 AND archived_at IS NULL AND ($2::int IS NULL OR version = $2)
RETURNING version;

-- name: insert_version
INSERT INTO template_versions (template_id, version, note, variables, attachments, snippets, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7);

-- name: insert_variant
INSERT INTO template_variants (template_id, version, locale, format, subject, preheader, body, text)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: get_version
SELECT template_id, version, note, variables, attachments, snippets, created_at, created_by
FROM template_versions WHERE template_id = $1 AND version = $2;

-- name: get_variants
SELECT locale, format, body, subject, preheader, text
FROM template_variants WHERE template_id = $1 AND version = $2 ORDER BY locale;

-- name: list_versions
-- A page, newest first, without the sources.
SELECT v.version, v.note, v.created_at, v.created_by,
       ARRAY(SELECT t.locale FROM template_variants t
             WHERE t.template_id = v.template_id AND t.version = v.version ORDER BY t.locale) AS locales
FROM template_versions v
WHERE v.template_id = $1 AND ($2::int IS NULL OR v.version < $2)
ORDER BY v.version DESC LIMIT $3;

-- name: media_of_newest
-- Which newest versions attach this file.
SELECT t.template_id, t.name FROM templates t JOIN template_versions v USING (template_id, version)
WHERE v.attachments @> jsonb_build_array(jsonb_build_object('media_id', $1::text)) LIMIT 10;
