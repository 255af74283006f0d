DROP INDEX suppressions_complaints;
DROP TABLE campaign_pauses;
DROP TABLE gmail_bulk_senders;
DROP TABLE gmail_usage;
DROP TABLE dkim_keys;
DROP TABLE sending_domains;
