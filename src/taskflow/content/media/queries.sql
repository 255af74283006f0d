-- name: insert_media
INSERT INTO media (media_id, filename, content_type, size, sha256, width, height, storage, created_by)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) RETURNING *;

-- name: get_media
SELECT * FROM media WHERE media_id = $1;

-- name: media_by_ids
SELECT * FROM media WHERE media_id = ANY($1::uuid[]);

-- name: same_media
-- A file that is here already, byte for byte, under the same name.
SELECT * FROM media WHERE sha256 = $1 AND filename = $2 AND storage = $3 ORDER BY media_id LIMIT 1;

-- name: list_media
-- A page, newest first: those with $1 in their name, whose type begins with $2.
SELECT * FROM media
WHERE ($1::text IS NULL OR strpos(lower(filename), lower($1)) > 0)
  AND ($2::text IS NULL OR starts_with(content_type, $2)) AND ($3::uuid IS NULL OR media_id < $3)
ORDER BY media_id DESC LIMIT $4;

-- name: hold_media
-- In the transaction that saves a version with these files: who wants to delete one waits, and then finds the version.
SELECT media_id FROM media WHERE media_id = ANY($1::uuid[]) ORDER BY media_id FOR KEY SHARE;

-- name: user_of_media
-- A version of a template that carries a file.
SELECT t.name, v.version FROM template_versions v JOIN templates t USING (template_id)
WHERE v.attachments @> jsonb_build_array(jsonb_build_object('media_id', $1::text)) ORDER BY t.name, v.version LIMIT 1;

-- name: delete_media
DELETE FROM media WHERE media_id = $1 RETURNING filename;
