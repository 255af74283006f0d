DROP FUNCTION price_of(text, text, jsonb);
ALTER TABLE providers DROP CONSTRAINT providers_priced;
UPDATE providers SET currency = NULL WHERE price IS NULL;
ALTER TABLE providers
  DROP COLUMN prices,
  ADD CONSTRAINT providers_priced CHECK ((price IS NULL) = (currency IS NULL));
