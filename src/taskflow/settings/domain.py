"""Sending domains: which name servers the doctor asks, and where mail leaves from."""

from ipaddress import IPv4Address, IPv6Address

from pydantic import BaseModel, Field


class DomainSettings(BaseModel):
    """`TASKFLOW_DOMAIN_*`."""

    nameservers: list[str] = Field(
        [], description='Resolvers to ask, as JSON: ["9.9.9.9", "127.0.0.1:5353"]; by default those of this machine.'
    )
    dns_timeout: float = Field(5.0, gt=0, le=30, description="Seconds for one question to the resolvers.")
    outgoing_addresses: list[IPv4Address | IPv6Address] = Field(
        [],
        description="Addresses that mail leaves from, as JSON, for SPF and PTR; by default those of the mail servers.",
    )
    retire_days: int = Field(7, ge=1, description="How long a DKIM key that was replaced has to stay in the zone.")
