"""Middleware: code of yours around every task, from its enqueueing to the commit of its end."""
