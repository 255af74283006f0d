-- Mail and SMS without a campaign: docs/adr/0029-messages.md.

-- What the messages of one call have in common: who writes, the words or the template, what goes along. Deleted when no
-- message of it can be sent any more; the messages stay.
CREATE TABLE message_submissions (
  submission_id     uuid PRIMARY KEY,
  created_at        timestamptz NOT NULL DEFAULT now(),
  created_by        uuid,
  template_id       uuid,
  template_version  integer,
  source            varchar(10) NOT NULL CHECK (source IN ('api', 'smtp')),
  archive           varchar(10) NOT NULL CHECK (archive IN ('none', 'metadata', 'full')),  -- what is kept of the words
  letter            jsonb NOT NULL,
  raw               bytea,                       -- a finished mail, as an SMTP client handed it over
  CONSTRAINT message_submissions_raw CHECK ((raw IS NOT NULL) = (source = 'smtp'))
);
CREATE INDEX message_submissions_unkept ON message_submissions (submission_id) WHERE archive <> 'full';

-- The ledger of messages, with the delivery columns of `email_recipients`; the row is its task's payload
-- (task_id = message_id). Nothing that is written while a message is sent is indexed, but `attention`.
CREATE TABLE messages (
  message_id           uuid NOT NULL,
  submission_id        uuid NOT NULL,
  task_id              uuid GENERATED ALWAYS AS (message_id) STORED,
  created_at           timestamptz NOT NULL DEFAULT now(),
  scheduled_at         timestamptz,
  sending_at           timestamptz,
  sent_at              timestamptz,
  template_id          uuid,
  template_version     integer,
  lease_epoch          integer NOT NULL DEFAULT 0,  -- of the attempt that set SENDING
  attempt              integer NOT NULL DEFAULT 0,
  size_bytes           integer,                     -- of the finished message
  cost                 numeric(12, 6),              -- as its provider bills it; null: nobody said
  channel              varchar(10) NOT NULL CHECK (channel IN ('email', 'sms')),
  status               varchar(50) NOT NULL DEFAULT 'PENDING' CHECK (status IN
    ('PENDING', 'SENDING', 'SENT', 'FAILED', 'DEFERRED', 'UNCERTAIN', 'SUPPRESSED', 'CANCELLED', 'BOUNCED', 'UNSUBSCRIBED')),
  attention            varchar(50) CHECK (attention IS NULL OR attention = status),
  uncertain_policy     varchar(20) NOT NULL DEFAULT 'resend' CHECK (uncertain_policy IN ('hold', 'resend')),
  address              varchar(255) NOT NULL,
  name                 varchar(255),
  locale               varchar(35),
  from_address         varchar(255) NOT NULL,
  subject              text,                        -- as sent; null before, and where the archive keeps none
  tags                 text[],
  personalization      jsonb NOT NULL DEFAULT '{}',
  provider             varchar(50),
  provider_message_id  text,
  reply                text,                        -- what the provider answered, whole
  error_message        text,
  bounce_reason        text,
  PRIMARY KEY (message_id),
  CONSTRAINT messages_sent CHECK (status <> 'SENT' OR sent_at IS NOT NULL),
  CONSTRAINT messages_sending CHECK (status NOT IN ('SENDING', 'SENT', 'UNCERTAIN') OR sending_at IS NOT NULL)
) PARTITION BY RANGE (message_id);
CREATE TABLE messages_default PARTITION OF messages DEFAULT
  WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX messages_submission ON messages (submission_id);
CREATE INDEX messages_address ON messages (lower(address), message_id);
CREATE INDEX messages_attention ON messages (attention, message_id) WHERE attention IS NOT NULL;
CREATE INDEX messages_tags ON messages USING gin (tags) WHERE tags IS NOT NULL;

-- What was sent, as it went to the provider. PostgreSQL compresses it, so that it can still be searched for a person.
CREATE TABLE message_contents (
  message_id  uuid PRIMARY KEY,
  content     bytea NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);
DO $$ BEGIN
  IF 'lz4' = ANY ((SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression')::text[]) THEN
    ALTER TABLE message_contents ALTER COLUMN content SET COMPRESSION lz4;
    ALTER TABLE message_submissions ALTER COLUMN raw SET COMPRESSION lz4;
  END IF;
END $$;

-- Everything that was sent to anybody, by campaigns and without.
CREATE VIEW message_log AS
SELECT message_id, NULL::uuid AS campaign_id, submission_id, task_id, channel, address, from_address, subject, tags,
       template_id, template_version, status, attempt, provider, provider_message_id, reply, error_message,
       bounce_reason, size_bytes, cost, created_at, scheduled_at, sending_at, sent_at, uncertain_policy
FROM messages
UNION ALL
SELECT r.recipient_id, r.campaign_id, NULL, r.task_id, 'email', r.email, c.from_email, NULL, NULL,
       c.template_id, c.template_version, r.status, r.attempt, r.provider, NULL, r.reply, r.error_message,
       r.bounce_reason, NULL, NULL, c.created_at, c.scheduled_at, r.sending_at, r.sent_at, c.uncertain_policy
FROM email_recipients r JOIN campaigns c USING (campaign_id);
