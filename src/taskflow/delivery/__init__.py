"""Delivery: messages on their way out: addresses, MIME, the SMTP sender and the sandbox inbox."""
