"""Queues: named lines of tasks, made by using them, and steered by people."""
