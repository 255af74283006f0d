"""Providers that speak HTTP."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import BaseModel, Field


class ProviderSettings(BaseModel):
    """`TASKFLOW_PROVIDER_*`."""

    allow_networks: list[IPv4Network | IPv6Network] = Field(
        [],
        description='Networks inside that HTTP providers may be in, as JSON: ["10.0.0.0/8"]. Others only if global.',
    )
    timeout: float = Field(
        30.0, gt=0, le=120, description="Seconds of a request, from the name's lookup to the answer."
    )
    connections: int = Field(10, ge=1, description="Most connections of a process to one HTTP provider.")
