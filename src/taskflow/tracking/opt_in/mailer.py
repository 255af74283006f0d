"""The mail that asks for the confirmation of a double opt-in.

It goes over the router like messages do (class transactional). Its task knows the request's id, the address is looked
up when it runs, and the Message-ID comes from the request: a mail that is sent twice because a sender died is the same
mail.
"""

import math
import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from html import escape
from uuid import UUID

from taskflow.audience.consent.confirmation import ConfirmationGoneError, ConfirmationRequest, Confirmations
from taskflow.audience.suppression.erasure import ErasureKey
from taskflow.base.envelope import SealBrokenError
from taskflow.base.errors import InvalidInputError, UnavailableError
from taskflow.delivery.domains.gmail import GmailMeter
from taskflow.delivery.domains.senders import Sender, Senders
from taskflow.delivery.message_ids import MessageIds
from taskflow.delivery.messages.carrier import Carrier, Load, open_carrier
from taskflow.delivery.mime import Skeleton
from taskflow.delivery.outcome import OutcomeKind
from taskflow.delivery.providers.contract import Mail
from taskflow.delivery.purposes import feedback_id
from taskflow.delivery.verdict import counts
from taskflow.engine.context import WorkerContext
from taskflow.engine.retry import NoRetry
from taskflow.identity.secret_key import signing_key
from taskflow.settings import Settings
from taskflow.tracking.links import ConfirmationLinks

_TEXT = """{wording}

To confirm, open this page and press the button:
{link}

If you did not ask for this, do nothing: you will get no more of these mails.
"""
_HTML = """<!doctype html>
<html lang="en"><body style="font: 16px/1.5 system-ui, sans-serif">
<p>{wording}</p>
<p><a href="{link}">Confirm the subscription</a></p>
<p>If you did not ask for this, do nothing: you will get no more of these mails.</p>
</body></html>
"""


class NotTakenError(UnavailableError):
    """The mail server did not take the mail now."""

    code = "mail_not_taken"


class NotAttemptedError(NotTakenError):
    """No provider takes the mail now: it was no attempt, and is due again after some seconds."""

    code = "mail_not_attempted"

    def __init__(self, message: str, after: float | None) -> None:
        """`after`: seconds; None: at once."""
        super().__init__(message)
        self.after = after


class ConfirmationMailer:
    """Sends the mails of requests; one per process."""

    def __init__(
        self,
        settings: Settings,
        confirmations: Confirmations,
        carrier: Carrier,
        senders: Senders,
        gmail: GmailMeter,
    ) -> None:
        """Take what `open_confirmations` has opened."""
        self._confirmations = confirmations
        self._carrier = carrier
        self._senders = senders
        self._gmail = gmail
        self._secret = signing_key(settings).get_secret_value().encode()
        self._links = ConfirmationLinks(self._secret, settings.http.base_url)

    async def send(self, request_id: UUID) -> str | None:
        """Ask a person to confirm; return the server's reply, or None when nobody is to be asked any more.

        Raises:
            NotAttemptedError: nobody could be asked to take it now.
            NotTakenError: the server did not take it now, or nobody knows whether it did.
            NoRetry: it never will.
        """
        try:
            request = await self._confirmations.find(request_id)
        except ConfirmationGoneError:
            return None
        if not request.is_open or request.confirm_from is None or await self._confirmations.is_refused(request):
            return None
        try:
            sender = await self._senders.of(request.confirm_from)
            body = self._compose(request, request.confirm_from, sender)
        except SealBrokenError as fault:
            raise NotTakenError(str(fault)) from fault
        except InvalidInputError as error:
            raise NoRetry(str(error)) from error
        return_path = sender.return_paths.of(request_id) if sender.return_paths else request.confirm_from
        domain = request.confirm_from.rpartition("@")[2].lower()
        load = Load(Mail(request_id, return_path, request.email, body), domain)
        [(outcome, _)] = await self._carrier.send([load], math.inf, _admit)
        # Servers repeat the address in their words; the task's row is to hold none.
        text = re.sub(re.escape(request.email), "the address", outcome.text, flags=re.IGNORECASE)
        if outcome.kind is OutcomeKind.ACCEPTED:
            self._gmail.sent(request.confirm_from, request.email)
            return text
        if outcome.kind is OutcomeKind.REJECTED:
            raise NoRetry(text)
        if not counts(outcome):
            raise NotAttemptedError(text, outcome.retry_after)
        raise NotTakenError(text)

    def _compose(self, request: ConfirmationRequest, from_email: str, sender: Sender) -> bytes:
        link = self._links.of(request.request_id, request.tag)
        skeleton = Skeleton(
            from_email=from_email,
            purpose="confirmation",
            feedback_id=feedback_id("confirmation", from_email.rpartition("@")[2]),
            signer=sender.signer,
        )
        return skeleton.build(
            to=request.email,
            subject=f"Please confirm: {request.list_name}",
            message_id=MessageIds(self._secret, from_email).of(request.request_id),
            text=_TEXT.format(wording=request.wording, link=link),
            html=_HTML.format(wording=escape(request.wording), link=escape(link)),
        )


async def _admit(places: Sequence[int], _provider: str) -> Collection[int]:
    """Let every mail go: a request has no ledger."""
    return places


@asynccontextmanager
async def open_confirmations(context: WorkerContext) -> AsyncIterator[ConfirmationMailer]:
    """Open the mailer of a worker process."""
    settings = context.settings
    confirmations = Confirmations(context.database.pool, settings.audience, ErasureKey(signing_key(settings)))
    pool = context.database.pool
    senders = Senders(pool, settings)
    async with (
        open_carrier(context) as carrier,
        GmailMeter.open(pool) as gmail,
    ):
        yield ConfirmationMailer(settings, confirmations, carrier, senders, gmail)
