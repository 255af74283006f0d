-- The foundation: engine, campaigns, identity, the sandbox inbox.
--
-- Read `docs/adr/0008-table-layout.md` beside this file. In short: tables that take thousands of writes a second have no
-- foreign keys among them, no index on a status, a fillfactor that leaves room for HOT updates, and nullable companion
-- columns (due_at, failed_at, attention) whose partial indexes find the rare rows. CHECKs mirror the state machines.

-- ───────────────────────────────────────────── identity ─────────────────────────────────────────────

CREATE TABLE users (
  user_id        uuid PRIMARY KEY,
  email          varchar(254) NOT NULL,
  password_hash  text NOT NULL,
  role           varchar(20) NOT NULL CHECK (role IN ('admin', 'operator', 'marketer', 'viewer')),
  is_active      boolean NOT NULL DEFAULT true,
  token_version  integer NOT NULL DEFAULT 0,   -- raised by sign-out-everywhere, a new password or another role
  created_at     timestamptz NOT NULL DEFAULT now(),
  last_login_at  timestamptz
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

CREATE TABLE api_keys (
  key_id                 uuid PRIMARY KEY,
  user_id                uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  name                   varchar(100) NOT NULL,
  prefix                 varchar(16) NOT NULL UNIQUE,  -- shown in lists and used to find the row
  secret_hash            bytea NOT NULL,               -- SHA-256 of a 256-bit secret
  role                   varchar(20) NOT NULL CHECK (role IN ('admin', 'operator', 'marketer', 'viewer')),
  scopes                 text[] NOT NULL DEFAULT '{}', -- further rights, such as 'metrics'
  rate_limit_per_minute  integer CHECK (rate_limit_per_minute > 0),
  created_at             timestamptz NOT NULL DEFAULT now(),
  last_used_at           timestamptz,
  expires_at             timestamptz,
  revoked_at             timestamptz
);
CREATE INDEX api_keys_user ON api_keys (user_id);

CREATE TABLE refresh_tokens (
  token_id    uuid PRIMARY KEY,
  family_id   uuid NOT NULL,     -- every token that descends from one sign-in
  user_id     uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  issued_at   timestamptz NOT NULL DEFAULT now(),
  expires_at  timestamptz NOT NULL,
  used_at     timestamptz,       -- a second use is theft: the family is revoked
  revoked_at  timestamptz
);
CREATE INDEX refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX refresh_tokens_user ON refresh_tokens (user_id);

-- Attempts to sign in that failed, per account and address, per account, and per address.
CREATE TABLE sign_in_failures (
  subject     text PRIMARY KEY,
  failures    integer NOT NULL,
  expires_at  timestamptz NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE audit_log (
  audit_id     uuid PRIMARY KEY,
  actor_id     uuid,                     -- a user; null for the system itself
  actor        varchar(300) NOT NULL,    -- how the actor was called then
  action       varchar(100) NOT NULL,    -- 'campaign.start'
  target_type  varchar(50),
  target_id    text,
  request_id   text,
  address      inet,
  detail       jsonb,
  created_at   timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE idempotency_keys (
  scope            text NOT NULL,        -- whose key, for which operation
  key              varchar(255) NOT NULL,
  request_hash     bytea NOT NULL,       -- the same key with another request is an error
  reserved_id      uuid NOT NULL,        -- the id of what the request makes: a repetition after a crash makes the same
  locked_until     timestamptz NOT NULL, -- renewed while the first request runs; past it, its process has died
  response_status  smallint,             -- null while the first request is under way
  response_body    bytea,
  created_at       timestamptz NOT NULL DEFAULT now(),
  expires_at       timestamptz NOT NULL,
  PRIMARY KEY (scope, key)
) WITH (fillfactor = 90);
CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at);

-- ────────────────────────────────────────────── engine ──────────────────────────────────────────────

CREATE TABLE tasks (
  task_id              uuid PRIMARY KEY,
  parent_task_id       uuid,
  campaign_id          uuid,
  worker_id            uuid,             -- the node that holds the lease
  claim_id             uuid,             -- the claim that took it: see task_claims
  created_by           uuid,
  created_at           timestamptz NOT NULL DEFAULT now(),
  scheduled_at         timestamptz,      -- when the caller wanted it
  due_at               timestamptz,      -- when a SCHEDULED task (also a retry) becomes PENDING
  started_at           timestamptz,      -- of the present attempt
  completed_at         timestamptz,      -- of the end, whichever it is
  failed_at            timestamptz,      -- set for FAILED and TIMEOUT only: finds the newest failures
  cancel_requested_at  timestamptz,      -- somebody wants a RUNNING task cancelled
  lease_epoch          integer NOT NULL DEFAULT 0,  -- the fence: raised by every claim, named by every later write
  priority             integer NOT NULL DEFAULT 5 CHECK (priority BETWEEN 1 AND 10),
  retry_count          integer NOT NULL DEFAULT 0,
  max_retries          integer NOT NULL DEFAULT 5 CHECK (max_retries >= 0),
  timeout_seconds      integer NOT NULL DEFAULT 300 CHECK (timeout_seconds > 0),
  crash_count          integer NOT NULL DEFAULT 0,  -- attempts that took their process with them
  status               varchar(50) NOT NULL DEFAULT 'PENDING' CHECK (status IN
    ('PENDING', 'SCHEDULED', 'BLOCKED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT')),
  task_name            varchar(255) NOT NULL,
  queue                varchar(100) NOT NULL DEFAULT 'default',
  dispatch_key         varchar(200) NOT NULL DEFAULT 'default', -- the queue, or a part of it that is limited by itself
  task_args            jsonb,
  task_kwargs          jsonb,
  CONSTRAINT tasks_ended CHECK
    ((completed_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED', 'CANCELLED', 'TIMEOUT'))),
  CONSTRAINT tasks_due CHECK ((due_at IS NOT NULL) = (status = 'SCHEDULED')),
  CONSTRAINT tasks_failed CHECK ((failed_at IS NOT NULL) = (status IN ('FAILED', 'TIMEOUT'))),
  CONSTRAINT tasks_leased CHECK (status <> 'RUNNING' OR (claim_id IS NOT NULL AND worker_id IS NOT NULL))
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX tasks_live ON tasks (dispatch_key, priority DESC, task_id) WHERE completed_at IS NULL;
CREATE INDEX tasks_due_at ON tasks (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX tasks_failed_at ON tasks (failed_at DESC) WHERE failed_at IS NOT NULL;
CREATE INDEX tasks_parent ON tasks (parent_task_id) WHERE parent_task_id IS NOT NULL;
CREATE INDEX tasks_created_at ON tasks (created_at DESC);

-- Which claim took which tasks. A claim whose reply was lost is repeated under its id, and a dead node's claims are
-- found here, so that `tasks` needs no index on worker_id.
CREATE TABLE task_claims (
  claim_id    uuid PRIMARY KEY,
  worker_id   uuid NOT NULL,
  process_id  uuid NOT NULL,             -- the incarnation of the child process
  task_ids    uuid[] NOT NULL,
  claimed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX task_claims_worker ON task_claims (worker_id);

CREATE TABLE task_executions (
  execution_id      uuid NOT NULL DEFAULT gen_random_uuid(),
  task_id           uuid NOT NULL,
  worker_id         uuid,
  lease_epoch       integer NOT NULL,
  attempt_number    integer NOT NULL,
  started_at        timestamptz NOT NULL DEFAULT now(),
  completed_at      timestamptz,
  duration_seconds  numeric(10, 3),
  status            varchar(50) NOT NULL CHECK (status IN ('COMPLETED', 'FAILED', 'TIMEOUT', 'CANCELLED', 'CRASHED', 'RELEASED')),
  error_message     text,
  PRIMARY KEY (task_id, lease_epoch)
) PARTITION BY RANGE (task_id);
CREATE TABLE task_executions_default PARTITION OF task_executions DEFAULT;

CREATE TABLE task_results (
  result_id      uuid NOT NULL DEFAULT gen_random_uuid(),
  task_id        uuid PRIMARY KEY,
  result_data    jsonb,
  error_message  text,
  stack_trace    text,
  created_at     timestamptz NOT NULL DEFAULT now(),
  expires_at     timestamptz
) PARTITION BY RANGE (task_id);
CREATE TABLE task_results_default PARTITION OF task_results DEFAULT;

CREATE TABLE task_logs (
  log_id      uuid NOT NULL,
  task_id     uuid NOT NULL,
  level       varchar(20) NOT NULL CHECK (level IN ('DEBUG', 'INFO', 'WARNING', 'ERROR')),
  message     text NOT NULL,
  metadata    jsonb,
  created_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (task_id, log_id)
) PARTITION BY RANGE (task_id);
CREATE TABLE task_logs_default PARTITION OF task_logs DEFAULT;

-- Idempotent enqueueing: unpartitioned, because uniqueness does not survive partitions by time.
CREATE TABLE task_keys (
  scope       text NOT NULL,
  key         varchar(255) NOT NULL,
  task_id     uuid NOT NULL,
  expires_at  timestamptz NOT NULL,
  PRIMARY KEY (scope, key)
) WITH (fillfactor = 90);
CREATE INDEX task_keys_expiry ON task_keys (expires_at);

CREATE TABLE dead_letter_queue (
  dlq_id          uuid PRIMARY KEY,
  task_id         uuid NOT NULL,
  lease_epoch     integer NOT NULL,
  task_name       varchar(255) NOT NULL,
  task_data       jsonb NOT NULL,
  failure_reason  text NOT NULL,
  stack_trace     text,
  total_attempts  integer NOT NULL,
  moved_at        timestamptz NOT NULL DEFAULT now(),
  requeued_at     timestamptz,
  UNIQUE (task_id, lease_epoch)
);
CREATE INDEX dead_letter_queue_moved_at ON dead_letter_queue (moved_at);

CREATE TABLE workers (
  worker_id       uuid PRIMARY KEY,
  hostname        varchar(255) NOT NULL,
  status          varchar(50) NOT NULL DEFAULT 'ACTIVE'
                  CHECK (status IN ('ACTIVE', 'IDLE', 'BUSY', 'PAUSED', 'DRAINING', 'DEAD')),
  wanted          varchar(20) NOT NULL DEFAULT 'RUN' CHECK (wanted IN ('RUN', 'PAUSE', 'DRAIN')),
  capacity        integer NOT NULL DEFAULT 5,
  current_load    integer NOT NULL DEFAULT 0,
  queues          text[] NOT NULL DEFAULT '{}',  -- empty: every queue
  last_heartbeat  timestamptz NOT NULL DEFAULT now(),
  registered_at   timestamptz NOT NULL DEFAULT now(),
  stopped_at      timestamptz,                   -- left in good order
  metadata        jsonb NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50);
CREATE INDEX idx_workers_heartbeat ON workers (last_heartbeat DESC);

-- Who leads: one row a role, won by compare-and-set on the database clock (taskflow.engine.coordinator.election).
CREATE TABLE coordinator_leases (
  name        varchar(200) PRIMARY KEY,
  holder      uuid,
  term        bigint NOT NULL DEFAULT 0,
  expires_at  timestamptz NOT NULL DEFAULT '-infinity',
  hostname    varchar(255)
);

-- ───────────────────────────────────────────── campaigns ────────────────────────────────────────────

CREATE TABLE campaigns (
  campaign_id            uuid PRIMARY KEY,
  name                   varchar(255) NOT NULL,
  status                 varchar(50) NOT NULL DEFAULT 'DRAFT' CHECK (status IN
    ('DRAFT', 'SCHEDULED', 'RUNNING', 'PAUSED', 'COMPLETED', 'FAILED', 'CANCELLED')),
  outcome                varchar(20) CHECK (outcome IN ('clean', 'partial')),
  template_subject       varchar(255) NOT NULL,
  template_body          text NOT NULL,            -- HTML
  template_text          text,                     -- made from the HTML when absent
  template_variables     jsonb NOT NULL DEFAULT '{}',  -- values for every recipient; a recipient's own win
  from_email             varchar(254) NOT NULL,
  from_name              varchar(255),
  reply_to               varchar(254),
  uncertain_policy       varchar(20) NOT NULL DEFAULT 'hold' CHECK (uncertain_policy IN ('hold', 'resend')),
  total_recipients       integer NOT NULL DEFAULT 0,
  sent_count             integer NOT NULL DEFAULT 0,
  failed_count           integer NOT NULL DEFAULT 0,
  rate_limit_per_minute  integer DEFAULT 100 CHECK (rate_limit_per_minute > 0),  -- null: unlimited
  tasks_made_through     uuid,                     -- tasks exist for recipients up to here, in recipient_id order
  tasks_made             integer NOT NULL DEFAULT 0,
  created_at             timestamptz NOT NULL DEFAULT now(),
  scheduled_at           timestamptz,
  started_at             timestamptz,
  completed_at           timestamptz,
  created_by             uuid,
  error_message          text,                     -- what holds it up, or why it failed
  active                 boolean NOT NULL DEFAULT false,  -- the campaigns duty has something to do, or may have
  CONSTRAINT campaigns_ended CHECK ((completed_at IS NOT NULL) = (status IN ('COMPLETED', 'FAILED', 'CANCELLED'))),
  CONSTRAINT campaigns_scheduled CHECK (status <> 'SCHEDULED' OR scheduled_at IS NOT NULL),
  CONSTRAINT campaigns_outcome CHECK ((outcome IS NOT NULL) = (status = 'COMPLETED'))
) WITH (fillfactor = 70);
CREATE INDEX campaigns_active ON campaigns (campaign_id) WHERE active;

-- Deltas of the ledger, spread over slots so that no campaign row is hot. A slot is a writer's; sums are the truth.
CREATE TABLE campaign_counters (
  campaign_id  uuid NOT NULL REFERENCES campaigns ON DELETE CASCADE,
  slot         smallint NOT NULL,
  sent         integer NOT NULL DEFAULT 0,
  failed       integer NOT NULL DEFAULT 0,
  deferred     integer NOT NULL DEFAULT 0,
  uncertain    integer NOT NULL DEFAULT 0,
  suppressed   integer NOT NULL DEFAULT 0,
  cancelled    integer NOT NULL DEFAULT 0,
  PRIMARY KEY (campaign_id, slot)
) WITH (fillfactor = 20);

-- The ledger: one row per (campaign, address), frozen before the start; the row is its send task's payload
-- (task_id = recipient_id). See docs/adr/0004-crash-contract.md for SENDING and UNCERTAIN.
CREATE TABLE email_recipients (
  recipient_id     uuid NOT NULL,
  campaign_id      uuid NOT NULL,
  task_id          uuid GENERATED ALWAYS AS (recipient_id) STORED,
  sending_at       timestamptz,
  sent_at          timestamptz,
  lease_epoch      integer NOT NULL DEFAULT 0,  -- of the attempt that set SENDING
  attempt          integer NOT NULL DEFAULT 0,
  row_number       integer,                     -- line of the imported file
  status           varchar(50) NOT NULL DEFAULT 'PENDING' CHECK (status IN
    ('PENDING', 'SENDING', 'SENT', 'FAILED', 'DEFERRED', 'UNCERTAIN', 'SUPPRESSED', 'CANCELLED', 'BOUNCED', 'UNSUBSCRIBED')),
  attention        varchar(50) CHECK (attention IS NULL OR attention = status),
  email            varchar(255) NOT NULL,
  provider         varchar(50),
  personalization  jsonb NOT NULL DEFAULT '{}',
  reply            text,                        -- what the provider answered, whole
  error_message    text,
  bounce_reason    text,
  PRIMARY KEY (campaign_id, recipient_id),
  CONSTRAINT email_recipients_sent CHECK (status <> 'SENT' OR sent_at IS NOT NULL),
  CONSTRAINT email_recipients_sending CHECK (status NOT IN ('SENDING', 'SENT', 'UNCERTAIN') OR sending_at IS NOT NULL)
) PARTITION BY RANGE (campaign_id);
CREATE TABLE email_recipients_default PARTITION OF email_recipients DEFAULT
  WITH (fillfactor = 60, autovacuum_vacuum_scale_factor = 0.05);
-- By address first: an index that begins with campaign_id would tempt the planner to walk a whole campaign by it.
CREATE UNIQUE INDEX email_recipients_address ON email_recipients (lower(email), campaign_id);
CREATE INDEX email_recipients_attention ON email_recipients (campaign_id, attention, recipient_id)
  WHERE attention IS NOT NULL;

CREATE TABLE campaign_imports (
  import_id    uuid PRIMARY KEY,
  campaign_id  uuid NOT NULL REFERENCES campaigns ON DELETE CASCADE,
  filename     varchar(255),
  encoding     varchar(40),
  delimiter    varchar(4),
  columns      jsonb NOT NULL DEFAULT '[]',   -- header cell → variable
  rows         integer NOT NULL DEFAULT 0,
  accepted     integer NOT NULL DEFAULT 0,
  rejected     integer NOT NULL DEFAULT 0,
  duplicates   integer NOT NULL DEFAULT 0,
  created_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX campaign_imports_campaign ON campaign_imports (campaign_id);

CREATE TABLE import_rejections (
  import_id   uuid NOT NULL REFERENCES campaign_imports ON DELETE CASCADE,
  row_number  integer NOT NULL,
  code        varchar(50) NOT NULL,
  reason      text NOT NULL,
  raw         text NOT NULL,
  PRIMARY KEY (import_id, row_number)
);

-- Who must not be written to, whatever the audience says; read when a message is sent.
CREATE TABLE suppressions (
  channel      varchar(10) NOT NULL CHECK (channel IN ('email', 'sms')),
  address      varchar(255) NOT NULL,      -- lower case
  reason       varchar(50) NOT NULL CHECK (reason IN ('unsubscribed', 'bounced', 'complained', 'manual')),
  source       text,
  campaign_id  uuid,
  created_at   timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (channel, address)
);

-- ─────────────────────────────────────────── sandbox inbox ──────────────────────────────────────────

CREATE TABLE inbox_messages (
  message_id         uuid PRIMARY KEY,
  received_at        timestamptz NOT NULL DEFAULT now(),
  mail_from          text NOT NULL,
  rcpt_to            text NOT NULL,
  subject            text,
  message_id_header  text,
  size               integer NOT NULL,
  raw                bytea NOT NULL
);
CREATE INDEX inbox_messages_rcpt ON inbox_messages (lower(rcpt_to));

CREATE TABLE inbox_rules (
  pattern  text PRIMARY KEY,               -- an address, or *@domain
  action   varchar(10) NOT NULL CHECK (action IN ('reject', 'defer', 'drop')),
  times    integer CHECK (times > 0),      -- how often; null: always
  hits     integer NOT NULL DEFAULT 0
);
