DROP FUNCTION suppressed_because(text, text, text, timestamptz);
-- Without their scope they would be whole keys of their owners.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now()) WHERE 'messages:send' = ANY (scopes);
ALTER TABLE messages DROP COLUMN key_id;
ALTER TABLE api_keys DROP COLUMN from_domains;
