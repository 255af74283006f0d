-- Keys of applications: what they may send as, and which messages are theirs.
ALTER TABLE api_keys ADD COLUMN from_domains text[] NOT NULL DEFAULT '{}';  -- empty: any

-- Of messages that came with such a key; it sees no others.
ALTER TABLE messages ADD COLUMN key_id uuid;
CREATE INDEX messages_key ON messages (key_id, message_id) WHERE key_id IS NOT NULL;
