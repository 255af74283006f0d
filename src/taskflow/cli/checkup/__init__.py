"""What `taskflow doctor` looks at: one module per part of an installation, each a list of findings."""
