-- Letters of which an older worker would send a part. Their messages fail: what they say is not kept.
DELETE FROM message_submissions WHERE letter ?| ARRAY['enclosures', 'addressee', 'cc', 'promotional'];
ALTER TABLE message_submissions DROP COLUMN files;
