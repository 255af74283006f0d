-- Files that come with a call: kept beside its words, read when a message is made, gone with them. `letter` describes each.
ALTER TABLE message_submissions ADD COLUMN files bytea[];
DO $$ BEGIN
  IF 'lz4' = ANY ((SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression')::text[]) THEN
    ALTER TABLE message_submissions ALTER COLUMN files SET COMPRESSION lz4;
  END IF;
END $$;
