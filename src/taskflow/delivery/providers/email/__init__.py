"""Kinds of providers of mail."""
