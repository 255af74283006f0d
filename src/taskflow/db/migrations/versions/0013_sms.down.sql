DROP VIEW sms_standings;
DROP TABLE sms_reports;
DROP TABLE sms_replies;
DROP TABLE sms_keywords;
DROP TABLE sms_templates;
