-- Sending domains and their DKIM keys; who sends how much to Gmail; what paused a campaign by itself.

CREATE TABLE sending_domains (
  domain              varchar(253) PRIMARY KEY CHECK (domain = lower(domain)),  -- ASCII, an IDN as A-labels
  return_path_domain  varchar(253) CHECK (return_path_domain = lower(return_path_domain)),  -- null: the sender's own address
  created_at          timestamptz NOT NULL DEFAULT now(),
  created_by          uuid,
  checked_at          timestamptz,
  report              jsonb,                   -- findings of the last check: taskflow.delivery.domains.findings
  CONSTRAINT sending_domains_checked CHECK ((checked_at IS NULL) = (report IS NULL))
);

CREATE TABLE dkim_keys (
  domain        varchar(253) NOT NULL REFERENCES sending_domains ON DELETE CASCADE,
  selector      varchar(63) NOT NULL,
  algorithm     varchar(20) NOT NULL CHECK (algorithm IN ('rsa-sha256', 'ed25519-sha256')),
  private_key   bytea,                         -- PKCS #8, sealed for this row (base/envelope.py); gone once retired
  sealing_key   varchar(32),                   -- id of the key that wraps the seal's own
  public_key    text NOT NULL,                 -- base64, as in the zone (p=)
  state         varchar(20) NOT NULL DEFAULT 'next' CHECK (state IN ('next', 'active', 'retired')),
  created_at    timestamptz NOT NULL DEFAULT now(),
  activated_at  timestamptz,
  retired_at    timestamptz,
  PRIMARY KEY (domain, selector),
  CONSTRAINT dkim_keys_private CHECK ((state = 'retired') = (private_key IS NULL)),
  CONSTRAINT dkim_keys_sealed CHECK ((private_key IS NULL) = (sealing_key IS NULL)),
  CONSTRAINT dkim_keys_active CHECK (state <> 'active' OR activated_at IS NOT NULL),
  CONSTRAINT dkim_keys_retired CHECK ((state = 'retired') = (retired_at IS NOT NULL))
);
-- One key of each algorithm signs, and one waits.
CREATE UNIQUE INDEX dkim_keys_one ON dkim_keys (domain, algorithm, state) WHERE state <> 'retired';

-- Messages that Gmail took, by the sender's primary domain: Gmail counts those, and never forgets a bulk sender.
CREATE TABLE gmail_usage (
  primary_domain  varchar(253) NOT NULL,
  hour            timestamptz NOT NULL,
  sent            integer NOT NULL,
  PRIMARY KEY (primary_domain, hour)
) WITH (fillfactor = 50);
CREATE TABLE gmail_bulk_senders (
  primary_domain  varchar(253) PRIMARY KEY,
  since           timestamptz NOT NULL DEFAULT now()
);

-- The last time that a campaign was paused by itself, and what had been counted by then: a person who resumes it has
-- seen that, and only what comes after it counts again.
CREATE TABLE campaign_pauses (
  campaign_id  uuid PRIMARY KEY REFERENCES campaigns ON DELETE CASCADE,
  paused_at    timestamptz NOT NULL DEFAULT now(),
  reason       text NOT NULL,
  sent         integer NOT NULL,
  bounced      integer NOT NULL,
  complained   integer NOT NULL
);
CREATE INDEX suppressions_complaints ON suppressions (created_at) WHERE reason = 'complained';
