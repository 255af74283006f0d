"""Consent: who agreed to what, when, from where, to which wording; subscriptions, and their double opt-in."""
