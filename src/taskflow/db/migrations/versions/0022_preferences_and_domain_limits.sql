-- What a provider is asked first for, and how fast a recipient domain may be written to: docs/adr/0032-router.md.

-- Another priority or weight for some messages: [{message_class, domain, priority, weight}].
ALTER TABLE providers ADD COLUMN preferences jsonb NOT NULL DEFAULT '[]';

-- Most messages to a recipient domain, over all providers; null: no limit of this span.
CREATE TABLE recipient_domain_limits (
  domain      varchar(253) PRIMARY KEY,  -- in lower case and ASCII
  per_second  integer CHECK (per_second > 0),
  per_minute  integer CHECK (per_minute > 0),
  per_day     integer CHECK (per_day > 0),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  updated_by  uuid,
  CONSTRAINT recipient_domain_limits_any CHECK (num_nonnulls(per_second, per_minute, per_day) > 0)
);

-- A limited recipient domain is counted beside the providers, as @domain.
ALTER TABLE provider_usage ALTER COLUMN provider TYPE varchar(254);
