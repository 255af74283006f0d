-- Who gets it: contacts, their fields, lists, consent, segments, imports, suppression; and campaigns with an audience.
-- See docs/adr/0023-audience.md. The specification's table name for contacts is `subscribers`.

-- What attributes of contacts mean. An attribute without a field here is free JSON, typed by how it was written.
CREATE TABLE contact_fields (
  name        varchar(64) PRIMARY KEY CHECK (name ~ '^[a-z][a-z0-9_]*$'),
  label       varchar(100) NOT NULL,
  type        varchar(20) NOT NULL CHECK (type IN ('text', 'number', 'boolean', 'date', 'datetime', 'choice')),
  choices     text[] NOT NULL DEFAULT '{}',
  created_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT contact_fields_choices CHECK ((type = 'choice') = (cardinality(choices) > 0))
);

CREATE TABLE subscribers (
  contact_id  uuid PRIMARY KEY,
  email       varchar(255),                 -- as it is sent to: domain in lower case
  phone       varchar(16) CHECK (phone ~ '^\+[1-9][0-9]{6,14}$'),  -- E.164
  status      varchar(20) NOT NULL DEFAULT 'ACTIVE'
              CHECK (status IN ('ACTIVE', 'PENDING', 'UNSUBSCRIBED', 'BOUNCED', 'COMPLAINED', 'DISABLED')),
  locale      varchar(35),                  -- BCP 47: de, de-AT
  time_zone   varchar(64),                  -- IANA
  attributes  jsonb NOT NULL DEFAULT '{}',  -- {"first_name": "Ada", …}: names as templates use them
  tags        text[] NOT NULL DEFAULT '{}',
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT subscribers_reachable CHECK (email IS NOT NULL OR phone IS NOT NULL)
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);
-- With these operators an index finds how an address or a name begins, too, whatever the database's collation.
CREATE UNIQUE INDEX subscribers_email ON subscribers (lower(email) text_pattern_ops);
CREATE UNIQUE INDEX subscribers_phone ON subscribers (phone text_pattern_ops) WHERE phone IS NOT NULL;
CREATE INDEX subscribers_first_name ON subscribers (lower(attributes->>'first_name') text_pattern_ops);
CREATE INDEX subscribers_last_name ON subscribers (lower(attributes->>'last_name') text_pattern_ops);
CREATE INDEX subscribers_tags ON subscribers USING gin (tags);
CREATE INDEX subscribers_unconfirmed ON subscribers (created_at) WHERE status = 'PENDING';

CREATE TABLE mailing_lists (
  list_id      uuid PRIMARY KEY,
  name         varchar(200) NOT NULL,
  description  text,
  opt_in       varchar(10) NOT NULL DEFAULT 'single' CHECK (opt_in IN ('single', 'double')),
  visibility   varchar(10) NOT NULL DEFAULT 'private' CHECK (visibility IN ('private', 'public')),
  confirm_from    varchar(254),             -- of a double opt-in: who asks for the confirmation
  confirm_wording text,                     -- and with which words
  created_at   timestamptz NOT NULL DEFAULT now(),
  created_by   uuid,
  archived_at  timestamptz
);
CREATE UNIQUE INDEX mailing_lists_name ON mailing_lists (lower(name)) WHERE archived_at IS NULL;

-- Who is on which list. PENDING waits for the confirmation of a double opt-in and is not written to.
CREATE TABLE subscriptions (
  list_id          uuid NOT NULL REFERENCES mailing_lists ON DELETE CASCADE,
  contact_id       uuid NOT NULL REFERENCES subscribers ON DELETE CASCADE,
  status           varchar(20) NOT NULL CHECK (status IN ('PENDING', 'CONFIRMED', 'UNSUBSCRIBED')),
  subscribed_at    timestamptz NOT NULL DEFAULT now(),
  confirmed_at     timestamptz,
  unsubscribed_at  timestamptz,
  PRIMARY KEY (list_id, contact_id) INCLUDE (status),  -- who is confirmed is read from the index alone
  CONSTRAINT subscriptions_confirmed CHECK (status <> 'CONFIRMED' OR confirmed_at IS NOT NULL),
  CONSTRAINT subscriptions_unsubscribed CHECK ((status = 'UNSUBSCRIBED') = (unsubscribed_at IS NOT NULL))
);
CREATE INDEX subscriptions_contact ON subscriptions (contact_id, list_id);

-- Who agreed to what, when, from where, to which wording; append-only.
CREATE TABLE consents (
  consent_id  uuid PRIMARY KEY,
  contact_id  uuid NOT NULL REFERENCES subscribers ON DELETE CASCADE,
  list_id     uuid,                         -- null: everything on this channel; it stays when the list is deleted
  channel     varchar(10) NOT NULL CHECK (channel IN ('email', 'sms')),
  action      varchar(20) NOT NULL CHECK (action IN ('requested', 'granted', 'confirmed', 'withdrawn')),
  source      varchar(50) NOT NULL,         -- api, import, form, page, one-click, …
  wording     text,
  address     inet,
  user_agent  text,
  actor       varchar(300),                 -- a user, when it was not the person
  created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX consents_contact ON consents (contact_id, consent_id);

CREATE TABLE segments (
  segment_id   uuid PRIMARY KEY,
  name         varchar(200) NOT NULL,
  description  text,
  definition   jsonb NOT NULL,              -- a condition tree: taskflow.audience.segments.conditions
  last_count   bigint,
  counted_at   timestamptz,
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  created_by   uuid
);
CREATE UNIQUE INDEX segments_name ON segments (lower(name));

-- An upload and what it has become. The file waits in `import_chunks`, so that any worker can read it.
CREATE TABLE contact_imports (
  import_id     uuid PRIMARY KEY,           -- also the id of its task
  status        varchar(20) NOT NULL DEFAULT 'PENDING'
                CHECK (status IN ('PENDING', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED')),
  mode          varchar(10) NOT NULL CHECK (mode IN ('create', 'update', 'upsert')),
  dry_run       boolean NOT NULL DEFAULT false,
  filename      varchar(255),
  size          bigint NOT NULL,            -- bytes
  encoding      varchar(40),
  delimiter     varchar(4),
  mapping       jsonb NOT NULL,             -- [{"title", "name", "target"}, …]: the file's columns and what they become
  options       jsonb NOT NULL DEFAULT '{}',  -- lists, tags, consent, default region of phone numbers
  lease_epoch   bigint NOT NULL DEFAULT 0,  -- of the attempt that may write; see taskflow.audience.imports.jobs.run
  staging       varchar(63),                -- the table of rows that were read and wait to be merged
  staged        integer,                    -- how many they are: an unlogged table may come back empty
  merged        integer NOT NULL DEFAULT 0, -- how many of them are dealt with
  merged_keys   text[] NOT NULL DEFAULT '{"",""}',  -- and up to which key, in each lane
  rows          integer NOT NULL DEFAULT 0,
  created       integer NOT NULL DEFAULT 0,
  updated       integer NOT NULL DEFAULT 0,
  skipped       integer NOT NULL DEFAULT 0, -- there already (create), or not there (update), or unchanged
  rejected      integer NOT NULL DEFAULT 0,
  pending       integer NOT NULL DEFAULT 0, -- who came to a list with a double opt-in and waits for a confirmation
  total_rows    integer,                    -- an estimate until it has ended
  error_code    varchar(50),
  error_message text,
  cancel_requested_at timestamptz,
  created_by    uuid,
  created_at    timestamptz NOT NULL DEFAULT now(),
  started_at    timestamptz,
  completed_at  timestamptz,
  CONSTRAINT contact_imports_ended CHECK ((completed_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED', 'CANCELLED')))
) WITH (fillfactor = 50);
CREATE INDEX contact_imports_open ON contact_imports (import_id) WHERE completed_at IS NULL;

CREATE TABLE import_chunks (
  import_id  uuid NOT NULL REFERENCES contact_imports ON DELETE CASCADE,
  position   integer NOT NULL,
  data       bytea NOT NULL,
  PRIMARY KEY (import_id, position)
);
ALTER TABLE import_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

-- Rejected rows of contacts' imports stand beside those of campaigns' imports: one reader, one export.
ALTER TABLE import_rejections DROP CONSTRAINT import_rejections_import_id_fkey;

-- Suppression: an address, or a whole domain ('@example.com'), or ('hmac:…') a person who was erased and whose address
-- we may not keep; everywhere, or on one list.
ALTER TABLE suppressions DROP CONSTRAINT suppressions_pkey;
ALTER TABLE suppressions DROP CONSTRAINT suppressions_reason_check;
ALTER TABLE suppressions
  ADD COLUMN suppression_id uuid NOT NULL DEFAULT taskflow_uuid7(),
  ADD COLUMN list_id uuid REFERENCES mailing_lists ON DELETE CASCADE,
  ADD COLUMN created_by uuid,
  ADD COLUMN note text,
  ADD CONSTRAINT suppressions_pkey PRIMARY KEY (suppression_id),
  ADD CONSTRAINT suppressions_reason_check
    CHECK (reason IN ('unsubscribed', 'bounced', 'complained', 'manual', 'imported', 'erased'));
CREATE UNIQUE INDEX suppressions_address ON suppressions (channel, address, list_id) NULLS NOT DISTINCT;
CREATE INDEX suppressions_list ON suppressions (list_id) WHERE list_id IS NOT NULL;

-- What suppresses an address: itself, its domain, and what an erasure has left of it. Planners see through it.
CREATE FUNCTION suppression_keys(address text, erased text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN ARRAY[lower(address), substring(lower(address) FROM '@[^@]*$'), erased];

-- What templates know of a contact: attributes, and what every contact has. The address is added to every message.
CREATE FUNCTION contact_values(attributes jsonb, phone text, locale text, time_zone text) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
  RETURN attributes || jsonb_strip_nulls(jsonb_build_object('phone', phone, 'locale', locale, 'time_zone', time_zone));

-- What recipients did. `is_machine`: a scanner or a prefetching proxy did, not the person.
CREATE TABLE campaign_events (
  event_id      uuid NOT NULL,
  event_type    varchar(20) NOT NULL CHECK (event_type IN
    ('delivered', 'opened', 'clicked', 'bounced', 'complained', 'unsubscribed')),
  contact_id    uuid,
  campaign_id   uuid,
  recipient_id  uuid,
  is_machine    boolean NOT NULL DEFAULT false,
  detail        jsonb,
  occurred_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (event_id)
) PARTITION BY RANGE (event_id);
CREATE TABLE campaign_events_default PARTITION OF campaign_events DEFAULT;
CREATE INDEX campaign_events_contact ON campaign_events (contact_id, event_type, occurred_at);
CREATE INDEX campaign_events_campaign ON campaign_events (campaign_id, event_type, contact_id)
  INCLUDE (occurred_at, is_machine);
-- How often somebody did something lately: read from the index alone.
CREATE INDEX campaign_events_lately ON campaign_events (event_type, occurred_at, contact_id) WHERE NOT is_machine;

-- When each contact last did what, kept by the trigger below: what segments ask most, without a walk over all events.
-- It outlives events that were pruned. `is_machine` events are not in it. What was received comes from the ledger, when a
-- campaign is put to rest.
CREATE TABLE contact_activity (
  contact_id            uuid PRIMARY KEY,
  last_received_at      timestamptz,
  last_opened_at        timestamptz,
  last_clicked_at       timestamptz,
  last_bounced_at       timestamptz,
  last_complained_at    timestamptz,
  last_unsubscribed_at  timestamptz
) WITH (fillfactor = 70);

-- The ten newest opens and clicks of each contact, newest first: at least three in 90 days, if the third is that young.
CREATE TABLE contact_latest (
  contact_id  uuid PRIMARY KEY,
  opened      timestamptz[],
  clicked     timestamptz[]
) WITH (fillfactor = 70);
CREATE FUNCTION newest_ten(timestamptz[], timestamptz[]) RETURNS timestamptz[] LANGUAGE sql IMMUTABLE AS $$
  SELECT array_agg(at ORDER BY at DESC) FROM (SELECT at FROM unnest($1 || $2) AS at ORDER BY at DESC LIMIT 10) AS newest
$$;

CREATE FUNCTION summarise_campaign_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO contact_activity AS a (contact_id, last_opened_at, last_clicked_at, last_bounced_at, last_complained_at,
                                     last_unsubscribed_at)
  SELECT contact_id,
         max(occurred_at) FILTER (WHERE event_type = 'opened'), max(occurred_at) FILTER (WHERE event_type = 'clicked'),
         max(occurred_at) FILTER (WHERE event_type = 'bounced'), max(occurred_at) FILTER (WHERE event_type = 'complained'),
         max(occurred_at) FILTER (WHERE event_type = 'unsubscribed')
  FROM added JOIN subscribers USING (contact_id)  -- nobody who was deleted
  WHERE NOT is_machine AND event_type <> 'delivered'
  GROUP BY contact_id ORDER BY contact_id
  ON CONFLICT (contact_id) DO UPDATE
  SET last_opened_at = greatest(a.last_opened_at, excluded.last_opened_at),
      last_clicked_at = greatest(a.last_clicked_at, excluded.last_clicked_at),
      last_bounced_at = greatest(a.last_bounced_at, excluded.last_bounced_at),
      last_complained_at = greatest(a.last_complained_at, excluded.last_complained_at),
      last_unsubscribed_at = greatest(a.last_unsubscribed_at, excluded.last_unsubscribed_at);
  INSERT INTO contact_latest AS l (contact_id, opened, clicked)
  SELECT contact_id,
         (array_agg(occurred_at ORDER BY occurred_at DESC) FILTER (WHERE event_type = 'opened'))[1:10],
         (array_agg(occurred_at ORDER BY occurred_at DESC) FILTER (WHERE event_type = 'clicked'))[1:10]
  FROM added JOIN subscribers USING (contact_id)
  WHERE NOT is_machine AND event_type IN ('opened', 'clicked')
  GROUP BY contact_id ORDER BY contact_id
  ON CONFLICT (contact_id) DO UPDATE
  SET opened = newest_ten(l.opened, excluded.opened), clicked = newest_ten(l.clicked, excluded.clicked);
  RETURN NULL;
END
$$;
CREATE TRIGGER campaign_events_summarised AFTER INSERT ON campaign_events REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION summarise_campaign_events();

-- Who goes, by whatever way, takes the summary along.
CREATE FUNCTION forget_contact_activity() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM contact_activity WHERE contact_id IN (SELECT contact_id FROM gone);
  DELETE FROM contact_latest WHERE contact_id IN (SELECT contact_id FROM gone);
  RETURN NULL;
END
$$;
CREATE TRIGGER subscribers_forgotten AFTER DELETE ON subscribers REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION forget_contact_activity();

-- Campaigns that write to contacts: which, and with which template. The audience is frozen at the start.
ALTER TABLE campaigns
  ADD COLUMN audience jsonb,                -- {lists, segments, exclude_lists, exclude_segments}; null: imported recipients
  ADD COLUMN needs jsonb,                   -- variables its template asks of everybody: taskflow.campaigns.needs
  ADD COLUMN frozen_at timestamptz;
ALTER TABLE email_recipients
  ADD COLUMN contact_id uuid,
  ADD COLUMN list_id uuid;                  -- the list that brought them: what a list's own suppression is asked for
CREATE INDEX email_recipients_contact ON email_recipients (contact_id, campaign_id) WHERE contact_id IS NOT NULL;
