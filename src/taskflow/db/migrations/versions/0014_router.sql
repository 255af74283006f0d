-- Messages given to a provider, by minute; each process adds to its own slot. Kept for three days.
CREATE TABLE provider_usage (
  provider  varchar(100) NOT NULL,
  minute    timestamptz NOT NULL,   -- on Redis's clock, which decides budgets
  slot      smallint NOT NULL,
  messages  integer NOT NULL,
  PRIMARY KEY (provider, minute, slot)
) WITH (fillfactor = 20);

-- What is known of a provider's use, and a person's word on its breaker.
CREATE TABLE provider_breakers (
  provider       varchar(100) PRIMARY KEY,
  override       varchar(10) CHECK (override IN ('open', 'closed')),
  first_used_at  timestamptz,       -- the first day of its warm-up
  updated_at     timestamptz NOT NULL DEFAULT now()
);

-- How breakers changed, newest last. Kept for ninety days.
CREATE TABLE provider_breaker_changes (
  change_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  provider    varchar(100) NOT NULL,
  state       varchar(20) NOT NULL
    CHECK (state IN ('closed', 'open', 'half_open', 'forced_open', 'forced_closed', 'auto')),
  reason      varchar(500) NOT NULL,
  changed_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX provider_breaker_changes_provider ON provider_breaker_changes (provider, change_id DESC);
