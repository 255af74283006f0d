DROP TABLE provider_breaker_changes;
DROP TABLE provider_breakers;
DROP TABLE provider_usage;
