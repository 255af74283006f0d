-- What both ledgers ask alike. Runs on `database.hot`, with sorted ids.

-- name: requeued
-- Which of these failed messages' tasks somebody has put back by hand since they failed.
SELECT DISTINCT d.task_id
FROM unnest($1::uuid[], $2::int[]) AS o (id, epoch)
JOIN dead_letter_queue d ON d.task_id = o.id AND d.lease_epoch >= o.epoch AND d.requeued_at IS NOT NULL;
