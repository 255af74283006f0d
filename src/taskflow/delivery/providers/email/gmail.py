"""Gmail, as a preset of SMTP: its server, its way to sign in, its quota.

A personal account may send 500 mails a day, one of Google Workspace 2,000 (support.google.com/a/answer/166852); it is
asked after the others (priority 2). Sign in with an app password, or by XOAUTH2 with a refresh token.
"""

from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from taskflow.audience.channels import Channel
from taskflow.delivery.providers.contract import Kind, Surroundings
from taskflow.delivery.providers.email.over_smtp import SmtpMailProvider
from taskflow.delivery.providers.email.smtp import SignIn
from taskflow.delivery.providers.fields import Line
from taskflow.delivery.smtp import SmtpPool
from taskflow.settings.smtp import SmtpSettings

HOST, PORT = "smtp.gmail.com", 587
TOKEN_URL = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
_CONNECTIONS = 2  # Gmail refuses many at once
_PER_CONNECTION = 100


class GmailFields(SignIn):
    """A Gmail account; a personal one (…@gmail.com) begins with 500 mails a day."""

    username: Line = Field(description="The account's address.")

    @model_validator(mode="after")
    def _signs_in(self) -> Self:
        if self.password is None and self.oauth_refresh_token is None:
            raise ValueError("Gmail needs an app password, or oauth_refresh_token")
        return self


def open_account(fields: GmailFields, surroundings: Surroundings) -> SmtpMailProvider:
    """Return the provider for an account."""
    settings = SmtpSettings(
        host=HOST,
        port=PORT,
        security="starttls",
        username=fields.username,
        password=fields.password,
        connections=_CONNECTIONS,
        messages_per_connection=_PER_CONNECTION,
    )
    return SmtpMailProvider(SmtpPool(settings, bearer=fields.bearer(surroundings, TOKEN_URL)), f"{HOST}:{PORT}")


def _own_budgets(fields: GmailFields) -> Mapping[str, int]:
    """Return those of a personal account, where it is one."""
    return {"per_day": 500} if fields.username.lower().endswith(("@gmail.com", "@googlemail.com")) else {}


GMAIL = Kind(
    name="gmail",
    title="Gmail",
    channel=Channel.EMAIL,
    settings=GmailFields,
    open=open_account,
    priority=2,
    defaults={"per_day": 2000},
    own_defaults=_own_budgets,
)
