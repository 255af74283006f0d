-- A message that is not sent by then is not sent at all: a code that nobody needs any more.
ALTER TABLE messages ADD COLUMN expires_at timestamptz;
