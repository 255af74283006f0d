"""SMTP as a provider: any server, as a row of `providers` tells it; and the server of `TASKFLOW_SMTP_*`.

Signing in is by password, or by XOAUTH2 with a refresh token. Without a row and without `TASKFLOW_SMTP_HOST` the
sandbox inbox takes the mail.
"""

import ssl
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from taskflow.audience.channels import Channel
from taskflow.delivery import addresses
from taskflow.delivery.providers.contract import Kind, Surroundings
from taskflow.delivery.providers.email.oauth import OAuthTokens
from taskflow.delivery.providers.email.over_smtp import SmtpMailProvider, replied
from taskflow.delivery.providers.fields import Fields, HostName, Line, Secret, Url
from taskflow.delivery.smtp import SmtpPool
from taskflow.delivery.smtp.connection import Bearer, is_loopback
from taskflow.settings import Settings
from taskflow.settings.smtp import SmtpSettings

_MAX_PEM = 200_000


class SignIn(Fields):
    """How to sign in to an SMTP server."""

    username: Line | None = Field(None, description="Account name; often the whole address.")
    password: Secret | None = Field(None, description="Password, or an app password.")
    oauth_client_id: Line | None = Field(None, description="For XOAUTH2: the application's id.")
    oauth_client_secret: Secret | None = Field(None, description="For XOAUTH2: the application's secret.")
    oauth_refresh_token: Secret | None = Field(None, description="For XOAUTH2: what makes access tokens.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.password is not None and self.oauth_refresh_token is not None:
            raise ValueError("give a password or oauth_refresh_token, not both")
        if self.oauth_refresh_token is not None and self.oauth_client_id is None:
            raise ValueError("oauth_refresh_token needs oauth_client_id")
        if (self.password is not None or self.oauth_refresh_token is not None) and self.username is None:
            raise ValueError("signing in needs a username")
        return self

    def bearer(self, surroundings: Surroundings, url: str) -> Bearer | None:
        """Return where access tokens come from, when that is how to sign in."""
        if self.oauth_refresh_token is None:
            return None
        return OAuthTokens(
            surroundings.http,
            url,
            client_id=self.oauth_client_id or "",
            client_secret=_plain(self.oauth_client_secret),
            refresh_token=self.oauth_refresh_token.get_secret_value(),
        )


class SmtpFields(SignIn):
    """An SMTP server."""

    host: HostName = Field(description="Name or address of the server.")
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="TLS after STARTTLS, from the start (often port 465), or never."
    )
    ca_certificates: str | None = Field(
        None, max_length=_MAX_PEM, description="Certificates to trust (PEM) instead of the system's own."
    )
    connections: int = Field(4, ge=1, le=100, description="Most connections of a worker process.")
    messages_per_connection: int | None = Field(None, ge=1, description="Then it is closed; by default never.")
    helo_name: Line | None = Field(None, description="Name for EHLO; the machine's own by default.")
    oauth_token_url: Url | None = Field(None, description="For XOAUTH2: where access tokens are made.")

    @model_validator(mode="after")
    def _safe(self) -> Self:
        signs_in = self.password is not None or self.oauth_refresh_token is not None
        if signs_in and self.security == "none" and not is_loopback(self.host):
            raise ValueError("security none would send the password in the clear")
        if self.oauth_refresh_token is not None and self.oauth_token_url is None:
            raise ValueError("oauth_refresh_token needs oauth_token_url")
        if self.helo_name is not None:
            _check_helo_name(self.helo_name)
        if self.ca_certificates is not None:
            _trusting(self.ca_certificates)
        return self

    def settings(self) -> SmtpSettings:
        """Return what the SMTP client takes."""
        return SmtpSettings(
            host=self.host,
            port=self.port,
            security=self.security,
            username=self.username,
            password=self.password,
            connections=self.connections,
            messages_per_connection=self.messages_per_connection,
            helo_name=self.helo_name,
        )


def open_server(fields: SmtpFields, surroundings: Surroundings) -> SmtpMailProvider:
    """Return the provider for a server; it connects with the first message."""
    context = _trusting(fields.ca_certificates) if fields.ca_certificates and fields.security != "none" else None
    pool = SmtpPool(
        fields.settings(),
        context=context,
        on_reply=replied,
        bearer=fields.bearer(surroundings, fields.oauth_token_url or ""),
    )
    return SmtpMailProvider(pool, f"{fields.host}:{fields.port}")


SMTP = Kind(name="smtp", title="SMTP server", channel=Channel.EMAIL, settings=SmtpFields, open=open_server)


def smtp_name(settings: Settings) -> str:
    """Return the name of that server as a provider."""
    return "sandbox" if settings.smtp.host is None else f"smtp:{settings.smtp.host}"[:50]


def _check_helo_name(name: str) -> None:
    try:
        addresses.check_ehlo_name(name)
    except addresses.UnsafeAddressError as error:
        raise ValueError("helo_name is no host name") from error


def _trusting(pem: str) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError) as error:
        raise ValueError("ca_certificates holds no certificates in PEM form") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
