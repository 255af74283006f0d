"""What a text will be before it is sent: its parts, what makes them many, and what they cost."""
