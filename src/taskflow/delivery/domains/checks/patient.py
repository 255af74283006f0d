"""The domain that is looked at, and what it is looked at with."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from taskflow.delivery.domains.models import SendingDomain
from taskflow.delivery.domains.outlets import Outlet
from taskflow.delivery.domains.resolver import Address, Resolver
from taskflow.settings import Settings

UNKNOWN_ACTION: Final = "Name the addresses that mail leaves from in TASKFLOW_DOMAIN_OUTGOING_ADDRESSES."


@dataclass(frozen=True, slots=True)
class Patient:
    """A domain, the settings, who answers for the DNS, and by what its mail leaves."""

    domain: SendingDomain
    settings: Settings
    resolver: Resolver
    outlets: Sequence[Outlet]
    smtp_port: int = 25  # where mail servers of others listen

    async def outgoing(self) -> list[Address]:
        """Return the addresses that mail leaves from, as far as they are known: global ones only."""
        if self.settings.domain.outgoing_addresses:
            return list(self.settings.domain.outgoing_addresses)
        found: dict[Address, None] = {}
        for outlet in self.outlets:
            if outlet.host is None or outlet.term is not None:
                continue
            try:
                found[ip_address(outlet.host)] = None
            except ValueError:
                found |= dict.fromkeys(await self.resolver.addresses(outlet.host))
        return [address for address in found if address.is_global]

    @property
    def leaves_from_providers_only(self) -> bool:
        """Tell whether all addresses that mail leaves from are the providers' own, and theirs to see to."""
        return bool(self.outlets) and all(outlet.term is not None or outlet.host is None for outlet in self.outlets)
