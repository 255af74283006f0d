"""Providers of mail."""
