-- The ledger of campaign mail. All statements run on `database.hot` (plans walk indexes only), name one campaign, and
-- join on `unnest` of sorted ids. Lock order: recipients, then costs and counters, then suppressions.
--
-- `OFFSET 0` hides from the planner that the campaign is one value: on a table without statistics it would rather walk
-- the whole campaign by `campaign_id = $1` than look ids up.

-- name: read
-- What is known of these recipients, and what the campaign is doing.
SELECT r.recipient_id, r.status, r.lease_epoch, r.attempt, r.email, r.personalization, r.error_message,
       extract(epoch FROM clock_timestamp() - r.sending_at)::float8 AS sending_seconds, r.list_id,
       r.in_doubt
FROM unnest($2::uuid[]) AS i (id)
CROSS JOIN LATERAL (SELECT * FROM email_recipients WHERE campaign_id = $1 AND recipient_id = i.id LIMIT 1) AS r;

-- name: campaign_status
SELECT status, uncertain_policy FROM campaigns WHERE campaign_id = $1;

-- name: turn
-- The outcomes of one window and SENDING for the next, in one commit.
--   $1 campaign, $2 counter slot
--   $3.. outcomes: id, epoch, status, reply, error, whether the attempt counts, who had it last and the id it got there,
--        the cause of a refusal, whether nobody knows what became of it. Only the attempt that set SENDING gets through:
--        its epoch is the row's. What comes back unsent to a cancelled campaign ends CANCELLED; what is SENT costs what
--        its provider takes now.
--   $13.. next: id, epoch, the status and attempt it was read with, address, the list that brought it, who gets it, what
--        an erasure has left of the address. Only while the task is RUNNING under this epoch, the campaign is RUNNING, and the row
--        is as it was read; a suppressed address ends SUPPRESSED instead, for a reason that is told, and over no provider:
--        it, its domain, or it as somebody erased; everywhere, or on its list.
-- Answers (which list, id, status now) for every row that moved.
WITH campaign AS (
  SELECT status FROM campaigns WHERE campaign_id = $1
), ended AS (
  UPDATE email_recipients AS r
  SET status = o.status,
      attention = CASE WHEN o.status NOT IN ('SENT', 'PENDING') THEN o.status END,
      sent_at = CASE WHEN o.status = 'SENT' THEN clock_timestamp() END,
      attempt = r.attempt - CASE WHEN o.counts THEN 0 ELSE 1 END,
      reply = o.reply,
      error_message = o.error,
      bounce_reason = o.cause,
      in_doubt = r.in_doubt OR o.doubtful,
      provider = coalesce(o.provider, r.provider),
      provider_message_id = o.provider_id,
      cost = o.price,
      currency = o.currency
  FROM (
    SELECT $1::uuid AS campaign_id, u.id, u.epoch, u.reply, u.error, u.counts, u.provider, u.provider_id, u.cause,
           u.doubtful, p.price, p.currency,
           CASE WHEN u.status IN ('PENDING', 'DEFERRED') AND (SELECT status FROM campaign) = 'CANCELLED'
                THEN 'CANCELLED' ELSE u.status END AS status
    FROM unnest($3::uuid[], $4::int[], $5::text[], $6::text[], $7::text[], $8::bool[], $9::text[], $10::text[], $11::text[],
                $12::bool[])
      AS u (id, epoch, status, reply, error, counts, provider, provider_id, cause, doubtful)
    LEFT JOIN providers p ON p.name = u.provider AND u.status = 'SENT'
    OFFSET 0
  ) AS o
  WHERE r.campaign_id = o.campaign_id AND r.recipient_id = o.id AND r.lease_epoch = o.epoch AND r.status = 'SENDING'
  RETURNING r.recipient_id, r.status, ''::text AS was, r.cost, r.currency
), begun AS (
  UPDATE email_recipients AS r
  SET status = n.wanted,
      attention = CASE n.wanted WHEN 'SUPPRESSED' THEN n.wanted END,
      lease_epoch = n.epoch,
      attempt = r.attempt + CASE n.wanted WHEN 'SENDING' THEN 1 ELSE 0 END,
      sending_at = CASE n.wanted WHEN 'SENDING' THEN clock_timestamp() ELSE r.sending_at END,
      provider = CASE n.wanted WHEN 'SENDING' THEN n.provider ELSE r.provider END,
      error_message = n.why,
      bounce_reason = NULL,
      in_doubt = r.in_doubt OR n.was = 'SENDING'
  FROM (
    SELECT $1::uuid AS campaign_id, u.id, u.epoch, u.was, u.attempt, u.provider, s.why,
           CASE WHEN s.why IS NULL THEN 'SENDING' ELSE 'SUPPRESSED' END AS wanted
    FROM unnest($13::uuid[], $14::int[], $15::text[], $16::int[], $17::text[], $18::uuid[], $19::text[], $20::text[])
           AS u (id, epoch, was, attempt, email, list_id, provider, erased)
    JOIN tasks t ON t.task_id = u.id AND t.lease_epoch = u.epoch AND t.status = 'RUNNING'
    LEFT JOIN LATERAL (
      SELECT suppressed_because(s.reason, s.address, s.source, s.created_at) AS why
      FROM suppressions s
      WHERE s.channel = 'email'
        AND s.address = ANY (suppression_keys(u.email, u.erased))
        AND (s.list_id IS NULL OR s.list_id = u.list_id)
      LIMIT 1
    ) AS s ON true
    WHERE (SELECT status FROM campaign) = 'RUNNING'
    OFFSET 0
  ) AS n
  WHERE r.campaign_id = n.campaign_id AND r.recipient_id = n.id AND r.status = n.was AND r.attempt = n.attempt
  RETURNING r.recipient_id, r.status, n.was
), costed AS (
  INSERT INTO campaign_costs AS k (campaign_id, slot, currency, cost)
  SELECT $1, $2, currency, sum(cost) FROM ended WHERE cost IS NOT NULL GROUP BY currency ORDER BY currency
  ON CONFLICT (campaign_id, slot, currency) DO UPDATE SET cost = k.cost + excluded.cost
), moved AS (
  SELECT status, 1 AS n FROM ended
  UNION ALL SELECT status, 1 FROM begun
  UNION ALL SELECT was, -1 FROM begun
), counted AS (
  INSERT INTO campaign_counters AS c (campaign_id, slot, sent, failed, deferred, uncertain, suppressed, cancelled)
  SELECT $1, $2, sent, failed, deferred, uncertain, suppressed, cancelled
  FROM (
    SELECT coalesce(sum(n) FILTER (WHERE status = 'SENT'), 0) AS sent,
           coalesce(sum(n) FILTER (WHERE status = 'FAILED'), 0) AS failed,
           coalesce(sum(n) FILTER (WHERE status = 'DEFERRED'), 0) AS deferred,
           coalesce(sum(n) FILTER (WHERE status = 'UNCERTAIN'), 0) AS uncertain,
           coalesce(sum(n) FILTER (WHERE status = 'SUPPRESSED'), 0) AS suppressed,
           coalesce(sum(n) FILTER (WHERE status = 'CANCELLED'), 0) AS cancelled
    FROM moved
  ) AS d
  WHERE (sent, failed, deferred, uncertain, suppressed, cancelled) <> (0, 0, 0, 0, 0, 0)
  ON CONFLICT (campaign_id, slot) DO UPDATE
  SET sent = c.sent + excluded.sent, failed = c.failed + excluded.failed, deferred = c.deferred + excluded.deferred,
      uncertain = c.uncertain + excluded.uncertain, suppressed = c.suppressed + excluded.suppressed,
      cancelled = c.cancelled + excluded.cancelled
)
SELECT true AS ended, recipient_id, status FROM ended
UNION ALL
SELECT false, recipient_id, status FROM begun;

-- name: suppress_refused
-- Behind `turn`, in its transaction: who has no mailbox, or wants nothing as its provider knows, is not written to again.
-- $1 campaign, then id, epoch and reason.
INSERT INTO suppressions (channel, address, reason, source, campaign_id, note)
SELECT 'email', b.address, b.reason, 'refused', b.campaign_id, b.note
FROM (
  SELECT lower(r.email) AS address, o.reason, r.campaign_id, left(r.reply, 1000) AS note
  FROM (
    SELECT $1::uuid AS campaign_id, u.* FROM unnest($2::uuid[], $3::int[], $4::text[]) AS u (id, epoch, reason) OFFSET 0
  ) AS o
  JOIN email_recipients r ON r.campaign_id = o.campaign_id AND r.recipient_id = o.id
  WHERE r.lease_epoch = o.epoch AND r.status = 'FAILED'
  ORDER BY address
) AS b
ON CONFLICT DO NOTHING;

-- name: hand_on
-- Another provider gets what one has refused, before the network is touched again; nobody does once the campaign has
-- stopped.
--   $1 campaign, $2 provider, then id and epoch.
UPDATE email_recipients AS r SET provider = $2
FROM unnest($3::uuid[], $4::int[]) AS u (id, epoch)
JOIN tasks t ON t.task_id = u.id AND t.lease_epoch = u.epoch AND t.status = 'RUNNING'
WHERE r.campaign_id = $1 AND r.recipient_id = u.id AND r.lease_epoch = u.epoch AND r.status = 'SENDING'
  AND (SELECT status FROM campaigns WHERE campaign_id = $1) = 'RUNNING'
RETURNING r.recipient_id;

-- name: settle
-- Rows that end without a network: SENDING of a lost attempt becomes UNCERTAIN, what cannot be rendered FAILED.
--   $1 campaign, $2 counter slot, then id, epoch of the task that says so, the status and epoch the row was read with,
--   the status it gets, why. Fenced like SENDING.
WITH ended AS (
  UPDATE email_recipients AS r
  SET status = o.wanted, attention = o.wanted, error_message = o.error, bounce_reason = NULL,
      in_doubt = r.in_doubt OR o.wanted = 'UNCERTAIN'
  FROM (
    SELECT $1::uuid AS campaign_id, u.*
    FROM unnest($3::uuid[], $4::int[], $5::text[], $6::int[], $7::text[], $8::text[])
           AS u (id, epoch, was, was_epoch, wanted, error)
    JOIN tasks t ON t.task_id = u.id AND t.lease_epoch = u.epoch AND t.status = 'RUNNING'
    OFFSET 0
  ) AS o
  WHERE r.campaign_id = o.campaign_id AND r.recipient_id = o.id AND r.status = o.was AND r.lease_epoch = o.was_epoch
  RETURNING r.recipient_id, o.was, r.status
), counted AS (
  INSERT INTO campaign_counters AS c (campaign_id, slot, failed, deferred, uncertain, cancelled)
  SELECT $1, $2,
         count(*) FILTER (WHERE status = 'FAILED') - count(*) FILTER (WHERE was = 'FAILED'),
         -count(*) FILTER (WHERE was = 'DEFERRED'),
         count(*) FILTER (WHERE status = 'UNCERTAIN'),
         -count(*) FILTER (WHERE was = 'CANCELLED')
  FROM ended HAVING count(*) > 0
  ON CONFLICT (campaign_id, slot) DO UPDATE
  SET failed = c.failed + excluded.failed, deferred = c.deferred + excluded.deferred,
      uncertain = c.uncertain + excluded.uncertain, cancelled = c.cancelled + excluded.cancelled
)
SELECT recipient_id FROM ended;
