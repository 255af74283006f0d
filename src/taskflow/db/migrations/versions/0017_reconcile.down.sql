DROP TABLE reconciliations;
DROP INDEX campaigns_reconcile;
UPDATE campaigns SET uncertain_policy = 'hold' WHERE uncertain_policy = 'reconcile';
UPDATE messages SET uncertain_policy = 'hold' WHERE uncertain_policy = 'reconcile';
ALTER TABLE campaigns DROP CONSTRAINT campaigns_uncertain_policy_check;
ALTER TABLE campaigns ADD CONSTRAINT campaigns_uncertain_policy_check CHECK (uncertain_policy IN ('hold', 'resend'));
ALTER TABLE messages DROP CONSTRAINT messages_uncertain_policy_check;
ALTER TABLE messages ADD CONSTRAINT messages_uncertain_policy_check CHECK (uncertain_policy IN ('hold', 'resend'));
