"""Public subscription forms, and the confirmation of a double opt-in: the mail, its link, its page."""
