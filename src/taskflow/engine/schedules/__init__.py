"""Schedules: when a task starts again, and what if it cannot."""
