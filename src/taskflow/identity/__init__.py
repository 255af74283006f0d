"""Who is calling and what they may do: users, roles, API keys, tokens, the audit log."""
