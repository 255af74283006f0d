ALTER TABLE messages DROP COLUMN key_id;
ALTER TABLE api_keys DROP COLUMN from_domains;
