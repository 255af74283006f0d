"""One attempt: a POST to an address that the guard has passed. Nothing of the answer is kept but its status.

Redirects are not followed, the body of the answer is not read (so neither its size nor its compression matters), and
the attempt as a whole has a time limit.
"""

import asyncio
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from taskflow.base.guarded_http import NOT_ANSWERED, ask_once, system_trust
from taskflow.base.outbound import AddressGuard, RefusedUrlError, Target
from taskflow.settings.webhook import WebhookSettings

_MOST_SECONDS = 86_400.0


class Answer(NamedTuple):
    """What came of an attempt: the status when somebody answered, and why it failed when it did.

    Attributes:
        after: seconds that the receiver asks to wait.
        is_gone: the receiver wants nothing more, ever (410).
    """

    status: int | None
    error: str | None
    after: float | None = None
    is_gone: bool = False


def guard_of(settings: WebhookSettings) -> AddressGuard:
    """Return what keeps webhooks out of the house."""
    return AddressGuard(settings.allow_networks, setting="TASKFLOW_WEBHOOK_ALLOW_NETWORKS")


class Sender:
    """Posts messages."""

    def __init__(self, guard: AddressGuard, seconds: float, *, tls: ssl.SSLContext | None = None) -> None:
        """`seconds`: of an attempt as a whole; `tls`: whom to trust, the system's authorities by default."""
        self._guard = guard
        self._seconds = seconds
        self._tls = tls or system_trust()

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Send a message once."""
        sent = {
            "content-type": "application/json",
            "content-length": str(len(body)),
            "accept-encoding": "identity",
            **headers,
        }
        try:
            async with (
                asyncio.timeout(self._seconds),
                ask_once(self._guard, "POST", Target(url), sent, body, tls=self._tls) as answer,
            ):
                return judge(answer.status, dict(answer.headers).get(b"retry-after"))
        except TimeoutError:
            return Answer(None, f"No answer within {self._seconds:g} s.")
        except RefusedUrlError as error:
            return Answer(None, str(error))
        except NOT_ANSWERED as error:
            return Answer(None, f"{type(error).__name__}: {str(error)[:200]}")


def judge(status: int, retry_after: bytes | None = None) -> Answer:
    """Return what a status means."""
    if 200 <= status < 300:
        return Answer(status, None)
    if 300 <= status < 400:
        return Answer(status, f"It answered {status}: redirects are not followed.")
    after = min(float(retry_after), _MOST_SECONDS) if retry_after is not None and retry_after.isdigit() else None
    return Answer(status, f"It answered {status}.", after, is_gone=status == 410)
