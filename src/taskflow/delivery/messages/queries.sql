-- Messages as people and programs submit, find and steer them. These run on the ordinary pool.

-- name: insert_submission
-- One that is there already, or has been, belongs to a request that is repeated.
INSERT INTO message_submissions (submission_id, created_by, template_id, template_version, source, archive, letter, raw)
SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE NOT EXISTS (SELECT FROM messages WHERE submission_id = $1)
ON CONFLICT DO NOTHING;

-- name: submitted
-- What a submission became.
SELECT message_id, address, status FROM messages WHERE submission_id = $1 ORDER BY message_id;

-- name: columns
  message_id, campaign_id, submission_id, task_id, channel, address, from_address, subject, tags, template_id,
  template_version, status, attempt, provider, provider_message_id, reply, error_message, bounce_reason, size_bytes,
  cost, created_at, scheduled_at, sending_at, sent_at, uncertain_policy

-- name: chosen
-- What a filter asks of every message that it lists: a page, newest first.
  ($1::uuid IS NULL OR message_id < $1)
  AND ($2::uuid IS NULL OR message_id >= $2)
  AND ($3::uuid IS NULL OR message_id < $3)
  AND ($4::text IS NULL OR status = $4)
  AND ($5::text IS NULL OR channel = $5)
  AND ($6::text IS NULL OR provider = $6)
  AND ($7::text IS NULL OR tags @> ARRAY[$7])
  AND ($8::uuid IS NULL OR submission_id = $8)
ORDER BY message_id DESC LIMIT $9

-- name: list_messages
SELECT NULL::uuid AS campaign_id, m.* FROM messages AS m WHERE
-- include: chosen
;

-- name: list_attention
-- The same for states that somebody may want to look into: the partial index holds only those.
SELECT NULL::uuid AS campaign_id, m.* FROM messages AS m WHERE attention = $4 AND
-- include: chosen
;

-- name: list_address
-- The same for everything that an address got or shall get, campaign mail too.
SELECT
-- include: columns
FROM message_log WHERE lower(address) = lower($10::text) AND
-- include: chosen
;

-- name: get_message
SELECT NULL::uuid AS campaign_id, m.*, s.source FROM messages m
LEFT JOIN message_submissions s USING (submission_id) WHERE m.message_id = $1;

-- name: attempts
SELECT attempt_number, started_at, completed_at, duration_seconds, status, error_message
FROM task_executions WHERE task_id = $1 ORDER BY lease_epoch;

-- name: content
-- What was sent: kept by message, or as it was handed over by SMTP.
SELECT m.message_id, m.subject, m.status, coalesce(c.content, CASE WHEN s.archive = 'full' THEN s.raw END) AS content
FROM messages m
LEFT JOIN message_contents c USING (message_id)
LEFT JOIN message_submissions s USING (submission_id)
WHERE m.message_id = $1;

-- name: forgets
-- Whether the archive lets a message that has ended keep no values of its person.
  EXISTS (SELECT FROM message_submissions s WHERE s.submission_id = messages.submission_id AND s.archive <> 'full')

-- name: cancel
-- Only what is not on the wire, and has not been.
UPDATE messages
SET status = 'CANCELLED',
    attention = 'CANCELLED',
    personalization = CASE WHEN
-- include: forgets
      THEN '{}' ELSE personalization END
WHERE message_id = $1 AND status IN ('PENDING', 'DEFERRED') RETURNING message_id;

-- name: resolve
-- A person decides about an uncertain message: sent, failed, or to be sent again. One whose task is still ending stays
-- when it is to be sent again, because a task that has not ended cannot start over.
UPDATE messages
SET status = $2::text,
    attention = CASE WHEN $2::text = 'FAILED' THEN $2::text END,
    sent_at = CASE WHEN $2::text = 'SENT' THEN sending_at END,
    personalization = CASE WHEN $2::text = 'SENT' AND
-- include: forgets
      THEN '{}' ELSE personalization END,
    error_message = CASE WHEN $2::text = 'FAILED' THEN 'Resolved by hand: not delivered.' END
WHERE message_id = $1 AND status = 'UNCERTAIN'
  AND ($2::text <> 'PENDING' OR NOT EXISTS (SELECT FROM tasks t WHERE t.task_id = $1 AND t.completed_at IS NULL))
RETURNING message_id;

-- ───────────────────────────────────────────── retention ────────────────────────────────────────────

-- name: unkept
-- A call whose words are not to be kept, once every message of it is out.
  s.archive <> 'full' AND NOT EXISTS (
    SELECT FROM messages m
    WHERE m.submission_id = s.submission_id
      AND m.status IN ('PENDING', 'DEFERRED', 'SENDING', 'UNCERTAIN', 'FAILED'))

-- name: old_submission
-- An old call, once none of its messages can be sent any more.
  s.submission_id < $1 AND NOT EXISTS (
    SELECT FROM messages m
    WHERE m.submission_id = s.submission_id AND m.status IN ('PENDING', 'DEFERRED', 'SENDING'))

-- name: old_message
-- An old message that has ended; one that somebody has to decide about stays.
  message_id < $2 AND status NOT IN ('PENDING', 'DEFERRED', 'SENDING', 'UNCERTAIN')

-- name: is_something_old
-- Whether there is anything to do; asked without a lock. $1: calls and contents before this are old; $2: messages.
SELECT EXISTS (SELECT FROM message_submissions s WHERE
-- include: unkept
  ) OR EXISTS (SELECT FROM message_submissions s WHERE
-- include: old_submission
  ) OR EXISTS (SELECT FROM message_contents WHERE message_id < $1)
    OR EXISTS (SELECT FROM messages WHERE
-- include: old_message
  );

-- name: expire
-- Deletes up to $3 of each.
WITH unkept AS (
  DELETE FROM message_submissions WHERE submission_id IN (
    SELECT s.submission_id FROM message_submissions s WHERE
-- include: unkept
    ORDER BY s.submission_id LIMIT $3)
  RETURNING 1
), submissions AS (
  DELETE FROM message_submissions WHERE submission_id IN (
    SELECT s.submission_id FROM message_submissions s WHERE
-- include: old_submission
    ORDER BY s.submission_id LIMIT $3)
  RETURNING 1
), contents AS (
  DELETE FROM message_contents WHERE message_id IN (
    SELECT message_id FROM message_contents WHERE message_id < $1 ORDER BY message_id LIMIT $3)
  RETURNING 1
), gone AS (
  DELETE FROM messages WHERE message_id IN (
    SELECT message_id FROM messages WHERE
-- include: old_message
    ORDER BY message_id LIMIT $3)
  RETURNING 1
)
SELECT (SELECT count(*) FROM unkept) + (SELECT count(*) FROM submissions) + (SELECT count(*) FROM contents)
     + (SELECT count(*) FROM gone);
