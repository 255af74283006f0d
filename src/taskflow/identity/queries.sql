-- Statements of users, API keys, sign-in and the audit log.

-- name: find_credentials
-- For a sign-in: the password's hash and what a session needs.
SELECT user_id, email, password_hash, role, is_active, token_version, created_at, last_login_at
FROM users WHERE lower(email) = lower($1);

-- name: session_principal
-- Whether an access token still stands: the user is active, its version is the token's, its sign-in is not revoked.
SELECT u.user_id, u.email, u.role, u.token_version
FROM users u
WHERE u.user_id = $1 AND u.is_active AND u.token_version = $2
  AND EXISTS (SELECT FROM refresh_tokens r WHERE r.family_id = $3 AND r.user_id = u.user_id)
  AND NOT EXISTS (SELECT FROM refresh_tokens r WHERE r.family_id = $3 AND r.revoked_at IS NOT NULL);

-- name: key_principal
-- An API key by its prefix, with its user's present state; the caller compares the secret.
SELECT k.key_id, k.name, k.secret_hash, k.role AS key_role, k.scopes, k.from_domains, k.rate_limit_per_minute,
       u.user_id, u.email, u.role, u.token_version
FROM api_keys k JOIN users u USING (user_id)
WHERE k.prefix = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND u.is_active;

-- name: key_principal_by_id
-- The same for a socket that was opened with the key some time ago.
SELECT k.key_id, k.name, k.secret_hash, k.role AS key_role, k.scopes, k.from_domains, k.rate_limit_per_minute,
       u.user_id, u.email, u.role, u.token_version
FROM api_keys k JOIN users u USING (user_id)
WHERE k.key_id = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()) AND u.is_active;

-- name: touch_key
-- When a key was last used, to the minute: most uses write nothing.
UPDATE api_keys SET last_used_at = now()
WHERE key_id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute');

-- name: touch_login
UPDATE users SET last_login_at = now() WHERE user_id = $1;

-- name: replace_hash
-- After a sign-in whose stored hash was made with older parameters.
UPDATE users SET password_hash = $3 WHERE user_id = $1 AND password_hash = $2;

-- name: count_attempt
-- Counts a sign-in before the password is looked at, so that parallel guesses cannot pass together. Returns the count
-- of each subject and the seconds until it is forgotten. Subjects are sorted: concurrent writers never deadlock.
INSERT INTO sign_in_failures AS f (subject, failures, expires_at)
SELECT subject, 1, now() + make_interval(secs => $2) FROM unnest($1::text[]) AS subject ORDER BY subject
ON CONFLICT (subject) DO UPDATE SET
  failures = CASE WHEN f.expires_at <= now() THEN 1 ELSE f.failures + 1 END,
  expires_at = CASE WHEN f.expires_at <= now() THEN excluded.expires_at ELSE f.expires_at END
RETURNING subject, failures, extract(epoch FROM expires_at - now())::float8 AS seconds;

-- name: forgive_attempt
-- A sign-in that succeeded is no failure: take it back from the wider counts ($1), forget the narrow one ($2).
WITH forgotten AS (DELETE FROM sign_in_failures WHERE subject = $2 OR expires_at < now() - interval '1 day')
UPDATE sign_in_failures SET failures = greatest(failures - 1, 0) WHERE subject = ANY ($1::text[]);

-- name: insert_refresh_token
INSERT INTO refresh_tokens (token_id, family_id, user_id, expires_at)
VALUES ($1, $2, $3, now() + make_interval(secs => $4));

-- name: use_refresh_token
-- Takes a refresh token, once: two requests with the same one cannot both get a row.
UPDATE refresh_tokens r SET used_at = now()
FROM users u
WHERE r.token_id = $1 AND r.used_at IS NULL AND r.revoked_at IS NULL AND r.expires_at > now()
  AND u.user_id = r.user_id AND u.is_active
RETURNING r.family_id, u.user_id, u.email, u.role, u.is_active, u.token_version, u.created_at, u.last_login_at;

-- name: refresh_token_state
SELECT family_id, user_id, used_at IS NOT NULL AS used FROM refresh_tokens WHERE token_id = $1;

-- name: revoke_family
UPDATE refresh_tokens SET revoked_at = now() WHERE family_id = $1 AND revoked_at IS NULL;

-- name: revoke_user_sessions
UPDATE refresh_tokens SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL;

-- name: prune_refresh_tokens
-- Families whose every token has expired, of one user at a time.
DELETE FROM refresh_tokens WHERE user_id = $1 AND expires_at < now() - interval '1 day';

-- name: insert_user
INSERT INTO users (user_id, email, password_hash, role) VALUES ($1, $2, $3, $4)
RETURNING user_id, email, role, is_active, token_version, created_at, last_login_at;

-- name: get_user
SELECT user_id, email, role, is_active, token_version, created_at, last_login_at FROM users WHERE user_id = $1;

-- name: list_users
SELECT user_id, email, role, is_active, token_version, created_at, last_login_at FROM users
WHERE $1::uuid IS NULL OR user_id < $1 ORDER BY user_id DESC LIMIT $2;

-- name: lock_admins
-- Locks the active administrators, so that two requests cannot each take the other's right away.
SELECT user_id FROM users WHERE role = 'admin' AND is_active ORDER BY user_id FOR UPDATE;

-- name: update_user
-- Whatever changes, older tokens end: the version rises.
UPDATE users SET role = coalesce($2, role), is_active = coalesce($3, is_active),
                 password_hash = coalesce($4, password_hash), token_version = token_version + 1
WHERE user_id = $1
RETURNING user_id, email, role, is_active, token_version, created_at, last_login_at;

-- name: insert_key
INSERT INTO api_keys
  (key_id, user_id, name, prefix, secret_hash, role, scopes, from_domains, rate_limit_per_minute, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
RETURNING key_id, user_id, name, prefix, role, scopes, from_domains, rate_limit_per_minute, created_at, last_used_at,
          expires_at, revoked_at;

-- name: get_key
SELECT user_id, role, expires_at FROM api_keys WHERE key_id = $1;

-- name: list_keys
-- Keys of one user, or of all ($1 null), newest first.
SELECT key_id, user_id, name, prefix, role, scopes, from_domains, rate_limit_per_minute, created_at, last_used_at,
       expires_at, revoked_at
FROM api_keys WHERE ($1::uuid IS NULL OR user_id = $1) AND ($2::uuid IS NULL OR key_id < $2)
ORDER BY key_id DESC LIMIT $3;

-- name: revoke_key
-- Answers the key's id also when it was revoked before; $2 null revokes anybody's.
UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
WHERE key_id = $1 AND ($2::uuid IS NULL OR user_id = $2) RETURNING key_id;

-- name: insert_audit
-- One statement for every entry that waits: an audit row costs a mutation no commit of its own under load.
INSERT INTO audit_log (audit_id, actor_id, actor, action, target_type, target_id, request_id, address, detail)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::inet[],
                     $9::jsonb[]);

-- name: list_audit
SELECT audit_id, actor_id, actor, action, target_type, target_id, request_id, host(address) AS address, detail, created_at
FROM audit_log
WHERE ($1::uuid IS NULL OR audit_id < $1) AND ($2::uuid IS NULL OR actor_id = $2) AND ($3::text IS NULL OR action = $3)
  AND ($4::text IS NULL OR target_id = $4)
ORDER BY audit_id DESC LIMIT $5;

-- name: first_user
SELECT user_id, email, role FROM users WHERE role = 'admin' AND is_active ORDER BY user_id LIMIT 1;

-- name: any_user
SELECT EXISTS (SELECT FROM users);
