"""Outbound webhooks."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import BaseModel, Field


class WebhookSettings(BaseModel):
    """`TASKFLOW_WEBHOOK_*`."""

    allow_networks: list[IPv4Network | IPv6Network] = Field(
        [],
        description='Networks inside that webhooks may reach, as JSON: ["10.0.0.0/8"]. Others only if they are global.',
    )
    timeout: float = Field(
        15.0, gt=0, le=50, description="Seconds for one attempt, from the name's lookup to the answer."
    )
    disable_after: int = Field(100, ge=1, description="Attempts in a row that fail before a webhook is disabled.")
    rotation_hours: int = Field(24, ge=0, description="How long a replaced secret goes on signing beside the new one.")
    delivery_days: int = Field(30, ge=1, description="How long it is kept what webhooks delivered.")
