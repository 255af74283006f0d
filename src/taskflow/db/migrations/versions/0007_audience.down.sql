ALTER TABLE email_recipients DROP COLUMN list_id, DROP COLUMN contact_id;
ALTER TABLE campaigns DROP COLUMN frozen_at, DROP COLUMN needs, DROP COLUMN audience;
DROP TABLE campaign_events, contact_activity, contact_latest;
DROP FUNCTION summarise_campaign_events;
DELETE FROM suppressions WHERE list_id IS NOT NULL OR address LIKE '@%' OR address LIKE 'hmac:%';
UPDATE suppressions SET reason = 'manual' WHERE reason IN ('imported', 'erased');
DROP INDEX suppressions_list, suppressions_address;
ALTER TABLE suppressions DROP CONSTRAINT suppressions_reason_check, DROP CONSTRAINT suppressions_pkey;
ALTER TABLE suppressions
  DROP COLUMN note, DROP COLUMN created_by, DROP COLUMN list_id, DROP COLUMN suppression_id,
  ADD CONSTRAINT suppressions_pkey PRIMARY KEY (channel, address),
  ADD CONSTRAINT suppressions_reason_check CHECK (reason IN ('unsubscribed', 'bounced', 'complained', 'manual'));
DELETE FROM import_rejections r WHERE NOT EXISTS (SELECT FROM campaign_imports i WHERE i.import_id = r.import_id);
ALTER TABLE import_rejections ADD CONSTRAINT import_rejections_import_id_fkey
  FOREIGN KEY (import_id) REFERENCES campaign_imports ON DELETE CASCADE;
DROP TABLE import_chunks, contact_imports, segments, consents, subscriptions, mailing_lists, subscribers, contact_fields;
DROP FUNCTION newest_ten, forget_contact_activity, suppression_keys, contact_values;
