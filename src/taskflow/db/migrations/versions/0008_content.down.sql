DROP FUNCTION template_variant;
ALTER TABLE campaigns DROP COLUMN template_version, DROP COLUMN template_id;
DROP TABLE media, snippets, template_variants, template_versions, templates;
