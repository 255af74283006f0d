-- Text messages: templates registered in India (DLT), what people answer, and what providers report.

CREATE TABLE sms_templates (
  sms_template_id       uuid PRIMARY KEY,
  name                  varchar(64) NOT NULL UNIQUE,   -- what we call it
  template_id           varchar(25) NOT NULL CHECK (template_id ~ '^[0-9]{10,25}$'),  -- of the DLT content template
  entity_id             varchar(25) NOT NULL CHECK (entity_id ~ '^[0-9]{10,25}$'),    -- of the DLT principal entity
  header                varchar(6) NOT NULL CHECK (header ~ '^[A-Za-z0-9]{3,6}$'),    -- the sender that it is bound to
  category              varchar(20) NOT NULL
                        CHECK (category IN ('transactional', 'service-explicit', 'promotional')),
  body                  text NOT NULL,                 -- with {#var#} where values stand
  provider_template_id  varchar(50),                   -- what a provider calls it, where it has a number of its own
  created_by            uuid,
  created_at            timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT sms_templates_registered UNIQUE (template_id, header)
);

-- Words that people answer with; compared whole, without case, spaces and punctuation.
CREATE TABLE sms_keywords (
  keyword   varchar(40) PRIMARY KEY,
  action    varchar(10) NOT NULL CHECK (action IN ('stop', 'start', 'help')),
  language  varchar(10) NOT NULL
);
INSERT INTO sms_keywords (keyword, action, language) VALUES
  ('stop', 'stop', 'en'), ('stopall', 'stop', 'en'), ('unsubscribe', 'stop', 'en'), ('cancel', 'stop', 'en'),
  ('end', 'stop', 'en'), ('quit', 'stop', 'en'), ('optout', 'stop', 'en'), ('revoke', 'stop', 'en'),
  ('start', 'start', 'en'), ('unstop', 'start', 'en'), ('subscribe', 'start', 'en'), ('optin', 'start', 'en'),
  ('help', 'help', 'en'), ('info', 'help', 'en'),
  ('stopp', 'stop', 'de'), ('abmelden', 'stop', 'de'), ('abbestellen', 'stop', 'de'), ('anmelden', 'start', 'de'),
  ('hilfe', 'help', 'de'),
  ('arret', 'stop', 'fr'), ('arrêt', 'stop', 'fr'), ('desabonner', 'stop', 'fr'), ('désabonner', 'stop', 'fr'),
  ('debut', 'start', 'fr'), ('début', 'start', 'fr'), ('aide', 'help', 'fr'),
  ('alto', 'stop', 'es'), ('baja', 'stop', 'es'), ('parar', 'stop', 'es'), ('cancelar', 'stop', 'es'),
  ('alta', 'start', 'es'), ('empezar', 'start', 'es'), ('ayuda', 'help', 'es'),
  ('pare', 'stop', 'pt'), ('sair', 'stop', 'pt'), ('voltar', 'start', 'pt'), ('ajuda', 'help', 'pt'),
  ('ferma', 'stop', 'it'), ('basta', 'stop', 'it'), ('aiuto', 'help', 'it'),
  ('afmelden', 'stop', 'nl'), ('aanmelden', 'start', 'nl'),
  ('रोकें', 'stop', 'hi'), ('बंद', 'stop', 'hi'), ('शुरू', 'start', 'hi'), ('मदद', 'help', 'hi');

-- What people sent to us. `reference`: the provider's id of it, so that the same text told twice is one row.
CREATE TABLE sms_replies (
  reply_id     uuid PRIMARY KEY,
  kind         varchar(50) NOT NULL,      -- of the provider
  reference    text NOT NULL,
  sender       varchar(50) NOT NULL,      -- E.164 where it is a number
  recipient    varchar(50) NOT NULL,
  body         text NOT NULL,
  action       varchar(10) CHECK (action IN ('stop', 'start', 'help')),
  contact_id   uuid,
  occurred_at  timestamptz NOT NULL,
  received_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT sms_replies_once UNIQUE (kind, reference)
);
CREATE INDEX sms_replies_sender ON sms_replies (sender, occurred_at);

-- What providers said of texts that they had taken, in the order in which it came; each thing once.
CREATE TABLE sms_reports (
  report_id    uuid PRIMARY KEY,
  kind         varchar(50) NOT NULL,      -- of the provider
  provider_id  text NOT NULL,             -- the provider's id of the text, as in messages
  message_id   uuid,                      -- ours, where the provider hands it back
  recipient    varchar(50),
  status       varchar(20) NOT NULL CHECK (status IN ('sent', 'delivered', 'failed')),
  cause        varchar(20),
  code         varchar(50) NOT NULL,      -- the provider's own word
  detail       text,
  received_at  timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT sms_reports_once UNIQUE (provider_id, kind, status, code),
  CONSTRAINT sms_reports_cause CHECK ((cause IS NOT NULL) = (status = 'failed'))
);

-- How far each text has come. The first end stays: reports come late, twice and in any order.
CREATE VIEW sms_standings AS
SELECT DISTINCT ON (provider_id, kind)
       provider_id, kind, message_id, status, cause, code, received_at
FROM sms_reports
ORDER BY provider_id, kind, (status = 'sent'), CASE status WHEN 'sent' THEN NULL ELSE report_id END, report_id DESC;
