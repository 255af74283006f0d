"""The HTTP and WebSocket edge: a composition root over every domain."""
