"""Who carries texts; `kinds` are those that come with us. A kind is a folder: `provider`, `answers`, `hooks`."""
