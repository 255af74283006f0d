"""Sending domains: DKIM keys, the doctor, and what Gmail counts."""
