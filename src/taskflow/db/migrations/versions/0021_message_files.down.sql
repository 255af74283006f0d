ALTER TABLE message_submissions DROP COLUMN files;
