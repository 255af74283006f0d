"""Twilio, worldwide."""
