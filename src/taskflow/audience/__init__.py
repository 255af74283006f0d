"""Who is written to: lists of recipients coming in, and going out again."""
