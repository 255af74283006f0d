"""The leaf layer: errors, ids, pagination, logging and signing. It imports nothing else of TaskFlow."""
