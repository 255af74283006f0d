-- Uncertain messages that are asked for at their providers: docs/adr/0034-reconciliation.md.
ALTER TABLE messages DROP CONSTRAINT messages_uncertain_policy_check;
ALTER TABLE messages ADD CONSTRAINT messages_uncertain_policy_check
  CHECK (uncertain_policy IN ('hold', 'resend', 'reconcile'));
ALTER TABLE campaigns DROP CONSTRAINT campaigns_uncertain_policy_check;
ALTER TABLE campaigns ADD CONSTRAINT campaigns_uncertain_policy_check
  CHECK (uncertain_policy IN ('hold', 'resend', 'reconcile'));
CREATE INDEX campaigns_reconcile ON campaigns (campaign_id) WHERE uncertain_policy = 'reconcile';

-- One row for each uncertain attempt that is looked for, or was; it goes when somebody knows what became of it.
CREATE TABLE reconciliations (
  ledger_id     uuid PRIMARY KEY,                -- the message, or the campaign's recipient
  of_campaign   uuid,                            -- null: in `messages`
  epoch         integer NOT NULL,                -- of the attempt that nobody knows the end of
  looks         integer NOT NULL DEFAULT 0,      -- how often its provider was asked
  next_look_at  timestamptz,                     -- null: it is not asked any more, somebody has to decide
  finding       text                             -- what the last look found, in one sentence
);
CREATE INDEX reconciliations_due ON reconciliations (next_look_at) WHERE next_look_at IS NOT NULL;

-- What messages cost: a provider's price is written with the outcome SENT, and summed for campaigns.
ALTER TABLE providers
  ADD COLUMN price numeric(12, 6) CHECK (price >= 0),  -- of a mail, or of each part of a text
  ADD COLUMN currency varchar(3) CHECK (currency ~ '^[A-Z]{3}$'),
  ADD CONSTRAINT providers_priced CHECK ((price IS NULL) = (currency IS NULL));
ALTER TABLE messages ADD COLUMN currency varchar(3);
ALTER TABLE email_recipients ADD COLUMN cost numeric(12, 6), ADD COLUMN currency varchar(3);

-- Sums of what a campaign's mails cost, with the slots of `campaign_counters`. Without prices there are no rows.
CREATE TABLE campaign_costs (
  campaign_id  uuid NOT NULL REFERENCES campaigns ON DELETE CASCADE,
  slot         smallint NOT NULL,
  currency     varchar(3) NOT NULL,
  cost         numeric(18, 6) NOT NULL,
  PRIMARY KEY (campaign_id, slot, currency)
) WITH (fillfactor = 20);

DROP VIEW message_log;
CREATE VIEW message_log AS
SELECT m.message_id, NULL::uuid AS campaign_id, m.submission_id, m.task_id, m.channel, m.address, m.from_address,
       m.subject, m.tags, m.template_id, m.template_version, m.status, m.attempt, m.provider, m.provider_message_id,
       m.reply, m.error_message, m.bounce_reason, m.size_bytes, m.cost, m.currency, m.created_at, m.scheduled_at,
       m.sending_at, m.sent_at, m.uncertain_policy, m.segments, m.encoding, told.delivery, told.delivery_cause,
       told.delivery_at
FROM messages m
LEFT JOIN LATERAL (
  SELECT s.status AS delivery, s.cause AS delivery_cause, s.received_at AS delivery_at FROM sms_standings s
  WHERE m.channel = 'sms' AND s.provider_id = m.provider_message_id
    AND (s.message_id IS NULL OR s.message_id = m.message_id)
  LIMIT 1
) AS told ON true
UNION ALL
SELECT r.recipient_id, r.campaign_id, NULL, r.task_id, 'email', r.email, c.from_email, NULL, NULL,
       c.template_id, c.template_version, r.status, r.attempt, r.provider, r.provider_message_id, r.reply, r.error_message,
       r.bounce_reason, NULL, r.cost, r.currency, c.created_at, c.scheduled_at, r.sending_at, r.sent_at,
       c.uncertain_policy, NULL, NULL, NULL, NULL, NULL
FROM email_recipients r JOIN campaigns c USING (campaign_id);
