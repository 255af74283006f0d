"""Contacts, their consent, and what they may fill in."""

from pydantic import BaseModel, Field


class AudienceSettings(BaseModel):
    """`TASKFLOW_AUDIENCE_*`."""

    phone_region: str | None = Field(
        None, min_length=2, max_length=2, description="Country of phone numbers without a country code: DE."
    )
    confirm_days: int = Field(7, ge=1, le=365, description="How long the link of a double opt-in works.")
    confirmations_per_day: int = Field(
        3, ge=1, description="Mails that ask one person to confirm one subscription in 24 hours."
    )
    form_per_minute: int = Field(20, ge=1, description="Visits of public subscription forms from one address in 60 s.")
