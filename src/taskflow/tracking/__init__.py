"""Tracking: what comes back from recipients. Signed links, and the unsubscribe page."""
