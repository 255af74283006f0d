"""The sandbox inbox: an SMTP server that keeps what it gets and shows it, and fails where it is told to."""

from taskflow.delivery.sandbox.server import SandboxServer
from taskflow.delivery.sandbox.service import Inbox

__all__ = ["Inbox", "SandboxServer"]
