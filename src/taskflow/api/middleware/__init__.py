"""Middleware: pure ASGI, one concern a file, in the order of `taskflow.api.app`.

`BaseHTTPMiddleware` is not used: one of it took a small POST from 10,000 requests a second to 2,200. Each class here
wraps `send` or `receive` only when it has something to say.
"""
