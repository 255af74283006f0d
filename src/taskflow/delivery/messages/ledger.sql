-- The ledger of messages. All statements run on `database.hot` (plans walk indexes only) and join on `unnest` of sorted
-- ids; `OFFSET 0` keeps the planner from turning the join round. See `campaigns/ledger.sql`, which does the same for
-- campaigns: here no campaign is asked, and nothing is counted.

-- name: read
-- What is known of these messages.
SELECT m.message_id, m.submission_id, m.status, m.lease_epoch, m.attempt, m.channel, m.address, m.name, m.locale,
       m.personalization, m.uncertain_policy, m.error_message,
       extract(epoch FROM clock_timestamp() - m.sending_at)::float8 AS sending_seconds,
       m.in_doubt, coalesce(m.expires_at <= clock_timestamp(), false) AS is_expired,
       extract(epoch FROM clock_timestamp() - greatest(m.created_at, m.scheduled_at))::float8 AS due_seconds
FROM unnest($1::uuid[]) AS i (id)
CROSS JOIN LATERAL (SELECT * FROM messages WHERE message_id = i.id LIMIT 1) AS m;

-- name: submissions
-- What these messages have in common; of finished mails only the size, which is known without reading them.
SELECT s.submission_id, s.channel, s.template_id, s.template_version, s.archive, s.letter, octet_length(s.raw) AS raw_bytes
FROM (
  SELECT DISTINCT m.submission_id
  FROM unnest($1::uuid[]) AS i (id)
  CROSS JOIN LATERAL (SELECT submission_id FROM messages WHERE message_id = i.id LIMIT 1) AS m
) AS i
JOIN message_submissions s ON s.submission_id = i.submission_id;

-- name: whole
-- A finished mail, and files that came with a call.
SELECT raw, files FROM message_submissions WHERE submission_id = $1;

-- name: begin
-- SENDING, before the network is touched.
--   $1 provider, then id, epoch, the status and attempt the row was read with, channel, address, what an erasure has left
--   of the address, subject, size, content to keep, whether it is promotional. Only while the task is RUNNING under this
--   epoch, the row is as it was read, and not too late. Who must not be written to ends SUPPRESSED instead, for a reason
--   that is told, and over no provider. To have unsubscribed from campaigns is one for promotional mail only: a receipt is
--   no campaign. Whoever has answered STOP to a text gets none. Their values go at once, where the archive does not keep
--   them.
-- Answers (id, status now) for every row that moved.
WITH next AS (
  SELECT u.*, s.why, CASE WHEN s.why IS NULL THEN 'SENDING' ELSE 'SUPPRESSED' END AS wanted
  FROM unnest($2::uuid[], $3::int[], $4::text[], $5::int[], $6::text[], $7::text[], $8::text[], $9::text[], $10::int[],
              $11::bytea[], $12::bool[])
    AS u (id, epoch, was, attempt, channel, address, erased, subject, size, content, promotional)
  JOIN tasks t ON t.task_id = u.id AND t.lease_epoch = u.epoch AND t.status = 'RUNNING'
  LEFT JOIN LATERAL (
    SELECT suppressed_because(s.reason, s.address, s.source, s.created_at) AS why
    FROM suppressions s
    WHERE s.channel = u.channel
      AND s.address = ANY (suppression_keys(u.address, u.erased))
      AND s.list_id IS NULL AND (s.reason <> 'unsubscribed' OR u.channel = 'sms' OR u.promotional)
    LIMIT 1
  ) AS s ON true
  OFFSET 0
), begun AS (
  UPDATE messages AS m
  SET status = n.wanted,
      attention = CASE n.wanted WHEN 'SUPPRESSED' THEN n.wanted END,
      lease_epoch = n.epoch,
      attempt = m.attempt + CASE n.wanted WHEN 'SENDING' THEN 1 ELSE 0 END,
      sending_at = CASE n.wanted WHEN 'SENDING' THEN clock_timestamp() ELSE m.sending_at END,
      subject = n.subject,
      size_bytes = n.size,
      provider = CASE n.wanted WHEN 'SENDING' THEN $1 ELSE m.provider END,
      error_message = n.why,
      bounce_reason = NULL,
      in_doubt = m.in_doubt OR n.was = 'SENDING',
      personalization = CASE WHEN n.wanted = 'SUPPRESSED' AND (m.channel = 'sms' OR EXISTS (
                               SELECT FROM message_submissions s
                               WHERE s.submission_id = m.submission_id AND s.archive <> 'full'))
                             THEN '{}' ELSE m.personalization END
  FROM next AS n
  WHERE m.message_id = n.id AND m.status = n.was AND m.attempt = n.attempt
    AND (m.expires_at IS NULL OR m.expires_at > clock_timestamp())
  RETURNING m.message_id, m.status, n.content
), kept AS (
  INSERT INTO message_contents AS c (message_id, content)
  SELECT message_id, content FROM begun WHERE status = 'SENDING' AND content IS NOT NULL ORDER BY message_id
  ON CONFLICT (message_id) DO UPDATE SET content = excluded.content
)
SELECT message_id, status FROM begun;

-- name: hand_on
-- Another provider gets what one has refused, before the network is touched again.
UPDATE messages AS m SET provider = $1
FROM unnest($2::uuid[], $3::int[]) AS u (id, epoch)
JOIN tasks t ON t.task_id = u.id AND t.lease_epoch = u.epoch AND t.status = 'RUNNING'
WHERE m.message_id = u.id AND m.lease_epoch = u.epoch AND m.status = 'SENDING'
RETURNING m.message_id;

-- name: end
-- What became of them, right after the network. Only the attempt that set SENDING gets through: its epoch is the row's.
--   id, epoch, status, reply, error, whether the attempt counts, who had it last and the id it got there, the cause of a
--   refusal, whether nobody knows what became of it, whether the values of the person are to be forgotten now that the
--   message is out; last, the prices of the settings. What is SENT costs what its provider takes now: a mail once, a text for each of its parts.
WITH ended AS (
  UPDATE messages AS m
  SET status = o.status,
      attention = CASE WHEN o.status NOT IN ('SENT', 'PENDING') THEN o.status END,
      sent_at = CASE WHEN o.status = 'SENT' THEN clock_timestamp() END,
      attempt = m.attempt - CASE WHEN o.counts THEN 0 ELSE 1 END,
      reply = o.reply,
      error_message = o.error,
      bounce_reason = o.cause,
      in_doubt = m.in_doubt OR o.doubtful,
      provider = coalesce(o.provider, m.provider),
      provider_message_id = o.provider_id,
      (cost, currency) = (SELECT c.price * coalesce(m.segments, 1), c.currency
                          FROM price_of(o.provider, CASE m.channel WHEN 'sms' THEN m.address END, $12::jsonb) AS c
                          WHERE o.status = 'SENT'),
      personalization = CASE WHEN o.status = 'SENT' AND o.forget THEN '{}' ELSE m.personalization END
  FROM (
    SELECT u.*
    FROM unnest($1::uuid[], $2::int[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::text[], $8::text[], $9::text[],
                $10::bool[], $11::bool[])
      AS u (id, epoch, status, reply, error, counts, provider, provider_id, cause, doubtful, forget)
    OFFSET 0
  ) AS o
  WHERE m.message_id = o.id AND m.lease_epoch = o.epoch AND m.status = 'SENDING'
  RETURNING m.message_id, m.status
)
SELECT message_id, status FROM ended;

-- name: suppress_refused
-- Behind `end`, in its transaction: who has no mailbox, or no such number, or wants nothing as its provider knows, is not
-- written to again. Id, epoch and reason.
INSERT INTO suppressions (channel, address, reason, source, note)
SELECT b.channel, b.address, b.reason, 'refused', b.note
FROM (
  SELECT m.channel, lower(m.address) AS address, o.reason, left(m.reply, 1000) AS note
  FROM (SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[]) AS u (id, epoch, reason) OFFSET 0) AS o
  JOIN messages m ON m.message_id = o.id
  WHERE m.lease_epoch = o.epoch AND m.status = 'FAILED'
  ORDER BY m.channel, address
) AS b
ON CONFLICT DO NOTHING;

-- name: settle
-- Rows that end without a network: SENDING of a lost attempt becomes UNCERTAIN, what cannot be made FAILED.
--   id, epoch of the task that says so, the status and epoch the row was read with, the status it gets, why.
WITH ended AS (
  UPDATE messages AS m
  SET status = o.wanted, attention = o.wanted, error_message = o.error, bounce_reason = NULL,
      in_doubt = m.in_doubt OR o.wanted = 'UNCERTAIN'
  FROM (
    SELECT u.* FROM unnest($1::uuid[], $2::int[], $3::text[], $4::int[], $5::text[], $6::text[])
           AS u (id, epoch, was, was_epoch, wanted, error)
    JOIN tasks t ON t.task_id = u.id AND t.lease_epoch = u.epoch AND t.status = 'RUNNING'
    OFFSET 0
  ) AS o
  WHERE m.message_id = o.id AND m.status = o.was AND m.lease_epoch = o.was_epoch
  RETURNING m.message_id
)
SELECT message_id FROM ended;

-- name: wait
-- Why messages that are not begun are not sent yet: id, epoch of the task that says so, the sentence.
UPDATE messages AS m SET error_message = u.why
FROM unnest($1::uuid[], $2::int[], $3::text[]) AS u (id, epoch, why)
JOIN tasks t ON t.task_id = u.id AND t.lease_epoch = u.epoch AND t.status = 'RUNNING'
WHERE m.message_id = u.id AND m.status IN ('PENDING', 'DEFERRED');
