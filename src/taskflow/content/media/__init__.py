"""Media: files that mails show or carry, known by their bytes and never by their names."""
