"""Lists, and who is on them."""
