-- Who carries messages, and with what. Ledgers keep a provider's name, so a row may go. See docs/adr/0028-providers.md.
CREATE TABLE providers (
  provider_id  uuid PRIMARY KEY,
  name         varchar(50) NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9][a-z0-9-]*$'),
  kind         varchar(50) NOT NULL,               -- of the registry, or of a plugin
  channel      varchar(10) NOT NULL CHECK (channel IN ('email', 'sms')),
  enabled      boolean NOT NULL DEFAULT true,
  priority     integer NOT NULL DEFAULT 1 CHECK (priority BETWEEN 1 AND 100),  -- the smallest is asked first
  weight       integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),   -- share among those of one priority
  settings     jsonb NOT NULL DEFAULT '{}',        -- the kind's fields, without secrets
  secrets      bytea,                              -- its secret fields, sealed (base/envelope.py)
  secrets_key  varchar(32),                        -- id of the key that wraps the seal's own
  secret_names text[] NOT NULL DEFAULT '{}',       -- which secrets are set
  classes      text[] NOT NULL DEFAULT '{}' CHECK (classes <@ ARRAY['transactional', 'bulk']),  -- empty: all
  domains      text[] NOT NULL DEFAULT '{}',       -- domains it sends from; empty: all
  per_second   integer CHECK (per_second > 0),     -- budgets; null: none
  per_minute   integer CHECK (per_minute > 0),
  per_day      integer CHECK (per_day > 0),
  warm_up      jsonb NOT NULL DEFAULT '[]',        -- most on the first day of use, on the second, …
  created_at   timestamptz NOT NULL DEFAULT now(),
  updated_at   timestamptz NOT NULL DEFAULT now(),
  created_by   uuid,
  CONSTRAINT providers_sealed CHECK ((secrets IS NULL) = (secrets_key IS NULL))
);
