-- name: insert_template
INSERT INTO sms_templates
  (sms_template_id, name, template_id, entity_id, header, category, body, provider_template_id, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *;

-- name: get_template
SELECT * FROM sms_templates WHERE sms_template_id = $1;

-- name: template_called
SELECT * FROM sms_templates WHERE name = $1;

-- name: list_templates
-- A page by name, behind $2: those with $1 in the name or the text.
SELECT * FROM sms_templates
WHERE ($1::text IS NULL OR strpos(name, lower($1)) > 0 OR strpos(lower(body), lower($1)) > 0)
  AND ($2::text IS NULL OR name > $2)
ORDER BY name LIMIT $3;

-- name: delete_template
DELETE FROM sms_templates WHERE sms_template_id = $1 RETURNING name;
