-- Erasures: that somebody asked for one, when it was done, and what it found; of the person only a keyed hash remains.
CREATE TABLE erasures (
  erasure_id    uuid PRIMARY KEY,
  status        varchar(20) NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'COMPLETED')),
  subject_hash  text NOT NULL,                -- 'hmac:…' of the address that was asked for
  contact_id    uuid,
  email         varchar(255),                 -- both only until it is done
  phone         varchar(16),
  suppress      boolean NOT NULL,             -- never write to them again, though nobody remembers who they are
  reason        text,
  report        jsonb NOT NULL DEFAULT '{}',  -- place → how many rows were erased there
  requested_by  uuid,
  created_at    timestamptz NOT NULL DEFAULT now(),
  completed_at  timestamptz,
  CONSTRAINT erasures_completed CHECK ((status = 'COMPLETED') = (completed_at IS NOT NULL)),
  CONSTRAINT erasures_forgotten CHECK (status = 'PENDING' OR (email IS NULL AND phone IS NULL))
);
