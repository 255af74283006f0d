"""Where mail of a domain leaves: over enabled providers; over the server of `TASKFLOW_SMTP_*` while there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

from taskflow.audience.channels import Channel
from taskflow.db.pool import Pool
from taskflow.delivery.addresses import is_within
from taskflow.delivery.providers.email import gmail
from taskflow.delivery.providers.email.mailgun import MAILGUN
from taskflow.delivery.providers.email.postmark import POSTMARK
from taskflow.delivery.providers.email.sandbox import SANDBOX
from taskflow.delivery.providers.email.sendgrid import SENDGRID
from taskflow.delivery.providers.email.ses import SES
from taskflow.delivery.providers.email.smtp import SMTP
from taskflow.delivery.providers.models import ProviderRow
from taskflow.delivery.providers.repository import ProviderReader
from taskflow.settings import Settings

# Whose servers a mail server's name belongs to, and what their customers name in SPF.
_SPF_OF = {
    "amazonaws.com": "include:amazonses.com",
    "sendgrid.net": "include:sendgrid.net",
    "mailgun.org": "include:mailgun.org",
    "postmarkapp.com": "include:spf.mtasv.net",
    "gmail.com": "include:_spf.google.com",
    "google.com": "include:_spf.google.com",
}
# The same for kinds that are reached over HTTP.
_SPF_OF_KIND = {
    SES.name: "include:amazonses.com",
    SENDGRID.name: "include:sendgrid.net",
    MAILGUN.name: "include:mailgun.org",
    POSTMARK.name: "include:spf.mtasv.net",
}


@dataclass(frozen=True, slots=True)
class Outlet:
    """Whom mail is handed to. `label`: how sentences call it; `row`: None for the server of the settings."""

    label: str
    host: str | None  # of its SMTP server; None: it is reached over HTTP
    is_plain: bool  # without TLS
    term: str | None  # what its documentation has customers name in SPF
    row: ProviderRow | None = None


class Outlets:
    """Those of an installation."""

    def __init__(self, settings: Settings, rows: Sequence[ProviderRow]) -> None:
        """Take the settings and the providers of mail; one that is disabled keeps the settings' server out as well."""
        self._smtp = None if rows else settings.smtp
        self._rows = [row for row in rows if row.enabled and row.channel is Channel.EMAIL and row.kind != SANDBOX.name]

    @classmethod
    async def read(cls, pool: Pool, settings: Settings) -> "Outlets":
        """Return them as they are now."""
        return cls(settings, await ProviderReader(pool).all(Channel.EMAIL))

    def of(self, domain: str) -> list[Outlet]:
        """Return where mail from a domain or its subdomains may leave; the sandbox inbox is none of these."""
        smtp = self._smtp
        if smtp is not None and smtp.host is not None:
            return [Outlet(smtp.host, smtp.host, smtp.security == "none", _term_of(smtp.host))]
        return [_outlet(row) for row in self._rows if _carries(row, domain)]


def _carries(row: ProviderRow, domain: str) -> bool:
    return not row.domains or any(is_within(one, domain) or is_within(domain, one) for one in row.domains)


def _outlet(row: ProviderRow) -> Outlet:
    host = {SMTP.name: row.settings.get("host"), gmail.GMAIL.name: gmail.HOST}.get(row.kind)
    if host is None:
        return Outlet(f"the provider {row.name}", None, is_plain=False, term=_SPF_OF_KIND.get(row.kind), row=row)
    is_plain = row.settings.get("security") == "none"
    return Outlet(f"{host} (provider {row.name})", host, is_plain, _term_of(host), row)


def _term_of(host: str) -> str | None:
    found = (term for suffix, term in _SPF_OF.items() if is_within(host.lower(), suffix))
    return next(found, None)
