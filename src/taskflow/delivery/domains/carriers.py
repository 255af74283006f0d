"""What services make of the mail that they carry, by what their documentation says.

Some build a mail anew, or write headers that are signed: our DKIM signatures do not survive that, and the service signs
for domains that are authenticated there. Most use a return path of their own: bounces go to them.
"""

from dataclasses import dataclass

from taskflow.delivery.domains.findings import Finding, ok, warn
from taskflow.delivery.domains.outlets import Outlet
from taskflow.delivery.providers.email.gmail import GMAIL
from taskflow.delivery.providers.email.http_api import HTTP
from taskflow.delivery.providers.email.mailgun import MAILGUN
from taskflow.delivery.providers.email.postmark import POSTMARK
from taskflow.delivery.providers.email.sendgrid import SENDGRID
from taskflow.delivery.providers.email.ses import SES
from taskflow.delivery.providers.filling import names_in
from taskflow.delivery.providers.models import ProviderRow


@dataclass(frozen=True, slots=True)
class Habit:
    """Of a service. `signing`: how its documentation calls what makes it sign for a domain."""

    keeps_signatures: bool
    keeps_return_path: bool
    signing: str = "see its documentation"


OWN_SERVER = Habit(keeps_signatures=True, keeps_return_path=True)
_SES = Habit(keeps_signatures=False, keeps_return_path=False, signing="Easy DKIM, and a custom MAIL FROM domain")
_SENDGRID = Habit(keeps_signatures=False, keeps_return_path=False, signing="Domain Authentication")
_MAILGUN = Habit(keeps_signatures=True, keeps_return_path=False, signing="a domain of Mailgun")
_POSTMARK = Habit(keeps_signatures=False, keeps_return_path=False, signing="DKIM, and a custom Return-Path")
_GOOGLE = Habit(keeps_signatures=True, keeps_return_path=False)
_OF_KIND = {
    SES.name: _SES, SENDGRID.name: _SENDGRID, MAILGUN.name: _MAILGUN, POSTMARK.name: _POSTMARK, GMAIL.name: _GOOGLE,
}  # fmt: skip
# Of their mail servers, by the end of the name: what is told over SMTP is treated alike.
_OF_HOST = {
    "amazonaws.com": _SES,
    "sendgrid.net": _SENDGRID,
    "mailgun.org": _MAILGUN,
    "postmarkapp.com": _POSTMARK,
    "gmail.com": _GOOGLE,
}


def habit_of(outlet: Outlet) -> Habit:
    """Return what becomes of mail over an outlet; one that nobody knows changes nothing."""
    row = outlet.row
    if row is not None and row.kind == HTTP.name:
        return Habit(keeps_signatures=_takes_whole_mail(row), keeps_return_path=True)
    if row is not None and row.kind in _OF_KIND:
        return _OF_KIND[row.kind]
    host = (outlet.host or "").lower()
    return next((habit for end, habit in _OF_HOST.items() if host == end or host.endswith(f".{end}")), OWN_SERVER)


def signing_by(outlet: Outlet, domain: str) -> Finding | None:
    """Say who signs what an outlet carries, where it is not us."""
    habit, label = habit_of(outlet), outlet.label[:100]
    if habit.keeps_signatures:
        return None
    sentence = f"Our signatures do not survive {label}: receivers and DMARC count those that it makes itself."
    return warn("dkim", sentence, f"Authenticate {domain} there, with the records that it shows ({habit.signing}).")


def bounces_by(outlet: Outlet, *, has_return_path: bool) -> Finding | None:
    """Say where bounces of what an outlet carries go, where it is not to our return path."""
    if habit_of(outlet).keeps_return_path:
        return None
    sentence = f"Bounces of what {outlet.label[:100]} carries go to it: it has a return path of its own."
    if not has_return_path:
        return ok("return_path", sentence)
    return warn("return_path", sentence, "Read them there; SPF is aligned where it lets you choose a domain of yours.")


def _takes_whole_mail(row: ProviderRow) -> bool:
    return row.settings.get("body") == "raw" or "raw_base64" in names_in(
        [row.settings.get("json_template"), row.settings.get("form_template")]
    )
