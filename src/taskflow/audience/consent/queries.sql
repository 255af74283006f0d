-- Subscriptions and the history of consent. Order of tables: subscribers, mailing_lists, subscriptions, consents, tasks.

-- ────────────────────────────────────────── subscriptions ───────────────────────────────────────────

-- name: subscribe
-- Put people on a list as $3, and note it. Who is CONFIRMED stays so. Who unsubscribed, from it or from everything, who is
-- suppressed, bounced, complained or is disabled is left alone, unless $4: the person has come again, and is to confirm
-- it. Who is on a list has no confirmation of another one to wait for.
WITH changed AS (
  INSERT INTO subscriptions AS s (list_id, contact_id, status, confirmed_at)
  SELECT $1, contact_id, $3::text, CASE WHEN $3::text = 'CONFIRMED' THEN now() END
  FROM subscribers c
  WHERE contact_id = ANY($2::uuid[])
    AND ($4 OR c.status IN ('ACTIVE', 'PENDING') AND NOT EXISTS (
      SELECT FROM suppressions x
      WHERE x.channel = 'email' AND x.address = ANY (suppression_keys(c.email, NULL))
        AND (x.list_id IS NULL OR x.list_id = $1)
    ))
  ORDER BY contact_id
  ON CONFLICT (list_id, contact_id) DO UPDATE
    SET status = excluded.status, subscribed_at = now(), confirmed_at = excluded.confirmed_at, unsubscribed_at = NULL
    WHERE (s.status = 'PENDING' AND excluded.status = 'CONFIRMED') OR (s.status <> 'PENDING' AND $4)
  RETURNING s.contact_id
), welcomed AS (
  UPDATE subscribers c SET status = 'ACTIVE', updated_at = now()
  FROM changed
  WHERE c.contact_id = changed.contact_id AND c.status = 'PENDING' AND $3::text = 'CONFIRMED'
)
INSERT INTO consents (consent_id, contact_id, list_id, channel, action, source, wording, address, user_agent, actor)
SELECT taskflow_uuid7(), c.contact_id, $1, CASE WHEN c.email IS NULL THEN 'sms' ELSE 'email' END,
       CASE WHEN $3::text = 'CONFIRMED' THEN 'granted' ELSE 'requested' END, $5, $6, $7::inet, $8, $9
FROM changed JOIN subscribers c USING (contact_id)
RETURNING consent_id, channel;

-- name: unsubscribe
-- Leave a person alone on a list; who was not on it is noted too, so that nobody puts them there.
WITH changed AS (
  INSERT INTO subscriptions AS s (list_id, contact_id, status, unsubscribed_at)
  SELECT $1, contact_id, 'UNSUBSCRIBED', now() FROM subscribers WHERE contact_id = $2
  ON CONFLICT (list_id, contact_id) DO UPDATE SET status = 'UNSUBSCRIBED', unsubscribed_at = now()
    WHERE s.status <> 'UNSUBSCRIBED'
  RETURNING s.contact_id
)
INSERT INTO consents (consent_id, contact_id, list_id, channel, action, source, wording, address, user_agent, actor)
SELECT taskflow_uuid7(), contact_id, $1, 'email', 'withdrawn', $3, $4, $5::inet, $6, $7 FROM changed
RETURNING consent_id;

-- name: unsubscribe_from_all
-- Write to this person no more. They leave every list: who comes back to one of them comes back to that one.
WITH changed AS (
  UPDATE subscribers SET status = 'UNSUBSCRIBED', updated_at = now()
  WHERE contact_id = $1 AND status IN ('ACTIVE', 'PENDING')
  RETURNING contact_id
), gone AS (
  UPDATE subscriptions SET status = 'UNSUBSCRIBED', unsubscribed_at = now()
  WHERE contact_id = $1 AND status <> 'UNSUBSCRIBED'
  RETURNING contact_id
)
INSERT INTO consents (consent_id, contact_id, list_id, channel, action, source, wording, address, user_agent, actor)
SELECT taskflow_uuid7(), contact_id, NULL, 'email', 'withdrawn', $2, $3, $4::inet, $5, $6
FROM (SELECT contact_id FROM changed UNION SELECT contact_id FROM gone) AS found
RETURNING consent_id;

-- name: suppress_person
-- What is asked for when a message is sent, whatever somebody does to the contact: of a person ($1), on a channel ($3),
-- everywhere or on one list ($4). The first reason stays.
INSERT INTO suppressions (channel, address, list_id, reason, source)
SELECT $3::text, found.address, $4::uuid, 'unsubscribed', $2::text
FROM subscribers c, LATERAL (SELECT CASE $3::text WHEN 'sms' THEN c.phone ELSE lower(c.email) END AS address) AS found
WHERE c.contact_id = $1 AND found.address IS NOT NULL
ON CONFLICT DO NOTHING;

-- name: remove
-- Take people off a list. Who unsubscribed stays there as such: nobody else may put them back.
WITH removed AS (
  DELETE FROM subscriptions
  WHERE list_id = $1 AND contact_id = ANY($2::uuid[]) AND status <> 'UNSUBSCRIBED'
  RETURNING contact_id
)
INSERT INTO consents (consent_id, contact_id, list_id, channel, action, source, wording, address, user_agent, actor)
SELECT taskflow_uuid7(), contact_id, $1, 'email', 'withdrawn', $3, $4, $5::inet, $6, $7 FROM removed
RETURNING consent_id;

-- name: subscriptions_of
SELECT s.*, l.name, l.opt_in, l.archived_at
FROM subscriptions s JOIN mailing_lists l USING (list_id)
WHERE s.contact_id = $1
ORDER BY lower(l.name), s.list_id;

-- name: members
-- People on a list, newest first.
SELECT c.*, s.status AS subscription_status, s.subscribed_at, s.confirmed_at, s.unsubscribed_at
FROM subscriptions s JOIN subscribers c USING (contact_id)
WHERE s.list_id = $1 AND ($2::text IS NULL OR s.status = $2) AND ($3::uuid IS NULL OR s.contact_id < $3)
ORDER BY s.contact_id DESC LIMIT $4;

-- ───────────────────────────────────────────── consents ─────────────────────────────────────────────

-- name: add_consent
INSERT INTO consents (consent_id, contact_id, list_id, channel, action, source, wording, address, user_agent, actor)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::inet, $9, $10)
ON CONFLICT DO NOTHING;

-- name: get_consent
SELECT c.*, l.name AS list_name FROM consents c LEFT JOIN mailing_lists l USING (list_id)
WHERE c.consent_id = $1 AND c.contact_id = $2;

-- name: consents_of
SELECT c.*, l.name AS list_name FROM consents c LEFT JOIN mailing_lists l USING (list_id)
WHERE c.contact_id = $1 AND ($2::uuid IS NULL OR c.consent_id < $2)
ORDER BY c.consent_id DESC LIMIT $3;

-- ────────────────────────────────────────── confirmation ────────────────────────────────────────────

-- name: requests_of_a_day
-- How often a person was asked in 24 hours: to confirm this list, and in all.
SELECT count(*) FILTER (WHERE list_id = $2) AS of_list, count(*) AS of_all
FROM consents
WHERE contact_id = $1 AND action = 'requested' AND created_at > now() - interval '24 hours';

-- name: request
-- What a link or a mail of a double opt-in stands for, as things are now. `is_open`: it can still be confirmed; a request
-- from before somebody came off the list cannot bring them back. `is_done`: it was. `is_refused`: the contact's status says
-- so; what suppresses the address is asked for by `suppressed`.
SELECT q.consent_id, q.contact_id, q.list_id, q.wording, c.email, c.locale, l.name AS list_name, l.confirm_from,
       s.status = 'PENDING' AND q.created_at >= s.subscribed_at AND q.created_at > now() - make_interval(days => $2)
         AS is_open,
       s.status = 'CONFIRMED' AND s.confirmed_at >= q.created_at AS is_done,
       c.status NOT IN ('ACTIVE', 'PENDING', 'UNSUBSCRIBED') AS is_refused
FROM consents q
JOIN subscribers c USING (contact_id)
JOIN mailing_lists l ON l.list_id = q.list_id AND l.archived_at IS NULL
JOIN subscriptions s ON s.contact_id = q.contact_id AND s.list_id = q.list_id
WHERE q.consent_id = $1 AND q.action = 'requested' AND q.channel = 'email' AND c.email IS NOT NULL;

-- name: lock_request
-- Hold the person and the subscription of a request, in this order, so that two clicks are one.
SELECT (SELECT c.contact_id FROM subscribers c WHERE c.contact_id = q.contact_id FOR NO KEY UPDATE)
FROM consents q WHERE q.consent_id = $1;

-- name: confirm
UPDATE subscriptions SET status = 'CONFIRMED', confirmed_at = now()
WHERE list_id = $1 AND contact_id = $2 AND status = 'PENDING';

-- name: welcome
-- Who confirms is written to again, though they had unsubscribed: nobody else could have followed the link.
UPDATE subscribers SET status = 'ACTIVE', updated_at = now()
WHERE contact_id = $1 AND status IN ('PENDING', 'UNSUBSCRIBED');

-- name: lift_own_suppression
DELETE FROM suppressions
WHERE channel = 'email' AND address = lower($1) AND reason = 'unsubscribed' AND (list_id IS NULL OR list_id = $2);

-- name: forget_unconfirmed
-- People who came by a form, whose last link is older than $1 days, and who never agreed to anything.
DELETE FROM subscribers WHERE contact_id IN (
  SELECT c.contact_id FROM subscribers c
  WHERE c.status = 'PENDING' AND c.created_at < now() - make_interval(days => $1)
    AND EXISTS (SELECT FROM consents q WHERE q.contact_id = c.contact_id AND q.source = 'form')
    AND NOT EXISTS (SELECT FROM consents q WHERE q.contact_id = c.contact_id
                      AND (q.action IN ('granted', 'confirmed') OR q.created_at >= now() - make_interval(days => $1)))
  ORDER BY c.contact_id LIMIT $2 FOR UPDATE SKIP LOCKED
);

-- ───────────────────────────────────────────── the form ─────────────────────────────────────────────

-- name: person_of_form
-- A known person as a form sees them.
SELECT c.contact_id, c.status, s.status AS subscription_status
FROM subscribers c
LEFT JOIN subscriptions s ON s.contact_id = c.contact_id AND s.list_id = $2
WHERE lower(c.email) = lower($1)
FOR NO KEY UPDATE OF c;

-- name: suppressed
-- Why an address ($1) is not written to for a list ($2): itself, its domain, or as somebody erased ($3). That of a whole
-- domain is nobody's own wish.
SELECT coalesce(array_agg(DISTINCT CASE WHEN address LIKE '@%' THEN 'manual' ELSE reason END), '{}') FROM suppressions
WHERE channel = 'email' AND address = ANY (suppression_keys($1, $3)) AND (list_id IS NULL OR list_id = $2);
