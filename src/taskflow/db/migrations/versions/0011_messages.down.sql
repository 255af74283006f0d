DROP VIEW message_log;
DROP TABLE message_contents, messages, message_submissions;
