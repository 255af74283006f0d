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
