-- Previews.

-- name: price
-- What a part of a text to a number ($2) costs over a provider ($1); $3: the prices of the settings.
SELECT price, currency, prefix, provider_name FROM price_of($1, $2, $3);
