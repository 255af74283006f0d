"""BulkSMS, worldwide: the one that recognises a text that is sent again."""
