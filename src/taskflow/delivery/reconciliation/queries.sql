-- Uncertain messages under the policy `reconcile`. These run on the ordinary pool, and name one message each where they
-- write: few messages are ever uncertain. Lock order as in the ledgers: rows, then tasks or counters.

-- name: new_messages
-- Uncertain attempts that nobody has looked for yet: the partial index on `attention` holds only few rows.
  m.attention = 'UNCERTAIN' AND m.uncertain_policy = 'reconcile'
  AND NOT EXISTS (SELECT FROM reconciliations q WHERE q.ledger_id = m.message_id AND q.epoch = m.lease_epoch)

-- name: new_recipients
  r.attention = 'UNCERTAIN'
  AND NOT EXISTS (SELECT FROM reconciliations q WHERE q.ledger_id = r.recipient_id AND q.epoch = r.lease_epoch)

-- name: is_something_new
-- Asked without a lock.
SELECT EXISTS (SELECT FROM messages m WHERE
-- include: new_messages
) OR EXISTS (
  SELECT FROM campaigns c JOIN email_recipients r USING (campaign_id) WHERE c.uncertain_policy = 'reconcile' AND
-- include: new_recipients
);

-- name: adopt
-- Look for them from now on. $1: age in seconds of an attempt at the first look; $2: at most so many of each ledger.
INSERT INTO reconciliations AS q (ledger_id, of_campaign, epoch, next_look_at)
SELECT * FROM (
  (SELECT m.message_id, NULL::uuid, m.lease_epoch, m.sending_at + $1 * interval '1 second'
   FROM messages m WHERE
-- include: new_messages
   ORDER BY m.message_id LIMIT $2)
  UNION ALL
  (SELECT r.recipient_id, r.campaign_id, r.lease_epoch, r.sending_at + $1 * interval '1 second'
   FROM campaigns c JOIN email_recipients r USING (campaign_id) WHERE c.uncertain_policy = 'reconcile' AND
-- include: new_recipients
   ORDER BY r.recipient_id LIMIT $2)
) AS found ORDER BY 1
ON CONFLICT (ledger_id) DO UPDATE
SET epoch = excluded.epoch, looks = 0, next_look_at = excluded.next_look_at, finding = NULL;

-- name: due
-- What is to be looked for now, the longest due first; whose row nobody has to decide about any more comes without one.
SELECT q.ledger_id, q.of_campaign, coalesce(m.channel, 'email') AS channel, coalesce(m.provider, r.provider) AS provider,
       coalesce(m.address, r.email) AS address, coalesce(m.from_address, c.from_email) AS from_address,
       coalesce(m.attempt, r.attempt) AS attempt, coalesce(m.sending_at, r.sending_at) AS sending_at, q.epoch,
       extract(epoch FROM clock_timestamp() - coalesce(m.sending_at, r.sending_at))::float8 AS age,
       substring(s.raw FROM 1 FOR 65536) AS head,
       CASE WHEN s.letter->>'addressee' IS NOT NULL THEN s.submission_id END AS copied  -- its copies have one Message-ID
FROM reconciliations q
LEFT JOIN messages m
  ON q.of_campaign IS NULL AND m.message_id = q.ledger_id AND m.status = 'UNCERTAIN' AND m.lease_epoch = q.epoch
LEFT JOIN message_submissions s ON s.submission_id = m.submission_id
LEFT JOIN email_recipients r
  ON r.campaign_id = q.of_campaign AND r.recipient_id = q.ledger_id AND r.status = 'UNCERTAIN' AND r.lease_epoch = q.epoch
LEFT JOIN campaigns c ON c.campaign_id = r.campaign_id
WHERE q.next_look_at <= now() ORDER BY q.next_look_at LIMIT $1;

-- name: look_again
-- Not yet known: $3 is the age in seconds of the attempt at the next look.
UPDATE reconciliations SET looks = looks + 1, finding = $4, next_look_at = $5::timestamptz + $3 * interval '1 second'
WHERE ledger_id = $1 AND epoch = $2;

-- name: hold
-- Nobody is asked any more: a person decides.
UPDATE reconciliations SET looks = looks + 1, finding = $3, next_look_at = NULL WHERE ledger_id = $1 AND epoch = $2;

-- name: forget
DELETE FROM reconciliations WHERE ledger_id = ANY ($1::uuid[]);

-- name: message_found
-- Its provider has it, under the id $3. What a sender does at SENT: where the words are not archived, the person's
-- values are forgotten. $4: the prices of the settings.
UPDATE messages AS m
SET status = 'SENT', attention = NULL, sent_at = m.sending_at, provider_message_id = $3, error_message = NULL,
    (cost, currency) = (SELECT c.price * coalesce(m.segments, 1), c.currency
                        FROM price_of(m.provider, CASE m.channel WHEN 'sms' THEN m.address END, $4::jsonb) AS c),
    personalization = CASE
      WHEN EXISTS (SELECT FROM message_submissions s WHERE s.submission_id = m.submission_id AND s.archive = 'full')
      THEN m.personalization ELSE '{}' END
WHERE m.message_id = $1 AND m.lease_epoch = $2 AND m.status = 'UNCERTAIN'
RETURNING m.message_id;

-- name: message_not_found
-- Its provider has not got it: it waits again, once the task that sent it has ended, and that attempt is no longer in doubt.
UPDATE messages AS m SET status = 'PENDING', attention = NULL, error_message = $3, in_doubt = false
WHERE m.message_id = $1 AND m.lease_epoch = $2 AND m.status = 'UNCERTAIN'
  AND EXISTS (SELECT FROM tasks t WHERE t.task_id = m.message_id AND t.status = 'FAILED')
RETURNING m.message_id;

-- name: recipient_found
-- The same for a campaign's recipient ($3: the campaign), with its counters.
WITH found AS (
  UPDATE email_recipients AS r
  SET status = 'SENT', attention = NULL, sent_at = r.sending_at, provider_message_id = $4, error_message = NULL,
      (cost, currency) = (SELECT p.price, p.currency FROM providers p WHERE p.name = r.provider)
  WHERE r.campaign_id = $3 AND r.recipient_id = $1 AND r.lease_epoch = $2 AND r.status = 'UNCERTAIN'
  RETURNING r.recipient_id, r.cost, r.currency
), costed AS (
  INSERT INTO campaign_costs AS k (campaign_id, slot, currency, cost)
  SELECT $3, 0, currency, cost FROM found WHERE cost IS NOT NULL
  ON CONFLICT (campaign_id, slot, currency) DO UPDATE SET cost = k.cost + excluded.cost
), counted AS (
  INSERT INTO campaign_counters AS k (campaign_id, slot, uncertain, sent)
  SELECT $3, 0, -count(*), count(*) FROM found HAVING count(*) > 0
  ON CONFLICT (campaign_id, slot) DO UPDATE
  SET uncertain = k.uncertain + excluded.uncertain, sent = k.sent + excluded.sent
), noticed AS (
  UPDATE campaigns SET active = true WHERE campaign_id = $3 AND EXISTS (SELECT FROM found)
)
SELECT recipient_id FROM found;
