"""What is said: templates, the jail that renders them, the variables they need, their plain text."""
