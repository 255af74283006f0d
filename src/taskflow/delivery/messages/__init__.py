"""Messages without a campaign: submitted over HTTP or SMTP, one task each, in a ledger of their own."""
