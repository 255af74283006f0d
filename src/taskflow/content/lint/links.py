"""Whether the links of a message answer: asked for only on demand, and only past the guard against requests inside."""

import asyncio
from collections.abc import Iterable, Sequence

from taskflow.base.guarded_http import NOT_ANSWERED, ask_once, system_trust
from taskflow.base.outbound import AddressGuard, Network, RefusedUrlError, Target
from taskflow.content.lint.findings import Finding, Severity

_MOST_LINKS = 50
_AT_A_TIME = 5
_GONE = frozenset({404, 410})


class LinkChecker:
    """Asks for links with HEAD, each on a connection of its own; nothing of an answer is kept but its status."""

    def __init__(self, allowed: Sequence[Network], seconds: float) -> None:
        """`allowed`: networks inside that may be reached; `seconds`: for one link."""
        self._guard = AddressGuard(allowed)
        self._seconds = seconds
        self._tls = system_trust()

    async def check(self, addresses: Iterable[str]) -> list[Finding]:
        """Return a finding for each address that does not answer well; the first 50 are looked at."""
        wanted = list(dict.fromkeys(address.partition("#")[0] for address in addresses))[:_MOST_LINKS]
        turns = asyncio.Semaphore(_AT_A_TIME)

        async def one(address: str) -> str | None:
            async with turns:
                return await self._fault(address)

        faults = await asyncio.gather(*(one(address) for address in wanted))
        return [
            Finding("link_unreachable", Severity.WARNING, f"{address} {fault}", part="html")
            for address, fault in zip(wanted, faults, strict=True)
            if fault is not None
        ]

    async def _fault(self, address: str) -> str | None:
        try:
            async with (
                asyncio.timeout(self._seconds),
                ask_once(self._guard, "HEAD", Target(address), {}, tls=self._tls) as answer,
            ):
                status = answer.status
        except TimeoutError:
            return f"does not answer within {self._seconds:g} s."
        except RefusedUrlError:
            return "was not asked: its name is unknown, or it does not lead to a public https address."
        except NOT_ANSWERED as error:
            return f"does not answer: {type(error).__name__}."
        return f"answers {status}." if status in _GONE or status >= 500 else None
