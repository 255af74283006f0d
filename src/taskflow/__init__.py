"""TaskFlow: a distributed task engine and the messaging platform built on it."""

__version__ = "0.1.0"
