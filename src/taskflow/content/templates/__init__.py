"""Templates with versions, one variant a locale, and the snippets that they were saved with."""
