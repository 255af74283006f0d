-- name: contacts
-- People as the composer sees them: what a frozen audience keeps of them, in the order of the ids asked for.
SELECT s.contact_id, s.email, s.phone,
       contact_values(s.attributes, s.phone, s.locale, s.time_zone) AS personalization
FROM unnest($1::uuid[]) WITH ORDINALITY AS wanted (contact_id, place) JOIN subscribers s USING (contact_id)
ORDER BY wanted.place;

-- name: newest_contacts
SELECT contact_id FROM subscribers WHERE status = 'ACTIVE' ORDER BY contact_id DESC LIMIT $1;

-- name: field_names
SELECT name FROM contact_fields;

-- name: recipients
-- The first recipients of a campaign, and one of each locale that they have.
(SELECT recipient_id, email, personalization FROM email_recipients WHERE campaign_id = $1 ORDER BY recipient_id LIMIT $2)
UNION
(SELECT DISTINCT ON (personalization ->> 'locale') recipient_id, email, personalization
 FROM (SELECT * FROM email_recipients WHERE campaign_id = $1 ORDER BY recipient_id LIMIT 5000) AS first
 WHERE personalization ? 'locale' ORDER BY personalization ->> 'locale', recipient_id)
ORDER BY recipient_id LIMIT 40;

-- name: suppressed
-- Which of these addresses nobody may write to: themselves, by their domain, or as what an erasure has left of them ($2).
SELECT DISTINCT wanted.address FROM unnest($1::text[], $2::text[]) AS wanted (address, erased)
JOIN suppressions s ON s.channel = 'email' AND s.list_id IS NULL
  AND s.address IN (lower(wanted.address), substring(lower(wanted.address) FROM '@[^@]*$'), wanted.erased);
