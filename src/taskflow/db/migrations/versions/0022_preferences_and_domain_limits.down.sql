DELETE FROM provider_usage WHERE provider LIKE '@%';
ALTER TABLE provider_usage ALTER COLUMN provider TYPE varchar(100);
DROP TABLE recipient_domain_limits;
ALTER TABLE providers DROP COLUMN preferences;
