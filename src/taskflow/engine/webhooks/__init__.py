"""Outbound webhooks: ends of tasks and messages, told to who wants to hear, signed, retried, and never missed."""
