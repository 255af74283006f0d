-- Messages as people and programs submit, find and steer them. These run on the ordinary pool.

-- name: insert_submission
-- One that is there already, or has been, belongs to a request that is repeated.
INSERT INTO message_submissions
  (submission_id, channel, created_by, template_id, template_version, source, archive, letter, raw, files)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 WHERE NOT EXISTS (SELECT FROM messages WHERE submission_id = $1)
ON CONFLICT DO NOTHING;

-- name: submitted
-- What a submission became.
SELECT message_id, address, status, segments AS parts, encoding, scheduled_at, error_message
FROM messages WHERE submission_id = $1 ORDER BY message_id;

-- name: columns
  message_id, campaign_id, submission_id, task_id, channel, address, from_address, subject, tags, template_id,
  template_version, status, attempt, provider, provider_message_id, reply, error_message, bounce_reason, size_bytes,
  cost, currency, created_at, scheduled_at, sending_at, sent_at, uncertain_policy, segments AS parts, encoding, delivery,
  delivery_cause, delivery_at

-- name: looked_for
-- What is known of the search for an uncertain message.
LEFT JOIN reconciliations q ON status = 'UNCERTAIN' AND q.ledger_id = message_id

-- name: chosen
-- What a filter asks of every message that it lists: a page, newest first.
  ($1::uuid IS NULL OR message_id < $1)
  AND ($2::uuid IS NULL OR message_id >= $2)
  AND ($3::uuid IS NULL OR message_id < $3)
  AND ($4::text[] IS NULL OR status = ANY ($4))
  AND ($5::text IS NULL OR channel = $5)
  AND ($6::text IS NULL OR provider = $6)
  AND ($7::text IS NULL OR tags @> ARRAY[$7])
  AND ($8::uuid IS NULL OR submission_id = $8)
  AND (NOT $10::bool OR scheduled_at > now())
  AND ($11::text[] IS NULL OR provider_message_id = ANY ($11) OR subject ILIKE $12 OR message_id = $13::uuid)
  AND ($14::text IS NULL OR delivery = $14)
ORDER BY message_id DESC LIMIT $9

-- name: told
-- What its provider told of a text after it had taken it. It is looked up when somebody asks: a report may come before
-- the ledger has committed the provider's id.
LEFT JOIN LATERAL (
  SELECT s.status AS delivery, s.cause AS delivery_cause, s.received_at AS delivery_at FROM sms_standings s
  WHERE m.channel = 'sms' AND s.provider_id = m.provider_message_id
    AND (s.provider IS NULL OR s.provider = m.provider) AND (s.message_id IS NULL OR s.message_id = m.message_id)
  LIMIT 1
) AS told ON true

-- name: list_messages
SELECT NULL::uuid AS campaign_id, m.*, m.segments AS parts, told.*, looks, next_look_at, finding FROM messages AS m
-- include: told
-- include: looked_for
WHERE
-- include: chosen
;

-- name: list_attention
-- The same for a state that somebody may want to look into: the partial index holds only those.
SELECT NULL::uuid AS campaign_id, m.*, m.segments AS parts, told.*, looks, next_look_at, finding FROM messages AS m
-- include: told
-- include: looked_for
WHERE attention = ($4::text[])[1] AND
-- include: chosen
;

-- name: list_address
-- The same for everything that an address got or shall get, campaign mail too.
SELECT
-- include: columns
, looks, next_look_at, finding
FROM message_log
-- include: looked_for
WHERE lower(address) = lower($15::text) AND
-- include: chosen
;

-- name: list_own
-- Those that came with a key which sees no others ($15), of an address ($16) without campaign mail.
SELECT NULL::uuid AS campaign_id, m.*, m.segments AS parts, told.*, looks, next_look_at, finding FROM messages AS m
-- include: told
-- include: looked_for
WHERE key_id = $15 AND ($16::text IS NULL OR lower(address) = lower($16)) AND
-- include: chosen
;

-- name: ids
-- Nothing but ids, newest first: those before $1 and not before $2.
SELECT message_id FROM messages
WHERE ($1::uuid IS NULL OR message_id < $1) AND message_id >= $2 ORDER BY message_id DESC LIMIT $3;

-- name: stats
-- How many of a time have which status, by the hour or the day in which they were submitted.
SELECT date_trunc($6, created_at, 'UTC') AS at, status, count(*)::int AS messages
FROM messages
WHERE message_id >= $1 AND message_id < $2
  AND ($3::text IS NULL OR provider = $3)
  AND ($4::text IS NULL OR tags @> ARRAY[$4])
  AND ($5::text IS NULL OR channel = $5)
GROUP BY 1, 2;

-- name: costs
-- What sent messages without a campaign have cost, as far as their providers had prices; campaigns know their own sums.
SELECT provider, channel, currency, count(*)::int AS messages, sum(cost)::float8 AS cost
FROM messages
WHERE cost IS NOT NULL
  AND ($1::uuid IS NULL OR message_id >= $1)
  AND ($2::uuid IS NULL OR message_id < $2)
  AND ($3::text IS NULL OR tags @> ARRAY[$3])
GROUP BY provider, channel, currency ORDER BY provider, channel, currency;

-- name: get_message
SELECT NULL::uuid AS campaign_id, m.*, m.segments AS parts, s.source, told.*, looks, next_look_at, finding
FROM messages m
LEFT JOIN message_submissions s USING (submission_id)
-- include: told
-- include: looked_for
WHERE m.message_id = $1;

-- name: get_campaign_mail
-- The same for a campaign's recipient. Their ids are found within a campaign: each is asked once.
SELECT
-- include: columns
, NULL::text AS name, NULL::text AS locale, NULL::timestamptz AS expires_at, NULL::text AS source,
  looks, next_look_at, finding
FROM message_log
-- include: looked_for
WHERE message_id = $1 AND campaign_id = (
  SELECT c.campaign_id FROM campaigns c CROSS JOIN LATERAL (
    SELECT FROM email_recipients WHERE campaign_id = c.campaign_id AND recipient_id = $1 LIMIT 1) AS r
  LIMIT 1);

-- name: attempts
SELECT attempt_number, started_at, completed_at, duration_seconds, status, error_message,
       ARRAY(SELECT l.message FROM task_logs l
             WHERE l.task_id = $1 AND l.metadata @> jsonb_build_object('lease_epoch', e.lease_epoch)
             ORDER BY l.log_id) AS refusals
FROM task_executions e WHERE task_id = $1 ORDER BY lease_epoch;

-- name: content
-- What was sent: kept by message, or as it was handed over by SMTP.
SELECT m.message_id, m.channel, m.created_at, coalesce(c.content, CASE WHEN s.archive = 'full' THEN s.raw END) AS content
FROM messages m
LEFT JOIN message_contents c USING (message_id)
LEFT JOIN message_submissions s USING (submission_id)
WHERE m.message_id = $1;

-- name: forgets
-- Whether the archive lets a message that has ended keep no values of its person.
  (messages.channel = 'sms' OR EXISTS (
    SELECT FROM message_submissions s WHERE s.submission_id = messages.submission_id AND s.archive <> 'full'))

-- name: cancel
-- Only what is not on the wire, and has not been. Rows are locked in the order in which senders do.
WITH these AS MATERIALIZED (
  SELECT message_id AS id FROM messages
  WHERE message_id = ANY ($1::uuid[]) AND status IN ('PENDING', 'DEFERRED') ORDER BY message_id FOR UPDATE
)
UPDATE messages
SET status = 'CANCELLED',
    attention = 'CANCELLED',
    personalization = CASE WHEN
-- include: forgets
      THEN '{}' ELSE personalization END
FROM these WHERE message_id = id RETURNING message_id;

-- name: resend
-- A failed message is to be sent again as it is: only while its words are kept, its person was not erased, and its task
-- has ended, because one that has not cannot start over. It stays in doubt whether an earlier attempt got through.
UPDATE messages
SET status = 'PENDING', attention = NULL, error_message = NULL, bounce_reason = NULL
WHERE message_id = $1 AND status = 'FAILED'
  AND
-- include: has_words
  AND NOT EXISTS (SELECT FROM tasks t WHERE t.task_id = $1 AND t.status NOT IN ('FAILED', 'TIMEOUT', 'CANCELLED'))
RETURNING channel;

-- name: has_words
-- Whether what a message says is still there: with its call, and of a text in its row. None goes to who was erased.
  (EXISTS (SELECT FROM message_submissions s WHERE s.submission_id = messages.submission_id)
   AND (messages.channel <> 'sms' OR messages.personalization ? 'text')
   AND messages.address <> 'erased-' || messages.message_id || '@erased.invalid')

-- name: are_words_kept
SELECT
-- include: has_words
FROM messages WHERE message_id = $1;

-- name: resolve
-- A person decides about uncertain messages: sent, failed, or to be sent again. One whose task is still ending stays
-- when it is to be sent again, because a task that has not ended cannot start over; so does one whose words are gone.
-- $3: the prices of the settings.
WITH these AS MATERIALIZED (
  SELECT message_id AS id FROM messages
  WHERE message_id = ANY ($1::uuid[]) AND status = 'UNCERTAIN' ORDER BY message_id FOR UPDATE
), resolved AS (
  UPDATE messages
  SET status = $2::text,
      attention = CASE WHEN $2::text = 'FAILED' THEN $2::text END,
      sent_at = CASE WHEN $2::text = 'SENT' THEN sending_at END,
      personalization = CASE WHEN $2::text = 'SENT' AND
-- include: forgets
        THEN '{}' ELSE personalization END,
      (cost, currency) = (SELECT c.price * coalesce(segments, 1), c.currency
                          FROM price_of(provider, CASE channel WHEN 'sms' THEN address END, $3::jsonb) AS c
                          WHERE $2::text = 'SENT'),
      error_message = CASE WHEN $2::text = 'FAILED' THEN 'Resolved by hand: not delivered.' END
  FROM these
  WHERE message_id = id
    AND ($2::text <> 'PENDING' OR (
      NOT EXISTS (SELECT FROM tasks t WHERE t.task_id = id AND t.completed_at IS NULL)
      AND
-- include: has_words
    ))
  RETURNING message_id, channel
), forgotten AS (
  DELETE FROM reconciliations WHERE ledger_id IN (SELECT message_id FROM resolved)
)
SELECT message_id, channel FROM resolved;

-- ────────────────────────────────────────────── orphans ─────────────────────────────────────────────

-- name: ended_badly
-- Tasks without a campaign that failed or were cancelled after $1 (null: all that are kept), and messages that are open
-- all the same; $2: seconds after which one that is still SENDING cannot be on the wire any more.
  (
    SELECT task_id, status FROM tasks WHERE failed_at > coalesce($1, '-infinity'::timestamptz) AND campaign_id IS NULL
    UNION ALL
    SELECT task_id, status FROM tasks
    WHERE completed_at > coalesce($1, '-infinity'::timestamptz) AND cancel_requested_at IS NOT NULL
      AND status = 'CANCELLED' AND campaign_id IS NULL
  ) AS t JOIN messages m ON m.message_id = t.task_id
  WHERE m.status IN ('PENDING', 'DEFERRED')
     OR (m.status = 'SENDING' AND m.sending_at < now() - $2::float8 * interval '1 second')

-- name: look_for_orphans
-- Whether there are any; asked without a lock, with the time of the look.
SELECT now(), EXISTS (SELECT FROM
-- include: ended_badly
);

-- name: settle_orphans
-- Up to $3 rows end as their tasks did, with the reason of the dead letter; who was on the wire is UNCERTAIN.
WITH orphan AS MATERIALIZED (
  SELECT m.message_id,
         CASE WHEN m.status = 'SENDING' THEN 'UNCERTAIN' WHEN t.status = 'CANCELLED' THEN 'CANCELLED' ELSE 'FAILED' END
           AS wanted
  FROM
-- include: ended_badly
  ORDER BY m.message_id LIMIT $3 FOR UPDATE OF m
), settled AS (
  UPDATE messages AS m
  SET status = o.wanted, attention = o.wanted,
      error_message = coalesce((SELECT failure_reason FROM dead_letter_queue d WHERE d.task_id = o.message_id
                                ORDER BY d.lease_epoch DESC LIMIT 1), m.error_message)
  FROM orphan o WHERE m.message_id = o.message_id
  RETURNING m.message_id
)
SELECT count(*)::int FROM settled;

-- ───────────────────────────────────────────── retention ────────────────────────────────────────────

-- name: unkept
-- A call whose words are not to be kept, once every message of it is out.
  s.archive <> 'full' AND NOT EXISTS (
    SELECT FROM messages m
    WHERE m.submission_id = s.submission_id
      AND m.status IN ('PENDING', 'DEFERRED', 'SENDING', 'UNCERTAIN', 'FAILED'))

-- name: old_submission
-- An old call, once none of its messages can be sent any more, nor could lately: what was scheduled for weeks ahead is as
-- old as its sending.
  s.submission_id < $1 AND NOT EXISTS (
    SELECT FROM messages m
    WHERE m.submission_id = s.submission_id
      AND (m.status IN ('PENDING', 'DEFERRED', 'SENDING') OR greatest(m.scheduled_at, m.sending_at, m.sent_at) >= $3))

-- name: old_message
-- An old message that has ended; one that somebody has to decide about stays. Ids tell the age of the call and bound the
-- walk; it counts from the end.
  message_id < $2 AND status NOT IN ('PENDING', 'DEFERRED', 'SENDING', 'UNCERTAIN')
  AND coalesce(greatest(scheduled_at, sending_at, sent_at) < $4, true)

-- name: is_something_old
-- Whether there is anything to do; asked without a lock. $1: calls and contents before this are old; $2: messages; $3 and
-- $4: the same as times.
SELECT EXISTS (SELECT FROM message_submissions s WHERE
-- include: unkept
  ) OR EXISTS (SELECT FROM message_submissions s WHERE
-- include: old_submission
  ) OR EXISTS (SELECT FROM message_contents WHERE message_id < $1 AND created_at < $3)
    OR EXISTS (SELECT FROM messages WHERE
-- include: old_message
  );

-- name: expire
-- Deletes up to $5 of each.
WITH unkept AS (
  DELETE FROM message_submissions WHERE submission_id IN (
    SELECT s.submission_id FROM message_submissions s WHERE
-- include: unkept
    ORDER BY s.submission_id LIMIT $5)
  RETURNING 1
), submissions AS (
  DELETE FROM message_submissions WHERE submission_id IN (
    SELECT s.submission_id FROM message_submissions s WHERE
-- include: old_submission
    ORDER BY s.submission_id LIMIT $5)
  RETURNING 1
), contents AS (
  DELETE FROM message_contents WHERE message_id IN (
    SELECT message_id FROM message_contents WHERE message_id < $1 AND created_at < $3 ORDER BY message_id LIMIT $5)
  RETURNING 1
), gone AS (
  DELETE FROM messages WHERE message_id IN (
    SELECT message_id FROM messages WHERE
-- include: old_message
    ORDER BY message_id LIMIT $5)
  RETURNING 1
)
SELECT (SELECT count(*) FROM unkept) + (SELECT count(*) FROM submissions) + (SELECT count(*) FROM contents)
     + (SELECT count(*) FROM gone);
