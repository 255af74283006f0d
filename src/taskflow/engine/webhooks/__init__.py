"""Outbound webhooks: ends of tasks, told to whoever wants to hear, signed, retried, and never missed."""
