"""Campaigns: a template, a frozen audience, and one task per recipient from the first to the last mail."""
