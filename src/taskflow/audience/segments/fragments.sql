-- Everything that the SQL of a segment can be made of. The compiler puts these side by side with AND, OR and IS NOT TRUE;
-- what a user wrote goes in through binds only.
--
-- `$values` and its like are binds, numbered by the compiler. `@operand`, `@json` and `@text` stand for one of the
-- operands below, `@test` for a comparison, `@key` for the bind of an attribute's name, which several may share, and
-- `@table` for the alias of a joined table. `s` is the contact. A condition that does not apply is false or null: both mean no.

-- ───────────────────────────────────────────── operands ─────────────────────────────────────────────

-- name: attribute_json
(s.attributes -> @key::text)

-- name: attribute_text
(s.attributes ->> @key::text)

-- name: nested_json
(s.attributes #> @key::text[])

-- name: nested_text
(s.attributes #>> @key::text[])

-- name: first_day
-- The day that a text begins with. Days sort as text, and what is no real day needs no cast that could fail.
(left(@text, 10) COLLATE "C")

-- name: email
s.email

-- name: phone
s.phone

-- name: locale
s.locale

-- name: time_zone
s.time_zone

-- name: status
s.status

-- name: created_at
s.created_at

-- name: updated_at
s.updated_at

-- ──────────────────────────────────────────── comparisons ───────────────────────────────────────────
-- Bounds stand in subqueries so that they are worked out once, not for every contact. An attribute counts only when it
-- is of the kind that is asked for; CASE lets that be asked of the few that pass the test.

-- name: only_text
(CASE WHEN @test THEN jsonb_typeof(@json) = 'string' END)

-- name: only_number
(CASE WHEN @test THEN jsonb_typeof(@json) = 'number' END)

-- name: only_day
(CASE WHEN @test THEN jsonb_typeof(@json) = 'string' AND @text ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}($|[T ])' END)

-- name: json_exists
(jsonb_typeof(@json) <> 'null' AND @text <> '')

-- name: json_in
-- Numbers and booleans; equal only to their own kind.
@operand = ANY ($values::jsonb[])

-- name: text_in
lower(@operand) = ANY (ARRAY(SELECT lower(v) FROM unnest($values::text[]) AS v))

-- name: text_in_many
lower(@operand) IN (SELECT lower(v) FROM unnest($values::text[]) AS v)

-- name: text_contains
strpos(lower(@operand), (SELECT lower($value::text))) > 0

-- name: text_starts_with
starts_with(lower(@operand), (SELECT lower($value::text)))

-- name: text_ends_with
lower(@operand) LIKE '%' || regexp_replace(lower($value::text), '([\\%_])', '\\\1', 'g')

-- name: text_exists
@operand <> ''

-- name: number_less_than
@operand < $value::jsonb

-- name: number_at_most
@operand <= $value::jsonb

-- name: number_more_than
@operand > $value::jsonb

-- name: number_at_least
@operand >= $value::jsonb

-- name: day_before
@operand < $value::text

-- name: day_on
@operand = $value::text

-- name: day_after
@operand > $value::text

-- name: day_in_last_days
@operand BETWEEN (SELECT to_char((now() AT TIME ZONE $zone::text)::date - $days::int, 'YYYY-MM-DD'))
             AND (SELECT to_char((now() AT TIME ZONE $zone::text)::date, 'YYYY-MM-DD'))

-- name: day_in_next_days
@operand BETWEEN (SELECT to_char((now() AT TIME ZONE $zone::text)::date, 'YYYY-MM-DD'))
             AND (SELECT to_char((now() AT TIME ZONE $zone::text)::date + $days::int, 'YYYY-MM-DD'))

-- name: day_more_than_days_ago
@operand < (SELECT to_char((now() AT TIME ZONE $zone::text)::date - $days::int, 'YYYY-MM-DD'))

-- name: instant_before
@operand < (SELECT $value::date::timestamp AT TIME ZONE $zone::text)

-- name: instant_on
(@operand >= (SELECT $value::date::timestamp AT TIME ZONE $zone::text)
 AND @operand < (SELECT ($value::date + 1)::timestamp AT TIME ZONE $zone::text))

-- name: instant_after
@operand >= (SELECT ($value::date + 1)::timestamp AT TIME ZONE $zone::text)

-- name: instant_in_last_days
@operand BETWEEN (SELECT now() - $days::int * interval '24 hours') AND (SELECT now())

-- name: instant_in_next_days
@operand BETWEEN (SELECT now()) AND (SELECT now() + $days::int * interval '24 hours')

-- name: instant_more_than_days_ago
@operand < (SELECT now() - $days::int * interval '24 hours')

-- ──────────────────────────────────────────────── tags ──────────────────────────────────────────────

-- name: tags_any
s.tags && $values::text[]

-- name: tags_all
s.tags @> $values::text[]

-- ─────────────────────────────────────── tables beside the contact ──────────────────────────────────
-- Each is joined at most once a contact, so that a plan costs one hash join a condition, whatever the tree looks like.

-- name: join_list
LEFT JOIN subscriptions AS @table
  ON @table.contact_id = s.contact_id AND @table.list_id = $list_id::uuid AND @table.status = 'CONFIRMED'

-- name: join_lists
LEFT JOIN (SELECT DISTINCT contact_id FROM subscriptions
           WHERE list_id = ANY ($list_ids::uuid[]) AND status = 'CONFIRMED') AS @table
  ON @table.contact_id = s.contact_id

-- name: join_activity
LEFT JOIN contact_activity AS @table ON @table.contact_id = s.contact_id

-- name: join_latest
LEFT JOIN contact_latest AS @table ON @table.contact_id = s.contact_id

-- name: join_events
-- Who did something of one kind so often; not what machines did. HAVING, because few are left to hash.
LEFT JOIN (SELECT contact_id FROM campaign_events
           WHERE event_type = $kind::text AND NOT is_machine
             AND ($days::int IS NULL OR occurred_at >= now() - $days::int * interval '24 hours')
             AND ($campaign_id::uuid IS NULL OR campaign_id = $campaign_id)
           GROUP BY contact_id HAVING count(*) >= $times::int) AS @table
  ON @table.contact_id = s.contact_id

-- name: join_mails
-- Whose server took so many mails, as the ledger has it.
LEFT JOIN (SELECT contact_id FROM email_recipients
           WHERE contact_id IS NOT NULL AND status IN ('SENT', 'BOUNCED', 'UNSUBSCRIBED')
             AND ($days::int IS NULL OR sent_at >= now() - $days::int * interval '24 hours')
             AND ($campaign_id::uuid IS NULL OR campaign_id = $campaign_id)
           GROUP BY contact_id HAVING count(*) >= $times::int) AS @table
  ON @table.contact_id = s.contact_id

-- name: join_news
-- Who was sent a mail by a campaign that the summary does not know yet: one that is under way.
LEFT JOIN (SELECT DISTINCT r.contact_id
           FROM campaigns AS c
           CROSS JOIN LATERAL (  -- OFFSET: one campaign after the other, none when none is under way
             SELECT contact_id FROM email_recipients
             WHERE campaign_id = c.campaign_id
               AND contact_id IS NOT NULL AND status IN ('SENT', 'BOUNCED', 'UNSUBSCRIBED')
               AND ($days::int IS NULL OR sent_at >= now() - $days::int * interval '24 hours')
             OFFSET 0) AS r
           WHERE c.active) AS @table
  ON @table.contact_id = s.contact_id

-- name: when_joined
-- What is dear to ask is asked of those alone who pass the joins: without CASE it would be asked of everybody.
(CASE WHEN @joins THEN @tests END)

-- name: joined
@table.contact_id IS NOT NULL

-- name: opened_often
@table.opened[$times::int] IS NOT NULL

-- name: opened_often_lately
@table.opened[$times::int] >= (SELECT now() - $days::int * interval '24 hours')

-- name: clicked_often
@table.clicked[$times::int] IS NOT NULL

-- name: clicked_often_lately
@table.clicked[$times::int] >= (SELECT now() - $days::int * interval '24 hours')

-- name: received
@table.last_received_at IS NOT NULL

-- name: received_lately
@table.last_received_at >= (SELECT now() - $days::int * interval '24 hours')

-- name: opened
@table.last_opened_at IS NOT NULL

-- name: opened_lately
@table.last_opened_at >= (SELECT now() - $days::int * interval '24 hours')

-- name: clicked
@table.last_clicked_at IS NOT NULL

-- name: clicked_lately
@table.last_clicked_at >= (SELECT now() - $days::int * interval '24 hours')

-- name: bounced
@table.last_bounced_at IS NOT NULL

-- name: bounced_lately
@table.last_bounced_at >= (SELECT now() - $days::int * interval '24 hours')

-- name: complained
@table.last_complained_at IS NOT NULL

-- name: complained_lately
@table.last_complained_at >= (SELECT now() - $days::int * interval '24 hours')

-- name: unsubscribed
@table.last_unsubscribed_at IS NOT NULL

-- name: unsubscribed_lately
@table.last_unsubscribed_at >= (SELECT now() - $days::int * interval '24 hours')

-- ───────────────────────────────────────────── audiences ────────────────────────────────────────────

-- name: join_brought
-- Which of an audience's lists brings a contact: the first of them on which they are confirmed and not suppressed.
LEFT JOIN (SELECT DISTINCT ON (m.contact_id) m.contact_id, m.list_id
           FROM subscriptions AS m
           JOIN subscribers AS c ON c.contact_id = m.contact_id
           LEFT JOIN suppressions AS x ON x.channel = 'email' AND x.list_id = m.list_id AND x.address = lower(c.email)
           LEFT JOIN suppressions AS d ON d.channel = 'email' AND d.list_id = m.list_id
             AND d.address = substring(lower(c.email) FROM '@[^@]*$')
           WHERE m.list_id = ANY ($list_ids::uuid[]) AND m.status = 'CONFIRMED' AND x.address IS NULL AND d.address IS NULL
           ORDER BY m.contact_id, array_position($list_ids::uuid[], m.list_id)) AS @table
  ON @table.contact_id = s.contact_id

-- name: join_suppressed
-- The address, everywhere; once, however many reasons there are.
LEFT JOIN (SELECT DISTINCT address FROM suppressions WHERE channel = 'email' AND list_id IS NULL) AS @table
  ON @table.address = lower(s.email)

-- name: join_suppressed_domain
LEFT JOIN (SELECT DISTINCT address FROM suppressions WHERE channel = 'email' AND list_id IS NULL) AS @table
  ON @table.address = substring(lower(s.email) FROM '@[^@]*$')

-- name: suppressed
@table.address IS NOT NULL

-- name: reachable
(s.status = 'ACTIVE' AND s.email IS NOT NULL)

-- name: personalization
contact_values(s.attributes, s.phone, s.locale, s.time_zone)
