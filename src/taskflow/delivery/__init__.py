"""Delivery: messages on their way out, mail and texts, whoever carries them; and what comes back."""
