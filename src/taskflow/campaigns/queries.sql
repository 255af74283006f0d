-- Campaigns outside the hot path: people's requests and the campaigns duty.

-- name: insert_campaign
INSERT INTO campaigns (campaign_id, name, template_subject, template_body, template_text, template_variables,
                       from_email, from_name, reply_to, rate_limit_per_minute, uncertain_policy, scheduled_at,
                       audience, created_by, template_id, template_version, needs)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17);

-- name: select_campaigns
-- One campaign ($1), or the page of `$4` newest before `$3`, of one status ($2) or any; with sums and import report.
SELECT c.campaign_id, c.name, c.status, c.outcome, c.template_subject, c.template_body, c.template_text,
       c.template_variables, c.from_email, c.from_name, c.reply_to, c.rate_limit_per_minute, c.uncertain_policy,
       c.total_recipients, c.created_at, c.scheduled_at, c.started_at, c.completed_at, c.created_by, c.error_message,
       c.audience, c.frozen_at,
       c.template_id, c.template_version,
       k.sent, k.failed, k.deferred, k.uncertain, k.suppressed, k.cancelled,
       (SELECT coalesce(jsonb_object_agg(currency, cost ORDER BY currency), '{}')
        FROM (SELECT currency, sum(cost) AS cost FROM campaign_costs WHERE campaign_id = c.campaign_id GROUP BY currency)
          AS by_currency) AS costs,
       i.import_id, i.filename, i.encoding, i.delimiter, i.rows, i.accepted, i.rejected, i.duplicates
FROM campaigns c
CROSS JOIN LATERAL (
  SELECT coalesce(sum(sent), 0)::int AS sent, coalesce(sum(failed), 0)::int AS failed,
         coalesce(sum(deferred), 0)::int AS deferred, coalesce(sum(uncertain), 0)::int AS uncertain,
         coalesce(sum(suppressed), 0)::int AS suppressed, coalesce(sum(cancelled), 0)::int AS cancelled
  FROM campaign_counters k WHERE k.campaign_id = c.campaign_id
) AS k
LEFT JOIN LATERAL (
  SELECT * FROM campaign_imports i WHERE i.campaign_id = c.campaign_id ORDER BY i.import_id DESC LIMIT 1
) AS i ON true
WHERE ($1::uuid IS NULL OR c.campaign_id = $1) AND ($2::text IS NULL OR c.status = $2)
  AND ($3::uuid IS NULL OR c.campaign_id < $3)
ORDER BY c.campaign_id DESC LIMIT $4;

-- name: move
-- One step of the state machine: $2 is the new status, $3 the states it may start from, $4 the outcome of an end.
UPDATE campaigns
SET status = $2::text, outcome = $4, active = true, error_message = NULL,
    started_at = CASE WHEN $2::text = 'RUNNING' THEN coalesce(started_at, now()) ELSE started_at END,
    completed_at = CASE WHEN $2::text IN ('COMPLETED', 'FAILED', 'CANCELLED') THEN now() END
WHERE campaign_id = $1 AND status = ANY($3::text[])
RETURNING status;

-- name: fail
-- Give up a campaign that cannot start ($2: why), from the states $3.
UPDATE campaigns SET status = 'FAILED', completed_at = now(), active = false, error_message = $2
WHERE campaign_id = $1 AND status = ANY($3::text[]) RETURNING status;

-- name: status_of
SELECT status FROM campaigns WHERE campaign_id = $1;

-- name: set_error
-- Say (or, with NULL, no longer say) what holds a campaign up.
UPDATE campaigns SET error_message = $2 WHERE campaign_id = $1 AND error_message IS DISTINCT FROM $2;

-- name: set_wait
-- The same of one that runs: why another was paused, or has failed, is not a sender's to change.
UPDATE campaigns SET error_message = $2
WHERE campaign_id = $1 AND status = 'RUNNING' AND error_message IS DISTINCT FROM $2
RETURNING true;

-- name: missing_variables
-- For each path that the template needs: how many recipients lack it, and the first row that does. One pass.
-- $2: top-level names, which decide quickly about almost every row; $3: the paths, dotted.
SELECT p.path AS variable, count(*)::int AS count, min(r.row_number) AS row_number
FROM email_recipients r
CROSS JOIN unnest($3::text[]) AS p (path)
WHERE r.campaign_id = $1
  AND (NOT r.personalization ?& $2::text[] OR cardinality($2::text[]) < cardinality($3::text[]))
  AND r.personalization #>> string_to_array(p.path, '.') IS NULL
GROUP BY p.path ORDER BY p.path;

-- name: missing_variables_by_locale
-- The same for a template with variants: a recipient needs what the variant of their locale needs.
-- $2: the paths, dotted; $3: the variant that each belongs to; $4: all variants; $5: that of everybody else.
SELECT p.path AS variable, count(*)::int AS count, min(r.row_number) AS row_number
FROM email_recipients r
CROSS JOIN LATERAL template_variant(r.personalization ->> 'locale', $4::text[], $5::text) AS c
JOIN unnest($2::text[], $3::text[]) AS p (path, variant) ON p.variant = c.variant
WHERE r.campaign_id = $1 AND r.personalization #>> string_to_array(p.path, '.') IS NULL
GROUP BY p.path ORDER BY p.path;

-- name: email_of_row
SELECT email FROM email_recipients WHERE campaign_id = $1 AND row_number = $2 LIMIT 1;

-- name: recipient_columns
-- A recipient as people see it, with what is known of the search for an uncertain message.
  recipient_id, email, status, personalization, row_number, sent_at, provider, attempt, error_message, bounce_reason,
  reply, task_id, looks, next_look_at, finding, cost, currency
FROM email_recipients LEFT JOIN reconciliations q ON status = 'UNCERTAIN' AND q.ledger_id = recipient_id

-- name: recipients
SELECT
-- include: recipient_columns
WHERE campaign_id = $1 AND recipient_id > $2 ORDER BY recipient_id LIMIT $3;

-- name: recipients_by_attention
-- Of a rare status: found by the partial index.
SELECT
-- include: recipient_columns
WHERE campaign_id = $1 AND attention = $4 AND recipient_id > $2 ORDER BY recipient_id LIMIT $3;

-- name: recipients_by_status
SELECT
-- include: recipient_columns
WHERE campaign_id = $1 AND status = $4 AND recipient_id > $2 ORDER BY recipient_id LIMIT $3;

-- name: import_columns
SELECT columns FROM campaign_imports WHERE campaign_id = $1 ORDER BY import_id DESC LIMIT 1;

-- name: rejections
SELECT row_number, code, reason, raw FROM import_rejections
WHERE import_id = $1 AND row_number > $2 ORDER BY row_number LIMIT $3;

-- name: resolve
-- A person decides about uncertain messages: sent, failed, or to be sent again. $2 NULL: all of them. One whose task is
-- still ending stays listed when it is to be sent again, because a task that has not ended cannot start over.
WITH resolved AS (
  UPDATE email_recipients AS r
  SET status = $3::text,
      attention = CASE WHEN $3::text = 'FAILED' THEN $3::text END,
      sent_at = CASE WHEN $3::text = 'SENT' THEN r.sending_at END,
      (cost, currency) = (SELECT p.price, p.currency FROM providers p WHERE p.name = r.provider AND $3::text = 'SENT'),
      error_message = CASE WHEN $3::text = 'FAILED' THEN 'Resolved by hand: not delivered.' END
  WHERE r.campaign_id = $1 AND r.attention = 'UNCERTAIN' AND ($2::uuid[] IS NULL OR r.recipient_id = ANY($2))
    AND ($3::text <> 'PENDING' OR EXISTS (SELECT FROM tasks t WHERE t.task_id = r.recipient_id AND t.status = 'FAILED'))
  RETURNING r.recipient_id, r.cost, r.currency
), costed AS (
  INSERT INTO campaign_costs AS k (campaign_id, slot, currency, cost)
  SELECT $1, 0, currency, sum(cost) FROM resolved WHERE cost IS NOT NULL GROUP BY currency ORDER BY currency
  ON CONFLICT (campaign_id, slot, currency) DO UPDATE SET cost = k.cost + excluded.cost
), counted AS (
  INSERT INTO campaign_counters AS c (campaign_id, slot, uncertain, sent, failed)
  SELECT $1, 0, -count(*), count(*) FILTER (WHERE $3::text = 'SENT'), count(*) FILTER (WHERE $3::text = 'FAILED')
  FROM resolved HAVING count(*) > 0
  ON CONFLICT (campaign_id, slot) DO UPDATE
  SET uncertain = c.uncertain + excluded.uncertain, sent = c.sent + excluded.sent, failed = c.failed + excluded.failed
), noticed AS (
  UPDATE campaigns SET active = true WHERE campaign_id = $1 AND EXISTS (SELECT FROM resolved)
), forgotten AS (
  DELETE FROM reconciliations WHERE ledger_id IN (SELECT recipient_id FROM resolved)
)
SELECT recipient_id FROM resolved;

-- name: rules
-- What the dispatch must know of campaigns to be rebuilt: which keys are paused, and how fast the others may go.
SELECT campaign_id, status <> 'RUNNING' AS paused, rate_limit_per_minute
FROM campaigns WHERE active AND status IN ('RUNNING', 'PAUSED', 'CANCELLED');

-- ───────────────────────────────────────────── the duty ─────────────────────────────────────────────

-- name: active
SELECT c.campaign_id, c.status, c.scheduled_at <= now() AS due, c.rate_limit_per_minute, c.tasks_made_through,
       c.audience IS NOT NULL AND c.frozen_at IS NULL AS is_open, c.frozen_at IS NOT NULL AS has_contacts,
       c.tasks_made, c.sent_count, c.failed_count, c.outcome, c.total_recipients,
       coalesce(sum(k.sent), 0)::int AS sent, coalesce(sum(k.failed), 0)::int AS failed,
       coalesce(sum(k.deferred), 0)::int AS deferred, coalesce(sum(k.uncertain), 0)::int AS uncertain,
       coalesce(sum(k.suppressed), 0)::int AS suppressed, coalesce(sum(k.cancelled), 0)::int AS cancelled
FROM campaigns c LEFT JOIN campaign_counters k USING (campaign_id)
WHERE c.active GROUP BY c.campaign_id ORDER BY c.campaign_id;

-- name: lock_running
-- Nobody pauses or cancels while a slice is made: they wait for this short transaction.
SELECT tasks_made_through, created_by FROM campaigns WHERE campaign_id = $1 AND status = 'RUNNING' FOR NO KEY UPDATE;

-- name: make_tasks
-- The next slice of send tasks after the cursor: task_id = recipient_id, no arguments, the ledger row is the payload.
-- Answers how far the cursor has come and how many recipients were passed.
WITH slice AS MATERIALIZED (
  SELECT recipient_id, status FROM email_recipients
  WHERE campaign_id = $1 AND recipient_id > $2 ORDER BY recipient_id LIMIT $3
), made AS (
  INSERT INTO tasks (task_id, campaign_id, created_by, priority, max_retries, timeout_seconds, task_name, queue,
                     dispatch_key)
  SELECT recipient_id, $1, $4, $5, $6, $7, $8, $9, $10 FROM slice WHERE status = 'PENDING' ORDER BY recipient_id
  ON CONFLICT DO NOTHING
)
UPDATE campaigns
SET tasks_made_through = (SELECT recipient_id FROM slice ORDER BY recipient_id DESC LIMIT 1),
    tasks_made = tasks_made + (SELECT count(*) FROM slice)
WHERE campaign_id = $1 AND EXISTS (SELECT FROM slice)
RETURNING tasks_made_through AS through, (SELECT count(*) FROM slice)::int AS made;

-- name: slice_ids
-- The recipients between two positions of the cursor: what was made, to be pushed to Redis after the commit.
SELECT recipient_id FROM email_recipients WHERE campaign_id = $1 AND recipient_id > $2 AND recipient_id <= $3
ORDER BY recipient_id;

-- name: write_counts
UPDATE campaigns SET sent_count = $2, failed_count = $3, outcome = CASE WHEN status = 'COMPLETED' THEN $4::text END
WHERE campaign_id = $1;

-- name: count_rows
-- The truth, counted once, before a campaign is called completed.
SELECT status, count(*)::int AS count FROM email_recipients WHERE campaign_id = $1 GROUP BY status;

-- name: complete
UPDATE campaigns
SET status = 'COMPLETED', outcome = $2, completed_at = now(), sent_count = $3, failed_count = $4, error_message = NULL
WHERE campaign_id = $1 AND status = 'RUNNING' RETURNING campaign_id;

-- name: lock
-- First in its transaction, so that the statement after it sees what whoever held the row has committed.
SELECT FROM campaigns WHERE campaign_id = $1 FOR NO KEY UPDATE;

-- name: summarise_slice
-- Who of one slice of an ended campaign's contacts was sent a mail, and when: into the summary that segments read.
WITH slice AS MATERIALIZED (
  SELECT recipient_id, contact_id, sent_at, status FROM email_recipients
  WHERE campaign_id = $1 AND recipient_id > $2 ORDER BY recipient_id LIMIT $3
), summarised AS (
  INSERT INTO contact_activity AS a (contact_id, last_received_at)
  SELECT contact_id, max(sent_at) FROM slice JOIN subscribers USING (contact_id)  -- nobody who was deleted
  WHERE slice.status IN ('SENT', 'BOUNCED', 'UNSUBSCRIBED')
  GROUP BY contact_id ORDER BY contact_id
  ON CONFLICT (contact_id) DO UPDATE SET last_received_at = greatest(a.last_received_at, excluded.last_received_at)
)
SELECT recipient_id FROM slice ORDER BY recipient_id DESC LIMIT 1;

-- name: put_to_rest
-- The duty has nothing more to do for an ended campaign, unless its sums have moved since they were read.
UPDATE campaigns AS c SET active = false
WHERE c.campaign_id = $1 AND c.status IN ('COMPLETED', 'FAILED', 'CANCELLED') AND c.sent_count = $2 AND c.failed_count = $3
  AND ($2, $3) = (SELECT coalesce(sum(k.sent), 0), coalesce(sum(k.failed), 0) FROM campaign_counters k
                  WHERE k.campaign_id = c.campaign_id)
RETURNING true;

-- name: has_live_tasks
SELECT EXISTS (SELECT FROM tasks WHERE dispatch_key = $1 AND completed_at IS NULL);

-- name: sweep_cancelled
-- One slice of a cancelled campaign: who waits ends CANCELLED, with the task; who was on the wire when the sender died
-- is UNCERTAIN. Rows that a living sender holds are left to it.
WITH slice AS MATERIALIZED (
  SELECT r.recipient_id, r.status, r.deferred, t.status AS task
  FROM (
    SELECT recipient_id, status, status = 'DEFERRED' AS deferred FROM email_recipients
    WHERE campaign_id = $1 AND recipient_id > $2 ORDER BY recipient_id LIMIT $3 FOR UPDATE
  ) AS r LEFT JOIN tasks t ON t.task_id = r.recipient_id
), swept AS (
  UPDATE email_recipients AS r
  SET status = CASE s.status WHEN 'SENDING' THEN 'UNCERTAIN' ELSE 'CANCELLED' END,
      attention = CASE s.status WHEN 'SENDING' THEN 'UNCERTAIN' ELSE 'CANCELLED' END
  FROM slice s
  WHERE r.campaign_id = $1 AND r.recipient_id = s.recipient_id
    AND (s.status IN ('PENDING', 'DEFERRED') OR (s.status = 'SENDING' AND s.task IS DISTINCT FROM 'RUNNING'))
  RETURNING r.status, s.deferred
), ended AS (
  UPDATE tasks AS t SET status = 'CANCELLED', completed_at = now(), due_at = NULL
  FROM (SELECT recipient_id FROM slice ORDER BY recipient_id) AS s
  WHERE t.task_id = s.recipient_id AND t.status IN ('PENDING', 'SCHEDULED')
  RETURNING t.task_id, t.has_children
), counted AS (
  INSERT INTO campaign_counters AS c (campaign_id, slot, cancelled, uncertain, deferred)
  SELECT $1, 0, count(*) FILTER (WHERE status = 'CANCELLED'), count(*) FILTER (WHERE status = 'UNCERTAIN'),
         -count(*) FILTER (WHERE deferred)
  FROM swept HAVING count(*) > 0
  ON CONFLICT (campaign_id, slot) DO UPDATE
  SET cancelled = c.cancelled + excluded.cancelled, uncertain = c.uncertain + excluded.uncertain,
      deferred = c.deferred + excluded.deferred
)
SELECT (SELECT recipient_id FROM slice ORDER BY recipient_id DESC LIMIT 1) AS through,
       (SELECT count(*) FROM slice)::int AS seen, (SELECT count(*) FROM swept)::int AS swept,
       (SELECT array_agg(task_id ORDER BY task_id) FROM ended WHERE has_children) AS parents;

-- name: settle_orphans
-- Rows whose task ended without them: quarantined, timed out, or cancelled one by one. $2: seconds after which a
-- message that is still SENDING cannot be on the wire any more.
WITH orphan AS MATERIALIZED (
  SELECT r.recipient_id, r.status AS was, t.lease_epoch,
         CASE WHEN r.status = 'SENDING' THEN 'UNCERTAIN' WHEN t.status = 'CANCELLED' THEN 'CANCELLED' ELSE 'FAILED' END
           AS wanted
  FROM email_recipients r JOIN tasks t ON t.task_id = r.recipient_id
  WHERE r.campaign_id = $1 AND t.completed_at IS NOT NULL
    AND (r.status IN ('PENDING', 'DEFERRED')
         OR (r.status = 'SENDING' AND r.sending_at < now() - $2 * interval '1 second'))
  ORDER BY r.recipient_id LIMIT 5000 FOR UPDATE OF r
), settled AS (
  UPDATE email_recipients AS r
  SET status = o.wanted, attention = o.wanted,
      error_message = coalesce((SELECT failure_reason FROM dead_letter_queue d WHERE d.task_id = o.recipient_id
                                ORDER BY d.lease_epoch DESC LIMIT 1), r.error_message)
  FROM orphan o WHERE r.campaign_id = $1 AND r.recipient_id = o.recipient_id
  RETURNING r.status, o.was
), counted AS (
  INSERT INTO campaign_counters AS c (campaign_id, slot, failed, uncertain, cancelled, deferred)
  SELECT $1, 0, count(*) FILTER (WHERE status = 'FAILED'), count(*) FILTER (WHERE status = 'UNCERTAIN'),
         count(*) FILTER (WHERE status = 'CANCELLED'), -count(*) FILTER (WHERE was = 'DEFERRED')
  FROM settled HAVING count(*) > 0
  ON CONFLICT (campaign_id, slot) DO UPDATE
  SET failed = c.failed + excluded.failed, uncertain = c.uncertain + excluded.uncertain,
      cancelled = c.cancelled + excluded.cancelled, deferred = c.deferred + excluded.deferred
)
SELECT count(*)::int FROM settled;

-- ───────────────────────────────────────────── imports ──────────────────────────────────────────────

-- name: import_memory
-- Room to sort and join a million rows without files.
SET LOCAL work_mem = '256MB';

-- name: create_incoming
-- Where COPY puts the rows of one import; gone with the transaction.
CREATE TEMPORARY TABLE incoming (
  recipient_id uuid NOT NULL, row_number integer NOT NULL, email text NOT NULL, personalization jsonb NOT NULL
) ON COMMIT DROP;

-- name: begin_import
INSERT INTO campaign_imports (import_id, campaign_id, filename, encoding, delimiter, columns)
VALUES ($1, $2, $3, $4, $5, $6);

-- name: admit_incoming
-- One row per address: the first of the file stays, whatever its case.
INSERT INTO email_recipients (recipient_id, campaign_id, row_number, email, personalization)
SELECT recipient_id, $1, row_number, email, personalization FROM incoming ORDER BY recipient_id
ON CONFLICT DO NOTHING;

-- name: reject_duplicates
INSERT INTO import_rejections (import_id, row_number, code, reason, raw)
SELECT $2, i.row_number, 'duplicate', 'The address is in row ' || first.row_number || ' already.',
       left(coalesce((SELECT string_agg(coalesce(i.personalization ->> f.name, CASE f.name WHEN 'email' THEN i.email END,
                                                 ''), $3::text ORDER BY f.place)
                      FROM unnest($4::text[]) WITH ORDINALITY AS f (name, place)), i.email), 2000)
FROM incoming i
JOIN email_recipients first ON first.campaign_id = $1 AND lower(first.email) = lower(i.email)
WHERE first.recipient_id <> i.recipient_id
ON CONFLICT DO NOTHING;

-- name: end_import
UPDATE campaign_imports SET rows = $2, accepted = $3, rejected = $4, duplicates = $5 WHERE import_id = $1;

-- name: lock_open
-- Of a campaign that writes to contacts, first in the transaction that freezes its audience: who else starts, pauses or
-- cancels it waits. Nothing when it has been frozen.
SELECT audience, status FROM campaigns WHERE campaign_id = $1 AND audience IS NOT NULL AND frozen_at IS NULL
FOR NO KEY UPDATE;

-- name: audience_and_needs
SELECT audience, needs FROM campaigns WHERE campaign_id = $1 AND audience IS NOT NULL;

-- name: freeze_audience
-- The rows are there: this many.
UPDATE campaigns SET total_recipients = $2, frozen_at = now() WHERE campaign_id = $1;

-- name: freeze_total
UPDATE campaigns SET total_recipients = $2 WHERE campaign_id = $1;
