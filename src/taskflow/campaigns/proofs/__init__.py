"""Proofs: a message tried on people before it is sent: preview, test send, lint."""
