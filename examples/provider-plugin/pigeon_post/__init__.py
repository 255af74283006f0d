"""Texts over Pigeon Post, a provider that TaskFlow does not know by itself."""
