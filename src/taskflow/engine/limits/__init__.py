"""Limits: how many tasks of a queue, of a name or of a key run at a time, and how many start in a while."""
