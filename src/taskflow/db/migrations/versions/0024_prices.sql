-- One price for what is previewed and what is written down: docs/how-to/providers.md.
ALTER TABLE providers
  ADD COLUMN prices jsonb NOT NULL DEFAULT '{}',  -- of each part of a text, by the beginning of the number
  DROP CONSTRAINT providers_priced,
  ADD CONSTRAINT providers_priced CHECK ((price IS NULL AND prices = '{}') = (currency IS NULL));

-- What a mail (number: null), or each part of a text to a number, costs over a provider: its price for the longest
-- beginning of the number, else its price for all, else for a text that of the settings, {"currency": …, "prices": {…}}.
-- A sandbox has the prices that it was given and no others. Without a provider those of the settings hold.
-- Campaigns send mail only: their ledgers read `providers.price`, which is what a mail costs.
CREATE FUNCTION price_of(provider text, number text, settings jsonb)
RETURNS TABLE (price numeric, currency varchar, prefix text, provider_name text) LANGUAGE sql STABLE AS $$
  SELECT f.price, f.currency, f.prefix, f.name
  FROM (
    SELECT e.value::numeric AS price, p.currency, e.key AS prefix, p.name, 1 AS rank
    FROM providers p CROSS JOIN LATERAL jsonb_each_text(p.prices) e
    WHERE p.name = $1 AND starts_with($2, e.key)
    UNION ALL
    SELECT p.price, p.currency, NULL, p.name, 2 FROM providers p WHERE p.name = $1 AND p.price IS NOT NULL
    UNION ALL
    SELECT e.value::numeric, $3 ->> 'currency', e.key, NULL, 3 FROM jsonb_each_text($3 -> 'prices') e
    WHERE starts_with($2, e.key)
      AND ($1 IS NULL OR EXISTS (SELECT FROM providers p WHERE p.name = $1 AND p.kind <> 'sms-sandbox'))
  ) AS f
  ORDER BY f.rank, length(f.prefix) DESC LIMIT 1
$$;
