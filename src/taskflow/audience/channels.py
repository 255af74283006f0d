"""The ways in which people are reached."""

from enum import StrEnum


class Channel(StrEnum):
    """How people are written to."""

    EMAIL = "email"
    SMS = "sms"
