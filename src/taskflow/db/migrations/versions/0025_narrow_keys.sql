-- Keys of applications: what they may send as, and which messages are theirs.
ALTER TABLE api_keys ADD COLUMN from_domains text[] NOT NULL DEFAULT '{}';  -- empty: any

-- Of messages that came with such a key; it sees no others.
ALTER TABLE messages ADD COLUMN key_id uuid;
CREATE INDEX messages_key ON messages (key_id, message_id) WHERE key_id IS NOT NULL;

-- Why somebody gets no message, as the ledgers say it.
CREATE FUNCTION suppressed_because(reason text, address text, source text, since timestamptz)
RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT concat('Suppressed: ', $1,
                CASE WHEN $2 LIKE '@%' THEN ', the whole domain' END,
                ', ' || left($3, 200),
                to_char($4 AT TIME ZONE 'UTC', '", since" YYYY-MM-DD'), '.')
$$;
