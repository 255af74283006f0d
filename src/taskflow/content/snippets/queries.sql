-- name: insert_snippet
INSERT INTO snippets (snippet_id, name, description, body, created_by) VALUES ($1, $2, $3, $4, $5) RETURNING *;

-- name: get_snippet
SELECT * FROM snippets WHERE snippet_id = $1;

-- name: list_snippets
-- A page by name: those with $1 in it.
SELECT * FROM snippets
WHERE ($1::text IS NULL OR strpos(name, lower($1)) > 0) AND ($2::text IS NULL OR name > $2)
ORDER BY name LIMIT $3;

-- name: by_names
SELECT name, body FROM snippets WHERE name = ANY($1::text[]);

-- name: update_snippet
UPDATE snippets
SET body = coalesce($2, body), description = CASE WHEN $3 THEN $4 ELSE description END, updated_at = now(),
    version = version + ($2::text IS NOT NULL AND $2 <> body)::int
WHERE snippet_id = $1 RETURNING *;

-- name: delete_snippet
DELETE FROM snippets WHERE snippet_id = $1 RETURNING name;

-- name: users_of
-- Templates whose newest version includes a snippet, and whether they have it as it is now.
SELECT t.template_id, t.name, t.version, v.snippets ->> s.name = s.body AS is_current
FROM snippets s
JOIN templates t ON t.archived_at IS NULL
JOIN template_versions v ON v.template_id = t.template_id AND v.version = t.version AND v.snippets ? s.name
WHERE s.snippet_id = $1 ORDER BY t.template_id DESC LIMIT 500;
