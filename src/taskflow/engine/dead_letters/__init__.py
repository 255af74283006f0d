"""Dead letters: tasks out of attempts, grouped by what broke them, requeued as they were or edited, purged."""
