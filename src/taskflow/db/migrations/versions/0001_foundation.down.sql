DROP TABLE inbox_rules, inbox_messages;
DROP TABLE suppressions, import_rejections, campaign_imports, email_recipients, campaign_counters, campaigns;
DROP TABLE coordinator_leases, workers, dead_letter_queue, task_keys, task_logs, task_results, task_executions,
           task_claims, tasks;
DROP TABLE idempotency_keys, audit_log, sign_in_failures, refresh_tokens, api_keys, users;
