"""The deliverability doctor: what receivers will think of a domain's mail, asked the way that they ask.

Every check is on its own: one that cannot find something out says so, and the others go on. What the zone answers is
bounded in `resolver`; connections go to port 25 of the domain's mail servers, and only to addresses that are global (or
in TASKFLOW_WEBHOOK_ALLOW_NETWORKS), for whoever owns the zone decides what they are.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from taskflow.delivery.domains.checks import bulk, dkim, dmarc, servers, spf, tls
from taskflow.delivery.domains.checks.patient import Patient
from taskflow.delivery.domains.findings import Finding, warn
from taskflow.delivery.domains.gmail import GmailUse
from taskflow.delivery.domains.resolver import LookupFailedError
from taskflow.delivery.providers.opening import Opener

_CHECK_SECONDS = 25.0

Check = Callable[[], Awaitable[list[Finding]]]


class Doctor:
    """Checks one domain."""

    def __init__(self, patient: Patient, gmail: GmailUse) -> None:
        """`gmail`: what the domain has sent there."""
        self._patient = patient
        self._gmail = gmail
        self.published: set[str] = set()  # selectors that DNS shows as they are here

    async def examine(self, opener: Opener) -> list[Finding]:
        """Return everything that was found, check by check. `opener`: opens providers, to connect to their servers."""
        patient = self._patient
        checks: dict[str, Check] = {
            "dkim": partial(dkim.check, patient, self.published),
            "spf": partial(spf.check, patient),
            "dmarc": partial(dmarc.check, patient),
            "mx": partial(servers.check_mx, patient),
            "return_path": partial(servers.check_return_path, patient),
            "ptr": partial(servers.check_ptr, patient),
            "tls": partial(tls.check_outlets, patient, opener),
            "mx_tls": partial(tls.check_mx, patient),
            "one_click": partial(bulk.check_one_click, patient),
            "gmail": partial(bulk.check_volume, self._gmail),
        }
        found = await asyncio.gather(*(_bounded(name, check) for name, check in checks.items()))
        return [finding for part in found for finding in part]

    async def look_for_keys(self) -> None:
        """Find out which keys DNS shows as they are here; those that cannot be asked for are not among them."""
        await _bounded("dkim", partial(dkim.check, self._patient, self.published))


async def _bounded(name: str, check: Check) -> list[Finding]:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            return await check()
    except LookupFailedError as error:
        return [warn(name, f"This could not be found out: {error}", "Check again later, or ask other resolvers.")]
    except TimeoutError:
        return [warn(name, f"This could not be found out in {_CHECK_SECONDS:g} s.", "Check again later.")]
