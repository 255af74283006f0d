-- What they get: templates with versions and variants, snippets, media. See docs/adr/0026-content.md.

CREATE TABLE templates (
  template_id     uuid PRIMARY KEY,
  name            varchar(200) NOT NULL,
  description     text,
  channel         varchar(10) NOT NULL DEFAULT 'email' CHECK (channel IN ('email', 'sms')),
  default_locale  varchar(35) NOT NULL DEFAULT 'en',
  version         integer NOT NULL DEFAULT 1,   -- the newest
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  created_by      uuid,
  archived_at     timestamptz
);
CREATE UNIQUE INDEX templates_name ON templates (lower(name)) WHERE archived_at IS NULL;

-- A version never changes: saving makes the next one. Its contents are one row a locale.
CREATE TABLE template_versions (
  template_id  uuid NOT NULL REFERENCES templates ON DELETE CASCADE,
  version      integer NOT NULL,
  note         text,
  variables    jsonb NOT NULL DEFAULT '{}',     -- values for every recipient; a recipient's own win
  attachments  jsonb NOT NULL DEFAULT '[]',     -- [{media_id, filename, inline}]
  snippets     jsonb NOT NULL DEFAULT '{}',     -- name → body, as they were when this version was saved
  created_at   timestamptz NOT NULL DEFAULT now(),
  created_by   uuid,
  PRIMARY KEY (template_id, version)
);

CREATE TABLE template_variants (
  template_id  uuid NOT NULL,
  version      integer NOT NULL,
  locale       varchar(35) NOT NULL,
  format       varchar(10) NOT NULL CHECK (format IN ('mjml', 'html', 'text')),
  subject      varchar(998),
  preheader    varchar(255),
  body         text NOT NULL,
  text         text,                            -- made from the body when absent
  PRIMARY KEY (template_id, version, locale),
  FOREIGN KEY (template_id, version) REFERENCES template_versions ON DELETE CASCADE
);

-- Pieces that templates include by name. A template's version keeps the bodies it was saved with.
CREATE TABLE snippets (
  snippet_id  uuid PRIMARY KEY,
  name        varchar(64) NOT NULL UNIQUE CHECK (name ~ '^[a-z][a-z0-9_-]*$'),
  description text,
  body        text NOT NULL,
  version     integer NOT NULL DEFAULT 1,
  created_at  timestamptz NOT NULL DEFAULT now(),
  updated_at  timestamptz NOT NULL DEFAULT now(),
  created_by  uuid
);

CREATE TABLE media (
  media_id      uuid PRIMARY KEY,
  filename      varchar(255) NOT NULL,          -- as a person named it; storage never sees it
  content_type  varchar(100) NOT NULL,          -- as its bytes say
  size          integer NOT NULL,
  sha256        bytea NOT NULL,
  width         integer,
  height        integer,
  storage       varchar(10) NOT NULL CHECK (storage IN ('local', 's3')),
  created_at    timestamptz NOT NULL DEFAULT now(),
  created_by    uuid
);
CREATE INDEX media_sha256 ON media (sha256);

ALTER TABLE campaigns
  ADD COLUMN template_id uuid REFERENCES templates,
  ADD COLUMN template_version integer;          -- pinned when the campaign is saved

-- Which variant somebody reads: that of their locale, of its language (de-AT, de), or the fallback. Planners see through it.
CREATE FUNCTION template_variant(locale text, variants text[], fallback text) RETURNS TABLE (variant text)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT coalesce(
    (SELECT v FROM unnest(variants) AS v, lower(replace(locale, '_', '-')) AS tag
     WHERE tag = lower(v) OR starts_with(tag, lower(v) || '-') ORDER BY length(v) DESC LIMIT 1), fallback)
$$;
