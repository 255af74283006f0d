"""A shop that takes orders and confirms them in the background."""
