"""Snippets: pieces that templates include by name."""
