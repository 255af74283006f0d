"""What all SMS providers over HTTP share: a request a text, and what is refused before anything is sent."""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence

from taskflow.base.logging import get_logger
from taskflow.delivery.outcome import Cause, Outcome, OutcomeKind
from taskflow.delivery.providers.answers import VERB, of_failure, of_refusal, uncertain
from taskflow.delivery.providers.contract import ProviderUnusableError, Sms
from taskflow.delivery.providers.http import Answer, CallFailedError, Request
from taskflow.delivery.providers.sms.exchange import Exchange
from taskflow.delivery.providers.window import send_each

log = get_logger(__name__)

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
SENDER = re.compile(r"\+?[0-9]{3,15}|[A-Za-z0-9 ._&-]{1,11}")


class HttpSender(ABC):
    """An `SmsProvider` whose every text is one request."""

    supports_dlt = False

    def __init__(self, exchange: Exchange) -> None:
        """Ask over this."""
        self.exchange = exchange
        self._slots = asyncio.Semaphore(exchange.connections)

    @property
    def longest_send_seconds(self) -> float:
        """Return the time limit of a request."""
        return self.exchange.seconds

    async def send(self, texts: Sequence[Sms], deadline: float) -> list[Outcome]:
        """Hand over texts, the first alone and then the rest together; after a fault the rest is not tried."""
        return await send_each(texts, deadline, self._slots, self._send)

    async def _send(self, text: Sms) -> Outcome:
        """Return what became of one text; an error of ours is about this text and no other."""
        try:
            refusal = common_refusal(text, supports_dlt=self.supports_dlt) or self.refusal(text)
            return refusal if refusal is not None else await self.hand_over(text)
        except CallFailedError as error:
            return of_failure(error)
        except Exception as error:
            log.exception("text_not_sent", message_id=str(text.message_id))
            reason = f"It is not known what became of the text: {type(error).__name__}."
            return Outcome(OutcomeKind.UNCERTAIN, VERB, reason=reason, cause=Cause.UNKNOWN)

    def refusal(self, text: Sms) -> Outcome | None:  # noqa: ARG002 - for those who have something to refuse
        """Return why this provider must not get a text at all."""
        return None

    @abstractmethod
    async def hand_over(self, text: Sms) -> Outcome:
        """Send the request and read its answer.

        Raises:
            CallFailedError: there was none.
        """

    async def looked_up(self, path: str) -> Answer:
        """Return the answer to a question that sends nothing.

        Raises:
            ProviderUnusableError: there was none.
        """
        return await _answer(self.exchange.request("GET", path))

    async def asked(self, request: Request) -> Answer:
        """Return the answer to a finished request that sends nothing.

        Raises:
            ProviderUnusableError: there was none.
        """
        return await _answer(self.exchange.call(request))

    async def close(self) -> None:  # noqa: B027 - all providers can be closed
        """Nothing is held: connections belong to the process's client."""


async def _answer(call: Awaitable[Answer]) -> Answer:
    try:
        return await call
    except CallFailedError as error:
        raise ProviderUnusableError(str(error)) from error


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


def of_status(answer: Answer) -> Outcome:
    """Return what an answer without a word of the provider's own says; a success in no words leaves it open."""
    return of_refusal(answer) if answer.code >= 300 else uncertain(answer)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
