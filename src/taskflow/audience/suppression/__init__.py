"""Suppression: who must not be written to, whatever an audience says; asked when a message is sent."""
