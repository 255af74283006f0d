"""What Gmail and Yahoo ask of bulk senders besides: one click to unsubscribe; and whether the domain is one already."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from taskflow.delivery.domains.checks.patient import Patient
from taskflow.delivery.domains.findings import Finding, fail, ok, warn
from taskflow.delivery.domains.gmail import BULK_A_DAY, GmailUse

_NEAR_BULK = 0.8


async def check_one_click(patient: Patient) -> list[Finding]:
    """Look at where unsubscribe links lead."""
    action = "Set TASKFLOW_HTTP_PUBLIC_URL to how recipients reach this server: https://mail.example.com."
    url = patient.settings.http.base_url
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "https" or parts.username is not None:
        sentence = f"Unsubscribe links begin with {parts.scheme}://{host}: one click needs https (RFC 8058)."
        return [fail("one_click", sentence, action)]
    try:
        found = [ip_address(host)]
    except ValueError:
        found = await patient.resolver.addresses(host) if "." in host else []
    if not any(address.is_global for address in found):
        return [fail("one_click", f"Unsubscribe links lead to {host}, which has no public address.", action)]
    return [ok("one_click", f"Unsubscribe links lead to {host} over https, with one click (RFC 8058).")]


async def check_volume(use: GmailUse) -> list[Finding]:
    """Say how far the domain is from being a bulk sender."""
    volume = f"{use.primary_domain} sent {use.last_day:,} messages to Gmail in 24 hours"
    if use.bulk_since is not None:
        sentence = f"{volume}; since {use.bulk_since:%Y-%m-%d} it is a bulk sender there, for good."
        return [ok("gmail", sentence)]
    if use.last_day >= _NEAR_BULK * BULK_A_DAY:
        action = "See that DKIM, SPF, DMARC and one_click are ok before it becomes a bulk sender."
        return [warn("gmail", f"{volume}; at {BULK_A_DAY:,} it is a bulk sender for good.", action)]
    return [ok("gmail", f"{volume}; at {BULK_A_DAY:,} it is a bulk sender for good.")]
