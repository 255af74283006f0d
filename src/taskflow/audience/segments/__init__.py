"""Segments: conditions on contacts, compiled to bound SQL."""
