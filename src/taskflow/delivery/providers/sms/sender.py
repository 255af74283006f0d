"""What all SMS providers over HTTP share: texts in turn, what is refused before anything is sent, what a cut means."""

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from taskflow.delivery.outcome import NOT_STARTED, Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.contract import ProviderUnusableError, Sms
from taskflow.delivery.providers.http import Answer
from taskflow.delivery.providers.sms.exchange import Exchange, UnansweredError

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
SENDER = re.compile(r"\+?[0-9]{3,15}|[A-Za-z0-9 ._&-]{1,11}")

_FOR_ALL = frozenset({Cause.CREDENTIALS, Cause.OUTAGE, Cause.QUOTA, Cause.SUSPENDED})


class HttpSender(ABC):
    """An `SmsProvider` whose every text is one request."""

    supports_dlt = False

    def __init__(self, exchange: Exchange) -> None:
        """Ask over this."""
        self.exchange = exchange

    @property
    def longest_send_seconds(self) -> float:
        """Return the time limit of a request."""
        return self.exchange.seconds

    async def send(self, texts: Sequence[Sms], deadline: float) -> list[Outcome]:
        """Hand over texts in turn; one whose turn comes after `deadline` (`time.monotonic()`) is `not_started`.

        After a fault that is the provider's whatever the text, the rest of the window is not tried.
        """
        outcomes: list[Outcome] = []
        for text in texts:
            if time.monotonic() >= deadline:
                outcome = NOT_STARTED
            elif outcomes and outcomes[-1].kind is OutcomeKind.PROVIDER_FAULT and outcomes[-1].cause in _FOR_ALL:
                outcome = outcomes[-1]
            else:
                outcome = await self._send(text)
            outcomes.append(outcome)
        return outcomes

    async def _send(self, text: Sms) -> Outcome:
        refusal = common_refusal(text, supports_dlt=self.supports_dlt) or self.refusal(text)
        if refusal is not None:
            return refusal
        try:
            return await self.hand_over(text)
        except UnansweredError as error:
            return unanswered(error)

    def refusal(self, text: Sms) -> Outcome | None:  # noqa: ARG002 - for those who have something to refuse
        """Return why this provider must not get a text at all."""
        return None

    @abstractmethod
    async def hand_over(self, text: Sms) -> Outcome:
        """Send the request and read its answer.

        Raises:
            UnansweredError: there was none.
        """

    async def looked_up(self, path: str) -> Answer:
        """Return the answer to a question that sends nothing.

        Raises:
            ProviderUnusableError: there was none.
        """
        try:
            return await self.exchange.request("GET", path)
        except UnansweredError as error:
            raise ProviderUnusableError(str(error)) from error

    async def close(self) -> None:  # noqa: B027 - all providers can be closed
        """Nothing is held: connections belong to the process's client."""


def common_refusal(text: Sms, *, supports_dlt: bool) -> Outcome | None:
    """Return why no provider, or none without DLT, may get a text."""
    if text.requires_dlt and not supports_dlt:
        return refused("This text goes out under a DLT template only, and this provider knows nothing of DLT.")
    if _E164.fullmatch(text.rcpt_to) is None:
        return refused("The recipient is no number in E.164, such as +491711234567.")
    if text.sender is not None and SENDER.fullmatch(text.sender) is None:
        return refused("The sender is neither a number nor a name of at most eleven plain characters.")
    if not text.text or "\x00" in text.text or not _is_unicode(text.text):
        return refused("The text is empty, or holds what no SMS can carry.", Cause.CONTENT)
    return None


def refused(reason: str, cause: Cause = Cause.INVALID) -> Outcome:
    """Return the outcome of a text that we do not hand over."""
    return Outcome(OutcomeKind.REJECTED, "CHECK", reason=reason, cause=cause)


def unanswered(error: UnansweredError) -> Outcome:
    """Return the outcome of a text whose request got no complete answer."""
    if error.was_sent:
        return Outcome(OutcomeKind.UNCERTAIN, "POST", reason=str(error), cause=Cause.OUTAGE)
    return Outcome(OutcomeKind.PROVIDER_FAULT, "CONNECT", reason=str(error), cause=Cause.OUTAGE)


def of_status(answer: Answer) -> Outcome:
    """Return what an answer without a word of the provider's own says: its status only.

    2xx without the provider's words, and 5xx (a gateway may have lost the answer of a request that was taken), leave
    it open; everything else says that nothing was taken.
    """
    if answer.code == 429:
        kind, cause = OutcomeKind.PROVIDER_FAULT, Cause.THROTTLED
    elif answer.code in (401, 403, 407):
        kind, cause = OutcomeKind.PROVIDER_FAULT, Cause.CREDENTIALS
    elif answer.code == 413:
        kind, cause = OutcomeKind.REJECTED, Cause.SIZE
    elif answer.code in (400, 422):
        kind, cause = OutcomeKind.REJECTED, Cause.INVALID
    elif 300 <= answer.code < 500:
        kind, cause = OutcomeKind.PROVIDER_FAULT, Cause.INVALID
    else:
        kind, cause = OutcomeKind.UNCERTAIN, Cause.OUTAGE
    return Outcome(kind, "POST", answer, retry_after=answer.retry_after, cause=cause)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
